"""From film to assessment with small nets."""

from __future__ import annotations

import gc
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from random_films import random_film
from small_nets import CLASSES, POINTS

from cxrtriage.film.film import FilmError
from cxrtriage.reading.assessment import Assessment
from cxrtriage.reading.call import logit, strongest_class
from cxrtriage.reading.ensemble import read_ensemble, write_ensemble
from cxrtriage.reading.lungs import Lungs
from cxrtriage.reading.triage import Triage
from cxrtriage.weights import WeightsError, read_card, write_card
from tests.gate.marked_gate import MarkedGate, marked_film


def test_an_assessment_names_members_classes_thresholds_and_versions(weights_folder, film):
    triage = Triage.load(weights_folder)
    assessment = triage.assess(film, file="a.png")
    assert assessment.file == "a.png"
    assert assessment.status == "read"
    assert assessment.severity is None
    assert set(assessment.diagnosis.members) == set(triage.members) == {"tb_a", "tb_b", "tb_c"}
    assert list(assessment.diagnosis.classes) == ["tuberculosis", "covid19", "other_infection"]
    for name, score in assessment.diagnosis.classes.items():
        own = [member[name] for member in assessment.diagnosis.members.values()]
        assert logit(score.probability) == pytest.approx(np.mean([logit(one) for one in own]))
        assert (score.threshold, score.operating_point, score.threshold_source) == (
            0.5,
            "sensitivity_0.90",
            "card",
        )
        assert (score.sensitivity, score.specificity) == (0.9, 0.8)
        assert score.population == "ten films made for the test"
    for name in ("tb_a", "lungs"):
        assert assessment.versions.weights[name] == read_card(name, weights_folder).sha256[:12]
    assert Assessment.from_json(assessment.to_json()) == assessment


def test_only_findings_that_held_on_the_test_films_are_given(weights_folder, film):
    both = Triage.load(weights_folder).assess(film)
    assert list(both.findings) == ["opacity"]
    alone = Triage.load(weights_folder, ["tb_b"]).assess(film)  # tb_a, which gives them, is no member here
    assert alone.findings == pytest.approx(both.findings)
    assert "tb_a" in alone.versions.weights
    assert set(alone.diagnosis.members) == {"tb_b"}


def test_a_score_is_the_calibrated_sigmoid_of_its_own_logit(weights_folder, film):
    triage = Triage.load(weights_folder, ["tb_a"])
    member = triage._members["tb_a"]
    lungs = triage._lungs.find(film)
    with torch.no_grad():
        logits = member.net(member.form.tensor(member.form.image(film, lungs)))[0].double()
    scores = triage.assess(film).diagnosis.members["tb_a"]
    assert scores["tuberculosis"] == pytest.approx((logits[0] / 1.5 - 0.2).sigmoid().item(), abs=1e-6)
    assert scores["covid19"] == pytest.approx(logits[1].sigmoid().item(), abs=1e-6)


def test_a_film_without_lungs_is_read_whole_and_says_so(weights_folder, film, monkeypatch):
    triage = Triage.load(weights_folder, ["tb_a"])
    nothing = Lungs.of(np.zeros((64, 64), np.float32))
    monkeypatch.setattr(triage._lungs, "find", lambda film: nothing)
    assessment = triage.assess(film)
    assert assessment.codes == ("no_lungs",)
    member = triage._members["tb_a"]
    scores = member.scores(member.look(member.form.image(film)))
    assert assessment.diagnosis.members["tb_a"]["covid19"] == pytest.approx(scores["covid19"])


def test_reading_is_the_same_with_and_without_maps_and_every_time(weights_folder, film):
    triage = Triage.load(weights_folder)
    first = triage.assess(film).diagnosis
    assert triage.read(film)[0].diagnosis == first == triage.assess(film).diagnosis


def test_maps_of_some_classes_only(weights_folder, film):
    _, maps = Triage.load(weights_folder, ["tb_a", "tb_b"]).read(film, maps=("covid19",))
    assert [(one.net, one.class_name) for one in maps] == [("tb_a", "covid19"), ("tb_b", "covid19")]


def test_the_strongest_class_alone_is_mapped(weights_folder, film):
    assessment, maps = Triage.load(weights_folder).read(film, maps="strongest")
    expected = strongest_class(assessment.diagnosis.classes)
    assert {one.class_name for one in maps} == {expected}
    assert [one.net for one in maps] == list(assessment.diagnosis.members)


def test_another_operating_point_moves_thresholds_and_no_score(weights_folder, film):
    triage = Triage.load(weights_folder)
    assert triage.operating_points == ("sensitivity_0.90", "specificity_0.70")
    read = triage.assess(film)
    held = triage.held_against(read, "specificity_0.70")
    assert held == replace(
        Triage.load(weights_folder, operating_point="specificity_0.70").assess(film), seconds=read.seconds
    )
    assert held.diagnosis.members == read.diagnosis.members
    for name, score in held.diagnosis.classes.items():
        assert (score.threshold, score.operating_point) == (0.4, "specificity_0.70")
        assert score.probability == read.diagnosis.classes[name].probability
    assert triage.held_against(held, "sensitivity_0.90") == read


def test_a_refused_film_has_nothing_to_hold_against(weights_folder):
    triage = Triage.load(weights_folder, ["tb_a"])
    refused = triage.refusal(FilmError("empty"))
    assert triage.held_against(refused, "specificity_0.70") == refused


@pytest.mark.parametrize("models", [None, ["tb_a"]])
def test_an_unknown_operating_point_is_named_with_the_known_ones(weights_folder, models):
    sentence = "There is no operating point youdon; known are sensitivity_0.90, specificity_0.70."
    with pytest.raises(WeightsError, match=sentence) as raised:
        Triage.load(weights_folder, models, operating_point="youdon")
    assert raised.value.code == "unknown_operating_point"


def test_a_card_that_has_no_threshold_for_a_class_is_damaged(weights_folder, tmp_path):
    for path in weights_folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    card = read_card("tb_a", tmp_path)
    write_card(replace(card, operating_points={"tuberculosis": card.operating_points["covid19"]}), tmp_path)
    with pytest.raises(WeightsError, match="A card names no threshold; fetch the weights again"):
        Triage.load(tmp_path, ["tb_a"])


def test_a_net_measured_with_another_lung_net_is_refused(weights_folder, tmp_path):
    for path in weights_folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    card = read_card("tb_a", tmp_path)
    write_card(replace(card, lungs={"name": "lungs", "sha256": "0" * 12}), tmp_path)
    with pytest.raises(WeightsError, match="tb_a was measured with the lung net lungs 000000000000"):
        Triage.load(tmp_path, ["tb_a"])


def test_a_combination_nobody_measured_has_no_threshold(weights_folder):
    Triage.load(weights_folder, ["tb_b", "tb_a"])
    with pytest.raises(WeightsError, match="No threshold was measured for tb_a, tb_c together"):
        Triage.load(weights_folder, ["tb_a", "tb_c"])


def test_a_threshold_of_other_weights_is_not_used(weights_folder, tmp_path):
    for path in weights_folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    ensemble = read_ensemble(tmp_path)
    write_ensemble(replace(ensemble, weights={**ensemble.weights, "tb_b": "0" * 64}), tmp_path)
    with pytest.raises(WeightsError, match="No threshold was measured"):
        Triage.load(tmp_path, ["tb_a", "tb_b"])


def test_a_threshold_of_another_calibration_is_not_used(weights_folder, tmp_path):
    for path in weights_folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    card = read_card("tb_b", tmp_path)
    surer = {name: replace(one, deviation=2 * one.deviation) for name, one in card.calibration.items()}
    write_card(replace(card, calibration=surer), tmp_path)
    with pytest.raises(WeightsError, match="No threshold was measured for tb_a, tb_b together"):
        Triage.load(tmp_path, ["tb_a", "tb_b"])


def of_other_readers(folder: Path, to: Path, **readers: tuple[str, ...]) -> Path:
    """The folder of weights again, whose classes are read by these nets."""
    for path in folder.iterdir():
        (to / path.name).write_bytes(path.read_bytes())
    write_ensemble(replace(read_ensemble(to), readers=readers), to)
    return to


def test_each_class_is_read_by_its_own_nets(weights_folder, film, tmp_path):
    """A net is silent of a class that it does not read, also in maps; thresholds are of those that do."""
    readers = {"tuberculosis": ("tb_a", "tb_b"), "covid19": ("tb_c",), "other_infection": ("tb_b", "tb_a")}
    folder = of_other_readers(weights_folder, tmp_path, **readers)
    ensemble = read_ensemble(folder)
    two = {
        name: {point: replace(of, threshold=0.123) for point, of in points.items()}
        for name, points in ensemble.operating_points["tb_a+tb_b"].items()
    }
    write_ensemble(
        replace(ensemble, operating_points={**ensemble.operating_points, "tb_a+tb_b": two}), folder
    )
    triage = Triage.load(folder)
    assert triage.members == ("tb_a", "tb_b", "tb_c")
    assessment, maps = triage.read(film)
    diagnosis = assessment.diagnosis
    assert {net: set(of) for net, of in diagnosis.members.items()} == {
        "tb_a": {"tuberculosis", "other_infection"},
        "tb_b": {"tuberculosis", "other_infection"},
        "tb_c": {"covid19"},
    }
    assert list(diagnosis.classes) == list(CLASSES)
    assert diagnosis.classes["tuberculosis"].threshold == 0.123
    assert diagnosis.classes["covid19"].threshold == POINTS["sensitivity_0.90"].threshold
    assert diagnosis.classes["covid19"].probability == diagnosis.members["tb_c"]["covid19"]
    told = {(one.net, one.class_name) for one in maps}
    assert told == {(net, name) for name, nets in readers.items() for net in nets}
    # Others that are asked for speak of all they know.
    asked = Triage.load(folder, ["tb_a", "tb_b"]).assess(film).diagnosis
    assert {net: set(of) for net, of in asked.members.items()} == {
        "tb_a": set(CLASSES),
        "tb_b": set(CLASSES),
    }
    held = triage.held_against(assessment, "specificity_0.70").diagnosis
    assert {name: of.threshold for name, of in held.classes.items()}["tuberculosis"] == 0.123


def test_a_class_that_its_readers_were_never_measured_for_is_not_read(weights_folder, tmp_path):
    folder = of_other_readers(weights_folder, tmp_path, tuberculosis=("tb_a", "tb_c"), covid19=("tb_b",))
    with pytest.raises(WeightsError, match="No threshold was measured for tb_a, tb_b, tb_c together"):
        Triage.load(folder)


def test_an_unknown_model_is_named_with_the_known_ones(weights_folder):
    with pytest.raises(WeightsError, match="There is no model tb_x; known are tb_a, tb_b, tb_c"):
        Triage.load(weights_folder, ["tb_x"])


@pytest.mark.parametrize(
    ("name", "damage", "sentence"),
    [
        ("tb_a.safetensors", None, "The weights tb_a.safetensors are not in .*; fetch them again."),
        (
            "tb_a.safetensors",
            b"no weights",
            "The weights tb_a.safetensors are not the ones their card speaks of",
        ),
        ("tb_a.json", None, "The card tb_a.json is not in .*; fetch the weights again."),
        ("tb_a.json", b'{"schema"', "The card tb_a.json is damaged; fetch the weights again."),
        ("tb_a.json", b"\xff\xfe", "The card tb_a.json is damaged; fetch the weights again."),
        ("ensemble.json", None, "ensemble.json is not in .*; fetch the weights again."),
        ("ensemble.json", b"[]", "ensemble.json is damaged; fetch the weights again."),
    ],
)
def test_missing_or_damaged_weights_are_a_clear_sentence(weights_folder, tmp_path, name, damage, sentence):
    for path in weights_folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    if damage is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(damage)
    with pytest.raises(WeightsError, match=sentence):
        Triage.load(tmp_path)


def test_weights_that_do_not_fit_their_card_are_refused(weights_folder, tmp_path):
    for path in weights_folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    write_card(replace(read_card("tb_a", tmp_path), architecture="resnet50"), tmp_path)
    with pytest.raises(WeightsError, match=r"tb_a\.safetensors do not fit their card"):
        Triage.load(tmp_path, ["tb_a"])


def test_a_net_that_gives_no_number_shows_none(weights_folder, film):
    triage = Triage.load(weights_folder, ["tb_a"])
    triage._members["tb_a"].net.head.bias.fill_(float("nan"))
    with pytest.raises(WeightsError, match="tb_a gave no number"):
        triage.assess(film)


def test_a_refusal_has_its_code_and_sentence_and_nothing_else(weights_folder):
    row = Triage.load(weights_folder, ["tb_a"]).refusal(FilmError("empty"), file="x.png", data=b"")
    assert (row.status, row.codes, row.film, row.diagnosis) == ("refused", ("empty",), None, None)
    assert row.message.endswith(".")
    assert row.sha256 == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize("kind", ["frontal_chest", "ct", "photograph_of_film"])
def test_a_film_whose_lungs_are_cut_is_read_on_the_readers_own_word_alone(weights_folder, monkeypatch, kind):
    triage = Triage.load(weights_folder)
    monkeypatch.setattr(triage, "_gate", MarkedGate())
    mask = np.zeros((100, 100), bool)
    mask[10:90, :45], mask[10:90, 55:] = True, True
    cut = Lungs(mask, (0.1, 0.0, 0.9, 1.0), 2, 0.9)
    film = marked_film(kind)
    own = triage.checked(film).codes
    monkeypatch.setattr(triage._lungs, "find", lambda film: cut)
    assessment = triage.assess(film)
    assert (assessment.status, assessment.diagnosis) == ("refused", None)
    if kind == "ct":
        assert assessment.codes == ("not_frontal_chest",)
        return
    assert assessment.codes == ("cropped", *own)
    assert assessment.gate["verdict"] == "cautioned"
    anyway = triage.assess(film, read_anyway=True)
    assert anyway.status == "read"
    assert {"cropped", "read_anyway"} <= set(anyway.codes)
    # A crop that the reader made himself is not asked about.
    assert triage.read(film, gated=False)[0].status == "read"


def test_threads_do_not_mix_films(weights_folder):
    triage = Triage.load(weights_folder, ["tb_a", "tb_b"])
    films = [random_film(seed) for seed in range(6)]
    alone = [triage.read(film) for film in films]
    together: dict[int, object] = {}

    def read(number: int) -> None:
        together[number] = triage.read(films[number])

    for _ in range(3):
        threads = [threading.Thread(target=read, args=(number,)) for number in range(len(films))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for number, (assessment, maps) in enumerate(alone):
            other, other_maps = together[number]
            for name, member in assessment.diagnosis.members.items():
                assert other.diagnosis.members[name] == pytest.approx(member, abs=1e-5)
            for one, two in zip(maps, other_maps, strict=True):
                np.testing.assert_allclose(one.map, two.map, atol=1e-4)


@pytest.mark.slow
def test_a_thousand_maps_leave_nothing_behind(weights_folder, film):
    """Neither hooks nor graphs nor tensors stay on the shared net."""
    triage = Triage.load(weights_folder, ["tb_a"])
    net = triage._members["tb_a"].net

    def tensors() -> int:
        gc.collect()
        return sum(type(thing) in (torch.Tensor, torch.nn.Parameter) for thing in gc.get_objects())

    triage.saliency(film, "tb_a", "tuberculosis")
    before = tensors()
    for _ in range(1000):
        triage.saliency(film, "tb_a", "tuberculosis")
    assert tensors() <= before
    assert all(not module._forward_hooks and not module._backward_hooks for module in net.modules())
    assert all(weight.grad is None for weight in net.parameters())
