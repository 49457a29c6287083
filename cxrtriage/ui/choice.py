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
    value = st.selectbox(
        label,
        options,
        index=options.index(_last(key, options, start)),
        format_func=words,
        key=key,
        help=help,
    )
    return _kept(key, value, start)


def segments(
    label: str, options: Sequence[str], *, key: str, start: str, words: Callable[[str], str], help: str
) -> str:
    """The same as a row of buttons, for a few short options."""
    value = st.segmented_control(
        label,
        options,
        default=_last(key, options, start),
        required=True,
        format_func=words,
        key=key,
        help=help,
        width="stretch",
    )
    return _kept(key, value or start, start)


def _last(key: str, options: Sequence[str], start: str) -> str:
    wanted: str = st.session_state.setdefault(_CHOSEN, {}).get(key, start)
    return wanted if wanted in options else start


def _kept(key: str, value: str, start: str) -> str:
    chosen: dict[str, str] = st.session_state[_CHOSEN]
    if value != start or key in chosen:  # a start that nobody chose may still move
        chosen[key] = value
    return value
