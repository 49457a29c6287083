"""What stands around the CT viewer: opening, the decision and why, volumes, the rule, the table, export."""

from __future__ import annotations

import csv
import io
from html import escape
from typing import TYPE_CHECKING, Any

import streamlit as st

from cxrtriage.film.codes import sentence
from cxrtriage.show.ct import csv_cell, montage, table_rows
from cxrtriage.ui.ct_examples import series_examples
from cxrtriage.ui.ct_session import CtSession
from cxrtriage.ui.ct_viewer import ct_viewer
from cxrtriage.ui.opening import opened_files, opening_row
from cxrtriage.ui.panels import card, foot, nothing_here, problem
from cxrtriage.ui.texts import Texts

if TYPE_CHECKING:
    from cxrtriage.ct.reading import CtReading

_MOST_SLICES, _MOST_AREA = 30, 5000
_VIEWER_WORDS = (
    "empty_title", "empty_words", "tools", "window", "boxes", "outlines", "slice", "stage", "legend",
    "quadrants", "unread", "lesions",
)  # fmt: skip


def series_row(texts: Texts, session: CtSession) -> None:
    """Opening files, choosing one of several series, closing."""
    with opening_row(texts, "ct_opening", "ct_open"):
        files = opened_files(texts, "ct_open", f"ct_files_{session.openings}")
        if files:
            with st.spinner(texts["ct_opening"]):
                session.open(texts, files)
            st.rerun()
        if len(session.series) > 1:
            st.selectbox(
                texts["ct_choose"],
                range(len(session.series)),
                index=session.chosen,
                format_func=lambda number: texts.fill(
                    "ct_choose_one",
                    name=session.series[number].name,
                    count=len(session.series[number].slices),
                ),
                key=f"ct_chosen_{session.openings}",
                on_change=lambda: session.show(st.session_state[f"ct_chosen_{session.openings}"]),
                label_visibility="collapsed",
            )
        # They stay on the page: while a series is read, Streamlit would leave what went away standing grey.
        examples = series_examples(texts)
        clicked = [
            st.button(example.title, help=texts["ct_example_help"], key=f"ct_example_{number}")
            for number, example in enumerate(examples)
        ]
        st.button(texts["ct_clear"], on_click=session.clear, disabled=not session.series, key="ct_clear")
        if any(clicked):
            with st.spinner(texts["ct_opening"]):
                session.open_example(examples[clicked.index(True)])
            st.rerun()
    if session.problem:
        problem(session.problem)
    if session.notice:
        st.html(f'<p class="cx-about">{escape(session.notice)}</p>')


def progress_row(texts: Texts, session: CtSession) -> None:
    """How far it is, and a way to stop or to go on; nothing once all is read."""
    if session.stack is None or session.done or (session.problem and session.stopped):
        return
    count = len(session.series[session.chosen].slices)
    with st.container(horizontal=True, key="ct_progress", vertical_alignment="center"):
        words = texts.fill("ct_progress", done=len(session.found), count=count)
        st.progress(len(session.found) / count, text=words)
        st.button(
            texts["ct_go_on"] if session.stopped else texts["ct_stop"],
            on_click=lambda: setattr(session, "stopped", not session.stopped),
            key="ct_stop",
        )


def viewer(texts: Texts, session: CtSession, reading: CtReading | None) -> None:
    words = {name: texts[f"ct_{name}"] for name in _VIEWER_WORDS}
    words |= {name: texts[f"ct_window_{name}"] for name in ("lung", "mediastinum")}
    words |= {name: texts[name] for name in ("right_side", "right_side_hint")}
    evidence = reading.evidence if reading is not None and session.done else None
    ct_viewer(
        session.stack,
        session.found,
        evidence={"quadrant": evidence.quadrant, "first": evidence.first, "last": evidence.last}
        if evidence
        else None,
        texts=words,
    )


def decision_card(texts: Texts, session: CtSession, reading: CtReading | None) -> None:
    """What the rule says, why, and how far to trust it."""
    if reading is None or reading.rule is None:
        heading = (
            texts["ct_reading"] if session.stack is not None and not session.problem else texts["ct_waits"]
        )
        st.html(card(f"<b>{escape(heading)}</b>{foot(texts['ct_waits_words'])}", texts["ct_decision"]))
        return
    count = len(session.series[session.chosen].slices)
    if not session.done and not session.stopped:
        decision, why = (
            texts["ct_reading"],
            texts.fill("ct_why_undetermined", affected=reading.affected_slices, count=count),
        )
        kind = "cx-none"
    elif reading.evidence is not None:
        decision, kind = texts["ct_positive"], "cx-flagged"
        why = texts.fill(
            "ct_why_positive",
            quadrant=texts["ct_quadrants"].split("|")[reading.evidence.quadrant],
            count=reading.evidence.last - reading.evidence.first + 1,
            first=reading.evidence.first + 1,
            last=reading.evidence.last + 1,
        )
    else:
        decision, kind = texts[f"ct_{reading.decision}"], "cx-unchecked"
        why = texts.fill(f"ct_why_{reading.decision}", affected=reading.affected_slices, count=count)
    rule = reading.rule
    reach = texts.fill("ct_rule_reach", mm=f"{rule.least_mm:g}") if reading.spacing_mm else ""
    small = texts.fill(
        "ct_rule_foot", area=rule.min_area, slices=rule.slices, reach=reach, errors=_errors(texts, session)
    )
    codes = [] if not session.done and not session.stopped else list(reading.codes)
    notes = "".join(f'<p class="cx-note">{escape(sentence(code, texts.language))}</p>' for code in codes)
    said = (
        f'<div class="cx-gate {kind}"><i aria-hidden="true"></i><div>'
        f'<b class="cx-call">{escape(decision)}</b>'
        f"<p>{escape(why)}</p></div></div>"
    )
    st.html(card(said + notes + foot(small), texts["ct_decision"]))


def _errors(texts: Texts, session: CtSession) -> str:
    figures = session.reader.finder.card.figures.get("series, test") if session.reader is not None else None
    if not figures or figures.get("specificity") is None:
        return texts["ct_no_errors"]
    return texts.fill(
        "ct_errors",
        recall=round(100 * figures["lesion_recall"]),
        clear=round(100 * figures["specificity"]),
    )


def volume_card(texts: Texts, session: CtSession, reading: CtReading | None) -> None:
    if reading is None or not session.done:
        nothing_here()
        return
    if reading.spacing_mm is None:
        st.html(card(f"<p>{escape(texts['ct_no_spacing'])}</p>", texts["ct_volume"]))
        return
    z, _, x = reading.spacing_mm
    spacing = texts.fill("ct_spacing", z=f"{z:.1f}", x=f"{x:.2f}")
    volume = reading.volume_ml
    if volume is None:
        st.html(card(f"<p>{escape(spacing)}</p>", texts["ct_volume"]))
        return
    figures = session.reader.finder.card.figures.get("series, test", {}) if session.reader is not None else {}
    dice = f"{figures['dice']:.2f}" if "dice" in figures else "not measured"
    line = texts.fill("ct_volume_line", lesion=f"{volume.lesion:.0f}", percent=f"{volume.percent_of_lung:g}")
    sides = texts.fill("ct_volume_sides", right=f"{volume.right:.0f}", left=f"{volume.left:.0f}", dice=dice)
    st.html(card(f"<b>{escape(line)}</b>{foot(f'{sides} {spacing}')}", texts["ct_volume"]))


def rule_settings(texts: Texts, session: CtSession) -> None:
    """Another rule, tried on what was found."""
    if session.reader is None or not session.done:
        nothing_here(2)
        return
    usual, rule = session.reader.finder.rule, session.reader.rule
    with st.expander(texts["ct_rule_settings"]), st.container(horizontal=True):
        slices = st.number_input(
            texts["ct_rule_slices"], 1, _MOST_SLICES, rule.slices, key=f"ct_rule_slices_{session.openings}"
        )
        area = st.number_input(
            texts["ct_rule_area"],
            1,
            _MOST_AREA,
            rule.min_area,
            step=10,
            key=f"ct_rule_area_{session.openings}",
        )
    if (slices, area) != (rule.slices, rule.min_area):
        session.rule_by(int(slices), int(area))
        st.rerun()
    if (rule.slices, rule.min_area) != (usual.slices, usual.min_area):
        words = texts.fill("ct_rule_changed", slices=usual.slices, area=usual.min_area)
        st.html(f'<p class="cx-about">{escape(words)}</p>')


def table_and_export(texts: Texts, session: CtSession, reading: CtReading | None) -> None:
    if reading is None or not (session.done or session.stopped):
        if session.stack is not None:
            _export(texts, None)
        nothing_here(2)
        return
    rows = [
        # The table on the page can be saved as CSV too.
        {key: csv_cell(value) for key, value in row.items()}
        for row in table_rows(reading.slices, texts["ct_quadrants"].split("|"))
    ]
    lines = io.StringIO()
    writer = csv.DictWriter(lines, fieldnames=list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    series = session.series[session.chosen]
    saved = {
        "json": reading.to_json(indent=1),
        "csv": lines.getvalue(),
        "montage": lambda: montage(series, reading.slices),
    }
    _export(texts, saved)
    with st.expander(texts["ct_table"]):
        st.dataframe(rows, hide_index=True)
    weights = ", ".join(f"{net} {digits}" for net, digits in reading.versions["weights"].items())
    words = texts.fill(
        "ct_about", seconds=f"{reading.seconds:.1f}", version=reading.versions["cxrtriage"], weights=weights
    )
    st.html(f'<p class="cx-about">{escape(words)}</p>')


def _export(texts: Texts, saved: dict[str, Any] | None) -> None:
    """The buttons that save. While a series is read they stand there without anything to save: else Streamlit
    would leave those of the series before."""
    kinds = {
        "json": ("ct_series.json", "application/json"),
        "csv": ("ct_series.csv", "text/csv"),
        "montage": ("ct_series.png", "image/png"),
    }
    with st.container(horizontal=True, key="ct_export"):
        for kind, (name, mime) in kinds.items():
            st.download_button(
                texts[f"ct_save_{kind}"],
                saved[kind] if saved else "",
                name,
                mime,
                on_click="ignore",
                disabled=saved is None,
                key=f"ct_save_{kind}",
                help=texts["ct_save_help"] if kind == "json" else None,
            )
