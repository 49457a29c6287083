"""The drawn series follows its seed, is built like a chest, and holds the opacities asked for."""

from __future__ import annotations

import numpy as np
import pytest

from cxrtriage.ct.synthetic import OPACITIES, SPACING_MM, GroundGlass, draw_series
from cxrtriage.film.codes import SERIES_CODES


@pytest.fixture(scope="module")
def drawn():
    return draw_series(1)


def voxels(chest):
    return np.stack([one.pixels for one in chest.series.slices])


def test_the_seed_decides_every_voxel_and_it_says_what_it_is(drawn):
    np.testing.assert_array_equal(voxels(drawn), voxels(draw_series(1)))
    assert not np.array_equal(voxels(drawn), voxels(draw_series(2)))
    assert drawn.series.codes == ("synthetic_series",)
    assert set(drawn.series.codes) <= SERIES_CODES
    for one in drawn.series.slices:
        assert (one.pixels[-20:-6, 6:75] > -600).sum() > 50  # the mark


def test_it_is_built_like_a_chest_in_hounsfield_units(drawn):
    series, lungs, hu = drawn.series, drawn.lungs, voxels(drawn)
    assert series.calibrated
    assert series.spacing_mm == SPACING_MM
    positions = [one.position_mm for one in series.slices]
    assert np.allclose(np.diff(positions), SPACING_MM[0])
    assert 3000 < lungs.sum() * np.prod(SPACING_MM) / 1000 < 6500  # ml, of an adult who breathed in
    assert -880 < np.median(hu[lungs]) < -800
    columns = lungs.shape[2] // 2
    right, left = lungs[:, :, :columns].sum(), lungs[:, :, columns:].sum()
    assert 0.75 < left / right < 1  # the heart takes its room on the left
    assert np.median(hu[5][120:140, 90:120]) == pytest.approx(60, abs=25)  # liver, at the patient's right
    assert (hu > 400).mean() > 0.002  # bone
    assert lungs[24].any()
    assert not lungs[0].any()


def test_an_opacity_lies_where_it_was_asked_for_with_its_size_and_density():
    one = GroundGlass(-0.5, 0.1, 0.5, 40, -450)
    ill, clear = draw_series(3, (one,)), draw_series(3, ())
    assert not clear.lesions.any()
    assert not (ill.lesions & ~ill.lungs).any()
    places = np.argwhere(ill.lesions) * SPACING_MM
    middle = np.array([0.5 * 48, 127.5 + 0.1 * 168 / 1.25, 159.5 - 0.5 * 168 / 1.25]) * SPACING_MM
    assert np.abs(places.mean(axis=0) - middle).max() < 8  # mm
    whole = 4 / 3 * np.pi * 2.0**3  # ml
    assert 0.6 * whole < ill.lesion_ml < 1.3 * whole
    filled = voxels(ill)[ill.lesions]
    assert np.median(filled) == pytest.approx(-500, abs=70)
    outside = ~ill.lungs
    np.testing.assert_allclose(voxels(ill)[outside], voxels(clear)[outside], atol=500)
    assert np.abs(voxels(ill)[outside] - voxels(clear)[outside]).mean() < 3


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(ValueError, match="diameter_mm"):
        GroundGlass(0, 0, 0.5, 300)
    with pytest.raises(ValueError, match="density"):
        GroundGlass(0, 0, 0.5, 40, 10)
    with pytest.raises(ValueError, match="outside the series"):
        draw_series(1, (GroundGlass(0, 0, 3.0, 40),))


def test_the_opacities_drawn_by_itself_lie_on_both_sides():
    assert {np.sign(one.x) for one in OPACITIES} == {-1, 1}
