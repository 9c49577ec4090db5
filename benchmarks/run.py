"""`make bench`: what smsbridge costs, against a bare aiohttp handler measured in the same run where that says most.

Machines are shared and noisy, so absolute figures mean little: what is compared is measured in turn, pair by pair, and
the median of the pairs is printed with its spread. The server has one core and the load the other; logging is on, as in
production.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from backlog import claims_per_s
from daemons import measure_daemons
from figures import Figure, Table
from load import CONNECTIONS, FarEnd, Load, desktop, press, twilio, write_gets, write_webhooks
from outbound import sends_per_s
from past import FAR_MS, RARE_WORD, contact_id, database_of, write_jobs, write_messages
from servers import LOAD_CORE, Running, bare, bridge, make_api_key

IDLE_S = 2.0
DAEMON_PAIRS = 3
"""Fewer than of the others: each pair starts six daemons."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("only", nargs="*", metavar="FIGURE", help=f"these only, of: {', '.join(MEASURES)}")
    parser.add_argument("--pairs", type=int, default=5, help="how often each pair is measured (default 5)")
    parser.add_argument("--requests", type=int, default=3_000, help="requests for each measurement (default 3000)")
    parser.add_argument("--stored", type=int, default=1_000_000, help="messages in the full store (default 1000000)")
    options = parser.parse_args()
    if unknown := set(options.only) - set(MEASURES):
        parser.error(f"no such figure: {', '.join(unknown)}")
    os.sched_setaffinity(0, LOAD_CORE)
    print(f"{options.pairs} pairs of {options.requests} requests over {CONNECTIONS} connections\n")
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(options.pairs, options.requests, options.stored, Path(folder))
        bench.table.begin()
        for name in options.only or MEASURES:
            asyncio.run(MEASURES[name](bench))


class Bench:
    def __init__(self, pairs: int, requests: int, stored: int, folder: Path) -> None:
        self.table = Table()
        self._full = folder
        self._pairs = pairs
        self._requests = requests
        self._stored = stored
        self._run = int(time.time()) & 0xFFFFFF

    async def ack(self) -> None:
        ratios, per_s = [], []
        for _ in range(self._pairs):
            with bare() as yardstick:
                best = await self._press(yardstick)
            with bridge() as ours:
                load = await self._press(ours)
            ratios.append(load.per_s / best.per_s)
            per_s.append(load.per_s)
        self._say("durable inbound acknowledgement / bare handler", ratios, reach=0.30, note=_per_s(per_s))
        await self._ack_at_half_load(statistics.median(per_s))

    async def _ack_at_half_load(self, per_s: float) -> None:
        p50, p99 = [], []
        for _ in range(self._pairs):
            with bridge() as ours:
                await self._press(ours, count=self._requests // 10)
                load = await self._press(ours, count=self._requests // 2, per_s=per_s / 2)
            p50.append(load.percentile_ms(0.5))
            p99.append(load.percentile_ms(0.99))
        self._say(
            "acknowledgement at half load, 99th percentile",
            p99,
            reach=25,
            at_most=True,
            unit=" ms",
            digits=1,
            note=f"median {statistics.median(p50):.1f} ms",
        )

    async def to_desktop(self) -> None:
        ratios, per_s = [], []
        async with desktop() as crm:
            for _ in range(self._pairs):
                with bare() as yardstick:
                    best = await self._press(yardstick)
                with bridge(desktop_url=crm.url) as ours:
                    per_s.append(await self._until_told(ours, crm))
                ratios.append(per_s[-1] / best.per_s)
        self._say("webhook to desktop, end to end / bare handler", ratios, reach=0.14, note=_per_s(per_s))

    async def outbound(self) -> None:
        ratios, per_s = [], []
        async with twilio() as carrier:
            for _ in range(self._pairs):
                with bare() as yardstick:
                    best = await self._press(yardstick)
                with bridge(carrier_url=carrier.url) as ours:
                    per_s.append(await sends_per_s(ours, carrier, self._requests // 2))
                ratios.append(per_s[-1] / best.per_s)
        self._say("outbound: accepted, sent, recorded / bare handler", ratios, note=_per_s(per_s))

    async def full_store(self) -> None:
        """A text to the desktop where a million have been said and many jobs of the same queue wait for another day."""
        ratios = []
        jobs = self._stored // 10
        full = self._full_store()
        write_jobs(full, jobs, queue="deliver:crm", lanes=20_000, due_at_ms=FAR_MS)
        async with desktop() as crm:
            for _ in range(self._pairs):
                with bridge(desktop_url=crm.url) as empty:
                    of_empty = await self._until_told(empty, crm, count=self._requests // 2)
                with bridge(folder=full, desktop_url=crm.url) as ours:
                    of_full = await self._until_told(ours, crm, count=self._requests // 2)
                ratios.append(of_empty / of_full)
        self._say(
            f"cost of a text to the desktop with {self._stored:,} messages and {jobs:,} waiting jobs / with none",
            ratios,
            reach=1.3,
            at_most=True,
        )

    async def backlog(self) -> None:
        """Claiming and closing where all that wait are due at once: a desktop is back after a day."""
        ratios, per_s = [], []
        few, many = self._stored // 100, self._stored
        each = few // (2 * self._pairs)  # so that the small one lasts for all pairs
        with tempfile.TemporaryDirectory() as name:
            folders = {count: Path(name) / str(count) for count in (few, many)}
            for count, folder in folders.items():
                folder.mkdir()
                with bridge(folder=folder):
                    pass
                write_jobs(folder, count, queue="deliver:crm", lanes=max(1, count // 10), due_at_ms=1)
            for _ in range(self._pairs):
                of_few = await claims_per_s(folders[few], "deliver:crm", each)
                per_s.append(await claims_per_s(folders[many], "deliver:crm", each))
                ratios.append(of_few / per_s[-1])
        self._say(
            f"cost of claiming and closing a job of {many:,} that are due / of {few:,}",
            ratios,
            reach=1.3,
            at_most=True,
            note=_per_s(per_s),
        )

    async def transcript(self) -> None:
        """One contact with a tenth of all that was said, whose rows lie between everybody's."""
        of_contact = self._stored // 10
        path = f"/v1/contacts/{contact_id(0)}/transcript"
        with bridge(folder=self._full_store()) as ours:
            key = make_api_key(ours)

            async def ask(path: str, count: int) -> list[float]:
                load = await press(write_gets(path, count, port=ours.port, key=key), port=ours.port, connections=1)
                assert not load.refused, path
                return [each * 1000 for each in load.latencies_s]

            pages = await ask(f"{path}?limit=50&before={self._stored // 2}", 4 * self._pairs)
            finds = await ask(f"{path}?limit=50&query={RARE_WORD}", self._pairs)
            everywhere = await ask(f"/v1/search?query={RARE_WORD}", self._pairs)
        milliseconds: dict[str, Any] = {"at_most": True, "unit": " ms", "digits": 1}
        self._say(f"a page of a transcript of {of_contact:,} messages", pages, reach=20, **milliseconds)
        self._say("a search in it for a word that only the oldest has", finds, reach=100, **milliseconds)
        self._say(f"the same in all {self._stored:,} messages of the store", everywhere, **milliseconds)

    async def idle(self) -> None:
        ready_s, rss_mb = [], []
        with bridge():
            pass  # compiles what was never compiled
        for _ in range(self._pairs):
            with bridge() as ours:
                ready_s.append(ours.ready_s)
                await asyncio.sleep(IDLE_S)
                rss_mb.append(ours.rss_mb)
        self._say("start to ready", ready_s, reach=1.0, at_most=True, unit=" s")
        self._say("idle memory (resident)", rss_mb, reach=70, at_most=True, unit=" MB", digits=1)

    async def daemons(self) -> None:
        for figure in await measure_daemons(min(self._pairs, DAEMON_PAIRS), self._requests // 3, self._press):
            self.table.add(figure)

    def _full_store(self) -> Path:
        """One with a past, written once for all that look at it."""
        if not database_of(self._full).exists():
            with bridge(folder=self._full):
                pass  # makes the schema
            write_messages(self._full, self._stored, people=20_000)
        return self._full

    async def _press(
        self,
        server: Running,
        *,
        count: int | None = None,
        per_s: float | None = None,
        connections: int = CONNECTIONS,
    ) -> Load:
        self._run += 1
        webhooks = write_webhooks(count or self._requests, port=server.port, run=self._run)
        load = await press(webhooks, port=server.port, per_s=per_s, connections=connections)
        if load.refused:
            raise SystemExit(f"{load.refused} webhooks were refused: the figures would mean nothing")
        return load

    async def _until_told(self, ours: Running, crm: FarEnd, *, count: int | None = None) -> float:
        """Texts a second, from the first webhook to the last one that the desktop was told of."""
        crm.told = 0
        begun = time.perf_counter()
        load = await self._press(ours, count=count)
        await crm.until_told(load.answered)
        return load.answered / (time.perf_counter() - begun)

    def _say(self, what: str, readings: list[float], **more: Any) -> None:
        self.table.add(Figure(what=what, readings=readings, **more))


def _per_s(readings: list[float]) -> str:
    return f"{statistics.median(readings):,.0f} a second here"


MEASURES = {
    "ack": Bench.ack,
    "desktop": Bench.to_desktop,
    "outbound": Bench.outbound,
    "full-store": Bench.full_store,
    "backlog": Bench.backlog,
    "transcript": Bench.transcript,
    "idle": Bench.idle,
    "daemons": Bench.daemons,
}

if __name__ == "__main__":
    main()
