"""Model facts in Chromium: reached from the list of pages and by its own address, wide and on a phone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cxrtriage.weights import WEIGHTS_FOLDER
from tests.browser.acting import go_to, wait_until_still
from tests.browser.conftest import start_server

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not (WEIGHTS_FOLDER / "ensemble.json").is_file(), reason="MODEL FACTS LEFT OUT: there are no weights"
    ),
]
PHONE = {"viewport": {"width": 412, "height": 915}, "has_touch": True, "is_mobile": True}
CARD = ".st-key-facts .cx-card"


@pytest.mark.parametrize("tab", [{}, PHONE], indirect=True, ids=["wide", "phone"])
def test_the_facts_of_the_ensemble_are_a_click_away_and_fit_the_screen(tab, served, complaints):
    tab.goto(served("app.py"))
    tab.wait_for_selector(".viewer")
    go_to(tab, "Model facts", "model_facts")
    tab.wait_for_selector(CARD)
    tab.get_by_text("What speaks against it").wait_for()
    assert tab.locator(".cx-header span").inner_text().startswith("Research and teaching.")
    tab.locator(".js-plotly-plot").first.wait_for()
    wait_until_still(tab)
    # Tables scroll in their own box, the page does not scroll sideways.
    assert tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert complaints == []


def test_a_page_opened_by_its_own_address_never_stands_without_the_caution(tab: Any, served: Any):
    tab.goto(f"{served('app.py')}/model_facts")
    tab.wait_for_selector(".cx-header")
    assert "Not a medical device" in tab.locator(".cx-header span").inner_text()


def test_who_comes_first_to_a_server_by_a_pages_own_address_gets_that_page(tab: Any, tmp_path: Path):
    server, address = start_server("app.py", tmp_path / "server.log")
    try:
        tab.goto(f"{address}/model_facts")
        tab.wait_for_selector(CARD)
        assert "Not a medical device" in tab.locator(".cx-header span").inner_text()
        assert tab.url == f"{address}/model_facts"
    finally:
        server.terminate()
        server.wait()
