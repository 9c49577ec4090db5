"""What has to be looked after from time to time: idle interactions, texts without an end, old rows, unused uploads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from smsbridge.contracts.bridge import Bridge
from smsbridge.contracts.jobs import Job, JobEnd, Later, NewJob
from smsbridge.contracts.store import Tx
from smsbridge.flows import agents, confirming, interactions, lanes, rerouting, waiting

EVERY_MS: Final = 30_000
UNUSED_MS: Final = 86_400_000
_COMES_AGAIN_MS: Final = 3 * 86_400_000
"""No carrier posts a text again after so long, and no signature with a time in it holds so long (Sinch's two days)."""
_AFTER_GIVING_UP_MS: Final = 3_600_000
_AT_ONCE: Final = 100
_LONGEST_MS: Final = 45_000
"""A look ends long before its lease does; what is left then is found by the next."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Upkeep:
    job: Job


def ensure_upkeep(tx: Tx, bridge: Bridge) -> None:
    """Puts the one recurring job in, unless it is there."""
    if tx.next_due_ms(lanes.UPKEEP_QUEUE) is None:
        _enqueue(tx, bridge, bridge.now_ms())


def give_up_upkeep(tx: Tx, bridge: Bridge, _job: Job) -> None:
    """Looking after things must go on, whatever crashed: later, so that the dead letters of it do not pile up."""
    _enqueue(tx, bridge, bridge.now_ms() + _AFTER_GIVING_UP_MS)


def _enqueue(tx: Tx, bridge: Bridge, due_at_ms: int) -> None:
    tx.enqueue(
        NewJob(
            kind=lanes.UPKEEP,
            queue=lanes.UPKEEP_QUEUE,
            lane=lanes.UPKEEP,
            ref="",
            due_at_ms=due_at_ms,
            created_at_ms=bridge.now_ms(),
        )
    )


def begin_upkeep(_bridge: Bridge) -> Callable[[Tx, Job], Upkeep]:
    return lambda _tx, job: Upkeep(job=job)


async def keep_up(bridge: Bridge, _upkeep: Upkeep) -> JobEnd:
    until_ms = bridge.clock.monotonic_ms() + _LONGEST_MS

    async def all_of(some: Callable[[Tx, Bridge], int]) -> int:
        """Repeats a small transaction until it finds nothing more to do: between two, others get their turn."""
        total = 0
        while done := await bridge.store.write(lambda tx: some(tx, bridge)):
            total += done
            if bridge.clock.monotonic_ms() >= until_ms:
                break
        return total

    ended = await all_of(interactions.end_idle)
    unconfirmed = await all_of(confirming.look_for_unconfirmed)
    overdue = await all_of(waiting.give_up_overdue)
    rerouted = await all_of(rerouting.reroute_waiting)
    delayed = await all_of(waiting.tell_of_brakes)
    absent = await bridge.store.write(lambda tx: agents.stand_down_absent(tx, bridge))
    trimmed = await all_of(_trim)
    unused = await bridge.store.write(lambda tx: _drop_unused_uploads(tx, bridge))
    for sha256 in unused:
        await bridge.blobs.discard(sha256)
    return Later(
        due_at_ms=bridge.now_ms() + EVERY_MS,
        counts=False,
        facts={
            "outcome": "kept_up",
            "ended": ended,
            "unconfirmed": unconfirmed,
            "overdue": overdue,
            "rerouted": rerouted,
            "delayed": delayed,
            "absent": absent,
            "trimmed": trimmed,
            "uploads": len(unused),
        },
    )


def _trim(tx: Tx, bridge: Bridge) -> int:
    now_ms, keep = bridge.now_ms(), bridge.policy.retention
    return (
        tx.trim_arrivals(now_ms - keep.arrivals_ms)
        + tx.trim_text_parts(now_ms - max(keep.arrivals_ms, _COMES_AGAIN_MS))
        + tx.trim_unmatched_receipts(now_ms - keep.arrivals_ms)
        + tx.trim_events(now_ms - keep.events_ms)
        + tx.trim_dead_letters(now_ms - keep.events_ms)  # the event of an older one could not be told any more
        + tx.trim_capabilities(now_ms)
        + tx.forget_answers(now_ms - keep.answers_ms)
        + tx.trim_desktop_events(now_ms - keep.answers_ms)
        + tx.trim_rate_turns(now_ms - UNUSED_MS)
        + tx.trim_suspicions()
        + tx.trim_sessions(now_ms - bridge.policy.desk.session_idle_ms)
        + tx.trim_presences(now_ms - UNUSED_MS)
    )


def _drop_unused_uploads(tx: Tx, bridge: Bridge) -> list[str]:
    """Returns the blobs that nothing refers to any more."""
    old = tx.unused_attachments(bridge.now_ms() - UNUSED_MS, _AT_ONCE)
    for attachment in old:
        tx.delete_attachment(attachment.id)
    blobs = {digest for each in old for digest in (each.sha256, each.thumbnail_sha256) if digest}
    return sorted(digest for digest in blobs if not tx.blob_in_use(digest))
