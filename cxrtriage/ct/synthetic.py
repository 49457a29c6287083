"""A drawn CT series for demonstration and tests, with ground-glass opacities of known place and size.

A chest is drawn in Hounsfield units: wall, spine, ribs, heart and great vessels, airways, lungs with
branching vessels, domes of the diaphragm. Everything follows the seed. The drawing teaches nothing about
disease and is labelled `synthetic_series` wherever it goes.

Inside, x runs from the patient's right (-1) to the left (+1) and y from the front (-1) to the back (+1), both
over the body's half width, and z from base (0) to apex (1).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from cxrtriage.ct.series import Series, Slice

SPACING_MM = (6.0, 1.25, 1.25)
SLICES, ROWS, COLUMNS = 48, 256, 320
_HALF_MM = 168.0  # half the width of the body
_AIR, _LUNG, _FAT, _MUSCLE, _BLOOD, _LIVER, _SPONGY, _CORTICAL = -1000, -850, -100, 45, 42, 60, 190, 620
_NOISE = 22.0  # HU, standard deviation before the scanner's blur
_MARK = "SYNTHETIC"
_ENDS = 420  # of vessels, in each lung
_THINNEST_MM = 0.42


_Part = tuple[slice, slice, slice]


@dataclass(frozen=True)
class GroundGlass:
    """An opacity to draw: where its middle lies, its diameter in mm and its density in HU."""

    x: float
    y: float
    z: float
    diameter_mm: float = 40.0
    density: float = -480.0

    def __post_init__(self) -> None:
        if not 5 <= self.diameter_mm <= 120:
            raise ValueError("diameter_mm must be between 5 and 120")
        if not _LUNG < self.density < 0:
            raise ValueError(f"density must be between {_LUNG} and 0 HU")


OPACITIES = (
    GroundGlass(-0.62, 0.36, 0.36, 62, -430),
    GroundGlass(0.66, 0.30, 0.42, 56, -470),
    GroundGlass(-0.66, -0.12, 0.62, 40, -500),
    GroundGlass(0.52, 0.46, 0.66, 34, -450),
)
"""Peripheral and towards the back, on both sides, as COVID-19 pneumonia often lies."""


@dataclass(frozen=True, eq=False)
class SyntheticChest:
    """A drawn series with what is true of it.

    The masks are (slices, rows, columns) bool; `lesions` lie inside `lungs`.
    """

    series: Series
    lungs: np.ndarray
    lesions: np.ndarray

    @property
    def lesion_ml(self) -> float:
        """Millilitres of opacity."""
        return float(self.lesions.sum() * np.prod(SPACING_MM) / 1000)


def draw_series(
    seed: int, opacities: tuple[GroundGlass, ...] = OPACITIES, name: str = "synthetic"
) -> SyntheticChest:
    """The same arguments give the same voxels."""
    rng = np.random.default_rng(seed)
    grid = _Grid.of(SLICES, ROWS, COLUMNS)
    volume, lungs = _thorax(grid, rng)
    vessels = _vessels(grid, lungs, rng)
    volume += vessels * lungs * (_BLOOD - volume)
    lesions = np.zeros(lungs.shape, bool)
    for one, (part, share) in zip(
        opacities, _ground_glass(grid, lungs, opacities, np.random.default_rng([seed, 1])), strict=True
    ):
        # Vessels show through ground glass: only what is still air is filled.
        volume[part] += share * np.maximum(one.density - volume[part], 0)
        lesions[part] |= share > 0.5
    slices = tuple(
        Slice(f"synthetic-{number:03d}", _scanned(plane, rng), round(number * SPACING_MM[0], 3))
        for number, plane in enumerate(volume)
    )
    series = Series(name, slices, True, SPACING_MM, codes=("synthetic_series",))
    return SyntheticChest(series, lungs, lesions)


@dataclass(frozen=True, eq=False)
class _Grid:
    """Places of all voxels: x (1, 1, columns), y (1, rows, 1), z (slices, 1, 1)."""

    x: np.ndarray
    y: np.ndarray
    z: np.ndarray

    @classmethod
    def of(cls, slices: int, rows: int, columns: int) -> _Grid:
        def along(count: int, step_mm: float) -> np.ndarray:
            return (np.arange(count) - (count - 1) / 2) * np.float32(step_mm / _HALF_MM)

        z = (np.arange(slices, dtype=np.float32) + 0.5) / slices
        return cls(
            along(columns, SPACING_MM[2]).astype(np.float32)[None, None],
            along(rows, SPACING_MM[1]).astype(np.float32)[None, :, None],
            z[:, None, None],
        )

    @property
    def depth(self) -> float:
        """The length of z in half widths of the body."""
        return SPACING_MM[0] * len(self.z) / _HALF_MM

    def around(self, x: float, y: float, z: float, reach_mm: float) -> _Part:
        """The part of the volume within so many mm of a place."""
        reach = reach_mm / _HALF_MM
        near = (
            np.abs(self.z.ravel() - z) * self.depth < reach,
            np.abs(self.y.ravel() - y) < reach,
            np.abs(self.x.ravel() - x) < reach,
        )
        found = [np.flatnonzero(one) for one in near]
        if not all(one.size for one in found):
            raise ValueError(f"an opacity at {x}, {y}, {z} lies outside the series")
        slices, rows, columns = (slice(int(one[0]), int(one[-1]) + 1) for one in found)
        return slices, rows, columns

    def ellipse(self, x: object, y: object, width: object, height: object) -> np.ndarray:
        """How far each voxel lies from the middle: under 1 inside. Each argument may follow z."""
        return np.asarray(np.hypot((self.x - x) / width, (self.y - y) / height))


def _thorax(grid: _Grid, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """(Hounsfield units float32 without vessels in the lungs, mask of the lungs)."""
    z = grid.z
    shoulder = 1 - 0.16 * np.clip((z - 0.8) / 0.2, 0, 1) ** 2
    body = grid.ellipse(0, 0, shoulder, 0.68 * shoulder)
    wall = grid.ellipse(0, -0.01, 0.93 * shoulder, 0.61 * shoulder)
    # The cavity narrows to the apex and ends there.
    apex = np.sqrt(np.clip(1 - (np.clip(z - 0.3, 0, None) / 0.68) ** 2, 0.0, 1))
    cavity = grid.ellipse(0, 0.02 * (1 - apex), np.maximum(0.80 * apex, 1e-3), np.maximum(0.51 * apex, 1e-3))
    volume = np.full(body.shape, _AIR, np.float32)
    volume[body < 1] = _FAT
    volume[wall < 1] = _MUSCLE
    _draw_ribs(volume, grid, apex, rng)
    spine = grid.ellipse(0, 0.44, 0.125, 0.105)
    heart = _heart(grid)
    mediastinum = np.minimum(heart, grid.ellipse(0.0, -0.02, 0.19 - 0.05 * z, 0.46))
    bulge = np.minimum(mediastinum, grid.ellipse(0, 0.47, 0.2, 0.17))
    lungs = (cavity < 1) & (bulge > 1) & ~_below_diaphragm(grid)
    under = (cavity < 1) & ~lungs & (bulge > 1)
    volume[(cavity < 1) & (bulge <= 1)] = _FAT + 90
    volume[np.broadcast_to(heart < 1, volume.shape) & (cavity < 1)] = _BLOOD
    volume[under] = _LIVER
    volume[lungs] = _LUNG + 14 * _clouds(lungs.shape, rng, 9.0)[lungs]
    # Lungs are denser at the back, where blood collects in someone lying.
    volume += np.where(lungs, 45 * grid.y, 0).astype(np.float32)
    _draw_middle(volume, grid, spine)
    return volume, lungs


def _heart(grid: _Grid) -> np.ndarray:
    """The heart leans to the left and is widest above the diaphragm."""
    z = grid.z
    size = np.sqrt(np.clip(1 - ((z - 0.30) / 0.26) ** 2, 1e-4, 1))
    return grid.ellipse(0.13 - 0.18 * (z - 0.3), -0.14, 0.40 * size, 0.29 * size)


def _below_diaphragm(grid: _Grid) -> np.ndarray:
    """Two domes, the right one higher; around them the lungs reach down."""
    right = 0.30 - 0.42 * ((grid.x + 0.40) ** 2 + 0.9 * (grid.y + 0.06) ** 2)
    left = 0.26 - 0.42 * ((grid.x - 0.42) ** 2 + 0.9 * (grid.y + 0.06) ** 2)
    return np.asarray(grid.z < np.where(grid.x < 0, right, left))


def _draw_middle(volume: np.ndarray, grid: _Grid, spine: np.ndarray) -> None:
    """Vertebrae, great vessels, windpipe and its two branches, breastbone."""
    z = grid.z
    disc = np.abs((z * 12) % 1 - 0.5) > 0.38
    bone = np.where(spine > 0.84, _CORTICAL * 0.7, _SPONGY)
    inside = np.broadcast_to(spine < 1, volume.shape)
    volume[inside] = np.broadcast_to(np.where(disc, 90, bone), volume.shape)[inside]

    def put(distance: np.ndarray, value: float) -> None:
        volume[np.broadcast_to(distance < 1, volume.shape)] = value

    put(grid.ellipse(0, 0.575, 0.05, 0.045), 20)  # canal
    put(grid.ellipse(0, 0.63, 0.025, 0.05), _CORTICAL * 0.7)
    arch = np.where(z < 0.70, 1.0, 1e-3)
    put(grid.ellipse(0.15, 0.36, 0.075 * arch, 0.075 * arch), _BLOOD + 4)  # descending aorta
    risen = np.where((z > 0.42) & (z < 0.70), 1.0, 1e-3)
    put(grid.ellipse(-0.06, -0.16, 0.09 * risen, 0.09 * risen), _BLOOD + 4)
    at_arch = np.where((z >= 0.67) & (z < 0.72), 1.0, 1e-3)
    put(grid.ellipse(0.06, 0.10, 0.11 * at_arch, 0.32 * at_arch), _BLOOD + 4)
    above = np.where(z > 0.56, 1.0, 1e-3)
    put(grid.ellipse(0, 0.20, 0.058 * above, 0.052 * above), _AIR + 10)
    for side in (-1, 1):
        apart = np.where((z > 0.47) & (z <= 0.56), 1.0, 1e-3)
        put(grid.ellipse(side * (0.05 + 1.6 * (0.56 - z)), 0.19, 0.045 * apart, 0.04 * apart), _AIR + 10)
    low = np.where(z > 0.3, 1.0, 1e-3)
    put(grid.ellipse(0, -0.565, 0.10 * low, 0.026 * low), _SPONGY)


def _draw_ribs(volume: np.ndarray, grid: _Grid, apex: np.ndarray, rng: np.random.Generator) -> None:
    """Ribs run forwards and down in the wall around the cavity, so that each slice cuts several."""
    angle = np.arctan2(grid.y / 0.51, grid.x / 0.80)
    width = np.maximum(apex, 0.3)
    distance = np.asarray(grid.ellipse(0, 0, 0.845 * width, 0.548 * width))
    turn = np.abs(np.where(angle < -np.pi / 2, angle + 2 * np.pi, angle) - np.pi / 2)  # 0 at the back
    phase = grid.z * 11 + 1.25 * turn + rng.uniform(0, 1)
    along = np.abs(phase % 1 - 0.5) / 0.24
    across = (distance - 1) / 0.038
    rib = np.hypot(along, across)
    reach = np.broadcast_to((turn < 2.5) & (turn > 0.25), rib.shape)
    volume[(rib < 1) & reach] = _CORTICAL
    volume[(rib < 0.6) & reach] = _SPONGY


def _vessels(grid: _Grid, lungs: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Share of each voxel that a vessel fills, 0..1 float32: a tree a lung, from its root to all parts of it.

    Each place that is to be reached is joined to the nearest part of the tree, so that no branch takes a long
    way round; a vessel is as thick as what it feeds asks for (Murray's law, a power of the number of ends).
    """
    share = np.zeros(lungs.shape, np.float32)
    step = np.array(SPACING_MM, np.float32)
    for side in (-1, 1):
        mine = lungs & (grid.x * side > 0)
        root = np.array([0.50 * len(grid.z), 0.53 * ROWS, (0.5 + side * 0.085) * COLUMNS], np.float32)
        places = np.argwhere(mine)
        places = places[rng.permutation(len(places))[:_ENDS]].astype(np.float32)
        places = places[np.argsort(np.linalg.norm((places - root) * step, axis=1))]
        nodes: list[np.ndarray] = [root]
        parents, way = [0], [0.0]
        for place in places:
            apart = np.linalg.norm((np.array(nodes) - place) * step, axis=1)
            nearest = int(np.argmin(apart + 0.25 * np.array(way)))
            nodes.append(place)
            parents.append(nearest)
            way.append(way[nearest] + float(apart[nearest]))
        fed = np.zeros(len(nodes), int)
        for number in range(len(nodes) - 1, 0, -1):
            fed[number] += 1
            fed[parents[number]] += fed[number]
        for number in range(1, len(nodes)):
            radius_mm = min(_THINNEST_MM * fed[number] ** 0.42, 6.0)
            _draw_tube(share, nodes[parents[number]], nodes[number], radius_mm / SPACING_MM[1])
    return share


def _draw_tube(share: np.ndarray, start: np.ndarray, end: np.ndarray, radius: float) -> None:
    """Fill along a line in voxels (slice, row, column); thinner than a voxel, a vessel fills a part of it."""
    steps = max(2, int(np.abs(end - start).max() * 1.5))
    reach = int(np.ceil(radius)) + 1
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    for number, row, column in np.linspace(start, end, steps):
        n, r, c = round(number), round(row), round(column)
        if not (0 <= n < share.shape[0] and reach <= r < ROWS - reach and reach <= c < COLUMNS - reach):
            continue
        far = np.hypot(y - (row - r), x - (column - c))
        disc = np.clip(radius - far + 0.5, 0, 1)
        place = share[n, r - reach : r + reach + 1, c - reach : c + reach + 1]
        np.maximum(place, disc, out=place)


def _ground_glass(
    grid: _Grid, lungs: np.ndarray, opacities: tuple[GroundGlass, ...], rng: np.random.Generator
) -> list[tuple[_Part, np.ndarray]]:
    """For each opacity its part of the volume, and the share 0..1 of the air there that it fills."""
    found = []
    for one in opacities:
        part = grid.around(one.x, one.y, one.z, 1.6 * one.diameter_mm / 2)
        mine = lungs[part]
        x, y, z = grid.x[:, :, part[2]], grid.y[:, part[1]], grid.z[part[0]]
        apart = np.hypot(np.hypot(x - one.x, y - one.y), (z - one.z) * grid.depth)
        ragged = apart * 2 * _HALF_MM / one.diameter_mm + 0.16 * _clouds(mine.shape, rng, one.diameter_mm / 6)
        fine = 0.10 * _clouds(mine.shape, rng, 4.0)
        share = np.clip((1.18 - ragged) / 0.36, 0, 1) * np.clip(0.88 + fine, 0, 1) * mine
        found.append((part, share.astype(np.float32)))
    return found


def _clouds(shape: tuple[int, ...], rng: np.random.Generator, size_mm: float) -> np.ndarray:
    """Smooth noise of mean 0 and standard deviation 1 whose spots are so large."""
    coarse = [max(2, round(count * step / size_mm)) for count, step in zip(shape, SPACING_MM, strict=True)]
    noise = rng.standard_normal(coarse).astype(np.float32)
    planes = [cv2.resize(one, (shape[2], shape[1]), interpolation=cv2.INTER_CUBIC) for one in noise]
    between = np.linspace(0, len(planes) - 1, shape[0])
    full = np.empty(shape, np.float32)
    for number, place in enumerate(between):
        low = min(int(place), len(planes) - 2)
        full[number] = planes[low] + np.float32(place - low) * (planes[low + 1] - planes[low])
    thin = full[:, ::4, ::4]
    return np.asarray((full - thin.mean()) / max(float(thin.std()), 1e-6), np.float32)


def _scanned(plane: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A slice as a scanner gives it: a little blurred, noisy, whole Hounsfield units."""
    noisy = plane + rng.normal(0, _NOISE, plane.shape).astype(np.float32)
    blurred = cv2.GaussianBlur(noisy, (0, 0), 0.7)
    # What it is stands in the corner, clear of the body, so that a picture of it says so too.
    ink = np.zeros(plane.shape, np.uint8)
    cv2.putText(ink, _MARK, (6, plane.shape[0] - 8), cv2.FONT_HERSHEY_SIMPLEX, 0.4, 255, 1, cv2.LINE_AA)
    marked = blurred + ink * np.float32(700 / 255)
    return np.asarray(np.rint(np.clip(marked, -1024, 3000)), np.int16)
