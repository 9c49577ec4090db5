"""What a store that was put back from a backup knows of that, and what it may therefore have forgotten."""

from __future__ import annotations

from typing import Final

from smsbridge.contracts.store import Tx
from smsbridge.domain.message import Message, Part
from smsbridge.domain.status import Status

PAUSED: Final = "sending_paused"
RESTORED_AT: Final = "restored_at_ms"


def is_sending_paused(tx: Tx) -> bool:
    return bool(tx.meta(PAUSED))


def is_from_before_restore(tx: Tx, message: Message) -> bool:
    """Whether a restore may have forgotten what became of it: then no policy sends it again."""
    return message.created_at_ms <= int(tx.meta(RESTORED_AT) or -1)


def is_in_doubt_since_restore(tx: Tx, message: Message, part: Part) -> bool:
    """Whether any try may have been made since the backup, and a receipt know more of it than we do. So it is too while
    a person's word to send it once more has not been followed."""
    return part.maybe_taken and part.status in _NOT_KNOWN and is_from_before_restore(tx, message)


_NOT_KNOWN: Final = frozenset({Status.UNCERTAIN, Status.QUEUED})
