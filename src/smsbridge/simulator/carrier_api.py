"""The carrier's API, as far as it is the same for all: who asks, the story of a send, media, lookups, the traffic."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import parse_qsl

from aiohttp import web

from smsbridge.wire.encoding import Unreadable
from smsbridge.wire.signing import sha256_hex

from .account import CarrierMessage
from .delivery import Delivery
from .dialect import Call, Dialect, Endpoint, Office, Wish
from .ledger import Ledger
from .lookups import line_of
from .media import serve_media
from .numbers import read_number
from .refusals import refuse_send
from .segments import count_segments
from .traffic import Kind, Traffic

MAX_BODY_BYTES: Final = 256 * 1024

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class CarrierApi:
    def __init__(
        self, dialect: Dialect, office: Office, *, delivery: Delivery, ledger: Ledger, traffic: Traffic
    ) -> None:
        self._dialect = dialect
        self._office = office
        self._account = office.account
        self._faults = office.faults
        self._delivery = delivery
        self._ledger = ledger
        self._traffic = traffic
        self._taken: OrderedDict[str, tuple[str, web.Response]] = OrderedDict()  # a send's key -> its body, our answer

    def routes(self) -> list[web.RouteDef]:
        dialect = self._dialect
        common = [Endpoint(method="POST", path=path, kind="send", answer=self._send) for path in dialect.sends]
        if dialect.media:
            common.append(
                Endpoint(method="GET", path=dialect.media, kind="media", answer=self._serve_media, is_open=True)
            )
        if dialect.lookup:
            method, path = dialect.lookup
            common.append(Endpoint(method=method, path=path, kind="lookup", answer=self._look_up))
        return [
            web.route(
                each.method, each.path, self._logged(each.kind, each.answer if each.is_open else self._inside(each))
            )
            for each in (*common, *dialect.endpoints())
        ]

    # What every call has in common: who asks, and a line in the traffic.

    def _inside(self, endpoint: Endpoint) -> Callable[[Call], Awaitable[web.StreamResponse]]:
        async def answer(call: Call) -> web.StreamResponse:
            dialect, is_too_large = self._dialect, False
            if call.request.method == "POST":
                try:
                    call.body = await call.request.read()
                except web.HTTPRequestEntityTooLarge:
                    is_too_large = True
            refused = dialect.refuse_caller(call)
            if refused is not None:
                return refused
            if is_too_large or len(call.body) > MAX_BODY_BYTES:
                return dialect.write_refusal(call, 20413)
            try:
                if call.request.method == "POST":
                    call.form = dialect.read_body(call.body)
                return await endpoint.answer(call)
            except Unreadable as error:
                return dialect.write_refusal(call, 20422, about=str(error))

        return answer

    def _logged(self, kind: Kind, answer: Callable[[Call], Awaitable[web.StreamResponse]]) -> _Handler:
        async def answer_logged(request: web.Request) -> web.StreamResponse:
            started = time.perf_counter()
            query = parse_qsl(request.rel_url.raw_query_string, keep_blank_values=True)
            call = Call(request=request, kind=kind, query=query)
            status: int | None = None
            try:
                response = await answer(call)
                status = None if call.unanswered else response.status
                response.headers.update(self._dialect.headers((time.perf_counter() - started) * 1000))
                return response
            finally:
                self._record(call, status, round((time.perf_counter() - started) * 1000))

        return answer_logged

    def _record(self, call: Call, status: int | None, ms: int) -> None:
        shown = call.form or (call.query if call.kind in ("list", "lookup", "account") else ())
        values = dict(shown)
        self._traffic.record(
            direction="bridge→carrier",
            method=call.request.method,
            path=call.path,
            kind=call.kind,
            status=status,
            ms=ms,
            summary=call.summary or call.kind,
            from_=call.from_ or values.get("From", ""),
            to=call.to or values.get("To", ""),
            form=shown,
        )

    # Sends

    async def _send(self, call: Call) -> web.StreamResponse:
        wish = self._dialect.read_send(call)
        call.from_, call.to = wish.from_, wish.to
        broken = self._break_before()
        if broken == "send_timeout_before":
            call.summary = "no answer, on purpose; not recorded"
            return await self._hang_up(call)
        if broken:
            return self._refuse_on_purpose(call, broken, wish)
        repeated = self._answer_repeat(call, wish)
        if repeated is not None:
            return repeated
        code, about = refuse_send(wish, self._dialect, self._account, self._office.phones)
        if code is not None and not self._dialect.tells_late(code):
            return self._dialect.write_refusal(call, code, wish=wish, about=about)
        message = self._accept(wish, fate=code)
        answer = self._dialect.write_sent(message)  # as it is now: its status moves on while we answer
        call.summary = f"{message.status} as {message.sid[:4]}…{message.sid[-2:]}"
        if wish.key:
            self._remember(call, wish, answer)
        await self._delivery.start(message)
        return await self._answer_send(call, answer)

    def _accept(self, wish: Wish, *, fate: int | None) -> CarrierMessage:
        now = self._office.clock()
        service = wish.messaging_service_sid or None
        body = wish.body or ""
        message = CarrierMessage(
            sid=wish.sid or self._dialect.new_id(has_media=bool(wish.media_urls)),
            direction="outbound-api",
            from_=wish.from_ or self._account.default_sender,
            to=wish.to,
            body=body,
            status="accepted" if service else "queued",
            created_at=now,
            updated_at=now,
            num_segments=count_segments(body),
            num_media=len(wish.media_urls),
            messaging_service_sid=service,
            status_callback=wish.status_callback,
            media_urls=wish.media_urls,
            echo=wish.echo,
            fate=fate,
        )
        self._account.keep(message)
        self._ledger.record_sent(
            sid=message.sid,
            from_=message.from_ or "",
            to=message.to,
            body=body,
            num_media=message.num_media,
            ref=wish.ref,
            at=now,
        )
        return message

    def _remember(self, call: Call, wish: Wish, answer: web.Response) -> None:
        self._taken[wish.key] = (sha256_hex(call.body), _copy(answer))
        if len(self._taken) > self._office.settings.max_messages:
            del self._taken[next(iter(self._taken))]

    def _answer_repeat(self, call: Call, wish: Wish) -> web.Response | None:
        taken = self._taken.get(wish.key) if wish.key else None
        if taken is None:
            return None
        body_hash, answer = taken
        call.summary = "a repeat, not recorded again"
        return self._dialect.write_repeat(call, _copy(answer), is_same=body_hash == sha256_hex(call.body))

    def _break_before(self) -> str | None:
        names = ("send_timeout_before", "send_429", "send_500", "send_503")
        return next((name for name in names if self._faults.strikes(name)), None)

    def _refuse_on_purpose(self, call: Call, fault: str, wish: Wish) -> web.StreamResponse:
        if fault == "send_503":
            call.summary = "503 from the gateway, on purpose"
            return web.Response(
                status=503,
                text="<html><body><h1>503 Service Unavailable</h1></body></html>\n",
                content_type="text/html",
            )
        answer = self._dialect.write_refusal(call, 20429 if fault == "send_429" else 20500, wish=wish)
        call.summary += ", on purpose"
        if fault == "send_429" and self._faults.settings.retry_after_s is not None:
            answer.headers["Retry-After"] = str(self._faults.settings.retry_after_s)
        return answer

    async def _answer_send(self, call: Call, answer: web.Response) -> web.StreamResponse:
        if self._faults.strikes("send_timeout_after"):
            call.summary += "; no answer, on purpose"
            return await self._hang_up(call)
        if self._faults.strikes("send_slow"):
            await self._office.pause(self._faults.settings.send_slow_s)
        if self._faults.strikes("send_garbage"):
            call.summary += "; garbage for an answer, on purpose"
            return web.Response(status=answer.status, body=b'{"id": "\xff\xfe', content_type="application/json")
        return answer

    async def _hang_up(self, call: Call) -> web.StreamResponse:
        """Leaves the caller waiting, then closes the connection without a byte of an answer."""
        call.unanswered = True
        await self._office.pause(self._faults.settings.hang_s)
        if call.request.transport is not None:
            call.request.transport.abort()
        return web.Response(status=503)  # never written: the connection is gone

    # Media and lookups

    async def _serve_media(self, call: Call) -> web.StreamResponse:
        refused = self._dialect.refuse_fetch(call)
        if refused is not None:
            return refused
        if self._faults.strikes("media_404"):
            call.summary = "not there, on purpose"
            return web.Response(status=404, text="not there\n")
        return await serve_media(call, self._office)

    async def _look_up(self, call: Call) -> web.StreamResponse:
        if self._faults.strikes("lookup_500"):
            return self._dialect.write_refusal(call, 20500)
        asked = self._dialect.read_lookup(call)
        number = read_number(asked) or asked[:40]
        line = line_of(number, self._office.phones.persona_of(number))
        call.summary = f"{number} is {line.kind or 'unknown' if line.valid else 'invalid'}"
        return self._dialect.write_lookup(number, line)


def _copy(answer: web.Response) -> web.Response:
    """An answer that can be given: each can only once."""
    return web.Response(status=answer.status, body=answer.body, content_type=answer.content_type)
