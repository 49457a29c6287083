"""A course of films: whether a change exceeds the error of the measure, and the JSON there and back."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrtriage.desk.follow_up import (
    FULL_SCALE,
    READERS,
    READERS_ZONE,
    Change,
    Course,
    ScaleChange,
    Visit,
    readers_bound,
)
from cxrtriage.reading.assessment import Assessment, Brixia, LungsSeen, Scale, Severity, Versions


@st.composite
def scales(draw: st.DrawFn, full: float) -> Scale:
    low, value, high = sorted(draw(st.tuples(*[st.floats(0, full)] * 3)))
    return Scale(value, (low, high))


def zones(top: float) -> st.SearchStrategy:
    return st.tuples(*[st.tuples(st.floats(0, top), st.floats(0, top))] * 3)


severities = st.builds(
    Severity,
    lungs=st.builds(LungsSeen, found=st.integers(0, 2), confidence=st.floats(0, 1)),
    array=zones(1),
    array_score=scales(6),
    brixia=st.builds(Brixia, zones=zones(3), total=scales(18)),
    extent=scales(8),
    opacity=scales(6),
    category=st.sampled_from(["none", "mild", "moderate", "severe"]),
)
READ = Assessment("a.png", "0" * 64, "read", Versions("0.1.0", {"net": "0123456789ab"}))
visits = st.builds(
    Visit,
    date=st.dates(),
    assessment=st.builds(lambda severity: replace(READ, severity=severity), st.none() | severities),
)


def change(before: Scale, after: Scale, readers_error: float | None = None) -> ScaleChange:
    return ScaleChange("extent", before, after, readers_error)


@given(visits, visits)
def test_the_way_back_is_the_same_change_with_the_other_sign(one: Visit, other: Visit) -> None:
    there, back = Change.between(one, other), Change.between(other, one)
    turned = {"more": "less", "less": "more"}
    assert back.verdict == turned.get(there.verdict, there.verdict)
    assert back.days == -there.days
    for forth, reverse in zip(there.scales, back.scales, strict=True):
        assert reverse.verdict == turned.get(forth.verdict, forth.verdict)
        assert reverse.error == forth.error
        if forth.difference is not None and reverse.difference is not None:
            assert reverse.difference == -forth.difference
    for zones_there, zones_back in (
        (there.brixia_zones, back.brixia_zones),
        (there.array_zones, back.array_zones),
    ):
        assert (zones_there is None) == (zones_back is None)
        if zones_there is not None and zones_back is not None:
            assert np.array_equal(np.array(zones_there), -np.array(zones_back))


@given(visits, visits)
def test_a_verdict_is_given_where_both_films_have_scores_and_the_error_decides(
    one: Visit, other: Visit
) -> None:
    known = one.severity is not None and other.severity is not None
    for scale in Change.between(one, other).scales:
        assert (scale.verdict == "unknown") == (not known)
        if scale.difference is not None and scale.error is not None:
            assert (scale.verdict == "within_error") == (abs(scale.difference) <= scale.error)


@given(visits)
def test_a_film_against_itself_is_within_the_error(visit: Visit) -> None:
    wanted = "unknown" if visit.severity is None else "within_error"
    assert Change.between(visit, visit).verdict == wanted


def test_half_widths_are_added_in_quadrature() -> None:
    measured = change(Scale(3, (2.4, 3.6)), Scale(5, (4.2, 5.8)))
    assert measured.own_error == pytest.approx(1.0)
    assert measured.verdict == "more"
    assert change(Scale(3, (2.4, 3.6)), Scale(3.9, (3.1, 4.7))).verdict == "within_error"


def test_an_interval_cut_off_by_the_scales_end_counts_with_the_half_that_faces_the_other_score() -> None:
    """At 0 an error can only be upwards: 0 (0 to 2) and 1.5 (0.5 to 2.5) may well be the same."""
    rise = change(Scale(0, (0, 2)), Scale(1.5, (0.5, 2.5)))
    assert rise.own_error == pytest.approx(math.sqrt(5))
    assert rise.verdict == "within_error"
    # From 4 down to 0 it is what lies above 0 and below 4 that counts.
    fall = change(Scale(4, (3, 8)), Scale(0, (0, 0.5)))
    assert fall.own_error == pytest.approx(math.hypot(0.5, 1))
    assert fall.verdict == "less"


def test_no_change_is_ever_surer_than_the_readers() -> None:
    before, after = Scale(2, (1.9, 2.1)), Scale(4, (3.9, 4.1))
    assert change(before, after).verdict == "more"
    assert change(before, after, readers_error=2.5).error == 2.5
    assert change(before, after, readers_error=2.5).verdict == "within_error"
    assert change(before, after, readers_error=0.01).error == pytest.approx(math.hypot(0.1, 0.1))


def test_the_readers_given_are_those_that_count() -> None:
    def visit(brixia: float) -> Visit:
        sure = Scale(brixia, (brixia, brixia))
        still = Scale(1, (1, 1))
        severity = Severity(
            LungsSeen(2, 0.9), ((0, 0),) * 3, still, Brixia(((0, 0),) * 3, sure), still, still, "mild"
        )
        return Visit(date(2020, 3, 1), replace(READ, severity=severity))

    by_name = {one.scale: one for one in Change.between(visit(4), visit(7)).scales}
    assert by_name["brixia"].error == readers_bound(READERS["brixia"]) > 3
    assert by_name["extent"].error == 0
    assert Change.between(visit(4), visit(7)).verdict == "within_error"
    assert Change.between(visit(4), visit(7), {"brixia": 1.0}).verdict == "more"


def test_the_bound_holds_90_of_100_differences_of_two_readers_with_normal_errors() -> None:
    random = np.random.default_rng(5)
    apart = np.abs(random.normal(0, 1.3, 200_000) - random.normal(0, 1.3, 200_000))
    assert (apart <= readers_bound(float(apart.mean()))).mean() == pytest.approx(0.9, abs=0.003)


def test_the_readers_error_is_that_of_the_two_readers_in_the_table(data_folder: Path) -> None:
    with (data_folder / "severity.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["brixia1_a"] and row["brixia2_a"]]
    one, two = (
        np.array([[float(row[f"brixia{n}_{zone}"]) for zone in "abcdef"] for row in rows]) for n in (1, 2)
    )
    assert len(rows) == 170
    bound = readers_bound(READERS["brixia"])
    apart = np.abs(one.sum(1) - two.sum(1))
    assert apart.mean() == pytest.approx(READERS["brixia"], abs=0.005)
    assert (apart <= bound).mean() == pytest.approx(0.82, abs=0.005)
    assert np.abs((one >= 1).sum(1) - (two >= 1).sum(1)).mean() == pytest.approx(
        READERS["array_score"], abs=0.005
    )
    assert np.abs(one - two).mean() == pytest.approx(READERS_ZONE, abs=0.005)


@given(st.text(), st.lists(visits, max_size=4))
def test_a_course_comes_back_from_its_json(label: str, chosen: list[Visit]) -> None:
    course = Course(label, tuple(chosen))
    assert Course.from_json(course.to_json()) == course


@given(st.lists(visits, max_size=6))
def test_visits_are_sorted_by_date_and_those_of_one_date_stay_in_the_order_they_were_added(
    chosen: list[Visit],
) -> None:
    numbered = [replace(one, assessment=replace(READ, file=str(n))) for n, one in enumerate(chosen)]
    order = [(one.date, int(one.assessment.file)) for one in Course("", tuple(numbered)).visits]
    assert order == sorted(order)


def course_values() -> dict:
    still = Scale(1, (0, 2))
    severity = Severity(
        LungsSeen(2, 0.9), ((0, 0),) * 3, still, Brixia(((0, 0),) * 3, still), still, still, "mild"
    )
    visit = Visit(date(2020, 3, 1), replace(READ, severity=severity))
    return json.loads(Course("bed 2", (visit,)).to_json())


def broken(place: list, value: object) -> str:
    values = course_values()
    inner = values
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    return json.dumps(values)


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "7", "null", "{}", "[" * 100_000, '{"schema": "cxrtriage/assessment/1"}',
        broken(["schema"], "cxrtriage/course/2"),
        broken(["label"], 5),
        broken(["label"], "\ud800"),
        broken(["visits"], {"a": 1}),
        broken(["visits"], [1]),
        broken(["visits", 0, "date"], "soon"),
        broken(["visits", 0, "date"], 20200301),
        broken(["visits", 0, "assessment"], {}),
        broken(["visits", 0, "assessment", "file"], {"a": 1}),
        broken(["visits", 0, "assessment", "codes"], [1]),
        broken(["visits", 0, "assessment", "versions", "weights"], {"net": 1}),
        broken(["visits", 0, "assessment", "severity", "extent", "value"], math.inf),
        broken(["visits", 0, "assessment", "severity", "extent", "value"], "many"),
        broken(["visits", 0, "assessment", "severity", "extent", "interval"], [1]),
        broken(["visits", 0, "assessment", "severity", "brixia", "zones"], [[0, 0]]),
        broken(["visits", 0, "assessment", "severity", "array", 0, 0], math.nan),
        broken(["visits", 0, "assessment", "severity"], "bad"),
    ],
)  # fmt: skip
def test_what_is_no_course_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # whatever is wrong with it, and nothing else is raised
        Course.from_json(text)


def test_the_course_that_the_broken_ones_are_made_of_is_a_good_one() -> None:
    course = Course.from_json(json.dumps(course_values()))
    assert course.visits[0].scale("extent") == Scale(1, (0, 2))
    assert set(FULL_SCALE) == {one.scale for one in Change.between(*course.visits * 2).scales}
