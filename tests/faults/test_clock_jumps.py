"""The machine's clock is set forward and back under load. Order is kept, nothing is doubled, nothing stands still."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final

import pytest

from faults.one_daemon import OneDaemon

FAKETIME: Final = next(
    (file for file in Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")),
    Path("/usr/lib/faketime/libfaketimeMT.so.1"),
)
HOUR_S: Final = 3_600
SETTINGS_S: Final = (2 * HOUR_S, 0, -2 * HOUR_S, 72 * HOUR_S)
"""How far the clock is off, one after the other: so it jumps by 2 hours, by -2, by -2 again, and by 3 days."""

pytestmark = [
    pytest.mark.xdist_group("machine"),
    pytest.mark.timeout(300),
    pytest.mark.skipif(
        not FAKETIME.exists(), reason="CLOCK JUMPS ARE NOT TESTED: libfaketime is missing (apt install libfaketime)"
    ),
]


async def test_a_clock_that_is_set_loses_doubles_disorders_and_delays_nothing(tmp_path: Path) -> None:
    clock = tmp_path / "clock"
    set_clock(clock, 0)
    one = OneDaemon(
        tmp_path,
        seed=20261128,
        environment={
            "LD_PRELOAD": str(FAKETIME),
            "FAKETIME_TIMESTAMP_FILE": str(clock),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
        },
    )
    async with one.world():
        await one.start()
        async with one.load():
            await one.acknowledged_more(20)
            for number, off_s in enumerate(SETTINGS_S, start=1):
                set_clock(clock, off_s)
                await one.until(one.metrics, lambda seen, number=number: jumps(seen) == number)
                told = len(one.desktop.told)
                await one.acknowledged_more(15)
                # Timers go on, and what is signed has the time that the clock says now.
                await one.until(lambda told=told: signed_since(one, told), bool)
                assert {round((at_s - time.time() - off_s) / 600) for at_s in await signed_since(one, told)} == {0}
        await one.drain()
        seen = await one.metrics()
        assert (seen['clock_jumps_total{direction="forward"}'], seen['clock_jumps_total{direction="back"}']) == (2, 2)
        assert sum(value for name, value in seen.items() if name.startswith("fenced_writes_total")) == 0
        assert await one.stop() == 0
        verdict = one.judge()
    print(f"clock jumps: {len(SETTINGS_S)} jumps, {verdict}")  # noqa: T201 - the figures are the point
    assert verdict.is_good, verdict
    assert verdict.told_again == 0, "no lease was lost by a jump"
    assert one.log.count("clock.jumped") == len(SETTINGS_S)
    assert "Traceback" not in one.log


def set_clock(file: Path, off_s: int) -> None:
    new = file.with_suffix(".new")
    new.write_text(f"{off_s:+d}\n")
    os.replace(new, file)


def jumps(seen: dict[str, float]) -> float:
    return sum(value for name, value in seen.items() if name.startswith("clock_jumps_total"))


async def signed_since(one: OneDaemon, told: int) -> list[int]:
    """The times that the deliveries since then were signed with, but for those that were on their way just then: one
    to each contact at most."""
    return one.desktop.signed_at_s[told + len(one.phones) :]
