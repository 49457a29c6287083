"""The plain cards at the right of the film: what the file says of itself, findings, versions, problems."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

import streamlit as st

from cxrtriage.film.codes import sentence
from cxrtriage.film.film import Film
from cxrtriage.reading.assessment import Assessment
from cxrtriage.show.scores import finding_rows, folded
from cxrtriage.ui import readings
from cxrtriage.ui.texts import Texts

FINDINGS_SHOWN = 5  # the rest is one click away


def class_label(texts: Texts, name: str) -> str:
    """A class's name for people; its own where the catalogue has none."""
    return texts.named("class", name)


def film_card(
    texts: Texts, film: Film | None, notice: str = "", assessment: Assessment | None = None
) -> None:
    """What is known of the film before any score: what the gate says of it, view, size, notes."""
    if film is None:
        st.html(card(_headline(texts["gate_waits"], texts["gate_waits_words"], "cx-none")))
        return
    gate = assessment.gate if assessment is not None else None
    view = texts.fill("view_by_tag", view=film.view) if film.view else texts["view_unknown"]
    if gate is not None and not film.view and gate["view"]:
        view = texts.fill("view_by_look", view=gate["view"])
    facts = texts.fill(
        "film_facts", columns=film.columns, rows=film.rows, bits=film.bits, format=film.format.upper()
    )
    codes = list(dict.fromkeys((*(gate["codes"] if gate else ()), *film.notes)))
    notes = [sentence(code, texts.language) for code in codes]
    lines = "".join(f'<p class="cx-note">{escape(line)}</p>' for line in [notice, *notes] if line)
    if gate is None:
        # Read without a gate, or not looked at yet.
        said = texts["gate_checking"] if assessment is None else texts["no_gate"]
        st.html(card(_headline(view, f"{facts}. {said}", "cx-unchecked") + lines))
        return
    words = texts[f"gate_{gate['verdict']}"]
    st.html(card(_headline(words, f"{view}. {facts}.", f"cx-{gate['verdict']}") + lines))


def gate_actions(
    texts: Texts,
    film: Film,
    assessment: Assessment,
    *,
    read_anyway: Callable[[Film], None],
    put_right: Callable[[Film], None],
    key: str = "gate",
) -> None:
    """What can be done about a film that was not read: turn it upright, cut it out of a picture of it, or
    read it on one's own word."""
    if assessment.gate is None or assessment.status != "refused":
        return
    checked = readings.checked(film)
    offered = []
    if assessment.gate["verdict"] == "cautioned":
        if checked is not None and checked.film_at is not None:
            offered.append(("cut_out", texts["gate_cut_out"], texts["gate_cut_out_help"], put_right))
        anyway = texts["gate_read_anyway"], texts["gate_read_anyway_help"]
        offered.append(("read_anyway", *anyway, read_anyway))
    elif checked is not None and checked.rightable:
        offered.append(("right", texts["gate_right"], texts["gate_right_help"], put_right))
    if offered:
        with st.container(horizontal=True, key=f"{key}_actions"):
            for name, words, told, act in offered:
                st.button(words, help=told, on_click=act, args=(film,), key=f"{key}_{name}")


def findings_card(texts: Texts, assessment: Assessment | None) -> None:
    """The likelier findings as bars, the others folded; nothing where none were read."""
    # That there is no finding is more than a program can say of a film.
    findings = (assessment.findings if assessment else None) or {}
    told = {name: value for name, value in findings.items() if name != "no_finding"}
    if not told:
        nothing_here()
        return
    ordered = sorted(told, key=lambda name: -told[name])
    first, rest = ordered[:FINDINGS_SHOWN], ordered[FINDINGS_SHOWN:]
    content = finding_rows({texts.named("finding", name): told[name] for name in first})
    if rest:
        content += folded(
            texts.fill("findings_more", count=len(rest)),
            finding_rows({texts.named("finding", name): told[name] for name in rest}),
        )
    st.html(card(content + foot(texts["findings_foot"]), texts["findings"]))


def about_line(texts: Texts, assessment: Assessment) -> None:
    """Time and versions."""
    weights = ", ".join(f"{net} {digits}" for net, digits in assessment.versions.weights.items())
    words = texts.fill(
        "about",
        seconds=f"{sum(assessment.seconds.values()):.1f}",
        version=assessment.versions.cxrtriage,
        weights=weights,
    )
    st.html(f'<p class="cx-about">{escape(words)}</p>')


def nothing_here(places: int = 1) -> None:
    """Take away what stood at the next places, which Streamlit leaves until a run has ended: while a film is
    read, that would be the findings and the download of the film before it. (`st.empty` leaves it, too.)"""
    for _ in range(places):
        st.html('<span class="cx-nothing"></span>')


def problem(words: str) -> None:
    """One sentence for what went wrong."""
    st.html(f'<div class="cx-problem" role="alert">{escape(words)}</div>')


def _headline(words: str, below: str, kind: str) -> str:
    return (
        f'<div class="cx-gate {kind}"><i aria-hidden="true"></i><div><b>{escape(words)}</b>'
        f"<p>{escape(below)}</p></div></div>"
    )


def foot(words: str) -> str:
    """The small print of a card, as HTML."""
    return f'<p class="cx-foot">{escape(words)}</p>'


def card(content: str, heading: str = "") -> str:
    """A panel as HTML over `content` that is HTML already."""
    title = f"<h2>{escape(heading)}</h2>" if heading else ""
    return f'<section class="cx-card">{title}{content}</section>'
