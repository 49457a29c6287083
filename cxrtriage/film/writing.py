"""Writing burned into a film: lines of three letters or more. A single letter or an arrow is none.

A run of glyphs is held against how writing measures: alike in height and stroke, sharp, on an even ground,
with room above and below. What each measure counts for was fitted on films with lines written into them
(`python -m train writing`) and stands in `writing.json`; `train/results/writing.md` says how often it errs.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from cxrtriage.film.box import PixelBox
from cxrtriage.film.film import Film
from cxrtriage.film.glyphs import Layer, copy_of, letters, runs_of, square

CODE = "burned_in_text"
HARMLESS = "text_harmless"
WEIGHTS = Path(__file__).with_name("writing.json")
_MARGIN = 0.35  # of the line's height, left free above and below a line of writing
_WORD_GAP = 2.5  # heights between words of a line
_SAME_LINE = 0.5  # of the lower line's height
_INSIDE = 0.6  # share of a line that lies in another and so is none of its own
_PADDING = 0.3  # of the line's height, around what is blanked: serifs, dots, and the blur of a JPEG


@dataclass(frozen=True)
class WrittenLine:
    """A line of writing in film pixels; `likeness` in 0..1; `vertical` where it runs up or down."""

    box: PixelBox
    likeness: float
    vertical: bool = False


@dataclass(frozen=True)
class MeasuredRun:
    """A run of glyphs in pixels of its layer (turned where `vertical`), and its measures."""

    box: PixelBox
    measures: np.ndarray
    vertical: bool


@dataclass(frozen=True)
class Likeness:
    """What each measure counts for: `weights` of the measures, standardised by `means` and `deviations`, make
    the logit together with `bias`. A run whose likeness reaches `threshold` is writing; one that reaches only
    `joining` is where it goes on from writing in the same line; and what runs up or down must reach
    `vertical`."""

    means: tuple[float, ...]
    deviations: tuple[float, ...]
    weights: tuple[float, ...]
    bias: float
    threshold: float
    joining: float
    vertical: float

    @classmethod
    def read(cls, path: Path = WEIGHTS) -> Likeness:
        values = json.loads(path.read_text(encoding="utf-8"))
        means, deviations, weights = (
            tuple(values["measures"][name][part] for name in MEASURES)
            for part in ("mean", "deviation", "weight")
        )
        return cls(
            means,
            deviations,
            weights,
            values["bias"],
            values["threshold"],
            values["joining"],
            values["vertical"],
        )

    def of(self, measures: np.ndarray) -> float:
        """0..1 for (measures,) of one run."""
        standard = (measures - np.array(self.means)) / np.array(self.deviations)
        return 1 / (1 + math.exp(-min(max(float(standard @ np.array(self.weights)) + self.bias, -60), 60)))


MEASURES = (
    "letters", "length", "height", "contrast", "peak", "fill", "crossings", "stroke", "stroke_spread",
    "height_spread", "glyph_width", "ink_above", "ink_below", "ground_spread", "ink_spread", "edge",
    "baseline_off", "slope", "depth",
)  # fmt: skip
"""What a run is measured by, in this order; sizes in heights of a glyph, greys in its contrast."""


@lru_cache(maxsize=1)
def _likeness() -> Likeness:
    return Likeness.read()


def find_writing(pixels: np.ndarray, likeness: Likeness | None = None) -> tuple[WrittenLine, ...]:
    """Lines of writing in film pixels (float32 in 0..1), from the top down."""
    likeness = likeness or _likeness()
    greys, scale = copy_of(pixels)
    rated = [(run, likeness.of(run.measures)) for run in measured_runs(greys)]
    lines: list[WrittenLine] = []
    for vertical in (False, True):
        least = likeness.vertical if vertical else likeness.threshold
        sure = [(run.box, rate) for run, rate in rated if run.vertical == vertical and rate >= least]
        maybe = [
            (run.box, rate)
            for run, rate in rated
            if run.vertical == vertical and likeness.joining <= rate < least
        ]
        for box, rate in _whole_lines(sure, maybe):
            box = PixelBox(box.top, box.left, box.bottom, box.right) if vertical else box
            lines.append(WrittenLine(_in_film(box, scale, pixels.shape), rate, vertical))
    return tuple(sorted(_outermost(lines), key=lambda line: (line.box.top, line.box.left)))


def with_writing_noted(film: Film) -> tuple[Film, tuple[WrittenLine, ...]]:
    """The film with the note `burned_in_text` where writing is found, or its file says that there is some."""
    if "synthetic" in film.notes:  # whose only writing says so
        return film, ()
    lines = find_writing(film.pixels)
    return film.noted(CODE) if lines else film, lines


def measured_runs(greys: np.ndarray) -> Iterator[MeasuredRun]:
    """Every run of glyphs of the copy, bright or dark, across or down, with its measures."""
    for side in (greys, 255 - greys):
        layer = Layer.of(side)
        for vertical, laid in ((False, layer), (True, layer.turned())):
            for run in runs_of(laid):
                box = _box_of(laid, run)
                yield MeasuredRun(box, _measures(laid, run, box), vertical)


def _box_of(layer: Layer, run: np.ndarray) -> PixelBox:
    left, top, width, height, _ = layer.boxes[run].T
    return PixelBox(int(left.min()), int(top.min()), int((left + width).max()), int((top + height).max()))


def _measures(layer: Layer, run: np.ndarray, box: PixelBox) -> np.ndarray:
    """(measures,) float64 of a run: logarithms of ratios, roots of spreads, so that their tails are short."""
    lefts, tops, widths, heights, _ = layer.boxes[run].T.astype(np.float64)
    place = np.s_[box.top : box.bottom, box.left : box.right]
    labels = np.ascontiguousarray(layer.labels[place])
    greys = np.ascontiguousarray(layer.greys[place]).astype(np.float32)
    ours = np.zeros(len(layer.boxes), bool)
    ours[run] = True
    ink = ours[labels]
    tall = _at(heights, 0.5)
    contrast = max(_at(layer.relief[place][ink], 0.5), 1.0)
    length = box.columns / tall
    framed = cv2.copyMakeBorder(ink.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    inside = cv2.distanceTransform(framed, cv2.DIST_L2, 3)[1:-1, 1:-1]
    strokes = np.bincount(labels[ink], inside[ink], len(ours))[run] / np.bincount(labels[ink])[run]
    ground = greys[cv2.dilate(ink.astype(np.uint8), square(3)) == 0]
    core = greys[cv2.erode(ink.astype(np.uint8), square(2)) > 0]
    middle = ink[int(box.rows * 0.2) : max(int(box.rows * 0.8), int(box.rows * 0.2) + 1)]
    crossings = float((np.diff(middle.astype(np.int8), axis=1) == 1).sum(axis=1).mean())
    off, slope = _baseline(lefts, tops + heights)
    margin = max(2, int(tall * _MARGIN))
    logs = {
        "letters": letters(widths, tall), "length": length, "height": tall, "contrast": contrast,
        "crossings": crossings / length, "stroke": 2 * float(inside[ink].mean()) / tall,
        "glyph_width": _at(widths, 0.5) / tall, "depth": box.rows / tall,
    }  # fmt: skip
    roots = {
        "stroke_spread": float(strokes.std() / max(strokes.mean(), 0.05)),
        "height_spread": float(heights.std()) / tall,
        "ink_above": _ink_share(layer, box, box.top - margin, box.top - 1),
        "ink_below": _ink_share(layer, box, box.bottom + 1, box.bottom + margin),
        "ground_spread": (float(ground.std()) if ground.size > 10 else 0.0) / contrast,
        "ink_spread": (float(core.std()) if core.size else 0.0) / contrast,
        "baseline_off": off / tall,
        "slope": slope,
    }
    plain = {
        "peak": _at(greys[ink], 0.8) / 255,
        "fill": float(ink.mean()),
        "edge": _at(np.abs(np.diff(greys, axis=1)), 0.9) / contrast,
    }
    told = {name: math.log(max(value, 0.05)) for name, value in logs.items()}
    told |= {name: math.sqrt(min(max(value, 0.0), 4.0)) for name, value in roots.items()} | plain
    return np.array([told[name] for name in MEASURES])


def _at(values: np.ndarray, share: float) -> float:
    """The value with this share of the others below it; NumPy's quantile takes ten times as long."""
    flat = values.ravel()
    place = min(int(share * flat.size), flat.size - 1)
    return float(np.partition(flat, place)[place])


def _ink_share(layer: Layer, box: PixelBox, first: int, last: int) -> float:
    """Share of ink in the rows `first`..`last` - 1 above or below a box; 0 at the film's edge."""
    band = layer.labels[max(first, 0) : max(last, 0), box.left : box.right]
    return float((band > 0).mean()) if band.size else 0.0


def _baseline(lefts: np.ndarray, feet: np.ndarray) -> tuple[float, float]:
    """How far the feet of the glyphs lie off a straight line (median, pixels), and its slope."""
    if len(lefts) < 3 or np.ptp(lefts) == 0:
        return 0.0, 0.0
    slope, start = np.polyfit(lefts, feet, 1)
    return float(np.median(np.abs(slope * lefts + start - feet))), abs(float(slope))


def _whole_lines(
    sure: list[tuple[PixelBox, float]], maybe: list[tuple[PixelBox, float]]
) -> Iterable[tuple[PixelBox, float]]:
    """Runs of one line put together, words that are writing only beside other words among them."""
    lines = list(sure)
    waiting = list(maybe)
    grew = True
    while grew:
        grew = False
        for number, (box, rate) in enumerate(lines):
            for other in [*lines[number + 1 :], *waiting]:
                if _same_line(box, other[0]):
                    (lines if other in lines else waiting).remove(other)
                    lines[number] = (box.around(other[0]), max(rate, other[1]))
                    grew = True
                    break
            if grew:
                break
    return lines


def _same_line(one: PixelBox, other: PixelBox) -> bool:
    low, high = sorted((one.rows, other.rows))
    shared = min(one.bottom, other.bottom) - max(one.top, other.top)
    gap = max(one.left, other.left) - min(one.right, other.right)
    return shared >= _SAME_LINE * low and gap <= _WORD_GAP * low and high <= 3 * low


def _in_film(box: PixelBox, scale: float, shape: tuple[int, ...]) -> PixelBox:
    """A box of the copy in film pixels, with some room around it."""
    room = _PADDING * min(box.rows, box.columns)
    return PixelBox(
        max(0, math.floor((box.left - room) / scale)),
        max(0, math.floor((box.top - room) / scale)),
        min(shape[1], math.ceil((box.right + room) / scale)),
        min(shape[0], math.ceil((box.bottom + room) / scale)),
    )


def _outermost(lines: list[WrittenLine]) -> list[WrittenLine]:
    """Without lines that lie in another: a glyph's counters and a frame's letters are found in both greys."""
    kept: list[WrittenLine] = []
    for line in sorted(lines, key=lambda one: -one.box.rows * one.box.columns):
        if not any(line.box.share_in(other.box) > _INSIDE for other in kept):
            kept.append(line)
    return kept
