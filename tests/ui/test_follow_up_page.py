"""The follow-up page by AppTest: films, dates, removal, the change in words, export and import."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from cxrtriage.desk.follow_up import Course, Visit
from cxrtriage.film.film import Film
from cxrtriage.ui import course as course_of_session
from cxrtriage.ui import readings
from cxrtriage.ui.texts import CATALOGUE
from cxrtriage.weights import WeightsError
from tests.gate.marked_gate import MarkedGate, marked_film
from tests.gate.test_surround import on_a_plate
from tests.severity_maker import SeverityTriage

PAGE = str(Path(__file__).parents[2] / "pages" / "follow_up.py")
EARLY, LATE = date(2020, 3, 1), date(2020, 3, 5)


@pytest.fixture
def triage(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[SeverityTriage]]:
    SeverityTriage.read_files.clear()
    SeverityTriage.without.clear()
    monkeypatch.setattr(SeverityTriage, "shipped", True)
    monkeypatch.setattr(SeverityTriage, "gate", None)
    monkeypatch.setattr(readings, "loaded_triage", SeverityTriage)
    yield SeverityTriage
    SeverityTriage.without.clear()


@pytest.fixture
def page(triage: type[SeverityTriage]) -> AppTest:
    return fresh_page()


def fresh_page() -> AppTest:
    page = AppTest.from_file(PAGE, default_timeout=120)
    page.session_state["framed"] = True  # as the app does before it runs a page
    return page.run()


def png(grey: int) -> bytes:
    file = io.BytesIO()
    pixels = np.full((96, 80), grey, np.uint8)
    pixels[::2, ::3] += 1
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def opened(page: AppTest, **files: bytes) -> AppTest:
    for name, data in files.items():
        page.file_uploader[0].upload(name.replace("_", "."), data, "application/octet-stream")
    return page.run()


def dated(page: AppTest, *days: date) -> AppTest:
    """Give the films that lack a date theirs, in the order they were opened."""
    empty = [box.key for box in page.date_input if box.value is None]
    for key, day in zip(empty, days, strict=True):
        page.date_input(key=key).set_value(day)
        page.run()
    return page


def words(page: AppTest) -> str:
    return " ".join(str(element.proto.body) for element in page.get("html"))


def two_films(page: AppTest, first: int = 60, second: int = 160) -> AppTest:
    page = dated(opened(page, one_png=png(first), two_png=png(second)), EARLY, LATE)
    assert not page.exception
    return page


def test_without_films_the_page_says_what_it_is_for(page: AppTest, triage: type[SeverityTriage]) -> None:
    assert not page.exception
    assert "give each its date" in words(page)
    assert triage.read_files == []


def test_each_film_is_read_once_whatever_is_done_on_the_page(
    page: AppTest, triage: type[SeverityTriage]
) -> None:
    page = two_films(page)
    page.toggle(key="course_linked").set_value(False)
    page.run().run()
    assert sorted(triage.read_files) == ["one.png", "two.png"]


def test_no_film_has_a_date_until_the_user_gives_one(page: AppTest) -> None:
    page = opened(page, one_png=png(60), two_png=png(160))
    assert [box.value for box in page.date_input] == [None, None]
    assert "2 still lack one" in words(page)
    assert not page.selectbox
    page = dated(page, EARLY, LATE)
    assert "lack" not in words(page)
    assert [box.label for box in page.selectbox] == ["Earlier film", "Later film"]


def test_a_change_beyond_the_error_is_said_in_one_sentence_with_its_scales(page: AppTest) -> None:
    text = words(two_films(page))
    assert "1 Mar 2020 to 5 Mar 2020 (4 days)" in text
    assert (
        "More in the later film, beyond the error of the measure: affected zones, Brixia score, extent"
        in text
    )
    assert ">+7.1<" in text  # 18 * (160 - 60) / 255
    assert "Two readers ±4.0, this program ±1.3." in text


def test_the_films_stand_by_date_and_not_by_the_order_they_were_opened(page: AppTest) -> None:
    page = dated(opened(page, one_png=png(160), two_png=png(60)), LATE, EARLY)
    assert "More in the later film" in words(page)
    assert page.selectbox[0].options == ["1 Mar 2020: two.png"]


def test_a_change_within_the_error_is_no_change(page: AppTest) -> None:
    text = words(two_films(page, 100, 105))
    assert "No scale changed beyond the error of the measure." in text
    assert "More in the later film" not in text


def test_another_pair_can_be_chosen_and_a_later_film_becomes_the_start(page: AppTest) -> None:
    page = two_films(page)
    page = dated(opened(page, three_png=png(30)), date(2020, 4, 1))
    assert "5 Mar 2020 to 1 Apr 2020 (27 days)" in words(page)
    assert "Less in the later film" in words(page)
    page.selectbox[0].set_value(1).run()  # the first film that was opened
    assert not page.exception
    assert "1 Mar 2020 to 1 Apr 2020 (31 days)" in words(page)


def test_a_removed_film_is_gone_and_the_others_stay(page: AppTest, triage: type[SeverityTriage]) -> None:
    page = two_films(page)
    next(button for button in page.button if button.help == "Remove one.png from the course").click()
    page.run()
    assert not page.exception
    assert "one.png" not in words(page)
    assert "two.png" in words(page)
    assert "One more film with a date" in words(page)
    assert len(triage.read_files) == 2


def test_a_file_that_is_no_film_gets_its_sentence_and_the_others_stay(page: AppTest) -> None:
    page = opened(page, one_png=png(60), notes_txt=b"<!doctype html><html></html>", two_png=png(160))
    assert not page.exception
    assert "notes.txt: " in words(page)
    assert "(code: not_an_image)" in words(page)
    assert len(page.date_input) == 2


def test_the_same_film_is_taken_once(page: AppTest) -> None:
    page = opened(page, one_png=png(60))
    page = opened(page, again_png=png(60))
    assert "again.png: This film is in the course already." in words(page)
    assert len(page.date_input) == 1


def test_where_no_severity_net_is_shipped_the_page_says_so_in_one_sentence(
    page: AppTest, triage: type[SeverityTriage], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(triage, "shipped", False)
    page = two_films(page)
    text = words(page)
    assert text.count("no severity net is installed") == 1
    assert "±" not in text
    assert not page.get("plotly_chart")


def test_where_the_lungs_were_not_found_the_page_says_so_and_draws_the_others(
    page: AppTest, triage: type[SeverityTriage]
) -> None:
    triage.without["two.png"] = ("one_lung",)
    page = two_films(page)
    text = words(page)
    assert "cannot be said in numbers" in text
    assert "5 Mar 2020: no severity score, since two lungs were not found." in text
    assert len(page.get("plotly_chart")) == 4


def test_an_exported_course_is_imported_with_its_numbers_and_without_films(
    page: AppTest, triage: type[SeverityTriage]
) -> None:
    page = two_films(page)
    page.text_input[0].set_value("bed 2").run()
    saved = page.session_state["course"].course().to_json()
    assert json.loads(saved)["schema"] == "cxrtriage/course/1"
    other = opened(fresh_page(), course_json=saved.encode())
    assert not other.exception
    assert other.text_input[0].value == "bed 2"
    assert [box.value for box in other.date_input] == [EARLY, LATE]
    assert "Scores only" in words(other)
    assert "More in the later film" in words(other)
    assert other.session_state["course"].course().to_json() == saved
    assert len(triage.read_files) == 2
    # The film opened again takes its place and keeps its date.
    other = opened(other, one_png=png(60))
    assert [box.value for box in other.date_input] == [EARLY, LATE]
    assert words(other).count("Scores only") == 1


def test_what_is_no_course_or_another_patients_is_not_imported(page: AppTest) -> None:
    page = opened(page, course_json=b'{"schema": "cxrtriage/course/2"}')
    assert "course.json: This is no saved course" in words(page)
    page = opened(page, one_png=png(60))
    page.text_input[0].set_value("bed 2").run()
    assessment = SeverityTriage().assess(
        Film(np.zeros((8, 8), np.float32), 8, "1" * 64, "png"), file="other.png"
    )
    page = opened(page, course_json=Course("bed 3", (Visit(EARLY, assessment),)).to_json().encode())
    assert "label bed 3 and may be another patient" in words(page)
    assert len(page.date_input) == 1


def test_two_sessions_never_mix(page: AppTest) -> None:
    two_films(page)
    assert "one.png" not in words(fresh_page())


def test_starting_anew_takes_everything_away(page: AppTest) -> None:
    page = two_films(page)
    page.button(key="course_clear").click().run()
    assert not page.exception
    assert page.session_state["course"].films == []
    assert not page.date_input


def test_a_course_has_its_limit_and_says_so(page: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(course_of_session, "MOST_FILMS", 1)
    page = opened(page, one_png=png(60), two_png=png(160))
    assert "two.png: A course holds at most 1 films here" in words(page)
    assert len(page.date_input) == 1


def test_damaged_weights_leave_the_films_to_look_at_and_a_sentence(
    page: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise WeightsError("weights_missing", "The weights are not there; fetch them again.")

    monkeypatch.setattr(readings, "loaded_triage", broken)
    page = two_films(page)
    assert words(page).count("The weights are not there") == 1
    assert len(page.selectbox) == 2


def test_a_name_of_a_file_is_never_markup(page: AppTest) -> None:
    page.file_uploader[0].upload("<img src=x>.png", png(60), "image/png")
    page.run()
    assert "<img src=x>" not in words(page)
    assert "&lt;img src=x&gt;" in words(page)


def marked(**said: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.rint(marked_film(**said).pixels * 255).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def gated(page: AppTest, triage: type[SeverityTriage], monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setattr(triage, "gate", MarkedGate())
    return page


def buttons(page: AppTest) -> list[str]:
    return [button.label for button in page.button if button.label not in ("Start anew", "Remove")]


CHILD = "The patient seems to be a child; the nets learned from adults, so do not rely on the scores."
ANYWAY = "The film was read although the gate advised against it; rely less on the scores."


def test_a_cautioned_film_is_read_on_the_readers_word_and_every_output_says_so(
    gated: AppTest, triage: type[SeverityTriage]
) -> None:
    page = dated(opened(gated, one_png=marked(), two_png=marked(sign="child")), EARLY, LATE)
    assert triage.read_files == ["one.png"]
    assert f"5 Mar 2020: this film was not read. {CHILD}" in words(page)
    assert buttons(page) == ["Read anyway"]
    next(button for button in page.button if button.label == "Read anyway").click()
    page.run()
    assert not page.exception
    assert triage.read_files == ["one.png", "two.png"]
    assert buttons(page) == []
    text = words(page)
    assert "was not read" not in text
    # The film's card, the change and the charts; what is saved keeps the codes.
    assert text.count(ANYWAY) == 3
    assert text.count(CHILD) == 3
    saved = page.session_state["course"].course().to_json()
    kept = [visit["assessment"]["codes"] for visit in json.loads(saved)["visits"]]
    assert kept == [[], ["child", "read_anyway"]]
    other = opened(fresh_page(), course_json=saved.encode())
    assert not other.exception
    assert words(other).count(ANYWAY) == 3
    assert buttons(other) == []


def test_a_refused_film_says_why_and_no_word_opens_the_gate(
    gated: AppTest, triage: type[SeverityTriage]
) -> None:
    page = dated(opened(gated, one_png=marked(), two_png=marked(kind="ct")), EARLY, LATE)
    assert not page.exception
    assert triage.read_files == ["one.png"]
    text = words(page)
    assert "5 Mar 2020: this film was not read. This does not look like a frontal chest film" in text
    assert "cannot be said in numbers" in text
    assert buttons(page) == []
    saved = page.session_state["course"].course().to_json()
    other = opened(fresh_page(), course_json=saved.encode())
    assert "This does not look like a frontal chest film" in words(other)
    assert not other.exception


def test_a_film_on_its_side_is_turned_upright_where_it_stands(
    gated: AppTest, triage: type[SeverityTriage]
) -> None:
    page = dated(opened(gated, one_png=marked(), two_png=marked(turns=1)), EARLY, LATE)
    assert buttons(page) == ["Turn it upright and read it"]
    next(button for button in page.button if button.label == "Turn it upright and read it").click()
    page.run()
    assert not page.exception
    assert triage.read_files == ["one.png", "two.png"]
    _, turned = page.session_state["course"].films
    assert turned.film.notes == ("righted",)
    np.testing.assert_allclose(turned.film.pixels, marked_film().pixels, atol=0.003)
    assert turned.assessment.status == "read"
    assert "5 Mar 2020: The film was turned or inverted to stand upright" in words(page)


def test_a_film_on_a_plate_is_cut_out_where_it_stands(gated: AppTest, triage: type[SeverityTriage]) -> None:
    picture, file = on_a_plate(marked_film().pixels, 0.97), io.BytesIO()
    Image.fromarray(np.rint(picture * 255).astype(np.uint8)).save(file, "PNG")
    page = dated(opened(gated, one_png=marked(), two_png=file.getvalue()), EARLY, LATE)
    assert buttons(page) == ["Cut the film out and read it", "Read anyway"]
    next(button for button in page.button if button.label == "Cut the film out and read it").click()
    page.run()
    assert not page.exception
    _, cut = page.session_state["course"].films
    assert cut.film.notes == ("cut_out",)
    assert cut.film.rows < picture.shape[0]
    assert cut.assessment.status == "read"
    assert "5 Mar 2020: The film was cut out of a photo or screenshot" in words(page)


def test_every_text_of_the_page_names_its_verdicts() -> None:
    for verdict in ("more", "less", "mixed", "within_error", "unknown"):
        assert f"change_{verdict}" in CATALOGUE
    for verdict in ("more", "less", "within_error"):
        assert f"change_row_{verdict}" in CATALOGUE
