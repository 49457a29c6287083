"""The figures of a course: what is drawn of its scores, on which scale and where."""

from __future__ import annotations

from datetime import date, datetime

import pytest

from cxrtriage.reading.assessment import Scale
from cxrtriage.show.follow_up import CoursePoint, change_row, course_figure, signed, zones_figure

DAYS = [date(2020, 3, 1), date(2020, 3, 1), date(2020, 3, 9)]
SCALES = [Scale(2, (0.5, 3)), None, Scale(6, (4, 6))]
WORDS = {"title": "Zones", "right": "Right", "left": "Left"}


def points() -> list[CoursePoint]:
    return [
        CoursePoint(day, scale, place == 2, f"film {place}")
        for place, (day, scale) in enumerate(zip(DAYS, SCALES, strict=True))
    ]


@pytest.mark.parametrize("full", [6, 8, 18])
def test_a_scale_is_drawn_in_full_with_whole_marks(full: float) -> None:
    axis = course_figure(points(), full, "Scale").layout.yaxis
    assert axis.range[0] <= 0
    assert axis.range[1] >= full
    assert axis.tickvals[0] == 0
    assert axis.tickvals[-1] == full
    assert all(value == int(value) for value in axis.tickvals)


def test_each_film_stands_at_its_date_with_its_interval_and_a_missing_score_is_a_gap() -> None:
    drawn = course_figure(points(), 6, "Extent").data[0]
    assert list(drawn.x) == [datetime(2020, 3, 1), datetime(2020, 3, 1, 12), datetime(2020, 3, 9)]
    assert list(drawn.y) == [2, None, 6]
    assert drawn.connectgaps is False
    assert list(drawn.error_y.array) == [1, 0, 0]
    assert list(drawn.error_y.arrayminus) == [1.5, 0, 2]


def test_the_films_compared_differ_in_shape_and_carry_their_number() -> None:
    figure = course_figure(points(), 6, "Extent")
    assert list(figure.data[0].marker.symbol) == ["circle-open", "circle-open", "circle"]
    assert [note.text for note in figure.layout.annotations] == ["<b>6.0</b>"]


def test_dates_at_the_ends_of_the_calendar_are_drawn() -> None:
    ends = [CoursePoint(day, SCALES[0], True, "") for day in (date.min, date.max)]
    assert len(course_figure(ends, 6, "Extent").data[0].x) == 2


def test_every_zone_tells_its_signed_change_and_the_patients_right_is_on_the_left() -> None:
    before = ((0.0, 1.0), (1.0, 1.0), (2.0, 3.0))
    after = ((3.0, 1.0), (0.5, 1.04), (2.0, 1.0))
    figure = zones_figure(before, after, 3, WORDS)
    notes = {note.name: note for note in figure.layout.annotations if note.name.startswith("difference")}
    told = {name.split()[1]: note.text for name, note in notes.items()}
    assert told == {
        "00": "<b>+3.0</b>", "01": "<b>0.0</b>", "10": "<b>−0.5</b>", "11": "<b>0.0</b>",
        "20": "<b>0.0</b>", "21": "<b>−2.0</b>",
    }  # fmt: skip
    assert notes["difference 00"].x < notes["difference 01"].x
    assert notes["difference 00"].y > notes["difference 10"].y > notes["difference 20"].y
    sides = [note for note in figure.layout.annotations if note.name == "side"]
    assert [note.text for note in sorted(sides, key=lambda note: note.x)] == ["Right", "Left"]
    assert "0.0 → 3.0" in {note.text for note in figure.layout.annotations}


def test_a_difference_has_a_sign_unless_it_rounds_to_none() -> None:
    assert [signed(value) for value in (1.25, -1.25, 0.04, -0.04, 0)] == ["+1.2", "−1.2", "0.0", "0.0", "0.0"]


def test_a_row_of_change_shows_the_error_about_zero_and_escapes_words() -> None:
    row = change_row("<b>", 3, 1.5, 6, scores="1 → 4", sentence="a < b", label='"x"', verdict="more")
    assert "left:37.50%;width:25.00%" in row
    assert "left:75.00%" in row
    assert "&lt;b&gt;" in row
    assert "a &lt; b" in row
    assert "&quot;x&quot;" in row
    assert "left:100.00%" in change_row("x", 90, 1, 6, scores="", sentence="", label="", verdict="more")
