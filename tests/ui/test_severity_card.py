"""The card "Where and how much" on the reading page, with a reading that needs no weights."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from cxrtriage.reading.assessment import LungsSeen
from cxrtriage.reading.scale_errors import ErrorsOfScales
from cxrtriage.ui import readings
from cxrtriage.ui.map_choice import CONTOUR_LEVEL
from tests.browser.pages_for_tests.severity_readings import FIGURES, SEVERITY, SevereTriage
from tests.ui.test_reading_page import APP, map_boxes, opened, png, words

PATIENCE = 120


@pytest.fixture
def triage(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[SevereTriage]]:
    st.cache_resource.clear()
    monkeypatch.setattr(readings, "loaded_triage", SevereTriage)
    monkeypatch.setattr(readings, "severity_errors", lambda: ErrorsOfScales.from_figures(FIGURES))
    for name, value in {"severity": SEVERITY, "codes": (), "maps_drawn": 0, "probability": 0.81}.items():
        monkeypatch.setattr(SevereTriage, name, value)
    yield SevereTriage
    st.cache_resource.clear()


@pytest.fixture
def page(triage: type[SevereTriage]) -> AppTest:
    return AppTest.from_file(APP, default_timeout=PATIENCE).run()


def figure(page: AppTest) -> dict[str, Any]:
    (chart,) = page.get("plotly_chart")
    return json.loads(chart.proto.spec or chart.proto.figure.spec)


def drawn_words(page: AppTest) -> list[str]:
    return [note["text"] for note in figure(page)["layout"]["annotations"]]


def test_before_a_film_the_card_stands_without_a_number(page: AppTest) -> None:
    assert not page.exception
    assert "Zones and scales appear here." in words(page)
    assert "<b>2.4 of 8</b>" not in drawn_words(page)
    assert "<b>– of 8</b>" in drawn_words(page)
    assert "Two readers differ by 1.9" in words(page)


def test_a_read_film_has_its_zones_scales_category_and_errors(page: AppTest) -> None:
    opened(page, png())
    assert not page.exception
    for said in ("<b>2.6</b>", "<b>2.5 of 6</b>", "<b>6.2 of 18</b>", "<b>2.4 of 8</b>", "<b>2.2 of 6</b>"):
        assert said in drawn_words(page)
    told = words(page)
    assert "<b>Moderate</b> by opacity" in told
    assert (
        "Two readers differ by 1.9 on the Brixia score (0 to 18); this program differs from them by 1.7."
        in told
    )
    assert "Mean error against readers 0.45." in told
    assert "do not contradict each other" in told


@pytest.mark.parametrize(
    ("chance", "headline"),
    [(0.9, "<b>Below mild</b> by opacity"), (0.2, "<b>None found</b> by opacity")],
)
def test_a_film_with_an_affected_zone_is_not_headed_none_found(
    triage: type[SevereTriage], monkeypatch: pytest.MonkeyPatch, chance: float, headline: str
) -> None:
    zones = ((0.1, chance), (0.1, 0.1), (0.1, 0.1))
    monkeypatch.setattr(triage, "severity", replace(SEVERITY, category="none", array=zones))
    page = AppTest.from_file(APP, default_timeout=PATIENCE).run()
    opened(page, png())
    assert headline in words(page)


def test_the_other_scale_puts_its_own_numbers_into_the_zones(page: AppTest) -> None:
    opened(page, png())
    page.get("button_group")[0].set_value("array").run()
    assert "<b>0.91</b>" in drawn_words(page)
    assert "<b>2.6</b>" not in drawn_words(page)
    assert "Chance, 0 to 1 a zone" in drawn_words(page)


def test_a_contradiction_is_a_sentence(page: AppTest, triage: type[SevereTriage]) -> None:
    triage.probability = 0.1
    told = words(opened(page, png()))
    assert "no class is above its threshold, but 3 of 6 zones are likely to be affected" in told
    assert "do not contradict each other" not in told


@pytest.mark.parametrize(
    ("code", "said"),
    [("no_lungs", "No lungs were found, so zones and scales were not read."),
     ("one_lung", "Only one lung was found, so zones and scales were not read.")],
)  # fmt: skip
def test_without_lungs_there_is_a_sentence_and_no_number(
    page: AppTest, triage: type[SevereTriage], code: str, said: str
) -> None:
    triage.severity, triage.codes = None, (code,)
    assert said in words(opened(page, png()))
    assert "<b>– of 18</b>" in drawn_words(page)
    assert triage.maps_drawn == 0
    assert "Lesion likelihood" not in map_boxes(page)[0].options


def test_zones_of_doubtful_lungs_come_with_a_warning(page: AppTest, triage: type[SevereTriage]) -> None:
    triage.severity = replace(SEVERITY, lungs=LungsSeen(1, 0.4, ("one_lung",)))
    assert "the zones may lie in the wrong place" in words(opened(page, png()))


def test_without_a_severity_net_the_page_says_so_before_and_after_reading(
    page: AppTest, triage: type[SevereTriage], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readings, "severity_errors", lambda: None)
    triage.severity = None
    for shown in (page.run(), opened(page, png())):
        assert "No severity model is installed" in words(shown)
        assert shown.get("plotly_chart") == []


def test_errors_that_nobody_measured_are_said_to_be_unknown(
    page: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readings, "severity_errors", ErrorsOfScales)
    told = words(opened(page, png()))
    assert "How far these numbers lie from readers&#x27; was not measured: do not rely on them." in told
    assert "Two readers differ" not in told


def test_the_lesion_map_is_drawn_once_and_lies_over_the_film_with_a_contour(
    page: AppTest, triage: type[SevereTriage], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[Any] = []
    monkeypatch.setattr(
        "cxrtriage.ui.viewer.film_viewer", lambda film, **given: shown.append(given["overlay"])
    )
    opened(page, png())
    assert shown[-1].contour is None  # a score's map has none
    map_boxes(page)[0].select("lesions").run()
    assert triage.maps_drawn == 1
    assert shown[-1].contour == CONTOUR_LEVEL
    assert "Not an outline of disease." in shown[-1].label
    assert "as learnt from scores of whole zones" in shown[-1].label
    assert shown[-1].values.max() == pytest.approx(0.92, abs=0.03)
    model = next(box for box in page.selectbox if box.label == "Model")
    assert model.disabled
