"""Answers that come late: what the agent has done meanwhile stands, on the screen and in the bridge."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Page, Route, expect

from desk.conftest import SignIn
from desk.hands import Office

FIRST, SECOND, THIRD = "+14155550151", "+14155550152", "+14155550153"

BROKEN_OFF = """() => {
    const ask = window.fetch;
    window.fetch = async (path, ...how) => {
        const answer = await ask(path, ...how);
        if (path !== "/v1/messages") return answer;
        window.fetch = ask;
        const half = (await answer.text()).slice(0, 20);
        const start = (body) => {
            body.enqueue(new TextEncoder().encode(half));
            body.error(new TypeError("network error"));
        };
        return new Response(new ReadableStream({ start }), { status: answer.status });
    };
}"""

DRAWN = "() => new Promise((drawn) => requestAnimationFrame(() => setTimeout(() => requestAnimationFrame(drawn))))"


@asynccontextmanager
async def _late(page: Page, what: str, method: str = "GET") -> AsyncIterator[asyncio.Queue[Route]]:
    """What is asked in the block, in the order of asking. It reaches the bridge at the end of the block, in that order;
    the block is over when the page has drawn what came of it.

    The page stays in our hands afterwards: Chromium loses a request that begins in the moment it is let go.
    """
    asked: asyncio.Queue[Route] = asyncio.Queue()
    held: list[Route] = []
    is_over = False

    async def hold(route: Route) -> None:
        if is_over or route.request.method != method:
            await route.fallback()
        else:
            held.append(route)
            await asked.put(route)

    await page.route(re.compile(what), hold)
    yield asked
    is_over = True
    for route in held:
        async with page.expect_request_finished(lambda request, late=route.request: request == late):  # type: ignore[misc]
            await route.continue_()
    await page.evaluate(DRAWN)


async def _asked(held: asyncio.Queue[Route]) -> Route:
    async with asyncio.timeout(15):
        return await held.get()


async def test_what_was_pressed_stands_while_the_bridge_is_asked(office: Office, sign_in: SignIn) -> None:
    await office.phone(FIRST).text("Is anybody there?")
    desk = await sign_in("mara")
    page = desk.page
    channel = page.locator(".channel")

    # what was said last holds
    await page.get_by_role("button", name="More states").click()
    async with _late(page, r"/accept$", "POST") as accepted:
        async with _late(page, r"/v1/agents/mara/status$", "PUT") as held:
            await channel.locator(".menu").get_by_label("Auto-answer").check()
            await _asked(held)
            await page.keyboard.press("Escape")
            await channel.locator(".state").click()
            assert held.empty(), "the second waits for the first"
        await expect(page.locator(".channel.is-ready")).to_be_visible()

        # what waited is accepted by itself, but not brought into view: something else is there by then
        await _asked(accepted)
        await desk.visit("communication")
    await expect(page.get_by_role("navigation", name="Contacts")).to_contain_text("Assigned to you 1")
    await expect(desk.field).to_have_count(0)

    # Done is not followed by the note that was on its way
    await page.get_by_role("link", name="Desk").click()
    await desk.open(FIRST)
    await desk.end.click()
    async with _late(page, r"/v1/interactions/int_\w+$", "PATCH") as held:
        await desk.panel.get_by_role("radio", name="Order status").check()
        await _asked(held)
        await desk.panel.get_by_role("button", name="Mark as Done").click()
    await expect(desk.transcript).to_contain_text("Done: Order status")

    # whoever goes elsewhere before the new interaction is there stays where they are
    async with (
        page.expect_response(lambda answer: bool(re.search(r"/v1/interactions/int_\w+$", answer.url))),
        _late(page, r"/v1/interactions$", "POST") as held,
    ):
        await page.locator(".composer").get_by_role("button", name="Create SMS interaction").click()
        await _asked(held)
        await desk.visit("communication")
    await page.evaluate(DRAWN)
    await expect(page.get_by_role("navigation", name="Contacts")).to_be_visible()


async def test_what_is_loaded_late_takes_nothing_out_of_view(office: Office, sign_in: SignIn) -> None:
    desk = await sign_in("mara")
    page = desk.page
    await desk.go_ready()
    await office.phone(FIRST).text("Only a question")
    async with _late(page, r"/accept$", "POST") as held:
        await page.locator(".offer").get_by_role("button", name="Accept").click()
        await _asked(held)
        await desk.visit("communication")
    await expect(page.get_by_role("navigation", name="Contacts")).to_contain_text("Assigned to you 1")
    await expect(desk.field).to_have_count(0)
    await desk.visit("desk")
    await desk.open(FIRST)
    done = await office.api.interaction_of(FIRST)
    await desk.end.click()
    await desk.panel.get_by_role("radio", name="Order status").check()
    await desk.panel.get_by_role("button", name="Mark as Done").click()
    await expect(desk.transcript).to_contain_text("Done: Order status")
    await desk.list.get_by_role("tab", name="Done").click()
    await expect(desk.row(FIRST)).to_be_visible()
    await desk.visit("desk")

    # what cannot be had at the moment is waited for, and not said to be nothing
    for status in (503, 429):
        async with desk.refusing(r"/v1/session$|/icons\.svg$", status=status):
            await page.reload()
            await expect(page.get_by_role("heading", name="The bridge does not answer")).to_be_visible()
        await desk.settle()
    await expect(page.locator("svg.icons")).to_be_attached()
    async with desk.refusing(r"state=done|/transcript\?limit=", status=503):
        await desk.list.get_by_role("tab", name="Done").click()
        await expect(page.locator(".toast")).to_be_visible()
        await expect(desk.list).to_contain_text("Looking…")
        await desk.visit("desk", done["id"])
        await expect(desk.transcript).to_contain_text("Looking for what was said…")
    await expect(desk.row(FIRST)).to_be_visible()
    await expect(desk.message("Only a question")).to_be_visible()

    # nor does it go out of view because the bridge could not say just then what it is
    address = re.compile(f"/v1/interactions/{done['id']}$")
    async with (
        page.expect_response(lambda answer: bool(address.search(answer.url)) and answer.ok),
        desk.refusing(r"/v1/interactions/int_\w+$", status=500),
        page.expect_response(address),
    ):
        await office.phone(SECOND).text("Hello")
    await desk.settle()
    await expect(desk.message("Only a question")).to_be_visible()

    # while all is loaded anew the agent opens what is done
    async with _late(page, r"/v1/standard-responses") as held:
        await page.reload()
        await _asked(held)
        await desk.list.get_by_role("tab", name="Done").click()
        await desk.open(FIRST)
    await desk.settle()
    await expect(desk.row(FIRST)).to_be_visible()
    await expect(desk.message("Only a question")).to_be_visible()

    # what is refused meanwhile is asked again: half a desk is not shown as if it were all
    async with desk.refusing("/v1/senders$", status=500), page.expect_response("**/v1/senders"):
        await page.reload()
    await desk.settle()
    await expect(desk.message("Only a question")).to_be_visible()

    # and so is a stream that nobody answers
    silent: list[Route] = []

    async def say_nothing(route: Route) -> None:
        silent.append(route)
        if len(silent) > 1:
            await route.continue_()

    await page.route("**/v1/events*", say_nothing)
    async with page.expect_request("**/v1/events*"):
        await page.reload()
    await page.evaluate("() => { const now = Date.now; Date.now = () => now() + 60_000; }")
    await desk.settle()
    await silent[0].abort()

    # what was never there stops nothing
    desk.refusals |= {404}
    await desk.visit("communication", "con_nobody")
    async with page.expect_response(re.compile("con_nobody/transcript")) as asked:
        await page.reload()
    assert (await asked.value).status == 404
    await desk.visit("desk")
    await desk.settle()


async def test_who_comes_back_to_a_transcript_that_is_on_its_way_is_not_left_waiting(
    office: Office, sign_in: SignIn
) -> None:
    for number, text in ((FIRST, "an apple"), (SECOND, "an apricot")):
        await office.phone(number).text(text)
    desk = await sign_in("mara")
    page = desk.page
    first, second = [(await office.api.interaction_of(number))["id"] for number in (FIRST, SECOND)]
    asked: list[Route] = []

    async def hold_the_first(route: Route) -> None:
        asked.append(route)
        if len(asked) > 1:
            await route.fallback()

    await page.route(re.compile(r"/transcript\?limit="), hold_the_first)
    async with page.expect_request(re.compile(r"/transcript\?limit=")):
        await desk.visit("desk", first)
    await desk.visit("desk", second)
    await expect(desk.message("an apricot")).to_be_visible()
    await desk.visit("desk", first)
    await expect(desk.transcript).to_contain_text("Looking for what was said…")
    await page.evaluate(DRAWN)
    desk.refusals.add(503)
    await asked[0].fulfill(status=503, json={"status": 503, "title": "Not now"})
    await expect(desk.message("an apple")).to_be_visible()


async def test_a_late_answer_to_fewer_letters_is_not_shown(office: Office, sign_in: SignIn) -> None:
    for number, text in ((FIRST, "an apple"), (SECOND, "an apricot")):
        await office.phone(number).text(text)
    desk = await sign_in("mara")
    page = desk.page
    await page.keyboard.press("Control+k")
    rows = page.get_by_role("dialog").locator("a.row")
    async with _late(page, r"/v1/search\?query=ap&") as held:
        await page.keyboard.type("ap")
        await _asked(held)
        await page.keyboard.type("ple")
        await expect(rows).to_have_count(1)
    await expect(rows).to_have_count(1)
    await page.get_by_label("Name, number or words").fill("pears")
    await expect(page.get_by_role("dialog")).to_contain_text("Nothing with “pears”")
    async with desk.refusing("/v1/search", status=503):  # whether there is anything nobody knows
        await page.get_by_label("Name, number or words").fill("apricot")
        await expect(page.locator(".toast")).to_contain_text("does not answer")
        await expect(page.get_by_role("dialog")).not_to_contain_text("Nothing with")
    await page.keyboard.press("Escape")

    await page.get_by_role("link", name="Communication").click()
    rows = desk.list.locator("a.row")
    await expect(rows).to_have_count(2)
    search = desk.list.get_by_label("Search contacts")
    async with _late(page, r"/v1/contacts\?query=555") as held:
        await search.fill("555")
        await _asked(held)
        await search.fill(FIRST[-4:])
        await expect(rows).to_have_count(1)
    await expect(rows).to_have_count(1)


async def test_an_answer_that_breaks_off_is_no_refusal(office: Office, sign_in: SignIn) -> None:
    desk = await sign_in("mara")
    await desk.go_ready()
    phone = office.phone(THIRD)
    await phone.text("Hello")
    await desk.accept()
    await desk.page.evaluate(BROKEN_OFF)
    async with _late(desk.page, r"/transcript\?after="):
        await desk.write("Once")
        await expect(desk.message("Once")).to_contain_text("Queued")  # said again under the same key
    await expect(desk.message("Once")).to_contain_text("Delivered")
    await desk.expect_texts("Hello", "Once")
    assert [each["text"] for each in await phone.received()] == ["Once"]
