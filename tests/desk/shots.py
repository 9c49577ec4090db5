"""Renders every screen of the desk in both themes and three widths: `make screenshots`."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Final

from playwright.async_api import async_playwright

from desk.day import Day
from desk.hands import CHROMIUM, SWITCHES, open_office, open_window
from desk.tour import tour

WIDTHS: Final = {"phone": (390, 844), "desk": (1440, 900), "wide": (2560, 1440)}


async def take(folder: Path, widths: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(SWITCHES))
        for width in widths:
            with tempfile.TemporaryDirectory() as scratch:
                async with (
                    open_office(Path(scratch)) as office,
                    open_window(browser, office, size=WIDTHS[width], reduced_motion="reduce") as desk,
                ):
                    day = Day(office)
                    ids = await day.live()
                    async for name in tour(desk, day, ids):
                        for theme in ("light", "dark"):
                            await desk.page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
                            await desk.page.screenshot(path=folder / f"{name}.{width}.{theme}.png")
                    if desk.said or desk.strayed:
                        sys.exit(f"The console says: {desk.said} {desk.strayed}")
        await browser.close()


if __name__ == "__main__":
    if CHROMIUM is None:
        sys.exit("There is no Chromium here: apt-get install chromium fonts-noto-color-emoji")
    asyncio.run(take(Path(sys.argv[1]), sys.argv[2:] or list(WIDTHS)))
