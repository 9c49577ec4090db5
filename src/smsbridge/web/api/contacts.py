"""The people outside: finding, naming, assigning, leaving alone, erasing."""

from __future__ import annotations

from typing import Any, Final

from smsbridge.contracts.store import Tx
from smsbridge.domain.errors import NotFound
from smsbridge.domain.message import Contact
from smsbridge.flows import contacts, resources
from smsbridge.web.api import models
from smsbridge.web.api.reading import read_agent, read_id, read_reader
from smsbridge.web.api.transcripts import read_transcript
from smsbridge.web.endpoint import Answer, BadCursor, Call, Endpoint, read_cursor, write_page


async def list_all(call: Call) -> dict[str, Any]:
    query = call.query(models.ContactQuery)
    before, reader = _read_before(query), read_reader(call, query.agent)

    def read(tx: Tx) -> dict[str, Any]:
        found = tx.list_contacts(query=query.query, assigned_to=query.assigned_to, limit=query.limit + 1, before=before)
        people = [each.contact for each in found]
        return write_page(
            resources.contact_summaries(tx, call.bridge, people, agent_id=reader),
            query.limit,
            lambda _last: " ".join(map(str, found[query.limit - 1].position)),
        )

    return await call.read(read)


async def show(call: Call) -> dict[str, Any]:
    contact_id = read_id(call, "contact")
    agent_id = read_reader(call, call.query(models.UnreadQuery).agent)
    return await call.read(lambda tx: resources.contact(tx, call.bridge, _find(tx, contact_id), agent_id=agent_id))


async def change(call: Call) -> Answer:
    contact_id = read_id(call, "contact")
    body = call.body(models.ContactPatch)
    given = body.model_fields_set

    def update(tx: Tx) -> dict[str, Any]:
        _find(tx, contact_id)
        changed = contacts.update(
            tx,
            call.bridge,
            contact_id,
            name=(body.name or "") if "name" in given else None,
            attributes=body.attributes if "attributes" in given else None,
            assigned_to=(body.assigned_to or "") if "assigned_to" in given else None,
        )
        return resources.contact(tx, call.bridge, changed, agent_id=read_reader(call, ""))

    return await call.write(update)


async def erase(call: Call) -> Answer:
    contact_id = read_id(call, "contact")
    await call.read(lambda tx: _find(tx, contact_id))
    await contacts.erase(call.bridge, contact_id)
    return Answer(status=204)


async def show_transcript(call: Call) -> dict[str, Any]:
    contact_id = read_id(call, "contact")

    def read(tx: Tx) -> dict[str, Any]:
        _find(tx, contact_id)
        return read_transcript(tx, call, contact_id=contact_id)

    return await call.read(read)


async def mark_opt_out(call: Call) -> Answer:
    contact_id = read_id(call, "contact")
    body = call.body(models.OptOutIn)
    agent = read_agent(call, body.agent)
    by = agent.id if agent else call.principal.key_id if call.principal else ""

    def mark(tx: Tx) -> dict[str, Any]:
        contact = _find(tx, contact_id)
        contacts.set_opt_out(tx, call.bridge, contact_id, sender=body.sender, opted_out=body.opted_out, by=by)
        return resources.contact(tx, call.bridge, contact, agent_id=read_reader(call, ""))

    return await call.write(mark)


def _read_before(query: models.ContactQuery) -> tuple[int, str] | None:
    """How far down the list the page before went."""
    if not query.cursor:
        return None
    at_ms, _, conversation_id = read_cursor(query.cursor, str).partition(" ")
    if not (at_ms.isascii() and at_ms.isdigit() and len(at_ms) < 16 and conversation_id):
        raise BadCursor("This cursor is not one of ours. Leave it out to begin at the start.")
    return int(at_ms), conversation_id


def _find(tx: Tx, contact_id: str) -> Contact:
    contact = contacts.find(tx, contact_id)
    if _is_erased(contact.number):
        raise NotFound("contact", contact_id)
    return contact


def _is_erased(number: str) -> bool:
    """What the store leaves of an erased person: a row without a number, to which past events point."""
    return number.startswith("erased:")


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/v1/contacts",
        summary="List or search contacts, those heard of last first",
        tag="contacts",
        scope="contacts:read",
        handler=list_all,
        query=models.ContactQuery,
        answer=models.ContactPage,
        problems=(422,),
    ),
    Endpoint(
        method="GET",
        path="/v1/contacts/{id}",
        summary="Show a contact",
        tag="contacts",
        scope="contacts:read",
        handler=show,
        query=models.UnreadQuery,
        answer=models.Contact,
        problems=(404, 422),
    ),
    Endpoint(
        method="PATCH",
        path="/v1/contacts/{id}",
        summary="Change a contact",
        tag="contacts",
        scope="contacts:write",
        handler=change,
        body=models.ContactPatch,
        answer=models.Contact,
        problems=(404, 422),
    ),
    Endpoint(
        method="DELETE",
        path="/v1/contacts/{id}",
        summary="Erase a person: texts, media, name and number",
        description="There is no way back. That the number opted out is remembered, as a hash.",
        tag="contacts",
        scope="contacts:erase",
        handler=erase,
        body_kind="none",
        status=204,
        problems=(404,),
    ),
    Endpoint(
        method="GET",
        path="/v1/contacts/{id}/transcript",
        summary="Show everything ever said with a contact",
        tag="contacts",
        scope="messages:read",
        handler=show_transcript,
        query=models.TranscriptQuery,
        answer=models.Transcript,
        problems=(404, 422),
    ),
    Endpoint(
        method="POST",
        path="/v1/contacts/{id}/opt-out",
        summary="Say that a contact asked to be left alone, or to be texted again",
        tag="contacts",
        scope="contacts:write",
        handler=mark_opt_out,
        body=models.OptOutIn,
        answer=models.Contact,
        problems=(404, 422),
    ),
)
