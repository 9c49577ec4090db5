"""The store for several daemons: one PostgreSQL database, any number of smsbridge processes on it.

Every write is a transaction of its own at REPEATABLE READ, run in one of a few threads. Of two that change the same
row PostgreSQL refuses the later one, and whoever was overtaken is run again: so nothing read in a transaction was
changed by somebody else before it was written. Two that must notice each other although they change no row in common
meet in a stripe (messages.sql), in the lane (jobs.sql) or in the contact (journal.sql).

Nothing here needs a session: no setting or lock outlives a transaction, so PgBouncer may hand out connections by
transaction. Two would like one and do without: the wake-up (news.py), and whoever prepares statements (line.py).

Sources: https://www.postgresql.org/docs/current/transaction-iso.html#XACT-REPEATABLE-READ
https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-SNAPSHOT (pg_xact_status)
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any, Final, Self, TypeVar

import psycopg
from psycopg import errors

from smsbridge.contracts.store import Commit, StoreAway, StoreTooNew, StoreUnavailable, Tx
from smsbridge.store.line import Line, cut_after, reach, words
from smsbridge.store.listeners import Listeners
from smsbridge.store.news import EVENTS_TO_A_TRANSACTION, News
from smsbridge.store.queries import load_migrations, load_postgres_queries
from smsbridge.store.tx import SqlTx

T = TypeVar("T")

MAX_WAITING: Final = 5_000
"""Writes that may wait for a thread; more are refused at once rather than answered too late."""
WRITERS: Final = 4
READERS: Final = 3
LONGEST_WRITE_S: Final = 8.0
"""A transaction that takes longer is cut off: readers of the event log wait for it (journal.sql, `settled`)."""
FIRST_ANSWER_S: Final = 5.0
LONGEST_READ_S: Final = 25.0
LOOK_AFTER_S: Final = 0.25
TOLD_AFTER_S: Final = 10.0
"""How long is asked what became of a commit whose answer was lost: a server that was restarted is back by then."""
CLOCK_TOLERANCE_S: Final = 10.0
PAUSE_S: Final = 0.5
"""After the database could not be reached, everybody is refused for so long without asking it again. Not where it gave
somebody an answer within the same time: then it is one connection that it does not let us have, and the others work."""
MOST_TRIES: Final = 30
_TRIES_OF_A_CLASH: Final = 3
"""A unique key that is still taken the third time is no race but what the caller asked for."""
_LIFE: Final = (
    "extract(epoch FROM pg_postmaster_start_time()), extract(epoch FROM pg_stat_get_bgwriter_stat_reset_time())"
)
"""Differs between any two lives of a server: where one of its processes crashes, the others end and it begins anew, and
keeps its time of start but not its statistics. Both may be read by everybody."""
_BEGIN_WRITE: Final = (
    "BEGIN ISOLATION LEVEL REPEATABLE READ; SET LOCAL synchronous_commit = 'on'; SET LOCAL statement_timeout = '5s';"
    "SET LOCAL lock_timeout = '3s'; SET LOCAL idle_in_transaction_session_timeout = '8s';"
    # The first by which it can be told that a transaction is one of ours, and so before it has its number (news.py).
    "LOCK TABLE events IN ROW EXCLUSIVE MODE;"
    f"SELECT concat_ws(' ', pg_current_xact_id(), {_LIFE})"
)
_WHAT_BECAME: Final = f"SELECT pg_xact_status(CAST(%(xid)s AS xid8)), concat_ws(' ', {_LIFE})"
_BEGIN_READ: Final = (
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = '20s';"
    "SET LOCAL idle_in_transaction_session_timeout = '20s'"
)
_MIGRATION_LOCK: Final = 0x736D7362  # "smsb"


class Overtaken(StoreUnavailable):
    """Another transaction was quicker; this one is run again and sees what that one wrote."""


class PostgresStore:
    """contracts.store.Store on one database. Made by `open` in a running event loop, ended by `close`."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._number_key = b""
        """Of the database; none while it has not been reached."""
        self._why_away = "it was not asked for"
        self.daemon = secrets.token_hex(8)
        """Under this name the lanes of this process are held: a process that starts again is another one."""
        self._writers = ThreadPoolExecutor(WRITERS, thread_name_prefix="store-write")
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="store-read")
        self._lines = threading.local()
        self._all_lines: set[Line] = set()
        self._waiting = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._answered_at = 0.0
        self._away_until = 0.0
        self._is_closed = False
        self._listeners = Listeners()
        self._loop = asyncio.get_running_loop()
        self._news = News(
            url,
            daemon=self.daemon,
            hear=lambda commit: self._loop.call_soon_threadsafe(self._listeners.tell, commit),
            give_up=lambda: self._loop.call_soon_threadsafe(self.broken.set),
        )
        self._all_lines |= self._news.lines
        self._looking_after = self._loop.call_later(LOOK_AFTER_S, self._cut_off_late)
        self.broken = asyncio.Event()
        """Set by a bug alone. What fails otherwise is a connection, and the next one is new."""
        self.on_commit_seconds: Callable[[float, int], None] | None = None
        """Told how long each commit took, and that it held one transaction."""
        self.on_full: Callable[[], bool] = lambda: False
        """Never called: the database's disk is not ours."""
        self.on_overtaken: Callable[[], None] | None = None

    @classmethod
    def open(cls, url: str, *, may_be_away: bool = False) -> Self:
        """Brings the schema up to date. One that `may_be_away` and is refuses everybody until `reach` has reached it.

        Raises StoreAway where it may not be, StoreTooNew, or StoreUnavailable with what the database said.
        """
        number_key, why_away = b"", ""
        try:
            number_key = prepare(url)
        except StoreAway as away:
            if not may_be_away:
                raise
            why_away = str(away)
        store = cls(url)
        if number_key:
            store._begin(number_key)
        else:
            store._why_away = why_away
        return store

    # --- contracts.store.Store

    @property
    def is_exclusive(self) -> bool:
        return False

    @property
    def is_away(self) -> bool:
        return not self._number_key

    async def reach(self) -> None:
        if not self.is_away:
            return
        try:
            number_key = await self._loop.run_in_executor(None, prepare, self._url)
        except StoreAway as away:
            self._why_away = str(away)
            raise
        self._begin(number_key)

    def _begin(self, number_key: bytes) -> None:
        self._number_key = number_key
        self._news.start()

    async def write(self, work: Callable[[Tx], T], *, patience_s: float | None = None) -> T:
        self._refuse_if_down()
        if self._waiting >= MAX_WAITING:
            raise StoreUnavailable("too many writes are waiting for the database")
        self._waiting += 1
        self._idle.clear()
        # Shielded: whoever waited may be cancelled; a transaction that has begun is not torn in two for that.
        running = self._loop.run_in_executor(self._writers, self._write, work)
        running.add_done_callback(self._written)
        patience = asyncio.timeout(patience_s)
        try:
            async with patience:
                return await asyncio.shield(running)
        except TimeoutError:
            if not patience.expired():
                raise  # it is the caller's own
            if running.done():  # in the very moment: a busy loop hears of both at once
                return running.result()
            raise StoreUnavailable(f"the database has not answered within {patience_s:g} seconds") from None

    async def read(self, work: Callable[[Tx], T]) -> T:
        self._refuse_if_down()
        return await self._loop.run_in_executor(self._readers, self._read, work)

    def subscribe(self, listener: Callable[[Commit], None]) -> Callable[[], None]:
        return self._listeners.add(listener)

    async def healthy(self) -> Mapping[str, Any]:
        started = time.monotonic()
        await self.write(lambda tx: tx.set_meta("healthy_at", str(int(time.time()))))
        return {
            "engine": self._news.engine,
            "write_ms": round((time.monotonic() - started) * 1000, 1),
            "wake_up": "notified" if self._news.is_listening else "polling",
        }

    async def close(self) -> None:
        """Waits for what is being written. Closing again changes nothing."""
        if self._is_closed:
            return
        self._is_closed = True
        await self._idle.wait()
        await self._loop.run_in_executor(None, self._close)
        self._looking_after.cancel()  # the last: until here somebody may hang who must be cut off

    def _close(self) -> None:
        self._news.stop()
        self._writers.shutdown(wait=True)
        self._readers.shutdown(wait=True)
        for line in self._all_lines:
            line.hang_up()

    # --- writing, in a thread

    def _write(self, work: Callable[[Tx], T]) -> T:
        self._refuse_if_away()  # it was asked for before, and has waited for a thread since
        clashes: Counter[str] = Counter()
        for attempt in range(1, MOST_TRIES + 1):
            try:
                return self._attempt(work, clashes if attempt < MOST_TRIES else None)
            except Overtaken:
                if self.on_overtaken is not None:
                    self.on_overtaken()
                time.sleep(random.random() * 0.001 * min(attempt, 10) ** 2)
        raise StoreUnavailable(f"overtaken by other transactions {MOST_TRIES} times in a row")

    def _attempt(self, work: Callable[[Tx], T], clashes: Counter[str] | None) -> T:
        with self._line("write", LONGEST_WRITE_S) as line:
            begun = _begin(line, _BEGIN_WRITE)
            rows = PostgresRows(line.connection, clashes=clashes)
            tx = SqlTx(rows, self._number_key, self.daemon)
            result = work(tx)
            started = time.monotonic()
            try:
                line.commit()
            except psycopg.OperationalError as error:
                if not self._was_committed(begun):
                    raise StoreUnavailable(words(error)) from error
            if self.on_commit_seconds is not None:
                self.on_commit_seconds(time.monotonic() - started, 1)
        for afterwards in tx.works:
            self._loop.call_soon_threadsafe(afterwards)
        if tx.queues:
            self._loop.call_soon_threadsafe(self._listeners.tell, Commit(queues=frozenset(tx.queues)))
        if tx.queues or tx.event_seq:
            self._news.tell(tx.queues, has_events=bool(tx.event_seq))
        return result

    def _was_committed(self, begun: str) -> bool:
        """The connection broke while it was asked to commit: only the database knows what became of it.

        `begun` is the number of the transaction, and the server's life. One that broke down gives a number out again
        of which nothing was on its disk: what was committed under it in another life may be another's.
        Raises StoreUnavailable where it cannot say.
        """
        xid, _, life = begun.partition(" ")
        asking = Line(self._url, longest_s=LONGEST_WRITE_S)
        self._all_lines.add(asking)
        until = time.monotonic() + TOLD_AFTER_S
        try:
            while time.monotonic() < until:
                with contextlib.suppress(psycopg.OperationalError):
                    [(status, asked)] = asking.rows(_WHAT_BECAME, {"xid": xid})
                    if status == "committed" and asked != life:
                        break
                    if status != "in progress":  # else the other end has not noticed yet that we have gone
                        return bool(status == "committed")
                if asking.is_broken:
                    self._pause()
                time.sleep(0.05)
        except psycopg.Error:  # it has never heard of it: another server has taken the place of that one
            pass
        finally:
            self._all_lines.discard(asking)
            asking.hang_up()
        raise StoreUnavailable("the database went away during a commit, and whether it was kept is not known")

    def _read(self, work: Callable[[Tx], T]) -> T:
        self._refuse_if_away()
        with self._line("read", LONGEST_READ_S) as line:
            _begin(line, _BEGIN_READ)
            rows = PostgresRows(line.connection, horizon=self._news.horizon)
            result = work(SqlTx(rows, self._number_key, self.daemon))
            line.roll_back()
            return result

    @contextlib.contextmanager
    def _line(self, name: str, longest_s: float) -> Iterator[Line]:
        """This thread's connection; what breaks it is told as StoreUnavailable, and the next one is new."""
        line: Line | None = getattr(self._lines, name, None)
        if line is None:
            line = Line(self._url, longest_s=longest_s, prepares=name == "write")
            setattr(self._lines, name, line)
            self._all_lines.add(line)
        with line.busy():
            try:
                yield line
            except BaseException as error:
                line.roll_back()
                if line.is_broken and isinstance(error, psycopg.OperationalError):  # it could not be opened
                    self._pause()
                if isinstance(error.__cause__, errors.ReadOnlySqlTransaction):
                    line.hang_up()  # a standby by now: the next connection looks for the one that can write
                if isinstance(error, (psycopg.OperationalError, psycopg.InternalError)):
                    raise StoreUnavailable(words(error)) from error
                raise
        self._answered_at = time.monotonic()

    def _pause(self) -> None:
        now = time.monotonic()
        if now - self._answered_at > PAUSE_S:
            self._away_until = now + PAUSE_S

    # --- in the event loop

    def _cut_off_late(self) -> None:
        for line in tuple(self._all_lines):
            line.cut_if_late()
        self._looking_after = self._loop.call_later(LOOK_AFTER_S, self._cut_off_late)

    def _written(self, _running: object) -> None:
        self._waiting -= 1
        if not self._waiting:
            self._idle.set()

    def _refuse_if_down(self) -> None:
        if self._is_closed:
            raise StoreUnavailable("the store is closed")
        if self.is_away:
            raise StoreUnavailable(f"the database could not be reached since the start: {self._why_away}")
        self._refuse_if_away()

    def _refuse_if_away(self) -> None:
        if time.monotonic() < self._away_until:
            raise StoreUnavailable("the database cannot be reached")


def _begin(line: Line, statements: str) -> str:
    """Whatever the server has against a transaction that has done nothing yet is no fault of whoever asked for it."""
    try:
        return line.begin(statements)
    except psycopg.OperationalError:
        raise
    except psycopg.Error as error:
        raise StoreUnavailable(words(error)) from error


class PostgresRows:
    """store.tx.Rows on one connection."""

    __slots__ = ("_clashes", "_cursor", "_events", "_horizon", "_queries")

    def __init__(
        self, connection: psycopg.Connection, *, clashes: Counter[str] | None = None, horizon: int = 0
    ) -> None:
        """`clashes`: how often each key was found taken. It may have been taken just now, so it is tried again, with
        others perhaps in the way; the same key again and again is a mistake of ours. `horizon`: news.py."""
        self._cursor = connection.cursor()
        self._horizon = horizon
        self._queries = load_postgres_queries()
        self._clashes = clashes
        self._events = 0

    def one(self, name: str, values: Mapping[str, Any]) -> Sequence[Any] | None:
        if name == "event_bounds":
            values = {"horizon": self._horizon}
        return self._execute(name, values).fetchone()

    def all(self, name: str, values: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        if name == "events_after":
            values = {**values, "horizon": self._horizon}
        return self._execute(name, values).fetchall()

    def run(self, name: str, values: Mapping[str, Any]) -> int:
        return self._execute(name, values).rowcount

    def insert(self, name: str, values: Mapping[str, Any]) -> int:
        if name == "append_event":
            if self._events == EVENTS_TO_A_TRANSACTION:
                raise StoreUnavailable("one transaction tells of too many events")
            values = {**values, "place": self._events}
            self._events += 1
        row = self._execute(name, values).fetchone()
        assert row is not None  # noqa: S101 - an INSERT ... RETURNING always has one
        number: int = row[0]
        return number

    def in_list(self, name: str, ids: Collection[str]) -> Sequence[Sequence[Any]]:
        return self._execute(name, {"ids": list(ids)}).fetchall() if ids else []

    def savepoint(self) -> AbstractContextManager[None]:
        return _Savepoint(self._cursor)

    @staticmethod
    def _is_news(clashes: Counter[str], error: psycopg.Error) -> bool:
        key = f"{error.diag.constraint_name} {error.diag.message_detail}"
        clashes[key] += 1
        return clashes[key] < _TRIES_OF_A_CLASH

    def _execute(self, name: str, values: Mapping[str, Any]) -> psycopg.Cursor:
        try:
            return self._cursor.execute(self._queries[name], _without_nul(values))
        except (errors.SerializationFailure, errors.DeadlockDetected) as error:
            raise Overtaken(words(error)) from error
        except (errors.UniqueViolation, errors.ForeignKeyViolation) as error:
            if self._clashes is not None and self._is_news(self._clashes, error):
                raise Overtaken(words(error)) from error
            raise
        except (psycopg.OperationalError, psycopg.InternalError) as error:
            raise StoreUnavailable(words(error)) from error


class _Savepoint:
    """A transaction in the transaction."""

    __slots__ = ("_cursor",)

    def __init__(self, cursor: psycopg.Cursor) -> None:
        self._cursor = cursor

    def __enter__(self) -> None:
        self._run("SAVEPOINT nested")

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if error is None:
            self._run("RELEASE nested")
        elif isinstance(error, Exception) and not isinstance(error, StoreUnavailable):
            self._run("ROLLBACK TO nested")
            self._run("RELEASE nested")

    def _run(self, statement: str) -> None:
        try:
            self._cursor.execute(statement)
        except (psycopg.OperationalError, psycopg.InternalError) as error:
            raise StoreUnavailable(words(error)) from error


def prepare(url: str) -> bytes:
    """Looks at the database, brings its schema up to date, and returns the key under which it hashes numbers.

    Raises StoreAway, StoreTooNew or StoreUnavailable.
    """
    try:
        connection = reach(url)
    except psycopg.Error as error:
        raise StoreUnavailable(words(error)) from error
    with contextlib.closing(connection):
        try:
            with cut_after(connection, FIRST_ANSWER_S):
                _check(connection)
            migrate(connection)
            return _number_key(connection)
        except psycopg.Error as error:
            raise (StoreAway if connection.closed else StoreUnavailable)(words(error)) from error


def migrate(connection: psycopg.Connection) -> None:
    """Brings the schema up to date in one transaction; daemons that start together wait for one another.

    Raises StoreTooNew.
    """
    migrations = load_migrations("postgres")
    newest = migrations[-1][0]
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_MIGRATION_LOCK,))
        connection.execute("CREATE TABLE IF NOT EXISTS schema_version (version bigint NOT NULL)")
        row = connection.execute("SELECT max(version) FROM schema_version").fetchone()
        version = (row[0] if row else None) or 0
        if version > newest:
            raise StoreTooNew(
                f"the database has schema {version}, this version of smsbridge knows up to {newest}: "
                "run the version that wrote it, or a later one"
            )
        for number, script in migrations:
            if number > version:
                connection.execute(_translate(script))
                connection.execute("INSERT INTO schema_version (version) VALUES (%s)", (number,))
        _count_on(connection)


def _count_on(connection: psycopg.Connection) -> None:
    """Events are numbered by transactions (journal.sql). A database that was restored into another server, whose
    transactions have lower numbers, counts on from where the log ends."""
    newest = _value(connection, "SELECT coalesce(max(seq), 0) FROM events")
    base = _value(connection, load_postgres_queries()["events_base"])
    # Asked for afterwards: it is above every transaction whose event was seen.
    next_xid = _value(connection, "SELECT CAST(CAST(pg_snapshot_xmax(pg_current_snapshot()) AS text) AS bigint)")
    if newest >= (next_xid + base) * EVENTS_TO_A_TRANSACTION:
        base = newest // EVENTS_TO_A_TRANSACTION + 1 - next_xid
        connection.execute(
            "INSERT INTO meta (key, value) VALUES ('events_base', %s) "
            "ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            (str(base),),
        )


def _value(connection: psycopg.Connection, statement: str) -> int:
    row = connection.execute(statement).fetchone()
    return int(row[0]) if row else 0


_SAME_THING: Final = (
    (r"\)\s*STRICT(, WITHOUT ROWID)?;", ");"),
    (r"\bINTEGER PRIMARY KEY AUTOINCREMENT\b", "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY"),
    (r"\bINTEGER\b", "BIGINT"),
    (r"\bBLOB\b", "BYTEA"),
    (r"x''", "''"),
    (r"\bTEXT\b", 'TEXT COLLATE "C"'),  # ids and names are compared as SQLite does it: byte by byte
)
"""What the migrations say in SQLite's words, and in PostgreSQL's."""


def _translate(script: str) -> str:
    for theirs, ours in _SAME_THING:
        script = re.sub(theirs, ours, script)
    return script


def _without_nul(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """PostgreSQL keeps no NUL in a text: the sign for it is kept instead (U+2400), and the rest of the text."""
    if any(isinstance(value, str) and "\0" in value for value in values.values()):
        return {
            name: value.replace("\0", "\N{SYMBOL FOR NULL}") if isinstance(value, str) else value
            for name, value in values.items()
        }
    return values


def _check(connection: psycopg.Connection) -> None:
    """Raises StoreUnavailable for a database that may lose texts, or change them, or mistake the time."""
    row = connection.execute(
        "SELECT current_setting('fsync'), current_setting('server_encoding'), extract(epoch FROM clock_timestamp())"
    ).fetchone()
    fsync, encoding, at_s = row or ("", "", 0)
    if fsync == "off":
        raise StoreUnavailable("the database runs with fsync = off and may lose what it has confirmed: switch it on")
    if encoding != "UTF8":
        raise StoreUnavailable(f"the database keeps texts as {encoding} and not as UTF8: create it anew with UTF8")
    ahead_s = time.time() - float(at_s)
    if abs(ahead_s) > CLOCK_TOLERANCE_S:
        raise StoreUnavailable(
            f"this machine's clock and the database's differ by {abs(ahead_s):.0f} s: daemons that share a database "
            "need the same time, so let both keep it by NTP"
        )


def _number_key(connection: psycopg.Connection) -> bytes:
    """The key under which numbers are hashed, made once for each database."""
    connection.execute(
        "INSERT INTO meta (key, value) VALUES ('number_key', %s) ON CONFLICT (key) DO NOTHING", (secrets.token_hex(32),)
    )
    row = connection.execute("SELECT value FROM meta WHERE key = 'number_key'").fetchone()
    assert row is not None  # noqa: S101 - put in by the line before
    return bytes.fromhex(row[0])
