"""The brake of a target: a carrier account, a desktop, or one of our senders that nothing may go to just now.

    hold      the target said when it may be asked again (Retry-After). Until then nothing goes there.
    circuit   the target does not work. Once several jobs in a row have failed, it is *open*: one job at a time finds
              out whether the target is back, every `probe_every_ms`. The first success, of whichever job, closes it.

A brake is a value that lies in the store, so that it holds for every daemon and outlives a restart. Here are its moves.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal


@dataclass(frozen=True, kw_only=True, slots=True)
class BrakePolicy:
    """When a circuit opens, how often it probes, and when one refused event is put aside."""

    open_after: int = 5
    """So many failures in a row, none of them the same job's as the one before, and nothing that worked in between."""
    probe_every_ms: int = 30_000
    park_after: int = 3
    """So often an event was refused, while the target took others."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Brake:
    """As it stands. A target that was never in trouble has none in the store, which is `Brake()`."""

    held_until_ms: int = 0
    failures: int = 0
    """In a row. One job that fails again and again counts once: it may be at fault itself."""
    failed_job: int = 0
    """The job that failed last."""
    opened_at_ms: int = 0
    """0: the circuit is closed."""
    probe_at_ms: int = 0
    probe_every_ms: int = 0
    suspicions: int = 0
    """How often a job was refused for the first time: each such job is suspected of being at fault itself."""
    cleared: int = 0
    """Up to which suspicion the target has since taken something else."""
    reason: str = ""
    """Of the hold or the last failure, for the operator."""

    @property
    def is_open(self) -> bool:
        return self.opened_at_ms > 0

    @property
    def free_at_ms(self) -> int:
        """Before this nothing goes; from then on everything, or one probe if the circuit is open."""
        return max(self.held_until_ms, self.probe_at_ms) if self.is_open else self.held_until_ms

    def is_on(self, now_ms: int) -> bool:
        return self.is_open or self.held_until_ms > now_ms

    def state(self, now_ms: int) -> Literal["open", "held", "off"]:
        return "open" if self.is_open else "held" if self.is_on(now_ms) else "off"

    def held(self, until_ms: int, reason: str) -> Brake:
        """A shorter hold does not end a longer one."""
        return self if until_ms <= self.held_until_ms else replace(self, held_until_ms=until_ms, reason=reason)

    def probed(self, now_ms: int) -> Brake:
        """A probe leaves; whatever becomes of it, the next leaves an interval later."""
        return replace(self, probe_at_ms=now_ms + self.probe_every_ms)

    def failed(self, job_id: int, now_ms: int, policy: BrakePolicy, reason: str) -> Brake:
        """It could not be reached, gave no answer, or said that it does not work."""
        if self.is_open or job_id == self.failed_job:
            return self
        counted = replace(self, failures=self.failures + 1, failed_job=job_id, reason=reason)
        if counted.failures < policy.open_after:
            return counted
        every_ms = policy.probe_every_ms
        return replace(counted, opened_at_ms=now_ms, probe_at_ms=now_ms + every_ms, probe_every_ms=every_ms)

    def answered(self) -> Brake:
        """It works, whatever it said of the one job."""
        if not self.failures:
            return self
        return replace(self, failures=0, failed_job=0, opened_at_ms=0, probe_at_ms=0, probe_every_ms=0)

    def took(self) -> Brake:
        """It took something: whoever is suspected of being refused for no fault of their own, is not any more."""
        worked = self.answered()
        return worked if self.cleared == self.suspicions else replace(worked, cleared=self.suspicions)

    def suspected(self) -> Brake:
        return replace(self, suspicions=self.suspicions + 1)


NO_BRAKE = Brake()


@dataclass(frozen=True, kw_only=True, slots=True)
class Suspicion:
    """A job that its target refused. `number` is the brake's count when it was refused for the first time."""

    number: int
    since_ms: int
    refusals: int = 1

    def is_proven(self, brake: Brake, policy: BrakePolicy) -> bool:
        """It was refused often enough, and the target has taken something else since the first time."""
        return self.refusals >= policy.park_after and brake.cleared >= self.number
