"""Every page in Chromium with films of its own: nothing is asked beyond this machine, nothing kept on disk.

The server runs watched (`tests/faults/watched`), with a home and a folder for temporary files of its own.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from cxrtriage.film.synthetic import draw_film
from cxrtriage.weights import WEIGHTS_FOLDER
from tests.browser.acting import go_to
from tests.browser.conftest import start_server
from tests.ct.series_maker import dicom_series, draw_chest
from tests.faults.watch import ROOT, asked, left, unexpected, watched_environment

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not (WEIGHTS_FOLDER / "ensemble.json").is_file(), reason="there are no weights"),
]
MEGABYTE = 1_000_000


def film_file(seed: int) -> bytes:
    """A drawn film of 16 bits with noise in its low ones: a file too large for the server's own buffer."""
    grey = np.rint(draw_film(seed, rows=1100, columns=1000).pixels * 65000).astype(np.uint16)
    grey += np.random.default_rng(seed).integers(0, 255, grey.shape, np.uint16)
    data = cv2.imencode(".png", grey)[1].tobytes()
    assert len(data) > MEGABYTE
    return data


def series_zip() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in dicom_series(draw_chest(8, rows=384, columns=512)):
            archive.writestr(name, data)
    assert stream.tell() > MEGABYTE
    return stream.getvalue()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def address(place: Path) -> Iterator[str]:
    server, address = start_server("app.py", place / "server.log", **watched_environment(place))
    yield address
    server.terminate()
    server.wait()


def files_of(*folders: Path) -> dict[Path, int]:
    return {path: path.stat().st_size for folder in folders for path in folder.rglob("*") if path.is_file()}


def upload(page: Any, *files: tuple[str, bytes]) -> None:
    chosen = [{"name": n, "mimeType": "application/octet-stream", "buffer": data} for n, data in files]
    page.set_input_files("input[type=file]", chosen)


def test_every_page_asks_this_machine_alone_and_no_upload_reaches_a_disk(
    tab: Any, address: str, place: Path
) -> None:
    own = [ROOT / name for name in ("cxrtriage", "pages", "tests", ".streamlit", "weights")]
    before = files_of(*own)
    requests: list[str] = []
    tab.context.on("request", lambda request: requests.append(request.url))
    tab.on("websocket", lambda socket: requests.append(socket.url))

    tab.goto(address)
    tab.wait_for_selector(".viewer")
    upload(tab, ("film.png", film_file(1)))
    tab.wait_for_selector(".st-key-gate .cx-gate.cx-accepted, .cx-gate.cx-cautioned, .cx-gate.cx-refused")
    tab.wait_for_selector(".viewer.has-film:not(.waiting)")
    go_to(tab, "Follow-up", "follow_up")
    tab.get_by_text("give each its date").wait_for()
    upload(tab, ("one.png", film_file(2)), ("two.png", film_file(3)))
    tab.locator(".cx-film").nth(1).wait_for()
    go_to(tab, "CT series", "ct_series")
    tab.locator(".ct").wait_for()
    upload(tab, ("chest.zip", series_zip()))
    tab.wait_for_selector(".cx-call, .cx-problem")
    go_to(tab, "Thresholds", "thresholds")
    tab.get_by_text("No truths yet").wait_for()
    upload(tab, ("truths.csv", b"file,tuberculosis\n" + b"x.png,1\n" * (MEGABYTE // 7)))
    tab.get_by_text(f"{MEGABYTE // 7} films have a truth").wait_for()
    go_to(tab, "Model facts", "model_facts")
    tab.locator(".js-plotly-plot").first.wait_for()
    tab.wait_for_timeout(2000)  # whatever is sent last

    away = [
        url
        for url in requests
        if not url.startswith((address, address.replace("http", "ws"), "blob:", "data:"))
    ]
    assert away == []
    assert any(url.startswith("ws") for url in requests)
    assert asked(place) == []
    # Streamlit keeps a number of this installation; no film, and nothing unnamed.
    own_number = str(place / "home" / ".streamlit")
    assert {path for path in unexpected(place) if not path.startswith(own_number)} == set()
    assert files_of(*own) == before
    large = {
        path: size for path, size in files_of(place / "home", place / "tmp").items() if size > MEGABYTE // 4
    }
    assert large == {}
    assert left(place / "tmp") == []
