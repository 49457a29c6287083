"""The reading page with a reading that has severity and needs no weights.

`?severity=no_lungs` gives one without, as where the lungs were not found.
"""

import runpy
from pathlib import Path

import streamlit as st

from cxrtriage.reading.scale_errors import ErrorsOfScales
from cxrtriage.ui import readings
from tests.browser.pages_for_tests.severity_readings import FIGURES, SEVERITY, SevereTriage

ROOT = Path(__file__).parents[3]

st.set_page_config(layout="wide")
st.html(ROOT / "cxrtriage" / "ui" / "style.css")
without = st.query_params.get("severity") == "no_lungs"
SevereTriage.severity = None if without else SEVERITY
SevereTriage.codes = ("no_lungs",) if without else ()
readings.loaded_triage = SevereTriage
readings.severity_errors = lambda: ErrorsOfScales.from_figures(FIGURES)
st.session_state["framed"] = True
st.session_state["runs"] = st.session_state.get("runs", 0) + 1
st.html(f'<p class="runs" hidden>{st.session_state["runs"]}</p>')
runpy.run_path(str(ROOT / "pages" / "reading.py"))
