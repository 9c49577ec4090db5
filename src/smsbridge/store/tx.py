"""One transaction, written once for every database: named queries in, records out.

A database brings a `Rows` (how a statement is run on it); everything else is here.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import chain
from operator import itemgetter
from typing import Any, Final, NamedTuple, Protocol

from smsbridge.contracts.jobs import DeadLetter, Job, NewJob
from smsbridge.contracts.store import (
    AgentAccount,
    AgentStatus,
    ApiKey,
    Arrival,
    Arrived,
    Found,
    KeptAnswer,
    KeptPart,
    MessageFilter,
    OptOutState,
    PartRef,
    Presence,
    QueueDepth,
    RateLimit,
    RecentContact,
    Session,
    StandardResponse,
    StoredReceipt,
    Thread,
    UnknownCode,
    WaitingText,
)
from smsbridge.domain.brake import NO_BRAKE, Brake, Suspicion
from smsbridge.domain.interaction import State
from smsbridge.domain.journal import BorderMark, EntryKind, LogEvent, TranscriptEntry
from smsbridge.domain.message import (
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
from smsbridge.domain.status import Status
from smsbridge.domain.text import fold
from smsbridge.store import records
from smsbridge.store.queries import like_pattern
from smsbridge.store.records import Row

_NO_BEFORE: Final = "\x7f"
"""Sorts after every id."""
_NO_SEQ: Final = 2**63 - 1
_RARE: Final = frozenset(Status) - {Status.RECEIVED, Status.DELIVERED}
"""The statuses that the index of unfinished messages holds."""
_QUEUE_OF_HEAD: Final = 4
"""Where a lane's head has the queue of its job: behind lane, token, id and kind."""
_KEPT: Final = frozenset({Arrived.IGNORED, Arrived.UNRECOGNIZED, Arrived.REFUSED})
"""The outcomes that the index of kept arrivals holds."""


class _Bucket(NamedTuple):
    """A leaky bucket as one of those who want something of it finds it."""

    limit: RateLimit
    free_at_ms: int
    next_at_ms: int
    at_ms: int
    """When they may go."""
    has_turn: bool
    """They were given that time before."""


class Rows(Protocol):
    """How one database runs a named query."""

    def one(self, name: str, values: Mapping[str, Any]) -> Row | None: ...
    def all(self, name: str, values: Mapping[str, Any]) -> Sequence[Row]: ...
    def run(self, name: str, values: Mapping[str, Any]) -> int:
        """Returns how many rows it touched."""
        ...

    def insert(self, name: str, values: Mapping[str, Any]) -> int:
        """Runs an INSERT of one row into a table that numbers its rows, and returns the number."""
        ...

    def in_list(self, name: str, ids: Collection[str]) -> Sequence[Row]:
        """Runs a query with `{ids}`, in slices if there are many."""
        ...

    def savepoint(self) -> AbstractContextManager[None]: ...


class SqlTx:
    """contracts.store.Tx over `Rows`. Remembers what the commit will have touched."""

    __slots__ = ("_brakes", "_closed", "_daemon", "_number_key", "_rows", "event_seq", "queues", "works")

    def __init__(self, rows: Rows, number_key: bytes, daemon: str = "") -> None:
        """`daemon` is the name under which lanes are held."""
        self._rows = rows
        self._number_key = number_key
        self._daemon = daemon
        self._brakes: dict[str, Brake] = {}
        """Those read so far, as they stand: a claim asks three times for the same one."""
        self._closed: set[str] = set()
        """Lanes in which nothing is left: whoever ends a job asks for the next one behind it."""
        self.queues: set[str] = set()
        self.event_seq = 0
        self.works: list[Callable[[], None]] = []
        """For after the commit."""

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        event_seq, works = self.event_seq, len(self.works)
        try:
            with self._rows.savepoint():
                yield
        except BaseException:
            self.event_seq = event_seq  # the log's number is given again
            del self.works[works:]
            self._brakes.clear()
            self._closed.clear()
            raise

    def afterwards(self, work: Callable[[], None]) -> None:
        self.works.append(work)

    # --- contacts, conversations, interactions

    def thread(self, number: str, sender: str) -> Thread | None:
        row = self._rows.one("thread", {"number": number, "sender": sender})
        return records.read_thread(row) if row else None

    def contact(self, contact_id: str) -> Contact | None:
        row = self._rows.one("contact", {"id": contact_id})
        return records.read_contact(row) if row else None

    def contact_by_number(self, number: str) -> Contact | None:
        row = self._rows.one("contact_by_number", {"number": number})
        return records.read_contact(row) if row else None

    def insert_contact(self, contact: Contact) -> None:
        self._rows.run("insert_contact", records.write_contact(contact))

    def update_contact(self, contact: Contact) -> None:
        self._rows.run("update_contact", records.write_contact(contact))

    def list_contacts(
        self,
        *,
        query: str = "",
        assigned_to: str | None = None,
        limit: int = 50,
        before: tuple[int, str] | None = None,
    ) -> list[RecentContact]:
        before_ms, before_id = before or (_NO_SEQ, "")
        values: dict[str, Any] = {
            "pattern": like_pattern(_without_gaps(query)),
            "before_ms": before_ms,
            "before_id": before_id,
            "limit": limit,
            "assigned_to": assigned_to,
        }
        match assigned_to:
            case None:
                name = "list_contacts"
            case "":
                name = "list_contacts_of_nobody"
            case _:
                name = "list_contacts_assigned_to"
        return [records.read_recent_contact(row) for row in self._rows.all(name, values)]

    def erase_contact(self, contact_id: ContactId, now_ms: int) -> list[str]:
        contact = self.contact(contact_id)
        if contact is None:
            return []
        values = {"id": contact_id, "now_ms": now_ms, "digits": contact.number.removeprefix("+").encode()}
        values |= {"number": contact.number, "no_text": b""}
        hashes = {digest for row in self._rows.all("attachments_to_erase", values) for digest in row[1:] if digest}
        if values["digits"]:
            self._rows.run("erase_arrivals", values)
            self._rows.run("erase_kept_answers", values)
            for name in ("erase_unknown_codes", "erase_unmatched_receipts"):
                self._rows.run(name, {"pattern": like_pattern(contact.number.removeprefix("+"))})
        self.forget_capability(contact.number)
        for name in (
            "erase_text_parts",
            "erase_waiting_texts",
            "erase_attachments",
            "erase_parts",
            "erase_receipts",
            "erase_messages",
            "erase_notices",
            "erase_transcript",
            "erase_interactions",
            "erase_conversations",
            "erase_contact",
        ):
            self._rows.run(name, values)
        return sorted(digest for digest in hashes if not self.blob_in_use(digest))

    def conversation(self, conversation_id: str) -> Conversation | None:
        row = self._rows.one("conversation", {"id": conversation_id})
        return records.read_conversation(row) if row else None

    def conversations_of(self, contact_id: str) -> list[Conversation]:
        return [
            records.read_conversation(row) for row in self._rows.all("conversations_of", {"contact_id": contact_id})
        ]

    def senders_used(self, number: str) -> list[str]:
        return [row[0] for row in self._rows.all("senders_used", {"number": number})]

    def insert_conversation(self, conversation: Conversation) -> None:
        self._rows.run("insert_conversation", records.write_conversation(conversation))

    def touch_conversation(self, conversation_id: ConversationId, account: str, at_ms: int) -> None:
        self._rows.run("touch_conversation", {"id": conversation_id, "account": account, "at_ms": at_ms})

    def interaction(self, interaction_id: str) -> Interaction | None:
        row = self._rows.one("interaction", {"id": interaction_id})
        return records.read_interaction(row) if row else None

    def interaction_by_external_id(self, desktop: str, external_id: str) -> Interaction | None:
        row = self._rows.one("interaction_by_external_id", {"desktop": desktop, "external_id": external_id})
        return records.read_interaction(row) if row else None

    def newest_interaction(self, conversation_id: ConversationId) -> Interaction | None:
        row = self._rows.one("newest_interaction", {"conversation_id": conversation_id})
        return records.read_interaction(row) if row else None

    def insert_interaction(self, interaction: Interaction) -> None:
        self._rows.run("insert_interaction", records.write_interaction(interaction))

    def update_interaction(self, interaction: Interaction) -> None:
        self._rows.run("update_interaction", records.write_interaction(interaction))

    def touch_interaction(self, interaction_id: InteractionId, at_ms: int) -> None:
        self._rows.run("touch_interaction", {"id": interaction_id, "at_ms": at_ms})

    def list_interactions(
        self,
        *,
        states: Collection[State] = (),
        agent_id: str | None = None,
        contact_id: str = "",
        limit: int = 50,
        before_id: str = "",
    ) -> list[Interaction]:
        values = {
            "states": f",{','.join(sorted(states))}," if states else "",
            "any_agent": int(agent_id is None),
            "agent_id": agent_id or "",
            "contact_id": contact_id,
            "before_id": before_id or _NO_BEFORE,
            "limit": limit,
        }
        if contact_id:
            rows = self._rows.all("list_interactions_of_contact", values)
        elif states and State.DONE not in states:
            each_state = (self._rows.all("list_interactions_in_state", values | {"state": state}) for state in states)
            rows = sorted(chain.from_iterable(each_state), key=itemgetter(0), reverse=True)[:limit]
        else:
            rows = self._rows.all("list_interactions", values)
        return [records.read_interaction(row) for row in rows]

    def idle_interactions(
        self, idle_since_ms: int, limit: int, *, waiting_at: Collection[str] = ()
    ) -> list[Interaction]:
        values = {"idle_since_ms": idle_since_ms, "limit": limit, "waiting_at": f",{','.join(waiting_at)},"}
        rows = self._rows.all("idle_interactions", values)
        return [records.read_interaction(row) for row in rows]

    def opt_out(self, sender: str, number: str) -> OptOutState | None:
        row = self._rows.one("opt_out", {"sender": sender, "number_hash": self._number_hash(number)})
        return records.read_opt_out(row) if row else None

    def opt_outs_of(self, number: str) -> list[OptOutState]:
        rows = self._rows.all("opt_outs_of", {"number_hash": self._number_hash(number)})
        return [records.read_opt_out(row) for row in rows]

    def set_opt_out(
        self,
        sender: str,
        number: str,
        *,
        opted_out: bool,
        at_ms: int,
        account: str = "",
        carrier_at_ms: int | None = None,
    ) -> None:
        self._rows.run(
            "set_opt_out",
            {
                "sender": sender,
                "number_hash": self._number_hash(number),
                "is_opted_out": int(opted_out),
                "at_ms": at_ms,
                "account": account,
                "carrier_at_ms": carrier_at_ms,
            },
        )

    def capability(self, number: str, now_ms: int) -> Capability | None:
        row = self._rows.one("capability", {"number": number, "now_ms": now_ms})
        return records.read_capability(row) if row else None

    def save_capability(self, capability: Capability) -> None:
        self._rows.run("save_capability", records.write_capability(capability))

    def forget_capability(self, number: str) -> None:
        self._rows.run("forget_capability", {"number": number})

    def trim_capabilities(self, now_ms: int) -> int:
        return self._rows.run("trim_capabilities", {"now_ms": now_ms})

    # --- messages

    def insert_message(self, message: Message) -> bool:
        return self._rows.run("insert_message", records.write_message(message)) == 1

    def has_inbound(self, account: str, carrier_message_id: str) -> bool:
        values = {"account": account, "carrier_message_id": carrier_message_id}
        return self._rows.one("has_inbound", values) is not None

    def message(self, message_id: str) -> Message | None:
        row = self._rows.one("message", {"id": message_id})
        return records.read_message(row) if row else None

    def update_message(self, message: Message) -> None:
        self._rows.run("update_message", records.write_message(message))

    def list_messages(self, wanted: MessageFilter, *, limit: int = 50, before_id: str = "") -> list[Message]:
        values = {
            "contact_id": wanted.contact_id,
            "interaction_id": wanted.interaction_id,
            "status": wanted.status or "",
            "direction": wanted.direction or "",
            "client_reference": wanted.client_reference,
            "quick_reply": None if wanted.quick_reply is None else int(wanted.quick_reply),
            "before_id": before_id or _NO_BEFORE,
            "limit": limit,
        }
        if wanted.contact_id:
            name = "list_messages_of_contact"
        elif wanted.interaction_id:
            name = "list_messages_of_interaction"
        elif wanted.client_reference:
            name = "list_messages_by_reference"
        elif wanted.quick_reply:
            name = "list_quick_replies"
        elif wanted.status in _RARE:
            name = "list_messages_in_status"
        else:
            name = "list_messages"
        return [records.read_message(row) for row in self._rows.all(name, values)]

    def queued_messages(self, account: str, *, after_id: str, before_ms: int, limit: int) -> list[Message]:
        values = {"account": account, "after_id": after_id, "before_ms": before_ms, "limit": limit}
        return [records.read_message(row) for row in self._rows.all("queued_messages", values)]

    def overdue_messages(self, now_ms: int, *, limit: int) -> list[Message]:
        values = {"now_ms": now_ms, "limit": limit}
        return [records.read_message(row) for row in self._rows.all("overdue_messages", values)]

    def messages(self, message_ids: Collection[str]) -> dict[MessageId, Message]:
        found = (records.read_message(row) for row in self._rows.in_list("messages", message_ids))
        return {message.id: message for message in found}

    def parts(self, message_id: str) -> list[Part]:
        return [records.read_part(row) for row in self._rows.all("parts", {"message_id": message_id})]

    def parts_of(self, message_ids: Collection[str]) -> dict[MessageId, list[Part]]:
        grouped: dict[MessageId, list[Part]] = {}
        for row in self._rows.in_list("parts_of", message_ids):
            grouped.setdefault(MessageId(row[0]), []).append(records.read_part(row))
        return grouped

    def insert_parts(self, message_id: MessageId, parts: Sequence[Part]) -> None:
        for part in parts:
            self._rows.run("insert_part", records.write_part(message_id, part))

    def update_part(self, message_id: MessageId, part: Part) -> None:
        self._rows.run("update_part", records.write_part(message_id, part))

    def link_carrier_id(self, account: str, carrier_message_id: str, ref: PartRef) -> bool:
        linked = self._rows.run(
            "link_carrier_id",
            {
                "account": account,
                "carrier_message_id": carrier_message_id,
                "message_id": ref.message_id,
                "part_number": ref.part_number,
                "try_number": ref.try_number,
            },
        )
        return linked == 1

    def part_by_carrier_id(self, account: str, carrier_message_id: str) -> PartRef | None:
        row = self._rows.one("part_by_carrier_id", {"account": account, "carrier_message_id": carrier_message_id})
        return PartRef(message_id=row[0], part_number=row[1], try_number=row[2]) if row else None

    def carrier_ids_to(self, account: str, contact_number: str, since_ms: int) -> frozenset[str]:
        values = {"account": account, "number": contact_number, "since_ms": since_ms}
        return frozenset(row[0] for row in self._rows.all("carrier_ids_to", values))

    def sent_without_receipt(self, before_ms: int, limit: int, *, after: tuple[int, str] = (0, "")) -> list[Message]:
        values = {"before_ms": before_ms, "after_ms": after[0], "after_id": after[1], "limit": limit}
        rows = self._rows.all("sent_without_receipt", values)
        return [records.read_message(row) for row in rows]

    # --- long texts that come in parts

    def has_text_part(self, account: str, carrier_message_id: str) -> bool:
        values = {"account": account, "carrier_message_id": carrier_message_id}
        return self._rows.one("has_text_part", values) is not None

    def waiting_text(self, waiting_id: str) -> WaitingText | None:
        row = self._rows.one("waiting_text", {"id": waiting_id})
        return records.read_waiting_text(row) if row else None

    def waiting_text_of(self, account: str, number: str, sender: str, reference: str) -> WaitingText | None:
        values = {"account": account, "number": number, "sender": sender, "reference": reference}
        row = self._rows.one("waiting_text_of", values)
        return records.read_waiting_text(row) if row else None

    def insert_waiting_text(self, waiting: WaitingText) -> None:
        self._rows.run("insert_waiting_text", records.write_waiting_text(waiting))

    def keep_part(self, waiting: WaitingText, part: KeptPart) -> None:
        self._rows.run("count_text_part", {"waiting_id": waiting.id})  # first: whoever else counts is waited for
        self._rows.run("insert_text_part", records.write_kept_part(waiting, part))

    def kept_parts(self, waiting_id: str) -> list[KeptPart]:
        return [records.read_kept_part(row) for row in self._rows.all("text_parts", {"waiting_id": waiting_id})]

    def close_waiting_text(self, waiting_id: str, now_ms: int) -> None:
        self._rows.run("close_text_parts", {"waiting_id": waiting_id, "now_ms": now_ms, "no_text": b""})
        self._rows.run("delete_waiting_text", {"waiting_id": waiting_id})

    def trim_text_parts(self, before_ms: int) -> int:
        return self._rows.run("trim_text_parts", {"before_ms": before_ms})

    # --- attachments

    def insert_attachment(self, attachment: Attachment) -> None:
        self._rows.run("insert_attachment", records.write_attachment(attachment))

    def update_attachment(self, attachment: Attachment) -> None:
        self._rows.run("update_attachment", records.write_attachment(attachment))

    def attachment(self, attachment_id: str) -> Attachment | None:
        row = self._rows.one("attachment", {"id": attachment_id})
        return records.read_attachment(row) if row else None

    def attachments(self, message_id: str) -> list[Attachment]:
        rows = self._rows.all("attachments", {"message_id": message_id})
        return [records.read_attachment(row) for row in rows]

    def attachments_of(self, message_ids: Collection[str]) -> dict[MessageId, list[Attachment]]:
        grouped: dict[MessageId, list[Attachment]] = {}
        for row in self._rows.in_list("attachments_of", message_ids):
            grouped.setdefault(MessageId(row[1]), []).append(records.read_attachment(row))
        return grouped

    def blob_in_use(self, sha256: str) -> bool:
        return self._rows.one("blob_in_use", {"sha256": sha256}) is not None

    def unused_attachments(self, before_ms: int, limit: int) -> list[Attachment]:
        rows = self._rows.all("unused_attachments", {"before_ms": before_ms, "limit": limit})
        return [records.read_attachment(row) for row in rows]

    def delete_attachment(self, attachment_id: AttachmentId) -> None:
        self._rows.run("delete_attachment", {"id": attachment_id})

    # --- receipts

    def insert_receipt(self, receipt: StoredReceipt) -> bool:
        return self._rows.run("insert_receipt", records.write_receipt(receipt)) == 1

    def parked_receipts(self, account: str, carrier_message_id: str) -> list[StoredReceipt]:
        values = {"account": account, "carrier_message_id": carrier_message_id}
        return [records.read_receipt(row) for row in self._rows.all("parked_receipts", values)]

    def settle_receipt(self, key: str, account: str, message_id: MessageId, part_number: int) -> None:
        self._rows.run(
            "settle_receipt",
            {"key": key, "account": account, "message_id": message_id, "part_number": part_number},
        )

    def list_unmatched_receipts(self, *, limit: int = 50) -> list[StoredReceipt]:
        return [records.read_receipt(row) for row in self._rows.all("unmatched_receipts", {"limit": limit})]

    def trim_unmatched_receipts(self, before_ms: int) -> int:
        return self._rows.run("trim_unmatched_receipts", {"before_ms": before_ms})

    def receipts_of(self, message_id: str) -> list[StoredReceipt]:
        return [records.read_receipt(row) for row in self._rows.all("receipts_of", {"message_id": message_id})]

    # --- notices

    def insert_notice(self, notice: Notice) -> bool:
        return self._rows.run("insert_notice", records.write_notice(notice)) == 1

    def has_notice(self, key: str) -> bool:
        return self._rows.one("has_notice", {"key": key}) is not None

    def notice(self, notice_id: str) -> Notice | None:
        row = self._rows.one("notice", {"id": notice_id})
        return records.read_notice(row) if row else None

    def update_notice(self, notice: Notice) -> None:
        self._rows.run("update_notice", records.write_notice(notice))

    def list_notices(
        self, *, acknowledged: bool | None = None, interaction_id: str = "", limit: int = 50, before_id: str = ""
    ) -> list[Notice]:
        values = {
            "acknowledged": "" if acknowledged is None else ("yes" if acknowledged else "no"),
            "interaction_id": interaction_id,
            "before_id": before_id or _NO_BEFORE,
            "limit": limit,
        }
        return [records.read_notice(row) for row in self._rows.all("list_notices", values)]

    def notices(self, notice_ids: Collection[str]) -> dict[NoticeId, Notice]:
        found = (records.read_notice(row) for row in self._rows.in_list("notices", notice_ids))
        return {notice.id: notice for notice in found}

    # --- the event log

    def append_event(self, event: LogEvent) -> int:
        self.event_seq = self._rows.insert("append_event", records.write_event(event))
        return self.event_seq

    def event(self, seq: int) -> LogEvent | None:
        row = self._rows.one("event", {"seq": seq})
        return records.read_event(row) if row else None

    def events_after(self, seq: int, limit: int) -> list[LogEvent]:
        return [records.read_event(row) for row in self._rows.all("events_after", {"seq": seq, "limit": limit})]

    def event_bounds(self) -> tuple[int, int]:
        row = self._rows.one("event_bounds", {})
        return (row[0], row[1]) if row else (0, 0)

    def trim_events(self, before_ms: int) -> int:
        return self._rows.run("trim_events", {"before_ms": before_ms})

    # --- the transcript

    def append_message(self, message: Message) -> int:
        return self._append_entry(
            EntryKind.MESSAGE,
            message.id,
            contact_id=message.contact_id,
            conversation_id=message.conversation_id,
            interaction_id=message.interaction_id,
            at_ms=message.created_at_ms,
            is_inbound=message.direction is Direction.INBOUND,
            search_text=message.text,
        )

    def append_notice(self, notice: Notice) -> int:
        return self._append_entry(
            EntryKind.NOTICE,
            notice.id,
            contact_id=notice.contact_id,
            conversation_id=notice.conversation_id,
            interaction_id=notice.interaction_id,
            at_ms=notice.created_at_ms,
            search_text=notice.text,
        )

    def append_border(
        self, mark: BorderMark, *, conversation_id: ConversationId, contact_id: ContactId, at_ms: int
    ) -> int:
        return self._append_entry(
            EntryKind.INTERACTION,
            mark.interaction_id,
            contact_id=contact_id,
            conversation_id=conversation_id,
            interaction_id=mark.interaction_id,
            at_ms=at_ms,
            detail=records.write_border(mark),
        )

    def _append_entry(
        self,
        kind: EntryKind,
        ref: str,
        *,
        contact_id: str,
        conversation_id: str,
        interaction_id: str,
        at_ms: int,
        is_inbound: bool = False,
        detail: str = "",
        search_text: str = "",
    ) -> int:
        return self._rows.insert(
            "append_entry",
            {
                "contact_id": contact_id,
                "conversation_id": conversation_id,
                "interaction_id": interaction_id,
                "kind": kind,
                "ref": ref,
                "is_inbound": int(is_inbound),
                "at_ms": at_ms,
                "detail": detail,
                "search_text": fold(search_text),
            },
        )

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
        backwards = after_seq is None
        name = f"transcript_of_{'contact' if contact_id else 'interaction'}_{'before' if backwards else 'after'}"
        if after_seq is None:
            after_seq = _NO_SEQ if before_seq is None else before_seq
        values = {
            "id": contact_id or interaction_id,
            "seq": after_seq,
            "pattern": like_pattern(query) if query else "",
            "limit": limit,
        }
        rows = list(self._rows.all(name, values))
        if backwards:
            rows.reverse()
        return self._read_entries(rows)

    def _read_entries(self, rows: Sequence[Row]) -> list[TranscriptEntry]:
        messages = self.messages([row[4] for row in rows if row[2] == EntryKind.MESSAGE])
        notices = self.notices([row[4] for row in rows if row[2] == EntryKind.NOTICE])
        return [
            TranscriptEntry(
                seq=seq,
                at_ms=at_ms,
                kind=EntryKind(kind),
                interaction_id=interaction_id,
                message=messages.get(ref) if kind == EntryKind.MESSAGE else None,
                notice=notices.get(ref) if kind == EntryKind.NOTICE else None,
                border=records.read_border(detail, interaction_id) if kind == EntryKind.INTERACTION else None,
            )
            for seq, at_ms, kind, interaction_id, ref, detail in rows
        ]

    def newest_entry(self, *, contact_id: str = "", interaction_id: str = "") -> TranscriptEntry | None:
        name = f"newest_entry_of_{'contact' if contact_id else 'interaction'}"
        row = self._rows.one(name, {"id": contact_id or interaction_id})
        return self._read_entries([row])[0] if row else None

    def search_transcripts(self, query: str, *, limit: int = 50, before_seq: int | None = None) -> list[Found]:
        values = {
            "pattern": like_pattern(query),
            "before_seq": _NO_SEQ if before_seq is None else before_seq,
            "limit": limit,
        }
        rows = self._rows.all("search_transcripts", values)
        entries = self._read_entries([row[1:] for row in rows])
        return [Found(contact_id=row[0], entry=entry) for row, entry in zip(rows, entries, strict=True)]

    def unread_count(self, contact_id: str, agent_id: str) -> int:
        row = self._rows.one("unread_count", {"contact_id": contact_id, "agent_id": agent_id})
        return _returned(row)

    def unread_counts(self, contact_ids: Collection[str], agent_id: str) -> dict[ContactId, int]:
        return {ContactId(contact_id): self.unread_count(contact_id, agent_id) for contact_id in contact_ids}

    def mark_read(self, contact_id: str, agent_id: str, up_to_seq: int) -> None:
        self._rows.run("mark_read", {"contact_id": contact_id, "agent_id": agent_id, "seq": up_to_seq})

    def last_entry_seq(self, contact_id: str) -> int:
        return _returned(self._rows.one("last_entry_seq", {"contact_id": contact_id}))

    # --- jobs

    def enqueue(self, job: NewJob) -> int:
        job_id = self._rows.insert(
            "insert_job",
            {
                "kind": job.kind,
                "queue": job.queue,
                "lane": job.lane,
                "ref": job.ref,
                "due_at_ms": job.due_at_ms,
                "created_at_ms": job.created_at_ms,
                "give_up_at_ms": job.give_up_at_ms,
            },
        )
        self._rows.run("open_lane", {"lane": job.lane, "queue": job.queue, "due_at_ms": job.due_at_ms})
        self._closed.discard(job.lane)
        self.queues.add(job.queue)
        return job_id

    def claim(self, queue: str, *, now_ms: int, lease_until_ms: int, limit: int) -> list[Job]:
        brake = self.brake(queue)
        if brake.free_at_ms > now_ms:
            return []
        heads = self._rows.all("due_heads", {"queue": queue, "now_ms": now_ms, "limit": 1 if brake.is_open else limit})
        if brake.is_open and heads and not self._take_probe(queue, brake, now_ms):
            return []
        claimed = (self._claim_head(head, now_ms, lease_until_ms, is_probe=brake.is_open) for head in heads)
        return [job for job in claimed if job is not None]

    def claim_next(self, lane: str, *, now_ms: int, lease_until_ms: int) -> Job | None:
        if lane in self._closed:
            return None
        head = self._rows.one("due_head", {"lane": lane, "now_ms": now_ms})
        if head is None or self.brake(head[_QUEUE_OF_HEAD]).is_on(now_ms):
            return None
        return self._claim_head(head, now_ms, lease_until_ms)

    def _claim_head(self, head: Row, now_ms: int, lease_until_ms: int, *, is_probe: bool = False) -> Job | None:
        lane, token, *row = head
        job_id = row[0]
        if job_id is None:  # nothing of ours leaves a lane without a job; if it happens, the lane heals here
            self._rows.run("close_lane", {"lane": lane})
            return None
        token += 1
        lease = {
            "lane": lane,
            "token": token,
            "job_id": job_id,
            "lease_until_ms": lease_until_ms,
            "daemon": self._daemon,
        }
        self._rows.run("lease_lane", lease)
        self._rows.run("start_job", {"id": job_id})
        return records.read_job(row, token=token, now_ms=now_ms, is_probe=is_probe)

    def _take_probe(self, target: str, brake: Brake, now_ms: int) -> bool:
        self._brakes.pop(target, None)
        values = {"target": target, "now_ms": now_ms, "next_at_ms": brake.probed(now_ms).probe_at_ms}
        return self._rows.run("take_probe", values) == 1

    def claims_of(self, queue: str) -> dict[str, int]:
        found = self._rows.all("claims_of", {"queue": queue, "daemon": self._daemon})
        return {row[0]: row[1] for row in found}

    def release_claim(self, queue: str, lane: str, token: int, now_ms: int) -> bool:
        values = {"lane": lane, "token": token, "daemon": self._daemon, "now_ms": now_ms}
        self.queues.add(queue)
        return self._rows.run("release_claim", values) == 1

    def close_job(self, job: Job) -> bool:
        if not self._rows.run("close_job", _lease(job)):
            return False
        self._advance_lane(job.lane)
        return True

    def postpone_job(self, job: Job, due_at_ms: int, *, counts: bool, crashes: int = 0) -> bool:
        if not self._holds(job):
            return False
        values = {"id": job.id, "due_at_ms": due_at_ms, "give_back": int(not counts), "crashes": crashes}
        self._rows.run("postpone_job", values)
        self._advance_lane(job.lane)
        self.queues.add(job.queue)
        return True

    def bury_job(self, job: Job, reason: str, now_ms: int) -> bool:
        if not self._holds(job):
            return False
        self._rows.run("insert_dead_letter", {"id": job.id, "reason": reason, "now_ms": now_ms})
        self._rows.run("delete_job", {"id": job.id})
        self._advance_lane(job.lane)
        return True

    def _holds(self, job: Job) -> bool:
        return self._rows.one("holds_lease", _lease(job)) is not None

    def _advance_lane(self, lane: str) -> None:
        if self._rows.run("close_lane", {"lane": lane}):
            self._closed.add(lane)
            return
        freed = self._rows.one("free_lane", {"lane": lane})
        if freed is not None:
            self.queues.add(freed[0])

    def release_leases(self, now_ms: int) -> int:
        return self._rows.run("release_leases", {"now_ms": now_ms})

    def beat(self, now_ms: int) -> None:
        self._rows.run("beat", {"daemon": self._daemon, "now_ms": now_ms})

    def take_over(self, silent_ms: int, now_ms: int) -> int:
        values = {"silent_ms": silent_ms, "now_ms": now_ms}
        if self._rows.one("silent_daemons", values) is None:
            return 0  # as nearly always: looking through the lanes would take as long as there are lanes
        taken = self._rows.run("release_silent", values)
        self._rows.run("forget_silent", values)
        return taken

    def leave(self) -> None:
        self._rows.run("forget_daemon", {"daemon": self._daemon})

    def shift_schedule(self, by_ms: int) -> None:
        self._brakes.clear()
        for name in (
            "shift_lanes",
            "shift_jobs",
            "shift_rates",
            "shift_rate_turns",
            "shift_brakes",
            "shift_suspicions",
        ):
            self._rows.run(name, {"by_ms": by_ms})
        self.queues.update(row[0] for row in self._rows.all("waiting_queues", {}))

    def expedite(self, lane: str, ref: str, now_ms: int) -> None:
        if self._rows.run("expedite_job", {"lane": lane, "ref": ref, "now_ms": now_ms}):
            head = self._rows.one("free_lane_with_head", {"lane": lane})
            if head is not None and head[1] == ref:
                self._advance_lane(lane)

    def move_jobs(self, lane: str, ref: str, queue: str) -> None:
        if self._rows.run("move_jobs", {"lane": lane, "ref": ref, "queue": queue}):
            head = self._rows.one("free_lane_with_head", {"lane": lane})
            if head is not None and head[1] == ref:
                self._advance_lane(lane)

    def drop_jobs(self, lane: str, ref: str) -> int:
        waiting = self._rows.all("waiting_jobs", {"lane": lane, "ref": ref})
        if not waiting:
            return 0
        head_is_free = self._rows.one("free_lane_with_head", {"lane": lane}) is not None
        for row in waiting:
            self._rows.run("delete_job", {"id": row[0]})
        if head_is_free:
            self._advance_lane(lane)
        return len(waiting)

    def has_lane(self, lane: str) -> bool:
        return self._rows.one("has_lane", {"lane": lane}) is not None

    def next_due_ms(self, queue: str) -> int | None:
        row = self._rows.one("next_due", {"queue": queue})
        due_at_ms = row[0] if row else None
        return None if due_at_ms is None else max(due_at_ms, self.brake(queue).free_at_ms)

    def queue_depths(self, now_ms: int) -> list[QueueDepth]:
        rows = self._rows.all("queue_depths", {"now_ms": now_ms})
        return [
            QueueDepth(queue=queue, lanes=lanes, due_lanes=due, oldest_due_ms=oldest)
            for queue, lanes, due, oldest in rows
        ]

    def list_dead_letters(self, *, limit: int = 50, before_id: int | None = None) -> list[DeadLetter]:
        values = {"before_id": _NO_SEQ if before_id is None else before_id, "limit": limit}
        return [records.read_dead_letter(row) for row in self._rows.all("list_dead_letters", values)]

    def dead_letter(self, letter_id: int) -> DeadLetter | None:
        row = self._rows.one("dead_letter", {"id": letter_id})
        return records.read_dead_letter(row) if row else None

    def replay_dead_letter(self, letter_id: int, now_ms: int) -> bool:
        letter = self.dead_letter(letter_id)
        if letter is None:
            return False
        self.enqueue(
            NewJob(
                kind=letter.kind,
                queue=letter.queue,
                lane=letter.lane,
                ref=letter.ref,
                due_at_ms=now_ms,
                created_at_ms=now_ms,
            )
        )
        return self.drop_dead_letter(letter_id)

    def drop_dead_letter(self, letter_id: int) -> bool:
        return self._rows.run("drop_dead_letter", {"id": letter_id}) == 1

    def trim_dead_letters(self, before_ms: int) -> int:
        return self._rows.run("trim_dead_letters", {"before_ms": before_ms})

    def count_unknown_code(self, account: str, code: str, text: str, now_ms: int) -> None:
        values = {"account": account, "code": code, "text": text, "now_ms": now_ms, "kept": records.MAX_UNKNOWN_CODES}
        self._rows.run("count_unknown_code", values)

    def unknown_codes(self) -> list[UnknownCode]:
        return [records.read_unknown_code(row) for row in self._rows.all("list_unknown_codes", {})]

    def brake(self, target: str) -> Brake:
        if target not in self._brakes:
            row = self._rows.one("brake", {"target": target})
            self._brakes[target] = records.read_brake(row) if row else NO_BRAKE
        return self._brakes[target]

    def brakes(self) -> dict[str, Brake]:
        return {row[0]: records.read_brake(row) for row in self._rows.all("list_brakes", {})}

    def save_brake(self, target: str, brake: Brake) -> None:
        self._brakes.pop(target, None)
        self._rows.run("save_brake", records.write_brake(target, brake))
        self.queues.add(target)  # whoever sleeps over it has to look again

    def spare_probe(self, target: str, now_ms: int) -> None:
        self._brakes.pop(target, None)
        self._rows.run("spare_probe", {"target": target, "now_ms": now_ms})
        self.queues.add(target)

    def release_brake(self, target: str) -> bool:
        self._brakes.pop(target, None)
        self.queues.add(target)
        return self._rows.run("release_brake", {"target": target}) == 1

    def suspicion(self, job_id: int) -> Suspicion | None:
        row = self._rows.one("suspicion", {"job_id": job_id})
        return Suspicion(number=row[0], since_ms=row[1], refusals=row[2]) if row else None

    def save_suspicion(self, job_id: int, suspicion: Suspicion) -> None:
        values = {"number": suspicion.number, "since_ms": suspicion.since_ms, "refusals": suspicion.refusals}
        self._rows.run("save_suspicion", {"job_id": job_id, **values})

    def trim_suspicions(self) -> int:
        return self._rows.run("trim_suspicions", {})

    def take_rate(
        self, limits: Sequence[RateLimit], *, holder: str, now_ms: int, units: int, until_ms: int | None = None
    ) -> int:
        buckets = [self._look_into(limit, holder, now_ms) for limit in limits]
        wait_ms = max((bucket.at_ms - now_ms for bucket in buckets), default=0)
        if wait_ms and until_ms is not None and now_ms + wait_ms >= until_ms:
            return wait_ms
        for bucket in buckets:
            if wait_ms == 0:
                self._take(bucket, holder, units)
            elif bucket.at_ms > now_ms and not bucket.has_turn:
                self._reserve(bucket, holder, units)
        return wait_ms

    def _look_into(self, limit: RateLimit, holder: str, now_ms: int) -> _Bucket:
        row = self._rows.one("rate", {"key": limit.key}) or (0, 0)
        free_at_ms, next_at_ms = max(row[0], now_ms), max(row[1], now_ms)
        turn = self._rows.one("rate_turn", {"key": limit.key, "holder": holder})
        room_at_ms = max(free_at_ms - limit.interval_ms * (limit.burst - 1), now_ms)
        has_turn = turn is not None and turn[0] > now_ms
        if turn is not None and turn[0] > now_ms:
            at_ms = int(turn[0])
        elif room_at_ms == now_ms and (turn is not None or next_at_ms == now_ms):
            at_ms = now_ms
        else:
            at_ms = max(room_at_ms, next_at_ms)
        return _Bucket(limit, free_at_ms, next_at_ms, at_ms, has_turn)

    def _take(self, bucket: _Bucket, holder: str, units: int) -> None:
        key = bucket.limit.key
        free_at_ms = bucket.free_at_ms + bucket.limit.interval_ms * units
        self._rows.run("end_rate_turn", {"key": key, "holder": holder})
        self._rows.run("set_rate", {"key": key, "free_at_ms": free_at_ms, "next_at_ms": bucket.next_at_ms})

    def _reserve(self, bucket: _Bucket, holder: str, units: int) -> None:
        key = bucket.limit.key
        next_at_ms = bucket.at_ms + bucket.limit.interval_ms * units
        self._rows.run("set_rate_turn", {"key": key, "holder": holder, "at_ms": bucket.at_ms})
        self._rows.run("set_rate", {"key": key, "free_at_ms": bucket.free_at_ms, "next_at_ms": next_at_ms})

    def give_back_turns(self, keys: Collection[str], *, holder: str, now_ms: int) -> None:
        for key in keys:
            turn = self._rows.one("rate_turn", {"key": key, "holder": holder})
            if turn is None:
                continue
            self._rows.run("end_rate_turn", {"key": key, "holder": holder})
            last = self._rows.one("last_rate_turn", {"key": key})
            rate = self._rows.one("rate", {"key": key})
            if rate is not None and (last is None or last[0] < turn[0]):
                next_at_ms = turn[0] if last is not None and last[0] > now_ms else 0
                self._rows.run("set_rate", {"key": key, "free_at_ms": rate[0], "next_at_ms": next_at_ms})

    def trim_rate_turns(self, before_ms: int) -> int:
        return self._rows.run("trim_rate_turns", {"before_ms": before_ms})

    # --- the edge

    def add_arrival(self, arrival: Arrival) -> None:
        self._rows.run("add_arrival", records.write_arrival(arrival))

    def arrival(self, arrival_id: str) -> Arrival | None:
        row = self._rows.one("arrival", {"id": arrival_id})
        return records.read_arrival(row) if row else None

    def list_arrivals(
        self, *, outcome: Arrived | None = None, account: str = "", limit: int = 50, before_id: str = ""
    ) -> list[Arrival]:
        values = {
            "outcome": outcome or "",
            "account": account,
            "before_id": before_id or _NO_BEFORE,
            "limit": limit,
        }
        name = "list_kept_arrivals" if outcome in _KEPT else "list_arrivals"
        return [records.read_arrival(row) for row in self._rows.all(name, values)]

    def mark_replayed(self, arrival_id: str, now_ms: int) -> None:
        self._rows.run("mark_replayed", {"id": arrival_id, "now_ms": now_ms})

    def trim_arrivals(self, before_ms: int) -> int:
        return self._rows.run("trim_old_arrivals", {"before_ms": before_ms})

    def trim_refused(self, account: str, kept: int) -> int:
        return self._rows.run("trim_refused_arrivals", {"account": account, "kept": kept})

    def api_key_by_hash(self, hash: str) -> ApiKey | None:  # noqa: A002 - the column's name
        row = self._rows.one("api_key_by_hash", {"hash": hash})
        return records.read_api_key(row) if row else None

    def list_api_keys(self) -> list[ApiKey]:
        return [records.read_api_key(row) for row in self._rows.all("list_api_keys", {})]

    def insert_api_key(self, key: ApiKey) -> None:
        self._rows.run("insert_api_key", records.write_api_key(key))

    def revoke_api_key(self, key_id: str, now_ms: int) -> bool:
        return self._rows.run("revoke_api_key", {"id": key_id, "now_ms": now_ms}) == 1

    def touch_api_key(self, key_id: str, now_ms: int) -> None:
        self._rows.run("touch_api_key", {"id": key_id, "now_ms": now_ms})

    def kept_answer(self, owner: str, key: str) -> KeptAnswer | None:
        row = self._rows.one("kept_answer", {"owner": owner, "key": key})
        if row is None:
            return None
        return KeptAnswer(fingerprint=row[0], status=row[1], body=bytes(row[2]), location=row[3])

    def keep_answer(self, owner: str, key: str, answer: KeptAnswer, now_ms: int) -> None:
        self._rows.run(
            "keep_answer",
            {
                "owner": owner,
                "key": key,
                "fingerprint": answer.fingerprint,
                "status": answer.status,
                "body": answer.body,
                "location": answer.location,
                "now_ms": now_ms,
            },
        )

    def forget_answers(self, before_ms: int) -> int:
        return self._rows.run("forget_answers", {"before_ms": before_ms})

    def agent_status(self, agent_id: str) -> AgentStatus | None:
        row = self._rows.one("agent_status", {"id": agent_id})
        return records.read_agent_status(row) if row else None

    def list_agent_statuses(self) -> list[AgentStatus]:
        return [records.read_agent_status(row) for row in self._rows.all("list_agent_statuses", {})]

    def save_agent_status(self, status: AgentStatus) -> None:
        self._rows.run("save_agent_status", records.write_agent_status(status))

    def list_standard_responses(self) -> list[StandardResponse]:
        return [records.read_standard_response(row) for row in self._rows.all("list_standard_responses", {})]

    def standard_response(self, response_id: str) -> StandardResponse | None:
        row = self._rows.one("standard_response", {"id": response_id})
        return records.read_standard_response(row) if row else None

    def standard_response_by_shortcut(self, shortcut: str) -> StandardResponse | None:
        row = self._rows.one("standard_response_by_shortcut", {"shortcut": shortcut})
        return records.read_standard_response(row) if row else None

    def save_standard_response(self, response: StandardResponse) -> None:
        self._rows.run("save_standard_response", records.write_standard_response(response))

    def delete_standard_response(self, response_id: str) -> bool:
        return self._rows.run("delete_standard_response", {"id": response_id}) == 1

    def desktop_event_seen(self, desktop: str, event_id: str) -> bool:
        return self._rows.one("desktop_event_seen", {"desktop": desktop, "event_id": event_id}) is not None

    def see_desktop_event(self, desktop: str, event_id: str, now_ms: int) -> None:
        self._rows.run("see_desktop_event", {"desktop": desktop, "event_id": event_id, "now_ms": now_ms})

    def trim_desktop_events(self, before_ms: int) -> int:
        return self._rows.run("trim_desktop_events", {"before_ms": before_ms})

    def switch_off_desktop(self, desktop: str, reason: str, now_ms: int) -> None:
        self.set_meta(f"desktop_off:{desktop}", f"{reason} (at {now_ms})")

    def switch_on_desktop(self, desktop: str) -> None:
        self.set_meta(f"desktop_off:{desktop}", "")

    def desktop_switched_off(self, desktop: str) -> str:
        return self.meta(f"desktop_off:{desktop}")

    def meta(self, key: str) -> str:
        row = self._rows.one("meta", {"key": key})
        return row[0] if row else ""

    def set_meta(self, key: str, value: str) -> None:
        self._rows.run("set_meta", {"key": key, "value": value})

    # --- the desk

    def agent(self, agent_id: str) -> AgentAccount | None:
        row = self._rows.one("agent", {"id": agent_id})
        return records.read_agent_account(row) if row else None

    def list_agents(self) -> list[AgentAccount]:
        return [records.read_agent_account(row) for row in self._rows.all("list_agents", {})]

    def save_agent(self, account: AgentAccount) -> None:
        self._rows.run("save_agent", records.write_agent_account(account))

    def delete_agent(self, agent_id: str) -> bool:
        self.end_sessions_of(agent_id)
        return self._rows.run("delete_agent", {"id": agent_id}) == 1

    def session(self, hash: str) -> Session | None:  # noqa: A002 - the column's name
        row = self._rows.one("session", {"hash": hash})
        return records.read_session(row) if row else None

    def sessions_of(self, agent_id: str) -> list[Session]:
        return [records.read_session(row) for row in self._rows.all("sessions_of", {"agent_id": agent_id})]

    def insert_session(self, session: Session) -> None:
        self._rows.run(
            "insert_session",
            {
                "hash": session.hash,
                "agent_id": session.agent_id,
                "created_at_ms": session.created_at_ms,
                "seen_at_ms": session.seen_at_ms,
            },
        )

    def touch_session(self, hash: str, now_ms: int) -> None:  # noqa: A002
        self._rows.run("touch_session", {"hash": hash, "now_ms": now_ms})

    def delete_session(self, hash: str) -> None:  # noqa: A002
        self._rows.run("delete_session", {"hash": hash})

    def end_sessions_of(self, agent_id: str) -> None:
        self._rows.run("end_sessions_of", {"agent_id": agent_id})

    def trim_sessions(self, before_ms: int) -> int:
        return self._rows.run("trim_sessions", {"before_ms": before_ms})

    def presences(self, interaction_id: str, since_ms: int) -> list[Presence]:
        rows = self._rows.all("presences", {"interaction_id": interaction_id, "since_ms": since_ms})
        return [records.read_presence(row) for row in rows]

    def save_presence(self, presence: Presence) -> None:
        self._rows.run("save_presence", records.write_presence(presence))

    def delete_presence(self, interaction_id: str, agent_id: str) -> None:
        self._rows.run("delete_presence", {"interaction_id": interaction_id, "agent_id": agent_id})

    def trim_presences(self, before_ms: int) -> int:
        return self._rows.run("trim_presences", {"before_ms": before_ms})

    def open_interactions_by_agent(self) -> dict[str, int]:
        return {row[0]: row[1] for row in self._rows.all("open_interactions_by_agent", {})}

    def _number_hash(self, number: str) -> str:
        # An opt-out must be honoured after the person was erased, so it is kept under a keyed hash of the number.
        return hmac.digest(self._number_key, number.encode(), "sha256").hex()


_WRITTEN_NUMBER: Final = re.compile(r"\+?\s*\(?\d[\d\s().-]*")


def _without_gaps(query: str) -> str:
    """A number as people write it, `(415) 555-0142`, as it is stored; any other words as they are."""
    return re.sub(r"[^\d+]", "", query) if _WRITTEN_NUMBER.fullmatch(query) else query


def _lease(job: Job) -> dict[str, Any]:
    return {"lane": job.lane, "token": job.token, "job_id": job.id}


def _returned(row: Row | None) -> int:
    """The single integer of a query that always gives one."""
    if row is None:
        raise LookupError("a query that must return a row returned none")
    value: int = row[0]
    return value
