"""What malloc keeps of memory that was freed goes back to the system."""

from __future__ import annotations

import os
import platform

import numpy as np
import pytest

from cxrtriage.ui.freed_memory import give_back_freed_memory
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
