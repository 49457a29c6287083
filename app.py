"""The list of pages, the theme, the caution; nothing else. Run with `streamlit run app.py`."""

from html import escape
from pathlib import Path

import streamlit as st

from cxrtriage.ui.framed import ASKED_FOR, FRAMED
from cxrtriage.ui.texts import Texts
from cxrtriage.ui.uploads import keep_uploads_in_memory

keep_uploads_in_memory()
texts = Texts()
st.set_page_config(page_title=texts["title"], page_icon="🫁", layout="wide")
st.html(Path(__file__).parent / "cxrtriage" / "ui" / "style.css")
page = st.navigation(
    [
        st.Page("pages/reading.py", title=texts["reading"], default=True),
        st.Page("pages/follow_up.py", title=texts["follow_up"]),
        st.Page("pages/ct_series.py", title=texts["ct_series"]),
        st.Page("pages/thresholds.py", title=texts["bench"]),
        st.Page("pages/model_facts.py", title=texts["facts"]),
    ],
    position="top",
)
title, caution = escape(texts["title"]), escape(texts["caution"])
st.html(f'<div class="cx-header"><b>{title}</b><span role="note">{caution}</span></div>')
st.session_state[FRAMED] = True
if asked_for := st.session_state.pop(ASKED_FOR, None):
    st.switch_page(asked_for)
page.run()
