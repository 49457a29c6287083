"""Studies: the papers' rows at one budget, seeds together, and what a table says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from cxrtriage import nets
from train.command import main
from train.compare import CONFIGS, read_study, studies, table
from train.settings import SettingsError

STUDY = """
title: Two rows and one that cannot be
about: A trial.
base: tiny.yaml
seeds: [1, 2]
views: [PA]
changes: {leave_out: [south], epochs: 1, films_per_epoch: 4}
rows:
  plain:
  flipped:
    label: with a flip
    change: {augmentation.flip: 0.5}
    seeds: [1]
  paper_size:
    label: 512 px
    impossible: needs a GPU
paper:
  source: A paper, its table 1.
  columns: [row, AUC]
  rows: [[plain, 0.9]]
"""


@pytest.fixture
def study(tiny_config: Path) -> Path:
    path = tiny_config.parent / "compare_trial_cpu.yaml"
    path.write_text(STUDY)
    return path


@pytest.mark.parametrize("name", list(studies()))
def test_every_study_of_the_repository_is_one_and_says_what_was_not_run(name):
    study = read_study(studies()[name])
    assert len(study["settings"]) >= 3
    runs = [settings.run for seeds in study["settings"].values() for settings in seeds]
    assert len(set(runs)) == len(runs)
    assert table(study, {}).count("| not run yet |") == len(study["settings"])


def test_every_study_has_its_full_size_beside_it():
    for name in ("tb-ablation", "architectures", "corpus-vit"):
        assert (CONFIGS / f"compare_{name.replace('-', '_')}.yaml").is_file()


@pytest.mark.slow
def test_a_study_trains_each_row_and_seed_once_and_its_table_holds_the_mean(tiny_data, study, tmp_path):
    places = ["--runs", str(tmp_path / "runs"), "--results", str(tmp_path / "results")]
    assert main(["compare", str(study), *places]) == 0
    rows = json.loads((tmp_path / "results" / "compare_trial.json").read_text())
    assert list(rows) == ["plain", "flipped"]
    plain = rows["plain"]
    assert set(plain["seeds"]) == {"1", "2"}
    assert set(rows["flipped"]["seeds"]) == {"1"}
    # The left-out source's films in the manifest's order: seven without, seven with the class.
    unseen = plain["left_out"]["tuberculosis v normal, south"]
    truths = np.repeat([0, 1], 7)
    by_seed = [roc_auc_score(truths, np.array(plain["seeds"][seed]["left_out"])[:, 0]) for seed in ("1", "2")]
    assert unseen["by_seed"] == pytest.approx(by_seed, abs=1e-4)
    assert unseen["value"] == pytest.approx(np.mean(by_seed), abs=1e-4)
    assert unseen["low"] <= unseen["value"] <= unseen["high"]
    assert plain["seconds_a_step"] > 0
    assert plain["parameters"] > 2e6
    text = (tmp_path / "results" / "compare_trial.md").read_text()
    assert "| with a flip | 1 |" in text
    assert "| 512 px | – | needs a GPU |" in text
    assert "A paper, its table 1." in text
    assert "| plain | 0.9 |" in text

    # A machine without the runs keeps what was measured.
    (tmp_path / "runs").rename(tmp_path / "elsewhere")
    assert main(["compare", str(study), *places]) == 0
    assert json.loads((tmp_path / "results" / "compare_trial.json").read_text()) == rows
    assert not (tmp_path / "runs").exists()


def test_an_unknown_study_is_named_with_those_that_are_known(capsys):
    assert main(["compare", "nothing"]) == 2
    assert "no study nothing; known are architectures" in capsys.readouterr().err


def test_a_file_that_is_no_study_is_said(tmp_path):
    path = tmp_path / "compare_x_cpu.yaml"
    path.write_text("rows: 3\nbase: nothing.yaml\n")
    with pytest.raises(SettingsError, match="is no study"):
        read_study(path)


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("compare_*.yaml")), ids=lambda path: path.stem)
def test_every_row_of_every_study_builds_a_net(path):
    for settings, *_ in read_study(path)["settings"].values():
        with torch.device("meta"):  # its shape alone
            nets.build(settings.architecture, classes=len(settings.classes), **settings.options)


@pytest.mark.parametrize("text", ["", "[]", '{"plain": {}}'])
def test_damaged_results_are_said_and_not_written_over(tiny_data, study, tmp_path, capsys, text):
    results = tmp_path / "results"
    results.mkdir()
    damaged = results / "compare_trial.json"
    damaged.write_text(text)
    asked = ["compare", str(study), "--results", str(results), "--runs", str(tmp_path / "runs")]
    assert main(asked) == 2
    assert "compare_trial.json is damaged" in capsys.readouterr().err
    assert damaged.read_text() == text
