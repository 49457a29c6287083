"""What each threshold gives on a hospital's own films, as a plotly figure. The words come from the caller."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

# Blue and orange differ for every kind of colour vision; the lines' dashes differ too.
_WITH, _WITHOUT, _FAINT = "#2f7fd1", "#d9822b", "rgba(128,136,145,0.75)"
_CLEAR, _GRID = "rgba(0,0,0,0)", "rgba(128,136,145,0.2)"
HEIGHT = 360  # pixels
_TICKS = (0.001, 0.01, 0.05, 0.2, 0.5, 0.8, 0.95, 0.99, 0.999)
_LEAST = 1e-4  # scores closer to 0 and 1 stand at the edge


@dataclass(frozen=True)
class Marked:
    """A threshold as a line across the figure. `label`: a letter. `own`: set on these films (drawn through,
    else dotted)."""

    threshold: float
    label: str
    own: bool


def threshold_figure(
    scores_with: np.ndarray, scores_without: np.ndarray, marks: Sequence[Marked], words: Mapping[str, str]
) -> go.Figure:
    """Share of films with the disease at or above each threshold (sensitivity), and of films without it below
    (specificity); each film is a tick below.

    The scores (films,), sorted, are probabilities; they stand in log odds, since most lie close to 0 or 1.
    `words`: `title`, `x`, `y`, `sensitivity`, `specificity`, `with`, `without`.
    """
    figure = go.Figure()
    both = np.concatenate([scores_with, scores_without, [mark.threshold for mark in marks]])
    low, high = _place(float(both.min())) - 0.3, _place(float(both.max())) + 0.3
    for scores, name, colour, dash, ill, row in (
        (scores_with, "sensitivity", _WITH, "solid", True, -0.08),
        (scores_without, "specificity", _WITHOUT, "dash", False, -0.16),
    ):
        if not len(scores):
            continue
        places = np.array([_place(float(score)) for score in scores])
        x, y = _steps(places, low, high, ill=ill)
        figure.add_scatter(
            x=x, y=y, mode="lines", name=words[name], line={"color": colour, "width": 2, "dash": dash},
            customdata=_chance(x), hovertemplate="%{customdata:.3g}: %{y:.2f}<extra>" + words[name] +
            "</extra>", )  # fmt: skip
        figure.add_scatter(
            x=places, y=np.full(len(places), row), mode="markers", name=words["with" if ill else "without"],
            marker={"symbol": "line-ns", "size": 9, "line": {"width": 1, "color": colour}},
            customdata=scores, hovertemplate="%{customdata:.3g}<extra></extra>",
        )  # fmt: skip
    for number, mark in enumerate(sorted(marks, key=lambda mark: mark.threshold)):
        place = _place(mark.threshold)
        figure.add_shape(
            type="line", x0=place, x1=place, y0=-0.2, y1=1.0, name=mark.label,
            line={"color": _FAINT, "width": 2 if mark.own else 1, "dash": "solid" if mark.own else "dot"},
        )  # fmt: skip
        figure.add_annotation(
            x=place, y=1.07 + 0.08 * (number % 3), text=f"<b>{mark.label}</b>", showarrow=False,
            font={"size": 12},
        )  # fmt: skip
    ticks = [tick for tick in _TICKS if low <= _place(tick) <= high]
    axis = {"gridcolor": _GRID, "zeroline": False, "fixedrange": True}
    figure.update_xaxes(
        title=words["x"], range=[low, high], tickvals=[_place(tick) for tick in ticks],
        ticktext=[f"{tick:g}" for tick in ticks], **axis,
    )  # fmt: skip
    figure.update_yaxes(title=words["y"], range=[-0.22, 1.3], tickvals=[0, 0.25, 0.5, 0.75, 1], **axis)
    figure.update_layout(
        title={"text": words["title"], "font": {"size": 13}},
        height=HEIGHT,
        margin={"l": 50, "r": 12, "t": 36, "b": 84},
        legend={"orientation": "h", "y": -0.22, "x": 0, "font": {"size": 11}},
        paper_bgcolor=_CLEAR,
        plot_bgcolor=_CLEAR,
    )
    return figure


def _steps(places: np.ndarray, low: float, high: float, *, ill: bool) -> tuple[np.ndarray, np.ndarray]:
    """(2 films + 2,) twice: the share of films at or above each place (`ill`), or below it, as a
    staircase."""
    below = np.arange(len(places) + 1) / len(places)
    edges = np.concatenate([[low], np.repeat(places, 2), [high]])
    shares = np.repeat(below, 2)
    return edges, 1 - shares if ill else shares


def _place(probability: float) -> float:
    kept = min(max(probability, _LEAST), 1 - _LEAST)
    return math.log(kept / (1 - kept))


def _chance(places: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-places))
