"""How Telnyx signs: Ed25519 over `<telnyx-timestamp>|<body>`, made here by libsodium.

A secret of the suite is the *public* key, which is what the settings hold; the private ones are below.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from hashlib import sha256

from nacl.signing import SigningKey

from smsbridge.wire.http import Request

HEADERS = ("telnyx-signature-ed25519", "telnyx-timestamp")
NOW_S = "1790000000"


def public_key(signing: SigningKey) -> str:
    return b64encode(bytes(signing.verify_key)).decode()


KEYS = {public_key(key): key for key in (SigningKey(bytes(range(32))), SigningKey(bytes(range(32, 64))))}


def sign(request: Request, secret: str, stamp: str = NOW_S) -> Request:
    """With the private half of `secret`, or with a key that nobody has for what is none of the two."""
    signing = KEYS.get(secret) or SigningKey(sha256(secret.encode()).digest())
    signature = signing.sign(stamp.encode() + b"|" + request.body).signature
    headers = request.headers.replace(HEADERS[0], b64encode(signature).decode()).replace(HEADERS[1], stamp)
    return replace(request, headers=headers)


def another(secret: str) -> str:
    return public_key(SigningKey(sha256(secret.encode()).digest()))


def same_meaning(one: Request, other: Request) -> bool:
    """The URL is not signed, and nothing of it is read."""
    return (one.method, one.body, one.headers) == (other.method, other.body, other.headers)
