"""Infobip, SMS v3 and MMS v2: JSON, arrays of results, ids that the sender chooses, refusals in a 200.

https://www.infobip.com/docs/api/channels/sms
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, ClassVar, Final

from aiohttp import web

from smsbridge.simulator.account import CarrierMessage, OwnNumber
from smsbridge.simulator.callbacks import Overrides, Webhook
from smsbridge.simulator.dialect import OTHER, Call, Dialect, Endpoint, Office, Wish, Words
from smsbridge.simulator.lookups import Line
from smsbridge.simulator.numbers import as_number, without_plus
from smsbridge.simulator.personas import Step
from smsbridge.simulator.problems import answer_json
from smsbridge.wire.encoding import list_at, read_object, text_at
from smsbridge.wire.signing import basic_authorization, same_text

# https://www.infobip.com/docs/essentials/api-essentials/response-status-and-error-codes
# Status codes: group, group's name, name.
_STATUSES: Final[Mapping[int, tuple[int, str, str]]] = MappingProxyType(
    {
        5: (3, "DELIVERED", "DELIVERED_TO_HANDSET"),
        6: (5, "REJECTED", "REJECTED_NETWORK"),
        7: (1, "PENDING", "PENDING_ENROUTE"),
        9: (2, "UNDELIVERABLE", "UNDELIVERABLE_NOT_DELIVERED"),
        10: (5, "REJECTED", "REJECTED_DND"),
        11: (5, "REJECTED", "REJECTED_SOURCE"),
        15: (4, "EXPIRED", "EXPIRED_EXPIRED"),
        23: (5, "REJECTED", "REJECTED_DUPLICATE_MESSAGE_ID"),
        25: (5, "REJECTED", "REJECTED_MESSAGE_TOO_LONG"),
        26: (1, "PENDING", "PENDING_ACCEPTED"),
        52: (5, "REJECTED", "REJECTED_DESTINATION"),
    }
)

# `state` is the id of the status; `code` that of the error, or the status again where that says it all.
_WORDS: Final[Mapping[int, Words]] = MappingProxyType(
    {
        OTHER: Words("", "BAD_REQUEST"),
        20003: Words("", "UNAUTHORIZED", status=401),
        20404: Words("", "NOT_FOUND", status=404),
        20413: Words("", "BAD_REQUEST", status=413),
        20429: Words("", "TOO_MANY_REQUESTS", status=429),
        20500: Words("", "GENERAL_ERROR", status=500),
        21211: Words("52", status=200, state="52"),
        21212: Words("11", status=200, state="11"),
        21265: Words("52", status=200, state="52"),
        21408: Words("6", status=200, state="6"),
        21606: Words("11", status=200, state="11"),
        21610: Words("10", status=200, state="10"),
        21611: Words("", "TOO_MANY_REQUESTS", status=429),
        21612: Words("6", status=200, state="6"),
        21614: Words("568", "EC_DESTINATION_NOT_SMS_PROVISIONED", state="9", late=True),
        21617: Words("25", status=200, state="25"),
        21659: Words("11", status=200, state="11"),
        30003: Words("27", "EC_ABSENT_SUBSCRIBER", state="9"),
        30004: Words("566", "EC_DESTINATION_BLOCKED_BY_OPERATOR", state="9"),
        30005: Words("1", "EC_UNKNOWN_SUBSCRIBER", state="9"),
        30006: Words("568", "EC_DESTINATION_NOT_SMS_PROVISIONED", state="9"),
        30007: Words("607", "EC_REJECTED_SPAM_BY_OPERATOR", state="9"),
        30008: Words("255", "EC_UNKNOWN_ERROR", state="9"),
        30011: Words("15019", "EC_HANDSET_DOES_NOT_SUPPORT_MMS", state="9"),
        30034: Words("11", state="11"),
        30036: Words("15", state="15"),
        11200: Words("15024", "EC_REMOTE_CONTENT_FAILURE", state="9"),
        11751: Words("15026", "EC_TOO_BIG_CONTENT", state="9"),
        12300: Words("15024", "EC_REMOTE_CONTENT_FAILURE", state="9"),
    }
)

_STATES: Final = {"queued": 26, "sent": 7, "delivered": 5}
_FOR_GOOD: Final = frozenset({"566", "568", "607", "15019"})


class Infobip(Dialect):
    name: ClassVar[str] = "infobip"
    user_agent: ClassVar[str] = "Infobip"
    sends: ClassVar[Sequence[str]] = ("/sms/3/messages", "/mms/2/messages")
    media: ClassVar[str] = "/mms/1/content/{media}"
    lookup: ClassVar[tuple[str, str] | None] = ("POST", "/number/1/query")
    words: ClassVar[Mapping[int, Words]] = _WORDS
    max_body_chars: ClassVar[int] = 4_000
    answers_stop: ClassVar[bool] = False
    connection: ClassVar[Overrides] = Overrides(
        ct_ms=10_000, rt_ms=10_000, tt_ms=60_000, rc=4, rp=frozenset({"all"}), waits_s=(60, 120, 300, 600)
    )

    def __init__(self, office: Office) -> None:
        super().__init__(office)
        self._api_key = office.secret("api key").hex()
        self._webhook_secret = office.secret("webhook secret").hex()

    def write_account(self) -> dict[str, Any]:
        return {
            "type": self.name,
            "api_key": self._api_key,
            "webhook_user": "infobip",
            "webhook_secret": self._webhook_secret,
            "api_url": self.office.url,
        }

    # The API

    def refuse_caller(self, call: Call) -> web.Response | None:
        if same_text(call.header("Authorization"), f"App {self._api_key}"):
            return None
        return self.write_refusal(call, 20003)

    def refuse_fetch(self, call: Call) -> web.Response | None:
        return self.refuse_caller(call)

    def read_send(self, call: Call) -> Wish:
        message = next(iter(list_at(read_object(call.body), "messages")), None)
        destination = next(iter(list_at(message, "destinations")), None)
        segments = list_at(message, "content", "messageSegments")
        texts = [text_at(each, "text") for each in segments if text_at(each, "type") == "TEXT"]
        chosen = text_at(destination, "messageId")
        return Wish(
            to=as_number(text_at(destination, "to")),
            from_=as_number(text_at(message, "sender")),
            body="\n".join(texts) if segments else text_at(message, "content", "text"),
            media_urls=tuple(text_at(each, "contentUrl") for each in segments if text_at(each, "type") == "LINK"),
            status_callback=text_at(message, "webhooks", "delivery", "url") or self.hook_url,
            ref=text_at(message, "webhooks", "callbackData") or chosen or None,
            sid=chosen,
            key=chosen,
            echo={"callbackData": text_at(message, "webhooks", "callbackData")},
        )

    def write_sent(self, message: CarrierMessage) -> web.Response:
        return self._write_answer(message.sid, message.to, 26, parts=message.num_segments)

    def write_refusal(self, call: Call, fate: int, *, wish: Wish | None = None, about: str = "") -> web.Response:
        said = self.words_for(fate)
        call.summary = _STATUSES[int(said.state)][2] if said.state else said.text
        if said.state and wish:
            return self._write_answer(wish.sid or self.office.new_uuid(), wish.to, int(said.state), parts=1)
        exception = {"messageId": said.text, "text": about or said.text}
        return answer_json({"requestError": {"serviceException": exception}}, status=said.status)

    def write_repeat(self, call: Call, earlier: web.Response, *, is_same: bool) -> web.Response:
        wish = self.read_send(call)
        return self._write_answer(wish.sid, wish.to, 23, parts=1)

    def _write_answer(self, sid: str, to: str, status: int, *, parts: int) -> web.Response:
        message = {
            "messageId": sid,
            "status": _write_status(status),
            "destination": without_plus(to),
            "details": {"messageCount": parts},
        }
        return answer_json({"bulkId": self.office.new_uuid(), "messages": [message]})

    def endpoints(self) -> Sequence[Endpoint]:
        return [
            Endpoint(method="GET", path="/sms/3/logs", kind="list", answer=self._list_logs),
            Endpoint(method="GET", path="/mms/2/logs", kind="list", answer=self._list_logs),
        ]

    async def _list_logs(self, call: Call) -> web.Response:
        message = self.office.account.find(dict(call.query).get("messageId", ""))
        found = [] if message is None else [self._write_report(message, message.status, message.error_code)]
        call.summary = f"{len(found)} listed"
        return answer_json({"results": found})

    def read_lookup(self, call: Call) -> str:
        numbers = [number for number in list_at(read_object(call.body), "to") if isinstance(number, str)]
        return as_number(numbers[0]) if numbers else ""

    def write_lookup(self, number: str, line: Line) -> web.Response:
        status = 5 if line.kind == "mobile" else 9 if line.valid else 52
        return answer_json(
            {
                "bulkId": self.office.new_uuid(),
                "results": [{"to": without_plus(number), "status": _write_status(status)}],
            }
        )

    # Webhooks

    def write_inbound(self, message: CarrierMessage, own: OwnNumber) -> Webhook:
        return self.write_batch([message], own)

    def write_batch(self, messages: Sequence[CarrierMessage], own: OwnNumber) -> Webhook:
        results = [self._write_text(message) for message in messages]
        document = {"results": results, "messageCount": len(results), "pendingMessageCount": 0}
        return self.write_json_webhook(own.sms_url, document, messages[-1])

    def _write_text(self, message: CarrierMessage) -> dict[str, Any]:
        result: dict[str, Any] = {
            "messageId": message.sid,
            "from": without_plus(message.from_),
            "to": without_plus(message.to),
            "receivedAt": _infobip_time(message.created_at),
            "price": {"pricePerMessage": 0, "currency": "EUR"},
            "callbackData": "",
        }
        if message.media:
            parts = [{"contentType": each.content_type, "url": self.media_url(each)} for each in message.media.values()]
            if message.body:
                parts.append({"contentType": "text/plain", "value": message.body})
            result |= {"message": parts, "userAgent": "Simulated"}
        else:
            result |= {
                "text": message.body,
                "cleanText": message.body,
                "keyword": "",
                "smsCount": message.num_segments,
            }
        return result

    def write_receipt(self, message: CarrierMessage, step: Step) -> Webhook | None:
        if step.status == "sent":
            return None  # intermediate reports come only to those who ask for them
        results = [self._write_report(message, step.status, step.code)]
        return self.write_json_webhook(message.status_callback, {"results": results}, message)

    def _write_report(self, message: CarrierMessage, status: str, code: int | None) -> dict[str, Any]:
        said = self.late_words_for(code) if code is not None else None
        error = {"groupId": 0, "groupName": "OK", "id": 0, "name": "NO_ERROR", "description": "No Error"}
        if said and said.code and said.code != said.state:
            error = {
                "groupId": 1,
                "groupName": "HANDSET_ERRORS",
                "id": int(said.code),
                "name": said.text,
                "description": said.text,
            }
        return {
            "bulkId": "simulated",
            "messageId": message.sid,
            "to": without_plus(message.to),
            "sender": without_plus(message.from_),
            "sentAt": _infobip_time(message.created_at),
            "doneAt": _infobip_time(message.updated_at),
            "messageCount": message.num_segments,
            "price": {"pricePerMessage": 0.01, "currency": "EUR"},
            "status": _write_status(int(said.state) if said else _STATES[status]),
            "error": {**error, "permanent": said is not None and said.code in _FOR_GOOD},
            "callbackData": message.echo.get("callbackData", ""),
        }

    def prove(self, url: str, body: bytes) -> Mapping[str, str]:
        return {"Authorization": basic_authorization("infobip", self._webhook_secret)}


def _write_status(status: int) -> dict[str, Any]:
    group, group_name, name = _STATUSES[status]
    return {"groupId": group, "groupName": group_name, "id": status, "name": name, "description": name.lower()}


def _infobip_time(at: float) -> str:
    """`2026-03-01T12:00:00.000+0000`."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "+0000")


DIALECT: Final[type[Dialect]] = Infobip
