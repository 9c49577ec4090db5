"""Searching everything at once: contacts by name and number, and what was ever said."""

from __future__ import annotations

from typing import Any, Final

from smsbridge.contracts.store import Tx
from smsbridge.flows import resources
from smsbridge.web.api import models
from smsbridge.web.api.reading import read_reader
from smsbridge.web.endpoint import Call, Endpoint


async def search(call: Call) -> dict[str, Any]:
    query = call.query(models.SearchQuery)
    reader = read_reader(call, "")

    def read(tx: Tx) -> dict[str, Any]:
        contacts = tx.list_contacts(query=query.query, limit=query.limit)
        found = tx.search_transcripts(query.query, limit=query.limit, before_seq=query.before)
        entries = resources.transcript(tx, call.bridge, [each.entry for each in found])
        return {
            "contacts": resources.contacts(tx, call.bridge, [each.contact for each in contacts], agent_id=reader),
            "messages": [
                {"contact": resources.contact_name(tx.contact(each.contact_id)), "entry": entry}
                for each, entry in zip(found, entries, strict=True)
            ],
            "next_before": found[-1].entry.seq if len(found) == query.limit else None,
        }

    return await call.read(read)


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/v1/search",
        summary="Search contacts and everything said",
        description="Messages are newest first; give `next_before` as `before` for older ones.",
        tag="contacts",
        scope="messages:read",
        handler=search,
        query=models.SearchQuery,
        answer=models.SearchReport,
        problems=(422,),
    ),
)
