"""A simulator on a real socket, with a small bridge in front of it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web

from simulator.small_bridge import Bridge, Client, settings
from smsbridge.simulator import Simulator


@pytest.fixture
async def bridge() -> AsyncIterator[Bridge]:
    made = Bridge()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()


@pytest.fixture
async def simulator(bridge: Bridge) -> AsyncIterator[Simulator]:
    async with Simulator(settings(hook_url=f"{bridge.url}/hooks/carriers/sim?x=a%2Fb&y=")) as made:
        yield made


@pytest.fixture
async def client(simulator: Simulator) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession() as http:
        yield Client(http=http, url=simulator.url)
