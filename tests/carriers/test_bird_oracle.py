"""MessageBird's tokens against the messagebird package, which checks them; no package checks what Channels signs.

The package reads the machine's clock, and so these tokens begin with the epoch and end in 2100.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from messagebird.error import ValidationError
from messagebird.request_validator import RequestValidator

from carriers.bird.signer import claims_of, hmac_of, write_token
from smsbridge.carriers.bird import Bird
from smsbridge.contracts.carrier import AccountUrls
from smsbridge.domain.errors import BadSignature
from smsbridge.wire.http import Headers, Request

NOW_MS = 1_790_000_000_000
KEY, OTHER, THIRD = ("a-key-as-long-as-the-longest-hash-wants-it-" + "0123456789" * 3 + end for end in "abc")
REPORT = Request(method="GET", url="https://bridge.example.com/hook/mb?id=1&status=sent&reference=a%20b")
TEXT = Request(
    method="POST", url="https://bridge.example.com/hook/mb?x=1", body=b"id=abc&originator=31612345678&body=Hi"
)
ALWAYS = {"nbf": 0, "exp": 4_102_444_800}
# Computed once, with the key "signing-key-test", and found good by the package.
KNOWN = (
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJNZXNzYWdlQmlyZCIsIm5iZiI6MTc0MTA4MzAwMCwiZXhwIjo0MTAyNDQ0ODAw"
    "LCJqdGkiOiI1ZjFkN2YxZS0wMDAwLTQwMDAtODAwMC0wMDAwMDAwMDAwMDEiLCJ1cmxfaGFzaCI6IjVkZWJhN2NhMWFjZTEwMmMzZGUzZWQ5NWNj"
    "YmQwMGQwZDRiNDBiY2NjNjlkMjM2MTVjNjI4ZDEyOWNkOWNlNzEiLCJwYXlsb2FkX2hhc2giOiJhNmEzZjdiYTQyNGYzMWRhOWZhNDFjM2UxNDEx"
    "MTg3Zjc5YzNhYzhhZmI3ZTE2NTVkZDYyZTgxNmI3ZjkyYjVjIn0.ZiHXilaoxHq-ALPUPTP_DqnR0TBl7sRDvpUBJuV8hrA"
)


def messagebird(**settings: str) -> Bird:
    keys = {"access_key": "x", "signing_key": KEY, "signing_key_secondary": OTHER} | settings
    return Bird.from_settings({"api": "messagebird", **keys}, AccountUrls(webhook="https://bridge.example.com/hook/mb"))


def is_good_here(request: Request, token: str, now_ms: int = NOW_MS, **settings: str) -> bool:
    headers = Headers([("MessageBird-Signature-JWT", token)])
    try:
        messagebird(**settings).verify(replace(request, headers=headers), now_ms)
    except BadSignature:
        return False
    return True


def is_good_there(request: Request, token: str, keys: Sequence[str] = (KEY, OTHER)) -> bool:
    for key in keys:
        try:
            RequestValidator(key).validate_signature(token, request.url, request.body)
        except ValidationError:
            continue
        return True
    return False


both = pytest.mark.parametrize("request_", [REPORT, TEXT], ids=["report", "text"])


@both
@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
@pytest.mark.parametrize(("key", "good"), [(KEY, True), (OTHER, True), (THIRD, False)])
def test_either_key_is_good_for_both(request_: Request, algorithm: str, key: str, good: bool) -> None:
    token = write_token(claims_of(request_) | ALWAYS, key, algorithm)
    assert (is_good_here(request_, token), is_good_there(request_, token)) == (good, good)


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
def test_a_known_token_is_good_for_both() -> None:
    assert is_good_here(TEXT, KNOWN, signing_key="signing-key-test")
    assert is_good_there(TEXT, KNOWN, ["signing-key-test"])


@both
def test_every_flipped_bit_of_a_token_is_refused_by_both(request_: Request) -> None:
    head, claims, signature = write_token(claims_of(request_) | ALWAYS, KEY).split(".")
    parts = [urlsafe_b64decode(part + "==") for part in (head, claims, signature)]
    for which, part in enumerate(parts):
        for position in range(len(part)):
            flipped = list(parts)
            flipped[which] = part[:position] + bytes([part[position] ^ 1]) + part[position + 1 :]
            token = ".".join(urlsafe_b64encode(each).decode().rstrip("=") for each in flipped)
            assert (is_good_here(request_, token), is_good_there(request_, token)) == (False, False)


@both
@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "Somebody"},
        {"iss": None},
        {"nbf": None},
        {"exp": None},
        {"exp": 1_000_000_000},
        {"nbf": 4_102_444_700},
        {"url_hash": "00"},
        {"payload_hash": "00"},
    ],
    ids=str,
)
def test_a_claim_that_is_wrong_is_refused_by_both(request_: Request, changed: dict[str, Any]) -> None:
    claims = {name: value for name, value in (claims_of(request_) | ALWAYS | changed).items() if value is not None}
    token = write_token(claims, KEY)
    assert (is_good_here(request_, token), is_good_there(request_, token)) == (False, False)


def test_a_body_without_its_hash_and_a_hash_without_its_body_are_refused_by_both() -> None:
    without = {name: value for name, value in claims_of(TEXT).items() if name != "payload_hash"}
    for request, claims in ((TEXT, without), (REPORT, claims_of(REPORT) | {"payload_hash": "a6a3"})):
        token = write_token(claims | ALWAYS, KEY)
        assert (is_good_here(request, token), is_good_there(request, token)) == (False, False)


@pytest.mark.parametrize("head", [{"alg": "none"}, {"alg": "RS256"}, {"alg": "hs256"}, {"alg": ["HS256"]}, {}, []])
def test_another_algorithm_is_refused_by_both(head: object) -> None:
    _, claims, signature = write_token(claims_of(TEXT) | ALWAYS, KEY).split(".")
    forged = urlsafe_b64encode(json.dumps(head).encode()).decode().rstrip("=")
    for token in (f"{forged}.{claims}.{signature}", f"{forged}.{claims}."):
        assert not is_good_here(TEXT, token)
        assert not is_good_there(TEXT, token)


@pytest.mark.parametrize(
    ("now_s", "good"), [(1_789_999_939, False), (1_789_999_940, True), (1_790_000_069, True), (1_790_000_070, False)]
)
def test_a_token_holds_from_a_minute_before_to_a_minute_after_its_time(now_s: int, good: bool) -> None:
    assert is_good_here(TEXT, write_token(claims_of(TEXT), KEY), now_s * 1000) is good


# --- Channels ---------------------------------------------------------------------------------------------------------


def channels() -> Bird:
    ids = {"workspace_id": "w", "channel_id": "c", "number": "+31970001122"}
    settings = {"access_key": "x", "signing_key": "hook-secret", **ids}
    return Bird.from_settings(settings, AccountUrls(webhook="https://bridge.example.com/hook/bird"))


def channels_request(at: str, signature: str) -> Request:
    return Request(
        method="POST",
        url="https://bridge.example.com/hook/bird",
        headers=Headers([("Messagebird-Signature", signature), ("Messagebird-Request-Timestamp", at)]),
        body=b'{"service":"channels","event":"sms.inbound","payload":{"id":"m1"}}',
    )


def test_the_signature_of_channels_is_that_of_the_documented_recipe() -> None:
    channels().verify(channels_request("1741083000", "bLbpbw3Swux1nLWbTJRJak4RYBSmyFhK/rzvc63vGs8="), 1_741_083_000_000)


@pytest.mark.parametrize("at", ["1741082699", "1741083301", "", "soon", "-1741083000", "1e9"])
def test_a_signature_of_channels_holds_for_five_minutes(at: str) -> None:
    request = channels_request(at, "")
    signed = channels_request(at, hmac_of(request, at, "hook-secret"))
    with pytest.raises(BadSignature, match=r"300 s|lacks"):
        channels().verify(signed, 1_741_083_000_000)
