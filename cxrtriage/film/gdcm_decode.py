"""JPEG Lossless, and JPEG Extended of 12 bits (ITU-T T.81), by GDCM in a process of its own.

GDCM is the free decoder of these two, but it aborts the whole process on some damaged streams, so it
gets one to itself; that costs about a fifth of a second. pydicom 3 does not ask GDCM for 12 bits at
all; asked for the precision of the stream (12) rather than for Bits Stored (often 10), it returns
every value, those that a lossy stream overshoots by included.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np

from cxrtriage.film.film import FilmError

_CHILD = Path(__file__).with_name("gdcm_child.py")
_SECONDS = 60.0


def is_available() -> bool:
    """True where GDCM is installed."""
    return importlib.util.find_spec("gdcm") is not None


def decode(
    stream: bytes,
    *,
    syntax: str,
    rows: int,
    columns: int,
    samples: int,
    bits: int,
    signed: bool,
    photometric: str,
) -> np.ndarray:
    """(rows, columns) or (rows, columns, samples) integers of one frame; `bits` is the stream's precision."""
    allocated = 8 if bits <= 8 else 16
    header = {
        "syntax": syntax, "rows": rows, "columns": columns, "samples": samples,
        "bits": bits, "allocated": allocated, "signed": signed, "photometric": photometric,
    }  # fmt: skip
    raw = _run(json.dumps(header).encode() + b"\n" + _mended(stream))
    if len(raw) < rows * columns * samples * allocated // 8:
        raise FilmError("unreadable")
    kind = np.dtype(f"<{'i' if signed else 'u'}{allocated // 8}")
    values = np.frombuffer(raw, kind, count=rows * columns * samples)
    if signed and bits < allocated:
        # Samples of 9 to 15 bits come without their sign carried into the unused bits.
        sign = 1 << (bits - 1)
        values = ((values & ((1 << bits) - 1)) ^ sign) - sign
    return values.reshape((rows, columns) if samples == 1 else (rows, columns, samples))


def _run(message: bytes) -> bytes:
    """What the child answers; a child that dies or hangs was fed a damaged stream."""
    command = [sys.executable, "-P", str(_CHILD)]
    try:
        done = subprocess.run(command, input=message, capture_output=True, timeout=_SECONDS, check=True)
    except (subprocess.SubprocessError, OSError) as error:
        raise FilmError("unreadable") from error
    return done.stdout


def _mended(stream: bytes) -> bytes:
    """End the spectral selection of a sequential scan at 63, as T.81 B.2.3 asks.

    Some writers of 12-bit streams put 0; a decoder takes it for 63 with a remark, or refuses.
    """
    if b"\xff\xc1" not in stream[:4096]:
        return stream
    start = stream.find(b"\xff\xda\x00\x08\x01")
    if start < 0 or stream[start + 7 : start + 9] != b"\x00\x00":
        return stream
    return stream[: start + 8] + b"\x3f" + stream[start + 9 :]
