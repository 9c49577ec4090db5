"""The carrier's REST API in Twilio's wire format, as far as a bridge uses it."""

from __future__ import annotations

import hmac
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from aiohttp import web

from smsbridge.wire.encoding import Unreadable, read_form, write_json
from smsbridge.wire.signing import basic_authorization, same_text

from .account import Account, CarrierMessage, OwnNumber
from .delivery import Delivery
from .faults import Faults
from .ledger import Ledger
from .numbers import read_number
from .paging import BadPage, read_filters, write_page
from .phones import Phones
from .refusals import Refusal, is_http_url, read_send_form, refusal, refuse_send
from .segments import count_segments
from .settings import SimulatorSettings
from .traffic import Kind, Traffic
from .twilio_json import (
    API_VERSION,
    write_account,
    write_lookup,
    write_media,
    write_message,
    write_number,
    write_refusal,
)

MAX_FORM_BYTES: Final = 256 * 1024
CDN_LINK_S: Final = 4 * 60 * 60

_Pairs = Sequence[tuple[str, str]]


@dataclass(kw_only=True, slots=True)
class _Call:
    """One call of the API on its way: what was asked, and what the traffic shall say of it."""

    request: web.Request
    kind: Kind
    query: _Pairs
    form: _Pairs = ()
    summary: str = ""
    unanswered: bool = False

    @property
    def path(self) -> str:
        return self.request.rel_url.raw_path

    def named(self, name: str) -> str:
        return self.request.match_info[name]


_Endpoint = Callable[[_Call], Awaitable[web.StreamResponse]]


class TwilioApi:
    def __init__(
        self,
        settings: SimulatorSettings,
        *,
        account: Account,
        phones: Phones,
        delivery: Delivery,
        faults: Faults,
        ledger: Ledger,
        traffic: Traffic,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
        cdn_url: str,
    ) -> None:
        self._settings = settings
        self._account = account
        self._phones = phones
        self._delivery = delivery
        self._faults = faults
        self._ledger = ledger
        self._traffic = traffic
        self._clock = clock
        self._sleep = sleep
        self._cdn_url = cdn_url
        pairs = ((settings.account_sid, settings.auth_token), *settings.api_keys)
        self._authorizations = tuple(basic_authorization(user, password) for user, password in pairs)

    def routes(self) -> list[web.RouteDef]:
        account = f"/{API_VERSION}/Accounts/{{account}}"
        messages, numbers = f"{account}/Messages", f"{account}/IncomingPhoneNumbers"
        endpoints: tuple[tuple[str, str, Kind, _Endpoint], ...] = (
            ("POST", f"{messages}.json", "send", self._send),
            ("GET", f"{messages}.json", "list", self._list_messages),
            ("GET", f"{messages}/{{sid}}.json", "list", self._fetch_message),
            ("POST", f"{messages}/{{sid}}.json", "list", self._update_message),
            ("DELETE", f"{messages}/{{sid}}.json", "list", self._delete_message),
            ("GET", f"{messages}/{{sid}}/Media.json", "media", self._list_media),
            ("GET", f"{messages}/{{sid}}/Media/{{media}}.json", "media", self._fetch_media),
            ("DELETE", f"{messages}/{{sid}}/Media/{{media}}.json", "media", self._delete_media),
            ("GET", f"{messages}/{{sid}}/Media/{{media}}", "media", self._redirect_to_media),
            ("GET", f"{numbers}.json", "account", self._list_numbers),
            ("GET", f"{numbers}/{{sid}}.json", "account", self._fetch_number),
            ("POST", f"{numbers}/{{sid}}.json", "account", self._update_number),
            ("GET", f"{account}.json", "account", self._fetch_account),
            ("GET", "/v2/PhoneNumbers/{number}", "lookup", self._look_up),
            ("*", f"/{API_VERSION}/{{rest:.*}}", "account", self._not_found),
        )
        routes = [
            web.route(method, path, self._answering(kind, endpoint)) for method, path, kind, endpoint in endpoints
        ]
        return [*routes, web.get("/cdn/{media}", self._logged("media", self._serve_media))]

    # What every call has in common: who asks, and a line in the traffic.

    def _answering(self, kind: Kind, endpoint: _Endpoint) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def authorized(call: _Call) -> web.StreamResponse:
            if not self._is_authorized(call.request):
                answer = _refused(call, refusal(20003))
                answer.headers["WWW-Authenticate"] = 'Basic realm="Twilio API"'
                return answer
            if call.request.match_info.get("account", self._account.sid) != self._account.sid:
                return await self._not_found(call)
            try:
                if call.request.method == "POST":
                    body = await call.request.read()
                    if len(body) > MAX_FORM_BYTES:
                        return _refused(call, refusal(20413))
                    call.form = read_form(body)
            except Unreadable as error:
                return _refused(call, refusal(20422, about=str(error)))
            except web.HTTPRequestEntityTooLarge:
                return _refused(call, refusal(20413))
            return await endpoint(call)

        return self._logged(kind, authorized)

    def _logged(self, kind: Kind, endpoint: _Endpoint) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def answer(request: web.Request) -> web.StreamResponse:
            started = time.perf_counter()
            query = parse_qsl(request.rel_url.raw_query_string, keep_blank_values=True)
            call = _Call(request=request, kind=kind, query=query)
            status: int | None = None
            try:
                response = await endpoint(call)
                status = None if call.unanswered else response.status
                ms = (time.perf_counter() - started) * 1000
                response.headers["Twilio-Request-Id"] = self._account.new_sid("RQ")
                response.headers["Twilio-Request-Duration"] = f"{ms / 1000:.3f}"
                return response
            finally:
                self._record(call, status, round((time.perf_counter() - started) * 1000))

        return answer

    def _record(self, call: _Call, status: int | None, ms: int) -> None:
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
            from_=values.get("From", ""),
            to=values.get("To", ""),
            form=shown,
        )

    def _is_authorized(self, request: web.Request) -> bool:
        given = request.headers.get("Authorization", "")
        return any([same_text(given, right) for right in self._authorizations])  # noqa: C419 -- always compare with all

    async def _not_found(self, call: _Call) -> web.StreamResponse:
        return _refused(call, refusal(20404, about=call.path[:200]))

    # Messages

    async def _send(self, call: _Call) -> web.StreamResponse:
        broken = self._break_before()
        if broken == "send_timeout_before":
            call.summary = "no answer, on purpose; not recorded"
            return await self._hang_up(call)
        if broken:
            return self._refuse_on_purpose(call, broken)
        form = read_send_form(call.form)
        refused = refuse_send(form, self._account, self._phones)
        if refused is not None:
            return _refused(call, refused)
        message = self._accept(call)
        answer = write_message(message, self._account)  # as it is now: its status moves on while we answer
        await self._delivery.start(message)
        call.summary = f"{answer['status']} as {message.sid[:4]}…{message.sid[-2:]}"
        return await self._answer_send(call, answer)

    def _accept(self, call: _Call) -> CarrierMessage:
        form = read_send_form(call.form)
        now = self._clock()
        service = form.messaging_service_sid or None
        body = form.body or ""
        message = CarrierMessage(
            sid=self._account.new_sid("MM" if form.media_urls else "SM"),
            direction="outbound-api",
            from_=form.from_ or self._account.default_sender,
            to=form.to,
            body=body,
            status="accepted" if service else "queued",
            created_at=now,
            updated_at=now,
            num_segments=count_segments(body),
            num_media=len(form.media_urls),
            messaging_service_sid=service,
            status_callback=form.status_callback,
            media_urls=form.media_urls,
        )
        self._account.keep(message)
        self._ledger.record_sent(
            sid=message.sid,
            from_=message.from_ or "",
            to=message.to,
            body=body,
            num_media=message.num_media,
            ref=dict(parse_qsl(urlsplit(form.status_callback).query)).get("ref"),
            at=now,
        )
        return message

    def _break_before(self) -> str | None:
        names = ("send_timeout_before", "send_429", "send_500", "send_503")
        return next((name for name in names if self._faults.strikes(name)), None)

    def _refuse_on_purpose(self, call: _Call, fault: str) -> web.StreamResponse:
        if fault == "send_503":
            call.summary = "503 from the gateway, on purpose"
            return web.Response(
                status=503,
                text="<html><body><h1>503 Service Unavailable</h1></body></html>\n",
                content_type="text/html",
            )
        answer = _refused(call, refusal(20429 if fault == "send_429" else 20500))
        call.summary += ", on purpose"
        if fault == "send_429" and self._faults.settings.retry_after_s is not None:
            answer.headers["Retry-After"] = str(self._faults.settings.retry_after_s)
        return answer

    async def _answer_send(self, call: _Call, answer: dict[str, Any]) -> web.StreamResponse:
        if self._faults.strikes("send_timeout_after"):
            call.summary += "; no answer, on purpose"
            return await self._hang_up(call)
        if self._faults.strikes("send_slow"):
            await self._pause(self._faults.settings.send_slow_s)
        if self._faults.strikes("send_garbage"):
            call.summary += "; garbage for an answer, on purpose"
            return web.Response(status=201, body=b'{"sid": "SM\xff\xfe', content_type="application/json")
        return _json(answer, status=201)

    async def _hang_up(self, call: _Call) -> web.StreamResponse:
        """Leaves the caller waiting, then closes the connection without a byte of an answer."""
        call.unanswered = True
        await self._pause(self._faults.settings.hang_s)
        if call.request.transport is not None:
            call.request.transport.abort()
        return web.Response(status=503)  # never written: the connection is gone

    async def _list_messages(self, call: _Call) -> web.StreamResponse:
        filters = dict(call.query)
        try:
            wanted = read_filters(filters)
        except ValueError as error:
            return _refused(call, refusal(20422, about=str(error)))
        found = (message for message in self._account.newest_first() if wanted(message))
        return _page(call, "messages", found, lambda message: write_message(message, self._account))

    async def _fetch_message(self, call: _Call) -> web.StreamResponse:
        message = self._account.find(call.named("sid"))
        if message is None:
            return await self._not_found(call)
        return _json(write_message(message, self._account))

    async def _update_message(self, call: _Call) -> web.StreamResponse:
        """An empty `Body` takes the text away; nothing here is ever scheduled, so nothing can be cancelled."""
        message = self._account.find(call.named("sid"))
        if message is None:
            return await self._not_found(call)
        form = dict(call.form)
        if form.get("Status"):
            return _refused(call, refusal(30409))
        if form.get("Body", "x"):
            return _refused(call, refusal(20422, about="Body may only be emptied"))
        message.body, message.updated_at = "", self._clock()
        return _json(write_message(message, self._account))

    async def _delete_message(self, call: _Call) -> web.StreamResponse:
        return web.Response(status=204) if self._account.drop(call.named("sid")) else await self._not_found(call)

    # Media

    async def _list_media(self, call: _Call) -> web.StreamResponse:
        message = self._account.find(call.named("sid"))
        if message is None:
            return await self._not_found(call)
        files = message.media.values()
        return _page(call, "media_list", files, lambda media: write_media(media, message, self._account))

    async def _fetch_media(self, call: _Call) -> web.StreamResponse:
        message = self._account.find(call.named("sid"))
        media = message.media.get(call.named("media")) if message else None
        if message is None or media is None:
            return await self._not_found(call)
        return _json(write_media(media, message, self._account))

    async def _delete_media(self, call: _Call) -> web.StreamResponse:
        message = self._account.find(call.named("sid"))
        if message is None or call.named("media") not in message.media:
            return await self._not_found(call)
        self._account.drop_media(call.named("media"))
        return web.Response(status=204)

    async def _redirect_to_media(self, call: _Call) -> web.StreamResponse:
        """307 to a signed link on the content network, which is another host: credentials must not follow."""
        message = self._account.find(call.named("sid"))
        if self._faults.strikes("media_404"):
            answer = await self._not_found(call)
            call.summary += ", on purpose"
            return answer
        if message is None or call.named("media") not in message.media:
            return await self._not_found(call)
        expires = str(int(self._clock()) + CDN_LINK_S)
        query = urlencode({"Expires": expires, "sig": self._cdn_signature(call.named("media"), expires)})
        call.summary = "redirected to the content network"
        return web.Response(status=307, headers={"Location": f"{self._cdn_url}/{call.named('media')}?{query}"})

    async def _serve_media(self, call: _Call) -> web.StreamResponse:
        query = dict(call.query)
        media_sid, expires = call.named("media"), query.get("Expires", "")
        if "Authorization" in call.request.headers:
            call.summary = "credentials were sent to the content network"
            return web.Response(status=400, text="credentials do not belong here\n")
        right = self._cdn_signature(media_sid, expires)
        if not same_text(query.get("sig", ""), right) or int(expires) < self._clock():
            call.summary = "link expired or not signed"
            return web.Response(status=403, text="link expired or not signed\n")
        media = self._account.find_media(media_sid)
        if media is None:
            call.summary = "gone"
            return web.Response(status=404, text="gone\n")
        if self._faults.strikes("media_slow"):
            await self._pause(self._faults.settings.media_slow_s)
        body = media.body
        if self._faults.strikes("media_broken"):
            body = body[: len(body) // 2]
            call.summary = "half of "
        call.summary += f"{media.name}, {len(media.body)} bytes"
        return web.Response(body=body, headers={"Content-Type": media.content_type})

    def _cdn_signature(self, media_sid: str, expires: str) -> str:
        return hmac.digest(self._settings.auth_token.encode(), f"{media_sid} {expires}".encode(), sha256).hex()

    # Numbers, the account, lookups

    async def _list_numbers(self, call: _Call) -> web.StreamResponse:
        wanted = dict(call.query).get("PhoneNumber", "")
        found = [number for number in self._account.numbers.values() if wanted in number.number]
        return _page(call, "incoming_phone_numbers", found, lambda number: write_number(number, self._account))

    async def _fetch_number(self, call: _Call) -> web.StreamResponse:
        number = self._number(call.named("sid"))
        return _json(write_number(number, self._account)) if number else await self._not_found(call)

    async def _update_number(self, call: _Call) -> web.StreamResponse:
        number = self._number(call.named("sid"))
        if number is None:
            return await self._not_found(call)
        form = dict(call.form)
        for name in ("SmsUrl", "SmsFallbackUrl", "StatusCallback"):
            if form.get(name) and not is_http_url(form[name]):
                return _refused(call, refusal(21402, about=form[name][:200]))
        for name in ("SmsMethod", "SmsFallbackMethod"):
            if form.get(name, "POST") not in ("GET", "POST"):
                return _refused(call, refusal(21403, about=form[name][:20]))
        number.sms_url = form.get("SmsUrl", number.sms_url)
        number.sms_method = form.get("SmsMethod", number.sms_method)
        number.sms_fallback_url = form.get("SmsFallbackUrl", number.sms_fallback_url)
        number.sms_fallback_method = form.get("SmsFallbackMethod", number.sms_fallback_method)
        number.status_callback = form.get("StatusCallback", number.status_callback)
        return _json(write_number(number, self._account))

    def _number(self, sid: str) -> OwnNumber | None:
        return next((number for number in self._account.numbers.values() if number.sid == sid), None)

    async def _fetch_account(self, _: _Call) -> web.StreamResponse:
        return _json(write_account(self._account))

    async def _look_up(self, call: _Call) -> web.StreamResponse:
        if self._faults.strikes("lookup_500"):
            return _refused(call, refusal(20500))
        asked = call.named("number")
        number = read_number(asked) or asked[:40]
        fields = dict(call.query).get("Fields", "")
        answer = write_lookup(
            number,
            self._phones.persona_of(number),
            with_line_type="line_type_intelligence" in fields.split(","),
            url=f"https://lookups.twilio.com/v2/PhoneNumbers/{number}",
        )
        line = answer["line_type_intelligence"]
        call.summary = f"{number} is {'valid' if answer['valid'] else 'invalid'}" + (
            f", {line['type']}" if line else ""
        )
        return _json(answer)

    async def _pause(self, seconds: float) -> None:
        scaled = seconds * self._settings.time_scale
        if scaled > 0:
            await self._sleep(scaled)


def _page(call: _Call, name: str, rows: Iterable[Any], write: Callable[[Any], dict[str, Any]]) -> web.Response:
    try:
        page = write_page(name, rows, path=call.path, query=call.query, write=write)
    except BadPage:
        return _refused(call, refusal(20007))
    call.summary = f"{len(page[name])} listed"
    return _json(page)


def _refused(call: _Call, why: Refusal) -> web.Response:
    call.summary = f"{why.code}: {why.message}"
    return _json(write_refusal(why), status=why.status)


def _json(value: dict[str, Any], *, status: int = 200) -> web.Response:
    return web.Response(status=status, body=write_json(value), content_type="application/json")
