"""What is asked all day costs the same however much lies there. Counted in steps of the database, never in time."""

import contextlib
import re
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any, Final

import pytest

from smsbridge.contracts.store import Arrived, MessageFilter, Tx
from smsbridge.domain.interaction import State
from smsbridge.store.queries import load_queries
from smsbridge.store.sqlite import SqliteRows, migrate
from smsbridge.store.tx import SqlTx
from store import made
from store.made import ANN, NOW, SENDER

READS_A_TABLE: Final = {
    "erase_unknown_codes": "at most 500 for each account",
    "erase_kept_answers": "a person is erased seldom, and nothing may be missed",
    "list_agent_statuses": "as many rows as agents",
    "forget_silent": "as many rows as daemons",
    "list_unknown_codes": "at most 500 for each account",
    "silent_daemons": "as many rows as daemons",
    "release_silent": "when a daemon has died",
    "list_agents": "as many rows as agents",
    "list_api_keys": "as many rows as keys",
    "list_brakes": "as many rows as targets that were in trouble",
    "list_standard_responses": "as many rows as somebody wrote",
    "queue_depths": "lanes that wait, from an index, for a gauge",
    "release_leases": "once, at the start",
    "shift_brakes": "all of them, when the clock was set",
    "shift_jobs": "all of them, when the clock was set",
    "shift_lanes": "all of them, when the clock was set",
    "shift_rate_turns": "all of them, when the clock was set",
    "shift_rates": "all of them, when the clock was set",
    "shift_suspicions": "all of them, when the clock was set",
    "trim_events": "no more than its LIMIT",
    "trim_old_arrivals": "no more than its LIMIT",
    "trim_suspicions": "as many rows as refused events that wait",
    "trim_rate_turns": "as many rows as texts that wait for their turn",
    "unmatched_receipts": "an index, from its end",
    "waiting_queues": "lanes that wait, from an index, when the clock was set",
}
"""The queries that may read a table from one end to the other, and why."""


@pytest.mark.parametrize("name", sorted(load_queries()))
def test_no_query_reads_a_whole_table_without_a_reason(name: str) -> None:
    sql = load_queries()[name]
    values: Any = ["a", "b"] if "{ids}" in sql else dict.fromkeys(re.findall(r":(\w+)", sql), 1)
    with closing(sqlite3.connect(":memory:")) as connection:
        migrate(connection)
        plan = connection.execute("EXPLAIN QUERY PLAN " + sql.replace("{ids}", "?, ?"), values).fetchall()
    scans = [row[3] for row in plan if row[3].startswith("SCAN") and row[3] != "SCAN CONSTANT ROW"]
    assert bool(scans) == (name in READS_A_TABLE), scans


MANY = """
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :rows)
INSERT INTO {table} SELECT {values} FROM n
"""
FILLED: Final = {
    "lanes (lane, queue, due_at_ms)": "'lane' || i, 'queue', 0",
    "jobs (kind, queue, lane, ref, due_at_ms, created_at_ms)": "'kind', 'queue', 'lane' || i, 'ref', 0, 0",
    "opt_outs (sender, number_hash, is_opted_out, changed_at_ms)": "'INFO', 'hash' || i, 1, 0",
    "arrivals (id, source, account, outcome, at_ms)": "printf('arr_%08d', i), 'carrier', 'plain', 'stored', i",
    "events (id, type, at_ms)": "'evt_' || i, 'message.received', i",
    "interactions (id, conversation_id, contact_id, contact_number, sender, account, desktop, direction, state,"
    " opened_at_ms, last_activity_ms)": "printf('int_%08d', i), 'cnv_1', 'con_9', '', '', '', 'desk', 'inbound',"
    " 'done', 0, 0",
    "contacts (id, number, search_text, created_at_ms, updated_at_ms)": "'con_x' || i, i, 'x', 0, 0",
    "conversations (id, contact_id, contact_number, sender, account, created_at_ms,"
    " last_message_at_ms)": "'cnv_x' || i, 'con_x' || i, '', 'x', 'plain', 0, i",
    "sessions (hash, agent_id, created_at_ms, seen_at_ms)": "'hash' || i, 'agent' || i, 0, 9e12",
    "presences (interaction_id, agent_id, at_ms)": "'int_x' || i, 'amy', 9e12",
    "receipts (account, key, carrier_message_id, status, received_at_ms)": "'plain', i, 'C' || i, 'sent', i",
    "dead_letters (id, kind, queue, lane, ref, attempts, reason, created_at_ms, died_at_ms)": "i, '', '', '', '', 1,"
    " '', i, i",
}


def steps(rows: int, work: Callable[[Tx], object]) -> int:
    """How many steps the database takes for `work` with so many rows that have nothing to do with it."""
    taken = 0

    def count() -> None:
        nonlocal taken
        taken += 1

    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrate(connection)
        tx = SqlTx(SqliteRows(connection), b"k" * 32)
        made.thread(tx)
        for table, values in FILLED.items():
            connection.execute(MANY.format(table=table, values=values), {"rows": rows})
        connection.set_progress_handler(count, 1)
        work(tx)
        connection.set_progress_handler(None, 0)
    return taken


QUESTIONS: Final[dict[str, Callable[[Tx], object]]] = {
    "claiming work": lambda tx: tx.claim("queue", now_ms=NOW, lease_until_ms=NOW, limit=5),
    "putting work in": lambda tx: tx.enqueue(made.job()),
    "when work is due": lambda tx: tx.next_due_ms("queue"),
    "whose text this is": lambda tx: tx.thread(ANN, SENDER),
    "where somebody opted out": lambda tx: tx.opt_outs_of(ANN),
    "bounding the quarantine": lambda tx: tx.trim_refused("plain", 1_000),
    "looking into the quarantine": lambda tx: tx.list_arrivals(outcome=Arrived.REFUSED),
    "both ends of the log": lambda tx: tx.event_bounds(),
    "a desktop's own id": lambda tx: tx.interaction_by_external_id("desk", "theirs"),
    "what goes on": lambda tx: tx.list_interactions(states=[State.WAITING, State.ACTIVE]),
    "the newest unmatched receipts": lambda tx: tx.list_unmatched_receipts(limit=5),
    "old receipts, when there are none": lambda tx: tx.trim_unmatched_receipts(0),
    "old letters, when there are none": lambda tx: tx.trim_dead_letters(0),
    "who was heard of last": lambda tx: tx.list_contacts(limit=1),
    "whose contacts these are": lambda tx: tx.list_contacts(assigned_to="amy"),
    "quick replies, when there are none": lambda tx: tx.list_messages(MessageFilter(quick_reply=True)),
    "who is signed in": lambda tx: tx.session("hash7"),
    "where somebody is signed in": lambda tx: tx.sessions_of("amy"),
    "old sessions, when there are none": lambda tx: tx.trim_sessions(NOW),
    "who looks at this": lambda tx: tx.presences("int_1", 0),
    "old presences, when there are none": lambda tx: tx.trim_presences(NOW),
    "how much everybody has": lambda tx: tx.open_interactions_by_agent(),
    "the last word of an interaction": lambda tx: tx.newest_entry(interaction_id="int_1"),
    "the last word of a contact": lambda tx: tx.newest_entry(contact_id="con_1"),
    "what idles": lambda tx: tx.idle_interactions(NOW, 5),
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_costs_the_same_with_a_thousand_times_the_rows(question: str) -> None:
    few, many = (steps(rows, QUESTIONS[question]) for rows in (20, 20_000))
    assert many <= few * 1.2 + 20


class Counting(SqliteRows):
    """Remembers what was asked."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        super().__init__(connection)
        self.asked: list[str] = []

    def one(self, name: str, values: Mapping[str, Any]) -> Any:
        self.asked.append(name)
        return super().one(name, values)


def test_a_claim_asks_once_for_its_brake_and_again_after_it_was_written() -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrate(connection)
        rows = Counting(connection)
        tx = SqlTx(rows, b"k" * 32)
        tx.brake("queue")
        tx.claim("queue", now_ms=NOW, lease_until_ms=NOW, limit=5)
        tx.next_due_ms("queue")
        assert rows.asked.count("brake") == 1
        tx.save_brake("queue", tx.brake("queue").held(NOW + 5, "busy"))
        assert tx.brake("queue").held_until_ms == NOW + 5
        assert rows.asked.count("brake") == 2
        with contextlib.suppress(ZeroDivisionError), tx.savepoint():
            tx.release_brake("queue")
            assert not tx.brake("queue").is_on(NOW)
            raise ZeroDivisionError
        assert tx.brake("queue").is_on(NOW)
