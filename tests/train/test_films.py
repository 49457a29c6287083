"""What is drawn, and how often."""

from __future__ import annotations

import numpy as np
import pytest

from cxrtriage.film.read import read_film
from cxrtriage.reading.input_form import InputForm
from train.films import (
    FilmImages,
    cached_images,
    class_weights,
    draw_weights,
    found_lungs,
    labelled,
    source_offsets,
    taught,
)
from train.manifest import read_films
from train.settings import read_settings


def shares(rows, weights) -> dict[tuple[str, str], float]:
    found: dict[tuple[str, str], float] = {}
    for row, weight in zip(rows, weights, strict=True):
        found[row.source, row.label] = found.get((row.source, row.label), 0.0) + weight
    return found


def test_labels_are_drawn_by_the_root_of_their_number_and_sources_by_their_share(tiny_data):
    rows = read_films(tiny_data)
    # Make it uneven: the south keeps one ill film beside its seven normal ones, cut to four.
    south = [row for row in rows if row.source == "south"]
    normal = [row for row in south if row.label == "normal"][:4]
    ill = [row for row in south if row.label == "tuberculosis"][:1]
    rows = [row for row in rows if row.source == "north"] + normal + ill
    share = shares(rows, draw_weights(rows, {"north": 3, "south": 1}))
    assert share["north", "normal"] == pytest.approx(share["north", "tuberculosis"]) == pytest.approx(1.5)
    # Four to one by number is two to one by chance.
    assert share["south", "normal"] == pytest.approx(2 / 3)
    assert share["south", "tuberculosis"] == pytest.approx(1 / 3)


def test_a_class_is_learnt_against_normal_films_first(tiny_data, tiny_config):
    settings = read_settings(tiny_config, classes=["tuberculosis", "covid19"])
    films = labelled(read_films(tiny_data), settings)
    assert films.truths.shape == (28, 2)
    weights = class_weights(films, 0.3)
    for row, of_tuberculosis, of_covid in zip(films.rows, *weights.T, strict=True):
        assert of_tuberculosis == 1
        assert of_covid == (1 if row.label == "normal" else 0.3)


def test_films_that_teach_nothing_are_not_drawn(tiny_data, tiny_config):
    """Of a net for covid19 against normal films, those of tuberculosis; unless they count."""
    alone = {"classes": ["covid19"], "labels": ["normal", "tuberculosis"], "other_diseases": 0.0}
    for changes, labels in (
        ({}, {"normal"}),
        ({"other_diseases": 0.3}, {"normal", "tuberculosis"}),
        ({"findings": ["opacity"]}, {"normal", "tuberculosis"}),
    ):
        settings = read_settings(tiny_config, **{**alone, **changes})
        films = taught(labelled(read_films(tiny_data), settings), settings)
        assert {row.label for row in films.rows} == labels
        assert len(films.truths) == len(films.rows)


def test_an_unknown_target_weighs_nothing():
    images = np.zeros((3, 1, 8, 8), np.uint8)
    films = FilmImages(images, np.array([2, 0]), np.array([[1, np.nan], [0, 1]]), np.ones((2, 2)), [0, 1])
    assert len(films) == 2
    film, targets, weights, source = films[0]
    assert film.shape == (1, 8, 8)
    assert (targets.tolist(), weights.tolist(), source) == ([1, 0], [1, 0], 0)


def test_children_and_other_labels_are_left_out(data_folder, tiny_config):
    settings = read_settings(tiny_config, sources={"kermany": 1, "nih": 1, "shenzhen": 1})
    films = labelled(read_films(data_folder), settings)
    assert {row.label for row in films.rows} == {"normal", "tuberculosis"}
    assert all(row.adult is not False for row in films.rows)
    assert {row.source for row in films.rows} == {"nih", "shenzhen"}


def test_films_are_decoded_once_and_come_back_the_same(tiny_data, tiny_config, tmp_path, monkeypatch):
    settings = read_settings(tiny_config)
    rows = read_films(tiny_data)[:5]
    first = np.array(cached_images(rows, settings.input, tmp_path / "cache"))
    monkeypatch.setattr("train.films.read_film", lambda path: pytest.fail("decoded twice"))
    assert (np.array(cached_images(rows, settings.input, tmp_path / "cache")) == first).all()
    assert first.shape == (5, 1, 32, 32)
    assert first.dtype == np.uint8


def test_a_cache_that_was_cut_off_is_not_taken_for_whole(tiny_data, tiny_config, tmp_path, monkeypatch):
    from train import films as films_module

    settings, rows, real = read_settings(tiny_config), read_films(tiny_data)[:5], films_module.read_film
    last = rows[3].path

    def cut_off(path):
        if path == last:
            raise OSError("the disk is full")
        return real(path)

    monkeypatch.setattr("train.films.read_film", cut_off)
    with pytest.raises(OSError, match="full"):
        cached_images(rows, settings.input, tmp_path / "cache")
    monkeypatch.setattr("train.films.read_film", real)
    assert np.array(cached_images(rows, settings.input, tmp_path / "cache")).shape == (5, 1, 32, 32)
    assert all(image.std() > 0 for image in cached_images(rows, settings.input, tmp_path / "cache"))


def test_lungs_are_found_once_and_come_back_the_same(tiny_data, tiny_lungs, tmp_path, monkeypatch):
    rows = read_films(tiny_data)[:5]
    first = found_lungs(rows, tiny_lungs, tmp_path / "cache")
    monkeypatch.setattr(tiny_lungs, "chances", lambda images: pytest.fail("found twice"))
    again = found_lungs(rows, tiny_lungs, tmp_path / "cache")
    assert set(first) == set(again) == {row.file for row in rows}
    for row in rows:
        assert again[row.file].box == pytest.approx((0.25, 0.125, 0.75, 0.875))
        assert (again[row.file].mask == first[row.file].mask).all()
        assert (again[row.file].found, again[row.file].codes) == (2, ())


def test_films_where_no_lungs_were_found_say_so_from_the_cache_too(
    tiny_data, tiny_lungs, tmp_path, monkeypatch
):
    rows = read_films(tiny_data)[:3]
    monkeypatch.setattr(tiny_lungs, "chances", lambda images: np.zeros((len(images), 32, 32), np.float32))
    for lungs in found_lungs(rows, tiny_lungs, tmp_path / "cache").values():
        assert (lungs.box, lungs.found, lungs.codes) == (None, 0, ("no_lungs",))


def test_the_second_channel_is_where_the_lungs_lie(tiny_data, tiny_lungs, tiny_crop, tmp_path):
    form = InputForm.from_dict(tiny_crop["input"])
    rows = read_films(tiny_data)[:3]
    lungs = found_lungs(rows, tiny_lungs, tmp_path / "cache")
    images = cached_images(rows, form, tmp_path / "cache", lungs, tiny_lungs.card.sha256)
    assert images.shape == (3, 2, 32, 32)
    assert set(np.unique(images[:, 1])) == {0, 255}
    film = read_film(rows[0].path)
    assert (images[0, 0] == form.image(film, lungs[rows[0].file])).all()
    assert (images[0, 1] == form.lung_picture(film, lungs[rows[0].file])).all()


def test_offsets_are_the_log_odds_of_what_is_drawn_of_a_source_and_bounded(tiny_data, tiny_config):
    settings = read_settings(tiny_config)
    films = labelled(read_films(tiny_data), settings)
    # Of the south one film alone is without the class.
    kept = films.where(
        lambda row: row.source == "north" or row.label == "tuberculosis" or row.file.endswith("-0.png")
    )
    offsets = source_offsets(kept, {"north": 3.0, "south": 1.0, "west": 1.0}, 0.5, 1.0)
    assert offsets.shape == (3, 1)
    assert offsets[0, 0] == pytest.approx(0)
    # Draws go by the square root of the numbers: 7 with, 1 without.
    assert offsets[1, 0] == pytest.approx(0.5 * np.log(7))
    assert offsets[2, 0] == 0  # no film of it
    alone = films.where(lambda row: row.label == "tuberculosis")
    assert source_offsets(alone, {"north": 1.0, "south": 1.0}, 0.5, 2.0)[0, 0] == 2
