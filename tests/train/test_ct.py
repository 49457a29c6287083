"""The lesion net learns from a table of slices, and its figures are made from what it finds."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from cxrtriage.ct.lesion_finder import LesionFinder
from cxrtriage.ct.slice_form import SliceForm, levelled, tissue_level
from cxrtriage.weights import read_card
from tests.ct.series_maker import draw_chest, picture, threshold_finder
from train.command import main
from train.ct_figures import _figures, _measure
from train.ct_lesion import (
    CtSettings,
    CtSlices,
    carry_lesions,
    draw_shares,
    missed_of_each,
    read_ct_settings,
)
from train.ct_slices import load_slices, read_slices
from train.settings import SettingsError

CONFIG = """
name: ct_lesion
options: {decoder_channels: [16, 16, 8, 8, 8]}
input: {rows: 64, columns: 96}
batch: 4
slices_per_epoch: 8
epochs: 1
workers: 0
"""
COLUMNS = (
    "series",
    "slice",
    "file",
    "lesion_mask",
    "lung_mask",
    "lesion_kind",
    "spacing",
    "split",
    "licence",
)


@pytest.fixture
def ct_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three drawn series with masks, one a split, and single slices; lesions in the middle of each series."""
    folder = tmp_path / "data"
    rows = []
    for series, split in (("a", "train"), ("b", "val"), ("c", "test"), ("single", "train"), ("one", "test")):
        place = folder / "ct" / "series" / series
        place.mkdir(parents=True)
        lesions = dict.fromkeys(range(2, 5), (50, 35))
        volume, clear = draw_chest(6, lesions=lesions), draw_chest(6)
        for number in range(6):
            alone = series in ("single", "one")
            lesion, lungs = volume[number] - clear[number] > 100, (abs(clear[number] + 850) < 75)
            files = {"": SliceForm().grey(volume[number]), "lesion_": lesion * 255, "lung_": lungs * 255}
            names = {}
            for start, pixels in files.items():
                names[start] = f"series/{series}/{start}{number}.png"
                (folder / "ct" / names[start]).write_bytes(picture(pixels))
            rows.append(
                (
                    series,
                    number,
                    names[""],
                    names["lesion_"] if lesion.any() else "",
                    "" if alone else names["lung_"],
                    "expert",
                    "" if alone else "1.0x1.0x5",
                    split,
                    "CC0",
                )
            )
    with (folder / "ct" / "series.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([COLUMNS, *rows])
    monkeypatch.setenv("CXRTRIAGE_DATA", str(folder))
    return folder


@pytest.mark.slow
def test_two_steps_make_a_net_and_its_figures(ct_data, tmp_path, capsys):
    path, runs, weights = tmp_path / "ct.yaml", tmp_path / "runs", tmp_path / "weights"
    path.write_text(CONFIG)
    weights.mkdir()
    assert main(["ct", "--config", str(path), "--steps", "2", "--runs", str(runs)]) == 0
    for ending in ("json", "safetensors"):
        shutil.copy(runs / "ct_lesion" / f"ct_lesion.{ending}", weights)
    assert {part["source"] for part in read_card("ct_lesion", weights).training_data} == {"a", "single"}
    results = tmp_path / "results"
    command = [
        "evaluate",
        "ct_lesion",
        "--weights",
        str(weights),
        "--results",
        str(results),
        "--runs",
        str(runs),
    ]
    assert main(command) == 0
    figures = json.loads((results / "ct_lesion.json").read_text())
    assert figures["series, test"]["slices"] == 6
    assert figures["single slices, test"]["slices_with_lesion"] == 3
    assert set(figures["series"]) >= {"a", "b", "c"}
    assert figures["speed"]["ratio"] > 0
    card = read_card("ct_lesion", weights)
    assert card.settings["reading"]["rule"]["slices"] == 3
    assert LesionFinder.load("ct_lesion", weights).threshold == figures["threshold"]
    assert "| series, test | 6 |" in (results / "ct_lesion.md").read_text()


def test_a_net_that_is_right_has_figures_that_say_so(ct_data):
    finder = threshold_finder()
    rows = [row for row in read_slices(ct_data) if row.series == "c"]
    figures = _figures(_measure(rows, finder), 0.5, finder.rule)
    assert figures["dice"] > 0.8
    assert figures["lesion_recall"] == figures["sensitivity"] == figures["specificity"] == 1.0
    assert (figures["lesions"], figures["slices_with_lesion"], figures["slices_without_lesion"]) == (3, 3, 3)
    assert figures["lungs_dice"] > 0.8


def test_a_net_that_finds_nothing_has_figures_that_say_so(ct_data):
    finder = threshold_finder()
    finder.net.lesion = (300.0, 400.0)
    rows = [row for row in read_slices(ct_data) if row.series == "c"]
    figures = _figures(_measure(rows, finder), 0.5, finder.rule)
    assert figures["dice"] == figures["lesion_recall"] == figures["sensitivity"] == 0.0
    assert figures["specificity"] == 1.0


def test_slices_are_drawn_by_their_shares(ct_data):
    form = SliceForm(rows=64, columns=96)
    slices = load_slices([row for row in read_slices(ct_data) if row.split == "train"], form)
    shares = draw_shares(slices, CtSettings("x", singles=0.4, without_lesion=0.25))
    kinds = np.array(["single" if s.row.single else "lesion" if s.lesion.any() else "clear" for s in slices])
    found = {kind: shares[kinds == kind].sum() for kind in ("single", "lesion", "clear")}
    assert found == pytest.approx({"single": 0.4, "lesion": 0.45, "clear": 0.15})


def test_variation_takes_the_masks_along(ct_data):
    form = SliceForm(rows=64, columns=96)
    slices = load_slices([row for row in read_slices(ct_data) if row.series == "a"], form)
    films = CtSlices(slices, form, CtSettings("x", carried=0.0))
    torch.manual_seed(1)
    for _ in range(20):
        picture_, masks, drawn = films[3]
        assert picture_.shape == (1, 64, 96)
        assert drawn
        grey, lung = picture_[0].numpy(), masks[1].numpy() > 0
        if lung.sum() > 200:
            assert grey[lung].mean() < grey[(~lung) & (masks[0].numpy() == 0) & (grey > 0)].mean()


def test_carried_lesions_stay_within_the_lungs():
    lungs = np.zeros((40, 40), np.uint8)
    lungs[5:35, 5:18] = 1
    lesion = np.zeros((40, 40), np.uint8)
    lesion[10:25, 10:30] = 1
    made, mask = carry_lesions(
        np.zeros((40, 40), np.float32),
        lungs,
        np.full((40, 40), 200.0, np.float32),
        lesion,
        np.random.default_rng(1),
    )
    assert mask.sum() == 15 * 8
    assert not (mask & ~lungs).any()
    assert made[17, 13] > 150
    assert made[17, 28] == 0


def test_slices_in_any_window_come_to_one_level():
    grey = SliceForm().grey(draw_chest(1)[0])
    for gain in (0.5, 0.8, 1.0):
        other = (grey * gain).astype(np.uint8)
        shown = levelled(other, tissue_level(other), 0.9)
        assert np.median(shown[shown > 150]) == pytest.approx(0.9 * 255, abs=3)


def test_bad_tables_and_settings_are_named(ct_data, tmp_path):
    table = ct_data / "ct" / "series.csv"
    table.write_text(table.read_text().replace("series/a/2.png", "series/a/gone.png"))
    with pytest.raises(SettingsError, match=r"series.csv, line 4: the file 'series/a/gone.png' is not there"):
        read_slices(ct_data)
    table.unlink()
    with pytest.raises(SettingsError, match=r"series.csv is not there"):
        read_slices(ct_data)
    path = tmp_path / "ct.yaml"
    path.write_text(CONFIG + "lesions: 3\n")
    with pytest.raises(SettingsError, match="lesions"):
        read_ct_settings(path)


def test_a_small_lesion_that_is_missed_counts_as_much_as_a_large_one() -> None:
    truth = torch.zeros(1, 64, 64)
    truth[0, :30, :30] = 1
    truth[0, 50:54, 50:54] = 1
    found = torch.where(truth > 0, 20.0, -20.0)
    no_small, no_large = found.clone(), found.clone()
    no_small[0, 50:54, 50:54] = -20.0
    no_large[0, :30, :30] = -20.0

    missed = [float(missed_of_each(logits, truth)) for logits in (found, no_small, no_large)]

    assert missed == pytest.approx([0.0, 0.5, 0.5], abs=1e-4)
    assert float(missed_of_each(found, torch.zeros_like(truth))) == 0.0
