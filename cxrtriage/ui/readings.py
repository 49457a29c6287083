"""Readings of the films of a session: each film and adjustment is read once and kept in the session."""

from __future__ import annotations

import json
from dataclasses import dataclass

import cv2
import numpy as np
import streamlit as st

from cxrtriage.film.adjustment import Adjustment
from cxrtriage.film.film import Film
from cxrtriage.reading.assessment import Assessment
from cxrtriage.ui.viewer.packing import LONGEST_MAP

KEPT = 8  # a score moved back to where it was is there at once
_READINGS = "readings"


@dataclass(frozen=True, eq=False)
class ReadMap:
    """One net's map of one class over the film as filed: float32 in 0..1, at most 512 a side.

    None where nothing in the film spoke for the class.
    """

    net: str
    class_name: str
    values: np.ndarray | None


@dataclass(frozen=True, eq=False)
class Reading:
    """What the models said of a film with an adjustment, and their maps."""

    assessment: Assessment
    maps: tuple[ReadMap, ...]


@st.cache_resource(show_spinner=False)
def loaded_triage():  # type: ignore[no-untyped-def]  # naming the type would load torch with the page
    """The nets, loaded once and shared by all sessions. Raises WeightsError."""
    from cxrtriage.reading import Triage
    from cxrtriage.reading.saliency import prepare

    prepare()
    return Triage.load()


def kept_reading(film: Film, adjustment: Adjustment) -> Reading | None:
    """The reading of this film with this adjustment, if this session has it already."""
    found: Reading | None = _kept().get(_reading_name(film, adjustment))
    return found


def read(film: Film, adjustment: Adjustment, name: str) -> Reading:
    """Read the film with this adjustment and keep the reading. `name` is the file's, for the JSON."""
    assessment, saliencies = loaded_triage().read(adjustment.apply(film), file=name)
    maps = tuple(
        ReadMap(
            saliency.net,
            saliency.class_name,
            None if saliency.empty else _small(adjustment.map_back(saliency.map, film)),
        )
        for saliency in saliencies
    )
    reading = Reading(assessment, maps)
    kept = _kept()
    kept[_reading_name(film, adjustment)] = reading
    while len(kept) > KEPT:
        kept.pop(next(iter(kept)))
    return reading


def _kept() -> dict[tuple[str, str], Reading]:
    kept: dict[tuple[str, str], Reading] = st.session_state.setdefault(_READINGS, {})
    return kept


def _reading_name(film: Film, adjustment: Adjustment) -> tuple[str, str]:
    return film.sha256, json.dumps(adjustment.to_dict(), sort_keys=True)


def _small(values: np.ndarray) -> np.ndarray:
    """A map as large as the viewer takes it; a session would otherwise hold one as large as the film each."""
    scale = min(1.0, LONGEST_MAP / max(values.shape))
    rows, columns = (max(1, round(side * scale)) for side in values.shape)
    return cv2.resize(values, (columns, rows), interpolation=cv2.INTER_AREA)
