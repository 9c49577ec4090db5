"""The brake of a target, on a clock that we move: what it lets through, and when."""

from dataclasses import replace
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smsbridge.domain.brake import NO_BRAKE, Brake, BrakePolicy, Suspicion

NOW = 1_000_000
POLICY = BrakePolicy(open_after=3, probe_every_ms=30_000, park_after=3)


def failing(*jobs: int, brake: Brake = NO_BRAKE, at_ms: int = NOW) -> Brake:
    for job in jobs:
        brake = brake.failed(job, at_ms, POLICY, "no answer")
    return brake


def test_it_opens_after_so_many_failures_in_a_row_and_probes_an_interval_later() -> None:
    assert not failing(1, 2).is_open
    opened = failing(1, 2, 3)
    assert (opened.is_open, opened.opened_at_ms, opened.free_at_ms) == (True, NOW, NOW + 30_000)
    assert opened.reason == "no answer"


def test_one_job_that_fails_again_and_again_opens_nothing() -> None:
    assert failing(1, 1, 1, 1, 1, 1).failures == 1


def test_anything_that_works_in_between_begins_the_count_anew() -> None:
    brake = failing(3, brake=failing(1, 2).answered())
    assert brake.failures == 1


@pytest.mark.parametrize("word", ["answered", "took"])
def test_the_first_that_works_closes_it(word: Literal["answered", "took"]) -> None:
    closed = getattr(failing(1, 2, 3), word)()
    assert (closed.is_open, closed.free_at_ms, closed.failures) == (False, 0, 0)


def test_failures_while_it_is_open_change_nothing() -> None:
    opened = failing(1, 2, 3)
    assert failing(4, 5, brake=opened, at_ms=NOW + 99) is opened


def test_a_success_ends_no_hold_and_a_shorter_hold_no_longer_one() -> None:
    held = NO_BRAKE.held(NOW + 5_000, "429")
    assert held.held(NOW + 1_000, "429") is held
    assert held.took().free_at_ms == NOW + 5_000
    assert (held.is_on(NOW + 4_999), held.is_on(NOW + 5_000)) == (True, False)


def test_a_hold_keeps_probes_back_too() -> None:
    assert failing(1, 2, 3).held(NOW + 90_000, "429").free_at_ms == NOW + 90_000


def test_a_good_word_without_trouble_changes_nothing_at_all() -> None:
    assert NO_BRAKE.took() is NO_BRAKE
    assert NO_BRAKE.answered() is NO_BRAKE


def test_only_what_was_taken_after_a_refusal_proves_it_and_only_often_enough() -> None:
    first, second = NO_BRAKE.suspected(), NO_BRAKE.suspected().took().suspected()
    of_first = Suspicion(number=first.suspicions, since_ms=NOW, refusals=3)
    of_second = Suspicion(number=second.suspicions, since_ms=NOW, refusals=3)
    assert not of_first.is_proven(first, POLICY), "it may refuse everything"
    assert of_first.is_proven(second, POLICY)
    assert not of_second.is_proven(second, POLICY), "what it took before does not count"
    assert not replace(of_first, refusals=2).is_proven(second, POLICY), "not often enough"


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("time"), st.integers(0, 40_000)),
        st.tuples(st.just("hold"), st.integers(1, 60_000)),
        st.tuples(st.just("fail"), st.integers(1, 4)),
        st.tuples(st.just("took"), st.just(0)),
        st.tuples(st.just("call"), st.just(0)),
    ),
    max_size=80,
)


@given(STEPS)
def test_whatever_happens_holds_are_kept_and_an_open_circuit_lets_one_probe_through_at_a_time(
    steps: list[tuple[str, int]],
) -> None:
    """A caller that calls whenever the brake allows it, against a plain account of what it was told."""
    brake, now_ms, held_until_ms = NO_BRAKE, NOW, 0
    row: list[int] = []
    probes: list[int] = []
    for step, value in steps:
        match step:
            case "time":
                now_ms += value
            case "hold":
                held_until_ms = max(held_until_ms, now_ms + value)
                brake = brake.held(now_ms + value, "429")
            case "fail":
                if not brake.is_open and (not row or row[-1] != value):
                    row.append(value)
                brake = brake.failed(value, now_ms, POLICY, "")
                if brake.is_open and not probes:
                    probes = [now_ms]
            case "took":
                row, probes = [], []
                brake = brake.took()
            case "call" if brake.free_at_ms <= now_ms:
                assert now_ms >= held_until_ms, "a call inside a hold"
                if brake.is_open:
                    assert now_ms - probes[-1] >= POLICY.probe_every_ms, "two probes in one interval"
                    probes.append(now_ms)
                    brake = brake.probed(now_ms)
        assert brake.is_open == (len(row) >= POLICY.open_after)
        assert brake.is_on(now_ms) == (brake.is_open or held_until_ms > now_ms)
