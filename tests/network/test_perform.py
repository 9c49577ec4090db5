"""What becomes of a request: answered, certainly not sent, or maybe sent. A text is sent twice or lost if this lies."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import socket
import ssl
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import smsbridge.network
from faults.fault_server import (
    FaultServer,
    Line,
    Shape,
    answer_once_then_close_on_the_next,
    answering,
    close_at_accept,
    cut_after,
    endless,
    garbage,
    half_a_body,
    half_a_status_line,
    read_then_close,
    read_then_hang,
    read_then_reset,
    refusing_port,
    reset_at_accept,
    silent_port,
    stalled_body,
    swallow,
    write_answer,
)
from smsbridge.contracts.network import Network
from smsbridge.network import HttpNetwork, Limits
from smsbridge.wire.http import Answered, Headers, MaybeSent, NotSent, Performed, Request

SECRET = "hunter2-canary"
AT_ONCE = 20
CERTIFICATE = Path(__file__).with_name("localhost.pem")


@contextlib.asynccontextmanager
async def a_network(**settings: Any) -> AsyncIterator[HttpNetwork]:
    made = HttpNetwork(**settings)
    try:
        yield made
    finally:
        await made.close()


@pytest.fixture
async def network() -> AsyncIterator[HttpNetwork]:
    async with a_network() as made:
        yield made


def a_send(url: str, body: bytes = b"To=%2B15005550001&Body=hi", method: str = "POST") -> Request:
    headers = Headers([("Authorization", f"Basic {SECRET}"), ("Content-Type", "application/x-www-form-urlencoded")])
    return Request(method=method, url=url, headers=headers, body=body)


async def send(network: Network, url: str, *, timeout_s: float = 30, fresh: bool = True) -> Performed:
    return await network.perform(a_send(f"{url}?token={SECRET}"), timeout_s=timeout_s, fresh=fresh)


@pytest.mark.parametrize("fresh", [True, False], ids=["fresh", "kept"])
@pytest.mark.parametrize(
    ("shape", "seen", "reasons", "status"),
    [
        (close_at_accept, False, {"connection closed before an answer", "connection reset"}, None),
        (reset_at_accept, False, {"connection closed before an answer", "connection reset"}, None),
        (swallow, False, {"timed out"}, None),
        (read_then_close, True, {"connection closed before an answer"}, None),
        (read_then_reset, True, {"connection reset"}, None),
        (read_then_hang, True, {"timed out"}, None),
        (half_a_status_line, True, {"connection closed before an answer"}, None),
        (garbage, True, {"the answer was not HTTP"}, None),
        (half_a_body(201), True, {"the answer broke off"}, 201),
        (half_a_body(201, reset=True), True, {"the answer broke off", "connection reset"}, None),
        (half_a_body(400), True, {"the answer broke off"}, 400),
        (stalled_body(201), True, {"timed out"}, 201),
    ],
    ids=lambda value: getattr(value, "__qualname__", None),
)
async def test_after_the_bytes_left_only_a_whole_answer_is_an_answer(
    network: HttpNetwork,
    shape: Shape,
    seen: bool,
    reasons: set[str],
    status: int | None,
    fresh: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """FI-03: whatever breaks from here on, the carrier may have it; whether it does cannot be told from our side."""
    async with FaultServer(shape) as server:
        flights = watched_flights(monkeypatch)
        sends = [asyncio.create_task(send(network, server.url, fresh=fresh)) for _ in range(AT_ONCE)]
        if reasons == {"timed out"}:
            while [(flight.left, flight.status) for flight in flights] != [(True, status)] * AT_ONCE:
                await asyncio.sleep(0)
            await server.until(lambda: (len(server.requests) if seen else server.connections) == AT_ONCE)
            let_time_pass(monkeypatch, 60)
        ends = await asyncio.gather(*sends)
        assert all(isinstance(end, MaybeSent) for end in ends), ends
        assert {end.reason for end in ends if isinstance(end, MaybeSent)} <= reasons
        if status is not None:
            assert {end.status for end in ends if isinstance(end, MaybeSent)} == {status}
        assert server.connections == AT_ONCE
        assert len(server.requests) == (AT_ONCE if seen else 0)
    assert SECRET not in repr(ends)


def watched_flights(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What is known of each request from here on, in the order of their beginnings."""
    flights: list[Any] = []

    class Watched(smsbridge.network._Flight):
        def __init__(self, **facts: Any) -> None:
            super().__init__(**facts)
            flights.append(self)

    monkeypatch.setattr(smsbridge.network, "_Flight", Watched)
    return flights


def let_time_pass(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """For whoever waits in this loop."""
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(loop, "time", lambda: time.monotonic() + seconds)


@pytest.mark.parametrize("fresh", [True, False], ids=["fresh", "kept"])
class TestNothingLeftUsWhen:
    async def test_the_port_refuses(self, network: HttpNetwork, fresh: bool) -> None:
        with refusing_port() as port:
            end = await send(network, f"http://127.0.0.1:{port}/", fresh=fresh)
        assert end == NotSent(reason="no connection: connection refused", elapsed_ms=end.elapsed_ms)

    async def test_the_port_is_silent(self, network: HttpNetwork, fresh: bool) -> None:
        with silent_port() as port:
            end = await send(network, f"http://127.0.0.1:{port}/", timeout_s=0.3, fresh=fresh)
        assert end == NotSent(reason="timed out", elapsed_ms=end.elapsed_ms)

    async def test_one_address_is_silent_for_longer_than_a_connection_may_take(self, fresh: bool) -> None:
        async with a_network(limits=Limits(connect_s=0.1)) as network:
            with silent_port() as port:
                end = await send(network, f"http://127.0.0.1:{port}/", timeout_s=60, fresh=fresh)
        assert end == NotSent(reason="timed out", elapsed_ms=end.elapsed_ms)

    async def test_the_name_does_not_exist(self, fresh: bool) -> None:
        async def look_up(host: str, port: int) -> list[str]:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        async with a_network(look_up=look_up) as network:
            end = await send(network, "https://api.example.test/", fresh=fresh)
        assert end == NotSent(reason="host name not found", elapsed_ms=end.elapsed_ms)

    async def test_the_name_has_no_address(self, fresh: bool) -> None:
        async def look_up(host: str, port: int) -> list[str]:
            return []

        async with a_network(look_up=look_up) as network:
            end = await send(network, "https://api.example.test/", fresh=fresh)
        assert end == NotSent(reason="host name not found", elapsed_ms=end.elapsed_ms)

    async def test_the_look_up_never_ends(self, fresh: bool) -> None:
        async def look_up(host: str, port: int) -> list[str]:
            return await asyncio.get_running_loop().create_future()

        async with a_network(look_up=look_up) as network:
            end = await send(network, "https://api.example.test/", timeout_s=0.1, fresh=fresh)
        assert end == NotSent(reason="timed out", elapsed_ms=end.elapsed_ms)

    async def test_tls_is_stuck(self, network: HttpNetwork, fresh: bool) -> None:
        async with FaultServer(swallow) as server:
            end = await send(network, f"https://{server.netloc}/", timeout_s=0.3, fresh=fresh)
        assert end == NotSent(reason="timed out", elapsed_ms=end.elapsed_ms)

    @pytest.mark.parametrize("shape", [close_at_accept, reset_at_accept, answering()], ids=["closed", "reset", "plain"])
    async def test_tls_does_not_come_up(self, network: HttpNetwork, shape: Shape, fresh: bool) -> None:
        async with FaultServer(shape) as server:
            end = await send(network, f"https://{server.netloc}/", timeout_s=1, fresh=fresh)
        assert isinstance(end, NotSent)
        assert server.requests == []

    async def test_the_certificate_is_a_stranger_s(self, network: HttpNetwork, fresh: bool) -> None:
        async with FaultServer(tls=server_tls()) as server:
            end = await send(network, server.url, fresh=fresh)
        assert isinstance(end, NotSent)
        assert end.reason.startswith("certificate not accepted: self-signed certificate")
        assert server.requests == []

    async def test_no_connection_came_free(self, fresh: bool) -> None:
        async with (
            a_network(limits=Limits(connections_per_host=1)) as network,
            FaultServer(read_then_hang) as slow,
            FaultServer() as healthy,
        ):
            first = asyncio.create_task(send(network, slow.url, timeout_s=30, fresh=fresh))
            await slow.until(lambda: len(slow.requests) == 1)
            end = await send(network, slow.url, timeout_s=0.1, fresh=fresh)
            assert end == NotSent(reason="timed out", elapsed_ms=end.elapsed_ms)
            assert isinstance(await send(network, healthy.url, fresh=fresh), Answered)
            first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first

    @pytest.mark.parametrize(
        "url",
        ["", "nonsense", "ftp://example.test/", "http://", "http://a b/", "http://host:99999/", "http://[::1/", "/path",
         "http://x/\r\nX: y", "http://bücher.test/", "http://127.1/", "http://2130706433/", "http://0x7f000001/"],
    )  # fmt: skip
    async def test_the_url_is_no_url(self, network: HttpNetwork, url: str, fresh: bool) -> None:
        end = await network.perform(Request(method="GET", url=url), timeout_s=1, fresh=fresh)
        assert isinstance(end, NotSent)

    async def test_a_header_holds_a_line_break(self, network: HttpNetwork, fresh: bool) -> None:
        async with FaultServer() as server:
            for headers in ([("X-Name", "a\r\nEvil: 1")], [("X\nEvil", "1")], [("X-Name", "nul\0")]):
                end = await network.perform(
                    Request(method="GET", url=server.url, headers=Headers(headers)), timeout_s=5, fresh=fresh
                )
                assert isinstance(end, NotSent)
            assert server.requests == []

    @pytest.mark.parametrize(
        "host", ["169.254.169.254", "[fd00:ec2::254]", "[::ffff:169.254.169.254]", "[fe80::1]", "metadata.test"]
    )
    async def test_a_cloud_hands_out_credentials_there(self, host: str, fresh: bool) -> None:
        opened: list[object] = []

        async def look_up(host: str, port: int) -> list[str]:
            return ["169.254.169.254", "fd00:ec2::254"]

        def open_socket(info: object) -> socket.socket:
            opened.append(info)
            raise OSError("unplugged")

        async with a_network(look_up=look_up, open_socket=open_socket) as network:
            end = await send(network, f"http://{host}/latest/meta-data/", fresh=fresh)
        assert end == NotSent(reason="a forbidden address", elapsed_ms=end.elapsed_ms)
        assert opened == []


@pytest.mark.parametrize("status", [200, 201, 202, 204, 302, 400, 404, 410, 429, 500, 503])
async def test_every_status_is_an_answer_and_no_redirect_is_followed(network: HttpNetwork, status: int) -> None:
    body = b"" if status == 204 else b'{"code": 21211}'
    headers = [("Retry-After", "7"), ("Location", "http://127.0.0.1:1/elsewhere"), ("X-Twice", "1"), ("X-Twice", "2")]
    async with FaultServer(answering(status, body, headers)) as server:
        end = await send(network, server.url)
        assert isinstance(end, Answered)
        assert (end.response.status, end.response.body) == (status, body)
        assert end.response.headers.get("retry-after") == "7"
        assert end.response.headers.get_all("X-Twice") == ("1", "2")
        assert server.connections == 1


async def test_wherever_an_answer_is_cut_it_is_never_taken_for_whole_nor_for_not_sent(network: HttpNetwork) -> None:
    answer = write_answer(201, b'{"sid": "SM1"}', [("Content-Type", "application/json")])
    head = answer.index(b"\r\n\r\n") + 4

    async def cut(size: int) -> Performed:
        async with FaultServer(cut_after(answer, size)) as server:
            return await send(network, server.url)

    ends = await asyncio.gather(*(cut(size) for size in range(len(answer) + 1)))
    assert isinstance(ends[-1], Answered)
    for size, end in enumerate(ends[:-1]):
        assert isinstance(end, MaybeSent), size
        assert end.status == (201 if size >= head else None), size


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "POST"])
@pytest.mark.parametrize("fresh", [True, False], ids=["fresh", "kept"])
@pytest.mark.parametrize("shape", [read_then_close, read_then_reset], ids=["closed", "reset"])
async def test_nothing_is_ever_repeated(network: HttpNetwork, method: str, shape: Shape, fresh: bool) -> None:
    async with FaultServer(shape) as server:
        end = await network.perform(a_send(server.url, method=method), timeout_s=5, fresh=fresh)
        assert isinstance(end, MaybeSent)
        assert len(server.requests) == server.connections == 1


async def test_a_connection_that_lay_idle_can_make_a_request_uncertain(network: HttpNetwork) -> None:
    async with FaultServer(answer_once_then_close_on_the_next()) as server:
        assert isinstance(await send(network, server.url, fresh=False), Answered)
        assert isinstance(await send(network, server.url, fresh=False), MaybeSent)
        assert server.connections == 1


async def test_a_fresh_connection_is_never_one_that_lay_idle(network: HttpNetwork) -> None:
    async with FaultServer(answer_once_then_close_on_the_next()) as server:
        assert isinstance(await send(network, server.url, fresh=False), Answered)
        for expected in (2, 3, 4):
            assert isinstance(await send(network, server.url, fresh=True), Answered)
            assert server.connections == expected
        assert server.requests[-1].headers["connection"] == "close"


async def test_a_kept_connection_is_used_again(network: HttpNetwork) -> None:
    async with FaultServer() as server:
        for _ in range(5):
            assert isinstance(await send(network, server.url, fresh=False), Answered)
        assert (server.connections, len(server.requests)) == (1, 5)


@pytest.mark.parametrize("fresh", [True, False], ids=["fresh", "kept"])
async def test_what_is_kept_back_at_the_last_moment_never_leaves(network: HttpNetwork, fresh: bool) -> None:
    """The connection is up by then: whatever happened while it was made has happened before."""
    ups: list[int] = []

    def keep_back() -> None:
        ups.append(1)
        raise LookupError("not ours any more")

    request = a_send("")
    async with FaultServer() as server:
        for _ in range(AT_ONCE):
            with pytest.raises(LookupError, match="not ours any more"):
                await network.perform(
                    replace(request, url=server.url), timeout_s=5, fresh=fresh, before_leaving=keep_back
                )
        assert isinstance(await send(network, server.url, fresh=fresh), Answered)
        assert (len(ups), len(server.requests)) == (AT_ONCE, 1)


async def test_nothing_is_asked_where_no_connection_came_up(network: HttpNetwork) -> None:
    def never() -> None:
        raise AssertionError

    with refusing_port() as port:
        end = await network.perform(a_send(f"http://127.0.0.1:{port}/"), timeout_s=5, before_leaving=never)
    assert isinstance(end, NotSent)


async def test_a_long_answer_is_cut_and_still_an_answer(network: HttpNetwork) -> None:
    async with FaultServer(answering(200, b"x" * 1_000_000)) as server:
        end = await network.perform(a_send(server.url), timeout_s=5, max_bytes=1_000)
        assert isinstance(end, Answered)
        assert end.response.body == b"x" * 1_000
        server.play(endless)
        end = await network.perform(a_send(server.url), timeout_s=5, max_bytes=70_000)
        assert isinstance(end, Answered)
        assert end.response.body == bytes(70_000)
        server.play(answering(200, b"whole"))
        end = await network.perform(a_send(server.url), timeout_s=5)
        assert isinstance(end, Answered)
        assert end.response.body == b"whole"


async def test_an_answer_that_is_compressed_all_the_same_is_read_within_its_limit(network: HttpNetwork) -> None:
    squeezed = [("Content-Encoding", "gzip"), ("Content-Type", "application/json")]
    async with FaultServer(answering(201, gzip.compress(b'{"sid": "SM1"}'), squeezed)) as server:
        end = await send(network, server.url)
        assert isinstance(end, Answered)
        assert end.response.body == b'{"sid": "SM1"}'
        assert "Content-Encoding" not in end.response.headers
        assert server.requests[0].headers["accept-encoding"] == "identity"
        server.play(answering(200, gzip.compress(bytes(20_000_000)), squeezed))
        end = await send(network, server.url)
        assert isinstance(end, Answered)
        assert len(end.response.body) == 65_536
        server.play(answering(200, b"not gzip at all", squeezed))
        end = await send(network, server.url)
        assert isinstance(end, Answered)
        assert end.response.body == b"not gzip at all"


async def test_the_request_arrives_as_it_was_written(network: HttpNetwork) -> None:
    async with FaultServer() as server:
        path = "a%2Fb/%7Euser/%41?x=%3a+%20&y=a/b?c&z=%E2%82%AC"
        body = bytes(range(256)) * 12_000
        request = Request(
            method="PUT",
            url=server.url + path + "#fragment",
            headers=Headers([("X-One", "ä"), ("Content-Type", "application/x-test")]),
            body=body,
        )
        assert isinstance(await network.perform(request, timeout_s=10), Answered)
        received = server.requests[0]
        assert received.line == f"PUT /{path} HTTP/1.1"
        assert received.body == body
        assert received.headers["content-type"] == "application/x-test"
        assert received.headers["host"] == server.netloc
        assert received.headers["user-agent"].startswith("smsbridge/")


async def test_cookies_are_neither_kept_nor_sent(network: HttpNetwork) -> None:
    async with FaultServer(answering(200, b"", [("Set-Cookie", "id=1; Path=/")])) as server:
        for fresh in (False, False, True):
            assert isinstance(await send(network, server.url, fresh=fresh), Answered)
        assert all("cookie" not in received.headers for received in server.requests)


async def test_proxies_of_the_environment_are_not_used(network: HttpNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    with refusing_port() as port:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{port}")
        async with FaultServer() as server:
            assert isinstance(await send(network, server.url), Answered)


async def test_header_bytes_that_are_no_text_become_writable_text(network: HttpNetwork) -> None:
    async def shape(line: Line) -> None:
        await line.read_request()
        await line.write(b"HTTP/1.1 200 OK\r\nX-Odd: \xff\xfe\xe9\r\nContent-Length: 0\r\n\r\n")

    async with FaultServer(shape) as server:
        end = await send(network, server.url)
        assert isinstance(end, Answered)
        assert end.response.headers.get("X-Odd").encode("utf-8")


async def test_a_certificate_that_the_operator_trusts_is_accepted() -> None:
    trusting = ssl.create_default_context(cafile=str(CERTIFICATE))
    async with a_network(tls=trusting) as network, FaultServer(tls=server_tls()) as server:
        for fresh in (True, False):
            assert isinstance(await send(network, server.url, fresh=fresh), Answered)


async def test_after_closing_nothing_is_sent(network: HttpNetwork) -> None:
    await network.close()
    async with FaultServer() as server:
        assert isinstance(await send(network, server.url), NotSent)
        assert server.connections == 0


async def test_a_request_that_is_called_off_ends_at_once(network: HttpNetwork) -> None:
    async with FaultServer(read_then_hang) as server:
        sending = asyncio.create_task(send(network, server.url, timeout_s=60))
        await server.until(lambda: len(server.requests) == 1)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending


async def test_names_are_looked_up_by_the_system(network: HttpNetwork) -> None:
    async with FaultServer() as server:
        assert isinstance(await send(network, f"http://localhost:{server.port}/"), Answered)


def server_tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context
