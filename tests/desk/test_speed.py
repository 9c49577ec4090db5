"""A long past and a busy hour. The figures are printed (pytest -s); what is asserted is counted."""

from __future__ import annotations

import asyncio
from statistics import median

from playwright.async_api import expect

from desk.conftest import SignIn
from desk.hands import Office
from desk.seeding import seed_transcript
from e2e.driving import Phone

LONG = 20_000
READ_BACK = 5_000
OPEN = 50
TEXTS_A_SECOND = 10
SECONDS = 6

OPENING = """async ([href, last]) => {
    const began = performance.now();
    location.hash = href;
    while (![...document.querySelectorAll(".message .bubble")].some((each) => each.textContent === last)) {
        await new Promise(requestAnimationFrame);
    }
    await new Promise(requestAnimationFrame);
    return performance.now() - began;
}"""

SCROLLING = """async (wanted) => {
    const box = document.querySelector(".transcript .scroll");
    const took = [];
    let count = document.querySelectorAll(".lines .message").length;
    while (count < wanted) {
        const began = performance.now();
        box.scrollTop = -box.scrollHeight;
        while (document.querySelectorAll(".lines .message").length === count) {
            await new Promise(requestAnimationFrame);
        }
        count = document.querySelectorAll(".lines .message").length;
        took.push(performance.now() - began);
    }
    return took;
}"""

# Asked in the page: Playwright's own waiting takes minutes on thousands of lines.
COMING = """async () => {
    while (!document.querySelector(".jump")) await new Promise((resolve) => setTimeout(resolve, 50));
    const texts = document.querySelectorAll(".message .bubble");
    return [document.querySelector(".jump").textContent.trim(), texts[texts.length - 1].textContent];
}"""

WATCH = """() => {
    window.longTasks = [];
    window.frames_ = [];
    new PerformanceObserver((list) => longTasks.push(...list.getEntries().map((each) => each.duration)))
        .observe({ type: "longtask" });
    let last = performance.now();
    const tick = (now) => (frames_.push(now - last), (last = now), requestAnimationFrame(tick));
    requestAnimationFrame(tick);
}"""


async def test_a_transcript_of_twenty_thousand_texts_opens_at_once_and_scrolls_back(
    office: Office, sign_in: SignIn
) -> None:
    phone = office.phone("+14155550130")
    await phone.text("The newest")
    await office.stop()
    await seed_transcript(
        office.folder / "data",
        phone.number,
        [[f"{day} {number}" for number in range(500)] for day in range(LONG // 500)],
    )
    await office.start()
    desk = await sign_in("mara")
    interaction = await office.api.interaction_of(phone.number)
    opened = await desk.page.evaluate(OPENING, [f"#/desk/{interaction['id']}", "The newest"])
    few = await desk.transcript.locator(".message").count()
    assert few <= 100, "only the end of it is loaded"
    took = await desk.page.evaluate(SCROLLING, READ_BACK)
    print(  # noqa: T201 - the figures are what it is for
        f"\n20,000 texts: opened in {opened:.0f} ms; a page of 200 more in {median(took):.0f} ms,"
        f" the slowest {max(took):.0f} ms, the last of {len(took)} {took[-1]:.0f} ms"
    )
    texts = await desk.texts()
    await asyncio.sleep(0.5)
    assert len(await desk.texts()) == len(texts), "only scrolling loads more"
    assert READ_BACK <= len(texts) < LONG
    past = [f"{day} {number}" for day in range(LONG // 500) for number in range(500)]
    assert texts == [*past[-len(texts) + 1 :], "The newest"], "nothing is missing, doubled or out of order"
    await office.phone(phone.number).text("Newer still")
    count, last = await desk.page.evaluate(COMING)
    assert count == "1 new message", "counted, and what is read stays"
    assert last == "Newer still"


async def test_fifty_open_interactions_with_ten_texts_a_second_stay_smooth(office: Office, sign_in: SignIn) -> None:
    desk = await sign_in("mara")
    await desk.go_ready_and_answer_all()
    phones = [office.phone(f"+1415556{3000 + 7 * index}") for index in range(OPEN)]
    for number, phone in enumerate(phones, 1):
        await phone.text("Hello")
        await expect(desk.list.locator("a.row")).to_have_count(number)  # each before its offer lapses
    await desk.open(phones[0].number)
    await desk.field.focus()
    await desk.page.evaluate(WATCH)
    texts = TEXTS_A_SECOND * SECONDS
    began = asyncio.get_running_loop().time()
    sends: list[asyncio.Task[None]] = []
    for number in range(texts):
        before = sends[number - OPEN] if number >= OPEN else None
        sends.append(asyncio.create_task(_text(phones[number % OPEN], f"text {number}", after=before)))
        await desk.page.keyboard.type("a")
        await asyncio.sleep(max(0.0, began + (number + 1) / TEXTS_A_SECOND - asyncio.get_running_loop().time()))
    await asyncio.gather(*sends)
    for number in range(texts - OPEN, texts):
        await expect(desk.row(phones[number % OPEN].number)).to_contain_text(f"text {number}")
    long_tasks, frames = await desk.page.evaluate("[longTasks, frames_]")
    slow = [each for each in frames if each > 50]
    print(  # noqa: T201 - the figures are what it is for
        f"\n50 interactions, {TEXTS_A_SECOND} texts a second for {SECONDS} s: {len(long_tasks)} long tasks, the longest"
        f" {max(long_tasks, default=0):.0f} ms, {sum(long_tasks):.0f} ms in all; {len(slow)} of {len(frames)} frames"
        f" took more than 50 ms"
    )
    await expect(desk.field).to_have_value("a" * texts)
    assert await desk.list.locator("a.row").count() == OPEN
    mine = [f"text {number}" for number in range(texts) if number % OPEN == 0]
    await desk.expect_texts("Hello", *mine)


async def _text(phone: Phone, text: str, *, after: asyncio.Task[None] | None) -> None:
    if after is not None:
        await after  # a phone says one thing after the other
    await phone.text(text)
