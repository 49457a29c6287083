"""The last layer that is fitted first: what it learns, what it leaves alone, what it asks for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file

from cxrtriage.reading.member import Member
from train.fit import Pictures, fit
from train.manifest import data_folder, read_films
from train.opacity_finder import OpacitySettings, train_opacities
from train.settings import SettingsError, read_settings
from train.severity import severity_settings

ZONES = {"pooling": "zones", "zone_levels": 3, "dropout": 0.0}


def zoned(config: Path, **changes: object):
    """Settings of a fit of the last layer alone."""
    whole = {"name": "zoned", "options": ZONES, "epochs": 0, "refit": {"penalty": 1.0, "norms": False}}
    return read_settings(config, **{**whole, **changes})


def logits_of(settings, runs: Path) -> tuple[np.ndarray, np.ndarray]:
    """(films, 1) logits and truths of the training films."""
    pictures = Pictures(settings, read_films(data_folder()), runs)
    train = pictures.films.split("train")
    member = Member.load(settings.run, runs / settings.run)
    return member.logits(pictures.of(train.rows))[:, 0], train.truths[:, 0]


def test_the_last_layer_tells_the_films_it_was_fitted_on_and_the_backbone_stays(
    tiny_data, tiny_config, tmp_path
):
    runs = tmp_path / "runs"
    fit(read_settings(tiny_config, name="start", options={}, findings=["opacity"]), runs, steps=1)
    card = fit(zoned(tiny_config, start={"findings": "start"}), runs)
    assert card.options["pooling"] == "zones"
    logits, truths = logits_of(zoned(tiny_config, start={"findings": "start"}), runs)
    assert logits[truths].min() > logits[~truths].max()
    before, after = (load_file(runs / name / f"{name}.safetensors") for name in ("start", "zoned"))
    backbone = [key for key in after if key.startswith("backbone.")]
    assert backbone
    assert all(torch.equal(before[key], after[key]) for key in backbone)


def test_a_net_of_marks_is_told_from_a_finder_and_says_what_that_had_seen(
    scored_data, severity_config, tiny_config, tiny_crop, tmp_path
):
    runs = tmp_path / "runs"
    of_films = severity_settings(yaml.safe_load(severity_config.read_text()), "severity")
    finder = OpacitySettings(
        severity=of_films, epochs=1, batch=2, films_per_epoch=4, workers=0, average=0.0, name="marks",
        scored=0.5,
    )  # fmt: skip
    train_opacities(finder, runs)
    options = {"pooling": "marks", "margin": 0.08, "dropout": 0.0}
    form = {**tiny_crop["input"], "size": 96, "mask": True}
    settings = zoned(
        tiny_config, architecture="opacity_maps", options=options, start={"opacities": "marks"},
        lungs="lungs", input=form, sources={"north": 1},
    )  # fmt: skip
    card = fit(settings, runs)
    assert card.architecture == "opacity_maps"
    assert card.input["mask"]
    # The finder's well films are the north's normal ones; the south's were scored for it.
    told = {part["source"]: part["films"] for part in card.training_data}
    assert told == {"north": {"normal": 3, "tuberculosis": 3}, "south": {"scored": 10}}
    logits, _ = logits_of(settings, runs)
    assert np.isfinite(logits).all()


def test_a_firmer_penalty_says_less_and_norms_are_those_of_the_films(tiny_data, tiny_config, tmp_path):
    runs = tmp_path / "runs"
    for name, penalty in (("loose", 1.0), ("firm", 1000.0)):
        fit(zoned(tiny_config, name=name, refit={"penalty": penalty, "norms": True}), runs)
    loose, firm = (load_file(runs / name / f"{name}.safetensors") for name in ("loose", "firm"))
    assert firm["head.weight"].abs().sum() < 0.5 * loose["head.weight"].abs().sum()
    first = next(key for key in loose if key.startswith("backbone.") and key.endswith("running_mean"))
    assert loose[first].any()  # a net of random weights has means of 0 before
    assert torch.equal(loose[first], firm[first])


def test_the_training_goes_on_from_the_fitted_layer(tiny_data, tiny_config, tmp_path):
    runs = tmp_path / "runs"
    settings = zoned(tiny_config, epochs=1, learning_rate=1e-6, refit={"penalty": 1.0, "norms": True})
    fit(settings, runs)
    logits, truths = logits_of(settings, runs)
    assert logits[truths].mean() > logits[~truths].mean() + 1


def test_a_source_with_many_films_of_a_label_counts_no_more_than_the_most(
    tiny_data, tiny_config, tmp_path, monkeypatch
):
    from train import refit

    seen = []
    real = refit.logistic
    monkeypatch.setattr(refit, "logistic", lambda *given: seen.append(given[2]) or real(*given))
    for most in (150, 1):
        fit(zoned(tiny_config, refit={"most": most}, sources={"north": 1, "south": 1}), tmp_path / str(most))
    assert all(np.allclose(weights, 1.0) for weights in seen)
    table = (tiny_data / "films.csv").read_text().splitlines()
    kept = [line for line in table if not (line.startswith("south-normal") and "train" in line)]
    kept.append(next(line for line in table if line.startswith("south-normal") and "train" in line))
    (tiny_data / "films.csv").write_text("\n".join(kept) + "\n")
    fit(zoned(tiny_config, refit={"most": 1}), tmp_path / "few")
    # Of three films of a source and label each counts a third of the one that is alone.
    assert seen[-1].max() == pytest.approx(3 * seen[-1].min())


@pytest.mark.parametrize("changes", [{"options": {}}, {"findings": ["opacity"]}])
def test_only_classes_of_a_net_with_zones_can_be_refitted(tiny_data, tiny_config, tmp_path, changes):
    with pytest.raises(SettingsError, match="zones"):
        fit(zoned(tiny_config, **changes), tmp_path / "runs")
