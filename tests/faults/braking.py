"""A bridge between carriers and desktops that say "not now", hang, refuse or are not there.

The bridge is a whole daemon in this process, on a real store, with the real adapters over real sockets. The far ends
are servers that write down each call and answer as the test says. What the bridge claimed and which brakes it put on
is written down in the order of its transactions.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import itertools
import json
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from faults.verdict import Wrongs
from ports import free_port
from smsbridge.app import Daemon, Ready
from smsbridge.carriers import load_carriers
from smsbridge.config import load
from smsbridge.contracts.bridge import Bridge
from smsbridge.contracts.jobs import Job
from smsbridge.contracts.store import MessageFilter, Tx
from smsbridge.desktops import load_desktops
from smsbridge.domain.brake import Brake
from smsbridge.domain.events import InboundMedia, InboundMessage
from smsbridge.domain.message import Direction, Message, Notice, NoticeKind
from smsbridge.domain.status import Status
from smsbridge.flows.inbound import accept_events
from smsbridge.flows.jobs import targets
from smsbridge.flows.outbound import Draft, submit
from smsbridge.store.tx import SqlTx
from smsbridge.wire.http import Request

SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
PROBE_MS = 200
LONGEST_S = 150
"""No run waits longer for anything; all of them together take seconds."""

Answer = Callable[[str], web.Response | Awaitable[web.Response]]
"""What a far end says to one text."""


@dataclass(frozen=True)
class Call:
    """One text or event that reached a far end. `id` is the event's."""

    name: str
    to: str
    text: str
    kind: str = "send"
    id: str = ""


@dataclass(kw_only=True)
class Verdict(Wrongs):
    texts: int
    calls: int

    def __str__(self) -> str:
        return f"{self.texts} texts, {self.calls} calls: {super().__str__()}"


class FarEnds:
    """Carriers at /2010-04-01/Accounts/{sid} and desktops at /desktops/{name}, all on one port that can go away."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.taken: list[Call] = []
        """Those that were answered with success, in the order of the answers."""
        self.answers: dict[str, Answer] = {}
        self.names: dict[str, str] = {}
        self.in_flight: Counter[str] = Counter()
        self.most_in_flight: Counter[str] = Counter()
        self.changed = asyncio.Event()
        self._numbers = itertools.count(1)
        self._runner: web.AppRunner | None = None
        self.port = free_port()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def come_up(self) -> None:
        app = web.Application()
        app.router.add_post("/2010-04-01/Accounts/{sid}/Messages.json", self._send)
        app.router.add_get("/2010-04-01/Accounts/{sid}/Messages/{message}/Media/{media}", self._picture)
        app.router.add_post("/desktops/{name}", self._tell)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True).start()

    async def go_down(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _send(self, request: web.Request) -> web.Response:
        form = await request.post()
        name = self.names[request.match_info["sid"]]
        call = Call(name=name, to=str(form["To"]), text=str(form["Body"]))
        return await self._answer(call, lambda: web.json_response(self._created(), status=201))

    async def _tell(self, request: web.Request) -> web.Response:
        event = json.loads(await request.read())
        data, name = event["data"], request.match_info["name"]
        call = Call(
            name=name,
            to=str(data.get("from") or data.get("contact_number") or ""),
            text=str(data.get("text") or ""),
            kind=event["type"],
            id=request.headers["webhook-id"],
        )
        return await self._answer(call, lambda: web.Response(status=204))

    async def _picture(self, request: web.Request) -> web.Response:
        name = self.names[request.match_info["sid"]]
        call = Call(name=name, to="", text=request.match_info["media"], kind="media")
        return await self._answer(call, lambda: web.Response(status=404))

    async def _answer(self, call: Call, good: Callable[[], web.Response]) -> web.Response:
        self.calls.append(call)
        key = f"{call.name} {call.kind}"
        self.in_flight[key] += 1
        self.most_in_flight[key] = max(self.most_in_flight[key], self.in_flight[key])
        self.changed.set()
        try:
            answer = self.answers.get(call.name)
            made = answer(call.text) if answer is not None else good()
            response = await made if isinstance(made, Awaitable) else made
            if response.status == 200:
                response = good()
        finally:
            self.in_flight[key] -= 1
        if response.status < 300:
            self.taken.append(call)
        self.changed.set()
        return response

    def _created(self) -> dict[str, Any]:
        return {"sid": f"SM{next(self._numbers):032x}", "status": "queued"}


@dataclass(frozen=True)
class Claimed:
    """One job given out, at its place in the order of transactions."""

    place: int
    job: Job


@dataclass(frozen=True)
class Braked:
    place: int
    target: str
    brake: Brake


class Journal:
    """What the store gave out and which brakes it kept, in the order in which it happened there."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.claims: list[Claimed] = []
        self.brakes: list[Braked] = []
        places = itertools.count()
        claim_head, save_brake, release_brake = SqlTx._claim_head, SqlTx.save_brake, SqlTx.release_brake

        def claim(tx: SqlTx, *arguments: Any, **options: Any) -> Job | None:
            job = claim_head(tx, *arguments, **options)
            if job is not None:
                self.claims.append(Claimed(next(places), job))
            return job

        def save(tx: SqlTx, target: str, brake: Brake) -> None:
            save_brake(tx, target, brake)
            self.brakes.append(Braked(next(places), target, tx.brake(target)))

        def release(tx: SqlTx, target: str) -> bool:
            released = release_brake(tx, target)
            self.brakes.append(Braked(next(places), target, tx.brake(target)))
            return released

        patch.setattr(SqlTx, "_claim_head", claim)
        patch.setattr(SqlTx, "save_brake", save)
        patch.setattr(SqlTx, "release_brake", release)

    def claimed_inside_a_hold(self) -> list[Claimed]:
        """Given out although a hold that was written before stood at that time."""
        found = []
        for claim in self.claims:
            before = [each for each in self.brakes if each.target == claim.job.queue and each.place < claim.place]
            if before and before[-1].brake.held_until_ms > claim.job.claimed_at_ms:
                found.append(claim)
        return found

    def claimed_while_open(self, queue: str) -> list[list[Claimed]]:
        """What was given out in each of the times in which the circuit of `queue` was open."""
        times: list[list[Claimed]] = []
        is_open = False
        moves: list[Claimed | Braked] = sorted(
            [
                *(each for each in self.claims if each.job.queue == queue),
                *(each for each in self.brakes if each.target == queue),
            ],
            key=lambda each: each.place,
        )
        for move in moves:
            if isinstance(move, Braked):
                if move.brake.is_open and not is_open:
                    times.append([])
                is_open = move.brake.is_open
            elif is_open:
                times[-1].append(move)
        return times

    def attempts(self, queue: str) -> set[int]:
        return {each.job.attempt for each in self.claims if each.job.queue == queue}


class BrakeRun:
    """One daemon and its far ends. `accounts` and `desktops` are the extra keys of their tables."""

    def __init__(
        self, folder: Path, patch: pytest.MonkeyPatch, *, accounts: dict[str, str], desktops: dict[str, str]
    ) -> None:
        self.ends = FarEnds()
        self.journal = Journal(patch)
        self._folder = folder
        self._accounts = accounts
        self._desktops = desktops
        self._numbers = itertools.count(1)
        self._written: dict[str, list[str]] = defaultdict(list)
        self._texted: dict[str, list[str]] = defaultdict(list)
        self._bridge: Bridge | None = None

    @property
    def bridge(self) -> Bridge:
        assert self._bridge is not None
        return self._bridge

    @asynccontextmanager
    async def going(self) -> AsyncIterator[None]:
        loaded = load(self._write_config(), carriers=load_carriers(), desktops=load_desktops(), environment={})
        daemon, ready = Daemon(loaded), asyncio.Event()

        def begin(up: Ready) -> None:
            self._bridge = up.bridge
            ready.set()

        async with asyncio.timeout(LONGEST_S), asyncio.TaskGroup() as group:
            running = group.create_task(daemon.run(begin))
            await ready.wait()
            self._listen_to_commits()
            try:
                yield
            finally:
                daemon.stop.set()
                assert await running == 0
                await self.ends.go_down()

    def _listen_to_commits(self) -> None:
        store: Any = self.bridge.store
        observe = store.on_commit_seconds

        def tell(seconds: float, count: int) -> None:
            observe(seconds, count)
            self.ends.changed.set()

        store.on_commit_seconds = tell

    # --- load

    async def write(self, account: str, count: int, *, contacts: int = 10) -> None:
        """Agents write `count` texts through this account."""
        bridge, sender = self.bridge, self._sender(account)

        def write(tx: Tx) -> None:
            for _ in range(count):
                number = next(self._numbers)
                to, text = self._contact(account, number % contacts), f"{account} {number}"
                taken = submit(tx, bridge, Draft(to=to, from_sender=sender, text=text))
                assert isinstance(taken, Message), taken
                self._written[to].append(text)

        await bridge.store.write(write)

    async def receive(
        self, account: str, count: int, *, contacts: int = 10, word: str = "", picture: bool = False
    ) -> None:
        """Contacts text this account; `word` is in each of the texts."""
        bridge = self.bridge
        events, sid = [], hashlib.md5(account.encode(), usedforsecurity=False).hexdigest()
        for _ in range(count):
            number = next(self._numbers)
            contact, text = self._contact(account, number % contacts), f"{account} {number} {word}".strip()
            url = f"{self.ends.url}/2010-04-01/Accounts/AC{sid}/Messages/MM{number:032x}/Media/ME{number:032x}"
            media = (InboundMedia(url=url),) if picture else ()
            events.append(
                InboundMessage(
                    carrier_message_id=f"SM{number:032x}",
                    from_number=contact,
                    to_number=self._sender(account),
                    text=text,
                    media=media,
                )
            )
            self._texted[contact].append(text)
        request = Request(method="POST", url="http://127.0.0.1/hooks")
        await bridge.store.write(lambda tx: accept_events(tx, bridge, bridge.accounts[account], request, list(events)))

    async def until(self, is_so: Callable[[], bool | Awaitable[bool]]) -> None:
        """Woken by the far ends and by commits."""
        while True:
            self.ends.changed.clear()
            found = is_so()
            if await found if isinstance(found, Awaitable) else found:
                return
            await self.ends.changed.wait()

    async def is_drained(self) -> bool:
        """Nothing waits for a carrier or a desktop any more."""
        depths = await self.bridge.store.read(lambda tx: tx.queue_depths(now_ms()))
        return not {each.queue for each in depths} & set(targets(self.bridge))

    async def release(self, target: str) -> None:
        """As an operator does."""
        assert await self.bridge.store.write(lambda tx: tx.release_brake(target))

    async def brake(self, target: str) -> Brake:
        return await self.bridge.store.read(lambda tx: tx.brake(target))

    # --- what came of it

    def judge_sends(self) -> Verdict:
        """Texts at the carriers: each once, and of one contact in the order they were written."""
        taken = [call for call in self.ends.taken if call.kind == "send"]
        verdict = self._judge(self._written, taken)
        verdict.doubled = [text for text, count in Counter(call.text for call in taken).items() if count > 1]
        return verdict

    def judge_deliveries(self, *, parked: frozenset[str] = frozenset()) -> Verdict:
        """Texts at the desktops, without those that were parked: in order, and no two ids for one text."""
        taken = [call for call in self.ends.taken if call.kind == "message.received"]
        owed = {to: [text for text in texts if text not in parked] for to, texts in self._texted.items()}
        verdict = self._judge(owed, taken)
        ids = defaultdict(set)
        for call in taken:
            ids[call.text].add(call.id)
        verdict.doubled = [text for text, seen in ids.items() if len(seen) > 1]
        return verdict

    def _judge(self, owed: dict[str, list[str]], taken: list[Call]) -> Verdict:
        verdict = Verdict(texts=sum(map(len, owed.values())), calls=len(self.ends.calls))
        seen: dict[str, list[str]] = defaultdict(list)
        for call in taken:
            if call.text not in seen[call.to]:
                seen[call.to].append(call.text)
        for to, texts in owed.items():
            verdict.lost += [text for text in texts if text not in seen[to]]
            verdict.unexpected += [text for text in seen[to] if text not in texts]
            if [text for text in texts if text in seen[to]] != [text for text in seen[to] if text in texts]:
                verdict.out_of_order.append(to)
        return verdict

    async def notices(self) -> list[Notice]:
        return await self.bridge.store.read(lambda tx: tx.list_notices(limit=10_000))

    async def outbound(self) -> list[Message]:
        wanted = MessageFilter(direction=Direction.OUTBOUND)
        return await self.bridge.store.read(lambda tx: tx.list_messages(wanted, limit=10_000))

    async def assert_all_sent(self) -> None:
        messages = await self.outbound()
        parts = await self.bridge.store.read(lambda tx: tx.parts_of([message.id for message in messages]))
        assert {message.status for message in messages} == {Status.SENT}
        assert all(part.carrier_message_id for each in parts.values() for part in each)
        kinds = {notice.kind for notice in await self.notices()}
        assert kinds <= {NoticeKind.DELAYED}, kinds

    # --- the configuration

    def _sender(self, account: str) -> str:
        return f"+1500555{list(self._accounts).index(account):04d}"

    def _contact(self, account: str, number: int) -> str:
        return f"+1415{list(self._accounts).index(account)}55{number:04d}"

    def _write_config(self) -> Path:
        config = self._folder / "smsbridge.toml"
        config.write_text("".join(self._lines()), "utf-8")
        return config

    def _lines(self) -> Iterator[str]:
        yield f"""
data_dir = "data"
[server]
port = 0
[media]
hold = "100ms"
[sending]
first_wait = "50ms"
[delivery]
first_wait = "20ms"
max_wait = "200ms"
[brakes]
probe_every = "{PROBE_MS}ms"
[interactions]
desktop = "{next(iter(self._desktops))}"
"""
        for account, more in self._accounts.items():
            sid = "AC" + hashlib.md5(account.encode(), usedforsecurity=False).hexdigest()
            self.ends.names[sid] = account
            yield f'[carriers.{account}]\ntype = "twilio"\naccount_sid = "{sid}"\nauth_token = "{account}"\n'
            yield f'api_url = "{self.ends.url}"\n{more}\n'
        for number, account in enumerate(self._accounts):
            desktop = list(self._desktops)[number % len(self._desktops)]
            yield f'[[senders]]\nnumber = "{self._sender(account)}"\ncarrier = "{account}"\ndesktop = "{desktop}"\n'
        for desktop, more in self._desktops.items():
            yield f'[desktops.{desktop}]\ntype = "webhook"\nsecret = "{SECRET}"\n'
            yield f'url = "{self.ends.url}/desktops/{desktop}"\n{more}\n'


def now_ms() -> int:
    return int(time.time() * 1000)
