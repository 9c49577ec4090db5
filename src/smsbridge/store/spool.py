"""The spool: a small SQLite file beside the daemon, for webhooks that come while PostgreSQL is away.

It also remembers which database the daemon was last on, and that one's key for links: so the daemon can start while the
database is away, and a start on one that it has never seen is told apart.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, Self, TypeVar

from smsbridge.contracts.spool import Spooled
from smsbridge.contracts.store import StoreUnavailable

T = TypeVar("T")

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS spooled (
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    account TEXT NOT NULL,
    at_ms   INTEGER NOT NULL,
    request BLOB NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS last_store (
    place    TEXT PRIMARY KEY,
    link_key BLOB NOT NULL
) STRICT, WITHOUT ROWID
"""


class FileSpool:
    """contracts.spool.Spool in one file. Made by `open`, used in one event loop, ended by `close`."""

    def __init__(self, connection: sqlite3.Connection, depth: int, limit: int) -> None:
        self._connection = connection
        self._depth = depth
        self._limit = limit
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="spool")

    @classmethod
    def open(cls, path: Path, *, limit: int) -> Self:
        """Takes no more than `limit` requests. Raises StoreUnavailable with what the disk said."""
        try:
            connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            os.chmod(path, 0o600)  # texts of people are in there
            for statement in ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", "PRAGMA secure_delete = ON"):
                connection.execute(statement)
            connection.executescript(_SCHEMA)
            (depth,) = connection.execute("SELECT count(*) FROM spooled").fetchone()
        except (sqlite3.Error, OSError) as error:
            raise StoreUnavailable(f"{path}: {error}") from error
        return cls(connection, depth, limit)

    @property
    def depth(self) -> int:
        return self._depth

    @property
    def is_full(self) -> bool:
        return self._depth >= self._limit

    def link_key_of(self, place: str) -> bytes | None:
        """The key for links of the database at `place`, if that is where the daemon was last. Only at the start: it is
        read here and now."""
        row = self._connection.execute("SELECT link_key FROM last_store WHERE place = ?", (place,)).fetchone()
        return row[0] if row else None

    async def remember(self, place: str, link_key: bytes) -> None:
        """Raises StoreUnavailable."""

        def note(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM last_store WHERE place <> ?", (place,))
            connection.execute("INSERT OR REPLACE INTO last_store (place, link_key) VALUES (?, ?)", (place, link_key))

        if self.link_key_of(place) != link_key:
            await self._run(note)

    async def put(self, spooled: Spooled) -> None:
        if self.is_full:
            raise StoreUnavailable("the database cannot be reached, and the spool is full")
        self._depth += 1  # at once: whatever comes meanwhile goes behind it
        try:
            await self._run(
                lambda connection: connection.execute(_PUT, (spooled.account, spooled.at_ms, spooled.request))
            )
        except StoreUnavailable:
            self._depth -= 1
            raise

    async def oldest(self, limit: int) -> list[Spooled]:
        rows = await self._run(lambda connection: connection.execute(_OLDEST, (limit,)).fetchall())
        return [Spooled(seq=seq, account=account, at_ms=at_ms, request=kept) for seq, account, at_ms, kept in rows]

    async def drop(self, seqs: Sequence[int]) -> None:
        def drop_all(connection: sqlite3.Connection) -> None:
            connection.execute("BEGIN")
            connection.executemany("DELETE FROM spooled WHERE seq = ?", [(seq,) for seq in seqs])
            connection.execute("COMMIT")

        await self._run(drop_all)
        self._depth -= len(seqs)

    async def close(self) -> None:
        await self._run(lambda connection: connection.close())
        self._thread.shutdown(wait=True)

    async def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        # Shielded: a request whose client has gone is kept, or not, but counted as what it is.
        running = asyncio.get_running_loop().run_in_executor(self._thread, work, self._connection)
        try:
            return await asyncio.shield(running)
        except sqlite3.Error as error:
            raise StoreUnavailable(f"the spool: {error}") from error


_PUT: Final = "INSERT INTO spooled (account, at_ms, request) VALUES (?, ?, ?)"
_OLDEST: Final = "SELECT seq, account, at_ms, request FROM spooled ORDER BY seq LIMIT ?"
