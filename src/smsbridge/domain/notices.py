"""What we tell the agent and the administrator: which notice a failure raises, and its words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from smsbridge.domain.cause import PASSING, Cause
from smsbridge.domain.characters import clean_text
from smsbridge.domain.message import AttachmentProblem, Certainty, NoticeKind, Severity
from smsbridge.domain.notice_texts import ENGLISH, Catalogue

CATALOGUES: Final[Mapping[str, Catalogue]] = {"en": ENGLISH}
"""By primary language tag (`de` for `de-AT`)."""

MAX_NOTICE_CHARS: Final = 300
"""No text, admin_text or advice is longer, whatever the facts are."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NoticeWords:
    """A notice in words. `admin_text` may hold full numbers and the carrier's own text, so it never goes to a log."""

    severity: Severity
    text: str
    admin_text: str
    advice: str


def write_notice(
    kind: NoticeKind,
    cause: Cause | None,
    *,
    certainty: Certainty,
    language: str = "en",
    problem: AttachmentProblem | None = None,
    contact: str = "",
    sender: str = "",
    carrier: str = "",
    code: str = "",
    carrier_text: str = "",
    reason: str = "",
    filename: str = "",
    limit: str = "",
    until: str = "",
) -> NoticeWords:
    """The words of a notice. Every fact may be missing: the sentences then do without it. Never raises.

    `contact` and `sender` are as they shall be shown (a name, a number); `until` and `limit` are written out
    (`15:20`, `5 MB`); `carrier`, `code` and `carrier_text` are the evidence, which only the administrator sees.
    `reason` is one plain sentence of *ours*: the agent reads it where the contact's number or the text is at fault
    (`phone.number_facts` gives such ones), elsewhere only the administrator. An unknown language is English.
    """
    facts = _present(
        contact=contact,
        sender=sender,
        carrier=carrier[:1].upper() + carrier[1:],
        code=code,
        carrier_text=carrier_text.strip().rstrip("."),
        reason=_as_sentence(reason),
        filename=filename,
        limit=limit,
        until=until,
    )
    catalogue = CATALOGUES.get(language.lower().partition("-")[0], ENGLISH)
    fallback = catalogue.texts[kind, None]
    row = catalogue.texts.get((kind, problem or cause), fallback)
    text, advice = row.text, row.advice
    if certainty is Certainty.POSSIBLE:
        doubtful = row if row.maybe_text else fallback
        text, advice = doubtful.maybe_text or text, doubtful.maybe_advice or advice
    return NoticeWords(
        severity=_severity(kind, certainty),
        text=_fill(text, facts),
        admin_text=_fill(row.admin + catalogue.evidence, facts),
        advice=_fill(advice, facts),
    )


def notice_for(cause: Cause) -> NoticeKind:
    """The notice that a text raises which ended with this cause."""
    match cause:
        case Cause.SENDER_NOT_OURS | Cause.SENDER_NOT_SMS_CAPABLE | Cause.SENDER_NOT_REGISTERED | Cause.SENDER_MISMATCH:
            return NoticeKind.WRONG_SENDER_NUMBER
        case Cause.INVALID_NUMBER | Cause.NOT_MOBILE:
            return NoticeKind.NOT_SMS_CAPABLE
        case (
            Cause.UNREACHABLE
            | Cause.EXPIRED
            | Cause.BLOCKED
            | Cause.FILTERED
            | Cause.RATE_LIMITED
            | Cause.QUEUE_FULL
            | Cause.CARRIER_OUTAGE
            | Cause.UNKNOWN
        ):
            return NoticeKind.UNDELIVERED
        case Cause.OPTED_OUT:
            return NoticeKind.OPTED_OUT
        case Cause.CONTENT_REJECTED:
            return NoticeKind.CONTENT_REJECTED
        case Cause.MEDIA_REJECTED:
            return NoticeKind.ATTACHMENT_REFUSED
        case Cause.AUTH | Cause.BALANCE | Cause.PERMISSION_OR_REGION:
            return NoticeKind.SERVICE_PROBLEM


def adds_to_unknown(cause: Cause) -> bool:
    """Whether an agent who read that a text failed for an unknown reason has to do something else once it is this one.

    After an unknown one they send it again later, or call. So they do after what passes by itself.
    """
    return cause not in _PASSED_BY


def _severity(kind: NoticeKind, certainty: Certainty) -> Severity:
    match kind:
        case NoticeKind.OPTED_IN | NoticeKind.DELAYED | NoticeKind.REROUTED:
            return Severity.INFO
        case (
            NoticeKind.OPTED_OUT
            | NoticeKind.DELIVERY_UNCERTAIN
            | NoticeKind.ATTACHMENT_PROBLEM
            | NoticeKind.TEXT_WITHHELD
        ):
            return Severity.WARNING
        case (
            NoticeKind.WRONG_SENDER_NUMBER
            | NoticeKind.NOT_SMS_CAPABLE
            | NoticeKind.UNDELIVERED
            | NoticeKind.ATTACHMENT_REFUSED
            | NoticeKind.CONTENT_REJECTED
            | NoticeKind.SERVICE_PROBLEM
        ):
            return Severity.ERROR if certainty is Certainty.CERTAIN else Severity.WARNING


_PASSED_BY: Final = PASSING | {Cause.UNREACHABLE, Cause.EXPIRED, Cause.UNKNOWN}

# --- filling in

_MAX_FACT_CHARS: Final[Mapping[str, int]] = {"carrier_text": 70, "reason": 74, "code": 20, "carrier": 20, "sender": 20}
_MAX_OTHER_FACT_CHARS: Final = 40

# Carriers, contacts and files bring these along; a right-to-left override in a file name would turn our sentence.
_UNSHOWABLE: Final = dict.fromkeys([*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029], " ") | dict.fromkeys(
    [0x200E, 0x200F, 0x061C, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
)

_CHOICE: Final = re.compile(r"\[([^\]]*)\]")


def _present(**facts: str) -> dict[str, str]:
    """The facts that are known, each on one line and no longer than its place allows."""
    shown = {name: " ".join(clean_text(value).translate(_UNSHOWABLE).split()) for name, value in facts.items()}
    return {
        name: _cut(value, _MAX_FACT_CHARS.get(name, _MAX_OTHER_FACT_CHARS)) for name, value in shown.items() if value
    }


def _cut(text: str, max_chars: int) -> str:
    return text if len(text) <= max_chars else text[: max_chars - 1].rstrip() + "…"


def _as_sentence(text: str) -> str:
    words = text.strip().rstrip(".!?:;, ")
    return words[:1].upper() + words[1:] + "." if words else ""


def _fill(template: str, facts: Mapping[str, str]) -> str:
    """`template` with every `[one|two]` decided. What a fact holds is never read as a template."""

    def first_known(choice: re.Match[str]) -> str:
        for alternative in choice[1].split("|"):
            try:
                return alternative.format_map(facts)
            except KeyError:
                continue  # a fact of this one is not known
        return ""

    return _CHOICE.sub(first_known, template)
