"""How much room is left where things are kept, as flows ask it: what is new is refused first, what comes in last."""

from __future__ import annotations

from enum import IntEnum
from typing import Protocol


class Room(IntEnum):
    """More is more room."""

    NONE = 0
    """Only what ends something that was begun is still written: receipts, the outcome of a send."""
    LOW = 1
    """Contacts' texts are taken; agents' new texts, uploads and pictures are not."""
    AMPLE = 2


class Disk(Protocol):
    @property
    def room(self) -> Room:
        """Where messages and jobs are kept."""
        ...

    @property
    def media_room(self) -> Room:
        """Where pictures and files are kept."""
        ...


class AmpleDisk:
    """Always room: for what opens a store for a moment only."""

    room = Room.AMPLE
    media_room = Room.AMPLE
