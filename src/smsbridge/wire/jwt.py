"""JSON Web Tokens that are signed with a shared secret (RFC 7519, HS256, HS384 and HS512)."""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

from smsbridge.wire.encoding import Unreadable, read_object, text_at
from smsbridge.wire.signing import hmac_digest, same_text

_HASHES: Final[Mapping[str, str]] = MappingProxyType({"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"})
_MAX_CHARS: Final = 8_192


def read_jwt(token: str, secrets: Iterable[str]) -> Mapping[str, Any] | None:
    """What a token claims that was signed with one of `secrets`; None where it was signed with none of them.

    The times in it are for the caller to judge. Raises Unreadable for what is no such token, `"alg": "none"` and
    public keys included: the algorithm is the token's word, and a secret must never be taken for a public key.
    """
    signed, _, given = token.rpartition(".")
    head, _, body = signed.partition(".")
    algorithm = _HASHES.get(text_at(read_object(_decode(head)), "alg"))
    if algorithm is None or not body:
        raise Unreadable("no token that is signed with HS256, HS384 or HS512")
    for secret in secrets:
        digest = hmac_digest(algorithm, secret.encode(), signed.encode("utf-8", "surrogatepass"))
        # As text: the last digit of the encoding has bits that nothing is made of.
        if same_text(given, urlsafe_b64encode(digest).decode().rstrip("=")):
            return read_object(_decode(body))
    return None


def _decode(text: str) -> bytes:
    try:
        if len(text) > _MAX_CHARS:
            raise Unreadable("a token of more characters than any has")
        return urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        raise Unreadable("no token in base64") from None
