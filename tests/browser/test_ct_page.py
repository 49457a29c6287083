"""The CT page in Chromium: scrolling by slider, wheel and keys, windows, the strip, wide and narrow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.browser.acting import boxes, wait_until_still
from tests.ct.series_maker import dicom_series, draw_chest

pytestmark = pytest.mark.browser

PAGE = "tests/browser/pages_for_tests/ct_page.py"
PHONE = {"viewport": {"width": 412, "height": 900}, "has_touch": True, "is_mobile": True}
STATE = "root => root.ctState()"


@pytest.fixture(scope="module")
def slices(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("series")
    volume = draw_chest(20, lesions=dict.fromkeys(range(12, 17), (50, 35)))
    for name, data in dicom_series(volume):
        (folder / name).write_bytes(data)
    return sorted(folder.iterdir())


@pytest.fixture
def read(tab: Any, served: Any, slices: list[Path]) -> Any:
    """The page with a series that was read."""
    tab.goto(served(PAGE))
    tab.locator(".ct").wait_for()
    tab.set_input_files("input[type=file]", slices)
    tab.get_by_text("Slice by slice").wait_for()
    wait(tab, "state => state.known === 20 && state.found === 20")
    wait_until_still(tab)
    return tab


def wait(page: Any, condition: str) -> None:
    root = page.locator(".ct").element_handle()
    page.wait_for_function(f"root => ({condition})(root.ctState())", arg=root)


def state(page: Any) -> dict[str, Any]:
    return page.locator(".ct").evaluate(STATE)


def test_a_series_is_read_and_scrolled(read, complaints):
    # The middle of the run that decided is what is shown first.
    wait(read, "state => state.drawn === 14")
    stage = read.locator(".ct .stage")
    stage.focus()
    stage.press("ArrowRight")
    wait(read, "state => state.drawn === 15")
    stage.press("Home")
    wait(read, "state => state.drawn === 0")
    stage.press("n")
    wait(read, "state => state.drawn === 12")
    stage.hover()
    read.mouse.wheel(0, 120)
    wait(read, "state => state.drawn === 15")
    read.locator(".ct .slider").fill("4")
    wait(read, "state => state.drawn === 4")
    strip = read.locator(".ct .strip")
    (box,) = boxes(read, ".ct .strip")
    strip.click(position={"x": box["width"] - 4, "y": 20})
    wait(read, "state => state.drawn === 19")
    assert "Lesions in the lower left quadrant" in read.locator(".st-key-ct_panel").inner_text()
    assert not complaints


def test_windows_change_what_is_drawn(read):
    wait(read, "state => state.drawn === 14")
    grey = """root => {
      const canvas = root.querySelector('canvas.slice');
      const pen = canvas.getContext('2d');
      return pen.getImageData(canvas.width / 2, canvas.height / 2, 1, 1).data[0];
    }"""
    lung = read.locator(".ct").evaluate(grey)
    read.locator(".ct [data-preset=mediastinum]").click()
    root = read.locator(".ct").element_handle()
    read.wait_for_function(f"([root, before]) => ({grey})(root) !== before", arg=[root, lung])
    soft = read.locator(".ct").evaluate(grey)
    # 40 units are 0.93 of the lung window and the middle of that of the mediastinum.
    assert lung == pytest.approx(237, abs=12)
    assert soft == pytest.approx(128, abs=16)


def test_boxes_and_outlines_can_be_put_away(read):
    wait(read, "state => state.drawn === 14")
    coloured = """root => {
      const canvas = root.querySelector('canvas.slice');
      const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
      let count = 0;
      for (let n = 0; n < data.length; n += 4) if (Math.abs(data[n] - data[n + 2]) > 90) count++;
      return count;
    }"""
    assert read.locator(".ct").evaluate(coloured) > 50
    for name in ("boxes", "outlines"):
        read.locator(f".ct [data-show={name}]").uncheck()
    root = read.locator(".ct").element_handle()
    read.wait_for_function(f"root => ({coloured})(root) === 0", arg=root)


@pytest.mark.parametrize("tab", [PHONE], indirect=True)
def test_a_phone_shows_one_column(read):
    slices, panel = boxes(read, ".st-key-ct_side", ".st-key-ct_panel")
    assert panel["y"] >= slices["y"] + slices["height"] - 1
    assert slices["width"] > 370
    assert read.evaluate("() => document.documentElement.scrollWidth") <= 412
