"""External desktops: told of one conversation in order, at least once; what agents do there is taken once."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from fakes import ANN, BOB, World, ok, refused
from smsbridge.contracts.store import Arrived
from smsbridge.domain.errors import NotFound
from smsbridge.domain.interaction import EndReason, State
from smsbridge.domain.message import Agent, Interaction, NoticeKind
from smsbridge.wire.http import Answered, Performed, Request, Response

MakeWorld = Callable[..., World]


@pytest.fixture
async def world(make_world: MakeWorld) -> World:
    return make_world(external=True)


def told(world: World) -> list[dict[str, Any]]:
    return world.sent("/events")


def texts(events: list[dict[str, Any]]) -> list[str]:
    return [event["data"]["text"] for event in events if event["type"] == "message.received"]


def answering(events: Callable[[dict[str, Any]], Performed]) -> Callable[[Request], Performed]:
    """Sends are accepted; `events` answers what a desktop is told."""
    return lambda request: events(json.loads(request.body)) if "/events" in request.url else ok({"id": "C"})


async def interaction_of(world: World, number: str = ANN) -> Interaction:
    interaction = await world.open_interaction(number)
    assert interaction is not None
    return interaction


# --- to them


async def test_a_desktop_is_told_of_a_conversation_in_the_order_things_happened(world: World) -> None:
    await world.text("one")
    await world.text("two")
    await world.send("reply", agent=Agent(id="amy"))
    await world.run_due()
    await world.text("STOP")
    await world.run_due()
    assert [event["type"] for event in told(world)][:4] == [
        "interaction.opened",
        "message.received",
        "message.received",
        "message.status",
    ]
    assert {event["type"] for event in told(world)[4:]} >= {"message.received", "notice.raised", "interaction.ended"}
    assert len({event["id"] for event in told(world)}) == len(told(world))


async def test_one_event_that_fails_holds_up_its_conversation_and_no_other(world: World) -> None:
    world.network.answer = answering(lambda event: refused() if ANN in json.dumps(event) else ok({}))
    await world.text("one", sender=ANN)
    await world.text("two", sender=ANN)
    await world.text("other", sender=BOB)
    await world.run_due()
    assert texts([event for event in told(world) if BOB in json.dumps(event)]) == ["other"]
    assert [event["type"] for event in told(world) if ANN in json.dumps(event)] == ["interaction.opened"]
    world.network.answer = answering(lambda _event: ok({}))
    world.clock.now += 5_000
    await world.run_due()
    events = [event for event in told(world) if ANN in json.dumps(event)]
    assert events[0]["id"] == events[1]["id"], "told again under the same id"
    assert texts(events) == ["one", "two"]


async def test_an_event_that_the_desktop_never_takes_is_put_aside_and_the_next_one_goes(world: World) -> None:
    bad = Answered(response=Response(status=400), elapsed_ms=1)
    world.network.answer = answering(lambda event: bad if event["data"].get("text") == "poison" else ok({}))
    await world.text("poison")
    await world.text("fine")
    for _ in range(10):
        await world.run_due()
        world.clock.now += 60_000
    assert set(texts(told(world))) == {"poison"}, "nobody knows yet whether it takes anything else"
    assert await world.store.read(lambda tx: tx.list_dead_letters()) == []
    await world.text("other", sender=BOB)
    for _ in range(2):
        await world.run_due()
        world.clock.now += 60_000
    assert texts(told(world))[-3:] == ["other", "poison", "fine"]
    (letter,) = await world.store.read(lambda tx: tx.list_dead_letters())
    assert "not this one" in letter.reason
    (notice,) = await world.notices()
    assert (notice.kind, notice.message_id) == (NoticeKind.SERVICE_PROBLEM, (await world.messages())[0].id)
    assert [event["data"]["kind"] for event in told(world) if event["type"] == "notice.raised"] == ["service_problem"]
    world.network.answer = answering(lambda _event: ok({}))
    assert await world.write(lambda tx: tx.replay_dead_letter(letter.id, world.clock.now))
    await world.run_due()
    assert texts(told(world))[-1] == "poison"


async def test_what_cannot_be_told_for_days_is_put_aside(world: World) -> None:
    world.network.answer = answering(lambda _event: refused())
    await world.text("one")
    await world.run_due()
    world.clock.now += 4 * 86_400_000
    await world.run_due()
    letters = await world.store.read(lambda tx: tx.list_dead_letters())
    assert "not delivered in time" in letters[-1].reason


async def test_a_desktop_that_says_gone_is_switched_off_until_switched_on(world: World) -> None:
    gone = Answered(response=Response(status=410), elapsed_ms=1)
    world.network.answer = answering(lambda _event: gone)
    await world.text("one")
    await world.run_due()
    assert len(told(world)) == 1
    assert "gone" in await world.store.read(lambda tx: tx.desktop_switched_off("desk"))
    await world.text("two")
    await world.run_due()
    assert len(told(world)) == 1, "nothing more is posted there"
    await world.write(lambda tx: tx.switch_on_desktop("desk"))
    world.network.answer = answering(lambda _event: ok({}))
    for letter in reversed(await world.store.read(lambda tx: tx.list_dead_letters())):
        await world.write(lambda tx, letter=letter: tx.replay_dead_letter(letter.id, world.clock.now))
    await world.run_due()
    assert texts(told(world)) == ["one", "two"]


async def test_a_held_conversation_does_not_hold_up_another(world: World) -> None:
    await world.text("with a picture", sender=ANN, media=["https://plain.example/media/late"])
    await world.text("plain", sender=BOB)
    await world.run_due()
    assert texts(told(world)) == ["plain"]


# --- from them


def message(event_id: str, text: str = "Hello Ann", **more: Any) -> dict[str, Any]:
    return {"event_id": event_id, "text": text, "to": ANN, **more}


async def test_a_reply_is_sent_once_however_often_it_is_posted(world: World) -> None:
    for expected in (Arrived.STORED, Arrived.DUPLICATE):
        report = await world.desktop_webhook(message("e1", agent_id="amy", agent_name="Amy"))
        assert (report.response.status, report.outcomes[0][0]) == (202, expected)
    await world.run_due()
    assert [sent["text"] for sent in world.sent()] == ["Hello Ann"]
    assert (await world.messages())[0].agent == Agent(id="amy", name="Amy")


async def test_agents_take_end_and_finish_interactions_there(world: World) -> None:
    await world.text("Hello")
    interaction = await interaction_of(world)
    for command, state in (("accept", State.ACTIVE), ("end", State.ENDED), ("done", State.DONE)):
        report = await world.desktop_webhook(
            {"event_id": command, "command": command, "interaction_id": interaction.id, "agent_id": "amy"}
        )
        assert report.outcomes == ((Arrived.STORED, command),)
        assert (await interaction_of(world)).state is state
    assert (await interaction_of(world)).end_reason is EndReason.AGENT


async def test_what_is_refused_says_why_and_may_be_posted_again(world: World) -> None:
    await world.text("Hello")
    command = {"event_id": "e1", "command": "end", "interaction_id": "int_nothing"}
    for _ in range(2):
        report = await world.desktop_webhook(command)
        assert (report.response.status, report.outcomes[0][0]) == (422, Arrived.REFUSED)
        assert b"int_nothing" in report.response.body
    interaction = await interaction_of(world)
    report = await world.desktop_webhook({**command, "interaction_id": interaction.id})
    assert report.outcomes == ((Arrived.STORED, "end"),)


async def test_a_text_that_cannot_be_sent_is_refused_there_and_told_in_the_transcript(world: World) -> None:
    await world.text("STOP")
    interaction = await interaction_of(world)
    report = await world.desktop_webhook(
        {"event_id": "e1", "text": "But why?", "interaction_id": interaction.id, "agent_id": "amy"}
    )
    assert report.response.status == 422
    assert [notice.kind for notice in await world.notices()] == [NoticeKind.OPTED_OUT] * 2


async def test_their_own_id_of_a_conversation_finds_it(world: World) -> None:
    from dataclasses import replace

    await world.text("Hello")
    interaction = await interaction_of(world)
    await world.write(lambda tx: tx.update_interaction(replace(interaction, external_id="theirs-7")))
    report = await world.desktop_webhook({"event_id": "e1", "text": "Hi", "external_id": "theirs-7"})
    assert report.outcomes == ((Arrived.STORED, "message"),)
    report = await world.desktop_webhook({"event_id": "e2", "text": "Hi", "external_id": "theirs-8"})
    assert report.outcomes[0][0] is Arrived.REFUSED


async def test_every_event_of_theirs_has_one_recorded_outcome(world: World) -> None:
    report = await world.desktop_webhook(message("e1"), message("e1"), {"strange": True})
    assert [outcome for outcome, _ in report.outcomes] == [Arrived.STORED, Arrived.DUPLICATE, Arrived.UNRECOGNIZED]
    await world.desktop_webhook(message("e2"), secret="wrong")
    counted = await world.arrivals()
    assert counted == {
        ("desk", Arrived.STORED): 1,
        ("desk", Arrived.DUPLICATE): 1,
        ("desk", Arrived.UNRECOGNIZED): 1,
        ("desk", Arrived.REFUSED): 1,
    }


async def test_a_desktop_that_does_not_post_is_not_found(make_world: MakeWorld) -> None:
    with pytest.raises(NotFound):
        await make_world(external=False).desktop_webhook(message("e1"))
