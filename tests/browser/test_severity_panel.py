"""Zones, scales and the lesion map in Chromium: nothing moves, and the contour follows its slider."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cxrtriage.ui.opening import EXAMPLES_FOLDER
from cxrtriage.ui.texts import CATALOGUE
from tests.browser.acting import boxes, choose, drawn, wait_until_still
from tests.browser.pages_for_tests.severity_readings import drawn_lesions

pytestmark = pytest.mark.browser

PAGE = "tests/browser/pages_for_tests/severity_page.py"
PHONE = {"viewport": {"width": 412, "height": 900}, "has_touch": True, "is_mobile": True}
CARD, FIGURE = ".st-key-severity", ".st-key-severity_figure .js-plotly-plot"
FILM = EXAMPLES_FOLDER / "shenzhen-00387.webp"


@pytest.fixture
def page(tab: Any, served: Any) -> Any:
    tab.goto(served(PAGE))
    tab.wait_for_selector(FIGURE)
    wait_until_still(tab)
    return tab


def read_film(page: Any) -> None:
    page.set_input_files("input[type=file]", FILM)
    page.wait_for_selector(f"{CARD} :text('Moderate')")
    page.wait_for_selector(f"{FIGURE} :text('2.4 of 8')")
    page.wait_for_function("place => document.querySelectorAll(place).length === 1", arg=FIGURE)
    wait_until_still(page)


def choose_lesions(page: Any) -> Any:
    choose(page, "Map of the score", "Lesion likelihood")
    viewer = page.locator(".viewer")
    page.wait_for_function("e => e.viewerState().hasContour", arg=viewer.element_handle())
    return viewer


def set_slider(viewer: Any, name: str, value: int) -> None:
    slider = viewer.locator(f"input[name={name}]")
    slider.evaluate("(e, value) => { e.value = value; e.dispatchEvent(new Event('input')); }", value)


def brightest_column(viewer: Any, down: float, columns: tuple[float, float]) -> float:
    """Where the contour's light line crosses a row of the film, in shares of its columns."""
    script = """(root, [down, from, to]) => {
      const canvas = root.querySelector("canvas.film");
      const { zoom, centre } = root.viewerState();
      const [width, height] = [2 * centre.x, 2 * centre.y]; // a fitted film lies in the middle
      const y = Math.floor(canvas.height / 2 + (down - 0.5) * height * zoom);
      const at = (share) => Math.floor(canvas.width / 2 + (share - 0.5) * width * zoom);
      const row = canvas.getContext("2d").getImageData(0, y, canvas.width, 1).data;
      let best = [-1, 0];
      for (let x = at(from); x < at(to); x++) {
        const yellow = row[4 * x] + row[4 * x + 1] - 1.2 * row[4 * x + 2];
        if (yellow > best[0]) best = [yellow, x];
      }
      return ((best[1] + 0.5 - canvas.width / 2) / zoom) / width + 0.5;
    }"""
    return viewer.evaluate(script, [down, *columns])


def test_nothing_moves_when_the_numbers_arrive(page: Any, complaints: list[str]) -> None:
    (before,) = boxes(page, CARD)
    read_film(page)
    page.wait_for_timeout(1000)  # what may still come late
    (after,) = boxes(page, CARD)
    assert after["height"] == pytest.approx(before["height"], abs=2)
    assert after["y"] == pytest.approx(before["y"], abs=45)  # the reader's notes may take lines of their own
    assert not complaints


def test_pointing_at_a_zone_says_what_its_number_means(page: Any) -> None:
    read_film(page)
    page.locator(FIGURE).scroll_into_view_if_needed()
    (box,) = boxes(page, FIGURE)
    page.mouse.move(box["x"] + 0.15 * box["width"], box["y"] + 0.34 * box["height"])
    page.mouse.move(box["x"] + 0.14 * box["width"], box["y"] + 0.32 * box["height"], steps=4)
    page.wait_for_selector(f"{FIGURE} .hoverlayer :text('Right upper zone: 0.3 of 3')")


def test_the_contour_follows_its_slider_without_a_rerun(page: Any, complaints: list[str]) -> None:
    read_film(page)
    viewer = choose_lesions(page)
    assert "Not an outline of disease." in viewer.locator(".map-words").inner_text()
    set_slider(viewer, "opacity", 0)  # the contour stays on the bare film
    page.wait_for_timeout(1000)
    runs = page.locator(".runs").text_content()
    row = drawn_lesions(512, 512)[int(0.6 * 512)]
    for level in (30, 50, 80):
        set_slider(viewer, "contour", level)
        drawn(page)
        assert viewer.locator("output[name=contour]").inner_text() == f"{level / 100:.2f}"
        # The right half of the lesion in the patient's right lung falls off to the spine.
        falling = np.flatnonzero(row[int(0.29 * 512) : 256] >= level / 100)[-1] + int(0.29 * 512)
        assert brightest_column(viewer, 0.6, (0.29, 0.45)) == pytest.approx((falling + 1) / 512, abs=0.008)
    assert page.locator(".runs").text_content() == runs
    viewer.locator(".stage").focus()
    page.keyboard.press("m")
    assert not viewer.evaluate("e => e.viewerState().hasContour")
    assert not complaints


def test_the_map_of_a_score_has_no_contour(page: Any) -> None:
    read_film(page)
    viewer = page.locator(".viewer")
    page.wait_for_function("e => e.viewerState().hasMap", arg=viewer.element_handle())
    assert viewer.locator("input[name=contour]").is_disabled()
    assert not viewer.evaluate("e => e.viewerState().hasContour")


@pytest.mark.parametrize("tab", [PHONE], indirect=True)
def test_a_phone_shows_the_card_without_side_scrolling(page: Any, complaints: list[str]) -> None:
    read_film(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 412
    card, figure, head = boxes(page, CARD, FIGURE, f"{CARD} .cx-category")
    assert figure["x"] >= card["x"]
    assert figure["x"] + figure["width"] <= card["x"] + card["width"]
    assert head["x"] + head["width"] <= figure["x"] + figure["width"] + 1
    assert not complaints


@pytest.mark.parametrize("tab", [{**PHONE, "viewport": {"width": 380, "height": 800}}], indirect=True)
def test_every_category_has_its_place_on_a_narrow_phone(page: Any) -> None:
    read_film(page)
    (card,) = boxes(page, CARD)
    texts = {name: words["en"] for name, words in CATALOGUE.items()}
    for name in [key for key in texts if key.startswith("category_") and key != "category_of"]:
        head = page.locator(f"{CARD} .cx-category")
        words = f"<b>{texts[name]}</b> {texts['category_of']}"
        head.evaluate("(e, words) => { e.innerHTML = words; }", words)
        box = head.bounding_box()
        assert box["x"] + box["width"] <= card["x"] + card["width"] - 12, name  # the card's own margin
