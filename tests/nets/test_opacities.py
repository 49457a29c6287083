"""The opacity finder marks places, and a zone is told from its own strongest ones."""

from __future__ import annotations

import torch

from cxrtriage import nets

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
