"""A text whose answer was lost is settled by proof, by a person, or not at all: never by a guess."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import pytest

from fakes import ANN, OUR_NUMBER, PlainCarrier, World, lost, ok, refused
from smsbridge.contracts.bridge import Policy, UncertainPolicy
from smsbridge.contracts.carrier import Abilities
from smsbridge.domain.cause import Cause
from smsbridge.domain.errors import Conflict, NotFound
from smsbridge.domain.message import Message, NoticeKind
from smsbridge.domain.status import Status
from smsbridge.flows.settling import settle_by_word
from smsbridge.wire.http import Answered, Performed, Request, Response

MINUTE_MS = 60_000
HOUR_MS = 3_600_000

MakeWorld = Callable[..., World]

NOT_LISTED = Answered(response=Response(status=404), elapsed_ms=1)
TWO_CANDIDATES = Answered(response=Response(status=300), elapsed_ms=1)
FAILING = Answered(response=Response(status=500), elapsed_ms=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class RepeatSafe(PlainCarrier):
    """A send under the same reference is one text, for a day."""

    abilities: ClassVar[Abilities] = replace(PlainCarrier.abilities, repeat_safe_ms=24 * HOUR_MS)


def answering(world: World, *, send: Performed, find: Performed = NOT_LISTED) -> None:
    def answer(request: Request) -> Performed:
        return find if "/find" in request.url else send

    world.network.answer = answer


async def uncertain(world: World, text: str = "Hello", **draft: Any) -> Message:
    """A text that has just left, nobody knows whereto."""
    answering(world, send=lost())
    message = await world.send(text, **draft)
    await world.run_due()
    assert await status(world, message) is Status.UNCERTAIN
    return message


async def status(world: World, message: Message) -> Status:
    return (await world.message(message.id)).status


async def minutes(world: World, count: float) -> None:
    for _ in range(round(count * 12)):
        world.clock.now += 5_000
        await world.run_due()


async def say(world: World, message: Message, *, was_sent: bool) -> Message:
    said: Message = await world.write(lambda tx: settle_by_word(tx, world.bridge, message.id, was_sent=was_sent))
    return said


# --- by asking


@pytest.mark.parametrize("policy", ["hold", "resend_if_absent", "resend"])
async def test_two_candidates_stay_uncertain_whatever_the_policy_and_the_reason_is_told(
    make_world: MakeWorld, policy: UncertainPolicy
) -> None:
    world = make_world(policy=Policy(uncertain=policy))
    message = await uncertain(world)
    answering(world, send=ok({"id": "C2"}), find=TWO_CANDIDATES)
    await minutes(world, 6)
    assert await status(world, message) is Status.UNCERTAIN
    (notice,) = await world.notices()
    assert "The carrier has 2 messages that could be this one." in notice.admin_text
    assert len(world.sent("/send")) == 1


@pytest.mark.parametrize(
    ("looks", "resent_after_s"),
    [
        ("absent absent absent absent", 305),
        ("failing absent absent absent", 360),
        ("absent failing failing absent", 305),
        ("absent candidates absent absent", 600),
        ("absent absent candidates absent", None),
        ("absent absent failing failing", None),
    ],
)
async def test_what_counts_as_absent_was_not_listed_twice_with_five_minutes_between(
    make_world: MakeWorld, looks: str, resent_after_s: int | None
) -> None:
    """Looks are at 5 s, 1 min, 5 min, and five minutes after the first that found nothing."""
    world = make_world(policy=Policy(uncertain="resend_if_absent"))
    message = await uncertain(world)
    said = {"absent": NOT_LISTED, "failing": FAILING, "candidates": TWO_CANDIDATES}
    answers = iter([said[word] for word in looks.split()])

    def answer(request: Request) -> Performed:
        return next(answers, NOT_LISTED) if "/find" in request.url else ok({"id": "C2"})

    world.network.answer = answer
    for second in range(5, 900, 5):
        await minutes(world, 1 / 12)
        if await status(world, message) is Status.SENT:
            assert second == resent_after_s
            break
    else:
        assert resent_after_s is None
        assert [notice.kind for notice in await world.notices()] == [NoticeKind.DELIVERY_UNCERTAIN]
    assert len(world.sent("/send")) == (1 if resent_after_s is None else 2)


async def test_after_a_long_stop_one_look_that_finds_nothing_is_not_enough(make_world: MakeWorld) -> None:
    world = make_world(policy=Policy(uncertain="resend_if_absent"))
    message = await uncertain(world)
    world.clock.now += HOUR_MS
    await world.run_due()
    assert await status(world, message) is Status.UNCERTAIN
    answering(world, send=ok({"id": "C2"}))
    await minutes(world, 5)
    assert await status(world, message) is Status.SENT


# --- by saying it once more, where that makes no second text


async def test_where_a_repeat_is_safe_the_same_send_tells_what_became_of_it(make_world: MakeWorld) -> None:
    world = make_world(carrier=RepeatSafe())
    message = await uncertain(world)
    answering(world, send=ok({"id": "C7"}))
    world.clock.now += 5_000
    await world.run_due()
    assert [part.carrier_message_id for part in await world.parts(message.id)] == ["C7"]
    first, again = world.sent("/send")
    assert first == again, "the same reference, the same text"
    assert not world.sent("/find")


async def test_a_repeat_that_is_refused_shows_that_the_first_was_as_well(make_world: MakeWorld) -> None:
    world = make_world(carrier=RepeatSafe())
    message = await uncertain(world)
    answering(world, send=ok({"code": "blocked"}))
    world.clock.now += 5_000
    await world.run_due()
    assert (await world.message(message.id)).cause is Cause.BLOCKED
    assert [notice.kind for notice in await world.notices()] == [NoticeKind.UNDELIVERED]


@pytest.mark.parametrize(
    "answer", [lost(), refused(), Answered(response=Response(status=429, body=b"{}"), elapsed_ms=1)]
)
async def test_a_repeat_that_tells_nothing_is_made_at_each_time_and_then_the_agent_decides(
    make_world: MakeWorld, answer: Performed
) -> None:
    world = make_world(carrier=RepeatSafe())
    message = await uncertain(world)
    answering(world, send=answer)
    await minutes(world, 6)
    assert len(world.sent("/send")) == 4
    assert await status(world, message) is Status.UNCERTAIN
    assert [notice.kind for notice in await world.notices()] == [NoticeKind.DELIVERY_UNCERTAIN]


@pytest.mark.parametrize("why", ["the window has passed", "the contact opted out"])
async def test_where_a_repeat_could_be_a_second_text_or_an_unwanted_one_the_carrier_is_asked_instead(
    make_world: MakeWorld, why: str
) -> None:
    world = make_world(carrier=RepeatSafe())
    message = await uncertain(world)
    if why == "the window has passed":
        world.clock.now += 24 * HOUR_MS
    else:
        await world.write(lambda tx: tx.set_opt_out(OUR_NUMBER, ANN, opted_out=True, at_ms=world.clock.now))
    answering(world, send=ok({"id": "C7"}), find=ok({"id": "C1"}))
    world.clock.now += 5_000
    await world.run_due()
    assert len(world.sent("/send")) == 1
    assert [part.carrier_message_id for part in await world.parts(message.id)] == ["C1"]


# --- by the word of a person


async def test_what_was_sent_by_somebodys_word_is_sent_and_receipts_go_on_from_there(world: World) -> None:
    message = await uncertain(world)
    assert (await say(world, message, was_sent=True)).status is Status.SENT
    await minutes(world, 6)
    assert await world.notices() == []
    assert not world.sent("/find"), "there is nothing left to ask"
    await world.webhook({"type": "receipt", "id": "C1", "ref": f"{message.id}.1.1", "status": "delivered"})
    assert await status(world, message) is Status.DELIVERED


async def test_what_was_not_sent_by_somebodys_word_is_sent_again(world: World) -> None:
    message = await uncertain(world)
    answering(world, send=ok({"id": "C2"}))
    assert (await say(world, message, was_sent=False)).status is Status.QUEUED
    await minutes(world, 6)
    assert await status(world, message) is Status.SENT
    assert [sent["ref"].rpartition(".")[2] for sent in world.sent("/send")] == ["1", "2"]


async def test_what_was_not_sent_and_is_too_old_by_now_fails_and_is_told(world: World) -> None:
    message = await uncertain(world)
    world.clock.now += 5 * HOUR_MS
    await world.run_due()
    said = await say(world, message, was_sent=False)
    assert (said.status, said.cause) == (Status.FAILED, Cause.EXPIRED)
    assert [notice.kind for notice in await world.notices()] == [
        NoticeKind.DELIVERY_UNCERTAIN,
        NoticeKind.UNDELIVERED,
    ]
    assert len(world.sent("/send")) == 1


@pytest.mark.parametrize("was_sent", [True, False])
async def test_saying_it_twice_changes_nothing_more(world: World, was_sent: bool) -> None:
    message = await uncertain(world)
    said = await say(world, message, was_sent=was_sent)
    newest = await world.store.read(lambda tx: tx.event_bounds())
    assert await say(world, message, was_sent=was_sent) == said
    assert await world.store.read(lambda tx: tx.event_bounds()) == newest
    answering(world, send=ok({"id": "C2"}))
    await minutes(world, 6)
    assert len(world.sent("/send")) == (1 if was_sent else 2)


async def test_what_is_not_uncertain_is_left_alone_with_a_word_on_what_it_is(world: World) -> None:
    message = await world.send()
    await world.run_due()
    await world.webhook({"type": "receipt", "id": "C1", "status": "delivered"})
    with pytest.raises(Conflict, match="It is not uncertain: it was delivered"):
        await say(world, message, was_sent=False)
    assert await status(world, message) is Status.DELIVERED
    await world.text("Hi")
    for unknown in ("msg_nobody", (await world.messages())[-1].id):
        with pytest.raises(NotFound):
            await say(world, replace(message, id=unknown), was_sent=True)  # type: ignore[arg-type]


async def test_the_parts_behind_one_that_was_sent_by_somebodys_word_go_out(world: World) -> None:
    message = await uncertain(world, "word " * 100)
    answering(world, send=ok({"id": "C2"}))
    await say(world, message, was_sent=True)
    await world.run_due()
    assert [part.status for part in await world.parts(message.id)] == [Status.SENT, Status.SENT]
    assert len(world.sent("/send")) == 2


@pytest.mark.parametrize("was_sent", [True, False])
async def test_a_look_that_was_under_way_does_not_undo_what_somebody_said(world: World, was_sent: bool) -> None:
    message = await uncertain(world)
    world.clock.now += 5_000
    claimed = await world.claim()
    assert claimed is not None
    await say(world, message, was_sent=was_sent)
    answering(world, send=ok({"id": "C2"}), find=ok({"id": "C1"}))
    await world.finish(*claimed)
    await minutes(world, 6)
    assert await status(world, message) is Status.SENT
    assert len(world.sent("/send")) == 1, "it was found before it was sent again"


async def test_it_is_told_to_whoever_follows_the_log(world: World) -> None:
    message = await uncertain(world)
    _, before = await world.store.read(lambda tx: tx.event_bounds())
    await say(world, message, was_sent=True)
    events = await world.store.read(lambda tx: tx.events_after(before, 10))
    assert [(event.type, event.message_id) for event in events] == [("message.status", message.id)]
