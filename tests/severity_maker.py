"""Severity for tests of what shows it: no net, only numbers that a test can foresee."""

from __future__ import annotations

from typing import ClassVar

from cxrtriage.film.film import Film
from cxrtriage.gate.gate import Gate, GateResult
from cxrtriage.reading.assessment import (
    Assessment,
    Brixia,
    FilmFacts,
    LungsSeen,
    Scale,
    Severity,
    Versions,
)


def severity(share: float, width: float = 0.05) -> Severity:
    """Every scale at `share` (0..1) of its full length, with an interval `width` of it to both sides."""

    def scale(full: float) -> Scale:
        return Scale(full * share, (full * max(0.0, share - width), full * min(1.0, share + width)))

    row, brixia = (share, share), (3 * share, 3 * share)
    return Severity(
        LungsSeen(2, 0.97), (row, row, row), scale(6), Brixia((brixia, brixia, brixia), scale(18)),
        scale(8), scale(6), "moderate",
    )  # fmt: skip


class SeverityTriage:
    """Stands in for `Triage`: a film's severity is its mean grey; `without` names the films that get none."""

    read_files: ClassVar[list[str]] = []
    without: ClassVar[dict[str, tuple[str, ...]]] = {}
    shipped: ClassVar[bool] = True
    gate: ClassVar[Gate | None] = None

    def checked(self, film: Film) -> GateResult | None:
        return self.gate.check(film) if self.gate else None

    def assess(self, film: Film, *, file: str = "", read_anyway: bool = False) -> Assessment:
        result = self.checked(film)
        if result and (result.verdict == "refused" or (result.verdict == "cautioned" and not read_anyway)):
            return Assessment(
                file=file, sha256=film.sha256, status="refused", versions=Versions("0.1.0", {}),
                codes=result.codes, message="no", film=FilmFacts.of(film), gate=result.to_dict(),
            )  # fmt: skip
        self.read_files.append(file)
        scored = self.shipped and file not in self.without
        return Assessment(
            file=file, sha256=film.sha256, status="read", versions=Versions("0.1.0", {"net": "0123456789ab"}),
            codes=(*film.notes, *_told(result), *self.without.get(file, ())), film=FilmFacts.of(film),
            severity=severity(float(film.pixels.mean())) if scored else None, seconds={"severity": 0.1},
            gate=result.to_dict() if result else None,
        )  # fmt: skip


def _told(result: GateResult | None) -> tuple[str, ...]:
    return (*result.codes, "read_anyway") if result and result.codes else ()
