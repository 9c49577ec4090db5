from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fakes import World
from smsbridge.blobs import FolderBlobs
from smsbridge.store.sqlite import SqliteStore


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder in memory where the system has one: what a flow does, does not depend on how slow the disk is."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as path:
        yield Path(path)


@pytest.fixture
async def make_world(folder: Path) -> AsyncIterator[Callable[..., World]]:
    """Worlds on stores of their own, closed at the end."""
    blobs = FolderBlobs.open(folder / "media")
    stores: list[SqliteStore] = []

    def make(**options: Any) -> World:
        stores.append(SqliteStore.open(folder / f"store{len(stores)}.sqlite3"))
        return World(stores[-1], blobs, **options)

    yield make
    for store in stores:
        await store.close()
    blobs.close()


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    return make_world()
