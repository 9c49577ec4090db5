"""A TCP proxy that breaks connections in exactly the way it is told to.

    async with FaultProxy() as proxy:
        proxy.upstreams = [carrier_port]
        proxy.play(lose_answer("reset"))        # the next connection, and all after it
        proxy.play(swallow, passing())          # one of these, then only these
        proxy.choose = lambda: draw_a_shape()   # or: each connection draws its own

A *shape* is what happens on one connection: a coroutine of a `Passage`, which has the client at one end and, once it
asks for it, the real server at the other. Everything stays on 127.0.0.1. `fault_server.py` has no server behind it and
breaks answers in more ways; this one lets the far end have the request, which is what makes a send uncertain.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, Self

from ports import free_port

End = Literal["close", "reset", "hang"]
Strike = Callable[[], Awaitable[None]]
CHUNK_BYTES = 16_384


@dataclass(frozen=True, kw_only=True, slots=True)
class Answered:
    """An answer of the real server, in bytes. `head_bytes` counts its empty line in."""

    data: bytes
    head_bytes: int

    @property
    def status_line_bytes(self) -> int:
        return self.data.index(b"\r\n")


class Passage:
    """One connection through the proxy, as its shape sees it."""

    def __init__(self, proxy: FaultProxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._proxy = proxy
        self.reader = reader
        self.writer = writer
        self._up: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def up(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """The far end; dialled when first asked for, the next upstream in turn. Raises OSError when none answers."""
        if self._up is None:
            self._up = await self._proxy.dial()
        return self._up

    async def read_request(self) -> bytes:
        """The next whole request of the client. Raises EOFError when it stops before its end."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        return head + await self.reader.readexactly(_content_length(head) or 0)

    async def ask(self, request: bytes) -> Answered:
        """Hands the whole request to the real server and reads its whole answer: from here on the far end has it."""
        reader, writer = await self.up()
        writer.write(request)
        await writer.drain()
        head = await reader.readuntil(b"\r\n\r\n")
        length = 0 if head.split(b" ", 2)[1] in (b"204", b"304") else _content_length(head)
        body = await (reader.read() if length is None else reader.readexactly(length))
        return Answered(data=head + body, head_bytes=len(head))

    async def write(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def end(self, how: End) -> None:
        """An orderly close, a reset, or silence until the client gives up."""
        if how == "reset":
            _reset(self.writer)
        elif how == "hang":
            while await self.reader.read(CHUNK_BYTES):
                pass

    def close(self) -> None:
        self.writer.close()
        if self._up is not None:
            self._up[1].close()


Shape = Callable[[Passage], Awaitable[None]]


class FaultProxy:
    """Listens on a free port of 127.0.0.1. `upstreams` are ports there, asked in turn, the dead ones passed over."""

    def __init__(self, *upstreams: int) -> None:
        self.upstreams = list(upstreams)
        self.connections = 0
        self.port = 0
        self.choose: Callable[[], Shape] | None = None
        """Draws the shape of a connection; None: as `play` said."""
        self._shapes: list[Shape] = [passing()]
        self._turn = 0
        self._open: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._accepted = asyncio.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def play(self, *shapes: Shape) -> None:
        """What happens on the next connections, one shape each; the last one also on all that follow."""
        self._shapes = list(shapes)

    async def until_connections(self, count: int) -> None:
        """Until so many were accepted since the start."""
        while self.connections < count:
            self._accepted.clear()
            await self._accepted.wait()

    async def go_down(self) -> None:
        """From now on connections are refused, and those that stand are reset."""
        if self._server is not None:
            self._server.close()
            self._server = None
        await self._end_all()

    async def come_up(self) -> None:
        """Listens, on the same port as before if there was one."""
        if self._server is None:
            self.port = self.port or free_port()
            self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)

    async def dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        for _ in range(len(self.upstreams)):
            self._turn += 1
            with contextlib.suppress(OSError):
                return await asyncio.open_connection("127.0.0.1", self.upstreams[self._turn % len(self.upstreams)])
        raise ConnectionRefusedError("nothing listens behind the proxy")

    async def __aenter__(self) -> Self:
        await self.come_up()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.go_down()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        self.connections += 1
        self._accepted.set()
        shape = self.choose() if self.choose else self._shapes.pop(0) if len(self._shapes) > 1 else self._shapes[0]
        passage = Passage(self, reader, writer)
        try:
            # Whatever an end does to a connection here is what it came for.
            with contextlib.suppress(OSError, EOFError):
                await shape(passage)
        except asyncio.CancelledError:
            _reset(writer)  # the proxy goes down; asyncio would print a cancelled connection as an error
        finally:
            self._open.discard(task)
            passage.close()

    async def _end_all(self) -> None:
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)


# Shapes that let everything through


def passing(*, latency_s: float = 0, jitter_s: float = 0, bytes_per_s: float = 0) -> Shape:
    """Unharmed both ways; with `latency_s` (and up to `jitter_s` more) for each piece, at `bytes_per_s` at most."""

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(CHUNK_BYTES if not bytes_per_s else max(1, int(bytes_per_s / 20))):
                pause_s = latency_s + random.uniform(0, jitter_s) + (len(data) / bytes_per_s if bytes_per_s else 0)
                if pause_s:
                    await asyncio.sleep(pause_s)
                sink.write(data)
                await sink.drain()
            if sink.can_write_eof():
                sink.write_eof()

    async def shape(passage: Passage) -> None:
        reader, writer = await passage.up()
        await asyncio.gather(pump(passage.reader, writer), pump(reader, passage.writer))

    return shape


# Shapes in which the far end never sees the request


async def close_at_accept(passage: Passage) -> None:
    """Accepts and closes, without reading."""


async def reset_at_accept(passage: Passage) -> None:
    await passage.end("reset")


async def swallow(passage: Passage) -> None:
    """Takes every byte and says nothing, until the client gives up."""
    await passage.end("hang")


def cut_request(after_bytes: int) -> Shape:
    """The far end gets the first bytes of the request; then both ends are cut off."""

    async def shape(passage: Passage) -> None:
        _, writer = await passage.up()
        writer.write(await passage.reader.readexactly(after_bytes))
        await writer.drain()
        _reset(writer)
        await passage.end("reset")

    return shape


def say(answer: bytes) -> Shape:
    """A gateway in between answers by itself."""

    async def shape(passage: Passage) -> None:
        await passage.read_request()
        await passage.write(answer)

    return shape


# Shapes in which the far end has it, and the client gets less than its answer, or more


def lose_answer(how: End) -> Shape:
    """The far end takes the request and answers; of that the client sees nothing."""

    async def shape(passage: Passage) -> None:
        await passage.ask(await passage.read_request())
        await passage.end(how)

    return shape


def cut_answer(after_bytes: int) -> Shape:
    """The client gets the first bytes of the answer."""

    async def shape(passage: Passage) -> None:
        answer = await passage.ask(await passage.read_request())
        await passage.write(answer.data[:after_bytes])

    return shape


async def half_a_status_line(passage: Passage) -> None:
    answer = await passage.ask(await passage.read_request())
    await passage.write(answer.data[: answer.status_line_bytes // 2])


async def half_a_body(passage: Passage) -> None:
    answer = await passage.ask(await passage.read_request())
    await passage.write(answer.data[: (answer.head_bytes + len(answer.data)) // 2])


async def garbage(passage: Passage) -> None:
    await passage.ask(await passage.read_request())
    await passage.write(b"\x00\x01 this is no HTTP\r\n\r\n\xff\xfe")


async def answer_twice(passage: Passage) -> None:
    answer = await passage.ask(await passage.read_request())
    await passage.write(answer.data + answer.data)


async def half_close(passage: Passage) -> None:
    """The whole answer, and then nothing more from that side, while the other stays open."""
    answer = await passage.ask(await passage.read_request())
    await passage.write(answer.data)
    passage.writer.write_eof()
    await passage.end("hang")


# Something happens while a send is on its way


def strike_before(strike: Strike) -> Shape:
    """At the next send, after the whole request has left the client and before the far end sees it. It never does."""

    async def shape(passage: Passage) -> None:
        await _pass_until_send(passage)
        await strike()

    return shape


def strike_after(strike: Strike) -> Shape:
    """At the next send, after the far end has taken it and before the client sees the answer. It never does."""

    async def shape(passage: Passage) -> None:
        await passage.ask(await _pass_until_send(passage))
        await strike()

    return shape


async def _pass_until_send(passage: Passage) -> bytes:
    """The next POST; what comes before it on this connection is asked and answered as ever."""
    while not (request := await passage.read_request()).startswith(b"POST "):
        await passage.write((await passage.ask(request)).data)
    return request


def _content_length(head: bytes) -> int | None:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            return int(value)
    return None


def _reset(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    if sock is not None and sock.fileno() >= 0:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
