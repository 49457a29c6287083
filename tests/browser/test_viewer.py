"""The viewer in Chromium: it shows what `Adjustment.apply` computes, and hands report what they did."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import pytest

from cxrtriage.film.adjustment import Adjustment
from cxrtriage.show.overlay import overlay
from cxrtriage.ui.viewer.packing import shown_film
from tests.browser.acting import boxes, drawn, wait_until_still, wheel
from tests.browser.pages_for_tests.films import drawn_film, drawn_map

pytestmark = pytest.mark.browser

PAGE = "tests/browser/pages_for_tests/viewer_page.py"
ONE_GREY_LEVEL = 1 / 255
PHONE = {
    "viewport": {"width": 412, "height": 915},
    "has_touch": True,
    "is_mobile": True,
    "device_scale_factor": 2,
}

READ_PIXELS = """root => {
  const { rows, columns, pixels } = root.readAdjustedPixels();
  let text = "";
  for (let i = 0; i < pixels.length; i += 8192) text += String.fromCharCode(...pixels.subarray(i, i + 8192));
  return [rows, columns, btoa(text)];
}"""


@pytest.fixture
def opened(tab: Any, served: Any) -> Any:
    """Opens the test page with a film and gives its viewer."""

    def open_page(film: str = "eight_bit", map_: str | None = None) -> Any:
        tab.goto(f"{served(PAGE)}/?film={film}" + (f"&map={map_}" if map_ else ""))
        tab.wait_for_selector(".viewer.has-film:not(.waiting)")
        viewer = tab.locator(".viewer")
        tab.wait_for_function(
            "root => root.viewerState().filmName && root.viewerState().drawMs !== undefined", arg=element(tab)
        )
        wait_until_still(tab)
        return viewer

    return open_page


def element(tab: Any) -> Any:
    return tab.locator(".viewer").element_handle()


def shown_pixels(viewer: Any) -> np.ndarray:
    rows, columns, text = viewer.evaluate(READ_PIXELS)
    return np.frombuffer(base64.b64decode(text), np.uint8).reshape(rows, columns)


def state(viewer: Any) -> dict[str, Any]:
    return viewer.evaluate("root => root.viewerState()")


def reported(tab: Any) -> dict[str, Any]:
    """What Python has heard last."""
    return json.loads(tab.locator("code").inner_text())


def wait_for_report(tab: Any, runs_before: int) -> Adjustment:
    """Waits until Python has run again and has heard what the viewer now holds.

    A slow machine may report an earlier change only after the later one was made.
    """
    tab.wait_for_function(
        """([root, runs]) => {
          const ordered = value => value && typeof value === "object"
            ? Object.entries(value).sort().map(([key, inner]) => [key, ordered(inner)]) : value;
          const heard = JSON.parse(document.querySelector("code").innerText);
          const held = root.viewerState().adjustment;
          const same = JSON.stringify(ordered(heard.adjustment)) === JSON.stringify(ordered(held));
          return same && heard.runs > runs;
        }""",
        arg=[element(tab), runs_before],
    )
    return Adjustment.from_dict(reported(tab)["adjustment"])


def stage_box(viewer: Any) -> dict[str, float]:
    return boxes(viewer.page, ".stage")[0]


def random_adjustments(count: int, seed: int = 3) -> list[dict[str, Any]]:
    """Identity, each step alone, then everything at once in random amounts."""
    whole = {"left": 0.0, "top": 0.0, "right": 1.0, "bottom": 1.0}
    singles: list[dict[str, Any]] = [
        {}, {"window_center": 0.45, "window_width": 1 / 255}, {"clahe": 2.0}, {"clahe": 8.0},
        {"sharpness": 4.0}, {"quarter_turns": 1},
        {"invert": True, "quarter_turns": 3, "crop": {**whole, "left": 0.1031}},
    ]  # fmt: skip
    random = np.random.default_rng(seed)
    for _ in range(count):
        left, top = random.uniform(0, 0.5, 2)
        singles.append(
            {
                "crop": {"left": left, "top": top, "right": random.uniform(left + 0.02, 1),
                         "bottom": random.uniform(top + 0.02, 1)},
                "window_center": random.uniform(0.2, 0.8),
                "window_width": random.uniform(0.05, 1.5),
                "brightness": random.uniform(-0.3, 0.3),
                "contrast": random.uniform(0.3, 3),
                "sharpness": random.choice([0, random.uniform(0, 4)]),
                "clahe": random.choice([0, random.uniform(1, 8)]),
                "invert": bool(random.integers(2)),
                "quarter_turns": int(random.integers(4)),
            }
        )  # fmt: skip
    return singles


@pytest.mark.parametrize("name", ["eight_bit", "twelve_bit", "sixteen_bit", "large"])
def test_the_viewer_shows_what_adjustment_apply_computes(
    opened: Any, name: str, complaints: list[str]
) -> None:
    film = shown_film(drawn_film(name))
    viewer = opened(name)
    for change in random_adjustments(3 if name == "large" else 12):
        adjustment = Adjustment.from_dict({**Adjustment().to_dict(), **change})
        viewer.evaluate("(root, change) => root.adjust(change)", adjustment.to_dict())
        expected = adjustment.apply(film).pixels
        shown = shown_pixels(viewer)
        assert shown.shape == expected.shape, change
        difference = np.abs(shown / 255 - expected).max()
        # half a level is the rounding to 8 bits; one level is what is promised
        assert difference <= ONE_GREY_LEVEL, f"{difference * 255:.2f} grey levels off at {change}"
    assert not complaints


def test_only_films_longer_than_2048_are_scaled_and_the_viewer_says_so(opened: Any) -> None:
    assert shown_film(drawn_film("large")).rows == 2048
    viewer = opened("large")
    assert viewer.locator(".scale-value").inner_text() == "shown at 1:1.12"
    assert opened("twelve_bit").locator(".scale-value").inner_text() == ""


def test_dragging_a_crop_reports_the_box(opened: Any, tab: Any) -> None:
    viewer = opened()
    runs = reported(tab)["runs"]
    viewer.locator("[data-tool=crop]").click()
    box = stage_box(viewer)
    middle_x, middle_y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    zoom = state(viewer)["zoom"]
    film = drawn_film("eight_bit")
    drag(tab, (middle_x - 60, middle_y - 80), (middle_x + 60, middle_y + 40))
    crop = wait_for_report(tab, runs).crop
    assert crop.left == pytest.approx(0.5 - 60 / zoom / film.columns, abs=0.01)
    assert crop.bottom == pytest.approx(0.5 + 40 / zoom / film.rows, abs=0.01)
    runs = reported(tab)["runs"]
    drag(tab, (middle_x + 60, middle_y), (middle_x + 100, middle_y))  # the right side
    wider = wait_for_report(tab, runs).crop
    assert wider.right > crop.right + 0.02
    assert (wider.left, wider.top, wider.bottom) == (crop.left, crop.top, crop.bottom)


def test_dragging_the_window_changes_width_and_centre_and_python_hears_once(opened: Any, tab: Any) -> None:
    viewer = opened("twelve_bit")
    runs = reported(tab)["runs"]
    assert viewer.locator(".window-values").inner_text() == "C 2048   W 4096"
    box = stage_box(viewer)
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    drag(tab, (x, y), (x + 80, y - 60), steps=12)
    adjustment = wait_for_report(tab, runs)
    assert adjustment.window_width > 1
    assert adjustment.window_center < 0.5
    tab.wait_for_timeout(600)
    assert reported(tab)["runs"] == runs + 1
    assert viewer.locator(".window-values").inner_text() != "C 2048   W 4096"


def test_sliders_redraw_at_once_and_report_on_release(opened: Any, tab: Any) -> None:
    viewer = opened()
    before = shown_pixels(viewer)
    runs = reported(tab)["runs"]
    slider = viewer.locator("input[name=brightness]")
    slider.evaluate("e => { e.value = 30; e.dispatchEvent(new Event('input')); }")
    assert shown_pixels(viewer).mean() > before.mean() + 10
    tab.wait_for_timeout(500)
    assert reported(tab)["runs"] == runs  # nothing was let go yet
    slider.evaluate("e => e.dispatchEvent(new Event('change'))")
    assert wait_for_report(tab, runs).brightness == pytest.approx(0.3)


def test_keys_do_what_the_help_says(opened: Any, tab: Any, complaints: list[str]) -> None:
    viewer = opened()
    viewer.locator(".stage").focus()
    for key, expected in (("i", {"invert": True}), ("r", {"quarter_turns": 1})):
        runs = reported(tab)["runs"]
        tab.keyboard.press(key)
        assert wait_for_report(tab, runs).to_dict().items() >= expected.items()
    tab.keyboard.press("c")
    assert state(viewer)["tool"] == "crop"
    tab.keyboard.press("Shift+ArrowLeft")
    assert state(viewer)["adjustment"]["crop"]["left"] > 0
    tab.keyboard.press("w")
    tab.keyboard.press("ArrowRight")
    assert state(viewer)["adjustment"]["window_width"] > 1
    fitted = state(viewer)["zoom"]
    tab.keyboard.press("+")
    assert state(viewer)["zoom"] > fitted
    tab.keyboard.press("0")
    assert state(viewer)["zoom"] == pytest.approx(fitted)
    tab.keyboard.press("?")
    assert viewer.locator(".help").is_visible()
    tab.keyboard.press("Escape")
    assert viewer.locator(".help").is_hidden()
    runs = reported(tab)["runs"]
    tab.keyboard.press("Backspace")
    assert wait_for_report(tab, runs) == Adjustment()
    assert tab.locator("[role=dialog]:visible").count() == 0  # Streamlit's own keys (C, R) did not act
    assert not complaints


def test_the_wheel_zooms_at_the_pointer_and_a_double_click_fits(opened: Any, tab: Any) -> None:
    viewer = opened()
    box = stage_box(viewer)
    x, y = box["x"] + box["width"] * 0.6, box["y"] + box["height"] * 0.3
    fitted = state(viewer)
    tab.mouse.move(x, y)
    tab.wait_for_timeout(100)
    grey = viewer.locator(".grey-value").inner_text()
    assert grey.startswith("grey ")
    wheel(tab, viewer, (x, y), -400)
    assert state(viewer)["zoom"] > 1.2 * fitted["zoom"]
    tab.mouse.move(x + 0.1, y)
    assert viewer.locator(".grey-value").inner_text() == grey  # the same film pixel lies under the pointer
    tab.mouse.dblclick(x, y)
    assert state(viewer)["zoom"] == pytest.approx(fitted["zoom"])


def test_only_the_crop_is_shown_on_wish_and_the_whole_film_again(opened: Any, tab: Any) -> None:
    viewer = opened()
    fitted = state(viewer)["zoom"]
    crop = {"left": 0.25, "top": 0.25, "right": 0.75, "bottom": 0.75}
    runs = reported(tab)["runs"]
    viewer.evaluate("(root, crop) => root.adjust({ crop })", crop)
    wait_for_report(tab, runs)
    viewer.locator("[data-tool=crop]").click()
    viewer.locator("[data-act=only]").click()
    assert state(viewer)["zoom"] == pytest.approx(2 * fitted)
    runs = reported(tab)["runs"]
    viewer.locator("[data-act=whole]").click()
    assert state(viewer)["zoom"] == pytest.approx(fitted)
    assert wait_for_report(tab, runs).crop.is_full


def test_the_middle_button_and_space_move_the_film_with_any_tool(opened: Any, tab: Any) -> None:
    viewer = opened()
    box = stage_box(viewer)
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    start = state(viewer)["centre"]
    tab.mouse.move(x, y)
    tab.mouse.down(button="middle")
    tab.mouse.move(x + 50, y, steps=3)
    tab.mouse.up(button="middle")
    moved = state(viewer)["centre"]
    assert moved["x"] < start["x"]
    viewer.locator(".stage").focus()
    tab.keyboard.down(" ")
    drag(tab, (x, y), (x, y + 50))
    tab.keyboard.up(" ")
    assert state(viewer)["centre"]["y"] < moved["y"]
    assert state(viewer)["adjustment"]["window_width"] == 1


def test_the_map_is_drawn_in_the_colours_of_the_report_and_its_opacity_redraws_it(
    opened: Any, tab: Any
) -> None:
    viewer = opened("eight_bit", "some")
    tab.wait_for_function("root => root.viewerState().hasMap", arg=element(tab))
    drawn(tab)
    film = drawn_film("eight_bit")
    assert viewer.locator(".map-words").inner_text() == "Shows where the score came from in net."
    row, column = int(0.3 * film.rows), int(0.3 * film.columns)
    for opacity in (60, 100, 0):
        slider = viewer.locator("input[name=opacity]")
        slider.evaluate("(e, value) => { e.value = value; e.dispatchEvent(new Event('input')); }", opacity)
        drawn(tab)
        expected = overlay(film, drawn_map(film), opacity / 100)
        for y, x in ((row, column), (row + 20, column), (row, film.columns - 20)):
            patch = expected[y - 1 : y + 2, x - 1 : x + 2].reshape(-1, 3).mean(axis=0)
            assert drawn_colour(viewer, x, y) == pytest.approx(patch, abs=12)  # the screen interpolates


def test_a_map_without_evidence_says_so_and_colours_nothing(opened: Any, tab: Any) -> None:
    viewer = opened("eight_bit", "empty")
    assert "No evidence" in viewer.locator(".map-words").inner_text()
    assert viewer.locator("input[name=opacity]").is_disabled()
    assert not state(viewer)["hasMap"]


@pytest.mark.parametrize("tab", [PHONE], indirect=True)
def test_a_phone_has_no_side_scrolling_and_its_tools_can_be_touched(opened: Any, tab: Any) -> None:
    viewer = opened()
    assert tab.evaluate("document.documentElement.scrollWidth") <= 412
    assert state(viewer)["tool"] == "pan"  # a thumb on the film scrolls the page until a tool is chosen
    viewer.locator("[data-tool=crop]").tap()
    for button in viewer.locator(".tools button").all():
        box = button.bounding_box()
        assert box["height"] >= 44
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 412
    runs = reported(tab)["runs"]
    box = stage_box(viewer)
    start = (box["x"] + box["width"] * 0.4, box["y"] + box["height"] * 0.4)
    touch_drag(tab, [start], [(start[0] + 80, start[1] + 90)])
    crop = wait_for_report(tab, runs).crop
    assert 0.02 <= crop.right - crop.left < 0.6
    zoom = state(viewer)["zoom"]
    touch_drag(
        tab, [start, (start[0] + 40, start[1])], [(start[0] - 40, start[1]), (start[0] + 80, start[1])]
    )
    assert state(viewer)["zoom"] > 2 * zoom


def test_another_film_starts_unadjusted_and_a_reload_brings_the_film_again(opened: Any, tab: Any) -> None:
    viewer = opened()
    viewer.evaluate("root => root.adjust({ invert: true })")
    tab.reload()
    tab.wait_for_selector(".viewer.has-film:not(.waiting)")
    tab.wait_for_function("root => root.viewerState().drawMs !== undefined", arg=element(tab))
    assert state(tab.locator(".viewer"))["adjustment"]["invert"] is False


def test_without_a_film_the_stage_says_what_to_do(tab: Any, served: Any, complaints: list[str]) -> None:
    tab.goto(f"{served(PAGE)}/?film=none")
    tab.wait_for_selector(".viewer .empty:visible")
    assert "Open a chest film" in tab.locator(".viewer .empty").inner_text()
    assert not complaints


def drag(tab: Any, start: tuple[float, float], end: tuple[float, float], steps: int = 5) -> None:
    tab.mouse.move(*start)
    tab.mouse.down()
    tab.mouse.move(*end, steps=steps)
    tab.mouse.up()


def touch_drag(tab: Any, starts: list[tuple[float, float]], ends: list[tuple[float, float]]) -> None:
    """Fingers laid on `starts`, drawn to `ends` in five steps and lifted."""
    session = tab.context.new_cdp_session(tab)

    def touch(kind: str, points: list[tuple[float, float]]) -> None:
        fingers = [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(points)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": fingers})

    touch("touchStart", starts)
    for step in range(1, 6):
        part = step / 5
        between = zip(starts, ends, strict=True)
        touch("touchMove", [(a[0] + (b[0] - a[0]) * part, a[1] + (b[1] - a[1]) * part) for a, b in between])
    touch("touchEnd", [])


def drawn_colour(viewer: Any, x: int, y: int) -> np.ndarray:
    """The colour on the visible canvas where the film's pixel (x, y) has its middle."""
    script = """(root, [x, y]) => {
      const canvas = root.querySelector("canvas.film");
      const { zoom, centre } = root.viewerState();
      const at = [[canvas.width, x, centre.x], [canvas.height, y, centre.y]]
        .map(([size, film, middle]) => size / 2 + (film + 0.5 - middle) * zoom);
      return [...canvas.getContext("2d").getImageData(...at.map(Math.floor), 1, 1).data].slice(0, 3);
    }"""
    return np.array(viewer.evaluate(script, [x, y]))
