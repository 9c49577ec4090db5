"""What a daemon has done with goes back: cycles are collected, however much its start has built, and large blocks."""

from __future__ import annotations

import ctypes
import gc
import subprocess
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest

from smsbridge import app

A_BURST = 30_000
"""Objects that are there at once, and gone: more than the collector waits for."""


@pytest.fixture
def own_collector() -> Iterator[None]:
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)


class Ring:
    """Holds itself, as a connection and its transport do."""

    def __init__(self) -> None:
        self.itself = self


@pytest.mark.usefixtures("own_collector")
def test_a_cycle_that_grew_old_before_it_died_is_found() -> None:
    built_by_the_start = [[number] for number in range(300_000)]
    app._spare_the_collector()
    ring = Ring()
    is_there = weakref.ref(ring)
    for _ in range(10):  # so that it has outlived the looks at what is young
        _ = [[number] for number in range(A_BURST)]
    del ring, _
    bursts = 0
    while is_there() is not None and bursts < 10:
        _ = [[number] for number in range(A_BURST)]
        bursts += 1
    assert is_there() is None
    assert len(built_by_the_start) == 300_000


LARGE_BLOCKS = """
import sys
from faults.gauges import mallinfo
from smsbridge.app import _spare_the_heap

if sys.argv[1] == "spared":
    _spare_the_heap()
large = bytearray(4_000_000)
del large
before_bytes = mallinfo().hblkhd
large = bytearray(3_000_000)
print(mallinfo().hblkhd - before_bytes)
"""


@pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="this C library is not glibc, or is before 2.33"
)
@pytest.mark.parametrize(("heap", "is_apart"), [("spared", True), ("as it is", False)])
def test_a_large_block_lies_apart_from_the_heap_also_after_larger_ones(heap: str, is_apart: bool) -> None:
    tests = Path(__file__).parents[1]
    ended = subprocess.run(
        [sys.executable, "-c", LARGE_BLOCKS, heap], cwd=tests, capture_output=True, text=True, check=True
    )
    assert (int(ended.stdout) >= 3_000_000) is is_apart
