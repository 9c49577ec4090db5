"""What the control plane wants of a carrier: to see its account and numbers, and to point a number at us."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urldefrag

from smsbridge.domain.status import Status


class ControlFailed(Exception):
    """The carrier refused or could not be asked. `str()` says what, `cure` what to do about it."""

    def __init__(self, detail: str, *, cure: str) -> None:
        super().__init__(detail)
        self.cure = cure


class WebhookTaken(Exception):
    """The number posts somewhere else. `present` is left as it is."""

    def __init__(self, present: NumberWebhook) -> None:
        super().__init__(f"its texts go to {present.shown}")
        self.present = present


@dataclass(frozen=True, kw_only=True, slots=True)
class AccountFacts:
    """The account as the carrier knows it. `carrier_at_ms` is the carrier's clock as it answered."""

    id: str
    name: str
    active: bool
    trial: bool
    carrier_at_ms: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class NumberWebhook:
    """Where the texts of a number go. With `application` the carrier ignores `url`."""

    url: str = ""
    method: str = "POST"
    application: str = ""

    @property
    def shown(self) -> str:
        return f"the application {self.application}" if self.application else f"{self.method} {self.url or 'nowhere'}"

    def is_at(self, url: str) -> bool:
        """Whether texts are posted to `url`. What stands behind a # is the carrier's and never sent."""
        return not self.application and self.method == "POST" and urldefrag(self.url).url == urldefrag(url).url


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnedNumber:
    """A number of the account. `id` is the carrier's."""

    id: str
    number: str
    sms: bool
    mms: bool
    webhook: NumberWebhook


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialText:
    """A text that was sent to try things out, as it stands. `problem` is the carrier's reason, in words."""

    id: str
    status: Status
    problem: str = ""


class Control(Protocol):
    """One account at one carrier. Every method may raise ControlFailed and nothing else that is not named."""

    async def prove_credentials(self) -> AccountFacts:
        """A harmless read."""
        ...

    async def list_numbers(self) -> Sequence[OwnedNumber]: ...

    async def set_webhook(
        self, number: OwnedNumber, url: str, *, force: bool, keep: Callable[[NumberWebhook], None]
    ) -> NumberWebhook:
        """Points `number` at `url` and returns what was there, which `keep` is given before it is overwritten.

        Raises WebhookTaken unless it was nothing or `url` already; then nothing is changed.
        """
        ...

    async def restore_webhook(self, number: OwnedNumber, past: NumberWebhook, *, ours: str, force: bool) -> None:
        """Puts `past` back. Raises WebhookTaken if somebody has pointed the number elsewhere since."""
        ...

    async def send_test(self, *, sender: str, to: str, text: str) -> TrialText: ...

    async def read_test(self, text_id: str) -> TrialText: ...
