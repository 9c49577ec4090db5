"""What is looked after from time to time, and that looking costs little however much there is."""

from collections import Counter
from collections.abc import Callable
from functools import partial

import pytest

from fakes import ANN, World, ok, refused
from flows.conftest import on_sqlite
from smsbridge.contracts.bridge import Bridge, Policy, Retention
from smsbridge.contracts.jobs import NewJob
from smsbridge.contracts.store import KeptAnswer, Tx
from smsbridge.domain.cause import Cause
from smsbridge.domain.message import (
    Attachment,
    AttachmentId,
    AttachmentState,
    Capability,
    Certainty,
    Direction,
    NoticeKind,
    SmsCapable,
)
from smsbridge.domain.status import Status
from smsbridge.flows import lanes, upkeep
from smsbridge.outbox.worker import LONGEST_ATTEMPT_S
from smsbridge.wire.http import Answered, Request, Response

MakeWorld = Callable[..., World]
DAY_MS = 86_400_000


async def look_after(world: World) -> None:
    await world.write(lambda tx: upkeep.ensure_upkeep(tx, world.bridge))
    world.clock.now += upkeep.EVERY_MS
    await world.run_due()


async def test_there_is_one_upkeep_however_often_it_is_ensured(world: World) -> None:
    for _ in range(3):
        await world.write(lambda tx: upkeep.ensure_upkeep(tx, world.bridge))
    assert await world.run_due() == 1
    assert await world.run_due() == 0
    world.clock.now += upkeep.EVERY_MS
    assert await world.run_due() == 1


async def test_old_rows_go_and_young_ones_stay(make_world: MakeWorld) -> None:
    keep = Retention(arrivals_ms=DAY_MS, events_ms=DAY_MS, answers_ms=DAY_MS)
    world = make_world(policy=Policy(retention=keep))
    answer = KeptAnswer(fingerprint="f", status=202, body=b"{}")
    for age, number in (("old", 0), ("young", 1)):
        world.clock.now += number * 2 * DAY_MS
        await world.text(f"{age} text")
        await world.write(lambda tx, age=age: tx.keep_answer("key", age, answer, world.clock.now))
        await world.write(lambda tx, age=age: tx.see_desktop_event("desk", age, world.clock.now))
    await look_after(world)

    def kept(tx: object) -> tuple[object, ...]:
        return (
            len(tx.list_arrivals()),
            {event.type for event in tx.events_after(0, 100)},
            [tx.kept_answer("key", age) is not None for age in ("old", "young")],
            [tx.desktop_event_seen("desk", age) for age in ("old", "young")],
        )

    assert await world.store.read(kept) == (1, {"message.received"}, [False, True], [False, True])
    assert [message.text for message in await world.messages()] == ["old text", "young text"], "what was said stays"


async def test_nothing_that_strangers_cause_grows_for_ever(make_world: MakeWorld) -> None:
    """Receipts of other people's texts, work that nobody wants, numbers that somebody once asked about."""
    world = make_world(policy=Policy(retention=Retention(arrivals_ms=DAY_MS, events_ms=DAY_MS)))
    learnt = Capability(
        number=ANN,
        valid=True,
        type="mobile",
        sms_capable=SmsCapable.YES,
        reason="",
        source="lookup",
        checked_at_ms=world.clock.now,
        expires_at_ms=world.clock.now + DAY_MS,
    )

    def leave_behind(tx: Tx) -> None:
        tx.save_capability(learnt)
        tx.enqueue(NewJob(kind="?", queue="q", lane="l", ref="", due_at_ms=0, created_at_ms=0))
        (job,) = tx.claim("q", now_ms=world.clock.now, lease_until_ms=world.clock.now, limit=1)
        tx.bury_job(job, "nobody wants it", world.clock.now)

    await world.write(leave_behind)
    await world.webhook({"type": "receipt", "id": "of somebody else", "status": "sent"})

    def kept(tx: Tx) -> list[int]:
        known = tx.capability(ANN, learnt.checked_at_ms)
        return [len(tx.list_unmatched_receipts()), len(tx.list_dead_letters()), int(known is not None)]

    await look_after(world)
    assert await world.store.read(kept) == [1, 1, 1]
    world.clock.now += 2 * DAY_MS
    await look_after(world)
    assert await world.store.read(kept) == [0, 0, 0]


async def test_any_number_of_old_rows_goes_in_one_look(make_world: MakeWorld) -> None:
    world = make_world(policy=Policy(retention=Retention(arrivals_ms=DAY_MS)))
    for _ in range(30):
        await world.webhook(*({"type": "ping"} for _ in range(50)))
    world.clock.now += 2 * DAY_MS
    await look_after(world)
    assert await world.arrivals() == {}


async def test_a_look_ends_before_it_is_cut_off_however_much_is_left(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is cut off counts as a crash, and after three of them nothing is looked after for an hour."""
    done: Counter[str] = Counter()

    def never_ends(tx: Tx, bridge: Bridge, name: str) -> int:
        done[name] += 1
        world.clock.now += 1_000
        return 1

    monkeypatch.setattr(upkeep.interactions, "end_idle", partial(never_ends, name="end"))
    monkeypatch.setattr(upkeep, "_trim", partial(never_ends, name="trim"))
    await world.write(lambda tx: upkeep.ensure_upkeep(tx, world.bridge))
    began_ms = world.clock.now
    assert await world.run_due() == 1
    assert world.clock.now - began_ms < LONGEST_ATTEMPT_S * 1000
    assert done["end"] > 1
    assert done["trim"], "what comes later has its turn as well"


async def test_uploads_that_nobody_sent_go_with_their_files(world: World) -> None:
    digest = await world.bridge.blobs.put(b"a picture")
    upload = Attachment(
        id=AttachmentId("att_1"),
        direction=Direction.OUTBOUND,
        state=AttachmentState.STORED,
        sha256=digest,
        created_at_ms=world.clock.now,
    )
    await world.write(lambda tx: tx.insert_attachment(upload))
    await look_after(world)
    assert world.bridge.blobs.path(digest) is not None
    world.clock.now += 2 * DAY_MS
    await look_after(world)
    assert world.bridge.blobs.path(digest) is None
    assert await world.store.read(lambda tx: tx.attachment("att_1")) is None


# --- texts without a final receipt


def saying(status: str | None) -> Callable[[Request], Answered]:
    def answer(request: Request) -> Answered:
        if "/messages/" not in request.url:
            return ok({"id": "C1"})
        return ok({"status": status}) if status else Answered(response=Response(status=404), elapsed_ms=1)

    return answer


async def unconfirmed(world: World, *, text: str = "Hello") -> str:
    message = await world.send(text)
    await world.run_due()
    world.clock.now += world.bridge.policy.unconfirmed_after_ms + 1
    await look_after(world)
    return message.id


async def test_the_carrier_is_asked_what_became_of_a_text_without_a_final_receipt(world: World) -> None:
    world.network.answer = saying("delivered")
    message_id = await unconfirmed(world)
    assert (await world.message(message_id)).status is Status.DELIVERED
    assert await world.notices() == []


async def test_what_nobody_knows_is_told_once_and_no_failure_is_invented(world: World) -> None:
    world.network.answer = saying(None)
    message_id = await unconfirmed(world)
    for _ in range(3):
        await look_after(world)
    assert (await world.message(message_id)).status is Status.SENT
    (notice,) = await world.notices()
    assert (notice.kind, notice.cause, notice.certainty, notice.message_id) == (
        NoticeKind.DELIVERY_UNCERTAIN,
        Cause.EXPIRED,
        Certainty.POSSIBLE,
        message_id,
    )
    assert len([request for request in world.network.requests if "/messages/" in request.url]) == 1


async def test_a_carrier_that_has_no_answer_just_now_is_asked_again(world: World) -> None:
    answers = iter([Answered(response=Response(status=503), elapsed_ms=1), refused(), ok({"status": "delivered"})])
    world.network.answer = lambda request: next(answers) if "/messages/" in request.url else ok({"id": "C1"})
    message_id = await unconfirmed(world)
    for _ in range(2):
        assert (await world.message(message_id)).status is Status.SENT
        world.clock.now += 600_000
        await look_after(world)
    assert (await world.message(message_id)).status is Status.DELIVERED
    assert await world.notices() == []


async def test_a_failure_learnt_by_asking_is_told_as_one(world: World) -> None:
    world.network.answer = saying("undelivered")
    message_id = await unconfirmed(world)
    assert (await world.message(message_id)).status is Status.UNDELIVERED
    assert [notice.kind for notice in await world.notices()] == [NoticeKind.UNDELIVERED]


async def test_texts_with_a_final_receipt_are_not_asked_about(world: World) -> None:
    world.network.answer = saying(None)
    await world.send()
    await world.run_due()
    await world.webhook({"type": "receipt", "id": "C1", "status": "delivered"})
    world.clock.now += world.bridge.policy.unconfirmed_after_ms + 1
    await look_after(world)
    assert await world.notices() == []
    assert await world.store.read(lambda tx: tx.next_due_ms(lanes.send_queue("plain"))) is None


@on_sqlite  # a matter of the flow, and long
async def test_any_number_of_them_is_found_each_once(world: World) -> None:
    world.network.answer = saying(None)
    for _ in range(250):
        await world.send()
    await world.run_due()
    world.clock.now += world.bridge.policy.unconfirmed_after_ms + 1
    await look_after(world)
    assert len(await world.notices(ANN)) == 250


async def test_a_text_of_many_parts_is_told_of_once(world: World) -> None:
    world.network.answer = saying(None)
    await unconfirmed(world, text="word " * 150)
    assert len(await world.notices()) == 1


@on_sqlite
@pytest.mark.parametrize("rows", [0, 3_000])
async def test_looking_for_old_rows_does_not_read_the_young_ones(world: World, rows: int) -> None:
    for _ in range(rows // 100):
        await world.webhook(*({"type": "ping"} for _ in range(100)))
    steps = 0

    def count() -> None:
        nonlocal steps
        steps += 1

    writer = world.store._writer
    writer.set_progress_handler(count, 100)
    await look_after(world)
    writer.set_progress_handler(None, 0)
    assert steps < 400
