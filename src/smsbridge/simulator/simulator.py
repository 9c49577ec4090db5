"""Builds the parts of a simulator, starts them and stops them."""

from __future__ import annotations

import asyncio
import random
import socket
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, Self

from aiohttp import web

from .account import Account
from .callbacks import Callbacks
from .carrier_api import CarrierApi
from .control_api import ControlApi
from .delivery import Delivery
from .dialect import Dialect, Office
from .dialects import load_dialect
from .edge import guard
from .faults import Faults, FaultSettings
from .inbound import Inbound, Texted
from .ledger import Ledger
from .loopback import is_loopback
from .numbers import read_number
from .personas import FIXED_FATES_OF_RECIPIENTS, PERSONAS
from .phones import PhoneMessage, Phones
from .samples import RECIPES, Sample, Samples
from .settings import SimulatorSettings
from .tasks import Tasks
from .traffic import Traffic

MAX_REQUEST_BYTES: Final = 24 * 1024 * 1024
STOP_GRACE_S: Final = 0.2


class Simulator:
    """A carrier with its phones. Started once, stopped once; also an async context manager.

    `clock` gives epoch seconds; `sleep` is used for every delay that the simulator makes on its own. Several of them
    can share `samples`, which take a while to draw.
    """

    def __init__(
        self,
        settings: SimulatorSettings,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        samples: Samples | None = None,
    ) -> None:
        self.settings = settings
        self._clock = clock
        self._sleep = sleep
        self._chance = random.Random(settings.seed)
        self._account = Account(settings, chance=self._chance, now=clock())
        self._faults = Faults(self._chance)
        self._samples = samples or Samples()
        self._tasks = Tasks()
        self._callbacks: Callbacks | None = None
        self._inbound: Inbound | None = None
        self._dialect: Dialect | None = None
        self._runner: web.AppRunner | None = None
        self._url = self._cdn_host = ""
        self.traffic = Traffic(limit=settings.max_traffic, clock=clock)
        self.ledger = Ledger(limit=settings.max_ledger)
        self._phones = Phones(
            max_phones=settings.max_phones,
            max_messages=settings.max_messages_per_phone,
            clock=clock,
            news=self.traffic.bell,
        )

    @property
    def url(self) -> str:
        """`http://127.0.0.1:40123`, without a slash at the end. Raises `RuntimeError` before `start`."""
        if not self._url:
            raise RuntimeError("the simulator has not been started")
        return self._url

    @property
    def cdn_host(self) -> str:
        """`localhost:40123`: where a download of media is redirected to, and where credentials must not follow."""
        if not self._cdn_host:
            raise RuntimeError("the simulator has not been started")
        return self._cdn_host

    def write_account(self) -> dict[str, Any]:
        """The table under `carriers` with which a bridge has its account here, secrets included."""
        if self._dialect is None:
            raise RuntimeError("the simulator has not been started")
        return self._dialect.write_account()

    @property
    def has_one_sender(self) -> bool:
        """Whether an account here can have no second number."""
        return load_dialect(self.settings.carrier).has_one_sender

    def write_keys(self) -> Mapping[str, bytes]:
        """What a bridge has to know beside its account: public keys that would lie at the carrier's own addresses."""
        if self._dialect is None:
            raise RuntimeError("the simulator has not been started")
        return self._dialect.write_keys()

    async def start(self) -> None:
        """Binds and answers. Raises `OSError` when the port is taken."""
        settings, host = self.settings, self.settings.host
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, settings.port), family=family, backlog=1024)
        address, port = listener.getsockname()[:2]
        if not is_loopback(address):
            listener.close()
            raise OSError(f"{host} is {address} here, which is not this computer alone")
        self._url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        self._cdn_host = f"127.0.0.1:{port}" if host == "localhost" else f"localhost:{port}"
        office = Office(
            settings=settings,
            account=self._account,
            phones=self._phones,
            faults=self._faults,
            chance=self._chance,
            clock=self._clock,
            pause=self._pause,
            url=settings.api_url or self._url,
            cdn_url=f"http://{self._cdn_host}",
        )
        media_base_url = f"{self._url}/api/media"
        self._dialect = dialect = load_dialect(settings.carrier)(office)
        self._callbacks = Callbacks(user_agent=dialect.user_agent, traffic=self.traffic, pause=self._pause)
        delivery = Delivery(
            dialect, office, callbacks=self._callbacks, tasks=self._tasks, media_base_url=media_base_url
        )
        self._inbound = Inbound(
            dialect,
            office,
            callbacks=self._callbacks,
            delivery=delivery,
            ledger=self.ledger,
            media_base_url=media_base_url,
        )
        carrier_api = CarrierApi(dialect, office, delivery=delivery, ledger=self.ledger, traffic=self.traffic)
        control_api = ControlApi(
            account=self._account,
            phones=self._phones,
            inbound=self._inbound,
            callbacks=self._callbacks,
            faults=self._faults,
            samples=self._samples,
            traffic=self.traffic,
            ledger=self.ledger,
            url=self._url,
        )
        app = web.Application(middlewares=[guard], client_max_size=MAX_REQUEST_BYTES)
        app.add_routes([*control_api.routes(), *carrier_api.routes()])
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=STOP_GRACE_S)
        await self._runner.setup()
        await web.SockSite(self._runner, listener).start()

    async def stop(self) -> None:
        """Ends every task and connection of the simulator. Receipts that are still due are not posted any more."""
        self._phones.close()
        self.traffic.bell.close()
        await self._tasks.stop()
        if self._runner is not None:
            await self._runner.cleanup()
        await self._tasks.stop()  # what the last requests still started
        if self._callbacks is not None:
            await self._callbacks.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def text(
        self, number: str, text: str, *, to: str | None = None, media: Sequence[str | Sample] = ()
    ) -> Texted:
        """Texts as the phone `number`, without HTTP on this side; `media` are names of samples, or files.

        Returns when the webhook was answered. Raises `ValueError` for a number, sender or sample that is none.
        """
        if self._inbound is None:
            raise RuntimeError("the simulator has not been started")
        own = to or self._account.default_sender
        if own not in self._account.numbers:
            raise ValueError(f"{own} is none of our numbers: {', '.join(self._account.numbers)}")
        files = [await self._sample(item) if isinstance(item, str) else item for item in media]
        return await self._inbound.text(_phone_number(number), text, to=own, media=files)

    async def received(self, number: str, *, after: int | None = None, wait_s: float = 0) -> list[PhoneMessage]:
        """What is on the phone's screen, as `GET /api/phones/{number}/messages` tells it."""
        return await self._phones.wait_received(_phone_number(number), after=after, timeout_s=wait_s)

    def become(self, number: str, persona: str) -> None:
        """Makes the phone somebody else. Raises `ValueError` for an unknown persona or a published test number."""
        if persona not in PERSONAS:
            raise ValueError(f"no persona is called {persona!r}; known: {', '.join(PERSONAS)}")
        if _phone_number(number) in FIXED_FATES_OF_RECIPIENTS:
            raise ValueError(f"{number} is a published test number and stays what it is")
        self._phones.become(_phone_number(number), PERSONAS[persona])

    def set_faults(self, faults: FaultSettings) -> None:
        self._faults.set(faults)

    def set_hook_url(self, url: str, *, sender: str | None = None) -> None:
        """Where texts to `sender` (or to every sender) are posted; the REST API can change it as well."""
        for number in self._account.numbers.values():
            if sender is None or number.number == sender:
                number.sms_url = url

    async def _pause(self, seconds: float) -> None:
        scaled = seconds * self.settings.time_scale
        if scaled > 0:
            await self._sleep(scaled)

    async def _sample(self, name: str) -> Sample:
        sample = await self._samples.get(name)
        if sample is None:
            raise ValueError(f"no sample is called {name!r}; known: {', '.join(RECIPES)}")
        return sample


def _phone_number(text: str) -> str:
    number = read_number(text)
    if number is None:
        raise ValueError(f"{text!r} is no telephone number")
    return number
