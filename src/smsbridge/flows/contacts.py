"""What agents change about a contact, and the erasure of a person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from smsbridge.contracts.bridge import Bridge
from smsbridge.contracts.store import MessageFilter, Tx
from smsbridge.domain.errors import FieldError, Invalid, NotFound
from smsbridge.domain.interaction import OPEN
from smsbridge.domain.message import Contact
from smsbridge.domain.status import Status
from smsbridge.flows import inbound, interactions, outbound
from smsbridge.flows.journal import tell_of_contact


def update(
    tx: Tx,
    bridge: Bridge,
    contact_id: str,
    *,
    name: str | None = None,
    attributes: Mapping[str, Any] | None = None,
    assigned_to: str | None = None,
) -> Contact:
    """Changes what is given. `attributes` replaces them all."""
    contact = find(tx, contact_id)
    changed = replace(
        contact,
        name=contact.name if name is None else name,
        attributes=contact.attributes if attributes is None else attributes,
        assigned_to=contact.assigned_to if assigned_to is None else assigned_to,
        updated_at_ms=bridge.now_ms(),
    )
    tx.update_contact(changed)
    tell_of_contact(tx, bridge, changed)
    return changed


def set_opt_out(tx: Tx, bridge: Bridge, contact_id: str, *, sender: str, opted_out: bool, by: str) -> None:
    """An agent marks what the contact said in words of their own. `by` is the agent's id, part of the notice's key."""
    contact = find(tx, contact_id)
    if sender not in bridge.senders:
        raise Invalid(f"{sender} is not one of our senders.", FieldError("/sender", "GET /v1/senders lists them"))
    known = tx.opt_out(sender, contact.number)
    if (known is not None and known.opted_out) is opted_out:
        return
    thread = tx.thread(contact.number, sender)
    if thread is None or thread.interaction is None:
        tx.set_opt_out(sender, contact.number, opted_out=opted_out, at_ms=bridge.now_ms())
    elif opted_out:
        inbound.stop(tx, bridge, thread.interaction, inbound.Said(key=f"{by}:{bridge.now_ms()}"))
    else:
        inbound.start(tx, bridge, thread.interaction, inbound.Said(key=f"{by}:{bridge.now_ms()}"))
    tell_of_contact(tx, bridge, contact)


async def erase(bridge: Bridge, contact_id: str) -> None:
    """Erases the person: texts, media, name, number. Open interactions end first, waiting texts are not sent."""

    def forget(tx: Tx) -> list[str]:
        contact = find(tx, contact_id)
        waiting = MessageFilter(contact_id=contact_id, status=Status.QUEUED)
        for message in tx.list_messages(waiting, limit=_ALL):
            outbound.cancel(tx, bridge, message.id)
        for interaction in tx.list_interactions(contact_id=contact_id, limit=_ALL):
            if interaction.state in OPEN:
                interactions.end(tx, bridge, interaction.id)
        blobs = tx.erase_contact(contact.id, bridge.now_ms())
        erased = find(tx, contact_id)
        tell_of_contact(tx, bridge, erased)
        return blobs

    for sha256 in await bridge.store.write(forget):
        await bridge.blobs.discard(sha256)


def find(tx: Tx, contact_id: str) -> Contact:
    contact = tx.contact(contact_id)
    if contact is None:
        raise NotFound("contact", contact_id)
    return contact


_ALL = 1_000
