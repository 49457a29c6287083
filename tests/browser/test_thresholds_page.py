"""Thresholds in Chromium: two files are dropped at once, the curves stand there, and the thresholds hold on
the reading page of the same session; wide and on a phone."""

from __future__ import annotations

from typing import Any

import pytest

from cxrtriage.weights import WEIGHTS_FOLDER
from tests.browser.acting import go_to, wait_until_still

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not (WEIGHTS_FOLDER / "ensemble.json").is_file(), reason="THRESHOLDS LEFT OUT: there are no weights"
    ),
]
# By its name Streamlit knows a phone, and closes the list of pages once one was chosen.
PHONE = {
    "viewport": {"width": 412, "height": 915}, "has_touch": True, "is_mobile": True,
    "user_agent": "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/126.0.0.0 Mobile Safari/537.36",
}  # fmt: skip


@pytest.mark.parametrize("tab", [{}, PHONE], indirect=True, ids=["wide", "phone"])
def test_thresholds_are_set_on_dropped_files_and_used(tab: Any, served: Any, complaints: list[str]) -> None:
    from tests.ui.test_thresholds_page import SCORES, TRUTHS

    tab.goto(served("app.py"))
    tab.wait_for_selector(".viewer")
    go_to(tab, "Thresholds", "thresholds")
    tab.get_by_text("No scores yet").wait_for()
    files = [
        {"name": name, "mimeType": "application/octet-stream", "buffer": data}
        for name, data in (("truths.csv", TRUTHS), ("scores.jsonl", SCORES))
    ]
    tab.set_input_files("input[type=file]", files)
    tab.locator(".st-key-bench .js-plotly-plot").wait_for()
    assert tab.get_by_text("60 films have both.").is_visible()
    tab.get_by_test_id("stTextInputField").fill("Clinic A")
    tab.keyboard.press("Tab")
    tab.wait_for_selector(".st-key-bench_use button:enabled")
    tab.locator(".st-key-bench_use button").click()
    tab.get_by_text("held against the thresholds of Clinic A").wait_for()
    wait_until_still(tab)
    # Tables scroll in their own box, the page does not scroll sideways.
    assert tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    go_to(tab, "Reading", "")
    tab.locator(".st-key-site summary").click()
    tab.get_by_text("Films are held against thresholds of Clinic A").wait_for()
    assert complaints == []
