"""File names that hold HTML, Markdown and formulas, in Chromium: shown as they are, run nowhere."""

from __future__ import annotations

import csv
import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.browser.acting import saved, wait_until_still
from tests.ct.series_maker import draw_chest, windowed

pytestmark = pytest.mark.browser

FOLLOW_UP = "tests/browser/pages_for_tests/follow_up_page.py"
CT = "tests/browser/pages_for_tests/ct_page.py"
NAMES = [
    "<img src=x onerror=window.ran=1>.png",
    "[press](javascript:window.ran=1) www.example.org.png",
    "$\\frac{1}{2}$ :smile: **bold** `code` :red[words].png",
    "=HYPERLINK(1).png",
]
# Elements that only marks in a name would have made.
MADE = "img[onerror], a[href^='javascript'], a[href*='example.org'], .katex"


def png(grey: int) -> bytes:
    file = io.BytesIO()
    pixels = np.full((96, 80), grey, np.uint8)
    pixels[::2, ::3] += 1
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def nothing_was_made(page: Any) -> None:
    assert page.evaluate("window.ran") is None
    assert page.locator(MADE).count() == 0
    said = page.locator("[data-testid=stApp]").inner_text()
    assert "😄" not in said


def test_the_follow_up_page_shows_names_as_they_are(tab: Any, served: Any) -> None:
    tab.goto(served(FOLLOW_UP))
    tab.locator(".st-key-course_opening").wait_for()
    files = [
        {"name": name, "mimeType": "image/png", "buffer": png(50 + 20 * number)}
        for number, name in enumerate(NAMES)
    ]
    tab.set_input_files("input[type=file]", files)
    tab.locator(".cx-film").nth(len(NAMES) - 1).wait_for()
    assert tab.locator(".cx-film b").all_inner_texts() == NAMES
    wait_until_still(tab)
    for number, name in enumerate(NAMES):
        tab.locator(".st-key-course_films button:visible", has_text="Remove").nth(number).hover()
        tooltip = tab.locator("[data-testid=stTooltipContent]").last
        tooltip.wait_for()
        assert tooltip.inner_text().replace("\u2060", "") == f"Remove {name} from the course"
        nothing_was_made(tab)
        tab.mouse.move(0, 0)
        tooltip.wait_for(state="detached")
    bad = {"name": NAMES[0], "mimeType": "image/png", "buffer": b"no picture"}
    tab.set_input_files("input[type=file]", bad)
    tab.locator(".cx-problem").wait_for()
    assert NAMES[0] in tab.locator(".cx-problem").inner_text()
    nothing_was_made(tab)


def test_the_ct_page_shows_names_as_they_are_and_saves_them_safely(tab: Any, served: Any) -> None:
    tab.add_init_script("delete window.showSaveFilePicker")  # which would ask for a place to save at
    tab.goto(served(CT))
    tab.locator(".ct").wait_for()
    slices = [data for _, data in windowed(draw_chest(len(NAMES)))]
    files = [
        {"name": name, "mimeType": "image/png", "buffer": data}
        for name, data in zip(NAMES, slices, strict=True)
    ]
    tab.set_input_files("input[type=file]", files)
    tab.get_by_text("Slice by slice").wait_for()
    nothing_was_made(tab)
    file = saved(tab, tab.get_by_role("button", name="CSV", exact=True))
    rows = list(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8"))))
    assert {row["name"] for row in rows} >= {"'=HYPERLINK(1)"}
    tab.get_by_text("Slice by slice", exact=True).click()
    table = tab.locator("[data-testid=stDataFrame]")
    table.wait_for()
    wait_until_still(tab)
    nothing_was_made(tab)
    # The table's own button saves it too.
    table.hover()
    text = saved(tab, tab.get_by_role("button", name="Download as CSV")).read_text(encoding="utf-8-sig")
    cells = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
    assert "'=HYPERLINK(1)" in cells
    assert not [cell for cell in cells if cell.startswith(("=", "@", "+"))]
