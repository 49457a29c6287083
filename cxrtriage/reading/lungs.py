"""Where the lungs are: what a net may look at decides whether its scores hold in another hospital."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

# A part of the mask smaller than this share of the film is no lung.
_LEAST_LUNG = 0.015
# Both lungs together, as shares of the film: less is no chest film in full, more is no film of lungs.
_LEAST_BOTH = 0.06
# A lung this much smaller than the other was missed rather than small, and cropping to the other
# would cut a white lung away.
_LEAST_RATIO = 0.2
# Lungs that reach the film's left and right edge over so much of their height, both edges together (0 to 2),
# are cut there. Of 5,287 whole films of eleven sources none does (their most is 1.1), of a set that was
# cropped to the lungs one in fifteen.
_CUT = 1.3
# A mask that leaves less of the film than the spine and the diaphragm take shows no lungs' edges.
_MOST_LUNG = 0.9


@dataclass(frozen=True, eq=False)
class Lungs:
    """Both lungs of a film.

    `mask`: (size, size) bool over the whole film squashed to a square. `box`: (top, left, bottom,
    right) around both as shares of rows and columns, None where two lungs were not found.
    `confidence`: mean certainty of the mask's pixels, 0..1. `codes`: `no_lungs` or `one_lung`.
    """

    mask: np.ndarray
    box: tuple[float, float, float, float] | None
    found: int
    confidence: float
    codes: tuple[str, ...] = ()

    @classmethod
    def of(cls, chances: np.ndarray) -> Lungs:
        """From (size, size) chances of lung; the two largest parts are kept."""
        size = chances.shape[0]
        mask = chances > 0.5
        count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
        parts = [n for n in range(1, count) if stats[n, cv2.CC_STAT_AREA] >= _LEAST_LUNG * size * size]
        parts = sorted(parts, key=lambda n: -stats[n, cv2.CC_STAT_AREA])[:2]
        kept = np.isin(labels, parts)
        area = [int(stats[n, cv2.CC_STAT_AREA]) for n in parts]
        certainty = float(np.abs(2 * chances[kept] - 1).mean()) if parts else 0.0
        if not parts or sum(area) < _LEAST_BOTH * size * size:
            return cls(kept, None, 0, certainty, ("no_lungs",))
        if len(parts) == 1:
            # Lungs that touch in the mask are one part on both sides of the middle of their box.
            left = stats[parts[0], cv2.CC_STAT_LEFT]
            width = stats[parts[0], cv2.CC_STAT_WIDTH]
            if width < 0.5 * size:
                return cls(kept, None, 1, certainty, ("one_lung",))
            parts_sides = [kept[:, left : left + width // 2].sum(), kept[:, left + width // 2 :].sum()]
            area = sorted(map(int, parts_sides), reverse=True)
        if area[1] < _LEAST_RATIO * area[0]:
            return cls(kept, None, 1, certainty, ("one_lung",))
        rows, columns = np.flatnonzero(kept.any(axis=1)), np.flatnonzero(kept.any(axis=0))
        box = (rows[0] / size, columns[0] / size, (rows[-1] + 1) / size, (columns[-1] + 1) / size)
        return cls(kept, tuple(map(float, box)), 2, certainty)  # type: ignore[arg-type]  # four of them

    @property
    def cut(self) -> bool:
        """Whether the film ends within the lungs on both sides."""
        high = self.mask.any(axis=1)
        if not high.any() or self.mask.mean() > _MOST_LUNG:
            return False
        rim = max(self.mask.shape[1] // 100, 1)
        reached = [self.mask[high, :rim].any(axis=1).mean(), self.mask[high, -rim:].any(axis=1).mean()]
        return float(sum(reached)) > _CUT

    def part(
        self, box: tuple[int, int, int, int], film_rows: int, film_columns: int, rows: int, columns: int
    ) -> np.ndarray:
        """(rows, columns) bool: the lungs, a little widened, within `box` of the film.

        `box`: top, left, height, width in film pixels.
        """
        size = self.mask.shape[0]
        reach = max(size // 40, 1)
        wide = cv2.dilate(self.mask.astype(np.uint8), np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))
        top, left, height, width = box
        ys = (top + (np.arange(rows) + 0.5) * height / rows) * size / film_rows
        xs = (left + (np.arange(columns) + 0.5) * width / columns) * size / film_columns
        return (
            np.asarray(wide)[
                np.clip(ys.astype(int), 0, size - 1)[:, None], np.clip(xs.astype(int), 0, size - 1)[None]
            ]
            > 0
        )
