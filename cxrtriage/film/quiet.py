"""Keep the remarks of pydicom and Pillow on odd files away from the user's terminal, and nothing else."""

from __future__ import annotations

import contextlib
import logging
import threading
import warnings
from collections.abc import Iterator
from typing import Final

_WARNINGS_LOCK: Final = threading.RLock()
"""`warnings.catch_warnings` swaps the filters of the whole process: two threads that overlap in it
would leave one's filters behind for good, so films are read one at a time."""

_PACKAGES = ("pydicom", "openjpeg", "pylibjpeg", "PIL")


class _NotThisThread(logging.Filter):
    """Drops the records of one thread, so that other users of pydicom keep their log."""

    def __init__(self, thread: int) -> None:
        super().__init__()
        self._thread = thread

    def filter(self, record: logging.LogRecord) -> bool:
        return record.thread != self._thread


@contextlib.contextmanager
def quiet_decoders() -> Iterator[None]:
    """Within it warnings, and the decoders' log records of this thread, are dropped."""
    drop = _NotThisThread(threading.get_ident())
    with _WARNINGS_LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loggers = _loggers()
        for logger in loggers:
            logger.addFilter(drop)
        try:
            yield
        finally:
            for logger in loggers:
                logger.removeFilter(drop)


def _loggers() -> list[logging.Logger]:
    """The loggers of the decoders; each by itself, for a filter does not reach a logger's children."""
    known = list(logging.root.manager.loggerDict.items())
    return [one for name, one in known if name.startswith(_PACKAGES) and isinstance(one, logging.Logger)]
