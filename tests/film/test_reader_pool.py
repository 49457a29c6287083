"""Whatever a decoder does in its child is one refusal, and the next film reads well."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from dicom_maker import dicom

from cxrtriage.film import reader_pool, wire
from cxrtriage.film.film import Film, FilmError
from cxrtriage.film.limits import Limits
from cxrtriage.film.read import read_film, read_trusted_film
from cxrtriage.film.reader_pool import ReaderPool

ROOT = Path(__file__).resolve().parents[2]
MISBEHAVING = [sys.executable, "-P", str(Path(__file__).with_name("misbehaving_reader.py"))]
RAMP = np.arange(256, dtype=np.uint16).reshape(16, 16) * 16
SHORT = Limits(max_seconds=1.0, max_bytes=2**20, max_pixels=10**6)
linux = pytest.mark.skipif(sys.platform != "linux", reason="bounds on memory and /proc are Linux's")


def film(word: str = "") -> bytes:
    return dicom(RAMP, BitsStored=12, PatientID=word)


def code(data: bytes, limits: Limits | None = None) -> str:
    with pytest.raises(FilmError) as caught:
        read_film(data, limits)
    return caught.value.code


def outcome(read: Callable[[Path], Film], path: Path) -> Film | tuple[str, str]:
    try:
        return read(path)
    except FilmError as error:
        return error.code, error.message


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Iterator[ReaderPool]:
    """A pool of one's own."""
    fresh = ReaderPool(at_once=2)
    monkeypatch.setattr(reader_pool, "POOL", fresh)
    yield fresh
    fresh.end()


@pytest.fixture
def misbehaving(pool: ReaderPool, monkeypatch: pytest.MonkeyPatch) -> ReaderPool:
    """A pool whose children do what a word in the film tells them."""
    monkeypatch.setattr(reader_pool, "command", lambda: MISBEHAVING)
    return pool


def same(one: Film, other: Film) -> None:
    np.testing.assert_array_equal(one.pixels, other.pixels)
    assert one.pixels.flags.writeable is False
    assert {**vars(one), "pixels": None} == {**vars(other), "pixels": None}


def test_a_film_from_a_child_is_the_film_read_here(data_folder: Path) -> None:
    """Bit by bit, with its facts and digest, or refused by the same code and sentence."""
    with (data_folder / "films.csv").open(newline="") as table:
        rasters = [data_folder / "cxr" / row["file"] for row in csv.DictReader(table)][::400]
    files = [*sorted((data_folder / "dicom").glob("*.dcm")), *rasters]
    assert len(files) > 110
    for path in files:
        here, contained = outcome(read_trusted_film, path), outcome(read_film, path)
        if isinstance(here, Film) and isinstance(contained, Film):
            same(contained, here)
        else:
            assert contained == here


def test_one_child_reads_one_film_after_another(pool: ReaderPool) -> None:
    same(read_film(film()), read_trusted_film(film()))
    (child,) = pool._idle
    for _ in range(3):
        read_film(film())
        assert code(b"no film") == "not_an_image"
    assert pool._idle == [child]
    assert child.answered == 7


@pytest.mark.parametrize("word", ["SEGFAULT", "ABORT", "EXIT"])
def test_a_crash_is_a_refusal_and_the_next_film_reads(misbehaving: ReaderPool, word: str) -> None:
    read_film(film())
    assert code(film(word)) == "unreadable"
    same(read_film(film()), read_trusted_film(film()))


@pytest.mark.parametrize("word", ["HANG", "HOLD"])
def test_a_hang_is_a_refusal_and_the_next_film_reads(misbehaving: ReaderPool, word: str) -> None:
    assert code(film(word), SHORT) == "took_too_long"
    same(read_film(film()), read_trusted_film(film()))


@linux
@pytest.mark.parametrize(("word", "refusal"), [("FILL", "too_large"), ("MALLOC", "unreadable")])
def test_memory_is_bounded_and_the_next_film_reads(misbehaving: ReaderPool, word: str, refusal: str) -> None:
    assert code(film(word), Limits(max_bytes=2**20, max_pixels=10**6)) == refusal
    same(read_film(film()), read_trusted_film(film()))


def test_a_child_hurt_by_an_earlier_film_costs_no_later_one(misbehaving: ReaderPool) -> None:
    read_film(film())
    (worn,) = misbehaving._idle
    same(read_film(film("WORN")), read_trusted_film(film("WORN")))
    assert worn.process.poll() is not None


def test_a_child_that_something_else_ended_costs_no_film(pool: ReaderPool) -> None:
    read_film(film())
    pool._idle[0].process.kill()
    pool._idle[0].process.wait()
    read_film(film())


def test_remarks_of_a_codec_neither_reach_the_terminal_nor_the_film(
    misbehaving: ReaderPool, capfd: pytest.CaptureFixture[str]
) -> None:
    same(read_film(film("REMARK")), read_trusted_film(film("REMARK")))
    same(read_film(film()), read_trusted_film(film()))
    assert capfd.readouterr() == ("", "")


def test_without_bounds_of_the_system_the_clock_still_holds(
    pool: ReaderPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader_pool, "command", lambda: [*MISBEHAVING, "without-resource"])
    same(read_film(film()), read_trusted_film(film()))
    assert code(film("HANG"), SHORT) == "took_too_long"
    read_film(film())


@pytest.mark.parametrize(
    "command", [["/there/is/no/such/program"], [sys.executable, "-c", "raise SystemExit"]]
)
def test_a_reader_that_does_not_start_is_said(
    pool: ReaderPool, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.setattr(reader_pool, "command", lambda: command)
    pool.start()
    assert code(film()) == "reader_unavailable"


def answering(answer: str) -> list[str]:
    """A child that was taken over and answers what it likes."""
    script = f"""
import io, sys
from cxrtriage.film import wire
out, jobs = io.FileIO(1, "wb"), io.FileIO(0, "rb")
wire.send(out, {{"ready": True}})
job = wire.receive(jobs)
wire.receive_bytes(jobs, job["bytes"])
{answer}
"""
    return [sys.executable, "-P", "-c", script]


SAID = dict.fromkeys(("view", "sex", "age_years", "spacing_mm")) | {
    "bits": 8, "format": "png", "notes": [], "dtype": "<f4", "shape": [2, 2], "bytes": 16,
}  # fmt: skip


def head(**values: object) -> str:
    """An answer as a child sends it, with other values in it."""
    said = {key: value for key, value in (SAID | values).items() if key not in ("dtype", "shape", "bytes")}
    whole = {"said": said, **{key: (SAID | values)[key] for key in ("dtype", "shape", "bytes")}}
    text = json.dumps(whole).encode()
    return f"out.write({len(text).to_bytes(4, 'big') + text + bytes(16)!r})"


def test_an_answer_as_it_should_be_is_taken(pool: ReaderPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader_pool, "command", lambda: answering(head()))
    assert read_film(film()).pixels.shape == (2, 2)


@pytest.mark.parametrize(
    "answer",
    [
        "out.write(b'x' * 100)",
        "out.write(bytes([255] * 8))",
        "wire.send(out, {'refused': 'no such code'})",
        "wire.send(out, {'refused': ['empty']})",
        "wire.send(out, {'refused': 'empty', 'detail': {'a': 1}})",
        "wire.send(out, {'said': 3})",
        "out.write((2**20).to_bytes(4, 'big') + b'[' * 2**20)",
        head(dtype="|O"),
        head(shape=[2, 3]),
        head(shape=[-2, -2]),
        head(shape=[4]),
        head(dtype="<i4"),
        head(shape=[2**20, 2**20], bytes=2**42),
        head(view="<script>"),
        head(notes=["a note"]),
        head(format="exe"),
        head(bits=None),
        head(bits=float("inf")),
        head(spacing_mm=["a", "b"]),
        head(spacing_mm=[]),
        head(age_years={}),
    ],
)
def test_what_no_reader_answers_is_a_refusal(
    pool: ReaderPool, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    monkeypatch.setattr(reader_pool, "command", lambda: answering(answer))
    assert code(film()) == "unreadable"


def test_a_reading_that_is_broken_off_leaves_no_child_at_work(
    pool: ReaderPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_film(film())
    (child,) = pool._idle
    with monkeypatch.context() as patch:

        def interrupted(stream: object) -> None:
            raise KeyboardInterrupt

        patch.setattr(wire, "receive", interrupted)
        with pytest.raises(KeyboardInterrupt):
            read_film(film())
    assert child.process.poll() is not None
    read_film(film())


def test_a_child_is_replaced_after_some_films(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = ReaderPool(at_once=1, files=2)
    monkeypatch.setattr(reader_pool, "POOL", pool)
    read_film(film())
    (first,) = pool._idle
    read_film(film())
    assert first.process.poll() is not None
    assert pool._idle == []
    read_film(film())
    pool.end()


def test_many_users_at_once_get_their_own_films(misbehaving: ReaderPool) -> None:
    films = [dicom(RAMP + number, BitsStored=12) for number in range(4)]
    wrong: list[str] = []

    def use(number: int) -> None:
        for _ in range(2):
            try:
                if not np.array_equal(read_film(films[number]).pixels, expected[number]):
                    wrong.append(f"another film than {number}")
                if code(film("EXIT")) != "unreadable":
                    wrong.append("another code")
            except Exception as error:  # noqa: BLE001 - a thread's exception would be lost
                wrong.append(repr(error))

    expected = [read_trusted_film(data).pixels for data in films]
    users = [threading.Thread(target=use, args=(number,)) for number in range(4)]
    for user in users:
        user.start()
    for user in users:
        user.join()
    assert not wrong
    assert len(misbehaving._idle) <= misbehaving.at_once


def test_a_child_loads_no_net_and_no_page() -> None:
    script = (
        "import sys, cxrtriage.film.reader_child, cxrtriage.ct.dicom_slices, cxrtriage.ct.nifti\n"
        "print(sorted({'torch', 'torchvision', 'streamlit', 'plotly', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


PARENT = """
import os, sys, threading, time
sys.path.insert(0, {root!r})
from cxrtriage.film import reader_pool
from cxrtriage.film.limits import Limits
from cxrtriage.film.read import read_film
reader_pool.command = lambda: {command!r}
read_film({film!r})
(child,) = reader_pool.POOL._idle
print(child.process.pid, flush=True)
{then}
"""


def parent(then: str, word: str = "") -> tuple[int, int]:
    """What a program that reads a film and then does something ended with; the number of its child."""
    script = PARENT.format(
        root=str(ROOT), command=MISBEHAVING, film=film(), then=then.format(film=film(word))
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stderr == ""
    return done.returncode, int(done.stdout)


def ends(number: int) -> bool:
    """True once the process is gone, or waits for no one to fetch its end."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            state = Path(f"/proc/{number}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            return True
        if state in "ZX":
            return True
        time.sleep(0.05)
    return False


BUSY = """
threading.Thread(target=read_film, args=({film!r}, Limits(max_seconds=3)), daemon=True).start()
time.sleep(1)
"""


@linux
@pytest.mark.parametrize(
    ("then", "word", "rc"),
    [
        ("", "", 0),
        ("os._exit(3)", "", 3),
        ("os.kill(os.getpid(), 9)", "", -9),
        (BUSY + "os.kill(os.getpid(), 9)", "HANG", -9),
        (BUSY + "os.kill(os.getpid(), 9)", "HOLD", -9),
    ],
    ids=["ends", "exits", "killed", "killed while a film is read", "killed while C holds the child"],
)
def test_a_child_ends_with_its_parent(then: str, word: str, rc: int) -> None:
    ended, child = parent(then, word)
    assert ended == rc
    assert ends(child)


@linux
def test_a_fork_reads_by_a_child_of_its_own() -> None:
    then = """
if (fork := os.fork()) == 0:
    assert reader_pool.POOL._idle == []
    read_film({film!r})
    os._exit(reader_pool.POOL._idle[0].process.pid == child.process.pid)
assert os.waitpid(fork, 0)[1] == 0
read_film({film!r})
assert reader_pool.POOL._idle == [child]
"""
    assert parent(then)[0] == 0


def test_nothing_is_left_on_the_disk(
    misbehaving: ReaderPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TMPDIR", "TEMP", "TMP", "HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.chdir(tmp_path)
    read_film(film())
    code(film("SEGFAULT"))
    code(film("HANG"), SHORT)
    read_film(film())
    assert list(tmp_path.rglob("*")) == []


@linux
@pytest.mark.slow
def test_the_largest_film_fits_the_bounds(pool: ReaderPool) -> None:
    """In the coding that takes most memory: three channels of 16 bits, transparency aside."""
    import cv2

    limits = Limits()
    rows, columns = 8000, limits.max_pixels // 8000
    pixels = np.tile(np.arange(16, dtype=np.uint16)[:, None, None] * 4096, (rows // 16, columns, 3))
    whole, packed = cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    assert whole
    del pixels
    read = read_film(packed.tobytes())
    assert read.pixels.shape == (rows, columns)
    assert float(read.pixels[17, 5]) == pytest.approx(4096 / 65535, abs=1e-6)
