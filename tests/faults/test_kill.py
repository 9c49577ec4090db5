"""Nobody's text is lost and nobody is texted twice, whenever the process dies."""

from pathlib import Path

import pytest

from faults.nemesis import POINTS, kills, kills_at
from faults.run import FaultRun, Plan

pytestmark = [pytest.mark.xdist_group("kill"), pytest.mark.timeout(600)]
LONG = [pytest.mark.slow, pytest.mark.timeout(3_600)]


@pytest.mark.parametrize("count", [50, pytest.param(300, marks=LONG)])
async def test_kills_at_random_moments_lose_nothing_and_double_nothing(tmp_path: Path, count: int) -> None:
    """FI-01."""
    verdict = await FaultRun(tmp_path, Plan(seed=20261124, texts_in=300, texts_out=100), kills(count)).run()
    print(f"\nFI-01\n{verdict}")  # noqa: T201 - the figures are the point; pytest -s or a failure shows them
    assert verdict.is_good, verdict
    assert verdict.struck["kill -9"] == count
    assert verdict.acknowledged_in >= 300
    assert verdict.acknowledged_out >= 100


@pytest.mark.parametrize("rounds", [2, pytest.param(20, marks=LONG)])
async def test_a_kill_at_every_point_of_an_outbound_text_doubles_nothing(tmp_path: Path, rounds: int) -> None:
    """FI-02. What the carrier has is known in the end: a receipt or its list has told."""
    verdict = await FaultRun(tmp_path, Plan(seed=2, texts_in=50, texts_out=50), kills_at(POINTS, rounds=rounds)).run()
    print(f"\nFI-02\n{verdict}")  # noqa: T201 - as above
    assert verdict.is_good, verdict
    assert verdict.struck == dict.fromkeys(POINTS, rounds)
    assert verdict.uncertain_though_taken == 0, verdict
    assert verdict.acknowledged_out >= 50
