"""The wire between a process and the two far ends: what it carries may be refused, lost or late."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from smsbridge.contracts.network import FetchFailed
from smsbridge.wire.http import Answered, Fetch, MaybeSent, NotSent, Performed, Request, Response

if TYPE_CHECKING:
    from .process import Process
    from .world import World


class Fate(StrEnum):
    """What becomes of one request."""

    WELL = "well"
    NOT_SENT = "not sent"
    LOST_BEFORE = "lost before it arrived"
    LOST_AFTER = "taken, its answer lost"
    BUSY = "429"
    BROKEN_BEFORE = "503, not taken"
    BROKEN_AFTER = "503, taken"
    REFUSED = "refused"


Trouble = Mapping[Fate, int]
"""What becomes of requests to a far end while it is in trouble, and how often each."""
ANY: Final[Trouble] = {
    Fate.NOT_SENT: 3,
    Fate.LOST_BEFORE: 3,
    Fate.LOST_AFTER: 4,
    Fate.BUSY: 3,
    Fate.BROKEN_BEFORE: 2,
    Fate.BROKEN_AFTER: 2,
    Fate.REFUSED: 1,
}
DOWN: Final[Trouble] = {Fate.NOT_SENT: 3, Fate.LOST_BEFORE: 1, Fate.LOST_AFTER: 1, Fate.BROKEN_BEFORE: 1}
CROWDED: Final[Trouble] = {Fate.BUSY: 1}
LOCKED: Final[Trouble] = {Fate.REFUSED: 1}


class FarEnd(Protocol):
    """A carrier or a desktop. It lives on whatever becomes of the bridge."""

    name: str
    host: str

    def take(self, request: Request, fate: Fate) -> Response:
        """The request has arrived. Its ledger says afterwards whether it was taken."""
        ...


class SimulatedNetwork:
    """contracts.network.Network of one process."""

    def __init__(self, world: World, process: Process) -> None:
        self._world = world
        self._process = process

    async def perform(
        self,
        request: Request,
        *,
        timeout_s: float,
        max_bytes: int = 65_536,
        fresh: bool = False,
        before_leaving: Callable[[], None] | None = None,
    ) -> Performed:
        self._process.point(f"before {request}")
        if before_leaving is not None:
            before_leaving()
        performed = await self._carry(request, timeout_s)
        self._process.point(f"after {request}")
        return performed

    async def fetch(self, fetch: Fetch, into: Path) -> FetchFailed:
        return FetchFailed(reason="no files here", permanent=True)

    async def _carry(self, request: Request, timeout_s: float) -> Performed:
        """Bytes that have left arrive, whether or not the process lives to hear the answer."""
        world = self._world
        far_end = world.far_end(request.url)
        fate = choose_fate(world, far_end)
        answer = self._process.loop.create_future()

        def hear(performed: Performed) -> None:
            if not (answer.done() or self._process.is_dead):
                answer.set_result(performed)

        def arrive() -> None:
            if fate is Fate.LOST_BEFORE:
                return
            response = far_end.take(request, fate)
            if fate is not Fate.LOST_AFTER:
                world.later(world.delay_s(), lambda: hear(Answered(response=response, elapsed_ms=1)))

        if fate is Fate.NOT_SENT:
            world.later(world.delay_s(), lambda: hear(NotSent(reason="connection refused")))
        else:
            world.later(world.delay_s(), arrive)
            waits_s = world.random.choice((1.0, timeout_s))  # a reset, or nothing at all
            if fate is Fate.WELL or world.random.random() < 0.5:
                waits_s = timeout_s
            world.later(waits_s, lambda: hear(MaybeSent(reason="no answer")))
        return await answer


def choose_fate(world: World, far_end: FarEnd) -> Fate:
    chance = world.random
    trouble = world.down.get(far_end.name)
    if trouble is None:
        if chance.random() >= world.badness:
            return Fate.WELL
        trouble = ANY
    return chance.choices(list(trouble), list(trouble.values()))[0]


Hear = Callable[[Response | None], Any]
"""Told the answer to a webhook, or None when none came."""
