"""The table of Twilio's error codes against the list of those that a bridge for texts can meet."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from smsbridge.carriers.twilio import CODES
from smsbridge.domain.cause import NOT_CAPABLE, WRONG_SENDER, Cause

with (Path(__file__).parent / "twilio" / "codes.csv").open(encoding="utf-8") as file:
    CLASSES = {row["code"]: row["cause_class"] for row in csv.DictReader(file)}

ACCOUNT = {Cause.AUTH, Cause.BALANCE, Cause.PERMISSION_OR_REGION}
CONTENT = {Cause.CONTENT_REJECTED, Cause.MEDIA_REJECTED}
ALLOWED = {
    "wrong_sender": WRONG_SENDER,
    "not_sms_capable": NOT_CAPABLE | {Cause.MEDIA_REJECTED},  # 30011: texts arrive, pictures do not
    "undelivered_unreachable": {Cause.UNREACHABLE},
    "undelivered_blocked_or_filtered": {Cause.BLOCKED, Cause.FILTERED},
    "opted_out": {Cause.OPTED_OUT},
    "content_rejected": CONTENT,
    "rate_limited": {Cause.RATE_LIMITED, Cause.QUEUE_FULL, Cause.EXPIRED},
    "auth_account": ACCOUNT,
    "region_permission": {Cause.PERMISSION_OR_REGION},
    "transient_carrier": {Cause.CARRIER_OUTAGE},
    "transient_platform": {Cause.CARRIER_OUTAGE},
    "webhook_or_media_fetch": {Cause.MEDIA_REJECTED, Cause.UNKNOWN},
    "registration_admin": {Cause.SENDER_NOT_REGISTERED, Cause.UNKNOWN},
    "inbound_only": {Cause.UNKNOWN},
    "unknown": {Cause.UNKNOWN},
}


def test_every_documented_code_has_a_row_and_no_row_is_invented() -> None:
    assert len(CLASSES) == 279
    assert set(CODES) == set(CLASSES)


@pytest.mark.parametrize("cause_class", sorted(ALLOWED))
def test_a_code_of_a_class_has_a_cause_of_that_class(cause_class: str) -> None:
    codes = [code for code, its_class in CLASSES.items() if its_class == cause_class]
    assert codes
    assert {code: CODES[code].cause for code in codes if CODES[code].cause not in ALLOWED[cause_class]} == {}


def test_at_most_a_quarter_of_the_codes_stays_unknown(record_property: Callable[[str, object], None]) -> None:
    """What is left is about calls, registration calls, our own requests and inbound texts that are never shown."""
    unknown = [code for code, meaning in CODES.items() if meaning.cause is Cause.UNKNOWN]
    share = len(unknown) / len(CODES)
    record_property("unknown_share", share)
    assert share <= 0.25, f"{len(unknown)} of {len(CODES)}"


@pytest.mark.parametrize(
    ("code", "cause", "retry"),
    [
        ("21606", Cause.SENDER_NOT_SMS_CAPABLE, False),
        ("21659", Cause.SENDER_NOT_OURS, False),
        ("21660", Cause.SENDER_NOT_OURS, False),
        ("21657", Cause.SENDER_MISMATCH, False),
        ("30034", Cause.SENDER_NOT_REGISTERED, False),
        ("30032", Cause.SENDER_NOT_REGISTERED, False),
        ("21614", Cause.NOT_MOBILE, False),
        ("30006", Cause.NOT_MOBILE, False),
        ("21211", Cause.INVALID_NUMBER, False),
        ("30003", Cause.UNREACHABLE, True),
        ("30005", Cause.UNREACHABLE, False),
        ("30004", Cause.BLOCKED, False),
        ("30007", Cause.FILTERED, False),
        ("30036", Cause.EXPIRED, True),
        ("21610", Cause.OPTED_OUT, False),
        ("11200", Cause.MEDIA_REJECTED, False),
        ("20429", Cause.RATE_LIMITED, True),
        ("21611", Cause.QUEUE_FULL, True),
        ("63038", Cause.RATE_LIMITED, False),
        ("30002", Cause.BALANCE, False),
        ("20003", Cause.AUTH, False),
        ("21408", Cause.PERMISSION_OR_REGION, False),
        ("30410", Cause.CARRIER_OUTAGE, False),
    ],
)
def test_the_codes_that_agents_meet_most_mean_what_they_should(code: str, cause: Cause, retry: bool) -> None:
    assert (CODES[code].cause, CODES[code].retry) == (cause, retry)
