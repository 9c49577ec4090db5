"""Connecting a number and giving it back: against the simulator, with a bridge behind a made-up public address."""

from __future__ import annotations

import json
import stat
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from smsbridge.provisioning.check import Check, is_healthy
from smsbridge.provisioning.connect import (
    MEMORY_FILE,
    TEST_TEXT,
    PastWebhooks,
    Wish,
    connect,
    disconnect,
)
from smsbridge.provisioning.control import Control, ControlFailed, NumberWebhook, OwnedNumber
from smsbridge.provisioning.reach import check_public_url, probe
from smsbridge.provisioning.twilio_control import TwilioControl
from smsbridge.simulator import Simulator
from smsbridge.wire.probe import PROBE_PATH, write_probe_answer

KEY = b"k" * 32
NONCE = "nonce-of-this-run-0001"
OURS = "https://bridge.example.com/hooks/carriers/main"
THEIRS = "https://crm.example.com/sms"
WISH = Wish(
    account="main",
    public_url="https://bridge.example.com",
    webhook_url=OURS,
    link_key=KEY,
    nonce=NONCE,
    number="+15005550006",
)


def bridge(request: httpx.Request) -> httpx.Response:
    """What the daemon answers by its public address."""
    assert request.url.path == PROBE_PATH
    return httpx.Response(200, text=f"{write_probe_answer(KEY, request.url.params['nonce'])}\n")


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with behind(bridge) as client:
        yield client


def behind(answer: Callable[[httpx.Request], httpx.Response]) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.MockTransport(answer))


@pytest.fixture
def past(tmp_path: Path) -> PastWebhooks:
    return PastWebhooks(tmp_path)


async def said(checks: AsyncIterator[Check]) -> dict[str, Check]:
    return {check.name: check async for check in checks}


async def webhook_of(control: Control, number: str) -> NumberWebhook:
    return next(one.webhook for one in await control.list_numbers() if one.number == number)


# --- connecting -------------------------------------------------------------------------------------------------------


async def test_the_five_steps_in_their_order(
    control: TwilioControl, simulator: Simulator, past: PastWebhooks, http: httpx.AsyncClient, clock
) -> None:
    steps = await said(connect(control, replace(WISH, test_to="+15005550020"), past, http=http, clock=clock))
    assert list(steps) == ["credentials", "numbers", "public_url", "webhook", "test", "done"]
    assert {check.verdict for check in steps.values()} == {"ok"}, steps
    assert (await webhook_of(control, "+15005550006")).is_at(OURS)
    assert [message.text for message in await simulator.received("+15005550020", wait_s=5)] == [TEST_TEXT]


async def test_a_dry_run_changes_and_sends_nothing(
    control: TwilioControl, simulator: Simulator, past: PastWebhooks, http: httpx.AsyncClient, clock, tmp_path: Path
) -> None:
    simulator.set_hook_url(THEIRS)
    wish = replace(WISH, test_to="+15005550020", dry_run=True)
    steps = await said(connect(control, wish, past, http=http, clock=clock))
    assert is_healthy(list(steps.values()))
    assert OURS in steps["webhook"].detail
    assert THEIRS in steps["webhook"].detail
    assert (await webhook_of(control, "+15005550006")).url == THEIRS
    assert await simulator.received("+15005550020") == []
    assert list(tmp_path.iterdir()) == []


async def test_a_webhook_of_somebody_else_is_shown_beside_ours_and_left_alone(
    control: TwilioControl, simulator: Simulator, past: PastWebhooks, http: httpx.AsyncClient, clock
) -> None:
    simulator.set_hook_url(THEIRS)
    steps = await said(connect(control, replace(WISH, test_to="+15005550020"), past, http=http, clock=clock))
    assert list(steps)[-1] == "webhook"
    assert steps["webhook"].verdict == "fail"
    assert THEIRS in steps["webhook"].detail
    assert OURS in steps["webhook"].detail
    assert "--force" in steps["webhook"].cure
    assert past.read("main") == {}
    assert (await webhook_of(control, "+15005550006")).url == THEIRS


async def test_connecting_twice_still_remembers_the_first_webhook(
    control: TwilioControl, simulator: Simulator, past: PastWebhooks, http: httpx.AsyncClient, clock
) -> None:
    simulator.set_hook_url(THEIRS)
    for _ in range(2):
        assert is_healthy(
            list((await said(connect(control, replace(WISH, force=True), past, http=http, clock=clock))).values())
        )
    assert past.read("main") == {"+15005550006": NumberWebhook(url=THEIRS)}


@pytest.mark.parametrize(
    ("number", "detail"),
    [("", "which one?"), ("+15005559999", "is no number of this account")],
    ids=["none named, two there", "one that is not there"],
)
async def test_a_number_is_never_guessed(
    control: TwilioControl, past: PastWebhooks, http: httpx.AsyncClient, clock, number: str, detail: str
) -> None:
    steps = await said(connect(control, replace(WISH, number=number), past, http=http, clock=clock))
    assert list(steps) == ["credentials", "numbers"]
    assert detail in steps["numbers"].detail
    assert "+15005550010" in steps["numbers"].detail, "the account's numbers are listed"


async def test_a_person_may_choose(control: TwilioControl, past: PastWebhooks, http: httpx.AsyncClient, clock) -> None:
    def last(numbers: Sequence[OwnedNumber]) -> OwnedNumber:
        return numbers[-1]

    steps = await said(connect(control, replace(WISH, number=""), past, http=http, clock=clock, choose=last))
    assert is_healthy(list(steps.values()))
    assert (await webhook_of(control, "+15005550010")).is_at(OURS)


@pytest.mark.parametrize("force", [False, True])
async def test_an_address_that_leads_elsewhere_stops_it_unless_forced(
    control: TwilioControl, past: PastWebhooks, clock, force: bool
) -> None:
    async with behind(lambda _: httpx.Response(404)) as http:
        steps = await said(connect(control, replace(WISH, force=force), past, http=http, clock=clock))
    assert steps["public_url"].verdict == "fail"
    assert ("webhook" in steps) is force
    assert (await webhook_of(control, "+15005550006")).is_at(OURS) is force


async def test_a_test_text_that_is_refused_fails_with_the_carriers_reason(
    control: TwilioControl, past: PastWebhooks, http: httpx.AsyncClient, clock
) -> None:
    steps = await said(connect(control, replace(WISH, test_to="+15005550009"), past, http=http, clock=clock))
    assert steps["test"].verdict == "fail"
    assert "21614" in steps["test"].detail


async def test_a_test_text_that_is_not_delivered_fails_with_the_reason_of_its_receipt(
    control: TwilioControl, simulator: Simulator, past: PastWebhooks, http: httpx.AsyncClient
) -> None:
    class Patient:
        """Stands still until the simulator has settled the text."""

        now_ms = monotonic_ms = staticmethod(lambda: 0)

        async def sleep(self, seconds: float) -> None:
            await simulator.received("+15005550021", wait_s=0.02)

    simulator.become("+15005550021", "switched_off")
    steps = await said(connect(control, replace(WISH, test_to="+15005550021"), past, http=http, clock=Patient()))
    assert steps["test"].verdict == "fail"
    assert "30003" in steps["test"].detail


async def test_a_test_text_without_a_receipt_warns_after_a_minute(
    control: TwilioControl, simulator: Simulator, past: PastWebhooks, http: httpx.AsyncClient, clock
) -> None:
    simulator.become("+15005550022", "silent")
    steps = await said(connect(control, replace(WISH, test_to="+15005550022"), past, http=http, clock=clock))
    assert (steps["test"].verdict, sum(clock.slept_s)) == ("warn", 60)


# --- giving it back ---------------------------------------------------------------------------------------------------


async def test_disconnect_puts_back_what_was_there(
    control: TwilioControl, simulator: Simulator, past: PastWebhooks, http: httpx.AsyncClient, clock
) -> None:
    simulator.set_hook_url(THEIRS)
    await said(connect(control, replace(WISH, force=True), past, http=http, clock=clock))
    steps = await said(disconnect(control, "main", OURS, past))
    assert is_healthy(list(steps.values()))
    assert (await webhook_of(control, "+15005550006")) == NumberWebhook(url=THEIRS)
    assert past.read("main") == {}
    again = await said(disconnect(control, "main", OURS, past))
    assert again["webhook"].verdict == "warn"


async def test_disconnect_leaves_a_number_that_was_pointed_elsewhere_since(
    control: TwilioControl, simulator: Simulator, past: PastWebhooks, http: httpx.AsyncClient, clock
) -> None:
    await said(connect(control, WISH, past, http=http, clock=clock))
    simulator.set_hook_url(THEIRS)
    steps = await said(disconnect(control, "main", OURS, past))
    assert steps["webhook: +15005550006"].verdict == "fail"
    assert (await webhook_of(control, "+15005550006")).url == THEIRS
    assert "+15005550006" in past.read("main"), "still remembered"


async def test_a_number_that_was_given_up_is_forgotten(control: TwilioControl, past: PastWebhooks) -> None:
    past.remember("main", "+15005559999", NumberWebhook(url=THEIRS))
    steps = await said(disconnect(control, "main", OURS, past))
    assert steps["webhook: +15005559999"].verdict == "warn"
    assert past.read("main") == {}


def test_what_is_remembered_is_private_whole_and_by_account(past: PastWebhooks, tmp_path: Path) -> None:
    past.remember("main", "+15005550006", NumberWebhook(url=THEIRS))
    past.remember("other", "+15005550007", NumberWebhook(application="AP1"))
    past.forget("main", "+15005550006")
    assert past.read("other") == {"+15005550007": NumberWebhook(application="AP1")}
    assert [file.name for file in tmp_path.iterdir()] == [MEMORY_FILE], "no scratch file is left"
    assert stat.S_IMODE((tmp_path / MEMORY_FILE).stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"main": []}', '{"main": {"+1": {"colour": "blue"}}}', '{"main": {"+1": 5}}']
)
async def test_a_spoilt_memory_is_said_and_not_overwritten(
    control: TwilioControl, past: PastWebhooks, tmp_path: Path, http: httpx.AsyncClient, clock, text: str
) -> None:
    (tmp_path / MEMORY_FILE).write_text(text)
    with pytest.raises(ControlFailed, match=MEMORY_FILE):
        past.read("main")
    steps = await said(connect(control, WISH, past, http=http, clock=clock))
    assert steps["webhook"].verdict == "fail"
    assert (tmp_path / MEMORY_FILE).read_text() == text
    assert not (await webhook_of(control, "+15005550006")).is_at(OURS), "what cannot be remembered is not overwritten"


async def test_disconnect_with_a_spoilt_memory_says_so(
    control: TwilioControl, past: PastWebhooks, tmp_path: Path
) -> None:
    (tmp_path / MEMORY_FILE).write_text(json.dumps({"main": 5}))
    steps = await said(disconnect(control, "main", OURS, past))
    assert steps["webhook"].verdict == "fail"


# --- the public address -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        *(
            "",
            "http://bridge.example.com",
            "https://localhost",
            "https://bridge.local",
            "https://10.1.2.3",
            "https://127.0.0.1:8398",
        ),
        *(
            "https://[::1]",
            "https://[fd00::1]",
            "ftp://bridge.example.com",
            "bridge.example.com",
            "https://192.168.1.5/sms",
        ),
    ],
)
def test_an_address_that_no_carrier_can_call_is_refused(url: str) -> None:
    assert check_public_url(url).verdict == "fail"


@pytest.mark.parametrize(
    "url", ["https://bridge.example.com", "https://a.trycloudflare.com", "https://8.8.8.8:8443/sms"]
)
def test_an_address_that_carriers_can_call_is_taken(url: str) -> None:
    assert check_public_url(url).verdict == "ok"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (httpx.Response(200, text=write_probe_answer(b"another key", NONCE)), "another bridge"),
        (httpx.Response(200, text="<html>parked</html>"), "not this bridge"),
        (httpx.Response(200, text=""), "not this bridge"),
        (httpx.Response(302, headers={"Location": "https://login.example.com"}), "it answered 302"),
        (httpx.Response(502), "it answered 502"),
        (httpx.ConnectError("nobody listens"), "nobody listens"),
    ],
)
async def test_the_probe_tells_who_answered(answer: httpx.Response | Exception, words: str) -> None:
    def give(_: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    async with behind(give) as http:
        check = await probe(http, "https://bridge.example.com", key=KEY, nonce=NONCE)
    assert check.verdict == "fail"
    assert words in check.detail


@pytest.mark.parametrize("nonce", ["", "short", "x" * 65, "a b c d e f g h i j", "é" * 20, "x" * 20 + "\n"])
def test_only_a_nonce_is_answered(nonce: str) -> None:
    assert write_probe_answer(KEY, nonce) is None
