"""Drawn films follow their seed, look like a frontal chest, and hold the opacities asked for."""

from __future__ import annotations

import numpy as np
import pytest

from cxrtriage.film.synthetic import ZONES, Opacity, Zone, draw_film, draw_thorax


def test_the_seed_decides_the_film() -> None:
    first, again, other = (draw_film(seed, rows=256, columns=256) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.pixels, again.pixels)
    assert first.sha256 == again.sha256 != other.sha256
    assert not np.array_equal(first.pixels, other.pixels)


def test_it_says_that_it_is_synthetic() -> None:
    film = draw_film(1, rows=128, columns=128)
    assert film.notes == ("synthetic",)
    assert film.format == "synthetic"
    assert (film.view, film.bits, film.age_years, film.sex) == ("PA", 12, None, None)


@pytest.mark.parametrize("seed", range(5))
def test_it_is_built_like_a_chest(seed: int) -> None:
    thorax = draw_thorax(seed, rows=512, columns=512)
    pixels, right, left = thorax.film.pixels, thorax.right_lung, thorax.left_lung
    rows, columns = np.indices(pixels.shape)
    assert columns[right].mean() < 256 < columns[left].mean()  # the patient's right at the left
    assert 0.10 < right.mean() < 0.25
    assert 0.08 < left.mean() < 0.22
    assert left.sum() < right.sum()  # the heart takes its room on the left
    heart = pixels[int(0.6 * 512), 246:300].mean()
    assert heart > pixels[right].mean() + 0.2
    assert not (right & left).any()
    # The right dome of the diaphragm is the higher one.
    right_dome = max(rows[right & (np.abs(columns - 155) < 3)])
    left_dome = max(rows[left & (np.abs(columns - 385) < 3)])
    assert right_dome < left_dome


@pytest.mark.parametrize("zone", ZONES)
def test_an_opacity_is_in_its_zone_and_makes_it_brighter(zone: Zone) -> None:
    clear = draw_thorax(4, rows=384, columns=384)
    ill = draw_thorax(4, (Opacity(zone, size=0.2, density=0.8),), rows=384, columns=384)
    assert ill.opacity.any()
    assert not (ill.opacity & ~ill.lungs).any()
    assert (ill.opacity & ill.zone(zone)).sum() > 0.6 * ill.opacity.sum()
    change = ill.film.pixels - clear.film.pixels
    assert change[ill.opacity].mean() > 0.15
    assert np.abs(change[~ill.lungs]).mean() < 0.01


def test_denser_is_brighter_and_larger_is_larger() -> None:
    def draw(size: float, density: float) -> tuple[float, float]:
        ill = draw_thorax(6, (Opacity("right_middle", size, density),), rows=384, columns=384)
        clear = draw_thorax(6, rows=384, columns=384)
        change = (ill.film.pixels - clear.film.pixels)[ill.opacity].mean()
        return float(change), float(ill.opacity.sum())

    assert draw(0.2, 0.3)[0] < draw(0.2, 0.6)[0] < draw(0.2, 1.0)[0]
    assert draw(0.1, 0.6)[1] < draw(0.2, 0.6)[1] < draw(0.4, 0.6)[1]


def test_without_opacities_nothing_is_marked() -> None:
    assert not draw_thorax(1, rows=128, columns=128).opacity.any()


@pytest.mark.parametrize("shape", [(64, 64), (300, 200), (200, 300), (129, 255)])
def test_any_size_and_shape(shape: tuple[int, int]) -> None:
    film = draw_film(1, (Opacity("left_lower", 0.02, 1.0),), rows=shape[0], columns=shape[1])
    assert film.pixels.shape == shape
    assert film.pixels.min() >= 0.0
    assert film.pixels.max() <= 1.0


@pytest.mark.parametrize(
    "values",
    [{"zone": "middle"}, {"zone": "right_upper", "size": 2.0}, {"zone": "right_upper", "density": 0.0}],
)
def test_bad_opacities_are_refused(values: dict) -> None:  # type: ignore[type-arg]
    with pytest.raises(ValueError, match=r"zone|size|density"):
        Opacity(**values)


def test_a_film_too_small_to_draw_is_refused() -> None:
    with pytest.raises(ValueError, match="64"):
        draw_film(1, rows=32, columns=32)
