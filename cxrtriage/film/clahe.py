"""Contrast limited adaptive histogram equalisation (Zuiderveld 1994) on floats.

OpenCV's CLAHE takes 8 or 16 bits. With 16 it counts 65,536 bins, of which a film fills a few pixels
each, so that its clip limit (a multiple of the mean count) cuts nothing or everything; with 8 the
depth is lost. Here 256 bins make the curves, and the curves are read between the bins, so the clip
limit means what it does in OpenCV at 8 bits and the depth stays.
"""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np

_TILES = 8
_BINS = 256


def equalise(pixels: np.ndarray, clip_limit: float) -> np.ndarray:
    """`pixels` (rows, columns) float32 in 0..1, equalised over 8 x 8 tiles; the same form again."""
    rows, columns = pixels.shape
    bins = np.floor(pixels * np.float32(_BINS - 1) + np.float32(0.5)).astype(np.uint8)
    padded = cv2.copyMakeBorder(bins, 0, -rows % _TILES, 0, -columns % _TILES, cv2.BORDER_REFLECT_101)
    tile_rows, tile_columns = padded.shape[0] // _TILES, padded.shape[1] // _TILES
    curves = _curves(padded, tile_rows, tile_columns, clip_limit)
    vertical = _Neighbours(rows, tile_rows)
    horizontal = _Neighbours(columns, tile_columns)
    result = np.empty((rows, columns), np.float32)
    for top, bottom in vertical.runs:
        for left, right in horizontal.runs:
            result[top:bottom, left:right] = _blend(
                pixels[top:bottom, left:right],
                curves[np.ix_(vertical.pair(top), horizontal.pair(left))],
                vertical.weight[top:bottom, np.newaxis],
                horizontal.weight[np.newaxis, left:right],
            )
    return np.clip(result, 0.0, 1.0, out=result)


def _curves(bins: np.ndarray, tile_rows: int, tile_columns: int, clip_limit: float) -> np.ndarray:
    """(8, 8, 256) float32: the curve of each tile, its cumulative share of pixels in 0..1."""
    count = tile_rows * tile_columns
    most = max(int(clip_limit * count / _BINS), 1)
    curves = np.empty((_TILES, _TILES, _BINS), np.float32)
    for row in range(_TILES):
        for column in range(_TILES):
            tile = bins[
                row * tile_rows : (row + 1) * tile_rows, column * tile_columns : (column + 1) * tile_columns
            ]
            histogram = np.bincount(tile.ravel(), minlength=_BINS)
            curves[row, column] = np.cumsum(_clipped(histogram, most)) / count
    return curves


def _clipped(histogram: np.ndarray, most: int) -> np.ndarray:
    """The histogram with what exceeds `most` spread over all bins, in OpenCV's way."""
    excess = int(np.maximum(histogram - most, 0).sum())
    spread = np.minimum(histogram, most) + excess // _BINS
    residual = excess % _BINS
    if residual:
        stride = max(_BINS // residual, 1)
        spread[::stride][:residual] += 1
    return spread


class _Neighbours:
    """Along one side: for each pixel the two nearest tile centres and the weight of the second.

    `runs` are the half-open stretches of pixels that share their two tiles.
    """

    def __init__(self, count: int, tile: int) -> None:
        position = np.arange(count, dtype=np.float32) / np.float32(tile) - np.float32(0.5)
        first = np.floor(position)
        self.weight = (position - first).astype(np.float32)
        self._first = first.astype(int)
        starts = np.flatnonzero(np.diff(self._first)) + 1
        edges = [0, *(int(start) for start in starts), count]
        self.runs = list(pairwise(edges))

    def pair(self, index: int) -> list[int]:
        """The two tiles of a pixel, both the last one beyond the outer centres."""
        first = int(self._first[index])
        return [max(first, 0), min(first + 1, _TILES - 1)]


def _blend(pixels: np.ndarray, curves: np.ndarray, down: np.ndarray, across: np.ndarray) -> np.ndarray:
    """Read four `curves` (2, 2, 256) at `pixels`, between the bins, and mix them by the weights."""
    position = pixels * np.float32(_BINS - 1)
    low = np.minimum(position.astype(np.int32), _BINS - 2)
    between = position - low.astype(np.float32)

    def read(curve: np.ndarray) -> np.ndarray:
        step = np.append(np.diff(curve), np.float32(0.0)).astype(np.float32)
        return curve[low] + between * step[low]

    upper = read(curves[0, 0]) * (1 - across) + read(curves[0, 1]) * across
    lower = read(curves[1, 0]) * (1 - across) + read(curves[1, 1]) * across
    return upper * (1 - down) + lower * down
