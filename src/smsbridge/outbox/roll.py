"""The roll of daemons on one store: each says now and then that it lives, and takes over from those that do not.

A lane is held under its daemon's name. Once that daemon has not been heard of for a while, its lanes are due at once,
and what it had begun counts as interrupted. Should it only have been frozen: whatever it still writes for such a lane
is refused, because the lane's token has moved on (worker.py), and what it was about to send it keeps back (`has_held`).

Who has just come, or was cut off from the store itself, has no say in who is silent: after the database was away nobody
has been heard of, and each would take the others for dead.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection
from typing import Final

import structlog

from smsbridge.contracts.clock import Clock
from smsbridge.contracts.meter import Meter
from smsbridge.contracts.store import Store, StoreUnavailable, Tx

BEATS: Final = 5
"""So many times may a daemon say that it lives before the others take it for dead."""


class Roll:
    """`begin` before the workers start, `run` until `leave_after` has seen them end."""

    def __init__(self, *, store: Store, clock: Clock, meter: Meter, silent_after_ms: int) -> None:
        """Who has not been heard of for `silent_after_ms` is taken for dead."""
        self._silent_after_ms = silent_after_ms
        self._store = store
        self._clock = clock
        self._meter = meter
        self._beaten_at_ms = self._present_since_ms = -silent_after_ms
        """Since the machine was started: the last beat, and the first of those without a gap."""
        self._is_alone = False
        self._surely_alive_ms = silent_after_ms * (BEATS - 1) // BEATS
        """How long after a beat nobody takes us for dead, with something in reserve: what is on its way by then still
        has to arrive."""
        self._held_since_ms = 0
        """What was claimed before may be another's."""
        self._stopping = asyncio.Event()
        self._log = structlog.get_logger()

    async def begin(self, *, alone: bool) -> int:
        """Enters the roll. `alone`: nobody else can have the store open, so whoever held a lane is gone."""

        self._is_alone = alone

        def enter(tx: Tx) -> int:
            now_ms = self._clock.now_ms()
            tx.beat(now_ms)
            return tx.release_leases(now_ms) if alone else 0

        return await self._write(enter)

    async def run(self) -> None:
        while not self._stopping.is_set():
            try:
                taken = await self.beat()
            except StoreUnavailable:
                pass  # the workers and the health check say so
            else:
                if taken:
                    self._log.warning("daemon.taken_over", lanes=taken)
                    self._meter.count("lanes_taken_over_total", taken)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._silent_after_ms / 1000 / BEATS):
                    await self._stopping.wait()
        with contextlib.suppress(StoreUnavailable):
            await self._store.write(lambda tx: tx.leave())

    async def leave_after(self, working: Collection[asyncio.Task[None]]) -> None:
        """Stops once the last worker has ended: else the others would take over what is still going on here."""
        await asyncio.wait(working)
        self._stopping.set()

    async def beat(self) -> int:
        """Says that we live; returns how many lanes were taken over. Raises StoreUnavailable."""
        return await self._write(self._beat_and_take_over)

    def has_held(self, claimed_at_ms: int) -> bool:
        """Whether nobody can have taken us for dead since then, so that what was claimed then is surely still ours."""
        is_heard_of = self._clock.since_boot_ms() - self._beaten_at_ms < self._surely_alive_ms
        return self._is_alone or (is_heard_of and claimed_at_ms >= self._held_since_ms)

    async def _write(self, work: Callable[[Tx], int]) -> int:
        began_ms = self._clock.since_boot_ms()
        done = await self._store.write(work)
        ended_ms = self._clock.since_boot_ms()
        if ended_ms - self._beaten_at_ms >= self._surely_alive_ms:  # when it was heard, only the database knows
            self._held_since_ms = ended_ms
        if began_ms - self._beaten_at_ms >= self._silent_after_ms / 2:
            self._present_since_ms = began_ms
        self._beaten_at_ms = began_ms
        return done

    def _beat_and_take_over(self, tx: Tx) -> int:
        now_ms, since_boot_ms = self._clock.now_ms(), self._clock.since_boot_ms()
        tx.beat(now_ms)
        was_cut_off = since_boot_ms - self._beaten_at_ms >= self._silent_after_ms / 2
        if was_cut_off or since_boot_ms - self._present_since_ms < self._silent_after_ms:
            return 0  # who was away itself cannot tell
        return tx.take_over(self._silent_after_ms, now_ms)
