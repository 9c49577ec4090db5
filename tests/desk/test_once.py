"""Nothing is sent twice, and nothing is lost: by two presses, two tabs, a reload, or a line that breaks."""

from __future__ import annotations

from playwright.async_api import Route, expect

from desk.conftest import SignIn
from desk.hands import Desk, Office


async def test_a_text_goes_out_once_however_often_it_is_said(office: Office, sign_in: SignIn) -> None:
    desk = await sign_in("mara")
    page = desk.page
    phone = office.phone("+14155550110")
    await desk.take(phone, "Hello")

    # two presses of Send; Enter and a press
    await desk.field.fill("double click")
    await page.get_by_role("button", name="Send", exact=True).dblclick()
    await expect(desk.message("double click")).to_contain_text("Delivered")
    await desk.field.fill("Enter and click")
    await page.evaluate(
        """() => {
            const field = document.querySelector(".composer textarea");
            field.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true, cancelable: true }));
            document.querySelector(".composer .send").click();
        }"""
    )
    await expect(desk.message("Enter and click")).to_contain_text("Delivered")

    # a reload right after Send: the request reached the bridge, its answer never came
    fate = "answer lost"

    async def lose(route: Route) -> None:
        if fate == "answer lost":
            await route.fetch()
        await (route.abort() if fate else route.continue_())

    await page.route("**/v1/messages", lose)  # in our hands to the end: what is let go of in passing may be lost
    desk.is_line_cut = True
    async with page.expect_event("requestfailed", lambda request: request.url.endswith("/v1/messages")):
        await desk.write("answer lost")
    fate = ""
    await page.reload()
    await expect(desk.message("answer lost")).to_contain_text("Delivered")

    # a reload before the request left
    fate = "never leaves"
    async with page.expect_event("requestfailed", lambda request: request.url.endswith("/v1/messages")):
        await desk.write("never left")
    await expect(desk.message("never left")).to_contain_text("Waiting for the line")
    await page.reload()
    await expect(desk.message("never left")).to_contain_text("Waiting for the line")
    fate = ""  # no reload, and the stream was never away: it goes out by itself
    await expect(desk.message("never left")).to_contain_text("Delivered")

    # two tabs, the line away from both: each keeps what it wrote, and both have all of it
    second = Desk(office, desk.context, await desk.context.new_page())
    second.is_line_cut = True
    await second.page.goto(page.url)
    await expect(second.message("never left")).to_contain_text("Delivered")
    await desk.context.set_offline(True)
    for tab in (desk, second):
        await expect(tab.page.locator(".line-state")).to_contain_text("Offline")
    await desk.write("from the first tab")
    await second.write("from the second tab")
    await desk.write("and once more")
    for tab in (desk, second):
        await expect(tab.transcript.locator(".message.is-pending")).to_have_count(3)
    await desk.field.fill("a draft that stays")
    await desk.context.set_offline(False)
    for tab in (desk, second):
        await expect(tab.message("and once more")).to_contain_text("Delivered")
        await expect(tab.message("from the second tab")).to_contain_text("Delivered")
    await page.reload()
    await expect(desk.field).to_have_value("a draft that stays")
    await expect(desk.message("and once more")).to_contain_text("Delivered")

    sent = ["double click", "Enter and click", "answer lost", "never left"]
    sent += ["from the first tab", "from the second tab", "and once more"]
    for tab in (desk, second):
        await tab.expect_texts("Hello", *sent)
    assert [each["text"] for each in await phone.received()] == sent
    assert await page.evaluate("Object.keys(localStorage).filter((key) => key.includes('unsent'))") == []
    assert second.said == []


async def test_a_restart_under_an_open_desk_loses_doubles_and_disorders_nothing(
    office: Office, sign_in: SignIn
) -> None:
    desk = await sign_in("mara")
    await desk.go_ready()
    phone, other = office.phone("+14155550111"), office.phone("+14155550112")
    await phone.text("one")
    await desk.accept()
    await desk.write("two")
    await expect(desk.message("two")).to_contain_text("Delivered")

    desk.is_line_cut = True
    await phone.text("three")
    async with desk.page.expect_event("requestfailed", lambda request: request.url.endswith("/v1/session")):
        await office.kill()  # whether the desk was told of it, and could ask for it, is chance
    await expect(desk.page.locator(".line-state")).to_contain_text("Reconnecting")
    await expect(desk.page.locator(".banner")).to_contain_text("kept here")
    await desk.page.evaluate("() => { const now = Date.now; Date.now = () => now() - 3_600_000; }")  # the clock is set
    await desk.write("four, while it was away")
    await expect(desk.message("four, while it was away")).to_contain_text("Waiting for the line")
    await desk.write("five, after it")
    await desk.field.fill("half a thought")
    await office.start()
    phone, other = office.phone(phone.number), office.phone(other.number)
    await expect(desk.page.locator(".line-state")).to_contain_text("Live")
    await expect(desk.message("five, after it")).to_contain_text("Delivered")
    await expect(desk.field).to_have_value("half a thought")
    await phone.text("six")
    await other.text("somebody new")
    await expect(desk.message("six")).to_be_visible()
    await expect(desk.page.locator(".offer")).to_contain_text("somebody new")

    shown = await desk.texts()
    interaction = await office.api.interaction_of(phone.number)
    entries = await office.api.transcript(interaction["id"])
    assert shown == [entry["message"]["text"] for entry in entries if entry["kind"] == "message"]
    assert [text for text in shown if text != "three"] == [
        "one",
        "two",
        "four, while it was away",
        "five, after it",
        "six",
    ]
    # the simulated carrier began anew with the bridge
    assert [each["text"] for each in await phone.received()] == ["four, while it was away", "five, after it"]
    await expect(desk.transcript.locator(".is-pending")).to_have_count(0)


async def test_what_was_told_while_the_answer_was_lost_is_shown_when_the_line_is_back(
    office: Office, sign_in: SignIn
) -> None:
    desk = await sign_in("mara")
    await desk.go_ready()
    phone = office.phone("+14155550113")
    await phone.text("first")
    await desk.accept()
    await expect(desk.message("first")).to_be_visible()
    desk.is_line_cut = True
    is_lost = True

    async def lose(route: Route) -> None:
        await (route.abort() if is_lost else route.continue_())

    await desk.page.route("**/transcript?after=*", lose)
    async with desk.page.expect_event("requestfailed", lambda request: "/transcript?after=" in request.url):
        await phone.text("second")
    is_lost = False
    await expect(desk.message("second")).to_be_visible()

    # or was refused for the moment
    async with (
        desk.refusing(r"/transcript\?after=", status=500),
        desk.page.expect_response(lambda answer: answer.status == 500),
    ):
        await phone.text("third")
    await expect(desk.message("third")).to_be_visible()
    await desk.expect_texts("first", "second", "third")
