"""The thresholds of the reader's own hospital: opened on the page, or given to the server for everybody."""

from __future__ import annotations

import os
from pathlib import Path

import streamlit as st

from cxrtriage.reading.site import LARGEST_FILE, Site, SitePoint, read_site
from cxrtriage.show.scores import paragraphs, two_decimals
from cxrtriage.ui import readings
from cxrtriage.ui.opening import opening_row
from cxrtriage.ui.panels import class_label, nothing_here, problem
from cxrtriage.ui.score_card import point_words
from cxrtriage.ui.texts import Texts
from cxrtriage.weights import WeightsError

SERVER_FILE = "CXRTRIAGE_SITE"  # names a file of thresholds that every session begins with
_UPLOADS = "site_uploads"  # counts up to empty the file box once its file is opened
_PROBLEM = "site_problem"


def begin_with_server_site() -> None:
    """Once a session: the thresholds that the server was given, if any."""
    if readings.SITE in st.session_state:
        return
    path = os.environ.get(SERVER_FILE)
    try:
        readings.use_site(read_site(Path(path)) if path else None)
    except WeightsError as error:
        readings.use_site(None)
        st.session_state[_PROBLEM] = error


def site_panel(texts: Texts) -> None:
    """A folded panel: whose thresholds are used, what they give there, and the box that opens others."""
    site = readings.site()
    error: WeightsError | None = st.session_state.get(_PROBLEM)
    with st.expander(texts["site"], expanded=error is not None):
        if site is None:
            st.html(f'<div class="cx-counts">{paragraphs(texts["site_none"])}</div>')
        else:
            lines = [
                _line(texts, class_name, name, point)
                for class_name, points in site.points.items()
                for name, point in points.items()
            ]
            said = paragraphs(texts.fill("site_used", site=site.name), *lines, texts["site_promise"])
            st.html(f'<div class="cx-counts">{said}</div>')
        key = f"site_file_{st.session_state.setdefault(_UPLOADS, 0)}"
        with opening_row(texts, "site_opening", "site_open"):
            st.file_uploader(
                texts["site_open"],
                type="json",
                key=key,
                on_change=_opened,
                args=(key,),
                label_visibility="collapsed",
            )
        if site is not None:
            st.button(texts["site_leave"], key="site_leave", on_click=_leave)
        else:
            nothing_here()
        if error is not None:
            problem(texts.fill("bad_file", message=error.message, code=error.code))
        else:
            nothing_here()


def _line(texts: Texts, class_name: str, name: str, point: SitePoint) -> str:
    def share(value: float, interval: tuple[float, float]) -> str:
        low, high = interval
        return texts.fill(
            "site_share", value=two_decimals(value), low=two_decimals(low), high=two_decimals(high)
        )

    return texts.fill(
        "site_line",
        label=class_label(texts, class_name),
        point=point_words(texts, name),
        threshold=two_decimals(point.threshold),
        sensitivity=share(point.sensitivity, point.sensitivity_interval),
        specificity=share(point.specificity, point.specificity_interval),
        films_with=point.films_with,
        films_without=point.films_without,
    )


def _opened(key: str) -> None:
    """A file was put into the box: its thresholds hold from now on, or a sentence says why not."""
    file = st.session_state.get(key)
    if file is None:
        return
    st.session_state[_UPLOADS] += 1
    try:
        readings.use_site(Site.from_json(file.getvalue()[:LARGEST_FILE]))
        st.session_state.pop(_PROBLEM, None)
    except WeightsError as error:
        st.session_state[_PROBLEM] = error


def _leave() -> None:
    readings.use_site(None)
    st.session_state.pop(_PROBLEM, None)
