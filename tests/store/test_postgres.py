"""Several daemons on one PostgreSQL database: what two do at the same moment is as if they had done it in turn."""

from __future__ import annotations

import asyncio
import random
import secrets
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import Future
from contextlib import AsyncExitStack
from typing import Any, TypeVar

import psycopg
import pytest

from postgres_server import drop_database, make_database, shared_url
from smsbridge.contracts.jobs import Job
from smsbridge.contracts.store import Commit, PartRef, StoreTooNew, StoreUnavailable, Tx
from smsbridge.domain.message import AttachmentState, Direction, MessageId, Number
from smsbridge.domain.status import Status
from smsbridge.store.postgres import PostgresStore
from store import made
from store.made import NOW

NOBODY_LIVES = -1_000
"""So many milliseconds of silence everybody has behind them."""
_PATIENCE_S = 0.05
T = TypeVar("T")
Open = Callable[[], Awaitable[PostgresStore]]


@pytest.fixture
def url() -> Iterator[str]:
    name = f"several_{secrets.token_hex(8)}"
    yield make_database(shared_url(), name)
    drop_database(shared_url(), name)


@pytest.fixture
async def opened(url: str) -> AsyncIterator[Open]:
    async with AsyncExitStack() as stack:

        async def open_one() -> PostgresStore:
            store = PostgresStore.open(url)
            stack.push_async_callback(store.close)
            return store

        yield open_one


@pytest.fixture
async def one(opened: Open) -> PostgresStore:
    return await opened()


@pytest.fixture
async def other(opened: Open) -> PostgresStore:
    return await opened()


async def test_many_keys_may_be_in_the_way_one_after_the_other(one: PostgresStore, other: PostgresStore) -> None:
    """As when two daemons take up from their spools what the same phones texted meanwhile."""
    loop, numbers = asyncio.get_running_loop(), [Number(f"+1415555{number:04d}") for number in range(8)]
    runs = 0

    def insert(tx: Tx, number: Number) -> None:
        if tx.contact_by_number(number) is None:
            tx.insert_contact(made.contact(number=number, id=f"con_{random.getrandbits(64):x}"))

    def overtake(number: Number) -> None:
        asyncio.run_coroutine_threadsafe(other.write(lambda tx: insert(tx, number)), loop).result(60)

    def all_of_them(tx: Tx) -> None:
        nonlocal runs
        runs += 1
        for position, number in enumerate(numbers, start=1):
            if position == runs:
                assert tx.contact_by_number(number) is None
                overtake(number)
            insert(tx, number)

    await one.write(all_of_them)
    assert runs == len(numbers) + 1
    assert None not in await one.read(lambda tx: [tx.contact_by_number(number) for number in numbers])


def meeting(work: Callable[[Tx], T], place: threading.Barrier) -> Callable[[Tx], T]:
    """The same, but that its first run waits until everybody has begun: each then has a snapshot from before the
    others' writes."""
    has_met = False

    def met(tx: Tx) -> T:
        nonlocal has_met
        if not has_met:
            has_met = True
            place.wait(60)
        return work(tx)

    return met


async def at_once(*works: tuple[PostgresStore, Callable[[Tx], Any]]) -> list[Any]:
    place = threading.Barrier(len(works))
    return await asyncio.gather(*(store.write(meeting(work, place)) for store, work in works))


def rows(url: str, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(statement).fetchall()


def add_one(tx: Tx) -> None:
    tx.set_meta("count", str(int(tx.meta("count") or 0) + 1))


async def test_no_update_is_lost(one: PostgresStore, other: PostgresStore) -> None:
    """Whoever is overtaken runs again, and what is to be done afterwards is done once all the same."""
    overtaken: list[None] = []
    counted: list[None] = []
    one.on_overtaken = other.on_overtaken = lambda: overtaken.append(None)

    def count_one(tx: Tx) -> None:
        tx.afterwards(lambda: counted.append(None))
        add_one(tx)

    await asyncio.gather(*(store.write(count_one) for store in (one, other) for _ in range(40)))
    assert await one.read(lambda tx: tx.meta("count")) == "80"
    await at_once((one, count_one), (other, count_one), (one, count_one))
    assert await other.read(lambda tx: tx.meta("count")) == "83"
    assert overtaken
    assert len(counted) == 83


async def test_a_number_that_two_daemons_see_first_is_one_contact(one: PostgresStore, other: PostgresStore) -> None:
    def know(number: str, identifier: str) -> Callable[[Tx], str]:
        def work(tx: Tx) -> str:
            known = tx.contact_by_number(number)
            if known is None:
                known = made.contact(identifier, number=Number(number))
                tx.insert_contact(known)
            return known.id

        return work

    for turn in range(5):
        number = f"+1415555010{turn}"
        works = [(store, know(number, f"con_{turn}{n}")) for n, store in enumerate((one, other, one, other))]
        assert len(set(await at_once(*works))) == 1


async def test_a_key_that_is_taken_for_good_is_an_error_and_no_endless_race(one: PostgresStore) -> None:
    await one.write(lambda tx: tx.insert_contact(made.contact()))
    with pytest.raises(psycopg.errors.UniqueViolation):
        await one.write(lambda tx: tx.insert_contact(made.contact()))


# --- lanes


def claim(tx: Tx, limit: int = 10) -> list[Job]:
    return tx.claim("queue", now_ms=NOW, lease_until_ms=NOW + 60_000, limit=limit)


async def test_a_write_that_ends_in_the_moment_its_patience_does_has_ended(
    one: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[Future[Any]] = []
    submit = one._writers.submit
    monkeypatch.setattr(one._writers, "submit", lambda *work: begun.append(submit(*work)) or begun[-1])

    def work(tx: Tx) -> str:
        tx.set_meta("said", "kept")
        return "kept"

    writing = asyncio.create_task(one.write(work, patience_s=_PATIENCE_S))
    await asyncio.sleep(0)  # it is in its thread
    assert begun[0].result(60) == "kept"
    time.sleep(2 * _PATIENCE_S)  # the loop is held up, and hears of both at once
    assert await writing == "kept"


async def test_a_job_put_in_while_its_lane_is_closed_keeps_a_lane(
    url: str, one: PostgresStore, other: PostgresStore
) -> None:
    for turn in range(10):
        lane = f"lane{turn}"
        await one.write(lambda tx, lane=lane: tx.enqueue(made.job("first", lane)))
        (job,) = await one.write(claim)
        await at_once(
            (one, lambda tx, job=job: tx.close_job(job)), (other, lambda tx, lane=lane: tx.enqueue(made.job("2", lane)))
        )
        (job,) = await one.write(claim)
        assert (job.ref, job.lane) == ("2", lane)
        await one.write(lambda tx, job=job: tx.close_job(job))
    assert rows(url, "SELECT * FROM jobs") == rows(url, "SELECT * FROM lanes") == []


async def test_no_job_is_left_without_a_lane_nor_run_twice_nor_out_of_order(
    url: str, one: PostgresStore, other: PostgresStore
) -> None:
    """Two daemons put in and take out as fast as they can, in few lanes, so that lanes end all the time."""
    ran: dict[str, list[int]] = {f"lane{n}": [] for n in range(6)}
    put: dict[str, list[int]] = {lane: [] for lane in ran}
    done = asyncio.Event()

    async def put_in(store: PostgresStore) -> None:
        for n in range(40):
            lane = f"lane{n % 6}"
            put[lane].append(await store.write(lambda tx, lane=lane: tx.enqueue(made.job("ref", lane))))

    async def take_out(store: PostgresStore) -> None:
        while not (done.is_set() and sum(map(len, ran.values())) == sum(map(len, put.values()))):
            for job in await store.write(lambda tx: claim(tx, 3)):
                ran[job.lane].append(job.id)
                assert await store.write(lambda tx, job=job: tx.close_job(job))

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        for store in (one, other):
            group.create_task(take_out(store))
        await asyncio.gather(put_in(one), put_in(other))
        done.set()
    assert ran == {lane: sorted(ids) for lane, ids in put.items()}
    assert rows(url, "SELECT * FROM jobs") == rows(url, "SELECT * FROM lanes") == []


async def test_a_job_hurried_while_the_one_before_it_ends_is_due(one: PostgresStore, other: PostgresStore) -> None:
    await one.write(lambda tx: tx.enqueue(made.job("first")))
    await one.write(lambda tx: tx.enqueue(made.job("held", due_at_ms=NOW + 3_600_000)))
    (first,) = await one.write(claim)
    await at_once((one, lambda tx: tx.close_job(first)), (other, lambda tx: tx.expedite("lane", "held", NOW)))
    assert await one.read(lambda tx: tx.next_due_ms("queue")) == NOW


async def test_a_job_moved_while_the_one_before_it_ends_is_claimed_from_its_new_queue(
    one: PostgresStore, other: PostgresStore
) -> None:
    await one.write(lambda tx: tx.enqueue(made.job("first")))
    await one.write(lambda tx: tx.enqueue(made.job("moved")))
    (first,) = await one.write(claim)
    await at_once((one, lambda tx: tx.close_job(first)), (other, lambda tx: tx.move_jobs("lane", "moved", "other")))
    assert await one.read(lambda tx: (tx.next_due_ms("queue"), tx.next_due_ms("other"))) == (None, NOW)


async def test_a_job_dropped_while_the_one_before_it_ends_leaves_no_lane(
    url: str, one: PostgresStore, other: PostgresStore
) -> None:
    await one.write(lambda tx: tx.enqueue(made.job("first")))
    await one.write(lambda tx: tx.enqueue(made.job("second")))
    (first,) = await one.write(claim)
    await at_once((one, lambda tx: tx.close_job(first)), (other, lambda tx: tx.drop_jobs("lane", "second")))
    assert rows(url, "SELECT * FROM jobs") == rows(url, "SELECT * FROM lanes") == []


async def test_two_daemons_never_claim_the_same_job(one: PostgresStore, other: PostgresStore) -> None:
    for n in range(60):
        await one.write(lambda tx, n=n: tx.enqueue(made.job(str(n), f"lane{n}")))
    taken = await at_once(*((store, lambda tx: claim(tx, 20)) for store in (one, other, one, other)))
    refs = [job.ref for jobs in taken for job in jobs]
    while jobs := await one.write(claim):
        refs += [job.ref for job in jobs]
    assert sorted(map(int, refs)) == list(range(60))


async def test_the_work_of_a_silent_daemon_is_taken_over_and_what_it_writes_late_is_refused(
    one: PostgresStore, other: PostgresStore
) -> None:
    await one.write(lambda tx: tx.beat(NOW))
    await one.write(lambda tx: tx.enqueue(made.job("job")))
    (frozen,) = await one.write(claim)
    assert await other.write(lambda tx: tx.take_over(60_000, NOW + 20_000)) == 0
    assert await other.write(lambda tx: tx.take_over(NOBODY_LIVES, NOW + 20_000)) == 1
    (again,) = await other.write(lambda tx: tx.claim("queue", now_ms=NOW + 20_000, lease_until_ms=NOW * 2, limit=1))
    assert again.interrupted
    assert not await one.write(lambda tx: tx.close_job(frozen))
    assert not await one.write(lambda tx: tx.postpone_job(frozen, NOW, counts=True))
    assert not await one.write(lambda tx: tx.bury_job(frozen, "late", NOW))
    assert await other.write(lambda tx: tx.close_job(again))


async def test_a_take_over_and_a_late_write_at_the_same_moment_are_one_after_the_other(
    one: PostgresStore, other: PostgresStore
) -> None:
    for turn in range(5):
        await one.write(lambda tx: tx.beat(NOW))
        await one.write(lambda tx, turn=turn: tx.enqueue(made.job("job", f"lane{turn}")))
        (frozen,) = await one.write(claim)
        closed, taken = await at_once(
            (one, lambda tx, job=frozen: tx.close_job(job)), (other, lambda tx: tx.take_over(NOBODY_LIVES, NOW))
        )
        assert (closed, taken) in [(True, 0), (False, 1)]
        left = await other.write(claim)
        assert len(left) == taken
        for job in left:
            await other.write(lambda tx, job=job: tx.close_job(job))


# --- what must not overlook one another


async def test_a_receipt_is_never_parked_beside_its_link(one: PostgresStore, other: PostgresStore) -> None:
    def link(carrier_id: str) -> Callable[[Tx], bool]:
        def work(tx: Tx) -> bool:
            ref = PartRef(message_id=MessageId("msg_1"), part_number=1, try_number=1)
            assert tx.link_carrier_id("plain", carrier_id, ref)
            return bool(tx.parked_receipts("plain", carrier_id))

        return work

    def receive(carrier_id: str) -> Callable[[Tx], bool]:
        def work(tx: Tx) -> bool:
            assert tx.insert_receipt(made.receipt(carrier_id, carrier_message_id=carrier_id))
            return tx.part_by_carrier_id("plain", carrier_id) is not None

        return work

    for turn in range(10):
        carrier_id = f"C{turn}"
        seen = await at_once((one, link(carrier_id)), (other, receive(carrier_id)))
        assert sorted(seen) == [False, True], "the later one sees the earlier, and only that"


async def test_the_later_of_two_attachments_sees_that_it_is_the_last(one: PostgresStore, other: PostgresStore) -> None:
    await one.write(made.thread)
    await one.write(lambda tx: tx.insert_message(made.message()))
    files = [made.attachment(f"att_{n}", message_id=MessageId("msg_1"), position=n) for n in range(2)]

    def settle(identifier: str) -> Callable[[Tx], bool]:
        def work(tx: Tx) -> bool:
            stored = made.attachment(identifier, message_id=MessageId("msg_1"), state=AttachmentState.STORED)
            tx.update_attachment(stored)
            return all(each.state is AttachmentState.STORED for each in tx.attachments("msg_1"))

        return work

    for file in files:
        await one.write(lambda tx, file=file: tx.insert_attachment(file))
    assert sorted(await at_once((one, settle("att_0")), (other, settle("att_1")))) == [False, True]


async def test_the_later_of_two_parts_sees_what_both_add_up_to(one: PostgresStore, other: PostgresStore) -> None:
    await one.write(made.thread)
    message = made.message(direction=Direction.OUTBOUND)
    await one.write(lambda tx: tx.insert_message(message))
    await one.write(lambda tx: tx.insert_parts(message.id, [made.part(1), made.part(2)]))

    def deliver(number: int) -> Callable[[Tx], bool]:
        def work(tx: Tx) -> bool:
            tx.update_part(message.id, made.part(number, status=Status.DELIVERED))
            return all(part.status is Status.DELIVERED for part in tx.parts(message.id))

        return work

    assert sorted(await at_once((one, deliver(1)), (other, deliver(2)))) == [False, True]


async def test_the_later_of_two_parts_that_come_in_sees_that_it_is_the_last(
    one: PostgresStore, other: PostgresStore
) -> None:
    await one.write(lambda tx: tx.insert_waiting_text(made.waiting_text()))

    def come(number: int) -> Callable[[Tx], bool]:
        def work(tx: Tx) -> bool:
            waiting = tx.waiting_text("wtx_1")
            assert waiting is not None
            tx.keep_part(waiting, made.kept_part(number))
            return waiting.missing == 1

        return work

    assert sorted(await at_once((one, come(1)), (other, come(2)))) == [False, True]


# --- what is read while others write


async def test_who_follows_a_transcript_misses_nothing(one: PostgresStore, other: PostgresStore) -> None:
    """A later number of one contact is never committed before an earlier one."""
    await one.write(made.thread)
    written: set[int] = set()
    seen: list[int] = []

    async def append(store: PostgresStore, name: str) -> None:
        for n in range(25):
            notice = made.notice(f"ntc_{name}{n}")

            def work(tx: Tx, notice: Any = notice) -> int:
                seq = tx.append_notice(notice)
                time.sleep(random.random() * 0.002)  # between the number and the commit others get their turn
                return seq

            written.add(await store.write(work))

    writers = asyncio.gather(*(append(store, f"{n}{m}") for n, store in enumerate((one, other)) for m in range(2)))
    async with asyncio.timeout(60):
        while not writers.done() or len(seen) < len(written):
            after = seen[-1] if seen else 0
            seen += [
                entry.seq
                for entry in await one.read(lambda tx, a=after: tx.transcript(contact_id="con_1", after_seq=a))
            ]
    await writers
    assert len(written) == 100
    assert seen == sorted(written)


class Follower:
    """Reads the event log as the stream does: on, after each commit that it is told of."""

    def __init__(self, store: PostgresStore) -> None:
        self.seen: list[int] = []
        self._store = store
        self._told = asyncio.Event()
        self._leave = store.subscribe(self._hear)

    def _hear(self, commit: Commit) -> None:
        if commit.last_event_seq:
            self._told.set()

    async def until(self, count: int) -> list[int]:
        async with asyncio.timeout(60):
            while len(self.seen) < count:
                await self._told.wait()
                self._told.clear()
                after = self.seen[-1] if self.seen else 0
                self.seen += [e.seq for e in await self._store.read(lambda tx, a=after: tx.events_after(a, 1_000))]
        self._leave()
        return self.seen


def append_events(name: str, count: int, *, at_ms: int = NOW) -> Callable[[Tx], list[int]]:
    def work(tx: Tx) -> list[int]:
        seqs = [tx.append_event(made.event(f"evt_{name}_{n}", at_ms=at_ms)) for n in range(count)]
        time.sleep(random.random() * 0.02)  # so that a later transaction is often committed first
        return seqs

    return work


async def test_who_follows_the_event_log_sees_each_event_once_and_in_order(
    one: PostgresStore, other: PostgresStore, opened: Open
) -> None:
    """8 writers in two daemons, readers in all three. The events' own times are of long ago: they decide nothing."""
    third = await opened()
    followers = [Follower(store) for store in (one, other, third)]
    written: list[int] = []

    async def write(store: PostgresStore, name: str) -> None:
        for n in range(25):
            written.extend(await store.write(append_events(f"{name}{n}", 1 + n % 3)))

    readers = [asyncio.create_task(each.until(8 * 25 * 2 - 8)) for each in followers]
    await asyncio.gather(*(write(store, f"{n}{m}") for n, store in enumerate((one, other)) for m in range(4)))
    for reader in readers:
        assert await reader == sorted(written)
    assert len(set(written)) == len(written) == 8 * 25 * 2 - 8


async def test_somebody_elses_open_transaction_does_not_hold_back_the_event_log(
    one: PostgresStore, other: PostgresStore
) -> None:
    follower = Follower(other)
    with psycopg.connect(shared_url()) as theirs:  # another database of the same cluster
        theirs.execute("SELECT pg_current_xact_id()")
        written = await one.write(append_events("a", 3))
        assert await follower.until(3) == written
        bounds = await other.read(lambda tx: tx.event_bounds())
        assert bounds == (written[0], written[-1])


async def test_one_of_ours_that_is_still_going_on_does(one: PostgresStore, other: PostgresStore) -> None:
    """The same question as before, with the other answer: what it will write comes before what is there."""
    follower = Follower(other)
    goes_on, began = threading.Event(), threading.Event()

    def slow(tx: Tx) -> int:
        began.set()
        assert goes_on.wait(60)
        return tx.append_event(made.event("evt_early"))

    with psycopg.connect(shared_url()) as theirs:
        theirs.execute("SELECT pg_current_xact_id()")
        early = asyncio.create_task(one.write(slow))
        await asyncio.to_thread(began.wait, 60)
        horizon = other._news.horizon  # from before there is anything to look for
        late = await one.write(append_events("late", 1))
        async with asyncio.timeout(60):
            while other._news.horizon == horizon:
                await asyncio.sleep(0.01)
        assert await other.read(lambda tx: tx.events_after(0, 10)) == []
        goes_on.set()
        assert await follower.until(2) == [await early, *late]


async def test_a_database_that_was_restored_into_a_younger_server_counts_on(url: str, opened: Open) -> None:
    one = await opened()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO events (seq, id, type, at_ms) VALUES (%s, 'evt_old', 'message.received', 1)", (10**15,)
        )
    other = await opened()
    follower = Follower(other)
    [seq] = await one.write(append_events("new", 1))
    assert seq > 10**15
    assert await follower.until(2) == [10**15, seq]
    third = await opened()
    [later] = await third.write(append_events("later", 1))
    assert later > seq


# --- waking one another


async def test_a_daemon_is_woken_by_what_another_puts_in_before_it_would_have_looked(
    one: PostgresStore, other: PostgresStore
) -> None:
    """The job is due in an hour, so nobody who looks for due work finds it: what arrives is the notification."""
    async with asyncio.timeout(60):
        while (await other.healthy())["wake_up"] != "notified":
            await asyncio.sleep(0.01)
    woken: asyncio.Queue[frozenset[str]] = asyncio.Queue()
    other.subscribe(lambda commit: woken.put_nowait(commit.queues) if commit.queues else None)
    due_at_ms = time.time_ns() // 1_000_000 + 3_600_000
    await one.write(lambda tx: tx.enqueue(made.job(due_at_ms=due_at_ms)))
    async with asyncio.timeout(60):
        assert await woken.get() == {"queue"}


# --- beginnings


async def test_daemons_that_open_an_empty_database_at_once_make_one_schema() -> None:
    name = f"empty_{secrets.token_hex(8)}"
    url = make_database(shared_url(), name, with_schema=False)

    def open_and_close() -> None:
        async def run() -> None:
            store = PostgresStore.open(url)
            await store.write(add_one)
            await store.close()

        asyncio.run(run())

    await asyncio.gather(*(asyncio.to_thread(open_and_close) for _ in range(3)))
    assert rows(url, "SELECT value FROM meta WHERE key = 'count'") == [("3",)]
    drop_database(shared_url(), name)


async def test_a_newer_schema_is_refused_and_left_alone(url: str, opened: Open) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("INSERT INTO schema_version (version) VALUES (9999)")
    with pytest.raises(StoreTooNew, match="9999"):
        await opened()
    assert rows(url, "SELECT max(version) FROM schema_version") == [(9999,)]


async def test_a_database_that_cannot_keep_every_text_is_refused() -> None:
    name = f"latin_{secrets.token_hex(8)}"
    with psycopg.connect(shared_url(), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" ENCODING LATIN1 TEMPLATE template0')
    url = make_database(shared_url(), name)
    with pytest.raises(StoreUnavailable, match="UTF8"):
        PostgresStore.open(url)
    drop_database(shared_url(), name)


@pytest.mark.parametrize("minutes", [-1, 1])
async def test_a_clock_that_differs_from_the_databases_is_refused(
    url: str, monkeypatch: pytest.MonkeyPatch, minutes: int
) -> None:
    """A lease that one daemon takes would have run out for another."""
    monkeypatch.setattr("smsbridge.store.postgres.time.time", lambda: time.time_ns() / 1e9 + 60 * minutes)
    with pytest.raises(StoreUnavailable, match=r"60 s.*NTP"):
        PostgresStore.open(url)


async def test_a_nul_in_a_text_is_kept_as_its_sign_and_the_rest_as_it_is(one: PostgresStore) -> None:
    await one.write(made.thread)
    await one.write(lambda tx: tx.insert_message(made.message(text="a\0b \N{GRINNING FACE}")))
    message = await one.read(lambda tx: tx.message("msg_1"))
    assert message is not None
    assert message.text == "a\N{SYMBOL FOR NULL}b \N{GRINNING FACE}"


async def test_writing_where_only_reading_was_asked_for_is_refused(one: PostgresStore) -> None:
    with pytest.raises(StoreUnavailable, match="read-only"):
        await one.read(add_one)
    await one.write(add_one)


async def test_whoever_waits_may_be_cancelled_and_what_it_began_is_done(one: PostgresStore) -> None:
    began, goes_on = threading.Event(), threading.Event()

    def work(tx: Tx) -> None:
        began.set()
        assert goes_on.wait(60)
        add_one(tx)

    writing = asyncio.create_task(one.write(work))
    await asyncio.to_thread(began.wait, 60)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    closing = asyncio.create_task(one.close())
    await asyncio.sleep(0)
    with pytest.raises(StoreUnavailable, match="closed"):
        await one.write(add_one)
    assert not closing.done()
    goes_on.set()
    await closing


async def test_what_was_begun_before_closing_is_kept(url: str, one: PostgresStore, opened: Open) -> None:
    writing = [asyncio.create_task(one.write(add_one)) for _ in range(30)]
    await asyncio.sleep(0)
    await one.close()
    await asyncio.gather(*writing)
    assert rows(url, "SELECT value FROM meta WHERE key = 'count'") == [("30",)]


async def test_a_bug_in_the_thread_that_wakes_the_others_ends_the_daemon_and_is_not_overlooked(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bug(_self: object) -> None:
        raise LookupError("a bug")

    monkeypatch.setattr("smsbridge.store.news.News._ask_for_work", bug)
    told = threading.Event()
    monkeypatch.setattr(threading, "excepthook", lambda _what: told.set())
    store = await opened()
    async with asyncio.timeout(60):
        await store.broken.wait()
    assert await asyncio.to_thread(told.wait, 60)


def count_prepared(tx: Tx) -> int:
    """Of the session that this transaction runs in, after one statement was used again and again."""
    for _ in range(5):
        tx.meta("anything")
    cursor = tx._rows._cursor  # type: ignore[attr-defined]
    [count] = cursor.execute("SELECT count(*) FROM pg_prepared_statements").fetchone()
    return int(count)


async def test_writers_prepare_their_statements_and_readers_do_not(one: PostgresStore) -> None:
    assert await one.write(count_prepared) > 0
    assert await one.read(count_prepared) == 0
