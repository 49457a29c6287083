"""Input form of the lesion net: one function turns a slice into what the net sees, and one brings masks back.

Training and reading call the same; the card holds the options.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Self

import cv2
import numpy as np

Box = tuple[int, int, int, int]
"""Top, left, bottom, right in pixels of a slice; the last two are one beyond the end."""


@dataclass(frozen=True)
class SliceForm:
    """`rows` and `columns` of the input, divisible by 32: about the shape of a chest.

    `window`: Hounsfield units that become grey 0 and 255, those of the training slices. `tissue`: the share
    of 255 that soft tissue is brought to, since slices saved as pictures come in any window. `margin`: share
    of the lungs' box that is added on each side of it.
    """

    rows: int = 256
    columns: int = 352
    window: tuple[float, float] = (-1350.0, 150.0)
    tissue: float = 0.9
    margin: float = 0.06

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        return cls(**{**values, "window": tuple(values.get("window", cls.window))})

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "window": list(self.window)}

    def grey(self, hounsfield: np.ndarray) -> np.ndarray:
        """Hounsfield units -> uint8 grey by the window, as the training slices were saved; padding is air."""
        low, high = self.window
        shades = (hounsfield.astype(np.float32) - low) * (255.0 / (high - low))
        return np.clip(np.rint(shades), 0, 255).astype(np.uint8)

    def picture(self, grey: np.ndarray, box: Box | None = None) -> np.ndarray:
        """(rows, columns) uint8 of `box` of a grey slice (the whole slice without one), squashed."""
        part = grey if box is None else grey[box[0] : box[2], box[1] : box[3]]
        return np.asarray(cv2.resize(part, (self.columns, self.rows), interpolation=cv2.INTER_AREA))

    def widened(self, box: Box, rows: int, columns: int) -> Box:
        """The box with its margin, within a slice of `rows` x `columns`."""
        top, left, bottom, right = box
        high, wide = round(self.margin * (bottom - top)), round(self.margin * (right - left))
        return max(top - high, 0), max(left - wide, 0), min(bottom + high, rows), min(right + wide, columns)

    def back(self, chances: np.ndarray, box: Box, rows: int, columns: int) -> np.ndarray:
        """Chances (rows, columns of the input) of `box` -> (rows, columns) of the slice, 0 outside the
        box."""
        whole: np.ndarray = np.zeros((rows, columns), np.float32)
        size = (box[3] - box[1], box[2] - box[0])
        whole[box[0] : box[2], box[1] : box[3]] = cv2.resize(chances, size, interpolation=cv2.INTER_LINEAR)
        return whole


def tissue_level(picture: np.ndarray) -> float:
    """Grey of soft tissue, 0..255: the median of what Otsu's threshold (1979) calls bright.

    0 where the picture is even, and there is nothing to tell apart.
    """
    level, _ = cv2.threshold(picture, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    bright = picture[picture > level]
    return float(np.median(bright)) if bright.size and float(picture.std()) > 1.0 else 0.0


def levelled(picture: np.ndarray, tissue: float, target: float) -> np.ndarray:
    """float32 grey 0..255 in which grey `tissue` has become `target` (share of 255); as it is for tissue
    0."""
    gain = target * 255.0 / tissue if tissue > 0 else 1.0
    return np.minimum(picture.astype(np.float32) * np.float32(gain), np.float32(255.0))
