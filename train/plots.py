"""Curves as small PNGs: ROC with the operating point, and reliability, a picture per class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import roc_curve

from train.calibration import reliability
from train.scores import Predictions, Scores
from train.thresholds import DEFAULT_POINT

_INCHES, _DOTS = 4.5, 80


def write_plots(
    curves: Mapping[str, Predictions],
    thresholds: Mapping[str, Mapping[str, float]],
    calibrated_on: Sequence[str],
    folder: Path,
) -> list[Path]:
    """`roc_CLASS.png` and `reliability_CLASS.png` of what is to be quoted.

    `curves` and `thresholds` go by net, thresholds then by class; reliability is of the sources
    `calibrated_on`. A class that no test film shows, or every one, has no picture.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name in dict.fromkeys(name for predictions in curves.values() for name in predictions.classes):
        scores = {net: of.scores(name) for net, of in curves.items() if name in of.classes}
        if not all(s.of_both for s in scores.values()):
            continue
        figure, axes = _square(f"{name.replace('_', ' ')}, test films")
        for net, of in scores.items():
            _roc(axes, net, of, thresholds[net][name])
        axes.set(xlabel="1 - specificity", ylabel="sensitivity")
        written.append(_save(figure, axes, folder / f"roc_{name}.png", "lower right"))
        figure, axes = _square(f"{name.replace('_', ' ')}, test films of the sources calibrated on")
        for net, of in scores.items():
            _reliability(axes, net, of.of_sources(calibrated_on))
        axes.set(xlabel="calibrated probability", ylabel="share with the disease")
        written.append(_save(figure, axes, folder / f"reliability_{name}.png", "upper left"))
    return written


def _square(title: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(_INCHES, _INCHES), layout="constrained")
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color="0.8", linewidth=1)
    axes.set_title(title, fontsize=9)
    axes.set_aspect("equal")
    return figure, axes


def _roc(axes: Axes, net: str, scores: Scores, threshold: float) -> None:
    false_alarms, sensitivity, _ = roc_curve(scores.truths, scores.probabilities)
    line = axes.plot(false_alarms, sensitivity, linewidth=1.2, label=net)[0]
    flagged = scores.probabilities >= threshold
    axes.plot(
        flagged[~scores.truths].mean(),
        flagged[scores.truths].mean(),
        marker="o",
        markersize=6,
        color=line.get_color(),
        label=f"{net}, {DEFAULT_POINT.replace('_', ' ')} on validation",
        linestyle="none",
    )


def _reliability(axes: Axes, net: str, scores: Scores) -> None:
    steps = reliability(scores.probabilities, scores.truths)
    line = axes.plot(
        [step["probability"] for step in steps], [step["share"] for step in steps], linewidth=1.2, label=net
    )[0]
    # A step of few films says little, and looks so.
    sizes = 4 + 3 * np.sqrt([step["films"] for step in steps])
    axes.scatter(
        [step["probability"] for step in steps],
        [step["share"] for step in steps],
        s=sizes,
        color=line.get_color(),
    )


def _save(figure: Figure, axes: Axes, path: Path, legend: Literal["lower right", "upper left"]) -> Path:
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    axes.legend(loc=legend, fontsize=6, frameon=False)
    # Without the version of matplotlib in it, so that the same curves give the same file.
    figure.savefig(path, dpi=_DOTS, metadata={"Software": None})
    return path
