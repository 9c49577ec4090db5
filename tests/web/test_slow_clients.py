"""Nobody keeps a connection by being slow, and nobody who is quick notices those who are."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import socket
from collections.abc import Callable
from dataclasses import replace

import pytest
from aiohttp import web

from fakes import World
from smsbridge.flows.links import write_media_link
from smsbridge.web.server import Limits, check_aiohttp
from web.running import Running, read_to_end, running

QUICK = Limits(
    header_timeout_s=0.6,
    body_timeout_s=0.4,
    idle_timeout_s=0.8,
    unread_timeout_s=0.6,
    grace_s=1,
)
"""Production's deadlines, some fifteen times as fast."""
GONE_WITHIN_S = 30.0
SHAPES = {
    "says nothing": b"",
    "half a request line": b"POST /hooks/carr",
    "unfinished headers": b"GET /livez HTTP/1.1\r\nHost: x\r\nX-A: ",
    "a body that never comes": b"POST /hooks/carriers/plain HTTP/1.1\r\nHost: x\r\nContent-Length: 90\r\n\r\n{",
    "a body for a call that takes none": b"GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 90\r\n\r\n",
    "half of a second request": b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\nGET /live",
}

CROWD = list(SHAPES.values())[:4] * 25


@pytest.mark.parametrize("shape", SHAPES)
async def test_a_connection_is_cut_that(world: World, shape: str) -> None:
    async with running(world, QUICK) as edge:
        answer = await edge.say(SHAPES[shape], within_s=GONE_WITHIN_S)
        assert answer == b"" or answer.startswith((b"HTTP/1.1 408", b"HTTP/1.1 200"))


async def test_headers_that_drip_do_not_buy_time(world: World) -> None:
    async with running(world, QUICK) as edge:
        reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
        writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\n")
        ended = asyncio.create_task(read_to_end(reader))
        async with asyncio.timeout(GONE_WITHIN_S):
            for number in itertools.count():
                with contextlib.suppress(ConnectionError):
                    writer.write(b"X-%d: y\r\n" % number)
                    await writer.drain()
                if (await asyncio.wait({ended}, timeout=0.1))[0]:
                    break
        assert ended.result() == b""
        assert edge.counted('slow_clients_closed_total{surface="public"}') == 1
        writer.close()


async def test_a_late_body_is_answered_with_408_and_counted(world: World) -> None:
    async with running(world, replace(QUICK, header_timeout_s=60, idle_timeout_s=60)) as edge:
        answer = await edge.say(SHAPES["a body that never comes"], within_s=GONE_WITHIN_S)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert edge.counted('slow_clients_closed_total{surface="hooks"}') == 1
        post = b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n" % edge.key.encode()
        answer = await edge.say(post + b"Content-Type: application/json\r\nContent-Length: 90\r\n\r\n{")
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["type"] == "/docs/problems#too-slow"


async def test_an_answer_that_nobody_reads_is_not_kept_for_ever(world: World) -> None:
    async with running(world, QUICK) as edge:
        slow = _deaf_socket(edge.port)
        loop = asyncio.get_running_loop()
        ask = b"GET /v1/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"
        with contextlib.suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(1):
                await loop.sock_sendall(slow, ask * 200)
        await _until(lambda: edge.counted('slow_clients_closed_total{surface="public"}') == 1)
        slow.close()


async def test_a_download_that_nobody_takes_ends(world: World) -> None:
    limits = replace(QUICK, download_timeout_s=0.6, unread_timeout_s=60)
    async with running(world, limits) as edge:
        sha256 = await world.bridge.blobs.put(b"\x89" * 16_000_000)
        link = write_media_link(
            world.bridge,
            sha256=sha256,
            content_type="image/png",
            filename="a.png",
            now_ms=world.clock.now,
            ttl_ms=60_000,
        )
        path = link.removeprefix(world.bridge.public_url)
        slow = _deaf_socket(edge.port)
        await asyncio.get_running_loop().sock_sendall(slow, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        await _until(lambda: edge.counted('slow_clients_closed_total{surface="public"}') == 1)
        slow.close()


async def test_a_crowd_of_slow_clients_costs_a_good_one_nothing(world: World) -> None:
    async with running(world, QUICK) as edge:
        crowd = [asyncio.create_task(edge.say(shape, within_s=60)) for shape in CROWD]
        while not all(each.done() for each in crowd):
            assert (await edge.get("/livez"))[0] == 200
        assert len([each.result() for each in crowd]) == 100


async def test_a_good_client_does_not_wait_for_a_crowd_of_slow_ones(world: World) -> None:
    patient = replace(QUICK, header_timeout_s=600, body_timeout_s=600, idle_timeout_s=600, unread_timeout_s=600)
    async with running(world, patient) as edge, contextlib.AsyncExitStack() as stack:
        crowd = []
        for shape in CROWD:
            reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
            stack.callback(writer.close)
            writer.write(shape)
            crowd.append(asyncio.create_task(read_to_end(reader)))
        await _until(lambda: len(edge.server._listeners[0].connections) >= len(CROWD))
        for _ in range(30):
            assert (await edge.get("/livez"))[0] == 200
        assert not any(each.done() for each in crowd), "nobody of them was let go for it"
        await edge.server.stop()
        await asyncio.gather(*crowd)


async def test_one_connection_more_than_allowed_is_closed_and_the_others_live(world: World) -> None:
    async with running(world, replace(QUICK, max_connections=2, header_timeout_s=30, idle_timeout_s=30)) as edge:
        first = await asyncio.open_connection("127.0.0.1", edge.port)
        second = await asyncio.open_connection("127.0.0.1", edge.port)
        for _, writer in (first, second):
            writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        for reader, _ in (first, second):
            assert b"200 OK" in await reader.readuntil(b"alive\n")
        assert await edge.say(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n") == b""
        first[1].close()
        await first[1].wait_closed()
        await _until_answered(edge)
        second[1].close()


async def test_an_address_has_a_limit_of_its_own_unless_it_is_this_machine(world: World) -> None:
    async with running(world, replace(QUICK, max_connections_per_address=3)) as edge:
        listener = edge.server._listeners[0]
        assert [listener.enter("203.0.113.9") for _ in range(5)] == [True, True, True, False, False]
        assert listener.enter("203.0.113.10")
        assert all(listener.enter("127.0.0.1") for _ in range(5))
        listener.leave("203.0.113.9")
        assert listener.enter("203.0.113.9")


def test_an_aiohttp_that_counts_elsewhere_is_named_at_start(monkeypatch: pytest.MonkeyPatch) -> None:
    check_aiohttp()
    monkeypatch.setattr(web.RequestHandler, "__slots__", ())
    with pytest.raises(RuntimeError, match="aiohttp"):
        check_aiohttp()


def _deaf_socket(port: int) -> socket.socket:
    """Connected, with room for next to nothing, and never read from."""
    deaf = socket.socket()
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)
    deaf.connect(("127.0.0.1", port))
    deaf.setblocking(False)
    return deaf


async def _until(happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(GONE_WITHIN_S):
        while not happened():
            await asyncio.sleep(0.02)


async def _until_answered(edge: Running) -> None:
    async with asyncio.timeout(GONE_WITHIN_S):
        while not await edge.say(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"):
            await asyncio.sleep(0.02)
