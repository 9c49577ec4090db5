"""An event loop in which nothing waits: its time is the world's, and it runs only when the world lets it."""

from __future__ import annotations

import asyncio
import heapq
import math
from collections.abc import Callable
from typing import Any, Final

_MOST_ROUNDS: Final = 100_000


class _NoSockets:
    """The selector of a loop that has nothing to select from, and never waits for it."""

    def select(self, _timeout: float | None) -> list[Any]:
        return []


class SimulatedLoop(asyncio.BaseEventLoop):
    """asyncio with time as a number. `disk_s` says how long the disk takes before it has written, and after it."""

    def __init__(self, now_s: Callable[[], float], disk_s: Callable[[], tuple[float, float]]) -> None:
        super().__init__()
        self._selector = _NoSockets()
        self._now_s = now_s
        self._disk_s = disk_s
        self.troubles: list[dict[str, Any]] = []
        """What asyncio would have logged: exceptions that nobody looked at."""

    def time(self) -> float:
        return self._now_s()

    def run_until_still(self) -> None:
        """Runs everything that can run before time moves on. Whatever ends the process ends this call."""
        rounds = 0
        asyncio._set_running_loop(self)
        try:
            while self._ready or self.due_at_s <= self.time():
                self._run_once()
                rounds += 1
                assert rounds < _MOST_ROUNDS, "the bridge goes round and round and time stands still"
        finally:
            asyncio._set_running_loop(None)

    @property
    def due_at_s(self) -> float:
        """When the next timer rings."""
        while self._scheduled and self._scheduled[0].cancelled():
            self._timer_cancelled_count -= 1
            heapq.heappop(self._scheduled)._scheduled = False
        return self._scheduled[0].when() if self._scheduled else math.inf

    def run_in_executor(self, _executor: Any, work: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:
        """A thread, as the rest of the program sees one: its work is done after a while, and told after another."""
        done = self.create_future()
        before_s, after_s = self._disk_s()

        def run() -> None:
            try:
                tell, what = done.set_result, work(*args)
            except Exception as error:  # noqa: BLE001 - it is the caller's, as from a thread
                tell, what = done.set_exception, error
            self.call_later(after_s, lambda: done.cancelled() or tell(what))

        if before_s:
            self.call_later(before_s, run)
        else:
            run()
        return done

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.troubles.append(context)

    def _process_events(self, _events: list[Any]) -> None:
        return
