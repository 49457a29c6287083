"""The reading page: one film, large, and what the models say of it."""

from dataclasses import replace

import streamlit as st

from cxrtriage.film.adjustment import Adjustment
from cxrtriage.reading.assessment import Assessment
from cxrtriage.ui import panels, readings
from cxrtriage.ui.framed import framed_texts
from cxrtriage.ui.map_choice import chosen_map, draw_map, kept_map, viewer_map
from cxrtriage.ui.opening import open_film
from cxrtriage.ui.own_thresholds import begin_with_server_site, site_panel
from cxrtriage.ui.prevalence import prevalence_panel
from cxrtriage.ui.score_card import chosen_point, scores_card, waiting_scores
from cxrtriage.ui.severity import severity_panel
from cxrtriage.ui.viewer import current_adjustment, film_viewer
from cxrtriage.ui.writing import is_open_question, writing_panel
from cxrtriage.weights import WeightsError

texts = framed_texts("pages/reading.py")
with st.container(key="top"):  # one place for what comes and goes, so that nothing below is mounted anew
    opened = open_film(texts)
    film = opened.film if opened else None
    if opened and opened.problem:
        panels.problem(opened.problem)

with st.container(horizontal=True, key="reading"):
    film_side = st.container(key="film_side")
    panel_side = st.container(key="panel_side")

with panel_side:
    gate_place = st.container(key="gate")
    progress_place = st.container(key="progress")  # lies over the corner of the scores, so nothing moves
    scores_place = st.container(key="scores")
    map_place = st.container()
    severity_place = st.container()
    with st.container(horizontal=True, key="point_row", vertical_alignment="bottom"):
        point_place = st.container()
        adjusted_wanted = st.toggle(
            texts["read_adjusted"],
            help=texts["read_adjusted_help"],
            key="read_adjusted",
            disabled=film is None,
        )
    prevalence_place = st.container(key="prevalence")
    site_place = st.container(key="site")
    findings_place = st.container(key="findings")
    about_place = st.container(key="about")

begin_with_server_site()
own = readings.site()
turned_away: Assessment | None = None  # what the gate said of a film that it keeps from being read
as_filed: Assessment | None = None
shown: Assessment | None = None
wanted = Adjustment()
if film is not None:
    wanted = current_adjustment(film) if adjusted_wanted else Adjustment()
    as_filed = readings.kept_reading(film, Adjustment())
    shown = readings.kept_reading(film, wanted)
    turned_away = as_filed if as_filed and as_filed.status == "refused" else None

with gate_place:
    panels.film_card(texts, film, opened.notice if opened else "", as_filed)
    if film is not None and turned_away is not None:
        panels.gate_actions(
            texts, film, turned_away, read_anyway=readings.read_anyway, put_right=readings.put_right
        )
    else:
        panels.nothing_here()
    if opened is not None:
        writing_panel(texts, opened)
if turned_away is not None:
    as_filed = shown = None

with point_place:
    if as_filed is None:  # the nets may not be there yet, and naming their thresholds would wait for them
        chosen_point(texts)
    elif point := chosen_point(texts, *readings.operating_points(), site=own.name if own else None):
        as_filed = readings.held_against(as_filed, point)
        shown = readings.held_against(shown, point) if shown is not None else None

with map_place:
    chosen = chosen_map(texts, shown or as_filed)

mapped = wanted if shown is not None else Adjustment()
maps = kept_map(film, mapped, chosen) if film is not None and chosen else None

lesions = readings.kept_maps(film, mapped, readings.LESIONS) if film is not None else None

with film_side:
    overlay = viewer_map(texts, chosen, maps) if chosen is not None else None
    set_so_far = current_adjustment(film) if film is not None else None
    film_viewer(film, texts=texts.viewer(), adjustment=set_so_far, overlay=overlay)

with scores_place:
    if film is None:
        waiting_scores(texts, texts["scores_wait"])
    elif turned_away is not None:
        waiting_scores(texts, texts["not_read"])
    elif as_filed is None:
        waiting_scores(texts, texts["reading_film"])
    elif shown is not None:
        scores_card(texts, shown, as_filed if adjusted_wanted else None)

with severity_place:
    severity_panel(
        texts,
        shown,
        readings.severity_errors(),
        readings.contradictions(film, wanted, shown) if film is not None and shown is not None else (),
        place=readings.place_of_map(film, wanted, shown) if film is not None and shown is not None else None,
        waiting=texts["severity_wait" if film is None else "not_read" if turned_away else "reading_film"],
    )
    if shown is not None and "severity_failed" in shown.codes:
        for error in readings.problems():
            panels.problem(texts.fill("bad_file", message=error.message, code=error.code))

with prevalence_place:
    prevalence_panel(texts, shown or as_filed)

with site_place:
    site_panel(texts)

with findings_place:
    panels.findings_card(texts, shown or as_filed)

with about_place:
    if shown is not None:
        panels.about_line(texts, shown)
    else:
        panels.nothing_here()
    # It stands there without a reading too: else Streamlit would leave the button of the film before.
    waits = is_open_question(film)
    st.download_button(
        texts["download"],
        # A film may have been opened under another name before.
        replace(shown, file=opened.name).to_json() if shown is not None and opened is not None else "",
        file_name=f"{shown.sha256}.json" if shown is not None else "reading.json",
        mime="application/json",
        help=texts["download_waits" if waits else "download_help"],
        on_click="ignore",
        disabled=shown is None or waits,
        key="save_reading",
    )

# The page stands; what is missing is fetched last, scores before maps, and the page drawn once more with it.
try:
    if film is None:
        readings.loaded_triage()  # while the user looks for a film
    elif opened is not None and turned_away is None and (as_filed is None or shown is None):
        with progress_place, st.spinner(texts["reading_film"]):
            for adjustment in (Adjustment(), wanted):
                if readings.kept_reading(film, adjustment) is None:
                    readings.read(film, adjustment, opened.name)
                if readings.turned_away(film):
                    break
        st.rerun()
    elif chosen is not None and maps is None:
        with progress_place, st.spinner(texts["map_drawing"]):
            draw_map(film, mapped, chosen)
        st.rerun()
    elif shown is not None and shown.severity is not None and lesions is None:
        with progress_place, st.spinner(texts["map_drawing"]):
            readings.draw_maps(film, mapped, readings.LESIONS)
        st.rerun()
except WeightsError as error:
    with scores_place:
        panels.problem(texts.fill("bad_file", message=error.message, code=error.code))
