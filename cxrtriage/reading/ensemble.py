"""Which nets read together, which classes each speaks of, and the thresholds of each such combination.

The probability of a combination is that of the mean of the log odds of its members' calibrated
probabilities, each weighted by how little its log odds vary. A threshold is bound to the weights and the
calibration it was measured with, so `weights/ensemble.json` names the checksums of both, and to that mean:
files of schema 1 held thresholds for a mean of probabilities, those of schema 2 let every net speak of every
class, those of schema 3 had equal weights, those of schema 4 did not say of which calibration they were.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cxrtriage.weights import WEIGHTS_FOLDER, Card, OperatingPoint, WeightsError

_KIND = "cxrtriage/ensemble/5"
_OLDER = tuple(f"cxrtriage/ensemble/{number}" for number in range(1, 5))
_FILE = "ensemble.json"


def combination_name(members: Sequence[str]) -> str:
    """`a+b`, the members in alphabetical order."""
    return "+".join(sorted(members))


@dataclass(frozen=True)
class Ensemble:
    """`weights`, `calibrations`: sha256 by net. `operating_points`: combination, class, point name -> point.

    `readers`: by class, the nets that speak of it unless others are asked for. A net that tells one disease
    in a hospital it never saw may be of no use for another, and one that harms the others for every class
    is shipped for comparison alone.

    `lungs`: name and sha256 of the lung net whose crop the members were measured with, if any.
    `findings`: name of the net whose findings are shown (a member or not), if any.
    """

    weights: dict[str, str]
    calibrations: dict[str, str]
    readers: dict[str, tuple[str, ...]]
    default_operating_point: str
    lungs: dict[str, str]
    findings: dict[str, str]
    operating_points: dict[str, dict[str, dict[str, OperatingPoint]]]

    @property
    def members(self) -> tuple[str, ...]:
        """The nets that read unless others are asked for, in the order of their names."""
        return tuple(sorted({net for nets in self.readers.values() for net in nets}))

    def to_dict(self) -> dict[str, Any]:
        return {"schema": _KIND, **asdict(self)}

    def points(self, cards: Mapping[str, Card]) -> dict[str, dict[str, OperatingPoint]] | None:
        """Points by class and name for these nets together; None where they were never measured so."""
        measured = {name: (self.weights.get(name), self.calibrations.get(name)) for name in cards}
        if measured != {name: (card.sha256, card.calibration_sha256) for name, card in cards.items()}:
            return None
        if set(cards) != set(self.members):
            return self.operating_points.get(combination_name(list(cards)))
        found = {}
        for name, nets in self.readers.items():
            of = cards[nets[0]].operating_points
            if len(nets) > 1:
                of = self.operating_points.get(combination_name(nets), {})
            if name not in of or any(name not in cards[net].classes for net in nets):
                return None
            found[name] = of[name]
        return found


def speakers(cards: Mapping[str, Card], ensemble: Ensemble | None) -> dict[str, tuple[str, ...]]:
    """By class, which of these nets speak of it: an ensemble's members as chosen, others of all they know."""
    known = dict.fromkeys(name for card in cards.values() for name in card.classes)
    if ensemble and set(cards) == set(ensemble.members):
        return {name: ensemble.readers[name] for name in known if name in ensemble.readers}
    return {name: tuple(net for net, card in cards.items() if name in card.classes) for name in known}


def read_ensemble(folder: Path = WEIGHTS_FOLDER) -> Ensemble:
    """The ensemble of a folder of weights; WeightsError where it is missing or damaged."""
    path = folder / _FILE
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        kind = values.pop("schema")
        if kind in _OLDER:
            raise WeightsError(
                "weights_damaged",
                f"The thresholds of {_FILE} were set for models that read together in another way; "
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
        values["readers"] = {name: tuple(nets) for name, nets in values["readers"].items()}
        if not values["readers"]:
            raise ValueError("no net reads")
        if not isinstance(values["calibrations"], dict):
            raise TypeError("no calibration is named")
        if any(not nets or not set(nets) <= set(values["weights"]) for nets in values["readers"].values()):
            raise ValueError("those that read are not among the nets")
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
