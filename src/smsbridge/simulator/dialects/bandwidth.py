"""Bandwidth, Messaging API v2: JSON, webhooks as arrays that show a password once they are asked for it.

https://dev.bandwidth.com/docs/messaging/webhooks
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, ClassVar, Final

from aiohttp import web

from smsbridge.simulator.account import CarrierMessage, MediaFile, OwnNumber
from smsbridge.simulator.callbacks import Overrides, Webhook
from smsbridge.simulator.dialect import OTHER, Call, Dialect, Endpoint, Office, Wish, Words
from smsbridge.simulator.lookups import Line
from smsbridge.simulator.personas import Step
from smsbridge.simulator.problems import answer_json
from smsbridge.simulator.times import rfc3339
from smsbridge.wire.encoding import list_at, read_object, text_at
from smsbridge.wire.signing import basic_authorization, same_text

# https://dev.bandwidth.com/docs/messaging/errors: at once it says what is wrong with the request, all else by receipt
_WORDS: Final[Mapping[int, Words]] = MappingProxyType(
    {
        OTHER: Words("request-validation", "Your request could not be accepted"),
        20003: Words("unauthorized", "Authentication Failed", status=401),
        20404: Words("not-found", "Not Found", status=404),
        20413: Words("request-validation", "The request body is too large", status=413),
        20429: Words("max-message-queue-size-exceeded", "The message queue is full", status=429),
        20500: Words("internal-server-error", "Internal server error", status=500),
        21211: Words("4720", "invalid-destination-address", late=True),
        21212: Words("4302", "malformed-invalid-from-number", late=True),
        21265: Words("4720", "invalid-destination-address", late=True),
        21408: Words("4432", "forbidden-country", late=True),
        21606: Words("4403", "forbidden-from-number", late=True),
        21610: Words("4475", "recipient-opted-out", late=True),
        21611: Words("max-message-queue-size-exceeded", "The message queue is full", status=429),
        21612: Words("4401", "rejected-routing-error", late=True),
        21614: Words("4720", "invalid-destination-address", late=True),
        21659: Words("4403", "forbidden-from-number", late=True),
        30003: Words("4701", "service-unavailable"),
        30004: Words("4753", "rejected-by-handset"),
        30005: Words("4721", "destination-deactivated"),
        30006: Words("4720", "invalid-destination-address"),
        30007: Words("4770", "rejected-spam-detected"),
        30008: Words("9999", "unknown-error"),
        30011: Words("4409", "rejected-profile"),
        30034: Words("4476", "blocked-unregistered"),
        30036: Words("4360", "message-expired"),
        11200: Words("4410", "media-unavailable"),
        11751: Words("4411", "media-too-large"),
        12300: Words("4412", "media-content-invalid"),
    }
)

_TYPES: Final = {
    "sent": "message-sent",
    "delivered": "message-delivered",
    "undelivered": "message-failed",
    "failed": "message-failed",
}

_LINES: Final = {"mobile": "MOBILE", "landline": "FIXED"}


class Bandwidth(Dialect):
    name: ClassVar[str] = "bandwidth"
    user_agent: ClassVar[str] = "BandwidthAPI/v2"
    sends: ClassVar[Sequence[str]] = ("/api/v2/users/{account}/messages",)
    media: ClassVar[str] = "/api/v2/users/{account}/media/{message}/{number}/{media}"
    lookup: ClassVar[tuple[str, str] | None] = ("POST", "/v2/accounts/{account}/phoneNumberLookup")
    words: ClassVar[Mapping[int, Words]] = _WORDS
    max_body_chars: ClassVar[int] = 2_048
    answers_stop: ClassVar[bool] = False
    # For a day; here for as long as somebody looks on.
    connection: ClassVar[Overrides] = Overrides(
        ct_ms=10_000, rt_ms=10_000, tt_ms=30_000, rc=5, rp=frozenset({"all"}), waits_s=(5, 10, 30, 60)
    )

    def __init__(self, office: Office) -> None:
        super().__init__(office)
        self._account_id = f"5{int.from_bytes(office.secret('account')[:4]) % 1_000_000:06d}"
        self._application = office.secret_uuid("application")
        self._api_password = office.secret("api password").hex()
        self._webhook_password = office.secret("webhook password").hex()
        self._authorization = basic_authorization("simulated", self._api_password)

    def write_account(self) -> dict[str, Any]:
        return {
            "type": self.name,
            "account_id": self._account_id,
            "application_id": self._application,
            "api_user": "simulated",
            "api_password": self._api_password,
            "webhook_user": "bandwidth",
            "webhook_password": self._webhook_password,
            "api_url": self.office.url,
            "lookup": True,
        }

    # The API

    def refuse_caller(self, call: Call) -> web.Response | None:
        if not same_text(call.header("Authorization"), self._authorization):
            return self.write_refusal(call, 20003)
        return None if call.named("account") == self._account_id else self.write_refusal(call, 20404)

    def refuse_fetch(self, call: Call) -> web.Response | None:
        return self.refuse_caller(call)

    def read_send(self, call: Call) -> Wish:
        fields = read_object(call.body)
        recipients = list_at(fields, "to")
        if len(recipients) != 1 or text_at(fields, "applicationId") != self._application:
            return Wish(to="", from_="", body=None)
        tag = text_at(fields, "tag")
        return Wish(
            to=recipients[0] if isinstance(recipients[0], str) else "",
            from_=text_at(fields, "from"),
            body=text_at(fields, "text"),
            media_urls=tuple(url for url in list_at(fields, "media") if isinstance(url, str)),
            status_callback=self.hook_url,
            ref=tag or None,
            echo={"tag": tag},
        )

    def write_sent(self, message: CarrierMessage) -> web.Response:
        return answer_json(self._write_message(message, text=message.body), status=202)

    def write_refusal(self, call: Call, fate: int, *, wish: Wish | None = None, about: str = "") -> web.Response:
        said = self.words_for(fate)
        call.summary = f"{said.code}: {said.text}"
        return answer_json({"type": said.code, "description": about or said.text}, status=said.status)

    def endpoints(self) -> Sequence[Endpoint]:
        return [Endpoint(method="GET", path=self.sends[0], kind="list", answer=self._search)]

    async def _search(self, call: Call) -> web.Response:
        """https://dev.bandwidth.com/docs/messaging/getMessage: of no message the text."""
        asked = dict(call.query)
        wanted = [
            message
            for message in self.office.account.newest_first()
            if asked.get("messageId", message.sid) == message.sid
            and asked.get("sourceTn", message.from_) == message.from_
            and asked.get("destinationTn", message.to) == message.to
            and asked.get("fromDateTime", "") <= rfc3339(message.created_at) <= asked.get("toDateTime", "9")
        ]
        call.summary = f"{len(wanted)} found"
        found = [self._write_found(message) for message in wanted]
        return answer_json({"totalCount": len(found), "pageInfo": {}, "messages": found})

    def _write_found(self, message: CarrierMessage) -> dict[str, Any]:
        said = self.late_words_for(message.error_code) if message.error_code is not None else None
        return {
            "messageId": message.sid,
            "accountId": self._account_id,
            "sourceTn": message.from_,
            "destinationTn": message.to,
            "messageStatus": message.status.upper(),
            "messageDirection": "INBOUND" if message.direction == "inbound" else "OUTBOUND",
            "messageType": "mms" if message.num_media else "sms",
            "segmentCount": 1 if message.num_media else message.num_segments,
            "errorCode": int(said.code) if said else 0,
            "receiveTime": rfc3339(message.created_at),
            "carrierName": "other",
            "messageSize": None,
            "messageLength": len(message.body),
            "attachmentCount": message.num_media,
            "recipientCount": 1,
        }

    def read_lookup(self, call: Call) -> str:
        return next(
            (number for number in list_at(read_object(call.body), "phoneNumbers") if isinstance(number, str)), ""
        )

    def write_lookup(self, number: str, line: Line) -> web.Response:
        found = (
            [{"phoneNumber": number, "lineType": _LINES[line.kind], "messagingProvider": "Simulated"}]
            if line.kind
            else []
        )
        return answer_json({"links": [], "data": {"status": "COMPLETE", "results": found}, "errors": []})

    # Webhooks

    def write_inbound(self, message: CarrierMessage, own: OwnNumber) -> Webhook:
        return self.write_batch([message], own)

    def write_batch(self, messages: Sequence[CarrierMessage], own: OwnNumber) -> Webhook:
        return self._write_webhook(own.sms_url, [self._write_text(message) for message in messages], messages[-1])

    def _write_text(self, message: CarrierMessage) -> dict[str, Any]:
        document = self._write_message(message, text=message.body)
        if message.media:
            urls = [
                self._write_url(message, number, file) for number, file in enumerate(message.media.values(), start=1)
            ]
            # An MMS has a part that says how it is laid out; nobody fetches it.
            layout = f"/api/v2/users/{self._account_id}/media/{message.sid}/0/layout.smil"
            document["media"] = [self.office.url + layout, *urls]
        return {
            "type": "message-received",
            "time": rfc3339(message.created_at),
            "description": "Incoming message received",
            "to": message.to,
            "message": document,
        }

    def write_receipt(self, message: CarrierMessage, step: Step) -> Webhook | None:
        if step.status not in _TYPES:
            return None
        said = self.late_words_for(step.code) if step.code is not None else None
        event = {
            "type": _TYPES[step.status],
            "time": rfc3339(self.office.clock()),
            "description": said.text if said else "ok",
            "to": message.to,
            **({"errorCode": int(said.code)} if said else {}),
            "message": self._write_message(message, text=""),
        }
        return self._write_webhook(message.status_callback, [event], message)

    def _write_webhook(self, url: str, events: Sequence[Mapping[str, Any]], message: CarrierMessage) -> Webhook:
        webhook = self.write_json_webhook(url, events, message)
        return replace(webhook, on_challenge=basic_authorization("bandwidth", self._webhook_password))

    def _write_message(self, message: CarrierMessage, *, text: str) -> dict[str, Any]:
        inbound = message.direction == "inbound"
        return {
            "id": message.sid,
            "owner": message.to if inbound else message.from_,
            "applicationId": self._application,
            "time": rfc3339(message.created_at),
            "segmentCount": 1 if message.num_media else message.num_segments,
            "direction": "in" if inbound else "out",
            "to": [message.to],
            "from": message.from_,
            "text": text,
            **({"media": list(message.media_urls)} if message.media_urls else {}),
            **({"tag": message.echo["tag"]} if message.echo.get("tag") else {}),
        }

    def _write_url(self, message: CarrierMessage, number: int, file: MediaFile) -> str:
        path = self.media.format(account=self._account_id, message=message.sid, number=number, media=file.sid)
        return self.office.url + path


DIALECT: Final[type[Dialect]] = Bandwidth
