"""Thresholds of the gate out of what it says of validation films."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import numpy as np

from cxrtriage.gate.gate import Look
from train.gate_figures import _foreign, _sure_of_view
from train.manifest import data_folder, read_films


def test_a_view_is_said_from_where_on_enough_of_them_are_right():
    right = [(0.9, "AP"), (0.1, "PA")] * 50
    wrong = [(0.61, "PA")] * 4
    assert _sure_of_view(right) == 0.5
    assert _sure_of_view(right + wrong) == 0.62
    assert _sure_of_view([(0.99, "PA")] * 20) == 0.98


class _Looking:
    """A gate that finds every next picture a little more like a leg."""

    def __init__(self) -> None:
        self.looks = count()

    def picture(self, pixels: np.ndarray) -> np.ndarray:
        return pixels

    def look(self, _: np.ndarray) -> Look:
        kinds = dict.fromkeys(("frontal_chest", "ct", "other_scan", "not_medical"), 0.0)
        return Look({**kinds, "other_xray": next(self.looks) / 100}, (1.0, 0.0, 0.0, 0.0), {}, 1.0)


def test_foreign_is_what_hardly_any_part_or_photograph_of_a_film_reaches(tiny_data: Path):
    rows = read_films(data_folder())
    # Two pictures of each film, so that the last has a chance of 0.55.
    assert len(rows) == 28
    assert _foreign(_Looking(), rows, 0.05) == 0.545  # of 56 chances, 0.99 lie below
    assert _foreign(_Looking(), rows, 0.9) == 0.9
