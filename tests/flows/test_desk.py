"""What the built-in desk adds to the life of an interaction: offers, quick replies, presence and notes."""

from collections.abc import Callable
from typing import Any

import pytest

from fakes import ANN, BOB, World
from smsbridge.contracts.bridge import DeskPolicy, Policy
from smsbridge.contracts.store import AgentAccount, AgentStatus, MessageFilter, Presence, Session
from smsbridge.domain.errors import Conflict, Invalid, NotFound
from smsbridge.domain.interaction import State
from smsbridge.domain.journal import EventType
from smsbridge.domain.message import Agent, Interaction
from smsbridge.flows import agents, contacts, interactions, presence, resources
from smsbridge.flows.upkeep import UNUSED_MS

MakeWorld = Callable[..., World]
AMY, BEN = Agent(id="amy", name="Amy"), Agent(id="ben", name="Ben")


async def newest(world: World, number: str = ANN) -> Interaction:
    def read(tx: Any) -> Interaction:
        contact = tx.contact_by_number(number)
        return tx.list_interactions(contact_id=contact.id, limit=1)[0]

    return await world.store.read(read)


async def texted(world: World, number: str = ANN) -> Interaction:
    await world.text("Hello", sender=number)
    return await newest(world, number)


async def do(world: World, what: Callable[..., Any], *given: Any, **named: Any) -> Any:
    return await world.write(lambda tx: what(tx, world.bridge, *given, **named))


async def ready(world: World, agent_id: str, *, is_ready: bool = True, auto_answer: bool = False) -> None:
    status = AgentStatus(id=agent_id, name=agent_id.title(), ready=is_ready, auto_answer=auto_answer)
    await do(world, agents.keep_status, status)
    world.clock.now += 1_000


async def hire(world: World, agent_id: str) -> None:
    account = AgentAccount(id=agent_id, name=agent_id.title(), passcode_hash="x")
    await world.write(lambda tx: tx.save_agent(account))


def session_of(agent_id: str, *, seen_at_ms: int) -> Session:
    return Session(hash=f"hash of {agent_id}", agent_id=agent_id, created_at_ms=seen_at_ms, seen_at_ms=seen_at_ms)


async def regular(world: World, assigned_to: str = "amy") -> None:
    """Ann, whose contact is assigned, and whose last interaction is done."""
    first = await texted(world)
    await do(world, contacts.update, first.contact_id, assigned_to=assigned_to)
    await do(world, interactions.mark_done, first.id, agent=None, disposition="", note="")


async def told(world: World, kind: EventType) -> list[Any]:
    return [each for each in await world.store.read(lambda tx: tx.events_after(0, 1_000)) if each.type == kind]


# --- who is there


async def test_whoever_closes_the_browser_is_offered_nothing_for_long(world: World) -> None:
    await hire(world, "amy")
    await hire(world, "ben")
    await ready(world, "amy")
    await ready(world, "ben")
    await ready(world, "crm-user")  # of another system, which says itself who is there
    world.clock.now += agents.ABSENT_MS + 1
    await world.write(lambda tx: tx.insert_session(session_of("ben", seen_at_ms=world.clock.now - 1_000)))
    assert await do(world, agents.stand_down_absent) == 1
    statuses = {each.id: each for each in await world.store.read(lambda tx: tx.list_agent_statuses())}
    assert [each for each in statuses if statuses[each].ready] == ["ben", "crm-user"]
    assert statuses["amy"].reason == "Away"
    assert await do(world, agents.stand_down_absent) == 0


# --- offers


async def test_a_text_is_offered_first_to_the_agent_its_contact_is_assigned_to(world: World) -> None:
    await regular(world)
    await ready(world, "amy")
    await ready(world, "ben")
    offered = await texted(world)
    until_ms = world.clock.now_ms() + world.bridge.policy.desk.offer_first_ms
    assert (offered.state, offered.offered_to, offered.offered_until_ms) == (State.WAITING, "amy", until_ms)
    taken = await do(world, interactions.accept, offered.id, BEN)
    assert (taken.agent, taken.offered_to, taken.offered_until_ms) == (BEN, "", None), "an offer is no lock"
    with pytest.raises(Conflict) as late:
        await do(world, interactions.accept, offered.id, AMY)
    assert late.value.code == "taken"


@pytest.mark.parametrize("why", ["nobody's contact", "not ready", "switched off"])
async def test_else_it_is_offered_to_everybody_at_once(make_world: MakeWorld, why: str) -> None:
    first_ms = 0 if why == "switched off" else 20_000
    world = make_world(policy=Policy(desk=DeskPolicy(offer_first_ms=first_ms)))
    await regular(world, "" if why == "nobody's contact" else "amy")
    await ready(world, "amy", is_ready=why != "not ready")
    await ready(world, "ben")
    waiting = await texted(world)
    assert (waiting.state, waiting.offered_to, waiting.offered_until_ms) == (State.WAITING, "", None)


async def test_the_assigned_agent_is_asked_before_another_who_answers_by_themselves(world: World) -> None:
    await regular(world)
    await ready(world, "ben", auto_answer=True)
    await ready(world, "amy")
    assert (await texted(world)).offered_to == "amy"
    assert (await texted(world, BOB)).agent == BEN


async def test_an_interaction_that_waits_again_is_offered_again(world: World) -> None:
    first = await texted(world)
    await do(world, contacts.update, first.contact_id, assigned_to="amy")
    await do(world, interactions.end, first.id)
    await ready(world, "amy")
    again = await texted(world)
    assert (again.id, again.state, again.offered_to) == (first.id, State.WAITING, "amy")


async def test_giving_it_to_somebody_ends_the_offer(world: World) -> None:
    await regular(world)
    await ready(world, "amy")
    offered = await texted(world)
    given = await do(world, interactions.assign, offered.id, agent=BEN, by=AMY)
    assert (given.agent, given.offered_to, given.offered_until_ms) == (BEN, "", None)


async def test_what_a_removed_agent_had_is_offered_to_the_others(world: World) -> None:
    account = AgentAccount(id="amy", name="Amy", passcode_hash="x")
    await do(world, agents.let_in, account)
    await ready(world, "amy", auto_answer=True)
    had = await texted(world)
    assert had.agent == AMY
    await ready(world, "ben", auto_answer=True)
    await do(world, agents.let_go, "amy")
    assert (await newest(world)).agent == BEN
    with pytest.raises(NotFound):
        await do(world, agents.let_go, "amy")
    await do(world, interactions.mark_done, had.id, agent=BEN, disposition="", note="")
    await ready(world, "ben", is_ready=False)
    assert (await texted(world)).state is State.WAITING, "nothing goes to somebody who is no longer there"


async def test_an_agent_is_known_by_the_name_of_their_account(world: World) -> None:
    await do(world, agents.let_in, AgentAccount(id="amy", name="Amy", passcode_hash="x"))
    kept = await do(world, agents.keep_status, AgentStatus(id="amy", name="Ben", ready=True))
    assert kept.name == "Amy"
    await do(world, agents.let_in, AgentAccount(id="amy", name="Amy Lee", passcode_hash="x"))
    status = await world.store.read(lambda tx: tx.agent_status("amy"))
    assert (status.ready, status.name) == (False, "Amy Lee")


# --- quick replies


async def test_a_quick_reply_takes_opens_and_revives_nothing(world: World) -> None:
    for step in (None, interactions.end, interactions.mark_done):
        interaction = await texted(world) if step is None else await newest(world)
        if step is interactions.mark_done:
            await do(world, step, interaction.id, agent=AMY, disposition="", note="")
        elif step is not None:
            await do(world, step, interaction.id)
        before = await newest(world)
        message = await world.send("Quick", quick_reply=True, agent=BEN)
        assert (message.interaction_id, message.quick_reply, message.agent) == (interaction.id, True, BEN)
        assert (await newest(world)).state is before.state
        assert (await newest(world)).agent == before.agent
    await world.send("Not quick", agent=BEN)

    def counted(tx: Any) -> list[int]:
        return [len(tx.list_messages(MessageFilter(quick_reply=each))) for each in (True, False, None)]

    assert await world.store.read(counted) == [3, 2, 5]


async def test_the_answer_to_a_quick_reply_after_done_opens_a_new_interaction(world: World) -> None:
    await regular(world, "")
    before = await newest(world)
    await world.send("Quick", quick_reply=True, agent=BEN)
    after = await texted(world)
    assert (after.id != before.id, after.state) == (True, State.WAITING)


async def test_a_quick_reply_does_not_come_between_a_contact_and_their_agent(world: World) -> None:
    interaction = await texted(world)
    await do(world, interactions.accept, interaction.id, AMY)
    with pytest.raises(Conflict) as conflict:
        await world.submit(to=ANN, text="Quick", quick_reply=True, agent=BEN)
    assert conflict.value.code == "owned_by_another"
    assert (await world.send("Quick", quick_reply=True, agent=AMY)).quick_reply


async def test_a_quick_reply_to_somebody_never_spoken_with_has_a_transcript_to_stand_in(world: World) -> None:
    message = await world.send("Quick", to=BOB, quick_reply=True, agent=BEN)
    opened = await newest(world, BOB)
    assert (message.interaction_id, opened.state, opened.agent) == (opened.id, State.ACTIVE, BEN)


# --- presence


async def test_agents_see_who_looks_and_who_writes(world: World) -> None:
    interaction = await texted(world)

    async def look(agent: Agent, *, writing: bool = False) -> list[tuple[str, bool]]:
        there = await do(world, presence.look, interaction.id, agent, writing=writing)
        return [(each.agent.id, each.writing) for each in there]

    assert await look(AMY) == [("amy", False)]
    assert await look(BEN, writing=True) == [("amy", False), ("ben", True)]
    assert len(await told(world, EventType.INTERACTION_PRESENCE)) == 2
    await look(BEN, writing=True)
    assert len(await told(world, EventType.INTERACTION_PRESENCE)) == 2, "nothing changed, nobody is told"
    world.clock.now += presence.LASTS_MS - 1
    await look(AMY)
    world.clock.now += 2
    assert await look(AMY) == [("amy", False)], "who says nothing has gone"
    await do(world, presence.leave, interaction.id, AMY)
    newest_event = (await told(world, EventType.INTERACTION_PRESENCE))[-1]
    data = await world.store.read(lambda tx: resources.event(tx, world.bridge, newest_event)["data"])
    assert data == {"interaction_id": interaction.id, "agents": []}
    with pytest.raises(NotFound):
        await do(world, presence.look, "int_0", AMY, writing=False)


async def test_presence_leaves_nothing_behind(world: World) -> None:
    await world.write(lambda tx: tx.save_presence(Presence(interaction_id="int_1", agent=AMY, writing=False, at_ms=1)))
    assert await world.write(lambda tx: tx.trim_presences(world.clock.now_ms() - UNUSED_MS)) == 1


# --- notes


async def test_a_note_is_kept_while_it_is_written_and_counts_at_the_end(make_world: MakeWorld) -> None:
    world = make_world(policy=Policy(dispositions=("Answered", "Other")))
    interaction = await texted(world)
    await do(world, interactions.take_note, interaction.id, note="Wants a refund")
    noted = await do(world, interactions.take_note, interaction.id, disposition="Answered")
    assert (noted.note, noted.disposition) == ("Wants a refund", "Answered")
    updates = len(await told(world, EventType.INTERACTION_UPDATED))
    await do(world, interactions.take_note, interaction.id, note="Wants a refund")
    assert len(await told(world, EventType.INTERACTION_UPDATED)) == updates == 2
    done = await do(world, interactions.mark_done, interaction.id, agent=AMY, disposition="", note="")
    assert (done.note, done.disposition) == ("Wants a refund", "Answered")
    with pytest.raises(Conflict) as late:
        await do(world, interactions.take_note, interaction.id, note="too late")
    assert late.value.code == "already_done"


async def test_what_is_said_at_the_end_stands_over_what_was_noted(make_world: MakeWorld) -> None:
    world = make_world(policy=Policy(dispositions=("Answered", "Other")))
    interaction = await texted(world)
    await do(world, interactions.take_note, interaction.id, note="draft", disposition="Nonsense")
    with pytest.raises(Invalid):
        await do(world, interactions.mark_done, interaction.id, agent=AMY, disposition="", note="")
    done = await do(world, interactions.mark_done, interaction.id, agent=AMY, disposition="Other", note="final")
    assert (done.note, done.disposition) == ("final", "Other")


# --- search and lists


async def test_everything_ever_said_is_found_newest_first_and_not_who_was_erased(world: World) -> None:
    for number, text in ((ANN, "A blue Teapot"), (BOB, "a teapot, 100% blue"), (ANN, "a kettle")):
        await world.text(text, sender=number)
    await world.send("Which TEAPOT?", agent=AMY)

    async def found(query: str, **more: Any) -> list[str]:
        hits = await world.store.read(lambda tx: tx.search_transcripts(query, **more))
        return [each.entry.message.text for each in hits if each.entry.message]

    everything = ["Which TEAPOT?", "a teapot, 100% blue", "A blue Teapot"]
    assert await found("teapot") == everything
    assert await found("teapot", limit=1) == everything[:1]
    (first,) = await world.store.read(lambda tx: tx.search_transcripts("teapot", limit=1))
    assert await found("teapot", before_seq=first.entry.seq) == everything[1:]
    assert await found("0% b") == ["a teapot, 100% blue"]
    assert await found("%") == ["a teapot, 100% blue"], "no pattern of anybody's"
    ann = await newest(world)
    await contacts.erase(world.bridge, ann.contact_id)
    assert await found("teapot") == ["a teapot, 100% blue"]
    assert len(await world.store.read(lambda tx: tx.list_contacts())) == 1


async def test_lists_show_the_last_thing_said(world: World) -> None:
    interaction = await texted(world)
    await do(world, interactions.accept, interaction.id, AMY)
    await world.send("x" * 300, agent=AMY)

    def read(tx: Any) -> Any:
        shown = resources.interaction_summaries(tx, world.bridge, [tx.interaction(interaction.id)], agent_id="amy")
        people = [each.contact for each in tx.list_contacts()]
        return shown[0], resources.contact_summaries(tx, world.bridge, people, agent_id="amy")[0]

    listed, person = await world.store.read(read)
    assert listed["last"] == person["last"]
    assert (listed["last"]["kind"], listed["last"]["direction"], len(listed["last"]["text"])) == (
        "message",
        "outbound",
        resources.PREVIEW_CHARS,
    )
    assert (listed["contact"]["number"], listed["contact"]["unread_count"]) == (ANN, 1)
