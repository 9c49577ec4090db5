"""Downloads from addresses that others gave us stay inside their fences (SEC-31, SEC-33)."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import random
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from faults.fault_server import (
    FaultServer,
    Shape,
    answering,
    close_at_accept,
    endless,
    garbage,
    gzip_bomb,
    half_a_body,
    half_a_status_line,
    read_then_close,
    read_then_hang,
    read_then_reset,
    redirecting,
    refusing_port,
    reset_at_accept,
    swallow,
    trickling,
)
from smsbridge.contracts.network import Fetched, FetchFailed
from smsbridge.network import HttpNetwork, Limits
from smsbridge.wire.http import Fetch, Headers, Request

CREDENTIALS = Headers(
    [("Authorization", "Basic secret"), ("X-Api-Key", "secret"), ("Cookie", "secret"), ("Accept", "*/*")]
)
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


@pytest.fixture
def into(tmp_path: Path) -> Path:
    return tmp_path / "download"


def a_fetch(url: str, *named: str, **fences: Any) -> Fetch:
    """A download whose every host is allowed; `named` are private hosts that the operator named."""
    fences = {"hosts": ("*", *named), "credentials_hosts": named[:1], "private_hosts": named, "timeout_s": 5.0} | fences
    return Fetch(request=Request(method="GET", url=url, headers=CREDENTIALS), **fences)


async def test_a_download_is_whole_hashed_and_only_ours_to_read(network: HttpNetwork, into: Path) -> None:
    body = random.Random(1).randbytes(700_000)
    headers = [("Content-Type", "Image/JPEG; x=y"), ("Content-Disposition", 'attachment; filename="holiday photo.jpg"')]
    async with FaultServer(answering(200, body, headers)) as server:
        fetched = await network.fetch(a_fetch(server.url + "a%2Fb?c=%41", server.netloc), into)
        assert fetched == Fetched(
            size_bytes=700_000,
            sha256=hashlib.sha256(body).hexdigest(),
            content_type="image/jpeg",
            filename="holiday photo.jpg",
        )
        assert server.requests[0].line == "GET /a%2Fb?c=%41 HTTP/1.1"
        assert server.requests[0].headers["authorization"] == "Basic secret"
    assert into.read_bytes() == body
    assert into.stat().st_mode & 0o777 == 0o600


async def test_an_existing_file_is_never_written_over_nor_a_link_followed(network: HttpNetwork, tmp_path: Path) -> None:
    there, link = tmp_path / "there", tmp_path / "link"
    there.write_bytes(b"mine")
    link.symlink_to(tmp_path / "elsewhere")
    async with FaultServer() as server:
        for path in (there, link):
            with pytest.raises(FileExistsError):
                await network.fetch(a_fetch(server.url, server.netloc), path)
    assert there.read_bytes() == b"mine"
    assert not (tmp_path / "elsewhere").exists()


async def test_a_disk_that_fails_is_our_own_trouble_and_raises(network: HttpNetwork, tmp_path: Path) -> None:
    async with FaultServer() as server:
        with pytest.raises(FileNotFoundError):
            await network.fetch(a_fetch(server.url, server.netloc), tmp_path / "no such folder" / "file")


@pytest.mark.parametrize(
    ("shape", "fences", "expected"),
    [
        (read_then_close, {}, FetchFailed(reason="connection closed before an answer", permanent=False)),
        (read_then_reset, {}, FetchFailed(reason="connection reset", permanent=False)),
        (half_a_status_line, {}, FetchFailed(reason="connection closed before an answer", permanent=False)),
        (garbage, {}, FetchFailed(reason="the answer was not HTTP", permanent=False)),
        (half_a_body(200), {}, FetchFailed(reason="the answer broke off", permanent=False)),
        (swallow, {"timeout_s": 0.3}, FetchFailed(reason="not finished within 0.3 s", permanent=False)),
        (read_then_hang, {"timeout_s": 0.3}, FetchFailed(reason="not finished within 0.3 s", permanent=False)),
        (
            trickling(bytes(10_000), 0.01),
            {"timeout_s": 0.5},
            FetchFailed(reason="not finished within 0.5 s", permanent=False),
        ),
        (
            endless,
            {"max_bytes": 300_000},
            FetchFailed(reason="more than 300000 bytes", permanent=True, too_large=True),
        ),
        (
            answering(200, bytes(300_001)),
            {"max_bytes": 300_000},
            FetchFailed(reason="more than 300000 bytes", permanent=True, too_large=True),
        ),
        (gzip_bomb(), {}, FetchFailed(reason="compressed, although plain bytes were asked for", permanent=True)),
        (answering(404), {}, FetchFailed(reason="HTTP 404", permanent=False, status=404)),
        (answering(410), {}, FetchFailed(reason="HTTP 410", permanent=True, status=410)),
        (answering(401), {}, FetchFailed(reason="HTTP 401", permanent=True, status=401)),
        (answering(403), {}, FetchFailed(reason="HTTP 403", permanent=True, status=403)),
        (answering(204, b""), {}, FetchFailed(reason="HTTP 204", permanent=True, status=204)),
        (answering(206), {}, FetchFailed(reason="HTTP 206", permanent=True, status=206)),
        (answering(500), {}, FetchFailed(reason="HTTP 500", permanent=False, status=500)),
        (
            answering(429, b"", [("Retry-After", "17")]),
            {},
            FetchFailed(reason="HTTP 429", permanent=False, status=429, after_s=17.0),
        ),
        (
            answering(503, b"", [("Retry-After", "999999999")]),
            {},
            FetchFailed(reason="HTTP 503", permanent=False, status=503, after_s=86_400.0),
        ),
        (
            answering(503, b"", [("Retry-After", "Wed, 21 Oct 2026 07:28:00 GMT")]),
            {},
            FetchFailed(reason="HTTP 503", permanent=False, status=503),
        ),
    ],
)
async def test_a_failed_download_says_why_and_leaves_nothing(
    network: HttpNetwork, into: Path, shape: Shape, fences: dict[str, Any], expected: FetchFailed
) -> None:
    async with FaultServer(shape) as server:
        assert await network.fetch(a_fetch(server.url, server.netloc, **fences), into) == expected
    assert list(into.parent.iterdir()) == []


@pytest.mark.parametrize("shape", [close_at_accept, reset_at_accept], ids=["closed", "reset"])
async def test_a_server_that_hangs_up_may_be_asked_again(network: HttpNetwork, into: Path, shape: Shape) -> None:
    async with FaultServer(shape) as server:
        failed = await network.fetch(a_fetch(server.url, server.netloc), into)
    assert isinstance(failed, FetchFailed)
    assert not failed.permanent


async def test_a_port_that_refuses_may_be_asked_again(network: HttpNetwork, into: Path) -> None:
    with refusing_port() as port:
        failed = await network.fetch(a_fetch(f"http://127.0.0.1:{port}/", f"127.0.0.1:{port}"), into)
    assert failed == FetchFailed(reason="no connection: connection refused", permanent=False)


async def test_a_trickle_is_given_up_long_before_the_time_is_over(into: Path) -> None:
    async with (
        a_network(limits=Limits(slow_after_s=0.1, slow_bytes_per_s=1_000)) as network,
        FaultServer(trickling(bytes(10_000), 0.01)) as server,
    ):
        failed = await network.fetch(a_fetch(server.url, server.netloc, timeout_s=60), into)
    assert failed == FetchFailed(reason="too slow", permanent=False)
    assert list(into.parent.iterdir()) == []


async def test_a_download_at_exactly_the_limit_is_kept(network: HttpNetwork, into: Path) -> None:
    async with FaultServer(answering(200, bytes(1_000))) as server:
        fetched = await network.fetch(a_fetch(server.url, server.netloc, max_bytes=1_000), into)
    assert isinstance(fetched, Fetched)
    assert into.stat().st_size == 1_000


async def test_a_download_that_is_called_off_leaves_nothing(network: HttpNetwork, into: Path) -> None:
    async with FaultServer(trickling(bytes(10_000), 0.01)) as server:
        fetching = asyncio.create_task(network.fetch(a_fetch(server.url, server.netloc, timeout_s=60), into))
        await server.until(lambda: len(server.requests) == 1)
        while not into.exists():
            await asyncio.sleep(0)
        fetching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await fetching
    assert list(into.parent.iterdir()) == []


class TestRedirects:
    async def test_no_other_host_sends_our_credentials_back_to_ours(self, network: HttpNetwork, into: Path) -> None:
        async with FaultServer() as carrier, FaultServer(redirecting(carrier.url + "secrets")) as other:
            carrier.play(redirecting(other.url, 307), answering(200, b"picture"))
            fetched = await network.fetch(a_fetch(carrier.url, carrier.netloc, other.netloc), into)
            assert isinstance(fetched, Fetched)
            assert ["authorization" in asked.headers for asked in carrier.requests] == [True, False]

    async def test_are_followed_and_the_other_host_sees_no_credentials(self, network: HttpNetwork, into: Path) -> None:
        async with FaultServer(answering(200, b"picture")) as other, FaultServer() as carrier:
            carrier.play(redirecting(other.url + "file%2F1?sig=%3D", 307))
            fetched = await network.fetch(a_fetch(carrier.url, carrier.netloc, other.netloc), into)
            assert isinstance(fetched, Fetched)
            assert carrier.requests[0].headers["authorization"] == "Basic secret"
            assert carrier.requests[0].headers["x-api-key"] == "secret"
            seen = other.requests[0]
            assert seen.line == "GET /file%2F1?sig=%3D HTTP/1.1"
            assert seen.headers["accept"] == "*/*"
            assert "secret" not in repr(seen)

    async def test_may_be_relative(self, network: HttpNetwork, into: Path) -> None:
        async with FaultServer(redirecting("../media/2"), answering(200, b"picture")) as server:
            assert isinstance(await network.fetch(a_fetch(server.url + "a/1", server.netloc), into), Fetched)
            assert server.requests[1].line == "GET /media/2 HTTP/1.1"

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    async def test_a_post_becomes_a_get_without_its_body(self, network: HttpNetwork, into: Path, status: int) -> None:
        async with FaultServer(redirecting("/file", status), answering(200, b"picture")) as server:
            fetch = a_fetch(server.url, server.netloc)
            asked = Request(method="POST", url=server.url, body=b'{"id": 1}')
            named = Fetch(request=asked, hosts=fetch.hosts, credentials_hosts=(), private_hosts=fetch.private_hosts)
            assert isinstance(await network.fetch(named, into), Fetched)
            assert server.requests[0].body == b'{"id": 1}'
            assert (server.requests[1].line, server.requests[1].body) == ("GET /file HTTP/1.1", b"")

    async def test_three_are_followed_and_four_are_not(self, network: HttpNetwork, into: Path) -> None:
        step = redirecting("/next")
        async with FaultServer(step, step, step, answering(200, b"picture")) as server:
            assert isinstance(await network.fetch(a_fetch(server.url, server.netloc), into), Fetched)
            into.unlink()
            server.play(step)
            failed = await network.fetch(a_fetch(server.url, server.netloc), into)
            assert failed == FetchFailed(reason="too many redirects", permanent=True)
            assert len(server.requests) == 8

    @pytest.mark.parametrize(
        ("location", "reason"),
        [
            ("http://media.example.test/1", "not https"),
            ("ftp://media.example.test/1", "not a URL that can be fetched"),
            ("file:///etc/passwd", "not a URL that can be fetched"),
            ("https://user:pass@media.example.test/", "not a URL that can be fetched"),
            ("https://media.example.test:8443/", "a host that is not on the list"),
            ("https://[::1", "a redirect that leads nowhere"),
            ("https://exa mple.test/", "not a URL that can be fetched"),
            ("https:\\\\media.example.test/", "not a URL that can be fetched"),
            ("//127.0.0.1/", "not https"),
        ],
    )
    async def test_to_elsewhere_are_not_followed(
        self, network: HttpNetwork, into: Path, location: str, reason: str
    ) -> None:
        async with FaultServer(redirecting(location)) as server:
            failed = await network.fetch(a_fetch(server.url, server.netloc), into)
            assert failed == FetchFailed(reason=reason, permanent=True)
            assert server.connections == 1

    async def test_without_an_address_end_in_the_same_place(self, network: HttpNetwork, into: Path) -> None:
        async with FaultServer(answering(302)) as server:
            failed = await network.fetch(a_fetch(server.url, server.netloc), into)
            assert failed == FetchFailed(reason="too many redirects", permanent=True)


@pytest.mark.parametrize(
    ("url", "hosts", "allowed"),
    [
        ("https://api.test/x", ("api.test",), True),
        ("https://API.Test./x", ("api.test",), True),
        ("https://api.test:443/x", ("api.test",), True),
        ("https://api.test:8443/x", ("api.test",), False),
        ("https://api.test:8443/x", ("api.test:8443",), True),
        ("https://api.test/x", ("api.test:8443",), False),
        ("https://a.b.cdn.test/x", ("*.cdn.test",), True),
        ("https://cdn.test/x", ("*.cdn.test",), False),
        ("https://evilcdn.test/x", ("*.cdn.test",), False),
        ("https://api.test.evil.example/x", ("api.test",), False),
        ("https://evil.example/api.test", ("api.test",), False),
        ("https://evil.example?api.test", ("api.test",), False),
        ("https://evil.example#@api.test/", ("api.test",), False),
        ("https://evil.example#.cdn.test/", ("*.cdn.test",), False),
        ("https://api.test@evil.example/", ("api.test", "evil.example"), False),
        ("https://[2606:4700::1]:8443/", ("[2606:4700::1]:8443",), True),
        ("https://anything.test/", ("*",), True),
        ("https://anything.test:22/", ("*",), False),
        ("https://api.test/", (), False),
        ("https://api.test/", ("", ":", "[", "api.test:", "api.test:x", "http://api.test"), False),
    ],
)
async def test_only_listed_hosts_are_called(into: Path, url: str, hosts: tuple[str, ...], allowed: bool) -> None:
    opened: list[Any] = []

    async with a_network(look_up=always("93.184.216.34"), open_socket=unplugged(opened)) as network:
        failed = await network.fetch(a_fetch(url, hosts=hosts), into)
    assert isinstance(failed, FetchFailed)
    assert bool(opened) is allowed, failed


BYPASSES = [
    "127.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "017700000001", "0",
    "0.0.0.0", "①②⑦.⓪.⓪.①", "localhost", "localhost.", "LOCALHOST", "127.0.0.1.", "[::1]", "[::]", "[::127.0.0.1]",
    "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[2001:0:7f00:1::]",
    "[::ffff:0:127.0.0.1]", "[fe80::1%25lo]", "[fe80::1]", "[fd00:ec2::254]", "169.254.169.254", "metadata.test",
    "mixed.test", "10.0.0.1", "172.16.0.1", "192.168.0.1", "100.100.100.200", "168.63.129.16", "224.0.0.1",
    "user@127.0.0.1", "user:pass@127.0.0.1", "good.test@127.0.0.1", "127.0.0.1%00.good.test", "127.0.0.1#.good.test",
    "good.test\\@127.0.0.1", "127.0.0.1\\.good.test", "%31%32%37.0.0.1", "127。0。0。1",
]  # fmt: skip


class TestPrivateAddresses:
    """Every form of a private address, each with its host and port on the list: only the address stands in the way."""

    @pytest.mark.parametrize("host", BYPASSES)
    async def test_are_never_dialled(self, into: Path, host: str) -> None:
        async with FaultServer() as victim:
            opened, failed = await self.fetch_watched(f"https://{host}:{victim.port}/", victim, into)
            assert isinstance(failed, FetchFailed)
            assert failed.permanent
            assert (opened, victim.connections) == ([], 0)

    @pytest.mark.parametrize("host", BYPASSES)
    async def test_are_never_dialled_after_a_redirect(self, into: Path, host: str) -> None:
        async with FaultServer() as victim, FaultServer() as server:
            server.play(redirecting(f"https://{host}:{victim.port}/"))
            opened, failed = await self.fetch_watched(server.url, victim, into, server.netloc)
            assert isinstance(failed, FetchFailed)
            assert failed.permanent
            assert (opened, victim.connections, server.connections) == ([server.port], 0, 1)

    async def test_are_dialled_when_the_operator_named_them(self, into: Path) -> None:
        async with FaultServer(answering(200, b"picture")) as victim:
            opened, fetched = await self.fetch_watched(victim.url, victim, into, victim.netloc)
            assert isinstance(fetched, Fetched)
            assert (opened, victim.connections) == ([victim.port], 1)

    async def test_that_the_operator_named_open_no_other_port(self, into: Path) -> None:
        async with FaultServer() as victim, FaultServer() as named:
            opened, failed = await self.fetch_watched(f"https://127.0.0.1:{victim.port}/", victim, into, named.netloc)
            assert failed == FetchFailed(reason="an address that is not public", permanent=True)
            assert opened == []

    async def fetch_watched(
        self, url: str, victim: FaultServer, into: Path, *named: str
    ) -> tuple[list[int], Fetched | FetchFailed]:
        opened: list[int] = []

        async def look_up(host: str, port: int) -> list[str]:
            names = {"metadata.test": ["169.254.169.254"], "mixed.test": ["127.0.0.1", "10.0.0.7", "::1"]}
            if host in names:
                return names[host]
            if host.strip(".").lower() == "localhost":
                return ["::1", "127.0.0.1"]
            # What the system makes of odd ways to write a number, without asking a name server.
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
            return [str(address[0]) for *_, address in found]

        def open_socket(info: Any) -> socket.socket:
            opened.append(info[4][1])
            return socket.socket(*info[:3])

        async with a_network(look_up=look_up, open_socket=open_socket) as network:
            fetch = a_fetch(url, *named, hosts=(f"*:{victim.port}", *named))
            return opened, await network.fetch(fetch, into)


async def test_a_name_that_changes_its_address_between_two_answers_gets_nowhere(into: Path) -> None:
    """1,000 rounds against a name server that says a public and a private address by turns, or both in any order."""
    chance = random.Random(20_261_124)
    opened: list[Any] = []

    async def look_up(host: str, port: int) -> list[str]:
        answers = (
            ["93.184.216.34"],
            ["127.0.0.1"],
            ["93.184.216.34", "127.0.0.1"],
            ["10.0.0.1", "93.184.216.34", "::1"],
        )
        return list(chance.choice(answers))

    async with a_network(look_up=look_up, open_socket=unplugged(opened)) as network, FaultServer() as victim:
        for _ in range(1_000):
            fetch = a_fetch(
                f"https://rebind.test:{victim.port}/", hosts=("rebind.test:*", f"rebind.test:{victim.port}")
            )
            assert isinstance(await network.fetch(fetch, into), FetchFailed)
        assert victim.connections == 0
    assert {info[4][0] for info in opened} == {"93.184.216.34"}
    assert len(opened) > 500


async def test_https_is_checked_against_the_trusted_authorities(network: HttpNetwork, into: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    trusting = ssl.create_default_context(cafile=str(CERTIFICATE))
    async with FaultServer(answering(200, b"picture"), tls=context) as server, a_network(tls=trusting) as trusted:
        failed = await network.fetch(a_fetch(server.url, server.netloc), into)
        assert isinstance(failed, FetchFailed)
        assert failed.reason.startswith("certificate not accepted")
        assert isinstance(await trusted.fetch(a_fetch(server.url, server.netloc), into), Fetched)


@pytest.mark.parametrize(
    ("disposition", "filename"),
    [
        ("", ""),
        ("attachment", ""),
        ("inline; filename=a.png", "a.png"),
        ("attachment; filename*=UTF-8''%e2%82%ac%20rates.pdf", "€ rates.pdf"),
        ('attachment; filename="a\\"b.txt"', 'a"b.txt'),
        ("attachment; filename*=no-such-charset''%ff.txt", ".txt"),
        ('attachment; filename="' + "x" * 400 + '"', "x" * 255),
        (";;;=;filename", ""),
    ],
)
async def test_a_claimed_name_is_passed_on_whatever_its_form(
    network: HttpNetwork, into: Path, disposition: str, filename: str
) -> None:
    async with FaultServer(answering(200, b"x", [("Content-Disposition", disposition)])) as server:
        fetched = await network.fetch(a_fetch(server.url, server.netloc), into)
    assert isinstance(fetched, Fetched)
    assert fetched.filename.endswith(filename)
    assert bool(fetched.filename) is bool(filename)
    fetched.filename.encode("utf-8")


def always(address: str) -> Any:
    async def look_up(host: str, port: int) -> list[str]:
        return [address]

    return look_up


def unplugged(opened: list[Any]) -> Any:
    """Takes note of what would be dialled, and dials nothing."""

    def open_socket(info: Any) -> socket.socket:
        opened.append(info)
        raise OSError(101, "unplugged")

    return open_socket
