"""Nobody's text is lost and nobody is texted twice, whenever the process dies."""

from pathlib import Path

import pytest

from faults.kill_run import KillRun

pytestmark = [pytest.mark.xdist_group("kill"), pytest.mark.timeout(300)]


async def test_fifty_kills_under_load_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    verdict = await KillRun(tmp_path, seed=20261124, kills=50).run()
    print(verdict)  # noqa: T201 - the figures are the point; pytest -s or a failure shows them
    assert verdict.kills == 50
    assert verdict.acknowledged_in > 200
    assert verdict.acknowledged_out > 50
    assert not verdict.lost, verdict
    assert not verdict.doubled_at_desktop, verdict
    assert not verdict.doubled_at_carrier, verdict
    assert not verdict.out_of_order, verdict
    assert not verdict.unexpected, verdict
