"""Every kind of background work, and the functions that do it. A new kind is one line here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any

from smsbridge.contracts.bridge import Bridge
from smsbridge.contracts.jobs import Job, JobEnd, JobKind
from smsbridge.contracts.store import Tx
from smsbridge.flows import catch_up, confirming, desktop, joining, lanes, media, sending, upkeep


def job_kinds(bridge: Bridge) -> Mapping[str, JobKind]:
    """By the name that a row's `kind` column holds."""
    kinds = (
        _kind(bridge, lanes.SEND, sending.begin_send, sending.send, sending.give_up_send, sending.let_go_send),
        _kind(bridge, lanes.SETTLE, sending.begin_settle, sending.settle, sending.give_up_settle),
        _kind(bridge, lanes.CONFIRM, confirming.begin_confirm, confirming.confirm, confirming.give_up_confirm),
        _kind(bridge, lanes.JOIN, joining.begin_join, joining.join, joining.give_up_join),
        _kind(bridge, lanes.DELIVER, desktop.begin_deliver, desktop.deliver),
        _kind(bridge, lanes.FETCH, media.begin_fetch, media.fetch, media.give_up_fetch),
        _kind(bridge, lanes.PREPARE, media.begin_prepare, media.prepare, media.give_up_prepare),
        _kind(bridge, lanes.CATCH_UP, catch_up.begin_catch_up, catch_up.catch_up, catch_up.give_up_catch_up),
        _kind(bridge, lanes.UPKEEP, upkeep.begin_upkeep, upkeep.keep_up, upkeep.give_up_upkeep),
    )
    return {kind.name: kind for kind in kinds}


def queues(bridge: Bridge, waiting: Collection[str] = ()) -> Mapping[str, int]:
    """Every queue and how many of its jobs may run at once.

    `waiting` are those in which something waits: work for an account or a desktop that is configured no more must come
    to an end as well, and be told of, rather than lie there.
    """
    return {
        **dict.fromkeys(waiting, 1),
        **{lanes.catch_up_queue(account.name): 1 for account in bridge.accounts.values()},
        **targets(bridge),
        **{lanes.media_queue(name): 8 for name in bridge.accounts},
        lanes.PREPARE_QUEUE: 8,
        lanes.JOIN_QUEUE: 4,
        lanes.UPKEEP_QUEUE: 1,
    }


def targets(bridge: Bridge) -> Mapping[str, int]:
    """The queues that have a carrier account or a desktop behind them: each its own, so that none slows another."""
    return {
        **{lanes.send_queue(account.name): account.concurrency for account in bridge.accounts.values()},
        **{lanes.deliver_queue(each.name): each.concurrency for each in bridge.desktops.values()},
    }


def _kind(
    bridge: Bridge,
    name: str,
    begin: Callable[[Bridge], Callable[[Tx, Job], Any | JobEnd]],
    perform: Callable[[Bridge, Any], Awaitable[JobEnd]],
    give_up: Callable[[Tx, Bridge, Job], None] = lambda _tx, _bridge, _job: None,
    let_go: Callable[[Tx, Bridge, Job], None] = lambda _tx, _bridge, _job: None,
) -> JobKind:
    return JobKind(
        name=name,
        begin=begin(bridge),
        perform=lambda work: perform(bridge, work),
        give_up=lambda tx, job: give_up(tx, bridge, job),
        let_go=lambda tx, job: let_go(tx, bridge, job),
    )
