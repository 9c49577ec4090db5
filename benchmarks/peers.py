"""`make bench-peers`: the same texts through smsbridge and through Kannel, in turn, on the same core.

What Kannel answers it has kept in its store and never synced; smsbridge has synced it, dropped repeats, checked the
signature, and kept the conversation. Jasmin wants RabbitMQ and Redis beside it and is not run here.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import time

from figures import Figure, Table
from kannel import BEARERBOX, StoreKind, kannel, write_kannel_sends, write_texts
from load import CONNECTIONS, FarEnd, desktop, plain, press, twilio, write_webhooks
from outbound import sends_per_s
from servers import LOAD_CORE, Running, bridge

STORES: tuple[StoreKind, ...] = ("spool", "file")
REACH = {"spool": 0.6, "file": 0.4}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured (default 5)")
    parser.add_argument("--texts", type=int, default=4_000, help="texts for each measurement (default 4000)")
    options = parser.parse_args()
    if not BEARERBOX.exists():
        raise SystemExit(f"{BEARERBOX} is not there: apt-get install kannel")
    os.sched_setaffinity(0, LOAD_CORE)
    print(f"{options.rounds} rounds of {options.texts} texts over {CONNECTIONS} connections\n")
    asyncio.run(measure(options.rounds, options.texts))


async def measure(rounds: int, texts: int) -> None:
    table = Table()
    table.begin()
    ours: dict[str, list[float]] = {"in": [], "out": []}
    theirs: dict[tuple[str, StoreKind], list[float]] = {(way, store): [] for way in ours for store in STORES}
    for number in range(rounds):
        async with desktop() as crm:
            with bridge(desktop_url=crm.url) as running:
                ours["in"].append(await _inbound(running, crm, texts, run=number))
        async with twilio() as carrier:
            with bridge(carrier_url=carrier.url) as running:
                ours["out"].append(await sends_per_s(running, carrier, texts))
        for store in STORES:
            theirs["in", store].append(await _kannel_inbound(store, texts))
            theirs["out", store].append(await _kannel_outbound(store, texts))
    for way, words in (("in", "webhook to desktop"), ("out", "outbound: accepted, sent, recorded")):
        for store in STORES:
            ratios = [mine / other for mine, other in zip(ours[way], theirs[way, store], strict=True)]
            per_s = [statistics.median(each) for each in (ours[way], theirs[way, store])]
            reach = REACH[store] if way == "in" else 0.5 if store == "spool" else None
            note = f"{per_s[0]:,.0f} / {per_s[1]:,.0f} a second here"
            table.add(Figure(what=f"{words} / Kannel, {store} store", readings=ratios, reach=reach, note=note))


async def _inbound(running: Running, crm: FarEnd, texts: int, *, run: int) -> float:
    webhooks = write_webhooks(texts, port=running.port, run=run)
    return await _per_s(webhooks, running.port, crm)


async def _kannel_inbound(store: StoreKind, texts: int) -> float:
    async with plain() as crm, plain(b"0: Accepted for delivery") as carrier:
        with kannel(store=store, desktop_url=crm.url, carrier_url=carrier.url) as peer:
            return await _per_s(write_texts(texts, port=peer.carrier_port), peer.carrier_port, crm)


async def _kannel_outbound(store: StoreKind, texts: int) -> float:
    async with plain() as crm, plain(b"0: Accepted for delivery") as carrier:
        with kannel(store=store, desktop_url=crm.url, carrier_url=carrier.url) as peer:
            return await _per_s(write_kannel_sends(texts, port=peer.send_port), peer.send_port, carrier)


async def _per_s(requests: list[bytes], port: int, end: FarEnd) -> float:
    """From the first request until the far end has the last text."""
    begun = time.perf_counter()
    load = await press(requests, port=port)
    if load.refused:
        raise SystemExit(f"{load.refused} requests were refused: the figures would mean nothing")
    await end.until_told(len(requests))
    return len(requests) / (time.perf_counter() - begun)


if __name__ == "__main__":
    main()
