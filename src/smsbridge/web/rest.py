"""From an Endpoint to an answer: who calls, what they say, once or again, and how it went.

The order is fixed: key, scope, query, body, idempotency, function. So nobody without a key learns what is wrong with a
request, and nothing is done before all of it is known to be right.
"""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import structlog
from aiohttp import web
from pydantic import BaseModel, ValidationError

from smsbridge.contracts.bridge import Bridge
from smsbridge.contracts.store import KeptAnswer
from smsbridge.domain.errors import BridgeError
from smsbridge.web.auth import Doorkeeper
from smsbridge.web.body import read_body
from smsbridge.web.endpoint import (
    Answer,
    Call,
    Endpoint,
    KeyInFlight,
    Principal,
    Replayed,
    fingerprint,
    read_idempotency_key,
)
from smsbridge.web.problems import (
    CONTENT_TYPE,
    INTERNAL,
    NotReadable,
    TooSlow,
    WrongMediaType,
    explain_validation,
    write_problem,
)
from smsbridge.wire.encoding import Unreadable, read_json, write_json

MAX_JSON_BYTES: Final = 64 * 1024
STREAM_TYPE: Final = "text/event-stream"
_JSON: Final = "application/json; charset=utf-8"
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, kw_only=True, slots=True)
class RestSettings:
    require_idempotency_key: bool = False
    body_timeout_s: float = 5.0
    upload_timeout_s: float = 120.0
    """For a whole upload, which may be a video over a phone's connection."""


class Rest:
    """Serves endpoints, and remembers which Idempotency-Keys are being worked on."""

    def __init__(self, bridge: Bridge, doorkeeper: Doorkeeper, settings: RestSettings) -> None:
        self._bridge = bridge
        self._doorkeeper = doorkeeper
        self._settings = settings
        self._in_flight: set[tuple[str, str]] = set()
        self._log = structlog.get_logger()

    def serve(self, endpoint: Endpoint) -> Handler:
        """The aiohttp handler of `endpoint`. It always answers: every error is a problem."""

        async def answer(request: web.Request) -> web.StreamResponse:
            started = time.monotonic()
            request_id = _request_id(request)
            principal: Principal | None = None
            response: web.StreamResponse
            try:
                if endpoint.scope is not None:
                    principal = await self._doorkeeper.admit(request, endpoint.scope)
                call = await self._read(endpoint, request, principal, request_id)
                response = await self._perform(call)
            except Exception as error:  # noqa: BLE001 - the table of problems says which of them are known
                response = self._refuse(error, endpoint, request_id)
            if not response.prepared:
                response.headers["X-Request-Id"] = request_id
            self._report(endpoint, response, principal, request_id, time.monotonic() - started)
            return response

        return answer

    async def _read(
        self, endpoint: Endpoint, request: web.Request, principal: Principal | None, request_id: str
    ) -> Call:
        query = _validate(endpoint.query, _read_query(request), body=False) if endpoint.query else None
        raw = b""
        if endpoint.body_kind != "multipart":  # a call that takes no body has its own read as well, and dropped
            raw = await read_body(request, most=MAX_JSON_BYTES, timeout_s=self._settings.body_timeout_s)
        body = None
        if endpoint.body is not None and endpoint.body_kind == "json":
            said = {} if endpoint.body_optional and not raw else _read_json(request, raw)
            body = _validate(endpoint.body, said, body=True)
        key = ""
        if endpoint.creates:
            header = request.headers.get("Idempotency-Key")
            key = read_idempotency_key(header, required=self._settings.require_idempotency_key)
        return Call(
            endpoint=endpoint,
            bridge=self._bridge,
            principal=principal,
            request=request,
            path=dict(request.match_info),
            query_model=query,
            body_model=body,
            request_id=request_id,
            idempotency_key=key,
            fingerprint=fingerprint(request.method, request.path, raw) if key else "",
            render=lambda error: _render(error, request_id),
        )

    async def _perform(self, call: Call) -> web.StreamResponse:
        if not call.idempotency_key:
            return await self._ask(call)
        flight = (call.owner, call.idempotency_key)
        if flight in self._in_flight:
            self._count_key("conflict")
            raise KeyInFlight("The first request with this Idempotency-Key is still running. Repeat it in a moment.")
        self._in_flight.add(flight)
        try:
            response = await self._ask(call)
        except Replayed as replayed:
            self._count_key("replayed")
            return _write_kept(replayed.answer)
        finally:
            self._in_flight.discard(flight)
        self._count_key("new")
        return response

    async def _ask(self, call: Call) -> web.StreamResponse:
        if call.endpoint.body_kind != "multipart":
            return _write_answer(call.endpoint, await call.endpoint.handler(call))
        try:
            async with asyncio.timeout(self._settings.upload_timeout_s):
                return _write_answer(call.endpoint, await call.endpoint.handler(call))
        except TimeoutError:
            raise TooSlow("The file did not arrive in time.") from None

    def _refuse(self, error: Exception, endpoint: Endpoint, request_id: str) -> web.Response:
        response = write_problem(error, request_id)
        if response.status == INTERNAL.status:
            self._log.error("api.crashed", route=endpoint.path, request_id=request_id, exc_info=error)
        if isinstance(error, TooSlow):
            self._bridge.meter.count("slow_clients_closed_total", surface="api")
        if response.status in _CLOSING:
            response.force_close()  # what is still on its way is not wanted
        return response

    def _report(
        self,
        endpoint: Endpoint,
        response: web.StreamResponse,
        principal: Principal | None,
        request_id: str,
        elapsed_s: float,
    ) -> None:
        meter, status = self._bridge.meter, response.status
        meter.count("api_requests_total", route=endpoint.path, method=endpoint.method, code=str(status))
        if response.content_type != STREAM_TYPE:  # how long somebody listened is no measure of ours
            meter.observe("api_request_seconds", elapsed_s, route=endpoint.path, method=endpoint.method)
        self._log.info(
            "api.answered",
            method=endpoint.method,
            route=endpoint.path,
            status=status,
            elapsed_ms=round(elapsed_s * 1000, 1),
            key_id=principal.key_id if principal else None,
            request_id=request_id,
        )

    def _count_key(self, outcome: str) -> None:
        self._bridge.meter.count("idempotency_total", outcome=outcome)


_CLOSING: Final = frozenset({408, 413})


def _validate(model: type[BaseModel], said: Any, *, body: bool) -> BaseModel:
    try:
        return model.model_validate(said)
    except ValidationError as error:
        raise explain_validation(error, model, body=body) from None


def _read_query(request: web.Request) -> Mapping[str, Any]:
    """A name given several times is a list: for a field that takes one value that is an error, and not a choice."""
    return {
        name: values[0] if len(values) == 1 else values
        for name in request.query
        for values in [request.query.getall(name)]
    }


def _read_json(request: web.Request, raw: bytes) -> Any:
    if request.content_type != "application/json":
        raise WrongMediaType("Send the body as JSON, with `Content-Type: application/json`.")
    try:
        return read_json(raw)
    except Unreadable as unreadable:
        raise NotReadable(f"The body is {unreadable}.") from None


def _write_answer(
    endpoint: Endpoint, said: Answer | Mapping[str, Any] | web.StreamResponse | None
) -> web.StreamResponse:
    if isinstance(said, web.StreamResponse):
        return said
    answer = said if isinstance(said, Answer) else Answer(body=said)
    headers = {"Location": answer.location} if answer.location else {}
    if answer.body is None:
        return web.Response(status=answer.status or endpoint.status, headers=headers)
    return web.Response(
        status=answer.status or endpoint.status,
        body=write_json(answer.body),
        headers={**headers, "Content-Type": _JSON},
    )


def _write_kept(kept: KeptAnswer) -> web.Response:
    headers = {"Idempotency-Replayed": "true"}
    if kept.location:
        headers["Location"] = kept.location
    if kept.body:
        headers["Content-Type"] = _JSON if kept.status < 400 else CONTENT_TYPE
    return web.Response(status=kept.status, body=kept.body, headers=headers)


def _render(error: BridgeError, request_id: str) -> tuple[int, bytes]:
    problem = write_problem(error, request_id)
    return problem.status, problem.body if isinstance(problem.body, bytes) else b""


def _request_id(request: web.Request) -> str:
    """The client's own, where it is one that may stand in a log."""
    given = request.headers.get("X-Request-Id", "")
    return given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
