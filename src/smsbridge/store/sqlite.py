"""The embedded store: one SQLite file, one writer, many transactions to a commit.

Where the work runs. Transactions are short and come in crowds, so they run in the event loop itself, one after the
other, each in its own savepoint; only the commit, with its wait for the disk, goes to a thread. While it waits, the
next crowd gathers. (Running the statements in a thread as well was slower: the interpreter lock changes hands at
every statement, and a busy loop gives it back late. docs/decisions/0003-writes-in-the-loop.md has the figures.)
Reads run in threads of their own on read-only connections, so that a long search holds up nobody.

SQLite before 3.51.3 can corrupt a WAL file when two connections write or checkpoint at once
(https://sqlite.org/wal.html#walresetbug): so there is exactly one writing connection, only it checkpoints, and a lock
file keeps every other process from becoming a second one.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import re
import secrets
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import cache
from operator import itemgetter
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from smsbridge.contracts.store import Commit, StoreInUse, StoreMisplaced, StoreTooNew, StoreUnavailable, Tx
from smsbridge.store.listeners import Listeners
from smsbridge.store.places import REFUSED_FILE_SYSTEMS, file_system_of
from smsbridge.store.queries import load_migrations, load_queries
from smsbridge.store.tx import SqlTx

T = TypeVar("T")

APPLICATION_ID: Final = 0x736D7362  # "smsb", so that `file` and a human can tell what the file is
MAX_WAITING: Final = 5_000
"""Writes that may wait for a commit; more are refused at once rather than answered too late."""
BATCH_S: Final = 0.010
"""How long one crowd may keep the event loop before it is committed."""
READERS: Final = 3
CACHE_KIB: Final = 16 * 1024
"""Of pages that the writing connection keeps. It fills up with what is written, and then stays as it is."""
_IDS_PER_QUERY: Final = 500
_NEVER_GO_ON: Final = frozenset({"SQLITE_IOERR", "SQLITE_CORRUPT", "SQLITE_NOTADB"})
"""After these nothing that memory holds about the file can be trusted: the process must start anew."""


class SqliteStore:
    """contracts.store.Store on one file. Made by `open`, used in one event loop, ended by `close`."""

    def __init__(self, path: Path, lock: int, writer: sqlite3.Connection, number_key: bytes) -> None:
        self._path = path
        self._lock = lock
        self._writer = writer
        self._rows = SqliteRows(writer)
        self._number_key = number_key
        self._daemon = secrets.token_hex(8)
        self._waiting: deque[tuple[Callable[[Tx], Any], asyncio.Future[Any]]] = deque()
        self._is_writing = False
        self._broken = ""
        self._is_closed = False
        self._idle = asyncio.Event()
        self._idle.set()
        self._committer = ThreadPoolExecutor(1, thread_name_prefix="store-commit")
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="store-read")
        self._reader = threading.local()
        self._reader_connections: list[sqlite3.Connection] = []
        self._listeners = Listeners()
        self.broken = asyncio.Event()
        """Set when the store can never be used again by this process."""
        self.on_commit_seconds: Callable[[float, int], None] | None = None
        """Told how long each commit took and how many transactions it held."""
        self.on_overtaken: Callable[[], None] | None = None
        """Never called: here transactions run one after the other."""
        self.on_full: Callable[[], bool] = lambda: False
        """Told that there is no room on the disk; whether it made some, so that it is worth another try."""

    @classmethod
    def open(cls, path: Path) -> Self:
        """Opens or creates the database and brings its schema up to date.

        Raises StoreInUse, StoreTooNew, StoreMisplaced, or StoreUnavailable with what the disk said.
        """
        _check_place(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreUnavailable(f"{path}: {error.strerror}") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise StoreInUse(f"{path} is in use by another smsbridge process") from None
        with contextlib.ExitStack() as undo:
            undo.callback(os.close, lock)
            try:
                writer = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=512)
                undo.callback(writer.close)
                os.chmod(path, 0o600)  # texts of people are in there
                _set_up(writer)
                migrate(writer)
                number_key = _number_key(writer)
            except (sqlite3.Error, OSError) as error:
                raise StoreUnavailable(f"{path}: {error}") from error
            undo.pop_all()
        return cls(path, lock, writer, number_key)

    # --- contracts.store.Store

    @property
    def is_exclusive(self) -> bool:
        return True

    @property
    def is_away(self) -> bool:
        return False

    async def reach(self) -> None:
        """It is here."""

    async def write(self, work: Callable[[Tx], T], *, patience_s: float | None = None) -> T:  # noqa: ARG002
        # The disk is our own: it answers, or everything here waits for it.
        if self._broken or self._is_closed:
            raise StoreUnavailable(self._broken or "the store is closed")
        if len(self._waiting) >= MAX_WAITING:
            raise StoreUnavailable("too many writes are waiting for the disk")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        self._waiting.append((work, done))
        if not self._is_writing:
            self._is_writing = True
            self._idle.clear()
            loop.call_soon(self._write_crowd)
        return await done

    async def read(self, work: Callable[[Tx], T]) -> T:
        if self._is_closed:
            raise StoreUnavailable("the store is closed")
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, work)

    def subscribe(self, listener: Callable[[Commit], None]) -> Callable[[], None]:
        return self._listeners.add(listener)

    async def healthy(self) -> Mapping[str, Any]:
        started = time.monotonic()
        await self.write(lambda tx: tx.set_meta("healthy_at", str(int(time.time()))))
        return {
            "engine": f"sqlite {sqlite3.sqlite_version}",
            "write_ms": round((time.monotonic() - started) * 1000, 1),
            "schema": schema_version(self._writer),
        }

    async def close(self) -> None:
        """Waits for what is being written, then folds the log into the file. Closing again changes nothing."""
        if self._is_closed:
            return
        self._is_closed = True
        await self._idle.wait()
        self._readers.shutdown(wait=True)
        for connection in self._reader_connections:
            connection.close()
        if not self._broken:
            with contextlib.suppress(sqlite3.Error):
                self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._committer.shutdown(wait=True)
        self._writer.close()
        os.close(self._lock)

    # --- writing

    def _write_crowd(self) -> None:
        """Runs the waiting transactions and hands the commit to its thread."""
        tx = SqlTx(self._rows, self._number_key, self._daemon)
        results: list[_Result] = []
        try:
            self._writer.execute("BEGIN IMMEDIATE")
            until = time.monotonic() + BATCH_S
            while self._waiting and (not results or time.monotonic() < until):
                work, done = self._waiting.popleft()
                result = _Result(work, done)
                results.append(result)
                self._run_one(work, tx, result)
        except (sqlite3.Error, StoreUnavailable) as error:
            self._fail(results, error.__cause__ or error)
            return
        committed = asyncio.get_running_loop().run_in_executor(self._committer, self._commit)
        committed.add_done_callback(lambda outcome: self._committed(outcome, results, tx))

    def _run_one(self, work: Callable[[Tx], Any], tx: SqlTx, result: _Result) -> None:
        try:
            with tx.savepoint():
                result.value = work(tx)
        except StoreUnavailable:
            raise  # the disk is full, or worse: it is not this transaction's fault, and none of the crowd can be kept
        except Exception as error:  # noqa: BLE001 - it is the caller's, and goes to the caller
            result.error = error

    def _commit(self) -> float:
        started = time.monotonic()
        self._writer.execute("COMMIT")
        return time.monotonic() - started

    def _committed(self, outcome: asyncio.Future[float], results: list[_Result], tx: SqlTx) -> None:
        error = outcome.exception()
        if error is not None:
            self._fail(results, error)
            return
        for work in tx.works:
            asyncio.get_running_loop().call_soon(work)
        for result in results:
            result.tell()
        if self.on_commit_seconds is not None:
            self.on_commit_seconds(outcome.result(), len(results))
        if tx.queues or tx.event_seq:
            commit = Commit(queues=frozenset(tx.queues), last_event_seq=tx.event_seq)
            self._listeners.tell(commit)
        self._next_crowd()

    def _fail(self, results: list[_Result], error: BaseException) -> None:
        """Nothing of this crowd was kept: everybody in it is told so."""
        with contextlib.suppress(sqlite3.Error):
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
        name = getattr(error, "sqlite_errorname", "")
        if name == "SQLITE_FULL" and self.on_full():
            self._waiting.extendleft((result.work, result.done) for result in reversed(results))
            self._next_crowd()
            return
        if any(name.startswith(fatal) for fatal in _NEVER_GO_ON):
            self._broken = f"the database failed: {error}"
            self.broken.set()
        if self._broken or not results:  # not even begun: it would be the same for all who wait
            results.extend(_Result(work, done) for work, done in self._waiting)
            self._waiting.clear()
        for result in results:
            result.error = StoreUnavailable(self._broken or str(error))
            result.tell()
        self._next_crowd()

    def _next_crowd(self) -> None:
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._write_crowd)
        else:
            self._is_writing = False
            self._idle.set()

    # --- reading

    def _read(self, work: Callable[[Tx], T]) -> T:
        try:
            connection: sqlite3.Connection | None = getattr(self._reader, "connection", None)
            if connection is None:
                connection = _connect_reader(self._path)
                self._reader.connection = connection
                self._reader_connections.append(connection)
            connection.execute("BEGIN")
            try:
                return work(SqlTx(SqliteRows(connection), self._number_key, self._daemon))
            finally:
                connection.execute("ROLLBACK")
        except sqlite3.DatabaseError as error:
            if _is_of_the_database(error):
                raise StoreUnavailable(str(error)) from error
            raise


class _Result:
    """What one transaction of a crowd gave, told to its writer once the crowd is on disk."""

    __slots__ = ("done", "error", "value", "work")

    def __init__(self, work: Callable[[Tx], Any], done: asyncio.Future[Any]) -> None:
        self.work = work
        self.done = done
        self.value: Any = None
        self.error: BaseException | None = None

    def tell(self) -> None:
        if self.done.done():  # whoever waited was cancelled; the transaction stands all the same
            return
        if self.error is None:
            self.done.set_result(self.value)
        else:
            self.done.set_exception(self.error)


class SqliteRows:
    """store.tx.Rows on one connection."""

    __slots__ = ("_connection", "_queries")

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._queries = _by_position()

    def one(self, name: str, values: Mapping[str, Any]) -> Sequence[Any] | None:
        # fetchall and not fetchone: a RETURNING statement that is not read to its end keeps the commit from happening.
        rows = self._execute(name, values).fetchall()
        return rows[0] if rows else None

    def all(self, name: str, values: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        return self._execute(name, values).fetchall()

    def run(self, name: str, values: Mapping[str, Any]) -> int:
        return self._execute(name, values).rowcount

    def insert(self, name: str, values: Mapping[str, Any]) -> int:
        # Not RETURNING, which costs SQLite half as much again: it opens a journal for the statement.
        number: int | None = self._execute(name, values).lastrowid
        assert number is not None  # noqa: S101 - an INSERT always has one
        return number

    def _execute(self, name: str, values: Mapping[str, Any]) -> sqlite3.Cursor:
        sql, pick = self._queries[name]
        return self._connection.execute(sql, pick(values))

    def in_list(self, name: str, ids: Collection[str]) -> Sequence[Sequence[Any]]:
        found: list[Sequence[Any]] = []
        wanted = list(ids)
        for start in range(0, len(wanted), _IDS_PER_QUERY):
            some = wanted[start : start + _IDS_PER_QUERY]
            sql = load_queries()[name].replace("{ids}", ",".join("?" * len(some)))
            found.extend(self._connection.execute(sql, some).fetchall())
        return found

    def savepoint(self) -> AbstractContextManager[None]:
        return _Savepoint(self._connection)


@cache
def _by_position() -> Mapping[str, tuple[str, Callable[[Mapping[str, Any]], Sequence[Any]]]]:
    """Every query with its values numbered, and what picks them: sqlite3 binds by name in twice the time."""
    return {name: _number_values(sql) for name, sql in load_queries().items()}


def _number_values(sql: str) -> tuple[str, Callable[[Mapping[str, Any]], Sequence[Any]]]:
    names = list(dict.fromkeys(_VALUE.findall(sql)))
    numbered = _VALUE.sub(lambda value: f"?{names.index(value[1]) + 1}", sql)
    return numbered, itemgetter(*names) if len(names) > 1 else lambda values: [values[name] for name in names]


_VALUE: Final = re.compile(r":([a-z][a-z0-9_]*)")


class _Savepoint:
    """A transaction in the transaction. Not a generator: there are four of these to a delivered text."""

    __slots__ = ("_connection",)

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        self._connection.execute("SAVEPOINT nested")

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if error is None:
            self._connection.execute("RELEASE nested")
        elif isinstance(error, Exception) and not isinstance(error, StoreUnavailable):
            if _is_of_the_database(error):
                raise StoreUnavailable(str(error)) from error
            self._connection.execute("ROLLBACK TO nested")
            self._connection.execute("RELEASE nested")


def _check_place(path: Path) -> None:
    kind = file_system_of(next(folder for folder in (path.parent, *path.parent.parents) if folder.exists()))
    if kind in REFUSED_FILE_SYSTEMS:
        raise StoreMisplaced(
            f"{path} lies on {kind}, over a network, where neither database nor the lock against a second bridge is "
            "safe. Set data_dir to a folder on a local disk; for several computers use PostgreSQL (store.url)."
        )


def migrate(connection: sqlite3.Connection) -> None:
    """Brings the schema up to date, one migration to a transaction. Raises StoreTooNew."""
    migrations = load_migrations()
    newest = migrations[-1][0]
    version = schema_version(connection)
    if version > newest:
        raise StoreTooNew(
            f"the database has schema {version}, this version of smsbridge knows up to {newest}: "
            "run the version that wrote it, or a later one"
        )
    for number, script in migrations:
        if number > version:
            connection.executescript(f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version = {number};\nCOMMIT;")


def schema_version(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version


def _is_of_the_database(error: BaseException) -> bool:
    """Whether the database failed (full, broken, locked), and not what one transaction asked of it."""
    of_the_caller = (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.ProgrammingError)
    if not isinstance(error, sqlite3.DatabaseError) or isinstance(error, of_the_caller):
        return False
    return getattr(error, "sqlite_errorname", "") != "SQLITE_ERROR"  # a statement that makes no sense: it alone fails


def _set_up(connection: sqlite3.Connection) -> None:
    for pragma in (
        "journal_mode = WAL",
        "synchronous = FULL",  # NORMAL may lose the last commits when the power goes: we have already said 200
        "foreign_keys = ON",
        "busy_timeout = 5000",
        "wal_autocheckpoint = 1000",
        "journal_size_limit = 67108864",
        "mmap_size = 0",
        f"cache_size = -{CACHE_KIB}",
        "temp_store = MEMORY",
        "trusted_schema = OFF",
        "secure_delete = ON",  # what was erased must not lie in a free page
        f"application_id = {APPLICATION_ID}",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _connect_reader(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
    )
    connection.execute("PRAGMA busy_timeout = 5000")
    connection.execute("PRAGMA query_only = ON")
    return connection


def _number_key(connection: sqlite3.Connection) -> bytes:
    """The key under which numbers are hashed, made once for each database."""
    row = connection.execute("SELECT value FROM meta WHERE key = 'number_key'").fetchone()
    if row is None:
        key = secrets.token_hex(32)
        connection.execute("INSERT INTO meta (key, value) VALUES ('number_key', ?)", (key,))
        return bytes.fromhex(key)
    return bytes.fromhex(row[0])
