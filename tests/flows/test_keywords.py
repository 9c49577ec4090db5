"""STOP, START and HELP: honoured at once, whoever matched the word, and nothing goes out afterwards but one answer."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest

from fakes import ANN, BOB, OTHER_NUMBER, OUR_NUMBER, PlainCarrier, World, ok
from smsbridge.contracts.bridge import Policy
from smsbridge.contracts.carrier import Abilities
from smsbridge.contracts.store import Arrived
from smsbridge.domain.cause import Cause
from smsbridge.domain.errors import CannotSend, Invalid
from smsbridge.domain.interaction import EndReason, State
from smsbridge.domain.message import Certainty, NoticeKind
from smsbridge.domain.status import Status
from smsbridge.flows import contacts, outbound

MakeWorld = Callable[..., World]
CONFIRMATION = Policy().stop_confirmation


@dataclass(frozen=True, kw_only=True, slots=True)
class AnsweringCarrier(PlainCarrier):
    abilities: ClassVar[Abilities] = replace(PlainCarrier.abilities, answers_stop=True)


async def opted_out(world: World, sender: str = OUR_NUMBER) -> bool:
    state = await world.store.read(lambda tx: tx.opt_out(sender, ANN))
    return state is not None and state.opted_out


async def kinds(world: World) -> list[NoticeKind]:
    return [notice.kind for notice in await world.notices()]


def texts_sent(world: World) -> list[str]:
    return [sent["text"] for sent in world.sent()]


async def test_stop_opts_out_tells_the_agent_ends_the_interaction_and_is_confirmed_once(world: World) -> None:
    await world.text("Hello")
    await world.text("Stop.")
    await world.text("STOP")
    await world.run_due()
    assert await opted_out(world)
    assert await kinds(world) == [NoticeKind.OPTED_OUT, NoticeKind.OPTED_OUT]
    assert texts_sent(world) == [CONFIRMATION]
    interaction = await world.open_interaction()
    assert interaction is not None
    assert (interaction.state, interaction.end_reason) == (State.ENDED, EndReason.OPTED_OUT)


async def test_after_stop_nothing_is_sent_from_that_sender_but_everything_from_another(world: World) -> None:
    await world.text("STOP")
    await world.run_due()
    refusal = await world.submit(to=ANN, from_sender=OUR_NUMBER, text="Are you sure?")
    assert isinstance(refusal, CannotSend)
    assert refusal.cause is Cause.OPTED_OUT
    await world.send("Hello from the other", from_sender=OTHER_NUMBER)
    await world.run_due()
    assert texts_sent(world) == [CONFIRMATION, "Hello from the other"]


async def test_force_does_not_override_an_opt_out(world: World) -> None:
    await world.text("STOP")
    assert isinstance(await world.submit(to=ANN, text="Please", force=True), CannotSend)


async def test_a_text_that_was_waiting_when_stop_came_is_not_sent(world: World) -> None:
    await world.text("Hello")
    waiting = await world.send("How are you?")
    await world.text("STOP")
    await world.run_due()
    assert texts_sent(world) == [CONFIRMATION]
    message = await world.message(waiting.id)
    assert (message.status, message.cause) == (Status.FAILED, Cause.OPTED_OUT)
    assert await kinds(world) == [NoticeKind.OPTED_OUT, NoticeKind.OPTED_OUT]


async def test_nobody_passes_a_text_off_as_the_confirmation(world: World) -> None:
    with pytest.raises(Invalid):
        await world.submit(to=ANN, text="Buy!", metadata={outbound.SYSTEM_REASON: outbound.STOP_CONFIRMATION})


async def test_a_retry_of_the_confirmation_is_refused_like_any_other(world: World) -> None:
    world.network.answer = lambda _request: ok({"code": "blocked"}, status=400)
    await world.text("STOP")
    await world.run_due()
    (confirmation,) = [message for message in await world.messages() if message.text == CONFIRMATION]
    refusal = await world.write(lambda tx: outbound.retry(tx, world.bridge, confirmation.id))
    assert isinstance(refusal, CannotSend)


async def test_start_brings_them_back(world: World) -> None:
    await world.text("STOP")
    await world.text("start")
    assert not await opted_out(world)
    assert await kinds(world) == [NoticeKind.OPTED_OUT, NoticeKind.OPTED_IN]
    await world.send("Welcome back")
    await world.run_due()
    assert texts_sent(world)[-1] == "Welcome back"


@pytest.mark.parametrize(
    ("texts", "opted_out_at_last"),
    [
        ((("STOP", 0), ("START", 1)), False),
        ((("STOP", 0), ("START", 0)), False),  # a carrier that counts seconds: the later to come is the later
        ((("START", 0), ("STOP", 0)), True),
        ((("STOP", 1), ("START", 0)), True),
        ((("STOP", 0), ("START", 2), ("STOP", 1)), False),
        ((("STOP", 0), ("START", 1), ("STOP", 2), ("START", 1)), True),
    ],
)
async def test_what_was_said_last_by_the_carriers_clock_counts_to_the_millisecond(
    world: World, texts: tuple[tuple[str, int], ...], opted_out_at_last: bool
) -> None:
    carriers_clock = world.clock.now - 86_400_000  # a day behind ours
    for text, after_ms in texts:
        await world.text(text, at_ms=carriers_clock + after_ms)
    assert await opted_out(world) is opted_out_at_last
    last = (await kinds(world))[-1]
    assert last is (NoticeKind.OPTED_OUT if opted_out_at_last else NoticeKind.OPTED_IN), "the agent knows"


@pytest.mark.parametrize("after_ms", [-2_000, 0, 2_000])
async def test_a_start_about_which_two_clocks_do_not_agree_is_not_dropped_in_silence(
    world: World, after_ms: int
) -> None:
    """The carrier gave the STOP no time, so its clock has to be compared with ours."""
    await world.text("STOP")
    await world.text("START", at_ms=world.clock.now + after_ms)
    assert await opted_out(world)
    notice = (await world.notices())[-1]
    assert (notice.kind, notice.certainty) == (NoticeKind.OPTED_OUT, Certainty.POSSIBLE)
    assert notice.text == f"Still opted out. {ANN} sent START at about the time of the opt-out."
    world.clock.now += 1
    await world.text("START", at_ms=world.clock.now + 2_000)
    assert not await opted_out(world), "another one brings them back"


async def test_the_times_of_two_accounts_are_not_compared_with_each_other(world: World) -> None:
    await world.text("STOP", at_ms=world.clock.now)
    start = {"type": "message", "id": "late", "from": ANN, "to": OUR_NUMBER, "text": "START"}
    await world.webhook({**start, "at_ms": world.clock.now + 1}, account="second", secret="other")
    assert await opted_out(world)
    await world.webhook({**start, "id": "later", "at_ms": world.clock.now + 2_001}, account="second", secret="other")
    assert not await opted_out(world)


async def test_yes_is_a_word_to_start_with_only_for_who_has_stopped(world: World) -> None:
    await world.text("YES")
    assert await kinds(world) == []
    await world.text("STOP")
    await world.text("yes")
    assert not await opted_out(world)


async def test_a_keyword_inside_a_sentence_is_none(world: World) -> None:
    await world.text("Please stop by tomorrow")
    assert not await opted_out(world)


async def test_help_is_answered_where_an_answer_is_configured(make_world: MakeWorld) -> None:
    world = make_world(policy=Policy(help_answer="Call us at +1 500 555 0006."))
    await world.text("HELP")
    await world.run_due()
    assert texts_sent(world) == ["Call us at +1 500 555 0006."]


async def test_help_is_not_answered_to_who_has_stopped(make_world: MakeWorld) -> None:
    world = make_world(policy=Policy(help_answer="Call us."))
    await world.text("STOP")
    await world.text("HELP")
    await world.run_due()
    assert texts_sent(world) == [CONFIRMATION]
    assert NoticeKind.SERVICE_PROBLEM not in await kinds(world)


async def test_a_carrier_that_confirms_by_itself_is_left_to_do_so(make_world: MakeWorld) -> None:
    world = make_world(carrier=AnsweringCarrier())
    await world.text("STOP")
    await world.run_due()
    assert await opted_out(world)
    assert texts_sent(world) == []


async def test_a_keyword_that_the_carrier_matched_is_honoured_and_was_answered_there(world: World) -> None:
    await world.text("ARRETEZ TOUT", opt_out="stop")
    await world.run_due()
    assert await opted_out(world)
    assert texts_sent(world) == []


@pytest.mark.parametrize("known", [True, False])
async def test_a_carriers_word_apart_from_any_text_is_honoured(world: World, known: bool) -> None:
    if known:
        await world.text("Hello")
    stop = {"type": "opt_out", "kind": "stop", "from": ANN, "to": OUR_NUMBER}
    assert (await world.webhook(stop)).outcomes == ((Arrived.STORED, "opt_out"),)
    assert (await world.webhook(stop)).outcomes == ((Arrived.DUPLICATE, "opt_out"),)
    assert await opted_out(world)
    assert await kinds(world) == ([NoticeKind.OPTED_OUT] if known else [])
    assert (await world.webhook({**stop, "kind": "start"})).outcomes == ((Arrived.STORED, "opt_out"),)
    assert not await opted_out(world)
    assert (await world.webhook({**stop, "kind": "help"})).outcomes == ((Arrived.IGNORED, "help"),)


async def test_an_agent_can_mark_an_opt_out_said_in_other_words(world: World) -> None:
    await world.text("Would you please never write to me again")
    contact = await world.store.read(lambda tx: tx.contact_by_number(ANN))
    assert contact is not None

    async def mark(opted_out: bool) -> None:
        await world.write(
            lambda tx: contacts.set_opt_out(
                tx, world.bridge, contact.id, sender=OUR_NUMBER, opted_out=opted_out, by="amy"
            )
        )

    await mark(True)
    await mark(True)
    await world.run_due()
    assert await opted_out(world)
    assert await kinds(world) == [NoticeKind.OPTED_OUT]
    assert texts_sent(world) == []
    await mark(False)
    assert not await opted_out(world)


async def test_two_contacts_who_stop_in_the_same_moment_are_told_of_both(world: World) -> None:
    await world.text("Hello", sender=ANN)
    await world.text("Hello", sender=BOB)
    stop = {"type": "opt_out", "kind": "stop", "to": OUR_NUMBER}
    await world.webhook({**stop, "from": ANN}, {**stop, "from": BOB})
    assert len(await world.notices(ANN)) == len(await world.notices(BOB)) == 1


@pytest.mark.parametrize("ahead_ms", [3_600_000, 10**13])
async def test_a_time_still_to_come_holds_no_stop_back_and_no_start_in_silence(world: World, ahead_ms: int) -> None:
    """A carrier's clock that was wrong once must not decide until then what a contact wants."""
    await world.text("START", at_ms=world.clock.now + ahead_ms)
    world.clock.now += 60_000
    await world.text("STOP", at_ms=world.clock.now - 1_000)
    assert await opted_out(world)
    world.clock.now += 60_000
    await world.text("STOP", at_ms=world.clock.now + ahead_ms)
    world.clock.now += 60_000
    await world.text("START", at_ms=world.clock.now - 1_000)
    assert await opted_out(world)
    notice = (await world.notices())[-1]
    assert (notice.kind, notice.certainty) == (NoticeKind.OPTED_OUT, Certainty.POSSIBLE)
