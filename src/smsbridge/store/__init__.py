"""The store: SQLite or PostgreSQL behind contracts.store.Store. Only this room knows a database."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qsl, urlsplit

from smsbridge.contracts.store import Store, StoreUnavailable
from smsbridge.store.sqlite import SqliteStore


class OpenStore(Store, Protocol):
    """A store as the daemon that opened it sees it."""

    broken: asyncio.Event
    """Set when this process can never use the store again."""
    on_commit_seconds: Callable[[float, int], None] | None
    """Told how long each commit took and how many transactions it held."""

    on_full: Callable[[], bool]
    """Told that there is no room on the disk; whether it made some, so that it is worth another try."""
    on_overtaken: Callable[[], None] | None
    """Told of each transaction that was run again because another one was quicker."""

    @property
    def is_exclusive(self) -> bool:
        """Whether no other process can have it open."""
        ...

    @property
    def is_away(self) -> bool:
        """Whether it has not been reached yet, so that all reading and writing is refused."""
        ...

    async def reach(self) -> None:
        """Once more what opening it has tried, where it is away. Raises what `open_store` raises."""
        ...


def open_store(url: str, path: Path, *, may_be_away: bool = False) -> OpenStore:
    """The database at `url`, or where that is empty the SQLite file at `path`.

    `may_be_away`: a database that cannot be reached now is opened all the same, for `reach` to try again.

    Raises StoreInUse, StoreTooNew, StoreMisplaced, StoreAway or StoreUnavailable.
    """
    if not url:
        return SqliteStore.open(path)
    if find_spec("psycopg") is None:
        raise StoreUnavailable('PostgreSQL needs one more package: pip install "smsbridge[postgres]"')
    postgres = import_module("smsbridge.store.postgres")
    opened: OpenStore = postgres.PostgresStore.open(url, may_be_away=may_be_away)
    return opened


def place_of(url: str) -> str:
    """By which a database is known again: a digest of where it is and what it is called, whoever signs in to it."""
    parts = urlsplit(url)
    more = [(key, value) for key, value in parse_qsl(parts.query) if key in {"host", "hostaddr", "port", "dbname"}]
    place = [parts.netloc.rpartition("@")[2], parts.path, sorted(more)]
    return hashlib.sha256(repr(place).encode()).hexdigest()
