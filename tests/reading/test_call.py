"""When a score is called, and when it is too uncertain to."""

from __future__ import annotations

import math
from statistics import pstdev

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cxrtriage.reading.call import class_score, entropy, logit
from cxrtriage.weights import OperatingPoint

shares = st.floats(0, 1)


def point(threshold: float, spread: float = 0.0) -> OperatingPoint:
    return OperatingPoint(threshold, (threshold, threshold), 0.9, 0.7, "films", spread=spread)


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


@pytest.mark.parametrize(
    ("probability", "call"),
    [(0.2, "not_flagged"), (0.39, "not_flagged"), (0.41, "uncertain"), (0.5, "uncertain"),
     (0.59, "uncertain"), (0.61, "flagged"), (1.0, "flagged")],
)  # fmt: skip
def test_one_net_is_uncertain_within_the_points_spread(probability, call):
    score = class_score([probability], "youden", point(0.5, spread=logit(0.6)))
    assert score.call == call
    assert score.interval == pytest.approx((0.4, 0.6))


def test_one_net_without_a_spread_has_no_uncertain_middle():
    score = class_score([0.5], "youden", point(0.5))
    assert (score.call, score.interval) == ("flagged", (0.5, 0.5))


def test_the_band_is_as_wide_as_the_nets_disagree_in_logits():
    members = [sigmoid(z) for z in (0.0, 1.0, 2.0)]
    score = class_score(members, "youden", point(0.2, spread=9.0))  # the point's spread is for one net
    half = pstdev([0.0, 1.0, 2.0])
    middle = logit(0.2)
    assert score.interval == pytest.approx((sigmoid(middle - half), sigmoid(middle + half)))
    assert score.call == "flagged"


@pytest.mark.parametrize(
    ("members", "threshold", "call"),
    [
        ([0.80, 0.82, 0.78], 0.5, "flagged"),
        ([0.10, 0.12, 0.08], 0.5, "not_flagged"),
        ([0.05, 0.60, 0.45], 0.5, "uncertain"),  # the threshold lies within their disagreement
        ([0.36, 0.66, 0.60, 0.58], 0.37, "uncertain"),  # outside that, but split, and hardly sure
        ([0.61, 0.90, 0.90, 0.90], 0.62, "flagged"),  # split, but sure enough together
        ([0.05, 0.05, 0.05, 0.32], 0.30, "not_flagged"),
    ],
)
def test_several_nets_are_uncertain_where_they_disagree(members, threshold, call):
    assert class_score(members, "youden", point(threshold)).call == call


def test_the_probability_is_that_of_the_mean_log_odds_and_the_point_is_told():
    score = class_score([0.2, 0.4], "youden", point(0.9))
    odds = math.sqrt(0.2 / 0.8 * 0.4 / 0.6)
    assert score.probability == pytest.approx(odds / (1 + odds))
    assert (score.operating_point, score.threshold_source, score.population) == ("youden", "card", "films")
    assert (score.sensitivity, score.specificity) == (0.9, 0.7)


def test_a_net_that_is_sure_of_every_film_keeps_its_order_among_others():
    """Of two films of which the others say the same; in a mean of probabilities they would hardly differ."""
    more, less = (class_score([0.2, 0.3, sure], "youden", point(0.5)) for sure in (0.9999, 0.99))
    assert more.probability > less.probability + 0.1


def test_each_net_moves_the_score_by_as_much_as_its_own_deviation_is():
    """One net's log odds vary three times as much: a third of its weight, so that a change of its own
    deviation moves the mean as far as the other's does."""
    deviations = [3.0, 1.0]
    score = class_score([sigmoid(2.0), sigmoid(-1.0)], "youden", point(0.5), deviations).probability
    assert logit(score) == pytest.approx((2.0 / 3 - 1.0) / (1 / 3 + 1))
    one = class_score([sigmoid(5.0), sigmoid(-1.0)], "youden", point(0.5), deviations).probability
    other = class_score([sigmoid(2.0), sigmoid(0.0)], "youden", point(0.5), deviations).probability
    assert logit(one) == pytest.approx(logit(other))
    alike = class_score([sigmoid(2.0), sigmoid(-1.0)], "youden", point(0.5), [2.0, 2.0]).probability
    assert logit(alike) == pytest.approx(0.5)


@given(st.lists(shares, min_size=1, max_size=5))
def test_the_score_lies_between_those_of_the_nets(members):
    score = class_score(members, "youden", point(0.5)).probability
    assert min(members) - 2e-6 <= score <= max(members) + 2e-6  # finite log odds of 0 and 1


@given(st.lists(shares, min_size=1, max_size=5), shares, st.floats(0, 20))
def test_any_scores_and_thresholds_give_a_band_around_the_threshold(members, threshold, spread):
    score = class_score(members, "p", point(threshold, spread))
    low, high = score.interval
    assert 0 <= low <= threshold <= high <= 1
    assume(score.call != "uncertain")
    assert (score.call == "flagged") == (score.probability >= threshold)


@given(st.floats(1e-5, 1 - 1e-5))
def test_logit_undoes_the_sigmoid(probability):
    assert sigmoid(logit(probability)) == pytest.approx(probability, rel=1e-6)


def test_entropy_is_a_bit_at_a_half_and_nothing_where_sure():
    assert (entropy(0.0), entropy(0.5), entropy(1.0)) == (0, 1, 0)
    assert entropy(0.37) == pytest.approx(0.95, abs=0.002)
