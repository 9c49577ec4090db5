"""A disk fills up under load, level by level, and gets room again. Nothing acknowledged is lost; nobody restarts."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from faults.one_daemon import SENDER, OneDaemon

pytestmark = [pytest.mark.xdist_group("machine"), pytest.mark.timeout(300)]

DISK_BYTES = 48 * 1024 * 1024


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with a size, in memory."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(place)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"DISK FULL IS NOT TESTED: no file system can be mounted here ({mounted.stderr.decode().strip()})")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


class Ballast:
    """A file of somebody else's that takes the room."""

    def __init__(self, place: Path) -> None:
        self._file = place / "ballast"
        self._place = place

    def leave(self, free_bytes: int) -> None:
        """All or nothing is given, so it is asked for again where the bridge took some of it meanwhile."""
        with self._file.open("ab") as file:
            for _ in range(1_000):
                free = os.statvfs(self._place)
                wanted = free.f_bavail * free.f_frsize - free_bytes
                if wanted <= 0:
                    return
                with contextlib.suppress(OSError):
                    os.posix_fallocate(file.fileno(), file.tell(), wanted)
                    return
        raise AssertionError("the disk does not fill up")

    def go(self) -> None:
        self._file.unlink()


async def test_a_disk_that_fills_up_refuses_agents_first_contacts_last_and_comes_back_by_itself(
    tmp_path: Path, small_disk: Path
) -> None:
    ballast = Ballast(small_disk)
    one = OneDaemon(tmp_path, seed=20261125, data_dir=small_disk / "data")
    async with one.world():
        await one.start()
        pid = one.pid
        async with one.load():
            await one.acknowledged_more(100)

            # Nearly full: agents are refused, contacts are not.
            ballast.leave(DISK_BYTES // 50)
            await one.until(one.readiness, lambda ready: ready.get("checks", {}).get("disk", {}).get("room") == "low")
            assert (await one.readiness())["ready"]
            status, problem = await one.write({"to": one.phones[0], "text": "out refused"}, key="refused")
            assert (status, problem["type"]) == (507, "/docs/problems#no-room")
            assert await one.text("+14155559999", "in +14155559999 1") == 200
            one.acknowledged["+14155559999"].append("in +14155559999 1")

            # Full: contacts are asked to come again.
            ballast.leave(DISK_BYTES // 200)
            await one.until(one.readiness, lambda ready: ready.get("ready") is False)
            assert await one.text("+14155559999", "in +14155559999 2") == 503

            # Not a byte left, and receipts go on coming: the reserve is for them.
            ballast.leave(0)
            for number in range(3_000):
                receipt = {"MessageSid": f"SM{number:032x}", "MessageStatus": "delivered", "From": SENDER}
                assert await one.hook({**receipt, "To": one.phones[0]}, "receipt") == 204
                if number % 50 == 49 and "disk.reserve_used" in one.log:
                    break
            assert "disk.reserve_used" in one.log

            ballast.go()
            await one.until_ready()
            await one.acknowledged_more(100)
        await one.drain()
        assert one.pid == pid
        assert one.is_alive()
        assert (await one.metrics())["storage_room"] == 2
        assert (small_disk / "data" / "reserve").exists()
        assert await one.stop() == 0
        assert "Traceback" not in one.log
        verdict = one.judge()
    print(f"disk full: {verdict}; {dict(one.statuses)}")  # noqa: T201 - the figures are the point
    assert verdict.is_good, verdict
    assert one.statuses["out 507"] > 0
    assert one.statuses["in 503"] > 0
