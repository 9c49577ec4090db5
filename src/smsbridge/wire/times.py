"""Times as HTTP, mail and our JSON write them. Nothing here reads a clock."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

from smsbridge.wire.http import Headers

MAX_RETRY_AFTER_S: Final = 86_400


def write_time(at_ms: int) -> str:
    """RFC 3339 with milliseconds and a Z: `2026-11-03T14:06:58.123Z`."""
    seconds, ms = divmod(at_ms, 1000)
    # isoformat and not strftime, which takes twice as long: an event for a desktop holds five of these.
    return f"{datetime.fromtimestamp(seconds, UTC).isoformat()[:19]}.{ms:03d}Z"


def read_time_ms(text: str) -> int | None:
    """ISO 8601, as JSON writes times: `2026-01-15T20:16:07.588+00:00`. Without a zone it is UTC."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return ((time if time.tzinfo else time.replace(tzinfo=UTC)) - _EPOCH) // timedelta(milliseconds=1)


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def read_date(text: str) -> datetime | None:
    """`Tue, 03 Nov 2026 14:06:58 +0000` (RFC 5322, or HTTP's form of it). Without a zone it is UTC."""
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def read_retry_after_s(headers: Headers) -> float | None:
    """How long to wait (RFC 9110, 10.2.3), at most a day. A date is measured from the answer's own `Date`.

    Some gateways write fractions of a second.
    """
    value = headers.get("Retry-After").strip()
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,3})?", value):
        return min(float(value), float(MAX_RETRY_AFTER_S))
    until, now = read_date(value), read_date(headers.get("Date"))
    if until is None or now is None:
        return None
    return min(max((until - now).total_seconds(), 0.0), float(MAX_RETRY_AFTER_S))
