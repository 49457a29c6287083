"""Freed memory goes back to the system, and what stays is not searched for garbage."""

from __future__ import annotations

import gc
import os
import platform

import numpy as np
import pytest

from cxrtriage.ui.server_memory import give_back_freed_memory, spare_what_was_loaded
from tests.faults.many_uploads import resident_mb

BLOCK, BLOCKS = 60_000, 3_000  # smaller than what malloc maps on its own; 180 MB in all


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="elsewhere malloc gives memory back by itself")
def test_freed_blocks_under_a_kept_one_go_back_to_the_system():
    blocks = [np.ones(BLOCK, np.uint8) for _ in range(BLOCKS)]
    kept = np.ones(BLOCK, np.uint8)  # above them all, so that the heap cannot shrink by itself
    del blocks
    before = resident_mb(os.getpid())
    give_back_freed_memory()
    assert before - resident_mb(os.getpid()) > 100
    assert kept.all()


def test_what_was_loaded_is_searched_no_more_and_what_comes_after_it_is():
    loaded = [[0]]
    try:
        spare_what_was_loaded()
        came_after = [[1]]
        searched = {id(one) for one in gc.get_objects()}
        assert id(loaded) not in searched
        assert id(came_after) in searched
    finally:
        gc.unfreeze()
