"""What goes to the browser: every grey level of the film, nothing rounded that need not be."""

from __future__ import annotations

import json
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxrtriage.film.adjustment import Adjustment
from cxrtriage.film.film import Film
from cxrtriage.ui.viewer import reported_adjustment
from cxrtriage.ui.viewer.packing import LONGEST_MAP, grey_levels, pack_film, pack_map, shown_film


def film_of(pixels: np.ndarray, bits: int = 8) -> Film:
    return Film(pixels=pixels.astype(np.float32), bits=bits, sha256="ab" * 32, format="png")


def unpacked(data: bytes) -> tuple[dict[str, object], np.ndarray]:
    """The browser's side of the packing, in Python: header and pixels (float32 or uint8)."""
    length = int.from_bytes(data[:4], "little")
    head = json.loads(data[4 : 4 + length])
    body = zlib.decompress(data[4 + length :])
    shape = (head["rows"], head["columns"])
    count = shape[0] * shape[1]
    if head["kind"] == "map":
        return head, np.cumsum(np.frombuffer(body, np.uint8).reshape(shape), axis=1, dtype=np.uint8)
    levels = np.frombuffer(body, "<f4", head["levels"])
    steps = np.frombuffer(body, np.uint8, offset=4 * head["levels"])
    if steps.size == count:
        numbers = np.cumsum(steps.reshape(shape), axis=1, dtype=np.uint8)
    else:
        wide = steps[:count].astype(np.uint16) | (steps[count:].astype(np.uint16) << 8)
        numbers = np.cumsum(wide.reshape(shape), axis=1, dtype=np.uint16)
    return head, levels[numbers]


@settings(max_examples=30, deadline=None)
@given(bits=st.integers(1, 16), rows=st.integers(1, 40), columns=st.integers(1, 40), seed=st.integers(0, 999))
def test_a_film_of_any_depth_arrives_exactly(bits: int, rows: int, columns: int, seed: int) -> None:
    steps = 2**bits - 1
    drawn = np.random.default_rng(seed).integers(0, steps + 1, (rows, columns))
    film = film_of((drawn / steps).astype(np.float32), bits)
    head, pixels = unpacked(pack_film(film).data)
    assert head["bits"] == bits
    assert np.array_equal(pixels, film.pixels)


def test_values_closer_than_16_bits_are_rounded_to_16_bits() -> None:
    pixels = np.linspace(0, 1, 300_000, dtype=np.float32).reshape(600, 500)
    levels, numbers = grey_levels(pixels)
    assert levels.size <= 65536
    assert np.abs(levels[numbers] - pixels).max() <= 0.5 / 65535 + 1e-7


def test_a_film_longer_than_2048_is_shown_smaller_and_others_as_they_are() -> None:
    small = film_of(np.zeros((300, 2048)))
    assert shown_film(small).pixels.shape == (300, 2048)
    large = shown_film(film_of(np.full((2500, 1000), 0.5)))
    assert large.pixels.shape == (2048, 819)
    assert large.pixels == pytest.approx(0.5, abs=1 / 65535)


def test_another_film_or_another_adjustment_of_it_has_another_name() -> None:
    film, other = film_of(np.zeros((9, 9))), film_of(np.ones((9, 9)))
    assert pack_film(film).name != pack_film(other).name  # the same sha256
    one, two = np.zeros((9, 9), np.float32), np.ones((9, 9), np.float32)
    assert pack_map(one, "net").name != pack_map(two, "net").name


def test_a_map_is_sent_small_and_in_256_steps() -> None:
    values = np.tile(np.linspace(0, 1, 1500, dtype=np.float32), (1000, 1))
    head, greys = unpacked(pack_map(values, "net").data)
    assert max(greys.shape) == LONGEST_MAP
    assert head["kind"] == "map"
    assert greys[0, 0] == 0
    assert greys[0, -1] == 255


@pytest.mark.parametrize(
    "change",
    [None, {}, {"film": "other", "adjustment": {}}, {"film": "this"}, {"film": "this", "adjustment": [1]},
     {"film": "this", "adjustment": {"contrast": "x"}}],
)  # fmt: skip
def test_a_report_about_another_film_or_of_nonsense_is_left_out(change: object) -> None:
    start = Adjustment(invert=True)
    assert reported_adjustment(change, "this", start) is start
