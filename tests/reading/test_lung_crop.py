"""The crop to the lungs: there and back, and the lungs' picture over the film's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxrtriage.film.film import Film
from cxrtriage.reading.input_form import InputForm, bands_of, even_bands
from cxrtriage.reading.lungs import Lungs


def film_of(pixels: np.ndarray) -> Film:
    return Film(pixels=pixels.astype(np.float32), bits=8, sha256="", format="png")


def two_lungs(size: int = 100) -> Lungs:
    """Lungs from 0.2 to 0.8 of the rows, 0.1 to 0.4 and 0.6 to 0.9 of the columns."""
    chances = np.zeros((size, size), np.float32)
    rows = slice(size * 2 // 10, size * 8 // 10)
    chances[rows, size // 10 : size * 4 // 10] = 1
    chances[rows, size * 6 // 10 : size * 9 // 10] = 1
    return Lungs.of(chances)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(80, 240),
    columns=st.integers(80, 240),
    y=st.floats(0.3, 0.7),
    x=st.floats(0.2, 0.8),
    fit=st.sampled_from(["squash", "letterbox"]),
    margin=st.sampled_from([0.0, 0.08, 0.5]),
)
def test_a_spot_in_the_crop_comes_back_to_where_it_was(rows, columns, y, x, fit, margin):
    yy, xx = np.mgrid[0:rows, 0:columns]
    spot = film_of(np.exp(-(((yy - y * rows) / 6) ** 2 + ((xx - x * columns) / 6) ** 2)))
    form = InputForm(size=96, fit=fit, equalise=False, region="lungs", margin=margin)
    back = form.map_back(form.image(spot, two_lungs()).astype(np.float32), spot, two_lungs())
    assert back.shape == (rows, columns)
    found_y, found_x = np.unravel_index(back.argmax(), back.shape)
    reach = 1.5 * max(rows, columns) / form.size + 1
    assert abs(found_y - y * rows) <= reach
    assert abs(found_x - x * columns) <= reach


def test_what_lies_outside_the_crop_has_no_map():
    film = film_of(np.zeros((200, 100)))
    back = InputForm(size=32, region="lungs", margin=0.0).map_back(np.ones((32, 32)), film, two_lungs())
    assert back[:40].max() == back[160:].max() == back[:, :10].max() == back[:, 90:].max() == 0
    assert back[40:160, 10:90].min() == 1


@pytest.mark.parametrize("fit", ["squash", "letterbox"])
def test_the_picture_of_the_lungs_lies_over_the_films(fit):
    """A film that is bright where its lungs are looks like the picture of its lungs."""
    lungs = two_lungs()
    film = film_of(np.kron(lungs.mask, np.ones((2, 3))))
    form = InputForm(size=96, fit=fit, equalise=False, region="lungs", margin=0.2)
    bright, seen = form.image(film, lungs) > 127, form.lung_picture(film, lungs) > 127
    assert set(np.unique(form.lung_picture(film, lungs))) == {0, 255}
    # The lungs' picture is a little wider than the lungs, and never misses any.
    assert (seen | ~bright).all()
    assert (seen & bright).sum() / (seen | bright).sum() > 0.8


def test_the_mask_leaves_nothing_but_the_lungs():
    lungs, film = two_lungs(), film_of(np.random.default_rng(0).random((120, 120)) / 2 + 0.5)
    form = InputForm(size=64, region="lungs", mask=True)
    picture, seen = form.image(film, lungs), form.lung_picture(film, lungs) > 127
    assert not picture[~seen].any()
    plain = InputForm(size=64, region="lungs").image(film, lungs)
    assert (picture[seen] == plain[seen]).all()


def test_without_two_lungs_the_trimmed_film_is_seen():
    film = film_of(np.random.default_rng(0).random((120, 90)))
    none = Lungs.of(np.zeros((50, 50)))
    form = InputForm(size=64, trim=0.1, region="lungs", mask=True)
    assert (form.image(film, none) == InputForm(size=64, trim=0.1).image(film)).all()
    assert (form.image(film) == form.image(film, none)).all()
    assert (form.lung_picture(film, none) == 255).all()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"region": "heart"}, "film or lungs"),
        ({"region": "lungs", "margin": 0.6}, "0..0.5"),
        ({"mask": True}, "needs"),
    ],
)
def test_options_that_make_no_crop_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        InputForm(**options)


def test_the_bands_of_a_picture_sum_to_it():
    picture = np.random.default_rng(0).integers(0, 256, (64, 96)).astype(np.uint8)
    bands, rest = bands_of(picture)
    assert sum(bands, rest) == pytest.approx(picture.astype(float), abs=1e-2)


def test_a_blurred_and_a_sharp_film_get_the_same_contrasts():
    """Within the fourfold change at most, in each band that the blur left something of."""
    import cv2

    random = np.random.default_rng(0)
    sharp = cv2.GaussianBlur(random.normal(128, 200, (224, 224)).astype(np.float32), (0, 0), 3)
    blurred = cv2.GaussianBlur(sharp, (0, 0), 2)
    seen = np.zeros((224, 224), bool)
    seen[40:180, 40:180] = True
    contrasts = []
    for picture in (sharp, blurred):
        even = even_bands(np.clip(picture, 0, 255).astype(np.uint8), seen)
        assert even.dtype == np.uint8
        contrasts.append([float(band[seen].std()) for band in bands_of(even)[0][2:]])
    assert contrasts[1] == pytest.approx(contrasts[0], rel=0.35)


def test_an_empty_film_stays_empty():
    flat = np.full((64, 64), 90, np.uint8)
    assert (even_bands(flat, np.zeros((64, 64), bool)) == 90).all()
