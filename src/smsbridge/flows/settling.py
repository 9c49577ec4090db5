"""An uncertain text, settled by the word of a person who has looked it up at the carrier, or asked the contact."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from smsbridge.contracts.bridge import Bridge
from smsbridge.contracts.store import PartRef, Tx
from smsbridge.domain.errors import Conflict, NotFound
from smsbridge.domain.message import Direction, Message
from smsbridge.domain.outcome import Evidence, Rejected
from smsbridge.domain.status import Status
from smsbridge.flows import lanes
from smsbridge.flows.outbound import resend
from smsbridge.flows.receipts import Report, apply_report
from smsbridge.flows.sending import fail, last_look


def settle_by_word(tx: Tx, bridge: Bridge, message_id: str, *, was_sent: bool) -> Message:
    """It was sent: then it shows as sent, and receipts go on from there. It was not: then it is sent again if it still
    can be, and fails with the reason if not. Saying the same twice changes nothing.

    Raises NotFound, or Conflict("not_uncertain") with what it is instead.
    """
    message = tx.message(message_id)
    if message is None or message.direction is not Direction.OUTBOUND:
        raise NotFound("outbound message", message_id)
    parts = tx.parts(message.id)
    uncertain = [part for part in parts if part.status is Status.UNCERTAIN]
    words = _SENT if was_sent else _NOT_SENT
    if not uncertain:
        if any(part.evidence.text.startswith(words) for part in parts):
            return message
        raise Conflict("not_uncertain", f"It is not uncertain: it {_IS[message.status]}. Nothing was changed.")
    tx.drop_jobs(lanes.settle_lane(message.id), message.id)
    if was_sent:
        for part in uncertain:
            target = PartRef(message_id=message.id, part_number=part.number, try_number=part.tries)
            apply_report(tx, bridge, target, Report(status=Status.SENT, evidence=Evidence(text=words)))
    else:
        refusal = last_look(tx, bridge, message, bridge.accounts.get(message.account))
        if refusal is None:
            for part in uncertain:
                tx.update_part(message.id, replace(part, evidence=Evidence(text=words)))
            resend(tx, bridge, message.id)
        else:
            evidence = Evidence(text=f"{words}; {refusal.evidence.text}".removesuffix("; "))
            fail(tx, bridge, message, uncertain[0], Rejected(cause=refusal.cause, evidence=evidence))
    settled = tx.message(message.id)
    return settled or message


_SENT: Final = "settled by hand: it was sent"
_NOT_SENT: Final = "settled by hand: it was not sent"
_IS: Final = {
    Status.QUEUED: "waits to be sent",
    Status.SENDING: "is being sent just now",
    Status.SENT: "was sent",
    Status.DELIVERED: "was delivered",
    Status.UNDELIVERED: "was sent and not delivered",
    Status.FAILED: "failed",
    Status.CANCELLED: "was cancelled",
}
