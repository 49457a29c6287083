"""The gate's net is trained, and goes on from a finished course that saw no film of what is kept out."""

from __future__ import annotations

import shutil
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from cxrtriage.gate.gate import Gate
from cxrtriage.reading.lung_finder import LungFinder
from cxrtriage.weights import Card, load_net, read_card
from train.command import main
from train.gate import read_gate_settings, train_gate
from train.gate_figures import _left_out_before, evaluate_gate
from train.settings import SettingsError


@pytest.fixture
def gate_config(tiny_data: Path, tiny_lungs: object, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A first course on the films of `tiny_data` and one photo, at a size that is learnt from in a moment."""
    (tiny_data / "gate").mkdir()
    photo = np.random.default_rng(1).integers(0, 255, (40, 40), np.uint8)
    Image.fromarray(photo).save(tiny_data / "gate" / "photo.png")
    (tiny_data / "gate" / "gate.csv").write_text("file,kind,split\nphoto.png,photo,train\n")
    monkeypatch.setattr("train.gate.ct_pictures", lambda *_: [photo])
    values = {
        "name": "gate_first", "options": {"directions": 4}, "input": {"size": 64}, "cache_size": 96,
        "lungs": "lungs", "shares": {"frontal_chest": 2, "part_of_chest": 1, "not_medical": 1}, "epochs": 1,
        "batch": 4, "pictures_per_epoch": 8, "workers": 0,
    }  # fmt: skip
    return _written(tmp_path / "first.yaml", values)


def _written(path: Path, values: dict[str, object]) -> Path:
    path.write_text(yaml.safe_dump(values))
    return path


@pytest.mark.slow
def test_a_gate_goes_on_from_a_course_of_before_without_the_same_sources(gate_config, tmp_path, capsys):
    runs = tmp_path / "runs"
    values = yaml.safe_load(gate_config.read_text())
    more = {**values, "name": "gate", "start": "gate_first", "input": {"size": 96}, "learning_rate": 0.0}
    on = _written(tmp_path / "on.yaml", more)

    def trained(config: Path, *sources: str) -> int:
        exclude = ("--exclude", *sources) if sources else ()
        return main(["gate", "--config", str(config), "--runs", str(runs), *exclude])

    assert trained(on) == 2
    assert "gate_first is no finished run" in capsys.readouterr().err
    assert trained(gate_config) == trained(on) == 0
    first, second = (read_card(name, runs / name) for name in ("gate_first", "gate"))
    before, after = (load_net(card, runs / card.name).kind.weight for card in (first, second))
    # With a rate of 0 it is where it began.
    assert torch.allclose(before, after, atol=1e-3)
    assert (first.input["size"], second.input["size"]) == (64, 96)

    # What was shown a source is no start for a run that must not know it.
    assert trained(on, "south") == 2
    assert "gate_first-without-south is no finished run" in capsys.readouterr().err
    assert trained(gate_config, "south") == trained(on, "south") == 0
    card = read_card("gate-without-south", runs / "gate-without-south")
    assert [row["source"] for row in card.training_data] == ["north"]


def test_a_start_that_is_another_net_or_knows_too_much_is_refused(gate_config, tmp_path):
    runs, settings = tmp_path / "runs", read_gate_settings(gate_config)
    train_gate(settings, runs, steps=1)
    on = replace(settings, name="gate", start="gate_first")
    with pytest.raises(SettingsError, match="another net"):
        train_gate(replace(on, options={"directions": 8}), runs)
    folder = runs / "gate_first-without-south"
    (runs / "gate_first").rename(folder)
    for path in folder.glob("gate_first.*"):
        path.rename(folder / path.name.replace("gate_first", folder.name))
    card = folder / f"{folder.name}.json"
    card.write_text(card.read_text().replace('"name": "gate_first"', f'"name": "{folder.name}"', 1))
    with pytest.raises(SettingsError, match="was shown films of south"):
        train_gate(replace(on, name="gate-without-south", exclude=("south",)), runs)


@pytest.mark.slow
def test_two_nets_are_measured_together_and_thresholds_are_of_both(
    gate_config, tmp_path, tiny_lungs, monkeypatch, capsys
):
    monkeypatch.setattr(LungFinder, "load", lambda name, folder=None: tiny_lungs)
    runs, weights, results = (tmp_path / name for name in ("runs", "weights", "results"))
    values = {**yaml.safe_load(gate_config.read_text()), "name": "gate", "lungs": "lungs"}
    first = _written(tmp_path / "gate.yaml", values)
    second = _written(
        tmp_path / "fine.yaml", {**values, "name": "gate_fine", "start": "gate", "input": {"size": 96}}
    )
    for config in (first, second):
        assert main(["gate", "--config", str(config), "--runs", str(runs)]) == 0
    assert main(["take", "gate", "gate_fine", "--runs", str(runs), "--weights", str(weights)]) == 0
    assert capsys.readouterr().out.count("now run: python -m train evaluate gate\n") == 2
    assert main(["gate", "--config", str(first), "--runs", str(runs), "--exclude", "south"]) == 0
    with pytest.raises(SettingsError, match="without gate_fine-without-south"):
        evaluate_gate(runs, weights, results)
    assert main(["gate", "--config", str(second), "--runs", str(runs), "--exclude", "south"]) == 0
    figures = evaluate_gate(runs, weights, results)
    assert set(figures) == {"thresholds", "shipped", "south"}
    assert figures["south"]["films"] == 14
    gate = Gate.load(weights)
    assert [card.name for card, _ in gate.nets] == ["gate", "gate_fine"]
    assert read_card("gate", weights).settings["beside"] == {
        "gate_fine": read_card("gate_fine", weights).sha256
    }
    assert asdict(gate.thresholds) == figures["thresholds"]
    assert "Never shown south\n" in (results / "gate.md").read_text()

    # What was measured stays, and says that it is of before, where the nets are gone since.
    for folder in runs.glob("gate*-without-south"):
        shutil.rmtree(folder)
    assert evaluate_gate(runs, weights, results)["south"] == {**figures["south"], "of_before": True}
    assert "Never shown south, of before\n" in (results / "gate.md").read_text()


def test_figures_of_gates_left_without_sources_belong_to_the_nets_that_look_together():
    card = Card(
        "gate", "task", (), "gate", {}, {}, "0" * 64, "none",
        settings={"beside": {"gate_fine": "a"}},
        figures={"thresholds": {}, "shipped": {}, "north, south": {"films": 3}},
    )  # fmt: skip
    assert _left_out_before(card, {"beside": {"gate_fine": "a"}}) == {"north, south": {"films": 3}}
    for others in (
        {"beside": {"gate_fine": "b"}},
        {"beside": {}},
        {"beside": {"gate_fine": "a"}, "markers": "c"},
    ):
        assert _left_out_before(card, others) == {}
