"""The reading page with the app's frame and small untrained nets, from the folder in SMALL_NETS.

While that folder holds a file `hold`, no reading ends.
"""

import os
import runpy
import time
from pathlib import Path

import streamlit as st

from cxrtriage.ui import readings
from cxrtriage.ui.uploads import keep_uploads_in_memory

ROOT = Path(__file__).parents[3]
keep_uploads_in_memory()


@st.cache_resource(show_spinner=False)
def small_triage():
    from cxrtriage.reading import Triage
    from cxrtriage.reading.saliency import prepare

    prepare()
    folder = Path(os.environ["SMALL_NETS"])
    triage = Triage.load(folder)
    read = triage.read_with_lesions

    def held(*film, **options):
        while (folder / "hold").exists():
            time.sleep(0.05)
        return read(*film, **options)

    triage.read_with_lesions = held
    return triage


readings.loaded_triage = small_triage
st.set_page_config(layout="wide")
st.html(ROOT / "cxrtriage" / "ui" / "style.css")
st.session_state["framed"] = True
runpy.run_path(str(ROOT / "pages" / "reading.py"))
