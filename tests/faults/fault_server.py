"""A TCP server that fails in exactly the way it is told to.

    async with FaultServer(read_then_reset) as server:
        await client.post(server.url)
    assert server.requests[0].body == b"..."

A *shape* is what happens on one connection: a coroutine of a `Line`. `play` gives the shapes of the next connections,
the last of which stays. What a client's bytes came to is in `connections` (accepted) and `requests` (read whole).
`fault_proxy.py` does the like with a real server behind it.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
import zlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, kw_only=True)
class Received:
    """One request that was read to its last byte."""

    line: str
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes


class Line:
    """One accepted connection, as its shape sees it."""

    def __init__(self, server: FaultServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.server = server
        self.reader = reader
        self.writer = writer

    async def read_request(self) -> Received:
        """The next whole request. Raises EOFError when the client stops before its end."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        received = Received(line=first, headers=headers, body=body)
        await self.server.note(received)
        return received

    async def write(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    def reset(self) -> None:
        """Ends the connection with a reset instead of an orderly close."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def hang(self) -> None:
        """Swallows everything and says nothing, until the client gives up."""
        while await self.reader.read(65_536):
            pass


Shape = Callable[[Line], Awaitable[None]]


class FaultServer:
    """Listens on a free port of 127.0.0.1 (or `host`). With `tls` it speaks TLS."""

    def __init__(self, *shapes: Shape, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> None:
        self.connections = 0
        self.requests: list[Received] = []
        self._host = host
        self._tls = tls
        self._shapes: list[Shape] = list(shapes) or [answering()]
        self._lines: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Condition()

    @property
    def netloc(self) -> str:
        return f"[{self._host}]:{self.port}" if ":" in self._host else f"{self._host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://{self.netloc}/"

    def play(self, *shapes: Shape) -> None:
        """What happens on the next connections, one shape each; the last one also on all that follow."""
        self._shapes = list(shapes)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Waits for something that a connection or a whole request brings about."""
        async with self._changed:
            await self._changed.wait_for(condition)

    async def note(self, received: Received) -> None:
        self.requests.append(received)
        async with self._changed:
            self._changed.notify_all()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, self._host, 0, ssl=self._tls)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._server.close()
        for line in self._lines:
            line.cancel()
        await asyncio.gather(*self._lines, return_exceptions=True)
        await self._server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._lines.add(task)
        self.connections += 1
        shape = self._shapes.pop(0) if len(self._shapes) > 1 else self._shapes[0]
        async with self._changed:
            self._changed.notify_all()
        try:
            # The client's end of a failure is the client's business.
            with contextlib.suppress(OSError, EOFError):
                await shape(Line(self, reader, writer))
        except asyncio.CancelledError:
            pass  # the server stops; asyncio would print a cancelled connection as an error
        finally:
            self._lines.discard(task)
            writer.close()


@contextlib.contextmanager
def refusing_port() -> Iterator[int]:
    """A port that refuses every connection, and that nobody else can take meanwhile."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]


@contextlib.contextmanager
def silent_port() -> Iterator[int]:
    """A port where a connection never comes about: its queue is full, and what asks to join is not answered."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


# Shapes without a whole answer


async def close_at_accept(line: Line) -> None:
    """Accepts and closes, without reading."""


async def reset_at_accept(line: Line) -> None:
    line.reset()


async def swallow(line: Line) -> None:
    await line.hang()


async def read_then_close(line: Line) -> None:
    await line.read_request()


async def read_then_reset(line: Line) -> None:
    await line.read_request()
    line.reset()


async def read_then_hang(line: Line) -> None:
    await line.read_request()
    await line.hang()


async def half_a_status_line(line: Line) -> None:
    await line.read_request()
    await line.write(b"HTTP/1.1 20")


async def garbage(line: Line) -> None:
    await line.read_request()
    await line.write(b"\x00\x01 this is no HTTP\r\n\r\n\xff\xfe")


def half_a_body(status: int = 201, *, reset: bool = False) -> Shape:
    """The status line, the headers and a part of the body that they promise."""

    async def shape(line: Line) -> None:
        await line.read_request()
        await line.write(f"HTTP/1.1 {status} Half\r\nContent-Length: 100\r\n\r\n".encode() + b'{"sid": "S')
        if reset:
            line.reset()

    return shape


def stalled_body(status: int = 201) -> Shape:
    """As `half_a_body`, but the connection stays open."""

    async def shape(line: Line) -> None:
        await line.read_request()
        await line.write(f"HTTP/1.1 {status} Stalled\r\nContent-Length: 100\r\n\r\n".encode() + b'{"sid": "S')
        await line.hang()

    return shape


def cut_after(answer: bytes, size: int) -> Shape:
    """The first `size` bytes of `answer`, then the end."""

    async def shape(line: Line) -> None:
        await line.read_request()
        await line.write(answer[:size])

    return shape


# Shapes with an answer, or too much of one


def write_answer(status: int, body: bytes = b"", headers: Sequence[tuple[str, str]] = ()) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in [("Content-Length", str(len(body))), *headers])
    return f"HTTP/1.1 {status} Said\r\n{lines}\r\n".encode() + body


def answering(status: int = 200, body: bytes = b"{}", headers: Sequence[tuple[str, str]] = ()) -> Shape:
    """The same answer to every request on the connection."""

    async def shape(line: Line) -> None:
        while True:
            await line.read_request()
            await line.write(write_answer(status, body, headers))

    return shape


def answer_once_then_close_on_the_next(body: bytes = b"{}") -> Shape:
    """A kept connection whose other end goes away at the moment it is used again."""

    async def shape(line: Line) -> None:
        await line.read_request()
        await line.write(write_answer(200, body))
        await line.read_request()

    return shape


def redirecting(location: str, status: int = 302) -> Shape:
    return answering(status, b"", [("Location", location)])


def trickling(body: bytes, interval_s: float) -> Shape:
    """One byte at a time."""

    async def shape(line: Line) -> None:
        await line.read_request()
        await line.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode())
        for byte in body:
            await line.write(bytes([byte]))
            await asyncio.sleep(interval_s)

    return shape


async def endless(line: Line) -> None:
    """A body that says no length and never ends."""
    await line.read_request()
    await line.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        await line.write(b"4000\r\n" + bytes(0x4000) + b"\r\n")


def gzip_bomb(size: int = 50 * 1024 * 1024) -> Shape:
    """`size` zeros, about a thousandth of that on the wire."""
    squeeze = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    bomb = squeeze.compress(bytes(size)) + squeeze.flush()
    return answering(200, bomb, [("Content-Encoding", "gzip"), ("Content-Type", "image/png")])
