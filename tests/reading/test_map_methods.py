"""Figures of maps: of these very weights or of none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cxrtriage.reading.facts import RESULTS_FOLDER
from cxrtriage.reading.map_methods import GRAD_CAM, RELEVANCE, MapFigures, Share, map_figures
from cxrtriage.weights import Card

NOTHING = MapFigures({}, None)


def card(sha256: str = "a" * 64, name: str = "vit") -> Card:
    return Card(name, "task", ("covid19",), "vit", {}, {}, sha256, "none")


def figures(value: float) -> dict[str, Any]:
    share = {"value": value, "low": value - 0.1, "high": value + 0.1}
    test = {"films": 20, "patients": 13, "trained_on": 0, "empty": 0, "pointing": share, "inside": share}
    return {"figures": {"test": test, "all": {**test, "films": 83}}}


@pytest.fixture
def results(tmp_path: Path) -> Path:
    methods = {GRAD_CAM: figures(0.6), RELEVANCE: figures(0.35)}
    study = {
        "controls": {"evenly over the lungs": figures(0.4)},
        "nets": {"vit": {"sha256": "a" * 64, "methods": methods}},
    }
    (tmp_path / "compare_saliency.json").write_text(json.dumps(study))
    return tmp_path


def test_each_method_has_its_figures_on_test_films_beside_chance(results):
    found = map_figures(card(), results)
    assert list(found.methods) == [GRAD_CAM, RELEVANCE]
    assert found.methods[RELEVANCE].pointing == Share(0.35, pytest.approx(0.25), pytest.approx(0.45))
    assert (found.methods[GRAD_CAM].films, found.methods[GRAD_CAM].patients) == (20, 13)
    assert found.chance is not None
    assert found.chance.pointing.value == 0.4


def test_other_weights_and_other_nets_have_no_figures(results):
    assert map_figures(card(sha256="b" * 64), results) == NOTHING
    assert map_figures(card(name="other"), results) == NOTHING


@pytest.mark.parametrize("content", [None, "", "[]", '{"nets": {"vit": {}}}', '{"nets": 3}'])
def test_without_results_that_can_be_used_there_are_no_figures(tmp_path, content):
    if content is not None:
        (tmp_path / "compare_saliency.json").write_text(content)
    assert map_figures(card(), tmp_path) == NOTHING


def test_a_part_without_films_is_no_figure(results):
    path = results / "compare_saliency.json"
    study = json.loads(path.read_text())
    study["nets"]["vit"]["methods"][RELEVANCE]["figures"]["test"] = None
    path.write_text(json.dumps(study))
    assert list(map_figures(card(), results).methods) == [GRAD_CAM]


def test_the_results_that_came_along_are_read():
    study = json.loads((RESULTS_FOLDER / "compare_saliency.json").read_text())
    for name, net in study["nets"].items():
        found = map_figures(card(net["sha256"], name))
        assert set(found.methods) == set(net["methods"])
        for method, of in found.methods.items():
            assert of.pointing.low <= of.pointing.value <= of.pointing.high
            assert of.pointing.value == net["methods"][method]["figures"]["test"]["pointing"]["value"]
