"""Uploads stay in memory: no byte of a film is written to a disk by the page."""

from __future__ import annotations

from starlette.formparsers import MultiPartParser

_MOST_BYTES = 2**31  # more than any upload may have; the server refuses those above maxUploadSize before


def keep_uploads_in_memory() -> None:
    """Streamlit's web server puts an upload of more than a megabyte into a temporary file while it comes in,
    although it holds it in memory afterwards; from now on it does not."""
    MultiPartParser.spool_max_size = _MOST_BYTES
