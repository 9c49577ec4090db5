"""What goes wrong, when: each nemesis is a coroutine of a running `FaultRun`, drawing from the run's seed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from faults.child import CRASH_POINTS
from faults.fault_proxy import Shape, Strike, passing, strike_after, strike_before
from faults.run import FaultRun

Nemesis = Callable[[FaultRun], Awaitable[None]]

ON_THE_WAY = {"request_left": strike_before, "answer_on_its_way": strike_after}
"""Two points that only the line can hit: the carrier does not have it yet, or has it, and the bridge waits."""
POINTS = (*CRASH_POINTS[:4], *ON_THE_WAY, *CRASH_POINTS[4:])
"""Every point of an outbound text, in the order of its way."""
_LONGEST_LIFE_S = 3.0


def kills(count: int) -> Nemesis:
    """kill -9, `count` times, each after some texts were acknowledged and then a moment more, so that the kills meet
    work in flight however slow the machine is."""

    async def strike(run: FaultRun) -> None:
        for _ in range(count):
            number = run.chance.randrange(run.plan.daemons)
            if not run.daemons.is_alive(number):
                await run.daemons.start(number)
            await run.history.until_more(run.chance.randint(0, 20), limit_s=_LONGEST_LIFE_S)
            await asyncio.sleep(run.chance.uniform(0, 0.05))
            await run.daemons.kill(number)
            run.struck["kill -9"] += 1

    return strike


def kills_at(points: Sequence[str], *, rounds: int) -> Nemesis:
    """kill -9 exactly at each of the points, `rounds` times over, at the first to the third text that passes there."""

    async def strike(run: FaultRun) -> None:
        for _ in range(rounds):
            for point in points:
                if point in ON_THE_WAY:
                    await run.daemons.start()
                    await run.history.until_more(run.chance.randint(0, 3), limit_s=_LONGEST_LIFE_S)
                    await kill_on_the_way(run, ON_THE_WAY[point])
                else:
                    await run.daemons.start(crash_at=f"{point}:{run.chance.randint(1, 3)}")
                    assert await run.daemons.until_dead(limit_s=60), f"nothing passed {point}"
                run.struck[point] += 1

    return strike


async def kill_on_the_way(run: FaultRun, strike: Callable[[Strike], Shape]) -> None:
    """The proxy holds the next send there, and the daemon is killed while it waits."""
    held = asyncio.Event()

    async def hold() -> None:
        # Those that come behind it wait for the end of the process as well.
        held.set()
        await asyncio.Event().wait()

    run.carrier.proxy.play(strike(hold))
    async with asyncio.timeout(60):
        await held.wait()
    await run.daemons.kill()
    run.carrier.proxy.play(passing())
    await run.carrier.proxy.go_down()
    await run.carrier.proxy.come_up()
