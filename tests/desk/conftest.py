"""The desk in a real browser. Without Chromium these tests are skipped, and say so loudly; .ci/run installs it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from desk.hands import CHROMIUM, SWITCHES, Desk, Office, open_office, open_window, see_all_well

SignIn = Callable[..., Awaitable[Desk]]

_rooms = itertools.count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/desk/" in str(item.path):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)  # the browser's
    if CHROMIUM:
        return
    reason = "NO CHROMIUM: the desk is not tested in a browser (apt-get install chromium fonts-noto-color-emoji)"
    for item in items:
        if "tests/desk/" in str(item.path) and "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """One for all stories that a process runs; a window has a profile of its own."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(SWITCHES))
        yield browser
        await browser.close()


@pytest_asyncio.fixture(autouse=True, loop_scope="session")
async def nothing_goes_on() -> AsyncIterator[None]:
    """What a story leaves unfinished would complain in the middle of somebody else's test."""
    before = asyncio.all_tasks()
    yield
    late = asyncio.all_tasks() - before - {asyncio.current_task()}
    if late:
        _, late = await asyncio.wait(late, timeout=5)
    assert not late, f"{len(late)}: {[str(each) for each in late][:3]}"


@pytest_asyncio.fixture(loop_scope="session")
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    folder = tmp_path / f"office{next(_rooms)}"
    folder.mkdir()
    async with open_office(folder) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="session")
async def sign_in(browser: Browser, office: Office) -> AsyncIterator[SignIn]:
    """`await sign_in("mara")` is a window in which Mara sits. At the end every window's console must be silent."""
    desks: list[Desk] = []
    async with AsyncExitStack() as stack:

        async def open_one(agent_id: str, **options: Any) -> Desk:
            desk = await stack.enter_async_context(open_window(browser, office, **options))
            desks.append(desk)
            await desk.sign_in(agent_id)
            return desk

        yield open_one
        await see_all_well(desks)
