"""Every way in which a send can end at the wire, through the whole daemon: what each is called, and what comes of it.

Each way is a carrier account of its own, with its own proxy and sender, so that all of them run at once and none slows
another; the brakes are off, so that every text is tried. The simulator behind them is one, and its ledger says what the
carrier has.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import aiohttp

from faults import checker, fault_proxy
from faults.carrier_double import ACCOUNT_SID, TOKEN
from faults.daemons import Daemons
from faults.desktop_double import DesktopDouble
from faults.fault_proxy import FaultProxy, Shape
from faults.fault_server import write_answer
from faults.run import SECRET
from faults.run_store import SqliteRunStore
from smsbridge.simulator import Simulator, SimulatorSettings
from smsbridge.web.auth import make_key

Outcome = Literal["accepted", "unsent", "rejected", "uncertain"]
OUTCOMES = ("accepted", "unsent", "rejected", "uncertain")
BRIEF = "5s"
"""The limit of a send whose answer never comes: a whole request leaves within it also when all are on their way at
once, and the machine is busy."""
_AT_ACCEPT: tuple[Outcome, ...] = ("uncertain", "unsent")
"""The end of the connection may be seen before the first byte was handed over, and then it is certain."""
_TWICE: tuple[Outcome, ...] = ("uncertain", "accepted")
"""Bytes behind the answer may come along with it, and then the whole is no HTTP."""
_NO_SUCH_NUMBER = b'{"code": 21211, "message": "Invalid \'To\' Phone Number", "status": 400}'


@dataclass(frozen=True, kw_only=True, slots=True)
class Cut:
    """One row of the table: what happens to the attempts, what they are to be called, and whether the carrier has the
    text then."""

    name: str
    called: tuple[Outcome, ...]
    """What an attempt may be called."""
    taken: bool
    """The carrier has it after such an attempt."""
    shape: Shape | None = None
    """None: the port refuses."""
    api_url: str = ""
    """Instead of the proxy; TLS to the proxy where it ends in {port}."""
    timeout: str = "20s"
    mends: bool = True
    """Once everybody was cut, the line is good again."""


CUTS: Sequence[Cut] = (
    Cut(name="refused", called=("unsent",), taken=False),
    Cut(name="no-such-host", called=("unsent",), taken=False, api_url="https://carrier.invalid", mends=False),
    Cut(
        name="tls-stuck",
        called=("unsent",),
        taken=False,
        shape=fault_proxy.swallow,
        api_url="https://127.0.0.1:{port}",
        timeout=BRIEF,
        mends=False,
    ),
    Cut(name="closed-at-accept", called=_AT_ACCEPT, taken=False, shape=fault_proxy.close_at_accept),
    Cut(name="reset-at-accept", called=_AT_ACCEPT, taken=False, shape=fault_proxy.reset_at_accept),
    Cut(name="swallowed", called=("uncertain",), taken=False, shape=fault_proxy.swallow, timeout=BRIEF),
    Cut(name="half-a-request", called=("uncertain",), taken=False, shape=fault_proxy.cut_request(120)),
    Cut(name="taken-then-closed", called=("uncertain",), taken=True, shape=fault_proxy.lose_answer("close")),
    Cut(name="taken-then-reset", called=("uncertain",), taken=True, shape=fault_proxy.lose_answer("reset")),
    Cut(
        name="taken-no-answer", called=("uncertain",), taken=True, shape=fault_proxy.lose_answer("hang"), timeout=BRIEF
    ),
    Cut(name="half-a-status-line", called=("uncertain",), taken=True, shape=fault_proxy.half_a_status_line),
    Cut(name="half-a-body-201", called=("uncertain",), taken=True, shape=fault_proxy.half_a_body),
    Cut(name="garbage", called=("uncertain",), taken=True, shape=fault_proxy.garbage),
    Cut(
        name="half-a-body-400",
        called=("rejected",),
        taken=False,
        shape=fault_proxy.say(write_answer(400, _NO_SUCH_NUMBER)[:-20]),
    ),
    Cut(
        name="known-code", called=("rejected",), taken=False, shape=fault_proxy.say(write_answer(400, _NO_SUCH_NUMBER))
    ),
    Cut(
        name="too-many",
        called=("unsent",),
        taken=False,
        shape=fault_proxy.say(write_answer(429, b'{"code": 20429}', [("Retry-After", "1")])),
    ),
    Cut(name="error-500", called=("uncertain",), taken=False, shape=fault_proxy.say(write_answer(500, b"{}"))),
    Cut(name="answered-twice", called=_TWICE, taken=True, shape=fault_proxy.answer_twice),
    Cut(name="half-closed", called=("accepted",), taken=True, shape=fault_proxy.half_close),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Ending:
    """What came of one text."""

    cut: Cut
    called: tuple[str, ...]
    """Each attempt, in order."""
    taken: int
    """How often the carrier has it."""
    status: str
    notices: tuple[str, ...]


def write_table(endings: Sequence[Ending]) -> str:
    """A line for each cut."""
    lines = [f"{'':<20} first called, then called; the carrier has it; ends as"]
    for cut in CUTS:
        those = [each for each in endings if each.cut is cut]
        first = Counter(each.called[0] for each in those)
        then = Counter(word for each in those for word in each.called[1:])
        taken = Counter(each.taken for each in those)
        status = Counter(each.status for each in those)
        shown = (", ".join(f"{count} {word}" for word, count in each.items()) or "-" for each in (first, then))
        has = ", ".join(f"{count} of them {times}x" for times, count in sorted(taken.items()))
        ends = ", ".join(f"{count} {word}" for word, count in status.items())
        lines.append(f"{cut.name:<20} {', then '.join(shown)}; {has}; {ends}")
    return "\n".join(lines)


class CutRun:
    """`count` texts for each cut."""

    def __init__(self, folder: Path, *, count: int) -> None:
        self._count = count
        self._store = SqliteRunStore(folder)
        self._desktop = DesktopDouble(random.Random(0))
        self._daemons = Daemons(folder, self._store, count=1, chance=random.Random(0))
        self._proxies = {cut.name: FaultProxy() for cut in CUTS}
        self._senders = {cut.name: f"+1206555{number:04d}" for number, cut in enumerate(CUTS)}
        self._log = self._daemons.new_log_lines()
        self._outcomes: dict[str, list[str]] = defaultdict(list)
        self._ids: dict[str, str] = {}
        """Each text's message."""

    async def run(self) -> tuple[list[Ending], list[str]]:
        """What came of each text, and the invariants that are broken."""
        async with self._stage() as (simulator, session):
            await asyncio.gather(
                *(self._text(session, cut, number) for cut in CUTS for number in range(1, self._count + 1))
            )
            await self._until(lambda: all(self._read_outcomes().get(each) for each in self._ids.values()))
            await self._mend(session)
            await self._until(lambda: checker.is_drained(self._store))
            await self._daemons.stop_all()
            taken = Counter(each.body for each in simulator.ledger.sent)
            return self._endings(taken), checker.broken_invariants(self._store)

    async def _text(self, session: aiohttp.ClientSession, cut: Cut, number: int) -> None:
        text = f"out {cut.name} {number}"
        # A contact of its own, so that one text that waits, or what is learnt of one number, touches no other.
        to = f"+1415555{CUTS.index(cut) * self._count + number:04d}"
        body = {"from": self._senders[cut.name], "to": to, "text": text}
        async with session.post("/v1/messages", json=body) as answer:
            assert answer.status == 202, await answer.text()
            self._ids[text] = (await answer.json())["id"]

    async def _mend(self, session: aiohttp.ClientSession) -> None:
        """Good lines from now on; what can never be sent is taken back, as an agent would."""
        for cut in CUTS:
            if cut.mends:
                self._proxies[cut.name].play(fault_proxy.passing())
                await self._proxies[cut.name].come_up()
        for text, message_id in self._ids.items():
            if any(not cut.mends and f" {cut.name} " in text for cut in CUTS):
                await self._take_back(session, message_id)

    async def _take_back(self, session: aiohttp.ClientSession, message_id: str) -> None:
        async with asyncio.timeout(60):
            while True:
                async with session.post(f"/v1/messages/{message_id}/cancel") as answer:
                    if answer.status == 200:
                        return
                await asyncio.sleep(0.1)  # just now it is being tried

    def _read_outcomes(self) -> dict[str, list[str]]:
        """What the attempts of each message were called, in order, as the log has said so far."""
        for line in self._log:
            if '"kind":"send"' in line and '"message_id"' in line:
                said = json.loads(line)
                if said["outcome"] in OUTCOMES:
                    self._outcomes[said["message_id"]].append(said["outcome"])
        return self._outcomes

    def _endings(self, taken: Counter[str]) -> list[Ending]:
        outcomes = self._read_outcomes()
        status = dict(self._store.rows("SELECT id, status FROM messages"))
        notices: dict[str, list[str]] = defaultdict(list)
        for message_id, kind in self._store.rows("SELECT message_id, kind FROM notices"):
            notices[message_id].append(kind)
        cuts = {cut.name: cut for cut in CUTS}
        return [
            Ending(
                cut=cuts[text.split()[1]],
                called=tuple(outcomes[message_id]),
                taken=taken[text],
                status=status[message_id],
                notices=tuple(notices[message_id]),
            )
            for text, message_id in self._ids.items()
        ]

    async def _until(self, condition: object) -> None:
        until_s = time.monotonic() + 180
        while not await asyncio.to_thread(condition):  # type: ignore[arg-type]
            assert time.monotonic() < until_s, self._daemons.said()
            await asyncio.sleep(0.1)

    @asynccontextmanager
    async def _stage(self) -> AsyncIterator[tuple[Simulator, aiohttp.ClientSession]]:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._desktop.listening())
            settings = SimulatorSettings(
                account_sid=ACCOUNT_SID,
                auth_token=TOKEN,
                senders=tuple(self._senders.values()),
                sent_after_s=0.01,
                settled_after_s=0.02,
            )
            simulator = await stack.enter_async_context(Simulator(settings))
            for cut in CUTS:
                proxy = await stack.enter_async_context(self._proxies[cut.name])
                proxy.upstreams = [int(simulator.url.rpartition(":")[2])]
                if cut.shape is None:
                    await proxy.go_down()
                else:
                    proxy.play(cut.shape)
            self._daemons.configure(self._write_config)
            shown, key = make_key("faults", frozenset({"*"}), 0)
            await self._store.write(lambda tx: tx.insert_api_key(key))
            stack.callback(self._daemons.end_all)
            await self._daemons.start()
            session = await stack.enter_async_context(
                aiohttp.ClientSession(
                    self._daemons.base_url(),
                    connector=aiohttp.TCPConnector(limit=32),
                    headers={"Authorization": f"Bearer {shown}"},
                )
            )
            yield simulator, session

    def _write_config(self, port: int, store: str) -> str:
        accounts = ""
        for cut in CUTS:
            proxy = self._proxies[cut.name]
            api_url = cut.api_url.format(port=proxy.port) or proxy.url
            accounts += f"""
[carriers.{cut.name}]
type = "twilio"
account_sid = "{ACCOUNT_SID}"
auth_token = "{TOKEN}"
api_url = "{api_url}"
timeout = "{cut.timeout}"
[[senders]]
number = "{self._senders[cut.name]}"
carrier = "{cut.name}"
"""
        return f"""
public_url = "http://127.0.0.1:{port}"
{store}
[server]
port = {port}
[log]
format = "json"
[sending]
first_wait = "500ms"
settle_after = ["2s", "4s"]
[brakes]
open_after = 1000
[interactions]
desktop = "crm"
[desktops.crm]
type = "webhook"
url = "{self._desktop.url}"
secret = "{SECRET}"
{accounts}"""
