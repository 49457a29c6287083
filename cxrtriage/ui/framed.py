"""What every page begins with: its words, within the app's frame of caution and style."""

from __future__ import annotations

import streamlit as st

from cxrtriage.ui.texts import Texts

FRAMED = "framed"


def framed_texts() -> Texts:
    """The words of a page. A page opened by its own address before the app ever ran has no caution and no
    style yet: the browser is sent to the app."""
    if FRAMED not in st.session_state:
        st.switch_page("app.py")
    return Texts()
