"""A child as the pool starts it, whose decoder does on a word in the film what bad decoders do.

python misbehaving_reader.py [without-resource]
"""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Any

import numpy as np

if "without-resource" in sys.argv:
    sys.modules["resource"] = None  # type: ignore[assignment]

import cxrtriage.film.read as read
from cxrtriage.film import reader_child

really = read.packed_film
answered = 0


def packed_film(data: bytes, limits: dict[str, Any]) -> tuple[dict[str, Any], np.ndarray]:
    global answered
    if b"SEGFAULT" in data:
        ctypes.string_at(0)
    if b"ABORT" in data:
        os.abort()
    if b"EXIT" in data:
        os._exit(0)
    if b"HANG" in data:
        while True:
            pass
    if b"HOLD" in data:  # as C does that never lets Python run again
        ctypes.PyDLL(None).sleep(1000)
    if b"FILL" in data:
        kept = []
        while True:
            kept.append(np.ones(2**25))
    if b"MALLOC" in data:  # C that does not look at what it is given
        malloc = ctypes.CDLL(None).malloc
        malloc.restype, malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
        while (place := malloc(2**28)) is not None:
            ctypes.memset(place, 1, 2**20)
        ctypes.string_at(0)
    if b"WORN" in data and answered:  # what it read before has hurt it
        ctypes.string_at(0)
    if b"REMARK" in data:
        os.write(1, b"Warning: " * 1000)
        os.write(2, b"Warning: " * 1000)
    answered += 1
    return really(data, limits)


read.packed_film = packed_film
reader_child.main()
