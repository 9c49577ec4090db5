"""Lists of the REST API: which messages are wanted, and one page at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime
from typing import Any, Final
from urllib.parse import urlencode

from smsbridge.simulator.account import CarrierMessage

MAX_PAGE_SIZE: Final = 1_000
DEFAULT_PAGE_SIZE: Final = 50


class BadPage(ValueError):
    """`PageSize` or `Page` is out of range."""


def write_page(
    name: str,
    rows: Iterable[Any],
    *,
    path: str,
    query: Sequence[tuple[str, str]],
    write: Callable[[Any], dict[str, Any]],
) -> dict[str, Any]:
    """The page of `rows` that `query` asks for. Raises `BadPage`.

    The next page begins after the last sid of this one, so that messages which come meanwhile shift nothing.
    """
    asked = dict(query)
    size = _whole(asked.get("PageSize", str(DEFAULT_PAGE_SIZE)), 1, MAX_PAGE_SIZE)
    page = _whole(asked.get("Page", "0"), 0, 1_000_000)
    after = asked.get("PageToken", "").removeprefix("PA")
    found = list(rows)
    start = page * size
    if after:
        start = next((index + 1 for index, row in enumerate(found) if row.sid == after), len(found))
    shown = found[start : start + size]
    rest = [(key, value) for key, value in query if key not in ("Page", "PageToken", "PageSize")]

    def link(number: int, token: str = "") -> str:
        tail = [("PageToken", token)] if token else []
        return f"{path}?{urlencode([*rest, ('PageSize', size), ('Page', number), *tail])}"

    more = start + size < len(found)
    return {
        name: [write(row) for row in shown],
        "end": page * size + len(shown) - 1 if shown else 0,
        "first_page_uri": link(0),
        "next_page_uri": link(page + 1, f"PA{shown[-1].sid}") if more else None,
        "page": page,
        "page_size": size,
        "previous_page_uri": link(page - 1) if page else None,
        "start": page * size,
        "uri": link(page),
    }


def read_filters(filters: dict[str, str]) -> Callable[[CarrierMessage], bool]:
    """`To`, `From`, `DateSent`, `DateSent<`, `DateSent>`: whole days, or times as the SDK writes them.

    `DateSent` alone always means a whole day, for which the SDK writes midnight.
    """
    to, from_ = filters.get("To"), filters.get("From")
    on = _read_span(filters.get("DateSent", "")[: len("2026-11-03")])
    before = _read_span(filters.get("DateSent<"))
    since = _read_span(filters.get("DateSent>"))

    def wanted(message: CarrierMessage) -> bool:
        if (to and message.to != to) or (from_ and message.from_ != from_):
            return False
        if not (on or before or since):
            return True
        if message.sent_at is None:
            return False
        at = message.sent_at
        return (
            (on is None or on[0] <= at < on[1])
            and (before is None or at < before[1])
            and (since is None or at >= since[0])
        )

    return wanted


def _read_span(text: str | None) -> tuple[float, float] | None:
    """The first second and the one after the last that `2026-11-03` or `2026-11-03T14:06:58Z` means, in UTC."""
    if not text:
        return None
    if len(text) == len("2026-11-03"):
        start = datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC).timestamp()
        return start, start + 86_400
    moment = datetime.fromisoformat(text)
    start = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return start, start + 1


def _whole(text: str, low: int, high: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 9 and low <= int(text) <= high):
        raise BadPage(text)
    return int(text)
