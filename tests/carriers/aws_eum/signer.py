"""How SNS signs, written from AWS's page and not from the adapter; with a certificate made here in place of Amazon's.

https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from smsbridge.wire.http import Request

HEADERS = ()
"""The signature is in the body."""

URL = "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem"
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
END = datetime(2027, 2, 1, tzinfo=UTC)


def make_certificate(
    private: Any,
    *,
    name: str = "sns.amazonaws.com",
    also: tuple[str, ...] = (),
    begin: datetime = BEGIN,
    end: datetime = END,
    issuer: str = "An authority of the tests",
) -> bytes:
    """PEM. `also` are its further names."""
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    by = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, issuer)])
    made = x509.CertificateBuilder(issuer_name=by, subject_name=subject, public_key=private.public_key())
    made = made.serial_number(7).not_valid_before(begin).not_valid_after(end)
    if also:
        made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(each) for each in also]), critical=False)
    signed = made.sign(private, None if "ed25519" in type(private).__module__ else hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM)


PRIVATE = rsa.generate_private_key(public_exponent=65537, key_size=2048)
KEYS = {URL: make_certificate(PRIVATE)}


def string_to_sign(envelope: Mapping[str, Any]) -> bytes:
    names = ["Message", "MessageId"]
    if envelope["Type"] == "Notification":
        names += ["Subject"] if "Subject" in envelope else []
        names += ["Timestamp", "TopicArn", "Type"]
    else:
        names += ["SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
    return "".join(f"{name}\n{envelope[name]}\n" for name in names).encode()


def sign_envelope(envelope: Mapping[str, Any], private: rsa.RSAPrivateKey = PRIVATE) -> dict[str, Any]:
    """The same with what is missing of SignatureVersion, SigningCertURL and Signature."""
    whole = {"SignatureVersion": "1", "SigningCertURL": URL} | envelope
    algorithm = {"1": hashes.SHA1(), "2": hashes.SHA256()}[whole["SignatureVersion"]]  # noqa: S303 -- as SNS does
    signature = private.sign(string_to_sign(whole), padding.PKCS1v15(), algorithm)
    return {"Signature": base64.b64encode(signature).decode()} | whole


def sign(request: Request, _secret: str) -> Request:
    """`request` as SNS posts it; as it is, where its body is no envelope or has a signature."""
    try:
        envelope = json.loads(request.body)
        signed = sign_envelope(envelope)
    except (ValueError, LookupError, TypeError):
        return request
    body = json.dumps(signed, indent=2).encode()
    headers = request.headers.replace("Content-Type", "text/plain; charset=UTF-8")
    return replace(request, headers=headers.replace("x-amz-sns-message-type", envelope["Type"]), body=body)


def same_meaning(one: Request, other: Request) -> bool:
    """What is signed are values: not the URL, which SNS only posts to, nor how the JSON is spelt, nor what else is in
    it. Base64 has bits at its end that mean nothing."""
    try:
        left, right = json.loads(one.body), json.loads(other.body)
        return (
            string_to_sign(left) == string_to_sign(right)
            and base64.b64decode(left["Signature"], validate=True)
            == base64.b64decode(right["Signature"], validate=True)
            and all(left[name] == right[name] for name in ("SignatureVersion", "SigningCertURL"))
        )
    except (ValueError, LookupError, TypeError):
        return False
