"""The demo page as a newcomer meets it: from opening it to the notice that explains the product."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from desk.hands import Desk, Office, open_office, open_window, see_all_well


@pytest_asyncio.fixture(loop_scope="session")
async def demo(tmp_path: Path) -> AsyncIterator[Office]:
    """With its own agents, as `make demo` starts it."""
    async with open_office(tmp_path, furnished=True) as office:
        yield office


async def test_the_sixty_second_story(browser: Browser, demo: Office) -> None:
    async with open_window(browser, demo) as window:
        page = window.page
        await page.goto(f"{demo.url}/demo")
        phone, desk = page.locator("#phone"), page.locator("#desk")
        ticks = page.locator(".checklist li.is-done")

        await desk.get_by_role("button", name="Not ready").click()
        await expect(ticks).to_have_count(1)

        await _text(page, "Hi, where is my order?")
        await page.locator(".offer").get_by_role("button", name="Accept").click()
        await desk.get_by_label("Message", exact=True).fill("Let me look 😊")
        await expect(desk.locator(".counter")).to_contain_text("UCS-2")
        await desk.get_by_role("button", name="Send", exact=True).click()
        await expect(phone.get_by_role("log")).to_contain_text("Let me look")
        await expect(desk.locator(".message.out")).to_contain_text("Delivered")
        await expect(ticks).to_have_count(2)

        await phone.get_by_role("button", name="Send a photo").click()
        await phone.locator(".samples").get_by_role("button", name="Photo", exact=False).first.click()
        await expect(desk.locator(".message.in .thumb img")).to_be_visible()
        await expect(ticks).to_have_count(3)

        landline = page.get_by_role("radio", name="Landline", exact=True)
        async with page.expect_response(lambda answer: answer.request.method == "PUT" and "/api/phones/" in answer.url):
            await landline.click(force=True)  # the next text must not be there before it
        await expect(landline).to_be_checked()
        window.refusals |= {409, 422}  # where the lookup was asked in time, the bridge says no at once
        await desk.get_by_label("Message", exact=True).fill("Anything else?")
        await desk.get_by_label("Message", exact=True).press("Enter")
        notice = desk.locator(".notice[data-kind=not_sms_capable]")
        await expect(notice).to_contain_text("receive texts")
        await expect(ticks).to_have_count(4)
        await expect(page.locator("#wire")).to_contain_text("/hooks/carriers/twilio")

        # however much went over the wire, it is the list that scrolls and not the page
        root = "document.documentElement"
        await expect(page.locator("#wire li").nth(6)).to_be_attached()  # one more than it has room for
        assert await page.locator("#wire .scroll").evaluate("(box) => box.scrollHeight > box.clientHeight")
        assert await page.evaluate(f"{root}.scrollHeight - {root}.clientHeight") == 0
        await see_all_well([window])


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_nothing_bars_the_way_on_the_demo_and_on_the_phone(browser: Browser, demo: Office, theme: str) -> None:
    async with open_window(browser, demo, theme=theme) as window:
        for path in ("/demo", "/phone", "/demo/connect"):
            await window.page.goto(demo.url + path)
            await expect(window.page.get_by_role("heading").first).to_be_visible()
            await window.check_access(f"{path}, {theme}")
        for width in (320, 390, 768, 1024, 2560):
            await window.page.set_viewport_size({"width": width, "height": 900})
            for path in ("/demo", "/phone"):
                await window.page.goto(demo.url + path)
                assert await _overflow(window) <= 0, (path, width)
        await see_all_well([window])


async def _text(page: Page, words: str) -> None:
    await page.locator("#phone").get_by_role("textbox", name="Text us").fill(words)
    await page.locator("#phone").get_by_role("button", name="Send text").click()


async def _overflow(window: Desk) -> int:
    root = "document.documentElement"
    found: int = await window.page.evaluate(f"{root}.scrollWidth - {root}.clientWidth")
    return found
