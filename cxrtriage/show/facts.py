"""Curves and tables of a model's facts: plotly figures and HTML. The words come from the caller."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import plotly.graph_objects as go

_LINE, _FAINT = "#2f7fd1", "rgba(128,136,145,0.55)"


def roc_figure(
    roc: Sequence[Sequence[float]], point: tuple[float, float] | None, words: dict[str, str]
) -> go.Figure:
    """ROC from (1 - specificity, sensitivity) pairs; `point` is (specificity, sensitivity) at the threshold.

    `words`: `title`, `x`, `y`, `point`.
    """
    figure = _square(words)
    figure.add_scatter(
        x=[p[0] for p in roc], y=[p[1] for p in roc], mode="lines", line={"color": _LINE, "width": 2}
    )
    if point is not None:
        figure.add_scatter(
            x=[1 - point[0]], y=[point[1]], mode="markers+text", text=[words["point"]],
            textposition="bottom right", marker={"color": _LINE, "size": 11},
        )  # fmt: skip
    return figure


def reliability_figure(steps: Sequence[dict[str, Any]], words: dict[str, str]) -> go.Figure:
    """Share with the disease by probability; the more films a step has, the larger its mark.

    `words`: `title`, `x`, `y`, `films` (with {films} to fill).
    """
    figure = _square(words)
    figure.add_scatter(
        x=[step["probability"] for step in steps],
        y=[step["share"] for step in steps],
        mode="lines+markers",
        text=[words["films"].format(films=step["films"]) for step in steps],
        hovertemplate="%{x:.2f}, %{y:.2f}<br>%{text}<extra></extra>",
        line={"color": _LINE, "width": 1.5},
        marker={"color": _LINE, "size": [6 + min(step["films"], 200) ** 0.5 for step in steps]},
    )
    return figure


def _square(words: dict[str, str]) -> go.Figure:
    figure = go.Figure()
    figure.add_scatter(x=[0, 1], y=[0, 1], mode="lines", line={"color": _FAINT, "width": 1, "dash": "dot"})
    figure.update_traces(hoverinfo="skip")
    figure.update_layout(
        title={"text": words["title"], "font": {"size": 13}},
        showlegend=False,
        height=320,
        margin={"l": 50, "r": 12, "t": 36, "b": 44},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
    )
    axis = {
        "range": [-0.02, 1.02],
        "gridcolor": "rgba(128,136,145,0.2)",
        "zeroline": False,
        "fixedrange": True,
    }
    figure.update_xaxes(title=words["x"], **axis)
    figure.update_yaxes(title=words["y"], **axis)
    return figure


def fact_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table as HTML; the first column names, the others are figures. Everything is escaped."""
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in heads)
    body = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>'
        + "".join(f"<td>{escape(cell)}</td>" for cell in row[1:])
        + "</tr>"
        for row in rows
    )
    return f'<div class="cx-table"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def bullets(sentences: Sequence[str]) -> str:
    """A list as HTML, escaped."""
    return "<ul class='cx-list'>" + "".join(f"<li>{escape(s)}</li>" for s in sentences) + "</ul>"
