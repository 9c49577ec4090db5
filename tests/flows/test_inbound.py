"""A carrier's webhook: everything that arrives has one recorded outcome, and a text lands where it belongs."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar

import pytest

from fakes import ANN, BOB, OTHER_NUMBER, OUR_NUMBER, START_MS, PlainCarrier, World
from smsbridge.contracts.bridge import Account, Policy, Retention
from smsbridge.contracts.disk import Room
from smsbridge.contracts.store import Arrival, Arrived
from smsbridge.domain.errors import BadSignature, CannotSend, Conflict, NotFound, Unauthenticated
from smsbridge.domain.interaction import State
from smsbridge.domain.journal import EntryKind, EventType
from smsbridge.domain.message import Agent, NoticeKind
from smsbridge.domain.status import Status
from smsbridge.flows import inbound, interactions
from smsbridge.flows.numbers import learn_incapable
from smsbridge.flows.receipts import write_part_ref
from smsbridge.wire.http import Headers, Request, Response

MakeWorld = Callable[..., World]


def text(carrier_id: str, **more: Any) -> dict[str, Any]:
    return {"type": "message", "id": carrier_id, "from": ANN, "to": OUR_NUMBER, "text": "Hello", **more}


async def arrivals(world: World, outcome: Arrived | None = None) -> list[Arrival]:
    return await world.store.read(lambda tx: tx.list_arrivals(outcome=outcome, limit=1_000))


async def accept(world: World, interaction_id: str, agent: str = "amy") -> None:
    await world.write(lambda tx: interactions.accept(tx, world.bridge, interaction_id, Agent(id=agent)))


async def done(world: World, interaction_id: str) -> None:
    await world.write(
        lambda tx: interactions.mark_done(tx, world.bridge, interaction_id, agent=None, disposition="", note="")
    )


# --- where a text lands


async def test_a_first_text_makes_contact_conversation_and_a_waiting_interaction(world: World) -> None:
    report = await world.text("Hello")
    assert report.outcomes == ((Arrived.STORED, "message"),)
    assert report.response.status == 204
    interaction = await world.open_interaction()
    assert interaction is not None
    assert (interaction.state, interaction.contact_number, interaction.sender) == (State.WAITING, ANN, OUR_NUMBER)
    assert [entry.kind for entry in await world.entries()] == [EntryKind.INTERACTION, EntryKind.MESSAGE]
    (message,) = await world.messages()
    assert (message.text, message.interaction_id, message.segments) == ("Hello", interaction.id, 1)


async def test_the_next_text_joins_the_open_interaction(world: World) -> None:
    await world.text("one")
    first = await world.open_interaction()
    await world.text("two")
    assert first is not None
    assert {message.interaction_id for message in await world.messages()} == {first.id}


async def test_a_text_before_done_makes_the_same_interaction_active_again_for_its_agent(world: World) -> None:
    await world.text("one")
    first = await world.open_interaction()
    assert first is not None
    await accept(world, first.id)
    await world.write(lambda tx: interactions.end(tx, world.bridge, first.id))
    await world.text("two")
    again = await world.open_interaction()
    assert again is not None
    assert (again.id, again.state, again.reactivations) == (first.id, State.ACTIVE, 1)
    assert again.agent == Agent(id="amy")
    assert (again.ended_at_ms, again.end_reason) == (None, None)


async def test_an_interaction_nobody_ever_took_waits_again(world: World) -> None:
    await world.text("one")
    first = await world.open_interaction()
    assert first is not None
    await world.write(lambda tx: interactions.end(tx, world.bridge, first.id))
    await world.text("two")
    again = await world.open_interaction()
    assert again is not None
    assert (again.id, again.state) == (first.id, State.WAITING)


async def test_a_text_after_done_opens_a_new_interaction_in_the_same_conversation(world: World) -> None:
    await world.text("one")
    first = await world.open_interaction()
    assert first is not None
    await done(world, first.id)
    await world.text("two")
    second = await world.open_interaction()
    assert second is not None
    assert second.id != first.id
    assert second.conversation_id == first.conversation_id
    assert [message.text for message in await world.messages()] == ["one", "two"]


async def test_where_ended_stays_ended_a_text_opens_a_new_interaction(make_world: MakeWorld) -> None:
    world = make_world(policy=Policy(asynchronous=False))
    await world.text("one")
    first = await world.open_interaction()
    assert first is not None
    await world.write(lambda tx: interactions.end(tx, world.bridge, first.id))
    await world.text("two")
    second = await world.open_interaction()
    assert second is not None
    assert (second.id != first.id, second.state) == (True, State.WAITING)


async def test_two_senders_are_two_conversations_of_one_contact(world: World) -> None:
    await world.text("to one", to=OUR_NUMBER)
    await world.text("to the other", to=OTHER_NUMBER)
    one, other = await world.open_interaction(), await world.open_interaction(sender=OTHER_NUMBER)
    assert one is not None
    assert other is not None
    assert one.contact_id == other.contact_id
    assert one.conversation_id != other.conversation_id


# --- once


async def test_a_repeat_is_a_duplicate_and_answered_as_before(world: World) -> None:
    first = await world.text("Hello", carrier_id="c1")
    again = await world.text("Hello", carrier_id="c1")
    assert again.outcomes == ((Arrived.DUPLICATE, "message"),)
    assert again.response == first.response
    assert len(await world.messages()) == 1


async def test_fifty_simultaneous_repeats_make_one_message(world: World) -> None:
    reports = await asyncio.gather(*(world.text("Hello", carrier_id="c1") for _ in range(50)))
    assert Counter(outcome for report in reports for outcome, _ in report.outcomes) == {
        Arrived.STORED: 1,
        Arrived.DUPLICATE: 49,
    }
    assert len(await world.messages()) == 1


async def test_the_same_carrier_id_in_another_account_is_another_text(world: World) -> None:
    await world.webhook(text("c1"))
    report = await world.webhook(text("c1"), account="second", secret="other")
    assert report.outcomes == ((Arrived.STORED, "message"),)
    assert len(await world.messages()) == 2


# --- strange texts are kept


async def test_a_text_to_a_number_that_nobody_configured_is_kept(world: World) -> None:
    report = await world.text("Hello", to="+15005550099")
    assert report.outcomes == ((Arrived.STORED, "message"),)
    (message,) = await world.messages()
    assert message.sender == "+15005550099"
    refusal = await world.submit(text="Hi", interaction_id=message.interaction_id)
    assert isinstance(refusal, CannotSend)
    assert [notice.kind for notice in await world.notices()] == [NoticeKind.WRONG_SENDER_NUMBER]


@pytest.mark.parametrize("force", [False, True])
async def test_a_name_that_texts_us_is_kept_and_cannot_be_answered_even_by_force(world: World, force: bool) -> None:
    await world.text("Your parcel is here", sender="PARCELS")
    (message,) = await world.messages("PARCELS")
    refusal = await world.submit(text="Thanks", interaction_id=message.interaction_id, force=force)
    assert isinstance(refusal, CannotSend)
    assert [notice.kind for notice in await world.notices("PARCELS")] == [NoticeKind.NOT_SMS_CAPABLE]


async def test_a_short_code_that_texts_us_can_be_answered(world: World) -> None:
    await world.text("Vote now", sender="72404")
    (message,) = await world.messages("72404")
    await world.send("A", interaction_id=message.interaction_id)
    await world.run_due()
    assert [sent["to"] for sent in world.sent()] == ["72404"]


async def test_characters_that_no_database_holds_are_kept_as_a_sign(world: World) -> None:
    await world.text("a\0b")
    (message,) = await world.messages()
    assert message.text == "a\N{REPLACEMENT CHARACTER}b"


# --- one outcome for each event


async def test_one_request_of_many_events_records_one_outcome_for_each(world: World) -> None:
    report = await world.webhook(
        text("c1"),
        text("c1"),
        {"type": "ping"},
        {"type": "something new"},
        {"type": "receipt", "id": "nobody's", "status": "delivered"},
        text("c2", **{"from": BOB}),
    )
    assert [outcome for outcome, _ in report.outcomes] == [
        Arrived.STORED,
        Arrived.DUPLICATE,
        Arrived.IGNORED,
        Arrived.UNRECOGNIZED,
        Arrived.STORED,
        Arrived.STORED,
    ]
    assert Counter(arrival.outcome for arrival in await arrivals(world)) == Counter(o for o, _ in report.outcomes)


async def test_the_sum_of_outcomes_is_the_number_of_events(world: World) -> None:
    requests = [
        world.webhook(text(f"c{number % 7}"), {"type": "ping"}, secret="wrong" if number % 5 == 0 else "secret")
        for number in range(40)
    ]
    reports = await asyncio.gather(*requests)
    told = Counter(outcome for report in reports for outcome, _ in report.outcomes)
    counted = await world.arrivals()
    assert told == {outcome: count for (_account, outcome), count in counted.items()}
    assert told[Arrived.STORED] == 7
    assert told[Arrived.REFUSED] == 8  # one for each request, since nobody has read what is in it


async def test_what_is_authentic_and_unreadable_is_kept_and_can_be_replayed(make_world: MakeWorld) -> None:
    world = make_world()
    report = await world.webhook({"type": "something new", "number": ANN})
    assert report.response.status == 204
    (kept,) = await arrivals(world, Arrived.UNRECOGNIZED)
    assert kept.reason == "unknown type"
    outcomes = await inbound.replay(world.bridge, kept.id)
    assert outcomes == [(Arrived.UNRECOGNIZED, "unknown type")]
    (newer, older) = await arrivals(world, Arrived.UNRECOGNIZED)
    assert (older.id, older.replayed_at_ms) == (kept.id, world.clock.now)
    assert newer.request == older.request


async def test_an_account_that_is_not_configured_is_not_found(world: World) -> None:
    with pytest.raises(NotFound):
        await world.webhook(text("c1"), account="nobody")


# --- who it is from


class _Dated(PlainCarrier):
    """One whose signatures hold for five minutes, and who repeats only what was not answered for good."""

    __slots__ = ()
    refusal: ClassVar[Response] = Response(status=503)

    def verify(self, request: Request, now_ms: int) -> None:
        PlainCarrier.verify(self, request, now_ms)
        if now_ms > START_MS + 300_000:
            raise BadSignature("the signature is too old")


async def test_a_carrier_says_how_it_is_refused_and_by_when_it_must_have_signed(make_world: MakeWorld) -> None:
    world = make_world(carrier=_Dated(secret="not yet the right one"))
    report = await world.webhook(text("c1"), secret="right")
    assert (report.response.status, report.outcomes) == (503, ((Arrived.REFUSED, "signature"),))
    [kept] = await arrivals(world, Arrived.REFUSED)

    mended = Account(name="plain", adapter=_Dated(secret="right"))
    world.bridge = replace(world.bridge, accounts={"plain": mended})
    world.clock.now += 3_600_000
    assert (await world.webhook(text("c2"), secret="right")).outcomes == ((Arrived.REFUSED, "signature"),)
    # What lay here for an hour was five minutes old at most when it came.
    assert await inbound.replay(world.bridge, kept.id) == [(Arrived.STORED, "message")]


class _Challenging(PlainCarrier):
    """One that shows its credentials only when it is asked for them."""

    __slots__ = ()
    challenge: ClassVar[Response] = Response(status=401, headers=Headers({"WWW-Authenticate": "Basic"}))

    def verify(self, request: Request, now_ms: int) -> None:
        if not request.headers.get("X-Secret"):
            raise Unauthenticated("the request has no X-Secret")
        PlainCarrier.verify(self, request, now_ms)


async def test_a_request_without_credentials_is_asked_for_them_and_stored_when_it_comes_with_them(
    make_world: MakeWorld,
) -> None:
    world = make_world(carrier=_Challenging())
    for _ in range(2):
        report = await world.webhook(text("c1"), secret="")
        assert report.response == _Challenging.challenge
        assert report.outcomes == ((Arrived.REFUSED, "challenge"),)
        assert report.is_challenge
        assert await arrivals(world) == [], "nothing of it is kept"
    assert await world.messages() == []

    report = await world.webhook(text("c1"))
    assert (report.outcomes, report.is_challenge) == (((Arrived.STORED, "message"),), False)
    [message] = await world.messages()
    assert message.carrier_message_id == "c1"
    [stored] = await arrivals(world)
    assert stored.outcome is Arrived.STORED


async def test_credentials_that_are_wrong_are_no_question(make_world: MakeWorld) -> None:
    world = make_world(carrier=_Challenging())
    report = await world.webhook(text("c1"), secret="wrong")
    assert (report.outcomes, report.is_challenge) == (((Arrived.REFUSED, "signature"),), False)
    assert len(await arrivals(world, Arrived.REFUSED)) == 1


async def test_asking_for_credentials_needs_no_room(make_world: MakeWorld) -> None:
    world = make_world(carrier=_Challenging())
    world.disk.room = Room.NONE
    assert (await world.webhook(text("c1"), secret="")).is_challenge


@pytest.mark.parametrize("verification", ["report", "off"])
async def test_nobody_is_asked_for_credentials_where_all_are_let_in(make_world: MakeWorld, verification: str) -> None:
    world = make_world(carrier=_Challenging())
    account = Account(name="plain", adapter=_Challenging(), verification=verification)  # type: ignore[arg-type]
    world.bridge = replace(world.bridge, accounts={"plain": account})
    report = await world.webhook(text("c1"), secret="")
    assert report.outcomes == ((Arrived.STORED, "message"),)
    assert bool(report.diagnosis) == (verification == "report")


async def test_a_bad_signature_is_refused_and_forgets_nothing(make_world: MakeWorld) -> None:
    world = make_world(carrier=PlainCarrier(secret="not yet the right one"))
    for number in range(3):
        report = await world.webhook(text(f"c{number}"), secret="right")
        assert (report.response.status, report.outcomes) == (401, ((Arrived.REFUSED, "signature"),))
        assert report.diagnosis
    assert await world.messages() == []
    kept = await arrivals(world, Arrived.REFUSED)
    with pytest.raises(BadSignature):
        await inbound.replay(world.bridge, kept[0].id)

    mended = make_world(carrier=PlainCarrier(secret="right"))
    for arrival in reversed(kept):
        await mended.write(lambda tx, arrival=arrival: tx.add_arrival(arrival))
        assert await inbound.replay(mended.bridge, arrival.id) == [(Arrived.STORED, "message")]
    assert [message.carrier_message_id for message in await mended.messages()] == ["c0", "c1", "c2"]


async def test_only_what_was_kept_whole_can_be_replayed(world: World) -> None:
    await world.text("Hello")
    (stored,) = await arrivals(world)
    with pytest.raises(Conflict):
        await inbound.replay(world.bridge, stored.id)
    with pytest.raises(NotFound):
        await inbound.replay(world.bridge, "arr_nothing")


@pytest.mark.parametrize(("verification", "diagnosed"), [("report", True), ("off", False)])
async def test_a_bad_signature_is_taken_where_the_account_says_so(
    make_world: MakeWorld, verification: str, diagnosed: bool
) -> None:
    world = make_world(verification=verification)
    report = await world.webhook(text("c1"), secret="wrong")
    assert report.outcomes == ((Arrived.STORED, "message"),)
    assert bool(report.diagnosis) is diagnosed


async def test_the_quarantine_is_bounded_at_once_in_number_and_in_size(make_world: MakeWorld) -> None:
    world = make_world(policy=Policy(retention=Retention(refused_kept=3)))
    for number in range(10):
        await world.webhook(text(f"c{number}"), secret="wrong")
        assert len(await arrivals(world, Arrived.REFUSED)) <= 3
    assert b"c9" in (await arrivals(world, Arrived.REFUSED))[0].request
    await world.webhook(text("large", text="x" * 100_000), secret="wrong")
    assert (await arrivals(world, Arrived.REFUSED))[0].request == b""


def test_any_bytes_come_back_from_what_is_kept() -> None:
    request = inbound.Request(method="POST", url="https://bridge.example/é", body=bytes(range(256)))
    assert inbound.read_request(inbound.write_request(request)) == request


# --- what is told


async def test_what_happened_is_in_the_log_in_one_order(world: World) -> None:
    await world.text("Hello")
    events = await world.store.read(lambda tx: tx.events_after(0, 100))
    assert [event.type for event in events] == [EventType.INTERACTION_OPENED, EventType.MESSAGE_RECEIVED]
    assert events[0].seq < events[1].seq


async def test_a_number_that_texts_us_evidently_can(world: World) -> None:
    """Whatever was learnt of it before is forgotten."""
    from smsbridge.flows.numbers import learn_incapable

    await world.text("one")
    await world.write(lambda tx: learn_incapable(tx, world.bridge, ANN, "no", valid=True))
    await world.text("two")
    assert await world.store.read(lambda tx: tx.capability(ANN, world.clock.now)) is None


async def test_a_number_looked_up_before_its_first_text_evidently_can(world: World) -> None:
    await world.write(lambda tx: learn_incapable(tx, world.bridge, ANN, "A landline.", valid=True))
    await world.text("Hello")
    assert (await world.submit(to=ANN, text="Hi")).status is Status.QUEUED


@pytest.mark.parametrize("odd", ["\ud800", "a\0b"], ids=["half a character", "NUL"])
async def test_what_no_store_can_keep_in_an_id_keeps_nothing_out(world: World, odd: str) -> None:
    """Were the request refused, the carrier would post it for ever, and all that came with it were lost."""
    sent = await world.send()
    await world.run_due()
    ref = write_part_ref(sent.id, 1, 1)
    events: list[dict[str, Any]] = [
        {
            "type": "message",
            "id": odd,
            "from": ANN,
            "to": OUR_NUMBER,
            "text": "One",
            "media": [f"https://x.example/{odd}"],
        },
        {"type": "withheld", "id": odd + "w", "from": ANN, "to": OUR_NUMBER},
        {"type": "receipt", "id": odd, "status": "delivered"},
        {"type": "receipt", "id": odd + "r", "ref": ref, "status": "delivered"},
        {"type": "message", "id": "whole", "from": ANN, "to": OUR_NUMBER, "text": "Two"},
    ]
    posted = Request(
        method="POST",
        url="https://bridge.example/hooks/carriers/plain",
        headers=Headers([("X-Secret", "secret")]),
        body=json.dumps({"events": events}).encode(),
    )
    for outcome in (Arrived.STORED, Arrived.DUPLICATE):
        report = await inbound.accept_webhook(world.bridge, "plain", posted)
        assert [each for each, _ in report.outcomes] == [outcome] * len(events)
    assert [message.text for message in await world.messages()] == ["Hello", "One", "Two"]
    assert (await world.message(sent.id)).status is Status.DELIVERED
