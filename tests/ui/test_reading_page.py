"""The reading page by Streamlit's AppTest, with a reading that needs no weights."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import streamlit as st
from PIL import Image
from streamlit.testing.v1 import AppTest

import cxrtriage.reading
from cxrtriage.film.adjustment import Adjustment, FractionBox
from cxrtriage.film.film import Film
from cxrtriage.reading.assessment import Assessment, ClassScore, Diagnosis, FilmFacts, Versions
from cxrtriage.reading.saliency import Saliency
from cxrtriage.weights import WeightsError

APP = str(Path(__file__).parents[2] / "app.py")
MEMBERS = ("tb_one", "tb_two")


class FakeTriage:
    """Scores a film by its mean; says which films it was given."""

    read_films: ClassVar[list[Film]] = []
    score: ClassVar[float | None] = None

    @classmethod
    def load(cls) -> FakeTriage:
        return cls()

    def read(self, film: Film, *, file: str = "", maps: bool = True) -> tuple[Assessment, list[Saliency]]:
        self.read_films.append(film)
        score = float(film.pixels.mean()) if self.score is None else self.score
        call: Any = "uncertain" if 0.3 <= score <= 0.5 else "flagged" if score > 0.4 else "not_flagged"
        found = ClassScore(
            score, 0.4, (0.3, 0.5), "sensitivity_0.90", "card", "the films of two hospitals", call
        )
        diagnosis = Diagnosis(
            {"tuberculosis": found},
            {"tb_one": {"tuberculosis": score - 0.05}, "tb_two": {"tuberculosis": score + 0.05}},
            call == "uncertain",
        )
        assessment = Assessment(
            file=file, sha256=film.sha256, status="read", film=FilmFacts.of(film), diagnosis=diagnosis,
            versions=Versions("0.1.0", dict.fromkeys(MEMBERS, "0123456789ab")), seconds={"diagnosis": 0.4},
        )  # fmt: skip
        ones = np.ones_like(film.pixels)
        return assessment, [
            Saliency(ones, "Grad-CAM", "tb_one", "tuberculosis", False),
            Saliency(0 * ones, "Grad-CAM", "tb_two", "tuberculosis", True),
        ]


@pytest.fixture
def triage(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[FakeTriage]]:
    st.cache_resource.clear()
    FakeTriage.read_films, FakeTriage.score = [], None
    monkeypatch.setattr(cxrtriage.reading, "Triage", FakeTriage, raising=False)
    yield FakeTriage
    st.cache_resource.clear()


@pytest.fixture
def page(triage: type[FakeTriage]) -> AppTest:
    return AppTest.from_file(APP, default_timeout=30).run()


def words(page: AppTest) -> str:
    """Everything that the page says in HTML of ours."""
    return " ".join(str(element.proto.body) for element in page.get("html"))


def png(grey: int = 200, side: int = 96) -> bytes:
    file = io.BytesIO()
    pixels = np.full((side, side), grey, np.uint8)
    pixels[::2, ::3] -= 20
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def opened(page: AppTest, data: bytes, name: str = "film.png") -> AppTest:
    page.file_uploader[0].upload(name, data, "application/octet-stream")
    return page.run()


def test_without_a_film_the_page_says_what_to_do_and_reads_nothing(
    page: AppTest, triage: type[FakeTriage]
) -> None:
    assert not page.exception
    assert "Open a film, and the scores appear here." in words(page)
    assert triage.read_films == []


def test_the_caution_is_there_from_the_start(page: AppTest) -> None:
    assert "Research and teaching. Not a medical device. Nothing leaves this machine." in words(page)


def test_a_film_is_read_once_and_its_score_names_threshold_point_and_source(
    page: AppTest, triage: type[FakeTriage]
) -> None:
    triage.score = 0.81
    opened(page, png())
    assert ">0.81<" in words(page)
    assert "Above the threshold 0.40 (sensitivity 0.90, set on the films of two hospitals)." in words(page)
    assert "the models run from 0.76 to 0.86" in words(page)
    page.run()
    assert len(triage.read_films) == 1


@pytest.mark.parametrize(
    ("score", "sentence"),
    [
        (0.10, "That does not make the film normal."),
        (
            0.42,
            "Uncertain: too close to the threshold 0.40 to call, which may itself lie between 0.30 and 0.50",
        ),
    ],
)
def test_a_score_below_or_near_the_threshold_says_what_that_means(
    page: AppTest, triage: type[FakeTriage], score: float, sentence: str
) -> None:
    triage.score = score
    assert sentence in words(opened(page, png()))


def test_the_page_says_that_nothing_checks_the_kind_of_film_yet(page: AppTest) -> None:
    said = words(opened(page, png()))
    assert "View not stated in the file" in said
    assert "does not check that this is a frontal chest film" in said


def test_a_bad_file_gets_one_sentence_with_its_code_and_no_score(
    page: AppTest, triage: type[FakeTriage]
) -> None:
    said = words(opened(page, b"<!doctype html><html></html>", "film.dcm"))
    assert said.count("(code: ") == 1
    assert "Traceback" not in said
    assert not page.exception
    assert triage.read_films == []
    assert ">0." not in words(opened(page, b"", "empty.png"))


def test_missing_weights_are_a_sentence_and_the_film_stays_open(
    page: AppTest, triage: type[FakeTriage], monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> FakeTriage:
        raise WeightsError("weights_missing", "The weights are not there; fetch them again.")

    monkeypatch.setattr(triage, "load", missing)
    st.cache_resource.clear()  # the empty page has loaded the nets already
    said = words(opened(page, png()))
    assert "The weights are not there; fetch them again. (code: weights_missing)" in said
    assert "View not stated in the file" in said
    assert not page.exception


def test_the_switch_reads_the_adjusted_film_and_says_how_the_score_moved(
    page: AppTest, triage: type[FakeTriage], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(page, png(200))
    assert len(triage.read_films) == 1
    cropped = Adjustment(crop=FractionBox(0.25, 0.25, 0.75, 0.75), invert=True)
    monkeypatch.setattr("cxrtriage.ui.viewer.current_adjustment", lambda film: cropped)
    page.run()
    assert len(triage.read_films) == 1  # the switch is off
    page.toggle(key="read_adjusted").set_value(True).run()
    assert [film.rows for film in triage.read_films] == [96, 48]
    assert "As filed 0.77, adjusted 0.23 (−0.5" in words(page)
    page.toggle(key="read_adjusted").set_value(False).run()
    page.toggle(key="read_adjusted").set_value(True).run()
    assert len(triage.read_films) == 2  # both are kept


def test_the_map_starts_with_a_net_that_has_one_and_names_each(page: AppTest) -> None:
    opened(page, png())
    choice = page.selectbox(key="map_choice")
    assert choice.options == ["tb_one · Tuberculosis", "tb_two · Tuberculosis"]
    assert choice.index == 0


def test_the_synthetic_example_says_that_it_is_drawn(page: AppTest, triage: type[FakeTriage]) -> None:
    example = page.selectbox(key="opening_example")
    synthetic = next(i for i, title in enumerate(example.options) if title.startswith("Synthetic"))
    example.select_index(synthetic).run()
    assert "drawn by a program" in words(page)
    assert triage.read_films[0].notes == ("synthetic",)


def test_another_way_of_opening_replaces_the_film_and_none_closes_it(
    page: AppTest, triage: type[FakeTriage]
) -> None:
    opened(page, png())
    page.selectbox(key="opening_example").select_index(0).run()
    assert len(triage.read_films) == 2
    opened(page, png(120))
    assert page.selectbox(key="opening_example").value is None
    assert len({film.sha256 for film in triage.read_films}) == 3


def test_the_download_is_the_assessment(page: AppTest) -> None:
    opened(page, png())
    assert len(page.get("download_button")) == 1
    reading = next(iter(page.session_state["readings"].values()))
    assert json.loads(reading.assessment.to_json())["file"] == "film.png"


def test_films_and_scores_are_kept_in_the_session_only(page: AppTest, triage: type[FakeTriage]) -> None:
    opened(page, png())
    other = AppTest.from_file(APP, default_timeout=30).run()
    assert "readings" not in other.session_state
    opened(other, png())
    assert len(triage.read_films) == 2
