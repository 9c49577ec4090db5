"""The life of interactions: opening, offering, accepting, ending, Done, reactivating, assigning."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, overload

from smsbridge.contracts.bridge import Bridge, Sender
from smsbridge.contracts.store import Thread, Tx
from smsbridge.domain.cause import Cause
from smsbridge.domain.errors import CannotSend, Conflict, FieldError, Invalid, NotFound
from smsbridge.domain.interaction import OPEN, EndReason, State, Step, after
from smsbridge.domain.journal import Border, EventType
from smsbridge.domain.message import (
    Agent,
    Certainty,
    Contact,
    ContactId,
    Conversation,
    ConversationId,
    Direction,
    Interaction,
    InteractionId,
    NoticeKind,
    Number,
    SmsCapable,
)
from smsbridge.flows.journal import draw_border, tell_of_contact, tell_of_interaction
from smsbridge.flows.notices import raise_notice
from smsbridge.flows.numbers import check_opt_out, known_capability, own_sender, read_recipient


def new_contact(bridge: Bridge, number: Number) -> Contact:
    now_ms = bridge.now_ms()
    return Contact(id=ContactId(bridge.ids.new("con_")), number=number, created_at_ms=now_ms, updated_at_ms=now_ms)


def new_conversation(bridge: Bridge, contact: Contact, sender: str, account: str) -> Conversation:
    now_ms = bridge.now_ms()
    return Conversation(
        id=ConversationId(bridge.ids.new("cnv_")),
        contact_id=contact.id,
        contact_number=contact.number,
        sender=sender,
        account=account,
        created_at_ms=now_ms,
        last_message_at_ms=now_ms,
    )


def open_interaction(
    tx: Tx,
    bridge: Bridge,
    conversation: Conversation,
    *,
    direction: Direction,
    desktop: str,
    agent: Agent | None = None,
) -> Interaction:
    """A new one in a conversation that has none open: `waiting` for a contact's text, `active` for an agent's."""
    now_ms = bridge.now_ms()
    interaction = Interaction(
        id=InteractionId(bridge.ids.new("int_")),
        conversation_id=conversation.id,
        contact_id=conversation.contact_id,
        contact_number=conversation.contact_number,
        sender=conversation.sender,
        account=conversation.account,
        desktop=desktop,
        direction=direction,
        state=State.WAITING if direction is Direction.INBOUND else State.ACTIVE,
        agent=agent,
        opened_at_ms=now_ms,
        accepted_at_ms=None if direction is Direction.INBOUND else now_ms,
        last_activity_ms=now_ms,
    )
    tx.insert_interaction(interaction)
    draw_border(tx, bridge, Border.OPENED, interaction, agent=agent)
    tell_of_interaction(tx, bridge, EventType.INTERACTION_OPENED, interaction)
    if agent is not None:
        _become_theirs(tx, bridge, interaction, agent)
    return interaction


def offer(tx: Tx, bridge: Bridge, interaction: Interaction, contact: Contact) -> Interaction:
    """Offers a waiting interaction to those who are Ready: first to the one the contact is assigned to, then to all.

    With auto-answer it is taken at once: by that agent or, unless that one is Ready and asked first, by whoever has
    been Ready the longest. External desktops distribute work themselves.
    """
    desktop = bridge.desktops.get(interaction.desktop)
    if interaction.state is not State.WAITING or desktop is None or desktop.adapter.abilities.delivers:
        return interaction
    ready = {status.id: status for status in tx.list_agent_statuses() if status.ready}
    assigned = ready.get(contact.assigned_to)
    asked = [assigned] if assigned else sorted(ready.values(), key=lambda status: status.changed_at_ms)
    taker = next((status for status in asked if status.auto_answer), None)
    if taker is not None:
        return _accept(tx, bridge, interaction, Agent(id=taker.id, name=taker.name))
    if assigned is None or not bridge.policy.desk.offer_first_ms:
        return interaction
    offered = replace(
        interaction, offered_to=assigned.id, offered_until_ms=bridge.now_ms() + bridge.policy.desk.offer_first_ms
    )
    tx.update_interaction(offered)
    return offered


def open_outbound(
    tx: Tx, bridge: Bridge, *, to: str, from_sender: str, agent: Agent | None, force: bool
) -> Interaction | CannotSend:
    """ "Create SMS interaction": an agent begins. The one already open with this number is given back as it is.

    A number known not to take texts is refused with `overridable`; with `force` the interaction opens with the warning
    in its transcript.
    """
    number = read_recipient(to)
    agent = named(tx, agent)
    sender = own_sender(tx, bridge, from_sender, number)
    check_opt_out(tx, sender.number, number)
    capability = known_capability(tx, bridge, number)
    incapable = capability is not None and capability.sms_capable is SmsCapable.NO
    if incapable and not force:
        raise CannotSend(
            Cause.NOT_MOBILE,
            NoticeKind.NOT_SMS_CAPABLE,
            f"{capability.reason if capability else ''} Send `force: true` to create the interaction all the same.",
            field="/to",
            overridable=True,
        )
    interaction = reach(tx, bridge, number, sender, tx.thread(number, sender.number), agent)
    if incapable and capability is not None:
        warn_of_capability(tx, bridge, interaction, capability.reason)
    return interaction


def warn_of_capability(tx: Tx, bridge: Bridge, interaction: Interaction, reason: str) -> None:
    """The warning before sending, once for each interaction."""
    raise_notice(
        tx,
        bridge,
        NoticeKind.NOT_SMS_CAPABLE,
        Cause.NOT_MOBILE,
        interaction,
        key=f"capability:{interaction.id}",
        certainty=Certainty.POSSIBLE,
        reason=reason,
    )


def reach(
    tx: Tx, bridge: Bridge, number: Number, sender: Sender, thread: Thread | None, agent: Agent | None
) -> Interaction:
    """The interaction in which a text from an agent to this number belongs: the open one, else a new outbound one.
    `thread` is what there is between the two."""
    contact = thread.contact if thread else new_contact(bridge, number)
    if thread is None:
        tx.insert_contact(contact)
    conversation = thread.conversation if thread else None
    if conversation is None:
        conversation = new_conversation(bridge, contact, sender.number, sender.account)
        tx.insert_conversation(conversation)
    newest = thread.interaction if thread else None
    if newest is not None and newest.state in OPEN:
        return newest
    if newest is not None and newest.state is State.ENDED and bridge.policy.asynchronous:
        return reactivate_quietly(tx, bridge, newest, agent)
    return open_interaction(tx, bridge, conversation, direction=Direction.OUTBOUND, desktop=sender.desktop, agent=agent)


def accept(tx: Tx, bridge: Bridge, interaction_id: str, agent: Agent) -> Interaction:
    """Taking it twice is fine for the same agent. Raises Conflict("taken") for any other."""
    interaction, agent = find(tx, interaction_id), named(tx, agent)
    if interaction.state is State.ACTIVE and interaction.agent is not None:
        if interaction.agent.id == agent.id:
            return interaction
        raise Conflict("taken", f"{called(tx, interaction.agent)} has this interaction.")
    if interaction.state not in OPEN:
        raise Conflict("not_waiting", f"This interaction is {interaction.state}; only a waiting one can be accepted.")
    return _accept(tx, bridge, interaction, agent)


def _accept(tx: Tx, bridge: Bridge, interaction: Interaction, agent: Agent) -> Interaction:
    taken = replace(
        interaction,
        state=_step(interaction, Step.ACCEPT),
        agent=agent,
        accepted_at_ms=bridge.now_ms(),
        offered_to="",
        offered_until_ms=None,
    )
    tx.update_interaction(taken)
    draw_border(tx, bridge, Border.ACCEPTED, taken, agent=agent)
    tell_of_interaction(tx, bridge, EventType.INTERACTION_UPDATED, taken)
    _become_theirs(tx, bridge, taken, agent)
    return taken


def _become_theirs(tx: Tx, bridge: Bridge, interaction: Interaction, agent: Agent) -> None:
    """On the built-in desk a contact of nobody's belongs to whoever first speaks with them."""
    desktop = bridge.desktops.get(interaction.desktop)
    if desktop is None or desktop.adapter.abilities.delivers:
        return
    contact = tx.contact(interaction.contact_id)
    if contact is not None and not contact.assigned_to:
        theirs = replace(contact, assigned_to=agent.id, updated_at_ms=bridge.now_ms())
        tx.update_contact(theirs)
        tell_of_contact(tx, bridge, theirs)


def end(
    tx: Tx,
    bridge: Bridge,
    interaction_id: str,
    *,
    agent: Agent | None = None,
    reason: EndReason = EndReason.AGENT,
) -> Interaction:
    """Ending what is ended changes nothing."""
    interaction, agent = find(tx, interaction_id), named(tx, agent)
    if interaction.state is State.ENDED:
        return interaction
    if after(interaction.state, Step.END) is None:
        raise Conflict("already_done", "This interaction is done.")
    ended = replace(interaction, state=_step(interaction, Step.END), ended_at_ms=bridge.now_ms(), end_reason=reason)
    tx.update_interaction(ended)
    draw_border(tx, bridge, Border.ENDED, ended, agent=agent, reason=reason)
    tell_of_interaction(tx, bridge, EventType.INTERACTION_ENDED, ended)
    return ended


def mark_done(
    tx: Tx, bridge: Bridge, interaction_id: str, *, agent: Agent | None, disposition: str, note: str
) -> Interaction:
    """Done is for good. An interaction still going on is ended first; what was written down before counts too."""
    interaction, agent = find(tx, interaction_id), named(tx, agent)
    note, disposition = note or interaction.note, disposition or interaction.disposition
    allowed = bridge.policy.dispositions
    if allowed and disposition not in allowed:
        raise Invalid(
            f"The disposition must be one of: {', '.join(allowed)}.",
            FieldError("/disposition", f"must be one of: {', '.join(allowed)}"),
        )
    if interaction.state is State.DONE:
        raise Conflict("already_done", "This interaction is done.")
    if interaction.state in OPEN:
        interaction = end(tx, bridge, interaction_id, agent=agent)
    done = replace(
        interaction, state=_step(interaction, Step.DONE), done_at_ms=bridge.now_ms(), disposition=disposition, note=note
    )
    tx.update_interaction(done)
    draw_border(tx, bridge, Border.DONE, done, agent=agent)
    tell_of_interaction(tx, bridge, EventType.INTERACTION_DONE, done)
    return done


def take_note(
    tx: Tx, bridge: Bridge, interaction_id: str, *, note: str | None = None, disposition: str | None = None
) -> Interaction:
    """Keeps what an agent writes down while it goes on. Raises Conflict once it is done."""
    interaction = find(tx, interaction_id)
    if interaction.state is State.DONE:
        raise Conflict("already_done", "This interaction is done.")
    noted = replace(
        interaction,
        note=interaction.note if note is None else note,
        disposition=interaction.disposition if disposition is None else disposition,
    )
    if noted != interaction:
        tx.update_interaction(noted)
        tell_of_interaction(tx, bridge, EventType.INTERACTION_UPDATED, noted)
    return noted


def reactivate(tx: Tx, bridge: Bridge, interaction_id: str, *, agent: Agent | None) -> Interaction:
    """An ended interaction goes on. Raises Conflict when it is done, or when ended interactions stay ended here."""
    interaction, agent = find(tx, interaction_id), named(tx, agent)
    if interaction.state in OPEN:
        return interaction
    check_goes_on(tx, bridge, interaction)
    return reactivate_quietly(tx, bridge, interaction, agent)


def check_goes_on(tx: Tx, bridge: Bridge, interaction: Interaction) -> None:
    """Raises Conflict for one that is done, that has ended where they stay so, or after which a newer one began."""
    if interaction.state in OPEN:
        return
    if interaction.state is State.DONE:
        raise Conflict(
            "interaction_done", "This interaction is done. Create a new SMS interaction with the contact instead."
        )
    if not bridge.policy.asynchronous:
        raise Conflict(
            "interaction_ended",
            "This interaction has ended and stays so here. Create a new SMS interaction with the contact instead.",
        )
    newest = tx.newest_interaction(interaction.conversation_id)
    if newest is not None and newest.id != interaction.id:
        raise Conflict("not_newest", f"There is a newer interaction with this contact: {newest.id}.")


def reactivate_quietly(tx: Tx, bridge: Bridge, interaction: Interaction, agent: Agent | None) -> Interaction:
    """An ended one goes on, kept by the agent who had it. One that nobody ever took waits again."""
    owner = interaction.agent or agent
    revived = replace(
        interaction,
        state=_step(interaction, Step.REACTIVATE if owner else Step.REQUEUE),
        agent=owner,
        accepted_at_ms=interaction.accepted_at_ms or (bridge.now_ms() if owner else None),
        ended_at_ms=None,
        end_reason=None,
        last_activity_ms=bridge.now_ms(),
        reactivations=interaction.reactivations + 1,
        offered_to="",
        offered_until_ms=None,
    )
    tx.update_interaction(revived)
    draw_border(tx, bridge, Border.REACTIVATED, revived, agent=agent)
    tell_of_interaction(tx, bridge, EventType.INTERACTION_UPDATED, revived)
    return revived


def assign(tx: Tx, bridge: Bridge, interaction_id: str, *, agent: Agent | None, by: Agent | None = None) -> Interaction:
    """Gives an open interaction to `agent`, or back to the queue with None. The contact goes with it."""
    interaction, agent = find(tx, interaction_id), named(tx, agent)
    if interaction.state not in OPEN:
        raise Conflict("not_open", f"This interaction is {interaction.state}; only an open one can be assigned.")
    wanted = State.ACTIVE if agent else State.WAITING
    step = Step.ACCEPT if agent else Step.RELEASE
    given = replace(
        interaction,
        agent=agent,
        state=wanted if interaction.state is wanted else _step(interaction, step),
        accepted_at_ms=bridge.now_ms() if agent else None,
        offered_to="",
        offered_until_ms=None,
    )
    tx.update_interaction(given)
    if agent is not None:
        draw_border(tx, bridge, Border.ACCEPTED, given, agent=agent, reason="assigned" if by else "")
        contact = tx.contact(given.contact_id)
        if contact is not None and contact.assigned_to != agent.id:
            contact = replace(contact, assigned_to=agent.id, updated_at_ms=bridge.now_ms())
            tx.update_contact(contact)
            tell_of_contact(tx, bridge, contact)
    tell_of_interaction(tx, bridge, EventType.INTERACTION_UPDATED, given)
    return given


def mark_read(tx: Tx, bridge: Bridge, interaction_id: str, *, agent_id: str, up_to_seq: int | None) -> None:
    """Everything up to `up_to_seq`, or all there is, was in this agent's view."""
    interaction = find(tx, interaction_id)
    newest = tx.last_entry_seq(interaction.contact_id)
    tx.mark_read(interaction.contact_id, agent_id, newest if up_to_seq is None else min(up_to_seq, newest))
    contact = tx.contact(interaction.contact_id)
    if contact is not None:
        tell_of_contact(tx, bridge, contact, desktops=False)


def check_owner(tx: Tx, interaction: Interaction, agent: Agent) -> None:
    """Raises Conflict("owned_by_another") when somebody else has it."""
    owner = interaction.agent
    if owner is not None and owner.id != agent.id:
        raise Conflict("owned_by_another", f"{called(tx, owner)} has this interaction.")


def end_idle(tx: Tx, bridge: Bridge) -> int:
    """Ends the interactions in which nobody said anything for `interactions.idle_end`. One that waits on our desk waits
    on; an external desktop need never say that somebody took it."""
    if not bridge.policy.idle_end_ms:
        return 0
    elsewhere = [desktop.name for desktop in bridge.desktops.values() if desktop.adapter.abilities.delivers]
    idle = tx.idle_interactions(bridge.now_ms() - bridge.policy.idle_end_ms, _AT_ONCE, waiting_at=elsewhere)
    for interaction in idle:
        end(tx, bridge, interaction.id, reason=EndReason.IDLE)
    return len(idle)


def find(tx: Tx, interaction_id: str) -> Interaction:
    interaction = tx.interaction(interaction_id)
    if interaction is None:
        raise NotFound("interaction", interaction_id)
    return interaction


@overload
def named(tx: Tx, agent: Agent) -> Agent: ...
@overload
def named(tx: Tx, agent: None) -> None: ...
@overload
def named(tx: Tx, agent: Agent | None) -> Agent | None: ...
def named(tx: Tx, agent: Agent | None) -> Agent | None:
    """The agent with the name that they go by in the desk, where a request gave their id alone."""
    if agent is None or agent.name:
        return agent
    known = tx.agent_status(agent.id)
    return replace(agent, name=known.name) if known else agent


def called(tx: Tx, agent: Agent) -> str:
    """What a person is told who asks who it is."""
    return named(tx, agent).name or agent.id


def _step(interaction: Interaction, step: Step) -> State:
    """The state after a step that the caller knows to be allowed."""
    reached = after(interaction.state, step)
    if reached is None:
        raise Conflict("not_possible", f"This interaction is {interaction.state}.")
    return reached


_AT_ONCE: Final = 50
"""In one transaction, each with some ten statements: the database may be milliseconds away."""
