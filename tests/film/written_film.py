"""Drawn films with writing on them."""

from __future__ import annotations

import cv2
import numpy as np

from cxrtriage.film.blanking import blanked
from cxrtriage.film.box import PixelBox
from cxrtriage.film.film import Film
from cxrtriage.film.synthetic import draw_film

# Without the word in its corner that says what it is.
DRAWN = blanked(draw_film(1, rows=1024, columns=1024), [PixelBox(0, 970, 160, 1024)])
WORDS = "MUELLER ANNA 12.03.1957"


def film_with(words: str, place: tuple[int, int] = (24, 60)) -> Film:
    """A drawn film of 1024 pixels a side with words on it, capitals 21 pixels high."""
    greys = np.rint(DRAWN.pixels * 255).astype(np.uint8)
    if words:
        greys = cv2.putText(greys, words, place, cv2.FONT_HERSHEY_SIMPLEX, 1.0, 255, 2, cv2.LINE_AA)
    return Film(greys.astype(np.float32) / np.float32(255), 8, DRAWN.sha256, "png")
