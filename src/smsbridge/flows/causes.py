"""What carriers' error codes mean to us, and those that nobody has given a meaning yet."""

from __future__ import annotations

from dataclasses import replace

from smsbridge.contracts.bridge import Bridge
from smsbridge.contracts.carrier import Carrier
from smsbridge.contracts.store import Tx, UnknownCode
from smsbridge.domain.outcome import Evidence
from smsbridge.flows.resources import Resource, time

_CODE_CHARS = 60
_TEXT_CHARS = 200


def note_code(tx: Tx, bridge: Bridge, account: str, evidence: Evidence) -> None:
    """Counts the code of a failure if it is in no table. The agent reads "not delivered"; whoever runs the bridge finds
    the code here, to tell us what it means."""
    known = bridge.accounts.get(account)
    if not evidence.code or known is None or evidence.code in known.adapter.codes:
        return
    tx.count_unknown_code(account, evidence.code[:_CODE_CHARS], evidence.text[:_TEXT_CHARS], bridge.now_ms())
    tx.afterwards(lambda: bridge.meter.count("unknown_codes_total", carrier=account))


def keepable(evidence: Evidence, contact_number: str) -> Evidence:
    """What of it may be written down: of who was erased, and has no number, not what was said. Carriers quote numbers,
    and over SMPP the beginning of the text."""
    return evidence if contact_number else replace(evidence, text="")


def show_unknown_code(code: UnknownCode) -> Resource:
    return {
        "account": code.account,
        "code": code.code,
        "text": code.text or None,
        "seen": code.seen,
        "first_at": time(code.first_at_ms),
        "last_at": time(code.last_at_ms),
    }


def show_causes(carrier: Carrier | type[Carrier]) -> list[Resource]:
    """The carrier's table, in its own order."""
    return [
        {
            "carrier": carrier.name,
            "code": code,
            "cause": meaning.cause.value,
            "may_work_later": meaning.retry,
            "meaning": meaning.meaning,
        }
        for code, meaning in carrier.codes.items()
    ]
