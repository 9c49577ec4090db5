"""Writes docs/notices.md from the catalogue: `python docs/write_notices.py`. A test compares the two."""  # noqa: INP001

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import Final

from smsbridge.domain.cause import Cause
from smsbridge.domain.message import AttachmentProblem, Certainty, NoticeKind
from smsbridge.domain.notice_texts import ENGLISH, NoticeTexts, Why
from smsbridge.domain.notices import NoticeWords, adds_to_unknown, notice_for, write_notice

FILE: Final = Path(__file__).with_name("notices.md")

_WHEN: Final[dict[NoticeKind, str]] = {
    NoticeKind.WRONG_SENDER_NUMBER: "The number it would be sent from is not ours, cannot send texts, is not"
    " registered, or does not fit the destination.",
    NoticeKind.NOT_SMS_CAPABLE: "The contact's number cannot receive texts: a warning before sending where it can be"
    " known, an error after.",
    NoticeKind.UNDELIVERED: "Taken by the carrier and then not delivered, or given up after waiting.",
    NoticeKind.DELIVERY_UNCERTAIN: "It may or may not have been delivered, or no receipt came in time.",
    NoticeKind.OPTED_OUT: "The contact sent STOP; also a send that was refused because of it.",
    NoticeKind.OPTED_IN: "The contact sent START.",
    NoticeKind.ATTACHMENT_PROBLEM: "A picture or file from the contact is missing, too large, of a type that is not"
    " taken, or unreadable.",
    NoticeKind.TEXT_WITHHELD: "A text came while the bridge was down, and the carrier lists only that it came.",
    NoticeKind.ATTACHMENT_REFUSED: "A picture or file of ours that the carrier or the bridge cannot send.",
    NoticeKind.CONTENT_REJECTED: "The text is too long, empty, or refused for its content.",
    NoticeKind.DELAYED: "It waits for a rate limit or for a carrier that is down, and is tried again.",
    NoticeKind.REROUTED: "An account did not take it, for a reason of its own, and its second account was given it."
    " Once in an interaction for each account and cause; the message says it each time (`rerouted_from`).",
    NoticeKind.SERVICE_PROBLEM: "The carrier account, its credentials, its balance, a permission or a region.",
}


def write_page() -> str:
    """The whole page, filled in with example facts."""
    lines = [
        "# Notices",
        "",
        "What the bridge says to an agent, in the transcript, and to whoever runs it. This page is written by",
        "`python docs/write_notices.py` from `src/smsbridge/domain/notice_texts.py`, with example facts. A fact that",
        "is not known is left out of its sentence. A notice that is only *possible* says so, and is a warning at most.",
        "",
        "After each text for the administrator comes the evidence, as far as it is known:",
        "",
        f"> {_example(NoticeKind.WRONG_SENDER_NUMBER, Cause.SENDER_NOT_OURS, evidence=_EVIDENCE).admin_text}",
    ]
    for kind, rows in groupby(ENGLISH.texts.items(), key=lambda row: row[0][0]):
        lines += ["", f"## `{kind}`", "", _WHEN[kind], ""]
        lines += ["| cause | severity | text for the agent | advice | for the administrator |", "|---|---|---|---|---|"]
        for (_, why), row in rows:
            lines += [_table_row(kind, why, row, certainty) for certainty in Certainty if _is_own(row, certainty)]
    lines += [
        "",
        "## Which cause raises which notice",
        "",
        "A reason that comes after the failure replaces *unknown*. The agent is told where it changes what to do.",
        "",
        "| cause | when it is final | while it waits | when it comes after `unknown` |",
        "|---|---|---|---|",
    ]
    for cause in Cause:
        waiting = f"`{NoticeKind.DELAYED}`" if (NoticeKind.DELAYED, cause) in ENGLISH.texts else ""
        later = "a second notice" if adds_to_unknown(cause) else ""
        lines.append(f"| `{cause}` | `{notice_for(cause)}` | {waiting} | {later} |")
    return "\n".join(lines) + "\n"


def _is_own(row: NoticeTexts, certainty: Certainty) -> bool:
    return certainty is Certainty.CERTAIN or bool(row.maybe_text)


def _table_row(kind: NoticeKind, why: Why, row: NoticeTexts, certainty: Certainty) -> str:
    words = _example(kind, why, certainty=certainty)
    named = f"`{why}`" if why else "any other"
    doubt = ", possible" if row.maybe_text and certainty is Certainty.POSSIBLE else ""
    admin_text = words.admin_text.removesuffix(f" Sender {_SENDER}.")
    return f"| {named}{doubt} | {words.severity} | {words.text} | {words.advice} | {admin_text} |"


def _example(
    kind: NoticeKind,
    why: Why,
    *,
    certainty: Certainty = Certainty.CERTAIN,
    evidence: tuple[str, str, str] = ("", "", ""),
) -> NoticeWords:
    carrier, code, carrier_text = evidence
    return write_notice(
        kind,
        why if isinstance(why, Cause) else None,
        certainty=certainty,
        problem=why if isinstance(why, AttachmentProblem) else None,
        contact="Ann Lee",
        sender=_SENDER,
        filename="IMG_2231.heic",
        limit="5 MB",
        until="15:20",
        carrier=carrier,
        code=code,
        carrier_text=carrier_text,
    )


_SENDER: Final = "+1 202 555 0143"
_EVIDENCE: Final = ("twilio", "21606", "The From phone number is not a valid, SMS-capable number.")


if __name__ == "__main__":
    FILE.write_text(write_page(), encoding="utf-8")
