"""`make bench`: what the program adds to the bare nets, as ratios, and what the app takes to start.

Film to scores, and film to scores with every net's map of one class, against the bare forward passes
of the same nets and the lung net on ready inputs; a large DICOM film against pydicom's bare decoding of it;
memory and start of the app as a user gets it.
"""

from __future__ import annotations

import io
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np
import pydicom

from cxrtriage.film.read import read_film, read_trusted_film
from cxrtriage.film.writing import find_writing
from cxrtriage.reading.triage import Triage
from tests.film.dicom_maker import dicom

ROOT = Path(__file__).resolve().parents[1]
FILM = ROOT / "cxrtriage" / "examples" / "shenzhen-00387.webp"
COMMAND = (sys.executable, "-m", "streamlit", "run", "app.py")
DICOM = ROOT / "cxrtriage" / "examples" / "nih-12-bit.dcm"
ROUNDS = 15


def seconds(work: Callable[[], object]) -> float:
    """Median of several runs, after two to warm up."""
    times = []
    for _ in range(ROUNDS + 2):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return median(times[2:])


def bare(triage: Triage) -> Callable[[], None]:
    """The forward passes alone, of every net that a reading runs (the gate's, the lungs', those of severity
    and the finders of opacities too), on inputs made beforehand."""
    import torch

    film = read_film(FILM)
    finder = triage._lungs
    lungs = finder.find(film) if finder else None
    pairs = [
        (member.net, member.form.tensor(member.form.image(film, lungs)))
        for member in triage._members.values()
    ]
    if finder:
        pairs.append((finder.net, finder.form.tensor(finder.form.image(film))))
    passes = [(net, (inputs,)) for net, inputs in pairs]
    severity = triage._severity
    if severity and lungs is not None and lungs.box is not None:
        inputs = severity.form.tensor(severity.form.image(film, lungs))
        zones = torch.from_numpy(severity.zones(lungs))[None]
        passes += [(net, (inputs, zones)) for net in severity.nets]
        passes += [(reader.trunk.forward_features, (inputs,)) for reader in severity.zone_readers]
        finders = [one for one in (severity.lone_finder, severity.finder) if one]
        passes += [(one.net, (inputs, zones)) for one in finders]
    if triage._gate:
        picture = torch.from_numpy(triage._gate.picture(film.pixels))[None, None].float() / 127.5 - 1
        for card, net in triage._gate.nets:
            small = torch.nn.functional.interpolate(picture, card.input["size"], mode="area")
            # As the gate asks: the picture and its mirror image.
            passes.append((net.features, (torch.cat([small, small.flip(-1)]),)))

    def forward() -> None:
        with torch.no_grad():
            for net, inputs in passes:
                net(*inputs)

    return forward


def large_dicom() -> None:
    """A film of 2500 x 2048 pixels: header, window and depth beside what the decoder alone takes, and what
    the child process adds, in which strangers' files are decoded."""
    pixels = np.random.default_rng(0).integers(0, 4096, (2500, 2048)).astype(np.uint16)
    data = dicom(pixels, BitsStored=12, WindowCenter=2048, WindowWidth=4096)
    decoded = seconds(lambda: pydicom.dcmread(io.BytesIO(data)).pixel_array)
    trusted = seconds(lambda: read_trusted_film(data))
    read = seconds(lambda: read_film(data))
    print(
        f"DICOM film of 2500 x 2048 pixels: pydicom alone {decoded * 1000:.0f}ms,"
        f" read {trusted * 1000:.0f}ms x{trusted / decoded:.1f},"
        f" in a child process {read * 1000:.0f}ms x{read / decoded:.1f}"
    )


def ratios() -> None:
    film = read_film(FILM)
    large = cv2.resize(film.pixels, (2000, 2000), interpolation=cv2.INTER_CUBIC)
    everything = Triage.load()
    looked, read = seconds(lambda: find_writing(large)), seconds(lambda: everything.assess(film))
    print(f"writing looked for on 2000 x 2000 pixels {looked * 1000:.0f}ms, x{looked / read:.2f} of reading")
    print(f"{'nets':50} {'bare':>8} {'score':>14} {'score + one map':>14}")
    for names in [*((name,) for name in everything.members), everything.members]:
        triage = Triage.load(models=names)
        forward = seconds(bare(triage))
        score = seconds(lambda triage=triage: triage.assess(film))
        mapped = seconds(lambda triage=triage: triage.read(film, maps=("tuberculosis",)))
        print(
            f"{'+'.join(names):50} {forward * 1000:6.0f}ms"
            f" {score * 1000:6.0f}ms x{score / forward:4.2f} {mapped * 1000:6.0f}ms x{mapped / forward:4.2f}"
        )


def the_app() -> None:
    """From the command to the first page in a browser, then a film, and the memory it all took."""
    from playwright.sync_api import sync_playwright

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        began = time.perf_counter()
        app = subprocess.Popen(
            [*COMMAND, f"--server.port={port}", "--server.headless=true"],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            _open(page, f"http://127.0.0.1:{port}")
            print(f"first page after {time.perf_counter() - began:.1f} s")
            for path in (FILM, DICOM):
                _open(page, f"http://127.0.0.1:{port}")  # afresh, so that no earlier score is taken for it
                began = time.perf_counter()
                page.set_input_files("input[type=file]", path)
                page.wait_for_selector(".cx-flagged, .cx-not_flagged, .cx-uncertain", timeout=60_000)
                print(f"{path.name}: score on the page after {time.perf_counter() - began:.1f} s")
            print(f"peak memory of the app {_peak_memory(app.pid) / 1024:.2f} GB")
        finally:
            app.terminate()
            browser.close()


def _open(page: Any, address: str) -> None:
    deadline = time.perf_counter() + 60
    while True:
        try:
            page.goto(address)
            break
        except Exception:
            if time.perf_counter() > deadline:
                raise
            time.sleep(0.05)
    page.wait_for_selector(".viewer", timeout=60_000)


def _peak_memory(pid: int) -> float:
    """Peak resident memory of a process in MB (Linux)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return float("nan")


if __name__ == "__main__":
    large_dicom()
    ratios()
    the_app()
