"""The command line killed while it reads, and a disk that fills up."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image

from cxrtriage.cli import main
from cxrtriage.ct.lesion_finder import LesionFinder
from cxrtriage.reading.assessment import Assessment
from tests.ct.series_maker import dicom_series, draw_chest, threshold_finder

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "cxrtriage" / "examples" / "shenzhen-00010.webp"
FAST = ["--models", "tb_mobilenet_v2"]
FILMS = 6
PATIENCE_S = 300
CT = """
import sys
from cxrtriage.cli import main
from cxrtriage.ct.lesion_finder import LesionFinder
from tests.ct.series_maker import threshold_finder
LesionFinder.load = staticmethod(threshold_finder)
sys.exit(main(sys.argv[1:]))
"""


@contextmanager
def largest_file(count: int) -> Iterator[None]:
    """Files may grow to so many bytes, as on a disk that is nearly full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (count, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def films(tmp_path: Path) -> Path:
    folder = tmp_path / "films"
    folder.mkdir()
    for number in range(FILMS):
        shutil.copy(EXAMPLE, folder / f"{number:02d}.webp")
    return folder


def killed_when(command: list[str], condition, place: Path) -> None:
    """Run a command and kill it as soon as `condition` holds of `place`."""
    with subprocess.Popen(
        command, cwd=ROOT, stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)}
    ) as process:
        deadline = time.monotonic() + PATIENCE_S
        while not condition(place):
            assert process.poll() is None, process.stderr.read().decode()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL


def rows_of(path: Path) -> list[Assessment]:
    return [Assessment.from_json(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_what_was_read_before_a_kill_is_kept_and_the_rest_read_by_going_on(films, tmp_path, capsys):
    out, maps = tmp_path / "out.jsonl", tmp_path / "maps"
    options = [str(films), "--out", str(out), "--maps", str(maps), *FAST]
    killed_when(
        [sys.executable, "-m", "cxrtriage", "assess", *options],
        lambda path: path.exists() and path.read_bytes().count(b"\n") >= 2,
        out,
    )
    before = out.read_bytes()
    whole = before[: before.rfind(b"\n") + 1]
    kept = [json.loads(line) for line in whole.splitlines()]
    assert 2 <= len(kept) < FILMS
    for row in kept:  # what has a row has its maps, and they are whole
        for name in row["diagnosis"]["classes"]:
            with Image.open(maps / f"{Path(row['file']).stem}.{name}.png") as picture:
                picture.load()
    for picture in maps.glob("*.png"):
        Image.open(picture).load()
    out.write_bytes(whole + b'{"schema": "cxrtriage/asse')  # as a power failure may leave it
    assert main(["assess", *options, "--go-on"]) == 0
    assert out.read_bytes().startswith(whole)
    assert [Path(row.file).name for row in rows_of(out)] == [f"{n:02d}.webp" for n in range(FILMS)]
    assert {path.name for path in maps.glob("*.png")} >= {f"{n:02d}.tuberculosis.png" for n in range(FILMS)}
    assert f"{FILMS - len(kept)} read, 0 refused, {len(kept)} kept as they were" in capsys.readouterr().err


def test_going_on_reads_what_is_new_or_changed_and_mixes_no_nets(tmp_path, capsys):
    films, out = tmp_path / "films", tmp_path / "out.jsonl"
    films.mkdir()
    shutil.copy(EXAMPLE, films / "a.webp")
    (films / "b.png").write_bytes(b"nothing")
    go_on = ["assess", str(films), "--out", str(out), "--go-on"]
    assert main([*go_on, *FAST]) == 3  # where there is no file yet, it begins one
    first = out.read_bytes()
    assert main([*go_on, *FAST]) == 0
    assert out.read_bytes() == first
    (films / "b.png").write_bytes(b"nothing else")
    assert main([*go_on, *FAST]) == 3
    assert out.read_bytes().startswith(first)
    assert [Path(row.file).name for row in rows_of(out)] == ["a.webp", "b.png", "b.png"]
    capsys.readouterr()
    for other in (["--models", "tb_mobilenet_v2_mean"], [*FAST, "--operating-point", "youden"]):
        assert main([*go_on, *other]) == 2
        assert "holds rows of other nets or thresholds; name another file." in capsys.readouterr().err
    out.write_text("film,score\n")
    assert main([*go_on, *FAST]) == 2
    assert "holds lines that are no rows of films; name another file." in capsys.readouterr().err
    assert out.read_text() == "film,score\n"


def test_going_on_without_a_file_is_wrong_usage(capsys):
    assert main(["assess", str(EXAMPLE), "--go-on"]) == 2
    assert "--go-on needs --out" in capsys.readouterr().err


def test_a_full_disk_is_a_sentence_and_earlier_rows_stay(films, tmp_path, capsys):
    out = tmp_path / "out.jsonl"
    with largest_file(8000):
        assert main(["assess", str(films), "--out", str(out), *FAST]) == 2
    said = capsys.readouterr().err
    rows = rows_of(out)
    assert 1 <= len(rows) < FILMS
    assert "The result cannot be written: " in said
    assert f"Rows written before it are whole: {len(rows)}." in said
    assert "Traceback" not in said


def test_a_map_that_the_disk_has_no_room_for_is_not_there_at_all(films, tmp_path, capsys):
    maps = tmp_path / "maps"
    with largest_file(10_000):
        assert main(["assess", str(films), "--maps", str(maps), *FAST]) == 2
    assert list(maps.iterdir()) == []
    assert "The result cannot be written: " in capsys.readouterr().err


@pytest.fixture
def series(tmp_path: Path) -> Path:
    folder = tmp_path / "chest"
    folder.mkdir()
    volume = draw_chest(60, rows=384, columns=512, lesions=dict.fromkeys(range(60), (200, 140)))
    for name, data in dicom_series(volume):
        (folder / name).write_bytes(data)
    return folder


def test_masks_that_a_kill_leaves_are_whole_and_a_rerun_completes_them(series, tmp_path):
    masks, out = tmp_path / "masks", tmp_path / "out.jsonl"
    options = ["ct", str(series), "--masks", str(masks), "--out", str(out)]
    command = [sys.executable, "-c", CT, *options]
    killed_when(command, lambda path: path.is_dir() and len(list(path.glob("*.png"))) >= 3, masks)
    left = sorted(masks.glob("*.png"))
    assert 3 <= len(left) < 60
    for path in left:
        with Image.open(path) as picture:
            picture.load()
    assert out.read_bytes() == b""  # half a series has no row
    subprocess.run(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True)
    assert len(list(masks.glob("*.png"))) == 60
    assert json.loads(out.read_text())["status"] == "read"


def test_masks_on_a_full_disk_are_a_sentence(series, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(LesionFinder, "load", staticmethod(threshold_finder))
    masks = tmp_path / "masks"
    with largest_file(60):
        assert main(["ct", str(series), "--masks", str(masks)]) == 2
    assert list(masks.iterdir()) == []
    assert "The result cannot be written: " in capsys.readouterr().err


def test_slices_of_one_name_have_a_mask_each(tmp_path, monkeypatch):
    monkeypatch.setattr(LesionFinder, "load", staticmethod(threshold_finder))
    folder = tmp_path / "chest"
    folder.mkdir()
    for number, (_, data) in enumerate(dicom_series(draw_chest(6))):
        (folder / f"slice.{number}").write_bytes(data)
    assert main(["ct", str(folder), "--masks", str(tmp_path / "masks"), "--out", str(tmp_path / "o")]) == 0
    assert len(list((tmp_path / "masks").iterdir())) == 6
