"""The soak's look at memory tells a leak from a high-water mark."""

from __future__ import annotations

import gc
import math
from collections.abc import Callable, Sequence

from faults.checker import Verdict
from faults.gauges import Sample, memory_in_use
from faults.soak import CACHE_MB, report

HOUR_S = 3_600.0


def life(
    *,
    in_use_mb: Callable[[float], float] = lambda _hours: 33.0,
    blocks: Callable[[float], float] = lambda _hours: 390_000,
    rss_mb: Callable[[float], float] = lambda _hours: 98.0,
    hours: float = 1.0,
) -> Sequence[Sample]:
    """A look every ten seconds at a process that adds 80 MB an hour to its database."""
    return [
        Sample(
            at_s=at_s,
            pid=1,
            rss_mb=rss_mb(at_s / HOUR_S),
            in_use_mb=in_use_mb(at_s / HOUR_S),
            python_blocks=round(blocks(at_s / HOUR_S)) + 9_000 * (at_s % 70 == 0),
            open_files=60,
            threads=9,
            children=1,
            wal_mb=4.2,
            database_mb=20 + 80 * at_s / HOUR_S,
        )
        for at_s in range(0, round(hours * HOUR_S), 10)
    ]


def grew(samples: Sequence[Sample]) -> bool:
    return report(Verdict(), samples, seconds=HOUR_S)[1]


def test_a_process_that_stays_as_it_is_has_not_grown() -> None:
    assert not grew(life())


def test_a_high_water_mark_that_rises_ever_more_slowly_is_no_leak() -> None:
    assert not grew(life(rss_mb=lambda hours: 97 + 0.5 * math.log1p(10 * hours)))


def test_a_cache_that_fills_up_is_no_leak() -> None:
    filled_after_h = CACHE_MB / 80
    assert not grew(life(in_use_mb=lambda hours: 17 + CACHE_MB * min(1, hours / filled_after_h)))


def test_ten_bytes_that_each_text_leaves_behind_are_a_leak() -> None:
    assert grew(life(in_use_mb=lambda hours: 33 + 72_000 * hours * 10 / 1024**2))


def test_a_small_object_that_every_second_text_leaves_behind_is_a_leak() -> None:
    assert grew(life(blocks=lambda hours: 390_000 + 36_000 * hours))


def test_memory_that_neither_allocator_knows_is_a_leak() -> None:
    assert grew(life(rss_mb=lambda hours: 98 + 10 * hours))


def test_a_process_that_tells_nothing_is_not_taken_for_a_good_one() -> None:
    assert grew(life(in_use_mb=lambda _hours: 0.0))


def test_a_short_life_is_not_judged() -> None:
    assert not grew(life(in_use_mb=lambda hours: 33 + 50 * hours, hours=0.4))


def test_what_is_in_use_goes_up_and_down_with_what_is_kept() -> None:
    gc.collect()  # what other tests have left behind would go meanwhile
    before_bytes, before_blocks = memory_in_use()
    large = [bytes(10_000) for _ in range(1_000)]
    small = [(number, "a pair") for number in range(100_000)]
    bytes_, blocks = memory_in_use()
    assert bytes_ - before_bytes > 9_000_000
    assert blocks - before_blocks > 90_000
    del large, small
    after_bytes, after_blocks = memory_in_use()
    assert after_bytes - before_bytes < 1_000_000
    assert after_blocks - before_blocks < 10_000
