"""Texts that a carrier could not push, because we were down or refused them, are fetched: its list of what came is
read on every start and from time to time, and what is in it and not in the store is taken as if it had been posted.

Of each of our numbers the store holds from when on its list is still to be read. A stretch that could not be read is
told to whoever runs the bridge; what cannot be read again at all, to the agent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from smsbridge.contracts.bridge import Account, Bridge, Sender
from smsbridge.contracts.carrier import Listed, ListQuery
from smsbridge.contracts.jobs import Done, Job, JobEnd, Later, NewJob
from smsbridge.contracts.store import Arrived, Tx
from smsbridge.domain.events import InboundMessage, Withheld
from smsbridge.domain.phone import sender_kind
from smsbridge.flows import lanes
from smsbridge.flows.inbound import accept_events, is_known, storable
from smsbridge.flows.restoring import CATCH_UP_SINCE
from smsbridge.wire.http import Answered, MaybeSent, NotSent, Request

Came = InboundMessage | Withheld


def ensure_catch_up(tx: Tx, bridge: Bridge) -> None:
    """On every start: each number has its recurring job, and all of them look at once.

    A number that is looked after for the first time begins now: the past is not ours to import.
    """
    now_ms = bridge.now_ms()
    tx.set_meta(_STARTED, str(now_ms))
    restored_from_ms = _read_ms(tx, CATCH_UP_SINCE)
    for sender in bridge.senders.values():
        if sender_kind(sender.number) == "alphanumeric":
            continue  # nobody can text a name
        if not bridge.policy.catch_up_every_ms:
            tx.set_meta(_from_key(sender), "")
            continue
        from_ms = _read_ms(tx, _from_key(sender))
        begins_ms = now_ms // 1000 * 1000 if from_ms is None else from_ms  # carriers tell whole seconds
        if restored_from_ms is not None:
            begins_ms = min(begins_ms, restored_from_ms)
        if begins_ms != from_ms:
            tx.set_meta(_from_key(sender), str(begins_ms))
        if tx.has_lane(lanes.catch_up_lane(sender.account, sender.number)):
            tx.expedite(lanes.catch_up_lane(sender.account, sender.number), sender.number, now_ms)
        else:
            _enqueue(tx, bridge, sender, now_ms)
    if restored_from_ms is not None:
        tx.set_meta(CATCH_UP_SINCE, "")


def give_up_catch_up(tx: Tx, bridge: Bridge, job: Job) -> None:
    """Whatever crashed, texts may be missing: it is tried again later, so that its dead letters do not pile up."""
    sender = bridge.senders.get(job.ref)
    if sender is not None:
        _enqueue(tx, bridge, sender, bridge.now_ms() + _AFTER_GIVING_UP_MS)


@dataclass(frozen=True, kw_only=True, slots=True)
class CatchingUp:
    """One look at the list of one of our numbers."""

    job: Job
    sender: Sender
    account: Account
    from_ms: int
    """What came before is known."""
    started_ms: int
    """What came before was certainly not on its way to us any more."""
    stretch_ms: int
    """How much of the time is read at once."""


def begin_catch_up(bridge: Bridge) -> Callable[[Tx, Job], CatchingUp | JobEnd]:
    def begin(tx: Tx, job: Job) -> CatchingUp | JobEnd:
        sender = bridge.senders.get(job.ref)
        account = bridge.accounts.get(sender.account) if sender else None
        if sender is None or account is None or job.lane != lanes.catch_up_lane(account.name, sender.number):
            return Done(facts={"outcome": "not_ours_any_more"})
        if not bridge.policy.catch_up_every_ms:
            return Done(facts={"outcome": "switched_off"})
        tx.drop_jobs(job.lane, job.ref)  # two daemons that start at the same moment may both have put it in
        from_ms, started_ms = _read_ms(tx, _from_key(sender)), _read_ms(tx, _STARTED)
        return CatchingUp(
            job=job,
            sender=sender,
            account=account,
            from_ms=bridge.now_ms() if from_ms is None else from_ms,
            started_ms=started_ms or 0,
            stretch_ms=_read_ms(tx, _stretch_key(sender)) or _STRETCH_MS,
        )

    return begin


async def catch_up(bridge: Bridge, looking: CatchingUp) -> JobEnd:
    """Reads the list from where the last look ended, an hour at a time, oldest first: what a contact said stays in the
    order in which it was said. Where an hour is too much for one look, half of it is read, and so on."""
    abilities, now_ms = looking.account.adapter.abilities, bridge.now_ms()
    if abilities.listing == "nothing":
        return _notice_absence(bridge, looking)
    left_alone_ms = now_ms - abilities.pushes_for_ms
    if abilities.listing == "texts":
        left_alone_ms = max(left_alone_ms, min(looking.started_ms, now_ms))
    since_ms = max(looking.from_ms, now_ms - _FURTHEST_BACK_MS)
    until_ms = min(since_ms + looking.stretch_ms, left_alone_ms)
    gaps = ["too_old"] if since_ms > looking.from_ms else []
    if until_ms <= since_ms:
        return _look_again(bridge, looking, looking.from_ms, {"outcome": "nothing_to_list"})
    query = ListQuery(to=looking.sender.number, since_ms=since_ms, until_ms=until_ms)
    try:
        missing, found_wanting = await _read_list(bridge, looking.account, query)
        taken, is_complete = await _take(bridge, looking, missing)
    except _TooMuchError:
        return _look_at_less(bridge, looking, (until_ms - since_ms) // 2)
    except LookupError as error:
        return Later(
            due_at_ms=bridge.now_ms() + min(_ASK_AGAIN_MS, bridge.policy.catch_up_every_ms),
            counts=False,
            alert=True,
            facts={"outcome": "not_listed", "account": looking.account.name, "reason": str(error)},
        )
    gaps += found_wanting
    facts = {"outcome": "caught_up", "account": looking.account.name, "missing": len(missing), "taken": taken}
    if not is_complete:
        return Later(due_at_ms=bridge.now_ms(), counts=False, facts=facts)
    for reason in gaps:
        bridge.meter.count("catch_up_gaps_total", carrier=looking.account.name, reason=reason)
    is_last = until_ms == left_alone_ms
    reached_ms = max(since_ms, until_ms - bridge.policy.catch_up_overlap_ms) if is_last else until_ms
    facts |= {"gaps": ",".join(gaps)} if gaps else {}
    end = _look_again(bridge, looking, reached_ms, facts, is_last=is_last)
    return replace(end, due_at_ms=end.due_at_ms if is_last else bridge.now_ms(), alert=bool(gaps))


def _notice_absence(bridge: Bridge, looking: CatchingUp) -> Later:
    """A carrier without a list: all that can be done is to notice that we were away for longer than it pushes."""
    away_ms = looking.started_ms - looking.from_ms
    is_gap = away_ms > looking.account.adapter.abilities.pushes_for_ms + _NOTICED_EVERY_MS
    facts: dict[str, object] = {"outcome": "away" if is_gap else "present", "account": looking.account.name}
    if is_gap:
        bridge.meter.count("catch_up_gaps_total", carrier=looking.account.name, reason="no_list")
        facts |= {"gaps": "no_list", "away_s": away_ms // 1000}
    end = _look_again(bridge, looking, bridge.now_ms(), facts)
    return replace(end, due_at_ms=bridge.now_ms() + _NOTICED_EVERY_MS, alert=is_gap)


def _look_at_less(bridge: Bridge, looking: CatchingUp, stretch_ms: int) -> Later:
    """Until there is nothing more to catch up with: whatever is that much now will be for a while."""
    return Later(
        due_at_ms=bridge.now_ms(),
        counts=False,
        write=lambda tx: tx.set_meta(_stretch_key(looking.sender), str(stretch_ms)),
        facts={"outcome": "too_much", "account": looking.account.name},
    )


def _look_again(
    bridge: Bridge, looking: CatchingUp, from_ms: int, facts: dict[str, object], *, is_last: bool = True
) -> Later:
    def record(tx: Tx) -> None:
        tx.set_meta(_from_key(looking.sender), str(from_ms))
        if is_last and looking.stretch_ms != _STRETCH_MS:
            tx.set_meta(_stretch_key(looking.sender), "")

    return Later(due_at_ms=bridge.now_ms() + bridge.policy.catch_up_every_ms, counts=False, write=record, facts=facts)


class _TooMuchError(Exception):
    """More than can be read in one look."""


async def _read_list(bridge: Bridge, account: Account, query: ListQuery) -> tuple[list[Came], list[str]]:
    """What is listed and not known, oldest first; and why there may be more of it. Raises LookupError, or
    _TooMuchError where less can be asked for."""
    unknown: list[Came] = []
    unreadable, reasons = 0, []
    began_ms = bridge.clock.monotonic_ms()
    is_shortest = query.until_ms - query.since_ms < 2 * _SHORTEST_STRETCH_MS
    for _ in range(_MOST_PAGES):
        listed = await _read_page(bridge, account, query)
        unreadable += listed.unreadable
        unknown += await _unknown(bridge, account, [each for each in listed.events if _is_wanted(each, query)])
        if not listed.next_page:
            break
        if bridge.clock.monotonic_ms() - began_ms > _LONGEST_MS:
            raise LookupError("The list takes too long to read.") if is_shortest else _TooMuchError
        query = replace(query, page=listed.next_page)
    else:
        if not is_shortest:
            raise _TooMuchError
        reasons.append("too_many")
    if unreadable:
        reasons.append("not_understood")
    # Two texts of the same second keep the order of the list, which is newest first.
    unknown.sort(key=lambda each: -query.until_ms if each.carrier_at_ms is None else -each.carrier_at_ms)
    return unknown[::-1], reasons


async def _read_page(bridge: Bridge, account: Account, query: ListQuery) -> Listed:
    answered = await _ask(bridge, account, account.adapter.write_list(query), "list")
    return account.adapter.read_list(query, answered.response)


async def _ask(bridge: Bridge, account: Account, request: Request, operation: str) -> Answered:
    performed = await bridge.network.perform(request, timeout_s=account.timeout_s, max_bytes=_LIST_BYTES)
    outcome = "answered" if isinstance(performed, Answered) else "no_answer"
    bridge.meter.count("carrier_requests_total", carrier=account.name, operation=operation, outcome=outcome)
    match performed:
        case Answered():
            return performed
        case NotSent(reason=reason) | MaybeSent(reason=reason):
            raise LookupError(f"The carrier did not answer: {reason}.")


async def _unknown(bridge: Bridge, account: Account, events: Sequence[Came]) -> list[Came]:
    return await bridge.store.read(lambda tx: [each for each in events if not is_known(tx, account.name, each)])


def _is_wanted(event: Came, query: ListQuery) -> bool:
    return event.carrier_at_ms is None or query.since_ms <= event.carrier_at_ms < query.until_ms


async def _take(bridge: Bridge, looking: CatchingUp, missing: Sequence[Came]) -> tuple[int, bool]:
    """Takes them as if they had been posted, some at a time; returns how many, and whether that is all.

    A text whose attachments cannot be asked for just now waits, and what its contact said after it waits as well; the
    texts of others are taken. Raises LookupError then: it is all to be looked at once more.
    """
    until_ms = bridge.clock.monotonic_ms() + _LONGEST_MS
    taken, is_complete = 0, True
    waiting: set[str] = set()
    for start in range(0, len(missing), _TAKEN_AT_ONCE):
        ready = []
        for event in missing[start : start + _TAKEN_AT_ONCE]:
            is_complete = bridge.clock.monotonic_ms() <= until_ms
            if not is_complete:
                break
            whole = None if event.from_number in waiting else await _with_media(bridge, looking, event)
            if whole is None:
                waiting.add(event.from_number)
            else:
                ready.append(whole)
        taken += await _accept(bridge, looking.account, ready)
        if not is_complete:
            break
    if waiting:
        raise LookupError("Attachments cannot be asked for.")
    return taken, is_complete


async def _with_media(bridge: Bridge, looking: CatchingUp, event: Came) -> Came | None:
    """None while it is to wait for its attachments. It does so for a quarter of an hour: then it goes without them, and
    the agent is told."""
    account = looking.account
    if not isinstance(event, InboundMessage) or not event.media_missing:
        return event
    try:
        answered = await _ask(bridge, account, account.adapter.write_list_media(event), "list_media")
        return account.adapter.read_list_media(event, answered.response)
    except LookupError:
        waited_ms = bridge.now_ms() - max(event.carrier_at_ms or 0, looking.started_ms)
        return None if waited_ms < _LONGEST_WAIT_MS else event


async def _accept(bridge: Bridge, account: Account, events: Sequence[Came]) -> int:
    kept = [storable(event) for event in events]
    outcomes = await bridge.store.write(lambda tx: accept_events(tx, bridge, account, None, kept))
    stored = [reason for outcome, reason in outcomes if outcome is Arrived.STORED]
    for reason in stored:
        bridge.meter.count(
            "catch_up_texts_total",
            carrier=account.name,
            outcome="withheld" if reason == "withheld" else "recovered",
        )
    return len(stored)


def _enqueue(tx: Tx, bridge: Bridge, sender: Sender, due_at_ms: int) -> None:
    tx.enqueue(
        NewJob(
            kind=lanes.CATCH_UP,
            queue=lanes.catch_up_queue(sender.account),
            lane=lanes.catch_up_lane(sender.account, sender.number),
            ref=sender.number,
            due_at_ms=due_at_ms,
            created_at_ms=bridge.now_ms(),
        )
    )


def _from_key(sender: Sender) -> str:
    return f"catch_up_from:{sender.account}:{sender.number}"


def _stretch_key(sender: Sender) -> str:
    return f"catch_up_stretch:{sender.account}:{sender.number}"


def _read_ms(tx: Tx, key: str) -> int | None:
    value = tx.meta(key)
    return int(value) if value.isdecimal() else None


_STARTED: Final = "catch_up_started"
_STRETCH_MS: Final = 3_600_000
_SHORTEST_STRETCH_MS: Final = 60_000
_FURTHEST_BACK_MS: Final = 30 * 86_400_000
_MOST_PAGES: Final = 100
_LIST_BYTES: Final = 16 * 1024 * 1024
_TAKEN_AT_ONCE: Final = 50
_LONGEST_MS: Final = 30_000
"""Of reading the list, and of taking what is in it: a look ends long before its lease does. What is left is taken by
the next, which finds the rest known."""
_LONGEST_WAIT_MS: Final = 900_000
_ASK_AGAIN_MS: Final = 60_000
_NOTICED_EVERY_MS: Final = 60_000
_AFTER_GIVING_UP_MS: Final = 3_600_000
