"""Relevance: the rule as it is written, on the net's own pass, at the planted place, and without a trace."""

from __future__ import annotations

import copy
import gc
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cxrtriage import nets
from cxrtriage.film.film import Film
from cxrtriage.nets import TransformerClassifier
from cxrtriage.reading.input_form import InputForm
from cxrtriage.reading.map_methods import GRAD_CAM, RELEVANCE
from cxrtriage.reading.member import Member
from cxrtriage.reading.relevance import attended, relevance, relevance_through
from cxrtriage.weights import Card

SMALL = {"classes": 3, "findings": 2, "layers": 3, "heads": 4, "width": 32, "size": 96}
NETS = {
    "vit": {**SMALL, "patch": 16},
    "hybrid_vit": {**SMALL, "backbone": "mobilenet_v2"},
    "corpus_vit": {**SMALL, "backbone": "mobilenet_v2", "corpus": 3},
}
CLASSES = ("covid19", "other_infection")
PATCH, GRID = 16, 5
COVID, OTHER = (1, 3), (4, 0)  # places of the planted patterns


def random_net(name: str) -> TransformerClassifier:
    torch.manual_seed(1)
    net = nets.build(name, **NETS[name]).eval()
    # Strong enough that attention is far from even and every layer matters.
    for layer in net.encoder.layers:
        nn.init.normal_(layer.self_attention.in_proj_weight, std=0.4)
        nn.init.normal_(layer.self_attention.in_proj_bias, std=0.4)
    return net


def planted_net(heads: int = 2, layers: int = 2) -> TransformerClassifier:
    """Class 0 listens for patches brighter above than below, class 1 for brighter left than right.

    A pattern is a pair of opposite channels; attention is even and hands every token's channels on.
    """
    width = 8
    net = nets.build(
        "vit", classes=2, patch=PATCH, size=PATCH * GRID, layers=layers, heads=heads, width=width
    )
    with torch.no_grad():
        for weight in net.parameters():
            weight.zero_()
        halves = torch.ones(PATCH, PATCH)
        halves[PATCH // 2 :] = -1
        for channel, pattern in enumerate((halves, -halves, halves.T, -halves.T)):
            net.backbone.conv_proj.weight[channel, 0] = pattern / PATCH**2
        for layer in net.encoder.layers:
            layer.ln_1.weight.fill_(1)
            layer.ln_2.weight.fill_(1)
            layer.self_attention.in_proj_weight[2 * width :] = torch.eye(width)
            layer.self_attention.out_proj.weight.copy_(torch.eye(width))
        net.encoder.ln.weight.fill_(1)
        net.head.weight[0, :2] = net.head.weight[1, 2:4] = torch.tensor([1.0, -1.0])
    return net.eval().requires_grad_(False)


def planted_film() -> Film:
    pixels = np.full((PATCH * GRID, PATCH * GRID), 0.5, np.float32)
    for (row, column), rows, columns in ((COVID, PATCH // 2, PATCH), (OTHER, PATCH, PATCH // 2)):
        place = pixels[row * PATCH :, column * PATCH :]
        place[:PATCH, :PATCH] = 0.0
        place[:rows, :columns] = 1.0
    return Film(pixels=pixels, bits=8, sha256="", format="png")


def member_of(net: nn.Module, side: int = PATCH * GRID) -> Member:
    form = InputForm(size=side, equalise=False)
    card = Card("net", "", CLASSES, "vit", {}, form.to_dict(), "0" * 64, "none")
    return Member(card, net, form)


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("sides", [(96, 96), (96, 64)])
def test_the_pass_that_is_run_again_gives_the_nets_own_logits(name, sides):
    net, film = random_net(name), torch.randn(2, 1, *sides)
    with torch.no_grad():
        own, maps = net(film), net.forward_features(film)
        again, attentions, grid = attended(net, maps)
    torch.testing.assert_close(again, own, atol=1e-4, rtol=0)
    assert own.std() > 0.01
    assert (grid[0] * net.backbone.stride, grid[1] * net.backbone.stride) == sides
    assert len(attentions) == 3
    for attention in attentions:
        assert attention.shape == (2, 4, 1 + grid[0] * grid[1], 1 + grid[0] * grid[1])
        torch.testing.assert_close(attention.sum(-1), torch.ones(attention.shape[:-1]))


def as_written(net: TransformerClassifier, film: Tensor, output: int) -> np.ndarray:
    """Equations 5 and 6 of the ICCV paper to the letter, attention taken from torch's own module."""
    net, kept = copy.deepcopy(net), []
    for layer in net.encoder.layers:
        module, forward = layer.self_attention, layer.self_attention.forward

        def speaking(*inputs, forward=forward, **_):
            mixed, attention = forward(*inputs, need_weights=True, average_attn_weights=False)
            used = attention._base  # what is handed out is a view, beside the path to the logits
            used.retain_grad()
            kept.append(used)
            return mixed, attention

        module.forward = speaking
    net(film)[0, output].backward()
    whole = torch.eye(kept[0].shape[-1])
    for attention in kept:
        whole = whole + (attention.grad * attention).clamp_min(0).mean(0).detach() @ whole
    return whole[0, 1:].numpy()


@pytest.mark.parametrize("name", NETS)
def test_the_map_is_the_papers_rule_to_the_letter(name):
    net, film = random_net(name), torch.randn(1, 1, 96, 96)
    maps = []
    for output in range(5):
        map_ = relevance(net, film, output)
        written = as_written(net, film, output)
        assert written.max() > 0
        np.testing.assert_allclose(map_.ravel(), written, rtol=1e-3, atol=1e-4 * written.max())
        maps.append(map_)
    side = 96 // net.backbone.stride
    assert all(map_.shape == (side, side) and map_.dtype == np.float32 for map_ in maps)
    assert min(map_.min() for map_ in maps) >= 0
    assert not np.allclose(maps[0] / maps[0].max(), maps[1] / maps[1].max(), atol=0.05)


@pytest.mark.parametrize(("heads", "layers"), [(1, 1), (4, 1), (2, 2)])
def test_each_class_has_its_maximum_where_its_own_pattern_was_planted(heads, layers):
    member = member_of(planted_net(heads, layers))
    film = member.form.tensor(member.form.image(planted_film()))
    for output, place in enumerate((COVID, OTHER)):
        map_ = relevance(member.net, film, output)
        assert np.unravel_index(map_.argmax(), map_.shape) == place
        assert map_[place] > 0.9 * map_.sum()


def test_a_members_relevance_is_in_film_pixels_and_says_what_it_is():
    member, film = member_of(planted_net()), planted_film()
    assert member.methods == (GRAD_CAM, RELEVANCE)
    for class_name, (row, column) in zip(CLASSES, (COVID, OTHER), strict=True):
        saliency = member.relevance(film, None, class_name)
        assert (saliency.method, saliency.net, saliency.class_name) == ("Relevance", "net", class_name)
        assert saliency.map.shape == film.pixels.shape
        assert 0.9 < saliency.map.max() <= 1  # a little is lost between the grid's points
        assert not saliency.empty
        peak = np.unravel_index(saliency.map.argmax(), saliency.map.shape)
        assert (peak[0] // PATCH, peak[1] // PATCH) == (row, column)
    with pytest.raises(ValueError, match="net has no output tuberculosis"):
        member.relevance(film, None, "tuberculosis")


def test_a_transformer_that_ignores_the_film_has_an_empty_map():
    net = planted_net()
    net.head.weight.zero_()
    saliency = member_of(net).relevance(planted_film(), None, CLASSES[0])
    assert saliency.empty
    assert not saliency.map.any()


def test_a_net_without_attention_or_in_training_is_refused_with_the_reason():
    net = nets.build("mobilenet_v2", classes=2).eval()
    with pytest.raises(ValueError, match="a FilmClassifier does not have"):
        relevance(net, torch.zeros(1, 1, 64, 64), 0)
    member = member_of(net)
    assert member.methods == (GRAD_CAM,)
    with pytest.raises(ValueError, match="a FilmClassifier does not have"):
        member.relevance(planted_film(), None, CLASSES[0])
    with pytest.raises(ValueError, match="unknown method 'rollout'"):
        member.raw_map([], CLASSES[0], "rollout")
    with pytest.raises(ValueError, match="evaluation mode"):
        relevance(random_net("vit").train(), torch.zeros(1, 1, 96, 96), 0)


def test_a_map_from_what_was_looked_at_before_is_the_same_also_in_inference_mode():
    net, film = random_net("corpus_vit"), torch.randn(1, 1, 96, 96)
    fresh = relevance(net, film, 2)
    with torch.inference_mode():
        maps = net.forward_features(film)
        within = relevance_through(net, maps, 2)
    np.testing.assert_allclose(within, fresh, rtol=1e-5)
    np.testing.assert_allclose(relevance_through(net, maps, 2), fresh, rtol=1e-5)


def test_threads_that_share_a_net_get_the_maps_they_would_get_alone_and_leave_no_trace():
    net = random_net("vit")
    before = {key: value.clone() for key, value in net.state_dict().items()}
    attributes = {name: set(vars(module)) for name, module in net.named_modules()}
    films = [torch.randn(1, 1, 96, 96) for _ in range(4)]
    asked = list(product(range(len(films)), range(5))) * 3
    alone = {(film, output): relevance(net, films[film], output) for film, output in asked}
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda of: relevance(net, films[of[0]], of[1]), asked))
    for of, map_ in zip(asked, found, strict=True):
        np.testing.assert_allclose(map_, alone[of], rtol=1e-4, atol=1e-5 * alone[of].max())
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
    assert all(weight.grad is None and weight.requires_grad for weight in net.parameters())
    assert {name: set(vars(module)) for name, module in net.named_modules()} == attributes
    assert not any(module._forward_hooks or module._backward_hooks for module in net.modules())


def test_a_hundred_maps_keep_no_memory():
    """A map needs 2 MB on the way here, so that a graph kept by each call would be 200 MB."""
    resident = Path("/proc/self/statm")
    if not resident.is_file():
        pytest.skip("resident memory is read from /proc")
    net = nets.build("vit", classes=1, patch=8, layers=4, heads=4, width=16, size=96).eval()
    film = torch.randn(1, 1, 96, 96)

    def held() -> tuple[int, float]:
        gc.collect()
        tensors = sum(type(thing) is Tensor for thing in gc.get_objects())
        return tensors, int(resident.read_text().split()[1]) * 4096 / 1e6

    for _ in range(10):
        relevance(net, film, 0)
    tensors, megabytes = held()
    for _ in range(100):
        relevance(net, film, 0)
    assert held()[0] <= tensors
    assert held()[1] - megabytes < 50
