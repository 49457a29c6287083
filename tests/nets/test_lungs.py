"""The lung net keeps the film's size and its encoder's ImageNet start."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file

from cxrtriage import nets
from cxrtriage.nets.backbone import BACKBONES, SamePaddedConv2d


@pytest.mark.parametrize(("rows", "columns"), [(64, 64), (96, 160)])
def test_there_is_a_logit_for_each_pixel_and_convention(rows, columns):
    net = nets.build("lung_unet").eval()
    with torch.no_grad():
        logits = net(torch.randn(2, 1, rows, columns))
    assert logits.shape == (2, 2, rows, columns)
    assert torch.isfinite(logits).all()


def test_each_weight_gets_a_gradient():
    net = nets.build("lung_unet", decoder_channels=[16, 16, 8, 8, 8]).train()
    net(torch.randn(2, 1, 64, 64)).square().sum().backward()
    assert [name for name, weight in net.named_parameters() if weight.grad is None] == []


def test_the_encoder_pads_as_its_weights_were_trained():
    net = nets.build("lung_unet")
    coarse = [
        module
        for module in net.net.encoder.modules()
        if isinstance(module, torch.nn.Conv2d) and module.stride == (2, 2)
    ]
    assert len(coarse) == 5
    assert all(isinstance(module, SamePaddedConv2d) for module in coarse)


def test_the_encoder_takes_the_imagenet_keys_and_gives_the_classifiers_features(data_folder):
    state = load_file(data_folder / "weights" / "mobilenet_v2_imagenet_qat.safetensors")
    net, backbone = nets.build("lung_unet").eval(), BACKBONES["mobilenet_v2"]().eval()
    net.load_imagenet(state)
    backbone.load_imagenet(state)
    film = torch.rand(1, 1, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(net.net.encoder(film)[-1], backbone(film)[-1])
