"""The store behind PgBouncer in transaction mode: each transaction gets whatever connection is free just then."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from ports import free_port
from postgres_server import drop_database, make_database, shared_url
from smsbridge.contracts.store import Commit, Tx
from smsbridge.store.postgres import PostgresStore
from store import made
from store.made import NOW
from store.test_postgres import count_prepared

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="PgBouncer is not installed: the store is not tested behind it")


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A database through PgBouncer, which has fewer connections than the stores have threads."""
    name = f"bounced_{os.getpid()}"
    direct = make_database(shared_url(), name)
    folder = tmp_path_factory.mktemp("pgbouncer")
    port, server_port = free_port(), direct.rpartition(":")[2].partition("/")[0]
    settings = folder / "pgbouncer.ini"
    settings.write_text(
        f"""[databases]
{name} = host=127.0.0.1 port={server_port} dbname={name} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 3
max_client_conn = 100
ignore_startup_parameters = extra_float_digits
"""
    )
    with (folder / "log").open("wb") as log:
        bouncer = subprocess.Popen(
            [str(PROGRAM), str(settings)], stdout=log, stderr=log, user=_user(folder), cwd="/", env={"LC_ALL": "C"}
        )
    try:
        _wait_for(port, bouncer, folder / "log")
        yield f"postgresql://postgres@127.0.0.1:{port}/{name}"
    finally:
        bouncer.terminate()
        bouncer.wait(60)
        drop_database(shared_url(), name)


def _user(folder: Path) -> str | None:
    """It refuses to run as root."""
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    for each in (folder, *folder.iterdir()):
        os.chown(each, nobody.pw_uid, nobody.pw_gid)
    for each in folder.parents:
        if not each.stat().st_mode & 0o001:
            each.chmod(each.stat().st_mode | 0o011)
    return "nobody"


def _wait_for(port: int, bouncer: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        assert bouncer.poll() is None, log.read_text()
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError(log.read_text())


@pytest.fixture
async def one(url: str) -> AsyncIterator[PostgresStore]:
    store = PostgresStore.open(url)
    yield store
    await store.close()


@pytest.fixture
async def other(url: str) -> AsyncIterator[PostgresStore]:
    store = PostgresStore.open(url)
    yield store
    await store.close()


def add_one(tx: Tx) -> None:
    tx.set_meta("count", str(int(tx.meta("count") or 0) + 1))


async def test_no_update_is_lost(one: PostgresStore, other: PostgresStore) -> None:
    before = int(await one.read(lambda tx: tx.meta("count")) or 0)
    await asyncio.gather(*(store.write(add_one) for store in (one, other) for _ in range(40)))
    assert int(await other.read(lambda tx: tx.meta("count"))) == before + 80


async def test_reads_and_writes_of_every_thread_get_along_with_fewer_connections(
    one: PostgresStore, other: PostgresStore
) -> None:
    works = [store.write(add_one) for store in (one, other) for _ in range(30)]
    works += [store.read(lambda tx: tx.brakes()) for store in (one, other) for _ in range(30)]
    async with asyncio.timeout(60):
        await asyncio.gather(*works)


async def test_jobs_are_claimed_once_and_taken_over(one: PostgresStore, other: PostgresStore) -> None:
    def claim(tx: Tx) -> list[str]:
        return [job.ref for job in tx.claim("queue", now_ms=NOW, lease_until_ms=NOW + 60_000, limit=5)]

    await one.write(lambda tx: tx.beat(NOW))
    for n in range(20):
        await one.write(lambda tx, n=n: tx.enqueue(made.job(str(n), f"lane{n}")))
    taken = await asyncio.gather(*(store.write(claim) for store in (one, other) for _ in range(2)))
    refs = [ref for each in taken for ref in each]
    assert len(set(refs)) == len(refs)
    assert await other.write(lambda tx: tx.take_over(-1_000, NOW + 20_000)) == 10  # who is on the roll, is silent
    left = await other.write(lambda tx: tx.claim("queue", now_ms=NOW + 20_000, lease_until_ms=NOW * 2, limit=50))
    assert len(left) == 10


async def test_events_arrive_in_order(one: PostgresStore, other: PostgresStore) -> None:
    written: list[int] = []

    async def write(store: PostgresStore, name: str) -> None:
        for n in range(10):
            event = made.event(f"evt_{name}{n}")
            written.append(await store.write(lambda tx, event=event: tx.append_event(event)))

    await asyncio.gather(write(one, "a"), write(one, "b"), write(other, "c"), write(other, "d"))
    seen: list[int] = []
    async with asyncio.timeout(60):
        while len(seen) < len(written):
            after = seen[-1] if seen else 0
            seen += [e.seq for e in await other.read(lambda tx, a=after: tx.events_after(a, 100))]
    assert seen == sorted(written)


async def test_who_cannot_be_notified_asks_four_times_a_second(one: PostgresStore, other: PostgresStore) -> None:
    """A LISTEN would be left behind on a connection that belongs to everybody: none is made."""
    heard: asyncio.Queue[Commit] = asyncio.Queue()
    other.subscribe(heard.put_nowait)
    assert (await other.healthy())["wake_up"] == "polling"
    await one.write(lambda tx: tx.enqueue(made.job("woken", "woken", "bounced")))
    async with asyncio.timeout(60):
        while "bounced" not in (await heard.get()).queues:
            pass
    assert (await other.healthy())["wake_up"] == "polling"
    listening = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"
    assert not one._news._telling.rows(listening)


async def test_nothing_is_prepared_in_sessions_that_are_handed_out(one: PostgresStore) -> None:
    assert await one.write(count_prepared) == 0
