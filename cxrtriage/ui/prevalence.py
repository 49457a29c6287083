"""What a score above the threshold means where the user works: counts of people, at the user's prevalence."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from cxrtriage.reading.assessment import Assessment, ClassScore
from cxrtriage.reading.prevalence import Group, group_at
from cxrtriage.show.scores import paragraphs, two_decimals
from cxrtriage.ui.choice import choice
from cxrtriage.ui.map_choice import strongest_class
from cxrtriage.ui.panels import class_label, nothing_here
from cxrtriage.ui.score_card import point_words
from cxrtriage.ui.texts import Texts

# A round number to begin with, said to be one; the others come and go too much with season and place for any.
START_PERCENT: Mapping[str, float] = {"tuberculosis": 10.0}
_SET = "prevalence_set"


def prevalence_panel(texts: Texts, assessment: Assessment | None) -> None:
    """A folded panel: which disease, how common it is, and what a positive then means."""
    with st.expander(texts["prevalence"]):
        classes = assessment.diagnosis.classes if assessment and assessment.diagnosis else {}
        measured = {name: one for name, one in classes.items() if one.sensitivity is not None}
        if not measured:
            st.html(f'<div class="cx-counts">{paragraphs(texts["prevalence_waits"])}</div>')
            nothing_here()
            return
        with st.container(horizontal=True, key="prevalence_row"):
            name = choice(
                texts["prevalence_class"],
                list(measured),
                key=f"prevalence_class_{assessment.sha256 if assessment else None}",
                start=strongest_class(measured),
                words=lambda one: class_label(texts, one),
            )
            percent = _percent_input(texts, name)
        disease = texts.named("disease", name)
        if percent is None:
            words = [texts.fill("prevalence_empty", disease=disease)]
        else:
            words = prevalence_sentences(texts, disease, measured[name], percent / 100)
        st.html(f'<div class="cx-counts">{paragraphs(*words)}</div>')


def prevalence_sentences(texts: Texts, disease: str, score: ClassScore, prevalence: float) -> list[str]:
    """Counts above and below the threshold, and the films from which they are reckoned."""
    assert score.sensitivity is not None
    assert score.specificity is not None
    group = group_at(prevalence, score.sensitivity, score.specificity)
    return [
        texts.fill("prevalence_ill", people=_count(group.people), ill=_count(group.ill), disease=disease),
        _above(texts, group, disease, score),
        _below(texts, group, disease),
        texts.fill(
            "prevalence_source" if score.threshold_source == "card" else "prevalence_source_site",
            sensitivity=two_decimals(score.sensitivity),
            specificity=two_decimals(score.specificity),
            point=point_words(texts, score.operating_point),
            population=score.population,
        ),
    ]


def _above(texts: Texts, group: Group, disease: str, score: ClassScore) -> str:
    threshold = two_decimals(score.threshold)
    if group.above_chance is None or group.above == 0:
        return texts.fill("prevalence_none_above", threshold=threshold)
    return texts.fill(
        "prevalence_above",
        above=_count(group.above),
        above_ill=_count(group.above_ill),
        threshold=threshold,
        disease=disease,
        chance=percent_words(group.above_chance),
    )


def _below(texts: Texts, group: Group, disease: str) -> str:
    if group.below_chance is None or group.below == 0:
        return texts["prevalence_none_below"]
    return texts.fill(
        "prevalence_below",
        below=_count(group.below),
        below_ill=_count(group.below_ill),
        disease=disease,
        chance=percent_words(group.below_chance),
    )


def percent_words(share: float) -> str:
    """A share of 0..1 in per cent with two figures that count: 28 %, 1.5 %, 0.12 %."""
    percent = 100 * share
    if percent in (0, 100) or percent >= 10:
        # 99.96 is not 100: nobody left over is a claim of its own.
        return f"{min(round(percent), 99) if percent < 100 else 100} %"
    return f"{percent:.1f} %" if percent >= 1 else f"{percent:.2g} %"


def _count(people: int) -> str:
    return f"{people:,}"


def _percent_input(texts: Texts, name: str) -> float | None:
    """The user's prevalence of a class in per cent; None while empty. Each class keeps its own."""
    kept: dict[str, float | None] = st.session_state.setdefault(_SET, {})
    value: float | None = st.number_input(
        texts["prevalence_percent"],
        min_value=0.0,
        max_value=100.0,
        value=kept.get(name, START_PERCENT.get(name)),
        step=1.0,
        format="%g",
        placeholder="–",
        help=texts["prevalence_help"],
        key=f"prevalence_{name}",
    )
    kept[name] = value
    return value
