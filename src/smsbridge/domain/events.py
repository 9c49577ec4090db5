"""What adapters report: the events that a carrier's or a desktop's webhook can hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from smsbridge.domain.cause import Cause
from smsbridge.domain.outcome import NO_EVIDENCE, Evidence
from smsbridge.domain.status import Status


class OptOutKind(StrEnum):
    """What a STOP, START or HELP keyword asks for."""

    STOP = "stop"
    START = "start"
    HELP = "help"


@dataclass(frozen=True, kw_only=True, slots=True)
class InboundMedia:
    """One attachment as the carrier announces it. `content_type` is a claim, checked against the bytes later."""

    url: str
    content_type: str = ""
    filename: str = ""
    at_ms: int = 0
    """When it is fetched, for requests whose credentials hold a time."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TextPart:
    """One of the parts of a long text that a carrier pushes one by one. `of` is the same for all parts of a text, from
    one number to one sender; `number` is from 1 to `count`."""

    of: str
    number: int
    count: int


@dataclass(frozen=True, kw_only=True, slots=True)
class InboundMessage:
    """A text from a contact. Numbers are as the carrier wrote them; `to_number` is one of our senders.

    `carrier_message_id` is what makes a repeat a duplicate; where a carrier gives none, the adapter builds one from
    the fields that a repeat would have in common. `opt_out` is set when the *carrier* matched a keyword and has
    already answered it.
    """

    carrier_message_id: str
    from_number: str
    to_number: str
    text: str
    media: tuple[InboundMedia, ...] = ()
    carrier_at_ms: int | None = None
    opt_out: OptOutKind | None = None
    media_missing: int = 0
    """Attachments that were announced and are not listed."""
    part: TextPart | None = None
    """Set where this is not the whole text: the others are waited for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Withheld:
    """A text that came, of which the carrier lists that it came and not what it says. No webhook holds one."""

    carrier_message_id: str
    from_number: str
    to_number: str
    carrier_at_ms: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Receipt:
    """A carrier's word on a message of ours.

    `part_ref` is our own reference, echoed by the carrier (`OutboundPart.ref`), or empty: then only
    `carrier_message_id` tells which message it is. `key` makes a repeat a duplicate. `cause` is set for failures.
    """

    carrier_message_id: str
    status: Status
    part_ref: str = ""
    key: str = ""
    cause: Cause | None = None
    evidence: Evidence = NO_EVIDENCE
    carrier_at_ms: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class OptOut:
    """A carrier's word, apart from any text, that a contact stopped or started a sender."""

    kind: OptOutKind
    contact_number: str
    sender: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Handshake:
    """The carrier posts nothing before this address of its own was asked for, by which we say that we want it to.

    The adapter has seen to it that the address is the carrier's, also where nobody verifies signatures.
    """

    url: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Ignored:
    """Authentic, understood, and nothing for us. `reason` is a short fixed word, counted in a metric."""

    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Unrecognized:
    """Authentic but not understood: kept whole and replayable after an upgrade. `reason` never quotes the content."""

    reason: str


CarrierEvent = InboundMessage | Withheld | Receipt | OptOut | Handshake | Ignored | Unrecognized


class Command(StrEnum):
    """What an agent can do to an interaction from an external desktop."""

    ACCEPT = "accept"
    END = "end"
    DONE = "done"


@dataclass(frozen=True, kw_only=True, slots=True)
class AgentMessage:
    """A reply written in an external desktop. Either `interaction_id` (ours), `external_id` (theirs) or `to` is set.

    `event_id` is the desktop's own id of this message: a repeat is a duplicate.
    """

    event_id: str
    text: str
    interaction_id: str = ""
    external_id: str = ""
    to: str = ""
    from_sender: str = ""
    media_urls: tuple[str, ...] = ()
    agent_id: str = ""
    agent_name: str = ""
    client_reference: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class AgentCommand:
    """Something else an agent did in an external desktop."""

    event_id: str
    command: Command
    interaction_id: str = ""
    external_id: str = ""
    agent_id: str = ""
    agent_name: str = ""
    disposition: str = ""
    note: str = ""


DesktopEvent = AgentMessage | AgentCommand | Ignored | Unrecognized
