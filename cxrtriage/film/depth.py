"""From stored integers to 0..1, by the range the source could have held and not by percentiles.

A percentile would make the same film look different beside a collimator edge or a metal marker,
and would stretch a blank film into noise. The range of the depth does neither.
"""

from __future__ import annotations

import numpy as np

_DEPTHS = (8, 10, 12, 14, 16, 24, 32)
"""Depths that detectors and writers use, in bits."""


def narrowest_depth(low: float, high: float, bits: int, signed: bool) -> int:
    """The smallest usual depth, at most `bits`, that holds the values `low`..`high`.

    Many writers put 10- or 12-bit films into 16-bit files without saying so; scaled by 16 bits
    such a film would be nearly black. Use only where the file does not state a depth of its own.
    """
    for depth in _DEPTHS:
        if depth >= bits:
            break
        least, most = _ends(depth, signed)
        if least <= low and high <= most:
            return depth
    return bits


def to_unit(values: np.ndarray, bits: int, signed: bool = False) -> np.ndarray:
    """`values` of `bits` depth as float32 in 0..1: 0 is the least the depth can hold, 1 the most."""
    least, most = _ends(bits, signed)
    unit = values.astype(np.float32)
    if least:
        unit -= np.float32(least)
    unit *= np.float32(1.0 / (most - least))
    return np.clip(unit, 0.0, 1.0, out=unit)


def grey(colour: np.ndarray) -> np.ndarray:
    """(rows, columns, 3) RGB in 0..1 to (rows, columns) float32 by the luma of ITU-R BT.601."""
    weights = np.array([0.299, 0.587, 0.114], np.float32)
    unit = np.ascontiguousarray(colour, dtype=np.float32) @ weights
    return np.clip(unit, 0.0, 1.0, out=unit)


def is_grey(colour: np.ndarray) -> bool:
    """True where the three channels of (rows, columns, 3) are the same picture."""
    return bool(
        np.array_equal(colour[..., 0], colour[..., 1]) and np.array_equal(colour[..., 1], colour[..., 2])
    )


def _ends(bits: int, signed: bool) -> tuple[int, int]:
    """The least and the most that `bits` can hold."""
    return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
