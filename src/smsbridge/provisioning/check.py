"""One line of what `connect` and `doctor` print."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """What was looked at and what was found. `cure` says what to do, as a command or a setting where there is one.

    `name` is a fixed word, with the account, sender or desktop it is about after a colon: `webhook: +15005550006`.
    """

    name: str
    verdict: Verdict
    detail: str
    cure: str = ""


def is_healthy(checks: Sequence[Check]) -> bool:
    """Whether nothing failed: the exit code. Warnings are for people to judge."""
    return all(check.verdict != "fail" for check in checks)
