"""Controls: what a net still scores when it cannot see the lungs, or nothing but the border.

A net that reads the disease falls to chance; one that reads the hospital does not notice.
"""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from cxrtriage.film.film import Film
from train.manifest import FilmRow

BORDER = 0.12


def lung_masks(folder: Path) -> dict[str, Path]:
    """Mask file by film file, from `lungs.csv` of the data folder; empty where there is none."""
    table = folder / "lungs.csv"
    if not table.is_file():
        return {}
    with table.open(newline="", encoding="utf-8-sig") as stream:
        return {row["file"]: folder / "lungs" / row["mask"] for row in csv.DictReader(stream)}


def without_lungs(film: Film, mask: Path) -> Film:
    """The film with both lungs, and the tissue between and just around them, filled with one grey.

    The convex hull of the mask is taken, so that its outline tells as little as can be of what was in it.
    """
    with Image.open(mask) as picture:
        lungs = picture.convert("L").resize((film.columns, film.rows), Image.Resampling.NEAREST)
    points = cv2.findNonZero((np.asarray(lungs) > 127).astype(np.uint8))
    hidden = np.zeros(film.pixels.shape, np.uint8)
    if points is not None:
        cv2.fillConvexPoly(hidden, cv2.convexHull(points), 1)
        reach = max(film.rows, film.columns) // 50
        square = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
        return _filled(film, np.asarray(cv2.dilate(hidden, square)) > 0)
    return _filled(film, hidden > 0)


def border_only(film: Film, border: float = BORDER) -> Film:
    """The film with all but the outer `border` share of each side filled with one grey."""
    hidden = np.zeros(film.pixels.shape, bool)
    top, left = int(film.rows * border), int(film.columns * border)
    hidden[top : film.rows - top, left : film.columns - left] = True
    return _filled(film, hidden)


def _filled(film: Film, hidden: np.ndarray) -> Film:
    pixels = film.pixels.copy()
    rest = pixels[~hidden]
    pixels[hidden] = np.median(rest) if rest.size else 0.0
    return replace(film, pixels=pixels)


def masked_rows(rows: tuple[FilmRow, ...], masks: dict[str, Path]) -> list[int]:
    """Indices of the rows that have a lung mask."""
    return [index for index, row in enumerate(rows) if row.file in masks]
