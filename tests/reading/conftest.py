"""A folder of weights as the program ships it, with small untrained nets in it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from cxrtriage.film.film import Film

# Lets the tests of this folder import what lies beside them, under any import mode of pytest.
sys.path.insert(0, str(Path(__file__).parent))

from random_films import random_film
from small_nets import write_small_nets


@pytest.fixture(scope="session")
def weights_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three nets of 64 pixels that see the lungs' crop, and thresholds for all together and for a with b."""
    folder = tmp_path_factory.mktemp("weights")
    write_small_nets(folder)
    return folder


@pytest.fixture
def film() -> Film:
    return random_film(0)
