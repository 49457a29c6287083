"""The side marker of a film: a letter of lead or ink that names the patient's right or left (L, R, D, Dcha).

Every glyph beside the spine is asked for the side it names, and held against the side that it lies on. The
net behind it (`python -m train side-marker`) was told no letter: it learnt which shapes lie on which side of
films that are not mirrored. Most shapes lie on either, and say nothing. A letter in brackets belongs to the
figure of a journal and is not asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from cxrtriage.film.glyphs import Layer, copy_of
from cxrtriage.nets.side_marker import LETTER_SIDE, SideMarkerNet
from cxrtriage.weights import WEIGHTS_FOLDER, Card, WeightsError, load_net, need_numbers, parts_of, read_card

SIDE_MARKER = "side_marker"
# Of what is asked, in pixels of the copy and shares of its box or of the picture's width.
_HEIGHTS = (12, 130)
_WIDTHS = (0.25, 1.8)  # of the height
_FILL = (0.15, 0.8)
_LEAST_AREA = 40
_BESIDE_SPINE = 0.1  # from the middle of the picture
_MOST = 40  # of each brightness; the largest
_ROOM = 1.5  # of the longer side of a letter's box, shown around its middle
_MOST_BRACKETS = 300  # that may be brackets, of each brightness: every pair of them is tried
# Of brackets: width, and how far their ends lie from their middle, in heights; the gap between two, and how
# far heights and middles of these may differ, likewise.
_BRACKET_WIDTHS = (0.15, 0.45)
_BOW = 0.06
_BRACKETS_APART = (0.3, 1.2)
_BRACKETS_UNEVEN = 0.15


@dataclass(frozen=True, eq=False)
class Letters:
    """What may be letters: `pictures` (letters, 2, 32, 32) uint8, greys with the letter bright, and its ink;
    `right` (letters,) bool, whether it lies in the right half of the picture, where an upright film shows the
    patient's left."""

    pictures: np.ndarray
    right: np.ndarray


def letters_on(pixels: np.ndarray) -> Letters:
    """Of film pixels (float32 in 0..1)."""
    greys, _ = copy_of(pixels)
    pictures, right = [], []
    layers = [Layer.of(side) for side in (greys, 255 - greys)]
    # Found dark on light or light on dark, whichever keeps both of them whole.
    lettered = np.concatenate([_in_brackets(layer) for layer in layers])
    for layer in layers:
        for number in _asked(layer):
            left, top, width, height, _ = layer.boxes[number]
            middle = np.array((left + width / 2, top + height / 2))
            if ((lettered[:, :2] < middle) & (middle < lettered[:, 2:])).all(axis=1).any():
                continue
            pictures.append(_picture(layer, number))
            right.append(middle[0] > greys.shape[1] / 2)
    shape = (len(pictures), 2, LETTER_SIDE, LETTER_SIDE)
    return Letters(np.array(pictures, np.uint8).reshape(shape), np.array(right, bool))


def letter_tensor(pictures: np.ndarray) -> torch.Tensor:
    """(letters, 2, 32, 32) uint8 -> float in -1..1 as the net takes it: the greys of each fill the range."""
    out = torch.from_numpy(pictures).float()
    greys = out[:, :1]
    low, high = greys.amin(dim=(2, 3), keepdim=True), greys.amax(dim=(2, 3), keepdim=True)
    return torch.cat([(greys - low) / (high - low).clamp(min=8) * 2 - 1, out[:, 1:] / 127.5 - 1], dim=1)


class SideMarkers:
    """Whether the letters on a film stand on the side they name; none moves the log odds by more than `most`.
    Their `weight` was set on validation films, where the net is less sure than it is right. Shared by
    threads."""

    def __init__(self, card: Card, net: SideMarkerNet) -> None:
        self.card, self.net = card, net
        with parts_of(card):
            self.weight, self.most = (float(card.settings[name]) for name in ("weight", "most"))

    @classmethod
    def load(cls, folder: Path = WEIGHTS_FOLDER) -> SideMarkers:
        """Card and weights; WeightsError where they are missing or damaged."""
        card = read_card(SIDE_MARKER, folder)
        net = load_net(card, folder)
        if not isinstance(net, SideMarkerNet):
            raise WeightsError(
                "weights_damaged", f"The card {card.name}.json is of no such net; fetch the weights again."
            )
        return cls(card, net)

    def mirrored(self, pixels: np.ndarray) -> float:
        """Log odds that the film is mirrored, by its letters alone; 0 where none names a side."""
        return self.told(letters_on(pixels))

    def told(self, letters: Letters) -> float:
        if not len(letters.right):
            return 0.0
        with torch.inference_mode():
            left = self.net(letter_tensor(letters.pictures))
        need_numbers(left, self.card.name)
        of_film = np.where(letters.right, -left.numpy(), left.numpy())
        surest = self.weight * of_film[np.argmax(np.abs(of_film))]
        return float(np.clip(surest, -self.most, self.most))


def _asked(layer: Layer) -> np.ndarray:
    """Labels of what may be a letter beside the spine."""
    left, _, width, height, area = layer.boxes.T
    fill = area / np.maximum(width * height, 1)
    apart = np.abs((left + width / 2) / layer.greys.shape[1] - 0.5)
    fits = (height >= _HEIGHTS[0]) & (height <= _HEIGHTS[1]) & (area >= _LEAST_AREA)
    fits &= (width >= _WIDTHS[0] * height) & (width <= _WIDTHS[1] * height)
    fits &= (fill >= _FILL[0]) & (fill <= _FILL[1]) & (apart > _BESIDE_SPINE)
    fits[0] = False  # the ground
    return _largest(layer, fits, _MOST)


def _largest(layer: Layer, fits: np.ndarray, most: int) -> np.ndarray:
    """Labels of what `fits`, in order, or of the largest where they are too many."""
    found = np.flatnonzero(fits)
    return found if found.size <= most else found[np.argsort(-layer.boxes[found, 4])[:most]]


def _in_brackets(layer: Layer) -> np.ndarray:
    """(pairs, 4) left, top, right, foot of what round brackets hold, they themselves with it."""
    _, _, width, height, _ = layer.boxes.T
    fits = (height >= _HEIGHTS[0]) & (height <= _HEIGHTS[1])
    fits &= (width >= _BRACKET_WIDTHS[0] * height) & (width <= _BRACKET_WIDTHS[1] * height)
    fits[0] = False  # the ground
    bows = {int(number): _bow(layer, int(number)) for number in _largest(layer, fits, _MOST_BRACKETS)}
    opening, closing = (
        layer.boxes[[number for number, bow in bows.items() if sign * bow > _BOW]] for sign in (1, -1)
    )
    before, after = opening[:, None, :], closing[None, :, :]
    tall = np.maximum(before[..., 3], after[..., 3])
    gap = (after[..., 0] - before[..., 0] - before[..., 2]) / tall
    uneven = np.abs(before[..., 3] - after[..., 3]) / tall
    apart = np.abs(before[..., 1] - after[..., 1] + (before[..., 3] - after[..., 3]) / 2) / tall
    pairs = (gap > _BRACKETS_APART[0]) & (gap < _BRACKETS_APART[1])
    pairs &= (uneven < _BRACKETS_UNEVEN) & (apart < _BRACKETS_UNEVEN)
    first, second = (boxes[rows] for boxes, rows in zip((opening, closing), np.nonzero(pairs), strict=True))
    foot = np.maximum(first[:, 1] + first[:, 3], second[:, 1] + second[:, 3])
    return np.stack([first[:, 0], first[:, 1], second[:, 0] + second[:, 2], foot], axis=1)


def _bow(layer: Layer, number: int) -> float:
    """How far the middle between a glyph's two ends lies to the right of the glyph's own middle, in its
    heights: above 0 for an opening bracket, below for a closing one, also where they lean."""
    left, top, width, height, _ = (int(value) for value in layer.boxes[number])
    rows, columns = np.nonzero(layer.labels[top : top + height, left : left + width] == number)
    places = (rows + 0.5) / height
    ends = [columns[places < 0.2], columns[places > 0.8]]
    middle = columns[np.abs(places - 0.5) < 0.15]
    if not all(part.size for part in (*ends, middle)):
        return 0.0
    return float(ends[0].mean() + ends[1].mean() - 2 * middle.mean()) / (2 * height)


def _picture(layer: Layer, number: int) -> np.ndarray:
    """(2, 32, 32) uint8."""
    left, top, width, height, _ = (int(value) for value in layer.boxes[number])
    side = int(_ROOM * max(width, height))
    rows, columns = layer.greys.shape
    down = np.clip(np.arange(side) + int(top + height / 2 - side / 2), 0, rows - 1)
    across = np.clip(np.arange(side) + int(left + width / 2 - side / 2), 0, columns - 1)
    place = np.ix_(down, across)
    ink = (layer.labels[place] == number).astype(np.uint8) * 255
    return np.stack(
        [
            cv2.resize(part, (LETTER_SIDE, LETTER_SIDE), interpolation=cv2.INTER_AREA)
            for part in (layer.greys[place], ink)
        ]
    )
