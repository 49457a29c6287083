"""Linear models of severity learn what maps tell, and no film is told by a model that saw its fold."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from small_trunk import write_small_trunk

import train.zone_models
from cxrtriage import nets
from cxrtriage.weights import Card, save_net, write_card
from train.settings import SettingsError
from train.severity import SeverityData, read_severity_settings
from train.zone_models import (
    PastedFilms,
    ZoneMeans,
    ZoneModels,
    fit_zone_model,
    train_zone_model,
    zone_means,
)


def films(number: int, random: np.random.Generator) -> tuple[SimpleNamespace, ZoneMeans]:
    """Films whose Brixia score goes with the first map, extent with the second, opacity with the third."""
    means = random.uniform(0, 1, (number, 6, 3))
    of_film = means.mean(axis=1)
    scored = np.arange(number) % 4 > 0
    means[~scored] *= 0.1
    truths = [
        SimpleNamespace(
            zones=3 * zones[:, 0] * ill,
            array=(zones[:, 0] > 0.5) * ill * 1.0,
            extent=8 * of[1] * ill,
            opacity=6 * of[2] * ill,
        )
        for zones, of, ill in zip(means, of_film, scored, strict=True)
    ]
    return SimpleNamespace(truths=truths, scored=scored), ZoneMeans(None, (1, 2), means, np.zeros((0, 6, 3)))


NOTHING = PastedFilms(np.zeros((0, 8, 8)), np.zeros((0, 8, 8)), np.zeros((0, 6)), np.zeros(0, int))


def test_what_maps_tell_is_learnt(monkeypatch):
    monkeypatch.setattr(train.zone_models, "_ZONE_PENALTY", 1.0)
    monkeypatch.setattr(train.zone_models, "_FILM_PENALTY", 1.0)
    monkeypatch.setattr(train.zone_models, "_ARRAY_PENALTY", 1.0)
    data, of = films(200, np.random.default_rng(1))
    model = fit_zone_model(data, NOTHING, of, np.ones(200, bool))
    other, asked = films(50, np.random.default_rng(2))
    said = model.told(torch.from_numpy(asked.means).float())
    for scale, values in (("zones", said.brixia), ("extent", said.extent), ("opacity", said.opacity)):
        truth = np.array([getattr(one, scale) for one in other.truths])
        ill = other.scored
        assert np.abs(values.numpy() - truth)[ill].mean() < 0.25, scale
    array = np.array([one.array for one in other.truths])
    assert ((said.array.numpy() > 0.5) == array).mean() > 0.9


def test_the_array_is_learnt_from_what_was_pasted_into_films_kept(monkeypatch):
    monkeypatch.setattr(train.zone_models, "_ARRAY_PENALTY", 1.0)
    data, of = films(80, np.random.default_rng(1))
    well = np.flatnonzero(~data.scored)
    random = np.random.default_rng(2)
    affected = (random.random((len(well), 6)) < 0.3).astype(float)
    affected[0, 3] = np.nan
    # What is pasted shows in the third map, of which the scored films' array says nothing.
    means = of.means[well] * 0.1
    means[..., 2] += 5 * np.nan_to_num(affected)
    pasted = PastedFilms(np.zeros((0, 8, 8)), np.zeros((0, 8, 8)), affected, well)
    with_pasted = ZoneMeans(None, (1, 2), of.means, means)
    asked = torch.from_numpy(means).float()
    keep = np.ones(80, bool)
    said = fit_zone_model(data, pasted, with_pasted, keep).told(asked).array.numpy()
    assert (said[affected == 1] > 0.5).mean() > 0.9
    keep[well] = False
    unseen = fit_zone_model(data, pasted, with_pasted, keep).told(asked).array.numpy()
    assert (unseen[affected == 1] > 0.5).mean() < (said[affected == 1] > 0.5).mean()


def test_films_without_a_score_are_not_learnt_from():
    data, of = films(60, np.random.default_rng(1))
    known = np.arange(60) % 3 > 0
    for truth in (one for one, of_it in zip(data.truths, known, strict=True) if not of_it):
        truth.zones = truth.array = np.full(6, np.nan)
        truth.extent = truth.opacity = np.nan
    one = fit_zone_model(data, NOTHING, of, np.ones(60, bool))
    other = fit_zone_model(data, NOTHING, of, known)
    for mine, theirs in zip(one.state_dict().values(), other.state_dict().values(), strict=True):
        assert torch.allclose(mine, theirs)


def test_a_fold_is_told_without_itself(scored_data, severity_config, trunk_folder, tmp_path, monkeypatch):
    runs = tmp_path / "runs"
    data = SeverityData(read_severity_settings(severity_config), runs)
    train_zone_model(data, "small", trunk_folder, trunk_folder)
    for path in (trunk_folder / "zone_model_small").iterdir():
        path.rename(trunk_folder / path.name)
    models = ZoneModels(data, trunk_folder)
    assert list(models.checksums) == ["zone_model_small"]
    assert 0 < models.share < 1
    kept = []
    monkeypatch.setattr(
        train.zone_models, "fit_zone_model", lambda *of: kept.append(of[3]) or fit_zone_model(*of)
    )
    folds = data.folds()
    index = np.flatnonzero(data.scored)
    said = models.said(index, folds)
    assert said["brixia"].shape == said["array"].shape == (len(index), 6)
    assert said["extent"].shape == said["opacity"].shape == (len(index),)
    # Test films are told by the shipped model, the folds each by one without it.
    assert len(kept) == 2
    assert [set(folds[keep]) for keep in kept] == [{1}, {0}]


def test_a_net_without_maps_by_stage_lends_none(scored_data, severity_config, trunk_folder, tmp_path):
    net = nets.build("corpus_vit", backbone="mobilenet_v2", classes=1, size=32, width=16, layers=2, heads=2)
    options = {"backbone": "mobilenet_v2", "classes": 1, "size": 32, "width": 16, "layers": 2, "heads": 2}
    sha256 = save_net(net, trunk_folder / "vit.safetensors")
    write_card(Card("vit", "", ("a",), "corpus_vit", options, {"size": 32}, sha256, "none"), trunk_folder)
    data = SeverityData(read_severity_settings(severity_config), tmp_path / "runs")
    with pytest.raises(SettingsError, match="vit"):
        zone_means(data, NOTHING, "vit", trunk_folder)


def test_a_model_of_another_net_is_not_asked(scored_data, severity_config, trunk_folder, tmp_path):
    data = SeverityData(read_severity_settings(severity_config), tmp_path / "runs")
    train_zone_model(data, "small", trunk_folder, trunk_folder)
    for path in (trunk_folder / "zone_model_small").iterdir():
        path.rename(trunk_folder / path.name)
    write_small_trunk(trunk_folder)
    with pytest.raises(SettingsError, match="another small"):
        ZoneModels(data, trunk_folder)
