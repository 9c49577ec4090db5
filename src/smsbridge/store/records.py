"""Rows to records and back. A row's columns come in the order of the `-- columns` line of the .sql files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from smsbridge.contracts.jobs import DeadLetter, Job
from smsbridge.contracts.store import (
    AgentAccount,
    AgentStatus,
    ApiKey,
    Arrival,
    Arrived,
    KeptPart,
    OptOutState,
    Presence,
    RecentContact,
    Role,
    Session,
    StandardResponse,
    StoredReceipt,
    Thread,
    UnknownCode,
    WaitingText,
)
from smsbridge.domain.brake import Brake
from smsbridge.domain.cause import Cause
from smsbridge.domain.interaction import EndReason, State
from smsbridge.domain.journal import Border, BorderMark, EventType, LogEvent
from smsbridge.domain.message import (
    Agent,
    Attachment,
    AttachmentProblem,
    AttachmentState,
    Capability,
    Certainty,
    Contact,
    Conversation,
    Direction,
    Interaction,
    InteractionId,
    Message,
    Notice,
    NoticeKind,
    Part,
    Severity,
    SmsCapable,
)
from smsbridge.domain.outcome import NO_EVIDENCE, Evidence
from smsbridge.domain.status import Status
from smsbridge.domain.text import fold

MAX_REASON_CHARS: Final = 200
MAX_UNKNOWN_CODES: Final = 500
"""Kept of each account; none has half as many."""

Row = Sequence[Any]
Values = dict[str, Any]


def read_contact(row: Row) -> Contact:
    identifier, number, name, attributes, assigned_to, created, updated = row
    return Contact(
        id=identifier,
        number=number,
        name=name,
        attributes=_read_object(attributes),
        assigned_to=assigned_to,
        created_at_ms=created,
        updated_at_ms=updated,
    )


def write_contact(contact: Contact) -> Values:
    return {
        "id": contact.id,
        "number": contact.number,
        "name": contact.name,
        "attributes": _write_object(contact.attributes),
        "assigned_to": contact.assigned_to,
        "created_at_ms": contact.created_at_ms,
        "updated_at_ms": contact.updated_at_ms,
        "search_text": fold(f"{contact.name} {contact.number}"),
    }


def read_recent_contact(row: Row) -> RecentContact:
    return RecentContact(contact=read_contact(row[:_CONVERSATION_AT]), position=(row[-2], row[-1]))


def read_conversation(row: Row) -> Conversation:
    identifier, contact_id, contact_number, sender, account, created, last = row
    return Conversation(
        id=identifier,
        contact_id=contact_id,
        contact_number=contact_number,
        sender=sender,
        account=account,
        created_at_ms=created,
        last_message_at_ms=last,
    )


def write_conversation(conversation: Conversation) -> Values:
    return {
        "id": conversation.id,
        "contact_id": conversation.contact_id,
        "contact_number": conversation.contact_number,
        "sender": conversation.sender,
        "account": conversation.account,
        "created_at_ms": conversation.created_at_ms,
        "last_message_at_ms": conversation.last_message_at_ms,
    }


def read_interaction(row: Row) -> Interaction:
    (
        identifier,
        conversation_id,
        contact_id,
        contact_number,
        sender,
        account,
        desktop,
        direction,
        state,
        external_id,
        agent_id,
        agent_name,
        opened,
        accepted,
        ended,
        end_reason,
        done,
        disposition,
        note,
        last_activity,
        reactivations,
        offered_to,
        offered_until,
    ) = row
    return Interaction(
        id=identifier,
        conversation_id=conversation_id,
        contact_id=contact_id,
        contact_number=contact_number,
        sender=sender,
        account=account,
        desktop=desktop,
        direction=Direction(direction),
        state=State(state),
        external_id=external_id,
        agent=_read_agent(agent_id, agent_name),
        opened_at_ms=opened,
        accepted_at_ms=accepted,
        ended_at_ms=ended,
        end_reason=EndReason(end_reason) if end_reason else None,
        done_at_ms=done,
        disposition=disposition,
        note=note,
        last_activity_ms=last_activity,
        reactivations=reactivations,
        offered_to=offered_to,
        offered_until_ms=offered_until,
    )


def write_interaction(interaction: Interaction) -> Values:
    return {
        "id": interaction.id,
        "conversation_id": interaction.conversation_id,
        "contact_id": interaction.contact_id,
        "contact_number": interaction.contact_number,
        "sender": interaction.sender,
        "account": interaction.account,
        "desktop": interaction.desktop,
        "direction": interaction.direction,
        "state": interaction.state,
        "external_id": interaction.external_id,
        "agent_id": interaction.agent.id if interaction.agent else "",
        "agent_name": interaction.agent.name if interaction.agent else "",
        "opened_at_ms": interaction.opened_at_ms,
        "accepted_at_ms": interaction.accepted_at_ms,
        "ended_at_ms": interaction.ended_at_ms,
        "end_reason": interaction.end_reason,
        "done_at_ms": interaction.done_at_ms,
        "disposition": interaction.disposition,
        "note": interaction.note,
        "last_activity_ms": interaction.last_activity_ms,
        "reactivations": interaction.reactivations,
        "offered_to": interaction.offered_to,
        "offered_until_ms": interaction.offered_until_ms,
    }


_CONVERSATION_AT: Final = 7
_INTERACTION_AT: Final = 14


def read_thread(row: Row) -> Thread:
    """A contact's columns, then a conversation's and an interaction's, each of which may be missing."""
    conversation, interaction = row[_CONVERSATION_AT:_INTERACTION_AT], row[_INTERACTION_AT:]
    return Thread(
        contact=read_contact(row[:_CONVERSATION_AT]),
        conversation=read_conversation(conversation) if conversation[0] is not None else None,
        interaction=read_interaction(interaction) if interaction[0] is not None else None,
    )


def read_message(row: Row) -> Message:
    (
        identifier,
        direction,
        conversation_id,
        interaction_id,
        contact_id,
        contact_number,
        sender,
        account,
        text,
        status,
        cause,
        carrier_message_id,
        agent_id,
        agent_name,
        client_reference,
        metadata,
        segments,
        encoding,
        units,
        has_media,
        held_for_media,
        carrier_at,
        created,
        sent,
        delivered,
        give_up,
        is_quick_reply,
        rerouted_from,
    ) = row
    return Message(
        id=identifier,
        direction=Direction(direction),
        conversation_id=conversation_id,
        interaction_id=interaction_id,
        contact_id=contact_id,
        contact_number=contact_number,
        sender=sender,
        account=account,
        text=text,
        status=Status(status),
        cause=_read_cause(cause),
        carrier_message_id=carrier_message_id,
        agent=_read_agent(agent_id, agent_name),
        client_reference=client_reference,
        metadata=_read_object(metadata),
        segments=segments,
        encoding=encoding,
        units=units,
        has_media=bool(has_media),
        held_for_media=bool(held_for_media),
        carrier_at_ms=carrier_at,
        created_at_ms=created,
        sent_at_ms=sent,
        delivered_at_ms=delivered,
        give_up_at_ms=give_up,
        quick_reply=bool(is_quick_reply),
        rerouted_from=rerouted_from,
    )


def write_message(message: Message) -> Values:
    return {
        "id": message.id,
        "direction": message.direction,
        "conversation_id": message.conversation_id,
        "interaction_id": message.interaction_id,
        "contact_id": message.contact_id,
        "contact_number": message.contact_number,
        "sender": message.sender,
        "account": message.account,
        "text": message.text,
        "status": message.status,
        "cause": message.cause,
        "carrier_message_id": message.carrier_message_id,
        "agent_id": message.agent.id if message.agent else "",
        "agent_name": message.agent.name if message.agent else "",
        "client_reference": message.client_reference,
        "metadata": _write_object(message.metadata),
        "segments": message.segments,
        "encoding": message.encoding,
        "units": message.units,
        "has_media": int(message.has_media),
        "held_for_media": int(message.held_for_media),
        "carrier_at_ms": message.carrier_at_ms,
        "created_at_ms": message.created_at_ms,
        "sent_at_ms": message.sent_at_ms,
        "delivered_at_ms": message.delivered_at_ms,
        "give_up_at_ms": message.give_up_at_ms,
        "is_quick_reply": int(message.quick_reply),
        "rerouted_from": message.rerouted_from,
    }


def read_part(row: Row) -> Part:
    _message_id, number, text, status, tries, carrier_message_id, cause, evidence, absent_since_ms, taken = row
    return Part(
        number=number,
        text=text,
        status=Status(status),
        tries=tries,
        carrier_message_id=carrier_message_id,
        cause=_read_cause(cause),
        evidence=_read_evidence(evidence),
        absent_since_ms=absent_since_ms,
        maybe_taken=bool(taken),
    )


def write_part(message_id: str, part: Part) -> Values:
    return {
        "message_id": message_id,
        "number": part.number,
        "text": part.text,
        "status": part.status,
        "tries": part.tries,
        "carrier_message_id": part.carrier_message_id,
        "cause": part.cause,
        "evidence": _write_evidence(part.evidence),
        "absent_since_ms": part.absent_since_ms,
        "maybe_taken": int(part.maybe_taken),
    }


def read_attachment(row: Row) -> Attachment:
    (
        identifier,
        message_id,
        position,
        direction,
        state,
        problem,
        reason,
        content_type,
        filename,
        size_bytes,
        sha256,
        thumbnail,
        source_url,
        created,
    ) = row
    return Attachment(
        id=identifier,
        message_id=message_id,
        position=position,
        direction=Direction(direction),
        state=AttachmentState(state),
        problem=AttachmentProblem(problem) if problem else None,
        reason=reason,
        content_type=content_type,
        filename=filename,
        size_bytes=size_bytes,
        sha256=sha256,
        thumbnail_sha256=thumbnail,
        source_url=source_url,
        created_at_ms=created,
    )


def write_attachment(attachment: Attachment) -> Values:
    return {
        "id": attachment.id,
        "message_id": attachment.message_id,
        "position": attachment.position,
        "direction": attachment.direction,
        "state": attachment.state,
        "problem": attachment.problem,
        "reason": attachment.reason,
        "content_type": attachment.content_type,
        "filename": attachment.filename,
        "size_bytes": attachment.size_bytes,
        "sha256": attachment.sha256,
        "thumbnail_sha256": attachment.thumbnail_sha256,
        "source_url": attachment.source_url,
        "created_at_ms": attachment.created_at_ms,
    }


def read_waiting_text(row: Row) -> WaitingText:
    identifier, account, number, sender, reference, part_count, missing, began = row
    return WaitingText(
        id=identifier,
        account=account,
        number=number,
        sender=sender,
        reference=reference,
        part_count=part_count,
        missing=missing,
        began_at_ms=began,
    )


def write_waiting_text(waiting: WaitingText) -> Values:
    return {
        "id": waiting.id,
        "account": waiting.account,
        "number": waiting.number,
        "sender": waiting.sender,
        "reference": waiting.reference,
        "part_count": waiting.part_count,
        "missing": waiting.missing,
        "began_at_ms": waiting.began_at_ms,
    }


def read_kept_part(row: Row) -> KeptPart:
    carrier_message_id, number, text, carrier_at = row
    return KeptPart(
        carrier_message_id=carrier_message_id,
        number=number,
        text=bytes(text).decode("utf-8", "surrogatepass"),
        carrier_at_ms=carrier_at,
    )


def write_kept_part(waiting: WaitingText, part: KeptPart) -> Values:
    return {
        "account": waiting.account,
        "waiting_id": waiting.id,
        "carrier_message_id": part.carrier_message_id,
        "number": part.number,
        "text": part.text.encode("utf-8", "surrogatepass"),
        "carrier_at_ms": part.carrier_at_ms,
    }


def read_receipt(row: Row) -> StoredReceipt:
    (
        account,
        key,
        carrier_message_id,
        part_ref,
        status,
        cause,
        evidence,
        carrier_at,
        received,
        message_id,
        part_number,
        applied,
    ) = row
    return StoredReceipt(
        account=account,
        key=key,
        carrier_message_id=carrier_message_id,
        part_ref=part_ref,
        status=Status(status),
        cause=_read_cause(cause),
        evidence=_read_evidence(evidence),
        carrier_at_ms=carrier_at,
        received_at_ms=received,
        message_id=message_id,
        part_number=part_number,
        applied=bool(applied),
    )


def write_receipt(receipt: StoredReceipt) -> Values:
    return {
        "account": receipt.account,
        "key": receipt.key,
        "carrier_message_id": receipt.carrier_message_id,
        "part_ref": receipt.part_ref,
        "status": receipt.status,
        "cause": receipt.cause,
        "evidence": _write_evidence(receipt.evidence),
        "carrier_at_ms": receipt.carrier_at_ms,
        "received_at_ms": receipt.received_at_ms,
        "message_id": receipt.message_id,
        "part_number": receipt.part_number,
        "applied": int(receipt.applied),
    }


def read_notice(row: Row) -> Notice:
    (
        identifier,
        key,
        kind,
        cause,
        certainty,
        severity,
        text,
        admin_text,
        advice,
        interaction_id,
        conversation_id,
        contact_id,
        message_id,
        account,
        evidence,
        created,
        acknowledged,
    ) = row
    return Notice(
        id=identifier,
        key=key,
        kind=NoticeKind(kind),
        cause=_read_cause(cause),
        certainty=Certainty(certainty),
        severity=Severity(severity),
        text=text,
        admin_text=admin_text,
        advice=advice,
        interaction_id=interaction_id,
        conversation_id=conversation_id,
        contact_id=contact_id,
        message_id=message_id,
        account=account,
        evidence=_read_evidence(evidence),
        created_at_ms=created,
        acknowledged_at_ms=acknowledged,
    )


def write_notice(notice: Notice) -> Values:
    return {
        "id": notice.id,
        "key": notice.key,
        "kind": notice.kind,
        "cause": notice.cause,
        "certainty": notice.certainty,
        "severity": notice.severity,
        "text": notice.text,
        "admin_text": notice.admin_text,
        "advice": notice.advice,
        "interaction_id": notice.interaction_id,
        "conversation_id": notice.conversation_id,
        "contact_id": notice.contact_id,
        "message_id": notice.message_id,
        "account": notice.account,
        "evidence": _write_evidence(notice.evidence),
        "created_at_ms": notice.created_at_ms,
        "acknowledged_at_ms": notice.acknowledged_at_ms,
    }


def read_capability(row: Row) -> Capability:
    number, valid, kind, sms_capable, reason, source, checked, expires = row
    return Capability(
        number=number,
        valid=bool(valid),
        type=kind,
        sms_capable=SmsCapable(sms_capable),
        reason=reason,
        source=source,
        checked_at_ms=checked,
        expires_at_ms=expires,
    )


def write_capability(capability: Capability) -> Values:
    return {
        "number": capability.number,
        "is_valid": int(capability.valid),
        "type": capability.type,
        "sms_capable": capability.sms_capable,
        "reason": capability.reason,
        "source": capability.source,
        "checked_at_ms": capability.checked_at_ms,
        "expires_at_ms": capability.expires_at_ms,
    }


def read_opt_out(row: Row) -> OptOutState:
    sender, opted_out, changed, account, carrier_at = row
    return OptOutState(
        sender=sender,
        opted_out=bool(opted_out),
        changed_at_ms=changed,
        account=account,
        carrier_at_ms=carrier_at,
    )


def read_event(row: Row) -> LogEvent:
    (
        seq,
        identifier,
        kind,
        at_ms,
        contact_id,
        conversation_id,
        interaction_id,
        message_id,
        notice_id,
        detail,
    ) = row
    return LogEvent(
        seq=seq,
        id=identifier,
        type=EventType(kind),
        at_ms=at_ms,
        contact_id=contact_id,
        conversation_id=conversation_id,
        interaction_id=interaction_id,
        message_id=message_id,
        notice_id=notice_id,
        detail=_read_object(detail),
    )


def write_event(event: LogEvent) -> Values:
    return {
        "id": event.id,
        "type": event.type,
        "at_ms": event.at_ms,
        "contact_id": event.contact_id,
        "conversation_id": event.conversation_id,
        "interaction_id": event.interaction_id,
        "message_id": event.message_id,
        "notice_id": event.notice_id,
        "detail": _write_object(event.detail) if event.detail else "",
    }


def read_border(detail: str, interaction_id: str) -> BorderMark:
    value = json.loads(detail)
    return BorderMark(
        border=Border(value["border"]),
        interaction_id=InteractionId(interaction_id),
        state=State(value["state"]),
        agent=_read_agent(value.get("agent_id", ""), value.get("agent_name", "")),
        reason=value.get("reason", ""),
        disposition=value.get("disposition", ""),
        note=value.get("note", ""),
    )


def write_border(mark: BorderMark) -> str:
    value = {
        "border": mark.border,
        "state": mark.state,
        "agent_id": mark.agent.id if mark.agent else "",
        "agent_name": mark.agent.name if mark.agent else "",
        "reason": mark.reason,
        "disposition": mark.disposition,
        "note": mark.note,
    }
    return _write_object({key: item for key, item in value.items() if item})


def read_job(row: Row, *, token: int, now_ms: int, is_probe: bool = False) -> Job:
    """The job as it is once claimed: this attempt is counted, and the one before it was cut short if it still runs."""
    identifier, kind, queue, lane, ref, attempt, is_running, crashes, created, give_up = row
    return Job(
        id=identifier,
        kind=kind,
        queue=queue,
        lane=lane,
        ref=ref,
        attempt=attempt + 1,
        interrupted=bool(is_running),
        crashes=crashes,
        token=token,
        created_at_ms=created,
        claimed_at_ms=now_ms,
        give_up_at_ms=give_up,
        is_probe=is_probe,
    )


def read_unknown_code(row: Row) -> UnknownCode:
    account, code, text, seen, first_at_ms, last_at_ms = row
    return UnknownCode(account=account, code=code, text=text, seen=seen, first_at_ms=first_at_ms, last_at_ms=last_at_ms)


def read_brake(row: Row) -> Brake:
    _, held_until, failures, failed_job, opened_at, probe_at, probe_every, suspicions, cleared, reason = row
    return Brake(
        held_until_ms=held_until,
        failures=failures,
        failed_job=failed_job,
        opened_at_ms=opened_at,
        probe_at_ms=probe_at,
        probe_every_ms=probe_every,
        suspicions=suspicions,
        cleared=cleared,
        reason=reason,
    )


def write_brake(target: str, brake: Brake) -> Values:
    return {
        "target": target,
        "held_until_ms": brake.held_until_ms,
        "failures": brake.failures,
        "failed_job": brake.failed_job,
        "opened_at_ms": brake.opened_at_ms,
        "probe_at_ms": brake.probe_at_ms,
        "probe_every_ms": brake.probe_every_ms,
        "suspicions": brake.suspicions,
        "cleared": brake.cleared,
        "reason": brake.reason[:MAX_REASON_CHARS],
    }


def read_dead_letter(row: Row) -> DeadLetter:
    identifier, kind, queue, lane, ref, attempts, reason, created, died = row
    return DeadLetter(
        id=identifier,
        kind=kind,
        queue=queue,
        lane=lane,
        ref=ref,
        attempts=attempts,
        reason=reason,
        created_at_ms=created,
        died_at_ms=died,
    )


def read_arrival(row: Row) -> Arrival:
    identifier, source, account, outcome, reason, kind, at_ms, request, replayed = row
    return Arrival(
        id=identifier,
        source=source,
        account=account,
        outcome=Arrived(outcome),
        reason=reason,
        kind=kind,
        at_ms=at_ms,
        request=bytes(request),
        replayed_at_ms=replayed,
    )


def write_arrival(arrival: Arrival) -> Values:
    return {
        "id": arrival.id,
        "source": arrival.source,
        "account": arrival.account,
        "outcome": arrival.outcome,
        "reason": arrival.reason,
        "kind": arrival.kind,
        "at_ms": arrival.at_ms,
        "request": arrival.request,
        "replayed_at_ms": arrival.replayed_at_ms,
    }


def read_api_key(row: Row) -> ApiKey:
    identifier, name, prefix, digest, scopes, created, used, revoked = row
    return ApiKey(
        id=identifier,
        name=name,
        prefix=prefix,
        hash=digest,
        scopes=frozenset(scopes.split()),
        created_at_ms=created,
        last_used_ms=used,
        revoked_at_ms=revoked,
    )


def write_api_key(key: ApiKey) -> Values:
    return {
        "id": key.id,
        "name": key.name,
        "prefix": key.prefix,
        "hash": key.hash,
        "scopes": " ".join(sorted(key.scopes)),
        "created_at_ms": key.created_at_ms,
        "last_used_ms": key.last_used_ms,
        "revoked_at_ms": key.revoked_at_ms,
    }


def read_agent_status(row: Row) -> AgentStatus:
    identifier, name, ready, reason, auto_answer, changed = row
    return AgentStatus(
        id=identifier,
        name=name,
        ready=bool(ready),
        reason=reason,
        auto_answer=bool(auto_answer),
        changed_at_ms=changed,
    )


def write_agent_status(status: AgentStatus) -> Values:
    return {
        "id": status.id,
        "name": status.name,
        "is_ready": int(status.ready),
        "reason": status.reason,
        "is_auto_answer": int(status.auto_answer),
        "changed_at_ms": status.changed_at_ms,
    }


def read_agent_account(row: Row) -> AgentAccount:
    identifier, name, role, passcode_hash, created = row
    return AgentAccount(id=identifier, name=name, role=Role(role), passcode_hash=passcode_hash, created_at_ms=created)


def write_agent_account(account: AgentAccount) -> Values:
    return {
        "id": account.id,
        "name": account.name,
        "role": account.role,
        "passcode_hash": account.passcode_hash,
        "created_at_ms": account.created_at_ms,
    }


def read_session(row: Row) -> Session:
    digest, agent_id, created, seen = row
    return Session(hash=digest, agent_id=agent_id, created_at_ms=created, seen_at_ms=seen)


def read_presence(row: Row) -> Presence:
    interaction_id, agent_id, agent_name, is_writing, at_ms = row
    return Presence(
        interaction_id=interaction_id, agent=Agent(id=agent_id, name=agent_name), writing=bool(is_writing), at_ms=at_ms
    )


def write_presence(presence: Presence) -> Values:
    return {
        "interaction_id": presence.interaction_id,
        "agent_id": presence.agent.id,
        "agent_name": presence.agent.name,
        "is_writing": int(presence.writing),
        "at_ms": presence.at_ms,
    }


def read_standard_response(row: Row) -> StandardResponse:
    identifier, shortcut, title, text, created, updated = row
    return StandardResponse(
        id=identifier, shortcut=shortcut, title=title, text=text, created_at_ms=created, updated_at_ms=updated
    )


def write_standard_response(response: StandardResponse) -> Values:
    return {
        "id": response.id,
        "shortcut": response.shortcut,
        "title": response.title,
        "text": response.text,
        "created_at_ms": response.created_at_ms,
        "updated_at_ms": response.updated_at_ms,
    }


def _read_agent(identifier: str, name: str) -> Agent | None:
    return Agent(id=identifier, name=name) if identifier or name else None


def _read_cause(cause: str | None) -> Cause | None:
    return Cause(cause) if cause else None


def _read_evidence(text: str) -> Evidence:
    if not text:
        return NO_EVIDENCE
    value = json.loads(text)
    return Evidence(code=value.get("code", ""), text=value.get("text", ""), http_status=value.get("http_status"))


def _write_evidence(evidence: Evidence) -> str:
    if evidence == NO_EVIDENCE:
        return ""
    value = {"code": evidence.code, "text": evidence.text[:500], "http_status": evidence.http_status}
    return _write_object({key: item for key, item in value.items() if item})


def _read_object(text: str) -> Mapping[str, Any]:
    return json.loads(text) if text and text != "{}" else {}


def _write_object(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")) if value else "{}"
