"""What one who uses a page does on it, at a person's pace: look, choose and save once it stands still.

While a script runs, parts of the page still move. Places that are asked for one after another then belong to
different moments, and a press on a button that moves on between the pointer's going down and its coming up
is no click, for a browser. A person looks and presses again; a test would fail.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.sync_api import TimeoutError

STILL_SECONDS = 0.5
# How long a press may go unanswered before a person presses again.
_PATIENCE_MS = 3_000
_PRESSES = 10

# What has a place that may still move: containers with a name of their own, and what can be pressed.
_PLACES = """
[class*='st-key-'], .viewer, .stage, .ct, .cx-card, .js-plotly-plot, [data-testid=stDataFrame], button, input
"""


def wait_until_still(page: Any) -> None:
    """Waits until no script runs and all of the page has kept its place and size for a while."""
    seen = page.evaluate_handle("() => ({})")
    page.wait_for_function(
        """([seen, places, seconds]) => {
          const app = document.querySelector("[data-testid=stApp]");
          if (!app) return false;
          const found = root => [...root.querySelectorAll("*")].flatMap(one => [
            ...(one.matches(places) ? [one] : []),
            ...(one.shadowRoot ? found(one.shadowRoot) : []), // viewers are components of their own
          ]);
          const boxes = found(app).map(one => {
            const { x, y, width, height } = one.getBoundingClientRect();
            return [x, y, width, height].join();
          });
          const now = [app.dataset.testScriptState, ...boxes].join(" ");
          if (now !== seen.places) {
            seen.places = now;
            seen.since = performance.now();
          }
          const still = performance.now() - seen.since >= 1000 * seconds;
          return app.dataset.testScriptState === "notRunning" && still;
        }""",
        arg=[seen, _PLACES, STILL_SECONDS],
        polling=50,
    )


def boxes(page: Any, *places: str) -> list[dict[str, float]]:
    """Where the first element of each selector lies in the window, in CSS pixels, all at one moment."""
    wait_until_still(page)
    found: list[dict[str, float]] = page.evaluate(
        "elements => elements.map(element => element.getBoundingClientRect().toJSON())",
        [page.locator(place).first.element_handle() for place in places],
    )
    return found


def drawn(page: Any) -> None:
    """Waits until what was asked of a canvas before now is drawn: two frames on."""
    frame = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))))"
    page.evaluate(f"() => {frame}")


def wheel(page: Any, viewer: Any, place: tuple[float, float], down: float) -> None:
    """Turn the wheel over a place of the window, and wait until the viewer there has heard it."""
    zoom = viewer.evaluate("root => root.viewerState().zoom")
    page.mouse.move(*place)
    page.mouse.wheel(0, down)
    page.wait_for_function(
        "([root, zoom]) => root.viewerState().zoom !== zoom", arg=[viewer.element_handle(), zoom]
    )
    drawn(page)


def choose(page: Any, label: str, option: str) -> None:
    """Choose in one of Streamlit's boxes, found by its label.

    A list that has just opened closes when the page scrolls, and the press itself may scroll it.
    """
    wait_until_still(page)
    field = page.locator("[data-testid=stSelectbox]", has_text=label).last.locator("input")
    wanted = page.get_by_role("option", name=option, exact=True)
    for _ in range(_PRESSES):
        field.click()
        try:
            wanted.click(timeout=_PATIENCE_MS)
            return
        except TimeoutError:
            page.keyboard.press("Escape")
    raise AssertionError(f"{label} was opened {_PRESSES} times and never showed {option}")


def go_to(page: Any, name: str, path: str) -> None:
    """Press on a page in the list of pages, on a phone after opening it; once more where the press was lost.

    The run that stops and the one that starts share what Streamlit knows of the pages. A page that draws
    itself anew in that very moment, as the CT page does while it reads, can take the place of the one that
    was asked for; seldom, but it happens.
    """
    link = page.get_by_role("link", name=name)
    opener = page.get_by_test_id("stExpandSidebarButton")
    for _ in range(_PRESSES):
        try:
            if opener.is_visible():
                opener.click(timeout=_PATIENCE_MS)
            link.click(timeout=_PATIENCE_MS)
            page.wait_for_url(f"**/{path}", timeout=10 * _PATIENCE_MS)
            return
        except TimeoutError:
            continue
    raise AssertionError(f"{name} was pressed {_PRESSES} times and never came")


def saved(page: Any, button: Any) -> Path:
    """The file that a press of the button saves."""
    button.wait_for()
    wait_until_still(page)
    with page.expect_download() as download:
        button.click()
    return Path(download.value.path())
