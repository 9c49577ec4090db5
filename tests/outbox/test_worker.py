"""The outbox at work, on a real store: order in a lane, crashes, stops, lost leases, a store that fails."""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from fakes import CountingMeter, ManualClock
from smsbridge.contracts.jobs import Buried, Done, Job, JobEnd, JobKind, Later, NewJob
from smsbridge.contracts.store import StoreUnavailable, Tx
from smsbridge.domain.brake import Brake
from smsbridge.outbox.worker import CRASHES_ALLOWED, LEASE_MS, STRAYS_EVERY_MS, Worker
from smsbridge.store.sqlite import SqliteStore

Perform = Callable[[Job], Awaitable[JobEnd]]


class Shop:
    """A store, a clock and one kind of job, whose `perform` a test replaces."""

    def __init__(self, store: SqliteStore) -> None:
        self.store = store
        self.clock = ManualClock()
        self.meter = CountingMeter()
        self.begun: list[Job] = []
        self.ended: list[str] = []
        self.perform: Perform = self.do
        self.held_since = 0
        """What was claimed before may be another's by now."""

    async def do(self, job: Job) -> JobEnd:
        self.ended.append(job.ref)
        return Done()

    def begin(self, _tx: Tx, job: Job) -> Job:
        self.begun.append(job)
        return job

    def give_up(self, tx: Tx, job: Job) -> None:
        tx.set_meta("given_up", job.ref)

    async def put(self, *refs: str, lane: str = "lane", kind: str = "kind") -> None:
        def enqueue(tx: Tx) -> None:
            now_ms = self.clock.now_ms()
            for ref in refs:
                tx.enqueue(NewJob(kind=kind, queue="q", lane=lane, ref=ref, due_at_ms=now_ms, created_at_ms=now_ms))

        await self.store.write(enqueue)

    def let_go(self, tx: Tx, job: Job) -> None:
        tx.set_meta("let_go", job.ref)

    def worker(self, *, store: Any = None, concurrency: int = 4, grace_s: float = 5, alone: bool = True) -> Worker:
        kind = JobKind(name="kind", begin=self.begin, perform=self.perform, give_up=self.give_up, let_go=self.let_go)
        return Worker(
            "q",
            kinds={"kind": kind},
            store=store or self.store,
            clock=self.clock,
            meter=self.meter,
            concurrency=concurrency,
            grace_s=grace_s,
            has_held=lambda claimed_at_ms: claimed_at_ms >= self.held_since,
            alone=alone,
        )

    @asynccontextmanager
    async def open(self, **options: Any) -> AsyncIterator[Worker]:
        worker = self.worker(**options)
        running = asyncio.create_task(worker.run())
        try:
            yield worker
        finally:
            worker.stop()
            await running

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Woken by commits, not by time."""
        changed = asyncio.Event()
        leave = self.store.subscribe(lambda _commit: changed.set())
        try:
            async with asyncio.timeout(60):
                while not is_so():
                    changed.clear()
                    await self.store.write(lambda tx: tx.set_meta("looked", "yes"))
                    await asyncio.sleep(0)
        finally:
            leave()

    async def pass_time(self, ms: int) -> None:
        """Time moves, and the worker looks."""
        self.clock.now += ms
        await self.put("look", lane=f"look {self.clock.now}")

    async def letters(self) -> list[str]:
        return [letter.ref for letter in await self.store.read(lambda tx: tx.list_dead_letters())]

    async def waits(self) -> bool:
        return await self.store.read(lambda tx: tx.next_due_ms("q")) is not None


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        store = SqliteStore.open(Path(folder) / "store.sqlite3")
        yield Shop(store)
        await store.close()


async def test_a_lane_runs_in_the_order_it_was_filled_and_holds_up_no_other(shop: Shop) -> None:
    free = asyncio.Event()

    async def slowly(job: Job) -> JobEnd:
        if job.ref == "slow":
            await free.wait()
        return await shop.do(job)

    shop.perform = slowly
    await shop.put("slow", "behind 1", "behind 2", lane="stuck")
    await shop.put("other 1", "other 2", lane="other")
    async with shop.open():
        await shop.until(lambda: len(shop.ended) == 2)
        assert shop.ended == ["other 1", "other 2"]
        free.set()
        await shop.until(lambda: len(shop.ended) == 5)
    assert shop.ended[2:] == ["slow", "behind 1", "behind 2"]
    assert not await shop.waits()


async def test_no_more_run_at_once_than_allowed_and_none_is_forgotten(shop: Shop) -> None:
    running, most, full = 0, 0, asyncio.Event()

    async def counted(job: Job) -> JobEnd:
        nonlocal running, most
        running += 1
        most = max(most, running)
        if running == 3:
            full.set()
        await full.wait()
        await asyncio.sleep(0.001)
        running -= 1
        return await shop.do(job)

    shop.perform = counted
    for number in range(30):
        await shop.put(f"{number}", lane=f"lane {number}")
    async with shop.open(concurrency=3):
        await shop.until(lambda: len(shop.ended) == 30)
    assert most == 3


@pytest.mark.parametrize("where", ["begin", "perform", "write"])
async def test_a_job_that_keeps_crashing_is_given_up_and_its_lane_goes_on(shop: Shop, where: str) -> None:
    def bug(*_: object) -> None:
        raise RuntimeError("a bug")

    async def crash(job: Job) -> JobEnd:
        if job.ref != "bad":
            return await shop.do(job)
        if where == "perform":
            bug()
        return Done(write=bug)

    if where == "begin":
        begin = shop.begin
        shop.begin = lambda tx, job: bug() if job.ref == "bad" else begin(tx, job)  # type: ignore[method-assign, assignment]
    shop.perform = crash
    await shop.put("bad", "good")
    crashes = ("job_crashes_total", "kind")
    async with shop.open():
        for number in range(1, CRASHES_ALLOWED + 1):
            await shop.until(lambda number=number: shop.meter.counts.get(crashes) == number)
            await shop.pass_time(5_000)
        await shop.until(lambda: "good" in shop.ended)
    assert await shop.letters() == ["bad"]
    assert await shop.store.read(lambda tx: tx.meta("given_up")) == "bad"


class RunsAgain:
    """The real store, in which every transaction is overtaken once: it is run, taken back, and run again."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store
        self.subscribe = store.subscribe

    async def write(self, work: Callable[[Tx], Any]) -> Any:
        def overtaken_once(tx: Tx) -> Any:
            with contextlib.suppress(LookupError), tx.savepoint():
                work(tx)
                raise LookupError
            return work(tx)

        return await self._store.write(overtaken_once)


@pytest.mark.parametrize("where", ["begin", "write", "give_up"])
async def test_a_crash_in_a_transaction_that_is_run_again_is_told_once(shop: Shop, where: str) -> None:
    def bug(*_: object) -> None:
        raise RuntimeError("a bug")

    async def end_badly(job: Job) -> JobEnd:
        return Done(write=bug)

    if where == "begin":
        shop.begin = bug  # type: ignore[method-assign, assignment]
    if where == "give_up":
        shop.give_up = bug  # type: ignore[method-assign]
    shop.perform = end_badly
    await shop.put("bad")
    crashes = CRASHES_ALLOWED if where == "give_up" else 1
    with capture_logs() as logs:
        async with shop.open(store=RunsAgain(shop.store)):
            for number in range(1, crashes + 1):
                await shop.until(
                    lambda number=number: shop.meter.counts.get(("job_crashes_total", "kind"), 0) >= number
                )
                if number < crashes:
                    shop.clock.now += 5_000
                    await shop.store.write(lambda tx: tx.release_brake("q"))  # which wakes the worker
    lines = [line for line in logs if line["event"] == "job.crashed"]
    expected = crashes + (where == "give_up")  # which crashes as well
    assert (len(lines), shop.meter.counts["job_crashes_total", "kind"]) == (expected, expected)
    assert {str(line["exc_info"]) for line in lines} == {"a bug"}


async def test_a_crash_after_many_ordinary_retries_is_the_first_crash(shop: Shop) -> None:
    async def later_then_crash_once(job: Job) -> JobEnd:
        if job.ref == "look":
            return Done()
        if job.attempt < 6:
            return Later(due_at_ms=shop.clock.now)
        if job.attempt == 6:
            raise RuntimeError("a bug")
        return await shop.do(job)

    shop.perform = later_then_crash_once
    await shop.put("patient")
    async with shop.open():
        await shop.until(lambda: ("job_crashes_total", "kind") in shop.meter.counts)
        await shop.pass_time(5_000)
        await shop.until(lambda: shop.ended == ["patient"])
    assert await shop.letters() == []


async def test_an_end_that_the_operator_has_to_know_of_is_a_warning(shop: Shop) -> None:
    async def end(job: Job) -> JobEnd:
        shop.ended.append(job.ref)
        return Later(due_at_ms=shop.clock.now + 1_000_000, alert=job.ref == "alert")

    shop.perform = end
    await shop.put("alert", lane="alert")
    await shop.put("quiet", lane="quiet")
    with capture_logs() as lines:
        async with shop.open():
            await shop.until(lambda: len(shop.ended) == 2)
    levels = {(line["job"], line["log_level"]) for line in lines if line["event"] == "job.ended"}
    assert levels == {(1, "warning"), (2, "info")}


async def test_even_a_bug_in_giving_up_leaves_the_lane_free(shop: Shop) -> None:
    def bug(*_: object) -> None:
        raise RuntimeError("a bug")

    async def crash(job: Job) -> JobEnd:
        return bug() or Done() if job.ref == "bad" else await shop.do(job)

    shop.give_up = bug  # type: ignore[method-assign]
    shop.perform = crash
    await shop.put("bad", "good")
    async with shop.open():
        for number in range(1, CRASHES_ALLOWED + 1):
            await shop.until(lambda number=number: shop.meter.counts.get(("job_crashes_total", "kind"), 0) >= number)
            await shop.pass_time(5_000)
        await shop.until(lambda: "good" in shop.ended)
    assert await shop.letters() == ["bad"]


async def test_a_kind_that_only_a_later_version_knows_waits_among_the_dead_letters(shop: Shop) -> None:
    await shop.put("from the future", kind="unknown")
    await shop.put("good")
    async with shop.open():
        await shop.until(lambda: shop.ended == ["good"])
    assert await shop.letters() == ["from the future"]


async def test_what_is_in_flight_at_a_stop_ends_and_nothing_more_is_claimed(shop: Shop) -> None:
    free = asyncio.Event()

    async def slowly(job: Job) -> JobEnd:
        await free.wait()
        return await shop.do(job)

    shop.perform = slowly
    await shop.put("in flight", "behind")
    async with shop.open() as worker:
        await shop.until(lambda: len(shop.begun) == 1)
        worker.stop()
        free.set()
    assert shop.ended == ["in flight"]
    assert await shop.waits()


async def test_an_attempt_that_a_stop_cut_short_is_not_a_failed_one(shop: Shop) -> None:
    async def never(_job: Job) -> JobEnd:
        await asyncio.Event().wait()
        raise AssertionError

    shop.perform = never
    await shop.put("late")
    async with shop.open(grace_s=0.01):
        await shop.until(lambda: len(shop.begun) == 1)
    shop.perform = shop.do
    async with shop.open():
        await shop.until(lambda: shop.ended == ["late"])
    assert [(job.attempt, job.interrupted) for job in shop.begun] == [(1, False), (1, False)]


async def test_who_lost_the_lease_writes_nothing(shop: Shop) -> None:
    async def overtaken(job: Job) -> JobEnd:
        now_ms = shop.clock.now + LEASE_MS + 1
        (again,) = await shop.store.write(lambda tx: tx.claim("q", now_ms=now_ms, lease_until_ms=now_ms + 1, limit=1))
        assert (again.id, again.interrupted, again.attempt) == (job.id, True, 2)
        return Done(write=lambda tx: tx.set_meta("written", "too late"))

    shop.perform = overtaken
    await shop.put("ours no more")
    async with shop.open():
        await shop.until(lambda: ("fenced_writes_total", "q") in shop.meter.counts)
    assert await shop.store.read(lambda tx: tx.meta("written")) == ""
    assert await shop.waits()


@pytest.mark.parametrize("when", ["before it is performed", "while it is performed"])
async def test_who_was_frozen_after_the_claim_keeps_back_what_has_not_left_and_takes_it_up_anew(
    shop: Shop, when: str
) -> None:
    def freeze() -> None:
        shop.clock.now += 1_000
        shop.held_since = shop.clock.now  # heard of again from here on

    async def leave(job: Job) -> JobEnd:
        if when == "while it is performed" and len(shop.begun) == 1:
            freeze()
        job.check_ours()
        return await shop.do(job)

    def begin(tx: Tx, job: Job) -> Job:
        if when == "before it is performed" and not shop.begun:
            freeze()
        shop.begun.append(job)
        return job

    shop.perform, shop.begin = leave, begin  # type: ignore[method-assign]
    await shop.put("first", "second")
    with capture_logs() as logs:
        async with shop.open():
            await shop.until(lambda: ("jobs_total", "later", "kind") in shop.meter.counts)
            assert shop.ended == []
            await shop.pass_time(1_000)
            await shop.until(lambda: len(shop.ended) == 3)
    assert [ref for ref in shop.ended if ref != "look"] == ["first", "second"]
    assert [job.attempt for job in shop.begun if job.ref == "first"] == [1, 1], "that was no attempt"
    assert not any(job.interrupted for job in shop.begun)
    assert await shop.store.read(lambda tx: tx.meta("let_go")) == "first"
    (told,) = [each for each in logs if each.get("outcome") == "frozen"]
    assert (told["event"], told["log_level"]) == ("job.ended", "warning")


async def test_an_attempt_that_would_begin_so_late_that_its_lease_might_end_is_not_begun(shop: Shop) -> None:
    begun: list[Job] = []

    def begin(_tx: Tx, job: Job) -> Job:
        if not begun:
            shop.clock.now += LEASE_MS - 1_000
        begun.append(job)
        return job

    shop.begin = begin  # type: ignore[method-assign]
    await shop.put("late")
    async with shop.open():
        await shop.until(lambda: ("jobs_total", "later", "kind") in shop.meter.counts)
        assert shop.ended == []
        await shop.pass_time(1_000)
        await shop.until(lambda: "late" in shop.ended)


class FailingStore:
    """The real store, which cannot be reached for the next `failing` writes."""

    def __init__(self, store: SqliteStore) -> None:
        self.store = store
        self.failing = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    async def write(self, work: Callable[[Tx], Any]) -> Any:
        if self.failing:
            self.failing -= 1
            raise StoreUnavailable("for a while")
        return await self.store.write(work)


async def test_what_happened_is_written_down_however_long_the_store_takes(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("smsbridge.outbox.worker._PAUSE_AFTER_ERROR_S", 0.001)
    store = FailingStore(shop.store)

    async def then_the_store_fails(_job: Job) -> JobEnd:
        store.failing = 3
        shop.ended.append("once")
        return Buried(reason="as it should", write=lambda tx: tx.set_meta("written", "at last"))

    shop.perform = then_the_store_fails
    await shop.put("job")
    async with shop.open(store=store):
        await shop.until(lambda: ("jobs_total", "buried", "kind") in shop.meter.counts)
    assert (shop.ended, await shop.letters()) == (["once"], ["job"])
    assert await shop.store.read(lambda tx: tx.meta("written")) == "at last"


async def test_a_brake_is_told_of_once_and_its_end_too_and_the_work_goes_on(shop: Shop) -> None:
    held = Brake().held(shop.clock.now_ms() + 5_000, "429")
    await shop.store.write(lambda tx: tx.save_brake("q", held))
    await shop.put("waits")
    with capture_logs() as logs:
        async with shop.open():
            await shop.until(lambda: bool(told(logs)))
            for _ in range(3):
                await shop.pass_time(1_000)
            await shop.store.write(lambda tx: tx.set_meta("looked", "yes"))
            assert shop.begun == []
            await shop.pass_time(2_000)
            await shop.until(lambda: "waits" in shop.ended and len(told(logs)) == 2)
    braked, released = told(logs)
    assert (braked["event"], braked["state"], braked["reason"], braked["next_try_s"]) == (
        "queue.braked",
        "held",
        "429",
        5,
    )
    assert released["event"] == "queue.released"


async def test_an_operator_who_releases_a_brake_wakes_the_worker(shop: Shop) -> None:
    held = Brake().held(shop.clock.now_ms() + 3_600_000, "429")
    await shop.store.write(lambda tx: tx.save_brake("q", held))
    await shop.put("waits")
    async with shop.open():
        await shop.until(lambda: True)
        await shop.store.write(lambda tx: tx.release_brake("q"))
        await shop.until(lambda: shop.ended == ["waits"])


async def test_while_a_circuit_is_open_one_job_at_a_time_is_begun_and_the_first_good_end_lets_all_go(
    shop: Shop,
) -> None:
    now_ms = shop.clock.now_ms()
    opened = Brake(opened_at_ms=now_ms, probe_at_ms=now_ms, probe_every_ms=1_000, failures=5)
    await shop.store.write(lambda tx: tx.save_brake("q", opened))
    works, looked = False, 0

    async def probe(job: Job) -> JobEnd:
        nonlocal looked
        looked += 1
        if not works:
            return Later(due_at_ms=shop.clock.now_ms() + 1_000, counts=False)
        shop.ended.append(job.ref)
        return Done(write=lambda tx: tx.save_brake("q", tx.brake("q").took()))

    shop.perform = probe
    for n in range(5):
        await shop.put(f"{n}", lane=f"lane {n}")
    async with shop.open():
        for looks in (1, 2):
            await shop.until(lambda looks=looks: looked == looks)
            assert shop.begun[-1].is_probe
            works = looks == 2
            shop.clock.now += 1_000
            await shop.store.write(lambda tx: tx.save_brake("q", tx.brake("q")))
        await shop.until(lambda: len(shop.ended) == 5)
    assert shop.ended == ["2", "3", "4", "0", "1"], "in order, but for those that had looked"


async def test_a_probe_with_nothing_to_do_leaves_its_turn_to_the_next(shop: Shop) -> None:
    now_ms = shop.clock.now_ms()
    opened = Brake(opened_at_ms=now_ms, probe_at_ms=now_ms, probe_every_ms=3_600_000, failures=5)
    await shop.store.write(lambda tx: tx.save_brake("q", opened))
    begin = shop.begin
    shop.begin = lambda tx, job: begin(tx, job) if job.ref == "real" else Done()  # type: ignore[method-assign,return-value]
    for ref in ("over", "over", "real", "waits"):
        await shop.put(ref, lane=f"lane {ref} {len(shop.begun)}")
    async with shop.open():
        await shop.until(lambda: shop.ended == ["real"])
    assert [job.ref for job in shop.begun] == ["real"]


def told(logs: Iterable[Any]) -> list[Any]:
    return [line for line in logs if line["event"] in {"queue.braked", "queue.released"}]


class LosesAnswers:
    """A store whose commits are kept and whose next answers get lost."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store
        self.lost = 0
        self.read = store.read
        self.subscribe = store.subscribe

    async def write(self, work: Callable[[Tx], Any]) -> Any:
        result = await self._store.write(work)
        if self.lost:
            self.lost -= 1
            raise StoreUnavailable("the answer was lost")
        return result


async def test_a_lane_that_a_lost_answer_had_claimed_is_found_and_goes_on(shop: Shop) -> None:
    store = LosesAnswers(shop.store)

    async def lose_the_end_of_the_first(job: Job) -> JobEnd:
        store.lost = int(job.ref == "first")
        return await shop.do(job)

    shop.perform = lose_the_end_of_the_first
    await shop.put("first", "second")
    with capture_logs() as logs:
        async with shop.open(store=store, alone=False) as worker:
            await shop.until(lambda: any(line["event"] == "job.end_delayed" for line in logs))
            await shop.until(lambda: not worker._held)  # the end was written again, and found that it stands
            assert shop.ended == ["first"]
            assert await shop.store.read(lambda tx: tx.claims_of("q")) != {}
            for look in range(1, 3):
                await shop.pass_time(STRAYS_EVERY_MS)
                await shop.until(lambda look=look: sum(ref == "look" for ref in shop.ended) >= look)
            await shop.until(lambda: "second" in shop.ended)
    assert [line["lanes"] for line in logs if line["event"] == "queue.strays_released"] == [1]
    assert [job.interrupted for job in shop.begun if job.ref == "second"] == [False, True]


async def test_work_under_way_is_no_stray_however_long_it_takes(shop: Shop) -> None:
    free = asyncio.Event()

    async def slowly(job: Job) -> JobEnd:
        if job.ref == "slow":
            await free.wait()
        return await shop.do(job)

    shop.perform = slowly
    await shop.put("slow")
    with capture_logs() as logs:
        async with shop.open(alone=False):
            for look in range(1, 4):
                await shop.pass_time(STRAYS_EVERY_MS)
                await shop.until(lambda look=look: sum(ref == "look" for ref in shop.ended) >= look)
            free.set()
            await shop.until(lambda: "slow" in shop.ended)
    assert [job.ref for job in shop.begun].count("slow") == 1
    assert not [line for line in logs if line["event"] == "queue.strays_released"]
