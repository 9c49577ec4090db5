"""The wall clock is set, forward or back: waits keep their length, leases hold, and everybody hears of it once."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fakes import START_MS, CountingMeter
from smsbridge.contracts.jobs import Job, NewJob
from smsbridge.contracts.store import RateLimit, StoreUnavailable, Tx
from smsbridge.outbox.jumps import NOTE_EVERY_LOOKS, ClockWatch
from smsbridge.store.sqlite import SqliteStore

HOUR_MS = 3_600_000
JUMPS = pytest.mark.parametrize("by_ms", [2 * HOUR_MS, -2 * HOUR_MS, 72 * HOUR_MS, -72 * HOUR_MS])


class Machine:
    """A clock on the wall that somebody may set, and one that goes on steadily and follows it."""

    def __init__(self) -> None:
        self.wall = self.steady = START_MS

    def pass_time(self, ms: int) -> None:
        self.wall += ms
        self.steady += ms

    def now_ms(self) -> int:
        return self.steady

    def jump_ms(self) -> int:
        return self.wall - self.steady

    def follow(self) -> None:
        self.steady = self.wall

    def turn(self, by_ms: int) -> None:
        self.steady += by_ms


class Waiting:
    """A store in which something waits, on a machine."""

    def __init__(self, store: SqliteStore) -> None:
        self.store, self.machine, self.meter = store, Machine(), CountingMeter()

    def watch(self, *, alone: bool = True) -> ClockWatch:
        return ClockWatch(clock=self.machine, store=self.store, meter=self.meter, alone=alone)

    async def put(self, ref: str, *, in_ms: int = 0) -> None:
        now_ms = self.machine.now_ms()
        job = NewJob(
            kind="kind", queue="q", lane=ref, ref=ref, due_at_ms=now_ms + in_ms, created_at_ms=now_ms,
            give_up_at_ms=now_ms + HOUR_MS,
        )  # fmt: skip
        await self.store.write(lambda tx: tx.enqueue(job))

    async def claim(self) -> list[Job]:
        now_ms = self.machine.now_ms()
        return await self.store.write(lambda tx: tx.claim("q", now_ms=now_ms, lease_until_ms=now_ms + 120_000, limit=9))


@pytest.fixture
async def waiting() -> AsyncIterator[Waiting]:
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        store = SqliteStore.open(Path(folder) / "store.sqlite3")
        yield Waiting(store)
        await store.close()


@JUMPS
async def test_what_waits_for_a_minute_goes_on_waiting_for_a_minute(waiting: Waiting, by_ms: int) -> None:
    await waiting.put("now")
    await waiting.put("in a minute", in_ms=60_000)
    watch = waiting.watch()
    waiting.machine.wall += by_ms
    await watch.look()
    assert waiting.machine.now_ms() == START_MS + by_ms
    (now,) = await waiting.claim()
    assert (now.ref, now.created_at_ms, now.give_up_at_ms) == ("now", START_MS + by_ms, START_MS + by_ms + HOUR_MS)
    waiting.machine.pass_time(59_999)
    assert await waiting.claim() == []
    waiting.machine.pass_time(1)
    assert [job.ref for job in await waiting.claim()] == ["in a minute"]


@JUMPS
async def test_what_is_being_done_is_not_taken_for_interrupted(waiting: Waiting, by_ms: int) -> None:
    await waiting.put("being done")
    (job,) = await waiting.claim()
    waiting.machine.wall += by_ms
    await waiting.watch().look()
    assert await waiting.claim() == []
    waiting.machine.pass_time(119_999)
    assert await waiting.claim() == []
    assert await waiting.store.write(lambda tx: tx.close_job(job))


@JUMPS
async def test_a_rate_does_not_stand_still(waiting: Waiting, by_ms: int) -> None:
    def take(tx: Tx) -> int:
        limit = RateLimit(key="r", interval_ms=1_000, burst=1)
        return tx.take_rate([limit], holder="h", now_ms=waiting.machine.now_ms(), units=1)

    assert await waiting.store.write(take) == 0
    assert await waiting.store.write(take) == 1_000
    waiting.machine.wall += by_ms
    await waiting.watch().look()
    assert await waiting.store.write(take) == 1_000
    waiting.machine.pass_time(1_000)
    assert await waiting.store.write(take) == 0


async def test_a_jump_is_counted_once_and_drift_is_followed_without_a_word(waiting: Waiting) -> None:
    watch = waiting.watch()
    for by_ms in (1_999, -1_999, HOUR_MS, 0, -HOUR_MS, 0):
        waiting.machine.wall += by_ms
        await watch.look()
        assert waiting.machine.jump_ms() == 0
    assert waiting.meter.counts == {("clock_jumps_total", "forward"): 1, ("clock_jumps_total", "back"): 1}


async def test_a_store_that_cannot_be_written_to_holds_the_jump_back_until_it_can(waiting: Waiting) -> None:
    await waiting.put("in a minute", in_ms=60_000)
    watch, write = waiting.watch(), waiting.store.write
    waiting.machine.wall -= HOUR_MS

    async def fail(work: object) -> None:
        def run_and_fail(tx: Tx) -> None:
            work(tx)  # type: ignore[operator]
            raise StoreUnavailable("disk full")

        await write(run_and_fail)

    waiting.store.write = fail  # type: ignore[method-assign, assignment]
    await watch.look()
    assert waiting.machine.now_ms() == START_MS
    assert waiting.meter.counts == {}
    waiting.store.write = write  # type: ignore[method-assign]
    await watch.look()
    waiting.machine.pass_time(60_000)
    assert [job.ref for job in await waiting.claim()] == ["in a minute"]


async def test_a_clock_that_was_set_back_while_nothing_ran_is_noticed_at_the_start(waiting: Waiting) -> None:
    before = waiting.watch()
    await before.begin()
    for _ in range(NOTE_EVERY_LOOKS):
        waiting.machine.pass_time(1_000)
        await before.look()
    await waiting.put("in a minute", in_ms=60_000)
    waiting.machine.pass_time(-2 * HOUR_MS)  # a new process knows no other time
    await waiting.watch().begin()
    waiting.machine.pass_time(59_999)
    assert await waiting.claim() == []
    waiting.machine.pass_time(1)
    assert [job.ref for job in await waiting.claim()] == ["in a minute"]
    assert waiting.meter.counts == {("clock_jumps_total", "back"): 1}


async def test_time_that_passed_while_nothing_ran_is_no_jump(waiting: Waiting) -> None:
    await waiting.watch().begin()
    await waiting.put("in a minute", in_ms=60_000)
    waiting.machine.pass_time(72 * HOUR_MS)
    await waiting.watch().begin()
    assert [job.ref for job in await waiting.claim()] == ["in a minute"]
    assert waiting.meter.counts == {}


async def test_where_others_work_on_the_same_store_only_the_clock_is_followed(waiting: Waiting) -> None:
    await waiting.put("in a minute", in_ms=60_000)
    watch = waiting.watch(alone=False)
    await watch.begin()
    waiting.machine.wall += HOUR_MS
    await watch.look()
    assert [job.ref for job in await waiting.claim()] == ["in a minute"]
