"""The bridge's own process: `smsbridge serve`, but for a clock that can be moved and a point at which it dies.

The points are put in from here, around parts of the bridge, before it starts. The bridge itself knows nothing of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import importlib
import os
import pkgutil
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from faults import planted
from faults.gauges import memory_in_use

CRASH_POINTS = (
    "accept_before_commit",
    "accept_after_commit",
    "claim_before_commit",
    "claim_after_commit",
    "answered",
    "close_before_commit",
    "close_after_commit",
)
"""In the order of a text's way out. Accepting, claiming and closing are the three transactions of a send; before the
commit everything is written and nothing kept, after it everything is kept and nobody told. `claim_after_commit` is
before the call, `answered` between the answer of the carrier and the closing transaction."""
FREEZE_POINT = "connecting"
"""Between the claim of a send and its first byte. Here the process is not killed: it stops, until somebody wakes it."""

MEMORY_EVERY_S = 5.0


def serve(config: Path, log: Path, crash_at: str, clock_shift_ms: Any, memory: Any, bug: str) -> None:
    """`crash_at` is nothing, `point`, or `point:3`, the third time. `clock_shift_ms` is shared with the
    test, and so is `memory`, where the process says what it has in use (gauges.memory_in_use). `bug` is the name of a
    mistake to be planted (planted.py)."""
    with log.open("ab") as out:
        os.dup2(out.fileno(), 1)
        os.dup2(out.fileno(), 2)
    from smsbridge import app
    from smsbridge.carriers import load_carriers
    from smsbridge.config import load
    from smsbridge.desktops import load_desktops
    from smsbridge.log import set_up_logging

    if crash_at:
        plant(crash_at)
    if bug:
        planted.PLANTS[bug]()
    app.SystemClock = _moved(app.SystemClock, clock_shift_ms)
    loaded = load(config, carriers=load_carriers(), desktops=load_desktops())
    set_up_logging(level=loaded.settings.log.level, style=loaded.settings.log.format)

    async def served() -> int:
        _tell_memory(asyncio.get_running_loop(), memory)
        return await app.serve(loaded)

    sys.exit(asyncio.run(served()))


def _tell_memory(loop: asyncio.AbstractEventLoop, memory: Any) -> None:
    """Now and then, for as long as the loop runs. A thread of its own would be one more to be counted."""
    with contextlib.suppress(AttributeError):  # this C library does not tell, and the soak says so
        memory[:] = memory_in_use()
    loop.call_later(MEMORY_EVERY_S, _tell_memory, loop, memory)


def plant(crash_at: str) -> None:
    from smsbridge import app
    from smsbridge.flows import lanes, outbound

    bomb = _Bomb(crash_at)
    bomb.watch_connections()
    outbound.submit = bomb.marking("accept", outbound.submit)
    for store in _stores():
        store.write = bomb.watching(store.write)
    job_kinds = app.job_kinds

    def with_points(bridge: Any) -> Mapping[str, Any]:
        kinds = dict(job_kinds(bridge))
        kinds[lanes.SEND] = bomb.around(kinds[lanes.SEND])
        return kinds

    app.job_kinds = with_points


def _stores() -> list[Any]:
    """The class of every store there is; one whose driver is not installed is not."""
    import smsbridge.store

    found = []
    for each in pkgutil.iter_modules(smsbridge.store.__path__, "smsbridge.store."):
        with contextlib.suppress(ImportError):
            module = importlib.import_module(each.name)
            found += [
                value
                for name, value in vars(module).items()
                if name.endswith("Store") and vars(value).get("write") and value.__module__ == each.name
            ]
    return found


class _Bomb:
    """Kills the process at its point. Marks say which transaction of a send is being run just now."""

    def __init__(self, crash_at: str) -> None:
        self._point, _, nth = crash_at.partition(":")
        assert self._point in (*CRASH_POINTS, FREEZE_POINT), crash_at
        self._left = int(nth or 1)
        self._is_sending = contextvars.ContextVar("is_sending", default=False)
        self._marks = threading.local()  # a store may run its transactions in threads

    def reach(self, point: str) -> None:
        if point != self._point:
            return
        self._left -= 1
        if point == FREEZE_POINT and self._left == 0:
            os.kill(os.getpid(), signal.SIGSTOP)
        elif point != FREEZE_POINT and self._left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch_connections(self) -> None:
        """The socket of a send is about to be connected. Connecting has no limit of its own here: a freeze outlasts it,
        and what was kept back because its time was over would show nothing."""
        from smsbridge import app, network

        limits = replace(network.Limits(), connect_s=3_600)
        app.HttpNetwork = partial(app.HttpNetwork, limits=limits)
        open_socket = network._open_socket

        def opened(info: Any) -> Any:
            if self._is_sending.get():
                self.reach(FREEZE_POINT)
            return open_socket(info)

        network._open_socket = opened

    def marking(self, mark: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def marked(*values: Any, **named: Any) -> Any:
            result = work(*values, **named)
            self._marks.now = {*getattr(self._marks, "now", ()), mark}
            return result

        return marked

    def watching(self, write: Callable[..., Any]) -> Callable[..., Any]:
        """`Store.write` with a point at the end of the transaction and one after its commit."""

        async def watched(store: Any, work: Callable[[Any], Any], **named: Any) -> Any:
            seen: set[str] = set()

            def run(tx: Any) -> Any:
                self._marks.now = set()
                result = work(tx)
                seen.clear()
                seen.update(self._marks.now)
                for mark in seen:
                    self.reach(f"{mark}_before_commit")
                return result

            result = await write(store, run, **named)
            for mark in seen:
                self.reach(f"{mark}_after_commit")
            return result

        return watched

    def around(self, kind: Any) -> Any:
        """The job of sending, with its places marked."""
        from smsbridge.contracts.jobs import Buried, Done, Later

        def begin(tx: Any, job: Any) -> Any:
            begun = kind.begin(tx, job)
            if not isinstance(begun, (Done, Later, Buried)):
                self._marks.now = {*getattr(self._marks, "now", ()), "claim"}
            return begun

        async def perform(work: Any) -> Any:
            self._is_sending.set(True)
            try:
                end = await kind.perform(work)
            finally:
                self._is_sending.set(False)
            self.reach("answered")
            return replace(end, write=self.marking("close", end.write))

        return replace(kind, begin=begin, perform=perform)


def _moved(clock: type[Any], shift_ms: Any) -> type[Any]:
    class MovedClock(clock):  # type: ignore[misc]
        """The machine's clock as it is after somebody set it."""

        def now_ms(self) -> int:
            return int(super().now_ms() + shift_ms.value)

    return MovedClock
