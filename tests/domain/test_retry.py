import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from smsbridge.domain.retry import RetryPolicy, next_due_ms

MINUTE_S = 60.0
POLICY = RetryPolicy(first_s=2, factor=2, max_wait_s=5 * MINUTE_S, jitter=0, max_age_s=60 * MINUTE_S)

policies = st.builds(
    lambda first, factor, more, jitter, age: RetryPolicy(
        first_s=first, factor=factor, max_wait_s=first + more, jitter=jitter, max_age_s=age
    ),
    st.floats(0.01, 600),
    st.floats(1, 100),
    st.floats(0, 86_400),
    st.floats(0, 1),
    st.floats(0, 10 * 86_400),
)
attempts = st.integers(1, 10_000)
chances = st.floats(0, 1, exclude_max=True)
starts = st.integers(0, 4_000_000_000_000)
ages_ms = st.integers(0, 20 * 86_400_000)
asked = st.one_of(st.none(), st.floats(0, 10 * 86_400), st.floats())


def test_waits_grow_to_their_maximum_and_end_with_the_age() -> None:
    now, attempt, waits = 0, 0, []
    while (due := next_due_ms(POLICY, attempt := attempt + 1, now, 0, random=0.5)) is not None:
        waits.append((due - now) / 1000)
        now = due
    assert waits[:9] == [2, 4, 8, 16, 32, 64, 128, 256, 300]
    assert set(waits[9:]) == {300}
    assert 55 * MINUTE_S < sum(waits) <= 60 * MINUTE_S


def test_chance_takes_off_no_more_than_its_share() -> None:
    policy = RetryPolicy(first_s=100, factor=1, max_wait_s=100, jitter=0.2, max_age_s=3600)
    assert next_due_ms(policy, 1, 0, 0, random=0.0) == 100_000
    assert next_due_ms(policy, 1, 0, 0, random=0.5) == 90_000
    assert next_due_ms(policy, 1, 0, 0, random=0.999999) == pytest.approx(80_000, abs=1)


def test_jobs_told_the_same_moment_come_back_spread_out_after_it() -> None:
    policy = RetryPolicy(first_s=10, factor=1, max_wait_s=10, jitter=0.5, max_age_s=3600)
    dues = [next_due_ms(policy, 1, 0, 0, random=step / 10, after_s=60) for step in range(10)]
    assert dues[0] == 60_000
    assert dues == sorted(set(dues))
    assert dues[-1] <= 65_000


def test_a_retry_after_that_just_fits_is_used_although_the_spread_does_not_fit() -> None:
    policy = RetryPolicy(first_s=10, factor=1, max_wait_s=10, jitter=1, max_age_s=60)
    assert next_due_ms(policy, 1, 1_000, 0, random=0.9, after_s=59) == 60_000
    assert next_due_ms(policy, 1, 1_001, 0, random=0.9, after_s=59) is None


@given(policies, attempts, starts, ages_ms, chances, asked)
@example(POLICY, 10_000, 0, 0, 0.0, math.inf)
@example(POLICY, 1, 0, 0, 0.0, math.nan)
@example(POLICY, 1, 0, 0, 0.0, -5.0)
@example(RetryPolicy(first_s=10, factor=1, max_wait_s=10, jitter=1, max_age_s=60.0005), 1, 0, 1_000, 0.9, 59.0)
def test_a_try_is_never_in_the_past_nor_after_the_deadline(
    policy: RetryPolicy, attempt: int, start: int, age: int, random: float, after_s: float | None
) -> None:
    due = next_due_ms(policy, attempt, start + age, start, random, after_s)
    if due is not None:
        assert start + age <= due <= start + policy.max_age_s * 1000


@given(policies, attempts, starts, chances)
def test_a_wait_lies_between_the_jittered_and_the_whole_back_off(
    policy: RetryPolicy, attempt: int, now: int, random: float
) -> None:
    due = next_due_ms(policy, attempt, now, now, random)
    if due is not None:
        assert due - now <= policy.max_wait_s * 1000 + 1
        assert due - now >= policy.first_s * (1 - policy.jitter) * 1000 - 1


@given(policies, attempts, starts, ages_ms, chances)
def test_a_later_attempt_never_waits_less(
    policy: RetryPolicy, attempt: int, start: int, age: int, random: float
) -> None:
    """For the same chance. Once given up, later attempts are given up too."""
    this, following = (next_due_ms(policy, number, start + age, start, random) for number in (attempt, attempt + 1))
    assert following is None or (this is not None and following >= this)


@given(policies, attempts, starts, ages_ms, chances, st.floats(0, 20 * 86_400))
@example(POLICY, 1, 0, 0, 0.0, 10.0005)
def test_retry_after_is_never_undercut(
    policy: RetryPolicy, attempt: int, start: int, age: int, random: float, after_s: float
) -> None:
    now = start + age
    due = next_due_ms(policy, attempt, now, start, random, after_s)
    without = next_due_ms(policy, attempt, now, start, random)
    if due is not None:
        assert due >= now + after_s * 1000
        assert without is not None
        assert due >= without
    elif without is not None:
        assert now + after_s * 1000 > start + math.floor(policy.max_age_s * 1000)


@pytest.mark.parametrize(
    "change",
    [
        {"first_s": 0.0},
        {"first_s": 10.0, "max_wait_s": 5.0},
        {"factor": 0.5},
        {"factor": 1_000.0},
        {"jitter": 1.5},
        {"jitter": math.nan},
        {"max_age_s": -1.0},
        {"max_age_s": math.inf},
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(change: dict[str, float]) -> None:
    settings = {"first_s": 1.0, "factor": 2.0, "max_wait_s": 60.0, "jitter": 0.1, "max_age_s": 600.0}
    with pytest.raises(ValueError, match="retry policy"):
        RetryPolicy(**(settings | change))
