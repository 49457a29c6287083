"""Follow-up: films of one patient over the dates the user gives them, two side by side, and their change."""

import streamlit as st

from cxrtriage.ui import follow_up, readings
from cxrtriage.ui.course import session_course
from cxrtriage.ui.framed import framed_texts
from cxrtriage.ui.panels import card, problem
from cxrtriage.weights import WeightsError

texts = framed_texts("pages/follow_up.py")
course = session_course()
with st.container(key="course_top"):
    follow_up.course_row(texts, course)
    if course.films:
        follow_up.films_row(texts, course)

pair = follow_up.chosen_pair(texts, course)
progress_place = st.container(key="course_progress")
if pair is None:
    heading = texts["course_one_more"] if course.dated() else texts["course_empty"]
    st.html(card(f"<p>{texts['course_empty_words']}</p>", heading))
    follow_up.charts(texts, course, pair)
else:
    with st.container(horizontal=True, key="course_compare"):
        with st.container(key="course_side"):
            follow_up.pair_viewers(texts, course, pair)
        with st.container(key="course_panel"):
            follow_up.change_panel(texts, pair)
        follow_up.charts(texts, course, pair)

# The page stands; one film after another is read, and the page drawn once more with each.
unread = [(one, one.film) for one in course.films if one.film is not None and one.assessment is None]
if unread:
    listed, film = unread[0]
    words = texts.fill("course_reading", place=len(course.films) - len(unread) + 1, count=len(course.films))
    try:
        with progress_place, st.spinner(words):
            course.change(listed.number, assessment=readings.assessed(film, listed.name))
    except WeightsError as error:
        with progress_place:
            problem(texts.fill("bad_file", message=error.message, code=error.code))
    else:
        st.rerun()
