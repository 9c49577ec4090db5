"""Infobip: SMS over its API v3, MMS over v2.

A webhook is an array of `results`, each a text or a report. Every text goes out under a message id of ours, which
Infobip takes once: what is sent again under the same id is refused as a duplicate, and is no second text. An answer of
200 may be a refusal; the status of the message says so.

https://www.infobip.com/docs/api. Where it leaves something open, docs/carriers/infobip.md says what is done either way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar, Final, Self
from urllib.parse import urlencode, urlsplit

from smsbridge.contracts.carrier import NO_MEANING, Abilities, AccountUrls, Carrier, CodeMeaning, FindQuery, code_rows
from smsbridge.contracts.media import write_guarded_fetch
from smsbridge.contracts.settings import (
    Reader,
    read_base_url,
    read_hosts,
    read_secret,
    read_settings,
    read_switch,
    reader_of_text,
    reader_of_word,
)
from smsbridge.domain.cause import NOT_CAPABLE, Cause
from smsbridge.domain.errors import BadSignature, Unauthenticated
from smsbridge.domain.events import CarrierEvent, Ignored, InboundMedia, InboundMessage, Receipt, Unrecognized
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
from smsbridge.wire.http import Fetch, Headers, Request, Response, is_at
from smsbridge.wire.signing import base64_text, basic_authorization, hmac_digest, is_one_of, same_text
from smsbridge.wire.times import read_date, read_retry_after_s, read_time_ms

API_URL: Final = "https://api.infobip.com"

MEDIA_TYPES: Final = frozenset(
    {"image/jpeg", "image/png", "image/gif", "video/mp4", "video/3gpp", "audio/mpeg", "audio/amr", "text/vcard"}
)

# https://www.infobip.com/docs/essentials/api-essentials/response-status-and-error-codes
# The group decides, but for the ids that say something else than their group does.
_BY_GROUP: Final[Mapping[str, Status]] = MappingProxyType(
    {
        "0": Status.SENT,
        "1": Status.SENT,  # pending: at Infobip, or at the operator
        "2": Status.UNDELIVERED,
        "3": Status.DELIVERED,
        "4": Status.UNDELIVERED,  # expired
        "5": Status.FAILED,  # rejected by Infobip
    }
)
_TO_OPERATOR: Final = "2"
_NO_WORD_FROM_OPERATOR: Final = "29"
_DUPLICATE: Final = "23"
_REJECTED_GROUP: Final = "5"


# `status:` is a message's, `error:` is the operator's or the phone's, `http:` is of a request that was refused whole.
# https://www.infobip.com/docs/essentials/api-essentials/response-status-and-error-codes. `retry` is said where Infobip
# calls an error not permanent and nobody has to act; what was blocked, or is wrong in itself, is not sent again.
CODES: Final[Mapping[str, CodeMeaning]] = MappingProxyType(
    {
        # -- The sender ------------------------------------------------------------------------------------------
        **code_rows(Cause.SENDER_NOT_OURS, {"error:563": "the lease of the short code has ended"}),
        **code_rows(
            Cause.SENDER_NOT_REGISTERED,
            {
                "status:11": "the sender is not registered on the account",
                "error:488": "the toll-free sender is not verified",
                "error:562": "the short code is not set up with the operator",
                "error:571": "the campaign of the sender was refused",
                "error:572": "the campaign of the sender is not set up",
                "error:594": "the campaign's global id is not valid",
                "error:15010": "MMS: the sender is not registered",
                "error:15020": "MMS: the operator blocks the campaign",
                "error:15021": "MMS: the campaign is not set up",
            },
        ),
        **code_rows(
            Cause.SENDER_MISMATCH,
            {
                "status:13": "the sender is blocked on the account",
                "error:368": "the sender is not valid for this destination",
                "error:375": "the sender is blocked",
                "error:2053": "the sender is on a block list",
                "error:15202": "MMS: the sender is not valid for this destination",
            },
        ),
        # -- The recipient ---------------------------------------------------------------------------------------
        **code_rows(
            Cause.INVALID_NUMBER,
            {
                "status:8": "the number's prefix or length is of no operator",
                "status:52": "the number is of no operator",
                "error:1": "the operator does not know the number",
                "error:352": "the destination of the request is not valid",
                "error:15003": "MMS: nobody has this number",
                "error:15009": "MMS: there is no such recipient",
                "error:15201": "MMS: the recipient's number is not valid",
            },
        ),
        **code_rows(
            Cause.NOT_MOBILE,
            {
                "error:10": "the subscription has no such service",
                "error:11": "the subscription takes no texts",
                "error:21": "the recipient's network has no such service",
                "error:258": "the phone cannot take texts",
                "error:508": "the service is not supported there",
                "error:565": "the recipient cannot get texts from short codes",
                "error:568": "the recipient takes no texts",
                "error:629": "the recipient cannot take texts",
            },
        ),
        **code_rows(
            Cause.MEDIA_REJECTED,
            {
                "error:15012": "MMS: the phone cannot open protected content",
                "error:15019": "MMS: the phone takes no pictures",
            },
        ),
        **code_rows(
            Cause.UNREACHABLE,
            {
                "status:9": "the operator could not deliver it",
                "error:345": "no operator was found for the number",
                "error:569": "the recipient's line is suspended",
                "error:628": "the phone had a passing fault",
                "error:810": "not delivered; the operator says no more",
                "error:815": "the operator never acknowledged it",
                "error:3041": "the number is on the list of deactivated ones",
                "error:4100": "it was cancelled",
                "error:15005": "MMS: passed on to somewhere else",
                "error:15016": "MMS: the operator is not known",
                "error:15017": "MMS: the number is not in use any more",
                "error:15018": "MMS: the recipient's line is suspended",
                "error:15023": "MMS: there is no way to the recipient",
            },
        ),
        **code_rows(
            Cause.UNREACHABLE,
            {
                "error:2": "the network does not know the base station",
                "error:5": "the network does not know the subscriber",
                "error:6": "the phone is off or out of reach",
                "error:7": "the network does not know the phone",
                "error:8": "the recipient's line does not roam where it is",
                "error:27": "the phone is off or out of reach",
                "error:31": "the phone is busy with another text",
                "error:32": "the phone did not take it",
                "error:33": "too many texts wait for the phone already",
                "error:256": "the phone's memory is full",
                "error:257": "the phone broke the protocol",
                "error:259": "the network does not know the service centre",
                "error:260": "the service centre is overloaded",
                "error:261": "the network did not take the sender's address",
                "error:262": "the recipient is no subscriber of this service centre",
                "error:351": "the destination is not valid",
                "error:502": "the network did not answer",
                "error:581": "the recipient has no credit",
                "error:1031": "the other network cannot be reached",
                "error:1152": "routing: no route for this kind of address",
                "error:1153": "routing: no route for this address",
                "error:1154": "routing: congestion in the subsystem",
                "error:1155": "routing: the subsystem failed",
                "error:1156": "routing: nobody is there",
                "error:1157": "routing: the transport failed",
                "error:1158": "routing: congestion in the network",
                "error:1159": "routing: failed without a reason",
                "error:1160": "routing: an error on the way",
                "error:1161": "routing: an error in a node",
                "error:1162": "routing: the destination cannot put the pieces together",
                "error:1163": "routing: the signalling failed",
                "error:1164": "routing: too many hops",
                "error:1165": "routing: pieces are not supported",
                "error:1166": "routing: it could not be cut into pieces",
                "error:15004": "MMS: put off",
            },
            retry=True,
        ),
        **code_rows(
            Cause.EXPIRED,
            {
                "status:15": "still not delivered when its validity ended",
                "error:811": "it expired",
                "error:4101": "its validity ended",
                "error:15006": "MMS: its validity ended",
            },
        ),
        **code_rows(Cause.EXPIRED, {"error:4098": "its validity ended at the operator"}, retry=True),
        **code_rows(
            Cause.OPTED_OUT,
            {
                "status:10": "the recipient is on the list of those who want no texts",
                "error:573": "the recipient blocked this short code",
                "error:603": "the recipient said STOP",
                "error:2050": "the recipient is on the account's list of those who want no texts",
                "error:15015": "MMS: the recipient blocked this short code",
            },
        ),
        # -- Blocked on the way ----------------------------------------------------------------------------------
        **code_rows(
            Cause.BLOCKED,
            {
                "status:4": "the operator refused it",
                "status:14": "the recipient is on a block list",
                "status:20": "too many texts to this number within an hour",
                "status:87": "blocked for suspected fraud",
                "error:9": "the network does not serve this subscriber",
                "error:12": "the network does not serve this phone",
                "error:13": "the recipient's line is barred",
                "error:15": "the recipient belongs to a closed group",
                "error:560": "this short code is blocked for the recipient",
                "error:564": "this short code is blocked",
                "error:566": "the operator blocks the recipient",
                "error:574": "this short code may take no new subscribers",
                "error:604": "the recipient is on the campaign's block list",
                "error:608": "blocked for suspected fraud",
                "error:632": "the operator refused it",
                "error:2049": "the recipient's SIM card is on a block list",
                "error:2051": "the network centre is not one that may be used",
                "error:2052": "the recipient is on a block list",
                "error:4103": "too many texts to this number",
                "error:4104": "the same text too often to this number",
                "error:15011": "MMS: the operator blocks the recipient",
            },
        ),
        **code_rows(
            Cause.FILTERED,
            {
                "error:561": "the operator blocked it for what it says",
                "error:607": "the operator took it for spam",
                "error:15013": "MMS: the operator blocked it for what it says",
            },
        ),
        # -- What it says, what it shows -------------------------------------------------------------------------
        **code_rows(
            Cause.CONTENT_REJECTED,
            {
                "status:23": "a message with this id was there before",
                "status:24": "the header of the text is not valid",
                "status:25": "more than 25 parts or 4000 bytes",
                "status:77": "MMS: more than 1600 characters",
                "error:35": "something is missing in it",
                "error:36": "something in it has an unexpected value",
                "error:71": "its alphabet is not known",
                "error:323": "the type of the request is not valid",
                "error:355": "too long",
                "error:4096": "the operator could not read it",
                "error:5492": "the operator had it before",
                "error:15014": "MMS: the subject is not valid",
                "error:15200": "MMS: the type of the message is not valid",
                "error:15203": "MMS: the subject is not valid",
            },
        ),
        **code_rows(
            Cause.MEDIA_REJECTED,
            {
                "error:15007": "MMS: the phone could not download it",
                "error:15022": "MMS: the file at the URL is too large",
                "error:15024": "MMS: the file could not be fetched from its URL",
                "error:15026": "MMS: it is too large",
            },
        ),
        # -- Too much --------------------------------------------------------------------------------------------
        **code_rows(
            Cause.RATE_LIMITED,
            {
                "error:541": "a limit is reached",
                "error:542": "a quota is reached",
                "http:429": "too many requests",
            },
            retry=True,
        ),
        **code_rows(
            Cause.RATE_LIMITED,
            {
                "error:51": "the network is short of resources",
                "error:609": "the hard limit of the fraud protection is reached",
                "error:4099": "the limit of the month is reached",
                "error:4202": "the limit of the 10DLC campaign is reached",
            },
        ),
        **code_rows(Cause.QUEUE_FULL, {"error:630": "the destination is overloaded"}),
        # -- The account -----------------------------------------------------------------------------------------
        **code_rows(
            Cause.AUTH,
            {
                "error:433": "the account has no access",
                "http:401": "the API key is wrong or revoked",
                "http:403": "the API key may not do this",
            },
        ),
        **code_rows(
            Cause.BALANCE,
            {
                "status:12": "the account has no credit",
                "status:17": "the prepaid package has expired",
            },
        ),
        **code_rows(
            Cause.PERMISSION_OR_REGION,
            {
                "status:6": "the network is not set up on the account",
                "status:18": "trial account: the recipient is not registered",
                "status:19": "no route is set up on the account",
                "error:577": "the account is not set up for the demo short code",
                "error:578": "the demo short code's time is over",
                "error:579": "the recipient is not part of the demo",
                "error:580": "the demo allows no more texts",
                "error:592": "the account is not set up for this channel",
                "error:597": "the account has no address for this destination",
                "error:598": "this kind of exchange is not supported",
                "error:601": "the account is not set up for texts both ways",
            },
        ),
        # -- Outages ---------------------------------------------------------------------------------------------
        **code_rows(
            Cause.CARRIER_OUTAGE,
            {
                "status:21": "an error inside Infobip",
                "status:100": "Infobip could not take it: not available, or the request is malformed",
                "error:20": "the network's services do not go together",
                "error:24": "the network had no radio channel",
                "error:34": "a failure in the network",
                "error:500": "a failure at the operator",
                "error:501": "the operator's answer made no sense",
                "error:503": "the operator could not finish it",
                "error:504": "the operator's answer was not expected",
                "error:507": "the operator did not take a parameter",
                "error:509": "the operator mixed up two requests",
                "error:1024": "refused: the application is not supported",
                "error:1025": "refused: the destination's reference is not valid",
                "error:1026": "refused: the origin's reference is not valid",
                "error:1027": "refused: the wrapping is not supported",
                "error:1028": "refused: the transport is not protected enough",
                "error:1029": "refused without a reason",
                "error:1030": "refused: the versions may not go together",
                "error:1281": "broken off by the other side, for a reason of its own",
                "error:1282": "broken off by the other side: at its limit",
                "error:1283": "broken off by the other side: something is not available",
                "error:1284": "broken off by the other side: cancelled",
                "error:1536": "broken off on the way: a malfunction",
                "error:1537": "broken off on the way: the dialogue was released",
                "error:1538": "broken off on the way: at its limit",
                "error:1539": "broken off on the way: maintenance",
                "error:1540": "broken off on the way: the versions do not go together",
                "error:1541": "broken off on the way: an abnormal dialogue",
                "error:1792": "the other side met an abnormal event",
                "error:1793": "the other side refused the answer",
                "error:1794": "the other side reported an abnormal event",
                "error:1795": "it could not be handed to the other side",
                "error:1796": "no more requests could be opened",
                "error:2048": "the network took too long",
                "error:4097": "it could not be handed to the operator's centre",
                "error:15000": "MMS: failed for no special reason",
                "http:500": "an error inside Infobip",
            },
            retry=True,
        ),
        **code_rows(
            Cause.CARRIER_OUTAGE,
            {
                "error:631": "an error in the operator's network",
                "error:4102": "it could not be handed to the operator's connection",
                "error:15002": "MMS: an error in the system",
                "error:15008": "MMS: the provider could not deliver it",
                "error:15025": "MMS: an error while the file was fetched",
            },
        ),
        # -- Without a reason, or about something that is no text of ours ----------------------------------------
        **code_rows(Cause.UNKNOWN, {"error:255": "an unknown error"}, retry=True),
        **code_rows(
            Cause.UNKNOWN,
            {
                "status:29": "the operator never reported on it",
                "status:31": "it was not sent; Infobip says no more",
                "status:51": "the request has no recipient",
                "status:56": "the URL for reports is malformed",
                "error:0": "no error",
                "error:633": "the operator is not known",
                "http:400": "the request is not as the API wants it",
            },
        ),
    }
)
# What a request that was refused as invalid says of its fields: `{"property": "messages[0].destinations[0].to", ...}`.
_BY_PROPERTY: Final[Mapping[str, Cause]] = MappingProxyType(
    {
        "to": Cause.INVALID_NUMBER,
        "sender": Cause.SENDER_MISMATCH,
        "text": Cause.CONTENT_REJECTED,
        "contentUrl": Cause.MEDIA_REJECTED,
    }
)

_HASHES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "HMAC_MD5": "md5",
        "HMAC_SHA_1": "sha1",
        "HMAC_SHA_224": "sha224",
        "HMAC_SHA_256": "sha256",
        "HMAC_SHA_384": "sha384",
        "HMAC_SHA_512": "sha512",
    }
)
_WAYS: Final = ("basic", "hmac", "token")
_HOSTS: Final = ("*.infobip.com",)
_MMS_MARK: Final = ".mms"
"""Ends the message ids of MMS, of which another part of the API knows what became."""
_MAX_VALIDITY_MIN: Final = 48 * 60
_LOGGED_FOR_MS: Final = 47 * 3_600_000
"""Infobip shows what was sent in the last 48 hours."""
_OK: Final = Response(status=200)


@dataclass(frozen=True, kw_only=True, slots=True)
class Infobip(Carrier):
    """One Infobip account. docs/carriers/infobip.md explains each setting."""

    name: ClassVar[str] = "infobip"
    abilities: ClassVar[Abilities] = Abilities(
        max_text_chars=1300,  # of three bytes each: 4000 bytes and 25 parts are the most that Infobip takes
        media=True,
        max_media=10,
        max_media_bytes=1_000_000,
        media_types=MEDIA_TYPES,
        lookup=True,
        find=True,
        fetch_status=True,
        # How long Infobip remembers an id is written nowhere. After this the text is looked for instead.
        repeat_safe_ms=10 * 60_000,
    )
    codes: ClassVar[Mapping[str, CodeMeaning]] = CODES
    # Whether a text is repeated after a 4xx is written nowhere, and the fault may be in our settings.
    refusal: ClassVar[Response] = Response.text("The sender could not be proven.\n", status=503)

    api_key: str = field(repr=False)
    webhook_secret: str = field(repr=False)
    """The password, the key of the HMAC, or the token in the URL, as `webhook_auth` says."""
    webhook_secret_secondary: str = field(default="", repr=False)
    """The other one while one replaces the other."""
    webhook_auth: str = "basic"
    webhook_user: str = ""
    webhook_hmac_header: str = ""
    webhook_hmac_algorithm: str = "HMAC_SHA_256"
    operator_is_delivered: bool = False
    """Whether what an operator took counts as delivered: some never report more."""
    api_url: str = API_URL
    media_hosts: tuple[str, ...] = ()
    webhook: str = field(default="", repr=False)

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any], urls: AccountUrls) -> Self:
        made, problems = read_settings(settings, _READERS)
        problems += _missing(settings)
        if problems:
            raise ValueError("\n".join(problems))
        return cls(**made, webhook=urls.webhook)

    def write_setup(self, webhook: str) -> Sequence[str]:
        if self.webhook_auth == "token":
            return (f"At every number: forward texts to {webhook}?token=WEBHOOK_SECRET; receipts need nothing",)
        proof = "'Basic' with webhook_user and webhook_secret" if self.webhook_auth == "basic" else "'HMAC'"
        return (
            f"portal.infobip.com, Subscriptions: make a notification profile with the webhook {webhook}",
            f"There, set the security to {proof}, and 10 s to connect and to read",
            "Subscribe it to INBOUND_MESSAGE and DELIVERY of SMS, and to the same of MMS",
        )

    # -- Webhooks ----------------------------------------------------------------------------------------------------

    def verify(self, request: Request, now_ms: int) -> None:  # noqa: ARG002 -- nothing that Infobip sends holds a time
        """https://www.infobip.com/docs/cpaas-x/subscriptions-management

        A password or a token says who wrote, not what: only the HMAC covers the body.
        """
        secrets = tuple(filter(None, (self.webhook_secret, self.webhook_secret_secondary)))
        match self.webhook_auth:
            case "hmac":
                given = request.headers.get(self.webhook_hmac_header)
                fits = any(self._is_signed(given, request.body, secret) for secret in secrets)
                wanted = f"{self.webhook_hmac_header}, {self.webhook_hmac_algorithm} of the body,"
            case "token":
                given = _token(request.url)
                fits = is_one_of(given, secrets)
                wanted = "The token in the URL"
            case _:
                given = request.headers.get("Authorization")
                fits = is_one_of(given, [basic_authorization(self.webhook_user, secret) for secret in secrets])
                wanted = f"Authorization, Basic for the user {self.webhook_user},"
                if not given:
                    raise Unauthenticated("The request has no Authorization header.")
        if not given:
            raise BadSignature(f"{wanted} is missing in this request.")
        if not fits:
            raise BadSignature(f"{wanted} does not fit any of {len(secrets)} secrets.")

    def read_webhook(self, request: Request) -> Sequence[CarrierEvent]:
        """One event for each of the `results`: texts, reports, or both.

        https://www.infobip.com/docs/api/channels/sms/inbound-sms/receive-inbound-sms-messages
        https://www.infobip.com/docs/api/channels/mms/inbound-mms/receive-inbound-mms-messages
        https://www.infobip.com/docs/api/channels/sms/sms-messaging/logs-and-status-reports
        """
        if request.method != "POST":
            return [Unrecognized(reason="not_a_post")]
        if request.content_type.endswith("xml"):
            return [Unrecognized(reason="xml_body")]
        body = read_json(request.body)
        if not isinstance(body, dict):
            raise Unreadable("not a JSON object")
        results = body.get("results")
        if not isinstance(results, list):
            clicked = text_at(body, "notificationType") == "CLICKED"
            return [Ignored(reason="click") if clicked else Unrecognized(reason="no_results")]
        return [self._read_result(result) for result in results] or [Ignored(reason="no_new_results")]

    def acknowledge(self, events: Sequence[CarrierEvent]) -> Response:  # noqa: ARG002 -- one answer for all
        return _OK

    # -- Sending -----------------------------------------------------------------------------------------------------

    def write_send(self, part: OutboundPart) -> Request:
        """https://www.infobip.com/docs/api/channels/sms/outbound-sms/send-sms-messages
        https://www.infobip.com/docs/api/channels/mms/outbound-mms/send-mms-messages
        """
        message: dict[str, Any] = {
            "sender": part.sender.removeprefix("+"),
            "destinations": [{"to": part.to.removeprefix("+"), "messageId": _message_id(part.ref, part.media_urls)}],
        }
        if part.media_urls:
            texts = [{"type": "TEXT", "text": part.text}] if part.text else []
            links = [{"type": "LINK", "contentUrl": url} for url in part.media_urls]
            message["content"] = {"messageSegments": texts + links}
        else:
            message["content"] = {"text": part.text}
        if part.validity_s is not None:
            minutes = min(max(-(-part.validity_s // 60), 1), _MAX_VALIDITY_MIN)
            message["options"] = {"validityPeriod": {"amount": minutes, "timeUnit": "MINUTES"}}
        if self.webhook_auth == "token":
            # Without a URL of their own, reports come by the subscription and prove themselves as it is set up there.
            url = f"{self.webhook}?{urlencode({'token': self.webhook_secret})}"
            message["webhooks"] = {"delivery": {"url": url, "notify": True}, "contentType": "application/json"}
        return self._post("/mms/2/messages" if part.media_urls else "/sms/3/messages", {"messages": [message]})

    def read_send(self, response: Response) -> SendOutcome:
        """A 200 whose message is in group 5 is a refusal. A 5xx proves nothing, and may be repeated."""
        answer = read_object(response.body)
        if not response.ok:
            return _read_refusal(response, answer)
        sent = next(iter(list_at(answer, "messages")), None)
        message_id, group = text_at(sent, "messageId"), word_at(sent, "status", "groupId")
        code, meaning = _meaning(sent)
        evidence = _evidence(code, sent, response.status)
        if word_at(sent, "status", "id") == _DUPLICATE and message_id:
            # Ids are ours, and new with every try: they have this one because they have the text.
            return Accepted(carrier_message_id=message_id, evidence=evidence)
        if group == _REJECTED_GROUP:
            refusal: type[RetryLater | Rejected] = RetryLater if meaning.retry else Rejected
            return refusal(cause=meaning.cause, evidence=evidence)
        if not message_id:
            return Uncertain(reason=f"Infobip answered HTTP {response.status} without a message", evidence=evidence)
        status = self._status(sent)
        return Accepted(
            carrier_message_id=message_id,
            status=status,
            cause=meaning.cause if status in FAILURES else None,
            evidence=evidence,
        )

    # -- Media -------------------------------------------------------------------------------------------------------

    def write_media_fetch(self, media: InboundMedia) -> Fetch:
        """The API key goes to Infobip's own hosts alone. For how long they keep a file is not said."""
        return write_guarded_fetch(
            media.url,
            self._headers(accept="*/*"),
            hosts=_HOSTS,
            media_hosts=self.media_hosts,
            credentials_hosts=_HOSTS,
            api_url="" if is_at(self.api_url, _HOSTS) else self.api_url,
        )

    # -- Looking things up -------------------------------------------------------------------------------------------

    def write_lookup(self, number: str, now_ms: int) -> Request:  # noqa: ARG002 -- signs no time
        """https://www.infobip.com/docs/api/connectivity/number-lookup/number-context-lookup"""
        return self._post("/number/1/query", {"to": [number.removeprefix("+")]})

    def read_lookup(self, number: str, response: Response, now_ms: int) -> Capability | None:
        """The network was asked for the number. Not reaching the phone says nothing about it."""
        answer = read_object(response.body) if response.ok else {}
        found = next(iter(list_at(answer, "results")), None)
        if word_at(found, "status", "groupId") == "3":
            return looked_up(number, valid=True, line_type="mobile", sms_capable=SmsCapable.YES, now_ms=now_ms)
        _, meaning = _meaning(found)
        if meaning.cause not in NOT_CAPABLE:
            return None
        valid = meaning.cause is not Cause.INVALID_NUMBER
        return looked_up(number, valid=valid, line_type="unknown", sms_capable=SmsCapable.NO, now_ms=now_ms)

    def write_find(self, query: FindQuery) -> Request:
        """By our own message id. https://www.infobip.com/docs/api/channels/sms/logs-and-status-reports/get-outbound-sms-message-logs-v3"""
        return self._get_log(_message_id(query.ref, query.has_media))

    def read_find(self, query: FindQuery, response: Response) -> Receipt | None:
        answer = read_object(response.body)
        if response.status != 200 or not isinstance(answer.get("results"), list):
            raise LookupError(f"Infobip answered HTTP {response.status} without a log.")
        found = self._read_logged(_message_id(query.ref, query.has_media), answer)
        if found is None:
            asked = read_date(response.headers.get("Date"))
            if asked is not None and asked.timestamp() * 1000 - query.sent_after_ms > _LOGGED_FOR_MS:
                raise LookupError("Infobip shows the last 48 hours only, and the text is older.")
        return found

    def write_fetch_status(self, carrier_message_id: str) -> Request:
        return self._get_log(carrier_message_id)

    def read_fetch_status(self, carrier_message_id: str, response: Response) -> Receipt | None:
        return self._read_logged(carrier_message_id, read_object(response.body) if response.ok else {})

    # -- Private -----------------------------------------------------------------------------------------------------

    def _headers(self, *more: tuple[str, str], accept: str = "application/json") -> Headers:
        return Headers([("Authorization", f"App {self.api_key}"), ("Accept", accept), *more])

    def _post(self, path: str, body: Mapping[str, Any]) -> Request:
        headers = self._headers(("Content-Type", "application/json"))
        return Request(method="POST", url=self.api_url + path, headers=headers, body=write_json(body))

    def _get_log(self, message_id: str) -> Request:
        path = "/mms/2/logs" if message_id.endswith(_MMS_MARK) else "/sms/3/logs"
        url = f"{self.api_url}{path}?{urlencode({'messageId': message_id})}"
        return Request(method="GET", url=url, headers=self._headers())

    def _is_signed(self, given: str, body: bytes, secret: str) -> bool:
        """In either spelling: Infobip does not say which one it writes."""
        digest = hmac_digest(_HASHES[self.webhook_hmac_algorithm], secret.encode(), body)
        return same_text(given.lower(), digest.hex()) or same_text(given, base64_text(digest))

    def _status(self, result: object) -> Status:
        status = value_at(result, "status")
        if word_at(status, "id") == _NO_WORD_FROM_OPERATOR:
            return Status.SENT
        if word_at(status, "id") == _TO_OPERATOR and not self.operator_is_delivered:
            return Status.SENT
        return _BY_GROUP.get(word_at(status, "groupId"), Status.SENT)

    def _read_result(self, result: object) -> CarrierEvent:
        message_id = text_at(result, "messageId")
        if not message_id:
            return Unrecognized(reason="no_message_id")
        if isinstance(value_at(result, "status"), dict):
            return self._read_report(result)
        if text_at(result, "to") and (list_at(result, "message") or isinstance(value_at(result, "text"), str)):
            return _read_inbound(message_id, result)
        return Unrecognized(reason="neither_text_nor_report")

    def _read_report(self, result: object) -> Receipt | Ignored | Unrecognized:
        group, status_id = word_at(result, "status", "groupId"), word_at(result, "status", "id")
        if group not in _BY_GROUP:
            return Unrecognized(reason="unknown_status_group")
        if status_id == _DUPLICATE:
            # Of the repeat and not of the text, which has the same id and is on its way.
            return Ignored(reason="refused_repeat")
        return self._receipt(result)

    def _receipt(self, result: object) -> Receipt:
        message_id, status = text_at(result, "messageId"), self._status(result)
        code, meaning = _meaning(result)
        return Receipt(
            carrier_message_id=message_id,
            status=status,
            part_ref=message_id.removesuffix(_MMS_MARK),
            key=f"{message_id}:{word_at(result, 'status', 'id')}:{word_at(result, 'error', 'id')}",
            cause=meaning.cause if status in FAILURES else None,
            evidence=_evidence(code, result),
            carrier_at_ms=read_time_ms(text_at(result, "doneAt") or text_at(result, "sentAt")),
        )

    def _read_logged(self, message_id: str, answer: Mapping[str, Any]) -> Receipt | None:
        """What the log says of a message; nothing of a repeat that was refused for having its id."""
        logged = [entry for entry in list_at(answer, "results") if text_at(entry, "messageId") == message_id]
        reports = [self._read_report(entry) for entry in logged]
        return next((report for report in reports if isinstance(report, Receipt)), None)


# -- Reading ---------------------------------------------------------------------------------------------------------


def _token(url: str) -> str:
    try:
        return dict(read_form(urlsplit(url).query)).get("token", "")
    except ValueError:
        return ""


def _message_id(ref: str, has_media: object) -> str:
    return ref + _MMS_MARK if has_media else ref


def _read_inbound(message_id: str, result: object) -> InboundMessage:
    """`text` and not `cleanText`, which lacks the keyword. A group MMS comes to each of our numbers by itself."""
    parts = [part for part in list_at(result, "message") if text_at(part, "contentType") != "application/smil"]
    texts = [text_at(part, "value") for part in parts if isinstance(value_at(part, "value"), str)]
    media = tuple(
        InboundMedia(url=text_at(part, "url"), content_type=text_at(part, "contentType"))
        for part in parts
        if text_at(part, "url")
    )
    return InboundMessage(
        carrier_message_id=message_id,
        from_number=text_at(result, "from"),
        to_number=text_at(result, "to"),
        text="\n".join(texts) if parts else text_at(result, "text"),
        media=media,
        media_missing=max(len(parts) - len(texts) - len(media), 0),
        carrier_at_ms=read_time_ms(text_at(result, "receivedAt")),
    )


def _meaning(result: object) -> tuple[str, CodeMeaning]:
    """The error says more than the status, where there is one. The code is as the table writes it."""
    status, error = word_at(result, "status", "id"), word_at(result, "error", "id")
    codes = [f"{kind}:{number}" for kind, number in (("error", error), ("status", status)) if number not in ("", "0")]
    meaning = next((CODES[code] for code in codes if code in CODES), NO_MEANING)
    return next(iter(codes), ""), meaning


def _evidence(code: str, result: object, http_status: int | None = None) -> Evidence:
    said = value_at(result, "error" if code.startswith("error:") else "status")
    return Evidence(code=code, text=text_at(said, "description") or text_at(said, "name"), http_status=http_status)


def _read_refusal(response: Response, answer: Mapping[str, Any]) -> SendOutcome:
    """`{errorCode, description, violations}`, or the older `{requestError: {serviceException: {messageId, text}}}`."""
    code = f"http:{response.status}"
    text = text_at(answer, "description") or text_at(answer, "requestError", "serviceException", "text")
    evidence = Evidence(code=code, text=text, http_status=response.status)
    if response.status == 408 or not 400 <= response.status < 500:
        return Uncertain(reason=f"Infobip answered HTTP {response.status}", evidence=evidence)
    meaning = CODES.get(code, NO_MEANING)
    if meaning.retry:
        return RetryLater(cause=meaning.cause, after_s=read_retry_after_s(response.headers), evidence=evidence)
    properties = [text_at(each, "property").rpartition(".")[2] for each in list_at(answer, "violations")]
    named = next((_BY_PROPERTY[name] for name in properties if name in _BY_PROPERTY), None)
    return Rejected(cause=named or meaning.cause, evidence=evidence)


# -- Settings --------------------------------------------------------------------------------------------------------


def _missing(settings: Mapping[str, Any]) -> Iterator[str]:
    has = {key for key in _READERS if settings.get(key)}
    way = settings.get("webhook_auth") or "basic"
    if "api_key" not in has:
        yield "api_key: is missing; make one in the portal that may send SMS and MMS"
    if "webhook_secret" not in has:
        yield "webhook_secret: is missing; give the password, key or token that webhooks prove themselves with"
    if way == "basic" and "webhook_user" not in has:
        yield "webhook_user: is missing; give the user name of the notification profile"
    if way == "hmac" and "webhook_hmac_header" not in has:
        yield "webhook_hmac_header: is missing; give the header that the signature comes in"


_READERS: Final[Mapping[str, Reader]] = MappingProxyType(
    {
        "api_key": read_secret,
        "webhook_auth": reader_of_word(*_WAYS),
        "webhook_user": reader_of_text(
            "[!-9;-~]{1,100}", "give one without blanks and colons", problem="is not a user name"
        ),
        "webhook_secret": read_secret,
        "webhook_secret_secondary": read_secret,
        "webhook_hmac_header": reader_of_text(
            "[A-Za-z0-9-]{1,100}", "like X-Signature", problem="is not the name of a header"
        ),
        "webhook_hmac_algorithm": reader_of_word(*_HASHES),
        "operator_is_delivered": read_switch,
        "api_url": read_base_url,
        "media_hosts": read_hosts,
    }
)


ADAPTER: Final[type[Carrier]] = Infobip
