"""What the store can do. Everything that is written is written by a plain function of a `Tx`.

On SQLite the functions run one after the other, many to a commit; each in its own savepoint, so that one that raises
takes back only its own writes. On PostgreSQL several run at once, in threads and in daemons, and one that was overtaken
by another is run again. So they are quick, wait for nothing, and have no effect but through their `Tx`. Both databases
run the same functions: the logic of accepting a text is written once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol, TypeVar

from smsbridge.contracts.jobs import DeadLetter, Job, NewJob
from smsbridge.domain.brake import Brake, Suspicion
from smsbridge.domain.cause import Cause
from smsbridge.domain.interaction import State
from smsbridge.domain.journal import BorderMark, LogEvent, TranscriptEntry
from smsbridge.domain.message import (
    Agent,
    Attachment,
    AttachmentId,
    Capability,
    Contact,
    ContactId,
    Conversation,
    ConversationId,
    Direction,
    Interaction,
    InteractionId,
    Message,
    MessageId,
    Notice,
    NoticeId,
    Part,
)
from smsbridge.domain.outcome import NO_EVIDENCE, Evidence
from smsbridge.domain.status import Status

T = TypeVar("T")


class StoreUnavailable(Exception):
    """The store cannot be reached or cannot write now. Nothing of the transaction was kept."""


class StoreAway(StoreUnavailable):
    """It cannot be opened because it cannot be reached now, which may mend itself."""


class StoreInUse(Exception):
    """Another process has this database open."""


class StoreMisplaced(Exception):
    """The database lies where it cannot be kept safely."""


class StoreTooNew(Exception):
    """The database was written by a later version of smsbridge."""


class Arrived(StrEnum):
    """The one outcome that is recorded for everything that arrives."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    IGNORED = "ignored"
    UNRECOGNIZED = "unrecognized"
    REFUSED = "refused"


@dataclass(frozen=True, kw_only=True, slots=True)
class Arrival:
    """One event of one webhook request and what became of it.

    `request` (a serialized wire.Request) is kept only where somebody may want to replay it: ignored, unrecognized and
    refused ones. `source` is `carrier` or `desktop`, `account` the configured name.
    """

    id: str
    source: str
    account: str
    outcome: Arrived
    reason: str = ""
    kind: str = ""
    at_ms: int = 0
    request: bytes = b""
    replayed_at_ms: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Thread:
    """Where a text between a number and a sender belongs. `interaction` is the newest of the conversation."""

    contact: Contact
    conversation: Conversation | None
    interaction: Interaction | None


@dataclass(frozen=True, kw_only=True, slots=True)
class PartRef:
    """Which part of which message a carrier id belongs to, and of which try."""

    message_id: MessageId
    part_number: int
    try_number: int


@dataclass(frozen=True, kw_only=True, slots=True)
class UnknownCode:
    """An error code of a carrier that is in no table. `text` is what the carrier said with it the last time."""

    account: str
    code: str
    text: str
    seen: int
    first_at_ms: int
    last_at_ms: int


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredReceipt:
    """A receipt as it came. `message_id` is empty while it is parked."""

    key: str
    account: str
    carrier_message_id: str
    part_ref: str
    status: Status
    cause: Cause | None
    evidence: Evidence = NO_EVIDENCE
    carrier_at_ms: int | None = None
    received_at_ms: int = 0
    message_id: MessageId | None = None
    part_number: int = 0
    applied: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class WaitingText:
    """A long text from a contact of which `missing` parts of `part_count` have not come yet.

    `reference` is what the carrier says all its parts have in common (`domain.events.TextPart.of`).
    """

    id: str
    account: str
    number: str
    sender: str
    reference: str
    part_count: int
    missing: int
    began_at_ms: int


@dataclass(frozen=True, kw_only=True, slots=True)
class KeptPart:
    """A part that waits for the others. `text` is as it came: half a character may stand at its end."""

    carrier_message_id: str
    number: int
    text: str
    carrier_at_ms: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ApiKey:
    """A key as kept: `hash` is SHA-256 of the whole key; `prefix` is the visible beginning."""

    id: str
    name: str
    prefix: str
    hash: str
    scopes: frozenset[str]
    created_at_ms: int
    last_used_ms: int | None = None
    revoked_at_ms: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class KeptAnswer:
    """The answer to a request that carried an Idempotency-Key."""

    fingerprint: str
    status: int
    body: bytes
    location: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class AgentStatus:
    """One agent's view of the SMS channel."""

    id: str
    name: str = ""
    ready: bool = False
    reason: str = ""
    auto_answer: bool = False
    changed_at_ms: int = 0


class Role(StrEnum):
    """What an agent of the built-in desk may do: their own work, or see and reassign everybody's."""

    AGENT = "agent"
    SUPERVISOR = "supervisor"


@dataclass(frozen=True, kw_only=True, slots=True)
class AgentAccount:
    """Somebody who may sign in at the built-in desk. `id` is the name they sign in with."""

    id: str
    name: str = ""
    role: Role = Role.AGENT
    passcode_hash: str = field(repr=False)
    created_at_ms: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """Somebody signed in. `hash` is SHA-256 of what their cookie holds."""

    hash: str
    agent_id: str
    created_at_ms: int
    seen_at_ms: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Presence:
    """An agent who has an interaction in view."""

    interaction_id: str
    agent: Agent
    writing: bool
    at_ms: int


@dataclass(frozen=True, kw_only=True, slots=True)
class StandardResponse:
    id: str
    shortcut: str
    title: str
    text: str
    created_at_ms: int = 0
    updated_at_ms: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class MessageFilter:
    contact_id: str = ""
    interaction_id: str = ""
    status: Status | None = None
    direction: Direction | None = None
    client_reference: str = ""
    quick_reply: bool | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class RecentContact:
    """A contact and where it stands among those heard of last: what comes after it begins below `position`."""

    contact: Contact
    position: tuple[int, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """A message that a search through all transcripts found."""

    contact_id: ContactId
    entry: TranscriptEntry


@dataclass(frozen=True, kw_only=True, slots=True)
class OptOutState:
    """Whether a contact may be texted from one sender."""

    sender: str
    opted_out: bool
    changed_at_ms: int
    account: str = ""
    carrier_at_ms: int | None = None
    """When the contact said so, by the clock of the carrier of `account`; None where no text with a time said it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RateLimit:
    """A leaky bucket: one unit every `interval_ms`, and `burst` at once after a pause."""

    key: str
    interval_ms: int
    burst: int


@dataclass(frozen=True, kw_only=True, slots=True)
class QueueDepth:
    """What waits in one queue, counted in lanes. `oldest_due_ms` is None when nothing is due."""

    queue: str
    lanes: int
    due_lanes: int
    oldest_due_ms: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Commit:
    """What a commit touched, told to those who wait for work or follow the log."""

    queues: frozenset[str] = field(default_factory=frozenset)
    last_event_seq: int = 0


class ContactsTx(Protocol):
    """Contacts, conversations and interactions."""

    def thread(self, number: str, sender: str) -> Thread | None:
        """None when the number is not known at all."""
        ...

    def contact(self, contact_id: str) -> Contact | None: ...
    def contact_by_number(self, number: str) -> Contact | None: ...
    def insert_contact(self, contact: Contact) -> None: ...
    def update_contact(self, contact: Contact) -> None: ...

    def list_contacts(
        self,
        *,
        query: str = "",
        assigned_to: str | None = None,
        limit: int = 50,
        before: tuple[int, str] | None = None,
    ) -> list[RecentContact]:
        """Those heard of last first. `query` matches parts of name and number; `assigned_to=""` means those assigned to
        nobody."""
        ...

    def erase_contact(self, contact_id: ContactId, now_ms: int) -> list[str]:
        """Erases texts, media rows, names and the number; returns the blob hashes nobody uses any more."""
        ...

    def conversation(self, conversation_id: str) -> Conversation | None: ...
    def conversations_of(self, contact_id: str) -> list[Conversation]:
        """Most recently used first."""
        ...

    def senders_used(self, number: str) -> list[str]:
        """Those who texted with this number, the latest first: from that one a reply without a sender goes."""
        ...

    def insert_conversation(self, conversation: Conversation) -> None: ...
    def touch_conversation(self, conversation_id: ConversationId, account: str, at_ms: int) -> None: ...

    def interaction(self, interaction_id: str) -> Interaction | None: ...
    def interaction_by_external_id(self, desktop: str, external_id: str) -> Interaction | None: ...
    def newest_interaction(self, conversation_id: ConversationId) -> Interaction | None: ...
    def insert_interaction(self, interaction: Interaction) -> None: ...
    def update_interaction(self, interaction: Interaction) -> None: ...
    def touch_interaction(self, interaction_id: InteractionId, at_ms: int) -> None: ...

    def list_interactions(
        self,
        *,
        states: Collection[State] = (),
        agent_id: str | None = None,
        contact_id: str = "",
        limit: int = 50,
        before_id: str = "",
    ) -> list[Interaction]:
        """Newest first."""
        ...

    def idle_interactions(
        self, idle_since_ms: int, limit: int, *, waiting_at: Collection[str] = ()
    ) -> list[Interaction]:
        """Active ones in which nothing was said since then, longest first, and waiting ones of these desktops."""
        ...

    def opt_out(self, sender: str, number: str) -> OptOutState | None:
        """None when nothing was ever said about it. Survives the erasure of the contact."""
        ...

    def opt_outs_of(self, number: str) -> list[OptOutState]: ...
    def set_opt_out(
        self,
        sender: str,
        number: str,
        *,
        opted_out: bool,
        at_ms: int,
        account: str = "",
        carrier_at_ms: int | None = None,
    ) -> None: ...
    def capability(self, number: str, now_ms: int) -> Capability | None:
        """What was learnt about the number and has not expired."""
        ...

    def save_capability(self, capability: Capability) -> None: ...
    def forget_capability(self, number: str) -> None: ...
    def trim_capabilities(self, now_ms: int) -> int: ...


class MessagesTx(Protocol):
    """Messages, their parts and attachments, receipts, notices."""

    def insert_message(self, message: Message) -> bool:
        """False when an inbound message with this account and carrier id is already there: nothing was written."""
        ...

    def has_inbound(self, account: str, carrier_message_id: str) -> bool: ...
    def message(self, message_id: str) -> Message | None: ...
    def update_message(self, message: Message) -> None:
        """Everything of it that can change: status, cause, times, hold."""
        ...

    def list_messages(self, wanted: MessageFilter, *, limit: int = 50, before_id: str = "") -> list[Message]: ...
    def queued_messages(self, account: str, *, after_id: str, before_ms: int, limit: int) -> list[Message]:
        """Those that wait since `before_ms` or longer, in the order they were written, from right after `after_id`."""
        ...

    def overdue_messages(self, now_ms: int, *, limit: int) -> list[Message]:
        """Those that have not gone, or only in part, and no longer may. Of some an attempt may be under way."""
        ...

    def messages(self, message_ids: Collection[str]) -> dict[MessageId, Message]: ...
    def parts(self, message_id: str) -> list[Part]: ...
    def parts_of(self, message_ids: Collection[str]) -> dict[MessageId, list[Part]]: ...
    def insert_parts(self, message_id: MessageId, parts: Sequence[Part]) -> None: ...
    def update_part(self, message_id: MessageId, part: Part) -> None: ...
    def link_carrier_id(self, account: str, carrier_message_id: str, ref: PartRef) -> bool:
        """Remembers whose id this is. False when that was known: linking it again, to whatever, changes nothing."""
        ...

    def part_by_carrier_id(self, account: str, carrier_message_id: str) -> PartRef | None: ...
    def carrier_ids_to(self, account: str, contact_number: str, since_ms: int) -> frozenset[str]:
        """The carrier ids of what was sent to this number since then."""
        ...

    def sent_without_receipt(self, before_ms: int, limit: int, *, after: tuple[int, str] = (0, "")) -> list[Message]:
        """Those sent before then, of which the carrier has not said how they ended. In the order of (sent_at_ms, id),
        and of that what comes after `after`."""
        ...

    def insert_attachment(self, attachment: Attachment) -> None: ...
    def update_attachment(self, attachment: Attachment) -> None: ...
    def attachment(self, attachment_id: str) -> Attachment | None: ...
    def attachments(self, message_id: str) -> list[Attachment]: ...
    def attachments_of(self, message_ids: Collection[str]) -> dict[MessageId, list[Attachment]]: ...
    def blob_in_use(self, sha256: str) -> bool: ...
    def unused_attachments(self, before_ms: int, limit: int) -> list[Attachment]:
        """Uploads that no message took."""
        ...

    def delete_attachment(self, attachment_id: AttachmentId) -> None: ...

    def has_text_part(self, account: str, carrier_message_id: str) -> bool:
        """Whether this part of a long text came before, and its text may be whole by now."""
        ...

    def waiting_text(self, waiting_id: str) -> WaitingText | None: ...
    def waiting_text_of(self, account: str, number: str, sender: str, reference: str) -> WaitingText | None: ...
    def insert_waiting_text(self, waiting: WaitingText) -> None: ...
    def keep_part(self, waiting: WaitingText, part: KeptPart) -> None:
        """Keeps a part that was missing, and counts it."""
        ...

    def kept_parts(self, waiting_id: str) -> list[KeptPart]:
        """In the order of their numbers."""
        ...

    def close_waiting_text(self, waiting_id: str, now_ms: int) -> None:
        """Waits for nothing more. That its parts came stays known, their words go."""
        ...

    def trim_text_parts(self, before_ms: int) -> int:
        """Of texts that were closed before then."""
        ...

    def insert_receipt(self, receipt: StoredReceipt) -> bool:
        """False when the same receipt is already there."""
        ...

    def parked_receipts(self, account: str, carrier_message_id: str) -> list[StoredReceipt]: ...
    def settle_receipt(self, key: str, account: str, message_id: MessageId, part_number: int) -> None: ...
    def list_unmatched_receipts(self, *, limit: int = 50) -> list[StoredReceipt]: ...
    def trim_unmatched_receipts(self, before_ms: int) -> int: ...
    def receipts_of(self, message_id: str) -> list[StoredReceipt]: ...

    def insert_notice(self, notice: Notice) -> bool:
        """False when one with the same key is already there."""
        ...

    def has_notice(self, key: str) -> bool: ...
    def notice(self, notice_id: str) -> Notice | None: ...
    def update_notice(self, notice: Notice) -> None: ...
    def list_notices(
        self, *, acknowledged: bool | None = None, interaction_id: str = "", limit: int = 50, before_id: str = ""
    ) -> list[Notice]: ...
    def notices(self, notice_ids: Collection[str]) -> dict[NoticeId, Notice]: ...


class JournalTx(Protocol):
    """The event log and the transcript."""

    def append_event(self, event: LogEvent) -> int:
        """Returns its `seq`."""
        ...

    def event(self, seq: int) -> LogEvent | None: ...
    def events_after(self, seq: int, limit: int) -> list[LogEvent]: ...
    def event_bounds(self) -> tuple[int, int]:
        """The oldest and the newest `seq` kept; (0, 0) when there is none."""
        ...

    def append_message(self, message: Message) -> int:
        """Puts the message at the end of its transcript; returns the entry's `seq`."""
        ...

    def append_notice(self, notice: Notice) -> int: ...
    def append_border(
        self, mark: BorderMark, *, conversation_id: ConversationId, contact_id: ContactId, at_ms: int
    ) -> int: ...

    def transcript(
        self,
        *,
        contact_id: str = "",
        interaction_id: str = "",
        query: str = "",
        limit: int = 100,
        before_seq: int | None = None,
        after_seq: int | None = None,
    ) -> list[TranscriptEntry]:
        """In ascending order: the last `limit` before `before_seq`, or the first `limit` after `after_seq`.

        `query` keeps the entries whose text holds it, whatever the case.
        """
        ...

    def newest_entry(self, *, contact_id: str = "", interaction_id: str = "") -> TranscriptEntry | None:
        """The last thing said: a message or a notice."""
        ...

    def search_transcripts(self, query: str, *, limit: int = 50, before_seq: int | None = None) -> list[Found]:
        """Messages of all contacts that hold `query`, newest first."""
        ...

    def unread_count(self, contact_id: str, agent_id: str) -> int: ...
    def unread_counts(self, contact_ids: Collection[str], agent_id: str) -> dict[ContactId, int]: ...
    def mark_read(self, contact_id: str, agent_id: str, up_to_seq: int) -> None: ...
    def last_entry_seq(self, contact_id: str) -> int: ...


class JobsTx(Protocol):
    """The durable queue."""

    def enqueue(self, job: NewJob) -> int: ...
    def claim(self, queue: str, *, now_ms: int, lease_until_ms: int, limit: int) -> list[Job]:
        """The heads of up to `limit` free lanes that are due, longest due first. Costs the same however many wait.

        An empty list while the brake of the queue is on; while its circuit is open one at a time, as a probe.
        """
        ...

    def claim_next(self, lane: str, *, now_ms: int, lease_until_ms: int) -> Job | None:
        """The next job of a lane whose job was just closed, if it is due and no brake is on."""
        ...

    def claims_of(self, queue: str) -> dict[str, int]:
        """The lanes of the queue that this daemon holds, each with the token it was claimed by."""
        ...

    def release_claim(self, queue: str, lane: str, token: int, now_ms: int) -> bool:
        """Its head counts as interrupted and is due at once. False where nobody holds it by that token."""
        ...

    def close_job(self, job: Job) -> bool:
        """False when the lease was lost meanwhile: then nothing may be written on the job's behalf."""
        ...

    def postpone_job(self, job: Job, due_at_ms: int, *, counts: bool, crashes: int = 0) -> bool: ...
    def bury_job(self, job: Job, reason: str, now_ms: int) -> bool: ...
    def release_leases(self, now_ms: int) -> int:
        """Makes every claimed lane due now. Only for a store that no other process has open."""
        ...

    def beat(self, now_ms: int) -> None:
        """Says that this daemon lives."""
        ...

    def take_over(self, silent_ms: int, now_ms: int) -> int:
        """Makes every lane due that is held by a daemon which has not been heard of for so long; returns how many.

        Where several machines share the store, its own clock measures that: theirs may be apart, or be set.
        """
        ...

    def leave(self) -> None:
        """This daemon ends; nobody need wait for it to fall silent."""
        ...

    def shift_schedule(self, by_ms: int) -> None:
        """Moves all times of waiting work and of rates, when the clock was set. As for `release_leases`."""
        ...

    def expedite(self, lane: str, ref: str, now_ms: int) -> None:
        """A waiting job that need not wait any longer."""
        ...

    def move_jobs(self, lane: str, ref: str, queue: str) -> None:
        """To another queue; they keep their place in the lane. One that is claimed moves once it is closed."""
        ...

    def drop_jobs(self, lane: str, ref: str) -> int:
        """Takes waiting (not claimed) jobs out; returns how many."""
        ...

    def has_lane(self, lane: str) -> bool:
        """Whether a job is in it, waiting or claimed."""
        ...

    def next_due_ms(self, queue: str) -> int | None: ...
    def queue_depths(self, now_ms: int) -> list[QueueDepth]: ...
    def list_dead_letters(self, *, limit: int = 50, before_id: int | None = None) -> list[DeadLetter]: ...
    def dead_letter(self, letter_id: int) -> DeadLetter | None: ...
    def replay_dead_letter(self, letter_id: int, now_ms: int) -> bool: ...
    def drop_dead_letter(self, letter_id: int) -> bool: ...
    def trim_dead_letters(self, before_ms: int) -> int: ...
    def brake(self, target: str) -> Brake:
        """Of a queue, or of what else has one (`flows.lanes.sender_target`)."""
        ...

    def count_unknown_code(self, account: str, code: str, text: str, now_ms: int) -> None:
        """An error code of that account's carrier which is in no table. Of each account a bounded number is kept."""
        ...

    def unknown_codes(self) -> list[UnknownCode]:
        """Those seen last first."""
        ...

    def brakes(self) -> dict[str, Brake]:
        """By target: of those that were ever in trouble."""
        ...

    def save_brake(self, target: str, brake: Brake) -> None:
        """A hold that is longer in the store stays."""
        ...

    def spare_probe(self, target: str, now_ms: int) -> None:
        """A probe that had nothing to do was none: the next may leave at once."""
        ...

    def release_brake(self, target: str) -> bool:
        """Work goes on at once. False when there was none."""
        ...

    def suspicion(self, job_id: int) -> Suspicion | None: ...
    def save_suspicion(self, job_id: int, suspicion: Suspicion) -> None: ...
    def trim_suspicions(self) -> int: ...
    def take_rate(
        self, limits: Sequence[RateLimit], *, holder: str, now_ms: int, units: int, until_ms: int | None = None
    ) -> int:
        """Leaky buckets kept in the store. Returns 0 and takes `units` of each, or the milliseconds to wait and takes
        none of any.

        Whoever has to wait gets a time that is theirs alone, after everybody else's who waits, and asks again then as
        the same `holder`. So many that wait ask once each, and not all of them whenever one may go. From `until_ms` on
        it is too late for this one, and no time is kept for somebody who would not come.
        """
        ...

    def give_back_turns(self, keys: Collection[str], *, holder: str, now_ms: int) -> None:
        """Of a `holder` that will not come. Those that come last leave their time to the next who asks."""
        ...

    def trim_rate_turns(self, before_ms: int) -> int:
        """Forgets those who never came."""
        ...


class EdgeTx(Protocol):
    """What the HTTP edge keeps: arrivals, keys, kept answers, agents, standard responses."""

    def add_arrival(self, arrival: Arrival) -> None: ...
    def arrival(self, arrival_id: str) -> Arrival | None: ...
    def list_arrivals(
        self, *, outcome: Arrived | None = None, account: str = "", limit: int = 50, before_id: str = ""
    ) -> list[Arrival]: ...
    def mark_replayed(self, arrival_id: str, now_ms: int) -> None: ...
    def trim_arrivals(self, before_ms: int) -> int:
        """Forgets some of the old ones; returns how many, 0 once there are no more. All `trim_*` do so."""
        ...

    def trim_refused(self, account: str, kept: int) -> int:
        """Forgets refused ones beyond the newest `kept` of the account."""
        ...

    def api_key_by_hash(self, hash: str) -> ApiKey | None: ...  # noqa: A002 - the column's name
    def list_api_keys(self) -> list[ApiKey]: ...
    def insert_api_key(self, key: ApiKey) -> None: ...
    def revoke_api_key(self, key_id: str, now_ms: int) -> bool: ...
    def touch_api_key(self, key_id: str, now_ms: int) -> None: ...

    def kept_answer(self, owner: str, key: str) -> KeptAnswer | None: ...
    def keep_answer(self, owner: str, key: str, answer: KeptAnswer, now_ms: int) -> None: ...
    def forget_answers(self, before_ms: int) -> int: ...

    def agent_status(self, agent_id: str) -> AgentStatus | None: ...
    def list_agent_statuses(self) -> list[AgentStatus]: ...
    def save_agent_status(self, status: AgentStatus) -> None: ...

    def list_standard_responses(self) -> list[StandardResponse]: ...
    def standard_response(self, response_id: str) -> StandardResponse | None: ...
    def standard_response_by_shortcut(self, shortcut: str) -> StandardResponse | None: ...
    def save_standard_response(self, response: StandardResponse) -> None: ...
    def delete_standard_response(self, response_id: str) -> bool: ...

    def desktop_event_seen(self, desktop: str, event_id: str) -> bool: ...
    def see_desktop_event(self, desktop: str, event_id: str, now_ms: int) -> None: ...

    def switch_off_desktop(self, desktop: str, reason: str, now_ms: int) -> None: ...
    def switch_on_desktop(self, desktop: str) -> None: ...
    def desktop_switched_off(self, desktop: str) -> str:
        """The reason, or an empty text."""
        ...

    def trim_desktop_events(self, before_ms: int) -> int: ...
    def trim_events(self, before_ms: int) -> int: ...
    def meta(self, key: str) -> str: ...
    def set_meta(self, key: str, value: str) -> None: ...


class DeskTx(Protocol):
    """Those who work at the built-in desk."""

    def agent(self, agent_id: str) -> AgentAccount | None: ...
    def list_agents(self) -> list[AgentAccount]: ...
    def save_agent(self, account: AgentAccount) -> None: ...
    def delete_agent(self, agent_id: str) -> bool:
        """Their sessions end with it."""
        ...

    def session(self, hash: str) -> Session | None: ...  # noqa: A002 - the column's name
    def sessions_of(self, agent_id: str) -> list[Session]: ...
    def insert_session(self, session: Session) -> None: ...
    def touch_session(self, hash: str, now_ms: int) -> None: ...  # noqa: A002
    def delete_session(self, hash: str) -> None: ...  # noqa: A002
    def end_sessions_of(self, agent_id: str) -> None: ...
    def trim_sessions(self, before_ms: int) -> int: ...

    def presences(self, interaction_id: str, since_ms: int) -> list[Presence]: ...
    def save_presence(self, presence: Presence) -> None: ...
    def delete_presence(self, interaction_id: str, agent_id: str) -> None: ...
    def trim_presences(self, before_ms: int) -> int: ...

    def open_interactions_by_agent(self) -> dict[str, int]:
        """How many active interactions each agent has."""
        ...


class Tx(ContactsTx, MessagesTx, JournalTx, JobsTx, EdgeTx, DeskTx, Protocol):
    """One transaction."""

    def savepoint(self) -> AbstractContextManager[None]:
        """What is written inside is taken back if it raises; the rest of the transaction stands.

        A StoreUnavailable out of it must go on to the store: then nothing of the transaction can be kept.
        """
        ...

    def afterwards(self, work: Callable[[], None]) -> None:
        """To be run in the event loop once this is on disk, before whoever wrote it hears of that: what is counted. Not
        for what was taken back, and once for what was run again."""
        ...


class Store(Protocol):
    async def write(self, work: Callable[[Tx], T], *, patience_s: float | None = None) -> T:
        """Runs `work` in the writer and returns once it is on disk. Raises StoreUnavailable, or what `work` raised.

        Whoever is out of patience gets StoreUnavailable as well, though what `work` writes may yet be kept: only for
        what can be written twice without harm, and for a store that another machine may keep waiting.
        """
        ...

    async def read(self, work: Callable[[Tx], T]) -> T:
        """Runs `work` on a snapshot; writing raises."""
        ...

    def subscribe(self, listener: Callable[[Commit], None]) -> Callable[[], None]:
        """`listener` is called in the event loop after every commit that touched a queue or the log."""
        ...

    async def healthy(self) -> Mapping[str, Any]:
        """Facts for readiness; raises StoreUnavailable."""
        ...

    async def close(self) -> None: ...
