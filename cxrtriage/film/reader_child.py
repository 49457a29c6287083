"""The process in which files that nobody vouches for are read; started by `reader_pool`, never imported.

Takes one job after another from standard input: `by`, the function that reads ("module:name", called with
the bytes and `words`, gives a dict and an array), and its bounds. Ends when its parent does.
"""

from __future__ import annotations

import importlib
import io
import os
import signal
import threading
from typing import Any

# Ready when the first film comes: what nearly every film needs.
import cxrtriage.film.read  # noqa: F401
from cxrtriage.film import gdcm_decode, wire
from cxrtriage.film.film import FilmError

try:
    import resource
    import select
except ImportError:  # Windows, where the parent's clock alone bounds a reading
    resource = None  # type: ignore[assignment]

_GRACE_SECONDS = 2.0


def main() -> None:
    """Read what comes until no more comes."""
    # Codecs write remarks to the two standard streams, which must not come between the answers.
    jobs = io.FileIO(os.dup(0), "rb")
    answers = io.FileIO(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    gdcm_decode.contained = True
    if resource is not None:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a dump would hold a patient's film
        threading.Thread(target=_end_with_parent, args=(jobs.fileno(),), daemon=True).start()
    wire.send(answers, {"ready": True})
    while True:
        try:
            job = wire.receive(jobs)
            _bound(job["memory"], job["seconds"])
            _answer(answers, job, wire.receive_bytes(jobs, job["bytes"]))
        except (EOFError, BrokenPipeError):
            return
        _bound(0, 0.0)


def _answer(answers: io.FileIO, job: dict[str, Any], data: bytearray) -> None:
    """What the reader says of the bytes, or the code of its refusal."""
    try:
        module, name = job["by"].split(":")
        head, array = getattr(importlib.import_module(module), name)(bytes(data), **job["words"])
    except FilmError as error:
        wire.send(answers, {"refused": error.code, "detail": error.detail})
    except MemoryError:
        wire.send(answers, {"refused": "too_large", "detail": None})
    else:
        wire.send_array(answers, {"said": head}, array)


def _bound(memory: int, seconds: float) -> None:
    """Let this process take `memory` more bytes of address space and `seconds` from now on; 0: any.

    The alarm is for a codec that hangs after the parent was killed; otherwise the parent is first.
    """
    if resource is None:
        return
    signal.setitimer(signal.ITIMER_REAL, seconds + _GRACE_SECONDS if seconds else 0.0)
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    wanted = _address_space() + memory if memory else resource.RLIM_INFINITY
    if hard != resource.RLIM_INFINITY and not 0 <= wanted <= hard:
        wanted = hard
    try:
        resource.setrlimit(resource.RLIMIT_AS, (wanted, hard))
    except (ValueError, OSError):  # macOS knows the limit and takes none
        return


def _address_space() -> int:
    """Bytes of address space in use (Linux); a guess elsewhere."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 2**30


def _end_with_parent(jobs: int) -> None:
    """Wait for the parent's end of the pipe to close, which it does even when the parent is killed."""
    waiting = select.poll()
    waiting.register(jobs, 0)
    waiting.poll()
    os._exit(0)


if __name__ == "__main__":
    main()
