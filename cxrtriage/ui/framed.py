"""What every page begins with: its words, within the app's frame of caution and style."""

from __future__ import annotations

import streamlit as st

from cxrtriage.ui.texts import Texts

FRAMED, ASKED_FOR = "framed", "asked_for"


def framed_texts(page: str) -> Texts:
    """The words of a page, given as its file from the app's. Opened by its own address before the app ever
    ran it has no caution and no style yet: the browser is sent to the app, which comes back to it."""
    if FRAMED not in st.session_state:
        st.session_state[ASKED_FOR] = page
        st.switch_page("app.py")
    return Texts()
