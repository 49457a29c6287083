"""Damaged bytes end in a `Film` or a `FilmError`, and in nothing else, before any child process helps."""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from dicom_maker import dataset_of, deflated, dicom, file_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom.uid import (
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)

from cxrtriage.film.codes import FILM_CODES, NOTE_CODES
from cxrtriage.film.film import Film, FilmError
from cxrtriage.film.limits import Limits
from cxrtriage.film.read import read_trusted_film

LIMITS = Limits(max_bytes=2**22, max_pixels=4_000_000)
KINDS = [
    "png", "png16", "jpeg", "tiff", "tiff_packed", "webp", "gif", "bmp",
    "dicom", "dicom_rle", "dicom_jpeg", "dicom_jpegls", "dicom_j2k", "dicom_deflated",
]  # fmt: skip


@cache
def sample(kind: str) -> bytes:
    """A small whole file of a kind."""
    rng = np.random.default_rng(7)
    pixels = (np.indices((24, 32)).sum(axis=0) * 4 + rng.integers(0, 9, (24, 32))).astype(np.uint8)
    deep = pixels.astype(np.uint16) * 16
    options = {"png16": ("PNG", {}), "tiff_packed": ("TIFF", {"compression": "tiff_lzw"})}
    if not kind.startswith("dicom"):
        name, more = options.get(kind, (kind.upper(), {}))
        buffer = io.BytesIO()
        Image.fromarray(deep if kind == "png16" else pixels).save(buffer, name, **more)
        return buffer.getvalue()
    if kind == "dicom":
        return dicom(deep, BitsStored=12, WindowCenter=2000, WindowWidth=4000, PatientOrientation=["R", "F"])
    if kind == "dicom_deflated":
        dataset = dataset_of(deep, BitsStored=12)
        buffer = io.BytesIO()
        dataset.save_as(buffer, implicit_vr=False, little_endian=True)
        return deflated(buffer.getvalue())
    if kind == "dicom_jpeg":
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "JPEG")
        return file_of(dataset_of(pixels), JPEGBaseline8Bit, buffer.getvalue())
    dataset = dataset_of(deep, BitsStored=12)
    file_of(dataset, ExplicitVRLittleEndian)  # sets the meta information that compress() needs
    syntaxes = {"dicom_rle": RLELossless, "dicom_jpegls": JPEGLSLossless, "dicom_j2k": JPEG2000Lossless}
    if kind == "dicom_j2k":  # as large as the encoder's six resolutions ask for
        dataset = dataset_of(np.tile(deep, (2, 2)), BitsStored=12)
        file_of(dataset, ExplicitVRLittleEndian)
    dataset.compress(syntaxes[kind], generate_instance_uid=False)
    return file_of(dataset, syntaxes[kind])


@st.composite
def damaged(draw: st.DrawFn, kind: str) -> bytes:
    """The sample with bits flipped, bytes put in or taken out, or its end cut off."""
    data = bytearray(sample(kind))
    for _ in range(draw(st.integers(1, 6))):
        action = draw(st.sampled_from(["flip", "insert", "remove", "set", "cut"]))
        place = draw(st.integers(0, max(len(data) - 1, 0)))
        if action == "flip" and data:
            data[place] ^= 1 << draw(st.integers(0, 7))
        elif action == "insert":
            data[place:place] = draw(st.binary(min_size=1, max_size=8))
        elif action == "remove":
            del data[place : place + draw(st.integers(1, 16))]
        elif action == "set":
            data[place : place + 4] = draw(
                st.sampled_from([b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff"])
            )
        elif draw(st.integers(0, 3)) == 0:
            del data[place:]
    return bytes(data)


@pytest.mark.parametrize("kind", KINDS)
def test_the_samples_are_whole(kind: str) -> None:
    expected = (48, 64) if kind == "dicom_j2k" else (24, 32)
    assert read_trusted_film(sample(kind), LIMITS).pixels.shape == expected


@pytest.mark.parametrize("kind", KINDS)
@settings(
    max_examples=250, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)  # fmt: skip
@given(data=st.data())
def test_damaged_files_end_in_a_film_or_a_film_error(kind: str, data: st.DataObject) -> None:
    check_outcome(data.draw(damaged(kind)))


def check_outcome(data: bytes) -> None:
    """A proper film, or a refusal with a code of the table."""
    try:
        film = read_trusted_film(data, LIMITS)
    except FilmError as error:
        if error.code not in FILM_CODES:
            pytest.fail(f"{error.code} is no code")
        return
    assert isinstance(film, Film)
    assert film.pixels.dtype == np.float32
    assert np.isfinite(film.pixels).all()
    assert film.pixels.min() >= 0.0
    assert film.pixels.max() <= 1.0
    assert set(film.notes) <= NOTE_CODES


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.binary(max_size=600), st.sampled_from([b"", bytes(128) + b"DICM", b"\x89PNG\r\n\x1a\n", b"II*\0"]))
def test_any_bytes_end_in_a_film_or_a_film_error(tail: bytes, head: bytes) -> None:
    check_outcome(head + tail)


@pytest.mark.parametrize("name", ["wearemoth-RG3_JPLY.dcm", "spoksonat-cxr.dcm"])
def test_damaged_streams_cannot_end_the_program(data_folder: Path, name: str) -> None:
    """12-bit and lossless JPEG, whose decoder aborts its process on some streams (a quarter second each)."""
    whole = (data_folder / "dicom" / name).read_bytes()
    rng = np.random.default_rng(11)
    for _ in range(8):
        data = bytearray(whole)
        # After the header of the data set, in the first part of the stream, where its own headers are.
        start = data.index(b"\xff\xd8", 500)
        for place in rng.integers(start + 2, start + 700, 6):
            data[place] = rng.integers(256)
        check_outcome(bytes(data))
