"""A process that is watched while it runs: what it asked of the network, and which files it wrote."""

from __future__ import annotations

import json
import os
import re
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


def unexpected(place: Path) -> set[str]:
    """Those that no library writes for itself: not the fonts that matplotlib (which grad-cam brings) looked
    up, nor the file by which Python tries a folder for temporary files, which holds four letters."""
    fonts = tuple(str(place / "home" / folder / "matplotlib") for folder in (".cache", ".config"))
    tried = re.compile(re.escape(str(place / "tmp")) + r"/[a-z0-9_]{8}")
    return {
        path
        for path in written(place)
        if not path.startswith(("/dev/", *fonts)) and not tried.fullmatch(path)
    }


def left(folder: Path) -> list[Path]:
    """Files below a folder; torch makes itself an empty folder for what it might compile."""
    return [path for path in folder.rglob("*") if not path.is_dir()]


def _lines(place: Path) -> list[list[str]]:
    return [json.loads(line) for line in (place / "watched.log").read_text().splitlines()]
