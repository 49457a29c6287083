"""Film to input and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxrtriage.film.film import Film
from cxrtriage.reading.input_form import InputForm

forms = st.builds(
    InputForm,
    size=st.sampled_from([32, 64, 96]),
    trim=st.sampled_from([0.0, 0.04, 0.2]),
    fit=st.sampled_from(["squash", "letterbox"]),
    equalise=st.booleans(),
    smooth=st.booleans(),
)


def film_of(pixels: np.ndarray) -> Film:
    return Film(pixels=pixels.astype(np.float32), bits=8, sha256="", format="png")


@settings(max_examples=60, deadline=None)
@given(form=forms, rows=st.integers(3, 200), columns=st.integers(3, 200))
def test_every_film_becomes_a_picture_of_the_forms_size(form, rows, columns):
    picture = form.image(film_of(np.random.default_rng(0).random((rows, columns))))
    assert picture.shape == (form.size, form.size)
    assert picture.dtype == np.uint8
    assert form.tensor(picture).shape == (1, 1, form.size, form.size)


@settings(max_examples=60, deadline=None)
@given(
    form=forms,
    rows=st.integers(40, 200),
    columns=st.integers(40, 200),
    y=st.floats(0.3, 0.7),
    x=st.floats(0.3, 0.7),
)
def test_a_map_comes_back_to_where_it_came_from(form, rows, columns, y, x):
    """A bright spot in the film, found in the input, lies at the spot again when mapped back."""
    yy, xx = np.mgrid[0:rows, 0:columns]
    spot = np.exp(-(((yy - y * rows) / 6) ** 2 + ((xx - x * columns) / 6) ** 2))
    plain = InputForm(size=form.size, trim=form.trim, fit=form.fit, equalise=False)
    back = plain.map_back(plain.image(film_of(spot)).astype(np.float32), film_of(spot))
    assert back.shape == (rows, columns)
    found_y, found_x = np.unravel_index(back.argmax(), back.shape)
    reach = 1.5 * max(rows, columns) / form.size + 1
    assert abs(found_y - y * rows) <= reach
    assert abs(found_x - x * columns) <= reach


def test_what_was_trimmed_away_has_no_map():
    form = InputForm(size=32, trim=0.1)
    back = form.map_back(np.ones((32, 32)), film_of(np.zeros((100, 50))))
    assert back[:10].max() == back[-10:].max() == back[:, :5].max() == back[:, -5:].max() == 0
    assert back[10:-10, 5:-5].min() == 1


def test_the_grey_of_the_paper_is_three_normalised_channels_weighed_to_one():
    form = InputForm(size=32)
    grey = np.full((32, 32), 200, np.uint8)
    channels = [(200 - m) / d for m, d in zip(form.mean, form.deviation, strict=True)]
    expected = 0.299 * channels[0] + 0.587 * channels[1] + 0.114 * channels[2]
    assert form.tensor(grey).numpy() == pytest.approx(expected, abs=1e-5)


def test_brightness_and_contrast_of_the_whole_film_do_not_reach_the_net():
    random = np.random.default_rng(1).random((90, 80))
    form = InputForm(size=64)
    one, other = form.image(film_of(random)), form.image(film_of(random * 0.3 + 0.2))
    assert np.abs(one.astype(int) - other.astype(int)).max() <= 2


def test_a_form_survives_its_card():
    form = InputForm(size=96, trim=0.05, fit="letterbox", equalise=False, mean=(1, 2, 3))
    assert InputForm.from_dict(form.to_dict()) == form


@pytest.mark.parametrize("bad", [{"size": 8}, {"trim": 0.5}, {"fit": "stretch"}, {"sise": 64}])
def test_a_form_that_is_none_is_refused(bad):
    with pytest.raises(ValueError, match="input form"):
        InputForm.from_dict(bad)


def test_smoothing_softens_and_older_pictures_keep_their_name():
    film = film_of(np.random.default_rng(0).random((64, 64)))
    plain, smooth = (InputForm(size=64, smooth=smooth).image(film).astype(int) for smooth in (False, True))
    assert np.abs(np.diff(smooth)).mean() < 0.5 * np.abs(np.diff(plain)).mean()
    assert InputForm(smooth=True).picture == (*InputForm().picture, "smooth")
