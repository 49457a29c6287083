"""Film after film in one session: what is kept of them stays as much as of a few.

`make uploads` does the same with a thousand films in a browser.
"""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from cxrtriage.reading.triage import Triage
from cxrtriage.ui import readings
from tests.faults.many_uploads import film_file, resident_mb
from tests.reading.small_nets import write_small_nets

PAGE = Path(__file__).resolve().parents[2] / "pages" / "reading.py"
FIRST, LAST = 12, 40  # films; more than a session keeps
MOST_GROWTH_MB = 60  # 28 films of 0.9 MB in float32, with maps and packs, would take 100 and more


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_a_session_keeps_a_few_readings_and_no_more_memory_after_many_films(tmp_path, monkeypatch):
    write_small_nets(tmp_path)
    triage = Triage.load(tmp_path, ["tb_a"])
    monkeypatch.setattr(readings, "loaded_triage", lambda: triage)
    page = AppTest.from_file(str(PAGE), default_timeout=120)
    page.session_state["framed"] = True
    page.run()
    before = 0.0
    for number in range(LAST):
        page.file_uploader[0].upload(f"{number}.png", film_file(number)[0], "image/png")
        page.run()
        assert not page.exception
        if number == FIRST:
            gc.collect()
            before = resident_mb(os.getpid())
    assert len(page.session_state["readings"]) == readings.KEPT
    assert len(page.session_state["maps"]) <= readings.KEPT
    gc.collect()
    assert resident_mb(os.getpid()) - before < MOST_GROWTH_MB
