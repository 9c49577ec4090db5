"""A real bridge behind a real Kannel: texts both ways, and what became of them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from e2e import kannel as real
from e2e.driving import Api, Process, browsing
from ports import free_port

pytestmark = [
    pytest.mark.skipif(
        not (real.BEARERBOX.exists() and real.SMSBOX.exists()),
        reason="KANNEL IS NOT TESTED FOR REAL: it is not installed (apt-get install kannel)",
    ),
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("kannel"),  # one gateway for all
]

SENDER = "+14155550199"
SECRET = "6a1f0c9d7e3b5a2488c0d1e2f3a4b5c6"
PASSWORD = "sendsms-user-password"
LONG = "It was the best of times, it was the worst of times: très Größe, 100 € [sic] and so on and on. " * 6
LONG_IN_UCS2 = "Вот длинный ответ, который не помещается в одно сообщение 👋. " * 4


@dataclass
class World:
    api: Api
    phone: real.Phone
    bridge: Process
    folder: Path


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    tmp_path = tmp_path_factory.mktemp("kannel")
    port = free_port()
    config = tmp_path / "smsbridge.toml"
    (tmp_path / "kannel").mkdir()
    hook = f"http://127.0.0.1:{port}/hooks/carriers/gateway"
    async with (
        real.kannel(tmp_path / "kannel", hook=hook, secret=SECRET, password=PASSWORD) as (ports, phone),
        browsing() as session,
    ):
        config.write_text(f"""
public_url = "http://127.0.0.1:{port}"
data_dir = "data"
[server]
port = {port}
[log]
format = "json"
[carriers.gateway]
type = "kannel"
url = "http://127.0.0.1:{ports.sendsms}/cgi-bin/sendsms"
username = "bridge"
password = "{PASSWORD}"
webhook_secret = "{SECRET}"
[[senders]]
number = "{SENDER}"
carrier = "gateway"
[desktops.desk]
type = "desk"
""")
        made = subprocess.run(
            [sys.executable, "-m", "smsbridge", "keys", "create", "--name=t", "--json", f"--config={config}"],
            stdout=subprocess.PIPE,
            check=True,
            timeout=60,
        )
        api = Api(session, f"http://127.0.0.1:{port}/v1", json.loads(made.stdout)["key"])
        world = World(api=api, phone=phone, bridge=await _start_bridge(tmp_path), folder=tmp_path)
        try:
            await _until_ready(world)
            yield world
        finally:
            code = await world.bridge.stop()
        said = world.bridge.said()
        assert code == 0, said[-4_000:]
        assert "Traceback" not in said, said[-4_000:]
        assert SECRET not in said
        assert PASSWORD not in said


async def _start_bridge(folder: Path) -> Process:
    return await Process.start("serve", "--config", str(folder / "smsbridge.toml"), log=folder / "log", checks=False)


async def _until_ready(world: World) -> None:
    async def look() -> bool:
        assert world.bridge.is_running, world.bridge.said()[-4_000:]
        try:
            return bool(await world.api.get("/senders"))
        except (OSError, aiohttp.ClientError):
            return False

    await world.api.until(look, "a ready bridge")


async def _texts(api: Api, number: str, count: int) -> list[str]:
    """What this number said, once there is so much of it."""
    interaction = await api.interaction_of(number)

    async def look() -> list[str] | None:
        said = [
            entry["message"]["text"]
            for entry in await api.transcript(interaction["id"])
            if entry["kind"] == "message" and entry["message"]["direction"] == "inbound"
        ]
        return said if len(said) >= count else None

    return list(await api.until(look, f"{count} texts of {number}"))


async def test_texts_come_through_kannel_as_they_were_written(world: World) -> None:
    number = "+14155550142"
    await world.phone.text(number, SENDER, "Hi,  is it ready? 100 € & [more] + 5%")
    assert await _texts(world.api, number, 1) == ["Hi,  is it ready? 100 € & [more] + 5%"]
    await world.phone.text_in_ucs2(number, SENDER, "Готово? 👋\nЕщё строка")
    await _texts(world.api, number, 2)
    await world.phone.text(number, SENDER, "post  this: 100 €")
    await _texts(world.api, number, 3)
    # Kannel joins what a phone had to split.
    await world.phone.text_part(number, SENDER, b"\x05\x00\x03\x2a\x02\x01", "The first half and ")
    await world.phone.text_part(number, SENDER, b"\x05\x00\x03\x2a\x02\x02", "the second.")
    assert (await _texts(world.api, number, 4))[1:] == [
        "Готово? 👋\nЕщё строка",
        "post  this: 100 €",
        "The first half and the second.",
    ]


async def test_replies_go_through_kannel_and_its_receipts_come_back(world: World) -> None:
    number = "+14155550143"
    for text, kind in (
        ("Yes: très, 100 € [and] more", "text"),
        ("Да, готово 👋", "ucs-2"),
        (LONG, "data"),
        (LONG_IN_UCS2, "data"),
    ):
        message = await world.api.post("/messages", {"to": number, "from": SENDER, "text": text}, status=202)
        [first] = await world.phone.next()
        rest = await world.phone.next(first.udh[4] - 1) if first.udh else []
        got = [first, *rest]
        assert [(sms.sender, sms.to, sms.kind) for sms in got] == [(SENDER, number, kind)] * len(got)
        charset = "utf-16-be" if text == LONG_IN_UCS2 or kind == "ucs-2" else "utf-8"
        assert b"".join(sms.data for sms in got).decode(charset) == text
        assert [sms.udh[5] for sms in rest] == list(range(2, len(got) + 1)), "the parts are marked, in their order"
        assert (len(got) > 1) == (kind == "data")
        delivered = await world.api.status(message["id"], "delivered")
        assert [part["status"] for part in delivered["parts"]] == ["delivered"]


async def test_what_kannel_refuses_fails_with_its_reason(world: World) -> None:
    message = await world.api.post(
        "/messages", {"to": "+447400123456", "from": SENDER, "text": "No SMSC takes +44"}, status=202
    )

    async def explained() -> dict[str, Any] | None:
        """The bearerbox's receipt and the smsbox's answer race; only the answer has the reason."""
        shown: dict[str, Any] = await world.api.get(f"/messages/{message['id']}")
        assert shown["status"] in ("queued", "sending", "failed")
        return shown if shown["cause"] not in (None, "unknown") else None

    failed = await world.api.until(explained, "the reason")
    assert (failed["status"], failed["cause"]) == ("failed", "permission_or_region")
    assert [part["cause"] for part in failed["parts"]] == ["permission_or_region"]
    await world.api.post("/messages", {"to": "+14155550145", "from": SENDER, "text": "But +1 it takes"}, status=202)
    assert [sms.text for sms in await world.phone.next()] == ["But +1 it takes"]


async def test_a_text_that_came_while_the_bridge_was_away_comes_once_it_is_back(world: World) -> None:
    number = "+14155550144"
    assert await world.bridge.stop() == 0
    await world.phone.text(number, SENDER, "Anybody there?")
    world.bridge = await _start_bridge(world.folder)
    await _until_ready(world)
    assert await _texts(world.api, number, 1) == ["Anybody there?"]
