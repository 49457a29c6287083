"""The server's memory does not grow with the number of films that were read."""

from __future__ import annotations

import ctypes
import sys


def give_back_freed_memory() -> None:
    """Hand what is freed back to the system, where malloc is glibc's.

    Streamlit runs every interaction in a thread of its own, and each thread's arena keeps what was freed in
    it: film after film the server grows, although nothing of the films is kept. Elsewhere (musl, macOS,
    Windows) this does nothing.
    """
    if not sys.platform.startswith("linux"):
        return
    malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if malloc_trim is not None:
        malloc_trim(0)
