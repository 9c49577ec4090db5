"""The carrier's calls to the bridge: signed webhooks and callbacks, and the fetching of outbound media."""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, unquote, urljoin, urlsplit

import aiohttp
from yarl import URL

from smsbridge.wire.encoding import write_form
from smsbridge.wire.signing import basic_authorization

from .loopback import is_loopback_url
from .signature import sign, signed_url
from .traffic import Kind, Traffic

MAX_ANSWER_BYTES: Final = 64 * 1024
MAX_REDIRECTS: Final = 5
MEDIA_TIMEOUT_S: Final = 15.0

_CHUNK_BYTES: Final = 64 * 1024
_USER_AGENT: Final = "TwilioProxy/1.1"
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
    """What is retried: `ct` a connect failure, `rt` a read timeout, `4xx`, `5xx`, `all`."""

    def retries(self, failure: str) -> bool:
        return failure in self.rp or ("all" in self.rp and failure != "")


def read_overrides(fragment: str) -> Overrides:
    """`rc=3&rp=all&rt=5000`. What is unknown or out of range keeps its default."""
    values: dict[str, int] = {}
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
class Fetched:
    """A file at a MediaUrl, or the code with which its message fails."""

    error_code: int | None = None
    problem: str = ""
    content_type: str = ""
    body: bytes = b""


class Callbacks:
    """Must be made and closed inside one event loop. Calls loopback addresses only, whatever it is told to call."""

    def __init__(self, *, auth_token: str, connection: str, traffic: Traffic, chance: random.Random) -> None:
        self._auth_token = auth_token
        self._default_connection = connection
        self._traffic = traffic
        self._chance = chance
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=256),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=True,
            trust_env=False,
        )

    async def close(self) -> None:
        await self._session.close()

    async def post(
        self, url: str, form: Sequence[tuple[str, str]], *, kind: Kind, summary: str, method: str = "POST"
    ) -> Answer:
        """Calls `url` as a webhook, signed. Every attempt goes into the traffic. Never raises for what it meets."""
        if not is_loopback_url(url):
            answer = Answer(status=None, ms=0, attempts=0, error_code=11205, problem="not an address on this computer")
            self._record(url, form, answer, method=method, kind=kind, summary=summary)
            return answer
        overrides = read_overrides(urlsplit(url).fragment or self._default_connection)
        if method == "GET":
            separator = "&" if urlsplit(url).query else "?"
            url, form = f"{signed_url(url)}{separator}{write_form(form).decode()}", ()
        headers = {
            "User-Agent": _USER_AGENT,
            "Accept": "*/*",
            "X-Twilio-Signature": sign(url, form, self._auth_token),
            "I-Twilio-Idempotency-Token": str(uuid.UUID(int=self._chance.getrandbits(128), version=4)),
            **_credentials(url),
        }
        if method == "POST":
            headers["Content-Type"] = "application/x-www-form-urlencoded; charset=UTF-8"
        body = write_form(form) if method == "POST" else None
        target = URL(signed_url(url), encoded=True)
        answer = Answer(status=None, ms=0, error_code=11203, problem="no time left", failure="rt")
        started = time.perf_counter()
        for attempt in range(1, overrides.rc + 2):
            left_s = overrides.tt_ms / 1000 - (time.perf_counter() - started)
            if left_s <= 0:
                break
            answer = await self._attempt(method, target, headers, body, overrides, left_s, attempt)
            self._record(url, form, answer, method=method, kind=kind, summary=summary)
            if not overrides.retries(answer.failure):
                break
        return answer

    async def _attempt(
        self,
        method: str,
        target: URL,
        headers: dict[str, str],
        body: bytes | None,
        overrides: Overrides,
        left_s: float,
        attempt: int,
    ) -> Answer:
        started = time.perf_counter()
        timeout = aiohttp.ClientTimeout(
            total=left_s, sock_connect=overrides.ct_ms / 1000, sock_read=overrides.rt_ms / 1000
        )

        def failed(code: int, problem: str, failure: str, status: int | None = None) -> Answer:
            return Answer(
                status=status, ms=_ms(started), attempts=attempt, error_code=code, problem=problem, failure=failure
            )

        try:
            async with self._session.request(
                method, target, data=body, headers=headers, allow_redirects=False, timeout=timeout
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
        if not 200 <= response.status < 300:
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
                headers={"User-Agent": _USER_AGENT, **_credentials(url)},
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

    def _record(
        self, url: str, form: Sequence[tuple[str, str]], answer: Answer, *, method: str, kind: Kind, summary: str
    ) -> None:
        values = dict(form)
        parts = urlsplit(url)
        self._traffic.record(
            direction="carrier→bridge",
            method=method,
            path=parts.path + (f"?{parts.query}" if parts.query else ""),
            kind=kind,
            status=answer.status,
            ms=answer.ms,
            summary=f"{summary}; {answer.problem}" if answer.problem else summary,
            from_=values.get("From", ""),
            to=values.get("To", ""),
            form=form,
            signed=answer.attempts > 0,
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
