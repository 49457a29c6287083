"""A process that is watched while it runs: what it asked of the network, and which files it wrote."""

from __future__ import annotations

import json
import os
from pathlib import Path

WATCHED = Path(__file__).parent / "watched"
ROOT = Path(__file__).resolve().parents[2]


def watched_environment(place: Path) -> dict[str, str]:
    """Variables that have a Python process watched; home and temporary files in `place`, which is private."""
    for name in ("home", "tmp"):
        (place / name).mkdir(mode=0o700)
    return {
        "PYTHONPATH": os.pathsep.join([str(WATCHED), str(ROOT)]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "WATCHED_LOG": str(place / "watched.log"),
        "HOME": str(place / "home"),
        "TMPDIR": str(place / "tmp"),
    }


def asked(place: Path) -> list[list[str]]:
    """What a watched process asked of the network beyond this machine."""
    return [line for line in _lines(place) if line[0] != "open"]


def written(place: Path) -> set[str]:
    """Files that a watched process opened for writing; temporary ones without a name by their folder."""
    return {what for event, what in _lines(place) if event == "open"}


def _lines(place: Path) -> list[list[str]]:
    return [json.loads(line) for line in (place / "watched.log").read_text().splitlines()]
