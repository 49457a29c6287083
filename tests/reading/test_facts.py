"""Facts of the shipped models: of the very weights, and what the figures say against them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cxrtriage.reading.facts import ENSEMBLE, ModelFacts, model_facts, model_names, weaknesses
from cxrtriage.weights import Card, OperatingPoint, WeightsError, write_card

POINT = OperatingPoint(0.3, (0.2, 0.4), 0.9, 0.7, "films")


def interval(value: float, reach: float = 0.02) -> dict[str, Any]:
    return {"value": value, "low": value - reach, "high": value + reach, "films": [50, 50]}


def group(films: int, value: float) -> dict[str, Any]:
    return {"films": {"with": films, "without": 90}, "auroc": interval(value)}


def card(**changes: Any) -> Card:
    values: dict[str, Any] = {
        "name": "net", "task": "", "classes": ("tuberculosis",), "architecture": "mobilenet_v2",
        "options": {},
        "input": {"size": 224}, "sha256": "a" * 64, "licence": "none",
        "operating_points": {"tuberculosis": {"sensitivity_0.90": POINT}},
    }  # fmt: skip
    return Card(**{**values, **changes})


FIGURES: dict[str, Any] = {
    "sha256": "a" * 64,
    "test": {
        "classes": {
            "tuberculosis": {
                "against_rest": interval(0.95),
                "subgroups": {
                    "AP": group(40, 0.80),  # its interval ends under all films'
                    "PA": group(90, 0.94),
                    "age 60 and over": group(7, 0.5),
                },
            }
        }
    },
    "leave_one_source_out": {},
    "controls": {
        "lungs_out": {
            "tuberculosis": {"against_normal": {"whole": interval(0.9), "control": interval(0.55)}}
        },
        "picture_border_only": {
            "tuberculosis": {"against_normal": {"whole": interval(0.9), "control": interval(0.8)}}
        },
    },
    "findings": {"effusion": {}, "hernia": {}},
    "shown_findings": ["effusion"],
}


def facts(**changes: Any) -> ModelFacts:
    figures = {**FIGURES, **changes}
    return ModelFacts("net", (card(),), "sensitivity_0.90", figures, {"net": figures})


def test_weak_groups_shortcuts_and_what_was_never_measured_are_said():
    found = [(w.kind, w.values.get("group")) for w in weaknesses(facts())]
    assert found == [
        ("never_unseen", None), ("subgroup", "AP"), ("few_films", None), ("border", None),
        ("findings_hidden", None),
    ]  # fmt: skip
    assert weaknesses(facts())[-1].values == {"findings": ["hernia"]}


def test_what_a_net_does_to_a_class_that_it_does_not_read_is_not_held_against_the_ensemble():
    found = facts()
    assert "border" in {one.kind for one in weaknesses(found)}
    for reader, told in (("another", False), ("net", True)):
        read = replace(found, readers={"tuberculosis": (reader,)})
        assert ("border" in {one.kind for one in weaknesses(read)}) == told


def test_a_hospital_it_never_saw_comes_first_with_what_the_threshold_did_there():
    unseen = {
        "classes": {
            "tuberculosis": {
                "all": {"against_rest": interval(0.8), "against_normal": interval(0.82)},
                "calls": {"recall": 0.99, "specificity": 0.07},
            }
        }
    }
    first = weaknesses(facts(leave_one_source_out={"shenzhen": unseen}))[0]
    assert (first.kind, first.values["source"], first.values["specificity"]) == ("unseen", "shenzhen", 0.07)
    assert first.values["auroc"]["value"] == 0.82
    several = weaknesses(facts(leave_one_source_out={"cohen+shenzhen": unseen}))[0]
    assert several.values["source"] == "cohen, shenzhen"


def test_figures_of_other_weights_are_not_shown(tmp_path):
    weights, results = tmp_path / "weights", tmp_path / "results"
    weights.mkdir()
    results.mkdir()
    write_card(card(), weights)
    (results / "net.json").write_text(json.dumps(FIGURES))
    assert model_facts("net", weights, results).figures == FIGURES
    (results / "net.json").write_text(json.dumps({**FIGURES, "sha256": "b" * 64}))
    stale = model_facts("net", weights, results)
    assert stale.figures is None
    assert stale.of_class("tuberculosis") == {}
    assert weaknesses(stale) == []


def test_models_come_with_the_ensemble_first_and_lung_nets_last(tmp_path):
    for name, changes in (("b_net", {}), ("a_lungs", {"operating_points": {}})):
        write_card(card(name=name, **changes), tmp_path)
    assert model_names(tmp_path) == ("b_net", "a_lungs")
    with pytest.raises(WeightsError):
        model_facts("nothing", tmp_path, tmp_path)


def test_the_shipped_models_all_have_facts_of_their_own_weights():
    names = model_names()
    if ENSEMBLE not in names:
        pytest.skip("there are no weights")
    for name in names:
        found = model_facts(name)
        assert not found.classes or found.figures, f"{name} was not measured"


def test_every_class_of_every_shipped_model_has_its_curves():
    for name in model_names():
        found = model_facts(name)
        for class_name in found.classes:
            assert found.reliability(class_name)["reliability"]
            assert found.of_class(class_name)["roc"][-1] == [1.0, 1.0]


def test_results_lie_in_the_repository():
    from cxrtriage.reading.facts import RESULTS_FOLDER

    assert Path(__file__).parents[2] / "train" / "results" == RESULTS_FOLDER
