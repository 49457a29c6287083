"""PNG, JPEG, TIFF, WebP, BMP and single GIF pictures to `Film`.

Pillow opens, names and decodes; OpenCV decodes what Pillow would cut to 8 bits (16-bit colour), after
Pillow has decoded the same bytes without complaint. Colours become grey by luma, transparency is laid
over black, and the depth of the source is kept.
"""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from cxrtriage.film import depth
from cxrtriage.film.film import Film, FilmError
from cxrtriage.film.limits import Limits
from cxrtriage.film.quiet import quiet_decoders

_FORMATS = ("PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF")
"""The only plugins of Pillow that ever see the bytes, so that none of them starts another program.
JPEG also opens MPO, the several pictures in one JPEG of some telephones, of which the first is read."""

_MAGIC = (
    b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+", b"BM", b"GIF8",
)  # fmt: skip

_ORIENTATION = 0x0112  # Exif 2.32, section 4.6.4; the same number in TIFF 6.0
_BITS_PER_SAMPLE = 258  # TIFF 6.0, section 8
_PHOTOMETRIC = 262
_NEW_SUBFILE_TYPE = 254
_SAMPLE_FORMAT = 339

_TRUNCATED_WORDS = ("truncated", "unexpected end", "not enough data", "broken data stream")


@dataclass(frozen=True)
class _Decoded:
    """`pixels`: (rows, columns) float32 in 0..1, upright as EXIF says; `bits` of the source."""

    pixels: np.ndarray
    bits: int
    notes: tuple[str, ...] = ()


def is_raster(data: bytes) -> bool:
    """True where the first bytes are those of a picture format read here."""
    return data.startswith(_MAGIC) or (data[:4] == b"RIFF" and data[8:12] == b"WEBP")


def read_raster(data: bytes, sha256: str, limits: Limits) -> Film:
    """The film in the bytes of a picture file; raises nothing but `FilmError`."""
    try:
        webp = _webp_size(data)
        if webp is not None:  # Pillow makes room for the whole picture when it opens one
            limits.check_size(*webp, len(data))
        # Pillow warns of odd metadata, which does not touch the pixels.
        with quiet_decoders(), Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            _check_header(image, data, limits)
            decoded = _decode(image, data)
            kind = (image.format or "").lower()
    except FilmError:
        raise
    except Image.DecompressionBombError as error:
        raise FilmError("decompression_bomb") from error
    except MemoryError as error:
        raise FilmError("too_large") from error
    except Exception as error:
        # Hostile or damaged bytes make decoders raise nearly anything (OSError, ValueError,
        # SyntaxError, struct.error, cv2.error ...); here ends the decoders' reach.
        raise FilmError(_failure_code(data, error)) from error
    return Film(
        pixels=decoded.pixels,
        bits=decoded.bits,
        sha256=sha256,
        format="jpeg" if kind == "mpo" else kind,
        notes=decoded.notes,
    )


def _webp_size(data: bytes) -> tuple[int, int] | None:
    """(rows, columns) by the first chunk of a WebP file (RFC 9649, sections 2.5 to 2.7); None for others."""
    if data[:4] != b"RIFF" or len(data) < 30:
        return None
    if data[12:16] == b"VP8X":
        return 1 + int.from_bytes(data[27:30], "little"), 1 + int.from_bytes(data[24:27], "little")
    if data[12:16] == b"VP8L":
        sides = int.from_bytes(data[21:25], "little")
        return 1 + (sides >> 14 & 0x3FFF), 1 + (sides & 0x3FFF)
    if data[12:16] == b"VP8 ":
        columns, rows = struct.unpack_from("<HH", data, 26)
        return rows & 0x3FFF, columns & 0x3FFF
    return None


def _check_header(image: Image.Image, data: bytes, limits: Limits) -> None:
    """Size, animation and pages, told from the header alone."""
    limits.check_size(image.height, image.width, len(data))
    frames = getattr(image, "n_frames", 1)
    if image.format in ("PNG", "WEBP", "GIF") and (frames > 1 or getattr(image, "is_animated", False)):
        raise FilmError("animation")
    if image.format == "TIFF" and frames > 1:
        _check_pages(image, frames)


def _check_pages(image: Image.Image, frames: int) -> None:
    """Refuse a TIFF of several pages, unless the others are thumbnails of the first (TIFF 6.0, tag 254)."""
    for page in range(1, min(frames, 16)):
        image.seek(page)
        if not int(image.tag_v2.get(_NEW_SUBFILE_TYPE, 0)) & 1:  # type: ignore[attr-defined]
            raise FilmError("multi_frame")
    image.seek(0)


def _decode(image: Image.Image, data: bytes) -> _Decoded:
    """Decode to grey in 0..1; the header has been checked."""
    orientation = image.getexif().get(_ORIENTATION, 1)
    deep_colour = _is_deep_colour(image, data)
    image.load()
    if deep_colour:
        return _deep_colour(data, orientation)
    # TIFF is turned by Pillow while it loads, which also drops the tag.
    upright = ImageOps.exif_transpose(image)
    if image.mode in ("I", "F", "I;16", "I;16L", "I;16B", "I;16N"):
        return _deep_grey(upright, image)
    return _eight_bits(upright)


def _is_deep_colour(image: Image.Image, data: bytes) -> bool:
    """True for pictures of 16 bits a channel that Pillow would reduce to 8."""
    if image.format == "PNG":
        bit_depth, colour_type = data[24], data[25]  # IHDR, PNG specification section 11.2.2
        return bit_depth == 16 and colour_type in (2, 4, 6)
    if image.format == "TIFF":
        bits = image.tag_v2.get(_BITS_PER_SAMPLE, (1,))  # type: ignore[attr-defined]
        return len(bits) > 1 and max(bits) > 8
    return False


def _deep_colour(data: bytes, orientation: int) -> _Decoded:
    """16-bit colour by OpenCV: (rows, columns, 3 or 4) uint16, blue first."""
    array = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if array is None or array.dtype != np.uint16:
        raise FilmError("unreadable")
    array = array if array.ndim == 3 else array[..., np.newaxis].repeat(3, axis=2)
    array = _turn(array, orientation)
    bits = depth.narrowest_depth(0, float(array[..., :3].max()), 16, signed=False)
    unit = depth.to_unit(array[..., 2::-1], bits)
    if array.shape[2] == 4:
        unit *= depth.to_unit(array[..., 3:], 16)
    return _Decoded(depth.grey(unit), bits, _notes(bits, 16, not depth.is_grey(unit)))


def _deep_grey(upright: Image.Image, source: Image.Image) -> _Decoded:
    """Grey of more than 8 bits, integers or floats."""
    values = np.asarray(upright)
    if values.dtype.kind == "f":
        decoded = _from_floats(values)
    else:
        decoded = _from_integers(values, *_stated_depth(source))
    if _min_is_white(source):
        return _Decoded(np.float32(1.0) - decoded.pixels, decoded.bits, decoded.notes)
    return decoded


def _from_integers(values: np.ndarray, stated: int, signed: bool) -> _Decoded:
    """Integers of a stated container depth; 12-bit film in a 16-bit file is scaled as 12 bits."""
    low, high = float(values.min()), float(values.max())
    bits = depth.narrowest_depth(low, high, stated, signed) if stated >= 16 else stated
    return _Decoded(depth.to_unit(values, bits, signed), bits, _notes(bits, stated, False))


def _from_floats(values: np.ndarray) -> _Decoded:
    """Floats: 0..1 as they are, other non-negative ones by the depth that holds them, else by their range."""
    if not np.isfinite(values).all():
        raise FilmError("not_finite")
    low, high = float(values.min()), float(values.max())
    if low >= 0.0 and high <= 1.0:
        return _Decoded(values.astype(np.float32), 32)
    if low >= 0.0 and high <= 2.0**32:
        bits = depth.narrowest_depth(low, high, 32, signed=False)
        return _Decoded(depth.to_unit(values, bits), 32)
    if high == low:
        return _Decoded(np.zeros(values.shape, np.float32), 32)
    # In double precision: the span of two float32 may exceed float32.
    unit = (values.astype(np.float64) - low) / (high - low)
    return _Decoded(unit.astype(np.float32), 32)


def _eight_bits(upright: Image.Image) -> _Decoded:
    """Grey, palette, 1-bit, RGB, CMYK, with or without transparency, of at most 8 bits a channel."""
    bits = 1 if upright.mode == "1" else 8
    if upright.mode in ("1", "L") and "transparency" not in upright.info:
        return _Decoded(depth.to_unit(np.asarray(upright.convert("L")), 8), bits)
    transparent = upright.mode in ("LA", "La", "RGBA", "RGBa", "PA") or "transparency" in upright.info
    colour = np.asarray(upright.convert("RGBA" if transparent else "RGB"))
    unit = depth.to_unit(colour[..., :3], 8)
    if transparent:
        unit *= depth.to_unit(colour[..., 3:], 8)
    in_colour = not depth.is_grey(colour)
    # JPEG and WebP store grey as colour, and their rounding may leave a trace of it.
    if in_colour and upright.mode in ("RGB", "RGBX"):
        in_colour = int(np.ptp(colour[..., :3].astype(np.int16), axis=2).max()) > 8
    return _Decoded(depth.grey(unit), bits, _notes(bits, bits, in_colour))


def _notes(bits: int, stated: int, in_colour: bool) -> tuple[str, ...]:
    """Codes that belong to how the pixels were read."""
    return (("colour",) if in_colour else ()) + (("narrow_depth",) if bits < stated else ())


def _stated_depth(source: Image.Image) -> tuple[int, bool]:
    """Bits a sample and whether they are signed, as the header says."""
    if source.format != "TIFF":
        return 16, False  # PNG: samples of more than 8 bits have 16
    tags = source.tag_v2  # type: ignore[attr-defined]
    bits = int(tags.get(_BITS_PER_SAMPLE, (1,))[0])
    return bits, int(tags.get(_SAMPLE_FORMAT, (1,))[0]) == 2


def _min_is_white(source: Image.Image) -> bool:
    """TIFF with photometric interpretation 0; Pillow turns only those of up to 8 bits."""
    if source.format != "TIFF":
        return False
    return source.tag_v2.get(_PHOTOMETRIC) == 0  # type: ignore[attr-defined]


def _turn(array: np.ndarray, orientation: int) -> np.ndarray:
    """`array` upright, by the EXIF orientation 1..8."""
    if orientation in (5, 6, 7, 8):
        array = np.swapaxes(array, 0, 1)
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    return np.ascontiguousarray(array)


def _failure_code(data: bytes, error: Exception) -> str:
    """Why a decoder gave up: the file ends early, is no picture after all, or is damaged."""
    if any(word in str(error).lower() for word in _TRUNCATED_WORDS) or _ends_early(data):
        return "truncated"
    if isinstance(error, UnidentifiedImageError) and len(data) < 64:
        return "not_an_image"
    return "unreadable"


def _ends_early(data: bytes) -> bool:
    """True where the format's own mark of the end is missing, asked only after decoding failed."""
    if data[:4] == b"RIFF":
        return len(data) < 8 + struct.unpack("<I", data[4:8])[0] if len(data) >= 8 else True
    if data.startswith(b"\x89PNG"):
        return not _png_reaches_end(data)
    if data.startswith(b"\xff\xd8"):
        return b"\xff\xd9" not in data[-64:]
    if data.startswith(b"BM"):
        return len(data) < 6 or len(data) < struct.unpack("<I", data[2:6])[0]
    return False


def _png_reaches_end(data: bytes) -> bool:
    """True where the last 12 bytes are a whole IEND chunk, whatever comes after it aside."""
    return b"IEND" + struct.pack(">I", zlib.crc32(b"IEND")) in data
