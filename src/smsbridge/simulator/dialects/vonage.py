"""Vonage, Messages API v1: JSON, webhooks under a token that holds the hash of the body. A text in parts comes as the
older SMS API posts it, which is where Vonage leaves the joining to us: fields with a `sig` among them.

https://developer.vonage.com/en/messages/overview
https://developer.vonage.com/en/messaging/sms/guides/inbound-sms
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar, Final
from urllib.parse import urlencode

from aiohttp import web

from smsbridge.simulator.account import CarrierMessage, OwnNumber
from smsbridge.simulator.callbacks import Overrides, Webhook
from smsbridge.simulator.dialect import OTHER, Call, Dialect, Office, Wish, Words, ref_in
from smsbridge.simulator.lookups import Line
from smsbridge.simulator.numbers import as_number, without_plus
from smsbridge.simulator.personas import Step
from smsbridge.simulator.problems import answer_json
from smsbridge.simulator.segments import is_gsm7
from smsbridge.simulator.times import rfc3339
from smsbridge.wire.encoding import list_at, read_object, text_at, write_json
from smsbridge.wire.signing import basic_authorization, hmac_digest, md5_hex, same_text, sha256_hex

_ERRORS: Final = "https://developer.vonage.com/api-errors"

# https://developer.vonage.com/en/api-errors/messages
_WORDS: Final[Mapping[int, Words]] = MappingProxyType(
    {
        OTHER: Words("1150", "Invalid parameter", status=422),
        20003: Words("", "Unauthorized", status=401),
        20404: Words("", "Not Found", status=404),
        20413: Words("1090", "Message too long", status=413),
        20429: Words("1000", "Rate Limit Hit", status=429),
        20500: Words("", "Internal error", status=500),
        21211: Words("1430", "Invalid recipient for this channel", status=422),
        21212: Words("1420", "Invalid sender for this channel", status=422),
        21265: Words("1430", "Invalid recipient for this channel", status=422),
        21408: Words("1251", "Destination network forbidden", late=True),
        21606: Words("1120", "Sender not accepted", late=True),
        21610: Words("1240", "Recipient opted out", late=True),
        21611: Words("1000", "Rate Limit Hit", status=429),
        21612: Words("1250", "Unroutable", late=True),
        21614: Words("1310", "Recipient cannot receive this", late=True),
        21617: Words("1090", "Message too long", status=422),
        21659: Words("1120", "Sender not accepted", late=True),
        30003: Words("1180", "Absent subscriber, temporarily"),
        30004: Words("1282", "Blocked by the provider"),
        30005: Words("1190", "Absent subscriber, for good"),
        30006: Words("1310", "Recipient cannot receive this"),
        30007: Words("1210", "Rejected as spam"),
        30008: Words("1330", "Unknown"),
        30011: Words("1310", "Recipient cannot receive this"),
        30034: Words("1120", "Sender not accepted"),
        30036: Words("1360", "Time to live passed"),
        11200: Words("1380", "Media cannot be reached"),
        11751: Words("1381", "Media too large"),
        12300: Words("1382", "Media type not supported"),
    }
)

_STATES: Final = {"sent": "submitted", "delivered": "delivered", "undelivered": "rejected", "failed": "rejected"}
_FAMILIES: Final = ("image", "audio", "video")
_LINES: Final = {"mobile": "mobile", "landline": "landline"}


class Vonage(Dialect):
    name: ClassVar[str] = "vonage"
    user_agent: ClassVar[str] = "Vonage"
    sends: ClassVar[Sequence[str]] = ("/v1/messages",)
    media: ClassVar[str] = "/v3/media/{media}"
    lookup: ClassVar[tuple[str, str] | None] = ("GET", "/ni/standard/json")
    words: ClassVar[Mapping[int, Words]] = _WORDS
    answers_stop: ClassVar[bool] = False
    connection: ClassVar[Overrides] = Overrides(
        ct_ms=5_000, rt_ms=10_000, tt_ms=60_000, rc=4, rp=frozenset({"all"}), waits_s=(30, 60, 120, 240)
    )

    def __init__(self, office: Office) -> None:
        super().__init__(office)
        self._api_key = office.secret("api key").hex()[:8]
        self._api_secret = office.secret("api secret").hex()[:32]
        self._signature_secret = office.secret("signature secret").hex()
        self._authorization = basic_authorization(self._api_key, self._api_secret)

    def write_account(self) -> dict[str, Any]:
        return {
            "type": self.name,
            "api_key": self._api_key,
            "api_secret": self._api_secret,
            "signature_secret": self._signature_secret,
            "api_url": self.office.url,
            "lookup": True,
        }

    # The API

    def refuse_caller(self, call: Call) -> web.Response | None:
        if same_text(call.header("Authorization"), self._authorization):
            return None
        return self.write_refusal(call, 20003)

    def read_send(self, call: Call) -> Wish:
        fields = read_object(call.body)
        kind = text_at(fields, "message_type")
        callback = text_at(fields, "webhook_url") or self.hook_url
        items = list_at(fields, "content") if kind == "content" else [fields.get(kind)]
        urls = [text_at(each, "url") for each in items] if kind != "text" else []
        captions = [text_at(each, "caption") for each in items] if kind != "text" else []
        return Wish(
            to=as_number(text_at(fields, "to")),
            from_=as_number(text_at(fields, "from")),
            body=text_at(fields, "text") or "\n".join(filter(None, captions)),
            media_urls=tuple(filter(None, urls)),
            status_callback=callback,
            ref=text_at(fields, "client_ref") or ref_in(callback),
            echo={"client_ref": text_at(fields, "client_ref")},
        )

    def write_sent(self, message: CarrierMessage) -> web.Response:
        return answer_json({"message_uuid": message.sid}, status=202)

    def write_refusal(self, call: Call, fate: int, *, wish: Wish | None = None, about: str = "") -> web.Response:
        said = self.words_for(fate)
        call.summary = f"{said.code}: {said.text}" if said.code else said.text
        return answer_json(self._write_error(said, about), status=said.status)

    def read_lookup(self, call: Call) -> str:
        return as_number(dict(call.query).get("number", ""))

    def write_lookup(self, number: str, line: Line) -> web.Response:
        if not line.valid:
            return answer_json({"status": 3, "status_message": "Invalid request :: Not valid number format detected"})
        document = {
            "status": 0,
            "status_message": "Success",
            "international_format_number": without_plus(number),
            "current_carrier": {"name": "Simulated", "network_type": _LINES.get(line.kind or "", "unknown")},
        }
        return answer_json(document)

    # Webhooks

    def write_inbound(self, message: CarrierMessage, own: OwnNumber) -> Webhook:
        document: dict[str, Any] = {
            "channel": "mms" if message.media else "sms",
            "message_uuid": message.sid,
            "to": without_plus(message.to),
            "from": without_plus(message.from_),
            "timestamp": rfc3339(message.created_at),
            "usage": {"currency": "EUR", "price": "0.0000"},
            "origin": {"network_code": "310260"},
        }
        items = [
            {"type": _kind_of(file.content_type), "url": self.media_url(file), "name": file.name}
            for file in message.media.values()
        ]
        if not items:
            document |= {
                "message_type": "text",
                "text": message.body,
                "sms": {"num_messages": str(message.num_segments), "keyword": message.body.partition(" ")[0].upper()},
            }
        else:
            if message.body:
                items[0]["caption"] = message.body
            first = items[0]
            document |= {
                "message_type": first["type"],
                first["type"]: {name: value for name, value in first.items() if name != "type"},
                **({"content": items} if len(items) > 1 else {}),
            }
        return self.write_json_webhook(own.sms_url, document, message)

    def write_parts(self, message: CarrierMessage, own: OwnNumber, texts: Sequence[str]) -> Sequence[Webhook]:
        ref = str(self.office.chance.getrandbits(16))
        return [
            self._write_part(
                message,
                own,
                {
                    "text": text,
                    "concat": "true",
                    "concat-ref": ref,
                    "concat-total": str(len(texts)),
                    "concat-part": str(number),
                },
            )
            for number, text in enumerate(texts, start=1)
        ]

    def _write_part(self, message: CarrierMessage, own: OwnNumber, part: Mapping[str, str]) -> Webhook:
        fields = {
            "api-key": self._api_key,
            "msisdn": without_plus(message.from_),
            "to": without_plus(message.to),
            "messageId": self.office.new_uuid().replace("-", "")[:16].upper(),
            "type": "text" if is_gsm7(message.body) else "unicode",
            "keyword": message.body.partition(" ")[0].upper(),
            "message-timestamp": rfc3339(message.created_at)[:19].replace("T", " "),
            "timestamp": str(int(self.office.clock())),
            "nonce": self.office.new_uuid(),
            **part,
        }
        fields["sig"] = self._sign_fields(fields)
        return Webhook(
            url=own.sms_url,
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            body=urlencode(fields).encode(),
            connection=self.connection,
            from_=message.from_ or "",
            to=message.to,
            shown=tuple(fields.items()),
        )

    def _sign_fields(self, fields: Mapping[str, str]) -> str:
        """By `md5hash`, an account's default: https://developer.vonage.com/en/getting-started/concepts/signing-messages"""
        cleaned = {name: value.replace("&", "_").replace("=", "_") for name, value in fields.items()}
        text = "".join(f"&{name}={cleaned[name]}" for name in sorted(cleaned))
        return md5_hex((text + self._signature_secret).encode())

    def write_receipt(self, message: CarrierMessage, step: Step) -> Webhook | None:
        if step.status not in _STATES:
            return None
        said = self.late_words_for(step.code) if step.code is not None else None
        document = {
            "message_uuid": message.sid,
            "to": without_plus(message.to),
            "from": without_plus(message.from_),
            "timestamp": rfc3339(self.office.clock()),
            "status": _STATES[step.status],
            "channel": "mms" if message.media_urls else "sms",
            "client_ref": message.echo["client_ref"],
            **({"error": self._write_error(said, "")} if said else {}),
        }
        return self.write_json_webhook(message.status_callback, document, message)

    def prove(self, url: str, body: bytes) -> Mapping[str, str]:
        claims = {
            "iat": int(self.office.clock()),
            "jti": self.office.new_uuid(),
            "iss": "Vonage",
            "payload_hash": sha256_hex(body),
            "api_key": self._api_key,
        }
        return {"Authorization": f"Bearer {self._sign(claims)}"}

    def _sign(self, claims: Mapping[str, Any]) -> str:
        """A JSON Web Token (RFC 7519), HS256."""
        signed = ".".join(_base64url(write_json(each)) for each in ({"alg": "HS256", "typ": "JWT"}, claims))
        return f"{signed}.{_base64url(hmac_digest('sha256', self._signature_secret.encode(), signed.encode()))}"

    def _write_error(self, said: Words, about: str) -> dict[str, Any]:
        """The same in answers and receipts: https://developer.vonage.com/en/api-errors"""
        return {
            "type": f"{_ERRORS}/messages#{said.code}" if said.code else _ERRORS,
            "title": int(said.code) if said.code else said.text,
            "detail": about or said.text,
            "instance": self.office.new_uuid(),
        }


def _kind_of(content_type: str) -> str:
    family = content_type.partition("/")[0]
    if "vcard" in content_type:
        return "vcard"
    return family if family in _FAMILIES else "file"


def _base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


DIALECT: Final[type[Dialect]] = Vonage
