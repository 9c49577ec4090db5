"""The only file with real time."""

from __future__ import annotations

import asyncio
import time
from typing import Final

_SINCE_BOOT: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Linux alone counts the time in which the machine slept."""


class SystemClock:
    """contracts.clock.Clock on the clocks of the machine.

    `now_ms` goes on steadily, whatever becomes of the machine's wall clock, until `follow` is called: so whoever keeps
    times can move them along in the same moment (outbox/jumps.py). A clock of a few minutes need not follow.
    """

    def __init__(self) -> None:
        self._ahead_ms = 0
        self.follow()

    def now_ms(self) -> int:
        return time.monotonic_ns() // 1_000_000 + self._ahead_ms

    def monotonic_ms(self) -> int:
        return time.monotonic_ns() // 1_000_000

    def since_boot_ms(self) -> int:
        return time.clock_gettime_ns(_SINCE_BOOT) // 1_000_000

    def jump_ms(self) -> int:
        """How far the wall clock has gone off, to either side, since it was followed last."""
        return time.time_ns() // 1_000_000 - self.now_ms()

    def follow(self) -> None:
        """`now_ms` is what the wall clock says again."""
        self.turn(self.jump_ms())

    def turn(self, by_ms: int) -> None:
        self._ahead_ms += by_ms

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
