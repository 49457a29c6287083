"""The film viewer: a film on black with zoom, pan, window, crop and map, all redrawn in the browser.

Python hears of an adjustment when the hand is lifted, not while it moves. Film and map travel as bytes in
components of their own, which Streamlit sends once and afterwards only mentions by their hash.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from cxrtriage.film.adjustment import Adjustment
from cxrtriage.film.film import Film
from cxrtriage.show.colours import MAP_ANCHORS, SOLID_FROM
from cxrtriage.ui.viewer import assets
from cxrtriage.ui.viewer.packing import Pack, pack_film, pack_map

_component = st.components.v2.component(
    "cxrtriage.viewer", html=assets.markup(), css=assets.style(), js=assets.script()
)
_carrier = st.components.v2.component("cxrtriage.viewer_carrier", js=assets.script())


@dataclass(frozen=True)
class ViewerResult:
    """What the user has set in the viewer for the film that is in it."""

    adjustment: Adjustment


@dataclass(frozen=True)
class ViewerMap:
    """A map for the viewer: float32 (rows, columns) in 0..1 in film pixels, and what is said beside it.

    `name` tells maps of one film apart, such as "tb_resnet50.tuberculosis". `values` is None for a map
    without any evidence: then only the label is shown. `contour` is the value along which a line runs over
    the film at first, None for a map whose values no line should be drawn through.
    """

    name: str
    label: str
    values: np.ndarray | None
    contour: float | None = None


def film_viewer(
    film: Film | None,
    *,
    texts: Mapping[str, str],
    adjustment: Adjustment | None = None,
    overlay: ViewerMap | None = None,
    height: str | None = None,
    group: str | None = None,
    linked: bool = True,
    key: str = "film_viewer",
) -> ViewerResult:
    """Draw the viewer and return what the user has set in it.

    `adjustment` is where a film starts when it is opened; from then on the browser's own is the newer one.
    `film` None shows the empty stage with the texts `empty_title` and `empty_words`. `height` is the
    stage's as a CSS length; by default as much as fits the window.

    Viewers of one `group` on a page share zoom, place and greys while they are `linked`, in the browser
    and without a rerun; a film that is opened in the group later is shown the same way. They have no crop
    and no sliders and report nothing: the result is `adjustment` as it came.
    """
    start = adjustment or Adjustment()
    data: dict[str, Any] = {
        "film": None,
        "map": None,
        "adjustment": start.to_dict(),
        "texts": dict(texts),
        "colours": MAP_ANCHORS,
        "solid_from": SOLID_FROM,
        "height": height,
        "group": group,
        "linked": linked,
    }
    packs: dict[str, Pack] = {}
    if film is None:
        st.session_state.pop(f"{key}_pack", None)
    else:
        packs["film"] = _kept_pack(key, film)
        data["film"] = packs["film"].name
    if film is not None and overlay is not None:
        data["map"] = {"name": None, "label": overlay.label, "contour": overlay.contour}
        if overlay.values is not None:
            packs["map"] = pack_map(overlay.values, f"{data['film']}.{overlay.name}")
            data["map"]["name"] = packs["map"].name
    with st.container(gap=None):
        # The viewer comes first: an element whose place changes would be mounted anew.
        result = _component(data=data, key=key, on_change_change=lambda: None)
        for kind, pack in packs.items():
            _carrier(data=pack.data, key=f"{key}_{kind}", height=1)
    return ViewerResult(reported_adjustment(result.get("change"), data["film"], start))


def current_adjustment(film: Film, key: str = "film_viewer") -> Adjustment:
    """What the user has set for this film so far; for a page that must know before it draws the viewer."""
    state = st.session_state.get(key)
    change = state.get("change") if isinstance(state, Mapping) else None
    return reported_adjustment(change, _kept_pack(key, film).name, Adjustment())


def reported_adjustment(change: Any, film_name: str | None, start: Adjustment) -> Adjustment:
    """The adjustment in a report of the browser, where it is about the film now shown; else `start`."""
    if not isinstance(change, Mapping) or film_name is None or change.get("film") != film_name:
        return start
    try:
        return Adjustment.from_dict(change["adjustment"])
    except (KeyError, ValueError):  # not what our own script sends, so not for us to act on
        return start


def _kept_pack(key: str, film: Film) -> Pack:
    """The film's pack, made once a film and session."""
    kept = st.session_state.get(f"{key}_pack")
    if kept is None or kept[0] is not film:
        kept = (film, pack_film(film))
        st.session_state[f"{key}_pack"] = kept
    return kept[1]
