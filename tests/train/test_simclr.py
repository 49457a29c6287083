"""A start learnt from films alone."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from manifest_cells import change
from safetensors.torch import load_file

from train.command import main
from train.fit import fit
from train.settings import SettingsError, read_settings
from train.simclr import SimclrSettings, TwoViews, nt_xent, read_simclr_settings

CONFIG = """
name: films_alone
architecture: mobilenet_v2
input: {size: 32, trim: 0.02, region: lungs}
lungs: lungs
exclude: [south]
size: 32
batch: 4
epochs: 1
workers: 0
"""


def test_the_loss_is_its_definition():
    """Chen 2020, equation 1, pair by pair."""
    torch.manual_seed(0)
    first, second = torch.randn(3, 5), torch.randn(3, 5)
    views = [view / view.norm() for view in torch.cat([first, second])]
    losses = []
    for i in range(6):
        pair = math.exp((views[i] @ views[(i + 3) % 6]).item() / 0.2)
        every = sum(math.exp((views[i] @ views[k]).item() / 0.2) for k in range(6) if k != i)
        losses.append(-math.log(pair / every))
    assert nt_xent(first, second, 0.2).item() == pytest.approx(sum(losses) / 6, rel=1e-5)


def test_views_of_one_film_that_agree_cost_less_than_views_that_do_not():
    films = torch.eye(4)
    assert nt_xent(films, films, 0.2) < 0.1
    assert nt_xent(films, films.roll(1, 0), 0.2) > 4


def test_a_film_gives_two_different_views_of_its_first_channel():
    images = np.random.default_rng(0).integers(0, 255, (3, 2, 48, 48)).astype(np.uint8)
    views = TwoViews(images, np.array([2]), SimclrSettings("a", "mobilenet_v2", size=32))
    torch.manual_seed(0)
    first, second = views[0]
    assert first.shape == second.shape == (1, 32, 32)
    assert first.dtype == torch.uint8
    assert not torch.equal(first, second)


@pytest.mark.slow
def test_two_steps_make_a_start_that_a_net_takes_up(tiny_data, tiny_config, tiny_lungs, tiny_crop, tmp_path):
    path, runs = tmp_path / "simclr.yaml", tmp_path / "runs"
    path.write_text(CONFIG)
    # A label nobody trains on here: it takes part all the same.
    change(tiny_data, 2, "label", "unknown")
    assert main(["simclr", "--config", str(path), "--steps", "2", "--runs", str(runs)]) == 0
    begun = load_file(runs / "films_alone" / "films_alone.safetensors")
    assert all(key.startswith("features.") for key in begun)
    settings = read_settings(tiny_config, start={"distilled": "films_alone"}, learning_rate=0.0, **tiny_crop)
    fit(settings, runs, steps=1)
    fitted = load_file(runs / "tiny" / "tiny.safetensors")
    key = "features.0.0.weight"
    assert torch.equal(begun[key], fitted[f"backbone.{key}"])


def test_films_of_every_label_of_the_sources_not_excluded_take_part(tiny_data, tiny_lungs, tmp_path):
    from train.simclr import _views

    change(tiny_data, 2, "label", "unknown")
    change(tiny_data, 3, "adult", "0")
    path = tmp_path / "simclr.yaml"
    path.write_text(CONFIG)
    # Six films of the north are for training, one of them a child's.
    assert len(_views(read_simclr_settings(path), tmp_path / "runs")) == 5


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- a", "must name a run"),
        ("name: a\narchitecture: lung_unet", "lung_unet is no backbone"),
        ("name: a\narchitecture: resnet50\ntemprature: 1", "unknown key 'temprature'"),
        ("name: a\narchitecture: resnet50\nstart: {luck: 1}", "start: unknown key 'luck'"),
        ("name: a\narchitecture: resnet50\ninput: {region: lungs}", "lungs needs a lung net"),
        ("name: a\narchitecture: resnet50\ninput: {sise: 1}", "unknown option sise"),
    ],
)
def test_a_wrong_key_is_named(tmp_path, text, words):
    path = tmp_path / "wrong.yaml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=words):
        read_simclr_settings(path)
