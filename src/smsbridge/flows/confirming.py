"""Texts that the carrier took, and of which it then said no more: it is asked, and after that the agent is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from smsbridge.contracts.bridge import Account, Bridge
from smsbridge.contracts.jobs import Done, Job, JobEnd, Later, NewJob
from smsbridge.contracts.store import PartRef, Tx
from smsbridge.domain.cause import Cause
from smsbridge.domain.message import Certainty, Message, NoticeKind, Part
from smsbridge.domain.status import Status
from smsbridge.flows import lanes
from smsbridge.flows.brakes import observing, reason_of, sign_of
from smsbridge.flows.notices import raise_notice
from smsbridge.flows.receipts import Report, apply_report, read_part_ref, write_part_ref
from smsbridge.wire.http import Answered


def look_for_unconfirmed(tx: Tx, bridge: Bridge) -> int:
    """A job for each part of which no final receipt came in time. Each text is looked at once; returns how many."""
    after_ms, _, after_id = tx.meta(_LOOKED_UP_TO).partition(" ")
    before_ms = bridge.now_ms() - bridge.policy.unconfirmed_after_ms
    looked_up_to_ms = min(int(after_ms or 0), before_ms)  # further only if the clock was set back since
    found = tx.sent_without_receipt(before_ms, _AT_ONCE, after=(looked_up_to_ms, after_id))
    for message in found:
        account = bridge.accounts.get(message.account)
        if account is not None and account.adapter.abilities.receipts:
            _enqueue_confirm(tx, bridge, message)
    if found:
        tx.set_meta(_LOOKED_UP_TO, f"{found[-1].sent_at_ms} {found[-1].id}")
    return len(found)


@dataclass(frozen=True, kw_only=True, slots=True)
class Confirming:
    """One part of which nothing final is known."""

    job: Job
    message: Message
    part: Part
    account: Account

    @property
    def target(self) -> PartRef:
        return PartRef(message_id=self.message.id, part_number=self.part.number, try_number=self.part.tries)


def begin_confirm(bridge: Bridge) -> Callable[[Tx, Job], Confirming | JobEnd]:
    def begin(tx: Tx, job: Job) -> Confirming | JobEnd:
        named = read_part_ref(job.ref)
        message = tx.message(named.message_id) if named else None
        account = bridge.accounts.get(message.account) if message else None
        if named is None or message is None or account is None:
            return Done(facts={"outcome": "nothing_to_confirm"})
        part = next((each for each in tx.parts(message.id) if each.number == named.part_number), None)
        if part is None or part.status is not Status.SENT or part.tries != named.try_number:
            return Done(facts={"outcome": "already_confirmed"})
        if not (part.carrier_message_id and account.adapter.abilities.fetch_status):
            _tell(tx, bridge, message, part)
            return Done(facts={"outcome": "cannot_be_asked"})
        return Confirming(job=job, message=message, part=part, account=account)

    return begin


async def confirm(bridge: Bridge, confirming: Confirming) -> JobEnd:
    account = confirming.account
    request = account.adapter.write_fetch_status(confirming.part.carrier_message_id)
    performed = await bridge.network.perform(request, timeout_s=account.timeout_s)
    sign, reason = sign_of(performed), reason_of(performed)
    found = None
    if isinstance(performed, Answered):
        found = account.adapter.read_fetch_status(confirming.part.carrier_message_id, performed.response)
    is_answer = isinstance(performed, Answered) and performed.response.status not in _NOT_NOW
    if found is None and not is_answer and confirming.job.attempt < _TIMES_ASKED:
        no_answer = Later(due_at_ms=bridge.now_ms() + _ASK_AGAIN_MS, facts={"outcome": "no_answer"})
        return observing(no_answer, bridge, confirming.job, sign, reason)

    def record(tx: Tx) -> None:
        if found is not None:
            apply_report(tx, bridge, confirming.target, Report.of(found))
        _tell(tx, bridge, confirming.message, confirming.part)

    asked = Done(write=record, facts={"outcome": "asked", "status": found.status if found else "unknown"})
    return observing(asked, bridge, confirming.job, sign, reason)


def give_up_confirm(tx: Tx, bridge: Bridge, job: Job) -> None:
    named = read_part_ref(job.ref)
    message = tx.message(named.message_id) if named else None
    for part in tx.parts(message.id) if message else ():
        if message is not None and named is not None and part.number == named.part_number:
            _tell(tx, bridge, message, part)


def _tell(tx: Tx, bridge: Bridge, message: Message, part: Part) -> None:
    """Unless it is known by now. The status stays: no failure is invented."""
    current, interaction = tx.message(message.id), tx.interaction(message.interaction_id)
    if current is None or current.status is not Status.SENT or interaction is None:
        return
    raise_notice(
        tx,
        bridge,
        NoticeKind.DELIVERY_UNCERTAIN,
        Cause.EXPIRED,
        interaction,
        key=f"unconfirmed:{message.id}:{part.tries}",
        certainty=Certainty.POSSIBLE,
        message=current,
    )


def _enqueue_confirm(tx: Tx, bridge: Bridge, message: Message) -> None:
    now_ms = bridge.now_ms()
    for part in tx.parts(message.id):
        if part.status is Status.SENT:
            tx.enqueue(
                NewJob(
                    kind=lanes.CONFIRM,
                    queue=lanes.send_queue(message.account),
                    lane=f"{lanes.CONFIRM}:{message.id}",
                    ref=write_part_ref(message.id, part.number, part.tries),
                    due_at_ms=now_ms,
                    created_at_ms=now_ms,
                )
            )


_LOOKED_UP_TO: Final = "unconfirmed_looked_up_to"
_AT_ONCE: Final = 100
_NOT_NOW: Final = frozenset({408, 425, 429, *range(500, 600)})
"""An answer that says only that there will be one later."""
_TIMES_ASKED: Final = 3
_ASK_AGAIN_MS: Final = 600_000
