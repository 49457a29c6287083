"""Opening a film: from a file, from the examples, from the camera. The film lives in the session alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from cxrtriage.film.film import Film, FilmError
from cxrtriage.film.read import read_film, start_reader
from cxrtriage.film.synthetic import draw_film
from cxrtriage.film.writing import CODE, WrittenLine, find_writing, with_writing_noted
from cxrtriage.ui.texts import Texts

EXAMPLES_FOLDER = Path(__file__).parents[1] / "examples"
SYNTHETIC_SEEDS = (1, 2)
Named = tuple[str, bytes]
CAMERA_WIDTH = 720  # pixels; more than the nets take, and with its button it fits a laptop's screen
_SOURCE = "opening_source"  # which of the three ways was used last
_OPENED = "opening_opened"
_PHOTO = "opening_photo"
_UPLOADS = "opening_uploads"  # counts up to empty the file widget when another way is used


@dataclass(frozen=True)
class Opened:
    """What was opened last: a film, or the sentence that says why it is none.

    `token` tells two openings apart; `notice` is said beside an example; `writing` was found on the film and
    nobody has said yet what is to become of it.
    """

    token: str
    name: str
    film: Film | None
    notice: str = ""
    problem: str = ""
    writing: tuple[WrittenLine, ...] = ()


@dataclass(frozen=True)
class Photo:
    """A picture from the camera; `token` tells two of them apart."""

    token: str
    data: bytes


@dataclass(frozen=True)
class Example:
    """A shipped film: its title, where it comes from, and how it is read."""

    title: str
    notice: str
    read: Callable[[], Film]


def examples(texts: Texts, folder: Path = EXAMPLES_FOLDER) -> list[Example]:
    """The films of `examples.json` (file, title, licence, source), then the synthetic ones."""
    listed = folder / "examples.json"
    entries = json.loads(listed.read_text(encoding="utf-8")) if listed.is_file() else []
    real = [
        Example(
            entry["title"],
            texts.fill("example_notice", **{k: entry[k] for k in ("title", "licence", "source")}),
            partial(read_film, folder / entry["file"]),
        )
        for entry in entries
    ]
    drawn = [
        Example(
            texts.fill("synthetic_title", seed=seed),
            "",  # its own note says that it is drawn
            partial(draw_film, seed),
        )
        for seed in SYNTHETIC_SEEDS
    ]
    return real + drawn


def replace_film(film: Film, *, looked_at: bool = False) -> None:
    """Put another film, made of the same file, in the place of the one that is open. `looked_at`: the reader
    has said what is to become of the writing on it. Nothing where another file was opened in the meantime."""
    kept: Opened | None = st.session_state.get(_OPENED)
    if kept is not None and kept.film is not None and kept.film.sha256 == film.sha256:
        unsettled = CODE in film.notes and not looked_at
        writing = find_writing(film.pixels) if unsettled else ()
        st.session_state[_OPENED] = replace(kept, film=film, writing=writing)


def opening_row(texts: Texts, key: str, words: str) -> DeltaGenerator:
    """The row at the top of a page, with the words of its file box: the texts `words` and `words`_drop."""
    own = f"--cx-open:{json.dumps(texts[words])};--cx-drop:{json.dumps(texts[f'{words}_drop'])}"
    st.html(f"<style>.st-key-{key}{{{own}}}</style>")  # see style.css
    return st.container(horizontal=True, key=key, vertical_alignment="center")


def opened_files(texts: Texts, words: str, key: str) -> list[Named]:
    """A box for several files at once, and what was just put into it, by name and bytes.

    `key` must be another one after each opening: a new box is empty, so that no file is held twice.
    """
    files = st.file_uploader(
        texts[words],
        accept_multiple_files=True,
        key=key,
        help=texts[f"{words}_help"],
        label_visibility="collapsed",
    )
    return [(file.name, file.getvalue()) for file in files or ()]


def open_film(texts: Texts) -> Opened | None:
    """The row of widgets that opens a film, and what was opened last."""
    start_reader()
    shelf = examples(texts)
    uploads = st.session_state.setdefault(_UPLOADS, 0)
    with opening_row(texts, "opening", "open_film"):
        file = st.file_uploader(
            texts["open_film"],
            key=f"opening_file_{uploads}",
            help=texts["open_film_help"],
            on_change=_used,
            args=("file",),
            label_visibility="collapsed",
        )
        chosen = st.selectbox(
            texts["example"],
            range(len(shelf)),
            index=None,
            format_func=lambda i: shelf[i].title,
            key="opening_example",
            placeholder=texts["example_choose"],
            on_change=_used,
            args=("example",),
            label_visibility="collapsed",
            width=260,
        )
        camera = st.toggle(texts["camera"], key="opening_camera", help=texts["camera_help"])
    if camera:
        # Streamlit takes the picture in the size it is shown in: large, therefore, and gone afterwards.
        st.camera_input(texts["camera_take"], key="opening_shot", on_change=_photographed, width=CAMERA_WIDTH)
    source = st.session_state.get(_SOURCE)
    if source == "file" and file is not None:
        return _open(texts, f"file:{file.file_id}", file.name, lambda: read_film(file.getvalue()))
    if source == "camera":
        photo: Photo = st.session_state[_PHOTO]
        return _open(texts, f"camera:{photo.token}", texts["camera"], lambda: read_film(photo.data))
    if source == "example" and chosen is not None:
        example = shelf[chosen]
        return _open(texts, f"example:{example.title}", example.title, example.read, example.notice)
    st.session_state.pop(_OPENED, None)
    return None


def _used(source: str) -> None:
    """One way was used: it holds, and the others are emptied so that the page shows one film only."""
    st.session_state[_SOURCE] = source
    if source != "file":
        st.session_state[_UPLOADS] += 1
    if source != "example":
        st.session_state["opening_example"] = None


def _photographed() -> None:
    """A picture was taken: keep its bytes and put the camera away."""
    shot = st.session_state["opening_shot"]
    if shot is not None:
        st.session_state[_PHOTO] = Photo(shot.file_id, shot.getvalue())
        st.session_state["opening_camera"] = False
        _used("camera")


def _open(texts: Texts, token: str, name: str, read: Callable[[], Film], notice: str = "") -> Opened:
    """Read the film, unless it is the one that is open already."""
    kept: Opened | None = st.session_state.get(_OPENED)
    if kept is not None and kept.token == token:
        return kept
    with st.spinner(texts["opening"]):
        try:
            film, writing = with_writing_noted(read())
            opened = Opened(token, name, film, notice, writing=writing)
        except FilmError as error:
            sentence = texts.fill("bad_file", message=error.message, code=error.code)
            opened = Opened(token, name, None, problem=sentence)
    st.session_state[_OPENED] = opened
    return opened
