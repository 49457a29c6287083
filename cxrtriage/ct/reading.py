"""A series read: what was found on each slice, the decision and why, volumes; as JSON `cxrtriage/ct/1`."""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import numpy as np

from cxrtriage import __version__
from cxrtriage.ct.lesion_finder import Found, LesionFinder
from cxrtriage.ct.rule import Decision, Evidence, LesionBox, Rule, decide, lesions_of_slice, quadrants_hit
from cxrtriage.ct.series import Series, SeriesError, Slice
from cxrtriage.film.film import FilmError
from cxrtriage.weights import WeightsError

SCHEMA = "cxrtriage/ct/1"


@dataclass(frozen=True)
class SliceReading:
    """`lesion_right`, `lung_right`: pixels on the patient's right, the left half of the lungs' box."""

    name: str
    position_mm: float | None
    lesion_pixels: int
    lung_pixels: int
    quadrants: tuple[bool, bool, bool, bool]
    boxes: tuple[LesionBox, ...]
    lesion_right: int = 0


@dataclass(frozen=True)
class Volume:
    """Millilitres of lesion, by side of the patient, and its share of the lungs in per cent."""

    lesion: float
    right: float
    left: float
    percent_of_lung: float


@dataclass(frozen=True)
class CtReading:
    """Everything the program says of one series. A part that was not computed is None."""

    series: str
    status: Literal["read", "refused"]
    codes: tuple[str, ...] = ()
    message: str | None = None
    slices: tuple[SliceReading, ...] = ()
    decision: Decision | None = None
    rule: Rule | None = None
    evidence: Evidence | None = None
    volume_ml: Volume | None = None
    spacing_mm: tuple[float, float, float] | None = None
    versions: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    def to_json(self, *, indent: int | None = None) -> str:
        plain = {"schema": SCHEMA, **asdict(self)}
        for one in plain["slices"]:
            del one["lesion_right"]
        if self.status == "refused":
            plain = {**plain, "slices": None}
        return json.dumps(plain, allow_nan=False, ensure_ascii=False, indent=indent)

    @property
    def affected_slices(self) -> int:
        return sum(bool(one.boxes) for one in self.slices)


def refusal(name: str, error: FilmError | WeightsError) -> CtReading:
    """What is said of files that are no series, and of a series that the net gave no number for."""
    return CtReading(
        name, "refused", (error.code,), error.message, versions={"cxrtriage": __version__, "weights": {}}
    )


@dataclass(frozen=True)
class _Packed:
    """What was found on a slice, small: its chances in 8 bits where it shows lesion, and the masks' bits."""

    lesion: bytes
    sure: bytes
    chances: bytes
    lung_pixels: int

    @classmethod
    def of(cls, found: Found) -> _Packed:
        shades = np.rint(found.chances[found.lesion] * 255).astype(np.uint8)
        lung_pixels = int((found.lungs | found.lesion).sum())
        return cls(_bits(found.lesion), _bits(found.sure), shades.tobytes(), lung_pixels)

    def unpacked(self, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Chances float32 and the masks of lesions and of sure ones, (rows, columns) each."""
        lesion, sure = (_mask(bits, shape) for bits in (self.lesion, self.sure))
        chances: np.ndarray = np.zeros(shape, np.float32)
        chances[lesion] = np.frombuffer(self.chances, np.uint8) / np.float32(255)
        return chances, lesion, sure


def _bits(mask: np.ndarray) -> bytes:
    return zlib.compress(np.packbits(mask).tobytes(), 1)


def _mask(bits: bytes, shape: tuple[int, ...]) -> np.ndarray:
    flat = np.unpackbits(np.frombuffer(zlib.decompress(bits), np.uint8), count=int(np.prod(shape)))
    return flat.reshape(shape).astype(bool)


class SeriesReader:
    """Reads a series slice by slice.

    `steps()` gives each slice as it is found; `reading()` says what is known so far, and after the last
    slice all of it; `ruled()` says it again under another rule without reading anew. `SeriesError`
    (`not_a_chest`) where the series shows no lungs.
    """

    def __init__(self, series: Series, finder: LesionFinder, rule: Rule | None = None) -> None:
        self.series, self.finder, self.rule = series, finder, rule or finder.rule
        self.slices: list[SliceReading] = []
        self.seconds = 0.0
        self._middle: float | None = None
        self._packed: list[_Packed] = []

    def steps(self) -> Iterator[tuple[SliceReading, Found]]:
        began = time.perf_counter()
        view = self.finder.look(self.series)
        if view is None:
            raise SeriesError("not_a_chest")
        box = view.box
        self._middle = (box[1] + box[3]) / 2 if box is not None else None
        for one, found in zip(self.series.slices, self.finder.find(self.series, view), strict=True):
            self._packed.append(_Packed.of(found))
            reading, lesion = self._read(
                one, found.chances, found.lesion, found.sure, self._packed[-1].lung_pixels
            )
            self.slices.append(reading)
            self.seconds = time.perf_counter() - began
            yield reading, replace(found, lesion=lesion)
            began = time.perf_counter() - self.seconds  # what the caller did is no reading time

    def ruled(self, rule: Rule) -> list[np.ndarray]:
        """Hold what was found so far against another rule; gives each slice's mask of lesions (rows,
        columns)."""
        self.rule = rule
        self.slices, masks = [], []
        for one, packed in zip(self.series.slices, self._packed, strict=False):
            reading, lesion = self._read(one, *packed.unpacked(one.pixels.shape), packed.lung_pixels)
            self.slices.append(reading)
            masks.append(lesion)
        return masks

    def _read(
        self, one: Slice, chances: np.ndarray, mask: np.ndarray, sure: np.ndarray, lung_pixels: int
    ) -> tuple[SliceReading, np.ndarray]:
        lesion, boxes, sure = lesions_of_slice(chances, mask, sure, self.rule)
        middle = self._middle if self._middle is not None else lesion.shape[1] / 2
        reading = SliceReading(
            name=one.name,
            position_mm=None if one.position_mm is None else round(one.position_mm, 2),
            lesion_pixels=int(lesion.sum()),
            lung_pixels=lung_pixels,
            # The rule counts what the net is sure of.
            quadrants=quadrants_hit(sure, self.rule),
            boxes=boxes,
            lesion_right=int(lesion[:, : round(middle)].sum()),
        )
        return reading, lesion

    def reading(self) -> CtReading:
        series = self.series
        complete = len(self.slices) == len(series.slices)
        decision, evidence, codes = decide(
            [one.quadrants for one in self.slices],
            self.rule,
            breaks=series.breaks,
            step_mm=series.spacing_mm[0] if series.spacing_mm else None,
            complete=complete,
        )
        if not complete and "stopped" not in codes:
            codes = (*codes, "stopped")
        card = self.finder.card
        return CtReading(
            series=series.name,
            status="read",
            codes=(*series.codes, *codes),
            slices=tuple(self.slices),
            decision=decision,
            rule=self.rule,
            evidence=evidence,
            volume_ml=self._volume() if complete else None,
            spacing_mm=series.spacing_mm,
            versions={"cxrtriage": __version__, "weights": {card.name: card.sha256[:12]}},
            seconds=round(self.seconds, 3),
        )

    def _volume(self) -> Volume | None:
        """Voxels times their size; None where spacing is not known or slices are missing."""
        spacing = self.series.spacing_mm
        if spacing is None or self.series.breaks:
            return None
        voxel = float(np.prod(spacing)) / 1000
        lesion, right = (
            sum(one.lesion_pixels for one in self.slices),
            sum(one.lesion_right for one in self.slices),
        )
        lungs = sum(one.lung_pixels for one in self.slices)
        return Volume(
            round(lesion * voxel, 1),
            round(right * voxel, 1),
            round((lesion - right) * voxel, 1),
            round(100 * lesion / lungs, 1) if lungs else 0.0,
        )


def read_whole(series: Series, finder: LesionFinder, rule: Rule | None = None) -> CtReading:
    """A series read to its end."""
    reader = SeriesReader(series, finder, rule)
    try:
        for _ in reader.steps():
            pass
    except SeriesError as error:
        return refusal(series.name, error)
    return reader.reading()
