"""CT series: lesions boxed slice by slice, and what a rule over the slices says of the series."""

import streamlit as st

from cxrtriage.ui import ct_panel
from cxrtriage.ui.ct_session import ct_session, loaded_finder
from cxrtriage.ui.framed import framed_texts
from cxrtriage.ui.panels import problem
from cxrtriage.weights import WeightsError

texts = framed_texts("pages/ct_series.py")
session = ct_session()
with st.container(key="ct_top"):
    ct_panel.series_row(texts, session)
    ct_panel.progress_row(texts, session)
reading = session.reading()
with st.container(horizontal=True, key="ct_reading"):
    with st.container(key="ct_side"):
        ct_panel.viewer(texts, session, reading)
    with st.container(key="ct_panel"):
        ct_panel.decision_card(texts, session, reading)
        with st.container():  # each keeps its place, whatever the others draw
            ct_panel.volume_card(texts, session, reading)
        with st.container():
            ct_panel.rule_settings(texts, session)
        with st.container():
            ct_panel.table_and_export(texts, session, reading)

# The page stands; the series is read for a second at a time, and the page drawn once more with what was
# found.
if session.stack is not None and not session.done and not session.stopped:
    try:
        session.read_on(texts, loaded_finder())
    except WeightsError as error:
        problem(texts.fill("bad_file", message=error.message, code=error.code))
    else:
        st.rerun()
