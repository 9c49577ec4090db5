"""Every store is taken through one suite: real SQLite files, and databases on a real PostgreSQL server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from postgres_server import drop_database, make_database, shared_url
from smsbridge.contracts.store import Store
from smsbridge.store.postgres import PostgresStore
from smsbridge.store.sqlite import SqliteStore

OpenStore = Callable[[Path], Awaitable[Store]]


async def open_sqlite(folder: Path) -> Store:
    return SqliteStore.open(folder / "bridge.sqlite3")


async def open_postgres(folder: Path) -> Store:
    return PostgresStore.open(make_database(shared_url(), f"store_{folder.name}"))


ENGINES: dict[str, OpenStore] = {"sqlite": open_sqlite, "postgres": open_postgres}
"""How a store is opened whose data belongs to a folder: the same folder, the same data."""


@pytest.fixture(params=sorted(ENGINES))
def open_store(request: pytest.FixtureRequest) -> OpenStore:
    return ENGINES[request.param]


@pytest.fixture
async def store(open_store: OpenStore, folder: Path) -> AsyncIterator[Store]:
    opened = await open_store(folder)
    yield opened
    await opened.close()
    if open_store is open_postgres:
        drop_database(shared_url(), f"store_{folder.name}")
