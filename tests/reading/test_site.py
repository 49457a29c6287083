"""A hospital's own thresholds beside the nets they were set with, and beside others."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from cxrtriage.reading.site import LARGEST_FILE, Site, SitePoint, read_site, site_name
from cxrtriage.reading.triage import Triage
from cxrtriage.weights import WeightsError
from tests.odd_json import odd_parts

POINT = SitePoint(0.83, 0.9, (0.8, 0.97), 0.6, (0.5, 0.7), 40, 60)


def site_for(triage: Triage, **changes: object) -> Site:
    cards = triage.cards
    site = Site(
        "Clinic A",
        {name: card.sha256 for name, card in cards.items()},
        {name: card.calibration_sha256 for name, card in cards.items()},
        {"tuberculosis": tuple(cards)},
        {"tuberculosis": {"sensitivity_0.95": POINT, "specificity_0.70": replace(POINT, threshold=0.9)}},
    )
    return replace(site, **changes)  # type: ignore[arg-type]


def test_a_class_is_held_against_the_hospitals_threshold_and_the_others_against_the_cards(
    weights_folder, film
):
    triage = Triage.load(weights_folder)
    site = site_for(triage)
    read = triage.assess(film)
    assert triage.points_with(site) == ("sensitivity_0.95", "specificity_0.70", "sensitivity_0.90")
    held = triage.held_against(read, "sensitivity_0.95", site)
    tuberculosis = held.diagnosis.classes["tuberculosis"]
    assert (tuberculosis.threshold, tuberculosis.operating_point) == (0.83, "sensitivity_0.95")
    assert tuberculosis.threshold_source == "site:Clinic A"
    assert tuberculosis.population == "films of Clinic A: 40 with tuberculosis, 60 without it"
    assert (tuberculosis.sensitivity, tuberculosis.specificity) == (0.9, 0.6)
    assert tuberculosis.probability == read.diagnosis.classes["tuberculosis"].probability
    low, high = tuberculosis.interval
    assert low < 0.83 < high
    # The card knows no such point, so that its usual one holds; one that it knows holds by its name.
    covid = held.diagnosis.classes["covid19"]
    assert covid == read.diagnosis.classes["covid19"]
    other = triage.held_against(read, "specificity_0.70", site).diagnosis.classes
    assert (other["tuberculosis"].threshold, other["covid19"].threshold) == (0.9, 0.4)
    assert triage.held_against(held, "sensitivity_0.90", site) == read
    assert triage.held_against(held, "sensitivity_0.90") == read


def test_a_net_alone_keeps_its_uncertain_band(weights_folder, film):
    triage = Triage.load(weights_folder, ["tb_a"])
    held = triage.held_against(triage.assess(film), "specificity_0.70", site_for(triage))
    low, high = held.diagnosis.classes["tuberculosis"].interval
    assert low < 0.9 < high


def test_thresholds_of_other_nets_another_calibration_or_other_readers_hold_beside_none(weights_folder, film):
    triage = Triage.load(weights_folder)
    site = site_for(triage)
    other = {**site.weights, "tb_a": "0" * 64}
    for changed in (
        site_for(triage, weights=other),
        site_for(triage, calibrations=other),
        site_for(triage, readers={"tuberculosis": ("tb_a",)}),
        site_for(Triage.load(weights_folder, ["tb_a", "tb_b"])),
    ):
        with pytest.raises(WeightsError, match="set with other models") as raised:
            triage.held_against(triage.assess(film), "specificity_0.70", changed)
        assert raised.value.code == "other_thresholds"


def test_a_point_that_neither_has_is_named_with_the_known_ones(weights_folder, film):
    triage = Triage.load(weights_folder)
    sentence = "known are sensitivity_0.95, specificity_0.70, sensitivity_0.90."
    with pytest.raises(WeightsError, match=sentence):
        triage.held_against(triage.assess(film), "youden", site_for(triage))


def damaged(site: Site, **parts: object) -> str:
    values = json.loads(site.to_json())
    point = values["points"]["tuberculosis"]["specificity_0.70"]
    for key, value in parts.items():
        (point if key in point else values)[key] = value
    return json.dumps(values)


@pytest.mark.parametrize(
    "parts",
    [
        {"schema": "cxrtriage/site/0"},
        {"pooling": "mean of probabilities"},
        {"name": "a\nb"},
        {"points": {}},
        {"points": {"tuberculosis": {}}},
        {"weights": None},
        {"threshold": 1.2},
        {"threshold": "NaN"},
        {"sensitivity": None},
        {"specificity_interval": [0.2]},
        {"films_with": -1},
        {"films_with": 2.5},
    ],
)
def test_what_is_no_file_of_thresholds_is_one_sentence(weights_folder, parts):
    site = site_for(Triage.load(weights_folder, ["tb_a"]))
    assert Site.from_json(damaged(site)) == site
    with pytest.raises(WeightsError, match="no file of a hospital's thresholds") as raised:
        Site.from_json(damaged(site, **parts))
    assert raised.value.code == "no_thresholds"


@pytest.mark.parametrize("text", [b"", b"[]", b"{", b"\xff", b"[" * 100_000, b" " * (LARGEST_FILE + 5)])
def test_other_bytes_are_one_sentence_too(tmp_path: Path, text: bytes):
    path = tmp_path / "site.json"
    path.write_bytes(text)
    with pytest.raises(WeightsError, match="no file of a hospital's thresholds"):
        read_site(path)
    with pytest.raises(WeightsError, match="cannot be read"):
        read_site(tmp_path / "none.json")


def test_any_part_of_another_kind_is_one_sentence(weights_folder):
    site = site_for(Triage.load(weights_folder, ["tb_a"]))
    for _, text in odd_parts(json.loads(site.to_json())):
        with contextlib.suppress(WeightsError):
            again = Site.from_json(text)
            assert Site.from_json(again.to_json()) == again
            point = again.points.get("tuberculosis", {}).get("specificity_0.70")
            assert point is None or 0 <= point.threshold <= 1


def test_a_name_stands_on_one_line():
    assert site_name(" St Mary's ") == "St Mary's"
