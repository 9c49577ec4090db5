"""Telnyx's signature, held against Telnyx's own verifier and against vectors with a key that everybody has."""

from __future__ import annotations

import importlib.util
import random
from base64 import b64encode
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from carriers.telnyx.signer import HEADERS, KEYS, NOW_S, sign
from smsbridge.carriers.telnyx import Telnyx
from smsbridge.contracts.carrier import AccountUrls
from smsbridge.domain.errors import BadSignature
from smsbridge.wire.http import Headers, Request

HOOK = "https://bridge.example.net/hooks/carriers/telnyx"
NOW_MS = int(NOW_S) * 1000
FIRST, SECOND = KEYS
BODY = b'{"data":{"event_type":"message.received","id":"e1","payload":{"id":"m1"}}}'
VECTOR = "sNljzOYfrn7jS2LLKhaZ4tRNVQ53UkXOjm1mpKJH36FVThp83e+2loHwfNaeDAEB0SgPK3xQlJtM/tN5fiviAw=="


def build(**changed: Any) -> Telnyx:
    return Telnyx.from_settings({"api_key": "KEY0123456789", "public_key": FIRST, **changed}, AccountUrls(webhook=HOOK))


def post(body: bytes = BODY, **headers: str) -> Request:
    return Request(method="POST", url=HOOK, headers=Headers(headers), body=body)


def accepts(adapter: Telnyx, request: Request, now_ms: int = NOW_MS) -> bool:
    try:
        adapter.verify(request, now_ms)
    except BadSignature:
        return False
    return True


@pytest.fixture(scope="module")
def sdk() -> ModuleType:
    """The file of Telnyx's package that verifies, without the thousands around it."""
    package = importlib.util.find_spec("telnyx")
    assert package is not None
    assert package.submodule_search_locations is not None
    path = Path(package.submodule_search_locations[0]) / "lib/webhook_verification.py"
    spec = importlib.util.spec_from_file_location("telnyx_webhook_verification", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_vector_fits_and_a_flipped_bit_does_not() -> None:
    headers = {HEADERS[0]: VECTOR, HEADERS[1]: "1741083000"}
    build().verify(post(**headers), 1_741_083_000_000)
    for body in (BODY + b" ", BODY[:-1], bytes([BODY[0] ^ 1]) + BODY[1:]):
        assert not accepts(build(), post(body, **headers), 1_741_083_000_000)
    assert not accepts(build(), post(**{**headers, HEADERS[1]: "1741083001"}), 1_741_083_000_000)
    assert not accepts(build(public_key=SECOND), post(**headers), 1_741_083_000_000)


@pytest.mark.parametrize(("late_s", "is_taken"), [(0, True), (300, True), (-300, True), (301, False), (-301, False)])
def test_a_signature_is_good_for_five_minutes_both_ways(late_s: int, *, is_taken: bool) -> None:
    assert accepts(build(), sign(post(), FIRST), NOW_MS + late_s * 1000) is is_taken


def test_whoever_reads_the_log_can_tell_a_wrong_clock_from_a_wrong_key() -> None:
    with pytest.raises(BadSignature, match=r"more than 300.*this computer's clock is wrong"):
        build().verify(sign(post(), FIRST), NOW_MS + 301_000)
    with pytest.raises(BadSignature, match=r"none of 1 public keys.*each account has its own"):
        build().verify(sign(post(), SECOND), NOW_MS)


def test_telnyxs_package_gives_the_same_verdict(sdk: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any body, either key, times around the limits; half of them tampered with."""
    monkeypatch.setattr(sdk.time, "time", lambda: float(NOW_S))
    luck = random.Random(5)
    verdicts: Counter[bool] = Counter()
    for _ in range(600):
        keys = luck.choice([(FIRST,), (SECOND,), (FIRST, SECOND)])
        body = "".join(luck.choices('{}":,aZ09 é☺👍\x00\n|', k=luck.randint(0, 80))).encode()
        stamp = str(int(NOW_S) + luck.choice([0, 0, 0, 299, 300, 301, -300, -301, -86_400]))
        request = sign(post(body), luck.choice(list(KEYS)), stamp)
        if luck.random() < 0.3:
            request = tampered(luck, request)
        verdict = any(is_verified(sdk, request, key) for key in keys)
        adapter = build(public_key=keys[0], public_key_secondary="".join(keys[1:]))
        assert accepts(adapter, request) is verdict, (keys, stamp, body)
        verdicts[verdict] += 1
    assert min(verdicts[True], verdicts[False]) > 150


def is_verified(sdk: ModuleType, request: Request, key: str) -> bool:
    try:
        sdk.verify_webhook_signature(request.body, dict(request.headers), key)
    except sdk.WebhookVerificationError:
        return False
    return True


def tampered(luck: random.Random, request: Request) -> Request:
    match luck.randrange(5):
        case 0:
            return replace(request, body=request.body + b" ")
        case 1:
            return replace(request, headers=request.headers.replace(HEADERS[0], b64encode(bytes(64)).decode()))
        case 2:
            return replace(request, headers=request.headers.replace(HEADERS[1], str(int(NOW_S) + 1)))
        case 3:
            return replace(request, headers=request.headers.without(luck.choice(HEADERS)))
        case _:
            return replace(request, headers=request.headers.replace(HEADERS[0], request.headers.get(HEADERS[0])[4:]))


@pytest.mark.parametrize("odd", ["{} ", "\n{}", "{}===="])
def test_a_signature_has_one_spelling_where_the_package_takes_several(
    sdk: ModuleType, monkeypatch: pytest.MonkeyPatch, odd: str
) -> None:
    monkeypatch.setattr(sdk.time, "time", lambda: float(NOW_S))
    request = sign(post(), FIRST)
    spelled = replace(request, headers=request.headers.replace(HEADERS[0], odd.format(request.headers.get(HEADERS[0]))))
    assert is_verified(sdk, spelled, FIRST)
    assert not accepts(build(), spelled)
