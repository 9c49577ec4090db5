"""What the conformance suite must know of Bird's two signatures; test_bird_oracle.py holds the tokens against the
messagebird package.

Which of the two a request gets is told from what it is: Channels posts JSON, MessageBird forms and GET requests.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import replace

from smsbridge.wire.http import Request

HEADERS = ("messagebird-signature", "messagebird-request-timestamp", "MessageBird-Signature-JWT")
NOW_S = 1_790_000_000


def sign(request: Request, secret: str) -> Request:
    if request.method == "GET" or "form" in request.content_type or b"originator" in request.body:
        token = write_token(claims_of(request), secret)
        return replace(request, headers=request.headers.replace("MessageBird-Signature-JWT", token))
    headers = request.headers.replace("messagebird-request-timestamp", str(NOW_S))
    return replace(request, headers=headers.replace("messagebird-signature", hmac_of(request, str(NOW_S), secret)))


def hmac_of(request: Request, at: str, secret: str) -> str:
    signed = b"\n".join([at.encode(), request.url.encode(), hashlib.sha256(request.body).digest()])
    return base64.b64encode(hmac.new(secret.encode(), signed, hashlib.sha256).digest()).decode()


def claims_of(request: Request) -> dict[str, object]:
    url_hash = hashlib.sha256(request.url.encode()).hexdigest()
    claims: dict[str, object] = {
        "iss": "MessageBird",
        "nbf": NOW_S,
        "exp": NOW_S + 10,
        "jti": "1",
        "url_hash": url_hash,
    }
    return claims | ({"payload_hash": hashlib.sha256(request.body).hexdigest()} if request.body else {})


def write_token(claims: dict[str, object], secret: str, algorithm: str = "HS256") -> str:
    head = {"alg": algorithm, "typ": "JWT"}
    signed = ".".join(encoded(json.dumps(part).encode()) for part in (head, claims))
    digest = hmac.new(secret.encode(), signed.encode(), f"sha{algorithm[2:]}").digest()
    return f"{signed}.{encoded(digest)}"


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def same_meaning(one: Request, other: Request) -> bool:
    """Either signature covers every byte of the URL and the body."""
    return one == other
