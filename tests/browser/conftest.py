"""A Chromium and a Streamlit server for the browser tests.

The system's Chromium is taken where there is one, else playwright's own. Where neither can be had the tests
are left out, and pytest's summary says so in its own line.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM_ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--use-fake-device-for-media-stream=fps=5",
    "--use-fake-ui-for-media-stream",
]  # fmt: skip
START_SECONDS = 180
PATIENCE_MS = 180_000  # two cores that also train are slow; a wait ends as soon as it can
# A browser, a server and what measures them share two cores: what fails by a moment's chance runs once more,
# and pytest's summary names it (RERUN). What is broken fails twice.
RERUNS = 1
NO_BROWSER = "BROWSER TESTS LEFT OUT: neither the system's Chromium nor playwright's own could be started"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.flaky(reruns=RERUNS))


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="BROWSER TESTS LEFT OUT: no playwright")
    found = next((path for name in CHROMIUM_NAMES if (path := shutil.which(name))), None)
    with sync_api.sync_playwright() as playwright:
        try:
            chromium = playwright.chromium.launch(executable_path=found, args=CHROMIUM_ARGUMENTS)
        except sync_api.Error as error:
            pytest.skip(f"{NO_BROWSER} ({str(error).splitlines()[0]})")
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], str]]:
    """A function from a script's path (relative to the project) to the address it is served at."""
    servers: dict[str, tuple[subprocess.Popen[bytes], str]] = {}

    def serve(script: str) -> str:
        if script not in servers:
            log = tmp_path_factory.mktemp("server") / "streamlit.log"
            servers[script] = start_server(script, log)
        return servers[script][1]

    yield serve
    for process, _ in servers.values():
        process.terminate()
        process.wait(timeout=20)


def start_server(script: str, log: Path, **environment: str) -> tuple[subprocess.Popen[bytes], str]:
    """A Streamlit server of a script (relative to the project), and its address."""
    port = _free_port()
    command = [sys.executable, "-m", "streamlit", "run", script, "--server.port", str(port),
               "--server.headless", "true", "--server.fileWatcherType", "none"]  # fmt: skip
    paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": paths, **environment}
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output, env=environment)
    address = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(f"{address}/_stcore/health", timeout=2).close()
            return process, address
        except OSError:
            time.sleep(0.2)
    process.kill()
    raise RuntimeError(f"streamlit did not start: {log.read_text(errors='replace')}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def complaints() -> list[str]:
    """What the browser's console said in warning or error; filled by `tab`."""
    return []


@pytest.fixture
def tab(browser: Any, complaints: list[str], request: pytest.FixtureRequest) -> Iterator[Any]:
    """A fresh page; `@pytest.mark.parametrize("tab", [options], indirect=True)` gives it context options."""
    options = {"viewport": {"width": 1440, "height": 900}, **getattr(request, "param", {})}
    context = browser.new_context(**options)
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    context.close()
