"""What a carrier refuses at once, in the order in which it looks. Fates are named by Twilio's codes."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from .account import Account
from .dialect import Dialect, Wish
from .numbers import is_e164, is_short_code
from .personas import FIXED_FATES_OF_RECIPIENTS, FIXED_FATES_OF_SENDERS
from .phones import Phones

MAX_CALLBACK_CHARS: Final = 4_000
MAX_VALIDITY_S: Final = 36_000

_ALPHANUMERIC: Final = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9 ]{1,11}")


def refuse_send(wish: Wish, dialect: Dialect, account: Account, phones: Phones) -> tuple[int | None, str]:
    """Why this send is refused, and what is wrong about it; `None` if it is not.

    An opt-out from a Messaging Service is no refusal: it fails later.
    """
    if not wish.to:
        return 21604, ""
    if not wish.from_ and not wish.messaging_service_sid:
        return 21603, ""
    code, about = _content_code(wish, dialect)
    code = code or _sender_code(wish, account) or _recipient_code(wish) or _persona_code(wish, account, phones)
    return code, about


def _content_code(wish: Wish, dialect: Dialect) -> tuple[int | None, str]:
    if not wish.body and not wish.media_urls and not wish.has_content_sid:
        return (21602 if wish.body is not None else 21619), ""
    if len(wish.body or "") > dialect.max_body_chars:
        return 21617, ""
    if len(wish.media_urls) > dialect.max_media:
        return 21623, ""
    if not all(is_http_url(url) for url in wish.media_urls):
        return 21620, ""
    callback = wish.status_callback
    if callback and (len(callback) > MAX_CALLBACK_CHARS or not is_http_url(callback)):
        return 21609, callback[:100]
    if wish.validity_period and not _is_validity(wish.validity_period):
        return 21624, wish.validity_period[:20]
    return None, ""


def _sender_code(wish: Wish, account: Account) -> int | None:
    if wish.messaging_service_sid and wish.messaging_service_sid != account.messaging_service_sid:
        return 21701
    if not wish.from_:
        return None
    if wish.from_ in FIXED_FATES_OF_SENDERS:
        return FIXED_FATES_OF_SENDERS[wish.from_]
    if wish.from_ in account.numbers:
        return None
    known_shape = is_e164(wish.from_) or is_short_code(wish.from_) or _ALPHANUMERIC.fullmatch(wish.from_)
    return 21659 if known_shape else 21212


def _recipient_code(wish: Wish) -> int | None:
    if wish.to in FIXED_FATES_OF_RECIPIENTS:
        return FIXED_FATES_OF_RECIPIENTS[wish.to]
    if wish.to == wish.from_:
        return 21266
    if is_short_code(wish.to):
        return 21265
    return None if is_e164(wish.to) else 21211


def _persona_code(wish: Wish, account: Account, phones: Phones) -> int | None:
    code = phones.persona_of(wish.to).refusal
    if code is None and account.has_opted_out(sender=wish.from_, phone=wish.to):
        code = 21610
    return None if code == 21610 and wish.messaging_service_sid else code


def is_http_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and not re.search(r"[\s\x00-\x1f]", url)


def _is_validity(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= MAX_VALIDITY_S
