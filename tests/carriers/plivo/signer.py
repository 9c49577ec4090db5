"""How Plivo signs: HMAC-SHA256 over URL, parameters and nonce (V3), or over the URL, less its query, and nonce (V2)."""

from __future__ import annotations

import hmac
from base64 import b64encode
from dataclasses import replace
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from smsbridge.wire.http import Request

V3, V3_NONCE = "X-Plivo-Signature-V3", "X-Plivo-Signature-V3-Nonce"
V2, V2_NONCE = "X-Plivo-Signature-V2", "X-Plivo-Signature-V2-Nonce"
HEADERS = (V3, V3_NONCE, V2, V2_NONCE)
NONCE = "05429567804466091622"

Pairs = list[tuple[str, str]]


def sign(request: Request, secret: str, nonce: str = NONCE) -> Request:
    """With V3."""
    headers = request.headers.replace(V3, mac(secret, f"{v3_text(request)}.{nonce}")).replace(V3_NONCE, nonce)
    return replace(request, headers=headers)


def sign_v2(request: Request, secret: str, nonce: str = NONCE) -> Request:
    headers = request.headers.replace(V2, mac(secret, bare(request.url) + nonce)).replace(V2_NONCE, nonce)
    return replace(request, headers=headers)


def mac(secret: str, text: str) -> str:
    return b64encode(hmac.digest(secret.encode(), text.encode(), "sha256")).decode()


def bare(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))


def in_url(request: Request) -> Pairs:
    return sorted(parse_qsl(urlsplit(request.url).query, keep_blank_values=True))


def in_body(request: Request) -> Pairs:
    return sorted(parse_qsl(request.body.decode(), keep_blank_values=True))


def v3_text(request: Request) -> str:
    text = bare(request.url)
    query = "&".join(f"{name}={value}" for name, value in in_url(request))
    form = "".join(name + value for name, value in in_body(request))
    if request.method == "GET" or not form:
        return f"{text}?{query}" if query else text
    return f"{text}?{query}.{form}" if query else f"{text}?{form}"


def same_meaning(one: Request, other: Request) -> bool:
    """V3 signs decoded values, in no order. V2 signs neither the query nor the body."""
    if one.headers != other.headers:
        return False
    if V3 not in one.headers:
        return one.url.partition("?")[0] == other.url.partition("?")[0]
    try:
        return (bare(one.url), in_url(one), in_body(one)) == (bare(other.url), in_url(other), in_body(other))
    except UnicodeDecodeError:
        return False
