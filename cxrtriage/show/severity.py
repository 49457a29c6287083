"""How much of each zone and of the lungs is affected, as one plotly figure: the same for page and report.

The six zones lie at the left as two lungs, the patient's right first; at the right a bar a scale, each
over its own full length. The words come from the caller. Without values the same figure stands empty.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import plotly.graph_objects as go

from cxrtriage.reading.assessment import Scale, Zones
from cxrtriage.show.lung_shape import WIDTH, middle, zone_outlines
from cxrtriage.show.palette import Palette, css, ink_on, ramp_colour

HEIGHT, FIGURE_WIDTH = 214, 364  # pixels
_ZONES_END, _BARS_START = 0.43, 0.49  # shares of the figure's width
_ROW = HEIGHT / 4
_NAME, _BAR, _INTERVAL = 10, (24, 31), 41  # pixels from a row's top: two lines of text and the bar between
_FONT = "system-ui, 'Noto Sans', 'Noto Sans KR', sans-serif"
_CLEAR = "rgba(0,0,0,0)"


@dataclass(frozen=True)
class ZonesShown:
    """What is drawn in the lungs: `values` 0 to `full`, None before a film is read.

    `title` names the scale. `hovers` says of each zone what its number means, right and left by turns from
    the upper zones to the lower; empty where there are no values.
    """

    values: Zones | None
    full: float
    decimals: int
    title: str
    hovers: tuple[str, ...] = ()


@dataclass(frozen=True)
class ScaleBar:
    """One bar of 0 to `full`: `words` is the number with its scale, `interval` that of the band."""

    name: str
    scale: Scale | None
    full: float
    words: str
    interval: str = ""
    hover: str = ""


@dataclass(frozen=True)
class _Drawn:
    """The figure's parts, gathered as plotly's own properties: put into a figure one by one, each would have
    it go through all that are there, which takes five times as long, at every run of the page."""

    areas: list[dict[str, Any]] = field(default_factory=list)
    shapes: list[dict[str, Any]] = field(default_factory=list)
    annotations: list[dict[str, Any]] = field(default_factory=list)

    def area(self, **properties: Any) -> None:
        self.areas.append({"type": "scatter", **properties})

    def shape(self, **properties: Any) -> None:
        self.shapes.append(properties)

    def annotation(self, **properties: Any) -> None:
        self.annotations.append(properties)


def severity_figure(
    zones: ZonesShown, bars: Sequence[ScaleBar], sides: tuple[str, str], palette: Palette
) -> go.Figure:
    """Lungs and bars side by side, 364 x 214 pixels on a clear ground. `sides`: marks of right and left."""
    drawn = _Drawn()
    _draw_zones(drawn, zones, sides, palette)
    for row, bar in enumerate(bars):
        _draw_bar(drawn, bar, row * _ROW, palette)
    hidden = {"visible": False, "fixedrange": True}
    layout = {
        "annotations": drawn.annotations,
        "shapes": drawn.shapes,
        "width": FIGURE_WIDTH,
        "height": HEIGHT,
        "margin": {"l": 0, "r": 0, "t": 0, "b": 0},
        "showlegend": False,
        "dragmode": False,
        "hovermode": "closest",
        "font": {"family": _FONT, "size": 13, "color": palette.ink},
        "hoverlabel": {
            "bgcolor": palette.panel, "bordercolor": palette.line, "align": "left",
            "font": {"family": _FONT, "size": 12.5, "color": palette.ink},
        },
        "paper_bgcolor": _CLEAR,
        "plot_bgcolor": _CLEAR,
        "xaxis": {**hidden, "domain": [0, _ZONES_END], "range": [-0.01, WIDTH + 0.01]},
        "yaxis": {**hidden, "range": [1.13, -0.12], "scaleanchor": "x", "scaleratio": 1.15},
        "xaxis2": {**hidden, "domain": [_BARS_START, 1], "range": [0, 1], "anchor": "y2"},
        "yaxis2": {**hidden, "range": [HEIGHT, 0], "anchor": "x2"},
    }  # fmt: skip
    return go.Figure(drawn.areas, layout)


def _draw_zones(drawn: _Drawn, zones: ZonesShown, sides: tuple[str, str], palette: Palette) -> None:
    pairs = zone_outlines()
    for place, outline in enumerate(outline for pair in pairs for outline in pair):
        value = zones.values[place // 2][place % 2] if zones.values else None
        fill = ramp_colour(palette.ramp, value / zones.full if value is not None else 0.0)
        _area(
            drawn, outline[:, 0].tolist(), outline[:, 1].tolist(), css(fill), palette.line,
            zones.hovers[place] if zones.hovers else "",
        )  # fmt: skip
        if value is not None:
            x, y = middle(outline)
            drawn.annotation(
                x=x, y=y, text=f"<b>{value:.{zones.decimals}f}</b>", showarrow=False,
                font={"size": 14, "color": css(ink_on(fill))}, name=f"zone {place}",
            )  # fmt: skip
    for side, x in zip(sides, (0.0, WIDTH), strict=True):
        drawn.annotation(
            x=x, y=-0.05, text=f"<b>{side}</b>", showarrow=False, font={"color": palette.faint}, name="side",
            xanchor="left" if x == 0 else "right",
        )  # fmt: skip
    drawn.annotation(
        x=WIDTH / 2, y=1.075, text=zones.title, showarrow=False, font={"size": 12, "color": palette.faint},
        name="title",
    )  # fmt: skip


def _draw_bar(drawn: _Drawn, bar: ScaleBar, top: float, palette: Palette) -> None:
    above, below = (top + edge for edge in _BAR)
    _area(drawn, [0, 1, 1, 0], [top, top, top + _ROW, top + _ROW], _CLEAR, _CLEAR, bar.hover, second=True)
    _box(drawn, f"{bar.name} track", (0, 1), (above, below), palette.track)
    if bar.scale is not None:
        low, value, high = (
            min(1.0, max(0.0, number / bar.full))
            for number in (bar.scale.interval[0], bar.scale.value, bar.scale.interval[1])
        )
        _box(drawn, f"{bar.name} band", (low, high), (above, below), palette.band)
        inward = 2 * (value < 0.02) - 2 * (value > 0.98)  # at either end the mark stays on the bar
        drawn.shape(
            type="rect", name=f"{bar.name} mark", xref="x2", yref="y2", xsizemode="pixel", xanchor=value,
            x0=inward - 1.5, x1=inward + 1.5, y0=above - 4, y1=below + 4, fillcolor=palette.ink,
            line={"width": 1, "color": palette.panel},
        )  # fmt: skip
    for x, y, text, colour, size in (
        (0, top + _NAME, bar.name, palette.ink, 13),
        (1, top + _NAME, f"<b>{bar.words}</b>", palette.ink, 13),
        (1, top + _INTERVAL, bar.interval, palette.faint, 11.5),
    ):
        drawn.annotation(
            x=x, y=y, xref="x2", yref="y2", text=text, showarrow=False, name=bar.name,
            xanchor="left" if x == 0 else "right", font={"size": size, "color": colour},
        )  # fmt: skip


def _box(drawn: _Drawn, name: str, x: tuple[float, float], y: tuple[float, float], colour: str) -> None:
    drawn.shape(
        type="rect", name=name, xref="x2", yref="y2", x0=x[0], x1=x[1], y0=y[0], y1=y[1],
        fillcolor=colour, line={"width": 0},
    )  # fmt: skip


def _area(
    drawn: _Drawn, x: list[float], y: list[float], fill: str, line: str, hover: str, second: bool = False
) -> None:
    """A filled area that says `hover` wherever it is pointed at."""
    drawn.area(
        x=[*x, x[0]], y=[*y, y[0]], mode="lines", fill="toself", fillcolor=fill,
        line={"color": line, "width": 1}, hoveron="fills", text=hover, hoverinfo="text" if hover else "skip",
        xaxis="x2" if second else "x", yaxis="y2" if second else "y",
    )  # fmt: skip
