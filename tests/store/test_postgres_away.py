"""PostgreSQL that breaks, hangs, restarts or cannot be reached: nothing is guessed, nobody waits for ever."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import psycopg
import pytest

from ports import free_port
from postgres_proxy import PostgresProxy
from postgres_server import PostgresServer, new_server
from smsbridge.contracts.store import Commit, StoreAway, StoreUnavailable, Tx
from smsbridge.store import line, news, place_of, postgres
from smsbridge.store.postgres import PostgresStore, prepare
from store import made

SECRET = "p@ss/w0rd"


@pytest.fixture(scope="module")
def server() -> PostgresServer:
    """One of our own: it is stopped and misconfigured."""
    return new_server(free_port())


@pytest.fixture(scope="module")
def url(server: PostgresServer) -> str:
    return server.make_database("away")


@pytest.fixture
def proxy(server: PostgresServer) -> Iterator[PostgresProxy]:
    with PostgresProxy(server.port) as proxy:
        yield proxy


@pytest.fixture
async def store(proxy: PostgresProxy, url: str) -> AsyncIterator[PostgresStore]:
    store = PostgresStore.open(proxy.url(url))
    await store.write(lambda tx: tx.set_meta("count", "0"))
    yield store
    proxy.mode = "pass"
    await store.close()


def add_one(tx: Tx) -> int:
    count = int(tx.meta("count") or 0) + 1
    tx.set_meta("count", str(count))
    return count


def count(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT value FROM meta WHERE key = 'count'").fetchone()
    assert row is not None
    return int(row[0])


def end_sessions(connection: psycopg.Connection) -> None:
    connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'smsbridge'")


async def until_written(store: PostgresStore) -> int:
    """The store heals by itself: how many tries it took does not matter, that nobody restarts it does."""
    async with asyncio.timeout(60):
        while True:
            try:
                return await store.write(add_one)
            except StoreUnavailable:
                await asyncio.sleep(0.02)


async def test_a_commit_whose_answer_was_lost_is_known_to_be_kept(
    store: PostgresStore, proxy: PostgresProxy, url: str
) -> None:
    for turn in range(1, 6):
        proxy.mode = "lose answers to commits"
        assert await store.write(add_one) == turn
    assert proxy.cuts == 5
    assert count(url) == 5


async def test_a_commit_that_was_lost_itself_is_known_not_to_be_kept(
    store: PostgresStore, proxy: PostgresProxy, url: str
) -> None:
    for _ in range(5):
        proxy.mode = "lose commits"
        with pytest.raises(StoreUnavailable):
            await store.write(add_one)
    assert proxy.cuts == 5
    assert count(url) == 0
    assert await until_written(store) == 1


async def test_a_session_ended_before_its_commit_keeps_nothing(store: PostgresStore, url: str) -> None:
    def end_before_commit(tx: Tx) -> None:
        add_one(tx)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE state = 'idle in transaction' AND datname = current_database()"
            )

    with pytest.raises(StoreUnavailable):
        await store.write(end_before_commit)
    assert count(url) == 0
    assert await store.write(add_one) == 1, "and the next one is told nothing of it"


async def test_all_sessions_ended_at_once_are_replaced_and_nothing_acknowledged_is_lost(
    store: PostgresStore, url: str
) -> None:
    acknowledged, turns = 0, 0
    while turns < 5 or acknowledged < 50:  # whoever was in the middle of its work is refused
        turns += 1
        with psycopg.connect(url, autocommit=True) as connection:
            end_sessions(connection)
        for result in await asyncio.gather(*(store.write(add_one) for _ in range(20)), return_exceptions=True):
            assert isinstance(result, (int, StoreUnavailable))
            acknowledged += isinstance(result, int)
    assert count(url) == acknowledged
    await until_notified(store)


async def until_notified(store: PostgresStore) -> None:
    async with asyncio.timeout(60):
        while store._news.is_listening is False:
            await asyncio.sleep(0.01)


async def test_a_server_stopped_hard_under_load_loses_nothing_and_is_found_again(
    store: PostgresStore, server: PostgresServer, url: str
) -> None:
    """What was acknowledged is there, what was refused is not; of the few whose commit was under way either is right,
    and it is told."""
    results: list[Any] = []
    stop = asyncio.Event()

    async def write_on() -> None:
        while not stop.is_set():
            [result] = await asyncio.gather(store.write(add_one), return_exceptions=True)
            results.append(result)
            await asyncio.sleep(0.005)

    async with asyncio.TaskGroup() as group:
        for _ in range(8):
            group.create_task(write_on())
        for _ in range(3):
            before = sum(isinstance(each, int) for each in results)
            async with asyncio.timeout(60):
                while sum(isinstance(each, int) for each in results) < before + 50:
                    await asyncio.sleep(0.01)
            await asyncio.to_thread(server.stop, "immediate")
            await asyncio.to_thread(server.start)
        await until_written(store)
        stop.set()
    kept = [each for each in results if isinstance(each, int)]
    unknown = [each for each in results if "not known" in str(each)]
    assert {type(each) for each in results} <= {int, StoreUnavailable}
    assert len(set(kept)) == len(kept)
    assert len(kept) + 1 <= count(url) <= len(kept) + 1 + len(unknown)
    await until_notified(store)


def crash_the_server(server: PostgresServer) -> None:
    server.stop("immediate")
    server.start()


def crash_one_of_its_processes(server: PostgresServer) -> None:
    """It ends all others then and begins anew, and keeps its time of start. Another one's end tells that it has begun:
    until it has noticed it lets people in."""
    with (
        psycopg.connect(server.url) as one,
        psycopg.connect(server.url, autocommit=True) as another,
        contextlib.suppress(psycopg.OperationalError),
    ):
        os.kill(one.info.backend_pid, signal.SIGKILL)
        while True:
            another.execute("SELECT 1")
    server.wait()


@pytest.mark.parametrize("crash", [crash_the_server, crash_one_of_its_processes])
async def test_a_number_that_is_given_out_again_after_a_crash_is_not_taken_for_ours(
    store: PostgresStore, server: PostgresServer, url: str, crash: Callable[[PostgresServer], None]
) -> None:
    """Nothing of a transaction has to be on the disk before its commit, its number neither."""
    crashes = 0

    def crash_before_commit(tx: Tx) -> None:
        nonlocal crashes
        add_one(tx)
        crash(server)
        for _ in range(5):
            with psycopg.connect(url) as another:
                another.execute("SELECT pg_current_xact_id()")
                another.execute("INSERT INTO meta (key, value) VALUES (gen_random_uuid(), 'another')")
        crashes += 1

    for turn in range(1, 4):
        with pytest.raises(StoreUnavailable):
            await store.write(crash_before_commit)
        assert crashes == turn
        assert count(url) == 0
        async with asyncio.timeout(60):
            while True:
                with contextlib.suppress(StoreUnavailable):
                    await store.write(lambda tx: tx.set_meta("count", "0"))
                    break
                await asyncio.sleep(0.02)


async def test_a_server_that_swallows_everything_frees_whoever_waits(
    store: PostgresStore, proxy: PostgresProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection stands and takes every byte: without a limit of our own that would be waited for for ever."""
    for each in store._all_lines:
        each._longest_s = 0.5
    monkeypatch.setattr(postgres, "LONGEST_WRITE_S", 0.5)
    monkeypatch.setattr(postgres, "LONGEST_READ_S", 0.5)
    monkeypatch.setattr(postgres, "TOLD_AFTER_S", 1.0)
    monkeypatch.setitem(line._SETTINGS, "connect_timeout", 2)
    proxy.mode = "swallow"
    async with asyncio.timeout(60):
        works = [store.write(add_one) for _ in range(12)] + [store.read(lambda tx: tx.meta("count")) for _ in range(12)]
        results = await asyncio.gather(*works, return_exceptions=True)
    assert {type(each) for each in results} == {StoreUnavailable}
    proxy.mode = "pass"
    assert await until_written(store) >= 1
    proxy.mode = "swallow"
    waiting = asyncio.create_task(store.write(add_one))
    await asyncio.sleep(0)
    async with asyncio.timeout(60):
        await store.close()
    with pytest.raises(StoreUnavailable):
        await waiting


async def test_while_it_cannot_be_reached_everybody_is_refused_and_nobody_queues_up(
    store: PostgresStore, server: PostgresServer
) -> None:
    server.stop("immediate")
    try:
        async with asyncio.timeout(60):
            results = await asyncio.gather(*(store.write(add_one) for _ in range(3_000)), return_exceptions=True)
        assert {type(each) for each in results} == {StoreUnavailable}
    finally:
        server.start()
    await until_written(store)


async def test_one_connection_that_is_not_let_in_keeps_nobody_from_those_that_are(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "PAUSE_S", 600)
    monkeypatch.setattr(postgres, "READERS", 1)  # so that each reads with the one connection there is
    prepare(url)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE ROLE one_more LOGIN")
        connection.execute("GRANT CREATE ON SCHEMA public TO one_more")
        for what in ("TABLES", "SEQUENCES"):
            connection.execute(f"GRANT ALL ON ALL {what} IN SCHEMA public TO one_more")
    loop, begun, goes_on = asyncio.get_running_loop(), asyncio.Event(), threading.Event()

    def hold_on(tx: Tx) -> int:
        loop.call_soon_threadsafe(begun.set)
        goes_on.wait(60)
        return add_one(tx)

    store = PostgresStore.open(url.replace("postgres@", "one_more@"))
    await store.read(lambda tx: tx.meta("count"))
    holding = asyncio.create_task(store.write(hold_on))  # the first write has the first connection
    await begun.wait()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ALTER ROLE one_more CONNECTION LIMIT 0")
    await store.read(lambda tx: tx.meta("count"))
    with pytest.raises(StoreUnavailable, match="too many connections"):
        await store.write(add_one)
    await store.read(lambda tx: tx.meta("count"))
    goes_on.set()
    assert await holding >= 1
    await store.close()


async def test_what_was_put_in_while_a_daemon_did_not_hear_is_found_when_it_hears_again(
    store: PostgresStore, url: str
) -> None:
    await until_notified(store)
    heard: asyncio.Queue[Commit] = asyncio.Queue()
    store.subscribe(heard.put_nowait)
    with psycopg.connect(url, autocommit=True) as connection:  # a daemon that died before it could tell
        connection.execute("INSERT INTO lanes (lane, queue, due_at_ms) VALUES ('lost', 'lost', 1)")
        end_sessions(connection)
    async with asyncio.timeout(60):
        while "lost" not in (await heard.get()).queues:
            pass
        await until_notified(store)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DELETE FROM lanes")


async def test_memory_does_not_grow_by_notifications_that_nobody_reads(store: PostgresStore) -> None:
    await until_notified(store)
    for n in range(50):
        await store.write(lambda tx, n=n: tx.enqueue(made.job(lane=f"lane{n}")))
    for each in store._all_lines:
        assert not each.connection._notifies_backlog


# --- away when it is opened


@pytest.fixture
async def away(server: PostgresServer, url: str) -> AsyncIterator[PostgresStore]:
    """Opened while the server is switched off, which it still is."""
    server.stop("immediate")
    store = PostgresStore.open(url, may_be_away=True)
    try:
        yield store
    finally:
        if not server.is_running():
            server.start()
        await store.close()


async def test_a_store_that_is_away_refuses_everybody_until_it_is_reached(
    away: PostgresStore, server: PostgresServer
) -> None:
    assert away.is_away
    for refused in (away.write(add_one), away.read(lambda tx: tx.meta("count")), away.healthy()):
        with pytest.raises(StoreUnavailable, match=r"since the start: .*Connection refused") as why:
            await refused
        assert type(why.value) is StoreUnavailable, "what the web edge has an answer for"
    with pytest.raises(StoreAway):
        await away.reach()
    heard: asyncio.Queue[Commit] = asyncio.Queue()
    away.subscribe(heard.put_nowait)
    server.start()
    await away.reach()
    assert not away.is_away
    assert await away.write(add_one) >= 1
    await away.write(lambda tx: tx.enqueue(made.job()))
    async with asyncio.timeout(60):
        await heard.get()
    await away.reach()  # once more is no harm
    await until_notified(away)


async def test_a_store_that_was_never_reached_can_be_closed(away: PostgresStore) -> None:
    await away.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        await away.write(add_one)


async def test_a_server_that_is_there_and_says_no_is_not_away(
    away: PostgresStore, server: PostgresServer, url: str
) -> None:
    server.start()
    mistyped = PostgresStore(url.replace("/away", "/nothing"))
    with pytest.raises(StoreUnavailable, match="does not exist") as said:
        await mistyped.reach()
    assert not isinstance(said.value, StoreAway)
    await mistyped.close()
    with pytest.raises(StoreUnavailable, match="does not exist"):
        PostgresStore.open(url.replace("/away", "/nothing"), may_be_away=True)


def test_a_server_with_no_place_for_one_more_is_away(server: PostgresServer, url: str) -> None:
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("CREATE ROLE crowded LOGIN CONNECTION LIMIT 0")
    with pytest.raises(StoreAway, match="too many connections"):
        prepare(url.replace("postgres@", "crowded@"))


@pytest.mark.parametrize("how", ["it does not answer", "it ends the session"])
def test_a_server_that_lets_us_in_and_then_is_silent_is_away(
    url: str, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """So does PgBouncer before a server that is switched off."""

    def ask(connection: psycopg.Connection) -> None:
        end = "pg_sleep(600)" if how == "it does not answer" else "pg_terminate_backend(pg_backend_pid())"
        connection.execute(f"SELECT {end}")

    monkeypatch.setattr(postgres, "_check", ask)
    monkeypatch.setattr(postgres, "FIRST_ANSWER_S", 0.2 if how == "it does not answer" else 600)
    with pytest.raises(StoreAway):
        prepare(url)


def test_a_database_is_known_again_by_its_place_whoever_signs_in() -> None:
    at = [
        "postgresql://bridge:old@db.example:5432/sms?sslmode=require",
        "postgresql://other:new@db.example:5432/sms",
        "postgresql://other@db.example:5432/sms2",
        "postgresql://other@db2.example:5432/sms",
        "postgresql:///sms?host=/run/one",
        "postgresql:///sms?host=/run/two",
    ]
    places = [place_of(each) for each in at]
    assert places[0] == places[1]
    assert len(set(places)) == 5


# --- refused at the start, in words that help and give nothing away


def refusal(url: str) -> str:
    async def open_it() -> None:
        await PostgresStore.open(url).close()

    started = time.monotonic()
    with pytest.raises(StoreUnavailable) as refused:
        asyncio.run(open_it())
    assert time.monotonic() - started < 60
    words = str(refused.value)
    for part in (SECRET, "p%40ss", "p@ss", "w0rd"):
        assert part not in words, words
    return words


def test_a_server_that_is_not_there_is_refused_by_name() -> None:
    port = free_port()
    words = refusal(f"postgresql://bridge:p%40ss%2Fw0rd@127.0.0.1:{port}/bridge")
    assert "127.0.0.1" in words
    assert str(port) in words
    assert "Connection refused" in words


def test_a_host_that_does_not_exist_is_refused_by_name() -> None:
    assert "nowhere.invalid" in refusal("postgresql://bridge:p%40ss%2Fw0rd@nowhere.invalid/bridge")


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://bridge:{SECRET}@127.0.0.1/bridge",
        "postgresql://bridge:p%zzw0rd@127.0.0.1/bridge",
        "postgresql://bridge:p@ss@w0rd@127.0.0.1/bridge",
    ],
    ids=["unescaped", "no such escape", "several @"],
)
def test_a_password_that_breaks_the_address_is_explained_and_not_repeated(url: str) -> None:
    assert "must be written as %" in refusal(url)


def test_a_wrong_password_or_database_is_told_in_the_servers_words(server: PostgresServer, url: str) -> None:
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("CREATE ROLE careful LOGIN PASSWORD 'another'")
    server.let_in("host all careful 127.0.0.1/32 scram-sha-256")
    theirs = url.replace("postgres@", "careful:p%40ss%2Fw0rd@")
    assert 'password authentication failed for user "careful"' in refusal(theirs)
    assert 'database "nothing" does not exist' in refusal(url.replace("/away", "/nothing"))


def test_a_server_that_may_lose_what_it_confirmed_is_refused(server: PostgresServer, url: str) -> None:
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("SELECT pg_reload_conf()")
        while connection.execute("SHOW fsync").fetchone() != ("off",):
            time.sleep(0.01)
    try:
        assert "fsync = off" in refusal(url)
    finally:
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("ALTER SYSTEM RESET fsync")
            connection.execute("SELECT pg_reload_conf()")


def test_the_number_of_a_transaction_is_made_whole_again() -> None:
    """The list of locks shows the lower 32 bits."""
    assert news._whole(5, 2**33 + 9) == 2**33 + 5
    assert news._whole(2**32 - 1, 2**33 + 9) == 2**33 - 1
