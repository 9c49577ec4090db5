"""Raising notices: our words to the agent, in the transcript of the interaction they belong to."""

from __future__ import annotations

from datetime import UTC, datetime

from smsbridge.contracts.bridge import Bridge
from smsbridge.contracts.store import Tx
from smsbridge.domain.cause import Cause
from smsbridge.domain.message import (
    Attachment,
    Certainty,
    Interaction,
    Message,
    Notice,
    NoticeId,
    NoticeKind,
)
from smsbridge.domain.notices import write_notice
from smsbridge.domain.outcome import NO_EVIDENCE, Evidence
from smsbridge.flows.journal import tell_of_notice


def raise_notice(
    tx: Tx,
    bridge: Bridge,
    kind: NoticeKind,
    cause: Cause | None,
    interaction: Interaction,
    *,
    key: str,
    certainty: Certainty = Certainty.CERTAIN,
    message: Message | None = None,
    attachment: Attachment | None = None,
    evidence: Evidence = NO_EVIDENCE,
    reason: str = "",
    said_by: str = "",
) -> Notice | None:
    """None when a notice with this `key` was raised before: the same failure is told once.

    `said_by` is whose words the evidence is, where that is not the carrier account.
    """
    account = said_by or (message.account if message else interaction.account)
    until_ms = message.give_up_at_ms if message else None
    words = write_notice(
        kind,
        cause,
        certainty=certainty,
        language=bridge.policy.language,
        problem=attachment.problem if attachment else None,
        contact=interaction.contact_number,
        sender=interaction.sender,
        carrier=account,
        code=evidence.code,
        carrier_text=evidence.text,
        reason=reason or (attachment.reason if attachment else ""),
        filename=attachment.filename if attachment else "",
        limit=f"{bridge.policy.media_max_bytes // 1_048_576} MB" if kind is NoticeKind.ATTACHMENT_PROBLEM else "",
        until="" if until_ms is None else f"{datetime.fromtimestamp(until_ms / 1000, UTC):%H:%M} UTC",
    )
    notice = Notice(
        id=NoticeId(bridge.ids.new("ntc_")),
        key=key,
        kind=kind,
        cause=cause,
        certainty=certainty,
        severity=words.severity,
        text=words.text,
        admin_text=words.admin_text,
        advice=words.advice,
        interaction_id=interaction.id,
        conversation_id=interaction.conversation_id,
        contact_id=interaction.contact_id,
        message_id=message.id if message else None,
        account=account,
        evidence=evidence,
        created_at_ms=bridge.now_ms(),
    )
    if not tx.insert_notice(notice):
        return None
    tx.append_notice(notice)
    tell_of_notice(tx, bridge, notice, interaction.desktop)
    tx.afterwards(lambda: bridge.meter.count("notices_total", kind=kind))
    return notice


def attachment_notice_key(attachment: Attachment) -> str:
    """Ten pictures of one text that fail alike are one thing to tell."""
    return f"attachment:{attachment.message_id}:{attachment.problem}"
