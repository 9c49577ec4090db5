"""What the conformance suite must know of Infobip's webhooks: the account of the cases has an HMAC of the body in hex.

No SDK of Infobip's verifies anything, and its reference names the algorithms and no more. With a password or a token
nothing is signed: that proves who wrote, and covers neither the body nor the rest of the URL.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

from smsbridge.wire.http import Request

HEADERS = ("X-Signature", "Authorization")


def sign(request: Request, secret: str) -> Request:
    signature = hmac.new(secret.encode(), request.body, hashlib.sha256).hexdigest()
    return replace(request, headers=request.headers.replace("X-Signature", signature))


def token(request: Request) -> list[str]:
    return parse_qs(urlsplit(request.url).query).get("token", [])


def same_meaning(one: Request, other: Request) -> bool:
    if token(one):
        return token(one) == token(other)
    if "Authorization" in one.headers:
        return one.headers == other.headers
    return one.body == other.body and one.headers == other.headers
