"""The disk gives errors under load. What was acknowledged is stored, the process ends rather than go on, and a new one
goes on from there."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from dataclasses import dataclass
from errno import EIO, ENOSPC
from pathlib import Path

import pytest

from faults.one_daemon import PATIENCE_S, OneDaemon

pytestmark = [
    pytest.mark.xdist_group("machine"),
    pytest.mark.timeout(300),
    pytest.mark.skipif(
        shutil.which("fiu-run") is None, reason="DISK ERRORS ARE NOT TESTED: libfiu is missing (apt install fiu-utils)"
    ),
]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A system call that fails. `kills`: the store can trust nothing after it."""

    points: tuple[str, ...]
    error: int
    probability: float
    kills: bool


FAULTS = {
    "fsync fails": Fault(
        points=("posix/io/sync/fsync", "posix/io/sync/fdatasync"), error=EIO, probability=0.02, kills=True
    ),
    "writes fail": Fault(points=("posix/io/rw/pwrite",), error=EIO, probability=0.005, kills=True),
    "writes find no room": Fault(points=("posix/io/rw/pwrite",), error=ENOSPC, probability=0.01, kills=False),
}


async def test_errors_of_the_disk_lose_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    switch = str(tmp_path / "fiu")
    one = OneDaemon(tmp_path, seed=20261126, wrap=("fiu-run", "-x", "-f", switch))
    deaths = 0
    async with one.world():
        async with one.load():
            for fault in FAULTS.values():
                await one.start()
                await one.acknowledged_more(20)
                refused = one.statuses["in 503"]
                await control(switch, one, [f"enable_random name={each},{odds(fault)}" for each in fault.points])
                if fault.kills:
                    assert await one.ended() == 1, "an error after which nothing can be trusted ends the process"
                    deaths += 1
                else:
                    await one.acknowledged_more(40)
                    await one.until(lambda refused=refused: refused_since(one, refused), bool)
                    await control(switch, one, [f"disable name={each}" for each in fault.points])
                    assert await one.stop() == 0
        await one.start()
        await one.drain()
        assert await one.stop() == 0
        verdict = one.judge()
    print(f"disk errors: {deaths} deaths, {verdict}; {dict(one.statuses)}")  # noqa: T201 - the figures are the point
    assert verdict.is_good, verdict
    assert one.log.count("store.broken") == deaths == 2
    assert "Traceback" not in one.log
    assert one.statuses["in 503"] > 0


def odds(fault: Fault) -> str:
    return f"failinfo={fault.error},probability={fault.probability}"


async def refused_since(one: OneDaemon, refused: int) -> bool:
    return one.statuses["in 503"] > refused


async def control(switch: str, one: OneDaemon, commands: list[str]) -> None:
    """Tells the library inside the process. It may die meanwhile, and then nobody answers."""
    options = [word for command in commands for word in ("-c", command)]
    telling = await asyncio.create_subprocess_exec(
        "fiu-ctrl", "-f", switch, *options, str(one.pid), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    async with asyncio.timeout(PATIENCE_S):
        while telling.returncode is None and one.is_alive():
            await asyncio.sleep(0.02)
    if telling.returncode is None:
        telling.kill()
    assert await telling.wait() == 0 or not one.is_alive(), "nobody told it"
