"""A film and a map as the bytes that go to the browser, at full depth and once.

The browser is given every grey level of the film (float32) and, for each pixel, which level it has. A
12-bit film has at most 4096 levels, so nothing is rounded, and a new window is a table of 4096 numbers
rather than four million divisions.

Layout of a pack: 4 bytes length of the header (little endian), the header as JSON, then a zlib stream of
the levels (float32, little endian) followed by the pixels' level numbers (uint8 or uint16, as the
difference to the left neighbour, low bytes of all pixels before the high bytes: half the size of plain
16-bit numbers).
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass, replace

import cv2
import numpy as np

from cxrtriage.film.film import Film

LONGEST_SHOWN = 2048  # film pixels on the longest side; more than a screen shows and still quick to redraw
LONGEST_MAP = 512  # a saliency map is smooth; the browser enlarges it
LEVELS_16_BIT = 65536


@dataclass(frozen=True)
class Pack:
    """Bytes for the browser and the name under which the browser keeps them."""

    name: str
    data: bytes


def shown_film(film: Film) -> Film:
    """The film as the viewer shows it: itself, or brought to 2048 pixels on its longest side.

    Returns float32 pixels in 0..1, (rows, columns). A larger film is averaged over areas and then held to
    65,536 levels; one whose values lie closer than 16 bits apart is held to them as well.
    """
    pixels = film.pixels
    longest = max(film.rows, film.columns)
    if longest > LONGEST_SHOWN:
        scale = LONGEST_SHOWN / longest
        size = (max(1, round(film.columns * scale)), max(1, round(film.rows * scale)))  # OpenCV: width first
        pixels = cv2.resize(np.ascontiguousarray(pixels), size, interpolation=cv2.INTER_AREA)
    levels, numbers = grey_levels(pixels)
    return replace(film, pixels=levels[numbers])


def grey_levels(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The levels of a film, float32 ascending, and the level number of each pixel, uint8 or uint16.

    `levels[numbers]` is the film exactly where its values are at least one 16-bit step apart, as those of
    any 8 to 16-bit source are after a straight window; otherwise it is the film rounded to 16 bits.
    """
    nearest = np.rint(pixels * np.float32(LEVELS_16_BIT - 1)).astype(np.uint16)
    table = np.full(LEVELS_16_BIT, -1, np.float32)
    table[nearest.ravel()] = pixels.ravel()
    if not np.array_equal(table[nearest], pixels):
        exact = (np.arange(LEVELS_16_BIT) / (LEVELS_16_BIT - 1)).astype(np.float32)
        table = np.where(table >= 0, exact, np.float32(-1))
    used = np.flatnonzero(table >= 0)
    number_of = np.zeros(LEVELS_16_BIT, np.uint8 if used.size <= 256 else np.uint16)
    number_of[used] = np.arange(used.size)
    return table[used], number_of[nearest]


def pack_film(film: Film) -> Pack:
    """The film for the browser, named by its sha256 and, since an adjusted film keeps that, its pixels."""
    shown = shown_film(film)
    levels, numbers = grey_levels(shown.pixels)
    body = levels.astype("<f4").tobytes() + _differences(numbers)
    name = f"{film.sha256[:16]}-{zlib.crc32(body):08x}"
    header = {
        "kind": "film",
        "name": name,
        "rows": shown.rows,
        "columns": shown.columns,
        "levels": int(levels.size),
        "bits": film.bits,
        "source_rows": film.rows,
        "source_columns": film.columns,
    }
    return Pack(name, _packed(header, body))


def pack_map(values: np.ndarray, name: str) -> Pack:
    """A map, float32 (rows, columns) in 0..1 in film pixels, as uint8 of at most 512 pixels a side.

    Named by `name` and its values, since an adjusted film has other maps of the same nets.
    """
    scale = min(1.0, LONGEST_MAP / max(values.shape))
    rows, columns = (max(1, round(side * scale)) for side in values.shape)
    small = cv2.resize(np.asarray(values, np.float32), (columns, rows), interpolation=cv2.INTER_AREA)
    greys = np.floor(np.clip(small, 0, 1) * 255 + 0.5).astype(np.uint8)
    body = _differences(greys)
    full_name = f"{name}-{zlib.crc32(body):08x}"
    header = {"kind": "map", "name": full_name, "rows": rows, "columns": columns}
    return Pack(full_name, _packed(header, body))


def _differences(numbers: np.ndarray) -> bytes:
    """Level numbers as differences to the left neighbour, wrapped; low bytes first, then high bytes."""
    steps = np.diff(numbers, axis=1, prepend=numbers.dtype.type(0))
    if numbers.dtype == np.uint8:
        return steps.tobytes()
    return (steps & 0xFF).astype(np.uint8).tobytes() + (steps >> 8).astype(np.uint8).tobytes()


def _packed(header: dict[str, object], body: bytes) -> bytes:
    head = json.dumps(header).encode()
    return len(head).to_bytes(4, "little") + head + zlib.compress(body, 1)
