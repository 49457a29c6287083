"""The server's memory: it does not grow with the films that were read, and what stays is not searched."""

from __future__ import annotations

import ctypes
import gc
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


def spare_what_was_loaded() -> None:
    """Keep all that is there now, which stays as long as the server runs, out of every search for garbage.

    Streamlit searches after each run of a page, before the next may begin: with torch and the nets that is
    half a second at every touch of a control.
    """
    gc.collect()
    gc.freeze()
