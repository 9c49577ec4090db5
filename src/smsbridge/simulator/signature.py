"""The signature of a webhook: https://www.twilio.com/docs/usage/webhooks/webhooks-security"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit, urlunsplit

from smsbridge.wire.signing import base64_text, hmac_digest


def sign(url: str, form: Iterable[tuple[str, str]], auth_token: str) -> str:
    """The value of `X-Twilio-Signature` for a POST of `form` to `url` (an empty form for a GET).

    The URL is signed as it is configured, with its query and a written port, without fragment and credentials; the
    pairs sorted by name, a repeated name with its different values sorted.
    """
    text = signed_url(url) + "".join(name + value for name, value in sorted(set(form)))
    return base64_text(hmac_digest("sha1", auth_token.encode(), text.encode()))


def signed_url(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, parts.query, ""))
