"""Operating points: thresholds set on validation films, with the films they were set on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from cxrtriage.weights import OperatingPoint
from train.calibration import logit
from train.figures import drawn_thresholds, draws, threshold_for
from train.manifest import FilmRow
from train.scores import Predictions, Scores
from train.settings import Settings, SettingsError

POINTS = ("sensitivity_0.90", "specificity_0.70", "youden")
DEFAULT_POINT = POINTS[0]
_FULL = 10


def operating_points(
    validation: Scores, settings: Settings, spread: float = 0.0
) -> dict[str, OperatingPoint]:
    """Every named point, with the bootstrap interval of its threshold, by patient.

    Films with the class are taken from every source that may be quoted, since more of them make the
    threshold steadier; films without it only from the sources the settings name, which also show what
    else a clinic sees. SettingsError where there are none of either.
    """
    films = threshold_films(validation, settings)
    if not films.of_both:
        raise SettingsError(
            f"no validation films with and without {films.class_name} are there to set its threshold by."
        )
    weights = source_weights(films)
    drawn_weights = draws(films.truths, films.patients) * weights
    points = {}
    for name in POINTS:
        # Rounded first, so that sensitivity and specificity are those of the number on the card.
        threshold = _four_digits(threshold_for(films.probabilities, films.truths, name, weights))
        drawn = drawn_thresholds(films.probabilities, films.truths, name, drawn_weights)
        low, high = np.quantile(drawn, [0.025, 0.975])
        flagged = films.probabilities >= threshold
        points[name] = OperatingPoint(
            threshold,
            (_four_digits(low), _four_digits(high)),
            round(float(weights[flagged & films.truths].sum() / weights[films.truths].sum()), 4),
            round(float(weights[~flagged & ~films.truths].sum() / weights[~films.truths].sum()), 4),
            _population(films),
            round(spread, 4),
        )
    return points


def threshold_films(validation: Scores, settings: Settings) -> Scores:
    """The films that thresholds of the class are set by."""
    return validation.where(
        lambda row: (
            row.source not in settings.unquoted_sources
            and (row.label == validation.class_name or row.source in settings.threshold_sources)
        )
    )


def source_weights(scores: Scores) -> np.ndarray:
    """(films,) float in 0..1: each source counts by the square root of its films, with the class and without.

    As in training: the hospital with the most films of one kind shall not set the threshold alone. Nor
    shall one with a single film: up to `_FULL` films of a source count in full.
    """
    cells = Counter(zip(_sources(scores.films.rows), scores.truths, strict=True))
    weights = {cell: min(1.0, (_FULL / number) ** 0.5) for cell, number in cells.items()}
    return np.array([weights[cell] for cell in zip(_sources(scores.films.rows), scores.truths, strict=True)])


def _sources(rows: Sequence[FilmRow]) -> list[str]:
    return [row.source for row in rows]


def _population(films: Scores) -> str:
    def counted(truth: bool) -> str:
        rows = [row for row, ill in zip(films.films.rows, films.truths, strict=True) if ill == truth]
        numbers = Counter(_sources(rows))
        return f"{len(rows)} ({', '.join(f'{source} {numbers[source]}' for source in sorted(numbers))})"

    return (
        f"validation films: {counted(True)} with {films.class_name.replace('_', ' ')}, "
        f"{counted(False)} without it, normal or with another disease; "
        f"a source of more than {_FULL} films with or without it counts by their square root"
    )


def _four_digits(probability: float) -> float:
    """Four significant digits: the threshold of a rare class lies near 0, and so do its films."""
    return float(f"{probability:.4g}")


def spread_of(members: Sequence[Predictions], class_name: str, sources: Sequence[str]) -> float:
    """Median over these sources' films of the deviation of the calibrated logits of the members that know the
    class; 0 for one."""
    knowing = [p for p in members if class_name in p.classes]
    logits = np.stack([logit(p.scores(class_name).of_sources(sources).probabilities) for p in knowing])
    return float(np.median(logits.std(axis=0)))


def distance_of(net: Predictions, together: Predictions, class_name: str, sources: Sequence[str]) -> float:
    """Median over these sources' films of how far a net's calibrated logit is from that of all together."""
    own, mean = (logit(p.scores(class_name).of_sources(sources).probabilities) for p in (net, together))
    return float(np.median(np.abs(own - mean)))
