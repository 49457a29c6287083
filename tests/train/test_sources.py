"""Public sets in the shape of their downloads become rows that training reads."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from train.command import main
from train.findings import read_findings
from train.manifest import FilmRow, read_films
from train.sources import SETS, split_of

Maker = Callable[[Path], None]


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(path)


def table(path: Path, *lines: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def shenzhen(at: Path) -> None:
    root = at / "ChinaSet_AllFiles"
    for name, text in (("CHNCXR_0001_0", "male 45yrs\nnormal"), ("CHNCXR_0327_1", "female 33yrs\nPTB")):
        picture(root / "CXR_png" / f"{name}.png")
        table(root / "ClinicalReadings" / f"{name}.txt", text)


def montgomery(at: Path) -> None:
    root = at / "MontgomerySet"
    for name, text in (
        ("MCUCXR_0001_0", "Patient's Sex: F\nPatient's Age: 027Y\nnormal"),
        ("MCUCXR_0104_1", "Patient's Sex: M\nPatient's Age: 004Y\ncavitary infiltrate"),
    ):
        picture(root / "CXR_png" / f"{name}.png")
        table(root / "ClinicalReadings" / f"{name}.txt", text)


def tbx11k(at: Path) -> None:
    root = at / "TBX11K"
    names = ["health/h0001.png", "sick/s0001.png", "tb/tb0001.png", "tb/tb0002.png", "extra/da0001.png"]
    for name in names:
        picture(root / "imgs" / name)
    kinds = ["ActiveTuberculosis", "ObsoletePulmonaryTuberculosis", "PulmonaryTuberculosis"]
    annotations = {
        "images": [{"id": n, "file_name": name, "width": 8, "height": 8} for n, name in enumerate(names)],
        "annotations": [
            {"id": 1, "image_id": 2, "category_id": 1, "bbox": [1, 1, 2, 2]},
            {"id": 2, "image_id": 3, "category_id": 2, "bbox": [1, 1, 2, 2]},
        ],
        "categories": [
            {"id": n, "name": kind, "supercategory": "Tuberculosis"} for n, kind in enumerate(kinds, start=1)
        ],
    }
    table(root / "annotations" / "json" / "TBX11K_trainval.json", json.dumps(annotations))


def rahman(at: Path) -> None:
    picture(at / "TB_Chest_Radiography_Database" / "Normal" / "Normal-1.png")
    picture(at / "TB_Chest_Radiography_Database" / "Tuberculosis" / "Tuberculosis-1.png")


def covid_radiography(at: Path) -> None:
    for folder in ("COVID", "Normal", "Lung_Opacity", "Viral Pneumonia"):
        picture(at / "COVID-19_Radiography_Dataset" / folder / "images" / f"{folder}-1.png")


def cohen(at: Path) -> None:
    lines = ["patientid,offset,sex,age,finding,view,filename"]
    for n, (finding, view) in enumerate(
        [("Pneumonia/Viral/COVID-19", "PA"), ("Pneumonia/Bacterial", "AP Supine"), ("No Finding", "PA"),
         ("Tuberculosis", "PA"), ("Pneumonia/Viral/COVID-19", "Axial")]
    ):  # fmt: skip
        lines.append(f"{n},0,M,{40 + n},{finding},{view},{n}.png")
        picture(at / "images" / f"{n}.png")
    table(at / "metadata.csv", *lines)


def nih(at: Path) -> None:
    head = "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Sex,View Position"
    table(
        at / "Data_Entry_2017_v2020.csv", head,
        "00000001_000.png,No Finding,0,1,58,M,PA", "00000001_001.png,Effusion|Mass,1,1,411,M,AP",
        "00000002_000.png,Pneumonia,0,2,12,F,AP", "00000003_000.png,Hernia,0,3,50,F,PA",
    )  # fmt: skip
    # The fourth film is in an archive that was not unpacked.
    for folder, name in (
        ("images_001", "00000001_000"),
        ("images_001", "00000001_001"),
        ("images_002", "00000002_000"),
    ):
        picture(at / folder / "images" / f"{name}.png")


def rsna(at: Path, monkeypatch: pytest.MonkeyPatch | None = None) -> None:
    # The package carries the headers of the real set's films; its own ids are used here.
    import pandas
    from torchxrayvision import datasets

    headers = pandas.read_csv(
        Path(datasets.datapath) / "kaggle_stage_2_train_images_dicom_headers.csv.gz", nrows=3
    )
    ids = list(headers.PatientID)
    table(at / "stage_2_train_labels.csv", "patientId,x,y,width,height,Target",
          f"{ids[0]},,,,,0", f"{ids[1]},,,,,0", f"{ids[2]},1,1,2,2,1")  # fmt: skip
    table(at / "stage_2_detailed_class_info.csv", "patientId,class", f"{ids[0]},Normal",
          f"{ids[1]},No Lung Opacity / Not Normal", f"{ids[2]},Lung Opacity")  # fmt: skip
    for name in ids:
        picture(at / "stage_2_train_images" / f"{name}.png")
        (at / "stage_2_train_images" / f"{name}.png").rename(at / "stage_2_train_images" / f"{name}.dcm")


def padchest(at: Path) -> None:
    head = "ImageID,StudyDate_DICOM,PatientID,PatientBirth,PatientSex_DICOM,Projection,Labels"
    table(
        at / "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv", head,
        "a.png,20170101,11,1960,M,PA,\"['normal']\"",
        "b.png,20170101,12,1950,F,AP_horizontal,\"['tuberculosis']\"",
        "c.png,20170101,13,1970,F,PA,\"['pneumonia', 'pleural effusion']\"",
        "d.png,20170101,14,1970,F,L,\"['normal']\"",
        "e.png,20170101,15,1980,F,PA,\"['scoliosis']\"",
    )  # fmt: skip
    for n, name in enumerate("abcde"):
        picture(at / str(n) / f"{name}.png")


def chexpert(at: Path) -> None:
    findings = [
        "No Finding", "Enlarged Cardiomediastinum", "Cardiomegaly", "Lung Opacity", "Lung Lesion", "Edema",
        "Consolidation", "Pneumonia", "Atelectasis", "Pneumothorax", "Pleural Effusion", "Pleural Other",
        "Fracture", "Support Devices",
    ]  # fmt: skip
    head = ",".join(["Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", *findings])
    rows = {
        "patient00001/study1/view1_frontal.jpg": "Female,68,Frontal,AP,1.0,,,,,,,,,,,,,",
        "patient00002/study1/view1_frontal.jpg": "Male,47,Frontal,PA,,,,1.0,,-1.0,,1.0,,,,,,",
        "patient00002/study1/view2_lateral.jpg": "Male,47,Lateral,,,,,1.0,,,,,,,,,,",
    }
    root = at / "CheXpert-v1.0-small"
    table(
        root / "train.csv", head, *(f"CheXpert-v1.0-small/train/{name},{row}" for name, row in rows.items())
    )
    for name in rows:
        picture(root / "train" / name)


def brixia(at: Path) -> None:
    # Spreadsheets drop leading zeros: 12300 is 012300.
    table(at / "metadata_global_v2.csv",
          "Filename;BrixiaScore;BrixiaScoreGlobal;Subject;Sex;AgeAtStudyDate;Modality",
          "101.dcm;12300;6;7;M;63;CR", "102.dcm;333333;18;8;F;70;DX",
          "103.dcm;999999;54;9;F;70;DX")  # fmt: skip
    for name in ("101", "102", "103"):
        picture(at / "dicom_clean" / f"{name}.png")
        (at / "dicom_clean" / f"{name}.png").rename(at / "dicom_clean" / f"{name}.dcm")


def ralo(at: Path) -> None:
    table(
        at / "ralo-dataset-metadata.csv", "reader,,,,,",
        "Subject_ID,Exam_DateTime,Total GEOGRAPHIC,Total OPACITY,Total GEOGRAPHIC.1,Total OPACITY.1",
        "s1,20200401_120000,4,2,6,4", "s2,20200402_120000,8,8,8,8",
    )  # fmt: skip
    for n in range(2):
        picture(at / "CXR_images_scored" / f"{n}.jpg")


# What each set's films are: label, view, age, sex, adult; in the order of their paths.
EXPECTED: dict[str, tuple[Maker, list[tuple[str, str | None, float | None, str | None, bool | None]]]] = {
    "shenzhen": (shenzhen, [("normal", "PA", 45, "M", True), ("tuberculosis", "PA", 33, "F", True)]),
    "montgomery": (montgomery, [("normal", "PA", 27, "F", True), ("tuberculosis", "PA", 4, "M", False)]),
    "tbx11k": (tbx11k, [(label, None, None, None, None) for label in
                        ("normal", "other", "tuberculosis", "other")]),
    "rahman": (rahman, [(label, None, None, None, None) for label in ("normal", "tuberculosis")]),
    "covid_radiography": (covid_radiography, [
        ("covid19", None, None, None, None), ("other", None, None, None, None),
        ("normal", None, None, None, None), ("other_infection", None, 5, None, False)]),
    "cohen": (cohen, [
        ("covid19", "PA", 40, "M", True), ("other_infection", "AP", 41, "M", True),
        ("normal", "PA", 42, "M", True), ("tuberculosis", "PA", 43, "M", True)]),
    "nih": (nih, [
        ("normal", "PA", 58, "M", True), ("other", "AP", None, "M", None),
        ("other_infection", "AP", 12, "F", False)]),
    "padchest": (padchest, [
        ("normal", "PA", 57, "M", True), ("tuberculosis", "AP", 67, "F", True),
        ("other_infection", "PA", 47, "F", True), ("other", "PA", 37, "F", True)]),
    "chexpert": (chexpert, [("normal", "AP", 68, "F", True), ("other_infection", "PA", 47, "M", True)]),
    "brixia": (brixia, [("covid19", None, 63, "M", True), ("covid19", None, 70, "F", True)]),
    "ralo": (ralo, [("covid19", "AP", None, None, None)] * 2),
}  # fmt: skip


def taken(name: str, make: Maker, tmp_path: Path) -> list[FilmRow]:
    make(tmp_path / "download")
    assert main(["sources", name, str(tmp_path / "download"), "--out", str(tmp_path / "data")]) == 0
    return read_films(tmp_path / "data")


@pytest.mark.parametrize("name", EXPECTED)
def test_a_set_in_the_shape_of_its_download_becomes_rows(name, tmp_path):
    make, expected = EXPECTED[name]
    rows = taken(name, make, tmp_path)
    assert [(row.label, row.view, row.age_years, row.sex, row.adult) for row in rows] == expected
    assert {row.source for row in rows} == {name}
    assert all(row.licence and row.path.is_file() for row in rows)
    assert all(row.split == split_of(row.patient) for row in rows)


def test_rsna_tells_the_ill_without_pneumonia_from_the_well(tmp_path):
    rows = taken("rsna", rsna, tmp_path)
    assert sorted(row.label for row in rows) == ["normal", "other", "other_infection"]


def test_every_set_is_tried():
    assert {*EXPECTED, "rsna"} == set(SETS)


def test_findings_of_a_set_are_what_training_reads(tmp_path):
    rows = taken("nih", nih, tmp_path)
    names = ("no_finding", "effusion", "nodule_mass", "pneumonia", "opacity")
    found = read_findings(tmp_path / "data", names)
    assert found[rows[0].file][:4].tolist() == [1, 0, 0, 0]
    assert found[rows[1].file][:4].tolist() == [0, 1, 1, 0]
    assert all(np.isnan(values[4]) for values in found.values())  # NIH has no label of opacity


def test_what_the_labeller_was_unsure_of_is_not_said(tmp_path):
    rows = taken("chexpert", chexpert, tmp_path)
    found = read_findings(tmp_path / "data", ("opacity", "edema", "pneumonia", "no_finding"))
    assert found[rows[0].file].tolist() == [0, 0, 0, 1]
    ill = found[rows[1].file]
    assert ill[0] == 1
    assert np.isnan(ill[1])
    assert ill[2] == 1


def scores_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "severity.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_zones_keep_the_zeros_that_spreadsheets_drop(tmp_path):
    taken("brixia", brixia, tmp_path)
    first, second = scores_of(tmp_path / "data")
    assert [first[f"brixia1_{zone}"] for zone in "abcdef"] == ["0", "1", "2", "3", "0", "0"]
    assert (first["brixia1_global"], second["brixia1_global"]) == ("6", "18")


def test_extent_and_opacity_are_the_readers_mean(tmp_path):
    taken("ralo", ralo, tmp_path)
    first, second = scores_of(tmp_path / "data")
    assert (first["extent_0_8"], first["opacity_raw"], first["opacity_0_6"]) == ("5", "3", "2.25")
    assert (second["extent_0_8"], second["opacity_0_6"]) == ("8", "6")


def test_a_second_set_joins_and_the_first_is_replaced_not_doubled(tmp_path):
    data = tmp_path / "data"
    shenzhen(tmp_path / "one")
    rahman(tmp_path / "two")
    for name, place in (("shenzhen", "one"), ("rahman", "two"), ("shenzhen", "one")):
        assert main(["sources", name, str(tmp_path / place), "--out", str(data)]) == 0
    assert sorted(row.source for row in read_films(data)) == ["rahman", "rahman", "shenzhen", "shenzhen"]


@pytest.mark.parametrize(
    ("name", "words"),
    [("nothing", "there is no set nothing; known are shenzhen"), ("tbx11k", "does not look like tbx11k"),
     ("rahman", "does not look like rahman")],
)  # fmt: skip
def test_what_is_no_such_set_is_one_sentence(name, words, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert main(["sources", name, str(tmp_path / "empty"), "--out", str(tmp_path / "data")]) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "data").exists()


def test_a_set_whose_reader_is_not_installed_says_how_to_get_it(tmp_path, capsys, monkeypatch):
    shenzhen(tmp_path / "download")
    monkeypatch.setitem(sys.modules, "torchxrayvision", None)
    assert main(["sources", "shenzhen", str(tmp_path / "download"), "--out", str(tmp_path / "data")]) == 2
    assert "pip install torchxrayvision" in capsys.readouterr().err
