"""Many films one after another through the page in a browser: what the server's memory does.

    python -m tests.faults.many_uploads [FILMS] [SCRIPT]

By default 1,000 films through the reading page with small untrained nets; with `app.py` as SCRIPT through the
app with the nets that are installed. Prints the server's resident memory at the first film, at 10, 100 and so
on, and ends with 1 where it grew by more than MOST_GROWTH_MB from film 100 to the last.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from playwright.sync_api import Page, sync_playwright

from cxrtriage.film.synthetic import draw_film
from cxrtriage.ui.texts import Texts
from tests.browser.conftest import CHROMIUM_ARGUMENTS, CHROMIUM_NAMES, PATIENCE_MS, ROOT, start_server
from tests.reading.small_nets import write_small_nets

SMALL = "tests/browser/pages_for_tests/small_nets_page.py"
MOST_GROWTH_MB = 100
SETTLED = 100  # films after which everything that is loaded once is loaded


def resident_mb(pid: int) -> float:
    """Resident memory of a process in MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("no VmRSS")


def film_file(number: int) -> tuple[bytes, str]:
    """A film as PNG that no other number gives, shadowed in its own way, and its size as the page says it.

    Its noise is that of a film, blurred: white noise now and then looks like writing, about which the page
    asks before anything can be saved.
    """
    rows, columns = 512 + number % 7, 440 + number % 11
    random = np.random.default_rng(number)
    shadows = cv2.resize(random.random((6, 5)), (columns, rows), interpolation=cv2.INTER_CUBIC)
    pixels = 0.4 * cv2.resize(_drawn(), (columns, rows)) + 0.6 * shadows
    pixels += cv2.GaussianBlur(random.normal(0, 0.04, pixels.shape), (0, 0), 1.5)
    grey = np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8)
    return cv2.imencode(".png", grey)[1].tobytes(), f"{columns} × {rows}"


@cache
def _drawn() -> np.ndarray:
    return np.asarray(draw_film(1).pixels)


def show(page: Page, number: int) -> None:
    """Hand a film to the page."""
    file = {"name": f"film-{number}.png", "mimeType": "image/png", "buffer": film_file(number)[0]}
    page.set_input_files("input[type=file]", file)


def shown(page: Page, number: int) -> None:
    """Wait until the film is read: the page says its size and no longer that the gate looks at it, and there
    is a score or a reason why there is none."""
    page.wait_for_function(
        """([size, waits]) => {
            const said = document.querySelector('.st-key-gate')?.innerText ?? '';
            const call = document.querySelector('.st-key-scores .cx-call');
            const refused = document.querySelector('.st-key-gate :is(.cx-refused, .cx-cautioned)');
            return said.includes(size) && !said.includes(waits) && (refused || call?.innerText.trim());
        }""",
        arg=[film_file(number)[1], Texts()["gate_checking"]],
    )


def upload(page: Page, number: int) -> None:
    """Open a film and wait until it is read."""
    show(page, number)
    shown(page, number)


def main(films: int, script: str) -> int:
    folder = Path(tempfile.mkdtemp())
    if script == SMALL:
        write_small_nets(folder)
    server, address = start_server(script, folder / "log", SMALL_NETS=str(folder))
    told, settled, began = {1, 10, films}, 0.0, time.monotonic()
    try:
        with sync_playwright() as playwright:
            found = next((path for name in CHROMIUM_NAMES if (path := shutil.which(name))), None)
            chromium = playwright.chromium.launch(executable_path=found, args=CHROMIUM_ARGUMENTS)
            page = chromium.new_page()
            page.set_default_timeout(PATIENCE_MS)
            page.goto(address)
            page.wait_for_selector(".viewer")
            print(f"before the first film: {resident_mb(server.pid):.0f} MB", flush=True)
            for number in range(1, films + 1):
                upload(page, number)
                if number in told or number % 100 == 0:
                    now = resident_mb(server.pid)
                    print(f"film {number}: {now:.0f} MB, {time.monotonic() - began:.0f} s", flush=True)
                    settled = now if number <= SETTLED else settled
            chromium.close()
        growth = resident_mb(server.pid) - settled
    finally:
        server.terminate()
        server.wait()
        shutil.rmtree(folder)
    print(f"grown by {growth:.0f} MB since film {min(SETTLED, films)}")
    return int(growth > MOST_GROWTH_MB)


if __name__ == "__main__":
    os.chdir(ROOT)
    films, script = [*sys.argv[1:], *["1000", SMALL][len(sys.argv) - 1 :]]
    sys.exit(main(int(films), script))
