"""Boxes of a film painted over, so that what was written there is gone from the pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from cxrtriage.film.box import PixelBox
from cxrtriage.film.film import Film
from cxrtriage.film.writing import CODE

BLANKED = "text_blanked"
_RING = 0.25  # of the box's shorter side, and at least so many pixels: what the fill is taken from
_LEAST_RING = 2


def blanked(film: Film, boxes: Sequence[PixelBox]) -> Film:
    """The film with each box filled with the median grey of the ring around it, which leaves nothing of what
    stood there; `text_blanked` among its notes instead of `burned_in_text`, and the boxes in `blanked`.

    The same boxes on the same film give the same pixels, at the full depth of the film.
    """
    if not boxes:
        return film
    pixels = film.pixels.copy()
    for box in boxes:
        pixels[box.top : box.bottom, box.left : box.right] = _fill(film.pixels, box)
    return replace(film, pixels=pixels, blanked=(*film.blanked, *boxes)).noted(BLANKED, instead_of=CODE)


def _fill(pixels: np.ndarray, box: PixelBox) -> np.float32:
    """Median of the ring around a box; black where the box is the whole film."""
    width = max(_LEAST_RING, round(_RING * min(box.rows, box.columns)))
    top, left = max(box.top - width, 0), max(box.left - width, 0)
    place = np.s_[top : box.bottom + width, left : box.right + width]
    ring: np.ndarray = np.ones(pixels[place].shape, bool)
    ring[box.top - top : box.bottom - top, box.left - left : box.right - left] = False
    around = pixels[place][ring]
    return np.float32(np.median(around)) if around.size else np.float32(0.0)
