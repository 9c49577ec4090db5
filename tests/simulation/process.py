"""One process of the bridge: everything that `kill -9` takes away. What it had committed is the world's to keep."""

from __future__ import annotations

import asyncio
import math
import os
import random
import sqlite3
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from smsbridge.contracts.bridge import Bridge
from smsbridge.contracts.jobs import JobEnd, JobKind
from smsbridge.contracts.store import StoreUnavailable
from smsbridge.flows.catch_up import ensure_catch_up
from smsbridge.flows.jobs import job_kinds, queues
from smsbridge.flows.upkeep import ensure_upkeep
from smsbridge.ids import RandomIds
from smsbridge.keys import KeyRing
from smsbridge.outbox.roll import Roll
from smsbridge.outbox.worker import Worker
from smsbridge.store import sqlite
from smsbridge.store.sqlite import SqliteStore

from .loop import SimulatedLoop
from .network import SimulatedNetwork

if TYPE_CHECKING:
    from .world import World

SILENT_AFTER_MS = 15_000


class Crash(SystemExit):
    """The process ends here. asyncio lets a SystemExit through, from wherever it is raised."""


@dataclass
class Doom:
    """A process dies at the `left`-th point from now whose name begins with `where`."""

    where: str
    left: int

    WHERE: Final = ("", "", "", "COMMIT", "after COMMIT", "before Request", "after Request", "before the answer")
    """Nothing: at any statement. The others are where being there and being known of part."""

    @classmethod
    def draw(cls, chance: random.Random) -> Self:
        where = chance.choice(cls.WHERE)
        return cls(where, int(math.exp(chance.uniform(0, 4 if where else 7))))

    def has_come(self, where: str) -> bool:
        self.left -= where.startswith(self.where)
        return self.left == 0


class WatchedConnection(sqlite3.Connection):
    """The store's writing connection, on which the process may die before any statement and after any commit."""

    process: Process | None = None

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        if self.process is None:
            return super().execute(sql, *values)
        self.process.point(sql)
        if self.process.world.disk_is_full and sql.startswith(("INSERT", "UPDATE", "COMMIT")):
            if sql == "COMMIT":
                super().execute("ROLLBACK")  # as SQLite does by itself
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorname = "SQLITE_FULL"
            raise error
        cursor = super().execute(sql, *values)
        if sql == "COMMIT":
            self.process.point("after COMMIT")
        return cursor


class ProcessClock:
    """contracts.clock.Clock on the world's time."""

    def __init__(self, world: World) -> None:
        self._world = world

    def now_ms(self) -> int:
        return self._world.wall_ms()

    def monotonic_ms(self) -> int:
        return int(self._world.now_s * 1000)

    def since_boot_ms(self) -> int:
        return self.monotonic_ms()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class ProcessMeter:
    """contracts.meter.Meter: a job that crashes is a bug of ours, whatever becomes of it."""

    def __init__(self, world: World) -> None:
        self._world = world

    def count(self, name: str, amount: float = 1, /, **labels: str) -> None:
        self._world.counts[name] += int(amount)
        if name == "job_crashes_total":
            self._world.troubles.append(("nothing of ours crashes", labels))

    def observe(self, name: str, value: float, /, **labels: str) -> None:
        return

    def set(self, name: str, value: float, /, **labels: str) -> None:
        return


class Process:
    """Runs the real workers and doors on the real store, until its doom has come."""

    def __init__(self, world: World, name: str, database: Path, *, doom: Doom | None, is_alone: bool) -> None:
        self.world = world
        self.name = name
        self.doom = doom
        self.is_alone = is_alone
        self.is_dead = False
        self.is_frozen = False
        self.doubted_s = -1.0
        """Until then others may take it for dead though it lives."""
        self.is_listening = False
        self.on_next_job: Callable[[], None] | None = None
        self._chance = random.Random(world.random.random())
        self.loop = SimulatedLoop(lambda: world.now_s, self._disk_s)
        self.store = self._open(database)
        self.bridge = Bridge(
            store=self.store,
            network=SimulatedNetwork(world, self),
            keys=KeyRing(),
            blobs=None,  # type: ignore[arg-type] - no pictures here: tests/faults has them
            imaging=None,  # type: ignore[arg-type]
            clock=ProcessClock(world),
            ids=RandomIds(world.wall_ms, self._chance),
            meter=ProcessMeter(world),
            **world.configuration,
        )
        self._workers: list[Worker] = []
        self._roll = Roll(
            store=self.store, clock=self.bridge.clock, meter=self.bridge.meter, silent_after_ms=SILENT_AFTER_MS
        )
        self.serving = self.spawn(self._serve(), "serve")

    def spawn(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        task = self.loop.create_task(work, name=name)
        task.add_done_callback(self._ended)
        return task

    def point(self, where: str) -> None:
        """A moment between two statements, or beside a request: here the process may die."""
        if self.is_dead or (self.doom is not None and self.doom.has_come(where)):
            raise Crash(where)

    def run(self) -> None:
        """Runs until it has to wait. Raises Crash."""
        if not self.is_frozen:
            self.loop.run_until_still()
        self.world.troubles += [("nothing of ours crashes", trouble) for trouble in self.loop.troubles]

    def stop(self) -> None:
        """SIGTERM: takes nothing new, and ends what it has begun."""
        self.is_listening = False
        for worker in self._workers:
            worker.stop()

    def die(self) -> None:
        """kill -9: its memory is gone and its connection closed. What unwinds here reaches nothing any more."""
        self.is_dead = True
        self.is_listening = False
        self.store._is_closed = True
        self.store._writer.close()
        for connection in self.store._reader_connections:
            connection.close()
        os.close(self.store._lock)
        tasks = asyncio.all_tasks(self.loop)
        for task in tasks:
            task._log_destroy_pending = False
            task.cancel()
        while self.loop._ready:
            try:
                self.loop.run_until_still()
            except (Crash, sqlite3.ProgrammingError):  # a dead hand on a closed connection
                continue
        self.loop.close()

    async def _serve(self) -> None:
        """What app.Daemon does, without its sockets."""
        await self._roll.begin(alone=self.is_alone)
        await self.store.write(lambda tx: ensure_upkeep(tx, self.bridge))
        await self.store.write(lambda tx: ensure_catch_up(tx, self.bridge))
        depths = await self.store.read(lambda tx: tx.queue_depths(self.bridge.now_ms()))
        kinds = {name: self._watch(kind) for name, kind in job_kinds(self.bridge).items()}
        self._workers = [
            Worker(
                queue,
                kinds=kinds,
                store=self.store,
                clock=self.bridge.clock,
                meter=self.bridge.meter,
                concurrency=concurrency,
                has_held=self._roll.has_held,
            )
            for queue, concurrency in queues(self.bridge, [each.queue for each in depths]).items()
        ]
        async with asyncio.TaskGroup() as group:
            working = [group.create_task(each.run(), name=f"worker {each.queue}") for each in self._workers]
            if not self.is_alone:  # alone, nobody looks at it
                group.create_task(self._roll.run(), name="roll")
                group.create_task(self._roll.leave_after(working), name="roll's end")
            self.is_listening = True
            self.world.counts["listens"] += 1

    def _watch(self, kind: JobKind) -> JobKind:
        """The same kind of job, which tells the world when it runs."""

        async def perform(work: Any) -> JobEnd:
            attempt = self.world.enter_lane(work.job.lane, self)
            if self.on_next_job is not None:
                self.on_next_job, happen = None, self.on_next_job
                happen()
            try:
                return await kind.perform(work)
            finally:
                if attempt in self.world.running:
                    self.world.running.remove(attempt)

        return replace(kind, perform=perform)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        if self.is_dead or task.cancelled():
            return
        error = task.exception()
        if error is not None and not isinstance(error, (Crash, StoreUnavailable)):
            self.world.troubles.append(("nothing of ours crashes", f"{task.get_name()}: {error!r}"))

    def _disk_s(self) -> tuple[float, float]:
        """Two processes on one file never write at once: there the disk is quick, and only the news of it is slow."""
        before_s = self._chance.choice((0, 0.002, 0.05)) if self.is_alone else 0
        return before_s, self._chance.choice((0.001, 0.02, 0.3))

    def _open(self, database: Path) -> SqliteStore:
        """SqliteStore.open, less the lock that keeps a second process out, on a connection that is watched."""
        writer = sqlite3.connect(
            database, isolation_level=None, check_same_thread=False, cached_statements=512, factory=WatchedConnection
        )
        sqlite._set_up(writer)
        writer.execute("PRAGMA busy_timeout = 0")  # in one thread nobody else would ever let go
        writer.process = self
        lock = os.open(os.devnull, os.O_RDONLY)
        store = SqliteStore(database, lock, writer, b"k" * 32)
        store._daemon = f"{self.name}-{self._chance.getrandbits(64):016x}"
        return store
