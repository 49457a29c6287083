"""The viewer alone, with films made of numbers: what the browser tests of the viewer open.

`?film=` chooses one; `?map=` adds a map, or one without evidence.
"""

import json

import streamlit as st

from cxrtriage.ui.texts import Texts
from cxrtriage.ui.viewer import ViewerMap, film_viewer
from tests.browser.pages_for_tests.films import drawn_film, drawn_map

st.set_page_config(layout="wide")
choice = st.query_params.get("film", "eight_bit")
wanted_map = st.query_params.get("map")


@st.cache_data
def film_of(name: str):
    return drawn_film(name)


film = None if choice == "none" else film_of(choice)
overlay = None
if wanted_map == "empty":
    overlay = ViewerMap("net.class", "No evidence for it in this net: the map is empty.", None)
elif wanted_map:
    overlay = ViewerMap("net.class", "Shows where the score came from in net.", drawn_map(film))

result = film_viewer(film, texts=Texts().viewer(), overlay=overlay)
st.session_state["runs"] = st.session_state.get("runs", 0) + 1
st.code(json.dumps({"adjustment": result.adjustment.to_dict(), "runs": st.session_state["runs"]}))
