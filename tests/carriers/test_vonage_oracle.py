"""Vonage's own packages and we agree on who signed; and what they do not check, we do."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from vonage_http_client.auth import Auth
from vonage_jwt.errors import VonageVerifyJwtError
from vonage_jwt.verify_jwt import verify_signature

from carriers.test_carrier_conformance import NOW_MS, build, load, signed_request
from carriers.vonage import signer
from smsbridge.contracts.carrier import Carrier
from smsbridge.domain.errors import BadSignature
from smsbridge.domain.events import InboundMedia
from smsbridge.domain.message import OutboundPart
from smsbridge.wire.encoding import write_form
from smsbridge.wire.http import Headers, Request

URL = "https://bridge.example.net/hooks/carriers/vonage"
SETTINGS = load("vonage", "account.json")["settings"]
OTHERS = "yet-another-secret-that-nobody-configured"
HMACS = ("md5", "sha1", "sha256", "sha512")


def believed(adapter: Carrier, request: Request, now_ms: int = NOW_MS) -> bool:
    try:
        adapter.verify(request, now_ms)
    except BadSignature:
        return False
    return True


def believed_by_vonage(token: str, secret: str) -> bool:
    try:
        return verify_signature(token, secret)
    except VonageVerifyJwtError:
        return False


def form(fields: dict[str, str]) -> Request:
    headers = Headers({"Content-Type": "application/x-www-form-urlencoded"})
    return Request(method="POST", url=URL, headers=headers, body=write_form(fields.items()))


# --- tokens


def test_both_believe_the_same_tokens() -> None:
    request = signed_request("vonage", load("vonage", "webhooks.json")["inbound_text"])
    secrets = [SETTINGS["signature_secret"], SETTINGS["signature_secret_secondary"]]
    for secret in (*secrets, OTHERS):
        signed = signer.with_token(request, secret)
        token = signed.headers.get("Authorization").removeprefix("Bearer ")
        theirs = any(believed_by_vonage(token, each) for each in secrets)
        assert theirs == (secret != OTHERS)
        assert believed(build("vonage"), signed) == theirs
        header, claims, signature = token.split(".")
        for changed in (f"{header}.{claims}.{signature[::-1]}", f"{header}.{claims[:-4]}AAAA.{signature}"):
            again = replace(signed, headers=signed.headers.replace("Authorization", f"Bearer {changed}"))
            assert not any(believed_by_vonage(changed, each) for each in secrets)
            assert not believed(build("vonage"), again)


def test_a_changed_body_is_seen_by_us_alone() -> None:
    signed = signed_request("vonage", load("vonage", "webhooks.json")["inbound_text"])
    token = signed.headers.get("Authorization").removeprefix("Bearer ")
    changed = replace(signed, body=signed.body.replace(b"Hello", b"Jello"))
    assert believed_by_vonage(token, SETTINGS["signature_secret"])
    assert believed(build("vonage"), signed)
    assert not believed(build("vonage"), changed)


def test_a_published_token_is_believed_at_its_time() -> None:
    body = {"message_uuid": "u1", "channel": "sms", "from": "14155550123", "to": "14155550100", "text": "Hi"}
    written = json.dumps(body, separators=(",", ":")).encode()
    assert hashlib.sha256(written).hexdigest() == "f8f2b5da33d8d58793acc7e99fb72fe5ee49976c912b88f849b222f1ed8d008f"
    token = (
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpYXQiOjE3NDEwODMwMDAsImp0aSI6ImM1YmE4ZjI0LTFhMTQtNGMxMC1iZmRmLTNmYmU4Y2"
        "U1MTFiNSIsImlzcyI6IlZvbmFnZSIsInBheWxvYWRfaGFzaCI6ImY4ZjJiNWRhMzNkOGQ1ODc5M2FjYzdlOTlmYjcyZmU1ZWU0OTk3NmM5MTJiODh"
        "mODQ5YjIyMmYxZWQ4ZDAwOGYiLCJhcGlfa2V5IjoiYWJjZDEyMzQifQ.NA4gnCLGwG8L8EkWRwVe59C1Xseof0Q8q6Ll347Psb4"
    )
    headers = Headers({"Authorization": f"Bearer {token}", "Content-Type": "application/json"})
    request = Request(method="POST", url=URL, headers=headers, body=written)
    assert believed_by_vonage(token, SETTINGS["signature_secret"])
    assert believed(build("vonage"), request, 1_741_083_000_000)


# --- fields


@pytest.mark.parametrize("method", HMACS)
def test_both_believe_the_same_fields(method: str) -> None:
    adapter = build("vonage", signature_method=method)
    fields = {
        "msisdn": "14155550123",
        "to": "14155550100",
        "messageId": "0B",
        "text": "a&b=c ä",
        "timestamp": "1790000000",
    }
    for secret in (SETTINGS["signature_secret"], SETTINGS["signature_secret_secondary"], OTHERS):
        theirs = Auth(api_key="abcd1234", signature_secret=secret, signature_method=method)
        signed = fields | {"sig": theirs.sign_params(dict(fields))}
        assert theirs.check_signature(dict(signed))
        assert believed(adapter, form(signed)) == (secret != OTHERS)
        for name in fields:
            changed = signed | {name: signed[name][:-1] + "7"}
            assert not theirs.check_signature(dict(changed))
            assert not believed(adapter, form(changed))


@pytest.mark.parametrize(
    ("method", "sig"),
    [
        ("md5hash", "34117fb90a3f6da59c46d7cab7d973c9"),
        ("md5", "d685a45636a788a3ff64af26baa62cd4"),
        ("sha1", "0f3375a8dbc29b3f4f0d1e1c9c7564a281916e09"),
        ("sha256", "51966918bb8e27728ec39b7646bc9367e52f18b84c12c089bf5077d6360d0e39"),
        (
            "sha512",
            (
                "839ef9c964fe8063e7242e3bcc26ee6fae8de2cc5eaa451c5bb0ca41ead7d026"
                "c8f1a4dcda1f3990ad2f4757007ec32fb06afe5054c31c663a6d18764f1ca6f2"
            ),
        ),
    ],
)
def test_a_known_signature_is_believed(method: str, sig: str) -> None:
    """The plain hash is in none of Vonage's packages: it is made by the published recipe."""
    adapter = build("vonage", signature_secret="sigsecret", signature_method=method)
    fields = {"msisdn": "14155550123", "to": "14155550100", "messageId": "0B00000127FDBC63", "text": "a&b=c"}
    signed = form({**fields, "type": "text", "timestamp": "1741083000", "nonce": "n1", "sig": sig})
    assert believed(adapter, signed, 1_741_083_000_000)
    assert not believed(
        build("vonage", signature_secret="sigsecreT", signature_method=method), signed, 1_741_083_000_000
    )


# --- what we say who we are


@pytest.mark.parametrize("at_ms", [1_790_000_000_000, 1_790_000_000_001])
def test_our_token_is_the_applications(at_ms: int) -> None:
    """Signed with its key, for a quarter of an hour, and another one for each try."""
    application = load("vonage", "sends.json")["send_text_by_an_application"]["settings"]
    adapter = build("vonage", **application)
    key = load_pem_private_key(application["private_key"].encode(), password=None).public_key()
    part = OutboundPart(ref="msg_1.1.1", sender="+14155550100", to="+14155550123", text="Hi", at_ms=at_ms)
    media = InboundMedia(url="https://api-us.nexmo.com/v3/media/1", at_ms=at_ms)
    seen = set()
    for request in (
        adapter.write_send(part),
        adapter.write_send(replace(part, ref="msg_1.1.2")),
        adapter.write_media_fetch(media).request,
    ):
        token = request.headers.get("Authorization").removeprefix("Bearer ")
        claims = jwt.decode(token, key, algorithms=["RS256"], options={"verify_exp": False, "verify_iat": False})
        assert jwt.get_unverified_header(token) == {"alg": "RS256", "typ": "JWT"}
        assert claims["application_id"] == application["application_id"]
        assert (claims["iat"], claims["exp"]) == (1_790_000_000, 1_790_000_900)
        seen.add(claims["jti"])
    assert len(seen) == 3
