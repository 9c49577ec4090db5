"""The signing primitives that adapters share. All comparisons take the same time wherever the first difference is."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable


def hmac_digest(algorithm: str, key: bytes, data: bytes) -> bytes:
    """`algorithm` is a hashlib name: `sha1`, `sha256`, `md5`."""
    return hmac.digest(key, data, algorithm)


def base64_text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def same_text(left: str, right: str) -> bool:
    """Constant-time equality of two texts, non-ASCII included (`hmac.compare_digest` raises on those)."""
    return hmac.compare_digest(left.encode("utf-8", "surrogatepass"), right.encode("utf-8", "surrogatepass"))


def is_one_of(given: str, right: Iterable[str]) -> bool:
    """Whether it is what any of several secrets makes. All are compared: the time tells of none that it was near."""
    return any([same_text(given, each) for each in right])  # noqa: C419


def sha256_hex(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def basic_authorization(user: str, password: str) -> str:
    """The value of an `Authorization` header (RFC 7617)."""
    return "Basic " + base64_text(f"{user}:{password}".encode())


def md5_hex(data: bytes) -> str:
    """For carriers that sign so; nothing of ours relies on it."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest()
