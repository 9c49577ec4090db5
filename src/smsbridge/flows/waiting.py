"""Texts that wait while nobody looks at them: behind a brake nothing is claimed, so here they are looked after.

Their agents hear of the delay, and when it has been too long: a text whose time is over is not kept for a carrier that
comes back at night.
"""

from __future__ import annotations

from typing import Final

from smsbridge.contracts.bridge import Bridge
from smsbridge.contracts.store import Tx
from smsbridge.domain.cause import Cause
from smsbridge.domain.outcome import Evidence, Rejected
from smsbridge.domain.status import Status
from smsbridge.flows import lanes
from smsbridge.flows.brakes import DELAY_TOLD_UP_TO
from smsbridge.flows.sending import fail, tell_of_delay

_AT_ONCE: Final = 25
"""In one transaction, each with some twenty statements: the database may be milliseconds away."""


def tell_of_brakes(tx: Tx, bridge: Bridge) -> int:
    """The *delayed* notice of texts whose account is braked; each is looked at once. Returns how many were."""
    now_ms, looked_at = bridge.now_ms(), 0
    for account in bridge.accounts:
        brake = tx.brake(lanes.send_queue(account))
        if not brake.is_on(now_ms):
            continue
        key = DELAY_TOLD_UP_TO.format(account=account)
        before_ms = now_ms - bridge.policy.delayed_notice_after_ms
        waiting = tx.queued_messages(account, after_id=tx.meta(key), before_ms=before_ms, limit=_AT_ONCE)
        cause = Cause.CARRIER_OUTAGE if brake.is_open else Cause.RATE_LIMITED
        for message in waiting:
            tell_of_delay(tx, bridge, message, cause, max(brake.free_at_ms, now_ms), Evidence(text=brake.reason))
        if waiting:
            tx.set_meta(key, waiting[-1].id)
        looked_at += len(waiting)
    return looked_at


def give_up_overdue(tx: Tx, bridge: Bridge) -> int:
    """Fails texts whose time is over, also those of which a part has gone and the rest waits."""
    given_up = 0
    for message in tx.overdue_messages(bridge.now_ms(), limit=_AT_ONCE):
        parts = tx.parts(message.id)
        part = next((each for each in parts if each.status is Status.QUEUED), None)
        if part is not None and all(each.status is not Status.SENDING for each in parts):
            fail(tx, bridge, message, part, Rejected(cause=Cause.EXPIRED, evidence=Evidence(text="it waited too long")))
            tx.drop_jobs(lanes.send_lane(message.conversation_id), message.id)
            given_up += 1
    return given_up
