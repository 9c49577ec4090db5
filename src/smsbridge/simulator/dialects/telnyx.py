"""Telnyx, Messaging API v2: JSON, webhooks signed with Ed25519, sends that may be repeated under a key.

https://developers.telnyx.com/docs/messaging/messages/receiving-webhooks
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, ClassVar, Final

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from smsbridge.simulator.account import CarrierMessage, MediaFile, OwnNumber
from smsbridge.simulator.callbacks import Overrides, Webhook
from smsbridge.simulator.dialect import OTHER, Call, Dialect, Endpoint, Office, Wish, Words, ref_in
from smsbridge.simulator.lookups import Line
from smsbridge.simulator.personas import Step
from smsbridge.simulator.problems import answer_json
from smsbridge.simulator.times import rfc3339
from smsbridge.wire.encoding import list_at, read_object, text_at
from smsbridge.wire.signing import base64_text, same_text, sha256_hex

# https://developers.telnyx.com/docs/messaging/messages/error-codes
# https://developers.telnyx.com/development/api-fundamentals/api-errors
_WORDS: Final[Mapping[int, Words]] = MappingProxyType(
    {
        OTHER: Words("10015", "Bad Request"),
        20003: Words("10009", "Authentication failed", status=401),
        20404: Words("10005", "Resource not found", status=404),
        20413: Words("10015", "Request body too large", status=413),
        20422: Words("10015", "Bad Request"),
        20429: Words("10011", "Too many requests", status=429),
        20500: Words("10007", "Unexpected error", status=500),
        21211: Words("40310", "Invalid 'to' address: it is no number that takes texts"),
        21212: Words("40305", "Invalid 'from' address: it is not on the messaging profile"),
        21265: Words("40319", "Incompatible message type"),
        21266: Words("40310", "Invalid 'to' address: it is no number that takes texts"),
        21408: Words("40309", "Destination region not allowed"),
        21602: Words("40316", "No content provided"),
        21603: Words("10004", "Missing required parameter", status=422),
        21604: Words("10004", "Missing required parameter", status=422),
        21606: Words("40305", "Invalid 'from' address: it is not on the messaging profile"),
        21610: Words("40300", "Blocked due to STOP message: the recipient has opted out"),
        21611: Words("40318", "Queue full", status=429),
        21612: Words("40319", "Incompatible message type"),
        21614: Words("40301", "Unsupported message type"),
        21617: Words("40302", "Message too large"),
        21619: Words("40316", "No content provided"),
        21620: Words("10003", "Invalid URL"),
        21623: Words("40317", "MMS media too large"),
        21659: Words("40305", "Invalid 'from' address: it is not on the messaging profile"),
        30003: Words("40008", "Undeliverable: the recipient's carrier did not accept the message"),
        30004: Words("40004", "Rejected by destination: the recipient's side gave no reason"),
        30005: Words("40012", "Invalid destination number: it is not in use"),
        30006: Words("40001", "Not routable: landline or non-routable wireless number"),
        30007: Words("40002", "Blocked as spam: temporarily"),
        30008: Words("40004", "Rejected by destination: the recipient's side gave no reason"),
        30011: Words("40301", "Unsupported message type", state="sending_failed"),
        30034: Words("40010", "Not 10DLC registered: the sending number has no campaign"),
        30036: Words("40014", "Expired in queue: it waited longer than it was valid", state="expired"),
        11200: Words("40317", "MMS media could not be fetched", state="sending_failed"),
        11751: Words("40317", "MMS media too large", state="sending_failed"),
        12300: Words("40317", "MMS media type not supported", state="sending_failed"),
    }
)

_STATES: Final = {
    "queued": "queued",
    "sent": "sent",
    "delivered": "delivered",
    "undelivered": "delivery_failed",
    "failed": "sending_failed",
}

_LINES: Final = {"mobile": "mobile", "landline": "fixed line"}


class Telnyx(Dialect):
    name: ClassVar[str] = "telnyx"
    user_agent: ClassVar[str] = "telnyx-webhooks"
    sends: ClassVar[Sequence[str]] = ("/v2/messages",)
    media: ClassVar[str] = "/telnyx-media/{media}"
    lookup: ClassVar[tuple[str, str] | None] = ("GET", "/v2/number_lookup/{number}")
    words: ClassVar[Mapping[int, Words]] = _WORDS
    connection: ClassVar[Overrides] = Overrides(
        ct_ms=2_000, rt_ms=2_000, tt_ms=6_000, rc=2, rp=frozenset({"all", "ct", "rt"}), waits_s=(30, 60)
    )

    def __init__(self, office: Office) -> None:
        super().__init__(office)
        self._api_key = f"KEY{office.secret('api key').hex()}"
        self._signing_key = Ed25519PrivateKey.from_private_bytes(office.secret("signing key"))

    def write_account(self) -> dict[str, Any]:
        return {
            "type": self.name,
            "api_key": self._api_key,
            "public_key": base64_text(self._signing_key.public_key().public_bytes_raw()),
            "api_url": self.office.url,
            "lookup": True,
        }

    # The API

    def refuse_caller(self, call: Call) -> web.Response | None:
        if same_text(call.header("Authorization"), f"Bearer {self._api_key}"):
            return None
        return self.write_refusal(call, 20003)

    def read_send(self, call: Call) -> Wish:
        fields = read_object(call.body)
        callback = text_at(fields, "webhook_url") or f"{self.hook_url}"
        key = call.header("Idempotency-Key")
        return Wish(
            to=text_at(fields, "to"),
            from_=text_at(fields, "from"),
            body=fields.get("text") if isinstance(fields.get("text"), str) else None,
            media_urls=tuple(url for url in list_at(fields, "media_urls") if isinstance(url, str)),
            status_callback=callback,
            ref=ref_in(callback),
            key=key if re.fullmatch("[A-Za-z0-9_:-]{1,255}", key) else "",
            echo={"failover": text_at(fields, "webhook_failover_url")},
        )

    def write_sent(self, message: CarrierMessage) -> web.Response:
        return answer_json({"data": self._write_message(message, message.status)})

    def write_refusal(self, call: Call, fate: int, *, wish: Wish | None = None, about: str = "") -> web.Response:
        said = self.words_for(fate)
        call.summary = f"{said.code}: {said.text}"
        answer = answer_json({"errors": [_write_error(said, about)]}, status=said.status)
        if said.status == 429:
            answer.headers.update({"x-ratelimit-limit": "50", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "1"})
        return answer

    def write_repeat(self, call: Call, earlier: web.Response, *, is_same: bool) -> web.Response:
        """https://developers.telnyx.com/docs/development/api-fundamentals/idempotency"""
        if is_same:
            return earlier
        call.summary = "an Idempotency-Key with another body"
        said = Words("10027", "Idempotency-Key reused with a different request", status=422)
        return answer_json({"errors": [_write_error(said, "")]}, status=said.status)

    def endpoints(self) -> Sequence[Endpoint]:
        return [Endpoint(method="GET", path="/v2/messages/{sid}", kind="list", answer=self._fetch_message)]

    async def _fetch_message(self, call: Call) -> web.Response:
        message = self.office.account.find(call.named("sid"))
        if message is None:
            return self.write_refusal(call, 20404)
        return answer_json({"data": self._write_message(message, message.status)})

    def write_lookup(self, number: str, line: Line) -> web.Response:
        data = {
            "record_type": "number_lookup",
            "phone_number": number,
            "valid_number": line.valid,
            "country_code": None,
            "carrier": {"name": "Simulated" if line.kind else None, "type": _LINES.get(line.kind or "")},
            "portability": {"line_type": _LINES.get(line.kind or "")},
        }
        return answer_json({"data": data})

    # Webhooks

    def write_inbound(self, message: CarrierMessage, own: OwnNumber) -> Webhook:
        payload = {
            "id": message.sid,
            "record_type": "message",
            "direction": "inbound",
            "type": "MMS" if message.media else "SMS",
            "encoding": "GSM-7",
            "parts": message.num_segments,
            "from": {"phone_number": message.from_, "carrier": "Simulated", "line_type": "Wireless"},
            "to": [
                {
                    "phone_number": message.to,
                    "carrier": "Telnyx",
                    "line_type": "Wireless",
                    "status": "webhook_delivered",
                }
            ],
            "cc": [],
            "text": message.body or None,
            "media": [self._write_file(file) for file in message.media.values()],
            "errors": [],
            "received_at": rfc3339(message.created_at),
            "cost": {"amount": "0.0000", "currency": "USD"},
            "tags": [],
            **({"autoresponse_type": message.keyword} if message.keyword else {}),
        }
        return self._write_webhook("message.received", payload, own.sms_url, message)

    def write_receipt(self, message: CarrierMessage, step: Step) -> Webhook | None:
        if step.status == "queued":
            return None
        payload = self._write_message(message, step.status, step.code)
        event = "message.sent" if step.status == "sent" else "message.finalized"
        webhook = self._write_webhook(event, payload, message.status_callback, message)
        return replace(webhook, failover_url=message.echo["failover"])

    def _write_webhook(self, event: str, payload: Mapping[str, Any], url: str, message: CarrierMessage) -> Webhook:
        document = {
            "data": {
                "record_type": "event",
                "event_type": event,
                "id": self.office.new_uuid(),
                "occurred_at": rfc3339(self.office.clock()),
                "payload": payload,
            },
            "meta": {"attempt": 1, "delivered_to": url},
        }
        return self.write_json_webhook(url, document, message)

    def prove(self, url: str, body: bytes) -> Mapping[str, str]:
        stamp = str(int(self.office.clock()))
        signature = self._signing_key.sign(f"{stamp}|".encode() + body)
        return {"telnyx-timestamp": stamp, "telnyx-signature-ed25519": base64_text(signature)}

    def _write_message(self, message: CarrierMessage, status: str, code: int | None = None) -> dict[str, Any]:
        code = code if code is not None else message.error_code
        said = self.late_words_for(code) if code is not None else None
        return {
            "id": message.sid,
            "record_type": "message",
            "direction": "inbound" if message.direction == "inbound" else "outbound",
            "type": "MMS" if message.media_urls else "SMS",
            "encoding": "GSM-7",
            "parts": message.num_segments,
            "from": {"phone_number": message.from_, "carrier": "Telnyx", "line_type": "Wireless"},
            "to": [
                {
                    "phone_number": message.to,
                    "carrier": "Simulated",
                    "line_type": "Wireless",
                    "status": (said.state if said else "") or _STATES[status],
                }
            ],
            "text": message.body,
            "media": [{"url": url, "content_type": None, "sha256": None, "size": None} for url in message.media_urls],
            "webhook_url": message.status_callback,
            "errors": [_write_error(said, "")] if said else [],
            "received_at": rfc3339(message.created_at),
            "sent_at": rfc3339(message.sent_at) if message.sent_at is not None else None,
            "completed_at": rfc3339(message.updated_at) if status in ("delivered", "undelivered", "failed") else None,
            "cost": {"amount": "0.0000", "currency": "USD"},
            "tags": [],
        }

    def _write_file(self, file: MediaFile) -> dict[str, Any]:
        return {
            "url": self.media_url(file),
            "content_type": file.content_type,
            "sha256": sha256_hex(file.body),
            "size": len(file.body),
        }


def _write_error(said: Words, about: str) -> dict[str, Any]:
    title, _, detail = said.text.partition(": ")
    return {"code": said.code, "title": title, "detail": about or detail or title}


DIALECT: Final[type[Dialect]] = Telnyx
