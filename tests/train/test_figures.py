"""Figures of merit against scikit-learn, by hand, and by what they promise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score, precision_score, recall_score, roc_auc_score

from train.figures import (
    Counts,
    auroc,
    drawn_aurocs,
    drawn_thresholds,
    draws,
    flagged_shares,
    threshold_for,
)


def cohort(seed: int, films: int = 200, shift: float = 0.2) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    truths = random.random(films) < 0.4
    return np.clip(random.normal(0.4 + shift * truths, 0.2), 0, 1), truths


def test_auroc_is_scikit_learns_and_its_interval_holds_it():
    scores, truths = cohort(0)
    found = auroc(scores, truths)
    assert found.value == pytest.approx(roc_auc_score(truths, scores))
    assert found.low < found.value < found.high
    assert found.films == (int((~truths).sum()), int(truths.sum()))
    assert auroc(scores, np.zeros(200, bool)) is None


def test_the_interval_covers_the_true_value_about_as_often_as_it_says():
    from scipy.stats import norm

    true = norm.cdf(0.2 / np.hypot(0.2, 0.2))
    covered = 0
    for seed in range(40):
        random = np.random.default_rng(seed)
        truths = np.arange(120) < 50
        found = auroc(random.normal(0.2 * truths, 0.2), truths)
        covered += found.low <= true <= found.high
    assert covered >= 34  # 38 expected of 40; fewer than 34 would come up once in 100 runs at most


def test_films_of_one_patient_are_drawn_together():
    """Copies of a film add nothing: the interval is as wide as without them."""
    scores, truths = cohort(1, 80)
    patients = [str(number) for number in range(80)]
    once = auroc(scores, truths, patients)
    copied = auroc(np.tile(scores, 5), np.tile(truths, 5), patients * 5)
    naive = auroc(np.tile(scores, 5), np.tile(truths, 5))
    assert copied.high - copied.low == pytest.approx(once.high - once.low, rel=0.15)
    assert naive.high - naive.low < 0.6 * (once.high - once.low)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000), target=st.sampled_from([0.5, 0.7, 0.9, 0.95, 1.0]))
def test_a_threshold_holds_what_its_name_promises(seed, target):
    scores, truths = cohort(seed)
    sensitive = Counts.of(scores >= threshold_for(scores, truths, f"sensitivity_{target}"), truths)
    assert sensitive.recall >= target - 1e-9
    spare = Counts.of(scores >= threshold_for(scores, truths, f"specificity_{target}"), truths)
    assert spare.specificity >= target - 1e-9
    best = Counts.of(scores >= threshold_for(scores, truths, "youden"), truths)
    for cut in np.linspace(0, 1, 21):
        other = Counts.of(scores >= cut, truths)
        assert best.recall + best.specificity >= other.recall + other.specificity - 1e-9


def test_an_unknown_operating_point_is_named():
    with pytest.raises(ValueError, match="sensitivty"):
        threshold_for(*cohort(0), "sensitivty_0.9")


def test_counts_are_scikit_learns():
    scores, truths = cohort(2)
    calls = scores > 0.5
    counts = Counts.of(calls, truths)
    assert counts.precision == pytest.approx(precision_score(truths, calls))
    assert counts.recall == pytest.approx(recall_score(truths, calls))
    assert counts.f1 == pytest.approx(f1_score(truths, calls))
    assert counts.accuracy == pytest.approx((calls == truths).mean())


def test_a_thousand_weighted_aurocs_are_those_of_the_films_drawn():
    """What is summed over counts is what scikit-learn says of the films laid out one by one, ties and all."""
    scores, truths = cohort(3, 60)
    scores = scores.round(1)
    weights = draws(truths, rounds=20)
    for found, counts in zip(drawn_aurocs(scores, truths, weights), weights.astype(int), strict=True):
        index = np.repeat(np.arange(60), counts)
        assert found == pytest.approx(roc_auc_score(truths[index], scores[index]))


def test_weighted_thresholds_are_those_of_repeated_films():
    scores, truths = cohort(6, 50)
    counts = np.random.default_rng(0).integers(1, 4, 50)
    for point in ("sensitivity_0.90", "specificity_0.70", "youden"):
        weighted = drawn_thresholds(scores, truths, point, counts[None].astype(float))[0]
        assert weighted == pytest.approx(
            threshold_for(np.repeat(scores, counts), np.repeat(truths, counts), point)
        )


def test_every_draw_holds_both_classes_and_as_many_patients_as_there_are():
    truths = np.arange(30) < 1
    drawn = draws(truths, rounds=200)
    assert (drawn[:, truths].sum(axis=1) > 0).all()
    assert (drawn.sum(axis=1) == 30).all()
    together = draws(truths, ["a", "a", *(str(number) for number in range(28))], rounds=200)
    assert (together[:, 0] == together[:, 1]).all()


def test_the_bootstrap_is_the_same_every_time():
    _, truths = cohort(5)
    assert (draws(truths, rounds=20) == draws(truths, rounds=20)).all()


def test_sensitivity_and_specificity_lie_in_their_intervals():
    scores, truths = cohort(7)
    flagged = scores > 0.5
    counts = Counts.of(flagged, truths)
    sensitivity, specificity = flagged_shares(flagged, truths)
    assert sensitivity.value == pytest.approx(counts.recall)
    assert specificity.value == pytest.approx(counts.specificity)
    for found in (sensitivity, specificity):
        assert found.low < found.value < found.high
    assert flagged_shares(flagged, np.ones(200, bool)) == (None, None)


def test_a_share_of_no_films_is_none_and_not_a_number():
    values = Counts(0, 0, 0, 5).to_dict()
    assert values["recall"] is None
    assert values["specificity"] == 1
