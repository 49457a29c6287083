"""`Triage`: film -> `Assessment`."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, TypedDict, Unpack

import numpy as np
from torch import Tensor

from cxrtriage import __version__
from cxrtriage.film.codes import sentence
from cxrtriage.film.film import Film, FilmError
from cxrtriage.gate.gate import GATE, Gate, GateResult
from cxrtriage.reading.assessment import Assessment, Diagnosis, FilmFacts, Severity, Versions
from cxrtriage.reading.call import class_score, strongest_class
from cxrtriage.reading.cut_lungs import with_cut_lungs
from cxrtriage.reading.ensemble import Ensemble, read_ensemble, speakers
from cxrtriage.reading.input_form import InputForm
from cxrtriage.reading.lung_finder import LungFinder
from cxrtriage.reading.lungs import Lungs
from cxrtriage.reading.map_methods import GRAD_CAM, MapMethod
from cxrtriage.reading.member import Member
from cxrtriage.reading.saliency import Saliency
from cxrtriage.reading.severity import SeverityMap, SeverityReader, SeverityScores
from cxrtriage.reading.severity_card import SeverityCard
from cxrtriage.reading.site import Site
from cxrtriage.weights import WEIGHTS_FOLDER, Card, OperatingPoint, WeightsError

Maps = bool | tuple[str, ...] | Literal["strongest"]


class Asked(TypedDict, total=False):
    """What may be asked of a reading (`Triage.read`): the file's name for the row (none), which maps (all),
    how they are made (Grad-CAM), to read what the gate cautions of (no), to ask the gate (yes)."""

    file: str
    maps: Maps
    method: MapMethod
    read_anyway: bool
    gated: bool


class Triage:
    """The nets that read together. Safe to share between threads: reading a film changes nothing here."""

    def __init__(
        self,
        members: Sequence[Member],
        ensemble: Ensemble | None,
        lungs: LungFinder | None = None,
        findings: Member | None = None,
        operating_point: str | None = None,
        severity: SeverityReader | None = None,
        gate: Gate | None = None,
        problems: Mapping[str, WeightsError] | None = None,
    ) -> None:
        """`findings` is the net whose findings are shown; it may be one of the members. `severity`: the nets
        that tell how much of the lungs is affected. `gate`: what keeps from being read what is no chest film.

        `operating_point` names the thresholds to hold the scores against; by default the card's own.
        `problems`: by part (`findings`, `severity`), why it is not here; reading can do without these.
        """
        if not members:
            raise WeightsError("weights_missing", "There are no weights to read with; fetch them again.")
        self._members = {member.card.name: member for member in members}
        self._speakers = speakers(self.cards, ensemble)
        self._points, self._default = _points(self.cards, ensemble, tuple(self._speakers))
        self.operating_point = self.needs_point(operating_point or self._default)
        self._lungs, self._findings, self._severity, self._gate = lungs, findings, severity, gate
        self.problems = dict(problems or {})
        cards = [member.card for member in [*members, *([findings] if findings else [])]]
        _need_lungs([*cards, *(severity.cards if severity else [])], lungs)

    @classmethod
    def load(
        cls,
        folder: Path | None = None,
        models: Sequence[str] | None = None,
        operating_point: str | None = None,
    ) -> Triage:
        """The nets of a folder of weights, the ensemble's members or those of `models`.

        Raises WeightsError where weights, card or ensemble are missing or damaged, or a name is
        unknown. Damaged nets of severity or findings are left out, and `problems` says why: the scores do
        without them. A damaged gate is not left out, for it keeps from being read what should not be.
        """
        folder = folder or WEIGHTS_FOLDER
        ensemble = read_ensemble(folder)
        names = tuple(dict.fromkeys(models)) if models else ensemble.members
        unknown = [name for name in names if name not in ensemble.weights]
        if unknown:
            raise WeightsError(
                "unknown_model",
                f"There is no model {', '.join(unknown)}; known are {', '.join(ensemble.weights)}.",
            )
        members = {name: Member.load(name, folder) for name in names}
        wanted = [member.card.lungs for member in members.values() if member.card.lungs]
        lungs = LungFinder.load(wanted[0]["name"], folder) if wanted else None
        findings, severity = None, None
        problems: dict[str, WeightsError] = {}
        try:
            if ensemble.findings:
                name = ensemble.findings["name"]
                findings = members.get(name) or Member.load(name, folder)
                _need_lungs([findings.card], lungs)
        except WeightsError as error:
            findings = None
            problems["findings"] = error
        try:
            severity = SeverityReader.load(folder)
            if severity is not None and lungs is None and severity.lungs:
                lungs = LungFinder.load(severity.lungs["name"], folder)
            _need_lungs(severity.cards if severity else [], lungs)
        except WeightsError as error:
            severity = None
            problems["severity"] = error
        gate = Gate.load(folder) if (folder / f"{GATE}.json").is_file() else None
        return cls(
            list(members.values()), ensemble, lungs, findings, operating_point, severity, gate, problems
        )

    @property
    def members(self) -> tuple[str, ...]:
        return tuple(self._members)

    @property
    def cards(self) -> dict[str, Card]:
        return {name: member.card for name, member in self._members.items()}

    @property
    def versions(self) -> Versions:
        """Checksums of every net that speaks: members, lungs, findings."""
        sums = {name: card.sha256[:12] for name, card in self.cards.items()}
        if self._findings:
            sums.setdefault(self._findings.card.name, self._findings.card.sha256[:12])
        if self._lungs:
            sums[self._lungs.card.name] = self._lungs.card.sha256[:12]
        if self._severity:
            sums |= self._severity.card.checksums
        if self._gate:
            sums.update({card.name: card.sha256[:12] for card, _ in self._gate.nets})
        return Versions(__version__, sums)

    @property
    def map_methods(self) -> dict[str, tuple[MapMethod, ...]]:
        """By net, the ways its maps can be made."""
        return {name: member.methods for name, member in self._members.items()}

    @property
    def operating_points(self) -> tuple[str, ...]:
        """Names of the operating points that were measured for every class of these nets together."""
        first, *others = self._points.values()
        return tuple(name for name in first if all(name in points for points in others))

    def _told_by(self, member: Member) -> tuple[str, ...]:
        """The classes that a net speaks of here: one may know more than it is asked."""
        return tuple(name for name in member.card.classes if member.card.name in self._speakers.get(name, ()))

    def needs_point(self, operating_point: str, site: Site | None = None) -> str:
        """The name of an operating point again; WeightsError (`unknown_operating_point`) where there is
        none."""
        known = self.points_with(site)
        if operating_point not in known:
            raise WeightsError(
                "unknown_operating_point",
                f"There is no operating point {operating_point}; known are {', '.join(known)}.",
            )
        return operating_point

    def held_against(
        self, assessment: Assessment, operating_point: str, site: Site | None = None
    ) -> Assessment:
        """The scores of a film read before, held against another operating point; nothing is read anew.

        `site`: thresholds of a hospital of its own. A class for which it has none of this name is held
        against the card's of this name or, where the card has none either, against the card's usual one.
        """
        if assessment.diagnosis is None:
            return assessment
        scores, point = assessment.diagnosis.members, self.needs_point(operating_point, site)
        return replace(assessment, diagnosis=self._diagnosis(scores, point, site))

    def points_with(self, site: Site | None) -> tuple[str, ...]:
        """Names of the operating points to choose from, those of a hospital of its own first.

        Raises WeightsError (`other_thresholds`) where its thresholds were set with other nets than these.
        """
        if site is None:
            return self.operating_points
        site.needs(self.cards, self._speakers)
        return tuple(dict.fromkeys((*site.operating_points, *self.operating_points)))

    def checked(self, film: Film) -> GateResult | None:
        """What the gate says of a film before lungs are looked for; None where none is installed."""
        return self._gate.check(film) if self._gate else None

    def assess(self, film: Film, *, file: str = "", read_anyway: bool = False) -> Assessment:
        """The assessment of a film, without maps."""
        return self.read(film, file=file, maps=False, read_anyway=read_anyway)[0]

    def read(self, film: Film, **asked: Unpack[Asked]) -> tuple[Assessment, list[Saliency]]:
        """The assessment of a film and, from the same forward pass, each net's map of each class.

        `maps` False draws none; a tuple names the classes whose maps are wanted; `strongest` means
        the class that speaks most for disease in this film. `method` is how they are made; a net that has no
        such maps draws none. What the gate refuses is not read, and what it
        cautions of is read only with `read_anyway`, which every output then says. `gated` False asks no gate:
        for what a reader made of a film that passed it, a crop of it for instance.

        Raises WeightsError (`no_score`) where a net gives NaN or infinity: no score is made up from the
        others. Where only the severity nets do, the scores stand and `severity_failed` is among the codes.
        """
        return self._read(film, lesions_too=False, **asked)[:2]

    def read_with_lesions(
        self, film: Film, **asked: Unpack[Asked]
    ) -> tuple[Assessment, list[Saliency], SeverityMap | None]:
        """What `read` gives and, from the same pass too, what `severity_map` does; None too where the gate
        keeps the film from being read."""
        return self._read(film, lesions_too=True, **asked)

    def _read(
        self,
        film: Film,
        *,
        lesions_too: bool,
        file: str = "",
        maps: Maps = True,
        method: MapMethod = GRAD_CAM,
        read_anyway: bool = False,
        gated: bool = True,
    ) -> tuple[Assessment, list[Saliency], SeverityMap | None]:
        seconds = {"read": 0.0, "gate": 0.0, "diagnosis": 0.0, "saliency": 0.0, "severity": 0.0}
        began = time.perf_counter()
        gate = self.checked(film) if gated else None
        seconds["gate"] = time.perf_counter() - began
        if gate is not None and gate.verdict == "refused":
            return self._turned_away(film, gate, file, seconds), [], None
        began = time.perf_counter()
        lungs = self._lungs.find(film) if self._lungs else None
        if gate is not None:
            gate = with_cut_lungs(gate, lungs)
            if gate.verdict == "cautioned" and not read_anyway:
                return self._turned_away(film, gate, file, seconds), [], None
        gate_codes = (*gate.codes, "read_anyway") if gate is not None and gate.codes else ()
        images: dict[object, np.ndarray] = {}
        seen: dict[str, list[Tensor]] = {}
        scores: dict[str, dict[str, float]] = {}
        for name, member in self._members.items():
            seen[name] = member.look(self._picture(member.form, film, lungs, images))
            outputs = member.scores(seen[name])
            scores[name] = {class_name: outputs[class_name] for class_name in self._told_by(member)}
            if member is self._findings:
                findings = outputs
        diagnosis = self._diagnosis(scores)
        if self._findings and self._findings.card.name not in self._members:
            picture = self._picture(self._findings.form, film, lungs, images)
            findings = self._findings.scores(self._findings.look(picture))
        seconds["diagnosis"] = time.perf_counter() - began
        began = time.perf_counter()
        if maps == "strongest":
            wanted: tuple[str, ...] = (strongest_class(diagnosis.classes),)
        elif isinstance(maps, tuple):
            wanted = maps
        else:
            wanted = tuple(diagnosis.classes) if maps else ()
        found = [
            member.saliency(film, lungs, class_name, member.raw_map(seen[name], class_name, method), method)
            for name, member in self._members.items()
            if method in member.methods
            for class_name in self._told_by(member)
            if class_name in wanted
        ]
        seconds["saliency"] = time.perf_counter() - began
        began = time.perf_counter()
        severity, lesions, failed = self._told_severity(film, lungs, images, mapped=lesions_too)
        seconds["severity"] = time.perf_counter() - began
        assessment = Assessment(
            file=file,
            sha256=film.sha256,
            status="read",
            versions=self.versions,
            codes=(*film.notes, *gate_codes, *(lungs.codes if lungs else ()), *failed),
            film=FilmFacts.of(film),
            gate=gate.to_dict() if gate is not None else None,
            diagnosis=diagnosis,
            findings=(
                {name: findings[name] for name in self._findings.card.shown_findings}
                if self._findings
                else None
            ),
            severity=severity,
            seconds={step: round(value, 4) for step, value in seconds.items()},
        )
        return assessment, found, lesions

    def _turned_away(self, film: Film, gate: GateResult, file: str, seconds: dict[str, float]) -> Assessment:
        """The row of a film that the gate keeps from being read."""
        return Assessment(
            file=file,
            sha256=film.sha256,
            status="refused",
            versions=self.versions,
            codes=(*gate.codes, *film.notes),
            message=sentence(gate.codes[0]),
            film=FilmFacts.of(film),
            gate=gate.to_dict(),
            seconds={step: round(value, 4) for step, value in seconds.items()},
        )

    @property
    def has_gate(self) -> bool:
        """Whether something checks that a film is a frontal chest film."""
        return self._gate is not None

    @property
    def severity_card(self) -> SeverityCard | None:
        """What was measured of severity; None where no nets for it are installed."""
        return self._severity.card if self._severity else None

    def severity_map(self, film: Film) -> SeverityMap | None:
        """Where a lesion is likely; None where severity cannot be told (no nets for it, or not two lungs).

        Raises WeightsError (`no_score`) where a net gives no number.
        """
        lungs = self._lungs.find(film) if self._lungs else None
        scores = self._severity_scores(film, lungs, {})
        if self._severity is None or lungs is None or scores is None:
            return None
        return self._severity.map(scores, film, lungs)

    def _told_severity(
        self, film: Film, lungs: Lungs | None, images: dict[object, np.ndarray], *, mapped: bool
    ) -> tuple[Severity | None, SeverityMap | None, tuple[str, ...]]:
        """Severity, its map where that is wanted (`mapped`), and the code to say where its nets are damaged
        or gave no number."""
        try:
            scores = self._severity_scores(film, lungs, images)
        except WeightsError:
            return None, None, ("severity_failed",)
        if self._severity is None or lungs is None or scores is None:
            return None, None, ("severity_failed",) if "severity" in self.problems else ()
        map_ = self._severity.map(scores, film, lungs) if mapped else None
        return self._severity.severity(scores, lungs), map_, ()

    def _severity_scores(
        self, film: Film, lungs: Lungs | None, images: dict[object, np.ndarray]
    ) -> SeverityScores | None:
        """None where there are no nets for it, or no two lungs whose zones could be scored."""
        if self._severity is None or lungs is None or lungs.box is None:
            return None
        picture = self._picture(self._severity.form, film, lungs, images)
        return self._severity.look(picture, self._severity.zones(lungs))

    @staticmethod
    def _picture(
        form: InputForm, film: Film, lungs: Lungs | None, images: dict[object, np.ndarray]
    ) -> np.ndarray:
        """Nets that take the same picture share it; they differ in normalisation only."""
        if form.picture not in images:
            images[form.picture] = form.image(film, lungs)
        return images[form.picture]

    def saliency(self, film: Film, member: str, class_name: str, method: MapMethod = GRAD_CAM) -> Saliency:
        """One net's map of one class; KeyError for a name that is not there, ValueError for a method that the
        net does not have."""
        chosen = self._members[member]
        lungs = self._lungs.find(film) if self._lungs else None
        if class_name not in chosen.card.classes:
            raise KeyError(class_name)
        raw = chosen.raw_map(chosen.look(chosen.form.image(film, lungs)), class_name, method)
        return chosen.saliency(film, lungs, class_name, raw, method)

    def refusal(
        self,
        error: FilmError | WeightsError,
        *,
        file: str = "",
        data: bytes | None = None,
        film: Film | None = None,
    ) -> Assessment:
        """The row of a file that could not be read as a film, or of a film that a net gave no number for."""
        sha256 = hashlib.sha256(data).hexdigest() if data is not None else film.sha256 if film else None
        return Assessment(
            file=file,
            sha256=sha256,
            status="refused",
            versions=self.versions,
            codes=(error.code,),
            message=error.message,
            film=FilmFacts.of(film) if film else None,
        )

    def _diagnosis(
        self,
        scores: dict[str, dict[str, float]],
        operating_point: str | None = None,
        site: Site | None = None,
    ) -> Diagnosis:
        """Every class against its threshold, in the order of the cards; `scores` by net, then class."""
        asked = operating_point or self.operating_point
        classes = {}
        for class_name in self._speakers:
            speaking = {net: of[class_name] for net, of in scores.items() if class_name in of}
            name, point, source = self._point(class_name, asked, site)
            classes[class_name] = class_score(
                list(speaking.values()),
                name,
                point,
                [self._members[net].card.deviation(class_name) for net in speaking],
                source,
            )
        return Diagnosis(classes, scores, any(score.call == "uncertain" for score in classes.values()))

    def _point(self, class_name: str, name: str, site: Site | None) -> tuple[str, OperatingPoint, str]:
        """Which threshold a class is held against, under which name, and who set it."""
        of = self._points[class_name]
        own = site.points.get(class_name, {}).get(name) if site else None
        if site is not None and own is not None:
            spread = of[self._default].spread
            return name, own.as_operating_point(site.name, class_name, spread), site.source
        name = name if name in of else self._default
        return name, of[name], "card"


def _need_lungs(cards: Sequence[Card], lungs: LungFinder | None) -> None:
    """WeightsError where a net was measured with another lung net than the one that is there."""
    for card in cards:
        needed = card.lungs
        if needed and (lungs is None or lungs.version != needed):
            raise WeightsError(
                "weights_damaged",
                f"{card.name} was measured with the lung net {needed['name']} "
                f"{needed['sha256']}, which is not there; fetch the weights again.",
            )


def _points(
    cards: dict[str, Card], ensemble: Ensemble | None, classes: Sequence[str]
) -> tuple[dict[str, dict[str, OperatingPoint]], str]:
    """Operating points by class and name for these nets together, and the default one's name."""
    if len(cards) == 1:
        (card,) = cards.values()
        found, default = card.operating_points, card.default_operating_point
    else:
        measured = ensemble.points(cards) if ensemble else None
        if ensemble is None or measured is None:
            raise WeightsError(
                "no_threshold",
                f"No threshold was measured for {', '.join(cards)} together; "
                "run python -m train evaluate with these names.",
            )
        found, default = measured, ensemble.default_operating_point
    if not classes or any(default not in found.get(class_name, {}) for class_name in classes):
        raise WeightsError("weights_damaged", "A card names no threshold; fetch the weights again.")
    return {class_name: found[class_name] for class_name in found if class_name in classes}, default
