"""Where a transformer starts: its stem, its maps of findings, or a whole one from published weights."""

from __future__ import annotations

import pytest
import torch

from cxrtriage import nets
from cxrtriage.weights import Card, load_net, save_net, write_card
from train import start as start_module
from train.fit import fit
from train.settings import SettingsError, Start, read_settings
from train.start import CORPUS, chosen_start, load_corpus, load_vit_start

SMALL = {"layers": 1, "heads": 2, "width": 16, "size": 32}


def findings_run(runs, findings=CORPUS[3], name="tb"):
    """A trained findings net among the runs, its head apart for each finding."""
    options = {"classes": 1, "findings": len(findings), "neck": "none"}
    torch.manual_seed(2)
    net = nets.build("mobilenet_v2", **options)
    folder = runs / name
    folder.mkdir(parents=True)
    card = Card(
        name, "task", ("tuberculosis",), "mobilenet_v2", options, {},
        save_net(net, folder / f"{name}.safetensors"),
        "none", findings=tuple(findings),
    )  # fmt: skip
    write_card(card, folder)
    return load_net(card, folder)


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["vit", "hybrid_vit", "corpus_vit"])
def test_two_steps_make_a_transformer_that_reads(architecture, tiny_data, tiny_config, tmp_path):
    options = {**SMALL, "patch": 8} if architecture == "vit" else {**SMALL, "backbone": "mobilenet_v2"}
    settings = read_settings(tiny_config, architecture=architecture, options=options)
    card = fit(settings, tmp_path / "runs", steps=2)
    net = load_net(card, tmp_path / "runs" / "tiny")
    with torch.no_grad():
        assert torch.isfinite(net(torch.randn(1, 1, 32, 32))).all()


@pytest.mark.slow
def test_the_stem_and_the_maps_start_from_the_findings_net(tiny_data, tiny_config, tmp_path):
    runs = tmp_path / "runs"
    teacher = findings_run(runs, findings=("effusion", *CORPUS[3][:2]))
    settings = read_settings(
        tiny_config, architecture="corpus_vit", start={"findings": "tb"}, learning_rate=0.0,
        options={**SMALL, "backbone": "mobilenet_v2", "corpus": 3, "frozen": True},
    )  # fmt: skip
    net = load_net(fit(settings, runs, steps=1), runs / "tiny")
    first = "features.0.0.weight"
    torch.testing.assert_close(net.backbone.state_dict()[first], teacher.backbone.state_dict()[first])
    # Rows of the head: the class, then the net's findings in its own order.
    rows = [1 + ("effusion", *CORPUS[3][:2]).index(name) for name in CORPUS[3]]
    torch.testing.assert_close(
        net.corpus.weight[:, :, 0, 0], teacher.head.weight[rows].half().float(), atol=1e-4, rtol=1e-3
    )


def test_maps_of_findings_nobody_learnt_are_refused(tmp_path):
    findings_run(tmp_path, findings=("opacity",))
    net = nets.build("corpus_vit", classes=1, backbone="mobilenet_v2", corpus=3, **SMALL)
    with pytest.raises(SettingsError, match="tb did not learn consolidation, effusion"):
        load_corpus(net, "mobilenet_v2", Start(findings="tb"), tmp_path, ())
    four = nets.build("corpus_vit", classes=1, backbone="mobilenet_v2", corpus=4, **SMALL)
    with pytest.raises(SettingsError, match="4 is none of 1, 3, 10"):
        load_corpus(four, "mobilenet_v2", Start(findings="tb"), tmp_path, ())


def test_a_vit_takes_published_weights_or_none(monkeypatch):
    from torchvision.models import VisionTransformer

    theirs = VisionTransformer(
        image_size=32, patch_size=16, num_layers=1, num_heads=2, hidden_dim=16, mlp_dim=64
    )
    monkeypatch.setattr(start_module, "public_imagenet", lambda name: theirs.state_dict())
    net = nets.build("vit", classes=1, patch=16, **SMALL)
    load_vit_start(net, Start(imagenet="public"))
    torch.testing.assert_close(net.encoder.ln.weight, theirs.encoder.ln.weight)
    with pytest.raises(SettingsError, match="not from distilled"):
        load_vit_start(net, Start(distilled="some"))
    with pytest.raises(SettingsError, match="vit_b_16"):
        load_vit_start(nets.build("vit", classes=1, patch=8, **SMALL), Start(imagenet="public"))


def test_init_means_the_stem_of_a_transformer(tiny_config):
    settings = read_settings(tiny_config, architecture="corpus_vit", options={"backbone": "mobilenet_v2"})
    assert chosen_start("findings", settings).findings == "findings_mobilenet_v2"
    assert str(chosen_start("imagenet", settings).imagenet).startswith("weights/mobilenet_v2")
