"""Augmentations keep a film a film."""

from __future__ import annotations

import pytest
import torch

from train.augmentation import ChestRandAugment, SourceDisguise, batch_erasing, film_augmentation
from train.settings import Augmentation, Disguise, Erasing, RandAugment


@pytest.fixture
def film() -> torch.Tensor:
    torch.manual_seed(0)
    return torch.randint(0, 256, (1, 48, 48), dtype=torch.uint8)


@pytest.mark.parametrize("operation", ChestRandAugment.OPERATIONS)
@pytest.mark.parametrize("strength", [-1.0, -0.3, 0.3, 1.0])
def test_every_operation_gives_a_film_of_the_same_form(film, operation, strength):
    out = ChestRandAugment.apply(film, operation, strength)
    assert out.shape == film.shape
    assert out.dtype == torch.uint8
    if operation == "identity":
        assert torch.equal(out, film)


def test_no_operation_inverts_a_film():
    ramp = torch.arange(48, dtype=torch.uint8).repeat(48, 1)[None] * 5
    for operation in ChestRandAugment.OPERATIONS:
        out = ChestRandAugment.apply(ramp, operation, 0.3).float()
        middle = out[0, 16:32, 16:32]
        assert middle[:, -1].mean() > middle[:, 0].mean(), operation


def test_each_part_is_a_switch(film):
    off = film_augmentation(Augmentation(erasing=None, randaugment=None, flip=0.0, disguise=None))
    assert torch.equal(off(film), film)
    flip = film_augmentation(Augmentation(erasing=None, randaugment=None, flip=1.0, disguise=None))
    assert torch.equal(flip(film), film.flip(-1))
    torch.manual_seed(1)
    paper = film_augmentation(Augmentation(erasing=None, randaugment=RandAugment(), flip=0.0))
    assert any(not torch.equal(paper(film), film) for _ in range(10))
    disguise = SourceDisguise(Disguise())
    assert not torch.equal(disguise(film), film)
    assert disguise(film).dtype == torch.uint8


def test_erasing_has_the_papers_share_area_and_aspect():
    assert batch_erasing(None) is None
    erase = batch_erasing(Erasing())
    torch.manual_seed(0)
    areas, times = [], 0
    for _ in range(400):
        hidden = erase(torch.ones(1, 100, 100))[0] == 0
        if hidden.any():
            times += 1
            rows, columns = hidden.any(dim=1).sum().item(), hidden.any(dim=0).sum().item()
            assert hidden.sum() == rows * columns
            assert 0.25 < rows / columns < 4
            areas.append(rows * columns / 10_000)
    assert 150 < times < 250
    assert min(areas) > 0.01
    assert 0.3 < max(areas) <= 0.42
