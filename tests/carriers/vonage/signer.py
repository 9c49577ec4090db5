"""What the conformance suite must know of Vonage's signatures: a token over the body of the Messages API, a `sig` among
the fields of the SMS API. Written from Vonage's pages; test_vonage_oracle.py asks Vonage's own packages."""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import urlsafe_b64encode
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from smsbridge.wire.http import Request

HEADERS = ("Authorization",)
NOW_S = 1_790_000_000
CLAIMS = {"iat": NOW_S, "jti": "c5ba8f24-1a14-4c10-bfdf-3fbe8ce511b5", "iss": "Vonage", "api_key": "abcd1234"}


def sign(request: Request, secret: str) -> Request:
    fields = plain_fields(request)
    if fields is None or "message_uuid" in fields:
        return with_token(request, secret)
    signed = {**fields, "timestamp": str(NOW_S), "nonce": "aaaaaaaa-bbbb-cccc-dddd-0123456789ab"}
    signed["sig"] = hashlib.md5((canonical(signed) + secret).encode()).hexdigest()  # noqa: S324 -- as Vonage does it
    if request.method != "POST":
        return replace(request, url=request.url.partition("?")[0] + "?" + urlencode(signed))
    if request.content_type == "application/json":
        return replace(request, body=json.dumps(signed).encode())
    return replace(request, body=urlencode(signed).encode())


def with_token(request: Request, secret: str, **claims: object) -> Request:
    said = {**CLAIMS, "payload_hash": hashlib.sha256(request.body).hexdigest(), **claims}
    signed = ".".join(base64url(json.dumps(each).encode()) for each in ({"alg": "HS256", "typ": "JWT"}, said))
    token = f"{signed}.{base64url(hmac.digest(secret.encode(), signed.encode(), 'sha256'))}"
    return replace(request, headers=request.headers.replace("Authorization", f"Bearer {token}"))


def base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


def canonical(fields: dict[str, Any]) -> str:
    return "".join(f"&{name}={cleaned(fields[name])}" for name in sorted(fields))


def cleaned(value: object) -> str:
    """JSON has other values than texts too."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return text.replace("&", "_").replace("=", "_")


def plain_fields(request: Request) -> dict[str, Any] | None:
    """None for what has no plain fields and is signed as a whole."""
    try:
        if request.method != "POST":
            return dict(parse_qsl(urlsplit(request.url).query, keep_blank_values=True))
        if request.content_type == "application/json":
            read = json.loads(request.body)
            return read if isinstance(read, dict) else None
        if "form" in request.content_type:
            return dict(parse_qsl(request.body.decode(), keep_blank_values=True))
    except ValueError:
        pass
    return None


def same_meaning(one: Request, other: Request) -> bool:
    """A token covers the body to the byte and nothing of the URL, from which nothing is read then. A `sig` covers the
    fields as they are read, less what it takes for the same: `&`, `=` and `_` in a value, and the case of its digits.
    """
    if signed_by_token(one):
        return one.body == other.body and one.headers == other.headers
    fields, others = plain_fields(one), plain_fields(other)
    return fields is not None and others is not None and _meant(fields) == _meant(others)


def signed_by_token(request: Request) -> bool:
    return request.headers.get("Authorization").startswith("Bearer ")


def _meant(fields: dict[str, Any]) -> dict[str, str]:
    return {name: value.lower() if name == "sig" else cleaned(value) for name, value in fields.items() if value != ""}
