"""Which nets read together, and the thresholds measured for each such combination.

The probability of a combination is that of the mean of the log odds of its members' calibrated
probabilities. A threshold is bound to the weights it was measured with, so `weights/ensemble.json` names
their checksums, and to that mean: files of schema 1 held thresholds for a mean of probabilities.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cxrtriage.weights import WEIGHTS_FOLDER, Card, OperatingPoint, WeightsError

_KIND = "cxrtriage/ensemble/2"
_OF_ANOTHER_MEAN = "cxrtriage/ensemble/1"
_FILE = "ensemble.json"


def combination_name(members: Sequence[str]) -> str:
    """`a+b`, the members in alphabetical order."""
    return "+".join(sorted(members))


@dataclass(frozen=True)
class Ensemble:
    """`weights`: sha256 by net. `operating_points`: combination, class, point name -> point.

    `members`: the nets that read unless others are asked for: the combination that did best on the
    validation films, for a net that harms the others is shipped for comparison alone.

    `lungs`: name and sha256 of the lung net whose crop the members were measured with, if any.
    `findings`: name of the net whose findings are shown (a member or not), if any.
    """

    weights: dict[str, str]
    members: tuple[str, ...]
    default_operating_point: str
    lungs: dict[str, str]
    findings: dict[str, str]
    operating_points: dict[str, dict[str, dict[str, OperatingPoint]]]

    def to_dict(self) -> dict[str, Any]:
        return {"schema": _KIND, **asdict(self)}

    def points(self, cards: Sequence[Card]) -> dict[str, dict[str, OperatingPoint]] | None:
        """Points by class and name for these nets together; None where they were never measured so."""
        if any(self.weights.get(card.name) != card.sha256 for card in cards):
            return None
        return self.operating_points.get(combination_name([card.name for card in cards]))


def read_ensemble(folder: Path = WEIGHTS_FOLDER) -> Ensemble:
    """The ensemble of a folder of weights; WeightsError where it is missing or damaged."""
    path = folder / _FILE
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        kind = values.pop("schema")
        if kind == _OF_ANOTHER_MEAN:
            raise WeightsError(
                "weights_damaged",
                f"The thresholds of {_FILE} were set for another mean of the models; "
                "run python -m train evaluate, or fetch the weights again.",
            )
        if kind != _KIND:
            raise ValueError(f"not a {_KIND}")
        values["operating_points"] = {
            combination: {
                name: {point: OperatingPoint.from_dict(v) for point, v in points.items()}
                for name, points in classes.items()
            }
            for combination, classes in values["operating_points"].items()
        }
        values["members"] = tuple(values["members"])
        if not values["members"] or not set(values["members"]) <= set(values["weights"]):
            raise ValueError("the members are not among the nets")
        if not isinstance(values["default_operating_point"], str):
            raise TypeError("the operating point has no name")
        for net in ("lungs", "findings"):  # none, or a net by its name
            if values[net] and not isinstance(values[net]["name"], str):
                raise TypeError(f"{net} has no name")
        return Ensemble(**values)
    except FileNotFoundError as error:
        raise WeightsError(
            "weights_missing", f"{_FILE} is not in {folder}; fetch the weights again."
        ) from error
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise WeightsError("weights_damaged", f"{_FILE} is damaged; fetch the weights again.") from error


def write_ensemble(ensemble: Ensemble, folder: Path = WEIGHTS_FOLDER) -> Path:
    path = folder / _FILE
    partial = path.with_suffix(".part")
    partial.write_text(json.dumps(ensemble.to_dict(), indent=1) + "\n", encoding="utf-8")
    partial.replace(path)
    return path
