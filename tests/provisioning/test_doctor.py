"""What `doctor` finds: on this computer, at a carrier (the simulator over real sockets) and at desktops on loopback."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx
from aiohttp import web
from aiohttp.test_utils import TestServer

from ports import free_port
from smsbridge.carriers import load_carriers
from smsbridge.carriers.twilio import Twilio
from smsbridge.config import Loaded, load
from smsbridge.contracts.carrier import AccountUrls
from smsbridge.desktops import load_desktops
from smsbridge.desktops.desk import Desk
from smsbridge.desktops.webhook import WebhookDesktop
from smsbridge.provisioning.check import Check, is_healthy
from smsbridge.provisioning.control import AccountFacts, NumberWebhook, OwnedNumber
from smsbridge.provisioning.doctor import check_account, check_clock, check_desktop, check_sender, diagnose
from smsbridge.provisioning.machine import check_data_dir, check_pictures, check_secret_file, check_sqlite
from smsbridge.simulator import Simulator
from smsbridge.wire.probe import PROBE_PATH, write_probe_answer

SID = "AC" + "5" * 32
TOKEN = "token-of-the-simulated-account"
SECRET = "whsec_AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA="
OURS = "https://bridge.example.com/hooks/carriers/main"
NONCE = "nonce-of-this-run-0001"
KEY = b"k" * 32
CASES = Path(__file__).parents[1] / "carriers"


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def verdicts(checks: list[Check]) -> dict[str, str]:
    return {check.name: check.verdict for check in checks}


# --- the whole --------------------------------------------------------------------------------------------------------


def loaded(folder: Path, api_url: str, *, desktop_url: str = "", public_url: str = "http://127.0.0.1:8398") -> Loaded:
    text = f"""
public_url = "{public_url}"

[carriers.main]
type = "twilio"
account_sid = "{SID}"
auth_token = "{TOKEN}"
api_url = "{api_url}"

[[senders]]
number = "+15005550006"
carrier = "main"

[desktops.desk]
type = "desk"
"""
    if desktop_url:
        text += f'\n[desktops.agents]\ntype = "webhook"\nurl = "{desktop_url}"\nsecret = "{SECRET}"\n'
    file = folder / "smsbridge.toml"
    file.write_text(text)
    file.chmod(0o600)
    return load(file, carriers=load_carriers(), desktops=load_desktops(), environment={})


@pytest.fixture
async def endpoint() -> AsyncIterator[Callable[[int], Awaitable[str]]]:
    """A desktop on loopback that gives one status to everything; counts what was posted to it."""
    servers: list[TestServer] = []

    async def start(status: int) -> str:
        async def answer(request: web.Request) -> web.Response:
            assert request.method == "HEAD", "nothing is posted to a desktop by looking at it"
            return web.Response(status=status, headers={"Location": "/"} if 300 <= status < 400 else {})

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", answer)
        server = TestServer(app, host="127.0.0.1")
        servers.append(server)
        await server.start_server()
        return str(server.make_url("/sms"))

    yield start
    for server in servers:
        await server.close()


async def test_a_whole_configuration_beside_a_simulator_is_healthy(
    simulator: Simulator, endpoint: Callable[[int], Awaitable[str]], tmp_path: Path
) -> None:
    config = loaded(tmp_path, simulator.url, desktop_url=await endpoint(405))
    simulator.set_hook_url("http://127.0.0.1:8398/hooks/carriers/main")
    config.settings.data_path.mkdir(mode=0o700)
    checks = await diagnose(config, now_ms=now_ms(), nonce=NONCE, config_file=tmp_path / "smsbridge.toml")
    assert is_healthy(checks), [check for check in checks if check.verdict == "fail"]
    found = verdicts(checks)
    assert found["configuration"] == found["data_dir"] == found["clock"] == found["public_url"] == "ok"
    assert found["sender: +15005550006"] == found["desktop: agents"] == found["desktop: desk"] == "ok"
    assert found["mode of smsbridge.toml"] == "ok"
    assert all(check.cure for check in checks if check.verdict != "ok"), "whatever is wrong has a cure"


async def test_everything_that_is_wrong_is_found_in_one_go(tmp_path: Path) -> None:
    dead = f"http://127.0.0.1:{free_port()}"
    config = loaded(tmp_path, dead, desktop_url=dead)
    (tmp_path / "smsbridge.toml").chmod(0o644)
    (tmp_path / ".env").write_text("SMSBRIDGE__CARRIERS__MAIN__AUTH_TOKEN=x\n")
    (tmp_path / ".env").chmod(0o666)
    (tmp_path / "data").write_text("a file where a folder should be")
    checks = await diagnose(config, now_ms=now_ms(), nonce=NONCE, config_file=tmp_path / "smsbridge.toml")
    failed = {name for name, verdict in verdicts(checks).items() if verdict == "fail"}
    assert failed >= {"mode of smsbridge.toml", "mode of .env", "data_dir", "account: main", "desktop: agents"}
    assert not is_healthy(checks)
    assert all(check.cure for check in checks if check.verdict != "ok")
    assert not [check for check in checks if TOKEN in str(check) or SECRET in str(check)]


async def test_a_configuration_without_secrets_may_be_read_by_all(simulator: Simulator, tmp_path: Path) -> None:
    config = loaded(tmp_path, simulator.url)
    file = tmp_path / "smsbridge.toml"
    file.write_text(file.read_text().replace(f'auth_token = "{TOKEN}"', 'auth_token_file = "token"'))
    file.chmod(0o644)
    checks = await diagnose(config, now_ms=now_ms(), nonce=NONCE, config_file=file)
    assert "mode of smsbridge.toml" not in verdicts(checks)


@pytest.mark.parametrize(
    ("running", "key", "answer", "verdict"),
    [
        pytest.param(True, KEY, write_probe_answer(KEY, NONCE), "ok", id="it leads to us"),
        pytest.param(True, KEY, "parked", "fail", id="it leads elsewhere"),
        pytest.param(False, KEY, None, "warn", id="the bridge does not run"),
        pytest.param(True, b"", None, "ok", id="without a key only its form is looked at"),
    ],
)
@respx.mock
async def test_the_public_address_is_tried_while_the_bridge_runs(
    respx_mock: respx.MockRouter, tmp_path: Path, running: bool, key: bytes, answer: str | None, verdict: str
) -> None:
    config = loaded(tmp_path, "https://api.twilio.com", public_url="https://bridge.example.com")
    config.settings.data_path.mkdir(mode=0o700)
    if running:
        config.settings.admin_socket.touch()
    respx_mock.get(host="api.twilio.com").respond(401, json={"code": 20003, "message": "Authenticate"})
    if answer is not None:
        respx_mock.get(f"https://bridge.example.com{PROBE_PATH}", params={"nonce": NONCE}).respond(200, text=answer)
    checks = await diagnose(config, now_ms=now_ms(), nonce=NONCE, link_key=key)
    assert verdicts(checks)["public_url"] == verdict


@respx.mock
async def test_a_real_carrier_cannot_reach_this_computer_by_loopback(
    respx_mock: respx.MockRouter, tmp_path: Path
) -> None:
    respx_mock.get(host="api.twilio.com").respond(401, json={"code": 20003, "message": "Authenticate"})
    checks = await diagnose(loaded(tmp_path, "https://api.twilio.com"), now_ms=now_ms(), nonce=NONCE)
    assert verdicts(checks)["public_url"] == "fail"


# --- a carrier account ------------------------------------------------------------------------------------------------


def twilio(api_url: str, token: str = TOKEN) -> Twilio:
    return Twilio.from_settings(
        {"account_sid": SID, "auth_token": token, "api_url": api_url}, AccountUrls(webhook=OURS)
    )


async def checked(simulator: Simulator, numbers: list[str], **more: Any) -> dict[str, Check]:
    given: dict[str, Any] = {"verification": "enforce", "webhook_url": OURS, "now_ms": now_ms(), **more}
    token = given.pop("token", TOKEN)
    checks = await check_account("main", twilio(simulator.url, token), numbers, **given)
    return {check.name: check for check in checks if "simulator" not in check.detail}


async def test_a_sender_is_found_or_not(simulator: Simulator) -> None:
    simulator.set_hook_url(OURS)
    found = await checked(simulator, ["+15005550006", "+14155550199", "OurShop", "12345"])
    assert {name: check.verdict for name, check in found.items()} == {
        "account: main": "ok",
        "clock": "ok",
        "sender: +15005550006": "ok",
        "sender: +14155550199": "fail",
        "sender: OurShop": "ok",
        "sender: 12345": "ok",
    }
    assert "+15005550010" in found["sender: +14155550199"].detail, "what the account has is listed"


async def test_wrong_credentials_end_the_checks_of_the_account(simulator: Simulator) -> None:
    found = await checked(simulator, ["+15005550006"], token="not-the-token")
    assert {name: check.verdict for name, check in found.items()} == {"account: main": "fail"}
    assert "not-the-token" not in str(found)


async def test_an_open_door_is_named(simulator: Simulator) -> None:
    checks = await check_account(
        "main", twilio(simulator.url), [], verification="off", webhook_url=OURS, now_ms=now_ms()
    )
    assert "anybody can post" in checks[0].detail
    assert "simulator" in checks[1].detail
    assert {check.verdict for check in checks[:2]} == {"warn"}


@pytest.mark.parametrize(
    ("webhook", "words"),
    [
        (NumberWebhook(), "go nowhere"),
        (NumberWebhook(url="https://crm.example.com/sms"), "another host"),
        (NumberWebhook(url=f"{OURS}/"), "slash at the end"),
        (NumberWebhook(url=OURS.replace("https", "http")), "come by http,"),
        (NumberWebhook(url=OURS.replace(".com/", ".com:8443/")), "by a port"),
        (NumberWebhook(url=f"{OURS}?a=1"), "by their query"),
        (NumberWebhook(url=OURS.replace("main", "other")), "another path"),
        (NumberWebhook(url=OURS, method="GET"), "come by GET"),
        (NumberWebhook(url=OURS, application="AP" + "2" * 32), "TwiML application"),
    ],
)
def test_why_texts_do_not_come_or_do_not_verify_is_said(webhook: NumberWebhook, words: str) -> None:
    number = OwnedNumber(id="PN1", number="+15005550006", sms=True, mms=True, webhook=webhook)
    check = check_sender("+15005550006", number, ["+15005550006"], OURS)
    assert (check.verdict, words in check.detail) == ("fail", True), check
    assert "connect twilio --number +15005550006" in check.cure


@pytest.mark.parametrize(("mms", "verdict"), [(True, "ok"), (False, "warn")])
def test_a_webhook_with_overrides_is_ours(mms: bool, verdict: str) -> None:
    webhook = NumberWebhook(url=f"{OURS}#rc=5")
    number = OwnedNumber(id="PN1", number="+15005550006", sms=True, mms=mms, webhook=webhook)
    assert check_sender("+15005550006", number, [], OURS).verdict == verdict


def test_a_number_without_sms_fails() -> None:
    number = OwnedNumber(id="PN1", number="+15005550006", sms=False, mms=False, webhook=NumberWebhook(url=OURS))
    assert check_sender("+15005550006", number, [], OURS).verdict == "fail"


@pytest.mark.parametrize(
    ("ahead_s", "verdict"),
    [(0, "ok"), (30, "ok"), (-30, "ok"), (31, "warn"), (-200, "warn"), (240, "fail"), (-7200, "fail")],
)
def test_a_clock_that_is_off_is_found(ahead_s: int, verdict: str) -> None:
    facts = AccountFacts(id="AC1", name="", active=True, trial=False, carrier_at_ms=1_772_637_944_000)
    assert check_clock(facts, 1_772_637_944_000 + ahead_s * 1000).verdict == verdict


# --- desktops ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (200, "ok"),
        (204, "ok"),
        (401, "ok"),
        (404, "ok"),
        (405, "ok"),
        (501, "ok"),
        (302, "fail"),
        (410, "fail"),
        (503, "warn"),
    ],
)
async def test_a_desktop_that_answers_is_there(
    endpoint: Callable[[int], Awaitable[str]], status: int, verdict: str
) -> None:
    url = f"{await endpoint(status)}?token=secret-in-the-query"
    desktop = WebhookDesktop.from_settings({"url": url, "secret": SECRET, "events": ["notice.raised"]})
    async with httpx.AsyncClient() as http:
        check = await check_desktop(http, "agents", desktop, now_ms=now_ms())
    assert check.verdict == verdict
    assert "secret-in-the-query" not in str(check)


async def test_the_built_in_desk_needs_no_address() -> None:
    async with httpx.AsyncClient() as http:
        assert (await check_desktop(http, "desk", Desk(), now_ms=now_ms())).verdict == "ok"


# --- this computer ----------------------------------------------------------------------------------------------------

MOUNTINFO = """\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
30 22 0:26 / {point} rw,relatime shared:4 - {kind} server:/export rw
31 22 0:27 / {point}-beside rw - nfs4 server:/other rw
not a line of it
"""


@pytest.mark.parametrize(
    ("kind", "verdict"),
    [("ext4", "ok"), ("xfs", "ok"), ("nfs4", "fail"), ("cifs", "fail"), ("fuse.sshfs", "fail"), ("tmpfs", "warn")],
)
def test_a_folder_over_a_network_or_in_memory_is_found(tmp_path: Path, kind: str, verdict: str) -> None:
    (tmp_path / "mountinfo").write_text(MOUNTINFO.format(point=tmp_path.resolve(), kind=kind))
    data = tmp_path / "a" / "data"
    data.mkdir(parents=True)
    checks = verdicts(check_data_dir(data, mounts=tmp_path / "mountinfo"))
    assert (checks["data_dir"], checks["file system"]) == ("ok", verdict)
    assert list(data.iterdir()) == [], "nothing is left behind"


def test_a_folder_that_will_be_made_is_no_problem_and_is_not_made(tmp_path: Path) -> None:
    assert verdicts(check_data_dir(tmp_path / "later" / "data"))["data_dir"] == "ok"
    assert not (tmp_path / "later").exists()


def test_a_folder_that_cannot_be_written_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may write anywhere, so the refusal is the temporary file's and not a mode's."""

    def refuse(**_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.NamedTemporaryFile", refuse)
    (check,) = check_data_dir(tmp_path)
    assert (check.verdict, "Permission denied" in check.detail) == ("fail", True)


@pytest.mark.parametrize(
    ("free", "verdict"), [(3 * 1024**3, "ok"), (2 * 1024**3 - 1, "warn"), (200 * 1024**2 - 1, "fail"), (0, "fail")]
)
def test_a_disk_that_fills_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, verdict: str) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": free}))
    assert verdicts(check_data_dir(tmp_path))["free disk"] == verdict


@pytest.mark.parametrize(
    ("version", "verdict"),
    [
        ((3, 6, 23), "ok"),
        ((3, 7, 0), "warn"),
        ((3, 40, 1), "warn"),
        ((3, 51, 2), "warn"),
        ((3, 51, 3), "ok"),
        ((3, 53, 0), "ok"),
    ],
)
def test_a_sqlite_that_can_spoil_a_database_is_named(version: tuple[int, int, int], verdict: str) -> None:
    assert check_sqlite(version).verdict == verdict


@pytest.mark.parametrize(
    ("mode", "verdict"),
    [(0o600, "ok"), (0o640, "ok"), (0o400, "ok"), (0o660, "warn"), (0o644, "fail"), (0o602, "fail")],
)
def test_a_secret_that_others_can_read_is_found(tmp_path: Path, mode: int, verdict: str) -> None:
    file = tmp_path / ".env"
    file.touch()
    file.chmod(mode)
    assert check_secret_file(file).verdict == verdict


def test_a_secret_file_that_is_gone_fails(tmp_path: Path) -> None:
    assert check_secret_file(tmp_path / "gone").verdict == "fail"


@pytest.mark.parametrize(("heic", "verdict"), [(True, "ok"), (False, "warn")])
def test_pictures_without_heic_are_a_warning(heic: bool, verdict: str) -> None:
    assert check_pictures(heic=heic).verdict == verdict


# --- other carriers ---------------------------------------------------------------------------------------------------


def sinch(**more: Any) -> Any:
    settings = {
        "service_plan_id": "plan1",
        "api_token": "token-of-tests",
        "webhook_secret": "secret-of-tests",
        "region": "us",
    }
    return load_carriers()["sinch"].from_settings(settings | more, AccountUrls(webhook=OURS))


@pytest.mark.parametrize(
    ("status", "verdict", "words"),
    [
        (200, "ok", "accepts the credentials"),
        (401, "fail", "does not accept the credentials"),
        (403, "warn", "does not let these credentials read"),
        (503, "warn", "says nothing of the credentials"),
    ],
)
async def test_the_credentials_of_any_carrier_are_tried_by_a_read_that_costs_nothing(
    respx_mock: respx.MockRouter, status: int, verdict: str, words: str
) -> None:
    asked = respx_mock.get(url__startswith="https://us.sms.api.sinch.com/").respond(
        status, json={"batches": []}, headers={"Date": "Mon, 01 Jan 2024 00:00:00 GMT"}
    )
    checks = await check_account(
        "main", sinch(), [], verification="enforce", webhook_url=OURS, now_ms=1_704_067_200_000 + 400_000
    )
    assert asked.call_count == 1
    found = {check.name: check for check in checks}
    assert found["account: main"].verdict == verdict
    assert words in found["account: main"].detail
    assert OURS in found["webhook: main"].detail
    assert found["clock"].verdict == "fail", "the carrier's Date is 400 s away"
    assert all(check.cure for check in checks if check.verdict != "ok")
    assert "token-of-tests" not in str(checks)


NAMED_AT_404 = {
    "bandwidth": "account_id, api_url",
    "bird": "api, workspace_id, channel_id, api_url",
    "infobip": "api_url",
    "plivo": "auth_id, api_url",
    "sinch": "service_plan_id, region, api_url",
}
"""Whose list of what was sent is asked for, and the settings that lead there."""


def of_the_cases(carrier: str) -> Any:
    account = json.loads(Path(CASES, carrier, "account.json").read_text("utf-8"))
    return load_carriers()[carrier].from_settings(account["settings"], AccountUrls(webhook=OURS))


@pytest.mark.parametrize("carrier", NAMED_AT_404)
async def test_a_list_that_is_not_there_is_told_with_the_settings_that_lead_there(
    respx_mock: respx.MockRouter, carrier: str
) -> None:
    respx_mock.get().respond(404)
    checks = await check_account(
        "main", of_the_cases(carrier), ["+14155550100"], verification="enforce", webhook_url=OURS, now_ms=now_ms()
    )
    check = next(check for check in checks if check.name == "account: main")
    assert (check.verdict, "accept" in check.detail) == ("warn", False)
    assert f"by {NAMED_AT_404[carrier]} (HTTP 404)" in check.detail
    assert f"compare {NAMED_AT_404[carrier]} with" in check.cure


async def test_a_message_that_is_not_there_is_what_right_credentials_are_told(respx_mock: respx.MockRouter) -> None:
    """Telnyx has no list; what it is asked for was never sent."""
    respx_mock.get().respond(404, json={"errors": [{"code": "10005"}]})
    checks = await check_account(
        "main", of_the_cases("telnyx"), [], verification="enforce", webhook_url=OURS, now_ms=now_ms()
    )
    check = next(check for check in checks if check.name == "account: main")
    assert (check.verdict, "accepts the credentials, if api_url is right" in check.detail) == ("ok", True)


def test_what_a_404_means_is_known_of_every_carrier_that_is_asked() -> None:
    asked = {name for name, carrier in load_carriers().items() if carrier.abilities.find}
    assert asked - {"twilio"} == set(NAMED_AT_404), "Twilio is asked through its control plane"


async def test_a_carrier_that_does_not_answer_is_told_with_what_to_look_at(respx_mock: respx.MockRouter) -> None:
    respx_mock.get(url__startswith="https://us.sms.api.sinch.com/").mock(side_effect=httpx.ConnectError("nobody there"))
    checks = await check_account("main", sinch(), [], verification="enforce", webhook_url=OURS, now_ms=now_ms())
    assert [(check.verdict, bool(check.cure)) for check in checks] == [("ok", False), ("fail", True)]


async def test_nothing_is_asked_of_a_carrier_that_has_no_free_answer(respx_mock: respx.MockRouter) -> None:
    settings = {
        "url": "http://127.0.0.1:9/cgi-bin/sendsms",
        "username": "u",
        "password": "p",
        "webhook_secret": "s" * 32,
    }
    kannel = load_carriers()["kannel"].from_settings(settings, AccountUrls(webhook=OURS))
    checks = await check_account("main", kannel, [], verification="enforce", webhook_url=OURS, now_ms=now_ms())
    assert [check.verdict for check in checks] == ["ok", "ok"]
    assert "the first text will show" in checks[-1].detail
    assert not respx_mock.calls
