"""A disk that fills up: what is new from agents is refused first, contacts' texts last, receipts never."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fakes import ANN, OUR_NUMBER, World
from flows.conftest import on_sqlite
from smsbridge.contracts.disk import Room
from smsbridge.domain.errors import NoRoom
from smsbridge.domain.message import AttachmentState, NoticeKind
from smsbridge.domain.status import Status

PICTURE = "https://plain.example/picture"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(32)


async def test_with_little_room_agents_wait_and_contacts_do_not(world: World) -> None:
    await world.text("hello")
    world.disk.room = Room.LOW
    with pytest.raises(NoRoom):
        await world.submit(to=ANN, from_sender=OUR_NUMBER, text="not now")
    await world.text("still here?")
    assert [each.text for each in await world.messages()] == ["hello", "still here?"]
    world.disk.room = Room.AMPLE
    await world.send("now")
    await world.run_due()
    assert [each["text"] for each in world.sent()] == ["now"]


async def test_without_room_texts_are_refused_whole_and_receipts_still_end_what_was_begun(world: World) -> None:
    message = await world.send("on its way")
    await world.run_due()
    world.disk.room = Room.NONE
    with pytest.raises(NoRoom):
        await world.text("no room for me", carrier_id="in1")
    with pytest.raises(NoRoom):
        await world.webhook({"type": "what is this"})
    with pytest.raises(NoRoom):  # what strangers post must not eat the reserve
        await world.webhook({"type": "ping"}, secret="wrong")
    await world.webhook({"type": "receipt", "id": "C1", "status": "delivered"})
    await world.webhook({"type": "opt_out", "kind": "stop", "from": ANN, "to": OUR_NUMBER})
    assert (await world.message(message.id)).status is Status.DELIVERED
    assert "no room for me" not in [each.text for each in await world.messages()]
    world.disk.room = Room.AMPLE
    await world.text("no room for me", carrier_id="in1")
    assert "no room for me" in [each.text for each in await world.messages()]


async def test_a_desktop_that_posts_a_reply_is_asked_to_repeat_it(make_world: Callable[..., World]) -> None:
    external = make_world(external=True)
    await external.text("hello")
    external.disk.room = Room.LOW
    reply = {"event_id": "evt1", "to": ANN, "text": "hi", "from_sender": OUR_NUMBER}
    with pytest.raises(NoRoom):
        await external.desktop_webhook(reply)
    external.disk.room = Room.AMPLE
    await external.desktop_webhook(reply)
    await external.run_due()
    assert [each["text"] for each in external.sent()] == ["hi"]


async def test_a_picture_waits_for_room_without_being_downloaded_and_comes_within_a_minute_after(world: World) -> None:
    world.network.files = {PICTURE: PNG}
    world.disk.media_room = Room.LOW
    await world.text("look", media=[PICTURE])
    for _ in range(20):
        await world.run_due()
        world.clock.now += 60_000
    assert [each.state for each in await attachments(world)] == [AttachmentState.PENDING]
    assert not list(world.bridge.blobs.scratch().parent.iterdir())
    world.disk.media_room = Room.AMPLE
    await world.run_due()
    assert [each.state for each in await attachments(world)] == [AttachmentState.STORED]
    assert await world.notices() == []


@on_sqlite  # a matter of the flow, and long
async def test_a_picture_that_finds_no_room_for_a_day_is_given_up_and_the_agent_told(world: World) -> None:
    world.network.files = {PICTURE: PNG}
    world.disk.media_room = Room.NONE
    await world.text("look", media=[PICTURE])
    looks = 0
    while (await attachments(world))[0].state is AttachmentState.PENDING:
        looks += 1
        assert looks < 2_000, "it must end"
        await world.run_due()
        world.clock.now += 60_000
    assert [notice.kind for notice in await world.notices()] == [NoticeKind.ATTACHMENT_PROBLEM]


async def attachments(world: World) -> list[object]:
    (message,) = await world.messages()
    return await world.store.read(lambda tx: tx.attachments(message.id))
