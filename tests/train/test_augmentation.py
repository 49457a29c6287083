"""Augmentations keep a film a film."""

from __future__ import annotations

import pytest
import torch

from train.augmentation import (
    ChestRandAugment,
    SourceDisguise,
    batch_erasing,
    film_augmentation,
    mixed_styles,
    only_lungs,
)
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


@pytest.fixture
def film_and_lungs() -> torch.Tensor:
    """(2, 64, 64) uint8: a film that is bright in its lungs, and where they lie."""
    lungs = torch.zeros(64, 64, dtype=torch.uint8)
    lungs[16:48, 10:26] = lungs[16:48, 38:54] = 255
    return torch.stack([lungs, lungs])


MOVES = ("rotate", "shear_x", "shear_y", "translate_x", "translate_y")


@pytest.mark.parametrize("operation", ChestRandAugment.OPERATIONS)
def test_the_lungs_move_with_the_film_and_keep_their_shade(film_and_lungs, operation):
    out = ChestRandAugment.apply(film_and_lungs, operation, 0.5)
    assert out.shape == film_and_lungs.shape
    if operation in MOVES:
        assert torch.equal(out[0], out[1])
        assert not torch.equal(out[1], film_and_lungs[1])
    else:
        assert torch.equal(out[1], film_and_lungs[1])


def test_the_disguise_moves_both_and_shades_the_film_alone(film_and_lungs):
    disguise = SourceDisguise(Disguise(gamma=2.0, blur=0.0, noise=0.0, stretch=0.2, coarsen=1.0))
    torch.manual_seed(0)
    for _ in range(10):
        film, lungs = disguise(film_and_lungs)
        # Wherever the lungs are whole the film is bright, whatever its gamma.
        assert (film[lungs == 255] == 255).all()
        assert (film[lungs == 0] == 0).all()
        # Two values but for the border, where they blend.
        assert ((lungs > 20) & (lungs < 235)).float().mean() < 0.1
        assert 0.15 < (lungs > 127).float().mean() < 0.4


def test_the_flip_turns_both(film_and_lungs):
    flip = film_augmentation(Augmentation(erasing=None, randaugment=None, flip=1.0))
    film = film_and_lungs.clone()
    film[:, :, :32] = 0
    assert torch.equal(flip(film), film.flip(-1))


def test_only_the_lungs_are_left_in_the_share_asked_for():
    torch.manual_seed(0)
    films = torch.randint(1, 256, (200, 1, 8, 8), dtype=torch.uint8)
    lungs = torch.zeros(200, 1, 8, 8, dtype=torch.bool)
    lungs[..., 2:6] = True
    assert torch.equal(only_lungs(films, lungs, 0.0), films)
    assert torch.equal(only_lungs(films, lungs, 1.0), films * lungs)
    half = only_lungs(films, lungs, 0.5)
    masked = (half == films * lungs).flatten(1).all(dim=1)
    whole = (half == films).flatten(1).all(dim=1)
    assert (masked | whole).all()
    assert 70 < masked.sum() < 130


def test_mixing_styles_with_nothing_changes_nothing():
    films = torch.randint(0, 256, (4, 1, 33, 48), dtype=torch.uint8)
    assert torch.equal(mixed_styles(films, 0.0), films.float())


@pytest.mark.parametrize("size", [(32, 32), (33, 48), (160, 160)])
def test_mixed_styles_are_films_of_the_same_form(size):
    torch.manual_seed(0)
    films = torch.randint(0, 256, (6, 1, *size), dtype=torch.uint8)
    mixed = mixed_styles(films, 1.0)
    assert mixed.shape == films.shape
    assert torch.isfinite(mixed).all()
    assert not torch.equal(mixed, films.float())
    # The mean, the lowest frequency, comes from between two films.
    means = films.float().mean(dim=(1, 2, 3))
    assert (mixed.mean(dim=(1, 2, 3)) >= means.min() - 1e-2).all()
    assert (mixed.mean(dim=(1, 2, 3)) <= means.max() + 1e-2).all()


def test_a_style_shared_by_all_stays():
    film = torch.randint(0, 256, (1, 1, 40, 40), dtype=torch.uint8).expand(3, -1, -1, -1)
    torch.testing.assert_close(mixed_styles(film, 1.0), film.float(), atol=1e-2, rtol=1e-3)


def test_bands_are_changed_within_their_share_and_nothing_else():
    from cxrtriage.reading.input_form import bands_of

    still = {"rotation": 0, "scale": 0, "shift": 0, "gamma": 0, "blur": 0, "noise": 0}
    torch.manual_seed(0)
    film = torch.randint(90, 160, (1, 96, 96), dtype=torch.uint8)
    assert torch.equal(SourceDisguise(Disguise(**still))(film), film)
    changed = SourceDisguise(Disguise(**still, bands=0.3))(film)
    for own, new in zip(bands_of(film[0].numpy())[0], bands_of(changed[0].numpy())[0], strict=True):
        assert 0.7 < new.std() / own.std() < 1.4
    assert not torch.equal(changed, film)
