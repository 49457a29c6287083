"""Opacity and extent by the papers' nets and models: what each learns from, its figures, and the table."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import yaml
from severity_cells import write_scores

from cxrtriage import nets
from cxrtriage.reading.facts import RESULTS_FOLDER
from cxrtriage.weights import Card, save_net, write_card
from train.command import main
from train.compare import CONFIGS
from train.grading import GradedFilms, average_fold, grade_fold_frozen, grade_of
from train.grading_figures import graded_figures
from train.grading_nets import GRADES, GradingNet, build_trunk
from train.linear_severity import FEW, left_out_scores, nearer
from train.manifest import read_films
from train.severity_study import CONFIG, SeverityStudy, _plain
from train.severity_truths import SeverityTruth
from train.study_results import same_settings

OPACITIES = (0, 1, 2, 4, 5, 6, 8)
STUDY = {
    "title": "A trial",
    "about": "Of two nets.",
    "settings": {
        "net": "mobilenet_v2", "input": {"size": 32, "region": "lungs"}, "lungs": "lungs", "folds": 2,
        "epochs": 1, "batch": 4,
    },
    "linear": ["findings"],
    "rows": {
        "scratch": {"label": "from scratch"},
        "squeezenet": {"change": {"net": "squeezenet1_1", "input.size": 64}},
        "elsewhere": {"impossible": "needs a network"},
    },
    "paper": {"source": "A paper.", "columns": ["net", "MAE"], "rows": [["theirs", 0.5]]},
}  # fmt: skip


@pytest.fixture
def graded(tiny_data, tiny_lungs, monkeypatch):
    """All films have an opacity, of all grades; a patient has two or three films."""
    monkeypatch.setattr("train.severity_figures.ROUNDS", 20)
    rows = [
        {"file": film.file, "extent_0_8": number % 8, "opacity_raw": OPACITIES[number % 7],
         "opacity_raw_max": 8}
        for number, film in enumerate(read_films(tiny_data))
    ]  # fmt: skip
    write_scores(tiny_data, rows)
    table = tiny_data / "films.csv"
    header, *lines = table.read_text().splitlines()
    changed = [header]
    for line in lines:
        file, source, _, label, *rest = line.split(",")
        changed.append(",".join([file, source, f"{source} {label} {rest[4]}", label, *rest]))
    table.write_text("\n".join(changed) + "\n")
    return tiny_data


@pytest.fixture
def study(tmp_path):
    path = tmp_path / "severity_trial.yaml"
    path.write_text(yaml.safe_dump(STUDY))
    return path


def write_findings_net(folder) -> None:
    net = nets.build("mobilenet_v2", classes=1, findings=len(FEW))
    card = Card(
        name="findings", task="findings", classes=("covid19",), architecture="mobilenet_v2",
        options={"classes": 1, "findings": len(FEW)}, input={"size": 32, "region": "lungs"},
        sha256=save_net(net, folder / "findings.safetensors"), licence="none", findings=FEW,
    )  # fmt: skip
    write_card(card, folder)


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("severity_nets*.yaml")), ids=lambda path: path.stem)
def test_every_row_of_every_study_builds_a_net(path):
    study = SeverityStudy.read(path)
    assert {mode for _, mode in study.nets} == {"tuned", "frozen"}
    asked = {settings.net for settings in study.nets.values()}
    assert {"vgg16", "alexnet", "densenet161", "mobilenet_v2", "squeezenet1_1", "vit", "corpus_vit"} <= asked
    for settings in study.nets.values():
        with torch.device("meta"):  # its shape alone
            GradingNet(build_trunk(settings.net, settings.options))


def test_no_patient_is_on_both_sides_and_test_films_teach_nothing(graded, tmp_path):
    films = GradedFilms("lungs", 3, tmp_path / "runs")
    assert len(films.truths) == 28
    assert len(set(films.patients)) < 28
    splits = np.array([truth.row.split for truth in films.truths])
    read: list[int] = []
    for fold in range(3):
        taught, asked = films.learnt_from(fold), films.read_by(fold)
        assert not {*films.patients[taught]} & {*films.patients[asked]}
        assert "test" not in splits[taught]
        assert set(np.flatnonzero(splits == "test")) <= set(asked)
        read += asked[splits[asked] != "test"].tolist()
    assert sorted(read) == np.flatnonzero(splits != "test").tolist()


def test_grades_are_the_score_rounded_half_up():
    assert grade_of(np.array([0, 0.49, 0.5, 2.5, 5.6, 6])).tolist() == [0, 0, 1, 3, 6, 6]


def test_a_frozen_net_learns_its_last_layer_from_its_fold_alone(graded, tmp_path):
    films = GradedFilms("lungs", 2, tmp_path / "runs")
    features = np.random.default_rng(0).normal(size=(len(films.truths), 3))
    features[:, 0] = films.scores
    said = grade_fold_frozen(films, 0, features)
    read = films.scores[films.read_by(0)]
    assert said.shape == (len(read), GRADES + 1)
    assert said[:, :GRADES].sum(axis=1) == pytest.approx(1)
    assert np.corrcoef(said[:, GRADES], read)[0, 1] > 0.8
    # Scores of films that it is asked about do not matter.
    films.scores = films.scores.copy()
    films.scores[films.read_by(0)] = 0
    assert grade_fold_frozen(films, 0, features) == pytest.approx(said)


def test_the_average_is_that_of_the_films_learnt_from(graded, tmp_path):
    films = GradedFilms("lungs", 2, tmp_path / "runs")
    said = average_fold(films, 1)
    assert said[0, GRADES] == pytest.approx(films.scores[films.learnt_from(1)].mean())
    assert said[0, :GRADES].sum() == pytest.approx(1)


def truth_of(number: int, opacity: float, patient: str | None = None) -> SeverityTruth:
    class Row:
        def __init__(self) -> None:
            self.file, self.patient, self.source, self.split = (
                f"{number}",
                patient or f"{number}",
                "s",
                "train",
            )

    return SeverityTruth(Row(), opacity, opacity, np.full((1, 6), np.nan))


def test_three_classes_are_told_by_their_grades_together(monkeypatch):
    monkeypatch.setattr("train.severity_figures.ROUNDS", 50)
    read = [0, 1, 2, 3, 4, 6]
    said = np.zeros((6, GRADES + 1))
    said[np.arange(6), [0, 2, 2, 1, 4, 5]] = 1.0
    # Grade 3 is likeliest of all, and yet mild is likelier than moderate.
    said[0] = [0.2, 0.2, 0.2, 0.4, 0, 0, 0, 0]
    said[:, GRADES] = [0, 1, 2, 3, 4, 5]
    figures = graded_figures([truth_of(n, value) for n, value in enumerate(read)], said)
    assert figures["seven"]["value"] == pytest.approx(2 / 6, abs=1e-3)
    assert figures["three"]["value"] == pytest.approx(5 / 6, abs=1e-3)
    each = {name: (of["films"], of["accuracy"]) for name, of in figures["each"].items()}
    assert each == {"mild": (3, 1.0), "moderate": (2, 0.5), "severe": (1, 1.0)}
    assert figures["score"]["mae"] == pytest.approx(1 / 6, abs=1e-3)
    assert figures["by_grade"]["4"] == {"films": 1, "accuracy": 1.0}


def test_a_linear_model_never_sees_the_patient_it_tells():
    random = np.random.default_rng(1)
    patients = np.repeat(np.arange(12).astype(str), 3)
    inputs = random.normal(size=(36, 2))
    truth = 3 + inputs[:, 0] + 0.1 * random.normal(size=36)
    said = left_out_scores(inputs, truth, patients)
    assert np.abs(said - truth).mean() < 0.2
    other = truth.copy()
    other[patients == "4"] = 100.0
    moved = left_out_scores(inputs, other, patients)
    assert moved[patients == "4"] == pytest.approx(said[patients == "4"])
    assert moved[patients != "4"] != pytest.approx(said[patients != "4"])
    mean = left_out_scores(None, truth, patients)
    assert mean[0] == pytest.approx(truth[3:].mean())


def test_nearer_is_told_film_by_film(monkeypatch):
    truths = [truth_of(n, 2.0, patient=str(n // 2)) for n in range(6)]
    one = {str(n): 2.5 for n in range(6)}
    other = {str(n): 3.0 for n in range(5)}
    assert nearer(truths, "opacity", one, other) == {"value": 0.5, "low": 0.5, "high": 0.5, "films": 5}


@pytest.mark.slow
def test_a_study_trains_each_row_once_and_goes_on_where_it_was(graded, study, tmp_path, monkeypatch, capsys):
    weights, results = tmp_path / "weights", tmp_path / "results"
    weights.mkdir()
    write_findings_net(weights)
    asked = [
        "compare", "severity", "--config", str(study), "--runs", str(tmp_path / "runs"),
        "--results", str(results), "--weights", str(weights),
    ]  # fmt: skip
    assert main([*asked, "--only", "scratch"]) == 0
    text = (results / "compare_severity.md").read_text()
    assert text.count("not run yet") == 4
    assert main(asked) == 0
    rows = json.loads((results / "compare_severity.json").read_text())
    assert set(rows) == {
        "average", "linear", "scratch/tuned", "scratch/frozen", "squeezenet/tuned", "squeezenet/frozen",
    }  # fmt: skip
    figures = rows["scratch/tuned"]["figures"]
    assert (figures["unseen"]["films"], figures["test"]["films"]) == (20, 8)
    assert set(figures["unseen"]["each"]) == {"mild", "moderate", "severe"}
    assert rows["squeezenet/frozen"]["parameters"] < 800_000
    linear = rows["linear"]["figures"]["findings"]
    assert set(linear) == {"opacity alone", ", ".join(FEW), "all 4 findings", "1280 features"}
    assert set(linear["opacity alone"]["extent"]) == {"unseen", "test"}
    assert len(linear["opacity alone"]["extent"]["unseen"]["said"]) == 20
    text = (results / "compare_severity.md").read_text()
    assert "not run yet" not in text
    assert "| elsewhere | – | needs a network |" in text
    assert "| from scratch | last layer | " in text
    assert "| theirs | 0.5 |" in text

    # What is measured is not trained again, with the runs or without them; a row of other settings is.
    trained = []
    monkeypatch.setattr("train.severity_study.grade_fold", lambda *of: trained.append(of) or 1 / 0)
    assert main(asked) == 0
    again = json.loads((results / "compare_severity.json").read_text())
    assert again["scratch/tuned"] == rows["scratch/tuned"]
    assert not trained
    # Nor for the sake of a setting that there was none of when it was measured, and that is off.
    del again["scratch/tuned"]["settings"]["start"]["opacities"]
    (results / "compare_severity.json").write_text(json.dumps(again))
    assert main(asked) == 0
    assert not trained
    study.write_text(yaml.safe_dump({**STUDY, "settings": {**STUDY["settings"], "epochs": 2}}))
    with pytest.raises(ZeroDivisionError):
        main(asked)
    assert trained[0][0].epochs == 2


def test_what_was_published_is_of_the_study_as_it_stands():
    study = SeverityStudy.read(CONFIG)
    rows = json.loads((RESULTS_FOLDER / "compare_severity.json").read_text())
    others = [
        f"{row}/{mode}"
        for (row, mode), settings in study.nets.items()
        if not same_settings(rows[f"{row}/{mode}"]["settings"], _plain(settings))
    ]
    assert not others


def test_a_file_that_is_no_study_is_said(tmp_path, capsys):
    path = tmp_path / "x.yaml"
    path.write_text("rows: {one: {change: {nothing.at: 3}}}\nsettings: {net: alexnet}\n")
    assert main(["compare", "severity", "--config", str(path)]) == 2
    assert "there is no nothing to change" in capsys.readouterr().err
    path.write_text("title: x\n")
    assert main(["compare", "severity", "--config", str(path)]) == 2
    assert "is no study" in capsys.readouterr().err
