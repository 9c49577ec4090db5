"""Sinch, SMS REST API: JSON batches, webhooks signed over body, nonce and time, of which a 4xx loses what they carry.

https://developers.sinch.com/docs/sms/api-reference/sms/webhooks
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

from aiohttp import web

from smsbridge.simulator.account import CarrierMessage, MediaFile, OwnNumber
from smsbridge.simulator.callbacks import Overrides, Webhook
from smsbridge.simulator.dialect import OTHER, Call, Dialect, Endpoint, Office, Wish, Words
from smsbridge.simulator.numbers import as_number, without_plus
from smsbridge.simulator.personas import Step
from smsbridge.simulator.problems import answer_json
from smsbridge.simulator.times import rfc3339
from smsbridge.wire.encoding import list_at, read_object, text_at, value_at
from smsbridge.wire.signing import base64_text, hmac_digest, same_text

# https://developers.sinch.com/docs/sms/api-reference/status-codes; codes of receipts are REST's (4xx) or the network's
_WORDS: Final[Mapping[int, Words]] = MappingProxyType(
    {
        OTHER: Words("syntax_constraint_violation", "The request body does not fulfill all the constraints"),
        20003: Words("", "", status=401),
        20404: Words("not_found", "Not found", status=404),
        20413: Words("syntax_constraint_violation", "The request body is too large", status=413),
        20422: Words("syntax_invalid_json", "The body is not valid JSON"),
        20429: Words("too_many_requests", "Too many requests", status=429),
        20500: Words("internal_error", "Internal error", status=500),
        21211: Words("300", state="Rejected", late=True),
        21212: Words("310", state="Rejected", late=True),
        21265: Words("300", state="Rejected", late=True),
        21408: Words("412", state="Rejected", late=True),
        21606: Words("310", state="Rejected", late=True),
        21610: Words("61", state="Rejected", late=True),
        21611: Words("too_many_requests", "Too many requests", status=429),
        21612: Words("402", state="Aborted", late=True),
        21614: Words("204", state="Failed", late=True),
        21659: Words("310", state="Rejected", late=True),
        30003: Words("153", state="Failed"),
        30004: Words("321", state="Failed"),
        30005: Words("150", state="Failed"),
        30006: Words("204", state="Failed"),
        30007: Words("15", state="Failed"),
        30008: Words("349", state="Failed"),
        30011: Words("416", state="Rejected"),
        30034: Words("60", state="Rejected"),
        30036: Words("406", state="Expired"),
        11200: Words("414", state="Rejected"),
        11751: Words("418", state="Rejected"),
        12300: Words("418", state="Rejected"),
    }
)

_STATES: Final = {"queued": ("Queued", 400), "sent": ("Dispatched", 401), "delivered": ("Delivered", 0)}


class Sinch(Dialect):
    name: ClassVar[str] = "sinch"
    user_agent: ClassVar[str] = "Sinch SMS"
    sends: ClassVar[Sequence[str]] = ("/xms/v1/{plan}/batches",)
    media: ClassVar[str] = "/sinch-bucket/{media}"
    words: ClassVar[Mapping[int, Words]] = _WORDS
    max_body_chars: ClassVar[int] = 2_000
    max_media: ClassVar[int] = 1
    answers_stop: ClassVar[bool] = False
    connection: ClassVar[Overrides] = Overrides(
        ct_ms=5_000,
        rt_ms=10_000,
        tt_ms=60_000,
        rc=6,
        rp=frozenset({"ct", "rt", "5xx", "429"}),
        waits_s=(5, 10, 20, 40, 80),
    )

    def __init__(self, office: Office) -> None:
        super().__init__(office)
        self._plan = office.secret("service plan").hex()[:32]
        self._api_token = office.secret("api token").hex()[:32]
        self._webhook_secret = office.secret("webhook secret").hex()

    def write_account(self) -> dict[str, Any]:
        return {
            "type": self.name,
            "service_plan_id": self._plan,
            "api_token": self._api_token,
            "webhook_secret": self._webhook_secret,
            "api_url": self.office.url,
            "media_hosts": [urlsplit(self.office.cdn_url).netloc],
        }

    # The API

    def refuse_caller(self, call: Call) -> web.Response | None:
        if not same_text(call.header("Authorization"), f"Bearer {self._api_token}"):
            call.summary = "unauthorized"
            return web.Response(status=401)
        return None if call.named("plan") == self._plan else self.write_refusal(call, 20404)

    def read_send(self, call: Call) -> Wish:
        fields = read_object(call.body)
        recipients = [number for number in list_at(fields, "to") if isinstance(number, str)]
        is_media = text_at(fields, "type") == "mt_media"
        url = text_at(fields, "body", "url") if is_media else ""
        return Wish(
            to=as_number(recipients[0]) if len(recipients) == 1 else "",
            from_=as_number(text_at(fields, "from")),
            body=text_at(fields, "body", "message") if is_media else text_at(fields, "body"),
            media_urls=(url,) if url else (),
            # Reports come only to those who ask for them.
            status_callback=(text_at(fields, "callback_url") or self.hook_url)
            if text_at(fields, "delivery_report").startswith("per_recipient")
            else "",
            ref=text_at(fields, "client_reference") or None,
            echo={"client_reference": text_at(fields, "client_reference"), "body": value_at(fields, "body")},
        )

    def write_sent(self, message: CarrierMessage) -> web.Response:
        return answer_json(self._write_batch(message), status=201)

    def write_refusal(self, call: Call, fate: int, *, wish: Wish | None = None, about: str = "") -> web.Response:
        said = self.words_for(fate)
        call.summary = f"{said.code}: {said.text}"
        return answer_json({"code": said.code, "text": about or said.text}, status=said.status)

    def endpoints(self) -> Sequence[Endpoint]:
        return [
            Endpoint(method="GET", path="/xms/v1/{plan}/batches", kind="list", answer=self._list_batches),
            Endpoint(
                method="GET",
                path="/xms/v1/{plan}/batches/{sid}/delivery_report",
                kind="list",
                answer=self._fetch_report,
            ),
            Endpoint(method="GET", path="/xms/v1/{plan}/inbounds", kind="list", answer=self._list_inbounds),
        ]

    async def _list_batches(self, call: Call) -> web.Response:
        wanted = dict(call.query).get("client_reference", "")
        found = [
            self._write_batch(message)
            for message in self.office.account.newest_first()
            if message.direction != "inbound" and wanted in ("", message.echo.get("client_reference"))
        ]
        return _write_page(call, "batches", found)

    async def _fetch_report(self, call: Call) -> web.Response:
        message = self.office.account.find(call.named("sid"))
        if message is None:
            return self.write_refusal(call, 20404)
        status, code = self._state_of(message.status, message.error_code)
        entry = {"code": code, "status": status, "count": 1, "recipients": [without_plus(message.to)]}
        document = {
            "type": f"delivery_report_{'mms' if message.media_urls else 'sms'}",
            "batch_id": message.sid,
            "total_message_count": 1,
            "statuses": [entry],
            **_client_reference(message),
        }
        return answer_json(document)

    async def _list_inbounds(self, call: Call) -> web.Response:
        messages = self.office.account.newest_first()
        return _write_page(
            call, "inbounds", [self._write_text(message) for message in messages if message.direction == "inbound"]
        )

    # Webhooks

    def media_url(self, media: MediaFile) -> str:
        """In a bucket, which is another host than the API's and knows no credentials of it."""
        return self.office.cdn_url + self.media.format(media=media.sid)

    def new_id(self, *, has_media: bool) -> str:
        return f"01{self.office.chance.getrandbits(120):024X}"

    def write_inbound(self, message: CarrierMessage, own: OwnNumber) -> Webhook:
        return self.write_json_webhook(own.sms_url, self._write_text(message), message)

    def write_receipt(self, message: CarrierMessage, step: Step) -> Webhook | None:
        if step.status == "queued":
            return None
        status, code = self._state_of(step.status, step.code)
        document = {
            "type": f"recipient_delivery_report_{'mms' if message.media_urls else 'sms'}",
            "batch_id": message.sid,
            "recipient": without_plus(message.to),
            "code": code,
            "status": status,
            "at": rfc3339(self.office.clock()),
            "number_of_message_parts": message.num_segments,
            **_client_reference(message),
        }
        return self.write_json_webhook(message.status_callback, document, message)

    def prove(self, url: str, body: bytes) -> Mapping[str, str]:
        nonce, stamp = self.office.new_uuid(), str(int(self.office.clock()))
        signed = body + f".{nonce}.{stamp}".encode()
        return {
            "X-Sinch-Webhook-Signature": base64_text(hmac_digest("sha256", self._webhook_secret.encode(), signed)),
            "X-Sinch-Webhook-Signature-Algorithm": "HmacSHA256",
            "X-Sinch-Webhook-Signature-Nonce": nonce,
            "X-Sinch-Webhook-Signature-Timestamp": stamp,
        }

    def _state_of(self, status: str, fate: int | None) -> tuple[str, int]:
        """Its word and its number."""
        if fate is None:
            return _STATES[status]
        said = self.late_words_for(fate)
        return said.state, int(said.code)

    def _write_text(self, message: CarrierMessage) -> dict[str, Any]:
        media = [
            {"url": self.media_url(file), "content_type": file.content_type, "status": "Uploaded", "code": 0}
            for file in message.media.values()
        ]
        return {
            "type": "mo_media" if media else "mo_text",
            "id": message.sid,
            "from": without_plus(message.from_),
            "to": without_plus(message.to),
            "body": {"subject": "", "message": message.body, "media": media} if media else message.body,
            "operator_id": "310260",
            "received_at": rfc3339(message.created_at),
        }

    def _write_batch(self, message: CarrierMessage) -> dict[str, Any]:
        return {
            "id": message.sid,
            "to": [without_plus(message.to)],
            "from": without_plus(message.from_),
            "canceled": False,
            "type": "mt_media" if message.media_urls else "mt_text",
            "body": message.echo["body"],
            "delivery_report": "per_recipient",
            "created_at": rfc3339(message.created_at),
            "modified_at": rfc3339(message.created_at),
            **_client_reference(message),
        }


def _client_reference(message: CarrierMessage) -> dict[str, str]:
    reference = message.echo.get("client_reference", "")
    return {"client_reference": reference} if reference else {}


def _write_page(call: Call, name: str, found: Sequence[Mapping[str, Any]]) -> web.Response:
    query = dict(call.query)
    page, size = (_whole(query.get(key, ""), start) for key, start in (("page", 0), ("page_size", 30)))
    shown = found[page * size : (page + 1) * size]
    call.summary = f"{len(shown)} listed"
    return answer_json({"count": len(found), "page": page, "page_size": len(shown), name: shown})


def _whole(text: str, otherwise: int) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else otherwise


DIALECT: Final[type[Dialect]] = Sinch
