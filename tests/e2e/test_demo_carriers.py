"""The demo's scripted run in every carrier's dialect, all at once: one daemon with an account at each.

The stories are those of the README; what differs is what the carrier has words for.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from e2e import test_demo_story as story
from e2e.conftest import Demo, running_demo
from e2e.driving import Api, browsing
from faults.fault_proxy import FaultProxy
from smsbridge.app import Daemon, Ready
from smsbridge.carriers import load_carriers
from smsbridge.config import HOOKS_PATH, load
from smsbridge.demo import demo_settings
from smsbridge.demo_desk import DISPOSITIONS
from smsbridge.desktops import load_desktops
from smsbridge.simulator import FaultSettings, Simulator, SimulatorSettings
from smsbridge.simulator.dialects import dialect_names
from smsbridge.simulator.samples import Samples
from smsbridge.web.auth import make_key

pytestmark = pytest.mark.xdist_group("e2e")

FATES = {
    "landline": ("not_sms_capable", {"not_mobile", "invalid_number"}),
    "landline_late": ("not_sms_capable", {"not_mobile", "invalid_number"}),
    "switched_off": ("undelivered", {"unreachable"}),
    "blocked": ("undelivered", {"blocked", "unreachable"}),
    "filtered": ("undelivered", {"filtered", "blocked"}),
    "opted_out": ("opted_out", {"opted_out"}),
}
"""Notice and cause of a persona. Not every carrier tells a filter from a block."""

OPT_OUT_IS_A_BLOCK = {"kannel", "sinch"}
"""They have no code for those who said STOP."""


@dataclass
class Account(Demo):
    """One of the accounts, driven as a demo of its own."""

    name: str
    simulator: Simulator
    sender: str
    wrong_sender: str
    """It is configured as ours, and the carrier knows nothing of it; empty where an account can have no such."""


@pytest.mark.timeout(300)
async def test_the_scripted_run_on_every_carrier_at_once(tmp_path: Path) -> None:
    async with one_daemon(tmp_path) as accounts:
        await _each_answers_by_the_number_that_was_texted(accounts)
        ended = await asyncio.gather(*(_scripted_run(each) for each in accounts), return_exceptions=True)
        failures = [error for error in ended if isinstance(error, BaseException)]
        for account, error in zip(accounts, ended, strict=True):
            if isinstance(error, BaseException):
                error.add_note(f"at {account.name}")
        if failures:
            raise BaseExceptionGroup(f"{len(failures)} of {len(accounts)} carriers", failures)
        for account in accounts:
            assert {sent.from_ for sent in account.simulator.ledger.sent} <= {account.sender, account.wrong_sender}
            called = [
                each
                for each in account.simulator.traffic.after(0)
                if each.kind in ("webhook", "callback") and "before the credentials" not in each.summary
            ]
            assert {each.signed for each in called} == {True}, account.name
            assert {each.status for each in called} <= {200, 202, 204}, account.name


async def test_what_one_carrier_cannot_be_given_goes_through_another(tmp_path: Path) -> None:
    """The first is away for a while. The contact sees one number of ours all the time."""
    async with AsyncExitStack() as stack:
        listen = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        simulators = await _start_simulators(stack, listen, ("twilio", "telnyx"))
        line = await stack.enter_async_context(FaultProxy(urlsplit(simulators["twilio"].url).port or 0))
        more = {"twilio": {"api_url": line.url, "reroute": "telnyx"}}
        first, second = await stack.enter_async_context(_running(tmp_path, listen, simulators, more))
        here, there = (account.phone("+14155550098") for account in (first, second))
        await here.text("hi")
        interaction = await first.api.interaction_of(here.number)

        async def reply(text: str) -> Any:
            wish = {"interaction_id": interaction["id"], "text": text}
            taken = await first.api.post("/messages", wish, status=202)
            ended = await first.api.status(taken["id"], "delivered", "failed", "undelivered", "uncertain")
            return ended["status"], ended["carrier"], ended["rerouted_from"]

        assert await reply("One") == ("delivered", "twilio", None)
        await line.go_down()
        assert await reply("Two") == ("delivered", "telnyx", "twilio")
        assert await reply("Three") == ("delivered", "telnyx", "twilio")
        assert [(each["from"], each["text"]) for each in await there.received()] == [
            (first.sender, "Two"),
            (first.sender, "Three"),
        ]
        # What the contact answers may come either way, and the next text goes the first way again.
        await second.simulator.text(there.number, "thanks", to=first.sender)
        await line.come_up()
        assert await reply("Four") == ("delivered", "twilio", None)
        entries = await first.api.transcript(interaction["id"])
        said = [entry["message"]["text"] for entry in entries if entry["kind"] == "message"]
        assert said == ["hi", "One", "Two", "Three", "thanks", "Four"]
        (notice,) = (entry["notice"] for entry in entries if entry["kind"] == "notice")
        assert (notice["kind"], notice["cause"], notice["severity"]) == ("rerouted", "carrier_outage", "info")
        assert notice["evidence"]["carrier"] == "twilio"


async def test_the_demo_plays_another_carrier(tmp_path: Path) -> None:
    async with running_demo(tmp_path / "demo", "--carrier", "telnyx") as demo:
        assert demo.ready["carrier"] == "telnyx"
        await story.test_a_text_in_a_reply_out_and_delivered(demo)
    assert "telnyx, played by the simulator" in demo.process.said()


@pytest.mark.parametrize("carrier", dialect_names())
async def test_the_demo_has_what_each_carrier_needs(carrier: str, tmp_path: Path) -> None:
    settings = SimulatorSettings(account_sid=f"AC{0:032x}", auth_token="x", senders=("+15005550006",), carrier=carrier)
    async with Simulator(settings) as simulator:
        overrides = demo_settings(tmp_path, simulator, port=8398)
    loaded = load(None, carriers=load_carriers(), desktops=load_desktops(), environment={}, overrides=overrides)
    assert not loaded.warnings
    assert {sender.carrier for sender in loaded.settings.senders} == {carrier}


# -- The stories -----------------------------------------------------------------------------------------------------


async def _each_answers_by_the_number_that_was_texted(accounts: list[Account]) -> None:
    """One contact texts all our numbers: eleven conversations, and each reply goes the way its text came."""
    phones = [account.phone("+14155550099") for account in accounts]
    await asyncio.gather(*(phone.text(f"hi, {account.name}") for account, phone in zip(accounts, phones, strict=True)))
    api = accounts[0].api

    async def all_of_them() -> Any:
        found = {each["sender"]: each["id"] for each in (await api.get("/interactions?limit=200"))["items"]}
        return found if len(found) == len(accounts) else None

    interactions = await api.until(all_of_them, "an interaction for each sender")
    for account in accounts:
        reply = await api.post(
            "/messages", {"interaction_id": interactions[account.sender], "text": f"from {account.name}"}, status=202
        )
        assert (reply["carrier"], reply["from"]) == (account.name, account.sender)
        await api.status(reply["id"], "delivered")
    for account, phone in zip(accounts, phones, strict=True):
        assert [each["text"] for each in await phone.received()] == [f"from {account.name}"]


async def _scripted_run(account: Account) -> None:
    abilities = load_carriers()[account.name].abilities
    await story.test_a_text_in_a_reply_out_and_delivered(account)
    if abilities.media:
        await story.test_pictures_both_ways(account)
        await story.test_the_agent_is_told_of_an_attachment_problem(account, "corrupt.jpg", "unreadable")
    await story.test_stop_is_honoured_and_told_and_start_brings_them_back(account)
    await _a_long_text_is_one(account)
    await _too_much_delays_and_the_agent_is_told(account)
    for persona in FATES:
        await _the_agent_is_told(account, persona)
    if account.wrong_sender:
        await _the_agent_is_told_of_a_wrong_sender(account)


async def _the_agent_is_told(account: Account, persona: str) -> None:
    kind, causes = FATES[persona]
    if persona == "opted_out" and account.name in OPT_OUT_IS_A_BLOCK:
        kind, causes = FATES["blocked"]
    phone, api = account.phone(), account.api
    await phone.text("hello")
    interaction = await api.interaction_of(phone.number)
    await phone.become(persona)
    reply = await api.post("/messages", {"interaction_id": interaction["id"], "text": "hello"}, status=202)
    failed = await api.status(reply["id"], "failed", "undelivered")
    assert failed["cause"] in causes, (persona, failed)
    notice = await api.notice(interaction["id"], kind)
    assert (notice["cause"], notice["message_id"]) == (failed["cause"], reply["id"])
    assert notice["evidence"]["carrier"]
    told = [entry["notice"]["id"] for entry in await api.transcript(interaction["id"]) if entry["kind"] == "notice"]
    assert told == [notice["id"]]


async def _a_long_text_is_one(account: Account) -> None:
    """Whether the carrier posts it as one or part by part, in any order."""
    text = "The bell is fine, the left pedal is not; could you have a look at it? 🚲 " * 4
    phone, api = account.phone(), account.api
    account.simulator.set_faults(FaultSettings(webhook_in_parts=100))
    await phone.text(text)
    account.simulator.set_faults(FaultSettings())
    interaction = await api.interaction_of(phone.number)
    entries = await api.transcript(interaction["id"])
    assert [entry["message"]["text"] for entry in entries if entry["kind"] == "message"] == [text]


async def _too_much_delays_and_the_agent_is_told(account: Account) -> None:
    phone, api = account.phone(), account.api
    await phone.text("hello")
    interaction = await api.interaction_of(phone.number)
    await phone.become("rate_limited")
    reply = await api.post("/messages", {"interaction_id": interaction["id"], "text": "soon"}, status=202)
    notice = await api.notice(interaction["id"], "delayed")
    assert notice["message_id"] == reply["id"]
    assert notice["cause"] in ("rate_limited", "queue_full", "carrier_outage")  # not every carrier says which
    await phone.become("mobile")
    await api.status(reply["id"], "delivered")
    assert [each["text"] for each in await phone.received()] == ["soon"]


async def _the_agent_is_told_of_a_wrong_sender(account: Account) -> None:
    wish = {"to": account.phone().number, "from": account.wrong_sender, "text": "x"}
    reply = await account.api.post("/messages", wish, status=202)
    failed = await account.api.status(reply["id"], "failed", "undelivered")
    notice = await account.api.notice(failed["interaction_id"], "wrong_sender_number")
    assert notice["message_id"] == reply["id"]


# -- The daemon ------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def one_daemon(folder: Path) -> AsyncIterator[list[Account]]:
    """A simulator for each carrier and one bridge with an account at each; it has to end well."""
    async with AsyncExitStack() as stack:
        listen = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        simulators = await _start_simulators(stack, listen, dialect_names())
        yield await stack.enter_async_context(_running(folder, listen, simulators, {}))


async def _start_simulators(stack: AsyncExitStack, listen: socket.socket, names: Sequence[str]) -> dict[str, Simulator]:
    base, samples = _url_of(listen), Samples()
    return {
        name: await stack.enter_async_context(
            Simulator(
                SimulatorSettings(
                    account_sid=f"AC{number:032x}",
                    auth_token=f"token-of-{name}",
                    carrier=name,
                    # The last has the first's number as well, as one that is hosted there.
                    senders=(f"+1415556{number:04d}", *(["+14155560000"] if number == len(names) - 1 else [])),
                    hook_url=f"{base}{HOOKS_PATH}/{name}",
                    sent_after_s=0.01,
                    settled_after_s=0.02,
                ),
                samples=samples,
            )
        )
        for number, name in enumerate(names)
    }


@asynccontextmanager
async def _running(
    folder: Path, listen: socket.socket, simulators: Mapping[str, Simulator], more: Mapping[str, Mapping[str, Any]]
) -> AsyncIterator[list[Account]]:
    """`more` are settings of accounts beside those that the simulators give."""
    base = _url_of(listen)
    wrong = {
        name: "" if simulator.has_one_sender else f"+1415557{number:04d}"
        for number, (name, simulator) in enumerate(simulators.items())
    }
    senders = [
        {"number": number, "carrier": name, "name": name}
        for name, simulator in simulators.items()
        for number in (simulator.settings.senders[0], wrong[name])
        if number
    ]
    overrides = {
        "public_url": base,
        "data_dir": str(folder / "data"),
        "sending.first_wait": "200ms",
        "sending.delayed_notice_after": "200ms",
        "interactions.dispositions": list(DISPOSITIONS),
        "senders": senders,
        "desktops.desk": {"type": "desk", "default_sender": senders[0]["number"]},
        **{
            f"carriers.{name}": {**simulator.write_account(), **more.get(name, {})}
            for name, simulator in simulators.items()
        },
    }
    daemon = Daemon(
        load(None, carriers=load_carriers(), desktops=load_desktops(), environment={}, overrides=overrides),
        listen=listen,
        known_keys={url: key for each in simulators.values() for url, key in each.write_keys().items()},
    )
    ready: asyncio.Future[Ready] = asyncio.get_running_loop().create_future()
    running = asyncio.create_task(daemon.run(ready.set_result))
    try:
        await asyncio.wait([ready, running], return_when=asyncio.FIRST_COMPLETED)
        bridge = ready.result().bridge
        shown, key = make_key("agents", frozenset({"*"}), bridge.now_ms())
        await bridge.store.write(lambda tx: tx.insert_api_key(key))
        async with browsing() as session:
            api = Api(session, f"{base}/v1", shown, look_every_s=0.2)
            yield [
                Account(
                    ready={"simulator_url": simulator.url},
                    process=None,
                    session=session,
                    api=api,
                    name=name,
                    simulator=simulator,
                    sender=simulator.settings.senders[0],
                    wrong_sender=wrong[name],
                )
                for name, simulator in simulators.items()
            ]
    finally:
        daemon.stop.set()
        code = await running
    assert code == 0


def _url_of(listen: socket.socket) -> str:
    return f"http://127.0.0.1:{listen.getsockname()[1]}"
