"""Weights and their cards: `NAME.safetensors` beside `NAME.json`.

The card travels with the weights and is bound to them by checksum, since a threshold is worth
nothing beside other weights.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn

WEIGHTS_FOLDER = Path(__file__).resolve().parent.parent / "weights"
_KIND = "cxrtriage/card/1"


class WeightsError(Exception):
    """Weights that cannot be used; `message` is one sentence for the user that says what to do."""

    def __init__(self, code: str, message: str) -> None:
        self.code, self.message = code, message
        super().__init__(f"{code}: {message}")


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold on the calibrated probability, and what it gave on the films it was set on.

    `interval` is the 95 % bootstrap interval of the threshold itself. `sensitivity` and `specificity`
    are those on `population`.
    `spread` is how far nets usually disagree there, in logits: half the uncertain band of a net alone.
    """

    threshold: float
    interval: tuple[float, float]
    sensitivity: float
    specificity: float
    population: str
    spread: float = 0.0

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> OperatingPoint:
        low, high = values["interval"]
        numbers = ("threshold", "sensitivity", "specificity", "spread")
        kept = {name: float(values[name]) for name in numbers if name in values}
        return cls(**{**values, **kept, "interval": (float(low), float(high))})


@dataclass(frozen=True)
class Calibration:
    """A logit z becomes the probability sigmoid(z / temperature + shift) (Guo 2017; Platt 1999).

    The temperature says how sure the net may be; the shift carries a net that learnt on balanced
    draws to the share of the ill among the films it was calibrated on. `deviation`: the standard
    deviation of the log odds that come out, over these films; nets that speak together are put on a
    par by it.
    """

    temperature: float = 1.0
    shift: float = 0.0
    deviation: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.deviation < math.inf:
            raise ValueError("log odds that do not vary put no film before another")


@dataclass(frozen=True)
class Card:
    """What a set of weights is.

    `classes` are the flagged ones in the order of the outputs, `findings` those of the outputs after
    them; `shown_findings` held on the test split. `calibration` goes by class or finding,
    `operating_points` by class, then by name (`sensitivity_0.90`). `lungs` names the lung net whose
    crop the input needs, with the first twelve digits of its weights' sha256.
    `training_data` gives per source: films by class, licence. `figures` is what `python -m train
    evaluate` measured.
    """

    name: str
    task: str
    classes: tuple[str, ...]
    architecture: str
    options: dict[str, Any]
    input: dict[str, Any]
    sha256: str
    licence: str
    training_data: list[dict[str, Any]] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    findings: tuple[str, ...] = ()
    shown_findings: tuple[str, ...] = ()
    lungs: dict[str, str] = field(default_factory=dict)
    calibration: dict[str, Calibration] = field(default_factory=dict)
    operating_points: dict[str, dict[str, OperatingPoint]] = field(default_factory=dict)
    default_operating_point: str = "sensitivity_0.90"
    figures: dict[str, Any] = field(default_factory=dict)
    cautions: tuple[str, ...] = ()

    @property
    def calibration_sha256(self) -> str:
        """Of what makes probabilities of its outputs, in hexadecimal: thresholds hold beside no other."""
        text = json.dumps({name: asdict(one) for name, one in self.calibration.items()}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def deviation(self, name: str) -> float:
        """Of the log odds of a class or finding, on the films it was calibrated on."""
        return self.calibration.get(name, Calibration()).deviation

    def to_dict(self) -> dict[str, Any]:
        return {"schema": _KIND, **asdict(self)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Card:
        values = dict(values)
        if values.pop("schema", None) != _KIND:
            raise ValueError(f"not a {_KIND}")
        kinds = {
            str: ("name", "task", "architecture", "sha256", "licence"),
            dict: ("options", "input", "settings", "lungs", "figures"),
        }
        for kind, keys in kinds.items():
            if not all(isinstance(values[key], kind) for key in keys if key in values):
                raise TypeError(f"not a {_KIND}")
        for key in ("classes", "cautions", "findings", "shown_findings"):
            values[key] = tuple(values.get(key, ()))
        values["calibration"] = {
            name: Calibration(**{part: float(value) for part, value in parts.items()})
            for name, parts in values.get("calibration", {}).items()
        }
        values["operating_points"] = {
            name: {point: OperatingPoint.from_dict(v) for point, v in points.items()}
            for name, points in values.get("operating_points", {}).items()
        }
        return cls(**values)


def checksum(path: Path) -> str:
    """sha256 of a file in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read_card(name: str, folder: Path = WEIGHTS_FOLDER) -> Card:
    """The card of a set of weights; WeightsError where it is missing or damaged."""
    path = folder / f"{name}.json"
    try:
        card = Card.from_dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise WeightsError(
            "weights_missing", f"The card {path.name} is not in {folder}; fetch the weights again."
        ) from error
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise WeightsError(
            "weights_damaged", f"The card {path.name} is damaged; fetch the weights again."
        ) from error
    if card.name != name:
        raise WeightsError(
            "weights_damaged", f"The card {path.name} is that of other weights; fetch both again."
        )
    return card


@contextmanager
def parts_of(card: Card) -> Iterator[None]:
    """Where what a card says is taken apart: a part that is missing or of another kind is WeightsError."""
    try:
        yield
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise WeightsError(
            "weights_damaged", f"The card {card.name}.json is damaged; fetch the weights again."
        ) from error


def need_numbers(values: Tensor, name: str, what: str = "film") -> None:
    """WeightsError `no_score` where a net (`name`) gave NaN or infinity for a film or a series.

    To be asked of what comes out of the net itself: a sigmoid makes a score of 1 of infinity, and a
    comparison with NaN is false, which would read as nothing found.
    """
    import torch

    if not bool(torch.isfinite(values).all()):
        raise WeightsError("no_score", f"{name} gave no number for this {what}; nothing is shown.")


def write_card(card: Card, folder: Path = WEIGHTS_FOLDER) -> Path:
    path = folder / f"{card.name}.json"
    partial = path.with_suffix(".part")
    partial.write_text(json.dumps(card.to_dict(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    partial.replace(path)
    return path


def save_net(net: nn.Module, path: Path) -> str:
    """Write a net's state in half precision (normalisation statistics in single) and give its sha256.

    Running variances span more decades than half precision holds, so they stay float32.
    """
    import torch
    from safetensors.torch import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    state: dict[str, Tensor] = {}
    for key, value in net.state_dict().items():
        statistic = key.rsplit(".", 1)[-1] in ("running_mean", "running_var")
        halve = value.dtype == torch.float32 and not statistic
        state[key] = (value.half() if halve else value).contiguous()
    partial = path.with_suffix(".part")
    save_file(state, partial)
    partial.replace(path)
    return checksum(path)


def load_net(card: Card, folder: Path = WEIGHTS_FOLDER) -> Any:
    """The net of a card with its weights, in evaluation mode, float32.

    Raises WeightsError where the file is missing, damaged or not the one the card speaks of.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from cxrtriage import nets

    path = folder / f"{card.name}.safetensors"
    if not path.is_file():
        raise WeightsError(
            "weights_missing", f"The weights {path.name} are not in {folder}; fetch them again."
        )
    if checksum(path) != card.sha256:
        raise WeightsError(
            "weights_damaged",
            f"The weights {path.name} are not the ones their card speaks of (checksum); fetch both again.",
        )
    try:
        state = load_file(path)
        net = nets.build(card.architecture, **card.options)
        net.load_state_dict(state, strict=True)
    except (SafetensorError, RuntimeError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise WeightsError(
            "weights_damaged", f"The weights {path.name} do not fit their card; fetch both again."
        ) from error
    if not all(bool(part.isfinite().all()) for part in state.values()):
        raise WeightsError(
            "weights_damaged", f"The weights {path.name} hold what is no number (NaN); fetch them again."
        )
    net.float().eval().requires_grad_(False)
    return net
