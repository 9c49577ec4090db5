"""When to try again, or to give up."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, kw_only=True, slots=True)
class RetryPolicy:
    """Waits of `first_s`, then `factor` times longer each, up to `max_wait_s`, until `max_age_s` after the start.

    `jitter` (0 to 1) is the share of a wait that chance may take off, so that many jobs that failed together do not
    come back together. Raises ValueError for values that make no sense.
    """

    first_s: float
    factor: float
    max_wait_s: float
    jitter: float
    max_age_s: float

    def __post_init__(self) -> None:
        if not (
            0 < self.first_s <= self.max_wait_s
            and 1 <= self.factor <= _MAX_FACTOR
            and 0 <= self.jitter <= 1
            and 0 <= self.max_age_s < math.inf
        ):
            raise ValueError(
                f"a retry policy needs 0 < first <= max wait, 1 <= factor <= 100, 0 <= jitter <= 1: {self}"
            )


def next_due_ms(
    policy: RetryPolicy, attempt: int, now_ms: int, started_at_ms: int, random: float, after_s: float | None = None
) -> int | None:
    """When the try after `attempt` (1 for the first) is due, or None: its time would lie beyond `max_age_s`.

    `random` is in [0, 1). `after_s` is the far end's Retry-After: the next try never comes earlier, and as everyone
    was told the same moment, it comes later by what jitter would have taken off, as far as the deadline allows.
    """
    wait_s = min(policy.first_s * policy.factor ** min(attempt - 1, _MAX_EXPONENT), policy.max_wait_s)
    spread_s = wait_s * policy.jitter * random
    asked_s = after_s if after_s is not None and after_s > 0 else 0.0
    deadline_ms = started_at_ms + math.floor(policy.max_age_s * 1000)

    earliest_ms = now_ms + max(wait_s - spread_s, asked_s) * 1000
    if earliest_ms > deadline_ms:
        return None
    spread_out_ms = min(now_ms + (asked_s + spread_s) * 1000, deadline_ms) if asked_s else now_ms
    return math.ceil(max(earliest_ms, spread_out_ms))


_MAX_FACTOR: Final = 100.0
_MAX_EXPONENT: Final = 100  # 100 ** 100 is still a float; every wait has long reached its maximum by then
