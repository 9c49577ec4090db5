"""Twilio's webhook signature, held against the vectors that are public and against the twilio package itself."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from twilio.request_validator import RequestValidator

from carriers.twilio.signer import MultiDict
from smsbridge.carriers.twilio import Twilio
from smsbridge.contracts.carrier import AccountUrls
from smsbridge.domain.errors import BadSignature
from smsbridge.domain.events import Ignored, InboundMessage
from smsbridge.wire.http import Headers, Request
from smsbridge.wire.signing import sha256_hex

ACCOUNT, SUBACCOUNT = "AC" + "0" * 32, "AC" + "1" * 32
HOOK = "https://bridge.example.net/sms/hooks/carriers/twilio"
TOKEN = "12345"
NOW_MS = 1_790_000_000_000
SETTINGS = "X-Twilio-Webhooks-Signature-Settings"


def build(**changed: Any) -> Twilio:
    return Twilio.from_settings({"account_sid": ACCOUNT, "auth_token": TOKEN, **changed}, AccountUrls(webhook=HOOK))


def post(url: str, pairs: list[tuple[str, str]], signature: str, **headers: str) -> Request:
    known = {"Content-Type": "application/x-www-form-urlencoded", "X-Twilio-Signature": signature, **headers}
    return Request(method="POST", url=url, headers=Headers(known), body=urlencode(pairs).encode())


def signed(url: str, pairs: list[tuple[str, str]], token: str = TOKEN, algorithm: str | None = None) -> str:
    made: str = RequestValidator(token).compute_signature(url, MultiDict(pairs), algorithm)
    return made


def accepts(adapter: Twilio, request: Request) -> bool:
    try:
        adapter.verify(request, NOW_MS)
    except BadSignature:
        return False
    return True


DOCS = [("CallSid", "CA1234567890ABCDE"), ("Caller", "+14158675310"), ("Digits", "1234"), ("From", "+14158675310")]
DOCS += [("To", "+18005551212")]
PACKAGE = [("CallSid", "CA1234567890ABCDE"), ("Digits", "1234"), ("From", "+14158675309"), ("To", "+18005551212")]
PACKAGE += [("Caller", "+14158675309")]
TWICE = [("Sid", "CA123"), ("SidAccount", "AC123"), ("Digits", "5678"), ("Digits", "1234"), ("Digits", "1234")]
MYCOMPANY = "https://mycompany.com/myapp.php?foo=1&bar=2"


@pytest.mark.parametrize(
    ("url", "pairs", "signature"),
    [
        # https://www.twilio.com/docs/usage/security
        ("https://example.com/myapp.php?foo=1&bar=2", DOCS, "L/OH5YylLD5NRKLltdqwSvS0BnU="),
        # https://github.com/twilio/twilio-python/blob/main/tests/unit/test_request_validator.py
        (MYCOMPANY, PACKAGE, "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        (MYCOMPANY, PACKAGE, "kvajT1Ptam85bY51eRf/AJRuM3w="),  # signed with :443
        (MYCOMPANY.replace(".com/", ".com:443/"), PACKAGE, "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        (MYCOMPANY, TWICE, "IK+Dwps556ElfBT0I3Rgjkr1wJU="),
    ],
)
def test_the_published_vectors_fit(url: str, pairs: list[tuple[str, str]], signature: str) -> None:
    request = post(url, pairs, signature)
    build().verify(request, NOW_MS)
    assert not accepts(build(auth_token="12346"), request)
    assert not accepts(build(), replace(request, body=request.body + b"&x="))


def test_the_published_vector_of_a_json_body_fits() -> None:
    body = b'{"property": "value", "boolean": true}'
    url = f"{MYCOMPANY}&bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620"
    headers = Headers({"Content-Type": "application/json", "X-Twilio-Signature": "a9nBmqA0ju/hNViExpshrM61xv4="})
    request = Request(method="POST", url=url, headers=headers, body=body)
    assert sha256_hex(body) in url
    build().verify(request, NOW_MS)
    assert not accepts(build(), replace(request, body=body + b" "))


def test_the_twilio_package_gives_the_same_verdict_on_ten_thousand_requests() -> None:
    """Ports, queries, blank and repeated parameters, any script; half of them tampered with in one of many ways."""
    luck = random.Random(5)
    adapter, verdicts = build(), Counter[bool]()
    oracle = RequestValidator(TOKEN)
    for _ in range(10_000):
        url, pairs = _any_url(luck), _any_pairs(luck)
        signature = signed(_spelling(luck, url), pairs, luck.choice([TOKEN, TOKEN, TOKEN, "other"]))
        if luck.random() < 0.5:
            url, pairs, signature = _tampered(luck, url, pairs, signature)
        verdict = oracle.validate(url, MultiDict(pairs), signature)
        assert accepts(adapter, post(url, pairs, signature)) is verdict, (url, pairs)
        verdicts[verdict] += 1
    assert min(verdicts[True], verdicts[False]) > 3_000


CHARACTERS = "aZ09 +&=%/?#.:;@~'\"<\\\r\n\téß☺👍中\u200d\x00"


def _any_text(luck: random.Random, least: int = 0) -> str:
    return "".join(luck.choices(CHARACTERS, k=luck.randint(least, 8)))


def _any_pairs(luck: random.Random) -> list[tuple[str, str]]:
    names = [luck.choice(["Body", "From", "body", "BodyX", _any_text(luck, 1)]) for _ in range(luck.randint(0, 8))]
    return [(name, luck.choice(["", "1", _any_text(luck), "é" * 40])) for name in names]


def _any_url(luck: random.Random) -> str:
    port = luck.choice(["", "", ":80", ":443", ":8443"])
    path = luck.choice(["", "/", "/a", "/a/", "/" + quote(_any_text(luck, 1)), "/é☺"])
    query = luck.choice(["", "", "?ref=1", "?a=1&a=2&b=", "?x=%2B&y=+", "?" + quote(_any_text(luck, 1)), "?☺=é"])
    return f"{luck.choice(['http', 'https'])}://{luck.choice(['h', 'bridge.example.net'])}{port}{path}{query}"


def _spelling(luck: random.Random, url: str) -> str:
    """As Twilio might have signed it: as configured, or with the port left out or written out."""
    scheme, _, rest = url.partition("://")
    end = min([rest.index(mark) for mark in "/?" if mark in rest], default=len(rest))
    host, _, port = rest[:end].partition(":")
    written_port = port or ("443" if scheme == "https" else "80")
    return luck.choice([url, f"{scheme}://{host}{rest[end:]}", f"{scheme}://{host}:{written_port}{rest[end:]}"])


def _tampered(
    luck: random.Random, url: str, pairs: list[tuple[str, str]], signature: str
) -> tuple[str, list[tuple[str, str]], str]:
    match luck.randrange(7):
        case 0:
            return url + "/x", pairs, signature
        case 1:
            return url.replace("http", "https", 1) if url.startswith("http:") else "http" + url[5:], pairs, signature
        case 2:
            return url, [*pairs, (_any_text(luck, 1), _any_text(luck))], signature
        case 3:
            return url, pairs[1:], signature
        case 4:
            return url, [(name, value.upper()) for name, value in pairs], signature
        case 5:
            return url, pairs, signature.swapcase()
        case _:
            return url, luck.sample(pairs, len(pairs)), signature  # the order does not matter


@pytest.mark.parametrize("tidied", ["{}?", "{}#", "{};", "HTTPS{}"])
def test_what_the_package_tidies_away_is_not_taken_here(tidied: str) -> None:
    """The package parses the URL and joins it again, which loses a little. Here the URL that was asked for counts."""
    url = "https://bridge.example.net/a"
    change = tidied.format(url.removeprefix("https") if "HTTPS" in tidied else url)
    assert RequestValidator(TOKEN).validate(change, {}, signed(url, []))
    assert not accepts(build(), post(change, [], signed(url, [])))


@pytest.mark.parametrize(
    ("public", "at_twilio"),
    [
        ("https://user:pass@bridge.example.net:8443/a?b=1", "https://bridge.example.net:8443/a?b=1"),
        ("https://us@er:pass@bridge.example.net/a", "https://bridge.example.net/a"),
        ("https://bridge.example.net/a", "https://user:pass@bridge.example.net/a"),
        ("http://[::1]/a", "http://[::1]:80/a"),
        ("http://[2001:db8::7]:8080/a", "http://[2001:db8::7]/a"),
        ("https://[2001:db8::7]", "https://[2001:db8::7]:443"),
    ],
)
def test_credentials_and_addresses_in_brackets_are_read_where_the_package_is_wrong(public: str, at_twilio: str) -> None:
    signature = signed(at_twilio.replace("user:pass@", ""), [("a", "b")])
    build().verify(post(public, [("a", "b")], signature), NOW_MS)


@pytest.mark.parametrize("algorithm", ["HMAC_SHA1", "HMAC_SHA256"])
def test_a_shared_key_signs_with_the_hash_it_names(algorithm: str) -> None:
    adapter = build(shared_keys={"webhooks_sharedkey_1": "one", "webhooks_sharedkey_2": "two"})
    pairs = [("Body", "Hi"), ("ToZip", "")]

    def request(key: str, secret: str, hashed_as: str = algorithm) -> Request:
        signature = signed(HOOK, pairs, secret, hashed_as)
        return post(HOOK, pairs, signature, **{SETTINGS: f"key={key}, algorithm={algorithm}"})

    adapter.verify(request("webhooks_sharedkey_1", "one"), NOW_MS)
    adapter.verify(request("webhooks_sharedkey_2", "two"), NOW_MS)
    assert not accepts(adapter, request("webhooks_sharedkey_1", "two"))
    assert not accepts(adapter, request("webhooks_sharedkey_1", TOKEN))
    assert not accepts(adapter, request("webhooks_sharedkey_3", TOKEN))
    assert not accepts(adapter, request("", TOKEN))
    other = {"HMAC_SHA1": "HMAC_SHA256", "HMAC_SHA256": "HMAC_SHA1"}[algorithm]
    assert not accepts(adapter, request("webhooks_sharedkey_1", "one", other))


def test_without_an_auth_token_nothing_is_taken_that_an_empty_key_signs() -> None:
    adapter = build(auth_token="", shared_keys={"k": "secret"}, api_key="SK" + "0" * 32, api_secret="secret-of-the-key")
    assert not accepts(adapter, post(HOOK, [], signed(HOOK, [], "")))
    assert not accepts(adapter, post(HOOK, [], signed(HOOK, [], ""), **{SETTINGS: "key=,algorithm=HMAC_SHA1"}))


def test_a_subaccount_signs_for_itself_alone() -> None:
    adapter = build(also_accounts={SUBACCOUNT: "its-token"})
    own, theirs = [("AccountSid", ACCOUNT)], [("AccountSid", SUBACCOUNT)]
    adapter.verify(post(HOOK, theirs, signed(HOOK, theirs, "its-token")), NOW_MS)
    adapter.verify(post(HOOK, own, signed(HOOK, own)), NOW_MS)
    assert not accepts(adapter, post(HOOK, own, signed(HOOK, own, "its-token")))
    assert not accepts(adapter, post(HOOK, theirs, signed(HOOK, theirs)))
    by_get = Request(method="GET", url=f"{HOOK}?AccountSid={SUBACCOUNT}")
    by_get = replace(by_get, headers=Headers({"X-Twilio-Signature": signed(by_get.url, [], "its-token")}))
    adapter.verify(by_get, NOW_MS)


@pytest.mark.parametrize("order", [1, -1])
def test_a_request_that_names_two_accounts_is_read_as_it_was_checked(order: int) -> None:
    adapter = build(also_accounts={SUBACCOUNT: "its-token"})
    pairs = [("AccountSid", ACCOUNT), ("AccountSid", SUBACCOUNT)][::order]
    pairs += [("MessageSid", "SM1"), ("To", "+14155550199"), ("Body", "Hi")]
    taken = accepts(adapter, post(HOOK, pairs, signed(HOOK, pairs, "its-token")))
    assert taken == (pairs[0][1] == SUBACCOUNT)
    own = build()
    [event] = own.read_webhook(post(HOOK, pairs, ""))
    assert isinstance(event, InboundMessage if pairs[0][1] == ACCOUNT else Ignored)


@pytest.mark.parametrize(
    ("at_twilio", "host"),
    [
        ("http://bridge.example.net/sms/hooks/carriers/twilio", ""),
        ("https://bridge.example.net/sms/hooks/carriers/twilio/", ""),
        ("https://bridge.example.net/hooks/carriers/twilio", ""),
        ("http://bridge.example.net/hooks/carriers/twilio/", ""),
        ("https://old.example.net/sms/hooks/carriers/twilio", "old.example.net"),
        ("http://old.example.net:8080/hooks/carriers/twilio", "old.example.net:8080"),
        ("http://[::1]:8080/sms/hooks/carriers/twilio", "[::1]:8080"),
    ],
)
def test_a_wrong_url_is_refused_and_the_right_one_named(at_twilio: str, host: str) -> None:
    pairs = [("Body", "a private text")]
    request = post(HOOK, pairs, signed(at_twilio, pairs), Host=host or "bridge.example.net")
    with pytest.raises(BadSignature) as refused:
        build().verify(request, NOW_MS)
    assert f"It fits {at_twilio}: " in refused.value.hint
    assert HOOK in refused.value.detail
    assert "private" not in str(refused.value)
    assert request.headers.get("X-Twilio-Signature") not in str(refused.value)


def test_a_refusal_shows_neither_credentials_nor_the_query_which_may_hold_a_text() -> None:
    url = "https://user:word@bridge.example.net/sms/hooks/carriers/twilio?From=%2B14155550142&Body=private"
    at_twilio = url.replace("https://user:word@", "http://")
    request = Request(method="GET", url=url, headers=Headers({"X-Twilio-Signature": signed(at_twilio, [])}))
    with pytest.raises(BadSignature) as refused:
        build().verify(request, NOW_MS)
    assert "It fits http://bridge.example.net/sms/hooks/carriers/twilio?...: " in refused.value.hint
    assert not {word for word in ("word@", "4155550142", "private") if word in str(refused.value)}


def test_a_refusal_says_when_another_account_is_named() -> None:
    pairs = [("AccountSid", SUBACCOUNT)]
    with pytest.raises(BadSignature) as refused:
        build().verify(post(HOOK, pairs, signed(HOOK, pairs, "its-token")), NOW_MS)
    assert "neither account_sid nor in also_accounts" in refused.value.hint


def test_nobody_makes_us_guess_over_a_huge_form() -> None:
    pairs = [("Body", "x" * 20_000)]
    signature = signed(HOOK.replace("https", "http"), pairs)
    with pytest.raises(BadSignature) as refused:
        build().verify(post(HOOK, pairs, signature), NOW_MS)
    assert refused.value.hint == ""
