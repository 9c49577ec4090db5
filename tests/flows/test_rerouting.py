"""A second account: once for each text, only for what the first certainly does not have, and in the order of the
conversation."""

from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar

import pytest

from fakes import ANN, BOB, PlainCarrier, World, lost, ok, refused
from smsbridge.contracts.bridge import Policy
from smsbridge.contracts.carrier import Abilities
from smsbridge.domain.brake import Brake, BrakePolicy
from smsbridge.domain.cause import Cause
from smsbridge.domain.message import Message, NoticeKind, Severity
from smsbridge.domain.status import Status
from smsbridge.flows import lanes, rerouting, upkeep
from smsbridge.flows.outbound import MediaItem, cancel, retry
from smsbridge.flows.receipts import write_part_ref
from smsbridge.flows.resources import message as show_message
from smsbridge.wire.http import Performed, Request

MakeWorld = Callable[..., World]

PROBE_MS = 30_000
OUTAGE = Policy(brakes=BrakePolicy(open_after=2, probe_every_ms=PROBE_MS))
CAUSES = frozenset({Cause.CARRIER_OUTAGE, Cause.AUTH})


@pytest.fixture
async def world(make_world: MakeWorld) -> World:
    return make_world(reroute=CAUSES, policy=OUTAGE)


def by_account(
    first: Callable[[], Performed], second: Callable[[], Performed] | None = None
) -> Callable[..., Performed]:
    """What each of the two accounts answers to a send. Nothing is ever found by asking."""

    def answer(request: Request) -> Performed:
        if "/send" not in request.url:
            return ok({}, status=404)
        if "second.example" in request.url:
            return second() if second else ok({"id": f"second:{len(request.body or b'')}:{request.body!r}"})
        return first()

    return answer


def rejected(cause: Cause) -> Callable[[], Performed]:
    return lambda: ok({"code": cause}, status=400)


def texts(world: World, host: str) -> list[str]:
    return [sent["text"] for sent in world.sent(f"{host}/send")]


async def rerouted(world: World, message: Message) -> tuple[Status, str, str]:
    kept = await world.message(message.id)
    return kept.status, kept.account, kept.rerouted_from


async def kinds(world: World, number: str = ANN) -> list[NoticeKind]:
    return [notice.kind for notice in await world.notices(number)]


# --- one text


@pytest.mark.parametrize("answer", [rejected(Cause.AUTH), refused], ids=["refused", "out of reach"])
async def test_what_the_first_account_did_not_take_goes_through_the_second(
    world: World, answer: Callable[[], Performed]
) -> None:
    world.network.answer = by_account(answer)
    message = await world.send("Hello")
    await world.run_due()
    assert (texts(world, "plain.example"), texts(world, "second.example")) == (["Hello"], ["Hello"])
    assert await rerouted(world, message) == (Status.SENT, "second", "plain")
    (notice,) = await world.notices()
    assert (notice.kind, notice.severity, notice.account) == (NoticeKind.REROUTED, Severity.INFO, "plain")
    assert notice.message_id == message.id
    refs = [sent["ref"] for sent in world.sent()]
    assert refs == [write_part_ref(message.id, 1, 1), write_part_ref(message.id, 1, 2)]
    kept = await world.message(message.id)
    shown = await world.store.read(lambda tx: show_message(tx, world.bridge, kept))
    assert (shown["carrier"], shown["rerouted_from"]) == ("second", "plain")


async def test_its_receipts_come_from_the_second_account(world: World) -> None:
    world.network.answer = by_account(refused, lambda: ok({"id": "S1"}))
    message = await world.send()
    await world.run_due()
    receipt = {"type": "receipt", "id": "S1", "status": "delivered"}
    await world.webhook(receipt)  # the first account's, which cannot know
    assert await rerouted(world, message) == (Status.SENT, "second", "plain")
    await world.webhook(receipt, account="second", secret="other")
    assert await rerouted(world, message) == (Status.DELIVERED, "second", "plain")


@pytest.mark.parametrize("cause", [Cause.OPTED_OUT, Cause.NOT_MOBILE, Cause.CONTENT_REJECTED, Cause.BALANCE])
async def test_for_no_other_cause(world: World, cause: Cause) -> None:
    world.network.answer = by_account(rejected(cause))
    message = await world.send()
    await world.run_due()
    assert texts(world, "second.example") == []
    assert await rerouted(world, message) == (Status.FAILED, "plain", "")


async def test_never_what_the_first_may_have(world: World) -> None:
    world.network.answer = by_account(lost)
    message = await world.send()
    await world.run_due()
    assert await rerouted(world, message) == (Status.UNCERTAIN, "plain", "")
    assert texts(world, "second.example") == []


async def test_never_what_the_first_may_have_from_an_earlier_try(world: World) -> None:
    world.network.answer = by_account(lost)
    message = await world.send()
    await world.run_due()
    world.network.answer = by_account(rejected(Cause.AUTH))
    await world.write(lambda tx: retry(tx, world.bridge, message.id))
    await world.run_due()
    assert texts(world, "plain.example") == ["Hello", "Hello"]
    assert await rerouted(world, message) == (Status.FAILED, "plain", "")
    assert texts(world, "second.example") == []


async def test_never_what_the_first_had_from_a_try_that_it_said_it_did_not_take(world: World) -> None:
    world.network.answer = by_account(lambda: ok({"after_s": 1}, status=429))
    message = await world.send()
    await world.run_due()
    world.clock.now += 60_000
    claimed = await world.claim()  # the second try
    assert claimed is not None
    await world.webhook({"type": "receipt", "id": "P1", "ref": write_part_ref(message.id, 1, 1), "status": "sent"})
    world.network.answer = by_account(rejected(Cause.AUTH))
    await world.finish(*claimed)
    await world.run_due()
    assert texts(world, "second.example") == []
    assert await rerouted(world, message) == (Status.FAILED, "plain", "")


async def test_never_what_the_first_took_and_then_failed(world: World) -> None:
    world.network.answer = by_account(lambda: ok({"id": "P1"}))
    message = await world.send()
    await world.run_due()
    await world.webhook({"type": "receipt", "id": "P1", "status": "failed", "cause": "auth"})
    assert await rerouted(world, message) == (Status.FAILED, "plain", "")
    world.network.answer = by_account(rejected(Cause.AUTH))
    await world.write(lambda tx: retry(tx, world.bridge, message.id))
    await world.run_due()
    assert await rerouted(world, message) == (Status.FAILED, "plain", "")
    assert texts(world, "second.example") == []


async def test_never_the_rest_of_a_text_whose_beginning_the_first_has(world: World) -> None:
    answers = iter([ok({"id": "P1"})])
    world.network.answer = by_account(lambda: next(answers, ok({"code": "auth"}, status=400)))
    message = await world.send("word " * 100)
    await world.run_due()
    assert len(texts(world, "plain.example")) == 2
    assert await rerouted(world, message) == (Status.FAILED, "plain", "")
    assert texts(world, "second.example") == []


async def test_once_for_each_text(world: World) -> None:
    world.network.answer = by_account(rejected(Cause.AUTH), rejected(Cause.AUTH))
    message = await world.send()
    await world.run_due()
    assert (len(texts(world, "plain.example")), len(texts(world, "second.example"))) == (1, 1)
    assert await rerouted(world, message) == (Status.FAILED, "second", "plain")
    assert await kinds(world) == [NoticeKind.REROUTED, NoticeKind.SERVICE_PROBLEM]


async def test_what_the_second_cannot_reach_waits_there(world: World) -> None:
    world.network.answer = by_account(refused, refused)
    message = await world.send()
    await world.run_due()
    assert await rerouted(world, message) == (Status.QUEUED, "second", "plain")
    world.network.answer = by_account(refused)
    world.clock.now += 10_000
    await world.run_due()
    assert await rerouted(world, message) == (Status.SENT, "second", "plain")
    assert len(texts(world, "plain.example")) == 1


async def test_a_long_text_goes_whole(world: World) -> None:
    world.network.answer = by_account(refused)
    message = await world.send("word " * 100)
    await world.run_due()
    assert len(texts(world, "plain.example")) == 1
    assert " ".join(texts(world, "second.example")).split() == ["word"] * 100
    assert await rerouted(world, message) == (Status.SENT, "second", "plain")


async def test_an_agent_hears_of_it_once_in_an_interaction_and_each_message_says_so(world: World) -> None:
    world.network.answer = by_account(rejected(Cause.AUTH))
    for text in ("One", "Two"):
        message = await world.send(text)
        await world.run_due()
        assert await rerouted(world, message) == (Status.SENT, "second", "plain")
    assert await kinds(world) == [NoticeKind.REROUTED]


class ShortCarrier(PlainCarrier):
    abilities: ClassVar[Abilities] = Abilities(max_text_chars=100)


async def test_a_second_account_that_cannot_take_it_as_it_is_gets_nothing(make_world: MakeWorld) -> None:
    world = make_world(reroute=CAUSES, policy=OUTAGE, second=ShortCarrier(secret="other", host="second.example"))
    world.network.answer = by_account(rejected(Cause.AUTH))
    long = await world.send("x" * 101)
    await world.run_due()
    assert await rerouted(world, long) == (Status.FAILED, "plain", "")
    short = await world.send("x" * 100)
    await world.run_due()
    assert await rerouted(world, short) == (Status.SENT, "second", "plain")


async def test_a_receipt_that_overtook_the_refusal_has_the_last_word(world: World) -> None:
    message = await world.send()
    claimed = await world.claim()
    assert claimed is not None
    ref = write_part_ref(message.id, 1, 1)
    await world.webhook({"type": "receipt", "id": "P1", "ref": ref, "status": "delivered"})
    world.network.answer = by_account(rejected(Cause.AUTH))
    await world.finish(*claimed)
    await world.run_due()
    assert await rerouted(world, message) == (Status.DELIVERED, "plain", "")
    assert texts(world, "second.example") == []


# --- while the first account is out of reach


async def test_what_waits_behind_an_open_circuit_goes_through_the_second_in_its_order(world: World) -> None:
    """Nothing of it was tried at the first: its circuit opened while these waited."""
    waiting = [await world.send(text, to=to) for text, to in (("One", ANN), ("Hello", BOB), ("Two", ANN))]
    await break_circuit(world)
    world.network.answer = by_account(refused)
    await world.run_due()
    for message in waiting:
        assert await rerouted(world, message) == (Status.SENT, "second", "plain")
    assert texts(world, "plain.example") == []
    assert [text for text in texts(world, "second.example") if text != "Hello"] == ["One", "Two"]
    assert await kinds(world) == [NoticeKind.REROUTED]


async def test_whoever_opens_the_circuit_hurries_the_rest(world: World) -> None:
    await world.write(lambda tx: upkeep.ensure_upkeep(tx, world.bridge))
    world.network.answer = by_account(refused)
    await world.run_due()
    messages = [await world.send(to=f"+1415555017{last}") for last in range(5)]
    await world.run_due()
    for message in messages:
        assert await rerouted(world, message) == (Status.SENT, "second", "plain")
    assert len(texts(world, "plain.example")) == OUTAGE.brakes.open_after


async def test_lost_answers_open_the_circuit_too_and_only_what_was_not_tried_goes_on(world: World) -> None:
    await world.write(lambda tx: upkeep.ensure_upkeep(tx, world.bridge))
    world.network.answer = by_account(lost)
    await world.run_due()
    messages = [await world.send(to=f"+1415555017{last}") for last in range(4)]
    await world.run_due()
    ended = [await rerouted(world, message) for message in messages]
    assert ended[:2] == [(Status.UNCERTAIN, "plain", "")] * 2
    assert ended[2:] == [(Status.SENT, "second", "plain")] * 2


async def test_a_new_text_does_not_wait_for_the_first_account(world: World) -> None:
    await break_circuit(world)
    message = await world.send()
    assert (message.account, message.rerouted_from) == ("second", "plain")
    await world.run_due()
    assert await rerouted(world, message) == (Status.SENT, "second", "plain")
    assert texts(world, "plain.example") == []


async def test_when_it_is_time_to_look_one_text_finds_out_whether_the_first_is_back(world: World) -> None:
    await break_circuit(world)
    world.clock.now += PROBE_MS
    world.network.answer = by_account(refused)
    probe = await world.send("Are you back?")
    await world.run_due()
    assert texts(world, "plain.example") == ["Are you back?"]
    assert await rerouted(world, probe) == (Status.SENT, "second", "plain"), "and it does not suffer for it"
    world.clock.now += PROBE_MS
    world.network.answer = by_account(lambda: ok({"id": "P1"}))
    probe = await world.send("And now?")
    after = await world.send("Good.")
    await world.run_due()
    for message in (probe, after):
        assert await rerouted(world, message) == (Status.SENT, "plain", "")


async def test_where_both_are_out_of_reach_texts_wait_for_the_first(world: World) -> None:
    await break_circuit(world, "plain")
    await break_circuit(world, "second")
    message = await world.send()
    await world.run_due()
    assert await rerouted(world, message) == (Status.QUEUED, "plain", "")
    await world.write(lambda tx: tx.release_brake(lanes.send_queue("second")))
    world.clock.now += upkeep.EVERY_MS - 1
    await world.write(lambda tx: rerouting.reroute_waiting(tx, world.bridge))
    await world.run_due()
    assert await rerouted(world, message) == (Status.SENT, "second", "plain")


async def test_what_is_moved_waits_for_no_turn_at_the_first_account_and_keeps_none(world: World) -> None:
    account = replace(world.bridge.accounts["plain"], rate_per_s=1)
    world.bridge = replace(world.bridge, accounts={**world.bridge.accounts, "plain": account})
    await world.restart(world.store)
    for last in range(10):
        await world.send(to=f"+1415555017{last}")
    await world.run_due()
    assert len(texts(world, "plain.example")) == 1, "the others wait for their turn, of which the last is in 9 s"
    await break_circuit(world)
    await world.run_due()
    assert len(texts(world, "second.example")) == 9
    await world.write(lambda tx: tx.release_brake(lanes.send_queue("plain")))
    world.clock.now += 1_000
    new = await world.send(to=BOB)
    await world.run_due()
    assert await rerouted(world, new) == (Status.SENT, "plain", "")


async def test_the_second_accounts_rate_holds_for_what_is_moved(world: World) -> None:
    accounts = {name: replace(account, rate_per_s=1) for name, account in world.bridge.accounts.items()}
    world.bridge = replace(world.bridge, accounts=accounts)
    await world.restart(world.store)
    for last in range(5):
        await world.send(to=f"+1415555017{last}")
    await world.run_due()
    await break_circuit(world)
    sent = []
    for _ in range(4):
        await world.run_due()
        sent.append(len(texts(world, "second.example")))
        world.clock.now += 1_000
    assert sent == [1, 2, 3, 4]


async def test_a_text_that_stays_does_not_hide_those_behind_it(make_world: MakeWorld) -> None:
    world = make_world(reroute=CAUSES, policy=OUTAGE, second=ShortCarrier(secret="other", host="second.example"))
    long = [await world.send("x" * 101, to=f"+141555502{last:02}") for last in range(3)]
    short = await world.send("short", to=BOB)
    behind = await world.send("behind the long one", to="+14155550200")
    await break_circuit(world)
    await world.run_due()
    assert await rerouted(world, short) == (Status.SENT, "second", "plain")
    assert await rerouted(world, behind) == (Status.QUEUED, "second", "plain"), "its turn comes after the long one"
    world.clock.now += PROBE_MS
    await world.run_due()
    for message in long:
        assert await rerouted(world, message) == (Status.SENT, "plain", "")
    assert await rerouted(world, behind) == (Status.SENT, "second", "plain")


async def test_a_text_on_its_other_way_can_be_taken_back(world: World) -> None:
    await break_circuit(world)
    message = await world.send()
    await world.write(lambda tx: cancel(tx, world.bridge, message.id))
    await world.run_due()
    assert await rerouted(world, message) == (Status.CANCELLED, "second", "plain")
    assert world.sent() == []


async def test_a_text_whose_files_are_got_ready_during_an_outage_goes_through_the_second(world: World) -> None:
    world.network.files["https://pictures.example/cat.jpg"] = b"\xff\xd8\xff a cat"
    await break_circuit(world)
    message = await world.send("A cat", media=(MediaItem(url="https://pictures.example/cat.jpg"),))
    assert (message.account, message.held_for_media) == ("plain", True)
    await world.write(lambda tx: rerouting.reroute_waiting(tx, world.bridge))  # it cannot be moved before
    await world.run_due()
    assert await rerouted(world, message) == (Status.SENT, "second", "plain")
    assert texts(world, "plain.example") == []


async def test_texts_retried_while_both_are_out_of_reach_go_once_the_second_is_back(world: World) -> None:
    """They are older than what has been looked at in this outage."""
    world.network.answer = by_account(rejected(Cause.CONTENT_REJECTED))
    olds = [await world.send("old", to=f"+1415555017{last}") for last in range(3)]
    await world.run_due()
    newer = await world.send("newer", to=BOB)
    await break_circuit(world)
    await world.run_due()
    assert await rerouted(world, newer) == (Status.SENT, "second", "plain")
    await break_circuit(world, "second")
    for old in olds:
        await world.write(lambda tx, old=old: retry(tx, world.bridge, old.id))
    for message in olds:
        assert await rerouted(world, message) == (Status.QUEUED, "plain", "")
    await world.write(lambda tx: tx.release_brake(lanes.send_queue("second")))
    world.clock.now += PROBE_MS
    world.network.answer = by_account(refused)
    await world.run_due()
    for message in olds:
        assert await rerouted(world, message) == (Status.SENT, "second", "plain")


async def test_without_outages_among_its_causes_nothing_leaves_the_circuit(make_world: MakeWorld) -> None:
    world = make_world(reroute=[Cause.AUTH], policy=OUTAGE)
    await break_circuit(world)
    message = await world.send()
    await world.run_due()
    assert await rerouted(world, message) == (Status.QUEUED, "plain", "")


async def break_circuit(world: World, account: str = "plain") -> None:
    """The account has been found out of reach, and upkeep is about to look."""
    now_ms = world.clock.now
    brake = Brake(failures=2, failed_job=1, opened_at_ms=now_ms, probe_at_ms=now_ms + PROBE_MS, probe_every_ms=PROBE_MS)
    await world.write(lambda tx: tx.save_brake(lanes.send_queue(account), brake))
    await world.write(lambda tx: upkeep.ensure_upkeep(tx, world.bridge))
