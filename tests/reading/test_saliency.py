"""Grad-CAM against the package's own reading of the whole net, and its way back to the film."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

from cxrtriage import nets
from cxrtriage.film.film import Film
from cxrtriage.reading.saliency import Saliency, grad_cam, mean_saliency
from cxrtriage.reading.triage import Triage


@pytest.mark.parametrize("name", ["tb_a", "tb_b", "tb_c"])
def test_the_map_is_the_packages_on_the_whole_net(weights_folder, film, name):
    member = Triage.load(weights_folder)._members[name]
    inputs = member.form.tensor(member.form.image(film))
    with torch.no_grad():
        ours = grad_cam(member.net, member.net.forward_features(inputs), 1)
    member.net.requires_grad_(True)
    with GradCAM(model=member.net, target_layers=[member.net.saliency_layer]) as cam:
        targets = [ClassifierOutputTarget(1)]
        cam(input_tensor=inputs, targets=targets)
        hooks = cam.activations_and_grads
        whole = cam.get_cam_image(
            inputs, member.net.saliency_layer, targets,
            hooks.activations[0].detach().numpy(), hooks.gradients[0].numpy(), False,
        )[0]  # fmt: skip
    np.testing.assert_allclose(ours, np.maximum(whole, 0), rtol=1e-3, atol=1e-6 + 1e-4 * np.abs(whole).max())


def test_a_sign_that_counts_in_one_zone_alone_is_shown_there_alone():
    """The mean of a channel's gradients, as in Grad-CAM, would show it wherever the channel speaks."""
    net = nets.build("mobilenet_v2", classes=2, pooling="zones", zone_levels=1, margin=0.0).eval()
    maps = [torch.rand(1, channels, 12, 12) for channels in net.backbone.channels]
    with torch.no_grad():
        net.head.weight.zero_()
        net.head.weight.unflatten(1, (6, 1280))[1, 2, 5] = 3.0  # right lower zone, channel 5
    shown = grad_cam(net, maps, 1)
    expected = np.zeros((12, 12), np.float32)
    # Of a mean over 4 rows and 6 columns each place holds a share.
    expected[8:, :6] = maps[-1][0, 5, 8:, :6].numpy() * 3 / 24
    np.testing.assert_allclose(shown, expected, rtol=1e-3, atol=1e-6)


def test_of_marks_those_are_shown_that_count():
    """Few strong ones of a zone count more than the others of it, and none that lies beside the lungs."""
    net = nets.build("opacity_maps", classes=1, margin=0.0).eval()
    net.scaling.running_mean.zero_()
    seen, marks = torch.zeros(1, 1, 24, 24), torch.zeros(1, 1, 24, 24)
    seen[..., 2:22, 2:22] = 1
    marks[..., 3:5, 3:5] = 5.0
    marks[..., 10:12, 3:5] = 1.0
    marks[..., 0, 0] = 9.0
    with torch.no_grad():
        net.head.weight.fill_(0.1)
    shown = grad_cam(net, [seen, marks], 0)
    assert shown[3:5, 3:5].min() > shown[10:12, 3:5].max() > 0
    assert shown[0, 0] == 0
    assert (shown > 0).sum() == 8


def test_a_map_has_the_films_own_pixels(weights_folder, film):
    triage = Triage.load(weights_folder)
    for name, class_name in product(triage.members, ("tuberculosis", "covid19", "other_infection")):
        saliency = triage.saliency(film, name, class_name)
        assert saliency.map.shape == film.pixels.shape
        assert saliency.map.dtype == np.float32
        assert (saliency.net, saliency.class_name, saliency.method) == (name, class_name, "Grad-CAM")
        assert 0 <= saliency.map.min() <= saliency.map.max() <= 1
        assert saliency.empty == (saliency.map.max() == 0)


def test_no_evidence_is_an_empty_map_and_not_a_stretched_one(weights_folder, film):
    member = Triage.load(weights_folder)._members["tb_a"]
    nothing = member.saliency(film, None, "tuberculosis", np.zeros((2, 2), np.float32))
    assert nothing.empty
    assert not nothing.map.any()


def test_a_net_whose_head_ignores_the_film_has_an_empty_map(weights_folder, film):
    triage = Triage.load(weights_folder, ["tb_a"])
    triage._members["tb_a"].net.head.weight.zero_()
    assert triage.saliency(film, "tb_a", "tuberculosis").empty


def test_the_mean_of_maps_leaves_out_those_without_evidence():
    def saliency(value: float) -> Saliency:
        return Saliency(
            np.full((2, 2), value, np.float32), "Grad-CAM", f"net{value}", "tuberculosis", value == 0
        )

    mean = mean_saliency([saliency(0.0), saliency(0.4), saliency(0.8)])
    assert mean.map == pytest.approx(0.6)
    assert not mean.empty
    assert mean_saliency([saliency(0.0), saliency(0.0)]).empty


def test_the_map_of_a_cropped_and_turned_film_comes_back_to_the_whole(weights_folder):
    """Crop and turn as the page does, then back: nothing outside the crop, everything inside it."""
    from cxrtriage.film.adjustment import Adjustment, FractionBox

    film = Film(
        pixels=np.random.default_rng(3).random((120, 100), dtype=np.float32), bits=8, sha256="", format="png"
    )
    adjustment = Adjustment(crop=FractionBox(0.2, 0.1, 0.8, 0.6), quarter_turns=1)
    adjusted = adjustment.apply(film)
    saliency = Triage.load(weights_folder, ["tb_b"]).saliency(adjusted, "tb_b", "tuberculosis")
    back = adjustment.map_back(saliency.map, film)
    assert back.shape == film.pixels.shape
    assert not back[:12].any()
    assert not back[72:].any()
    assert not back[:, :20].any()
    assert back.sum() == pytest.approx(saliency.map.sum(), rel=1e-5)
