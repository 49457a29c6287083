"""What is drawn, and how often."""

from __future__ import annotations

import numpy as np
import pytest

from train.films import Labelled, cached_images, draw_weights, labelled
from train.manifest import read_films
from train.settings import read_settings


def test_classes_are_drawn_evenly_within_each_source_and_sources_by_their_share(tiny_data, tiny_config):
    settings = read_settings(tiny_config, sources={"north": 3, "south": 1})
    films = labelled(read_films(tiny_data), settings)
    # Make it uneven: the south keeps one ill film only.
    kept = [i for i, row in enumerate(films.rows) if row.source == "north" or films.targets[i] == 0]
    kept.append(next(i for i, row in enumerate(films.rows) if row.source == "south" and films.targets[i]))
    films = Labelled(tuple(films.rows[i] for i in kept), tuple(films.targets[i] for i in kept))
    weights = draw_weights(films, settings.sources)
    share = {}
    for row, target, weight in zip(films.rows, films.targets, weights, strict=True):
        share[row.source, target] = share.get((row.source, target), 0) + weight
    assert share["north", 0] == pytest.approx(share["north", 1]) == pytest.approx(1.5)
    assert share["south", 0] == pytest.approx(share["south", 1]) == pytest.approx(0.5)


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
    assert first.shape == (5, 32, 32)
    assert first.dtype == np.uint8


def test_a_cache_that_was_cut_off_is_not_taken_for_whole(tiny_data, tiny_config, tmp_path, monkeypatch):
    from train import films as films_module

    settings, rows, real = read_settings(tiny_config), read_films(tiny_data)[:5], films_module.read_film
    left = iter(range(2))

    def cut_off(path):
        next(left)
        return real(path)

    monkeypatch.setattr("train.films.read_film", cut_off)
    with pytest.raises(StopIteration):
        cached_images(rows, settings.input, tmp_path / "cache")
    monkeypatch.setattr("train.films.read_film", real)
    assert np.array(cached_images(rows, settings.input, tmp_path / "cache")).min(axis=(1, 2)).shape == (5,)
    assert all(image.std() > 0 for image in cached_images(rows, settings.input, tmp_path / "cache"))
