"""Texts at the desk: offered, accepted, read, answered, and told of when they do not arrive."""

from __future__ import annotations

from playwright.async_api import expect

from desk.conftest import SignIn
from desk.hands import Office


async def test_a_text_is_offered_accepted_answered_and_delivered(office: Office, sign_in: SignIn) -> None:
    desk = await sign_in("mara")
    await desk.go_ready()
    await office.phone("+14155550142").text("Hi, where is my order?")
    offer = desk.page.locator(".offer")
    await expect(offer).to_contain_text("+1 415 555 0142")
    await expect(offer).to_contain_text("Hi, where is my order?")
    await desk.accept()
    await expect(desk.message("Hi, where is my order?")).to_be_visible()
    await desk.write("On its way.")
    await expect(desk.message("On its way.")).to_contain_text("Delivered")
    received = await office.phone("+14155550142").received()
    assert [each["text"] for each in received] == ["On its way."]
