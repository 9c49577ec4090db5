"""The whole bridge on a seed: a thousand small worlds, with crashes between any two statements.

world.py says what a world is, invariants.py what holds in it. docs/simulation.md says how to read one that failed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
import structlog

from simulation.run import kept_seeds, main, try_seed
from simulation.world import ROUNDS, run_seed

SEEDS: Final = 1_000
_AT_ONCE: Final = 50
_NOT_DULL: Final = 60


def test_a_seed_that_broke_something_once_holds_now() -> None:
    for seed in kept_seeds():
        trouble = try_seed(seed)
        assert not trouble, trouble


@pytest.mark.timeout(600)
@pytest.mark.parametrize("first", range(0, SEEDS, _AT_ONCE))
def test_everything_holds_in_every_world(first: int) -> None:
    for seed in range(first, first + _AT_ONCE):
        trouble = try_seed(seed)
        assert not trouble, f"{trouble}\nTo see it again: make simulate FROM={seed} SEEDS=1"


def test_a_seed_is_the_same_history_every_time() -> None:
    """Also in another process, where sets and dictionaries of texts are in another order."""
    for seed in range(5):
        first = run_seed(seed).story
        assert run_seed(seed).story == first
        again = subprocess.run(
            [sys.executable, "-m", "simulation.run", "--from", str(seed), "--seeds", "1"],
            cwd=Path(__file__).parent.parent,
            env={**os.environ, "PYTHONHASHSEED": str(seed + 1)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert again.stdout.splitlines() == first


def test_the_worlds_are_not_dull() -> None:
    """Every kind of trouble happens in a few of them: a simulation in which nothing happens proves nothing."""
    stories = "\n".join("\n".join(run_seed(seed).story) for seed in range(_NOT_DULL))
    troubles = (
        "is killed at INSERT",
        "is killed at COMMIT",
        "is killed at after COMMIT",
        "is killed at before Request",
        "is killed at after Request",
        "is killed at before the answer leaves",
        "is killed from outside",
        "cuts the power",
        "freezes",
        "crowds the carrier",
        "changes the desktop's key",
        "has ended",
        "fills the disk",
        "taken, its answer lost",
        "503, taken",
        "429",
        "refused",
        "nobody is told",
        "asks to retry",
        "posts the text",
        "no more",
        "lists 1 texts",
        "backup   is asked to send",
    )
    happened = {trouble: stories.count(trouble) for trouble in troubles}
    print(happened)
    assert all(happened.values()), happened


def test_a_world_leaves_the_bridge_as_it_was() -> None:
    before = [getattr(module, name) for module, name, _ in ROUNDS], structlog.get_config()
    run_seed(1)
    assert before == ([getattr(module, name) for module, name, _ in ROUNDS], structlog.get_config())


def test_one_world_can_be_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--from", "3", "--seeds", "1"]) == 0
    assert "all is well from now on" in capsys.readouterr().out
