"""The change between two films in words: the card beside them, and why there may be none."""

from __future__ import annotations

from datetime import date
from html import escape

from cxrtriage.desk.follow_up import FULL_SCALE, Change, ScaleChange, ScaleName, Visit
from cxrtriage.film.codes import GATE_CODES, LUNG_CODES, sentence
from cxrtriage.reading.assessment import Assessment
from cxrtriage.show.follow_up import change_row, signed
from cxrtriage.show.scores import folded, paragraphs
from cxrtriage.ui.course import CourseFilm
from cxrtriage.ui.panels import card, foot
from cxrtriage.ui.texts import Texts

_GATE_TOLD = GATE_CODES | {"read_anyway", "righted", "cut_out"}


def date_words(texts: Texts, day: date | None) -> str:
    """`1 Mar 2020`; a dash without a date."""
    if day is None:
        return "–"
    return texts.fill("date", day=day.day, month=texts["months"].split()[day.month - 1], year=day.year)


def name_words(texts: Texts, scale: ScaleName) -> str:
    return texts.named("scale", scale)


def change_card(texts: Texts, change: Change) -> str:
    """The card as HTML: the sentence for all scales, a row each, and what else bears on a comparison."""
    before, after = change.before, change.after
    key = {0: "days_none", 1: "days_one"}.get(change.days, "days_many")
    heading = texts.fill(
        "change",
        before=date_words(texts, before.date),
        after=date_words(texts, after.date),
        days=texts.fill(key, days=change.days),
    )
    rows = "".join(_row(texts, scale) for scale in change.scales if scale.verdict != "unknown")
    content = f'<p class="cx-verdict">{escape(verdict_words(texts, change))}</p>'
    content += paragraphs(*cautions(texts, change), kind="cx-caution") + rows
    if rows:
        content += foot(texts["change_foot"])
        content += folded(
            texts["course_meanings"], paragraphs(*(texts[f"meaning_{name}"] for name in FULL_SCALE))
        )
    return card(content, heading)


def verdict_words(texts: Texts, change: Change) -> str:
    """One plain sentence on whether the change exceeds the error of the measure."""

    def named(verdict: str) -> str:
        names = [texts.named("said", one.scale) for one in change.scales if one.verdict == verdict]
        return ", ".join(names)

    if change.verdict == "unknown":
        without = [visit for visit in (change.before, change.after) if visit.severity is None]
        reasons = [_reason(visit) for visit in without]
        if reasons == ["missing", "missing"]:
            return texts["visit_none"]
        return " ".join([texts["change_unknown"], *(missing_words(texts, visit) for visit in without)])
    return texts.fill(
        f"change_{change.verdict}",
        more=named("more"),
        less=named("less"),
        scales=named("more") or named("less"),
    )


def missing_words(texts: Texts, visit: Visit) -> str:
    """Why a film has no severity score; empty where it has one."""
    if visit.severity is not None:
        return ""
    if visit.assessment.status == "refused":
        why = _sentences(texts, visit.assessment)[:1] or [texts["visit_refused_unsaid"]]
        return texts.fill("visit_refused", date=date_words(texts, visit.date), sentence=why[0])
    return texts.fill(f"visit_{_reason(visit)}", date=date_words(texts, visit.date))


def gate_words(texts: Texts, film: CourseFilm) -> list[str]:
    """What the gate said against a film of the course, and that it was read all the same; mostly nothing."""
    if film.assessment is None:
        return []
    told = _sentences(texts, film.assessment)
    return [texts["not_read_film"], *told] if film.assessment.status == "refused" else told


def doubt_words(texts: Texts, visit: Visit) -> list[str]:
    """Why less can be made of a film that was read: what the gate said of it, and that it was read anyway."""
    if visit.assessment.status == "refused":
        return []
    return [
        texts.fill("change_doubt", date=date_words(texts, visit.date), sentence=told)
        for told in _sentences(texts, visit.assessment)
    ]


def _sentences(texts: Texts, assessment: Assessment) -> list[str]:
    """Of the gate's codes and of what was done about them."""
    codes = [code for code in dict.fromkeys(assessment.codes) if code in _GATE_TOLD]
    return [sentence(code, texts.language) for code in codes]


def _reason(visit: Visit) -> str:
    if visit.assessment.status == "refused":
        return "refused"
    return "no_lungs" if LUNG_CODES & set(visit.assessment.codes) else "missing"


def cautions(texts: Texts, change: Change) -> list[str]:
    """What makes two films hard to compare: other views, other nets, lungs that were not found."""
    before, after = change.before, change.after
    found = []
    views = [visit.assessment.film and visit.assessment.film.view for visit in (before, after)]
    if all(views) and views[0] != views[1]:
        found.append(texts.fill("change_views", before=views[0], after=views[1]))
    if before.assessment.versions != after.assessment.versions:
        found.append(texts["change_versions"])
    for visit in (before, after):
        found += doubt_words(texts, visit)
        if visit.severity is not None:
            codes = {*visit.assessment.codes, *visit.severity.lungs.codes}
            found += [
                texts.fill(
                    "change_doubt",
                    date=date_words(texts, visit.date),
                    sentence=sentence(code, texts.language),
                )
                for code in sorted(codes & LUNG_CODES)
            ]
    return found


def _row(texts: Texts, change: ScaleChange) -> str:
    difference, error, own = change.difference, change.error, change.own_error
    if change.before is None or change.after is None or difference is None or error is None or own is None:
        return ""
    full = FULL_SCALE[change.scale]
    name = name_words(texts, change.scale)
    said = texts.fill(f"change_row_{change.verdict}", error=f"{error:.1f}")
    if change.readers_error is None:
        errors = texts["change_error_own"]
    else:
        errors = texts.fill("change_errors", readers=f"{change.readers_error:.1f}", own=f"{own:.1f}")
    scores = texts.fill(
        "change_scores",
        before=f"{change.before.value:.1f}",
        after=f"{change.after.value:.1f}",
        full=f"{full:g}",
    )
    label = texts.fill("change_meter", scale=name, difference=signed(difference), error=f"{error:.1f}")
    return change_row(
        name, difference, error, full, scores=scores, sentence=f"{said} {errors}", label=label,
        verdict=change.verdict,
    )  # fmt: skip
