"""A simulator over real sockets, the control plane that talks to it, and a clock that jumps."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from smsbridge.carriers.twilio import Twilio
from smsbridge.contracts.carrier import AccountUrls
from smsbridge.provisioning.twilio_control import TwilioControl, open_twilio
from smsbridge.simulator import Simulator, SimulatorSettings

ACCOUNT_SID = "AC" + "5" * 32
AUTH_TOKEN = "token-of-the-simulated-account"
SENDERS = ("+15005550006", "+15005550010")
WEBHOOK = "https://bridge.example.com/hooks/carriers/main"


class JumpingClock:
    """Sleeping takes no time and moves the clock."""

    def __init__(self) -> None:
        self.at_ms = 1_772_637_944_000
        self.slept_s: list[float] = []

    def now_ms(self) -> int:
        return self.at_ms

    def monotonic_ms(self) -> int:
        return self.at_ms

    def since_boot_ms(self) -> int:
        return self.at_ms

    async def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        self.at_ms += int(seconds * 1000)


@pytest.fixture
def clock() -> JumpingClock:
    return JumpingClock()


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    settings = SimulatorSettings(
        account_sid=ACCOUNT_SID, auth_token=AUTH_TOKEN, senders=SENDERS, sent_after_s=0, settled_after_s=0
    )
    async with Simulator(settings) as made:
        yield made


def adapter(api_url: str, **settings: str) -> Twilio:
    given = {"account_sid": ACCOUNT_SID, "auth_token": AUTH_TOKEN, "api_url": api_url, **settings}
    return Twilio.from_settings(given, AccountUrls(webhook=WEBHOOK))


@pytest.fixture
async def control(simulator: Simulator) -> AsyncIterator[TwilioControl]:
    async with open_twilio(adapter(simulator.url)) as made:
        yield made
