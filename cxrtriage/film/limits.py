"""How large or small a film may be, checked before any pixel is decoded wherever the header allows."""

from __future__ import annotations

from dataclasses import dataclass

from cxrtriage.film.film import FilmError

_BOMB_PIXELS_PER_BYTE = 50
"""A film compresses to some 2 to 20 pixels a byte; beyond this a giant picture is taken for a bomb."""

_MEMORY = 512 * 2**20
_MEMORY_A_PIXEL = 40
_MEMORY_A_BYTE = 4


@dataclass(frozen=True)
class Limits:
    """Limits of one reading.

    `max_bytes` bounds the file and what a deflated file unpacks to; `max_pixels` bounds rows x columns
    (the largest detectors give about 20 million). `min_side` is in pixels and only keeps out what is
    no picture at all (0 x 0, tracking pixels): whether a tiny picture shows a chest is for the gate.
    `max_seconds` bounds the reading of one file: the largest film takes a tenth of it, and half on a machine
    that is busy with other things.
    """

    max_bytes: int = 256 * 2**20
    max_pixels: int = 80_000_000
    min_side: int = 2
    max_seconds: float = 120.0

    @property
    def max_memory(self) -> int:
        """Bytes that the reading of one file may take: what the largest film takes in the worst of its
        codings, with some to spare."""
        return _MEMORY + _MEMORY_A_PIXEL * self.max_pixels + _MEMORY_A_BYTE * self.max_bytes

    def check_bytes(self, count: int) -> None:
        """Refuse a file of `count` bytes that is empty or over the limit."""
        if count == 0:
            raise FilmError("empty")
        if count > self.max_bytes:
            raise FilmError("too_large", detail=f"{self.max_bytes / 2**20:g} MiB")

    def check_size(self, rows: int, columns: int, file_bytes: int) -> None:
        """Refuse a picture of `rows` x `columns` pixels, held in `file_bytes` bytes, by its size."""
        if rows < self.min_side or columns < self.min_side:
            raise FilmError("too_small", detail=f"{columns} x {rows}")
        if rows * columns > self.max_pixels:
            bomb = rows * columns > _BOMB_PIXELS_PER_BYTE * file_bytes
            limit = f"{self.max_pixels / 1e6:g} MP"
            raise FilmError("decompression_bomb" if bomb else "too_large", detail=limit)
