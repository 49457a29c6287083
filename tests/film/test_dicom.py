"""What each part of a DICOM header does to the film, on files made here."""

from __future__ import annotations

import io
import logging
import pickle
import struct
import threading
import warnings

import numpy as np
import pytest
from dicom_maker import dataset_of, deflated, dicom, file_of
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    MPEG2MPML,
    CTImageStorage,
    DigitalXRayImageStorageForProcessing,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    MediaStorageDirectoryStorage,
    MRImageStorage,
    SecondaryCaptureImageStorage,
)

from cxrtriage.film.film import Film, FilmError
from cxrtriage.film.limits import Limits
from cxrtriage.film.read import read_film, read_trusted_film

RAMP = np.arange(16 * 16, dtype=np.uint16).reshape(16, 16) * 16  # 0..4080, 12 bits


def refused(data: bytes, limits: Limits | None = None) -> FilmError:
    with pytest.raises(FilmError) as caught:
        read_film(data, limits)
    return caught.value


def film12(**tags: object) -> Film:
    return read_film(dicom(RAMP, BitsStored=12, **tags))


def test_without_a_window_the_stored_range_is_the_range() -> None:
    film = film12()
    np.testing.assert_allclose(film.pixels, RAMP / 4095, atol=1e-6)
    assert (film.bits, film.notes) == (12, ())


def test_twelve_bits_in_a_sixteen_bit_file_are_found() -> None:
    film = read_film(dicom(RAMP))
    np.testing.assert_allclose(film.pixels, RAMP / 4095, atol=1e-6)
    assert (film.bits, film.notes) == (12, ("narrow_depth",))


def test_signed_values_without_a_window() -> None:
    signed = RAMP.astype(np.int16) - 2048
    np.testing.assert_allclose(read_film(dicom(signed)).pixels, RAMP / 4095, atol=1e-6)
    np.testing.assert_allclose(read_film(dicom(signed, BitsStored=12)).pixels, RAMP / 4095, atol=1e-6)


def test_linear_window() -> None:
    film = film12(WindowCenter=2000, WindowWidth=1001)
    expected = np.clip((RAMP.astype(float) - 1999.5) / 1000 + 0.5, 0, 1)
    np.testing.assert_allclose(film.pixels, expected, atol=1e-5)


def test_exact_linear_window() -> None:
    film = film12(WindowCenter=2000, WindowWidth=1000, VOILUTFunction="LINEAR_EXACT")
    np.testing.assert_allclose(film.pixels, np.clip((RAMP.astype(float) - 1500) / 1000, 0, 1), atol=1e-5)


def test_sigmoid_window() -> None:
    film = film12(WindowCenter=2000, WindowWidth=1000, VOILUTFunction="SIGMOID")
    expected = 1 / (1 + np.exp(-4 * (RAMP.astype(float) - 2000) / 1000))
    np.testing.assert_allclose(film.pixels, expected, atol=1e-5)


def test_the_window_applies_to_rescaled_values() -> None:
    film = film12(RescaleSlope=2, RescaleIntercept=-1000, WindowCenter=3000, WindowWidth=1001)
    expected = np.clip((RAMP.astype(float) * 2 - 1000 - 2999.5) / 1000 + 0.5, 0, 1)
    np.testing.assert_allclose(film.pixels, expected, atol=1e-5)


def test_the_first_of_several_windows_counts() -> None:
    several = film12(WindowCenter=[2000, 500], WindowWidth=[1001, 100])
    np.testing.assert_array_equal(several.pixels, film12(WindowCenter=2000, WindowWidth=1001).pixels)


@pytest.mark.parametrize("window", [(-9000, 10), (2000, 0), (2000, -5), (90000, 1)])
def test_a_window_that_shows_nothing_is_left_out(window: tuple[float, float]) -> None:
    film = film12(WindowCenter=window[0], WindowWidth=window[1])
    np.testing.assert_allclose(film.pixels, RAMP / 4095, atol=1e-6)
    assert film.notes == (("window_ignored",) if window[1] > 0 else ())


def test_negative_slope_mirrors_the_levels() -> None:
    np.testing.assert_allclose(
        film12(RescaleSlope=-1, RescaleIntercept=4095).pixels, 1 - RAMP / 4095, atol=1e-6
    )


@pytest.mark.parametrize(
    ("photometric", "shape", "inverted"),
    [
        ("MONOCHROME2", None, False),
        ("MONOCHROME2", "IDENTITY", False),
        ("MONOCHROME2", "INVERSE", True),
        ("MONOCHROME1", None, True),
        ("MONOCHROME1", "INVERSE", True),  # the two say the same: once, not twice
    ],
)
def test_presentation_inverts_once(photometric: str, shape: str | None, inverted: bool) -> None:
    tags = {"PhotometricInterpretation": photometric} | ({"PresentationLUTShape": shape} if shape else {})
    expected = 1 - RAMP / 4095 if inverted else RAMP / 4095
    np.testing.assert_allclose(film12(**tags).pixels, expected, atol=1e-6)


def table(values: list[int], first: int, bits: int) -> Sequence:
    item = Dataset()
    item.LUTDescriptor = [len(values), first, bits]
    item["LUTDescriptor"].VR = "US"
    item.LUTData = values
    item["LUTData"].VR = "US"
    return Sequence([item])


def test_modality_lut_then_voi_lut() -> None:
    pixels = np.array([[0, 1], [2, 3]], np.uint8)
    doubled = table([0, 2, 4, 6], 0, 8)
    voi = table([0, 10, 20, 30, 40, 50, 255], 0, 8)
    film = read_film(dicom(pixels, ModalityLUTSequence=doubled, VOILUTSequence=voi))
    np.testing.assert_allclose(film.pixels, np.array([[0, 20], [40, 255]]) / 255, atol=1e-6)


def test_a_voi_lut_goes_before_a_window() -> None:
    pixels = np.array([[0, 1], [2, 3]], np.uint8)
    voi = table([0, 85, 170, 255], 0, 8)
    film = read_film(dicom(pixels, VOILUTSequence=voi, WindowCenter=1, WindowWidth=1))
    np.testing.assert_allclose(film.pixels, np.array([[0, 85], [170, 255]]) / 255, atol=1e-6)


def test_padding_is_black_whatever_the_photometric_interpretation() -> None:
    film = film12(PixelPaddingValue=0, PhotometricInterpretation="MONOCHROME1")
    assert film.pixels[0, 0] == 0.0
    assert film.pixels[0, 1] == pytest.approx(1 - 16 / 4095, abs=1e-6)


@pytest.mark.parametrize(("sign", "bright_end"), [(1, 0), (-1, -1)])
def test_films_for_processing_follow_the_sign_of_intensity(sign: int, bright_end: int) -> None:
    film = film12(SOPClassUID=DigitalXRayImageStorageForProcessing, PixelIntensityRelationshipSign=sign)
    assert film.pixels.ravel()[bright_end] == 1.0
    assert film.notes == ("unprocessed",)


@pytest.mark.parametrize(
    ("orientation", "turned"),
    [
        (["L", "F"], lambda a: a),
        (["R", "F"], lambda a: a[:, ::-1]),
        (["L", "H"], lambda a: a[::-1]),
        (["R", "H"], lambda a: a[::-1, ::-1]),
        (["F", "L"], lambda a: a.T),
        (["F", "R"], lambda a: a.T[:, ::-1]),
        (["H", "L"], lambda a: a.T[::-1]),
        (["A", "F"], lambda a: a),
        (["A", "H"], lambda a: a[::-1]),
        (["LH", "FL"], lambda a: a),
        (["L", "P"], lambda a: a),
        (["X", "F"], lambda a: a),
    ],
)
def test_orientation_brings_the_right_to_the_left_and_the_head_up(orientation, turned) -> None:  # type: ignore[no-untyped-def]
    film = film12(PatientOrientation=orientation, PixelSpacing=[0.1, 0.2])
    np.testing.assert_allclose(film.pixels, turned(RAMP / 4095), atol=1e-6)
    assert film.spacing_mm == ((0.2, 0.1) if orientation[0] in "HF" else (0.1, 0.2))


@pytest.mark.parametrize(
    ("tags", "view"),
    [
        ({"ViewPosition": "PA"}, "PA"),
        ({"ViewPosition": "AP"}, "AP"),
        ({"ViewPosition": "LL"}, "lateral"),
        ({"ViewPosition": "RLO"}, None),
        ({}, None),
    ],
)
def test_view(tags: dict[str, str], view: str | None) -> None:
    assert film12(**tags).view == view


@pytest.mark.parametrize(("code", "view"), [("272479007", "PA"), ("R-10206", "AP"), ("399173006", "lateral")])
def test_view_by_code(code: str, view: str) -> None:
    item = Dataset()
    item.CodeValue = code
    assert film12(ViewCodeSequence=Sequence([item])).view == view


@pytest.mark.parametrize(
    ("tags", "years"),
    [
        ({"PatientAge": "043Y"}, 43.0),
        ({"PatientAge": "006M"}, 0.5),
        ({"PatientAge": "062"}, 62.0),
        ({"PatientAge": "999Y"}, None),
        ({"PatientBirthDate": "19600630", "StudyDate": "20200629"}, 59.0),
        ({"PatientBirthDate": "19600630", "StudyDate": "20200701"}, 60.0),
        ({"PatientBirthDate": "20200101", "StudyDate": "20200405"}, 0.25),
        ({"PatientBirthDate": "20300101", "StudyDate": "20200405"}, None),
        ({"PatientBirthDate": "19600630"}, None),
        ({}, None),
    ],
)
def test_age(tags: dict[str, str], years: float | None) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom warns of the ages that are wrong on purpose
        data = dicom(RAMP, BitsStored=12, **tags)
    assert read_film(data).age_years == years


def test_no_text_of_the_header_survives() -> None:
    secret = {
        "PatientName": "SECRET^NAME", "PatientID": "ID-SECRET", "PatientBirthDate": "19601231",
        "StudyDate": "20191224", "AccessionNumber": "ACC-SECRET", "InstitutionName": "SECRET HOSPITAL",
        "StudyDescription": "SECRET TEXT", "StudyInstanceUID": "1.2.3.4.5.6.7",
    }  # fmt: skip
    film = film12(**secret)
    kept = pickle.dumps(film) + repr(film).encode() + repr(vars(film)).encode()
    for value in [*secret.values(), "SECRET", "1960", "2019", film12.__name__]:
        assert value.encode() not in kept
    assert film.age_years == 58.0


def test_no_text_of_the_header_is_in_an_error() -> None:
    data = dicom(RAMP, SOPClassUID="1.2.3.999.888", PatientName="SECRET^NAME", BodyPartExamined="SECRET")
    error = refused(data)
    assert error.code == "not_a_film"
    assert "SECRET" not in error.message
    assert "999.888" not in error.message


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (dicom(RAMP, SOPClassUID=CTImageStorage), "not_a_film"),
        (dicom(RAMP, SOPClassUID=MRImageStorage, NumberOfFrames=5), "not_a_film"),
        (dicom(RAMP, PixelData=None), "no_pixels"),
        (dicom(RAMP, PixelData=b""), "no_pixels"),
        (dicom(RAMP, PixelData=RAMP.tobytes()[:100]), "truncated"),
        (dicom(RAMP, Rows=0, Columns=0), "too_small"),
        (dicom(RAMP, Rows=None), "unreadable"),
        (dicom(np.stack([RAMP, RAMP]).reshape(32, 16), Rows=16, NumberOfFrames=2), "multi_frame"),
        (dicom(RAMP, Rows=60000, Columns=60000), "decompression_bomb"),
        (file_of(dataset_of(RAMP), MPEG2MPML, b"\0" * 32), "unsupported_transfer_syntax"),
        (file_of(dataset_of(RAMP), JPEG2000Lossless, b"\0" * 32), "unreadable"),
        (dicom(RAMP)[:300], "truncated"),
        (dicom(RAMP)[:-100], "truncated"),
        (bytes(128) + b"DICM", "truncated"),
    ],
)
def test_refusals(data: bytes, code: str) -> None:
    assert refused(data).code == code


def test_a_directory_of_a_disc_is_no_film() -> None:
    dataset = Dataset()
    dataset.SOPClassUID = MediaStorageDirectoryStorage  # for the meta information only
    dataset.FileSetID = "DISC"
    data = file_of(dataset).replace(b"\x08\x00\x16\x00UI", b"\x08\x00\x17\x00UI")
    assert refused(data).code == "not_a_film"


def test_one_frame_of_a_multi_frame_class_is_a_film() -> None:
    film12(SOPClassUID="1.2.840.10008.5.1.4.1.1.7.3", NumberOfFrames=1)


def test_a_small_deflated_file_cannot_fill_the_memory() -> None:
    limits = Limits(max_bytes=2_000_000)
    data = deflated(bytes(3_000_000))
    assert len(data) < 10_000
    assert refused(data, limits).code == "decompression_bomb"
    assert refused(deflated(bytes(1000))[:-4]).code == "truncated"


def jpeg(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def test_a_giant_stream_behind_a_small_header_is_not_decoded() -> None:
    pixels = np.zeros((16, 16), np.uint8)
    stream = jpeg(pixels)
    start = stream.index(b"\xff\xc0")
    giant = stream[: start + 5] + struct.pack(">HH", 65000, 65000) + stream[start + 9 :]
    assert refused(file_of(dataset_of(pixels), JPEGBaseline8Bit, giant)).code == "decompression_bomb"


def test_a_jpeg_cut_short_is_truncated_and_a_whole_one_is_read() -> None:
    pixels = (np.indices((64, 64)).sum(axis=0) * 2).astype(np.uint8)
    stream = jpeg(pixels)
    film = read_film(file_of(dataset_of(pixels), JPEGBaseline8Bit, stream))
    np.testing.assert_allclose(film.pixels, pixels / 255, atol=0.02)
    cut = file_of(dataset_of(pixels), JPEGBaseline8Bit, stream[: len(stream) // 2])
    assert refused(cut).code == "truncated"


def test_bits_above_the_stored_ones_are_no_part_of_the_value() -> None:
    film = read_film(dicom(RAMP | 0xF000, BitsStored=12))
    np.testing.assert_allclose(film.pixels, RAMP / 4095, atol=1e-6)


def test_colour_captures_become_grey() -> None:
    pixels = np.zeros((4, 4, 3), np.uint8)
    pixels[0, 0] = (255, 0, 0)
    film = read_film(dicom(pixels, SOPClassUID=SecondaryCaptureImageStorage, Modality="OT"))
    assert film.pixels[0, 0] == pytest.approx(0.299, abs=1e-5)
    assert film.notes == ("colour",)


@pytest.mark.parametrize("keyword", ["PhotometricInterpretation", "BitsStored", "PixelRepresentation"])
def test_what_writers_leave_out_is_filled_in(keyword: str) -> None:
    pixels = (RAMP // 16).astype(np.uint8)
    dataset = dataset_of(pixels)
    delattr(dataset, keyword)
    np.testing.assert_allclose(read_film(file_of(dataset)).pixels, pixels / 255, atol=1e-6)


def test_reading_in_threads_leaves_warnings_and_logs_as_they_were() -> None:
    data = dicom(RAMP, BitsStored=12, PatientAge="043Y")
    filters, log_filters = list(warnings.filters), list(logging.getLogger("pydicom").filters)
    threads = [
        threading.Thread(target=lambda: [read_trusted_film(data) for _ in range(20)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert warnings.filters == filters
    assert logging.getLogger("pydicom").filters == log_filters
