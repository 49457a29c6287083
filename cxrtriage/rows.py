"""Results as they are written: a row a line, whole or not at all, and pictures under their name once whole.

A row is handed to the system as soon as there is one, so that a process that is killed loses no row it has
made; a file that is replaced at the end would lose all of them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from PIL import Image


class RowFile:
    """Rows that go to a file, or to standard output without one. `written` counts them."""

    def __init__(self, stream: BinaryIO | None) -> None:
        self._stream, self.written = stream, 0
        self._end = stream.tell() if stream is not None and stream.seekable() else 0

    def write(self, row: str) -> None:
        """Write a line; OSError where it cannot be written, and then nothing of it stays in the file."""
        if self._stream is None:
            sys.stdout.write(f"{row}\n")
            sys.stdout.flush()
        else:
            self._append(row.encode("utf-8") + b"\n")
        self.written += 1

    def _append(self, line: bytes) -> None:
        assert self._stream is not None
        rest = memoryview(line)
        try:
            while rest:  # a disk that is nearly full takes a part
                rest = rest[self._stream.write(rest) :]
        except BaseException:
            with suppress(OSError):
                self._stream.truncate(self._end)
            raise
        self._end += len(line)


@contextmanager
def rows_to(path: Path | None, *, go_on: bool = False) -> Iterator[RowFile]:
    """Rows into a file that is begun anew, or behind the whole rows it holds already with `go_on`.

    Raises OSError where it cannot be written, also on the way; standard output is then given up, so that
    Python's own last flush of it does not fail again.
    """
    if path is None:
        try:
            yield RowFile(None)
        except OSError:
            _give_up_stdout()
            raise
        return
    held = sum(len(line) for line in whole_lines(path)) if go_on and path.exists() else None
    # Without a buffer: what is written is with the system, whatever becomes of this process.
    with path.open("wb" if held is None else "r+b", buffering=0) as stream:
        if held is not None:
            stream.truncate(held)
            stream.seek(held)
        yield RowFile(stream)


def whole_lines(path: Path) -> list[bytes]:
    """The lines of a file with their ends; a last one that was cut off in the middle is left out."""
    *lines, _ = path.read_bytes().split(b"\n")
    return [line + b"\n" for line in lines]


def save_picture(picture: Image.Image, path: Path) -> None:
    """Write a PNG whole or not at all."""
    with _whole(path) as partial:
        picture.save(partial, format="PNG")


def save_text(text: str, path: Path) -> None:
    """Write a text in UTF-8 whole or not at all."""
    with _whole(path) as partial:
        partial.write_text(text, encoding="utf-8")


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """A name of its own to write under, so that what bears the final name is always whole."""
    partial = path.with_name(f".{os.getpid()}.part")  # hidden: a folder that is read leaves it out
    try:
        yield partial
        partial.replace(path)
    except BaseException:
        with suppress(OSError):
            partial.unlink()
        raise


def _give_up_stdout() -> None:
    with suppress(OSError, ValueError):
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, sys.stdout.fileno())
        os.close(nothing)
