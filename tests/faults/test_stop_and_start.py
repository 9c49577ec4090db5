"""The bridge is stopped and started again and again under load, while somebody else holds its port, as systemd does.
Nobody who calls is refused, and nothing is lost: not by a stop, and not by a kill in the middle of one."""

from __future__ import annotations

import asyncio
import signal
import socket
from pathlib import Path

import pytest

from faults.one_daemon import OneDaemon

pytestmark = [pytest.mark.xdist_group("machine"), pytest.mark.timeout(300)]

ROUNDS = 4


async def test_restarts_under_load_refuse_nobody_and_lose_nothing(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as held:
        one = OneDaemon(tmp_path, seed=20261129, held=held)
        ends: list[int] = []
        async with one.world():
            async with one.load():
                for number in range(ROUNDS):
                    await one.start()
                    await one.acknowledged_more(20)
                    one.send(signal.SIGTERM)
                    if number % 2:
                        # Killed while it stops, or just after: the process may be gone, the load goes on.
                        await asyncio.sleep(one.chance.uniform(0, 0.3))
                        one.send(signal.SIGKILL)
                    ends.append(await one.ended())
                await one.start()
                await one.acknowledged_more(20)
            await one.drain()
            assert await one.stop() == 0
            verdict = one.judge()
    print(f"stop and start: {ROUNDS} rounds, ends {ends}, {verdict}; {dict(one.statuses)}")  # noqa: T201
    assert verdict.is_good, verdict
    assert one.statuses["ClientConnectorError"] == 0, "somebody was refused"
    assert set(ends[::2]) == {0}
    assert set(ends[1::2]) <= {0, -signal.SIGKILL}
    assert "Traceback" not in one.log
