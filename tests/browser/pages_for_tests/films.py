"""Films for the browser tests, each drawn from a seed: no file, no patient."""

from __future__ import annotations

import numpy as np

from cxrtriage.film.film import Film

SHAPES = {"eight_bit": (301, 257), "sixteen_bit": (260, 333), "twelve_bit": (240, 240), "large": (2300, 1900),
          "square": (2048, 2048)}  # fmt: skip
BITS = {"eight_bit": 8, "sixteen_bit": 16, "twelve_bit": 12, "large": 12, "square": 16}


def drawn_film(name: str) -> Film:
    """Two lungs, ribs and noise as plain formulas; sizes that no tile of 8 x 8 divides, all depths."""
    rows, columns = SHAPES[name]
    bits = BITS[name]
    noise = np.random.default_rng(7).normal(0, 0.02, (rows, columns))
    y, x = np.mgrid[-1 : 1 : rows * 1j, -1 : 1 : columns * 1j]
    lungs = sum(np.exp(-(((x - side) / 0.3) ** 2 + (y / 0.6) ** 2)) for side in (-0.45, 0.45))
    grey = 0.75 - 0.5 * lungs + 0.05 * np.sin(22 * y + 3 * x * x) + noise
    steps = 2**bits - 1
    pixels = (np.rint(np.clip(grey, 0, 1) * steps) / steps).astype(np.float32)
    return Film(pixels=pixels, bits=bits, sha256=f"{name:0<64}", format="png")


def drawn_map(film: Film) -> np.ndarray:
    """One warm place in the upper left, and nothing in the right half."""
    y, x = np.mgrid[0 : 1 : film.rows * 1j, 0 : 1 : film.columns * 1j]
    values = np.exp(-(((x - 0.3) / 0.1) ** 2 + ((y - 0.3) / 0.1) ** 2))
    return np.where(x < 0.5, values, 0).astype(np.float32)
