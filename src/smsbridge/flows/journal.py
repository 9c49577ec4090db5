"""Telling of what happened: the event log, and a job for the desktop that must hear of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from smsbridge.contracts.bridge import Bridge
from smsbridge.contracts.jobs import NewJob
from smsbridge.contracts.store import Tx
from smsbridge.domain.interaction import EndReason
from smsbridge.domain.journal import Border, BorderMark, EventType, LogEvent
from smsbridge.domain.message import Agent, Contact, EventId, Interaction, Message, Notice
from smsbridge.flows import lanes

TOLD_TO_DESKTOPS: Final = frozenset(
    {
        EventType.MESSAGE_RECEIVED,
        EventType.MESSAGE_UPDATED,
        EventType.MESSAGE_STATUS,
        EventType.NOTICE_RAISED,
        EventType.INTERACTION_OPENED,
        EventType.INTERACTION_ENDED,
        EventType.INTERACTION_DONE,
        EventType.CONTACT_UPDATED,
    }
)
"""The event types of the desktop webhook. The stream carries all."""


def tell_of_message(
    tx: Tx,
    bridge: Bridge,
    event_type: EventType,
    message: Message,
    desktop: str,
    *,
    detail: Mapping[str, Any] | None = None,
    hold_until_ms: int | None = None,
    desktop_waits: bool = False,
) -> int:
    """Returns the event's `seq`.

    `hold_until_ms`: the desktop is told then, or as soon as the job is expedited. `desktop_waits`: an earlier event of
    this message is still held and will show the message as it is by then, so the desktop needs no event of its own.
    """
    event = LogEvent(
        id=EventId(bridge.ids.new("evt_")),
        type=event_type,
        at_ms=bridge.now_ms(),
        contact_id=message.contact_id,
        conversation_id=message.conversation_id,
        interaction_id=message.interaction_id,
        message_id=message.id,
        detail=detail or {},
    )
    return _tell(tx, bridge, event, "" if desktop_waits else desktop, hold_until_ms)


def tell_of_interaction(tx: Tx, bridge: Bridge, event_type: EventType, interaction: Interaction) -> int:
    event = LogEvent(
        id=EventId(bridge.ids.new("evt_")),
        type=event_type,
        at_ms=bridge.now_ms(),
        contact_id=interaction.contact_id,
        conversation_id=interaction.conversation_id,
        interaction_id=interaction.id,
    )
    return _tell(tx, bridge, event, interaction.desktop)


def tell_of_notice(tx: Tx, bridge: Bridge, notice: Notice, desktop: str) -> int:
    event = LogEvent(
        id=EventId(bridge.ids.new("evt_")),
        type=EventType.NOTICE_RAISED,
        at_ms=notice.created_at_ms,
        contact_id=notice.contact_id,
        conversation_id=notice.conversation_id,
        interaction_id=notice.interaction_id,
        message_id=notice.message_id,
        notice_id=notice.id,
    )
    return _tell(tx, bridge, event, desktop)


def tell_of_contact(tx: Tx, bridge: Bridge, contact: Contact, *, desktops: bool = True) -> int:
    """Desktops hear of a contact in the lane of its latest conversation; of read marks they do not hear at all."""
    event = LogEvent(
        id=EventId(bridge.ids.new("evt_")),
        type=EventType.CONTACT_UPDATED,
        at_ms=bridge.now_ms(),
        contact_id=contact.id,
    )
    conversations = tx.conversations_of(contact.id)
    if not conversations or not desktops:
        return _tell(tx, bridge, event, "")
    sender = bridge.senders.get(conversations[0].sender)
    desktop = sender.desktop if sender else bridge.default_desktop
    return _tell(tx, bridge, event, desktop, lane_of=conversations[0].id)


def tell_of_agent(tx: Tx, bridge: Bridge, detail: Mapping[str, Any]) -> int:
    event = LogEvent(
        id=EventId(bridge.ids.new("evt_")), type=EventType.AGENT_STATUS, at_ms=bridge.now_ms(), detail=detail
    )
    return _tell(tx, bridge, event, "")


def tell_of_presence(tx: Tx, bridge: Bridge, interaction: Interaction, detail: Mapping[str, Any]) -> int:
    """Desktops do not hear of it: they know their own agents."""
    event = LogEvent(
        id=EventId(bridge.ids.new("evt_")),
        type=EventType.INTERACTION_PRESENCE,
        at_ms=bridge.now_ms(),
        contact_id=interaction.contact_id,
        conversation_id=interaction.conversation_id,
        interaction_id=interaction.id,
        detail=detail,
    )
    return _tell(tx, bridge, event, "")


def draw_border(
    tx: Tx,
    bridge: Bridge,
    border: Border,
    interaction: Interaction,
    *,
    agent: Agent | None = None,
    reason: EndReason | str = "",
) -> None:
    """Writes a border into the transcript, as the interaction is at this moment."""
    mark = BorderMark(
        border=border,
        interaction_id=interaction.id,
        state=interaction.state,
        agent=agent,
        reason=str(reason),
        disposition=interaction.disposition if border is Border.DONE else "",
        note=interaction.note if border is Border.DONE else "",
    )
    tx.append_border(
        mark,
        conversation_id=interaction.conversation_id,
        contact_id=interaction.contact_id,
        at_ms=bridge.now_ms(),
    )


def _tell(
    tx: Tx,
    bridge: Bridge,
    event: LogEvent,
    desktop_name: str,
    hold_until_ms: int | None = None,
    *,
    lane_of: str = "",
) -> int:
    seq = tx.append_event(event)
    desktop = bridge.desktops.get(desktop_name)
    if desktop is None or event.type not in TOLD_TO_DESKTOPS:
        return seq
    abilities = desktop.adapter.abilities
    if not abilities.delivers or (abilities.event_types is not None and event.type not in abilities.event_types):
        return seq
    tx.enqueue(
        NewJob(
            kind=lanes.DELIVER,
            queue=lanes.deliver_queue(desktop.name),
            lane=lanes.deliver_lane(desktop.name, lane_of or event.conversation_id or ""),
            ref=f"{desktop.name}:{seq}",
            due_at_ms=event.at_ms if hold_until_ms is None else hold_until_ms,
            created_at_ms=event.at_ms,
        )
    )
    return seq
