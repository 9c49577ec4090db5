"""How the carrier of account.json signs: base64 of HMAC-SHA256 over `timestamp.url.body`.

The cases of other settings have another scheme, and bring its proof along: a secret in the URL proves nothing but that
its owner wrote the URL.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64encode
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

from smsbridge.wire.http import Request

HEADERS = ("X-Acme-Signature", "X-Acme-Timestamp")
NOW_S = 1_790_000_000


def sign(request: Request, secret: str) -> Request:
    signed = f"{NOW_S}.{request.url}.".encode() + request.body
    signature = b64encode(hmac.new(secret.encode(), signed, hashlib.sha256).digest()).decode()
    headers = request.headers.replace("X-Acme-Signature", f"v1={signature}")
    return replace(request, headers=headers.replace("X-Acme-Timestamp", str(NOW_S)))


def same_meaning(one: Request, other: Request) -> bool:
    return "key=" in one.url and _keys(one) == _keys(other)


def _keys(request: Request) -> list[str]:
    return parse_qs(urlsplit(request.url).query).get("key", [])
