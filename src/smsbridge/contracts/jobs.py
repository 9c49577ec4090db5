"""Durable work. A job carries ids, not contents; its lane runs one job at a time, in the order they were put in.

A job runs in two steps. `begin` is a function of the transaction that claims the job: it decides whether there is
still anything to do and writes down that the attempt starts, so that the attempt is on disk before any byte leaves.
`perform` has the one effect and says how it ended; what it wants written is written in the transaction that closes
the job, so "it happened" and "we know it" are one commit.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from smsbridge.contracts.store import Tx


class Outdated(Exception):
    """The claim is so old that others may have taken the job over. Its effect has certainly not happened."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NewJob:
    """Work to be put into the outbox. `queue` names the pool of workers that may take it (`send:twilio`)."""

    kind: str
    queue: str
    lane: str
    ref: str
    due_at_ms: int
    created_at_ms: int
    give_up_at_ms: int | None = None
    """When trying ends in a dead letter; None: never by age."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """A claimed job. `attempt` counts from 1 and includes this one."""

    id: int
    kind: str
    queue: str
    lane: str
    ref: str
    attempt: int
    interrupted: bool
    """The attempt before this one began and never closed: the process died, so its effect may have happened."""
    crashes: int
    """How often in a row it has crashed before this attempt."""
    token: int
    created_at_ms: int
    claimed_at_ms: int
    give_up_at_ms: int | None = None
    is_probe: bool = False
    """The circuit of its queue is open: this one job finds out whether what is behind it is back."""
    is_ours: Callable[[], bool] = field(default=lambda: True, repr=False, compare=False)
    """Whether nobody else can have taken it over by now."""

    def check_ours(self) -> None:
        """Before anything leaves. Raises Outdated: we were frozen, and have not noticed."""
        if not self.is_ours():
            raise Outdated


def nothing(_tx: Tx) -> None:
    """Write nothing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Done:
    """The job is finished, well or for good reason."""

    write: Callable[[Tx], None] = nothing
    facts: Mapping[str, Any] = field(default_factory=dict)
    """For the log line of the attempt: outcome words and ids, never texts or numbers."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Later:
    """The job stays at the head of its lane until `due_at_ms`. `counts=False`: the attempt did not really happen.

    `alert`: whoever runs the bridge has to know how this attempt ended.
    """

    due_at_ms: int
    write: Callable[[Tx], None] = nothing
    counts: bool = True
    crashes: int = 0
    alert: bool = False
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Buried:
    """The job goes to the dead letters, from where it can be listed, replayed or dropped; its lane goes on."""

    reason: str
    write: Callable[[Tx], None] = nothing
    facts: Mapping[str, Any] = field(default_factory=dict)


JobEnd = Done | Later | Buried


@dataclass(frozen=True, kw_only=True, slots=True)
class JobKind:
    """How one kind of job runs. `begin` may return a JobEnd at once: then there is nothing to perform."""

    name: str
    begin: Callable[[Tx, Job], Any | JobEnd]
    perform: Callable[[Any], Awaitable[JobEnd]]
    give_up: Callable[[Tx, Job], None] = lambda _tx, _job: None
    """What is written when it crashed once too often: whoever waits for the job must hear that it is over."""
    let_go: Callable[[Tx, Job], None] = lambda _tx, _job: None
    """What is written when it was Outdated: takes back what `begin` has written, since nothing came of it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DeadLetter:
    """A job that was given up, as it was."""

    id: int
    kind: str
    queue: str
    lane: str
    ref: str
    attempts: int
    reason: str
    created_at_ms: int
    died_at_ms: int
