"""AWS End User Messaging: JSON under Signature Version 4; texts and receipts as notifications of SNS.

What SNS signs is proven with a certificate that lies at Amazon's own host. The one made here is handed to the bridge
with that address (`write_keys`) and never lies there: nothing but a demo or a test takes it.

https://docs.aws.amazon.com/sms-voice/latest/userguide/two-way-sms.html
"""

from __future__ import annotations

import hmac
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, ClassVar, Final

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from smsbridge.simulator.account import CarrierMessage, OwnNumber
from smsbridge.simulator.callbacks import Overrides, Webhook
from smsbridge.simulator.dialect import OTHER, Call, Dialect, Office, Wish, Words, flatten
from smsbridge.simulator.personas import Step
from smsbridge.simulator.times import rfc3339
from smsbridge.wire.encoding import read_object, text_at, value_at, write_json
from smsbridge.wire.signing import same_text, sha256_hex

# https://docs.aws.amazon.com/pinpoint/latest/apireference_smsvoicev2/API_SendTextMessage.html#API_SendTextMessage_Errors
# At once: exception and reason. By event: its status, with the words that come with it.
_WORDS: Final[Mapping[int, Words]] = MappingProxyType(
    {
        OTHER: Words("ValidationException/FIELD_VALIDATION_FAILED", "The request is not valid."),
        20003: Words("InvalidSignatureException", "The request signature does not match."),
        20404: Words("ResourceNotFoundException", "Not found."),
        20413: Words("ValidationException/MAXIMUM_SIZE_EXCEEDED", "Too large."),
        20429: Words("ThrottlingException", "Rate exceeded."),
        20500: Words("InternalServerException", "Internal error.", status=500),
        21211: Words("INVALID", "Invalid phone number", late=True),
        21265: Words("INVALID", "Invalid phone number", late=True),
        21408: Words("ValidationException/COUNTRY_NOT_ENABLED", "The country is not enabled."),
        21606: Words("ValidationException/RESOURCE_NOT_ACCESSIBLE", "The origination identity is not yours."),
        21610: Words("ConflictException/DESTINATION_PHONE_NUMBER_OPTED_OUT", "The destination has opted out."),
        21611: Words("ThrottlingException", "Rate exceeded."),
        21614: Words("INVALID", "Invalid phone number", late=True),
        21659: Words("ValidationException/RESOURCE_NOT_ACCESSIBLE", "The origination identity is not yours."),
        30003: Words("UNREACHABLE", "Phone is currently unreachable/unavailable"),
        30004: Words("BLOCKED", "Phone has blocked SMS"),
        30005: Words("INVALID", "Invalid phone number"),
        30006: Words("INVALID", "Invalid phone number"),
        30007: Words("SPAM", "Blocked as spam by phone carrier"),
        30008: Words("UNKNOWN", "Unknown error attempting to reach phone"),
        30011: Words("CARRIER_BLOCKED", "Phone carrier has blocked this message"),
        30034: Words("CARRIER_BLOCKED", "Phone carrier has blocked this message"),
        30036: Words("TTL_EXPIRED", "The message was not delivered in time"),
    }
)

_STATES: Final = {"sent": "SENT", "delivered": "DELIVERED"}
_REGION: Final = "us-east-1"
_SNS_HOST: Final = f"sns.{_REGION}.amazonaws.com"
_SCOPE: Final = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, ?"
    r"SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})"
)


class AwsEum(Dialect):
    name: ClassVar[str] = "aws_eum"
    user_agent: ClassVar[str] = "Amazon Simple Notification Service Agent"
    sends: ClassVar[Sequence[str]] = ("/",)
    words: ClassVar[Mapping[int, Words]] = _WORDS
    max_media: ClassVar[int] = 0
    connection: ClassVar[Overrides] = Overrides(
        ct_ms=15_000,
        rt_ms=15_000,
        tt_ms=60_000,
        rc=3,
        rp=frozenset({"ct", "rt", "5xx"}),
        waits_s=(20,),
        taken=range(200, 500),
    )

    def __init__(self, office: Office) -> None:
        super().__init__(office)
        self._key_id = f"AKIA{office.secret('key id').hex()[:16].upper()}"
        self._key = office.secret("key").hex()[:40]
        self._topic = f"arn:aws:sns:{_REGION}:111122223333:sms"
        self._signing_key = generate_private_key(public_exponent=65_537, key_size=2_048)
        name = office.secret("certificate").hex()[:32]
        self._certificate_url = f"https://{_SNS_HOST}/SimpleNotificationService-{name}.pem"

    def write_account(self) -> dict[str, Any]:
        return {
            "type": self.name,
            "region": _REGION,
            "access_key_id": self._key_id,
            "secret_access_key": self._key,
            "configuration_set": "simulated",
            "topic_arns": [self._topic],
            "api_url": self.office.url,
        }

    def write_keys(self) -> Mapping[str, bytes]:
        return {self._certificate_url: _write_certificate(self._signing_key, self.office.clock())}

    # The API

    def refuse_caller(self, call: Call) -> web.Response | None:
        """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html"""
        given = _SCOPE.fullmatch(call.header("Authorization"))
        if given and same_text(given[6], self._sign(call, given)):
            return None
        return self.write_refusal(call, 20003)

    def _sign(self, call: Call, given: re.Match[str]) -> str:
        key_id, day, region, service, names, _ = given.groups()
        if (key_id, region) != (self._key_id, _REGION):
            return ""
        scope = f"{day}/{region}/{service}/aws4_request"
        headers = "".join(f"{name}:{' '.join(call.header(name).split())}\n" for name in names.split(";"))
        canonical = "\n".join((call.request.method, "/", "", headers, names, sha256_hex(call.body)))
        text = f"AWS4-HMAC-SHA256\n{call.header('X-Amz-Date')}\n{scope}\n{sha256_hex(canonical.encode())}"
        key = f"AWS4{self._key}".encode()
        for part in (day, region, service, "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        return hmac.digest(key, text.encode(), "sha256").hex()

    def read_send(self, call: Call) -> Wish:
        fields = read_object(call.body)
        if not call.header("X-Amz-Target").endswith(".SendTextMessage"):
            return Wish(to="", from_="", body=None)
        context = value_at(fields, "Context")
        return Wish(
            to=text_at(fields, "DestinationPhoneNumber"),
            from_=text_at(fields, "OriginationIdentity"),
            body=text_at(fields, "MessageBody"),
            # Without a configuration set nothing is told.
            status_callback=self.hook_url if text_at(fields, "ConfigurationSetName") else "",
            ref=next((value for value in context.values() if isinstance(value, str)), None)
            if isinstance(context, dict)
            else None,
            echo={"context": context},
        )

    def write_sent(self, message: CarrierMessage) -> web.Response:
        return _answer({"MessageId": message.sid})

    def write_refusal(self, call: Call, fate: int, *, wish: Wish | None = None, about: str = "") -> web.Response:
        said = self.words_for(fate)
        call.summary = f"{said.code}: {said.text}"
        exception, _, reason = said.code.partition("/")
        document = {"__type": exception, "Message": about or said.text, **({"Reason": reason} if reason else {})}
        return _answer(document, status=said.status)

    # Notifications

    def write_inbound(self, message: CarrierMessage, own: OwnNumber) -> Webhook:
        """Texts only: AWS takes no picture from a phone."""
        text = {
            "originationNumber": message.from_,
            "destinationNumber": message.to,
            "messageKeyword": "KEYWORD_111122223333",
            "messageBody": message.body,
            "inboundMessageId": message.sid,
        }
        return self._write_webhook(own.sms_url, text, message)

    def write_receipt(self, message: CarrierMessage, step: Step) -> Webhook | None:
        if step.code is None and step.status not in _STATES:
            return None
        said = self.late_words_for(step.code) if step.code is not None else None
        status = said.code if said else _STATES[step.status]
        event = {
            "eventType": f"TEXT_{status}",
            "eventVersion": "1.0",
            "eventTimestamp": int(self.office.clock() * 1000),
            "isFinal": step.status != "sent",
            "originationPhoneNumber": message.from_,
            "destinationPhoneNumber": message.to,
            "messageId": message.sid,
            "messageRequestTimestamp": int(message.created_at * 1000),
            "messageStatus": status,
            "messageStatusDescription": said.text if said else "Message has been accepted by phone carrier",
            "context": message.echo["context"],
            "totalMessageParts": message.num_segments,
        }
        return self._write_webhook(message.status_callback, event, message)

    def _write_webhook(self, url: str, content: Mapping[str, Any], message: CarrierMessage) -> Webhook:
        envelope = {
            "Type": "Notification",
            "MessageId": self.office.new_uuid(),
            "TopicArn": self._topic,
            "Message": write_json(content).decode(),
            "Timestamp": rfc3339(self.office.clock()),
            "SignatureVersion": "2",
            "SigningCertURL": self._certificate_url,
            "UnsubscribeURL": f"https://{_SNS_HOST}/?Action=Unsubscribe",
        }
        envelope["Signature"] = self._sign_envelope(envelope)
        return Webhook(
            url=url,
            headers={
                "Content-Type": "text/plain; charset=UTF-8",
                "x-amz-sns-message-type": "Notification",
                "x-amz-sns-message-id": envelope["MessageId"],
                "x-amz-sns-topic-arn": self._topic,
            },
            body=write_json(envelope),
            connection=self.connection,
            from_=message.from_ or "",
            to=message.to,
            shown=tuple(flatten(content)),
        )

    def _sign_envelope(self, envelope: Mapping[str, str]) -> str:
        """https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message-verify-message-signature.html"""
        signed = ("Message", "MessageId", "Timestamp", "TopicArn", "Type")
        text = "".join(f"{name}\n{envelope[name]}\n" for name in signed)
        return b64encode(self._signing_key.sign(text.encode(), PKCS1v15(), SHA256())).decode()


def _write_certificate(key: RSAPrivateKey, now: float) -> bytes:
    """PEM, under the name that SNS's have, and signed by itself."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "sns.amazonaws.com")])
    at = datetime.fromtimestamp(now, UTC)
    certificate = (
        x509.CertificateBuilder(issuer_name=name, subject_name=name, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(at - timedelta(days=1))
        .not_valid_after(at + timedelta(days=365))
        .sign(key, SHA256())
    )
    return certificate.public_bytes(Encoding.PEM)


def _answer(document: Mapping[str, Any], *, status: int = 200) -> web.Response:
    return web.Response(status=status, body=write_json(document), content_type="application/x-amz-json-1.0")


DIALECT: Final[type[Dialect]] = AwsEum
