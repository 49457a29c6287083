"""No name, number or private text of a file, and no name of a file but in the column `file`, comes out."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from cxrtriage.cli import main
from cxrtriage.film.read import read_film
from cxrtriage.film.writing import find_writing
from tests.film.dicom_maker import dataset_of, file_of

MARK = "ZZMARKERZZ"
FAST = ["--models", "tb_mobilenet_v2"]
EXAMPLE = Path(__file__).resolve().parents[1] / "cxrtriage" / "examples" / "shenzhen-00387.webp"


def marked_file(**tags: object) -> bytes:
    """A DICOM of a real film that carries the mark wherever text can stand."""
    greys = np.rint(read_film(EXAMPLE).pixels * 255).astype(np.uint8)
    dataset = dataset_of(
        greys,
        PatientName=f"{MARK}^A",
        PatientID=MARK,
        PatientBirthDate="19570312",
        PatientComments=MARK,
        OtherPatientIDs=MARK,
        PatientAddress=MARK,
        InstitutionName=MARK,
        ReferringPhysicianName=MARK,
        OperatorsName=MARK,
        StudyDescription=MARK,
        SeriesDescription=MARK,
        ImageComments=MARK,
        AccessionNumber=MARK,
        StudyInstanceUID="1.2.826.0.1.99999",
        ViewPosition=MARK,
        PatientSex=MARK,
        PatientAge=MARK,
        **tags,
    )
    block = dataset.private_block(0x0011, MARK, create=True)
    block.add_new(0x01, "LO", MARK)
    dataset.add_new(0x60004000, "LT", MARK)  # Overlay Comments
    dataset.add_new(0x60000022, "LO", MARK)  # Overlay Description
    return file_of(dataset)


def assert_unnamed(text: str) -> None:
    for secret in (MARK, "19570312", "1.2.826.0.1.99999"):
        assert secret not in text


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "films"
    folder.mkdir()
    (folder / f"{MARK}-whole.dcm").write_bytes(marked_file())
    (folder / f"{MARK}-window.dcm").write_bytes(
        marked_file(WindowWidth="1234567890", WindowCenter="10").replace(b"1234567890", MARK.encode())
    )
    (folder / f"{MARK}-cut.dcm").write_bytes(marked_file()[:-50_000])
    (folder / f"{MARK}-class.dcm").write_bytes(marked_file(SOPClassUID="1.2.3." + "9" * 9))
    (folder / f"{MARK}-text.dcm").write_bytes(MARK.encode() * 100)
    return folder


def test_neither_rows_nor_messages_nor_logs_name_anyone(
    folder: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    recwarn: pytest.WarningsRecorder,
) -> None:
    caplog.set_level(logging.DEBUG)
    assert main(["assess", str(folder), *FAST]) == 3
    out, err = capfd.readouterr()
    assert_unnamed(err)
    assert_unnamed(caplog.text)
    rows = [json.loads(line) for line in out.splitlines()]
    assert len(rows) == 5
    for row in rows:
        assert MARK in row.pop("file")
        assert_unnamed(json.dumps(row))
    assert_unnamed(" ".join(str(one.message) for one in recwarn))


def test_a_film_keeps_pixels_and_a_few_harmless_values_alone() -> None:
    film = read_film(marked_file())
    assert set(vars(film)) == {
        "pixels", "bits", "sha256", "format", "view", "age_years", "sex", "spacing_mm", "notes", "blanked",
    }  # fmt: skip
    assert_unnamed(repr({**vars(film), "pixels": None}))


def test_overlays_do_not_show_what_was_written_and_the_row_says_that_it_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    greys = np.rint(read_film(EXAMPLE).pixels * 255).astype(np.uint8)
    greys[6:34, 6:300] = 0
    written = cv2.putText(greys, "MUELLER ANNA", (12, 28), cv2.FONT_HERSHEY_SIMPLEX, 0.8, 255, 2, cv2.LINE_AA)
    film = tmp_path / "film.png"
    Image.fromarray(written).save(film)
    shown = {}
    for name, more in (("blanked", []), ("kept", ["--keep-writing"])):
        maps = tmp_path / name
        assert main(["assess", str(film), *FAST, "--maps", str(maps), *more]) == 0
        out, err = capsys.readouterr()
        assert "burned_in_text" in json.loads(out)["codes"]
        assert "1 with writing on them (burned_in_text): it may be a name." in err
        with Image.open(maps / "film.tuberculosis.png") as picture:
            shown[name] = np.asarray(picture.convert("L"), np.float32) / np.float32(255)
    # 0.8 of Hershey's capitals are 17 pixels high; the map may tint them and does not hide them.
    assert find_writing(shown["kept"])
    assert not find_writing(shown["blanked"])


def test_a_file_that_says_that_names_are_burned_in_is_told_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    film = tmp_path / "film.dcm"
    film.write_bytes(marked_file(BurnedInAnnotation="YES"))
    assert main(["assess", str(film), *FAST]) == 0
    assert "burned_in_text" in json.loads(capsys.readouterr().out)["codes"]
