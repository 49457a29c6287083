"""Every shipped configuration reads, builds its net, and a wrong key is named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from cxrtriage import nets
from train.distil import read_distil_settings
from train.findings import FINDINGS
from train.levers import changed
from train.lungs import read_lung_settings
from train.settings import SettingsError, read_settings, settings_from_dict
from train.simclr import read_simclr_settings

CONFIGS = Path(__file__).resolve().parents[2] / "train" / "configs"


@pytest.mark.parametrize(
    "path",
    sorted(path for kind in ("tb_*", "findings_*", "corpus_vit*") for path in CONFIGS.glob(f"{kind}.yaml")),
    ids=lambda path: path.stem,
)
def test_a_shipped_configuration_builds_its_net(path):
    settings = read_settings(path)
    # A net that goes on from the shipped one keeps its name.
    assert path.stem.removesuffix("_cpu").removesuffix("_on") == settings.name
    net = nets.build(
        settings.architecture,
        classes=len(settings.classes),
        findings=len(settings.findings),
        **settings.options,
    )
    assert net.num_features > 0
    assert set(settings.threshold_sources) <= set(settings.sources)
    assert not set(settings.threshold_sources) & set(settings.unquoted_sources)
    assert set(settings.findings) <= set(FINDINGS)
    # A crop without its lung net would silently be the whole film.
    assert (settings.input.region == "lungs") == (settings.lungs is not None)
    assert settings_from_dict(settings.to_dict()) == settings


@pytest.mark.parametrize("name", ["tb_resnet50", "tb_efficientnet_b0"])
def test_the_papers_settings_are_the_papers(name):
    settings = read_settings(CONFIGS / f"{name}.yaml")
    assert settings.input.size == 512
    assert settings.options["neck"] == "fpn"
    erasing = settings.augmentation.erasing
    assert (erasing.p, erasing.area, erasing.aspect) == (0.5, (0.02, 0.4), (0.3, 3.3))
    assert settings.augmentation.randaugment.policies == 2
    assert settings.augmentation.flip == 0.5
    assert (settings.learning_rate, settings.weight_decay) == (0.001, 0.05)
    assert (settings.batch, settings.epochs) == (32, 10)
    assert settings.input.mean == (123.675, 116.28, 103.53)
    assert settings.input.deviation == (58.395, 57.12, 57.375)


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("distilled_*.yaml")), ids=lambda path: path.stem)
def test_a_start_reads_and_keeps_out_what_is_left_out_later(path):
    settings = read_distil_settings(path)
    assert set(settings.exclude) == {"shenzhen", "nitm"}
    assert settings.architecture in nets.architectures()
    assert (settings.input.region == "lungs") == (settings.lungs is not None)


def test_a_net_and_its_start_see_the_same_crop():
    for path in CONFIGS.glob("tb_*_cpu.yaml"):
        settings = read_settings(path)
        if settings.start.distilled:
            start = read_distil_settings(CONFIGS / f"{settings.start.distilled}_cpu.yaml")
            assert start.architecture == settings.architecture
            assert start.lungs == settings.lungs
            assert replace(start.input, size=32, mean=(0,) * 3) == replace(
                settings.input, size=32, mean=(0,) * 3
            )


def test_the_nets_that_are_read_together_learn_the_same():
    """Films, labels and crop agree; size, net and course of training differ."""
    first = read_settings(CONFIGS / "tb_mobilenet_v2_cpu.yaml")
    # Park's own findings net, at the paper's size, reads alone.
    for name in ("tb_resnet50*", "tb_efficientnet_b0", "findings_densenet121_cpu"):
        for path in CONFIGS.glob(f"{name}.yaml"):
            other = read_settings(path)
            for key in (
                "classes",
                "labels",
                "sources",
                "threshold_sources",
                "unquoted_sources",
                "lungs",
            ):
                assert getattr(other, key) == getattr(first, key), f"{path.name}: {key}"
            assert other.findings in ((), first.findings), path.name
            assert other.input.picture[1:] == first.input.picture[1:], path.name


def test_a_net_for_one_class_alone_is_asked_about_the_same_films_as_the_others():
    """What it never learns from has a share of 0; what is trained on alone has no films to be asked about."""
    first = read_settings(CONFIGS / "tb_mobilenet_v2_cpu.yaml")
    alone = read_settings(CONFIGS / "tb_efficientnet_b0_cpu.yaml")
    assert alone.classes == ("tuberculosis",)
    assert set(alone.classes) < set(first.classes)
    for key in ("labels", "threshold_sources", "lungs"):
        assert getattr(alone, key) == getattr(first, key), key
    assert set(first.sources) - set(alone.sources) == {"cxnet", "bimcv"}
    assert alone.input.picture[1:] == first.input.picture[1:]


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("simclr_*.yaml")), ids=lambda path: path.stem)
def test_a_start_from_films_alone_reads(path):
    settings = read_simclr_settings(path)
    assert path.stem.removesuffix("_cpu") == settings.name
    assert settings.input.region == "lungs"
    assert settings.lungs
    assert (settings.temperature, settings.projection) == (0.2, 128)
    assert set(settings.exclude) == {"shenzhen", "nitm"}


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("lungs_*.yaml")), ids=lambda path: path.stem)
def test_a_lung_net_reads_and_builds(path):
    settings = read_lung_settings(path)
    assert path.stem.removesuffix("_cpu") == settings.name
    nets.build(settings.architecture, **settings.options)


def test_every_lever_of_the_study_is_settings():
    study = yaml.safe_load((CONFIGS / "levers_cpu.yaml").read_text())
    base = yaml.safe_load((CONFIGS / study["base"]).read_text())
    for lever, changes in study["levers"].items():
        settings_from_dict(changed(base, {**study["changes"], **(changes or {})}), lever)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name: a", "architecture"),
        ("name: a\narchitecture: resnet50\nlerning_rate: 1", "unknown key 'lerning_rate'"),
        (
            "name: a\narchitecture: resnet50\naugmentation: {erasing: {q: 1}}",
            "augmentation.erasing: unknown key 'q'",
        ),
        ("name: a\narchitecture: resnet50\ninput: {sise: 1}", "unknown option sise"),
        ("- a list", "holds no settings"),
        ("name: [", "cannot be read"),
    ],
)
def test_a_wrong_key_is_named(tmp_path, text, words):
    path = tmp_path / "wrong.yaml"
    path.write_text(text)
    with pytest.raises(SettingsError) as caught:
        read_settings(path)
    assert words in str(caught.value)
    assert "wrong.yaml" in str(caught.value)
