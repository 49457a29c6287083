"""The choice of the map that lies over the film: class, net and method, or the likelihood of a lesion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from cxrtriage.film.adjustment import Adjustment
from cxrtriage.film.film import Film
from cxrtriage.reading.assessment import Assessment
from cxrtriage.reading.call import strongest_class
from cxrtriage.reading.map_methods import GRAD_CAM, RELEVANCE, MapFigures, MapMethod, Share
from cxrtriage.ui import readings
from cxrtriage.ui.choice import choice, segments
from cxrtriage.ui.panels import class_label
from cxrtriage.ui.readings import LESIONS, ReadMap
from cxrtriage.ui.texts import Texts
from cxrtriage.ui.viewer import ViewerMap

_MEAN = "mean"
_METHOD_WORDS: dict[str, str] = {GRAD_CAM: "map_grad_cam", RELEVANCE: "map_relevance"}
_CAPTIONS = {GRAD_CAM: "map_caption", RELEVANCE: "map_caption_relevance"}
CONTOUR_LEVEL = 0.5  # where the contour starts: as likely as not


@dataclass(frozen=True)
class ChosenMap:
    """`class_name` may be LESIONS. `net` is None for the mean of the nets and for LESIONS."""

    class_name: str
    net: str | None
    method: MapMethod = GRAD_CAM


def chosen_map(texts: Texts, assessment: Assessment | None) -> ChosenMap | None:
    """The choice of class and net; None, in the same room, while nothing was read."""
    with st.container(horizontal=True, key="map_row"):
        if assessment is None or assessment.diagnosis is None:
            st.selectbox(
                texts["map"], [], placeholder=texts["no_map"], help=texts["map_limits"], disabled=True
            )
            st.selectbox(texts["map_net"], [], placeholder="–", help=texts["map_net_help"], disabled=True)
            return None
        diagnosis = assessment.diagnosis
        # Every film starts with what speaks most for disease in it; a choice holds for its film only.
        class_name = choice(
            texts["map"],
            [*diagnosis.classes, *([LESIONS] if assessment.severity else [])],
            key=f"map_class_{assessment.sha256}",
            start=strongest_class(diagnosis.classes),
            words=lambda name: texts["map_lesions"] if name == LESIONS else class_label(texts, name),
            help=texts["map_limits"],
        )
        if class_name == LESIONS:
            place = texts["map_lesions_net"]
            st.selectbox(texts["map_net"], [], placeholder=place, help=texts["map_net_help"], disabled=True)
            return ChosenMap(LESIONS, None)
        nets = [net for net, scores in diagnosis.members.items() if class_name in scores]
        options = [_MEAN, *nets] if len(nets) > 1 else nets
        net = choice(
            texts["map_net"],
            options,
            key="map_net",
            start=options[0],
            words=lambda name: texts["map_mean"] if name == _MEAN else name,
            help=texts["map_net_help"],
        )
    if net == _MEAN:
        return ChosenMap(class_name, None)
    methods = readings.map_methods(net)
    if len(methods) == 1:
        return ChosenMap(class_name, net, methods[0])
    method = segments(
        texts["map_method"],
        methods,
        key="map_method",
        start=methods[0],
        words=lambda name: texts[_METHOD_WORDS[name]],
        help=method_help(texts, readings.figures_of_maps(net)),
    )
    return ChosenMap(class_name, net, RELEVANCE if method == RELEVANCE else GRAD_CAM)


def method_help(texts: Texts, figures: MapFigures) -> str:
    """What each method shows, and how often its maps were measured to point at lesions."""
    if not figures.methods or figures.chance is None:
        return f"{texts['map_method_help']} {texts['map_method_unmeasured']}"
    shares = [
        texts.fill("map_method_share", share=_of_100(of.pointing), method=texts[_METHOD_WORDS[name]])
        for name, of in figures.methods.items()
    ]
    measured = texts.fill(
        "map_method_measured",
        films=figures.chance.films,
        patients=figures.chance.patients,
        shares=", ".join(shares),
        chance=f"{100 * figures.chance.pointing.value:.0f}",
    )
    return f"{texts['map_method_help']} {measured}"


def _of_100(share: Share) -> str:
    return f"{100 * share.value:.0f} ({100 * share.low:.0f}–{100 * share.high:.0f})"


def kept_map(film: Film, adjustment: Adjustment, chosen: ChosenMap) -> Sequence[ReadMap] | None:
    """The chosen map among those of its class that this session has; None while it has to be drawn."""
    if chosen.net is None or chosen.method == GRAD_CAM:
        return readings.kept_maps(film, adjustment, chosen.class_name)
    found = readings.kept_relevance(film, adjustment, chosen.net, chosen.class_name)
    return (found,) if found else None


def draw_map(film: Film, adjustment: Adjustment, chosen: ChosenMap) -> None:
    """Draw the chosen map, and what comes with it, and keep it in the session."""
    if chosen.net is None or chosen.method == GRAD_CAM:
        readings.draw_maps(film, adjustment, chosen.class_name)
    else:
        readings.draw_relevance(film, adjustment, chosen.net, chosen.class_name)


def viewer_map(texts: Texts, chosen: ChosenMap, maps: Sequence[ReadMap] | None) -> ViewerMap:
    """The chosen map and its caption; while it is being drawn, or where there is none, the caption alone."""
    name = f"{chosen.net or _MEAN}.{chosen.class_name}.{chosen.method}"
    if maps is None:
        return ViewerMap(name, texts["map_drawing"], None)
    found = next(one for one in maps if one.net == chosen.net)
    if chosen.class_name == LESIONS:
        key = "map_lesions_empty" if found.values is None else "map_lesions_caption"
        return ViewerMap(name, texts[key], found.values, CONTOUR_LEVEL)
    words = texts.fill(
        "map_empty" if found.values is None else _CAPTIONS[chosen.method],
        disease=texts.named("disease", chosen.class_name),
        net=chosen.net or texts["map_all_nets"],
    )
    return ViewerMap(name, words, found.values)
