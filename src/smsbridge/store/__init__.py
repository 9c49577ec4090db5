"""The store: SQLite or PostgreSQL behind contracts.store.Store. Only this room knows a database."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

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


def open_store(url: str, path: Path) -> OpenStore:
    """The database at `url`, or where that is empty the SQLite file at `path`.

    Raises StoreInUse, StoreTooNew, StoreMisplaced or StoreUnavailable.
    """
    if not url:
        return SqliteStore.open(path)
    if find_spec("psycopg") is None:
        raise StoreUnavailable('PostgreSQL needs one more package: pip install "smsbridge[postgres]"')
    postgres = import_module("smsbridge.store.postgres")
    opened: OpenStore = postgres.PostgresStore.open(url)
    return opened
