"""Figures of merit with intervals: arrays of scores and truths in, numbers out. No files, no nets.

The bootstrap draws whole patients. A draw is kept as how often it holds each film, (rounds, films),
so that a figure of a thousand draws is a few sums over one array.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

ROUNDS = 1000
# Shares that are equal but for the order of summation.
_EQUAL = 1e-9


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
        """The cells and the shares, of which None has no film to be a share of."""
        names = ("accuracy", "precision", "recall", "f1", "specificity")
        shares = {name: getattr(self, name) for name in names}
        return {
            **asdict(self),
            **{name: None if np.isnan(share) else round(share, 4) for name, share in shares.items()},
        }


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")


def auroc(scores: np.ndarray, truths: np.ndarray, patients: Sequence[str] | None = None) -> Interval | None:
    """AUROC with a bootstrap over patients (over films where none are given); None for one class only."""
    if truths.all() or not truths.any():
        return None
    value = float(drawn_aurocs(scores, truths, np.ones((1, len(truths))))[0])
    drawn = drawn_aurocs(scores, truths, draws(truths, patients))
    return interval(value, drawn, truths)


def interval(value: float, drawn: np.ndarray, truths: np.ndarray) -> Interval:
    """A value with the 95 % interval of its draws (rounds,)."""
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Interval(value, float(low), float(high), (int((~truths).sum()), int(truths.sum())))


def draws(
    truths: np.ndarray, patients: Sequence[str] | None = None, rounds: int = ROUNDS, seed: int = 0
) -> np.ndarray:
    """(rounds, films) float: how often each film is in each resample of whole patients.

    Resamples in which all films, or none, are positive are drawn anew.
    """
    random = np.random.default_rng(seed)
    groups = (
        np.arange(len(truths))
        if patients is None
        else np.unique(np.asarray(patients), return_inverse=True)[1].ravel()
    )
    number = int(groups.max()) + 1
    # Films of a patient by class: what a draw holds is then a product, not a loop.
    positive = np.bincount(groups[truths], minlength=number)
    negative = np.bincount(groups[~truths], minlength=number)
    kept: list[np.ndarray] = []
    while sum(map(len, kept)) < rounds:
        drawn = random.integers(number, size=(rounds, number)) + number * np.arange(rounds)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=rounds * number).reshape(rounds, number)
        kept.append(counts[(counts @ positive > 0) & (counts @ negative > 0)])
    return np.concatenate(kept)[:rounds][:, groups].astype(float)


def drawn_aurocs(scores: np.ndarray, truths: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(rounds,) AUROC of (films,) scores, each film counted by (rounds, films) weights; ties count half."""
    order = np.argsort(scores, kind="stable")
    positive, negative, _ = _by_score(scores[order], truths[order], weights[:, order])
    below = np.cumsum(negative, axis=1) - negative
    wins = (positive * (below + 0.5 * negative)).sum(axis=1)
    return wins / (positive.sum(axis=1) * negative.sum(axis=1))


def drawn_thresholds(scores: np.ndarray, truths: np.ndarray, point: str, weights: np.ndarray) -> np.ndarray:
    """(rounds,) thresholds (flagged: score >= threshold) of a named operating point.

    `sensitivity_0.90`: the highest threshold that still flags that share of the ill;
    `specificity_0.70`: the lowest that spares that share of the others; `youden`: the highest
    sensitivity + specificity (Youden 1950). The middle between neighbouring scores is taken, as the
    edge of one film's score is an accident. Films count by (rounds, films) weights.
    """
    order = np.argsort(-scores, kind="stable")
    positive, negative, cuts = _by_score(scores[order], truths[order], weights[:, order])
    # Before the first cut nothing is flagged; just above the highest score does that too.
    cuts = np.concatenate([[np.nextafter(cuts[0], np.inf)], cuts])
    nothing = np.zeros((len(weights), 1))
    sensitivity = np.concatenate([nothing, np.cumsum(positive, axis=1)], axis=1)
    sensitivity /= sensitivity[:, -1:]
    false_alarms = np.concatenate([nothing, np.cumsum(negative, axis=1)], axis=1)
    false_alarms /= false_alarms[:, -1:]
    name, _, target = point.partition("_")
    if name == "sensitivity":
        best = np.argmax(sensitivity >= float(target) - _EQUAL, axis=1)
    elif name == "specificity":
        best = (1 - false_alarms >= float(target) - _EQUAL).sum(axis=1) - 1
    elif name == "youden":
        best = np.argmax(sensitivity - false_alarms, axis=1)
    else:
        raise ValueError(f"unknown operating point {point!r}")
    below = np.minimum(best + 1, len(cuts) - 1)
    return np.where(best == 0, cuts[0], (cuts[best] + cuts[below]) / 2)


def threshold_for(
    scores: np.ndarray, truths: np.ndarray, point: str, weights: np.ndarray | None = None
) -> float:
    """The threshold of a named operating point (see `drawn_thresholds`); films count by (films,) weights."""
    weights = np.ones(len(scores)) if weights is None else weights
    return float(drawn_thresholds(scores, truths, point, weights[None])[0])


def flagged_shares(
    flagged: np.ndarray, truths: np.ndarray, patients: Sequence[str] | None = None
) -> tuple[Interval | None, Interval | None]:
    """Sensitivity and specificity of (films,) calls with bootstrap intervals; None for one class only."""
    if truths.all() or not truths.any():
        return None, None
    weights = draws(truths, patients)
    found = []
    for right, of in ((flagged & truths, truths), (~flagged & ~truths, ~truths)):
        found.append(interval(right.sum() / of.sum(), (weights @ right) / (weights @ of), truths))
    return found[0], found[1]


def _by_score(
    scores: np.ndarray, truths: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights of positives and of negatives by distinct score, each (rounds, scores), and the scores.

    The films come in the order of their scores.
    """
    starts = np.flatnonzero(np.concatenate([[True], scores[1:] != scores[:-1]]))
    positive = np.add.reduceat(weights * truths, starts, axis=1)
    negative = np.add.reduceat(weights * ~truths, starts, axis=1)
    return positive, negative, scores[starts]
