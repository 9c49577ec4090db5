"""Nobody's text is lost and nobody is texted twice, whenever the process dies."""

from pathlib import Path

import pytest

from faults.nemesis import POINTS, kills, kills_at
from faults.run import FaultRun, Plan

pytestmark = [pytest.mark.xdist_group("kill"), pytest.mark.timeout(600)]


async def test_fifty_kills_under_load_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    """FI-01."""
    verdict = await FaultRun(tmp_path, Plan(seed=20261124, texts_in=300, texts_out=100), kills(50)).run()
    print(f"\nFI-01\n{verdict}")  # noqa: T201 - the figures are the point; pytest -s or a failure shows them
    assert verdict.is_good, verdict
    assert verdict.struck["kill -9"] == 50
    assert verdict.acknowledged_in >= 300
    assert verdict.acknowledged_out >= 100


async def test_a_kill_at_every_point_of_an_outbound_send_doubles_nothing(tmp_path: Path) -> None:
    """FI-02."""
    verdict = await FaultRun(tmp_path, Plan(seed=2, texts_in=50, texts_out=100), kills_at(POINTS, rounds=3)).run()
    print(f"\nFI-02\n{verdict}")  # noqa: T201 - as above
    assert verdict.is_good, verdict
    assert verdict.struck == dict.fromkeys(POINTS, 3)
    assert verdict.uncertain_though_taken == 0, verdict
    assert verdict.acknowledged_out >= 100
