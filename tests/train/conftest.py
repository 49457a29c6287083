"""A tiny data folder in the manifest's form: films that a net can learn in a few steps."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from cxrtriage import nets
from cxrtriage.nets.lungs import LUNG_CONVENTIONS
from cxrtriage.reading.input_form import InputForm
from cxrtriage.reading.lung_finder import LungFinder
from cxrtriage.weights import Card

# Lets the tests of this folder import what lies beside them, under any import mode of pytest.
sys.path.insert(0, str(Path(__file__).parent))

COLUMNS = ("file", "source", "patient", "label", "view", "age", "sex", "adult", "split", "licence")
SPLITS = ("train", "train", "train", "val", "val", "test", "test")


@pytest.fixture
def tiny_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two sources of both classes, 7 films a class and source; the ill have a bright upper corner."""
    folder = tmp_path / "data"
    (folder / "cxr").mkdir(parents=True)
    random = np.random.default_rng(0)
    rows = []
    for source in ("north", "south"):
        for label in ("normal", "tuberculosis"):
            for number, split in enumerate(SPLITS):
                pixels = random.integers(0, 120, (64, 60)).astype(np.uint8)
                if label == "tuberculosis":
                    pixels[8:28, 8:28] = 250
                name = f"{source}-{label}-{number}.png"
                Image.fromarray(pixels).save(folder / "cxr" / name)
                rows.append((name, source, name, label, "PA", "40", "F", "1", split, "CC0"))
    write_films(folder, rows)
    monkeypatch.setenv("CXRTRIAGE_DATA", str(folder))
    return folder


def write_films(folder: Path, rows: list[tuple[str, ...]], columns: tuple[str, ...] = COLUMNS) -> None:
    with (folder / "films.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(columns)
        writer.writerows(rows)


@pytest.fixture
def tiny_config(tmp_path: Path) -> Path:
    """Settings of a net that trains on `tiny_data` in seconds."""
    path = tmp_path / "tiny.yaml"
    path.write_text(
        """
name: tiny
architecture: mobilenet_v2
options: {neck: none, dropout: 0.0}
input: {size: 32, trim: 0.02}
sources: {north: 1, south: 1}
threshold_sources: [north, south]
augmentation: {erasing: null, randaugment: null, flip: 0.0, disguise: null}
learning_rate: 0.01
batch: 4
epochs: 1
films_per_epoch: 8
workers: 0
"""
    )
    return path


@pytest.fixture
def tiny_lungs(monkeypatch: pytest.MonkeyPatch) -> LungFinder:
    """Whatever lung net is asked for: an untrained one that finds the same two lungs in every film.

    They lie from 0.25 to 0.75 of the rows, 0.125 to 0.4375 and 0.5625 to 0.875 of the columns.
    """
    card = Card(
        name="lungs",
        task="lung masks",
        classes=LUNG_CONVENTIONS,
        architecture="lung_unet",
        options={},
        input=InputForm(size=32).to_dict(),
        sha256="0" * 64,
        licence="none",
    )
    finder = LungFinder(card, nets.build("lung_unet").eval())
    chances = np.zeros((32, 32), np.float32)
    chances[8:24, 4:14] = chances[8:24, 18:28] = 0.9
    monkeypatch.setattr(finder, "chances", lambda images: np.stack([chances] * len(images)))
    monkeypatch.setattr(LungFinder, "load", lambda name: finder)
    return finder


CROP = {"size": 32, "trim": 0.02, "region": "lungs", "margin": 0.08}


@pytest.fixture
def tiny_crop() -> dict[str, object]:
    """What changes `tiny_config` to the lungs' crop; needs `tiny_lungs`."""
    return {"input": dict(CROP), "lungs": "lungs"}


@pytest.fixture
def scored_data(tiny_data: Path, tiny_lungs: LungFinder, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The ill films of `tiny_data` are scored by two readers; the north's normal ones are well."""
    from severity_cells import READERS, write_scores

    from train.manifest import read_films

    monkeypatch.setattr("train.severity.WELL_SOURCES", ("north",))
    monkeypatch.setattr("train.severity_figures.ROUNDS", 20)
    rows: list[dict[str, object]] = []
    for number, film in enumerate(row for row in read_films(tiny_data) if row.source == "south"):
        ill = film.label == "tuberculosis"
        zones = dict.fromkeys(READERS, 0) | ({"brixia1_a": 3, "brixia2_a": 2} if ill else {})
        opacity = {"opacity_raw": 4, "opacity_raw_max": 8, "extent_set": ("one", "other")[number // 2 % 2]}
        rows.append({"file": film.file, "extent_0_8": number % 8, **opacity, **zones})
    write_scores(tiny_data, rows)
    return tiny_data


@pytest.fixture
def severity_config(tmp_path: Path) -> Path:
    """Settings of two small severity nets that learn for a moment."""
    trunk = {"backbone": "mobilenet_v2", "classes": 1, "size": 32, "width": 16, "layers": 2, "heads": 2}
    values = {
        "name": "severity", "trunk_options": trunk, "lungs": "lungs", "folds": 2, "epochs": 1, "batch": 4,
        "films_per_epoch": 8, "workers": 0, "average": 0.0, "input": {"size": 32, "region": "lungs"},
    }  # fmt: skip
    path = tmp_path / "severity.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


@pytest.fixture
def trunk_folder(tmp_path: Path) -> Path:
    """A folder of weights with a small net, `small`, that has maps by stage."""
    from small_trunk import write_small_trunk

    folder = tmp_path / "weights"
    write_small_trunk(folder)
    return folder
