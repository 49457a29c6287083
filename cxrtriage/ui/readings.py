"""Readings of the films of a session: each film and adjustment is read once and kept in the session."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import streamlit as st

from cxrtriage.film.adjustment import Adjustment
from cxrtriage.film.film import Film
from cxrtriage.film.writing import CODE, HARMLESS
from cxrtriage.reading.agreement import Disagreement, MapPlace, disagreements, map_place
from cxrtriage.reading.assessment import Assessment
from cxrtriage.reading.call import strongest_class
from cxrtriage.reading.ensemble import read_ensemble, speakers
from cxrtriage.reading.map_methods import GRAD_CAM, RELEVANCE, MapFigures, MapMethod, map_figures
from cxrtriage.reading.scale_errors import ErrorsOfScales
from cxrtriage.reading.severity_card import read_severity_card
from cxrtriage.reading.site import Site
from cxrtriage.ui.opening import replace_film
from cxrtriage.ui.server_memory import give_back_freed_memory, spare_what_was_loaded
from cxrtriage.ui.viewer.packing import LONGEST_MAP
from cxrtriage.weights import WeightsError, read_card

if TYPE_CHECKING:
    from cxrtriage.gate.gate import GateResult
    from cxrtriage.reading.saliency import Saliency
    from cxrtriage.reading.severity import SeverityMap

KEPT = 8  # a score moved back to where it was is there at once, and so is its map
LESIONS = "lesions"  # the severity net's map stands on the shelf like that of a class
SITE = "site"  # the thresholds of the reader's own hospital, or None for those of the cards
_READINGS = "readings"
_MAPS = "maps"
_CHECKED = "checked"
_ANYWAY = "read_anyway"


@dataclass(frozen=True, eq=False)
class ReadMap:
    """One net's map of one class over the film as filed: float32 in 0..1, at most 512 a side.

    `net` is None for the mean of the nets and for LESIONS. `values` is None where nothing in the film spoke
    for the class. `method` is how it was made, which for LESIONS means nothing.
    """

    net: str | None
    class_name: str
    values: np.ndarray | None
    method: MapMethod = GRAD_CAM


@st.cache_resource(show_spinner=False)
def loaded_triage():  # type: ignore[no-untyped-def]  # naming the type would load torch with the page
    """The nets, loaded once and shared by all sessions. Raises WeightsError."""
    from cxrtriage.reading import Triage
    from cxrtriage.reading.saliency import prepare

    prepare()
    triage = Triage.load()
    spare_what_was_loaded()
    return triage


def kept_reading(film: Film, adjustment: Adjustment) -> Assessment | None:
    """What the models said of this film with this adjustment, if this session has it already."""
    found: Assessment | None = _kept(_READINGS).get(_reading_name(film, adjustment))
    return found


def read(film: Film, adjustment: Adjustment, name: str) -> None:
    """Read the film with this adjustment and keep the assessment. `name` is the file's, for the JSON.

    The map of the class that speaks most for disease and that of LESIONS come out of the same pass; others
    are drawn when they are asked for.
    """
    assessment, saliencies, lesions = loaded_triage().read_with_lesions(
        adjustment.apply(film), file=name, maps="strongest", **_gate_of(film, adjustment)
    )
    _keep(_READINGS, _reading_name(film, adjustment), assessment)
    _keep_maps(film, adjustment, saliencies)
    if assessment.severity is not None:
        _keep_lesions(film, adjustment, lesions)
    give_back_freed_memory()


def read_anyway(film: Film) -> None:
    """Take the reader's word for a film of which the gate cautions; it is read anew."""
    _anyway().add(film.sha256)
    forget(film)


def turned_away(film: Film) -> bool:
    """Whether the gate kept the film from being read as it was filed."""
    kept = kept_reading(film, Adjustment())
    return kept is not None and kept.status == "refused"


def checked(film: Film) -> GateResult | None:
    """What the gate says of a film before lungs are looked for; None where none is installed."""
    name = _reading_name(film, Adjustment())
    if name not in _kept(_CHECKED):
        _keep(_CHECKED, name, loaded_triage().checked(film))
    result: GateResult | None = _kept(_CHECKED)[name]
    return result


def put_right(film: Film) -> None:
    """Put the film, turned, inverted or cut out as the gate says, in the place of the one that is open."""
    better = mended(film)
    if better is not film:
        replace_film(better)
        forget(film)


def mended(film: Film) -> Film:
    """The film as the gate says that it can be read; itself where nothing would make it so."""
    from cxrtriage.gate.gate import mended as as_the_gate_says

    result = checked(film)
    return as_the_gate_says(film, result) if result is not None else film


def _gate_of(film: Film, adjustment: Adjustment) -> dict[str, bool]:
    """The gate looks at the film as filed; what a reader then makes of it is his own doing."""
    return {"read_anyway": film.sha256 in _anyway(), "gated": adjustment == Adjustment()}


def _anyway() -> set[str]:
    """Films that the reader took on his own word in this session, by sha256."""
    kept: set[str] = st.session_state.setdefault(_ANYWAY, set())
    return kept


def forget(film: Film) -> None:
    """Let go of every reading and map of a film whose pixels have changed."""
    for shelf in (_READINGS, _MAPS, _CHECKED):
        kept = _kept(shelf)
        for name in [name for name in kept if name[0] == film.sha256]:
            del kept[name]


def renote(film: Film, old: str, new: str) -> None:
    """Put another code in the place of one in what was read of a film, whose pixels are the same."""
    kept = _kept(_READINGS)
    for name, assessment in kept.items():
        if name[0] == film.sha256:
            codes = tuple(new if code == old else code for code in assessment.codes)
            kept[name] = replace(assessment, codes=codes)


def assessed(film: Film, name: str) -> Assessment:
    """What the models say of the film as filed, without maps; taken from this session if it has it.

    A film that a net gives no number for is a refused one, so that the others are still read.
    """
    found = kept_reading(film, Adjustment())
    if found is None:
        triage = loaded_triage()
        try:
            found = triage.assess(film, file=name, read_anyway=film.sha256 in _anyway())
        except WeightsError as error:
            found = triage.refusal(error, file=name, film=film)
    return found


def classes() -> tuple[str, ...]:
    """The classes that the installed nets read together; WeightsError where the ensemble is damaged."""
    return tuple(read_ensemble().readers)


def site() -> Site | None:
    """The hospital whose own thresholds this session uses; None for those of the cards."""
    kept: Site | None = st.session_state.get(SITE)
    return kept


def use_site(own: Site | None) -> None:
    """Use a hospital's own thresholds in this session, or those of the cards (None). WeightsError
    (`other_thresholds`) where they were set with other nets than those installed, and then nothing changes.
    """
    if own is not None:
        ensemble = read_ensemble()
        cards = {name: read_card(name) for name in ensemble.members}
        own.needs(cards, speakers(cards, ensemble))
    st.session_state[SITE] = own


def held_against(assessment: Assessment, operating_point: str) -> Assessment:
    """The same scores beside other thresholds; the film is not read anew."""
    held: Assessment = loaded_triage().held_against(assessment, operating_point, site())
    return held


def operating_points() -> tuple[str, tuple[str, ...]]:
    """The name of the operating point to begin with, and of all there are."""
    triage, own = loaded_triage(), site()
    points = triage.points_with(own)
    return (points[0] if own else triage.operating_point), points


def severity_errors() -> ErrorsOfScales | None:
    """What the severity net's card says of its errors; None where no severity net is installed."""
    try:
        card = read_severity_card()
    except WeightsError:  # which reading will speak of
        return None
    return ErrorsOfScales.from_figures(card.figures) if card else None


def problems() -> tuple[WeightsError, ...]:
    """Why parts that reading can do without are not there; asked of nets that are loaded."""
    return tuple(loaded_triage().problems.values())


def kept_maps(film: Film, adjustment: Adjustment, class_name: str) -> tuple[ReadMap, ...] | None:
    """The maps of a class, the mean of the nets first, or that of LESIONS, if this session has them."""
    found: tuple[ReadMap, ...] | None = _kept(_MAPS).get((*_reading_name(film, adjustment), class_name))
    return found


def kept_relevance(film: Film, adjustment: Adjustment, net: str, class_name: str) -> ReadMap | None:
    """A transformer's map of a class by relevance, if this session has it."""
    found: ReadMap | None = _kept(_MAPS).get(_relevance_name(film, adjustment, net, class_name))
    return found


def draw_relevance(film: Film, adjustment: Adjustment, net: str, class_name: str) -> None:
    """Draw a transformer's map of a class by relevance, and keep it."""
    saliency = loaded_triage().saliency(adjustment.apply(film), net, class_name, RELEVANCE)
    name = _relevance_name(film, adjustment, net, class_name)
    _keep(_MAPS, name, _read_map(film, adjustment, saliency))


def map_methods(net: str) -> tuple[MapMethod, ...]:
    """The ways in which a net's maps can be made."""
    methods: tuple[MapMethod, ...] = loaded_triage().map_methods[net]
    return methods


def figures_of_maps(net: str) -> MapFigures:
    """How often a net's maps were measured to point at lesions."""
    return map_figures(loaded_triage().cards[net])


def draw_maps(film: Film, adjustment: Adjustment, class_name: str) -> None:
    """Draw each net's map of a class and their mean, or the map of LESIONS, and keep them."""
    if class_name == LESIONS:
        _keep_lesions(film, adjustment, loaded_triage().severity_map(adjustment.apply(film)))
        return
    _, saliencies = loaded_triage().read(
        adjustment.apply(film), maps=(class_name,), **_gate_of(film, adjustment)
    )
    _keep_maps(film, adjustment, saliencies)


def contradictions(film: Film, adjustment: Adjustment, assessment: Assessment) -> tuple[Disagreement, ...]:
    """Where classes, map and zones of a reading contradict each other, by the maps drawn so far."""
    if assessment.severity is None or assessment.diagnosis is None:
        return ()
    return disagreements(assessment, *_strongest_maps(film, adjustment, assessment))


def place_of_map(film: Film, adjustment: Adjustment, assessment: Assessment) -> MapPlace | None:
    """Where the map of a flagged class lies, once it was drawn."""
    return map_place(assessment, *_strongest_maps(film, adjustment, assessment))


def _strongest_maps(
    film: Film, adjustment: Adjustment, assessment: Assessment
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """The map of the strongest class and that of lesions, so far as this session has them."""
    if assessment.diagnosis is None:
        return None, None
    strongest = strongest_class(assessment.diagnosis.classes)
    saliency, lesions = (
        maps[0].values if maps else None  # the mean of the nets is the first
        for maps in (kept_maps(film, adjustment, name) for name in (strongest, LESIONS))
    )
    return saliency, lesions


def _keep_maps(film: Film, adjustment: Adjustment, saliencies: Sequence[Saliency]) -> None:
    """Keep the nets' maps of one class, the mean of them first."""
    if not saliencies:
        return
    class_name = saliencies[0].class_name
    own = [_read_map(film, adjustment, saliency) for saliency in saliencies]
    speaking = [one.values for one in own if one.values is not None]
    mean = np.stack(speaking).mean(axis=0, dtype=np.float32) if speaking else None
    maps = (ReadMap(None, class_name, mean), *own)
    _keep(_MAPS, (*_reading_name(film, adjustment), class_name), maps)


def _keep_lesions(film: Film, adjustment: Adjustment, lesions: SeverityMap | None) -> None:
    """Keep the map of LESIONS, or that there is none."""
    values = None if lesions is None else _small(adjustment.map_back(lesions.map, film))
    _keep(_MAPS, (*_reading_name(film, adjustment), LESIONS), (ReadMap(None, LESIONS, values),))


def _read_map(film: Film, adjustment: Adjustment, saliency: Saliency) -> ReadMap:
    values = None if saliency.empty else _small(adjustment.map_back(saliency.map, film))
    return ReadMap(saliency.net, saliency.class_name, values, saliency.method)


def _relevance_name(film: Film, adjustment: Adjustment, net: str, class_name: str) -> tuple[str, ...]:
    return (*_reading_name(film, adjustment), class_name, net, RELEVANCE)


def _kept(shelf: str) -> dict[tuple[str, ...], Any]:
    kept: dict[tuple[str, ...], Any] = st.session_state.setdefault(shelf, {})
    return kept


def _keep(shelf: str, name: tuple[str, ...], what: object) -> None:
    """Put it on the shelf; the oldest leaves where there are too many."""
    kept = _kept(shelf)
    kept[name] = what
    while len(kept) > KEPT:
        kept.pop(next(iter(kept)))


def _reading_name(film: Film, adjustment: Adjustment) -> tuple[str, ...]:
    # A film that was turned upright comes of the same bytes, and is noted to be another; what is said of its
    # writing changes no pixel.
    notes = [note for note in film.notes if note not in (CODE, HARMLESS)]
    return film.sha256, json.dumps(adjustment.to_dict(), sort_keys=True), *notes


def _small(values: np.ndarray) -> np.ndarray:
    """A map as large as the viewer takes it; a session would otherwise hold one as large as the film each."""
    scale = min(1.0, LONGEST_MAP / max(values.shape))
    rows, columns = (max(1, round(side * scale)) for side in values.shape)
    return cv2.resize(values, (columns, rows), interpolation=cv2.INTER_AREA)
