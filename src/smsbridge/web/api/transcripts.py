"""Reading a transcript in either direction; interactions and contacts share it."""

from __future__ import annotations

from typing import Any

from smsbridge.contracts.store import Tx
from smsbridge.domain.errors import FieldError, Invalid
from smsbridge.flows import resources
from smsbridge.web.api import models
from smsbridge.web.endpoint import Call


def read_transcript(tx: Tx, call: Call, *, contact_id: str = "", interaction_id: str = "") -> dict[str, Any]:
    """models.Transcript, as `call.query` asks for it. One entry more than that is read, to know whether there are."""
    query = call.query(models.TranscriptQuery)
    if query.before is not None and query.after is not None:
        raise Invalid("Give before or after, not both.", FieldError("after", "may not stand beside before"))
    entries = tx.transcript(
        contact_id=contact_id,
        interaction_id=interaction_id,
        query=query.query,
        limit=query.limit + 1,
        before_seq=query.before,
        after_seq=query.after,
    )
    more = len(entries) > query.limit
    if query.after is not None:
        shown = entries[: query.limit]
        earlier, later = bool(shown), more
    else:
        shown = entries[-query.limit :]
        earlier, later = more, query.before is not None and bool(shown)
    return {
        "items": resources.transcript(tx, call.bridge, shown),
        "previous_cursor": shown[0].seq if earlier else None,
        "next_cursor": shown[-1].seq if later else None,
    }
