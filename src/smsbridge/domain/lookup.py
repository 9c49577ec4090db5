"""What a carrier's lookup of a number says, in our words."""

from __future__ import annotations

from smsbridge.domain.message import Capability, SmsCapable


def looked_up(number: str, *, valid: bool, line_type: str, sms_capable: SmsCapable, now_ms: int) -> Capability:
    """`line_type` is a word of ours (`domain.phone.NumberFacts`), or the carrier's where we have none."""
    return Capability(
        number=number,
        valid=valid,
        type=line_type,
        sms_capable=sms_capable,
        reason=_reason(line_type, sms_capable, valid=valid),
        source="lookup",
        checked_at_ms=now_ms,
    )


def _reason(line_type: str, sms_capable: SmsCapable, *, valid: bool) -> str:
    if not valid:
        return "The carrier's lookup says that there is no such number."
    if sms_capable is SmsCapable.NO:
        return f"By the carrier's lookup it takes no texts: {line_type}."
    if sms_capable is SmsCapable.YES:
        return "The carrier's lookup says that this kind of number takes texts."
    return "The carrier's lookup does not tell whether this number takes texts."
