"""Lesions drawn by hand: which films have a mask of them, read and checked row by row."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from train.manifest import FilmRow, ManifestError

TABLE, MASKS = "opacities.csv", "opacities"
_REQUIRED = ("file", "mask")


@dataclass(frozen=True)
class Lesion:
    """A film and the file of its mask, which holds 0, 128 (ground glass) and 255 (consolidation)."""

    row: FilmRow
    mask: Path

    def drawn(self) -> np.ndarray:
        """(rows, columns) bool in film pixels: lesion of either kind. ManifestError for a damaged mask."""
        try:
            with Image.open(self.mask) as picture:
                return np.asarray(picture.convert("L")) > 0
        except OSError as error:
            raise ManifestError(f"the mask {self.mask} cannot be read: {error}.") from error


def read_lesions(folder: Path, films: Sequence[FilmRow]) -> list[Lesion]:
    """The rows of `opacities.csv` in its order; split and patient are those of the manifest.

    Raises ManifestError at the first bad row, naming file and line.
    """
    path = folder / TABLE
    if not path.is_file():
        raise ManifestError(f"{path} is not there; it names the films whose lesions were drawn by hand.")
    by_file = {row.file: row for row in films}
    lesions: dict[str, Lesion] = {}
    with path.open(newline="", encoding="utf-8-sig") as stream:
        reader = csv.DictReader(stream)
        missing = [column for column in _REQUIRED if column not in (reader.fieldnames or ())]
        if missing:
            raise ManifestError(f"{path}, line 1: column {', '.join(missing)} is missing.")
        for cells in reader:
            where = f"{path}, line {reader.line_num}"
            file, mask = ((cells[column] or "").strip() for column in _REQUIRED)
            if file not in by_file:
                raise ManifestError(f"{where}: the film {file} is not in the manifest.")
            if file in lesions:
                raise ManifestError(f"{where}: the film {file} is there twice.")
            inside = (folder / MASKS / mask).resolve().is_relative_to((folder / MASKS).resolve())
            if not inside or not (folder / MASKS / mask).is_file():
                raise ManifestError(f"{where}: the mask {mask} is not in {folder / MASKS}.")
            lesions[file] = Lesion(by_file[file], folder / MASKS / mask)
    return list(lesions.values())
