"""What carriers say became of our texts. Receipts come early, late, twice and in any order; the table decides."""

from __future__ import annotations

from dataclasses import dataclass, replace

from smsbridge.contracts.bridge import Bridge
from smsbridge.contracts.store import Arrived, PartRef, StoredReceipt, Tx
from smsbridge.domain.cause import NOT_CAPABLE, Cause, is_known
from smsbridge.domain.characters import clean_text
from smsbridge.domain.events import Receipt
from smsbridge.domain.journal import EventType
from smsbridge.domain.message import Attachment, Interaction, Message, MessageId, Part
from smsbridge.domain.notices import adds_to_unknown, notice_for
from smsbridge.domain.outcome import NO_EVIDENCE, Evidence
from smsbridge.domain.status import FAILURES, REPORT, Status, advance, of_parts
from smsbridge.flows.causes import keepable, note_code
from smsbridge.flows.journal import tell_of_message
from smsbridge.flows.notices import raise_notice
from smsbridge.flows.numbers import learn_capable, learn_incapable
from smsbridge.flows.outbound import send_the_rest
from smsbridge.flows.rerouting import recall_rerouting
from smsbridge.flows.resources import status_detail
from smsbridge.flows.restored import is_in_doubt_since_restore


def accept_receipt(tx: Tx, bridge: Bridge, account: str, receipt: Receipt) -> tuple[Arrived, str]:
    """Stores the receipt and applies it, or parks it until somebody knows whose carrier id that is."""
    arrived, outcome = _take(tx, bridge, account, receipt)
    if arrived is not Arrived.DUPLICATE:
        tx.afterwards(
            lambda: bridge.meter.count("receipts_total", carrier=account, status=receipt.status, outcome=outcome)
        )
    return arrived, outcome


def _take(tx: Tx, bridge: Bridge, account: str, receipt: Receipt) -> tuple[Arrived, str]:
    kept = StoredReceipt(
        key=receipt.key or f"{receipt.part_ref}:{receipt.carrier_message_id}:{receipt.status}:{receipt.evidence.code}",
        account=account,
        carrier_message_id=receipt.carrier_message_id,
        part_ref=receipt.part_ref,
        status=receipt.status,
        cause=receipt.cause,
        evidence=receipt.evidence,
        carrier_at_ms=receipt.carrier_at_ms,
        received_at_ms=bridge.now_ms(),
    )
    if not tx.insert_receipt(kept):
        return Arrived.DUPLICATE, "receipt"
    target = find_target(tx, account, receipt)
    if target is None:
        return Arrived.STORED, "parked"
    message = tx.message(target.message_id)
    if message is not None and message.account != account:
        message = recall_rerouting(tx, bridge, message, account, target.part_number)
    if message is None or message.account != account:
        return Arrived.IGNORED, "wrong_account"
    tx.settle_receipt(kept.key, account, target.message_id, target.part_number)
    return Arrived.STORED, "applied" if apply_report(tx, bridge, target, Report.of(receipt)) else "older"


def find_target(tx: Tx, account: str, receipt: Receipt) -> PartRef | None:
    """Whose receipt it is: by our own reference if the carrier echoed it, else by the carrier's id."""
    if receipt.part_ref:
        named = read_part_ref(receipt.part_ref)
        if named is not None and tx.message(named.message_id) is not None:
            return named
    return tx.part_by_carrier_id(account, receipt.carrier_message_id) if receipt.carrier_message_id else None


def write_part_ref(message_id: str, part_number: int, try_number: int) -> str:
    """Our reference for one try of one part, echoed by carriers that can."""
    return f"{message_id}.{part_number}.{try_number}"


def read_part_ref(text: str) -> PartRef | None:
    message_id, _, numbers = text.partition(".")
    part_number, _, try_number = numbers.partition(".")
    if not (message_id and part_number.isdecimal() and try_number.isdecimal() and len(numbers) < _MAX_NUMBERS):
        return None
    return PartRef(message_id=MessageId(message_id), part_number=int(part_number), try_number=int(try_number))


_MAX_NUMBERS = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """What is now known of one part, from a receipt, from the answer to the send, or from asking the carrier."""

    status: Status
    carrier_message_id: str = ""
    cause: Cause | None = None
    evidence: Evidence = NO_EVIDENCE

    def __post_init__(self) -> None:
        object.__setattr__(self, "carrier_message_id", clean_text(self.carrier_message_id))

    @classmethod
    def of(cls, receipt: Receipt) -> Report:
        return cls(
            status=receipt.status,
            carrier_message_id=receipt.carrier_message_id,
            cause=receipt.cause,
            evidence=receipt.evidence,
        )


def apply_report(tx: Tx, bridge: Bridge, target: PartRef, report: Report) -> bool:
    """Moves the part and its message as the table allows. False when it told nothing new.

    Once it is known whose carrier id that is, the receipts that were parked under it are applied too.
    """
    message = tx.message(target.message_id)
    if message is None:
        return False
    report = replace(report, evidence=keepable(report.evidence, message.contact_number))
    parts = tx.parts(message.id)
    part = next((each for each in parts if each.number == target.part_number), None)
    if part is not None and target.try_number > part.tries and is_in_doubt_since_restore(tx, message, part):
        part = replace(part, tries=target.try_number)  # it was made after the backup
    if part is None or target.try_number > part.tries:
        return False
    is_news = bool(report.carrier_message_id) and tx.link_carrier_id(message.account, report.carrier_message_id, target)
    changed = _move(tx, bridge, message, parts, part, report, stale=target.try_number < part.tries)
    if is_news:
        _apply_parked(tx, bridge, message.account, report.carrier_message_id, target)
    return changed


def _apply_parked(tx: Tx, bridge: Bridge, account: str, carrier_message_id: str, target: PartRef) -> None:
    """Receipts that overtook the answer to the send."""
    for parked in tx.parked_receipts(account, carrier_message_id):
        tx.settle_receipt(parked.key, account, target.message_id, target.part_number)
        report = Report(
            carrier_message_id=parked.carrier_message_id,
            status=parked.status,
            cause=parked.cause,
            evidence=parked.evidence,
        )
        apply_report(tx, bridge, target, report)


def _move(
    tx: Tx, bridge: Bridge, message: Message, parts: list[Part], part: Part, report: Report, *, stale: bool
) -> bool:
    if stale and report.status is not Status.DELIVERED:
        # An earlier try's news: the try that is running now decides. But then that carrier had the text.
        if not part.maybe_taken:
            tx.update_part(message.id, replace(part, maybe_taken=True))
        return False
    told = after_report(part, report)
    moved = replace(told, carrier_message_id=(not stale and report.carrier_message_id) or part.carrier_message_id)
    if moved == part:
        return False
    moved = replace(moved, maybe_taken=True)
    tx.update_part(message.id, moved)
    changed = told is not part
    if changed and report.cause is not None:
        note_code(tx, bridge, message.account, report.evidence)
    parts = [moved if each.number == part.number else each for each in parts]
    settled = settle_message(tx, bridge, message, parts)
    if message.status in _STOPPED:
        send_the_rest(tx, bridge, settled, parts)
    return changed


def after_report(part: Part, report: Report) -> Part:
    """The part once this is known of it, and the very same one where it tells nothing new.

    That it failed may be known before why: a receipt overtakes the answer that has the reason. So a reason is taken
    where none was known, however late it comes; the first that is known stays.
    """
    status = advance(part.status, REPORT[report.status])
    failed_already = part.status in FAILURES and report.status in FAILURES
    is_reason = failed_already and is_known(report.cause) and not is_known(part.cause)
    if status is part.status and not is_reason:
        return part
    return replace(part, status=status, cause=report.cause, evidence=report.evidence)


def settle_message(tx: Tx, bridge: Bridge, message: Message, parts: list[Part]) -> Message:
    """Gives the message the status and the cause that its parts add up to, tells of it, and raises the notice of a
    failure."""
    status = of_parts(part.status for part in parts)
    at_fault = _part_at_fault(message, status, parts)
    cause = None if status not in FAILURES else (at_fault and at_fault.cause) or Cause.UNKNOWN
    if (status, cause) == (message.status, message.cause):
        return message
    now_ms = bridge.now_ms()
    settled = replace(
        message,
        status=status,
        cause=cause,
        sent_at_ms=message.sent_at_ms or (now_ms if status in _LEFT else None),
        delivered_at_ms=message.delivered_at_ms or (now_ms if status is Status.DELIVERED else None),
    )
    tx.update_message(settled)
    # Nobody needs to hear of the moment of SENDING: news is on its way, or it is QUEUED as it was before.
    if status is Status.SENDING or (message.status, status) == (Status.SENDING, Status.QUEUED):
        return settled
    interaction = tx.interaction(message.interaction_id)
    desktop = interaction.desktop if interaction else ""
    tell_of_message(tx, bridge, EventType.MESSAGE_STATUS, settled, desktop, detail=status_detail(status, cause))
    if message.contact_number:  # not erased meanwhile
        _draw_conclusions(tx, bridge, settled)
    if interaction is not None:
        _tell_of_failure(tx, bridge, interaction, message, settled, parts, at_fault)
    return settled


def _part_at_fault(message: Message, status: Status, parts: list[Part]) -> Part | None:
    """Whose reason the message shows: one that is known before one that is not, first what it shows already."""
    failed = [part for part in parts if part.status in FAILURES and part.cause]
    return min(
        failed,
        key=lambda part: (not is_known(part.cause), part.cause is not message.cause, part.status is not status),
        default=None,
    )


def _tell_of_failure(
    tx: Tx,
    bridge: Bridge,
    interaction: Interaction,
    before: Message,
    message: Message,
    parts: list[Part],
    at_fault: Part | None,
) -> None:
    """Once, and once more where the reason came later and makes the agent do something else."""
    if message.cause is None:
        return
    if before.cause is not None and not (before.cause is Cause.UNKNOWN and adds_to_unknown(message.cause)):
        return
    what = "failed" if before.cause is None else "reason"
    raise_notice(
        tx,
        bridge,
        notice_for(message.cause),
        message.cause,
        interaction,
        # A retry by a person sets a new end, so its failure is told anew even if it never came to a try.
        key=f"{what}:{message.id}:{sum(part.tries for part in parts)}:{message.give_up_at_ms}",
        message=message,
        attachment=_attachment_at_fault(tx, message),
        evidence=at_fault.evidence if at_fault else NO_EVIDENCE,
    )


def _attachment_at_fault(tx: Tx, message: Message) -> Attachment | None:
    if message.cause is not Cause.MEDIA_REJECTED:
        return None
    return next((each for each in tx.attachments(message.id) if each.problem), None)


def _draw_conclusions(tx: Tx, bridge: Bridge, message: Message) -> None:
    """What an end says of the number itself, beyond this one text."""
    cause = message.cause
    if message.status is Status.DELIVERED:
        learn_capable(tx, bridge, message.contact_number)
    elif cause in NOT_CAPABLE:
        learn_incapable(
            tx,
            bridge,
            message.contact_number,
            "The carrier says that this number cannot receive texts.",
            valid=cause is not Cause.INVALID_NUMBER,
        )
    elif cause is Cause.OPTED_OUT:
        known = tx.opt_out(message.sender, message.contact_number)
        # What the contact said themselves keeps its time; and a START after this text was written says more than it.
        if known is None or (not known.opted_out and known.changed_at_ms <= message.created_at_ms):
            tx.set_opt_out(message.sender, message.contact_number, opted_out=True, at_ms=bridge.now_ms())


_STOPPED = FAILURES | {Status.UNCERTAIN}
_LEFT = frozenset({Status.SENT, Status.DELIVERED, Status.UNDELIVERED})
