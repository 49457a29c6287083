"""Properties of `Adjustment`: identity, round trips, geometry, levels, and CLAHE against OpenCV."""

from __future__ import annotations

import json
import math
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxrtriage.film.adjustment import Adjustment, FractionBox
from cxrtriage.film.box import PixelBox
from cxrtriage.film.clahe import equalise
from cxrtriage.film.film import Film
from cxrtriage.film.synthetic import draw_film


def film_of(pixels: np.ndarray, **more: Any) -> Film:
    return Film(np.ascontiguousarray(pixels, np.float32), bits=12, sha256="0" * 64, format="test", **more)


def some_film(rows: int = 37, columns: int = 53, seed: int = 0) -> Film:
    pixels = np.random.default_rng(seed).random((rows, columns), np.float32)
    return film_of(pixels, view="PA", spacing_mm=(0.1, 0.2), notes=("synthetic",))


@st.composite
def boxes(draw: st.DrawFn) -> FractionBox:
    left, top = draw(st.floats(0, 0.97)), draw(st.floats(0, 0.97))
    right, bottom = draw(st.floats(left + 0.021, 1.0)), draw(st.floats(top + 0.021, 1.0))
    return FractionBox(left, top, right, bottom)


adjustments = st.builds(
    Adjustment,
    crop=boxes(),
    window_center=st.floats(-1, 2),
    window_width=st.floats(1 / 255, 4),
    brightness=st.floats(-1, 1),
    contrast=st.floats(0.1, 4),
    sharpness=st.floats(0, 4),
    clahe=st.one_of(st.just(0.0), st.floats(1, 8)),
    invert=st.booleans(),
    quarter_turns=st.integers(0, 3),
)
films = st.builds(some_film, rows=st.integers(3, 60), columns=st.integers(3, 60), seed=st.integers(0, 9))


def test_the_identity_returns_the_same_film() -> None:
    film = some_film()
    assert Adjustment().is_identity
    assert Adjustment().apply(film) is film


@given(adjustments)
def test_a_round_trip_through_json_changes_nothing(adjustment: Adjustment) -> None:
    assert Adjustment.from_dict(json.loads(json.dumps(adjustment.to_dict()))) == adjustment


def test_a_part_of_the_values_is_enough() -> None:
    assert Adjustment.from_dict({}) == Adjustment()
    assert Adjustment.from_dict({"crop": {"left": 0.5}, "quarter_turns": 2.0}) == Adjustment(
        crop=FractionBox(left=0.5), quarter_turns=2
    )


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"gamma": 1}, "gamma"),
        ({"contrast": 9}, "contrast must be between 0.1 and 4"),
        ({"contrast": "a lot"}, "contrast must be a number"),
        ({"contrast": True}, "contrast must be a number"),
        ({"brightness": math.nan}, "brightness must be a number"),
        ({"window_width": 0}, "window_width"),
        ({"window_center": 3}, "window_center"),
        ({"clahe": 0.5}, "clahe"),
        ({"sharpness": -1}, "sharpness"),
        ({"invert": 1}, "invert"),
        ({"quarter_turns": 4}, "quarter_turns"),
        ({"quarter_turns": True}, "quarter_turns"),
        ({"quarter_turns": 1.5}, "quarter_turns"),
        ({"crop": [0, 0, 1, 1]}, "crop"),
        ({"crop": {"left": 0.5, "right": 0.51}}, "crop must be at least"),
        ({"crop": {"left": -0.5}}, "crop left"),
        ({"crop": {"width": 1}}, "width"),
        ([], "adjustment"),
    ],
)
def test_bad_values_are_named(values: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Adjustment.from_dict(values)


@settings(deadline=None, max_examples=150)
@given(adjustments, films)
def test_every_adjustment_gives_a_film_of_levels_in_0_to_1(adjustment: Adjustment, film: Film) -> None:
    before = film.pixels.copy()
    adjusted = adjustment.apply(film)
    assert adjusted.pixels.dtype == np.float32
    assert np.isfinite(adjusted.pixels).all()
    assert adjusted.pixels.min() >= 0.0
    assert adjusted.pixels.max() <= 1.0
    assert not adjusted.pixels.flags.writeable
    assert (adjusted.sha256, adjusted.bits, adjusted.view, adjusted.notes) == (
        film.sha256, film.bits, film.view, film.notes,
    )  # fmt: skip
    np.testing.assert_array_equal(film.pixels, before)


@settings(deadline=None, max_examples=150)
@given(adjustments, films)
def test_a_map_goes_back_to_where_it_came_from(adjustment: Adjustment, film: Film) -> None:
    geometry = Adjustment(crop=adjustment.crop, quarter_turns=adjustment.quarter_turns)
    back = geometry.map_back(geometry.apply(film).pixels, film)
    box = adjustment.crop.to_pixels(film.rows, film.columns)
    inside = np.zeros((film.rows, film.columns), bool)
    inside[box.top : box.bottom, box.left : box.right] = True
    assert back.shape == film.pixels.shape
    np.testing.assert_array_equal(back[inside], film.pixels[inside])
    assert not back[~inside].any()


def test_a_map_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="rows, columns"):
        Adjustment(quarter_turns=1).map_back(np.zeros((37, 53), np.float32), some_film())


@given(films)
def test_four_quarter_turns_are_none(film: Film) -> None:
    turned = film
    for _ in range(4):
        turned = Adjustment(quarter_turns=1).apply(turned)
    np.testing.assert_array_equal(turned.pixels, film.pixels)
    assert turned.spacing_mm == film.spacing_mm


def test_a_quarter_turn_is_clockwise_and_turns_the_spacing() -> None:
    film = film_of(np.array([[0.1, 0.2], [0.3, 0.4]]), spacing_mm=(0.1, 0.2))
    turned = Adjustment(quarter_turns=1).apply(film)
    np.testing.assert_allclose(turned.pixels, [[0.3, 0.1], [0.4, 0.2]])
    assert turned.spacing_mm == (0.2, 0.1)
    assert Adjustment(quarter_turns=2).apply(film).spacing_mm == (0.1, 0.2)


@given(st.floats(-1, 2), st.floats(1 / 255, 4))
def test_a_window_keeps_the_order_of_levels(center: float, width: float) -> None:
    ramp = film_of(np.linspace(0, 1, 512).reshape(8, 64))
    levels = Adjustment(window_center=center, window_width=width).apply(ramp).pixels.ravel()
    assert (np.diff(levels) >= 0).all()


def test_levels_follow_the_formulas() -> None:
    x = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
    film = film_of(x)
    window = Adjustment(window_center=0.4, window_width=0.5).apply(film).pixels
    np.testing.assert_allclose(window, np.clip((x - 0.15) / 0.5, 0, 1), atol=1e-6)
    both = Adjustment(brightness=0.2, contrast=1.5).apply(film).pixels
    np.testing.assert_allclose(both, np.clip((x - 0.5) * 1.5 + 0.7, 0, 1), atol=1e-6)
    np.testing.assert_allclose(Adjustment(invert=True).apply(film).pixels, 1 - x, atol=1e-6)
    # In order: the window first, then brightness, then the inversion.
    chain = Adjustment(window_center=0.25, window_width=0.5, brightness=0.1, invert=True).apply(film).pixels
    np.testing.assert_allclose(chain, 1 - np.clip(np.clip(x / 0.5, 0, 1) + 0.1, 0, 1), atol=1e-6)


def test_sharpening_is_an_unsharp_mask() -> None:
    film = some_film(50, 70)
    sharp = Adjustment(sharpness=1.5).apply(film).pixels
    blurred = cv2.GaussianBlur(film.pixels, (7, 7), 0.8, borderType=cv2.BORDER_REFLECT_101)
    np.testing.assert_allclose(sharp, np.clip(film.pixels + 1.5 * (film.pixels - blurred), 0, 1), atol=1e-6)
    flat = film_of(np.full((20, 20), 0.3))
    np.testing.assert_allclose(Adjustment(sharpness=4).apply(flat).pixels, 0.3, atol=1e-6)


def test_a_crop_does_not_change_what_is_left() -> None:
    film = draw_film(3, rows=200, columns=180)
    levels = {"clahe": 3.0, "sharpness": 1.0, "contrast": 1.3}
    box = FractionBox(0.2, 0.1, 0.9, 0.7)
    whole = Adjustment(**levels).apply(film).pixels
    part = Adjustment(crop=box, **levels).apply(film).pixels
    pixels = box.to_pixels(200, 180)
    assert pixels == PixelBox(left=36, top=20, right=162, bottom=140)
    np.testing.assert_array_equal(part, whole[pixels.top : pixels.bottom, pixels.left : pixels.right])


def test_edges_are_rounded_half_up() -> None:
    assert FractionBox(0.25, 0.25, 0.75, 0.75).to_pixels(10, 10) == PixelBox(3, 3, 8, 8)
    assert FractionBox(0.98, 0.98, 1.0, 1.0).to_pixels(3, 3) == PixelBox(2, 2, 3, 3)


@pytest.mark.parametrize("clip_limit", [1.0, 2.0, 4.0, 8.0])
@pytest.mark.parametrize("shape", [(512, 512), (256, 320), (203, 181)])
def test_clahe_is_that_of_opencv_on_8_bits(shape: tuple[int, int], clip_limit: float) -> None:
    levels = np.round(draw_film(5, rows=shape[0], columns=shape[1]).pixels * 255).astype(np.uint8)
    ours = equalise(levels.astype(np.float32) / 255, clip_limit) * 255
    theirs = cv2.createCLAHE(clip_limit, (8, 8)).apply(levels).astype(np.float32)
    # OpenCV rounds its curves and its result to 8 bits, half a level each.
    assert np.abs(ours - theirs).max() <= 1.01
    assert np.abs(ours - theirs).mean() <= 0.4


def test_clahe_keeps_the_depth_between_the_bins() -> None:
    ramp = np.tile(np.linspace(0, 1, 4096, dtype=np.float32), (64, 1))
    assert len(np.unique(equalise(ramp, 4.0)[0])) > 2000


def test_clahe_of_tiny_and_flat_films() -> None:
    for shape in ((3, 3), (2, 40), (9, 8)):
        result = equalise(np.full(shape, 0.5, np.float32), 2.0)
        assert result.shape == shape
        assert np.ptp(result) < 1e-6
