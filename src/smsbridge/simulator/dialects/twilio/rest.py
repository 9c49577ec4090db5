"""What Twilio's REST API has beside sends: messages, their media, numbers, the account, lookups."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from typing import Any, Final
from urllib.parse import urlencode

from aiohttp import web

from smsbridge.simulator.account import OwnNumber
from smsbridge.simulator.dialect import Call, Endpoint, Office
from smsbridge.simulator.lookups import line_of
from smsbridge.simulator.media import serve_media
from smsbridge.simulator.numbers import read_number
from smsbridge.simulator.problems import answer_json
from smsbridge.simulator.refusals import is_http_url
from smsbridge.wire.signing import same_text

from .documents import (
    API_VERSION,
    write_account,
    write_lookup,
    write_media,
    write_message,
    write_number,
    write_refusal,
)
from .paging import BadPage, read_filters, write_page
from .refusals import Refusal, refusal

CDN_LINK_S: Final = 4 * 60 * 60
ACCOUNT: Final = f"/{API_VERSION}/Accounts/{{account}}"


class Rest:
    def __init__(self, office: Office) -> None:
        self._office = office
        self._account = office.account
        self._cdn_url = f"{office.cdn_url}/cdn"

    def endpoints(self) -> Sequence[Endpoint]:
        messages, numbers = f"{ACCOUNT}/Messages", f"{ACCOUNT}/IncomingPhoneNumbers"
        return [
            Endpoint(method="GET", path=f"{messages}.json", kind="list", answer=self._list_messages),
            Endpoint(method="GET", path=f"{messages}/{{sid}}.json", kind="list", answer=self._fetch_message),
            Endpoint(method="POST", path=f"{messages}/{{sid}}.json", kind="list", answer=self._update_message),
            Endpoint(method="DELETE", path=f"{messages}/{{sid}}.json", kind="list", answer=self._delete_message),
            Endpoint(method="GET", path=f"{messages}/{{sid}}/Media.json", kind="media", answer=self._list_media),
            Endpoint(
                method="GET", path=f"{messages}/{{sid}}/Media/{{media}}.json", kind="media", answer=self._fetch_media
            ),
            Endpoint(
                method="DELETE",
                path=f"{messages}/{{sid}}/Media/{{media}}.json",
                kind="media",
                answer=self._delete_media,
            ),
            Endpoint(
                method="GET",
                path=f"{messages}/{{sid}}/Media/{{media}}",
                kind="media",
                answer=self._redirect_to_media,
            ),
            Endpoint(method="GET", path=f"{numbers}.json", kind="account", answer=self._list_numbers),
            Endpoint(method="GET", path=f"{numbers}/{{sid}}.json", kind="account", answer=self._fetch_number),
            Endpoint(method="POST", path=f"{numbers}/{{sid}}.json", kind="account", answer=self._update_number),
            Endpoint(method="GET", path=f"{ACCOUNT}.json", kind="account", answer=self._fetch_account),
            Endpoint(method="GET", path="/v2/PhoneNumbers/{number}", kind="lookup", answer=self._look_up),
            Endpoint(method="*", path=f"/{API_VERSION}/{{rest:.*}}", kind="account", answer=self.not_found),
            Endpoint(method="GET", path="/cdn/{media}", kind="media", answer=self._serve_media, is_open=True),
        ]

    async def not_found(self, call: Call) -> web.Response:
        return refused(call, refusal(20404, about=call.path[:200]))

    # Messages

    async def _list_messages(self, call: Call) -> web.StreamResponse:
        filters = dict(call.query)
        try:
            wanted = read_filters(filters)
        except ValueError as error:
            return refused(call, refusal(20422, about=str(error)))
        found = (message for message in self._account.newest_first() if wanted(message))
        return _page(call, "messages", found, lambda message: write_message(message, self._account))

    async def _fetch_message(self, call: Call) -> web.StreamResponse:
        message = self._account.find(call.named("sid"))
        if message is None:
            return await self.not_found(call)
        return answer_json(write_message(message, self._account))

    async def _update_message(self, call: Call) -> web.StreamResponse:
        """An empty `Body` takes the text away; nothing here is ever scheduled, so nothing can be cancelled."""
        message = self._account.find(call.named("sid"))
        if message is None:
            return await self.not_found(call)
        form = dict(call.form)
        if form.get("Status"):
            return refused(call, refusal(30409))
        if form.get("Body", "x"):
            return refused(call, refusal(20422, about="Body may only be emptied"))
        message.body, message.updated_at = "", self._office.clock()
        return answer_json(write_message(message, self._account))

    async def _delete_message(self, call: Call) -> web.StreamResponse:
        return web.Response(status=204) if self._account.drop(call.named("sid")) else await self.not_found(call)

    # Media

    async def _list_media(self, call: Call) -> web.StreamResponse:
        message = self._account.find(call.named("sid"))
        if message is None:
            return await self.not_found(call)
        files = message.media.values()
        return _page(call, "media_list", files, lambda media: write_media(media, message, self._account))

    async def _fetch_media(self, call: Call) -> web.StreamResponse:
        message = self._account.find(call.named("sid"))
        media = message.media.get(call.named("media")) if message else None
        if message is None or media is None:
            return await self.not_found(call)
        return answer_json(write_media(media, message, self._account))

    async def _delete_media(self, call: Call) -> web.StreamResponse:
        message = self._account.find(call.named("sid"))
        if message is None or call.named("media") not in message.media:
            return await self.not_found(call)
        self._account.drop_media(call.named("media"))
        return web.Response(status=204)

    async def _redirect_to_media(self, call: Call) -> web.StreamResponse:
        """307 to a signed link on the content network, which is another host: credentials must not follow."""
        message = self._account.find(call.named("sid"))
        if self._office.faults.strikes("media_404"):
            answer = await self.not_found(call)
            call.summary += ", on purpose"
            return answer
        if message is None or call.named("media") not in message.media:
            return await self.not_found(call)
        expires = str(int(self._office.clock()) + CDN_LINK_S)
        query = urlencode({"Expires": expires, "sig": self._cdn_signature(call.named("media"), expires)})
        call.summary = "redirected to the content network"
        return web.Response(status=307, headers={"Location": f"{self._cdn_url}/{call.named('media')}?{query}"})

    async def _serve_media(self, call: Call) -> web.StreamResponse:
        query = dict(call.query)
        media_sid, expires = call.named("media"), query.get("Expires", "")
        if "Authorization" in call.request.headers:
            call.summary = "credentials were sent to the content network"
            return web.Response(status=400, text="credentials do not belong here\n")
        right = self._cdn_signature(media_sid, expires)
        if not same_text(query.get("sig", ""), right) or int(expires) < self._office.clock():
            call.summary = "link expired or not signed"
            return web.Response(status=403, text="link expired or not signed\n")
        return await serve_media(call, self._office)

    def _cdn_signature(self, media_sid: str, expires: str) -> str:
        return hmac.digest(self._office.settings.auth_token.encode(), f"{media_sid} {expires}".encode(), sha256).hex()

    # Numbers, the account, lookups

    async def _list_numbers(self, call: Call) -> web.StreamResponse:
        wanted = dict(call.query).get("PhoneNumber", "")
        found = [number for number in self._account.numbers.values() if wanted in number.number]
        return _page(call, "incoming_phone_numbers", found, lambda number: write_number(number, self._account))

    async def _fetch_number(self, call: Call) -> web.StreamResponse:
        number = self._number(call.named("sid"))
        return answer_json(write_number(number, self._account)) if number else await self.not_found(call)

    async def _update_number(self, call: Call) -> web.StreamResponse:
        number = self._number(call.named("sid"))
        if number is None:
            return await self.not_found(call)
        form = dict(call.form)
        for name in ("SmsUrl", "SmsFallbackUrl", "StatusCallback"):
            if form.get(name) and not is_http_url(form[name]):
                return refused(call, refusal(21402, about=form[name][:200]))
        for name in ("SmsMethod", "SmsFallbackMethod"):
            if form.get(name, "POST") not in ("GET", "POST"):
                return refused(call, refusal(21403, about=form[name][:20]))
        number.sms_url = form.get("SmsUrl", number.sms_url)
        number.sms_method = form.get("SmsMethod", number.sms_method)
        number.sms_fallback_url = form.get("SmsFallbackUrl", number.sms_fallback_url)
        number.sms_fallback_method = form.get("SmsFallbackMethod", number.sms_fallback_method)
        number.status_callback = form.get("StatusCallback", number.status_callback)
        return answer_json(write_number(number, self._account))

    def _number(self, sid: str) -> OwnNumber | None:
        return next((number for number in self._account.numbers.values() if number.sid == sid), None)

    async def _fetch_account(self, _: Call) -> web.StreamResponse:
        return answer_json(write_account(self._account))

    async def _look_up(self, call: Call) -> web.StreamResponse:
        if self._office.faults.strikes("lookup_500"):
            return refused(call, refusal(20500))
        asked = call.named("number")
        number = read_number(asked) or asked[:40]
        fields = dict(call.query).get("Fields", "")
        answer = write_lookup(
            number,
            line_of(number, self._office.phones.persona_of(number)),
            with_line_type="line_type_intelligence" in fields.split(","),
            url=f"https://lookups.twilio.com/v2/PhoneNumbers/{number}",
        )
        line = answer["line_type_intelligence"]
        call.summary = f"{number} is {'valid' if answer['valid'] else 'invalid'}" + (
            f", {line['type']}" if line else ""
        )
        return answer_json(answer)


def _page(call: Call, name: str, rows: Iterable[Any], write: Callable[[Any], dict[str, Any]]) -> web.Response:
    try:
        page = write_page(name, rows, path=call.path, query=call.query, write=write)
    except BadPage:
        return refused(call, refusal(20007))
    call.summary = f"{len(page[name])} listed"
    return answer_json(page)


def refused(call: Call, why: Refusal) -> web.Response:
    call.summary = f"{why.code}: {why.message}"
    return answer_json(write_refusal(why), status=why.status)
