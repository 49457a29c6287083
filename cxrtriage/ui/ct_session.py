"""The CT series of a session: opened, shown at once, read slice by slice. Nothing is stored."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import streamlit as st

from cxrtriage.ct.read import Named, series_of_files
from cxrtriage.ct.series import Series, SeriesError
from cxrtriage.show.ct import encoded, outlines, viewing_greys
from cxrtriage.ui.ct_viewer import SLICES_A_PACK, Stack, pack_slices
from cxrtriage.ui.server_memory import spare_what_was_loaded
from cxrtriage.ui.texts import Texts
from cxrtriage.weights import WeightsError

if TYPE_CHECKING:
    from cxrtriage.ct.lesion_finder import LesionFinder
    from cxrtriage.ct.reading import CtReading, SeriesReader, SliceReading
    from cxrtriage.ui.ct_examples import SeriesExample

_SECONDS_A_STEP = 1.0
_SESSION = "ct_session"


@st.cache_resource(show_spinner=False)
def loaded_finder() -> LesionFinder:
    """The lesion net, loaded once and shared by all sessions. Raises WeightsError."""
    from cxrtriage.ct.lesion_finder import LesionFinder

    finder = LesionFinder.load()
    spare_what_was_loaded()
    return finder


@dataclass(eq=False)
class CtSession:
    """`found`: what the viewer is told of each slice read so far. `problem`: one sentence, empty without one.

    `notice` is said beside an example. `openings` counts openings, so that the file widget is emptied and its
    bytes are let go.
    """

    series: list[Series] = field(default_factory=list)
    chosen: int = 0
    stack: Stack | None = None
    reader: SeriesReader | None = None
    found: list[dict[str, Any]] = field(default_factory=list)
    stopped: bool = False
    problem: str = ""
    notice: str = ""
    openings: int = 0
    _steps: Iterator[Any] | None = None

    @property
    def done(self) -> bool:
        return self.reader is not None and len(self.found) == len(self.reader.series.slices)

    def open(self, texts: Texts, files: Sequence[Named]) -> None:
        """The series among the files; the first is shown. What cannot be read leaves its sentence."""
        self.clear()
        name = files[0][0] if len(files) == 1 else texts["ct_series"]
        try:
            self._take(series_of_files(name, files))
        except SeriesError as error:
            self.problem = texts.fill("bad_file", message=error.in_language(texts.language), code=error.code)

    def open_example(self, example: SeriesExample) -> None:
        """A series that comes along, with where it is from."""
        self.clear()
        series, self.notice = example.read()
        self._take(series)

    def _take(self, series: list[Series]) -> None:
        self.series = series
        longest = max(range(len(self.series)), key=lambda number: len(self.series[number].slices))
        self.show(longest)

    def show(self, number: int) -> None:
        """Put one of the series into the viewer; its reading begins anew."""
        self.chosen, self.found, self.stopped, self.problem = number, [], False, ""
        self.reader, self._steps = None, None
        series = self.series[number]
        pictures = [encoded(viewing_greys(series, one.pixels)) for one in series.slices]
        name = secrets.token_hex(8)
        self.stack = Stack(
            name,
            tuple(
                pack_slices(name, first, pictures[first : first + SLICES_A_PACK])
                for first in range(0, len(pictures), SLICES_A_PACK)
            ),
            tuple((one.pixels.shape[0], one.pixels.shape[1]) for one in series.slices),
            series.calibrated,
        )

    def clear(self) -> None:
        self.series, self.stack, self.reader, self._steps = [], None, None, None
        self.found, self.stopped, self.problem, self.notice = [], False, "", ""
        self.openings += 1

    def read_on(self, texts: Texts, finder: LesionFinder) -> None:
        """Read for about a second. `problem` where the series turns out to be none of a chest, or the net
        gives no number; what was found before is let go then."""
        from cxrtriage.ct.reading import SeriesReader

        if self.reader is None:
            self.reader = SeriesReader(self.series[self.chosen], finder)
            self._steps = self.reader.steps()
        assert self._steps is not None
        until = time.monotonic() + _SECONDS_A_STEP
        try:
            for reading, found in self._steps:
                self.found.append(_told(reading, outlines(found.lesion)))
                if time.monotonic() > until:
                    break
        except SeriesError as error:
            self._fail(texts, error.in_language(texts.language), error.code)
        except WeightsError as error:
            self._fail(texts, error.message, error.code)

    def _fail(self, texts: Texts, message: str, code: str) -> None:
        self.problem = texts.fill("bad_file", message=message, code=code)
        self.reader, self._steps, self.found, self.stopped = None, None, [], True

    def rule_by(self, slices: int, min_area: int) -> None:
        """Hold what was found against another rule."""
        if self.reader is None or (self.reader.rule.slices, self.reader.rule.min_area) == (slices, min_area):
            return
        masks = self.reader.ruled(replace(self.reader.rule, slices=slices, min_area=min_area))
        self.found = [
            _told(reading, outlines(mask)) for reading, mask in zip(self.reader.slices, masks, strict=True)
        ]

    def reading(self) -> CtReading | None:
        return self.reader.reading() if self.reader is not None and self.found else None


def _told(reading: SliceReading, lines: list[list[int]]) -> dict[str, Any]:
    return {
        "boxes": [[box.x, box.y, box.width, box.height] for box in reading.boxes],
        "outlines": lines,
        "quadrants": list(reading.quadrants),
        "position": reading.position_mm,
    }


def ct_session() -> CtSession:
    """The one of this session."""
    kept: CtSession = st.session_state.setdefault(_SESSION, CtSession())
    return kept
