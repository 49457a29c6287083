"""What a positive means at a prevalence, in people."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrtriage.reading.prevalence import Group, group_at

shares = st.floats(0, 1)


def test_ten_in_a_hundred():
    group = group_at(0.10, 0.90, 0.70)
    assert group == Group(1000, 100, 360, 90, pytest.approx(0.25), pytest.approx(10 / 640))
    assert (group.below, group.below_ill) == (640, 10)


def test_nobody_is_ill():
    group = group_at(0.0, 0.90, 0.70)
    assert (group.people, group.ill, group.above, group.above_ill, group.below_ill) == (1000, 0, 300, 0, 0)
    assert (group.above_chance, group.below_chance) == (0, 0)


def test_everybody_is_ill():
    group = group_at(1.0, 0.90, 0.70)
    assert (group.ill, group.above, group.above_ill, group.below, group.below_ill) == (
        1000,
        900,
        900,
        100,
        100,
    )
    assert (group.above_chance, group.below_chance) == (1, 1)


def test_where_nobody_is_above_or_below_there_is_no_chance():
    nobody_above = group_at(0.0, 0.90, 1.0)
    assert (nobody_above.above, nobody_above.above_chance, nobody_above.below_chance) == (0, None, 0)
    nobody_below = group_at(1.0, 1.0, 0.70)
    assert (nobody_below.below, nobody_below.below_chance, nobody_below.above_chance) == (0, None, 1)


@pytest.mark.parametrize(
    ("prevalence", "people"), [(0.5, 1_000), (0.01, 1_000), (0.005, 10_000), (2e-4, 100_000)]
)
def test_a_rare_disease_is_told_of_more_people(prevalence, people):
    group = group_at(prevalence, 0.90, 0.70)
    assert group.people == people
    assert group.ill >= 10
    assert group.below_ill >= 1


@pytest.mark.parametrize("shares_given", [(-0.1, 0.9, 0.7), (0.1, 1.1, 0.7), (0.1, 0.9, float("nan"))])
def test_what_is_no_share_is_refused(shares_given):
    with pytest.raises(ValueError, match=r"must be in 0\.\.1"):
        group_at(*shares_given)


@given(shares, shares, shares)
def test_the_people_add_up_and_the_chances_are_bayes(prevalence, sensitivity, specificity):
    group = group_at(prevalence, sensitivity, specificity)
    assert 0 <= group.above_ill <= min(group.ill, group.above)
    assert 0 <= group.below_ill <= group.below
    assert group.above + group.below == group.people
    for chance in (group.above_chance, group.below_chance):
        assert chance is None or 0 <= chance <= 1
    above = prevalence * sensitivity + (1 - prevalence) * (1 - specificity)
    if group.above_chance is not None:
        assert group.above_chance * above == pytest.approx(prevalence * sensitivity)
