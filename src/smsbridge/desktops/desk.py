"""The built-in desk. It reads the store and writes through the flows, so nothing travels in either direction."""

# ruff: noqa: ARG002 - the contract names the arguments; nothing travels, so none is read

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self

from smsbridge.contracts.desktop import Delivery, Desktop, DesktopAbilities
from smsbridge.domain.cause import Cause
from smsbridge.domain.errors import BadSignature
from smsbridge.domain.events import DesktopEvent, Unrecognized
from smsbridge.domain.outcome import DeliveryOutcome, Evidence, Rejected
from smsbridge.wire.http import Request, Response


@dataclass(frozen=True, kw_only=True, slots=True)
class Desk:
    """The desk that is part of the bridge: has no settings of its own, is sent nothing and posts nothing."""

    name: ClassVar[str] = "desk"
    abilities: ClassVar[DesktopAbilities] = DesktopAbilities(delivers=False, webhooks=False)

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Self:
        if settings:
            raise ValueError("\n".join(f"{key}: unknown; the built-in desk takes no settings" for key in settings))
        return cls()

    def write_delivery(self, delivery: Delivery, now_ms: int) -> Request | None:
        return None

    def read_delivery(self, response: Response) -> DeliveryOutcome:
        text = "nothing is posted to the built-in desk, so nothing can answer for it"
        return Rejected(cause=Cause.UNKNOWN, evidence=Evidence(text=text, http_status=response.status))

    def verify(self, request: Request, now_ms: int) -> None:
        raise BadSignature("The built-in desk posts no webhooks, so nothing can come from it.")

    def read_webhook(self, request: Request) -> Sequence[DesktopEvent]:
        return (Unrecognized(reason="desk_posts_no_webhooks"),)

    def acknowledge(self, events: Sequence[DesktopEvent]) -> Response:
        return Response(status=202)


ADAPTER: Final[type[Desktop]] = Desk
