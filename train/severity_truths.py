"""What readers said of a film's severity: `severity.csv`, and lesion masks of `opacities.csv`.

Scales that differ are brought to one by the conversions of `CONVERSIONS`.
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from train.lesions import TABLE, Lesion, read_lesions
from train.manifest import FilmRow, ManifestError

SEVERITY_TABLE = "severity.csv"
# Columns of a reader's zones (a to f) in the order of `cxrtriage.reading.zones`.
_ZONES = ("a", "d", "b", "e", "c", "f")
_READERS = ("brixia1", "brixia2")
# Whose work a truth is: extent and opacity of two sets of readers, Brixia scores, and drawn lesions.
BRIXIA, OUTLINES = "brixia", "outlines"
# One scale made of another, by multiplication: (from, to) -> factor, and why.
CONVERSIONS = {
    ("opacity_0_8", "opacity_0_6"): (6 / 8, "COVID-Net's films were scored to 8; a straight line, no study"),
    ("brixia_zone", "array_zone"): (None, "1 where a zone's Brixia score is 1 or more (Park 2021)"),
    ("array", "array_score"): (None, "the number of zones affected, 0 to 6 (Park 2021)"),
    ("opacity_0_6", "category"): (None, "rounded: 0 none, 1 and 2 mild, 3 and 4 moderate, 5 and 6 severe"),
}


@dataclass(frozen=True, eq=False)
class SeverityTruth:
    """A film's scores; NaN where nobody gave one.

    `brixia`: (readers, 6) each zone 0..3. `lesions`: those drawn by hand, if they were. `extent_set`: the
    readers of extent and opacity by the name their set of scores has.
    """

    row: FilmRow
    extent: float
    opacity: float
    brixia: np.ndarray
    lesions: Lesion | None = None
    extent_set: str = ""

    def by(self, graders: Collection[str]) -> SeverityTruth:
        """What these alone said of the film: sets of extent and opacity, `brixia`, `outlines`."""
        nothing = np.full((1, len(_ZONES)), np.nan)
        scored = self.extent_set in graders
        return replace(
            self,
            extent=self.extent if scored else float("nan"),
            opacity=self.opacity if scored else float("nan"),
            brixia=self.brixia if BRIXIA in graders else nothing,
            lesions=self.lesions if OUTLINES in graders else None,
        )

    @classmethod
    def none(cls, row: FilmRow) -> SeverityTruth:
        """A film without opacity: 0 on every scale."""
        return cls(row, 0.0, 0.0, np.zeros((1, len(_ZONES))))

    @property
    def zones(self) -> np.ndarray:
        """(6,) mean of the readers' Brixia scores, 0..3; NaN where none scored."""
        return np.asarray(self.brixia.mean(axis=0))

    @property
    def array(self) -> np.ndarray:
        """(6,) share of the readers who gave a zone 1 or more, 0..1; NaN where none scored."""
        return np.asarray(np.where(np.isnan(self.brixia), np.nan, self.brixia >= 1).mean(axis=0))

    @property
    def scored(self) -> bool:
        return not (np.isnan(self.extent) and np.isnan(self.brixia).all())


def read_severity(folder: Path, films: Sequence[FilmRow]) -> list[SeverityTruth]:
    """Films with scores or lesion masks; ManifestError names the row that cannot be used."""
    rows = {row.file: row for row in films}
    drawn = read_lesions(folder, films) if (folder / TABLE).is_file() else []
    masks = {lesion.row.file: lesion for lesion in drawn}
    truths = []
    for file, cells, where in _cells(folder / SEVERITY_TABLE):
        if file not in rows:
            raise ManifestError(f"{where}: the film {file} is not in films.csv.")
        truths.append(
            SeverityTruth(
                rows[file],
                _number(cells, "extent_0_8", 8, where),
                _opacity(cells, where),
                _brixia(cells, where),
                masks.pop(file, None),
                (cells.get("extent_set") or "").strip(),
            )
        )
    unknown = np.full((1, len(_ZONES)), np.nan)
    truths += [SeverityTruth(rows[file], np.nan, np.nan, unknown, mask) for file, mask in masks.items()]
    return truths


def _opacity(cells: dict[str, str], where: str) -> float:
    """On the scale to 6; of a film scored to 8, by the table of conversions."""
    raw, most = _number(cells, "opacity_raw", 8, where), _number(cells, "opacity_raw_max", 8, where)
    if np.isnan(raw):
        return _number(cells, "opacity_0_6", 6, where)
    factor = CONVERSIONS["opacity_0_8", "opacity_0_6"][0]
    return raw * factor if most == 8 and factor is not None else raw


def _brixia(cells: dict[str, str], where: str) -> np.ndarray:
    readers = [[_number(cells, f"{reader}_{zone}", 3, where) for zone in _ZONES] for reader in _READERS]
    told = [zones for zones in readers if not np.isnan(zones).any()]
    return np.array(told or [[np.nan] * len(_ZONES)])


def _cells(table: Path) -> list[tuple[str, dict[str, str], str]]:
    if not table.is_file():
        raise ManifestError(f"{table} is not there; severity learns from its scores.")
    with table.open(newline="", encoding="utf-8-sig") as stream:
        reader = csv.DictReader(stream)
        return [(cells["file"], cells, f"{table}, line {reader.line_num}") for cells in reader]


def _number(cells: dict[str, str], column: str, most: float, where: str) -> float:
    text = (cells.get(column) or "").strip()
    if not text:
        return float("nan")
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= most:
        raise ManifestError(f"{where}: {column} is {text!r}, not a number in 0..{most:g}.")
    return value
