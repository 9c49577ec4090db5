"""The demo: the real bridge and a carrier's real adapter, with a simulator in place of the carrier.

Nothing leaves this computer.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import socket
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from smsbridge import __version__
from smsbridge.app import Daemon, Ready
from smsbridge.carriers import load_carriers
from smsbridge.config import HOOKS_PATH, PORT, load
from smsbridge.contracts.bridge import Bridge
from smsbridge.contracts.store import StoreUnavailable
from smsbridge.demo_desk import AGENTS, DISPOSITIONS, furnish
from smsbridge.demo_pages import DemoPages
from smsbridge.desktops import load_desktops
from smsbridge.simulator import Simulator, SimulatorSettings
from smsbridge.simulator.faults import FaultSettings
from smsbridge.simulator.traffic import Exchange
from smsbridge.web.auth import make_key
from smsbridge.web.server import CannotListen
from smsbridge.web.sessions import make_passcode

SENDER: Final = "+15005550006"
PHONE: Final = "+447700900123"
"""The first of the phone page."""
CARRIER: Final = "twilio"
"""Whom the simulator plays unless told otherwise."""
WRONG_SENDERS: Final = {
    "+15005550007": "a sender that is not ours (Twilio's test number)",
    "+15005550008": "a sender whose queue is full (Twilio's test number)",
}
"""Configured like ours, refused by the carrier: so that the agent can be seen to be told of it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DemoOptions:
    """`port` 0 takes any free one. `ready_file` gets the addresses and keys as JSON once everything answers.

    `curl` prints commands to type, too.
    """

    port: int = PORT
    carrier: str = CARRIER
    """A dialect of the simulator; the account has this name as well."""
    ready_file: Path | None = None
    keep: Path | None = None
    store_url: str = ""
    """A PostgreSQL database instead of a SQLite file."""
    faults: FaultSettings | None = None
    say: Callable[[str], None] = print
    show_traffic: bool = True
    curl: bool = False


async def run_demo(options: DemoOptions) -> int:
    """Until SIGTERM or SIGINT. Raises CannotListen when the port is taken."""
    listen = _bind(options.port)
    port = listen.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="smsbridge-demo-") as scratch:
        folder = options.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        account = _account(folder)
        settings = SimulatorSettings(
            account_sid=account["account_sid"],
            auth_token=account["auth_token"],
            carrier=options.carrier,
            senders=(SENDER,),
            hook_url=f"http://127.0.0.1:{port}{HOOKS_PATH}/{options.carrier}",
        )
        async with Simulator(settings) as simulator:
            if options.faults is not None:
                simulator.set_faults(options.faults)
            return await _run(options, simulator, folder, account, listen)


async def _run(
    options: DemoOptions, simulator: Simulator, folder: Path, account: dict[str, str], listen: socket.socket
) -> int:
    port = listen.getsockname()[1]
    kept = f"Kept in {options.keep}." if options.keep else "Kept in a temporary folder until you stop it."
    if options.store_url:
        kept = "Texts are kept in your PostgreSQL database."
    kept = f"Carrier: {options.carrier}, simulated. {kept}"
    daemon = Daemon(
        load(
            None,
            carriers=load_carriers(),
            desktops=load_desktops(),
            environment={},
            overrides={**demo_settings(folder, simulator, port), "store.url": options.store_url},
        ),
        listen=listen,
        more_routes=lambda bridge: DemoPages(bridge, simulator_url=simulator.url, kept=kept).routes(),
        known_keys=simulator.write_keys(),
    )
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, daemon.stop.set)
    ready: asyncio.Future[Ready] = loop.create_future()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(daemon.run(ready.set_result), name="daemon")
        group.create_task(_welcome(options, simulator, account, ready, running, daemon.stop), name="welcome")
    return running.result()


async def _welcome(
    options: DemoOptions,
    simulator: Simulator,
    account: dict[str, str],
    ready: asyncio.Future[Ready],
    running: asyncio.Task[int],
    stop: asyncio.Event,
) -> None:
    running.add_done_callback(lambda _: ready.cancel())
    try:
        await ready
    except asyncio.CancelledError:
        return  # it ended before it was ready; its own task says why
    bridge = ready.result().bridge
    try:
        facts = await _furnish(bridge, simulator, account)
    except StoreUnavailable:
        if not stop.is_set():
            raise
        return  # it was told to stop before it was furnished, and the store has closed
    if options.ready_file is not None:
        await asyncio.to_thread(_write_whole, options.ready_file, json.dumps(facts, indent=2) + "\n")
    options.say(_banner(facts, options))
    if options.show_traffic:  # from here on: a visitor reads the addresses first
        await _show_traffic(options, simulator, stop)


async def _furnish(bridge: Bridge, simulator: Simulator, account: dict[str, str]) -> dict[str, Any]:
    """What a first visitor needs; everything they may want to know of it."""
    shown, key = make_key("demo", frozenset({"*"}), bridge.now_ms())
    await bridge.store.write(lambda tx: tx.insert_api_key(key))
    passcodes = {agent_id: account[_passcode_of(agent_id)] for agent_id in AGENTS}
    await furnish(bridge, passcodes)
    base = bridge.public_url
    return {
        "api_url": f"{base}/v1",
        "api_key": shown,
        "hooks_url": f"{base}{HOOKS_PATH}",
        "desk_url": f"{base}/desk",
        "phone_url": f"{base}/phone",
        "simulator_url": simulator.url,
        "sender": SENDER,
        "carrier": simulator.settings.carrier,
        "account_sid": account["account_sid"],
        "carrier_token": account["auth_token"],
        "agents": passcodes,
    }


def _banner(facts: dict[str, Any], options: DemoOptions) -> str:
    base = facts["api_url"].removesuffix("/v1")
    store = f"in {options.keep}" if options.keep else "temporary; keep it with --keep DIR"
    if options.store_url:
        store = f"texts in your PostgreSQL database; files {store}"
    return f"""
smsbridge {__version__}  demo: nothing leaves this computer

  Try it       {base}/demo    phone and agent desk side by side
  Agent desk   {facts["desk_url"]}    signed in as demo; other browsers: passcode {facts["agents"]["demo"]}
  Phone        {facts["phone_url"]}
  API          {facts["api_url"]}      documented at {base}/docs
  API key      {facts["api_key"]}
  Carrier      {facts["carrier"]}, played by the simulator at {facts["simulator_url"]}; our number {facts["sender"]}
  Store        {store}
{_walk(facts) if options.curl else ""}
Phones and faults by hand: docs/simulator.md{"" if options.curl else ", or --curl for commands to type"}.
{"What goes over the wire is shown here. " if options.show_traffic else ""}Ctrl-C ends the demo.
"""


def _walk(facts: dict[str, Any]) -> str:
    """From the first text to the notice by hand. Every command can be typed as it stands, in order; a test does."""
    api, phone = facts["api_url"], f"{facts['simulator_url']}/api/phones/{PHONE.removeprefix('+')}"
    key, body = '-H "Authorization: Bearer $KEY"', "-H 'Content-Type: application/json'"
    return f"""
Text us from a phone (in another terminal):

  curl -s {phone}/messages -d '{{"text": "Hi, where is my order?"}}'

See it arrive as a chat interaction, answer it, and look at the phone:

  export KEY={facts["api_key"]}
  curl -s {api}/interactions {key}
  curl -s {api}/messages {key} {body} \\
       -d '{{"to": "{PHONE}", "text": "On its way.", "agent": "you"}}'
  curl -s {phone}/messages

Make it a landline, answer again, and read what the agent is told:

  curl -s -X PUT {phone} -d '{{"persona": "landline_late"}}'
  curl -s {api}/messages {key} {body} \\
       -d '{{"to": "{PHONE}", "text": "Are you there?", "agent": "you"}}'
  curl -s {api}/notices {key}

Everything that happens, from the beginning and on:

  curl -sN '{api}/events?last_event_id=0' {key}
"""


async def _show_traffic(options: DemoOptions, simulator: Simulator, stop: asyncio.Event) -> None:
    """One line for each request on the wire, as it happens."""
    seen = simulator.traffic.last_seq
    while not stop.is_set():
        for exchange in simulator.traffic.after(seen):
            seen = exchange.seq
            options.say(_line(exchange))
        try:
            async with asyncio.timeout(0.2):
                await stop.wait()
        except TimeoutError:
            continue


def _line(exchange: Exchange) -> str:
    status = "" if exchange.status is None else str(exchange.status)
    return f"  {exchange.direction:<18} {exchange.kind:<9} {status:<4} {exchange.ms:>5} ms  {exchange.summary}"


def demo_settings(folder: Path, simulator: Simulator, port: int) -> dict[str, Any]:
    """The configuration of the demo, by dotted key: short times, so that everything can be seen in a minute."""
    carrier = simulator.settings.carrier
    wrong_senders = {} if simulator.has_one_sender else WRONG_SENDERS
    return {
        "public_url": f"http://127.0.0.1:{port}",
        "data_dir": str(folder.absolute()),
        "server.port": port,
        "sending.first_wait": "1s",
        "sending.settle_after": ["2s", "5s", "10s"],
        "sending.delayed_notice_after": "2s",
        "media.hold": "20s",
        "interactions.dispositions": list(DISPOSITIONS),
        f"carriers.{carrier}": simulator.write_account(),
        "senders": [
            {"number": SENDER, "carrier": carrier, "name": "Harbour Cycles"},
            *({"number": number, "carrier": carrier, "name": name[:80]} for number, name in wrong_senders.items()),
        ],
        "desktops.desk": {"type": "desk", "default_sender": SENDER},
    }


def _account(folder: Path) -> dict[str, str]:
    """The account at the simulated carrier, and the agents' passcodes: kept with the data, so that a kept demo goes on
    where it was."""
    file = folder / "demo-account.json"
    kept: dict[str, str] = json.loads(file.read_text("utf-8")) if file.exists() else {}
    account = {
        "account_sid": f"AC{secrets.token_hex(16)}",
        "auth_token": secrets.token_hex(16),
        **{_passcode_of(agent_id): make_passcode() for agent_id in AGENTS},
        **kept,
    }
    if account != kept:
        _write_whole(file, json.dumps(account))
    return account


def _passcode_of(agent_id: str) -> str:
    return f"passcode_{agent_id}"


def _bind(port: int) -> socket.socket:
    listen = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    listen.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listen.bind(("127.0.0.1", port))
    except OSError as error:
        listen.close()
        raise CannotListen(f"127.0.0.1:{port}", error) from error
    return listen


def _write_whole(file: Path, text: str) -> None:
    """All of it or nothing: whoever waits for the file must not read half of it. It holds secrets."""
    scratch = file.with_name(f".{file.name}.{os.getpid()}")
    scratch.touch(mode=0o600)
    scratch.write_text(text, "utf-8")
    scratch.replace(file)
