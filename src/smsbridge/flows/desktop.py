"""To and from external desktops: delivering events in order, and taking what agents do there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from smsbridge.contracts.bridge import Bridge, DesktopAccount
from smsbridge.contracts.desktop import Delivery
from smsbridge.contracts.jobs import Buried, Done, Job, JobEnd, Later, nothing
from smsbridge.contracts.store import Arrival, Arrived, Tx
from smsbridge.domain.brake import Suspicion
from smsbridge.domain.cause import Cause
from smsbridge.domain.errors import BadSignature, CannotSend, NotFound, Refused
from smsbridge.domain.events import AgentCommand, AgentMessage, Command, DesktopEvent, Ignored, Unrecognized
from smsbridge.domain.journal import EventType, LogEvent
from smsbridge.domain.message import Agent, NoticeKind
from smsbridge.domain.outcome import Accepted, DeliveryOutcome, Evidence, Rejected, RetryLater, SwitchedOff
from smsbridge.domain.retry import next_due_ms
from smsbridge.flows import interactions, outbound, resources
from smsbridge.flows.brakes import Sign, hold_until_ms, holding, observing
from smsbridge.flows.inbound import WebhookReport, quarantine, write_request
from smsbridge.flows.notices import raise_notice
from smsbridge.wire.encoding import Unreadable
from smsbridge.wire.http import NOT_PROVEN, Answered, Request, Response


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivering:
    """One event on its way to a desktop, rendered as things stand now."""

    job: Job
    desktop: DesktopAccount
    event: LogEvent
    delivery: Delivery


def begin_deliver(bridge: Bridge) -> Callable[[Tx, Job], Delivering | JobEnd]:
    def begin(tx: Tx, job: Job) -> Delivering | JobEnd:
        name, _, seq = job.ref.rpartition(":")
        desktop = bridge.desktops.get(name)
        event = tx.event(int(seq))
        if desktop is None:
            return Buried(reason="the desktop is no longer configured")
        if event is None:
            return Done(facts={"outcome": "nothing_to_deliver"})
        if tx.desktop_switched_off(name):
            return Buried(reason="the desktop's endpoint is switched off (410)")
        message = None
        if event.type is EventType.MESSAGE_RECEIVED:
            message = tx.message(event.message_id or "")
            if message is not None and message.held_for_media:
                # The hold is over before the media came: it goes without, and is completed later.
                tx.update_message(replace(message, held_for_media=False))
        data = resources.event_data(tx, bridge, event, message)
        delivery = Delivery(event_id=event.id, type=event.type, at_ms=event.at_ms, data=data)
        return Delivering(job=job, desktop=desktop, event=event, delivery=delivery)

    return begin


async def deliver(bridge: Bridge, delivering: Delivering) -> JobEnd:
    desktop = delivering.desktop
    request = desktop.adapter.write_delivery(delivering.delivery, bridge.now_ms())
    if request is None:
        return Done(facts={"outcome": "not_wanted"})
    performed = await bridge.network.perform(
        request, timeout_s=desktop.timeout_s, before_leaving=delivering.job.check_ours
    )
    if isinstance(performed, Answered):
        outcome: DeliveryOutcome = desktop.adapter.read_delivery(performed.response)
    else:
        outcome = RetryLater(cause=Cause.CARRIER_OUTAGE, evidence=Evidence(text=performed.reason))
    facts = {
        "desktop": desktop.name,
        "event_id": delivering.delivery.event_id,
        "type": delivering.delivery.type,
        "outcome": type(outcome).__name__,
        "desktop_ms": performed.elapsed_ms,
    }
    bridge.meter.count("desktop_requests_total", desktop=desktop.name, outcome=_WORDS[type(outcome)])
    bridge.meter.observe("desktop_request_seconds", performed.elapsed_ms / 1000, desktop=desktop.name)
    end = await _end(bridge, delivering, outcome, facts)
    if isinstance(outcome, RetryLater) and (outcome.after_s is not None or outcome.cause is Cause.RATE_LIMITED):
        until_ms = hold_until_ms(bridge, outcome, bridge.policy.deliver_retry.first_s)
        end = holding(end, delivering.job.queue, until_ms, outcome.evidence.text)
    sign, reason = _sign_of(outcome), "" if isinstance(outcome, SwitchedOff) else outcome.evidence.text
    return observing(end, bridge, delivering.job, sign, reason)


async def _end(bridge: Bridge, delivering: Delivering, outcome: DeliveryOutcome, facts: dict[str, object]) -> JobEnd:
    desktop = delivering.desktop
    match outcome:
        case Accepted():
            lag_s = (bridge.now_ms() - delivering.delivery.at_ms) / 1000
            bridge.meter.observe("delivery_lag_seconds", max(lag_s, 0), hop="desktop")
            return Done(facts=facts)
        case RetryLater(after_s=after_s, evidence=evidence):
            return _again(bridge, delivering, evidence, facts, after_s)
        case Rejected():
            return await _refused(bridge, delivering, outcome, facts)
        case SwitchedOff(reason=reason):
            return Buried(
                reason=reason,
                write=lambda tx: tx.switch_off_desktop(desktop.name, reason, bridge.now_ms()),
                facts=facts,
            )


def _again(
    bridge: Bridge,
    delivering: Delivering,
    evidence: Evidence,
    facts: dict[str, object],
    after_s: float | None = None,
    write: Callable[[Tx], None] = nothing,
) -> Later | Buried:
    job, now_ms = delivering.job, bridge.now_ms()
    due_at_ms = next_due_ms(
        bridge.policy.deliver_retry, job.attempt, now_ms, job.created_at_ms, bridge.ids.random(), after_s
    )
    if due_at_ms is None:
        return Buried(reason=f"not delivered in time: {evidence.text}", facts=facts)
    if job.is_probe:
        due_at_ms = max(due_at_ms, now_ms + bridge.policy.brakes.probe_every_ms)  # the next probe is another's turn
    # What a brake holds back needs no time of its own: so it goes when the brake is released.
    look_at_ms = now_ms if after_s else due_at_ms
    return Later(due_at_ms=look_at_ms, write=write, counts=not after_s and not job.is_probe, facts=facts)


async def _refused(bridge: Bridge, delivering: Delivering, outcome: Rejected, facts: dict[str, object]) -> JobEnd:
    """Is it this event, or everything? A desktop that refuses everything has the wrong key or address, and an event
    waits for that to be mended. One that took others meanwhile does not want this one: it is put aside, its
    conversation goes on, and the agent is told."""
    job, policy = delivering.job, bridge.policy.brakes
    if job.is_probe:
        return _again(bridge, delivering, outcome.evidence, facts)  # nothing goes there just now: it proves nothing
    known, brake = await bridge.store.read(lambda tx: (tx.suspicion(job.id), tx.brake(job.queue)))
    if known is None:

        def suspect(tx: Tx) -> None:
            suspected = tx.brake(job.queue).suspected()
            tx.save_brake(job.queue, suspected)
            tx.save_suspicion(job.id, Suspicion(number=suspected.suspicions, since_ms=bridge.now_ms()))

        return _again(bridge, delivering, outcome.evidence, facts, write=suspect)
    again = replace(known, refusals=known.refusals + 1)
    is_old_enough = outcome.cause in _OF_THE_EVENT or bridge.now_ms() - known.since_ms >= PATIENCE_MS
    if not (is_old_enough and again.is_proven(brake, policy)):
        return _again(bridge, delivering, outcome.evidence, facts, write=lambda tx: tx.save_suspicion(job.id, again))
    bridge.meter.count("events_parked_total", desktop=delivering.desktop.name)
    return Buried(
        reason=f"the desktop refused it {again.refusals} times and took others: {outcome.evidence.text}",
        write=lambda tx: _tell_of_parking(tx, bridge, delivering, outcome.evidence),
        facts=facts,
    )


def _tell_of_parking(tx: Tx, bridge: Bridge, delivering: Delivering, evidence: Evidence) -> None:
    """A notice that cannot be delivered is told of by its dead letter alone: notices do not breed."""
    event = delivering.event
    interaction = tx.interaction(event.interaction_id or "")
    if interaction is None or event.type is EventType.NOTICE_RAISED:
        return
    raise_notice(
        tx,
        bridge,
        NoticeKind.SERVICE_PROBLEM,
        Cause.CONTENT_REJECTED,
        interaction,
        key=f"parked:{event.id}",
        message=tx.message(event.message_id or ""),
        evidence=evidence,
        said_by=delivering.desktop.name,
    )


def _sign_of(outcome: DeliveryOutcome) -> Sign:
    match outcome:
        case Accepted():
            return Sign.TOOK
        case RetryLater(cause=cause):
            return Sign.FAILED if cause is Cause.CARRIER_OUTAGE else Sign.ANSWERED
        case Rejected(cause=cause):
            return Sign.ANSWERED if cause in _OF_THE_EVENT else Sign.FAILED
        case SwitchedOff():
            return Sign.ANSWERED


async def accept_desktop_webhook(bridge: Bridge, desktop_name: str, request: Request) -> WebhookReport:
    """Replies and commands from an external desktop. Raises NotFound for one that is not configured to post,
    StoreUnavailable or NoRoom when nothing could be kept."""
    desktop = bridge.desktops.get(desktop_name)
    if desktop is None or not desktop.adapter.abilities.webhooks:
        raise NotFound("desktop", desktop_name)
    try:
        desktop.adapter.verify(request, bridge.now_ms())
    except BadSignature as bad:
        detail = bad.detail
        await bridge.store.write(lambda tx: quarantine(tx, bridge, "desktop", desktop.name, request, detail))
        return WebhookReport(response=NOT_PROVEN, outcomes=((Arrived.REFUSED, "signature"),), diagnosis=str(bad))
    try:
        events = list(desktop.adapter.read_webhook(request)) or [Unrecognized(reason="no event in it")]
    except Unreadable as unreadable:
        events = [Unrecognized(reason=str(unreadable))]
    outcomes = tuple(
        await bridge.store.write(lambda tx: [accept_event(tx, bridge, desktop, request, each) for each in events])
    )
    refused = next((reason for outcome, reason in outcomes if outcome is Arrived.REFUSED), None)
    response = desktop.adapter.acknowledge(events) if refused is None else _refusal(refused)
    return WebhookReport(response=response, outcomes=outcomes)


def accept_event(
    tx: Tx, bridge: Bridge, desktop: DesktopAccount, request: Request, event: DesktopEvent
) -> tuple[Arrived, str]:
    """One event and its recorded outcome. A refusal is the desktop's to mend: it hears the reason in the answer."""
    outcome, reason = _accept(tx, bridge, desktop, event)
    _record(tx, bridge, desktop, outcome, reason, _KINDS[type(event)], request)
    return outcome, reason


def _accept(tx: Tx, bridge: Bridge, desktop: DesktopAccount, event: DesktopEvent) -> tuple[Arrived, str]:
    match event:
        case AgentMessage() | AgentCommand():
            if tx.desktop_event_seen(desktop.name, event.event_id):
                return Arrived.DUPLICATE, "event"
            outcome, reason = _obey(tx, bridge, desktop, event)
            if outcome is Arrived.STORED:  # what was refused may be sent again, once it is put right
                tx.see_desktop_event(desktop.name, event.event_id, bridge.now_ms())
            return outcome, reason
        case Ignored(reason=reason):
            return Arrived.IGNORED, reason
        case Unrecognized(reason=reason):
            return Arrived.UNRECOGNIZED, reason


def _obey(tx: Tx, bridge: Bridge, desktop: DesktopAccount, event: AgentMessage | AgentCommand) -> tuple[Arrived, str]:
    try:
        if isinstance(event, AgentMessage):
            refusal = _submit(tx, bridge, desktop, event)
            return (Arrived.REFUSED, str(refusal)) if refusal else (Arrived.STORED, "message")
        _command(tx, bridge, desktop, event)
    except Refused as refused:
        return Arrived.REFUSED, str(refused)
    return Arrived.STORED, event.command


def _submit(tx: Tx, bridge: Bridge, desktop: DesktopAccount, event: AgentMessage) -> CannotSend | None:
    interaction_id = event.interaction_id or _by_external_id(tx, desktop, event.external_id)
    result = outbound.submit(
        tx,
        bridge,
        outbound.Draft(
            to=event.to,
            interaction_id=interaction_id,
            from_sender=event.from_sender,
            text=event.text,
            media=tuple(outbound.MediaItem(url=url) for url in event.media_urls),
            agent=_agent(event.agent_id, event.agent_name),
            client_reference=event.client_reference,
            metadata=event.metadata,
            desktop=desktop.name,
        ),
    )
    return result if isinstance(result, CannotSend) else None


def _command(tx: Tx, bridge: Bridge, desktop: DesktopAccount, event: AgentCommand) -> None:
    interaction_id = event.interaction_id or _by_external_id(tx, desktop, event.external_id)
    agent = _agent(event.agent_id, event.agent_name)
    match event.command:
        case Command.ACCEPT:
            interactions.accept(tx, bridge, interaction_id, agent or Agent(id=desktop.name))
        case Command.END:
            interactions.end(tx, bridge, interaction_id, agent=agent)
        case Command.DONE:
            interactions.mark_done(
                tx, bridge, interaction_id, agent=agent, disposition=event.disposition, note=event.note
            )


def _by_external_id(tx: Tx, desktop: DesktopAccount, external_id: str) -> str:
    if not external_id:
        return ""
    interaction = tx.interaction_by_external_id(desktop.name, external_id)
    if interaction is None:
        raise NotFound("interaction", external_id)
    return interaction.id


def _agent(identifier: str, name: str) -> Agent | None:
    return Agent(id=identifier or name, name=name) if identifier or name else None


def _record(
    tx: Tx,
    bridge: Bridge,
    desktop: DesktopAccount,
    outcome: Arrived,
    reason: str,
    kind: str,
    request: Request,
) -> None:
    kept = outcome in {Arrived.UNRECOGNIZED, Arrived.REFUSED}
    tx.add_arrival(
        Arrival(
            id=bridge.ids.new("arr_"),
            source="desktop",
            account=desktop.name,
            outcome=outcome,
            reason=reason[:200],
            kind=kind,
            at_ms=bridge.now_ms(),
            request=write_request(request) if kept else b"",
        )
    )


def _refusal(reason: str) -> Response:
    return Response.text(reason + "\n", status=422)


_OF_THE_EVENT = frozenset({Cause.CONTENT_REJECTED, Cause.MEDIA_REJECTED})
"""What an event can be refused for by itself. Anything else (a key, an address) is rather about us."""
PATIENCE_MS = 600_000
"""How long a refusal that is rather about us is waited out, even if others get through: one of several servers behind
one address may have the wrong key."""
_KINDS = {
    AgentMessage: "message",
    AgentCommand: "command",
    Ignored: "ignored",
    Unrecognized: "unrecognized",
}
_WORDS = {
    Accepted: "accepted",
    RetryLater: "retry",
    Rejected: "rejected",
    SwitchedOff: "switched_off",
}
