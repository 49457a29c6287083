"""Every shipped configuration reads, builds its net, and a wrong key is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from cxrtriage import nets
from train.distil import read_distil_settings
from train.settings import SettingsError, read_settings, settings_from_dict

CONFIGS = Path(__file__).resolve().parents[2] / "train" / "configs"


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("tb_*.yaml")), ids=lambda path: path.stem)
def test_a_shipped_configuration_builds_its_net(path):
    settings = read_settings(path)
    assert path.stem.removesuffix("_cpu") == settings.name
    net = nets.build(settings.architecture, classes=len(settings.classes) + 1, **settings.options)
    assert net.num_features > 0
    assert set(settings.threshold_sources) <= set(settings.sources)
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
