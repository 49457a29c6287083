"""Contract of every classifier in the registry."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file

from cxrtriage import nets
from cxrtriage.nets.backbone import BACKBONES
from cxrtriage.weights import Card, load_net, save_net

HEADS = [
    {"neck": "none"},
    {"neck": "none", "pooling": "pcam"},
    {"neck": "none", "pooling": "zones"},
    {"neck": "fpn", "neck_channels": 32, "neck_levels": 3},
    {"neck": "fpn", "neck_channels": 16, "neck_levels": 4},
]


CLASSIFIERS = list(BACKBONES)


@pytest.fixture(params=CLASSIFIERS)
def architecture(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.mark.parametrize(
    "options", HEADS, ids=lambda o: f"{o['neck']}{o.get('neck_levels', o.get('pooling', ''))}"
)
def test_a_net_gives_a_logit_for_each_class_and_finding_and_a_gradient_to_each_weight(architecture, options):
    net = nets.build(architecture, classes=3, findings=2, **options).train()
    logits = net(torch.randn(2, 1, 96, 96))
    assert logits.shape == (2, 5)
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
        torch.testing.assert_close(net.forward_head(maps), net(film))
        torch.testing.assert_close(net.head(pooled), net(film))


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
    [({"classes": 0}, "at least one output"), ({"classes": 2, "neck": "giraffe"}, "fpn or none"),
     ({"classes": 2, "neck_levels": 5}, "1 to 4"), ({"classes": 2, "pooling": "max"}, "mean, or pcam"),
     ({"classes": 2, "neck": "fpn", "pooling": "pcam"}, "pcam, zones or marks without a neck")],
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


def test_weights_come_back_from_a_file_as_they_were(architecture, tmp_path):
    """Within half precision, in which they are kept."""
    options = {"classes": 2, "findings": 1, "neck": "none", "pooling": "pcam"}
    net = nets.build(architecture, **options).eval()
    sha256 = save_net(net, tmp_path / "net.safetensors")
    card = Card("net", "task", ("a", "b"), architecture, options, {}, sha256, "none", findings=("c",))
    film = torch.randn(1, 1, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(load_net(card, tmp_path)(film), net(film), atol=0.05, rtol=0.05)


def published(architecture: str) -> torch.nn.Module:
    """The net as it is published, on three colours, with random weights."""
    from efficientnet_pytorch import EfficientNet
    from torchvision import models

    if architecture == "efficientnet_b0":
        return EfficientNet.from_name("efficientnet-b0", image_size=None)
    return getattr(models, architecture)(weights=None)


@pytest.mark.parametrize("architecture", ["resnet50", "resnet152", "efficientnet_b0", "densenet121"])
def test_published_keys_load_and_give_the_published_features_of_a_grey_film(architecture):
    theirs, ours = published(architecture).eval(), BACKBONES[architecture]().eval()
    ours.load_imagenet(theirs.state_dict())
    film = torch.rand(1, 1, 96, 96) * 2 - 1
    colours = film.expand(-1, 3, -1, -1)
    with torch.no_grad():
        match architecture:
            case "resnet50" | "resnet152":
                layers = list(theirs.children())[:-2]
                expected = torch.nn.Sequential(*layers)(colours)
            case "efficientnet_b0":
                expected = theirs.extract_features(colours)
            case _:
                expected = theirs.features(colours).relu()
        # Against the greatest value: random weights let it grow with the depth.
        greatest = expected.abs().max()
        torch.testing.assert_close(ours(film)[-1] / greatest, expected / greatest, atol=1e-4, rtol=1e-3)


def test_a_grafted_efficientnet_computes_what_the_mobilenet_does():
    """With MobileNetV2's activation, constant and open gates it is MobileNetV2, but for the blocks it has
    not."""
    torch.manual_seed(4)
    theirs = BACKBONES["mobilenet_v2"]().eval()
    for module in theirs.modules():  # so that no map dies out on the way, nor any two channels agree
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.bias, 0.5, 1.5)
    ours = BACKBONES["efficientnet_b0"]().eval()
    ours.load_imagenet(theirs.state_dict())
    for module in ours.modules():
        if hasattr(module, "_swish"):
            module._swish = torch.nn.ReLU6()
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eps = 1e-5
        if hasattr(module, "_se_expand"):
            torch.nn.init.constant_(module._se_expand.bias, 30.0)
    # The last block of its third and of its fourth stage has no counterpart.
    theirs.features[6] = theirs.features[10] = torch.nn.Identity()
    film = torch.rand(2, 1, 96, 96) * 2 - 1
    with torch.no_grad():
        for expected, got in zip(theirs(film), ours(film), strict=True):
            torch.testing.assert_close(got[:, : expected.shape[1]], expected, atol=1e-4, rtol=1e-3)


def test_the_old_names_of_the_published_densenet_load_too():
    import re

    state = published("densenet121").state_dict()
    # As the file on download.pytorch.org spells them; it has no counters of batches either.
    old = {
        re.sub(r"(denselayer\d+\.(?:norm|conv))(\d)", r"\1.\2", key): value for key, value in state.items()
    }
    old = {key: value for key, value in old.items() if not key.endswith("num_batches_tracked")}
    assert any(".norm.1." in key for key in old)
    ours = BACKBONES["densenet121"]()
    ours.load_imagenet(old)
    key = "features.denseblock2.denselayer3.conv2.weight"
    torch.testing.assert_close(ours.state_dict()[key], state[key])


def test_weights_of_another_net_are_refused(architecture):
    other = "densenet121" if architecture == "resnet50" else "resnet50"
    with pytest.raises((KeyError, RuntimeError)):
        BACKBONES[architecture]().load_imagenet(published(other).state_dict())
