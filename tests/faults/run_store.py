"""The store of a run, seen from outside: how daemons are configured for it, and what its tables hold."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from smsbridge.contracts.store import Tx
from smsbridge.store.sqlite import SqliteStore


class RunStore(Protocol):
    """One for each database. `rows` is for reading while daemons run; its SQL runs on every one of them."""

    def config_lines(self, number: int) -> str:
        """What the configuration of daemon `number` says of its store."""
        ...

    async def write(self, work: Callable[[Tx], None]) -> None:
        """Before the first daemon starts."""
        ...

    def rows(self, sql: str) -> Sequence[Sequence[Any]]: ...

    def damage(self) -> list[str]:
        """What the database's own check of itself says is wrong."""
        ...


class SqliteRunStore:
    """One file, so one daemon."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "data" / "smsbridge.sqlite3"

    def config_lines(self, number: int) -> str:
        assert number == 0, "SQLite is for one daemon"
        return 'data_dir = "data"'

    async def write(self, work: Callable[[Tx], None]) -> None:
        store = SqliteStore.open(self.path)
        await store.write(work)
        await store.close()

    def rows(self, sql: str) -> Sequence[Sequence[Any]]:
        connection = sqlite3.connect(f"{self.path.as_uri()}?mode=ro", uri=True)
        try:
            connection.execute("PRAGMA busy_timeout = 10000")
            return connection.execute(sql).fetchall()
        finally:
            connection.close()

    def damage(self) -> list[str]:
        said = [str(row[0]) for row in self.rows("PRAGMA integrity_check")]
        foreign = [f"foreign key: {row}" for row in self.rows("PRAGMA foreign_key_check")]
        return [each for each in said if each != "ok"] + foreign
