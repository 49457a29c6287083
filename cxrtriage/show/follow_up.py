"""A course of films as plotly figures: one small chart a scale, and the zones' change as two lungs.

The same for page and report. Grounds are clear and fonts are those of the page, so that both themes carry
them; nothing is told by colour alone. The words come from the caller.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from html import escape

import plotly.graph_objects as go

from cxrtriage.reading.assessment import Scale, Zones

_LINE, _FAINT = "#2f7fd1", "rgba(128,136,145,0.55)"
_CLEAR, _GRID = "rgba(0,0,0,0)", "rgba(128,136,145,0.2)"
# Orange and blue differ for every kind of colour vision; both stay pale enough to be written on.
_MORE, _LESS = "rgba(230,130,30,{alpha:.2f})", "rgba(47,127,209,{alpha:.2f})"
CHART_HEIGHT, ZONES_HEIGHT = 210, 264  # pixels
_TICKS = 3

# One lung in a box 1 wide and 3 high, three zones from the top; a to d run from its outer side to the middle
# of the chest. A dome above, a sinus at the outer side below.
_OUTLINES = (
    "M {a},2.03 L {a},2.45 Q {b},3 {c},3 Q {d},3 {d},2.6 L {d},2.03 Z",
    "M {a},1.03 L {a},1.97 L {d},1.97 L {d},1.03 Z",
    "M {a},0.97 L {a},-0.15 Q {b},0.28 {c},0.26 Q {d},0.24 {d},0.1 L {d},0.97 Z",
)
_GAP = 0.3  # between the lungs, as a share of a lung's width


@dataclass(frozen=True)
class CoursePoint:
    """One film of a course on one scale; `scale` is None where it was not computed.

    `chosen`: it is one of the two that are compared. `hover` is said where it is pointed at.
    """

    date: date
    scale: Scale | None
    chosen: bool
    hover: str


def course_figure(points: Sequence[CoursePoint], full: float, title: str) -> go.Figure:
    """One scale of 0 to `full` over the dates: each film with its interval; a film without a score is a gap.

    `points` by date. Films of one date stand beside one another within their day. The two that are compared
    are filled and carry their number.
    """
    figure = go.Figure()
    days = _moments([point.date for point in points])
    _draw_points(figure, days, points)
    figure.update_layout(**_plain(CHART_HEIGHT, title, {"l": 30, "r": 12, "t": 34, "b": 38}))
    first, last = min(days), max(days)
    axis = {"gridcolor": _GRID, "fixedrange": True, "zeroline": False}
    figure.update_xaxes(
        type="date", tickangle=0, tickformat="%-d %b\n%Y", tick0=first.date().isoformat(),
        dtick=_tick_days(first, last) * 86_400_000,  # milliseconds of a day
        range=[edge.isoformat() for edge in _margins(first, last)], **axis,
    )  # fmt: skip
    parts = 3 if full % 3 == 0 else 4
    ticks = [full * part / parts for part in range(parts + 1)]
    figure.update_yaxes(range=[-0.04 * full, 1.2 * full], tickvals=ticks, **axis)
    return figure


def _draw_points(figure: go.Figure, days: Sequence[datetime], points: Sequence[CoursePoint]) -> None:
    scales = [point.scale for point in points]
    figure.add_scatter(
        x=days,
        y=[scale and scale.value for scale in scales],
        error_y={
            "type": "data", "symmetric": False, "thickness": 1.5, "width": 4, "color": _LINE,
            "array": [max(0.0, one.interval[1] - one.value) if one else 0.0 for one in scales],
            "arrayminus": [max(0.0, one.value - one.interval[0]) if one else 0.0 for one in scales],
        },
        mode="lines+markers",
        connectgaps=False,
        text=[point.hover for point in points],
        hovertemplate="%{text}<extra></extra>",
        line={"color": _LINE, "width": 1.5},
        marker={
            "size": [12 if point.chosen else 8 for point in points],
            "symbol": ["circle" if point.chosen else "circle-open" for point in points],
            "color": _LINE, "opacity": 1, "line": {"width": 2},
        },
    )  # fmt: skip
    chosen = [pair for pair in zip(days, points, strict=True) if pair[1].chosen]
    for place, (day, point) in enumerate(chosen):
        if point.scale is not None:
            # Two numbers close together lean away from each other.
            figure.add_annotation(
                x=day, y=max(point.scale.value, point.scale.interval[1]), yshift=14, showarrow=False,
                xanchor="left" if place else "right", xshift=-10 if place else 10,
                text=f"<b>{point.scale.value:.1f}</b>", name="value",
            )  # fmt: skip


def zones_figure(before: Zones, after: Zones, full: float, words: Mapping[str, str]) -> go.Figure:
    """The six zones as two lungs, the patient's right on the left: how much each changed, with its sign.

    `before` and `after` hold 0 to `full`; below each difference stand both. The stronger the colour, the
    larger the difference. `words`: `title`, `right`, `left`.
    """
    figure = go.Figure()
    for row, (earlier, later) in enumerate(zip(before, after, strict=True)):
        for side in (0, 1):
            _draw_zone(figure, row, side, earlier[side], later[side], full)
    for side, name in ((0, words["right"]), (1, words["left"])):
        figure.add_annotation(x=_across(side, 0.5), y=-0.3, text=name, showarrow=False, name="side")
    figure.update_layout(**_plain(ZONES_HEIGHT, words["title"], {"l": 2, "r": 2, "t": 34, "b": 4}))
    figure.update_xaxes(visible=False, range=[-0.04, 2.04 + _GAP], fixedrange=True)
    figure.update_yaxes(visible=False, range=[-0.46, 3.05], fixedrange=True)
    return figure


def _draw_zone(figure: go.Figure, row: int, side: int, earlier: float, later: float, full: float) -> None:
    difference = later - earlier
    a, b, c, d = (_across(side, part) for part in (0.0, 0.16, 0.6, 1.0))
    colour = (_MORE if difference > 0 else _LESS).format(alpha=0.75 * min(1.0, abs(difference) / full))
    figure.add_shape(
        type="path", path=_OUTLINES[row].format(a=a, b=b, c=c, d=d), fillcolor=colour,
        line={"color": _FAINT, "width": 1}, name=f"zone {row}{side}",
    )  # fmt: skip
    x, y = _across(side, 0.54), (2.5, 1.5, 0.62)[row]
    figure.add_annotation(
        x=x, y=y, text=f"<b>{signed(difference)}</b>", showarrow=False, yshift=8, font={"size": 17},
        name=f"difference {row}{side}",
    )  # fmt: skip
    figure.add_annotation(
        x=x, y=y, text=f"{earlier:.1f} → {later:.1f}", showarrow=False, yshift=-11, font={"size": 12},
        name=f"scores {row}{side}",
    )  # fmt: skip


def change_row(
    name: str,
    difference: float,
    error: float,
    full: float,
    *,
    scores: str,
    sentence: str,
    label: str,
    verdict: str,
) -> str:
    """One scale's change as HTML: its number, a bar of -full to full with the error about 0, a sentence.

    `label` says for the bar what it shows; `verdict` is the row's style.
    """
    band = min(1.0, error / full)
    return (
        f'<div class="cx-change cx-change-{escape(verdict)}"><div class="cx-line"><b>{escape(name)}</b>'
        f"<span><small>{escape(scores)}</small>"
        f'<span class="cx-number">{signed(difference)}</span></span></div>'
        f'<div class="cx-meter" role="img" aria-label="{escape(label)}">'
        f'<i class="cx-band" style="left:{50 - 50 * band:.2f}%;width:{100 * band:.2f}%"></i>'
        f'<i class="cx-zero" style="left:50%"></i>'
        f'<i class="cx-mark" style="left:{50 + 50 * max(-1.0, min(1.0, difference / full)):.2f}%"></i></div>'
        f"<p>{escape(sentence)}</p></div>"
    )


def signed(number: float, decimals: int = 1) -> str:
    """A difference with its sign and a true minus; what rounds to 0 has none."""
    words = f"{abs(number):.{decimals}f}"
    if float(words) == 0:
        return words
    return f"{'+' if number > 0 else '−'}{words}"


def _across(side: int, part: float) -> float:
    """Where a part (0 outer, 1 inner) of a lung lies; side 0 is the patient's right, at the left."""
    return part if side == 0 else 2 + _GAP - part


def _moments(dates: Sequence[date]) -> list[datetime]:
    """A moment for each film: midnight of its date, those of one date evenly within the day."""
    return [
        datetime(one.year, one.month, one.day) + timedelta(days=dates[:place].count(one) / dates.count(one))
        for place, one in enumerate(dates)
    ]


def _tick_days(first: datetime, last: datetime) -> int:
    return max(1, -(-(last - first).days // _TICKS))


def _margins(first: datetime, last: datetime) -> tuple[datetime, datetime]:
    """A little room at both ends, as far as there are dates."""
    room = max(timedelta(hours=12), 0.09 * (last - first))
    low = first - room if first - datetime.min > room else datetime.min
    return low, last + room if datetime.max - last > room else datetime.max


def _plain(height: int, title: str, margin: Mapping[str, int]) -> dict[str, object]:
    return {
        "title": {"text": title, "font": {"size": 13}, "x": 0, "xanchor": "left", "y": 0.97},
        "title_yanchor": "top",
        "showlegend": False,
        "height": height,
        "margin": dict(margin),
        "dragmode": False,
        "paper_bgcolor": _CLEAR,
        "plot_bgcolor": _CLEAR,
    }
