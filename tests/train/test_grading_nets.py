"""The registry of nets that grade: every trunk, where it starts, and one layer over it."""

from __future__ import annotations

import pytest
import torch

from cxrtriage.nets.torchvision_import import import_torchvision
from cxrtriage.reading.input_form import InputForm
from train.grading_nets import GRADES, GradingNet, TorchvisionTrunk, build_trunk, trunks
from train.settings import SettingsError, Start

import_torchvision()

from torchvision import models  # noqa: E402  (after the mend)

FORM = InputForm(size=64)
TRANSFORMER = {"size": 64, "width": 16, "layers": 2, "heads": 2}
OPTIONS = {
    "vit": {**TRANSFORMER, "patch": 16},
    "hybrid_vit": {**TRANSFORMER, "backbone": "mobilenet_v2"},
    "corpus_vit": {**TRANSFORMER, "backbone": "mobilenet_v2"},
}
TORCHVISION = ("squeezenet1_1", "alexnet", pytest.param("vgg16", marks=pytest.mark.slow), "densenet161")


@pytest.mark.parametrize("name", trunks())
def test_every_trunk_of_the_registry_has_the_width_it_says(name):
    with torch.device("meta"):  # shapes alone
        trunk = build_trunk(name, OPTIONS.get(name, {})).eval()
        assert trunk(torch.zeros(2, 1, 64, 64)).shape == (2, trunk.width)


@pytest.mark.parametrize("name", ["squeezenet1_1", "mobilenet_v2", "corpus_vit"])
def test_a_net_tells_grades_and_score_and_learns_through_its_trunk(name):
    net = GradingNet(build_trunk(name, OPTIONS.get(name, {})))
    said = net(torch.randn(2, 1, 64, 64))
    assert said.shape == (2, GRADES + 1)
    said.sum().backward()
    first = next(net.trunk.parameters())
    assert first.grad is not None
    assert first.grad.abs().sum() > 0


@pytest.mark.parametrize("name", TORCHVISION)
def test_published_weights_say_of_a_grey_film_what_they_said_of_it_in_colour(name, monkeypatch):
    torch.manual_seed(0)
    theirs = getattr(models, name)(weights=None).eval()
    monkeypatch.setattr("train.grading_nets.public_imagenet", lambda asked: theirs.state_dict())
    ours = build_trunk(name, {}).eval()
    ours.start(Start(imagenet="public"), FORM, None)
    film = torch.randn(1, 1, 64, 64)
    assert isinstance(ours, TorchvisionTrunk)
    theirs.set_submodule(ours.last, torch.nn.Identity())
    with torch.inference_mode():
        torch.testing.assert_close(ours(film), theirs(film.expand(-1, 3, -1, -1)), rtol=1e-4, atol=1e-5)


def test_a_densenets_file_may_name_its_layers_as_torchvisions_first_ones_did(monkeypatch):
    state = models.densenet161(weights=None).state_dict()
    old = {key.replace(".norm1.", ".norm.1.").replace(".conv2.", ".conv.2."): v for key, v in state.items()}
    assert set(old) != set(state)
    ours = build_trunk("densenet161", {})
    ours.load_imagenet(old)
    key = "features.denseblock1.denselayer1.conv2.weight"
    assert torch.equal(ours.net.state_dict()[key], state[key])


def test_what_cannot_be_had_is_said(tmp_path):
    with pytest.raises(SettingsError, match="no net nothing that grades; known are vgg16"):
        build_trunk("nothing", {})
    with pytest.raises(SettingsError, match="alexnet has none"):
        build_trunk("alexnet", {"layers": 2})
    with pytest.raises(SettingsError, match="starts from scratch or from imagenet"):
        build_trunk("squeezenet1_1", {}).start(Start(findings="tb_mobilenet_v2"), FORM, tmp_path)
    with pytest.raises(SettingsError, match="from scratch or from weights"):
        build_trunk("corpus_vit", OPTIONS["corpus_vit"]).start(Start(imagenet="public"), FORM, tmp_path)
    with pytest.raises(SettingsError, match="corpus_vit is no such corpus_vit"):
        build_trunk("corpus_vit", OPTIONS["corpus_vit"]).start(Start(weights="corpus_vit"), FORM, tmp_path)
