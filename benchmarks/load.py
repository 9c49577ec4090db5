"""Load: requests over kept connections, as fast as they are answered or at a fixed rate; and the far ends that count.

Written on bare sockets, because a full HTTP client costs more than the server that is measured.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import itertools
import json
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlencode

CONNECTIONS = 32
ACCOUNT_SID = "AC" + "5f" * 16
TOKEN = "benchmark-token"
SENDER = "+15005550006"


@dataclass
class Load:
    """What one run came to. Latencies in seconds."""

    answered: int = 0
    refused: int = 0
    elapsed_s: float = 0.0
    latencies_s: list[float] = field(default_factory=list)

    @property
    def per_s(self) -> float:
        return self.answered / self.elapsed_s

    def percentile_ms(self, share: float) -> float:
        ordered = sorted(self.latencies_s)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000


def write_webhooks(count: int, *, port: int, run: int, phones: int = 2_000) -> list[bytes]:
    """Whole HTTP requests of about 560 bytes of form each, every one with a signature and a message id of its own."""
    url = f"http://127.0.0.1:{port}/hooks/carriers/twilio"
    made = []
    for number in range(count):
        form = {
            "AccountSid": ACCOUNT_SID,
            "ApiVersion": "2010-04-01",
            "Body": text_of(number),
            "From": phone_of(number, phones),
            "FromCity": "SAN FRANCISCO",
            "FromCountry": "US",
            "FromState": "CA",
            "FromZip": "94105",
            "MessageSid": f"SM{run:08x}{number:024x}",
            "NumMedia": "0",
            "NumSegments": "1",
            "SmsMessageSid": f"SM{run:08x}{number:024x}",
            "SmsSid": f"SM{run:08x}{number:024x}",
            "SmsStatus": "received",
            "To": SENDER,
            "ToCity": "OAKLAND",
            "ToCountry": "US",
            "ToState": "CA",
            "ToZip": "",
        }
        signed = url + "".join(name + form[name] for name in sorted(form))
        signature = base64.b64encode(hmac.digest(TOKEN.encode(), signed.encode(), "sha1")).decode()
        body = urlencode(form).encode()
        head = (
            f"POST /hooks/carriers/twilio HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nX-Twilio-Signature: {signature}\r\n"
            f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        made.append(head.encode() + body)
    return made


def write_sends(count: int, *, port: int, key: str, phones: int = 2_000) -> list[bytes]:
    """Whole requests to POST /v1/messages, to as many phones in turn."""
    made = []
    for number in range(count):
        body = json.dumps({"to": phone_of(number, phones), "text": text_of(number)}).encode()
        head = (
            f"POST /v1/messages HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        made.append(head.encode() + body)
    return made


def write_gets(path: str, count: int, *, port: int, key: str) -> list[bytes]:
    """The same question `count` times."""
    return [f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {key}\r\n\r\n".encode()] * count


def text_of(number: int) -> str:
    return f"Hi, is my order {number} ready? I can come by this afternoon."


def phone_of(number: int, phones: int) -> str:
    return f"+1415{5_000_000 + number % phones}"


async def press(
    requests: list[bytes], *, port: int, per_s: float | None = None, connections: int = CONNECTIONS
) -> Load:
    """Sends everything: each connection one at a time or, with `per_s`, each request at its moment."""
    load = Load()
    loop = asyncio.get_running_loop()
    waiting: Iterator[tuple[int, bytes]] = iter(enumerate(requests))
    begun = time.perf_counter()
    clients = []
    for _ in range(connections):
        _, client = await loop.create_connection(lambda: _Client(load, waiting, begun, per_s), "127.0.0.1", port)
        clients.append(client)
    begun = time.perf_counter()
    for client in clients:
        client.begin(begun)
    await asyncio.gather(*(client.finished for client in clients))
    load.elapsed_s = time.perf_counter() - begun
    return load


async def get(path: str, *, port: int, key: str) -> bytes:
    """The answer to one question, head and body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    (request,) = write_gets(path, 1, port=port, key=key)
    writer.write(request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    answer = await reader.read()
    writer.close()
    return answer


class _Client(asyncio.Protocol):
    """One kept connection."""

    def __init__(self, load: Load, waiting: Iterator[tuple[int, bytes]], begun: float, per_s: float | None) -> None:
        self._load = load
        self._waiting = waiting
        self._begun = begun
        self._per_s = per_s
        self._loop = asyncio.get_running_loop()
        self._sent_at: deque[float] = deque()
        self._buffer = b""
        self.finished: asyncio.Future[None] = self._loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.WriteTransport = transport  # type: ignore[assignment]

    def begin(self, begun: float) -> None:
        self._begun = begun
        self._next()

    def _next(self) -> None:
        following = next(self._waiting, None)
        if following is None:
            self._transport.close()
            return
        number, request = following
        if self._per_s is None:
            self._send(request, time.perf_counter())
            return
        # A request whose moment has passed counts from that moment: a server that falls behind must not look better.
        moment = self._begun + number / self._per_s
        delay = moment - time.perf_counter()
        if delay > 0:
            self._loop.call_later(delay, self._send, request, moment)
        else:
            self._send(request, moment)

    def _send(self, request: bytes, moment: float) -> None:
        self._sent_at.append(moment)
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end].lower()
            length = _body_bytes(head)
            if len(self._buffer) < end + 4 + length:
                return
            self._buffer = self._buffer[end + 4 + length :]
            self._load.latencies_s.append(time.perf_counter() - self._sent_at.popleft())
            if head.startswith(b"http/1.1 2"):
                self._load.answered += 1
            else:
                self._load.refused += 1
            self._next()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.finished.done():
            self.finished.set_result(None)


class FarEnd:
    """A server that reads requests, answers each at once, and counts those that matter."""

    def __init__(self, *, counts: Callable[[bytes], bool], answer: Callable[[], bytes]) -> None:
        self.counts = counts
        self.answer = answer
        self.told = 0
        self.url = ""

    async def until_told(self, count: int, *, limit_s: float = 120.0) -> None:
        async with asyncio.timeout(limit_s):
            while self.told < count:
                await asyncio.sleep(0.005)


@asynccontextmanager
async def desktop() -> AsyncIterator[FarEnd]:
    """An agent desktop that says 204 to everything, and counts the texts."""
    async with _far_end(
        lambda request: b'"type":"message.received"' in request, lambda: b"HTTP/1.1 204 No Content\r\n\r\n"
    ) as end:
        yield end


@asynccontextmanager
async def twilio() -> AsyncIterator[FarEnd]:
    """A carrier that takes every text, and counts them."""
    numbers = itertools.count()

    def accept() -> bytes:
        body = b'{"sid":"SM%032x","status":"queued","num_segments":"1","error_code":null}' % next(numbers)
        return b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
            len(body),
            body,
        )

    async with _far_end(lambda _: True, accept) as end:
        yield end


@asynccontextmanager
async def plain(body: bytes = b"") -> AsyncIterator[FarEnd]:
    """Says 200 and always the same, and counts every request."""
    said = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    async with _far_end(lambda _: True, lambda: said) as end:
        yield end


@asynccontextmanager
async def _far_end(counts: Callable[[bytes], bool], answer: Callable[[], bytes]) -> AsyncIterator[FarEnd]:
    end = FarEnd(counts=counts, answer=answer)
    server = await asyncio.get_running_loop().create_server(lambda: _Answering(end), "127.0.0.1", 0)
    end.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield end
    finally:
        server.close()


class _Answering(asyncio.Protocol):
    def __init__(self, end: FarEnd) -> None:
        self._end = end
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.WriteTransport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            whole = end + 4 + _body_bytes(self._buffer[:end].lower())
            if len(self._buffer) < whole:
                return
            if self._end.counts(self._buffer[:whole]):
                self._end.told += 1
            self._buffer = self._buffer[whole:]
            self._transport.write(self._end.answer())


def _body_bytes(head: bytes) -> int:
    """`head` in small letters, as far as its last line."""
    at = head.find(b"content-length:")
    return int(head[at + 15 : (head + b"\r\n").find(b"\r\n", at)]) if at >= 0 else 0
