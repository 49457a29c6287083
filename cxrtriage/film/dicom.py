"""DICOM to `Film`: computed and digital radiography and secondary captures, single frame.

Section numbers are those of DICOM PS3. Nothing but pixels, view, age, sex and spacing is kept.
"""

from __future__ import annotations

import io
import struct
import zlib

import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    UID,
    ComputedRadiographyImageStorage,
    DeflatedExplicitVRLittleEndian,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
    ExplicitVRLittleEndian,
    MediaStorageDirectoryStorage,
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    MultiFrameSingleBitSecondaryCaptureImageStorage,
    MultiFrameTrueColorSecondaryCaptureImageStorage,
    SecondaryCaptureImageStorage,
)

from cxrtriage.film import dicom_header as header
from cxrtriage.film.dicom_pixels import GreyFilm, read_grey
from cxrtriage.film.film import Film, FilmError
from cxrtriage.film.limits import Limits
from cxrtriage.film.quiet import quiet_decoders

_FILM_CLASSES = frozenset(
    {
        ComputedRadiographyImageStorage,
        DigitalXRayImageStorageForPresentation,
        DigitalXRayImageStorageForProcessing,
        SecondaryCaptureImageStorage,
        MultiFrameSingleBitSecondaryCaptureImageStorage,
        MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
        MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
        MultiFrameTrueColorSecondaryCaptureImageStorage,
    }
)
"""PS3.4 B.5. Digitised film (modality RG) is stored as computed radiography or secondary capture."""

_FILM_MODALITIES = frozenset({"CR", "DX", "RG", "OT", "SC", "XC", "HC", ""})
"""PS3.3 C.7.3.1.1.1; asked only where a file names no SOP class. HC is hard copy."""

_PREAMBLE = 128
_FIRST_GROUPS = (2, 8)


def looks_like_dicom(data: bytes) -> bool:
    """True for PS3.10 files, and for bare data sets that begin as one would.

    A bare data set begins with an element of group 2 or 8, in either byte order, with a small
    element number and, where the VR is implicit, a length that fits.
    """
    if data[_PREAMBLE : _PREAMBLE + 4] == b"DICM" or data[:4] == b"DICM":
        return True
    if len(data) < 16:
        return False
    for order in "<>":
        group, element, length = struct.unpack(order + "HHI", data[:8])
        if group in _FIRST_GROUPS and element <= 0x70:
            explicit = data[4:6].isalpha() and data[4:6].isupper()
            return explicit or (order == "<" and length <= 64)
    return False


def read_dicom(data: bytes, sha256: str, limits: Limits) -> Film:
    """The film in the bytes of a DICOM file; raises nothing but `FilmError`."""
    with quiet_decoders():
        try:
            dataset = parse_dicom(data, limits)
            _check_kind(dataset)
            grey = read_grey(dataset, limits, len(data))
            return _film(dataset, grey, sha256)
        except FilmError:
            raise
        except EOFError as error:
            raise FilmError("truncated") from error
        except MemoryError as error:
            raise FilmError("too_large") from error
        except Exception as error:
            # pydicom and its decoders answer hostile or damaged bytes with nearly any exception
            # (struct.error, ValueError, KeyError, RecursionError ...).
            raise FilmError("unreadable") from error


def parse_dicom(data: bytes, limits: Limits) -> Dataset:
    """The data set, also without preamble or meta information, or deflated (PS3.5 A.5)."""
    if data[:4] == b"DICM":
        data = bytes(_PREAMBLE) + data
    end_of_meta, syntax = _scan_meta(data)
    if syntax != DeflatedExplicitVRLittleEndian:
        return pydicom.dcmread(io.BytesIO(data), force=True)
    dataset = pydicom.dcmread(io.BytesIO(_inflate(data[end_of_meta:], limits)), force=True)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return dataset


def _scan_meta(data: bytes) -> tuple[int, str]:
    """Where the data set begins and its transfer syntax; ("" where there is no meta information).

    Read here so that a deflated data set can be unpacked within the limit before pydicom unpacks
    all of it. The group length is not trusted: it is wrong in some files.
    """
    position = _PREAMBLE + 4 if data[_PREAMBLE : _PREAMBLE + 4] == b"DICM" else 0
    syntax = ""
    while position + 8 <= len(data) and data[position : position + 2] == b"\x02\x00":
        element = struct.unpack_from("<H", data, position + 2)[0]
        if data[position + 4 : position + 6] in (b"OB", b"OW", b"UN", b"SQ", b"UT"):
            if position + 12 > len(data):
                break
            length, start = struct.unpack_from("<I", data, position + 8)[0], position + 12
        else:
            length, start = struct.unpack_from("<H", data, position + 6)[0], position + 8
        if element == 0x0010:
            syntax = data[start : start + length].decode("ascii", "replace").strip(" \0")
        position = start + length
    return position, syntax


def _inflate(packed: bytes, limits: Limits) -> bytes:
    """Unpack a raw deflate stream, at most `limits.max_bytes` of it."""
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        unpacked = unpacker.decompress(packed, limits.max_bytes)
    except zlib.error as error:
        raise FilmError("unreadable") from error
    if not unpacker.eof:
        raise FilmError("decompression_bomb" if len(unpacked) >= limits.max_bytes else "truncated")
    return unpacked


def _check_kind(dataset: Dataset) -> None:
    """Refuse what is no film: other SOP classes, or other modalities where no class is named."""
    meta = getattr(dataset, "file_meta", None)
    stored_as = header.text(meta, "MediaStorageSOPClassUID")
    if stored_as == MediaStorageDirectoryStorage:
        raise FilmError("not_a_film", detail="DICOMDIR")
    if not any(keyword in dataset for keyword in ("SOPClassUID", "Modality", "Rows")):
        raise FilmError("truncated")
    # A header whose numbers cannot be read is damaged, whatever it claims to be.
    frames = header.number_of_frames(dataset)
    sop_class = header.text(dataset, "SOPClassUID") or stored_as
    if sop_class:
        if sop_class not in _FILM_CLASSES:
            raise FilmError("not_a_film", detail=_public_name(sop_class))
    elif header.text(dataset, "Modality") not in _FILM_MODALITIES:
        raise FilmError("not_a_film")
    if frames > 1:
        raise FilmError("multi_frame")


def _public_name(uid: str) -> str | None:
    """The standard's name of a UID; None for a private one, which could say who made the file."""
    name = UID(uid).name
    return None if name == uid else name


def _film(dataset: Dataset, grey: GreyFilm, sha256: str) -> Film:
    """Pixels turned upright and the few facts a film carries."""
    turn = header.turn_to_upright(dataset)
    return Film(
        pixels=turn.apply(grey.pixels),
        bits=grey.bits,
        sha256=sha256,
        format="dicom",
        view=header.view(dataset),
        age_years=header.age_years(dataset),
        sex=header.sex(dataset),
        spacing_mm=turn.apply_to_spacing(header.spacing_mm(dataset)),
        notes=(
            *grey.notes,
            *(() if turn.is_identity else ("turned_by_tag",)),
            *(("burned_in_text",) if header.has_burned_in_text(dataset) else ()),
        ),
    )
