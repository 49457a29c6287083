"""A film with its map over it, as one picture: the same as the viewer draws in the browser."""

from __future__ import annotations

import cv2
import numpy as np

from cxrtriage.film.film import Film
from cxrtriage.show.colours import map_alpha, map_colours


def overlay(film: Film, saliency: np.ndarray, opacity: float = 0.5) -> np.ndarray:
    """Film and map as RGB uint8 (rows, columns, 3) of the film's size.

    `saliency`: float32 in 0..1, of the film's size or a smaller one that is enlarged. `opacity` in 0..1.
    """
    values: np.ndarray = np.clip(np.asarray(saliency, np.float32), 0, 1)
    if values.shape != film.pixels.shape:
        values = cv2.resize(values, (film.columns, film.rows), interpolation=cv2.INTER_LINEAR)
    alpha = map_alpha(values, opacity)[..., None]
    mixed = (1 - alpha) * film.pixels[..., None] + alpha * map_colours(values)
    return np.floor(np.clip(mixed, 0, 1) * 255 + 0.5).astype(np.uint8)
