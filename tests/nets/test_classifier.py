"""Pooling does what its definition says."""

from __future__ import annotations

import pytest
import torch

from cxrtriage import nets


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


def test_outputs_do_not_compete():
    """A class's logit is the same whatever the others' weights are."""
    net = nets.build("mobilenet_v2", classes=2, neck="none").eval()
    film = torch.randn(1, 1, 64, 64)
    with torch.no_grad():
        before = net(film)[0, 0].item()
        net.head.weight[1] += 5
        assert net(film)[0, 0].item() == before
