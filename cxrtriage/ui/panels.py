"""The cards at the right of the film: what the file says of itself, the scores, the map, the versions."""

from __future__ import annotations

from html import escape

import streamlit as st

from cxrtriage.film.codes import sentence
from cxrtriage.film.film import Film
from cxrtriage.reading.assessment import Assessment, ClassScore
from cxrtriage.show.scores import member_rows, score_row, two_decimals, waiting_row
from cxrtriage.ui.readings import Reading, ReadMap
from cxrtriage.ui.texts import Texts

USUAL_CLASS, USUAL_MEMBERS = "tuberculosis", 3  # what the empty card keeps room for


def class_label(texts: Texts, name: str) -> str:
    """A class's name for people; its own where the catalogue has none."""
    key = f"class_{name}"
    return texts[key] if key in texts else name.replace("_", " ")


def film_card(texts: Texts, film: Film | None, notice: str = "") -> None:
    """What is known of the film before any score: view, size, the reader's notes."""
    if film is None:
        st.html(_card(_headline(texts["gate_waits"], texts["gate_waits_words"], "cx-none")))
        return
    view = texts.fill("view_by_tag", view=film.view) if film.view else texts["view_unknown"]
    facts = texts.fill(
        "film_facts", columns=film.columns, rows=film.rows, bits=film.bits, format=film.format.upper()
    )
    notes = [sentence(code, texts.language) for code in film.notes]
    lines = "".join(f'<p class="cx-note">{escape(line)}</p>' for line in [notice, *notes] if line)
    st.html(_card(_headline(view, f"{facts}. {texts['no_gate']}", "cx-unchecked") + lines))


def waiting_scores(texts: Texts, words: str) -> None:
    """The scores' card before there are any, as high as with one."""
    st.html(_card(waiting_row(class_label(texts, USUAL_CLASS), words, USUAL_MEMBERS), texts["scores"]))


def scores_card(texts: Texts, assessment: Assessment, as_filed: Assessment | None = None) -> None:
    """A row a class. `as_filed`: the unadjusted film's assessment beside an adjusted one's."""
    diagnosis = assessment.diagnosis
    if diagnosis is None:
        return
    rows = []
    for name, score in diagnosis.classes.items():
        label = class_label(texts, name)
        rows.append(
            score_row(
                label,
                score,
                meter_label=_meter_label(texts, label, score),
                sentence=call_sentence(texts, score),
                moved=_moved(texts, name, score, as_filed),
            )
        )
    rows += [_members(texts, assessment, name) for name in diagnosis.classes]
    st.html(_card("".join(rows), texts["scores"]))


def call_sentence(texts: Texts, score: ClassScore) -> str:
    """Whether the score is above its threshold, at which operating point, and who set it."""
    point, _, value = score.operating_point.partition("_")
    site = score.threshold_source.removeprefix("site:")
    source = (
        texts.fill("source_card", population=score.population)
        if score.threshold_source == "card"
        else texts.fill("source_site", site=site)
    )
    return texts.fill(
        f"call_{score.call}",
        threshold=two_decimals(score.threshold),
        point=texts.fill("point", name=point, value=value).strip(),
        source=source,
        low=two_decimals(score.interval[0]),
        high=two_decimals(score.interval[1]),
    )


def chosen_map(texts: Texts, reading: Reading | None) -> ReadMap | None:
    """The choice of net and class whose map lies over the film."""
    maps = reading.maps if reading is not None else ()
    if not maps:  # the same room without a choice; no key, so that a choice made before is not forgotten
        st.selectbox(texts["map"], [], placeholder=texts["no_map"], help=texts["map_limits"], disabled=True)
        return None
    with_evidence = [i for i, one in enumerate(maps) if one.values is not None]
    choice = st.selectbox(
        texts["map"],
        range(len(maps)),
        index=with_evidence[0] if with_evidence else 0,
        format_func=lambda i: texts.fill(
            "map_option", net=maps[i].net, label=class_label(texts, maps[i].class_name)
        ),
        help=texts["map_limits"],
        key="map_choice",
    )
    return maps[choice]


def map_words(texts: Texts, chosen: ReadMap) -> str:
    """The caption of a map, or that there is none."""
    key = "map_empty" if chosen.values is None else "map_caption"
    return texts.fill(key, label=class_label(texts, chosen.class_name), net=chosen.net)


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


def problem(words: str) -> None:
    """One sentence for what went wrong."""
    st.html(f'<div class="cx-problem" role="alert">{escape(words)}</div>')


def _meter_label(texts: Texts, label: str, score: ClassScore) -> str:
    return texts.fill(
        "meter_label",
        label=label,
        probability=two_decimals(score.probability),
        threshold=two_decimals(score.threshold),
    )


def _moved(texts: Texts, name: str, score: ClassScore, as_filed: Assessment | None) -> str:
    if as_filed is None or as_filed.diagnosis is None:
        return ""
    before = as_filed.diagnosis.classes[name].probability
    difference = f"{score.probability - before:+.2f}".replace("-", "−")
    return texts.fill(
        "moved", before=two_decimals(before), after=two_decimals(score.probability), difference=difference
    )


def _members(texts: Texts, assessment: Assessment, name: str) -> str:
    """The nets side by side for a class, with their spread as the heading."""
    assert assessment.diagnosis is not None
    scores = {
        net: by_class[name] for net, by_class in assessment.diagnosis.members.items() if name in by_class
    }
    label = class_label(texts, name)
    if len(scores) > 1:
        heading = texts.fill(
            "members_spread",
            label=label,
            low=two_decimals(min(scores.values())),
            high=two_decimals(max(scores.values())),
        )
    else:
        heading = texts.fill("member_alone", label=label)
    return member_rows(heading, scores, assessment.diagnosis.classes[name].threshold)


def _headline(words: str, below: str, kind: str) -> str:
    return (
        f'<div class="cx-gate {kind}"><i aria-hidden="true"></i><div><b>{escape(words)}</b>'
        f"<p>{escape(below)}</p></div></div>"
    )


def _card(content: str, heading: str = "") -> str:
    title = f"<h2>{escape(heading)}</h2>" if heading else ""
    return f'<section class="cx-card">{title}{content}</section>'
