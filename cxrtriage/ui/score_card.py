"""The scores' card: a row a class, what each asks, the nets side by side, and the choice of thresholds."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from cxrtriage.film.codes import LUNG_CODES, sentence
from cxrtriage.reading.assessment import Assessment, ClassScore
from cxrtriage.show.scores import folded, member_rows, paragraphs, score_row, two_decimals, waiting_row
from cxrtriage.ui.choice import choice
from cxrtriage.ui.panels import card, class_label, foot
from cxrtriage.ui.texts import Texts

USUAL_CLASSES = ("tuberculosis", "covid19", "other_infection")  # what the empty card keeps room for


def waiting_scores(texts: Texts, words: str) -> None:
    """The card before there are any scores, as high as with them."""
    rows = "".join(waiting_row(class_label(texts, name)) for name in USUAL_CLASSES)
    st.html(card(rows + foot(words), texts["scores"]))


def scores_card(texts: Texts, assessment: Assessment, as_filed: Assessment | None = None) -> None:
    """A row a class. `as_filed`: the unadjusted film's assessment beside an adjusted one's."""
    diagnosis = assessment.diagnosis
    if diagnosis is None:
        return
    # The reader's own notes stand beside the film; what the lung net said concerns the scores.
    warnings = [sentence(code, texts.language) for code in assessment.codes if code in LUNG_CODES]
    rows = "".join(
        score_row(
            class_label(texts, name),
            score,
            meter_label=_meter_label(texts, name, score),
            sentence=_call_words(texts, score),
            moved=_moved(texts, name, score, as_filed),
            more=_more(texts, assessment, name),
        )
        for name, score in diagnosis.classes.items()
    )
    st.html(
        card(paragraphs(*warnings, kind="cx-warning") + rows + foot(texts["scores_foot"]), texts["scores"])
    )


def chosen_point(
    texts: Texts, start: str = "", points: Sequence[str] = (), *, site: str | None = None
) -> str | None:
    """The choice of thresholds; None, in the same room, while there are none to choose from. `site`: the
    hospital whose own they are, as far as it has them."""
    if not points:
        st.selectbox(texts["points"], [], placeholder="–", help=texts["points_help"], disabled=True)
        return None
    return choice(
        texts.fill("points_site", site=site) if site else texts["points"],
        points,
        key=f"operating_point_{site}" if site else "operating_point",  # each begins at its own
        start=start,
        words=lambda point: _capital(point_words(texts, point)),
        help=texts["points_help"],
    )


def point_words(texts: Texts, operating_point: str) -> str:
    """`sensitivity_0.90` for people."""
    point, _, value = operating_point.partition("_")
    key = f"point_{point}"
    return texts.fill(key, value=value) if key in texts else f"{point} {value}".strip()


def _call_words(texts: Texts, score: ClassScore) -> str:
    return texts.fill(
        f"call_{score.call}",
        threshold=two_decimals(score.threshold),
        point=point_words(texts, score.operating_point),
    )


def _more(texts: Texts, assessment: Assessment, name: str) -> str:
    """What the score asks, who set its threshold, why it is uncertain, and the nets side by side; folded."""
    assert assessment.diagnosis is not None
    score = assessment.diagnosis.classes[name]
    members = {
        net: by_class[name] for net, by_class in assessment.diagnosis.members.items() if name in by_class
    }
    low, high = two_decimals(min(members.values())), two_decimals(max(members.values()))
    summary = texts.fill("members_spread", low=low, high=high) if len(members) > 1 else texts["member_alone"]
    asks = texts.get(f"asks_{name}", "")
    why = _why_uncertain(texts, score, len(members)) if score.call == "uncertain" else ""
    return folded(
        summary,
        member_rows(members, score.threshold) + paragraphs(why, asks, _source(texts, score)),
    )


def _why_uncertain(texts: Texts, score: ClassScore, members: int) -> str:
    low, high = score.interval
    if not low <= score.probability <= high:
        return texts.fill("uncertain_split", threshold=two_decimals(score.threshold))
    key = "uncertain_members" if members > 1 else "uncertain_alone"
    return texts.fill(key, low=two_decimals(low), high=two_decimals(high))


def _source(texts: Texts, score: ClassScore) -> str:
    """At which operating point the threshold was set, on whose films."""
    return texts.fill(
        "threshold_source",
        threshold=two_decimals(score.threshold),
        point=point_words(texts, score.operating_point),
        population=score.population,
    )


def _meter_label(texts: Texts, name: str, score: ClassScore) -> str:
    return texts.fill(
        "meter_label",
        label=class_label(texts, name),
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


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]
