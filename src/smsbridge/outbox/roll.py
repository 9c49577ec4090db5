"""The roll of daemons on one store: each says now and then that it lives, and takes over from those that do not.

A lane is held under its daemon's name. Once that daemon has not been heard of for a while, its lanes are due at once,
and what it had begun counts as interrupted. Should it only have been frozen: whatever it still writes for such a lane
is refused, because the lane's token has moved on (worker.py).
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

import structlog

from smsbridge.contracts.clock import Clock
from smsbridge.contracts.meter import Meter
from smsbridge.contracts.store import Store, StoreUnavailable, Tx

EVERY_S: Final = 3.0
SILENT_AFTER_MS: Final = 15_000
"""Who has not been heard of for so long is taken for dead."""


class Roll:
    """`begin` before the workers start, `run` until `stop`."""

    def __init__(self, *, store: Store, clock: Clock, meter: Meter) -> None:
        self._store = store
        self._clock = clock
        self._meter = meter
        self._stopping = asyncio.Event()
        self._log = structlog.get_logger()

    async def begin(self, *, alone: bool) -> int:
        """Enters the roll. `alone`: nobody else can have the store open, so whoever held a lane is gone."""

        def enter(tx: Tx) -> int:
            now_ms = self._clock.now_ms()
            tx.beat(now_ms)
            return tx.release_leases(now_ms) if alone else tx.take_over(now_ms - SILENT_AFTER_MS, now_ms)

        return await self._store.write(enter)

    async def run(self) -> None:
        while not self._stopping.is_set():
            try:
                taken = await self._store.write(self._beat)
            except StoreUnavailable:
                pass  # the workers and the health check say so
            else:
                if taken:
                    self._log.warning("daemon.taken_over", lanes=taken)
                    self._meter.count("lanes_taken_over_total", taken)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(EVERY_S):
                    await self._stopping.wait()
        with contextlib.suppress(StoreUnavailable):
            await self._store.write(lambda tx: tx.leave())

    def stop(self) -> None:
        self._stopping.set()

    def _beat(self, tx: Tx) -> int:
        now_ms = self._clock.now_ms()
        tx.beat(now_ms)
        return tx.take_over(now_ms - SILENT_AFTER_MS, now_ms)
