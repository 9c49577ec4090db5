"""Each carrier's table of codes against the list of those that it documents: `codes.csv` in the carrier's folder.

A row has the code as the adapter's table writes it (`A|B` are two with one meaning), the class of its cause as the
carrier's own pages tell it, and whether the same request may be repeated.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from smsbridge.carriers import load_carriers
from smsbridge.domain.cause import NOT_CAPABLE, WRONG_SENDER, Cause

CARRIERS = load_carriers()
HERE = Path(__file__).parent
WITH_A_LIST = sorted(name for name in CARRIERS if (HERE / name / "codes.csv").exists())
MOST_UNKNOWN = 0.35
"""What stays unknown is about registrations, calls, our own requests, or says nothing."""

ACCOUNT = {Cause.AUTH, Cause.BALANCE, Cause.PERMISSION_OR_REGION}
CONTENT = {Cause.CONTENT_REJECTED, Cause.MEDIA_REJECTED}
ALLOWED = {
    "auth": ACCOUNT,
    "blocked_or_filtered": {Cause.BLOCKED, Cause.FILTERED},
    "content_rejected": CONTENT,
    "not_sms_capable": NOT_CAPABLE | {Cause.MEDIA_REJECTED},  # texts arrive, pictures do not
    "opted_out": {Cause.OPTED_OUT},
    "rate_limited": {Cause.RATE_LIMITED, Cause.QUEUE_FULL, Cause.EXPIRED, Cause.BALANCE},
    "region_permission": {Cause.PERMISSION_OR_REGION},
    "transient": {Cause.CARRIER_OUTAGE, Cause.EXPIRED},  # it waited in the carrier's own queue for too long
    "unknown": {Cause.UNKNOWN},
    "unreachable": {Cause.UNREACHABLE, Cause.EXPIRED, Cause.INVALID_NUMBER},  # nobody is at such a number
    "wrong_sender": WRONG_SENDER,
}
"""A class may be told apart further. Twilio's list has names of its own for some."""
ALLOWED |= {
    "auth_account": ACCOUNT,
    "bad_request": set(Cause) - {Cause.OPTED_OUT, Cause.CARRIER_OUTAGE},
    "informational": {Cause.UNKNOWN, Cause.RATE_LIMITED},
    "inbound_only": {Cause.UNKNOWN},
    "registration_admin": {Cause.SENDER_NOT_REGISTERED, Cause.UNKNOWN},
    "transient_carrier": {Cause.CARRIER_OUTAGE},
    "transient_platform": {Cause.CARRIER_OUTAGE},
    "undelivered_blocked_or_filtered": {Cause.BLOCKED, Cause.FILTERED},
    "undelivered_unreachable": {Cause.UNREACHABLE},
    "webhook_or_media_fetch": {Cause.MEDIA_REJECTED, Cause.UNKNOWN},
}


@cache
def rows(name: str) -> list[dict[str, str]]:
    with (HERE / name / "codes.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def codes_of(row: dict[str, str]) -> list[str]:
    return row["code"].split("|")


every_list = pytest.mark.parametrize("name", WITH_A_LIST)


@every_list
def test_every_documented_code_has_a_row_and_no_row_is_invented(name: str) -> None:
    documented = {code for row in rows(name) for code in codes_of(row)}
    assert documented
    assert documented ^ set(CARRIERS[name].codes) == set()


@every_list
def test_a_code_has_a_cause_of_its_class(name: str) -> None:
    table = CARRIERS[name].codes
    wrong = {
        code: (row["cause_class"], table[code].cause)
        for row in rows(name)
        for code in codes_of(row)
        if table[code].cause not in ALLOWED[row["cause_class"]]
    }
    assert wrong == {}


@every_list
def test_what_the_carrier_says_must_not_be_repeated_is_not(name: str) -> None:
    table = CARRIERS[name].codes
    repeated = [
        code for row in rows(name) for code in codes_of(row) if row.get("retryable") == "no" and table[code].retry
    ]
    assert repeated == []


@every_list
def test_few_codes_stay_unknown(name: str, record_property: Callable[[str, object], None]) -> None:
    table = CARRIERS[name].codes
    share = sum(meaning.cause is Cause.UNKNOWN for meaning in table.values()) / len(table)
    record_property("unknown_share", share)
    print(f"{name}: {share:.0%} of {len(table)} codes are unknown")
    assert share <= MOST_UNKNOWN
