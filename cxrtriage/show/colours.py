"""The colours of a saliency map: from black over red to yellow, lighter where the map is higher.

The order can be read without colour vision, since lightness (CIELAB) rises evenly. The viewer in the
browser is given these very anchors.
"""

from __future__ import annotations

import numpy as np

# position in 0..1, then red, green, blue in 0..255; straight lines between
MAP_ANCHORS: tuple[tuple[float, int, int, int], ...] = (
    (0.0, 20, 0, 0),
    (0.35, 150, 20, 10),
    (0.65, 235, 90, 15),
    (0.85, 255, 180, 50),
    (1.0, 255, 245, 175),
)
# Below this a map lets the film through in proportion to its value; where it is 0 nothing is drawn.
SOLID_FROM = 1.0


def map_colours(values: np.ndarray) -> np.ndarray:
    """Colours of map values in 0..1: float32 (..., 3) in 0..1."""
    positions = [anchor[0] for anchor in MAP_ANCHORS]
    channels = [np.interp(values, positions, [anchor[i] for anchor in MAP_ANCHORS]) for i in (1, 2, 3)]
    return (np.stack(channels, axis=-1) / 255).astype(np.float32)


def map_alpha(values: np.ndarray, opacity: float) -> np.ndarray:
    """How much of the colour covers the film, float32 in 0..opacity."""
    return (opacity * np.clip(values / SOLID_FROM, 0, 1)).astype(np.float32)
