"""The six zones of the lungs (Park 2021): upper, middle and lower part of each lung by its height."""

from __future__ import annotations

import cv2
import numpy as np

from cxrtriage.reading.lungs import Lungs

# Where the lines lie from a lung's top to its bottom (Park 2021): apex to hilum, to its lower end, to base.
LINES = (5 / 12, 2 / 3)
ZONES = 6


def sides(lungs: Lungs) -> tuple[np.ndarray, np.ndarray]:
    """(size, size) bool masks of the patient's right lung (left of the picture) and of the left one.

    Two parts of the mask are a lung each; lungs that touch are parted halfway across their box.
    """
    mask = lungs.mask
    count, labels, stats, centres = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    if count == 3 and lungs.found == 2:
        first, second = sorted((1, 2), key=lambda part: centres[part][0])
        # Parts one above the other are no two lungs.
        apart = centres[second][0] - centres[first][0]
        if apart > 0.5 * min(stats[first, cv2.CC_STAT_WIDTH], stats[second, cv2.CC_STAT_WIDTH]):
            return labels == first, labels == second
    columns = np.flatnonzero(mask.any(axis=0))
    middle = (int(columns[0]) + int(columns[-1]) + 1) // 2 if len(columns) else mask.shape[1] // 2
    right = np.arange(mask.shape[1]) < middle
    return mask & right, mask & ~right


def zones_of(lungs: Lungs) -> np.ndarray:
    """(size, size) uint8 over the whole film squashed to a square: 0 outside the lungs, then 1 to 6 for
    upper right, upper left, middle right, middle left, lower right, lower left (the patient's sides)."""
    zones = np.zeros(lungs.mask.shape, np.uint8)
    for side, lung in enumerate(sides(lungs)):
        rows = np.flatnonzero(lung.any(axis=1))
        if not len(rows):
            continue
        height = rows[-1] + 1 - rows[0]
        place = (np.arange(len(lung)) + 0.5 - rows[0]) / height
        band = np.searchsorted(LINES, place)
        zones[lung] = np.broadcast_to((2 * band + side + 1)[:, None], lung.shape)[lung]
    return zones
