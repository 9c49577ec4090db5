"""What is written down as things happen: the event log that streams and desktops follow, and the transcript."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from smsbridge.domain.interaction import State
from smsbridge.domain.message import (
    Agent,
    ContactId,
    ConversationId,
    EventId,
    InteractionId,
    Message,
    MessageId,
    Notice,
    NoticeId,
)


class EventType(StrEnum):
    """One type, one shape, for ever. The value is the `type` of streams and desktop webhooks."""

    MESSAGE_RECEIVED = "message.received"
    MESSAGE_CREATED = "message.created"
    MESSAGE_UPDATED = "message.updated"
    MESSAGE_STATUS = "message.status"
    NOTICE_RAISED = "notice.raised"
    INTERACTION_OPENED = "interaction.opened"
    INTERACTION_UPDATED = "interaction.updated"
    INTERACTION_ENDED = "interaction.ended"
    INTERACTION_DONE = "interaction.done"
    INTERACTION_PRESENCE = "interaction.presence"
    CONTACT_UPDATED = "contact.updated"
    AGENT_STATUS = "agent.status"


@dataclass(frozen=True, kw_only=True, slots=True)
class LogEvent:
    """One entry of the event log. It holds ids, and in `detail` only what would be lost otherwise (a past status).

    `seq` is given by the store: it grows by one with every event and is what `Last-Event-ID` resumes from.
    """

    id: EventId
    type: EventType
    at_ms: int
    contact_id: ContactId | None = None
    conversation_id: ConversationId | None = None
    interaction_id: InteractionId | None = None
    message_id: MessageId | None = None
    notice_id: NoticeId | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)
    seq: int = 0


class EntryKind(StrEnum):
    MESSAGE = "message"
    NOTICE = "notice"
    INTERACTION = "interaction"


class Border(StrEnum):
    """Which border of an interaction an entry marks."""

    OPENED = "opened"
    ACCEPTED = "accepted"
    ENDED = "ended"
    REACTIVATED = "reactivated"
    DONE = "done"


@dataclass(frozen=True, kw_only=True, slots=True)
class BorderMark:
    """A border of an interaction as it was then: a later change of the interaction does not rewrite it."""

    border: Border
    interaction_id: InteractionId
    state: State
    agent: Agent | None = None
    reason: str = ""
    disposition: str = ""
    note: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class TranscriptEntry:
    """One line of a transcript. `seq` orders it for ever; exactly one of the last three is set, as `kind` says."""

    seq: int
    at_ms: int
    kind: EntryKind
    interaction_id: InteractionId
    message: Message | None = None
    notice: Notice | None = None
    border: BorderMark | None = None
