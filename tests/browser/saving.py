"""Saving a file from a page, as tests do: once the page stands still.

While a script runs, parts of the page still move. A press on a button that moves on between the pointer's
going down and its coming up is no click, for a browser; a person presses again, a test would wait in vain.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

_STILL_SECONDS = 0.5


def wait_until_still(page: Any, element: Any) -> None:
    """Waits until no script runs and the element has kept its place and size for a while."""
    element.wait_for()
    page.wait_for_function(
        """([element, seconds]) => {
          const app = document.querySelector("[data-testid=stApp]");
          const { x, y, width, height } = element.getBoundingClientRect();
          const place = [x, y, width, height, app.dataset.testScriptState].join();
          if (place !== element.placeSeen) {
            element.placeSeen = place;
            element.seenSince = performance.now();
          }
          const still = performance.now() - element.seenSince >= 1000 * seconds;
          return app.dataset.testScriptState === "notRunning" && still;
        }""",
        arg=[element.element_handle(), _STILL_SECONDS],
    )


def saved(page: Any, button: Any) -> Path:
    """The file that a press of the button saves."""
    wait_until_still(page, button)
    with page.expect_download() as download:
        button.click()
    return Path(download.value.path())
