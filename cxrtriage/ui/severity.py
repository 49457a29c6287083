"""The card "Where and how much": six zones, four scales, the category, and how far all of it can be off."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from textwrap import wrap

import streamlit as st

from cxrtriage.film.codes import LUNG_CODES, sentence
from cxrtriage.reading.agreement import MUCH_OUTSIDE, Disagreement, MapPlace, Zone, affected_zones
from cxrtriage.reading.assessment import Assessment, Scale, Severity
from cxrtriage.reading.scale_errors import ErrorsOfScales
from cxrtriage.show.palette import DARK, LIGHT, Palette
from cxrtriage.show.scores import folded, paragraphs
from cxrtriage.show.severity import ScaleBar, ZonesShown, severity_figure
from cxrtriage.ui.panels import card
from cxrtriage.ui.texts import Texts

BRIXIA, ARRAY = "brixia", "array"
ZONE_TOP = {BRIXIA: 3.0, ARRAY: 1.0}
SCALE_TOP = {"array_score": 6, "brixia": 18, "extent": 8, "opacity": 6}  # each from 0
_LEVELS, _SIDES = ("upper", "middle", "lower"), ("right", "left")
_ZONES: tuple[Zone, ...] = tuple((level, side) for level in range(3) for side in range(2))
_PLOT = {"displayModeBar": False, "scrollZoom": False, "doubleClick": False, "showTips": False}
_HOVER_LETTERS = 44  # a line of a hover; longer ones would not fit into the card


def severity_panel(
    texts: Texts,
    assessment: Assessment | None,
    errors: ErrorsOfScales | None,
    contradictions: Sequence[Disagreement] = (),
    *,
    waiting: str,
    place: MapPlace | None = None,
) -> None:
    """The numbers of an assessment; without one, `waiting` on a card of the same height. `place`: where the
    map lies, which is said where it contradicts nothing.

    `errors` None says that no severity net is installed, which is one sentence. Where a film was read and
    its zones were not, the card stays empty and says why.
    """
    severity = assessment.severity if assessment else None
    if assessment is not None and "severity_failed" in assessment.codes:
        st.html(card(paragraphs(sentence("severity_failed", texts.language)), texts["severity"]))
        return
    if severity is None and errors is None:
        st.html(card(paragraphs(texts["severity_no_net"]), texts["severity"]))
        return
    errors = errors or ErrorsOfScales()
    if assessment is None:
        _card(texts, None, escape(waiting), errors, [])
    elif severity is None:
        code = next((code for code in assessment.codes if code in LUNG_CODES), "unread")
        _card(texts, None, "–", errors, [texts[f"severity_{code}"]])
    else:
        lines = [disagreement_words(texts, one) for one in contradictions]
        if severity.lungs.codes:
            lines.insert(0, texts["severity_doubtful"])
        # A lone nodule fills a zone's chance and moves no scale of the whole film: not "none found".
        some = severity.category == "none" and affected_zones(severity)
        name = texts["category_little" if some else f"category_{severity.category}"]
        category = f"<b>{escape(name)}</b> {escape(texts['category_of'])}"
        told = any(one.kind in ("much_outside", "map_outside") for one in contradictions)
        _card(texts, severity, category, errors, lines, place_words(texts, None if told else place))


def disagreement_words(texts: Texts, one: Disagreement) -> str:
    """One contradiction as a sentence."""
    return texts.fill(
        f"disagree_{one.kind}",
        disease=texts.named("disease", one.class_name) if one.class_name else "",
        zone=zone_words(texts, one.zone).lower() if one.zone else "",
        zones=one.zones,
        share=round(100 * one.share),
        usual=round(100 * MUCH_OUTSIDE),
    )


def place_words(texts: Texts, place: MapPlace | None) -> str:
    """How much of the map lies outside the lungs; empty where that is not known."""
    if place is None:
        return ""
    return texts.fill(
        "map_place_peak" if place.peak_outside else "map_place",
        disease=texts.named("disease", place.class_name),
        share=round(100 * place.share_outside),
    )


def error_words(texts: Texts, errors: ErrorsOfScales) -> str:
    """How far readers lie apart on the Brixia score, and this program from them."""
    if errors.brixia is None:
        return texts["error_unmeasured"]
    ours = f"{errors.brixia:.1f}"
    if errors.readers_brixia is None:
        return texts.fill("error_ours", ours=ours)
    return texts.fill("error_both", readers=f"{errors.readers_brixia:.1f}", ours=ours)


def zone_words(texts: Texts, zone: Zone) -> str:
    """As "Right upper zone"."""
    level, side = zone
    return texts.fill("zone", side=texts[f"side_{_SIDES[side]}"], level=texts[f"level_{_LEVELS[level]}"])


def zones_shown(texts: Texts, severity: Severity | None, scale: str) -> ZonesShown:
    """The zones on the chosen scale, BRIXIA or ARRAY, with what each number means."""
    top, decimals, title = ZONE_TOP[scale], 1 if scale == BRIXIA else 2, texts[f"zones_{scale}_title"]
    if severity is None:
        return ZonesShown(None, top, decimals, title)
    values = severity.brixia.zones if scale == BRIXIA else severity.array
    hovers = []
    for zone in _ZONES:
        value = values[zone[0]][zone[1]]
        of = texts.fill("scale_value", value=f"{value:.{decimals}f}", top=int(top))
        number = f"{zone_words(texts, zone)}: {of}"
        if scale == ARRAY:
            hovers.append(_hover(number, texts["zones_array_meaning"]))
            continue
        nearest = min(3, max(0, round(value)))
        meaning = texts.fill("brixia_nearest", nearest=nearest, meaning=texts[f"brixia_{nearest}"])
        hovers.append(_hover(number, meaning))
    return ZonesShown(values, top, decimals, title, tuple(hovers))


def scale_bars(texts: Texts, severity: Severity | None, errors: ErrorsOfScales) -> list[ScaleBar]:
    """A bar a scale with its number, its interval and what it means."""
    bars = []
    for name, top in SCALE_TOP.items():
        title = texts[f"scale_{name}"]
        if severity is None:
            bars.append(ScaleBar(title, None, top, texts.fill("scale_value", value="–", top=top)))
            continue
        scale = _scale(severity, name)
        low, high = (f"{edge:.1f}" for edge in scale.interval)
        words = texts.fill("scale_value", value=f"{scale.value:.1f}", top=top)
        hover = _hover(
            f"{title}: {words}",
            texts[f"scale_{name}_meaning"],
            texts.fill("scale_band", low=low, high=high),
            _error_of(texts, errors, name),
        )
        interval = texts.fill("scale_interval", low=low, high=high)
        bars.append(ScaleBar(title, scale, top, words, interval, hover))
    return bars


def spoken_figure(texts: Texts, zones: ZonesShown, bars: Sequence[ScaleBar]) -> str:
    """The figure in words, for those who do not see it."""
    if zones.values is None:
        return texts["severity_empty"]
    parts = [
        f"{zone_words(texts, (level, side))} {zones.values[level][side]:.{zones.decimals}f}"
        for level, side in _ZONES
    ]
    scales = [f"{bar.name} {bar.words} ({bar.interval})" for bar in bars]
    return f"{zones.title}: {', '.join(parts)}. {', '.join(scales)}."


def _card(
    texts: Texts,
    severity: Severity | None,
    headline: str,
    errors: ErrorsOfScales,
    lines: Sequence[str],
    place: str = "",
) -> None:
    """`headline` is HTML; `lines` and `place` are sentences on this film."""
    with st.container(key="severity", gap=None):
        st.html(
            f'<div class="cx-line"><h2>{escape(texts["severity"])}</h2>'
            f'<span class="cx-category">{headline}</span></div>'
        )
        scale = st.segmented_control(
            texts["zones_scale"],
            (BRIXIA, ARRAY),
            default=BRIXIA,
            required=True,
            format_func=lambda name: texts[f"zones_{name}"],
            key="severity_scale",
            disabled=severity is None,
            label_visibility="collapsed",
            width="stretch",
        )
        zones = zones_shown(texts, severity, scale or BRIXIA)
        bars = scale_bars(texts, severity, errors)
        # Streamlit draws a changed figure beside the old one for a moment; the chart's own place hides that.
        with st.container(key="severity_chart", gap=None):
            st.plotly_chart(
                severity_figure(zones, bars, (texts["right_side"], texts["left_side"]), _palette()),
                theme=None,  # our own colours, since the report has them too
                config=_PLOT,
                key="severity_figure",
                alt=spoken_figure(texts, zones, bars),
            )
        agreed = paragraphs(f"{texts['disagree_nowhere']} {place}", kind="cx-small") if severity else ""
        told = paragraphs(*lines) + paragraphs(place, kind="cx-small") if lines else agreed
        st.html(
            f'<div class="cx-agreement" role="status">{told}</div>'
            + paragraphs(error_words(texts, errors), texts["severity_foot"], kind="cx-small")
            + folded(texts["scales_meaning"], paragraphs(*_meanings(texts, errors)))
        )


def _meanings(texts: Texts, errors: ErrorsOfScales) -> list[str]:
    """A sentence a scale: what it counts, and how far this program is off on it."""
    told = [
        f"{texts[f'scale_{name}']}: {texts[f'scale_{name}_meaning']} {_error_of(texts, errors, name)}"
        for name in SCALE_TOP
    ]
    zone = (
        f"{texts['zones_brixia']}: {texts['zones_brixia_meaning']} {_error_of(texts, errors, 'brixia_zone')}"
    )
    return [*told, zone, f"{texts['zones_array']}: {texts['zones_array_meaning']}"]


def _error_of(texts: Texts, errors: ErrorsOfScales, name: str) -> str:
    error: float | None = getattr(errors, name)
    # Errors on one zone are small; one decimal would round them away.
    return texts["scale_unmeasured"] if error is None else texts.fill("scale_error", error=f"{error:.2f}")


def _hover(*lines: str) -> str:
    return "<br>".join(part for line in lines for part in wrap(line, _HOVER_LETTERS))


def _scale(severity: Severity, name: str) -> Scale:
    scales = {
        "array_score": severity.array_score,
        "brixia": severity.brixia.total,
        "extent": severity.extent,
        "opacity": severity.opacity,
    }
    return scales[name]


def _palette() -> Palette:
    """Of the theme that the browser shows; dark, as the program's own, until it has said so."""
    return LIGHT if st.context.theme.type == "light" else DARK
