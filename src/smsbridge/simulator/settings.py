"""What a simulator is told when it is built."""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass, field

from .dialects import dialect_names
from .loopback import is_loopback

_ACCOUNT_SID = re.compile(r"AC[0-9a-f]{32}")
_SENDER = re.compile(r"\+[1-9]\d{6,14}|\d{3,6}")


@dataclass(frozen=True, kw_only=True)
class SimulatorSettings:
    """Raises `ValueError`, which says what would be right, when it is built with something that cannot work."""

    account_sid: str
    """`AC` and 32 hex digits; other dialects than Twilio's make the names of their account from it."""
    auth_token: str = field(repr=False)
    """Signs every webhook and opens the REST API, or makes what does. Random per run, handed in."""
    senders: tuple[str, ...]
    """Our numbers at this carrier, E.164 or short codes. The first is what phones text when they name none."""
    carrier: str = "twilio"
    """Whose dialect is spoken: the name of a module in `dialects/`."""
    host: str = "127.0.0.1"
    port: int = 0
    """0: any free one; `Simulator.url` tells which."""
    api_url: str = ""
    """How the bridge reaches the REST API when something stands in between; it begins the media URLs of webhooks."""
    api_keys: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Pairs of key and secret that open the REST API beside the account and its token."""
    messaging_service_sid: str | None = None
    """A Messaging Service that holds all senders. With it webhooks carry `MessagingServiceSid`."""
    advanced_opt_out: bool = False
    """Whether the webhook of a STOP, START or HELP carries `OptOutType`."""
    hook_url: str = ""
    """Where inbound texts are posted, for every sender that is not configured otherwise through the REST API."""
    connection: str = "rc=1&rp=ct"
    """The overrides of a webhook URL that brings none in its fragment. See `callbacks.Overrides`."""
    seed: int | None = None
    """Makes chances and sids repeat. Two runs with one seed give out the same sids, which a bridge that kept its store
    takes for duplicates; `None`: never the same."""

    sent_after_s: float = 0.05
    """From the answer to a send until `sent`."""
    settled_after_s: float = 0.15
    """From `sent` until `delivered` or `undelivered`."""
    slow_factor: float = 40.0
    """How much longer both take for a persona that is slow."""
    time_scale: float = 1.0
    """Multiplies every delay that the simulator makes on its own, those of faults included."""

    max_phones: int = 20_000
    max_messages_per_phone: int = 500
    max_messages: int = 50_000
    """Messages the REST API can still list. The oldest go first."""
    max_media_bytes: int = 256 * 1024 * 1024
    max_traffic: int = 1_000
    max_ledger: int = 200_000

    def __post_init__(self) -> None:
        if not is_loopback(self.host):
            raise ValueError(
                f"the simulator believes everybody who can reach it, so it binds to 127.0.0.1, not to {self.host!r}"
            )
        if self.carrier not in dialect_names():
            raise ValueError(f"carrier must be one of {', '.join(dialect_names())}, not {self.carrier!r}")
        if not _ACCOUNT_SID.fullmatch(self.account_sid):
            raise ValueError("account_sid must be 'AC' followed by 32 hexadecimal digits in lower case")
        if not self.auth_token:
            raise ValueError("auth_token must not be empty")
        if not self.senders:
            raise ValueError("senders must name at least one number")
        for sender in self.senders:
            if not _SENDER.fullmatch(sender):
                raise ValueError(f"sender {sender!r} is neither E.164 (+15005550006) nor a short code")
        if len(set(self.senders)) != len(self.senders):
            raise ValueError("senders must not repeat a number")

    def secret(self, what: str) -> bytes:
        """32 bytes that hang on `auth_token`, others for every `what`."""
        return hmac.digest(self.auth_token.encode(), what.encode(), "sha256")
