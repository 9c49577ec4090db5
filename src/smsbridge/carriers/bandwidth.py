"""Bandwidth Messaging API v2: SMS and MMS.

Webhooks are JSON arrays of events, texts and receipts alike, proven by HTTP Basic credentials that are shown when they
are asked for. Sends are JSON, authenticated by HTTP Basic. What became of a text is told by receipts alone: the answer
to a send knows nothing but whether the request was well formed.

Where Bandwidth's pages leave something open, docs/carriers/bandwidth.md says what is done either way.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, ClassVar, Final, Self
from urllib.parse import unquote, urlencode, urlsplit

from smsbridge.contracts.carrier import (
    NO_MEANING,
    Abilities,
    AccountUrls,
    Carrier,
    CodeMeaning,
    FindQuery,
    Listed,
    ListQuery,
    Undecided,
    code_rows,
    media_types,
)
from smsbridge.contracts.settings import Reader, read_base_url, read_secret, read_settings, reader_of_text
from smsbridge.domain.cause import Cause
from smsbridge.domain.errors import BadSignature, Unauthenticated
from smsbridge.domain.events import (
    CarrierEvent,
    Ignored,
    InboundMedia,
    InboundMessage,
    Receipt,
    Unrecognized,
    Withheld,
)
from smsbridge.domain.lookup import looked_up
from smsbridge.domain.message import Capability, OutboundPart, SmsCapable
from smsbridge.domain.outcome import Accepted, Evidence, Rejected, RetryLater, Scope, SendOutcome, Uncertain
from smsbridge.domain.status import FAILURES, Status
from smsbridge.wire.encoding import Unreadable, list_at, read_json, read_object, text_at, value_at, word_at, write_json
from smsbridge.wire.http import CREDENTIALS_WANTED, Fetch, Headers, Request, Response, host_and_port
from smsbridge.wire.signing import basic_authorization, is_one_of
from smsbridge.wire.times import read_retry_after_s, read_time_ms, write_time

API_URL: Final = "https://messaging.bandwidth.com"
LOOKUP_URL: Final = "https://api.bandwidth.com"

MEDIA_TYPES: Final = media_types(
    {
        "image": "jpeg jpg gif png bmp",
        "video": "mp4 mpeg quicktime 3gpp 3gpp2 webm",
        "audio": "mpeg mp4 mp3 ogg amr 3gpp 3gpp2 wav x-wav",
        "text": "vcard x-vcard calendar",
        "application": "pdf",
    }
)

# https://dev.bandwidth.com/docs/messaging/webhooks#message-delivery-webhooks
# `message-failed` is not here: which failure it is, its code says.
_RECEIPTS: Final[Mapping[str, Status]] = MappingProxyType(
    {
        "message-sending": Status.SENT,
        "message-sent": Status.SENT,
        "message-delivered": Status.DELIVERED,
        "message-read": Status.DELIVERED,  # RCS
    }
)
# What the search of messages calls them.
_SEARCHED: Final[Mapping[str, Status]] = MappingProxyType(
    {
        "RECEIVED": Status.SENT,
        "ACCEPTED": Status.SENT,
        "QUEUED": Status.SENT,
        "SENDING": Status.SENT,
        "SENT": Status.SENT,
        "DELIVERED": Status.DELIVERED,
        "FAILED": Status.FAILED,
        "UNDELIVERED": Status.UNDELIVERED,
    }
)

# https://dev.bandwidth.com/numbers/guides/tnLookup.html -- texts to landlines arrive where a provider of messaging has
# taken the number on.
_LINE_TYPES: Final[Mapping[str, tuple[str, SmsCapable]]] = MappingProxyType(
    {
        "MOBILE": ("mobile", SmsCapable.YES),
        "VOIP": ("voip", SmsCapable.UNKNOWN),
        "VOIP-FIXED": ("voip", SmsCapable.UNKNOWN),
        "FIXED": ("landline", SmsCapable.NO),
    }
)


# https://dev.bandwidth.com/docs/messaging/errors
# Numbers are codes of receipts; `http:` is an answer to a send, by its status and its `type`. `retry` only where the
# page says that the same message may be sent again.
CODES: Final[Mapping[str, CodeMeaning]] = MappingProxyType(
    {
        **code_rows(
            Cause.SENDER_NOT_OURS,
            {
                "4405": "the sender is a number that nobody has",
                "4407": "the sender is not on this account",
                "4452": "the application does not exist, or is not the sender's",
            },
        ),
        **code_rows(
            Cause.SENDER_NOT_SMS_CAPABLE,
            {
                "4403": "the sender may not send texts: not ours, or not enabled",
                "4431": "the account has no short codes",
                "4433": "the account may not text from toll-free numbers",
                "4481": "the sender is on a list of blocked numbers",
                "4792": "the short code is not set up at the carrier",
                "4793": "the short code has expired",
            },
        ),
        **code_rows(
            Cause.SENDER_NOT_REGISTERED,
            {
                "4476": "the sender is in no registered campaign",
                "4773": "the campaign of the sender is not active",
                "4774": "the sender is not set up in the industry's database",
                "4795": "the toll-free sender is not verified",
            },
        ),
        **code_rows(
            Cause.SENDER_MISMATCH,
            {
                "4302": "the sender is malformed",
                "4740": "the carrier does not take the sender",
            },
        ),
        **code_rows(
            Cause.INVALID_NUMBER,
            {
                "4404": "the number is not enabled for texts, or not active",
                "4408": "the number belongs to nobody who can receive texts",
                "4720": "no such number, or a landline",
            },
        ),
        **code_rows(
            Cause.NOT_MOBILE,
            {
                "4434": "the toll-free number takes no texts",
                "4700": "the number's carrier takes no texts of this kind",
                "4754": "the number cannot be reached by this kind of text",
            },
        ),
        **code_rows(
            Cause.MEDIA_REJECTED,
            {
                "4409": "the number cannot take this kind of text, mostly pictures",
                "4410": "the picture could not be fetched from us",
                "4411": "the pictures are too large together",
                "4412": "the picture has a type that is not taken",
                "4710": "the carrier could not fetch the picture",
                "4711": "the picture is larger than the carrier takes",
                "4712": "the carrier does not take this type of file",
            },
        ),
        **code_rows(
            Cause.CONTENT_REJECTED,
            {
                "4301": "characters that cannot be sent",
                "4435": "more than ten recipients",
                "4735": "more recipients than the carrier takes",
                "4751": "too long or too short for the carrier",
                "4752": "malformed, says the carrier",
            },
        ),
        **code_rows(
            Cause.UNREACHABLE,
            {
                "4303": "the recipient's number is malformed",
                "4350": "malformed for its destination, mostly the recipient's number",
                "4401": "no route, or a loop between the same two numbers",
                "4406": "nobody has this number",
                "4420": "Bandwidth does not know the number's carrier",
                "4701": "the number cannot be reached, or has no texts just now",
                "4702": "the phone is off, busy or full",
                "4721": "the number was given up",
                "4730": "no route, or none to where the phone roams",
                "5106": "no route, after several tries",
            },
        ),
        **code_rows(
            Cause.EXPIRED,
            {
                "4360": "it expired before it was sent",
                "4794": "the destination refused it as expired",
            },
        ),
        **code_rows(
            Cause.BLOCKED,
            {
                "4482": "the recipient is on a list of blocked numbers",
                "4492": "an emergency number",
                "4750": "the carrier refused it and gave no reason",
                "4753": "the phone refused it",
                "4772": "sender or recipient are blocked on the way",
                "4790": "the recipient takes no texts from short codes",
                "4791": "the carrier does not allow the campaign of this short code",
            },
        ),
        **code_rows(
            Cause.FILTERED,
            {
                "4470": "Bandwidth took it for spam",
                "4770": "the carrier took it for spam",
                "4771": "a shortened link",
            },
        ),
        **code_rows(
            Cause.OPTED_OUT,
            {
                "4475": "the recipient said STOP to this sender",
                "4775": "the recipient said STOP, says the carrier",
            },
        ),
        **code_rows(
            Cause.RATE_LIMITED,
            {
                "4780": "the daily volume of T-Mobile is used up",
                "4781": "the volume of AT&T is used up",
                "4785": "more than the carrier takes",
            },
        ),
        **code_rows(Cause.QUEUE_FULL, {"5600": "the carrier's queue is full"}),
        **code_rows(
            Cause.QUEUE_FULL,
            {"http:429 max-message-queue-size-exceeded": "the queue of the account is full"},
            retry=True,
            about=Scope.ACCOUNT,
        ),
        **code_rows(
            Cause.AUTH,
            {
                "4001": "the account may not use this service",
                "4451": "the user does not exist",
                "4493": "the sender is not allowed on this account",
                "http:401 unauthorized": "the credentials are wrong",
                "http:403 forbidden": "the credentials have no access to messaging",
            },
        ),
        **code_rows(
            Cause.PERMISSION_OR_REGION,
            {
                "4421": "the account may not text this destination",
                "4432": "the account may not text this country",
            },
        ),
        **code_rows(
            Cause.CARRIER_OUTAGE,
            {
                "5100": "an error inside Bandwidth that passes",
                "5101": "a part of Bandwidth was shutting down",
                "5111": "a connection inside Bandwidth was closed",
                "5211": "a part of Bandwidth was busy",
                "5220": "a store inside Bandwidth failed",
                "5231": "parts of a long text were missing",
            },
            retry=True,
        ),
        **code_rows(
            Cause.CARRIER_OUTAGE,
            {
                "5201": "Bandwidth tried too often",
                # May be repeated once, says the page. It was with the carrier, so whoever repeats it is a person.
                "5500": "sending failed at the carrier",
                "5501": "the carrier had nowhere to send it to",
                "5610": "the carrier did not take it",
                "5620": "an error at the carrier",
                "5630": "the carrier did not acknowledge it",
                "5650": "the carrier could not deliver it",
            },
        ),
        **code_rows(
            Cause.UNKNOWN,
            {
                "5999": "an error inside Bandwidth without a name",
                "9902": "the carrier's receipt did not come within two hours; it may have been delivered",
                "9999": "an error of the carrier without a name",
                # A fault in this file or in the account's settings; which field it is about says more (`_BY_FIELD`).
                "http:400 request-validation": "the request was not as the API wants it",
                "http:415 unsupported-content-type": "the request was not in a form that the API takes",
            },
        ),
    }
)
_RECEIPT_TIMED_OUT: Final = "9902"

# What a refused request was refused for: `fieldErrors` names it.
_BY_FIELD: Final[Mapping[str, Cause]] = MappingProxyType(
    {
        "from": Cause.SENDER_NOT_OURS,
        "applicationid": Cause.SENDER_NOT_OURS,
        "to": Cause.INVALID_NUMBER,
        "media": Cause.MEDIA_REJECTED,
        "text": Cause.CONTENT_REJECTED,
    }
)
# 408 is missing on purpose: a gateway may say it after the request went through.
_BY_HTTP_STATUS: Final[Mapping[int, CodeMeaning]] = MappingProxyType(
    {
        401: CodeMeaning(cause=Cause.AUTH, meaning="the credentials were refused"),
        402: CodeMeaning(cause=Cause.BALANCE, meaning="payment is due"),
        403: CodeMeaning(cause=Cause.AUTH, meaning="the account may not do this"),
        404: CodeMeaning(cause=Cause.AUTH, meaning="there is no such account"),
        413: CodeMeaning(cause=Cause.CONTENT_REJECTED, meaning="the request is too large"),
        429: CodeMeaning(cause=Cause.RATE_LIMITED, meaning="too many requests", retry=True),
    }
)

_OFF: Final = "The carrier's lookup says that the number is given up, or not enabled for texts."
_LIST_PAGE_SIZE: Final = 1_000
_FIND_PAGE_SIZE: Final = 100
_FIND_SLACK_MS: Final = 5_000
"""Bandwidth's clock is not ours."""
_MAX_EVIDENCE_CHARS: Final = 500
_PUSHES_FOR_MS: Final = 24 * 3_600_000

_NO_CONTENT: Final = Response(status=204)


@dataclass(frozen=True, kw_only=True, slots=True)
class Bandwidth(Carrier):
    """One Bandwidth account with one messaging application. docs/carriers/bandwidth.md explains each setting."""

    name: ClassVar[str] = "bandwidth"
    abilities: ClassVar[Abilities] = Abilities(
        max_text_chars=2048,
        media=True,
        max_media=10,
        max_media_bytes=1_000_000,
        media_types=MEDIA_TYPES,
        lookup=True,
        find=True,
        fetch_status=True,
        listing="ids",
        pushes_for_ms=_PUSHES_FOR_MS,
    )
    codes: ClassVar[Mapping[str, CodeMeaning]] = CODES
    refusal: ClassVar[Response] = CREDENTIALS_WANTED

    account_id: str
    application_id: str
    api_user: str
    api_password: str = field(repr=False)
    webhook_user: str
    webhook_password: str = field(repr=False)
    webhook_password_secondary: str = field(default="", repr=False)
    """The other password while one replaces the other: webhooks may come with either."""
    api_url: str = API_URL
    lookup_url: str = LOOKUP_URL

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any], urls: AccountUrls) -> Self:  # noqa: ARG003 -- set at Bandwidth
        made, problems = read_settings(settings, _READERS)
        problems += [f"{key}: is missing; {cure}" for key, cure in _NEEDED.items() if not settings.get(key)]
        if problems:
            raise ValueError("\n".join(problems))
        if "api_url" in made:
            made.setdefault("lookup_url", made["api_url"])
        return cls(**made)

    def write_setup(self, webhook: str) -> Sequence[str]:
        return (
            f"Bandwidth App, the messaging application {self.application_id}: set 'inbound callback URL' to {webhook}",
            f"There, set 'status callback URL' to {webhook} too",
            "There, set the 'callback user id' and 'password' of both to webhook_user and webhook_password",
            "Put the location (sip peer) of the numbers into that application",
        )

    # -- Webhooks ----------------------------------------------------------------------------------------------------

    def verify(self, request: Request, now_ms: int) -> None:  # noqa: ARG002 -- nothing is signed, no time either
        """HTTP's challenge and answer (RFC 9110, 11.4). https://dev.bandwidth.com/docs/numbers/webhooks#authentication

        Nothing is signed: URL and body are only as safe as TLS makes them. A repeat is told by its message id.
        """
        given = request.headers.get("Authorization").strip()
        if not given:
            raise Unauthenticated("The request has no Authorization header.")
        scheme, _, shown = given.partition(" ")
        if scheme.lower() != "basic":
            raise BadSignature("The Authorization header is not of the kind Basic.")
        passwords = [password for password in (self.webhook_password, self.webhook_password_secondary) if password]
        expected = [basic_authorization(self.webhook_user, password).partition(" ")[2] for password in passwords]
        if not is_one_of(shown, expected):
            raise BadSignature(
                f"The Authorization header is not webhook_user with any of {len(passwords)} passwords.",
                hint="Set the same user and password for texts and for status callbacks in the application.",
            )

    def read_webhook(self, request: Request) -> Sequence[CarrierEvent]:
        """https://dev.bandwidth.com/docs/messaging/webhooks"""
        posted = read_json(request.body)
        if not isinstance(posted, list):
            posted = [posted]  # every page shows an array; a single event would be no less an event
        if not posted:
            raise Unreadable("not an array of events")
        return [event for each in posted for event in _read_event(each)]

    def acknowledge(self, events: Sequence[CarrierEvent]) -> Response:  # noqa: ARG002 -- they want a 2xx, nothing else
        return _NO_CONTENT

    # -- Sending -----------------------------------------------------------------------------------------------------

    def write_send(self, part: OutboundPart) -> Request:
        """https://github.com/Bandwidth/python-sdk/blob/main/docs/MessagesApi.md#create_message

        `tag` comes back in every receipt.
        """
        body: dict[str, Any] = {"applicationId": self.application_id, "to": [part.to], "from": part.sender}
        if part.text or not part.media_urls:
            body["text"] = part.text
        if part.media_urls:
            body["media"] = list(part.media_urls)
        body["tag"] = part.ref
        if part.validity_s is not None:
            body["expiration"] = write_time(part.at_ms + max(part.validity_s, 1) * 1000)
        return Request(
            method="POST",
            url=self._messages_url,
            headers=self._headers(("Content-Type", "application/json")),
            body=write_json(body),
        )

    def read_send(self, response: Response) -> SendOutcome:
        answer = read_object(response.body)
        if response.ok:
            message_id = text_at(answer, "id")
            if not message_id:
                reason = f"Bandwidth answered HTTP {response.status} without a message"
                return Uncertain(reason=reason, evidence=_evidence("", "", response.status))
            return Accepted(carrier_message_id=message_id, evidence=_evidence("", "accepted", response.status))
        problem = text_at(answer, "type")
        code = f"http:{response.status} {problem}" if problem else ""
        evidence = _evidence(code, _say(answer), response.status)
        if not 400 <= response.status < 500 or response.status == 408:
            return Uncertain(reason=f"Bandwidth answered HTTP {response.status}", evidence=evidence)
        meaning = CODES.get(code) or _BY_HTTP_STATUS.get(response.status, NO_MEANING)
        if meaning.retry:
            after_s = read_retry_after_s(response.headers)
            return RetryLater(cause=meaning.cause, after_s=after_s, about=meaning.about, evidence=evidence)
        return Rejected(cause=_cause_of_fields(answer) or meaning.cause, evidence=evidence)

    # -- Media -------------------------------------------------------------------------------------------------------

    def write_media_fetch(self, media: InboundMedia) -> Fetch:
        """https://dev.bandwidth.com/docs/messaging/mediaManagement -- kept for 48 hours, given for credentials only."""
        path = media.url.removeprefix(self.api_url)
        if path == media.url or not _MEDIA_PATH.fullmatch(path) or {".", ".."} & set(unquote(path).split("/")):
            raise ValueError(f"The media URL is not one of an attachment at {self.api_url}.")
        host = urlsplit(self.api_url).netloc
        return Fetch(
            request=Request(method="GET", url=media.url, headers=self._headers(accept="*/*")),
            hosts=(host,),
            credentials_hosts=(host,),
            private_hosts=() if self.api_url == API_URL else (host_and_port(self.api_url),),
        )

    # -- Looking things up -------------------------------------------------------------------------------------------

    def write_lookup(self, number: str, now_ms: int) -> Request:  # noqa: ARG002 -- signs no time
        """https://dev.bandwidth.com/numbers/guides/tnLookup.html -- the synchronous one"""
        return Request(
            method="POST",
            url=f"{self.lookup_url}/v2/accounts/{self.account_id}/phoneNumberLookup",
            headers=self._headers(("Content-Type", "application/json")),
            body=write_json({"phoneNumbers": [number]}),
        )

    def read_lookup(self, number: str, response: Response, now_ms: int) -> Capability | None:
        results = list_at(read_object(response.body), "data", "results") if response.ok else ()
        found = next((result for result in results if text_at(result, "phoneNumber") == number), None)
        known = _LINE_TYPES.get(text_at(found, "lineType"))
        if known is None:
            return None
        line_type, capable = known
        if capable is SmsCapable.NO and text_at(found, "messagingProvider"):
            capable = SmsCapable.UNKNOWN
        is_off = text_at(found, "latestMessageDeliveryStatus") in ("NOT_ENABLED", "DEACTIVATED")
        capability = looked_up(
            number,
            valid=True,
            line_type=line_type,
            sms_capable=SmsCapable.NO if is_off else capable,
            now_ms=now_ms,
        )
        return replace(capability, reason=_OFF) if is_off else capability

    def write_find(self, query: FindQuery) -> Request:
        """https://github.com/Bandwidth/python-sdk/blob/main/docs/MessagesApi.md#list_messages

        The search has neither text nor tag: what it has of a message is its two numbers, its time and its length.
        """
        filters = {
            "sourceTn": query.sender,
            "destinationTn": query.to,
            "messageDirection": "OUTBOUND",
            "fromDateTime": write_time(query.sent_after_ms - _FIND_SLACK_MS),
            "limit": str(_FIND_PAGE_SIZE),
        }
        return self._search(filters)

    def read_find(self, query: FindQuery, response: Response) -> Receipt | None:
        answer, listed = _read_page(response)
        if _next_page(answer):
            raise LookupError("Bandwidth has more messages between the two than one page holds.")
        possible = [entry for entry in listed if _may_be(entry, query)]
        if len(possible) > 1:
            raise Undecided(f"Bandwidth has {len(possible)} messages that could be this one.")
        if not possible:
            # How soon a message is in the search is not documented: not to be in it proves nothing.
            raise LookupError("Bandwidth's search does not have it, which it may not have yet.")
        receipt = _read_searched(possible[0], part_ref=query.ref)
        if receipt is None:
            raise LookupError("Bandwidth's search has it in a state that is not known.")
        return receipt

    def write_list(self, query: ListQuery) -> Request:
        filters = {
            "destinationTn": query.to,
            "messageDirection": "INBOUND",
            "fromDateTime": write_time(query.since_ms),
            "toDateTime": write_time(query.until_ms),
            "limit": str(_LIST_PAGE_SIZE),
        }
        return self._search(filters | ({"pageToken": query.page} if query.page else {}))

    def read_list(self, query: ListQuery, response: Response) -> Listed:
        """Bandwidth keeps no texts: it tells that one came, and not what it said."""
        answer, listed = _read_page(response)
        inbound = [entry for entry in listed if text_at(entry, "messageDirection") in ("INBOUND", "")]
        came = [event for entry in inbound if (event := _read_came(entry, query.to)) is not None]
        return Listed(events=tuple(came), next_page=_next_page(answer), unreadable=len(inbound) - len(came))

    def write_fetch_status(self, carrier_message_id: str) -> Request:
        return self._search({"messageId": carrier_message_id})

    def read_fetch_status(self, carrier_message_id: str, response: Response) -> Receipt | None:
        listed = list_at(read_object(response.body), "messages") if response.ok else ()
        of_it = [entry for entry in listed if text_at(entry, "messageId") == carrier_message_id]
        return _read_searched(of_it[0], part_ref="") if len(of_it) == 1 else None

    # -- Private -----------------------------------------------------------------------------------------------------

    @property
    def _messages_url(self) -> str:
        return f"{self.api_url}/api/v2/users/{self.account_id}/messages"

    def _search(self, filters: Mapping[str, str]) -> Request:
        return Request(method="GET", url=f"{self._messages_url}?{urlencode(filters)}", headers=self._headers())

    def _headers(self, *more: tuple[str, str], accept: str = "application/json") -> Headers:
        credentials = basic_authorization(self.api_user, self.api_password)
        return Headers([("Authorization", credentials), ("Accept", accept), *more])


# -- Reading webhooks ------------------------------------------------------------------------------------------------


def _read_event(event: object) -> Iterator[CarrierEvent]:
    """One event, and one more for the parts of an MMS that are there for its looks alone."""
    message, kind = value_at(event, "message"), text_at(event, "type")
    message_id = text_at(message, "id")
    if not message_id:
        yield Unrecognized(reason="no_message_id")
    elif kind == "message-received":
        yield from _read_inbound(event, message, message_id)
    elif kind in _RECEIPTS or kind == "message-failed":
        yield _read_receipt(event, message, message_id, kind)
    else:
        yield Unrecognized(reason="unknown_type")


def _read_inbound(event: object, message: object, message_id: str) -> Iterator[CarrierEvent]:
    """A text to a group comes once for each of our numbers in it, with an id of its own: `owner` is that number.
    https://dev.bandwidth.com/docs/messaging/webhooks#inbound-message-webhooks"""
    owner = text_at(message, "owner") or text_at(event, "to")
    if text_at(message, "direction") == "out":
        yield Ignored(reason="outbound_message")
        return
    if not owner:
        yield Unrecognized(reason="no_recipient")
        return
    listed = list_at(message, "media")
    urls = [url for url in listed if isinstance(url, str) and url]
    shown = [url for url in urls if not _LAYOUT.search(url)]
    text = text_at(message, "text")
    if not (text or listed) and value_at(message, "content") is not None:
        yield Ignored(reason="another_channel")  # RCS, which is not ours to show
        return
    yield InboundMessage(
        carrier_message_id=message_id,
        from_number=text_at(message, "from"),
        to_number=owner,
        text=text,
        media=tuple(InboundMedia(url=url, filename=unquote(url.rpartition("/")[2])) for url in shown),
        media_missing=len(listed) - len(urls),
        carrier_at_ms=read_time_ms(text_at(message, "time") or text_at(event, "time")),
    )
    if len(shown) < len(urls):
        yield Ignored(reason="layout")


def _read_receipt(event: object, message: object, message_id: str, kind: str) -> CarrierEvent:
    if text_at(message, "direction") == "in":
        return Ignored(reason="inbound_status")
    code = word_at(event, "errorCode")
    status = _RECEIPTS.get(kind) or _status_of_failure(code)
    return Receipt(
        carrier_message_id=message_id,
        status=status,
        part_ref=text_at(message, "tag"),
        key=f"{message_id}:{kind}:{text_at(event, 'to')}:{code}",
        cause=_cause_of(code) if status in FAILURES else None,
        evidence=_evidence(code, text_at(event, "description")),
        carrier_at_ms=read_time_ms(text_at(event, "time")),
    )


def _status_of_failure(code: str) -> Status:
    """4xxx is refused by Bandwidth, unless its second digit is a 7: then by the carrier, as is or may be all else."""
    if code == _RECEIPT_TIMED_OUT:
        return Status.SENT
    return Status.FAILED if code.startswith("4") and not code.startswith("47") else Status.UNDELIVERED


def _cause_of(code: str) -> Cause:
    return CODES.get(code, NO_MEANING).cause


_LAYOUT: Final = re.compile(r"\.(smil|xml)$", re.IGNORECASE)
"""How a phone lays the parts of an MMS out: nobody sent it, and nobody can look at it."""


# -- Reading answers -------------------------------------------------------------------------------------------------


def _say(answer: Mapping[str, Any]) -> str:
    """What was wrong, in Bandwidth's words; a gateway's own has `error` or `message` instead."""
    fields = [
        f"{text_at(each, 'fieldName')}: {text_at(each, 'description')}" for each in list_at(answer, "fieldErrors")
    ]
    said = text_at(answer, "description") or text_at(answer, "message") or text_at(answer, "error")
    return "; ".join([each for each in (said, *fields) if each.strip(": ")])


def _cause_of_fields(answer: Mapping[str, Any]) -> Cause | None:
    """The first field at fault that tells something."""
    named = [re.split(r"[\[.]", text_at(each, "fieldName"))[0].lower() for each in list_at(answer, "fieldErrors")]
    return next((cause for name in named if (cause := _BY_FIELD.get(name)) is not None), None)


def _read_page(response: Response) -> tuple[Mapping[str, Any], Sequence[Mapping[str, Any]]]:
    """A page of the search and its entries. Raises LookupError for whatever else."""
    if response.status != 200:
        raise LookupError(f"Bandwidth answered HTTP {response.status}.")
    answer = read_object(response.body)
    listed = answer.get("messages")
    if not isinstance(listed, list) or not all(isinstance(entry, dict) for entry in listed):
        raise LookupError("Bandwidth's answer is not a list of messages.")
    return answer, listed


def _next_page(answer: Mapping[str, Any]) -> str:
    return text_at(answer, "pageInfo", "nextPageToken")


def _may_be(entry: Mapping[str, Any], query: FindQuery) -> bool:
    """Whether this could be the send that is looked for. What the entry does not tell speaks for it."""
    at_ms = read_time_ms(text_at(entry, "receiveTime"))
    kind, length = text_at(entry, "messageType").lower(), value_at(entry, "messageLength")
    return (
        bool(text_at(entry, "messageId"))
        and text_at(entry, "messageId") not in query.known_ids
        and text_at(entry, "messageDirection") in ("OUTBOUND", "")
        and text_at(entry, "sourceTn") == query.sender
        and text_at(entry, "destinationTn") == query.to
        and (at_ms is None or at_ms >= query.sent_after_ms - _FIND_SLACK_MS)
        and (kind != "sms" or not query.has_media)
        and (not isinstance(length, int) or length in _lengths(query.text))
    )


def _lengths(text: str) -> set[int]:
    """In each of the units that it may be counted in: no page says which."""
    return {len(text), len(text.encode("utf-8", "replace")), len(text.encode("utf-16-le", "replace")) // 2}


def _read_searched(entry: Mapping[str, Any], *, part_ref: str) -> Receipt | None:
    message_id, word, code = text_at(entry, "messageId"), text_at(entry, "messageStatus"), word_at(entry, "errorCode")
    code = "" if code == "0" else code
    status = _SEARCHED.get(word)
    if status is None:
        return None
    if status in FAILURES and code:
        status = _status_of_failure(code)
    return Receipt(
        carrier_message_id=message_id,
        status=status,
        part_ref=part_ref,
        key=f"{message_id}:{word}:{code}",
        cause=_cause_of(code) if status in FAILURES else None,
        evidence=_evidence(code, word),
    )


def _read_came(entry: Mapping[str, Any], to: str) -> Withheld | None:
    message_id, source = text_at(entry, "messageId"), text_at(entry, "sourceTn")
    if not message_id or not source:
        return None
    return Withheld(
        carrier_message_id=message_id,
        from_number=source,
        to_number=to,
        carrier_at_ms=read_time_ms(text_at(entry, "receiveTime")),
    )


def _evidence(code: str, text: str, http_status: int | None = None) -> Evidence:
    return Evidence(code=code, text=text[:_MAX_EVIDENCE_CHARS], http_status=http_status)


# -- Addresses and settings ------------------------------------------------------------------------------------------

_MEDIA_PATH: Final = re.compile(r"/api/v2/users/[A-Za-z0-9-]{1,64}/media/[!$-.0-;=@-Z_a-z~]+(/[!$-.0-;=@-Z_a-z~]+)*")


_NEEDED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "account_id": "it is the number of the account, as the Bandwidth App shows it",
        "application_id": "it is the id of the messaging application that the senders are in",
        "api_user": "give the user of API credentials that may send",
        "api_password": "give the password of api_user",
        "webhook_user": "give the user that is set in the application for its callbacks",
        "webhook_password": "give the password that is set in the application for its callbacks",
    }
)


def _read_user(value: object) -> str:
    user = read_secret(value)
    if ":" in user:
        raise ValueError("has a colon; HTTP Basic takes no user with one, so choose another")
    return user


_ID: Final = "[A-Za-z0-9-]{1,64}"
_READERS: Final[Mapping[str, Reader]] = MappingProxyType(
    {
        "account_id": reader_of_text(_ID, _NEEDED["account_id"]),
        "application_id": reader_of_text(_ID, _NEEDED["application_id"]),
        "api_user": _read_user,
        "api_password": read_secret,
        "webhook_user": _read_user,
        "webhook_password": read_secret,
        "webhook_password_secondary": read_secret,
        "api_url": read_base_url,
        "lookup_url": read_base_url,
    }
)


ADAPTER: Final[type[Carrier]] = Bandwidth
