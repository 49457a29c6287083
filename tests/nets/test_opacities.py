"""The opacity finder marks places, and a zone is told from its strongest ones; a classifier reads marks."""

from __future__ import annotations

import pytest
import torch

from cxrtriage import nets
from cxrtriage.nets.opacities import OpacityMaps

SMALL = [16, 16, 8, 8, 8]


def boxes(films: int) -> torch.Tensor:
    """(films, 64, 64) numbers of six boxes."""
    numbers = torch.zeros(films, 64, 64, dtype=torch.uint8)
    for zone in range(6):
        row, column = divmod(zone, 2)
        numbers[:, 8 + 16 * row : 24 + 16 * row, 4 + 32 * column : 28 + 32 * column] = zone + 1
    return numbers


def test_there_is_a_logit_for_each_place_and_a_chance_for_each_zone():
    net = nets.build("opacity_finder", decoder_channels=SMALL).eval()
    with torch.no_grad():
        said = net(torch.randn(2, 1, 64, 64), boxes(2))
    assert said.map.shape == (2, 64, 64)
    assert said.array.shape == (2, 6)
    assert ((said.array > 0) & (said.array < 1)).all()


def test_a_zone_is_told_from_its_own_places(monkeypatch):
    net = nets.build("opacity_finder", decoder_channels=SMALL).eval()
    places = torch.full((1, 1, 64, 64), -9.0)
    places[0, 0, 28:36, 40:48] = 9.0  # middle of the patient's left
    monkeypatch.setattr(net.net, "forward", lambda films: places)
    array = net(torch.zeros(1, 1, 64, 64), boxes(1)).array[0]
    assert array[3] > 0.9
    assert array[[0, 1, 2, 4, 5]].max() < 0.01
    without = boxes(1)
    without[without == 4] = 0
    assert net(torch.zeros(1, 1, 64, 64), without).array[0, 3] == 0


def test_each_weight_gets_a_gradient():
    net = nets.build("opacity_finder", decoder_channels=SMALL).train()
    said = net(torch.randn(2, 1, 64, 64), boxes(2))
    (said.array.sum() + said.map.square().sum()).backward()
    assert [name for name, weight in net.named_parameters() if weight.grad is None] == []


def lungs(films: int = 1) -> torch.Tensor:
    """(films, 1, 96, 96) of noise in two boxes, -1 beside them."""
    pictures = torch.full((films, 1, 96, 96), -1.0)
    for columns in (slice(8, 40), slice(56, 88)):
        pictures[:, :, 8:88, columns] = torch.rand(films, 1, 80, 32)
    return pictures


def test_marks_are_those_of_the_finder_and_lie_within_the_lungs():
    finder = nets.build("opacity_finder").eval()
    maps = OpacityMaps().eval()
    maps.load_opacities(finder)
    film = lungs()
    with torch.no_grad():
        seen, marks = maps(film)
        said = finder(film, torch.zeros(1, 96, 96)).map
    chances = torch.nn.functional.avg_pool2d(said.sigmoid(), 4)
    expected = torch.logit(chances.clamp(1e-3, 1 - 1e-3)) - torch.logit(torch.tensor(1e-3))
    torch.testing.assert_close(marks[:, 0], expected, atol=1e-4, rtol=1e-4)
    assert marks.min() >= 0
    # Two places less on each side than the boxes, which are cut out a little wide.
    within = torch.zeros(24, 24)
    within[4:20, 4:8] = within[4:20, 16:20] = 1
    assert torch.equal(seen[0, 0], within)


def test_a_classifier_of_marks_takes_each_height_of_both_lungs_and_no_side():
    net = nets.build("opacity_maps", classes=1, margin=0.5).eval()
    seen = torch.zeros(1, 1, 48, 48)
    seen[:, :, 12:36, 12:36] = 1
    marks = torch.zeros(1, 1, 48, 48)
    marks[:, :, 12:22, 12:24] = 2.0  # all of the right upper zone
    marks[:, :, 28:36, 24:36] = 1.0
    marks[:, :, 28, 24:26] = 9.0  # beside it two places of 96 in the left lower zone
    marks[:, :, :12] = 14.0  # beside the lungs
    of = net.pool([seen, marks]).reshape(2, 3, 3)  # sum and difference, height, share
    few = (2 * 9.0 + 4 * 1.0) / 6  # a sixteenth of 96 places, and the third of it below
    third = (2 * 9.0 + 27 * 1.0) / 29
    every = (2 * 9.0 + 94 * 1.0) / 96
    torch.testing.assert_close(of[0], torch.tensor([[2.0] * 3, [0.0] * 3, [every, third, few]]))
    torch.testing.assert_close(of[1], of[0])
    mirrored = net.pool([seen.flip(3), marks.flip(3)]).reshape(2, 3, 3)
    torch.testing.assert_close(mirrored, of)


def test_a_film_without_lungs_and_one_of_one_grey_have_a_score():
    net = nets.build("opacity_maps", classes=1).eval()
    with torch.no_grad():
        for film in (torch.rand(1, 1, 96, 96), torch.zeros(1, 1, 96, 96)):
            assert torch.isfinite(net(film)).all()
    assert not net.pool(net.forward_features(torch.zeros(1, 1, 96, 96))).any()


@pytest.mark.parametrize("options", [{"neck": "fpn"}, {"pooling": "strongest"}])
def test_marks_need_no_neck(options):
    with pytest.raises(ValueError, match="marks"):
        nets.build("opacity_maps", classes=1, **options)


def test_marks_are_those_of_a_net_of_opacities():
    with pytest.raises(ValueError, match="places seen and their marks"):
        nets.build("mobilenet_v2", classes=1, pooling="marks")
