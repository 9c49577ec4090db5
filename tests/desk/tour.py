"""Every screen of the desk, one after the other, by its name. Pictures are taken of them, and axe reads them."""

from __future__ import annotations

from collections.abc import AsyncIterator

from playwright.async_api import expect

from desk.day import ANN, DIEGO, LANDLINE, MISAKI, NAMES, OLAFUR, Day
from desk.hands import Desk

DEAR = (
    "We’ll keep the bike “safe” – come by whenever you like, we are open until half past six, and on Thursdays "
    "until eight. The spare battery key is at the till."
)

NOT_NOW = """[...document.querySelectorAll(".offer button")].find((each) => each.textContent === "Not now")?.click()"""
"""An offer lasts half a minute: whoever has read the screen for longer finds it gone."""


async def tour(desk: Desk, day: Day, ids: dict[str, str]) -> AsyncIterator[str]:
    """Mara's, at whatever width the window has. Each name comes when its screen stands."""
    page = desk.page
    await page.goto(f"{desk.office.url}/desk")
    await expect(page.get_by_label("Name")).to_be_visible()
    yield "sign-in"
    await page.get_by_label("Name").fill("mara")
    await page.get_by_label("Passcode").fill("not this one")
    async with desk.being_refused(401):
        await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("alert")).to_be_visible()
    yield "sign-in-wrong"
    await desk.sign_in("mara")
    yield "not-ready"
    await page.get_by_role("button", name="More states").click()
    yield "channel"
    await page.keyboard.press("Escape")
    await desk.go_ready()
    await desk.visit("desk", ids[ANN])
    await expect(desk.message("we start right away")).to_contain_text("Delivered")
    yield "desk"
    await day.arrive()
    await expect(page.locator(".offer")).to_be_visible()
    await desk.field.fill("Half a sentence")
    yield "offer"
    for _ in range(2):
        await page.evaluate(NOT_NOW)
    await expect(page.locator(".offer")).to_have_count(0)
    await page.keyboard.press("Control+f")
    await page.get_by_label("Words to find").fill("the")
    await expect(page.locator(".found")).to_contain_text("of")
    yield "search"
    await page.get_by_label("Words to find").press("Escape")
    await desk.field.fill(DEAR)
    await expect(page.get_by_role("button", name="Use plain quotes")).to_be_visible()
    yield "compose"
    await desk.field.fill("")
    await desk.field.press("/")
    await expect(page.get_by_role("option").first).to_be_visible()
    yield "responses"
    await desk.field.press("Escape")
    await desk.field.fill("")
    await page.keyboard.press("Control+e")
    await expect(page.locator("emoji-picker").get_by_role("menuitem").first).to_be_visible()
    yield "emoji"
    await page.keyboard.press("Control+e")
    await desk.open_panel()
    yield "panel"
    await desk.panel.get_by_role("tab", name="Case").click()
    yield "case"
    await desk.panel.get_by_role("tab", name="History").click()
    await expect(desk.panel.locator(".past li").first).to_be_visible()
    yield "history"
    await desk.panel.get_by_role("tab", name="Contact").click()
    await desk.panel.get_by_role("button", name="Edit contact").click()
    yield "contact-edit"
    await desk.visit("desk", ids[DIEGO])
    await expect(page.locator(".transcript .head")).to_contain_text(NAMES[DIEGO])
    await expect(desk.transcript.locator(".notice")).to_be_visible()
    yield "not-delivered"
    await desk.visit("desk", ids[LANDLINE])
    await expect(page.locator(".before-send")).to_be_visible()
    yield "landline"
    await desk.visit("desk", ids[OLAFUR])
    await expect(page.locator(".transcript .head")).to_contain_text(NAMES[OLAFUR])
    await desk.open_panel()
    yield "wrap-up"
    await page.get_by_role("button", name="Mark as Done").click()
    await expect(desk.panel.get_by_role("alert")).to_be_visible()
    yield "wrap-up-wrong"
    await desk.visit("communication")
    await expect(desk.list.locator("a.row").first).to_be_visible()
    yield "communication-list"
    contact = (await desk.office.api.get(f"/interactions/{ids[MISAKI]}"))["contact_id"]
    await desk.visit("communication", contact)
    await expect(desk.field).to_be_visible()
    yield "communication"
    await desk.visit("team")
    await expect(page.get_by_role("heading", name="Open interactions")).to_be_visible()
    yield "team"
    await desk.visit("desk")
    await page.keyboard.press("?")
    yield "help"
    await page.keyboard.press("Escape")
    await page.keyboard.press("c")
    yield "new"
    await page.keyboard.press("Escape")
    await page.keyboard.press("Control+k")
    await page.get_by_label("Name, number or words").fill("an")
    await expect(page.get_by_role("dialog").locator("a.row").first).to_be_visible()
    yield "find"
    await page.keyboard.press("Escape")
    desk.is_line_cut = True
    await desk.context.set_offline(True)
    await desk.visit("desk", ids[ANN])
    await expect(page.locator(".banner")).to_be_visible()
    yield "offline"
    await desk.context.set_offline(False)
    await expect(page.locator(".banner")).to_have_count(0)
