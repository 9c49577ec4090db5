"""What a jump of the wall clock does to work that waits: nothing.

Times in the store are wall clock. If it is set back by two hours, whatever was to be tried again in a minute would wait
for two hours more; if it is set forward, every lease would have run out, and what is being done just now would count as
interrupted. So a jump moves all times of the outbox along, in one transaction, and the clock is followed in the same
moment: a wait of a minute stays one. Only for a store that no other process has open.
"""

from __future__ import annotations

from typing import Final, Protocol

import structlog

from smsbridge.contracts.meter import Meter
from smsbridge.contracts.store import Store, StoreUnavailable, Tx

JUMP_MS: Final = 2_000
"""What is less is drift, and followed without a word."""
NOTE_EVERY_LOOKS: Final = 30
_SEEN_AT: Final = "clock_seen_at_ms"


class SteadyClock(Protocol):
    """clock.SystemClock."""

    def now_ms(self) -> int: ...
    def jump_ms(self) -> int: ...
    def follow(self) -> None: ...
    def turn(self, by_ms: int) -> None: ...


class ClockWatch:
    """`begin` before the workers start; then `look` once a second."""

    def __init__(self, *, clock: SteadyClock, store: Store, meter: Meter, alone: bool) -> None:
        """`alone`: nobody else has the store open."""
        self._clock = clock
        self._store = store
        self._meter = meter
        self._alone = alone
        self._looks = 0
        self._log = structlog.get_logger()

    async def begin(self) -> None:
        """The clock may have been set back while nothing ran. Set forward, it looks like time that has passed."""
        if not self._alone:
            return

        def compare(tx: Tx) -> int:
            now_ms = self._clock.now_ms()
            back_ms = now_ms - int(tx.meta(_SEEN_AT) or now_ms)
            if back_ms < -JUMP_MS:
                tx.shift_schedule(back_ms)
            tx.set_meta(_SEEN_AT, str(now_ms))
            return back_ms

        back_ms = await self._store.write(compare)
        if back_ms < -JUMP_MS:
            self._tell(back_ms)

    async def look(self) -> None:
        """Follows the wall clock. A store that cannot be written to is no reason to end: the next look tries again."""
        self._looks += 1
        jump_ms = self._clock.jump_ms()
        try:
            if abs(jump_ms) >= JUMP_MS:
                await self._jump(jump_ms)
            else:
                self._clock.follow()
                if self._alone and self._looks % NOTE_EVERY_LOOKS == 0:
                    await self._store.write(lambda tx: tx.set_meta(_SEEN_AT, str(self._clock.now_ms())))
        except StoreUnavailable:
            return

    async def _jump(self, by_ms: int) -> None:
        if not self._alone:
            self._clock.turn(by_ms)
            self._tell(by_ms)
            return
        turned = False

        def shift(tx: Tx) -> None:
            nonlocal turned
            tx.shift_schedule(by_ms)
            # Here and not after the commit: those who write in between must not read the old time any more.
            if not turned:
                self._clock.turn(by_ms)
                turned = True

        try:
            await self._store.write(shift)
        except StoreUnavailable:
            if turned:
                self._clock.turn(-by_ms)
            raise
        self._tell(by_ms)

    def _tell(self, by_ms: int) -> None:
        self._meter.count("clock_jumps_total", direction="forward" if by_ms > 0 else "back")
        self._log.warning("clock.jumped", by_s=round(by_ms / 1000, 1))
