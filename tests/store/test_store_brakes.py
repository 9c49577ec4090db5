"""Brakes and rates in the store: nothing of a held queue is given out, and what is taken is taken once."""

from dataclasses import replace

import pytest

from smsbridge.contracts.jobs import Job
from smsbridge.contracts.store import RateLimit, Store, Tx
from smsbridge.domain.brake import NO_BRAKE, Brake, Suspicion
from store import made
from store.made import NOW

LEASE = 1_000
OPEN = Brake(opened_at_ms=NOW, probe_at_ms=NOW, probe_every_ms=100, failures=5, reason="no answer")


def claim(tx: Tx, at_ms: int = NOW) -> list[Job]:
    return tx.claim("queue", now_ms=at_ms, lease_until_ms=at_ms + LEASE, limit=10)


async def fill(store: Store, lanes: int) -> None:
    for n in range(lanes):
        await store.write(lambda tx, n=n: tx.enqueue(made.job(f"job {n}", f"lane {n}", due_at_ms=NOW - lanes + n)))


async def test_a_held_queue_gives_nothing_out_until_its_time_and_other_queues_do(store: Store) -> None:
    await fill(store, 2)
    await store.write(lambda tx: tx.enqueue(made.job("elsewhere", "d", "other queue")))
    await store.write(lambda tx: tx.save_brake("queue", NO_BRAKE.held(NOW + 50, "429")))
    assert await store.write(lambda tx: claim(tx, NOW + 49)) == []
    assert await store.read(lambda tx: tx.next_due_ms("queue")) == NOW + 50
    elsewhere = await store.write(lambda tx: tx.claim("other queue", now_ms=NOW, lease_until_ms=NOW + 1, limit=9))
    assert [job.ref for job in elsewhere] == ["elsewhere"]
    jobs = await store.write(lambda tx: claim(tx, NOW + 50))
    assert [(job.ref, job.attempt, job.is_probe) for job in jobs] == [("job 0", 1, False), ("job 1", 1, False)]


async def test_a_lane_does_not_go_on_while_its_queue_is_held(store: Store) -> None:
    await store.write(lambda tx: [tx.enqueue(made.job(ref, "lane")) for ref in ("first", "second")])
    (first,) = await store.write(claim)

    def end_and_hold(tx: Tx) -> Job | None:
        assert tx.close_job(first)
        tx.save_brake("queue", NO_BRAKE.held(NOW + 50, "429"))
        return tx.claim_next("lane", now_ms=NOW, lease_until_ms=NOW + LEASE)

    assert await store.write(end_and_hold) is None
    (second,) = await store.write(lambda tx: claim(tx, NOW + 50))
    assert second.ref == "second"


async def test_an_open_circuit_gives_out_one_probe_in_each_interval_the_longest_due_first(store: Store) -> None:
    await fill(store, 3)
    await store.write(lambda tx: tx.save_brake("queue", OPEN))
    (probe,) = await store.write(claim)
    assert (probe.ref, probe.is_probe) == ("job 0", True)
    assert await store.write(lambda tx: claim(tx, NOW + 99)) == []
    assert await store.read(lambda tx: tx.next_due_ms("queue")) == NOW + 100
    (probe,) = await store.write(lambda tx: claim(tx, NOW + 100))
    assert probe.ref == "job 1"
    await store.write(lambda tx: tx.save_brake("queue", tx.brake("queue").took()))
    (rest,) = await store.write(lambda tx: claim(tx, NOW + 101))
    assert (rest.ref, rest.is_probe) == ("job 2", False)


async def test_without_work_no_probe_is_used_up(store: Store) -> None:
    await store.write(lambda tx: tx.save_brake("queue", OPEN))
    assert await store.write(claim) == []
    assert await store.read(lambda tx: tx.next_due_ms("queue")) is None
    await fill(store, 1)
    assert len(await store.write(claim)) == 1


async def test_nobody_who_has_read_an_older_row_shortens_a_hold(store: Store) -> None:
    await store.write(lambda tx: tx.save_brake("queue", NO_BRAKE.held(NOW + 50, "429")))
    await store.write(lambda tx: tx.save_brake("queue", NO_BRAKE.failed(7, NOW, made.BRAKES, "refused")))
    kept = await store.read(lambda tx: tx.brake("queue"))
    assert (kept.held_until_ms, kept.failures, kept.failed_job) == (NOW + 50, 1, 7)


async def test_brakes_are_listed_and_released(store: Store) -> None:
    assert await store.read(lambda tx: tx.brakes()) == {}
    held = replace(OPEN, held_until_ms=NOW + 50, suspicions=3, cleared=2)
    await store.write(lambda tx: tx.save_brake("queue", held))
    assert await store.read(lambda tx: tx.brakes()) == {"queue": held}
    assert await store.write(lambda tx: tx.release_brake("queue"))
    released = await store.read(lambda tx: tx.brake("queue"))
    assert (released.free_at_ms, released.is_open, released.suspicions, released.cleared) == (0, False, 3, 2)
    assert not await store.write(lambda tx: tx.release_brake("unknown"))


async def test_a_change_of_a_brake_wakes_whoever_sleeps_over_it(store: Store) -> None:
    woken: list[frozenset[str]] = []
    leave = store.subscribe(lambda commit: woken.append(commit.queues))
    await store.write(lambda tx: tx.save_brake("queue", OPEN))
    await store.write(lambda tx: tx.release_brake("queue"))
    leave()
    assert woken == [frozenset({"queue"})] * 2


async def test_suspicions_are_counted_and_go_when_their_job_has_ended(store: Store) -> None:
    await fill(store, 1)
    (job,) = await store.write(claim)
    suspicion = Suspicion(number=4, since_ms=NOW)
    assert await store.read(lambda tx: tx.suspicion(job.id)) is None
    for refusals in (1, 2):
        again = replace(suspicion, refusals=refusals)
        await store.write(lambda tx, again=again: tx.save_suspicion(job.id, again))
        assert await store.read(lambda tx: tx.suspicion(job.id)) == again
    assert await store.write(lambda tx: tx.trim_suspicions()) == 0
    await store.write(lambda tx: tx.close_job(job))
    assert await store.write(lambda tx: tx.trim_suspicions()) == 1


# --- two buckets at once


def take(tx: Tx, holder: str, at_ms: int, *limits: RateLimit, units: int = 1, until_ms: int | None = None) -> int:
    return tx.take_rate(limits, holder=holder, now_ms=at_ms, units=units, until_ms=until_ms)


FAST = RateLimit(key="fast", interval_ms=100, burst=1)
SLOW = RateLimit(key="slow", interval_ms=1_000, burst=1)


async def test_whoever_waits_for_one_bucket_takes_nothing_of_the_other(store: Store) -> None:
    assert await store.write(lambda tx: take(tx, "a", NOW, FAST, SLOW)) == 0
    assert await store.write(lambda tx: take(tx, "b", NOW + 200, FAST, SLOW)) == 800
    assert await store.write(lambda tx: take(tx, "c", NOW + 200, FAST)) == 0, "nothing of the fast one is gone"
    assert await store.write(lambda tx: take(tx, "b", NOW + 1_000, FAST, SLOW)) == 0


async def test_no_turn_is_kept_for_whom_it_comes_too_late(store: Store) -> None:
    assert await store.write(lambda tx: take(tx, "a", NOW, FAST, SLOW)) == 0
    assert await store.write(lambda tx: take(tx, "b", NOW, FAST, SLOW, until_ms=NOW + 1_001)) == 1_000
    for _ in range(3):
        assert await store.write(lambda tx: take(tx, "c", NOW, FAST, SLOW, until_ms=NOW + 2_000)) == 2_000
    assert await store.write(lambda tx: take(tx, "d", NOW, FAST, SLOW, until_ms=NOW + 2_001)) == 2_000
    for holder, at_ms in (("b", NOW + 1_000), ("d", NOW + 2_000)):
        assert await store.write(lambda tx, h=holder, t=at_ms: take(tx, h, t, FAST, SLOW)) == 0
    assert await store.write(lambda tx: take(tx, "e", NOW + 9_000, FAST, SLOW, until_ms=NOW + 9_000)) == 0
    assert await store.write(lambda tx: take(tx, "f", NOW + 9_000, FAST, SLOW)) == 1_000, "0 says that it was taken"


def give_back(tx: Tx, *holders: str, at_ms: int = NOW) -> None:
    for holder in holders:
        tx.give_back_turns(["slow", "fast"], holder=holder, now_ms=at_ms)


@pytest.mark.parametrize("holders", [["b", "c", "d"], ["d", "c", "b"], ["c", "d", "b"]], ids="".join)
async def test_turns_that_are_given_back_hold_up_nobody_and_the_rate_holds(store: Store, holders: list[str]) -> None:
    waits = [await store.write(lambda tx, h=h: take(tx, h, NOW, SLOW)) for h in "abcd"]
    assert waits == [0, 1_000, 2_000, 3_000]
    await store.write(lambda tx: give_back(tx, *holders))
    assert await store.write(lambda tx: take(tx, "e", NOW, SLOW)) == 1_000
    assert await store.write(lambda tx: take(tx, "e", NOW + 1_000, SLOW)) == 0
    await store.write(lambda tx: give_back(tx, "a", "b", "nobody"))
    assert await store.write(lambda tx: take(tx, "f", NOW + 1_000, SLOW)) == 1_000


async def test_a_turn_that_is_given_back_leaves_the_others_theirs(store: Store) -> None:
    for holder in "abcd":
        await store.write(lambda tx, h=holder: take(tx, h, NOW, SLOW))
    await store.write(lambda tx: give_back(tx, "b"))  # a gap: whoever waits asks at its own time only
    assert await store.write(lambda tx: take(tx, "e", NOW, SLOW)) == 4_000
    await store.write(lambda tx: give_back(tx, "e", "d"))
    assert await store.write(lambda tx: take(tx, "f", NOW, SLOW)) == 3_000, "after c"
    assert await store.write(lambda tx: take(tx, "c", NOW + 2_000, SLOW)) == 0
    assert await store.write(lambda tx: take(tx, "f", NOW + 3_000, SLOW)) == 0


async def test_turns_in_two_buckets_keep_both_rates_and_starve_nobody(store: Store) -> None:
    taken: list[int] = []
    waiting = {f"holder {n}": NOW for n in range(8)}
    while waiting:
        holder, at_ms = min(waiting.items(), key=lambda each: each[1])
        wait_ms = await store.write(lambda tx, h=holder, t=at_ms: take(tx, h, t, FAST, SLOW))
        if wait_ms:
            waiting[holder] = at_ms + wait_ms
        else:
            taken.append(at_ms)
            del waiting[holder]
    assert taken == [NOW + 1_000 * n for n in range(8)]


async def test_without_a_limit_nobody_waits(store: Store) -> None:
    assert await store.write(lambda tx: take(tx, "a", NOW, units=9)) == 0
