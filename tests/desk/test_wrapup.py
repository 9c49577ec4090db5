"""How an interaction ends at the desk, what is kept of it, and how one begins again."""

from __future__ import annotations

from playwright.async_api import Route, expect

from desk.conftest import SignIn
from desk.hands import Office

PHONE = "+14155550142"


async def test_end_undo_reactivate_done_and_begin_again(office: Office, sign_in: SignIn) -> None:
    desk = await sign_in("mara")
    page = desk.page
    await desk.take(office.phone(PHONE), "Is it ready?")
    interaction = await office.api.interaction_of(PHONE)

    # End can be taken back for a moment
    await desk.end.click()
    undo = page.locator(".toast").get_by_role("button", name="Undo")
    await undo.dispatch_event("click")  # it is there for five seconds: the hand does not wait for it to stand still
    await expect(desk.end).to_be_visible()
    await expect(desk.transcript).to_contain_text("Ended by you")
    await expect(desk.transcript).to_contain_text("Active again")
    await expect(page.locator(".reactivate")).to_have_count(0)

    # an ended one becomes active again by writing
    await desk.end.click()
    await expect(desk.panel.get_by_role("tab", name="Wrap-up")).to_be_visible()
    await expect(page.locator(".reactivate")).to_contain_text("makes it active again")
    await desk.write("One more thing: bring the key.")
    await expect(desk.message("One more thing")).to_contain_text("Delivered")
    await expect(desk.end).to_be_visible()
    await expect(desk.transcript.locator(".border", has_text="Active again")).to_have_count(2)
    assert (await office.api.get(f"/interactions/{interaction['id']}"))["state"] == "active"

    # the note is kept as it is typed, also over a reload
    note = desk.panel.get_by_label("Note")
    async with page.expect_request_finished(lambda request: request.method == "PATCH"):
        await note.fill("Brings the key tomorrow.")
        await desk.visit("communication")  # at once
    await desk.visit("desk", interaction["id"])
    await expect(note).to_have_value("Brings the key tomorrow.")
    await note.press_sequentially(" Pays cash.")
    await page.reload()
    await expect(desk.panel.get_by_label("Note")).to_have_value("Brings the key tomorrow. Pays cash.")

    # what is refused is not said to be done
    async with desk.refusing("/end$", method="POST"):
        await desk.end.click()
        await expect(page.locator(".toast")).to_contain_text("Not at this moment.")

    # Done needs a disposition, and is said once
    await desk.end.click()
    await desk.panel.get_by_role("button", name="Mark as Done").click()
    await expect(desk.panel.get_by_role("alert")).to_contain_text("Choose how it ended")
    await desk.panel.get_by_role("radio", name="Order status").check()
    said: list[str] = []
    page.on("request", lambda request: said.append(request.url) if request.url.endswith("/done") else None)
    await desk.panel.get_by_role("button", name="Mark as Done").dblclick()
    await expect(page.locator(".toast")).to_contain_text("Done: Order status")  # first: it goes after four seconds
    await expect(desk.transcript).to_contain_text("Done: Order status")
    assert len(said) == 1
    await expect(desk.transcript).to_contain_text("Brings the key tomorrow. Pays cash.")
    await expect(page.locator(".composer")).to_contain_text("To write again, create a new one.")
    await expect(desk.field).to_have_count(0)
    kept = await office.api.get(f"/interactions/{interaction['id']}")
    assert (kept["state"], kept["disposition"], kept["note"]) == (
        "done",
        "Order status",
        "Brings the key tomorrow. Pays cash.",
    )
    await desk.list.get_by_role("tab", name="Done").click()
    await expect(desk.list.locator("a.row")).to_have_count(1)

    # after Done: find the contact, create a new interaction
    await page.get_by_role("button", name="Search contacts and texts").click()
    await page.get_by_label("Name, number or words").fill("555 0142")
    await page.get_by_role("dialog").locator("a.row").first.click()
    await expect(page.get_by_role("navigation", name="Contacts")).to_be_visible()  # where we were has such buttons, too
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await page.get_by_role("button", name="Create SMS interaction").click()
    await expect(page.get_by_role("navigation", name="Interactions")).to_be_visible()
    await desk.write("Hello again.")
    await expect(desk.message("Hello again.")).to_contain_text("Delivered")
    await expect(desk.message("Is it ready?")).to_be_visible()
    again = await office.api.interaction_of(PHONE)
    assert (again["state"], again["direction"]) == ("active", "outbound")
    assert again["id"] != interaction["id"]


async def test_what_a_colleague_has_written_down_stays(office: Office, sign_in: SignIn) -> None:
    desk = await sign_in("mara")
    page = desk.page
    await desk.take(office.phone(PHONE), "Is it ready?")
    interaction = await office.api.interaction_of(PHONE)
    path = f"/interactions/{interaction['id']}"
    note = desk.panel.get_by_role("textbox", name="Note")
    status = desk.panel.get_by_label("Note").get_by_role("status")

    # between an act and its answer
    async def answer_late(route: Route) -> None:
        answer = await route.fetch()
        await office.api.call("PATCH", path, {"note": "Wants his money"})
        await expect(note).to_have_value("Wants his money")
        await route.fulfill(response=answer)

    await page.route("**/end", answer_late)
    await desk.end.click()
    await expect(page.locator(".toast")).to_contain_text("Interaction ended")
    await expect(note).to_have_value("Wants his money")

    # while it is in view
    await office.api.call("PATCH", path, {"note": "Wants a refund"})
    await expect(note).to_have_value("Wants a refund")
    await office.api.call("PATCH", path, {"disposition": "Order status"})
    await expect(desk.panel.get_by_role("radio", name="Order status")).to_be_checked()
    await desk.panel.get_by_role("radio", name="Complaint").check()
    await expect(status).to_have_text("Saved")
    kept = await office.api.get(path)
    assert (kept["note"], kept["disposition"]) == ("Wants a refund", "Complaint")

    # and after what was chosen here
    await office.api.call("PATCH", path, {"disposition": "Order status"})
    await expect(desk.panel.get_by_role("radio", name="Order status")).to_be_checked()
    await desk.visit("communication")
    await desk.visit("desk", interaction["id"])
    async with page.expect_request_finished(lambda request: request.method == "PATCH"):
        await note.fill("Wants a refund at once")
    kept = await office.api.get(path)
    assert (kept["note"], kept["disposition"]) == ("Wants a refund at once", "Order status")


async def test_an_interaction_with_a_new_number_and_with_a_landline_after_a_warning(
    office: Office, sign_in: SignIn
) -> None:
    desk = await sign_in("bo")
    page = desk.page
    await office.phone("+442079460990").become("landline")
    create = page.get_by_role("button", name="Create SMS interaction to a new number")

    await create.click()
    await page.get_by_role("textbox", name="Number").fill("12")
    async with desk.being_refused(422):
        await page.get_by_role("button", name="Create interaction").click()
    await expect(page.get_by_role("alert")).to_be_visible()
    await page.get_by_role("textbox", name="Number").fill("+447700900123")
    await page.get_by_role("button", name="Create interaction").click()
    await desk.write("Your wheel is here.")
    await expect(desk.message("Your wheel is here.")).to_contain_text("Delivered")
    assert [each["text"] for each in await office.phone("+447700900123").received()] == ["Your wheel is here."]

    await create.click()
    await page.get_by_role("textbox", name="Number").fill("+442079460990")
    async with desk.being_refused(422):
        await page.get_by_role("button", name="Create interaction").click()
    await expect(page.get_by_role("alert")).to_contain_text("landline")
    await page.get_by_role("button", name="Create it all the same").click()
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await expect(page.locator(".before-send")).to_contain_text("cannot receive texts")
    await page.locator(".before-send").get_by_role("button", name="Send all the same").click()
    await desk.write("Try this.")
    await expect(desk.transcript.locator(".notice.error")).to_contain_text("cannot receive texts")
