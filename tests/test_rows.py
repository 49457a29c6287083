"""Rows and pictures that are written: whole or not there, whatever happens to the disk or the process."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cxrtriage.rows import rows_to, save_picture, whole_lines

ROOT = Path(__file__).resolve().parents[1]


def python(script: str, *arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", script, *arguments]
    return subprocess.run(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, check=False, **options)


def test_a_row_is_in_the_file_before_the_next_one_is_made(tmp_path):
    path = tmp_path / "rows"
    with rows_to(path) as rows:
        rows.write("one")
        assert path.read_bytes() == b"one\n"
        rows.write("zwei \u00fc")
        assert path.read_text(encoding="utf-8") == "one\nzwei \u00fc\n"
    assert rows.written == 2


def test_a_file_is_begun_anew_or_gone_on_with_behind_its_last_whole_row(tmp_path):
    path = tmp_path / "rows"
    path.write_bytes(b"one\ntwo\nthr")
    assert whole_lines(path) == [b"one\n", b"two\n"]
    with rows_to(path, go_on=True) as rows:
        rows.write("three")
    assert path.read_bytes() == b"one\ntwo\nthree\n"
    with rows_to(path) as rows:
        rows.write("first")
    assert path.read_bytes() == b"first\n"
    with rows_to(tmp_path / "new", go_on=True) as rows:
        rows.write("a")
    assert (tmp_path / "new").read_bytes() == b"a\n"


def test_of_a_row_that_the_disk_has_no_room_for_nothing_stays(tmp_path):
    script = """
import resource, sys
from pathlib import Path
from cxrtriage.rows import rows_to
resource.setrlimit(resource.RLIMIT_FSIZE, (2500, 2500))
try:
    with rows_to(Path(sys.argv[1])) as rows:
        for letter in "abcd":
            rows.write(letter * 999)
except OSError:
    sys.exit(rows.written)
"""
    done = python(script, str(tmp_path / "rows"))
    assert (done.returncode, done.stderr) == (2, "")
    assert (tmp_path / "rows").read_bytes() == b"a" * 999 + b"\n" + b"b" * 999 + b"\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_standard_output_is_one_error_and_no_second_one_at_the_end():
    script = """
import sys
from cxrtriage.rows import rows_to
try:
    with rows_to(None) as rows:
        rows.write("a")
except OSError:
    sys.exit(2)
"""
    with open("/dev/full", "w") as full:
        done = python(script, stdout=full)
    assert (done.returncode, done.stderr) == (2, "")


class Picture:
    """Writes half of itself; then comes what `end` does."""

    def __init__(self, end):
        self.end = end

    def save(self, path, format):
        Path(path).write_bytes(b"half of a picture")
        self.end()


def test_a_picture_that_cannot_be_written_leaves_neither_itself_nor_a_part(tmp_path):
    def full():
        raise OSError(28, "No space left on device")

    (tmp_path / "a.png").write_bytes(b"of the run before")
    with pytest.raises(OSError, match="No space"):
        save_picture(Picture(full), tmp_path / "a.png")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
    assert (tmp_path / "a.png").read_bytes() == b"of the run before"


def test_a_picture_whose_writing_is_killed_bears_no_final_name(tmp_path):
    script = """
import os, signal, sys
from pathlib import Path
from cxrtriage.rows import save_picture
from tests.test_rows import Picture
save_picture(Picture(lambda: os.kill(os.getpid(), signal.SIGKILL)), Path(sys.argv[1]))
"""
    assert python(script, str(tmp_path / "a.png")).returncode == -signal.SIGKILL
    (part,) = tmp_path.iterdir()
    assert part.name.startswith(".")
    assert part.read_bytes() == b"half of a picture"
