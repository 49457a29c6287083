"""How well a map points at a lesion: numbers of one film, and of many with their intervals.

The pointing game (Zhang 2018, arXiv:1608.00507) asks whether a map's maximum lies in the lesion; the share
inside asks how much of the map does. No tolerance around the lesion is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np

from train.figures import ROUNDS

# Pixels that share the maximum but for rounding.
_TIE = 1e-5
_Z = 1.959964  # 95 % of a normal distribution, both sides


@dataclass(frozen=True)
class Pointed:
    """What the map of one film for `class_name` hit.

    `hit`: 1 or 0, or the chance of a hit where a control does not point at one place. `inside`: share of
    the map's sum that lies in the lesion, 0..1. Both are 0 for an empty map. `score`: the net's
    probability of the class.
    """

    file: str
    patient: str
    split: str
    class_name: str
    hit: float
    inside: float
    empty: bool = False
    trained_on: bool = False
    score: float | None = None

    def to_dict(self) -> dict[str, Any]:
        return {key: round(v, 4) if isinstance(v, float) else v for key, v in asdict(self).items()}


def pointed(map_: np.ndarray, lesion: np.ndarray) -> tuple[float, float]:
    """(hit, inside) of a map (rows, columns), 0 or more, and a lesion of the same shape, bool.

    Where several pixels share the maximum, at least half of them must lie in the lesion.
    """
    peak = float(map_.max())
    if not peak > 0:
        return 0.0, 0.0
    places = map_ >= peak * (1 - _TIE)
    total = map_.sum(dtype=np.float64)
    return float(lesion[places].mean() >= 0.5), float(map_[lesion].sum(dtype=np.float64) / total)


def even_map(lungs: np.ndarray) -> np.ndarray:
    """1 in the lungs, 0 elsewhere: what a map knows that knows nothing but where lungs are."""
    return lungs.astype(np.float32)


def middle_map(lungs: np.ndarray) -> np.ndarray:
    """Distance to the lungs' edge in pixels, 0 outside: a map that speaks for the middle of each lung."""
    # The film's own border is an edge too.
    framed = cv2.copyMakeBorder(lungs.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    return np.asarray(cv2.distanceTransform(framed, cv2.DIST_L2, cv2.DIST_MASK_PRECISE))[1:-1, 1:-1]


def wilson(share: float, number: float) -> tuple[float, float]:
    """The 95 % interval of a share of `number` (Wilson 1927); holds also for a share of 0 or 1."""
    widened = 1 + _Z**2 / number
    middle = (share + _Z**2 / (2 * number)) / widened
    half = _Z * np.sqrt(share * (1 - share) / number + _Z**2 / (4 * number**2)) / widened
    return max(float(middle - half), 0.0), min(float(middle + half), 1.0)


def mean_over_patients(values: np.ndarray, patients: Sequence[str]) -> tuple[float, float, float]:
    """Mean of (films,) values, and its 95 % interval from a bootstrap of whole patients."""
    number = np.unique(np.asarray(patients), return_inverse=True)[1].ravel()
    films, sums = np.bincount(number), np.bincount(number, weights=values)
    drawn = np.random.default_rng(0).integers(len(films), size=(ROUNDS, len(films)))
    means = sums[drawn].sum(axis=1) / films[drawn].sum(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(values.mean()), float(low), float(high)


def pointing_figures(films: Sequence[Pointed]) -> dict[str, Any] | None:
    """Share of hits and mean share inside, with intervals; None of no films.

    Films of one patient are alike, so that the share's interval counts patients and not films.
    """
    if not films:
        return None
    patients = [film.patient for film in films]
    hits = float(np.mean([film.hit for film in films]))
    pointing = (hits, *wilson(hits, len(set(patients))))
    inside = mean_over_patients(np.array([film.inside for film in films]), patients)
    return {
        "films": len(films),
        "patients": len(set(patients)),
        "trained_on": sum(film.trained_on for film in films),
        "empty": sum(film.empty for film in films),
        "pointing": _rounded(pointing),
        "inside": _rounded(inside),
    }


def _rounded(values: tuple[float, ...]) -> dict[str, float]:
    return {key: round(value, 4) for key, value in zip(("value", "low", "high"), values, strict=True)}
