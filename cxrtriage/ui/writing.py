"""The notice that there is writing on the film: it is looked at, then blanked or said to hold no name.

Until then nothing is saved from the page.
"""

from __future__ import annotations

from html import escape

import cv2
import numpy as np
import streamlit as st

from cxrtriage.film.blanking import blanked
from cxrtriage.film.box import PixelBox
from cxrtriage.film.film import Film
from cxrtriage.film.writing import CODE, HARMLESS
from cxrtriage.ui import readings
from cxrtriage.ui.opening import Opened, replace_film
from cxrtriage.ui.texts import Texts
from cxrtriage.ui.viewer import current_adjustment

_PICTURE = 640  # pixels of the longest side
_FRAME = (255, 180, 84)  # the page's amber
_FRAME_WIDTH = 2


def is_open_question(film: Film | None) -> bool:
    """Whether writing was found on the film and nobody has said yet what is to become of it."""
    return film is not None and CODE in film.notes


def writing_panel(texts: Texts, opened: Opened) -> None:
    """The lines found, which of them to blank, and the word that they hold no name; nothing without writing
    and without a crop box."""
    film = opened.film
    if film is None:
        return
    crop = current_adjustment(film).crop
    drawn = () if crop.is_full else (crop.to_pixels(film.rows, film.columns),)
    if is_open_question(film):
        _question(texts, film, tuple(line.box for line in opened.writing))
    if drawn:
        # What the finder overlooked can be boxed by hand with the crop tool.
        st.button(
            texts["writing_blank_crop"],
            help=texts["writing_blank_crop_help"],
            on_click=_blank,
            args=(film, drawn),
            key="writing_blank_crop",
        )


def _question(texts: Texts, film: Film, boxes: tuple[PixelBox, ...]) -> None:
    with st.container(key="writing"):
        if boxes:
            with st.expander(texts.fill("writing_look", count=len(boxes))):
                st.image(framed(film, boxes), width="stretch")
                chosen = tuple(
                    box
                    for number, box in enumerate(boxes, start=1)
                    if st.checkbox(
                        texts.fill("writing_line", number=number),
                        True,
                        key=f"writing_{film.sha256}_{number}",
                    )
                )
        else:
            chosen = ()
            # What was found by look may have stayed on the plate or page around the film.
            why = texts["writing_cut_off"] if "cut_out" in film.notes else texts["writing_by_tag"]
            st.html(f'<p class="cx-note">{escape(why)}</p>')
        with st.container(horizontal=True, key="writing_row"):
            st.button(
                texts["writing_blank"] if chosen == boxes else texts["writing_blank_chosen"],
                help=texts["writing_blank_help"],
                on_click=_blank,
                args=(film, chosen),
                disabled=not chosen,
                key="writing_blank",
            )
            st.button(
                texts["writing_harmless"],
                help=texts["writing_harmless_help"],
                on_click=_keep,
                args=(film,),
                key="writing_harmless",
            )


def framed(film: Film, boxes: tuple[PixelBox, ...]) -> np.ndarray:
    """The film as a small picture, uint8 (rows, columns, 3), with the boxes and their numbers on it."""
    scale = min(1.0, _PICTURE / max(film.rows, film.columns))
    size = (max(1, round(film.columns * scale)), max(1, round(film.rows * scale)))
    grey = cv2.resize(film.pixels, size, interpolation=cv2.INTER_AREA)
    picture = np.repeat(np.rint(np.clip(grey, 0, 1) * 255).astype(np.uint8)[..., None], 3, axis=2)
    for number, box in enumerate(boxes, start=1):
        first = (int(box.left * scale), int(box.top * scale))
        last = (int(box.right * scale), int(box.bottom * scale))
        cv2.rectangle(picture, first, last, _FRAME, _FRAME_WIDTH)
        beside = (min(last[0] + 4, size[0] - 16), max(first[1] + 12, 14))
        cv2.putText(picture, str(number), beside, cv2.FONT_HERSHEY_SIMPLEX, 0.5, _FRAME, 1, cv2.LINE_AA)
    return picture


def _blank(film: Film, boxes: tuple[PixelBox, ...]) -> None:
    """Blank these boxes, and with that take the reader's word for the others; the film is read anew."""
    replace_film(blanked(film, boxes), looked_at=True)
    readings.forget(film)


def _keep(film: Film) -> None:
    """Take the reader's word that the writing is no name. What was read stays, and says so."""
    replace_film(film.noted(HARMLESS, instead_of=CODE), looked_at=True)
    readings.renote(film, CODE, HARMLESS)
