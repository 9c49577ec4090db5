"""What a desktop is: a pure translator like a carrier, towards the system that agents work in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self

from smsbridge.domain.events import DesktopEvent
from smsbridge.domain.message import EventId
from smsbridge.domain.outcome import DeliveryOutcome
from smsbridge.wire.http import Request, Response


@dataclass(frozen=True, kw_only=True, slots=True)
class DesktopAbilities:
    delivers: bool = True
    """Events are posted to it. The built-in desk reads the store instead and has False."""
    event_types: frozenset[str] | None = None
    """The event types it wants; None means all."""
    webhooks: bool = False
    """It posts to us under /hooks/desktops/{name}."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """One event on its way to a desktop. `data` is the JSON resource that the event type names."""

    event_id: EventId
    type: str
    at_ms: int
    data: Mapping[str, Any]


class Desktop(Protocol):
    """One configured desktop."""

    name: ClassVar[str]
    """As in the configuration: `webhook`."""

    @property
    def abilities(self) -> DesktopAbilities:
        """Per instance: which events a desktop wants is a setting."""
        ...

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Self:
        """Raises ValueError with all problems, one a line, each `key: what is wrong and what would be right`."""
        ...

    def write_delivery(self, delivery: Delivery, now_ms: int) -> Request | None:
        """The request that tells the desktop, or None: nothing to send."""
        ...

    def read_delivery(self, response: Response) -> DeliveryOutcome:
        """Total: any response gives an outcome."""
        ...

    def verify(self, request: Request, now_ms: int) -> None:
        """Raises BadSignature unless the desktop itself wrote this request now."""
        ...

    def read_webhook(self, request: Request) -> Sequence[DesktopEvent]:
        """Every event in a verified request. Raises wire.encoding.Unreadable."""
        ...

    def acknowledge(self, events: Sequence[DesktopEvent]) -> Response: ...
