"""The embedded database: many transactions to a commit, none of which can spoil another; one process to a file."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from smsbridge.contracts.store import Commit, StoreInUse, StoreMisplaced, StoreTooNew, StoreUnavailable, Tx
from smsbridge.store.sqlite import SqliteStore, schema_version
from store import made


@pytest.fixture
def path(folder: Path) -> Path:
    return folder / "bridge.sqlite3"


async def test_transactions_that_come_together_share_a_commit_and_one_that_raises_spoils_no_other(path: Path) -> None:
    store = SqliteStore.open(path)
    crowds: list[int] = []
    store.on_commit_seconds = lambda _seconds, count: crowds.append(count)

    def work(tx: Tx, number: int) -> int:
        tx.set_meta(f"key {number}", "written")
        tx.append_event(made.event(f"evt_{number}"))
        match number % 10:
            case 3:
                raise KeyError(number)
            case 5:
                tx.insert_contact(made.contact())  # the same number again: the database refuses it
        return number

    results = await asyncio.gather(
        *(store.write(lambda tx, number=number: work(tx, number)) for number in range(50)), return_exceptions=True
    )
    spoilt = {number for number, result in enumerate(results) if isinstance(result, BaseException)}
    assert spoilt == {number for number in range(50) if number % 10 in (3, 5)} - {5}
    assert not any(isinstance(result, StoreUnavailable) for result in results)
    kept = await store.read(lambda tx: {number for number in range(50) if tx.meta(f"key {number}")})
    assert kept == set(range(50)) - spoilt
    assert await store.read(lambda tx: tx.event_bounds()) == (1, len(kept)), "no number of the log is left out"
    assert len(crowds) < 10
    await store.close()


async def test_a_statement_that_makes_no_sense_is_its_writers_fault_alone(path: Path) -> None:
    store = SqliteStore.open(path)
    await store.write(made.thread)
    results = await asyncio.gather(
        store.write(lambda tx: tx.set_meta("before", "yes")),
        store.write(lambda tx: tx.list_contacts(query="x" * 60_000)),  # longer than a LIKE pattern may be
        store.write(lambda tx: tx.set_meta("after", "yes")),
        return_exceptions=True,
    )
    assert [type(result) for result in results] == [type(None), sqlite3.OperationalError, type(None)]
    await store.close()


async def test_a_savepoint_takes_back_its_own_writes_only(path: Path) -> None:
    store = SqliteStore.open(path)

    def work(tx: Tx) -> None:
        tx.set_meta("outside", "kept")
        try:
            with tx.savepoint():
                tx.set_meta("inside", "taken back")
                raise KeyError
        except KeyError:
            tx.set_meta("afterwards", "kept")

    await store.write(work)
    kept = await store.read(lambda tx: [tx.meta(key) for key in ("outside", "inside", "afterwards")])
    assert kept == ["kept", "", "kept"]
    await store.close()


async def test_a_full_disk_refuses_all_keeps_nothing_and_passes(path: Path) -> None:
    store = SqliteStore.open(path)
    pages = store._writer.execute("PRAGMA page_count").fetchone()[0]
    store._writer.execute(f"PRAGMA max_page_count = {pages + 2}")
    results = await asyncio.gather(
        *(store.write(lambda tx, key=key: tx.set_meta(key, key * 30_000)) for key in "abcdefgh"), return_exceptions=True
    )
    assert {type(result) for result in results} == {StoreUnavailable}
    assert await store.read(lambda tx: [tx.meta(key) for key in "abcdefgh"]) == [""] * 8
    store._writer.execute("PRAGMA max_page_count = 1000000")
    await store.write(lambda tx: tx.set_meta("a", "again"))
    assert not store.broken.is_set()
    await store.close()


async def test_a_full_disk_that_has_a_reserve_keeps_the_crowd_that_found_it_full(path: Path) -> None:
    store = SqliteStore.open(path)
    pages = store._writer.execute("PRAGMA page_count").fetchone()[0]
    store._writer.execute(f"PRAGMA max_page_count = {pages + 2}")
    asked = 0

    def make_room() -> bool:
        nonlocal asked
        asked += 1
        store._writer.execute(f"PRAGMA max_page_count = {pages + 200}")
        return asked == 1

    store.on_full = make_room
    await asyncio.gather(*(store.write(lambda tx, key=key: tx.set_meta(key, key * 30_000)) for key in "abcdefgh"))
    assert await store.read(lambda tx: [len(tx.meta(key)) for key in "abcdefgh"]) == [30_000] * 8
    with pytest.raises(StoreUnavailable):
        await store.write(lambda tx: tx.set_meta("more", "x" * 2_000_000))
    assert asked == 2
    await store.close()


async def test_listeners_hear_of_queues_and_of_the_log_after_the_commit(path: Path) -> None:
    store = SqliteStore.open(path)
    heard: list[Commit] = []
    leave = store.subscribe(heard.append)
    await store.write(lambda tx: (tx.enqueue(made.job()), tx.append_event(made.event())))
    await store.write(lambda tx: tx.set_meta("nobody", "waits for this"))
    leave()
    await store.write(lambda tx: tx.enqueue(made.job()))
    assert heard == [Commit(queues=frozenset({"queue"}), last_event_seq=1)]
    await store.close()


async def test_what_was_written_stands_although_its_writer_went_away(path: Path) -> None:
    store = SqliteStore.open(path)
    writing = asyncio.create_task(store.write(lambda tx: tx.set_meta("key", "value")))
    await asyncio.sleep(0)
    writing.cancel()
    await store.write(lambda tx: tx.set_meta("other", "value"))
    assert await store.read(lambda tx: tx.meta("key")) == "value"
    await store.close()


async def test_closing_waits_for_what_is_written_and_then_refuses(path: Path) -> None:
    store = SqliteStore.open(path)
    writing = asyncio.create_task(store.write(lambda tx: tx.set_meta("key", "value")))
    await asyncio.sleep(0)
    await store.close()
    await store.close()
    await writing
    with pytest.raises(StoreUnavailable):
        await store.write(lambda tx: tx.set_meta("key", "late"))
    with pytest.raises(StoreUnavailable):
        await store.read(lambda tx: tx.meta("key"))
    again = SqliteStore.open(path)
    assert await again.read(lambda tx: tx.meta("key")) == "value"
    await again.close()


async def test_a_second_process_is_kept_out(path: Path) -> None:
    store = SqliteStore.open(path)
    with pytest.raises(StoreInUse):
        SqliteStore.open(path)
    await store.close()
    await SqliteStore.open(path).close()


async def test_a_database_on_another_computer_is_refused_and_nothing_is_written_there(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("smsbridge.store.sqlite.file_system_of", lambda folder: "nfs4" if folder == path.parent else "")
    with pytest.raises(StoreMisplaced, match="nfs4, over a network"):
        SqliteStore.open(path)
    assert list(path.parent.iterdir()) == []


async def test_everybody_who_waits_is_refused_while_another_program_writes_to_the_file(path: Path) -> None:
    store = SqliteStore.open(path)
    store._writer.execute("PRAGMA busy_timeout = 1")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    refused = await asyncio.gather(
        *(store.write(lambda tx, key=key: tx.set_meta(key, "v")) for key in "abc"), return_exceptions=True
    )
    assert [type(each) for each in refused] == [StoreUnavailable] * 3
    other.execute("ROLLBACK")
    other.close()
    await store.write(lambda tx: tx.set_meta("a", "v"))
    await store.close()


async def test_a_database_of_a_later_version_is_refused_and_left_alone(path: Path) -> None:
    await SqliteStore.open(path).close()
    connection = sqlite3.connect(path)
    newest = schema_version(connection)
    connection.execute(f"PRAGMA user_version = {newest + 1}")
    connection.close()
    with pytest.raises(StoreTooNew, match=str(newest + 1)):
        SqliteStore.open(path)
    connection = sqlite3.connect(path)
    assert schema_version(connection) == newest + 1
    connection.close()


async def test_what_is_no_database_is_refused_and_left_alone(path: Path) -> None:
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(StoreUnavailable):
        SqliteStore.open(path)
    assert path.read_bytes() == b"not a database" * 100
