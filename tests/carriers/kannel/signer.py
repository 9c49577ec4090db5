"""What the conformance suite must know of how Kannel proves itself: by the credentials of the URL that it was given.

They cover nothing. Whoever holds the secret is believed, whatever URL and body come with it; so the bridge wants https,
and the secret is Kannel's alone.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace

from smsbridge.wire.http import Request

HEADERS = ("Authorization",)


def sign(request: Request, secret: str) -> Request:
    credentials = b64encode(b"kannel:" + secret.encode()).decode()
    return replace(request, headers=request.headers.replace("Authorization", f"Basic {credentials}"))


def same_meaning(one: Request, other: Request) -> bool:
    return one.headers.get("Authorization") == other.headers.get("Authorization")
