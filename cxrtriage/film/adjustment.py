"""What a reader does to a film before looking or reading: window, contrast, crop and the like.

`Adjustment.apply` is the reference; the viewer in the browser draws the same steps in the same order.
All steps work on float32 in the full depth of the film, on the whole film (so that a crop does not
change what is left in it), and each is skipped where it is the identity.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

import cv2
import numpy as np

from cxrtriage.film.box import PixelBox
from cxrtriage.film.clahe import equalise
from cxrtriage.film.film import Film

_SHORTEST_BOX = 0.02


@dataclass(frozen=True)
class FractionBox:
    """A box in 0..1 of the unrotated film, at least 0.02 wide and high."""

    left: float = 0.0
    top: float = 0.0
    right: float = 1.0
    bottom: float = 1.0

    def __post_init__(self) -> None:
        for name in ("left", "top", "right", "bottom"):
            _require_number(f"crop {name}", getattr(self, name), 0.0, 1.0)
        # A little less than the least side, so that 0.31 to 0.33 passes in floating point.
        shortest = _SHORTEST_BOX - 1e-9
        if self.right - self.left < shortest or self.bottom - self.top < shortest:
            raise ValueError(f"crop must be at least {_SHORTEST_BOX} of the film wide and high")

    @property
    def is_full(self) -> bool:
        return self == FractionBox()

    def to_pixels(self, rows: int, columns: int) -> PixelBox:
        """The box in pixels of a film, edges rounded half up, at least one pixel wide and high."""
        left, right = _edges(self.left, self.right, columns)
        top, bottom = _edges(self.top, self.bottom, rows)
        return PixelBox(left, top, right, bottom)


def _edges(first: float, last: float, count: int) -> tuple[int, int]:
    """Half-open edges in 0..count, at least one apart."""
    start = min(math.floor(first * count + 0.5), count - 1)
    return start, max(math.floor(last * count + 0.5), start + 1)


@dataclass(frozen=True)
class Adjustment:
    """Steps in this order; the identity by default. Levels are fractions of the film's range.

    `window_center`, `window_width`: the levels that become 0..1. `brightness` is added, `contrast`
    multiplies around 0.5. `clahe`: clip limit, 0 is off. `sharpness`: weight of the unsharp mask.
    `invert` swaps black and white. Then `crop`, then `quarter_turns` clockwise.
    """

    crop: FractionBox = field(default_factory=FractionBox)
    window_center: float = 0.5
    window_width: float = 1.0
    brightness: float = 0.0
    contrast: float = 1.0
    sharpness: float = 0.0
    clahe: float = 0.0
    invert: bool = False
    quarter_turns: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.crop, FractionBox):
            raise ValueError("crop must be a box of left, top, right and bottom")
        _require_number("window_center", self.window_center, -1.0, 2.0)
        _require_number("window_width", self.window_width, 1.0 / 255.0, 4.0)
        _require_number("brightness", self.brightness, -1.0, 1.0)
        _require_number("contrast", self.contrast, 0.1, 4.0)
        _require_number("sharpness", self.sharpness, 0.0, 4.0)
        if self.clahe != 0.0:
            _require_number("clahe", self.clahe, 1.0, 8.0)
        _require_number("clahe", self.clahe, 0.0, 8.0)
        if not isinstance(self.invert, bool):
            raise ValueError("invert must be true or false")
        if isinstance(self.quarter_turns, bool) or self.quarter_turns not in (0, 1, 2, 3):
            raise ValueError("quarter_turns must be 0, 1, 2 or 3")

    @property
    def is_identity(self) -> bool:
        return self == Adjustment()

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Adjustment:
        """From what `to_dict` gave, or a part of it; ValueError with a sentence for anything else."""
        known = _known(cls, values, "adjustment")
        if "crop" in known:
            known["crop"] = FractionBox(**_known(FractionBox, known["crop"], "crop"))
        turns = known.get("quarter_turns")
        if isinstance(turns, float) and turns.is_integer():
            known["quarter_turns"] = int(turns)  # JSON of other languages has no integers
        return cls(**known)

    def apply(self, film: Film) -> Film:
        """The adjusted film: new pixels, spacing turned with them, all else kept."""
        if self.is_identity:
            return film
        pixels = np.ascontiguousarray(np.rot90(self._cropped(self._levels(film.pixels)), -self.quarter_turns))
        if pixels.flags.writeable is False or np.shares_memory(pixels, film.pixels):
            pixels = pixels.copy()
        spacing = film.spacing_mm
        if spacing is not None and self.quarter_turns % 2:
            spacing = (spacing[1], spacing[0])
        return replace(film, pixels=pixels, spacing_mm=spacing)

    def map_back(self, array: np.ndarray, film: Film) -> np.ndarray:
        """A map over the adjusted film's pixels as one over `film`'s own, zero outside the crop."""
        box = self.crop.to_pixels(film.rows, film.columns)
        upright = np.rot90(array, self.quarter_turns)
        if upright.shape != (box.rows, box.columns):
            turned = (box.columns, box.rows) if self.quarter_turns % 2 else (box.rows, box.columns)
            raise ValueError(f"the map must be {turned} (rows, columns), not {array.shape}")
        whole = np.zeros((film.rows, film.columns), array.dtype)
        whole[box.top : box.bottom, box.left : box.right] = upright
        return whole

    def _cropped(self, pixels: np.ndarray) -> np.ndarray:
        """The part of (rows, columns) `pixels` inside the crop."""
        box = self.crop.to_pixels(*pixels.shape)
        return pixels[box.top : box.bottom, box.left : box.right]

    def _levels(self, pixels: np.ndarray) -> np.ndarray:
        """Steps that change grey levels, on the whole film; float32 in 0..1 in and out."""
        if self.window_center != 0.5 or self.window_width != 1.0:
            pixels = _window(pixels, self.window_center, self.window_width)
        if self.brightness != 0.0 or self.contrast != 1.0:
            pixels = _brightness_contrast(pixels, self.brightness, self.contrast)
        if self.clahe > 0.0:
            pixels = equalise(pixels, self.clahe)
        if self.sharpness > 0.0:
            pixels = _sharpen(pixels, self.sharpness)
        if self.invert:
            pixels = np.float32(1.0) - pixels
        return pixels


def _window(pixels: np.ndarray, center: float, width: float) -> np.ndarray:
    """Levels center - width / 2 .. center + width / 2 become 0..1."""
    levels = (pixels - np.float32(center - width / 2)) / np.float32(width)
    return np.clip(levels, 0.0, 1.0, out=levels)


def _brightness_contrast(pixels: np.ndarray, brightness: float, contrast: float) -> np.ndarray:
    """Contrast around 0.5, then brightness on top."""
    levels = (pixels - np.float32(0.5)) * np.float32(contrast) + np.float32(0.5 + brightness)
    return np.clip(levels, 0.0, 1.0, out=levels)


def _sharpen(pixels: np.ndarray, amount: float) -> np.ndarray:
    """Unsharp mask; its width follows the film (1/640 of the longest side), its look does not."""
    sigma = max(0.8, max(pixels.shape) / 640.0)
    side = 2 * math.ceil(3.0 * sigma) + 1
    blurred = cv2.GaussianBlur(pixels, (side, side), sigma, borderType=cv2.BORDER_REFLECT_101)
    levels = pixels + np.float32(amount) * (pixels - blurred)
    return np.clip(levels, 0.0, 1.0, out=levels)


def _require_number(name: str, value: object, least: float, most: float) -> None:
    """ValueError unless `value` is a number within `least`..`most`."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{name} must be a number")
    if not least <= value <= most:
        raise ValueError(f"{name} must be between {least:.3g} and {most:.3g}, not {value:g}")


def _known(kind: type, values: object, name: str) -> dict[str, Any]:
    """`values` as a dict whose keys are all fields of `kind`."""
    if not isinstance(values, Mapping):
        raise ValueError(f"{name} must be an object with named values")
    names = {one.name for one in fields(kind)}
    unknown = sorted(str(key) for key in values if key not in names)
    if unknown:
        raise ValueError(f"{name} has no value named {', '.join(unknown)}")
    return dict(values)
