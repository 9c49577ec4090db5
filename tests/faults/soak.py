"""`make soak`: an hour of traffic both ways, everything that can go wrong at a low rate, and what grows meanwhile.

    SOAK_MINUTES=60 SOAK_TEXTS_PER_S=10 SOAK_SEED=1 python -m faults.soak [FOLDER]

Three parts. In the first fifth the daemon is killed now and then. Then one process lives for seven tenths, with every
other fault, so that its memory can be watched: what counts is the time after its warm-up. In the last tenth it is
killed again. In the end everything must drain, and the checker counts as after any run. The words on standard output
are Markdown, for docs/reliability.md. The exit code is 0 if nothing was lost, doubled or left, and nothing grew.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from faults import fault_proxy
from faults.checker import Verdict
from faults.fault_proxy import FaultProxy, Shape
from faults.gauges import Gauges, Sample, trend
from faults.run import FaultRun, Plan
from faults.run_store import SqliteRunStore
from smsbridge.simulator.faults import FaultSettings
from smsbridge.store.sqlite import CACHE_KIB

KILLS_UNTIL = 0.2
KILLS_FROM = 0.9
"""As shares of the whole time."""
CACHE_MB = CACHE_KIB / 1024
"""Every page that is added to the database goes through the writer's cache: a process is warm once it has added as many
as that holds. At 10 texts a second each way this takes 11 minutes."""
SHORTEST_WATCH_S = 900.0
"""Less than this after the warm-up shows no trend, and is not judged."""
MOST_IN_USE_MB_PER_H = 0.3
"""Less than five bytes for each text."""
MOST_BLOCKS_PER_H = 10_000
"""Of Python's small objects, some 80 bytes each. Cycles that wait for their collector make it go up and down."""
MOST_RSS_RISE_MB = 5.0
"""From the warm-up to the end, for what neither count knows. While what is in use does not grow it is a high-water mark
and no leak: freed memory lies in pieces between what is still used, and each reading of a carrier's list needs more at
once than anything before it. About half of this was seen in an hour."""
MOST_FILES_PER_H = 5.0
MOST_WAL_MB = 200.0

CARRIER_FAULTS = FaultSettings(
    send_429=1,
    retry_after_s=1,
    send_500=0.3,
    send_503=0.3,
    send_timeout_before=0.2,
    send_timeout_after=0.2,
    hang_s=1,
    send_garbage=0.3,
    send_slow=1,
    send_slow_s=2,
    callback_duplicate=2,
    callback_late=2,
    callback_late_s=5,
    callback_out_of_order=2,
    callback_before_answer=2,
    media_slow=25,
    media_slow_s=3,
    media_404=5,
)
CUTS: Sequence[Shape] = (
    fault_proxy.close_at_accept,
    fault_proxy.reset_at_accept,
    fault_proxy.lose_answer("close"),
    fault_proxy.lose_answer("reset"),
    fault_proxy.lose_answer("hang"),
    fault_proxy.half_a_status_line,
    fault_proxy.half_a_body,
    fault_proxy.garbage,
    fault_proxy.answer_twice,
    fault_proxy.half_close,
    fault_proxy.cut_request(100),
)
CUT_CHANCE = 0.02
SAMPLES = ("photo.jpg", "photo.png", "animation.gif")


@dataclass(frozen=True, kw_only=True, slots=True)
class Soak:
    """The nemesis of an hour. `seconds` is the whole time."""

    seconds: float
    gauges: Gauges

    async def __call__(self, run: FaultRun) -> None:
        started_s = time.monotonic()
        run.carrier.simulator.set_faults(CARRIER_FAULTS)
        run.carrier.proxy.choose = lambda: self._draw_shape(run)
        run.desktop.lose_answer_chance = 0.01
        run.desktop.slow_chance = 0.01
        await run.start_all()
        async with asyncio.TaskGroup() as group:
            background = [
                group.create_task(self._watch(run, started_s)),
                group.create_task(self._text_pictures(run)),
            ]
            while (passed := (time.monotonic() - started_s) / self.seconds) < 1:
                await asyncio.sleep(run.chance.uniform(0.5, 1.5) * min(60.0, self.seconds / 40))
                await self._strike_once(run, may_kill=passed < KILLS_UNTIL or passed > KILLS_FROM)
            for task in background:
                task.cancel()
        # The rest of the run is for draining, which shall not take another hour.
        run.carrier.simulator.set_faults(FaultSettings())
        run.carrier.proxy.choose = None
        run.desktop.lose_answer_chance = run.desktop.slow_chance = 0

    def _draw_shape(self, run: FaultRun) -> Shape:
        if run.chance.random() < CUT_CHANCE:
            run.struck["cut connection"] += 1
            return run.chance.choice(CUTS)
        return fault_proxy.passing()

    async def _strike_once(self, run: FaultRun, *, may_kill: bool) -> None:
        faults: dict[str, Callable[[FaultRun], Awaitable[None]]] = {
            "freeze": self._freeze,
            "desktop down": self._desktop_down,
            "carrier down": self._carrier_down,
            "clock jump": self._clock_jump,
        }
        if may_kill:
            faults["kill -9"] = self._kill
        name = run.chance.choice(list(faults) + ["kill -9"] * (2 * may_kill))
        run.struck[name] += 1
        await faults[name](run)

    async def _kill(self, run: FaultRun) -> None:
        await run.daemons.kill()
        await run.daemons.start()

    async def _freeze(self, run: FaultRun) -> None:
        await run.daemons.freeze(0, run.chance.uniform(0.5, 4))

    async def _desktop_down(self, run: FaultRun) -> None:
        run.desktop.is_down = True
        await asyncio.sleep(run.chance.uniform(2, 12))
        run.desktop.is_down = False

    async def _carrier_down(self, run: FaultRun) -> None:
        proxy: FaultProxy = run.carrier.proxy
        await proxy.go_down()
        await asyncio.sleep(run.chance.uniform(1, 8))
        await proxy.come_up()

    async def _clock_jump(self, run: FaultRun) -> None:
        """Forward or backward, for a moment. Shorter than a lease, so that nobody's work is taken over."""
        run.daemons.clock_shift_ms.value = run.chance.choice((-20_000, 20_000))
        await asyncio.sleep(run.chance.uniform(1, 4))
        run.daemons.clock_shift_ms.value = 0

    async def _text_pictures(self, run: FaultRun) -> None:
        """Each from a phone that has not texted for a while: a picture is waited for, and texts would overtake it."""
        number = 0
        while True:
            number += 1
            await run.carrier.text_picture(f"+1415556{number % 100:04d}", run.chance.choice(SAMPLES))
            await asyncio.sleep(run.chance.uniform(2, 8))

    async def _watch(self, run: FaultRun, started_s: float) -> None:
        told_s = 0.0
        while True:
            at_s = time.monotonic() - started_s
            if run.daemons.is_alive():
                self.gauges.look(at_s, run.daemons.pid(), run.daemons.memory_in_use())
            if at_s - told_s >= 60:
                told_s = at_s
                last = self.gauges.samples[-1] if self.gauges.samples else None
                memory = f"{last.rss_mb:.0f} MB, {last.open_files} files" if last else "no sample"
                sys.stderr.write(
                    f"{at_s / 60:5.1f} min: {run.history.count_in} in, {run.history.count_out} out, {memory}\n"
                )
            await asyncio.sleep(min(10.0, self.seconds / 100))


async def soak(folder: Path, *, minutes: float, texts_per_s: float, seed: int) -> bool:
    """Whether all was well; the report is printed."""
    store = SqliteRunStore(folder)
    gauges = Gauges(folder / "gauges.csv", store.path)
    phones, agents = 20, 4
    plan = Plan(
        seed=seed,
        texts_in=1,
        texts_out=1,
        limit_s=1,
        drain_s=300,
        phones=phones,
        agents=agents,
        phone_pause_s=(0.5 * phones / texts_per_s, 1.5 * phones / texts_per_s),
        agent_pause_s=(0.5 * agents / texts_per_s, 1.5 * agents / texts_per_s),
        carrier_timeout="5s",
        every_try_left=False,
    )
    started_s = time.monotonic()
    try:
        verdict = await FaultRun(folder, plan, Soak(seconds=minutes * 60, gauges=gauges), store=store).run()
    finally:
        gauges.close()
    lines, grew = report(verdict, gauges.longest_life(), seconds=minutes * 60)
    took_min = (time.monotonic() - started_s) / 60
    print(f"{minutes:g} minutes at {texts_per_s:g} texts/s each way, seed {seed}; {took_min:.1f} with draining.\n")  # noqa: T201
    print("\n".join(lines))  # noqa: T201
    return verdict.is_good and not grew


def report(verdict: Verdict, life: Sequence[Sample], *, seconds: float) -> tuple[list[str], bool]:
    """The lines, and whether anything grew that must not."""
    lines = ["```", str(verdict), "```", ""]
    if not life:
        return [*lines, "No process lived long enough to be watched."], True
    warm = [sample for sample in life if sample.database_mb >= life[0].database_mb + CACHE_MB]
    watched = warm or life
    warm_up_s = watched[0].at_s - life[0].at_s
    watched_s = watched[-1].at_s - watched[0].at_s
    in_use = trend(watched, lambda sample: sample.in_use_mb)
    blocks = trend(watched, lambda sample: sample.python_blocks / 1000)
    rss = trend(watched, lambda sample: sample.rss_mb)
    files = trend(watched, lambda sample: sample.open_files)
    wal = trend(watched, lambda sample: sample.wal_mb)
    rows = {
        "memory in use, MB": in_use,
        "Python's small objects, thousands": blocks,
        "memory that is resident, MB": rss,
        "open files": files,
        "threads": trend(watched, lambda sample: sample.threads),
        "child processes": trend(watched, lambda sample: sample.children),
        "write-ahead log, MB": wal,
        "database, MB": trend(watched, lambda sample: sample.database_mb),
    }
    lines += [
        f"One process over {watched_s / 60:.1f} minutes, after {warm_up_s / 60:.1f} of warm-up:",
        "",
        "| | at first | at last | most | its floor rises per hour |",
        "|---|---|---|---|---|",
        *(
            f"| {name} | {each.first:.2f} | {each.last:.2f} | {each.most:.2f} |"
            f" {each.per_hour:+.2f} ± {each.error_per_hour:.2f} |"
            for name, each in rows.items()
        ),
    ]
    grew = wal.most > MOST_WAL_MB
    if not warm or watched_s < SHORTEST_WATCH_S:
        lines += ["", "Too short for its slopes to mean anything."]
    elif not in_use.first:
        lines += ["", "This C library does not tell how much memory is in use (glibc does, from 2.33 on)."]
        grew = True
    else:
        grew |= in_use.certainly_above(MOST_IN_USE_MB_PER_H)
        grew |= blocks.certainly_above(MOST_BLOCKS_PER_H / 1000)
        grew |= rss.most - rss.first > MOST_RSS_RISE_MB
        grew |= files.certainly_above(MOST_FILES_PER_H)
    if grew:
        lines += ["", "Something grew that must not."]
    return lines, grew


def main() -> int:
    minutes = float(os.environ.get("SOAK_MINUTES", "60"))
    texts_per_s = float(os.environ.get("SOAK_TEXTS_PER_S", "10"))
    seed = int(os.environ.get("SOAK_SEED", "1"))
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp(prefix="smsbridge-soak-"))
    folder.mkdir(parents=True, exist_ok=True)
    sys.stderr.write(f"history, figures, log and database: {folder}\n")
    return 0 if asyncio.run(soak(folder, minutes=minutes, texts_per_s=texts_per_s, seed=seed)) else 1


if __name__ == "__main__":
    sys.exit(main())
