"""Reads files in processes of their own, so that a codec that crashes, hangs or fills the memory ends one
reading and not the program.

A child is started once, kept warm and asked again, by one reader at a time; it is replaced when it fails and
after some hundred files. What it may take of time and memory is bounded for each file. `multiprocessing`,
`concurrent.futures`, loky and pebble keep such pools too, but unpickle what the child sends, and the first
two cannot end a single child that hangs.
"""

from __future__ import annotations

import atexit
import contextlib
import io
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from cxrtriage.film import wire
from cxrtriage.film.codes import SENTENCES
from cxrtriage.film.film import FilmError

_ROOT = Path(__file__).resolve().parents[2]
_START_SECONDS = 120.0  # it takes less than one, and more on a machine that is busy with other things
_PIPE_BYTES = 2**20


def command() -> list[str]:
    """What starts a child."""
    return [sys.executable, "-P", "-m", "cxrtriage.film.reader_child"]


class _Late(Exception):
    """The child did not answer in time."""


class _Child:
    """One process; `answered` files so far, `sound` where it waits for the next."""

    def __init__(self) -> None:
        self.answered = 0
        self.sound = True
        self._late = self._ready = False
        path = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))
        self.process = subprocess.Popen(
            command(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            # The linear algebra of a film is nothing, and threads take address space.
            env={**os.environ, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1"},
            # Ctrl-C is meant for the program; a child follows it.
            start_new_session=os.name == "posix",
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        self._jobs: io.RawIOBase = self.process.stdin  # type: ignore[assignment]
        self._answers: io.RawIOBase = self.process.stdout  # type: ignore[assignment]
        _widen(self._jobs.fileno())
        _widen(self._answers.fileno())

    def ask(self, job: dict[str, Any], data: bytes, most_bytes: int) -> tuple[dict[str, Any], np.ndarray]:
        """What is said of `data`; `_Late` after `job["seconds"]`; EOFError, OSError or ValueError from a
        broken child."""
        self.sound = False
        self._wait_until_ready()
        with self._within(job["seconds"]):
            wire.send(self._jobs, job, data)
            head = wire.receive(self._answers)
            code, detail, said = head.get("refused"), head.get("detail"), head.get("said")
            if code is None:
                array = wire.receive_array(self._answers, head, most_bytes)
        self.sound = not self._late
        self.answered += 1
        if code is not None:
            if not isinstance(code, str) or code not in SENTENCES or not isinstance(detail, str | None):
                raise ValueError("no refusal")
            raise FilmError(code, detail=detail)
        if not isinstance(said, dict):
            raise ValueError("no answer")
        return said, array

    def _wait_until_ready(self) -> None:
        """Wait for the child to have imported what it needs; `FilmError` where it never does."""
        if self._ready:
            return
        try:
            with self._within(_START_SECONDS):
                self._ready = wire.receive(self._answers).get("ready") is True
        except (_Late, EOFError, OSError, ValueError) as error:
            raise FilmError("reader_unavailable") from error

    @contextlib.contextmanager
    def _within(self, seconds: float) -> Iterator[None]:
        """Kill the child when `seconds` are over; the pipe then ends, on any platform."""
        clock = threading.Timer(seconds, self._stop_late)
        clock.daemon = True
        clock.start()
        try:
            yield
        except (EOFError, OSError, ValueError) as error:
            if self._late:
                raise _Late from error
            raise
        finally:
            clock.cancel()

    def _stop_late(self) -> None:
        self._late = True
        self.process.kill()

    def end(self) -> None:
        """Kill it and take it off the system's list."""
        self.process.kill()
        self.process.wait()
        self.forget()

    def forget(self) -> None:
        """Let go of the pipes alone."""
        for stream in (self._jobs, self._answers):
            with contextlib.suppress(OSError):
                stream.close()

    def forget_after_fork(self) -> None:
        """As `forget`, in a process whose child it is not."""
        self.process.returncode = 0
        self.forget()


def _widen(pipe: int) -> None:
    """Give a pipe a megabyte, so that a film goes through in few turns (Linux, where it is allowed)."""
    with contextlib.suppress(ImportError, AttributeError, OSError):
        import fcntl

        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)


class ReaderPool:
    """At most `at_once` children, started as they are needed; each ends after `files` files."""

    def __init__(self, at_once: int, files: int = 500) -> None:
        self.at_once, self.files = at_once, files
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._turns = threading.BoundedSemaphore(self.at_once)
        self._idle: list[_Child] = []
        self._living = 0

    def read(
        self,
        by: str,
        data: bytes,
        *,
        seconds: float,
        memory: int,
        most_bytes: int,
        words: dict[str, Any],
    ) -> tuple[dict[str, Any], np.ndarray]:
        """What the function `by` ("module:name") says of `data` and `words` in a child.

        The child may take `seconds` and `memory` bytes; its array may have `most_bytes`. Raises nothing but
        `FilmError`: its own, `took_too_long`, `unreadable` where it died, `reader_unavailable`.
        """
        job = {"by": by, "words": words, "seconds": seconds, "memory": memory}
        with self._turns:
            while True:
                child = self._take()
                unused = child.answered == 0
                try:
                    return child.ask(job, data, most_bytes)
                except _Late as error:
                    raise FilmError("took_too_long") from error
                except MemoryError as error:  # here, for what the child read
                    raise FilmError("too_large") from error
                except (EOFError, OSError, ValueError) as error:
                    # A child that has read before may have been hurt by that; a new one has the last word.
                    if unused:
                        raise FilmError("unreadable") from error
                finally:
                    self._give_back(child)

    def start(self) -> None:
        """Start a child where there is none, and do not wait for it: a film that comes later waits less."""
        with self._lock:
            if self._living:
                return
        with contextlib.suppress(FilmError):  # said when a film comes
            self._give_back(self._new())

    def end(self) -> None:
        """End the idle children."""
        with self._lock:
            idle, self._idle = self._idle, []
            self._living -= len(idle)
        for child in idle:
            child.end()

    def forget(self) -> None:
        """In a fork of this process: the children stay with the parent."""
        idle = self._idle
        self._begin()
        for child in idle:
            child.forget_after_fork()

    def _take(self) -> _Child:
        with self._lock:
            while self._idle:
                child = self._idle.pop()
                if child.process.poll() is None:
                    return child
                self._living -= 1  # something else has ended it
                child.end()
        return self._new()

    def _new(self) -> _Child:
        try:
            child = _Child()
        except (OSError, ValueError) as error:
            raise FilmError("reader_unavailable") from error
        with self._lock:
            self._living += 1
        return child

    def _give_back(self, child: _Child) -> None:
        """Keep a child that waits for the next file; any other may still be at work, and ends."""
        with self._lock:
            if child.sound and child.answered < self.files:
                self._idle.append(child)
                return
            self._living -= 1
        child.end()


POOL: Final = ReaderPool(at_once=max(2, min(4, os.cpu_count() or 1)))
"""The one of this process: children are as costly as the program is long-lived, and belong to no film."""

atexit.register(POOL.end)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=POOL.forget)
