"""What it costs to claim work and to close it, in the store alone: no carrier, no desktop, no worker."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

from past import database_of
from smsbridge.contracts.jobs import Job
from smsbridge.contracts.store import Tx
from smsbridge.store.sqlite import SqliteStore

AT_ONCE = 64
LEASE_MS = 120_000


async def claims_per_s(folder: Path, queue: str, count: int) -> float:
    """Claims `count` jobs that are due, as many at once as a worker does, and closes each."""
    store = SqliteStore.open(database_of(folder))
    now_ms = time.time_ns() // 1_000_000

    def claim(tx: Tx) -> list[Job]:
        return tx.claim(queue, now_ms=now_ms, lease_until_ms=now_ms + LEASE_MS, limit=AT_ONCE)

    def close(tx: Tx, jobs: list[Job]) -> None:
        for job in jobs:
            assert tx.close_job(job)

    done = 0
    begun = time.perf_counter()
    while done < count:
        jobs = await store.write(claim)
        assert jobs, "the backlog is used up"
        await store.write(partial(close, jobs=jobs))
        done += len(jobs)
    elapsed_s = time.perf_counter() - begun
    await store.close()
    return done / elapsed_s
