"""One bridge in a process of its own, with a carrier, a desktop and a load around it, for faults of the machine.

    async with OneDaemon(folder, seed=1).world() as one:
        await one.start()
        async with one.load():
            ...what happens to the machine...
        await one.drain()
        await one.stop()
    print(one.judge())

The carrier (the simulator) and the desktop (a ledger) live in the test's process and see everything. Phones text and
agents write, each repeating what was not acknowledged, for as long as `load` lasts.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from faults.desktop_ledger import DesktopLedger
from faults.verdict import Wrongs
from ports import free_port
from smsbridge.simulator import Simulator, SimulatorSettings
from smsbridge.store.sqlite import SqliteStore
from smsbridge.web.auth import make_key

ACCOUNT_SID = "AC" + "5f" * 16
TOKEN = "one-daemon-token"
SENDER = "+15005550006"
SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
PATIENCE_S = 60.0
"""How long anything is waited for that must come: on a slow and busy machine, too."""


_AS_SYSTEMD = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
os.execvp(sys.argv[2], sys.argv[2:])
"""
"""Not a shell: dash knows no file beyond 9."""


@dataclass(kw_only=True)
class Verdict(Wrongs):
    acknowledged_in: int = 0
    acknowledged_out: int = 0
    told_again: int = 0
    """Events that reached the desktop again under the same id: allowed after a crash."""
    left_to_agents: int = 0
    """Texts that nobody knows about, or that failed, each with its notice."""

    def __str__(self) -> str:
        return (
            f"{self.acknowledged_in} texts in, {self.acknowledged_out} out: {super().__str__()}; "
            f"told again under the same id {self.told_again}, left to agents {self.left_to_agents}"
        )


class OneDaemon:
    """`settings` is more TOML, `wrap` goes before the command, `held` is a listening socket that outlives it."""

    def __init__(
        self,
        folder: Path,
        *,
        seed: int,
        phones: int = 12,
        agents: int = 3,
        data_dir: Path | None = None,
        settings: str = "",
        wrap: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        held: socket.socket | None = None,
    ) -> None:
        self.folder = folder
        self.data_dir = data_dir or folder / "data"
        self.chance = random.Random(seed)
        self.phones = [f"+1415555{number:04d}" for number in range(phones)]
        self.statuses: Counter[str] = Counter()
        """What clients saw: `in 200`, `out 507`, or the name of an error."""
        self.acknowledged: dict[str, list[str]] = defaultdict(list)
        self.accepted: dict[str, str] = {}
        self.desktop = DesktopLedger()
        self._agents = agents
        self._settings = settings
        self.wrap = tuple(wrap)
        self.environment = dict(environment or {})
        self._held = held
        self.port = held.getsockname()[1] if held is not None else free_port()
        self._told_uncertain: set[str] = set()
        self._process: subprocess.Popen[bytes] | None = None
        self._key = ""
        self._loads = 0

    # --- the world around it

    @asynccontextmanager
    async def world(self) -> AsyncIterator[OneDaemon]:
        settings = SimulatorSettings(
            account_sid=ACCOUNT_SID, auth_token=TOKEN, senders=(SENDER,), sent_after_s=0.01, settled_after_s=0.02
        )
        connector = aiohttp.TCPConnector(force_close=True, limit=0)
        async with (
            self.desktop.listening(),
            Simulator(settings) as self.simulator,
            aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=15)) as self._http,
        ):
            self.config = self._write_config()
            await self._make_key()
            try:
                yield self
            finally:
                if self._process is not None and self._process.poll() is None:
                    self._process.kill()
                    self._process.wait()

    # --- the process

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text("utf-8", "replace")

    def spawn(self) -> None:
        command = [*self.wrap, sys.executable, "-m", "smsbridge", "serve", "--config", str(self.config)]
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("SMSBRIDGE", "LISTEN_"))}
        more: dict[str, Any] = {}
        if self._held is not None:
            # What systemd does: the socket as file 3, and the process told that it is meant.
            fd = self._held.fileno()
            command = [sys.executable, "-c", _AS_SYSTEMD, str(fd), *command]
            more["pass_fds"] = (fd,)
        with (self.folder / "log").open("ab") as out:
            self._process = subprocess.Popen(command, stdout=out, stderr=out, env=clean | self.environment, **more)

    async def start(self) -> None:
        """Until it is ready."""
        self.spawn()
        await self.until_ready()

    async def until_ready(self) -> None:
        await self.until(self.readiness, lambda ready: bool(ready.get("ready")), alive=True)

    async def stop(self) -> int:
        """By SIGTERM; returns its exit code."""
        self.send(signal.SIGTERM)
        return await self.ended()

    def send(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    async def ended(self) -> int:
        assert self._process is not None
        return await asyncio.to_thread(self._process.wait, PATIENCE_S)

    async def until(self, ask: Callable[[], Any], is_so: Callable[[Any], bool], *, alive: bool = False) -> Any:
        """Asks until it is so; what was then answered."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                answer = await ask()
                if is_so(answer):
                    return answer
                assert not alive or self.is_alive(), self.log[-3_000:]
                await asyncio.sleep(0.05)

    async def readiness(self) -> dict[str, Any]:
        try:
            async with self._http.get(self._url("/readyz")) as answer:
                read: dict[str, Any] = await answer.json()
                return read
        except (aiohttp.ClientError, TimeoutError, OSError):
            return {}

    async def metrics(self) -> dict[str, float]:
        async with self._http.get(self._url("/metrics")) as answer:
            lines = [line.rpartition(" ") for line in (await answer.text()).splitlines() if not line.startswith("#")]
        return {name.removeprefix("smsbridge_"): float(value) for name, _, value in lines}

    # --- the load

    @asynccontextmanager
    async def load(self) -> AsyncIterator[None]:
        over = asyncio.Event()
        self._loads += 1
        async with asyncio.TaskGroup() as group:
            for phone in self.phones:
                group.create_task(self._text_from(phone, over))
            for number in range(self._agents):
                group.create_task(self._write_as(number, over))
            try:
                yield
            finally:
                over.set()

    async def acknowledged_more(self, count: int) -> None:
        """Until so many more texts were acknowledged, both ways together."""
        wanted = self._count() + count
        async with asyncio.timeout(PATIENCE_S):
            while self._count() < wanted:
                await asyncio.sleep(0.02)

    def _count(self) -> int:
        return len(self.accepted) + sum(len(texts) for texts in self.acknowledged.values())

    async def _text_from(self, phone: str, over: asyncio.Event) -> None:
        """One phone, text after text; each is repeated, as a carrier would, until it is acknowledged."""
        while not over.is_set():
            number = len(self.acknowledged[phone]) + 1
            text = f"in {phone} {number}"
            if await self.text(phone, text) != 200:
                await asyncio.sleep(0.2)
                continue
            self.acknowledged[phone].append(text)
            if self.chance.random() < 0.1:
                await self.text(phone, text)  # as carriers do
            await asyncio.sleep(self.chance.uniform(0.02, 0.12))

    async def _write_as(self, agent: int, over: asyncio.Event) -> None:
        """An agent system that repeats each request under its Idempotency-Key until it is told 202."""
        count = 0
        while not over.is_set():
            count += 1
            text = f"out {self._loads} {agent} {count}"
            body = {"to": self.chance.choice(self.phones), "text": text}
            while not over.is_set():
                status, shown = await self.write(body, key=text)
                if status == 202:
                    self.accepted[text] = shown["id"]
                    break
                await asyncio.sleep(0.1)
            await asyncio.sleep(self.chance.uniform(0.02, 0.08))

    async def text(self, phone: str, text: str) -> int:
        """One webhook of a text; 0 when there was no answer."""
        sid = "SM" + hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
        form = {"MessageSid": sid, "From": phone, "To": SENDER, "Body": text, "NumMedia": "0", "NumSegments": "1"}
        return await self.hook(form, "in")

    async def hook(self, form: Mapping[str, str], kind: str) -> int:
        """A webhook as the carrier signs it."""
        form = {"AccountSid": ACCOUNT_SID, **form}
        url = self._url("/hooks/carriers/twilio")
        signed = url + "".join(name + form[name] for name in sorted(form))
        signature = base64.b64encode(hmac.digest(TOKEN.encode(), signed.encode(), "sha1")).decode()
        try:
            async with self._http.post(url, data=form, headers={"X-Twilio-Signature": signature}) as answer:
                await answer.read()
                if answer.status == 503:
                    assert answer.headers["Retry-After"]
                self.statuses[f"{kind} {answer.status}"] += 1
                return answer.status
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self.statuses[type(error).__name__] += 1
            return 0

    async def write(self, body: Mapping[str, str], key: str) -> tuple[int, dict[str, Any]]:
        """One request of an agent; (0, {}) when there was no answer."""
        headers = {"Authorization": f"Bearer {self._key}", "Idempotency-Key": f'"{key}"'}
        try:
            async with self._http.post(self._url("/v1/messages"), json=body, headers=headers) as answer:
                self.statuses[f"out {answer.status}"] += 1
                return answer.status, await answer.json()
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            self.statuses[type(error).__name__] += 1
            return 0, {}

    async def ask(self, path: str) -> list[dict[str, Any]]:
        """The first page of a list."""
        async with self._http.get(self._url(path), headers={"Authorization": f"Bearer {self._key}"}) as answer:
            items: list[dict[str, Any]] = (await answer.json())["items"]
            return items

    # --- the end

    async def drain(self) -> None:
        """Until the desktop has heard everything acknowledged and every accepted text has come to an end."""
        await self.until(self._owed, lambda owed: not owed, alive=True)

    async def _owed(self) -> list[str]:
        heard = {data["text"] for _, kind, data in self.desktop.told if kind == "message.received"}
        owed = [text for texts in self.acknowledged.values() for text in texts if text not in heard]
        for status in ("queued", "sending"):
            owed += [each["id"] for each in await self.ask(f"/v1/messages?status={status}&direction=outbound&limit=50")]
        told = {each["message_id"] for each in await self.ask("/v1/notices?limit=200")}
        unsettled = await self.ask("/v1/messages?status=uncertain&limit=200")
        unsettled += await self.ask("/v1/messages?status=failed&limit=200")
        self._told_uncertain = {each["id"] for each in unsettled} & told
        return owed + [each["id"] for each in unsettled if each["id"] not in told]

    def judge(self) -> Verdict:
        verdict = Verdict(
            acknowledged_in=sum(len(texts) for texts in self.acknowledged.values()),
            acknowledged_out=len(self.accepted),
            left_to_agents=len(self._told_uncertain),
        )
        first_ids: dict[str, str] = {}
        seen: set[str] = set()
        order: dict[str, list[int]] = defaultdict(list)
        for event_id, kind, data in self.desktop.told:
            if event_id in seen:
                verdict.told_again += 1
                continue
            seen.add(event_id)
            if kind != "message.received":
                continue
            text = data["text"]
            if text in first_ids:
                verdict.doubled.append(text)
            first_ids[text] = event_id
            if not text.startswith("in "):
                verdict.unexpected.append(text)
                continue
            order[data["from"]].append(int(text.rpartition(" ")[2]))
        verdict.out_of_order = [phone for phone, numbers in order.items() if numbers != sorted(numbers)]
        for texts in self.acknowledged.values():
            verdict.lost += [text for text in texts if text not in first_ids]
        sent = Counter(message.body for message in self.simulator.ledger.sent)
        verdict.doubled += [body for body, count in sent.items() if count > 1]
        verdict.unexpected += [body for body in sent if not body.startswith("out ")]
        verdict.lost += [
            text
            for text, message_id in self.accepted.items()
            if text not in sent and message_id not in self._told_uncertain
        ]
        assert self.integrity() == "ok"
        return verdict

    def integrity(self) -> str:
        """Of the database, while no daemon has it open."""
        connection = sqlite3.connect(self.data_dir / "smsbridge.sqlite3")
        try:
            return str(connection.execute("PRAGMA integrity_check").fetchone()[0])
        finally:
            connection.close()

    # --- what it runs on

    def _url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def _write_config(self) -> Path:
        config = self.folder / "smsbridge.toml"
        config.write_text(
            f"""
public_url = "http://127.0.0.1:{self.port}"
data_dir = "{self.data_dir}"
[server]
port = {self.port}
grace = "5s"
[log]
format = "json"
level = "warning"
[sending]
settle_after = ["300ms", "700ms", "1500ms"]
first_wait = "200ms"
[delivery]
first_wait = "100ms"
max_wait = "1s"
[interactions]
desktop = "crm"
[carriers.twilio]
type = "twilio"
account_sid = "{ACCOUNT_SID}"
auth_token = "{TOKEN}"
api_url = "{self.simulator.url}"
[[senders]]
number = "{SENDER}"
carrier = "twilio"
[desktops.crm]
type = "webhook"
url = "{self.desktop.url}"
secret = "{SECRET}"
{self._settings}
""",
            "utf-8",
        )
        return config

    async def _make_key(self) -> None:
        """Made in the store itself, while no daemon has it open."""
        shown, key = make_key("one daemon", frozenset({"*"}), 0)
        store = SqliteStore.open(self.data_dir / "smsbridge.sqlite3")
        await store.write(lambda tx: tx.insert_api_key(key))
        await store.close()
        self._key = shown
