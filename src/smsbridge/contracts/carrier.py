"""What a carrier is: a pure translator between its dialect and our words.

One module in carriers/ is one carrier: a frozen dataclass whose fields are its settings, and a last line
`ADAPTER: Final[type[Carrier]] = Name` by which the type checker proves the fit. No method performs anything, reads a
clock or logs; the same input always gives the same output. No method raises anything but what is named here,
whatever bytes it is given.

What a carrier cannot do it does not write: `class Name(Carrier)` has the methods of the abilities that it lacks from
here, where nobody calls them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal, Protocol, Self

from smsbridge.domain.cause import Cause
from smsbridge.domain.events import CarrierEvent, InboundMedia, InboundMessage, Receipt, Withheld
from smsbridge.domain.message import Capability, OutboundPart
from smsbridge.domain.outcome import Scope, SendOutcome
from smsbridge.wire.http import CREDENTIALS_WANTED, Fetch, Request, Response

Listing = Literal["nothing", "ids", "texts"]
"""What a carrier tells of texts that came to us when it is asked: nothing, that they came, or what they say."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Abilities:
    """What a carrier can do. The conformance suite checks each against the methods."""

    max_text_chars: int
    """The longest text one send may have; longer ones become several parts."""
    receipts: bool = True
    media: bool = False
    max_media: int = 0
    max_media_bytes: int = 0
    """Of all attachments of one message together."""
    media_types: frozenset[str] = frozenset()
    lookup: bool = False
    find: bool = False
    """A sent message can be found again without its id, by asking the carrier."""
    fetch_status: bool = False
    """The state of a sent message can be asked for by its carrier id."""
    answers_stop: bool = False
    """The carrier itself sends the confirmation that the law allows after STOP."""
    listing: Listing = "nothing"
    pushes_for_ms: int = 60_000
    """How long after a text came the carrier may still be pushing it. Younger ones are no business of a listing."""
    repeat_safe_ms: int | None = None
    """A send that is repeated with the same `ref` makes no second text for so long; None: it does."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CodeMeaning:
    """One row of a carrier's table of codes."""

    cause: Cause
    meaning: str
    retry: bool = False
    """The same message may work later without a person acting."""
    about: Scope | None = None
    """What has to wait with it, where that is not what the cause says (`domain.outcome.RetryLater`)."""


def code_rows(
    cause: Cause, meanings: Mapping[str, str], *, retry: bool = False, about: Scope | None = None
) -> dict[str, CodeMeaning]:
    """Rows of a table of codes that have all but their words in common."""
    return {
        code: CodeMeaning(cause=cause, meaning=meaning, retry=retry, about=about) for code, meaning in meanings.items()
    }


NO_MEANING: Final = CodeMeaning(cause=Cause.UNKNOWN, meaning="refused for a reason that is not in the table")
"""That of every code that is in no table."""


def media_types(families: Mapping[str, str]) -> frozenset[str]:
    """`{"image": "jpeg png"}` as `image/jpeg` and `image/png`."""
    return frozenset(f"{family}/{kind}" for family, kinds in families.items() for kind in kinds.split())


@dataclass(frozen=True, kw_only=True, slots=True)
class AccountUrls:
    """The public addresses of one account, made from `public_url` and never from a request."""

    webhook: str
    """Where this carrier posts; `webhook + "/" + what` where it wants several."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FindQuery:
    """What is known of a send whose answer was lost."""

    ref: str
    sender: str
    to: str
    text: str
    has_media: bool
    sent_after_ms: int
    known_ids: frozenset[str]
    """Carrier ids that belong to other messages and therefore cannot be this one."""


class Undecided(LookupError):
    """The carrier has several messages that could be the one that is looked for."""


class Unable(NotImplementedError):
    """The carrier has no such ability, and says so in `abilities`: asking it all the same is a mistake of ours."""


class KeyWanted(Exception):
    """`verify` cannot go on without the public key that lies at this address.

    Nothing of the request is proven yet, so the adapter says this only of addresses that nobody but the carrier can
    put anything at.
    """

    def __init__(self, request: Request) -> None:
        super().__init__(f"The key at {request.url} is wanted.")
        self.request = request


@dataclass(frozen=True, kw_only=True, slots=True)
class ListQuery:
    """Which texts are wanted: those that came to `to`, one of our senders, from `since_ms` on and before `until_ms`."""

    to: str
    since_ms: int
    until_ms: int
    page: str = ""
    """Where the page begins, in the words of the page before; empty: the first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Listed:
    """One page of a list."""

    events: tuple[InboundMessage | Withheld, ...]
    """Newest first, over all pages. More than was asked for does no harm: what has a time outside is left out."""
    next_page: str = ""
    """Empty when what follows cannot be wanted."""
    unreadable: int = 0
    """Entries that may be texts and could not be understood."""


class Carrier(Protocol):
    """One configured account at one carrier."""

    name: ClassVar[str]
    """As in the configuration: `twilio`."""
    abilities: ClassVar[Abilities]
    codes: ClassVar[Mapping[str, CodeMeaning]]
    """Every documented error code. A code that is not in it is Cause.UNKNOWN."""
    refusal: ClassVar[Response]
    """What a request hears that `verify` did not believe: `wire.http.NOT_PROVEN`, or what makes this carrier repeat.
    Some drop a text on a 4xx, and the fault may be in our settings."""
    challenge: ClassVar[Response] = CREDENTIALS_WANTED
    """What a request hears that `verify` called Unauthenticated."""

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any], urls: AccountUrls) -> Self:
        """Built from the account's table in the configuration.

        Raises ValueError with all problems, one a line, each `key: what is wrong and what would be right`.
        """
        ...

    def write_setup(self, webhook: str) -> Sequence[str]:
        """What a person sets at the carrier so that texts and receipts come to `webhook`: one line for each step.

        Secrets are named by their settings and never shown.
        """
        ...

    @property
    def only_sender(self) -> str:
        """The one sender of this account, where the carrier sends from it whatever a send asks for; empty: it asks."""
        return ""

    def verify(self, request: Request, now_ms: int) -> None:
        """Raises BadSignature unless the carrier itself wrote this request. `request.url` is the public URL.

        `now_ms` is when the request came in, for signatures that hold a time. Raises Unauthenticated, a BadSignature,
        for a request that only asks what it has to prove itself with, and KeyWanted where the request names the key
        that it is signed with and `with_key` has not brought it.
        """
        ...

    def with_key(self, url: str, key: bytes) -> Self:
        """The same account, knowing what lies at the address of a KeyWanted. Only for carriers that raise it.

        Raises wire.encoding.Unreadable for bytes that are no such key.
        """
        raise Unable

    def read_webhook(self, request: Request) -> Sequence[CarrierEvent]:
        """Every event in a verified request, in its order, none dropped.

        What it does not know becomes `Unrecognized`. Raises wire.encoding.Unreadable for bytes that are no webhook
        of this carrier at all.
        """
        ...

    def acknowledge(self, events: Sequence[CarrierEvent]) -> Response:
        """What the carrier wants to hear once all events are stored."""
        ...

    def write_send(self, part: OutboundPart) -> Request: ...

    def read_send(self, response: Response) -> SendOutcome:
        """Total: any status with any body gives an outcome."""
        ...

    def write_media_fetch(self, media: InboundMedia) -> Fetch:
        """How to download an inbound attachment: credentials only for the carrier's own hosts.

        Raises ValueError if the URL is not one this carrier would give.
        """
        raise Unable

    def write_lookup(self, number: str, now_ms: int) -> Request:
        """Ask what kind of number this is. Only with `abilities.lookup`. The time is for signatures that hold one."""
        raise Unable

    def read_lookup(self, number: str, response: Response, now_ms: int) -> Capability | None:
        """None when the answer says nothing; never a reason to block."""
        raise Unable

    def write_find(self, query: FindQuery) -> Request:
        """Ask whether a send arrived. Only with `abilities.find`."""
        raise Unable

    def read_find(self, query: FindQuery, response: Response) -> Receipt | None:
        """The message with its present state, or None if it is certainly not there.

        Raises LookupError when the answer does not decide it, with the reason; Undecided when it is that there are
        two candidates.
        """
        raise Unable

    def write_list(self, query: ListQuery) -> Request:
        """Ask which texts came. Only where `abilities.listing` says more than `nothing`."""
        raise Unable

    def read_list(self, query: ListQuery, response: Response) -> Listed:
        """A text whose attachments the list only counts has them in `media_missing`.

        Raises LookupError when the answer is no page of a list, with the reason.
        """
        raise Unable

    def write_list_media(self, text: InboundMessage) -> Request:
        """Ask for the attachments of a text that a list only counts them of."""
        raise Unable

    def read_list_media(self, text: InboundMessage, response: Response) -> InboundMessage:
        """The text with those that are still there. Raises LookupError when the answer does not say."""
        raise Unable

    def write_fetch_status(self, carrier_message_id: str) -> Request:
        """Ask for the state of a sent message. Only with `abilities.fetch_status`."""
        raise Unable

    def read_fetch_status(self, carrier_message_id: str, response: Response) -> Receipt | None:
        """None when the answer says nothing."""
        raise Unable
