"""Stores with a past, written straight into the SQLite file of a bridge that does not run."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from load import SENDER

FAR_MS = 4_000_000_000_000
"""A day that no benchmark lives to see."""
RARE_WORD = "quetzal"
"""In one text only: the oldest."""
_SERIES = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :count)"


def database_of(folder: Path) -> Path:
    return folder / "data" / "smsbridge.sqlite3"


def write_messages(folder: Path, count: int, *, people: int) -> None:
    """`count` texts of `people`, each with a conversation and one interaction that is done.

    The oldest and every tenth after it is of the contact `contact_id(0)`, the others are everybody's in turn.
    """
    values = {"count": count, "people": people, "sender": SENDER, "rare": RARE_WORD}
    who = "CASE i % 10 WHEN 0 THEN 0 ELSE i % :people END"
    person = f"printf('%026d', {who})"
    words = "CASE i WHEN 0 THEN :rare ELSE 'an old text of which there are many, this is number ' || i END"
    with _writing(folder) as db:
        db.execute(
            f"{_SERIES.replace(':count', ':people')} INSERT INTO contacts (id, number, created_at_ms, updated_at_ms, "
            "search_text) SELECT 'con_' || printf('%026d', i), '+1628' || (5000000 + i), 1, 1, "
            "'+1628' || (5000000 + i) FROM n",
            values,
        )
        db.execute(
            f"{_SERIES.replace(':count', ':people')} INSERT INTO conversations (id, contact_id, contact_number, "
            "sender, account, created_at_ms, last_message_at_ms) SELECT 'cnv_' || printf('%026d', i), "
            "'con_' || printf('%026d', i), '+1628' || (5000000 + i), :sender, 'twilio', 1, 1 FROM n",
            values,
        )
        db.execute(
            f"{_SERIES.replace(':count', ':people')} INSERT INTO interactions (id, conversation_id, contact_id, "
            "contact_number, sender, account, desktop, direction, state, opened_at_ms, last_activity_ms) "
            "SELECT 'int_' || printf('%026d', i), 'cnv_' || printf('%026d', i), 'con_' || printf('%026d', i), "
            "'+1628' || (5000000 + i), :sender, 'twilio', 'desk', 'inbound', 'done', 1, 1 FROM n",
            values,
        )
        db.execute(
            f"{_SERIES} INSERT INTO messages (id, direction, conversation_id, interaction_id, contact_id, "
            "contact_number, sender, account, text, status, carrier_message_id, created_at_ms) "
            f"SELECT 'msg_' || printf('%026d', i), 'inbound', 'cnv_' || {person}, 'int_' || {person}, "
            f"'con_' || {person}, '+1628' || (5000000 + {who}), :sender, 'twilio', {words}, 'received', "
            "'SMff' || printf('%030x', i * 7919), 1 FROM n",
            values,
        )
        db.execute(
            f"{_SERIES} INSERT INTO transcript (contact_id, conversation_id, interaction_id, kind, ref, is_inbound, "
            f"at_ms, search_text) SELECT 'con_' || {person}, 'cnv_' || {person}, 'int_' || {person}, 'message', "
            f"'msg_' || printf('%026d', i), 1, 1, {words} FROM n",
            values,
        )


def contact_id(number: int) -> str:
    return f"con_{number:026d}"


def write_jobs(folder: Path, count: int, *, queue: str, lanes: int, due_at_ms: int) -> None:
    """`count` jobs that wait in `lanes` lanes of one queue, all due at one moment."""
    values = {"count": count, "lanes": lanes, "queue": queue, "due_at_ms": due_at_ms}
    with _writing(folder) as db:
        db.execute(
            f"{_SERIES} INSERT INTO jobs (kind, queue, lane, ref, due_at_ms, created_at_ms) "
            "SELECT 'deliver', :queue, :queue || ':old' || (i % :lanes), '0', :due_at_ms, 1 FROM n",
            values,
        )
        db.execute(
            f"{_SERIES.replace(':count', ':lanes')} INSERT INTO lanes (lane, queue, due_at_ms) "
            "SELECT :queue || ':old' || i, :queue, :due_at_ms FROM n",
            values,
        )


@contextmanager
def _writing(folder: Path) -> Iterator[sqlite3.Connection]:
    db = sqlite3.connect(database_of(folder), isolation_level=None)
    try:
        db.execute("PRAGMA synchronous = OFF")
        db.execute("PRAGMA cache_size = -262144")
        db.execute("BEGIN")
        yield db
        db.execute("COMMIT")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        db.close()
