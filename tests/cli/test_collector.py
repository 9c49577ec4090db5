"""What a daemon leaves to the collector of cycles is collected, however much its start has built."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

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
