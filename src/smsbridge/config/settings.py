"""The settings as one typed record. The descriptions are the documentation: docs.py writes the reference from them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Secret

from smsbridge.contracts.bridge import DeskPolicy, Policy, Retention
from smsbridge.domain.brake import BrakePolicy
from smsbridge.domain.cause import OF_THE_ACCOUNT, Cause
from smsbridge.domain.notices import CATALOGUES
from smsbridge.domain.retry import RetryPolicy

PORT: Final = 8398  # spells TEXT on a phone's keypad
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
LONGEST_MS: Final = 3_650 * DAY_MS
LARGEST_BYTES: Final = 1024**4


def read_duration(value: object) -> object:
    """`500ms`, `30s`, `5m`, `24h`, `2d` or a number of seconds, as milliseconds."""
    found = re.fullmatch(r"\s*(\d{1,12}(?:\.\d{1,6})?)\s*(ms|s|m|h|d)?\s*", str(value), re.ASCII)
    if found is None or isinstance(value, bool):
        raise ValueError('must be a duration like "30s", "5m", "24h" or "2d"')
    milliseconds = round(float(found[1]) * _MILLISECONDS[found[2] or "s"])
    if milliseconds > LONGEST_MS:
        raise ValueError(f"must be at most {write_duration(LONGEST_MS)}")
    return milliseconds


def write_duration(milliseconds: int) -> str:
    """In the largest unit that gives a whole number: `24h`, `90s`; a whole number of days only from two on."""
    for unit, size in (("d", DAY_MS), ("h", HOUR_MS), ("m", 60_000), ("s", 1_000)):
        if milliseconds % size == 0 and milliseconds >= size * (2 if unit == "d" else 1):
            return f"{milliseconds // size}{unit}"
    return f"{milliseconds}ms" if milliseconds else "0s"


def read_size(value: object) -> object:
    """`500KB`, `5MB`, `1GB` or a number of bytes, as bytes. A KB has 1024 bytes."""
    found = re.fullmatch(r"\s*(\d{1,12}(?:\.\d{1,6})?)\s*(B|KB|MB|GB)?\s*", str(value).upper(), re.ASCII)
    if found is None or isinstance(value, bool):
        raise ValueError('must be a size like "500KB" or "5MB"')
    size = round(float(found[1]) * _BYTES[found[2] or "B"])
    if size > LARGEST_BYTES:
        raise ValueError(f"must be at most {write_size(LARGEST_BYTES)}")
    return size


def write_size(size: int) -> str:
    for unit in ("GB", "MB", "KB"):
        if size and size % _BYTES[unit] == 0:
            return f"{size // _BYTES[unit]}{unit}"
    return f"{size}B"


_MILLISECONDS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": HOUR_MS, "d": DAY_MS}
_BYTES: Final = {"B": 1, "KB": 1024, "MB": 1024**2, "GB": 1024**3}


def _read_file_name(value: object) -> object:
    if isinstance(value, str) and "://" in value:
        raise ValueError("must be a file name; the address of a database server is store.url")
    return value


def _read_store_url(value: object) -> object:
    """Without repeating it: there is a password in it."""
    url = value.get_secret_value() if isinstance(value, Secret) else value
    if not isinstance(url, str) or not re.match(r"postgres(ql)?://|\Z", url):
        raise ValueError('must be like "postgresql://user@host/database"; a SQLite file is store.file')
    if url and not _POSTGRES_URL.fullmatch(url):
        raise ValueError("cannot be read: in a password @ is written %40, / %2F, # %23, ? %3F and % %25")
    return Secret(url)


_POSTGRES_URL: Final = re.compile(
    r"postgres(ql)?://(([^@/?#%]|%[0-9A-Fa-f]{2})*@)?([^@/?#%]|%[0-9A-Fa-f]{2})*(/[^@?#]*)?([?].*)?"
)
"""libpq would take part of such a password for the host, and repeat it where it says that there is no such host."""


def _read_language(value: object) -> object:
    if isinstance(value, str) and value.lower().partition("-")[0] not in CATALOGUES:
        raise ValueError(f"is no language that notices are written in; there is: {', '.join(CATALOGUES)}")
    return value


Duration = Annotated[int, BeforeValidator(read_duration), Field(ge=0)]
Size = Annotated[int, BeforeValidator(read_size), Field(ge=0)]
StoreUrl = Annotated[Secret[str], BeforeValidator(_read_store_url)]
FileName = Annotated[str, BeforeValidator(_read_file_name), Field(min_length=1)]
Language = Annotated[str, BeforeValidator(_read_language)]


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Server(Section):
    """Where the daemon listens, and how long it waits for slow clients."""

    host: str = Field(
        default="127.0.0.1", description="The address to listen on. Put a proxy that ends TLS in front of it."
    )
    port: int = Field(default=PORT, ge=0, le=65_535, description="The port; 0 takes any free one.")
    metrics_port: int | None = Field(
        default=None,
        ge=0,
        le=65_535,
        description="Serve /metrics, /livez and /readyz on this port of 127.0.0.1 and not on the public one.",
    )
    header_timeout: Duration = Field(
        default=10_000, description="A connection that has not sent a whole request by then is cut."
    )
    body_timeout: Duration = Field(default=5_000, description="A request body must have arrived by then.")
    idle_timeout: Duration = Field(
        default=20_000, description="A kept connection without a request is closed after this long."
    )
    max_connections: int = Field(
        default=2_000, ge=1, description="More than this, or half the open files allowed, are closed at once."
    )
    grace: Duration = Field(default=30_000, description="At a stop, work in flight may take this long to end.")


class StoreSection(Section):
    """Where messages, contacts and jobs are kept."""

    file: FileName = Field(
        default="smsbridge.sqlite3",
        description="The SQLite file; a relative path lies in data_dir. It must be on a local disk.",
    )
    url: StoreUrl = Field(
        default=Secret(""),
        description="A PostgreSQL database instead, for several daemons: postgresql://user@host/database. A secret.",
    )
    silent_after: Duration = Field(
        default=15_000,
        ge=1_000,
        description="The work of a daemon that has not been heard of for so long is taken over by the others.",
    )
    spool: str = Field(
        default="spool.sqlite3",
        description="Where webhooks are kept while PostgreSQL cannot be reached; a relative path lies in data_dir. "
        "Empty: nowhere; they are refused, and the carrier may repeat them.",
    )
    spool_limit: int = Field(default=100_000, ge=1, description="The most webhooks the spool takes.")


class DiskSection(Section):
    """What is refused while there is little room on the disk (docs/operations/disk-is-full.md)."""

    low: Size = Field(
        default=2 * 1024**3,
        description="With less free than this, or 5 % of the disk if that is less, agents' texts are refused.",
    )
    full: Size = Field(
        default=512 * 1024**2,
        description="With less free than this, or 1 % of the disk if that is less, contacts' are refused too.",
    )
    reserve: Size = Field(
        default=64 * 1024**2,
        description="Kept aside, at most 1 % of the disk, so that what was begun can end on a full one; 0: nothing.",
    )


class LogSection(Section):
    """What is written to standard error (docs/logs.md)."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least important line that is written."
    )
    format: Literal["auto", "console", "json"] = Field(
        default="auto", description="JSON lines, or lines for people; auto: for people on a terminal."
    )


class MediaSection(Section):
    """Pictures and files."""

    folder: str = Field(
        default="media", min_length=1, description="Where they are kept; a relative path lies in data_dir."
    )
    hold: Duration = Field(
        default=60_000, description="A text waits this long for its pictures; then it is delivered and they follow."
    )
    give_up: Duration = Field(
        default=DAY_MS, description="A picture that cannot be fetched for this long is given up, and the agent told."
    )
    max_size: Size = Field(default=5 * 1024**2, ge=1, description="The largest attachment that is taken, either way.")
    max_attachments: int = Field(default=10, ge=1, le=30, description="The most attachments of one message.")
    link_life: Duration = Field(default=DAY_MS, gt=0, description="How long a media link for a desktop works.")
    carrier_link_life: Duration = Field(
        default=4 * HOUR_MS, gt=0, description="How long a media link for a carrier works."
    )


class InteractionsSection(Section):
    """Chat sessions."""

    asynchronous: bool = Field(
        default=True,
        description="A message before Done makes an ended interaction active again; false: ended stays ended.",
    )
    idle_end: Duration = Field(
        default=DAY_MS, description="An interaction in which nobody says anything for this long ends; 0: never."
    )
    hold_parts: Duration = Field(
        default=300_000,
        gt=0,
        description="A long text that a carrier pushes in parts waits this long for those that are missing; then it is "
        "delivered without.",
    )
    desktop: str = Field(
        default="desk", description="The desktop of senders that name none. If there is one desktop only, it is that."
    )
    dispositions: tuple[str, ...] = Field(
        default=(), description="What an interaction may be marked with when it is Done; empty: any text."
    )


class DeskSection(Section):
    """The built-in desk."""

    session_idle: Duration = Field(
        default=12 * HOUR_MS, gt=0, description="An agent whose desk was closed for this long has to sign in again."
    )
    offer_first: Duration = Field(
        default=20_000,
        description="A new text is offered to the agent its contact is assigned to for this long, then to everybody.",
    )
    save_attachments: bool = Field(default=True, description="Agents may save the pictures that contacts send.")


class SendingSection(Section):
    """Handing texts to carriers."""

    first_wait: Duration = Field(
        default=2_000, gt=0, description="The wait before the second attempt; it doubles from then on."
    )
    max_wait: Duration = Field(default=300_000, gt=0, description="The longest wait between two attempts.")
    max_age: Duration = Field(
        default=4 * HOUR_MS, gt=0, description="A text that could not be handed over by then is given up."
    )
    settle_after: tuple[Duration, ...] = Field(
        default=(5_000, 60_000, 300_000),
        min_length=1,
        description="When, after a send whose answer was lost, the carrier is asked whether it has it.",
    )
    uncertain: Literal["hold", "resend_if_absent", "resend"] = Field(
        default="hold",
        description="If nobody can know: tell the agent, send again if the carrier lists nothing, or send again.",
    )
    unconfirmed_after: Duration = Field(
        default=DAY_MS, gt=0, description="A text without a final receipt by then may not have been delivered."
    )
    delayed_notice_after: Duration = Field(
        default=15_000, description="The agent is told of a text that waits longer than this."
    )
    max_text: int = Field(
        default=10_000,
        ge=1,
        le=100_000,
        description="The longest text, in characters; what a carrier takes less of goes in parts.",
    )
    stop_confirmation: str = Field(
        default="You will get no more texts from us. Reply START to get them again.",
        description="Sent once after STOP, unless the carrier sends its own. Empty: nothing.",
    )
    help_answer: str = Field(default="", description="Sent after HELP, unless the carrier answers it. Empty: nothing.")


class CatchUpSection(Section):
    """Texts that a carrier could not push. It is asked for them on every start, and from time to time."""

    every: Duration = Field(
        default=300_000, description="How often the list of each number is read; 0: never, not at a start either."
    )
    overlap: Duration = Field(
        default=900_000,
        description="How far before the end of one look the next begins: for carriers that list a text late.",
    )


class DeliverySection(Section):
    """Telling desktops."""

    first_wait: Duration = Field(
        default=1_000, gt=0, description="The wait before the second attempt; it doubles from then on."
    )
    max_wait: Duration = Field(default=60_000, gt=0, description="The longest wait between two attempts.")
    max_age: Duration = Field(
        default=3 * DAY_MS, gt=0, description="An event that could not be delivered by then becomes a dead letter."
    )


class BrakesSection(Section):
    """When the bridge stops calling a carrier or a desktop that does not work."""

    open_after: int = Field(
        default=5, ge=1, le=1_000, description="So many jobs in a row must fail before nothing more is tried there."
    )
    probe_every: Duration = Field(
        default=30_000, gt=0, description="Then one of them tries this often whether it works again."
    )
    park_after: int = Field(
        default=3,
        ge=1,
        le=1_000,
        description="An event that a desktop refuses so often, while it takes others, becomes a dead letter.",
    )


class ApiSection(Section):
    """The REST API."""

    require_idempotency_key: bool = Field(
        default=False, description="Refuse a creating POST that has no Idempotency-Key."
    )


class NoticesSection(Section):
    """Our words to agents."""

    language: Language = Field(default="en", description="The language of notices.")


class NumbersSection(Section):
    """What is known about numbers."""

    remember: Duration = Field(
        default=30 * DAY_MS, description="How long what receipts taught about a number is believed."
    )


class RetentionSection(Section):
    """How long things are kept that only prove or replay something. Transcripts are kept until erased."""

    arrivals: Duration = Field(
        default=7 * DAY_MS,
        description="The record of every webhook, the refused ones whole, and receipts that match no message.",
    )
    refused_kept: int = Field(default=1_000, ge=0, description="The most refused webhooks kept for each account.")
    events: Duration = Field(
        default=30 * DAY_MS,
        description="The event log: how far back a stream can resume. Dead letters go with it.",
    )
    answers: Duration = Field(default=7 * DAY_MS, description="The answers to requests with an Idempotency-Key.")


def read_account_cause(value: object) -> object:
    if value not in OF_THE_ACCOUNT:
        known = ", ".join(sorted(OF_THE_ACCOUNT))
        raise ValueError(f"must be a cause that another account can be free of: {known}")
    return value


AccountCause = Annotated[Cause, BeforeValidator(read_account_cause)]


class CarrierSection(BaseModel):
    """One account at a carrier; the name is the last part of its webhook's path.

    Every other key belongs to the carrier's own settings (docs/carriers/).
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    type: str = Field(description="The carrier: a name of docs/carriers/, as twilio.")
    verification: Literal["enforce", "report", "off"] = Field(
        default="enforce", description="Refuse webhooks with a bad signature, only report them, or do not look."
    )
    timeout: Duration = Field(
        default=20_000, gt=0, le=60_000, description="The longest one request to the carrier may take."
    )
    concurrency: int = Field(default=16, ge=1, le=256, description="The most sends at once.")
    rate: float = Field(
        default=0.0,
        ge=0,
        le=10_000,
        allow_inf_nan=False,
        description="Segments a second that may leave over all its senders; 0: as fast as the carrier takes them.",
    )
    burst: int = Field(default=1, ge=1, le=10_000, description="Segments that may leave at once after a pause.")
    lookup: bool = Field(
        default=False, description="Ask the carrier about unknown numbers. Most carriers charge for it."
    )
    reroute: str = Field(
        default="",
        description="The account that is given a text which this one certainly does not have, for one of "
        "reroute_causes (docs/operations/several-carriers.md).",
    )
    reroute_causes: tuple[AccountCause, ...] = Field(
        default=(Cause.CARRIER_OUTAGE, Cause.AUTH, Cause.BALANCE),
        min_length=1,
        description="What is the account's own fault, so that another may do better.",
    )


class SenderSection(Section):
    """One of our numbers."""

    number: str = Field(description="E.164, a short code or an alphanumeric name.")
    carrier: str = Field(description="The account under [carriers] that it sends through.")
    desktop: str = Field(default="", description="Where its texts go; empty: interactions.desktop.")
    name: str = Field(default="", max_length=80, description="What people call it.")
    rate: float = Field(
        default=0.0,
        ge=0,
        le=10_000,
        allow_inf_nan=False,
        description="Segments a second that may leave; 0: as fast as the carrier takes them.",
    )
    burst: int = Field(default=1, ge=1, le=10_000, description="Segments that may leave at once after a pause.")


class DesktopSection(BaseModel):
    """One desktop. Every other key belongs to the desktop's own settings (docs/desktops/)."""

    model_config = ConfigDict(frozen=True, extra="allow")

    type: str = Field(description="The kind of desktop: desk or webhook.")
    timeout: Duration = Field(default=20_000, gt=0, le=60_000, description="The longest one delivery may take.")
    concurrency: int = Field(default=64, ge=1, le=256, description="The most deliveries at once.")
    default_sender: str = Field(
        default="", description="The sender of a text that names none and has no conversation yet."
    )


class Settings(Section):
    """Everything."""

    public_url: str = Field(
        default=f"http://127.0.0.1:{PORT}",
        description="How carriers and desktops reach the daemon, with the path, without a slash at the end.",
    )
    data_dir: str = Field(
        default="data",
        min_length=1,
        description="The folder of everything that is kept; relative to the configuration file.",
    )
    server: Server = Server()
    store: StoreSection = StoreSection()
    disk: DiskSection = DiskSection()
    log: LogSection = LogSection()
    media: MediaSection = MediaSection()
    interactions: InteractionsSection = InteractionsSection()
    desk: DeskSection = DeskSection()
    sending: SendingSection = SendingSection()
    catch_up: CatchUpSection = CatchUpSection()
    delivery: DeliverySection = DeliverySection()
    brakes: BrakesSection = BrakesSection()
    api: ApiSection = ApiSection()
    notices: NoticesSection = NoticesSection()
    numbers: NumbersSection = NumbersSection()
    retention: RetentionSection = RetentionSection()
    carriers: Mapping[str, CarrierSection] = Field(default_factory=dict, description="The carrier accounts, by name.")
    senders: tuple[SenderSection, ...] = Field(default=(), description="Our numbers.")
    desktops: Mapping[str, DesktopSection] = Field(
        default_factory=lambda: {"desk": DesktopSection(type="desk")}, description="The desktops, by name."
    )
    folder: Path = Field(
        default=Path(), exclude=True, description="Where relative paths begin: the configuration file's folder."
    )

    @property
    def data_path(self) -> Path:
        return (self.folder / self.data_dir).absolute()

    @property
    def store_path(self) -> Path:
        return self.data_path / self.store.file

    @property
    def store_url(self) -> str:
        return self.store.url.get_secret_value()

    @property
    def spool_path(self) -> Path | None:
        """None without a spool: SQLite needs none, since it fails with the disk that the spool would be on."""
        return self.data_path / self.store.spool if self.store.spool and self.store_url else None

    @property
    def media_path(self) -> Path:
        return self.data_path / self.media.folder

    @property
    def admin_socket(self) -> Path:
        return self.data_path / "admin.sock"


NAMED_TABLES: Final[Mapping[str, type[BaseModel]]] = {
    "carriers": CarrierSection,
    "desktops": DesktopSection,
    "senders": SenderSection,
}
"""The tables that there may be several of: by name, or in a list."""


def section_at(path: list[str]) -> type[BaseModel] | None:
    """The model of a dotted path (`server`, `carriers.twilio`, `senders.0`), or None where there is none."""
    if not path:
        return Settings
    if path[0] in NAMED_TABLES:
        return NAMED_TABLES[path[0]] if len(path) == 2 else None
    field = Settings.model_fields.get(path[0])
    annotation: Any = field.annotation if field and len(path) == 1 else None
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def keys_of(section: type[BaseModel]) -> list[str]:
    """The keys that may be written in it; tables within are left out of none."""
    return [key for key, field in section.model_fields.items() if not field.exclude]


def policy_of(settings: Settings) -> Policy:
    """The knobs that flows turn by."""
    sending, delivery, media = settings.sending, settings.delivery, settings.media
    return Policy(
        asynchronous=settings.interactions.asynchronous,
        idle_end_ms=settings.interactions.idle_end,
        parts_hold_ms=settings.interactions.hold_parts,
        media_hold_ms=media.hold,
        media_give_up_ms=media.give_up,
        media_max_bytes=media.max_size,
        max_text_chars=sending.max_text,
        max_attachments=media.max_attachments,
        send_retry=_retry(sending.first_wait, sending.max_wait, sending.max_age, factor=2, jitter=0.2),
        deliver_retry=_retry(delivery.first_wait, delivery.max_wait, delivery.max_age, factor=2, jitter=0.5),
        media_retry=_retry(1_000, 900_000, media.give_up, factor=3, jitter=0.2),
        brakes=BrakePolicy(
            open_after=settings.brakes.open_after,
            probe_every_ms=settings.brakes.probe_every,
            park_after=settings.brakes.park_after,
        ),
        settle_after_ms=sending.settle_after,
        uncertain=sending.uncertain,
        unconfirmed_after_ms=sending.unconfirmed_after,
        catch_up_every_ms=settings.catch_up.every,
        catch_up_overlap_ms=settings.catch_up.overlap,
        delayed_notice_after_ms=sending.delayed_notice_after,
        capability_memory_ms=settings.numbers.remember,
        link_ttl_ms=media.link_life,
        carrier_link_ttl_ms=media.carrier_link_life,
        stop_confirmation=sending.stop_confirmation,
        help_answer=sending.help_answer,
        language=settings.notices.language,
        dispositions=settings.interactions.dispositions,
        desk=DeskPolicy(
            session_idle_ms=settings.desk.session_idle,
            offer_first_ms=settings.desk.offer_first,
            save_attachments=settings.desk.save_attachments,
        ),
        retention=Retention(
            arrivals_ms=settings.retention.arrivals,
            refused_kept=settings.retention.refused_kept,
            events_ms=settings.retention.events,
            answers_ms=settings.retention.answers,
        ),
    )


def _retry(first_ms: int, longest_ms: int, age_ms: int, *, factor: float, jitter: float) -> RetryPolicy:
    return RetryPolicy(
        first_s=first_ms / 1000,
        factor=factor,
        max_wait_s=max(longest_ms, first_ms) / 1000,
        jitter=jitter,
        max_age_s=age_ms / 1000,
    )
