"""Everything by keyboard alone, from the door to Done."""

from __future__ import annotations

from playwright.async_api import Page, expect

from desk.conftest import SignIn
from desk.hands import Office

PHONE = "+14155550142"


async def test_a_whole_interaction_without_a_mouse(office: Office, sign_in: SignIn) -> None:
    desk = await sign_in("mara")  # with Tab and Enter: test_the_door
    page, press = desk.page, desk.page.keyboard.press
    await press("y")
    await expect(page.locator(".channel.is-ready")).to_be_visible()
    await office.phone(PHONE).text("Where is my order?")
    await expect(page.locator(".offer")).to_be_visible()
    await press("a")
    await expect(desk.message("Where is my order?")).to_be_visible()

    # to the field, standard responses, emoji, and out of it again
    await press("r")
    await expect(desk.field).to_be_focused()
    await press("/")
    await expect(page.get_by_role("listbox", name="Standard responses")).to_be_visible()
    await page.keyboard.type("or")
    await press("Enter")
    await expect(desk.field).to_have_value("Could you send me your order number, please? It is on your receipt.")
    await press("Control+e")
    await expect(page.locator("emoji-picker input")).to_be_focused()
    await page.keyboard.insert_text("ferry")  # at once: the picker lets its choice go after each letter
    await expect(page.locator("emoji-picker").get_by_role("option", name="ferry").first).to_be_visible()
    await press("ArrowDown")
    await press("Enter")
    await expect(desk.field).to_have_value("Could you send me your order number, please? It is on your receipt.⛴️")
    await press("Escape")
    await expect(page.locator(".emoji")).to_have_count(0)
    await expect(desk.field).to_be_focused()
    await press("Shift+Enter")
    await page.keyboard.type("ey")
    await press("Control+Enter")
    await expect(desk.message("order number")).to_contain_text("Delivered")
    await expect(desk.field).to_have_value("")
    await page.keyboard.type("half")
    await press("Escape")
    await expect(desk.field).not_to_be_focused()
    await expect(desk.field).to_have_value("half")

    # searching in the transcript
    await press("Control+f")
    await page.keyboard.insert_text("order")  # at once: fewer letters are searched for when the next one is late
    await expect(page.locator(".found")).to_have_text("2 of 2")
    await press("Enter")
    await expect(page.locator(".found")).to_have_text("1 of 2")
    await press("Escape")
    await expect(page.locator(".find-in")).to_have_count(0)

    # end, disposition, note, Done
    await press("e")
    await expect(desk.panel.get_by_role("tab", name="Wrap-up")).to_be_visible()
    await press("2")
    await expect(desk.panel.get_by_role("radio", name="Order status")).to_be_checked()
    await press("n")
    await page.keyboard.type("Sent the number.")
    await expect(desk.panel.get_by_text("Saved", exact=True)).to_be_visible()
    await press("Escape")
    await press("Shift+D")
    await expect(desk.transcript).to_contain_text("Done: Order status")

    # the lists, and everything by Ctrl K
    await page.keyboard.type("gd")
    await expect(desk.list.get_by_role("tab", name="Done")).to_have_attribute("aria-selected", "true")
    await expect(desk.list.locator("a.row")).to_have_count(1)
    await press("j")
    await expect(desk.list.locator("a.row")).to_be_focused()
    await press("Enter")
    await expect(desk.transcript).to_contain_text("Sent the number.")
    await page.keyboard.type("gc")
    await expect(page.get_by_role("navigation", name="Contacts")).to_be_visible()
    await press("Control+k")
    await page.keyboard.insert_text("receipt")
    await expect(page.get_by_role("dialog").locator("a.row")).to_have_count(1)
    await press("ArrowDown")
    await press("Enter")
    await expect(page.get_by_role("button", name="Create SMS interaction", exact=True)).to_be_visible()
    await _tab_to(page, "Create SMS interaction")
    await press("Enter")
    await expect(page.get_by_role("navigation", name="Interactions")).to_be_visible()
    await expect(desk.field).to_be_visible()
    await press("r")
    await expect(desk.field).to_be_focused()
    await press("Escape")

    # single letters can be switched off; what needs Ctrl stays
    await press("?")
    await expect(page.get_by_role("dialog", name="Help")).to_be_visible()
    await _tab_to(page, "Single letters act outside of fields")
    await press("Space")
    await press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    for letter in "yeac":
        await press(letter)
    await press("Control+k")
    await expect(page.get_by_role("dialog", name="Search everything")).to_be_visible()
    await press("Escape")
    await expect(page.locator(".channel.is-ready")).to_be_visible()
    await expect(desk.end).to_be_visible()
    await page.reload()
    await desk.settle()
    await expect(page.locator(".channel.is-ready")).to_be_visible()
    await press("y")
    await press("?")
    await expect(page.get_by_role("dialog", name="Help").get_by_label("Single letters")).not_to_be_checked()
    await press("Escape")

    # the order of focus: bar, list, transcript, composer, panel; texts are no stops
    await expect(desk.field).to_be_visible()
    await page.evaluate("document.activeElement.blur()")
    assert await _rooms(page) == ["skip", "bar", "list", "head", "lines", "composer", "panel"]


async def test_what_is_typed_after_a_press_on_accept_goes_to_the_contact(office: Office, sign_in: SignIn) -> None:
    """And is no letter that ends the interaction (`e`) or makes the agent not ready (`y`)."""
    desk = await sign_in("mara")
    await desk.take(office.phone(PHONE), "Are you there?")
    await expect(desk.field).to_be_focused()
    await desk.page.keyboard.type("Yes, here")
    await desk.page.keyboard.press("Enter")
    await expect(desk.message("Yes, here")).to_contain_text("Delivered")
    await expect(desk.page.locator(".channel.is-ready")).to_be_visible()


async def _tab_to(page: Page, name: str) -> None:
    for _ in range(60):
        await page.keyboard.press("Tab")
        focused = await page.evaluate(
            """() => {
                const at = document.activeElement;
                return at.getAttribute("aria-label") || (at.labels?.[0] ?? at).textContent.trim();
            }"""
        )
        if focused == name:
            return
    raise AssertionError(f"no {name!r} on the way")


async def _rooms(page: Page) -> list[str]:
    """Where Tab leads from the beginning of the page, each place once."""
    rooms: list[str] = []
    for _ in range(80):
        await page.keyboard.press("Tab")
        room = await page.evaluate(
            """() => {
                const at = document.activeElement;
                if (at.matches(".message, .message *, .notice")) return "message";
                const names = {
                    ".skip": "skip", ".bar": "bar", "#list": "list", ".transcript .head": "head",
                    ".transcript .with-map": "lines", ".composer": "composer", "#panel": "panel",
                };
                return Object.entries(names).find(([where]) => at.closest(where))?.[1] ?? "";
            }"""
        )
        if room and room not in rooms:
            rooms.append(room)
        if rooms and room == "skip" and len(rooms) > 1:
            break
    return rooms
