"""Ids sort by time and never repeat; the clock is the machine's."""

from __future__ import annotations

import random
import re
import threading
import time
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from smsbridge.clock import SystemClock
from smsbridge.contracts.clock import Clock, Ids
from smsbridge.ids import RandomIds

LAST_MS = (1 << 48) - 1


@given(st.lists(st.integers(min_value=0, max_value=LAST_MS), min_size=2, max_size=200))
def test_ids_increase_whatever_the_clock_does(moments: list[int]) -> None:
    clock = iter(moments)
    ids: Ids = RandomIds(lambda: next(clock))
    made = [ids.new("msg_") for _ in moments]
    assert all(earlier < later for earlier, later in pairwise(made))


@given(st.integers(min_value=0, max_value=LAST_MS), st.integers(min_value=0, max_value=LAST_MS))
def test_ids_of_different_instances_sort_by_the_time_they_were_made(one: int, other: int) -> None:
    first, second = (RandomIds(lambda made=made: made).new("") for made in (one, other))
    assert one == other or (first < second) == (one < other)


def test_an_id_is_its_prefix_and_26_characters_without_the_ones_that_are_misread() -> None:
    ids = RandomIds(SystemClock().now_ms)
    for _ in range(200):
        assert re.fullmatch(r"msg_[0-9a-hjkmnp-tv-z]{26}", ids.new("msg_"))


def test_the_time_stands_in_the_first_ten_characters() -> None:
    alphabet = "0123456789abcdefghjkmnpqrstvwxyz"
    text = RandomIds(lambda: 1_764_000_000_123).new("")
    value = 0
    for character in text[:10]:
        value = value * 32 + alphabet.index(character)
    assert value == 1_764_000_000_123


def test_a_full_millisecond_runs_over_into_the_next() -> None:
    class Full(random.Random):
        def getrandbits(self, k: int, /) -> int:
            return (1 << 80) - 1 if k == 79 else super().getrandbits(k)

    ids = RandomIds(lambda: 1000, Full())
    made = [ids.new("") for _ in range(50)]
    assert all(earlier < later for earlier, later in pairwise(made))
    assert made[0][:10] != made[-1][:10]


def test_threads_never_get_the_same_id() -> None:
    ids = RandomIds(lambda: 5)
    made: list[list[str]] = [[] for _ in range(8)]

    def make(into: list[str]) -> None:
        into.extend(ids.new("") for _ in range(2_000))

    threads = [threading.Thread(target=make, args=(into,)) for into in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({each for into in made for each in into}) == 16_000
    assert all(earlier < later for into in made for earlier, later in pairwise(into))


def test_the_same_seed_gives_the_same_ids() -> None:
    one, other = (RandomIds(lambda: 7, random.Random(42)) for _ in range(2))
    assert [one.new("a_"), one.new("a_"), one.random()] == [other.new("a_"), other.new("a_"), other.random()]


def test_tokens_fit_a_url_and_never_repeat() -> None:
    ids = RandomIds(lambda: 0, random.Random(1))
    tokens = {ids.token(32) for _ in range(500)}
    assert len(tokens) == 500
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}", token) for token in tokens)


def test_jitter_lies_between_nought_and_one() -> None:
    ids = RandomIds(lambda: 0)
    assert all(0 <= ids.random() < 1 for _ in range(1_000))


async def test_the_clock_is_the_machine_s_in_milliseconds() -> None:
    clock: Clock = SystemClock()
    assert abs(clock.now_ms() - time.time() * 1000) < 1_000
    before = clock.monotonic_ms()
    await clock.sleep(0.02)
    assert 19 <= clock.monotonic_ms() - before < 10_000
