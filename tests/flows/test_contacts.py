"""Contacts: what agents change about them, and the erasure of a person, who leaves no trace but their STOP."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fakes import ANN, BOB, OUR_NUMBER, World, lost, ok, refused
from flows.conftest import on_sqlite
from smsbridge.contracts.store import Tx
from smsbridge.domain.cause import Cause
from smsbridge.domain.errors import CannotSend, NotFound
from smsbridge.domain.interaction import State
from smsbridge.domain.message import Agent
from smsbridge.domain.outcome import Evidence
from smsbridge.domain.status import Status
from smsbridge.flows import contacts, interactions
from smsbridge.flows.causes import note_code

MakeWorld = Callable[..., World]
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\6\0\0\0"
URL = "https://plain.example/media/a"


async def contact_id(world: World, number: str = ANN) -> str:
    contact = await world.store.read(lambda tx: tx.contact_by_number(number))
    assert contact is not None
    return contact.id


async def test_what_is_given_is_changed_and_told(world: World) -> None:
    await world.text("Hello")
    identifier = await contact_id(world)
    await world.write(lambda tx: contacts.update(tx, world.bridge, identifier, name="Ann", attributes={"vip": True}))
    changed = await world.write(lambda tx: contacts.update(tx, world.bridge, identifier, assigned_to="amy"))
    assert (changed.name, changed.attributes, changed.assigned_to) == ("Ann", {"vip": True}, "amy")
    events = await world.store.read(lambda tx: tx.events_after(0, 100))
    assert [event.type for event in events][-2:] == ["contact.updated"] * 2
    with pytest.raises(NotFound):
        await world.write(lambda tx: contacts.update(tx, world.bridge, "con_nothing", name="x"))


async def lead_a_life(world: World) -> str:
    """Everything of Ann that the bridge can come to hold. Returns her contact's id."""
    world.network.files = {URL: PNG}
    await world.text("my secret code word is Xylophon", media=[URL])
    await world.run_due()
    identifier = await contact_id(world)
    interaction = await world.open_interaction()
    assert interaction is not None
    await world.write(lambda tx: contacts.update(tx, world.bridge, identifier, name="Annabella Xylophon"))
    await world.send("Dear Annabella", client_reference="Annabella-1", metadata={"who": "Annabella"})
    await world.run_due()
    await world.webhook({"type": "receipt", "id": "C1", "status": "undelivered", "cause": "not_mobile"})
    body: dict[str, Any] = {"type": "message", "id": "x", "from": ANN, "to": OUR_NUMBER, "text": "Xylophon again"}
    await world.webhook(body, secret="wrong")
    await world.webhook({"type": "new kind", "from": ANN, "text": "Xylophon too"})
    await world.write(
        lambda tx: interactions.mark_done(
            tx, world.bridge, interaction.id, agent=Agent(id="amy"), disposition="", note="Annabella was glad"
        )
    )
    await world.text("Xylophon: one more thing")
    world.network.answer = lambda _request: refused()
    await world.send("Waiting for Annabella", force=True)
    await world.run_due()
    await world.text("STOP")
    return identifier


@on_sqlite
async def test_an_erased_person_leaves_no_trace_in_the_files_but_the_stop(world: World, folder: Path) -> None:
    identifier = await lead_a_life(world)
    kept = list((folder / "media").rglob("*"))
    before = len([path for path in kept if path.is_file()])
    await contacts.erase(world.bridge, identifier)
    world.network.answer = lambda _request: ok({"id": "C7"})
    world.clock.now += 60_000
    await world.run_due()
    refusal = await world.submit(to=ANN, text="Hello?")
    assert isinstance(refusal, CannotSend), "the STOP outlives the person"

    await world.store.close()
    stored = (folder / "store0.sqlite3").read_bytes()
    for word in (ANN[1:], "Xylophon", "xylophon", "Annabella", "annabella"):
        assert word.encode() not in stored, word
        assert word.encode("utf-16-le") not in stored, word
    assert not (folder / "store0.sqlite3-wal").exists()
    files = [path for path in (folder / "media").rglob("*") if path.is_file()]
    assert len(files) == before - 2, "the picture and its thumbnail are gone"
    assert PNG not in [path.read_bytes() for path in files]


async def test_a_picture_that_somebody_else_sent_as_well_stays_with_them(world: World) -> None:
    world.network.files = {URL: PNG}
    for number in (ANN, BOB):
        await world.text("Look", sender=number, media=[URL])
    await world.run_due()
    await contacts.erase(world.bridge, await contact_id(world, ANN))
    (message,) = await world.messages(BOB)
    (attachment,) = await world.store.read(lambda tx: tx.attachments(message.id))
    path = world.bridge.blobs.path(attachment.sha256)
    assert path is not None
    assert path.read_bytes() == PNG


async def test_what_a_carrier_says_afterwards_is_not_written_down(world: World) -> None:
    """Receipts quote numbers, and over SMPP the beginning of the text."""
    told, answered = await world.send("Xylophon"), await world.send("Annabella")
    claimed = await world.claim()
    assert claimed is not None
    await world.finish(*claimed)
    claimed = await world.claim()
    assert claimed is not None
    await contacts.erase(world.bridge, told.contact_id)
    world.network.answer = lambda _request: ok({"code": "unknown", "words": f"{ANN}: Annabella"})
    await world.finish(*claimed)
    receipt = {"type": "receipt", "status": "failed", "id": "C1", "cause": "unknown", "words": f"text:Xylo to:{ANN}"}
    await world.webhook(receipt)

    def kept(tx: Tx) -> list[object]:
        parts = [part for message in (told, answered) for part in tx.parts(message.id)]
        assert [part.status for part in parts] == [Status.FAILED, Status.FAILED]
        return [*parts, *tx.receipts_of(told.id), *tx.list_notices(), *tx.unknown_codes()]

    found = await world.store.read(kept)
    assert len(found) > 4
    for word in (ANN[1:], "Xylo", "Annabella"):
        assert not [each for each in found if word in repr(each)], word


@pytest.mark.parametrize("reroute", [frozenset[Cause](), frozenset({Cause.RATE_LIMITED})], ids=["waits", "rerouted"])
async def test_what_a_carrier_says_of_a_text_that_it_does_not_take_yet_is_not_written_down(
    make_world: MakeWorld, reroute: frozenset[Cause]
) -> None:
    world = make_world(reroute=reroute)
    message = await world.send("Annabella")
    claimed = await world.claim()
    assert claimed is not None
    await contacts.erase(world.bridge, message.contact_id)
    busy = {"code": "unknown", "words": f"{ANN}: Annabella", "after_s": 3_600}
    world.network.answer = lambda _request: ok(busy, status=429)
    await world.finish(*claimed)

    def kept(tx: Tx) -> list[object]:
        (part,) = tx.parts(message.id)
        assert (part.status, part.cause) == (Status.QUEUED, Cause.RATE_LIMITED)
        (told,) = [notice for notice in tx.list_notices() if notice.message_id == message.id]
        return [part, told, *tx.unknown_codes()]

    found = await world.store.read(kept)
    assert len(found) == 3
    for word in (ANN[1:], "Annabella"):
        assert not [each for each in found if word in repr(each)], word


async def test_what_a_carrier_said_of_the_number_goes_with_it(world: World) -> None:
    await world.text("Hello")

    def note(tx: Tx) -> None:
        for code, number in (("one", ANN), ("two", BOB)):
            note_code(tx, world.bridge, "plain", Evidence(code=code, text=f"The number {number} is in no list."))

    await world.write(note)
    for number in (ANN, BOB):  # of texts that somebody else has sent
        unmatched = {"type": "receipt", "status": "failed", "id": f"X{number}", "words": f"text:Xylo to:{number}"}
        await world.webhook(unmatched)
    await contacts.erase(world.bridge, await contact_id(world))
    receipts = await world.store.read(lambda tx: tx.list_unmatched_receipts())
    assert {each.evidence.text for each in receipts} == {"", f"text:Xylo to:{BOB}"}
    said = {each.code: each.text for each in await world.store.read(lambda tx: tx.unknown_codes())}
    assert said == {"one": "", "two": f"The number {BOB} is in no list."}


async def test_waiting_texts_are_not_sent_and_open_interactions_end(world: World) -> None:
    await world.text("Hello")
    message = await world.send("Good bye")
    identifier = await contact_id(world)
    await contacts.erase(world.bridge, identifier)
    await world.run_due()
    assert world.sent() == []
    assert (await world.message(message.id)).status is Status.CANCELLED
    kept = await world.store.read(lambda tx: tx.interaction(message.interaction_id))
    assert kept is not None
    assert kept.state is State.ENDED


async def test_nobody_is_asked_for_what_became_of_an_erased_persons_text(world: World) -> None:
    world.network.answer = lambda _request: lost()
    await world.send("Hello")
    await world.run_due()
    await contacts.erase(world.bridge, await contact_id(world))
    world.clock.now += 3_600_000
    await world.run_due()
    assert world.sent("/find") == []


async def test_that_something_was_said_and_when_stays_in_its_order(world: World) -> None:
    await world.text("one")
    await world.text("two")
    identifier = await contact_id(world)
    before = await world.store.read(lambda tx: tx.transcript(contact_id=identifier))
    await contacts.erase(world.bridge, identifier)
    after = await world.store.read(lambda tx: tx.transcript(contact_id=identifier))
    assert [(entry.seq, entry.kind) for entry in after][: len(before)] == [(e.seq, e.kind) for e in before]
    assert [entry.message.text for entry in after if entry.message] == ["", ""]


async def test_the_same_number_is_somebody_new_afterwards(world: World) -> None:
    await world.text("one")
    old = await contact_id(world)
    await contacts.erase(world.bridge, old)
    await contacts.erase(world.bridge, old)  # twice is no error
    await world.text("two")
    assert await contact_id(world) != old
    assert [message.text for message in await world.messages()] == ["two"]
    with pytest.raises(NotFound):
        await contacts.erase(world.bridge, "con_nothing")
