"""What holds, whatever happens: asked of the database and of the ledgers of those outside, after everything that moves.

Questions to the database are written so that the answer must be empty.
"""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from smsbridge.domain.cause import Cause
from smsbridge.domain.notices import adds_to_unknown
from smsbridge.domain.status import MOVES, Status, of_parts
from smsbridge.flows.journal import TOLD_TO_DESKTOPS

if TYPE_CHECKING:
    from .world import World

LEGAL: Final = {(str(before), str(after)) for row in MOVES.values() for before, after in row.items()}
FAILED: Final = ("failed", "undelivered")
_TOLD: Final = ",".join(f"'{each}'" for each in sorted(TOLD_TO_DESKTOPS))
_NOT_OF_A_FAILURE: Final = "('delayed', 'delivery_uncertain', 'opted_in', 'rerouted')"

ALWAYS: Final = {
    "one text of a carrier is one message": """
        SELECT account, carrier_message_id, count(*) FROM messages WHERE direction = 'inbound'
        GROUP BY account, carrier_message_id HAVING count(*) > 1""",
    "one text of an agent is one message": """
        SELECT client_reference, count(*) FROM messages WHERE direction = 'outbound'
        GROUP BY client_reference HAVING count(*) > 1""",
    "a conversation has one open interaction at most": """
        SELECT conversation_id, count(*) FROM interactions WHERE state IN ('waiting', 'active')
        GROUP BY conversation_id HAVING count(*) > 1""",
    "a part is sending only while its job runs": """
        SELECT p.message_id, p.number, p.tries FROM parts AS p WHERE p.status = 'sending' AND NOT EXISTS (
            SELECT 1 FROM jobs AS j WHERE j.kind = 'send' AND j.ref = p.message_id AND j.is_running = 1)""",
    "a job that runs holds its lane": """
        SELECT j.id, j.kind, j.ref, l.claimed_job FROM jobs AS j LEFT JOIN lanes AS l ON l.lane = j.lane
        WHERE l.lane IS NULL OR (j.is_running = 1 AND l.claimed_job NOT IN (j.id, 0))""",
    "a failure is told in the commit that makes it one": f"""
        SELECT m.id, m.status FROM messages AS m WHERE m.status IN ('failed', 'undelivered') AND NOT EXISTS (
            SELECT 1 FROM notices AS n WHERE n.message_id = m.id AND n.kind NOT IN {_NOT_OF_A_FAILURE})""",
    "the log of events has no hole": """
        SELECT max(seq), count(*) FROM events HAVING count(*) > 0 AND max(seq) <> count(*)""",
}

IN_THE_END: Final = {
    "no job waits": """
        SELECT id, kind, queue, ref, attempt, due_at_ms FROM jobs WHERE kind NOT IN ('upkeep', 'catch_up')""",
    "no lane is left": "SELECT lane, claimed_job FROM lanes WHERE queue <> 'upkeep' AND queue NOT LIKE 'catch_up%'",
    "nothing was given up": "SELECT id, kind, ref, attempts, reason FROM dead_letters",
    "every message has come to its end": """
        SELECT id, status FROM messages WHERE status IN ('queued', 'sending') OR (
            status IN ('uncertain', 'sent') AND NOT EXISTS (SELECT 1 FROM notices AS n
                WHERE n.message_id = messages.id AND n.kind = 'delivery_uncertain'))""",
    "every part has come to its end": """
        SELECT p.message_id, p.number, p.status FROM parts AS p JOIN messages AS m ON m.id = p.message_id
        WHERE p.status = 'sending'
           OR (p.status = 'queued' AND m.status NOT IN ('uncertain', 'undelivered', 'failed'))""",
}


class Broken(AssertionError):
    """Something did not hold. `world` has the story."""

    world: World

    def __init__(self, promise: str, evidence: object) -> None:
        super().__init__(f"{promise}: {evidence}")
        self.promise = promise


class Witness:
    """Looks at the database with a connection of its own, and remembers what it saw."""

    SCHEMA: Final = """
        CREATE TABLE moves (
            n INTEGER PRIMARY KEY, message_id TEXT, part INTEGER, before TEXT, after TEXT, try INTEGER);
        CREATE TABLE reasons (message_id TEXT, part INTEGER, before TEXT, after TEXT);
        CREATE TRIGGER part_moved AFTER UPDATE ON parts WHEN old.status <> new.status BEGIN
            INSERT INTO moves (message_id, part, before, after, try)
            VALUES (new.message_id, new.number, old.status, new.status, new.tries); END;
        CREATE TRIGGER message_moved AFTER UPDATE ON messages WHEN old.status <> new.status BEGIN
            INSERT INTO moves (message_id, part, before, after) VALUES (new.id, 0, old.status, new.status); END;
        CREATE TRIGGER part_explained AFTER UPDATE ON parts WHEN old.status = new.status AND old.status IN
            ('failed', 'undelivered') AND coalesce(old.cause, '') <> coalesce(new.cause, '') BEGIN
            INSERT INTO reasons VALUES (new.message_id, new.number, old.cause, new.cause); END;
        CREATE TRIGGER message_explained AFTER UPDATE ON messages
            WHEN old.cause = 'unknown' AND new.cause <> 'unknown' BEGIN
            INSERT INTO reasons VALUES (new.id, 0, old.cause, new.cause); END;
        """

    def __init__(self, world: World, database: Path) -> None:
        self._world = world
        self._transcript: list[tuple[Any, ...]] = []
        self._moves_seen = 0
        self._tolds_seen = 0
        self._last_told: dict[str, int] = {}
        self._checked: tuple[int, ...] = ()
        self.look_at(database)

    def look_at(self, database: Path) -> None:
        self._eyes = sqlite3.connect(database, isolation_level=None)
        self._checked = ()

    def close(self) -> None:
        self._eyes.close()

    def check(self) -> None:
        """Raises Broken."""
        for promise, evidence in self._world.troubles:
            raise Broken(promise, evidence)
        carrier, desktop = self._world.carrier, self._world.desktop
        grown = len(carrier.acknowledged), len(carrier.taken), len(desktop.acknowledged), len(desktop.taken)
        now = (self._ask("PRAGMA data_version")[0][0], *grown)
        if now == self._checked:
            return  # neither the database nor a ledger has changed
        self._checked = now
        for promise, question in ALWAYS.items():
            _must_be_empty(promise, self._ask(question))
        self._check_nothing_is_lost()
        self._check_moves()
        self._check_messages()
        self._check_transcript()
        self._check_carrier()
        self._check_order_at_desktop()

    def is_at_rest(self) -> bool:
        """Whether there is nothing left to do."""
        return not any(rows for _, rows in self._left())

    def check_end(self) -> None:
        """Raises Broken."""
        for promise, left in self._left():
            _must_be_empty(promise, left)
        self._check_notices()
        self._check_order_at_carrier()
        _must_be_empty("the file is whole", [row for row in self._ask("PRAGMA integrity_check") if row[0] != "ok"])

    def _left(self) -> Iterator[tuple[str, Collection[object]]]:
        for promise, question in IN_THE_END.items():
            yield promise, self._ask(question)
        yield "what people wrote has arrived", self._unwritten()
        told = {row[0] for row in self._ask(f"SELECT id FROM events WHERE type IN ({_TOLD})")}
        yield "the desktop was told of everything", told ^ set(self._world.desktop.taken)

    def _check_nothing_is_lost(self) -> None:
        """What the bridge said 2xx to is there, word for word; and nothing is there that nobody wrote."""
        world = self._world
        stored = dict(
            self._ask(
                "SELECT carrier_message_id, sender || contact_number || text FROM messages WHERE direction = 'inbound'"
            )
        )
        wrote = {text.sid: text.to + text.sender + text.body for text in world.carrier.texts.values()}
        receipts = {row[0] for row in self._ask("SELECT key FROM receipts")}
        lost = [key for key in world.carrier.acknowledged if key not in stored and key not in receipts]
        _must_be_empty("what was acknowledged is there", lost)
        _must_be_empty("only what contacts wrote is there", [sid for sid in stored if stored[sid] != wrote.get(sid)])
        events = {row[0] for row in self._ask("SELECT event_id FROM desktop_events")}
        _must_be_empty("what was acknowledged is there", world.desktop.acknowledged - events)
        sent = dict(self._ask("SELECT client_reference, text FROM messages WHERE direction = 'outbound'"))
        written = world.desktop.written
        _must_be_empty(
            "what was acknowledged is there",
            [key for key in world.desktop.acknowledged if "text" in written[key] and key not in sent],
        )
        _must_be_empty("only what agents wrote is there", [key for key in sent if sent[key] != written[key]["text"]])

    def _check_moves(self) -> None:
        for n, message_id, part, before, after in self._ask(
            "SELECT n, message_id, part, before, after FROM moves WHERE n > ?", self._moves_seen
        ):
            self._moves_seen = n
            if part and (before, after) not in LEGAL:
                raise Broken("a status moves along the table", f"{message_id}.{part} from {before} to {after}")
        changed = self._ask(
            "SELECT * FROM reasons WHERE part > 0 AND (coalesce(before, 'unknown') <> 'unknown' OR after = 'unknown')"
        )
        _must_be_empty("a reason that is known stays", changed)

    def _check_messages(self) -> None:
        parts: dict[str, list[Status]] = defaultdict(list)
        for message_id, status in self._ask("SELECT message_id, status FROM parts"):
            parts[message_id].append(Status(status))
        shown = self._ask("SELECT id, status FROM messages WHERE direction = 'outbound'")
        wrong = [(key, status) for key, status in shown if of_parts(parts[key]) != status]
        _must_be_empty("a message shows what its parts add up to", wrong)

    def _check_transcript(self) -> None:
        """What was said stands where it stood."""
        now = self._ask("SELECT seq, contact_id, kind, ref FROM transcript ORDER BY seq")
        if now[: len(self._transcript)] != self._transcript:
            raise Broken("a transcript grows only at its end", [row for row in self._transcript if row not in now])
        self._transcript = now

    def _check_carrier(self) -> None:
        """No text leaves twice unless a person said so."""
        taken = Counter(text.ref for text in self._world.carrier.taken.values())
        _must_be_empty("one try is one text", [ref for ref, count in taken.items() if count > 1])
        takers: dict[str, set[str]] = defaultdict(set)
        for text in self._world.carrier.taken.values():
            takers[text.ref.partition(".")[0]].add(text.account)
        _must_be_empty("one carrier has a text, and no other", [key for key, some in takers.items() if len(some) > 1])
        of_part: dict[str, list[int]] = defaultdict(list)
        for ref in taken:
            part, _, number = ref.rpartition(".")
            of_part[part].append(int(number))
        for part, tries in of_part.items():
            if len(tries) > 1 and len({self._approved(part, number) for number in tries}) < len(tries):
                raise Broken("no text is sent twice", f"the tries {tries} of {part}")

    def _approved(self, part: str, number: int) -> int:
        """How often a person had said "again" before this try. One that was kept back has the number of the next."""
        message_id, _, part_number = part.partition(".")
        again = approved = 0
        for before, after, try_number in self._ask(
            "SELECT before, after, try FROM moves WHERE message_id = ? AND part = ? ORDER BY n", message_id, part_number
        ):
            if after == "sending" and try_number == number:
                approved = again
            elif after == "queued" and before != "sending":
                again = min(again + 1, self._world.counts[f"retry {message_id}"])
        return approved

    def _check_order_at_desktop(self) -> None:
        taken = list(self._world.desktop.taken)[self._tolds_seen :]
        if not taken:
            return
        marks = ",".join("?" * len(taken))
        seqs = {
            row[0]: row[1:]
            for row in self._ask(f"SELECT id, seq, conversation_id FROM events WHERE id IN ({marks})", *taken)
        }
        for event_id in taken:
            if event_id not in seqs:
                raise Broken("the desktop is told only what is committed", event_id)
            seq, conversation = seqs[event_id]
            if conversation and seq <= self._last_told.get(conversation, 0):
                raise Broken("the desktop hears of a conversation in order", f"{event_id} of {conversation}")
            self._last_told[conversation] = seq
        self._tolds_seen += len(taken)

    def _check_notices(self) -> None:
        """One for each try that failed and each later reason that changes what to do: none missing, none twice, none
        invented."""
        wanted: Counter[str] = Counter()
        failed: set[str] = set()  # in the try that runs now
        for message_id, part, before, after in self._ask(
            "SELECT message_id, part, before, after FROM moves ORDER BY n"
        ):
            if part:
                if after == "sending" or (after == "queued" and before != "sending"):
                    failed.discard(message_id)
            elif after in FAILED and message_id not in failed:
                wanted[message_id] += 1
                failed.add(message_id)
        for message_id, reason in self._ask("SELECT message_id, after FROM reasons WHERE part = 0"):
            wanted[message_id] += adds_to_unknown(Cause(reason))
        raised = Counter(
            row[0]
            for row in self._ask(
                f"SELECT message_id FROM notices WHERE message_id IS NOT NULL AND kind NOT IN {_NOT_OF_A_FAILURE}"
            )
        )
        _must_be_empty("each failure has exactly one notice", (wanted - raised) + (raised - wanted))

    def _check_order_at_carrier(self) -> None:
        """Texts of one conversation leave in the order in which they were written; one in doubt holds up no other."""
        doubtful = {row[0] for row in self._ask("SELECT message_id FROM moves WHERE after = 'uncertain'")}
        order = {
            row[0]: row[1:]
            for row in self._ask("SELECT ref, seq, conversation_id FROM transcript WHERE kind = 'message'")
        }
        first_asked = dict.fromkeys(ref.partition(".")[0] for ref in self._world.carrier.asked)
        first_asked = [key for key in first_asked if key not in doubtful and not self._world.counts[f"retry {key}"]]
        last: dict[str, int] = {}
        for message_id in first_asked:
            seq, conversation = order[message_id]
            if seq < last.get(conversation, 0):
                raise Broken("texts leave in the order in which they were written", message_id)
            last[conversation] = seq

    def _unwritten(self) -> list[str]:
        stored = {row[0] for row in self._ask("SELECT carrier_message_id FROM messages WHERE direction = 'inbound'")}
        return [sid for sid in self._world.carrier.texts if sid not in stored]

    def _ask(self, question: str, *values: object) -> list[tuple[Any, ...]]:
        return self._eyes.execute(question, values).fetchall()


def _must_be_empty(promise: str, found: Iterable[object]) -> None:
    if found:
        raise Broken(promise, found)
