"""DICOM files as someone writes them who wants to harm the reader, byte by byte."""

from __future__ import annotations

import struct

import numpy as np
from dicom_maker import dataset_of, file_of
from pydicom.uid import JPEGBaseline8Bit

UNDEFINED = 0xFFFFFFFF
FRAGMENT = b"\xfe\xff\x00\xe0"
SEQUENCE_END = b"\xfe\xff\xdd\xe0" + bytes(4)
ITEM_END = b"\xfe\xff\x0d\xe0" + bytes(4)
PIXELS = np.arange(256, dtype=np.uint16).reshape(16, 16) * 16


def element(group: int, number: int, vr: bytes, value: bytes, length: int | None = None) -> bytes:
    """An explicit element; `length` where it is to lie."""
    length = len(value) if length is None else length
    if vr in (b"OB", b"OW", b"SQ", b"UN", b"UT"):
        return struct.pack("<HH2sHI", group, number, vr, 0, length) + value
    return struct.pack("<HH2sH", group, number, vr, length) + value


def film(extra: bytes = b"", *, pixel_element: bytes | None = None, **tags: object) -> bytes:
    """A whole film with `extra` elements before the group of its size, and another pixel element if any."""
    data = file_of(dataset_of(PIXELS, BitsStored=12, **tags))
    size = data.index(struct.pack("<HH2s", 0x28, 0x02, b"US"))
    pixels = data.index(struct.pack("<HH2s", 0x7FE0, 0x10, b"OW"))
    return data[:size] + extra + data[size:pixels] + (pixel_element or data[pixels:])


def nested(levels: int, *, closed: bool = True) -> bytes:
    """A sequence in a sequence in a sequence."""
    opening = element(0x08, 0x1140, b"SQ", FRAGMENT + struct.pack("<I", UNDEFINED), UNDEFINED)
    return opening * levels + (ITEM_END + SEQUENCE_END) * levels * closed


def items(count: int) -> bytes:
    """View codes, which are looked at, in so many empty items."""
    return element(0x54, 0x0220, b"SQ", (FRAGMENT + bytes(4)) * count + SEQUENCE_END, UNDEFINED)


def private_elements(count: int) -> bytes:
    """Elements of private groups, each with its block's creator claimed once."""
    groups = range(0x0019, 0x0019 + 2 * (count // 200 + 1), 2)
    made = []
    for group in groups:
        made.append(element(group, 0x10, b"LO", b"NO ONE"))
        made += [element(group, 0x1000 + number, b"LO", b"x ") for number in range(200)]
    return b"".join(made)


def fragments(count: int, stream: bytes = b"") -> bytes:
    """A compressed film of `count` empty fragments, then `stream`."""
    whole = file_of(dataset_of((PIXELS // 16).astype(np.uint8)), JPEGBaseline8Bit, b"\xff\xd8")
    start = whole.index(struct.pack("<HH2s", 0x7FE0, 0x10, b"OB"))
    value = (FRAGMENT + bytes(4)) * (count + 1) + FRAGMENT + struct.pack("<I", len(stream)) + stream
    return whole[:start] + element(0x7FE0, 0x10, b"OB", value + SEQUENCE_END, UNDEFINED)
