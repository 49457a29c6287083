"""The server's memory does not grow with the number of its threads."""

from __future__ import annotations

import ctypes
import sys

_ARENA_MAX = -8  # M_ARENA_MAX of glibc's malloc.h
_ARENAS = 2


def keep_few_arenas() -> None:
    """Let malloc keep two arenas, not eight a core, where it is glibc's.

    Streamlit runs every interaction in a thread of its own, and each arena a thread has touched keeps what
    was freed in it: film after film the server grows, although nothing of the films is kept. Elsewhere
    (musl, macOS, Windows) this does nothing.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_ARENA_MAX, _ARENAS)
