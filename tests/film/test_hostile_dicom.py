"""DICOM made to harm: nesting, crowds of elements, lengths that lie. Each is a film or one refusal."""

from __future__ import annotations

import struct

import hostile_dicom as hostile
import numpy as np
import pytest
from dicom_maker import dataset_of, deflated, dicom, file_of
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless

from cxrtriage.film.film import FilmError
from cxrtriage.film.limits import Limits
from cxrtriage.film.read import read_film, read_trusted_film

READERS = pytest.mark.parametrize("read", [read_film, read_trusted_film], ids=["in a child", "here"])
PIXELS = hostile.PIXELS
RAW = PIXELS.tobytes()


def pixel_data(value: bytes, length: int | None = None) -> bytes:
    return hostile.film(pixel_element=hostile.element(0x7FE0, 0x10, b"OW", value, length))


def code(data: bytes, limits: Limits | None = None) -> str:
    with pytest.raises(FilmError) as caught:
        read_film(data, limits)
    return caught.value.code


@READERS
def test_the_film_without_harm_is_read(read):
    np.testing.assert_allclose(read(hostile.film()).pixels, PIXELS / 4095, atol=1e-6)


@READERS
@pytest.mark.parametrize("levels", [2_000, 200_000])
def test_a_sequence_without_bottom_is_a_refusal(read, levels):
    with pytest.raises(FilmError) as caught:
        read(hostile.film(hostile.nested(levels)))
    assert caught.value.code == "unreadable"
    read(hostile.film(hostile.nested(50)))


@READERS
def test_crowds_of_elements_and_items_do_not_change_the_film(read):
    for crowd in (hostile.private_elements(20_000), hostile.items(2_000)):
        np.testing.assert_array_equal(read(hostile.film(crowd)).pixels, read(hostile.film()).pixels)


@pytest.mark.parametrize(
    "crowd",
    [hostile.private_elements(500_000), hostile.items(500_000)],
    ids=["half a million private elements", "half a million items"],
)
def test_a_crowd_ends_at_the_bounds(crowd):
    # Some seconds on an idle machine; what is tested is that they are not spent.
    assert code(hostile.film(crowd), Limits(max_seconds=0.2)) == "took_too_long"
    read_film(hostile.film())


WORDS = hostile.element(0x18, 0x1030, b"LO", b"ab", 60_000)


@READERS
@pytest.mark.parametrize(
    ("data", "refusal"),
    [
        (hostile.film(WORDS), "no_pixels"),  # they swallow what comes after
        (hostile.film(hostile.element(0x19, 0x30, b"OB", b"ab", 2**31)), "no_pixels"),
        (hostile.film(hostile.element(0x19, 0x30, b"OB", b"", hostile.UNDEFINED)), "truncated"),
        (hostile.film(hostile.element(0x19, 0x30, b"SQ", b"", hostile.UNDEFINED)), "unreadable"),
        (hostile.film(hostile.nested(3, closed=False)), "unreadable"),
        (pixel_data(RAW[:-2]), "truncated"),
        (
            pixel_data(RAW, hostile.UNDEFINED),
            "truncated",
        ),
        (pixel_data(b"", 2**31), "no_pixels"),
        (hostile.film(Rows=65_535, Columns=65_535), "decompression_bomb"),
        (hostile.film(Rows=1, Columns=65_535), "too_small"),
        (hostile.film(SamplesPerPixel=65_535), "truncated"),
        (hostile.film(BitsAllocated=65_528), "unreadable"),
        (hostile.film(NumberOfFrames=2**31 - 1), "multi_frame"),
        (hostile.film(NumberOfFrames="9" * 12), "multi_frame"),
    ],
)
def test_lengths_and_numbers_that_lie(read, data, refusal):
    with pytest.raises(FilmError) as caught:
        read(data)
    assert caught.value.code == refusal


@READERS
@pytest.mark.parametrize("length", [len(RAW) + 1000, 2**32 - 2])
def test_pixels_beyond_the_picture_are_left_out(read, length):
    film = read(pixel_data(RAW + bytes(1000), length))
    np.testing.assert_array_equal(film.pixels, read(hostile.film()).pixels)


@READERS
@pytest.mark.parametrize("count", [1, 20_000])
def test_fragments_of_nothing_are_no_picture(read, count):
    with pytest.raises(FilmError) as caught:
        read(hostile.fragments(count))
    assert caught.value.code in ("unreadable", "truncated")


def test_a_million_fragments_end_at_the_bounds():
    assert code(hostile.fragments(1_000_000), Limits(max_seconds=0.2)) == "took_too_long"


def test_a_deflated_bomb_ends_at_the_limit():
    limits = Limits(max_bytes=2**22)
    crowd = hostile.film(hostile.items(2_000_000))[132:]
    for bomb in (bytes(2**24), crowd):
        assert len(deflated(bomb)) < 2**16
        assert code(deflated(bomb), limits) == "decompression_bomb"


@READERS
@pytest.mark.parametrize(
    ("syntax", "side"),
    [
        (JPEG2000Lossless, 2),
        (JPEG2000Lossless, 4_000),
        (JPEGLSLossless, 2),
        (JPEGLSLossless, 4_000),
        (RLELossless, 4_000),  # says no size of its own, so that a smaller one only leaves pixels out
    ],
)
def test_a_stream_of_another_size_than_its_header_says(read, syntax, side):
    """Compressed as 64 x 64: a decoder that trusted the header would read or write beyond its room."""
    pixels = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
    dataset = dataset_of(pixels, BitsStored=12)
    file_of(dataset)
    dataset.compress(syntax, generate_instance_uid=False)
    dataset.Rows = dataset.Columns = side
    with pytest.raises(FilmError) as caught:
        read(file_of(dataset, syntax))
    assert caught.value.code in ("unreadable", "truncated")


@READERS
def test_a_table_of_greys_shorter_than_it_says(read):
    item = hostile.element(0x28, 0x3002, b"US", struct.pack("<3H", 0, 0, 16))  # 0 is 65,536 entries
    item += hostile.element(0x28, 0x3006, b"US", b"\1\0")
    item = hostile.FRAGMENT + struct.pack("<I", len(item)) + item
    data = hostile.film()
    pixels = data.index(struct.pack("<HH2s", 0x7FE0, 0x10, b"OW"))
    data = data[:pixels] + hostile.element(0x28, 0x3010, b"SQ", item) + data[pixels:]
    try:
        film = read(data)
    except FilmError as error:
        assert error.code == "unreadable"  # noqa: PT017 - a film that is whole would do as well
    else:
        assert np.isfinite(film.pixels).all()


def test_values_in_their_tens_of_thousands_are_one_window_or_none():
    windows = dicom(PIXELS, BitsStored=12, WindowCenter=[2000.0] * 9000, WindowWidth=[1001.0] * 9000)
    one = dicom(PIXELS, BitsStored=12, WindowCenter=2000, WindowWidth=1001)
    np.testing.assert_array_equal(read_film(windows).pixels, read_film(one).pixels)
