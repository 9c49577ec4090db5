"""A demo that is told to stop while it is being furnished ends, and does not complain that its store is closed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from fakes import World
from smsbridge.app import Ready
from smsbridge.blobs import FolderBlobs
from smsbridge.contracts.store import StoreUnavailable
from smsbridge.demo import DemoOptions, _welcome
from smsbridge.store.sqlite import SqliteStore


@pytest.mark.parametrize("told", [True, False])
async def test_a_store_that_closes_meanwhile_is_no_error_once_it_was_told_to_stop(tmp_path: Path, told: bool) -> None:
    store = SqliteStore.open(tmp_path / "store.sqlite3")
    blobs = FolderBlobs.open(tmp_path / "media")
    bridge = World(store, blobs).bridge
    await store.close()
    blobs.close()
    ready: asyncio.Future[Ready] = asyncio.get_running_loop().create_future()
    ready.set_result(Ready(bridge=bridge, port=1))
    stop, said = asyncio.Event(), []
    if told:
        stop.set()
    running = asyncio.create_task(asyncio.sleep(0, 0))
    simulator: Any = None
    welcoming = _welcome(DemoOptions(say=said.append), simulator, {"demo": "x"}, ready, running, stop)
    if told:
        await welcoming
    else:
        with pytest.raises(StoreUnavailable):
            await welcoming
    assert said == []
    await running
