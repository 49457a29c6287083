"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cxrtriage.nets.torchvision_import import import_torchvision

_REPOSITORY = Path(__file__).resolve().parents[1]


def pytest_configure(config: pytest.Config) -> None:
    """The process that gathers what the testing ones found imports lightning to show its warnings, and
    with it torchvision, which may need its mend."""
    if getattr(config.option, "numprocesses", None):
        import_torchvision()


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of real films: CXRTRIAGE_DATA, else data/ in the repository, else ../shared/data."""
    stated = os.environ.get("CXRTRIAGE_DATA")
    places = [Path(stated)] if stated else [_REPOSITORY / "data", _REPOSITORY.parent / "shared" / "data"]
    for place in places:
        if place.is_dir():
            return place
    pytest.skip(f"no real films: {' and '.join(map(str, places))} not there; set CXRTRIAGE_DATA")
