"""A text from an agent: three doors (REST, a desktop's webhook, the desk), one corridor, which begins here.

What can be known at once is refused at once, with its cause; what only time tells comes as a notice (sending.py,
receipts.py). A refusal that concerns an interaction is *returned* and not raised, because its notice must be committed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from smsbridge.contracts.bridge import Account, Bridge, Sender
from smsbridge.contracts.disk import Room
from smsbridge.contracts.jobs import NewJob
from smsbridge.contracts.store import Tx
from smsbridge.domain.cause import Cause
from smsbridge.domain.characters import clean_text
from smsbridge.domain.errors import CannotSend, Conflict, FieldError, Invalid, NoRoom, NotFound
from smsbridge.domain.interaction import State
from smsbridge.domain.journal import EventType
from smsbridge.domain.message import (
    Agent,
    Attachment,
    AttachmentId,
    AttachmentState,
    Certainty,
    Direction,
    Interaction,
    Message,
    MessageId,
    NoticeKind,
    Number,
    Part,
    SmsCapable,
)
from smsbridge.domain.phone import sender_kind
from smsbridge.domain.status import Move, Status, advance, of_parts
from smsbridge.domain.text import count_segments, split_text
from smsbridge.flows import interactions, lanes
from smsbridge.flows.brakes import note_late_comer
from smsbridge.flows.journal import tell_of_message
from smsbridge.flows.notices import raise_notice
from smsbridge.flows.numbers import check_opt_out, configured_sender, known_capability, own_sender, read_recipient
from smsbridge.flows.rerouting import leave_open_circuit
from smsbridge.flows.resources import status_detail
from smsbridge.wire.http import NO_WEB_ADDRESS, is_web_address

SYSTEM_REASON: Final = "system_text"
"""The metadata key that marks a text of ours and says which. No draft may have it."""
STOP_CONFIRMATION: Final = "stop_confirmation"
"""The only text that goes out in spite of an opt-out: the confirmation of it."""
HELP_ANSWER: Final = "help_answer"


@dataclass(frozen=True, kw_only=True, slots=True)
class MediaItem:
    """Exactly one of the two: an address to fetch from, or an attachment uploaded before."""

    url: str = ""
    attachment_id: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Draft:
    """What an agent wants sent, and to whom: `to` a number, or into an interaction. `force` overrides a warning."""

    to: str = ""
    interaction_id: str = ""
    from_sender: str = ""
    text: str = ""
    media: tuple[MediaItem, ...] = ()
    agent: Agent | None = None
    client_reference: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    force: bool = False
    desktop: str = ""
    quick_reply: bool = False
    """To a contact and outside any interaction's window; see Message."""


def submit(tx: Tx, bridge: Bridge, draft: Draft) -> Message | CannotSend:
    """Takes the text: from here on it is sent, or somebody is told why not.

    Raises Invalid, NotFound or Conflict for what no agent needs to read in a transcript, and NoRoom.
    """
    if bridge.disk.room < Room.AMPLE:
        raise NoRoom("The disk is nearly full, so new texts are not taken. Nothing was kept: repeat it later.")
    if SYSTEM_REASON in draft.metadata:
        raise Invalid(
            f"{SYSTEM_REASON} is a key of ours.", FieldError(f"/metadata/{SYSTEM_REASON}", "choose another key")
        )
    draft = replace(draft, agent=interactions.named(tx, draft.agent))
    try:
        interaction, is_checked = _interaction_of(tx, bridge, draft)
    except CannotSend as refusal:
        return _refuse(tx, bridge, _known_interaction(tx, draft), refusal)
    try:
        sender = _check_sender(bridge, interaction, draft.from_sender)
        text = _check_text(bridge, draft)
        account = bridge.accounts[sender.account]
        attachments = _check_media(tx, bridge, account, draft.media)
        if not is_checked:
            _check_contact(tx, bridge, interaction, draft)
    except CannotSend as refusal:
        return _refuse(tx, bridge, interaction, refusal)
    if not draft.quick_reply:
        interaction = _take_part(tx, bridge, interaction, draft.agent)
    return _queue(tx, bridge, interaction, account, text, attachments, draft)


def cancel(tx: Tx, bridge: Bridge, message_id: str) -> Message:
    """Takes back a text that has not left. The claim of its job and this decide by who commits first."""
    message = _find(tx, message_id)
    if message.status is Status.CANCELLED:
        return message
    parts = tx.parts(message_id)
    if message.status is not Status.QUEUED or any(part.status is not Status.QUEUED for part in parts):
        raise Conflict("not_cancellable", f"This message is {message.status}; only a queued one can be cancelled.")
    tx.drop_jobs(lanes.send_lane(message.conversation_id), message.id)
    give_back_turns(tx, bridge, message)
    cancelled = [replace(part, status=advance(part.status, Move.CANCEL)) for part in parts]
    for part in cancelled:
        tx.update_part(message.id, part)
    return _restate(tx, bridge, message, cancelled)


def give_back_turns(tx: Tx, bridge: Bridge, message: Message) -> None:
    """Of a text that will not go: what waits behind it, or comes new, need not wait for it."""
    rates = (lanes.sender_target(message.sender), lanes.rate_of_account(message.account))
    tx.give_back_turns(rates, holder=message.id, now_ms=bridge.now_ms())


def retry(tx: Tx, bridge: Bridge, message_id: str, *, agent: Agent | None = None) -> Message | CannotSend:
    """Another attempt, because a person said so. Parts that arrived are left alone, files given by address that could
    not be had are fetched anew."""
    message, agent = _find(tx, message_id), interactions.named(tx, agent)
    if message.status not in _RETRYABLE:
        raise Conflict(
            "not_retryable", f"This message is {message.status}; only one that failed or is uncertain can be retried."
        )
    interaction = interactions.find(tx, message.interaction_id)
    if interaction.state is State.DONE:
        raise Conflict(
            "interaction_done", "The interaction is done. Create a new SMS interaction and write the text there."
        )
    if agent is not None:
        _check_open_to(tx, bridge, interaction, agent)
    draft = Draft(interaction_id=interaction.id, agent=agent, force=True)
    try:
        sender = _check_sender(bridge, interaction, "")
        _check_contact(tx, bridge, interaction, draft)
        attachments = _fetchable(tx.attachments(message.id))
    except CannotSend as refusal:
        return _refuse(tx, bridge, interaction, refusal)
    _take_part(tx, bridge, interaction, agent)
    now_ms = bridge.now_ms()
    if message.account not in bridge.accounts:  # the number has moved to another account since
        message = replace(message, account=sender.account)
    for attachment in attachments:
        tx.update_attachment(attachment)
    message = replace(
        message,
        give_up_at_ms=now_ms + _max_age_ms(bridge),
        held_for_media=_needs_preparing(bridge.accounts[message.account], attachments),
        sent_at_ms=None,
        cause=None,
    )
    parts = [replace(part, status=advance(part.status, Move.RETRY)) for part in tx.parts(message_id)]
    for part in parts:
        tx.update_part(message.id, part)
    for kind in (lanes.SETTLE, lanes.PREPARE):
        tx.drop_jobs(f"{kind}:{message.id}", message.id)
    _set_going(tx, bridge, message)
    note_late_comer(tx, message)
    return leave_open_circuit(tx, bridge, _restate(tx, bridge, message, parts))


def send_system_text(tx: Tx, bridge: Bridge, interaction: Interaction, text: str, *, why: str) -> None:
    """A text of ours: the one confirmation that the law allows after STOP, or the answer to HELP."""
    sender = bridge.senders.get(interaction.sender)
    if sender is None:
        return
    draft = Draft(text=text, metadata={SYSTEM_REASON: why})
    _queue(tx, bridge, interaction, bridge.accounts[sender.account], text, (), draft)


def settle_elsewhere(tx: Tx, bridge: Bridge, message: Message, due_at_ms: int) -> None:
    """A job that finds out what became of a send whose answer was lost."""
    tx.enqueue(
        NewJob(
            kind=lanes.SETTLE,
            queue=lanes.send_queue(message.account),
            lane=lanes.settle_lane(message.id),
            ref=message.id,
            due_at_ms=due_at_ms,
            created_at_ms=bridge.now_ms(),
        )
    )


def resend(tx: Tx, bridge: Bridge, message_id: str) -> None:
    """The part whose fate is unknown goes once more, because the carrier has not seen it or the policy says so."""
    message, parts = _find(tx, message_id), tx.parts(message_id)
    if all(part.status is not Status.UNCERTAIN for part in parts):
        return  # a receipt came first
    resent = [replace(part, status=advance(part.status, Move.RESEND)) for part in parts]
    for part in resent:
        tx.update_part(message.id, part)
    _enqueue_send(tx, bridge, message, due_at_ms=bridge.now_ms())
    note_late_comer(tx, message)
    _restate(tx, bridge, message, resent)


def send_the_rest(tx: Tx, bridge: Bridge, message: Message, parts: list[Part]) -> None:
    """A text of several parts had stopped at one that was bad or in doubt, and now that part is through."""
    statuses = {part.status for part in parts}
    if Status.QUEUED in statuses and statuses <= _UNDER_WAY:
        _enqueue_send(tx, bridge, message, due_at_ms=bridge.now_ms())


def _interaction_of(tx: Tx, bridge: Bridge, draft: Draft) -> tuple[Interaction, bool]:
    """The interaction the text belongs to, and whether its contact was checked before it was opened. Raises what design
    says for one that is over or somebody else's."""
    if draft.interaction_id:
        interaction = interactions.find(tx, draft.interaction_id)
        if draft.to and read_recipient(draft.to) != interaction.contact_number:
            raise Invalid(
                "The number is not the contact of this interaction.",
                FieldError("/to", "leave it out, or give the number of the interaction's contact"),
            )
        _check_open_to(tx, bridge, interaction, draft.agent)
        return interaction, False
    if not draft.to:
        raise Invalid("Nobody to send to.", FieldError("/to", "give a number, or an interaction_id"))
    number = read_recipient(draft.to)
    sender = own_sender(tx, bridge, draft.from_sender, number, draft.desktop)
    thread = tx.thread(number, sender.number)
    last = thread.interaction if thread else None
    if draft.quick_reply and last is not None:  # it stands beside what was said last, whatever became of that
        if draft.agent and last.state is State.ACTIVE:
            interactions.check_owner(tx, last, draft.agent)
        return last, False
    opens = last is None or last.state is State.DONE
    if opens:  # else the checks that follow put their notice there
        _check_number(tx, bridge, number, sender, draft)
    return interactions.reach(tx, bridge, number, sender, thread, draft.agent), opens


def _check_open_to(tx: Tx, bridge: Bridge, interaction: Interaction, agent: Agent | None) -> None:
    interactions.check_goes_on(tx, bridge, interaction)
    if interaction.state is State.ACTIVE and agent:
        interactions.check_owner(tx, interaction, agent)


def _check_number(tx: Tx, bridge: Bridge, number: str, sender: Sender, draft: Draft) -> None:
    """Before an interaction is opened for a text that would be refused: then there would be nothing in it."""
    check_opt_out(tx, sender.number, number)
    _check_capability(tx, bridge, number, draft)
    _check_text(bridge, draft)


def _check_sender(bridge: Bridge, interaction: Interaction, wanted: str) -> Sender:
    wanted = wanted.strip() or interaction.sender
    sender = configured_sender(bridge, wanted)
    if sender.number != interaction.sender:
        raise CannotSend(
            Cause.SENDER_MISMATCH,
            NoticeKind.WRONG_SENDER_NUMBER,
            f"This interaction is with {interaction.sender}. Leave `from` out, or give `to` instead of "
            f"`interaction_id` to write from {wanted}.",
            field="/from",
        )
    return sender


def _check_text(bridge: Bridge, draft: Draft) -> str:
    text = clean_text(draft.text)
    if not text.strip() and not draft.media:
        raise CannotSend(
            Cause.CONTENT_REJECTED,
            NoticeKind.CONTENT_REJECTED,
            "The message is empty: give a text, media, or both.",
            field="/text",
        )
    limit = bridge.policy.max_text_chars
    if len(text) > limit:
        raise CannotSend(
            Cause.CONTENT_REJECTED,
            NoticeKind.CONTENT_REJECTED,
            f"The text has {len(text)} characters; at most {limit} can be sent at once.",
            field="/text",
        )
    return text


def _check_media(tx: Tx, bridge: Bridge, account: Account, media: tuple[MediaItem, ...]) -> tuple[Attachment, ...]:
    """The attachments of the new message: uploads as they are kept, addresses still to be fetched."""
    abilities = account.adapter.abilities
    if media and not abilities.media:
        raise CannotSend(
            Cause.MEDIA_REJECTED,
            NoticeKind.ATTACHMENT_REFUSED,
            "This sender's carrier takes no attachments.",
            field="/media",
        )
    most = min(abilities.max_media, bridge.policy.max_attachments)
    if len(media) > most:
        raise CannotSend(
            Cause.MEDIA_REJECTED,
            NoticeKind.ATTACHMENT_REFUSED,
            f"{len(media)} attachments are too many; {most} can go with one message.",
            field="/media",
        )
    return tuple(_attach(tx, bridge, account, item, position) for position, item in enumerate(media))


def _attach(tx: Tx, bridge: Bridge, account: Account, item: MediaItem, position: int) -> Attachment:
    pointer = f"/media/{position}"
    copy_id = AttachmentId(bridge.ids.new("att_"))
    if item.url:
        if not is_web_address(item.url):
            raise Invalid("This address cannot be fetched.", FieldError(f"{pointer}/url", NO_WEB_ADDRESS))
        return Attachment(
            id=copy_id,
            position=position,
            direction=Direction.OUTBOUND,
            source_url=item.url,
            created_at_ms=bridge.now_ms(),
        )
    kept = tx.attachment(item.attachment_id)
    if kept is None or kept.state is not AttachmentState.STORED:
        raise Invalid(
            f"There is no stored attachment {item.attachment_id!r}.",
            FieldError(f"{pointer}/attachment_id", "upload it first with POST /v1/attachments"),
        )
    if kept.content_type not in account.adapter.abilities.media_types:
        raise CannotSend(
            Cause.MEDIA_REJECTED,
            NoticeKind.ATTACHMENT_REFUSED,
            f"The carrier does not take files of the type {kept.content_type}.",
            field=pointer,
        )
    # A message gets a row of its own: the same upload can go to several people, and erasing one erases only theirs.
    return replace(kept, id=copy_id, message_id=None, position=position, direction=Direction.OUTBOUND, source_url="")


def _fetchable(attachments: Sequence[Attachment]) -> list[Attachment]:
    """The same to be tried again. What was given by address may have been put right there; an upload that cannot be
    sent stays so."""
    if any(each.state is not AttachmentState.STORED and not each.source_url for each in attachments):
        raise CannotSend(
            Cause.MEDIA_REJECTED,
            NoticeKind.ATTACHMENT_REFUSED,
            "An attachment of this message cannot be sent. Write it anew with another one.",
        )
    return [
        each
        if each.state is AttachmentState.STORED
        else replace(each, state=AttachmentState.PENDING, problem=None, reason="")
        for each in attachments
    ]


def _needs_preparing(account: Account, attachments: Sequence[Attachment]) -> bool:
    """Whether files are still to be fetched, or to be made smaller for the carrier."""
    too_large = sum(each.size_bytes for each in attachments) > account.adapter.abilities.max_media_bytes
    return too_large or any(each.state is AttachmentState.PENDING for each in attachments)


def _check_contact(tx: Tx, bridge: Bridge, interaction: Interaction, draft: Draft) -> None:
    if sender_kind(interaction.contact_number) != "short_code":
        read_recipient(interaction.contact_number)  # a name that texted us cannot be answered, not even by force
    check_opt_out(tx, interaction.sender, interaction.contact_number)
    _check_capability(tx, bridge, interaction.contact_number, draft)


def _check_capability(tx: Tx, bridge: Bridge, number: str, draft: Draft) -> None:
    capability = None if draft.force else known_capability(tx, bridge, Number(number))
    if capability is not None and capability.sms_capable is SmsCapable.NO:
        raise CannotSend(
            Cause.NOT_MOBILE if capability.valid else Cause.INVALID_NUMBER,
            NoticeKind.NOT_SMS_CAPABLE,
            f"{capability.reason} Send it with `force: true` all the same.",
            field="/to",
            overridable=True,
            reason=capability.reason,
        )


def _refuse(tx: Tx, bridge: Bridge, interaction: Interaction | None, refusal: CannotSend) -> CannotSend:
    """The refusal as a notice in the transcript, where there is one."""
    if interaction is not None:
        raise_notice(
            tx,
            bridge,
            refusal.notice,
            refusal.cause,
            interaction,
            key=f"refused:{bridge.ids.new('')}",
            certainty=Certainty.POSSIBLE if refusal.overridable else Certainty.CERTAIN,
            reason=refusal.reason,
        )
    tx.afterwards(lambda: bridge.meter.count("suppressed_sends_total", reason=refusal.cause))
    return refusal


def _known_interaction(tx: Tx, draft: Draft) -> Interaction | None:
    """Where the agent who wrote this would look for the reason: the interaction named, or the one open with `to`."""
    if draft.interaction_id:
        return tx.interaction(draft.interaction_id)
    try:
        contact = tx.contact_by_number(read_recipient(draft.to))
    except CannotSend:
        return None
    conversations = tx.conversations_of(contact.id) if contact else []
    newest = tx.newest_interaction(conversations[0].id) if conversations else None
    return newest if newest is not None and newest.state is not State.DONE else None


def _take_part(tx: Tx, bridge: Bridge, interaction: Interaction, agent: Agent | None) -> Interaction:
    """Writing in a waiting interaction accepts it; writing in an ended one makes it active again."""
    if interaction.state is State.WAITING and agent is not None:
        return interactions.accept(tx, bridge, interaction.id, agent)
    if interaction.state is State.ENDED and bridge.policy.asynchronous:
        return interactions.reactivate_quietly(tx, bridge, interaction, agent)
    return interaction


def _queue(
    tx: Tx,
    bridge: Bridge,
    interaction: Interaction,
    account: Account,
    text: str,
    attachments: tuple[Attachment, ...],
    draft: Draft,
) -> Message:
    now_ms = bridge.now_ms()
    abilities = account.adapter.abilities
    segments = count_segments(text)
    message = Message(
        id=MessageId(bridge.ids.new("msg_")),
        direction=Direction.OUTBOUND,
        conversation_id=interaction.conversation_id,
        interaction_id=interaction.id,
        contact_id=interaction.contact_id,
        contact_number=interaction.contact_number,
        sender=interaction.sender,
        account=account.name,
        text=text,
        status=Status.QUEUED,
        agent=draft.agent,
        client_reference=draft.client_reference,
        metadata=draft.metadata,
        segments=segments.count,
        encoding=segments.encoding if text else "",
        units=segments.units,
        has_media=bool(attachments),
        held_for_media=_needs_preparing(account, attachments),
        created_at_ms=now_ms,
        give_up_at_ms=now_ms + _max_age_ms(bridge),
        quick_reply=draft.quick_reply,
    )
    tx.insert_message(message)
    tx.insert_parts(
        message.id,
        [
            Part(number=number, text=piece)
            for number, piece in enumerate(split_text(text, abilities.max_text_chars) or ("",), start=1)
        ],
    )
    for attachment in attachments:
        tx.insert_attachment(replace(attachment, message_id=message.id))
    tx.append_message(message)
    tx.touch_conversation(message.conversation_id, account.name, now_ms)
    tx.touch_interaction(interaction.id, now_ms)
    tell_of_message(tx, bridge, EventType.MESSAGE_CREATED, message, interaction.desktop)
    _set_going(tx, bridge, message)
    return leave_open_circuit(tx, bridge, message)


def _set_going(tx: Tx, bridge: Bridge, message: Message) -> None:
    """Sends it now or, with attachments that are not ready, once they are."""
    due_at_ms = bridge.now_ms()
    if message.held_for_media:
        _enqueue_preparation(tx, bridge, message)
        due_at_ms = message.give_up_at_ms or due_at_ms
    _enqueue_send(tx, bridge, message, due_at_ms=due_at_ms)


def _enqueue_send(tx: Tx, bridge: Bridge, message: Message, *, due_at_ms: int) -> None:
    tx.enqueue(
        NewJob(
            kind=lanes.SEND,
            queue=lanes.send_queue(message.account),
            lane=lanes.send_lane(message.conversation_id),
            ref=message.id,
            due_at_ms=due_at_ms,
            created_at_ms=bridge.now_ms(),
            give_up_at_ms=message.give_up_at_ms,
        )
    )


def _enqueue_preparation(tx: Tx, bridge: Bridge, message: Message) -> None:
    """Fetches what was given by address and scales down what is too large; then the send is expedited."""
    now_ms = bridge.now_ms()
    tx.enqueue(
        NewJob(
            kind=lanes.PREPARE,
            queue=lanes.PREPARE_QUEUE,
            lane=f"{lanes.PREPARE}:{message.id}",
            ref=message.id,
            due_at_ms=now_ms,
            created_at_ms=now_ms,
            give_up_at_ms=now_ms + bridge.policy.media_hold_ms,
        )
    )


def _restate(tx: Tx, bridge: Bridge, message: Message, parts: list[Part]) -> Message:
    status = of_parts(part.status for part in parts)
    restated = replace(message, status=status, cause=None)
    tx.update_message(restated)
    interaction = interactions.find(tx, message.interaction_id)
    tell_of_message(
        tx, bridge, EventType.MESSAGE_STATUS, restated, interaction.desktop, detail=status_detail(status, None)
    )
    return restated


def _find(tx: Tx, message_id: str) -> Message:
    message = tx.message(message_id)
    if message is None or message.direction is not Direction.OUTBOUND:
        raise NotFound("outbound message", message_id)
    return message


def _max_age_ms(bridge: Bridge) -> int:
    return int(bridge.policy.send_retry.max_age_s * 1000)


_UNDER_WAY: Final = frozenset({Status.QUEUED, Status.SENDING, Status.SENT, Status.DELIVERED})
_RETRYABLE: Final = frozenset({Status.FAILED, Status.UNDELIVERED, Status.UNCERTAIN})
