"""Severity learns from readers' scores by folds of patients, and its figures are measured on films unseen."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from severity_cells import write_scores

from cxrtriage.nets.severity import ZONES
from cxrtriage.reading.facts import model_facts, model_names
from cxrtriage.reading.severity import SeverityReader
from cxrtriage.reading.severity_card import SCALES
from cxrtriage.weights import load_net, read_card
from train.command import main
from train.manifest import ManifestError, read_films
from train.settings import SettingsError
from train.severity import SeverityData, folds_of, new_net, read_severity_settings, weights_between
from train.severity_figures import (
    Scored,
    error_figures,
    fit_slopes,
    fit_told,
    interval_widths,
    least_chance,
    readers_errors,
)
from train.severity_films import affected_zones, mirrored
from train.severity_truths import SeverityTruth, read_severity
from train.severity_unseen import unseen_scores


@pytest.mark.slow
def test_a_net_a_fold_is_trained_measured_and_read_with(
    scored_data, severity_config, trunk_folder, tmp_path, monkeypatch
):
    runs, weights, results = tmp_path / "runs", trunk_folder, tmp_path / "results"
    with severity_config.open("a") as stream:
        stream.write("zone_models: [small]\n")
    monkeypatch.setattr("cxrtriage.weights.WEIGHTS_FOLDER", weights)
    assert main(["severity", "--config", str(severity_config), "--runs", str(runs)]) == 0
    names = ["severity_1", "severity_2", "zone_model_small"]
    assert main(["take", *names, "--runs", str(runs), "--weights", str(weights)]) == 0
    asked = [
        "evaluate",
        "severity",
        "--runs",
        str(runs),
        "--weights",
        str(weights),
        "--results",
        str(results),
    ]
    assert main(asked) == 0
    figures = json.loads((results / "severity.json").read_text())
    assert figures["ours"]["brixia"]["films"] == 4
    assert figures["readers"]["brixia_zone"]["mae"] == pytest.approx(1 / 6 / 2, abs=0.01)
    assert "| brixia zone |" in (results / "severity.md").read_text()
    reader = SeverityReader.load(weights)
    assert set(reader.card.members) == {"severity_1", "severity_2"}
    assert set(reader.card.checksums) == set(names)
    assert model_facts("severity", weights).figures == figures
    assert not {"severity_1", "zone_model_small"} & set(model_names(weights))
    assert set(reader.card.widths) == set(SCALES)

    fitted = []
    monkeypatch.setattr("train.severity_unseen.fit_told", lambda *of: fitted.append(of[2]) or fit_told(*of))
    scores = unseen_scores(weights, runs)
    data = SeverityData(read_severity_settings(severity_config), runs)
    folds = data.folds()
    assert [set(folds[index]) for index in fitted] == [{1}, {0}, {0, 1}]
    for part, splits in (("unseen", {"train", "val"}), ("test", {"test"})):
        assert {truth.row.split for truth in scores[part].truths} == splits
        assert len(scores[part].truths) == (data.split(*splits) & data.scored).sum()
        assert all(np.all((said >= 0) & (said <= 8)) for said in scores[part].said.values())

    monkeypatch.setattr("train.severity.read_card", lambda name: read_card(name, weights))
    monkeypatch.setattr("train.severity.load_net", lambda card: load_net(card, weights))
    on = replace(data.settings, weights="severity")
    begun, taught = (
        new_net(on, 1).state_dict(),
        load_net(read_card("severity_2", weights), weights).state_dict(),
    )
    assert all(torch.equal(begun[name], taught[name]) for name in taught)
    with pytest.raises(SettingsError, match="other folds"):
        new_net(replace(on, folds=4), 1)


def test_a_share_of_the_weights_begun_with_is_kept():
    after = {"slope": torch.tensor([1.0, 3.0]), "steps": torch.tensor(7)}
    begun = {"slope": torch.tensor([5.0, 3.0]), "steps": torch.tensor(2)}
    kept = weights_between(after, begun, 0.25)
    assert kept["slope"].tolist() == [2.0, 3.0]
    assert kept["steps"] == 7


@pytest.mark.parametrize(("chance", "least"), [(0.05, 0.1), (0.17, 0.2), (0.32, 0.35), (0.7, 0.4)])
def test_chances_count_from_where_normal_films_stay_at_0(chance, least):
    val = np.array([True] * 10 + [False] * 5)
    data = _normal_films(["north"] * 15, val)
    array = np.where(val[:, None], chance, 0.9) * np.ones((15, ZONES))
    assert least_chance({"array": array}, data, np.arange(15), (1.0, 0.0)) == pytest.approx(least)


def test_chances_count_from_where_normal_films_of_every_source_stay_at_0():
    data = _normal_films(["north"] * 40 + ["south"] * 2, np.full(42, True))
    array = np.where(np.arange(42)[:, None] < 40, 0.05, 0.27) * np.ones((42, ZONES))
    assert least_chance({"array": array}, data, np.arange(42), (1.0, 0.0)) == pytest.approx(0.3)


def test_slopes_tell_films_without_affected_zones_less():
    random = np.random.default_rng(0)
    affected = np.repeat([[0.0], [0.6]], 40, axis=0) * np.ones((80, ZONES)) / ZONES
    said = random.uniform(1, 4, (80, ZONES))
    chances = affected.sum(axis=1)
    truths = [
        SimpleNamespace(zones=zones, extent=extent, opacity=opacity)
        for zones, extent, opacity in zip(
            said * (0.2 + 2 * affected), said[:, 0] * (0.5 + chances), said[:, 1] * 0.7, strict=True
        )
    ]
    data = SimpleNamespace(truths=truths, scored=np.ones(80, bool))
    parts = {"brixia": said, "extent": said[:, 0], "opacity": said[:, 1]}
    slopes = fit_slopes(parts, data, np.arange(80), affected)
    assert slopes["brixia_zone"] == pytest.approx((0.2, 2.0), abs=1e-3)
    assert slopes["extent"] == pytest.approx((0.5, 1.0), abs=1e-3)
    assert slopes["opacity"] == pytest.approx((0.7, 0.0), abs=1e-3)


def _normal_films(sources, val):
    truths = [SimpleNamespace(row=SimpleNamespace(source=source)) for source in sources]
    return SimpleNamespace(truths=truths, scored=np.zeros(len(sources), bool), split=lambda *names: val)


def test_no_patient_of_a_fold_is_in_another_and_test_films_are_in_none(
    scored_data, severity_config, tmp_path
):
    data = SeverityData(read_severity_settings(severity_config), tmp_path / "runs")
    folds = data.folds()
    of: dict[str, set[int]] = {}
    for truth, fold in zip(data.truths, folds, strict=True):
        of.setdefault(truth.row.patient, set()).add(int(fold))
        assert (fold == -1) == (truth.row.split == "test")
    assert all(len(one) == 1 for one in of.values())
    sizes = np.bincount(folds[folds >= 0])
    assert sizes.max() - sizes.min() <= 1


def test_folds_keep_a_patients_films_together():
    class Row:
        def __init__(self, patient: str) -> None:
            self.patient, self.split = patient, "train"

    folds = folds_of([Row(patient) for patient in "aaaabbbccd"], 2)
    assert len(set(folds[:4])) == len(set(folds[4:7])) == 1
    assert sorted(np.bincount(folds)) == [5, 5]


def test_both_readers_count_and_an_opacity_of_another_scale_is_converted(scored_data):
    truths = read_severity(scored_data, read_films(scored_data))
    ill = next(truth for truth in truths if truth.row.label == "tuberculosis")
    assert ill.brixia.shape == (2, ZONES)
    assert ill.zones.tolist() == [2.5, 0, 0, 0, 0, 0]
    assert ill.array.tolist() == [1, 0, 0, 0, 0, 0]
    assert ill.opacity == pytest.approx(3.0)


def test_zones_a_to_c_are_the_patients_right(tiny_data):
    film = read_films(tiny_data)[0]
    scores = {f"brixia1_{zone}": number for zone, number in zip("abcdef", (1, 2, 3, 0, 1, 2), strict=True)}
    write_scores(tiny_data, [{"file": film.file, **scores}])
    (truth,) = read_severity(tiny_data, [film])
    assert truth.zones.reshape(3, 2).tolist() == [[1, 0], [2, 1], [3, 2]]
    assert np.isnan(truth.extent)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"file": "gone.png"}, "gone.png is not in films.csv"),
        ({"extent_0_8": "9"}, "line 2: extent_0_8 is '9'"),
        ({"brixia1_a": "x"}, "brixia1_a is 'x'"),
    ],
)
def test_a_bad_row_is_named(tiny_data, change, words):
    films = read_films(tiny_data)
    write_scores(tiny_data, [{"file": films[0].file, "extent_0_8": 1, **change}])
    with pytest.raises(ManifestError, match=words):
        read_severity(tiny_data, films)


def test_outlined_lesions_come_in_beside_the_scores(tiny_data):
    films = read_films(tiny_data)
    write_scores(tiny_data, [{"file": films[0].file, "extent_0_8": 1}])
    (tiny_data / "opacities").mkdir()
    Image.fromarray(np.full((64, 60), 255, np.uint8)).save(tiny_data / "opacities" / "a.png")
    (tiny_data / "opacities.csv").write_text(f"file,mask\n{films[0].file},a.png\n{films[1].file},a.png\n")
    first, second = read_severity(tiny_data, films)
    assert first.lesions is not None
    assert first.extent == 1
    assert not second.scored


def test_a_damaged_mask_is_one_sentence(tiny_data):
    films = read_films(tiny_data)
    write_scores(tiny_data, [{"file": films[0].file, "extent_0_8": 1}])
    (tiny_data / "opacities").mkdir()
    (tiny_data / "opacities" / "a.png").write_bytes(b"\x89PNG\r\n")
    (tiny_data / "opacities.csv").write_text(f"file,mask\n{films[0].file},a.png\n")
    (truth,) = read_severity(tiny_data, films)
    with pytest.raises(ManifestError, match=r"a.png cannot be read"):
        truth.lesions.drawn()


def test_a_mirrored_film_swaps_its_sides_and_back_again():
    random = np.random.default_rng(0)
    film, lesions = random.integers(0, 255, (2, 8, 8)).astype(np.uint8)
    zones = random.integers(0, 7, (8, 8)).astype(np.uint8)
    scores = np.arange(14.0)
    once = mirrored(film, zones, lesions, scores)
    assert once[3][:4].tolist() == [1, 0, 3, 2]
    assert once[3][-2:].tolist() == [12, 13]
    assert ((once[1][:, ::-1] == 2) == (zones == 1)).all()
    for before, after in zip((film, zones, lesions, scores), mirrored(*once), strict=True):
        assert (before == after).all()


def test_a_zone_is_affected_by_enough_of_a_lesion():
    zones = np.repeat(np.arange(1, 7, dtype=np.uint8), 100).reshape(6, 100)
    lesions = np.zeros((6, 100), np.uint8)
    lesions[1, :50] = 1
    lesions[2, :3] = 1
    shares = affected_zones(lesions, zones)
    assert shares[[0, 1, 3]].tolist() == [0, 1, 0]
    assert np.isnan(shares[2])


def scored(extents: list[float], said: list[float]) -> Scored:
    class Row:
        def __init__(self, number: int) -> None:
            self.patient, self.source, self.split = str(number), "here", "test"

    unknown = np.full((1, ZONES), np.nan)
    truths = [SeverityTruth(Row(n), value, np.nan, unknown) for n, value in enumerate(extents)]
    nothing = np.zeros(len(said))
    parts = dict.fromkeys(("array_score", "brixia", "opacity"), nothing)
    return Scored(truths, {**parts, "brixia_zone": np.zeros((len(said), ZONES)), "extent": np.array(said)})


def test_errors_are_those_of_the_films_known(monkeypatch):
    monkeypatch.setattr("train.severity_figures.ROUNDS", 50)
    films = scored([0, 1, 2, 3, 4, 5, np.nan], [1, 1, 2, 3, 4, 3, 8])
    told = error_figures(films, "extent")
    assert (told["films"], told["mae"], told["mse"]) == (6, 0.5, round(5 / 6, 3))
    assert told["mae_interval"][0] <= 0.5 <= told["mae_interval"][1]
    assert error_figures(films, "opacity") == {"films": 0}


def test_intervals_hold_nine_errors_of_ten():
    random = np.random.default_rng(2)
    truth = random.uniform(0, 8, 600)
    held = scored(truth.tolist(), np.clip(truth + random.normal(0, 0.5, 600), 0, 8).tolist())
    for _, width in interval_widths(held, "extent"):
        assert 0.65 < width < 1.0  # 1.64 deviations of 0.5


def test_two_readers_disagree_by_what_they_wrote():
    class Row:
        patient = "a"

    zones = np.array([[3, 0, 0, 0, 0, 0], [1, 1, 0, 0, 0, 0]], float)
    figures = readers_errors([SeverityTruth(Row(), np.nan, np.nan, zones)])
    assert figures["brixia"]["mae"] == 1
    assert figures["brixia_zone"]["mae"] == 0.5
    assert figures["array_score"]["mae"] == 1


def test_a_run_may_learn_from_some_readers_work_alone(scored_data, severity_config, tmp_path):
    films = read_films(scored_data)
    (scored_data / "opacities").mkdir()
    Image.fromarray(np.full((64, 60), 255, np.uint8)).save(scored_data / "opacities" / "a.png")
    outlined = next(film.file for film in films if film.source == "south" and film.label == "tuberculosis")
    (scored_data / "opacities.csv").write_text(f"file,mask\n{outlined},a.png\n")
    data = SeverityData(read_severity_settings(severity_config), tmp_path / "runs")
    place = [truth.row.file for truth in data.truths].index(outlined)
    assert (data.lesions[place] == 1).any()

    alone = data.under(replace(data.settings, graders=("one",)))
    assert (alone.folds() == data.folds()).all()
    assert (alone.lesions[place] == 2).all()
    for before, after in zip(data.truths, alone.truths, strict=True):
        if before.row.source == "south":
            assert np.isnan(after.extent) == (before.extent_set != "one")
            assert np.isnan(after.brixia).all()
    sets = np.array([truth.extent_set for truth in data.truths])
    assert (alone.taught == (~data.scored | (sets == "one"))).all()

    drawn = data.under(replace(data.settings, graders=("brixia", "outlines")))
    assert (drawn.lesions[place] == data.lesions[place]).all()
    assert all(np.isnan(drawn.truths[i].extent) for i in np.flatnonzero(data.scored))
    with pytest.raises(SettingsError, match="share their input form and folds"):
        data.under(replace(data.settings, folds=3))
