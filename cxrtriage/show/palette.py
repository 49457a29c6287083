"""Colours of charts on a dark and on a light page, and the ink that can be read on a fill.

Chance and degree go from the panel's own colour to a strong blue: one hue whose lightness runs one way
only, so that their order can be read without colour vision. Amber stays with what is flagged.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

Colour = tuple[int, int, int]
# Position in 0..1 and colour (red, green, blue in 0..255); straight lines between.
Ramp = tuple[tuple[float, Colour], ...]

_INKS: tuple[Colour, Colour] = ((0, 0, 0), (255, 255, 255))


@dataclass(frozen=True)
class Palette:
    """`ramp` is for values from none to all; the others are CSS colours of the parts of a chart."""

    ramp: Ramp
    ink: str
    faint: str
    line: str
    track: str
    band: str
    panel: str


DARK = Palette(
    ((0.0, (31, 40, 50)), (0.5, (44, 105, 163)), (1.0, (173, 221, 255))),
    ink="#e6e9ed", faint="#98a4b1", line="#5a6673", track="#2a333d", band="#5d87ae", panel="#14181d",
)  # fmt: skip
LIGHT = Palette(
    ((0.0, (234, 240, 246)), (0.5, (104, 162, 214)), (1.0, (11, 59, 115))),
    ink="#17202a", faint="#55626f", line="#8a97a5", track="#dfe7ee", band="#8fb3d6", panel="#ffffff",
)  # fmt: skip


def ramp_colour(ramp: Ramp, share: float) -> Colour:
    """The colour of a share; shares outside 0..1 take that of the nearer end."""
    share = min(1.0, max(0.0, share))
    for (low, start), (high, end) in pairwise(ramp):
        if share <= high:
            part = (share - low) / (high - low)
            red, green, blue = (round(a + (b - a) * part) for a, b in zip(start, end, strict=True))
            return red, green, blue
    return ramp[-1][1]


def ink_on(fill: Colour) -> Colour:
    """Black or white, whichever stands out more from the fill: at least 4.5 to 1 on any (WCAG 2.1)."""
    return max(_INKS, key=lambda ink: contrast(ink, fill))


def contrast(one: Colour, other: Colour) -> float:
    """The contrast ratio of two colours by their relative luminance, 1 to 21 (WCAG 2.1)."""
    dark, bright = sorted((_luminance(one), _luminance(other)))
    return (bright + 0.05) / (dark + 0.05)


def css(colour: Colour) -> str:
    return f"rgb{colour}"


def _luminance(colour: Colour) -> float:
    linear = [
        share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4
        for share in (channel / 255 for channel in colour)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
