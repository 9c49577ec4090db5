"""The harness finds what it is there for: each planted mistake makes a run fail, and without one it passes (D-990)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from faults import fault_proxy
from faults.fault_proxy import Shape
from faults.fault_server import write_answer
from faults.nemesis import kill_on_the_way
from faults.planted import PLANTS
from faults.run import FaultRun, Plan
from smsbridge.simulator.faults import FaultSettings

pytestmark = [pytest.mark.xdist_group("kill"), pytest.mark.timeout(300)]

NOTICED_AS = {
    "acknowledged_before_the_commit": ("lost", "doubled at the carrier"),
    "lost_answer_is_tried_again": ("doubled at the carrier",),
    "interrupted_attempt_is_forgotten": ("doubled at the carrier",),
    "last_receipt_wins": ("out of order",),
    "repeat_is_new": ("doubled at the desktop",),
    "doubt_is_kept_to_itself": ("missing notices",),
    "desktop_down_is_the_end": ("broken invariants",),
    "lane_is_a_crowd": ("out of order",),
}
AN_ERROR = fault_proxy.say(write_answer(500, b"{}"))
"""Uncertain, and the carrier does not have it."""
IN_EVERY_RUN = ("repeat_is_new",)
"""Surely seen in any weather. The others with `make faults`."""


async def a_bit_of_everything(run: FaultRun) -> None:
    """Lost answers, errors, receipts late and in disorder, repeats, a desktop that is down, and kills while a text is
    at the carrier: enough for every mistake to show. Late, because a receipt that is there before the next try rightly
    prevents it, and would hide that it was meant to be made."""

    def weather() -> Shape:
        return run.chance.choice([fault_proxy.lose_answer("reset"), AN_ERROR, fault_proxy.passing()])

    run.carrier.simulator.set_faults(FaultSettings(callback_out_of_order=50, callback_late=50, callback_late_s=1))
    run.carrier.repeat_chance = 0.5
    run.desktop.slow_chance, run.desktop.slow_s = 0.3, 0.05
    for _ in range(2):
        run.carrier.proxy.choose = weather
        await run.daemons.start()
        run.desktop.is_down = True
        await run.history.until_more(20, limit_s=10)
        async with asyncio.timeout(30):  # what is acknowledged has not been told yet
            await run.desktop.has_refused.wait()
        run.desktop.is_down = False
        run.desktop.has_refused.clear()
        await run.history.until_more(20, limit_s=10)
        run.carrier.proxy.choose = None
        await kill_on_the_way(run, fault_proxy.strike_after)
    run.carrier.proxy.choose = weather


def a_run(folder: Path, bug: str) -> FaultRun:
    plan = Plan(
        seed=990, texts_in=80, texts_out=60, limit_s=20, settle_after='["200ms", "600ms"]',
        drain_s=15 if bug else 120,  # with some mistakes it is never drained
        every_try_left=not bug,
    )  # fmt: skip
    run = FaultRun(folder, plan, a_bit_of_everything)
    run.daemons.bug = bug
    return run


@pytest.mark.parametrize(
    "bug", [bug if bug in IN_EVERY_RUN else pytest.param(bug, marks=pytest.mark.slow) for bug in PLANTS]
)
async def test_a_planted_mistake_is_noticed(tmp_path: Path, bug: str) -> None:
    verdict = await a_run(tmp_path, bug).run()
    print(f"\n{bug}\n{verdict}")  # noqa: T201 - a failure shows what was seen instead
    assert any(verdict.wrongs[name] for name in NOTICED_AS[bug]), verdict


async def test_without_a_mistake_the_same_run_passes(tmp_path: Path) -> None:
    verdict = await a_run(tmp_path, "").run()
    print(f"\nno mistake\n{verdict}")  # noqa: T201 - as above
    assert verdict.is_good, verdict


def test_every_mistake_has_its_name() -> None:
    assert NOTICED_AS.keys() == PLANTS.keys()
