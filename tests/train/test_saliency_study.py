"""Maps against drawn lesions: the figures on maps made for it, and the study on tiny films and nets."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cxrtriage import nets
from cxrtriage.reading.input_form import InputForm
from cxrtriage.weights import Card, save_net, write_card
from train.command import main
from train.compare import studies
from train.lesions import read_lesions
from train.manifest import ManifestError, read_films
from train.pointing import (
    Pointed,
    even_map,
    mean_over_patients,
    middle_map,
    pointed,
    pointing_figures,
    wilson,
)
from train.saliency_study import EVEN, MIDDLE

SHAPE = (64, 60)
CLASSES = ("covid19", "other_infection")
FILMS = {  # label, split, patient, lesion
    "a.png": ("covid19", "train", "1", True),
    "b.png": ("covid19", "test", "2", True),
    "c.png": ("other_infection", "test", "3", True),
    "d.png": ("other_infection", "test", "3", True),
    "e.png": ("covid19", "val", "4", False),
    "f.png": ("normal", "train", "5", True),
    "g.png": ("covid19", "train", "6", True),
}
VIT = {"patch": 16, "layers": 2, "heads": 2, "width": 16, "size": 64}
SETTINGS = {
    "name": "net",
    "architecture": "vit",
    "classes": list(CLASSES),
    "labels": ["normal", *CLASSES],
    "sources": {"north": 1, "south": 1},
    "leave_out": ["south"],
}


def write_csv(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def write_data(folder: Path) -> None:
    """Seven films; g is of a source the nets left out; lesions of a quarter of the lungs, as drawn."""
    for name in ("cxr", "opacities", "lungs"):
        (folder / name).mkdir(parents=True)
    lungs = np.zeros(SHAPE, np.uint8)
    lungs[16:48, 4:24] = lungs[16:48, 36:56] = 255
    lesion = np.zeros(SHAPE, np.uint8)
    lesion[16:48, 4:14] = 128
    lesion[16:32, 4:14] = 255
    random = np.random.default_rng(0)
    films, opacities, masks = [], [], []
    for file, (label, split, patient, ill) in FILMS.items():
        Image.fromarray(random.integers(0, 255, SHAPE).astype(np.uint8)).save(folder / "cxr" / file)
        Image.fromarray(lesion * ill).save(folder / "opacities" / file)
        Image.fromarray(lungs).save(folder / "lungs" / file)
        source = "south" if file == "g.png" else "north"
        films.append({"file": file, "source": source, "patient": patient, "label": label, "split": split})
        opacities.append({"file": file, "mask": file})
        masks.append({"file": file, "mask": file, "convention": "with retrocardiac lung"})
    write_csv(folder / "films.csv", films)
    write_csv(folder / "opacities.csv", opacities)
    write_csv(folder / "lungs.csv", masks)


def write_net(weights: Path, name: str, architecture: str, classes: tuple[str, ...], **options) -> None:
    torch.manual_seed(2)
    net = nets.build(architecture, classes=len(classes), **options)
    torch.nn.init.normal_(net.head.weight)
    sha256 = save_net(net, weights / f"{name}.safetensors")
    options = {"classes": len(classes), **options}
    form = InputForm(size=64).to_dict()
    card = Card(name, "", classes, architecture, options, form, sha256, "none", settings=SETTINGS)
    write_card(card, weights)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder, weights (a transformer of both classes, a CNN of one, a net of neither), and results."""
    folder = tmp_path_factory.mktemp("saliency")
    write_data(folder / "data")
    write_net(folder / "weights", "places", "vit", CLASSES, **VIT)
    write_net(folder / "weights", "cnn", "mobilenet_v2", ("other_infection",))
    write_net(folder / "weights", "tb", "vit", ("tuberculosis",), **VIT)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CXRTRIAGE_DATA", str(folder / "data"))
        assert run(folder / "weights", folder / "results") == 0
    return folder


@pytest.fixture
def here(made, tmp_path, monkeypatch):
    """All of `made` once more, to be changed."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.setenv("CXRTRIAGE_DATA", str(tmp_path / "data"))
    return tmp_path


def run(weights: Path, results: Path, *more: str) -> int:
    return main(["compare", "saliency", "--weights", str(weights), "--results", str(results), *more])


@pytest.fixture(scope="module")
def study(made):
    return json.loads((made / "results" / "compare_saliency.json").read_text())


def test_every_net_is_asked_by_every_method_it_has_about_the_classes_it_tells(study):
    assert study["films"] == ["a.png", "b.png", "c.png", "d.png", "g.png"]
    assert study["left_out"] == {"no lesion drawn": 1, "label normal": 1}
    assert list(study["nets"]) == ["cnn", "places"]
    assert list(study["nets"]["places"]["methods"]) == ["Grad-CAM", "Relevance"]
    assert list(study["nets"]["cnn"]["methods"]) == ["Grad-CAM"]
    of_cnn = study["nets"]["cnn"]["methods"]["Grad-CAM"]["films"]
    assert [(film["file"], film["class_name"]) for film in of_cnn] == [
        ("c.png", "other_infection"),
        ("d.png", "other_infection"),
    ]


def test_figures_are_of_the_films_and_say_how_many_were_trained_on(study):
    for method in ("Grad-CAM", "Relevance"):
        row = study["nets"]["places"]["methods"][method]
        test, every = row["figures"]["test"], row["figures"]["all"]
        assert (test["films"], test["patients"], test["trained_on"]) == (3, 2, 0)
        # a was trained on; g is of the source that was left out.
        assert (every["films"], every["patients"], every["trained_on"]) == (5, 4, 1)
        films = row["films"]
        assert every["inside"]["value"] == pytest.approx(
            np.mean([film["inside"] for film in films]), abs=1e-4
        )
        assert every["pointing"]["value"] == pytest.approx(np.mean([film["hit"] for film in films]), abs=1e-4)
        assert any(0 < film["inside"] < 1 for film in films)
        assert all(0 < film["score"] < 1 for film in films)
    by_method = study["nets"]["places"]["methods"]
    inside = [[film["inside"] for film in by_method[m]["films"]] for m in ("Grad-CAM", "Relevance")]
    assert not np.allclose(*inside, atol=1e-3)


def test_the_controls_are_the_share_of_the_lungs_and_the_middle_of_each(study):
    even = study["controls"][EVEN]["figures"]["all"]
    assert even["films"] == 5
    assert even["pointing"]["value"] == even["inside"]["value"] == pytest.approx(0.25)
    # The lesion ends where the middle of its lung begins, so that the middle is a miss.
    middle = study["controls"][MIDDLE]["figures"]["all"]
    assert middle["pointing"]["value"] == 0
    assert 0.2 < middle["inside"]["value"] < 0.3


def test_the_table_has_a_row_for_each_net_and_method_and_says_what_was_left_out(made):
    text = (made / "results" / "compare_saliency.md").read_text()
    assert text.count("| places | Relevance | ") == text.count("| places | Grad-CAM | ") == 2
    assert "| cnn | Grad-CAM | 2 | 1 | 0 |" in text
    assert "| – | evenly over the lungs | 5 | 4 | – | – | 0.250 (" in text
    assert "Films left out: 1 (no lesion drawn), 1 (label normal)." in text


def test_one_net_can_be_asked_alone_and_the_others_stay_while_their_weights_do(study, here):
    path = here / "results" / "compare_saliency.json"
    assert run(here / "weights", here / "results", "--only", "places") == 0
    assert json.loads(path.read_text()) == study
    write_net(here / "weights", "cnn", "vit", ("other_infection",), **VIT)
    assert run(here / "weights", here / "results", "--only", "places") == 0
    assert list(json.loads(path.read_text())["nets"]) == ["places"]


def test_a_net_that_is_not_there_or_tells_no_class_of_the_study_is_named(here, capsys):
    assert run(here / "weights", here, "--only", "tb") == 2
    assert "no classifier tb in" in capsys.readouterr().err
    assert run(here / "nothing", here) == 2
    assert "no classifier of covid19 or other_infection in" in capsys.readouterr().err


def test_the_study_is_known_beside_those_that_have_a_configuration(capsys):
    assert "saliency" not in studies()
    assert main(["compare", "nothing"]) == 2
    assert ", saliency" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([{"file": "gone.png", "mask": "a.png"}], r"line 2: the film gone.png is not in the manifest"),
        ([{"file": "a.png", "mask": "../cxr/a.png"}], r"line 2: the mask ../cxr/a.png is not in"),
        ([{"file": "a.png", "mask": ""}], r"line 2: the mask  is not in"),
        ([{"file": "a.png", "mask": "a.png"}] * 2, r"line 3: the film a.png is there twice"),
        ([{"file": "a.png"}], r"line 1: column mask is missing"),
    ],
)
def test_a_bad_row_of_the_lesions_is_named_by_its_line(here, rows, words):
    write_csv(here / "data" / "opacities.csv", rows)
    with pytest.raises(ManifestError, match=words):
        read_lesions(here / "data", read_films(here / "data"))


def test_without_drawn_lesions_or_with_a_mask_of_another_size_the_study_says_so(here, capsys):
    opacities = here / "data" / "opacities"
    Image.fromarray(np.full((10, 10), 255, np.uint8)).save(opacities / "b.png")
    assert run(here / "weights", here / "none", "--only", "places") == 2
    assert "b.png has (10, 10) pixels, its film (64, 60)" in capsys.readouterr().err
    (here / "data" / "opacities.csv").unlink()
    assert run(here / "weights", here / "none") == 2
    assert "opacities.csv is not there" in capsys.readouterr().err
    assert not (here / "none").exists()


def test_both_kinds_of_lesion_are_lesion(made):
    lesions = read_lesions(made / "data", read_films(made / "data"))
    assert [lesion.row.file for lesion in lesions] == list(FILMS)
    assert lesions[0].drawn().sum() == 32 * 10
    assert not lesions[4].drawn().any()


def test_a_map_hits_where_its_maximum_lies_and_an_empty_one_misses():
    lesion = np.zeros((8, 8), bool)
    lesion[:4, :4] = True
    map_ = np.zeros((8, 8), np.float32)
    map_[1, 1], map_[6, 6] = 0.9, 0.1
    assert pointed(map_, lesion) == pytest.approx((1, 0.9))
    map_[6, 6] = 2.7
    assert pointed(map_, lesion) == pytest.approx((0, 0.25))
    assert pointed(np.zeros((8, 8), np.float32), lesion) == (0, 0)
    # A plateau is in the lesion if most of it is.
    flat = np.zeros((8, 8), np.float32)
    flat[0, 2:5] = 1
    assert pointed(flat, lesion)[0] == 1
    flat[0, 2:8] = 1
    assert pointed(flat, lesion)[0] == 0


def test_the_controls_maps_know_the_lungs_alone():
    lungs = np.zeros((20, 20), bool)
    lungs[2:18, 1:8] = True
    assert even_map(lungs).sum() == lungs.sum()
    middle = middle_map(lungs)
    assert middle.shape == lungs.shape
    assert (middle > 0).tolist() == lungs.tolist()
    assert np.unravel_index(middle.argmax(), middle.shape)[1] == 4
    # Lungs that reach the film's edge end there.
    assert middle_map(np.ones((9, 9), bool)).argmax() == 40


def test_intervals_are_wilsons_and_of_whole_patients():
    # Newcombe 1998, table I: 81 of 263, and 0 of 20.
    assert wilson(81 / 263, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson(0, 20) == pytest.approx((0, 0.1611), abs=1e-4)
    values = np.array([0.0, 1.0] * 20)
    mean, low, high = mean_over_patients(values, [str(number) for number in range(40)])
    assert (mean, low < 0.4, high > 0.6) == (0.5, True, True)
    one = mean_over_patients(values, ["one"] * 40)
    assert one == (0.5, 0.5, 0.5)
    films = [Pointed(str(n), str(n // 4), "test", "covid19", 1.0, 0.5) for n in range(20)]
    figures = pointing_figures(films)
    assert (figures["films"], figures["patients"]) == (20, 5)
    assert figures["pointing"]["low"] == pytest.approx(wilson(1, 5)[0], abs=1e-4)
    assert pointing_figures([]) is None
