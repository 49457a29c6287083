"""Picture formats made here are read at their depth, and bad ones refused with the right code."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from cxrtriage.film.film import Film, FilmError
from cxrtriage.film.limits import Limits
from cxrtriage.film.read import read_film, read_trusted_film

GREY8 = (np.indices((40, 60)).sum(axis=0) * 2).astype(np.uint8)
GREY16 = (np.indices((40, 60)).sum(axis=0) * 600).astype(np.uint16)


def saved(image: Image.Image | np.ndarray, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(buffer, kind, **options)
    return buffer.getvalue()


def encoded(image: np.ndarray, extension: str) -> bytes:
    return cv2.imencode(extension, image)[1].tobytes()


def refused(data: bytes, limits: Limits | None = None) -> FilmError:
    with pytest.raises(FilmError) as caught:
        read_film(data, limits)
    return caught.value


def check(film: Film, expected: np.ndarray, atol: float = 1e-6) -> None:
    np.testing.assert_allclose(film.pixels, expected, atol=atol)
    assert not film.pixels.flags.writeable


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "GIF"])
def test_grey_of_8_bits(kind: str) -> None:
    film = read_film(saved(GREY8, kind))
    check(film, GREY8 / 255)
    assert (film.bits, film.format, film.notes) == (8, kind.lower(), ())


def test_webp_and_jpeg_of_grey() -> None:
    check(read_film(saved(np.dstack([GREY8] * 3), "WEBP", lossless=True)), GREY8 / 255)
    check(read_film(saved(GREY8, "JPEG", quality=98)), GREY8 / 255, atol=0.02)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_grey_of_16_bits(kind: str) -> None:
    film = read_film(saved(GREY16, kind))
    check(film, GREY16 / 65535)
    assert film.bits == 16


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_12_bits_in_a_16_bit_file(kind: str) -> None:
    film = read_film(saved(GREY16 // 16, kind))
    check(film, (GREY16 // 16) / 4095)
    assert (film.bits, film.notes) == (12, ("narrow_depth",))


@pytest.mark.parametrize("extension", [".png", ".tiff"])
def test_colour_of_16_bits_keeps_its_depth(extension: str) -> None:
    colour = np.dstack([GREY16, GREY16[::-1], GREY16[:, ::-1]])  # blue, green, red
    film = read_film(encoded(colour, extension))
    unit = colour / 65535
    check(film, 0.114 * unit[..., 0] + 0.587 * unit[..., 1] + 0.299 * unit[..., 2], atol=2e-6)
    assert (film.bits, film.notes) == (16, ("colour",))


def test_transparency_lies_over_black() -> None:
    alpha = np.full_like(GREY8, 128)
    check(read_film(saved(np.dstack([GREY8] * 3 + [alpha]), "PNG")), GREY8 / 255 * (128 / 255))
    deep = np.dstack([GREY16] * 3 + [np.full_like(GREY16, 32768)])
    check(read_film(encoded(deep, ".png")), GREY16 / 65535 * (32768 / 65535), atol=2e-6)


def test_colour_palette_and_one_bit() -> None:
    colour = np.zeros((8, 8, 3), np.uint8)
    colour[..., 0] = 255
    film = read_film(saved(colour, "PNG"))
    assert film.pixels[0, 0] == pytest.approx(0.299, abs=1e-5)
    assert film.notes == ("colour",)
    check(read_film(saved(Image.fromarray(colour).quantize(4), "PNG")), np.full((8, 8), 0.299), atol=1e-2)
    film = read_film(saved(Image.fromarray(GREY8 > 60).convert("1"), "PNG"))
    check(film, (GREY8 > 60).astype(float))
    assert film.bits == 1


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_exif_orientation_is_followed(kind: str, deep: bool) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the picture is shown turned clockwise
    source = GREY16 if deep else GREY8
    film = read_film(saved(source, kind, exif=exif))
    check(film, np.rot90(source, -1) / (65535 if deep else 255))


@pytest.mark.parametrize("deep", [False, True])
def test_tiff_with_white_as_least_is_inverted(deep: bool) -> None:
    source = GREY16 if deep else GREY8
    data = saved(source, "TIFF")
    # Photometric interpretation (tag 262) from 1 to 0.
    white = data.replace(struct.pack("<HHII", 262, 3, 1, 1), struct.pack("<HHII", 262, 3, 1, 0))
    assert white != data
    check(read_film(white), 1 - source / (65535 if deep else 255))


def test_floats_of_0_to_1_stay_and_others_are_scaled() -> None:
    unit = (GREY8 / 255).astype(np.float32)
    check(read_film(saved(unit, "TIFF")), unit)
    check(read_film(saved(unit * 255, "TIFF")), unit)
    check(read_film(saved(unit * 4 - 2, "TIFF")), unit / unit.max())


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_floats_that_are_no_numbers_are_refused(bad: float) -> None:
    pixels = np.zeros((8, 8), np.float32)
    pixels[3, 3] = bad
    assert refused(saved(pixels, "TIFF")).code == "not_finite"


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF"])
def test_animations_are_refused(kind: str) -> None:
    frames = [Image.fromarray(np.dstack([GREY8 // n] * 3)) for n in (1, 2, 3)]
    assert refused(saved(frames[0], kind, save_all=True, append_images=frames[1:])).code == "animation"


def test_tiff_of_several_pages_is_refused_but_a_thumbnail_is_not_a_page() -> None:
    pages = [Image.fromarray(GREY8), Image.fromarray(GREY8[::2, ::2])]
    assert refused(saved(pages[0], "TIFF", save_all=True, append_images=pages[1:])).code == "multi_frame"
    pages[1].encoderinfo = {"tiffinfo": {254: 1}}
    check(read_film(saved(pages[0], "TIFF", save_all=True, append_images=pages[1:])), GREY8 / 255)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP", "BMP"])
@pytest.mark.parametrize("share", [0.4, 0.9])
def test_files_cut_short_are_truncated(kind: str, share: float) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8)
    data = saved(noise, kind)
    assert refused(data[: int(share * len(data))]).code in {"truncated", "unreadable"}
    if kind != "TIFF":  # the directory of a TIFF may be what was cut
        assert refused(data[: int(share * len(data))]).code == "truncated"


def giant_png(side: int) -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"\0" * 100) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [9_000, 20_000, 60_000])
def test_decompression_bombs_are_not_opened(side: int) -> None:
    assert refused(giant_png(side)).code == "decompression_bomb"


@pytest.mark.parametrize(
    ("data", "code", "detail"),
    [
        (b"", "empty", None),
        (b"%PDF-1.7 ...", "not_an_image", "PDF"),
        (b"\xef\xbb\xbf\n <!DOCTYPE html><html></html>", "not_an_image", "HTML"),
        (b"<?xml version='1.0'?><svg/>", "not_an_image", "XML"),
        (b"PK\x03\x04" + bytes(100), "not_an_image", "ZIP"),
        (b"hello", "not_an_image", None),
        (bytes(5000), "not_an_image", None),
        (b"\0\0\0\x18ftypheic" + bytes(50), "not_an_image", "HEIC"),
        (saved(np.zeros((1, 1), np.uint8), "PNG"), "too_small", "1 x 1"),
    ],
)
def test_what_is_no_film_is_refused_with_a_sentence(data: bytes, code: str, detail: str | None) -> None:
    error = refused(data)
    assert (error.code, error.detail) == (code, detail)
    assert error.message.endswith(".")
    assert len(error.message) > 20


def test_limits_are_those_asked_for() -> None:
    data = saved(GREY8, "PNG")
    assert refused(data, Limits(max_bytes=len(data) - 1)).code == "too_large"
    assert refused(data, Limits(max_pixels=2399)).code == "too_large"
    assert refused(data, Limits(min_side=41)).code == "too_small"
    read_film(data, Limits(max_bytes=len(data), max_pixels=2400, min_side=40))


def test_content_counts_and_not_the_name(tmp_path: Path) -> None:
    path = tmp_path / "film.dcm"
    path.write_bytes(saved(GREY8, "PNG"))
    assert read_film(path).format == read_film(str(path)).format == "png"
    assert read_film(path).sha256 == read_film(path.read_bytes()).sha256


def test_a_path_that_cannot_be_read_is_a_film_error(tmp_path: Path) -> None:
    for path in (tmp_path / "none.png", tmp_path, "a\0b"):
        with pytest.raises(FilmError) as caught:
            read_film(path)
        assert caught.value.code == "unreadable"


def test_a_real_film_reads(data_folder: Path) -> None:
    film = read_film(data_folder / "cxr" / "shenzhen-00001.webp")
    assert (film.bits, film.format, film.notes) == (8, "webp", ())
    assert film.pixels.min() >= 0.0
    assert film.pixels.max() <= 1.0


@pytest.mark.parametrize("options", [{"lossless": True}, {"quality": 80}, {"exif": b"Exif\0\0"}])
def test_a_webp_that_is_too_large_is_not_even_opened(options, monkeypatch):
    """Pillow makes room for its picture on opening; 155 bytes of the fuzzer took a gigabyte."""
    data = saved(np.dstack([GREY8] * 3), "WEBP", **options)
    assert data[12:16] in (b"VP8L", b"VP8 ", b"VP8X")
    columns, rows = Image.open(io.BytesIO(data)).size
    read_trusted_film(data, Limits(max_pixels=rows * columns))
    monkeypatch.setattr(Image, "open", lambda *_, **__: pytest.fail("opened"))
    with pytest.raises(FilmError) as caught:
        read_trusted_film(data, Limits(max_pixels=rows * columns - 1))
    assert caught.value.code in ("too_large", "decompression_bomb")
    with pytest.raises(FilmError) as caught:
        read_trusted_film(data, Limits(min_side=min(rows, columns) + 1))
    assert caught.value.detail == f"{columns} x {rows}"
