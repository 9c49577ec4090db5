"""The transcript: everything ever said with a contact, with borders, read backwards and searched."""

from __future__ import annotations

import asyncio

from playwright.async_api import APIResponse, Page, Route, expect

from desk.conftest import SignIn
from desk.hands import Office
from desk.seeding import seed_transcript

ASKED_AGAIN_MS = 150
"""After so long the search asks for what did not come (find_in.js)."""

LOAD_ANEW = """() => import("/desk/assets/lib/loads.js").then((loads) => loads.refreshTranscripts())"""
"""As after a break of the line that was too long for the stream to bridge."""

MARKED = """() => ({
    all: CSS.highlights.get("hit")?.size ?? 0,
    now: [...(CSS.highlights.get("hit-now") ?? [])].map(String),
    seen: [...(CSS.highlights.get("hit-now") ?? [])].every((range) => {
        const { top, bottom } = range.getBoundingClientRect();
        const box = document.querySelector(".transcript .scroll").getBoundingClientRect();
        return top >= box.top && bottom <= box.bottom;
    }),
})"""


async def test_earlier_interactions_stand_above_with_their_borders_and_are_searched(
    office: Office, sign_in: SignIn
) -> None:
    """Two interactions of 300 texts each, done long ago, and one that is open; a page is 100."""
    phone = office.phone("+14155550120")
    await phone.text("Guten Tag")
    await office.stop()
    await seed_transcript(office.folder / "data", phone.number, [
        ["Größe 42, bitte" if number == 7 else f"first {number}" for number in range(300)],
        ["DIE GRÖSSE STIMMT… und die Farbe" if number == 150 else f"second {number}" for number in range(300)],
    ])  # fmt: skip
    await office.start()
    desk = await sign_in("mara")
    page = desk.page
    await desk.go_ready()
    await desk.accept()
    await expect(desk.message("Guten Tag")).to_be_visible()
    loaded = await desk.transcript.locator(".message").count()
    assert loaded <= 100

    # found over what is not loaded yet, whatever the case; the newest first
    await page.keyboard.press("Control+f")
    await page.get_by_label("Words to find").fill("größe")
    found = page.locator(".find-in .found")
    await expect(found).to_have_text("2 of 2")
    await _mark(page, "GRÖSSE")
    assert await desk.transcript.locator(".message").count() > loaded
    await page.keyboard.press("Enter")
    await expect(found).to_have_text("1 of 2")
    await _mark(page, "Größe")
    await page.keyboard.press("Shift+Enter")
    await expect(found).to_have_text("2 of 2")
    await page.get_by_role("button", name="Earlier hit").click()
    await expect(found).to_have_text("1 of 2")
    await page.get_by_label("Words to find").fill("nobody said that")
    await expect(found).to_contain_text("No “nobody said that”")
    await page.keyboard.press("Escape")
    await expect(page.locator(".find-in")).to_have_count(0)
    assert (await page.evaluate(MARKED))["all"] == 0

    # everything is there once and in order; a done interaction ends with a border that says how
    texts = await desk.texts()
    assert len(texts) == len(set(texts))
    begun = await desk.transcript.locator(".border.begins, .border").all_text_contents()
    assert sum("Done: solved" in border for border in begun) >= 1
    await expect(desk.transcript.locator(".note-kept").first).to_contain_text("as promised")

    # read up to the first text ever; what comes meanwhile is counted and moves nothing
    async with asyncio.timeout(30):
        while not await desk.message("first 0").count():
            await desk.transcript.evaluate("(box) => box.scrollTo({ top: -box.scrollHeight })")
            await page.wait_for_timeout(100)
    texts = await desk.texts()
    assert len(texts) == 601
    assert texts[0] == "first 0"
    assert texts[-1] == "Guten Tag"
    anchor = desk.transcript.locator(".message", has_text="first 12").first
    await anchor.scroll_into_view_if_needed()
    before = await anchor.evaluate("(line) => line.getBoundingClientRect().top")
    await office.phone(phone.number).text("One more")
    # counted, because for what it misses in any other way Playwright describes the whole page, and stops it for seconds
    await expect(page.locator(".jump", has_text="1 new message")).to_have_count(1)
    assert abs(await anchor.evaluate("(line) => line.getBoundingClientRect().top") - before) < 2
    await page.locator(".jump").click()
    await expect(desk.message("One more")).to_be_in_viewport()
    await expect(page.locator(".jump")).to_have_count(0)


async def test_an_earlier_page_that_comes_late_does_no_harm(office: Office, sign_in: SignIn) -> None:
    """While it was on its way the agent went to another contact, and the line broke: all was loaded anew."""
    first, second = office.phone("+14155550121"), office.phone("+14155550122")
    await first.text("Good morning")
    await second.text("Good evening")
    await office.stop()
    past = [f"text {number}" for number in range(150)]
    await seed_transcript(office.folder / "data", first.number, [past])
    await office.start()
    desk = await sign_in("mara")
    page = desk.page
    here, elsewhere = [(await office.api.interaction_of(each.number))["id"] for each in (first, second)]
    await desk.visit("desk", here)
    await expect(desk.message("Good morning")).to_be_visible()
    asked: asyncio.Queue[Route] = asyncio.Queue()
    is_held, is_lost = True, False

    async def hold(route: Route) -> None:
        await (asked.put(route) if is_held else route.continue_())

    async def lose(route: Route) -> None:
        await (route.abort() if is_lost else route.continue_())

    await page.route("**/transcript?before=*", hold)  # in our hands to the end
    await page.route("**/transcript?after=*", lose)
    await desk.transcript.evaluate("(box) => box.scrollTo({ top: -box.scrollHeight })")
    async with asyncio.timeout(15):
        late = await asked.get()

    async with page.expect_response(lambda answer: "/transcript?after=" in answer.url):
        await desk.visit("desk", elsewhere)
    await expect(desk.message("Good evening")).to_be_visible()
    desk.is_line_cut = is_lost = True
    async with page.expect_request_finished(lambda request: "/transcript?limit=" in request.url):
        async with page.expect_event("requestfailed", lambda request: "/transcript?after=" in request.url):
            await office.phone(second.number).text("Are you there?")
        is_lost = False
    await expect(desk.message("Are you there?")).to_be_visible()
    async with page.expect_request_finished(lambda request: "/transcript?before=" in request.url):
        await late.continue_()

    await desk.visit("desk", here)
    await expect(desk.message("Good morning")).to_be_visible()

    # a page that cannot be had is asked for once, also by who looks for something on it
    await page.keyboard.press("Control+f")
    await page.get_by_label("Words to find").fill("text 0")
    async with asyncio.timeout(15):
        await (await asked.get()).fulfill(status=404, json={"status": 404, "detail": "It is not there."})
    await expect(page.locator(".toast")).to_contain_text("It is not there.")
    await page.wait_for_timeout(3 * ASKED_AGAIN_MS)
    assert asked.empty()
    await page.keyboard.press("Escape")

    is_held = False
    await desk.transcript.evaluate("(box) => box.scrollTo({ top: -box.scrollHeight })")
    await expect(desk.transcript.locator(".message")).to_have_count(len(past) + 1)
    await desk.expect_texts(*past, "Good morning")

    # nor does the newest page, answered before and late, when it was loaded anew meanwhile
    answered: asyncio.Queue[tuple[Route, APIResponse]] = asyncio.Queue()
    is_first = True

    async def keep_back(route: Route) -> None:
        nonlocal is_first
        if is_first:
            is_first = False
            await answered.put((route, await route.fetch()))
        else:
            await route.continue_()

    await desk.visit("desk", elsewhere)
    await page.evaluate(LOAD_ANEW)
    await page.route("**/transcript?limit=*", keep_back)
    await desk.visit("desk", here)
    async with asyncio.timeout(15):
        route, answer = await answered.get()
    await office.phone(first.number).text("Still there?")
    await office.api.interaction_of(first.number)
    await page.evaluate(LOAD_ANEW)
    await expect(desk.message("Still there?")).to_be_visible()
    is_lost = True
    async with page.expect_event("requestfailed", lambda request: "/transcript?after=" in request.url):
        await route.fulfill(response=answer)
    await page.evaluate("() => new Promise((drawn) => requestAnimationFrame(() => setTimeout(drawn)))")
    assert await desk.message("Still there?").count() == 1, "also before it is asked for again"
    is_lost = False


async def _mark(page: Page, words: str) -> None:
    async with asyncio.timeout(15):
        while (marked := await page.evaluate(MARKED))["now"] != [words] or not marked["seen"]:
            await asyncio.sleep(0.05)
