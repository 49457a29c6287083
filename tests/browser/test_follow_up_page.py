"""The follow-up page in Chromium: two films that move together and what changed, wide and narrow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.browser.acting import drawn, wait_until_still, wheel
from tests.browser.pages_for_tests.films import drawn_film

pytestmark = pytest.mark.browser

PAGE = "tests/browser/pages_for_tests/follow_up_page.py"
PHONE = {"viewport": {"width": 412, "height": 900}, "has_touch": True, "is_mobile": True}
STATE = "root => root.viewerState()"
TONES = ("window_center", "window_width", "invert")


@pytest.fixture(scope="module")
def film_files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two films of different size and depth, the second one brighter."""
    folder = tmp_path_factory.mktemp("course")
    files = []
    for name, lift in (("eight_bit", 0.0), ("twelve_bit", 0.25)):
        pixels = np.clip(drawn_film(name).pixels * 0.7 + lift, 0, 1)
        files.append(folder / f"{name}.png")
        cv2.imwrite(str(files[-1]), np.rint(pixels * 65535).astype(np.uint16))
    return files


@pytest.fixture
def compared(tab: Any, served: Any, film_files: list[Path]) -> Any:
    """The page with two dated films that were read."""
    tab.goto(served(PAGE))
    tab.locator(".st-key-course_opening input[type=file]").wait_for(state="attached")
    wait_until_still(tab)
    tab.set_input_files("input[type=file]", film_files)
    for place, day in enumerate(("2020-03-01", "2020-03-05")):
        tab.wait_for_function(
            "n => document.querySelectorAll('[data-testid=stDateInput] input').length == 2", arg=place
        )
        wait_until_still(tab)  # a run that ends meanwhile puts another field in the place of this one
        box = tab.locator("[data-testid=stDateInput] input").nth(place)
        box.fill(day)
        box.press("Enter")
        box.press("Escape")
        tab.wait_for_function(
            "([n, day]) => document.querySelectorAll('[data-testid=stDateInput] input')[n].value === day",
            arg=[place, day],
        )
    tab.wait_for_selector(".cx-change")
    viewers = tab.locator(".viewer.has-film:not(.waiting)")
    viewers.nth(1).wait_for()
    for viewer in viewers.all():
        tab.wait_for_function("root => root.viewerState().drawMs !== undefined", arg=viewer.element_handle())
    wait_until_still(tab)
    return tab


def states(page: Any) -> list[dict[str, Any]]:
    return [viewer.evaluate(STATE) for viewer in page.locator(".viewer").all()]


def together(page: Any) -> list[dict[str, Any]]:
    """What both films show, without what is their own: they must be alike in it."""
    drawn(page)
    found = [
        {"place": one["place"], **{name: one["adjustment"][name] for name in TONES}} for one in states(page)
    ]
    assert len(found) == 2
    for name in TONES:
        assert found[0][name] == found[1][name]
    one, other = (state["place"] for state in found)
    assert one["fits"] == other["fits"]
    assert one["zoom"] == pytest.approx(other["zoom"])
    assert one["centre"] == pytest.approx(other["centre"])
    return found


def wait_for_link(page: Any, linked: bool) -> None:
    """Until both films know that they move together, or each alone."""
    page.wait_for_function(
        "([linked, ...viewers]) => viewers.every(root => root.viewerState().linked === linked)",
        arg=[linked, *page.locator(".viewer").element_handles()],
    )
    wait_until_still(page)


def middle(page: Any, place: int) -> tuple[float, float]:
    wait_until_still(page)
    box = page.locator(".stage").nth(place).bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def drag(page: Any, start: tuple[float, float], by: tuple[float, float]) -> None:
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(start[0] + by[0], start[1] + by[1], steps=5)
    page.mouse.up()


def test_both_films_zoom_move_and_window_together_without_a_rerun(
    compared: Any, complaints: list[str]
) -> None:
    page = compared
    page.evaluate("document.querySelector('.cx-verdict').dataset.mine = 'still here'")
    start = together(page)[0]
    assert start["place"]["fits"]
    x, y = middle(page, 0)
    wheel(page, page.locator(".viewer").nth(0), (x + 40, y - 30), -400)
    zoomed = together(page)[1]
    assert zoomed["place"]["zoom"] > 1.4
    page.locator(".viewer").nth(1).locator("[data-tool=pan]").click()
    drag(page, middle(page, 1), (60, 20))
    moved = together(page)[0]
    assert moved["place"]["centre"]["x"] < zoomed["place"]["centre"]["x"]
    drag(page, middle(page, 0), (50, 30))  # the left film's own tool is still the window
    windowed = together(page)[1]
    assert windowed["window_width"] > 1
    assert windowed["window_center"] != 0.5
    page.locator(".viewer").nth(0).locator("[data-act=invert]").click()
    assert together(page)[1]["invert"] is True
    page.locator(".viewer").nth(1).locator("[data-act=fit]").click()
    assert together(page)[0]["place"]["fits"]
    page.wait_for_timeout(1000)
    assert page.evaluate("document.querySelector('.cx-verdict').dataset.mine") == "still here"
    assert complaints == []


def test_unlinked_films_move_alone_and_meet_again_when_linked(compared: Any, complaints: list[str]) -> None:
    page = compared
    switch = page.locator(".st-key-course_linked label").first
    switch.click()
    wait_for_link(page, False)
    wheel(page, page.locator(".viewer").nth(0), middle(page, 0), -400)
    left, right = (state["place"] for state in states(page))
    assert left["zoom"] > 1.4
    assert right["fits"]
    switch.click()
    wait_for_link(page, True)
    assert together(page)[1]["place"]["zoom"] == pytest.approx(left["zoom"])
    assert complaints == []


def test_rotation_and_crop_belong_to_one_film(compared: Any) -> None:
    page = compared
    page.locator(".viewer").nth(0).locator("[data-act=rotate]").click()
    root = page.locator(".viewer").nth(0).element_handle()
    page.wait_for_function("root => root.viewerState().adjustment.quarter_turns === 1", arg=root)
    drawn(page)
    assert [state["adjustment"]["quarter_turns"] for state in states(page)] == [1, 0]
    assert not page.locator("[data-tool=crop]").first.is_visible()
    assert not page.locator(".sliders").first.is_visible()


@pytest.mark.parametrize("tab", [{}, PHONE], indirect=True, ids=["wide", "phone"])
def test_the_page_says_what_changed_and_fits_the_screen(compared: Any, complaints: list[str]) -> None:
    page = compared
    assert "More in the later film" in page.locator(".cx-verdict").inner_text()
    page.locator(".st-key-course_charts .js-plotly-plot").nth(3).wait_for()
    page.locator(".st-key-course_zones .js-plotly-plot").nth(1).wait_for()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    wait_until_still(page)
    first, second = (page.locator(".viewer").nth(n).bounding_box() for n in (0, 1))
    if page.viewport_size["width"] < 640:
        assert second["y"] >= first["y"] + first["height"]
    else:
        assert second["y"] == pytest.approx(first["y"], abs=1)
        assert second["x"] >= first["x"] + first["width"]
    assert complaints == []


def test_a_film_chosen_later_is_seen_as_the_one_before_it(
    compared: Any, film_files: list[Path], tmp_path: Path
) -> None:
    page = compared
    wheel(page, page.locator(".viewer").nth(0), middle(page, 0), -400)
    zoom = together(page)[0]["place"]["zoom"]
    third = tmp_path / "third.png"
    cv2.imwrite(str(third), np.rint(drawn_film("sixteen_bit").pixels * 65535).astype(np.uint16))
    page.set_input_files("input[type=file]", third)
    box = page.locator("[data-testid=stDateInput] input").nth(2)
    box.fill("2020-03-09")
    box.press("Enter")
    box.press("Escape")
    page.locator(".cx-card h2", has_text="9 Mar 2020").wait_for()
    wait_until_still(page)
    page.wait_for_selector(".viewer.waiting", state="detached")
    assert together(page)[1]["place"]["zoom"] == pytest.approx(zoom)
