"""What the follow-up page shows of a course: its films, two of them side by side, and the change in words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from html import escape

import streamlit as st

from cxrtriage.desk.follow_up import FULL_SCALE, READERS_ZONE, Change, Visit
from cxrtriage.reading.assessment import Severity
from cxrtriage.show.follow_up import CoursePoint, course_figure, zones_figure
from cxrtriage.show.scores import paragraphs
from cxrtriage.ui.change_words import (
    change_card,
    date_words,
    doubt_words,
    gate_words,
    missing_words,
    name_words,
)
from cxrtriage.ui.course import LONGEST_LABEL, CourseFilm, SessionCourse, visit_of
from cxrtriage.ui.markdown import escaped
from cxrtriage.ui.opening import opened_files, opening_row
from cxrtriage.ui.panels import card, foot, gate_actions, nothing_here, problem
from cxrtriage.ui.texts import Texts
from cxrtriage.ui.viewer import film_viewer

_PLOT = {"displayModeBar": False}
_FIRST_DATE, _LAST_DATE = date(1900, 1, 1), date(2999, 12, 31)  # shifted dates lie far in the future


def course_row(texts: Texts, course: SessionCourse) -> None:
    """Opening films and saved courses, the label, saving, starting anew."""
    with opening_row(texts, "course_opening", "course_open"):
        files = opened_files(texts, "course_open", f"course_files_{course.openings}")
        if files:
            with st.spinner(texts["opening"]):
                course.take(texts, files)
            st.rerun()
        course.label = st.text_input(
            texts["course_label"],
            course.label,
            max_chars=LONGEST_LABEL,
            key=f"course_label_{course.openings}",
            placeholder=texts["course_label_hint"],
            help=texts["course_label_help"],
            label_visibility="collapsed",
            width=220,
        )
        saved = course.course()
        st.download_button(
            texts["course_save"],
            saved.to_json(),
            file_name="course.json",
            mime="application/json",
            help=texts["course_save_help"],
            on_click="ignore",
            disabled=not saved.visits,
        )
        st.button(
            texts["course_clear"],
            help=texts["course_clear_help"],
            on_click=course.clear,
            disabled=not course.films and not course.label,
            key="course_clear",
        )
    for words in course.problems:
        problem(words)


def films_row(texts: Texts, course: SessionCourse) -> None:
    """A card a film: what it is, its date, and the way out of the course. Those without a date come last."""
    with st.container(horizontal=True, key="course_films"):
        for film in [*course.dated(), *course.undated()]:
            with st.container(key=f"course_film_{film.number}"):
                _film_card(texts, course, film)
    missing = len(course.undated())
    if missing:
        key = "course_undated_one" if missing == 1 else "course_undated"
        st.html(f'<p class="cx-about">{escape(texts.fill(key, count=missing))}</p>')


def _film_card(texts: Texts, course: SessionCourse, film: CourseFilm) -> None:
    key = f"course_date_{film.number}"

    def dated() -> None:
        course.change(film.number, date=st.session_state[key])

    if film.film is None:
        facts = texts["course_numbers_only"]
    else:
        facts = texts.fill("course_size", columns=film.film.columns, rows=film.film.rows)
    picture = f'<img src="{escape(film.thumbnail)}" alt="">' if film.thumbnail else "<i></i>"
    st.html(
        f'<div class="cx-film"><span>{picture}</span><div><b title="{escape(film.name)}">{escape(film.name)}'
        f"</b><p>{escape(facts)}</p></div></div>" + paragraphs(*gate_words(texts, film), kind="cx-note")
    )
    if film.film is not None and film.assessment is not None:
        gate_actions(
            texts,
            film.film,
            film.assessment,
            read_anyway=lambda _: course.read_anyway(film.number),
            put_right=lambda _: course.put_right(film.number),
            key=f"course_gate_{film.number}",
        )
    with st.container(horizontal=True, key=f"course_film_row_{film.number}", vertical_alignment="bottom"):
        st.date_input(
            texts.fill("course_date_of", name=escaped(film.name)),
            film.date,
            min_value=_FIRST_DATE,
            max_value=_LAST_DATE,
            key=key,
            on_change=dated,
            format="YYYY-MM-DD",
            label_visibility="collapsed",
        )
        st.button(
            texts["course_remove"],
            key=f"course_remove_{film.number}",
            help=texts.fill("course_remove_of", name=escaped(film.name)),
            on_click=course.remove,
            args=(film.number,),
        )


def chosen_pair(texts: Texts, course: SessionCourse) -> tuple[CourseFilm, CourseFilm] | None:
    """The two films to compare: the last two until the user chooses; None while there are no two."""
    films = course.dated()
    if len(films) < 2:
        return None
    numbers = [film.number for film in films]
    with st.container(horizontal=True, key="course_pair"):
        before = _chosen_film(texts["course_before"], texts, course, "before", films[:-1], numbers[-2])
        later = films[films.index(before) + 1 :]
        after = _chosen_film(texts["course_after"], texts, course, "after", later, numbers[-1])
        linked = st.container(key="course_link")
    with linked:
        st.toggle(texts["course_linked"], True, key="course_linked", help=texts["course_linked_help"])
    return before, after


def _chosen_film(
    label: str, texts: Texts, course: SessionCourse, side: str, films: Sequence[CourseFilm], start: int
) -> CourseFilm:
    by_number = {film.number: film for film in films}
    kept = getattr(course, side)
    options = list(by_number)
    key = f"course_{side}_" + "_".join(map(str, options))  # other films, another box

    def chosen() -> None:
        setattr(course, side, st.session_state[key])

    number = st.selectbox(
        label,
        options,
        index=options.index(kept if kept in by_number else start),
        format_func=lambda n: texts.fill(
            "course_film", date=date_words(texts, by_number[n].date), name=by_number[n].name
        ),
        key=key,
        on_change=chosen,
    )
    return by_number[number]


def pair_viewers(texts: Texts, course: SessionCourse, pair: tuple[CourseFilm, CourseFilm]) -> None:
    """Both films, their zoom, place and greys moved together while the switch is on."""
    words = {
        **texts.viewer(),
        "empty_title": texts["course_no_film"],
        "empty_words": texts["course_no_film_words"],
    }
    with st.container(horizontal=True, key="course_viewers"):
        for side, film in zip(("before", "after"), pair, strict=True):
            with st.container(key=f"course_viewer_{side}"):
                film_viewer(
                    film.film,
                    texts=words,
                    key=f"course_viewer_of_{side}",
                    group=f"course {course.begun}",
                    linked=bool(st.session_state["course_linked"]),
                )


def change_panel(texts: Texts, pair: tuple[CourseFilm, CourseFilm]) -> None:
    """What changed between both, scale by scale and zone by zone, once both are read."""
    before, after = map(visit_of, pair)
    if before is None or after is None:
        st.html(card(foot(texts["change_waits"])))
        nothing_here()
        return
    change = Change.between(before, after)
    st.html(change_card(texts, change))
    if before.severity is not None and after.severity is not None:
        _zones(texts, before.severity, after.severity)


def _zones(texts: Texts, before: Severity, after: Severity) -> None:
    drawn = (
        ("change_zones_brixia", before.brixia.zones, after.brixia.zones, 3.0),
        ("change_zones_array", before.array, after.array, 1.0),
    )
    sides = {"right": texts["zones_right"], "left": texts["zones_left"]}
    with st.container(key="course_zones"):
        with st.container(horizontal=True, key="course_zones_row"):
            for key, earlier, later, full in drawn:
                figure = zones_figure(earlier, later, full, {"title": texts[key], **sides})
                st.plotly_chart(figure, config=_PLOT, key=key)
        st.html(f'<p class="cx-about">{escape(texts.fill("zones_foot", readers=READERS_ZONE))}</p>')


def charts(texts: Texts, course: SessionCourse, pair: tuple[CourseFilm, CourseFilm] | None) -> None:
    """One small chart a scale over the dates; nothing while no film has a severity score."""
    films = [(film, visit) for film in course.dated() if (visit := visit_of(film))]
    if not any(visit.severity for _, visit in films):
        return
    with st.container(key="course_charts"):
        st.html(f'<h2 class="cx-heading">{escape(texts["course_chart"])}</h2>')
        with st.container(horizontal=True, key="course_charts_row"):
            for name, full in FULL_SCALE.items():
                points = [
                    CoursePoint(
                        visit.date, visit.scale(name), film in (pair or ()), _hover(texts, visit, name)
                    )
                    for film, visit in films
                ]
                title = texts.fill("scale_of", scale=name_words(texts, name), full=f"{full:g}")
                st.plotly_chart(course_figure(points, full, title), config=_PLOT, key=f"course_chart_{name}")
        lines = [words for _, visit in films if (words := missing_words(texts, visit))]
        lines += [words for _, visit in films for words in doubt_words(texts, visit)]
        st.html(f'<p class="cx-about">{escape(" ".join([texts["course_chart_foot"], *lines]))}</p>')


def _hover(texts: Texts, visit: Visit, name: str) -> str:
    scale = visit.scale(name)  # type: ignore[arg-type]
    if scale is None:
        return ""
    low, high = scale.interval
    return texts.fill(
        "course_hover",
        date=date_words(texts, visit.date),
        value=f"{scale.value:.1f}",
        low=f"{low:.1f}",
        high=f"{high:.1f}",
        full=f"{FULL_SCALE[name]:g}",  # type: ignore[index]
    )
