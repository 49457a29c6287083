"""Colours, overlays and score rows, and the texts around them."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from cxrtriage.film.film import Film
from cxrtriage.reading.assessment import ClassScore
from cxrtriage.show.colours import map_alpha, map_colours
from cxrtriage.show.overlay import overlay
from cxrtriage.show.scores import finding_rows, folded, member_rows, meter, paragraphs, score_row, waiting_row
from cxrtriage.ui.texts import CATALOGUE, VIEWER, Texts
from cxrtriage.ui.viewer import assets

ROOT = Path(__file__).parents[2]
SCORE = ClassScore(0.81, 0.44, (0.36, 0.51), "sensitivity_0.90", "card", "films", "flagged")


def test_the_maps_colours_rise_in_lightness() -> None:
    colours = map_colours(np.linspace(0, 1, 256, dtype=np.float32))[None]
    lightness = cv2.cvtColor(colours, cv2.COLOR_RGB2LAB)[0, :, 0]
    assert (np.diff(lightness) > 0).all()
    assert lightness[-1] - lightness[0] > 85


def test_an_overlay_leaves_the_film_alone_where_the_map_is_0_or_the_opacity_is() -> None:
    pixels = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
    film = Film(pixels=pixels, bits=8, sha256="0" * 64, format="png")
    grey = np.repeat(np.floor(pixels * 255 + 0.5).astype(np.uint8)[..., None], 3, axis=2)
    assert np.array_equal(overlay(film, np.zeros((8, 8), np.float32), 1.0), grey)
    assert np.array_equal(overlay(film, np.ones((8, 8), np.float32), 0.0), grey)
    assert (overlay(film, np.ones((2, 2), np.float32), 1.0) == (255, 245, 175)).all()


def test_alpha_grows_with_the_map_up_to_the_opacity() -> None:
    alpha = map_alpha(np.array([0, 0.25, 0.5, 1], np.float32), 0.6)
    assert alpha == pytest.approx([0, 0.15, 0.3, 0.6])


def test_a_row_shows_number_threshold_and_band_and_escapes_foreign_words() -> None:
    row = score_row("<b>", SCORE, meter_label='"x"', sentence="a < b")
    assert ">0.81<" in row
    assert "left:44.00%" in row
    assert "left:36.00%;width:15.00%" in row
    assert "<b><b>" not in row
    assert "a &lt; b" in row
    assert "&quot;x&quot;" in row
    assert "&lt;net&gt;" in member_rows({"<net>": 0.5}, 0.4)
    assert "&lt;net&gt;" in finding_rows({"<net>": 0.5})
    assert folded("a < b", "<p>x</p>").endswith("<summary>a &lt; b</summary><p>x</p></details>")
    assert paragraphs("", "a < b") == "<p>a &lt; b</p>"


def test_a_finding_is_a_bar_as_long_as_it_is_likely_without_a_threshold() -> None:
    row = finding_rows({"Opacity": 0.83})
    assert "width:83.00%" in row
    assert ">0.83<" in row
    assert "cx-threshold" not in row


def test_a_meter_stays_within_its_bar() -> None:
    odd = ClassScore(1.0, 1.0, (0.9, 1.0), "p", "card", "films", "flagged")
    assert all(0 <= float(value) <= 100 for value in re.findall(r"([\d.-]+)%", meter(odd, "")))


def test_waiting_keeps_the_same_lines_as_a_score() -> None:
    waiting = waiting_row("Tuberculosis")
    more = folded("Models", member_rows({"a": 0.1, "b": 0.2}, 0.4))
    ready = score_row("Tuberculosis", SCORE, meter_label="", sentence="…", more=more)
    for part in ("cx-line", "cx-call", "cx-more"):
        assert waiting.count(f'"{part}"') == ready.count(f'"{part}"'), part


def test_every_text_is_there_in_every_language_it_is_offered_in() -> None:
    for key, words in CATALOGUE.items():
        assert words["en"].strip(), key


def test_every_text_that_the_viewer_names_is_in_the_catalogue_and_the_other_way_round() -> None:
    named = set(re.findall(r'data-(?:text|hint|label)="(\w+)"', assets.markup()))
    spoken = named | set(re.findall(r"texts\.(\w+)", assets.script()))
    assert spoken == set(VIEWER)


def test_no_text_is_left_over() -> None:
    sources = [*(ROOT / "pages").glob("*.py"), *(ROOT / "cxrtriage" / "ui").glob("*.py"), ROOT / "app.py"]
    code = "\n".join(path.read_text(encoding="utf-8") for path in sources if path.name != "texts.py")
    built = (
        "class_", "disease_", "asks_", "finding_", "call_", "point_", "label_", "dice_", "failure_",
        "severity_", "category_", "side_", "level_", "zones_", "brixia_", "scale_", "disagree_",
        "change_", "visit_", "said_", "meaning_", "measured_", "facts_for_", "ct_", "gate_",
    )  # fmt: skip
    # The words of a file box are named by its key and an ending.
    named = {key: key.removesuffix("_drop").removesuffix("_help") for key in CATALOGUE}
    unused = [
        key
        for key, stem in named.items()
        if key not in VIEWER and not re.search(rf"[\"'](?:{key}|{stem})[\"']", code)
    ]
    assert [key for key in unused if not key.startswith(built)] == []


def test_texts_fill_their_braces() -> None:
    assert Texts().fill("bad_file", message="No film.", code="empty") == "No film. (code: empty)"


def test_the_script_is_one_module_with_one_export_and_no_network() -> None:
    script = assets.script()
    assert not re.search(r"^import ", script, re.MULTILINE)
    assert re.findall(r"^export .*", script, re.MULTILINE) == [
        "export default function mount({ parentElement, data, setStateValue }) {"
    ]
    assert not re.search(
        r"https?://|XMLHttpRequest|WebSocket|\bfetch\(", script + assets.style() + assets.markup()
    )
