"""Figures of merit with intervals: arrays of scores and truths in, numbers out. No files, no nets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar
from sklearn.metrics import roc_auc_score, roc_curve

ROUNDS = 1000


@dataclass(frozen=True)
class Interval:
    """A value with its 95 % bootstrap interval; `films` counts (negative, positive)."""

    value: float
    low: float
    high: float
    films: tuple[int, int]

    def to_dict(self) -> dict[str, Any]:
        return {key: round(v, 4) if isinstance(v, float) else v for key, v in asdict(self).items()}


@dataclass(frozen=True)
class Counts:
    """The four cells of a confusion table, and what follows from them (NaN where a cell is empty)."""

    true_positive: int
    false_positive: int
    false_negative: int
    true_negative: int

    @classmethod
    def of(cls, calls: np.ndarray, truths: np.ndarray) -> Counts:
        """From two boolean arrays (films,)."""
        return cls(
            int((calls & truths).sum()),
            int((calls & ~truths).sum()),
            int((~calls & truths).sum()),
            int((~calls & ~truths).sum()),
        )

    @property
    def accuracy(self) -> float:
        return _share(self.true_positive + self.true_negative, sum(asdict(self).values()))

    @property
    def precision(self) -> float:
        return _share(self.true_positive, self.true_positive + self.false_positive)

    @property
    def recall(self) -> float:
        return _share(self.true_positive, self.true_positive + self.false_negative)

    @property
    def specificity(self) -> float:
        return _share(self.true_negative, self.true_negative + self.false_positive)

    @property
    def f1(self) -> float:
        return _share(
            2 * self.true_positive, 2 * self.true_positive + self.false_positive + self.false_negative
        )

    def to_dict(self) -> dict[str, Any]:
        names = ("accuracy", "precision", "recall", "f1", "specificity")
        return {**asdict(self), **{name: round(getattr(self, name), 4) for name in names}}


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")


def auroc(scores: np.ndarray, truths: np.ndarray, patients: Sequence[str] | None = None) -> Interval | None:
    """AUROC with a bootstrap over patients (over films where none are given); None for one class only."""
    if truths.all() or not truths.any():
        return None
    value = float(roc_auc_score(truths, scores))
    drawn = bootstrap(lambda index: roc_auc_score(truths[index], scores[index]), truths, patients)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Interval(value, float(low), float(high), (int((~truths).sum()), int(truths.sum())))


def bootstrap(
    figure: Callable[[np.ndarray], float],
    truths: np.ndarray,
    patients: Sequence[str] | None = None,
    rounds: int = ROUNDS,
    seed: int = 0,
) -> np.ndarray:
    """`figure(film indices)` over `rounds` resamples of whole patients; draws with one class are redrawn."""
    random = np.random.default_rng(seed)
    names = (
        np.arange(len(truths))
        if patients is None
        else np.unique(np.asarray(patients), return_inverse=True)[1]
    )
    members = [np.flatnonzero(names == name) for name in range(int(names.max()) + 1)]
    values: list[float] = []
    while len(values) < rounds:
        index = np.concatenate([members[i] for i in random.integers(len(members), size=len(members))])
        if 0 < truths[index].sum() < len(index):
            values.append(float(figure(index)))
    return np.array(values)


def threshold_for(scores: np.ndarray, truths: np.ndarray, point: str) -> float:
    """The threshold (flagged: score >= threshold) of a named operating point.

    `sensitivity_0.90`: the highest threshold that still flags that share of the ill;
    `specificity_0.70`: the lowest that spares that share of the others; `youden`: the highest
    sensitivity + specificity (Youden 1950). The middle between neighbouring scores is taken, as the
    edge of one film's score is an accident.
    """
    false_positive, true_positive, cuts = roc_curve(truths, scores, drop_intermediate=False)
    # The first cut is infinite and flags nothing; just above the highest score does that too.
    cuts[0] = np.nextafter(scores.max(), 2)
    name, _, target = point.partition("_")
    if name == "sensitivity":
        best = int(np.argmax(true_positive >= float(target) - 1e-12))
    elif name == "specificity":
        best = int(np.flatnonzero(1 - false_positive >= float(target) - 1e-12)[-1])
    elif name == "youden":
        best = int(np.argmax(true_positive - false_positive))
    else:
        raise ValueError(f"unknown operating point {point!r}")
    below = scores[scores < cuts[best]]
    if best == 0 or not len(below):
        return float(cuts[best])
    return float((cuts[best] + below.max()) / 2)


def temperature_for(logits: np.ndarray, targets: np.ndarray) -> float:
    """The temperature (Guo 2017) that makes (films, classes) logits most likely; 1 leaves them."""

    def loss(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        scaled = scaled - scaled.max(axis=1, keepdims=True)
        likelihood = scaled[np.arange(len(targets)), targets] - np.log(np.exp(scaled).sum(axis=1))
        return float(-likelihood.mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-3, 3), method="bounded").x))


def calibration_error(scores: np.ndarray, truths: np.ndarray, bins: int = 10) -> float:
    """Expected calibration error over `bins` equal steps of the probability (Naeini 2015)."""
    index = np.minimum((scores * bins).astype(int), bins - 1)
    gaps = [
        (index == b).mean() * abs(scores[index == b].mean() - truths[index == b].mean())
        for b in range(bins)
        if (index == b).any()
    ]
    return float(sum(gaps))
