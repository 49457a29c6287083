"""`make bench`: what the program adds to the bare nets, as ratios, and what the app takes to start.

Film to scores, and film to scores with every net's map, against the bare forward passes of the same
nets on a ready input; memory and start of the app as a user gets it.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from statistics import median

from cxrtriage.film.read import read_film
from cxrtriage.reading.triage import Triage

ROOT = Path(__file__).resolve().parents[1]
FILM = ROOT / "cxrtriage" / "examples" / "shenzhen-00387.webp"
COMMAND = (sys.executable, "-m", "streamlit", "run", "app.py")
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
    """The forward passes alone, on inputs made beforehand."""
    import torch

    film = read_film(FILM)
    pairs = [(member.net, member.form.tensor(member.form.image(film))) for member in triage._members.values()]

    def forward() -> None:
        with torch.no_grad():
            for net, inputs in pairs:
                net(inputs)

    return forward


def ratios() -> None:
    film = read_film(FILM)
    everything = Triage.load()
    print(f"{'nets':50} {'bare':>8} {'score':>14} {'score + map':>14}")
    for names in [*((name,) for name in everything.members), everything.members]:
        triage = Triage.load(models=names)
        forward = seconds(bare(triage))
        score = seconds(lambda triage=triage: triage.assess(film))
        mapped = seconds(lambda triage=triage: triage.read(film))
        print(
            f"{'+'.join(names):50} {forward * 1000:6.0f}ms"
            f" {score * 1000:6.0f}ms x{score / forward:4.2f} {mapped * 1000:6.0f}ms x{mapped / forward:4.2f}"
        )


def start_of_the_app() -> None:
    """From the command to the first answer of the page's server, and the memory it then takes."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    began = time.perf_counter()
    app = subprocess.Popen(
        [*COMMAND, f"--server.port={port}", "--server.headless=true"],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=1).read()
                break
            except OSError:
                if time.perf_counter() - began > 60:
                    raise
                time.sleep(0.05)
        print(f"server answers after {time.perf_counter() - began:.1f} s")
    finally:
        app.terminate()


if __name__ == "__main__":
    ratios()
    start_of_the_app()
