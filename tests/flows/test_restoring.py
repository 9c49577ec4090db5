"""After a backup was put back nothing old is sent again by itself, and nothing new before somebody says so."""

from __future__ import annotations

from typing import Any

import pytest

from fakes import ANN, BOB, World, lost, ok
from smsbridge.contracts.bridge import Policy
from smsbridge.contracts.store import Arrived
from smsbridge.domain.cause import Cause
from smsbridge.domain.message import NoticeKind
from smsbridge.domain.status import Status
from smsbridge.flows import restoring
from smsbridge.flows.outbound import retry
from smsbridge.wire.http import Answered, Request, Response


async def restored(world: World, *, ago_ms: int = 0) -> int:
    """What `restore.mark` does, as of this moment or an earlier one; how many texts came into doubt."""
    now_ms = world.clock.now
    await world.write(lambda tx: restoring.pause(tx, now_ms - ago_ms, now_ms))
    doubted = 0
    while some := await world.write(lambda tx: restoring.doubt_some(tx, world.bridge)):
        doubted += some
    return doubted


def listing(ids: dict[str, str]) -> Any:
    """A carrier that lists what it has, by our reference, and takes everything."""

    def answer(request: Request) -> Answered:
        if "/find/" not in request.url:
            return ok({"id": "C-new"})
        found = ids.get(request.url.rpartition("/")[2])
        return ok({"id": found}) if found else Answered(response=Response(status=404), elapsed_ms=1)

    return answer


async def look_everywhere(world: World) -> None:
    for wait_ms in (*world.bridge.policy.settle_after_ms, 60_000):
        world.clock.now += wait_ms
        await world.run_due()


@pytest.mark.parametrize("uncertain", ["hold", "resend_if_absent", "resend"])
async def test_no_text_that_was_on_its_way_is_sent_again_whatever_the_policy(make_world: Any, uncertain: Any) -> None:
    world: World = make_world(policy=Policy(uncertain=uncertain))
    world.network.answer = listing({})
    queued = await world.send("queued")
    sending = await world.send("being sent", to=BOB)
    claimed = await world.claim()
    assert claimed is not None
    assert await restored(world) == 2
    await world.restart()
    await look_everywhere(world)
    await world.write(restoring.finish)
    await look_everywhere(world)
    assert world.sent() == []
    for message, number in ((queued, ANN), (sending, BOB)):
        assert (await world.message(message.id)).status is Status.UNCERTAIN
        assert [notice.kind for notice in await world.notices(number)] == [NoticeKind.DELIVERY_UNCERTAIN]


@pytest.mark.parametrize("uncertain", ["hold", "resend"])
async def test_a_text_that_was_written_while_the_backup_was_begun_is_not_sent_again(
    make_world: Any, uncertain: Any
) -> None:
    world: World = make_world(policy=Policy(uncertain=uncertain))
    world.network.answer = listing({})
    await world.send("in the backup, and younger than its name says")
    assert await restored(world, ago_ms=3_000) == 1
    await world.write(restoring.finish)
    await look_everywhere(world)
    assert world.sent() == []


async def test_what_the_carrier_has_is_settled_by_asking_or_by_its_receipt(world: World) -> None:
    asked, told = await world.send("asked"), await world.send("told", to=BOB)
    await restored(world)
    world.network.answer = listing({f"{asked.id}.1.1": "C-asked"})
    await world.webhook({"type": "receipt", "id": "C-told", "status": "delivered", "ref": f"{told.id}.1.1"})
    await look_everywhere(world)
    assert (await world.message(asked.id)).status is Status.SENT
    assert (await world.message(told.id)).status is Status.DELIVERED
    assert world.sent() == []
    assert await world.notices() == await world.notices(BOB) == []


async def test_every_part_of_a_long_text_comes_into_doubt(world: World) -> None:
    message = await world.send("word " * 150)
    assert await restored(world) == 1
    assert {part.status for part in await world.parts(message.id)} == {Status.UNCERTAIN}


async def test_new_texts_wait_for_the_word_and_then_leave(world: World) -> None:
    await restored(world)
    world.clock.now += 1
    message = await world.send("new")
    for _ in range(3):
        world.clock.now += 15_000
        await world.run_due()
    assert world.sent() == []
    assert (await world.message(message.id)).status is Status.QUEUED
    assert await world.write(restoring.finish) is True
    assert await world.write(restoring.finish) is False
    world.clock.now += 15_000
    await world.run_due()
    assert [each["text"] for each in world.sent()] == ["new"]


async def test_what_had_come_to_an_end_stays_and_an_agent_may_send_what_is_in_doubt(world: World) -> None:
    done = await world.send("done")
    await world.run_due()
    await world.webhook({"type": "receipt", "id": "C1", "status": "delivered"})
    doubted = await world.send("in doubt", to=BOB)
    assert await restored(world) == 1
    await world.write(restoring.finish)
    assert (await world.message(done.id)).status is Status.DELIVERED
    await world.write(lambda tx: retry(tx, world.bridge, doubted.id))
    await world.run_due()
    assert [each["text"] for each in world.sent()] == ["done", "in doubt"]


async def test_a_text_written_after_the_restore_follows_the_policy_again(make_world: Any) -> None:
    world: World = make_world(policy=Policy(uncertain="resend"))
    await restored(world)
    await world.write(restoring.finish)
    world.clock.now += 1
    answers = iter([lost(), ok({"id": "C2"})])
    world.network.answer = lambda request: (
        Answered(response=Response(status=404), elapsed_ms=1) if "/find/" in request.url else next(answers)
    )
    await world.send("new")
    await world.run_due()
    await look_everywhere(world)
    assert [each["text"] for each in world.sent()] == ["new", "new"]


async def test_catch_up_begins_when_the_backup_was_made(world: World) -> None:
    as_of_ms = world.clock.now
    await restored(world)
    assert await world.store.read(lambda tx: tx.meta(restoring.CATCH_UP_SINCE)) == str(as_of_ms)


async def test_any_number_of_texts_comes_into_doubt(world: World) -> None:
    for _ in range(250):
        await world.send()
    assert await restored(world) == 250


async def test_what_is_in_doubt_after_a_restore_is_given_to_no_second_account(make_world: Any) -> None:
    """The first may have it, so a retry by a person goes there again and nowhere else."""
    world: World = make_world(reroute={Cause.AUTH})
    message = await world.send("queued")
    await restored(world)
    await world.write(restoring.finish)
    world.network.answer = lambda _request: ok({"code": "auth"}, status=400)
    await world.write(lambda tx: retry(tx, world.bridge, message.id))
    await world.run_due()
    assert [sent["text"] for sent in world.sent("plain.example/send")] == ["queued"]
    assert world.sent("second.example") == []
    kept = await world.message(message.id)
    assert (kept.status, kept.account, kept.rerouted_from) == (Status.FAILED, "plain", "")


def told(message_id: str, try_number: int, **more: Any) -> dict[str, Any]:
    return {"type": "receipt", "ref": f"{message_id}.1.{try_number}", "status": "delivered", **more}


@pytest.mark.parametrize("try_number", [1, 2, 3])
async def test_a_receipt_of_any_try_since_the_backup_settles_its_text(world: World, try_number: int) -> None:
    """Two tries may have found the carrier busy, and the third not. The store knows of none of them."""
    message = await world.send()
    await restored(world)
    report = await world.webhook(told(message.id, try_number, id="C9"))
    assert report.outcomes == ((Arrived.STORED, "applied"),)
    assert (await world.message(message.id)).status is Status.DELIVERED
    (part,) = await world.parts(message.id)
    assert (part.tries, part.carrier_message_id) == (try_number, "C9")


async def test_without_a_restore_nothing_is_known_of_a_try_that_we_have_not_made(make_world: Any) -> None:
    world: World = make_world(reroute={Cause.AUTH})
    world.network.answer = lambda _request: lost()
    message = await world.send()
    await world.run_due()
    for secret, account in (("secret", "plain"), ("other", "second")):
        await world.webhook(told(message.id, 2, id="X1"), secret=secret, account=account)
    kept = await world.message(message.id)
    assert (kept.status, kept.account, kept.rerouted_from) == (Status.UNCERTAIN, "plain", "")


@pytest.mark.parametrize("try_number", [1, 2], ids=["never tried at the first", "refused by the first"])
@pytest.mark.parametrize("retried", [False, True], ids=["in doubt", "sent again by a person"])
async def test_a_receipt_of_the_second_account_settles_a_text_that_it_was_given_after_the_backup(
    make_world: Any, try_number: int, retried: bool
) -> None:
    world: World = make_world(reroute={Cause.AUTH})
    message = await world.send("queued")
    await restored(world)
    if retried:
        await world.write(lambda tx: retry(tx, world.bridge, message.id))
    receipt = told(message.id, try_number, id="S1", status="sent")
    report = await world.webhook(receipt, secret="other", account="second")
    assert report.outcomes == ((Arrived.STORED, "applied"),)
    kept = await world.message(message.id)
    assert (kept.status, kept.account, kept.rerouted_from) == (Status.SENT, "second", "plain")
    # From here on its receipts need no reference of ours, and are the second account's alone.
    failed = {"type": "receipt", "id": "S1", "status": "undelivered", "cause": "unreachable"}
    await world.webhook(failed)
    assert (await world.message(message.id)).status is Status.SENT
    await world.webhook(failed, secret="other", account="second")
    assert (await world.message(message.id)).status is Status.UNDELIVERED
    await world.write(restoring.finish)
    await look_everywhere(world)
    assert world.network.requests == []
    assert [notice.kind for notice in await world.notices()] == [NoticeKind.UNDELIVERED]


async def test_all_parts_of_a_text_are_known_again_at_the_second_account(make_world: Any) -> None:
    world: World = make_world(reroute={Cause.AUTH})
    message = await world.send("word " * 100)
    await restored(world)
    for number in (2, 1):
        assert (await world.message(message.id)).status is Status.UNCERTAIN
        receipt = {"type": "receipt", "id": f"S{number}", "ref": f"{message.id}.{number}.1", "status": "delivered"}
        await world.webhook(receipt, secret="other", account="second")
    kept = await world.message(message.id)
    assert (kept.status, kept.account) == (Status.DELIVERED, "second")


async def test_what_waits_for_the_rest_of_such_a_text_asks_the_second_account(make_world: Any) -> None:
    world: World = make_world(reroute={Cause.AUTH})
    message = await world.send("word " * 100)
    await restored(world)
    receipt = {"type": "receipt", "id": "S1", "ref": f"{message.id}.1.1", "status": "delivered"}
    await world.webhook(receipt, secret="other", account="second")
    queues = await world.store.read(lambda tx: {depth.queue for depth in tx.queue_depths(world.clock.now)})
    assert queues & {"send:plain", "send:second"} == {"send:second"}, "nor does a brake of the first hold it up"
    world.network.answer = listing({f"{message.id}.2.1": "S2"})
    await look_everywhere(world)
    assert {request.url.split("/")[2] for request in world.network.requests} == {"second.example"}
    assert (await world.parts(message.id))[1].status is Status.SENT


@pytest.mark.parametrize("how", ["without reroute", "given to the second before the backup", "new", "known"])
async def test_no_other_text_is_believed_to_be_the_second_accounts(make_world: Any, how: str) -> None:
    world: World = make_world(reroute=() if how == "without reroute" else {Cause.AUTH})
    if how == "given to the second before the backup":
        world.network.answer = lambda request: (
            ok({"code": "auth"}, status=400) if "plain.example" in request.url else lost()
        )
    if how == "new":
        await restored(world)
        await world.write(restoring.finish)
        world.clock.now += 1
    message = await world.send()
    if how != "without reroute":
        await world.run_due()
    if how != "new":
        await restored(world)
    before = await world.message(message.id)
    # Another account than the one that the text is at: the first, where it is the second's already.
    secret, account = ("secret", "plain") if before.account == "second" else ("other", "second")
    report = await world.webhook(told(message.id, 1), secret=secret, account=account)
    assert report.outcomes == ((Arrived.IGNORED, "wrong_account"),)
    assert await world.message(message.id) == before
