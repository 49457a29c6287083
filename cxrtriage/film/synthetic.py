"""Drawn films for demonstration and tests, with opacities of known zone, size and density.

A thorax is drawn as thickness of tissue along the beam (air in the lungs takes some away, heart,
bones and opacities add some), which is then shown as a film shows it. Everything follows the seed.
The drawing teaches nothing about disease and is labelled `synthetic` wherever it goes.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal, get_args

import cv2
import numpy as np

from cxrtriage.film.anatomy import Anatomy, Canvas
from cxrtriage.film.film import Film

Zone = Literal["right_upper", "right_middle", "right_lower", "left_upper", "left_middle", "left_lower"]
"""Thirds of each lung by height; right and left are the patient's."""

ZONES: tuple[Zone, ...] = get_args(Zone)
_BITS = 12
_MARK = "SYNTHETIC"


@dataclass(frozen=True)
class Opacity:
    """An opacity to draw.

    `size`: its diameter as a fraction of the lung's height, 0.02..0.6. `density`: 0..1, where 0.3 is
    a ground-glass haze and 1 is as dense as the soft tissue around the lung.
    """

    zone: Zone
    size: float = 0.25
    density: float = 0.7

    def __post_init__(self) -> None:
        if self.zone not in ZONES:
            raise ValueError(f"zone must be one of {', '.join(ZONES)}")
        if not 0.02 <= self.size <= 0.6:
            raise ValueError("size must be between 0.02 and 0.6 of the lung's height")
        if not 0.0 < self.density <= 1.0:
            raise ValueError("density must be above 0 and at most 1")


@dataclass(frozen=True, eq=False)
class SyntheticThorax:
    """A drawn film with what is true of it.

    The masks are (rows, columns) bool in the film's pixels: `right_lung` and `left_lung` without the
    lung behind the heart, `opacity` inside them.
    """

    film: Film
    right_lung: np.ndarray
    left_lung: np.ndarray
    opacity: np.ndarray

    @property
    def lungs(self) -> np.ndarray:
        """Both lungs."""
        return self.right_lung | self.left_lung

    def zone(self, zone: Zone) -> np.ndarray:
        """The mask of one zone."""
        return zone_mask(self.right_lung if zone.startswith("right") else self.left_lung, zone)


def draw_film(seed: int, opacities: tuple[Opacity, ...] = (), rows: int = 1024, columns: int = 1024) -> Film:
    """A synthetic frontal film; the same arguments give the same pixels."""
    return draw_thorax(seed, opacities, rows, columns).film


def draw_thorax(
    seed: int, opacities: tuple[Opacity, ...] = (), rows: int = 1024, columns: int = 1024
) -> SyntheticThorax:
    """A synthetic frontal film with the masks of its lungs and opacities."""
    if min(rows, columns) < 64:
        raise ValueError("a synthetic film needs at least 64 rows and columns")
    rng = np.random.default_rng(seed)
    canvas = Canvas(rows, columns)
    anatomy = Anatomy.draw(canvas, rng)
    haze, opacity = _draw_opacities(anatomy, opacities, canvas, np.random.default_rng([seed, 1]))
    thickness = anatomy.thickness + 0.9 * haze * anatomy.air
    pixels = _expose(thickness, canvas, rng)
    return SyntheticThorax(
        film=Film(
            pixels=pixels,
            bits=_BITS,
            sha256=hashlib.sha256(pixels.tobytes()).hexdigest(),
            format="synthetic",
            view="PA",
            notes=("synthetic",),
        ),
        right_lung=anatomy.right_lung,
        left_lung=anatomy.left_lung,
        opacity=opacity,
    )


def zone_mask(lung: np.ndarray, zone: Zone) -> np.ndarray:
    """The third of a lung mask, by its height, that `zone` names (the side is the caller's)."""
    filled = np.flatnonzero(lung.any(axis=1))
    third = ("upper", "middle", "lower").index(zone.rsplit("_", 1)[1])
    edges = np.linspace(filled[0], filled[-1] + 1, 4).round().astype(int)
    mask = np.zeros_like(lung)
    mask[edges[third] : edges[third + 1]] = lung[edges[third] : edges[third + 1]]
    return mask


def _draw_opacities(
    anatomy: Anatomy, opacities: tuple[Opacity, ...], canvas: Canvas, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """(share of the lung's air that is filled, 0..1 float32; mask of the opacities)."""
    share = np.zeros((canvas.rows, canvas.columns), np.float32)
    mask = np.zeros((canvas.rows, canvas.columns), bool)
    for one in opacities:
        lung = anatomy.right_lung if one.zone.startswith("right") else anatomy.left_lung
        blob = _blob(zone_mask(lung, one.zone), lung, one.size, canvas, rng)
        share = np.maximum(share, blob * np.float32(one.density))
        mask |= (blob > 0.35) & lung
    return share, mask


def _blob(
    zone: np.ndarray, lung: np.ndarray, size: float, canvas: Canvas, rng: np.random.Generator
) -> np.ndarray:
    """A ragged patch of 0..1 around a place inside `zone`, kept to the lung, softer at its edge."""
    height = int(lung.any(axis=1).sum())
    radius = max(size * height / 2, 2.0)
    inside = cv2.distanceTransform(zone.astype(np.uint8), cv2.DIST_L2, 5)
    places = np.argwhere(inside >= min(radius * 0.8, float(inside.max()) * 0.8))
    row, column = places[rng.integers(len(places))]
    y, x = np.ogrid[: canvas.rows, : canvas.columns]
    stretch = rng.uniform(0.8, 1.25)
    distance = np.hypot((y - row) * stretch, (x - column) / stretch) / radius
    ragged = distance + 0.08 * canvas.clouds(rng, radius * 0.6) + 0.025 * canvas.clouds(rng, radius * 0.25)
    blob = np.clip((1.15 - ragged) / 0.45, 0.0, 1.0) * (0.92 + 0.08 * canvas.clouds(rng, radius * 0.3))
    return np.asarray(np.clip(blob, 0.0, 1.0) * lung, np.float32)


def _expose(thickness: np.ndarray, canvas: Canvas, rng: np.random.Generator) -> np.ndarray:
    """Tissue thickness to the grey of a processed film: quantum noise, sharpness, tone, mark, 12 bits."""
    soft = cv2.GaussianBlur(thickness, (0, 0), max(0.5, 0.0009 * canvas.side))
    # Fewer quanta come through thick tissue, so it is noisier.
    grain = rng.standard_normal(thickness.shape).astype(np.float32)
    noise = cv2.GaussianBlur(grain, (0, 0), max(0.4, 0.0006 * canvas.side))
    noisy = np.asarray(soft + noise * (0.010 + 0.012 * np.clip(soft, 0.0, 1.0)), np.float32)
    # Unsharp mask and S-shaped tone, as a CR reader's processing does.
    sharp = 1.30 * noisy - 0.30 * cv2.GaussianBlur(noisy, (0, 0), 0.03 * canvas.side)
    shown = 1.0 / (1.0 + np.exp(-4.6 * (sharp - 0.56)))
    pixels = np.asarray((shown - 0.05) / 0.92, np.float32)
    _write_mark(pixels, canvas)
    levels = np.round(np.clip(pixels, 0.0, 1.0) * (2**_BITS - 1))
    return np.ascontiguousarray(levels / (2**_BITS - 1), dtype=np.float32)


def _write_mark(pixels: np.ndarray, canvas: Canvas) -> None:
    """Write what it is into the lower corner, small and grey, clear of the lungs."""
    scale = canvas.side / 1500.0
    place = (int(0.02 * canvas.columns), canvas.rows - max(3, int(0.015 * canvas.rows)))
    ink = np.zeros(pixels.shape, np.uint8)
    width = max(1, round(2 * scale))
    cv2.putText(ink, _MARK, place, cv2.FONT_HERSHEY_SIMPLEX, scale, 255, width, cv2.LINE_AA)
    share = ink.astype(np.float32) / 255.0
    pixels *= 1.0 - share
    pixels += 0.45 * share
