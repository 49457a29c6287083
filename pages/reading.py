"""The reading page: one film, large, and what the models say of it."""

import streamlit as st

from cxrtriage.film.adjustment import Adjustment
from cxrtriage.ui import panels
from cxrtriage.ui.opening import open_film
from cxrtriage.ui.readings import Reading, kept_reading, loaded_triage, read
from cxrtriage.ui.texts import Texts
from cxrtriage.ui.viewer import ViewerMap, current_adjustment, film_viewer
from cxrtriage.weights import WeightsError

texts = Texts()
with st.container(key="top"):  # one place for what comes and goes, so that nothing below is mounted anew
    opened = open_film(texts)
    film = opened.film if opened else None
    if opened and opened.problem:
        panels.problem(opened.problem)

with st.container(horizontal=True, key="reading"):
    film_side = st.container(key="film_side")
    panel_side = st.container(key="panel_side")

with panel_side:
    panels.film_card(texts, film, opened.notice if opened else "")
    progress_place = st.container(key="progress")  # lies over the corner of the scores, so nothing moves
    scores_place = st.container(key="scores")
    adjusted_wanted = st.toggle(
        texts["read_adjusted"], help=texts["read_adjusted_help"], key="read_adjusted", disabled=film is None
    )
    map_place = st.container()
    about_place = st.container(key="about")

as_filed: Reading | None = None
shown: Reading | None = None
wanted = Adjustment()
if film is not None:
    wanted = current_adjustment(film) if adjusted_wanted else Adjustment()
    as_filed = kept_reading(film, Adjustment())
    shown = kept_reading(film, wanted)

with map_place:
    chosen = panels.chosen_map(texts, shown or as_filed)

with film_side:
    overlay = None
    if chosen is not None:
        overlay = ViewerMap(
            f"{chosen.net}.{chosen.class_name}", panels.map_words(texts, chosen), chosen.values
        )
    set_so_far = current_adjustment(film) if film is not None else None
    film_viewer(film, texts=texts.viewer(), adjustment=set_so_far, overlay=overlay)

with scores_place:
    if film is None:
        panels.waiting_scores(texts, texts["scores_wait"])
    elif as_filed is None:
        panels.waiting_scores(texts, texts["reading_film"])
    elif shown is not None:
        panels.scores_card(texts, shown.assessment, as_filed.assessment if adjusted_wanted else None)

with about_place:
    if shown is not None:
        panels.about_line(texts, shown.assessment)
        st.download_button(
            texts["download"],
            shown.assessment.to_json(),
            file_name=f"{shown.assessment.sha256}.json",
            mime="application/json",
            help=texts["download_help"],
            on_click="ignore",
        )

if film is None:
    # The empty page stands; the nets are loaded while the user looks for a film.
    try:
        loaded_triage()
    except WeightsError as error:
        with scores_place:
            panels.problem(texts.fill("bad_file", message=error.message, code=error.code))

# The film is on the screen already; what is missing is read last, and the page drawn once more with it.
if film is not None and opened is not None and (as_filed is None or shown is None):
    try:
        with progress_place, st.spinner(texts["reading_film"]):
            for adjustment in (Adjustment(), wanted):
                if kept_reading(film, adjustment) is None:
                    read(film, adjustment, opened.name)
    except WeightsError as error:
        with scores_place:
            panels.problem(texts.fill("bad_file", message=error.message, code=error.code))
    else:
        st.rerun()
