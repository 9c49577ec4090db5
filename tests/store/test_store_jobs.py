"""The durable queue: a lane gives out its head only, once, and whoever lost a lease can change nothing."""

import contextlib

import pytest

from smsbridge.contracts.jobs import Job
from smsbridge.contracts.store import Store, Tx
from store import made
from store.made import NOW

LEASE = 1_000


def claim(tx: Tx, at_ms: int = NOW, limit: int = 10) -> list[Job]:
    return tx.claim("queue", now_ms=at_ms, lease_until_ms=at_ms + LEASE, limit=limit)


def claim_next(tx: Tx) -> Job | None:
    return tx.claim_next("lane", now_ms=NOW, lease_until_ms=NOW + LEASE)


async def put(store: Store, *refs: str, lane: str = "lane", due_at_ms: int = NOW) -> None:
    for ref in refs:
        await store.write(lambda tx, ref=ref: tx.enqueue(made.job(ref, lane, due_at_ms=due_at_ms)))


async def claimed(store: Store, at_ms: int = NOW) -> list[Job]:
    return await store.write(lambda tx: claim(tx, at_ms))


async def claimed_from(store: Store, queue: str) -> list[Job]:
    return await store.write(lambda tx: tx.claim(queue, now_ms=NOW, lease_until_ms=NOW + 60_000, limit=100))


async def test_only_heads_that_are_due_are_claimed_longest_due_first(store: Store) -> None:
    await put(store, "b1", "b2", lane="b", due_at_ms=NOW - 1)
    await put(store, "a1", "a2", lane="a", due_at_ms=NOW - 2)
    await put(store, "c1", lane="c", due_at_ms=NOW + 1)
    await store.write(lambda tx: tx.enqueue(made.job("elsewhere", "d", "other queue")))
    assert [job.ref for job in await claimed(store)] == ["a1", "b1"]
    assert await claimed(store) == []
    assert [job.ref for job in await claimed(store, NOW + 1)] == ["c1"]


async def test_the_next_of_a_lane_comes_when_its_head_has_ended(store: Store) -> None:
    await put(store, "first", "second")
    (first,) = await claimed(store)
    assert await store.write(lambda tx: tx.close_job(first))
    (second,) = await claimed(store)
    assert second.ref == "second"
    assert await store.write(lambda tx: tx.close_job(second))
    assert await store.read(lambda tx: tx.next_due_ms("queue")) is None


async def test_a_lane_that_ended_gives_out_what_comes_after_it_in_the_same_transaction(store: Store) -> None:
    def work(tx: Tx) -> list[str]:
        tx.enqueue(made.job("first", "lane"))
        (first,) = claim(tx)
        with contextlib.suppress(LookupError), tx.savepoint():
            assert tx.close_job(first)
            assert claim_next(tx) is None
            raise LookupError
        assert tx.close_job(first)  # the lane is there again, for its end was undone
        assert claim_next(tx) is None
        tx.enqueue(made.job("second", "lane"))
        second = claim_next(tx)
        return [second.ref] if second else []

    assert await store.write(work) == ["second"]


async def test_an_end_that_was_undone_leaves_what_is_behind_it(store: Store) -> None:
    await put(store, "first")

    def work(tx: Tx) -> str:
        (first,) = claim(tx)
        with contextlib.suppress(LookupError), tx.savepoint():
            assert tx.close_job(first)
            raise LookupError
        assert tx.postpone_job(first, NOW, counts=False)
        again = claim_next(tx)
        return again.ref if again else ""

    assert await store.write(work) == "first"


async def test_a_head_that_waits_keeps_what_is_behind_it_waiting(store: Store) -> None:
    await put(store, "first", "second")
    (first,) = await claimed(store)
    assert await store.write(lambda tx: tx.postpone_job(first, NOW + 50, counts=True, crashes=2))
    assert await claimed(store, NOW + 49) == []
    (again,) = await claimed(store, NOW + 50)
    assert (again.ref, again.attempt, again.crashes, again.interrupted) == ("first", 2, 2, False)
    assert await store.write(lambda tx: tx.postpone_job(again, NOW + 60, counts=False))
    (again,) = await claimed(store, NOW + 60)
    assert (again.attempt, again.crashes) == (2, 0)


async def test_a_lease_that_ran_out_is_claimed_as_interrupted_and_the_old_holder_changes_nothing(store: Store) -> None:
    await put(store, "job", "behind")
    (old,) = await claimed(store)
    assert await claimed(store, NOW + LEASE - 1) == []
    (new,) = await claimed(store, NOW + LEASE)
    assert (new.ref, new.attempt, new.interrupted) == ("job", 2, True)
    assert new.token > old.token
    for change in (
        lambda tx: tx.close_job(old),
        lambda tx: tx.postpone_job(old, NOW, counts=True),
        lambda tx: tx.bury_job(old, "late", NOW),
    ):
        assert not await store.write(change)
    assert await store.write(lambda tx: tx.close_job(new))
    assert not await store.write(lambda tx: tx.close_job(new))


async def test_a_lane_is_there_while_a_job_waits_in_it_or_runs(store: Store) -> None:
    assert not await store.read(lambda tx: tx.has_lane("lane"))
    await put(store, "job")
    assert await store.read(lambda tx: tx.has_lane("lane"))
    (job,) = await claimed(store)
    assert await store.read(lambda tx: tx.has_lane("lane"))
    assert await store.write(lambda tx: tx.close_job(job))
    assert not await store.read(lambda tx: tx.has_lane("lane"))


async def test_a_start_finds_what_was_in_flight_at_once(store: Store) -> None:
    await put(store, "job")
    await put(store, "waiting", lane="other", due_at_ms=NOW + 9)
    await claimed(store)
    assert await store.write(lambda tx: tx.release_leases(NOW)) == 1
    (job,) = await claimed(store)
    assert (job.ref, job.interrupted) == ("job", True)


@pytest.mark.parametrize("by_ms", [7_200_000, -7_200_000])
async def test_when_the_clock_is_set_all_that_waits_moves_along(store: Store, by_ms: int) -> None:
    await put(store, "held")
    await put(store, "waiting", lane="other", due_at_ms=NOW + 9)
    await claimed(store)
    await store.write(lambda tx: tx.shift_schedule(by_ms))
    assert await claimed(store, NOW + by_ms + 8) == []
    (job,) = await claimed(store, NOW + by_ms + 9)
    assert (job.ref, job.created_at_ms) == ("waiting", NOW + by_ms)


async def test_dead_letters_are_listed_replayed_dropped_and_forgotten(store: Store) -> None:
    await put(store, "bad", "good")
    (bad,) = await claimed(store)
    assert await store.write(lambda tx: tx.bury_job(bad, "why", NOW + 5))
    (letter,) = await store.read(lambda tx: tx.list_dead_letters())
    assert (letter.ref, letter.attempts, letter.reason, letter.died_at_ms) == ("bad", 1, "why", NOW + 5)
    assert await store.write(lambda tx: tx.replay_dead_letter(letter.id, NOW))
    assert not await store.write(lambda tx: tx.replay_dead_letter(letter.id, NOW))
    for ref in ("good", "bad"):  # the lane went on: what is replayed comes after it
        (job,) = await claimed(store)
        assert (job.ref, job.attempt) == (ref, 1)
        assert await store.write(lambda tx, job=job: tx.bury_job(job, "again", NOW))
    newest, older = await store.read(lambda tx: tx.list_dead_letters())
    assert [each.id for each in await store.read(lambda tx: tx.list_dead_letters(before_id=newest.id))] == [older.id]
    assert await store.write(lambda tx: tx.drop_dead_letter(newest.id))
    assert not await store.write(lambda tx: tx.drop_dead_letter(newest.id))
    assert await store.write(lambda tx: (tx.trim_dead_letters(NOW), tx.trim_dead_letters(NOW + 1))) == (0, 1)


async def test_waiting_work_is_taken_out_or_hurried_but_not_what_runs(store: Store) -> None:
    await put(store, "running", lane="a")
    await put(store, "head", "behind", lane="b", due_at_ms=NOW + 100)
    await claimed(store)
    assert await store.write(lambda tx: tx.drop_jobs("a", "running")) == 0
    await store.write(lambda tx: tx.expedite("b", "behind", NOW))
    assert await claimed(store) == []  # it is not its turn
    assert await store.write(lambda tx: tx.drop_jobs("b", "head")) == 1
    assert [job.ref for job in await claimed(store)] == ["behind"]
    await put(store, "held", lane="c", due_at_ms=NOW + 100)
    await store.write(lambda tx: tx.expedite("c", "held", NOW))
    assert [job.ref for job in await claimed(store)] == ["held"]


async def test_work_that_moves_to_another_queue_keeps_its_place(store: Store) -> None:
    await put(store, "running", "next", "last", lane="a")
    await put(store, "alone", lane="b")
    (running, alone) = await claimed(store)
    for lane, ref in (("a", "running"), ("a", "last"), ("b", "alone")):
        await store.write(lambda tx, lane=lane, ref=ref: tx.move_jobs(lane, ref, "other"))
    assert await claimed_from(store, "other") == [], "what is claimed stays with whoever has it"
    assert await store.write(lambda tx: tx.postpone_job(running, NOW, counts=False))
    assert await store.write(lambda tx: tx.close_job(alone))
    for queue, ref in (("other", "running"), ("queue", "next"), ("other", "last")):
        assert await claimed_from(store, "other" if queue == "queue" else "queue") == []
        (job,) = await claimed_from(store, queue)
        assert (job.ref, job.queue) == (ref, queue)
        assert await store.write(lambda tx, job=job: tx.close_job(job))
    await put(store, "head", "behind", lane="c")
    await store.write(lambda tx: tx.move_jobs("c", "head", "other"))
    assert await claimed(store) == []
    assert [job.ref for job in await claimed_from(store, "other")] == ["head"]


async def test_what_waits_is_counted_in_lanes(store: Store) -> None:
    await put(store, "1", "2", lane="a")
    await put(store, "3", lane="b", due_at_ms=NOW + 5)
    (depth,) = await store.read(lambda tx: tx.queue_depths(NOW))
    assert (depth.queue, depth.lanes, depth.due_lanes, depth.oldest_due_ms) == ("queue", 2, 1, NOW)
