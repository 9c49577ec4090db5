"""The HTTP server: who may connect, how long they may take, what every answer carries, how it ends.

aiohttp closes connections that fall silent between requests, but it sets no shorter deadline for the first request and
none for an answer that nobody reads. `reap` sets both. It reads one private attribute of aiohttp's protocol;
`check_aiohttp` says so at start, in plain words, should an upgrade have taken it away.
"""

from __future__ import annotations

import asyncio
import os
import socket
import stat
import time
from asyncio import BaseTransport, Transport
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

import structlog
from aiohttp import web

from smsbridge.contracts.bridge import Bridge
from smsbridge.web.admin import admin_application
from smsbridge.web.api.session import SessionCalls
from smsbridge.web.auth import Doorkeeper
from smsbridge.web.edge import build_app
from smsbridge.web.events import EventStream, StreamLimits, Tail
from smsbridge.web.health import Health
from smsbridge.web.hooks import Hooks
from smsbridge.web.media import Media
from smsbridge.web.pages import Pages
from smsbridge.web.problems import write_status
from smsbridge.web.rest import Rest, RestSettings
from smsbridge.web.routes import Parts, ops_routes, public_routes
from smsbridge.web.seldom import Seldom
from smsbridge.web.sessions import Sessions

BACKLOG: Final = 1_024
MAX_HEADER_BYTES: Final = 8_190
MAX_HEADERS: Final = 100
OPS_HOST: Final = "127.0.0.1"
MOST_SOCKET_NAME_BYTES: Final = 108
"""With the zero at its end. https://man7.org/linux/man-pages/man7/unix.7.html"""
_LINGER_S: Final = 1.0
"""How long the rest of a refused body is read away, so that the client sees the answer and no reset."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What clients may take. Those on this machine (a proxy that stands for everybody) have no limit per address."""

    header_timeout_s: float = 10.0
    """From connecting to the end of the first request's headers."""
    body_timeout_s: float = 5.0
    upload_timeout_s: float = 120.0
    idle_timeout_s: float = 20.0
    unread_timeout_s: float = 60.0
    """How long an answer may lie here without a moment in which all of it was taken."""
    download_timeout_s: float = 300.0
    """For a whole file: 5 MB over 140 kbit/s."""
    max_connections: int = 2_000
    max_connections_per_address: int = 200
    grace_s: float = 30.0
    """For requests in flight, at a stop."""
    streams: StreamLimits = field(default_factory=StreamLimits)


class WebServer:
    """Every listener and what is behind it. `listen` binds, `run` watches over it, `stop` lets requests end."""

    def __init__(
        self,
        bridge: Bridge,
        *,
        render_metrics: Callable[[], bytes],
        forget_gauge: Callable[[str], None],
        limits: Limits | None = None,
        require_idempotency_key: bool = False,
        more_routes: Sequence[web.AbstractRouteDef] = (),
        admin_socket: Path | None = None,
    ) -> None:
        """`more_routes` go before the bridge's own. What admin.py serves is on the file `admin_socket` alone."""
        check_aiohttp()
        self._bridge = bridge
        self._limits = limits or Limits()
        self._more_routes = more_routes
        self._admin_socket = admin_socket
        self._listeners: list[Listener] = []
        self._stopping = asyncio.Event()
        self._tail = Tail(bridge)
        sessions = Sessions(bridge)
        doorkeeper = Doorkeeper(bridge, sessions)
        settings = RestSettings(
            require_idempotency_key=require_idempotency_key,
            body_timeout_s=self._limits.body_timeout_s,
            upload_timeout_s=self._limits.upload_timeout_s,
        )
        self._parts = Parts(
            bridge=bridge,
            hooks=Hooks(bridge, body_timeout_s=self._limits.body_timeout_s),
            rest=Rest(bridge, doorkeeper, settings),
            sessions=SessionCalls(sessions),
            events=EventStream(bridge, self._tail, doorkeeper, self._limits.streams),
            media=Media(bridge),
            pages=Pages(),
            health=Health(bridge, stopping=self._stopping, render_metrics=render_metrics, forget_gauge=forget_gauge),
        )

    async def listen(
        self, *, host: str, port: int, metrics_port: int | None = None, held: socket.socket | None = None
    ) -> int:
        """Binds everything and returns the public port. `held` is a socket that listens already, instead of host:port.

        With `metrics_port` the operators' URLs are on that port of this machine only (0: any), see `ops_port`. Raises
        CannotListen for an address that cannot be had, OSError for the admin socket.
        """
        routes = [*self._more_routes, *public_routes(self._parts, ops=metrics_port is None)]
        public = await self._open("public", build_app(routes))
        await (public.take(held) if held is not None else public.bind(host, port))
        if metrics_port is not None:
            ops = await self._open("ops", build_app(ops_routes(self._parts)))
            await ops.bind(OPS_HOST, metrics_port)
        if self._admin_socket is not None:
            admin = await self._open("admin", admin_application(self._bridge))
            await admin.bind_file(self._admin_socket)
        return public.port

    @property
    def ops_port(self) -> int | None:
        return next((listener.port for listener in self._listeners if listener.surface == "ops"), None)

    async def run(self) -> None:
        """Follows the event log for the streams and cuts slow clients. Returns after `stop`."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._tail.run(), name="event tail")
            group.create_task(self._reap(), name="reaper")

    async def stop(self) -> None:
        """Takes no more connections, ends the streams, gives requests in flight their grace, closes."""
        self._stopping.set()
        for listener in self._listeners:
            listener.refuse_more()
        self._tail.stop()
        await asyncio.gather(*(listener.close() for listener in self._listeners))
        if self._admin_socket is not None:
            self._admin_socket.unlink(missing_ok=True)

    async def _open(self, surface: str, app: web.Application) -> Listener:
        listener = Listener(surface, app, self._limits, self._bridge)
        await listener.set_up()
        self._listeners.append(listener)
        return listener

    async def _reap(self) -> None:
        every_s = min(1.0, self._limits.header_timeout_s / 4, self._limits.unread_timeout_s / 4)
        while not self._stopping.is_set():
            for listener in self._listeners:
                reap(listener, self._limits, time.monotonic())
            try:
                async with asyncio.timeout(every_s):
                    await self._stopping.wait()
            except TimeoutError:
                continue


class CannotListen(Exception):
    """An address that cannot be had, with the system's reason."""

    def __init__(self, address: str, error: OSError) -> None:
        self.errno = error.errno or 0
        # asyncio puts the address and words of its own before the system's; a name that is not found is below 0
        self.reason = os.strerror(self.errno) if self.errno > 0 else str(error.strerror or error)
        super().__init__(f"Cannot listen on {address}: {self.reason}.")


class Listener:
    """One listening socket, its application, and the connections it has accepted."""

    def __init__(self, surface: str, app: web.Application, limits: Limits, bridge: Bridge) -> None:
        self.surface = surface
        self._limits = limits
        self._bridge = bridge
        app.on_response_prepare.append(self._time_download)
        self._runner = web.AppRunner(app, handle_signals=False, access_log=None, shutdown_timeout=limits.grace_s)
        self._server: asyncio.Server | None = None
        self._addresses: Counter[str] = Counter()
        self._seldom = Seldom(10.0)
        self.log = structlog.get_logger()

    async def set_up(self) -> None:
        await self._runner.setup()

    async def bind(self, host: str, port: int) -> None:
        """Raises CannotListen."""
        loop = asyncio.get_running_loop()
        try:
            socket.socket().close()  # where no file is left asyncio listens on nothing, and says nothing
            self._server = await loop.create_server(self._connect, host, port, backlog=BACKLOG)
        except OSError as error:
            raise CannotListen(f"{host}:{port}", error) from error

    async def take(self, held: socket.socket) -> None:
        held.settimeout(0)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._connect, sock=held, backlog=BACKLOG)

    async def bind_file(self, path: Path) -> None:
        """A socket in the file system, for this user alone from its first moment on."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(self._connect, sock=_bind_file(path), backlog=BACKLOG)

    @property
    def port(self) -> int:
        assert self._server is not None  # noqa: S101 - it is bound before anybody asks
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def connections(self) -> Sequence[Connection]:
        server = self._runner.server
        return [each for each in server.connections if isinstance(each, Connection)] if server else []

    def refuse_more(self) -> None:
        if self._server is not None:
            self._server.close()

    async def close(self) -> None:
        self.refuse_more()
        await self._runner.cleanup()

    def enter(self, address: str) -> bool:
        """Whether one more connection from there may come in."""
        if self._addresses.total() >= self._limits.max_connections:
            self.on_crowd("total")
            return False
        if self._addresses[address] >= self._limits.max_connections_per_address and not _is_local(address):
            self.on_crowd("address")
            return False
        self._addresses[address] += 1
        return True

    def leave(self, address: str) -> None:
        self._addresses[address] -= 1
        if not self._addresses[address]:
            del self._addresses[address]

    def on_crowd(self, limit: str) -> None:
        self._bridge.meter.count("slow_clients_closed_total", surface=self.surface)
        if self._seldom.allows(limit):
            self.log.warning("connections.refused", surface=self.surface, limit=limit)

    def on_slow(self) -> None:
        self._bridge.meter.count("slow_clients_closed_total", surface=self.surface)

    def on_malformed(self, kind: str) -> None:
        if self._seldom.allows("malformed"):
            self.log.info("request.malformed", surface=self.surface, kind=kind)

    async def _time_download(self, request: web.Request, response: web.StreamResponse) -> None:
        """Files leave past the write buffer, so whether they are taken is told by the time alone."""
        if isinstance(request.protocol, Connection):
            is_file = isinstance(response, web.FileResponse)
            request.protocol.download_until = time.monotonic() + self._limits.download_timeout_s if is_file else None

    def _connect(self) -> Connection:
        assert self._runner.server is not None  # noqa: S101 - made by set_up
        return Connection(self, self._runner.server, idle_timeout_s=self._limits.idle_timeout_s)


class Connection(web.RequestHandler):
    """aiohttp's protocol of one connection, with a door before it and a quiet voice."""

    __slots__ = ("address", "download_until", "listener", "opened_at", "unread_since", "wire")

    def __init__(self, listener: Listener, server: web.Server, *, idle_timeout_s: float) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=idle_timeout_s,
            access_log=None,  # type: ignore[arg-type] # aiohttp's own way to say: none
            max_line_size=MAX_HEADER_BYTES,
            max_field_size=MAX_HEADER_BYTES,
            max_headers=MAX_HEADERS,
            lingering_time=_LINGER_S,
            auto_decompress=False,  # signatures cover the bytes as sent, and a few of them can become a gigabyte
        )
        self.listener = listener
        self.opened_at = time.monotonic()
        self.unread_since: float | None = None
        self.download_until: float | None = None
        """Set by an answer that is a file, until the next answer."""
        self.wire: Transport | None = None
        self.address: str | None = None

    @property
    def has_asked(self) -> bool:
        """Whether the headers of at least one request have come."""
        count: int = self._request_count
        return count > 0

    def connection_made(self, transport: BaseTransport) -> None:
        assert isinstance(transport, Transport)  # noqa: S101 - a stream server makes no other
        peer = transport.get_extra_info("peername")
        address = str(peer[0]) if isinstance(peer, tuple) else ""
        if not self.listener.enter(address):
            transport.abort()
            return
        self.address, self.wire = address, transport
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        if self.address is not None:
            self.listener.leave(self.address)
            self.address = None
        super().connection_lost(exc)

    def cut(self) -> None:
        if self.wire is not None:
            self.wire.abort()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - aiohttp's words, which quote the sender's bytes
    ) -> web.StreamResponse:
        """What is no HTTP is answered, counted and forgotten; the sender's bytes stand neither in answer nor in log."""
        if status < 500:
            self.listener.on_malformed(type(exc).__name__)
            response = write_status(400, "The request is not readable as HTTP.")
        else:
            self.listener.log.error("request.crashed", surface=self.listener.surface, exc_info=exc)
            response = write_status(500, "The log has the reason.")
        if request.writer.output_size > 0:
            raise ConnectionError("an answer had begun")
        response.headers["Server"] = "smsbridge"
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.force_close()
        return response

    def log_exception(self, *_args: Any, **kw: Any) -> None:
        """aiohttp's last resort, with whatever a client sent among the arguments: only what is ours is told."""
        error = kw.get("exc_info")
        if isinstance(error, (ConnectionError, web.RequestPayloadError)):
            return
        self.listener.log.error("connection.crashed", surface=self.listener.surface, exc_info=error)


def reap(listener: Listener, limits: Limits, now: float) -> None:
    """Cuts who has not asked anything in time, and who does not take the answer."""
    for connection in listener.connections:
        if _is_mute(connection, limits, now) or _is_deaf(connection, limits, now):
            connection.cut()
            listener.on_slow()


def _is_mute(connection: Connection, limits: Limits, now: float) -> bool:
    return not connection.has_asked and now - connection.opened_at > limits.header_timeout_s


def _is_deaf(connection: Connection, limits: Limits, now: float) -> bool:
    if connection.download_until is not None and now > connection.download_until:
        return True
    if connection.wire is None or connection.wire.get_write_buffer_size() == 0:
        connection.unread_since = None
        return False
    if connection.unread_since is None:
        connection.unread_since = now
    return now - connection.unread_since > limits.unread_timeout_s


def check_aiohttp() -> None:
    """Raises RuntimeError if aiohttp's protocol no longer counts its requests where the reaper looks."""
    if "_request_count" not in web.RequestHandler.__slots__:
        raise RuntimeError("this aiohttp counts its requests elsewhere: install one that pyproject.toml allows")


def _bind_file(path: Path) -> socket.socket:
    if path.exists() and stat.S_ISSOCK(path.stat().st_mode):
        path.unlink()  # of a process that was killed: the store's lock says that no other one lives
    door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fits = len(os.fsencode(path)) < MOST_SOCKET_NAME_BYTES
        door.bind(str(path) if fits else f"/proc/self/fd/{folder}/{path.name}")
        path.chmod(0o600)  # nobody can connect before it listens
    except OSError as error:
        door.close()
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        os.close(folder)
    return door


def _is_local(address: str) -> bool:
    try:
        return not address or ip_address(address.partition("%")[0]).is_loopback
    except ValueError:
        return False
