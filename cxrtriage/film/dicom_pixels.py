"""The pixels of a DICOM film as grey in 0..1, bright dense.

Order of steps (PS3.4 N.2): stored values -> modality LUT or rescale -> VOI LUT or window ->
presentation (MONOCHROME1 or Presentation LUT Shape INVERSE) -> padding to black.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset
from pydicom.pixels import apply_color_lut, apply_modality_lut, apply_voi
from pydicom.uid import DigitalXRayImageStorageForProcessing

from cxrtriage.film import depth
from cxrtriage.film import dicom_header as header
from cxrtriage.film.dicom_decode import Stored, decode
from cxrtriage.film.limits import Limits


@dataclass(frozen=True)
class GreyFilm:
    """`pixels`: (rows, columns) float32 in 0..1 as stored, not yet turned; `bits` of the source."""

    pixels: np.ndarray
    bits: int
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Scaled:
    """`pixels`: (rows, columns) float32 in 0..1, before inversion."""

    pixels: np.ndarray
    bits: int
    notes: tuple[str, ...] = ()


def read_grey(dataset: Dataset, limits: Limits, file_bytes: int) -> GreyFilm:
    """Decode the one frame of `dataset` and bring it to grey."""
    stored = decode(dataset, limits, file_bytes)
    if stored.values.ndim == 3 or stored.photometric == "PALETTE COLOR":
        return _from_colour(dataset, stored)
    padding = _padding_mask(dataset, stored.values)
    scaled = _scale(dataset, stored, padding)
    pixels = scaled.pixels
    if _dense_is_dark(dataset, stored.photometric):
        pixels = np.subtract(np.float32(1.0), pixels, out=pixels)
    if padding is not None:
        pixels[padding] = 0.0
    return GreyFilm(pixels, min(scaled.bits, stored.bits), scaled.notes)


def _from_colour(dataset: Dataset, stored: Stored) -> GreyFilm:
    """RGB (decoders hand over YBR as RGB) and palette colour (PS3.3 C.7.6.3.1.5) by their luma."""
    values = stored.values
    bits = stored.bits
    if stored.photometric == "PALETTE COLOR":
        values = apply_color_lut(values, dataset)[..., :3]
        bits = int(dataset.RedPaletteColorLookupTableDescriptor[2])
        # Tables of 16 bits are used throughout; some say 16 and hold 8.
        full = depth.narrowest_depth(0, float(values.max()), bits, signed=False)
        values, bits = depth.to_unit(values, full), full
    else:
        values = depth.to_unit(values, bits)
    notes = () if depth.is_grey(values) else ("colour",)
    return GreyFilm(depth.grey(values), bits, notes)


def _scale(dataset: Dataset, stored: Stored, padding: np.ndarray | None) -> _Scaled:
    """Modality and VOI steps, to 0..1 by the output range of the last one that is there."""
    if header.text(dataset, "SOPClassUID") == DigitalXRayImageStorageForProcessing:
        return _scale_unprocessed(dataset, stored, padding)
    modality = _modality(dataset, stored)
    through = _voi_lut(dataset, modality)
    if through is None:
        through = _window(dataset, modality)
    if through is None:
        return _whole_range(modality)
    if not _is_flat(through.pixels) or _is_flat(stored.values):
        return through
    # A window that lies outside the film would show one even grey.
    whole = _whole_range(modality)
    return _Scaled(whole.pixels, whole.bits, (*whole.notes, "window_ignored"))


@dataclass(frozen=True)
class _Modality:
    """Modality values: `values` * `slope` + `intercept`, kept apart so that integers stay integers.

    `bits` and `signed` bound `values`; `stated` says that the file itself names that depth.
    """

    values: np.ndarray
    slope: float
    intercept: float
    bits: int
    signed: bool
    stated: bool

    def linear(self) -> np.ndarray:
        """The modality values as float32."""
        real = self.values.astype(np.float32)
        if self.slope != 1.0:
            real *= np.float32(self.slope)
        if self.intercept != 0.0:
            real += np.float32(self.intercept)
        return real


def _modality(dataset: Dataset, stored: Stored) -> _Modality:
    """Modality LUT, or rescale, or the stored values (PS3.3 C.11.1)."""
    if dataset.get("ModalityLUTSequence"):
        # Its output has the bits of the third value of the descriptor, unsigned (C.11.1.1.1).
        bits = int(dataset.ModalityLUTSequence[0].LUTDescriptor[2])
        values = apply_modality_lut(stored.values, dataset)
        return _Modality(values, 1.0, 0.0, bits, signed=False, stated=bits < 16)
    slope, intercept = header.number(dataset, "RescaleSlope"), header.number(dataset, "RescaleIntercept")
    if not slope:  # absent, unreadable, or 0, which would leave no picture
        slope, intercept = 1.0, 0.0
    return _Modality(stored.values, slope, intercept or 0.0, stored.bits, stored.signed, stored.bits_stated)


def _voi_lut(dataset: Dataset, modality: _Modality) -> _Scaled | None:
    """VOI LUT (PS3.3 C.11.2.1.1), which goes before a window where both are there."""
    if not dataset.get("VOILUTSequence"):
        return None
    item = dataset.VOILUTSequence[0]
    if "LUTDescriptor" not in item or "LUTData" not in item:
        return None
    whole = modality.slope == 1.0 and modality.intercept == int(modality.intercept)
    values = (
        modality.values.astype(np.int64) + int(modality.intercept) if whole else modality.linear().round()
    )
    through = apply_voi(values.astype(np.int32), dataset)
    stated = int(item.LUTDescriptor[2])
    # Many tables say 16 bits and hold 12 or fewer.
    bits = depth.narrowest_depth(0, float(through.max()), stated, signed=False) if stated >= 16 else stated
    return _Scaled(depth.to_unit(through, bits), bits)


def _window(dataset: Dataset, modality: _Modality) -> _Scaled | None:
    """The first window by its function (PS3.3 C.11.2.1.2 and C.11.2.1.3); None where none is valid."""
    center, width = header.number(dataset, "WindowCenter"), header.number(dataset, "WindowWidth")
    function = header.text(dataset, "VOILUTFunction") or "LINEAR"
    if center is None or width is None or width <= 0 or (function == "LINEAR" and width < 1):
        return None
    unit = modality.linear()
    if function == "SIGMOID":
        unit -= np.float32(center)
        unit *= np.float32(-4.0 / width)
        # Beyond 80 the exponential only overflows; the result is 0 to the last digit of float32.
        unit = 1.0 / (1.0 + np.exp(np.minimum(unit, 80.0)))
        return _Scaled(unit.astype(np.float32), modality.bits)
    if function != "LINEAR_EXACT":
        center, width = center - 0.5, width - 1.0
    if width == 0.0:
        return _Scaled((unit > np.float32(center)).astype(np.float32), modality.bits)
    unit -= np.float32(center - width / 2)
    unit *= np.float32(1.0 / width)
    return _Scaled(np.clip(unit, 0.0, 1.0, out=unit), modality.bits)


def _whole_range(modality: _Modality) -> _Scaled:
    """Without a window: the range that the depth can hold, mirrored where the slope is negative.

    Where the file only states the container (16 bits stored of 16), the narrowest usual depth that
    holds the values is taken, so that 12 bits written as 16 do not come out black.
    """
    values, bits = modality.values, modality.bits
    if not modality.stated:
        bits = depth.narrowest_depth(float(values.min()), float(values.max()), bits, modality.signed)
    unit = depth.to_unit(values, bits, modality.signed)
    if modality.slope < 0:
        unit = np.subtract(np.float32(1.0), unit, out=unit)
    return _Scaled(unit, bits, ("narrow_depth",) if bits < modality.bits else ())


def _scale_unprocessed(dataset: Dataset, stored: Stored, padding: np.ndarray | None) -> _Scaled:
    """Digital X-Ray for processing (PS3.3 C.8.11.3): detector values, no window by the standard.

    Values linear in the intensity of the beam (Pixel Intensity Relationship LIN) are taken to the
    logarithm, as any display of a radiograph does. A detector uses a small part of its range, so
    these films alone are scaled by the values that they hold, padding left out.
    """
    real = stored.values.astype(np.float32)
    seen = real if padding is None else real[~padding]
    if seen.size == 0:
        return _Scaled(np.zeros(real.shape, np.float32), stored.bits, ("unprocessed",))
    low, high = float(seen.min()), float(seen.max())
    real = np.clip(real, low, high) - np.float32(low)
    span = high - low
    if header.text(dataset, "PixelIntensityRelationship") == "LIN":
        real, span = np.log1p(real), float(np.log1p(span))
    if span > 0:
        real *= np.float32(1.0 / span)
    return _Scaled(np.clip(real, 0.0, 1.0, out=real), stored.bits, ("unprocessed",))


def _dense_is_dark(dataset: Dataset, photometric: str) -> bool:
    """True where the scaled values are dark for dense tissue and must be inverted.

    MONOCHROME1 and Presentation LUT Shape INVERSE say the same (PS3.3 C.8.11.3.1.2 asks for both
    together), so one or both invert once. Films for processing say it by Pixel Intensity
    Relationship Sign (C.8.11.3.1.2): 1 where low values are little beam, that is, dense tissue.
    """
    if header.text(dataset, "SOPClassUID") == DigitalXRayImageStorageForProcessing:
        sign = header.number(dataset, "PixelIntensityRelationshipSign")
        if sign in (1.0, -1.0):
            return sign == 1.0
    return photometric == "MONOCHROME1" or header.text(dataset, "PresentationLUTShape") == "INVERSE"


def _padding_mask(dataset: Dataset, values: np.ndarray) -> np.ndarray | None:
    """True where a pixel is padding (PS3.3 C.7.5.1.1.2), which is drawn black; None without any."""
    value = header.number(dataset, "PixelPaddingValue")
    if value is None:
        return None
    limit = header.number(dataset, "PixelPaddingRangeLimit")
    low, high = sorted((value, value if limit is None else limit))
    mask = (values >= low) & (values <= high)
    if not mask.any():
        return None
    return None if mask.all() else mask


def _is_flat(values: np.ndarray) -> bool:
    """True where all values are the same."""
    return bool(values.min() == values.max())
