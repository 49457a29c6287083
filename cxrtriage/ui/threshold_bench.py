"""The panels of the thresholds page: a hospital's scores beside what its films truly showed."""

from __future__ import annotations

from html import escape
from string import ascii_uppercase

import streamlit as st

from cxrtriage.desk.threshold_bench import (
    BenchError,
    ClassBench,
    Nets,
    Rate,
    Truth,
    bench,
    matched,
    scores_of,
    site_of,
    truths_of,
)
from cxrtriage.reading.assessment import Assessment
from cxrtriage.reading.site import LONGEST_NAME, Site
from cxrtriage.show.facts import bullets, fact_table
from cxrtriage.show.scores import paragraphs
from cxrtriage.show.thresholds import Marked, threshold_figure
from cxrtriage.ui import readings
from cxrtriage.ui.choice import choice
from cxrtriage.ui.opening import opened_files, opening_row
from cxrtriage.ui.panels import card, class_label, foot, nothing_here, problem
from cxrtriage.ui.score_card import point_words
from cxrtriage.ui.texts import Texts
from cxrtriage.weights import WeightsError

_SCORES, _TRUTHS, _UPLOADS = "bench_scores", "bench_truths", "bench_uploads"
_PROBLEMS = "bench_problems"
SENSITIVITIES = ("0.80", "0.85", "0.90", "0.95")
SPECIFICITIES = ("0.60", "0.70", "0.80", "0.85", "0.90")
_PLOT = {"displayModeBar": False}
_EXAMPLE = """python -m cxrtriage assess my-films/ --out scores.jsonl

truths.csv:
file,patient,tuberculosis
film-1.dcm,p1,1
film-2.dcm,p2,0"""


def bench_row(texts: Texts) -> None:
    """The box that takes scores and truths, and what went wrong with them."""
    uploads = st.session_state.setdefault(_UPLOADS, 0)
    with opening_row(texts, "bench_opening", "bench_open"):
        files = opened_files(texts, "bench_open", f"bench_files_{uploads}")
    if files:
        st.session_state[_PROBLEMS] = [said for _, data in files for said in _taken(texts, data)]
        st.session_state[_UPLOADS] += 1  # an empty box, so that no file is held twice
        st.rerun()
    for said in st.session_state.get(_PROBLEMS, ()):
        problem(said)


def _taken(texts: Texts, data: bytes) -> list[str]:
    """Keep the scores or truths of a file in the session; the sentence that says why it is neither."""
    try:
        if data.lstrip()[:1] == b"{":
            st.session_state[_SCORES] = scores_of(data)
        else:
            st.session_state[_TRUTHS] = truths_of(data, readings.classes())
    except (BenchError, WeightsError) as error:
        return [texts.fill("bad_file", message=error.message, code=error.code)]
    return []


def on_the_bench(texts: Texts) -> tuple[dict[str, ClassBench], Nets] | None:
    """What lies on the bench; None, and a card that says what is missing, until both files are there."""
    rows: list[Assessment] | None = st.session_state.get(_SCORES)
    truths: list[Truth] | None = st.session_state.get(_TRUTHS)
    said = [
        texts.fill("bench_scores", count=len(rows)) if rows else texts["bench_no_scores"],
        texts.fill("bench_truths", count=len(truths)) if truths else texts["bench_no_truths"],
    ]
    if not rows or not truths:
        st.html(card(paragraphs(texts["bench_how"]) + bullets(said), texts["bench"]))
        st.code(_EXAMPLE, language=None)
        return None
    try:
        nets = Nets.installed(rows)
        pairs = matched(rows, truths)
        with st.container(horizontal=True, key="bench_asked"):
            sensitivity = _asked(texts, "bench_ask_sensitivity", SENSITIVITIES, "0.90")
            specificity = _asked(texts, "bench_ask_specificity", SPECIFICITIES, "0.70")
        found = bench(pairs, nets, (sensitivity,), (specificity,))
    except (BenchError, WeightsError) as error:
        st.html(card(bullets(said), texts["bench"]))
        problem(texts.fill("bad_file", message=error.message, code=error.code))
        return None
    said.append(texts.fill("bench_matched", count=len(pairs)))
    st.html(card(bullets(said), texts["bench"]))
    return found, nets


def _asked(texts: Texts, key: str, shares: tuple[str, ...], start: str) -> float:
    return float(
        choice(
            texts[key],
            list(shares),
            key=key,
            start=start,
            words=lambda share: share,
            help=texts["bench_ask_help"],
        )
    )


def class_bench(texts: Texts, class_name: str, one: ClassBench) -> None:
    """A class: its films, how well its score orders them, and what each threshold gives."""
    lines = [texts.fill("bench_films", films_with=one.films_with, films_without=one.films_without)]
    if one.auroc is not None:
        lines.append(texts.fill("bench_auroc", value=_rate(texts, one.auroc)))
    tried = [
        (texts.fill("bench_of_card", point=point_words(texts, one_tried.name)), one_tried, False)
        for one_tried in one.card
    ]
    tried += [
        (texts.fill("bench_own", point=point_words(texts, own.name)), own, True) for own in one.own_tried
    ]
    letters = dict(zip((label for label, _, _ in tried), ascii_uppercase, strict=False))
    rows = [
        [
            f"{letters[label]}  {label}",
            f"{each.threshold:.3g}",
            _rate(texts, each.sensitivity),
            _rate(texts, each.specificity),
        ]
        for label, each, _ in tried
    ]
    heads = [
        texts["bench_threshold"],
        texts["bench_value"],
        texts["bench_sensitivity"],
        texts["bench_specificity"],
    ]
    words = texts["bench_foot"] if one.own else texts["bench_too_few"]
    st.html(card(bullets(lines) + fact_table(heads, rows) + foot(words), class_label(texts, class_name)))
    marks = [Marked(each.threshold, letters[label], own) for label, each, own in tried]
    words_of_figure = {
        "title": texts["bench_figure"], "x": texts["bench_x"], "y": texts["bench_y"],
        "sensitivity": texts["bench_sensitivity"], "specificity": texts["bench_specificity"],
        "with": texts["bench_with"], "without": texts["bench_without"],
    }  # fmt: skip
    figure = threshold_figure(one.scores_with, one.scores_without, marks, words_of_figure)
    st.plotly_chart(figure, config=_PLOT, key=f"bench_figure_{class_name}")


def _rate(texts: Texts, rate: Rate) -> str:
    if rate.value != rate.value:  # no film to tell
        return "–"
    return texts.fill("site_share", value=f"{rate.value:.2f}", low=f"{rate.low:.2f}", high=f"{rate.high:.2f}")


def take_along(texts: Texts, found: dict[str, ClassBench], nets: Nets) -> None:
    """Give the thresholds a hospital's name, use them in this session, or save them."""
    if not any(one.own for one in found.values()):
        nothing_here()
        return
    with st.container(horizontal=True, key="bench_take", vertical_alignment="bottom"):
        name = st.text_input(
            texts["bench_name"], key="bench_name", max_chars=LONGEST_NAME, help=texts["bench_name_help"]
        )
        site: Site | None = None
        if name.strip():
            try:
                site = site_of(name, found, nets)
            except BenchError as error:
                problem(texts.fill("bad_file", message=error.message, code=error.code))
        st.button(
            texts["bench_use"], key="bench_use", disabled=site is None, on_click=_use, args=(texts, site)
        )
        st.download_button(
            texts["bench_save"],
            site.to_json() if site else "",
            file_name="thresholds.json",
            mime="application/json",
            on_click="ignore",
            disabled=site is None,
            key="bench_save",
        )
    used = readings.site()
    if used is not None and used == site:
        st.html(f'<p class="cx-about" role="status">{escape(texts.fill("bench_used", site=used.name))}</p>')
    else:
        nothing_here()


def _use(texts: Texts, site: Site) -> None:
    """Hold films of this session against the thresholds; a sentence where the page reads with other nets than
    those the scores are of (`--models`)."""
    try:
        readings.use_site(site)
        st.session_state[_PROBLEMS] = []
    except WeightsError as error:
        st.session_state[_PROBLEMS] = [texts.fill("bad_file", message=error.message, code=error.code)]
