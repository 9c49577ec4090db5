"""A long text of which a part does not come is shown as far as it came, and a part is held no longer than that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from smsbridge.contracts.bridge import Bridge
from smsbridge.contracts.jobs import Done, Job, JobEnd, NewJob
from smsbridge.contracts.store import Tx
from smsbridge.flows import inbound, lanes, parts

_AFTER_GIVING_UP_MS: Final = 3_600_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Joining:
    """A long text that was waited for long enough."""

    job: Job
    missing: int


def begin_join(_bridge: Bridge) -> Callable[[Tx, Job], Joining | JobEnd]:
    def begin(tx: Tx, job: Job) -> Joining | JobEnd:
        waiting = tx.waiting_text(job.ref)
        if waiting is None:
            return Done(facts={"outcome": "nothing_waits"})
        return Joining(job=job, missing=waiting.missing)

    return begin


async def join(bridge: Bridge, joining: Joining) -> JobEnd:
    facts = {"outcome": "incomplete", "missing": joining.missing}
    return Done(write=lambda tx: _show(tx, bridge, joining.job.ref), facts=facts)


def _show(tx: Tx, bridge: Bridge, waiting_id: str) -> None:
    waiting = tx.waiting_text(waiting_id)
    if waiting is None:  # the last part came, or the person was erased, a moment ago
        return
    account = bridge.accounts.get(waiting.account)
    answers_stop = account is None or account.adapter.abilities.answers_stop
    inbound.accept_text(tx, bridge, waiting.account, parts.close(tx, bridge, waiting), answers_stop=answers_stop)


def give_up_join(tx: Tx, bridge: Bridge, job: Job) -> None:
    """Its parts are kept, whatever crashed: it is tried again later."""
    now_ms = bridge.now_ms()
    tx.enqueue(
        NewJob(
            kind=lanes.JOIN,
            queue=lanes.JOIN_QUEUE,
            lane=job.lane,
            ref=job.ref,
            due_at_ms=now_ms + _AFTER_GIVING_UP_MS,
            created_at_ms=now_ms,
        )
    )
