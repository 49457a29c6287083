"""The table of codes holds every code of the design, in both languages."""

from __future__ import annotations

import pickle
import re

import pytest

from cxrtriage.film import codes
from cxrtriage.film.film import FilmError

DESIGN = [
    "empty", "truncated", "not_an_image", "not_a_film", "no_pixels", "too_large", "too_small",
    "decompression_bomb", "not_finite", "animation", "multi_frame", "unsupported_transfer_syntax",
    "unreadable", "not_frontal_chest", "lateral", "inverted", "rotated_90", "rotated_180", "mirrored",
    "cropped", "flat", "too_bright", "too_dark", "child", "photograph", "one_lung", "no_lungs", "synthetic",
    "burned_in_text", "text_blanked", "text_harmless",
]  # fmt: skip


@pytest.mark.parametrize("code", DESIGN)
def test_every_code_of_the_design_is_in_the_table(code: str) -> None:
    assert code in codes.SENTENCES


@pytest.mark.parametrize("code", sorted(codes.SENTENCES))
def test_every_code_has_one_sentence_in_both_languages(code: str) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z0-9]+)*", code)
    english, korean = codes.sentence(code), codes.sentence(code, "ko")
    assert re.fullmatch(r"[A-Z][^\n{}]{20,140}\.", english)
    assert re.search("[\uac00-\ud7a3]", korean)
    assert korean.endswith(".")


def test_sentences_are_different() -> None:
    for language in ("en", "ko"):
        texts = [codes.sentence(code, language) for code in codes.SENTENCES]
        assert len(set(texts)) == len(texts)


def test_the_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        codes.SENTENCES["new"] = {}  # type: ignore[index]


def test_an_unknown_code_is_a_programming_error() -> None:
    with pytest.raises(KeyError):
        FilmError("no_such_code")


def test_an_error_says_its_detail_in_both_languages_and_survives_pickling() -> None:
    error = pickle.loads(pickle.dumps(FilmError("unsupported_transfer_syntax", detail="MPEG2")))
    assert error.code == "unsupported_transfer_syntax"
    assert error.message.endswith("(MPEG2).")
    assert error.in_language("ko").endswith("(MPEG2).")
