"""The SDK over httpx: against the simulator over real sockets, and against answers that a simulator would not give."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from urllib.parse import parse_qs

import httpx
import pytest
import respx

from ports import free_port
from smsbridge.carriers.twilio import Twilio
from smsbridge.contracts.carrier import AccountUrls
from smsbridge.domain.status import Status
from smsbridge.provisioning.control import ControlFailed, NumberWebhook, OwnedNumber, WebhookTaken
from smsbridge.provisioning.twilio_control import OVERRIDES, TwilioControl, open_twilio
from smsbridge.provisioning.twilio_http import MAX_ANSWER_BYTES
from smsbridge.simulator import Simulator

SID = "AC" + "5" * 32
TOKEN = "token-of-the-simulated-account"
OURS = "https://bridge.example.com/hooks/carriers/main"
THEIRS = "https://crm.example.com/sms"
API = f"https://api.twilio.com/2010-04-01/Accounts/{SID}"


async def first_number(control: TwilioControl) -> OwnedNumber:
    return (await control.list_numbers())[0]


# --- the simulator ----------------------------------------------------------------------------------------------------


async def test_credentials_are_proven_and_bring_the_carriers_clock(control: TwilioControl) -> None:
    facts = await control.prove_credentials()
    assert (facts.id, facts.active, facts.trial) == (SID, True, False)
    assert facts.carrier_at_ms is not None
    assert abs(facts.carrier_at_ms - time.time() * 1000) < 10_000


async def test_numbers_are_listed_with_what_they_can_and_where_their_texts_go(
    control: TwilioControl, simulator: Simulator
) -> None:
    simulator.set_hook_url(THEIRS, sender="+15005550006")
    numbers = {number.number: number for number in await control.list_numbers()}
    assert set(numbers) == {"+15005550006", "+15005550010"}
    assert numbers["+15005550006"].webhook == NumberWebhook(url=THEIRS)
    assert numbers["+15005550006"].sms
    assert re.fullmatch("PN[0-9a-f]{32}", numbers["+15005550006"].id)


async def test_a_free_number_is_pointed_at_us_with_retries(control: TwilioControl) -> None:
    kept: list[NumberWebhook] = []
    before = await control.set_webhook(await first_number(control), OURS, force=False, keep=kept.append)
    after = (await first_number(control)).webhook
    assert (before, kept) == (NumberWebhook(), [NumberWebhook()])
    assert after.url == f"{OURS}#{OVERRIDES}"
    assert after.is_at(OURS)


async def test_setting_it_again_keeps_nothing_because_nothing_is_lost(control: TwilioControl) -> None:
    kept: list[NumberWebhook] = []
    for _ in range(2):
        await control.set_webhook(await first_number(control), OURS, force=False, keep=kept.append)
    assert kept == [NumberWebhook()]


async def test_a_webhook_of_somebody_else_is_left_alone(control: TwilioControl, simulator: Simulator) -> None:
    simulator.set_hook_url(THEIRS)
    kept: list[NumberWebhook] = []
    with pytest.raises(WebhookTaken, match=THEIRS):
        await control.set_webhook(await first_number(control), OURS, force=False, keep=kept.append)
    assert (await first_number(control)).webhook.url == THEIRS
    assert not kept


async def test_what_was_changed_after_the_listing_is_seen(control: TwilioControl, simulator: Simulator) -> None:
    listed = await first_number(control)
    simulator.set_hook_url(THEIRS)
    with pytest.raises(WebhookTaken):
        await control.set_webhook(listed, OURS, force=False, keep=lambda _: None)


async def test_force_overwrites_and_restore_puts_back(control: TwilioControl, simulator: Simulator) -> None:
    simulator.set_hook_url(THEIRS)
    number = await first_number(control)
    before = await control.set_webhook(number, OURS, force=True, keep=lambda _: None)
    assert (await first_number(control)).webhook.is_at(OURS)
    await control.restore_webhook(number, before, ours=OURS, force=False)
    assert (await first_number(control)).webhook == NumberWebhook(url=THEIRS)


async def test_restore_leaves_alone_what_somebody_has_changed_since(
    control: TwilioControl, simulator: Simulator
) -> None:
    number = await first_number(control)
    simulator.set_hook_url("https://new.example.com/sms")
    with pytest.raises(WebhookTaken, match=r"new\.example\.com"):
        await control.restore_webhook(number, NumberWebhook(url=THEIRS), ours=OURS, force=False)


async def test_nothing_is_overwritten_when_the_old_one_could_not_be_kept(
    control: TwilioControl, simulator: Simulator
) -> None:
    def keep(_: NumberWebhook) -> None:
        raise ControlFailed("the disk is full", cure="make room")

    simulator.set_hook_url(THEIRS)
    with pytest.raises(ControlFailed, match="the disk is full"):
        await control.set_webhook(await first_number(control), OURS, force=True, keep=keep)
    assert (await first_number(control)).webhook.url == THEIRS


async def test_a_text_is_sent_and_followed(control: TwilioControl, simulator: Simulator) -> None:
    sent = await control.send_test(sender="+15005550006", to="+15005550020", text="hello")
    assert [message.text for message in await simulator.received("+15005550020", wait_s=5)] == ["hello"]
    assert (await control.read_test(sent.id)).status in (Status.SENT, Status.DELIVERED)


async def test_a_refused_text_says_why(control: TwilioControl) -> None:
    with pytest.raises(ControlFailed, match="21614") as caught:
        await control.send_test(sender="+15005550006", to="+15005550009", text="hello")
    assert caught.value.cure == "https://www.twilio.com/docs/api/errors/21614"


async def test_wrong_credentials_are_told_apart_and_never_shown(simulator: Simulator) -> None:
    async with open_twilio(made(simulator.url, auth_token="not-the-token")) as control:
        with pytest.raises(ControlFailed, match="would not read the account: 401, 20003") as caught:
            await control.prove_credentials()
    assert "account_sid" in caught.value.cure
    assert "not-the-token" not in str(caught.value)


# --- answers that a simulator would not give --------------------------------------------------------------------------


def made(api_url: str = "https://api.twilio.com", **settings: str) -> Twilio:
    given = {"account_sid": SID, "auth_token": TOKEN, "api_url": api_url, **settings}
    return Twilio.from_settings(given, AccountUrls(webhook=OURS))


@pytest.fixture
async def mocked() -> AsyncIterator[TwilioControl]:
    async with open_twilio(made()) as control:
        yield control


def number(**more: object) -> dict[str, object]:
    return {
        "sid": "PN" + "1" * 32,
        "phone_number": "+15005550006",
        "capabilities": {"voice": True, "sms": True, "mms": False},
        "sms_url": "https://demo.twilio.com/welcome/sms/reply/",
        "sms_method": "POST",
        "sms_application_sid": "",
        **more,
    }


@respx.mock
async def test_an_api_key_is_what_signs_in(respx_mock: respx.MockRouter) -> None:
    route = respx_mock.get(f"{API}.json").respond(200, json={"sid": SID, "status": "active", "type": "Trial"})
    async with open_twilio(made(api_key="SK" + "7" * 32, api_secret="key-secret")) as control:
        assert (await control.prove_credentials()).trial
    user, _, password = httpx.BasicAuth("SK" + "7" * 32, "key-secret")._auth_header.partition(" ")
    assert route.calls.last.request.headers["Authorization"] == f"{user} {password}"


@respx.mock
async def test_the_environment_changes_neither_host_nor_credentials(
    respx_mock: respx.MockRouter, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "TWILIO_EDGE", "TWILIO_REGION"):
        monkeypatch.setenv(name, "elsewhere")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    route = respx_mock.get(f"{API}.json").respond(200, json={"sid": SID, "status": "closed"})
    async with open_twilio(made()) as control:
        assert not (await control.prove_credentials()).active
    assert route.called


@respx.mock
async def test_all_pages_are_read(mocked: TwilioControl, respx_mock: respx.MockRouter) -> None:
    path = f"/2010-04-01/Accounts/{SID}/IncomingPhoneNumbers.json"
    respx_mock.get(f"https://api.twilio.com{path}", params={"Page": "1"}).respond(
        200, json={"incoming_phone_numbers": [number(phone_number="+15005550010")], "next_page_uri": None}
    )
    respx_mock.get(f"https://api.twilio.com{path}", params={"PageSize": "1000"}).respond(
        200, json={"incoming_phone_numbers": [number()], "next_page_uri": f"{path}?Page=1"}
    )
    assert [one.number for one in await mocked.list_numbers()] == ["+15005550006", "+15005550010"]


@respx.mock
async def test_a_number_that_nobody_has_configured_yet_is_free(
    mocked: TwilioControl, respx_mock: respx.MockRouter
) -> None:
    url = f"{API}/IncomingPhoneNumbers/PN{'1' * 32}.json"
    respx_mock.get(url).respond(200, json=number())
    route = respx_mock.post(url).respond(200, json=number())
    respx_mock.get(f"{API}/IncomingPhoneNumbers.json").respond(200, json={"incoming_phone_numbers": [number()]})
    await mocked.set_webhook(await first_number(mocked), OURS, force=False, keep=lambda _: None)
    sent = parse_qs(route.calls.last.request.content.decode(), keep_blank_values=True)
    assert sent == {"SmsUrl": [f"{OURS}#{OVERRIDES}"], "SmsMethod": ["POST"], "SmsApplicationSid": [""]}


@respx.mock
async def test_a_number_with_an_application_is_taken_even_if_its_url_is_ours(
    mocked: TwilioControl, respx_mock: respx.MockRouter
) -> None:
    held = number(sms_url=OURS, sms_application_sid="AP" + "2" * 32)
    respx_mock.get(f"{API}/IncomingPhoneNumbers.json").respond(200, json={"incoming_phone_numbers": [held]})
    respx_mock.get(f"{API}/IncomingPhoneNumbers/PN{'1' * 32}.json").respond(200, json=held)
    with pytest.raises(WebhookTaken, match="the application AP2222"):
        await mocked.set_webhook(await first_number(mocked), OURS, force=False, keep=lambda _: None)


CALLS: dict[str, Callable[[TwilioControl], Awaitable[object]]] = {
    "account": lambda control: control.prove_credentials(),
    "numbers": lambda control: control.list_numbers(),
    "send": lambda control: control.send_test(sender="+15005550006", to="+15005550010", text="x"),
    "text": lambda control: control.read_test("SM" + "0" * 32),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(httpx.Response(500, text="<html>oops</html>"), id="500 in HTML"),
        pytest.param(httpx.Response(429, json={"code": 20429, "message": "Too many"}), id="429"),
        pytest.param(httpx.Response(403, json={"code": 20008, "message": "test credentials"}), id="403"),
        pytest.param(httpx.Response(302, headers={"Location": "https://login.example.com/"}), id="a redirect"),
        pytest.param(httpx.Response(200, text="<html>sign in to the wifi</html>"), id="a proxy's page"),
        pytest.param(httpx.Response(200, text="null"), id="null"),
        pytest.param(httpx.Response(200, text="[]"), id="a list"),
        pytest.param(httpx.Response(200, content=b"\xff\xfe"), id="no text"),
        pytest.param(httpx.Response(200, content=b" " * (MAX_ANSWER_BYTES + 1)), id="too large"),
        pytest.param(httpx.ConnectError("no such host"), id="no host"),
        pytest.param(httpx.ReadTimeout("too slow"), id="too slow"),
    ],
)
@respx.mock
async def test_whatever_comes_back_becomes_a_sentence_and_is_asked_once(
    mocked: TwilioControl, respx_mock: respx.MockRouter, call: str, answer: httpx.Response | Exception
) -> None:
    route = respx_mock.route(host="api.twilio.com")
    route.side_effect = [answer]
    with pytest.raises(ControlFailed) as caught:
        await CALLS[call](mocked)
    assert caught.value.cure
    assert route.call_count == 1
    assert TOKEN not in f"{caught.value} {caught.value.cure}"


async def test_a_carrier_that_is_down_is_told_as_such() -> None:
    async with open_twilio(made(f"http://127.0.0.1:{free_port()}")) as control:
        with pytest.raises(ControlFailed, match="could not be asked to read the account"):
            await control.prove_credentials()


@respx.mock
async def test_an_undelivered_text_is_told_in_words(mocked: TwilioControl, respx_mock: respx.MockRouter) -> None:
    respx_mock.get(f"{API}/Messages/SM1.json").respond(
        200, json={"sid": "SM1", "status": "undelivered", "error_code": 30003, "error_message": "Unreachable"}
    )
    text = await mocked.read_test("SM1")
    assert (text.status, text.problem[:6]) == (Status.UNDELIVERED, "30003:")
