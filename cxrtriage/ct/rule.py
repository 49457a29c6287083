"""Boxes around lesions, quadrants, and the rule that decides for the patient.

The rule of a UNet++ system at Wuhan (Chen 2020, Sci Rep 10:19196): a patient is called positive when the same
quadrant of the slice is hit on three slices in a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

Decision = Literal["positive", "negative", "undetermined"]
QUADRANTS = ("upper_left", "upper_right", "lower_left", "lower_right")


@dataclass(frozen=True)
class Rule:
    """`slices`: how many in a row; `min_area`: smallest lesion that counts, in pixels of the slice.

    `least_mm` and `most_mm`: where spacing is known, a run must reach so far, each slice counted with its
    step, since thin slices show the same vessel many times over (the shortest run of a patient with COVID-19
    among the series learnt from that the rule calls is more than twice as long), and slices further apart
    decide nothing.
    """

    slices: int = 3
    min_area: int = 50
    quadrants: int = 4
    least_mm: float = 22.0
    most_mm: float = 12.0


@dataclass(frozen=True)
class LesionBox:
    """A red box around one connected lesion, in pixels of the slice; `likelihood`: mean over its pixels,
    0..1."""

    x: int
    y: int
    width: int
    height: int
    area: int
    likelihood: float


@dataclass(frozen=True)
class Evidence:
    """The run that made the series positive: its quadrant (of `QUADRANTS`), first and last slice, from 0."""

    quadrant: int
    first: int
    last: int


def lesions_of(chances: np.ndarray, mask: np.ndarray, rule: Rule) -> tuple[np.ndarray, tuple[LesionBox, ...]]:
    """The mask (rows, columns) without lesions under `min_area`, and a box for each that is left, largest
    first."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    kept = np.zeros(mask.shape, bool)
    boxes = []
    for number in range(1, count):
        x, y, width, height, area = (int(value) for value in stats[number])
        if area < rule.min_area:
            continue
        part = labels[y : y + height, x : x + width] == number
        kept[y : y + height, x : x + width] |= part
        likelihood = float(chances[y : y + height, x : x + width][part].mean())
        boxes.append(LesionBox(x, y, width, height, area, round(likelihood, 3)))
    return kept, tuple(sorted(boxes, key=lambda box: -box.area))


def lesions_of_slice(
    chances: np.ndarray, mask: np.ndarray, sure: np.ndarray, rule: Rule
) -> tuple[np.ndarray, tuple[LesionBox, ...], np.ndarray]:
    """Lesions of a slice (rows, columns), their boxes, and the sure ones among them, none under `min_area`.

    Without a sure one of that size nothing is a lesion.
    """
    kept, _ = lesions_of(chances, sure, rule)
    if not kept.any():
        return kept, (), kept
    return (*lesions_of(chances, mask, rule), kept)


def quadrants_hit(mask: np.ndarray, rule: Rule) -> tuple[bool, bool, bool, bool]:
    """Which quadrants of the slice hold at least `min_area` pixels of lesion, in the order of `QUADRANTS`."""
    middle_row, middle_column = mask.shape[0] // 2, mask.shape[1] // 2
    upper, lower = mask[:middle_row], mask[middle_row:]
    parts = (
        upper[:, :middle_column], upper[:, middle_column:], lower[:, :middle_column], lower[:,
        middle_column:],
    )  # fmt: skip
    return tuple(int(part.sum()) >= rule.min_area for part in parts)  # type: ignore[return-value]  # four


def decide(
    hits: Sequence[tuple[bool, ...]],
    rule: Rule,
    *,
    breaks: frozenset[int] = frozenset(),
    step_mm: float | None = None,
    complete: bool = True,
) -> tuple[Decision, Evidence | None, tuple[str, ...]]:
    """What the rule says of a series, the longest run that speaks for it, and codes.

    `hits`: quadrants of each slice in order; a run ends before each of `breaks`. `complete`: False for a
    series that was not read to its end, of which nothing negative can be said.
    """
    if step_mm is not None and step_mm > rule.most_mm:
        return "undetermined", None, ("too_coarse",)
    runs = _unbroken(len(hits), breaks)
    need = rule.slices
    if step_mm:
        need = max(need, int(np.ceil(rule.least_mm / step_mm - 1e-6)))
    best: Evidence | None = None
    for first, end in runs:
        for quadrant in range(len(QUADRANTS)):
            best = _longer(best, _longest_run([one[quadrant] for one in hits[first:end]], first, quadrant))
    if best is not None and best.last - best.first + 1 >= need:
        return "positive", best, ()
    if all(end - first < need for first, end in runs):
        return "undetermined", None, ("too_short",)
    return ("negative", None, ()) if complete else ("undetermined", None, ("stopped",))


def _unbroken(count: int, breaks: frozenset[int]) -> list[tuple[int, int]]:
    ends = [*sorted(number for number in breaks if 0 < number < count), count]
    return list(zip([0, *ends[:-1]], ends, strict=True))


def _longest_run(hit: Sequence[bool], offset: int, quadrant: int) -> Evidence | None:
    best: Evidence | None = None
    begin: int | None = None
    for number, one in enumerate([*hit, False]):
        if one and begin is None:
            begin = number
        elif not one and begin is not None:
            best = _longer(best, Evidence(quadrant, offset + begin, offset + number - 1))
            begin = None
    return best


def _longer(one: Evidence | None, other: Evidence | None) -> Evidence | None:
    if one is None or other is None:
        return one or other
    return other if other.last - other.first > one.last - one.first else one
