"""A choice that outlives the moments in which its widget is not on the page."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

_CHOSEN = "chosen"


def choice(
    label: str,
    options: Sequence[str],
    *,
    key: str,
    start: str,
    words: Callable[[str], str],
    help: str | None = None,
) -> str:
    """A select box over `options`, shown in `words`: at what was chosen last if it is there, else at `start`.

    Streamlit forgets a widget that it did not draw in a run; a reader's choice must not go with it.
    """
    chosen: dict[str, str] = st.session_state.setdefault(_CHOSEN, {})
    wanted = chosen.get(key, start)
    value = st.selectbox(
        label,
        options,
        index=options.index(wanted if wanted in options else start),
        format_func=words,
        key=key,
        help=help,
    )
    if value != start or key in chosen:  # a start that nobody chose may still move
        chosen[key] = value
    return value
