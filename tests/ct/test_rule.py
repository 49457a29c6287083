"""The rule: quadrants, runs, gaps and thickness."""

from __future__ import annotations

import numpy as np
import pytest

from cxrtriage.ct.rule import Evidence, Rule, decide, lesions_of, lesions_of_slice, quadrants_hit

NONE, UPPER_LEFT, LOWER_RIGHT = (False,) * 4, (True, False, False, False), (False, False, False, True)


@pytest.mark.parametrize(
    ("hits", "decision"),
    [
        ([UPPER_LEFT] * 3, "positive"),
        ([NONE, UPPER_LEFT, UPPER_LEFT, UPPER_LEFT, NONE], "positive"),
        ([UPPER_LEFT, UPPER_LEFT, LOWER_RIGHT, UPPER_LEFT], "negative"),
        ([NONE] * 5, "negative"),
        ([UPPER_LEFT] * 2, "undetermined"),
        ([], "undetermined"),
    ],
)
def test_three_slices_in_a_row_in_one_quadrant(hits, decision):
    assert decide(hits, Rule())[0] == decision


def test_the_longest_run_is_the_evidence():
    hits = [UPPER_LEFT] * 3 + [NONE] + [LOWER_RIGHT] * 5
    assert decide(hits, Rule())[1] == Evidence(3, 4, 8)


def test_a_run_ends_where_slices_are_missing():
    hits = [UPPER_LEFT] * 4
    assert decide(hits, Rule(), breaks=frozenset({2}))[0] == "undetermined"
    assert decide([*hits, NONE, NONE], Rule(), breaks=frozenset({2}))[0] == "negative"


def test_thin_slices_must_show_a_lesion_over_some_length():
    assert decide([UPPER_LEFT] * 3 + [NONE] * 60, Rule(), step_mm=0.6)[0] == "negative"
    assert decide([UPPER_LEFT] * 40 + [NONE] * 9, Rule(), step_mm=0.6)[0] == "positive"
    assert decide([UPPER_LEFT] * 3 + [NONE] * 9, Rule(), step_mm=2.5)[0] == "negative"
    assert decide([UPPER_LEFT] * 3, Rule(), step_mm=8.0)[0] == "positive"


def test_slices_far_apart_decide_nothing():
    assert decide([UPPER_LEFT] * 9, Rule(), step_mm=20.0) == ("undetermined", None, ("too_coarse",))


def test_of_a_series_stopped_early_nothing_negative_is_said():
    assert decide([NONE] * 9, Rule(), complete=False) == ("undetermined", None, ("stopped",))
    assert decide([UPPER_LEFT] * 9, Rule(), complete=False)[0] == "positive"


def test_small_lesions_are_dropped_and_large_ones_boxed():
    chances = np.zeros((40, 60), np.float32)
    chances[2:12, 3:13], chances[30:33, 50:53] = 0.8, 0.9
    kept, boxes = lesions_of(chances, chances > 0.5, Rule(min_area=50))
    assert kept.sum() == 100
    (box,) = boxes
    assert (box.x, box.y, box.width, box.height, box.area, box.likelihood) == (3, 2, 10, 10, 100, 0.8)
    assert quadrants_hit(kept, Rule()) == UPPER_LEFT


def test_a_sure_lesion_vouches_for_less_sure_ones_on_its_slice():
    chances = np.zeros((40, 60), np.float32)
    chances[2:12, 3:13], chances[25:35, 40:50] = 0.8, 0.99
    lesion, sure = chances > 0.5, chances > 0.9
    kept, boxes, counted = lesions_of_slice(chances, lesion, sure, Rule(min_area=50))
    assert (kept == lesion).all()
    assert len(boxes) == 2
    assert quadrants_hit(counted, Rule()) == LOWER_RIGHT
    # One of a few pixels vouches for nothing.
    crumb = sure & (np.arange(60) < 42)
    kept, boxes, counted = lesions_of_slice(chances, lesion, crumb, Rule(min_area=50))
    assert not kept.any()
    assert boxes == ()
    assert not counted.any()
