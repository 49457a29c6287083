"""Films for the tests of reading."""

from __future__ import annotations

import numpy as np

from cxrtriage.film.film import Film


def random_film(seed: int, rows: int = 120, columns: int = 100) -> Film:
    """A smooth random film."""
    random = np.random.default_rng(seed)
    coarse = random.random((6, 5)).astype(np.float32)
    pixels = np.kron(coarse, np.ones((rows // 6, columns // 5), np.float32))
    return Film(pixels=np.ascontiguousarray(pixels), bits=8, sha256=f"{seed:064d}", format="png")
