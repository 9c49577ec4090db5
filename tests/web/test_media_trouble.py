"""Files and a bad day: a disk without room, a client that hangs up, headers nobody can mean. No crash, no 500."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from PIL import Image
from structlog.testing import capture_logs

from fakes import World
from web.running import Running, running


@pytest.fixture
async def edge(world: World) -> AsyncIterator[Running]:
    async with running(world) as made:
        yield made


def picture() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (4, 3), "teal").save(file, "PNG")
    return file.getvalue()


async def upload(edge: Running, disposition: str = "attachment") -> tuple[int, bytes]:
    headers = {**edge.authorization, "Content-Type": "image/png", "Content-Disposition": disposition}
    status, _, body = await edge.ask("POST", "/v1/attachments", data=picture(), headers=headers)
    return status, body


def scratch_files(folder: Path) -> list[Path]:
    return [path for path in (folder / "media" / "scratch").rglob("*") if path.is_file() and path.name != "lock"]


async def test_a_disk_that_takes_nothing_is_our_trouble_and_passes(edge: Running) -> None:
    scratch = edge.world.bridge.blobs.scratch().parent
    shutil.rmtree(scratch)
    status, body = await upload(edge)
    assert (status, b"#unavailable" in body) == (503, True)
    scratch.mkdir()
    assert (await upload(edge))[0] == 201


async def test_an_upload_that_breaks_off_is_no_crash(edge: Running, folder: Path) -> None:
    head = f"POST /v1/attachments HTTP/1.1\r\nHost: x\r\nAuthorization: {edge.authorization['Authorization']}\r\n"
    with capture_logs() as lines:
        _, writer = await asyncio.open_connection("127.0.0.1", edge.port)
        writer.write(f"{head}Content-Type: image/png\r\nContent-Length: 1000\r\n\r\nabc".encode())
        async with asyncio.timeout(30):
            while not scratch_files(folder):
                await asyncio.sleep(0.01)
            writer.close()
            while not lines:
                await asyncio.sleep(0.01)
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
    assert [(line["event"], line["status"]) for line in lines] == [("api.answered", 400)]
    assert scratch_files(folder) == []


@pytest.mark.parametrize(
    "name",
    ["unicode_escape''%5Cud800.png", "raw_unicode_escape''%5Cud800", "a%00b''x", "punycode''abc-%ff", "undefined''x"],
)
async def test_a_filename_in_an_odd_charset_is_read_as_far_as_it_goes(edge: Running, name: str) -> None:
    assert (await upload(edge, f"attachment; filename*={name}"))[0] == 201


@pytest.mark.parametrize("header", ["If-Modified-Since", "If-Unmodified-Since", "If-Range"])
async def test_a_date_that_cannot_be_is_refused_and_not_crashed_on(edge: Running, header: str) -> None:
    _, body = await upload(edge)
    made = json.loads(body)
    link = made["url"].removeprefix(edge.world.bridge.public_url)
    content = f"/v1/attachments/{made['id']}/content"
    for path in (link, content):
        headers = {**edge.authorization, header: "Tue, 01 Jan 99999999999 00:00:00 GMT"}
        assert (await edge.get(path, headers=headers))[0] == 400
