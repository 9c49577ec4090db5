"""Texts that a carrier pushed in vain are there after the next start: all, once, in order.

The bridge is the real one, over and over in this process; the carrier is the simulator, which posts a text once more
after a refused connection and never again, and not at all after a 4xx. The agent desktop writes down what it is told.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from fakes import OUR_NUMBER, World
from faults.desktop_ledger import DesktopLedger
from faults.run import SECRET
from faults.verdict import Wrongs
from listing import HOUR_MS, CarrierList, ListsIds, start
from ports import free_port
from smsbridge.app import Daemon
from smsbridge.blobs import FolderBlobs
from smsbridge.carriers import load_carriers
from smsbridge.config import load
from smsbridge.desktops import load_desktops
from smsbridge.domain.message import NoticeKind
from smsbridge.simulator import FaultSettings, Simulator, SimulatorSettings
from smsbridge.store.sqlite import SqliteStore

ACCOUNT_SID = "AC" + "7c" * 16
API_KEY = ("SK" + "1d" * 16, "an-api-secret-for-the-test")
TOKEN = "the-token-that-signs-webhooks"
PHONES = [f"+1415555{number:04d}" for number in range(8)]


@dataclass(kw_only=True)
class Verdict(Wrongs):
    said: int
    in_vain: int

    def __str__(self) -> str:
        return f"{self.said} texts, {self.in_vain} of them pushed in vain: {super().__str__()}"


class Run:
    """One carrier and one desktop, which outlive the bridges between them."""

    def __init__(self, folder: Path, simulator: Simulator, desktop: DesktopLedger) -> None:
        self._folder = folder
        self._simulator = simulator
        self._desktop = desktop
        self._said: dict[str, list[str]] = defaultdict(list)
        self._url = f"http://127.0.0.1:{free_port()}"
        self.in_vain = 0
        self.shown = 0
        simulator.set_hook_url(f"{self._url}/hooks/carriers/twilio")

    @asynccontextmanager
    async def bridge(self, *, token: str = TOKEN) -> AsyncIterator[None]:
        """From the moment when it answers. With another `token` it believes no webhook."""
        loaded = load(self._write_config(token), carriers=load_carriers(), desktops=load_desktops())
        daemon, ready = Daemon(loaded), asyncio.Event()
        running = asyncio.create_task(daemon.run(lambda _: ready.set()))
        told = asyncio.create_task(ready.wait())
        await asyncio.wait({running, told}, return_when=asyncio.FIRST_COMPLETED)
        told.cancel()
        assert ready.is_set(), running.result()
        try:
            yield
        finally:
            daemon.stop.set()
            await running

    async def text(self, each: int, *, phones: list[str] = PHONES, media: tuple[str, ...] = (), heard: bool) -> None:
        """So many texts of every phone, all phones at once. `heard`: whether the bridge takes them."""

        async def talk(phone: str) -> None:
            for _ in range(each):
                self._said[phone].append(f"{phone} {len(self._said[phone])}")
                texted = await self._simulator.text(phone, self._said[phone][-1], media=media)
                assert bool(texted.answer and texted.answer.ok) is heard, texted
                self.in_vain += not heard
                self.shown += len(media)

        await asyncio.gather(*map(talk, phones))

    async def until_told(self) -> None:
        """Until the desktop has heard everything that was said, and has the pictures."""
        until = time.monotonic() + 60
        while (
            len({text for _, text in self.told()}) < sum(map(len, self._said.values())) or self.pictures() < self.shown
        ):
            assert time.monotonic() < until, self.judge()
            await asyncio.sleep(0.02)

    def told(self) -> list[tuple[str, str]]:
        """Event by event, a repeat under the same id left out."""
        received = {event_id: data["text"] for event_id, kind, data in self._desktop.told if kind == "message.received"}
        return list(received.items())

    def pictures(self) -> int:
        states: dict[str, str] = {}
        for _, kind, data in self._desktop.told:
            if kind.startswith("message."):
                states.update({each["id"]: each["state"] for each in data.get("attachments", ())})
        return list(states.values()).count("stored")

    def judge(self) -> Verdict:
        told = [text for _, text in self.told()]
        said = [text for texts in self._said.values() for text in texts]
        return Verdict(
            said=len(said),
            in_vain=self.in_vain,
            lost=sorted(set(said) - set(told)),
            doubled=sorted({text for text in told if told.count(text) > 1}),
            unexpected=sorted(set(told) - set(said)),
            out_of_order=[phone for phone, texts in self._said.items() if [t for t in told if t in texts] != texts],
        )

    def _write_config(self, token: str) -> Path:
        config = self._folder / "smsbridge.toml"
        config.write_text(
            f"""
public_url = "{self._url}"
data_dir = "data"
[server]
port = {self._url.rpartition(":")[2]}
[log]
level = "error"
[delivery]
first_wait = "100ms"
[interactions]
desktop = "crm"
[carriers.twilio]
type = "twilio"
account_sid = "{ACCOUNT_SID}"
auth_token = "{token}"
api_key = "{API_KEY[0]}"
api_secret = "{API_KEY[1]}"
api_url = "{self._simulator.url}"
media_hosts = ["{self._simulator.cdn_host}"]
[[senders]]
number = "{OUR_NUMBER}"
carrier = "twilio"
[desktops.crm]
type = "webhook"
url = "{self._desktop.url}"
secret = "{SECRET}"
""",
            "utf-8",
        )
        return config


async def test_what_was_pushed_in_vain_is_told_after_the_next_start(tmp_path: Path) -> None:
    settings = SimulatorSettings(account_sid=ACCOUNT_SID, auth_token=TOKEN, api_keys=(API_KEY,), senders=(OUR_NUMBER,))
    desktop = DesktopLedger()
    async with desktop.listening(), Simulator(settings) as simulator:
        run = Run(tmp_path, simulator, desktop)
        async with run.bridge():
            await run.text(3, heard=True)
            await run.until_told()
        await run.text(10, heard=False)  # nobody listens
        await run.text(1, media=("photo.jpg", "photo.png"), heard=False)
        async with run.bridge(token="a-token-that-was-never-right"):
            await run.until_told()
            await run.text(5, heard=False)  # refused with 401
        async with run.bridge():
            await run.until_told()
            await run.text(3, heard=True)
            simulator.set_faults(FaultSettings(webhook_lost=100))
            await run.text(4, heard=False)  # never posted at all
            simulator.set_faults(FaultSettings())
        async with run.bridge():
            await run.until_told()
            await run.text(1, heard=True)
            await run.until_told()
        verdict = run.judge()
        print(verdict)  # noqa: T201 - the figures are the point; pytest -s or a failure shows them
        assert (verdict.said, verdict.in_vain) == (27 * len(PHONES), 20 * len(PHONES))
        assert verdict.is_good, verdict
        assert run.pictures() == 2 * len(PHONES)


async def test_of_texts_whose_words_are_not_given_again_every_one_is_noticed(tmp_path: Path) -> None:
    """A carrier that pushes for a day, and then lists that they came."""
    store, blobs = SqliteStore.open(tmp_path / "store.sqlite3"), FolderBlobs.open(tmp_path / "media")
    world = World(store, blobs, carrier=ListsIds())
    carrier = CarrierList(world)
    await start(world)
    for number in range(150):
        world.clock.now += 10_000
        carrier.add(f"{number}", number=PHONES[number % len(PHONES)])
    for _ in range(30):
        world.clock.now += HOUR_MS
        await start(world)
    notices = [notice for phone in PHONES for notice in await world.notices(phone)]
    print(f"150 texts, {len(notices)} noticed")  # noqa: T201
    assert [notice.kind for notice in notices] == [NoticeKind.TEXT_WITHHELD] * 150
    assert not [message for phone in PHONES for message in await world.messages(phone)]
    await store.close()
    blobs.close()
