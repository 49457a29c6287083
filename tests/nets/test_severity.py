"""The severity net's scales stay on their scales, and a zone is told from its own places."""

from __future__ import annotations

import pytest
import torch

from cxrtriage import nets
from cxrtriage.nets.severity import SeverityOutputs, ZoneModel, zone_shares

TRUNK = {"backbone": "mobilenet_v2", "classes": 1, "size": 64, "width": 16, "layers": 2, "heads": 2}


@pytest.fixture
def zones():
    """(2, 64, 64) of six boxes."""
    numbers = torch.zeros(2, 64, 64, dtype=torch.uint8)
    for zone in range(6):
        row, column = divmod(zone, 2)
        numbers[:, 8 + 16 * row : 24 + 16 * row, 4 + 32 * column : 28 + 32 * column] = zone + 1
    return numbers


def told(zones, **options) -> SeverityOutputs:
    torch.manual_seed(1)
    net = nets.build("severity", trunk=dict(TRUNK), **options).eval()
    with torch.no_grad():
        return net(torch.randn(2, 1, 64, 64), zones)


@pytest.mark.parametrize("pooling", ["max", "top", "mean"])
def test_every_score_lies_on_its_scale(zones, pooling):
    said = told(zones, pooling=pooling)
    assert said.array.shape == said.brixia.shape == (2, 6)
    for values, most in ((said.array, 1), (said.brixia, 3), (said.extent, 8), (said.opacity, 6)):
        assert (values >= 0).all()
        assert (values <= most).all()
    assert said.map.shape[0] == 2


def test_pooling_orders_as_its_names_say(zones):
    most, top, mean = (told(zones, pooling=pooling).array for pooling in ("max", "top", "mean"))
    assert (most >= top - 1e-6).all()
    assert (top >= mean - 1e-6).all()


def test_a_zone_that_is_not_there_shows_no_lesion(zones):
    zones[zones == 3] = 0
    assert (told(zones).array[:, 2] == 0).all()


def test_a_lesion_in_one_zone_is_told_of_that_zone(zones):
    net = nets.build("severity", trunk=dict(TRUNK)).eval()
    chances = torch.zeros(2, 32, 32)
    chances[:, 13:19, 20:26] = 0.9  # middle of the patient's left
    array = net._pooled(chances, zones)
    assert array.argmax(dim=1).tolist() == [3, 3]
    assert array[0, [0, 1, 2, 4, 5]].sum() == 0


def test_shares_of_places_sum_to_the_lungs(zones):
    shares = zone_shares(zones, 16)
    torch.testing.assert_close(shares.sum(dim=(1, 2, 3)), (zones > 0).float().sum(dim=(1, 2)) / 16)


def test_another_pooling_is_refused():
    with pytest.raises(ValueError, match="max, top or mean"):
        nets.build("severity", trunk=dict(TRUNK), pooling="median")


def test_a_zone_model_tells_a_zone_from_the_means_over_it(zones):
    model = ZoneModel([2, 3]).eval()
    maps = [torch.randn(2, 4, 32, 32), torch.randn(2, 2, 16, 16), torch.randn(2, 3, 8, 8)]
    of_zones = model.means(maps, zones)
    assert of_zones.shape == (2, 6, 5)
    # Zone 4 lies on whole places of the finer map: rows 6 to 9, columns 9 to 14.
    assert torch.allclose(of_zones[:, 3, :2], maps[1][:, :, 6:10, 9:15].mean(dim=(2, 3)), atol=1e-5)
    with torch.no_grad():
        model.zone_head.weight[:] = torch.tensor([[1.0, 0, 0, 0, 0]])
        model.zone_head.bias[:] = 1.0
        model.zone_bias[:] = 0.0
        said = model(maps, zones)
    told = (1 + of_zones[..., 0] / (1 + model.zone_scaling.eps) ** 0.5).clamp(0, 3)
    assert torch.allclose(said.brixia, told, atol=1e-5)


def test_a_zone_model_stays_on_its_scales(zones):
    model = ZoneModel([3]).eval()
    said = model([1e4 * torch.randn(2, 3, 8, 8)], zones)
    for values, most in ((said.brixia, 3), (said.extent, 8), (said.opacity, 6)):
        assert (values >= 0).all()
        assert (values <= most).all()
