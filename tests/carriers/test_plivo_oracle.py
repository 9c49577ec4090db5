"""Plivo's two signatures, held against Plivo's own package and against vectors with a token that everybody has."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from plivo.utils import validate_signature
from plivo.utils.signature_v3 import validate_v3_signature

from carriers.plivo.signer import NONCE, V2, V2_NONCE, V3, V3_NONCE, sign, sign_v2
from smsbridge.carriers.plivo import Plivo
from smsbridge.contracts.carrier import AccountUrls
from smsbridge.domain.errors import BadSignature
from smsbridge.wire.http import Headers, Request

HOOK = "https://bridge.example.net/hooks/carriers/plivo"
NOW_MS = 1_790_000_000_000
TOKEN = "tok"


def build(**changed: Any) -> Plivo:
    known = {"auth_id": "MAXXXXXXXXXXXXXXXXXX", "auth_token": TOKEN, **changed}
    return Plivo.from_settings(known, AccountUrls(webhook=HOOK))


def post(url: str, pairs: list[tuple[str, str]], **headers: str) -> Request:
    known = {"Content-Type": "application/x-www-form-urlencoded", **headers}
    return Request(method="POST", url=url, headers=Headers(known), body=urlencode(pairs).encode())


def accepts(adapter: Plivo, request: Request) -> bool:
    try:
        adapter.verify(request, NOW_MS)
    except BadSignature:
        return False
    return True


def test_the_vectors_fit() -> None:
    url, pairs = "https://h.example/p", [("From", "2"), ("To", "1")]
    v3 = {V3: "RraWfn5CNiUKqeb8Y0HDu8cpjkGAekwM/g5h3jLlCAA=", V3_NONCE: "123"}
    v2 = {V2: "dGmWaqmNUGIt6vjhRB41mAdU9YVFFJSh3+5y50ja23M=", V2_NONCE: "123"}
    build().verify(post(url, pairs, **v3), NOW_MS)
    build().verify(post(url + "?any=query", [("any", "body")], **v2), NOW_MS)
    assert not accepts(build(), post(url, [("From", "2"), ("To", "2")], **v3))
    assert not accepts(build(), post(url + "/", pairs, **v2))
    assert not accepts(build(auth_token="tak"), post(url, pairs, **v3))


def test_the_main_account_or_any_of_several_values_will_do() -> None:
    signed = sign(post(HOOK, [("a", "b")]), TOKEN)
    value = signed.headers.get(V3)
    for headers in (
        {V3: f"AAAA,{value}"},
        {V3: f"{value}, AAAA"},
        {V3: "AAAA", "X-Plivo-Signature-Ma-V3": value},
        {"X-Plivo-Signature-Ma-V3": value},
    ):
        build().verify(post(HOOK, [("a", "b")], **{V3_NONCE: NONCE}, **headers), NOW_MS)
    assert not accepts(build(), post(HOOK, [("a", "b")], **{V3_NONCE: NONCE, V3: "AAAA,BBBB"}))


def test_v2_signs_our_reference_though_it_signs_no_query() -> None:
    """Which is why it stands in the path: whoever has seen one receipt cannot make it one of another text."""
    receipt = sign_v2(post(f"{HOOK}/msg_1.1.1", [("Status", "delivered")]), TOKEN)
    build().verify(receipt, NOW_MS)
    assert not accepts(build(), replace(receipt, url=f"{HOOK}/msg_2.1.1"))


CHARACTERS = "aZ09 +&=%/?#.:;@~'\"<\\\r\n\téß☺👍中\u200d"


def any_text(luck: random.Random, least: int = 0, characters: str = CHARACTERS) -> str:
    return "".join(luck.choices(characters, k=luck.randint(least, 8)))


def any_pairs(luck: random.Random, characters: str = CHARACTERS) -> list[tuple[str, str]]:
    names = [luck.choice(["Text", "From", "To", any_text(luck, 1, characters)]) for _ in range(luck.randint(0, 6))]
    return [(name, luck.choice(["", "1", any_text(luck, 0, characters)])) for name in names]


def grouped(pairs: list[tuple[str, str]]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name, value in pairs:
        made.setdefault(name, []).append(value)
    return {name: values if len(values) > 1 else values[0] for name, values in made.items()}


def any_url(luck: random.Random) -> str:
    port = luck.choice(["", "", ":443", ":8443"])
    path = luck.choice(["", "/", "/a", "/a/", "/" + quote(any_text(luck, 1).replace(";", ""))])
    return f"https://{luck.choice(['h.example', 'bridge.example.net'])}{port}{path}"


def test_plivos_package_gives_the_same_verdict_on_v3() -> None:
    """Forms and GET, queries, blank and repeated parameters, any script; a third of them tampered with."""
    luck = random.Random(5)
    adapter, verdicts = build(auth_token_secondary="the-other"), Counter[bool]()
    for _ in range(1_500):
        url, pairs = any_url(luck), any_pairs(luck)
        if luck.random() < 0.5:
            request = Request(method="GET", url=url + ("?" + urlencode(pairs) if pairs else ""))
        else:
            query = any_pairs(luck, "aZ09 +&=%/.:@~")  # the package fails on other letters in a query
            request = post(url + ("?" + urlencode(query) if query else ""), pairs)
        request = sign(request, luck.choice([TOKEN, TOKEN, "the-other", "neither"]))
        if luck.random() < 0.33:
            pairs = tampered(luck, pairs)
            if request.method == "GET":
                request = replace(request, url=url + ("?" + urlencode(pairs) if pairs else ""))
            else:
                request = replace(request, body=urlencode(pairs).encode())
        bare = url if request.method == "GET" else request.url
        verdict = any(
            validate_v3_signature(request.method, bare, NONCE, token, request.headers.get(V3), params=grouped(pairs))
            for token in (TOKEN, "the-other")
        )
        assert accepts(adapter, request) is verdict, (request.method, request.url, pairs)
        verdicts[verdict] += 1
    assert min(verdicts[True], verdicts[False]) > 400


def tampered(luck: random.Random, pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    match luck.randrange(4):
        case 0:
            return [*pairs, ("x", any_text(luck, 1))]
        case 1:
            return pairs[1:]
        case 2:
            return [(name, value.upper()) for name, value in pairs]
        case _:
            return luck.sample(pairs, len(pairs))  # the order does not matter


def test_plivos_package_gives_the_same_verdict_on_v2() -> None:
    luck = random.Random(6)
    adapter, verdicts = build(auth_token_secondary="the-other"), Counter[bool]()
    for _ in range(2_000):
        url = any_url(luck)
        request = sign_v2(post(url + luck.choice(["", "?a=1"]), [("a", "b")]), luck.choice([TOKEN, "the-other", "x"]))
        if luck.random() < 0.2:
            request = replace(request, url=request.url.replace("/a", "/b").replace("example", "exarnple"))
        verdict = any(
            validate_signature(request.url, NONCE, request.headers.get(V2), token) for token in (TOKEN, "the-other")
        )
        assert accepts(adapter, request) is verdict, request.url
        verdicts[verdict] += 1
    assert min(verdicts[True], verdicts[False]) > 400


@pytest.mark.parametrize("text", ["☺", "é"])
def test_letters_in_the_query_are_utf_8_where_the_package_breaks(text: str) -> None:
    """Given the parameters of a GET request by themselves, the package agrees; given the whole URL, it fails."""
    request = sign(Request(method="GET", url=f"{HOOK}?{urlencode({'Text': text})}"), TOKEN)
    build().verify(request, NOW_MS)
    signature = request.headers.get(V3)
    assert validate_v3_signature("GET", HOOK, NONCE, TOKEN, signature, params={"Text": text})
    with pytest.raises(UnicodeEncodeError):
        validate_v3_signature("GET", request.url, NONCE, TOKEN, signature)
