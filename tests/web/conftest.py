from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fakes import World
from smsbridge.blobs import FolderBlobs
from smsbridge.store.sqlite import SqliteStore


@pytest.fixture
async def world(folder: Path) -> AsyncIterator[World]:
    store = SqliteStore.open(folder / "store.sqlite3")
    blobs = FolderBlobs.open(folder / "media")
    yield World(store, blobs)
    blobs.close()
    await store.close()
