"""Does a public address lead to this bridge, and not to another one or to nothing?

Whoever asks sends a nonce; a bridge that knows the same key answers with its HMAC. So `connect` and `doctor` can ask
from another process than the daemon, and nobody learns anything from asking.
"""

from __future__ import annotations

import re
from typing import Final

from smsbridge.wire.signing import hmac_digest

PROBE_PATH: Final = "/.well-known/smsbridge-probe"
"""`GET` of this path with `?nonce=`. 200 and the answer as text/plain, or 400 for a nonce of another form."""


def write_probe_answer(key: bytes, nonce: str) -> str | None:
    """64 hex digits, or None for what is no nonce (16 to 64 letters, digits, - or _).

    The words before the nonce keep this from signing anything that the same key signs elsewhere.
    """
    if not re.fullmatch(r"[A-Za-z0-9_-]{16,64}", nonce):
        return None
    return hmac_digest("sha256", key, b"smsbridge probe\n" + nonce.encode("ascii")).hex()
