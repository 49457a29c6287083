from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from cxrtriage.gate.side_marker import SideMarkers, letters_on
from cxrtriage.weights import load_net, read_card
from tests.train.conftest import write_films
from train.__main__ import main
from train.manifest import read_films
from train.side_marker import drawn_letter, letters_of_films, weight_of


def film_with(letter: str, right: bool, random: np.random.Generator) -> np.ndarray:
    """A letter on one side, and a cross, which tells none, on either."""
    pixels = np.full((320, 300), int(random.integers(60, 120)), np.uint8)
    for sign, column in ((letter, 210 if right else 30), ("X", int(random.choice([30, 210])))):
        row = int(random.integers(60, 100) + 150 * (sign == "X"))
        place = (column + int(random.integers(0, 30)), row)
        cv2.putText(pixels, sign, place, cv2.FONT_HERSHEY_SIMPLEX, 1.2, 250, 3)
    return pixels


@pytest.fixture
def marked_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder, random, rows = tmp_path / "data", np.random.default_rng(0), []
    (folder / "cxr").mkdir(parents=True)
    for number in range(60):
        left = bool(number % 2)
        name, source = f"{number}.png", ("north", "south")[number % 3 == 0]
        cv2.imwrite(str(folder / "cxr" / name), film_with("L" if left else "R", left, random))
        split = ("val", "test")[number % 2] if number >= 48 else "train"
        rows.append((name, source, name, "normal", "PA", "40", "F", "1", split, "CC0"))
    write_films(folder, rows)
    monkeypatch.setenv("CXRTRIAGE_DATA", str(folder))
    return folder


@pytest.fixture
def marker_config(tmp_path: Path) -> Path:
    path = tmp_path / "side_marker.yaml"
    values = {
        "name": "side_marker",
        "options": {"width": 4},
        "batch": 32,
        "epochs": 60,
        "learning_rate": 0.01,
    }
    path.write_text(yaml.safe_dump(values))
    return path


def test_the_sides_that_letters_lie_on_teach_what_they_name(marked_data, marker_config, tmp_path, capsys):
    runs = tmp_path / "runs"
    assert main(["side-marker", "--config", str(marker_config), "--runs", str(runs)]) == 0
    assert "side_marker.safetensors" in capsys.readouterr().out
    card = read_card("side_marker", runs / "side_marker")
    assert {row["source"]: row["films"] for row in card.training_data} == {"north": 32, "south": 16}
    assert card.settings["weight"] > 0.5
    markers = SideMarkers(card, load_net(card, runs / "side_marker"))
    random = np.random.default_rng(5)
    for letter, right in (("L", True), ("R", False)):
        upright = film_with(letter, right, random).astype(np.float32) / 255
        assert markers.mirrored(upright) < -1
        assert markers.mirrored(np.ascontiguousarray(upright[:, ::-1])) > 1

    assert main(["side-marker", "--config", str(marker_config), "--runs", str(runs), "--exclude", "south",
                 "--steps", "1"]) == 0  # fmt: skip
    card = read_card("side_marker-without-south", runs / "side_marker-without-south")
    assert [row["source"] for row in card.training_data] == ["north"]


def test_letters_are_kept_by_film_and_found_once(marked_data, tmp_path, monkeypatch):
    rows = read_films(marked_data)[:3]
    found = letters_of_films(rows, tmp_path / "cache")
    assert set(found.film.tolist()) == {0, 1, 2}
    assert len(found.film) == len(found.letters.right) == sum(len(found.of(n).right) for n in range(3))
    monkeypatch.setattr("train.side_marker.letters_on", None)
    again = letters_of_films(rows, tmp_path / "cache")
    pixels = cv2.imread(str(rows[1].path), cv2.IMREAD_GRAYSCALE).astype(np.float32) / 255
    alone, kept = letters_on(pixels), again.of(1)
    assert kept.right.tolist() == alone.right.tolist()
    assert np.abs(kept.pictures.astype(int) - alone.pictures).max() <= 2
    # Found anew by another rule.
    monkeypatch.setattr("train.side_marker.inspect.getsource", lambda module: f"another {module.__name__}")
    with pytest.raises(TypeError):
        letters_of_films(rows, tmp_path / "cache")


def test_films_without_letters_teach_nothing(tiny_data, marker_config, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("train.side_marker._learn", None)
    for path in (tiny_data / "cxr").iterdir():
        cv2.imwrite(str(path), np.full((64, 60), 90, np.uint8))
    assert main(["side-marker", "--config", str(marker_config), "--runs", str(tmp_path)]) == 2
    assert "no film to learn from shows anything like a letter" in capsys.readouterr().err


def test_drawn_letters_name_a_side_alone_and_not_in_words():
    random = np.random.default_rng(3)
    ground = random.integers(60, 120, (32, 32)).astype(np.uint8)
    drawn = [drawn_letter(ground, random) for _ in range(200)]
    for picture, _ in drawn:
        greys, ink = picture.astype(float)
        assert picture.shape == (2, 32, 32)
        assert 0.02 < ink.mean() / 255 < 0.5
        assert greys[ink > 250].mean() > greys[ink == 0].mean()
    assert 0.35 < np.mean([names for _, names in drawn]) < 0.65


def test_letters_count_as_much_as_they_are_right():
    right, wrong = [-2.0] * 9, [2.0]
    # Log odds of 2 of what is right nine times of ten, whose log odds are 2.2.
    assert weight_of(np.array(right + wrong)) == pytest.approx(np.log(9) / 2, abs=0.01)
    assert weight_of(np.array([2.0] * 3 + [-2.0])) == pytest.approx(0, abs=0.01)
    assert weight_of(np.zeros(4)) == 0.0
    assert weight_of(np.array([-2.0] * 4)) == pytest.approx(4, abs=0.01)
