"""Everything the program says of one film, and its JSON (`cxrtriage/assessment/1`).

The attributes have the names of the JSON's keys. A part that was not computed is None.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from cxrtriage.film.film import Film

SCHEMA = "cxrtriage/assessment/1"

Call = Literal["flagged", "not_flagged", "uncertain"]
Status = Literal["read", "refused"]
Category = Literal["none", "mild", "moderate", "severe"]


@dataclass(frozen=True)
class FilmFacts:
    """The harmless facts of a film that an assessment keeps.

    `blanked`: boxes (left, top, right, bottom; half-open) painted over before the film was read, in pixels of
    the film as it was opened and, where its codes say `righted`, turned.
    """

    rows: int
    columns: int
    bits: int
    format: str
    view: str | None = None
    age_years: float | None = None
    sex: str | None = None
    spacing_mm: tuple[float, float] | None = None
    blanked: tuple[tuple[int, int, int, int], ...] = ()

    @classmethod
    def of(cls, film: Film) -> FilmFacts:
        return cls(
            film.rows,
            film.columns,
            film.bits,
            film.format,
            film.view,
            film.age_years,
            film.sex,
            film.spacing_mm,
            tuple((box.left, box.top, box.right, box.bottom) for box in film.blanked),
        )


@dataclass(frozen=True)
class ClassScore:
    """The score of one class: calibrated probability in 0..1 and what it is held against.

    `interval` is the uncertain band about the threshold: as far to both sides, in logits, as the nets
    disagree on this film, or as nets usually do where one reads alone. A probability inside it is
    uncertain. `sensitivity` and `specificity` are those of the operating point on `population`, None
    where nobody measured them.
    """

    probability: float
    threshold: float
    interval: tuple[float, float]
    operating_point: str
    threshold_source: str
    population: str
    call: Call
    sensitivity: float | None = None
    specificity: float | None = None


@dataclass(frozen=True)
class Diagnosis:
    """`classes` by class name; `members` by net, then class (each net's own calibrated probability)."""

    classes: dict[str, ClassScore]
    members: dict[str, dict[str, float]]
    uncertain: bool


# (upper, middle, lower), in each the patient's right lung first.
Zones = tuple[tuple[float, float], tuple[float, float], tuple[float, float]]


@dataclass(frozen=True)
class LungsSeen:
    """How many lungs were found (0 to 2), how certain their outline is (0..1), and its codes."""

    found: int
    confidence: float
    codes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Scale:
    """A score on its own scale with the interval that holds the readers' score in 90 of 100 films."""

    value: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class Brixia:
    """Brixia score (Borghesi 2020): each zone 0 to 3, and their sum 0 to 18, `global` in JSON."""

    zones: Zones
    total: Scale


@dataclass(frozen=True)
class Severity:
    """How much of the lungs is affected, on the scales of the literature.

    `array`: chance (0..1) that a zone is affected (Park 2021); `array_score`: how many of the six are,
    0..6. `extent` 0..8 and `opacity` 0..6 (Cohen 2020). `category` follows the opacity (Lara 2025).
    """

    lungs: LungsSeen
    array: Zones
    array_score: Scale
    brixia: Brixia
    extent: Scale
    opacity: Scale
    category: Category

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types, with the keys of the program's JSON."""
        return {
            "lungs": asdict(self.lungs),
            "array": self.array,
            "array_score": self.array_score.value,
            "array_interval": self.array_score.interval,
            "brixia": {
                "zones": self.brixia.zones,
                "global": self.brixia.total.value,
                "interval": self.brixia.total.interval,
            },
            "extent": asdict(self.extent),
            "opacity": asdict(self.opacity),
            "category": self.category,
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Severity:
        """What `to_dict` gave, also after JSON; KeyError, TypeError or ValueError where it is not that."""
        brixia = values["brixia"]
        return cls(
            LungsSeen(**{**values["lungs"], "codes": tuple(values["lungs"]["codes"])}),
            _zones(values["array"]),
            _scale(values["array_score"], values["array_interval"]),
            Brixia(_zones(brixia["zones"]), _scale(brixia["global"], brixia["interval"])),
            _scale(**values["extent"]),
            _scale(**values["opacity"]),
            values["category"],
        )


def _zones(rows: Any) -> Zones:
    upper, middle, lower = ((float(right), float(left)) for right, left in rows)
    return upper, middle, lower


def _scale(value: float, interval: Any) -> Scale:
    low, high = interval
    return Scale(float(value), (float(low), float(high)))


@dataclass(frozen=True)
class Versions:
    """The program's version, and of each net the first twelve digits of its weights' sha256."""

    cxrtriage: str
    weights: dict[str, str]


@dataclass(frozen=True)
class Assessment:
    """One film's assessment. `seconds` goes by step; `codes` are those of the film and its reading."""

    file: str
    sha256: str | None
    status: Status
    versions: Versions
    codes: tuple[str, ...] = ()
    message: str | None = None
    film: FilmFacts | None = None
    gate: dict[str, Any] | None = None
    diagnosis: Diagnosis | None = None
    findings: dict[str, float] | None = None
    severity: Severity | None = None
    seconds: dict[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        values = {"schema": SCHEMA, **asdict(self)}
        if self.severity is not None:
            values["severity"] = self.severity.to_dict()
        return values

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(self.to_dict(), ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Assessment:
        """The assessment of a line of JSON; ValueError where it is none."""
        try:
            values = json.loads(text)
            if not isinstance(values, dict) or values.pop("schema", None) != SCHEMA:
                raise ValueError(f"not a {SCHEMA}")
            return cls._from_dict(values)
        except (TypeError, LookupError, AttributeError, RecursionError) as error:
            raise ValueError(f"not a {SCHEMA}: {error}") from error

    @classmethod
    def _from_dict(cls, values: dict[str, Any]) -> Assessment:
        if not isinstance(values["file"], str) or not isinstance(values["sha256"], str | None):
            raise TypeError("a film is named and summed in words")
        values["codes"] = tuple(values["codes"])
        values["versions"] = Versions(**values["versions"])
        if not isinstance(values["versions"].weights, dict):
            raise TypeError("weights go by name")
        if values["film"] is not None:
            film = values["film"]
            spacing, blanked = film["spacing_mm"], film.get("blanked", ())
            film = {**film, "spacing_mm": tuple(spacing) if spacing else None}
            values["film"] = FilmFacts(**{**film, "blanked": tuple(tuple(box) for box in blanked)})
        if values["diagnosis"] is not None:
            diagnosis = values["diagnosis"]
            members = diagnosis["members"]
            if not isinstance(members, dict) or not all(isinstance(of, dict) for of in members.values()):
                raise TypeError("the nets' scores go by name, then class")
            scores = {
                name: ClassScore(**{**score, "interval": tuple(score["interval"])})
                for name, score in diagnosis["classes"].items()
            }
            values["diagnosis"] = Diagnosis(scores, diagnosis["members"], diagnosis["uncertain"])
        if values["severity"] is not None:
            values["severity"] = Severity.from_dict(values["severity"])
        return cls(**values)
