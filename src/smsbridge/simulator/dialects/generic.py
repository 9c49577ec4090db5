"""A carrier that nobody has heard of, which the bridge speaks to by its settings alone (docs/carriers/generic.md):
JSON, a list of events in each webhook, signed over time and body. Its words are made up here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar, Final

from aiohttp import web

from smsbridge.simulator.account import CarrierMessage, OwnNumber
from smsbridge.simulator.callbacks import Overrides, Webhook
from smsbridge.simulator.dialect import OTHER, Call, Dialect, Office, Wish, Words
from smsbridge.simulator.personas import Step
from smsbridge.simulator.problems import answer_json
from smsbridge.wire.encoding import read_object, text_at
from smsbridge.wire.signing import hmac_digest, same_text

_WORDS: Final[Mapping[int, Words]] = MappingProxyType(
    {
        OTHER: Words("1099", "bad request"),
        20003: Words("1040", "who are you?", status=401),
        20404: Words("1041", "no such thing", status=404),
        20413: Words("1042", "too large", status=413),
        20429: Words("1029", "too many requests", status=429),
        20500: Words("1050", "something broke", status=500),
        21211: Words("1002", "bad number"),
        21212: Words("1001", "bad sender"),
        21265: Words("1002", "bad number"),
        21408: Words("1008", "region not allowed"),
        21606: Words("1001", "bad sender"),
        21610: Words("1003", "recipient opted out"),
        21611: Words("1030", "queue full", status=429),
        21614: Words("1004", "a landline"),
        21659: Words("1001", "bad sender"),
        30003: Words("2001", "phone is off"),
        30004: Words("2002", "blocked"),
        30005: Words("1002", "bad number"),
        30006: Words("1004", "a landline"),
        30007: Words("2003", "taken for spam"),
        30008: Words("2099", "unknown"),
        30011: Words("2004", "no pictures"),
        30034: Words("1005", "sender not registered"),
        30036: Words("2005", "expired"),
        11200: Words("2004", "no pictures"),
    }
)

_CAUSES: Final = {
    "1001": "sender_not_ours",
    "1002": "invalid_number",
    "1003": "opted_out",
    "1004": "not_mobile",
    "1005": "sender_not_registered",
    "1008": "permission_or_region",
    "1029": "rate_limited",
    "1030": "queue_full",
    "1040": "auth",
    "2001": "unreachable",
    "2002": "blocked",
    "2003": "filtered",
    "2004": "media_rejected",
    "2005": "expired",
}

_STATES: Final = {"sent": "accepted", "delivered": "delivered", "undelivered": "undeliverable", "failed": "rejected"}
_SIGNATURE: Final = "X-Acme-Signature"
_TIMESTAMP: Final = "X-Acme-Timestamp"


class Generic(Dialect):
    name: ClassVar[str] = "generic"
    sends: ClassVar[Sequence[str]] = ("/v1/messages",)
    words: ClassVar[Mapping[int, Words]] = _WORDS
    answers_stop: ClassVar[bool] = False
    connection: ClassVar[Overrides] = Overrides(
        ct_ms=5_000, rt_ms=10_000, tt_ms=40_000, rc=3, rp=frozenset({"ct", "rt", "5xx"}), waits_s=(30, 60, 120)
    )

    def __init__(self, office: Office) -> None:
        super().__init__(office)
        self._token = office.secret("token").hex()
        self._webhook_secret = office.secret("webhook secret").hex()

    def write_account(self) -> dict[str, Any]:
        return {
            "type": self.name,
            "send_url": f"{self.office.url}/v1/messages",
            "send_fields": {
                "to": "{to}",
                "from": "{from}",
                "content": {"type": "text", "body": "{text}"},
                "reference": "{ref}",
            },
            "auth": "bearer",
            "auth_secret": self._token,
            "answer": {"id": "data.id", "ok": "data.state", "code": "error.code", "detail": "error.message"},
            "ok_words": ["accepted", "queued"],
            "webhook_secret": self._webhook_secret,
            "signature": {
                "header": _SIGNATURE,
                "of": "{timestamp}.{body}",
                "encoding": "hex",
                "timestamp_header": _TIMESTAMP,
            },
            "events": "events",
            "kind": "type",
            "text_kinds": ["message.received"],
            "receipt_kinds": ["message.status"],
            "texts": {
                "id": "message.id",
                "from": "message.from",
                "to": "message.to.0",
                "text": "message.text",
                "media": "message.media",
            },
            "receipts": {
                "id": "message.id",
                "ref": "message.reference",
                "status": "message.status",
                "code": "error.code",
                "detail": "error.message",
            },
            "statuses": {
                "accepted": "sent",
                "delivered": "delivered",
                "undeliverable": "undelivered",
                "rejected": "failed",
            },
            "causes": _CAUSES,
        }

    # The API

    def refuse_caller(self, call: Call) -> web.Response | None:
        if same_text(call.header("Authorization"), f"Bearer {self._token}"):
            return None
        return self.write_refusal(call, 20003)

    def read_send(self, call: Call) -> Wish:
        fields = read_object(call.body)
        reference = text_at(fields, "reference")
        return Wish(
            to=text_at(fields, "to"),
            from_=text_at(fields, "from"),
            body=text_at(fields, "content", "body"),
            status_callback=self.hook_url,
            ref=reference or None,
            echo={"reference": reference},
        )

    def write_sent(self, message: CarrierMessage) -> web.Response:
        return answer_json({"data": {"id": message.sid, "state": "queued"}}, status=202)

    def write_refusal(self, call: Call, fate: int, *, wish: Wish | None = None, about: str = "") -> web.Response:
        said = self.words_for(fate)
        call.summary = f"{said.code}: {said.text}"
        return answer_json({"error": {"code": int(said.code), "message": about or said.text}}, status=said.status)

    # Webhooks

    def write_inbound(self, message: CarrierMessage, own: OwnNumber) -> Webhook:
        return self.write_batch([message], own)

    def write_batch(self, messages: Sequence[CarrierMessage], own: OwnNumber) -> Webhook:
        return self._write_webhook(own.sms_url, [self._write_text(message) for message in messages], messages[-1])

    def _write_text(self, message: CarrierMessage) -> dict[str, Any]:
        document = {
            "id": message.sid,
            "from": message.from_,
            "to": [message.to],
            "text": message.body,
            "media": [f"{self.office.url}/api/media/{file.sid}" for file in message.media.values()],
        }
        return {"type": "message.received", "message": document}

    def write_receipt(self, message: CarrierMessage, step: Step) -> Webhook | None:
        if step.status not in _STATES:
            return None
        said = self.late_words_for(step.code) if step.code is not None else None
        event = {
            "type": "message.status",
            "message": {
                "id": message.sid,
                "reference": message.echo["reference"],
                "status": _STATES[step.status],
            },
            **({"error": {"code": int(said.code), "message": said.text}} if said else {}),
        }
        return self._write_webhook(message.status_callback, [event], message)

    def _write_webhook(self, url: str, events: Sequence[Mapping[str, Any]], message: CarrierMessage) -> Webhook:
        return self.write_json_webhook(url, {"events": events}, message)

    def prove(self, url: str, body: bytes) -> Mapping[str, str]:
        stamp = str(int(self.office.clock()))
        signature = hmac_digest("sha256", self._webhook_secret.encode(), f"{stamp}.".encode() + body).hex()
        return {_TIMESTAMP: stamp, _SIGNATURE: signature}


DIALECT: Final[type[Dialect]] = Generic
