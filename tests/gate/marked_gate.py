"""A gate that tells pictures by marks on them instead of by a net, so that a test foresees its verdict.

A film has a white square in the corner that is the upper left one when it stands upright, a black one
opposite; what it is, a mark in its middle says.
"""

from __future__ import annotations

import cv2
import numpy as np

from cxrtriage.film.film import Film
from cxrtriage.gate.gate import Gate, Look
from cxrtriage.nets.gate import KINDS, SIGNS, GateNet
from cxrtriage.weights import Card

SIDE = 120
SIGN_MARKS = {"mirrored": 0.9, "AP": 0.75, "child": 0.25}
KIND_MARKS = {
    "frontal_chest": 0.5,
    "lateral_chest": 0.1,
    "part_of_chest": 0.2,
    "photograph_of_film": 0.3,
    "ct": 0.4,
}


def marked_film(
    kind: str = "frontal_chest", *, turns: int = 0, inverted: bool = False, sign: str = "", **facts: object
) -> Film:
    pixels = np.random.default_rng(1).uniform(0.4, 0.6, (SIDE, SIDE)).astype(np.float32)
    pixels[:24, :24] = 1.0
    pixels[-24:, -24:] = 0.0
    pixels[48:72, 48:72] = KIND_MARKS[kind]
    if sign:  # a stripe across the middle column says it
        pixels[30:40, 48:72] = SIGN_MARKS[sign]
    pixels = np.rot90(pixels, turns)
    pixels = 1 - pixels if inverted else pixels
    return Film(pixels=np.ascontiguousarray(pixels), bits=8, sha256="0" * 64, format="png", **facts)


class MarkedGate(Gate):
    def __init__(self) -> None:
        card = Card(
            "gate", "task", KINDS, "gate", {}, {"size": SIDE}, "e" * 64, "none",
            settings={"thresholds": {"frontal": 0.5}},
        )  # fmt: skip
        super().__init__(card, GateNet())

    def picture(self, pixels: np.ndarray) -> np.ndarray:
        whole = cv2.resize(pixels, (SIDE, SIDE), interpolation=cv2.INTER_NEAREST)
        return np.asarray(np.rint(whole * 255), np.uint8)

    def looks(self, pictures: list[np.ndarray]) -> list[Look]:
        return [self._look(one / 255) for one in pictures]

    def _look(self, picture: np.ndarray) -> Look:
        last = picture.shape[0] - 12
        corners = np.array([picture[12, 12], picture[last, 12], picture[last, last], picture[12, last]])
        extreme = np.abs(corners - 0.5) > 0.4
        inverted = False
        turns = 0
        if extreme.sum() == 2:
            for turn in range(4):  # the white corner, then the black one opposite
                if corners[turn] > 0.9 and corners[(turn + 2) % 4] < 0.1:
                    turns = turn
        # Inverted and on its head look alike by these corners alone; the middle mark tells.
        middle = float(np.median(picture[54:66, 54:66]))
        values = list(KIND_MARKS.values())
        straight = min(abs(middle - value) for value in values)
        other = min(abs(1 - middle - value) for value in values)
        if middle != 0.5 and other < straight:
            inverted = True
            turns = (turns + 2) % 4
            middle = 1 - middle
        kind = min(KIND_MARKS, key=lambda one: abs(KIND_MARKS[one] - middle))
        upright = np.rot90(picture, -turns)
        stripe = float(np.median(upright[32:38, 54:66]))
        stripe = 1 - stripe if inverted else stripe
        signs = dict.fromkeys(SIGNS, 0.02)
        signs["inverted"] = 0.99 if inverted else 0.01
        for sign, mark in SIGN_MARKS.items():
            if abs(stripe - mark) < 0.05:
                signs[sign] = 0.99
        chance = dict.fromkeys(KINDS, 0.01)
        chance[kind] = 0.9
        return Look(chance, tuple(0.97 if n == turns else 0.01 for n in range(4)), signs, 1.0)
