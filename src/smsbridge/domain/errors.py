"""The errors that flows raise, grouped by what the reader can do about them.

    BridgeError
    ├── Refused                 fix the request (4xx)
    │   ├── Invalid             a field of the request is wrong                                   422
    │   ├── NotFound            no such thing                                                     404
    │   ├── Conflict            the thing is in a state that does not allow it                    409
    │   └── CannotSend          the text cannot go out, with its cause and notice kind            422
    ├── Unavailable             wait and repeat (503), with `retry_after_s`
    │   └── NoRoom              the disk is full or nearly so                                     507
    └── BadSignature            the sender of a webhook could not be proven                       401
        └── Unauthenticated     and it did not try: it wants to be asked                          401

Configuration errors live in config/: they end the process before any of this exists.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from smsbridge.domain.cause import Cause
from smsbridge.domain.message import NoticeKind

NO_ROOM_RETRY_S: Final = 30


class BridgeError(Exception):
    """Any error that has an answer. `str()` is one plain sentence for the person at the other end."""


class Refused(BridgeError):
    """The request cannot be carried out as it is."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """One wrong field: `pointer` is a JSON Pointer in the body (`/text`) or a parameter name."""

    pointer: str
    detail: str


class Invalid(Refused):
    """Some fields are wrong; `errors` names each of them."""

    def __init__(self, detail: str, *errors: FieldError, cause: Cause | None = None) -> None:
        super().__init__(detail)
        self.errors = errors
        self.cause = cause


class NotFound(Refused):
    """There is no `what` with that id."""

    def __init__(self, what: str, identifier: str) -> None:
        super().__init__(f"There is no {what} {identifier!r}.")
        self.what = what


class Conflict(Refused):
    """The thing exists but is in a state that does not allow this. `code` is a fixed word for programs."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


class CannotSend(Refused):
    """A text that is known at once not to go through. `field` is the JSON Pointer of the field at fault.

    `overridable` says that the same call with `force: true` is taken all the same. `reason` is what the agent reads in
    the notice, where that differs from what a program reads here.
    """

    def __init__(
        self,
        cause: Cause,
        notice: NoticeKind,
        detail: str,
        *,
        field: str = "",
        overridable: bool = False,
        reason: str = "",
    ) -> None:
        super().__init__(detail)
        self.reason = reason or detail
        self.cause = cause
        self.notice = notice
        self.field = field
        self.overridable = overridable


class Unavailable(BridgeError):
    """We cannot take it now; the same request may work in `retry_after_s` seconds."""

    def __init__(self, detail: str, *, retry_after_s: int) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class NoRoom(Unavailable):
    """There is too little room on the disk for what is new."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail, retry_after_s=NO_ROOM_RETRY_S)


class BadSignature(BridgeError):
    """A webhook whose sender could not be proven.

    The text says which URL, header and parameter were used and, where a small change of the *configuration* would
    have made it match, which one (`hint`). It never holds a secret or a signature.
    """

    def __init__(self, detail: str, *, hint: str = "") -> None:
        super().__init__(f"{detail} {hint}".strip())
        self.detail = detail
        self.hint = hint


class Unauthenticated(BadSignature):
    """A webhook that shows nothing to prove itself with, and will once it is asked to: the first half of HTTP's
    challenge and answer (RFC 9110, 11.4). Nothing of it is kept."""
