"""Zones follow each lung's own height, and right is the patient's right."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cxrtriage.reading.lungs import Lungs
from cxrtriage.reading.zones import LINES, sides, zones_of

SIZE = 120


def lungs_in(*boxes: tuple[int, int, int, int]) -> Lungs:
    """Lungs found in boxes of (top, left, bottom, right)."""
    chances = np.full((SIZE, SIZE), 0.1, np.float32)
    for top, left, bottom, right in boxes:
        chances[top:bottom, left:right] = 0.9
    return Lungs.of(chances)


def test_the_patients_right_lies_at_the_left_of_the_picture():
    right, left = sides(lungs_in((20, 10, 100, 50), (20, 70, 100, 110)))
    assert right[60, 30]
    assert left[60, 90]
    assert not (right & left).any()


def test_lungs_that_touch_are_parted_in_the_middle():
    right, left = sides(lungs_in((20, 10, 100, 110)))
    assert right[60, 59]
    assert left[60, 60]
    assert right.sum() == left.sum()


@given(st.integers(5, 30), st.integers(70, 110), st.integers(5, 30), st.integers(70, 110))
def test_each_lung_is_cut_at_its_own_height(top, bottom, other_top, other_bottom):
    zones = zones_of(lungs_in((top, 10, bottom, 50), (other_top, 70, other_bottom, 110)))
    for column, (start, end), numbers in (
        (30, (top, bottom), (1, 3, 5)),
        (90, (other_top, other_bottom), (2, 4, 6)),
    ):
        heights = [int((zones[:, column] == number).sum()) for number in numbers]
        shares = np.array(heights) / (end - start)
        wanted = (LINES[0], LINES[1] - LINES[0], 1 - LINES[1])
        assert np.abs(shares - wanted).max() <= 1.5 / (end - start)
        assert np.flatnonzero(zones[:, column] == numbers[0])[0] == start


def test_what_is_not_lung_is_no_zone():
    lungs = lungs_in((20, 10, 100, 50), (20, 70, 100, 110))
    assert ((zones_of(lungs) > 0) == lungs.mask).all()
