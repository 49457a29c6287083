"""Writing on a film: a notice, blanked or kept on the reader's word, and nothing saved before."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
import pytest
import streamlit as st
from PIL import Image
from streamlit.testing.v1 import AppTest

import cxrtriage.reading
from cxrtriage.film.film import Film
from cxrtriage.film.read import read_film
from cxrtriage.film.writing import find_writing
from cxrtriage.ui.writing import framed
from tests.film.written_film import WORDS, film_with
from tests.ui.test_reading_page import APP, FakeTriage, opened, words


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Iterator[AppTest]:
    st.cache_resource.clear()
    FakeTriage.read_films, FakeTriage.drawn, FakeTriage.score = [], [], None
    FakeTriage.codes, FakeTriage.findings, FakeTriage.gate = (), None, None
    monkeypatch.setattr(cxrtriage.reading, "Triage", FakeTriage, raising=False)
    yield AppTest.from_file(APP, default_timeout=60).run()
    st.cache_resource.clear()


def png(film: Film) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.rint(film.pixels * 255).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def save_is_held(page: AppTest) -> bool:
    (button,) = page.get("download_button")
    return bool(button.proto.disabled)


def buttons(page: AppTest) -> list[str]:
    return [str(button.key) for button in page.button]


def test_a_film_without_writing_has_no_notice_and_can_be_saved(page: AppTest) -> None:
    opened(page, png(film_with("")))
    assert "There is writing on this film" not in words(page)
    assert "writing_blank" not in buttons(page)
    assert not save_is_held(page)


def test_nothing_is_saved_until_the_writing_is_blanked(page: AppTest) -> None:
    opened(page, png(film_with(WORDS)))
    assert not page.exception
    assert "There is writing on this film: it may be a name." in words(page)
    assert save_is_held(page)
    page.button(key="writing_blank").click().run()
    assert not page.exception
    assert not save_is_held(page)
    assert "Writing on the film was blanked" in words(page)
    assert "There is writing on this film" not in words(page)
    *_, film = FakeTriage.read_films  # read anew
    assert len(FakeTriage.read_films) == 2
    assert find_writing(film.pixels) == ()
    assert film.blanked
    (kept,) = page.session_state["readings"].values()
    assert len(kept.film.blanked) == len(film.blanked)


def test_what_is_not_ticked_stays(page: AppTest) -> None:
    film = film_with(WORDS)
    pixels = film.pixels.copy()
    pixels[900:1000] = film_with("PORTABLE", place=(300, 960)).pixels[900:1000]
    opened(page, png(Film(pixels, 8, "0", "png")))
    assert [box.label for box in page.checkbox] == ["Blank 1", "Blank 2"]
    page.checkbox[1].uncheck().run()
    page.button(key="writing_blank").click().run()
    (line,) = find_writing(FakeTriage.read_films[-1].pixels)
    assert line.box.top > 900
    assert not save_is_held(page)


def test_the_readers_word_lets_it_be_saved_and_is_said(page: AppTest) -> None:
    opened(page, png(film_with(WORDS)))
    page.button(key="writing_harmless").click().run()
    assert not page.exception
    assert not save_is_held(page)
    assert len(FakeTriage.read_films) == 1
    assert "The reader looked at the writing on this film and found no name in it." in words(page)
    opened(page, png(film_with("GARCIA MARIA")))  # the word was for that film alone
    assert save_is_held(page)


def test_a_crop_box_can_be_blanked_by_hand(page: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    from cxrtriage.film.adjustment import Adjustment, FractionBox

    crop = Adjustment(crop=FractionBox(0.5, 0.5, 0.75, 0.75))
    monkeypatch.setattr("cxrtriage.ui.writing.current_adjustment", lambda film: crop)
    opened(page, png(film_with("")))
    page.button(key="writing_blank_crop").click().run()
    assert not page.exception
    film = FakeTriage.read_films[-1]
    assert np.ptp(film.pixels[512:768, 512:768]) == 0


def test_the_picture_shows_the_boxes() -> None:
    film = film_with(WORDS)
    boxes = tuple(line.box for line in find_writing(film.pixels))
    picture = framed(film, boxes)
    assert picture.shape == (640, 640, 3)
    assert (picture[..., 0] != picture[..., 2]).any()
    assert read_film(png(film)).notes == ()  # a file is read without looking for writing
