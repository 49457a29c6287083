"""The severity map part by part: what each row learns from, what it is measured on, and the table."""

from __future__ import annotations

import json

import numpy as np
import pytest
import yaml

from train.command import main
from train.compare import CONFIGS
from train.settings import SettingsError
from train.severity import SeverityData
from train.severity_pooling import _outlined, read_pooling_study, table

TRUNK = {"backbone": "mobilenet_v2", "classes": 1, "size": 32, "width": 16, "layers": 2, "heads": 2}
BASE = {
    "name": "severity", "trunk_options": TRUNK, "lungs": "lungs", "folds": 2, "epochs": 1, "batch": 4,
    "films_per_epoch": 8, "workers": 0, "average": 0.0, "input": {"size": 32, "region": "lungs"},
}  # fmt: skip
STUDY = {
    "title": "A trial", "about": "Of poolings.", "base": "severity.yaml", "trained_folds": [2],
    "changes": {"films_per_epoch": 4},
    "rows": {
        "top": {"label": "top tenth"},
        "max": {"change": {"pooling": "max"}},
        "one": {"change": {"graders": ["one"]}},
    },
}  # fmt: skip


@pytest.fixture
def study(tmp_path):
    (tmp_path / "severity.yaml").write_text(yaml.safe_dump(BASE))
    path = tmp_path / "pooling.yaml"
    path.write_text(yaml.safe_dump(STUDY, sort_keys=False))
    return path


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("severity_pooling*.yaml")), ids=lambda path: path.stem)
def test_the_studies_of_the_repository_change_the_shipped_recipe(path):
    settings = read_pooling_study(path)["settings"]
    assert {"top", "max", "mean", "no_outlines", "no_pasted"} <= set(settings)
    assert (settings["max"].pooling, settings["mean"].pooling) == ("max", "mean")
    assert settings["no_pasted"].pasted == 0
    assert "outlines" not in settings["no_outlines"].graders
    assert settings["top"].graders == ()
    assert len({one.name for one in settings.values()}) == len(settings)


def test_both_sizes_have_runs_of_their_own():
    names = [
        read_pooling_study(CONFIGS / f"severity_pooling{end}.yaml")["settings"]["top"].name
        for end in ("", "_cpu")
    ]
    assert names == ["severity_pooling_224_top", "severity_pooling_128_top"]


@pytest.mark.slow
def test_a_row_is_measured_on_films_no_net_of_it_had_seen_and_all_readers_scores(
    scored_data, study, tmp_path, monkeypatch
):
    runs, results = tmp_path / "runs", tmp_path / "results"
    places = ["--config", str(study), "--runs", str(runs), "--results", str(results)]
    asked = ["compare", "severity-pooling", *places]
    taught = []
    where = SeverityData.where

    def noted(data, keep, *, training):
        taught.append({data.truths[i].row.patient for i in np.flatnonzero(keep)})
        return where(data, keep, training=training)

    monkeypatch.setattr(SeverityData, "where", noted)
    assert main([*asked, "--only", "top", "one"]) == 0
    text = (results / "compare_severity_pooling.md").read_text()
    assert "| max | – | not run yet |" in text
    assert main(asked) == 0
    data = SeverityData(read_pooling_study(study)["settings"]["top"], runs)
    folds = data.folds()
    unseen = {data.truths[i].row.patient for i in np.flatnonzero((folds == 1) | (folds == -1))}
    assert len(taught) == 3
    assert all(not patients & unseen for patients in taught)
    assert taught[1] < taught[0]  # one set of readers alone

    rows = json.loads((results / "compare_severity_pooling.json").read_text())
    scored = int((data.scored & (folds == 1)).sum())
    for row in ("top", "max", "one"):
        assert rows[row]["figures"]["extent"]["films"] == scored
        assert rows[row]["folds"] == [2]
    assert rows["max"]["change"] == {"pooling": "max"}
    assert "not run yet" not in (results / "compare_severity_pooling.md").read_text()

    # A machine without the runs keeps what was measured, and a fold more is trained.
    runs.rename(tmp_path / "elsewhere")
    assert main(asked) == 0
    assert len(taught) == 3
    study.write_text(yaml.safe_dump({**STUDY, "trained_folds": [1, 2]}, sort_keys=False))
    assert main([*asked, "--only", "top"]) == 0
    assert len(taught) == 5
    assert json.loads((results / "compare_severity_pooling.json").read_text())["top"]["folds"] == [1, 2]


def test_a_scale_that_no_reader_of_a_row_gave_has_no_figure():
    error = {"films": 9, "mae": 1.0, "mae_interval": [0.5, 1.5]}
    share = {"value": 0.5, "low": 0.4, "high": 0.6, "films": 9}
    figures = {
        **dict.fromkeys(("array_score", "brixia", "extent", "opacity"), error),
        **dict.fromkeys(("zones", "outlines", "normal"), share),
        "pasted": {"films": 9, "likeliest_zone_is_affected": 0.5},
    }
    graders = {"all": (), "extents": ("one",), "brixia": ("brixia",), "both": ("one", "brixia")}
    rows = {
        row: {"change": {"graders": of} if of else {}, "folds": [1], "figures": figures}
        for row, of in graders.items()
    }
    text = table({**STUDY, "rows": {row: {} for row in rows}}, rows)
    cell = "1.00 (0.50 to 1.50)"
    lines = {line.split(" | ")[0].strip("| "): line for line in text.splitlines() if cell in line}
    assert {row: line.count(cell) for row, line in lines.items()} == {
        "all": 4, "extents": 3, "brixia": 2, "both": 4,
    }  # fmt: skip
    assert "| 1.00 (0.50 to 1.50) | – | 1.00" in lines["extents"]


def test_a_map_is_held_against_outlines_within_the_lungs_alone():
    zones = np.zeros((32, 32), np.uint8)
    zones[8:24] = 1
    lesions = np.zeros((32, 32), np.uint8)
    lesions[8:24, 16:] = 1
    lesions[24:] = 1  # outside the lungs
    map_ = np.zeros((8, 8))
    map_[:, 4:] = 5.0
    assert _outlined(map_, zones, lesions) > 0.98
    assert _outlined(-map_, zones, lesions) < 0.02
    assert _outlined(map_, zones, np.zeros_like(lesions)) is None


@pytest.mark.parametrize("change", [{"trained_folds": []}, {"trained_folds": [3]}, {"rows": 3}])
def test_what_is_no_study_is_said(study, change):
    study.write_text(yaml.safe_dump({**STUDY, **change}))
    with pytest.raises(SettingsError, match=r"is no study|trained_folds must be some of 1 to 2"):
        read_pooling_study(study)
