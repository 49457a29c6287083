"""Figures of nets that grade opacity: accuracy of seven and of three classes, errors of the score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cxrtriage.reading.severity import category_of
from train.grading import GradedFilms, grade_of
from train.grading_nets import GRADES
from train.severity_figures import Scored, drawn_over_patients, error_figures
from train.severity_truths import SeverityTruth

# Without opacity counts as mild, as Lara 2025 has no class for it.
CATEGORIES = ("mild", "moderate", "severe")
_CATEGORY_OF_GRADE = np.array(
    [CATEGORIES.index({"none": "mild"}.get(name, name)) for name in map(category_of, range(GRADES))]
)
PARTS = ("unseen", "test")


def row_figures(films: GradedFilms, folds: Mapping[str, Mapping[str, Sequence[float]]]) -> dict[str, Any]:
    """`unseen`: films of the train and val splits, each by the net of its fold; `test`: test films, by the
    mean of all nets. `folds`: by fold, by film, the chances of the grades and the score."""
    figures = {}
    for part in PARTS:
        index = np.flatnonzero((films.folds == -1) == (part == "test"))
        said = []
        for i in index:
            file, fold = films.truths[i].row.file, films.folds[i]
            nets = list(folds.values()) if part == "test" else [folds[str(fold + 1)]]
            said.append(np.mean([net[file] for net in nets], axis=0))
        if said:
            figures[part] = graded_figures([films.truths[i] for i in index], np.array(said))
    return figures


def graded_figures(truths: Sequence[SeverityTruth], said: np.ndarray) -> dict[str, Any]:
    """Figures of (films, 8) chances of the grades and score; intervals by a bootstrap over patients.

    A film's category is the one whose grades have the greatest chance together.
    """
    read = grade_of(np.array([truth.opacity for truth in truths]))
    patients = np.array([truth.row.patient for truth in truths])
    chances = said[:, :GRADES]
    together = np.stack([chances[:, c == _CATEGORY_OF_GRADE].sum(axis=1) for c in range(3)], axis=1)
    seven = chances.argmax(axis=1) == read
    three = together.argmax(axis=1) == _CATEGORY_OF_GRADE[read]
    each = {}
    for number, name in enumerate(CATEGORIES):
        of = _CATEGORY_OF_GRADE[read] == number
        each[name] = {
            "films": int(of.sum()),
            "accuracy": round(float(three[of].mean()), 3) if of.any() else None,
        }
    return {
        "films": len(truths),
        "patients": len(set(patients)),
        "seven": _share(seven, patients),
        "three": _share(three, patients),
        "each": each,
        "by_grade": {
            str(grade): {
                "films": int((read == grade).sum()),
                "accuracy": round(float(seven[read == grade].mean()), 3),
            }
            for grade in sorted(set(read.tolist()))
        },
        "score": error_figures(Scored(truths, {"opacity": said[:, GRADES]}), "opacity"),
    }  # fmt: skip


def _share(hits: np.ndarray, patients: np.ndarray) -> dict[str, float]:
    drawn = drawn_over_patients(lambda films: hits[films].mean(), patients)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return {"value": round(float(hits.mean()), 3), "low": round(float(low), 3), "high": round(float(high), 3)}


def cells(figures: Mapping[str, Any]) -> list[str]:
    """Seven and three classes, each category, MAE, MSE and R2, as a table shows them."""
    score = figures["score"]
    each = [of["accuracy"] for of in figures["each"].values()]
    return [
        *(f"{figures[name]['value']:.2f} ({figures[name]['low']:.2f} to {figures[name]['high']:.2f})"
          for name in ("seven", "three")),
        *("–" if value is None else f"{value:.2f}" for value in each),
        *(error_cell(score, name) for name in ("mae", "mse", "r2")),
    ]  # fmt: skip


def error_cell(figures: Mapping[str, Any], name: str) -> str:
    """A value with its interval, a dash where there is none."""
    if name not in figures:
        return "–"
    low, high = figures[f"{name}_interval"]
    return f"{figures[name]:.2f} ({low:.2f} to {high:.2f})"
