"""One run of the harness: the doubles, the daemons, traffic both ways, a nemesis, and what it all came to.

    verdict = await FaultRun(folder, Plan(seed=1, texts_in=200, texts_out=100), kills(50)).run()

Traffic goes on until the nemesis is done and enough texts were acknowledged; then everything is let drain, the daemons
are stopped in order, and the checker counts.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from faults import checker
from faults.agent_double import AgentDouble
from faults.carrier_double import ACCOUNT, ACCOUNT_SID, TOKEN, CarrierDouble
from faults.checker import Verdict
from faults.daemons import Daemons
from faults.desktop_double import DesktopDouble
from faults.fault_proxy import FaultProxy
from faults.history import History
from faults.run_store import RunStore, SqliteRunStore
from smsbridge.web.auth import make_key

SENDER = "+15005550006"
SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """The same seed draws the same faults; when they strike is up to the machine."""

    seed: int
    texts_in: int
    """Traffic goes on until at least so many were acknowledged, within the limit."""
    texts_out: int
    limit_s: float = 120
    drain_s: float = 120
    answer_within_s: float = 10
    """Then whoever called tries again, elsewhere if there is another daemon. Short where one is frozen: it takes calls,
    and answers none."""
    daemons: int = 1
    phones: int = 20
    agents: int = 4
    phone_pause_s: tuple[float, float] = (0.02, 0.12)
    agent_pause_s: tuple[float, float] = (0.02, 0.08)
    every_try_left: bool = True
    """See checker.judge."""
    carrier_timeout: str = "20s"
    settle_after: str = '["1s", "2s", "4s"]'


class FaultRun:
    """`nemesis` is given the run. Its parts are public for it."""

    def __init__(
        self,
        folder: Path,
        plan: Plan,
        nemesis: Callable[[FaultRun], Awaitable[None]],
        *,
        store: RunStore | None = None,
    ) -> None:
        self.plan = plan
        self.folder = folder
        self.store = store or SqliteRunStore(folder)
        self.chance = random.Random(plan.seed)
        self.history = History(folder / "history.jsonl")
        self.desktop = DesktopDouble(self._draw())
        self.daemons = Daemons(folder, self.store, count=plan.daemons, chance=self._draw())
        self.struck: Counter[str] = Counter()
        self.phones = [f"+1415555{number:04d}" for number in range(plan.phones)]
        self.stop = asyncio.Event()
        self._nemesis = nemesis

    async def run(self) -> Verdict:
        async with self._stage():
            async with asyncio.TaskGroup() as group:
                for phone in self.phones:
                    group.create_task(self.carrier.text_on(phone, self.stop, pause_s=self.plan.phone_pause_s))
                for agent in self.agents:
                    group.create_task(agent.text_on(self.stop, pause_s=self.plan.agent_pause_s))
                group.create_task(self._strike())
            drained = await self.until_drained()
            await self.daemons.stop_all()
            verdict = self.judge()
            if not drained:
                verdict.wrongs["broken invariants"].insert(0, f"not drained within {self.plan.drain_s:g} s")
            return verdict

    def judge(self) -> Verdict:
        """Of what there is; to be called when the daemons are stopped."""
        verdict = checker.judge(
            self.history,
            self.desktop,
            self.carrier.simulator.ledger.sent,
            self.store,
            every_try_left=self.plan.every_try_left,
        )
        verdict.starts, verdict.struck = self.daemons.starts, self.struck
        return verdict

    async def until_drained(self) -> bool:
        until_s = time.monotonic() + self.plan.drain_s
        while time.monotonic() < until_s:
            if await asyncio.to_thread(checker.is_drained, self.store):
                return True
            await asyncio.sleep(0.1)
        return False

    async def start_all(self) -> None:
        """Those that do not run."""
        for number in range(self.plan.daemons):
            if not self.daemons.is_alive(number):
                await self.daemons.start(number)

    async def _strike(self) -> None:
        try:
            await self._nemesis(self)
            await self.start_all()
            await self.history.until_reached(self.plan.texts_in, self.plan.texts_out, limit_s=self.plan.limit_s)
        finally:
            self.stop.set()

    @asynccontextmanager
    async def _stage(self) -> AsyncIterator[None]:
        """Everything but traffic and nemesis. With several daemons a front stands before them, for receipts."""
        async with (
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(force_close=True, limit=0),
                timeout=aiohttp.ClientTimeout(total=self.plan.answer_within_s),
            ) as session,
            FaultProxy(*self.daemons.ports) as front,
            self.desktop.listening(),
        ):
            public_url = front.url if self.plan.daemons > 1 else f"http://127.0.0.1:{self.daemons.ports[0]}"
            hook = f"/hooks/carriers/{ACCOUNT}"
            self.carrier = CarrierDouble(
                senders=(SENDER,),
                hook_url=lambda: self.daemons.base_url() + hook,
                signed_url=public_url + hook,
                session=session,
                history=self.history,
                chance=self._draw(),
            )
            async with self.carrier.open():
                self.daemons.configure(lambda port, store: self._write_config(port, store, public_url))
                key = await self._make_key()
                self.agents = [
                    AgentDouble(
                        str(number),
                        session=session,
                        base_url=self.daemons.base_url,
                        key=key,
                        contacts=self.phones,
                        history=self.history,
                        chance=self._draw(),
                    )
                    for number in range(self.plan.agents)
                ]
                try:
                    yield
                finally:
                    self.daemons.end_all()
                    self.history.close()

    async def _make_key(self) -> str:
        """Made in the store itself, before a daemon has it open."""
        shown, key = make_key("faults", frozenset({"*"}), 0)
        await self.store.write(lambda tx: tx.insert_api_key(key))
        return shown

    def _draw(self) -> random.Random:
        """A source of chance of its own for each double, so that what one draws does not depend on another's pace."""
        return random.Random(self.chance.getrandbits(64))

    def _write_config(self, port: int, store: str, public_url: str) -> str:
        return f"""
public_url = "{public_url}"
{store}
[server]
port = {port}
[log]
format = "json"
level = "warning"
[sending]
settle_after = {self.plan.settle_after}
first_wait = "200ms"
[delivery]
first_wait = "100ms"
max_wait = "1s"
[brakes]
probe_every = "500ms"
[interactions]
desktop = "crm"
[carriers.{ACCOUNT}]
type = "twilio"
account_sid = "{ACCOUNT_SID}"
auth_token = "{TOKEN}"
api_url = "{self.carrier.proxy.url}"
media_hosts = ["{self.carrier.simulator.cdn_host}"]
timeout = "{self.plan.carrier_timeout}"
[[senders]]
number = "{SENDER}"
carrier = "{ACCOUNT}"
[desktops.crm]
type = "webhook"
url = "{self.desktop.url}"
secret = "{SECRET}"
"""
