"""What a screen reader has of the desk: names and regions. Landmarks and headings: test_screens.py."""

from __future__ import annotations

from playwright.async_api import expect

from desk.conftest import SignIn
from desk.hands import Office

PHONE = "+14155550142"


async def test_new_texts_are_said_politely_failures_at_once_and_history_not_at_all(
    office: Office, sign_in: SignIn
) -> None:
    desk = await sign_in("mara", reduced_motion="reduce")
    page = desk.page
    polite = page.locator(".pop-ups [role=status]")
    at_once = page.locator(".pop-ups [aria-live=assertive]")
    await expect(page).to_have_title("Desk · smsbridge")
    await desk.go_ready()
    await page.evaluate("document.querySelector('.skip').focus()")
    await office.phone(PHONE).text("Is it ready?")
    await expect(polite.first).to_have_text("New text from +1 415 555 0142. Press a to accept.")
    await expect(page).to_have_title("(1) Desk · smsbridge")
    await expect(page.locator(".skip")).to_be_focused()  # what arrives takes no focus
    await desk.accept()
    await expect(desk.transcript).to_have_attribute("aria-live", "off")
    await expect(desk.transcript).to_have_accessible_name("Transcript with +1 415 555 0142")
    await expect(polite.first).to_be_empty()

    await desk.field.fill("half a")
    await office.phone(PHONE).text("Hello?")
    await expect(polite.last).to_have_text("+1 415 555 0142: Hello?")
    await expect(desk.field).to_be_focused()
    await office.phone(PHONE).become("switched_off")
    await desk.write("Yes")
    await expect(at_once).to_contain_text("+1 415 555 0142: Not delivered.")

    # with reduced motion nothing moves, and the countdown still counts
    await office.phone("+447700900123").text("Hi")
    await expect(page.locator(".countdown")).to_be_visible()
    before = await page.locator(".countdown").inner_text()
    await expect(page.locator(".countdown")).not_to_have_text(before)
    moving = await page.evaluate("document.getAnimations().filter((each) => each.playState === 'running').length")
    assert moving == 0
