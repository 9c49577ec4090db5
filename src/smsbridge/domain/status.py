"""The life of a message as one table, and the only function that moves along it.

Everything that can happen to an outbound message is a `Move`; what each move does in each status stands in `MOVES`.
A move that is not in the table changes nothing. docs/status.svg is drawn from the table, and the schema repeats the
closed list of statuses as a CHECK.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Final


class Status(StrEnum):
    """Where a message stands. Inbound messages are RECEIVED for good; the rest is for outbound ones."""

    RECEIVED = "received"
    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    FAILED = "failed"
    UNCERTAIN = "uncertain"
    CANCELLED = "cancelled"


class Move(StrEnum):
    """What happens to an outbound message: our own steps first, then what a carrier reports."""

    CLAIM = "claim"  # the attempt is on disk, the bytes may leave from now on
    RELEASE = "release"  # the carrier certainly does not have it: it waits for its next attempt
    DOUBT = "doubt"  # the bytes left and no answer came back
    CANCEL = "cancel"  # the agent took it back before it left
    RETRY = "retry"  # a person asked for another attempt
    RESEND = "resend"  # the carrier was asked and has never seen it
    REPORT_SENT = "report_sent"
    REPORT_DELIVERED = "report_delivered"
    REPORT_UNDELIVERED = "report_undelivered"
    REPORT_FAILED = "report_failed"


_Q, _G, _S = Status.QUEUED, Status.SENDING, Status.SENT
_D, _U, _F, _X, _C = Status.DELIVERED, Status.UNDELIVERED, Status.FAILED, Status.UNCERTAIN, Status.CANCELLED

MOVES: Final[dict[Move, dict[Status, Status]]] = {
    Move.CLAIM: {_Q: _G},
    Move.RELEASE: {_G: _Q},
    Move.DOUBT: {_G: _X},
    Move.CANCEL: {_Q: _C},
    Move.RETRY: {_F: _Q, _U: _Q, _X: _Q},
    Move.RESEND: {_X: _Q},
    # A receipt may overtake the answer to the send, so every open status can be left by one. Late success is real:
    # carriers report `delivered` after `undelivered`; nothing is believed after `delivered`.
    Move.REPORT_SENT: {_Q: _S, _G: _S, _X: _S},
    Move.REPORT_DELIVERED: {_Q: _D, _G: _D, _X: _D, _S: _D, _U: _D, _F: _D},
    Move.REPORT_UNDELIVERED: {_Q: _U, _G: _U, _X: _U, _S: _U},
    Move.REPORT_FAILED: {_Q: _F, _G: _F, _X: _F, _S: _F},
}

FINAL: Final = frozenset({_D, _U, _F, _C})
"""Nothing of ours happens any more by itself."""

FAILURES: Final = frozenset({_F, _U})
"""The ends that have a cause."""

REPORT: Final[dict[Status, Move]] = {
    _S: Move.REPORT_SENT,
    _D: Move.REPORT_DELIVERED,
    _U: Move.REPORT_UNDELIVERED,
    _F: Move.REPORT_FAILED,
}
"""The move that a carrier's word makes. Their "queued", "accepted" and "sending" all mean: they have it, so SENT."""


def advance(current: Status, move: Move) -> Status:
    """The status after `move`: the table's, or `current` when the table has none (a late, doubled or odd report)."""
    return MOVES[move].get(current, current)


_BAD_FIRST: Final = (_F, _U, _X, _C)


def of_parts(statuses: Iterable[Status]) -> Status:
    """What a message of several parts shows: the worst that is final, else how far the whole text has come.

    One failed part makes the text failed; once one part is gone the text is on its way (SENDING) until all are;
    `delivered` needs every part.
    """
    present = set(statuses)
    for bad in _BAD_FIRST:
        if bad in present:
            return bad
    if len(present) == 1:
        return present.pop()
    return _S if present <= {_S, _D} else _G
