"""The study of levers: one change at a time, on sources left out."""

from __future__ import annotations

import json

import pytest

from train.command import main
from train.levers import changed
from train.settings import SettingsError


def test_dotted_keys_change_one_value_and_leave_the_rest():
    values = {"augmentation": {"flip": 0.5, "mask": 0.3}, "epochs": 10}
    new = changed(values, {"augmentation.flip": 0.0, "epochs": 4, "start": {}})
    assert new == {"augmentation": {"flip": 0.0, "mask": 0.3}, "epochs": 4, "start": {}}
    assert values == {"augmentation": {"flip": 0.5, "mask": 0.3}, "epochs": 10}


@pytest.mark.parametrize(("key", "part"), [("augmentaton.flip", "augmentaton"), ("epochs.last", "epochs")])
def test_a_part_that_is_not_there_is_named(key, part):
    with pytest.raises(SettingsError, match=f"{key}: there is no {part} to change"):
        changed({"epochs": 10}, {key: 1})


@pytest.mark.slow
def test_a_study_measures_each_lever_on_the_source_it_left_out(tiny_data, tiny_config, tmp_path, monkeypatch):
    runs, results = tmp_path / "runs", tmp_path / "results"
    results.mkdir()
    study = tmp_path / "levers.yaml"
    study.write_text(
        f"base: {tiny_config.name}\nchanges: {{leave_out: [south], epochs: 1, films_per_epoch: 4}}\n"
        "levers:\n  recipe:\n  flip: {augmentation.flip: 0.5}\n"
    )
    places = ["--config", str(study), "--runs", str(runs), "--results", str(results)]
    assert main(["levers", *places, "--only", "recipe"]) == 0
    assert set(json.loads((results / "levers.json").read_text())) == {"recipe"}
    # What was trained is only measured again.
    before = (
        (runs / "lever_recipe-without-south" / "lever_recipe-without-south.safetensors").stat().st_mtime_ns
    )
    assert main(["levers", *places]) == 0
    rows = json.loads((results / "levers.json").read_text())
    assert set(rows) == {"recipe", "flip"}
    assert rows["flip"]["changes"] == {"augmentation.flip": 0.5}
    assert rows["recipe"]["auroc"]["tuberculosis v normal, south"]["films"] == [7, 7]
    after = (
        (runs / "lever_recipe-without-south" / "lever_recipe-without-south.safetensors").stat().st_mtime_ns
    )
    assert after == before
    assert "| flip | augmentation.flip=0.5 |" in (results / "levers.md").read_text()
