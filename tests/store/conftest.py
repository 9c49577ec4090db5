"""Every store is taken through one suite. A second database is a second entry in `ENGINES`."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from smsbridge.contracts.store import Store
from smsbridge.store.sqlite import SqliteStore

OpenStore = Callable[[Path], Awaitable[Store]]


async def open_sqlite(folder: Path) -> Store:
    return SqliteStore.open(folder / "bridge.sqlite3")


ENGINES: dict[str, OpenStore] = {"sqlite": open_sqlite}
"""How a store is opened whose data belongs to a folder: the same folder, the same data."""


@pytest.fixture
def folder() -> Iterator[Path]:
    """In memory where the system has such a place: what a store does, does not depend on how slow the disk is."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as path:
        yield Path(path)


@pytest.fixture(params=sorted(ENGINES))
def open_store(request: pytest.FixtureRequest) -> OpenStore:
    return ENGINES[request.param]


@pytest.fixture
async def store(open_store: OpenStore, folder: Path) -> AsyncIterator[Store]:
    opened = await open_store(folder)
    yield opened
    await opened.close()
