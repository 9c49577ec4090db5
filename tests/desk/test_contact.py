"""What the desk shows and keeps of a contact, and of the case."""

from __future__ import annotations

from playwright.async_api import expect

from desk.conftest import SignIn
from desk.hands import Office

PHONE = "+14155550142"


async def test_the_contact_its_details_consent_and_history(office: Office, sign_in: SignIn) -> None:
    desk = await sign_in("mara")
    page, panel = desk.page, desk.panel
    await desk.take(office.phone(PHONE), "<b>Hi</b>")
    await expect(panel.get_by_role("heading", name="+1 415 555 0142")).to_be_visible()
    facts = panel.locator(".facts").first
    await expect(facts).to_contain_text("Never asked to stop")
    await expect(facts).to_contain_text("Can receive, mobile")
    await expect(facts).to_contain_text("Assigned toYou")

    # name, details and whose it is
    await panel.get_by_role("button", name="Edit contact").click()
    await panel.get_by_label("Name").fill("Łucja <i>O’Neil</i>")
    await panel.get_by_role("button", name="Add a detail").click()
    await panel.get_by_label("What").fill("Bike")
    await panel.get_by_label("Value of Bike").fill("Longtail & trailer")
    await panel.get_by_role("button", name="Save").click()
    await expect(panel.get_by_role("heading", name="Łucja <i>O’Neil</i>")).to_be_visible()
    await expect(facts).to_contain_text("BikeLongtail & trailer")
    await expect(page.locator(".transcript .head")).to_contain_text("Łucja <i>O’Neil</i>")
    await expect(desk.list.locator("a.row").first).to_contain_text("Łucja <i>O’Neil</i>")
    contact_id = (await office.api.interaction_of(PHONE))["contact_id"]
    kept = await office.api.get(f"/contacts/{contact_id}")
    assert (kept["name"], kept["attributes"]) == ("Łucja <i>O’Neil</i>", {"Bike": "Longtail & trailer"})

    # what is left alone stays, what is removed goes, and Leave it changes nothing
    await panel.get_by_role("button", name="Edit contact").click()
    await panel.get_by_role("button", name="Remove Bike").click()
    await panel.get_by_role("button", name="Leave it").click()
    await expect(facts).to_contain_text("BikeLongtail & trailer")
    await panel.get_by_role("button", name="Edit contact").click()
    await panel.get_by_role("button", name="Remove Bike").click()
    await panel.get_by_role("button", name="Save").click()
    await expect(panel.get_by_role("button", name="Save")).to_have_count(0)
    await expect(facts).not_to_contain_text("Bike")

    # the case
    await panel.get_by_role("tab", name="Case").click()
    await expect(panel.locator(".facts")).to_contain_text("Texted to+1 500 555 0006, Harbour Cycles")
    await expect(panel.locator(".facts")).to_contain_text("AgentYou")
    await panel.get_by_role("tab", name="Contact").click()

    # asked in other words to stop: nothing can be sent until consent is there again
    await panel.get_by_role("button", name="Edit contact").click()
    consent = panel.get_by_role("switch", name="+1 500 555 0006")
    await expect(consent).to_be_checked()
    async with desk.refusing("/opt-out$", method="POST"):
        await consent.click()
        await expect(page.locator(".toast")).to_contain_text("Not at this moment.")
        await expect(consent).to_be_checked()
    await consent.uncheck()
    await expect(desk.list.locator("a.row").first).to_contain_text("Opted out")
    await expect(panel.get_by_role("tab", name="Wrap-up")).to_be_visible()
    # it has ended the interaction, as a STOP does; the card stays under the hand that writes on it
    await panel.get_by_role("button", name="Leave it").click()
    await expect(facts).to_contain_text("Opted out,")

    # the history
    await panel.get_by_role("tab", name="Contact").press("ArrowRight")
    await expect(panel.get_by_role("tab", name="History")).to_be_focused()
    await expect(panel.locator(".past li")).to_have_count(1)
    await expect(panel.locator(".past li")).to_contain_text("Opted out.")
    await desk.check_access("history")
