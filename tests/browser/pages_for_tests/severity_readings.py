"""A reading with severity that needs no weights, for the tests of what the page shows of it."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np

from cxrtriage.film.film import Film
from cxrtriage.reading.assessment import (
    Assessment,
    Brixia,
    ClassScore,
    Diagnosis,
    FilmFacts,
    LungsSeen,
    Scale,
    Severity,
    Versions,
)

SEVERITY = Severity(
    lungs=LungsSeen(2, 0.97),
    array=((0.12, 0.08), (0.64, 0.21), (0.91, 0.55)),
    array_score=Scale(2.5, (1.2, 4.1)),
    brixia=Brixia(((0.3, 0.2), (1.4, 0.6), (2.6, 1.1)), Scale(6.2, (3.1, 9.4))),
    extent=Scale(2.4, (0.9, 4.3)),
    opacity=Scale(2.2, (1.2, 3.4)),
    category="moderate",
)
FIGURES: dict[str, Any] = {
    "readers": {"brixia": {"mae": 1.87}},
    "ours": {
        "brixia": {"mae": 1.7}, "brixia_zone": {"mae": 0.45}, "extent": {"mae": 0.9},
        "opacity": {"mae": 0.6}, "array_score": {"mae": 0.8},
    },
}  # fmt: skip
PLACES = {"right": (0.30, 0.42), "left": (0.70, 0.42)}  # of the lungs' middles, across and down


def drawn_lungs(rows: int, columns: int) -> np.ndarray:
    """Two ellipses side by side: (rows, columns) bool."""
    y, x = np.mgrid[0 : 1 : rows * 1j, 0 : 1 : columns * 1j]
    lungs = [((x - across) / 0.15) ** 2 + ((y - down) / 0.32) ** 2 < 1 for across, down in PLACES.values()]
    return np.any(lungs, axis=0)


def drawn_lesions(rows: int, columns: int) -> np.ndarray:
    """A lesion low in the patient's right lung and a weaker one in the left, 0 outside the lungs."""
    y, x = np.mgrid[0 : 1 : rows * 1j, 0 : 1 : columns * 1j]
    spots = [(0.29, 0.6, 0.11, 0.92), (0.72, 0.62, 0.08, 0.58)]
    warm = sum(
        chance * np.exp(-(((x - across) / width) ** 2) - ((y - down) / width) ** 2)
        for across, down, width, chance in spots
    )
    values = np.where(drawn_lungs(rows, columns), np.maximum(warm, 0.02), 0)
    return values.astype(np.float32)


class SevereTriage:
    """Reads every film the same way, as `severity`, `codes` and `probability` say; brings no torch along."""

    severity: ClassVar[Severity | None] = SEVERITY
    codes: ClassVar[tuple[str, ...]] = ()
    maps_drawn: ClassVar[int] = 0
    probability: ClassVar[float] = 0.81
    operating_point = "sensitivity_0.90"
    operating_points = ("sensitivity_0.90",)
    map_methods: ClassVar[dict[str, tuple[str, ...]]] = {"one": ("Grad-CAM",), "two": ("Grad-CAM",)}

    def read(
        self,
        film: Film,
        *,
        file: str = "",
        maps: str | tuple[str, ...] = "strongest",
        read_anyway: bool = False,
        gated: bool = True,
    ) -> tuple[Assessment, list[SimpleNamespace]]:
        scores = {"tuberculosis": self.probability, "covid19": 0.2, "other_infection": 0.1}
        classes = {
            name: ClassScore(
                score, 0.4, (0.35, 0.45), self.operating_point, "card", "the films of two hospitals",
                "flagged" if score > 0.45 else "not_flagged", 0.9, 0.7,
            )
            for name, score in scores.items()
        }  # fmt: skip
        assessment = Assessment(
            file=file, sha256=film.sha256, status="read", film=FilmFacts.of(film), codes=self.codes,
            diagnosis=Diagnosis(classes, {"one": scores, "two": scores}, uncertain=False),
            severity=self.severity, versions=Versions("0.1.0", {"one": "0123456789ab"}),
            seconds={"diagnosis": 0.4},
        )  # fmt: skip
        class_name = maps[0] if isinstance(maps, tuple) else "tuberculosis"
        warm = drawn_lesions(film.rows, film.columns)
        return assessment, [
            SimpleNamespace(map=warm, net=net, class_name=class_name, empty=False, method="Grad-CAM")
            for net in ("one", "two")
        ]

    def read_with_lesions(
        self, film: Film, **asked: Any
    ) -> tuple[Assessment, list[SimpleNamespace], SimpleNamespace | None]:
        return *self.read(film, **asked), self.severity_map(film) if self.severity else None

    def severity_map(self, film: Film) -> SimpleNamespace:
        type(self).maps_drawn += 1
        return SimpleNamespace(map=drawn_lesions(film.rows, film.columns), net="severity")

    def points_with(self, site: None) -> tuple[str, ...]:
        return self.operating_points

    def held_against(self, assessment: Assessment, operating_point: str, site: None) -> Assessment:
        return replace(assessment)
