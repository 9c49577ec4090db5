"""A text from an agent: what can be known at once is refused at once, with cause and notice; the rest is queued."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import pytest

from fakes import ANN, BOB, OTHER_NUMBER, OUR_NUMBER, PlainCarrier, World, lost, ok
from smsbridge.contracts.bridge import Policy
from smsbridge.contracts.carrier import Abilities
from smsbridge.domain.cause import Cause
from smsbridge.domain.errors import CannotSend, Conflict, Invalid, NotFound
from smsbridge.domain.interaction import State
from smsbridge.domain.journal import EventType
from smsbridge.domain.message import (
    Agent,
    Attachment,
    AttachmentId,
    AttachmentState,
    Certainty,
    Direction,
    Interaction,
    Message,
    NoticeKind,
)
from smsbridge.domain.status import Status
from smsbridge.flows import interactions, outbound
from smsbridge.flows.numbers import learn_incapable
from smsbridge.flows.outbound import MediaItem

MakeWorld = Callable[..., World]
AMY, BEN = Agent(id="amy", name="Amy"), Agent(id="ben", name="Ben")
LANDLINE = "+493012345678"


@dataclass(frozen=True, kw_only=True, slots=True)
class TextOnlyCarrier(PlainCarrier):
    abilities: ClassVar[Abilities] = replace(PlainCarrier.abilities, media=False, max_media=0)


async def talking(world: World) -> Interaction:
    """An interaction with Ann, taken by Amy."""
    await world.text("Hello")
    interaction = await world.open_interaction()
    assert interaction is not None
    taken: Interaction = await world.write(lambda tx: interactions.accept(tx, world.bridge, interaction.id, AMY))
    return taken


async def upload(world: World, content_type: str = "image/png") -> str:
    kept = Attachment(
        id=AttachmentId(world.bridge.ids.new("att_")),
        direction=Direction.OUTBOUND,
        state=AttachmentState.STORED,
        content_type=content_type,
        size_bytes=10,
        sha256="a" * 64,
    )
    await world.write(lambda tx: tx.insert_attachment(kept))
    return kept.id


# --- accepted


async def test_an_accepted_text_is_queued_and_in_the_transcript_before_anybody_is_told(world: World) -> None:
    message = await world.send(
        "How are you?", agent=AMY, client_reference="ref1", metadata={"case": 7}, from_sender=OUR_NUMBER
    )
    kept = await world.message(message.id)
    assert (kept.status, kept.text, kept.agent, kept.client_reference) == (Status.QUEUED, "How are you?", AMY, "ref1")
    assert kept.metadata == {"case": 7}
    assert [entry.message.id for entry in await world.entries() if entry.message] == [message.id]
    events = await world.store.read(lambda tx: tx.events_after(0, 10))
    assert [event.type for event in events] == [
        EventType.INTERACTION_OPENED,
        EventType.CONTACT_UPDATED,  # a contact of nobody's is now theirs
        EventType.MESSAGE_CREATED,
    ]
    assert world.network.requests == []


async def test_writing_first_opens_an_active_interaction_of_the_agent(world: World) -> None:
    await world.send(agent=AMY)
    interaction = await world.open_interaction()
    assert interaction is not None
    assert (interaction.state, interaction.direction, interaction.agent) == (State.ACTIVE, Direction.OUTBOUND, AMY)


async def test_writing_into_a_waiting_interaction_takes_it(world: World) -> None:
    await world.text("Hello")
    message = await world.send(agent=AMY)
    interaction = await world.open_interaction()
    assert interaction is not None
    assert (interaction.id, interaction.state, interaction.agent) == (message.interaction_id, State.ACTIVE, AMY)


async def test_a_program_without_an_agent_takes_nothing(world: World) -> None:
    await world.text("Hello")
    await world.send("We will be with you soon.")
    interaction = await world.open_interaction()
    assert interaction is not None
    assert interaction.state is State.WAITING


async def test_writing_before_done_makes_the_interaction_active_again(world: World) -> None:
    interaction = await talking(world)
    await world.write(lambda tx: interactions.end(tx, world.bridge, interaction.id))
    message = await world.send(interaction_id=interaction.id, agent=AMY)
    again = await world.open_interaction()
    assert again is not None
    assert (again.id, again.state, message.interaction_id) == (interaction.id, State.ACTIVE, interaction.id)


async def test_without_from_it_goes_out_by_the_sender_last_talked_with(world: World) -> None:
    await world.text("Hello", to=OTHER_NUMBER)
    assert (await world.send()).sender == OTHER_NUMBER
    world.clock.now += 1
    await world.text("Hello", to=OUR_NUMBER)
    assert (await world.send()).sender == OUR_NUMBER


async def test_a_stranger_is_written_from_the_default_of_the_desktop(world: World) -> None:
    desktop = replace(world.bridge.desktops["desk"], default_sender=OTHER_NUMBER)
    world.bridge = replace(world.bridge, desktops={"desk": desktop})
    assert (await world.send()).sender == OTHER_NUMBER


async def test_a_long_text_goes_out_in_parts_that_are_the_text(world: World) -> None:
    text = "word " * 200
    message = await world.send(text)
    await world.run_due()
    parts = await world.parts(message.id)
    assert len(parts) == 4
    assert "".join(part.text for part in parts) == text
    assert [sent["text"] for sent in world.sent()] == [part.text for part in parts]
    assert [sent["ref"] for sent in world.sent()] == [f"{message.id}.{number}.1" for number in (1, 2, 3, 4)]


# --- refused at once


async def test_everything_that_can_be_known_at_once_is_refused_at_once_with_cause_and_notice(world: World) -> None:
    interaction = await talking(world)
    pdf, text_file = await upload(world, "application/pdf"), await upload(world, "text/plain")
    refused: list[tuple[dict[str, Any], Cause, NoticeKind, str]] = [
        ({"text": "x", "from_sender": "+15005550099"}, Cause.SENDER_NOT_OURS, NoticeKind.WRONG_SENDER_NUMBER, "/from"),
        ({"text": "x", "from_sender": OTHER_NUMBER}, Cause.SENDER_MISMATCH, NoticeKind.WRONG_SENDER_NUMBER, "/from"),
        ({"text": ""}, Cause.CONTENT_REJECTED, NoticeKind.CONTENT_REJECTED, "/text"),
        ({"text": " \n"}, Cause.CONTENT_REJECTED, NoticeKind.CONTENT_REJECTED, "/text"),
        ({"text": "x" * 10_001}, Cause.CONTENT_REJECTED, NoticeKind.CONTENT_REJECTED, "/text"),
        (
            {"media": (MediaItem(attachment_id=pdf),) * 4},
            Cause.MEDIA_REJECTED,
            NoticeKind.ATTACHMENT_REFUSED,
            "/media",
        ),
        (
            {"media": (MediaItem(attachment_id=pdf), MediaItem(attachment_id=text_file))},
            Cause.MEDIA_REJECTED,
            NoticeKind.ATTACHMENT_REFUSED,
            "/media/1",
        ),
    ]
    for number, (draft, cause, kind, field) in enumerate(refused, start=1):
        refusal = await world.submit(interaction_id=interaction.id, agent=AMY, **draft)
        assert isinstance(refusal, CannotSend), draft
        assert (refusal.cause, refusal.notice, refusal.field) == (cause, kind, field)
        notices = await world.notices()
        assert len(notices) == number, "one notice for each refusal"
        assert (notices[-1].kind, notices[-1].cause, notices[-1].certainty) == (kind, cause, Certainty.CERTAIN)
    assert await world.run_due() == 0
    assert len(await world.messages()) == 1


async def test_a_carrier_without_pictures_takes_none(make_world: MakeWorld) -> None:
    world = make_world(carrier=TextOnlyCarrier())
    interaction = await talking(world)
    refusal = await world.submit(interaction_id=interaction.id, media=(MediaItem(url="https://files.example/a.png"),))
    assert isinstance(refusal, CannotSend)
    assert (refusal.cause, refusal.notice) == (Cause.MEDIA_REJECTED, NoticeKind.ATTACHMENT_REFUSED)


async def test_an_attachment_that_nobody_uploaded_is_invalid(world: World) -> None:
    with pytest.raises(Invalid):
        await world.submit(to=ANN, media=(MediaItem(attachment_id="att_nothing"),))


async def test_an_address_that_no_file_can_come_from_is_refused_at_once(world: World) -> None:
    with pytest.raises(Invalid) as refused:
        await world.submit(to=ANN, media=(MediaItem(url="https://e.example/a.png"), MediaItem(url="http://[::1")))
    assert refused.value.errors[0].pointer == "/media/1/url"
    assert await world.messages() == []


@pytest.mark.parametrize("to", ["5550142", "+1 500", "nobody", "+10000000000000000"])
async def test_what_is_no_number_is_refused_with_the_reason(world: World, to: str) -> None:
    refusal = await world.submit(to=to, text="Hello")
    assert isinstance(refusal, CannotSend)
    assert (refusal.cause, refusal.notice, refusal.field) == (
        Cause.INVALID_NUMBER,
        NoticeKind.NOT_SMS_CAPABLE,
        "/to",
    )
    assert to not in str(refusal)


async def test_a_landline_is_warned_of_before_anything_is_opened_and_force_overrides(world: World) -> None:
    refusal = await world.submit(to=LANDLINE, text="Hello")
    assert isinstance(refusal, CannotSend)
    assert (refusal.cause, refusal.overridable) == (Cause.NOT_MOBILE, True)
    assert await world.open_interaction(LANDLINE) is None
    await world.send("Hello", to=LANDLINE, force=True)
    await world.run_due()
    assert len(world.sent()) == 1


async def test_what_receipts_taught_us_of_a_number_warns_until_it_is_forgotten(world: World) -> None:
    interaction = await talking(world)
    await world.write(lambda tx: learn_incapable(tx, world.bridge, ANN, "It cannot.", valid=True))
    refusal = await world.submit(interaction_id=interaction.id, agent=AMY, text="Hello?")
    assert isinstance(refusal, CannotSend)
    (notice,) = await world.notices()
    assert (notice.kind, notice.certainty) == (NoticeKind.NOT_SMS_CAPABLE, Certainty.POSSIBLE)
    world.clock.now += world.bridge.policy.capability_memory_ms + 1
    await world.send(interaction_id=interaction.id, agent=AMY)


async def test_a_refusal_by_number_is_told_in_the_interaction_that_is_open_with_it(world: World) -> None:
    await talking(world)
    assert isinstance(await world.submit(to=ANN, text=""), CannotSend)
    assert [notice.kind for notice in await world.notices()] == [NoticeKind.CONTENT_REJECTED]


async def test_nobody_to_send_to_is_invalid(world: World) -> None:
    with pytest.raises(Invalid):
        await world.submit(text="Hello")
    with pytest.raises(NotFound):
        await world.submit(text="Hello", interaction_id="int_nothing")


async def test_the_number_must_be_that_of_the_interaction(world: World) -> None:
    interaction = await talking(world)
    with pytest.raises(Invalid):
        await world.submit(interaction_id=interaction.id, to=BOB, text="Hello")
    await world.send(interaction_id=interaction.id, agent=AMY)


async def test_another_agents_interaction_is_not_written_into(world: World) -> None:
    interaction = await talking(world)
    with pytest.raises(Conflict) as conflict:
        await world.submit(interaction_id=interaction.id, agent=BEN, text="Hello")
    assert conflict.value.code == "owned_by_another"


async def test_a_done_interaction_is_not_written_into_and_a_new_one_can_be_made(world: World) -> None:
    interaction = await talking(world)
    await world.write(
        lambda tx: interactions.mark_done(tx, world.bridge, interaction.id, agent=AMY, disposition="", note="")
    )
    with pytest.raises(Conflict) as conflict:
        await world.submit(interaction_id=interaction.id, text="Hello")
    assert conflict.value.code == "interaction_done"
    message = await world.send(agent=AMY)
    assert message.conversation_id == interaction.conversation_id
    assert message.interaction_id != interaction.id


async def test_where_ended_stays_ended_the_agents_text_is_refused_with_a_word_for_it(make_world: MakeWorld) -> None:
    world = make_world(policy=Policy(asynchronous=False))
    interaction = await talking(world)
    await world.write(lambda tx: interactions.end(tx, world.bridge, interaction.id))
    with pytest.raises(Conflict) as conflict:
        await world.submit(interaction_id=interaction.id, text="Hello")
    assert conflict.value.code == "interaction_ended"


async def test_an_ended_interaction_with_a_newer_one_is_not_written_into(make_world: MakeWorld) -> None:
    """As it is after ended interactions stayed ended, and then no longer."""
    world = make_world(policy=Policy(asynchronous=False))
    old = await talking(world)
    await world.write(lambda tx: interactions.end(tx, world.bridge, old.id))
    await world.text("Hello again")
    world.bridge = replace(world.bridge, policy=Policy(asynchronous=True))
    with pytest.raises(Conflict) as conflict:
        await world.submit(interaction_id=old.id, text="Hello")
    assert conflict.value.code == "not_newest"


# --- taken back


async def test_a_queued_text_can_be_taken_back_and_never_leaves(world: World) -> None:
    message = await world.send()
    cancelled = await world.write(lambda tx: outbound.cancel(tx, world.bridge, message.id))
    assert cancelled.status is Status.CANCELLED
    again = await world.write(lambda tx: outbound.cancel(tx, world.bridge, message.id))
    assert again.status is Status.CANCELLED
    await world.run_due()
    assert world.sent() == []


async def test_a_text_that_is_leaving_cannot_be_taken_back(world: World) -> None:
    message = await world.send()
    claimed = await world.claim()
    assert claimed is not None
    with pytest.raises(Conflict) as conflict:
        await world.write(lambda tx: outbound.cancel(tx, world.bridge, message.id))
    assert conflict.value.code == "not_cancellable"
    await world.finish(*claimed)
    assert (await world.message(message.id)).status is Status.SENT


async def test_a_text_waiting_for_its_next_attempt_can_be_taken_back_and_the_next_one_goes(world: World) -> None:
    world.network.answer = lambda _request: ok({"after_s": 60}, status=429)
    first, second = await world.send("first"), await world.send("second")
    await world.run_due()
    await world.write(lambda tx: outbound.cancel(tx, world.bridge, first.id))
    world.network.answer = lambda _request: ok({"id": "C"})
    world.clock.now += 60_000
    await world.run_due()
    assert [sent["text"] for sent in world.sent()] == ["first", "second"]
    assert [(await world.message(each.id)).status for each in (first, second)] == [Status.CANCELLED, Status.SENT]


async def test_only_our_own_texts_are_taken_back_or_tried_again(world: World) -> None:
    await world.text("Hello")
    (inbound,) = await world.messages()
    for act in (outbound.cancel, outbound.retry):
        with pytest.raises(NotFound):
            await world.write(lambda tx, act=act: act(tx, world.bridge, inbound.id))


# --- tried again


async def test_a_retry_goes_on_with_the_part_that_failed(world: World) -> None:
    answers = iter([ok({"id": "C1"}), ok({"code": "filtered"}, status=400), ok({"id": "C2"}), ok({"id": "C3"})])
    world.network.answer = lambda _request: next(answers)
    message = await world.send("word " * 150)
    await world.run_due()
    assert [part.status for part in await world.parts(message.id)] == [Status.SENT, Status.FAILED, Status.FAILED]
    retried = await world.write(lambda tx: outbound.retry(tx, world.bridge, message.id))
    assert isinstance(retried, Message)
    await world.run_due()
    assert [part.status for part in await world.parts(message.id)] == [Status.SENT] * 3
    assert [sent["ref"].partition(".")[2] for sent in world.sent()] == ["1.1", "2.1", "2.2", "3.1"]
    assert (await world.message(message.id)).status is Status.SENT


async def test_only_what_failed_or_is_uncertain_can_be_tried_again(world: World) -> None:
    message = await world.send()
    for expected in (Status.QUEUED, Status.SENT):
        assert (await world.message(message.id)).status is expected
        with pytest.raises(Conflict) as conflict:
            await world.write(lambda tx: outbound.retry(tx, world.bridge, message.id))
        assert conflict.value.code == "not_retryable"
        await world.run_due()


async def test_an_uncertain_text_can_be_sent_again_by_a_person(world: World) -> None:
    world.network.answer = lambda _request: lost()
    message = await world.send()
    await world.run_due()
    assert (await world.message(message.id)).status is Status.UNCERTAIN
    world.network.answer = lambda _request: ok({"id": "C2"})
    await world.write(lambda tx: outbound.retry(tx, world.bridge, message.id))
    await world.run_due()
    assert (await world.message(message.id)).status is Status.SENT
    world.clock.now += 3_600_000
    await world.run_due()
    assert await world.notices() == []  # nobody looks for it any more


async def test_a_retry_in_a_done_interaction_is_refused(world: World) -> None:
    world.network.answer = lambda _request: ok({"code": "blocked"}, status=400)
    message = await world.send()
    await world.run_due()
    await world.write(
        lambda tx: interactions.mark_done(tx, world.bridge, message.interaction_id, agent=None, disposition="", note="")
    )
    with pytest.raises(Conflict):
        await world.write(lambda tx: outbound.retry(tx, world.bridge, message.id))


async def test_a_retry_that_fails_before_it_comes_to_a_try_is_told_again(world: World) -> None:
    message = await world.send()
    for told in (1, 2, 3):
        world.clock.now += 4 * 3_600_000
        await world.run_due()
        assert (await world.message(message.id)).status is Status.FAILED
        assert len(await world.notices()) == told
        await world.write(lambda tx: outbound.retry(tx, world.bridge, message.id))
