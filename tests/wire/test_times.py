"""Dates and waits as the far end writes them."""

from __future__ import annotations

import pytest

from smsbridge.wire.http import Headers
from smsbridge.wire.times import read_date, read_retry_after_s, read_time_ms

DATE = "Tue, 03 Nov 2026 14:06:58 GMT"


@pytest.mark.parametrize(
    ("text", "read"),
    [
        (DATE, "2026-11-03T14:06:58+00:00"),
        ("Tue, 03 Nov 2026 14:06:58 -0000", "2026-11-03T14:06:58+00:00"),
        ("Tue, 03 Nov 2026 15:06:58 +0100", "2026-11-03T15:06:58+01:00"),
        ("2026-11-03T14:06:58Z", None),
        ("Tue, 33 Nov 2026 14:06:58 GMT", None),
        ("", None),
    ],
)
def test_a_date_is_read_with_its_zone(text: str, read: str | None) -> None:
    date = read_date(text)
    assert (date and date.isoformat()) == read


@pytest.mark.parametrize(
    ("text", "at_ms"),
    [
        ("1970-01-01T00:00:01.500Z", 1_500),
        ("1970-01-01T01:00:00.0019+01:00", 1),
        ("1970-01-01 00:00:02.000000", 2_000),
        ("1969-12-31T23:59:59.9990+00:00", -1),
        ("0001-01-01T00:00:00+23:59", -62_135_683_140_000),
        ("1970-01-01T00:00:61Z", None),
        (DATE, None),
        ("", None),
    ],
)
def test_a_time_as_json_writes_it_is_read_to_the_millisecond(text: str, at_ms: int | None) -> None:
    assert read_time_ms(text) == at_ms


@pytest.mark.parametrize(
    ("retry_after", "date", "wait_s"),
    [
        ("7", "", 7.0),
        (" 0 ", "", 0.0),
        ("1.5", "", 1.5),
        ("999999999", "", 86_400.0),
        ("Tue, 03 Nov 2026 14:07:28 GMT", DATE, 30.0),
        ("Tue, 03 Nov 2026 14:00:00 GMT", DATE, 0.0),
        ("Tue, 03 Nov 2036 14:07:28 GMT", DATE, 86_400.0),
        ("Tue, 03 Nov 2026 14:07:28 GMT", "", None),
        ("soon", DATE, None),
        ("-1", DATE, None),
        ("", DATE, None),
    ],
)
def test_a_wait_is_seconds_or_a_date_against_the_answers_own(retry_after: str, date: str, wait_s: float | None) -> None:
    assert read_retry_after_s(Headers({"Retry-After": retry_after, "Date": date})) == wait_s
