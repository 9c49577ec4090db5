"""What differs from carrier to carrier, and nothing else: the contract of a dialect, and what it reads and writes.

A dialect is a translator. It performs nothing: the story of a send, faults, receipts in order, repeats and the ledger
are the same for all and stand elsewhere. It is written from what the carrier publishes, never from the bridge.

Fates are named by Twilio's codes, which have a word for each (`personas.py`); every dialect says them in its own.
"""

from __future__ import annotations

import random
import uuid
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar, Final
from urllib.parse import parse_qsl, urlsplit

from aiohttp import web

from smsbridge.wire.encoding import read_json, write_json

from .account import Account, CarrierMessage, MediaFile, OwnNumber
from .callbacks import Answer, Overrides, Webhook
from .faults import Faults
from .lookups import Line
from .personas import Step
from .phones import Phones
from .settings import SimulatorSettings
from .traffic import Kind

Pairs = Sequence[tuple[str, str]]

OTHER: Final = 0
"""The fate that stands for all which a dialect has no words for."""

UNKNOWN: Final = 30008
"""The same for receipts: Twilio's "unknown error"."""
_ALIKE: Final = {11205: 11200, 11215: 11200}  # a picture that could not be fetched, for whatever reason

NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True, slots=True)
class Office:
    """What a dialect may look at."""

    settings: SimulatorSettings
    account: Account
    phones: Phones
    faults: Faults
    chance: random.Random
    clock: Callable[[], float]
    pause: Callable[[float], Awaitable[None]]
    """Waits for so many unscaled seconds."""
    url: str
    """Of the carrier's API as the bridge reaches it, without a slash at the end."""
    cdn_url: str
    """The same computer under another host name, where no credentials belong."""

    def secret(self, what: str) -> bytes:
        """32 bytes that nobody else knows, others for every `what`; all of them hang on the account's token."""
        return self.settings.secret(what)

    def secret_uuid(self, what: str) -> str:
        return str(uuid.UUID(bytes=self.secret(what)[:16], version=4))

    def new_uuid(self) -> str:
        return str(uuid.UUID(int=self.chance.getrandbits(128), version=4))


@dataclass(kw_only=True, slots=True)
class Call:
    """One call of the carrier's API on its way: what was asked, and what the traffic shall say of it."""

    request: web.Request
    kind: Kind
    query: Pairs
    body: bytes = b""
    form: Pairs = ()
    """The body as pairs, for people and for carriers that take forms."""
    from_: str = ""
    to: str = ""
    summary: str = ""
    unanswered: bool = False

    @property
    def path(self) -> str:
        return self.request.rel_url.raw_path

    def named(self, name: str) -> str:
        return self.request.match_info[name]

    def header(self, name: str) -> str:
        return self.request.headers.get(name, "")


@dataclass(frozen=True, kw_only=True, slots=True)
class Endpoint:
    """A URL of a dialect that is not of the common kinds."""

    method: str
    path: str
    kind: Kind
    answer: Callable[[Call], Awaitable[web.StreamResponse]]
    is_open: bool = False
    """Answered without credentials."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """What a send asks for."""

    to: str
    """E.164 or a short code, however the carrier writes them; what is neither stays as it came, and is refused."""
    from_: str
    body: str | None
    media_urls: tuple[str, ...] = ()
    status_callback: str = ""
    """Where its receipts go."""
    ref: str | None = None
    """The bridge's own id, if it can be seen."""
    sid: str = ""
    """The id that the message shall have, where the sender chooses it."""
    key: str = ""
    """What makes a repeat of this send one, where the carrier knows repeats."""
    echo: Mapping[str, Any] = field(default_factory=dict)
    """What the carrier gives back as it came, in answers and receipts."""
    messaging_service_sid: str = ""
    validity_period: str = ""
    has_content_sid: bool = False


@dataclass(frozen=True, slots=True)
class Words:
    """How a dialect says a fate."""

    code: str
    """What the bridge shows as the carrier's code; blank where the carrier has none."""
    text: str = ""
    _: KW_ONLY
    status: int = 400
    """Of the answer, when it is said at once."""
    late: bool = False
    """Whether the carrier takes the message all the same, and only a receipt says it."""
    state: str = ""
    """Of the receipt, when it is said later and the fate has a word of its own for it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """A text that the answer to a webhook asks for."""

    text: str
    media_urls: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class BadAnswer:
    """An answer to a webhook that the carrier cannot read, with the alert it would raise."""

    code: int
    reason: str


class Dialect(ABC):
    """How one carrier speaks. A module in `dialects/` that defines `DIALECT` is one."""

    name: ClassVar[str]
    """The `type` of its account in the bridge's configuration."""
    user_agent: ClassVar[str] = "carrier-simulator"
    sends: ClassVar[Sequence[str]] = ()
    """The paths that take sends, by POST."""
    media: ClassVar[str] = ""
    """The path where inbound media lie, with `{media}`."""
    lookup: ClassVar[tuple[str, str] | None] = None
    """Method and path of a lookup."""
    words: ClassVar[Mapping[int, Words]] = MappingProxyType({})
    """By fate; what is not among them is said as `OTHER`, in a receipt as `UNKNOWN`."""
    max_body_chars: ClassVar[int] = 1_600
    max_media: ClassVar[int] = 10
    answers_stop: ClassVar[bool] = True
    """Whether the carrier itself keeps who said STOP, and answers them."""
    has_one_sender: ClassVar[bool] = False
    """Whether every text goes from the account's own number, whatever a send says."""
    connection: ClassVar[Overrides] = Overrides()
    """How it calls a webhook, judges the answer and repeats."""

    def __init__(self, office: Office) -> None:
        self.office = office

    # The bridge's side of the account

    @abstractmethod
    def write_account(self) -> dict[str, Any]:
        """The account's table in the bridge's configuration, secrets included."""

    def write_keys(self) -> Mapping[str, bytes]:
        """The public keys of its signatures that lie at the carrier's own hosts, by address: nobody on this computer
        can put them there, and no demo shall ask for them."""
        return NOTHING

    # The API

    @abstractmethod
    def refuse_caller(self, call: Call) -> web.Response | None:
        """What somebody without the right credentials hears."""

    def read_body(self, body: bytes) -> Pairs:
        """The body as pairs. Raises `Unreadable`."""
        return list(flatten(read_json(body))) if body else ()

    @abstractmethod
    def read_send(self, call: Call) -> Wish:
        """Raises `Unreadable` for a body that the carrier cannot read."""

    @abstractmethod
    def write_sent(self, message: CarrierMessage) -> web.Response:
        """What the carrier answers when it has taken a message."""

    @abstractmethod
    def write_refusal(self, call: Call, fate: int, *, wish: Wish | None = None, about: str = "") -> web.Response:
        """What it answers instead. Fills `call.summary`."""

    def write_repeat(self, call: Call, earlier: web.Response, *, is_same: bool) -> web.Response:
        """To a send whose `key` was taken before, with the same body or another."""
        return earlier

    def refuse_fetch(self, call: Call) -> web.Response | None:
        """What somebody hears who may not have a file that a phone sent; `None`: whoever knows the URL may."""
        return None

    def read_lookup(self, call: Call) -> str:
        """The number that is asked about, in E.164 if it is one."""
        return call.named("number")

    def write_lookup(self, number: str, line: Line) -> web.Response:
        raise NotImplementedError(f"{self.name} has no lookup")

    def endpoints(self) -> Sequence[Endpoint]:
        """What else the API has."""
        return ()

    def headers(self, duration_ms: float) -> Mapping[str, str]:
        """Those that every answer of the API carries."""
        return NOTHING

    # Webhooks

    def new_id(self, *, has_media: bool) -> str:
        return self.office.new_uuid()

    @abstractmethod
    def write_inbound(self, message: CarrierMessage, own: OwnNumber) -> Webhook:
        """The signed webhook of a text."""

    def write_fallback(self, message: CarrierMessage, own: OwnNumber, failed: Answer) -> Webhook | None:
        """What is called instead when `failed` is what became of it; `None`: nothing."""
        return None

    def write_batch(self, messages: Sequence[CarrierMessage], own: OwnNumber) -> Webhook | None:
        """Several texts in one request; `None`: the carrier posts each by itself."""
        return None

    def write_parts(self, message: CarrierMessage, own: OwnNumber, texts: Sequence[str]) -> Sequence[Webhook]:
        """A long text as the SMS that it came in, each posted by itself; empty: the carrier always joins them."""
        return ()

    @abstractmethod
    def write_receipt(self, message: CarrierMessage, step: Step) -> Webhook | None:
        """The signed webhook of a change of status; `None` where the carrier has none for it."""

    def read_answer(self, answer: Answer) -> Sequence[Reply] | BadAnswer:
        """The texts that the answer to a webhook asks for."""
        return ()

    # What many of them share

    def tells_late(self, fate: int) -> bool:
        words = self.words.get(fate)
        return words is not None and words.late

    def words_for(self, fate: int) -> Words:
        """In an answer."""
        return self.words.get(fate) or self.words[OTHER]

    def late_words_for(self, fate: int) -> Words:
        """In a receipt."""
        return self.words.get(_ALIKE.get(fate, fate)) or self.words[UNKNOWN]

    def code_of(self, fate: int) -> str:
        """How a receipt calls it."""
        return self.late_words_for(fate).code

    def prove(self, url: str, body: bytes) -> Mapping[str, str]:
        """The headers with which a webhook of this body to this URL proves whose it is."""
        return NOTHING

    def write_json_webhook(self, url: str, document: Any, message: CarrierMessage) -> Webhook:
        body = write_json(document)
        return Webhook(
            url=url,
            headers={"Content-Type": "application/json", **self.prove(url, body)},
            body=body,
            connection=self.connection,
            from_=message.from_ or "",
            to=message.to,
            shown=tuple(flatten(document)),
        )

    def media_url(self, media: MediaFile) -> str:
        return self.office.url + self.media.format(media=media.sid)

    @property
    def hook_url(self) -> str:
        """Where the account's own settings at the carrier say that webhooks go."""
        account = self.office.account
        return account.numbers[account.default_sender].sms_url


def flatten(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """JSON as pairs for people: `("data.payload.text", "hello")`."""
    items: Iterable[tuple[Any, Any]]
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    else:
        yield path, "" if value is None else str(value)
        return
    for name, each in items:
        yield from flatten(each, f"{path}.{name}" if path else str(name))


def ref_in(url: str) -> str | None:
    """The bridge's own id, where it stands in the query of a URL of its own."""
    return dict(parse_qsl(urlsplit(url).query)).get("ref")
