"""The proxy does to a connection what it was told, and the far end has the request exactly when it should."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from faults.fault_proxy import (
    FaultProxy,
    Passage,
    Shape,
    answer_twice,
    close_at_accept,
    cut_answer,
    cut_request,
    garbage,
    half_a_body,
    half_a_status_line,
    half_close,
    lose_answer,
    passing,
    reset_at_accept,
    say,
    strike_after,
    strike_before,
    swallow,
)
from faults.fault_server import FaultServer, answering, refusing_port, write_answer

BODY = b"To=%2B15005550001&Body=hi"
REQUEST = b"POST /send HTTP/1.1\r\nHost: carrier\r\nContent-Length: 25\r\n\r\n" + BODY
ANSWER = write_answer(201, b'{"sid": "SM1"}')
QUIET_S = 0.3
"""After this long without an end there is none to come: every end of a shape follows its last byte at once."""
PATIENCE_S = 60.0
"""How long an end is waited for that must come: on a slow and busy machine, too."""


@pytest.fixture
async def carrier() -> AsyncIterator[FaultServer]:
    async with FaultServer(answering(201, b'{"sid": "SM1"}')) as server:
        yield server


@pytest.fixture
async def proxy(carrier: FaultServer) -> AsyncIterator[FaultProxy]:
    async with FaultProxy(carrier.port) as made:
        yield made


async def call(port: int, request: bytes = REQUEST, *, sees: bytes = ANSWER, within_s: float = QUIET_S) -> str:
    """How the connection ended after `sees` had come back: close, reset, or silence."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        assert await reader.readexactly(len(sees)) == sees
        async with asyncio.timeout(within_s):
            more = await reader.read(1_000)
    except ConnectionError:
        return "reset"
    except TimeoutError:
        return "silence"
    finally:
        writer.close()
    assert more == b""
    return "close"


@pytest.mark.parametrize(
    ("shape", "has_it", "sees", "end"),
    [
        (passing(), True, ANSWER, "silence"),
        (close_at_accept, False, b"", "close"),
        (reset_at_accept, False, b"", "reset"),
        (swallow, False, b"", "silence"),
        (cut_request(30), False, b"", "reset"),
        (cut_request(len(REQUEST) - 1), False, b"", "reset"),
        (say(b"HTTP/1.1 503 No\r\n\r\n"), False, b"HTTP/1.1 503 No\r\n\r\n", "close"),
        (lose_answer("close"), True, b"", "close"),
        (lose_answer("reset"), True, b"", "reset"),
        (lose_answer("hang"), True, b"", "silence"),
        (cut_answer(20), True, ANSWER[:20], "close"),
        (half_a_status_line, True, b"HTTP/1.1", "close"),
        (half_a_body, True, ANSWER[:-7], "close"),
        (garbage, True, b"\x00\x01 this is no HTTP\r\n\r\n\xff\xfe", "close"),
        (answer_twice, True, ANSWER + ANSWER, "close"),
        (half_close, True, ANSWER, "close"),
    ],
    ids=lambda value: getattr(value, "__qualname__", None),
)
async def test_each_shape_does_what_its_name_says(
    proxy: FaultProxy, carrier: FaultServer, shape: Shape, has_it: bool, sees: bytes, end: str
) -> None:
    proxy.play(shape)
    ended = await call(proxy.port, sees=sees, within_s=QUIET_S if end == "silence" else PATIENCE_S)
    assert ended == end or (shape is close_at_accept and ended == "reset")  # what was not read, the system says so
    if has_it and end == "silence":  # which says nothing of how far it has come
        async with asyncio.timeout(PATIENCE_S):
            await carrier.until(lambda: bool(carrier.requests))
    assert [received.body for received in carrier.requests] == ([BODY] if has_it else [])


async def test_a_half_closed_connection_can_still_be_written_to(proxy: FaultProxy) -> None:
    proxy.play(half_close)
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(REQUEST)
    assert await reader.read() == ANSWER
    for _ in range(3):
        writer.write(b"more")
        await writer.drain()
    writer.close()
    await writer.wait_closed()


async def test_one_shape_for_each_connection_and_the_last_for_all_that_follow(proxy: FaultProxy) -> None:
    proxy.play(close_at_accept, say(b"one"), passing())
    for sees in (b"", b"one", ANSWER, ANSWER):
        await call(proxy.port, sees=sees)
    assert proxy.connections == 4


async def test_each_connection_can_draw_its_own_shape(proxy: FaultProxy) -> None:
    shapes = [say(b"a"), say(b"b"), say(b"c")]
    proxy.choose = lambda: shapes.pop(0)
    for sees in (b"a", b"b", b"c"):
        await call(proxy.port, sees=sees)


async def test_down_means_refused_and_up_means_the_same_port(proxy: FaultProxy) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    port = proxy.port
    await proxy.until_connections(1)
    await proxy.go_down()
    with pytest.raises(ConnectionError):
        while await reader.read(100):
            pass
    writer.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)
    await proxy.come_up()
    await call(port, sees=ANSWER)


async def test_a_dead_server_is_passed_over_for_one_that_lives(carrier: FaultServer) -> None:
    with refusing_port() as dead:
        async with FaultProxy(dead, carrier.port, dead) as proxy:
            for _ in range(5):
                await call(proxy.port, sees=ANSWER)
            proxy.upstreams = [dead]
            assert await call(proxy.port, sees=b"", within_s=PATIENCE_S) in ("close", "reset")


@pytest.mark.parametrize("slow", [passing(latency_s=0.1), passing(bytes_per_s=len(ANSWER) * 8)], ids=["late", "narrow"])
async def test_slow_is_whole_and_no_faster_than_it_was_told(proxy: FaultProxy, slow: Shape) -> None:
    loop = asyncio.get_running_loop()
    proxy.play(slow)
    started_s = loop.time()
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(REQUEST)
    assert await reader.readexactly(len(ANSWER)) == ANSWER
    assert loop.time() - started_s >= 0.2
    writer.close()


@pytest.mark.parametrize(("shape", "has_it"), [(strike_before, False), (strike_after, True)])
async def test_something_can_be_done_while_a_send_is_on_its_way(
    proxy: FaultProxy, carrier: FaultServer, shape: type[Shape], has_it: bool
) -> None:
    """And what is no send goes through, on the same connection."""
    struck: list[int] = []

    async def strike() -> None:
        struck.append(len([each for each in carrier.requests if each.body]))

    proxy.play(shape(strike))
    listing = b"GET /list HTTP/1.1\r\nHost: carrier\r\n\r\n"
    await call(proxy.port, listing + REQUEST, sees=ANSWER)
    assert struck == [int(has_it)]


async def test_a_client_that_goes_away_is_no_error(proxy: FaultProxy) -> None:
    ended = asyncio.Event()

    async def shape(passage: Passage) -> None:
        try:
            await passage.read_request()
        finally:
            ended.set()

    proxy.play(shape)
    _, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(REQUEST[:40])
    writer.close()
    await ended.wait()
    proxy.play(passing())
    await call(proxy.port, sees=ANSWER)
