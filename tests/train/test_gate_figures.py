"""Thresholds of the gate out of what it says of validation films."""

from __future__ import annotations

from train.gate_figures import _sure_of_view


def test_a_view_is_said_from_where_on_enough_of_them_are_right():
    right = [(0.9, "AP"), (0.1, "PA")] * 50
    wrong = [(0.61, "PA")] * 4
    assert _sure_of_view(right) == 0.5
    assert _sure_of_view(right + wrong) == 0.62
    assert _sure_of_view([(0.99, "PA")] * 20) == 0.98
