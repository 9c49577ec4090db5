"""Bird, formerly MessageBird: the Channels API, or the SMS and MMS API of MessageBird that older accounts have.

The two have nothing in common but the word `AccessKey`, and `api` says which one an account speaks. Channels posts one
event in JSON, signed over time, URL and body. MessageBird posts texts as forms and reports as GET requests, each with
a token that holds the hashes of URL and body.

https://docs.bird.com/api. Much of it is thin; docs/carriers/bird.md says what is done where it is silent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from types import MappingProxyType
from typing import Any, ClassVar, Final, Self
from urllib.parse import quote, urlencode

from smsbridge.contracts.carrier import NO_MEANING, Abilities, AccountUrls, Carrier, CodeMeaning, FindQuery, code_rows
from smsbridge.contracts.media import write_guarded_fetch
from smsbridge.contracts.settings import (
    Reader,
    read_base_url,
    read_hosts,
    read_secret,
    read_settings,
    reader_of_text,
    reader_of_word,
)
from smsbridge.domain.cause import Cause
from smsbridge.domain.errors import BadSignature
from smsbridge.domain.events import CarrierEvent, Ignored, InboundMedia, InboundMessage, Receipt, Unrecognized
from smsbridge.domain.message import OutboundPart
from smsbridge.domain.outcome import Accepted, Evidence, Rejected, RetryLater, SendOutcome, Uncertain
from smsbridge.domain.phone import read_own_sender
from smsbridge.domain.status import FAILURES, Status
from smsbridge.wire.encoding import (
    Unreadable,
    list_at,
    read_form,
    read_json,
    read_object,
    text_at,
    value_at,
    word_at,
    write_json,
)
from smsbridge.wire.http import Fetch, Headers, Request, Response, is_at
from smsbridge.wire.jwt import read_jwt
from smsbridge.wire.signing import base64_text, hmac_digest, is_one_of, same_text, sha256_hex
from smsbridge.wire.times import read_retry_after_s, read_time_ms, write_time

CHANNELS: Final = "channels"
MESSAGEBIRD: Final = "messagebird"
API_URLS: Final[Mapping[str, str]] = MappingProxyType(
    {CHANNELS: "https://api.bird.com", MESSAGEBIRD: "https://rest.messagebird.com"}
)

# https://docs.bird.com/api/channels-api/message-status-and-interactions
# https://developers.messagebird.com/api/sms-messaging/#sms-statuses
STATUSES: Final[Mapping[str, Status]] = MappingProxyType(
    {
        "accepted": Status.SENT,
        "processing": Status.SENT,
        "scheduled": Status.SENT,
        "sent": Status.SENT,
        "buffered": Status.SENT,  # the phone is off, the network goes on trying
        "delivered": Status.DELIVERED,
        "expired": Status.UNDELIVERED,
        "delivery_failed": Status.UNDELIVERED,
        "sending_failed": Status.FAILED,
        "rejected": Status.FAILED,
    }
)

# Bare numbers are the operator's words, as `statusErrorCode` or `failure.source.code` have them:
# https://docs.bird.com/api/channels-api/message-status-and-interactions/message-failure-sources/sms-platform-extended-error-codes
# `api:` is MessageBird's refusal of a request, with the parameter at fault; `failure:`, `source:`, `status:` and
# `reason:` are what Channels says of a message:
# https://docs.bird.com/api/channels-api/message-status-and-interactions/message-failure-codes
CODES: Final[Mapping[str, CodeMeaning]] = MappingProxyType(
    {
        **code_rows(
            Cause.SENDER_MISMATCH,
            {
                "api:9/originator": "the sender is missing, or may not be used",
                "api:10/originator": "the sender is not valid",
            },
        ),
        **code_rows(
            Cause.INVALID_NUMBER,
            {
                "api:9/recipients": "the recipient is no valid number",
                "1": "the network does not know the number",
                "5": "the network cannot tell whose number it is",
                "failure:15005": "the network does not know the number",
            },
        ),
        **code_rows(
            Cause.NOT_MOBILE,
            {
                "9": "the network does not serve this subscriber",
                "11": "the subscription takes no texts",
                "12": "the network does not serve this phone",
                "21": "the network has no such service",
            },
        ),
        **code_rows(
            Cause.UNREACHABLE,
            {
                "2": "the network does not know the base station",
                "3": "the network does not know the switch",
                "6": "the phone is off or out of reach",
                "27": "the phone is off or out of reach",
                "32": "the phone did not take it; its memory may be full",
            },
        ),
        **code_rows(Cause.EXPIRED, {"status:expired": "still not delivered when its validity ended"}),
        **code_rows(Cause.BLOCKED, {"13": "the recipient's line is barred"}),
        **code_rows(Cause.OPTED_OUT, {"103": "the recipient said STOP"}),
        **code_rows(Cause.RATE_LIMITED, {"HTTP 429": "too many requests; this one was not looked at"}, retry=True),
        **code_rows(Cause.AUTH, {"api:2": "the access key is wrong or may not do this"}),
        **code_rows(
            Cause.BALANCE,
            {
                "api:25": "the account has not enough balance",
                "source:accounting": "it could not be paid for",
            },
        ),
        **code_rows(
            Cause.CARRIER_OUTAGE,
            {
                "31": "the phone is busy with another text",
                "33": "too many texts wait for the phone already",
                "34": "a failure in the network",
                "api:98": "an error inside MessageBird",
                "api:99": "an error inside MessageBird",
                "failure:12xxx": "an error inside Channels",
                "failure:15001": "a failure in the network",
                "HTTP 5xx": "an error inside Bird",
            },
            retry=True,
        ),
        **code_rows(Cause.CARRIER_OUTAGE, {"source:contact": "Bird's list of contacts failed"}),
        **code_rows(
            Cause.UNKNOWN,
            {
                "35": "something was missing in it",
                "36": "something in it had an unexpected value",
                "api:9": "a parameter is missing",
                "api:10": "a parameter is not valid",
                "api:20": "not found",
                "api:21": "the request is not as the API wants it",
                "failure:11xxx": "found not to be valid after it was taken",
                "failure:14xxx": "a fault of the account's own",
                "failure:15xxx": "the platform failed for a reason that it told in another code",
                "source:pre-processing": "failed before it was handed over",
                "source:touchpoint": "its template failed",
                "reason:DLR not received": "no report came before its validity ended",
            },
        ),
    }
)
# What a refusal without a code that we know means, by its HTTP status.
_BY_HTTP_STATUS: Final[Mapping[int, CodeMeaning]] = MappingProxyType(
    {
        401: CodeMeaning(cause=Cause.AUTH, meaning="the access key was refused"),
        402: CodeMeaning(cause=Cause.BALANCE, meaning="payment is due"),
        403: CodeMeaning(cause=Cause.AUTH, meaning="the access key may not do this"),
        404: CodeMeaning(cause=Cause.AUTH, meaning="there is no such workspace or channel"),
        413: CodeMeaning(cause=Cause.CONTENT_REJECTED, meaning="the request is too large"),
        429: CODES["HTTP 429"],
    }
)

_SIGNATURE: Final = "messagebird-signature"
_SIGNED_AT: Final = "messagebird-request-timestamp"
_TOKEN: Final = "MessageBird-Signature-JWT"  # noqa: S105 -- the name of a header
_MAX_AGE_S: Final = 300
"""How far the time in a signature of Channels may be from ours. Bird names no limit."""
_LEEWAY_S: Final = 60
"""How far MessageBird's clock may be from ours: its tokens hold only while they are fresh."""
_HOSTS: Final = ("*.bird.com", "*.messagebird.com")
_MEDIA_BODIES: Final[Mapping[str, str]] = MappingProxyType({"image": "images", "file": "files"})
_FIND_SLACK_MS: Final = 5_000
_PAGE_SIZE: Final = 100
_OK: Final = Response.text("OK")

_Fields = Mapping[str, Sequence[str]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Bird(Carrier):
    """One SMS channel of Bird's, or one account of MessageBird's. docs/carriers/bird.md explains each setting."""

    name: ClassVar[str] = "bird"
    abilities: ClassVar[Abilities] = Abilities(
        max_text_chars=600,  # nine parts of UCS-2 are the most that MessageBird takes
        media=True,
        max_media=10,
        max_media_bytes=1_000_000,
        media_types=frozenset({"image/jpeg", "image/png", "image/gif"}),
        find=True,
        fetch_status=True,
    )
    codes: ClassVar[Mapping[str, CodeMeaning]] = CODES
    # What Bird does after a 4xx is not written. The fault may be in our settings or our clock: it shall come again.
    refusal: ClassVar[Response] = Response.text("The signature did not match.\n", status=503)

    access_key: str = field(repr=False)
    signing_key: str = field(repr=False)
    signing_key_secondary: str = field(default="", repr=False)
    """The other one while one replaces the other."""
    api: str = CHANNELS
    workspace_id: str = ""
    channel_id: str = ""
    number: str = ""
    """The number of the channel: not every webhook says it."""
    api_url: str = ""
    media_hosts: tuple[str, ...] = ()
    webhook: str = field(default="", repr=False)

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any], urls: AccountUrls) -> Self:
        made, problems = read_settings(settings, _READERS)
        problems += _missing(settings)
        if problems:
            raise ValueError("\n".join(problems))
        made.setdefault("api_url", API_URLS[made.get("api", CHANNELS)])
        return cls(**made, webhook=urls.webhook)

    def write_setup(self, webhook: str) -> Sequence[str]:
        if self._is_messagebird:
            return (
                f"MessageBird's dashboard, the number or its flow: forward texts to {webhook}",
                f"For MMS: set {webhook}/status as the default for status reports; receipts of SMS need nothing",
            )
        return (
            f"Bird's API: make a webhook subscription with the event sms.inbound, the url {webhook} and signing_key",
            f"And another with the event sms.outbound, the url {webhook} and signing_key",
            f"Filter both by channelId {self.channel_id}",
        )

    @property
    def only_sender(self) -> str:
        """A channel has one number, and a send names none."""
        return "" if self._is_messagebird else self.number

    # -- Webhooks ----------------------------------------------------------------------------------------------------

    def verify(self, request: Request, now_ms: int) -> None:
        secrets = tuple(filter(None, (self.signing_key, self.signing_key_secondary)))
        check = _check_token if self._is_messagebird else _check_signature
        check(request, secrets, now_ms // 1000)

    def read_webhook(self, request: Request) -> Sequence[CarrierEvent]:
        """One event: a text, or a report."""
        if self._is_messagebird:
            return [_read_messagebird(_fields(request))]
        body = read_json(request.body)
        if not isinstance(body, dict):
            raise Unreadable("not a JSON object")
        return [self._read_event(body)]

    def acknowledge(self, events: Sequence[CarrierEvent]) -> Response:  # noqa: ARG002 -- one answer for all
        return _OK

    # -- Sending -----------------------------------------------------------------------------------------------------

    def write_send(self, part: OutboundPart) -> Request:
        """https://docs.bird.com/api/channels-api/supported-channels/programmable-sms/sending-messages
        https://developers.messagebird.com/api/sms-messaging/#send-outbound-sms

        A channel has its own number. MessageBird reports only on what has a reference.
        """
        if self._is_messagebird:
            return self._write_messagebird(part)
        images = {"images": [{"mediaUrl": url} for url in part.media_urls]}
        text = {"text": part.text} if part.text or not part.media_urls else {}
        body = {"type": "image", "image": text | images} if part.media_urls else {"type": "text", "text": text}
        contact = {"identifierKey": "phonenumber", "identifierValue": part.to}
        message = {"receiver": {"contacts": [contact]}, "body": body, "reference": part.ref}
        return self._post(self._messages_url, message)

    def read_send(self, response: Response) -> SendOutcome:
        """Either API answers a message with its id, or says what is wrong: `{errors: [...]}` or `{code, message}`."""
        answer = read_object(response.body)
        if response.ok:
            return _read_sent(answer, response.status)
        code, meaning = _meaning(_refusal_codes(answer))
        error = next(iter(list_at(answer, "errors")), answer)
        text = text_at(error, "description") or text_at(error, "message")
        evidence = Evidence(code=code or _http_code(response.status), text=text, http_status=response.status)
        if response.status == 408 or not 400 <= response.status < 500:
            return Uncertain(reason=f"Bird answered HTTP {response.status}", evidence=evidence)
        if meaning.cause is Cause.UNKNOWN:
            meaning = _BY_HTTP_STATUS.get(response.status, meaning)
        if meaning.retry:
            return RetryLater(cause=meaning.cause, after_s=read_retry_after_s(response.headers), evidence=evidence)
        return Rejected(cause=meaning.cause, evidence=evidence)

    # -- Media -------------------------------------------------------------------------------------------------------

    def write_media_fetch(self, media: InboundMedia) -> Fetch:
        """Whether the access key is needed is not written: it is sent to Bird's own hosts, and never beyond them."""
        return write_guarded_fetch(
            media.url,
            self._headers(accept="*/*"),
            hosts=_HOSTS,
            media_hosts=self.media_hosts,
            credentials_hosts=_HOSTS,
            api_url="" if is_at(self.api_url, _HOSTS) else self.api_url,
        )

    # -- Looking things up -------------------------------------------------------------------------------------------

    def write_find(self, query: FindQuery) -> Request:
        """The newest texts, among which ours is known by its reference. Filters that Bird did not know would only make
        the list longer."""
        if self._is_messagebird:
            filters = {"direction": "mt", "recipient": query.to.removeprefix("+"), "limit": str(_PAGE_SIZE)}
            return self._get(f"{self.api_url}/{'mms' if query.has_media else 'messages'}?{urlencode(filters)}")
        start = write_time(max(query.sent_after_ms - _FIND_SLACK_MS, 0))
        filters = {"direction": "outgoing", "startAt": start, "limit": str(_PAGE_SIZE)}
        return self._get(f"{self._messages_url}?{urlencode(filters)}")

    def read_find(self, query: FindQuery, response: Response) -> Receipt | None:
        answer = read_object(response.body)
        name = "items" if self._is_messagebird else "results"
        listed = answer.get(name)
        if response.status != 200 or not isinstance(listed, list):
            raise LookupError(f"Bird answered HTTP {response.status} without a list of messages.")
        found = next((entry for entry in listed if text_at(entry, "reference") == query.ref), None)
        if found is not None:
            receipt = self._read_state(found, query.ref)
            if receipt is None:
                raise LookupError("Bird has the message, in a state that is not known here.")
            return receipt
        if any(_could_be(entry, query) for entry in listed):
            raise LookupError("Bird has a message without a reference that could be this one.")
        is_whole = _is_whole(answer, listed) if self._is_messagebird else not answer.get("nextPageToken")
        if not is_whole and not _reaches_back(listed, query.sent_after_ms - _FIND_SLACK_MS):
            raise LookupError("Bird has more messages than one page holds.")
        return None

    def write_fetch_status(self, carrier_message_id: str) -> Request:
        """https://developers.messagebird.com/api/sms-messaging/#view-an-sms. The id does not tell MMS from SMS."""
        return self._get(f"{self._messages_url}/{quote(carrier_message_id, safe='')}")

    def read_fetch_status(self, carrier_message_id: str, response: Response) -> Receipt | None:
        answer = read_object(response.body) if response.ok else {}
        if text_at(answer, "id") != carrier_message_id:
            return None
        return self._read_state(answer, text_at(answer, "reference"))

    # -- Private -----------------------------------------------------------------------------------------------------

    @property
    def _is_messagebird(self) -> bool:
        return self.api == MESSAGEBIRD

    @property
    def _messages_url(self) -> str:
        if self._is_messagebird:
            return f"{self.api_url}/messages"
        return f"{self.api_url}/workspaces/{self.workspace_id}/channels/{self.channel_id}/messages"

    def _headers(self, *more: tuple[str, str], accept: str = "application/json") -> Headers:
        return Headers([("Authorization", f"AccessKey {self.access_key}"), ("Accept", accept), *more])

    def _get(self, url: str) -> Request:
        return Request(method="GET", url=url, headers=self._headers())

    def _post(self, url: str, body: Mapping[str, Any]) -> Request:
        headers = self._headers(("Content-Type", "application/json"))
        return Request(method="POST", url=url, headers=headers, body=write_json(body))

    def _write_messagebird(self, part: OutboundPart) -> Request:
        message: dict[str, Any] = {
            "originator": part.sender.removeprefix("+"),
            "recipients": [part.to.removeprefix("+")],
            "body": part.text,
            "reference": part.ref,
        }
        if part.media_urls:
            return self._post(f"{self.api_url}/mms", message | {"mediaUrls": list(part.media_urls)})
        # By default characters outside of GSM-7 would be replaced.
        message |= {"datacoding": "auto", "reportUrl": f"{self.webhook}/status"}
        if part.validity_s is not None:
            message["validity"] = max(part.validity_s, 1)
        return self._post(self._messages_url, message)

    def _read_event(self, body: Mapping[str, Any]) -> CarrierEvent:
        """https://docs.bird.com/api/notifications-api/api-reference/webhooks"""
        message, kind = value_at(body, "payload"), text_at(body, "event").rpartition(".")[2]
        if kind not in ("inbound", "outbound"):
            return Unrecognized(reason="unknown_event")
        if not text_at(message, "id"):
            return Unrecognized(reason="no_message_id")
        if text_at(message, "channelId") not in ("", self.channel_id):
            return Ignored(reason="another_channel")
        if kind == "inbound":
            return self._read_inbound(message)
        receipt = self._read_state(message, text_at(message, "reference"))
        return receipt or Unrecognized(reason="unknown_status")

    def _read_inbound(self, message: object) -> CarrierEvent:
        """https://docs.bird.com/api/channels-api/supported-channels/programmable-sms/receiving-messages"""
        kind = text_at(message, "body", "type")
        files = list_at(message, "body", kind, _MEDIA_BODIES.get(kind, ""))
        if kind != "text" and not files:
            return Unrecognized(reason="unknown_body")
        return _inbound(
            message_id=text_at(message, "id"),
            from_number=text_at(message, "sender", "contact", "identifierValue"),
            to_number=self.number or text_at(message, "receiver", "connector", "identifierValue"),
            text=text_at(message, "body", kind, "text"),
            media=[
                InboundMedia(
                    url=text_at(file, "mediaUrl"),
                    content_type=text_at(file, "contentType"),
                    filename=text_at(file, "filename"),
                )
                for file in files
            ],
            carrier_at_ms=read_time_ms(text_at(message, "createdAt")),
        )

    def _read_state(self, message: object, part_ref: str) -> Receipt | None:
        """What either API says of a message of ours; None for a state that is not known here."""
        if self._is_messagebird:
            to = next(iter(list_at(message, "recipients", "items")), None)
            names = ("status", "statusReason", "statusErrorCode", "statusDatetime")
            words = {name.lower(): word_at(to, name) for name in names}
            return _messagebird_receipt(text_at(message, "id"), words, part_ref)
        return _receipt(
            message_id=text_at(message, "id"),
            word=text_at(message, "status"),
            codes=_failure_codes(message),
            text=text_at(message, "reason") or text_at(message, "details"),
            part_ref=part_ref,
            at=text_at(message, "lastStatusAt"),
        )


# -- Signatures ------------------------------------------------------------------------------------------------------


def _check_signature(request: Request, secrets: Sequence[str], now_s: int) -> None:
    """https://docs.bird.com/api/notifications-api/api-reference/webhooks/verifying-a-webhook

    Base64 of the HMAC-SHA256 of the time, the URL and the hash of the body, a line each.
    """
    given, at = request.headers.get(_SIGNATURE), request.headers.get(_SIGNED_AT)
    if not given or not at:
        raise BadSignature(f"The request lacks {_SIGNATURE} or {_SIGNED_AT}.")
    signed = f"{at}\n{request.url}\n".encode("utf-8", "surrogatepass") + sha256(request.body).digest()
    if not is_one_of(given, [base64_text(hmac_digest("sha256", secret.encode(), signed)) for secret in secrets]):
        raise BadSignature(
            f"{_SIGNATURE} does not fit {_shown(request)} and any of {len(secrets)} keys.",
            hint="The URL of the subscription and public_url must be the same to the letter.",
        )
    if not re.fullmatch(r"[0-9]{1,12}", at) or abs(int(at) - now_s) > _MAX_AGE_S:
        raise BadSignature(f"{_SIGNED_AT} is more than {_MAX_AGE_S} s from the time here.")


def _check_token(request: Request, secrets: Sequence[str], now_s: int) -> None:
    """https://developers.messagebird.com/api/#verifying-http-requests

    A token with the hash of the URL, and one of the body if there is a body.
    """
    token = request.headers.get(_TOKEN)
    if not token:
        raise BadSignature(f"The request has no {_TOKEN} header.")
    try:
        claims = read_jwt(token, secrets)
    except Unreadable as error:
        raise BadSignature(f"{_TOKEN} cannot be read: {error}.") from None
    if claims is None:
        raise BadSignature(f"{_TOKEN} is signed with none of {len(secrets)} keys.")
    if text_at(claims, "iss") != "MessageBird":
        raise BadSignature(f"{_TOKEN} is not from MessageBird.")
    begins_s, ends_s = value_at(claims, "nbf"), value_at(claims, "exp")
    if not (_is_number(begins_s) and _is_number(ends_s) and begins_s - _LEEWAY_S <= now_s < ends_s + _LEEWAY_S):
        raise BadSignature(f"{_TOKEN} does not hold now: it is too old, or the clock here is wrong.")
    if not same_text(text_at(claims, "url_hash"), sha256_hex(request.url.encode("utf-8", "surrogatepass"))):
        raise BadSignature(
            f"{_TOKEN} is for another URL than {_shown(request)}.",
            hint="The URL at MessageBird and public_url must be the same to the letter.",
        )
    promised = value_at(claims, "payload_hash") or ""
    if not (same_text(text_at(claims, "payload_hash"), sha256_hex(request.body)) if request.body else promised == ""):
        raise BadSignature(f"{_TOKEN} is for another body.")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _shown(request: Request) -> str:
    """Without its query, which holds numbers."""
    return request.url.partition("?")[0][:200].encode("ascii", "replace").decode()


# -- Reading MessageBird's webhooks ----------------------------------------------------------------------------------


def _fields(request: Request) -> _Fields:
    """The parameters of a form, a query or a JSON object, a name in small letters with all its values.

    What pages call `mediaUrls` and `createdDatetime` has come as `mediaURLs` and `CreatedDatetime`, and a report has
    `price[amount]`, so that `mediaUrls[0]` and `mediaUrls[]` are looked for too:
    https://github.com/nyaruka/courier/blob/main/handlers/messagebird/handler_test.go
    """
    pairs: Sequence[tuple[str, object]]
    if request.method == "GET":
        pairs = read_form(request.url.partition("#")[0].partition("?")[2])
    elif request.content_type == "application/json":
        body = read_json(request.body)
        if not isinstance(body, dict):
            raise Unreadable("not a JSON object")
        pairs = [
            (name, each) for name, value in body.items() for each in (value if isinstance(value, list) else [value])
        ]
    else:
        pairs = read_form(request.body)
    fields: dict[str, list[str]] = {}
    for name, value in pairs:
        fields.setdefault(name.lower().partition("[")[0], []).append(word_at(value))
    return fields


_OF_A_NUMBER: Final = ("id", "recipient", "body", "createddatetime")
_OF_A_SHORT_CODE: Final = ("mid", "shortcode", "message", "receive_datetime")
"""What each names the id, the number, the words and the time of a text. Those of the other may be there as well."""


def _read_messagebird(fields: _Fields) -> CarrierEvent:
    """Only texts have an originator. A name that an older form had may come twice: the present form is the last."""
    words = {name: values[-1] for name, values in fields.items()}
    ways = _OF_A_NUMBER, _OF_A_SHORT_CODE
    names = zip(*(reversed(ways) if words.get("shortcode") else ways), strict=True)
    message_id, to_number, text, at = [words.get(first) or words.get(second, "") for first, second in names]
    if not message_id:
        return Unrecognized(reason="no_message_id")
    if "originator" in words:
        return _inbound(
            message_id=message_id,
            from_number=words["originator"],
            to_number=to_number,
            text=text,
            media=[InboundMedia(url=url) for url in fields.get("mediaurls", ())],
            carrier_at_ms=_read_any_time_ms(at),
        )
    receipt = _messagebird_receipt(message_id, words, words.get("reference", ""))
    return receipt or Unrecognized(reason="unknown_status" if "status" in words else "neither_text_nor_report")


def _messagebird_receipt(message_id: str, words: Mapping[str, str], part_ref: str) -> Receipt | None:
    reason, word = words.get("statusreason", ""), words.get("status", "")
    return _receipt(
        message_id=message_id,
        word=word,
        codes=(words.get("statuserrorcode", ""), f"reason:{reason}", f"status:{word}"),
        text=reason,
        part_ref=part_ref,
        at=words.get("statusdatetime", ""),
    )


def _read_any_time_ms(text: str) -> int | None:
    """RFC 3339, whose plus may have been taken for a blank, or fourteen digits."""
    if re.fullmatch(r"[0-9]{14}", text):
        text = f"{text[:8]}T{text[8:]}"
    return read_time_ms(text.replace(" ", "+"))


# -- Reading messages and answers ------------------------------------------------------------------------------------


def _inbound(
    *,
    message_id: str,
    from_number: str,
    to_number: str,
    text: str,
    media: Sequence[InboundMedia],
    carrier_at_ms: int | None,
) -> CarrierEvent:
    if not to_number:
        return Unrecognized(reason="no_recipient")
    if not text and not media:
        return Ignored(reason="empty_text")
    there = tuple(each for each in media if each.url)
    return InboundMessage(
        carrier_message_id=message_id,
        from_number=from_number,
        to_number=to_number,
        text=text,
        media=there,
        media_missing=len(media) - len(there),
        carrier_at_ms=carrier_at_ms,
    )


def _receipt(*, message_id: str, word: str, codes: Sequence[str], text: str, part_ref: str, at: str) -> Receipt | None:
    status = STATUSES.get(word)
    if status is None or not message_id:
        return None
    failed = status in FAILURES
    code, meaning = _meaning(codes)
    return Receipt(
        carrier_message_id=message_id,
        status=status,
        part_ref=part_ref,
        key=f"{message_id}:{word}:{code}",
        cause=meaning.cause if failed else None,
        evidence=Evidence(code=code, text=text or word),
        carrier_at_ms=_read_any_time_ms(at),
    )


def _meaning(codes: Sequence[str]) -> tuple[str, CodeMeaning]:
    """The first code that the table has. Where that says nothing, the code that was given is kept, to be counted."""
    given = next((code for code in codes if code not in ("", "0") and not code.startswith(_WORDS)), "")
    known = next((code for code in codes if code in CODES), None)
    if known is None:
        return given, NO_MEANING
    meaning = CODES[known]
    return (given or known) if meaning.cause is Cause.UNKNOWN else known, meaning


_WORDS: Final = ("reason:", "status:")


def _failure_codes(message: object) -> Sequence[str]:
    """Of the operator, of the failure, of the part of Bird that failed, and of the failure's family."""
    code, source = word_at(message, "failure", "code"), text_at(message, "failure", "source", "name")
    own = (f"failure:{code}", f"failure:{code[:2]}xxx") if code else ("", "")
    return (
        word_at(message, "failure", "source", "code"),
        own[0],
        f"source:{source}" if source else "",
        own[1],
        f"status:{text_at(message, 'status')}",
    )


def _refusal_codes(answer: Mapping[str, Any]) -> Sequence[str]:
    codes: list[str] = []
    for error in list_at(answer, "errors"):
        code, parameter = word_at(error, "code"), text_at(error, "parameter")
        codes += [f"api:{code}/{parameter}", f"api:{code}"] if code else []
        if code == _STOPPED:  # the operators' code, which a later send is refused with
            codes.insert(0, code)
    return codes or [f"channels:{code}" for code in [word_at(answer, "code")] if code]


_STOPPED: Final = "103"


def _http_code(status: int) -> str:
    """Where the table has one; the evidence has the status itself in any case."""
    code = "HTTP 5xx" if status >= 500 else f"HTTP {status}"
    return code if code in CODES else ""


def _read_sent(answer: Mapping[str, Any], http_status: int) -> SendOutcome:
    to = next(iter(list_at(answer, "recipients", "items")), answer)
    word = text_at(to, "status")
    evidence = Evidence(text=word, http_status=http_status)
    message_id = text_at(answer, "id")
    if not message_id:
        return Uncertain(reason=f"Bird answered HTTP {http_status} without a message", evidence=evidence)
    status = STATUSES.get(word, Status.SENT)
    if status not in FAILURES:
        return Accepted(carrier_message_id=message_id, status=status, evidence=evidence)
    codes = (word_at(to, "statusErrorCode"), *_failure_codes(answer), f"status:{word}")
    code, meaning = _meaning(codes)
    failed = Evidence(code=code, text=word, http_status=http_status)
    return Accepted(carrier_message_id=message_id, status=status, cause=meaning.cause, evidence=failed)


def _could_be(entry: object, query: FindQuery) -> bool:
    texts = (text_at(entry, "body"), text_at(entry, "body", "text", "text"), text_at(entry, "body", "image", "text"))
    is_ours = text_at(entry, "direction") in ("mt", "outgoing", "") and text_at(entry, "id") not in query.known_ids
    return is_ours and not text_at(entry, "reference") and query.text in texts


def _is_whole(answer: Mapping[str, Any], listed: Sequence[object]) -> bool:
    total = value_at(answer, "totalCount")
    return isinstance(total, int) and total <= len(listed)


def _reaches_back(listed: Sequence[object], to_ms: int) -> bool:
    """Whether the page, newest first, goes back further than that."""
    dates = [read_time_ms(text_at(entry, "createdDatetime") or text_at(entry, "createdAt")) for entry in listed]
    known = [date for date in dates if date is not None]
    in_order = len(known) == len(dates) and known == sorted(known, reverse=True)
    return in_order and bool(known) and known[-1] < to_ms


# -- Settings --------------------------------------------------------------------------------------------------------


def _missing(settings: Mapping[str, Any]) -> Iterator[str]:
    wanted = {
        "access_key": "make one that may send and read messages",
        "signing_key": "give what webhooks are signed with",
    }
    if (settings.get("api") or CHANNELS) == CHANNELS:
        wanted |= {
            "workspace_id": "Bird shows it in the settings of the organization",
            "channel_id": "Bird shows it at the SMS channel",
            "number": "give the number of the channel",
        }
    for key, cure in wanted.items():
        if not settings.get(key):
            yield f"{key}: is missing; {cure}"


def _read_number(value: object) -> str:
    try:
        return read_own_sender(value if isinstance(value, str) else "")
    except ValueError:
        raise ValueError("is no sender; give a number like +14155550100, or a short code") from None


_ID: Final = reader_of_text("[0-9A-Za-z-]{1,64}", "it is digits, letters and dashes, as Bird shows it")
_READERS: Final[Mapping[str, Reader]] = MappingProxyType(
    {
        "access_key": read_secret,
        "signing_key": read_secret,
        "signing_key_secondary": read_secret,
        "api": reader_of_word(*API_URLS),
        "workspace_id": _ID,
        "channel_id": _ID,
        "number": _read_number,
        "api_url": read_base_url,
        "media_hosts": read_hosts,
    }
)


ADAPTER: Final[type[Carrier]] = Bird
