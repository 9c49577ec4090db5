"""One REST call as a record, and what its handler is given.

The same pydantic models validate a request and describe it in the OpenAPI document, so the two cannot differ.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeVar

from aiohttp import web
from pydantic import BaseModel

from smsbridge.contracts.bridge import Bridge
from smsbridge.contracts.store import KeptAnswer, Tx
from smsbridge.domain.errors import BridgeError, CannotSend
from smsbridge.domain.message import Agent
from smsbridge.wire.encoding import write_json
from smsbridge.wire.signing import sha256_hex

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)

Handler = Callable[["Call"], Awaitable["Answer | Mapping[str, Any] | web.StreamResponse | None"]]
Body = Literal["json", "multipart", "none"]

MAX_CURSOR_CHARS: Final = 512
_KEY: Final = re.compile(r"[\x20-\x7e]{1,255}")
_QUOTED: Final = re.compile(r'"(?:[^"\\]|\\["\\])*"')


@dataclass(frozen=True, kw_only=True, slots=True)
class Endpoint:
    """Everything about one call. `scope` is what its key must have; None: anybody may call it."""

    method: str
    path: str
    summary: str
    tag: str
    scope: str | None
    handler: Handler
    query: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    body_kind: Body = "json"
    body_optional: bool = False
    answer: type[BaseModel] | None = None
    status: int = 200
    creates: bool = False
    """It takes an Idempotency-Key."""
    problems: tuple[int, ...] = ()
    """Statuses it can refuse with, besides 400, 401, 403 and 503."""
    content_types: tuple[str, ...] = ("application/json",)
    """Of its answer."""
    description: str = ""

    @property
    def name(self) -> str:
        """The operation's id: `post_messages_cancel`."""
        words = [part for part in self.path.split("/") if part and part != "v1"]
        return "_".join([self.method.lower(), *(part.strip("{}").replace("-", "_") for part in words)])


@dataclass(frozen=True, kw_only=True, slots=True)
class Principal:
    """Who calls."""

    key_id: str
    name: str
    scopes: frozenset[str]
    agent: Agent | None = None
    """Who is signed in at the desk; None: an agent system, which speaks for all its agents."""
    supervises: bool = False

    def may(self, scope: str) -> bool:
        return scope in self.scopes or "*" in self.scopes


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What a handler wants said. `body` None: nothing but the status."""

    body: Mapping[str, Any] | None = None
    status: int | None = None
    location: str = ""


class KeyReused(BridgeError):
    """The Idempotency-Key was used for another request."""


class KeyInFlight(BridgeError):
    """The first request with this Idempotency-Key is still running."""


class BadIdempotencyKey(BridgeError):
    """The header is missing where it must be there, or is not 1 to 255 printable ASCII characters."""


class BadCursor(BridgeError):
    """A cursor that was not given out here."""


class Replayed(Exception):
    """The request was answered before: `answer` is what was said."""

    def __init__(self, answer: KeptAnswer) -> None:
        super().__init__("replayed")
        self.answer = answer


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """One request on its way through its handler."""

    endpoint: Endpoint
    bridge: Bridge
    principal: Principal | None
    request: web.Request
    path: Mapping[str, str]
    query_model: BaseModel | None = None
    body_model: BaseModel | None = None
    request_id: str = ""
    idempotency_key: str = ""
    fingerprint: str = ""
    render: Callable[[BridgeError], tuple[int, bytes]] = field(default=lambda _error: (500, b""))
    """How an error is answered, for the refusals that are kept like any answer."""

    def query(self, model: type[M]) -> M:
        """The query as `model`, which must be the endpoint's own."""
        return _as(model, self.query_model)

    def body(self, model: type[M]) -> M:
        """The body as `model`, which must be the endpoint's own."""
        return _as(model, self.body_model)

    @property
    def owner(self) -> str:
        """Whose idempotency keys these are: the same key from another client is another key."""
        key_id = self.principal.key_id if self.principal else ""
        return f"{key_id} {self.endpoint.method} {self.endpoint.path}"

    async def read(self, work: Callable[[Tx], T]) -> T:
        return await self.bridge.store.read(work)

    async def write(
        self,
        work: Callable[[Tx], Mapping[str, Any] | CannotSend | None],
        *,
        location: str = "",
        status: int | None = None,
    ) -> Answer:
        """Runs `work` and answers with the resource it returns. `location` is a template: `/v1/messages/{id}`.

        With an Idempotency-Key the answer is kept in the very transaction of the work: both are there, or neither. A
        refusal that `work` returns is kept too, so that repeating it raises no second notice; it is raised afterwards.
        """
        said = status or self.endpoint.status

        def once(tx: Tx) -> Mapping[str, Any] | CannotSend | None:
            if self.idempotency_key:
                kept = tx.kept_answer(self.owner, self.idempotency_key)
                if kept is not None:
                    if kept.fingerprint != self.fingerprint:
                        raise KeyReused("This Idempotency-Key was used for another request. Use a new one.")
                    raise Replayed(kept)
            result = work(tx)
            if self.idempotency_key:
                tx.keep_answer(
                    self.owner, self.idempotency_key, self._keep(result, said, location), self.bridge.now_ms()
                )
            return result

        result = await self.bridge.store.write(once)
        if isinstance(result, CannotSend):
            raise result
        return Answer(body=result, status=said, location=location.format_map(result) if location and result else "")

    def _keep(self, result: Mapping[str, Any] | CannotSend | None, status: int, location: str) -> KeptAnswer:
        if isinstance(result, CannotSend):
            code, body = self.render(result)
            return KeptAnswer(fingerprint=self.fingerprint, status=code, body=body)
        return KeptAnswer(
            fingerprint=self.fingerprint,
            status=status,
            body=b"" if result is None else write_json(result),
            location=location.format_map(result) if location and result else "",
        )


def _as(model: type[M], read: BaseModel | None) -> M:
    if not isinstance(read, model):
        raise TypeError(f"the endpoint reads {type(read).__name__}, not {model.__name__}")
    return read


def read_idempotency_key(header: str | None, *, required: bool) -> str:
    """The key, given as a structured-field string (`"8e03..."`, RFC 8941, 3.3.3) or bare. Empty: none was given.

    An empty header is an error: whoever sends it believes that a repeat does nothing.
    """
    if header is None:
        if required:
            raise BadIdempotencyKey("This call needs an Idempotency-Key header: any unique text, a UUID for example.")
        return ""
    value = header.strip()
    if _QUOTED.fullmatch(value):
        value = re.sub(r"\\(.)", r"\1", value[1:-1])
    elif value.startswith('"'):
        raise BadIdempotencyKey("The Idempotency-Key begins with a quote that is never closed.")
    if not _KEY.fullmatch(value):
        raise BadIdempotencyKey("The Idempotency-Key must be 1 to 255 printable ASCII characters.")
    return value


def fingerprint(method: str, path: str, body: bytes) -> str:
    """What makes two requests the same."""
    return sha256_hex(b"\0".join([method.encode(), path.encode(), body]))


def write_page(
    items: Sequence[Mapping[str, Any]], limit: int, sort_key: Callable[[Mapping[str, Any]], Any]
) -> dict[str, Any]:
    """A list was asked for `limit + 1` long: the one too many says that there is more."""
    page = list(items[:limit])
    more = len(items) > limit
    return {"items": page, "next_cursor": write_cursor(sort_key(page[-1])) if more and page else None}


def write_cursor(position: Any) -> str:
    """Opaque to the reader, so that what is in it can change."""
    return base64.urlsafe_b64encode(json.dumps([1, position]).encode()).decode().rstrip("=")


def read_cursor(cursor: str, kind: type[T]) -> T:
    """The position in a cursor that `write_cursor` made. Raises BadCursor.

    What it returns has the right type and is something a database can be asked for; whether it makes sense in the list
    at hand is for the caller to say.
    """
    bad = BadCursor("This cursor is not one of ours. Leave it out to begin at the start.")
    if len(cursor) > MAX_CURSOR_CHARS:
        raise bad
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        version, position = json.loads(raw)
    except (ValueError, TypeError, RecursionError):
        raise bad from None
    if version != 1 or type(position) is not kind:  # a bool is an int, but no position
        raise bad
    if isinstance(position, int) and not 0 <= position < 2**63:
        raise bad
    if isinstance(position, str) and not (position.isascii() and position.isprintable()):
        raise bad
    return position
