"""How a film becomes a net's input, and how a map over that input comes back to the film.

Training and reading call the same two steps: `InputForm.image` (film -> small 8-bit picture, which
training caches and augments) and `InputForm.tensor` (picture -> normalised tensor). The card of a
net names the options.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import cv2
import numpy as np

from cxrtriage.film.film import Film
from cxrtriage.reading.lungs import Lungs

if TYPE_CHECKING:
    from torch import Tensor

# ITU-R BT.601 luma, as `convert("L")` and cv2.COLOR_RGB2GRAY weigh the three channels.
_LUMA = np.array([0.299, 0.587, 0.114])


# Gaussian widths that part the bands, as shares of the picture's side, and each band's contrast
# (standard deviation within the lungs, grey levels): about what the films trained on have.
_BAND_WIDTHS = (0.0045, 0.009, 0.018, 0.036, 0.072)
_BAND_CONTRASTS = (4.5, 5.5, 8.0, 12.0, 17.0)


def bands_of(picture: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    """(rows, columns) grey levels -> its bands from fine to coarse, and what is coarser; they sum to it."""
    rest: np.ndarray = picture.astype(np.float32)
    bands = []
    for width in _BAND_WIDTHS:
        coarser = cv2.GaussianBlur(rest, (0, 0), width * max(picture.shape))
        bands.append(rest - coarser)
        rest = coarser
    return bands, rest


def even_bands(picture: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """The picture (uint8) with every band's contrast within `seen` (bool) brought to one value.

    Localised energy-based normalisation (Philipsen, IEEE TMI 2015) in one pass; a band is changed
    fourfold at most, so that an empty film does not become noise.
    """
    bands, rest = bands_of(picture)
    if not seen.any():
        seen = np.ones(picture.shape, bool)
    even = rest
    for band, contrast in zip(bands, _BAND_CONTRASTS, strict=True):
        own = float(band[seen].std())
        even = even + band * np.clip(contrast / max(own, 1e-3), 0.25, 4.0)
    return np.clip(even + 0.5, 0, 255).astype(np.uint8)


@dataclass(frozen=True)
class InputForm:
    """Options of a net's input.

    `size`: side of the square input in pixels. `trim`: share of each side cut away first, since
    borders, letters and collimation tell the hospital. `fit`: `squash` ignores the aspect ratio
    (half of the public sets are squashed already, so that the ratio tells the source); `letterbox`
    keeps it and fills with the film's darkest value. `equalise`: histogram equalisation after
    resizing. `region`: `lungs` takes the box of both lungs with `margin` (share of the box's side)
    around it, where they were found, and the trimmed film otherwise; `mask` blackens what is not lung
    there. `smooth`: a Gaussian of 3 x 3 pixels after equalisation, as Park 2021 has it. `energy`:
    brings the contrast of every band of spatial frequencies within the lungs to one value (Philipsen
    2015): how sharp and how noisy a film is tells the hospital, and in some sets the sick from the
    well. `mean`, `deviation`: of three colour channels in 0..255; the normalised channels are then
    weighed to one grey channel.
    """

    size: int = 512
    trim: float = 0.0
    fit: Literal["squash", "letterbox"] = "squash"
    equalise: bool = True
    smooth: bool = False
    region: Literal["film", "lungs"] = "film"
    margin: float = 0.08
    mask: bool = False
    energy: bool = False
    mean: tuple[float, float, float] = (123.675, 116.28, 103.53)
    deviation: tuple[float, float, float] = (58.395, 57.12, 57.375)

    def __post_init__(self) -> None:
        if self.size < 32 or not 0 <= self.trim < 0.4:
            raise ValueError("input form: size must be at least 32 and trim in 0..0.4")
        if self.fit not in ("squash", "letterbox"):
            raise ValueError(f"input form: fit must be squash or letterbox, not {self.fit!r}")
        if self.region not in ("film", "lungs") or not 0 <= self.margin <= 0.5:
            raise ValueError("input form: region must be film or lungs, and margin in 0..0.5")
        if self.mask and self.region != "lungs":
            raise ValueError("input form: mask needs the region lungs")

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> InputForm:
        """From plain JSON types; ValueError for a key that is no option."""
        unknown = set(values) - set(cls.__dataclass_fields__)
        if unknown:
            raise ValueError(f"input form: unknown option {', '.join(sorted(unknown))}")
        values = dict(values)
        for key in ("mean", "deviation"):
            if key in values:
                values[key] = tuple(float(v) for v in values[key])
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @property
    def scale_and_shift(self) -> tuple[float, float]:
        """(a, b) such that a grey value g in 0..255 becomes a * g + b."""
        deviation = np.array(self.deviation)
        return float((_LUMA / deviation).sum()), float(-(_LUMA * np.array(self.mean) / deviation).sum())

    @property
    def picture(self) -> tuple[object, ...]:
        """What decides the picture; nets that agree in it can share one and differ in normalisation only."""
        parts = (self.size, self.trim, self.fit, self.equalise, self.region, self.margin, self.mask)
        # What came later is named only where it is used, so that older pictures keep their name.
        later = [name for name, used in (("energy", self.energy), ("smooth", self.smooth)) if used]
        return (*parts, *later)

    def image(self, film: Film, lungs: Lungs | None = None) -> np.ndarray:
        """Film -> (size, size) uint8, cut out, resized and equalised, not yet normalised."""
        top, left, height, width = self._box(film.rows, film.columns, lungs)
        rows, columns = self._content(height, width)
        pixels = cv2.resize(
            film.pixels[top : top + height, left : left + width],
            (columns, rows),
            interpolation=cv2.INTER_AREA if rows <= height else cv2.INTER_LINEAR,
        )
        # Stretched before 8 bits are taken, so that a faint film keeps its shades.
        low, high = float(pixels.min()), float(pixels.max())
        pixels = (pixels - low) * (255.0 / (high - low) if high > low else 0.0)
        picture = np.clip(pixels + 0.5, 0, 255).astype(np.uint8)
        if self.equalise:
            picture = cv2.equalizeHist(picture)
        if self.smooth:
            picture = cv2.GaussianBlur(picture, (3, 3), 0)
        if (self.mask or self.energy) and lungs is not None and lungs.box is not None:
            seen = lungs.part((top, left, height, width), film.rows, film.columns, rows, columns)
        else:
            seen = np.ones(picture.shape, bool)
        if self.energy:
            picture = even_bands(picture, seen)
        if self.mask:
            picture = np.where(seen, picture, 0).astype(np.uint8)
        if picture.shape == (self.size, self.size):
            return picture
        canvas = np.zeros((self.size, self.size), np.uint8)
        top, left = (self.size - rows) // 2, (self.size - columns) // 2
        canvas[top : top + rows, left : left + columns] = picture
        return canvas

    def tensor(self, image: np.ndarray) -> Tensor:
        """(size, size) uint8 -> (1, 1, size, size) float32, normalised."""
        import torch

        scale, shift = self.scale_and_shift
        return torch.from_numpy(image.astype(np.float32) * np.float32(scale) + np.float32(shift))[None, None]

    def lung_picture(self, film: Film, lungs: Lungs) -> np.ndarray:
        """(size, size) uint8, 255 in the lungs: where they lie in `image` (all 255 where none were found)."""
        if lungs.box is None:
            return np.full((self.size, self.size), 255, np.uint8)
        box = self._box(film.rows, film.columns, lungs)
        rows, columns = self._content(box[2], box[3])
        canvas = np.zeros((self.size, self.size), np.uint8)
        top, left = (self.size - rows) // 2, (self.size - columns) // 2
        seen = lungs.part(box, film.rows, film.columns, rows, columns)
        canvas[top : top + rows, left : left + columns] = seen.astype(np.uint8) * 255
        return canvas

    def map_in(self, numbers: np.ndarray, lungs: Lungs | None = None) -> np.ndarray:
        """Numbers over the whole film -> over the input: (rows, columns) uint8 at any scale -> (size, size).

        The nearest place's number is taken; what lies beside a letterboxed film is 0.
        """
        rows, columns = numbers.shape
        top, left, height, width = self._box(rows, columns, lungs)
        tall, wide = self._content(height, width)
        ys = np.minimum(top + ((np.arange(tall) + 0.5) * height / tall).astype(int), rows - 1)
        xs = np.minimum(left + ((np.arange(wide) + 0.5) * width / wide).astype(int), columns - 1)
        canvas = np.zeros((self.size, self.size), np.uint8)
        y, x = (self.size - tall) // 2, (self.size - wide) // 2
        canvas[y : y + tall, x : x + wide] = numbers[ys[:, None], xs[None]]
        return canvas

    def map_back(self, map_: np.ndarray, film: Film, lungs: Lungs | None = None) -> np.ndarray:
        """A map over the input, (h, w) float of any size -> (rows, columns) float32 in film pixels.

        What was cut away is 0: the net did not see it.
        """
        top, left, height, width = self._box(film.rows, film.columns, lungs)
        rows, columns = self._content(height, width)
        full = cv2.resize(map_.astype(np.float32), (self.size, self.size), interpolation=cv2.INTER_LINEAR)
        y, x = (self.size - rows) // 2, (self.size - columns) // 2
        seen = cv2.resize(
            full[y : y + rows, x : x + columns], (width, height), interpolation=cv2.INTER_LINEAR
        )
        out = np.zeros((film.rows, film.columns), np.float32)
        out[top : top + height, left : left + width] = seen
        return out

    def _box(self, rows: int, columns: int, lungs: Lungs | None) -> tuple[int, int, int, int]:
        """top, left, height, width of the part of the film that the net sees."""
        if self.region == "film" or lungs is None or lungs.box is None:
            return self._trim_box(rows, columns)
        up, left, down, right = lungs.box
        tall, wide = (down - up) * self.margin, (right - left) * self.margin
        top, start = int(max(up - tall, 0) * rows), int(max(left - wide, 0) * columns)
        end, stop = round(min(down + tall, 1) * rows), round(min(right + wide, 1) * columns)
        return top, start, max(end - top, 1), max(stop - start, 1)

    def _trim_box(self, rows: int, columns: int) -> tuple[int, int, int, int]:
        """top, left, height, width of what is left after trimming, at least one pixel."""
        top, left = int(rows * self.trim), int(columns * self.trim)
        return top, left, max(rows - 2 * top, 1), max(columns - 2 * left, 1)

    def _content(self, rows: int, columns: int) -> tuple[int, int]:
        """Rows and columns of the film inside the square input."""
        if self.fit == "squash":
            return self.size, self.size
        scale = self.size / max(rows, columns)
        return max(round(rows * scale), 1), max(round(columns * scale), 1)
