"""`Triage`: film -> `Assessment`."""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cxrtriage import __version__
from cxrtriage.film.film import Film, FilmError
from cxrtriage.reading.assessment import Assessment, Call, ClassScore, Diagnosis, FilmFacts, Versions
from cxrtriage.reading.ensemble import Ensemble, read_ensemble
from cxrtriage.reading.member import Member
from cxrtriage.reading.saliency import Saliency
from cxrtriage.weights import WEIGHTS_FOLDER, Card, OperatingPoint, WeightsError


class Triage:
    """The nets that read together. Safe to share between threads: reading a film changes nothing here."""

    def __init__(self, members: Sequence[Member], ensemble: Ensemble | None) -> None:
        if not members:
            raise WeightsError("weights_missing", "There are no weights to read with; fetch them again.")
        self._members = {member.card.name: member for member in members}
        self._points = _points(self.cards, ensemble)

    @classmethod
    def load(cls, folder: Path | None = None, models: Sequence[str] | None = None) -> Triage:
        """The nets of a folder of weights, all that its ensemble names or those of `models`.

        Raises WeightsError where weights, card or ensemble are missing or damaged, or a name is
        unknown.
        """
        folder = folder or WEIGHTS_FOLDER
        ensemble = read_ensemble(folder)
        names = tuple(dict.fromkeys(models)) if models else tuple(ensemble.weights)
        unknown = [name for name in names if name not in ensemble.weights]
        if unknown:
            raise WeightsError(
                "unknown_model",
                f"There is no model {', '.join(unknown)}; known are {', '.join(ensemble.weights)}.",
            )
        return cls([Member.load(name, folder) for name in names], ensemble)

    @property
    def members(self) -> tuple[str, ...]:
        return tuple(self._members)

    @property
    def cards(self) -> dict[str, Card]:
        return {name: member.card for name, member in self._members.items()}

    @property
    def versions(self) -> Versions:
        return Versions(__version__, {name: card.sha256[:12] for name, card in self.cards.items()})

    def assess(self, film: Film, *, file: str = "") -> Assessment:
        """The assessment of a film, without maps."""
        return self.read(film, file=file, maps=False)[0]

    def read(self, film: Film, *, file: str = "", maps: bool = True) -> tuple[Assessment, list[Saliency]]:
        """The assessment of a film and, from the same forward pass, each net's map of each class."""
        seconds = {"read": 0.0, "gate": 0.0, "diagnosis": 0.0, "saliency": 0.0, "severity": 0.0}
        began = time.perf_counter()
        images: dict[object, np.ndarray] = {}
        scores: dict[str, dict[str, float]] = {}
        raw: dict[str, dict[str, np.ndarray]] = {}
        for name, member in self._members.items():
            # Nets that take the same picture share it; they differ in normalisation only.
            form = member.form
            key = (form.size, form.trim, form.fit, form.equalise)
            if key not in images:
                images[key] = form.image(film)
            scores[name], raw[name] = member.read(images[key], maps)
        diagnosis = self._diagnosis(scores)
        seconds["diagnosis"] = time.perf_counter() - began
        began = time.perf_counter()
        found = [
            self._members[name].saliency(film, class_name, map_)
            for name, by_class in raw.items()
            for class_name, map_ in by_class.items()
        ]
        seconds["saliency"] = time.perf_counter() - began
        assessment = Assessment(
            file=file,
            sha256=film.sha256,
            status="read",
            versions=self.versions,
            codes=film.notes,
            film=FilmFacts.of(film),
            diagnosis=diagnosis,
            seconds={step: round(value, 4) for step, value in seconds.items()},
        )
        return assessment, found

    def saliency(self, film: Film, member: str, class_name: str) -> Saliency:
        """One net's map of one class; KeyError for a name that is not there."""
        chosen = self._members[member]
        _, raw = chosen.read(chosen.form.image(film))
        return chosen.saliency(film, class_name, raw[class_name])

    def refusal(self, error: FilmError, *, file: str = "", data: bytes | None = None) -> Assessment:
        """The row of a file that could not be read as a film."""
        sha256 = hashlib.sha256(data).hexdigest() if data is not None else None
        return Assessment(
            file=file,
            sha256=sha256,
            status="refused",
            versions=self.versions,
            codes=(error.code,),
            message=error.message,
        )

    def _diagnosis(self, scores: dict[str, dict[str, float]]) -> Diagnosis:
        by_class: OrderedDict[str, list[float]] = OrderedDict()
        for member_scores in scores.values():
            for name, score in member_scores.items():
                by_class.setdefault(name, []).append(score)
        classes = {}
        for name, values in by_class.items():
            point_name, point = self._points[name]
            classes[name] = _class_score(float(np.mean(values)), point_name, point)
        return Diagnosis(classes, scores, any(score.call == "uncertain" for score in classes.values()))


def _points(cards: dict[str, Card], ensemble: Ensemble | None) -> dict[str, tuple[str, OperatingPoint]]:
    """By class, the name and the operating point these nets are held against together."""
    if len(cards) == 1:
        (card,) = cards.values()
        found, name = card.operating_points, card.default_operating_point
    else:
        measured = ensemble.points(list(cards.values())) if ensemble else None
        if ensemble is None or measured is None:
            raise WeightsError(
                "no_threshold",
                f"No threshold was measured for {', '.join(cards)} together; "
                "run python -m train evaluate with these names.",
            )
        found, name = measured, ensemble.default_operating_point
    try:
        return {class_name: (name, points[name]) for class_name, points in found.items()}
    except KeyError as error:
        raise WeightsError(
            "weights_damaged", "A card names no threshold; fetch the weights again."
        ) from error


def _class_score(probability: float, name: str, point: OperatingPoint) -> ClassScore:
    low, high = point.interval
    call: Call
    if low <= probability <= high and low < high:
        call = "uncertain"
    else:
        call = "flagged" if probability >= point.threshold else "not_flagged"
    return ClassScore(
        probability=probability,
        threshold=point.threshold,
        interval=point.interval,
        operating_point=name,
        threshold_source="card",
        population=point.population,
        call=call,
    )
