"""Sinch's signature, held against the sinch package and against a vector of its own; and how long it holds."""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sinch.domains.sms.sinch_events.v1.sms_sinch_event import SmsSinchEvent

from carriers.sinch.signer import HEADERS, NONCE, SIGNATURE, TIMESTAMP, sign
from smsbridge.carriers.sinch import Sinch
from smsbridge.contracts.carrier import AccountUrls
from smsbridge.domain.errors import BadSignature
from smsbridge.wire.http import Headers, Request

HOOK = "https://bridge.example.net/hooks/carriers/sinch"
SECRET = "sinch-secret"
NOW_MS = 1_741_083_000_000
BODY = b'{"type":"mo_text","id":"01H"}'
CASES: dict[str, Any] = json.loads((Path(__file__).parent / "sinch/webhooks.json").read_text("utf-8"))


def build(**changed: Any) -> Sinch:
    settings = {"service_plan_id": "a1", "api_token": "token", "webhook_secret": SECRET}
    return Sinch.from_settings({**settings, **changed}, AccountUrls(webhook=HOOK))


def posted(body: bytes) -> Request:
    return Request(method="POST", url=HOOK, headers=Headers({"Content-Type": "application/json"}), body=body)


def ours(request: Request, now_ms: int = NOW_MS, **changed: Any) -> bool:
    try:
        build(**changed).verify(request, now_ms)
    except BadSignature:
        return False
    return True


def theirs(request: Request, secret: str = SECRET) -> bool:
    try:
        return bool(SmsSinchEvent(secret).validate_authentication_header(dict(request.headers), request.body))
    except (UnicodeError, TypeError):  # what is not UTF-8, or not ASCII in a header, it does not compare
        return False


def test_the_public_vector() -> None:
    signed = sign(posted(BODY), SECRET, nonce="n1", at_s="1741083000")
    assert signed.headers.get(SIGNATURE) == "eUBDTSczTDOgIMVINAJfQM/DHXwH4V1TdaC2vs/FEeg="
    assert ours(signed)
    assert theirs(signed)


@pytest.mark.parametrize(
    "body", [json.dumps(case["request"]["json"]).encode() for case in CASES.values() if "events" in case]
)
def test_the_package_takes_what_we_take(body: bytes) -> None:
    signed = sign(posted(body), SECRET, at_s="1741083000")
    assert ours(signed)
    assert theirs(signed)


def test_the_package_and_we_agree_on_what_was_changed() -> None:
    luck = random.Random(7)
    found: Counter[tuple[bool, bool]] = Counter()
    for text in ("Hello", "Yes ☺ & no", "", "x" * 300):
        signed = sign(
            posted(json.dumps({"type": "mo_text", "body": text}, ensure_ascii=False).encode()),
            SECRET,
            at_s="1741083000",
        )
        for changed in _changed(signed, luck):
            found[ours(changed), theirs(changed)] += 1
    assert set(found) == {(False, False)}
    assert found[False, False] > 600


def _changed(request: Request, luck: random.Random) -> list[Request]:
    changed = []
    for position in range(len(request.body)):
        body = bytearray(request.body)
        body[position] ^= 1 << luck.randrange(7)
        changed.append(replace(request, body=bytes(body)))
    for header in HEADERS:
        value = request.headers.get(header)
        for position in range(len(value)):
            other = value[:position] + chr(ord(value[position]) ^ 1) + value[position + 1 :]
            changed.append(replace(request, headers=request.headers.replace(header, other)))
        changed.append(replace(request, headers=request.headers.without(header)))
    return changed


def test_either_secret_is_taken_while_one_replaces_the_other() -> None:
    for secret in (SECRET, "the-next-one"):
        signed = sign(posted(BODY), secret, at_s="1741083000")
        assert theirs(signed, secret)
        assert ours(signed, webhook_secret_secondary="the-next-one")
        assert ours(signed) == (secret == SECRET)


@pytest.mark.parametrize(
    ("age_s", "taken"),
    [(0, True), (-300, True), (-301, False), (81_920, True), (2 * 86_400, True), (2 * 86_400 + 1, False)],
)
def test_a_signature_holds_for_longer_than_sinch_goes_on_repeating(age_s: int, taken: bool) -> None:
    signed = sign(posted(BODY), SECRET, at_s=str(NOW_MS // 1000 - age_s))
    assert theirs(signed)
    assert ours(signed) == taken


@pytest.mark.parametrize("at_s", ["2025-03-04T10:10:00Z", "1741083000123", "now"])
def test_a_time_in_another_form_is_signed_all_the_same(at_s: str) -> None:
    signed = sign(posted(BODY), SECRET, at_s=at_s)
    assert theirs(signed)
    assert ours(signed)
    assert not ours(replace(signed, headers=signed.headers.replace(TIMESTAMP, at_s + "0")))
    assert not ours(replace(signed, headers=signed.headers.replace(NONCE, "another")))
