"""The store of a run, seen from outside: how daemons are configured for it, and what its tables hold."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import psycopg

from smsbridge.contracts.store import Tx
from smsbridge.store.postgres import PostgresStore
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

    def spooled(self) -> int:
        """How many webhooks lie beside the store."""
        ...

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
        return _read_file(self.path, sql)

    def spooled(self) -> int:
        return 0

    def damage(self) -> list[str]:
        said = [str(row[0]) for row in self.rows("PRAGMA integrity_check")]
        foreign = [f"foreign key: {row}" for row in self.rows("PRAGMA foreign_key_check")]
        return [each for each in said if each != "ok"] + foreign


class PostgresRunStore:
    """One database for any number of daemons."""

    def __init__(self, folder: Path, url: str, *, silent_after: str = "15s", has_spool: bool) -> None:
        self._folder = folder
        self._url = url
        self._silent_after = silent_after
        self._spool = "spool.sqlite3" if has_spool else ""

    def config_lines(self, number: int) -> str:
        return f"""data_dir = "data-{number}"
[store]
url = "{self._url}"
silent_after = "{self._silent_after}"
spool = "{self._spool}"
"""

    async def write(self, work: Callable[[Tx], None]) -> None:
        store = PostgresStore.open(self._url)
        await store.write(work)
        await store.close()

    def rows(self, sql: str) -> Sequence[Sequence[Any]]:
        with psycopg.connect(self._url, autocommit=True, prepare_threshold=None) as connection:
            return connection.execute(sql).fetchall()

    def spooled(self) -> int:
        return sum(
            int(_read_file(file, "SELECT count(*) FROM spooled")[0][0])
            for file in self._folder.glob("data-*/spool.sqlite3")
        )

    def damage(self) -> list[str]:
        """Whole tables are read, so that the server looks at the checksum of every page."""
        try:
            for (table,) in self.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"):
                self.rows(f'SELECT count(CAST(t AS text)) FROM "{table}" AS t')
        except psycopg.Error as error:
            return [str(error)]
        return []


def _read_file(path: Path, sql: str) -> Sequence[Sequence[Any]]:
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
    try:
        connection.execute("PRAGMA busy_timeout = 10000")
        return connection.execute(sql).fetchall()
    finally:
        connection.close()
