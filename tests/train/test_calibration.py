"""Calibration: what was put in is found, and what is known by hand comes out."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss

from cxrtriage.reading.member import sigmoid
from train.calibration import (
    brier,
    calibrated,
    calibration_error,
    logit,
    platt_for,
    reliability,
    temperature_for,
)


def cohort(shift: float = 0.0, films: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """Logits that are right but for `shift`, and truths drawn from them."""
    random = np.random.default_rng(4)
    logits = random.normal(0, 2, films)
    return logits, random.random(films) < sigmoid(logits + shift)


def test_the_temperature_that_was_put_in_is_found():
    logits, truths = cohort()
    found = temperature_for(logits * 3, truths)
    assert found.temperature == pytest.approx(3, rel=0.1)
    assert found.shift == 0


def test_temperature_and_shift_that_were_put_in_are_found():
    logits, truths = cohort(shift=-1.5)
    found = platt_for(logits * 3, truths)
    assert found.temperature == pytest.approx(3, rel=0.1)
    assert found.shift == pytest.approx(-1.5, rel=0.1)
    before = calibration_error(sigmoid(logits * 3), truths)
    assert calibration_error(sigmoid(calibrated(logits * 3, found)), truths) < 0.03 < before


def test_platt_is_scikit_learns_logistic_regression():
    logits, truths = cohort(shift=0.7)
    reference = LogisticRegression(C=1e6).fit(logits[:, None], truths)
    found = platt_for(logits, truths)
    assert 1 / found.temperature == pytest.approx(reference.coef_[0, 0], rel=0.01)
    assert found.shift == pytest.approx(reference.intercept_[0], rel=0.02)


def test_a_class_told_apart_without_fault_is_not_called_certain():
    found = platt_for(np.array([-2.0, -1.0, 1.0, 2.0]), np.array([False, False, True, True]))
    assert sigmoid(calibrated(np.array([5.0]), found))[0] < 0.999
    assert found.temperature > 0


def test_a_net_that_is_wrong_is_not_turned_round():
    logits, truths = cohort()
    assert platt_for(logits, ~truths).temperature > 1


def test_calibration_error_of_a_net_that_is_always_sure_is_its_error():
    truths = np.array([True, False, False, True])
    assert calibration_error(np.array([1.0, 1.0, 0.0, 1.0]), truths) == pytest.approx(0.25)
    assert calibration_error(np.array([1.0, 0.0, 0.0, 1.0]), truths) == 0


def test_steps_hold_every_film_once_and_those_without_films_are_left_out():
    logits, truths = cohort()
    steps = reliability(sigmoid(logits), truths)
    assert sum(step["films"] for step in steps) == len(truths)
    assert len(reliability(np.array([0.05, 1.0]), np.array([False, True]))) == 2


def test_brier_is_scikit_learns_and_the_logit_undoes_the_sigmoid():
    logits, truths = cohort()
    assert brier(sigmoid(logits), truths) == pytest.approx(brier_score_loss(truths, sigmoid(logits)))
    assert logit(sigmoid(logits)) == pytest.approx(logits)
    assert np.isfinite(logit(np.array([0.0, 1.0]))).all()
