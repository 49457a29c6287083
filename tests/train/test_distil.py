"""A start distilled from ImageNet weights, and taken up."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file

from train.command import main
from train.fit import fit
from train.settings import read_settings

CONFIG = """
name: start
architecture: efficientnet_b0
teacher_file: weights/mobilenet_v2_imagenet_qat.safetensors
input: {size: 64, region: lungs}
lungs: lungs
student_size: 32
batch: 4
epochs: 1
workers: 0
exclude: [south]
graft: true
"""


@pytest.mark.slow
def test_a_start_is_distilled_from_the_lungs_crop_and_taken_up(
    data_folder, tiny_data, tiny_config, tiny_lungs, tmp_path
):
    """With the ImageNet weights of the data folder, on the tiny films."""
    (tiny_data / "weights").symlink_to((data_folder / "weights").resolve())
    path, runs = tmp_path / "distil.yaml", tmp_path / "runs"
    path.write_text(CONFIG)
    assert main(["distil", "--config", str(path), "--steps", "1", "--runs", str(runs)]) == 0
    settings = read_settings(
        tiny_config, architecture="efficientnet_b0", start={"distilled": "start"}, learning_rate=0.0
    )
    fit(settings, runs, steps=1)
    start = load_file(runs / "start" / "start.safetensors")
    fitted = load_file(runs / "tiny" / "tiny.safetensors")
    key = "net._blocks.0._depthwise_conv.weight"
    assert torch.equal(start[key], fitted[f"backbone.{key}"])


def test_a_net_that_holds_no_mobilenet_is_not_grafted(data_folder, tiny_data, tmp_path, capsys):
    (tiny_data / "weights").symlink_to((data_folder / "weights").resolve())
    path = tmp_path / "distil.yaml"
    path.write_text(CONFIG.replace("efficientnet_b0", "resnet50").replace("lungs: lungs\n", ""))
    assert main(["distil", "--config", str(path), "--runs", str(tmp_path / "runs")]) == 2
    assert "a resnet50 cannot hold a MobileNetV2" in capsys.readouterr().err
