"""Bird, Channels API: JSON, webhooks signed over time, URL and body, one number for a channel.

https://docs.bird.com/api/notifications-api/api-reference/webhooks/verifying-a-webhook
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from types import MappingProxyType
from typing import Any, ClassVar, Final

from aiohttp import web

from smsbridge.simulator.account import CarrierMessage, OwnNumber
from smsbridge.simulator.callbacks import Overrides, Webhook
from smsbridge.simulator.dialect import OTHER, Call, Dialect, Endpoint, Office, Wish, Words
from smsbridge.simulator.personas import Step
from smsbridge.simulator.problems import answer_json
from smsbridge.simulator.times import rfc3339
from smsbridge.wire.encoding import list_at, read_object, text_at
from smsbridge.wire.signing import base64_text, hmac_digest, same_text

# https://docs.bird.com/api/channels-api/message-status-and-interactions/sms-platform-extended-error-codes
# The sender is the channel, so no sender is wrong; all that happens to a message, its receipts tell.
_WORDS: Final[Mapping[int, Words]] = MappingProxyType(
    {
        OTHER: Words("InvalidPayload", "the request is not valid", status=422),
        20003: Words("Unauthorized", "unauthorized", status=401),
        20404: Words("NotFound", "not found", status=404),
        20413: Words("PayloadTooLarge", "the request is too large", status=413),
        20429: Words("TooManyRequests", "too many requests", status=429),
        20500: Words("InternalError", "internal error", status=500),
        21211: Words("1", "unknown subscriber", late=True, state="delivery_failed"),
        21265: Words("1", "unknown subscriber", late=True, state="delivery_failed"),
        21408: Words("13", "call barred", late=True, state="delivery_failed"),
        21606: Words("InvalidSender", "the channel may not write to this number", status=422),
        21610: Words("103", "recipient opted out", late=True, state="delivery_failed"),
        21611: Words("TooManyRequests", "too many requests", status=429),
        21612: Words("13", "call barred", late=True, state="delivery_failed"),
        21614: Words("11", "teleservice not provisioned", late=True, state="delivery_failed"),
        30003: Words("27", "absent subscriber"),
        30004: Words("13", "call barred"),
        30005: Words("5", "unidentified subscriber"),
        30006: Words("11", "teleservice not provisioned"),
        30007: Words("13", "call barred"),
        30008: Words("36", "unexpected data value"),
        30011: Words("21", "facility not supported"),
        30034: Words("13", "call barred"),
        30036: Words("27", "absent subscriber", state="delivery_failed"),
        11200: Words("35", "data missing", state="sending_failed"),
        11751: Words("36", "unexpected data value", state="sending_failed"),
        12300: Words("36", "unexpected data value", state="sending_failed"),
    }
)

_STATES: Final = {
    "queued": "accepted",
    "sent": "sent",
    "delivered": "delivered",
    "undelivered": "delivery_failed",
    "failed": "sending_failed",
}
_MESSAGES: Final = "/workspaces/{workspace}/channels/{channel}/messages"


class Bird(Dialect):
    name: ClassVar[str] = "bird"
    user_agent: ClassVar[str] = "Bird-Webhooks"
    sends: ClassVar[Sequence[str]] = (_MESSAGES,)
    media: ClassVar[str] = "/bird-media/{media}"
    words: ClassVar[Mapping[int, Words]] = _WORDS
    has_one_sender: ClassVar[bool] = True
    connection: ClassVar[Overrides] = Overrides(
        ct_ms=5_000, rt_ms=10_000, tt_ms=40_000, rc=3, rp=frozenset({"all"}), waits_s=(30, 60, 120)
    )

    def __init__(self, office: Office) -> None:
        super().__init__(office)
        self._access_key = office.secret("access key").hex()[:40]
        self._signing_key = office.secret("signing key").hex()[:32]
        self._workspace, self._channel = (office.secret_uuid(what) for what in ("workspace", "channel"))

    def write_account(self) -> dict[str, Any]:
        return {
            "type": self.name,
            "access_key": self._access_key,
            "signing_key": self._signing_key,
            "workspace_id": self._workspace,
            "channel_id": self._channel,
            "number": self.office.account.default_sender,
            "api_url": self.office.url,
        }

    # The API

    def refuse_caller(self, call: Call) -> web.Response | None:
        if not same_text(call.header("Authorization"), f"AccessKey {self._access_key}"):
            return self.write_refusal(call, 20003)
        is_ours = (call.named("workspace"), call.named("channel")) == (self._workspace, self._channel)
        return None if is_ours else self.write_refusal(call, 20404)

    def read_send(self, call: Call) -> Wish:
        fields = read_object(call.body)
        contact = next(iter(list_at(fields, "receiver", "contacts")), None)
        kind = text_at(fields, "body", "type")
        items = [*list_at(fields, "body", kind, "images"), *list_at(fields, "body", kind, "files")]
        return Wish(
            to=text_at(contact, "identifierValue"),
            from_=self.office.account.default_sender,
            body=text_at(fields, "body", kind, "text"),
            media_urls=tuple(text_at(each, "mediaUrl") for each in items),
            status_callback=self.hook_url,
            ref=text_at(fields, "reference") or None,
            echo={"reference": text_at(fields, "reference")},
        )

    def write_sent(self, message: CarrierMessage) -> web.Response:
        return answer_json(self._write_message(message, message.status), status=202)

    def write_refusal(self, call: Call, fate: int, *, wish: Wish | None = None, about: str = "") -> web.Response:
        said = self.words_for(fate)
        call.summary = f"{said.code}: {said.text}"
        return answer_json({"code": said.code, "message": about or said.text}, status=said.status)

    def endpoints(self) -> Sequence[Endpoint]:
        return [
            Endpoint(method="GET", path=_MESSAGES, kind="list", answer=self._list_messages),
            Endpoint(method="GET", path=f"{_MESSAGES}/{{sid}}", kind="list", answer=self._fetch_message),
        ]

    async def _list_messages(self, call: Call) -> web.Response:
        found = [self._write_message(each, each.status) for each in self.office.account.newest_first()]
        limit = dict(call.query).get("limit", "")
        shown = found[: int(limit) if limit.isascii() and limit.isdigit() and len(limit) < 4 else 10]
        call.summary = f"{len(shown)} listed"
        return answer_json({"results": shown})

    async def _fetch_message(self, call: Call) -> web.Response:
        message = self.office.account.find(call.named("sid"))
        return (
            answer_json(self._write_message(message, message.status, message.error_code))
            if message
            else self.write_refusal(call, 20404)
        )

    # Webhooks

    def write_inbound(self, message: CarrierMessage, own: OwnNumber) -> Webhook:
        return self._write_webhook(own.sms_url, "sms.inbound", self._write_message(message, "delivered"), message)

    def write_receipt(self, message: CarrierMessage, step: Step) -> Webhook:
        payload = self._write_message(message, step.status, step.code)
        return self._write_webhook(message.status_callback, "sms.outbound", payload, message)

    def _write_webhook(self, url: str, event: str, payload: Mapping[str, Any], message: CarrierMessage) -> Webhook:
        return self.write_json_webhook(url, {"service": "channels", "event": event, "payload": payload}, message)

    def prove(self, url: str, body: bytes) -> Mapping[str, str]:
        stamp = str(int(self.office.clock()))
        signed = f"{stamp}\n{url}\n".encode() + sha256(body).digest()
        signature = base64_text(hmac_digest("sha256", self._signing_key.encode(), signed))
        return {"messagebird-request-timestamp": stamp, "messagebird-signature": signature}

    def _write_message(self, message: CarrierMessage, status: str, code: int | None = None) -> dict[str, Any]:
        inbound = message.direction == "inbound"
        said = self.late_words_for(code) if code is not None else None
        contact = {"id": "c1", "identifierKey": "phonenumber"}
        connector = {"id": "k1", "identifierValue": self.office.account.default_sender}
        ends = (
            {
                "sender": {"contact": {**contact, "identifierValue": message.from_}},
                "receiver": {"connector": connector},
            }
            if inbound
            else {
                "sender": {"connector": connector},
                "receiver": {"contacts": [{**contact, "identifierValue": message.to}]},
            }
        )
        at = rfc3339(message.created_at)
        return {
            "id": message.sid,
            "channelId": self._channel,
            **ends,
            "body": self._write_body(message),
            "reference": message.echo.get("reference", ""),
            "parts": [{"platformReference": message.sid[:8]}],
            "status": (said.state if said else "") or _STATES.get(status, "delivered"),
            "reason": f"details: {said.text}; code: {said.code}" if said else "",
            "direction": "incoming" if inbound else "outgoing",
            "createdAt": at,
            "updatedAt": rfc3339(message.updated_at),
            "lastStatusAt": rfc3339(message.updated_at),
            **(
                {
                    "details": said.text.replace(" ", "_"),
                    "failure": {"code": 15005, "source": {"name": "sms-messagebird", "code": said.code}},
                }
                if said
                else {}
            ),
        }

    def _write_body(self, message: CarrierMessage) -> dict[str, Any]:
        files = [
            {"mediaUrl": self.media_url(each), "contentType": each.content_type, "filename": each.name}
            for each in message.media.values()
        ]
        if not files or message.direction != "inbound":
            return {"type": "text", "text": {"text": message.body}}
        if all(each["contentType"].startswith("image/") for each in files):
            return {"type": "image", "image": {"images": files, "text": message.body}}
        return {"type": "file", "file": {"files": files, "text": message.body}}


DIALECT: Final[type[Dialect]] = Bird
