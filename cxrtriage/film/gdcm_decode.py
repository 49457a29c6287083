"""JPEG Lossless, and JPEG Extended of 12 bits (ITU-T T.81), by GDCM, and never in the program's own process.

GDCM is the free decoder of these two, but it aborts the whole process on some damaged streams. Where a file
is read in the program itself (`read_trusted_film`), the frame alone goes to a child of the pool. pydicom 3
does not ask GDCM for 12 bits at all; asked for the precision of the stream (12) rather than for Bits Stored
(often 10), it returns every value, those that a lossy stream overshoots by included.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import Any

import numpy as np

from cxrtriage.film import reader_pool
from cxrtriage.film.film import FilmError
from cxrtriage.film.limits import Limits

contained = False
"""True in a child, which may die."""


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
    raw = _raw(_mended(stream), header)
    if len(raw) < rows * columns * samples * allocated // 8:
        raise FilmError("unreadable")
    kind = np.dtype(f"<{'i' if signed else 'u'}{allocated // 8}")
    values = np.frombuffer(raw, kind, count=rows * columns * samples)
    if signed and bits < allocated:
        # Samples of 9 to 15 bits come without their sign carried into the unused bits.
        sign = 1 << (bits - 1)
        values = ((values & ((1 << bits) - 1)) ^ sign) - sign
    return values.reshape((rows, columns) if samples == 1 else (rows, columns, samples))


def _raw(stream: bytes, header: dict[str, Any]) -> np.ndarray:
    """The samples as GDCM gives them, (bytes,) uint8."""
    if contained:
        return raw_samples(stream, header)[1]
    limits = Limits()
    _, raw = reader_pool.POOL.read(
        f"{__name__}:{raw_samples.__name__}",
        stream,
        seconds=limits.max_seconds,
        memory=limits.max_memory,
        most_bytes=limits.max_memory,
        words={"header": header},
    )
    return raw


def raw_samples(stream: bytes, header: Mapping[str, Any]) -> tuple[dict[str, Any], np.ndarray]:
    """In a child: nothing to say, and the decoded bytes."""
    # GDCM returns bytes as text with surrogates.
    raw = _image(header, stream).GetBuffer().encode("utf-8", "surrogateescape")
    return {}, np.frombuffer(raw, np.uint8)


def _image(header: Mapping[str, Any], stream: bytes) -> Any:
    """A GDCM image that holds the compressed stream."""
    import gdcm

    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(stream)
    fragments = gdcm.SequenceOfFragments.New()
    fragments.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(fragments.__ref__())
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((header["columns"], header["rows"], 1))
    image.SetDataElement(element)
    kind = gdcm.PhotometricInterpretation.GetPIType(header["photometric"])
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(kind))
    if header["samples"] > 1:
        image.SetPlanarConfiguration(0)
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.GetTSType(header["syntax"])))
    bits = header["bits"]
    image.SetPixelFormat(
        gdcm.PixelFormat(header["samples"], header["allocated"], bits, bits - 1, int(header["signed"]))
    )
    return image


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
