"""The course of a session: the films of one patient and the dates the user gives them. Nothing is stored."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date

import cv2
import numpy as np
import streamlit as st

from cxrtriage.desk.follow_up import Course, Visit
from cxrtriage.film.film import Film, FilmError
from cxrtriage.film.read import read_film
from cxrtriage.film.writing import with_writing_noted
from cxrtriage.reading.assessment import Assessment
from cxrtriage.ui import readings
from cxrtriage.ui.texts import Texts

MOST_FILMS = 16  # each is kept in memory at full size
LONGEST_LABEL = 60
_LARGEST_COURSE = 8 * 1024 * 1024  # bytes; a film's assessment takes a few thousand
_THUMBNAIL = 96  # pixels of the longest side, shown at half of it on a dense screen
_COURSE = "course"


@dataclass(frozen=True, eq=False)
class CourseFilm:
    """A film of the course. `number` is its own in the session and never given twice.

    `film` None: it came with a saved course, which holds numbers only. `date` None: not given yet.
    `assessment` None: not read yet. `thumbnail` is a picture as a data address, empty without a film.
    """

    number: int
    name: str
    sha256: str | None
    film: Film | None = None
    date: date | None = None
    assessment: Assessment | None = None
    thumbnail: str = ""


@dataclass(eq=False)
class SessionCourse:
    """What the user has put together so far; it lives in the session alone.

    `problems`: a sentence for each file of the last opening that was not taken. `openings` counts them.
    `before`, `after`: numbers of the films that the user chose to compare.
    """

    label: str = ""
    films: list[CourseFilm] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    openings: int = 0
    begun: int = 0
    before: int | None = None
    after: int | None = None
    _numbers: int = 0

    def dated(self) -> list[CourseFilm]:
        """Films that have a date, by date; those of one date in the order they were added."""
        return sorted((one for one in self.films if one.date), key=lambda one: one.date or date.min)

    def undated(self) -> list[CourseFilm]:
        return [one for one in self.films if one.date is None]

    def course(self) -> Course:
        """The films that are dated and read."""
        return Course(self.label, tuple(visit for one in self.dated() if (visit := visit_of(one))))

    def take(self, texts: Texts, files: Iterable[tuple[str, bytes]]) -> None:
        """Films and saved courses by name and bytes; of what cannot be taken, a sentence stays."""
        self.problems = []
        self.openings += 1
        for name, data in files:
            problem = self._take_course(texts, data) if _is_json(data) else self._take_film(texts, data, name)
            if problem:
                self.problems.append(texts.fill("course_problem", name=name, problem=problem))

    def change(self, number: int, **values: object) -> None:
        """Give a film another date, assessment or picture."""
        self.films = [replace(one, **values) if one.number == number else one for one in self.films]  # type: ignore[arg-type]

    def read_anyway(self, number: int) -> None:
        """Take the reader's word for a film of which the gate cautions; it is read anew."""
        readings.read_anyway(self._film(number))
        self.change(number, assessment=None)

    def put_right(self, number: int) -> None:
        """Turn, invert or cut out a film as the gate says; it is read anew."""
        film = readings.mended(self._film(number))
        self.change(number, film=film, assessment=None, thumbnail=_thumbnail(film))

    def remove(self, number: int) -> None:
        self.films = [one for one in self.films if one.number != number]
        self.problems = []

    def clear(self) -> None:
        """Begin with another patient."""
        self.label, self.films, self.problems, self.before, self.after = "", [], [], None, None
        self.openings += 1
        self.begun += 1

    def _film(self, number: int) -> Film:
        film = next(one.film for one in self.films if one.number == number)
        assert film is not None  # of saved numbers there is nothing to read
        return film

    def _take_film(self, texts: Texts, data: bytes, name: str) -> str:
        try:
            film, _ = with_writing_noted(read_film(data))
        except FilmError as error:
            return texts.fill("bad_file", message=error.message, code=error.code)
        known = next((one for one in self.films if one.sha256 == film.sha256), None)
        if known is not None and known.film is not None:
            return texts["course_known"]
        if known is not None:  # its numbers came with a saved course; it is read with today's nets
            self.change(known.number, film=film, name=name, assessment=None, thumbnail=_thumbnail(film))
            return ""
        return self._add(texts, CourseFilm(0, name, film.sha256, film, thumbnail=_thumbnail(film)))

    def _take_course(self, texts: Texts, data: bytes) -> str:
        try:
            if len(data) > _LARGEST_COURSE:
                raise ValueError("larger than any course")
            saved = Course.from_json(data.decode("utf-8-sig"))
        except ValueError:
            return texts["course_not_one"]
        if self.films and self.label and saved.label and saved.label != self.label:
            return texts.fill("course_other_label", label=saved.label)
        for visit in saved.visits:
            assessment = visit.assessment
            known = next((one for one in self.films if one.sha256 and one.sha256 == assessment.sha256), None)
            if known is not None:  # the films at hand are newer than what was saved of them
                self.change(known.number, date=known.date or visit.date)
                continue
            name = assessment.file or texts["course_nameless"]
            film = CourseFilm(0, name, assessment.sha256, None, visit.date, assessment)
            if problem := self._add(texts, film):
                return problem
        self.label = self.label or saved.label[:LONGEST_LABEL]
        return ""

    def _add(self, texts: Texts, film: CourseFilm) -> str:
        if len(self.films) >= MOST_FILMS:
            return texts.fill("course_full", most=MOST_FILMS)
        self._numbers += 1
        self.films.append(replace(film, number=self._numbers))
        return ""


def session_course() -> SessionCourse:
    """This session's course; another session's is another one."""
    course: SessionCourse = st.session_state.setdefault(_COURSE, SessionCourse())
    return course


def visit_of(film: CourseFilm) -> Visit | None:
    """The film as a visit, once it is dated and read."""
    return Visit(film.date, film.assessment) if film.date and film.assessment else None


def _is_json(data: bytes) -> bool:
    return data[:64].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{")


def _thumbnail(film: Film) -> str:
    """A small JPEG as a data address."""
    scale = _THUMBNAIL / max(film.rows, film.columns)
    size = (max(1, round(film.columns * scale)), max(1, round(film.rows * scale)))  # OpenCV: width first
    small = cv2.resize(np.ascontiguousarray(film.pixels), size, interpolation=cv2.INTER_AREA)
    _, encoded = cv2.imencode(".jpg", np.rint(np.clip(small, 0, 1) * 255).astype(np.uint8))
    return f"data:image/jpeg;base64,{base64.b64encode(encoded.tobytes()).decode()}"
