"""Signed, expiring links to stored media, for carriers and desktops that cannot log in.

A token is `base64url(payload).base64url(mac)`: everything needed to serve the bytes is in it, so following a link
costs no look-up, and nothing can be guessed or changed.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from dataclasses import dataclass
from typing import Final

from smsbridge.contracts.bridge import Bridge

_MAC_BYTES: Final = 20
MAX_TOKEN_CHARS: Final = 1_024


@dataclass(frozen=True, kw_only=True, slots=True)
class MediaLink:
    """What a valid token says. `inline`: the reader shows it in place, which only pictures may."""

    sha256: str
    content_type: str
    filename: str
    inline: bool


def write_media_link(
    bridge: Bridge,
    *,
    sha256: str,
    content_type: str,
    filename: str,
    now_ms: int,
    ttl_ms: int,
    inline: bool = False,
) -> str:
    """An absolute URL that works for `ttl_ms`.

    The end is rounded up to a quarter of an hour, so that a page that is drawn again uses the same link and the
    browser's copy of the picture.
    """
    ends_s = _rounded_up(now_ms + ttl_ms) // 1000
    payload = json.dumps([sha256, content_type, filename, int(inline), ends_s], separators=(",", ":")).encode()
    token = f"{_text(payload)}.{_text(_mac(bridge.link_key, payload))}"
    return f"{bridge.public_url}/media/{token}"


def read_media_link(bridge: Bridge, token: str, now_ms: int) -> MediaLink | None:
    """None for a token that was not made here or has ended."""
    if len(token) > MAX_TOKEN_CHARS:
        return None
    payload_text, _, mac_text = token.partition(".")
    try:
        payload, mac = _bytes(payload_text), _bytes(mac_text)
    except (ValueError, binascii.Error):
        return None
    if not hmac.compare_digest(mac, _mac(bridge.link_key, payload)):
        return None
    sha256, content_type, filename, inline, ends_s = json.loads(payload)
    if ends_s * 1000 < now_ms:
        return None
    return MediaLink(sha256=sha256, content_type=content_type, filename=filename, inline=bool(inline))


_QUARTER_HOUR_MS: Final = 900_000


def _rounded_up(at_ms: int) -> int:
    return -(-at_ms // _QUARTER_HOUR_MS) * _QUARTER_HOUR_MS


def _mac(key: bytes, payload: bytes) -> bytes:
    return hmac.digest(key, b"media\0" + payload, "sha256")[:_MAC_BYTES]


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode("ascii").rstrip("=")


def _bytes(text: str) -> bytes:
    if not text.isascii():
        raise ValueError("not a token")
    decoded = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if _text(decoded) != text:  # another spelling of the same bytes is not the token we gave out
        raise ValueError("not a token")
    return decoded
