"""Telnyx Messaging API v2: SMS and MMS.

Webhooks are JSON, one event in each, signed with Ed25519 over a timestamp and the body and not over the URL: whatever
is believed of a webhook is read from its body. Telnyx waits two seconds for an answer. Sends are JSON under an
Idempotency-Key, so a send whose answer was lost is simply repeated.

Where Telnyx's pages leave something open, docs/carriers/telnyx.md says what is done either way.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar, Final, Self
from urllib.parse import quote, urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from smsbridge.contracts.carrier import NO_MEANING, Abilities, AccountUrls, Carrier, CodeMeaning, code_rows, media_types
from smsbridge.contracts.media import write_guarded_fetch
from smsbridge.contracts.settings import (
    Reader,
    read_base_url,
    read_hosts,
    read_secret,
    read_settings,
    read_switch,
    reader_of_text,
)
from smsbridge.domain.cause import Cause
from smsbridge.domain.errors import BadSignature
from smsbridge.domain.events import (
    CarrierEvent,
    Ignored,
    InboundMedia,
    InboundMessage,
    OptOutKind,
    Receipt,
    Unrecognized,
)
from smsbridge.domain.lookup import looked_up
from smsbridge.domain.message import Capability, OutboundPart, SmsCapable
from smsbridge.domain.outcome import Accepted, Evidence, Rejected, RetryLater, SendOutcome, Uncertain
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
from smsbridge.wire.http import (
    NO_HEADERS,
    NO_WEB_ADDRESS,
    NOT_PROVEN,
    Fetch,
    Headers,
    Request,
    Response,
    is_web_address,
)
from smsbridge.wire.signing import base64_text
from smsbridge.wire.times import MAX_RETRY_AFTER_S, read_retry_after_s, read_time_ms

API_URL: Final = "https://api.telnyx.com"
# The storage has two names, of which the newer is in what https://developers.telnyx.com/docs/messaging/messages/receiving-rcs-webhooks
# shows of files that came.
MEDIA_HOSTS: Final = ("*.telnyx.com", "*.telnyxstorage.com", "*.telnyxcloudstorage.com")

# https://developers.telnyx.com/docs/messaging/messages/mms-transcoding
MEDIA_TYPES: Final = media_types(
    {
        "image": "jpeg png gif bmp webp",
        "video": "mp4 3gpp",
        "audio": "mpeg ogg amr",
        "text": "vcard x-vcard calendar",
        "application": "pdf",
    }
)

# https://developers.telnyx.com/docs/messaging/messages/receiving-webhooks
STATUSES: Final[Mapping[str, Status]] = MappingProxyType(
    {
        "queued": Status.SENT,
        "sending": Status.SENT,
        "sent": Status.SENT,
        "delivery_unconfirmed": Status.SENT,  # the last word, and no proof of a failure: nobody sent a receipt
        "delivered": Status.DELIVERED,
        "read": Status.DELIVERED,
        "delivery_failed": Status.UNDELIVERED,
        "expired": Status.UNDELIVERED,
        "sending_failed": Status.FAILED,
    }
)
_RECEIPTS: Final = frozenset({"message.sent", "message.finalized", "message.read"})

# https://developers.telnyx.com/docs/messaging/messages/advanced-opt-in-out
_OPT_OUTS: Final[Mapping[str, OptOutKind]] = MappingProxyType(
    {
        "STOP": OptOutKind.STOP,
        "START": OptOutKind.START,
        "HELP": OptOutKind.HELP,
        "INFO": OptOutKind.HELP,
    }
)

# https://developers.telnyx.com/api-reference/number-lookup/lookup-phone-number-data
# Nothing there says "can take texts"; this is what the kind of line suggests.
_LINE_TYPES: Final[Mapping[str, tuple[str, SmsCapable]]] = MappingProxyType(
    {
        "mobile": ("mobile", SmsCapable.YES),
        "fixed line or mobile": ("landline_or_mobile", SmsCapable.UNKNOWN),
        "voip": ("voip", SmsCapable.UNKNOWN),
        "toll free": ("toll_free", SmsCapable.UNKNOWN),
        "personal number": ("personal", SmsCapable.UNKNOWN),
        "fixed line": ("landline", SmsCapable.NO),
        "pager": ("pager", SmsCapable.NO),
        "voicemail": ("voicemail", SmsCapable.NO),
        "premium rate": ("premium", SmsCapable.NO),
        "shared cost": ("shared_cost", SmsCapable.NO),
        "uan": ("uan", SmsCapable.NO),
    }
)

# https://developers.telnyx.com/docs/messaging/messages/error-codes (40...)
# https://developers.telnyx.com/development/api-fundamentals/api-errors (10..., 20...)
CODES: Final[Mapping[str, CodeMeaning]] = MappingProxyType(
    {
        # -- The sender ------------------------------------------------------------------------------------------
        **code_rows(
            Cause.SENDER_NOT_OURS,
            {
                "40305": "the sender is not on this messaging profile, or is none at all",
                "40321": "the pool has no number that can be used",
            },
        ),
        **code_rows(
            Cause.SENDER_NOT_SMS_CAPABLE,
            {
                "10001": "the number is not active",
                "40013": "the carrier does not take the sender",
                "40100": "the number is not enabled for messaging",
                "40151": "messaging is being enabled at another provider",
                "40155": "enabling the number needs a letter of authorization",
                "40308": "the sender cannot send pictures",
                "40315": "the sender failed the health check",
                "40320": "the sender cannot be used at present",
                "40323": "messaging could not be activated for the number",
            },
        ),
        **code_rows(
            Cause.SENDER_NOT_REGISTERED,
            {
                "40010": "the sender is in no 10DLC campaign",
                "40019": "the data of the 10DLC campaign is wrong at AT&T",
                "40150": "the toll-free number is in no registry",
                "40306": "no name is set up as a sender on the messaging profile",
                "40329": "the toll-free number is not verified",
                "40330": "the toll-free number is not provisioned yet",
            },
        ),
        **code_rows(
            Cause.SENDER_MISMATCH,
            {
                "40307": "the name differs from the one on the messaging profile",
                "40325": "the name is not of the form that a sender may have",
                "40326": "the name cannot be assigned as a sender",
            },
        ),
        # -- The recipient ---------------------------------------------------------------------------------------
        **code_rows(
            Cause.INVALID_NUMBER,
            {
                "10002": "the number is not valid",
                "10016": "the number is not written in E.164",
                "40012": "the carrier says that there is no such number",
                "40310": "the recipient is not valid",
            },
        ),
        **code_rows(
            Cause.NOT_MOBILE,
            {
                "40001": "the recipient is a landline, or cannot be routed to",
                "40301": "this kind of message cannot go from the one number to the other",
                "40319": "the types of the two numbers do not go together",
            },
        ),
        **code_rows(Cause.UNREACHABLE, {"40004": "rejected at the recipient's side without a reason"}),
        **code_rows(Cause.UNREACHABLE, {"40008": "the recipient's carrier did not take it"}, retry=True),
        **code_rows(
            Cause.EXPIRED,
            {
                "40005": "expired on its way, after it had left Telnyx",
                "40014": "waited in the queue at Telnyx for longer than it was valid",
            },
        ),
        **code_rows(
            Cause.BLOCKED,
            {
                "40003": "the sender is blocked for good as spam",
                "40007": "a loop of messages",
                "40020": "blocked for a day: it looks like traffic that is made up",
            },
        ),
        **code_rows(
            Cause.FILTERED,
            {
                "40002": "taken for spam, for the time being",
                "40015": "taken for spam by Telnyx",
                "40017": "taken for spam by AT&T",
            },
        ),
        **code_rows(Cause.OPTED_OUT, {"40300": "the recipient said STOP"}),
        # -- The content -----------------------------------------------------------------------------------------
        **code_rows(
            Cause.CONTENT_REJECTED,
            {
                "40009": "the text is not one that can be sent",
                "40302": "more than ten segments",
                "40304": "what belongs to a text and what belongs to a picture were mixed",
                "40316": "neither a text nor a picture",
                "40322": "the content is blocked",
                "40327": "the domain of a shortened link is not valid",
                "40328": "longer than is recommended",
            },
        ),
        **code_rows(Cause.MEDIA_REJECTED, {"40317": "too many pictures, or too large"}),
        # -- Too much, too fast ----------------------------------------------------------------------------------
        **code_rows(Cause.RATE_LIMITED, {"10011": "too many requests"}, retry=True),
        **code_rows(
            Cause.RATE_LIMITED,
            {
                "10039": "the account is over its limit for this feature",
                "40011": "over the carrier's rate",
                "40016": "over T-Mobile's limit of the 10DLC campaign",
                "40018": "over AT&T's limit of the 10DLC campaign",
            },
        ),
        **code_rows(Cause.QUEUE_FULL, {"40318": "the queue is full"}, retry=True),
        # -- The account -----------------------------------------------------------------------------------------
        **code_rows(
            Cause.AUTH,
            {
                "10009": "the API key was refused",
                "10010": "the API key may not do this",
                "20001": "the secret of the API key is wrong",
                "20002": "the API key was revoked",
                "20003": "the API key may not be used here",
                "20006": "the access token has expired",
                "20008": "there is no such API key",
                "20013": "the account is blocked",
                "40311": "the secret of the messaging profile is wrong",
                "40312": "the messaging profile is disabled",
                "40313": "the secret of the messaging profile is missing",
                "40314": "messaging is disabled for the account",
            },
        ),
        **code_rows(
            Cause.BALANCE,
            {
                "20012": "the account is not active: usually it has no funds",
                "20100": "the account has no funds",
                "40333": "the messaging profile has spent what it may",
            },
        ),
        **code_rows(
            Cause.PERMISSION_OR_REGION,
            {
                "10038": "the account may not use this feature",
                "20014": "the account is not verified",
                "20015": "the feature is not enabled for the account",
                "20016": "the account needs the verification of level 1",
                "20017": "the account needs the verification of level 2",
                "40309": "the recipient's country is not on the messaging profile's list",
                "40331": "the messaging profile has no country on its list",
            },
        ),
        # -- Outages ---------------------------------------------------------------------------------------------
        **code_rows(
            Cause.CARRIER_OUTAGE,
            {
                "10007": "an error inside Telnyx",
                "10008": "Telnyx ran out of time",
                "10036": "busy",
                "10037": "not available",
                "40006": "the recipient's carrier is not available",
            },
            retry=True,
        ),
        # -- The request was not as the API wants it -------------------------------------------------------------
        **code_rows(
            Cause.UNKNOWN,
            {
                "10003": "a URL is not valid, or longer than 2000 characters",
                "10004": "a parameter is missing",
                "10005": "not found",
                "10006": "an id is not valid",
                "10015": "the request is malformed",
                "10027": "the request cannot be processed",
                "40303": "there is no message of this id",
            },
        ),
    }
)

_BY_HTTP_STATUS: Final[Mapping[int, CodeMeaning]] = MappingProxyType(
    {
        401: CODES["10009"],
        402: CODES["20100"],
        403: CODES["10010"],
        413: CodeMeaning(cause=Cause.CONTENT_REJECTED, meaning="the request is too large"),
        429: CODES["10011"],
    }
)

# What does not prove that they have nothing: an error or a time-out in their middle, and what a repeat under the same
# Idempotency-Key may hear while the first is at work (409) or where its body differs (422). They document the status of
# the latter and no code. https://developers.telnyx.com/docs/development/api-fundamentals/idempotency
_PROVES_NOTHING: Final = frozenset({"10007", "10008", "10027"})
_OF_THE_KEY: Final = re.compile(r"idempoten", re.IGNORECASE)

# One page names this code "unreachable": it is believed to be a STOP only where its words say so.
_BLOCK_RULE: Final = "40300"
_OF_A_STOP: Final = re.compile(r"\b(stop|block|opt)", re.IGNORECASE)

_SIGNATURE: Final = "telnyx-signature-ed25519"
_TIMESTAMP: Final = "telnyx-timestamp"
_TOLERANCE_S: Final = 300
_IDEMPOTENT_MS: Final = 23 * 3_600_000
"""Telnyx says "up to 24 hours"."""
_MAX_MEDIA: Final = 100
"""More attachments than any message has."""

_OK: Final = Response(status=200)


@dataclass(frozen=True, kw_only=True, slots=True)
class Telnyx(Carrier):
    """One Telnyx account. docs/carriers/telnyx.md explains each setting."""

    name: ClassVar[str] = "telnyx"
    abilities: ClassVar[Abilities] = Abilities(
        max_text_chars=660,  # ten segments of UCS-2, in which no emoji is divided; more is refused with 40302
        media=True,
        max_media=10,
        max_media_bytes=600_000,  # what every carrier takes from every kind of sender
        media_types=MEDIA_TYPES,
        lookup=True,
        fetch_status=True,
        answers_stop=True,
        repeat_safe_ms=_IDEMPOTENT_MS,
    )
    codes: ClassVar[Mapping[str, CodeMeaning]] = CODES
    refusal: ClassVar[Response] = NOT_PROVEN

    api_key: str = field(repr=False)
    public_key: str
    public_key_secondary: str = ""
    """The other key while one replaces the other: webhooks may be signed with either."""
    messaging_profile_id: str = ""
    failover_url: str = ""
    """Where receipts go that the first address did not take; blank: there once more."""
    media_credentials: bool = False
    media_hosts: tuple[str, ...] = ()
    api_url: str = API_URL
    webhook: str = field(default="", repr=False)

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any], urls: AccountUrls) -> Self:
        made, problems = read_settings(settings, _READERS)
        problems += [f"{key}: is missing; {cure}" for key, cure in _REQUIRED.items() if not settings.get(key)]
        if problems:
            raise ValueError("\n".join(problems))
        return cls(**made, webhook=urls.webhook)

    def write_setup(self, webhook: str) -> Sequence[str]:
        return (
            f"portal.telnyx.com, Messaging, the messaging profile: set 'Send a webhook to this URL' to {webhook}",
            "There, set 'Failover URL' to the same, for three more tries, and 'Webhook API version' to 2",
            "'My Numbers': give every number that profile; receipts need nothing",
        )

    # -- Webhooks ----------------------------------------------------------------------------------------------------

    def verify(self, request: Request, now_ms: int) -> None:
        """https://developers.telnyx.com/docs/development/api-fundamentals/webhooks

        The URL is not signed, so nothing of it is believed.
        """
        given, stamp = request.headers.get(_SIGNATURE), request.headers.get(_TIMESTAMP)
        if not given or not stamp:
            raise BadSignature(f"The request has no {_SIGNATURE if not given else _TIMESTAMP} header.")
        if not re.fullmatch("[0-9]{1,12}", stamp):
            raise BadSignature(f"{_TIMESTAMP} is no time.")
        signed = stamp.encode() + b"|" + request.body
        keys = [key for key in (self.public_key, self.public_key_secondary) if key]
        if not any(_is_signed(given, signed, key) for key in keys):
            raise BadSignature(
                f"{_SIGNATURE} fits the body and {_TIMESTAMP} with none of {len(keys)} public keys.",
                hint="The key is in the portal under Keys & Credentials, Public Key; each account has its own.",
            )
        late_s = now_ms // 1000 - int(stamp)
        if abs(late_s) > _TOLERANCE_S:
            raise BadSignature(
                f"{_TIMESTAMP} is {abs(late_s)} s {'ago' if late_s > 0 else 'ahead'}, more than {_TOLERANCE_S}.",
                hint="The signature is good: either this computer's clock is wrong, or an old request was repeated.",
            )

    def read_webhook(self, request: Request) -> Sequence[CarrierEvent]:
        """A text, or a receipt for each recipient.

        https://developers.telnyx.com/docs/messaging/messages/receiving-webhooks
        """
        if request.method != "POST":
            raise Unreadable("not a POST")
        event = read_json(request.body)
        kind, payload = text_at(event, "data", "event_type"), value_at(event, "data", "payload")
        if kind == "message.received":
            return _read_inbound(payload, occurred_at=text_at(event, "data", "occurred_at"))
        if kind in _RECEIPTS:
            return _read_receipts(payload, part_ref=_read_ref(event), occurred_at=text_at(event, "data", "occurred_at"))
        return [Unrecognized(reason="unknown_event" if kind else "no_event")]

    def acknowledge(self, events: Sequence[CarrierEvent]) -> Response:  # noqa: ARG002 -- they read the status alone
        return _OK

    # -- Sending -----------------------------------------------------------------------------------------------------

    def write_send(self, part: OutboundPart) -> Request:
        """https://developers.telnyx.com/api-reference/messages/send-a-message

        The same part gives the same bytes, which is what makes a repeat one. Of a picture's address the end changes
        with the quarter of an hour: such a repeat is refused, and proves nothing.
        """
        query = f"?ref={quote(part.ref, safe='')}"
        fields: dict[str, Any] = {"from": part.sender, "to": part.to}
        if self.messaging_profile_id and any(letter.isalpha() for letter in part.sender):
            fields["messaging_profile_id"] = self.messaging_profile_id
        if part.text or not part.media_urls:
            fields["text"] = part.text
        if part.media_urls:
            fields["media_urls"] = list(part.media_urls)
        fields["webhook_url"] = f"{self.webhook}/status{query}"
        fields["webhook_failover_url"] = f"{self.failover_url or self.webhook}/status{query}"
        return Request(
            method="POST",
            url=f"{self.api_url}/v2/messages",
            headers=self._headers(
                ("Content-Type", "application/json"), ("Idempotency-Key", re.sub("[^A-Za-z0-9_:-]", ":", part.ref))
            ),
            body=write_json(fields),
        )

    def read_send(self, response: Response) -> SendOutcome:
        answer = read_object(response.body)
        if response.ok:
            return _read_created(answer, response.status)
        code, text = _read_error(answer)
        evidence = Evidence(code=code, text=text, http_status=response.status)
        if not _is_refusal(response.status, code, text):
            return Uncertain(reason=f"Telnyx answered HTTP {response.status}", evidence=evidence)
        meaning = CODES.get(code) or _BY_HTTP_STATUS.get(response.status, NO_MEANING)
        if meaning.retry:
            return RetryLater(cause=meaning.cause, after_s=_read_wait_s(response.headers), evidence=evidence)
        return Rejected(cause=meaning.cause, evidence=evidence)

    # -- Media -------------------------------------------------------------------------------------------------------

    def write_media_fetch(self, media: InboundMedia) -> Fetch:
        """https://developers.telnyx.com/docs/messaging/messages/send-receive-mms

        The addresses are signed or open. `media_credentials` sends the API key as well, to Telnyx's own names alone:
        never to a storage whose addresses are signed, which refuses a request that is signed twice.
        """
        credentials_hosts = MEDIA_HOSTS[:1] if self.media_credentials else ()
        return write_guarded_fetch(
            media.url,
            self._headers(accept="*/*") if credentials_hosts else NO_HEADERS,
            hosts=MEDIA_HOSTS,
            media_hosts=self.media_hosts,
            credentials_hosts=credentials_hosts,
            api_url="" if self.api_url == API_URL else self.api_url,
        )

    # -- Looking things up -------------------------------------------------------------------------------------------

    def write_lookup(self, number: str, now_ms: int) -> Request:  # noqa: ARG002 -- signs no time
        address = f"{self.api_url}/v2/number_lookup/{quote(number, safe='')}?type=carrier"
        return Request(method="GET", url=address, headers=self._headers())

    def read_lookup(self, number: str, response: Response, now_ms: int) -> Capability | None:
        data = value_at(read_object(response.body), "data") if response.ok else None
        valid = value_at(data, "valid_number")
        line = text_at(data, "carrier", "type") or text_at(data, "portability", "line_type")
        if not isinstance(valid, bool) and line not in _LINE_TYPES:
            return None
        line_type, capable = _LINE_TYPES.get(line, ("unknown", SmsCapable.UNKNOWN))
        if valid is False:
            line_type, capable = "unknown", SmsCapable.NO
        return looked_up(number, valid=valid is not False, line_type=line_type, sms_capable=capable, now_ms=now_ms)

    def write_fetch_status(self, carrier_message_id: str) -> Request:
        """https://developers.telnyx.com/api-reference/messages/retrieve-a-message"""
        address = f"{self.api_url}/v2/messages/{quote(carrier_message_id, safe='')}"
        return Request(method="GET", url=address, headers=self._headers())

    def read_fetch_status(self, carrier_message_id: str, response: Response) -> Receipt | None:
        data = value_at(read_object(response.body), "data") if response.ok else None
        if text_at(data, "id") != carrier_message_id or text_at(data, "direction") == "inbound":
            return None
        receipts = [event for event in _read_receipts(data, part_ref="") if isinstance(event, Receipt)]
        return receipts[0] if receipts else None

    # -- Private -----------------------------------------------------------------------------------------------------

    def _headers(self, *more: tuple[str, str], accept: str = "application/json") -> Headers:
        return Headers([("Authorization", f"Bearer {self.api_key}"), ("Accept", accept), *more])


def _is_signed(given: str, signed: bytes, public_key: str) -> bool:
    try:
        signature = b64decode(given, validate=True)
        if base64_text(signature) != given:  # base64 has spare bits, and there is one spelling of a signature
            return False
        Ed25519PublicKey.from_public_bytes(b64decode(public_key)).verify(signature, signed)
    except (InvalidSignature, ValueError):
        return False
    return True


# -- Reading webhooks ------------------------------------------------------------------------------------------------


def _read_inbound(payload: object, *, occurred_at: str) -> Sequence[CarrierEvent]:
    if text_at(payload, "type") not in ("SMS", "MMS", ""):
        return [Ignored(reason="another_channel")]
    message_id = _read_id(payload)
    recipients = _recipients(payload, "to")
    # To a group the number that this webhook is for is the one whose status says so.
    own = next((each for each in recipients if text_at(each, "status") == "webhook_delivered"), None) or next(
        iter(recipients), None
    )
    to_number = text_at(own, "phone_number")
    if not message_id or not to_number:
        return [Unrecognized(reason="no_recipient" if message_id else "no_message_id")]
    listed = list_at(payload, "media")
    media = tuple(
        InboundMedia(url=url, content_type=text_at(each, "content_type"))
        for each in listed[:_MAX_MEDIA]
        if (url := text_at(each, "url"))
    )
    message = InboundMessage(
        carrier_message_id=message_id,
        from_number=text_at(payload, "from", "phone_number"),
        to_number=to_number,
        text="\n".join(filter(None, (text_at(payload, "subject"), text_at(payload, "text")))),
        media=media,
        media_missing=len(listed) - len(media),
        carrier_at_ms=read_time_ms(text_at(payload, "received_at") or occurred_at),
        opt_out=_OPT_OUTS.get(text_at(payload, "autoresponse_type").upper()),
    )
    others = len(recipients) - 1 + len(_recipients(payload, "cc"))
    return [message, *[Ignored(reason="another_recipient")] * others]


def _read_receipts(payload: object, *, part_ref: str, occurred_at: str = "") -> Sequence[CarrierEvent]:
    """One for each recipient: a text of ours has one, and a text of somebody else's to a group has several."""
    message_id = _read_id(payload)
    recipients = [*_recipients(payload, "to"), *_recipients(payload, "cc")]
    if not message_id or not recipients:
        return [Unrecognized(reason="no_recipient" if message_id else "no_message_id")]
    code, text = _read_error(payload)
    at_ms = read_time_ms(text_at(payload, "completed_at") or text_at(payload, "sent_at") or occurred_at)
    events: list[CarrierEvent] = []
    for number, recipient in enumerate(recipients):
        word = text_at(recipient, "status")
        if word not in STATUSES:
            events.append(Unrecognized(reason="unknown_status"))
            continue
        events.append(
            Receipt(
                carrier_message_id=message_id,
                status=STATUSES[word],
                part_ref=part_ref,
                key=f"{message_id}:{number}:{word}:{code}",
                cause=_cause_of(word, code, text),
                evidence=Evidence(code=code, text=text or word),
                carrier_at_ms=at_ms,
            )
        )
    return events


def _read_ref(event: object) -> str:
    """Our reference, from the address that the body names: it is signed, which the request's own is not."""
    told = text_at(event, "data", "payload", "webhook_url"), text_at(event, "meta", "delivered_to")
    for url in told:
        try:
            ref = dict(read_form(url.partition("?")[2].partition("#")[0])).get("ref", "")
        except Unreadable:
            continue
        if ref:
            return ref
    return ""


def _recipients(payload: object, name: str) -> Sequence[object]:
    """The entries of `to` or `cc`. WhatsApp has a plain text there."""
    value = value_at(payload, name)
    return [{"phone_number": value}] if isinstance(value, str) else list_at(payload, name)


def _cause_of(word: str, code: str, text: str) -> Cause | None:
    if STATUSES.get(word) not in FAILURES:
        return None
    if code == _BLOCK_RULE and text and not _OF_A_STOP.search(text):
        return Cause.UNREACHABLE
    if code not in CODES and word == "expired":
        return Cause.EXPIRED
    return CODES.get(code, NO_MEANING).cause


def _read_error(answer: object) -> tuple[str, str]:
    """The code and the words of the first error whose code is known, or of the first."""
    errors = [(_read_code(each), each) for each in list_at(answer, "errors")]
    code, error = next((pair for pair in errors if pair[0] in CODES), errors[0] if errors else ("", None))
    return code, ": ".join(filter(None, (text_at(error, "title"), text_at(error, "detail"))))


def _read_code(error: object) -> str:
    code = word_at(error, "code")
    return code if re.fullmatch("[0-9]{1,10}", code) else ""


def _read_id(payload: object) -> str:
    message_id = text_at(payload, "id")
    return message_id if re.fullmatch("[A-Za-z0-9_-]{1,64}", message_id) else ""


# -- Reading answers -------------------------------------------------------------------------------------------------


def _read_created(answer: object, http_status: int) -> SendOutcome:
    message = value_at(answer, "data")
    message_id = _read_id(message)
    if not message_id:
        return Uncertain(
            reason=f"Telnyx answered HTTP {http_status} without a message", evidence=Evidence(http_status=http_status)
        )
    word = text_at(next(iter(_recipients(message, "to")), None), "status")
    code, text = _read_error(message)
    return Accepted(
        carrier_message_id=message_id,
        status=STATUSES.get(word, Status.SENT),
        cause=_cause_of(word, code, text),
        evidence=Evidence(code=code, text=text or word, http_status=http_status),
    )


def _is_refusal(http_status: int, code: str, text: str) -> bool:
    """Whether they certainly do not have it."""
    if not 400 <= http_status < 500 or http_status == 408 or code in _PROVES_NOTHING:
        return False
    return not (http_status in (409, 422) and (code not in CODES or _OF_THE_KEY.search(text)))


def _read_wait_s(headers: Headers) -> float | None:
    """https://developers.telnyx.com/development/api-fundamentals/reliability/rate-limiting"""
    after_s, reset = read_retry_after_s(headers), headers.get("x-ratelimit-reset").strip()
    if after_s is None and re.fullmatch("[0-9]{1,9}", reset):
        return min(float(reset), float(MAX_RETRY_AFTER_S))
    return after_s


# -- Settings --------------------------------------------------------------------------------------------------------

_REQUIRED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "api_key": "it is in the portal under API Keys, and begins with KEY",
        "public_key": "it is in the portal under Keys & Credentials, Public Key",
    }
)


def _read_public_key(value: object) -> str:
    text = value if isinstance(value, str) else ""
    try:
        key = b64decode(text, validate=True)
    except ValueError:
        key = b""
    if len(key) != 32:
        raise ValueError("is no Ed25519 key; give the 44 characters of base64 that the portal shows")
    return text


def _read_failover(value: object) -> str:
    if not isinstance(value, str) or not is_web_address(value) or urlsplit(value).query:
        raise ValueError(f"is not where a bridge takes webhooks; it {NO_WEB_ADDRESS}")
    return value.rstrip("/")


_READERS: Final[Mapping[str, Reader]] = MappingProxyType(
    {
        "api_key": read_secret,
        "public_key": _read_public_key,
        "public_key_secondary": _read_public_key,
        "messaging_profile_id": reader_of_text(
            "[0-9a-fA-F-]{36}", "give the 36 characters that the portal shows as Profile ID"
        ),
        "failover_url": _read_failover,
        "media_credentials": read_switch,
        "media_hosts": read_hosts,
        "api_url": read_base_url,
    }
)


ADAPTER: Final[type[Carrier]] = Telnyx
