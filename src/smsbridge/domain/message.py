"""The records everything is about: contacts, conversations, interactions, messages, parts, attachments, notices.

All times are integer milliseconds since 1970, UTC, written by our clock. A record is what the store holds; how it is
shown to the outside stands in flows/resources.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NewType

from smsbridge.domain.cause import Cause
from smsbridge.domain.interaction import EndReason, State
from smsbridge.domain.outcome import NO_EVIDENCE, Evidence
from smsbridge.domain.status import Status

ContactId = NewType("ContactId", str)  # con_... made when a number first texts or is first texted
ConversationId = NewType("ConversationId", str)  # cnv_... made with the first message between contact and sender
InteractionId = NewType("InteractionId", str)  # int_... made when a chat session opens
MessageId = NewType("MessageId", str)  # msg_... made when a text is accepted, in or out
AttachmentId = NewType("AttachmentId", str)  # att_... made with its message, or by an upload before it
NoticeId = NewType("NoticeId", str)  # ntc_... made when a notice is raised
EventId = NewType("EventId", str)  # evt_... made with each entry of the event log
Number = NewType("Number", str)  # E.164 with its plus, or a short code; made by domain.phone only


class Direction(StrEnum):
    INBOUND = "inbound"
    OUTBOUND = "outbound"


class SmsCapable(StrEnum):
    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class AttachmentState(StrEnum):
    PENDING = "pending"
    STORED = "stored"
    REJECTED = "rejected"


class AttachmentProblem(StrEnum):
    """Why an attachment could not be taken or sent."""

    MISSING = "missing"
    OUT_OF_REACH = "out_of_reach"
    TOO_LARGE = "too_large"
    TYPE_NOT_TAKEN = "type_not_taken"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, kw_only=True, slots=True)
class Agent:
    """Who acted. `name` is what transcripts show."""

    id: str
    name: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Contact:
    id: ContactId
    number: Number
    name: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    assigned_to: str = ""
    created_at_ms: int = 0
    updated_at_ms: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Conversation:
    """Everything ever said between one contact and one sender. `account` is the one that last carried a text of it."""

    id: ConversationId
    contact_id: ContactId
    contact_number: Number
    sender: str
    account: str
    created_at_ms: int
    last_message_at_ms: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Interaction:
    id: InteractionId
    conversation_id: ConversationId
    contact_id: ContactId
    contact_number: Number
    sender: str
    account: str
    desktop: str
    direction: Direction
    state: State
    external_id: str = ""
    agent: Agent | None = None
    opened_at_ms: int = 0
    accepted_at_ms: int | None = None
    ended_at_ms: int | None = None
    end_reason: EndReason | None = None
    done_at_ms: int | None = None
    disposition: str = ""
    note: str = ""
    last_activity_ms: int = 0
    reactivations: int = 0
    offered_to: str = ""
    """The agent to whom a waiting one is offered alone until `offered_until_ms`; empty: to everybody who is Ready."""
    offered_until_ms: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One carrier message of an outbound text. `tries` counts how often it may have left us."""

    number: int
    text: str
    status: Status = Status.QUEUED
    tries: int = 0
    carrier_message_id: str = ""
    cause: Cause | None = None
    evidence: Evidence = NO_EVIDENCE
    absent_since_ms: int | None = None
    """Since when the carrier, asked for this try, says that it does not have it."""
    maybe_taken: bool = False
    """Of this try or an earlier one a carrier has said that it took it, or nobody knows."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Attachment:
    """A picture or file. `sha256` names its bytes in the blob store once `state` is STORED."""

    id: AttachmentId
    message_id: MessageId | None = None
    position: int = 0
    direction: Direction = Direction.INBOUND
    state: AttachmentState = AttachmentState.PENDING
    problem: AttachmentProblem | None = None
    reason: str = ""
    """More of the problem, in our words, for the administrator."""
    content_type: str = ""
    filename: str = ""
    size_bytes: int = 0
    sha256: str = ""
    thumbnail_sha256: str = ""
    source_url: str = ""
    created_at_ms: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    id: MessageId
    direction: Direction
    conversation_id: ConversationId
    interaction_id: InteractionId
    contact_id: ContactId
    contact_number: Number
    sender: str
    account: str
    text: str
    status: Status
    cause: Cause | None = None
    carrier_message_id: str = ""
    agent: Agent | None = None
    client_reference: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    segments: int = 0
    encoding: str = ""
    units: int = 0
    has_media: bool = False
    held_for_media: bool = False
    carrier_at_ms: int | None = None
    created_at_ms: int = 0
    sent_at_ms: int | None = None
    delivered_at_ms: int | None = None
    give_up_at_ms: int | None = None
    quick_reply: bool = False
    """Written to a contact and not into an interaction: it opens, reactivates and takes none, and is counted apart."""
    rerouted_from: str = ""
    """The account that did not take it, once it was given to that account's second one."""


class NoticeKind(StrEnum):
    """What a notice is about. One word, one meaning; domain/notices.py holds the texts."""

    WRONG_SENDER_NUMBER = "wrong_sender_number"
    NOT_SMS_CAPABLE = "not_sms_capable"
    UNDELIVERED = "undelivered"
    DELIVERY_UNCERTAIN = "delivery_uncertain"
    OPTED_OUT = "opted_out"
    OPTED_IN = "opted_in"
    ATTACHMENT_PROBLEM = "attachment_problem"
    ATTACHMENT_REFUSED = "attachment_refused"
    TEXT_WITHHELD = "text_withheld"
    CONTENT_REJECTED = "content_rejected"
    DELAYED = "delayed"
    REROUTED = "rerouted"
    SERVICE_PROBLEM = "service_problem"


class Certainty(StrEnum):
    CERTAIN = "certain"
    POSSIBLE = "possible"


class Severity(StrEnum):
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, kw_only=True, slots=True)
class Notice:
    """Our words to the agent, in the transcript. `key` is unique: raising the same notice again changes nothing."""

    id: NoticeId
    key: str
    kind: NoticeKind
    cause: Cause | None
    certainty: Certainty
    severity: Severity
    text: str
    admin_text: str
    advice: str
    interaction_id: InteractionId
    conversation_id: ConversationId
    contact_id: ContactId
    message_id: MessageId | None = None
    account: str = ""
    evidence: Evidence = NO_EVIDENCE
    created_at_ms: int = 0
    acknowledged_at_ms: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Capability:
    """What is known about a number's ability to take texts. `source`: parsing, number_type, receipts or lookup."""

    number: str
    valid: bool
    type: str
    sms_capable: SmsCapable
    reason: str
    source: str
    checked_at_ms: int
    expires_at_ms: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class OutboundPart:
    """What an adapter needs to write one send.

    `ref` is our reference (`msg_....<part>.<try>`), to be echoed in receipts; it is unique per try, so that a late
    receipt of an earlier try is told apart.
    """

    ref: str
    sender: str
    to: str
    text: str
    media_urls: tuple[str, ...] = ()
    validity_s: int | None = None
    at_ms: int = 0
    """When it is sent, for requests whose signature holds a time."""
