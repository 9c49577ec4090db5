"""Writing: what it costs, emoji, plain quotes, standard responses, files."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

from playwright.async_api import Browser, Route, expect

from desk.conftest import SignIn
from desk.hands import Office
from smsbridge.domain.text import plain_quotes

SEGMENTS = Path(__file__).parents[1] / "domain" / "segments.json"
SMS = Path(__file__).parents[2] / "src/smsbridge/web/desk/lib/sms.js"

DROP = """([name, text, how]) => {
    const data = new DataTransfer();
    data.items.add(new File([text], name, { type: "text/plain" }));
    const target = document.querySelector(how === "drop" ? ".composer" : ".composer textarea");
    const event = how === "drop"
        ? new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true })
        : new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true });
    target.dispatchEvent(event);
}"""


async def test_the_browser_counts_and_plains_as_the_bridge_does(browser: Browser) -> None:
    page = await browser.new_page()
    await page.add_script_tag(
        type="module", content=SMS.read_text("utf-8") + "\nwindow.sms = { countSegments, plain, culprits };"
    )
    await page.wait_for_function("window.sms")
    cases = json.loads(SEGMENTS.read_text("utf-8"))
    texts = ["".join(piece * times for piece, times in case["text"]) for case in cases]
    counted = await page.evaluate("(texts) => texts.map((text) => sms.countSegments(text))", texts)
    for case, found in zip(cases, counted, strict=True):
        assert found == {
            "count": case["count"],
            "encoding": case["encoding"],
            "units": case["units"],
            "unitsLeft": case["units_left"],
            "forcedBy": case["forced_by"],
        }, case["name"]
    chance = random.Random(7)
    signs = [chr(code) for code in (*range(0x20, 0x250), *range(0x2B0, 0x370), *range(0x2000, 0x2070), 0x3000, 0xFEFF)]
    signs += ["😊", "❛", "❜", "〝", "〞", "〟", "＂", "＇", "－", "﹘", "﹣", "\t", "\n", "é", "e\u0301"]
    made = ["".join(chance.choices(signs, k=40)) for _ in range(500)] + signs
    assert await page.evaluate("(texts) => texts.map(sms.plain)", made) == [plain_quotes(text) for text in made]
    await page.close()


async def test_writing_a_text(office: Office, sign_in: SignIn) -> None:
    await office.api.post(
        "/standard-responses",
        {"shortcut": "howdy", "title": "Greeting by name", "text": "Hello {contact.name}, this is {agent.name}."},
        status=201,
    )
    await office.api.post(
        "/standard-responses",
        {"shortcut": "shipped", "title": "Order has left", "text": "Your order {order_id} has left."},
        status=201,
    )
    desk = await sign_in("mara")
    page, phone = desk.page, office.phone("+14155550140")
    await desk.take(phone, "Hi")
    counter, send = page.locator(".composer .counter"), page.get_by_role("button", name="Send", exact=True)

    # the counter, the sign that makes it dear, and plain quotes
    await expect(send).to_be_disabled()
    await desk.field.fill("a" * 161)
    await expect(counter).to_contain_text("GSM-7, 2 segments, 145 left")
    await desk.field.fill("It\u2019s here")
    await expect(counter).to_contain_text("UCS-2, 1 segment, 61 left")
    await expect(page.locator(".ghost .culprit")).to_have_text("\u2019")
    await page.get_by_role("button", name="Use plain quotes").click()
    await expect(desk.field).to_have_value("It's here")
    await expect(counter).to_contain_text("GSM-7, 1 segment, 151 left")

    # an emoji at the caret, and on from there
    await desk.field.fill("one two")
    await desk.field.evaluate("(field) => field.setSelectionRange(3, 3)")
    await desk.field.focus()
    await page.keyboard.press("Control+e")
    picker = page.locator("emoji-picker")
    await picker.get_by_role("combobox").fill("thumbs up")
    await picker.get_by_role("option", name="thumbs up").first.click()
    await expect(desk.field).to_have_value(re.compile("^one👍\N{VARIATION SELECTOR-16}? two$"))
    await expect(counter).to_contain_text("UCS-2")
    await page.keyboard.type("!")
    await expect(desk.field).to_have_value(re.compile("^one👍\N{VARIATION SELECTOR-16}?! two$"))
    await desk.field.fill("Well. two")
    await desk.field.evaluate("(field) => field.setSelectionRange(6, 6)")
    await page.keyboard.press("Escape")
    await expect(picker).to_have_count(0)
    await expect(desk.field).to_be_focused()

    # standard responses: a half-written text stays, variables are filled in, and an empty one is never sent
    await page.get_by_role("button", name="Standard responses").click()
    await page.get_by_role("option", name="/howdy").click()
    await expect(desk.field).to_have_value("Well. Hello {contact.name}, this is Mara Lindqvist.two")
    await desk.field.press("Control+Enter")
    await expect(page.locator(".composer .under")).to_contain_text("{contact.name} is still to fill")
    assert await phone.received() == []
    contact = (await office.api.get("/contacts?query=%2B14155550140"))["items"][0]
    changed = await office.api.call(
        "PATCH", f"/contacts/{contact['id']}", {"name": "Ada Nowak", "attributes": {"order_id": "4711"}}
    )
    assert changed.status == 200
    await expect(page.locator(".transcript > .head .who")).to_contain_text("Ada Nowak")
    await desk.field.fill("")
    await page.keyboard.type("/shi")
    await expect(page.locator(".responses").get_by_role("option")).to_have_count(1)
    await expect(page.locator(".responses .filled")).to_have_text("4711")
    await page.keyboard.press("Enter")
    await expect(desk.field).to_have_value("Your order 4711 has left.")
    assert await phone.received() == []
    await page.keyboard.press("Enter")
    await expect(desk.message("Your order 4711 has left.")).to_contain_text("Delivered")

    # lines, and a text that is kept while another interaction is looked at
    await page.keyboard.type("two")
    await page.keyboard.press("Shift+Enter")
    await page.keyboard.type("lines")
    await expect(desk.field).to_have_value("two\nlines")
    await page.reload()
    await expect(desk.field).to_have_value("two\nlines")
    await desk.field.press("Enter")
    await expect(desk.message("lines")).to_contain_text("Delivered")
    assert [each["text"] for each in await phone.received()] == ["Your order 4711 has left.", "two\nlines"]


async def test_pictures_come_and_go(office: Office, sign_in: SignIn) -> None:
    desk = await sign_in("mara")
    page, phone = desk.page, office.phone("+14155550141")
    await desk.take(phone, "See this", "photo.jpg", "photo.png", "corrupt.jpg")

    # thumbnails in place; what cannot be read is told, with the advice to send it again
    shown = desk.message("See this")
    await expect(shown.locator(".thumb img")).to_have_count(2)
    await expect(shown.locator(".thumb.is-broken")).to_contain_text("damaged")
    told = desk.transcript.locator(".notice[data-kind=attachment_problem]")
    await expect(told).to_contain_text("again")

    # full size, the next one, saved; and closed with the focus where it was
    await shown.get_by_role("button", name="attachment.jpg").click()
    box = page.get_by_role("dialog")
    await expect(box).to_contain_text("1 of 2")
    assert await box.locator("img").evaluate("(picture) => picture.decode().then(() => picture.naturalWidth)") == 960
    async with page.expect_download() as download:
        await box.get_by_role("link", name="Save").click()
    assert (await (await download.value).path()).stat().st_size > 10_000
    await page.keyboard.press("ArrowRight")
    await expect(box).to_contain_text("2 of 2")
    await page.keyboard.press("Escape")
    await expect(box).to_have_count(0)
    await expect(shown.get_by_role("button", name="attachment.jpg")).to_be_focused()

    # files by the chooser, by dropping and by pasting; one that is too large is refused, one is taken away again
    link = await shown.get_by_role("link", name="Save").first.get_attribute("href")
    picture = await (await page.request.get(link or "")).body()
    async with page.expect_file_chooser() as chooser:
        await page.get_by_role("button", name="Attach a file").click()
    limit = await page.evaluate(
        "fetch('/v1/session').then((said) => said.json()).then((said) => said.desk.max_attachment_bytes)"
    )
    await (await chooser.value).set_files([{"name": "map.jpg", "mimeType": "image/jpeg", "buffer": picture}])
    chips = page.locator(".composer .attachment")
    await expect(chips).to_have_count(1)
    await expect(chips).to_contain_text("KB")  # it is there: what is still on its way does not outlive a reload
    await page.evaluate(
        """(size) => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(size + 1)], "huge.bin"));
            const drop = new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true });
            document.querySelector(".composer").dispatchEvent(drop);
        }""",
        limit,
    )
    await expect(page.locator(".composer .attachment.is-refused")).to_contain_text("can go")
    await page.get_by_role("button", name="Remove huge.bin").click()
    for how in ("drop", "paste"):
        await page.evaluate(DROP, [f"{how}.txt", "a few words", how])
        await expect(page.locator(".composer .attachment", has_text=f"{how}.txt")).to_contain_text("11 B")
    await page.get_by_role("button", name="Remove drop.txt").click()
    await page.get_by_role("button", name="Remove paste.txt").click()
    await expect(chips).to_have_count(1)
    await page.reload()
    await expect(chips).to_have_count(1)
    await desk.write("This way")
    await expect(desk.message("This way")).to_contain_text("Delivered")
    await expect(desk.message("This way").locator(".thumb img")).to_have_count(1)
    (received,) = await phone.received()
    assert len(received["media"]) == 1


async def test_where_saving_is_not_allowed_a_picture_is_only_looked_at(office: Office, sign_in: SignIn) -> None:
    """The demo allows it; here the session's answer says otherwise, as `save_attachments = false` makes it."""

    async def forbid(route: Route) -> None:
        answer = await route.fetch()
        said = await answer.json()
        said["desk"]["save_attachments"] = False
        await route.fulfill(response=answer, json=said)

    desk = await sign_in("mara")
    await desk.page.route("**/v1/session", forbid)
    await desk.page.reload()
    await desk.take(office.phone("+14155550149"), "", "photo.jpg")
    picture = desk.transcript.locator(".message.in .thumb")
    await expect(picture.locator("img")).to_be_visible()
    await expect(picture.get_by_role("link", name="Save")).to_have_count(0)
    await picture.get_by_role("button").click()
    await expect(desk.page.locator(".lightbox img")).to_be_visible()
    await expect(desk.page.locator(".lightbox").get_by_role("link", name="Save")).to_have_count(0)
