"""Thresholds of the gate out of what it says of validation films."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import numpy as np
import pytest

from cxrtriage.gate.gate import Look
from train.gate_figures import _foreign, _half_as_sure_not, _sure_of_view, _upper
from train.manifest import data_folder, read_films


def test_a_view_is_said_from_where_on_enough_of_them_are_right():
    right = [(0.9999, "AP"), (0.0001, "PA")] * 50
    wrong = [(0.9985, "PA")] * 4
    assert _sure_of_view(right) == 0.998
    assert _sure_of_view(right + wrong) == 0.999
    assert _sure_of_view([(0.9999, "PA")] * 20) == 0.9995


def test_a_photograph_is_what_looks_half_as_little_like_a_whole_film_as_these_do():
    # One in fifty, and half of its logit: one in eight.
    assert _half_as_sure_not([0.001] * 10 + [0.02] * 90, 0.5) == pytest.approx(0.125, abs=0.001)
    assert _half_as_sure_not([0.8] * 10, 0.5) == 0.5


def test_films_that_are_mirrored_themselves_do_not_set_the_threshold_of_others():
    chances = [0.985] * 99 + [0.998]
    assert _upper(chances, 0.98, 0.02) == 0.985
    assert _upper(chances, 0.98) == pytest.approx(0.997, abs=0.001)
    assert _upper([0.1] * 100, 0.98, 0.02) == 0.98


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
