"""FI-03: however a send breaks off, it is called what it is, and nobody is texted twice."""

from pathlib import Path

import pytest

from faults.cut_run import CUTS, CutRun, Ending, write_table

pytestmark = [pytest.mark.xdist_group("kill"), pytest.mark.timeout(600)]


@pytest.mark.parametrize("count", [5, pytest.param(100, marks=pytest.mark.slow)])
async def test_every_broken_answer_is_called_what_it_is(tmp_path: Path, count: int) -> None:
    endings, broken = await CutRun(tmp_path, count=count).run()
    print(f"\nFI-03\n{write_table(endings)}")  # noqa: T201 - the figures are the point; pytest -s or a failure shows them
    assert not broken
    assert len(endings) == count * len(CUTS)
    for ending in endings:
        judge(ending)


def judge(ending: Ending) -> None:
    *before, last = ending.called
    assert ending.called[0] in ending.cut.called, ending
    assert set(before) <= {"unsent"}, ending  # nothing is tried again that may have been taken
    alarming = [kind for kind in ending.notices if kind != "delayed"]
    match last:
        case "accepted":
            assert (ending.taken, alarming) == (1, []), ending
            assert ending.status in ("sent", "delivered"), ending
        case "uncertain" if ending.cut.taken:
            assert ending.taken == 1, ending
            assert ending.status in ("sent", "delivered"), ending  # a receipt, or the carrier's list, has settled it
        case "uncertain":
            assert (ending.taken, ending.status, alarming) == (0, "uncertain", ["delivery_uncertain"]), ending
        case "rejected":
            assert (ending.taken, ending.status, len(alarming)) == (0, "failed", 1), ending
        case _:
            assert not ending.cut.mends, ending
            assert (ending.taken, ending.status, alarming) == (0, "cancelled", []), ending
