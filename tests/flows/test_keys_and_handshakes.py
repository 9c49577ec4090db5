"""A carrier that signs with a key at an address, and one that wants to hear that we want its posts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import pytest

from fakes import ANN, OUR_NUMBER, PlainCarrier, World, lost, refused
from flows.conftest import on_sqlite
from smsbridge.contracts.carrier import KeyWanted
from smsbridge.contracts.store import Arrival, Arrived
from smsbridge.domain.errors import BadSignature, Unavailable
from smsbridge.flows.inbound import WebhookReport, accept_webhook, replay
from smsbridge.keys import FAILURES, FAILURES_WITHIN_MS, KEPT
from smsbridge.wire.encoding import Unreadable, write_json
from smsbridge.wire.http import Answered, Headers, Performed, Request, Response

MakeWorld = Callable[..., World]
CONFIRM = "https://keys.example/confirm?token=1"


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyedCarrier(PlainCarrier):
    """Signs with what lies at the address in `X-Key-At`: `X-Secret` has to be what follows `key ` there."""

    known: Mapping[str, bytes] = field(default_factory=dict)

    def verify(self, request: Request, now_ms: int) -> None:
        url = request.headers.get("X-Key-At")
        if url not in self.known:
            raise KeyWanted(Request(method="GET", url=url))
        if request.headers.get("X-Secret").encode() != self.known[url].removeprefix(b"key "):
            raise BadSignature("the header X-Secret is not what the key says")

    def with_key(self, url: str, key: bytes) -> Self:
        if not key.startswith(b"key "):
            raise Unreadable("no key")
        return replace(self, known={url: key})


class KeyServer:
    """What lies at the addresses: by default a key at each. `gate` holds answers back while it is not set."""

    def __init__(self, world: World) -> None:
        self.asked: list[str] = []
        self.answers: dict[str, Performed] = {}
        self.gate = asyncio.Event()
        self.gate.set()
        world.network.answer = self._answer

    async def _answer(self, request: Request) -> Performed:
        self.asked.append(request.url)
        await self.gate.wait()
        return self.answers.get(request.url, page(b"key secret"))


def page(body: bytes, status: int = 200) -> Answered:
    return Answered(response=Response(status=status, body=body), elapsed_ms=1)


def key_at(number: int) -> str:
    return f"https://keys.example/{number}.pem"


@pytest.fixture
async def keyed(make_world: MakeWorld) -> World:
    return make_world(carrier=KeyedCarrier())


async def post(world: World, number: int = 0, *, key: int = 0, secret: str = "secret") -> WebhookReport:
    text = {"type": "message", "id": f"in{number}", "from": ANN, "to": OUR_NUMBER, "text": "Hello"}
    return await accept_webhook(
        world.bridge,
        "plain",
        Request(
            method="POST",
            url="https://bridge.example/hooks/carriers/plain",
            headers=Headers([("X-Secret", secret), ("X-Key-At", key_at(key))]),
            body=write_json({"events": [text]}),
        ),
    )


async def arrivals(world: World) -> list[Arrival]:
    return await world.store.read(lambda tx: tx.list_arrivals(limit=1_000))


# --- keys: what is remembered of them is in memory, and no database's business


async def test_a_key_is_fetched_once_and_remembered(keyed: World) -> None:
    keys = KeyServer(keyed)
    for number in range(3):
        assert (await post(keyed, number)).outcomes == ((Arrived.STORED, "message"),)
    assert keys.asked == [key_at(0)]


@on_sqlite
async def test_texts_that_come_at_once_wait_for_one_fetch(keyed: World) -> None:
    keys = KeyServer(keyed)
    keys.gate.clear()
    posts = [asyncio.create_task(post(keyed, number)) for number in range(100)]
    while not keys.asked:
        await asyncio.sleep(0)
    keys.gate.set()
    assert {(await each).outcomes for each in posts} == {((Arrived.STORED, "message"),)}
    assert keys.asked == [key_at(0)]
    assert len(await keyed.messages()) == 100


@on_sqlite
@pytest.mark.parametrize(
    "answer",
    [refused(), lost(), page(b"key secret", 404), page(b"key secret", 302), page(b"<html>sorry</html>"), page(b"")],
    ids=["refused", "lost", "404", "302", "html", "empty"],
)
async def test_without_its_key_a_text_is_neither_taken_nor_quarantined_and_comes_again(
    keyed: World, answer: Performed
) -> None:
    keys = KeyServer(keyed)
    keys.answers[key_at(0)] = answer
    with pytest.raises(Unavailable):
        await post(keyed)
    assert await arrivals(keyed) == []
    del keys.answers[key_at(0)]
    assert (await post(keyed)).outcomes == ((Arrived.STORED, "message"),), "what is no key was not remembered"


@on_sqlite
async def test_all_who_wait_for_a_fetch_that_fails_are_told_and_it_counts_once(keyed: World) -> None:
    keys = KeyServer(keyed)
    keys.answers[key_at(0)] = refused()
    keys.gate.clear()
    posts = [asyncio.create_task(post(keyed, number)) for number in range(FAILURES + 5)]
    while not keys.asked:
        await asyncio.sleep(0)
    keys.gate.set()
    ends = await asyncio.gather(*posts, return_exceptions=True)
    assert {type(end) for end in ends} == {Unavailable}
    assert keys.asked == [key_at(0)]
    keys.answers.clear()
    assert (await post(keyed)).outcomes == ((Arrived.STORED, "message"),)


@on_sqlite
async def test_who_gives_up_waiting_takes_no_key_from_the_others(keyed: World) -> None:
    keys = KeyServer(keyed)
    keys.gate.clear()
    first, second, third = (asyncio.create_task(post(keyed, number)) for number in range(3))
    while not keys.asked:
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    second.cancel()
    keys.gate.set()
    assert (await first).outcomes == (await third).outcomes == ((Arrived.STORED, "message"),)
    with pytest.raises(asyncio.CancelledError):
        await second


@on_sqlite
async def test_who_names_addresses_without_keys_makes_us_ask_for_few_of_them(keyed: World) -> None:
    keys = KeyServer(keyed)
    await post(keyed, 1)
    keys.answers = {key_at(key): page(b"", 404) for key in range(1, 101)}
    keys.gate.clear()
    posts = [asyncio.create_task(post(keyed, 2, key=key)) for key in range(1, 101)]
    while len(keys.asked) < FAILURES + 1:
        await asyncio.sleep(0)
    keys.gate.set()
    assert {type(end) for end in await asyncio.gather(*posts, return_exceptions=True)} == {Unavailable}
    assert len(keys.asked) == FAILURES + 1
    assert (await post(keyed, 3)).outcomes == ((Arrived.STORED, "message"),), "what is known is believed meanwhile"
    with pytest.raises(Unavailable):
        await post(keyed, 4, key=200)
    assert len(keys.asked) == FAILURES + 1
    keyed.clock.now += FAILURES_WITHIN_MS
    assert (await post(keyed, 4, key=200)).outcomes == ((Arrived.STORED, "message"),)


@on_sqlite
async def test_only_so_many_keys_are_remembered(keyed: World) -> None:
    keys = KeyServer(keyed)
    for key in [*range(KEPT + 1), KEPT, 0]:
        await post(keyed, key, key=key)
    assert keys.asked == [key_at(key) for key in [*range(KEPT + 1), 0]]


@on_sqlite
async def test_a_signature_that_does_not_fit_its_key_is_refused_and_costs_no_other_fetch(keyed: World) -> None:
    keys = KeyServer(keyed)
    for number in range(3):
        assert (await post(keyed, number, secret="forged")).outcomes == ((Arrived.REFUSED, "signature"),)
    assert keys.asked == [key_at(0)]
    assert [each.outcome for each in await arrivals(keyed)] == [Arrived.REFUSED] * 3


@on_sqlite
async def test_where_signatures_are_only_reported_a_missing_key_is_a_report(make_world: MakeWorld) -> None:
    world = make_world(carrier=KeyedCarrier(), verification="report")
    KeyServer(world).answers[key_at(0)] = refused()
    report = await post(world)
    assert report.outcomes == ((Arrived.STORED, "message"),)
    assert "could not be had" in report.diagnosis


@on_sqlite
async def test_what_was_refused_is_replayed_with_its_key(keyed: World) -> None:
    keys = KeyServer(keyed)
    keys.answers[key_at(0)] = page(b"key another")
    await post(keyed)
    [kept] = await arrivals(keyed)
    keyed.bridge = replace(keyed.bridge, keys=type(keyed.bridge.keys)())
    keys.answers[key_at(0)] = refused()
    with pytest.raises(Unavailable):
        await replay(keyed.bridge, kept.id)
    keys.answers.clear()
    assert await replay(keyed.bridge, kept.id) == [(Arrived.STORED, "message")]


# --- handshakes

HANDSHAKE: dict[str, Any] = {"type": "handshake", "url": CONFIRM}


async def test_a_handshake_is_performed_before_the_answer_and_recorded(world: World) -> None:
    recorded_before: list[int] = []

    async def answer(request: Request) -> Performed:
        recorded_before.append(len(await arrivals(world)))
        return page(b"<ConfirmSubscriptionResponse/>")

    world.network.answer = answer
    report = await world.webhook(HANDSHAKE)
    assert [(request.method, request.url) for request in world.network.requests] == [("GET", CONFIRM)]
    assert recorded_before == [0]
    assert report.response.status == 204
    assert report.outcomes == ((Arrived.STORED, "handshake"),)
    assert [(each.outcome, each.kind) for each in await arrivals(world)] == [(Arrived.STORED, "handshake")]


@pytest.mark.parametrize(
    ("answer", "words"),
    [(refused(), "connection refused"), (lost(), "no answer"), (page(b"", 403), "HTTP 403"), (page(b"", 302), "302")],
)
async def test_a_handshake_that_fails_is_asked_for_again(world: World, answer: Performed, words: str) -> None:
    world.network.answer = lambda _request: answer
    with pytest.raises(Unavailable, match=words):
        await world.webhook(HANDSHAKE)
    assert await arrivals(world) == []
    world.network.answer = lambda _request: page(b"")
    assert (await world.webhook(HANDSHAKE)).outcomes == ((Arrived.STORED, "handshake"),)


async def test_nobody_else_makes_us_shake_hands_and_a_replay_does(world: World) -> None:
    await world.webhook(HANDSHAKE, secret="forged")
    assert world.network.requests == []
    [kept] = await arrivals(world)
    account = world.bridge.accounts["plain"]
    mended = replace(account, adapter=PlainCarrier(secret="forged"))
    world.bridge = replace(world.bridge, accounts={"plain": mended})
    world.network.answer = lambda _request: page(b"", 500)
    with pytest.raises(Unavailable):
        await replay(world.bridge, kept.id)
    world.network.answer = lambda _request: page(b"")
    assert await replay(world.bridge, kept.id) == [(Arrived.STORED, "handshake")]
    assert [request.url for request in world.network.requests] == [CONFIRM, CONFIRM]
