"""Mistakes that a bridge could have, each planted by a few lines around one of its parts. The harness must notice."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any


def acknowledged_before_the_commit() -> None:
    from smsbridge.store.sqlite import SqliteStore

    run_one, commit = SqliteStore._run_one, SqliteStore._commit

    def told_at_once(self: Any, work: Any, tx: Any, result: Any) -> None:
        run_one(self, work, tx, result)
        result.tell()

    def slowly(self: Any) -> float:
        time.sleep(0.15)  # as a disk does; what was said too early is then often not yet true
        return commit(self)

    SqliteStore._run_one, SqliteStore._commit = told_at_once, slowly


def lost_answer_is_tried_again() -> None:
    from smsbridge.domain.cause import Cause
    from smsbridge.domain.outcome import RetryLater, Uncertain
    from smsbridge.flows import sending

    read_outcome = sending.read_outcome

    def certain(account: Any, performed: Any) -> Any:
        outcome = read_outcome(account, performed)
        return RetryLater(cause=Cause.CARRIER_OUTAGE) if isinstance(outcome, Uncertain) else outcome

    sending.read_outcome = certain


def interrupted_attempt_is_forgotten() -> None:
    from smsbridge.domain.status import Status
    from smsbridge.flows import sending

    begin_send = sending.begin_send

    def forgetful(bridge: Any) -> Any:
        begin = begin_send(bridge)

        def begin_anew(tx: Any, job: Any) -> Any:
            for part in tx.parts(job.ref):
                if part.status is Status.SENDING:
                    tx.update_part(job.ref, replace(part, status=Status.QUEUED))
            return begin(tx, job)

        return begin_anew

    sending.begin_send = forgetful


def last_receipt_wins() -> None:
    from smsbridge.domain.status import MOVES
    from smsbridge.flows import receipts

    advance = receipts.advance

    def believing(current: Any, move: Any) -> Any:
        return next(iter(MOVES[move].values())) if move.startswith("report_") else advance(current, move)

    receipts.advance = believing


def repeat_is_new() -> None:
    from smsbridge.carriers.twilio import Twilio
    from smsbridge.domain.events import InboundMessage

    read_webhook, numbers = Twilio.read_webhook, itertools.count()

    def renaming(self: Any, request: Any) -> Any:
        return [
            replace(event, carrier_message_id=f"{event.carrier_message_id}-{next(numbers)}")
            if isinstance(event, InboundMessage)
            else event
            for event in read_webhook(self, request)
        ]

    Twilio.read_webhook = renaming


def doubt_is_kept_to_itself() -> None:
    from smsbridge.flows import sending

    sending.raise_notice = lambda *_values, **_named: None


def desktop_down_is_the_end() -> None:
    from smsbridge.contracts.jobs import Buried
    from smsbridge.flows import desktop

    desktop._again = lambda *_args, **_more: Buried(reason="it was down")


def lane_is_a_crowd() -> None:
    from smsbridge.flows import lanes

    numbers = itertools.count()
    lanes.deliver_lane = lambda desktop, _conversation: f"deliver:{desktop}:{next(numbers)}"


PLANTS: dict[str, Callable[[], None]] = {
    plant.__name__: plant
    for plant in (
        acknowledged_before_the_commit,
        lost_answer_is_tried_again,
        interrupted_attempt_is_forgotten,
        last_receipt_wins,
        repeat_is_new,
        doubt_is_kept_to_itself,
        desktop_down_is_the_end,
        lane_is_a_crowd,
    )
}
