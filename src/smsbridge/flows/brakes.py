"""What an answer says of the one who gave it, beyond the one text: written down where every daemon sees it.

The moves are in `domain/brake.py`; what a brake does is in the store's `claim`: nothing of a held queue is given out.
"""

from __future__ import annotations

import math
from dataclasses import replace
from enum import StrEnum
from typing import Any, Final

from smsbridge.contracts.bridge import Bridge
from smsbridge.contracts.jobs import Job, JobEnd
from smsbridge.contracts.store import Tx
from smsbridge.domain.brake import Brake
from smsbridge.domain.message import Message
from smsbridge.domain.outcome import RetryLater
from smsbridge.flows import resources
from smsbridge.wire.http import Answered, Performed

SERVER_ERROR = 500


class Sign(StrEnum):
    """What one call showed of its target."""

    TOOK = "took"
    """It works, and took what we gave it."""
    ANSWERED = "answered"
    """It works, and did not want this one, or not now."""
    FAILED = "failed"


def sign_of(performed: Performed) -> Sign:
    """Of a carrier: whoever answers works. One that hangs after it has read the request does not: each text that it is
    given then becomes uncertain."""
    works = isinstance(performed, Answered) and performed.response.status < SERVER_ERROR
    return Sign.TOOK if works else Sign.FAILED


def reason_of(performed: Performed) -> str:
    return f"HTTP {performed.response.status}" if isinstance(performed, Answered) else performed.reason


def observing(end: JobEnd, bridge: Bridge, job: Job, sign: Sign, reason: str = "") -> JobEnd:
    """The same end, which also writes down what was seen of the job's target."""

    def write(tx: Tx) -> None:
        before = tx.brake(job.queue)
        after = _moved(before, bridge, job, sign, reason)
        if after is not before:
            tx.save_brake(job.queue, after)
        end.write(tx)

    return replace(end, write=write)


def sparing(end: JobEnd, bridge: Bridge, job: Job) -> JobEnd:
    """The same end of a job that asked its target nothing: if it was the probe, the next one is it."""
    if not job.is_probe:
        return end

    def write(tx: Tx) -> None:
        tx.spare_probe(job.queue, bridge.now_ms())
        end.write(tx)

    return replace(end, write=write)


def holding(end: JobEnd, target: str, until_ms: int, reason: str) -> JobEnd:
    """The same end, which also keeps everything from the target until then."""

    def write(tx: Tx) -> None:
        before = tx.brake(target)
        after = before.held(until_ms, reason)
        if after is not before:
            tx.save_brake(target, after)
        end.write(tx)

    return replace(end, write=write)


def note_late_comer(tx: Tx, message: Message) -> None:
    """A text that waits once more, or at another account, may be older than those whose delay has been told already
    (flows/waiting.py): they are looked at again from there on, and none is told twice."""
    key = DELAY_TOLD_UP_TO.format(account=message.account)
    if message.id <= tx.meta(key):
        tx.set_meta(key, message.id[:-1])  # what it begins with comes before it


def hold_until_ms(bridge: Bridge, outcome: RetryLater, first_s: float) -> int:
    """Their time; where they name none, a moment: whoever is told nothing must not go on as fast as before."""
    wait_s = first_s if outcome.after_s is None else outcome.after_s
    return bridge.now_ms() + math.ceil(wait_s * 1000)


def show_brake(target: str, brake: Brake, now_ms: int) -> dict[str, Any]:
    """For operators. `since` is of an open circuit only."""
    return {
        "target": target,
        "state": brake.state(now_ms),
        "since": resources.time(brake.opened_at_ms) if brake.is_open else None,
        "next_try_at": resources.time(brake.free_at_ms),
        "reason": brake.reason,
    }


DELAY_TOLD_UP_TO: Final = "delay_told_up_to:{account}"


def _moved(brake: Brake, bridge: Bridge, job: Job, sign: Sign, reason: str) -> Brake:
    match sign:
        case Sign.TOOK:
            return brake.took()
        case Sign.ANSWERED:
            return brake.answered()
        case Sign.FAILED:
            return brake.failed(job.id, bridge.now_ms(), bridge.policy.brakes, reason)
