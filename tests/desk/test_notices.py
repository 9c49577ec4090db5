"""What the agent is told in the transcript, and what can be done about it there."""

from __future__ import annotations

import asyncio
from urllib.parse import quote

from playwright.async_api import Route, expect

from desk.conftest import SignIn
from desk.hands import Office

FATES = {
    "landline": ("not_sms_capable", "Not sent", "21614"),
    "landline_late": ("not_sms_capable", "Not delivered", "30006"),
    "switched_off": ("undelivered", "Not delivered", "30003"),
    "blocked": ("undelivered", "Not delivered", "30004"),
    "filtered": ("undelivered", "Not delivered", "30007"),
    "expired": ("undelivered", "Not sent", "30036"),
    "opted_out": ("opted_out", "Not sent", "21610"),
    "wrong_sender": ("wrong_sender_number", "Not sent", "21606"),
    "unregistered_sender": ("wrong_sender_number", "Not delivered", "30034"),
}
"""By persona: the notice, the state in words, and the code that is its evidence."""


async def test_every_failure_is_told_in_the_transcript_with_its_reason(office: Office, sign_in: SignIn) -> None:
    desk = await sign_in("mara")
    await desk.go_ready_and_answer_all()
    desk.refusals |= {409, 422}
    numbers = {persona: f"+1415555{1200 + index}" for index, persona in enumerate(FATES)}
    for persona, number in numbers.items():
        phone = office.phone(number)
        await phone.become(persona)
        await phone.text(f"I am {persona}")

    # nobody knows yet what the numbers are; of the landline the bridge learns while the first text is on its way to it
    known = asyncio.Event()

    async def look_up(route: Route) -> None:
        await known.wait()
        await route.continue_()

    async def learn(route: Route) -> None:
        await office.api.get(f"/numbers/{quote(numbers['landline'], safe='')}")
        await route.continue_()

    await desk.page.route("**/v1/numbers/*", look_up)  # in our hands to the end, as the texts are
    await desk.page.route("**/v1/messages", learn)
    for persona, number in numbers.items():
        await desk.open(number)
        await expect(desk.message(f"I am {persona}")).to_be_visible()
        await desk.write("Hello?")
    known.set()
    # the landline is refused before anything is sent; the agent sends it all the same
    await desk.open(numbers["landline"])
    await expect(desk.transcript.locator(".notice.warning")).to_contain_text("may not be able to receive texts")
    await desk.transcript.get_by_role("button", name="Send all the same").click()
    for persona, number in numbers.items():
        kind, state, code = FATES[persona]
        await desk.open(number)
        await expect(desk.message("Hello?")).to_contain_text(state)
        told = desk.transcript.locator(f".notice.of-out[data-kind={kind}]", has=desk.page.locator(".evidence"))
        await expect(told).to_have_count(1)
        await expect(told.locator(".evidence")).to_contain_text(code)
        await expect(told.locator(".advice")).not_to_be_empty()
        last = await desk.transcript.locator(".message, .notice").last.get_attribute("data-kind")
        assert last == kind, "it stands after the text that it speaks of"
        if kind == "wrong_sender_number":
            await expect(told.locator(".advice")).to_contain_text("administrator")

    # a number found to be a landline is warned of before the next text, with a way to send all the same
    await desk.open(numbers["landline_late"])
    await expect(desk.page.locator(".before-send")).to_contain_text("This number cannot receive texts.")
    await desk.write("And now?")
    await expect(desk.field).to_have_value("And now?")
    await expect(desk.page.locator(".composer .under")).to_contain_text("Choose above")
    await desk.page.get_by_role("button", name="Send all the same").click()
    await desk.field.press("Enter")
    await expect(desk.message("And now?")).to_contain_text("Not delivered")

    # a phone that was off is on again: the same text once more
    await office.phone(numbers["switched_off"]).become("mobile")
    await desk.open(numbers["switched_off"])
    await desk.transcript.get_by_role("button", name="Send again").click()
    await expect(desk.message("Hello?")).to_contain_text("Delivered")
    assert [each["text"] for each in await office.phone(numbers["switched_off"]).received()] == ["Hello?"]


async def test_what_waits_and_what_nobody_knows_is_told_and_left_to_the_agent(office: Office, sign_in: SignIn) -> None:
    desk = await sign_in("mara")
    await desk.go_ready_and_answer_all()
    uncertain, left, limited, leaver = (office.phone(f"+1415555{number}") for number in (1300, 1301, 1302, 1303))
    for phone in (uncertain, left, limited, leaver):
        await phone.text("Hello")
    for phone in (uncertain, left):
        await desk.open(phone.number)
        await office.strike(send_timeout_before=100, hang_s=0, limit=1)
        await desk.write("Did you get this?")
        await expect(desk.message("Did you get this?")).to_contain_text("May not have been delivered")

    desk.refusals |= {409, 422}
    # STOP: told, ended, refused with the reason; START: told, and texts go again
    await leaver.text("STOP")
    await desk.open(leaver.number)
    await expect(desk.transcript.locator(".notice[data-kind=opted_out]")).to_have_count(1)
    await desk.write("One more thing")
    refused = desk.transcript.locator(".notice.error", has_text="Not sent.")
    await expect(refused).to_contain_text("opted out")
    await leaver.text("START")
    await expect(desk.transcript.locator(".notice[data-kind=opted_in]")).to_have_count(1)
    await refused.get_by_role("button", name="Change it").click()
    await expect(desk.field).to_have_value("One more thing")
    await desk.field.press("Enter")
    await expect(desk.message("One more thing")).to_contain_text("Delivered")

    # nobody knows whether it arrived: the agent decides, for each
    await desk.open(uncertain.number)
    await expect(desk.transcript.locator(".notice[data-kind=delivery_uncertain]")).to_have_count(1, timeout=40_000)
    await desk.transcript.get_by_role("button", name="Send again all the same").click()
    await expect(desk.message("Did you get this?")).to_contain_text("Delivered")
    assert [each["text"] for each in await uncertain.received()] == ["Did you get this?"]
    await desk.open(left.number)
    await desk.transcript.get_by_role("button", name="Leave it").click()
    await expect(desk.transcript.get_by_role("button", name="Send again")).to_have_count(0)
    await expect(desk.message("Did you get this?")).to_contain_text("May not have been delivered")
    assert await left.received() == []

    # too many requests: it waits, the agent is told until when, and may take it back; not while it is being tried
    await office.strike(send_429=100, retry_after_s=60)
    await desk.open(limited.number)
    await desk.write("Soon")
    await expect(desk.transcript.locator(".notice[data-kind=delayed]")).to_have_count(1)
    await desk.message("Soon").get_by_role("button", name="Cancel").click()
    await expect(desk.message("Soon")).to_contain_text("Cancelled")
    assert await limited.received() == []
