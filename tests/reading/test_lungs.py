"""Two lungs or none: a crop to one lung would cut the ill one away."""

from __future__ import annotations

import numpy as np
import pytest

from cxrtriage.reading.lungs import Lungs

SIZE = 100


def chances(*boxes: tuple[int, int, int, int]) -> np.ndarray:
    """(SIZE, SIZE) chances: 0.9 within (top, left, bottom, right), 0.1 elsewhere."""
    picture = np.full((SIZE, SIZE), 0.1, np.float32)
    for top, left, bottom, right in boxes:
        picture[top:bottom, left:right] = 0.9
    return picture


def test_two_lungs_make_a_box_around_both():
    lungs = Lungs.of(chances((20, 10, 80, 40), (25, 60, 85, 90)))
    assert lungs.box == pytest.approx((0.2, 0.1, 0.85, 0.9))
    assert (lungs.found, lungs.codes) == (2, ())
    assert lungs.confidence == pytest.approx(0.8)
    assert lungs.mask.sum() == 2 * 60 * 30


def test_one_lung_makes_no_box():
    lungs = Lungs.of(chances((20, 10, 80, 40)))
    assert (lungs.box, lungs.found, lungs.codes) == (None, 1, ("one_lung",))


def test_a_lung_much_smaller_than_the_other_was_missed():
    lungs = Lungs.of(chances((20, 10, 80, 40), (20, 60, 35, 80)))
    assert (lungs.box, lungs.found, lungs.codes) == (None, 1, ("one_lung",))


@pytest.mark.parametrize("boxes", [(), ((50, 50, 55, 55),), ((20, 10, 40, 20), (20, 60, 40, 70))])
def test_too_little_is_no_lungs(boxes):
    lungs = Lungs.of(chances(*boxes))
    assert (lungs.box, lungs.found, lungs.codes) == (None, 0, ("no_lungs",))


def test_lungs_that_touch_are_two():
    lungs = Lungs.of(chances((20, 10, 80, 45), (20, 55, 80, 90), (40, 45, 43, 55)))
    assert lungs.found == 2
    assert lungs.box == pytest.approx((0.2, 0.1, 0.8, 0.9))


def test_specks_beside_the_lungs_are_dropped():
    lungs = Lungs.of(chances((20, 10, 80, 40), (20, 60, 80, 90), (0, 0, 5, 5)))
    assert lungs.box == pytest.approx((0.2, 0.1, 0.8, 0.9))
    assert not lungs.mask[:6, :6].any()


@pytest.mark.parametrize(
    ("boxes", "cut"),
    [
        (((0, 0, 85, 45), (0, 55, 85, 100)), True),
        (((10, 0, 90, 40), (40, 60, 90, 100)), True),
        # One side alone may be a film that was laid askew.
        (((0, 0, 85, 45), (0, 55, 85, 97)), False),
        (((20, 0, 40, 40), (30, 5, 80, 40), (20, 60, 80, 95)), False),
        ((), False),
        (((0, 0, 100, 100),), False),
    ],
)
def test_lungs_that_run_out_of_the_film_on_both_sides_are_cut(boxes, cut):
    assert Lungs.of(chances(*boxes)).cut is cut
