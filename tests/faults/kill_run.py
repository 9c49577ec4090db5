"""Kill -9 at random moments under load, and the count of what came of it.

The carrier (the simulator) and the agent desktop (a ledger) live in the test's process and see everything; the bridge
lives in one of its own and is killed again and again. Load goes both ways, with repeats as carriers make them.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import multiprocessing
import os
import random
import socket
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from smsbridge.simulator import Simulator, SimulatorSettings
from smsbridge.store.sqlite import SqliteStore
from smsbridge.web.auth import make_key

ACCOUNT_SID = "AC" + "5f" * 16
TOKEN = "kill-test-token"
SENDER = "+15005550006"
SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()


@dataclass
class Verdict:
    """What a run came to. Every list but `resent` must be empty."""

    acknowledged_in: int = 0
    acknowledged_out: int = 0
    kills: int = 0
    lost: list[str] = field(default_factory=list)
    doubled_at_desktop: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    out_of_order: list[str] = field(default_factory=list)
    doubled_at_carrier: list[str] = field(default_factory=list)
    told_again: int = 0
    """Events that reached the desktop again under the same id: allowed, after a crash."""
    uncertain: int = 0
    """Texts that the carrier never saw or nobody knows about, each with its notice to the agent."""

    def __str__(self) -> str:
        return (
            f"{self.kills} kills, {self.acknowledged_in} texts in, {self.acknowledged_out} out: "
            f"lost {len(self.lost)}, doubled at the desktop {len(self.doubled_at_desktop)}, "
            f"doubled at the carrier {len(self.doubled_at_carrier)}, unexpected {len(self.unexpected)}, "
            f"out of order {len(self.out_of_order)}; told again under the same id {self.told_again}, "
            f"left to the agent as uncertain {self.uncertain}"
        )


class DesktopLedger:
    """An agent desktop that writes down what it is told, in order."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str, dict[str, Any]]] = []
        self.url = ""

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        app = web.Application()
        app.router.add_post("/events", self._take)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/events"
        try:
            yield
        finally:
            await runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        event = json.loads(await request.read())
        self.told.append((request.headers["webhook-id"], event["type"], event["data"]))
        return web.Response(status=204)


class KillRun:
    """One run in `folder`. `kills` at random moments of the seed; then everything is let drain and counted."""

    def __init__(self, folder: Path, *, seed: int, kills: int, phones: int = 20) -> None:
        self._folder = folder
        self._random = random.Random(seed)
        self._kills = kills
        self._phones = [f"+1415555{number:04d}" for number in range(phones)]
        self._port = free_port()
        self._desktop = DesktopLedger()
        self._acknowledged: dict[str, list[str]] = defaultdict(list)
        self._accepted: dict[str, str] = {}
        self._verdict = Verdict()
        self._stop = asyncio.Event()
        self._key = ""
        self._told_uncertain: set[str] = set()

    async def run(self) -> Verdict:
        settings = SimulatorSettings(
            account_sid=ACCOUNT_SID, auth_token=TOKEN, senders=(SENDER,), sent_after_s=0.01, settled_after_s=0.02
        )
        async with self._desktop.listening(), Simulator(settings) as simulator:
            config = self._write_config(simulator)
            await self._make_key()
            async with aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(force_close=True, limit=0), timeout=aiohttp.ClientTimeout(total=10)
            ) as session:
                async with asyncio.TaskGroup() as group:
                    for phone in self._phones:
                        group.create_task(self._text_from(session, phone))
                    for number in range(4):
                        group.create_task(self._reply(session, number))
                    group.create_task(self._keep_killing(config))
                bridge = self._start(config)
                await self._until_listening(bridge)
                await self._drain(session)
                bridge.terminate()
                await asyncio.to_thread(bridge.join, 30)
                assert bridge.exitcode == 0, self._said()
                assert "Traceback" not in self._said(), self._said()
        self._judge(simulator)
        return self._verdict

    # --- the nemesis

    async def _keep_killing(self, config: Path) -> None:
        for _ in range(self._kills):
            bridge = self._start(config)
            await self._until_listening(bridge)
            await asyncio.sleep(self._random.uniform(0.0, 0.35))
            bridge.kill()
            await asyncio.to_thread(bridge.join)
            self._verdict.kills += 1
        self._stop.set()

    def _start(self, config: Path) -> BaseProcess:
        """A bridge in a process of its own. What it imports is loaded once and forked, which is most of a start."""
        bridge = _FORKS.Process(target=serve_in_process, args=(config, self._folder / "log"))
        bridge.start()
        return bridge

    def _said(self) -> str:
        return (self._folder / "log").read_text("utf-8", "replace")[-3_000:]

    async def _until_listening(self, bridge: BaseProcess) -> None:
        async with asyncio.timeout(30):
            while True:
                assert bridge.is_alive(), self._said()
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self._port)
                except OSError:
                    await asyncio.sleep(0.005)
                    continue
                writer.close()
                return

    # --- the load

    async def _text_from(self, session: aiohttp.ClientSession, phone: str) -> None:
        """One phone, text after text; each is repeated, as a carrier would, until it is acknowledged."""
        number = 0
        while not self._stop.is_set():
            number += 1
            text = f"in {phone} {number}"
            sid = "SM" + hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
            if await self._post(session, phone, text, sid):
                self._acknowledged[phone].append(text)
                if self._random.random() < 0.1:
                    await self._post_once(session, phone, text, sid)
            await asyncio.sleep(self._random.uniform(0.02, 0.12))

    async def _post(self, session: aiohttp.ClientSession, phone: str, text: str, sid: str) -> bool:
        while not self._stop.is_set():
            if await self._post_once(session, phone, text, sid):
                return True
            await asyncio.sleep(0.03)
        return False

    async def _post_once(self, session: aiohttp.ClientSession, phone: str, text: str, sid: str) -> bool:
        url = f"http://127.0.0.1:{self._port}/hooks/carriers/twilio"
        form = {
            "MessageSid": sid,
            "AccountSid": ACCOUNT_SID,
            "From": phone,
            "To": SENDER,
            "Body": text,
            "NumMedia": "0",
            "NumSegments": "1",
            "ToZip": "",
        }
        signed = url + "".join(name + form[name] for name in sorted(form))
        signature = base64.b64encode(hmac.digest(TOKEN.encode(), signed.encode(), "sha1")).decode()
        try:
            async with session.post(url, data=form, headers={"X-Twilio-Signature": signature}) as answer:
                await answer.read()
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False

    async def _reply(self, session: aiohttp.ClientSession, number: int) -> None:
        """An agent system that repeats each request under its Idempotency-Key until it is told 202."""
        count = 0
        while not self._stop.is_set():
            count += 1
            text = f"out {number} {count}"
            body = {"to": self._random.choice(self._phones), "text": text}
            while not self._stop.is_set():
                message_id = await self._send_once(session, body, key=text)
                if message_id:
                    self._accepted[text] = message_id
                    break
                await asyncio.sleep(0.03)
            await asyncio.sleep(self._random.uniform(0.02, 0.08))

    async def _send_once(self, session: aiohttp.ClientSession, body: dict[str, str], key: str) -> str:
        try:
            async with session.post(
                f"http://127.0.0.1:{self._port}/v1/messages",
                json=body,
                headers={"Authorization": f"Bearer {self._key}", "Idempotency-Key": f'"{key}"'},
            ) as answer:
                shown = await answer.json()
                return str(shown["id"]) if answer.status == 202 else ""
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            return ""

    # --- the end

    async def _drain(self, session: aiohttp.ClientSession) -> None:
        """Until the desktop has heard everything acknowledged and every accepted text has come to an end."""
        until = time.monotonic() + 40
        while time.monotonic() < until:
            heard = {data["text"] for _, kind, data in self._desktop.told if kind == "message.received"}
            owed = [text for texts in self._acknowledged.values() for text in texts if text not in heard]
            open_ones = [each for each in await self._open_sends(session) if each]
            if not owed and not open_ones:
                return
            await asyncio.sleep(0.1)

    async def _open_sends(self, session: aiohttp.ClientSession) -> list[str]:
        found: list[str] = []
        for status in ("queued", "sending"):
            async with session.get(
                f"http://127.0.0.1:{self._port}/v1/messages?status={status}&direction=outbound&limit=50",
                headers={"Authorization": f"Bearer {self._key}"},
            ) as answer:
                found += [each["id"] for each in (await answer.json())["items"]]
        # An uncertain one is settled by asking the carrier; it counts as open until the last look is over.
        async with session.get(
            f"http://127.0.0.1:{self._port}/v1/messages?status=uncertain&limit=200",
            headers={"Authorization": f"Bearer {self._key}"},
        ) as answer:
            uncertain = [each["id"] for each in (await answer.json())["items"]]
        async with session.get(
            f"http://127.0.0.1:{self._port}/v1/notices?limit=200",
            headers={"Authorization": f"Bearer {self._key}"},
        ) as answer:
            told = {each["message_id"] for each in (await answer.json())["items"]}
        self._told_uncertain = {each for each in uncertain if each in told}
        return found + [each for each in uncertain if each not in told]

    def _judge(self, simulator: Simulator) -> None:
        verdict = self._verdict
        verdict.acknowledged_in = sum(len(texts) for texts in self._acknowledged.values())
        verdict.acknowledged_out = len(self._accepted)
        first_ids: dict[str, str] = {}
        seen_ids: set[str] = set()
        order: dict[str, list[str]] = defaultdict(list)
        for event_id, kind, data in self._desktop.told:
            if event_id in seen_ids:
                verdict.told_again += 1
                continue
            seen_ids.add(event_id)
            if kind != "message.received":
                continue
            text = data["text"]
            if text in first_ids:
                verdict.doubled_at_desktop.append(text)
            first_ids[text] = event_id
            order[data["from"]].append(text)
        for phone, texts in self._acknowledged.items():
            verdict.lost += [text for text in texts if text not in first_ids]
            numbers = [int(text.rpartition(" ")[2]) for text in order[phone]]
            if numbers != sorted(numbers):
                verdict.out_of_order.append(phone)
        sent = [message.body for message in simulator.ledger.sent]
        verdict.doubled_at_carrier = sorted({body for body in sent if sent.count(body) > 1})
        verdict.unexpected = [body for body in sent if not body.startswith("out ")]
        verdict.uncertain = len(self._told_uncertain)
        reached = set(sent)
        for text, message_id in self._accepted.items():
            # What never reached the carrier must have been told to the agent: it may not have been delivered.
            if text not in reached and message_id not in self._told_uncertain:
                verdict.lost.append(text)

    # --- what it runs on

    def _write_config(self, simulator: Simulator) -> Path:
        config = self._folder / "smsbridge.toml"
        config.write_text(
            f"""
public_url = "http://127.0.0.1:{self._port}"
data_dir = "data"
[server]
port = {self._port}
[log]
format = "json"
level = "warning"
[sending]
settle_after = ["1s", "2s", "4s"]
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
api_url = "{simulator.url}"
[[senders]]
number = "{SENDER}"
carrier = "twilio"
[desktops.crm]
type = "webhook"
url = "{self._desktop.url}"
secret = "{SECRET}"
""",
            "utf-8",
        )
        return config

    async def _make_key(self) -> None:
        """Made in the store itself, while no daemon has it open."""
        shown, key = make_key("kill run", frozenset({"*"}), 0)
        store = SqliteStore.open(self._folder / "data" / "smsbridge.sqlite3")
        await store.write(lambda tx: tx.insert_api_key(key))
        await store.close()
        self._key = shown


def serve_in_process(config: Path, log: Path) -> None:
    """What `smsbridge serve --config FILE` does, with its words going into a file."""
    from smsbridge.app import serve
    from smsbridge.carriers import load_carriers
    from smsbridge.config import load
    from smsbridge.desktops import load_desktops
    from smsbridge.log import set_up_logging

    with log.open("ab") as out:
        os.dup2(out.fileno(), 1)
        os.dup2(out.fileno(), 2)
    loaded = load(config, carriers=load_carriers(), desktops=load_desktops())
    set_up_logging(level=loaded.settings.log.level, style=loaded.settings.log.format)
    sys.exit(asyncio.run(serve(loaded)))


_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["smsbridge.app", "smsbridge.carriers.twilio", "smsbridge.desktops.webhook"])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
