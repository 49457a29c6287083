"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of real films: CXRTRIAGE_DATA, else data/ in the repository, else ../shared/data."""
    stated = os.environ.get("CXRTRIAGE_DATA")
    places = [Path(stated)] if stated else [_REPOSITORY / "data", _REPOSITORY.parent / "shared" / "data"]
    for place in places:
        if place.is_dir():
            return place
    pytest.skip(f"no real films: {' and '.join(map(str, places))} not there; set CXRTRIAGE_DATA")
