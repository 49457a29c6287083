"""Opacities pasted into films: where they lie, what of them is seen, and how nets are asked about them."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch

from cxrtriage.nets.severity import ZONES
from cxrtriage.reading.input_form import InputForm
from cxrtriage.reading.severity import Told
from train.pasting import SHAPES, SHAPES_OF_TUBERCULOSIS, paste_opacities
from train.severity_figures import array_by, pasted_zones
from train.severity_films import SEEN, affected_zones

SIDE = 96


def _zones():
    zones = np.zeros((SIDE, SIDE), np.uint8)
    for row in range(3):
        for column in range(2):
            zones[12 + 24 * row : 36 + 24 * row, 8 + 44 * column : 44 + 44 * column] = 2 * row + column + 1
    return zones


def _film(zones):
    return np.where(zones > 0, 40, 190).astype(np.uint8)


@pytest.mark.parametrize("shape", SHAPES_OF_TUBERCULOSIS)
def test_an_opacity_of_each_shape_brightens_the_lungs_alone_by_what_is_told(shape):
    zones, random = _zones(), np.random.default_rng(3)
    film, seen = _film(zones), 0
    for _ in range(20):
        picture, brighter = paste_opacities(film, zones, 1, random, (shape,))
        assert picture.dtype == np.uint8
        assert (picture >= film).all()
        # The edge of the lungs is soft, tissue as dense as the opacity does not change.
        assert (picture[zones == 0] <= film[zones == 0]).all()
        np.testing.assert_allclose(brighter * 255, picture.astype(float) - film, atol=1e-3)
        seen += bool((brighter > SEEN).any())
    assert 5 <= seen <= 18  # half of the draws are of none


def test_where_all_beside_the_lungs_is_cut_away_an_opacity_is_as_dense_as_what_lies_over_them():
    zones = _zones()
    film = np.where(zones > 0, 40, 0).astype(np.uint8)
    film[zones == 6] = 190
    brightest = 0
    for seed in range(20):
        picture, _ = paste_opacities(film, zones, 4, np.random.default_rng(seed), SHAPES)
        brightest = max(brightest, int(picture[(zones > 0) & (zones < 6)].max()))
    assert 120 < brightest <= 190


def test_an_opacity_over_tissue_as_dense_as_itself_is_not_seen():
    zones = _zones()
    film = np.full((SIDE, SIDE), 190, np.uint8)
    for seed in range(10):
        picture, brighter = paste_opacities(film, zones, 4, np.random.default_rng(seed), SHAPES)
        assert (picture == film).all()
        assert not brighter.any()


def test_shapes_differ():
    zones = _zones()
    film = _film(zones)
    pictures = [paste_opacities(film, zones, 4, np.random.default_rng(8), (shape,))[0] for shape in SHAPES]
    assert all((a != b).any() for number, a in enumerate(pictures) for b in pictures[:number])


class _Eyes(torch.nn.Module):
    """Calls the brightest zone affected, or the darkest if it errs."""

    def __init__(self, erring=False, chance=0.9):
        super().__init__()
        self.erring, self.chance = erring, chance

    def forward(self, films, zones):
        film = films[0, 0].numpy()
        clear = np.array([film[zones[0].numpy() == zone].mean() for zone in range(1, ZONES + 1)])
        likeliest = int(clear.argmin() if self.erring else clear.argmax())
        array = np.full(ZONES, 0.01, np.float32)
        array[likeliest] = self.chance
        return SimpleNamespace(array=torch.from_numpy(array)[None])


def test_the_zone_of_a_pasted_opacity_is_asked_for():
    zones = _zones()
    data = SimpleNamespace(
        settings=SimpleNamespace(input=InputForm(size=SIDE)),
        images=np.stack([_film(zones)] * 6),
        zones=np.stack([zones] * 6),
        scored=np.zeros(6, bool),
        split=lambda name: np.full(6, name == "test"),
    )
    told = Told((1.0, 0.0), 0.5, {})
    right = pasted_zones(data, array_by([_Eyes()]), SHAPES, told, films=20)
    assert right == {"films": 20, "likeliest_zone_is_affected": 1.0, "and_counts": 1.0}
    faint = pasted_zones(data, array_by([_Eyes(chance=0.4)]), SHAPES, told, films=20)
    assert faint == {"films": 20, "likeliest_zone_is_affected": 1.0, "and_counts": 0.0}
    scale, shift = data.settings.input.scale_and_shift
    before = data.images[0].astype(np.float32) * scale + shift

    def seeing(film: torch.Tensor, zones: torch.Tensor) -> np.ndarray:
        # Half as fine as the film.
        brighter = (film[0, 0].numpy() - before) * (zones[0].numpy() > 0)
        return cv2.resize(brighter, (SIDE // 2, SIDE // 2), interpolation=cv2.INTER_AREA)

    pointing = pasted_zones(data, array_by([_Eyes()]), SHAPES, told, films=20, map_=seeing)
    assert pointing == {**right, "map_points": 1.0}
    blind = pasted_zones(data, array_by([_Eyes()]), SHAPES, films=20, map_=lambda *_: np.eye(SIDE))
    assert blind["map_points"] < 0.5
    assert pasted_zones(data, array_by([_Eyes(erring=True)]), films=20)["likeliest_zone_is_affected"] < 0.2
    assert pasted_zones(data, array_by([_Eyes()]), split="val") == {
        "films": 0,
        "likeliest_zone_is_affected": None,
    }


def test_a_zone_that_became_brighter_by_little_is_not_affected():
    zones = _zones()
    brighter = np.where(zones == 2, SEEN / 2, np.where(zones == 3, SEEN * 2, 0))
    assert affected_zones((brighter > SEEN).astype(np.uint8), zones).tolist() == [0, 0, 1, 0, 0, 0]
