"""As many worlds as one likes, each on a seed of its own; a seed that breaks a promise is told whole, and kept.

python -m simulation.run --seeds 100000            from tests/, or: make simulate SEEDS=100000
python -m simulation.run --from 4711 --seeds 1     one world, with its story
"""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Final

from simulation.invariants import Broken
from simulation.process import Crash
from simulation.world import run_seed

KEPT: Final = Path(__file__).parent / "seeds.txt"
_AT_ONCE: Final = 50


def try_seed(seed: int) -> str:
    """What went wrong in this world, with its story; empty when everything held."""
    try:
        run_seed(seed)
    except Broken as broken:
        story = "\n".join(broken.world.story)
        return f"{story}\n\nseed {seed}: {broken}\n"
    except (Exception, Crash):  # noqa: BLE001 - the simulation's own bug is told like any other
        return f"seed {seed}: {traceback.format_exc()}"
    return ""


def kept_seeds() -> list[int]:
    """The seeds that broke something once, each with its reason behind it in the file."""
    lines = (line.partition("#")[0].strip() for line in KEPT.read_text().splitlines())
    return [int(line) for line in lines if line]


def keep_seed(seed: int, reason: str) -> None:
    if seed not in kept_seeds():
        with KEPT.open("a") as file:
            file.write(f"{seed}  # {reason}\n")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m simulation.run", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1_000, help="how many")
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first of them")
    parser.add_argument("--jobs", type=int, default=2, help="how many at once")
    asked = parser.parse_args(arguments)
    if asked.seeds == 1:
        world_or_trouble = try_seed(asked.first) or "\n".join(run_seed(asked.first).story)
        print(world_or_trouble)
        return int("seed " in world_or_trouble.splitlines()[-1])
    seeds = (*kept_seeds(), *range(asked.first, asked.first + asked.seeds))
    failed = 0
    with ProcessPoolExecutor(asked.jobs) as pool:
        for done, (seed, trouble) in enumerate(_each(pool, seeds), start=1):
            if trouble:
                failed += 1
                print(trouble)
                keep_seed(seed, trouble.rstrip().splitlines()[-1].partition(": ")[2].partition(": ")[0])
            if done % 1_000 == 0:
                print(f"{done} worlds, {failed} of them broken", file=sys.stderr)
    print(f"{len(seeds)} worlds, {failed} of them broken")
    return int(failed > 0)


def _each(pool: ProcessPoolExecutor, seeds: Iterable[int]) -> Iterable[tuple[int, str]]:
    """Every seed with what went wrong, in order; a block at a time, so that a million of them take no memory."""
    rest = iter(seeds)
    while block := list(islice(rest, 20 * _AT_ONCE)):
        yield from zip(block, pool.map(try_seed, block, chunksize=_AT_ONCE), strict=True)


if __name__ == "__main__":
    raise SystemExit(main())
