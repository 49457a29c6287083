"""What lies around a film, on the films that come along and on pictures made of them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from cxrtriage.film.box import PixelBox
from cxrtriage.film.read import read_film
from cxrtriage.gate.surround import Side, Surround, film_in, surround_of
from train.gate_pictures import form_sheet, on_page

EXAMPLES = sorted((Path(__file__).parents[2] / "cxrtriage" / "examples").glob("*.webp"))
ALL = (True, True, True, True)


@pytest.fixture(params=EXAMPLES, ids=lambda path: path.stem)
def film(request) -> np.ndarray:
    return read_film(request.param).pixels


def said_of(picture: np.ndarray) -> tuple[bool, bool]:
    around = surround_of(picture)
    return around.on_plate, around.window


def on_a_plate(film: np.ndarray, tone: float, sides: tuple[bool, ...] = ALL) -> np.ndarray:
    """The film on an even plate that shows, a tenth of the film wide, at the top, bottom, left and right."""
    deep = [film.shape[0] // 10 if side else 0 for side in sides]
    return np.pad(film, (tuple(deep[:2]), tuple(deep[2:])), constant_values=tone)


def in_a_window(film: np.ndarray, bar: float, ground: float = 0.0, words: bool = False) -> np.ndarray:
    """The film on an even ground below the bar of a program."""
    wide = film.shape[1] + film.shape[0] // 4
    window = np.full((film.shape[0] * 3 // 2, wide), ground, np.float32)
    left, top = (wide - film.shape[1]) // 2, film.shape[0] // 3
    window[top : top + film.shape[0], left : left + film.shape[1]] = film
    deep = film.shape[0] // 6
    window[:deep] = bar
    if words:
        ink = np.zeros(window.shape, np.uint8)
        cv2.putText(ink, "12:30 chest", (9, deep * 2 // 3), cv2.FONT_HERSHEY_SIMPLEX, deep / 80, 255, 2)
        window[ink > 0] = 1.0 if bar < 0.5 else 0.0
    return window


def turned(picture: np.ndarray, degrees: float, tone: float) -> np.ndarray:
    rows, columns = picture.shape
    matrix = cv2.getRotationMatrix2D((columns / 2, rows / 2), degrees, 1)
    return cv2.warpAffine(picture, matrix, (columns, rows), borderValue=tone)


def test_a_whole_film_lies_on_nothing(film):
    assert said_of(film) == (False, False)


@pytest.mark.parametrize("tone", [0.97, 0.6])
@pytest.mark.parametrize("sides", [ALL, (True, True, True, False), (False, True, True, True)])
def test_a_film_on_an_even_plate_is_seen(film, tone, sides):
    assert surround_of(on_a_plate(film, tone, sides)).on_plate


@pytest.mark.parametrize("degrees", [-5, -2, 3, 6])
def test_it_need_not_hang_straight(film, degrees):
    picture = np.pad(on_a_plate(film, 0.97), film.shape[0] // 10, constant_values=0.97)
    assert surround_of(turned(picture, degrees, 0.97)).on_plate


def test_the_dark_room_around_the_plate_hides_nothing(film):
    assert surround_of(np.pad(on_a_plate(film, 0.9), film.shape[0] // 12, constant_values=0.05)).on_plate


def test_a_dark_margin_and_the_bands_of_a_wide_screen_are_no_plate_and_no_window(film):
    for picture in (
        on_a_plate(film, 0.0),
        on_a_plate(film, 0.97, (False, False, True, True)),
        on_a_plate(film, 0.5, (True, True, False, False)),
    ):
        assert said_of(picture) == (False, False)


@pytest.mark.parametrize("turns", range(4))
def test_each_side_of_the_film_is_named_and_a_bar_may_lie_along_any(film, turns):
    # Counter-clockwise: what lay at the right lies above, then at the left, then below.
    at = (0, 3, 2, 1)[turns]
    sides = surround_of(np.rot90(on_a_plate(film, 0.97, (False, False, False, True)), turns)).sides
    assert int(np.argmax([side.share for side in sides])) == at
    assert surround_of(np.rot90(in_a_window(film, 0.5), turns)).window


@pytest.mark.parametrize(("bar", "ground"), [(0.3, 0.0), (0.9, 0.0), (0.2, 0.1), (1.0, 0.5)])
def test_a_bar_on_another_ground_is_a_window_with_words_on_it_and_without(film, bar, ground):
    assert surround_of(in_a_window(film, bar, ground)).window
    assert surround_of(in_a_window(film, bar, ground, words=True)).window


def test_a_row_of_buttons_does_not_end_a_bar(film):
    window = in_a_window(film, 0.3)
    high, wide = window.shape[0] // 80, window.shape[1] // 16
    for left in range(wide // 4, window.shape[1] - wide, wide):
        window[high : 2 * high, left : left + wide * 4 // 5] = 0.9
    assert surround_of(window).window
    # What hides it for longer ends it: a film that hangs above all of it is in no window.
    window[high : window.shape[0] // 4] = 0.9
    assert not surround_of(window).window


def test_a_black_bar_is_the_films_own_ground(film):
    assert not surround_of(in_a_window(film, 0.0)).window


def test_pictures_of_nothing_have_nothing_around_them():
    random = np.random.default_rng(1)
    for picture in (
        np.ones((100, 100)),
        np.zeros((40, 300)),
        random.random((200, 300)),
        np.tile(np.linspace(0, 1, 400), (300, 1)),
    ):
        assert said_of(picture.astype(np.float32)) == (False, False)
        assert not surround_of(picture.astype(np.float32)).on_page


def sides_of(shares: tuple[float, ...], at: tuple[float, ...] = (0.95, 0.8, 0.95, 0.8)) -> Surround:
    right, lower, left, upper = (Side(*each) for each in zip(shares, at, strict=True))
    return Surround((right, lower, left, upper))


def test_a_page_shows_a_film_that_is_wide_but_lower_than_on_a_plate():
    page = sides_of((0.32, 0.4, 0.31, 0.7))
    assert page.on_page
    assert not page.on_plate
    assert not sides_of((0.32, 0.2, 0.31, 0.2)).on_page
    assert not sides_of((0.32, 0.4, 0.2, 0.7)).on_page
    assert not sides_of((0.32, 0.4, 0.31, 0.7), (0.7, 0.8, 0.7, 0.8)).on_page


def test_the_sides_say_how_large_the_film_is(film):
    right, lower, left, upper = surround_of(on_a_plate(film, 0.97, (True, False, True, True))).sides
    wide, high = film.shape[1] + 2 * (film.shape[0] // 10), film.shape[0] * 1.1
    assert right.at + left.at - 1 == pytest.approx(film.shape[1] / wide, abs=0.03)
    assert upper.at == pytest.approx(film.shape[0] / high, abs=0.03)
    assert lower.share < 0.4


@pytest.mark.parametrize("sides", [ALL, (True, True, True, False), (False, True, True, True)])
def test_where_the_film_lies(film, sides):
    picture = on_a_plate(film, 0.97, sides)
    box = film_in(picture)
    deep = film.shape[0] // 10
    top, left = deep * sides[0], deep * sides[2]
    lost = np.array([
        box.top - top, box.left - left, top + film.shape[0] - box.bottom, left + film.shape[1] - box.right,
    ]) / max(picture.shape)  # fmt: skip
    assert lost.max() <= 0.015
    # A white belly on a white plate has no edge.
    assert sorted(np.abs(lost))[2] <= 0.015


@pytest.mark.parametrize("degrees", [-5, 3])
def test_of_a_film_that_hangs_askew_nothing_is_cut_off_but_its_corners(film, degrees):
    deep = film.shape[0] // 5
    picture = turned(np.pad(film, deep, constant_values=0.97), degrees, 0.97)
    there = turned(np.pad(np.ones_like(film), deep), degrees, 0.0) > 0.5
    box = film_in(picture)
    inside = there[box.top : box.bottom, box.left : box.right]
    assert inside.sum() >= 0.97 * there.sum()
    assert inside.mean() >= there.mean() + 0.2  # a white belly on a white plate has no edge


def test_within_a_light_box_the_film_is_looked_for(film):
    plate = on_a_plate(film, 0.97)
    deep = plate.shape[0] // 12
    picture = np.pad(plate, deep, constant_values=0.35)
    box = film_in(picture)
    assert box.rows <= film.shape[0] + 0.12 * picture.shape[0]
    assert box.columns <= film.shape[1] + 0.03 * picture.shape[1]
    assert box.rows >= 0.97 * film.shape[0]
    assert box.columns >= 0.97 * film.shape[1]


def test_what_lies_on_nothing_or_fills_the_picture_is_not_cut_out(film):
    for picture in (film, on_a_plate(film, 0.0), in_a_window(film, 0.5)):
        assert film_in(picture) is None
    assert sides_of((0.9, 0.9, 0.9, 0.9), (1.0, 1.0, 0.99, 0.99)).box_in(100, 100) is None
    assert sides_of((0.9, 0.9, 0.9, 0.9), (0.6, 0.9, 0.6, 0.9)).box_in(100, 100) is None
    assert sides_of((0.9, 0.9, 0.9, 0.9)).box_in(100, 200) == PixelBox(10, 20, 190, 80)
    assert sides_of((0.9, 0.9, 0.9, 0.1)).box_in(100, 200) == PixelBox(10, 0, 190, 80)


def test_a_page_is_no_form_and_a_form_no_page(film):
    random = np.random.default_rng(4)
    small = cv2.resize((255 * film).astype(np.uint8), (320, 320), interpolation=cv2.INTER_AREA)
    pages = [surround_of(on_page(small, random) / 255).on_page for _ in range(30)]
    forms = [surround_of(form_sheet(320, random, small) / 255).on_page for _ in range(30)]
    assert sum(pages) >= 20
    assert sum(forms) <= 1
