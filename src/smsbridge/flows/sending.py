"""Handing texts to a carrier: one part at a time, each at most once without proof that the carrier does not have it."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from smsbridge.contracts.bridge import Account, Bridge
from smsbridge.contracts.carrier import FindQuery, Undecided
from smsbridge.contracts.jobs import Done, Job, JobEnd, Later
from smsbridge.contracts.store import PartRef, RateLimit, Tx
from smsbridge.domain.cause import PASSING, Cause
from smsbridge.domain.message import (
    AttachmentState,
    Certainty,
    Message,
    MessageId,
    NoticeKind,
    OutboundPart,
    Part,
)
from smsbridge.domain.outcome import (
    NO_EVIDENCE,
    Accepted,
    Evidence,
    Rejected,
    RetryLater,
    Scope,
    SendOutcome,
    Uncertain,
)
from smsbridge.domain.retry import next_due_ms
from smsbridge.domain.status import FINAL, Move, Status, advance
from smsbridge.domain.text import count_segments
from smsbridge.flows import lanes
from smsbridge.flows.brakes import hold_until_ms, holding, observing, reason_of, sign_of, sparing
from smsbridge.flows.causes import keepable, note_code
from smsbridge.flows.links import write_media_link
from smsbridge.flows.notices import raise_notice
from smsbridge.flows.outbound import (
    STOP_CONFIRMATION,
    SYSTEM_REASON,
    give_back_turns,
    resend,
    send_the_rest,
    settle_elsewhere,
)
from smsbridge.flows.receipts import Report, after_report, apply_report, settle_message, write_part_ref
from smsbridge.flows.rerouting import reroute, second_account
from smsbridge.flows.restored import is_from_before_restore, is_sending_paused
from smsbridge.wire.http import Answered, MaybeSent, NotSent, Performed, Response


@dataclass(frozen=True, kw_only=True, slots=True)
class Sending:
    """One part on its way out. `target` names this very try."""

    job: Job
    message: Message
    part: Part
    account: Account
    outbound: OutboundPart
    is_last: bool
    """No part waits behind this one."""
    second: Account | None
    """Who may be given it if this account does not take it."""

    @property
    def target(self) -> PartRef:
        return PartRef(message_id=self.message.id, part_number=self.part.number, try_number=self.part.tries)


def begin_send(bridge: Bridge) -> Callable[[Tx, Job], Sending | JobEnd]:
    """The claiming transaction: is it still to be sent, may it be sent now, and: an attempt starts."""

    def begin(tx: Tx, job: Job) -> Sending | JobEnd:
        message = tx.message(job.ref)
        if message is None:
            return Done(facts={"outcome": "nothing_to_send"})
        parts = tx.parts(message.id)
        in_flight = next((part for part in parts if part.status is Status.SENDING), None)
        if in_flight is not None:
            # The attempt before this one began and was never closed: the process died with the bytes perhaps gone.
            doubt(tx, bridge, message, in_flight, "the attempt was interrupted")
            return Done(facts={"outcome": "uncertain", "reason": "interrupted"})
        part = next((each for each in parts if each.status is Status.QUEUED), None)
        if part is None or message.status in FINAL or message.status is Status.UNCERTAIN:
            return Done(facts={"outcome": "nothing_to_send"})
        account = bridge.accounts.get(message.account)
        refusal = last_look(tx, bridge, message, account)
        if refusal is not None or account is None:
            fail(tx, bridge, message, part, refusal or Rejected(cause=Cause.SENDER_NOT_OURS))
            return Done(facts={"outcome": "refused"})
        if is_sending_paused(tx):
            return Later(due_at_ms=bridge.now_ms() + _PAUSED_MS, counts=False, facts={"outcome": "paused"})
        sender_brake = tx.brake(lanes.sender_target(message.sender))
        if sender_brake.is_on(bridge.now_ms()):
            held = _wait_until(tx, bridge, message, sender_brake.free_at_ms, "sender_held")
            # It looks again in between: an operator may have released the sender.
            return replace(held, due_at_ms=min(held.due_at_ms, bridge.now_ms() + _LOOK_AGAIN_MS))
        wait_ms = _wait_for_rate(tx, bridge, message, part, parts, account)
        if wait_ms:
            return _wait_until(tx, bridge, message, bridge.now_ms() + wait_ms, "rate_limited_by_us")
        started = replace(part, status=advance(part.status, Move.CLAIM), tries=part.tries + 1, absent_since_ms=None)
        tx.update_part(message.id, started)
        others = [started if each.number == part.number else each for each in parts]
        message = settle_message(tx, bridge, message, others)
        return Sending(
            job=job,
            message=message,
            part=started,
            account=account,
            outbound=_outbound(tx, bridge, message, started),
            is_last=all(each.status is not Status.QUEUED for each in others),
            second=second_account(tx, bridge, message, others),
        )

    return begin


def _wait_until(tx: Tx, bridge: Bridge, message: Message, at_ms: int, outcome: str) -> Later:
    due_at_ms = min(at_ms, message.give_up_at_ms or sys.maxsize)
    tell_of_delay(tx, bridge, message, Cause.RATE_LIMITED, due_at_ms)
    return Later(due_at_ms=due_at_ms, counts=False, facts={"outcome": outcome})


async def send(bridge: Bridge, sending: Sending) -> JobEnd:
    """Performs the one request and says how it ended, and what it showed of the carrier."""
    account = sending.account
    request = account.adapter.write_send(sending.outbound)
    performed = await bridge.network.perform(
        request, timeout_s=account.timeout_s, fresh=True, before_leaving=sending.job.check_ours
    )
    outcome = read_outcome(account, performed)
    bridge.meter.count(
        "carrier_requests_total", carrier=account.name, operation="send", outcome=_OUTCOME_WORDS[type(outcome)]
    )
    bridge.meter.observe("carrier_request_seconds", performed.elapsed_ms / 1000, carrier=account.name, operation="send")
    facts = {
        "message_id": sending.message.id,
        "outcome": _OUTCOME_WORDS[type(outcome)],
        "carrier_ms": performed.elapsed_ms,
        "code": outcome.evidence.code,
    }
    end = _end(bridge, sending, outcome, facts)
    if isinstance(outcome, RetryLater) and _asks_for_time(outcome):
        target = sending.job.queue if outcome.scope is Scope.ACCOUNT else lanes.sender_target(sending.message.sender)
        until_ms = hold_until_ms(bridge, outcome, bridge.policy.send_retry.first_s)
        end = holding(end, target, until_ms, f"{outcome.cause} {outcome.evidence.code}".strip())
    if account.reroute_causes:
        end = _hurrying(end, bridge, sending.job)
    return observing(end, bridge, sending.job, sign_of(performed), reason_of(performed))


def _end(bridge: Bridge, sending: Sending, outcome: SendOutcome, facts: dict[str, object]) -> JobEnd:
    match outcome:
        case RetryLater() | Rejected() if sending.second and outcome.cause in sending.account.reroute_causes:
            return _go_another_way(bridge, sending, sending.second, outcome, facts)
        case Accepted():

            def record(tx: Tx) -> None:
                _record_accepted(tx, bridge, sending, outcome)

            if sending.is_last:
                return Done(write=record, facts=facts)
            return Later(due_at_ms=bridge.now_ms(), counts=False, write=record, facts=facts)
        case RetryLater():
            return _wait_or_give_up(bridge, sending, outcome, facts)
        case Rejected():
            return Done(write=lambda tx: fail(tx, bridge, sending.message, sending.part, outcome), facts=facts)
        case Uncertain(reason=reason):

            def record_doubt(tx: Tx) -> None:
                doubt(tx, bridge, sending.message, sending.part, reason)

            if sending.is_last:
                return Done(write=record_doubt, facts=facts)
            # A receipt may have come before the answer got lost: then there is no doubt, and the next part goes.
            return Later(due_at_ms=bridge.now_ms(), counts=False, write=record_doubt, facts=facts)


def _go_another_way(
    bridge: Bridge, sending: Sending, second: Account, outcome: RetryLater | Rejected, facts: dict[str, object]
) -> JobEnd:
    """To the second account, at once: the first has not taken it and is the one at fault."""

    def write(tx: Tx) -> None:
        evidence = _put_back(tx, bridge, sending, outcome)
        current = tx.message(sending.message.id)
        if current is None or current.status is not Status.QUEUED:
            return  # a receipt came first, or somebody took it back
        # Asked once more: a receipt may have told meanwhile that the first has it from an earlier try.
        if second_account(tx, bridge, current, tx.parts(current.id)) is second:
            reroute(tx, bridge, current, second, outcome.cause, evidence)

    facts = {**facts, "outcome": "rerouted", "through": second.name}
    return Later(due_at_ms=bridge.now_ms(), counts=False, write=write, facts=facts)


def _hurrying(end: JobEnd, bridge: Bridge, job: Job) -> JobEnd:
    """The same end; what waits behind a circuit that is open now is looked after at once (flows/rerouting.py)."""

    def write(tx: Tx) -> None:
        end.write(tx)
        if tx.brake(job.queue).is_open:
            tx.expedite(lanes.UPKEEP, "", bridge.now_ms())

    return replace(end, write=write)


def _asks_for_time(outcome: RetryLater) -> bool:
    """More than this one text has to wait. A carrier that cannot be reached asks for nothing: its circuit opens."""
    is_wider = outcome.scope is not Scope.TEXT
    return is_wider and (outcome.after_s is not None or outcome.cause is not Cause.CARRIER_OUTAGE)


def read_outcome(account: Account, performed: Performed) -> SendOutcome:
    """Whether the bytes left decides between *retry* and *uncertain*; what was answered is the adapter's to read."""
    match performed:
        case Answered(response=response):
            return account.adapter.read_send(response)
        case NotSent(reason=reason):
            return RetryLater(cause=Cause.CARRIER_OUTAGE, evidence=Evidence(text=reason))
        case MaybeSent(status=status) if status is not None and 400 <= status < 500:
            # The refusal broke off after its first line, which is enough to know that it is one.
            return account.adapter.read_send(Response(status=status))
        case MaybeSent(reason=reason, status=status):
            return Uncertain(reason=reason, evidence=Evidence(text=reason, http_status=status))


def give_up_send(tx: Tx, bridge: Bridge, job: Job) -> None:
    """Our own error, again and again: in doubt if the bytes may have left, else failed."""
    message = tx.message(job.ref)
    part = next((each for each in tx.parts(job.ref) if each.status in _UNFINISHED), None)
    if message is None or part is None or message.status not in _UNFINISHED:
        return
    if part.status is Status.SENDING:
        doubt(tx, bridge, message, part, "the attempt crashed")
    else:
        fail(tx, bridge, message, part, Rejected(cause=Cause.UNKNOWN, evidence=Evidence(text="an error of the bridge")))


def fail(tx: Tx, bridge: Bridge, message: Message, part: Part, outcome: Rejected) -> None:
    """The carrier certainly does not have it and never will. Parts after it are not sent: half a text is worse."""
    current = tx.message(message.id)
    if current is None:
        return
    evidence = keepable(outcome.evidence, current.contact_number)
    report = Report(status=Status.FAILED, cause=outcome.cause, evidence=evidence)
    parts = tx.parts(message.id)
    # What receipts said meanwhile is as true: one that failed keeps its reason, one that was delivered did not fail.
    told = [after_report(each, report) if each.number == part.number else each for each in parts]
    if Status.DELIVERED not in {each.status for each in told if each.number == part.number}:
        told = [_not_sent(each) if each.status is Status.QUEUED else each for each in told]
    for before, after in zip(parts, told, strict=True):
        if after is not before:
            tx.update_part(message.id, after)
    note_code(tx, bridge, message.account, evidence)
    give_back_turns(tx, bridge, message)
    settled = settle_message(tx, bridge, current, told)
    send_the_rest(tx, bridge, settled, told)


def _not_sent(part: Part) -> Part:
    return replace(part, status=advance(part.status, Move.REPORT_FAILED), cause=None, evidence=NO_EVIDENCE)


def doubt(tx: Tx, bridge: Bridge, message: Message, part: Part, reason: str) -> None:
    """The bytes left and no answer came: nobody may send it again before somebody knows."""
    current = tx.message(message.id)
    if current is None:
        return
    parts = []
    for each in tx.parts(message.id):
        moved = each
        if each.number == part.number and advance(each.status, Move.DOUBT) is not each.status:
            moved = replace(
                each, status=advance(each.status, Move.DOUBT), maybe_taken=True, evidence=Evidence(text=reason)
            )
            tx.update_part(message.id, moved)
        parts.append(moved)
    if any(each.status is Status.UNCERTAIN for each in parts):
        settled = settle_message(tx, bridge, current, parts)
        settle_elsewhere(tx, bridge, settled, bridge.now_ms() + bridge.policy.settle_after_ms[0])


@dataclass(frozen=True, kw_only=True, slots=True)
class Settling:
    """An uncertain part and what is asked about it."""

    job: Job
    message: Message
    part: Part
    account: Account
    query: FindQuery
    may_resend: bool
    """Whether the policy is asked, should nobody know."""
    again: OutboundPart | None
    """The same send, where repeating it makes no second text."""

    @property
    def target(self) -> PartRef:
        return PartRef(message_id=self.message.id, part_number=self.part.number, try_number=self.part.tries)


def begin_settle(bridge: Bridge) -> Callable[[Tx, Job], Settling | JobEnd]:
    def begin(tx: Tx, job: Job) -> Settling | JobEnd:
        message = tx.message(job.ref)
        part = next((each for each in tx.parts(job.ref) if each.status is Status.UNCERTAIN), None)
        account = bridge.accounts.get(message.account) if message else None
        if message is None or part is None or not message.contact_number:
            return Done(facts={"outcome": "already_settled"})  # by a receipt, by an agent, or by erasing the contact
        if account is None:
            leave_to_the_agent(tx, bridge, message.id)
            return Done(facts={"outcome": "cannot_be_asked"})
        since_ms = message.created_at_ms
        return Settling(
            job=job,
            message=message,
            part=part,
            account=account,
            may_resend=not is_from_before_restore(tx, message),
            query=FindQuery(
                ref=write_part_ref(message.id, part.number, part.tries),
                sender=message.sender,
                to=message.contact_number,
                text=part.text,
                has_media=message.has_media and part.number == 1,
                sent_after_ms=since_ms,
                known_ids=tx.carrier_ids_to(message.account, message.contact_number, since_ms - _EARLIER_MS),
            ),
            again=_outbound(tx, bridge, message, part) if _may_repeat(tx, bridge, message, account) else None,
        )

    return begin


def _may_repeat(tx: Tx, bridge: Bridge, message: Message, account: Account) -> bool:
    """Nobody wrote down when this try left; certainly not before the text was written."""
    window_ms = account.adapter.abilities.repeat_safe_ms
    if window_ms is None or is_sending_paused(tx) or is_from_before_restore(tx, message):
        return False
    if last_look(tx, bridge, message, account) is not None:
        return False
    return bridge.now_ms() + account.timeout_s * 1000 < message.created_at_ms + window_ms


async def settle(bridge: Bridge, settling: Settling) -> JobEnd:
    """Finds out whether the carrier has the text, at the times of `sending.settle_after`; then the policy decides."""
    account = settling.account
    if settling.again is not None:
        request = account.adapter.write_send(settling.again)
        performed = await bridge.network.perform(
            request, timeout_s=account.timeout_s, fresh=True, before_leaving=settling.job.check_ours
        )
        end = _repeated(bridge, settling, performed)
        return observing(end, bridge, settling.job, sign_of(performed), reason_of(performed))
    if not account.adapter.abilities.find:
        return sparing(_settled(bridge, settling, None), bridge, settling.job)
    request = account.adapter.write_find(settling.query)
    performed = await bridge.network.perform(request, timeout_s=account.timeout_s, max_bytes=_LIST_BYTES)
    end = _settled(bridge, settling, performed)
    return observing(end, bridge, settling.job, sign_of(performed), reason_of(performed))


def _repeated(bridge: Bridge, settling: Settling, performed: Performed) -> JobEnd:
    """The same send under the same reference: what it is answered is what became of the first."""
    outcome = read_outcome(settling.account, performed)
    match outcome:
        case Accepted():
            _count_settled(bridge, settling, "repeat")
            return Done(write=lambda tx: _adopt(tx, bridge, settling, _report_of(outcome)), facts={"outcome": "found"})
        case Rejected():
            _count_settled(bridge, settling, "repeat")
            return Done(
                write=lambda tx: fail(tx, bridge, settling.message, settling.part, outcome),
                facts={"outcome": "rejected"},
            )
        case RetryLater() | Uncertain():
            return _settled(bridge, settling, None)


def _settled(bridge: Bridge, settling: Settling, performed: Performed | None) -> JobEnd:
    """`performed` is what the carrier answered when it was asked for the text; None where it cannot be asked."""
    absent = several = False
    why = ""
    if isinstance(performed, Answered):
        try:
            found = settling.account.adapter.read_find(settling.query, performed.response)
        except LookupError as undecided:
            several, why = isinstance(undecided, Undecided), str(undecided)
        else:
            if found is not None:
                _count_settled(bridge, settling, "listing")
                return Done(write=lambda tx: _adopt(tx, bridge, settling, Report.of(found)), facts={"outcome": "found"})
            absent = True
    now_ms, policy = bridge.now_ms(), bridge.policy.uncertain
    absent_since_ms = None if several else settling.part.absent_since_ms
    if absent:
        absent_since_ms = now_ms if absent_since_ms is None else absent_since_ms
    looks_ms = [settling.job.created_at_ms + after_ms for after_ms in bridge.policy.settle_after_ms]
    if policy == "resend_if_absent" and absent_since_ms is not None:
        looks_ms.append(absent_since_ms + _ABSENT_FOR_MS)
    due_at_ms = next((look_ms for look_ms in looks_ms if look_ms > now_ms), None)
    if due_at_ms is not None:
        return Later(
            due_at_ms=due_at_ms,
            write=lambda tx: _note_absence(tx, settling, absent_since_ms),
            facts={"outcome": "not_found_yet", "reason": why},
        )
    again = (policy == "resend" and not several) or (policy == "resend_if_absent" and absent)
    if again and settling.may_resend:
        _count_settled(bridge, settling, "policy")
        return Done(write=lambda tx: resend(tx, bridge, settling.message.id), facts={"outcome": "resent"})
    return Done(
        write=lambda tx: leave_to_the_agent(tx, bridge, settling.message.id, why),
        facts={"outcome": "held", "reason": why},
    )


def _note_absence(tx: Tx, settling: Settling, absent_since_ms: int | None) -> None:
    part = next((each for each in tx.parts(settling.message.id) if each.number == settling.part.number), None)
    if part is not None and (part.status, part.tries) == (Status.UNCERTAIN, settling.part.tries):
        tx.update_part(settling.message.id, replace(part, absent_since_ms=absent_since_ms))


def _count_settled(bridge: Bridge, settling: Settling, how: str) -> None:
    bridge.meter.count("uncertain_resolved_total", carrier=settling.account.name, how=how)


def give_up_settle(tx: Tx, bridge: Bridge, job: Job) -> None:
    leave_to_the_agent(tx, bridge, job.ref)


def _adopt(tx: Tx, bridge: Bridge, settling: Settling, report: Report) -> None:
    apply_report(tx, bridge, settling.target, report)


def leave_to_the_agent(tx: Tx, bridge: Bridge, message_id: str, why: str = "") -> None:
    """Nobody knows whether it arrived, and nobody finds out: unless it is known by now, the agent is told. `why` the
    carrier could not say is for the administrator."""
    message = tx.message(message_id)
    part = next((each for each in tx.parts(message_id) if each.status is Status.UNCERTAIN), None)
    interaction = tx.interaction(message.interaction_id) if message else None
    if message is None or part is None or interaction is None:
        return
    raise_notice(
        tx,
        bridge,
        NoticeKind.DELIVERY_UNCERTAIN,
        None,
        interaction,
        key=f"uncertain:{message.id}:{part.number}:{part.tries}",
        certainty=Certainty.POSSIBLE,
        message=message,
        evidence=part.evidence,
        reason=why,
    )


def _record_accepted(tx: Tx, bridge: Bridge, sending: Sending, outcome: Accepted) -> None:
    apply_report(tx, bridge, sending.target, _report_of(outcome))


def _report_of(outcome: Accepted) -> Report:
    return Report(
        status=outcome.status,
        carrier_message_id=outcome.carrier_message_id,
        cause=outcome.cause,
        evidence=outcome.evidence,
    )


def _wait_or_give_up(bridge: Bridge, sending: Sending, outcome: RetryLater, facts: dict[str, object]) -> JobEnd:
    message = sending.message
    now_ms = bridge.now_ms()
    started_ms = (message.give_up_at_ms or now_ms) - int(bridge.policy.send_retry.max_age_s * 1000)
    due_at_ms = next_due_ms(
        bridge.policy.send_retry, sending.job.attempt, now_ms, started_ms, bridge.ids.random(), outcome.after_s
    )
    if sending.job.is_probe and outcome.cause is Cause.CARRIER_OUTAGE:
        # The carrier is still down: that is not this text's doing, and the next probe is another's turn.
        due_at_ms = min(now_ms + bridge.policy.brakes.probe_every_ms, message.give_up_at_ms or sys.maxsize)
    if due_at_ms is None:
        given_up = Rejected(
            cause=outcome.cause if outcome.cause not in PASSING else Cause.EXPIRED, evidence=outcome.evidence
        )
        return Done(write=lambda tx: fail(tx, bridge, message, sending.part, given_up), facts=facts)

    def wait(tx: Tx) -> None:
        evidence = _put_back(tx, bridge, sending, outcome)
        tell_of_delay(tx, bridge, message, outcome.cause, due_at_ms, evidence)

    # Waiting as long as one was told to is no failed attempt, and neither is being the one who looks.
    counts = not outcome.after_s and not sending.job.is_probe
    # What a brake holds back needs no time of its own: so it goes when the brake is released.
    look_at_ms = now_ms if outcome.after_s and outcome.scope is Scope.ACCOUNT else due_at_ms
    return Later(due_at_ms=look_at_ms, write=wait, counts=counts, facts={**facts, "due_at_ms": due_at_ms})


def _put_back(tx: Tx, bridge: Bridge, sending: Sending, outcome: RetryLater | Rejected) -> Evidence:
    """The account has not taken it, and said why. Returns what of that may be written down."""
    current = tx.message(sending.message.id)
    evidence = keepable(outcome.evidence, current.contact_number if current else "")
    _release(tx, bridge, sending.message.id, lambda part: replace(part, cause=outcome.cause, evidence=evidence))
    note_code(tx, bridge, sending.account.name, evidence)
    return evidence


def let_go_send(tx: Tx, bridge: Bridge, job: Job) -> None:
    """It was begun, and kept back before the first byte: so that was no try."""
    _release(tx, bridge, MessageId(job.ref), lambda part: replace(part, tries=part.tries - 1))


def _release(tx: Tx, bridge: Bridge, message_id: MessageId, note: Callable[[Part], Part]) -> None:
    """The part that was being sent, of which the carrier certainly has nothing, is queued again."""
    current = tx.message(message_id)
    if current is None:
        return
    parts = []
    for part in tx.parts(message_id):
        moved = part
        if part.status is Status.SENDING:
            moved = note(replace(part, status=advance(part.status, Move.RELEASE)))
            tx.update_part(message_id, moved)
        parts.append(moved)
    settle_message(tx, bridge, current, parts)


def tell_of_delay(
    tx: Tx, bridge: Bridge, message: Message, cause: Cause, due_at_ms: int, evidence: Evidence = NO_EVIDENCE
) -> None:
    """Once for each message, and only when the agent would otherwise wonder."""
    if due_at_ms - message.created_at_ms < bridge.policy.delayed_notice_after_ms:
        return
    interaction = tx.interaction(message.interaction_id)
    if interaction is not None:
        raise_notice(
            tx,
            bridge,
            NoticeKind.DELAYED,
            cause,
            interaction,
            key=f"delayed:{message.id}",
            message=message,
            evidence=evidence,
        )


def last_look(tx: Tx, bridge: Bridge, message: Message, account: Account | None) -> Rejected | None:
    """What may have changed since the text was taken: an opt-out, the time, the attachments, the configuration."""
    if account is None:
        return Rejected(cause=Cause.SENDER_NOT_OURS, evidence=Evidence(text="the account is no longer configured"))
    if account.adapter.only_sender not in ("", message.sender):  # the number has another account since
        words = f"{account.name} sends from {account.adapter.only_sender} alone"
        return Rejected(cause=Cause.SENDER_NOT_OURS, evidence=Evidence(text=words))
    if not message.contact_number:
        return Rejected(cause=Cause.INVALID_NUMBER, evidence=Evidence(text="the contact was erased"))
    if message.give_up_at_ms is not None and bridge.now_ms() >= message.give_up_at_ms:
        return Rejected(cause=Cause.EXPIRED, evidence=Evidence(text="it waited too long"))
    opt_out = tx.opt_out(message.sender, message.contact_number)
    is_confirmation = message.metadata.get(SYSTEM_REASON) == STOP_CONFIRMATION
    if opt_out is not None and opt_out.opted_out and not is_confirmation:
        return Rejected(cause=Cause.OPTED_OUT, evidence=Evidence(text="opted out after the text was written"))
    if message.has_media and any(each.state is not AttachmentState.STORED for each in tx.attachments(message.id)):
        return Rejected(cause=Cause.MEDIA_REJECTED)  # the attachment says why
    return None


def _wait_for_rate(tx: Tx, bridge: Bridge, message: Message, part: Part, parts: list[Part], account: Account) -> int:
    """The rates of the sender and of its account count segments. A whole text takes its turn, so that its parts go out
    together."""
    sender = bridge.senders.get(message.sender)
    limits = [
        RateLimit(key=key, interval_ms=math.ceil(1000 / each.rate_per_s), burst=each.burst)
        for key, each in (
            (lanes.sender_target(message.sender), sender),
            (lanes.rate_of_account(account.name), account),
        )
        if each is not None and each.rate_per_s > 0
    ]
    if not limits or (part.number > 1 and not part.tries):
        return 0
    return tx.take_rate(
        limits,
        holder=message.id,
        now_ms=bridge.now_ms(),
        until_ms=message.give_up_at_ms,
        units=sum(max(1, count_segments(each.text).count) for each in parts if each.status is Status.QUEUED),
    )


def _outbound(tx: Tx, bridge: Bridge, message: Message, part: Part) -> OutboundPart:
    media = tx.attachments(message.id) if message.has_media and part.number == 1 else []
    left_ms = (message.give_up_at_ms or 0) - bridge.now_ms()
    return OutboundPart(
        ref=write_part_ref(message.id, part.number, part.tries),
        sender=message.sender,
        to=message.contact_number,
        text=part.text,
        media_urls=tuple(
            write_media_link(
                bridge,
                sha256=each.sha256,
                content_type=each.content_type,
                filename=each.filename,
                now_ms=bridge.now_ms(),
                ttl_ms=bridge.policy.carrier_link_ttl_ms,
                inline=True,
            )
            for each in media
        ),
        validity_s=max(1, left_ms // 1000) if message.give_up_at_ms else None,
        at_ms=bridge.now_ms(),
    )


_OUTCOME_WORDS: Final = {
    Accepted: "accepted",
    RetryLater: "unsent",
    Rejected: "rejected",
    Uncertain: "uncertain",
}
_UNFINISHED: Final = frozenset({Status.QUEUED, Status.SENDING})
_LOOK_AGAIN_MS: Final = 60_000
_LIST_BYTES: Final = 1_048_576
_PAUSED_MS: Final = 10_000
_ABSENT_FOR_MS: Final = 300_000
"""Two looks so far apart have to find nothing before a text counts as never taken: a list may lag behind."""
_EARLIER_MS: Final = 86_400_000
