"""HTTP messages as values: what an adapter is handed and what it hands back.

A `Request` that comes in carries the *public* URL: the configured base URL plus the raw path and query as they
arrived, so that a signature over the URL can be checked without ever trusting a Host header.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from email.message import Message as MimeHeaders
from typing import Final, Self
from urllib.parse import SplitResult, urlsplit


class Headers:
    """An immutable, ordered, case-insensitive multi-map of header names to values."""

    __slots__ = ("_pairs",)

    def __init__(self, pairs: Iterable[tuple[str, str]] | Mapping[str, str] = ()) -> None:
        self._pairs: tuple[tuple[str, str], ...] = tuple(pairs.items() if isinstance(pairs, Mapping) else pairs)

    def get(self, name: str, default: str = "") -> str:
        """The first value of `name`, or `default`."""
        wanted = name.lower()
        for key, value in self._pairs:
            if key.lower() == wanted:
                return value
        return default

    def get_all(self, name: str) -> tuple[str, ...]:
        """Every value of `name`, in the order received."""
        wanted = name.lower()
        return tuple(value for key, value in self._pairs if key.lower() == wanted)

    def replace(self, name: str, value: str) -> Headers:
        """The same headers with `name` set to this one value."""
        wanted = name.lower()
        return Headers([*(pair for pair in self._pairs if pair[0].lower() != wanted), (name, value)])

    def without(self, *names: str) -> Headers:
        """The same headers less `names`; used before a redirect leaves the host that was meant to see them."""
        dropped = {name.lower() for name in names}
        return Headers(pair for pair in self._pairs if pair[0].lower() not in dropped)

    def __contains__(self, name: str) -> bool:
        wanted = name.lower()
        return any(key.lower() == wanted for key, _ in self._pairs)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._pairs)

    def __len__(self) -> int:
        return len(self._pairs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and self._pairs == other._pairs

    def __hash__(self) -> int:
        return hash(self._pairs)

    def __repr__(self) -> str:
        # Values may be credentials or signatures: only the names are shown.
        return f"Headers({', '.join(name for name, _ in self._pairs)})"


NO_HEADERS: Final = Headers()


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """One HTTP request, in either direction. `url` is absolute; `body` is exactly the bytes on the wire."""

    method: str
    url: str
    headers: Headers = NO_HEADERS
    body: bytes = b""

    @property
    def parts(self) -> SplitResult:
        return urlsplit(self.url)

    @property
    def content_type(self) -> str:
        """The media type alone, lower case: `application/json`."""
        return self.headers.get("Content-Type").partition(";")[0].strip().lower()

    def __repr__(self) -> str:
        # The query, the headers and the body may hold numbers, texts and secrets.
        parts = urlsplit(self.url)
        return f"Request({self.method} {parts.scheme}://{parts.hostname}{parts.path}, {len(self.body)} bytes)"


@dataclass(frozen=True, kw_only=True, slots=True)
class Response:
    """One HTTP answer."""

    status: int
    headers: Headers = NO_HEADERS
    body: bytes = b""

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def content_type(self) -> str:
        """The media type alone, lower case."""
        return self.headers.get("Content-Type").partition(";")[0].strip().lower()

    @classmethod
    def text(cls, body: str, *, status: int = 200, content_type: str = "text/plain; charset=utf-8") -> Self:
        return cls(status=status, headers=Headers([("Content-Type", content_type)]), body=body.encode())

    def __repr__(self) -> str:
        return f"Response({self.status}, {len(self.body)} bytes)"


NOT_PROVEN: Final = Response(
    status=401,
    headers=Headers([("Content-Type", "text/plain; charset=utf-8"), ("WWW-Authenticate", "Signature")]),
    body=b"The signature did not match.\n",
)
"""What most senders hear whose signature did not match."""

CREDENTIALS_WANTED: Final = Response(
    status=401,
    headers=Headers(
        [
            ("Content-Type", "text/plain; charset=utf-8"),
            ("WWW-Authenticate", 'Basic realm="smsbridge", charset="UTF-8"'),
        ]
    ),
    body=b"Credentials are needed here.\n",
)
"""RFC 7617: whoever shows its credentials only when asked, is asked."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answered:
    """The far end answered. `elapsed_ms` is from the first byte we tried to send to the last one read."""

    response: Response
    elapsed_ms: int


@dataclass(frozen=True, kw_only=True, slots=True)
class NotSent:
    """The request certainly never left us (refused, no such host, TLS did not come up): repeating it is safe."""

    reason: str
    elapsed_ms: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class MaybeSent:
    """The request, or a part of it, left us and no whole answer came back.

    `status` is the status line if one was read before the connection broke: it proves that the far end had
    everything, though not what came of it.
    """

    reason: str
    elapsed_ms: int = 0
    status: int | None = None


Performed = Answered | NotSent | MaybeSent
"""What became of a `Request` that we performed. Which of the three it is decides between retry and uncertain."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fetch:
    """A download from an address that somebody else gave us, with the fences it must stay inside."""

    request: Request
    hosts: tuple[str, ...]
    """The hosts (`name` or `name:port`) that may be called at all, redirects included. `*.` matches any level."""
    credentials_hosts: tuple[str, ...]
    """The hosts that may see the request's Authorization and Cookie headers. A redirect elsewhere goes without, and so
    does whatever that one redirects to."""
    private_hosts: tuple[str, ...] = ()
    """The hosts (`name:port`) that the operator named and that may therefore lie in a private network."""
    max_bytes: int = field(default=5 * 1024 * 1024)
    timeout_s: float = 60.0


def host_and_port(url: str) -> str:
    """The host of a web address as a `Fetch` names it, its port always written out."""
    parts = urlsplit(url)
    return parts.netloc if parts.port else f"{parts.netloc}:{443 if parts.scheme == 'https' else 80}"


def is_at(url: str, hosts: Iterable[str]) -> bool:
    """Whether `url`, a web address, is at one of `hosts`, named as in a `Fetch`: without a port it is https's own."""
    at = host_and_port(url.lower())
    wanted = [host.lower() if ":" in host else f"{host.lower()}:443" for host in hosts]
    return any(at == host or (host.startswith("*.") and at.endswith(host[1:])) for host in wanted)


def is_web_address(text: str) -> bool:
    """Whether `text` is a URL that a stranger's file may be fetched from: https, visible ASCII, a host, a port that
    exists, no credentials."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    plain = text.startswith("https://") and port != 0 and "@" not in parts.netloc
    return plain and bool(_VISIBLE_ASCII.fullmatch(text) and _HOST.fullmatch(parts.hostname or ""))


NO_WEB_ADDRESS: Final = (
    "must be an address that begins with https:// and a host, without a password; blanks and letters beyond ASCII are "
    "written as %20"
)
"""What is wrong with what `is_web_address` refuses."""
_VISIBLE_ASCII: Final = re.compile(r"[!-~]+")
_HOST: Final = re.compile(r"[0-9a-z._:-]+")


def read_filename(disposition: str) -> str:
    """The name in a Content-Disposition header as it was written: for `domain.media.safe_filename`, not for a disk.

    Empty where there is none that can be read. It may be in a charset of the sender's choice (RFC 2231), some of which
    give halves of surrogate pairs, as do header bytes that are not UTF-8: no store and no log can write those.
    """
    headers = MimeHeaders()
    try:
        headers["Content-Disposition"] = disposition.encode("utf-8", "surrogateescape").decode("utf-8", "replace")[
            :4_000
        ]
        name = headers.get_filename("")[:255]
    except (ValueError, LookupError, TypeError):
        return ""
    return name.encode("utf-8", "replace").decode()
