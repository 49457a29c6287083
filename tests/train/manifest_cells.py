"""Changing one cell of a manifest."""

from __future__ import annotations

import csv
from pathlib import Path


def change(folder: Path, line: int, column: str, value: str) -> None:
    """Set a cell by its line in the file (the header is line 1) and its column's name."""
    table = folder / "films.csv"
    with table.open(newline="") as stream:
        rows = list(csv.reader(stream))
    rows[line - 1][rows[0].index(column)] = value
    with table.open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)
