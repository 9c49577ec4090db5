"""The communication view: everybody we text with, and replies outside of an interaction."""

from __future__ import annotations

from playwright.async_api import expect

from desk.conftest import SignIn
from desk.hands import Office

ANN, CY = "+14155550142", "+447700900333"

NO_NOTIFICATIONS = """() => {
    document.hasFocus = () => false;
    window.Notification = class {
        static permission = "granted";
        constructor() {
            throw new TypeError("Illegal constructor");
        }
    };
}"""


async def test_unread_search_quick_reply_and_the_pop_up_of_an_answer(office: Office, sign_in: SignIn) -> None:
    desk = await sign_in("mara")
    page = desk.page
    await desk.take(office.phone(ANN), "Is it ready?")
    unread = page.get_by_role("link", name="Desk").locator(".unread")
    await expect(unread).to_have_count(0)  # what is in view is read, a moment later
    ann = await office.api.interaction_of(ANN)
    await office.api.call("PATCH", f"/contacts/{ann['contact_id']}", {"name": "Ann Lee"})
    await office.phone(CY).text("What is a chain whip?")
    cy = await office.api.interaction_of(CY)
    await expect(page.locator(".offer")).to_contain_text("chain whip")
    await page.locator(".offer").get_by_role("button", name="Not now").click()
    await desk.end.click()
    await expect(desk.panel.get_by_role("tab", name="Wrap-up")).to_be_visible()

    # who is mine, who is nobody's, and searching both
    await page.get_by_role("link", name="Communication").click()
    contacts = page.get_by_role("navigation", name="Contacts")
    await expect(contacts).to_contain_text("Assigned to you 1")
    await expect(contacts).to_contain_text("Unassigned 1")
    row = contacts.locator("a.row", has_text="0333")
    await expect(row.get_by_role("img", name="1 unread")).to_be_visible()
    await contacts.get_by_label("Search contacts").fill("ann")
    await expect(contacts.locator("a.row")).to_have_count(1)
    await contacts.get_by_label("Search contacts").fill("0900 333")
    await expect(contacts.locator("a.row")).to_have_count(1)
    await expect(row).to_be_visible()
    await contacts.get_by_label("Search contacts").fill("nobody")
    await expect(contacts).to_contain_text("Nobody with “nobody”")
    await contacts.get_by_label("Search contacts").fill("")

    # a quick reply goes out, is marked, and neither reactivates the ended one nor opens one
    await contacts.locator("a.row", has_text="Ann Lee").click()
    await desk.write("By the way: we close at six.")
    await expect(desk.message("we close at six")).to_contain_text("Delivered")
    await expect(desk.message("we close at six")).to_contain_text("Quick reply")
    assert (await office.api.get(f"/interactions/{ann['id']}"))["state"] == "ended"
    listed = await office.api.get(f"/interactions?contact={ann['contact_id']}")
    assert [each["id"] for each in listed["items"]] == [ann["id"]]
    assert (await office.api.get(f"/interactions/{cy['id']}"))["state"] == "waiting"

    # a contact answers while something else is in view
    await page.get_by_role("link", name="Team").click()
    await office.phone(ANN).text("Good to know!")
    reply = page.locator(".reply")
    await expect(reply).to_contain_text("Ann Lee answered")
    await expect(reply).to_contain_text("Good to know!")
    await expect(unread).to_have_text("1")
    await reply.get_by_role("link", name="Show").click()
    await expect(desk.message("Good to know!")).to_be_visible()
    await expect(page.locator(".reply")).to_have_count(0)
    await expect(unread).to_have_count(0)

    # it goes by itself, so whoever reads slowly looks at another one; a phone's browser takes no notifications
    await page.get_by_role("link", name="Team").click()
    await page.evaluate(NO_NOTIFICATIONS)
    await office.phone(ANN).text("See you.")
    await expect(reply).to_contain_text("See you.")
    await desk.check_access("the pop-up of an answer")
