"""Long texts that a carrier pushes in parts, one by one: kept as they come, and put together once all are there.

A text that stays incomplete is shown as far as it came (`flows/joining.py`), with a plain mark where something is
missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Final

from smsbridge.contracts.bridge import Bridge
from smsbridge.contracts.jobs import NewJob
from smsbridge.contracts.store import KeptPart, Tx, WaitingText
from smsbridge.domain.characters import clean_text
from smsbridge.domain.events import InboundMessage, TextPart
from smsbridge.flows import lanes

_MOST_PARTS: Final = 255  # their number has eight bits (3GPP TS 23.040, 9.2.3.24.1)
_LONGEST_REFERENCE: Final = 64


def is_joined(event: InboundMessage, part: TextPart) -> bool:
    """Whether this waits for other parts. What has more to it than words, or numbers that make no sense, does not."""
    is_text_alone = not event.media and not event.media_missing and event.opt_out is None
    return is_text_alone and 1 < part.count <= _MOST_PARTS and 1 <= part.number <= part.count


def take_part(
    tx: Tx, bridge: Bridge, account: str, event: InboundMessage, part: TextPart, number: str, sender: str
) -> list[InboundMessage]:
    """Keeps a part that is new. Returns the texts that wait no longer: the older one that it shows to be over, and the
    one that it completes."""
    reference = clean_text(part.of)[:_LONGEST_REFERENCE]
    waiting = tx.waiting_text_of(account, number, sender, reference)
    ready = []
    if waiting is not None and _is_over(tx, bridge, waiting, part):
        ready.append(close(tx, bridge, waiting))
        waiting = None
    if waiting is None:
        waiting = _begin(tx, bridge, account, number, sender, reference, part.count)
    kept = KeptPart(
        carrier_message_id=event.carrier_message_id,
        number=part.number,
        text=event.text,
        carrier_at_ms=event.carrier_at_ms,
    )
    tx.keep_part(waiting, kept)
    if waiting.missing == 1:
        ready.append(close(tx, bridge, replace(waiting, missing=0)))
    return ready


def close(tx: Tx, bridge: Bridge, waiting: WaitingText) -> InboundMessage:
    """The text as far as it came, under the id of its first part; it waits for nothing more."""
    kept = tx.kept_parts(waiting.id)
    tx.close_waiting_text(waiting.id, bridge.now_ms())
    tx.drop_jobs(lanes.join_lane(waiting.id), waiting.id)
    outcome = "incomplete" if waiting.missing else "whole"
    tx.afterwards(lambda: bridge.meter.count("joined_texts_total", carrier=waiting.account, outcome=outcome))
    times = [part.carrier_at_ms for part in kept if part.carrier_at_ms is not None]
    return InboundMessage(
        carrier_message_id=kept[0].carrier_message_id,
        from_number=waiting.number,
        to_number=waiting.sender,
        text=_put_together(kept, waiting.part_count),
        carrier_at_ms=min(times, default=None),
    )


def _is_over(tx: Tx, bridge: Bridge, waiting: WaitingText, part: TextPart) -> bool:
    """Whether the part belongs to a later text. References wrap around: a phone gives the same one again after 256."""
    return (
        waiting.part_count != part.count
        or bridge.now_ms() - waiting.began_at_ms >= bridge.policy.parts_hold_ms
        or any(kept.number == part.number for kept in tx.kept_parts(waiting.id))
    )


def _begin(
    tx: Tx, bridge: Bridge, account: str, number: str, sender: str, reference: str, part_count: int
) -> WaitingText:
    now_ms = bridge.now_ms()
    waiting = WaitingText(
        id=bridge.ids.new("wtx_"),
        account=account,
        number=number,
        sender=sender,
        reference=reference,
        part_count=part_count,
        missing=part_count,
        began_at_ms=now_ms,
    )
    tx.insert_waiting_text(waiting)
    tx.enqueue(
        NewJob(
            kind=lanes.JOIN,
            queue=lanes.JOIN_QUEUE,
            lane=lanes.join_lane(waiting.id),
            ref=waiting.id,
            due_at_ms=now_ms + bridge.policy.parts_hold_ms,
            created_at_ms=now_ms,
        )
    )
    return waiting


def _put_together(kept: Sequence[KeptPart], count: int) -> str:
    """The words in the order of the parts, and marks for those that are not there."""
    pieces = {part.number: part.text for part in kept}
    for before, after in pairwise([0, *sorted(pieces), count + 1]):
        if after - before > 1:
            pieces[before + 1] = _mark(before + 1, after - 1, count)
    return "".join(pieces[number] for number in sorted(pieces))


def _mark(first: int, last: int, count: int) -> str:
    which = f"part {first}" if first == last else f"parts {first} to {last}"
    return f" [{which} of {count} did not arrive] "
