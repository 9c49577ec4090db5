"""SNS's certificates, and what each event of AWS's makes of a text."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from carriers.aws_eum.signer import BEGIN, END, KEYS, PRIVATE, URL, make_certificate, sign_envelope, string_to_sign
from smsbridge.carriers.aws_eum import AwsEum
from smsbridge.contracts.carrier import AccountUrls, KeyWanted
from smsbridge.domain.cause import Cause
from smsbridge.domain.errors import BadSignature
from smsbridge.domain.events import Ignored, Receipt, Unrecognized
from smsbridge.domain.status import Status
from smsbridge.wire.encoding import Unreadable
from smsbridge.wire.http import Request

ACCOUNT = json.loads((Path(__file__).parent / "aws_eum/account.json").read_text("utf-8"))
NOW_MS = 1_790_000_000_000
TOPIC = "arn:aws:sns:us-east-1:111122223333:sms-in"


def build(**changed: Any) -> AwsEum:
    return AwsEum.from_settings({**ACCOUNT["settings"], **changed}, AccountUrls(**ACCOUNT["urls"]))


def envelope(message: Any = "hello", **changed: Any) -> dict[str, Any]:
    text = message if isinstance(message, str) else json.dumps(message)
    fields = {"Type": "Notification", "MessageId": "m-1", "TopicArn": TOPIC, "Message": text}
    return fields | {"Timestamp": "2025-03-04T10:11:12.345Z"} | changed


def posted(signed: dict[str, Any]) -> Request:
    return Request(method="POST", url=ACCOUNT["urls"]["webhook"], body=json.dumps(signed).encode())


# --- signatures and certificates


def test_the_string_that_is_signed_is_the_published_one() -> None:
    digest = hashlib.sha256(string_to_sign(envelope())).hexdigest()
    assert digest == "a082e084be650aa98f4156d1f3d917e07dc729925929636f50e4a78ac2fcdb96"


def test_the_certificate_is_asked_for_where_it_is_named_and_only_then() -> None:
    request = posted(sign_envelope(envelope()))
    with pytest.raises(KeyWanted) as wanted:
        build().verify(request, NOW_MS)
    assert wanted.value.request == Request(method="GET", url=URL)
    build().with_key(URL, KEYS[URL]).verify(request, NOW_MS)


def test_a_new_certificate_has_a_new_address_and_each_proves_what_it_signed() -> None:
    another = URL.replace("0123", "abcd")
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    before, after = build().with_key(URL, KEYS[URL]), build().with_key(another, make_certificate(private))
    new = posted(sign_envelope(envelope(SigningCertURL=another), private))
    after.verify(new, NOW_MS)
    with pytest.raises(KeyWanted):
        before.verify(new, NOW_MS)
    with pytest.raises(BadSignature, match="does not fit"):
        after.verify(posted(sign_envelope(envelope(SigningCertURL=another), PRIVATE)), NOW_MS)


def test_a_signature_made_with_the_other_hash_does_not_fit() -> None:
    signed = sign_envelope(envelope(SignatureVersion="2"))
    with pytest.raises(BadSignature, match="does not fit"):
        build().with_key(URL, KEYS[URL]).verify(posted(signed | {"SignatureVersion": "1"}), NOW_MS)


def test_every_signed_value_counts_also_one_that_is_added() -> None:
    knowing = build().with_key(URL, KEYS[URL])
    signed = sign_envelope(envelope())
    for changed in (
        {"Message": "hullo"},
        {"MessageId": "m-2"},
        {"Timestamp": "2025-03-04T10:11:12.346Z"},
        {"Subject": "s"},
    ):
        with pytest.raises(BadSignature, match="does not fit"):
            knowing.verify(posted(signed | changed), NOW_MS)


@pytest.mark.parametrize("at", [BEGIN, END], ids=["before", "after"])
def test_a_certificate_proves_nothing_outside_of_its_time(at: datetime) -> None:
    knowing, request = build().with_key(URL, KEYS[URL]), posted(sign_envelope(envelope()))
    edge_ms = int(at.timestamp() * 1000)
    knowing.verify(request, edge_ms)
    with pytest.raises(BadSignature, match="clock"):
        knowing.verify(request, edge_ms + (-1 if at is BEGIN else 1000))


@pytest.mark.parametrize(
    "names",
    [
        ("sns.amazonaws.com",),
        ("sns-signing.ap-east-1.amazonaws.com",),
        ("sns-us-gov-west-1.amazonaws.com",),
        ("sns-cn-north-1.amazonaws.com.cn",),
        ("something else", "sns-signing.af-south-1.amazonaws.com", "sns.af-south-1.amazonaws.com"),
    ],
)
def test_the_names_that_amazon_gives_sns_are_taken(names: tuple[str, ...]) -> None:
    name, *also = names
    build().with_key(URL, make_certificate(PRIVATE, name=name, also=tuple(also)))


@pytest.mark.parametrize(
    "name",
    ["", "s3.amazonaws.com", "amazonaws.com", "sns.amazonaws.com.example.net", "xsns.amazonaws.com", "*.amazonaws.com"],
)
def test_a_certificate_of_somebody_else_is_none(name: str) -> None:
    with pytest.raises(Unreadable, match="not SNS's"):
        build().with_key(URL, make_certificate(PRIVATE, name=name or "x"))


def test_what_is_no_certificate_with_a_strong_rsa_key_is_none() -> None:
    pem = KEYS[URL]
    broken = [b"", b"<html>", b"\xff", pem[:200], pem.replace(b"MII", b"MIJ", 1), b"-----BEGIN CERTIFICATE-----\n"]
    short = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 -- to be refused
    keys = [short, ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate()]
    for key in [*broken, *(make_certificate(each) for each in keys)]:
        with pytest.raises(Unreadable):
            build().with_key(URL, key)


def test_each_partition_has_its_certificates_at_its_own_hosts() -> None:
    for partition, region, host in (
        ("aws", "us-east-1", "sns.us-east-1.amazonaws.com"),
        ("aws-cn", "cn-north-1", "sns.cn-north-1.amazonaws.com.cn"),
        ("aws-us-gov", "us-gov-west-1", "sns.us-gov-west-1.amazonaws.com"),
    ):
        topic = f"arn:{partition}:sns:{region}:111122223333:sms-in"
        url = f"https://{host}/SimpleNotificationService-0f.pem"
        with pytest.raises(KeyWanted) as wanted:
            build(topic_arns=[topic]).verify(posted(sign_envelope(envelope(TopicArn=topic, SigningCertURL=url))), 0)
        assert wanted.value.request.url == url


# --- events

EVENTS = [
    # what AWS reports, in words, and whether it is its last word; what it is to us
    ("TEXT_PENDING", "", False, Status.SENT, None),
    ("TEXT_QUEUED", "Message is queued", False, Status.SENT, None),
    ("TEXT_SENT", "", True, Status.DELIVERED, None),
    ("TEXT_SUCCESSFUL", "Message has been accepted by phone carrier", False, Status.SENT, None),
    ("TEXT_SUCCESSFUL", "Message has been accepted by phone carrier", True, Status.DELIVERED, None),
    ("TEXT_DELIVERED", "Message has been accepted by phone", True, Status.DELIVERED, None),
    ("TEXT_INVALID", "Invalid phone number", True, Status.UNDELIVERED, Cause.INVALID_NUMBER),
    ("TEXT_INVALID_MESSAGE", "Message body is invalid", True, Status.UNDELIVERED, Cause.CONTENT_REJECTED),
    ("TEXT_UNREACHABLE", "Phone is currently unreachable", True, Status.UNDELIVERED, Cause.UNREACHABLE),
    ("TEXT_UNREACHABLE", "Phone is currently unreachable", False, Status.SENT, None),
    ("TEXT_CARRIER_UNREACHABLE", "", True, Status.UNDELIVERED, Cause.CARRIER_OUTAGE),
    ("TEXT_BLOCKED", "Phone has blocked SMS", True, Status.UNDELIVERED, Cause.BLOCKED),
    ("TEXT_BLOCKED", "Phone number is opted out", True, Status.UNDELIVERED, Cause.OPTED_OUT),
    ("TEXT_CARRIER_BLOCKED", "", True, Status.UNDELIVERED, Cause.FILTERED),
    ("TEXT_SPAM", "Words that nobody knows", True, Status.UNDELIVERED, Cause.FILTERED),
    ("TEXT_TTL_EXPIRED", "", True, Status.UNDELIVERED, Cause.EXPIRED),
    ("TEXT_UNKNOWN", "Unknown error attempting to reach phone", True, Status.UNDELIVERED, Cause.UNKNOWN),
    ("TEXT_UNKNOWN", "Phone has blocked SMS", True, Status.UNDELIVERED, Cause.BLOCKED),
    ("TEXT_PROTECT_BLOCKED", "", True, Status.FAILED, Cause.PERMISSION_OR_REGION),
    ("MEDIA_DELIVERED", "", True, Status.DELIVERED, None),
    ("MEDIA_FILE_INACCESSIBLE", "", True, Status.FAILED, Cause.MEDIA_REJECTED),
    ("MEDIA_FILE_TYPE_UNSUPPORTED", "", True, Status.FAILED, Cause.MEDIA_REJECTED),
    ("MEDIA_FILE_SIZE_EXCEEDED", "", True, Status.FAILED, Cause.MEDIA_REJECTED),
    ("RCS_READ", "", True, Status.DELIVERED, None),
    ("RCS_FALLEN_BACK_TO_SMS", "", False, Status.SENT, None),
    ("RCS_TTL_EXPIRED", "", True, Status.UNDELIVERED, Cause.EXPIRED),
    ("RCS_PROTECT_BLOCKED", "", True, Status.FAILED, Cause.PERMISSION_OR_REGION),
    ("RCS_FAILED", "", True, Status.FAILED, Cause.UNKNOWN),
]


@pytest.mark.parametrize(("kind", "words", "is_final", "status", "cause"), EVENTS)
def test_an_event_becomes_a_status_and_a_cause(
    kind: str, words: str, is_final: bool, status: Status, cause: Cause | None
) -> None:
    event = {"eventType": kind, "messageId": "mt-1", "isFinal": is_final, "messageStatusDescription": words}
    [receipt] = build().read_webhook(posted(envelope(event)))
    assert isinstance(receipt, Receipt)
    assert (receipt.status, receipt.cause) == (status, cause)
    assert (receipt.evidence.code, receipt.evidence.text) == (kind, words)


def test_a_last_word_is_no_repeat_of_the_same_word_before() -> None:
    keys = set()
    for is_final in (False, True):
        event = {"eventType": "TEXT_SUCCESSFUL", "messageId": "mt-1", "isFinal": is_final}
        [receipt] = build().read_webhook(posted(envelope(event)))
        assert isinstance(receipt, Receipt)
        keys.add(receipt.key)
    assert len(keys) == 2


def test_where_nobody_verifies_an_address_is_asked_for_only_at_sns_and_for_our_topic() -> None:
    base = "https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription&Token=1&TopicArn="
    for topic, url in (
        ("arn:aws:sns:us-east-1:444455556666:sms-in", base + "arn:aws:sns:us-east-1:444455556666:sms-in"),
        (TOPIC, "https://169.254.169.254/?Action=ConfirmSubscription&TopicArn=" + TOPIC),
        (TOPIC, base + TOPIC + "&TopicArn=other"),
        (TOPIC, base + TOPIC + "\r\nX: y"),
    ):
        asked = envelope(Type="SubscriptionConfirmation", TopicArn=topic, SubscribeURL=url)
        [event] = build().read_webhook(posted(asked))
        assert isinstance(event, Unrecognized)


def test_who_unsubscribed_is_not_subscribed_again() -> None:
    url = f"https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription&Token=1&TopicArn={TOPIC}"
    assert build().read_webhook(posted(envelope(Type="UnsubscribeConfirmation", SubscribeURL=url))) == [
        Ignored(reason="unsubscribed")
    ]


def test_a_key_is_no_secret_and_yet_not_shown() -> None:
    knowing = build().with_key(URL, KEYS[URL])
    assert "Certificate" not in repr(knowing)
    assert replace(knowing, key=None) == build()
