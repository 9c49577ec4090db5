"""PostgreSQL that dies under one daemon, and several daemons on it that die or freeze: FI-09, FI-14, FI-15."""

from __future__ import annotations

import asyncio
import re
import urllib.request
from pathlib import Path

import psycopg
import pytest

from faults.fault_proxy import passing
from faults.nemesis import Nemesis, kills
from faults.run import FaultRun, Plan
from faults.run_store import PostgresRunStore
from ports import free_port
from postgres_server import PostgresServer, new_server

pytestmark = [pytest.mark.xdist_group("kill"), pytest.mark.timeout(600)]
LONG = [pytest.mark.slow, pytest.mark.timeout(3_600)]
SILENT_AFTER_S = 2.0


@pytest.fixture(scope="module")
def server() -> PostgresServer:
    """One of our own, to be stopped."""
    return new_server(free_port())


def outages(server: PostgresServer, url: str, *, rounds: int) -> Nemesis:
    """Each round: all sessions ended, the server stopped as if switched off and started, and once more while nobody
    answers for some seconds, in which the daemon is killed and started, too."""

    async def strike(run: FaultRun) -> None:
        await run.daemons.start()
        for _ in range(rounds):
            await run.history.until_more(run.chance.randint(20, 60), limit_s=20)
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'smsbridge'"
                )
            run.struck["sessions ended"] += 1
            for restarts in (False, True):
                await run.history.until_more(run.chance.randint(20, 60), limit_s=20)
                await asyncio.to_thread(server.stop, "immediate")
                if restarts:
                    await run.daemons.kill()
                    await run.daemons.start()
                    run.struck["killed and started meanwhile"] += 1
                    before = run.history.count_in
                    await run.history.until_more(20, limit_s=20)
                    assert run.history.count_in > before, run.daemons.said()
                await asyncio.to_thread(server.start)
                run.struck["server stopped hard"] += 1
        await run.history.until_more(50, limit_s=30)

    return strike


@pytest.mark.parametrize("rounds", [2, pytest.param(20, marks=LONG)])
async def test_postgresql_that_dies_under_load_loses_nothing_and_doubles_nothing(
    tmp_path: Path, server: PostgresServer, rounds: int
) -> None:
    """FI-09. Webhooks go on being acknowledged while it is away: they are in the spool, and so are those that come to a
    daemon that was started meanwhile."""
    url = server.make_database(f"fi09_{rounds}")
    store = PostgresRunStore(tmp_path, url, silent_after=f"{SILENT_AFTER_S:g}s", has_spool=True)
    plan = Plan(seed=9, texts_in=200, texts_out=60, phones=10, phone_pause_s=(0.1, 0.4))
    verdict = await FaultRun(tmp_path, plan, outages(server, url, rounds=rounds), store=store).run()
    print(f"\nFI-09\n{verdict}")  # noqa: T201 - the figures are the point; pytest -s or a failure shows them
    assert verdict.is_good, verdict
    assert verdict.struck == {
        "sessions ended": rounds,
        "server stopped hard": rounds * 2,
        "killed and started meanwhile": rounds,
    }
    assert verdict.acknowledged_in >= 200
    assert verdict.acknowledged_out >= 60


@pytest.mark.parametrize("count", [6, pytest.param(100, marks=LONG)])
async def test_two_daemons_of_which_one_dies_again_and_again(
    tmp_path: Path, server: PostgresServer, count: int
) -> None:
    """FI-14. Traffic goes to both in turn; what one leaves lying the other takes over, in order."""
    url = server.make_database(f"fi14_{count}")
    store = PostgresRunStore(tmp_path, url, silent_after=f"{SILENT_AFTER_S:g}s", has_spool=False)
    plan = Plan(seed=14, texts_in=150, texts_out=40, daemons=2)
    verdict = await FaultRun(tmp_path, plan, kills(count), store=store).run()
    print(f"\nFI-14\n{verdict}")  # noqa: T201 - as above
    assert verdict.is_good, verdict
    assert verdict.struck["kill -9"] == count
    assert verdict.acknowledged_in >= 150
    assert verdict.acknowledged_out >= 40


def freezes(count: int, fenced: list[int]) -> Nemesis:
    """Frozen in the middle of its calls (each takes a while) for longer than the others wait; then it goes on. At least
    `count` times, and until a freeze has met a call."""

    async def strike(run: FaultRun) -> None:
        await run.start_all()
        run.carrier.proxy.play(passing(latency_s=0.1))
        while run.struck["frozen"] < count or (not sum(fenced) and run.struck["frozen"] < 5 * count):
            await run.history.until_more(run.chance.randint(10, 30), limit_s=20)
            await run.daemons.freeze(run.struck["frozen"] % run.plan.daemons, SILENT_AFTER_S * 2)
            run.struck["frozen"] += 1
            await run.history.until_more(30, limit_s=20)  # until it is awake and has written what it had to write
            fenced[:] = [await asyncio.to_thread(_fenced, port) for port in run.daemons.ports]

    return strike


def _fenced(port: int) -> int:
    return _counted(port, "fenced_writes_total")


def _counted(port: int, name: str) -> int:
    """With whatever labels."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        found = re.findall(rf"^smsbridge_{name}(?:\{{.*\}})? ([0-9.]+)$", answer.read().decode(), re.MULTILINE)
    return int(sum(map(float, found)))


@pytest.mark.parametrize("count", [2, pytest.param(40, marks=LONG)])
async def test_a_daemon_that_was_frozen_in_the_middle_of_its_calls_writes_nothing_late(
    tmp_path: Path, server: PostgresServer, count: int
) -> None:
    """FI-15. The other daemon has taken over what the frozen one had begun; what that one then writes is refused.

    Order at the carrier is not asked for here, where a freeze strikes at any moment: between the last look and the
    first byte lie some instructions, and bytes of a daemon that was frozen in just these leave when it wakes. Nothing
    but the carrier could refuse them. The test after this one puts the freeze before the last look.
    """
    url = server.make_database(f"fi15_{count}")
    store = PostgresRunStore(tmp_path, url, silent_after=f"{SILENT_AFTER_S:g}s", has_spool=False)
    plan = Plan(seed=15, texts_in=100, texts_out=40, daemons=2, every_try_left=False, answer_within_s=3)
    fenced: list[int] = []
    verdict = await FaultRun(tmp_path, plan, freezes(count, fenced), store=store).run()
    print(f"\nFI-15\n{verdict}\nlate writes refused: {fenced}")  # noqa: T201 - as above
    order = verdict.wrongs["out of order"]
    order[:] = [each for each in order if not each.startswith("at the carrier")]
    assert verdict.is_good, verdict
    assert verdict.struck["frozen"] >= count
    assert sum(fenced) > 0
    assert verdict.acknowledged_out >= 40


async def test_a_daemon_that_was_frozen_between_the_claim_and_the_first_byte_sends_nothing_late(
    tmp_path: Path, server: PostgresServer
) -> None:
    """FI-15b. By the time it wakes the other daemon has taken the text over, and has sent the next ones of its lane."""
    url = server.make_database("fi15b")
    store = PostgresRunStore(tmp_path, url, silent_after=f"{SILENT_AFTER_S:g}s", has_spool=False)
    plan = Plan(
        seed=151, texts_in=30, texts_out=40, daemons=2, phones=3, agents=6, every_try_left=False, carrier_timeout="60s",
        answer_within_s=3,
    )  # fmt: skip

    async def strike(run: FaultRun) -> None:
        run.carrier.proxy.play(passing(latency_s=0.05))  # so that texts wait in each lane
        await run.daemons.start(1)
        await run.daemons.start(0, crash_at="connecting:4")
        await run.daemons.until_frozen(0, limit_s=60)
        run.struck["frozen"] += 1
        async with asyncio.timeout(60):
            while not await asyncio.to_thread(_counted, run.daemons.ports[1], "lanes_taken_over_total"):
                await asyncio.sleep(0.05)
            sent = len(run.carrier.simulator.ledger.sent)
            while len(run.carrier.simulator.ledger.sent) < sent + 2 * plan.phones:
                await asyncio.sleep(0.01)
        run.daemons.wake(0)
        await run.history.until_more(10, limit_s=30)

    verdict = await FaultRun(tmp_path, plan, strike, store=store).run()
    print(f"\nFI-15b\n{verdict}")  # noqa: T201 - as above
    assert verdict.is_good, verdict
    assert verdict.struck == {"frozen": 1}
    assert verdict.acknowledged_out >= 40
    log = (tmp_path / "log-0").read_text()
    assert '"outcome":"frozen"' in log, "it was kept back, and said so"
