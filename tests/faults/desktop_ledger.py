"""An agent desktop that writes down what it is told, whole and in order."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web


class DesktopLedger:
    """An agent desktop that writes down what it is told, in order."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str, dict[str, Any]]] = []
        """The id of each event, its type and its data."""
        self.signed_at_s: list[int] = []
        self.url = ""

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        app = web.Application()
        app.router.add_post("/events", self._take)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/events"
        try:
            yield
        finally:
            await runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        event = json.loads(await request.read())
        self.signed_at_s.append(int(request.headers["webhook-timestamp"]))
        self.told.append((request.headers["webhook-id"], event["type"], event["data"]))
        return web.Response(status=204)
