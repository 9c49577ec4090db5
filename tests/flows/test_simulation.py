"""The whole bridge at random: texts, repeats, receipts early and late, sends that end in every way, and crashes.

After every step these hold: what was acknowledged is there; a part leaves again only when the carrier certainly does
not have it or a person says so; every status came by the table; every failed text has its notice, and in the end every
uncertain one; a transcript only ever grows at its end; the log's numbers only ever grow.
"""

import asyncio
import itertools
import json
import random
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from fakes import ANN, BOB, OTHER_NUMBER, OUR_NUMBER, World, lost, ok, refused
from smsbridge.contracts.store import Arrived, MessageFilter
from smsbridge.domain.errors import Conflict
from smsbridge.domain.message import Direction, Message, NoticeKind
from smsbridge.domain.status import MOVES, Move, Status
from smsbridge.flows import interactions, outbound
from smsbridge.store.sqlite import SqliteStore
from smsbridge.wire.http import Answered, Performed, Request, Response

BY_ITSELF = {
    (before, after)
    for move, row in MOVES.items()
    if move not in {Move.RETRY, Move.CANCEL, Move.RESEND}
    for before, after in row.items()
}
"""The moves that need no person and no other policy."""
CONTACTS = (ANN, BOB)
SENDERS = (OUR_NUMBER, OTHER_NUMBER)


@dataclass
class Ledger:
    """What the carrier saw: it knows of each reference whether it took the text."""

    took: dict[str, str] = field(default_factory=dict)
    seen: Counter[str] = field(default_factory=Counter)
    refused: set[str] = field(default_factory=set)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))


class Bridge(RuleBasedStateMachine):
    """One bridge with a carrier that behaves as badly as the network lets it."""

    @initialize(seed=st.integers(0, 2**32))
    def start(self, seed: int) -> None:
        memory = Path("/dev/shm")
        self.folder = tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None)
        self.runner = asyncio.Runner()
        self.store = self.runner.run(self.open())
        self.world = World(self.store, None, external=True)
        self.world.network.answer = self.answer
        self.random = random.Random(seed)
        self.ledger = Ledger()
        self.acknowledged: set[str] = set()
        self.taken: set[str] = set()
        self.allowed_again: set[str] = set()
        self.statuses: dict[tuple[str, int], Status] = {}
        self.transcripts: dict[str, list[tuple[int, str]]] = {}
        self.told: list[dict[str, Any]] = []
        self.inbound = itertools.count(1)
        self.outcome = "accepted"

    async def open(self) -> SqliteStore:
        return SqliteStore.open(Path(self.folder.name) / "bridge.sqlite3")

    def teardown(self) -> None:
        if hasattr(self, "world"):
            try:
                self.settle_down()
            finally:
                self.runner.run(self.store.close())
                self.runner.close()
                self.folder.cleanup()

    # --- the carrier and the desktop

    def answer(self, request: Request) -> Performed:
        if "/events" in request.url:
            if self.outcome == "desktop down":
                return refused()
            self.told.append(json.loads(request.body))
            return ok({})
        if "/find" in request.url:
            carrier_id = self.ledger.took.get(request.url.rpartition("/")[2])
            absent = Answered(response=Response(status=404), elapsed_ms=1)
            return ok({"id": carrier_id}) if carrier_id else absent
        return self.answer_send(json.loads(request.body)["ref"])

    def answer_send(self, ref: str) -> Performed:
        self.ledger.seen[ref] += 1
        carrier_id = f"C{next(self.ledger.numbers)}"
        match self.outcome:
            case "lost after":
                self.ledger.took[ref] = carrier_id
                return lost()
            case "lost before":
                return lost()
            case "not sent":
                self.ledger.refused.add(ref)
                return refused()
            case "rejected":
                self.ledger.refused.add(ref)
                return ok({"code": self.random.choice(["blocked", "filtered", "unknown"])}, status=400)
            case "later":
                self.ledger.refused.add(ref)
                return ok({"after_s": 5}, status=429)
            case _:
                self.ledger.took[ref] = carrier_id
                return ok({"id": carrier_id})

    # --- what happens

    @rule(contact=st.sampled_from(CONTACTS), sender=st.sampled_from(SENDERS), text=st.sampled_from(["Hi", "A\nB", "?"]))
    def a_contact_texts(self, contact: str, sender: str, text: str) -> None:
        carrier_id = f"in{next(self.inbound)}"
        report = self.runner.run(self.world.text(text, sender=contact, to=sender, carrier_id=carrier_id))
        assert report.outcomes == ((Arrived.STORED, "message"),)
        self.acknowledged.add(carrier_id)

    @precondition(lambda self: self.acknowledged)
    @rule(data=st.data())
    def the_carrier_repeats_itself(self, data: st.DataObject) -> None:
        carrier_id = data.draw(st.sampled_from(sorted(self.acknowledged)))
        report = self.runner.run(self.world.text("Hi", carrier_id=carrier_id))
        assert report.outcomes == ((Arrived.DUPLICATE, "message"),)

    @rule(contact=st.sampled_from(CONTACTS), sender=st.sampled_from(SENDERS), parts=st.integers(1, 3))
    def an_agent_writes(self, contact: str, sender: str, parts: int) -> None:
        message = self.runner.run(self.world.send("word " * (60 * parts - 20), to=contact, from_sender=sender))
        self.taken.add(message.id)

    @rule(
        outcome=st.sampled_from(
            ["accepted", "accepted", "lost after", "lost before", "not sent", "rejected", "later", "desktop down"]
        ),
        most=st.integers(1, 4),
    )
    def some_jobs_run(self, outcome: str, most: int) -> None:
        self.outcome = outcome
        for _ in range(most):
            claimed = self.runner.run(self.world.claim())
            if claimed is None:
                break
            self.runner.run(self.world.finish(*claimed))
        self.outcome = "accepted"

    @rule(had_it=st.booleans())
    def it_crashes_in_the_middle_of_a_job(self, had_it: bool) -> None:
        """Before or after the carrier took the text; either way nobody wrote down how it ended."""
        claimed = self.runner.run(self.world.claim())
        if claimed is not None and hasattr(claimed[1], "outbound") and had_it:
            self.outcome = "lost after"
            self.answer_send(claimed[1].outbound.ref)
            self.outcome = "accepted"
        self.runner.run(self.store.close())
        self.store = self.runner.run(self.open())
        self.runner.run(self.world.restart(self.store))

    @rule(seconds=st.sampled_from([1, 6, 61, 400, 4_000]))
    def time_passes(self, seconds: int) -> None:
        self.world.clock.now += seconds * 1_000

    @precondition(lambda self: self.ledger.took)
    @rule(data=st.data(), status=st.sampled_from(["sent", "delivered", "undelivered", "failed"]), named=st.booleans())
    def a_receipt_comes(self, data: st.DataObject, status: str, named: bool) -> None:
        ref = data.draw(st.sampled_from(sorted(self.ledger.took)))
        event = {"type": "receipt", "id": self.ledger.took[ref], "status": status, "ref": ref if named else ""}
        if status in {"undelivered", "failed"}:
            event["cause"] = data.draw(st.sampled_from(["unreachable", "blocked"]))
        report = self.runner.run(self.world.webhook(event))
        assert report.outcomes[0][0] in {Arrived.STORED, Arrived.DUPLICATE}

    @precondition(lambda self: self.taken)
    @rule(data=st.data())
    def an_agent_tries_again(self, data: st.DataObject) -> None:
        message_id = data.draw(st.sampled_from(sorted(self.taken)))
        before = self.runner.run(self.world.parts(message_id))
        try:
            self.runner.run(self.world.write(lambda tx: outbound.retry(tx, self.world.bridge, message_id)))
        except Conflict:
            return
        for part in before:
            self.allowed_again.add(f"{message_id}.{part.number}.{part.tries}")
            if part.status in {Status.FAILED, Status.UNDELIVERED, Status.UNCERTAIN}:
                self.statuses[message_id, part.number] = Status.QUEUED

    @precondition(lambda self: self.taken)
    @rule(data=st.data())
    def an_agent_takes_a_text_back(self, data: st.DataObject) -> None:
        message_id = data.draw(st.sampled_from(sorted(self.taken)))
        try:
            self.runner.run(self.world.write(lambda tx: outbound.cancel(tx, self.world.bridge, message_id)))
        except Conflict:
            return
        for part in self.runner.run(self.world.parts(message_id)):
            self.statuses[message_id, part.number] = Status.CANCELLED

    @rule(contact=st.sampled_from(CONTACTS), how=st.sampled_from(["end", "done"]))
    def an_agent_ends_it(self, contact: str, how: str) -> None:
        interaction = self.runner.run(self.world.open_interaction(contact))
        if interaction is None or interaction.state == "done":
            return
        if how == "end":
            self.runner.run(self.world.write(lambda tx: interactions.end(tx, self.world.bridge, interaction.id)))
        else:
            self.runner.run(
                self.world.write(
                    lambda tx: interactions.mark_done(
                        tx, self.world.bridge, interaction.id, agent=None, disposition="", note=""
                    )
                )
            )

    # --- what holds

    def messages(self) -> list[Message]:
        return self.runner.run(self.store.read(lambda tx: tx.list_messages(MessageFilter(), limit=10_000)))

    @invariant()
    def nothing_acknowledged_is_lost(self) -> None:
        messages = self.messages()
        inbound = {each.carrier_message_id for each in messages if each.direction is Direction.INBOUND}
        assert inbound == self.acknowledged
        assert {each.id for each in messages if each.direction is Direction.OUTBOUND} == self.taken

    @invariant()
    def a_part_leaves_again_only_when_the_carrier_certainly_does_not_have_it(self) -> None:
        assert all(count == 1 for count in self.ledger.seen.values()), "one reference, one request"
        tries = defaultdict(list)
        for ref in self.ledger.seen:
            part, _, number = ref.rpartition(".")
            tries[part].append(int(number))
        for part, numbers in tries.items():
            for number in sorted(numbers)[:-1]:
                ref = f"{part}.{number}"
                assert ref in self.ledger.refused | self.allowed_again, f"{ref} was sent again"

    @invariant()
    def every_status_came_by_the_table(self) -> None:
        parts_of = self.runner.run(self.store.read(lambda tx: tx.parts_of(sorted(self.taken))))
        for message_id, parts in parts_of.items():
            for part in parts:
                before = self.statuses.get((message_id, part.number), Status.QUEUED)
                assert part.status is before or _can_come(before, part.status), f"{before} to {part.status}"
                self.statuses[message_id, part.number] = part.status

    @invariant()
    def every_failure_is_told_and_told_once(self) -> None:
        notices = self.runner.run(self.store.read(lambda tx: tx.list_notices(limit=10_000)))
        of_message = Counter((notice.message_id, notice.kind, notice.key) for notice in notices)
        assert all(count == 1 for count in of_message.values())
        told = {notice.message_id for notice in notices if notice.kind is not NoticeKind.DELAYED}
        for message in self.messages():
            if message.status in {Status.FAILED, Status.UNDELIVERED}:
                assert message.id in told
                assert message.cause is not None

    @invariant()
    def a_transcript_only_grows_at_its_end(self) -> None:
        for number in CONTACTS:
            entries = self.runner.run(self.world.entries(number))
            now = [(entry.seq, entry.kind) for entry in entries]
            before = self.transcripts.get(number, [])
            assert now[: len(before)] == before
            assert now == sorted(now)
            self.transcripts[number] = now

    @invariant()
    def the_log_has_every_number_once(self) -> None:
        events = self.runner.run(self.store.read(lambda tx: tx.events_after(0, 100_000)))
        assert [event.seq for event in events] == list(range(1, len(events) + 1))

    @invariant()
    def the_desktop_hears_of_each_conversation_in_order(self) -> None:
        heard: dict[str, list[str]] = defaultdict(list)
        for event in self.told:
            conversation = event["data"].get("conversation_id")
            if conversation and event["id"] not in heard[conversation]:
                heard[conversation].append(event["id"])
        assert all(ids == sorted(ids) for ids in heard.values())

    def settle_down(self) -> None:
        """All is well again and hours go by: then nothing is on its way any more, and every doubt was told."""
        self.outcome = "accepted"
        for _ in range(30):
            self.runner.run(self.world.run_due())
            self.world.clock.now += 600_000
        self.nothing_acknowledged_is_lost()
        self.a_part_leaves_again_only_when_the_carrier_certainly_does_not_have_it()
        self.every_failure_is_told_and_told_once()
        self.the_desktop_hears_of_each_conversation_in_order()
        notices = self.runner.run(self.store.read(lambda tx: tx.list_notices(limit=10_000)))
        in_doubt = Counter(each.message_id for each in notices if each.kind is NoticeKind.DELIVERY_UNCERTAIN)
        for message in self.messages():
            assert message.status not in {Status.QUEUED, Status.SENDING}, "left lying"
            if message.status is Status.UNCERTAIN:
                assert in_doubt[message.id] >= 1
        received = {each["data"]["id"] for each in self.told if each["type"] == "message.received"}
        assert received == {each.id for each in self.messages() if each.direction is Direction.INBOUND}
        assert self.runner.run(self.store.read(lambda tx: tx.list_dead_letters())) == []


def _can_come(before: Status, after: Status) -> bool:
    """Whether the table leads from one to the other; several moves can fall into one step."""
    reached = {before}
    while more := {to for source, to in BY_ITSELF if source in reached} - reached:
        reached |= more
    return after in reached


TestBridge = Bridge.TestCase
TestBridge.settings = settings(
    max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
