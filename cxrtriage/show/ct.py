"""CT slices as pictures: greys that any window can be drawn from, outlines, a montage for export."""

from __future__ import annotations

import re
from collections.abc import Sequence

import cv2
import numpy as np

from cxrtriage.ct.reading import SliceReading
from cxrtriage.ct.series import Series

# Hounsfield units at these greys, straight between: a byte holds fine steps where soft tissue lies, where a
# window of 400 units would show coarser ones, and coarse steps in bone.
LEVEL_GREYS = (0.0, 128.0, 240.0, 255.0)
LEVEL_UNITS = (-1100.0, -160.0, 240.0, 1500.0)
# Centre and width in Hounsfield units, as radiologists set them.
WINDOWS = {"lung": (-600.0, 1500.0), "mediastinum": (40.0, 400.0)}
BOX_COLOUR = (255, 70, 60)
_MONTAGE_WIDTH = 6
_TILE = 220
_QUALITY = 88
# What starts a formula, in full width too, where a cell may begin.
_FORMULA = re.compile(r"""(^|[;,|"\t\r\n])(?=\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n])""")


def viewing_greys(series: Series, pixels: np.ndarray) -> np.ndarray:
    """uint8 (rows, columns): Hounsfield units by the levels above; a picture's own greys as they are."""
    if not series.calibrated:
        return pixels
    return np.rint(np.interp(pixels.astype(np.float32), LEVEL_UNITS, LEVEL_GREYS)).astype(np.uint8)


def encoded(greys: np.ndarray) -> bytes:
    """A slice as JPEG."""
    done, data = cv2.imencode(".jpg", greys, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    if not done:
        raise ValueError("the slice cannot be encoded")
    return data.tobytes()


def outlines(mask: np.ndarray) -> list[list[int]]:
    """The outlines of a mask as x, y, x, y, ... in pixels."""
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return [cv2.approxPolyDP(one, 0.6, True).ravel().astype(int).tolist() for one in contours]


def lung_window(series: Series, pixels: np.ndarray) -> np.ndarray:
    """uint8 (rows, columns) in the lung window; a picture's own greys as they are."""
    if not series.calibrated:
        return pixels
    centre, width = WINDOWS["lung"]
    shades = (pixels.astype(np.float32) - (centre - width / 2)) * (255.0 / width)
    return np.clip(np.rint(shades), 0, 255).astype(np.uint8)


def montage(series: Series, slices: Sequence[SliceReading], most: int = 48) -> bytes:
    """PNG of the slices that show a lesion (every n-th of them where there are more than `most`), with boxes;
    of the whole series where none does."""
    numbers = [number for number, one in enumerate(slices) if one.boxes] or list(range(len(slices)))
    numbers = [numbers[n] for n in np.unique(np.linspace(0, len(numbers) - 1, most).round().astype(int))]
    tiles = [_tile(series, slices, number) for number in numbers]
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % _MONTAGE_WIDTH)
    lines = [
        np.concatenate(tiles[start : start + _MONTAGE_WIDTH], axis=1)
        for start in range(0, len(tiles), _MONTAGE_WIDTH)
    ]
    done, data = cv2.imencode(".png", np.concatenate(lines)[:, :, ::-1])
    if not done:
        raise ValueError("the montage cannot be encoded")
    return data.tobytes()


def _tile(series: Series, slices: Sequence[SliceReading], number: int) -> np.ndarray:
    """(side, side, 3) uint8: a slice with its boxes and its number."""
    pixels = series.slices[number].pixels
    rows, columns = pixels.shape
    scale = _TILE / max(rows, columns)
    size = (max(round(columns * scale), 1), max(round(rows * scale), 1))
    grey = cv2.resize(lung_window(series, pixels), size, interpolation=cv2.INTER_AREA)
    tile = np.zeros((_TILE, _TILE, 3), np.uint8)
    top, left = (_TILE - size[1]) // 2, (_TILE - size[0]) // 2
    tile[top : top + size[1], left : left + size[0]] = grey[..., None]
    for box in slices[number].boxes:
        first = (left + int(box.x * scale), top + int(box.y * scale))
        last = (left + int((box.x + box.width) * scale), top + int((box.y + box.height) * scale))
        cv2.rectangle(tile, first, last, BOX_COLOUR, 1)
    cv2.putText(
        tile, str(number + 1), (4, 12), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (255, 255, 255), 1, cv2.LINE_AA
    )
    return tile


def table_rows(slices: Sequence[SliceReading], quadrant_names: Sequence[str]) -> list[dict[str, object]]:
    """A row a slice, for the table and the CSV."""
    return [
        {
            "slice": number,
            "name": one.name,
            "position_mm": one.position_mm,
            "lesions": len(one.boxes),
            "lesion_pixels": one.lesion_pixels,
            "lung_pixels": one.lung_pixels,
            "quadrants": ", ".join(n for n, hit in zip(quadrant_names, one.quadrants, strict=True) if hit),
            "likelihood": max((box.likelihood for box in one.boxes), default=None),
        }
        for number, one in enumerate(slices, start=1)
    ]


def csv_cell(value: object) -> object:
    """A value safe to open in a spreadsheet: words that would be taken for a formula get a quote before them.

    Also behind what another country's spreadsheet takes for the end of a cell (a semicolon, a tab, a quote).
    https://owasp.org/www-community/attacks/CSV_Injection
    """
    return _FORMULA.sub(r"\1'", value) if isinstance(value, str) else value
