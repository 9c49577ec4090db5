"""Whatever comes down a socket gets a short answer or none; the log learns that it happened, and not what it was."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import random

import pytest
import structlog

from fakes import World
from smsbridge.web.rest import MAX_JSON_BYTES
from web.running import read_to_end, running

CANARY = b"canary-4711"
HEAD = b"POST /hooks/carriers/plain HTTP/1.1\r\nHost: x\r\nX-Secret: secret\r\n"
MALFORMED = {
    "no method": b" / HTTP/1.1\r\n\r\n",
    "another protocol": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + CANARY,
    "words": CANARY + b"\r\n\r\n",
    "version 9.9": b"GET /livez HTTP/9.9\r\nHost: x\r\n\r\n",
    "NUL in a value": b"GET /livez HTTP/1.1\r\nHost: x\r\nX-A: " + CANARY + b"\0b\r\n\r\n",
    "NUL in a name": b"GET /livez HTTP/1.1\r\nHost: x\r\nX\0A: b\r\n\r\n",
    "space before the colon": b"GET /livez HTTP/1.1\r\nHost: x\r\nX-A : b\r\n\r\n",
    "a folded header": b"GET /livez HTTP/1.1\r\nHost: x\r\nX-A: b\r\n c\r\n\r\n",
    "a bare CR": b"GET /livez HTTP/1.1\r\nHost: x\r\nX-A: b\rX-B: c\r\n\r\n",
    "a header too long": b"GET /livez HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * 9_000 + b"\r\n\r\n",
    "a line too long": b"GET /" + b"a" * 9_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "too many headers": b"GET /livez HTTP/1.1\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(200)) + b"\r\n",
    "length and chunks": HEAD + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /livez HTTP/1.1",
    "two lengths": HEAD + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\naaaaa",
    "a negative length": HEAD + b"Content-Length: -1\r\n\r\n",
    "a length with a sign": HEAD + b"Content-Length: +4\r\n\r\naaaa",
    "chunked twice": HEAD + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "chunked in disguise": HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "a chunk size that is none": HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n" + CANARY,
    "a chunk longer than it says": HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\nabcdef\r\n0\r\n\r\n",
}


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    gc.collect()  # what other tests have left behind would complain meanwhile
    structlog.configure(
        processors=[structlog.stdlib.render_to_log_kwargs],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    caplog.set_level(logging.DEBUG)
    return caplog


@pytest.mark.parametrize("shape", MALFORMED)
async def test_refused_in_a_few_words(world: World, lines: pytest.LogCaptureFixture, shape: str) -> None:
    async with running(world) as edge:
        answer = await edge.say(MALFORMED[shape])
        assert answer.count(b"HTTP/1.") <= 1, "one answer and the end: nothing is smuggled in behind"
        if answer:
            head, _, body = answer.partition(b"\r\n\r\n")
            assert head.startswith((b"HTTP/1.0 4", b"HTTP/1.1 4")), head
            assert CANARY not in answer
            assert len(body) < 500
            assert b"Server: smsbridge\r\n" in head + b"\r\n"
            assert b"aiohttp" not in answer
            assert b"Python" not in answer
        status, _, _ = await edge.get("/livez")
        assert status == 200
        assert await edge.world.store.read(lambda tx: tx.list_arrivals()) == []
    _assert_calm(lines)


@pytest.mark.parametrize("begin", [b"", b"GET ", HEAD, b"GET /media/", b"GET /livez HTTP/1.1\r\n"])
async def test_noise_never_crashes_it(world: World, lines: pytest.LogCaptureFixture, begin: bytes) -> None:
    chance = random.Random(begin)
    async with running(world) as edge:
        for _ in range(40):
            noise = chance.randbytes(chance.randrange(300)) + b"\r\n\r\n"
            answer = await _say_and_hang_up(edge.port, begin + noise)
            assert not answer.startswith(b"HTTP/1.1 5"), begin + noise
        assert (await edge.get("/livez"))[0] == 200
    _assert_calm(lines)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/hooks/carriers/nobody", 404),
        ("/hooks/carriers/%00", 404),
        ("/hooks/carriers/..%2f..%2fetc", 404),
        ("/hooks/desktops/desk%0d%0aX-A:%20b", 404),
        ("/media/%00", 404),
        ("/media/" + "a" * 4_000, 404),
        ("/nothing", 404),
        ("/v1/messages/%00", 401),
        ("/%ff%fe", 404),
    ],
)
async def test_strange_paths_are_not_found_without_a_trace(
    world: World, lines: pytest.LogCaptureFixture, path: str, status: int
) -> None:
    async with running(world) as edge:
        method = "POST" if path.startswith("/hooks") else "GET"
        answer = await edge.say(f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    _assert_calm(lines)


async def test_an_unknown_url_and_a_wrong_method_are_problems(world: World) -> None:
    async with running(world) as edge:
        status, headers, body = await edge.get("/v2")
        assert (status, headers["Content-Type"]) == (404, "application/problem+json")
        assert json.loads(body)["type"] == "/docs/problems#not-found"
        status, headers, body = await edge.ask("PUT", "/v1/messages")
        assert (status, headers["Allow"]) == (405, "GET,HEAD,POST")
        assert json.loads(body)["status"] == 405


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics", "/docs", "/v1/openapi.json", "/v1/messages", "/x"])
async def test_every_answer_carries_the_security_headers(world: World, path: str) -> None:
    async with running(world) as edge:
        _, headers, _ = await edge.get(path)
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert headers["Server"] == "smsbridge"
        assert "Access-Control-Allow-Origin" not in headers
        if not path.startswith(("/docs", "/v1/openapi")):
            assert headers["Cache-Control"] == "no-store"


async def _say_and_hang_up(port: int, data: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    writer.write_eof()
    try:
        async with asyncio.timeout(30):
            return await read_to_end(reader)
    finally:
        writer.close()


def _assert_calm(lines: pytest.LogCaptureFixture) -> None:
    for record in lines.records:
        assert record.exc_info is None, record.getMessage()
        assert record.levelno < logging.ERROR, record.getMessage()
        assert CANARY.decode() not in f"{record.getMessage()} {record.__dict__}"


@pytest.mark.parametrize(("size", "status"), [(MAX_JSON_BYTES, 400), (MAX_JSON_BYTES + 1, 413)])
async def test_a_body_that_is_there_before_anybody_looks_has_the_same_limit(
    world: World, size: int, status: int
) -> None:
    """Behind a request in the same write it has arrived whole by the time it is read."""
    async with running(world) as edge:
        first = b"GET /v1/senders HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n" % edge.key.encode()
        head = (
            b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n"
            b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n" % edge.key.encode()
        )
        answers = await edge.say(first + head + b"%x\r\n%s\r\n0\r\n\r\n" % (size, b" " * size))
        assert answers.startswith(b"HTTP/1.1 200 ")
        assert b"HTTP/1.1 %d " % status in answers
