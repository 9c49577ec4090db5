"""Who is taken for dead, and by whom: one that lives loses nothing, whatever became of the clocks or the database."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from fakes import START_MS, CountingMeter
from postgres_server import drop_database, make_database, shared_url
from smsbridge.contracts.jobs import Job, NewJob
from smsbridge.contracts.store import Tx
from smsbridge.outbox.roll import BEATS, Roll
from smsbridge.store.postgres import PostgresStore
from smsbridge.store.sqlite import SqliteStore

SILENT_AFTER_MS = 15_000
EVERY_MS = SILENT_AFTER_MS // BEATS
HOUR_MS = 3_600_000


class Machine:
    """Its own two clocks. The third one, the database's, is real."""

    def __init__(self) -> None:
        self.wall, self.steady = START_MS, 7

    def now_ms(self) -> int:
        return self.wall

    def monotonic_ms(self) -> int:
        raise AssertionError("it may stand still while the machine sleeps")

    def since_boot_ms(self) -> int:
        return self.steady

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("nobody sleeps here")


class Daemon:
    """One of several on a database: what the roll and a claim are to it."""

    def __init__(self, url: str) -> None:
        self.store = PostgresStore.open(url)
        self.machine = Machine()
        self.roll = Roll(store=self.store, clock=self.machine, meter=CountingMeter(), silent_after_ms=SILENT_AFTER_MS)

    async def beat(self, times: int = 1) -> int:
        """Beats, each time `EVERY_MS` after the one before; how many lanes it took over."""
        taken = 0
        for _ in range(times):
            self.machine.wall += EVERY_MS
            self.machine.steady += EVERY_MS
            taken += await self.roll.beat()
        return taken

    async def claim(self) -> list[Job]:
        now_ms = self.machine.now_ms()
        return await self.store.write(lambda tx: tx.claim("q", now_ms=now_ms, lease_until_ms=now_ms + 1_000, limit=9))

    async def ends(self, job: Job) -> bool:
        return await self.store.write(lambda tx: tx.close_job(job))


LONG_PRESENT = SILENT_AFTER_MS // EVERY_MS + 2


@pytest.fixture
async def two() -> AsyncIterator[tuple[Daemon, Daemon]]:
    """The first has a job in hand; both have been there for long."""
    with tempfile.TemporaryDirectory() as folder:
        name = f"roll_{Path(folder).name}"
        url = make_database(shared_url(), name)
        first, second = Daemon(url), Daemon(url)
        for daemon in (first, second):
            await daemon.roll.begin(alone=False)
            await daemon.beat(LONG_PRESENT)
        job = NewJob(kind="kind", queue="q", lane="lane", ref="ref", due_at_ms=START_MS, created_at_ms=START_MS)
        await first.store.write(lambda tx: tx.enqueue(job))
        yield first, second
        await first.store.close()
        await second.store.close()
        drop_database(shared_url(), name)


async def fall_silent(daemon: Daemon) -> None:
    """As the database sees it: nothing was heard for a while."""
    import psycopg

    with psycopg.connect(daemon.store._url, autocommit=True) as connection:
        connection.execute("UPDATE daemons SET seen_at_ms = seen_at_ms - %s", (SILENT_AFTER_MS + 1_000,))


async def test_who_falls_silent_is_taken_over_from_at_once_by_one_who_was_there(two: tuple[Daemon, Daemon]) -> None:
    first, second = two
    (held,) = await first.claim()
    await fall_silent(first)
    assert await second.beat() == 1
    (taken,) = await second.claim()
    assert taken.interrupted
    assert not await first.ends(held)


@pytest.mark.parametrize("by_ms", [2 * HOUR_MS, -2 * HOUR_MS])
async def test_a_clock_that_is_set_takes_nothing_from_a_daemon_that_lives(
    two: tuple[Daemon, Daemon], by_ms: int
) -> None:
    first, second = two
    (held,) = await first.claim()
    second.machine.wall += by_ms
    assert await second.beat(3) == 0
    assert await second.claim() == []
    assert await second.store.read(lambda tx: tx.next_due_ms("q")) is None
    assert await first.beat() == 0
    assert await first.ends(held)


async def test_who_was_cut_off_as_well_takes_nobody_for_dead(two: tuple[Daemon, Daemon]) -> None:
    """The database was away for a while. Whoever is back first must leave the other one the time to come back."""
    first, second = two
    (held,) = await first.claim()
    await fall_silent(first)
    second.machine.steady += SILENT_AFTER_MS
    assert await second.beat() == 0
    assert await first.beat() == 0
    assert await second.beat(LONG_PRESENT) == 0
    assert await first.ends(held)


async def test_who_beats_on_holds_what_it_has_claimed_and_who_does_not_does_not(
    two: tuple[Daemon, Daemon],
) -> None:
    first, _ = two
    claimed_at_ms = first.machine.steady
    assert first.roll.has_held(claimed_at_ms)
    await first.beat(LONG_PRESENT)
    assert first.roll.has_held(claimed_at_ms), "however long ago"
    first.machine.steady += SILENT_AFTER_MS - EVERY_MS
    assert not first.roll.has_held(claimed_at_ms)
    await first.roll.beat()
    assert not first.roll.has_held(claimed_at_ms), "it is heard of again, and may have been taken for dead before"
    assert first.roll.has_held(first.machine.steady)


async def test_a_beat_that_took_long_says_nothing_of_the_time_before_it_was_heard(two: tuple[Daemon, Daemon]) -> None:
    """Frozen in the middle of a beat: when the database heard of it cannot be told."""
    first, _ = two
    claimed_at_ms = first.machine.steady
    write = first.store.write

    async def slowly(work: Callable[[Tx], int]) -> int:
        done = await write(work)
        first.machine.steady += SILENT_AFTER_MS
        return done

    first.store.write = slowly  # type: ignore[method-assign, assignment]
    await first.roll.beat()
    first.store.write = write  # type: ignore[method-assign]
    assert not first.roll.has_held(claimed_at_ms)
    assert not first.roll.has_held(first.machine.steady), "the beat before it may be all that was heard"
    await first.roll.beat()
    assert first.roll.has_held(first.machine.steady)


async def test_who_is_alone_holds_what_it_has_claimed_whatever_becomes_of_its_beats() -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = SqliteStore.open(Path(folder) / "store.sqlite3")
        machine = Machine()
        roll = Roll(store=store, clock=machine, meter=CountingMeter(), silent_after_ms=SILENT_AFTER_MS)
        await roll.begin(alone=True)
        machine.steady += HOUR_MS
        assert roll.has_held(0)
        await store.close()


async def test_who_has_just_come_waits_before_it_takes_anybody_for_dead(two: tuple[Daemon, Daemon]) -> None:
    first, _ = two
    (held,) = await first.claim()
    await fall_silent(first)
    third = Daemon(first.store._url)
    assert await third.roll.begin(alone=False) == 0
    assert await third.beat() == 0
    assert await third.claim() == []
    assert await third.beat(LONG_PRESENT) == 1
    assert not await first.ends(held)
    await third.store.close()
