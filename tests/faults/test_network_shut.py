"""The command line with the network shut: it asks nothing of it, and reads all the same."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cxrtriage.weights import WEIGHTS_FOLDER
from tests.ct.series_maker import dicom_series, draw_chest
from tests.faults.watch import ROOT, asked, left, unexpected, watched_environment, written

EXAMPLE = ROOT / "cxrtriage" / "examples" / "shenzhen-00010.webp"
pytestmark = pytest.mark.skipif(
    not (WEIGHTS_FOLDER / "ensemble.json").is_file(), reason="there are no weights"
)


def without_network() -> list[str]:
    """A prefix that takes every interface away, where the system allows that."""
    for command in (["unshare", "-n"], ["unshare", "-rn"]):
        if (
            shutil.which("unshare")
            and subprocess.run([*command, "true"], capture_output=True).returncode == 0
        ):
            return command
    return []  # the watch refuses what goes beyond this machine in any case


def run(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*without_network(), sys.executable, "-m", "cxrtriage", *arguments],
        cwd=ROOT, env={**os.environ, **watched_environment(place)}, capture_output=True, text=True,
    )  # fmt: skip


def test_the_watch_sees_and_refuses_what_goes_out(tmp_path):
    script = """
import socket, tempfile
calls = [lambda: socket.socket().connect(("192.0.2.1", 80))]
calls += [lambda name=name: socket.create_connection((name, 80)) for name in ("192.0.2.1", "example.org")]
for call in calls:
    try:
        call()
    except OSError as error:
        assert "the network is shut" in str(error)
    else:
        raise AssertionError
tempfile.TemporaryFile().write(b"x")
"""
    subprocess.run(
        [sys.executable, "-c", script], check=True, env={**os.environ, **watched_environment(tmp_path)}
    )
    assert [what for _, what in asked(tmp_path)] == ["('192.0.2.1', 80)", "'192.0.2.1'", "'example.org'"]
    assert str(tmp_path / "tmp") in written(tmp_path)


def test_films_are_read_and_nothing_is_asked_or_written_but_what_was_wanted(tmp_path):
    out, maps = tmp_path / "out.jsonl", tmp_path / "maps"
    done = run(tmp_path, "assess", str(EXAMPLE), "--out", str(out), "--maps", str(maps))
    assert done.returncode == 0, done.stderr
    assert json.loads(out.read_text())["status"] == "read"
    assert asked(tmp_path) == []
    wanted = (str(out), str(maps))
    assert {path for path in unexpected(tmp_path) if not path.startswith(wanted)} == set()
    assert left(tmp_path / "tmp") == []


def test_a_series_is_read(tmp_path):
    folder = tmp_path / "chest"
    folder.mkdir()
    for name, data in dicom_series(draw_chest(5, rows=192, columns=256)):
        (folder / name).write_bytes(data)
    done = run(tmp_path, "ct", str(folder))
    assert done.returncode in (0, 3), done.stderr
    assert json.loads(done.stdout)["schema"] == "cxrtriage/ct/1"
    assert asked(tmp_path) == []
    assert left(tmp_path / "tmp") == []
