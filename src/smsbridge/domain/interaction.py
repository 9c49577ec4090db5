"""The life of an interaction as one table: `waiting -> active -> ended -> done`."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class State(StrEnum):
    WAITING = "waiting"
    ACTIVE = "active"
    ENDED = "ended"
    DONE = "done"


class Step(StrEnum):
    """What happens to an interaction."""

    ACCEPT = "accept"  # an agent takes the offer
    END = "end"  # the agent ends it, the contact opts out, or it was idle
    DONE = "done"  # the agent marks it Done
    REACTIVATE = "reactivate"  # a message from either side before Done
    RELEASE = "release"  # the agent who has it gives it back to the queue
    REQUEUE = "requeue"  # a contact writes again after an end that no agent had ever seen


STEPS: Final[dict[Step, dict[State, State]]] = {
    Step.ACCEPT: {State.WAITING: State.ACTIVE},
    Step.END: {State.WAITING: State.ENDED, State.ACTIVE: State.ENDED},
    Step.DONE: {State.ENDED: State.DONE, State.ACTIVE: State.DONE},
    Step.REACTIVATE: {State.ENDED: State.ACTIVE},
    Step.RELEASE: {State.ACTIVE: State.WAITING},
    Step.REQUEUE: {State.ENDED: State.WAITING},
}

OPEN: Final = frozenset({State.WAITING, State.ACTIVE})
"""The states of which one conversation has at most one interaction."""


class EndReason(StrEnum):
    """Why an interaction ended."""

    AGENT = "agent"
    IDLE = "idle"
    OPTED_OUT = "opted_out"


def after(state: State, step: Step) -> State | None:
    """The state after `step`, or None where the table forbids it."""
    return STEPS[step].get(state)
