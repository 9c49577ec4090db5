"""What every room's tests share."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import settings

settings.register_profile("long", max_examples=2_000)
"""For an hour of one's own, in place of 100 each: `pytest --hypothesis-profile=long tests/carriers`."""


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Logging is the process's: a verb that sets it up in one test would otherwise decide what the next ones see."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
