"""Every screen of the desk, as it is tour.py's: read by axe in both themes, and nowhere wider than its window."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, Page

from desk.day import Day
from desk.hands import DESKTOP, PHONE, Desk, Office, open_window
from desk.tour import tour

WIDTHS = (320, 390, 768, 1024, 1440, 2560, 3840)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
async def test_axe_finds_nothing_and_nothing_scrolls_sideways(
    browser: Browser, office: Office, size: tuple[int, int]
) -> None:
    day = Day(office)
    ids = await day.live()
    wrong: list[str] = []
    async with open_window(browser, office, size=size, reduced_motion="reduce") as desk:
        async for screen in tour(desk, day, ids):
            wrong += [f"{screen}: {each}" for each in await _read(desk)]
            if size == DESKTOP:
                wrong += [f"{screen}: {each}" for each in await _too_wide(desk.page)]
                await desk.page.set_viewport_size({"width": size[0], "height": size[1]})
        assert desk.strayed == []
        assert desk.said == []
    assert wrong == []


async def _read(desk: Desk) -> list[str]:
    """Of the dark theme only the colours are read: the page is the same. One main and one h1 are there at any width."""
    page = desk.page
    found = await desk.faults()
    await page.emulate_media(color_scheme="dark")
    found += [f"dark, {each}" for each in await desk.faults("color-contrast")]
    await page.emulate_media(color_scheme="light")
    for one in ("h1", "main"):
        if await page.locator(one).count() != 1:
            found.append(f"{await page.locator(one).count()} of {one}")
    return found


async def _too_wide(page: Page) -> list[str]:
    found = []
    for width in WIDTHS:
        await page.set_viewport_size({"width": width, "height": 900 if width < 2000 else 1440})
        spill = await page.evaluate(
            """() => {
                const wide = document.documentElement.scrollWidth - innerWidth;
                if (wide <= 0) return "";
                const isOut = (each) => each.getBoundingClientRect().right > innerWidth + 1;
                const out = [...document.querySelectorAll("body *")].filter(isOut).slice(0, 3);
                return `${wide} px: ` + out.map((each) => each.outerHTML.slice(0, 120)).join(" | ");
            }"""
        )
        if spill:
            found.append(f"at {width} px too wide by {spill}")
    return found
