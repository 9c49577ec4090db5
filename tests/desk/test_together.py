"""Several people at one desk: who has what, who may take it, and the door."""

from __future__ import annotations

from playwright.async_api import Browser, Page, expect

from desk.conftest import SignIn
from desk.hands import Desk, Office, open_window

PHONE = "+14155550142"
ASKING = "() => import('/desk/assets/lib/api.js').then((api) => api.get('/agents').catch(() => {}))"


async def test_a_supervisor_sees_the_team_live_and_gives_work_to_others(office: Office, sign_in: SignIn) -> None:
    bo = await sign_in("bo")
    mara = await sign_in("mara")
    await mara.page.get_by_role("link", name="Team").click()
    agents = mara.page.get_by_role("region", name="Agents")
    opened = mara.page.get_by_role("region", name="Open interactions")
    await expect(opened).to_contain_text("Nothing is open")
    await bo.go_ready()
    await expect(agents.get_by_role("row", name="Bo Kowalczyk")).to_contain_text("Ready")
    await office.phone(PHONE).text("Anybody there?")
    row = opened.get_by_role("row", name="+1 415 555 0142")
    await expect(row).to_contain_text("waiting")
    await bo.accept()
    await expect(row).to_contain_text("active")
    await expect(row).to_contain_text("Bo Kowalczyk")
    await bo.field.press_sequentially("Yes, and")

    # she reads along, and each sees that the other is there
    await row.get_by_role("link").click()
    await expect(mara.page.locator(".composer")).to_contain_text(
        "Bo Kowalczyk has this interaction. You can read along."
    )
    await expect(mara.page.locator(".transcript .head")).to_contain_text("Bo Kowalczyk is here too")
    await expect(bo.page.locator(".transcript .head")).to_contain_text("Mara Lindqvist is here too")
    await bo.field.press_sequentially(" I look it up")
    await mara.page.get_by_role("button", name="Take it over").click()
    await mara.field.press_sequentially("Hello, ")
    await expect(bo.page.locator(".composer")).to_contain_text("Mara Lindqvist has this interaction")
    await expect(bo.page.get_by_role("button", name="Take it over")).to_have_count(0)
    await expect(bo.page.locator(".typing-also")).to_contain_text("Mara Lindqvist is writing to this contact too")

    # given back: what Bo had half written is still there, and so is what Mara had
    await mara.page.get_by_role("link", name="Team").click()
    await opened.get_by_label("Reassign +1 415 555 0142").select_option(label="Bo Kowalczyk")
    await expect(row).to_contain_text("Bo Kowalczyk")
    await expect(bo.field).to_have_value("Yes, and I look it up")
    await opened.get_by_label("Reassign +1 415 555 0142").select_option(label="Back to the queue")
    await expect(row).to_contain_text("nobody yet")

    # agents may not
    assert await bo.page.get_by_role("link", name="Team").count() == 0
    await bo.visit("team")
    await expect(bo.page.get_by_role("navigation", name="Interactions")).to_be_visible()
    await expect(bo.page.get_by_role("heading", name="Team")).to_have_count(0)


async def test_the_door(browser: Browser, office: Office) -> None:
    async with open_window(browser, office) as desk:
        page = desk.page
        await page.goto(f"{office.url}/desk")
        await expect(page.get_by_label("Name")).to_be_focused()
        await page.keyboard.type("mara")
        await page.keyboard.press("Tab")
        pressed = """field => field.dispatchEvent(new KeyboardEvent("keydown", {key: "A", modifierCapsLock: true}))"""
        await page.get_by_label("Passcode").evaluate(pressed)
        await expect(page.get_by_role("status").filter(has_text="Caps Lock is on.")).to_be_visible()
        await page.keyboard.type("WRONG")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("alert")).to_contain_text("do not fit together")
        assert [said for said in desk.said if "401" not in said] == []

        await desk.sign_in("mara")
        await desk.take(office.phone(PHONE), "Hello?")
        await desk.field.fill("half a sentence")

        # somebody else signs in by another window: this one is nobody's any more, and what was half written is kept
        bo = {"name": "bo", "passcode": office.passcodes["bo"]}
        assert (await desk.context.request.post(f"{office.url}/v1/session", data=bo)).status == 201
        await expect(page.get_by_label("Passcode")).to_be_visible()
        await expect(page.get_by_role("status").filter(has_text="session has ended")).to_be_visible()
        await _sign_in(page, office, "mara")
        await desk.settle()
        await desk.list.locator("a.row", has_text="0142").click()
        await expect(desk.field).to_have_value("half a sentence")

        # whoever signs out here leaves nothing behind but the theme, and is not told so before it is true
        await page.get_by_role("button", name="Light or dark").click()
        async with desk.refusing("/v1/session$", status=503, method="DELETE"):
            await _sign_out(page)
            await expect(page.locator(".toast")).to_contain_text("You are still signed in")
        await _sign_out(page)
        await expect(page.get_by_label("Passcode")).to_be_visible()
        await desk.sign_in("mara")
        await expect(page.locator("html[data-theme=dark]")).to_have_count(1)
        await desk.list.locator("a.row", has_text="0142").click()
        await expect(desk.field).to_have_value("")

        # and whoever is removed is out at once
        await office.admin("agents.remove", {"id": "mara"})
        await expect(page.get_by_label("Passcode")).to_be_visible()


async def test_the_next_at_the_same_window_finds_nothing_of_the_one_before(office: Office, sign_in: SignIn) -> None:
    desk = await sign_in("mara")
    page, phone = desk.page, office.phone(PHONE)
    await desk.go_ready()
    await phone.text("Is this seat taken?")
    await page.locator(".offer").get_by_role("button", name="Not now").click()
    async with page.expect_response(lambda answer: answer.url.endswith("/read")):
        await desk.visit("desk", (await office.api.interaction_of(PHONE))["id"])
    await desk.field.fill("Mara's words")
    await _sign_out(page)
    async with page.expect_response(lambda answer: answer.url.endswith("/read")):  # what she has read he has not
        await _sign_in(page, office, "bo")
    await expect(desk.message("Is this seat taken?")).to_be_visible()
    await expect(desk.field).to_have_value("")
    await desk.go_ready()
    await expect(page.locator(".offer")).to_contain_text("Is this seat taken?")  # what she did not want he may

    # the browser is full, the bridge away, the session ends: what was sent goes out when its agent is back
    full = "() => { Storage.prototype.setItem = () => { throw new DOMException('', 'QuotaExceededError'); }; }"
    await page.evaluate(full)
    async with desk.refusing("/v1/messages$", status=503, method="POST"):
        await desk.write("It is free")
        await expect(desk.message("It is free")).to_contain_text("Waiting for the line")
        await _lose_session(desk)
    await _sign_in(page, office, "bo")
    await expect(desk.message("It is free")).to_contain_text("Delivered")
    assert [each["text"] for each in await phone.received()] == ["It is free"]

    # what he had half written when his session ended is his
    await desk.visit("communication", (await office.api.interaction_of(PHONE))["contact_id"])
    await desk.field.fill("Bo's words")
    await _lose_session(desk)
    await _sign_in(page, office, "mara")
    await expect(desk.message("It is free")).to_be_visible()
    await expect(desk.field).to_have_value("")


async def _lose_session(desk: Desk) -> None:
    await desk.context.clear_cookies()
    desk.refusals.add(401)
    await desk.page.evaluate(ASKING)  # perhaps the desk has asked for something by itself, and knows
    await expect(desk.page.get_by_label("Passcode")).to_be_visible()


async def _sign_in(page: Page, office: Office, agent_id: str) -> None:
    """At the door where one stands: the page is not loaded anew."""
    await page.get_by_label("Name").fill(agent_id)
    await page.get_by_label("Passcode").fill(office.passcodes[agent_id])
    await page.get_by_role("button", name="Sign in").click()


async def _sign_out(page: Page) -> None:
    await page.get_by_role("button", name="help and signing out").click()
    await page.get_by_role("button", name="Sign out").click()
