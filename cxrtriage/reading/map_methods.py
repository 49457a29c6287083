"""The ways a map of a score is made, and how often the maps of each pointed at lesions drawn by hand."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from cxrtriage.reading.facts import RESULTS_FOLDER
from cxrtriage.weights import Card

MapMethod = Literal["Grad-CAM", "Relevance"]
GRAD_CAM: MapMethod = "Grad-CAM"
RELEVANCE: MapMethod = "Relevance"

_STUDY = "compare_saliency.json"
_CHANCE = "evenly over the lungs"


@dataclass(frozen=True)
class Share:
    """A share in 0..1 and its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Pointing:
    """What the maps of one net and method hit on test films with lesions drawn by hand.

    `pointing`: films whose strongest place lay in a lesion. `inside`: mean share of the map that did. `films`
    and `patients` are how many they were measured on.
    """

    films: int
    patients: int
    pointing: Share
    inside: Share


@dataclass(frozen=True)
class MapFigures:
    """By method, what was measured of a net. `chance`: a map spread evenly over the lungs, on the same films.

    Of weights that were never measured so, `methods` is empty and `chance` None.
    """

    methods: dict[str, Pointing]
    chance: Pointing | None


def map_figures(card: Card, results: Path = RESULTS_FOLDER) -> MapFigures:
    """What `train compare saliency` measured of these very weights on films of the test split."""
    try:
        study: dict[str, Any] = json.loads((results / _STUDY).read_text(encoding="utf-8"))
        net = study["nets"].get(card.name)
        if not net or net["sha256"] != card.sha256:
            return MapFigures({}, None)
        return MapFigures(
            {method: found for method, row in net["methods"].items() if (found := _pointing(row))},
            _pointing(study["controls"].get(_CHANCE)),
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError):  # no results, or none that can be used
        return MapFigures({}, None)


def _pointing(row: dict[str, Any] | None) -> Pointing | None:
    figures = row["figures"]["test"] if row else None
    if not figures:
        return None
    return Pointing(
        figures["films"], figures["patients"], Share(**figures["pointing"]), Share(**figures["inside"])
    )
