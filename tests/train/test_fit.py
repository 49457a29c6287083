"""Training end to end on tiny films: crop, teacher, running mean, and going on after a break."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from cxrtriage.reading.member import Member
from cxrtriage.weights import read_card
from train.command import main
from train.films import cached_images, found_lungs
from train.fit import fit
from train.manifest import read_films
from train.settings import SettingsError, read_settings


def test_two_steps_with_crop_findings_and_every_extra_make_a_net_that_reads(
    tiny_data, tiny_config, tiny_lungs, tiny_crop, tmp_path
):
    runs = tmp_path / "runs"
    settings = read_settings(
        tiny_config,
        findings=["no_finding", "opacity"],
        augmentation={"mask": 0.5, "style": 0.5, "disguise": {}},
        lung_weight=0.2,
        adversary=0.1,
        average=0.5,
        **tiny_crop,
    )
    (tiny_data / "findings.csv").write_text("file,no_finding,opacity\nnorth-tuberculosis-0.png,0,1\n")
    card = fit(settings, runs, steps=2)
    assert card.lungs == {"name": "lungs", "sha256": "0" * 12}
    assert card.findings == ("no_finding", "opacity")
    assert card.options["findings"] == 2
    assert json.loads((runs / "tiny" / "tiny.json").read_text())["settings"]["average"] == 0.5
    member = Member.load("tiny", runs / "tiny")
    rows = read_films(tiny_data)[:2]
    lungs = found_lungs(rows, tiny_lungs, tmp_path / "cache")
    images = cached_images(rows, member.form, tmp_path / "cache", lungs, "lungs")
    logits = member.logits(np.asarray(images[:, 0]))
    assert logits.shape == (2, 3)
    assert np.isfinite(logits).all()


@pytest.mark.slow
def test_a_student_imitates_a_teacher_of_another_architecture(
    tiny_data, tiny_config, tiny_lungs, tiny_crop, tmp_path
):
    runs = tmp_path / "runs"
    fit(read_settings(tiny_config, name="teacher", **tiny_crop), runs, steps=1)
    before = load_file(runs / "teacher" / "teacher.safetensors")
    student = read_settings(tiny_config, architecture="resnet50", teacher={"name": "teacher"}, **tiny_crop)
    card = fit(student, runs, steps=2)
    assert card.architecture == "resnet50"
    assert not any("teacher" in key for key in load_file(runs / "tiny" / "tiny.safetensors"))
    after = load_file(runs / "teacher" / "teacher.safetensors")
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_the_running_mean_is_kept_and_not_the_last_weights(tiny_data, tiny_config, tmp_path):
    """From the same seed: the mean of two steps lies nearer to the start than the last step does."""
    runs, kept = tmp_path / "runs", {}
    for name, average in (("start", 0.0), ("last", 0.0), ("mean", 0.9)):
        rate = 0.0 if name == "start" else 0.01
        settings = read_settings(
            tiny_config, name=name, average=average, learning_rate=rate, weight_decay=0.0
        )
        fit(settings, runs, steps=2)
        kept[name] = load_file(runs / name / f"{name}.safetensors")["backbone.features.0.0.weight"].float()
    gone = (kept["last"] - kept["start"]).norm()
    assert 0 < (kept["mean"] - kept["start"]).norm() < gone


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

    with monkeypatch.context() as patch:
        patch.setattr(Learner, "training_step", killed)
        with pytest.raises((SystemExit, KeyboardInterrupt)):
            fit(settings, runs)
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


def test_a_source_without_a_class_is_said_before_training(tiny_data, tiny_config, tmp_path):
    settings = read_settings(tiny_config, labels=["tuberculosis"])
    with pytest.raises(SettingsError, match="no film of normal is in the train split"):
        fit(settings, tmp_path / "runs")


@pytest.mark.slow
def test_a_left_out_source_is_not_trained_on_and_the_run_says_so(tiny_data, tiny_config, tmp_path):
    runs, weights = tmp_path / "runs", tmp_path / "weights"
    fitted = ["fit", "--config", str(tiny_config), "--steps", "1", "--runs", str(runs)]
    assert main([*fitted, "--leave-out", "south"]) == 0
    run = "tiny-without-south"
    assert [part["source"] for part in read_card(run, runs / run).training_data] == ["north"]
    assert main(["take", run, "--weights", str(weights), "--runs", str(runs)]) == 0
    assert read_card(run, weights).training_data[0]["films"] == {"normal": 3, "tuberculosis": 3}
