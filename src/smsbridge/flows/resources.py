"""The JSON shapes of design: what REST, the event stream and desktop webhooks all show. Times are RFC 3339, UTC.

web/api/models.py describes the same shapes to readers of the OpenAPI document; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from smsbridge.contracts.bridge import Bridge, Sender
from smsbridge.contracts.jobs import DeadLetter
from smsbridge.contracts.store import AgentStatus, OptOutState, Presence, StandardResponse, StoredReceipt, Tx
from smsbridge.domain.journal import BorderMark, EventType, LogEvent, TranscriptEntry
from smsbridge.domain.media import is_picture
from smsbridge.domain.message import (
    Agent,
    Attachment,
    AttachmentState,
    Contact,
    Direction,
    Interaction,
    Message,
    Notice,
    Part,
)
from smsbridge.domain.outcome import NO_EVIDENCE, Evidence
from smsbridge.domain.phone import sender_kind
from smsbridge.domain.status import Status
from smsbridge.flows.links import write_media_link
from smsbridge.wire.times import write_time

Resource = dict[str, Any]
PREVIEW_CHARS: Final = 160


def message(tx: Tx, bridge: Bridge, shown: Message) -> Resource:
    return messages(tx, bridge, [shown])[0]


def messages(tx: Tx, bridge: Bridge, shown: Sequence[Message]) -> list[Resource]:
    """In the order given, with parts and attachments read for all at once."""
    attachments = tx.attachments_of([each.id for each in shown if each.has_media])
    parts = tx.parts_of([each.id for each in shown if each.direction is Direction.OUTBOUND])
    return [_message(bridge, each, parts.get(each.id, ()), attachments.get(each.id, ())) for each in shown]


def _message(bridge: Bridge, shown: Message, parts: Sequence[Part], attachments: Sequence[Attachment]) -> Resource:
    inbound = shown.direction is Direction.INBOUND
    return {
        "id": shown.id,
        "direction": shown.direction,
        "interaction_id": shown.interaction_id,
        "conversation_id": shown.conversation_id,
        "contact_id": shown.contact_id,
        "carrier": shown.account,
        "rerouted_from": shown.rerouted_from or None,
        "from": shown.contact_number if inbound else shown.sender,
        "to": shown.sender if inbound else shown.contact_number,
        "text": shown.text,
        "status": shown.status,
        "cause": shown.cause,
        "attachments": [attachment(bridge, each) for each in attachments],
        "parts": [
            {"carrier_message_id": each.carrier_message_id or None, "status": each.status, "cause": each.cause}
            for each in parts
        ]
        or [{"carrier_message_id": shown.carrier_message_id or None, "status": shown.status, "cause": None}],
        "segments": {"count": shown.segments, "encoding": shown.encoding or None, "units": shown.units},
        "agent": agent(shown.agent),
        "client_reference": shown.client_reference or None,
        "metadata": dict(shown.metadata),
        "quick_reply": shown.quick_reply,
        "created_at": time(shown.created_at_ms),
        "sent_at": time(shown.sent_at_ms),
        "delivered_at": time(shown.delivered_at_ms),
    }


def attachment(bridge: Bridge, shown: Attachment) -> Resource:
    stored = shown.state is AttachmentState.STORED
    now_ms, ttl_ms = bridge.now_ms(), bridge.policy.link_ttl_ms
    return {
        "id": shown.id,
        "content_type": shown.content_type or None,
        "filename": shown.filename or None,
        "size_bytes": shown.size_bytes if stored else None,
        "state": shown.state,
        "problem": shown.problem,
        "url": write_media_link(
            bridge,
            sha256=shown.sha256,
            content_type=shown.content_type,
            filename=shown.filename,
            now_ms=now_ms,
            ttl_ms=ttl_ms,
            inline=is_picture(shown.content_type),
        )
        if stored
        else None,
        "thumbnail_url": write_media_link(
            bridge,
            sha256=shown.thumbnail_sha256,
            content_type="image/webp",
            filename="thumbnail.webp",
            now_ms=now_ms,
            ttl_ms=ttl_ms,
            inline=True,
        )
        if shown.thumbnail_sha256
        else None,
    }


def interaction(shown: Interaction) -> Resource:
    return {
        "id": shown.id,
        "state": shown.state,
        "direction": shown.direction,
        "conversation_id": shown.conversation_id,
        "contact_id": shown.contact_id,
        "contact_number": shown.contact_number,
        "sender": shown.sender,
        "carrier": shown.account,
        "desktop": shown.desktop,
        "external_id": shown.external_id or None,
        "agent": agent(shown.agent),
        "offered_to": shown.offered_to or None,
        "offered_until": time(shown.offered_until_ms),
        "opened_at": time(shown.opened_at_ms),
        "accepted_at": time(shown.accepted_at_ms),
        "ended_at": time(shown.ended_at_ms),
        "end_reason": shown.end_reason,
        "done_at": time(shown.done_at_ms),
        "disposition": shown.disposition or None,
        "note": shown.note or None,
        "last_activity_at": time(shown.last_activity_ms),
    }


def interaction_summaries(
    tx: Tx, bridge: Bridge, shown: Sequence[Interaction], *, agent_id: str = ""
) -> list[Resource]:
    """As lists show them: with the contact, as `agent_id` sees it, and the last thing that was said."""
    people = {each.contact_id: tx.contact(each.contact_id) for each in shown}
    known = [each for each in people.values() if each is not None]
    described = {each["id"]: each for each in contacts(tx, bridge, known, agent_id=agent_id)}
    return [
        {
            **interaction(each),
            "contact": described.get(each.contact_id),
            "last": preview(tx.newest_entry(interaction_id=each.id)),
        }
        for each in shown
    ]


def contact_summaries(tx: Tx, bridge: Bridge, shown: Sequence[Contact], *, agent_id: str = "") -> list[Resource]:
    """As lists show them: with the last thing that was said."""
    return [
        {**described, "last": preview(tx.newest_entry(contact_id=described["id"]))}
        for described in contacts(tx, bridge, shown, agent_id=agent_id)
    ]


def contact_name(shown: Contact | None) -> Resource | None:
    return {"id": shown.id, "number": shown.number, "name": shown.name or None} if shown else None


def preview(entry: TranscriptEntry | None) -> Resource | None:
    """One line of a transcript, short enough for a list."""
    if entry is None:
        return None
    said, raised, drawn = entry.message, entry.notice, entry.border
    return {
        "seq": entry.seq,
        "at": time(entry.at_ms),
        "kind": entry.kind,
        "direction": said.direction if said else None,
        "text": (said.text if said else raised.text if raised else "")[:PREVIEW_CHARS],
        "status": said.status if said else None,
        "has_attachments": said.has_media if said else False,
        "severity": raised.severity if raised else None,
        "notice_kind": raised.kind if raised else None,
        "border": drawn.border if drawn else None,
    }


def presence(shown: Interaction, there: Sequence[Presence]) -> Resource:
    return {
        "interaction_id": shown.id,
        "agents": [
            {"id": each.agent.id, "name": each.agent.name or None, "writing": each.writing, "at": time(each.at_ms)}
            for each in there
        ],
    }


def contact(tx: Tx, bridge: Bridge, shown: Contact, *, agent_id: str = "") -> Resource:
    return contacts(tx, bridge, [shown], agent_id=agent_id)[0]


def contacts(tx: Tx, bridge: Bridge, shown: Sequence[Contact], *, agent_id: str = "") -> list[Resource]:
    """`agent_id` is whose unread counts are shown."""
    now_ms = bridge.now_ms()
    unread = tx.unread_counts([each.id for each in shown], agent_id)
    resources = []
    for each in shown:
        known = tx.capability(each.number, now_ms)
        resources.append(
            {
                "id": each.id,
                "number": each.number,
                "name": each.name or None,
                "attributes": dict(each.attributes),
                "assigned_to": each.assigned_to or None,
                "unread_count": unread[each.id],
                "opt_outs": [opt_out(state) for state in tx.opt_outs_of(each.number)],
                "sms_capability": known.sms_capable if known else "unknown",
                "created_at": time(each.created_at_ms),
                "updated_at": time(each.updated_at_ms),
            }
        )
    return resources


def opt_out(state: OptOutState) -> Resource:
    return {"sender": state.sender, "opted_out": state.opted_out, "changed_at": time(state.changed_at_ms)}


def notice(shown: Notice) -> Resource:
    return {
        "id": shown.id,
        "kind": shown.kind,
        "cause": shown.cause,
        "certainty": shown.certainty,
        "severity": shown.severity,
        "text": shown.text,
        "admin_text": shown.admin_text,
        "advice": shown.advice,
        "message_id": shown.message_id,
        "interaction_id": shown.interaction_id,
        "evidence": evidence(shown.account, shown.evidence, shown.created_at_ms),
        "created_at": time(shown.created_at_ms),
        "acknowledged_at": time(shown.acknowledged_at_ms),
    }


def evidence(carrier: str, shown: Evidence, at_ms: int) -> Resource | None:
    if shown == NO_EVIDENCE:
        return None
    return {"carrier": carrier, "code": shown.code or None, "text": shown.text or None, "at": time(at_ms)}


def transcript(tx: Tx, bridge: Bridge, entries: Sequence[TranscriptEntry]) -> list[Resource]:
    shown = [entry.message for entry in entries if entry.message is not None]
    by_id = {resource["id"]: resource for resource in messages(tx, bridge, shown)}
    return [_entry(entry, by_id) for entry in entries]


def _entry(entry: TranscriptEntry, by_id: Mapping[str, Resource]) -> Resource:
    resource: Resource = {
        "seq": entry.seq,
        "at": time(entry.at_ms),
        "kind": entry.kind,
        "interaction_id": entry.interaction_id,
    }
    if entry.message is not None:
        resource["message"] = by_id[entry.message.id]
    if entry.notice is not None:
        resource["notice"] = notice(entry.notice)
    if entry.border is not None:
        resource["interaction"] = border(entry.border)
    return resource


def border(shown: BorderMark) -> Resource:
    return {
        "id": shown.interaction_id,
        "border": shown.border,
        "state": shown.state,
        "agent": agent(shown.agent),
        "reason": shown.reason or None,
        "disposition": shown.disposition or None,
        "note": shown.note or None,
    }


def event(tx: Tx, bridge: Bridge, shown: LogEvent) -> Resource:
    """`data` is the resource as it is now, with what the event itself was about (a past status) as it was then."""
    return {
        "id": shown.id,
        "seq": shown.seq,
        "type": shown.type,
        "timestamp": time(shown.at_ms),
        "data": event_data(tx, bridge, shown),
    }


def event_data(tx: Tx, bridge: Bridge, shown: LogEvent, about: Message | None = None) -> Resource:
    """`about` is the event's message, if the caller has read it."""
    match shown.type:
        case (
            EventType.MESSAGE_RECEIVED
            | EventType.MESSAGE_CREATED
            | EventType.MESSAGE_UPDATED
            | EventType.MESSAGE_STATUS
        ):
            about = about or tx.message(shown.message_id or "")
            return {**message(tx, bridge, about), **shown.detail} if about else dict(shown.detail)
        case EventType.NOTICE_RAISED:
            raised = tx.notice(shown.notice_id or "")
            return notice(raised) if raised else {}
        case (
            EventType.INTERACTION_OPENED
            | EventType.INTERACTION_UPDATED
            | EventType.INTERACTION_ENDED
            | EventType.INTERACTION_DONE
        ):
            held = tx.interaction(shown.interaction_id or "")
            return interaction(held) if held else {}
        case EventType.INTERACTION_PRESENCE:
            return dict(shown.detail)
        case EventType.CONTACT_UPDATED:
            person = tx.contact(shown.contact_id or "")
            return contact(tx, bridge, person) if person else {}
        case EventType.AGENT_STATUS:
            return dict(shown.detail)


def agent(shown: Agent | None) -> Resource | None:
    return {"id": shown.id, "name": shown.name or None} if shown else None


def agent_status(shown: AgentStatus) -> Resource:
    return {
        "id": shown.id,
        "name": shown.name or None,
        "ready": shown.ready,
        "reason": shown.reason or None,
        "auto_answer": shown.auto_answer,
        "changed_at": time(shown.changed_at_ms),
    }


def standard_response(shown: StandardResponse) -> Resource:
    return {
        "id": shown.id,
        "shortcut": shown.shortcut,
        "title": shown.title,
        "text": shown.text,
        "created_at": time(shown.created_at_ms),
        "updated_at": time(shown.updated_at_ms),
    }


def dead_letter(shown: DeadLetter) -> Resource:
    return {
        "id": shown.id,
        "kind": shown.kind,
        "queue": shown.queue,
        "ref": shown.ref,
        "attempts": shown.attempts,
        "reason": shown.reason,
        "created_at": time(shown.created_at_ms),
        "died_at": time(shown.died_at_ms),
    }


def sender(bridge: Bridge, shown: Sender) -> Resource:
    abilities = bridge.accounts[shown.account].adapter.abilities
    return {
        "number": shown.number,
        "name": shown.name or None,
        "kind": sender_kind(shown.number),
        "carrier": shown.account,
        "desktop": shown.desktop,
        "media": abilities.media,
    }


def receipt(shown: StoredReceipt) -> Resource:
    return {
        "carrier": shown.account,
        "carrier_message_id": shown.carrier_message_id,
        "status": shown.status,
        "cause": shown.cause,
        "code": shown.evidence.code or None,
        "received_at": time(shown.received_at_ms),
    }


def time(at_ms: int | None) -> str | None:
    return None if at_ms is None else write_time(at_ms)


def status_detail(status: Status, cause: str | None) -> Resource:
    """What a `message.status` event keeps of its moment."""
    return {"status": str(status), "cause": cause}
