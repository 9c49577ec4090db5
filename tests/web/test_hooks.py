"""A webhook is answered once what it says is on disk, in the carrier's own words; everything else asks for a repeat."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import pytest
import structlog
from structlog.testing import LogCapture

from fakes import ANN, OUR_NUMBER, PlainDesktop, World
from smsbridge.contracts.bridge import Bridge, DesktopAccount
from smsbridge.contracts.desktop import DesktopAbilities
from smsbridge.contracts.store import Arrived, StoreUnavailable, Tx
from smsbridge.domain.errors import BadSignature, Unauthenticated
from smsbridge.web.hooks import MAX_BODY_BYTES
from smsbridge.wire.http import NOT_PROVEN, Request, Response
from web.running import running

T = TypeVar("T")
PATH = "/hooks/carriers/plain"
SECRET = {"X-Secret": "secret"}


def text(number: int) -> dict[str, Any]:
    return {"type": "message", "id": f"in{number}", "from": ANN, "to": OUR_NUMBER, "text": f"text {number}"}


def body(*numbers: int) -> bytes:
    return json.dumps({"events": [text(number) for number in numbers]}).encode()


@pytest.fixture
def logged() -> LogCapture:
    capture = LogCapture()
    structlog.configure(processors=[capture])
    return capture


async def test_a_webhook_is_stored_answered_counted_and_told_in_one_line(world: World, logged: LogCapture) -> None:
    async with running(world) as edge:
        status, headers, answer = await edge.ask("POST", PATH, data=body(1, 2), headers=SECRET)
        assert (status, answer) == (204, b"")
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert [each.text for each in await world.messages()] == ["text 1", "text 2"]
        await edge.ask("POST", PATH, data=body(2), headers=SECRET)
        count = 'webhook_requests_total{carrier="plain",kind="message",outcome="%s"}'
        assert (edge.counted(count % "stored"), edge.counted(count % "duplicate")) == (2, 1)
        assert edge.counted('webhook_ack_seconds_count{carrier="plain"}') == 2
    [line, _] = [each for each in logged.entries if each["event"] == "webhook.accepted"]
    assert (line["account"], line["outcome"], line["reason"]) == ("plain", "stored,stored", "message,message")
    assert line["elapsed_ms"] >= 0


async def test_whatever_a_contact_sent_is_counted_as_a_message(world: World) -> None:
    part = text(1) | {"part": {"of": "7", "number": 1, "count": 2}}
    events = [part, text(2) | {"type": "withheld"}, text(3), {"type": "receipt", "id": "out1", "status": "sent"}]
    async with running(world) as edge:
        answer = await edge.ask("POST", PATH, data=json.dumps({"events": events}).encode(), headers=SECRET)
        assert answer[0] == 204
        assert edge.counted('webhook_requests_total{carrier="plain",kind="message",outcome="stored"}') == 3


async def test_many_at_once_are_each_stored_once(world: World) -> None:
    async with running(world) as edge:
        posts = [edge.ask("POST", PATH, data=body(number), headers=SECRET) for number in [*range(40), *range(40)]]
        assert {status for status, _, _ in await asyncio.gather(*posts)} == {204}
        assert sorted(each.text for each in await world.messages()) == sorted(f"text {number}" for number in range(40))


@pytest.mark.parametrize(
    "target",
    [
        f"{PATH}/status?b=2&a=1&a=%2B1&empty=",
        f"{PATH}?q=a+b%20c",
        "/hooks/carriers/pl%61in/x%2Fy",
        f"{PATH}/",
    ],
)
async def test_the_signed_url_is_the_public_one_exactly_as_asked_for(world: World, target: str) -> None:
    seen: list[Request] = []
    _spy(world, seen)
    async with running(world) as edge:
        lines = [
            f"POST {target} HTTP/1.1",
            "Host: evil.example",
            "X-Forwarded-Host: evil.example",
            "X-Forwarded-Proto: http",
            "Forwarded: host=evil.example",
            "X-Twice: one",
            "x-twice: two",
            "Connection: close",
            "Content-Length: 3",
            "",
            "a\0b",
        ]
        await edge.say("\r\n".join(lines).encode())
    [request] = seen
    assert request.url == f"https://bridge.example{target}"
    assert request.body == b"a\0b"
    assert request.headers.get_all("X-Twice") == ("one", "two")


@pytest.mark.parametrize("origin", [b"http://evil.example", b"HTTPS://me:pass@evil.example:8443"])
async def test_of_a_whole_url_in_the_request_line_only_the_path_is_believed(world: World, origin: bytes) -> None:
    seen: list[Request] = []
    _spy(world, seen)
    async with running(world) as edge:
        path = f"{PATH}/status?next=http://evil.example/x".encode()
        await edge.say(
            b"POST " + origin + path + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        )
    assert [each.url for each in seen] == [f"https://bridge.example{path.decode()}"]


async def test_carriers_that_ask_by_get_are_heard(world: World) -> None:
    seen: list[Request] = []
    _spy(world, seen)
    async with running(world) as edge:
        await edge.get(f"{PATH}?messageId=7")
        assert (await edge.ask("HEAD", PATH))[0] == 405
    assert [(each.method, each.body) for each in seen] == [("GET", b"")]


async def test_a_signature_that_does_not_match_is_refused_kept_and_explained_once_a_minute(
    world: World, logged: LogCapture
) -> None:
    async with running(world) as edge:
        for number in range(5):
            status, _, answer = await edge.ask("POST", PATH, data=body(number), headers={"X-Secret": "wrong"})
            assert status == 401
            assert b"X-Secret" not in answer
        await edge.ask("POST", "/hooks/carriers/second", data=body(9), headers={"X-Secret": "wrong"})
        assert edge.counted('auth_failures_total{reason="signature",surface="hooks"}') == 6
    assert len(await world.store.read(lambda tx: tx.list_arrivals())) == 6
    refused = [each for each in logged.entries if each["event"] == "webhook.refused"]
    assert len(refused) == 6
    assert [each["account"] for each in refused if "diagnosis" in each] == ["plain", "second"]
    assert "X-Secret" in refused[0]["diagnosis"]


async def test_a_refusal_is_told_as_one_whatever_its_status(world: World, logged: LogCapture) -> None:
    _spy(world, [], refusal=Response(status=503))
    async with running(world) as edge:
        assert (await edge.ask("POST", PATH, data=body(1)))[0] == 503
    assert [each["event"] for each in logged.entries if each["log_level"] == "warning"] == ["webhook.refused"]


async def test_a_request_that_is_asked_for_credentials_is_no_attack(world: World, logged: LogCapture) -> None:
    _spy(world, [], error=Unauthenticated)
    async with running(world) as edge:
        status, headers, _ = await edge.ask("POST", PATH, data=body(1))
        assert (status, headers["WWW-Authenticate"]) == (401, 'Basic realm="smsbridge", charset="UTF-8"')
        assert edge.counted('webhook_requests_total{carrier="plain",kind="other",outcome="challenged"}') == 1
        assert edge.counted('webhook_requests_total{carrier="plain",kind="other",outcome="refused"}') == 0
        assert edge.counted('auth_failures_total{reason="signature",surface="hooks"}') == 0
        assert edge.counted('webhook_ack_seconds_count{carrier="plain"}') == 0
    [line] = [each for each in logged.entries if each["event"].startswith("webhook.")]
    assert (line["event"], line["log_level"], line["account"]) == ("webhook.challenged", "info", "plain")
    assert await world.store.read(lambda tx: tx.list_arrivals()) == []


@pytest.mark.parametrize("path", [PATH, f"{PATH}/status", f"{PATH}?"])
async def test_who_only_asks_whether_the_address_answers_is_told_so(
    world: World, logged: LogCapture, path: str
) -> None:
    _spy(world, [], error=Unauthenticated)
    async with running(world) as edge:
        assert (await edge.get(path))[0] == 200
        assert edge.counted('webhook_requests_total{carrier="plain",kind="other",outcome="probed"}') == 1
        assert (await edge.get("/hooks/carriers/nobody"))[0] == 404
    [line] = [each for each in logged.entries if each["event"].startswith("webhook.")]
    assert (line["event"], line["log_level"], line["account"]) == ("webhook.probed", "info", "plain")
    assert await world.store.read(lambda tx: tx.list_arrivals()) == []


@pytest.mark.parametrize(
    ("method", "path", "sent"), [("GET", f"{PATH}?a=", b""), ("GET", PATH, b"{}"), ("POST", PATH, b"")]
)
async def test_what_says_anything_has_to_be_proven(world: World, method: str, path: str, sent: bytes) -> None:
    _spy(world, [], error=BadSignature)
    async with running(world) as edge:
        assert (await edge.ask(method, path, data=sent))[0] == 401
    [arrival] = await world.store.read(lambda tx: tx.list_arrivals())
    assert arrival.outcome is Arrived.REFUSED


@pytest.mark.parametrize(("refusal", "status"), [(NOT_PROVEN, 413), (Response(status=503), 503)])
async def test_a_carrier_that_drops_a_text_on_a_4xx_hears_none(world: World, refusal: Response, status: int) -> None:
    _spy(world, [], refusal=refusal)
    async with running(world) as edge:
        assert (await edge.ask("POST", PATH, data=b"a" * (MAX_BODY_BYTES + 1)))[0] == status
        assert edge.counted('webhook_requests_total{carrier="plain",kind="other",outcome="too_large"}') == 1


@pytest.mark.parametrize(
    ("size", "status"), [(MAX_BODY_BYTES - 1, 401), (MAX_BODY_BYTES, 401), (MAX_BODY_BYTES + 1, 413)]
)
@pytest.mark.parametrize("chunked", [False, True])
async def test_the_limit_of_a_body_is_exact(world: World, size: int, status: int, chunked: bool) -> None:
    async with running(world) as edge:
        frame = b"%x\r\n%s\r\n0\r\n\r\n" % (size, b"a" * size) if chunked else b"a" * size
        length = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % size
        head = b"POST /hooks/carriers/plain HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\n\r\n" % length
        assert (await edge.say(head + frame)).startswith(b"HTTP/1.1 %d " % status)


async def test_what_is_far_too_large_is_refused_before_it_is_sent(world: World) -> None:
    async with running(world) as edge:
        head = b"POST /hooks/carriers/plain HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000000\r\n\r\n"
        assert (await edge.say(head)).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "identity, gzip", "x"])
async def test_a_packed_body_is_not_unpacked(world: World, encoding: str) -> None:
    async with running(world) as edge:
        headers = {**SECRET, "Content-Encoding": encoding}
        status, _, _ = await edge.ask("POST", PATH, data=body(1), headers=headers)
        assert status == 415
        assert await world.messages() == []


async def test_a_body_that_breaks_off_is_nothing(world: World) -> None:
    async with running(world) as edge:
        _, writer = await asyncio.open_connection("127.0.0.1", edge.port)
        writer.write(
            b"POST /hooks/carriers/plain HTTP/1.1\r\nHost: x\r\nX-Secret: secret\r\nContent-Length: 900\r\n\r\n"
        )
        writer.write(body(1))
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        assert (await edge.get("/livez"))[0] == 200
        assert await world.messages() == []


async def test_an_account_that_is_not_configured_is_not_found_nor_named_in_metrics(world: World) -> None:
    async with running(world) as edge:
        for path in ("/hooks/carriers/a-stranger", "/hooks/desktops/a-stranger", "/hooks/desktops/desk"):
            status, _, answer = await edge.ask("POST", path, data=b"{}")
            assert (status, len(answer) < 60) == (404, True), path
        assert edge.counted('webhook_requests_total{carrier="unknown",kind="other",outcome="unknown"}') == 3
        assert "stranger" not in edge.meter.render().decode()


@pytest.mark.parametrize("error", [StoreUnavailable("the disk is full"), RuntimeError("a bug")])
async def test_what_cannot_be_kept_is_asked_for_again(world: World, logged: LogCapture, error: Exception) -> None:
    async with running(world) as edge:
        broken = _BrokenStore(world.bridge, error)
        edge.server._parts.hooks._bridge = replace(world.bridge, store=broken)  # type: ignore[arg-type]
        status, headers, _ = await edge.ask("POST", PATH, data=body(1), headers=SECRET)
        assert (status, headers["Retry-After"]) == (503, "5")
        assert edge.counted('webhook_requests_total{carrier="plain",kind="other",outcome="unavailable"}') == 1
        broken.error = None
        status, _, _ = await edge.ask("POST", PATH, data=body(1), headers=SECRET)
        assert status == 204
    assert [each["event"] for each in logged.entries if each["log_level"] == "error"][-1] == "webhook.not_kept"


async def test_a_desktop_posts_to_its_own_door(world: World) -> None:
    adapter = PlainDesktop(abilities=DesktopAbilities(webhooks=True))
    desktops = {**world.bridge.desktops, "crm": DesktopAccount(name="crm", adapter=adapter)}
    world.bridge = replace(world.bridge, desktops=desktops)
    async with running(world) as edge:
        status, _, _ = await edge.ask("POST", "/hooks/desktops/crm", data=b'{"events": [{}]}', headers=SECRET)
        assert status == 202
        assert edge.counted('webhook_requests_total{carrier="crm",kind="other",outcome="unrecognized"}') == 1
        reply = {"events": [{"event_id": "r1", "to": ANN, "text": "On its way"}]}
        await edge.ask("POST", "/hooks/desktops/crm", data=json.dumps(reply).encode(), headers=SECRET)
        counted = edge.counted('webhook_requests_total{carrier="crm",kind="reply",outcome="stored"}')
        assert counted == 1, "no text of a contact"


class _BrokenStore:
    """The real store, but for writing while `error` is set."""

    def __init__(self, bridge: Bridge, error: Exception) -> None:
        self._store = bridge.store
        self.error: Exception | None = error

    async def write(self, work: Callable[[Tx], T], *, patience_s: float | None = None) -> T:
        if self.error is not None:
            raise self.error
        return await self._store.write(work)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def _spy(
    world: World,
    seen: list[Request],
    refusal: Response = NOT_PROVEN,
    error: type[BadSignature] = BadSignature,
) -> None:
    """Makes the carrier `plain` note what it is asked to verify, and believe none of it."""
    account = world.bridge.accounts["plain"]

    class Spy(type(account.adapter)):  # type: ignore[misc]
        __slots__ = ()

        def verify(self, request: Request, now_ms: int) -> None:
            seen.append(request)
            raise error("not believed")

    Spy.refusal = refusal
    accounts = {**world.bridge.accounts, "plain": replace(account, adapter=Spy())}
    world.bridge = replace(world.bridge, accounts=accounts)
