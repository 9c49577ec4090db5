"""AWS End User Messaging SMS: the API `pinpoint-sms-voice-v2`, with texts and receipts over Amazon SNS.

What comes in is the `Message` of a notification that SNS posts: JSON in JSON, called text/plain. SNS signs its
envelope with RSA and names the certificate. A text out is one call of AWS's JSON 1.0 protocol, signed with Signature
Version 4. No picture ever comes in, and one that goes out would have to lie in a bucket of the account's.

Where AWS's pages leave something open, docs/carriers/aws_eum.md says what is done either way.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, ClassVar, Final, Self
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, HashAlgorithm
from cryptography.x509.oid import NameOID

from smsbridge.contracts.carrier import NO_MEANING, Abilities, AccountUrls, Carrier, CodeMeaning, KeyWanted, code_rows
from smsbridge.contracts.settings import (
    Reader,
    read_base_url,
    read_secret,
    read_settings,
    read_switch,
    reader_of_number,
    reader_of_text,
    reader_of_word,
)
from smsbridge.domain.cause import Cause
from smsbridge.domain.errors import BadSignature
from smsbridge.domain.events import (
    CarrierEvent,
    Handshake,
    Ignored,
    InboundMessage,
    OptOutKind,
    Receipt,
    Unrecognized,
)
from smsbridge.domain.lookup import looked_up
from smsbridge.domain.message import Capability, OutboundPart, SmsCapable
from smsbridge.domain.outcome import Accepted, Evidence, Rejected, RetryLater, Scope, SendOutcome, Uncertain
from smsbridge.domain.status import FAILURES, Status
from smsbridge.wire.encoding import Unreadable, list_at, read_json, read_object, text_at, value_at, write_json
from smsbridge.wire.http import Headers, Request, Response
from smsbridge.wire.signing import hmac_digest, sha256_hex
from smsbridge.wire.times import read_retry_after_s, read_time_ms, write_time

# https://docs.aws.amazon.com/sms-voice/latest/userguide/configuration-sets-event-types.html
# The word is what follows TEXT_, MEDIA_ or RCS_.
STATUSES: Final[Mapping[str, Status]] = MappingProxyType(
    {
        "PENDING": Status.SENT,
        "QUEUED": Status.SENT,
        "SENT": Status.SENT,
        "SUCCESSFUL": Status.SENT,
        "FALLEN_BACK_TO_SMS": Status.SENT,
        "DELIVERED": Status.DELIVERED,
        "READ": Status.DELIVERED,
        "INVALID": Status.UNDELIVERED,
        "INVALID_MESSAGE": Status.UNDELIVERED,
        "UNREACHABLE": Status.UNDELIVERED,
        "CARRIER_UNREACHABLE": Status.UNDELIVERED,
        "BLOCKED": Status.UNDELIVERED,
        "CARRIER_BLOCKED": Status.UNDELIVERED,
        "SPAM": Status.UNDELIVERED,
        "TTL_EXPIRED": Status.UNDELIVERED,
        "UNKNOWN": Status.UNDELIVERED,
        "FAILED": Status.FAILED,
        "PROTECT_BLOCKED": Status.FAILED,
        "FILE_INACCESSIBLE": Status.FAILED,
        "FILE_TYPE_UNSUPPORTED": Status.FAILED,
        "FILE_SIZE_EXCEEDED": Status.FAILED,
    }
)
_HANDED_OVER: Final = frozenset({"SENT", "SUCCESSFUL"})
"""With `isFinal` it is all that the country's carriers ever tell of a text that went well."""

# https://docs.aws.amazon.com/sms-voice/latest/userguide/phone-numbers-request-two-way.html
# The words that AWS takes for STOP and HELP and answers, unless the number leaves them to us.
_KEYWORDS: Final[Mapping[str, OptOutKind]] = MappingProxyType(
    dict.fromkeys(
        ["ARRET", "CANCEL", "END", "OPT-OUT", "OPTOUT", "QUIT", "REMOVE", "STOP", "TD", "UNSUBSCRIBE"], OptOutKind.STOP
    )
    | {"HELP": OptOutKind.HELP}
)

# https://docs.aws.amazon.com/pinpoint/latest/apireference_smsvoicev2/API_CarrierLookup.html
# AWS does not say whether a number takes texts; this is what the kind of line suggests.
_LINE_TYPES: Final[Mapping[str, tuple[str, SmsCapable]]] = MappingProxyType(
    {
        "MOBILE": ("mobile", SmsCapable.YES),
        "PREPAID": ("mobile", SmsCapable.YES),
        "VOIP": ("voip", SmsCapable.UNKNOWN),
        "OTHER": ("unknown", SmsCapable.UNKNOWN),
        "LANDLINE": ("landline", SmsCapable.NO),
        "INVALID": ("unknown", SmsCapable.NO),
    }
)


def _of_both(meanings: Mapping[str, str]) -> dict[str, str]:
    """Events that there are of texts and of pictures."""
    return {f"{channel}_{word}": meaning for channel in ("TEXT", "MEDIA") for word, meaning in meanings.items()}


# An event by its type, a refusal by its exception and reason, and after `desc:` what an event says in words.
# https://docs.aws.amazon.com/pinpoint/latest/apireference_smsvoicev2/API_SendTextMessage.html#API_SendTextMessage_Errors
CODES: Final[Mapping[str, CodeMeaning]] = MappingProxyType(
    {
        # -- The sender ------------------------------------------------------------------------------------------
        **code_rows(
            Cause.SENDER_NOT_OURS,
            {
                "ResourceNotFoundException": "the account has no such sender in this region, or no such setting",
                "ValidationException/RESOURCE_NOT_ACCESSIBLE": "the sender belongs to another account",
            },
        ),
        **code_rows(
            Cause.SENDER_NOT_SMS_CAPABLE,
            {
                "ConflictException/NUMBER_CAPABILITIES_MISMATCH": "the sender cannot send texts",
                "ValidationException/CHANNEL_NOT_ENABLED": "the sender is not enabled for texts",
            },
        ),
        **code_rows(
            Cause.SENDER_NOT_REGISTERED,
            {
                "ConflictException/REGISTRATION_NOT_COMPLETE": "the registration of the sender is not finished",
                "ConflictException/RESOURCE_NOT_ACTIVE": "the sender is not active yet, or not any more",
                "ValidationException/SENDER_ID_NOT_REGISTERED": "the name is not registered",
                "ValidationException/SENDER_ID_REQUIRES_REGISTRATION": "the country wants the name registered before",
            },
        ),
        **code_rows(
            Cause.SENDER_MISMATCH,
            {
                "ConflictException/KEYWORD_MISMATCH": "the keyword is none of the sender's",
                "ConflictException/MESSAGE_TYPE_MISMATCH": "the sender is for the other type of message",
                "ConflictException/NO_ORIGINATION_IDENTITIES_FOUND": "no sender can text this destination",
                "ValidationException/INVALID_IDENTITY_FOR_DESTINATION_COUNTRY": "the country takes no such sender",
                "ValidationException/SENDER_ID_NOT_SUPPORTED": "the country takes no names as senders",
            },
        ),
        # -- The recipient ---------------------------------------------------------------------------------------
        **code_rows(
            Cause.INVALID_NUMBER,
            {
                **_of_both({"INVALID": "the recipient is no valid number"}),
                "desc:Invalid phone number": "the recipient is no valid number",
            },
        ),
        **code_rows(
            Cause.UNREACHABLE,
            {
                **_of_both({"UNREACHABLE": "the phone is off or out of reach"}),
                "desc:Phone is currently unreachable/unavailable": "the phone is off or out of reach",
            },
        ),
        **code_rows(
            Cause.EXPIRED,
            _of_both({"TTL_EXPIRED": "waited longer than it was valid"}),
        ),
        **code_rows(
            Cause.OPTED_OUT,
            {
                "ConflictException/DESTINATION_PHONE_NUMBER_OPTED_OUT": "the recipient is on the opt-out list",
                "ValidationException/PHONE_NUMBER_CANNOT_BE_OPTED_IN": "the recipient cannot be brought back",
                "desc:Phone number is opted out": "the recipient is on the opt-out list",
            },
        ),
        # -- Blocked on the way ----------------------------------------------------------------------------------
        **code_rows(
            Cause.BLOCKED,
            {
                **_of_both({"BLOCKED": "blocked for this recipient, by the phone or by its carrier"}),
                "ConflictException/DESTINATION_PHONE_NUMBER_BLOCKED_BY_PROTECT_NUMBER_OVERRIDE": (
                    "the account's protect configuration blocks this number"
                ),
                "desc:Destination is on a blocked list": "the recipient is on a list of blocked numbers",
                "desc:Phone has blocked SMS": "the phone takes no texts",
                "desc:Phone is on a blocked list": "the recipient is on a list of blocked numbers",
            },
        ),
        **code_rows(
            Cause.FILTERED,
            {
                **_of_both({"CARRIER_BLOCKED": "the carrier took it for abuse"}),
                **_of_both({"SPAM": "the carrier took it for spam"}),
                "desc:Blocked as spam by phone carrier": "the carrier took it for spam",
                "desc:Phone carrier has blocked this message": "the carrier refused this text",
            },
        ),
        # -- What it says, what it shows -------------------------------------------------------------------------
        **code_rows(
            Cause.CONTENT_REJECTED,
            {
                **_of_both({"INVALID_MESSAGE": "the text cannot be sent as it is"}),
                "ValidationException/MAXIMUM_SIZE_EXCEEDED": "too long",
                "desc:Message body is invalid": "the text cannot be sent as it is",
            },
        ),
        **code_rows(
            Cause.MEDIA_REJECTED,
            {
                "MEDIA_FILE_INACCESSIBLE": "the picture could not be read from its bucket",
                "MEDIA_FILE_TYPE_UNSUPPORTED": "this type of file is not taken",
                "MEDIA_FILE_SIZE_EXCEEDED": "the file is too large",
                "ValidationException/MEDIA_TYPE_NOT_SUPPORTED": "this type of file is not taken",
            },
        ),
        # -- Too much --------------------------------------------------------------------------------------------
        # Numbers have rates of their own, from one part a second: the others go on.
        **code_rows(
            Cause.RATE_LIMITED,
            {"ThrottlingException": "more than the rate of the sender"},
            retry=True,
            about=Scope.SENDER,
        ),
        **code_rows(
            Cause.RATE_LIMITED,
            {"ServiceQuotaExceededException/DAILY_DESTINATION_CALL_LIMIT": "the day's limit for the number is reached"},
        ),
        # -- The account -----------------------------------------------------------------------------------------
        **code_rows(
            Cause.AUTH,
            {
                "AccessDeniedException": "the credentials may not send",
                "AccessDeniedException/ACCOUNT_DISABLED": "sending is disabled for this account",
                "AccessDeniedException/INSUFFICIENT_ACCOUNT_REPUTATION": "the account's reputation is too low",
                # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html
                # What every service of AWS's says of credentials, and of a clock that is wrong by five minutes.
                "ExpiredTokenException": "the credentials have ended",
                "IncompleteSignatureException": "the signature is not whole",
                "InvalidClientTokenId": "there is no such access key",
                "InvalidSignatureException": "the secret is another one, or this computer's clock is wrong",
                "MissingAuthenticationTokenException": "the request is not signed",
                "OptInRequired": "the account has not subscribed to the service",
                "RequestExpired": "this computer's clock is wrong",
                "SignatureDoesNotMatch": "the secret is another one",
                "UnrecognizedClientException": "there is no such access key",
            },
        ),
        **code_rows(
            Cause.BALANCE,
            {
                "ServiceQuotaExceededException/MONTHLY_SPEND_LIMIT_REACHED_FOR_TEXT": (
                    "the month's limit of spending on texts is reached"
                ),
                "ServiceQuotaExceededException/MONTHLY_SPEND_LIMIT_REACHED_FOR_MEDIA": (
                    "the month's limit of spending on pictures is reached"
                ),
            },
        ),
        **code_rows(
            Cause.PERMISSION_OR_REGION,
            {
                "TEXT_PROTECT_BLOCKED": "the account's protect configuration blocks the country",
                "ConflictException/DESTINATION_COUNTRY_BLOCKED_BY_PROTECT_CONFIGURATION": (
                    "the account's protect configuration blocks the country"
                ),
                "ConflictException/DESTINATION_PHONE_NUMBER_NOT_VERIFIED": "sandbox: the recipient is not verified",
                "ConflictException/PHONE_NUMBER_NOT_IN_REGISTRATION_REGION": "the sender is of another region",
                "ValidationException/COUNTRY_CODE_MISMATCH": "sender and recipient are in different countries",
                "ValidationException/COUNTRY_NOT_ENABLED": "texts to this country are not enabled",
                "ValidationException/DESTINATION_COUNTRY_BLOCKED": "texts to this country are blocked",
                "ValidationException/INTERNATIONAL_SENDING_NOT_SUPPORTED": "the sender cannot text abroad",
            },
        ),
        # -- Outages ---------------------------------------------------------------------------------------------
        # InternalServerException comes with HTTP 500 and does not say that nothing was sent: it is uncertain first.
        **code_rows(
            Cause.CARRIER_OUTAGE,
            {
                **_of_both({"CARRIER_UNREACHABLE": "the phone's carrier could not be reached"}),
                "InternalServerException": "an error inside AWS",
                "desc:Phone carrier is currently unreachable/unavailable": "the phone's carrier could not be reached",
            },
            retry=True,
        ),
        # -- Without a reason, or about something that is no text of ours ----------------------------------------
        **code_rows(
            Cause.UNKNOWN,
            {
                **_of_both({"UNKNOWN": "no carrier said within 72 hours what became of it: it may have arrived"}),
                "desc:This delivery would exceed max price": "dearer than max_price",
                "desc:Unknown error attempting to reach phone": "no reason was given",
                "ConflictException/OPT_OUT_LIST_MISMATCH": "setup: senders of a pool have different opt-out lists",
                "ConflictException/SELF_MANAGED_OPT_OUTS_MISMATCH": "setup: senders of a pool handle STOP differently",
                "ConflictException/TWO_WAY_CONFIG_MISMATCH": "setup: senders of a pool have different two-way settings",
                # A field of the request: which one, decides (`_ABOUT_FIELDS`).
                "ValidationException/CANNOT_PARSE": "a field could not be read",
                "ValidationException/FIELD_VALIDATION_FAILED": "a field is not valid",
                "ValidationException/INVALID_ARN": "a name of AWS's is not valid",
                "ValidationException/INVALID_PARAMETER": "a parameter is not valid",
                "ValidationException/INVALID_REQUEST": "the request is not valid",
                "ValidationException/MISSING_PARAMETER": "a parameter is missing",
                "ValidationException/OTHER": "no reason was given",
                "ValidationException/PARAMETERS_CANNOT_BE_USED_TOGETHER": "two parameters exclude each other",
                "ValidationException/PRICE_OVER_THRESHOLD": "dearer than max_price",
            },
        ),
    }
)

_ABOUT_FIELDS: Final[Mapping[str, Cause]] = MappingProxyType(
    {
        "destinationphonenumber": Cause.INVALID_NUMBER,
        "originationidentity": Cause.SENDER_NOT_OURS,
        "messagebody": Cause.CONTENT_REJECTED,
    }
)
"""What a request that is not valid for no better reason is refused for, by the field that AWS names."""

_AUTH: Final = CodeMeaning(cause=Cause.AUTH, meaning="the credentials were refused")
_BY_HTTP_STATUS: Final[Mapping[int, CodeMeaning]] = MappingProxyType(
    {
        401: _AUTH,
        403: _AUTH,
        413: CodeMeaning(cause=Cause.CONTENT_REJECTED, meaning="the request is too large"),
        429: CodeMeaning(cause=Cause.RATE_LIMITED, meaning="too many requests", retry=True),
    }
)
_SENDER_RESOURCES: Final = frozenset({"", "phone-number", "sender-id", "pool", "rcs-agent"})

# https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
_OF_CONFIRMATIONS: Final = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
_SIGNED: Final[Mapping[str, Sequence[str]]] = MappingProxyType(
    {
        "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
        "SubscriptionConfirmation": _OF_CONFIRMATIONS,
        "UnsubscribeConfirmation": _OF_CONFIRMATIONS,
    }
)
"""What is signed of each type of message, in this order; a subject is not always there."""
_HASHES: Final[Mapping[str, HashAlgorithm]] = MappingProxyType(
    {"1": SHA1(), "2": SHA256()}  # noqa: S303 -- what SNS signs with as long as the topic does not say otherwise
)
_MIN_KEY_BITS: Final = 2048
_SNS_HOSTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "aws": "sns.{region}.amazonaws.com",
        "aws-us-gov": "sns.{region}.amazonaws.com",
        "aws-cn": "sns.{region}.amazonaws.com.cn",
    }
)
"""Where a partition has its certificates, and where it is told that a subscription is wanted."""
_CERTIFICATE_PATH: Final = re.compile(r"/SimpleNotificationService-[0-9A-Za-z]{1,64}\.pem")
_SNS_NAME: Final = re.compile(r"sns([.-][a-z0-9-]+)*\.amazonaws\.com(\.cn)?")
"""`sns.amazonaws.com`, `sns-signing.ap-east-1.amazonaws.com`, `sns-us-gov-west-1.amazonaws.com`, ...: as AWS's own SDK
for Java lists them."""

_TARGETS: Final = "PinpointSMSVoiceV2."
"""Before the name of the operation."""
_JSON: Final = "application/x-amz-json-1.0"
_BY_EVENTBRIDGE: Final = "aws.sms-voice"
"""The source of an event that a rule of EventBridge's sent to the topic, with the event itself in its `detail`:
https://docs.aws.amazon.com/sms-voice/latest/userguide/monitor-event-bridge.html"""
_REF: Final = "ref"
"""Our reference in the `Context` of a send, which its events repeat."""
_MIN_TIME_TO_LIVE_S: Final = 5
_MAX_TIME_TO_LIVE_S: Final = 259_200
_MAX_EVIDENCE_CHARS: Final = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class _Key:
    """A certificate of SNS's and where it lay."""

    url: str
    certificate: x509.Certificate
    public: RSAPublicKey

    def is_valid(self, now_ms: int) -> bool:
        begin, end = self.certificate.not_valid_before_utc, self.certificate.not_valid_after_utc
        return begin.timestamp() * 1000 <= now_ms <= end.timestamp() * 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class AwsEum(Carrier):
    """One AWS account in one region. docs/carriers/aws_eum.md explains each setting."""

    name: ClassVar[str] = "aws_eum"
    abilities: ClassVar[Abilities] = Abilities(max_text_chars=1600, answers_stop=True, lookup=True)
    codes: ClassVar[Mapping[str, CodeMeaning]] = CODES
    # SNS takes a 4xx for a yes, and a text that is refused for a wrong setting of ours would not come again.
    refusal: ClassVar[Response] = Response.text("The signature did not match.\n", status=503)

    region: str
    access_key_id: str
    secret_access_key: str = field(repr=False)
    topic_arns: tuple[str, ...]
    """The topics that texts and receipts come over. Anybody can have SNS sign what is in a topic of theirs."""
    configuration_set: str
    """Without one AWS tells nothing of what becomes of a text."""
    protect_configuration: str = ""
    message_type: str = ""
    max_price: str = ""
    time_to_live_s: int | None = None
    """How long a text may wait at AWS, unless the part says otherwise."""
    sha256_only: bool = False
    """Refuses signatures with SHA-1 (`SignatureVersion` 1)."""
    api_url: str
    key: _Key | None = field(default=None, repr=False)

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any], urls: AccountUrls) -> Self:  # noqa: ARG003 -- SNS has ours
        made, problems = read_settings(settings, _READERS)
        problems += _missing(settings)
        if problems:
            raise ValueError("\n".join(problems))
        made.setdefault("api_url", f"https://sms-voice.{made['region']}.amazonaws.com")
        return cls(**made)

    def write_setup(self, webhook: str) -> Sequence[str]:
        topics = " and ".join(self.topic_arns)
        return (
            "End User Messaging SMS: switch on two-way for each number, with the topic for texts as its destination",
            f"The configuration set {self.configuration_set}: send all TEXT_ events to the topic for receipts",
            f"SNS, {topics}: subscribe {webhook} by HTTPS, raw message delivery off",
            "Give each subscription a dead-letter queue and a patient delivery policy; the bridge confirms by itself",
        )

    # -- Webhooks ----------------------------------------------------------------------------------------------------

    def verify(self, request: Request, now_ms: int) -> None:
        """https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html

        The signature covers values of the envelope: neither the URL nor a header, nor how the JSON is spelt. It holds
        a time, which is not looked at: what lies in a dead-letter queue may be posted days later, and a repeat is told
        by its id.
        """
        envelope = _read_envelope(request)
        url = self._certificate_url(envelope)
        version = text_at(envelope, "SignatureVersion")
        if version not in _HASHES:
            raise BadSignature("Its SignatureVersion is neither 1 nor 2.")
        if self.sha256_only and version != "2":
            raise BadSignature(
                "It is signed with SHA-1.", hint="Set SignatureVersion of the topic to 2, or sha256_only to false."
            )
        if self.key is None or self.key.url != url:
            raise KeyWanted(Request(method="GET", url=url))
        if not self.key.is_valid(now_ms):
            raise BadSignature(
                "The certificate that it names is not valid at this time.", hint="Is this computer's clock right?"
            )
        try:
            signature = b64decode(text_at(envelope, "Signature"), validate=True)
            self.key.public.verify(signature, _write_signed(envelope), PKCS1v15(), _HASHES[version])
        except (InvalidSignature, ValueError):
            raise BadSignature("Its Signature does not fit its values and the certificate that it names.") from None

    def with_key(self, url: str, key: bytes) -> Self:
        """Whether it is SNS's certificate is said by where it lay, which HTTPS proves, and by its names: nobody who
        issues certificates is asked. Without its names any file of Amazon's with a certificate in it would do."""
        try:
            certificate = x509.load_pem_x509_certificate(key)
            public = certificate.public_key()
            names = set(_names_of(certificate))
        except (ValueError, UnsupportedAlgorithm, x509.DuplicateExtension):
            raise Unreadable("no certificate that can be read") from None
        if not isinstance(public, RSAPublicKey) or public.key_size < _MIN_KEY_BITS:
            raise Unreadable("a certificate without an RSA key of at least 2048 bits")
        if not any(_SNS_NAME.fullmatch(name) for name in names):
            raise Unreadable("a certificate that is not SNS's")
        return replace(self, key=_Key(url=url, certificate=certificate, public=public))

    def read_webhook(self, request: Request) -> Sequence[CarrierEvent]:
        """A text, an event, or what SNS has to say of the subscription; never more than one in a request.

        https://docs.aws.amazon.com/sns/latest/dg/http-subscription-confirmation-json.html
        """
        envelope = read_json(request.body)
        match text_at(envelope, "Type"):
            case "Notification":
                return [_read_notification(envelope)]
            case "SubscriptionConfirmation":
                return [self._read_confirmation(envelope)]
            case "UnsubscribeConfirmation":
                # Whoever ended the subscription meant it: to take it up again is for people.
                return [Ignored(reason="unsubscribed")]
            case _:
                raise Unreadable("no message of SNS's")

    def acknowledge(self, events: Sequence[CarrierEvent]) -> Response:  # noqa: ARG002 -- SNS reads the status alone
        return Response(status=200)

    # -- Sending -----------------------------------------------------------------------------------------------------

    def write_send(self, part: OutboundPart) -> Request:
        """https://docs.aws.amazon.com/pinpoint/latest/apireference_smsvoicev2/API_SendTextMessage.html"""
        time_to_live_s = self.time_to_live_s if part.validity_s is None else part.validity_s
        if time_to_live_s is not None:
            time_to_live_s = min(max(time_to_live_s, _MIN_TIME_TO_LIVE_S), _MAX_TIME_TO_LIVE_S)
        fields = {
            "DestinationPhoneNumber": part.to,
            "OriginationIdentity": part.sender,
            "MessageBody": part.text,
            "MessageType": self.message_type,
            "ConfigurationSetName": self.configuration_set,
            "ProtectConfigurationId": self.protect_configuration,
            "MaxPrice": self.max_price,
            "TimeToLive": time_to_live_s,
            "Context": {_REF: part.ref},
        }
        body = write_json({name: value for name, value in fields.items() if value not in ("", None)})
        return self._call("SendTextMessage", body, part.at_ms)

    def read_send(self, response: Response) -> SendOutcome:
        answer = read_object(response.body)
        if response.ok:
            sid = text_at(answer, "MessageId")
            if _MESSAGE_ID.fullmatch(sid):
                return Accepted(carrier_message_id=sid, evidence=_evidence("", "", response.status))
            return Uncertain(
                reason=f"AWS answered HTTP {response.status} without a message",
                evidence=_evidence("", "", response.status),
            )
        exception = _exception_of(answer, response)
        reason = text_at(answer, "Reason")
        code = f"{exception}/{reason}" if reason else exception
        evidence = _evidence(code, text_at(answer, "Message") or text_at(answer, "message"), response.status)
        meaning = CODES.get(code) or CODES.get(exception)
        says_no = 400 <= response.status < 500 and exception != "InternalServerException"
        if not says_no or (response.status == 408 and meaning is None):
            return Uncertain(reason=f"AWS answered HTTP {response.status}", evidence=evidence)
        meaning = meaning or _BY_HTTP_STATUS.get(response.status, NO_MEANING)
        if meaning.retry:
            after_s = read_retry_after_s(response.headers)
            return RetryLater(cause=meaning.cause, after_s=after_s, about=meaning.about, evidence=evidence)
        return Rejected(cause=_cause_of(meaning.cause, exception, answer), evidence=evidence)

    # -- Looking things up -------------------------------------------------------------------------------------------

    def write_lookup(self, number: str, now_ms: int) -> Request:
        """https://docs.aws.amazon.com/pinpoint/latest/apireference_smsvoicev2/API_CarrierLookup.html"""
        return self._call("CarrierLookup", write_json({"PhoneNumber": number}), now_ms)

    def read_lookup(self, number: str, response: Response, now_ms: int) -> Capability | None:
        kind = text_at(read_object(response.body), "PhoneNumberType") if response.ok else ""
        if kind not in _LINE_TYPES:
            return None
        line_type, capable = _LINE_TYPES[kind]
        valid = kind != "INVALID"
        return looked_up(number, valid=valid, line_type=line_type, sms_capable=capable, now_ms=now_ms)

    # -- Private -----------------------------------------------------------------------------------------------------

    def _certificate_url(self, envelope: Mapping[str, Any]) -> str:
        """Where the certificate lies that it says it is signed with. Raises BadSignature for any place but SNS's."""
        topic = text_at(envelope, "TopicArn")
        if topic not in self.topic_arns:
            said = f" Is {topic} to be one of them?" if _TOPIC_ARN.fullmatch(topic) else ""
            raise BadSignature("It comes from a topic that is not in topic_arns.", hint=said.strip())
        url = text_at(envelope, "SigningCertURL")
        base = _sns_url(topic)
        if not (url.startswith(base + "/") and _CERTIFICATE_PATH.fullmatch(url.removeprefix(base))):
            raise BadSignature(f"Its SigningCertURL is not at {base}.")
        return url

    def _read_confirmation(self, envelope: Mapping[str, Any]) -> CarrierEvent:
        """SNS posts nothing before its SubscribeURL was asked for."""
        topic, url = text_at(envelope, "TopicArn"), text_at(envelope, "SubscribeURL")
        if topic not in self.topic_arns:
            return Unrecognized(reason="another_topic")
        if not url.startswith(_sns_url(topic) + "/?") or not _VISIBLE_ASCII.fullmatch(url):
            return Unrecognized(reason="another_subscribe_url")
        query = parse_qs(urlsplit(url).query)
        if (query.get("Action"), query.get("TopicArn")) != (["ConfirmSubscription"], [topic]):
            return Unrecognized(reason="another_subscribe_url")
        return Handshake(url=url)

    def _call(self, operation: str, body: bytes, at_ms: int) -> Request:
        headers = self._sign(_TARGETS + operation, body, at_ms)
        return Request(method="POST", url=self.api_url + "/", headers=headers, body=body)

    def _sign(self, target: str, body: bytes, at_ms: int) -> Headers:
        """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html"""
        at = write_time(at_ms)[:19].replace("-", "").replace(":", "") + "Z"
        scope = f"{at[:8]}/{self.region}/sms-voice/aws4_request"
        signed = {"content-type": _JSON, "host": _host_of(self.api_url), "x-amz-date": at, "x-amz-target": target}
        names = ";".join(signed)
        lines = ["POST", "/", "", *(f"{name}:{value}" for name, value in signed.items()), "", names, sha256_hex(body)]
        to_sign = "\n".join(["AWS4-HMAC-SHA256", at, scope, sha256_hex("\n".join(lines).encode())])
        secret = b"AWS4" + self.secret_access_key.encode()
        for part in (*scope.split("/"), to_sign):
            secret = hmac_digest("sha256", secret, part.encode())
        facts = f"Credential={self.access_key_id}/{scope}, SignedHeaders={names}, Signature={secret.hex()}"
        return Headers(
            [
                ("Content-Type", _JSON),
                ("X-Amz-Date", at),
                ("X-Amz-Target", target),
                ("Authorization", "AWS4-HMAC-SHA256 " + facts),
            ]
        )


# -- Reading webhooks ------------------------------------------------------------------------------------------------


def _read_envelope(request: Request) -> Mapping[str, Any]:
    """Raises BadSignature for what has no envelope, and so no signature."""
    envelope = read_object(request.body)
    if text_at(envelope, "Type") in _SIGNED:
        return envelope
    is_raw = request.headers.get("X-Amz-SNS-RawDelivery").lower() == "true" or _is_payload(envelope)
    raise BadSignature(
        "It is no message of SNS's, or comes without its envelope, which has the signature.",
        hint="Switch off raw message delivery of the subscription at SNS." if is_raw else "",
    )


def _is_payload(fields: Mapping[str, Any]) -> bool:
    return "eventType" in fields or "inboundMessageId" in fields


def _write_signed(envelope: Mapping[str, Any]) -> bytes:
    names = _SIGNED[text_at(envelope, "Type")]
    values = ((name, envelope.get(name)) for name in names)
    return "".join([f"{name}\n{value}\n" for name, value in values if isinstance(value, str)]).encode(
        "utf-8", "surrogatepass"
    )


def _names_of(certificate: x509.Certificate) -> Iterator[str]:
    for attribute in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME):
        yield str(attribute.value)
    for extension in certificate.extensions:
        if isinstance(extension.value, x509.SubjectAlternativeName):
            yield from extension.value.get_values_for_type(x509.DNSName)


def _read_notification(envelope: Mapping[str, Any]) -> CarrierEvent:
    fields = read_json(text_at(envelope, "Message").encode("utf-8", "surrogatepass"))
    if text_at(fields, "source") == _BY_EVENTBRIDGE:
        fields = value_at(fields, "detail")
    if text_at(fields, "eventType"):
        return _read_event(fields)
    if text_at(fields, "originationNumber") and text_at(fields, "destinationNumber"):
        return _read_text(fields, envelope)
    return Unrecognized(reason="neither_text_nor_event")


def _read_text(fields: Mapping[str, Any], envelope: Mapping[str, Any]) -> CarrierEvent:
    """https://docs.aws.amazon.com/sms-voice/latest/userguide/two-way-sms-payload.html

    It has no time of its own: SNS's is within a second or two of it.
    """
    sid = text_at(fields, "inboundMessageId") or text_at(envelope, "MessageId")
    if not sid:
        return Unrecognized(reason="no_message_id")
    return InboundMessage(
        carrier_message_id=sid,
        from_number=text_at(fields, "originationNumber"),
        to_number=text_at(fields, "destinationNumber"),
        text=text_at(fields, "messageBody"),
        carrier_at_ms=read_time_ms(text_at(envelope, "Timestamp")),
        opt_out=_KEYWORDS.get(text_at(fields, "messageKeyword").upper()),
    )


def _read_event(fields: Mapping[str, Any]) -> CarrierEvent:
    """https://docs.aws.amazon.com/sms-voice/latest/userguide/configuration-sets-event-format.html"""
    kind, sid = text_at(fields, "eventType"), text_at(fields, "messageId")
    channel, _, word = kind.partition("_")
    if channel == "VOICE":
        return Ignored(reason="voice")
    status = STATUSES.get(word) if channel in ("TEXT", "MEDIA", "RCS") else None
    if status is None:
        return Unrecognized(reason="unknown_event")
    if not sid:
        return Unrecognized(reason="no_message_id")
    is_final, at_ms = value_at(fields, "isFinal"), value_at(fields, "eventTimestamp")
    if is_final is True and word in _HANDED_OVER:
        status = Status.DELIVERED
    if is_final is False and status in FAILURES:
        status = Status.SENT  # AWS goes on trying
    failed = status in FAILURES
    words = text_at(fields, "messageStatusDescription")
    return Receipt(
        carrier_message_id=sid,
        status=status,
        part_ref=text_at(fields, "context", _REF),
        key=f"{sid}:{kind}:{'final' if is_final is True else ''}",
        cause=_cause_of_event(kind, word, words) if failed else None,
        evidence=_evidence(kind, words),
        carrier_at_ms=at_ms if isinstance(at_ms, int) and not isinstance(at_ms, bool) and 0 <= at_ms < 10**14 else None,
    )


def _cause_of_event(kind: str, word: str, words: str) -> Cause:
    """The words tell more than the type where they are among those that are known."""
    rows = (CODES.get(code) for code in (f"desc:{words.strip().rstrip('.')}", kind, f"TEXT_{word}", f"MEDIA_{word}"))
    return next((row.cause for row in rows if row is not None and row.cause is not Cause.UNKNOWN), Cause.UNKNOWN)


# -- Reading answers -------------------------------------------------------------------------------------------------

_MESSAGE_ID: Final = re.compile(r"[!-~]{1,128}")


def _exception_of(answer: Mapping[str, Any], response: Response) -> str:
    """`ValidationException`, which the body writes behind a `#`, and a header before a `:`."""
    name = text_at(answer, "__type").rpartition("#")[2] or response.headers.get("X-Amzn-ErrorType").partition(":")[0]
    return name if _EXCEPTION.fullmatch(name) else ""


_EXCEPTION: Final = re.compile(r"[A-Za-z]{1,64}")


def _cause_of(cause: Cause, exception: str, answer: Mapping[str, Any]) -> Cause:
    """What AWS says besides the code: which field is not valid, or what there is none of."""
    if exception == "ValidationException" and cause is Cause.UNKNOWN:
        named = (_ABOUT_FIELDS.get(text_at(each, "Name").lower()) for each in list_at(answer, "Fields"))
        return next((about for about in named if about is not None), cause)
    if exception == "ResourceNotFoundException" and text_at(answer, "ResourceType") not in _SENDER_RESOURCES:
        return Cause.PERMISSION_OR_REGION
    return cause


def _evidence(code: str, text: str, http_status: int | None = None) -> Evidence:
    return Evidence(code=code[:_MAX_CODE_CHARS], text=text[:_MAX_EVIDENCE_CHARS], http_status=http_status)


_MAX_CODE_CHARS: Final = 130


# -- Addresses -------------------------------------------------------------------------------------------------------

_REGION: Final = re.compile(r"[a-z]{2}(-[a-z]{2,12}){1,2}-[1-9]")
_TOPIC_ARN: Final = re.compile(
    rf"arn:(?P<partition>aws|aws-cn|aws-us-gov):sns:(?P<region>{_REGION.pattern}):[0-9]{{12}}:[A-Za-z0-9_-]{{1,256}}"
)
_VISIBLE_ASCII: Final = re.compile(r"[!-~]{1,2000}")


def _sns_url(topic_arn: str) -> str:
    """Where SNS lives in the topic's region. For topics of the settings, which were read."""
    topic = _TOPIC_ARN.fullmatch(topic_arn)
    if topic is None:
        raise ValueError("no topic")
    return "https://" + _SNS_HOSTS[topic["partition"]].format(region=topic["region"])


def _host_of(api_url: str) -> str:
    """As it stands in the Host header, where the scheme's own port is left out."""
    return urlsplit(api_url).netloc.removesuffix(":443" if api_url.startswith("https:") else ":80")


# -- Settings --------------------------------------------------------------------------------------------------------

_REQUIRED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "region": "give the region of your numbers, like us-east-1",
        "access_key_id": "give the access key of an IAM user that may call sms-voice:SendTextMessage",
        "secret_access_key": "give the secret that belongs to access_key_id",
        "topic_arns": "give the SNS topics of your numbers and of your configuration set",
        "configuration_set": "give the set whose event destination is one of topic_arns; without one no receipts come",
    }
)


def _missing(settings: Mapping[str, Any]) -> Iterable[str]:
    return [f"{key}: is missing; {cure}" for key, cure in _REQUIRED.items() if not settings.get(key)]


def _read_topics(value: object) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)) or not all(
        isinstance(each, str) and _TOPIC_ARN.fullmatch(each) for each in value
    ):
        raise ValueError(
            'is not a list of standard SNS topics; like ["arn:aws:sns:us-east-1:111122223333:texts"] (no .fifo)'
        )
    return tuple(value)


_AWS_NAME: Final = "[A-Za-z0-9_:/-]{1,256}"
_READERS: Final[Mapping[str, Reader]] = MappingProxyType(
    {
        "region": reader_of_text(_REGION.pattern, _REQUIRED["region"]),
        "access_key_id": reader_of_text(
            "A[A-Z0-9]{15,127}",
            "it begins with AKIA; keys that end by themselves (ASIA) are not taken",
        ),
        "secret_access_key": read_secret,
        "topic_arns": _read_topics,
        "configuration_set": reader_of_text(_AWS_NAME, "give its name or its ARN"),
        "protect_configuration": reader_of_text(_AWS_NAME, "give its id, like protect-0123456789abcdef, or its ARN"),
        "message_type": reader_of_word("TRANSACTIONAL", "PROMOTIONAL"),
        "max_price": reader_of_text(r"[0-9]{0,2}\.[0-9]{1,5}", 'give US dollars as a text, like "0.05"'),
        "time_to_live_s": reader_of_number(_MIN_TIME_TO_LIVE_S, _MAX_TIME_TO_LIVE_S, "seconds"),
        "sha256_only": read_switch,
        "api_url": read_base_url,
    }
)


ADAPTER: Final[type[Carrier]] = AwsEum
