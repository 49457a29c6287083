"""`python -m train sources NAME PATH`: a public set, as it is downloaded, becomes rows of the manifest.

Films are linked (or copied) into `cxr/` as they are; labels, views and ages come from the set's own tables.
Sets that TorchXRayVision (Cohen 2022) knows are read by its classes, the others by their folders.
"""

from __future__ import annotations

import csv
import hashlib
import math
import os
import re
import shutil
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from cxrtriage.nets.torchvision_import import import_torchvision
from train.findings import FINDINGS
from train.manifest import FilmRow, read_films
from train.settings import SettingsError

XRV_PACKAGE = "torchxrayvision==1.5.7"
COLUMNS = ("file", "source", "patient", "label", "view", "age", "sex", "adult", "split", "licence", "origin")
# Under this age tuberculosis and pneumonia look otherwise, so that films are not for the classes.
_ADULT = 15
_VIEWS = {
    "PA": "PA", "AP": "AP", "AP SUPINE": "AP supine", "AP ERECT": "AP", "L": "lateral", "LL": "lateral",
    "LATERAL": "lateral", "LATERAL DECUBITUS": "lateral",
}  # fmt: skip
_EXTENT_COLUMNS = ("extent_0_8", "opacity_raw", "opacity_raw_max", "opacity_0_6")
_BRIXIA_COLUMNS = (*(f"brixia1_{zone}" for zone in "abcdef"), "brixia1_global")


@dataclass(frozen=True)
class PublicFilm:
    """A film of a public set. `findings` and `scores` go by column of `findings.csv` and `severity.csv`."""

    path: Path
    patient: str
    label: str
    view: str = ""
    age: float | None = None
    sex: str = ""
    findings: Mapping[str, float] = field(default_factory=dict)
    scores: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class PublicSet:
    """How a set is read, and what it may be used for."""

    licence: str
    read: Callable[[Path], Iterable[PublicFilm]]


def write_source(name: str, path: Path, out: Path) -> int:
    """Rows of the set `name`, downloaded to `path`, in the data folder `out`; how many films it has.

    Rows of the same source are replaced, all others kept. Splits are 70/10/20 by patient, the same on every
    machine. SettingsError where the set is not known, or not as it is downloaded.
    """
    if name not in SETS:
        raise SettingsError(f"there is no set {name}; known are {', '.join(SETS)}.")
    if not path.is_dir():
        raise SettingsError(f"{path} is no folder.")
    try:
        films = sorted(SETS[name].read(path), key=lambda film: str(film.path))
    except (OSError, KeyError, ValueError, IndexError, NotImplementedError) as error:
        raise SettingsError(f"{path} does not look like {name} as it is downloaded: {error!r}") from error
    films = [film for film in films if film.path.is_file()]
    if not films:
        raise SettingsError(f"{path} holds no film of {name} that its tables speak of.")
    (out / "cxr").mkdir(parents=True, exist_ok=True)
    rows, findings, scores = [], [], []
    for film in films:
        file = f"{name}-{'-'.join(film.path.relative_to(path).parts[-3:])}".replace(" ", "_")
        _link(film.path, out / "cxr" / file)
        rows.append(_row(film, file, name, path))
        if film.findings:
            said = {column: _text(film.findings.get(column)) for column in FINDINGS}
            findings.append({"file": file, **said})
        if film.scores:
            scores.append({"file": file, **{column: _text(value) for column, value in film.scores.items()}})
    _replace(out / "films.csv", rows, COLUMNS, name)
    if findings:
        _replace(out / "findings.csv", findings, ("file", *FINDINGS), name)
    if scores:
        _replace(out / "severity.csv", scores, ("file", *_EXTENT_COLUMNS, *_BRIXIA_COLUMNS), name)
    checked: list[FilmRow] = read_films(out)
    return sum(row.source == name for row in checked)


def _row(film: PublicFilm, file: str, source: str, path: Path) -> dict[str, str]:
    adult = "" if film.age is None else str(int(film.age >= _ADULT))
    return {
        "file": file,
        "source": source,
        "patient": f"{source}-{film.patient}",
        "label": film.label,
        "view": _VIEWS.get(film.view.upper(), "unknown"),
        "age": _text(film.age),
        "sex": film.sex,
        "adult": adult,
        "split": split_of(f"{source}-{film.patient}"),
        "licence": SETS[source].licence,
        "origin": str(film.path.relative_to(path)),
    }


def split_of(patient: str) -> str:
    """`train`, `val` or `test` in 70/10/20, by nothing but the patient's key."""
    place = int(hashlib.sha256(patient.encode()).hexdigest()[:8], 16) / 16**8
    return "train" if place < 0.7 else "val" if place < 0.8 else "test"


def _link(source: Path, place: Path) -> None:
    place.unlink(missing_ok=True)
    try:
        os.link(source, place)
    except OSError:  # another disk
        shutil.copyfile(source, place)


def _replace(table: Path, rows: Sequence[Mapping[str, str]], columns: Sequence[str], source: str) -> None:
    """Write the rows in place of those of `source`; columns that only other rows have are kept."""
    kept: list[dict[str, str]] = []
    if table.is_file():
        with table.open(newline="", encoding="utf-8-sig") as stream:
            kept = [row for row in csv.DictReader(stream) if not row["file"].startswith(f"{source}-")]
    every = dict.fromkeys([*columns, *(column for row in kept for column in row)])
    partial = table.with_suffix(".part")
    with partial.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(every), restval="")
        writer.writeheader()
        writer.writerows([*kept, *rows])
    partial.replace(table)


def _text(value: float | None) -> str:
    return "" if value is None or math.isnan(value) else f"{value:g}"


def _number(value: object) -> float | None:
    """A number of 0 to 130 years, or None for what is none (empty, "unknown", 411)."""
    found = re.match(r"\s*0*(\d+(?:\.\d+)?)", str(value))
    return float(found[1]) if found and float(found[1]) <= 130 else None


def _sex(value: object) -> str:
    letter = str(value).strip()[:1].upper()
    return letter if letter in ("F", "M") else ""


def _files_by_name(path: Path) -> dict[str, Path]:
    """Every file below a folder by its name: sets come in several archives."""
    return {file.name: file for file in sorted(path.rglob("*")) if file.is_file()}


def _table(path: Path, *names: str) -> Path:
    """The first of these files below the folder; OSError where there is none."""
    for name in names:
        for file in sorted(path.rglob(name)):
            return file
    raise FileNotFoundError(f"{' or '.join(names)} is not there")


def _xrv() -> ModuleType:
    """TorchXRayVision's data sets, which only this command and `--init xrv` need."""
    import_torchvision()
    try:
        with warnings.catch_warnings():  # the package silences every warning of the process
            from torchxrayvision import datasets
    except ImportError as error:
        raise SettingsError(f"this set is read by TorchXRayVision: pip install {XRV_PACKAGE}") from error
    found: ModuleType = datasets
    return found


def _labels(dataset: Any) -> Iterator[tuple[Any, dict[str, float]]]:
    """Each film's row of the set's table and its labels (1, 0, NaN) by name."""
    for (_, row), values in zip(dataset.csv.iterrows(), dataset.labels, strict=True):
        yield row, dict(zip(dataset.pathologies, map(float, values), strict=True))


def _nlm(path: Path) -> Iterator[PublicFilm]:
    """Shenzhen and Montgomery (Jaeger 2014): the label is the last digit of the name."""
    root = _table(path, "CXR_png").parent
    for row, labels in _labels(_xrv().NLMTB_Dataset(str(root))):
        notes = root / "ClinicalReadings" / f"{Path(row.fname).stem}.txt"
        text = notes.read_text(errors="replace").lower() if notes.is_file() else ""
        age = re.search(r"(\d+)\s*y", text)
        sex = re.search(r"\b(female|male)\b|sex:\s*([fm])", text)
        yield PublicFilm(
            root / "CXR_png" / row.fname,
            Path(row.fname).stem,
            "tuberculosis" if labels["Tuberculosis"] else "normal",
            "PA",
            _number(age[1]) if age else None,
            _sex(sex[1] or sex[2]) if sex else "",
        )


def _tbx11k(path: Path) -> Iterator[PublicFilm]:
    """TBX11K (Liu 2020). Films of the sets it took over are left to those sets."""
    annotations = _table(path, "TBX11K_trainval.json")
    root = annotations.parents[2]
    for row, labels in _labels(_xrv().TBX11K_Dataset(str(root), split="trainval")):
        folder, _, name = row.file_name.partition("/")
        if folder in ("health", "sick", "tb"):
            # Healed tuberculosis is not what a screening looks for.
            healed = labels["Tuberculosis"] and not labels["ActiveTuberculosis"]
            label = {"health": "normal", "sick": "other", "tb": "other" if healed else "tuberculosis"}[folder]
            yield PublicFilm(root / "imgs" / row.file_name, Path(name).stem, label)


def _rahman(path: Path) -> Iterator[PublicFilm]:
    """The TB database of Rahman 2020, by folder; who a patient is is not told."""
    for folder, label in (("Normal", "normal"), ("Tuberculosis", "tuberculosis")):
        for file in sorted(_table(path, folder).glob("*.png")):
            yield PublicFilm(file, file.stem, label)


def _covid_radiography(path: Path) -> Iterator[PublicFilm]:
    """The COVID-19 Radiography Database (Chowdhury 2020), by folder. Its viral pneumonias are children's."""
    for folder, label, age in (
        ("COVID", "covid19", None),
        ("Normal", "normal", None),
        ("Lung_Opacity", "other", None),
        ("Viral Pneumonia", "other_infection", 5.0),
    ):
        root = _table(path, folder)
        files = sorted((root / "images").glob("*.png")) or sorted(root.glob("*.png"))
        for file in files:
            yield PublicFilm(file, file.stem, label, age=age)


def _cohen(path: Path) -> Iterator[PublicFilm]:
    """covid-chestxray-dataset (Cohen 2020)."""
    table = _table(path, "metadata.csv")
    images = table.parent / "images"
    for row, _ in _labels(_xrv().COVID19_Dataset(str(images), str(table), views=["PA", "AP", "AP Supine"])):
        finding = str(row.finding)
        if "COVID-19" in finding:
            label = "covid19"
        elif "Tuberculosis" in finding:
            label = "tuberculosis"
        elif finding.startswith("Pneumonia"):
            label = "other_infection"
        else:
            label = "normal" if finding == "No Finding" else "other"
        yield PublicFilm(
            images / row.filename, str(row.patientid), label, str(row["view"]), _number(row.age),
            _sex(row.sex),
        )  # fmt: skip


def _nih(path: Path) -> Iterator[PublicFilm]:
    """ChestX-ray14 (Wang 2017), whose archives may lie side by side."""
    files = _files_by_name(path)
    table = files.get("Data_Entry_2017_v2020.csv") or _table(path, "Data_Entry_2017*.csv")
    boxes = files.get("BBox_List_2017.csv")
    options = {"bbox_list_path": str(boxes)} if boxes else {}
    dataset = _xrv().NIH_Dataset(str(path), str(table), views=["PA", "AP"], unique_patients=False, **options)
    for row, labels in _labels(dataset):
        if row["Image Index"] in files:
            yield PublicFilm(
                files[row["Image Index"]],
                str(row.patientid),
                _label_of(labels),
                str(row["view"]),
                _number(row.age_years),
                "M" if row.sex_male else "F",
                _findings_of(labels),
            )


def _rsna(path: Path) -> Iterator[PublicFilm]:
    """RSNA Pneumonia Detection (Shih 2019): films as DICOM."""
    files = _files_by_name(path)
    dataset = _xrv().RSNA_Pneumonia_Dataset(
        str(path), str(_table(path, "stage_2_train_labels.csv")), views=["PA", "AP"], extension=".dcm"
    )
    details = _class_info(path)
    for row, labels in _labels(dataset):
        name = f"{row.patientId}.dcm"
        if name in files:
            normal = details.get(str(row.patientId)) == "Normal"
            label = "other_infection" if labels["Pneumonia"] else "normal" if normal else "other"
            yield PublicFilm(files[name], str(row.patientId), label, str(row["view"]))


def _class_info(path: Path) -> dict[str, str]:
    """Patient -> Normal, Lung Opacity, or No Lung Opacity / Not Normal: what is not pneumonia may be ill."""
    table = _table(path, "stage_2_detailed_class_info.csv")
    with table.open(newline="", encoding="utf-8-sig") as stream:
        return {row["patientId"]: row["class"] for row in csv.DictReader(stream)}


def _padchest(path: Path) -> Iterator[PublicFilm]:
    """PadChest (Bustos 2019)."""
    files = _files_by_name(path)
    table = _table(path, "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv*")
    dataset = _xrv().PC_Dataset(str(path), str(table), views=["PA", "AP", "AP Supine"], unique_patients=False)
    for row, labels in _labels(dataset):
        if row.ImageID in files:
            normal = "normal" in str(row.Labels) and not any(value == 1 for value in labels.values())
            label = "normal" if normal else _label_of(labels, other=True)
            yield PublicFilm(
                files[row.ImageID],
                str(row.patientid),
                "tuberculosis" if labels.get("Tuberculosis") == 1 else label,
                str(row["view"]),
                _number(row.age_years),
                _sex(row.PatientSex_DICOM),
                _findings_of(labels),
            )


def _chexpert(path: Path) -> Iterator[PublicFilm]:
    """CheXpert (Irvin 2019): its training table, by the labeller."""
    table = _table(path, "train.csv")
    dataset = _xrv().CheX_Dataset(str(table.parent), str(table), views=["PA", "AP"], unique_patients=False)
    for row, labels in _labels(dataset):
        file = table.parent / str(row.Path).split("/", 1)[1]
        findings = {**labels, "No Finding": float(row["No Finding"])}
        normal = findings["No Finding"] == 1
        yield PublicFilm(
            file,
            str(row.patientid),
            "normal" if normal else _label_of(labels, other=True),
            str(row["view"]),
            _number(row.age_years) or None,
            _sex(row.Sex),
            _findings_of(findings),
        )


def _brixia(path: Path) -> Iterator[PublicFilm]:
    """Brixia (Signoroni 2021): DICOM, six zones of 0 to 3 as one number of six digits; all COVID-19."""
    files = _files_by_name(path)
    table = _table(path, "metadata_global_v2.csv", "metadata_global*.csv")
    with table.open(newline="", encoding="utf-8-sig") as stream:
        sample = stream.read(4096)
        stream.seek(0)
        for row in csv.DictReader(stream, dialect=csv.Sniffer().sniff(sample, ",;\t")):
            name = row["Filename"]
            # Read right to left as spreadsheets drop leading zeros.
            digits = row["BrixiaScore"].split(".")[0].zfill(6)
            if name in files and len(digits) == 6 and set(digits) <= set("0123"):
                # A, B, C are upper, middle, lower of the patient's right lung, D, E, F of the left.
                zones = dict(zip("abcdef", map(float, digits), strict=True))
                scores = {f"brixia1_{zone}": value for zone, value in zones.items()}
                scores["brixia1_global"] = sum(zones.values())
                yield PublicFilm(
                    files[name],
                    row.get("Subject") or Path(name).stem,
                    "covid19",
                    (row.get("ViewPosition") or row.get("Modality", "")).replace("CR", "").replace("DX", ""),
                    _number(row.get("AgeAtStudyDate", "")),
                    _sex(row.get("Sex", "")),
                    scores=scores,
                )


def _ralo(path: Path) -> Iterator[PublicFilm]:
    """Stony Brook's RALO set (Cohen 2021): extent 0-8 and opacity 0-8 by two readers; all COVID-19."""
    table = _table(path, "ralo-dataset-metadata.csv")
    images = _table(path, "CXR_images_scored")
    dataset = _xrv().StonyBrookCOVID_Dataset(str(images), str(table))
    for number, (row, labels) in enumerate(_labels(dataset)):
        opacity = labels["Lung Opacity"]
        yield PublicFilm(
            images / f"{number}.jpg",
            str(row.patientid),
            "covid19",
            str(row["view"]),
            scores={
                "extent_0_8": labels["Geographic Extent"],
                "opacity_raw": opacity,
                "opacity_raw_max": 8.0,
                # Four parts of two lungs at 0 to 2 here, three there: proportion is an approximation.
                "opacity_0_6": opacity * 6 / 8,
            },
        )


# Our findings by TorchXRayVision's names.
_FINDING_NAMES = {
    "No Finding": "no_finding",
    "Lung Opacity": "opacity",
    "Nodule": "nodule_mass",
    "Mass": "nodule_mass",
    "Lung Lesion": "nodule_mass",
    **{name.capitalize(): name for name in FINDINGS},
    "Pleural_Thickening": "pleural_thickening",
}


def _findings_of(labels: Mapping[str, float]) -> dict[str, float]:
    """Findings of the labels; of two labels of one finding the higher. A film with none of a complete
    set's labels has no finding."""
    found: dict[str, float] = {}
    for name, value in labels.items():
        finding = _FINDING_NAMES.get(name)
        if finding and not math.isnan(value):
            found[finding] = max(value, found.get(finding, 0.0))
    if "No Finding" not in labels and found:
        found["no_finding"] = float(not any(value == 1 for value in labels.values()))
    return found


def _label_of(labels: Mapping[str, float], other: bool = False) -> str:
    """Pneumonia is an infection, everything else another disease; with nothing, normal unless `other`."""
    if labels.get("Pneumonia") == 1:
        return "other_infection"
    return "other" if other or any(value == 1 for value in labels.values()) else "normal"


SETS: dict[str, PublicSet] = {
    "shenzhen": PublicSet("NLM Shenzhen set (Jaeger 2014): free research use with citation", _nlm),
    "montgomery": PublicSet("NLM Montgomery set (Jaeger 2014): free research use with citation", _nlm),
    "tbx11k": PublicSet("TBX11K (Liu 2020): CC BY-NC-SA 2.0, not for commercial use", _tbx11k),
    "rahman": PublicSet("Rahman 2020: as its sources say; not stated as a whole", _rahman),
    "cohen": PublicSet("covid-chestxray-dataset (Cohen 2020): per film, see its metadata.csv", _cohen),
    "covid_radiography": PublicSet("COVID-19 Radiography Database: as its sources say", _covid_radiography),
    "brixia": PublicSet("Brixia (Signoroni 2021): research use, as its agreement says", _brixia),
    "ralo": PublicSet("RALO, Stony Brook (Cohen 2021): as its page says", _ralo),
    "nih": PublicSet("ChestX-ray14 (Wang 2017): free use with attribution", _nih),
    "rsna": PublicSet("RSNA Pneumonia (Shih 2019): non-commercial research and teaching", _rsna),
    "padchest": PublicSet("PadChest (Bustos 2019): research use by agreement", _padchest),
    "chexpert": PublicSet("CheXpert (Irvin 2019): non-commercial research by agreement", _chexpert),
}
