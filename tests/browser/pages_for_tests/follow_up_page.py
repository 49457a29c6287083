"""The follow-up page with the app's frame, and severity that a test can foresee instead of the nets'."""

import runpy
from pathlib import Path

import streamlit as st

from cxrtriage.ui import readings
from tests.severity_maker import SeverityTriage

ROOT = Path(__file__).parents[3]
readings.loaded_triage = SeverityTriage
st.set_page_config(layout="wide")
st.html(ROOT / "cxrtriage" / "ui" / "style.css")
st.session_state["framed"] = True
runpy.run_path(str(ROOT / "pages" / "follow_up.py"))
