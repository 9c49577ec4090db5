"""One small world on a seed: a bridge of one process or two, a carrier, a desktop, people, faults; time is a number.

It has no thread, no socket and no clock: the same seed is the same history, to the last statement. `run` goes through
the story, then lets all be well for a while, and raises `Broken` as soon as something does not hold.
"""

from __future__ import annotations

import atexit
import heapq
import itertools
import math
import random
import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch
from urllib.parse import urlsplit

import structlog

from smsbridge.carriers.twilio import Twilio
from smsbridge.contracts.bridge import Account, DesktopAccount, Policy, Sender
from smsbridge.contracts.store import StoreUnavailable
from smsbridge.desktops.webhook import WebhookDesktop
from smsbridge.domain.cause import Cause
from smsbridge.flows import upkeep
from smsbridge.flows.desktop import accept_desktop_webhook
from smsbridge.flows.inbound import accept_webhook
from smsbridge.outbox import roll, worker
from smsbridge.store import sqlite
from smsbridge.wire.http import Request, Response

from . import carrier, desktop
from .invariants import Broken, Witness
from .network import FarEnd, Hear, Trouble
from .people import PEOPLE, Nemesis
from .process import Crash, Doom, Process

START_MS: Final = 1_790_000_000_000
PUBLIC_URL: Final = "https://bridge.example"
SENDERS: Final = ("+15005550006", "+15005550010")
HOW_MANY: Final = (1, 1, 1, 2)
"""How many processes a bridge has; those of one bridge share the database."""
TWO_ACCOUNTS: Final = 0.3
"""How many bridges have a second account for what the first does not take."""
BACKUP_HOST: Final = "backup.example"
CALM_S: Final = 1_600
"""How long all is well at the end, unless the bridge comes to rest before: longer than any wait of the bridge in this
configuration."""
_SOON_S: Final = 5.0
"""While something is still to happen so soon, nobody asks whether the bridge is at rest."""
ROUNDS: Final = (
    (sqlite, "BATCH_S", math.inf),  # a crowd is cut by its size and never by the real clock
    (upkeep, "EVERY_MS", 400_000),
    (worker, "LONGEST_NAP_S", 600.0),
    (roll, "BEATS", 2),
)
"""What the bridge does every few seconds with nothing to do would be most of what a world costs."""
_PATIENCE_S: Final = 15.0
"""After which whoever posts to us hangs up."""


@dataclass(eq=False)
class Attempt:
    """One job that runs."""

    lane: str
    process: Process
    since_s: float


class World:
    def __init__(self, seed: int, *, folder: Path) -> None:
        """`folder` is for the database, and better in memory."""
        self.seed = seed
        self.random = chance = random.Random(seed)
        self.now_s = 0.0
        self.story: list[str] = []
        self.counts: Counter[str] = Counter()
        self.troubles: list[tuple[str, object]] = []
        """Promises that were seen broken while things happened, each with what was seen."""
        self.is_to_be_checked = False
        self.disk_is_full = False
        self.down: dict[str, Trouble] = {}
        """The far ends that are in trouble now."""
        self.badness = chance.choice((0.0, 0.1, 0.3, 0.6))
        self.is_calm = False
        self.running: list[Attempt] = []
        self.length_s = chance.choice((20.0, 80.0, 300.0))
        self.carrier = carrier.Carrier(self)
        self.backup = replace(self.carrier, name="backup", account="backup", host=BACKUP_HOST)
        """For what the first certainly does not have, where the bridge of this world has a second account."""
        self.desktop = desktop.Desktop(self)
        self.configuration = _configuration(chance)
        if random.Random(f"second account {seed}").random() < TWO_ACCOUNTS:
            _add_second_account(self.configuration)
        self._numbers = itertools.count()
        self._agenda: list[tuple[float, int, Callable[[], Any]]] = []
        self._folder = folder
        self._bases = itertools.count(1)
        self._database = folder / "bridge.sqlite3"
        shutil.copyfile(empty_database(), self._database)
        self.witness = Witness(self, self._database)
        self.names = ("north", "south")[: chance.choice(HOW_MANY)]
        self.processes: dict[str, Process] = {}

    # --- the course of things

    def run(self) -> None:
        """Raises Broken."""
        try:
            for name in self.names:
                self.start(name)
            for _ in range(int(self.random.triangular(4, 20, 7))):
                act = self.random.choice(PEOPLE if self.random.random() < 0.8 else Nemesis.DEEDS)
                self.later(self.random.uniform(0, self.length_s), lambda act=act: self._do(act))
            self._go_on_until(self.length_s)
            self._make_peace()
            self._go_on_until(self.length_s + CALM_S, or_at_rest=True)
            self.witness.check()
            self.witness.check_end()
        finally:
            for process in self.processes.values():
                process.die()
            self.witness.close()

    def _do(self, act: Callable[[World], None]) -> None:
        act(self)
        self.is_to_be_checked = True

    def _go_on_until(self, end_s: float, *, or_at_rest: bool = False) -> None:
        while self.now_s < end_s:
            self._let_processes_run()
            if self.is_to_be_checked:
                self.is_to_be_checked = False
                self.witness.check()
            due_s = self._agenda[0][0] if self._agenda else math.inf
            timers = [each.loop.due_at_s for each in self.processes.values() if not each.is_frozen]
            next_s = min([due_s, end_s, *timers])
            if or_at_rest and due_s == math.inf and next_s > self.now_s + _SOON_S and self.witness.is_at_rest():
                return
            self.now_s = max(self.now_s, next_s)
            if due_s <= self.now_s:
                heapq.heappop(self._agenda)[2]()

    def _let_processes_run(self) -> None:
        for process in list(self.processes.values()):
            try:
                process.run()
            except Crash as crash:
                self.crash(process, f"is killed at {str(crash.code).splitlines()[0]}")
            else:
                if process.serving.done():  # it was asked to stop, or could not start
                    self.crash(process, "has ended")

    def _make_peace(self) -> None:
        """From now on nothing goes wrong any more."""
        self.tell("world", "all is well from now on")
        self.is_calm, self.badness, self.disk_is_full = True, 0.0, False
        self.down.clear()
        for process in self.processes.values():
            process.is_frozen = False
            process.doom = process.on_next_job = None
        for name in self.names:
            if name not in self.processes:
                self.start(name)

    def later(self, after_s: float, act: Callable[[], Any]) -> None:
        heapq.heappush(self._agenda, (self.now_s + after_s, next(self._numbers), act))

    def delay_s(self) -> float:
        """On its way, one way."""
        return self.random.choice((0.001, 0.05, 0.05, 0.5, 4.0))

    def wall_ms(self, at_s: float | None = None) -> int:
        return START_MS + int((self.now_s if at_s is None else at_s) * 1000)

    def tell(self, who: str, what: str) -> None:
        self.story.append(f"{self.now_s:9.3f} s  {who:8} {what}")

    def enter_lane(self, lane: str, process: Process) -> Attempt:
        """A job begins to run. Its lane must be empty, unless whoever runs there could be taken for dead."""
        for other in self.running:
            if other.lane == lane and other.process.doubted_s < other.since_s:
                self.troubles.append(("a lane runs one job at a time", lane))
        attempt = Attempt(lane=lane, process=process, since_s=self.now_s)
        self.running.append(attempt)
        return attempt

    # --- processes

    def start(self, name: str) -> None:
        if name in self.processes:
            return
        doom = None if self.is_calm or self.random.random() < 0.5 else Doom.draw(self.random)
        self.tell(name, "starts")
        self.processes[name] = Process(self, name, self._database, doom=doom, is_alone=len(self.names) == 1)

    def crash(self, process: Process, how: str) -> None:
        """One process is no more, and its supervisor starts another."""
        self.tell(process.name, how)
        self._bury(process)
        self.later(self.random.choice((0.1, 3.0, 40.0)), lambda: self.start(process.name))

    def lose_power(self) -> None:
        """Every process dies, and of the database there is what had been synced to disk."""
        self.tell("nemesis", "cuts the power")
        synced = all(
            sqlite3.Connection.execute(each.store._writer, "PRAGMA synchronous").fetchone()[0] >= 2
            for each in self.processes.values()
        )
        saved = self._folder / f"bridge-{next(self._bases)}.sqlite3"
        shutil.copyfile(self._database, saved)
        log = Path(f"{self._database}-wal")
        if log.exists():
            data = log.read_bytes()
            kept = len(data) if synced else self.random.randint(0, len(data))
            Path(f"{saved}-wal").write_bytes(data[:kept])
        for process in list(self.processes.values()):
            self._bury(process)
        self._database = saved
        self.witness.look_at(saved)
        for name in self.names:
            self.later(self.random.choice((1.0, 30.0)), lambda name=name: self.start(name))

    def _bury(self, process: Process) -> None:
        del self.processes[process.name]
        self.running = [each for each in self.running if each.process is not process]
        process.die()
        self.is_to_be_checked = True

    # --- the wire

    def far_end(self, url: str) -> FarEnd:
        host = urlsplit(url).hostname
        return next(each for each in (self.carrier, self.backup, self.desktop) if each.host == host)

    def hook(self, path: str) -> str:
        return f"{PUBLIC_URL}/hooks/{path}"

    def post(self, who: str, request: Request, what: str, hear: Hear) -> None:
        """Somebody posts to the bridge: to any process that listens. `hear` is told the answer once, or None."""
        told = False

        def hear_once(response: Response | None) -> None:
            nonlocal told
            if not told:
                told = True
                self.tell(who, f"posts {what}: {response.status if response else 'no answer'}")
                self.is_to_be_checked = True
                hear(response)

        listening = [each for each in self.processes.values() if each.is_listening]
        if not listening:
            hear_once(None)
            return
        process = self.random.choice(listening)
        self.later(_PATIENCE_S, lambda: hear_once(None))
        process.spawn(self._accept(process, request, hear_once), what)

    async def _accept(self, process: Process, request: Request, hear: Hear) -> None:
        """The HTTP edge: what it answers has left for good, though it may not arrive."""
        try:
            if "/hooks/carriers/" in request.url:
                account = urlsplit(request.url).path.split("/")[3]
                report = await accept_webhook(process.bridge, account, request)
            else:
                report = await accept_desktop_webhook(process.bridge, "agents", request)
            response = report.response
        except StoreUnavailable:
            response = Response(status=503)
        process.point("before the answer leaves")
        is_lost = self.random.random() < self.badness / 4
        self.later(self.delay_s(), lambda: hear(None if is_lost else response))


def run_seed(seed: int) -> World:
    """The world of a seed, after it ran. Raises Broken with its story."""
    memory = Path("/dev/shm")
    with (
        _quiet_and_unhurried(),
        tempfile.TemporaryDirectory(prefix="smsbridge-world-", dir=memory if memory.is_dir() else None) as folder,
    ):
        world = World(seed, folder=Path(folder))
        try:
            world.run()
        except Broken as broken:
            broken.world = world
            raise
        return world


@contextmanager
def _quiet_and_unhurried() -> Iterator[None]:
    """No log, and the bridge's rounds as rare as ROUNDS says; afterwards all is as it was."""
    log = structlog.get_config()
    with ExitStack() as changes:
        for module, name, value in ROUNDS:
            changes.enter_context(patch.object(module, name, value))
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50), cache_logger_on_first_use=False)
        changes.callback(lambda: structlog.configure(**log))
        yield


@cache
def empty_database() -> Path:
    """A database with our schema, and a witness in it: every move of a status is written down where it happens."""
    folder = tempfile.mkdtemp(prefix="smsbridge-empty-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = Path(folder) / "empty.sqlite3"
    connection = sqlite3.connect(path, isolation_level=None)
    sqlite._set_up(connection)
    sqlite.migrate(connection)
    connection.executescript(Witness.SCHEMA)
    connection.close()
    return path


def _configuration(chance: random.Random) -> dict[str, Any]:
    """What the bridge of this world is told by its operator."""
    twilio = Twilio(
        account_sid=carrier.ACCOUNT_SID, auth_token=carrier.TOKEN, webhook=f"{PUBLIC_URL}/hooks/carriers/twilio"
    )
    webhook = WebhookDesktop.from_settings({"url": "https://agents.example.com/events", "secret": desktop.SECRET})
    rate_per_s = chance.choice((0, 0, 0.5))
    return {
        "public_url": PUBLIC_URL,
        "link_key": b"k" * 32,
        "accounts": {"twilio": Account(name="twilio", adapter=twilio, concurrency=chance.choice((1, 4)))},
        "senders": {
            number: Sender(number=number, account="twilio", desktop="agents", rate_per_s=rate_per_s)
            for number in SENDERS
        },
        "desktops": {"agents": DesktopAccount(name="agents", adapter=webhook, concurrency=chance.choice((1, 4)))},
        "default_desktop": "agents",
        "policy": Policy(
            asynchronous=chance.random() < 0.8,
            idle_end_ms=chance.choice((60_000, 300_000)),
            unconfirmed_after_ms=300_000,
            uncertain=chance.choice(("hold", "hold", "resend_if_absent")),
            catch_up_every_ms=chance.choice((0, 0, 0, 120_000)),
        ),
    }


def _add_second_account(configuration: dict[str, Any]) -> None:
    accounts = configuration["accounts"]
    second = replace(
        accounts["twilio"].adapter, api_url=f"https://{BACKUP_HOST}", webhook=f"{PUBLIC_URL}/hooks/carriers/backup"
    )
    causes = frozenset({Cause.CARRIER_OUTAGE, Cause.AUTH, Cause.RATE_LIMITED})
    accounts["twilio"] = replace(accounts["twilio"], reroute="backup", reroute_causes=causes)
    accounts["backup"] = replace(
        accounts["twilio"], name="backup", adapter=second, reroute="", reroute_causes=frozenset()
    )
