"""Contract of every architecture in the registry."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file

from cxrtriage import nets

NECKS = [
    {"neck": "none"},
    {"neck": "fpn", "neck_channels": 32, "neck_levels": 3},
    {"neck": "fpn", "neck_channels": 16, "neck_levels": 4},
]


@pytest.fixture(params=nets.architectures())
def architecture(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.mark.parametrize("options", NECKS, ids=lambda o: f"{o['neck']}{o.get('neck_levels', '')}")
def test_a_net_gives_a_logit_for_each_class_and_a_gradient_to_each_weight(architecture, options):
    net = nets.build(architecture, classes=3, **options).train()
    logits = net(torch.randn(2, 1, 96, 96))
    assert logits.shape == (2, 3)
    logits.square().sum().backward()
    # A pyramid of three levels leaves nothing of the backbone out either.
    without = [name for name, weight in net.named_parameters() if weight.grad is None]
    assert without == []


@pytest.mark.parametrize("size", [64, 97, 160])
def test_a_net_takes_films_of_any_size(architecture, size):
    net = nets.build(architecture, classes=2, neck="fpn", neck_channels=16, neck_levels=3).eval()
    with torch.no_grad():
        assert torch.isfinite(net(torch.randn(1, 1, size, size + 32))).all()


def test_the_head_contract_composes_to_the_whole(architecture):
    net = nets.build(architecture, classes=2, neck="fpn", neck_channels=16, neck_levels=4).eval()
    film = torch.randn(1, 1, 96, 96)
    with torch.no_grad():
        maps = net.forward_features(film)
        pooled = net.pool(maps)
        assert pooled.shape == (1, net.num_features)
        assert [map_.shape[1] for map_ in maps] == list(net.backbone.channels)
        assert [map_.shape[-1] for map_ in maps] == [24, 12, 6, 3]
        torch.testing.assert_close(net.forward_head(pooled), net(film))


def test_the_saliency_layer_carries_the_last_map(architecture):
    net = nets.build(architecture, classes=2, neck="none").eval()
    seen = []
    hook = net.saliency_layer.register_forward_hook(lambda module, inputs, output: seen.append(output))
    with torch.no_grad():
        maps = net.forward_features(torch.randn(1, 1, 96, 96))
    hook.remove()
    torch.testing.assert_close(seen[-1], maps[-1])


def test_an_unknown_architecture_is_named():
    with pytest.raises(ValueError, match=r"resnet51.*known are resnet50"):
        nets.build("resnet51", classes=2)


@pytest.mark.parametrize(
    ("options", "words"),
    [({"classes": 1}, "two classes"), ({"classes": 2, "neck": "giraffe"}, "fpn or none"),
     ({"classes": 2, "neck_levels": 5}, "1 to 4")],
)  # fmt: skip
def test_options_that_make_no_net_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        nets.build("mobilenet_v2", **options)


def test_imagenet_weights_load_and_keep_their_meaning(data_folder):
    """Against torchvision's own MobileNetV2, whose stride-2 layers are padded by hand here."""
    from torch.nn import functional
    from torchvision.models import mobilenet_v2

    state = load_file(data_folder / "weights" / "mobilenet_v2_imagenet_qat.safetensors")
    ours = nets.build("mobilenet_v2", classes=2, neck="none").eval()
    ours.backbone.load_imagenet(state)
    theirs = mobilenet_v2(weights=None).eval()
    theirs.features.load_state_dict(
        {k.removeprefix("features."): v.float() for k, v in state.items() if k.startswith("features.")}
    )
    for module in theirs.features.modules():
        if isinstance(module, torch.nn.Conv2d) and module.stride == (2, 2):
            module.padding = (0, 0)
            module.register_forward_pre_hook(lambda _, inputs: functional.pad(inputs[0], (0, 1, 0, 1)))
    film = torch.rand(1, 1, 224, 224) * 2 - 1
    with torch.no_grad():
        torch.testing.assert_close(
            ours.forward_features(film)[-1], theirs.features(film.expand(-1, 3, -1, -1)), atol=1e-3, rtol=1e-3
        )


def test_a_net_without_known_imagenet_weights_says_so():
    with pytest.raises(ValueError, match="no ImageNet weights"):
        nets.build("resnet50", classes=2, neck="none").backbone.load_imagenet({})
