from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fakes import World
from smsbridge.blobs import FolderBlobs
from smsbridge.store.sqlite import SqliteStore


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    store = SqliteStore.open(tmp_path / "store.sqlite3")
    blobs = FolderBlobs.open(tmp_path / "media")
    yield World(store, blobs)
    blobs.close()
    await store.close()
