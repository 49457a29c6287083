"""Bytes to `Film`: what a file is, is told by its content and never by its name."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from cxrtriage.film.dicom import looks_like_dicom, read_dicom
from cxrtriage.film.film import Film, FilmError
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

_MARKUP = (b"<!doctype html", b"<html", b"<head", b"<body")


def read_film(source: bytes | os.PathLike[str] | str, limits: Limits | None = None) -> Film:
    """The film in `source` (the bytes of a file, or its path).

    Raises nothing but `FilmError`.
    """
    limits = limits or Limits()
    data = _bytes_of(source, limits)
    digest = hashlib.sha256(data).hexdigest()
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
