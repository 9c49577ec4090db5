"""A media link gives exactly the file it was made for, to anybody who has it, for as long as it says."""

from __future__ import annotations

import pytest

from fakes import World
from smsbridge.flows.links import write_media_link
from web.running import Running, running

CONTENT = b"\x89PNG\r\n" + bytes(range(256)) * 8


async def link_to(
    world: World, *, content_type: str = "image/png", filename: str = "map.png", inline: bool = True
) -> str:
    sha256 = await world.bridge.blobs.put(CONTENT)
    link = write_media_link(
        world.bridge,
        sha256=sha256,
        content_type=content_type,
        filename=filename,
        now_ms=world.clock.now,
        ttl_ms=3_600_000,
        inline=inline,
    )
    return link.removeprefix(world.bridge.public_url)


async def test_the_file_comes_with_its_type_and_no_licence_to_run(world: World) -> None:
    async with running(world) as edge:
        status, headers, content = await edge.get(await link_to(world))
        assert (status, content) == (200, CONTENT)
        assert headers["Content-Type"] == "image/png"
        assert headers["Content-Disposition"] == 'inline; filename="map.png"'
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in headers["Content-Security-Policy"]
        assert headers["Cache-Control"].startswith("private")


@pytest.mark.parametrize(
    ("content_type", "filename", "inline", "disposition"),
    [
        ("image/png", "map.png", False, 'attachment; filename="map.png"'),
        ("application/pdf", "a.pdf", True, 'attachment; filename="a.pdf"'),
        ("text/html", "a.html", True, "attachment; "),
        ("image/svg+xml", "a.svg", True, "attachment; "),
        ("image/png", 'x"; filename=evil.exe\r\nSet-Cookie: a=b', True, 'inline; filename="'),
    ],
)
async def test_only_pictures_are_shown_in_place_and_no_name_breaks_out(
    world: World, content_type: str, filename: str, inline: bool, disposition: str
) -> None:
    async with running(world) as edge:
        _, headers, _ = await edge.get(
            await link_to(world, content_type=content_type, filename=filename, inline=inline)
        )
        assert headers["Content-Disposition"].startswith(disposition)
        assert headers["Content-Disposition"].count('"') == 2
        assert "Set-Cookie" not in headers


async def test_ranges_head_and_revalidation_work(world: World) -> None:
    async with running(world) as edge:
        path = await link_to(world)
        status, headers, content = await edge.get(path, headers={"Range": "bytes=10-19"})
        assert (status, content) == (206, CONTENT[10:20])
        assert headers["Content-Range"] == f"bytes 10-19/{len(CONTENT)}"
        assert (await edge.get(path, headers={"Range": f"bytes={len(CONTENT)}-"}))[0] == 416
        status, headers, content = await edge.ask("HEAD", path)
        assert (status, content, headers["Content-Length"]) == (200, b"", str(len(CONTENT)))
        status, _, content = await edge.get(path, headers={"If-None-Match": headers["ETag"]})
        assert (status, content) == (304, b"")


async def test_all_that_is_wrong_with_a_link_gets_one_answer(world: World) -> None:
    async with running(world) as edge:
        path = await link_to(world)
        token = path.removeprefix("/media/")
        payload, _, mac = token.partition(".")
        wrong = [
            "x",
            "a.b",
            payload,
            f"{payload}.",
            f"{payload}.{mac[::-1]}",
            f"{payload[:-1]}.{mac}",
            f"{token}=",
            "é",
        ]
        answers = [await _answer(edge, f"/media/{each}") for each in wrong]
        assert (await edge.get(path))[0] == 200
        world.clock.now += 2 * 3_600_000
        answers.append(await _answer(edge, path))
        world.clock.now -= 2 * 3_600_000
        await world.bridge.blobs.discard(await world.bridge.blobs.put(CONTENT))
        answers.append(await _answer(edge, path))
        assert set(answers) == {(404, b"This link does not work, or no longer.\n")}


async def _answer(edge: Running, path: str) -> tuple[int, bytes]:
    status, _, body = await edge.get(path)
    return status, body
