"""What NIH's films show, finding by finding: radiologists' labels over text-mined ones.

Park 2021 takes ten findings from CheXpert; those of them that the labels here bear, and NIH's others,
make `FINDINGS`. A finding nobody spoke of is not a number (masked), never 0.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from train.manifest import FilmRow, ManifestError

FINDINGS = (
    "no_finding",
    "cardiomegaly",
    "opacity",
    "edema",
    "consolidation",
    "pneumonia",
    "atelectasis",
    "pneumothorax",
    "effusion",
    "nodule_mass",
    "infiltration",
    "fibrosis",
    "emphysema",
    "pleural_thickening",
    "hernia",
)
# Column of a radiologist's reading (0, 1 or empty) by the finding it overrules.
RADIOLOGISTS = {
    "opacity": ("radiologist_lung_opacity_rsna", "google_radiologist_opacity"),
    "pneumothorax": ("google_radiologist_pneumothorax",),
    "nodule_mass": ("google_radiologist_nodule_mass",),
}

# ChestX-ray14's labels were mined from reports by a program (Wang 2017, arXiv:1705.02315).
MINED_SOURCES = ("nih", "nihpn")


def read_findings(folder: Path, names: Sequence[str]) -> dict[str, np.ndarray]:
    """By film file, (findings,) float of 0, 1 and NaN; empty where the data has no findings.csv."""
    table = folder / "findings.csv"
    if not table.is_file() or not names:
        return {}
    found = {}
    with table.open(newline="", encoding="utf-8-sig") as stream:
        reader = csv.DictReader(stream)
        unknown = [name for name in names if name not in (reader.fieldnames or ())]
        if unknown:
            raise ManifestError(f"{table}, line 1: column {', '.join(unknown)} is missing.")
        for cells in reader:
            found[cells["file"]] = np.array([_value(cells, name) for name in names])
    return found


def finding_targets(rows: Sequence[FilmRow], folder: Path, names: Sequence[str]) -> np.ndarray:
    """(films, findings) float of 0, 1 and NaN.

    A film labelled normal by its source has none of the findings; of the diseases only what the
    table says is taken.
    """
    table = read_findings(folder, names)
    unknown = np.full(len(names), np.nan)
    none = np.array([float(name == "no_finding") for name in names])
    return np.array(
        [table.get(row.file, none if row.label == "normal" else unknown) for row in rows]
    ).reshape(len(rows), len(names))


def radiologists_said(folder: Path, name: str) -> dict[str, bool]:
    """By film file, whether radiologists saw the finding; nothing of films that none of them read."""
    table = folder / "findings.csv"
    if not table.is_file():
        return {}
    with table.open(newline="", encoding="utf-8-sig") as stream:
        said = {cells["file"]: _by_radiologists(cells, name) for cells in csv.DictReader(stream)}
    return {file: bool(value) for file, value in said.items() if value is not None}


def _value(cells: dict[str, str], name: str) -> float:
    said = _by_radiologists(cells, name)
    if said is not None:
        return said
    text = cells[name].strip()
    return float(text) if text else float("nan")


def _by_radiologists(cells: dict[str, str], name: str) -> float | None:
    for column in RADIOLOGISTS.get(name, ()):
        text = (cells.get(column) or "").strip()
        if text in ("0", "1", "0.0", "1.0"):
            return float(text)
    return None
