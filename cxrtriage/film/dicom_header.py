"""What a film keeps of a DICOM header: view, orientation, age, sex, spacing, and plain numbers.

A value that cannot be read counts as absent, except where the pixels depend on it: real files
hold many wrong values, and a wrong age is no reason to refuse a film.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from cxrtriage.film.film import FilmError, Sex, View

_VIEWS: dict[str, View] = {
    "PA": "PA", "AP": "AP", "LL": "lateral", "RL": "lateral", "LATERAL": "lateral", "LAT": "lateral",
}  # fmt: skip
"""PS3.3 C.8.1.1 View Position; LATERAL and LAT are not in the standard but in use."""

_VIEW_CODES: dict[str, View] = {
    "399348003": "AP", "R-10206": "AP",
    "272479007": "PA", "R-10214": "PA",
    "399067008": "lateral", "R-102CD": "lateral",
    "399198007": "lateral", "R-10232": "lateral",
    "399173006": "lateral", "R-10236": "lateral",
}  # fmt: skip
"""PS3.16 CID 4010 DX View, in SNOMED CT and in its older SNOMED RT codes."""

_YEARS_OF = {"D": 1 / 365.25, "W": 7 / 365.25, "M": 1 / 12, "Y": 1.0}
_OLDEST_YEARS = 130


def text(dataset: Dataset | None, keyword: str) -> str:
    """The value as upper-case text without padding; empty where it is absent, multiple or unreadable."""
    value = _value(dataset, keyword)
    return "" if value is None or isinstance(value, MultiValue) else str(value).strip(" \0").upper()


def numbers(dataset: Dataset, keyword: str) -> list[float]:
    """The finite numbers of a value; empty where it is absent or any of them is no number."""
    value = _value(dataset, keyword)
    if value is None or value == "":
        return []
    values = value if isinstance(value, MultiValue | list | tuple) else [value]
    try:
        floats = [float(one) for one in values]
    except (TypeError, ValueError):
        return []
    return floats if all(math.isfinite(one) for one in floats) else []


def number(dataset: Dataset, keyword: str) -> float | None:
    """The first of `numbers`, or None."""
    found = numbers(dataset, keyword)
    return found[0] if found else None


def number_of_frames(dataset: Dataset) -> int:
    """Frames of the picture, 1 where nothing is said (PS3.3 C.7.6.6); refuses what is no number."""
    if "NumberOfFrames" not in dataset or not dataset.get_item("NumberOfFrames").value:
        return 1
    frames = number(dataset, "NumberOfFrames")
    if frames is None:
        raise FilmError("unreadable")
    return max(int(frames), 1)  # 0 is written by some for 1


def _value(dataset: Dataset | None, keyword: str) -> Any:
    """The value of an element, or None where it is absent or cannot be read.

    pydicom converts on first access, and a damaged value raises whatever its conversion raises.
    """
    try:
        return None if dataset is None else dataset.get(keyword)
    except Exception:  # noqa: BLE001 - as said above, what is damaged counts as absent
        return None


def has_burned_in_text(dataset: Dataset) -> bool:
    """Whether the file says that its pixels name the patient or the date (PS3.3 C.7.6.1, (0028,0301))."""
    return text(dataset, "BurnedInAnnotation") == "YES"


def view(dataset: Dataset) -> View | None:
    """PA, AP or lateral by View Position, else by View Code Sequence (PS3.3 C.8.11.5)."""
    by_position = _VIEWS.get(text(dataset, "ViewPosition"))
    if by_position is not None:
        return by_position
    codes = _value(dataset, "ViewCodeSequence") or []
    return next(
        (_VIEW_CODES[code] for item in codes if (code := text(item, "CodeValue")) in _VIEW_CODES), None
    )


def sex(dataset: Dataset) -> Sex | None:
    """F or M; None for anything else (PS3.3 C.7.1.1)."""
    found = text(dataset, "PatientSex")
    return "F" if found == "F" else "M" if found == "M" else None


def age_years(dataset: Dataset) -> float | None:
    """Age in years, by Patient's Age (PS3.5 6.2, AS) or else by birth and study date.

    Whole years from two on and months below, so that no date of birth can be worked out.
    A bare number is taken for years: writers that leave the unit out mean that.
    """
    found = re.fullmatch(r"(\d{1,3}) ?([DWMY]?)", text(dataset, "PatientAge"))
    if found:
        years = int(found[1]) * _YEARS_OF[found[2] or "Y"]
    else:
        birth, study = _date(dataset, "PatientBirthDate"), _date(dataset, "StudyDate")
        if birth is None or study is None:
            return None
        years = (study - birth).days / 365.25
    if not 0 <= years <= _OLDEST_YEARS:
        return None
    # A hundredth of a month, so that 3M stays three months through the division.
    return float(math.floor(years)) if years >= 2 else math.floor(years * 12 + 0.01) / 12


def _date(dataset: Dataset, keyword: str) -> date | None:
    """A date in the present or the retired (dotted) form of PS3.5 6.2, DA."""
    found = re.fullmatch(r"(\d{4})[.-]?(\d{2})[.-]?(\d{2})", text(dataset, keyword))
    if not found:
        return None
    try:
        return date(int(found[1]), int(found[2]), int(found[3]))
    except ValueError:
        return None


def spacing_mm(dataset: Dataset) -> tuple[float, float] | None:
    """(row, column) spacing in mm: calibrated, else at the detector, else of the scanner (PS3.3 10.7.1.3)."""
    for keyword in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"):
        found = numbers(dataset, keyword)
        if len(found) == 2 and min(found) > 0:
            return found[0], found[1]
    return None


@dataclass(frozen=True)
class Turn:
    """A turn of the stored picture: transpose first, then mirror left-right, then top-bottom."""

    transpose: bool = False
    left_right: bool = False
    top_bottom: bool = False

    @property
    def is_identity(self) -> bool:
        return not (self.transpose or self.left_right or self.top_bottom)

    def apply(self, pixels: np.ndarray) -> np.ndarray:
        """`pixels` (rows, columns) turned."""
        turned = pixels.T if self.transpose else pixels
        turned = turned[:, ::-1] if self.left_right else turned
        turned = turned[::-1] if self.top_bottom else turned
        return np.ascontiguousarray(turned)

    def apply_to_spacing(self, spacing: tuple[float, float] | None) -> tuple[float, float] | None:
        """(row, column) spacing after the turn."""
        return spacing[::-1] if spacing is not None and self.transpose else spacing


def turn_to_upright(dataset: Dataset) -> Turn:
    """The turn that brings the head up and, on frontal films, the patient's right to column 0.

    Patient Orientation (PS3.3 C.7.6.1.1.1) names the directions in which rows and columns run; the
    first letter of each is the main one. Without it, or where it names no upright film, nothing is
    turned: View Position alone says nothing of how the pixels lie.
    """
    value = _value(dataset, "PatientOrientation")
    if not isinstance(value, MultiValue) or len(value) != 2:
        return Turn()
    along_row, down = (str(one).strip().upper()[:1] for one in value)
    transpose = along_row in ("H", "F")
    if transpose:
        along_row, down = down, along_row
    if not along_row or along_row not in "LRAP" or not down or down not in "HF":
        return Turn()
    return Turn(transpose, left_right=along_row == "R", top_bottom=down == "H")
