"""The life of an interaction: every step of the table, who may take it, and what the transcript shows of it."""

from collections.abc import Callable
from typing import Any

import pytest

from fakes import ANN, BOB, OUR_NUMBER, World
from smsbridge.contracts.bridge import Policy
from smsbridge.contracts.store import AgentStatus
from smsbridge.domain.cause import Cause
from smsbridge.domain.errors import CannotSend, Conflict, Invalid, NotFound
from smsbridge.domain.interaction import STEPS, EndReason, State, Step
from smsbridge.domain.message import Agent, Certainty, Interaction, NoticeKind
from smsbridge.flows import contacts, interactions

MakeWorld = Callable[..., World]
AMY, BEN = Agent(id="amy", name="Amy"), Agent(id="ben", name="Ben")
LANDLINE = "+493012345678"


async def waiting(world: World, number: str = ANN) -> Interaction:
    await world.text("Hello", sender=number)
    interaction = await world.open_interaction(number)
    assert interaction is not None
    return interaction


async def do(world: World, what: Callable[..., Any], interaction: Interaction, *given: Any, **named: Any) -> Any:
    return await world.write(lambda tx: what(tx, world.bridge, interaction.id, *given, **named))


async def borders(world: World) -> list[tuple[str, str]]:
    return [(entry.border.border, entry.border.state) for entry in await world.entries() if entry.border is not None]


def ready(agent: str, since_ms: int = 0, *, auto_answer: bool = True, is_ready: bool = True) -> AgentStatus:
    return AgentStatus(id=agent, name=agent.title(), ready=is_ready, auto_answer=auto_answer, changed_at_ms=since_ms)


# --- the table


async def in_state(world: World, state: State) -> Interaction:
    interaction = await waiting(world)
    if state is not State.WAITING:
        interaction = await do(world, interactions.accept, interaction, AMY)
    if state in {State.ENDED, State.DONE}:
        interaction = await do(world, interactions.end, interaction)
    if state is State.DONE:
        interaction = await do(world, interactions.mark_done, interaction, agent=AMY, disposition="", note="")
    return interaction


TAKEN_AS_DONE = {(Step.ACCEPT, State.ACTIVE), (Step.END, State.ENDED), (Step.REACTIVATE, State.ACTIVE)} | {
    (Step.REACTIVATE, State.WAITING),
    (Step.DONE, State.WAITING),
}
"""Steps that the table lacks and nobody is bothered with: done already, or done in two steps."""


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("step", [Step.ACCEPT, Step.END, Step.DONE, Step.REACTIVATE])
async def test_every_step_does_what_the_table_says_and_no_other(world: World, step: Step, state: State) -> None:
    interaction = await in_state(world, state)
    steps: dict[Step, Callable[[], Any]] = {
        Step.ACCEPT: lambda: do(world, interactions.accept, interaction, AMY),
        Step.END: lambda: do(world, interactions.end, interaction),
        Step.DONE: lambda: do(world, interactions.mark_done, interaction, agent=AMY, disposition="", note=""),
        Step.REACTIVATE: lambda: do(world, interactions.reactivate, interaction, agent=AMY),
    }
    if state in STEPS[step]:
        assert (await steps[step]()).state is STEPS[step][state]
    elif (step, state) in TAKEN_AS_DONE:
        assert (await steps[step]()).state in {state, State.DONE}
    else:
        with pytest.raises(Conflict):
            await steps[step]()
        kept = await world.store.read(lambda tx: tx.interaction(interaction.id))
        assert kept == interaction


async def test_the_transcript_shows_every_border_as_it_was_then(world: World) -> None:
    interaction = await waiting(world)
    await do(world, interactions.accept, interaction, AMY)
    await do(world, interactions.end, interaction, agent=AMY)
    await do(world, interactions.reactivate, interaction, agent=AMY)
    await do(world, interactions.mark_done, interaction, agent=AMY, disposition="solved", note="Called back.")
    assert await borders(world) == [
        ("opened", "waiting"),
        ("accepted", "active"),
        ("ended", "ended"),
        ("reactivated", "active"),
        ("ended", "ended"),
        ("done", "done"),
    ]
    last = (await world.entries())[-1].border
    assert last is not None
    assert (last.disposition, last.note, last.agent) == ("solved", "Called back.", AMY)


async def test_what_does_not_exist_is_not_found(world: World) -> None:
    with pytest.raises(NotFound):
        await world.write(lambda tx: interactions.end(tx, world.bridge, "int_nothing"))


# --- who takes it


async def test_of_two_agents_who_take_one_offer_the_first_has_it(world: World) -> None:
    interaction = await waiting(world)
    taken = await do(world, interactions.accept, interaction, AMY)
    assert (taken.state, taken.agent, taken.accepted_at_ms) == (State.ACTIVE, AMY, world.clock.now)
    with pytest.raises(Conflict) as conflict:
        await do(world, interactions.accept, interaction, BEN)
    assert (conflict.value.code, "Amy" in str(conflict.value)) == ("taken", True)
    assert await do(world, interactions.accept, interaction, AMY) == taken


async def test_an_ended_interaction_stays_with_the_agent_who_had_it(world: World) -> None:
    interaction = await in_state(world, State.ENDED)
    revived = await do(world, interactions.reactivate, interaction, agent=BEN)
    assert revived.agent == AMY


async def test_auto_answer_prefers_the_agent_the_contact_is_assigned_to(world: World) -> None:
    first = await waiting(world)
    await world.write(lambda tx: contacts.update(tx, world.bridge, first.contact_id, assigned_to="ben"))
    await do(world, interactions.mark_done, first, agent=None, disposition="", note="")
    for status in (ready("amy", 1), ready("ben", 2), ready("cat", 0, auto_answer=False), ready("dan", is_ready=False)):
        await world.write(lambda tx, status=status: tx.save_agent_status(status))
    assigned = await waiting(world)
    assert (assigned.state, assigned.agent) == (State.ACTIVE, Agent(id="ben", name="Ben"))
    stranger = await waiting(world, BOB)
    assert stranger.agent == Agent(id="amy", name="Amy"), "who has been ready the longest"


async def test_nobody_with_auto_answer_leaves_it_waiting(world: World) -> None:
    await world.write(lambda tx: tx.save_agent_status(ready("amy", auto_answer=False)))
    assert (await waiting(world)).state is State.WAITING


async def test_an_external_desktop_hands_out_work_by_itself(make_world: MakeWorld) -> None:
    world = make_world(external=True)
    await world.write(lambda tx: tx.save_agent_status(ready("amy")))
    assert (await waiting(world)).state is State.WAITING


async def test_giving_it_to_another_agent_takes_the_contact_along(world: World) -> None:
    interaction = await in_state(world, State.ACTIVE)
    given = await do(world, interactions.assign, interaction, agent=BEN, by=AMY)
    assert (given.agent, given.state) == (BEN, State.ACTIVE)
    contact = await world.store.read(lambda tx: tx.contact(interaction.contact_id))
    assert contact is not None
    assert contact.assigned_to == "ben"
    back = await do(world, interactions.assign, interaction, agent=None, by=BEN)
    assert (back.agent, back.state, back.accepted_at_ms) == (None, State.WAITING, None)
    ended = await do(world, interactions.end, interaction)
    with pytest.raises(Conflict):
        await do(world, interactions.assign, ended, agent=AMY)


# --- how it ends


async def test_where_nobody_says_anything_it_ends(world: World) -> None:
    interaction = await in_state(world, State.ACTIVE)
    left_waiting = await waiting(world, BOB)
    world.clock.now += world.bridge.policy.idle_end_ms
    assert await world.write(lambda tx: interactions.end_idle(tx, world.bridge)) == 0
    world.clock.now += 1
    assert await world.write(lambda tx: interactions.end_idle(tx, world.bridge)) == 1
    ended = await world.store.read(lambda tx: tx.interaction(interaction.id))
    assert ended is not None
    assert (ended.state, ended.end_reason) == (State.ENDED, EndReason.IDLE)
    still = await world.store.read(lambda tx: tx.interaction(left_waiting.id))
    assert still is not None
    assert still.state is State.WAITING, "a text that no agent has seen does not go by"


async def test_a_text_from_either_side_keeps_it_going(world: World) -> None:
    interaction = await in_state(world, State.ACTIVE)
    for say in (lambda: world.text("Still there?"), lambda: world.send(interaction_id=interaction.id, agent=AMY)):
        world.clock.now += world.bridge.policy.idle_end_ms
        await say()
        world.clock.now += world.bridge.policy.idle_end_ms
        assert await world.write(lambda tx: interactions.end_idle(tx, world.bridge)) == 0


async def test_our_mirror_of_an_external_conversation_ends_when_idle_whoever_took_it(make_world: MakeWorld) -> None:
    world = make_world(external=True)
    interaction = await waiting(world)
    world.clock.now += world.bridge.policy.idle_end_ms + 1
    assert await world.write(lambda tx: interactions.end_idle(tx, world.bridge)) == 1
    ended = await world.store.read(lambda tx: tx.interaction(interaction.id))
    assert ended is not None
    assert ended.end_reason is EndReason.IDLE


async def test_never_idle_means_never(make_world: MakeWorld) -> None:
    world = make_world(policy=Policy(idle_end_ms=0))
    await in_state(world, State.ACTIVE)
    world.clock.now += 10**12
    assert await world.write(lambda tx: interactions.end_idle(tx, world.bridge)) == 0


async def test_done_takes_one_of_the_configured_dispositions(make_world: MakeWorld) -> None:
    world = make_world(policy=Policy(dispositions=("solved", "spam")))
    interaction = await waiting(world)
    with pytest.raises(Invalid):
        await do(world, interactions.mark_done, interaction, agent=AMY, disposition="other", note="")
    done = await do(world, interactions.mark_done, interaction, agent=AMY, disposition="spam", note="")
    assert (done.state, done.disposition, done.done_at_ms) == (State.DONE, "spam", world.clock.now)


async def test_where_ended_stays_ended_nothing_revives_it(make_world: MakeWorld) -> None:
    world = make_world(policy=Policy(asynchronous=False))
    interaction = await in_state(world, State.ENDED)
    with pytest.raises(Conflict) as conflict:
        await do(world, interactions.reactivate, interaction, agent=AMY)
    assert conflict.value.code == "interaction_ended"


# --- begun by an agent


def create(world: World, **given: Any) -> Any:
    named = {"from_sender": "", "agent": AMY, "force": False, **given}
    return world.write(lambda tx: interactions.open_outbound(tx, world.bridge, **named))


async def test_an_agent_begins_an_interaction_and_has_it(world: World) -> None:
    interaction = await create(world, to=ANN)
    assert (interaction.state, interaction.agent, interaction.sender) == (State.ACTIVE, AMY, OUR_NUMBER)
    assert await create(world, to=ANN) == interaction, "the open one is given back"


async def test_a_number_that_takes_no_texts_is_warned_of_first(world: World) -> None:
    with pytest.raises(CannotSend) as refusal:
        await create(world, to=LANDLINE)
    assert (refusal.value.cause, refusal.value.overridable) == (Cause.NOT_MOBILE, True)
    for _ in range(2):
        await create(world, to=LANDLINE, force=True)
    (notice,) = await world.notices(LANDLINE)
    assert (notice.kind, notice.certainty) == (NoticeKind.NOT_SMS_CAPABLE, Certainty.POSSIBLE)


async def test_who_has_opted_out_is_not_begun_with_even_once_erased(world: World) -> None:
    await world.text("STOP")
    interaction = await world.open_interaction()
    assert interaction is not None
    for _ in range(2):
        with pytest.raises(CannotSend) as refusal:
            await create(world, to=ANN, force=True)
        assert refusal.value.cause is Cause.OPTED_OUT
        await contacts.erase(world.bridge, interaction.contact_id)


async def test_a_sender_that_is_not_ours_is_refused(world: World) -> None:
    with pytest.raises(CannotSend) as refusal:
        await create(world, to=ANN, from_sender="+15005550099")
    assert refusal.value.cause is Cause.SENDER_NOT_OURS


# --- what was read


async def test_each_agent_has_read_what_was_in_their_view(world: World) -> None:
    interaction = await waiting(world)
    await world.text("two")
    await world.text("three")
    seqs = [entry.seq for entry in await world.entries() if entry.message]

    async def unread(agent: str) -> int:
        return await world.store.read(lambda tx: tx.unread_count(interaction.contact_id, agent))

    await do(world, interactions.mark_read, interaction, agent_id="amy", up_to_seq=seqs[1])
    assert (await unread("amy"), await unread("ben")) == (1, 3)
    await do(world, interactions.mark_read, interaction, agent_id="amy", up_to_seq=seqs[0])
    assert await unread("amy") == 1, "what was read stays read"
    await do(world, interactions.mark_read, interaction, agent_id="amy", up_to_seq=10**9)
    await world.text("four")
    assert await unread("amy") == 1, "nobody has read what has not come yet"


async def test_one_that_waits_again_is_taken_at_once_by_who_answers_by_itself(world: World) -> None:
    await world.text("Hello")
    interaction = await world.open_interaction()
    assert interaction is not None
    await world.write(lambda tx: interactions.end(tx, world.bridge, interaction.id))
    await world.write(lambda tx: tx.save_agent_status(AgentStatus(id="amy", name="Amy", ready=True, auto_answer=True)))
    await world.text("Anybody there?")
    taken = await world.open_interaction()
    assert taken is not None
    assert (taken.id, taken.state, taken.agent) == (interaction.id, State.ACTIVE, Agent(id="amy", name="Amy"))
