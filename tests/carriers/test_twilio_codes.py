"""What Twilio's codes mean that agents meet most. The whole table: test_carrier_codes.py."""

from __future__ import annotations

import pytest

from smsbridge.carriers.twilio import CODES
from smsbridge.domain.cause import Cause


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
