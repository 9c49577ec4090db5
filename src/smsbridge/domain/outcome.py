"""How one attempt to hand something over ended. Adapters turn every possible response into exactly one of these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from smsbridge.domain.cause import Cause
from smsbridge.domain.characters import clean_text
from smsbridge.domain.status import Status


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """The far end's own words, kept for the administrator. `code` is as they write it; `text` is cut when stored.

    Both are storable, whatever came: what a store cannot keep would crash whoever writes it down.
    """

    code: str = ""
    text: str = ""
    http_status: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "code", clean_text(self.code))
        object.__setattr__(self, "text", clean_text(self.text))


NO_EVIDENCE = Evidence()


@dataclass(frozen=True, kw_only=True, slots=True)
class Accepted:
    """They have it. `status` is what they said of it at once: usually SENT; `cause` is set if that is a failure."""

    carrier_message_id: str = ""
    status: Status = Status.SENT
    cause: Cause | None = None
    evidence: Evidence = NO_EVIDENCE


class Scope(StrEnum):
    """What a "not now" is about: until its time has come, nothing else of that goes there either."""

    TEXT = "text"
    """This one, or its two numbers."""
    SENDER = "sender"
    ACCOUNT = "account"


@dataclass(frozen=True, kw_only=True, slots=True)
class RetryLater:
    """They certainly do not have it, and the same request may work later. `after_s` is their Retry-After, if any.

    `about` is said where their code means something else than the cause does.
    """

    cause: Cause
    after_s: float | None = None
    about: Scope | None = None
    evidence: Evidence = NO_EVIDENCE

    @property
    def scope(self) -> Scope:
        return self.about or _SCOPES.get(self.cause, Scope.TEXT)


_SCOPES: Final[Mapping[Cause, Scope]] = {
    Cause.RATE_LIMITED: Scope.ACCOUNT,
    Cause.CARRIER_OUTAGE: Scope.ACCOUNT,
    Cause.QUEUE_FULL: Scope.SENDER,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Rejected:
    """They certainly do not have it, and will not take it as it is.

    Of a carrier's that is the end of the text. A desktop may refuse everything, for a wrong key, and take it all once
    that is mended: whether it is this event or all of them, is seen from what else it takes (`flows/desktop.py`).
    """

    cause: Cause
    evidence: Evidence = NO_EVIDENCE


@dataclass(frozen=True, kw_only=True, slots=True)
class Uncertain:
    """They may have it. It must not be repeated before somebody knows."""

    reason: str
    evidence: Evidence = NO_EVIDENCE


@dataclass(frozen=True, kw_only=True, slots=True)
class SwitchedOff:
    """A desktop's endpoint said that it is gone for good (410): nothing more is sent there."""

    reason: str


SendOutcome = Accepted | RetryLater | Rejected | Uncertain
"""What `Carrier.read_send` gives. Total: any response has one."""

DeliveryOutcome = Accepted | RetryLater | Rejected | SwitchedOff
"""What `Desktop.read_delivery` gives. A desktop keeps ids, so there is no *uncertain*: it is simply told again."""
