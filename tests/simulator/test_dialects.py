"""Every dialect, told by the carrier's adapter: what the one writes the other proves and reads, and the other way.

The two were written apart, each from what the carrier publishes. Nothing here knows a carrier but by its name.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from click.testing import CliRunner

from smsbridge.carriers import load_carriers
from smsbridge.cli.demo import demo
from smsbridge.contracts.carrier import Abilities, AccountUrls, Carrier, FindQuery, KeyWanted, ListQuery
from smsbridge.domain.cause import Cause
from smsbridge.domain.errors import BadSignature
from smsbridge.domain.events import CarrierEvent, Ignored, InboundMessage, Receipt
from smsbridge.domain.message import OutboundPart
from smsbridge.domain.outcome import Accepted, Rejected, RetryLater, SendOutcome, Uncertain
from smsbridge.domain.status import Status
from smsbridge.simulator import FaultSettings, Simulator, SimulatorSettings
from smsbridge.simulator.dialect import OTHER
from smsbridge.simulator.dialects import dialect_names, load_dialect
from smsbridge.simulator.numbers import as_number
from smsbridge.simulator.personas import PERSONAS
from smsbridge.simulator.samples import Samples
from smsbridge.wire.http import Headers, Request, Response

OURS = "+15005550006"
PHONE = "+447700900123"
SOURCE = Path(__file__).parents[2] / "src/smsbridge/simulator/dialects"
PAGE = (Path(__file__).parents[2] / "docs/simulator.md").read_text()
PATIENCE_S = 30.0
SAMPLES = Samples()

CAUSES = {
    "landline": {Cause.NOT_MOBILE, Cause.INVALID_NUMBER},
    "landline_late": {Cause.NOT_MOBILE, Cause.INVALID_NUMBER},
    "switched_off": {Cause.UNREACHABLE},
    "unknown_handset": {Cause.UNREACHABLE, Cause.INVALID_NUMBER},
    "blocked": {Cause.BLOCKED, Cause.UNREACHABLE},
    "filtered": {Cause.FILTERED, Cause.BLOCKED},
    "opted_out": {Cause.OPTED_OUT, Cause.BLOCKED},
    "invalid": {Cause.INVALID_NUMBER, Cause.NOT_MOBILE, Cause.UNREACHABLE},
    "expired": {Cause.EXPIRED, Cause.UNREACHABLE},
}
"""What may be understood of a fate: the first where the carrier has a word of its own for it."""

TRIES = {
    "aws_eum": (4, 1),
    "bandwidth": (6, 6),
    "bird": (4, 4),
    "generic": (4, 1),
    "infobip": (5, 5),
    "kannel": (11, 11),
    "plivo": (4, 4),
    "sinch": (7, 1),
    "telnyx": (3, 3),
    "twilio": (1, 1),
    "vonage": (5, 5),
}
"""How often a webhook is posted that is answered 503 and 404."""
A_404_IS_A_YES = {"aws_eum"}
BATCHES = {"bandwidth", "infobip", "generic"}
POSTS_PARTS = {"kannel", "vonage"}
FINDS_NOTHING_FOR_SURE = {"plivo"}
TELLS_NO_ID = {"kannel"}


@dataclass(kw_only=True)
class Bridge:
    """Proves, reads and answers what the carrier posts, as the bridge does, and keeps what it read."""

    adapter: Carrier
    keys: Mapping[str, bytes]
    answer: int | None = None
    """What it says to everything, if it is to read nothing."""
    events: list[CarrierEvent] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    url: str = ""
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def take(self, request: web.Request) -> web.Response:
        if self.answer is not None:
            return web.Response(status=self.answer)
        posted = Request(
            method=request.method,
            url=self.url.partition("/hooks")[0] + request.raw_path,
            headers=Headers(list(request.headers.items())),
            body=await request.read(),
        )
        try:
            self._verify(posted)
        except BadSignature as wrong:
            self.refused.append(str(wrong))
            return _answer(self.adapter.refusal)
        events = self.adapter.read_webhook(posted)
        async with self.changed:
            self.events += events
            self.changed.notify_all()
        return _answer(self.adapter.acknowledge(events))

    def _verify(self, posted: Request) -> None:
        now_ms = int(time.time() * 1000)
        try:
            self.adapter.verify(posted, now_ms)
        except KeyWanted as wanted:
            url = wanted.request.url
            if url not in self.keys:
                raise BadSignature(f"No key lies at {url}.") from None
            self.adapter.with_key(url, self.keys[url]).verify(posted, now_ms)

    async def receipts(self) -> list[Receipt]:
        """Those of the only message, once the last of them is final."""

        def found() -> list[Receipt]:
            return [each for each in self.events if isinstance(each, Receipt)]

        async with asyncio.timeout(PATIENCE_S), self.changed:
            await self.changed.wait_for(lambda: bool(found()) and found()[-1].status is not Status.SENT)
        return found()

    def texts(self) -> list[InboundMessage]:
        return [event for event in self.events if isinstance(event, InboundMessage)]


def _answer(response: Response) -> web.Response:
    return web.Response(status=response.status, body=response.body, headers=list(response.headers))


@dataclass(kw_only=True)
class Line:
    """A simulator in a dialect, and a bridge with the account that the simulator wrote for it."""

    simulator: Simulator
    bridge: Bridge
    http: aiohttp.ClientSession

    @property
    def adapter(self) -> Carrier:
        return self.bridge.adapter

    async def perform(self, request: Request) -> Response:
        async with self.http.request(
            request.method, request.url, headers=list(request.headers), data=request.body or None
        ) as answer:
            return Response(
                status=answer.status, headers=Headers(list(answer.headers.items())), body=await answer.read()
            )

    async def send(
        self, text: str, *, to: str = PHONE, media: Sequence[str] = (), ref: str = "msg_1.0.1", sender: str = OURS
    ) -> SendOutcome:
        return self.adapter.read_send(
            await self.perform(self.write_send(text, to=to, media=media, ref=ref, sender=sender))
        )

    def write_send(
        self, text: str, *, to: str = PHONE, media: Sequence[str] = (), ref: str = "msg_1.0.1", sender: str = OURS
    ) -> Request:
        part = OutboundPart(
            ref=ref, sender=sender, to=to, text=text, media_urls=tuple(media), at_ms=int(time.time() * 1000)
        )
        return self.adapter.write_send(part)


@asynccontextmanager
async def calling(name: str, **changes: Any) -> AsyncIterator[Line]:
    app = web.Application()
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    place: list[Bridge] = []

    async def take(request: web.Request) -> web.Response:
        return await place[0].take(request)

    app.router.add_route("*", "/{path:.*}", take)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/hooks/carriers/{name}"
    quick = {"sent_after_s": 0.005, "settled_after_s": 0.005, "time_scale": 0.1}
    settings = SimulatorSettings(
        **{
            "carrier": name,
            "account_sid": "AC5f0e1d2c3b4a59687766554433221100",
            "auth_token": "00112233445566778899aabbccddeeff",
            "senders": (OURS,),
            "hook_url": url,
            **quick,
            **changes,
        }
    )
    async with Simulator(settings, samples=SAMPLES) as simulator, aiohttp.ClientSession() as http:
        table = simulator.write_account()
        settings_of_it = {key: value for key, value in table.items() if key not in ("type", "lookup")}
        adapter = load_carriers()[name].from_settings(settings_of_it, AccountUrls(webhook=url))
        place.append(Bridge(adapter=adapter, url=url, keys=simulator.write_keys()))
        yield Line(simulator=simulator, bridge=place[0], http=http)
    await runner.cleanup()


def where(fits: Callable[[str], bool]) -> pytest.MarkDecorator:
    """A story of those dialects alone that have words for it."""
    return pytest.mark.parametrize("line", list(filter(fits, dialect_names())), indirect=True)


def _abilities(name: str) -> Abilities:
    return load_carriers()[name].abilities


with_media = where(lambda name: _abilities(name).media)


@pytest.fixture(params=dialect_names())
async def line(request: pytest.FixtureRequest) -> AsyncIterator[Line]:
    async with calling(request.param) as made:
        yield made


async def test_a_text_is_proven_and_read(line: Line) -> None:
    texted = await line.simulator.text(PHONE, "Wo ist mein Rad? 😊")
    assert texted.answer is not None
    assert texted.answer.ok, (texted.answer, line.bridge.refused)
    [text] = line.bridge.texts()
    assert (as_number(text.from_number), as_number(text.to_number)) == (PHONE, OURS)
    assert (text.text, text.media) == ("Wo ist mein Rad? 😊", ())
    assert text.carrier_message_id == texted.message_sid


@with_media
async def test_pictures_are_read_and_fetched(line: Line) -> None:
    await line.simulator.text(PHONE, "look", media=["photo.jpg", "photo.png"])
    [text] = line.bridge.texts()
    assert (text.text, text.media_missing) == ("look", 0)
    assert not [each for each in line.bridge.events if each is not text and not isinstance(each, Ignored)]
    bodies = []
    for media in text.media:
        fetch = line.adapter.write_media_fetch(media)
        host = fetch.request.url.split("/")[2]
        assert host in fetch.hosts
        answer = await line.perform(fetch.request)
        assert answer.status == 200, answer.body
        bodies.append(answer.body)
    expected = [await SAMPLES.get("photo.jpg"), await SAMPLES.get("photo.png")]
    assert bodies == [each.body for each in expected if each]


async def test_a_repeat_is_the_same_text(line: Line) -> None:
    line.simulator.set_faults(FaultSettings(webhook_duplicate=100))
    await line.simulator.text(PHONE, "hi")
    first, second = line.bridge.texts()
    assert first.carrier_message_id == second.carrier_message_id


async def test_texts_that_come_together_are_all_read(line: Line) -> None:
    """In one request where the carrier does that: `BATCHES`."""
    line.simulator.set_faults(FaultSettings(webhook_batched=100, limit=2))
    for text in ("one", "two", "three"):
        await line.simulator.text(PHONE, text)
    assert [each.text for each in line.bridge.texts()] == ["one", "two", "three"]
    assert len({each.carrier_message_id for each in line.bridge.texts()}) == 3
    requests = [
        each for each in line.simulator.traffic.after(0) if each.kind == "webhook" and each.status in (200, 204)
    ]
    assert len(requests) == (1 if line.adapter.name in BATCHES else 3)


@pytest.mark.parametrize("text", ["the long way round [home] " * 16, "sans détour 😊 " * 16])
async def test_a_long_text_comes_as_one_or_in_parts(line: Line, text: str) -> None:
    """In parts, which say what they are parts of, where the carrier leaves the joining to us: `POSTS_PARTS`."""
    line.simulator.set_faults(FaultSettings(webhook_in_parts=100))
    texted = await line.simulator.text(PHONE, text)
    assert texted.answer is not None
    assert texted.answer.ok, (texted.answer, line.bridge.refused)
    texts = line.bridge.texts()
    if line.adapter.name not in POSTS_PARTS:
        assert [(each.text, each.part) for each in texts] == [(text, None)]
        return
    parts = {each.part.number: each for each in texts if each.part}
    assert sorted(parts) == [1, 2, 3, 4][: len(texts)]
    assert {each.part.count for each in parts.values() if each.part} == {len(texts)}
    assert len({each.part.of for each in parts.values() if each.part}) == 1
    assert "".join(parts[number].text for number in sorted(parts)) == text
    assert len({each.carrier_message_id for each in texts}) == len(texts) > 1


@pytest.mark.parametrize("name", dialect_names())
async def test_an_answer_is_judged_and_the_webhook_repeated(name: str) -> None:
    async with calling(name, time_scale=0) as line:
        for status, tries in zip((503, 404), TRIES[name], strict=True):
            line.bridge.answer = status
            answer = (await line.simulator.text(PHONE, "hi")).answer
            assert answer is not None
            assert (answer.status, answer.attempts) == (status, tries)
            assert answer.ok is (status == 404 and name in A_404_IS_A_YES)


async def test_a_receipt_that_nobody_takes_goes_to_the_failover() -> None:
    async with calling("telnyx", time_scale=0) as line, calling("telnyx") as other:
        sent = line.write_send("hello")
        body = json.loads(sent.body) | {"webhook_failover_url": other.bridge.url}
        line.bridge.answer = 503
        taken = await line.perform(
            Request(method="POST", url=sent.url, headers=sent.headers, body=json.dumps(body).encode())
        )
        assert taken.status == 200
        other.bridge.adapter = line.adapter
        assert (await other.bridge.receipts())[-1].status is Status.DELIVERED


async def test_a_bridge_with_other_secrets_believes_nothing(line: Line) -> None:
    async with calling(line.adapter.name, auth_token="another") as other:
        line.bridge.adapter, line.bridge.keys = other.adapter, other.bridge.keys
        texted = await line.simulator.text(PHONE, "hi")
    assert texted.answer is not None
    assert not texted.answer.ok
    assert line.bridge.refused
    assert not line.bridge.events


async def test_a_send_is_taken_and_delivered(line: Line) -> None:
    outcome = await line.send("On its way ☺")
    assert isinstance(outcome, Accepted), outcome
    receipts = await line.bridge.receipts()
    assert receipts[-1].status is Status.DELIVERED
    assert {each.status for each in receipts} <= {Status.SENT, Status.DELIVERED}
    [received] = await line.simulator.received(PHONE)
    assert (received.text, received.from_) == ("On its way ☺", OURS)


@with_media
async def test_a_picture_is_fetched_and_delivered(line: Line) -> None:
    outcome = await line.send("look", media=[f"{line.simulator.url}/samples/photo.jpg"])
    assert isinstance(outcome, Accepted), outcome
    assert (await line.bridge.receipts())[-1].status is Status.DELIVERED
    [received] = await line.simulator.received(PHONE)
    assert [each.content_type for each in received.media] == ["image/jpeg"]


@with_media
@pytest.mark.parametrize(
    "picture", ["http://127.0.0.1:1/gone.jpg", "https://example.com/far.jpg", "{url}/samples/fake.jpg"]
)
async def test_a_picture_that_cannot_be_had_fails(line: Line, picture: str) -> None:
    outcome = await line.send("look", media=[picture.format(url=line.simulator.url)])
    assert isinstance(outcome, Accepted), outcome
    last = (await line.bridge.receipts())[-1]
    assert last.status in (Status.FAILED, Status.UNDELIVERED)
    assert last.cause in (Cause.MEDIA_REJECTED, Cause.CONTENT_REJECTED, Cause.UNKNOWN), last.evidence


@pytest.mark.parametrize("persona", CAUSES)
async def test_a_fate_is_understood(line: Line, persona: str) -> None:
    line.simulator.become(PHONE, persona)
    outcome = await line.send("hello")
    if isinstance(outcome, Accepted):
        last = (await line.bridge.receipts())[-1]
        cause, evidence, failed = last.cause, last.evidence, last.status in (Status.FAILED, Status.UNDELIVERED)
    else:
        assert isinstance(outcome, Rejected), outcome
        cause, evidence, failed = outcome.cause, outcome.evidence, True
    assert failed
    assert cause in CAUSES[persona], evidence
    code = _code_of(line.adapter.name, persona)
    assert evidence is not None
    assert code in evidence.code
    if isinstance(outcome, Accepted):
        await _until_shown(line, code)


@where(lambda name: not load_dialect(name).has_one_sender)
async def test_a_sender_that_is_not_ours_is_refused(line: Line) -> None:
    outcome = await line.send("hello", sender="+15005550007")
    if isinstance(outcome, Accepted):
        cause = (await line.bridge.receipts())[-1].cause
    else:
        assert isinstance(outcome, Rejected), outcome
        cause = outcome.cause
    assert cause in {
        Cause.SENDER_NOT_OURS, Cause.SENDER_NOT_SMS_CAPABLE, Cause.SENDER_NOT_REGISTERED, Cause.SENDER_MISMATCH
    }  # fmt: skip


async def test_too_much_is_told_with_a_time(line: Line) -> None:
    line.simulator.set_faults(FaultSettings(send_429=100, retry_after_s=7))
    outcome = await line.send("hello")
    assert isinstance(outcome, RetryLater), outcome
    assert outcome.after_s == 7
    assert not line.simulator.ledger.sent


@pytest.mark.parametrize("fault", ["send_500", "send_503", "send_garbage"])
async def test_what_decides_nothing_is_uncertain(line: Line, fault: str) -> None:
    line.simulator.set_faults(FaultSettings(**{fault: 100}))
    outcome = await line.send("hello")
    if fault == "send_garbage" and line.adapter.name in TELLS_NO_ID:
        assert isinstance(outcome, Accepted), "the status says it all"
    else:
        assert isinstance(outcome, Uncertain), outcome


async def test_other_credentials_open_nothing(line: Line) -> None:
    async with calling(line.adapter.name, auth_token="another") as other:
        wrong = line.write_send("hello")
        here, there = line.simulator.url, other.simulator.url
        outcome = line.adapter.read_send(
            await line.perform(
                Request(method="POST", url=wrong.url.replace(here, there), headers=wrong.headers, body=wrong.body)
            )
        )
        assert not other.simulator.ledger.sent
    assert isinstance(outcome, Rejected), outcome
    assert outcome.cause in (Cause.AUTH, Cause.PERMISSION_OR_REGION, Cause.UNKNOWN)


@where(lambda name: _abilities(name).repeat_safe_ms is not None)
async def test_a_send_that_may_be_repeated_is_recorded_once(line: Line) -> None:
    request = line.write_send("only once")
    outcomes = [line.adapter.read_send(await line.perform(request)) for _ in range(2)]
    assert all(isinstance(each, Accepted) for each in outcomes), outcomes
    assert len(line.simulator.ledger.sent) == 1


@where(lambda name: _abilities(name).find)
async def test_a_send_whose_answer_was_lost_is_found(line: Line) -> None:
    before_ms = int(time.time() * 1000) - 1_000
    line.simulator.set_faults(FaultSettings(send_timeout_after=100, hang_s=0))
    with pytest.raises(aiohttp.ClientError):
        await line.send("was it sent?")
    query = FindQuery(
        ref="msg_1.0.1", sender=OURS, to=PHONE, text="was it sent?", has_media=False, sent_after_ms=before_ms,
        known_ids=frozenset(),
    )  # fmt: skip
    answer = await line.perform(line.adapter.write_find(query))
    [sent] = line.simulator.ledger.sent
    if line.adapter.name in FINDS_NOTHING_FOR_SURE:
        with pytest.raises(LookupError):
            line.adapter.read_find(query, answer)
    else:
        found = line.adapter.read_find(query, answer)
        assert found is not None, answer.body
        assert found.carrier_message_id == sent.sid


@where(lambda name: _abilities(name).fetch_status)
async def test_the_state_of_a_send_can_be_asked_for(line: Line) -> None:
    outcome = await line.send("hello")
    assert isinstance(outcome, Accepted), outcome
    await line.bridge.receipts()
    answer = await line.perform(line.adapter.write_fetch_status(outcome.carrier_message_id))
    told = line.adapter.read_fetch_status(outcome.carrier_message_id, answer)
    assert told is not None, answer.body
    assert told.status in (Status.DELIVERED, Status.SENT)


@where(lambda name: _abilities(name).listing != "nothing")
async def test_a_text_whose_webhook_was_lost_is_listed(line: Line) -> None:
    line.simulator.set_faults(FaultSettings(webhook_lost=100))
    await line.send("ours")
    texted = await line.simulator.text(PHONE, "are you there?")
    now_ms = int(time.time() * 1000)
    query = ListQuery(to=OURS, since_ms=now_ms - 60_000, until_ms=now_ms + 60_000)
    listed = line.adapter.read_list(query, await line.perform(line.adapter.write_list(query)))
    assert [each.carrier_message_id for each in listed.events] == [texted.message_sid]
    assert (listed.unreadable, listed.next_page) == (0, "")


@where(lambda name: load_dialect(name).lookup is not None or name == "twilio")
async def test_a_lookup_tells_a_landline(line: Line) -> None:
    assert line.adapter.abilities.lookup
    line.simulator.become(PHONE, "landline")

    async def capable(number: str) -> str:
        answer = await line.perform(line.adapter.write_lookup(number, int(time.time() * 1000)))
        found = line.adapter.read_lookup(number, answer, int(time.time() * 1000))
        return str(found.sms_capable.value) if found else "unknown"

    assert await capable(PHONE) in ("no", "unknown")
    assert await capable("+447700900124") == "yes"


def test_every_dialect_has_an_adapter() -> None:
    assert set(dialect_names()) <= set(load_carriers())


async def test_every_url_is_told(line: Line) -> None:
    assert line.simulator._runner is not None
    routes = {route.resource.canonical for route in line.simulator._runner.app.router.routes() if route.resource}
    assert not [path for path in routes if path not in PAGE and "{rest}" not in path]
    assert f"| `{line.adapter.name}` |" in PAGE


def test_a_carrier_that_has_none_is_refused() -> None:
    with pytest.raises(ValueError, match="twilio"):
        SimulatorSettings(account_sid="AC" + "0" * 32, auth_token="x", senders=(OURS,), carrier="carrier-pigeon")
    refused = CliRunner().invoke(demo, ["--carrier", "carrier-pigeon"])
    assert refused.exit_code == 2
    assert all(name in refused.output for name in ("carrier-pigeon", *dialect_names()))


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_a_dialect_knows_the_bridge_by_its_wire_formats_only(path: Path) -> None:
    imported = re.findall(r"^\s*(?:from|import) (smsbridge[\w.]*)", path.read_text(), re.MULTILINE)
    assert not [name for name in imported if not name.startswith(("smsbridge.wire.", "smsbridge.simulator."))]


@pytest.mark.parametrize("name", [name for name in dialect_names() if name != "twilio"])
def test_a_dialect_has_words_for_every_persona(name: str) -> None:
    words = load_dialect(name).words
    fates = {fate for persona in PERSONAS.values() for fate in (persona.refusal, persona.code) if fate}
    assert OTHER in words
    assert not fates - set(words)


async def _until_shown(line: Line, code: str) -> None:
    """Whoever watches the traffic sees the code that the bridge was told, once the bridge has answered."""
    traffic = line.simulator.traffic
    while not any(each.kind == "callback" and code in each.summary for each in traffic.after(0)):
        assert await traffic.bell.wait(PATIENCE_S), code


def _code_of(name: str, persona: str) -> str:
    fate = PERSONAS[persona].refusal or PERSONAS[persona].code
    assert fate is not None
    return str(fate) if name == "twilio" else load_dialect(name).words[fate].code
