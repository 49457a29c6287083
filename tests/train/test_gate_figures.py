"""Thresholds of the gate out of what it says of validation films."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from cxrtriage.gate.gate import Look
from train.gate_figures import (
    _foreign,
    _half_as_sure_not,
    _sure_of_view,
    _upper,
    read_views_written,
    view_figures,
)
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


def test_views_are_counted_by_the_tables_and_by_what_is_written_on_films(tiny_data: Path):
    views = ("AP", "PA", "PA", "PA")
    tabled = [replace(row, view=view) for row, view in zip(read_films(data_folder())[:4], views, strict=True)]
    bare = replace(tabled[0], file="bare.png", view=None)
    written = {tabled[2].file: "AP", tabled[3].file: "AP", bare.file: "PA"}
    said = [(tabled[0], "AP"), (tabled[1], None), (tabled[2], "AP"), (tabled[3], "AP"), (bare, "AP")]
    found = view_figures(said, written)
    assert found["view_right"] == [0.3333, 3]
    assert found["view_said"] == [0.75, 4]
    assert found["view_right_by_source"] == {tabled[0].source: [0.3333, 3]}
    assert found["view_right_written"] == [0.6667, 3]
    assert found["view_right_written_first"] == [1.0, 3]
    assert found["table_right_written"] == [0.0, 2]
    assert view_figures([], {})["view_right"] is None


def test_views_written_on_films_are_of_films_that_are_there(data_folder: Path):
    views = read_views_written()
    assert set(views.values()) == {"AP", "PA"}
    assert set(views) <= {row.file for row in read_films(data_folder)}
