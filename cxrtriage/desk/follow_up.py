"""Films of one patient over the dates that the user gave them, and whether a change exceeds the error.

The JSON of a course, `cxrtriage/course/1`:

    {"schema": "cxrtriage/course/1", "label": "typed by the user",
     "visits": [{"date": "2020-03-01", "assessment": {"schema": "cxrtriage/assessment/1", ...}}, ...]}

Films are not in it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from cxrtriage.reading.assessment import Assessment, Scale, Severity, Zones

SCHEMA = "cxrtriage/course/1"

ScaleName = Literal["array_score", "brixia", "extent", "opacity"]
Verdict = Literal["more", "less", "within_error", "unknown"]
Together = Verdict | Literal["mixed"]

# Where each scale ends; all begin at 0.
FULL_SCALE: dict[ScaleName, float] = {"array_score": 6, "brixia": 18, "extent": 8, "opacity": 6}

ReadersError = Mapping[ScaleName, float]
"""By scale, how far two readers of the same film lie apart on average (mean absolute difference)."""

READERS: ReadersError = {"array_score": 1.01, "brixia": 1.93}
"""A senior and a junior reader on the same 170 films (Brixia scores that Signoroni 2021 gave to Cohen's
films; `brixia1` and `brixia2` of `severity.csv`); the array score counts zones of Brixia 1 or more. Of extent
and opacity only the mean of the readers was published, so their error is not known."""

READERS_ZONE = 0.41
"""The same two readers in one Brixia zone of 0 to 3."""

_NINETY = 1.6449  # 90 of 100 normal errors lie within this many standard deviations


def readers_bound(mean_absolute_difference: float) -> float:
    """What 90 of 100 differences between two readings by people stay within, for normal errors.

    The difference of two readings with independent normal errors is normal itself, and the mean of the
    absolute value of a normal difference is sqrt(2 / pi) of its standard deviation. So the bound is
    1.645 * sqrt(pi / 2) = 2.06 times the mean absolute difference. Two films read once each differ by
    reading error as one film does that is read twice, so that the same bound holds for a change.
    It is a floor: readers err a little more widely than that (of the 170 films, 82 lie within per 100).
    """
    return _NINETY * math.sqrt(math.pi / 2) * mean_absolute_difference


@dataclass(frozen=True)
class Visit:
    """One film's assessment and the date the user gave it; a file's own date is never kept."""

    date: date
    assessment: Assessment

    @property
    def severity(self) -> Severity | None:
        return self.assessment.severity

    def scale(self, name: ScaleName) -> Scale | None:
        """The score on one scale, None where severity was not computed."""
        if self.severity is None:
            return None
        return self.severity.brixia.total if name == "brixia" else getattr(self.severity, name)


@dataclass(frozen=True)
class Course:
    """Visits of one patient, by date; those of one date stay in the order they were added.

    `label` is typed by the user.
    """

    label: str
    visits: tuple[Visit, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "visits", tuple(sorted(self.visits, key=lambda visit: visit.date)))

    def to_json(self) -> str:
        visits = [
            {"date": one.date.isoformat(), "assessment": one.assessment.to_dict()} for one in self.visits
        ]
        values = {"schema": SCHEMA, "label": self.label, "visits": visits}
        return json.dumps(values, ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Course:
        """What `to_json` wrote; ValueError for anything else."""
        try:
            values = json.loads(text)
            if values["schema"] != SCHEMA or not _writable(values["label"]):
                raise ValueError(f"not a {SCHEMA}")
            return cls(values["label"], tuple(_visit(one) for one in values["visits"]))
        except (TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
            raise ValueError(f"not a {SCHEMA}: {error}") from error


def _visit(values: dict[str, Any]) -> Visit:
    assessment = Assessment.from_json(json.dumps(values["assessment"]))
    texts = [assessment.file, assessment.sha256 or "", assessment.message or "", *assessment.codes]
    texts += [text for pair in assessment.versions.weights.items() for text in pair]
    texts.append((assessment.film.view if assessment.film else None) or "")
    if not all(map(_writable, texts)):
        raise ValueError("a text of the assessment is none")
    if assessment.severity is not None and not all(map(math.isfinite, _numbers(assessment.severity))):
        raise ValueError("a score is not a number")
    return Visit(date.fromisoformat(values["date"]), assessment)


def _writable(text: Any) -> bool:
    """Whether it is a text that can be written again; JSON allows halves of characters."""
    if not isinstance(text, str):
        return False
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _numbers(severity: Severity) -> list[float]:
    scales = (severity.array_score, severity.brixia.total, severity.extent, severity.opacity)
    zones = [value for rows in (severity.array, severity.brixia.zones) for pair in rows for value in pair]
    return [number for one in scales for number in (one.value, *one.interval)] + zones


@dataclass(frozen=True)
class ScaleChange:
    """The change on one scale from an earlier to a later film.

    `readers_error` is the 90 % bound of a change by readers (`readers_bound`), None where not known.
    """

    scale: ScaleName
    before: Scale | None
    after: Scale | None
    readers_error: float | None = None

    @property
    def difference(self) -> float | None:
        """Later minus earlier: above 0, more is affected in the later film."""
        return None if self.before is None or self.after is None else self.after.value - self.before.value

    @property
    def own_error(self) -> float | None:
        """90 % half-width of the difference: the half-widths of both scores in quadrature.

        An interval that the scale's end cuts off is narrow on that side only. Of each score the half counts
        that faces the other score, since only an error there could make up the difference (Zou and
        Donner 2008, https://doi.org/10.1002/sim.3095); where there is none, the wider way. The errors
        of two films of one patient are taken as independent, which is rather too wide than too narrow.
        """
        if self.before is None or self.after is None:
            return None
        rising = math.hypot(_below(self.after), _above(self.before))
        falling = math.hypot(_above(self.after), _below(self.before))
        difference = self.after.value - self.before.value
        return max(rising, falling) if difference == 0 else rising if difference > 0 else falling

    @property
    def error(self) -> float | None:
        """The larger of our own error and the readers'."""
        own = self.own_error
        return None if own is None else max(own, self.readers_error or 0.0)

    @property
    def verdict(self) -> Verdict:
        """`more` and `less` where the difference exceeds the error, `unknown` without both scores."""
        difference, error = self.difference, self.error
        if difference is None or error is None:
            return "unknown"
        if abs(difference) <= error:
            return "within_error"
        return "more" if difference > 0 else "less"


def _below(scale: Scale) -> float:
    return max(0.0, scale.value - scale.interval[0])


def _above(scale: Scale) -> float:
    return max(0.0, scale.interval[1] - scale.value)


@dataclass(frozen=True)
class Change:
    """What changed from one visit to a later one; `readers` by scale, as `ReadersError`."""

    before: Visit
    after: Visit
    scales: tuple[ScaleChange, ...]

    @classmethod
    def between(cls, before: Visit, after: Visit, readers: ReadersError = READERS) -> Change:
        bounds = {name: readers_bound(apart) for name, apart in readers.items()}
        return cls(
            before,
            after,
            tuple(
                ScaleChange(name, before.scale(name), after.scale(name), bounds.get(name))
                for name in FULL_SCALE
            ),
        )

    @property
    def days(self) -> int:
        return (self.after.date - self.before.date).days

    @property
    def verdict(self) -> Together:
        """All scales together: `mixed` where one says more and another less."""
        said = {one.verdict for one in self.scales}
        if {"more", "less"} <= said:
            return "mixed"
        strongest: tuple[Verdict, ...] = ("more", "less", "within_error")
        return next((verdict for verdict in strongest if verdict in said), "unknown")

    @property
    def brixia_zones(self) -> Zones | None:
        """Later minus earlier by zone, each -3 to 3; None without both scores."""
        if self.before.severity is None or self.after.severity is None:
            return None
        return _difference(self.before.severity.brixia.zones, self.after.severity.brixia.zones)

    @property
    def array_zones(self) -> Zones | None:
        """Later minus earlier chance that a zone is affected, each -1 to 1; None without both scores."""
        if self.before.severity is None or self.after.severity is None:
            return None
        return _difference(self.before.severity.array, self.after.severity.array)


def _difference(before: Zones, after: Zones) -> Zones:
    upper, middle, lower = (
        (later[0] - earlier[0], later[1] - earlier[1]) for earlier, later in zip(before, after, strict=True)
    )
    return upper, middle, lower
