"""Bytes to `Film`: what a file is, is told by its content and never by its name.

Files come from anywhere, and decoders are large programs in C: `read_film` reads in a child process with
bounds on time and memory.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

import numpy as np

from cxrtriage.film import reader_pool
from cxrtriage.film.codes import NOTE_CODES
from cxrtriage.film.dicom import looks_like_dicom, read_dicom
from cxrtriage.film.film import Film, FilmError, Sex, View
from cxrtriage.film.limits import Limits
from cxrtriage.film.raster import is_raster, read_raster

_OTHER_KINDS = (
    (b"%PDF-", "PDF"),
    (b"{\\rtf", "RTF"),
    (b"PK\x03\x04", "ZIP"),
    (b"\x1f\x8b", "gzip"),
    (b"7z\xbc\xaf", "7-Zip"),
    (b"Rar!", "RAR"),
    (b"\xd0\xcf\x11\xe0", "Office"),
    (b"\x7fELF", "program"),
    (b"MZ", "program"),
    (b"\x00\x00\x00\x0cjP  ", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\x1aE\xdf\xa3", "video"),
    (b"{", "JSON"),
)
"""Beginnings of files that people take for films, and how to name them in the sentence."""

_FORMATS = ("dicom", "png", "jpeg", "tiff", "webp", "bmp", "gif")
_MARKUP = (b"<!doctype html", b"<html", b"<head", b"<body")


def read_film(source: bytes | os.PathLike[str] | str, limits: Limits | None = None) -> Film:
    """The film in `source` (the bytes of a file, or its path), decoded in a child process.

    Raises nothing but `FilmError`, also where a decoder crashes, hangs or fills the memory.
    """
    limits = limits or Limits()
    data = _bytes_of(source, limits)
    said, pixels = reader_pool.POOL.read(
        f"{__name__}:{packed_film.__name__}",
        data,
        seconds=limits.max_seconds,
        memory=limits.max_memory,
        most_bytes=4 * limits.max_pixels,
        words={"limits": asdict(limits)},
    )
    try:
        return _unpacked(said, pixels, hashlib.sha256(data).hexdigest())
    except (TypeError, ValueError, LookupError, ArithmeticError) as error:
        raise FilmError("unreadable") from error


def read_trusted_film(source: bytes | os.PathLike[str] | str, limits: Limits | None = None) -> Film:
    """As `read_film`, in this process: for one's own films in number, and to fuzz the decoders.

    A decoder that crashes ends the process, and none is stopped that hangs.
    """
    limits = limits or Limits()
    data = _bytes_of(source, limits)
    return _film(data, hashlib.sha256(data).hexdigest(), limits)


def start_reader() -> None:
    """Start the child that reads while something else is done; the first film then opens at once."""
    reader_pool.POOL.start()


def packed_film(data: bytes, limits: dict[str, Any]) -> tuple[dict[str, Any], np.ndarray]:
    """In a child: the film as plain values and its pixels, without the digest, which the parent takes."""
    film = _film(data, "", Limits(**limits))
    said = {
        "bits": film.bits, "format": film.format, "view": film.view, "age_years": film.age_years,
        "sex": film.sex, "spacing_mm": film.spacing_mm, "notes": film.notes,
    }  # fmt: skip
    return said, film.pixels


def _unpacked(said: dict[str, Any], pixels: np.ndarray, sha256: str) -> Film:
    """The film of `packed_film`; TypeError, ValueError or the like for what no reader says."""
    view, sex, age, spacing = said["view"], said["sex"], said["age_years"], said["spacing_mm"]
    if view not in (None, *get_args(View)) or sex not in (None, *get_args(Sex)):
        raise ValueError("no view or sex")
    notes = tuple(said["notes"])
    if not NOTE_CODES.issuperset(notes) or said["format"] not in _FORMATS:
        raise ValueError("no notes or format")
    return Film(
        pixels=pixels,
        bits=int(said["bits"]),
        sha256=sha256,
        format=said["format"],
        view=view,
        age_years=None if age is None else float(age),
        sex=sex,
        spacing_mm=None if spacing is None else (float(spacing[0]), float(spacing[1])),
        notes=notes,
    )


def _film(data: bytes, digest: str, limits: Limits) -> Film:
    """The film in the bytes of a file, in this process."""
    if looks_like_dicom(data):
        return read_dicom(data, digest, limits)
    if is_raster(data):
        return read_raster(data, digest, limits)
    raise FilmError("not_an_image", detail=_other_kind(data))


def _bytes_of(source: bytes | os.PathLike[str] | str, limits: Limits) -> bytes:
    """The bytes of `source`, its size checked before it is read."""
    if isinstance(source, bytes | bytearray | memoryview):
        limits.check_bytes(len(source))
        return bytes(source)
    try:
        with Path(source).open("rb") as file:
            limits.check_bytes(os.fstat(file.fileno()).st_size)
            # A file that grows while it is read, or a pipe, is held to the same limit.
            data = file.read(limits.max_bytes + 1)
    except (OSError, ValueError) as error:  # ValueError: a path with a null character
        raise FilmError("unreadable") from error
    limits.check_bytes(len(data))
    return data


def _other_kind(data: bytes) -> str | None:
    """The name of a well-known kind of file that is no picture we read."""
    start = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n")
    lower = start.lower()
    if lower.startswith(_MARKUP) or (lower.startswith((b"<?xml", b"<!--")) and b"<html" in lower):
        return "HTML"
    if lower.startswith((b"<?xml", b"<svg")):
        return "XML"
    if data[4:8] == b"ftyp":
        return "HEIC" if data[8:12] in (b"heic", b"heix", b"mif1", b"hevc", b"msf1") else "video"
    return next((name for magic, name in _OTHER_KINDS if start.startswith(magic)), None)
