"""What is wrong, and what to do about it: this computer, the public address, each carrier account and each desktop.

Everything is looked at as the running bridge would use it, and nothing is changed.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Final
from urllib.parse import urldefrag, urlsplit

import httpx

from smsbridge.carriers.twilio import Twilio
from smsbridge.config import HOOKS_PATH, Loaded
from smsbridge.contracts.bridge import Verification
from smsbridge.contracts.carrier import Carrier, FindQuery
from smsbridge.contracts.desktop import Delivery, Desktop
from smsbridge.domain.journal import EventType
from smsbridge.domain.message import EventId
from smsbridge.domain.phone import sender_kind
from smsbridge.provisioning.check import Check, Verdict
from smsbridge.provisioning.control import AccountFacts, Control, ControlFailed, NumberWebhook, OwnedNumber
from smsbridge.provisioning.machine import check_data_dir, check_pictures, check_secret_file, check_sqlite
from smsbridge.provisioning.reach import check_public_url, probe
from smsbridge.provisioning.twilio_control import open_twilio
from smsbridge.provisioning.twilio_http import open_http
from smsbridge.wire.http import Request
from smsbridge.wire.times import read_date

WARN_SKEW_S: Final = 30
FAIL_SKEW_S: Final = 240
"""At 300 s the signatures of desktops fail."""

LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


async def diagnose(
    loaded: Loaded, *, now_ms: int, nonce: str, link_key: bytes = b"", config_file: Path | None = None
) -> list[Check]:
    """Every check of a configuration that could be read, in the order in which a person would mend things.

    `link_key` is the running bridge's, by which it proves that the public address leads to it; without it only the
    form of the address is looked at.
    """
    settings = loaded.settings
    checks = [Check(name="configuration", verdict="ok", detail="can be read, and every key is known")]
    checks += [
        Check(name=f"configuration: {warning.key}", verdict="warn", detail=warning.problem, cure=warning.cure)
        for warning in loaded.warnings
    ]
    checks += _check_files(settings.folder / ".env", config_file, settings.data_path)
    checks += check_data_dir(settings.data_path)
    checks += [check_sqlite(), check_pictures()]
    real = [name for name, carrier in loaded.carriers.items() if not _is_simulated(carrier)]
    async with open_http() as http:
        running = settings.admin_socket.exists()
        checks.append(
            await _check_public_url(
                http, settings.public_url, real=real, running=running, link_key=link_key, nonce=nonce
            )
        )
        for name, carrier in loaded.carriers.items():
            checks += await check_account(
                name,
                carrier,
                [sender.number for sender in settings.senders if sender.carrier == name],
                verification=settings.carriers[name].verification,
                webhook_url=f"{settings.public_url}{HOOKS_PATH}/{name}",
                now_ms=now_ms,
            )
        for name, desktop in loaded.desktops.items():
            checks.append(await check_desktop(http, name, desktop, now_ms=now_ms))
    return checks


async def check_account(
    account: str,
    carrier: Carrier,
    numbers: Collection[str],
    *,
    verification: Verification,
    webhook_url: str,
    now_ms: int,
) -> list[Check]:
    """Signatures, credentials, clock, and each sender of the account as the carrier knows it."""
    name = f"account: {account}"
    checks = []
    if verification != "enforce":
        detail = f'verification = "{verification}": anybody can post texts as this carrier'
        checks.append(Check(name=name, verdict="warn", detail=detail, cure='set verification = "enforce"'))
    if not isinstance(carrier, Twilio):
        webhook = f"texts and receipts are taken at {webhook_url}; `smsbridge connect {account}` says where to set it"
        checks.append(Check(name=f"webhook: {account}", verdict="ok", detail=webhook))
        async with open_http() as http:
            return [*checks, *await _check_by_reading(http, name, carrier, numbers, now_ms)]
    if _is_simulated(carrier):
        detail = f"api_url is {carrier.api_url}: this account talks to a simulator, not to Twilio"
        checks.append(Check(name=name, verdict="warn", detail=detail, cure="remove api_url to text real phones"))
    async with open_twilio(carrier) as control:
        return [*checks, *await _check_at_carrier(control, name, numbers, webhook_url, now_ms)]


async def check_desktop(http: httpx.AsyncClient, desktop: str, adapter: Desktop, *, now_ms: int) -> Check:
    """Whether its address answers. Nothing is posted: an endpoint that takes only POST says so, which is an answer."""
    name = f"desktop: {desktop}"
    address = _address_of(adapter, now_ms)
    if not address:
        return Check(name=name, verdict="ok", detail="nothing is posted to it; it reads the store")
    shown = address.partition("?")[0]  # the query may be a token
    try:
        answer = await http.head(address)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        detail = f"{shown} cannot be reached: {str(error) or type(error).__name__}"
        return Check(name=name, verdict="fail", detail=detail, cure="check url, name service, certificate, firewall")
    if answer.status_code == 410:
        detail = f"{shown} answers 410: the first event would switch it off"
        return Check(name=name, verdict="fail", detail=detail, cure="set url to an endpoint that is in use")
    if 300 <= answer.status_code < 400:
        detail = f"{shown} redirects, and events follow no redirect"
        return Check(name=name, verdict="fail", detail=detail, cure="set url to where it redirects")
    if answer.status_code in {500, 502, 503, 504}:
        detail = f"{shown} answers {answer.status_code}"
        return Check(name=name, verdict="warn", detail=detail, cure="look at the log of the desktop; events wait")
    return Check(name=name, verdict="ok", detail=f"{shown} answers, and its secret has the right form")


def check_clock(facts: AccountFacts, now_ms: int) -> Check:
    """Our clock against the carrier's, which is exact to a second and a network's delay."""
    if facts.carrier_at_ms is None:
        return Check(name="clock", verdict="warn", detail="the carrier did not say what time it is", cure="check NTP")
    skew_s = (now_ms - facts.carrier_at_ms) // 1000
    words = f"{abs(skew_s)} s {'ahead of' if skew_s > 0 else 'behind'} the carrier's"
    if abs(skew_s) <= WARN_SKEW_S:
        return Check(name="clock", verdict="ok", detail=f"{words}, which is near enough")
    detail = f"{words}: signatures of desktops fail at 300 s, and transcripts show wrong times"
    verdict: Verdict = "fail" if abs(skew_s) >= FAIL_SKEW_S else "warn"
    return Check(name="clock", verdict=verdict, detail=detail, cure="timedatectl set-ntp true")


async def _check_by_reading(
    http: httpx.AsyncClient, name: str, carrier: Carrier, numbers: Collection[str], now_ms: int
) -> list[Check]:
    """Whether the credentials open the list of what was sent, which costs nothing and changes nothing."""
    request = _harmless_read(carrier, next(iter(numbers), ""), now_ms)
    if request is None:
        detail = f"{carrier.name} has nothing to be asked for without a text or a fee; the first text will show"
        return [Check(name=name, verdict="ok", detail=detail)]
    host = urlsplit(request.url).netloc
    try:
        answer = await http.request(request.method, request.url, headers=list(request.headers))
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        detail = f"{host} cannot be reached: {str(error) or type(error).__name__}"
        return [Check(name=name, verdict="fail", detail=detail, cure="check name service, firewall and api_url")]
    if answer.status_code == httpx.codes.NOT_FOUND:
        checks = [_check_absence(name, carrier, request)]
    else:
        checks = [_check_read(name, host, answer.status_code)]
    date = read_date(answer.headers.get("Date", ""))
    if date is not None:
        at_ms = int(date.timestamp()) * 1000
        checks.append(check_clock(AccountFacts(id="", name="", active=True, trial=False, carrier_at_ms=at_ms), now_ms))
    return checks


def _harmless_read(carrier: Carrier, sender: str, now_ms: int) -> Request | None:
    """Looking for a message that was never sent."""
    if carrier.abilities.find:
        query = FindQuery(
            ref=_NO_REF,
            sender=sender,
            to=sender,
            text="",
            has_media=False,
            sent_after_ms=now_ms - 60_000,
            known_ids=frozenset(),
        )
        request = carrier.write_find(query)
    elif carrier.abilities.fetch_status:
        request = carrier.write_fetch_status(_NO_MESSAGE)
    else:
        return None
    return request if request.method == "GET" else None


def _check_read(name: str, host: str, status: int) -> Check:
    if status == 401:
        detail = f"{host} does not accept the credentials (HTTP 401)"
        cure = "compare them with the carrier's console; `smsbridge config show --origin` says where each is set"
        return Check(name=name, verdict="fail", detail=detail, cure=cure)
    if status == 403:
        detail = f"{host} does not let these credentials read what was sent (HTTP 403)"
        cure = "let them read it, or a text whose answer was lost cannot be looked up"
        return Check(name=name, verdict="warn", detail=detail, cure=cure)
    if 200 <= status < 300:
        return Check(name=name, verdict="ok", detail=f"{host} accepts the credentials (HTTP {status})")
    detail = f"{host} answered HTTP {status} to a look at what was sent, which says nothing of the credentials"
    return Check(name=name, verdict="warn", detail=detail, cure="try again later, or send a text")


def _check_absence(name: str, carrier: Carrier, request: Request) -> Check:
    """HTTP 404. A list is there even when it is empty, so its address is wrong, and probably that of sending too. Of a
    single message that was never sent nothing else can be said."""
    host, settings = urlsplit(request.url).netloc, ", ".join(_settings_in(carrier, request.url))
    if carrier.abilities.find:
        detail = f"{host} has no list of what was sent where it should be by {settings} (HTTP 404)"
        cure = f"compare {settings} with the carrier's console: a wrong one keeps texts from being sent"
        return Check(name=name, verdict="warn", detail=f"{detail}; of the credentials it says nothing", cure=cure)
    detail = f"{host} accepts the credentials, if {settings} is right: it does not know a message that was never sent"
    return Check(name=name, verdict="ok", detail=f"{detail} (HTTP 404)")


def _settings_in(carrier: Carrier, url: str) -> list[str]:
    """Which settings the address is made of."""
    adapter: Any = carrier  # a dataclass, whose fields are its settings
    address = url.partition("?")[0]
    words = {*re.split("[/.]", address)}
    values = {each.name: getattr(adapter, each.name) for each in fields(adapter)}
    return [
        key
        for key, value in values.items()
        if isinstance(value, str) and value and (value in words or address.startswith(value))
    ]


_NO_REF: Final = "msg_doctor.1.1"
_NO_MESSAGE: Final = "00000000-0000-4000-8000-000000000000"


async def _check_at_carrier(
    control: Control, name: str, numbers: Collection[str], webhook_url: str, now_ms: int
) -> list[Check]:
    try:
        facts = await control.prove_credentials()
        checks = [_check_facts(name, facts), check_clock(facts, now_ms)]
        owned = {number.number: number for number in await control.list_numbers()}
    except ControlFailed as error:
        return [Check(name=name, verdict="fail", detail=str(error), cure=error.cure)]
    return [*checks, *(check_sender(number, owned.get(number), list(owned), webhook_url) for number in numbers)]


def _check_facts(name: str, facts: AccountFacts) -> Check:
    if not facts.active:
        return Check(name=name, verdict="fail", detail=f"{facts.id} is suspended or closed", cure="see the console")
    if facts.trial:
        detail = f"{facts.id} is a trial account: it texts only numbers that were verified"
        return Check(name=name, verdict="warn", detail=detail, cure="upgrade it in the console before going live")
    return Check(name=name, verdict="ok", detail=f"the credentials of {facts.id} work")


def check_sender(number: str, found: OwnedNumber | None, owned: Sequence[str], webhook_url: str) -> Check:
    """Ours, able to text, and pointed at us: what would otherwise be found out by the first agent."""
    name = f"sender: {number}"
    kind = sender_kind(number)
    if found is None and kind == "alphanumeric":
        return Check(
            name=name, verdict="ok", detail="is a name: it can send where names are allowed, and get no answer"
        )
    if found is None and kind == "short_code":
        return Check(name=name, verdict="ok", detail="is a short code, which this list of numbers does not hold")
    if found is None:
        detail = f"is no number of this account, which has {', '.join(owned) or 'none'}"
        cure = "correct the number, or the account it belongs to: every text from it would fail"
        return Check(name=name, verdict="fail", detail=detail, cure=cure)
    if not found.sms:
        return Check(name=name, verdict="fail", detail="cannot send or receive SMS", cure="use a number that can")
    if found.webhook.is_at(webhook_url):
        detail = f"{'SMS and MMS' if found.mms else 'SMS, no MMS'}; its texts come to {webhook_url}"
        return Check(name=name, verdict="ok" if found.mms else "warn", detail=detail)
    return Check(
        name=name,
        verdict="fail",
        detail=f"{_difference(found.webhook, webhook_url)} It is {found.webhook.shown}; right is POST {webhook_url}",
        cure=f"smsbridge connect twilio --number {number}, or set it in the carrier's console",
    )


def _difference(webhook: NumberWebhook, wanted: str) -> str:
    """Why texts do not come, or come with signatures that do not match: the URL is part of what is signed."""
    if webhook.application:
        return "A TwiML application takes its texts, whatever its webhook says."
    if not webhook.url:
        return "Its texts go nowhere."
    there, ours = urlsplit(urldefrag(webhook.url).url), urlsplit(wanted)
    if there == ours:
        return f"Its texts come by {webhook.method}."
    if there.hostname != ours.hostname:
        return "Its texts go to another host."
    if there._replace(path=there.path.rstrip("/")) == ours._replace(path=ours.path.rstrip("/")):
        return "The two differ by a slash at the end, so signatures do not match."
    if there.scheme != ours.scheme:
        return f"Its texts come by {there.scheme}, so signatures do not match."
    if there.netloc != ours.netloc:
        return "The two differ by a port."
    if there.path == ours.path:
        return "The two differ by their query, so signatures do not match."
    return "Its texts come to this host at another path."


def _address_of(adapter: Desktop, now_ms: int) -> str:
    """Where the desktop's adapter would post an event, or ""."""
    wanted = adapter.abilities.event_types
    kind = min(wanted) if wanted else EventType.MESSAGE_RECEIVED
    event = Delivery(event_id=EventId("evt_doctor"), type=kind, at_ms=now_ms, data={})
    request = adapter.write_delivery(event, now_ms) if adapter.abilities.delivers else None
    return request.url if request else ""


def _is_simulated(carrier: Carrier) -> bool:
    if not isinstance(carrier, Twilio):
        return False
    host = urlsplit(carrier.api_url).hostname or ""
    return host != "twilio.com" and not host.endswith(".twilio.com")


async def _check_public_url(
    http: httpx.AsyncClient, public_url: str, *, real: Sequence[str], running: bool, link_key: bytes, nonce: str
) -> Check:
    """`real` are the accounts that talk to a real carrier; a simulator reaches this computer as it is."""
    if not real and urlsplit(public_url).hostname in LOOPBACK:
        return Check(
            name="public_url", verdict="ok", detail=f"{public_url}: this computer only, enough for a simulator"
        )
    formed = check_public_url(public_url)
    if formed.verdict != "ok" or not link_key:
        return formed
    if not running:
        detail = f"{public_url} could not be tried, because the bridge does not run"
        return Check(name="public_url", verdict="warn", detail=detail, cure="smsbridge serve, then doctor again")
    return await probe(http, public_url, key=link_key, nonce=nonce)


_SECRET_LINE: Final = re.compile(
    r"^\s*[\w-]*(?:secret|token|password)[\w-]*(?<!_file)\s*=", re.MULTILINE | re.IGNORECASE
)


def _check_files(dotenv: Path, config_file: Path | None, data_dir: Path) -> list[Check]:
    """The files that hold secrets, and the folder that holds everybody's texts."""
    files = [file for file in (dotenv, data_dir) if file.exists()]
    if config_file is not None and _SECRET_LINE.search(config_file.read_text("utf-8", "replace")):
        files.insert(0, config_file)
    return [check_secret_file(file) for file in files]
