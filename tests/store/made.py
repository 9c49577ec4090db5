"""Records for tests, whole but for what a test is about."""

from __future__ import annotations

from typing import Any

from smsbridge.contracts.jobs import NewJob
from smsbridge.contracts.store import Arrival, Arrived, KeptPart, StoredReceipt, Tx, WaitingText
from smsbridge.domain.brake import BrakePolicy
from smsbridge.domain.cause import Cause
from smsbridge.domain.interaction import State
from smsbridge.domain.journal import EventType, LogEvent
from smsbridge.domain.message import (
    Agent,
    Attachment,
    AttachmentId,
    AttachmentState,
    Certainty,
    Contact,
    ContactId,
    Conversation,
    ConversationId,
    Direction,
    EventId,
    Interaction,
    InteractionId,
    Message,
    MessageId,
    Notice,
    NoticeId,
    NoticeKind,
    Number,
    Part,
    Severity,
)
from smsbridge.domain.outcome import Evidence
from smsbridge.domain.status import Status

NOW = 1_790_000_000_000
BRAKES = BrakePolicy()
ANN = Number("+14155550142")
SENDER = "+15005550006"


def contact(identifier: str = "con_1", **more: Any) -> Contact:
    return Contact(**{"id": ContactId(identifier), "number": ANN, "created_at_ms": NOW, "updated_at_ms": NOW, **more})


def conversation(identifier: str = "cnv_1", **more: Any) -> Conversation:
    return Conversation(
        **{
            "id": ConversationId(identifier),
            "contact_id": ContactId("con_1"),
            "contact_number": ANN,
            "sender": SENDER,
            "account": "plain",
            "created_at_ms": NOW,
            "last_message_at_ms": NOW,
            **more,
        }
    )


def interaction(identifier: str = "int_1", **more: Any) -> Interaction:
    return Interaction(
        **{
            "id": InteractionId(identifier),
            "conversation_id": ConversationId("cnv_1"),
            "contact_id": ContactId("con_1"),
            "contact_number": ANN,
            "sender": SENDER,
            "account": "plain",
            "desktop": "desk",
            "direction": Direction.INBOUND,
            "state": State.WAITING,
            "opened_at_ms": NOW,
            "last_activity_ms": NOW,
            **more,
        }
    )


def message(identifier: str = "msg_1", **more: Any) -> Message:
    outbound = more.get("direction") is Direction.OUTBOUND
    return Message(
        **{
            "id": MessageId(identifier),
            "direction": Direction.INBOUND,
            "conversation_id": ConversationId("cnv_1"),
            "interaction_id": InteractionId("int_1"),
            "contact_id": ContactId("con_1"),
            "contact_number": ANN,
            "sender": SENDER,
            "account": "plain",
            "text": "Hello",
            "status": Status.QUEUED if outbound else Status.RECEIVED,
            "carrier_message_id": "" if outbound else f"carrier-{identifier}",
            "created_at_ms": NOW,
            **more,
        }
    )


def part(number: int = 1, **more: Any) -> Part:
    return Part(**{"number": number, "text": "Hello", **more})


def attachment(identifier: str = "att_1", **more: Any) -> Attachment:
    stored = more.get("state") is AttachmentState.STORED
    return Attachment(
        **{"id": AttachmentId(identifier), "sha256": "a" * 64 if stored else "", "created_at_ms": NOW, **more}
    )


def receipt(key: str = "key", **more: Any) -> StoredReceipt:
    return StoredReceipt(
        **{
            "key": key,
            "account": "plain",
            "carrier_message_id": "C1",
            "part_ref": "",
            "status": Status.DELIVERED,
            "cause": None,
            "received_at_ms": NOW,
            **more,
        }
    )


def notice(identifier: str = "ntc_1", **more: Any) -> Notice:
    return Notice(
        **{
            "id": NoticeId(identifier),
            "key": f"key of {identifier}",
            "kind": NoticeKind.UNDELIVERED,
            "cause": Cause.UNREACHABLE,
            "certainty": Certainty.CERTAIN,
            "severity": Severity.ERROR,
            "text": "Not delivered.",
            "admin_text": "Switched off.",
            "advice": "Call.",
            "interaction_id": InteractionId("int_1"),
            "conversation_id": ConversationId("cnv_1"),
            "contact_id": ContactId("con_1"),
            "message_id": MessageId("msg_1"),
            "account": "plain",
            "evidence": Evidence(code="30003", text="Unreachable", http_status=200),
            "created_at_ms": NOW,
            **more,
        }
    )


def event(identifier: str = "evt_1", **more: Any) -> LogEvent:
    return LogEvent(**{"id": EventId(identifier), "type": EventType.MESSAGE_RECEIVED, "at_ms": NOW, **more})


def arrival(identifier: str = "arr_1", **more: Any) -> Arrival:
    return Arrival(
        **{"id": identifier, "source": "carrier", "account": "plain", "outcome": Arrived.STORED, "at_ms": NOW, **more}
    )


def job(ref: str = "ref", lane: str = "lane", queue: str = "queue", **more: Any) -> NewJob:
    return NewJob(
        **{
            "kind": "kind",
            "queue": queue,
            "lane": lane,
            "ref": ref,
            "due_at_ms": NOW,
            "created_at_ms": NOW,
            **more,
        }
    )


AMY = Agent(id="amy", name="Amy")


def thread(tx: Tx) -> None:
    """A contact with a conversation and an interaction, which most rows refer to."""
    tx.insert_contact(contact())
    tx.insert_conversation(conversation())
    tx.insert_interaction(interaction())


def waiting_text(identifier: str = "wtx_1", **more: Any) -> WaitingText:
    fields: dict[str, Any] = {
        "account": "twilio",
        "number": ANN,
        "sender": SENDER,
        "reference": "7",
        "part_count": 2,
        "missing": 2,
        "began_at_ms": NOW,
    }
    return WaitingText(id=identifier, **(fields | more))


def kept_part(number: int = 1, text: str = "Hello", **more: Any) -> KeptPart:
    fields: dict[str, Any] = {"carrier_message_id": f"P{number}", "carrier_at_ms": NOW}
    return KeptPart(number=number, text=text, **(fields | more))
