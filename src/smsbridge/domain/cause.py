"""The closed list of reasons why a text did not go through. Each carrier's codes map onto it in that carrier's file."""

from __future__ import annotations

from enum import StrEnum


class Cause(StrEnum):
    """Why. The value is what the API, the notices and the metrics show."""

    SENDER_NOT_OURS = "sender_not_ours"
    SENDER_NOT_SMS_CAPABLE = "sender_not_sms_capable"
    SENDER_NOT_REGISTERED = "sender_not_registered"
    SENDER_MISMATCH = "sender_mismatch"
    INVALID_NUMBER = "invalid_number"
    NOT_MOBILE = "not_mobile"
    UNREACHABLE = "unreachable"
    EXPIRED = "expired"
    BLOCKED = "blocked"
    FILTERED = "filtered"
    OPTED_OUT = "opted_out"
    CONTENT_REJECTED = "content_rejected"
    MEDIA_REJECTED = "media_rejected"
    RATE_LIMITED = "rate_limited"
    QUEUE_FULL = "queue_full"
    AUTH = "auth"
    BALANCE = "balance"
    PERMISSION_OR_REGION = "permission_or_region"
    CARRIER_OUTAGE = "carrier_outage"
    UNKNOWN = "unknown"


WRONG_SENDER = frozenset(
    {Cause.SENDER_NOT_OURS, Cause.SENDER_NOT_SMS_CAPABLE, Cause.SENDER_NOT_REGISTERED, Cause.SENDER_MISMATCH}
)
"""The sender, one of our numbers, is at fault: only an administrator can mend it."""

NOT_CAPABLE = frozenset({Cause.INVALID_NUMBER, Cause.NOT_MOBILE})
"""The contact's number cannot receive texts at all."""

OF_THE_ACCOUNT = WRONG_SENDER | {
    Cause.RATE_LIMITED,
    Cause.QUEUE_FULL,
    Cause.AUTH,
    Cause.BALANCE,
    Cause.PERMISSION_OR_REGION,
    Cause.CARRIER_OUTAGE,
}
"""At another account it may be otherwise: the contact, their phone and the text are not at fault."""

PASSING = frozenset({Cause.RATE_LIMITED, Cause.QUEUE_FULL, Cause.CARRIER_OUTAGE})
"""Passes by itself: worth waiting for."""


def is_known(cause: Cause | None) -> bool:
    """Whether it says why. A failure without a reason shows UNKNOWN."""
    return cause is not None and cause is not Cause.UNKNOWN
