"""The table of CT slices: `ct/series.csv` of the data folder, a row a slice."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from cxrtriage.ct.slice_form import Box, SliceForm, tissue_level
from train.settings import SettingsError

_COLUMNS = (
    "series",
    "slice",
    "file",
    "lesion_mask",
    "lung_mask",
    "lesion_kind",
    "spacing",
    "split",
    "licence",
)


@dataclass(frozen=True)
class SliceRow:
    """A slice with the files of its masks; `lungs` is None where nobody drew them, `lesion` where there is
    none.

    `expert` is False for masks that another net made. `spacing_mm`: (z, row, column), None where not known.
    """

    series: str
    number: int
    file: Path
    lesion: Path | None
    lungs: Path | None
    expert: bool
    spacing_mm: tuple[float, float, float] | None
    split: str
    licence: str

    @property
    def single(self) -> bool:
        """Slices of many patients that are no series."""
        return self.spacing_mm is None and self.expert


def read_slices(folder: Path) -> list[SliceRow]:
    """The rows of `ct/series.csv`; SettingsError names the line of a bad one."""
    table = folder / "ct" / "series.csv"
    if not table.is_file():
        raise SettingsError(f"{table} is not there; the lesion net learns from its slices.")
    rows = []
    with table.open(newline="", encoding="utf-8-sig") as stream:
        reader = csv.DictReader(stream)
        missing = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
        if missing:
            raise SettingsError(f"{table}: the column {missing[0]} is missing.")
        for line, cells in enumerate(reader, start=2):
            try:
                rows.append(_row(cells, table.parent))
            except (ValueError, TypeError) as error:
                raise SettingsError(f"{table}, line {line}: {error}") from error
    return rows


def _row(cells: dict[str, str], folder: Path) -> SliceRow:
    paths = {key: folder / cells[key] if cells[key] else None for key in ("file", "lesion_mask", "lung_mask")}
    for key, path in paths.items():
        if (path is None and key == "file") or (path is not None and not path.is_file()):
            raise ValueError(f"the {key} {cells[key]!r} is not there")
    if cells["split"] not in ("train", "val", "test"):
        raise ValueError(f"the split must be train, val or test, not {cells['split']!r}")
    spacing = tuple(float(part) for part in cells["spacing"].split("x")) if cells["spacing"] else None
    if spacing is not None and len(spacing) != 3:
        raise ValueError(f"the spacing must be three numbers, not {cells['spacing']!r}")
    file = paths["file"]
    assert file is not None
    return SliceRow(
        series=cells["series"],
        number=int(cells["slice"]),
        file=file,
        lesion=paths["lesion_mask"],
        lungs=paths["lung_mask"],
        expert=cells["lesion_kind"].startswith("expert"),
        spacing_mm=(spacing[2], spacing[1], spacing[0]) if spacing is not None else None,
        split=cells["split"],
        licence=cells["licence"],
    )


def grey_of(row: SliceRow) -> np.ndarray:
    """(rows, columns) uint8."""
    with Image.open(row.file) as picture:
        return np.asarray(picture.convert("L"))


def mask_of(path: Path | None, shape: tuple[int, ...]) -> np.ndarray:
    """(rows, columns) bool; all False without a file. SettingsError where it is of another size."""
    if path is None:
        return np.zeros(shape, bool)
    with Image.open(path) as picture:
        mask = np.asarray(picture.convert("L")) > 0
    if mask.shape != shape:
        raise SettingsError(f"{path} is {mask.shape[1]} x {mask.shape[0]}, its slice is another size.")
    return mask


def lungs_boxes(rows: Sequence[SliceRow]) -> dict[str, Box]:
    """The box around all lungs of each series that has lung masks."""
    boxes: dict[str, Box] = {}
    for row in rows:
        if row.lungs is None:
            continue
        with Image.open(row.lungs) as picture:
            mask = np.asarray(picture.convert("L")) > 0
        if not mask.any():
            continue
        ys, xs = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        box = (int(ys[0]), int(xs[0]), int(ys[-1]) + 1, int(xs[-1]) + 1)
        old = boxes.get(row.series, box)
        boxes[row.series] = (
            min(box[0], old[0]), min(box[1], old[1]), max(box[2], old[2]), max(box[3], old[3]),
        )  # fmt: skip
    return boxes


@dataclass(frozen=True, eq=False)
class Slice:
    """A slice for training, whole: uint8 grey, bool masks, the lungs' box of its series, its tissue's grey.

    `has_lungs`: whether anybody drew the lungs.
    """

    row: SliceRow
    grey: np.ndarray
    lesion: np.ndarray
    lungs: np.ndarray
    has_lungs: bool
    box: Box
    tissue: float


def load_slices(rows: Sequence[SliceRow], form: SliceForm) -> list[Slice]:
    """All slices in memory. Those without lung masks are cropped to the lungs already: their box is the
    slice."""
    boxes = lungs_boxes(rows)
    slices = []
    levels: dict[str, list[float]] = {}
    for row in rows:
        grey = grey_of(row)
        box = boxes.get(row.series, (0, 0, *grey.shape))
        if row.series in boxes:
            box = form.widened(box, *grey.shape)
        level = tissue_level(form.picture(grey, box))
        levels.setdefault(row.series, []).append(level)
        slices.append(
            Slice(
                row,
                grey,
                mask_of(row.lesion, grey.shape),
                mask_of(row.lungs, grey.shape),
                row.lungs is not None,
                box,
                level,
            )
        )
    # A series was saved in one window; single slices each in their own.
    return [
        one
        if one.row.single
        else Slice(**{**one.__dict__, "tissue": float(np.median(levels[one.row.series]))})
        for one in slices
    ]


def resized_mask(mask: np.ndarray, form: SliceForm, box: Box) -> np.ndarray:
    """(rows, columns of the input) uint8 of 0 and 1."""
    part = mask[box[0] : box[2], box[1] : box[3]].astype(np.uint8) * 255
    return (cv2.resize(part, (form.columns, form.rows), interpolation=cv2.INTER_AREA) > 127).astype(np.uint8)
