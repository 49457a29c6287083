from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw, ImageFont

from cxrtriage.film.read import read_film
from cxrtriage.gate.gate import GATE, Gate
from cxrtriage.gate.side_marker import SIDE_MARKER, Letters, SideMarkers, letter_tensor, letters_on
from cxrtriage.nets.side_marker import SideMarkerNet
from cxrtriage.weights import WEIGHTS_FOLDER, Card, WeightsError, read_card, save_net, write_card
from tests.gate.marked_gate import MarkedGate, marked_film
from tests.gate.test_gate import small_gates

shipped = pytest.mark.skipif(
    not (WEIGHTS_FOLDER / f"{SIDE_MARKER}.json").is_file(), reason="no such net is in the folder of weights"
)


def ground() -> np.ndarray:
    return np.repeat(np.linspace(0.6, 0.3, 600, dtype=np.float32)[:, None], 500, axis=1)


def written(letter: str, at: tuple[float, float], grey: float = 1.0) -> np.ndarray:
    """A film that darkens downwards, with a letter, `at` shares of its height and width."""
    pixels = ground()
    place = (int(at[1] * 500), int(at[0] * 600))
    shown = cv2.putText(
        (pixels * 255).astype(np.uint8), letter, place, cv2.FONT_HERSHEY_SIMPLEX, 1.6, int(255 * grey), 5
    )
    return shown.astype(np.float32) / 255


class Naming(SideMarkerNet):
    """Says of every letter that it names the left, the more surely the more ink it has."""

    def forward(self, letters: torch.Tensor) -> torch.Tensor:
        return 60 * (letters[:, 1] > 0).float().mean(dim=(1, 2))


def naming(most: float = 4.0, weight: float = 1.0) -> SideMarkers:
    settings = {"most": most, "weight": weight}
    card = Card(SIDE_MARKER, "", ("left",), SIDE_MARKER, {}, {"size": 32}, "0" * 64, "", settings=settings)
    return SideMarkers(card, Naming())


@pytest.mark.parametrize("grey", [1.0, 0.0])
@pytest.mark.parametrize(("column", "right"), [(0.1, False), (0.8, True)])
def test_a_letter_is_found_and_the_side_it_lies_on(grey, column, right):
    found = letters_on(written("L", (0.2, column), grey))
    assert found.right.tolist() == [right]
    assert found.pictures.shape == (1, 2, 32, 32)
    greys, ink = found.pictures[0].astype(float)
    # The letter is bright whatever it was, and its foot is below.
    assert greys[ink > 200].mean() > greys[ink == 0].mean() + 80
    assert ink[20:].sum() > 1.5 * ink[:12].sum() > 0


def test_what_lies_over_the_spine_and_an_even_film_show_no_letter():
    for pixels in (written("L", (0.2, 0.47)), ground()):
        found = letters_on(pixels)
        assert found.right.tolist() == []
        assert found.pictures.shape == (0, 2, 32, 32)
        assert naming().told(found) == 0.0


@pytest.mark.parametrize("grey", [255, 0])
@pytest.mark.parametrize("leaning", [0.0, 0.2])
def test_a_letter_in_brackets_is_of_a_figure_and_not_asked(grey, leaning):
    def letters(text: str) -> int:
        film = Image.fromarray((ground() * 255).astype(np.uint8))
        font = ImageFont.load_default(48)
        ImageDraw.Draw(film).text((60, 300), text, grey, font, stroke_width=1)
        pixels = np.asarray(film)
        lean = np.array([[1, -leaning, leaning * 300], [0, 1, 0]])
        pixels = cv2.warpAffine(pixels, lean, (500, 600), borderMode=cv2.BORDER_REPLICATE)
        return len(letters_on(pixels.astype(np.float32) / 255).right)

    assert letters("(F)") == letters("(L)") == 0
    for text in ("F)", "(F", "I F I", ")F(", "() L"):  # no pair of them, or not around it
        assert letters(text) > 0


def test_among_a_thousand_strokes_the_largest_are_tried_as_brackets(monkeypatch):
    monkeypatch.setattr("cxrtriage.gate.side_marker._MOST_BRACKETS", 4)
    tried = []
    monkeypatch.setattr("cxrtriage.gate.side_marker._bow", lambda _, number: tried.append(number) or 0.0)
    pixels = np.full((600, 500), 0.2, np.float32)
    for row in range(20, 560, 30):
        for column in range(20, 460, 20):
            pixels[row : row + 16, column : column + 4] = 1.0
    letters_on(pixels)
    assert 4 <= len(tried) <= 8  # of each brightness


def test_a_letter_and_its_mirror_image_name_the_same_side():
    torch.manual_seed(1)
    net = SideMarkerNet(width=4).eval()
    letters = letter_tensor(letters_on(written("R", (0.3, 0.1))).pictures)
    assert letters.amin() == -1
    assert letters.amax() == 1
    with torch.inference_mode():
        torch.testing.assert_close(net(letters), net(letters.flip(3)))
        assert not torch.allclose(net(letters), net(letters.flip(2)))


def test_what_names_the_left_and_lies_on_the_right_of_the_picture_says_that_it_is_not_mirrored():
    right, left = naming().mirrored(written("L", (0.2, 0.8))), naming().mirrored(written("L", (0.2, 0.1)))
    assert right == pytest.approx(-left)
    assert right < -1


def test_the_surest_letter_speaks_and_is_believed_up_to_a_limit():
    pictures = np.zeros((2, 2, 32, 32), np.uint8)
    pictures[0, 1, :8], pictures[1, 1, :2] = 255, 255
    both = Letters(pictures, np.array([False, True]))
    assert naming(most=99.0).told(both) == pytest.approx(60 * 8 / 32)
    assert naming(most=99.0, weight=2.0).told(both) == pytest.approx(120 * 8 / 32)
    assert naming(most=4.0).told(both) == 4.0
    assert naming(most=4.0).told(Letters(pictures[::-1].copy(), np.array([True, True]))) == -4.0


@pytest.mark.parametrize(
    ("chance", "column", "said"),
    [
        (0.99, None, True),
        (0.99, 0.8, False),  # the heart lies wrong, but an L is where it should be
        (0.99, 0.1, True),
        (0.5, None, False),
        (0.5, 0.1, True),  # the heart says nothing, the L lies wrong
        (0.01, 0.1, False),  # however the L lies
    ],
)
def test_heart_and_marker_say_together_whether_a_film_is_mirrored(chance, column, said, monkeypatch):
    pixels = ground() if column is None else written("L", (0.2, column))
    gate = MarkedGate()
    gate.markers = naming(most=4.0)
    seen = gate.look(gate.picture(marked_film().pixels))
    look = replace(seen, signs={**seen.signs, "mirrored": chance})
    monkeypatch.setattr(gate, "look", lambda picture: look)
    film = replace(marked_film(), pixels=pixels)
    assert ("mirrored" in gate.check(film).codes) is said


def test_a_film_is_read_for_letters_only_where_they_could_turn_what_is_said(monkeypatch):
    gate, asked = MarkedGate(), []
    gate.markers = naming(most=4.0)
    monkeypatch.setattr(gate.markers, "mirrored", lambda pixels: asked.append(pixels.shape) or 0.0)
    gate.check(marked_film())
    assert asked == []
    gate.check(marked_film(sign="mirrored"))
    assert len(asked) == 1


def test_the_gate_takes_no_other_reader_of_markers_than_the_one_it_was_measured_with(tmp_path):
    small_gates(tmp_path)
    card = read_card(GATE, tmp_path)
    sha256 = save_net(SideMarkerNet(width=4), tmp_path / f"{SIDE_MARKER}.safetensors")
    marker = Card(SIDE_MARKER, "", (), SIDE_MARKER, {"width": 4}, {"size": 32}, sha256, "")
    write_card(replace(marker, settings={"most": 4.0, "weight": 1.0}), tmp_path)
    assert Gate.load(tmp_path).markers is None
    write_card(replace(card, settings={**card.settings, "markers": sha256}), tmp_path)
    markers = Gate.load(tmp_path).markers
    assert markers is not None
    assert markers.card.sha256 == sha256
    write_card(replace(card, settings={**card.settings, "markers": "1" * 64}), tmp_path)
    with pytest.raises(WeightsError, match="not of these weights side_marker"):
        Gate.load(tmp_path)


@shipped
@pytest.mark.parametrize(("letter", "column"), [("L", 0.85), ("R", 0.05)])
def test_the_shipped_net_reads_letters(letter, column):
    markers = SideMarkers.load()
    upright = written(letter, (0.2, column))
    for pixels in (upright, 0.8 * upright):
        assert markers.mirrored(pixels) < -1
        assert markers.mirrored(np.ascontiguousarray(pixels[:, ::-1])) > 1
    assert abs(markers.mirrored(written("O", (0.2, column)))) < 1


@shipped
@pytest.mark.parametrize("file", ["cohen-00421.webp", "nitm-00142.webp", "shenzhen-00531.webp"])
def test_the_shipped_net_reads_markers_of_real_films(file, data_folder):
    markers, pixels = SideMarkers.load(), read_film(data_folder / "cxr" / file).pixels
    assert markers.mirrored(pixels) < -1
    assert markers.mirrored(np.ascontiguousarray(pixels[:, ::-1])) > 1


@shipped
def test_the_letter_of_a_journals_figure_names_no_side(data_folder):
    pixels = read_film(data_folder / "cxr" / "cohen-00267.webp").pixels  # "(F)", in white beside the film
    assert SideMarkers.load().mirrored(pixels) < 0
