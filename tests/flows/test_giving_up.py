"""Work that cannot be done, for a bug of ours or because its account is gone: whoever waits for it hears of it."""

from dataclasses import replace

import pytest

from fakes import World, lost, ok
from smsbridge.domain.cause import Cause
from smsbridge.domain.message import AttachmentState, NoticeKind
from smsbridge.domain.status import Status
from smsbridge.flows import lanes, outbound, upkeep
from smsbridge.flows.jobs import job_kinds, queues
from smsbridge.flows.outbound import MediaItem


async def give_up(world: World, kind: str) -> None:
    """What the worker writes when the job that is due, of this kind, crashed once too often."""
    claimed = await world.claim()
    assert claimed is not None
    job, _ = claimed
    assert job.kind == kind
    give_up = job_kinds(world.bridge)[kind].give_up
    for _ in range(2):  # again changes nothing
        await world.write(lambda tx: (tx.bury_job(job, "the job crashed", world.clock.now), give_up(tx, job)))


async def test_a_text_whose_attempt_crashed_is_in_doubt_and_then_told_of(world: World) -> None:
    message = await world.send()
    await give_up(world, lanes.SEND)
    assert (await world.message(message.id)).status is Status.UNCERTAIN
    world.network.answer = lambda _request: lost()
    for _ in range(8):
        world.clock.now += 60_000
        await world.run_due()
    assert [notice.kind for notice in await world.notices()] == [NoticeKind.DELIVERY_UNCERTAIN]


async def test_a_text_that_could_not_even_be_begun_failed_and_is_told_of(world: World) -> None:
    message = await world.send()
    (job,) = await world.write(lambda tx: tx.claim("send:plain", now_ms=world.clock.now, lease_until_ms=0, limit=1))
    await world.write(lambda tx: job_kinds(world.bridge)[lanes.SEND].give_up(tx, job))
    assert (await world.message(message.id)).status is Status.FAILED
    assert [notice.cause for notice in await world.notices()] == [Cause.UNKNOWN]


async def test_a_doubt_that_cannot_be_settled_is_left_to_the_agent(world: World) -> None:
    world.network.answer = lambda _request: lost()
    await world.send()
    await world.run_due()
    world.clock.now += 5_000
    await give_up(world, lanes.SETTLE)
    assert [notice.kind for notice in await world.notices()] == [NoticeKind.DELIVERY_UNCERTAIN]


async def test_a_text_whose_end_cannot_be_asked_for_is_told_of(world: World) -> None:
    await world.send()
    await world.run_due()
    world.clock.now += world.bridge.policy.unconfirmed_after_ms + 1
    await world.write(lambda tx: upkeep.confirming.look_for_unconfirmed(tx, world.bridge))
    await give_up(world, lanes.CONFIRM)
    assert [notice.kind for notice in await world.notices()] == [NoticeKind.DELIVERY_UNCERTAIN]


async def test_a_picture_that_crashes_us_lets_its_text_go_and_is_told_of(world: World) -> None:
    await world.text("Look", media=["https://plain.example/a.png"])
    await give_up(world, lanes.FETCH)
    (message,) = await world.messages()
    (attachment,) = await world.store.read(lambda tx: tx.attachments(message.id))
    assert (attachment.state, message.held_for_media) == (AttachmentState.REJECTED, False)
    assert [notice.kind for notice in await world.notices()] == [NoticeKind.ATTACHMENT_PROBLEM]


async def test_a_picture_that_cannot_be_prepared_fails_its_text(world: World) -> None:
    message = await world.send("Look", media=(MediaItem(url="https://agent.example/a.png"),))
    await give_up(world, lanes.PREPARE)
    await world.run_due()
    assert (await world.message(message.id)).cause is Cause.MEDIA_REJECTED
    assert [notice.kind for notice in await world.notices()] == [NoticeKind.ATTACHMENT_REFUSED]


async def test_looking_after_things_goes_on_whatever_crashed(world: World) -> None:
    await world.write(lambda tx: upkeep.ensure_upkeep(tx, world.bridge))
    await give_up(world, lanes.UPKEEP)
    assert await world.store.read(lambda tx: tx.next_due_ms(lanes.UPKEEP_QUEUE)) is not None


@pytest.mark.parametrize("uncertain", [False, True])
async def test_texts_of_an_account_that_is_gone_are_told_of_and_can_go_another_way(
    world: World, uncertain: bool
) -> None:
    world.network.answer = lambda _request: lost()
    message = await world.send()
    if uncertain:
        await world.run_due()
        world.clock.now += 5_000
    moved = {number: replace(sender, account="second") for number, sender in world.bridge.senders.items()}
    accounts = {"second": world.bridge.accounts["second"]}
    world.bridge = replace(world.bridge, accounts=accounts, senders=moved)
    waiting = [depth.queue for depth in await world.store.read(lambda tx: tx.queue_depths(world.clock.now))]
    assert "send:plain" in queues(world.bridge, waiting)
    (job,) = await world.write(lambda tx: tx.claim("send:plain", now_ms=world.clock.now, lease_until_ms=0, limit=1))
    end = await world.write(lambda tx: job_kinds(world.bridge)[job.kind].begin(tx, job))
    await world.finish(job, end)
    kind = NoticeKind.DELIVERY_UNCERTAIN if uncertain else NoticeKind.WRONG_SENDER_NUMBER
    assert [notice.kind for notice in await world.notices()] == [kind]
    world.network.answer = lambda _request: ok({"id": "C2"})
    await world.write(lambda tx: outbound.retry(tx, world.bridge, message.id))
    await world.restart(world.store)
    await world.run_due()
    kept = await world.message(message.id)
    assert (kept.status, kept.account) == (Status.SENT, "second")
