"""A worker: takes the jobs of one queue that are due, runs each to its end, and writes down how it ended.

Claiming and beginning are one transaction, and so are ending and what the job wants written. If the process dies in
between, the lease runs out (or, for a store that only we have open, is released at start), and the job is claimed
again as *interrupted*: what that means is the job's own business.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import structlog

from smsbridge.contracts.clock import Clock
from smsbridge.contracts.jobs import Buried, Done, Job, JobEnd, JobKind, Later, Outdated
from smsbridge.contracts.meter import Meter
from smsbridge.contracts.store import Commit, Store, StoreUnavailable, Tx

LEASE_MS: Final = 120_000
LONGEST_ATTEMPT_S: Final = 100.0
"""An attempt is cut off before its lease ends, so that no job is ever run twice at once."""
_BEGIN_WITHIN_MS: Final = LEASE_MS - int(LONGEST_ATTEMPT_S * 1000)
"""An attempt that begins later after its claim might not end within the lease."""
LONGEST_NAP_S: Final = 30.0
"""A worker looks again after this long, whatever it was told."""
STRAYS_EVERY_MS: Final = 30_000
SHORTEST_NAP_S: Final = 0.001
CRASHES_ALLOWED: Final = 3
_FROZEN_S: Final = 5.0
_PAUSE_AFTER_ERROR_S: Final = 1.0
_AFTER_CRASH_MS: Final = 5_000
_AFTER_FREEZE_MS: Final = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Claimed:
    """A job that began. `work` is what `perform` is given, or the end when there was nothing to perform."""

    job: Job
    kind: JobKind
    work: Any
    claimed_at_ms: int
    """Since the machine was started, from before the claim."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Braked:
    """Whether the queue's brake is on (`state`), why, and how long nothing is given out."""

    state: str
    reason: str
    wait_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Round:
    """What one look at the queue found. `next_due_at_ms` is when the next look can find something."""

    begun: list[Claimed]
    more_are_due: bool
    next_due_at_ms: int | None
    brake: Braked


class Worker:
    """Runs one queue. `run` returns once `stop` was called and the jobs in flight have ended or were let go."""

    def __init__(
        self,
        queue: str,
        *,
        kinds: Mapping[str, JobKind],
        store: Store,
        clock: Clock,
        meter: Meter,
        concurrency: int,
        grace_s: float = 30.0,
        has_held: Callable[[int], bool] = lambda _claimed_at_ms: True,
        alone: bool = True,
    ) -> None:
        """`has_held` tells whether what was claimed then, since the machine was started, can be nobody else's by now
        (Roll.has_held). `alone`: nobody else has the store open, and leases run out."""
        self.queue = queue
        self._kinds = kinds
        self._store = store
        self._clock = clock
        self._meter = meter
        self._concurrency = concurrency
        self._grace_s = grace_s
        self._has_held = has_held
        self._alone = alone
        self._wake = asyncio.Event()
        self._stopping = asyncio.Event()
        self._in_flight: set[asyncio.Task[None]] = set()
        self._unwritten: set[int] = set()
        self._held: dict[str, int] = {}
        self._strays: dict[str, int] = {}
        self._looked_at_ms = clock.monotonic_ms()
        self._is_full = False
        self._brake = "off"
        self._log = structlog.get_logger().bind(queue=queue)

    def stop(self, *, grace_s: float | None = None) -> None:
        """Claims nothing more. What is in flight gets its grace period, or the one given here."""
        if grace_s is not None:
            self._grace_s = grace_s
        self._stopping.set()
        self._wake.set()

    async def run(self) -> None:
        leave = self._store.subscribe(self._hear)
        try:
            async with asyncio.TaskGroup() as group:
                while not self._stopping.is_set():
                    try:
                        await self._claim_and_start(group)
                        await self._release_strays()
                    except StoreUnavailable as error:
                        # The store's trouble is not this loop's end: it looks again, and health shows it meanwhile.
                        self._log.warning("queue.stalled", reason=str(error))
                        await self._nap(_PAUSE_AFTER_ERROR_S)
                await self._let_finish()
        finally:
            leave()

    def _hear(self, commit: Commit) -> None:
        if self.queue in commit.queues:
            self._wake.set()

    async def _claim_and_start(self, group: asyncio.TaskGroup) -> None:
        free = self._concurrency - len(self._in_flight)
        self._is_full = free <= 0 or bool(self._unwritten)
        if self._is_full:
            await self._nap(LONGEST_NAP_S)
            return
        self._wake.clear()
        round_ = await self._store.write(lambda tx: self._claim(tx, free))
        self._tell_of_brake(round_.brake)
        for each in round_.begun:
            task = group.create_task(self._run_lane(each), name=f"{self.queue}:{each.job.id}")
            self._in_flight.add(task)
            task.add_done_callback(self._landed)
        if round_.more_are_due:
            self._is_full = True
        else:
            await self._nap(self._until_s(round_.next_due_at_ms))

    async def _release_strays(self) -> None:
        """A commit whose answer was lost may have claimed a lane that nobody here knows of, and as long as we live
        nobody else takes it. Two looks with more time between than any write takes show which those are."""
        now_ms = self._clock.monotonic_ms()
        if self._alone or now_ms - self._looked_at_ms < STRAYS_EVERY_MS:
            return
        self._looked_at_ms = now_ms
        claims = await self._store.read(lambda tx: tx.claims_of(self.queue))
        strays = {lane: token for lane, token in claims.items() if self._held.get(lane) != token}
        seen_twice = [(lane, token) for lane, token in strays.items() if self._strays.get(lane) == token]
        self._strays = strays
        if seen_twice:
            at_ms = self._clock.now_ms()
            released = await self._store.write(
                lambda tx: sum(tx.release_claim(self.queue, lane, token, at_ms) for lane, token in seen_twice)
            )
            self._log.warning("queue.strays_released", lanes=released)

    def _landed(self, task: asyncio.Task[None]) -> None:
        """Looks for more only where more was left lying: a job that ends has already taken the next of its lane."""
        self._in_flight.discard(task)
        if self._is_full:
            self._wake.set()

    async def _nap(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            pass
        self._wake.clear()

    def _until_s(self, due_at_ms: int | None) -> float:
        if due_at_ms is None:
            return LONGEST_NAP_S
        wait_s = (due_at_ms - self._clock.now_ms()) / 1000
        return min(max(wait_s, SHORTEST_NAP_S), LONGEST_NAP_S)

    def _claim(self, tx: Tx, limit: int) -> Round:
        now_ms, claimed_at_ms = self._clock.now_ms(), self._clock.since_boot_ms()
        brake = tx.brake(self.queue)
        jobs = tx.claim(self.queue, now_ms=now_ms, lease_until_ms=now_ms + LEASE_MS, limit=limit)
        begun = [self._begin(tx, job, claimed_at_ms) for job in jobs]
        return Round(
            begun=[each for each in begun if each is not None],
            more_are_due=len(jobs) == limit,
            next_due_at_ms=tx.next_due_ms(self.queue),
            brake=Braked(
                state=brake.state(now_ms), reason=brake.reason, wait_s=max(0, brake.free_at_ms - now_ms) / 1000
            ),
        )

    def _tell_of_brake(self, brake: Braked) -> None:
        """Once when it is put on or changes its kind, and once when it is off again."""
        if brake.state == self._brake:
            return
        if brake.state == "off":
            self._log.info("queue.released")
        else:
            self._log.warning("queue.braked", state=brake.state, reason=brake.reason, next_try_s=brake.wait_s)
        self._brake = brake.state

    def _begin(self, tx: Tx, job: Job, claimed_at_ms: int) -> Claimed | None:
        """None when the beginning was already the end: it is written in the same transaction."""
        kind = self._kinds.get(job.kind)
        if kind is None:
            # A later version put it in; it waits there for that version to come back.
            self._end(tx, job, Buried(reason=f"no such kind of job: {job.kind}"))
            return None
        job = replace(job, is_ours=lambda: self._age_ms(claimed_at_ms) < LEASE_MS and self._has_held(claimed_at_ms))
        try:
            with tx.savepoint():
                work = kind.begin(tx, job)
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - one job's bug must not stop the others
            tx.afterwards(partial(self._tell_of_crash, job, error))
            work = self._after_crash(job)
        if isinstance(work, (Done, Later, Buried)):
            self._end(tx, job, work)
            if job.is_probe:
                tx.spare_probe(job.queue, self._clock.now_ms())
            return None
        return Claimed(job=job, kind=kind, work=work, claimed_at_ms=claimed_at_ms)

    async def _run_lane(self, claimed: Claimed | None) -> None:
        """Runs a job and then the ones behind it in its lane, for as long as they are due."""
        lane = claimed.job.lane if claimed is not None else ""
        while claimed is not None:
            self._held[lane] = claimed.job.token
            started_ms = self._clock.monotonic_ms()
            job = claimed.job
            try:
                end = await self._perform(claimed)
            except asyncio.CancelledError:
                await self._give_back(job)
                raise
            claimed = await self._write_end(job, end)
            self._report(job, end, self._clock.monotonic_ms() - started_ms)
        self._held.pop(lane, None)

    async def _perform(self, claimed: Claimed) -> JobEnd:
        if self._age_ms(claimed.claimed_at_ms) >= _BEGIN_WITHIN_MS or not claimed.job.is_ours():
            return self._let_go(claimed)
        started_ms = self._clock.monotonic_ms()
        try:
            async with asyncio.timeout(LONGEST_ATTEMPT_S):
                return await claimed.kind.perform(claimed.work)
        except Outdated:
            return self._let_go(claimed)
        except StoreUnavailable as error:
            facts = {"outcome": "stalled", "reason": str(error)}
            return Later(due_at_ms=self._clock.now_ms() + 1_000, counts=False, facts=facts)
        except TimeoutError as error:
            took_s = (self._clock.monotonic_ms() - started_ms) / 1000
            if took_s > LONGEST_ATTEMPT_S + _FROZEN_S:
                # Cut off long after its time: it was not the job that hung, but all of us.
                return Later(due_at_ms=self._clock.now_ms(), counts=False, facts={"outcome": "frozen"})
            self._tell_of_crash(claimed.job, error)
        except Exception as error:  # noqa: BLE001 - one job's bug must not stop the others
            self._tell_of_crash(claimed.job, error)
        return self._after_crash(claimed.job)

    def _age_ms(self, claimed_at_ms: int) -> int:
        return self._clock.since_boot_ms() - claimed_at_ms

    def _let_go(self, claimed: Claimed) -> JobEnd:
        """We were frozen, and nothing has left. If the others have noticed, this is refused, and they go on from what
        the claim has written; if not, it is as if there had been no claim."""
        return Later(
            due_at_ms=self._clock.now_ms() + _AFTER_FREEZE_MS,
            counts=False,
            alert=True,
            write=lambda tx: claimed.kind.let_go(tx, claimed.job),
            facts={"outcome": "frozen"},
        )

    def _tell_of_crash(self, job: Job, error: Exception) -> None:
        self._log.error("job.crashed", kind=job.kind, job=job.id, exc_info=error)
        self._meter.count("job_crashes_total", kind=job.kind)

    def _after_crash(self, job: Job) -> JobEnd:
        """It is tried again, since its effect may have happened and only its next beginning can tell; one that keeps
        crashing is kept and shown, and its lane goes on."""
        crashes = job.crashes + 1
        if crashes < CRASHES_ALLOWED:
            return Later(due_at_ms=self._clock.now_ms() + _AFTER_CRASH_MS, crashes=crashes)
        give_up = self._kinds[job.kind].give_up
        return Buried(reason="the job crashed; the log says where", write=lambda tx: give_up(tx, job))

    async def _give_back(self, job: Job) -> None:
        """We stop before it ended. That is no failed attempt; whether its effect happened, its next beginning tells."""
        with contextlib.suppress(StoreUnavailable):  # then it is found with its lease run out
            await self._store.write(lambda tx: tx.postpone_job(job, self._clock.now_ms(), counts=False))

    async def _write_end(self, job: Job, end: JobEnd) -> Claimed | None:
        def write(tx: Tx) -> Claimed | None:
            if not self._end(tx, job, end) or self._stopping.is_set():
                return None
            now_ms, claimed_at_ms = self._clock.now_ms(), self._clock.since_boot_ms()
            following = tx.claim_next(job.lane, now_ms=now_ms, lease_until_ms=now_ms + LEASE_MS)
            return self._begin(tx, following, claimed_at_ms) if following is not None else None

        while True:
            try:
                following = await self._store.write(write)
            except StoreUnavailable as error:
                # What happened outside has happened: it must be written down, however long the store takes, and before
                # anybody here takes the job for one whose worker died.
                self._unwritten.add(job.id)
                self._log.warning("job.end_delayed", job=job.id, reason=str(error))
                await asyncio.sleep(_PAUSE_AFTER_ERROR_S)
            else:
                if self._unwritten:
                    self._unwritten.discard(job.id)
                    self._wake.set()
                return following

    def _end(self, tx: Tx, job: Job, end: JobEnd) -> bool:
        """False when the lease was lost meanwhile: then somebody else decides, and nothing is written."""
        try:
            return self._leave_and_write(tx, job, end)
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - as in _perform
            tx.afterwards(partial(self._tell_of_crash, job, error))
            crashed = self._after_crash(job)
        try:
            return self._leave_and_write(tx, job, crashed)
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - even giving it up has a bug: then it is a dead letter at least
            tx.afterwards(partial(self._tell_of_crash, job, error))
            return self._leave(tx, job, crashed)

    def _leave_and_write(self, tx: Tx, job: Job, end: JobEnd) -> bool:
        with tx.savepoint():
            if not self._leave(tx, job, end):
                tx.afterwards(lambda: self._meter.count("fenced_writes_total", queue=self.queue))
                return False
            end.write(tx)
        return True

    def _leave(self, tx: Tx, job: Job, end: JobEnd) -> bool:
        match end:
            case Done():
                return tx.close_job(job)
            case Later(due_at_ms=due_at_ms, counts=counts, crashes=crashes):
                return tx.postpone_job(job, due_at_ms, counts=counts, crashes=crashes)
            case Buried(reason=reason):
                return tx.bury_job(job, reason, self._clock.now_ms())

    def _report(self, job: Job, end: JobEnd, elapsed_ms: int) -> None:
        facts = {"outcome": type(end).__name__.lower(), **end.facts}
        self._meter.count("jobs_total", kind=job.kind, end=type(end).__name__.lower())
        needs_a_look = isinstance(end, Buried) or (isinstance(end, Later) and end.alert)
        log = self._log.warning if needs_a_look else self._log.info
        log("job.ended", kind=job.kind, job=job.id, attempt=job.attempt, elapsed_ms=elapsed_ms, **facts)

    async def _let_finish(self) -> None:
        if not self._in_flight:
            return
        _, late = await asyncio.wait(self._in_flight, timeout=self._grace_s)
        for task in late:
            task.cancel()
