"""Films made of films: opacities pasted into lungs, and variations that take their masks along."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

SHAPES = ("cloud", "nodules", "ring", "lobe")
# What tuberculosis shows besides: fluid at the base, and spots as fine as millet all over.
SHAPES_OF_TUBERCULOSIS = (*SHAPES, "effusion", "miliary")


def paste_opacities(
    film: np.ndarray,
    lungs: np.ndarray,
    most: int,
    random: np.random.Generator,
    shapes: Sequence[str] = ("cloud",),
) -> tuple[np.ndarray, np.ndarray]:
    """The film (size, size) uint8 with 0 to `most` soft opacities inside its lungs, and by how much each
    place became brighter (size, size) float32, 1 from black to white.

    Each is of one of `shapes` (of `SHAPES_OF_TUBERCULOSIS`), of random place, size and density: a cloud, an
    ellipse with noise on its edge (in the manner of Selvan 2020); a group of nodules; a ring, as around a
    cavity; a band over one lung, as a lobe; an effusion, which fills one lung from below; or many
    spots as of miliary spread. None is a thin line: a catheter is one. Over tissue as dense as itself an
    opacity is not seen and changes nothing.
    """
    nothing: np.ndarray = np.zeros(film.shape, np.float32)
    places = np.argwhere(lungs > 0)
    if not len(places):
        return film, nothing
    shades = film.astype(np.float32)
    # As dense as the tissue around the lungs; where that is cut away, as what of it lies over them.
    cut_out = np.mean(film[lungs == 0] == 0) > 0.5 if (lungs == 0).any() else False
    dense = float(np.percentile(film[lungs > 0], 95) if cut_out else np.percentile(film, 80))
    inside = cv2.GaussianBlur((lungs > 0).astype(np.float32), (0, 0), 1.5)
    for _ in range(int(random.integers(most + 1))):
        shape = shapes[0] if len(shapes) == 1 else shapes[int(random.integers(len(shapes)))]
        place = places[random.integers(len(places))]
        blob = _DRAWN[shape](place, film.shape[0], random) * inside * float(random.uniform(0.3, 1.0))
        shades += blob * np.maximum(dense - shades, 0)
    pasted = np.clip(shades, 0, 255).astype(np.uint8)
    return pasted, np.maximum(pasted.astype(np.float32) - film, 0) / 255


def _cloud(place: np.ndarray, size: int, random: np.random.Generator) -> np.ndarray:
    """(size, size) float32 in 0..1: an ellipse at `place` (row, column), uneven and soft at its edge."""
    blob: np.ndarray = np.zeros((size, size), np.float32)
    radii = random.uniform(0.04, 0.3, 2) * size
    axes = (max(int(radii[0]), 2), max(int(radii[1]), 2))
    centre = (int(place[1]), int(place[0]))
    cv2.ellipse(blob, centre, axes, float(random.uniform(0, 180)), 0, 360, 1.0, -1)
    cloud = cv2.GaussianBlur(random.standard_normal((size, size)).astype(np.float32), (0, 0), size / 30)
    blob = blob * np.clip(1 + 0.5 * cloud / max(float(cloud.std()), 1e-6), 0, 1)
    return np.asarray(cv2.GaussianBlur(blob, (0, 0), float(random.uniform(1.5, 0.06 * size))))


def _nodules(place: np.ndarray, size: int, random: np.random.Generator) -> np.ndarray:
    """One to twelve round spots around a place, 2 to 8 % of the picture wide."""
    blob: np.ndarray = np.zeros((size, size), np.float32)
    number = int(random.integers(1, 13))
    spread = random.uniform(0.03, 0.15) * size
    for offset in random.standard_normal((number, 2)) * spread * (number > 1):
        radius = max(int(random.uniform(0.01, 0.04) * size), 1)
        cv2.circle(blob, (int(place[1] + offset[1]), int(place[0] + offset[0])), radius, 1.0, -1)
    return np.asarray(cv2.GaussianBlur(blob, (0, 0), float(random.uniform(0.004, 0.012) * size)))


def _ring(place: np.ndarray, size: int, random: np.random.Generator) -> np.ndarray:
    """An ellipse with a thick wall."""
    blob: np.ndarray = np.zeros((size, size), np.float32)
    radii = random.uniform(0.04, 0.13, 2) * size
    wall = max(int(random.uniform(0.25, 0.6) * radii.min()), 2)
    cv2.ellipse(
        blob, (int(place[1]), int(place[0])), (int(radii[0]), int(radii[1])), float(random.uniform(0, 180)),
        0, 360, 1.0, wall,
    )  # fmt: skip
    return np.asarray(cv2.GaussianBlur(blob, (0, 0), float(random.uniform(0.005, 0.02) * size)))


def _lobe(place: np.ndarray, size: int, random: np.random.Generator) -> np.ndarray:
    """A slanting band over the half of the picture in which the place lies."""
    rows, columns = np.mgrid[:size, :size].astype(np.float32)
    slope, half = random.uniform(-0.5, 0.5), random.uniform(0.06, 0.25) * size
    away = np.abs((rows - place[0]) - slope * (columns - place[1]))
    band = ((away < half) & ((columns < size / 2) == (place[1] < size / 2))).astype(np.float32)
    return np.asarray(cv2.GaussianBlur(band, (0, 0), float(random.uniform(0.01, 0.05) * size)))


def _effusion(place: np.ndarray, size: int, random: np.random.Generator) -> np.ndarray:
    """All below a line in the half of the picture in which the place lies; it rises towards the rib cage."""
    rows, columns = np.mgrid[:size, :size].astype(np.float32) / size
    left = place[1] < size / 2
    lateral = np.clip((0.5 - columns if left else columns - 0.5) / 0.5, 0, None)
    level = max(float(random.uniform(0.45, 0.95)), place[0] / size)
    line = level - float(random.uniform(0.0, 0.35)) * lateral ** float(random.uniform(1.5, 4.0))
    fluid = ((rows > line) & ((columns < 0.5) == left)).astype(np.float32)
    return np.asarray(cv2.GaussianBlur(fluid, (0, 0), float(random.uniform(0.006, 0.03) * size)))


def _miliary(place: np.ndarray, size: int, random: np.random.Generator) -> np.ndarray:
    """Forty to three hundred spots of 1 to 3 % of the picture, around a place or all over."""
    blob: np.ndarray = np.zeros((size, size), np.float32)
    spread = float(random.choice([0.08, 0.15, 0.4])) * size
    for offset in random.standard_normal((int(random.integers(40, 300)), 2)) * spread:
        radius = max(int(random.uniform(0.004, 0.014) * size), 1)
        cv2.circle(
            blob, (int(place[1] + offset[1]), int(place[0] + offset[0])), radius,
            float(random.uniform(0.3, 1.0)), -1,
        )  # fmt: skip
    return np.asarray(cv2.GaussianBlur(blob, (0, 0), float(random.uniform(0.003, 0.007) * size)))


_DRAWN = {
    "cloud": _cloud,
    "nodules": _nodules,
    "ring": _ring,
    "lobe": _lobe,
    "effusion": _effusion,
    "miliary": _miliary,
}


def varied(
    film: np.ndarray,
    masks: Sequence[np.ndarray],
    random: np.random.Generator,
    *,
    reach: float = 1.0,
    plates: float = 0.0,
) -> tuple[np.ndarray, list[np.ndarray]]:
    """A film (size, size) uint8 turned, sized, stretched, moved and shaded at random; its masks move with it.

    `reach`: how far it goes, 1 for a net that must find lungs anywhere. `plates`: share of films on which a
    rectangle of one grey is laid, as a plate, a letter or a collimator's edge would lie.
    """
    size = film.shape[0]
    turn = cv2.getRotationMatrix2D(
        (size / 2, size / 2),
        float(random.uniform(-12, 12)) * reach,
        float(np.exp(random.uniform(-0.25, 0.2) * reach)),
    )
    turn[0, :2] *= np.exp(random.uniform(-0.15, 0.15) * reach)  # half of the public sets are squashed
    turn[:, 2] += random.uniform(-0.08, 0.08, 2) * size * reach
    film = cv2.warpAffine(film, turn, (size, size), flags=cv2.INTER_LINEAR)
    moved = [cv2.warpAffine(mask, turn, (size, size), flags=cv2.INTER_NEAREST) for mask in masks]
    shades: np.ndarray = (film.astype(np.float32) / 255) ** float(np.exp(random.uniform(-0.5, 0.5)))
    if random.random() < 0.4:
        shades = cv2.GaussianBlur(shades, (0, 0), float(random.uniform(0.3, 2.0)) * reach)
    if random.random() < 0.4:
        shades += random.standard_normal(shades.shape).astype(np.float32) * random.uniform(0, 0.05)
    if random.random() < plates:
        y, x = random.integers(0, size, 2)
        h, w = random.integers(8, size // 3, 2)
        shades[y : y + h, x : x + w] = random.random()
    return (np.clip(shades, 0, 1) * 255).astype(np.uint8), moved
