from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from fakes import World
from smsbridge.blobs import FolderBlobs
from smsbridge.store.sqlite import SqliteStore
from smsbridge.web.auth import make_key
from smsbridge.web.server import Limits, WebServer
from web.api.rest_client import Api


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


@pytest.fixture
async def make_api() -> AsyncIterator[Callable[[World], Awaitable[Api]]]:
    """Servers on real sockets, and clients that hold a key to everything."""
    async with AsyncExitStack() as stack:

        async def make(world: World) -> Api:
            server = WebServer(
                world.bridge, render_metrics=bytes, forget_gauge=lambda _name: None, limits=Limits(grace_s=0.1)
            )
            stack.push_async_callback(server.stop)
            port = await server.listen(host="127.0.0.1", port=0)
            shown, kept = make_key("test", frozenset({"*"}), world.clock.now_ms())
            await world.write(lambda tx: tx.insert_api_key(kept))
            http = await stack.enter_async_context(aiohttp.ClientSession())
            return Api(http, f"http://127.0.0.1:{port}", shown)

        yield make


@pytest.fixture
async def api(world: World, make_api: Callable[[World], Awaitable[Api]]) -> Api:
    return await make_api(world)
