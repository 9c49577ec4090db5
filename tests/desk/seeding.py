"""A long past for one contact, written into the store of a daemon that stands still."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from smsbridge.domain.text import fold

MINUTE_MS: Final = 60_000
DAY_MS: Final = 1_440 * MINUTE_MS
BO: Final = {"agent_id": "bo", "agent_name": "Bo Kowalczyk"}


async def seed_transcript(data: Path, number: str, past: Sequence[Sequence[str]]) -> None:
    """`past` are interactions, oldest first, each with its texts, in and out by turns; each is done, with a note.

    They go before everything that the contact has said so far, which must leave room: numbers are moved up.
    """
    await asyncio.to_thread(_seed, data / "smsbridge.sqlite3", number, past)


def _seed(file: Path, number: str, past: Sequence[Sequence[str]]) -> None:
    room = sum(len(texts) + 4 for texts in past)
    db = sqlite3.connect(file)
    with db:
        contact, conversation, sender, account = db.execute(
            "SELECT contact_id, id, sender, account FROM conversations WHERE contact_number = ?", (number,)
        ).fetchone()
        desktop, began_ms = db.execute(
            "SELECT desktop, opened_at_ms FROM interactions WHERE conversation_id = ?", (conversation,)
        ).fetchone()
        of_all = (conversation, contact, number, sender, account)
        db.execute("UPDATE transcript SET seq = -seq")
        db.execute("UPDATE transcript SET seq = -seq + ?", (room,))
        db.execute("UPDATE read_marks SET seq = seq + ?", (room,))
        seq = 0

        def line(of: str, ref: str, at_ms: int, *, text: str = "", inbound: bool = False, **border: str) -> None:
            nonlocal seq
            seq += 1
            kind, detail = ("interaction", json.dumps({**border, **BO})) if border else ("message", "")
            db.execute(
                "INSERT INTO transcript (seq, contact_id, conversation_id, interaction_id, kind, ref, is_inbound,"
                " at_ms, detail, search_text) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (seq, contact, conversation, of, kind, ref, inbound, at_ms, detail, fold(text)),
            )

        for index, texts in enumerate(past):
            interaction = f"int_{index:026d}"
            at_ms = began_ms - (len(past) - index) * 30 * DAY_MS
            step_ms = min(MINUTE_MS, 20 * DAY_MS // len(texts))
            end_ms = at_ms + (len(texts) + 1) * step_ms
            db.execute(
                "INSERT INTO interactions (id, conversation_id, contact_id, contact_number, sender, account, desktop,"
                " direction, state, agent_id, agent_name, opened_at_ms, accepted_at_ms, ended_at_ms, end_reason,"
                " done_at_ms, disposition, note, last_activity_ms)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, 'inbound', 'done', 'bo', 'Bo Kowalczyk', ?, ?, ?, 'agent', ?, 'solved',"
                " 'as promised', ?)",
                (interaction, *of_all, desktop, at_ms, at_ms, end_ms, end_ms, end_ms),
            )
            line(interaction, interaction, at_ms, border="opened", state="waiting")
            line(interaction, interaction, at_ms, border="accepted", state="active")
            for place, text in enumerate(texts):
                inbound, said_ms = place % 2 == 0, at_ms + (place + 1) * step_ms
                message = f"msg_{index:05d}{place:021d}"
                db.execute(
                    "INSERT INTO messages (id, direction, interaction_id, conversation_id, contact_id, contact_number,"
                    " sender, account, text, status, carrier_message_id, agent_id, agent_name, segments, encoding,"
                    " units, created_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, 'GSM-7', ?, ?)",
                    (message, "inbound" if inbound else "outbound", interaction, *of_all, text)
                    + (("received", message, "", "") if inbound else ("delivered", message, "bo", BO["agent_name"]))
                    + (len(text), said_ms),
                )
                line(interaction, message, said_ms, text=text, inbound=inbound)
            line(interaction, interaction, end_ms, border="ended", state="ended", reason="agent")
            line(
                interaction, interaction, end_ms, border="done", state="done", disposition="solved", note="as promised"
            )
    db.close()
