"""A hospital's own thresholds.

The order of scores holds in a hospital that no net has seen better than a threshold does (README); a hospital
therefore sets its own (`cxrtriage/desk/threshold_bench.py`). They are bound to the nets, and to their
calibration, whose scores they were set on, and hold beside no others.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cxrtriage.reading.call import POOLING
from cxrtriage.weights import Card, OperatingPoint, WeightsError

_KIND = "cxrtriage/site/1"
LONGEST_NAME = 60  # it stands on a line of the page
LARGEST_FILE = 1_000_000  # bytes; such a file has a few thousand


@dataclass(frozen=True)
class SitePoint:
    """A threshold on the probability, set on films of one hospital, and what it gives there.

    `sensitivity` and `specificity` (0..1) are what further films like these are expected to have, each with
    its 95 % interval. `films_with` and `films_without`: how many films there were with and without the
    disease, one a patient.
    """

    threshold: float
    sensitivity: float
    sensitivity_interval: tuple[float, float]
    specificity: float
    specificity_interval: tuple[float, float]
    films_with: int
    films_without: int

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> SitePoint:
        """What `asdict` gave, also after JSON; KeyError, TypeError or ValueError where it is not that."""
        return cls(
            _share(values["threshold"]),
            _share(values["sensitivity"]),
            _interval(values["sensitivity_interval"]),
            _share(values["specificity"]),
            _interval(values["specificity_interval"]),
            _count(values["films_with"]),
            _count(values["films_without"]),
        )

    def as_operating_point(self, site: str, class_name: str, spread: float) -> OperatingPoint:
        """The same as a card has it. `spread`: how far nets usually disagree, in logits, from the card."""
        population = (
            f"films of {site}: {self.films_with} with {class_name.replace('_', ' ')}, "
            f"{self.films_without} without it"
        )
        return OperatingPoint(
            self.threshold,
            (self.threshold, self.threshold),
            self.sensitivity,
            self.specificity,
            population,
            spread,
        )


@dataclass(frozen=True)
class Site:
    """`weights` and `calibrations`: sha256 by net, as in the ensemble's file. `readers`: by class, the nets
    whose scores the thresholds were set on. `points`: class, name of the operating point, threshold."""

    name: str
    weights: dict[str, str]
    calibrations: dict[str, str]
    readers: dict[str, tuple[str, ...]]
    points: dict[str, dict[str, SitePoint]]

    @property
    def operating_points(self) -> tuple[str, ...]:
        """Names that at least one class has, in the order in which they stand in the file."""
        return tuple(dict.fromkeys(name for points in self.points.values() for name in points))

    @property
    def source(self) -> str:
        """What a score says of who set its threshold."""
        return f"site:{self.name}"

    def needs(self, cards: Mapping[str, Card], readers: Mapping[str, tuple[str, ...]]) -> None:
        """WeightsError `other_thresholds` where these are not the nets that the thresholds were set with."""
        of = {name: (card.sha256, card.calibration_sha256) for name, card in cards.items()}
        own = {name: (self.weights.get(name), self.calibrations.get(name)) for name in self.weights}
        asked = {name: sorted(readers.get(name, ())) for name in self.points}
        if own != of or asked != {name: sorted(self.readers.get(name, ())) for name in self.points}:
            raise WeightsError(
                "other_thresholds",
                f"The thresholds of {self.name} were set with other models than those that read here; set "
                "them anew from scores of these (python -m cxrtriage thresholds).",
            )

    def to_json(self) -> str:
        values = {"schema": _KIND, "pooling": POOLING, **asdict(self)}
        return json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> Site:
        """The site of a file's text; WeightsError `no_thresholds` where it is none."""
        try:
            values = json.loads(text)
            if values.pop("schema") != _KIND or values.pop("pooling") != POOLING:
                raise ValueError(f"not a {_KIND}")
            site = cls(
                site_name(values["name"]),
                _sums(values["weights"]),
                _sums(values["calibrations"]),
                {str(name): tuple(map(str, nets)) for name, nets in values["readers"].items()},
                {
                    str(name): {str(point): SitePoint.from_dict(one) for point, one in points.items()}
                    for name, points in values["points"].items()
                },
            )
            if not site.operating_points:
                raise ValueError("no threshold")
            return site
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
            raise WeightsError(
                "no_thresholds",
                "This is no file of a hospital's thresholds as python -m cxrtriage thresholds writes it.",
            ) from error


def read_site(path: Path) -> Site:
    """The thresholds of a file; WeightsError `no_thresholds` where it cannot be read or holds none."""
    try:
        with path.open("rb") as stream:
            text = stream.read(LARGEST_FILE + 1)
    except OSError as error:
        raise WeightsError("no_thresholds", f"The thresholds {path} cannot be read: {error}.") from error
    return Site.from_json(text[:LARGEST_FILE])


def site_name(words: str) -> str:
    """A hospital's name as it stands on a page; ValueError where it is empty, long, or holds control
    characters."""
    name = words.strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise ValueError(f"a hospital's name must have 1 to {LONGEST_NAME} letters")
    return name


def _sums(values: Any) -> dict[str, str]:
    return {str(name): str(value) for name, value in values.items()}


def _share(value: Any) -> float:
    share = float(value)
    if not (math.isfinite(share) and 0 <= share <= 1):
        raise ValueError(f"{value} is not in 0..1")
    return share


def _interval(value: Any) -> tuple[float, float]:
    low, high = value
    return _share(low), _share(high)


def _count(value: Any) -> int:
    if not isinstance(value, int) or value < 0:
        raise ValueError(f"{value} is no number of films")
    return value
