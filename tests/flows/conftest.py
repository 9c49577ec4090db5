from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from fakes import World
from postgres_server import drop_database, make_database, shared_url
from smsbridge.blobs import FolderBlobs
from smsbridge.store import OpenStore
from smsbridge.store.postgres import PostgresStore
from smsbridge.store.sqlite import SqliteStore


def open_sqlite(folder: Path, number: int) -> OpenStore:
    return SqliteStore.open(folder / f"store{number}.sqlite3")


def open_postgres(folder: Path, number: int) -> OpenStore:
    return PostgresStore.open(make_database(shared_url(), f"flow_{folder.name}_{number}"))


on_sqlite = pytest.mark.parametrize("make_world", [open_sqlite], indirect=True, ids=["sqlite"])
"""For what is looked at in the file itself, and for a few long ones."""


@pytest.fixture(params=[open_sqlite, open_postgres], ids=["sqlite", "postgres"])
async def make_world(folder: Path, request: pytest.FixtureRequest) -> AsyncIterator[Callable[..., World]]:
    """Worlds on stores of their own, closed at the end. Every story is told on both databases."""
    blobs = FolderBlobs.open(folder / "media")
    stores: list[OpenStore] = []

    def make(**options: Any) -> World:
        stores.append(request.param(folder, len(stores)))
        return World(stores[-1], blobs, **options)

    yield make
    for store in stores:
        await store.close()
    if request.param is open_postgres:
        for number in range(len(stores)):
            drop_database(shared_url(), f"flow_{folder.name}_{number}")
    blobs.close()


@pytest.fixture
async def world(make_world: Callable[..., World]) -> World:
    return make_world()
