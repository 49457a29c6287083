"""Two lungs as outlines, each cut into Park's three zones: a drawing, not the lungs of a film.

Coordinates: x from 0 (the patient's right, at the left of the picture) to 1.1, y from 0 (the apex) to 1
(the lowest point of the lung).
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from cxrtriage.reading.zones import LINES

WIDTH = 1.1
_GAP = 0.012  # between two zones, so that each is seen as one of its own
_STEPS = 10  # points of the curve between two given ones

_RIGHT = (
    (0.31, 0.0), (0.22, 0.03), (0.13, 0.13), (0.075, 0.27), (0.035, 0.45), (0.012, 0.65), (0.0, 0.85),
    (0.01, 0.985), (0.05, 0.965), (0.14, 0.90), (0.25, 0.865), (0.36, 0.87), (0.45, 0.91), (0.475, 0.90),
    (0.475, 0.74), (0.465, 0.58), (0.445, 0.42), (0.445, 0.28), (0.435, 0.15), (0.395, 0.045),
)  # fmt: skip
# The heart lies in the left lung's inner border.
_LEFT = (
    (0.79, 0.0), (0.88, 0.03), (0.97, 0.13), (1.025, 0.27), (1.065, 0.45), (1.088, 0.65), (1.10, 0.85),
    (1.09, 0.985), (1.05, 0.965), (0.97, 0.91), (0.89, 0.885), (0.83, 0.885), (0.80, 0.90), (0.795, 0.84),
    (0.775, 0.73), (0.725, 0.61), (0.67, 0.51), (0.65, 0.42), (0.655, 0.28), (0.665, 0.15), (0.705, 0.045),
)  # fmt: skip


def zone_outlines() -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    """Three pairs from upper to lower, in each the patient's right lung first.

    Each outline is (points, 2) float64 of x and y, closed by going back to its first point.
    """
    right, left = (_spanned(_curve(np.array(points))) for points in (_RIGHT, _LEFT))
    edges = (-1.0, *LINES, 2.0)
    return tuple(
        (
            _between(right, top + _GAP / 2, bottom - _GAP / 2),
            _between(left, top + _GAP / 2, bottom - _GAP / 2),
        )
        for top, bottom in pairwise(edges)
    )


def middle(outline: np.ndarray) -> tuple[float, float]:
    """Where a number stands in an outline: its centre of area, moved to the middle of its width there."""
    x, y = outline.T
    area = x * np.roll(y, -1) - np.roll(x, -1) * y
    height = float(((y + np.roll(y, -1)) * area).sum() / (3 * area.sum()))
    ends = [
        x[i] + (x[j] - x[i]) * (height - y[i]) / (y[j] - y[i])
        for i, j in zip(range(len(x)), np.roll(np.arange(len(x)), -1), strict=True)
        if (y[i] - height) * (y[j] - height) < 0
    ]
    return float(min(ends) + max(ends)) / 2, height


def _spanned(outline: np.ndarray) -> np.ndarray:
    """Its height brought to 0..1 exactly: a smooth curve swings a little past its points."""
    y = outline[:, 1]
    return np.stack([outline[:, 0], (y - y.min()) / (y.max() - y.min())], axis=1)


def _curve(points: np.ndarray) -> np.ndarray:
    """The closed Catmull-Rom curve through (n, 2) points."""
    before, after, last = (np.roll(points, shift, axis=0) for shift in (1, -1, -2))
    t = np.linspace(0, 1, _STEPS, endpoint=False)[:, None, None]
    curve = 0.5 * (
        2 * points
        + (after - before) * t
        + (2 * before - 5 * points + 4 * after - last) * t**2
        + (3 * points - before - 3 * after + last) * t**3
    )
    ordered: np.ndarray = curve.transpose(1, 0, 2).reshape(-1, 2)
    return ordered


def _between(outline: np.ndarray, top: float, bottom: float) -> np.ndarray:
    """The part of an outline from y `top` to y `bottom` (Sutherland and Hodgman 1974)."""
    for line, side in ((top, 1), (bottom, -1)):
        kept: list[np.ndarray] = []
        for here, following in zip(outline, np.roll(outline, -1, axis=0), strict=True):
            inside, next_inside = side * (here[1] - line) >= 0, side * (following[1] - line) >= 0
            if inside:
                kept.append(here)
            if inside != next_inside:
                part = (line - here[1]) / (following[1] - here[1])
                kept.append(here + part * (following - here))
        outline = np.array(kept)
    return outline
