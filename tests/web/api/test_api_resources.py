"""The models describe what flows/resources.py really makes: checked strictly on what a real bridge has in its store."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter

from fakes import ANN, BOB, World, lost, ok
from smsbridge.contracts.bridge import Bridge
from smsbridge.contracts.jobs import Job
from smsbridge.contracts.store import AgentStatus, StandardResponse, StoredReceipt, Tx
from smsbridge.domain.cause import Cause
from smsbridge.domain.journal import EventType
from smsbridge.domain.message import Agent
from smsbridge.domain.status import Status
from smsbridge.flows import contacts, interactions, outbound, resources
from smsbridge.web.api import models
from smsbridge.wire.encoding import write_json

PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(64)


def hold(model: Any, resource: Any) -> None:
    """`resource` as JSON is exactly what `model` says: no field more, none less, no value of another type."""
    TypeAdapter(model).validate_json(write_json(resource), strict=True, extra="forbid")


@pytest.fixture
async def lived_in(world: World) -> World:
    """A bridge on which a bit of everything has happened."""
    world.network.files["https://plain.example/cat.png"] = PICTURE
    await world.text("Hello", media=["https://plain.example/cat.png", "https://plain.example/gone.png"])
    await world.run_due()
    interaction = await world.open_interaction()
    agent = Agent(id="ag-7", name="Bo")

    def reply(tx: Tx) -> None:
        draft = outbound.Draft(interaction_id=interaction.id, text="Hi 😊" * 200, agent=agent, client_reference="r1")
        outbound.submit(tx, world.bridge, draft)

    await world.write(reply)
    await world.run_due()
    world.network.answer = lambda _request: ok({"code": "unreachable"})
    await world.write(lambda tx: outbound.submit(tx, world.bridge, outbound.Draft(to=ANN, text="again")))
    await world.run_due()
    world.network.answer = lambda _request: lost()
    await world.write(lambda tx: outbound.submit(tx, world.bridge, outbound.Draft(to=BOB, text="you there?")))
    world.clock.now += 1
    await world.text("STOP")
    await world.run_due(most=3)
    await world.write(
        lambda tx: interactions.mark_done(
            tx, world.bridge, interaction.id, agent=agent, disposition="resolved", note="all well"
        )
    )
    contact = await world.store.read(lambda tx: tx.contact_by_number(ANN))
    await world.write(lambda tx: contacts.update(tx, world.bridge, contact.id, attributes={"customer": 4711}))
    return world


async def each(world: World, read: Callable[[Tx], list[Any]]) -> list[Any]:
    made = await world.store.read(read)
    assert made, "nothing to check"
    return made


async def test_messages(lived_in: World) -> None:
    bridge = lived_in.bridge

    def read(tx: Tx) -> list[Any]:
        shown = tx.transcript(contact_id=tx.contact_by_number(ANN).id) + tx.transcript(
            contact_id=tx.contact_by_number(BOB).id
        )
        return resources.messages(tx, bridge, [entry.message for entry in shown if entry.message])

    shown = await each(lived_in, read)
    for message in shown:
        hold(models.Message, message)
    assert {message["direction"] for message in shown} == {"inbound", "outbound"}
    assert {attachment["state"] for message in shown for attachment in message["attachments"]} >= {"stored"}
    assert max(len(message["parts"]) for message in shown) > 1


async def test_interactions_notices_and_transcripts(lived_in: World) -> None:
    bridge = lived_in.bridge
    for interaction in await each(lived_in, lambda tx: tx.list_interactions()):
        hold(models.Interaction, resources.interaction(interaction))
    notices = await each(lived_in, lambda tx: tx.list_notices())
    for notice in notices:
        hold(models.Notice, resources.notice(notice))
    assert any(resources.notice(notice)["evidence"] for notice in notices)

    def read(tx: Tx) -> list[Any]:
        return resources.transcript(tx, bridge, tx.transcript(contact_id=tx.contact_by_number(ANN).id))

    entries = await each(lived_in, read)
    for entry in entries:
        hold(models.TranscriptEntry, entry)
    assert {entry["kind"] for entry in entries} == {"message", "notice", "interaction"}


def people(tx: Tx, bridge: Bridge) -> list[Any]:
    listed = [each.contact for each in tx.list_contacts()]
    return resources.contact_summaries(tx, bridge, listed, agent_id="ag-7")


async def test_contacts(lived_in: World) -> None:
    bridge = lived_in.bridge
    shown = await each(lived_in, lambda tx: people(tx, bridge))
    for contact in shown:
        hold(models.ContactSummary, contact)
    assert any(contact["opt_outs"] for contact in shown)


async def test_events(lived_in: World) -> None:
    bridge = lived_in.bridge
    about: dict[str, type[BaseModel]] = {
        "message": models.Message,
        "notice": models.Notice,
        "interaction": models.Interaction,
        "contact": models.Contact,
        "agent": models.AgentStatus,
    }

    def read(tx: Tx) -> list[Any]:
        return [resources.event(tx, bridge, event) for event in tx.events_after(0, 1_000)]

    events = await each(lived_in, read)
    for event in events:
        hold(models.Event, event)
        hold(about[event["type"].partition(".")[0]], event["data"])
    assert {event["type"] for event in events} >= {
        EventType.MESSAGE_RECEIVED,
        EventType.MESSAGE_STATUS,
        EventType.NOTICE_RAISED,
        EventType.INTERACTION_DONE,
        EventType.CONTACT_UPDATED,
    }


async def test_what_the_edge_and_the_configuration_hold(lived_in: World) -> None:
    bridge = lived_in.bridge
    hold(models.AgentStatus, resources.agent_status(AgentStatus(id="ag-7", changed_at_ms=1)))
    hold(
        models.StandardResponse, resources.standard_response(StandardResponse(id="s", shortcut="a", title="", text=""))
    )
    for sender in bridge.senders.values():
        hold(models.Sender, resources.sender(bridge, sender))
    receipt = StoredReceipt(
        key="k", account="plain", carrier_message_id="C1", part_ref="", status=Status.FAILED, cause=Cause.BLOCKED
    )
    hold(models.Receipt, resources.receipt(receipt))


async def test_dead_letters(lived_in: World) -> None:
    def bury(tx: Tx) -> None:
        now_ms = lived_in.clock.now_ms() + 10**9
        (job, *_) = jobs_due(tx, now_ms)
        assert tx.bury_job(job, "a test gave it up", now_ms)

    def jobs_due(tx: Tx, now_ms: int) -> list[Job]:
        return [
            job
            for depth in tx.queue_depths(now_ms)
            for job in tx.claim(depth.queue, now_ms=now_ms, lease_until_ms=now_ms + 1, limit=1)
        ]

    await lived_in.write(bury)
    for letter in await each(lived_in, lambda tx: tx.list_dead_letters()):
        hold(models.DeadLetter, resources.dead_letter(letter))
