"""The side marker of a film: a letter of lead or ink that names the patient's right or left (L, R, D, Dcha).

Every glyph beside the spine is asked for the side it names, and held against the side that it lies on. The
net behind it (`python -m train side-marker`) was told no letter: it learnt which shapes lie on which side of
films that are not mirrored. Most shapes lie on either, and say nothing.
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
    for side in (greys, 255 - greys):
        layer = Layer.of(side)
        for number in _asked(layer):
            left, _, width, _, _ = layer.boxes[number]
            pictures.append(_picture(layer, number))
            right.append(left + width / 2 > side.shape[1] / 2)
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
    found = np.flatnonzero(fits)
    return found if found.size <= _MOST else found[np.argsort(-area[found])[:_MOST]]


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
