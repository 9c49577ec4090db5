"""A carrier's webhook, from the signature to the answer: verify, read, one transaction, acknowledge."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from smsbridge.contracts.bridge import Account, Bridge
from smsbridge.contracts.carrier import KeyWanted
from smsbridge.contracts.disk import Room
from smsbridge.contracts.jobs import NewJob
from smsbridge.contracts.spool import Spooled
from smsbridge.contracts.store import Arrival, Arrived, OptOutState, StoreUnavailable, Thread, Tx
from smsbridge.domain.cause import Cause
from smsbridge.domain.characters import clean_text
from smsbridge.domain.errors import BadSignature, Conflict, NoRoom, NotFound, Unauthenticated, Unavailable
from smsbridge.domain.events import (
    CarrierEvent,
    Handshake,
    Ignored,
    InboundMessage,
    OptOut,
    OptOutKind,
    Receipt,
    TextPart,
    Unrecognized,
    Withheld,
)
from smsbridge.domain.interaction import OPEN, EndReason, State
from smsbridge.domain.journal import EventType
from smsbridge.domain.message import (
    Attachment,
    AttachmentId,
    AttachmentProblem,
    AttachmentState,
    Certainty,
    Contact,
    Direction,
    Interaction,
    Message,
    MessageId,
    NoticeKind,
    Number,
)
from smsbridge.domain.phone import read_own_sender, read_sender_of_text
from smsbridge.domain.status import Status
from smsbridge.domain.text import count_segments, read_keyword
from smsbridge.flows import interactions, lanes, parts
from smsbridge.flows.journal import tell_of_message
from smsbridge.flows.notices import attachment_notice_key, raise_notice
from smsbridge.flows.outbound import HELP_ANSWER, STOP_CONFIRMATION, send_system_text
from smsbridge.flows.receipts import accept_receipt
from smsbridge.wire.encoding import Unreadable
from smsbridge.wire.http import Answered, Headers, Request, Response


@dataclass(frozen=True, kw_only=True, slots=True)
class WebhookReport:
    """What to answer, and what became of each event. `diagnosis` explains a signature that did not match."""

    response: Response
    outcomes: tuple[tuple[Arrived, str], ...]
    diagnosis: str = ""
    is_spooled: bool = False
    """The store cannot be reached: it is in the spool, and its outcomes are recorded when it is taken up."""

    @property
    def is_challenge(self) -> bool:
        """The request only asked for what it has to prove itself with: it comes again with that. Nothing is amiss."""
        return self.outcomes == _CHALLENGED


async def accept_webhook(bridge: Bridge, account_name: str, request: Request) -> WebhookReport:
    """Raises NotFound for an account that is not configured, StoreUnavailable or Unavailable when nothing could be
    kept."""
    account = bridge.accounts.get(account_name)
    if account is None:
        raise NotFound("carrier account", account_name)
    diagnosis = await _doubt(bridge, account, request)
    if isinstance(diagnosis, WebhookReport):
        return diagnosis
    events = read_events(account, request)
    if not all(isinstance(event, _TAKEN_WITHOUT_ROOM) for event in events):
        _check_room(bridge)
    await _shake_hands(bridge, events)
    response = account.adapter.acknowledge(events)
    if bridge.spool is not None and bridge.spool.depth:  # it goes behind what came before it
        await _spool(bridge, account, request)
        return WebhookReport(response=response, outcomes=(), diagnosis=diagnosis, is_spooled=True)
    try:
        outcomes = await bridge.store.write(
            lambda tx: accept_events(tx, bridge, account, request, events),
            patience_s=_PATIENCE_S if bridge.spool is not None else None,
        )
    except StoreUnavailable:
        if bridge.spool is None:
            raise
        await _spool(bridge, account, request)
        return WebhookReport(response=response, outcomes=(), diagnosis=diagnosis, is_spooled=True)
    return WebhookReport(response=response, outcomes=tuple(outcomes), diagnosis=diagnosis)


async def _doubt(bridge: Bridge, account: Account, request: Request) -> str | WebhookReport:
    """Why the sender of the request could not be proven, empty where it was; or, where that is the end of it, what is
    answered."""
    if account.verification == "off":
        return ""
    try:
        await _verify(bridge, account, request, bridge.now_ms())
    except BadSignature as bad:
        if account.verification != "enforce":
            return str(bad)
        if isinstance(bad, Unauthenticated):
            return WebhookReport(response=account.adapter.challenge, outcomes=_CHALLENGED, diagnosis=str(bad))
        _check_room(bridge)
        detail = bad.detail
        await bridge.store.write(lambda tx: quarantine(tx, bridge, "carrier", account.name, request, detail))
        refused = ((Arrived.REFUSED, "signature"),)
        return WebhookReport(response=account.adapter.refusal, outcomes=refused, diagnosis=str(bad))
    except Unavailable as without_key:
        if account.verification == "enforce":
            raise
        return str(without_key)
    return ""


async def _verify(bridge: Bridge, account: Account, request: Request, at_ms: int) -> None:
    """Raises BadSignature, or Unavailable where the key cannot be had that the carrier says it signed with."""
    try:
        account.adapter.verify(request, at_ms)
    except KeyWanted as wanted:
        url = wanted.request.url
        knowing = await bridge.keys.fetch(
            bridge.network, wanted.request, bridge.now_ms(), lambda key: account.adapter.with_key(url, key)
        )
        knowing.verify(request, at_ms)


async def _shake_hands(bridge: Bridge, events: Sequence[CarrierEvent]) -> None:
    """Raises Unavailable where the carrier does not agree: it will ask again."""
    for handshake in (event for event in events if isinstance(event, Handshake)):
        answer = await bridge.network.perform(Request(method="GET", url=handshake.url), timeout_s=_HANDSHAKE_S)
        if not isinstance(answer, Answered):
            detail = f"The carrier did not answer the handshake that it asked for: {answer.reason}."
            raise Unavailable(detail, retry_after_s=10)
        if not answer.response.ok:
            detail = f"The carrier answered the handshake that it asked for with HTTP {answer.response.status}."
            raise Unavailable(detail, retry_after_s=10)


async def _spool(bridge: Bridge, account: Account, request: Request) -> None:
    assert bridge.spool is not None  # noqa: S101 - both callers have looked
    kept = write_request(request)
    await bridge.spool.put(Spooled(account=account.name, at_ms=bridge.now_ms(), request=kept))


def _check_room(bridge: Bridge) -> None:
    if bridge.disk.room is Room.NONE:
        raise NoRoom("The disk is full.")


def read_events(account: Account, request: Request) -> list[CarrierEvent]:
    """Authentic bytes always give at least one event: what cannot be read is Unrecognized, not lost."""
    try:
        events = [storable(event) for event in account.adapter.read_webhook(request)]
    except Unreadable as unreadable:
        return [Unrecognized(reason=str(unreadable))]
    return events or [Unrecognized(reason="no event in it")]


def storable(event: CarrierEvent) -> CarrierEvent:
    """Ids and words as a store can keep them: one that it cannot would keep out all that came with it, again and again.
    A text is cleaned once it is whole, for its parts may divide a character."""
    match event:
        case InboundMessage(part=part):
            media = [
                replace(each, url=clean_text(each.url), content_type=clean_text(each.content_type))
                for each in event.media
            ]
            return replace(
                event,
                carrier_message_id=clean_text(event.carrier_message_id),
                media=tuple(media),
                part=part and replace(part, of=clean_text(part.of)),
            )
        case Withheld():
            return replace(event, carrier_message_id=clean_text(event.carrier_message_id))
        case Receipt():
            return replace(
                event,
                carrier_message_id=clean_text(event.carrier_message_id),
                part_ref=clean_text(event.part_ref),
                key=clean_text(event.key),
            )
        case Unrecognized(reason=reason) | Ignored(reason=reason):
            return replace(event, reason=clean_text(reason))
        case _:
            return event


def accept_events(
    tx: Tx, bridge: Bridge, account: Account, request: Request | None, events: Sequence[CarrierEvent]
) -> list[tuple[Arrived, str]]:
    """One transaction for the whole request; one recorded outcome for each event. `request` is None for what the
    carrier did not post and was found in its list."""
    outcomes = []
    for event in events:
        outcome, reason = _accept(tx, bridge, account, event)
        outcomes.append((outcome, reason))
        tx.add_arrival(
            Arrival(
                id=bridge.ids.new("arr_"),
                source="carrier",
                account=account.name,
                outcome=outcome,
                reason=reason if request else LISTED,
                kind=_KINDS[type(event)],
                at_ms=bridge.now_ms(),
                request=write_request(request) if request and outcome in _KEPT_WHOLE else b"",
            )
        )
    return outcomes


async def replay(bridge: Bridge, arrival_id: str) -> list[tuple[Arrived, str]]:
    """Takes a kept request through verification and reading again, after a secret or the code was mended.

    Its age is what it was when it came: a time limit in the signature does not run while it lies here.

    Raises NotFound, Conflict("not_kept") for one whose bytes were not kept, BadSignature when it still fails, or
    Unavailable when the carrier has to be asked for something and does not give it.
    """
    arrival = await bridge.store.read(lambda tx: tx.arrival(arrival_id))
    if arrival is None:
        raise NotFound("arrival", arrival_id)
    account = bridge.accounts.get(arrival.account)
    if not arrival.request or arrival.source != "carrier" or account is None:
        raise Conflict("not_kept", "Only refused, ignored and unrecognized carrier requests can be replayed.")
    request = read_request(arrival.request)
    if account.verification == "enforce":
        await _verify(bridge, account, request, arrival.at_ms)
    events = read_events(account, request)
    await _shake_hands(bridge, events)

    def accept_again(tx: Tx) -> list[tuple[Arrived, str]]:
        tx.mark_replayed(arrival_id, bridge.now_ms())
        return accept_events(tx, bridge, account, request, events)

    return await bridge.store.write(accept_again)


def write_request(request: Request) -> bytes:
    """A request as kept for replay. The body as Latin-1, which any bytes are: so a number in it can be found again,
    when the person is to be erased."""
    kept = [request.method, request.url, list(request.headers), request.body.decode("latin-1")]
    return json.dumps(kept, ensure_ascii=False).encode("utf-8", "surrogatepass")


def read_request(kept: bytes) -> Request:
    method, url, headers, body = json.loads(kept)
    return Request(
        method=method,
        url=url,
        headers=Headers((name, value) for name, value in headers),
        body=body.encode("latin-1"),
    )


def quarantine(tx: Tx, bridge: Bridge, source: str, name: str, request: Request, reason: str) -> None:
    """Anybody may post here, so what is kept of it is bounded at once, in number and in size."""
    tx.add_arrival(
        Arrival(
            id=bridge.ids.new("arr_"),
            source=source,
            account=name,
            outcome=Arrived.REFUSED,
            reason=reason[:200],
            kind="unknown",
            at_ms=bridge.now_ms(),
            request=write_request(request) if len(request.body) <= _LARGEST_KEPT else b"",
        )
    )
    tx.trim_refused(name, bridge.policy.retention.refused_kept)


def _accept(tx: Tx, bridge: Bridge, account: Account, event: CarrierEvent) -> tuple[Arrived, str]:
    match event:
        case InboundMessage(part=part) if part is not None and parts.is_joined(event, part):
            return _accept_part(tx, bridge, account, event, part)
        case InboundMessage():
            return accept_message(tx, bridge, account, event)
        case Withheld():
            return _accept_withheld(tx, bridge, account, event)
        case Receipt():
            return accept_receipt(tx, bridge, account.name, event)
        case OptOut():
            return _accept_opt_out(tx, bridge, account, event)
        case Handshake():
            return Arrived.STORED, "handshake"
        case Ignored(reason=reason):
            return Arrived.IGNORED, reason
        case Unrecognized(reason=reason):
            return Arrived.UNRECOGNIZED, reason


def accept_message(tx: Tx, bridge: Bridge, account: Account, event: InboundMessage) -> tuple[Arrived, str]:
    return accept_text(tx, bridge, account.name, event, answers_stop=account.adapter.abilities.answers_stop)


def accept_text(
    tx: Tx, bridge: Bridge, account: str, event: InboundMessage, *, answers_stop: bool
) -> tuple[Arrived, str]:
    """A text from a contact: contact, conversation, interaction, message, attachments, jobs.

    `answers_stop`: the carrier confirms a STOP itself.
    """
    now_ms = bridge.now_ms()
    thread = _thread_of(tx, event)
    # Where nothing is to be written before it, inserting the message tells as well.
    if not _goes_on(thread) and tx.has_inbound(account, event.carrier_message_id):
        return Arrived.DUPLICATE, "message"
    interaction, is_new = _interaction_of(tx, bridge, account, event, thread)
    text = clean_text(event.text)
    segments = count_segments(text)
    attachments = _announced(bridge, event)
    pending = any(each.state is AttachmentState.PENDING for each in attachments)
    message = Message(
        id=MessageId(bridge.ids.new("msg_")),
        direction=Direction.INBOUND,
        conversation_id=interaction.conversation_id,
        interaction_id=interaction.id,
        contact_id=interaction.contact_id,
        contact_number=interaction.contact_number,
        sender=interaction.sender,
        account=account,
        text=text,
        status=Status.RECEIVED,
        carrier_message_id=event.carrier_message_id,
        segments=segments.count,
        encoding=segments.encoding if text else "",
        units=segments.units,
        has_media=bool(attachments),
        held_for_media=pending,
        carrier_at_ms=event.carrier_at_ms,
        created_at_ms=now_ms,
    )
    if not tx.insert_message(message):
        return Arrived.DUPLICATE, "message"
    tx.append_message(message)
    for attachment in attachments:
        tx.insert_attachment(replace(attachment, message_id=message.id))
    if not is_new:
        tx.touch_conversation(message.conversation_id, account, now_ms)
        tx.touch_interaction(interaction.id, now_ms)
    seq = tell_of_message(
        tx,
        bridge,
        EventType.MESSAGE_RECEIVED,
        message,
        interaction.desktop,
        hold_until_ms=now_ms + bridge.policy.media_hold_ms if pending else None,
    )
    for attachment in attachments:
        _take_care_of(tx, bridge, interaction, replace(attachment, message_id=message.id), message, seq)
    _obey_keyword(tx, bridge, account, interaction, event, text, answers_stop=answers_stop)
    tx.forget_capability(message.contact_number)  # whatever was learnt or looked up, this number evidently can text
    return Arrived.STORED, "message"


def _accept_part(
    tx: Tx, bridge: Bridge, account: Account, event: InboundMessage, part: TextPart
) -> tuple[Arrived, str]:
    """A part of a long text is kept until the others are there. They come in any order."""
    if is_known(tx, account.name, event):
        return Arrived.DUPLICATE, "part"
    for text in parts.take_part(tx, bridge, account.name, event, part, _number_of(event), _our_sender(event.to_number)):
        accept_message(tx, bridge, account, text)
    return Arrived.STORED, "part"


def is_known(tx: Tx, account: str, event: InboundMessage | Withheld) -> bool:
    """Whether this text, or that it came, is in the transcript already or waits for its other parts."""
    if tx.has_inbound(account, event.carrier_message_id) or tx.has_text_part(account, event.carrier_message_id):
        return True
    return isinstance(event, Withheld) and tx.has_notice(_withheld_key(account, event))


def _withheld_key(account: str, event: Withheld) -> str:
    return f"withheld:{account}:{event.carrier_message_id}"


def _accept_withheld(tx: Tx, bridge: Bridge, account: Account, event: Withheld) -> tuple[Arrived, str]:
    """Only that a text came is known: the agent is told where it would stand. Should the carrier push it after all, it
    is a text like any other."""
    if is_known(tx, account.name, event):
        return Arrived.DUPLICATE, "withheld"
    interaction, is_new = _interaction_of(tx, bridge, account.name, event, _thread_of(tx, event))
    if not is_new:
        tx.touch_conversation(interaction.conversation_id, account.name, bridge.now_ms())
        tx.touch_interaction(interaction.id, bridge.now_ms())
    raise_notice(tx, bridge, NoticeKind.TEXT_WITHHELD, None, interaction, key=_withheld_key(account.name, event))
    return Arrived.STORED, "withheld"


def _thread_of(tx: Tx, event: InboundMessage | Withheld) -> Thread | None:
    return tx.thread(_number_of(event), _our_sender(event.to_number))


def _number_of(event: InboundMessage | Withheld) -> Number:
    return read_sender_of_text(clean_text(event.from_number))


def _goes_on(thread: Thread | None) -> bool:
    """Whether there is an open interaction: then a text needs no other."""
    return thread is not None and thread.interaction is not None and thread.interaction.state in OPEN


def _interaction_of(
    tx: Tx, bridge: Bridge, account: str, event: InboundMessage | Withheld, thread: Thread | None
) -> tuple[Interaction, bool]:
    """The interaction that a text belongs to, and whether its conversation was touched just now."""
    contact = thread.contact if thread else interactions.new_contact(bridge, _number_of(event))
    if thread is None:
        tx.insert_contact(contact)
    return _interaction_for(tx, bridge, account, contact, thread, _our_sender(event.to_number))


def _our_sender(to_number: str) -> str:
    """A text to a number that nobody configured is kept all the same, under the number as the carrier wrote it."""
    try:
        return read_own_sender(to_number)
    except ValueError:
        return clean_text(to_number)[:64]


def _interaction_for(
    tx: Tx, bridge: Bridge, account: str, contact: Contact, thread: Thread | None, sender: str
) -> tuple[Interaction, bool]:
    conversation = thread.conversation if thread else None
    newest = thread.interaction if thread else None
    if newest is not None:
        if newest.state in OPEN:
            return newest, False
        if newest.state is State.ENDED and bridge.policy.asynchronous:
            revived = interactions.reactivate_quietly(tx, bridge, newest, None)
            return interactions.offer(tx, bridge, revived, contact), False
    is_new = conversation is None
    if conversation is None:
        conversation = interactions.new_conversation(bridge, contact, sender, account)
        tx.insert_conversation(conversation)
    configured = bridge.senders.get(sender)
    desktop = configured.desktop if configured else bridge.default_desktop
    opened = interactions.open_interaction(tx, bridge, conversation, direction=Direction.INBOUND, desktop=desktop)
    return interactions.offer(tx, bridge, opened, contact), is_new


def _announced(bridge: Bridge, event: InboundMessage) -> list[Attachment]:
    """The attachments as the carrier announces them; those it counts but does not list are rejected at once."""
    now_ms = bridge.now_ms()
    listed = [
        Attachment(
            id=AttachmentId(bridge.ids.new("att_")),
            position=position,
            content_type=media.content_type[:100],
            filename=clean_text(media.filename)[:100],
            source_url=media.url,
            created_at_ms=now_ms,
        )
        for position, media in enumerate(event.media[: bridge.policy.max_attachments])
    ]
    missing = event.media_missing + max(0, len(event.media) - bridge.policy.max_attachments)
    lost = [
        Attachment(
            id=AttachmentId(bridge.ids.new("att_")),
            position=len(listed) + number,
            state=AttachmentState.REJECTED,
            problem=AttachmentProblem.MISSING,
            created_at_ms=now_ms,
        )
        for number in range(min(missing, bridge.policy.max_attachments))
    ]
    return listed + lost


def _take_care_of(
    tx: Tx,
    bridge: Bridge,
    interaction: Interaction,
    attachment: Attachment,
    message: Message,
    seq: int,
) -> None:
    """A job to fetch it, or the notice that it cannot be had."""
    if attachment.state is AttachmentState.REJECTED:
        raise_notice(
            tx,
            bridge,
            NoticeKind.ATTACHMENT_PROBLEM,
            Cause.MEDIA_REJECTED,
            interaction,
            key=attachment_notice_key(attachment),
            message=message,
            attachment=attachment,
        )
        return
    now_ms = bridge.now_ms()
    tx.enqueue(
        NewJob(
            kind=lanes.FETCH,
            queue=lanes.media_queue(message.account),
            lane=f"{lanes.FETCH}:{attachment.id}",
            ref=f"{attachment.id}:{seq}",
            due_at_ms=now_ms,
            created_at_ms=now_ms,
            give_up_at_ms=now_ms + bridge.policy.media_give_up_ms,
        )
    )


def _obey_keyword(
    tx: Tx,
    bridge: Bridge,
    account: str,
    interaction: Interaction,
    event: InboundMessage,
    text: str,
    *,
    answers_stop: bool,
) -> None:
    """STOP, START and HELP, whether the carrier matched the word or we do."""
    if event.opt_out is None and (len(text) > _LONGEST_KEYWORD or read_keyword(text, opted_out=True) is None):
        return
    known = tx.opt_out(interaction.sender, interaction.contact_number)
    is_opted_out = known is not None and known.opted_out
    kind = event.opt_out or read_keyword(text, opted_out=is_opted_out)
    is_last = _is_said_last(known, account, event.carrier_at_ms)
    if kind is None or is_last is False:
        return
    answered = event.opt_out is not None or answers_stop
    said = Said(account=account, carrier_at_ms=event.carrier_at_ms, key=event.carrier_message_id)
    match kind:
        case OptOutKind.STOP:
            stop(tx, bridge, interaction, said)
            if not answered and not is_opted_out and bridge.policy.stop_confirmation:
                send_system_text(tx, bridge, interaction, bridge.policy.stop_confirmation, why=STOP_CONFIRMATION)
        case OptOutKind.START if is_last is None and is_opted_out:
            _tell_of_doubtful_start(tx, bridge, interaction, said)
        case OptOutKind.START:
            start(tx, bridge, interaction, said)
        case OptOutKind.HELP:
            if not answered and not is_opted_out and bridge.policy.help_answer:
                send_system_text(tx, bridge, interaction, bridge.policy.help_answer, why=HELP_ANSWER)


def _is_said_last(known: OptOutState | None, account: str, carrier_at_ms: int | None) -> bool | None:
    """Whether the contact has said nothing newer since: a text found in the carrier's list may be hours old. None where
    two clocks, the carrier's and ours, do not tell.

    One carrier's times are compared as they are; of two that are equal, for it counts whole seconds, the later to come
    is the later.
    """
    if known is None or carrier_at_ms is None:
        return True
    if known.carrier_at_ms is not None and known.account == account:
        if carrier_at_ms >= known.carrier_at_ms:
            return True
        # What was said before had a time still to come, so its clock was wrong, then at least: it does not outdo all
        # that is said until then.
        was_ahead = known.carrier_at_ms > known.changed_at_ms + _CLOCKS_APART_MS
        return None if was_ahead and carrier_at_ms >= known.changed_at_ms - _CLOCKS_APART_MS else False
    if abs(carrier_at_ms - known.changed_at_ms) <= _CLOCKS_APART_MS:
        return None
    return carrier_at_ms > known.changed_at_ms


@dataclass(frozen=True, kw_only=True, slots=True)
class Said:
    """By which text the contact stopped or started. `key` tells one such from another."""

    key: str
    account: str = ""
    carrier_at_ms: int | None = None


def stop(tx: Tx, bridge: Bridge, interaction: Interaction, said: Said) -> None:
    """The contact wants no more texts from this sender: honoured at once, told to the agent, the interaction ends."""
    _set_opt_out(tx, bridge, interaction, said, opted_out=True)
    raise_notice(tx, bridge, NoticeKind.OPTED_OUT, None, interaction, key=f"stop:{interaction.id}:{said.key}")
    tx.afterwards(lambda: bridge.meter.count("optouts_total", action="stop"))
    if interaction.state in OPEN:
        interactions.end(tx, bridge, interaction.id, reason=EndReason.OPTED_OUT)


def start(tx: Tx, bridge: Bridge, interaction: Interaction, said: Said) -> None:
    _set_opt_out(tx, bridge, interaction, said, opted_out=False)
    raise_notice(tx, bridge, NoticeKind.OPTED_IN, None, interaction, key=f"start:{interaction.id}:{said.key}")
    tx.afterwards(lambda: bridge.meter.count("optouts_total", action="start"))


def _set_opt_out(tx: Tx, bridge: Bridge, interaction: Interaction, said: Said, *, opted_out: bool) -> None:
    tx.set_opt_out(
        interaction.sender,
        interaction.contact_number,
        opted_out=opted_out,
        at_ms=bridge.now_ms(),
        account=said.account,
        carrier_at_ms=said.carrier_at_ms,
    )


def _tell_of_doubtful_start(tx: Tx, bridge: Bridge, interaction: Interaction, said: Said) -> None:
    """Perhaps they said STOP after it: so they get no texts, and the agent hears that they may want some."""
    raise_notice(
        tx,
        bridge,
        NoticeKind.OPTED_OUT,
        None,
        interaction,
        key=f"start:{interaction.id}:{said.key}",
        certainty=Certainty.POSSIBLE,
    )


def _accept_opt_out(tx: Tx, bridge: Bridge, account: Account, event: OptOut) -> tuple[Arrived, str]:
    """A carrier's word apart from any text. Without an interaction there is nobody to tell, but it is honoured."""
    number = read_sender_of_text(clean_text(event.contact_number))
    sender = _our_sender(event.sender)
    thread = tx.thread(number, sender)
    wanted = event.kind is OptOutKind.STOP
    known = tx.opt_out(sender, number)
    if event.kind is OptOutKind.HELP:
        return Arrived.IGNORED, "help"
    if known is not None and known.opted_out is wanted:
        return Arrived.DUPLICATE, "opt_out"
    if thread is None or thread.interaction is None:
        tx.set_opt_out(sender, number, opted_out=wanted, at_ms=bridge.now_ms())
    elif wanted:
        stop(tx, bridge, thread.interaction, Said(key=f"{account.name}:{bridge.now_ms()}"))
    else:
        start(tx, bridge, thread.interaction, Said(key=f"{account.name}:{bridge.now_ms()}"))
    return Arrived.STORED, "opt_out"


_PATIENCE_S = 1.2
"""The least patient carrier waits 2 s (Telnyx). Should it be kept after all, what the spool has is a duplicate."""
_CHALLENGED = ((Arrived.REFUSED, "challenge"),)
_HANDSHAKE_S = 8.0
"""With the time for a key it is within the 15 s that SNS waits for an answer."""
_TAKEN_WITHOUT_ROOM = (Receipt, OptOut, Handshake)
"""What is small, ends something that was begun, and comes but once."""
LISTED = "listed"
"""The reason in the record of what the carrier did not post and was found in its list."""

_CLOCKS_APART_MS = 2_000
"""As far as a carrier's clock and ours may differ, and a carrier that counts whole seconds be behind."""
_LARGEST_KEPT = 32_768  # ten segments in any encoding are half of it
_LONGEST_KEYWORD = 40
_KEPT_WHOLE = frozenset({Arrived.IGNORED, Arrived.UNRECOGNIZED, Arrived.REFUSED})
_KINDS = {
    InboundMessage: "message",
    Withheld: "withheld",
    Receipt: "receipt",
    OptOut: "opt_out",
    Handshake: "handshake",
    Ignored: "ignored",
    Unrecognized: "unrecognized",
}
