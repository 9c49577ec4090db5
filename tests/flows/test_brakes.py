"""Limits and brakes: what a carrier or a desktop asks for is given to it, and what is down is left alone."""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any, ClassVar

import pytest

from fakes import ANN, BOB, OTHER_NUMBER, OUR_NUMBER, PlainCarrier, World, lost, ok, refused
from smsbridge.contracts.bridge import Policy
from smsbridge.contracts.carrier import Abilities
from smsbridge.contracts.store import Tx
from smsbridge.domain.brake import Brake, BrakePolicy
from smsbridge.domain.cause import Cause
from smsbridge.domain.message import NoticeKind
from smsbridge.domain.outcome import Evidence, Rejected, RetryLater, Scope, SendOutcome
from smsbridge.domain.status import Status
from smsbridge.flows import lanes, outbound, rerouting, waiting
from smsbridge.wire.http import Answered, Performed, Request, Response

MakeWorld = Callable[..., World]
ACCOUNT, DESK = lanes.send_queue("plain"), lanes.deliver_queue("desk")
PROBE_MS = 30_000
EASY = Policy(brakes=BrakePolicy(open_after=3, probe_every_ms=PROBE_MS))


def number(n: int) -> str:
    return f"+1415555{1000 + n}"


async def brake(world: World, target: str) -> Brake:
    return await world.store.read(lambda tx: tx.brake(target))


class Undone(Exception):
    pass


async def tries(world: World) -> list[int]:
    """Of the jobs that could go to the carrier now, how many attempts each has behind it."""

    def look(tx: Tx) -> list[int]:
        with suppress(Undone), tx.savepoint():
            jobs = tx.claim(ACCOUNT, now_ms=world.clock.now, lease_until_ms=world.clock.now, limit=100)
            raise Undone
        return [job.attempt - 1 for job in jobs]

    return await world.write(look)


class Wide(PlainCarrier):
    """Says in the body of a 429 what it is about."""

    def read_send(self, response: Response) -> SendOutcome:
        body = json.loads(response.body)
        if response.status != 429:
            return PlainCarrier.read_send(self, response)
        return RetryLater(
            cause=Cause.RATE_LIMITED,
            after_s=body.get("after_s"),
            about=Scope(body["about"]),
            evidence=Evidence(code="1"),
        )


def busy(about: str, after_s: float | None = 30) -> Answered:
    return ok({"about": about, "after_s": after_s}, status=429)


async def two_accounts(make_world: MakeWorld, **options: Any) -> World:
    """OTHER_NUMBER sends through the account `second`."""
    world = make_world(**options)
    senders = {**world.bridge.senders, OTHER_NUMBER: replace(world.bridge.senders[OTHER_NUMBER], account="second")}
    world.bridge = replace(world.bridge, senders=senders)
    await world.restart(world.store)
    return world


# --- a rate for the account


async def test_the_rate_of_an_account_is_shared_by_its_senders_and_counts_segments(world: World) -> None:
    account = replace(world.bridge.accounts["plain"], rate_per_s=1, burst=2)
    world.bridge = replace(world.bridge, accounts={**world.bridge.accounts, "plain": account})
    await world.restart(world.store)
    await world.send("two segments " * 15, to=number(1))
    await world.send("one", to=number(2), from_sender=OTHER_NUMBER)
    await world.send("another", to=number(3))
    left_at = {}
    for _ in range(10):
        await world.run_due()
        for sent in world.sent():
            left_at.setdefault(sent["to"], (world.clock.now - 1_790_000_000_000) // 1000)
        world.clock.now += 1_000
    assert left_at == {number(1): 0, number(2): 1, number(3): 2}


async def test_a_text_that_waits_for_its_account_takes_nothing_of_its_senders_rate(make_world: MakeWorld) -> None:
    world = make_world(rate_per_s=1)
    account = replace(world.bridge.accounts["plain"], rate_per_s=0.1)
    world.bridge = replace(world.bridge, accounts={**world.bridge.accounts, "plain": account})
    await world.restart(world.store)
    await world.send(to=number(1), from_sender=OTHER_NUMBER)
    await world.run_due()
    await world.send(to=number(2))
    for _ in range(3):
        await world.run_due()
    world.clock.now += 10_000
    await world.run_due()
    assert [sent["to"] for sent in world.sent()] == [number(1), number(2)]


# --- Retry-After


async def test_nothing_goes_to_an_account_that_asked_for_time_and_no_attempt_is_burnt(make_world: MakeWorld) -> None:
    world = await two_accounts(make_world, carrier=Wide())
    world.network.answer = lambda _request: busy("account", 30)
    await world.send(to=ANN)
    await world.run_due()
    world.network.answer = lambda _request: ok({"id": f"C{len(world.network.requests)}"})
    for n in range(5):
        await world.send(to=number(n))
    await world.send(to=BOB, from_sender=OTHER_NUMBER)
    await world.run_due()
    assert [sent["to"] for sent in world.sent()] == [ANN, BOB], "another account is not held"
    world.clock.now += 29_999
    assert await world.run_due() == 0
    world.clock.now += 2_500
    assert await tries(world) == [0] * 6
    await world.run_due()
    assert len(world.sent()) == 8


async def test_a_hold_outlives_a_restart(world: World) -> None:
    world.network.answer = lambda _request: ok({"after_s": 60}, status=429)
    await world.send(to=ANN)
    await world.run_due()
    await world.restart()
    await world.send(to=BOB)
    assert await world.run_due() == 0
    assert (await brake(world, ACCOUNT)).free_at_ms == world.clock.now + 60_000


async def test_what_is_about_a_sender_holds_that_sender_only(make_world: MakeWorld) -> None:
    world = make_world(carrier=Wide())
    world.network.answer = lambda request: busy("sender") if OUR_NUMBER in request.body.decode() else ok({"id": "C"})
    await world.send(to=ANN, from_sender=OUR_NUMBER)
    await world.run_due()
    await world.send(to=BOB, from_sender=OUR_NUMBER)
    await world.send(to=BOB, from_sender=OTHER_NUMBER)
    await world.run_due()
    assert [(sent["from"], sent["to"]) for sent in world.sent()] == [(OUR_NUMBER, ANN), (OTHER_NUMBER, BOB)]
    (notice,) = await world.notices(BOB)
    assert (notice.kind, notice.cause) == (NoticeKind.DELAYED, Cause.RATE_LIMITED)
    world.network.answer = lambda _request: ok({"id": f"C{len(world.network.requests)}"})
    world.clock.now += 33_000
    assert await tries(world) == [0, 0]
    await world.run_due()
    assert len(world.sent()) == 4


async def test_what_is_about_one_text_holds_that_text_only(make_world: MakeWorld) -> None:
    world = make_world(carrier=Wide())
    world.network.answer = lambda request: busy("text") if ANN in request.body.decode() else ok({"id": "C"})
    await world.send(to=ANN)
    await world.run_due()
    await world.send(to=BOB)
    await world.run_due()
    assert [sent["to"] for sent in world.sent()] == [ANN, BOB]


async def test_a_carrier_that_names_no_time_gets_a_moment_and_the_text_waits_longer_each_time(
    make_world: MakeWorld,
) -> None:
    world = make_world(carrier=Wide())
    world.network.answer = lambda _request: busy("account", None)
    await world.send(to=ANN)
    await world.run_due()
    assert (await brake(world, ACCOUNT)).free_at_ms == world.clock.now + 2_000
    world.clock.now += 2_000
    await world.run_due()
    world.clock.now += 4_000
    assert await tries(world) == [2]


@pytest.mark.parametrize(
    ("cause", "scope"),
    [
        (Cause.RATE_LIMITED, Scope.ACCOUNT),
        (Cause.QUEUE_FULL, Scope.SENDER),
        (Cause.CARRIER_OUTAGE, Scope.ACCOUNT),
        (Cause.MEDIA_REJECTED, Scope.TEXT),
    ],
)
def test_what_not_now_is_about_unless_the_code_says_otherwise(cause: Cause, scope: Scope) -> None:
    assert RetryLater(cause=cause).scope is scope
    assert RetryLater(cause=cause, about=Scope.TEXT).scope is Scope.TEXT


async def test_a_desktop_that_asks_for_time_gets_it_for_all_conversations(make_world: MakeWorld) -> None:
    world = make_world(external=True)
    seven = Answered(response=Response(status=429), elapsed_ms=1)
    world.bridge = replace(world.bridge, desktops={"desk": _asking(world, 7)})
    await world.restart(world.store)
    world.network.answer = lambda _request: seven
    await world.text("one", sender=ANN)
    await world.run_due()
    told = len(world.sent("/events"))
    await world.text("two", sender=BOB)
    world.clock.now += 6_999
    await world.run_due()
    assert len(world.sent("/events")) == told
    world.network.answer = lambda _request: ok({})
    world.clock.now += 2_000
    await world.run_due()
    assert await world.store.read(lambda tx: tx.next_due_ms(DESK)) is None


def _asking(world: World, after_s: float) -> Any:
    desktop = world.bridge.desktops["desk"]

    class Asking(type(desktop.adapter)):  # type: ignore[misc]
        def read_delivery(self, response: Response) -> Any:
            if response.status == 429:
                return RetryLater(cause=Cause.RATE_LIMITED, after_s=after_s)
            return super().read_delivery(response)

    return replace(desktop, adapter=Asking(abilities=desktop.adapter.abilities))


# --- circuits


async def test_a_carrier_that_is_down_is_probed_and_what_waits_burns_no_attempt(make_world: MakeWorld) -> None:
    world = make_world(policy=EASY)
    world.network.answer = lambda _request: refused()
    for n in range(20):
        await world.send(str(n), to=number(n))
    await world.run_due()
    opened = await brake(world, ACCOUNT)
    assert opened.is_open
    assert len(world.sent()) == 3
    for _ in range(10):
        world.clock.now += PROBE_MS
        await world.run_due()
    assert len(world.sent()) == 3 + 10, "one probe in each interval"
    world.network.answer = lambda _request: ok({"id": f"C{len(world.network.requests)}"})
    world.clock.now += PROBE_MS
    await world.run_due()
    assert not (await brake(world, ACCOUNT)).is_open
    world.clock.now += PROBE_MS
    await world.run_due()
    first_seen = list(dict.fromkeys(sent["text"] for sent in world.sent()))
    assert first_seen == [str(n) for n in range(20)], "in the order they were written"
    assert {part.status for n in range(20) for part in await parts_to(world, number(n))} == {Status.SENT}


async def parts_to(world: World, to: str) -> list[Any]:
    (message,) = await world.messages(to)
    return await world.parts(message.id)


async def test_probes_take_turns_so_that_one_bad_text_does_not_keep_the_circuit_open(make_world: MakeWorld) -> None:
    world = make_world(policy=EASY)
    world.network.answer = lambda _request: refused()
    for n in range(4):
        await world.send(to=number(n))
    await world.run_due()
    world.network.answer = lambda request: refused() if number(3) in request.body.decode() else ok({"id": "C"})
    for _ in range(2):
        world.clock.now += PROBE_MS
        await world.run_due()
    assert not (await brake(world, ACCOUNT)).is_open


class Mute(PlainCarrier):
    abilities: ClassVar[Abilities] = Abilities(max_text_chars=300)


async def test_what_a_carrier_is_not_asked_for_uses_up_no_probe(make_world: MakeWorld) -> None:
    """Uncertain texts are looked after in the same queue; of a carrier that cannot be asked that shows nothing."""
    world = make_world(policy=EASY, carrier=Mute())
    world.network.answer = lambda _request: lost()
    for n in range(3):
        await world.send(to=number(n))
    await world.run_due()
    assert (await brake(world, ACCOUNT)).is_open
    world.network.answer = lambda _request: ok({"id": "C"})
    world.clock.now += PROBE_MS
    message = await world.send(to=number(9))
    await world.run_due()
    assert (await world.message(message.id)).status is Status.SENT
    assert not (await brake(world, ACCOUNT)).is_open


async def test_a_carrier_that_hangs_makes_few_texts_uncertain_and_the_rest_wait(make_world: MakeWorld) -> None:
    world = make_world(policy=EASY)
    world.network.answer = lambda _request: lost()
    for n in range(20):
        await world.send(to=number(n))
    await world.run_due()
    assert len(world.sent()) == 3


async def test_a_text_refused_for_itself_is_no_sign_that_the_carrier_is_down(make_world: MakeWorld) -> None:
    world = make_world(policy=EASY)
    world.network.answer = lambda _request: ok({"code": "blocked"}, status=400)
    for n in range(8):
        await world.send(to=number(n))
    await world.run_due()
    assert len(world.sent()) == 8
    assert (await brake(world, ACCOUNT)) == Brake()


@pytest.mark.parametrize("again", ["retried", "resent", "rerouted"])
async def test_of_an_old_text_that_comes_late_behind_a_brake_the_delay_is_told(
    make_world: MakeWorld, again: str
) -> None:
    """Of a younger one it was told before."""
    world = await two_accounts(make_world, policy=replace(EASY, delayed_notice_after_ms=15_000), reroute=[Cause.AUTH])
    world.network.answer = lambda _request: lost() if again == "resent" else ok({"code": "blocked"}, status=400)
    old = await world.send(to=number(0))
    if again != "rerouted":
        await world.run_due()
    world.clock.now += 1
    account, sender = ("second", OTHER_NUMBER) if again == "rerouted" else ("plain", OUR_NUMBER)
    young = await world.send(to=number(1), from_sender=sender)
    held = Brake().held(world.clock.now + 600_000, "busy")
    await world.write(lambda tx: tx.save_brake(lanes.send_queue(account), held))
    assert await told_of_delay(world, 1) == [young.id]
    match again:
        case "retried":
            await world.write(lambda tx: outbound.retry(tx, world.bridge, old.id))
        case "resent":
            await world.write(lambda tx: outbound.resend(tx, world.bridge, old.id))
        case "rerouted":
            second = world.bridge.accounts["second"]
            await world.write(lambda tx: rerouting.reroute(tx, world.bridge, old, second, Cause.AUTH, Evidence()))
    kept = await world.message(old.id)
    assert (kept.account, kept.status) == (account, Status.QUEUED)
    assert await told_of_delay(world, 0) == [old.id]
    assert await told_of_delay(world, 1) == [young.id], "and of the younger one not twice"
    assert await world.write(lambda tx: waiting.tell_of_brakes(tx, world.bridge)) == 0, "each is looked at once"


async def told_of_delay(world: World, n: int) -> list[str | None]:
    world.clock.now += 20_000
    while await world.write(lambda tx: waiting.tell_of_brakes(tx, world.bridge)):
        pass
    return [notice.message_id for notice in await world.notices(number(n)) if notice.kind is NoticeKind.DELAYED]


async def test_agents_hear_once_of_texts_behind_a_brake_and_of_their_end(make_world: MakeWorld) -> None:
    world = make_world(policy=replace(EASY, delayed_notice_after_ms=15_000))
    world.network.answer = lambda _request: refused()
    for n in range(6):
        await world.send(to=number(n))
    await world.run_due()
    for _ in range(3):
        world.clock.now += 20_000
        while await world.write(lambda tx: waiting.tell_of_brakes(tx, world.bridge)):
            pass
    for n in range(6):
        (notice,) = await world.notices(number(n))
        assert (notice.kind, notice.cause) == (NoticeKind.DELAYED, Cause.CARRIER_OUTAGE)
    world.clock.now += 4 * 3_600_000
    while await world.write(lambda tx: waiting.give_up_overdue(tx, world.bridge)):
        pass
    for n in range(6):
        (message,) = await world.messages(number(n))
        assert (message.status, message.cause) == (Status.FAILED, Cause.EXPIRED)
        assert [notice.kind for notice in await world.notices(number(n))] == [
            NoticeKind.DELAYED,
            NoticeKind.UNDELIVERED,
        ]
    sent = len(world.sent())
    world.network.answer = lambda _request: ok({"id": "C"})
    world.clock.now += PROBE_MS
    await world.run_due()
    assert len(world.sent()) == sent, "what was given up is not sent when the carrier is back"


async def test_an_old_text_that_waits_anew_hides_no_younger_one_whose_time_is_over(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "_AT_ONCE", 1)
    world = make_world(policy=EASY)
    world.network.answer = lambda _request: refused()
    old, young = [await world.send(to=number(n)) for n in range(2)]
    later_ms = world.clock.now + 8 * 3_600_000
    await world.write(lambda tx: tx.update_message(replace(old, give_up_at_ms=later_ms)))
    world.clock.now += 4 * 3_600_000
    assert await world.write(lambda tx: waiting.give_up_overdue(tx, world.bridge)) == 1
    assert await world.write(lambda tx: waiting.give_up_overdue(tx, world.bridge)) == 0
    assert [(await world.message(each.id)).status for each in (old, young)] == [Status.QUEUED, Status.FAILED]


async def test_of_a_text_that_went_in_part_the_rest_does_not_wait_for_ever(world: World) -> None:
    message = await world.send("word " * 100)
    answers = iter([ok({"id": "C1"})])
    world.network.answer = lambda _request: next(answers, refused())
    await world.run_due()
    assert [part.status for part in await world.parts(message.id)] == [Status.SENT, Status.QUEUED]
    world.clock.now += 4 * 3_600_000
    assert await world.write(lambda tx: waiting.give_up_overdue(tx, world.bridge)) == 1
    assert [part.status for part in await world.parts(message.id)] == [Status.SENT, Status.FAILED]
    assert [notice.cause for notice in await world.notices()][-1] is Cause.EXPIRED
    assert await world.write(lambda tx: waiting.give_up_overdue(tx, world.bridge)) == 0


async def test_a_text_whose_attempt_is_under_way_is_not_given_up_meanwhile(world: World) -> None:
    message = await world.send("word " * 100)
    claimed = await world.claim()
    assert claimed is not None
    world.clock.now += 4 * 3_600_000
    assert await world.write(lambda tx: waiting.give_up_overdue(tx, world.bridge)) == 0
    assert [part.status for part in await world.parts(message.id)] == [Status.SENDING, Status.QUEUED]


# --- desktops: is it this event, or everything?


def keyless(status: int) -> Callable[[Request], Performed]:
    return lambda _request: Answered(response=Response(status=status), elapsed_ms=1)


def refusing(world: World) -> Any:
    """A desktop whose 4xx are refusals, 401 one for our key."""
    desktop = world.bridge.desktops["desk"]

    class Refusing(type(desktop.adapter)):  # type: ignore[misc]
        def read_delivery(self, response: Response) -> Any:
            if response.status in {401, 404}:
                return Rejected(cause=Cause.AUTH, evidence=Evidence(text="wrong key"))
            return super().read_delivery(response)

    return replace(desktop, adapter=Refusing(abilities=desktop.adapter.abilities))


@pytest.mark.parametrize("status", [401, 404])
async def test_a_wrong_key_or_address_loses_nothing_and_parks_nothing(make_world: MakeWorld, status: int) -> None:
    world = make_world(external=True)
    world.bridge = replace(world.bridge, desktops={"desk": refusing(world)})
    await world.restart(world.store)
    world.network.answer = keyless(status)
    contacts = [number(n) for n in range(12)]
    for n in range(60):
        await world.text(str(n), sender=contacts[n % 12])
    for _ in range(20):
        await world.run_due()
        world.clock.now += PROBE_MS
    assert len(world.sent("/events")) <= 5 + 20
    assert (await brake(world, DESK)).reason == "wrong key"
    assert await world.store.read(lambda tx: tx.list_dead_letters()) == []
    world.network.requests.clear()
    world.network.answer = lambda _request: ok({})
    for _ in range(3):
        await world.run_due(most=10_000)
        world.clock.now += PROBE_MS
    heard: dict[str, list[int]] = {}
    for event in world.sent("/events"):
        if event["type"] == "message.received":
            heard.setdefault(event["data"]["from"], []).append(int(event["data"]["text"]))
    assert sorted(text for texts in heard.values() for text in texts) == list(range(60))
    assert all(texts == sorted(texts) for texts in heard.values())
    assert await world.store.read(lambda tx: tx.list_dead_letters()) == []


async def test_a_refusal_that_is_about_our_key_is_waited_out_even_when_others_get_through(
    make_world: MakeWorld,
) -> None:
    """One of several servers behind the address has the wrong key."""
    world = make_world(external=True)
    world.bridge = replace(world.bridge, desktops={"desk": refusing(world)})
    await world.restart(world.store)
    locked = Answered(response=Response(status=401), elapsed_ms=1)
    world.network.answer = lambda request: locked if ANN in request.body.decode() else ok({})
    await world.text("unlucky", sender=ANN)
    for n in range(6):
        await world.text("lucky", sender=number(n))
        await world.run_due()
        world.clock.now += 60_000
    assert await world.store.read(lambda tx: tx.list_dead_letters()) == []
    world.clock.now += 600_000
    await world.run_due()
    (letter,) = await world.store.read(lambda tx: tx.list_dead_letters())
    assert "took others" in letter.reason


async def test_a_notice_that_is_parked_raises_no_notice(make_world: MakeWorld) -> None:
    world = make_world(external=True)
    bad = Answered(response=Response(status=400), elapsed_ms=1)
    world.network.answer = lambda request: bad if b"notice.raised" in request.body else ok({})
    await world.text("STOP")
    for n in range(6):
        await world.text("other", sender=number(n))
        await world.run_due()
        world.clock.now += 60_000
    assert len(await world.store.read(lambda tx: tx.list_dead_letters())) == 1
    assert [notice.kind for notice in await world.notices()] == [NoticeKind.OPTED_OUT]


async def test_suspicions_go_with_their_jobs(make_world: MakeWorld) -> None:
    world = make_world(external=True)
    world.network.answer = keyless(400)
    await world.text("one")
    await world.run_due()
    assert await world.write(lambda tx: tx.trim_suspicions()) == 0
    world.network.answer = lambda _request: ok({})
    world.clock.now += 60_000
    await world.run_due()
    assert await world.write(lambda tx: tx.trim_suspicions()) == 1
