"""The transformers: their contract, the stem they read, what is frozen, and published weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from cxrtriage import nets
from cxrtriage.nets.backbone import BACKBONES
from cxrtriage.nets.transformer import stretched_positions
from cxrtriage.weights import Card, load_net, save_net

SMALL = {"layers": 2, "heads": 4, "width": 32, "size": 96}
NETS = [
    ("vit", {**SMALL, "patch": 16}),
    ("hybrid_vit", {**SMALL, "backbone": "resnet50"}),
    ("hybrid_vit", {**SMALL, "backbone": "mobilenet_v2"}),
    ("corpus_vit", {**SMALL, "backbone": "densenet121"}),
    ("corpus_vit", {**SMALL, "backbone": "mobilenet_v2", "corpus": 3}),
]
EACH = pytest.mark.parametrize(
    ("architecture", "options"), NETS, ids=lambda v: v if isinstance(v, str) else v.get("backbone", "patches")
)


@EACH
def test_a_transformer_gives_a_logit_for_each_output_and_a_gradient_to_each_weight(architecture, options):
    net = nets.build(architecture, classes=3, findings=2, **options).train()
    logits = net(torch.randn(2, 1, 96, 96))
    assert logits.shape == (2, 5)
    logits.square().sum().backward()
    assert [name for name, weight in net.named_parameters() if weight.grad is None] == []


@EACH
def test_the_parts_compose_to_the_whole_and_places_keep_their_place(architecture, options):
    net = nets.build(architecture, classes=2, **options).eval()
    film = torch.randn(1, 1, 96, 64)
    with torch.no_grad():
        maps = net.forward_features(film)
        torch.testing.assert_close(net.forward_head(maps), net(film))
        assert net.pool(maps).shape == (1, net.num_features)
        token, places = net.last_tokens(maps)
    stride = net.backbone.stride
    assert maps[-1].shape == places.shape == (1, net.map_channels, 96 // stride, 64 // stride)
    assert token.shape == (1, net.num_features)
    assert [map_.shape[1] for map_ in maps[:-2]] == list(net.backbone.channels)


@EACH
def test_weights_come_back_from_a_file_as_they_were(architecture, options, tmp_path):
    net = nets.build(architecture, classes=2, **options).eval()
    card = Card(
        "net", "task", ("a", "b"), architecture, {"classes": 2, **options}, {},
        save_net(net, tmp_path / "net.safetensors"), "none",
    )  # fmt: skip
    film = torch.randn(1, 1, 96, 96)
    with torch.no_grad():
        torch.testing.assert_close(load_net(card, tmp_path)(film), net(film), atol=0.05, rtol=0.05)


def test_the_stem_of_the_hybrid_is_cut_and_still_gives_the_maps_of_the_whole():
    for name in ("resnet50", "mobilenet_v2"):
        whole = BACKBONES[name]().eval()
        net = nets.build("hybrid_vit", classes=1, backbone=name, **SMALL).eval()
        state = whole.state_dict()
        net.backbone.load_state_dict({key: state[key] for key in net.backbone.state_dict()})
        film = torch.randn(1, 1, 96, 96)
        with torch.no_grad():
            for ours, theirs in zip(net.backbone(film), whole(film)[:3], strict=True):
                torch.testing.assert_close(ours, theirs)
        assert sum(p.numel() for p in net.backbone.parameters()) < sum(p.numel() for p in whole.parameters())


def test_a_frozen_stem_learns_nothing_and_keeps_its_statistics():
    net = nets.build("corpus_vit", classes=1, backbone="mobilenet_v2", frozen=True, **SMALL).train()
    before = {key: value.clone() for key, value in net.backbone.state_dict().items()}
    net(torch.randn(4, 1, 96, 96) * 3 + 1).sum().backward()
    assert all(weight.grad is None for weight in net.backbone.parameters())
    assert all(torch.equal(value, before[key]) for key, value in net.backbone.state_dict().items())
    assert net.encoder.layers[0].mlp[0].weight.grad is not None


def test_published_weights_load_and_give_the_published_token_of_a_grey_film():
    from torchvision.models import VisionTransformer

    theirs = VisionTransformer(image_size=64, patch_size=16, num_layers=2, num_heads=4, hidden_dim=32,
                               mlp_dim=128, num_classes=5).eval()  # fmt: skip
    nn.init.normal_(theirs.class_token)
    ours = nets.build("vit", classes=1, patch=16, layers=2, heads=4, width=32, size=64).eval()
    ours.load_imagenet(theirs.state_dict())
    film = torch.rand(2, 1, 64, 64) * 2 - 1
    with torch.no_grad():
        tokens = theirs._process_input(film.expand(-1, 3, -1, -1))
        tokens = torch.cat([theirs.class_token.expand(2, -1, -1), tokens], dim=1)
        torch.testing.assert_close(ours.pool(ours.forward_features(film)), theirs.encoder(tokens)[:, 0])


def test_positions_keep_their_order_when_stretched():
    side = torch.arange(16.0).reshape(4, 4)
    positions = torch.cat([torch.full((1, 1, 1), -7.0), side.reshape(1, 16, 1)], dim=1)
    assert stretched_positions(positions, 4, (4, 4)) is positions
    wide = stretched_positions(positions, 4, (8, 6))
    assert wide.shape == (1, 49, 1)
    assert wide[0, 0, 0] == -7
    grid = wide[0, 1:, 0].reshape(8, 6)
    assert (grid.diff(dim=0) > 0).all()
    assert (grid.diff(dim=1) > 0).all()


@pytest.mark.parametrize(
    ("options", "words"),
    [({"classes": 0}, "at least one output"), ({"classes": 1, "heads": 5}, "multiple of heads"),
     ({"classes": 1, "layers": 0}, "at least 1")],
)  # fmt: skip
def test_options_that_make_no_net_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        nets.build("vit", **{**SMALL, **options})


def test_only_patches_have_weights_of_a_whole_transformer():
    net = nets.build("hybrid_vit", classes=1, backbone="mobilenet_v2", **SMALL)
    with pytest.raises(ValueError, match="over patches"):
        net.load_imagenet({})
