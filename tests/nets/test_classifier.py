"""Pooling does what its definition says."""

from __future__ import annotations

import pytest
import torch

from cxrtriage import nets
from cxrtriage.nets import classifier
from cxrtriage.reading import zones


def test_pcam_is_its_definition():
    """Ye 2020, equations 1 to 3: features weighed by the class's own probability at each place."""
    torch.manual_seed(0)
    net = nets.build("mobilenet_v2", classes=2, findings=1, neck="none", pooling="pcam").eval()
    maps = [torch.randn(2, channels, 4, 3) for channels in net.backbone.channels]
    with torch.no_grad():
        logits = net.forward_head(maps)
        for film in range(2):
            for output in range(3):
                weight, bias = net.head.weight[output], net.head.bias[output]
                chances = torch.zeros(4, 3)
                for row in range(4):
                    for column in range(3):
                        chances[row, column] = torch.sigmoid(maps[-1][film, :, row, column] @ weight + bias)
                share = chances / chances.sum()
                pooled = (maps[-1][film] * share).sum(dim=(1, 2))
                assert logits[film, output].item() == pytest.approx((pooled @ weight + bias).item(), abs=1e-4)


def test_pcam_of_a_map_without_a_sign_of_anything_is_finite():
    net = nets.build("mobilenet_v2", classes=1, neck="none", pooling="pcam").eval()
    torch.nn.init.constant_(net.head.bias, -200.0)
    assert torch.isfinite(net.forward_head([torch.zeros(1, c, 2, 2) for c in net.backbone.channels])).all()


def test_zones_are_six_means_of_the_lungs_box_and_nothing_around_it():
    """Park's: to 5/12 and 2/3 of the height, the patient's right at the left of the picture."""
    net = nets.build("mobilenet_v2", classes=1, pooling="zones", zone_levels=1, margin=0.5).eval()
    side = 48  # a margin of half the box: it is the middle 24 of 48 places, of which 10, 6 and 8 a zone
    assert net.num_features == 6 * 1280
    for zone, (rows, columns) in enumerate(
        (rows, columns)
        for columns in (slice(12, 24), slice(24, 36))
        for rows in (slice(12, 22), slice(22, 28), slice(28, 36))
    ):
        map_ = torch.zeros(1, 1280, side, side)
        map_[0, 7, rows, columns] = 1.0
        means = net.pool([map_]).unflatten(1, (6, 1280))
        expected = torch.zeros(6)
        expected[zone] = 1.0
        torch.testing.assert_close(means[0, :, 7], expected)
        assert not means[0, :, :7].any()
    around = torch.ones(1, 1280, side, side)
    around[:, :, 12:36, 12:36] = 0
    assert net.pool([around]).abs().max() < 1e-6


def test_zones_are_those_of_the_page():
    """The nets' room knows nothing of films, so that the two say it each for itself."""
    assert (0.0, *zones.LINES, 1.0) == classifier._ZONE_ENDS
    assert classifier._ZONES == zones.ZONES


def test_zones_of_a_coarse_map_share_its_places_and_sum_to_one():
    net = nets.build("mobilenet_v2", classes=1, pooling="zones", zone_levels=2, margin=0.08).eval()
    maps = [torch.ones(2, channels, side, side) for channels, side in ((96, 7), (1280, 4))]
    torch.testing.assert_close(net.pool(maps), torch.ones(2, 6 * 1376))


@pytest.mark.parametrize("options", [{"neck": "fpn"}, {"zone_levels": 5}])
def test_zones_need_no_neck_and_stages_that_are_there(options):
    with pytest.raises(ValueError, match=r"zones|zone_levels"):
        nets.build("mobilenet_v2", classes=1, pooling="zones", **options)


def test_outputs_do_not_compete():
    """A class's logit is the same whatever the others' weights are."""
    net = nets.build("mobilenet_v2", classes=2, neck="none").eval()
    film = torch.randn(1, 1, 64, 64)
    with torch.no_grad():
        before = net(film)[0, 0].item()
        net.head.weight[1] += 5
        assert net(film)[0, 0].item() == before
