"""Known writing put into films, as hospitals burn it in, and films of which a person said what is written.

`train/writing_seen.csv` holds what a person saw on each film: `line` (three letters or more in a row that
were written by a machine or set by hand in lead), `marker` (initials of two or three lead letters beside the
side marker) or `none` (nothing, a side marker, an arrow, or two letters).
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import cv2
import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from cxrtriage.film.box import PixelBox

Seen = Literal["line", "marker", "none"]
Place = Literal["corner", "edge", "lung"]
Style = Literal["white", "white on black", "black on white"]

SEEN = Path(__file__).with_name("writing_seen.csv")
SIZES = (0.012, 0.015, 0.02, 0.03, 0.045)  # height of a capital, of the film's height
PLACES: tuple[Place, ...] = ("corner", "edge", "lung")
STYLES: tuple[Style, ...] = ("white", "white on black", "black on white")
_MATPLOTLIB = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
_HERSHEY = {
    "simplex": cv2.FONT_HERSHEY_SIMPLEX, "duplex": cv2.FONT_HERSHEY_DUPLEX,
    "complex": cv2.FONT_HERSHEY_COMPLEX, "triplex": cv2.FONT_HERSHEY_TRIPLEX,
}  # fmt: skip
_HERSHEY_CAPITAL = 21.0  # units; a stroke is about a tenth of it
# What the finder is fitted on and what it is judged by share neither fonts nor words.
FONTS: Mapping[str, Sequence[str]] = {
    "fit": ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSansMono", "DejaVuSerif", "cmss10", "simplex", "duplex"),
    "test": ("DejaVuSansMono-Bold", "DejaVuSans-Oblique", "STIXGeneral", "STIXGeneralBol", "default",
             "complex", "triplex"),
}  # fmt: skip
WORDS: Mapping[str, Sequence[str]] = {
    "fit": ("MUELLER ANNA", "Smith, John", "12.03.1957", "1957-03-12 14:22", "ID 00482913", "PORTABLE",
            "ST. MARY HOSPITAL", "AP ERECT", "KIM MIN-JUN", "Garcia^Maria", "Dr. Weber", "LEE, A", "SUPINE"),
    "test": ("NOVAK PETRA", "Brown, Emily", "04/11/1963", "2019-08-30 07:51", "MRN 7719052", "MOBILE",
             "CITY GENERAL", "PA SITTING", "PARK JI-WOO", "Rossi^Luca", "Dr. Haas", "ODA, K", "Semi-erect"),
}  # fmt: skip
_OVERSIZE = 3  # writing is drawn larger and reduced, as films were
_LEGIBLE = 0.25  # least difference of grey, in 0..1, between writing and four fifths of what it lies on
_MARGIN = 0.015  # of the film's height, from its edge
_QUALITIES = (75, 85, 95)


@dataclass(frozen=True, eq=False)
class Written:
    """A film with a line in it: `pixels` float32 in 0..1; `box` around its `ink` (0..1 a pixel)."""

    pixels: np.ndarray
    box: PixelBox
    ink: np.ndarray
    size: float
    place: Place
    style: Style
    font: str


def read_seen(path: Path = SEEN) -> dict[str, Seen]:
    """What a person saw, by file."""
    with path.open(encoding="utf-8", newline="") as stream:
        return {row["file"]: row["seen"] for row in csv.DictReader(stream)}  # type: ignore[misc]


def written(
    pixels: np.ndarray,
    rng: np.random.Generator,
    part: Literal["fit", "test"],
    size: float,
    place: Place,
    style: Style,
) -> Written | None:
    """A line of writing of this size, place and style in a film (float32 in 0..1); None where it does not fit
    or could not be read there."""
    rows, columns = pixels.shape
    for _ in range(8):
        font, words = str(rng.choice(FONTS[part])), str(rng.choice(WORDS[part]))
        ink = stencil(words, font, size * rows)
        if ink.shape[1] > 0.8 * columns:
            continue
        box = _placed(rng, ink.shape, pixels.shape, place)
        drawn = _drawn(pixels, box, ink, style, rng)
        if drawn is not None:
            return Written(drawn, box, ink, size, place, style, font)
    return None


@lru_cache(maxsize=512)
def stencil(words: str, font: str, capital: float) -> np.ndarray:
    """The words as float32 (rows, columns), 1 where ink is; `capital`: height of a capital in pixels."""
    drawn = _hershey(words, font, capital * _OVERSIZE) if font in _HERSHEY else _type(words, font, capital)
    down, across = np.nonzero(drawn)
    tight = drawn[down.min() : down.max() + 1, across.min() : across.max() + 1]
    size = (max(1, round(tight.shape[1] / _OVERSIZE)), max(1, round(tight.shape[0] / _OVERSIZE)))
    ink = cv2.resize(tight, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    ink.flags.writeable = False
    return ink


def _hershey(words: str, font: str, height: float) -> np.ndarray:
    thickness = max(1, round(height / 12))
    canvas = np.zeros((int(2 * height) + 8, int(1.3 * height * len(words)) + 40), np.uint8)
    place = (16, int(1.5 * height))
    scale = height / _HERSHEY_CAPITAL
    return np.asarray(
        cv2.putText(canvas, words, place, _HERSHEY[font], scale, 255, thickness, cv2.LINE_AA), np.uint8
    )


def _type(words: str, font: str, capital: float) -> np.ndarray:
    height = capital * _OVERSIZE
    # A capital is about 0.7 of the size a type is named by.
    trial = _font(font, 100)
    top, bottom = trial.getbbox("H")[1::2]
    face = _font(font, 100 * height / (bottom - top))
    right, bottom = face.getbbox(words)[2:]
    canvas = Image.new("L", (int(right) + 20, int(bottom) + 20))
    ImageDraw.Draw(canvas).text((10, 10), words, fill=255, font=face)
    return np.asarray(canvas)


def _font(name: str, size: float) -> ImageFont.FreeTypeFont:
    if name == "default":
        face = ImageFont.load_default(size)
        assert isinstance(face, ImageFont.FreeTypeFont)
        return face
    return ImageFont.truetype(str(_MATPLOTLIB / f"{name}.ttf"), size)


def _placed(rng: np.random.Generator, ink: tuple[int, ...], film: tuple[int, ...], place: Place) -> PixelBox:
    (height, width), (rows, columns) = ink, film
    margin = int(_MARGIN * rows)
    low, right = max(rows - height - margin, 0), max(columns - width - margin, 0)
    if place == "lung":
        top = int(rng.integers(int(0.25 * rows), int(0.65 * rows)))
        left = int(rng.integers(0, max(columns - width, 0) + 1))
    else:
        top = int(rng.choice([min(margin, low), low]))
        left = int(rng.choice([min(margin, right), right])) if place == "corner" else (columns - width) // 2
    top = min(top, rows - height)
    return PixelBox(left, top, left + width, top + height)


def _drawn(
    pixels: np.ndarray, box: PixelBox, ink: np.ndarray, style: Style, rng: np.random.Generator
) -> np.ndarray | None:
    """The film with the words in it, through a JPEG, as most films that carry some have been."""
    rows, columns = pixels.shape
    room = max(2, int(0.3 * box.rows))
    around = np.s_[
        max(0, box.top - room) : min(rows, box.bottom + room),
        max(0, box.left - room) : min(columns, box.right + room),
    ]
    drawn = pixels.copy()
    grey = 0.0 if style == "black on white" else float(rng.choice([1.0, 1.0, 0.86]))
    if style == "white" and grey - float(np.quantile(pixels[around], 0.8)) < _LEGIBLE:
        return None
    if style != "white":
        drawn[around] = 1.0 if style == "black on white" else 0.0
    place = np.s_[box.top : box.bottom, box.left : box.right]
    drawn[place] = drawn[place] * (1 - ink) + grey * ink
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.choice(_QUALITIES))]
    _, data = cv2.imencode(".jpg", np.rint(drawn * 255).astype(np.uint8), quality)
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), np.float32) / np.float32(255)
