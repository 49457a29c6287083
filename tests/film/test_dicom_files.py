"""Real and derived DICOM files are read or refused as their table says."""

from __future__ import annotations

import contextlib
import csv
from pathlib import Path

import numpy as np
import pytest

from cxrtriage.film.codes import FILM_CODES
from cxrtriage.film.film import Film, FilmError
from cxrtriage.film.read import read_film, read_trusted_film

REFUSALS = {
    "broken": {"empty", "truncated", "not_an_image", "no_pixels", "unreadable", "too_small"},
    "not_a_film": {"not_a_film"},
    "unsupported": {"unsupported_transfer_syntax", "multi_frame"},
}

CORRECTED = {
    # A whole PNG of a chest: what a file is called does not matter.
    "broken-png-renamed.dcm": "film",
    # 12-bit JPEG extended: GDCM decodes it (test below compares with the JPEG 2000 copies).
    "wearemoth-RG2_JPLY.dcm": "film",
    "wearemoth-RG3_JPLY.dcm": "film",
}
"""Where the table is wrong, and why."""


def outcome(path: Path) -> str:
    """`film` or the code of the refusal."""
    try:
        read_film(path)
    except FilmError as error:
        return error.code
    return "film"


def test_every_file_of_the_table_is_read_or_refused_as_expected(data_folder: Path) -> None:
    table = data_folder / "dicom" / "dicom.csv"
    wrong = []
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        expect = CORRECTED.get(row["file"], row["expect"])
        allowed = REFUSALS[expect.removeprefix("refuse:")] if expect.startswith("refuse:") else {"film"}
        found = outcome(table.parent / row["file"])
        if found not in allowed:
            wrong.append(f"{row['file']}: {found} instead of {expect}")
        if found != "film" and found not in FILM_CODES:
            wrong.append(f"{row['file']}: {found} is no code")
    assert not wrong
    assert len(rows) >= 100


@pytest.fixture(scope="module")
def dicom_folder(data_folder: Path) -> Path:
    return data_folder / "dicom"


def read(folder: Path, name: str) -> Film:
    return read_film(folder / f"{name}.dcm")


@pytest.mark.parametrize(
    ("name", "tolerance"),
    [
        ("derived-chest12-explicit", 0.0),
        ("derived-chest12-implicit", 0.0),
        ("derived-chest12-bigendian", 0.0),
        ("derived-chest12-deflated", 0.0),
        ("derived-chest12-rle", 0.0),
        ("derived-chest12-jpegls", 0.0),
        ("derived-chest12-j2k-lossless", 0.0),
        ("derived-chest-signed16", 1e-6),
        # Lossy: near-lossless by a few of 4096 levels, JPEG 2000 at 16 to 1.
        ("derived-chest12-jpegls-near", 0.001),
        ("derived-chest12-j2k-lossy", 0.03),
        # 8 bits of the same film.
        ("derived-chest-mono2", 0.001),
        ("derived-chest-mono1", 0.001),
        ("derived-chest-sc-rgb", 0.001),
    ],
)
def test_encodings_of_one_film_agree(dicom_folder: Path, name: str, tolerance: float) -> None:
    reference = read(dicom_folder, "derived-chest12-explicit")
    film = read(dicom_folder, name)
    assert film.pixels.shape == reference.pixels.shape
    assert float(np.abs(film.pixels - reference.pixels).max()) <= tolerance
    assert film.view == "PA"


def test_monochrome1_looks_the_same_as_monochrome2(dicom_folder: Path) -> None:
    first, second = read(dicom_folder, "derived-chest-mono1"), read(dicom_folder, "derived-chest-mono2")
    np.testing.assert_allclose(first.pixels, second.pixels, atol=1e-6)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (
            "fo-dicom-CR-MONO1-10-chest",
            "ivmartel-gdcm-CR-MONO1-10-chest",
        ),  # without and with meta information
        ("no-preamble", "wrong-group-length"),
    ],
)
def test_the_wrapping_does_not_change_the_film(dicom_folder: Path, left: str, right: str) -> None:
    np.testing.assert_array_equal(read(dicom_folder, left).pixels, read(dicom_folder, right).pixels)


@pytest.mark.parametrize(
    ("twelve_bits", "copy", "mean"),
    [
        ("wearemoth-RG2_JPLY", "wearemoth-RG2_J2KI", 0.005),
        ("wearemoth-RG3_JPLY", "wearemoth-RG3_J2KI", 0.003),
        ("wearemoth-RG3_JPLY", "wearemoth-RG3_JLSN", 0.003),
    ],
)
def test_twelve_bit_jpeg_shows_the_film_of_its_other_encodings(
    dicom_folder: Path, twelve_bits: str, copy: str, mean: float
) -> None:
    # Both copies are lossy too (the two of RG3 differ by 0.0016 on average), so only close.
    first, second = read(dicom_folder, twelve_bits).pixels, read(dicom_folder, copy).pixels
    assert float(np.abs(first - second).mean()) < mean
    assert float(np.abs(first - second).max()) < 0.15
    assert np.corrcoef(first.ravel(), second.ravel())[0, 1] > 0.9997


@pytest.mark.parametrize(
    ("name", "place", "value"),
    [
        # RGB (166, 141, 52): 0.299 * 166 + 0.587 * 141 + 0.114 * 52, over 255
        ("pydicom-SC_rgb_small_odd", (0, 0), 138.329 / 255),
        ("pydicom-SC_rgb_small_odd_big_endian", (0, 0), 138.329 / 255),
        # stored 1994, rescale 0.684 and 200, window 1600 / 2800 linear, MONOCHROME1
        ("pydicom-6154", (0, 0), 1 - ((1994 * 0.684 + 200 - 1599.5) / 2799 + 0.5)),
    ],
)
def test_golden_values(dicom_folder: Path, name: str, place: tuple[int, int], value: float) -> None:
    assert read(dicom_folder, name).pixels[place] == pytest.approx(value, abs=1e-5)


@pytest.mark.parametrize(
    "name",
    ["spoksonat-cxr", "wearemoth-RG1_J2KI", "orthanc-m-Monochrome1-Jpeg", "fo-dicom-CR-MONO1-10-chest"],
)
def test_real_chests_are_bright_where_dense(dicom_folder: Path, name: str) -> None:
    """The spine and heart are brighter than the lungs beside them."""
    film = read(dicom_folder, name)
    band = film.pixels[int(film.rows * 0.35) : int(film.rows * 0.6)]
    middle = band[:, int(film.columns * 0.47) : int(film.columns * 0.53)].mean()
    right = band[:, int(film.columns * 0.2) : int(film.columns * 0.35)].mean()
    assert middle > right + 0.05


def test_tags_become_view_age_sex_and_spacing(dicom_folder: Path) -> None:
    film = read(dicom_folder, "mlmed-1.2.276.0.7230010.3.1.4.8323329.6904.1517875201.850819")
    assert (film.view, film.age_years, film.sex, film.spacing_mm) == ("PA", 62.0, "M", (0.168, 0.168))
    assert film.format == "dicom"
    film = read(dicom_folder, "wearemoth-RG1_J2KI")  # spacing 0 is none; age from two dates
    assert (film.view, film.age_years, film.sex, film.spacing_mm) == ("PA", 64.0, "F", None)
    assert film.bits == 15


def test_what_no_decoder_decodes_is_refused_by_name(dicom_folder: Path) -> None:
    with pytest.raises(FilmError) as caught:
        read(dicom_folder, "unsupported-mpeg2")
    assert caught.value.code == "unsupported_transfer_syntax"
    assert "MPEG2 Main Profile" in caught.value.message


def test_another_kind_of_image_is_refused_by_name(dicom_folder: Path) -> None:
    with pytest.raises(FilmError) as caught:
        read(dicom_folder, "johof-0")
    assert caught.value.code == "not_a_film"
    assert "CT Image Storage" in caught.value.message


def test_odd_files_make_no_noise(
    dicom_folder: Path, recwarn: pytest.WarningsRecorder, capfd: pytest.CaptureFixture[str]
) -> None:
    for path in sorted(dicom_folder.glob("pydicom-*.dcm")) + sorted(dicom_folder.glob("*JPLY.dcm")):
        outcome(path)
        with contextlib.suppress(FilmError):
            read_trusted_film(path)
    assert not list(recwarn)
    captured = capfd.readouterr()
    assert captured.out == ""
    assert captured.err == ""
