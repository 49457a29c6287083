"""The project's manifest: a CSV with a row a film, validated row by row.

Columns are described in docs/manifest.md. A hospital's own set needs such a file and no code.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

LABELS = ("normal", "tuberculosis", "covid19", "other_infection", "other", "unknown")
SPLITS = ("train", "val", "test")
VIEWS = ("PA", "AP", "AP supine", "lateral", "unknown", "")
_VIEW_NAMES = {"PA": "PA", "AP": "AP", "AP supine": "AP", "lateral": "lateral"}
REQUIRED = ("file", "source", "patient", "label", "split")
FOLDER_VARIABLE = "CXRTRIAGE_DATA"


class ManifestError(Exception):
    """A manifest that cannot be used; the message names file and line."""


@dataclass(frozen=True)
class FilmRow:
    """One film of a manifest. `path` exists when the row was read; empty cells are None."""

    path: Path
    file: str
    source: str
    patient: str
    label: str
    split: str
    view: str | None = None
    age_years: float | None = None
    sex: str | None = None
    adult: bool | None = None
    licence: str | None = None


def data_folder() -> Path:
    """Where films and manifests lie: the folder that CXRTRIAGE_DATA names, else `data/`."""
    return Path(os.environ.get(FOLDER_VARIABLE) or "data")


def read_films(folder: Path, table: str = "films.csv", films: str = "cxr") -> list[FilmRow]:
    """All rows of `folder/table`, whose films lie in `folder/films`.

    Raises ManifestError at the first bad row, naming file and line.
    """
    path = folder / table
    if not path.is_file():
        raise ManifestError(
            f"{path} is not there; set {FOLDER_VARIABLE} to the folder that holds the manifest, "
            "or see docs/manifest.md for how to make one."
        )
    with path.open(newline="", encoding="utf-8-sig") as stream:
        reader = csv.DictReader(stream)
        missing = [column for column in REQUIRED if column not in (reader.fieldnames or ())]
        if missing:
            raise ManifestError(f"{path}, line 1: column {', '.join(missing)} is missing.")
        rows = [_film_row(cells, folder / films, f"{path}, line {reader.line_num}") for cells in reader]
    _check_patients(rows, path)
    return rows


def _film_row(cells: dict[str, str], films: Path, where: str) -> FilmRow:
    if None in cells or None in cells.values():
        raise ManifestError(f"{where}: the row has more or fewer cells than the header.")
    cells = {key: value.strip() for key, value in cells.items()}
    for column in REQUIRED:
        if not cells[column]:
            raise ManifestError(f"{where}: {column} is empty.")
    _one_of(cells["label"], LABELS, "label", where)
    _one_of(cells["split"], SPLITS, "split", where)
    _one_of(cells.get("view", ""), VIEWS, "view", where)
    _one_of(cells.get("sex", ""), ("F", "M", ""), "sex", where)
    _one_of(cells.get("adult", ""), ("0", "1", ""), "adult", where)
    path = films / cells["file"]
    if not path.resolve().is_relative_to(films.resolve()) or not path.is_file():
        raise ManifestError(f"{where}: the film {cells['file']} is not in {films}.")
    return FilmRow(
        path=path,
        file=cells["file"],
        source=cells["source"],
        patient=cells["patient"],
        label=cells["label"],
        split=cells["split"],
        view=_VIEW_NAMES.get(cells.get("view", "")),
        age_years=_age(cells.get("age", ""), where),
        sex=cells.get("sex") or None,
        adult={"1": True, "0": False}.get(cells.get("adult", "")),
        licence=cells.get("licence") or None,
    )


def _one_of(value: str, allowed: Iterable[str], column: str, where: str) -> None:
    if value not in allowed:
        raise ManifestError(f"{where}: {column} is {value!r}, not one of {', '.join(filter(None, allowed))}.")


def _age(text: str, where: str) -> float | None:
    """Years; "50+" is 50; words ("child") are an age nobody measured, so None."""
    try:
        age = float(text.removesuffix("+"))
    except ValueError:
        return None
    if not 0 <= age <= 130:
        raise ManifestError(f"{where}: age is {text!r}, not years in 0..130.")
    return age


def _check_patients(rows: list[FilmRow], path: Path) -> None:
    """A patient in two splits would be learnt by heart and then tested."""
    splits: dict[str, str] = {}
    for number, row in enumerate(rows, start=2):
        if splits.setdefault(row.patient, row.split) != row.split:
            raise ManifestError(
                f"{path}, line {number}: patient {row.patient} is in {splits[row.patient]} and {row.split}."
            )
