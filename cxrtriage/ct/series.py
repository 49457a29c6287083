"""A CT series: its slices in order, without a name, identifier or date."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from cxrtriage.film.film import FilmError


class SeriesError(FilmError):
    """Files that cannot be read as a CT series; code, sentence and detail as of a `FilmError`."""


_MEMORY = 512 * 2**20
_RATIO = 50
_ANY_RATIO = 64 * 2**20  # bytes that are no harm, however well they pack


@dataclass(frozen=True)
class SeriesLimits:
    """Of one series: number of slices, voxels (300 slices of 512 x 512 are 79 million), files looked at,
    bytes that an archive may unpack to, and how long all its files may take together."""

    max_slices: int = 2000
    max_voxels: int = 400_000_000
    max_files: int = 5000
    max_unpacked: int = 2 * 2**30
    max_seconds: float = 600.0

    def most_unpacked(self, packed: int) -> int:
        """Bytes that `packed` bytes may unpack to: CT shrinks to a half or a tenth, bombs to a thousandth."""
        return min(self.max_unpacked, max(_ANY_RATIO, _RATIO * packed))

    def most_memory(self, packed: int) -> int:
        """Bytes that the reading of one volume in `packed` bytes may take: they and what they unpack to, and
        the voxels as doubles, turned, and as integers."""
        unpacked = self.most_unpacked(packed)
        return _MEMORY + 2 * packed + 2 * unpacked + 20 * min(self.max_voxels, unpacked)


@dataclass(frozen=True, eq=False)
class Slice:
    """One axial slice.

    `pixels`: (rows, columns), int16 Hounsfield units in a calibrated series, else uint8 grey; the front of
    the chest is up and the patient's right at the left. `position_mm` grows towards the head; None where the
    files say nothing. `name` is that of the file, without its ending.
    """

    name: str
    pixels: np.ndarray
    position_mm: float | None = None


@dataclass(frozen=True, eq=False)
class Series:
    """Slices from base to apex where positions are known, else in the order of their names.

    `spacing_mm`: (z, row, column) distances of voxel centres, z from the positions. `breaks`: numbers of
    slices before which something is missing. `codes`: what was noticed, see `cxrtriage.film.codes`.
    """

    name: str
    slices: tuple[Slice, ...]
    calibrated: bool
    spacing_mm: tuple[float, float, float] | None = None
    breaks: frozenset[int] = field(default_factory=frozenset)
    codes: tuple[str, ...] = ()

    @property
    def one_size(self) -> bool:
        return len({one.pixels.shape for one in self.slices}) == 1


def check_voxels(slices: int, rows: int, columns: int, limits: SeriesLimits) -> None:
    """SeriesError where a series is over the limits."""
    if slices > limits.max_slices or slices * rows * columns > limits.max_voxels:
        raise SeriesError("too_many_slices", detail=f"{limits.max_slices}, {limits.max_voxels / 1e6:g} MP")
