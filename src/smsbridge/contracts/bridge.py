"""The frozen record a flow is given: everything it may use, and the policy it follows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from smsbridge.contracts.carrier import Carrier
from smsbridge.contracts.clock import Clock, Ids
from smsbridge.contracts.desktop import Desktop
from smsbridge.contracts.disk import AmpleDisk, Disk
from smsbridge.contracts.keys import Keys
from smsbridge.contracts.meter import Meter
from smsbridge.contracts.network import Blobs, Imaging, Network
from smsbridge.contracts.spool import Spool
from smsbridge.contracts.store import Store
from smsbridge.domain.brake import BrakePolicy
from smsbridge.domain.cause import Cause
from smsbridge.domain.retry import RetryPolicy

Verification = Literal["enforce", "report", "off"]
UncertainPolicy = Literal["hold", "resend_if_absent", "resend"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """One configured carrier account. `name` is the path segment of its webhook."""

    name: str
    adapter: Carrier
    verification: Verification = "enforce"
    timeout_s: float = 20.0
    concurrency: int = 16
    rate_per_s: float = 0.0
    """Segments over all its senders; 0 means no limit of ours."""
    burst: int = 1
    lookup: bool = False
    """Ask the carrier's lookup about unknown numbers; it costs money at most carriers."""
    reroute: str = ""
    """The account that is given what this one certainly does not have, for one of `reroute_causes`."""
    reroute_causes: frozenset[Cause] = frozenset()


@dataclass(frozen=True, kw_only=True, slots=True)
class Sender:
    """One of our numbers. `rate_per_s` counts segments; 0 means no limit of ours."""

    number: str
    account: str
    desktop: str
    name: str = ""
    rate_per_s: float = 0.0
    burst: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class DesktopAccount:
    """One configured desktop."""

    name: str
    adapter: Desktop
    timeout_s: float = 20.0
    concurrency: int = 16
    default_sender: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Retention:
    """How long rows are kept that only prove or replay something. Messages and transcripts are kept until erased."""

    arrivals_ms: int = 7 * 86_400_000
    """Receipts that match no message as well."""
    refused_kept: int = 1_000
    """Of each account; older refused requests go first."""
    events_ms: int = 30 * 86_400_000
    """Dead letters as well: once its event is forgotten, a delivery has nothing to tell any more."""
    answers_ms: int = 7 * 86_400_000


@dataclass(frozen=True, kw_only=True, slots=True)
class DeskPolicy:
    """How the built-in desk behaves."""

    session_idle_ms: int = 12 * 3_600_000
    offer_first_ms: int = 20_000
    """A new text is offered to the agent its contact is assigned to for so long, and to nobody else."""
    save_attachments: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """Every knob a flow turns by; config/settings.py explains each. Milliseconds unless the name says otherwise."""

    asynchronous: bool = True
    idle_end_ms: int = 24 * 3_600_000
    parts_hold_ms: int = 300_000
    """How long a part of a long text waits for the others."""
    media_hold_ms: int = 60_000
    media_give_up_ms: int = 24 * 3_600_000
    media_max_bytes: int = 5 * 1024 * 1024
    max_text_chars: int = 10_000
    max_attachments: int = 10
    send_retry: RetryPolicy = RetryPolicy(first_s=2, factor=2, max_wait_s=300, jitter=0.2, max_age_s=4 * 3600)
    deliver_retry: RetryPolicy = RetryPolicy(first_s=1, factor=2, max_wait_s=60, jitter=0.5, max_age_s=3 * 86400)
    media_retry: RetryPolicy = RetryPolicy(first_s=1, factor=3, max_wait_s=900, jitter=0.2, max_age_s=24 * 3600)
    brakes: BrakePolicy = BrakePolicy()
    settle_after_ms: tuple[int, ...] = (5_000, 60_000, 300_000)
    """When, after an uncertain send, the carrier is asked whether it has it."""
    uncertain: UncertainPolicy = "hold"
    unconfirmed_after_ms: int = 24 * 3_600_000
    catch_up_every_ms: int = 300_000
    """How often a carrier is asked for texts that it could not push; 0: never, not even at a start."""
    catch_up_overlap_ms: int = 900_000
    """How far before the end of one look the next one begins."""
    delayed_notice_after_ms: int = 15_000
    capability_memory_ms: int = 30 * 86_400_000
    link_ttl_ms: int = 24 * 3_600_000
    carrier_link_ttl_ms: int = 4 * 3_600_000
    stop_confirmation: str = "You will get no more texts from us. Reply START to get them again."
    help_answer: str = ""
    language: str = "en"
    dispositions: tuple[str, ...] = ()
    desk: DeskPolicy = DeskPolicy()
    retention: Retention = Retention()


@dataclass(frozen=True, kw_only=True, slots=True)
class Bridge:
    store: Store
    network: Network
    keys: Keys
    blobs: Blobs
    imaging: Imaging
    clock: Clock
    ids: Ids
    meter: Meter
    public_url: str
    """Without a trailing slash: what carriers and desktops reach us by."""
    link_key: bytes = field(repr=False)
    """Signs media links."""
    accounts: Mapping[str, Account]
    senders: Mapping[str, Sender]
    desktops: Mapping[str, DesktopAccount]
    default_desktop: str
    policy: Policy = Policy()
    spool: Spool | None = None
    """Where there is none, a webhook that cannot be kept is refused, and the carrier repeats it."""
    disk: Disk = field(default_factory=AmpleDisk)

    def now_ms(self) -> int:
        now: int = self.clock.now_ms()
        return now
