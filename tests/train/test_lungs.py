"""The lung net learns from masks, also through pasted opacities."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from PIL import Image

from cxrtriage.nets.lungs import LUNG_CONVENTIONS
from cxrtriage.reading.lung_finder import LungFinder
from train.command import main
from train.lungs import LungFilms, dice, mask_images, read_lung_masks
from train.manifest import read_films
from train.pasting import paste_opacities
from train.settings import SettingsError


@pytest.fixture
def masks(tiny_data):
    """A mask of two lungs for every film; the north's follow the first convention."""
    (tiny_data / "lungs").mkdir()
    mask = np.zeros((64, 60), np.uint8)
    mask[16:48, 8:26] = mask[16:48, 34:52] = 255
    rows = []
    for film in read_films(tiny_data):
        Image.fromarray(mask).save(tiny_data / "lungs" / film.file)
        convention = LUNG_CONVENTIONS[film.source == "south"]
        rows.append({"file": film.file, "mask": film.file, "convention": convention})
    with (tiny_data / "lungs.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, ["file", "mask", "convention"])
        writer.writeheader()
        writer.writerows(rows)
    return tiny_data


@pytest.mark.slow
def test_two_steps_make_a_lung_net_that_finds_something(masks, tmp_path):
    path, runs = tmp_path / "lungs.yaml", tmp_path / "runs"
    path.write_text(
        "name: tiny_lungs\noptions: {decoder_channels: [16, 16, 8, 8, 8]}\ninput: {size: 32}\n"
        "batch: 4\nepochs: 1\nworkers: 0\n"
    )
    assert main(["lungs", "--config", str(path), "--steps", "2", "--runs", str(runs)]) == 0
    finder = LungFinder.load("tiny_lungs", runs / "tiny_lungs")
    assert finder.card.classes == LUNG_CONVENTIONS
    assert set(finder.card.figures["dice_test"]) == {"all", "north", "south", "lowest"}
    chances = finder.chances(np.zeros((2, 32, 32), np.uint8))
    assert chances.shape == (2, 32, 32)
    assert (chances >= 0).all()
    assert (chances <= 1).all()


def test_masks_are_read_with_their_convention_and_squashed_as_films_are(masks):
    truths = read_lung_masks(masks, read_films(masks))
    assert {(truth.row.source, truth.convention) for truth in truths} == {("north", 0), ("south", 1)}
    images = mask_images(truths[:2], 32)
    assert images.shape == (2, 32, 32)
    assert set(np.unique(images)) == {0, 1}
    assert images[0].mean() == pytest.approx(2 * 32 * 18 / (64 * 60), abs=0.03)


def test_what_is_missing_or_unknown_is_named(tiny_data):
    films = read_films(tiny_data)
    with pytest.raises(SettingsError, match=r"lungs.csv is not there"):
        read_lung_masks(tiny_data, films)
    (tiny_data / "lungs.csv").write_text(f"file,mask,convention\ngone.png,a,{LUNG_CONVENTIONS[0]}\n")
    with pytest.raises(SettingsError, match=r"film or convention of gone.png is not known"):
        read_lung_masks(tiny_data, films)
    (tiny_data / "lungs.csv").write_text(f"file,mask,convention\n{films[0].file},a,mine\n")
    with pytest.raises(SettingsError, match=r"film or convention of north-normal-0.png is not known"):
        read_lung_masks(tiny_data, films)


def test_opacities_brighten_the_lungs_and_nothing_far_from_them():
    lungs = np.zeros((64, 64), np.uint8)
    lungs[16:48, 8:26] = 1
    film = np.where(lungs, 40, 180).astype(np.uint8)
    random = np.random.default_rng(1)
    changed = [paste_opacities(film, lungs, 4, random)[0] for _ in range(20)]
    assert all(picture.dtype == np.uint8 for picture in changed)
    assert max(picture[lungs > 0].mean() for picture in changed) > 60
    for picture in changed:
        assert (picture[:, 40:] == film[:, 40:]).all()
        assert (picture >= film).all()
    assert (paste_opacities(film, np.zeros_like(lungs), 4, random)[0] == film).all()


def test_a_mask_moves_with_its_film():
    lungs = np.zeros((1, 64, 64), np.uint8)
    lungs[0, 16:48, 8:26] = lungs[0, 16:48, 38:56] = 1
    films = LungFilms(lungs * 200, lungs, [1], opacities=0)
    film, mask, convention = films[0]
    assert (film.shape, mask.shape, convention) == ((1, 64, 64), (64, 64), 1)
    assert set(mask.unique().tolist()) <= {0, 1}
    plain = LungFilms(lungs * 200, lungs, [1], None)[0]
    assert (plain[0][0].numpy() == lungs[0] * 200).all()


def test_dice_of_the_same_of_nothing_and_of_half():
    truth = np.zeros((3, 4, 4), bool)
    truth[0, :2] = truth[2, :2] = True
    found = truth.copy()
    found[2, 1:] = False
    assert dice(found, truth).tolist() == pytest.approx([1.0, 1.0, 2 / 3])
