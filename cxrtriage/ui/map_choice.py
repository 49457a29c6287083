"""The choice of the map that lies over the film: which class and which net, or the likelihood of a lesion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from cxrtriage.reading.assessment import Assessment
from cxrtriage.reading.call import strongest_class
from cxrtriage.ui.choice import choice
from cxrtriage.ui.panels import class_label
from cxrtriage.ui.readings import LESIONS, ReadMap
from cxrtriage.ui.texts import Texts
from cxrtriage.ui.viewer import ViewerMap

_MEAN = "mean"
CONTOUR_LEVEL = 0.5  # where the contour starts: as likely as not


@dataclass(frozen=True)
class ChosenMap:
    """`class_name` may be LESIONS. `net` is None for the mean of the nets and for LESIONS."""

    class_name: str
    net: str | None


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
    return ChosenMap(class_name, None if net == _MEAN else net)


def viewer_map(texts: Texts, chosen: ChosenMap, maps: Sequence[ReadMap] | None) -> ViewerMap:
    """The chosen map and its caption; while it is being drawn, or where there is none, the caption alone."""
    name = f"{chosen.net or _MEAN}.{chosen.class_name}"
    if maps is None:
        return ViewerMap(name, texts["map_drawing"], None)
    found = next(one for one in maps if one.net == chosen.net)
    if chosen.class_name == LESIONS:
        key = "map_lesions_empty" if found.values is None else "map_lesions_caption"
        return ViewerMap(name, texts[key], found.values, CONTOUR_LEVEL)
    words = texts.fill(
        "map_empty" if found.values is None else "map_caption",
        disease=texts.named("disease", chosen.class_name),
        net=chosen.net or texts["map_all_nets"],
    )
    return ViewerMap(name, words, found.values)
