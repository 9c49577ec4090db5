"""The carrier's calls to the bridge: signed webhooks and callbacks, and the fetching of outbound media."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urljoin, urlsplit

import aiohttp
from yarl import URL

from smsbridge.wire.signing import basic_authorization

from .loopback import is_loopback_url
from .signature import signed_url
from .traffic import Kind, Traffic

MAX_ANSWER_BYTES: Final = 64 * 1024
MAX_REDIRECTS: Final = 5
MEDIA_TIMEOUT_S: Final = 15.0

_CHUNK_BYTES: Final = 64 * 1024
WAITS_SHRINK_BY: Final = 60
"""What carriers let pass between two calls in minutes passes here in seconds."""

_RANGES: Final = {"ct": (100, 10_000), "rt": (100, 15_000), "tt": (100, 15_000), "rc": (0, 5)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Overrides:
    """How a URL is called, https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides"""

    ct_ms: int = 5_000
    rt_ms: int = 15_000
    tt_ms: int = 15_000
    rc: int = 1
    """Retries after the first attempt."""
    rp: frozenset[str] = frozenset({"ct"})
    """What is retried: `ct` a connect failure, `rt` a read timeout, `3xx`, `4xx`, `5xx`, one status, `all`."""
    waits_s: tuple[float, ...] = ()
    """What passes at the carrier before each retry; beyond the last it stays the same."""
    taken: range = range(200, 300)
    """The statuses that the carrier takes for a success."""

    def retries(self, answer: Answer) -> bool:
        failure = answer.failure
        return failure in self.rp or str(answer.status) in self.rp or ("all" in self.rp and failure != "")

    def wait_s(self, attempt: int) -> float:
        """Before the try after `attempt`, counted from 1."""
        return self.waits_s[min(attempt, len(self.waits_s)) - 1] / WAITS_SHRINK_BY if self.waits_s else 0.0


def read_overrides(fragment: str) -> Overrides:
    """`rc=3&rp=all&rt=5000`. What is unknown or out of range keeps its default."""
    values: dict[str, Any] = {}
    given = dict(parse_qsl(fragment))
    for name, (low, high) in _RANGES.items():
        text = given.get(name, "")
        if text.isascii() and text.isdigit() and len(text) < 7 and low <= int(text) <= high:
            values[name if name == "rc" else f"{name}_ms"] = int(text)
    rp = frozenset(given["rp"].split(",")) if "rp" in given else Overrides().rp
    return Overrides(**values, rp=rp)


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What became of a call, its retries included."""

    status: int | None
    ms: int
    attempts: int = 1
    content_type: str = ""
    body: bytes = b""
    error_code: int | None = None
    """The alert that the carrier would raise: 11200 and its relatives."""
    problem: str = ""
    failure: str = ""
    """`ct`, `rt`, `4xx`, `5xx`: the name under which the overrides may ask for a retry."""

    @property
    def ok(self) -> bool:
        return self.error_code is None


@dataclass(frozen=True, kw_only=True, slots=True)
class Webhook:
    """A request of the carrier's to the bridge, signed, and how it is made."""

    url: str
    """As it is configured: a fragment is not sent, credentials become an `Authorization`."""
    headers: Mapping[str, str]
    body: bytes | None
    connection: Overrides
    method: str = "POST"
    on_challenge: str = ""
    """The `Authorization` that is shown once a 401 asks for it."""
    failover_url: str = ""
    """Called with the same request once all tries of `url` are spent."""
    from_: str = ""
    to: str = ""
    shown: Sequence[tuple[str, str]] = ()
    """What it carries, for people."""
    signed: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Fetched:
    """A file at a MediaUrl, or the code with which its message fails."""

    error_code: int | None = None
    problem: str = ""
    content_type: str = ""
    body: bytes = b""


class Callbacks:
    """Must be made and closed inside one event loop. Calls loopback addresses only, whatever it is told to call."""

    def __init__(self, *, user_agent: str, traffic: Traffic, pause: Callable[[float], Awaitable[None]]) -> None:
        self._user_agent = user_agent
        self._traffic = traffic
        self._pause = pause
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=256),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=True,
            trust_env=False,
        )

    async def close(self) -> None:
        await self._session.close()

    async def post(self, webhook: Webhook, *, kind: Kind, summary: str) -> Answer:
        """Every attempt goes into the traffic. Never raises for what it meets."""
        answer = await self._post(webhook, webhook.url, kind=kind, summary=summary)
        if not answer.ok and webhook.failover_url not in ("", webhook.url):
            answer = await self._post(webhook, webhook.failover_url, kind=kind, summary=f"{summary}, to the failover")
        return answer

    async def _post(self, webhook: Webhook, url: str, *, kind: Kind, summary: str) -> Answer:
        if not is_loopback_url(url):
            answer = Answer(status=None, ms=0, attempts=0, error_code=11205, problem="not an address on this computer")
            self._record(webhook, url, answer, kind=kind, summary=summary)
            return answer
        headers = {"User-Agent": self._user_agent, "Accept": "*/*", **webhook.headers, **_credentials(url)}
        target = URL(signed_url(url), encoded=True)
        connection = webhook.connection
        answer = Answer(status=None, ms=0, error_code=11203, problem="no time left", failure="rt")
        spent_s = 0.0  # on calls: what passes between them is not theirs
        for attempt in range(1, connection.rc + 2):
            left_s = connection.tt_ms / 1000 - spent_s
            if left_s <= 0:
                break
            started = time.perf_counter()
            answer = await self._attempt(webhook, target, headers, left_s, attempt)
            if answer.status == 401 and webhook.on_challenge and "Authorization" not in headers:
                self._record(webhook, url, answer, kind=kind, summary=f"{summary}, before the credentials")
                headers["Authorization"] = webhook.on_challenge
                answer = await self._attempt(webhook, target, headers, left_s, attempt)
            spent_s += time.perf_counter() - started
            self._record(webhook, url, answer, kind=kind, summary=summary)
            if not connection.retries(answer) or attempt > connection.rc:
                break
            await self._pause(connection.wait_s(attempt))
        return answer

    async def _attempt(
        self, webhook: Webhook, target: URL, headers: Mapping[str, str], left_s: float, attempt: int
    ) -> Answer:
        started = time.perf_counter()
        connection = webhook.connection
        timeout = aiohttp.ClientTimeout(
            total=left_s, sock_connect=connection.ct_ms / 1000, sock_read=connection.rt_ms / 1000
        )

        def failed(code: int, problem: str, failure: str, status: int | None = None) -> Answer:
            return Answer(
                status=status, ms=_ms(started), attempts=attempt, error_code=code, problem=problem, failure=failure
            )

        try:
            async with self._session.request(
                webhook.method,
                target,
                data=webhook.body,
                headers=headers,
                allow_redirects=False,
                timeout=timeout,
            ) as response:
                received = await _read_up_to(response, MAX_ANSWER_BYTES)
        except aiohttp.ConnectionTimeoutError:
            return failed(11201, "no connection in time", "ct")
        except aiohttp.ClientConnectorError as error:
            return failed(11202, f"no connection: {error.strerror}", "ct")
        except TimeoutError:
            return failed(11200, "no answer in time", "rt")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return failed(11200, f"the connection broke: {type(error).__name__}", "")
        if received is None:
            return failed(11750, "an answer of more than 64 kB", "", response.status)
        if response.status not in connection.taken:
            failure = f"{response.status // 100}xx"
            return failed(11200, f"answered {response.status}", failure, response.status)
        return Answer(
            status=response.status,
            ms=_ms(started),
            attempts=attempt,
            content_type=response.headers.get("Content-Type", "").partition(";")[0].strip().lower(),
            body=received,
        )

    async def fetch(self, url: str, *, max_bytes: int) -> Fetched:
        """A file on this computer, for a phone to send: no part of the traffic between carrier and bridge."""
        try:
            async with asyncio.timeout(MEDIA_TIMEOUT_S):
                return await self._follow("GET", url, max_bytes=max_bytes, logged=False)
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            return Fetched(error_code=11200, problem=f"it could not be fetched: {type(error).__name__}")

    async def fetch_media(self, url: str, *, max_bytes: int) -> Fetched:
        """HEAD, then GET, as the carrier does; reads one byte more than `max_bytes` at most."""
        try:
            async with asyncio.timeout(MEDIA_TIMEOUT_S):
                head = await self._follow("HEAD", url, max_bytes=0, logged=True)
                if head.error_code is not None:
                    return head
                return await self._follow("GET", url, max_bytes=max_bytes, logged=True)
        except TimeoutError:
            return Fetched(error_code=11200, problem="the media did not come in time")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Fetched(error_code=11200, problem=f"the media could not be fetched: {type(error).__name__}")

    async def _follow(self, method: str, url: str, *, max_bytes: int, logged: bool) -> Fetched:
        for _ in range(MAX_REDIRECTS + 1):
            if not is_loopback_url(url):
                return Fetched(error_code=11205, problem="the media is not on this computer")
            started = time.perf_counter()
            async with self._session.request(
                method,
                URL(signed_url(url), encoded=True),
                headers={"User-Agent": self._user_agent, **_credentials(url)},
                allow_redirects=False,
            ) as response:
                content_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
                body = await _read_up_to(response, max_bytes) if method == "GET" else b""
                status = response.status
                location = response.headers.get("Location", "")
            if logged:
                self._traffic.record(
                    direction="carrier→bridge",
                    method=method,
                    path=urlsplit(url).path,
                    kind="media",
                    status=status,
                    ms=_ms(started),
                    summary=f"fetching media: {content_type or 'no type'}",
                )
            if 300 <= status < 400 and location:
                url = urljoin(url, location)
                continue
            if not 200 <= status < 300:
                return Fetched(error_code=11200, problem=f"{method} of the media answered {status}")
            if body is None:
                return Fetched(error_code=11751, problem=f"the media is over {max_bytes} bytes")
            return Fetched(content_type=content_type, body=body)
        return Fetched(error_code=11215, problem="too many redirects")

    def _record(self, webhook: Webhook, url: str, answer: Answer, *, kind: Kind, summary: str) -> None:
        parts = urlsplit(url)
        self._traffic.record(
            direction="carrier→bridge",
            method=webhook.method,
            path=parts.path + (f"?{parts.query}" if parts.query else ""),
            kind=kind,
            status=answer.status,
            ms=answer.ms,
            summary=f"{summary}; {answer.problem}" if answer.problem else summary,
            from_=webhook.from_,
            to=webhook.to,
            form=webhook.shown,
            signed=webhook.signed and answer.attempts > 0,
        )


async def _read_up_to(response: aiohttp.ClientResponse, max_bytes: int) -> bytes | None:
    """The whole body, or `None` if it is longer than `max_bytes`."""
    received = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
        received += chunk
        if len(received) > max_bytes:
            return None
    return bytes(received)


def _credentials(url: str) -> dict[str, str]:
    parts = urlsplit(url)
    if parts.username is None:
        return {}
    return {"Authorization": basic_authorization(unquote(parts.username), unquote(parts.password or ""))}


def _ms(started: float) -> int:
    return round((time.perf_counter() - started) * 1000)
