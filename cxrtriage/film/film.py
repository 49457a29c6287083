"""The film that everything else reads, and the one error that reading a file can end in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from cxrtriage.film.box import PixelBox
from cxrtriage.film.codes import Language, sentence

View = Literal["PA", "AP", "lateral"]
Sex = Literal["F", "M"]


class FilmError(Exception):
    """A file that cannot be read as a film.

    `code` is one of `cxrtriage.film.codes.SENTENCES`; `message` is one sentence for the user that
    says what to do. `detail` is a technical name that belongs to it in any language (a transfer
    syntax, a kind of file, a limit) and never text from the file. Reading a file raises nothing else.
    """

    def __init__(self, code: str, message: str | None = None, *, detail: str | None = None) -> None:
        self.code = code
        self.detail = detail
        self._own_message = message
        self.message = message or self.in_language("en")
        super().__init__(f"{code}: {self.message}")

    def in_language(self, language: Language) -> str:
        """The sentence in a language, with the detail in brackets before its full stop."""
        if self._own_message is not None and language == "en":
            return self._own_message
        text = sentence(self.code, language)
        if self.detail is None:
            return text
        return f"{text.removesuffix('.')} ({self.detail})."

    def __reduce__(self) -> tuple[object, ...]:
        return (_film_error, (self.code, self._own_message, self.detail))


def _film_error(code: str, message: str | None, detail: str | None) -> FilmError:
    """Rebuild a pickled error (it crosses processes in batch reading)."""
    return FilmError(code, message, detail=detail)


@dataclass(frozen=True, eq=False)
class Film:
    """One film, without a name, identifier, date or free text.

    `pixels`: (rows, columns) float32 in 0..1, read-only. Bright is dense. Row 0 is cranial and
    column 0 is the patient's right, as far as file and tags say.
    `bits` is the depth of the source; `spacing_mm` is (row, column) distance of pixel centres;
    `sha256` is that of the file's bytes; `notes` are codes, see `cxrtriage.film.codes`. `blanked`: where
    writing was painted over (`cxrtriage.film.blanking`).
    """

    pixels: np.ndarray
    bits: int
    sha256: str
    format: str
    view: View | None = None
    age_years: float | None = None
    sex: Sex | None = None
    spacing_mm: tuple[float, float] | None = None
    notes: tuple[str, ...] = ()
    blanked: tuple[PixelBox, ...] = ()

    def __post_init__(self) -> None:
        pixels = self.pixels
        if pixels.ndim != 2 or pixels.dtype != np.float32:
            raise ValueError(f"pixels must be a 2-D float32 array, not {pixels.dtype} {pixels.shape}")
        if pixels.flags.writeable:
            pixels.flags.writeable = False

    def noted(self, code: str, *, instead_of: str = "") -> Film:
        """The film with a code among its notes, once, and without another."""
        notes = (note for note in self.notes if note not in (code, instead_of))
        return replace(self, notes=(*notes, code))

    @property
    def rows(self) -> int:
        return int(self.pixels.shape[0])

    @property
    def columns(self) -> int:
        return int(self.pixels.shape[1])
