"""Receipts come early, late, twice and in any order: the status is what the table says, and a failure is told once."""

import asyncio
import itertools
import json
import random
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fakes import ANN, OUR_NUMBER, World, lost, ok
from flows.conftest import on_sqlite
from smsbridge.contracts.jobs import Done, Job, JobEnd, Later
from smsbridge.contracts.store import Arrived, Tx
from smsbridge.domain.cause import Cause
from smsbridge.domain.errors import CannotSend
from smsbridge.domain.events import Receipt
from smsbridge.domain.message import Message, Notice, NoticeKind, Part
from smsbridge.domain.outcome import Evidence
from smsbridge.domain.status import Status
from smsbridge.flows import outbound, receipts, sending
from smsbridge.flows.outbound import Draft
from smsbridge.flows.receipts import Report
from smsbridge.store.sqlite import SqliteRows, migrate
from smsbridge.store.tx import SqlTx
from smsbridge.wire.http import Performed, Request


def receipt(status: str, **more: Any) -> dict[str, Any]:
    return {"type": "receipt", "status": status, **more}


async def status(world: World, message_id: str) -> Status:
    return (await world.message(message_id)).status


# --- one at a time


async def test_receipts_advance_the_status_and_keep_the_times(world: World) -> None:
    message = await world.send()
    await world.run_due()
    sent_at = world.clock.now
    world.clock.now += 5_000
    report = await world.webhook(receipt("delivered", id="C1"))
    assert report.outcomes == ((Arrived.STORED, "applied"),)
    kept = await world.message(message.id)
    assert (kept.status, kept.sent_at_ms, kept.delivered_at_ms) == (Status.DELIVERED, sent_at, sent_at + 5_000)


async def test_a_failure_is_told_once_with_its_evidence(world: World) -> None:
    message = await world.send()
    await world.run_due()
    for _ in range(2):
        await world.webhook(receipt("undelivered", id="C1", cause="unreachable"))
    await world.webhook(receipt("sent", id="C1"))
    kept = await world.message(message.id)
    assert (kept.status, kept.cause) == (Status.UNDELIVERED, Cause.UNREACHABLE)
    (notice,) = await world.notices()
    assert (notice.kind, notice.cause, notice.evidence.code) == (
        NoticeKind.UNDELIVERED,
        Cause.UNREACHABLE,
        "unreachable",
    )


async def test_a_failure_without_a_cause_is_unknown_wherever_it_is_shown(world: World) -> None:
    message = await world.send()
    await world.run_due()
    await world.webhook(receipt("failed", id="C1"))
    assert (await world.message(message.id)).cause is Cause.UNKNOWN
    assert [notice.cause for notice in await world.notices()] == [Cause.UNKNOWN]


async def test_nothing_is_believed_after_delivered(world: World) -> None:
    message = await world.send()
    await world.run_due()
    await world.webhook(receipt("delivered", id="C1"))
    report = await world.webhook(receipt("failed", id="C1", cause="blocked"))
    assert report.outcomes == ((Arrived.STORED, "older"),)
    assert (await status(world, message.id), await world.notices()) == (Status.DELIVERED, [])


async def test_a_repeat_is_a_duplicate(world: World) -> None:
    await world.send()
    await world.run_due()
    await world.webhook(receipt("delivered", id="C1"))
    assert (await world.webhook(receipt("delivered", id="C1"))).outcomes == ((Arrived.DUPLICATE, "receipt"),)


async def test_a_receipt_before_the_answer_waits_for_it(world: World) -> None:
    async def answer(_request: Any) -> Any:
        report = await world.webhook(receipt("delivered", id="C1"))
        assert report.outcomes == ((Arrived.STORED, "parked"),)
        return ok({"id": "C1"})

    world.network.answer = answer
    message = await world.send()
    await world.run_due()
    assert await status(world, message.id) is Status.DELIVERED
    assert await world.store.read(lambda tx: tx.list_unmatched_receipts()) == []


@on_sqlite
async def test_a_thousand_receipts_that_overtake_their_answers_leave_no_orphan(world: World) -> None:
    """Sixteen sends at once; each receipt, known by the carrier's id alone, comes some steps before its answer."""
    chance, numbers = random.Random(20261125), itertools.count(1)

    async def answer(_request: Request) -> Performed:
        carrier_id = f"C{next(numbers)}"
        report = await world.webhook(receipt("delivered", id=carrier_id))
        assert report.outcomes == ((Arrived.STORED, "parked"),)
        for _ in range(chance.randrange(20)):
            await asyncio.sleep(0)
        return ok({"id": carrier_id})

    world.network.answer = answer
    contacts = [f"+1415555{number:04d}" for number in range(100, 116)]
    messages = await asyncio.gather(*(world.send(f"{number}", to=contacts[number % 16]) for number in range(1_000)))
    while begun := [each for each in [await world.claim() for _ in range(16)] if each]:
        await asyncio.gather(*(world.finish(*each) for each in begun))
    orphans = await world.store.read(lambda tx: tx.list_unmatched_receipts(limit=1_000))
    shown = await world.store.read(lambda tx: tx.messages([message.id for message in messages]))
    delivered = [message for message in shown.values() if message.status is Status.DELIVERED]
    print(f"1000 receipts before their answers: {len(orphans)} orphans, {len(delivered)} delivered")  # noqa: T201
    assert (len(orphans), len(delivered)) == (0, 1_000)


async def test_a_receipt_that_nobody_owns_is_kept_and_listed(world: World) -> None:
    await world.webhook(receipt("delivered", id="stranger"))
    (parked,) = await world.store.read(lambda tx: tx.list_unmatched_receipts())
    assert parked.carrier_message_id == "stranger"


async def test_a_receipt_by_another_account_changes_nothing(world: World) -> None:
    message = await world.send()
    await world.run_due()
    named = receipt("failed", id="C1", ref=f"{message.id}.1.1")
    report = await world.webhook(named, account="second", secret="other")
    assert report.outcomes == ((Arrived.IGNORED, "wrong_account"),)
    assert world.meter.counts["receipts_total", "second", "wrong_account", "failed"] == 1
    report = await world.webhook(receipt("failed", id="C1"), account="second", secret="other")
    assert report.outcomes == ((Arrived.STORED, "parked"),)
    assert await status(world, message.id) is Status.SENT


async def test_receipts_that_name_only_our_reference_are_told_apart(world: World) -> None:
    first, second = await world.send("first"), await world.send("second")
    await world.run_due()
    for message in (first, second):
        await world.webhook(receipt("delivered", ref=f"{message.id}.1.1"))
    assert await status(world, first.id) is await status(world, second.id) is Status.DELIVERED


@pytest.mark.parametrize("ref", ["", ".", "x", "msg.1", "msg.1.1.1", "{}.0.1", "{}.2.1", "{}.1.2", "{}.1.9" + "9" * 30])
async def test_a_reference_that_is_not_ours_moves_nothing(world: World, ref: str) -> None:
    message = await world.send()
    await world.run_due()
    await world.webhook(receipt("delivered", id="other", ref=ref.format(message.id)))
    assert await status(world, message.id) is Status.SENT


async def test_a_delivery_teaches_that_the_number_takes_texts(world: World) -> None:
    await world.send()
    await world.run_due()
    await world.webhook(receipt("delivered", id="C1"))
    known = await world.store.read(lambda tx: tx.capability(ANN, world.clock.now))
    assert known is not None
    assert (known.sms_capable, known.source) == ("yes", "receipts")


async def test_a_message_shows_the_worst_of_its_parts_that_is_final(world: World) -> None:
    message = await world.send("word " * 150)
    await world.run_due()
    await world.webhook(receipt("delivered", id="C1"), receipt("delivered", id="C3"))
    assert await status(world, message.id) is Status.SENT
    await world.webhook(receipt("undelivered", id="C2", cause="unreachable"))
    kept = await world.message(message.id)
    assert (kept.status, kept.cause) == (Status.UNDELIVERED, Cause.UNREACHABLE)
    await world.webhook(receipt("delivered", id="C2"))
    kept = await world.message(message.id)
    assert (kept.status, kept.cause) == (Status.DELIVERED, None)
    assert len(await world.notices()) == 1


async def test_a_part_that_failed_early_keeps_the_rest_back_until_it_arrives_after_all(world: World) -> None:
    message = await world.send("word " * 100)
    claimed = await world.claim()
    assert claimed is not None
    await world.finish(*claimed)
    await world.webhook(receipt("undelivered", id="C1", cause="unreachable"))
    await world.run_due()
    assert len(world.sent()) == 1
    await world.webhook(receipt("delivered", id="C1"))
    await world.run_due()
    assert [part.status for part in await world.parts(message.id)] == [Status.DELIVERED, Status.SENT]


def overtaken_by(world: World, what: dict[str, Any], answer: Performed) -> None:
    """The receipt comes while the answer to the send is on its way."""

    async def perform(request: Request) -> Performed:
        await world.webhook({**what, "ref": json.loads(request.body)["ref"]})
        return answer

    world.network.answer = perform


@pytest.mark.parametrize("first", ["receipt", "answer"])
async def test_a_refusal_and_its_receipt_end_in_the_same_cause(world: World, first: str) -> None:
    """A gateway that cannot route a text says so in its answer, and only that it failed in the receipt."""
    refusal = ok({"code": "permission_or_region"}, status=403)
    if first == "receipt":
        overtaken_by(world, receipt("failed", cause="unknown"), refusal)
    else:
        world.network.answer = lambda _request: refusal
    message = await world.send("word " * 100)
    await world.run_due()
    if first == "answer":
        await world.webhook(receipt("failed", cause="unknown", ref=f"{message.id}.1.1"))
    kept, parts = await world.message(message.id), await world.parts(message.id)
    assert (kept.status, kept.cause) == (Status.FAILED, Cause.PERMISSION_OR_REGION)
    assert [(part.status, part.cause, part.evidence.code) for part in parts] == [
        (Status.FAILED, Cause.PERMISSION_OR_REGION, "permission_or_region"),
        (Status.FAILED, None, ""),
    ]
    notice = (await world.notices())[-1]
    assert (notice.kind, notice.evidence.code) == (NoticeKind.SERVICE_PROBLEM, "permission_or_region")


async def test_a_reason_that_comes_later_is_told_to_everybody(make_world: Callable[..., World]) -> None:
    world = make_world(external=True)
    message = await world.send()
    await world.run_due()
    for cause in ("unknown", "not_mobile", "blocked"):  # the first that is known stays
        await world.webhook(receipt("undelivered", id="C1", cause=cause))
        await world.run_due()
    kept = await world.message(message.id)
    assert (kept.status, kept.cause) == (Status.UNDELIVERED, Cause.NOT_MOBILE)
    assert [(notice.kind, notice.cause) for notice in await world.notices()] == [
        (NoticeKind.UNDELIVERED, Cause.UNKNOWN),
        (NoticeKind.NOT_SMS_CAPABLE, Cause.NOT_MOBILE),
    ]
    told = [event["data"] for event in world.sent("/events") if event["type"] == "message.status"]
    assert [(data["status"], data["cause"]) for data in told] == [
        ("sent", None),
        ("undelivered", "unknown"),
        ("undelivered", "not_mobile"),
    ]
    known = await world.store.read(lambda tx: tx.capability(ANN, world.clock.now))
    assert known is not None
    assert known.sms_capable == "no", "what the reason says of the number is learnt"


async def test_a_contact_who_turns_out_to_have_opted_out_is_not_texted_again(world: World) -> None:
    await world.send()
    await world.run_due()
    for cause in (None, "opted_out"):
        await world.webhook(receipt("failed", id="C1", cause=cause))
    refused = await world.submit(to=ANN, text="Still there?")
    assert isinstance(refused, CannotSend)
    assert refused.cause is Cause.OPTED_OUT


async def test_a_reason_that_changes_nothing_for_the_agent_is_shown_and_not_told_again(world: World) -> None:
    message = await world.send()
    await world.run_due()
    for cause in ("unknown", "unreachable"):
        await world.webhook(receipt("undelivered", id="C1", cause=cause))
    assert (await world.message(message.id)).cause is Cause.UNREACHABLE
    assert [notice.cause for notice in await world.notices()] == [Cause.UNKNOWN]


async def test_a_text_that_was_delivered_is_not_failed_by_its_late_answer(world: World) -> None:
    overtaken_by(world, receipt("delivered"), ok({"code": "blocked"}, status=403))
    message = await world.send()
    await world.run_due()
    [part] = await world.parts(message.id)
    assert (part.status, part.cause) == (Status.DELIVERED, None)
    assert await world.notices() == []


async def test_a_lost_answer_does_not_hide_why_a_text_failed(world: World) -> None:
    overtaken_by(world, receipt("failed", cause="blocked"), lost())
    message = await world.send()
    await world.run_due()
    [part] = await world.parts(message.id)
    assert (part.status, part.cause, part.evidence.code) == (Status.FAILED, Cause.BLOCKED, "blocked")


async def test_a_person_who_was_erased_is_learnt_nothing_of(world: World) -> None:
    from smsbridge.flows import contacts

    message = await world.send()
    await world.run_due()
    await contacts.erase(world.bridge, message.contact_id)
    await world.webhook(receipt("delivered", id="C1"))
    assert await status(world, message.id) is Status.DELIVERED
    assert await world.store.read(lambda tx: tx.capability("", world.clock.now)) is None


# --- any receipts in any order, against a model that knows nothing of the code

UNKNOWN = {None, "unknown"}
ORDER = {"sent": 1, "undelivered": 2, "failed": 2, "delivered": 3}
BAD = {"failed", "undelivered"}
PARTS = 3


@dataclass
class ModelPart:
    """What one part of a text should come to, written from the promises and not from the table of moves."""

    status: str = "queued"
    cause: str | None = None
    tries: int = 0

    def report(self, said: str, cause: str | None, try_number: int) -> None:
        if try_number > self.tries:
            return  # of a try that never was
        if try_number < self.tries and said != "delivered":
            return  # bad news of an earlier try: a later one is under way
        now = ORDER.get(self.status, 0)
        if ORDER[said] > now:
            self.status, self.cause = said, cause
        elif now == ORDER[said] == ORDER["failed"] and self.cause in UNKNOWN and cause not in UNKNOWN:
            self.cause = cause


@dataclass
class Model:
    """A whole text. `told` has a failure for each time that it came to a bad end after a retry or a new try, and the
    reason for each that came later and makes the agent do something else."""

    parts: list[ModelPart] = field(default_factory=lambda: [ModelPart() for _ in range(PARTS)])
    shown: str = "queued"
    cause: str | None = None
    retries: int = 0
    told: set[tuple[str, int, int]] = field(default_factory=set)
    seen: set[tuple[Any, ...]] = field(default_factory=set)
    parked: list[tuple[int, int, str, str | None]] = field(default_factory=list)
    known_ids: set[tuple[int, int]] = field(default_factory=set)

    @property
    def status(self) -> str:
        present = {part.status for part in self.parts}
        for bad in ("failed", "undelivered", "uncertain"):
            if bad in present:
                return bad
        if len(present) == 1:
            return present.pop()
        return "sent" if present <= {"sent", "delivered"} else "sending"

    def note(self) -> None:
        before, self.shown, this_try = self.cause, self.status, (self.retries, sum(part.tries for part in self.parts))
        if self.shown not in BAD:
            self.cause = None
            return
        bad = sorted((part for part in self.parts if part.status in BAD), key=lambda part: part.status != self.shown)
        known = [part.cause for part in bad if part.cause not in UNKNOWN]
        self.cause = before if before in known else known[0] if known else "unknown"
        if before is None:
            self.told.add(("failed", *this_try))
        elif before == "unknown" and self.cause in {"blocked", "filtered"}:
            self.told.add(("reason", *this_try))

    def learn_id(self, part: int, try_number: int) -> None:
        """Whose the carrier's id is: what was parked under it comes in."""
        if (part, try_number) in self.known_ids:
            return
        self.known_ids.add((part, try_number))
        for parked in [each for each in self.parked if each[:2] == (part, try_number)]:
            self.parked.remove(parked)
            self.note()
            self.parts[part].report(parked[2], parked[3], try_number)


Step = tuple[Any, ...]
CAUSES = ("unreachable", "blocked", "filtered", "expired", "unknown", "unknown")
OVERTAKING: tuple[Any, ...] = (*[None] * 30, *itertools.product(sorted(ORDER), CAUSES))
"""A receipt that overtakes the answer."""
SENDS: tuple[Step, ...] = tuple(
    ("send", *what) for what in itertools.product(("accepted", "lost", "rejected"), OVERTAKING)
)
RECEIPTS: tuple[Step, ...] = tuple(
    ("receipt", *what)
    for what in itertools.product(
        range(PARTS),
        (1, 2),
        sorted(ORDER),
        CAUSES,
        ("by id", "by reference", "by both"),
        ("plain", "plain", "plain", "second"),
    )
)
kinds = (SENDS, RECEIPTS, RECEIPTS, (("retry",),))
steps = st.lists(st.one_of(*map(st.sampled_from, kinds)), max_size=14)
"""A step is drawn whole: drawing it word by word takes longer than taking it."""


class Bench:
    """One transaction on a store in memory, in which an example runs and which is then taken back."""

    def __init__(self) -> None:
        connection = sqlite3.connect(":memory:", isolation_level=None)
        migrate(connection)
        self.connection = connection
        self.tx: Tx = SqlTx(SqliteRows(connection), b"k" * 32)
        self.world = World(None, None)  # type: ignore[arg-type] - what runs here is given its transaction

    def send_next(self, outcome: str, before_its_end: Callable[[int, int], None]) -> tuple[int, int] | None:
        """Begins the head of the queue and ends it so. Returns (part, try), or None when nothing was to be sent."""
        now_ms = self.world.clock.now
        jobs = self.tx.claim("send:plain", now_ms=now_ms, lease_until_ms=now_ms + 1, limit=1)
        if not jobs:
            return None
        begun = sending.begin_send(self.world.bridge)(self.tx, jobs[0])
        if not isinstance(begun, sending.Sending):
            self._end(jobs[0], begun)
            return None
        before_its_end(begun.part.number - 1, begun.part.tries)
        match outcome:
            case "accepted":
                self._end(jobs[0], Later(due_at_ms=now_ms, counts=False))
                report = Report(status=Status.SENT, carrier_message_id=id_of(begun.part.number - 1, begun.part.tries))
                receipts.apply_report(self.tx, self.world.bridge, begun.target, report)
            case "lost":
                self._end(jobs[0], Done() if begun.is_last else Later(due_at_ms=now_ms, counts=False))
                sending.doubt(self.tx, self.world.bridge, begun.message, begun.part, "lost")
            case "rejected":
                self._end(jobs[0], Done())
                sending.fail(
                    self.tx, self.world.bridge, begun.message, begun.part, sending.Rejected(cause=Cause.BLOCKED)
                )
        return begun.part.number - 1, begun.part.tries

    def _end(self, job: Job, end: JobEnd) -> None:
        if isinstance(end, Later):
            assert self.tx.postpone_job(job, end.due_at_ms, counts=end.counts)
        else:
            assert self.tx.close_job(job)


def id_of(part: int, try_number: int) -> str:
    return f"C{part}.{try_number}"


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.connection.close()


@settings(max_examples=2_000, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps)
def test_any_receipts_in_any_order_come_to_what_the_model_says(bench: Bench, steps: Sequence[Step]) -> None:
    """Doubled, early (parked or by our reference), of earlier tries, of other accounts, between sends and retries."""
    bench.connection.execute("BEGIN")
    try:
        play(bench, steps)
    finally:
        bench.connection.execute("ROLLBACK")


def play(bench: Bench, steps: Sequence[Step]) -> None:
    tx, bridge = bench.tx, bench.world.bridge
    bench.world.clock.now += 86_400_000
    message = outbound.submit(tx, bridge, Draft(to=ANN, from_sender=OUR_NUMBER, text="word " * 150))
    assert isinstance(message, Message)
    model = Model()
    for step in steps:
        bench.world.clock.now += 1  # what is parked is ordered by when it came, and the model by its steps
        match step:
            case ("send", outcome, early):

                def overtake(part: int, try_number: int, step: Step = step, early: Step | None = early) -> None:
                    model_begin(model, part, try_number)
                    model.note()
                    if early is not None:
                        receipt = ("receipt", part, try_number, *early, "by reference", "plain")
                        accept(tx, bench, message, receipt)
                        model_receipt(model, *receipt[1:])
                        model.note()
                        check(tx, message, model, step)

                model_end(model, outcome, bench.send_next(outcome, overtake))
            case ("receipt", part, try_number, said, cause, how, account):
                accept(tx, bench, message, step)
                model_receipt(model, part, try_number, said, cause, how, account)
            case ("retry",):
                if model.status in {"failed", "undelivered", "uncertain"}:
                    outbound.retry(tx, bridge, message.id)
                    model.retries += 1
                    for part_model in model.parts:
                        if part_model.status in {"failed", "undelivered", "uncertain"}:
                            part_model.status, part_model.cause = "queued", None
        model.note()
        check(tx, message, model, step)


STOPPED = {"failed", "undelivered", "uncertain", "delivered"}


def next_part(model: Model) -> int | None:
    return next((number for number, part in enumerate(model.parts) if part.status == "queued"), None)


def model_begin(model: Model, part: int, try_number: int) -> None:
    assert model.status not in STOPPED, "sent although another part had failed or was in doubt"
    assert part == next_part(model)
    begun = model.parts[part]
    begun.status, begun.cause, begun.tries = "sending", None, begun.tries + 1
    assert try_number == begun.tries


def model_end(model: Model, outcome: str, sent: tuple[int, int] | None) -> None:
    if sent is None:
        assert next_part(model) is None or model.status in STOPPED, "something was left to be sent"
        return
    part = model.parts[sent[0]]
    match outcome:
        case "accepted":
            part.report("sent", None, part.tries)
            model.learn_id(sent[0], part.tries)
        case "lost":
            part.status = "uncertain" if part.status == "sending" else part.status
        case "rejected":
            part.report("failed", "blocked", part.tries)
            for behind in model.parts:
                if part.status != "delivered" and behind.status == "queued":
                    behind.status, behind.cause = "failed", None


def model_receipt(
    model: Model, part: int, try_number: int, said: str, cause: str | None, how: str, account: str
) -> None:
    cause = cause if said in {"undelivered", "failed"} else None
    key = (part, try_number, said, cause, how, account)
    if key in model.seen:
        return
    model.seen.add(key)
    if account != "plain":
        return
    if how == "by id" and (part, try_number) not in model.known_ids:
        model.parked.append((part, try_number, said, cause))
        return
    model.parts[part].report(said, cause, try_number)
    if how == "by both" and try_number <= model.parts[part].tries:
        model.learn_id(part, try_number)


def accept(tx: Tx, bench: Bench, message: Message, step: Step) -> None:
    _, part, try_number, said, cause, how, account = step
    failing = said in {"undelivered", "failed"}
    receipts.accept_receipt(
        tx,
        bench.world.bridge,
        account,
        Receipt(
            carrier_message_id="" if how == "by reference" else id_of(part, try_number),
            part_ref="" if how == "by id" else f"{message.id}.{part + 1}.{try_number}",
            status=Status(said),
            cause=Cause(cause) if failing else None,
            evidence=Evidence(code=cause if failing else ""),
        ),
    )


def check(tx: Tx, message: Message, model: Model, step: Step) -> None:
    parts: list[Part] = tx.parts(message.id)
    shown = tx.message(message.id)
    assert shown is not None
    assert [part.status for part in parts] == [part.status for part in model.parts], step
    assert [part.cause for part in parts if part.status in BAD] == [
        part.cause for part in model.parts if part.status in BAD
    ], step
    assert [part.status for part in parts].count(Status.UNCERTAIN) <= 1, "one doubt at a time, and one job to settle it"
    assert (shown.status, shown.cause) == (model.status, model.cause), step
    told: list[Notice] = tx.list_notices(interaction_id=message.interaction_id, limit=100)
    assert len(told) == len(model.told), step


async def test_a_doubt_is_not_a_failure(world: World) -> None:
    world.network.answer = lambda _request: lost()
    await world.send()
    await world.run_due()
    assert await world.notices() == []


async def test_a_receipt_that_says_whose_the_carriers_id_is_brings_in_those_that_were_parked(world: World) -> None:
    world.network.answer = lambda _request: lost()
    message = await world.send()
    await world.run_due()
    await world.webhook({"type": "receipt", "id": "C9", "status": "delivered"})
    await world.webhook({"type": "receipt", "id": "C9", "ref": f"{message.id}.1.1", "status": "sent"})
    assert (await world.message(message.id)).status is Status.DELIVERED
    assert await world.store.read(lambda tx: tx.list_unmatched_receipts()) == []
