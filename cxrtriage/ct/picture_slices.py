"""CT slices saved as pictures: in the order of their names, without Hounsfield units."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cxrtriage.ct.series import Series, SeriesError, SeriesLimits, Slice, check_voxels
from cxrtriage.film.limits import Limits
from cxrtriage.film.read import read_film, read_trusted_film

_MASK_GREYS = 4


@dataclass(frozen=True, eq=False)
class PictureSlice:
    """`pixels`: (rows, columns) float32 in 0..1; `mask`: it holds a few greys alone, as masks do."""

    name: str
    pixels: np.ndarray
    deep: bool
    mask: bool


def read_picture_slice(name: str, data: bytes, limits: Limits, *, trusted: bool = False) -> PictureSlice:
    """The slice in the bytes of a picture file, decoded in a child process unless the file is `trusted`.

    Raises nothing but `FilmError`.
    """
    film = read_trusted_film(data, limits) if trusted else read_film(data, limits)
    greys = np.unique(film.pixels[:: max(film.rows // 256, 1)])
    return PictureSlice(name, film.pixels, film.bits > 8, len(greys) <= _MASK_GREYS)


def natural_order(name: str) -> list[tuple[int, int | str]]:
    """A key by which slice 10 comes after slice 9."""
    parts = re.split(r"(\d+)", name.lower())
    return [(0, int(part)) if part.isdigit() else (1, part) for part in parts if part]


def picture_series(name: str, pictures: Sequence[PictureSlice], limits: SeriesLimits) -> Series:
    """One series of all pictures that are no masks; SeriesError where none is left."""
    codes = {"uncalibrated", "by_name"}
    # A slice without any tissue is even too, but masks come in numbers beside slices.
    slices = [one for one in pictures if not one.mask]
    if len(slices) < len(pictures):
        codes.add("masks_left_out")
    if not slices:
        raise SeriesError("no_slices")
    slices.sort(key=lambda one: natural_order(one.name))
    rows, columns = max(one.pixels.shape for one in slices)
    check_voxels(len(slices), rows, columns, limits)
    if len({one.pixels.shape for one in slices}) > 1:
        codes.add("sizes_differ")
    # Pictures of 16 bits mostly hold 12, and are brought to 8 by what the series holds.
    full = max(float(one.pixels.max()) for one in slices) if any(one.deep for one in slices) else 1.0
    return Series(
        name,
        tuple(
            Slice(one.name, np.rint(one.pixels * (255.0 / max(full, 1e-6))).astype(np.uint8))
            for one in slices
        ),
        calibrated=False,
        breaks=_breaks([one.name for one in slices]),
        codes=tuple(sorted(codes)),
    )


def _breaks(names: Sequence[str]) -> frozenset[int]:
    """Before which names the last number jumps by more than the usual step: slices are missing there."""
    found = [re.findall(r"\d+", name) for name in names]
    if len(names) < 3 or not all(found):
        return frozenset()
    steps = np.diff([int(numbers[-1]) for numbers in found])
    usual = float(np.median(steps))
    return frozenset(int(n) + 1 for n in np.flatnonzero(steps > 1.5 * usual)) if usual > 0 else frozenset()
