"""What the conformance suite must know of how Bandwidth proves itself: HTTP Basic, and no signature at all."""

from __future__ import annotations

import base64
from dataclasses import replace

from smsbridge.wire.http import Request

HEADERS = ("Authorization",)
USER = "bandwidth-callbacks"


def sign(request: Request, secret: str) -> Request:
    shown = base64.b64encode(f"{USER}:{secret}".encode()).decode()
    return replace(request, headers=request.headers.replace("Authorization", f"Basic {shown}"))


def same_meaning(one: Request, other: Request) -> bool:
    """The credentials cover neither URL nor body: whoever has them may post whatever they like."""
    return one.headers == other.headers
