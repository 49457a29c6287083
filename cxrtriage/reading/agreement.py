"""Whether classes, maps and zones of one film tell the same story, and what to say where they do not.

Different nets answer: classes and their maps come from one set, zones and scales from another. Where they
contradict each other, one of them is wrong, and the film needs a second look. The rules:

- `class_without_zone`: a class is flagged, and no zone is affected.
- `zones_without_class`: no class is flagged or uncertain, and two zones or more are affected.
- `map_elsewhere`: a class is flagged and some zone is affected, but the strongest place of that class's map
  lies in a zone that is not.
- `map_outside`: the same with a strongest place farther from the lungs than half a cell of the map.
- `much_outside`: a class is flagged, and more of its map than usual lies outside the lungs; said instead of
  `map_outside`.
- `scales_apart`: by the array a zone is clearly affected and by Brixia it is clearly not, or the other way
  round. The rule keeps away from the middle of both scales, where they differ by chance.

A zone is affected where its chance in the array is one half or more (Park 2021).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from cxrtriage.reading.assessment import Assessment, Diagnosis, Severity
from cxrtriage.reading.call import strongest_class
from cxrtriage.reading.zones import LINES

AFFECTED = 0.5
SEVERAL = 2
# Clearly not and clearly affected: chance in the array, Brixia zone.
_CLEAR_CHANCE, _CLEAR_BRIXIA = (0.3, 0.7), (0.5, 1.5)
# Grad-CAM has about seven cells over the lungs, so a place is known to half a cell: this share of the film.
_HALF_CELL = 0.05
# A map as coarse as that always lies over more than the lungs: on 312 flagged validation films half had more
# than 0.29 of the map's sum outside. Above this share lay 9 of 100, and of these 27 films 6 had the disease
# they were flagged for, of the others 153 of 285 (the four nets that read then). On test films:
# train/results/tried_diagnosis.md.
MUCH_OUTSIDE = 0.4
# A part of the lungs smaller than this share of the other is no lung of its own.
_LEAST_RATIO = 0.2

Kind = Literal[
    "class_without_zone",
    "zones_without_class",
    "map_elsewhere",
    "map_outside",
    "much_outside",
    "scales_apart",
]
# 0 to 2 from upper to lower, and 0 for the patient's right lung, 1 for the left.
Zone = tuple[int, int]


@dataclass(frozen=True)
class Disagreement:
    """One contradiction; `class_name` and `zone` say where, `zones` how many are affected, `share` (0..1) how
    much of the map lies outside the lungs."""

    kind: Kind
    class_name: str | None = None
    zone: Zone | None = None
    zones: int = 0
    share: float = 0.0


@dataclass(frozen=True)
class MapPlace:
    """Where the map of a flagged class lies: the share (0..1) of its sum outside the lungs, and whether its
    strongest place is outside too.

    The latter alone says little against a score: it was so on 79 of 312 flagged validation films, of which 33
    had the disease, and of the other 233 126 did; a coarse map of two upper lobes meets in the middle.
    """

    class_name: str
    share_outside: float
    peak_outside: bool


def map_place(
    assessment: Assessment, saliency: np.ndarray | None, lesions: np.ndarray | None
) -> MapPlace | None:
    """Of the strongest class, where it is flagged; arguments as of `disagreements`, None without a map."""
    if assessment.diagnosis is None or saliency is None or lesions is None or not saliency.any():
        return None
    strongest = strongest_class(assessment.diagnosis.classes)
    if assessment.diagnosis.classes[strongest].call != "flagged" or not lesions.any():
        return None
    inside = _at_size(lesions > 0, saliency)
    outside = saliency[~inside].sum(dtype=np.float64) / saliency.sum(dtype=np.float64)
    peak = np.unravel_index(int(saliency.argmax()), saliency.shape)
    return MapPlace(strongest, float(outside), not inside[peak])


def disagreements(
    assessment: Assessment, saliency: np.ndarray | None = None, lesions: np.ndarray | None = None
) -> tuple[Disagreement, ...]:
    """The contradictions within an assessment; none where it holds no severity or no diagnosis.

    `saliency` is the map of the strongest class (`strongest_class`) and `lesions` the severity map, both
    (rows, columns) float32 over the same film, 0 outside the lungs in the second; their sizes may differ.
    Without both, the rules on maps are left out.
    """
    severity, diagnosis = assessment.severity, assessment.diagnosis
    if severity is None or diagnosis is None:
        return ()
    found = [_classes_and_zones(diagnosis, severity)]
    if saliency is not None and lesions is not None and saliency.any():
        place = map_place(assessment, saliency, lesions)
        much = place is not None and place.share_outside > MUCH_OUTSIDE
        if place and much:
            found.append(Disagreement("much_outside", place.class_name, share=place.share_outside))
        elsewhere = _map_and_zones(diagnosis, severity, saliency, lesions > 0)
        found.append(None if much and elsewhere and elsewhere.kind == "map_outside" else elsewhere)
    found.append(_scales_apart(severity))
    return tuple(one for one in found if one is not None)


def affected_zones(severity: Severity) -> tuple[Zone, ...]:
    """The zones whose chance in the array is one half or more, from upper to lower, right first."""
    return tuple(
        (level, side)
        for level, pair in enumerate(severity.array)
        for side, chance in enumerate(pair)
        if chance >= AFFECTED
    )


def zone_at(lungs: np.ndarray, row: float, column: float) -> Zone | None:
    """The zone in which a place lies, or that of the nearest lung within half a cell; else None.

    `lungs`: (rows, columns) bool, both lungs. `row` and `column`: shares of the film in 0..1.
    """
    rows, columns = lungs.shape
    sides = _sides(lungs)
    ys, xs = np.nonzero(sides)
    if ys.size == 0:
        return None
    away = np.hypot((ys + 0.5) / rows - row, (xs + 0.5) / columns - column)
    nearest = int(away.argmin())
    if away[nearest] > _HALF_CELL:
        return None
    side = int(sides[ys[nearest], xs[nearest]])
    own = np.flatnonzero((sides == side).any(axis=1))
    height = (ys[nearest] - own[0] + 0.5) / (own[-1] + 1 - own[0])
    return sum(height >= line for line in LINES), side - 1


def _classes_and_zones(diagnosis: Diagnosis, severity: Severity) -> Disagreement | None:
    affected = affected_zones(severity)
    strongest = strongest_class(diagnosis.classes)
    call = diagnosis.classes[strongest].call
    if call == "flagged" and not affected:
        return Disagreement("class_without_zone", strongest)
    if call == "not_flagged" and len(affected) >= SEVERAL:
        return Disagreement("zones_without_class", zones=len(affected))
    return None


def _map_and_zones(
    diagnosis: Diagnosis, severity: Severity, saliency: np.ndarray, lungs: np.ndarray
) -> Disagreement | None:
    affected = affected_zones(severity)
    strongest = strongest_class(diagnosis.classes)
    if diagnosis.classes[strongest].call != "flagged" or not affected or not lungs.any():
        return None
    row, column = np.unravel_index(int(saliency.argmax()), saliency.shape)
    zone = zone_at(lungs, (row + 0.5) / saliency.shape[0], (column + 0.5) / saliency.shape[1])
    if zone is None:
        return Disagreement("map_outside", strongest)
    return None if zone in affected else Disagreement("map_elsewhere", strongest, zone)


def _at_size(mask: np.ndarray, map_: np.ndarray) -> np.ndarray:
    """A bool mask over the same film in the size of a map."""
    rows, columns = map_.shape
    return np.asarray(cv2.resize(mask.astype(np.uint8), (columns, rows), interpolation=cv2.INTER_NEAREST) > 0)


def _scales_apart(severity: Severity) -> Disagreement | None:
    """The first zone of which array and Brixia say opposite things."""
    for level in range(3):
        for side in range(2):
            chance, brixia = severity.array[level][side], severity.brixia.zones[level][side]
            by_array = chance >= _CLEAR_CHANCE[1] and brixia < _CLEAR_BRIXIA[0]
            by_brixia = brixia >= _CLEAR_BRIXIA[1] and chance < _CLEAR_CHANCE[0]
            if by_array or by_brixia:
                return Disagreement("scales_apart", zone=(level, side))
    return None


def _sides(lungs: np.ndarray) -> np.ndarray:
    """(rows, columns) int: 1 in the patient's right lung, 2 in the left, 0 elsewhere."""
    count, labels, stats, centres = cv2.connectedComponentsWithStats(lungs.astype(np.uint8))
    parts = sorted(range(1, count), key=lambda n: -stats[n, cv2.CC_STAT_AREA])[:2]
    sides = np.zeros(lungs.shape, np.uint8)
    if len(parts) == 2:
        area = [stats[n, cv2.CC_STAT_AREA] for n in parts]
        if area[1] >= _LEAST_RATIO * area[0]:
            for side, part in enumerate(sorted(parts, key=lambda n: centres[n, 0]), start=1):
                sides[labels == part] = side
            return sides
    # Lungs that touch are one part: its middle lies between them.
    columns = np.flatnonzero(lungs.any(axis=0))
    if columns.size:
        middle = (columns[0] + columns[-1] + 1) // 2
        sides[:, :middle][lungs[:, :middle]] = 1
        sides[:, middle:][lungs[:, middle:]] = 2
    return sides
