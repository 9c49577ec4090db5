"""Load: signed webhooks over kept connections, as fast as they are answered or at a fixed rate.

Written on bare sockets, because a full HTTP client costs more than the server that is measured.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import time
from collections import deque
from collections.abc import Iterator
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
            "Body": f"Hi, is my order {number} ready? I can come by this afternoon.",
            "From": f"+1415{5_000_000 + number % phones}",
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


async def press(requests: list[bytes], *, port: int, per_s: float | None = None) -> Load:
    """Sends everything: each connection one at a time or, with `per_s`, each request at its moment."""
    load = Load()
    loop = asyncio.get_running_loop()
    waiting: Iterator[tuple[int, bytes]] = iter(enumerate(requests))
    begun = time.perf_counter()
    clients = []
    for _ in range(CONNECTIONS):
        _, client = await loop.create_connection(lambda: _Client(load, waiting, begun, per_s), "127.0.0.1", port)
        clients.append(client)
    begun = time.perf_counter()
    for client in clients:
        client.begin(begun)
    await asyncio.gather(*(client.finished for client in clients))
    load.elapsed_s = time.perf_counter() - begun
    return load


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
            at = head.find(b"content-length: ")
            length = int(head[at + 16 : (head + b"\r\n").find(b"\r\n", at)]) if at >= 0 else 0
            if len(self._buffer) < end + 4 + length:
                return
            self._buffer = self._buffer[end + 4 + length :]
            self._load.latencies_s.append(time.perf_counter() - self._sent_at.popleft())
            if head.startswith(b"http/1.1 200"):
                self._load.answered += 1
            else:
                self._load.refused += 1
            self._next()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.finished.done():
            self.finished.set_result(None)


class Desktop(asyncio.Protocol):
    """An agent desktop that says 204 to everything and counts."""

    told = 0

    def __init__(self) -> None:
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.WriteTransport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end].lower()
            at = head.find(b"content-length: ")
            length = int(head[at + 16 : (head + b"\r\n").find(b"\r\n", at)]) if at >= 0 else 0
            if len(self._buffer) < end + 4 + length:
                return
            if b'"type":"message.received"' in self._buffer[end : end + 200]:
                Desktop.told += 1
            self._buffer = self._buffer[end + 4 + length :]
            self._transport.write(b"HTTP/1.1 204 No Content\r\n\r\n")
