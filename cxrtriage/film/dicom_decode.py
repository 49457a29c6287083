"""Stored values of the one frame of a DICOM film, by pydicom's decoders, within the limits."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import generate_frames
from pydicom.pixels import get_decoder
from pydicom.uid import (
    JPEG2000,
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from cxrtriage.film import dicom_header as header
from cxrtriage.film import gdcm_decode
from cxrtriage.film.film import FilmError
from cxrtriage.film.limits import Limits

_PLUGINS = {
    JPEGBaseline8Bit: "pillow",
    JPEGExtended12Bit: "pillow",
    JPEG2000: "pylibjpeg",
    JPEG2000Lossless: "pylibjpeg",
    JPEGLSLossless: "pyjpegls",
    JPEGLSNearLossless: "pyjpegls",
    RLELossless: "pydicom",
}
"""One plugin of pydicom a syntax. Left to choose, pydicom hands a stream that one plugin refused to
the next, and the last one, GDCM, ends the process on damaged JPEG 2000."""

_BY_GDCM = frozenset({JPEGLossless, JPEGLosslessSV1})


@dataclass(frozen=True)
class Stored:
    """`values`: (rows, columns) or, in RGB, (rows, columns, 3), as stored.

    `bits` and `signed` bound the values; `bits_stated` is False where Bits Stored only repeats the
    container of 16 or 32 bits and so says nothing of the depth in use.
    """

    values: np.ndarray
    bits: int
    signed: bool
    bits_stated: bool
    photometric: str


@dataclass(frozen=True)
class Codestream:
    """What the header of a JPEG, JPEG-LS or JPEG 2000 stream says of itself."""

    rows: int
    columns: int
    bits: int


def decode(dataset: Dataset, limits: Limits, file_bytes: int) -> Stored:
    """The stored values of the one frame; refuses by header wherever that can be done."""
    if "PixelData" not in dataset:
        raise FilmError("no_pixels")
    _check_size(dataset, limits, file_bytes)
    _complete(dataset)
    syntax = _transfer_syntax(dataset)
    if syntax.is_encapsulated:
        values, photometric = _encapsulated(dataset, syntax, limits, file_bytes)
    else:
        values, photometric = _native(dataset, syntax)
    return _stored(dataset, values, photometric)


def _stored(dataset: Dataset, values: np.ndarray, photometric: str) -> Stored:
    """Bound the values by Bits Stored, which lossy decoders overshoot by a few."""
    bits = int(dataset.BitsStored)
    signed = bool(dataset.PixelRepresentation)
    if signed:
        values = np.clip(values, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    elif bits < 8 * values.dtype.itemsize:
        values = np.minimum(values, values.dtype.type(2**bits - 1))
    container = int(dataset.BitsAllocated)
    stated = bits < container or container <= 8
    return Stored(values, bits, signed, stated, photometric)


def _check_size(dataset: Dataset, limits: Limits, file_bytes: int) -> None:
    """Rows and columns must be there and within the limits, before anything is decoded."""
    rows, columns = header.number(dataset, "Rows"), header.number(dataset, "Columns")
    if rows is None or columns is None:
        raise FilmError("unreadable")
    if rows and columns and not dataset.PixelData:
        raise FilmError("no_pixels")
    limits.check_size(int(rows), int(columns), file_bytes)


def _complete(dataset: Dataset) -> None:
    """Fill in what PS3.3 C.7.6.3 requires and old or careless writers leave out."""
    samples = header.number(dataset, "SamplesPerPixel") or 1
    if not header.text(dataset, "PhotometricInterpretation"):
        dataset.PhotometricInterpretation = "RGB" if samples == 3 else "MONOCHROME2"
    allocated = header.number(dataset, "BitsAllocated")
    if allocated is None:
        raise FilmError("unreadable")
    dataset.SamplesPerPixel = int(samples)
    dataset.BitsStored = int(header.number(dataset, "BitsStored") or allocated)
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(header.number(dataset, "PixelRepresentation") or 0)
    dataset.NumberOfFrames = 1
    if samples == 3 and header.number(dataset, "PlanarConfiguration") is None:
        dataset.PlanarConfiguration = 0
    if not 1 <= dataset.BitsStored <= allocated <= 32:
        raise FilmError("unreadable")


def _transfer_syntax(dataset: Dataset) -> UID:
    """The transfer syntax of the meta information, or what the bytes say where it is missing."""
    if not hasattr(dataset, "file_meta") or dataset.file_meta is None:
        dataset.file_meta = FileMetaDataset()
    stated = dataset.file_meta.get("TransferSyntaxUID")
    if stated:
        return UID(stated)
    implicit, little = dataset.original_encoding
    guessed = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    if not little:
        guessed = ExplicitVRBigEndian
    if dataset.PixelData[:4] == b"\xfe\xff\x00\xe0":
        guessed = _syntax_of_stream(_frame(dataset))
    dataset.file_meta.TransferSyntaxUID = guessed
    return guessed


def _syntax_of_stream(stream: bytes) -> UID:
    """The transfer syntax that a compressed frame looks like."""
    if stream.startswith((b"\xff\x4f\xff\x51", b"\x00\x00\x00\x0cjP")):
        return JPEG2000
    markers = {0xC0: JPEGBaseline8Bit, 0xC1: JPEGExtended12Bit, 0xC3: JPEGLosslessSV1, 0xF7: JPEGLSLossless}
    for marker, syntax in markers.items():
        if stream.startswith(b"\xff\xd8") and bytes((0xFF, marker)) in stream[:4096]:
            return syntax
    raise FilmError("unsupported_transfer_syntax")


def _native(dataset: Dataset, syntax: UID) -> tuple[np.ndarray, str]:
    """Uncompressed pixels; fewer bytes than the header asks for is a file cut short."""
    samples = 2 if dataset.PhotometricInterpretation == "YBR_FULL_422" else int(dataset.SamplesPerPixel)
    bits = int(dataset.Rows) * int(dataset.Columns) * samples * int(dataset.BitsAllocated)
    if len(dataset.PixelData) < (bits + 7) // 8:
        raise FilmError("truncated")
    return _by_pydicom(dataset, syntax)


def _encapsulated(dataset: Dataset, syntax: UID, limits: Limits, file_bytes: int) -> tuple[np.ndarray, str]:
    """Compressed pixels; the stream's own size is checked before a decoder makes room for it."""
    if syntax not in _PLUGINS and syntax not in _BY_GDCM:
        raise FilmError("unsupported_transfer_syntax", detail=_name(syntax))
    stream = _frame(dataset)
    inside = codestream(stream)
    if inside is not None:
        _check_stream(dataset, stream, inside, limits, file_bytes)
    twelve_bits = syntax == JPEGExtended12Bit and inside is not None and inside.bits > 8
    if inside is not None and (twelve_bits or syntax in _BY_GDCM):
        return _by_gdcm(dataset, syntax, stream, inside)
    if syntax in _BY_GDCM:
        raise FilmError("unreadable")
    if not get_decoder(syntax).is_available:
        raise FilmError("unsupported_transfer_syntax", detail=_name(syntax))
    return _by_pydicom(dataset, syntax)


def _check_stream(
    dataset: Dataset, stream: bytes, inside: Codestream, limits: Limits, file_bytes: int
) -> None:
    """The stream must be of the size the data set says, within the limits, and reach its end."""
    limits.check_size(inside.rows, inside.columns, file_bytes)
    if (inside.rows, inside.columns) != (int(dataset.Rows), int(dataset.Columns)):
        raise FilmError("unreadable")
    if stream[:2] == b"\xff\xd8" and b"\xff\xd9" not in stream[-32:]:
        raise FilmError("truncated")


def _by_gdcm(dataset: Dataset, syntax: UID, stream: bytes, inside: Codestream) -> tuple[np.ndarray, str]:
    """JPEG Lossless or 12-bit JPEG Extended; colour is taken where it is RGB already."""
    samples, photometric = int(dataset.SamplesPerPixel), str(dataset.PhotometricInterpretation)
    if not gdcm_decode.is_available() or (samples != 1 and photometric != "RGB") or inside.bits > 16:
        raise FilmError("unsupported_transfer_syntax", detail=_name(syntax))
    values = gdcm_decode.decode(
        stream,
        syntax=str(syntax),
        rows=inside.rows,
        columns=inside.columns,
        samples=samples,
        bits=inside.bits,
        signed=bool(dataset.PixelRepresentation),
        photometric=photometric,
    )
    return values, photometric


def _by_pydicom(dataset: Dataset, syntax: UID) -> tuple[np.ndarray, str]:
    """Decode by pydicom; YBR comes back as RGB, unused bits are cleared, signs are mended."""
    decoder = get_decoder(syntax)
    array, properties = decoder.as_array(dataset, index=0, decoding_plugin=_PLUGINS.get(syntax, ""))
    return array, str(properties["photometric_interpretation"])


def _frame(dataset: Dataset) -> bytes:
    """The compressed bytes of the one frame."""
    try:
        return next(generate_frames(dataset.PixelData, number_of_frames=1))
    except (StopIteration, ValueError, EOFError, struct.error) as error:
        raise FilmError("truncated") from error


def _name(syntax: UID) -> str | None:
    """The standard's name of a transfer syntax; None for a private one."""
    return None if syntax.name == str(syntax) else syntax.name


def codestream(stream: bytes) -> Codestream | None:
    """Size and depth by SOF (ITU-T T.81 B.2.2, T.87 C.2.2) or SIZ (T.800 A.5.1); None for others (RLE)."""
    start = stream.find(b"\xff\x4f\xff\x51", 0, 256)
    if start >= 0 and not stream.startswith(b"\xff\xd8"):
        if len(stream) < start + 43:
            raise FilmError("truncated")
        width, height, left, top = struct.unpack_from(">IIII", stream, start + 8)
        return Codestream(height - top, width - left, (stream[start + 42] & 0x7F) + 1)
    if not stream.startswith(b"\xff\xd8"):
        return None
    return _frame_header(stream)


def _frame_header(stream: bytes) -> Codestream:
    """The first SOF of a JPEG or JPEG-LS stream."""
    position = 2
    while position + 10 <= len(stream):
        if stream[position] != 0xFF:
            raise FilmError("unreadable")
        marker = stream[position + 1]
        if marker == 0xFF:  # fill byte
            position += 1
            continue
        if marker == 0xF7 or (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)):
            bits, rows, columns = struct.unpack_from(">BHH", stream, position + 4)
            return Codestream(rows, columns, bits)
        position += 2 + struct.unpack_from(">H", stream, position + 2)[0]
    raise FilmError("truncated")
