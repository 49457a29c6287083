"""A frontal thorax drawn as thickness of tissue along the beam.

Coordinates of the drawing: x from -1 (the patient's right, at the left of the picture) to 1, y from
0 (cranial) to 1, over a square in the middle of the film. Shapes carry small changes from the seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

Points = Sequence[tuple[float, float]]

_SUBPIXEL_BITS = 4

_BODY: Points = (
    (-0.24, -0.05), (-0.23, 0.02), (-0.40, 0.06), (-0.75, 0.10), (-1.02, 0.20), (-1.15, 0.34), (-0.99, 0.42),
    (-0.95, 0.52), (-0.95, 0.75), (-1.00, 1.10), (1.00, 1.10), (0.95, 0.75), (0.95, 0.52), (0.99, 0.42),
    (1.15, 0.34), (1.02, 0.20), (0.75, 0.10), (0.40, 0.06), (0.23, 0.02), (0.24, -0.05),
)  # fmt: skip

_RIGHT_LUNG: Points = (
    (-0.30, 0.085), (-0.42, 0.115), (-0.54, 0.20), (-0.64, 0.33), (-0.71, 0.48), (-0.745, 0.63),
    (-0.765, 0.76), (-0.770, 0.825), (-0.735, 0.785), (-0.66, 0.735), (-0.55, 0.700), (-0.43, 0.688),
    (-0.31, 0.702), (-0.21, 0.735), (-0.165, 0.750), (-0.175, 0.68), (-0.175, 0.60), (-0.145, 0.50),
    (-0.125, 0.40), (-0.115, 0.28), (-0.125, 0.18), (-0.185, 0.110),
)  # fmt: skip

_LEFT_LUNG: Points = (
    (0.30, 0.085), (0.42, 0.115), (0.54, 0.20), (0.64, 0.33), (0.71, 0.48), (0.745, 0.63),
    (0.765, 0.77), (0.770, 0.845), (0.735, 0.805), (0.67, 0.762), (0.58, 0.738), (0.50, 0.735),
    (0.445, 0.750), (0.430, 0.705), (0.385, 0.635), (0.300, 0.555), (0.215, 0.490), (0.165, 0.430),
    (0.150, 0.375), (0.175, 0.325), (0.155, 0.265), (0.120, 0.20), (0.185, 0.110),
)  # fmt: skip

_HEART: Points = (
    (-0.09, 0.42), (-0.145, 0.50), (-0.180, 0.60), (-0.175, 0.69), (-0.12, 0.775), (0.10, 0.80), (0.33, 0.80),
    (0.435, 0.765), (0.432, 0.705), (0.385, 0.632), (0.300, 0.553), (0.215, 0.488), (0.15, 0.42),
)  # fmt: skip

_MEDIASTINUM: Points = (
    (-0.10, -0.05), (-0.11, 0.12), (-0.118, 0.25), (-0.122, 0.40), (-0.15, 0.50), (-0.14, 0.80),
    (-0.12, 1.10),
    (0.12, 1.10), (0.15, 0.80), (0.17, 0.45), (0.152, 0.375), (0.178, 0.325), (0.157, 0.265), (0.12, 0.18),
    (0.10, -0.05),
)  # fmt: skip


class Canvas:
    """Draws shapes given in the drawing's coordinates onto (rows, columns) float32 arrays."""

    def __init__(self, rows: int, columns: int) -> None:
        self.rows = rows
        self.columns = columns
        self.side = min(rows, columns)
        self._top = (rows - self.side) / 2
        self._middle = columns / 2

    def empty(self) -> np.ndarray:
        """Zeros of the canvas."""
        return np.zeros((self.rows, self.columns), np.float32)

    def filled(self, outline: Points, blur: float = 0.0) -> np.ndarray:
        """1 inside the smooth closed curve through `outline`, 0 outside; `blur` in shares of the side."""
        area = self.empty()
        cv2.fillPoly(area, [self._fixed(_closed_curve(outline))], 1.0, cv2.LINE_8, _SUBPIXEL_BITS)
        return self.blurred(area, blur)

    def stroke(self, area: np.ndarray, line: np.ndarray, width: float, value: float = 1.0) -> None:
        """Draw the open (n, 2) `line` onto `area`, `width` in shares of the side."""
        thickness = max(1, round(width * self.side))
        cv2.polylines(area, [self._fixed(line)], False, value, thickness, cv2.LINE_8, _SUBPIXEL_BITS)

    def blurred(self, area: np.ndarray, blur: float) -> np.ndarray:
        """Gaussian blur, its sigma in shares of the side."""
        return cv2.GaussianBlur(area, (0, 0), blur * self.side) if blur > 0 else area

    def clouds(self, rng: np.random.Generator, scale_px: float) -> np.ndarray:
        """Smooth noise of mean 0 and deviation about 1, its grain `scale_px` pixels."""
        scale = max(scale_px, 1.0)
        shape = (int(self.rows / scale) + 4, int(self.columns / scale) + 4)
        coarse = rng.standard_normal(shape).astype(np.float32)
        fine = cv2.resize(coarse, (self.columns, self.rows), interpolation=cv2.INTER_CUBIC)
        return np.asarray(fine / max(float(fine.std()), 1e-6), np.float32)

    def grid(self) -> tuple[np.ndarray, np.ndarray]:
        """x (1, columns) and y (rows, 1) of the pixels."""
        x = (np.arange(self.columns, dtype=np.float32) + 0.5 - self._middle) / (self.side / 2)
        y = (np.arange(self.rows, dtype=np.float32) + 0.5 - self._top) / self.side
        return x[np.newaxis, :], y[:, np.newaxis]

    def _fixed(self, points: np.ndarray) -> np.ndarray:
        """Points as OpenCV's fixed-point pixels."""
        x = points[:, 0] * self.side / 2 + self._middle
        y = points[:, 1] * self.side + self._top
        return np.round(np.stack([x, y], axis=1) * 2**_SUBPIXEL_BITS).astype(np.int32)


@dataclass(frozen=True, eq=False)
class Anatomy:
    """`thickness`: tissue along the beam, about 0 (air) to 1 (spine). `air`: what the lungs take away."""

    thickness: np.ndarray
    air: np.ndarray
    right_lung: np.ndarray
    left_lung: np.ndarray

    @classmethod
    def draw(cls, canvas: Canvas, rng: np.random.Generator) -> Anatomy:
        """Draw one patient."""
        build = _Build.of(rng)
        right = canvas.filled(build.shaped(_RIGHT_LUNG)) > 0.5
        left = canvas.filled(build.shaped(_LEFT_LUNG)) > 0.5
        air = 0.42 * _lung_depth(canvas, right | left)
        thickness = _soft_tissue(canvas, build, rng) - air
        thickness += _heart_and_mediastinum(canvas, build)
        thickness += (0.3 + 0.7 * (right | left)) * _vessels(canvas, build, rng) * (right | left)
        thickness += _ribs(canvas, build) + _shoulder_girdle(canvas, build)
        thickness -= _airways(canvas, build) + _gastric_bubble(canvas, build, rng)
        return cls(thickness, air, right, left)


@dataclass(frozen=True)
class _Build:
    """How this patient differs: `width` and `height` of the thorax, `lean` of the trunk, `heart` size."""

    width: float
    height: float
    lean: float
    heart: float

    @classmethod
    def of(cls, rng: np.random.Generator) -> _Build:
        return cls(
            width=rng.uniform(0.94, 1.03),
            height=rng.uniform(0.93, 1.04),
            lean=rng.uniform(-0.02, 0.02),
            heart=rng.uniform(0.95, 1.08),
        )

    def shaped(self, points: Points) -> list[tuple[float, float]]:
        """The points in this patient."""
        return [self.at(x, y) for x, y in points]

    def at(self, x: float, y: float) -> tuple[float, float]:
        """One point in this patient."""
        return x * self.width + self.lean * (y - 0.4), 0.1 + (y - 0.1) * self.height

    def line(self, points: Points, count: int = 40) -> np.ndarray:
        """(count, 2): the smooth open curve through the points."""
        return _open_curve(self.shaped(points), count)


def _soft_tissue(canvas: Canvas, build: _Build, rng: np.random.Generator) -> np.ndarray:
    """Chest wall, thinner at the skin, thicker below the diaphragm, with a little unevenness."""
    body = canvas.filled(build.shaped(_BODY))
    inside = cv2.distanceTransform((body > 0.5).astype(np.uint8), cv2.DIST_L2, 5) / canvas.side
    wall = np.sqrt(np.clip(inside / 0.11, 0.0, 1.0))
    _, y = canvas.grid()
    abdomen = 0.12 / (1.0 + np.exp(-(y - 0.74) / 0.04))
    uneven = 0.02 * canvas.clouds(rng, 0.10 * canvas.side) + 0.008 * canvas.clouds(rng, 0.02 * canvas.side)
    return np.asarray(wall * (0.74 + abdomen + uneven), np.float32)


def _lung_depth(canvas: Canvas, lungs: np.ndarray) -> np.ndarray:
    """0..1: how much air lies along the beam; a lung is round, so little near its outer edge."""
    inside = cv2.distanceTransform(lungs.astype(np.uint8), cv2.DIST_L2, 5) / canvas.side
    flat = 1.0 - np.clip(inside / 0.10, 0.0, 1.0)
    depth = 0.45 + 0.55 * np.sqrt(1.0 - flat**2)
    _, y = canvas.grid()
    # More tissue of chest wall and breast in front of the lower zones.
    depth = depth * (1.06 - 0.30 * np.clip(y - 0.35, 0.0, None))
    return canvas.blurred(np.asarray(depth * lungs, np.float32), 0.0022)


def _heart_and_mediastinum(canvas: Canvas, build: _Build) -> np.ndarray:
    """Heart, great vessels and spine."""
    heart = canvas.filled([(x * build.heart, y) for x, y in build.shaped(_HEART)], 0.005)
    middle = canvas.filled(build.shaped(_MEDIASTINUM), 0.006)
    _, y = canvas.grid()
    # The heart is round, and below the diaphragm it lies in tissue as dense as itself.
    inside = cv2.distanceTransform((heart > 0.5).astype(np.uint8), cv2.DIST_L2, 5) / canvas.side
    depth = 0.45 + 0.55 * np.sqrt(np.clip(inside / 0.16, 0.0, 1.0))
    above = 1.0 / (1.0 + np.exp((y - 0.745) / 0.012))
    thickness = 0.13 * heart * canvas.blurred(depth, 0.01) * above + 0.09 * middle
    knob = canvas.empty()
    canvas.stroke(knob, build.line([(0.11, 0.315), (0.115, 0.32)]), 0.075)
    thickness += 0.05 * canvas.blurred(knob, 0.006)
    return np.asarray(thickness + _spine(canvas, build), np.float32)


def _spine(canvas: Canvas, build: _Build) -> np.ndarray:
    """Vertebral bodies with their discs, and pedicles beside the middle."""
    spine = canvas.empty()
    for number in range(15):
        top, size = 0.005 + number * 0.066, 0.050 + 0.0006 * number
        half = 0.062 + 0.0016 * number
        corners = [(-half, top), (half, top), (half * 0.93, top + size / 2), (half, top + size),
                   (-half, top + size), (-half * 0.93, top + size / 2)]  # fmt: skip
        spine += 0.04 * canvas.filled(build.shaped(corners), 0.003)
        for side in (-0.55, 0.55):
            dot = canvas.empty()
            middle = (side * half, top + size * 0.4)
            canvas.stroke(dot, build.line([middle, (middle[0] + 0.002, middle[1] + 0.012)]), 0.014)
            spine += 0.03 * canvas.blurred(dot, 0.003)
    return spine


def _vessels(canvas: Canvas, build: _Build, rng: np.random.Generator) -> np.ndarray:
    """Hila and vessels that branch and thin towards the edge of the lungs."""
    area, hila = canvas.empty(), canvas.empty()
    tree: list[tuple[int, np.ndarray, float]] = []
    for side, root in ((-1, (-0.185, 0.425)), (1, (0.205, 0.405))):
        hilum = [
            (root[0], root[1] - 0.02),
            (root[0] + side * 0.02, root[1] + 0.05),
            (root[0], root[1] + 0.13),
        ]
        canvas.stroke(hila, build.line(hilum), 0.040)
        for angle in np.linspace(-1.15, 1.30, 7) + rng.uniform(-0.12, 0.12, 7):
            start = (root[0], root[1] + 0.04 + 0.04 * float(angle))
            tree += _branches(build, rng, start, side, float(angle), 0.0115, 0)
    for depth, line, width in sorted(tree, key=lambda branch: -branch[0]):  # the thick ones last, on top
        canvas.stroke(area, line, width, 0.085 * 0.80**depth)
    return canvas.blurred(area, 0.0016) + 0.17 * canvas.blurred(hila, 0.012)


def _branches(
    build: _Build, rng: np.random.Generator, start: tuple[float, float], side: int, angle: float,
    width: float, depth: int,
) -> list[tuple[int, np.ndarray, float]]:  # fmt: skip
    """A vessel and all beyond its end: (depth, line, width); `angle` is 0 outward, positive down."""
    length = rng.uniform(0.075, 0.115) * 0.93**depth
    bend = angle + rng.uniform(-0.45, 0.45)
    middle = (start[0] + side * length * np.cos(angle), start[1] + 0.5 * length * np.sin(angle))
    end = (middle[0] + side * length * np.cos(bend), middle[1] + 0.5 * length * np.sin(bend))
    found = [(depth, build.line([start, middle, end], 12), width)]
    if depth < 4:
        for spread in (-0.36, 0.36):
            turn = bend + spread * rng.uniform(0.5, 1.3)
            found += _branches(build, rng, end, side, turn, width * 0.70, depth + 1)
    return found


def _ribs(canvas: Canvas, build: _Build) -> np.ndarray:
    """Ten pairs: the back of each nearly level, the front running down to the middle and fading."""
    thickness = canvas.empty()
    for number in range(10):
        top = 0.070 + 0.067 * number
        reach = float(
            np.interp(top + 0.10, [0.1, 0.2, 0.33, 0.48, 0.63, 0.85], [0.46, 0.58, 0.68, 0.75, 0.785, 0.80])
        )
        drop = 0.088 + 0.007 * number
        for side in (-1, 1):
            back = [(side * 0.10, top), (side * 0.45 * reach, top - 0.006 + 0.003 * number),
                    (side * 0.82 * reach, top + 0.45 * drop), (side * reach, top + drop)]  # fmt: skip
            front = [(side * reach, top + drop), (side * 0.93 * reach, top + drop + 0.06),
                     (side * 0.66 * reach, top + drop + 0.115),
                     (side * 0.42 * reach, top + drop + 0.125)]  # fmt: skip
            thickness += 0.095 * _bone(canvas, build.line(back), 0.024)
            if number < 7:
                thickness += 0.062 * _bone(canvas, build.line(front), 0.027)
    return thickness


def _bone(canvas: Canvas, line: np.ndarray, width: float) -> np.ndarray:
    """A long bone: a band with denser edges (the cortex is met edge-on there)."""
    band, marrow = canvas.empty(), canvas.empty()
    canvas.stroke(band, line, width)
    canvas.stroke(marrow, line, width * 0.62)
    return canvas.blurred(band - 0.38 * marrow, 0.0022)


def _shoulder_girdle(canvas: Canvas, build: _Build) -> np.ndarray:
    """Clavicles, the edge and blade of the scapulae, heads of the humeri."""
    thickness = canvas.empty()
    for side in (-1, 1):
        clavicle = [(side * 0.085, 0.178), (side * 0.22, 0.165), (side * 0.45, 0.128), (side * 0.62, 0.105),
                    (side * 0.80, 0.112)]  # fmt: skip
        thickness += 0.15 * _bone(canvas, build.line(clavicle), 0.027)
        blade = [(side * 0.70, 0.15), (side * 0.735, 0.28), (side * 0.80, 0.43), (side * 0.87, 0.40),
                 (side * 0.92, 0.25), (side * 0.88, 0.16)]  # fmt: skip
        thickness += 0.055 * canvas.filled(build.shaped(blade), 0.003)
        edge = [(side * 0.70, 0.15), (side * 0.735, 0.28), (side * 0.80, 0.43)]
        thickness += 0.06 * _bone(canvas, build.line(edge), 0.010)
        head = [(side * 0.93, 0.15), (side * 1.03, 0.17), (side * 1.05, 0.24), (side * 0.97, 0.26),
                (side * 0.91, 0.21)]  # fmt: skip
        thickness += 0.12 * canvas.filled(build.shaped(head), 0.004)
    return thickness


def _airways(canvas: Canvas, build: _Build) -> np.ndarray:
    """Trachea and main bronchi, dark inside the mediastinum."""
    air = canvas.empty()
    canvas.stroke(air, build.line([(-0.002, -0.04), (0.0, 0.18), (-0.012, 0.345)]), 0.030)
    canvas.stroke(air, build.line([(-0.012, 0.345), (-0.06, 0.385), (-0.125, 0.425)]), 0.020)
    canvas.stroke(air, build.line([(-0.012, 0.345), (0.05, 0.392), (0.135, 0.425)]), 0.017)
    return 0.13 * canvas.blurred(air, 0.004)


def _gastric_bubble(canvas: Canvas, build: _Build, rng: np.random.Generator) -> np.ndarray:
    """Air in the stomach under the left dome, level below as it is in a standing patient."""
    size = rng.uniform(0.75, 1.15)
    low = 0.775 + 0.06 * size
    outline = [(0.44 - 0.12 * size, low), (0.44 - 0.10 * size, 0.79), (0.46, 0.772),
               (0.44 + 0.12 * size, 0.792), (0.44 + 0.14 * size, low), (0.44, low + 0.004)]  # fmt: skip
    return 0.30 * canvas.filled(build.shaped(outline), 0.005)


def _closed_curve(points: Points, steps: int = 12) -> np.ndarray:
    """(n, 2): the closed Catmull-Rom curve through the points."""
    given = np.asarray(points, float)
    return _catmull_rom(np.concatenate([given[-1:], given, given[:2]]), steps)


def _open_curve(points: Points, count: int) -> np.ndarray:
    """(n, 2): the open Catmull-Rom curve through the points, about `count` points long."""
    given = np.asarray(points, float)
    ends = np.concatenate([2 * given[:1] - given[1:2], given, 2 * given[-1:] - given[-2:-1]])
    return np.concatenate([_catmull_rom(ends, max(2, count // max(len(given) - 1, 1))), given[-1:]])


def _catmull_rom(knots: np.ndarray, steps: int) -> np.ndarray:
    """Points between the second and the last but one of (n, 2) `knots`, `steps` a stretch."""
    t = np.linspace(0.0, 1.0, steps, endpoint=False)[np.newaxis, :, np.newaxis]
    before, start, end, after = (knots[i : len(knots) - 3 + i, np.newaxis, :] for i in range(4))
    curve = 0.5 * (
        2 * start + (end - before) * t + (2 * before - 5 * start + 4 * end - after) * t**2
        + (3 * start - before - 3 * end + after) * t**3
    )  # fmt: skip
    return np.asarray(curve.reshape(-1, 2))
