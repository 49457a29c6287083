"""Courses of real patients, read with the shipped nets: order, and a sentence that agrees with its numbers.

The films are Cohen's (published cases), of which several patients came back: `offset_days` of films.csv.
"""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from cxrtriage.desk.follow_up import FULL_SCALE, READERS, Change, Course, Visit, readers_bound
from cxrtriage.film.read import read_film
from cxrtriage.show.follow_up import signed
from cxrtriage.ui.change_words import change_card, verdict_words
from cxrtriage.ui.texts import Texts
from cxrtriage.weights import WEIGHTS_FOLDER

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (WEIGHTS_FOLDER / "ensemble.json").is_file() or not (WEIGHTS_FOLDER / "severity.json").is_file(),
        reason="REAL COURSES LEFT OUT: there are no weights",
    ),
]
PATIENTS = ("cohen-331", "cohen-2", "cohen-10")  # none of them in the training split
BEGAN = date(2020, 1, 1)


@pytest.fixture(scope="module")
def courses(data_folder: Path) -> dict[str, Course]:
    """Each patient's films, read in the order of the table, which is not that of their days."""
    from cxrtriage.reading.triage import Triage

    rows = defaultdict(list)
    with (data_folder / "films.csv").open(newline="", encoding="utf-8") as table:
        for row in csv.DictReader(table):
            if row["patient"] in PATIENTS and row["offset_days"]:
                rows[row["patient"]].append(row)
    if set(rows) != set(PATIENTS):
        pytest.skip(f"REAL COURSES LEFT OUT: films.csv in {data_folder} has not all of {', '.join(PATIENTS)}")
    triage = Triage.load()
    found = {}
    for patient, films in rows.items():
        visits = [
            Visit(
                BEGAN + timedelta(days=int(row["offset_days"])),
                triage.assess(read_film(data_folder / "cxr" / row["file"]), file=row["file"]),
            )
            for row in reversed(films)
        ]
        found[patient] = Course(patient, tuple(visits))
    return found


def pairs(courses: dict[str, Course]) -> list[Change]:
    """Every film with the one after it, and the first with the last."""
    return [
        Change.between(before, after)
        for course in courses.values()
        for before, after in [*pairwise(course.visits), (course.visits[0], course.visits[-1])]
    ]


def test_the_films_stand_by_their_days_and_are_read(courses: dict[str, Course]) -> None:
    for course in courses.values():
        days = [(visit.date - BEGAN).days for visit in course.visits]
        assert len(days) >= 3
        assert days == sorted(days)
        # Their numbers rise with the days of the case, whatever the order they were opened in.
        names = [visit.assessment.file for visit in course.visits]
        assert names == sorted(names)
        assert all(visit.assessment.status == "read" for visit in course.visits)
        assert all(visit.severity is not None for visit in course.visits)


def test_a_change_is_claimed_exactly_where_it_exceeds_both_errors(courses: dict[str, Course]) -> None:
    said = set()
    for change in pairs(courses):
        for one in change.scales:
            before, after = change.before.scale(one.scale), change.after.scale(one.scale)
            assert before is not None
            assert after is not None
            moved = after.value - before.value
            assert one.difference == pytest.approx(moved)
            # The halves of both intervals that face the other score, added in quadrature.
            rising = math.hypot(before.interval[1] - before.value, after.value - after.interval[0])
            falling = math.hypot(before.value - before.interval[0], after.interval[1] - after.value)
            own = max(rising, falling) if moved == 0 else rising if moved > 0 else falling
            assert one.own_error == pytest.approx(own)
            bound = max(own, readers_bound(READERS[one.scale]) if one.scale in READERS else 0)
            assert one.error == pytest.approx(bound)
            claimed = "within_error" if abs(moved) <= bound else "more" if moved > 0 else "less"
            assert one.verdict == claimed
            said.add(claimed)
    assert "within_error" in said


def test_the_sentence_names_the_scales_that_moved_and_no_other(courses: dict[str, Course]) -> None:
    texts = Texts()
    for change in pairs(courses):
        sentence = verdict_words(texts, change)
        by_verdict = defaultdict(list)
        for one in change.scales:
            by_verdict[one.verdict].append(texts.named("said", one.scale))
        moved = by_verdict["more"] + by_verdict["less"]
        for name in FULL_SCALE:
            assert (texts.named("said", name) in sentence) == (texts.named("said", name) in moved)
        if not moved:
            assert sentence == texts["change_within_error"]
        elif by_verdict["more"] and by_verdict["less"]:
            assert sentence.startswith("The scales disagree")
        else:
            assert sentence.startswith("More" if by_verdict["more"] else "Less")
        card = change_card(texts, change)
        for one in change.scales:
            assert one.difference is not None
            assert f">{signed(one.difference)}<" in card
            assert f"±{one.error:.1f}" in card


def test_a_real_course_is_the_same_after_being_saved(courses: dict[str, Course]) -> None:
    for course in courses.values():
        assert Course.from_json(course.to_json()) == course
