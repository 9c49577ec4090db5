"""Who a phone is: what the carrier says of it at once, what only a receipt tells, and how long it takes.

The codes are Twilio's, https://www.twilio.com/docs/api/errors
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal

FinalStatus = Literal["delivered", "undelivered", "failed"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Persona:
    name: str
    title: str
    description: str
    refusal: int | None = None
    """The code with which a send is refused at once."""
    final: FinalStatus | None = "delivered"
    """`failed` never left the carrier's queue; `None` stays `sent` for ever."""
    code: int | None = None
    """The `ErrorCode` that the final status carries."""
    chance: int = 100
    """In how many of 100 messages `final` and `code` happen; the others are delivered."""
    media_only: bool = False
    """Whether only messages with media meet that end."""
    slow: bool = False
    line_type: str | None = "mobile"
    """What a lookup answers; `None`: the carrier does not know."""
    valid: bool = True

    def json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "title": self.title,
            "description": self.description,
            "refused_with": self.refusal,
            "ends": None if self.refusal else self.final or "sent",
            "code": self.code,
            "line_type": self.line_type,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One change of status: `after_s` the one before, in unscaled seconds."""

    after_s: float
    status: str
    code: int | None = None
    arrives: bool = False
    """Whether the text is on the phone's screen from here on."""


def _personas(*personas: Persona) -> Mapping[str, Persona]:
    return MappingProxyType({persona.name: persona for persona in personas})


PERSONAS: Final = _personas(
    Persona(name="mobile", title="Mobile", description="Everything arrives, with a receipt."),
    Persona(
        name="landline",
        title="Landline",
        description="Known to be a landline: a send is refused at once.",
        refusal=21614,
        line_type="landline",
    ),
    Persona(
        name="landline_late",
        title="Landline, found late",
        description="Nobody knew it is a landline until the receipt.",
        final="undelivered",
        code=30006,
        line_type=None,
    ),
    Persona(
        name="switched_off",
        title="Switched off",
        description="The text leaves, and a receipt says that the phone could not be reached.",
        final="undelivered",
        code=30003,
    ),
    Persona(
        name="unreachable",
        title="Out of reach",
        description="No signal: the same receipt as for a phone that is switched off.",
        final="undelivered",
        code=30003,
    ),
    Persona(
        name="unknown_handset",
        title="No longer in use",
        description="The number is no longer in use.",
        final="undelivered",
        code=30005,
    ),
    Persona(
        name="blocked",
        title="Blocked",
        description="The phone's carrier blocks this message for this recipient.",
        final="undelivered",
        code=30004,
    ),
    Persona(
        name="filtered",
        title="Filtered",
        description="A carrier takes the text for spam.",
        final="undelivered",
        code=30007,
    ),
    Persona(
        name="opted_out",
        title="Opted out",
        description="Said STOP before: sends are refused until the phone texts START.",
        refusal=21610,
    ),
    Persona(
        name="invalid",
        title="Invalid number",
        description="No such number can exist: a send is refused at once.",
        refusal=21211,
        line_type=None,
        valid=False,
    ),
    Persona(
        name="wrong_sender",
        title="Wrong sender",
        description="Whatever number it is sent from, it is not one that may write to this phone.",
        refusal=21606,
    ),
    Persona(
        name="unregistered_sender",
        title="Unregistered sender",
        description="The receipt says that our number is not registered with the carriers.",
        final="undelivered",
        code=30034,
    ),
    Persona(
        name="expired",
        title="Expired",
        description="The text waits in the carrier's queue until its time is up.",
        final="failed",
        code=30036,
    ),
    Persona(name="slow", title="Slow", description="Everything arrives, many times later.", slow=True),
    Persona(
        name="silent",
        title="Silent",
        description="The text arrives, and no receipt ever tells.",
        final=None,
    ),
    Persona(
        name="flaky",
        title="Flaky",
        description="Every other text, by chance, finds the phone out of reach.",
        final="undelivered",
        code=30003,
        chance=50,
    ),
    Persona(
        name="rate_limited",
        title="Too many requests",
        description="The carrier takes no send to this phone: too many requests.",
        refusal=20429,
    ),
    Persona(
        name="unknown_error",
        title="Unknown error",
        description="The receipt says undelivered and does not say why.",
        final="undelivered",
        code=30008,
    ),
    Persona(
        name="no_mms",
        title="No pictures",
        description="Texts arrive, pictures do not.",
        final="undelivered",
        code=30011,
        media_only=True,
    ),
)

DEFAULT: Final = PERSONAS["mobile"]

FIXED_FATES_OF_RECIPIENTS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "+15005550001": 21211,
        "+15005550002": 21612,
        "+15005550003": 21408,
        "+15005550004": 21610,
        "+15005550009": 21614,
    }
)
"""Twilio's published test numbers, https://www.twilio.com/docs/iam/test-credentials: refused as `To`, always."""

FIXED_FATES_OF_SENDERS: Final[Mapping[str, int]] = MappingProxyType(
    {"+15005550001": 21212, "+15005550007": 21606, "+15005550008": 21611}
)
"""The same page's numbers that are refused as `From`; +15005550006 is the good one."""


def timeline(
    persona: Persona,
    *,
    has_media: bool,
    sent_after_s: float,
    settled_after_s: float,
    slow_factor: float,
    chance: random.Random,
) -> list[Step]:
    """What becomes of a message that was queued, in order."""
    pace = slow_factor if persona.slow else 1.0
    final, code = persona.final, persona.code
    spared = persona.media_only and not has_media
    if spared or (persona.chance < 100 and chance.random() * 100 >= persona.chance):
        final, code = "delivered", None
    if final == "failed":
        return [Step(after_s=sent_after_s * pace, status=final, code=code)]
    sent = Step(after_s=sent_after_s * pace, status="sent", arrives=final is None)
    if final is None:
        return [sent]
    return [sent, Step(after_s=settled_after_s * pace, status=final, code=code, arrives=final == "delivered")]
