"""Cells of severity.csv for tests."""

from __future__ import annotations

import csv
from pathlib import Path

READERS = [f"brixia{reader}_{zone}" for reader in (1, 2) for zone in "abcdef"]
COLUMNS = ["file", "extent_0_8", "opacity_raw", "opacity_raw_max", "extent_set", *READERS]


def write_scores(folder: Path, rows: list[dict[str, object]]) -> None:
    with (folder / "severity.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, COLUMNS, restval="")
        writer.writeheader()
        writer.writerows(rows)
