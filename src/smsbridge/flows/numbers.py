"""What is known of a number before a text goes to it, and which of our senders it would come from.

In this order, the surest last: the shape, the numbering plan, what receipts taught us, the carrier's look-up.
"""

from __future__ import annotations

from dataclasses import dataclass

from smsbridge.contracts.bridge import Account, Bridge, Sender
from smsbridge.contracts.store import OptOutState, Tx
from smsbridge.domain.cause import Cause
from smsbridge.domain.errors import CannotSend, FieldError, Invalid
from smsbridge.domain.message import Capability, NoticeKind, Number, SmsCapable
from smsbridge.domain.phone import number_facts, read_number
from smsbridge.wire.http import Answered


@dataclass(frozen=True, kw_only=True, slots=True)
class NumberReport:
    """The answer to "can this number take texts?". `source`: number_type, receipts or lookup."""

    number: str
    valid: bool
    type: str
    sms_capable: SmsCapable
    reason: str
    source: str
    checked_at_ms: int
    opted_out: tuple[OptOutState, ...] = ()


def read_recipient(text: str) -> Number:
    """The number a text shall go to. Raises CannotSend(INVALID_NUMBER) with the sentence that says what is wrong."""
    try:
        return read_number(text.strip())
    except ValueError as error:
        raise CannotSend(Cause.INVALID_NUMBER, NoticeKind.NOT_SMS_CAPABLE, str(error), field="/to") from None


def own_sender(tx: Tx, bridge: Bridge, wanted: str, number: str, desktop: str = "") -> Sender:
    """The sender a text to `number` goes out from: the one asked for, else the last one used with it, else the
    desktop's default.

    Raises CannotSend(SENDER_NOT_OURS) for one that is not configured.
    """
    if wanted:
        return configured_sender(bridge, wanted)
    for used in tx.senders_used(number):
        if used in bridge.senders:
            return bridge.senders[used]
    default = bridge.desktops[desktop or bridge.default_desktop].default_sender
    if default:
        return bridge.senders[default]
    if bridge.senders:
        return next(iter(bridge.senders.values()))
    raise CannotSend(
        Cause.SENDER_NOT_OURS,
        NoticeKind.WRONG_SENDER_NUMBER,
        "No sender is configured: add one under [[senders]].",
        field="/from",
    )


def configured_sender(bridge: Bridge, wanted: str) -> Sender:
    """Raises CannotSend(SENDER_NOT_OURS) for one that is not configured."""
    sender = bridge.senders.get(wanted.strip())
    if sender is None:
        raise CannotSend(
            Cause.SENDER_NOT_OURS,
            NoticeKind.WRONG_SENDER_NUMBER,
            f"{wanted} is not one of our senders. GET /v1/senders lists them.",
            field="/from",
        )
    return sender


def check_opt_out(tx: Tx, sender: str, number: str) -> None:
    """Raises CannotSend(OPTED_OUT)."""
    opt_out = tx.opt_out(sender, number)
    if opt_out is not None and opt_out.opted_out:
        raise CannotSend(
            Cause.OPTED_OUT,
            NoticeKind.OPTED_OUT,
            "This contact has opted out of texts from this sender; only their own START brings them back.",
            field="/to",
        )


def known_capability(tx: Tx, bridge: Bridge, number: Number) -> Capability | None:
    """What memory or, without it, the numbering plan says. None: nothing is known."""
    now_ms = bridge.now_ms()
    learnt = tx.capability(number, now_ms)
    if learnt is not None:
        return learnt
    facts = number_facts(number)
    if facts.sms_capable is SmsCapable.UNKNOWN:
        return None
    return Capability(
        number=number,
        valid=facts.valid,
        type=facts.type,
        sms_capable=facts.sms_capable,
        reason=facts.reason,
        source="number_type",
        checked_at_ms=now_ms,
    )


def learn_incapable(tx: Tx, bridge: Bridge, number: str, reason: str, *, valid: bool) -> None:
    """A carrier is certain that this number takes no texts: remembered until it expires or the number texts us."""
    now_ms = bridge.now_ms()
    facts = number_facts(Number(number))
    tx.save_capability(
        Capability(
            number=number,
            valid=valid,
            type=facts.type,
            sms_capable=SmsCapable.NO,
            reason=reason,
            source="receipts",
            checked_at_ms=now_ms,
            expires_at_ms=now_ms + bridge.policy.capability_memory_ms,
        )
    )


def learn_capable(tx: Tx, bridge: Bridge, number: str) -> None:
    """A text was delivered there. Written only when it is news."""
    now_ms = bridge.now_ms()
    known = tx.capability(number, now_ms)
    if known is not None and known.sms_capable is SmsCapable.YES:
        return
    facts = number_facts(Number(number))
    tx.save_capability(
        Capability(
            number=number,
            valid=True,
            type=facts.type,
            sms_capable=SmsCapable.YES,
            reason="A text was delivered to this number.",
            source="receipts",
            checked_at_ms=now_ms,
            expires_at_ms=now_ms + bridge.policy.capability_memory_ms,
        )
    )


async def look_up_before(bridge: Bridge, text: str) -> None:
    """Before an agent begins with a number: what the carrier says is remembered, so that the warning comes before the
    first text. Nothing happens for what is no number."""
    try:
        number = read_number(text.strip())
    except ValueError:
        return
    await _learn(bridge, number)


async def report(bridge: Bridge, text: str) -> NumberReport:
    """Everything known, asking the carrier where that is configured and nothing better is at hand.

    Raises Invalid for what is no number.
    """
    try:
        number = read_number(text.strip())
    except ValueError as error:
        raise Invalid(str(error), FieldError("number", str(error)), cause=Cause.INVALID_NUMBER) from None
    learnt = await _learn(bridge, number)
    opt_outs = await bridge.store.read(lambda tx: tx.opt_outs_of(number))
    facts = number_facts(number)
    return NumberReport(
        number=number,
        valid=learnt.valid if learnt else facts.valid,
        type=learnt.type if learnt else facts.type,
        sms_capable=learnt.sms_capable if learnt else facts.sms_capable,
        reason=learnt.reason if learnt else facts.reason,
        source=learnt.source if learnt else "number_type",
        checked_at_ms=learnt.checked_at_ms if learnt else bridge.now_ms(),
        opted_out=tuple(state for state in opt_outs if state.opted_out),
    )


async def _learn(bridge: Bridge, number: Number) -> Capability | None:
    """What is remembered; else what the carrier says, where it is configured to be asked."""
    remembered = await bridge.store.read(lambda tx: tx.capability(number, bridge.now_ms()))
    return remembered or await _look_up(bridge, number)


async def _look_up(bridge: Bridge, number: Number) -> Capability | None:
    """The first account that may look numbers up is asked once; a failure of any kind means that nothing is known."""
    account = next((each for each in bridge.accounts.values() if _looks_up(each)), None)
    if account is None:
        return None
    question = account.adapter.write_lookup(number, bridge.now_ms())
    answer = await bridge.network.perform(question, timeout_s=account.timeout_s)
    if not isinstance(answer, Answered):
        return None
    found = account.adapter.read_lookup(number, answer.response, bridge.now_ms())
    if found is not None:
        await bridge.store.write(lambda tx: tx.save_capability(found))
    return found


def _looks_up(account: Account) -> bool:
    return account.lookup and account.adapter.abilities.lookup
