"""What lies around a film in a picture of one: the plate of a light box, a sheet of paper, the bars of a
program's window.

Plain measurements and no net: around a film that was photographed or shown by a program something is even and
ends along a straight line, which next to nothing in a body does. Of the 6,214 films of the tables five lie on
a plate by them, of which three do stand in a white margin, and none in a window.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from cxrtriage.film.box import PixelBox

_SIDE = 320  # pixels of the square that a picture is looked at in; all lengths here are in these
# How far apart shades of an even place may be, as a share of the picture's range.
_EVEN = 0.03
# A plate: how deep it must be seen, how bright it is at least, and by how much the film's edge is another.
_PLATE_DEEP, _PLATE_BRIGHT, _JUMP = 5, 0.3, 0.06
# A margin of the picture of which the film's side need not be told.
_MARGIN_DEEP, _MARGIN_BRIGHT = 7, 0.7
# Columns by which the line along a film's side may lean from its one end to the other.
_LEAN = tuple(range(-38, 39, 3))
# Of the picture's side, the share along which a side of the film must lie on a plate; of a film on a page,
# which is no higher but wide, that share and how wide it is. Under the least nothing more is measured.
_ON_PLATE, _ON_PAGE, _ON_PAGE_WIDE, _LEAST = 0.4, 0.3, 0.6, 0.25
# Of the picture's side, what a film in it takes at least, and at most if there is anything to cut off.
_FILM_LEAST, _FILM_MOST = 0.25, 0.97
_FRAMES = 3  # the edges of the film, of the light box and of the room's wall
# A bar of a window: how deep it is, how far apart its shades may be, what is black (and may be the film's own
# ground), how much of it and of its every row has its shade, and how much of the rows beyond may.
_BAR_LEAST, _BAR_MOST, _BAR_EVEN, _BLACK = 12, 110, 0.02, 0.06
_BAR_SHARE, _BAR_ROW, _BEYOND = 0.75, 0.5, 0.35
_HIDDEN = 10  # rows of it that words or buttons may hide
# Of the bar's length, the share along which another even ground lies beyond it.
_GROUND = 0.9


@dataclass(frozen=True)
class Side:
    """Of a film's side: the share of the picture's height or width along which it is straight and something
    even and not dark lies beyond it, and how far from the opposite end of the picture, as a share of this (0
    where only the picture's own margin is seen). `lean`: by how much of the picture the line, were it as
    long as this, would end farther out than its middle."""

    share: float = 0.0
    at: float = 0.0
    lean: float = 0.0

    @property
    def found(self) -> Side:
        """The side, or the picture's own where no line was found."""
        return self if self.at and self.share >= _ON_PAGE else Side(at=1.0)

    def outermost(self, length: float) -> float:
        """Where the line ends that is `at` its middle and of this length, a share of the picture."""
        return min(self.at + self.lean * length, 1.0)


@dataclass(frozen=True)
class Surround:
    """`sides`: the right, lower, left and upper side of the film. `window`: whether a bar of an even shade
    lies along a whole side of the picture, on a ground that is even too."""

    sides: tuple[Side, Side, Side, Side] = (Side(), Side(), Side(), Side())
    window: bool = False

    @property
    def on_plate(self) -> bool:
        """Whether it lies on a light box, or on anything else that is bright and even, at three sides."""
        return self._third >= _ON_PLATE

    @property
    def on_page(self) -> bool:
        """Whether it may lie on a sheet of paper with words around it, too large to be a form's own picture.
        Of whole films one in 400 seems to, so that this says only what a picture is that is no whole film."""
        right, _, left, _ = self.sides  # a line of words is straight too, above and below
        high = min(right.share, left.share) >= _ON_PAGE and self._third >= _ON_PAGE
        return high and right.at + left.at - 1 >= _ON_PAGE_WIDE

    def box_in(self, rows: int, columns: int) -> PixelBox | None:
        """What the sides enclose in a picture of this size, all of it also where they lean; None where the
        film lies on nothing, or fills the picture."""
        if not (self.on_plate or self.on_page):
            return None
        sides = [side.found for side in self.sides]
        high, wide = sides[1].at + sides[3].at - 1, sides[0].at + sides[2].at - 1
        if min(wide, high) < _FILM_LEAST or min(wide, high) > _FILM_MOST:
            return None
        right, lower, left, upper = (
            side.outermost(length) for side, length in zip(sides, (high, wide, high, wide), strict=True)
        )
        return PixelBox(
            round((1 - left) * columns),
            round((1 - upper) * rows),
            round(right * columns),
            round(lower * rows),
        )

    @property
    def _third(self) -> float:
        return sorted(side.share for side in self.sides)[1]


def surround_of(pixels: np.ndarray) -> Surround:
    """Of (rows, columns) float of any range."""
    small = cv2.resize(np.asarray(pixels, np.float32), (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    low, high = float(small.min()), float(small.max())
    if high <= low:
        return Surround()
    small = (small - low) / (high - low)
    turned = [np.ascontiguousarray(np.rot90(small, turns)) for turns in range(4)]
    right, lower, left, upper = (_side_at_right(one) for one in turned)
    bars = [_bar_above(one) for one in turned]
    # The same even band at both sides is how a wide screen fills up its width, and no window.
    return Surround(
        (right, lower, left, upper),
        window=any(
            bar is not None
            and bar.grounded
            and not ((other := bars[(side + 2) % 4]) and abs(bar.shade - other.shade) <= _BAR_EVEN)
            for side, bar in enumerate(bars)
        ),
    )


def film_in(pixels: np.ndarray) -> PixelBox | None:
    """Where the film lies in a picture of it, (rows, columns) float; None where it lies on nothing. A light
    box has edges too: within them the film's own are looked for again."""
    film: PixelBox | None = None
    for _ in range(_FRAMES):
        box = surround_of(pixels).box_in(*pixels.shape)
        if box is None:
            break
        pixels = pixels[box.top : box.bottom, box.left : box.right]
        film = box if film is None else box.moved(film.left, film.top)
    return film


def _side_at_right(picture: np.ndarray) -> Side:
    """The right side of the film in (side, side) float32 in 0..1; beside a white belly the plate's margin."""
    side = _plate_at_right(picture)
    if side.share >= _ON_PLATE or not _bright_margin_at_right(picture):
        return side
    return replace(side, share=1.0) if side.share >= _ON_PAGE else Side(1.0)


def _plate_at_right(picture: np.ndarray) -> Side:
    """The straight line down the right half of (side, side) float32 in 0..1 that crosses most rows where a
    plate begins."""
    over = np.ones((1, _PLATE_DEEP), np.uint8)
    # Of the places from here on to the right; past the edge of the picture nothing is even.
    most = cv2.dilate(picture, over, anchor=(0, 0), borderType=cv2.BORDER_CONSTANT, borderValue=9)
    least = cv2.erode(picture, over, anchor=(0, 0), borderType=cv2.BORDER_CONSTANT, borderValue=-9)
    plate = ((most - least <= _EVEN) & (least > _PLATE_BRIGHT))[:, 3:]
    shade = ((most + least) / 2)[:, 3:]
    # Between a film and what it lies on two places may be blurred; it begins at the first that is not.
    third, second, first = (np.abs(picture[:, n : _SIDE - 3 + n] - shade) for n in range(3))
    begins = plate & (third > _JUMP) & ((second > _EVEN) | (first > _EVEN))
    half = begins[:, _SIDE // 2 :]
    if half.any(1).mean() < _LEAST:
        return Side()
    margin = max(_LEAN) // 2 + 2
    near = cv2.dilate(half.astype(np.uint8), np.ones((1, 3), np.uint8))
    near = np.pad(near, ((0, 0), (margin, margin)))
    down = np.linspace(-0.5, 0.5, _SIDE)
    columns = np.arange(margin, near.shape[1] - margin)
    rows = np.arange(_SIDE)[:, None]
    crossed = np.array(
        [near[rows, columns + np.rint(lean * down).astype(int)[:, None]].sum(0) for lean in _LEAN]
    )
    lean, middle = np.unravel_index(int(crossed.argmax()), crossed.shape)
    return Side(float(crossed.max()) / _SIDE, 0.5 + float(middle) / _SIDE, abs(_LEAN[lean]) / 2 / _SIDE)


def _bright_margin_at_right(picture: np.ndarray) -> bool:
    """Whether a bright margin lies along all of the right side."""
    # The frame of a light box may cross the ends of a column.
    least, most = np.quantile(picture[:, -_MARGIN_DEEP:], (0.1, 0.9), axis=0)
    return (
        bool((most - least <= _EVEN).all()) and float(np.median(picture[:, -_MARGIN_DEEP:])) > _MARGIN_BRIGHT
    )


@dataclass(frozen=True)
class _Bar:
    shade: float
    grounded: bool


def _bar_above(picture: np.ndarray) -> _Bar | None:
    """The bar along the upper side of (side, side) float32 in 0..1, words and buttons on it or none."""
    shade = float(np.median(picture[1:_BAR_LEAST]))
    if shade <= _BLACK:
        return None
    same = np.abs(picture - shade) <= _BAR_EVEN
    # Words and rows of buttons hide it for a few rows; it ends where it does not come back.
    seen = np.flatnonzero(np.append(same.mean(1) >= _BAR_ROW, True))
    ends = np.flatnonzero(np.diff(seen) > _HIDDEN)
    deep = int(seen[ends[0]]) + 1 if len(ends) else _SIDE
    if not _BAR_LEAST <= deep <= _BAR_MOST or same[1 : deep - 1].mean() < _BAR_SHARE:
        return None
    if same[deep + 2].mean() > _BEYOND:  # it ends along no straight line
        return None
    beyond = picture[deep + 2 : deep + 6]
    even = np.ptp(beyond, axis=0) <= _BAR_EVEN
    shades = np.median(beyond, axis=0)[even]
    middle = float(np.median(shades)) if len(shades) else shade
    ground = np.abs(shades - middle) <= _BAR_EVEN
    return _Bar(shade, grounded=abs(middle - shade) > _JUMP and float(ground.sum()) / _SIDE >= _GROUND)
