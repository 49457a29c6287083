"""CT volumes in NIfTI, by nibabel: orientation and scaling as the header says."""

from __future__ import annotations

import gzip
import io
import zlib
from dataclasses import asdict
from typing import Any

import nibabel
import numpy as np

from cxrtriage.ct.series import Series, SeriesError, SeriesLimits, Slice, check_voxels
from cxrtriage.film import reader_pool
from cxrtriage.film.film import FilmError

_MAGIC_AT = 344
_PADDING_BELOW = -1100.0
# No CT knows values beyond these; a volume of such numbers is no Hounsfield units.
_LEAST_HU, _MOST_HU = -5000.0, 40000.0


def looks_like_nifti(data: bytes) -> bool:
    """NIfTI-1 or -2 in one file, also packed with gzip."""
    if data[:2] == b"\x1f\x8b":
        try:
            data = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(data, 400)
        except zlib.error:
            return False
    return data[_MAGIC_AT : _MAGIC_AT + 4] == b"n+1\x00" or data[4:8] == b"n+2\x00"


def read_nifti(name: str, data: bytes, limits: SeriesLimits, *, trusted: bool = False) -> Series:
    """The series in the bytes of a NIfTI file, unpacked and read in a child process unless it is `trusted`.

    Raises nothing but `SeriesError`.
    """
    if trusted:
        said, volume = _volume(data, limits)
    else:
        try:
            said, volume = reader_pool.POOL.read(
                f"{__name__}:{packed_volume.__name__}",
                data,
                seconds=limits.max_seconds,
                memory=limits.most_memory(len(data)),
                most_bytes=2 * limits.max_voxels,
                words={"limits": asdict(limits)},
            )
        except FilmError as error:
            raise SeriesError(error.code, detail=error.detail) from error
    try:
        return _series(name, said, volume)
    except (TypeError, ValueError, LookupError, ArithmeticError) as error:
        raise SeriesError("unreadable") from error


def packed_volume(data: bytes, limits: dict[str, Any]) -> tuple[dict[str, Any], np.ndarray]:
    """In a child: what the header says that is kept, and (slices, rows, columns) int16."""
    return _volume(data, SeriesLimits(**limits))


def _volume(data: bytes, limits: SeriesLimits) -> tuple[dict[str, Any], np.ndarray]:
    try:
        return _read(data, limits)
    except SeriesError:
        raise
    except (EOFError, OSError, zlib.error, gzip.BadGzipFile) as error:
        raise SeriesError("truncated") from error
    except MemoryError as error:
        raise SeriesError("too_large") from error
    except Exception as error:  # nibabel reads what the header says, and a damaged one says anything
        raise SeriesError("unreadable") from error


def _series(name: str, said: dict[str, Any], volume: np.ndarray) -> Series:
    """The series of `packed_volume`; TypeError, ValueError or the like for what no reader says."""
    if volume.ndim != 3 or volume.dtype != np.int16 or not volume.size:
        raise ValueError("no volume")
    step, row, column = (float(size) for size in said["sizes"])
    origin = float(said["origin"])
    known = min(step, row, column) > 0
    digits = max(len(str(len(volume))), 3)
    slices = tuple(
        Slice(f"slice-{number:0{digits}d}", pixels, round(origin + number * step, 3) if known else None)
        for number, pixels in enumerate(volume)
    )
    return Series(name, slices, True, (step, row, column) if known else None)


def _read(data: bytes, limits: SeriesLimits) -> tuple[dict[str, Any], np.ndarray]:
    if data[:2] == b"\x1f\x8b":
        # Unpacked by hand, so that a bomb ends at the limit: the header's size is checked afterwards.
        unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
        plain = unpacker.decompress(data, limits.most_unpacked(len(data)))
        if unpacker.unconsumed_tail:
            raise SeriesError("decompression_bomb")
        if not unpacker.eof:
            raise SeriesError("truncated")
        data = plain
    kind = nibabel.Nifti1Image if data[_MAGIC_AT : _MAGIC_AT + 3] == b"n+1" else nibabel.Nifti2Image
    image = kind.from_stream(io.BytesIO(data))
    shape = image.shape
    if len(shape) == 4 and shape[3] == 1:
        image = image.slicer[..., 0]
        shape = image.shape
    if len(shape) != 3 or min(shape) < 1:
        raise SeriesError("multi_frame")
    check_voxels(shape[2], shape[0], shape[1], limits)
    if max(shape) > limits.max_slices or np.prod(shape, dtype=np.int64) > limits.max_voxels:
        raise SeriesError("too_many_slices")
    # Axes to the right, the front and the head; columns then run to the patient's left, rows to the back.
    upright = nibabel.as_closest_canonical(image)
    check_voxels(upright.shape[2], upright.shape[0], upright.shape[1], limits)
    sizes = [float(size) for size in upright.header.get_zooms()[:3]]
    values = np.asanyarray(upright.dataobj)
    volume: np.ndarray = np.empty(values.shape[::-1], np.int16)
    least, most = np.inf, -np.inf
    for number in range(len(volume)):  # slice by slice, since a copy of the whole in floats would be large
        part = values[::-1, ::-1, number].T.astype(np.float32)
        if not np.isfinite(part).all():
            raise SeriesError("not_finite")
        least, most = min(least, float(part.min())), max(most, float(part.max()))
        volume[number] = np.rint(np.clip(part, _PADDING_BELOW, 32767.0))
    if least < _LEAST_HU or most > _MOST_HU or least >= 0:
        raise SeriesError("no_slices", detail="Hounsfield units")
    origin = float(upright.affine[2, 3])
    if not np.isfinite([origin, *sizes]).all():
        raise SeriesError("not_finite")
    return {"sizes": sizes[::-1], "origin": origin}, volume
