"""What goes between the program and the child that reads its files: a JSON head, then raw bytes.

Nothing is unpickled on either side: whoever takes over the child by a damaged film can answer numbers and
words alone, and these are checked.
"""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

_LENGTH = struct.Struct(">I")
_LONGEST_HEAD = 2**20  # bytes; a head is some hundred bytes, that of a thick volume some ten thousand
_DTYPES = ("<f4", "<i4", "<i2", "<u2", "|u1", "|i1")


def send(stream: io.RawIOBase, head: Mapping[str, Any], body: bytes | memoryview = b"") -> None:
    """Write a head and `body`, whose length the head names as `bytes`; OSError where no one listens."""
    text = json.dumps({**head, "bytes": len(body)}, allow_nan=False).encode()
    _write(stream, memoryview(_LENGTH.pack(len(text)) + text))
    _write(stream, memoryview(body))


def send_array(stream: io.RawIOBase, head: Mapping[str, Any], array: np.ndarray) -> None:
    """Write a head and an array of numbers of at most 32 bits."""
    plain = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    send(stream, {**head, "dtype": plain.dtype.str, "shape": plain.shape}, _bytes(plain))


def receive(stream: io.RawIOBase) -> dict[str, Any]:
    """The next head. EOFError where the other side has ended, ValueError where it speaks nonsense."""
    (length,) = _LENGTH.unpack(receive_bytes(stream, _LENGTH.size))
    if length > _LONGEST_HEAD:
        raise ValueError("the head is too long")
    try:
        head = json.loads(receive_bytes(stream, length))
    except RecursionError as error:
        raise ValueError("the head is too deep") from error
    if not isinstance(head, dict) or not isinstance(head.get("bytes"), int):
        raise ValueError("the head is no object with a length")
    return head


def receive_bytes(stream: io.RawIOBase, count: int) -> bytearray:
    """`count` bytes; EOFError where fewer come."""
    buffer = bytearray(count)
    _fill(stream, memoryview(buffer))
    return buffer


def receive_array(stream: io.RawIOBase, head: Mapping[str, Any], most_bytes: int) -> np.ndarray:
    """The array that a head announces; ValueError where it is none, or larger than `most_bytes`."""
    name, shape = head.get("dtype"), head.get("shape")
    if name not in _DTYPES or not isinstance(shape, list) or len(shape) > 3:
        raise ValueError("no array of numbers")
    if not all(isinstance(side, int) and 0 <= side < 2**32 for side in shape):
        raise ValueError("no shape")
    dtype, size = np.dtype(name), 1
    for side in shape:
        size *= side
    if size * dtype.itemsize != head["bytes"] or head["bytes"] > most_bytes:
        raise ValueError("not the length of the array")
    array = np.empty(shape, dtype)
    if size:
        _fill(stream, _bytes(array))
    return array


def _bytes(array: np.ndarray) -> memoryview:
    """The memory of a contiguous array."""
    return array.reshape(-1).view(np.uint8).data


def _write(stream: io.RawIOBase, data: memoryview) -> None:
    while data:
        data = data[stream.write(data) or 0 :]


def _fill(stream: io.RawIOBase, buffer: memoryview) -> None:
    while buffer:
        count = stream.readinto(buffer)
        if not count:
            raise EOFError("the other side has ended")
        buffer = buffer[count:]
