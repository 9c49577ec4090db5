"""The outside world: the only file that calls anybody over HTTP (contracts.network.Network, on aiohttp's client).

`perform` calls addresses that the configuration names, and answers the one question that decides between repeating a
text and never repeating it: did the bytes leave? `fetch` downloads from addresses that others gave us, inside fences.
Nothing here logs; reasons are our own words and hold no URL, header or body.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import io
import os
import re
import socket
import ssl
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import urljoin

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.connector import Connection
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

import smsbridge
from smsbridge.addresses import is_metadata, is_public
from smsbridge.contracts.network import Fetched, FetchFailed
from smsbridge.wire.http import (
    Answered,
    Fetch,
    Headers,
    MaybeSent,
    NotSent,
    Performed,
    Request,
    Response,
    read_filename,
)
from smsbridge.wire.times import read_retry_after_s

AddressInfo = tuple[int, int, int, str, tuple[Any, ...]]
"""As `socket.getaddrinfo` gives it: family, type, protocol, canonical name, socket address."""

LookUp = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a host name. Raises OSError when there are none."""

OpenSocket = Callable[[AddressInfo], socket.socket]
"""A socket about to be connected to this very address."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What no far end may exceed, whoever asked."""

    connect_s: float = 5.0
    """For one address: TCP and TLS together."""
    connections_per_host: int = 64
    """So that a slow host holds up nobody but itself."""
    idle_s: float = 4.0
    """How long a kept connection may lie idle. Servers close idle ones after 5 s and more (Node, Apache, uvicorn), and
    a request that crosses such a close on the way may or may not have been read."""
    redirects: int = 3
    slow_after_s: float = 10.0
    """From here on a download has to keep up `slow_bytes_per_s` on average."""
    slow_bytes_per_s: int = 1024
    look_ups: int = 16
    """Names resolved at once, on threads of their own: a dead resolver must not hold up the disk's threads."""


class HttpNetwork:
    """contracts.network.Network. To be made inside a running event loop, and closed."""

    def __init__(
        self,
        *,
        limits: Limits = Limits(),
        tls: ssl.SSLContext | None = None,
        look_up: LookUp | None = None,
        open_socket: OpenSocket | None = None,
    ) -> None:
        """`tls` replaces the system's certificate authorities; `look_up` and `open_socket` replace the system's."""
        self._limits = limits
        self._tls: ssl.SSLContext | bool = tls or True
        self._open_socket = open_socket or _open_socket
        self._threads = ThreadPoolExecutor(limits.look_ups, thread_name_prefix="look-up")
        self._resolver = _Resolver(look_up or self._look_up)
        self._kept = self._session(_Guard(_is_nameable, self._open_socket), fresh=False)
        self._fresh = self._session(_Guard(_is_nameable, self._open_socket), fresh=True)

    async def close(self) -> None:
        await self._kept.close()
        await self._fresh.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def perform(
        self,
        request: Request,
        *,
        timeout_s: float,
        max_bytes: int = 65_536,
        fresh: bool = False,
        before_leaving: Callable[[], None] | None = None,
    ) -> Performed:
        """One request to an address that the configuration names: never repeated, never redirected, never proxied.

        `fresh` takes a connection of its own instead of one that lay idle, which the far end may be closing at this
        moment: for a request that must not be repeated. `timeout_s` covers everything, from waiting for a connection
        to the last byte. An answer longer than `max_bytes` is cut, for its status is what counts. What `before_leaving`
        raises, at the last moment at which the request can be kept back, is raised.
        """
        loop = asyncio.get_running_loop()
        flight = _Flight(started_s=loop.time(), before_leaving=before_leaving)
        session = self._fresh if fresh else self._kept
        try:
            async with (
                asyncio.timeout(timeout_s),
                session.request(
                    request.method,
                    _read_url(request.url),
                    headers=_write_headers(request.headers),
                    data=_write_body(request.body),
                    allow_redirects=False,
                    middlewares=(flight.carry,),
                ) as answer,
            ):
                flight.status = answer.status
                response = _read_answer(answer, await _read_body(answer, max_bytes), max_bytes)
        except _FAILURES as error:
            elapsed_ms = flight.elapsed_ms(loop.time())
            if not flight.left:
                return NotSent(reason=_words(error), elapsed_ms=elapsed_ms)
            return MaybeSent(reason=_words(error), elapsed_ms=elapsed_ms, status=flight.status)
        return Answered(response=response, elapsed_ms=flight.elapsed_ms(loop.time()))

    async def fetch(self, fetch: Fetch, into: Path) -> Fetched | FetchFailed:
        """A download from an address that somebody else gave us.

        Every hop must be https (http only for `private_hosts`), to a listed host, at an address that is checked at the
        moment it is dialled. Raises OSError for our own disk, and nothing for what the far end does.
        """
        try:
            async with asyncio.timeout(fetch.timeout_s):
                return await self._follow(fetch, into)
        except _GaveUp as end:
            return end.failed
        except TimeoutError:
            return FetchFailed(reason=f"not finished within {fetch.timeout_s:g} s", permanent=False)

    async def _follow(self, fetch: Fetch, into: Path) -> Fetched:
        request = fetch.request
        for _ in range(self._limits.redirects + 1):
            url = _read_foreign_url(request.url)
            if not _is_listed(url, fetch.credentials_hosts):
                # For good: what this host redirects to is its wish and not ours, wherever it lies.
                harmless = (pair for pair in request.headers if pair[0].lower() in _HARMLESS_HEADERS)
                request = replace(request, headers=Headers(harmless))
            async with self._hop(fetch, request, url) as answer:
                if answer.status not in _REDIRECTS:
                    return await self._download(answer, fetch, into)
                target = _read_redirect(request.url, answer.headers.get("Location", ""))
            # What follows a redirect is a plain download, whatever asked for it.
            request = Request(method="GET", url=target, headers=request.headers)
        raise _gave_up("too many redirects")

    @contextlib.asynccontextmanager
    async def _hop(self, fetch: Fetch, request: Request, url: URL) -> AsyncIterator[aiohttp.ClientResponse]:
        """One request of a download, on a connection that nothing else shares."""
        private = _is_listed(url, fetch.private_hosts)
        if url.scheme != "https" and not private:
            raise _gave_up("not https")
        if not _is_listed(url, fetch.hosts):
            raise _gave_up("a host that is not on the list")
        guard = _Guard(_is_nameable if private else is_public, self._open_socket)
        async with self._session(guard, fresh=True) as session:
            try:
                answer = await session.request(
                    request.method,
                    url,
                    headers=_write_headers(request.headers),
                    data=_write_body(request.body),
                    allow_redirects=False,
                )
            except _FAILURES as error:
                if guard.refused and not guard.opened:
                    raise _gave_up("a forbidden address" if private else "an address that is not public") from error
                raise _gave_up(_words(error), permanent=isinstance(error, ValueError)) from error
            with contextlib.closing(answer):
                yield answer

    async def _download(self, answer: aiohttp.ClientResponse, fetch: Fetch, into: Path) -> Fetched:
        if answer.status != 200:
            raise _gave_up_on_status(answer)
        if answer.headers.get("Content-Encoding", "identity").strip().lower() not in {"", "identity"}:
            raise _gave_up("compressed, although plain bytes were asked for")
        if (answer.content_length or 0) > fetch.max_bytes:
            raise _too_large(fetch.max_bytes)
        size_bytes, sha256 = await self._write_down(answer.content, fetch.max_bytes, into)
        return Fetched(
            size_bytes=size_bytes,
            sha256=sha256,
            content_type=answer.headers.get("Content-Type", "").partition(";")[0].strip().lower(),
            filename=read_filename(answer.headers.get("Content-Disposition", "")),
        )

    async def _write_down(self, content: aiohttp.StreamReader, max_bytes: int, into: Path) -> tuple[int, str]:
        """Size and sha256 of what was written to the new file `into` and synced. On any failure there is no file."""
        loop = asyncio.get_running_loop()
        started_s = loop.time()
        size_bytes = 0
        digest = hashlib.sha256()
        descriptor = os.open(into, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                while chunk := await _read_chunk(content):
                    size_bytes += len(chunk)
                    if size_bytes > max_bytes:
                        raise _too_large(max_bytes)
                    elapsed_s = loop.time() - started_s
                    if elapsed_s > self._limits.slow_after_s and size_bytes < elapsed_s * self._limits.slow_bytes_per_s:
                        raise _gave_up("too slow", permanent=False)
                    digest.update(chunk)
                    file.write(chunk)
                file.flush()
                await asyncio.to_thread(os.fsync, file.fileno())
        except BaseException:
            os.unlink(into)
            raise
        return size_bytes, digest.hexdigest()

    def _session(self, guard: _Guard, *, fresh: bool) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            socket_factory=cast("Any", guard.open),
            resolver=self._resolver,
            ssl=self._tls,
            limit=0,
            limit_per_host=self._limits.connections_per_host,
            **({"force_close": True} if fresh else {"keepalive_timeout": self._limits.idle_s}),
        )
        return aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(sock_connect=self._limits.connect_s),
            headers={"User-Agent": f"smsbridge/{smsbridge.__version__}", "Accept-Encoding": "identity"},
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            middlewares=(_once,),
            request_class=_Request,
        )

    async def _look_up(self, host: str, port: int) -> list[str]:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(
            self._threads, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        )
        return [str(address[0]) for *_, address in found]


class _Flight:
    """What is known of one request under way."""

    __slots__ = ("_before_leaving", "left", "started_s", "status")

    def __init__(self, *, started_s: float, before_leaving: Callable[[], None] | None) -> None:
        self.started_s = started_s
        self._before_leaving = before_leaving
        self.left = False
        """Some of its bytes may have left us."""
        self.status: int | None = None

    async def carry(self, request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        """The middleware of one request."""
        cast("_Request", request).flight = self
        return await _once(request, send)

    def leave(self, now_s: float) -> None:
        if self._before_leaving is not None:
            self._before_leaving()
        self.left = True
        self.started_s = now_s

    def elapsed_ms(self, now_s: float) -> int:
        return round((now_s - self.started_s) * 1000)


class _Request(aiohttp.ClientRequest):
    """Marks its flight just before its first byte is handed to the socket; that nothing left is certain without it.

    One of aiohttp's traces tells the same moment, but with it come six others, and they cost 15 microseconds a request.
    """

    flight: _Flight | None = None

    async def send(self, conn: Connection) -> aiohttp.ClientResponse:
        if self.flight is not None:
            self.flight.leave(self.loop.time())
        return await super().send(conn)


async def _once(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """aiohttp repeats a GET, PUT or DELETE by itself when its connection breaks. It goes by the class of the error, and
    passes on one that it does not know."""
    try:
        return await send(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _BrokeOff from error


class _BrokeOff(aiohttp.ClientError):
    """The connection ended before an answer; the cause says how."""


class _Guard:
    """Checks each address at the moment its socket is made: after every look-up, redirect and second try."""

    def __init__(self, allows: Callable[[str], bool], open_socket: OpenSocket) -> None:
        self._allows = allows
        self._open_socket = open_socket
        self.opened = False
        self.refused = False

    def open(self, info: AddressInfo) -> socket.socket:
        if not self._allows(info[4][0]):
            self.refused = True
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        self.opened = True
        return self._open_socket(info)


def _is_nameable(address: str) -> bool:
    """What an operator may name: anything, private networks included, but where clouds hand out credentials."""
    return not is_metadata(address)


def _open_socket(info: AddressInfo) -> socket.socket:
    family, kind, protocol, _, _ = info
    return socket.socket(family, kind, protocol)


class _Resolver(AbstractResolver):
    """A `LookUp` as aiohttp wants it."""

    def __init__(self, look_up: LookUp) -> None:
        self._look_up = look_up

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        addresses = await self._look_up(host, port)
        if not addresses:
            raise OSError(errno.ENOENT, "no address")
        return [
            ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=0)
            for address in addresses
        ]

    async def close(self) -> None:
        """Nothing is held."""


_FAILURES: Final = (aiohttp.ClientError, HttpProcessingError, OSError, ValueError, EOFError, RuntimeError)
"""All that a call may raise. RuntimeError is a closed session, and uvloop's word for a closed socket."""


def _words(error: BaseException) -> str:
    """Our words for a failure. The library's own hold the URL."""
    match error:
        case _BrokeOff():
            cause = error.__cause__
            return "connection reset" if isinstance(cause, OSError) else "connection closed before an answer"
        case aiohttp.ClientConnectorDNSError():
            return "host name not found"
        case aiohttp.ClientConnectorCertificateError(certificate_error=ssl.SSLCertVerificationError() as refused):
            return f"certificate not accepted: {refused.verify_message}"
        case aiohttp.ClientConnectorError(errno=errno.EACCES):
            return "a forbidden address"
        case ssl.SSLError():
            return "TLS failed"
        case aiohttp.ClientConnectorError() if error.errno:
            return f"no connection: {os.strerror(error.errno).lower()}"
        case aiohttp.ClientPayloadError():
            return "the answer broke off"
        case aiohttp.ClientResponseError() | HttpProcessingError():
            return "the answer was not HTTP"
        case TimeoutError():
            return "timed out"
        case ValueError():
            return "not a URL or header that can be sent"
        case _:
            return "connection failed"


def _read_url(text: str) -> URL:
    """The URL exactly as it is written: a library that tidies it up breaks signatures made over it."""
    if not _VISIBLE_ASCII.fullmatch(text):
        raise ValueError("a URL is visible ASCII")
    return URL(text, encoded=True)


def _read_foreign_url(text: str) -> URL:
    """A URL that somebody else wrote. The host that is checked and the one that is dialled are one reading."""
    try:
        url = _read_url(text)
        plain = url.scheme in _DEFAULT_PORTS and url.port and url.user is None
        if not plain or not _HOST.fullmatch(url.raw_host or ""):
            raise ValueError("not a plain web address")
    except ValueError:
        raise _gave_up("not a URL that can be fetched") from None
    return url


_VISIBLE_ASCII: Final = re.compile(r"[!-~]+")
_HOST: Final = re.compile(r"[0-9A-Za-z._:-]+")


def _is_listed(url: URL, hosts: Sequence[str]) -> bool:
    """Whether a `Fetch` names this host: `name` means the scheme's own port, `*.name` anything below it, `*` any."""
    host = (url.raw_host or "").lower().removesuffix(".")
    for entry in hosts:
        named = _HOST_AND_PORT.fullmatch(entry.lower())
        if named is None:
            continue
        name = named["name"].strip("[]").removesuffix(".")
        port = int(named["port"]) if named["port"] else _DEFAULT_PORTS[url.scheme]
        if url.port == port and (name in {"*", host} or (name.startswith("*.") and host.endswith(name[1:]))):
            return True
    return False


_HOST_AND_PORT: Final = re.compile(r"(?P<name>\[[^\]]+\]|[^:\[\]]+)(?::(?P<port>[0-9]{1,5}))?")
_DEFAULT_PORTS: Final = {"https": 443, "http": 80}


def _write_headers(headers: Headers) -> list[tuple[str, str]]:
    for name, value in headers:
        if _LINE_BREAKING.search(name) or _LINE_BREAKING.search(value):
            raise ValueError("a header with a control character")
    return list(headers)


_LINE_BREAKING: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def _write_body(body: bytes) -> bytes | io.BytesIO | None:
    """A large body goes out in pieces, so that the event loop is not held up by one write."""
    if len(body) > 1_048_576:
        return io.BytesIO(body)
    return body or None


async def _read_body(answer: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    """At most `max_bytes` and a little more; the caller cuts."""
    body = bytearray()
    while len(body) <= max_bytes and (chunk := await answer.content.readany()):
        body += chunk
    return bytes(body)


def _read_answer(answer: aiohttp.ClientResponse, body: bytes, max_bytes: int) -> Response:
    headers = Headers((name, _printable(value)) for name, value in answer.headers.items())
    if headers.get("Content-Encoding").lower() in {"gzip", "x-gzip", "deflate"}:
        # Asked for plain bytes, and yet: a compressed answer to a send must not be taken for an unreadable one.
        with contextlib.suppress(zlib.error):
            body = zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(body, max_bytes)
            headers = headers.without("Content-Encoding", "Content-Length")
    return Response(status=answer.status, headers=headers, body=body[:max_bytes])


async def _read_chunk(content: aiohttp.StreamReader) -> bytes:
    """The next bytes of a download; none at its end."""
    try:
        return await content.readany()
    except _FAILURES as error:
        raise _gave_up(_words(error), permanent=False) from error


def _read_redirect(base: str, location: str) -> str:
    """Where it leads, absolute. The next hop's fences decide whether it may be followed."""
    try:
        return urljoin(base, location)
    except ValueError:
        raise _gave_up("a redirect that leads nowhere") from None


def _printable(value: str) -> str:
    """Header bytes that are not UTF-8 arrive as lone surrogates, which no store and no log can write."""
    return value if value.isascii() else value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_HARMLESS_HEADERS: Final = frozenset({"accept", "accept-language", "user-agent"})
"""All that a host without leave to see credentials is sent: carriers keep those in headers of their own, too."""

_PASSING_STATUSES: Final = frozenset({404, 408, 421, 423, 425, 429})
"""Worth asking again. Carriers answer 404 for the first seconds of an attachment's life."""


class _GaveUp(Exception):
    """A download ended without a file."""

    def __init__(self, failed: FetchFailed) -> None:
        super().__init__(failed.reason)
        self.failed = failed


def _gave_up(reason: str, *, permanent: bool = True) -> _GaveUp:
    return _GaveUp(FetchFailed(reason=reason, permanent=permanent))


def _too_large(max_bytes: int) -> _GaveUp:
    return _GaveUp(FetchFailed(reason=f"more than {max_bytes} bytes", permanent=True, too_large=True))


def _gave_up_on_status(answer: aiohttp.ClientResponse) -> _GaveUp:
    return _GaveUp(
        FetchFailed(
            reason=f"HTTP {answer.status}",
            permanent=answer.status < 500 and answer.status not in _PASSING_STATUSES,
            status=answer.status,
            after_s=read_retry_after_s(Headers(answer.headers.items())),
        )
    )
