"""CT slices in DICOM: Hounsfield units, sorted by where they lie and never by name.

Section numbers are those of DICOM PS3. UIDs sort slices into series and are forgotten.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, EnhancedCTImageStorage

from cxrtriage.ct.series import Series, SeriesError, SeriesLimits, Slice, check_voxels
from cxrtriage.film import dicom_header as header
from cxrtriage.film import reader_pool
from cxrtriage.film.dicom import parse_dicom
from cxrtriage.film.dicom_decode import decode
from cxrtriage.film.film import FilmError
from cxrtriage.film.limits import Limits
from cxrtriage.film.quiet import quiet_decoders

# Cosine of the greatest tilt of a slice that still counts as axial (gantries tilt by up to 30 degrees).
_AXIAL = 0.8
_SAME_PLACE_MM = 0.01
_GAP = 1.5  # times the usual distance
_PADDING_BELOW = -1100.0  # no tissue is thinner than air; scanners pad the corners with -2000 and less


@dataclass(frozen=True, eq=False)
class DicomSlice:
    """A slice and what sorts it. `series` only tells series of one reading apart. `axial`: False for scouts
    too."""

    slice: Slice
    series: str
    axial: bool
    instance: float
    spacing: tuple[float, float] | None
    calibrated: bool


def read_dicom_slice(name: str, data: bytes, limits: Limits, *, trusted: bool = False) -> DicomSlice:
    """The slice in the bytes of a DICOM file, decoded in a child process unless the file is `trusted`.

    Raises nothing but `FilmError`.
    """
    limits.check_bytes(len(data))
    if trusted:
        return _read(name, data, limits)
    said, pixels = reader_pool.POOL.read(
        f"{__name__}:{packed_slice.__name__}",
        data,
        seconds=limits.max_seconds,
        memory=limits.max_memory,
        most_bytes=2 * limits.max_pixels,
        words={"limits": asdict(limits)},
    )
    try:
        return _unpacked(name, said, pixels)
    except (TypeError, ValueError, LookupError, ArithmeticError) as error:
        raise FilmError("unreadable") from error


def packed_slice(data: bytes, limits: dict[str, Any]) -> tuple[dict[str, Any], np.ndarray]:
    """In a child: the slice as plain values and its pixels."""
    found = _read("", data, Limits(**limits))
    said = {
        "position_mm": found.slice.position_mm, "series": found.series, "axial": found.axial,
        "instance": found.instance, "spacing": found.spacing, "calibrated": found.calibrated,
    }  # fmt: skip
    return said, found.slice.pixels


def _unpacked(name: str, said: dict[str, Any], pixels: np.ndarray) -> DicomSlice:
    """The slice of `packed_slice`; TypeError, ValueError or the like for what no reader says."""
    place, spacing = said["position_mm"], said["spacing"]
    if pixels.ndim != 2 or pixels.dtype != (
        np.int16 if said["calibrated"] or not said["axial"] else np.uint8
    ):
        raise ValueError("no slice")
    return DicomSlice(
        slice=Slice(name, pixels, None if place is None else float(place)),
        series=str(said["series"]),
        axial=bool(said["axial"]),
        instance=float(said["instance"]),
        spacing=None if spacing is None else (float(spacing[0]), float(spacing[1])),
        calibrated=bool(said["calibrated"]),
    )


def _read(name: str, data: bytes, limits: Limits) -> DicomSlice:
    with quiet_decoders():
        try:
            return _slice(name, data, limits)
        except FilmError:
            raise
        except EOFError as error:
            raise FilmError("truncated") from error
        except MemoryError as error:
            raise FilmError("too_large") from error
        except Exception as error:  # as in `read_dicom`: damaged bytes raise nearly anything
            raise FilmError("unreadable") from error


def _slice(name: str, data: bytes, limits: Limits) -> DicomSlice:
    dataset = parse_dicom(data, limits)
    sop_class = header.text(dataset, "SOPClassUID")
    if sop_class == EnhancedCTImageStorage or header.number_of_frames(dataset) > 1:
        raise SeriesError("multi_frame")
    if sop_class != CTImageStorage and header.text(dataset, "Modality") != "CT":
        raise SeriesError("no_slices")
    axial, place, turned = _orientation(dataset)
    if place is not None and not math.isfinite(place):  # numbers of any size may stand in the tags
        raise FilmError("not_finite")
    scout = "LOCALIZER" in _image_type(dataset)
    series = f"{dataset.get('SeriesInstanceUID', '')} {dataset.get('Rows')} {dataset.get('Columns')}"
    instance = header.number(dataset, "InstanceNumber") or 0.0
    if scout or not axial:
        empty = Slice(name, np.zeros((0, 0), np.int16))
        return DicomSlice(empty, series, False, instance, None, False)
    stored = decode(dataset, limits, len(data))
    slope, intercept = header.number(dataset, "RescaleSlope"), header.number(dataset, "RescaleIntercept")
    calibrated = slope is not None and intercept is not None and slope != 0
    values = stored.values.astype(np.float32)
    if values.ndim == 3:
        raise SeriesError("no_slices")
    if calibrated:
        values = values * np.float32(slope) + np.float32(intercept)
        if not np.isfinite(values).all():
            raise FilmError("not_finite")
        values[values < _PADDING_BELOW] = _PADDING_BELOW
        pixels = np.clip(np.rint(values), -32768, 32767).astype(np.int16)
    else:
        low, high = float(values.min()), float(values.max())
        pixels = np.rint((values - low) * (255.0 / max(high - low, 1.0))).astype(np.uint8)
    pixels = turned.apply(pixels)
    spacing = turned.apply_to_spacing(_pixel_spacing(dataset))
    return DicomSlice(Slice(name, pixels, place), series, True, instance, spacing, calibrated)


def _image_type(dataset: Dataset) -> str:
    return str(dataset.get("ImageType", "")).upper()


def _pixel_spacing(dataset: Dataset) -> tuple[float, float] | None:
    found = header.numbers(dataset, "PixelSpacing")
    return (found[0], found[1]) if len(found) == 2 and min(found) > 0 else None


def _orientation(dataset: Dataset) -> tuple[bool, float | None, header.Turn]:
    """Whether the slice is axial, where it lies along the body (mm, growing towards the head), and the turn
    that brings the front up and the patient's right to the left (PS3.3 C.7.6.2.1.1)."""
    cosines = header.numbers(dataset, "ImageOrientationPatient")
    position = header.numbers(dataset, "ImagePositionPatient")
    if len(cosines) != 6:
        place = header.number(dataset, "SliceLocation")
        return True, place, header.Turn()
    along_row, along_column = np.array(cosines[:3]), np.array(cosines[3:])
    normal = np.cross(along_row, along_column)
    if abs(normal[2]) < _AXIAL:
        return False, None, header.Turn()
    towards_head = normal if normal[2] > 0 else -normal
    place = float(np.dot(position, towards_head)) if len(position) == 3 else None
    transpose = abs(along_row[0]) < abs(along_row[1])
    if transpose:
        along_row, along_column = along_column, along_row
    return True, place, header.Turn(transpose, bool(along_row[0] < 0), bool(along_column[1] < 0))


def sorted_series(name: str, slices: Sequence[DicomSlice], limits: SeriesLimits) -> list[Series]:
    """Each series among the slices, sorted; those of scouts alone are left out."""
    codes: set[str] = set()
    groups: dict[str, list[DicomSlice]] = {}
    for one in slices:
        if one.axial:
            groups.setdefault(one.series, []).append(one)
        else:
            codes.add("localizer_left_out")
    if not groups:
        raise SeriesError("not_axial" if codes else "no_slices")
    # Scouts and dose pages travel as series of one slice beside the real one.
    real = {key: group for key, group in groups.items() if len(group) > 1} or groups
    if len(real) < len(groups):
        codes.add("localizer_left_out")
    if len(real) > 1:
        codes.add("several_series")
    names = [name] if len(real) == 1 else [f"{name} #{number + 1}" for number in range(len(real))]
    return [_one_series(its, group, codes, limits) for its, group in zip(names, real.values(), strict=True)]


def _one_series(name: str, group: list[DicomSlice], codes: set[str], limits: SeriesLimits) -> Series:
    codes = set(codes)
    rows, columns = group[0].slice.pixels.shape
    check_voxels(len(group), rows, columns, limits)
    placed = [one for one in group if one.slice.position_mm is not None]
    step = None
    breaks: frozenset[int] = frozenset()
    if len(placed) == len(group):
        ordered = sorted(group, key=lambda one: (one.slice.position_mm, one.instance))
        kept = ordered[:1]
        for one in ordered[1:]:
            if _distance(kept[-1], one) > _SAME_PLACE_MM:
                kept.append(one)
        if len(kept) < len(group):
            codes.add("duplicates")
        group = kept
        if len(group) > 1:
            steps = np.array([_distance(a, b) for a, b in pairwise(group)])
            step = float(np.median(steps))
            breaks = frozenset(int(number) + 1 for number in np.flatnonzero(steps > _GAP * step))
            if breaks:
                codes.add("gaps")
    else:
        group = sorted(group, key=lambda one: (one.instance, one.slice.name))
        codes.add("by_name")
    calibrated = all(one.calibrated for one in group)
    if not calibrated:
        codes.add("uncalibrated")
        if any(one.calibrated for one in group):
            raise SeriesError("no_slices")
    spacings = {one.spacing for one in group}
    first = group[0].spacing
    spacing = (step, *first) if step is not None and first is not None and len(spacings) == 1 else None
    return Series(name, tuple(one.slice for one in group), calibrated, spacing, breaks, tuple(sorted(codes)))


def _distance(one: DicomSlice, other: DicomSlice) -> float:
    assert one.slice.position_mm is not None
    assert other.slice.position_mm is not None
    return other.slice.position_mm - one.slice.position_mm
