"""After a backup was put back: nothing old is sent again by itself, and nothing at all before a person has looked.

What was queued when the backup was made may have gone out since, and the restored store does not know. So every text
that was on its way becomes uncertain, exactly as if the process had died while it was being sent: a receipt that
carries our reference settles it, or asking the carrier; else its agent is told and decides. New texts are taken and
wait until somebody says that sending may go on. The same on any database, however it was restored.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from smsbridge.contracts.bridge import Bridge
from smsbridge.contracts.store import MessageFilter, Tx
from smsbridge.domain.message import Direction, Message
from smsbridge.domain.outcome import Evidence
from smsbridge.domain.status import Move, Status, advance
from smsbridge.flows.outbound import settle_elsewhere
from smsbridge.flows.receipts import settle_message
from smsbridge.flows.restored import PAUSED, RESTORED_AT, is_sending_paused

CATCH_UP_SINCE: Final = "catch_up_since"
"""The note for catch-up: when the backup was begun, in milliseconds. What came since is to be read again."""
_AT_ONCE: Final = 100
_ON_ITS_WAY: Final = (Status.SENDING, Status.QUEUED)


def pause(tx: Tx, as_of_ms: int, now_ms: int) -> None:
    """First of all: from here on nothing leaves. `as_of_ms` is when the backup was begun."""
    tx.set_meta(PAUSED, "restored")
    tx.set_meta(RESTORED_AT, str(now_ms))
    tx.set_meta(CATCH_UP_SINCE, str(as_of_ms))


def doubt_some(tx: Tx, bridge: Bridge) -> int:
    """Takes some of the texts that were on their way into doubt; returns how many, 0 once there are no more.

    All of them, whenever they were written: a backup also holds what came while it was being begun, and how a time that
    somebody typed in compares with the clock of another machine is not for two texts to one contact to depend on.
    """
    doubted = 0
    for status in _ON_ITS_WAY:
        for message in tx.list_messages(MessageFilter(status=status, direction=Direction.OUTBOUND), limit=_AT_ONCE):
            _doubt(tx, bridge, message)
            doubted += 1
    return doubted


def finish(tx: Tx) -> bool:
    """Sending goes on. False when it was not paused."""
    was_paused = is_sending_paused(tx)
    tx.set_meta(PAUSED, "")
    return was_paused


def _doubt(tx: Tx, bridge: Bridge, message: Message) -> None:
    parts = []
    for part in tx.parts(message.id):
        moved = part
        if part.status is Status.QUEUED:
            # The try that may have been made since the backup: its receipt, should one come, finds its part.
            moved = replace(moved, status=advance(moved.status, Move.CLAIM), tries=moved.tries + 1)
        if moved.status is Status.SENDING:
            moved = replace(moved, status=advance(moved.status, Move.DOUBT), maybe_taken=True, evidence=_RESTORED)
        if moved is not part:
            tx.update_part(message.id, moved)
        parts.append(moved)
    settled = settle_message(tx, bridge, message, parts)
    settle_elsewhere(tx, bridge, settled, bridge.now_ms() + bridge.policy.settle_after_ms[0])


_RESTORED: Final = Evidence(text="restored from a backup; it may have been sent after the backup was made")
