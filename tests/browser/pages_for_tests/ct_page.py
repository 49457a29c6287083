"""The CT page with the app's frame, and a net of thresholds instead of the shipped one."""

import runpy
from pathlib import Path

import streamlit as st

from cxrtriage.ui import ct_session
from tests.ct.series_maker import threshold_finder

ROOT = Path(__file__).parents[3]
ct_session.loaded_finder = threshold_finder
st.set_page_config(layout="wide")
st.html(ROOT / "cxrtriage" / "ui" / "style.css")
st.session_state["framed"] = True
runpy.run_path(str(ROOT / "pages" / "ct_series.py"))
