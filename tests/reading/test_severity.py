"""What is told of severity: on its scale, with its interval, and nothing where lungs were not found."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_nets import (
    STEPS,
    write_constant_finder,
    write_constant_lone_finder,
    write_constant_zone_model,
    write_small_severity,
)

from cxrtriage.film.synthetic import draw_film
from cxrtriage.nets.opacities import OpacityNet, OpacityOutputs
from cxrtriage.nets.severity import ScaleOutputs
from cxrtriage.reading.assessment import Assessment
from cxrtriage.reading.lung_finder import LungFinder
from cxrtriage.reading.lungs import Lungs
from cxrtriage.reading.severity import (
    SeverityReader,
    ZoneReader,
    calibrated_array,
    category_of,
    likelier,
    marked_map,
    mixed_chances,
    raised,
    sloped,
)
from cxrtriage.reading.severity_card import SCALES, SEVERITY_FILE, SeverityCard, read_severity_card
from cxrtriage.reading.triage import Triage
from cxrtriage.weights import WeightsError


@pytest.fixture
def severity_folder(weights_folder, tmp_path):
    """The folder of three classifiers with two untrained severity nets more."""
    for path in weights_folder.iterdir():
        (tmp_path / path.name).symlink_to(path)
    write_small_severity(tmp_path)
    return tmp_path


@pytest.fixture
def found(monkeypatch):
    """Any film's lungs: two boxes."""
    chances = np.full((64, 64), 0.1, np.float32)
    chances[12:52, 8:28] = chances[12:52, 36:56] = 0.9
    monkeypatch.setattr(LungFinder, "find", lambda self, film: Lungs.of(chances))


def test_a_film_is_told_with_all_scales_and_comes_back_from_json(severity_folder, found):
    triage = Triage.load(severity_folder, models=["tb_a"])
    assessment = triage.assess(draw_film(3, rows=256, columns=200))
    severity = assessment.severity
    assert severity is not None
    assert severity.lungs.found == 2
    for name, scale in (
        ("array_score", severity.array_score), ("brixia", severity.brixia.total),
        ("extent", severity.extent), ("opacity", severity.opacity),
    ):  # fmt: skip
        low, high = scale.interval
        assert 0 <= low <= scale.value <= high <= SCALES[name]
    assert sum(map(sum, severity.brixia.zones)) == pytest.approx(severity.brixia.total.value, abs=0.05)
    assert Assessment.from_json(assessment.to_json()) == assessment
    assert set(assessment.versions.weights) >= {"severity_1", "severity_2"}
    assert assessment.seconds["severity"] > 0


def test_the_map_is_of_the_films_size_and_within_the_lungs(severity_folder, found):
    triage = Triage.load(severity_folder, models=["tb_a"])
    map_ = triage.severity_map(draw_film(3, rows=256, columns=200))
    assert map_.map.shape == (256, 200)
    assert 0 <= map_.map.min() <= map_.map.max() <= 1
    assert map_.map[:30].max() == 0
    assert map_.map[100:160, 40:80].max() > 0


def test_the_map_comes_out_of_the_pass_that_read_the_film(severity_folder, found):
    triage = Triage.load(severity_folder, models=["tb_a"])
    film = draw_film(3, rows=256, columns=200)
    assessment, maps, lesions = triage.read_with_lesions(film, maps="strongest")
    alone = triage.assess(film)
    assert (assessment.diagnosis, assessment.severity) == (alone.diagnosis, alone.severity)
    assert len(maps) == 1
    assert lesions is not None
    np.testing.assert_array_equal(lesions.map, triage.severity_map(film).map)


def test_without_two_lungs_nothing_is_told(severity_folder, monkeypatch):
    one = np.full((64, 64), 0.1, np.float32)
    one[12:52, 8:28] = 0.9
    monkeypatch.setattr(LungFinder, "find", lambda self, film: Lungs.of(one))
    triage = Triage.load(severity_folder, models=["tb_a"])
    film = draw_film(3, rows=128, columns=128)
    assessment = triage.assess(film)
    assert assessment.severity is None
    assert "one_lung" in assessment.codes
    assert triage.severity_map(film) is None
    assert triage.read_with_lesions(film)[2] is None


def test_without_severity_nets_nothing_is_told(weights_folder, found):
    triage = Triage.load(weights_folder, models=["tb_a"])
    assert triage.severity_card is None
    assert triage.assess(draw_film(1, rows=128, columns=128)).severity is None


def test_another_net_than_the_one_measured_is_refused(severity_folder):
    card = read_severity_card(severity_folder)
    other = replace(card, members={**card.members, "severity_1": "0" * 12})
    (severity_folder / SEVERITY_FILE).write_text(json.dumps(other.to_dict()))
    with pytest.raises(WeightsError, match="severity_1 is not the net that was measured"):
        SeverityReader.load(severity_folder)


def test_zone_models_have_their_share_of_the_scales(severity_folder, found):
    film = draw_film(3, rows=256, columns=200)
    alone = Triage.load(severity_folder, models=["tb_a"]).assess(film).severity
    write_constant_zone_model(severity_folder, 0.25)
    assessment = Triage.load(severity_folder, models=["tb_a"]).assess(film)
    both = assessment.severity
    for scale, most in (("extent", 8), ("opacity", 6)):
        told = 0.75 * getattr(alone, scale).value + 0.25 * most
        assert getattr(both, scale).value == pytest.approx(told, abs=0.02)
    told = 0.75 * np.array(alone.brixia.zones) + 0.25 * 3
    assert np.array(both.brixia.zones) == pytest.approx(told, abs=0.02)
    told = mixed_chances(np.array(alone.array), np.ones((3, 2)), 0.25)
    assert np.array(both.array) == pytest.approx(told, abs=0.01)
    assert "zone_model_tb_a" in assessment.versions.weights


@pytest.mark.parametrize("chance", [0.001, 0.6, 0.999])
def test_the_lone_finder_raises_the_array_alone(severity_folder, found, chance):
    film = draw_film(3, rows=256, columns=200)
    before = Triage.load(severity_folder, models=["tb_a"])
    alone = before.assess(film).severity
    write_constant_lone_finder(severity_folder, chance)
    triage = Triage.load(severity_folder, models=["tb_a"])
    assessment = triage.assess(film)
    both = assessment.severity
    assert np.array(both.array) == pytest.approx(np.maximum(np.array(alone.array), chance), abs=0.01)
    assert (both.extent, both.opacity, both.brixia) == (alone.extent, alone.opacity, alone.brixia)
    assert "lone_opacity_finder" in assessment.versions.weights
    assert (triage.severity_map(film).map == before.severity_map(film).map).all()


@pytest.mark.parametrize(("chance", "against"), [(0.1, 0.0), (0.1, 0.5), (0.6, 0.5)])
def test_the_map_follows_what_the_opacity_finder_marks(severity_folder, found, chance, against):
    film = draw_film(3, rows=256, columns=200)
    before = Triage.load(severity_folder, models=["tb_a"])
    alone = before.severity_map(film)
    assert "opacity_finder" not in alone.net
    write_constant_finder(severity_folder, chance, 0.25, against)
    triage = Triage.load(severity_folder, models=["tb_a"])
    both = triage.severity_map(film)
    assert triage.assess(film).severity == before.assess(film).severity
    assert both.net == f"{alone.net}+opacity_finder"
    assert (both.map[alone.map == 0] == 0).all()
    # The edge of the lungs is as fine as the input, of which one place is some pixels of the film.
    deep = cv2.erode((alone.map > 0).astype(np.uint8), np.ones((17, 17), np.uint8)) > 0
    assert deep.any()
    told = raised(alone.map[deep], np.full(deep.sum(), chance), 0.25, against)
    # Both maps are brought to the film's pixels, one of them after it was made finer.
    assert both.map[deep] == pytest.approx(told, abs=0.02)


@pytest.mark.parametrize(
    ("write", "field", "name"),
    [
        (write_constant_finder, "opacity_finder", "opacity_finder"),
        (write_constant_lone_finder, "lone_finder", "lone_opacity_finder"),
    ],
)
def test_another_finder_than_the_one_measured_is_refused(severity_folder, write, field, name):
    write(severity_folder, 0.6)
    card = read_severity_card(severity_folder)
    (severity_folder / SEVERITY_FILE).write_text(
        json.dumps(replace(card, **{field: {name: "0" * 12}}).to_dict())
    )
    with pytest.raises(WeightsError, match=f"{name} is not the net that was measured"):
        SeverityReader.load(severity_folder)


@pytest.mark.parametrize(
    "change",
    [
        {"opacity_finder_map_least": 0.0},
        {"opacity_finder_map_least": 1.5},
        {"opacity_finder_map_against": -0.1},
        {"opacity_finder": {"a": "1", "b": "2"}},
        {"lone_finder": {"a": "1", "b": "2"}},
    ],
)
def test_an_impossible_share_or_two_finders_are_damage(severity_folder, change):
    values = json.loads((severity_folder / SEVERITY_FILE).read_text())
    (severity_folder / SEVERITY_FILE).write_text(json.dumps({**values, **change}))
    with pytest.raises(WeightsError, match="is damaged"):
        read_severity_card(severity_folder)


@pytest.mark.parametrize("write", [write_constant_finder, write_constant_lone_finder])
@pytest.mark.parametrize("part", ["array", "map"])
def test_an_opacity_finder_that_gives_no_number_fails_severity_alone(
    severity_folder, found, monkeypatch, part, write
):
    write(severity_folder, 0.6)
    triage = Triage.load(severity_folder, models=["tb_a"])
    said = {"array": torch.zeros(1, 6), "map": torch.zeros(1, 64, 64)}
    nothing = OpacityOutputs(**{**said, part: torch.full_like(said[part], torch.nan)})
    monkeypatch.setattr(OpacityNet, "forward", lambda *_: nothing)
    assessment = triage.assess(draw_film(1, rows=128, columns=128))
    assert assessment.status == "read"
    assert assessment.severity is None
    assert "severity_failed" in assessment.codes


def test_a_zone_model_is_bound_to_its_net(severity_folder, found):
    write_constant_zone_model(severity_folder, 0.5)
    card = json.loads((severity_folder / "zone_model_tb_a.json").read_text())
    card["settings"]["trunk_sha256"] = "0" * 64
    (severity_folder / "zone_model_tb_a.json").write_text(json.dumps(card))
    triage = Triage.load(severity_folder, models=["tb_a"])
    assert "zone_model_tb_a was fitted on another tb_a" in triage.problems["severity"].message
    assert triage.assess(draw_film(1, rows=128, columns=128)).severity is None


def test_a_zone_model_that_gives_no_number_fails_severity_alone(severity_folder, found, monkeypatch):
    write_constant_zone_model(severity_folder, 0.5)
    triage = Triage.load(severity_folder, models=["tb_a"])
    nothing = torch.full((1, 6), torch.nan)
    monkeypatch.setattr(
        ZoneReader, "look", lambda *_: ScaleOutputs(nothing, nothing, nothing[:, 0], nothing[:, 0])
    )
    assessment = triage.assess(draw_film(1, rows=128, columns=128))
    assert assessment.status == "read"
    assert assessment.severity is None
    assert "severity_failed" in assessment.codes


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"schema": "cxrtriage/severity/3", "widths": {}}'])
def test_a_damaged_file_is_one_sentence(severity_folder, text):
    (severity_folder / SEVERITY_FILE).write_text(text)
    triage = Triage.load(severity_folder, models=["tb_a"])
    problem = triage.problems["severity"]
    assert problem.message.endswith("severity.json is damaged; fetch the weights again.")
    assert problem.code == "weights_damaged"
    assert triage.assess(draw_film(1, rows=128, columns=128)).severity is None


@given(st.floats(-1, 9), st.sampled_from(sorted(SCALES)))
def test_an_interval_holds_its_value_and_stays_on_the_scale(value, name):
    scale = SeverityCard({"a": "b"}, (1.0, 0.0), STEPS, {}).scale(name, value)
    assert 0 <= scale.interval[0] <= scale.value <= scale.interval[1] <= SCALES[name]


def test_a_greater_value_has_the_width_of_its_step():
    card = SeverityCard({"a": "b"}, (1.0, 0.0), STEPS, {})
    assert card.scale("extent", 2.0).interval == (1.5, 2.5)
    assert card.scale("extent", 6.0).interval == (5.0, 7.0)


def test_calibration_keeps_the_order_and_the_middle():
    chances = np.array([0.01, 0.3, 0.5, 0.9])
    told = calibrated_array(chances, (2.0, 0.0))
    assert (np.diff(told) > 0).all()
    assert told[2] == pytest.approx(0.5)
    assert told[3] > 0.9


def test_a_film_of_which_no_zone_is_affected_is_told_less():
    said = np.array([0.0, 2.0, 2.0, 2.0, 7.0])
    affected = np.array([1.0, 0.0, 0.5, 1.0, 1.0])
    assert sloped(said, affected, (0.5, 1.0), 8.0).tolist() == [0.0, 1.0, 2.0, 3.0, 8.0]
    assert sloped(said, affected, None, 8.0).tolist() == said.tolist()


def test_chances_are_mixed_by_their_log_odds():
    mean = mixed_chances(np.array([0.5, 0.9, 0.01]), np.array([0.5, 0.1, 0.99]), 0.5)
    assert mean == pytest.approx(np.full(3, 0.5))
    assert mixed_chances(np.array([0.9]), np.array([0.5]), 0.0) == pytest.approx([0.9])


def test_of_a_zone_the_greater_chance_is_told():
    assert likelier(np.array([0.2, 0.5]), np.array([0.9, 0.1])).tolist() == [0.9, 0.5]


def test_what_is_marked_raises_a_chance_and_what_is_not_says_nothing():
    chances = np.array([0.2, 0.5, 0.9])
    assert raised(chances, np.array([0.1, 0.27, 0.0]), 0.27, 0.0) == pytest.approx(chances)
    odds = chances / (1 - chances) * (0.6 / 0.4) / (0.27 / 0.73)
    assert raised(chances, np.full(3, 0.6), 0.27, 0.0) == pytest.approx(odds / (1 + odds))


def test_what_is_not_marked_can_say_something_against_a_chance():
    chances = np.array([0.2, 0.5, 0.9])
    against = chances / (1 - chances) * ((0.1 / 0.9) / (0.27 / 0.73)) ** 0.5
    assert raised(chances, np.full(3, 0.1), 0.27, 0.5) == pytest.approx(against / (1 + against))
    assert (raised(chances, np.full(3, 0.6), 0.27, 0.5) == raised(chances, np.full(3, 0.6), 0.27, 0.0)).all()


def test_a_map_is_raised_and_lowered_place_by_place_and_as_fine_as_what_is_marked():
    marked = np.full((4, 4), 0.1)
    marked[:2, :2] = 0.6
    lungs = np.ones((4, 4), bool)
    lungs[0] = False
    fine = marked_map(np.full((2, 2), 0.2, np.float32), marked, lungs, 0.27, 0.5)
    assert fine.shape == (4, 4)
    assert fine.dtype == np.float32
    odds = 0.25 * (0.6 / 0.4) / (0.27 / 0.73)
    assert fine[1, :2] == pytest.approx(odds / (1 + odds), abs=1e-5)
    # Beside the lungs holds what is marked next to them, or their edge in the film would be a rim.
    assert fine[0] == pytest.approx(fine[1], abs=1e-5)
    against = 0.25 * ((0.1 / 0.9) / (0.27 / 0.73)) ** 0.5
    assert fine[2:] == pytest.approx(against / (1 + against), abs=1e-5)
    nowhere = marked_map(np.full((2, 2), 0.2, np.float32), marked, np.zeros((4, 4), bool), 0.27, 0.5)
    assert nowhere[1:] == pytest.approx(fine[1:])


def test_categories_rise_with_the_score():
    assert [category_of(value) for value in (0, 0.4, 1, 2.4, 3, 4.4, 5, 6)] == [
        "none", "none", "mild", "mild", "moderate", "moderate", "severe", "severe",
    ]  # fmt: skip


def test_the_benchmark_asks_each_net_of_severity_once(severity_folder, found, monkeypatch):
    """No test runs the benchmark, and what it leaves out it would call the program's own time."""
    monkeypatch.syspath_prepend(Path(__file__).parents[2])
    from tests.bench_reading import bare

    write_constant_zone_model(severity_folder, 0.25)
    write_constant_finder(severity_folder, 0.6)
    write_constant_lone_finder(severity_folder, 0.6)
    triage = Triage.load(severity_folder, models=["tb_a"])
    severity = triage._severity
    asked: list[torch.nn.Module] = []
    nets = [*severity.nets, severity.lone_finder.net, severity.finder.net]
    for net in nets:
        net.register_forward_hook(lambda net, *_: asked.append(net))
    bare(triage)()
    assert asked == nets
