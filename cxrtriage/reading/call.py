"""Whether a score is flagged, not flagged, or too uncertain to call."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, pstdev

from cxrtriage.reading.assessment import Call, ClassScore
from cxrtriage.weights import OperatingPoint

# A probability within 0.37..0.63: hardly more than a coin's toss where the nets do not agree either.
UNSURE_BITS = 0.95
# Half precision tells probabilities no closer to 0 and 1 apart; it also keeps a logit finite.
_LEAST = 1e-6
# How nets speak together, below; figures of another way are not kept (`train/together.py`).
POOLING = "mean of log odds, each in its own deviation"
_CALLS: tuple[Call, ...] = ("not_flagged", "uncertain", "flagged")  # the strongest last


def class_score(
    members: Sequence[float],
    name: str,
    point: OperatingPoint,
    deviations: Sequence[float] = (),
    source: str = "card",
) -> ClassScore:
    """The score of a class from each net's own calibrated probability, against a named operating point.

    The probability is that of the weighted mean of the nets' log odds (a logarithmic opinion pool, Genest and
    Zidek 1986): in a mean of probabilities a net that is sure of most films drowns the order it puts them in,
    which costs most in a hospital that no net has seen. `deviations`: of each net's log odds on validation
    films, none for equal weights (`pooled_probability`). `source`: who set the threshold. The uncertain band
    lies as far about the threshold, in logits, as the nets' standard deviation on this film; for one net
    alone it is the point's `spread`.
    """
    probability = pooled_probability(members, deviations)
    spread = pstdev(map(logit, members)) if len(members) > 1 else point.spread
    interval = _band(point.threshold, spread)
    return ClassScore(
        probability=probability,
        threshold=point.threshold,
        interval=interval,
        operating_point=name,
        threshold_source=source,
        population=point.population,
        call=_call(probability, members, point.threshold, interval),
        sensitivity=point.sensitivity,
        specificity=point.specificity,
    )


def pooled_probability(members: Sequence[float], deviations: Sequence[float] = ()) -> float:
    """The probability of the mean of the log odds of one or more probabilities; one alone stays as it is.

    `deviations`: of each net's log odds on validation films. Each counts as much as its own is smaller, so
    that all move the mean by as much: on films of hospitals that a net was trained on calibration lets those
    nets be the surest that tell the hospital too.
    """
    if len(members) == 1:
        return members[0]
    weights = [1 / deviation for deviation in deviations] or None
    return 1 / (1 + math.exp(-fmean(map(logit, members), weights)))


def strongest_class(classes: dict[str, ClassScore]) -> str:
    """The class with the strongest call; among equals, the one farthest above its threshold in logits."""

    def strength(name: str) -> tuple[int, float]:
        score = classes[name]
        return _CALLS.index(score.call), logit(score.probability) - logit(score.threshold)

    return max(classes, key=strength)


def logit(probability: float) -> float:
    """The inverse of the logistic function, finite for 0 and 1 too."""
    kept = min(max(probability, _LEAST), 1 - _LEAST)
    return math.log(kept / (1 - kept))


def entropy(probability: float) -> float:
    """Binary entropy in bits, 0 for certainty to 1 for a coin's toss."""
    parts = (probability, 1 - probability)
    return -sum(part * math.log2(part) for part in parts if part > 0)


def _band(threshold: float, spread: float) -> tuple[float, float]:
    if spread <= 0:
        return threshold, threshold
    middle = logit(threshold)
    low, high = (1 / (1 + math.exp(-(middle + side * spread))) for side in (-1, 1))
    # A threshold of 0 or 1 stays within its band.
    return min(low, threshold), max(high, threshold)


def _call(
    probability: float, members: Sequence[float], threshold: float, interval: tuple[float, float]
) -> Call:
    low, high = interval
    within = low < high and low <= probability <= high
    split = len({member >= threshold for member in members}) > 1
    if within or (split and entropy(probability) >= UNSURE_BITS):
        return "uncertain"
    return "flagged" if probability >= threshold else "not_flagged"
