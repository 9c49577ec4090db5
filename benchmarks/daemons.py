"""Two daemons on one PostgreSQL database against one.

Measured twice: each daemon held to the same share of a core, so that the database and the load have what they need and
only the design decides; and as fast as the machine lets them, where all four share its cores.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import statistics
import sys
import time
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from figures import Figure
from load import CONNECTIONS, Load, desktop
from ports import free_port
from postgres_server import new_server
from servers import CORES, bridge, children_of, cpu_s, share_of_a_core

SHARE = 0.3
"""Of a core, for each daemon."""
Press = Callable[..., Coroutine[Any, Any, Load]]


async def measure_daemons(pairs: int, requests: int, press: Press) -> list[Figure]:
    """Webhook to desktop. `press` sends signed webhooks to one daemon."""
    os.sched_setaffinity(0, CORES)
    server = new_server(free_port())
    databases = (server.make_database(f"bridge{number}") for number in itertools.count())
    held, free, costs = [], [], []
    for _ in range(pairs):
        one = await _measure(next(databases), 1, requests // 4, press, share=SHARE)
        two = await _measure(next(databases), 2, requests // 4, press, share=SHARE)
        if one and two:
            held.append(two.per_s / one.per_s)
    for _ in range(pairs):
        one = await _measure(next(databases), 1, requests, press, database_pid=server.pid)
        two = await _measure(next(databases), 2, requests, press)
        assert one
        assert two
        free.append(two.per_s / one.per_s)
        costs.append((one.daemon_ms, one.database_ms, one.load_ms))
    daemon_ms, database_ms, load_ms = (statistics.median(each) for each in zip(*costs, strict=True))
    # One daemon runs on one core at most; two of them, the database and the load have all cores between them.
    most = len(CORES) * daemon_ms / (daemon_ms + database_ms + load_ms)
    note = (
        f"a text costs the daemon {daemon_ms:.1f} ms, the database {database_ms:.1f} and the load {load_ms:.1f}: "
        f"{len(CORES)} cores allow no more than {most:.2f}"
    )
    figures = []
    if held:
        what = f"two daemons on PostgreSQL / one, each held to {SHARE:g} of a core"
        figures.append(Figure(what=what, readings=held, reach=1.5, note="webhook to desktop"))
    return [*figures, Figure(what="two daemons on PostgreSQL / one, on all cores", readings=free, reach=1.5, note=note)]


@dataclass(frozen=True)
class _Reading:
    """What one run came to; the costs are milliseconds of a core for each text."""

    per_s: float
    daemon_ms: float
    database_ms: float
    load_ms: float


async def _measure(
    url: str, count: int, requests: int, press: Press, *, share: float | None = None, database_pid: int = 0
) -> _Reading | None:
    """None where this machine cannot hold the daemons to a share."""
    async with AsyncExitStack() as stack:
        crm = await stack.enter_async_context(desktop())
        daemons = [stack.enter_context(bridge(desktop_url=crm.url, store_url=url, cores=CORES)) for _ in range(count)]
        if not stack.enter_context(share_of_a_core(share, [each.pid for each in daemons])):
            return None

        def spent() -> tuple[float, float, float]:
            database = sum(cpu_s(pid) for pid in children_of(database_pid)) if database_pid else 0.0
            return sum(each.cpu_s for each in daemons), database, time.process_time()

        before, begun = spent(), time.perf_counter()
        loads = await asyncio.gather(
            *(press(each, count=requests // count, connections=CONNECTIONS // count) for each in daemons)
        )
        await crm.until_told(sum(load.answered for load in loads))
        elapsed_s = time.perf_counter() - begun
        daemon, database, load = ((now - then) * 1000 / requests for now, then in zip(spent(), before, strict=True))
        return _Reading(requests / elapsed_s, daemon, database, load)
