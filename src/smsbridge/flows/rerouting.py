"""A second account for a text that the first certainly does not have, for a reason that is the account's own.

At most once for each text, and never once a carrier may have had any part of it. The text keeps its place: the jobs of
a conversation stay in their lane, in their order, whichever account's queue each of them waits in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from smsbridge.contracts.bridge import Account, Bridge
from smsbridge.contracts.carrier import Abilities
from smsbridge.contracts.store import Tx
from smsbridge.domain.cause import Cause
from smsbridge.domain.message import Attachment, AttachmentState, Message, NoticeKind, Part
from smsbridge.domain.outcome import Evidence
from smsbridge.flows import lanes
from smsbridge.flows.brakes import note_late_comer
from smsbridge.flows.notices import raise_notice
from smsbridge.flows.restored import is_in_doubt_since_restore


def second_account(tx: Tx, bridge: Bridge, message: Message, parts: Sequence[Part]) -> Account | None:
    """Whom the text could be given to instead. None where nobody may have it, or can take it as it is, or just now."""
    first = bridge.accounts.get(message.account)
    second = bridge.accounts.get(first.reroute) if first else None
    if second is None or message.rerouted_from or any(part.maybe_taken for part in parts):
        return None
    if second.adapter.only_sender not in ("", message.sender):
        return None
    if tx.brake(lanes.send_queue(second.name)).is_on(bridge.now_ms()):
        return None
    attachments = tx.attachments(message.id) if message.has_media else ()
    return second if _can_take(second.adapter.abilities, parts, attachments) else None


def reroute(tx: Tx, bridge: Bridge, message: Message, second: Account, cause: Cause, evidence: Evidence) -> Message:
    """Gives a queued text to the second account. The agent hears of it once in an interaction; the message says so."""
    first = message.account
    moved = replace(message, account=second.name, rerouted_from=first)
    tx.update_message(moved)
    lane = lanes.send_lane(message.conversation_id)
    tx.move_jobs(lane, message.id, lanes.send_queue(second.name))
    tx.give_back_turns([lanes.rate_of_account(first)], holder=message.id, now_ms=bridge.now_ms())
    tx.expedite(lane, message.id, bridge.now_ms())  # what it waited for was the first account's
    note_late_comer(tx, moved)
    tx.afterwards(lambda: bridge.meter.count("rerouted_total", carrier=first, through=second.name, cause=cause))
    interaction = tx.interaction(message.interaction_id)
    if interaction is not None:
        raise_notice(
            tx,
            bridge,
            NoticeKind.REROUTED,
            cause,
            interaction,
            key=f"rerouted:{interaction.id}:{first}:{cause}",
            message=moved,
            evidence=evidence,
            said_by=first,
        )
    return moved


def recall_rerouting(tx: Tx, bridge: Bridge, message: Message, account: str, part_number: int) -> Message:
    """The second account names in a receipt a text that is the first's: after a restore, for it was given it since the
    backup. What waits for the text goes with it. Its agent was told before the restore, and is not told again.
    """
    first = bridge.accounts.get(message.account)
    part = next((each for each in tx.parts(message.id) if each.number == part_number), None)
    if first is None or first.reroute != account or message.rerouted_from or part is None:
        return message
    if not is_in_doubt_since_restore(tx, message, part):
        return message
    moved = replace(message, account=account, rerouted_from=first.name)
    tx.update_message(moved)
    for lane in (lanes.send_lane(message.conversation_id), lanes.settle_lane(message.id)):
        tx.move_jobs(lane, message.id, lanes.send_queue(account))
    return moved


def leave_open_circuit(tx: Tx, bridge: Bridge, message: Message) -> Message:
    """A queued text whose account does not work goes to the second one at once, unless it is the next probe's turn:
    somebody has to find out when the first is back."""
    account = bridge.accounts.get(message.account)
    if account is None or Cause.CARRIER_OUTAGE not in account.reroute_causes:
        return message
    brake = tx.brake(lanes.send_queue(account.name))
    if not brake.is_open or brake.free_at_ms <= bridge.now_ms():
        return message
    second = second_account(tx, bridge, message, tx.parts(message.id))
    if second is None:
        return message
    return reroute(tx, bridge, message, second, Cause.CARRIER_OUTAGE, Evidence(text=brake.reason))


def reroute_waiting(tx: Tx, bridge: Bridge) -> int:
    """The texts that wait behind open circuits; each is looked at once between two probes, for one that was put back
    meanwhile may be an old one. Returns how many were."""
    now_ms, looked_at = bridge.now_ms(), 0
    for account in bridge.accounts.values():
        brake = tx.brake(lanes.send_queue(account.name))
        if Cause.CARRIER_OUTAGE not in account.reroute_causes or not brake.is_open or brake.free_at_ms <= now_ms:
            continue
        if tx.brake(lanes.send_queue(account.reroute)).is_on(now_ms):
            continue
        key = _LOOKED_UP_TO.format(account=account.name)
        probe, _, after_id = tx.meta(key).partition(" ")
        if probe != str(brake.probe_at_ms):
            after_id = ""
        waiting = tx.queued_messages(account.name, after_id=after_id, before_ms=now_ms, limit=_AT_ONCE)
        for message in waiting:
            leave_open_circuit(tx, bridge, message)
        if waiting:
            tx.set_meta(key, f"{brake.probe_at_ms} {waiting[-1].id}")
        looked_at += len(waiting)
    return looked_at


def _can_take(abilities: Abilities, parts: Sequence[Part], attachments: Sequence[Attachment]) -> bool:
    """As it was made for the first account: cut so, and with these files."""
    if any(len(part.text) > abilities.max_text_chars for part in parts):
        return False
    return not attachments or (
        abilities.media
        and len(attachments) <= abilities.max_media
        and sum(each.size_bytes for each in attachments) <= abilities.max_media_bytes
        and all(
            each.state is AttachmentState.STORED and each.content_type in abilities.media_types for each in attachments
        )
    )


_AT_ONCE: Final = 25
"""In one transaction, each with some fifteen statements: the database may be milliseconds away."""
_LOOKED_UP_TO: Final = "rerouted_up_to:{account}"
