"""What every room's tests share."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings

pytest.register_assert_rewrite("carriers", "desk", "e2e", "faults", "simulation", "simulator", "store", "web", "wire")
"""What the tests share says as well what it saw and what it expected, not only that they differ."""

settings.register_profile("same", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("same")
"""The same examples every time, however slow the machine: what lands is decided by the change and not by luck."""
settings.register_profile("long", max_examples=2_000, derandomize=False)
"""For an hour of one's own, other examples every time, in place of 100 each:
`pytest --hypothesis-profile=long tests/carriers`."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What asks for the most time begins first: begun last, it would run on alone."""
    items.sort(key=_longest_s, reverse=True)


def _longest_s(item: pytest.Item) -> float:
    asked = item.get_closest_marker("timeout")
    return float(asked.args[0]) if asked else 0.0


def pytest_collection_finish(session: pytest.Session) -> None:
    """Tests that share a machine or a gateway are marked, and would meet if nobody heeded the mark."""
    if session.config.getoption("loadgroup", False):
        lost = [
            item.nodeid for item in session.items if item.get_closest_marker("xdist_group") and "@" not in item.nodeid
        ]
        assert not lost, f"pytest-xdist keeps no groups together: {lost[:3]}"


@pytest.fixture
def folder() -> Iterator[Path]:
    """In memory where the system has such a place: what a store or a flow does, does not depend on how slow the disk
    is."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as path:
        yield Path(path)


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Logging is the process's: a verb that sets it up in one test would otherwise decide what the next ones see."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
