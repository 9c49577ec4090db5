"""The whole HTTP edge on a real socket over a real store, and a raw connection to say what no client library would."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import aiohttp
from multidict import CIMultiDictProxy

from fakes import World
from smsbridge.metrics import PrometheusMeter
from smsbridge.web.auth import make_key
from smsbridge.web.server import Limits, WebServer


@dataclass(frozen=True, kw_only=True, slots=True)
class Running:
    world: World
    server: WebServer
    http: aiohttp.ClientSession
    port: int
    key: str
    meter: PrometheusMeter

    @property
    def authorization(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}

    async def get(self, path: str, **options: Any) -> tuple[int, CIMultiDictProxy[str], bytes]:
        return await self.ask("GET", path, **options)

    async def ask(self, method: str, path: str, **options: Any) -> tuple[int, CIMultiDictProxy[str], bytes]:
        async with self.http.request(method, f"http://127.0.0.1:{self.port}{path}", **options) as response:
            return response.status, response.headers, await response.read()

    async def say(self, data: bytes, *, within_s: float = 30) -> bytes:
        """What comes back until the far end closes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            async with asyncio.timeout(within_s):
                writer.write(data)
                with contextlib.suppress(ConnectionError):
                    await writer.drain()
                return await read_to_end(reader)
        finally:
            writer.close()

    def counted(self, line: str) -> float:
        """The value of one line of the metrics, without the prefix: `slow_clients_closed_total{surface="public"}`."""
        for each in self.meter.render().decode().splitlines():
            name, _, value = each.rpartition(" ")
            if name == f"smsbridge_{line}":
                return float(value)
        return 0.0


async def read_to_end(reader: asyncio.StreamReader) -> bytes:
    """Everything up to the end, a reset being an end like any other."""
    received = b""
    with contextlib.suppress(ConnectionError):
        while piece := await reader.read(65_536):
            received += piece
    return received


@contextlib.asynccontextmanager
async def running(
    world: World,
    limits: Limits | None = None,
    *,
    metrics_port: int | None = None,
    held: socket.socket | None = None,
    **options: Any,
) -> AsyncIterator[Running]:
    meter = PrometheusMeter()
    # The real meter refuses a name or a label that the table of metrics does not have.
    world.bridge = replace(world.bridge, meter=meter)
    server = WebServer(
        world.bridge,
        render_metrics=meter.render,
        forget_gauge=meter.forget,
        limits=limits or Limits(grace_s=2),
        **options,
    )
    shown, kept = make_key("test", frozenset({"*"}), world.clock.now_ms())
    await world.write(lambda tx: tx.insert_api_key(kept))
    watching = asyncio.create_task(server.run())
    port = await server.listen(host="127.0.0.1", port=0, metrics_port=metrics_port, held=held)
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as http:
            yield Running(world=world, server=server, http=http, port=port, key=shown, meter=meter)
    finally:
        await server.stop()
        await watching
