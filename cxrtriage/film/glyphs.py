"""Strokes of one brightness on a ground of another, the glyphs they make, and runs of glyphs in a line.

Everything happens on a reduced copy of 8 bits: writing that a person can read on the whole film is at
least 7 pixels high there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

COPY_SIDE = 1024  # pixels on the longest side of the copy
_ENLARGED = 2.0  # a small film is enlarged at most so much: glyphs whose strokes are a pixel wide fall apart
_WIDEST_STROKE = 25  # pixels of the copy; the strokes of a letter are a sixth of its height
_NEIGHBOURHOOD = 15  # pixels; within it, strokes have half the relief of the strongest at least
_LEAST_RELIEF = 34  # of 255; one writing of a hundred is fainter, four of five runs of anything else are
_LOWEST, _HIGHEST = 7, 100  # height of a glyph in pixels of the copy
_LONGEST_GLYPH = 14  # heights; in small writing the letters of a word touch
_LEAST_AREA = 10
_FILL = (0.12, 0.98)  # of a glyph's box
_MOST_GLYPHS = 1500
_LEAST_ALIKE = 0.5  # heights of neighbours, small letters beside capitals
_LEAST_OVERLAP = 0.6  # of the lower of two neighbours, in rows
_FLUSH = 0.25  # of the higher one's height, between tops, middles or feet
_WIDEST_GAP = 1.0  # of the higher one's height
_LEAST_LENGTH = 2.1  # heights: three letters, where "PA" and initials in lead have two
_LETTER_WIDTH = 0.75  # of its height, for counting the letters of a word that touch


@dataclass(frozen=True, eq=False)
class Layer:
    """The copy seen as bright strokes on dark ground, or inverted so.

    `greys` and `relief` (how far a pixel rises above its ground): uint8 (rows, columns). `labels`: int32,
    the glyph that a pixel belongs to. `boxes`: (labels, 5) left, top, width, height, area in pixels.
    """

    greys: np.ndarray
    relief: np.ndarray
    labels: np.ndarray
    boxes: np.ndarray

    @classmethod
    def of(cls, greys: np.ndarray) -> Layer:
        relief = cv2.morphologyEx(greys, cv2.MORPH_TOPHAT, square(_WIDEST_STROKE))
        strongest = cv2.dilate(relief, square(_NEIGHBOURHOOD))
        ink = ((relief > _LEAST_RELIEF) & (relief >= strongest // 2)).astype(np.uint8)
        _, labels, boxes, _ = cv2.connectedComponentsWithStats(ink, connectivity=8)
        return cls(greys, relief, labels, boxes)

    def turned(self) -> Layer:
        """Rows and columns swapped, so that writing that runs up or down runs across."""
        return Layer(self.greys.T, self.relief.T, self.labels.T, self.boxes[:, [1, 0, 3, 2, 4]])


def copy_of(pixels: np.ndarray) -> tuple[np.ndarray, float]:
    """Film pixels (float32 in 0..1) as the copy, uint8, and its pixels for one of the film."""
    rows, columns = pixels.shape
    scale = min(COPY_SIDE / max(rows, columns), _ENLARGED)
    size = (max(1, round(columns * scale)), max(1, round(rows * scale)))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    return np.clip(np.rint(small * 255), 0, 255).astype(np.uint8), scale


def square(side: int) -> np.ndarray:
    """A square as OpenCV's morphology takes it."""
    return np.ones((side, side), np.uint8)


def runs_of(layer: Layer) -> Iterator[np.ndarray]:
    """Glyphs in a line, each as the labels of its glyphs; of three letters or more, as far as their widths
    tell."""
    glyphs = _glyphs(layer.boxes)
    left, top, width, height, _ = layer.boxes[glyphs].T.astype(np.float32)
    for members in _joined(*_neighbours(left, top, width, height), len(glyphs)):
        tall = float(np.median(height[members]))
        length = float((left[members] + width[members]).max() - left[members].min())
        if length >= _LEAST_LENGTH * tall and letters(width[members], tall) >= 3:
            yield glyphs[members]


def letters(widths: np.ndarray, height: float) -> int:
    """How many letters glyphs of these widths hold, those that touch told apart by their width."""
    return int(np.maximum(1, np.rint(widths / (_LETTER_WIDTH * height))).sum())


def _glyphs(boxes: np.ndarray) -> np.ndarray:
    """Labels of what is of a letter's size and shape, the largest where there are too many."""
    _, _, width, height, area = boxes.T
    fill = area / np.maximum(width * height, 1)
    fits = (height >= _LOWEST) & (height <= _HIGHEST) & (width >= 2) & (width <= _LONGEST_GLYPH * height)
    fits &= (area >= _LEAST_AREA) & (fill >= _FILL[0]) & (fill <= _FILL[1])
    fits[0] = False  # the ground
    found = np.flatnonzero(fits)
    return found if found.size <= _MOST_GLYPHS else np.sort(found[np.argsort(-area[found])[:_MOST_GLYPHS]])


def _neighbours(
    left: np.ndarray, top: np.ndarray, width: np.ndarray, height: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of glyphs that stand side by side in one line: the first's and the second's numbers."""
    right, foot, middle = left + width, top + height, top + height / 2
    first, second = np.nonzero(
        (left[None] > left[:, None])
        & (left[None] - right[:, None] < _WIDEST_GAP * np.maximum(height[:, None], height[None]))
        & (np.minimum(foot[:, None], foot[None]) > np.maximum(top[:, None], top[None]))
    )
    higher, lower = np.maximum(height[first], height[second]), np.minimum(height[first], height[second])
    shared = np.minimum(foot[first], foot[second]) - np.maximum(top[first], top[second])
    apart = np.minimum.reduce([np.abs(one[first] - one[second]) for one in (top, middle, foot)])
    linked = (lower > _LEAST_ALIKE * higher) & (shared > _LEAST_OVERLAP * lower) & (apart < _FLUSH * higher)
    linked &= left[second] - right[first] > -_LEAST_ALIKE * higher
    return first[linked], second[linked]


def _joined(first: np.ndarray, second: np.ndarray, count: int) -> list[np.ndarray]:
    """Numbers 0..count - 1 by what the pairs join."""
    above = list(range(count))

    def top_of(number: int) -> int:
        while above[number] != number:
            above[number] = above[above[number]]
            number = above[number]
        return number

    for one, other in zip(first.tolist(), second.tolist(), strict=True):
        above[top_of(one)] = top_of(other)
    by_top: dict[int, list[int]] = {}
    for number in range(count):
        by_top.setdefault(top_of(number), []).append(number)
    return [np.array(members) for members in by_top.values()]
