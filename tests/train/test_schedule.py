"""Courses of the learning rate."""

from __future__ import annotations

import pytest
import torch

from train.learner import Learner
from train.schedule import SCHEDULES
from train.settings import Settings, SettingsError


def rates(name: str, steps: int, warmup: float) -> list[float]:
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    schedule = SCHEDULES[name](optimiser, steps, warmup)
    found = []
    for _ in range(steps):
        found.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        schedule.step()
    return found


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_rate_rises_to_its_full_height_and_falls(name):
    found = rates(name, 100, 0.1)
    assert found[:10] == pytest.approx([(n + 1) / 10 for n in range(10)])
    assert max(found) == 1
    assert sorted(found[10:], reverse=True) == found[10:]


def test_steps_are_tenths_after_every_third():
    assert sorted(set(rates("step", 100, 0.1)[10:]), reverse=True) == pytest.approx([1, 0.1, 0.01])
    assert rates("step", 100, 0.1)[10:].count(1.0) == 30


def test_an_unknown_optimiser_is_named():
    learner = Learner(Settings("x", "mobilenet_v2", optimiser="lion"))  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="adamw, adam, sgd"):
        learner.configure_optimizers()
