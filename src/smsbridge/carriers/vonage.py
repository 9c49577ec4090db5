"""Vonage: the Messages API (SMS and MMS) and the older SMS API.

An account has both kinds of webhook, whichever API it sends by: the Messages API posts JSON under a token (JWT) that
holds a hash of the body; the SMS API gives fields, in a query, a form or JSON, with a `sig` among them, and a long text
in parts, one a request. Sends are JSON to the one and a form to the other, which answers 200 whatever came of it.

Where Vonage's pages leave something open, docs/carriers/vonage.md says what is done either way.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar, Final, Self
from urllib.parse import quote, urlsplit

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from smsbridge.contracts.carrier import NO_MEANING, Abilities, AccountUrls, Carrier, CodeMeaning, code_rows
from smsbridge.contracts.settings import (
    Reader,
    loopback_hosts,
    read_base_url,
    read_hosts,
    read_secret,
    read_settings,
    reader_of_word,
)
from smsbridge.domain.cause import Cause
from smsbridge.domain.characters import clean_text
from smsbridge.domain.errors import BadSignature
from smsbridge.domain.events import (
    CarrierEvent,
    Ignored,
    InboundMedia,
    InboundMessage,
    Receipt,
    TextPart,
    Unrecognized,
)
from smsbridge.domain.lookup import looked_up
from smsbridge.domain.message import Capability, OutboundPart, SmsCapable
from smsbridge.domain.outcome import Accepted, Evidence, Rejected, RetryLater, SendOutcome, Uncertain
from smsbridge.domain.status import FAILURES, Status
from smsbridge.domain.text import count_segments
from smsbridge.wire.encoding import (
    Unreadable,
    list_at,
    read_form,
    read_json,
    read_object,
    text_at,
    value_at,
    word_at,
    write_form,
    write_json,
)
from smsbridge.wire.http import Fetch, Headers, Request, Response, host_and_port, is_at
from smsbridge.wire.signing import basic_authorization, hmac_digest, is_one_of, md5_hex, same_text, sha256_hex
from smsbridge.wire.times import read_retry_after_s, read_time_ms

API_URL: Final = "https://api.nexmo.com"
REST_URL: Final = "https://rest.nexmo.com"
VONAGE_HOSTS: Final = ("*.nexmo.com", "*.vonage.com")

# https://developer.vonage.com/en/messages/concepts/messages-status-callbacks
STATUSES: Final[Mapping[str, Status]] = MappingProxyType(
    {
        "submitted": Status.SENT,
        "delivered": Status.DELIVERED,
        "read": Status.DELIVERED,  # not of SMS and MMS
        "undeliverable": Status.FAILED,  # Vonage did not reach its provider
        "rejected": Status.FAILED,  # by whom, its code tells: `_ON_THE_WAY`
    }
)
_ON_THE_WAY: Final = range(1180, 1332)
"""The codes that a network or a phone gives: Vonage had passed the text on."""

# https://developer.vonage.com/en/messaging/sms/guides/delivery-receipts
SMS_STATUSES: Final[Mapping[str, Status]] = MappingProxyType(
    {
        "accepted": Status.SENT,
        "buffered": Status.SENT,
        "unknown": Status.SENT,
        "delivered": Status.DELIVERED,
        "expired": Status.UNDELIVERED,
        "failed": Status.UNDELIVERED,
        "rejected": Status.FAILED,
    }
)
_NEVER_LEFT: Final = frozenset({"10", "11", "50", "51", "52", "53", "54"})
"""The codes of a failed text that Vonage did not pass on."""

# https://developer.vonage.com/en/number-insight/technical-details
_LINE_TYPES: Final[Mapping[str, tuple[str, SmsCapable]]] = MappingProxyType(
    {
        "mobile": ("mobile", SmsCapable.YES),
        "virtual": ("voip", SmsCapable.UNKNOWN),
        "landline": ("landline", SmsCapable.NO),
        "landline_premium": ("premium", SmsCapable.NO),
        "landline_tollfree": ("toll_free", SmsCapable.UNKNOWN),  # some have texts enabled
        "pager": ("pager", SmsCapable.NO),
    }
)

# https://developer.vonage.com/en/api-errors/messages, .../api-errors/sms, and the page of delivery receipts.
# A code is known by where it stands: `messages` in a problem or a status, `sms-send` in an answer of the SMS API,
# `sms-dlr` in its receipts, `http` where there is none.
CODES: Final[Mapping[str, CodeMeaning]] = MappingProxyType(
    {
        # -- The sender ------------------------------------------------------------------------------------------
        **code_rows(
            Cause.SENDER_NOT_OURS,
            {
                "messages:1420": "the channel does not take this sender",
                "sms-send:15": "the account may not send from this sender",
            },
        ),
        **code_rows(
            Cause.SENDER_MISMATCH, {"messages:1120": "the rules of the destination do not allow a sender of this kind"}
        ),
        **code_rows(
            Cause.SENDER_NOT_REGISTERED,
            {
                "messages:1481": "the sender is not the one registered in the country of the destination",
                "sms-dlr:51": "the sender is not registered in the country of the destination",
            },
        ),
        # -- The recipient ---------------------------------------------------------------------------------------
        **code_rows(
            Cause.NOT_MOBILE,
            {
                "messages:1280": "blocked by the network: the contract has no texts, or is suspended",
                "messages:1300": "the number belongs to none of the provider's users",
                "messages:1310": "the phone cannot receive this",
                "sms-dlr:14": "blocked by the network: the contract has no texts",
            },
        ),
        **code_rows(
            Cause.UNREACHABLE,
            {
                "messages:1180": "the phone is off or out of reach",
                "messages:1220": "the phone is busy",
                "sms-dlr:2": "the phone is off or out of reach",
                "sms-dlr:7": "the phone is busy",
            },
            retry=True,
        ),
        **code_rows(
            Cause.UNREACHABLE,
            {
                "messages:1040": "nothing can be sent to a number with this prefix",
                "messages:1170": "the recipient is missing or no number",
                "messages:1190": "the number is not in use any more",
                "messages:1200": "the number was moved to another network, and that failed",
                "messages:1250": "no route leads to this number",
                "messages:1260": "no route to the number works just now",
                "messages:1290": "the recipient's prepaid account is empty",
                "messages:1430": "the channel does not take this recipient",
                "sms-send:6": "nothing can be sent to a number with this prefix",
                "sms-send:33": "the number was taken out of service",
                "sms-dlr:3": "the number is not in use any more",
                "sms-dlr:5": "the number was moved to another network, and that failed",
                "sms-dlr:11": "no route leads to this number",
                "sms-dlr:12": "no route to the number works just now",
                "sms-dlr:15": "the recipient's prepaid account is empty",
            },
        ),
        **code_rows(Cause.EXPIRED, {"messages:1360": "its time ran out before it could be delivered"}),
        **code_rows(
            Cause.OPTED_OUT,
            {
                "messages:1240": "the recipient said STOP to this sender",
                "messages:1483": "the recipient has not agreed to texts of this kind",
                "sms-dlr:9": "the recipient refused texts from this service",
                "sms-dlr:53": "the recipient has not agreed to texts of this kind",
            },
        ),
        # -- Blocked on the way ----------------------------------------------------------------------------------
        **code_rows(
            Cause.BLOCKED,
            {
                "messages:1050": "the number is on Vonage's list of those that get nothing",
                "messages:1270": "blocked for the age of the recipient",
                "messages:1282": "blocked by the provider",
                "messages:1461": "the provider limits what this recipient gets",
                "messages:1470": "blocked by the rules against fraud: the prefix",
                "messages:1473": "blocked by the rules against fraud: traffic that looks artificial",
                "sms-send:7": "the number is on Vonage's list of those that get nothing",
                "sms-dlr:4": "barred by the recipient or their network",
                "sms-dlr:13": "blocked for the age of the recipient",
            },
        ),
        **code_rows(
            Cause.FILTERED,
            {
                "messages:1210": "taken for spam by the network",
                "sms-dlr:6": "taken for spam by the network",
            },
        ),
        # -- What it says, what it shows -------------------------------------------------------------------------
        **code_rows(
            Cause.CONTENT_REJECTED,
            {
                "messages:1090": "the text is too long",
                "messages:1320": "the same was sent a moment ago",
                "messages:1440": "the channel does not take messages of this type",
                "messages:1482": "the content is not the one registered in the country of the destination",
                "sms-send:12": "the text is too long",
                "sms-dlr:10": "something in the text is not allowed",
                "sms-dlr:52": "the content is not the one registered in the country of the destination",
            },
        ),
        **code_rows(
            Cause.MEDIA_REJECTED,
            {
                "messages:1380": "the file could not be fetched from its address",
                "messages:1381": "the file is too large",
                "messages:1382": "files of this type are not taken",
            },
        ),
        # -- Not now ---------------------------------------------------------------------------------------------
        **code_rows(
            Cause.RATE_LIMITED,
            {
                "messages:1000": "faster than the account may send",
                "sms-send:1": "faster than the account may send",
                "sms-send:10": "too many connections at once",
                "http:429": "too many requests",
            },
            retry=True,
        ),
        **code_rows(
            Cause.RATE_LIMITED,
            {
                "messages:1241": "too many texts to this number",
                "messages:1460": "as many texts as the sender may send in a day",
                "messages:1472": "held by the rules against fraud: a burst",
                "sms-dlr:16": "the quota of a gateway was used up",
            },
        ),
        **code_rows(
            Cause.CARRIER_OUTAGE,
            {
                "messages:1030": "an error inside Vonage",
                "messages:1100": "the text could not be passed on",
                "messages:1230": "an error of the network",
                "messages:1331": "the provider did not answer",
                "sms-send:5": "an error inside Vonage",
                "sms-send:13": "the text could not be passed on",
                "sms-dlr:8": "an error of the network",
            },
            retry=True,
        ),
        # -- The account -----------------------------------------------------------------------------------------
        **code_rows(
            Cause.BALANCE,
            {
                "messages:1070": "the account has no credit",
                "sms-send:9": "the account has no credit",
            },
        ),
        **code_rows(
            Cause.AUTH,
            {
                "messages:1060": "the account is barred",
                "messages:1080": "the account may not use this API",
                "messages:1110": "the signature of the request is wrong",
                "messages:1140": "the account may not use this",
                "sms-send:4": "api_key or api_secret is wrong",
                "sms-send:8": "the account is suspended",
                "sms-send:11": "the account may not use this API",
                "sms-send:14": "the signature of the request is wrong",
                "sms-send:19": "the account may not use this",
                "sms-send:32": "a secret and a signature in one request",
                "http:401": "the credentials are wrong",
            },
        ),
        **code_rows(
            Cause.PERMISSION_OR_REGION,
            {
                "messages:1160": "trial account: the number is not on the list of those that it may send to",
                "messages:1251": "the account may not send to the recipient's network",
                "messages:1480": "the entity (India) is missing or wrong",
                "messages:1484": "against the rules of the country of the destination",
                "sms-send:29": "trial account: the number is not on the list of those that it may send to",
                "sms-dlr:50": "the entity (India) is missing or wrong",
                "sms-dlr:54": "against the rules of the country of the destination",
            },
        ),
        # -- A mistake of ours, another channel's, or no reason ----------------------------------------------------
        **code_rows(
            Cause.UNKNOWN,
            {
                "messages:1010": "a field is missing",
                "messages:1020": "a field has a value that is not taken",
                "messages:1021": "other channels: the tag is not valid",
                "messages:1022": "other channels: the template is not valid",
                "messages:1130": "ttl is not valid",
                "messages:1150": "the class of the message is not valid",
                "messages:1330": "an error of the network that it does not explain",
                "messages:1340": "other channels: the time for an answer is over",
                "messages:1350": "other channels: a fee for matching numbers",
                "messages:1370": "other channels: the token has expired",
                "messages:1400": "there is no such channel",
                "messages:1410": "the fields do not fit the channel",
                "messages:1450": "client_ref is too long",
                "messages:1451": "what is answered to is not known",
                "sms-send:2": "a field is missing",
                "sms-send:3": "a field has a value that is not taken",
                "sms-send:16": "ttl is not valid",
                "sms-send:20": "the class of the message is not valid",
                "sms-send:22": "the code of the network is not valid",
                "sms-send:23": "the callback is no address",
                "sms-dlr:1": "no reason known",
                "sms-dlr:99": "no reason given",
                "http:422": "a field is not as Vonage wants it",
            },
        ),
    }
)
# https://developer.vonage.com/en/api-errors: what stands in place of a number behind `#` in the type of a problem.
_SLUGS: Final[Mapping[str, Cause]] = MappingProxyType(
    {
        "low-balance": Cause.BALANCE,
        "forbidden": Cause.AUTH,
        "unprovisioned": Cause.AUTH,
        "account-suspended": Cause.AUTH,
        "jwt-expired": Cause.AUTH,
        "jwt-revoked": Cause.AUTH,
        "invalid-api-key": Cause.AUTH,
        "invalid-signature": Cause.AUTH,
    }
)
_BY_HTTP_STATUS: Final[Mapping[int, Cause]] = MappingProxyType({402: Cause.BALANCE, 403: Cause.AUTH})
# What a problem that no code tells more of names in its `invalid_parameters`: `{"name": "to", "reason": "..."}`.
_BY_PARAMETER: Final[Mapping[str, Cause]] = MappingProxyType(
    {
        "to": Cause.INVALID_NUMBER,
        "from": Cause.SENDER_NOT_OURS,
        "text": Cause.CONTENT_REJECTED,
        "image": Cause.MEDIA_REJECTED,
        "content": Cause.MEDIA_REJECTED,
    }
)

_METHODS: Final = ("md5hash", "md5", "sha1", "sha256", "sha512")
_MEDIA_KINDS: Final = ("image", "audio", "video", "vcard", "file")
_AHEAD_MS: Final = 300_000
_OLDEST_MS: Final = 25 * 3_600_000
"""Vonage repeats for 24 h, and nobody says that it signs anew each time. What is repeated is known by its id."""
_TOKEN_LIFE_S: Final = 900
_MAX_CALLBACK_CHARS: Final = 100
_MAX_EVIDENCE_CHARS: Final = 500
_MAX_MEDIA_LISTED: Final = 100
_SMS_TTL_S: Final = (20, 604_800)
_MMS_TTL_S: Final = (300, 259_200)


@dataclass(frozen=True, kw_only=True, slots=True)
class Vonage(Carrier):
    """One Vonage account. docs/carriers/vonage.md explains each setting."""

    name: ClassVar[str] = "vonage"
    abilities: ClassVar[Abilities] = Abilities(
        max_text_chars=1000,
        media=True,
        max_media=10,
        max_media_bytes=600_000,
        media_types=frozenset({"image/jpeg", "image/jpg", "image/png", "image/gif"}),
        lookup=True,
        pushes_for_ms=24 * 3_600_000,
    )
    codes: ClassVar[Mapping[str, CodeMeaning]] = CODES
    # Vonage may post without a token after trouble of its own, and comes again, signed, after a 5xx.
    refusal: ClassVar[Response] = Response.text("The signature did not match.\n", status=503)

    api_key: str
    api_secret: str = field(repr=False)
    signature_secret: str = field(repr=False)
    signature_secret_secondary: str = field(default="", repr=False)
    """The other secret while one replaces the other."""
    signature_method: str = "md5hash"
    """How the SMS API signs. The Messages API does it in one way only."""
    api: str = "messages"
    """By which API texts are sent; pictures always go by `messages`."""
    application_id: str = ""
    private_key: rsa.RSAPrivateKey | None = field(default=None, repr=False, compare=False)
    api_url: str = API_URL
    rest_url: str = REST_URL
    media_hosts: tuple[str, ...] = ()
    webhook: str = field(default="", repr=False)

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any], urls: AccountUrls) -> Self:
        made, problems = read_settings(settings, _READERS)
        problems += _missing(settings)
        if problems:
            raise ValueError("\n".join(problems))
        if not is_at(made.get("api_url", API_URL), VONAGE_HOSTS):
            made.setdefault("rest_url", made["api_url"])  # whoever stands in for Vonage does so for both
        return cls(**made, webhook=urls.webhook)

    def write_setup(self, webhook: str) -> Sequence[str]:
        if not self.application_id:
            return (
                f"dashboard.nexmo.com, API settings, SMS settings: set 'Inbound SMS webhooks' to {webhook}, POST-JSON",
                "Ask the support to sign webhooks; unsigned ones are refused. Receipts need nothing",
            )
        return (
            f"dashboard.nexmo.com, the application {self.application_id}, Messages: set 'Inbound URL' to {webhook}",
            f"There, set 'Status URL' to {webhook} too, and choose version v1 of the webhooks",
            "Link the numbers to the application",
            "API settings, SMS settings: set 'Default SMS setting' to Messages API",
        )

    # -- Webhooks ----------------------------------------------------------------------------------------------------

    def verify(self, request: Request, now_ms: int) -> None:
        """https://developer.vonage.com/en/getting-started/concepts/webhooks#validating-signed-webhooks

        Neither way covers the path of the URL; a token covers no query either, and none is read then.
        """
        token = _bearer_token(request)
        if request.method == "POST" and token:
            signed_at = self._verify_token(token, request.body)
        else:
            signed_at = self._verify_fields(request)
        if not -_OLDEST_MS <= signed_at * 1000 - now_ms <= _AHEAD_MS:
            raise BadSignature("The signature was made too long ago, or its time is ahead of our clock.")

    def read_webhook(self, request: Request) -> Sequence[CarrierEvent]:
        fields = _read_body(request)
        if not isinstance(fields, Mapping):
            return [Unrecognized(reason="no_object")]
        if "message_uuid" in fields:
            return [_read_status(fields) if "status" in fields else self._read_message(fields)]
        if "messageId" in fields:
            return [_read_sms_receipt(fields) if "status" in fields else _read_sms(fields)]
        return [Unrecognized(reason="no_message_id")]

    def acknowledge(self, events: Sequence[CarrierEvent]) -> Response:  # noqa: ARG002 -- Vonage reads no more than this
        return Response(status=204)

    # -- Sending -----------------------------------------------------------------------------------------------------

    def write_send(self, part: OutboundPart) -> Request:
        return self._write_sms(part) if self.api == "sms" and not part.media_urls else self._write_message(part)

    def read_send(self, response: Response) -> SendOutcome:
        """The SMS API answers 200 to refusals as well: what it says of each part decides."""
        answer = read_object(response.body)
        if response.ok and list_at(answer, "messages"):
            return _read_sms_answer(list_at(answer, "messages"), response.status)
        identifier = _read_id(answer, "message_uuid")
        if response.ok and identifier:
            return Accepted(carrier_message_id=identifier, evidence=Evidence(http_status=response.status))
        evidence = _evidence(_code_of_problem(answer, response.status), _say(answer), response.status)
        if not 400 <= response.status < 500 or response.status == 408:
            return Uncertain(reason=f"Vonage answered HTTP {response.status}", evidence=evidence)
        meaning = CODES.get(evidence.code, NO_MEANING)
        if response.status == 429 and meaning.cause is Cause.UNKNOWN:
            meaning = CODES["http:429"]  # a "Rate Limit Hit" comes as 1010 too, by which a field would be missing
        if meaning.retry:
            return RetryLater(cause=meaning.cause, after_s=read_retry_after_s(response.headers), evidence=evidence)
        slug = text_at(answer, "type").rpartition("#")[2]
        told = _SLUGS.get(slug) or _BY_HTTP_STATUS.get(response.status) if evidence.code in ("", "http:401") else None
        if meaning.cause is Cause.UNKNOWN:
            told = told or _cause_of_parameters(answer)
        return Rejected(cause=told or meaning.cause, evidence=evidence)

    # -- Media -------------------------------------------------------------------------------------------------------

    def write_media_fetch(self, media: InboundMedia) -> Fetch:
        """https://developer.vonage.com/en/messages/concepts/secure-inbound-media

        A file is there for 48 h. Only an application with secure media wants the token; it does no harm elsewhere.
        """
        named = () if is_at(self.api_url, VONAGE_HOSTS) else (host_and_port(self.api_url),)
        own_hosts = named or VONAGE_HOSTS
        if not _is_at_host(media.url, own_hosts, urlsplit(self.api_url).scheme):
            raise ValueError("The media URL is not one of Vonage's.")
        authorization = self._token(media.url, media.at_ms)
        headers = [("Authorization", authorization)] if authorization else []
        return Fetch(
            request=Request(method="GET", url=media.url, headers=Headers([*headers, ("Accept", "*/*")])),
            hosts=(*own_hosts, *self.media_hosts),
            credentials_hosts=own_hosts,
            private_hosts=(*named, *loopback_hosts(self.media_hosts)),
        )

    # -- Looking things up -------------------------------------------------------------------------------------------

    def write_lookup(self, number: str, now_ms: int) -> Request:  # noqa: ARG002 -- signs no time
        """https://developer.vonage.com/en/number-insight/overview (standard)"""
        address = f"{self.api_url}/ni/standard/json?number={quote(number.removeprefix('+'), safe='')}"
        return Request(method="GET", url=address, headers=self._basic_headers())

    def read_lookup(self, number: str, response: Response, now_ms: int) -> Capability | None:
        answer = read_object(response.body) if response.ok else {}
        if word_at(answer, "status") != "0":
            return None
        word = text_at(answer, "current_carrier", "network_type")
        line_type, capable = _LINE_TYPES.get(word, ("unknown", SmsCapable.UNKNOWN))
        return looked_up(number, valid=True, line_type=line_type, sms_capable=capable, now_ms=now_ms)

    # -- Private -----------------------------------------------------------------------------------------------------

    @property
    def _secrets(self) -> tuple[bytes, ...]:
        return tuple(each.encode() for each in (self.signature_secret, self.signature_secret_secondary) if each)

    def _verify_token(self, token: str, body: bytes) -> int:
        """When the token was made, in seconds. Its hash is what covers the body, and Vonage's own package does not look
        at it."""
        signed, _, signature = token.rpartition(".")
        expected = (_base64url(hmac_digest("sha256", key, _bytes(signed))) for key in self._secrets)
        if not is_one_of(signature, expected):
            raise BadSignature("The token in Authorization was not signed with signature_secret.")
        header, _, claims = signed.partition(".")
        said = _read_segment(claims)
        if text_at(_read_segment(header), "alg") != "HS256":
            raise BadSignature("The token in Authorization is not of the kind HS256.")
        if not same_text(text_at(said, "payload_hash").lower(), sha256_hex(body)):
            raise BadSignature("The body does not fit payload_hash in the token: it was changed on its way.")
        signed_at = value_at(said, "iat")
        if not isinstance(signed_at, int):
            raise BadSignature("The token in Authorization does not say when it was made (iat).")
        return signed_at

    def _verify_fields(self, request: Request) -> int:
        """When the fields were signed, in seconds.

        https://developer.vonage.com/en/getting-started/concepts/signing-messages
        """
        fields = _signed_fields(request)
        given = fields.pop("sig", "").lower()
        if not given:
            raise BadSignature("The request has no token in Authorization and no field sig.")
        # Vonage's own readers differ in whether a blank value is signed.
        texts = [_canonical(fields), _canonical({name: value for name, value in fields.items() if value})]
        expected = [_sign(self.signature_method, key, text) for key in self._secrets for text in texts]
        if not is_one_of(given, expected):
            raise BadSignature(
                f"sig does not fit the {len(fields)} fields with {self.signature_method} and signature_secret.",
                hint="The method is shown in the dashboard beside the secret; signature_method must be the same.",
            )
        if not re.fullmatch(r"[0-9]{1,11}", fields.get("timestamp", "")):
            raise BadSignature("The fields are signed and do not say when (timestamp).")
        return int(fields["timestamp"])

    def _read_message(self, fields: Mapping[str, Any]) -> CarrierEvent:
        """https://developer.vonage.com/en/api/messages#inbound-message"""
        identifier = _read_id(fields, "message_uuid")
        if isinstance(fields.get("to"), Mapping):
            return Unrecognized(reason="version_0_1")
        if _words(fields, "channel") not in ("sms", "mms"):
            return Ignored(reason="another_channel")
        if not (identifier and _words(fields, "from") and _words(fields, "to")):
            return Unrecognized(reason="no_message_id_or_number")
        files = _listed_files(fields)
        media = tuple(
            InboundMedia(url=text_at(file, "url"), filename=_words(file, "name"))
            for file in files
            if re.fullmatch(r"[!-~]{1,2000}", text_at(file, "url"))
        )
        text = text_at(fields, "text") or "\n".join(dict.fromkeys(filter(None, (_words(f, "caption") for f in files))))
        if not files and not text and _words(fields, "message_type") != "text":
            return Unrecognized(reason="unknown_message_type")
        return InboundMessage(
            carrier_message_id=identifier,
            from_number=_words(fields, "from"),
            to_number=_words(fields, "to"),
            text=text,
            media=media,
            media_missing=len(files) - len(media),
            carrier_at_ms=read_time_ms(text_at(fields, "timestamp")),
        )

    def _write_message(self, part: OutboundPart) -> Request:
        """https://developer.vonage.com/en/api/messages#SendMessage"""
        body: dict[str, Any] = {
            "channel": "mms" if part.media_urls else "sms",
            "message_type": "text",
            "to": part.to.removeprefix("+"),
            "from": part.sender.removeprefix("+"),
            "client_ref": part.ref,
            "webhook_url": f"{self.webhook}/status",
            "webhook_version": "v1",
        }
        files: list[dict[str, str]] = [{"url": url} for url in part.media_urls]
        if files and part.text:
            files[0]["caption"] = part.text
        match files:
            case []:
                body["text"] = part.text
            case [file]:
                body |= {"message_type": "image", "image": file}
            case _:
                body |= {"message_type": "content", "content": [{"type": "image", **file} for file in files]}
        if part.validity_s is not None:
            shortest, longest = _MMS_TTL_S if files else _SMS_TTL_S
            body["ttl"] = min(max(part.validity_s, shortest), longest)
        authorization = self._token(part.ref, part.at_ms)
        headers = self._basic_headers()
        if authorization:
            headers = headers.replace("Authorization", authorization)
        return Request(
            method="POST",
            url=f"{self.api_url}/v1/messages",
            headers=headers.replace("Content-Type", "application/json"),
            body=write_json(body),
        )

    def _write_sms(self, part: OutboundPart) -> Request:
        """https://developer.vonage.com/en/api/sms#send-an-sms"""
        is_plain = count_segments(part.text).encoding == "GSM-7"
        pairs = [
            ("from", part.sender.removeprefix("+")),
            ("to", part.to.removeprefix("+")),
            ("text", part.text),
            ("type", "text" if is_plain else "unicode"),
            ("status-report-req", "1"),
            ("client-ref", part.ref),
        ]
        callback = f"{self.webhook}/status"
        if len(callback) <= _MAX_CALLBACK_CHARS:
            pairs.append(("callback", callback))
        if part.validity_s is not None:
            pairs.append(("ttl", str(min(max(part.validity_s, _SMS_TTL_S[0]), _SMS_TTL_S[1]) * 1000)))
        return Request(
            method="POST",
            url=f"{self.rest_url}/sms/json",
            headers=self._basic_headers().replace("Content-Type", "application/x-www-form-urlencoded"),
            body=write_form(pairs),
        )

    def _basic_headers(self) -> Headers:
        credentials = basic_authorization(self.api_key, self.api_secret)
        return Headers([("Authorization", credentials), ("Accept", "application/json")])

    def _token(self, subject: str, at_ms: int) -> str:
        """Who we are, for a quarter of an hour; empty without an application. Its id is made of what the request is
        about, so that the same request is the same again."""
        if self.private_key is None:
            return ""
        at_s = at_ms // 1000
        mark = sha256_hex(_bytes(f"{subject} {at_ms}"))
        claims = {
            "application_id": self.application_id,
            "iat": at_s,
            "jti": f"{mark[:8]}-{mark[8:12]}-4{mark[13:16]}-a{mark[17:20]}-{mark[20:32]}",
            "exp": at_s + _TOKEN_LIFE_S,
        }
        signed = ".".join(_base64url(write_json(each)) for each in ({"alg": "RS256", "typ": "JWT"}, claims))
        signature = self.private_key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"Bearer {signed}.{_base64url(signature)}"


# -- What is signed --------------------------------------------------------------------------------------------------


def _bearer_token(request: Request) -> str:
    scheme, _, token = request.headers.get("Authorization").partition(" ")
    return token if scheme.lower() == "bearer" else ""


def _read_segment(segment: str) -> Mapping[str, Any]:
    """The object in a part of a token; an empty one for anything else."""
    try:
        return read_object(urlsafe_b64decode(_bytes(segment) + b"=" * (-len(segment) % 4)))
    except ValueError:
        return {}


def _signed_fields(request: Request) -> dict[str, str]:
    """All that `sig` covers. Raises BadSignature for what it cannot cover: a name that is there twice, nested JSON."""
    try:
        fields = _read_body(request)
    except Unreadable as error:
        raise BadSignature(f"The fields cannot be read: {error}.") from None
    if not isinstance(fields, Mapping) or any(isinstance(each, (Mapping, list)) for each in fields.values()):
        raise BadSignature("The request has no token in Authorization, and its body is no list of plain fields.")
    return {name: _as_signed(value) for name, value in fields.items()}


def _as_signed(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case _:
            return str(value)


def _canonical(fields: Mapping[str, str]) -> bytes:
    return _bytes("".join(f"&{_cleaned(name)}={_cleaned(fields[name])}" for name in sorted(fields)))


def _cleaned(text: str) -> str:
    return text.replace("&", "_").replace("=", "_")


def _sign(method: str, key: bytes, text: bytes) -> str:
    return md5_hex(text + key) if method == "md5hash" else hmac_digest(method, key, text).hex()


def _base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


# -- Reading webhooks ------------------------------------------------------------------------------------------------


def _read_body(request: Request) -> object:
    """The fields, from the query of a GET and else from the body alone. Raises Unreadable."""
    if request.method != "POST":
        return _plain_fields(request.url.partition("#")[0].partition("?")[2])
    if request.content_type == "application/json":
        return read_json(request.body)
    if request.content_type in ("application/x-www-form-urlencoded", ""):
        return _plain_fields(request.body)
    raise Unreadable("neither a form nor JSON")


def _plain_fields(form: str | bytes) -> Mapping[str, str]:
    pairs = read_form(form)
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise Unreadable("a field is there twice")
    return fields


def _listed_files(fields: Mapping[str, Any]) -> list[Any]:
    """The attachments: in `content` where there are several, else under the name of their kind."""
    files = list(list_at(fields, "content")) or [fields[kind] for kind in _MEDIA_KINDS if fields.get(kind)]
    return files[:_MAX_MEDIA_LISTED]


def _read_status(fields: Mapping[str, Any]) -> CarrierEvent:
    """https://developer.vonage.com/en/api/messages#message-status"""
    identifier, word = _read_id(fields, "message_uuid"), _words(fields, "status")
    status = STATUSES.get(word)
    if isinstance(fields.get("to"), Mapping):
        return Unrecognized(reason="version_0_1")
    if _words(fields, "channel") not in ("sms", "mms"):
        return Ignored(reason="another_channel")
    if not identifier or status is None:
        return Unrecognized(reason="unknown_status")
    error = value_at(fields, "error")
    code = _code_of_problem(error, None)
    if word == "rejected" and code and int(code.rpartition(":")[2]) in _ON_THE_WAY:
        status = Status.UNDELIVERED
    unexplained = Cause.CARRIER_OUTAGE if word == "undeliverable" else Cause.UNKNOWN
    failed = status in FAILURES
    return Receipt(
        carrier_message_id=identifier,
        status=status,
        part_ref=_words(fields, "client_ref"),
        key=f"{identifier}:{word}:{code}",
        cause=(CODES[code].cause if code in CODES else unexplained) if failed else None,
        evidence=_evidence(code, _words(error, "detail") or word),
        carrier_at_ms=read_time_ms(text_at(fields, "timestamp")),
    )


def _read_sms(fields: Mapping[str, Any]) -> CarrierEvent:
    """https://developer.vonage.com/en/messaging/sms/guides/inbound-sms"""
    identifier = _read_id(fields, "messageId")
    if not (identifier and _words(fields, "msisdn") and _words(fields, "to")):
        return Unrecognized(reason="no_message_id_or_number")
    if _words(fields, "type") == "binary" or "text" not in fields:
        return Unrecognized(reason="no_text")
    return InboundMessage(
        carrier_message_id=identifier,
        from_number=_words(fields, "msisdn"),
        to_number=_words(fields, "to"),
        text=text_at(fields, "text"),
        carrier_at_ms=read_time_ms(text_at(fields, "message-timestamp")),
        part=_read_part(fields),
    )


def _read_part(fields: Mapping[str, Any]) -> TextPart | None:
    number, count = (_words(fields, name) for name in ("concat-part", "concat-total"))
    if not (re.fullmatch(r"[0-9]{1,3}", number) and re.fullmatch(r"[0-9]{1,3}", count) and int(count) > 1):
        return None
    return TextPart(of=_words(fields, "concat-ref"), number=int(number), count=int(count))


def _read_sms_receipt(fields: Mapping[str, Any]) -> CarrierEvent:
    """https://developer.vonage.com/en/messaging/sms/guides/delivery-receipts

    `msisdn` is the recipient here, and `to` our sender.
    """
    identifier, word, number = _read_id(fields, "messageId"), _words(fields, "status"), _words(fields, "err-code")
    status = SMS_STATUSES.get(word)
    if not identifier or status is None:
        return Unrecognized(reason="unknown_status")
    if word == "failed" and number in _NEVER_LEFT:
        status = Status.FAILED
    failed = status in FAILURES
    code = f"sms-dlr:{number}" if number not in ("", "0") else ""
    unexplained = Cause.EXPIRED if word == "expired" else Cause.UNKNOWN
    return Receipt(
        carrier_message_id=identifier,
        status=status,
        part_ref=_words(fields, "client-ref"),
        key=f"{identifier}:{word}:{number}",
        cause=(CODES[code].cause if code in CODES else unexplained) if failed else None,
        evidence=_evidence(code, word),
        carrier_at_ms=read_time_ms(text_at(fields, "message-timestamp")),
    )


# -- Reading answers -------------------------------------------------------------------------------------------------


def _read_sms_answer(parts: Sequence[Any], http_status: int) -> SendOutcome:
    """One element for each part that Vonage made of the text. Some taken and some refused is a text that failed, and
    must not be sent again by itself."""
    taken = [
        identifier for each in parts if word_at(each, "status") == "0" and (identifier := _read_id(each, "message-id"))
    ]
    refused = [each for each in parts if word_at(each, "status") not in ("", "0")]
    if len(taken) + len(refused) < len(parts):
        evidence = _evidence("", "", http_status)
        return Uncertain(reason="Vonage answered without saying what became of each part", evidence=evidence)
    if not refused:
        return Accepted(carrier_message_id=taken[0], evidence=Evidence(http_status=http_status))
    code, text = f"sms-send:{_words(refused[0], 'status')}", _words(refused[0], "error-text")
    meaning, evidence = CODES.get(code, NO_MEANING), _evidence(code, text, http_status)
    if taken:
        return Accepted(carrier_message_id=taken[0], status=Status.FAILED, cause=meaning.cause, evidence=evidence)
    if meaning.retry:
        wait = re.search(r"wait \[ ?([0-9]{1,7}) ?\]", text)
        return RetryLater(cause=meaning.cause, after_s=int(wait[1]) / 1000 if wait else None, evidence=evidence)
    return Rejected(cause=meaning.cause, evidence=evidence)


def _say(answer: Mapping[str, Any]) -> str:
    """What was wrong, in Vonage's words."""
    named = [f"{_words(each, 'name')}: {_words(each, 'reason')}" for each in list_at(answer, "invalid_parameters")]
    said = _words(answer, "detail") or _words(answer, "title")
    return "; ".join(filter(None, (each.rstrip(": ") for each in (said, *named))))


def _cause_of_parameters(answer: Mapping[str, Any]) -> Cause | None:
    """The first parameter at fault that tells something; `image.url` is one of `image`."""
    named = [text_at(each, "name").partition(".")[0] for each in list_at(answer, "invalid_parameters")]
    return next((_BY_PARAMETER[name] for name in named if name in _BY_PARAMETER), None)


def _code_of_problem(problem: object, http_status: int | None) -> str:
    """The number behind `#` in the type, or that is the title. 1110 in a 422 is about a field and not the signature: it
    says no more than the status does."""
    for text in (text_at(problem, "type").rpartition("#")[2], word_at(problem, "title")):
        if re.fullmatch(r"[0-9]{3,5}", text) and (http_status, text) != (422, "1110"):
            return f"messages:{text}"
    by_status = f"http:{http_status}"
    return by_status if by_status in CODES else ""


def _read_id(fields: object, name: str) -> str:
    word = word_at(fields, name)
    return word if re.fullmatch(r"[!-~]{1,100}", word) else ""


def _words(fields: object, name: str) -> str:
    """What can be stored of a text or number."""
    return clean_text(word_at(fields, name))


def _evidence(code: str, text: str, http_status: int | None = None) -> Evidence:
    return Evidence(code=code[:40], text=text[:_MAX_EVIDENCE_CHARS], http_status=http_status)


def _is_at_host(url: str, hosts: Sequence[str], scheme: str) -> bool:
    try:
        return re.fullmatch(rf"{scheme}://[!-~]+", url) is not None and "@" not in url and is_at(url, hosts)
    except ValueError:
        return False


# -- Settings --------------------------------------------------------------------------------------------------------


def _missing(settings: Mapping[str, Any]) -> Iterator[str]:
    for key, cure in (
        ("api_key", "the dashboard shows it under API Settings"),
        ("api_secret", "the dashboard shows it under API Settings"),
        ("signature_secret", "it is what the webhooks are signed with; the dashboard shows it under API Settings"),
    ):
        if not settings.get(key):
            yield f"{key}: is missing; {cure}"
    for key, other in (("application_id", "private_key"), ("private_key", "application_id")):
        if settings.get(key) and not settings.get(other):
            yield f"{other}: is missing while {key} is there; give both or neither"


def _read_private_key(value: object) -> rsa.RSAPrivateKey:
    cure = "give the file private.key of the application (private_key_file = ...)"
    try:
        key = load_pem_private_key(value.encode() if isinstance(value, str) else b"", password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError(f"is no private key; {cure}") from None
    if isinstance(key, rsa.RSAPrivateKey):
        return key
    raise ValueError(f"is no RSA key; {cure}")


_READERS: Final[Mapping[str, Reader]] = MappingProxyType(
    {
        "api_key": read_secret,
        "api_secret": read_secret,
        "signature_secret": read_secret,
        "signature_secret_secondary": read_secret,
        "signature_method": reader_of_word(*_METHODS),
        "api": reader_of_word("messages", "sms"),
        "application_id": read_secret,
        "private_key": _read_private_key,
        "api_url": read_base_url,
        "rest_url": read_base_url,
        "media_hosts": read_hosts,
    }
)


ADAPTER: Final[type[Carrier]] = Vonage
