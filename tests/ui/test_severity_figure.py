"""The figure of zones and scales: right is right, numbers can be read, bars keep their own scale."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest

from cxrtriage.reading.scale_errors import ErrorsOfScales
from cxrtriage.reading.zones import LINES
from cxrtriage.show.lung_shape import WIDTH, middle, zone_outlines
from cxrtriage.show.palette import DARK, LIGHT, Palette, contrast, ink_on, ramp_colour
from cxrtriage.show.severity import severity_figure
from cxrtriage.ui.severity import ARRAY, BRIXIA, scale_bars, spoken_figure, zones_shown
from cxrtriage.ui.texts import Texts
from tests.browser.pages_for_tests.severity_readings import FIGURES, SEVERITY

TEXTS = Texts()
ERRORS = ErrorsOfScales.from_figures(FIGURES)
READABLE = 4.5  # WCAG 2.1, text of any size


def drawn(scale: str = BRIXIA, palette: Palette = DARK, severity: Any = SEVERITY) -> go.Figure:
    return severity_figure(
        zones_shown(TEXTS, severity, scale), scale_bars(TEXTS, severity, ERRORS), ("R", "L"), palette
    )


def numbers(figure: go.Figure) -> dict[str, Any]:
    return {note.name: note for note in figure.layout.annotations if note.name.startswith("zone ")}


def shape(figure: go.Figure, name: str) -> Any:
    return next(one for one in figure.layout.shapes if one.name == name)


@pytest.mark.parametrize(
    ("scale", "words"),
    [(BRIXIA, ["0.3", "0.2", "1.4", "0.6", "2.6", "1.1"]),
     (ARRAY, ["0.12", "0.08", "0.64", "0.21", "0.91", "0.55"])],
)  # fmt: skip
def test_each_zone_has_its_number_with_the_patients_right_on_the_left(scale: str, words: list[str]) -> None:
    notes = numbers(drawn(scale))
    assert [notes[f"zone {place}"].text.strip("</b>") for place in range(6)] == words
    for level in range(3):
        right, left = notes[f"zone {2 * level}"], notes[f"zone {2 * level + 1}"]
        assert right.x < WIDTH / 2 < left.x
    heights = [notes[f"zone {place}"].y for place in (0, 2, 4)]
    assert heights == sorted(heights)
    sides = {note.text.strip("</b>"): note.x for note in drawn().layout.annotations if note.name == "side"}
    assert sides["R"] < sides["L"]


def test_the_zones_part_where_parks_lines_lie_and_do_not_overlap() -> None:
    edges = [0.0, *LINES, 1.0]
    for level, pair in enumerate(zone_outlines()):
        for outline in pair:
            assert outline[:, 1].min() == pytest.approx(edges[level], abs=0.01)
            assert outline[:, 1].max() == pytest.approx(edges[level + 1], abs=0.01)
            x, y = middle(outline)
            assert outline[:, 0].min() < x < outline[:, 0].max()
            assert outline[:, 1].min() < y < outline[:, 1].max()
    assert all(right[:, 0].max() < left[:, 0].min() for right, left in zone_outlines())


def test_the_figure_names_its_scale_and_a_hover_says_what_a_number_means() -> None:
    figure = drawn()
    assert any(note.text == "Brixia, 0 to 3 a zone" for note in figure.layout.annotations)
    hovers = [trace.text.replace("<br>", " ") for trace in figure.data]
    assert hovers[4].startswith(
        "Right lower zone: 2.6 of 3 Nearest to 3: interstitial and alveolar opacities"
    )
    assert hovers[5].startswith("Left lower zone: 1.1 of 3")
    assert "how likely readers would call this zone affected" in drawn(ARRAY).data[0].text.replace(
        "<br>", " "
    )
    brixia = next(words for words in hovers if words.startswith("Brixia: 6.2 of 18"))
    assert "in such a band: here 3.1 to 9.4" in brixia
    assert "Mean error against readers 1.70" in brixia


@pytest.mark.parametrize("palette", [DARK, LIGHT])
def test_a_number_stands_out_from_any_fill(palette: Palette) -> None:
    for share in np.linspace(0, 1, 101):
        fill = ramp_colour(palette.ramp, float(share))
        assert contrast(ink_on(fill), fill) >= READABLE, share
    figure = drawn(palette=palette)
    inks = {note.font.color for note in numbers(figure).values()}
    assert len(inks) == 2  # some zones are dark and some light


@pytest.mark.parametrize("palette", [DARK, LIGHT])
def test_the_colours_order_can_be_read_from_lightness_alone(palette: Palette) -> None:
    against_black = [contrast(ramp_colour(palette.ramp, share / 20), (0, 0, 0)) for share in range(21)]
    steps = np.diff(against_black)
    assert (steps > 0).all() or (steps < 0).all()
    least, most = sorted((against_black[0], against_black[-1]))
    assert most / least > 5


@pytest.mark.parametrize(
    ("name", "value", "low", "high", "words"),
    [("Array score", 2.5 / 6, 1.2 / 6, 4.1 / 6, "2.5 of 6"),
     ("Brixia", 6.2 / 18, 3.1 / 18, 9.4 / 18, "6.2 of 18"),
     ("Extent", 0.3, 0.9 / 8, 4.3 / 8, "2.4 of 8"), ("Opacity", 2.2 / 6, 0.2, 3.4 / 6, "2.2 of 6")],
)  # fmt: skip
def test_each_bar_runs_over_its_own_full_scale(
    name: str, value: float, low: float, high: float, words: str
) -> None:
    figure = drawn()
    band, track = shape(figure, f"{name} band"), shape(figure, f"{name} track")
    assert (track.x0, track.x1) == (0, 1)
    assert (band.x0, band.x1) == pytest.approx((low, high))
    assert shape(figure, f"{name} mark").xanchor == pytest.approx(value)
    said = [note.text for note in figure.layout.annotations if note.name == name]
    assert f"<b>{words}</b>" in said


def test_without_a_reading_the_figure_is_as_large_and_shows_no_number() -> None:
    empty, full = drawn(severity=None), drawn()
    assert (empty.layout.width, empty.layout.height) == (full.layout.width, full.layout.height)
    assert numbers(empty) == {}
    assert not any("band" in one.name or "mark" in one.name for one in empty.layout.shapes)
    assert all(not trace.text for trace in empty.data)


def test_those_who_do_not_see_the_figure_are_told_its_numbers() -> None:
    zones, bars = zones_shown(TEXTS, SEVERITY, BRIXIA), scale_bars(TEXTS, SEVERITY, ERRORS)
    told = spoken_figure(TEXTS, zones, bars)
    assert "Right lower zone 2.6, Left lower zone 1.1" in told
    assert "Extent 2.4 of 8 (0.9 to 4.3)" in told


@pytest.mark.parametrize(
    "figures",
    [{}, {"ours": None}, {"ours": {"brixia": {"mae": float("nan")}}}, {"ours": {"extent": 1}}],
)
def test_what_nobody_measured_is_no_error_of_zero(figures: dict[str, Any]) -> None:
    assert ErrorsOfScales.from_figures(figures) == ErrorsOfScales()
    bars = scale_bars(TEXTS, SEVERITY, ErrorsOfScales())
    assert all("Its error was not measured." in bar.hover.replace("<br>", " ") for bar in bars)
