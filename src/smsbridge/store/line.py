"""A connection to PostgreSQL that one thread uses, and that another may cut when it takes too long.

A server that has stopped answering, or a network that swallows what it is given, is not noticed by whoever waits for an
answer. So everything that waits does it on a `Line`, and the store's event loop looks at them all, four times a second.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

import psycopg
from psycopg import errors, pq
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from smsbridge.contracts.store import StoreAway, StoreUnavailable

_SETTINGS: Final[dict[str, Any]] = {
    "connect_timeout": 3,
    "tcp_user_timeout": 5_000,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "application_name": "smsbridge",
    "client_encoding": "utf8",
    "target_session_attrs": "read-write",  # of several hosts the one that can write, and never a standby
}

_PREPARE_AFTER: Final = 2
"""Uses of a statement before it is prepared."""
_MOST_PREPARED: Final = 400
"""More than there are."""


class Line:
    """Opened when it is needed, dropped when it broke.

    A writer's statements are prepared (`prepares`), which takes a third off what the database spends on them: they are
    few, and each picks its rows by key. A reader's are planned anew, since a list's best plan hangs on its filters.
    """

    def __init__(self, url: str, *, longest_s: float, prepares: bool = False) -> None:
        self._url = url
        self._longest_s = longest_s
        self._prepares = prepares
        self._connection: psycopg.Connection | None = None
        self._twin: socket.socket | None = None
        """The same connection under a number of our own: psycopg may have closed its own while another thread cuts."""
        self._lock = threading.Lock()
        self._busy_since = 0.0

    @property
    def connection(self) -> psycopg.Connection:
        """Opened if need be. Raises psycopg.Error."""
        if self._connection is None:
            opened = connect(self._url)
            try:
                twin = socket.socket(fileno=os.dup(opened.fileno()))
            except OSError as error:  # no file is left
                opened.close()
                raise psycopg.OperationalError(str(error)) from error
            with self._lock:
                self._connection, self._twin = opened, twin
            if self._prepares:
                self._begin_to_prepare(opened)
        return self._connection

    @property
    def is_broken(self) -> bool:
        return self._connection is None

    @contextlib.contextmanager
    def busy(self) -> Iterator[None]:
        """Whoever is busy for longer than `longest_s` is cut off, and gets psycopg.OperationalError."""
        self._busy_since = time.monotonic()
        try:
            yield
        finally:
            self._busy_since = 0.0

    def begin(self, statements: str) -> str:
        """Returns what the last of them gave. A connection that died while nobody used it is replaced once.

        Raises psycopg.Error.
        """
        if self._connection is not None:
            try:
                return _run_all(self._connection, statements)
            except psycopg.Error:
                self.hang_up()
        return _run_all(self.connection, statements)

    def _begin_to_prepare(self, connection: psycopg.Connection) -> None:
        """Only where nobody in between hands the session to others: whoever answers is the one that greeted us.

        PgBouncer greets with a number of its own, by which it knows whose query is to be cancelled.
        """
        try:
            row = connection.execute("SELECT pg_backend_pid()").fetchone()
        except psycopg.Error:
            self.hang_up()
            raise
        if row == (connection.info.backend_pid,):
            connection.prepare_threshold = _PREPARE_AFTER
            connection.prepared_max = _MOST_PREPARED

    def commit(self) -> None:
        """Raises psycopg.OperationalError when the connection broke, and then nobody here knows how it ended."""
        cursor = self.connection.execute("COMMIT")
        if cursor.statusmessage != "COMMIT":  # a statement had failed, and whoever ran it went on all the same
            raise StoreUnavailable("the transaction was rolled back by the database")

    def roll_back(self) -> None:
        """Drops the connection where that fails."""
        if self._connection is None:
            return
        try:
            self._connection.execute("ROLLBACK")
        except psycopg.Error:
            self.hang_up()

    def rows(self, statement: str, values: Mapping[str, Any] | None = None) -> list[Any]:
        """One statement by itself. Raises psycopg.Error, and then the connection is dropped."""
        try:
            with self.busy():
                cursor = self.connection.execute(statement, values)
                return cursor.fetchall() if cursor.description else []
        except psycopg.Error:
            self.hang_up()
            raise

    def hang_up(self) -> None:
        with self._lock:
            connection, self._connection = self._connection, None
            twin, self._twin = self._twin, None
        if connection is not None:
            with contextlib.suppress(psycopg.Error):
                connection.close()
        if twin is not None:
            twin.close()

    # --- from other threads

    def cut_if_late(self) -> None:
        if self._busy_since and time.monotonic() - self._busy_since > self._longest_s:
            self.cut()

    def cut(self) -> None:
        """The thread that waits for an answer gets an error instead."""
        with self._lock, contextlib.suppress(OSError):
            if self._twin is not None:
                self._twin.shutdown(socket.SHUT_RDWR)


def connect(url: str) -> psycopg.Connection:
    """Raises psycopg.Error. No word of the address is in its text but host and port."""
    return psycopg.connect(**{**_SETTINGS, **read_url(url)}, autocommit=True, prepare_threshold=None)


def reach(url: str) -> psycopg.Connection:
    """A first connection. Raises StoreAway when nobody lets anybody in there now; psycopg.Error for what whoever does
    has against us: that will be the same the next time.

    By the error alone the two cannot be told apart: libpq gives no code with it, and servers have their own languages.
    https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PQPINGPARAMS
    """
    try:
        return connect(url)
    except psycopg.OperationalError as error:
        if isinstance(error, errors.ConnectionTimeout) or _is_crowded(error) or not _takes_anybody(url):
            raise StoreAway(words(error)) from error
        return connect(url)  # it has just come up, or means it


def _takes_anybody(url: str) -> bool:
    target = make_conninfo(**{**_SETTINGS, **read_url(url)})
    return pq.PGconn.ping(target.encode()) == pq.Ping.OK


def _is_crowded(error: psycopg.Error) -> bool:
    """As far as servers say it in English: elsewhere it ends the start, like whatever else they have against us."""
    return any(said in str(error) for said in _CROWDED)


@contextlib.contextmanager
def cut_after(connection: psycopg.Connection, seconds: float) -> Iterator[None]:
    """Whoever waits longer for an answer gets psycopg.OperationalError, and the connection is closed: PgBouncer lets
    everybody in, and keeps them waiting for two minutes for a server that is away."""
    twin = socket.socket(fileno=os.dup(connection.fileno()))

    def cut() -> None:
        with contextlib.suppress(OSError):
            twin.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, cut)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        twin.close()


def read_url(url: str) -> dict[str, Any]:
    """Raises StoreUnavailable for what is no address, without repeating any of it: there may be a password in it."""
    try:
        read: dict[str, Any] = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        raise StoreUnavailable(_NO_ADDRESS) from None
    if any("@" in str(read.get(key, "")) for key in ("host", "port", "dbname")):  # the rest of a password
        raise StoreUnavailable(_NO_ADDRESS)
    return read


def words(error: BaseException) -> str:
    """The first line of what the database said: the rest is for its own log."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _run_all(connection: psycopg.Connection, statements: str) -> str:
    cursor = connection.execute(statements)
    while cursor.nextset():
        pass
    row = cursor.fetchone() if cursor.description else None
    return str(row[0]) if row else ""


_CROWDED: Final = (
    "too many clients",
    "too many connections",
    "remaining connection slots",
    "no more connections allowed",
)
"""PostgreSQL's words and PgBouncer's for a limit that is reached now."""
_NO_ADDRESS: Final = (
    "store.url cannot be read: it must be like postgresql://user:password@host:5432/database. In the password every "
    "character that is no letter and no digit must be written as % and two digits (@ is %40, / is %2F)"
)
