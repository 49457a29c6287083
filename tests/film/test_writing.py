"""Writing is found, side markers and empty films are left alone, and what is blanked is gone."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from dicom_maker import dicom
from written_film import DRAWN, WORDS, film_with

from cxrtriage.film.blanking import blanked
from cxrtriage.film.box import PixelBox
from cxrtriage.film.film import Film
from cxrtriage.film.read import read_film
from cxrtriage.film.writing import MEASURES, WEIGHTS, Likeness, find_writing, with_writing_noted
from cxrtriage.gate.gate import GateResult, righted


def ink_of(film: Film, plain: Film) -> np.ndarray:
    return np.abs(film.pixels - plain.pixels) > 0.05


def covered(ink: np.ndarray, boxes: list[PixelBox]) -> float:
    left = ink.copy()
    for box in boxes:
        left[box.top : box.bottom, box.left : box.right] = False
    return 1 - left.sum() / ink.sum()


@pytest.mark.parametrize(
    ("words", "place"), [(WORDS, (24, 60)), (WORDS, (560, 990)), ("MUELLER ANNA", (170, 480))]
)
def test_a_line_of_writing_is_found_whole(words: str, place: tuple[int, int]) -> None:
    film, plain = film_with(words, place=place), film_with("")
    lines = find_writing(film.pixels)
    assert covered(ink_of(film, plain), [line.box for line in lines]) > 0.98
    assert sum(line.box.rows * line.box.columns for line in lines) < 4 * 25 * 450


def test_dark_writing_on_a_white_label_is_found() -> None:
    greys = np.rint(DRAWN.pixels * 255).astype(np.uint8)
    greys[20:80, 20:520] = 255
    written = cv2.putText(greys.copy(), WORDS, (30, 60), cv2.FONT_HERSHEY_DUPLEX, 1.0, 0, 2, cv2.LINE_AA)
    plain, film = (Film(one.astype(np.float32) / np.float32(255), 8, "0", "png") for one in (greys, written))
    assert covered(ink_of(film, plain), [line.box for line in find_writing(film.pixels)]) > 0.98


def test_writing_that_runs_up_is_found_on_a_film_that_lies_on_its_side() -> None:
    film = film_with(WORDS)
    turned = np.ascontiguousarray(np.rot90(film.pixels))
    (line,) = find_writing(turned)
    assert line.vertical
    assert line.box.rows > 5 * line.box.columns


@pytest.mark.parametrize("words", ["", "L", "R", "AP"])
def test_no_writing_a_side_marker_and_two_letters_are_no_line(words: str) -> None:
    assert find_writing(film_with(words).pixels) == ()


@pytest.mark.parametrize(("rows", "columns"), [(24, 24), (40, 700), (3000, 2500)])
def test_films_of_any_size_and_even_films_are_looked_at(rows: int, columns: int) -> None:
    assert find_writing(np.full((rows, columns), 0.5, np.float32)) == ()
    noise = np.random.default_rng(0).random((rows, columns), np.float32)
    for line in find_writing(noise):
        assert 0 <= line.box.left < line.box.right <= columns
        assert 0 <= line.box.top < line.box.bottom <= rows


def test_the_note_is_put_on_a_film_with_writing_alone() -> None:
    film, lines = with_writing_noted(film_with(WORDS))
    assert film.notes == ("burned_in_text",)
    assert lines
    film, lines = with_writing_noted(film_with(""))
    assert (film.notes, lines) == ((), ())


def test_what_is_blanked_is_gone_and_nothing_else_has_changed() -> None:
    film, lines = with_writing_noted(film_with(WORDS))
    boxes = [line.box for line in lines]
    clean = blanked(film, boxes)
    assert clean.notes == ("text_blanked",)
    assert list(clean.blanked) == boxes
    changed = clean.pixels != film.pixels
    assert covered(changed, boxes) == 1.0
    for box in boxes:
        assert np.ptp(clean.pixels[box.top : box.bottom, box.left : box.right]) == 0
    assert find_writing(clean.pixels) == ()
    np.testing.assert_array_equal(blanked(film, boxes).pixels, clean.pixels)
    assert film.notes == ("burned_in_text",)  # the film itself is as it was


def test_the_whole_film_can_be_blanked_and_nothing_blanks_nothing() -> None:
    film = film_with("")
    assert blanked(film, []) is film
    assert blanked(film, [PixelBox(0, 0, film.columns, film.rows)]).pixels.max() == 0


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_boxes_turn_with_the_film(turns: int) -> None:
    film = blanked(film_with(WORDS), [PixelBox(10, 20, 400, 70)])
    marked = np.zeros_like(film.pixels)
    marked[20:70, 10:400] = 1
    (box,) = righted(film, GateResult("refused", (), None, 0.9, turns=turns)).blanked
    where = np.rot90(marked, turns)
    assert where[box.top : box.bottom, box.left : box.right].all()
    assert where.sum() == box.rows * box.columns


@pytest.mark.parametrize(("value", "noted"), [("YES", True), ("NO", False), (None, False)])
def test_a_dicom_that_says_that_it_carries_writing_is_noted(value: str | None, noted: bool) -> None:
    tags = {} if value is None else {"BurnedInAnnotation": value}
    film = read_film(dicom(np.full((64, 48), 100, np.uint8), **tags))
    assert ("burned_in_text" in film.notes) == noted


def test_the_numbers_of_the_finder_are_those_of_its_measures() -> None:
    values = json.loads(WEIGHTS.read_text())
    assert list(values["measures"]) == list(MEASURES)
    assert all(one["deviation"] > 0 for one in values["measures"].values())
    likeness = Likeness.read()
    assert 0 < likeness.joining < min(likeness.threshold, likeness.vertical)
    assert max(likeness.threshold, likeness.vertical) < 1
