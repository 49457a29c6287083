"""Lines written into films for the finder of writing, and how much of their ink counts as found."""

from __future__ import annotations

import numpy as np
import pytest

from cxrtriage.film.box import PixelBox
from cxrtriage.film.synthetic import draw_film
from train.writing_cases import FONTS, PLACES, STYLES, WORDS, read_seen, stencil, written
from train.writing_figures import ink_found


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("style", STYLES)
def test_a_line_is_written_where_and_as_large_as_it_says(place, style):
    pixels = draw_film(2, rows=512, columns=512).pixels
    case = written(pixels, np.random.default_rng(0), "test", 0.03, place, style)
    assert case is not None
    assert case.ink.shape == (case.box.rows, case.box.columns)
    there = case.pixels[case.box.top : case.box.bottom, case.box.left : case.box.right]
    ink, ground = np.median(there[case.ink > 0.9]), np.median(there[case.ink < 0.05])
    assert (ink < ground) == (style == "black on white")
    assert abs(ink - ground) > 0.2
    outside = case.pixels.copy()
    outside[case.box.top - 8 : case.box.bottom + 8, case.box.left - 8 : case.box.right + 8] = 0
    assert (np.abs(outside - pixels) > 0.2).mean() < 0.06  # the film around it is as it was


@pytest.mark.parametrize("font", [*FONTS["fit"], *FONTS["test"]])
def test_capitals_are_as_high_as_asked_for(font):
    assert stencil("HHH", font, 20.0).shape[0] == pytest.approx(20, abs=2)


def test_what_it_is_judged_by_shares_no_font_and_no_word_with_what_it_is_fitted_on():
    assert not set(FONTS["fit"]) & set(FONTS["test"])
    assert not set(WORDS["fit"]) & set(WORDS["test"])


def test_ink_counts_as_found_where_it_lies_in_a_box():
    ink = np.ones((4, 10), np.float32)
    box = PixelBox(5, 5, 15, 9)
    assert ink_found(ink, box, []) == 0
    assert ink_found(ink, box, [PixelBox(0, 0, 100, 100)]) == 1
    assert ink_found(ink, box, [PixelBox(5, 5, 10, 9), PixelBox(7, 0, 10, 20)]) == pytest.approx(0.5)
    assert ink_found(ink, box, [PixelBox(20, 20, 30, 30)]) == 0


def test_every_film_that_was_looked_at_is_of_a_known_kind():
    assert set(read_seen().values()) == {"line", "marker", "none"}
