"""The two ways in which times are written: Twilio's REST API uses RFC 2822, everything else RFC 3339."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime


def rfc2822(at: float) -> str:
    return format_datetime(datetime.fromtimestamp(at, UTC))


def rfc3339(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def receipt_minute(at: float) -> str:
    """`RawDlrDoneDate`: `YYMMDDhhmm`, without a time zone."""
    return datetime.fromtimestamp(at, UTC).strftime("%y%m%d%H%M")
