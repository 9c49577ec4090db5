"""Nobody makes, changes or bends a link to media: whatever is tried, the answer is the same, and no file's."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import AsyncIterator
from urllib.parse import quote

import pytest

from fakes import World
from smsbridge.flows.links import MAX_TOKEN_CHARS, write_media_link
from web.running import Running, running

PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8
HOUR_MS = 3_600_000


@pytest.fixture
async def edge(world: World) -> AsyncIterator[Running]:
    async with running(world) as made:
        yield made


async def a_link(
    world: World, data: bytes = PICTURE, kind: str = "image/png", name: str = "cat.png", *, inline: bool = True
) -> str:
    """The path of the link; `data` is kept."""
    url = write_media_link(
        world.bridge,
        sha256=await world.bridge.blobs.put(data),
        content_type=kind,
        filename=name,
        now_ms=world.clock.now_ms(),
        ttl_ms=HOUR_MS,
        inline=inline,
    )
    assert url.startswith(world.bridge.public_url)
    return url.removeprefix(world.bridge.public_url)


async def the_refusal(edge: Running) -> tuple[int, bytes]:
    status, _, body = await edge.get("/media/x.y")
    assert status == 404
    return status, body


async def test_no_bit_of_a_token_can_be_changed(edge: Running) -> None:
    """Each bit of the payload's and the seal's bytes, and each character by its neighbour."""
    token = (await a_link(edge.world)).removeprefix("/media/")
    refusal = await the_refusal(edge)
    forged = set()
    for half, text in enumerate(token.split(".")):
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        for place in range(0, len(raw) * 8, 5):
            changed = bytearray(raw)
            changed[place // 8] ^= 1 << (place % 8)
            halves = token.split(".")
            halves[half] = base64.urlsafe_b64encode(changed).decode().rstrip("=")
            forged.add(".".join(halves))
    forged |= {token[:-1] + character for character in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_"}
    forged.discard(token)
    assert len(forged) > 100
    for each in forged:
        status, _, body = await edge.get(f"/media/{each}")
        assert (status, body) == refusal, each


async def test_the_seal_of_one_link_does_not_open_another(edge: Running) -> None:
    one = (await a_link(edge.world)).removeprefix("/media/").split(".")
    two = (await a_link(edge.world, b"%PDF-1.7 secret", "application/pdf", "b.pdf")).removeprefix("/media/").split(".")
    status, _, body = await edge.get(f"/media/{two[0]}.{one[1]}")
    assert (status, body) == await the_refusal(edge)


async def test_a_payload_of_ones_own_needs_the_key(edge: Running) -> None:
    payload = json.dumps([hashlib.sha256(PICTURE).hexdigest(), "text/html", "a.html", 1, 9_999_999_999]).encode()
    for seal in (b"", bytes(20), hashlib.sha256(payload).digest()[:20]):
        token = ".".join(base64.urlsafe_b64encode(each).decode().rstrip("=") for each in (payload, seal))
        status, _, body = await edge.get(f"/media/{token}")
        assert (status, body) == await the_refusal(edge)


@pytest.mark.parametrize(
    "token",
    [
        "x",
        ".",
        "..",
        "a.b.c",
        "%00",
        "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "..%5c..%5cboot.ini",
        quote("Überraschung😊.٣"),
        "%ff%fe",
        "=" * 10,
        "A" * (MAX_TOKEN_CHARS + 1),
        "A" * 7_000,
        "null.null",
        quote("[]") + ".AAAA",
    ],
)
async def test_rubbish_gets_the_one_refusal(edge: Running, token: str) -> None:
    answer = await edge.say(f"GET /media/{token} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 404 "), head
    if token not in {".", ".."}:  # which a server may take for steps of the path
        assert body == (await the_refusal(edge))[1]


@pytest.mark.parametrize("path", ["/media/", "/media/../../etc/passwd", "/media//etc/passwd", "/media/a/b"])
async def test_no_path_leads_to_a_file(edge: Running, path: str) -> None:
    answer = await edge.say(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert b"root:" not in answer


async def test_nobody_can_write_to_a_link(edge: Running) -> None:
    link = await a_link(edge.world)
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert (await edge.ask(method, link))[0] == 405
