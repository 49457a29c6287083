"""`python -m train compare thresholds`: what a threshold set on few films of a hospital gives on its others.

Asked of nets that were trained without the hospital (finished runs `NAME-without-SOURCE`), beside the
threshold that was set on the films of the others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cxrtriage.desk.threshold_bench import for_sensitivity, for_specificity
from cxrtriage.reading.member import Member
from cxrtriage.reading.site import SitePoint
from train.figures import auroc
from train.left_out import Fold, folds_of
from train.manifest import data_folder, read_films
from train.scores import Scores
from train.settings import SettingsError
from train.study_results import kept_rows, write_study
from train.thresholds import operating_points

FILMS = (20, 50, 100)  # with the disease, and as many without
ASKED: dict[str, Callable[[np.ndarray, np.ndarray], SitePoint | None]] = {
    "sensitivity_0.90": lambda ill, well: for_sensitivity(ill, well, 0.90),
    "specificity_0.70": lambda ill, well: for_specificity(ill, well, 0.70),
    "specificity_0.85": lambda ill, well: for_specificity(ill, well, 0.85),
}
_DRAWS = 400
_LEAST_LEFT = 20  # films of a kind to measure on
_CLASS = "tuberculosis"


def study_own_thresholds(
    runs: Path, results: Path, weights: Path, *, only: Sequence[str] = (), films: Sequence[int] = FILMS
) -> None:
    """Measure every net of `only` that was left without a hospital; `compare_thresholds.json` and `.md`.

    SettingsError where none was.
    """
    rows = kept_rows(results / "compare_thresholds.json", ("films", "models", "own"))
    listed = read_films(data_folder())
    found = 0
    for name in only:
        for left_out, fold in folds_of(Member.load(name, weights), listed, runs).items():
            found += 1
            for source in fold.left_out:
                scores = fold.unseen.scores(_CLASS).of_sources([source])
                if row := row_of(fold, scores, films):
                    rows[f"{name} without {left_out}, {source}"] = row
    if not found:
        raise SettingsError(
            "no net was left without a hospital: fit it --leave-out, and name it with --only."
        )
    write_study(results, "compare_thresholds", rows, _page(rows))


def row_of(fold: Fold, scores: Scores, films: Sequence[int]) -> dict[str, Any] | None:
    """What the threshold of the others gives on the films of a hospital, and what its own do; None where
    there are too few films of a kind. One film a patient."""
    first = {row.patient: number for number, row in reversed(list(enumerate(scores.films.rows)))}
    once = sorted(first.values())
    truths, probabilities = scores.truths[once], scores.probabilities[once]
    ill, well = probabilities[truths], probabilities[~truths]
    if min(len(ill), len(well)) < min(films) + _LEAST_LEFT:
        return None
    points = operating_points(fold.validation.scores(_CLASS), fold.settings)
    area = auroc(probabilities, truths)
    return {
        "films": [len(ill), len(well)],
        "auroc": area.to_dict() if area else None,
        "models": {
            name: [float((ill >= one.threshold).mean()), float((well < one.threshold).mean())]
            for name, one in points.items()
        },
        "own": {
            str(number): {name: _drawn(ill, well, number, choose) for name, choose in ASKED.items()}
            for number in films
            if min(len(ill), len(well)) >= number + _LEAST_LEFT
        },
    }


def _drawn(
    ill: np.ndarray,
    well: np.ndarray,
    number: int,
    choose: Callable[[np.ndarray, np.ndarray], SitePoint | None],
) -> dict[str, Any]:
    """Over draws of `number` films of either kind: sensitivity and specificity on all others, each as mean,
    5th and 95th of a hundred, and the share of draws whose 95 % interval holds the rate on the others."""
    random = np.random.default_rng(0)
    rates: list[list[float]] = []
    within: list[list[bool]] = []
    for _ in range(_DRAWS):
        one, other = random.permutation(ill), random.permutation(well)
        point = choose(np.sort(one[:number]), np.sort(other[:number]))
        if point is None:
            return {}
        found = [(one[number:] >= point.threshold).mean(), (other[number:] < point.threshold).mean()]
        intervals = [point.sensitivity_interval, point.specificity_interval]
        rates.append(found)
        within.append([low <= rate <= high for rate, (low, high) in zip(found, intervals, strict=True)])
    values, held = np.array(rates), np.array(within)
    return {
        rate: {
            "mean": float(values[:, number].mean()),
            "range": [float(q) for q in np.quantile(values[:, number], [0.05, 0.95])],
            "within": float(held[:, number].mean()),
        }
        for number, rate in enumerate(("sensitivity", "specificity"))
    }


def _page(rows: dict[str, Any]) -> str:
    lines = [
        "# Thresholds of a hospital's own",
        "",
        "`python -m train compare thresholds --only NAME`: nets trained without a hospital, asked about "
        "tuberculosis against normal films there. *Elsewhere*: thresholds set on the validation films of the "
        "other hospitals. *Own*: set on so many films with and as many without it "
        f"({_DRAWS} draws, one film a patient), measured on all others: the mean, in brackets between which "
        "nine draws of ten lie, and in how many of a hundred draws the 95 % interval that was promised holds "
        "the rate on the others (these are few themselves, so that a little under 95 is to be expected).",
        "",
        "| net, hospital | films with, without | AUROC | threshold | sensitivity | specificity |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in sorted(rows.items()):
        area = row["auroc"]
        head = f"| {name} | {row['films'][0]}, {row['films'][1]} | {area['value']:.3f} |" if area else ""
        for point, (sensitivity, specificity) in row["models"].items():
            lines.append(f"{head} elsewhere, {point} | {sensitivity:.3f} | {specificity:.3f} |")
            head = "| | | |"
        for films, points in row["own"].items():
            for point, rates in points.items():
                if rates:
                    cells = " | ".join(_cell(rates[rate]) for rate in ("sensitivity", "specificity"))
                    lines.append(f"{head} own, {films} films each, {point} | {cells} |")
    return "\n".join(lines) + "\n"


def _cell(rate: dict[str, Any]) -> str:
    low, high = rate["range"]
    return f"{rate['mean']:.3f} ({low:.3f} to {high:.3f}); {100 * rate['within']:.0f}"
