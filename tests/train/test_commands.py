"""Training end to end on tiny films: fit, resume, take, evaluate, and the program reads with the result."""

from __future__ import annotations

import json

import pytest
import torch

from cxrtriage.reading.triage import Triage
from cxrtriage.weights import read_card
from train.command import main
from train.evaluate import evaluate
from train.fit import fit
from train.settings import SettingsError, read_settings


def test_two_steps_change_the_weights_and_lower_the_loss(tiny_data, tiny_config, tmp_path):
    from train.learner import Learner

    torch.manual_seed(0)
    learner = Learner(read_settings(tiny_config))
    learner.log = lambda *_, **__: None
    optimiser = torch.optim.SGD(learner.parameters(), lr=0.002)
    films = torch.randint(0, 256, (8, 1, 96, 96), dtype=torch.uint8)
    targets = torch.tensor([0, 1] * 4)
    before = {name: weight.clone() for name, weight in learner.net.named_parameters()}
    losses = []
    for _ in range(3):
        loss = learner.training_step((films, targets), 0)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert all(not torch.equal(before[name], weight) for name, weight in learner.net.named_parameters())


@pytest.mark.slow
def test_from_configuration_to_a_score(tiny_data, tiny_config, tmp_path, capsys):
    runs, weights, results = tmp_path / "runs", tmp_path / "weights", tmp_path / "results"
    places = ["--runs", str(runs)]
    for name in ("tiny", "tinier"):
        assert main(["fit", "--config", str(tiny_config), "--name", name, *places]) == 0
    assert main(["fit", "--config", str(tiny_config), "--leave-out", "south", *places]) == 0
    assert main(["take", "tiny", "tinier", "--weights", str(weights), *places]) == 0
    both = ["--weights", str(weights), "--results", str(results), *places]
    assert main(["evaluate", "tiny", "tinier", *both]) == 0

    card = read_card("tiny", weights)
    assert card.training_data[0]["films"] == {"no_flagged_class": 3, "tuberculosis": 3}
    assert set(card.operating_points["tuberculosis"]) == {"sensitivity_0.90", "specificity_0.70", "youden"}
    figures = json.loads((results / "tiny.json").read_text())
    assert figures["sha256"] == card.sha256
    assert figures["test"]["auroc"]["films"] == [4, 4]
    assert figures["leave_one_source_out"]["south"]["auroc"]["films"] == [7, 7]
    assert set(figures["test"]["per_source"]) == {"north", "south"}
    assert "border_only" in figures["controls"]

    triage = Triage.load(weights)
    from cxrtriage.film.read import read_film

    film = read_film(next((tiny_data / "cxr").glob("*.png")))
    assert set(triage.assess(film).diagnosis.members) == {"tiny", "tinier"}

    # Without the runs, what was measured of left-out sources is kept for the same weights.
    evaluate(["tiny"], tmp_path / "no-runs", weights, results)
    kept = json.loads((results / "tiny.json").read_text())
    assert kept["leave_one_source_out"] == figures["leave_one_source_out"]


@pytest.mark.slow
def test_a_run_that_was_killed_goes_on_where_it_was(tiny_data, tiny_config, tmp_path, monkeypatch):
    from train.learner import Learner

    settings = read_settings(tiny_config, epochs=3)
    runs = tmp_path / "runs"
    step = Learner.training_step

    def killed(self, batch, index):
        if self.current_epoch == 1:
            raise KeyboardInterrupt
        return step(self, batch, index)

    monkeypatch.setattr(Learner, "training_step", killed)
    with pytest.raises((SystemExit, KeyboardInterrupt)):
        fit(settings, runs)
    monkeypatch.undo()
    monkeypatch.setenv("CXRTRIAGE_DATA", str(tiny_data))
    epochs = []

    def counted(self, batch, index):
        epochs.append(self.current_epoch)
        return step(self, batch, index)

    monkeypatch.setattr(Learner, "training_step", counted)
    card = fit(settings, runs)
    assert sorted(set(epochs)) == [1, 2]
    assert card.name == "tiny"
    with pytest.raises(SettingsError, match="other settings"):
        fit(read_settings(tiny_config, epochs=3, learning_rate=0.5), runs)


def test_a_command_that_cannot_be_done_says_why(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("CXRTRIAGE_DATA", str(tmp_path))
    path = tmp_path / "a.yaml"
    path.write_text("name: a\narchitecture: resnet50\nsources: {north: 1}")
    assert main(["fit", "--config", str(path), "--runs", str(tmp_path)]) == 2
    assert "films.csv is not there" in capsys.readouterr().err
    assert main(["evaluate", "nothing", "--weights", str(tmp_path)]) == 2
    assert "fetch the weights again" in capsys.readouterr().err


def test_a_source_without_a_class_is_said_before_training(tiny_data, tiny_config, tmp_path):
    settings = read_settings(tiny_config, negative_labels=["covid19"])
    with pytest.raises(SettingsError, match="no film of no_flagged_class is in the train split"):
        fit(settings, tmp_path / "runs")


@pytest.mark.slow
def test_a_start_is_distilled_and_taken_up(data_folder, tiny_data, tiny_config, tmp_path, monkeypatch):
    """With the ImageNet weights of the data folder, on the tiny films."""
    (tiny_data / "weights").symlink_to((data_folder / "weights").resolve())
    path = tmp_path / "distil.yaml"
    path.write_text(
        "name: start\narchitecture: efficientnet_b0\n"
        "teacher_file: weights/mobilenet_v2_imagenet_qat.safetensors\n"
        "input: {size: 64}\nstudent_size: 32\nbatch: 4\nepochs: 1\nworkers: 0\nexclude: [south]\n"
    )
    runs = tmp_path / "runs"
    assert main(["distil", "--config", str(path), "--steps", "1", "--runs", str(runs)]) == 0
    settings = read_settings(
        tiny_config, architecture="efficientnet_b0", start={"distilled": "start"}, learning_rate=0.0
    )
    fit(settings, runs, steps=1)
    from safetensors.torch import load_file

    start = load_file(runs / "start" / "start.safetensors")
    fitted = load_file(runs / "tiny" / "tiny.safetensors")
    key = "net._blocks.0._depthwise_conv.weight"
    assert torch.equal(start[key], fitted[f"backbone.{key}"])
