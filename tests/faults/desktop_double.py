"""An agent desktop that writes down what it is told, in order, and can be down, slow, or lose its answers."""

from __future__ import annotations

import asyncio
import json
import random
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from faults.history import read_text_in

_RANK = {
    "queued": 0,
    "sending": 0,
    "uncertain": 1,
    "sent": 2,
    "failed": 3,
    "undelivered": 3,
    "cancelled": 3,
    "delivered": 4,
}


class DesktopDouble:
    """Keeps per event and per text only what the checker needs."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self.port = 0
        self.is_down = False
        self.has_refused = asyncio.Event()
        self.lose_answer_chance = 0.0
        """The event is taken, and the connection closed instead of answered."""
        self.slow_chance = 0.0
        self.slow_s = 1.0
        self.events: set[str] = set()
        self.told_again = 0
        self.received: dict[str, str] = {}
        """Each text that came in, and the id of the event that told of it."""
        self.doubled: list[str] = []
        self.order: dict[str, list[int]] = defaultdict(list)
        """The numbers of each phone's texts, as they were told."""
        self.notices: dict[str, list[str]] = defaultdict(list)
        """The kinds of notices told, by message."""

        self.went_back: list[str] = []
        self._statuses: dict[str, str] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/events"

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        app = web.Application()
        app.router.add_post("/events", self._take)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.port = runner.addresses[0][1]
        try:
            yield
        finally:
            await runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        event = json.loads(await request.read())
        if self.is_down:
            self.has_refused.set()
            return web.Response(status=503)
        if self._chance.random() < self.slow_chance:
            await asyncio.sleep(self.slow_s)
        self._note(request.headers["webhook-id"], event["type"], event["data"])
        if self._chance.random() < self.lose_answer_chance and request.transport is not None:
            request.transport.abort()
        return web.Response(status=204)

    def _note_status(self, message_id: str, status: str) -> None:
        """`delivered` may follow a failure; nothing goes back."""
        before = self._statuses.get(message_id, "queued")
        if _RANK[status] < _RANK[before] and (before, status) != ("uncertain", "queued"):
            self.went_back.append(f"{message_id} went from {before} to {status}")
        self._statuses[message_id] = status

    def _note(self, event_id: str, kind: str, data: dict[str, object]) -> None:
        if event_id in self.events:
            self.told_again += 1
            return
        self.events.add(event_id)
        if kind == "notice.raised":
            self.notices[str(data["message_id"])].append(str(data["kind"]))
        if kind == "message.status":
            self._note_status(str(data["id"]), str(data["status"]))
        if kind != "message.received":
            return
        text = str(data["text"])
        if text in self.received:
            self.doubled.append(text)
        self.received[text] = event_id
        named = read_text_in(text)
        if named is not None:
            self.order[str(data["from"])].append(named[1])
