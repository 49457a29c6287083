"""Words that are not ours where Streamlit takes Markdown: labels, tooltips, text beside a bar."""

from __future__ import annotations

import re

_MARKS = re.compile(r"([\\`*_\[\](){}<>#|!~$&^])")
# A backslash does not hold back what is looked for after Markdown is read: :names: of signs, addresses.
_FOUND_LATER = re.compile(r"([:@]|\bwww(?=\.))", re.IGNORECASE)
_JOINER = "\u2060"  # shows as nothing and breaks no line


def escaped(words: str) -> str:
    """The words as they are, whatever marks they hold, on one line."""
    return _FOUND_LATER.sub(rf"\1{_JOINER}", _MARKS.sub(r"\\\1", " ".join(words.split())))
