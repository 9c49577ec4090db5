"""Offers: who is Ready gets them, one agent takes each, and the others see it go."""

from __future__ import annotations

import asyncio
import time

from playwright.async_api import expect

from desk.conftest import SignIn
from desk.hands import Office

PRESS_ACCEPT_AT = """
(moment) => new Promise((pressed) => setTimeout(() => {
  // a page that comes late finds the offer gone, as its agent would
  [...document.querySelectorAll(".offer button")].find((button) => button.textContent.includes("Accept"))?.click();
  pressed();
}, moment - Date.now()))
"""
"""Two pages told one at a time are never told at once: each is given the moment (ms since the epoch) beforehand."""


async def test_an_agent_is_ready_or_not_with_a_reason_and_takes_what_is_offered(
    office: Office, sign_in: SignIn
) -> None:
    desk = await sign_in("mara")
    page = desk.page
    channel, offer = page.locator(".channel"), page.locator(".offer")
    await expect(channel).to_contain_text("Not ready")

    # not ready: what comes waits in the queue and is offered to nobody
    await office.phone("+14155550101").text("Before you were ready")
    await page.get_by_role("tab", name="Queue").click()
    await expect(desk.list).to_contain_text("Before you were ready")
    await expect(offer).to_have_count(0)

    # ready: offered with the number and the first words; not now leaves it in the queue
    await desk.go_ready()
    await expect(offer).to_contain_text("+1 415 555 0101")
    await expect(offer).to_contain_text("Before you were ready")
    await offer.get_by_role("button", name="Not now").click()
    await expect(offer).to_have_count(0)
    await desk.list.get_by_role("button", name="Accept").click()
    await expect(desk.message("Before you were ready")).to_be_visible()
    await expect(page.locator(".lines .border").last).to_contain_text("Accepted by you")

    # the field keeps the focus and the words while another text is offered; `a` outside of it accepts
    await desk.field.fill("half a sen")
    await office.phone("+14155550102").text("Is anybody there?")
    await expect(offer).to_contain_text("Is anybody there?")
    await page.keyboard.type("tence a")
    await expect(desk.field).to_have_value("half a sentence a")
    await desk.transcript.focus()
    await page.keyboard.press("a")
    await expect(desk.message("Is anybody there?")).to_be_visible()
    await expect(desk.field).to_have_value("")
    await desk.open("+14155550101")
    await expect(desk.field).to_have_value("half a sentence a")

    # a reason, and back
    await page.get_by_role("button", name="More states").click()
    await page.get_by_role("menuitemradio", name="Meeting").click()
    await expect(channel).to_contain_text("Meeting")
    await office.phone("+14155550103").text("During the meeting")
    await page.get_by_role("tab", name="Queue").click()
    await expect(desk.list).to_contain_text("During the meeting")
    await expect(offer).to_have_count(0)

    # auto-answer takes it without a press, and leaves in view what was in view
    await desk.go_ready_and_answer_all()
    await page.get_by_role("tab", name="Mine").click()
    await expect(desk.list.locator("a.row", has_text="During the meeting")).to_be_visible()
    await expect(offer).to_have_count(0)
    await expect(page.locator(".transcript .head")).to_contain_text("0101")


async def test_an_offer_is_taken_by_one_agent_and_vanishes_at_the_other(office: Office, sign_in: SignIn) -> None:
    mara, bo = await sign_in("mara"), await sign_in("bo")
    await asyncio.gather(mara.go_ready(), bo.go_ready())
    phone = office.phone("+14155550104")
    await phone.text("Who is first?")
    for desk in (mara, bo):
        await expect(desk.page.locator(".offer")).to_contain_text("Who is first?")
    await bo.accept()
    await expect(mara.page.locator(".offer")).to_have_count(0)
    await expect(mara.page.get_by_role("tab", name="Queue")).not_to_contain_text("1")

    # whoever looks at what a colleague has is told so, kindly, and reads along
    interaction = await office.api.interaction_of(phone.number)
    await mara.page.goto(f"{office.url}/desk#/desk/{interaction['id']}")
    await expect(mara.message("Who is first?")).to_be_visible()
    await expect(mara.page.locator(".composer")).to_contain_text(
        "Bo Kowalczyk has this interaction. You can read along."
    )
    await expect(mara.field).to_have_count(0)
    await bo.write("I am.")
    await expect(mara.message("I am.")).to_contain_text("Bo")
    await expect(mara.message("I am.")).to_contain_text("Delivered")

    # both want the same at the same moment: one has it, and the other is told and goes on
    await bo.page.goto(f"{office.url}/desk#/desk")
    await office.phone("+14155550105").text("Both at once")
    for desk in (mara, bo):
        await expect(desk.page.locator(".offer")).to_contain_text("Both at once")
    mara.refusals = bo.refusals = {409, 422}
    moment = (time.time() + 1) * 1000
    await asyncio.gather(*(desk.page.evaluate(PRESS_ACCEPT_AT, moment) for desk in (mara, bo)))
    for desk in (mara, bo):
        await expect(desk.page.locator(".offer")).to_have_count(0)
    taken = await office.api.interaction_of("+14155550105")
    owner, other = (mara, bo) if taken["agent"]["id"] == "mara" else (bo, mara)
    await expect(owner.list.locator("a.row", has_text="0105")).to_be_visible()
    await expect(other.list.locator("a.row", has_text="0105")).to_have_count(0)
