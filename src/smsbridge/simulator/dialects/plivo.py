"""Plivo, Messaging API v1: JSON in, forms out, signed over URL and parameters (V3) and over the URL alone (V2).

https://www.plivo.com/docs/messaging/concepts/signature-validation
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, ClassVar, Final
from urllib.parse import parse_qsl

from aiohttp import web

from smsbridge.simulator.account import CarrierMessage, OwnNumber
from smsbridge.simulator.callbacks import Overrides, Webhook
from smsbridge.simulator.dialect import OTHER, Call, Dialect, Endpoint, Office, Pairs, Wish, Words, ref_in
from smsbridge.simulator.lookups import Line
from smsbridge.simulator.numbers import as_number, without_plus
from smsbridge.simulator.personas import Step
from smsbridge.simulator.problems import answer_json
from smsbridge.wire.encoding import list_at, read_object, text_at, write_form
from smsbridge.wire.signing import base64_text, basic_authorization, hmac_digest, same_text

# https://www.plivo.com/docs/messaging/troubleshooting/error-codes. What is refused at once has words and no code.
_WORDS: Final[Mapping[int, Words]] = MappingProxyType(
    {
        OTHER: Words("", "A parameter is not valid"),
        20003: Words("", "Could not verify your access level for that URL.", status=401),
        20404: Words("", "not found", status=404),
        20413: Words("", "the request is too large", status=413),
        20429: Words("", "too many requests", status=429),
        20500: Words("", "internal server error", status=500),
        21211: Words("50", "invalid destination", late=True),
        21212: Words("40", "invalid source", late=True),
        21265: Words("50", "invalid destination", late=True),
        21408: Words("450", "destination country barred", late=True),
        21606: Words("40", "invalid source", late=True),
        21610: Words("200", "recipient opted out", late=True),
        21611: Words("", "too many requests", status=429),
        21612: Words("90", "no route", late=True),
        21614: Words("50", "invalid destination", late=True),
        21659: Words("40", "invalid source", late=True),
        30003: Words("80", "destination temporarily unavailable"),
        30004: Words("60", "loop detected"),
        30005: Words("70", "destination permanently unavailable"),
        30006: Words("50", "invalid destination"),
        30007: Words("30", "spam detected"),
        30008: Words("1000", "unknown error"),
        30011: Words("100", "prohibited by carrier"),
        30034: Words("40", "invalid source"),
        30036: Words("420", "expired in the queue"),
        11200: Words("10", "invalid message", state="failed"),
        11751: Words("110", "message too long", state="failed"),
        12300: Words("10", "invalid message", state="failed"),
    }
)

_INTENTS: Final = {"STOP": "optout", "START": "optin", "HELP": "help"}
_ORDER: Final = ("queued", "sent", "delivered")


class Plivo(Dialect):
    name: ClassVar[str] = "plivo"
    user_agent: ClassVar[str] = "plivo"
    sends: ClassVar[Sequence[str]] = ("/v1/Account/{account}/Message/",)
    media: ClassVar[str] = "/plivo-media/{media}"
    lookup: ClassVar[tuple[str, str] | None] = ("GET", "/v1/Number/{number}")
    words: ClassVar[Mapping[int, Words]] = _WORDS
    connection: ClassVar[Overrides] = Overrides(
        ct_ms=8_000, rt_ms=8_000, tt_ms=32_000, rc=3, rp=frozenset({"all"}), waits_s=(60, 120, 240)
    )

    def __init__(self, office: Office) -> None:
        super().__init__(office)
        self._auth_id = "MA" + office.secret("auth id").hex()[:18].upper()
        self._auth_token = office.secret("auth token").hex()[:40]
        self._authorization = basic_authorization(self._auth_id, self._auth_token)

    def write_account(self) -> dict[str, Any]:
        return {
            "type": self.name,
            "auth_id": self._auth_id,
            "auth_token": self._auth_token,
            "api_url": self.office.url,
            "lookup": True,
        }

    # The API

    def refuse_caller(self, call: Call) -> web.Response | None:
        if not same_text(call.header("Authorization"), self._authorization):
            return self.write_refusal(call, 20003)
        named = call.request.match_info.get("account", self._auth_id)
        return None if named == self._auth_id else self.write_refusal(call, 20404)

    def read_send(self, call: Call) -> Wish:
        fields = read_object(call.body)
        callback = text_at(fields, "url")
        is_mms = text_at(fields, "type") == "mms"
        return Wish(
            to=as_number(text_at(fields, "dst")),
            from_=as_number(text_at(fields, "src")),
            body=text_at(fields, "text"),
            media_urls=tuple(url for url in list_at(fields, "media_urls") if isinstance(url, str)) if is_mms else (),
            status_callback=callback,
            ref=ref_in(callback),
        )

    def write_sent(self, message: CarrierMessage) -> web.Response:
        document = {
            "api_id": self.office.new_uuid(),
            "message": "message(s) queued",
            "message_uuid": [message.sid],
        }
        return answer_json(document, status=202)

    def write_refusal(self, call: Call, fate: int, *, wish: Wish | None = None, about: str = "") -> web.Response:
        said = self.words_for(fate)
        call.summary = about or said.text
        return answer_json({"api_id": self.office.new_uuid(), "error": about or said.text}, status=said.status)

    def endpoints(self) -> Sequence[Endpoint]:
        messages = self.sends[0]
        return [
            Endpoint(method="GET", path=messages, kind="list", answer=self._list_messages),
            Endpoint(method="GET", path=f"{messages}{{sid}}/", kind="list", answer=self._fetch_message),
        ]

    async def _list_messages(self, call: Call) -> web.Response:
        """https://www.plivo.com/docs/messaging/api/messages/: of no message the text."""
        asked = dict(call.query)
        direction, state = asked.get("message_direction", ""), asked.get("message_state", "")
        since, until = asked.get("message_time__gte", ""), asked.get("message_time__lte", "9")
        wanted = [
            message
            for message in self.office.account.newest_first()
            if without_plus(asked.get("from_number", message.from_)) == without_plus(message.from_)
            and without_plus(asked.get("to_number", message.to)) == without_plus(message.to)
            and direction in ("", _direction_of(message))
            and state in ("", message.status)
            and since <= _plivo_time(message.created_at) <= until
        ]
        limit, offset = (_whole(asked.get(name, ""), start) for name, start in (("limit", 20), ("offset", 0)))
        shown = [self._write_message(message) for message in wanted[offset : offset + limit]]
        call.summary = f"{len(shown)} listed"
        more = len(wanted) > offset + limit
        meta = {
            "limit": limit,
            "offset": offset,
            "next": f"{call.request.path}?limit={limit}&offset={offset + limit}" if more else None,
            "previous": None,
            "total_count": len(wanted),
        }
        return answer_json({"api_id": self.office.new_uuid(), "meta": meta, "objects": shown})

    async def _fetch_message(self, call: Call) -> web.Response:
        message = self.office.account.find(call.named("sid"))
        if message is None:
            return self.write_refusal(call, 20404)
        return answer_json({"api_id": self.office.new_uuid(), **self._write_message(message)})

    def _write_message(self, message: CarrierMessage) -> dict[str, Any]:
        said = self.late_words_for(message.error_code) if message.error_code is not None else None
        return {
            "message_uuid": message.sid,
            "message_time": datetime.fromtimestamp(message.created_at, UTC).isoformat(" ", "seconds"),
            "message_direction": _direction_of(message),
            "message_state": message.status,
            "message_type": "mms" if message.num_media else "sms",
            "from_number": without_plus(message.from_),
            "to_number": without_plus(message.to),
            "units": message.num_segments,
            "total_rate": "0",
            "total_amount": "0",
            "error_code": said.code if said else "000",
            "resource_uri": f"{self.sends[0].format(account=self._auth_id)}{message.sid}/",
        }

    def write_lookup(self, number: str, line: Line) -> web.Response:
        if not line.valid:
            return answer_json(
                {"api_id": self.office.new_uuid(), "error_code": 404, "message": "not found"}, status=404
            )
        document = {
            "api_id": self.office.new_uuid(),
            "phone_number": number,
            "carrier": {"name": "Simulated", "type": line.kind or "", "ported": "no"},
            "format": {"e164": number},
        }
        return answer_json(document)

    # Webhooks

    def write_inbound(self, message: CarrierMessage, own: OwnNumber) -> Webhook:
        media = [self.media_url(file) for file in message.media.values()]
        form = [
            ("From", without_plus(message.from_)),
            ("To", without_plus(message.to)),
            ("Type", "mms" if media else "sms"),
            ("Body" if media else "Text", message.body),
            ("MessageUUID", message.sid),
            ("Units", str(message.num_segments)),
            ("TotalRate", "0"),
            ("TotalAmount", "0"),
            ("MessageIntent", _INTENTS.get(message.keyword, "")),
            ("PowerpackUUID", ""),
        ]
        if media:
            form.append(("MediaCount", str(len(media))))
            form += [(f"Media{number}", url) for number, url in enumerate(media, start=1)]
        return self._write_webhook(own.sms_url, form, message)

    def write_receipt(self, message: CarrierMessage, step: Step) -> Webhook:
        said = self.late_words_for(step.code) if step.code is not None else None
        status = (said.state if said else "") or step.status
        form = [
            ("MessageUUID", message.sid),
            ("From", without_plus(message.from_)),
            ("To", without_plus(message.to)),
            ("Type", "mms" if message.media_urls else "sms"),
            ("Status", status),
            ("Units", str(message.num_segments)),
            ("TotalRate", "0"),
            ("TotalAmount", "0"),
            ("Sequence", str(_ORDER.index(status) + 1 if status in _ORDER else len(_ORDER))),
            ("ErrorCode", said.code if said else "000"),
            ("MessageTime", _plivo_time(message.created_at)),
            ("QueuedTime", _plivo_time(message.created_at)),
        ]
        if message.sent_at is not None:
            form.append(("SentTime", _plivo_time(message.sent_at)))
        if status in ("delivered", "undelivered"):
            form.append(("DeliveryReportTime", _plivo_time(self.office.clock())))
        return self._write_webhook(message.status_callback, form, message)

    def _write_webhook(self, url: str, form: Pairs, message: CarrierMessage) -> Webhook:
        nonce = str(self.office.chance.getrandbits(64))
        v2 = self._sign(url.partition("?")[0] + nonce)
        v3 = self._sign(f"{_v3_text(url, form)}.{nonce}")
        return Webhook(
            url=url,
            headers={
                "Content-Type": "application/x-www-form-urlencoded",
                "X-Plivo-Signature-V2": v2,
                "X-Plivo-Signature-Ma-V2": v2,
                "X-Plivo-Signature-V2-Nonce": nonce,
                "X-Plivo-Signature-V3": v3,
                "X-Plivo-Signature-Ma-V3": v3,
                "X-Plivo-Signature-V3-Nonce": nonce,
            },
            body=write_form(form),
            connection=self.connection,
            from_=message.from_ or "",
            to=message.to,
            shown=form,
        )

    def _sign(self, text: str) -> str:
        return base64_text(hmac_digest("sha256", self._auth_token.encode(), text.encode()))


def _v3_text(url: str, form: Pairs) -> str:
    """`https://h/p?a=1&b=2.From2To1`: the query sorted, a dot after it if there is one, then the sorted parameters."""
    base, _, query = url.partition("?")
    pairs = "&".join(f"{name}={value}" for name, value in sorted(parse_qsl(query, keep_blank_values=True)))
    params = "".join(name + value for name, value in sorted(form))
    return f"{base}?{pairs}{'.' if pairs else ''}{params}"


def _direction_of(message: CarrierMessage) -> str:
    return "inbound" if message.direction == "inbound" else "outbound"


def _whole(text: str, otherwise: int) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else otherwise


def _plivo_time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


DIALECT: Final[type[Dialect]] = Plivo
