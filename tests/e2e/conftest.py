from __future__ import annotations

import itertools
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from e2e.driving import Api, Phone, Process, browsing, wait_for_file
from postgres_server import make_database, shared_url

_numbers = itertools.count(100)


@dataclass
class Demo:
    """A running demo, with everything it wrote into its ready file."""

    ready: dict[str, Any]
    process: Process
    session: aiohttp.ClientSession
    api: Api

    def phone(self, number: str = "") -> Phone:
        """A phone nobody used before, so that stories do not meet."""
        return Phone(self.session, self.ready["simulator_url"], number or f"+1415555{next(_numbers):04d}")


@pytest_asyncio.fixture(scope="session", loop_scope="session", params=["sqlite", "postgres"])
async def demo(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> AsyncIterator[Demo]:
    """One on either database for all stories, each of which has phones of its own."""
    folder = tmp_path_factory.mktemp("demo") / str(request.param)
    store = ()
    if request.param == "postgres":
        store = ("--store-url", make_database(shared_url(), f"demo_{os.getpid()}", with_schema=False))
    async with running_demo(folder, *store) as made:
        yield made


@asynccontextmanager
async def running_demo(folder: Path, *arguments: str) -> AsyncIterator[Demo]:
    """`smsbridge demo --port 0 --ready-file FILE`, which has to end well and without a complaint."""
    folder.mkdir()
    ready_file = folder / "ready.json"
    process = await Process.start(
        *("demo", "--port", "0", "--ready-file", str(ready_file), "--keep", str(folder / "data")),
        *arguments,
        log=folder / "log",
    )
    try:
        ready = await wait_for_file(ready_file, process)
        async with browsing() as session:
            yield Demo(
                ready=ready, process=process, session=session, api=Api(session, ready["api_url"], ready["api_key"])
            )
    finally:
        code = await process.stop() if process.is_running else None
    said = process.said()
    assert code == 0, said[-4_000:]
    assert "Traceback" not in said, said[-4_000:]


Factory = Callable[[], Demo]
