"""Uploading and downloading files over REST, on a real server with a real store and real files."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from multidict import CIMultiDict
from PIL import Image
from structlog.testing import capture_logs

from fakes import ANN, World
from web.api.rest_client import Api, Reply

LIMIT_BYTES = 5 * 1024 * 1024


def picture() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (4, 3), "teal").save(file, "PNG")
    return file.getvalue()


def left_over(folder: Path) -> list[Path]:
    scratch = folder / "media" / "scratch"
    assert scratch.is_dir()
    return [path for path in scratch.rglob("*") if path.is_file() and path.name != "lock"]


def form(data: bytes | io.IOBase, *, name: str = "file", filename: str = "map.png") -> aiohttp.FormData:
    made = aiohttp.FormData()
    made.add_field(name, data, filename=filename, content_type="image/png")
    return made


async def upload(api: Api, data: bytes, **headers: str) -> Reply:
    return await api.call("POST", "/v1/attachments", data=form(data), headers=headers)


async def test_a_form_is_stored_and_given_out_again(api: Api, folder: Path) -> None:
    taken = await upload(api, picture())
    assert taken.status == 201
    assert taken.headers["Location"] == f"/v1/attachments/{taken.body['id']}"
    assert (taken.body["state"], taken.body["content_type"], taken.body["filename"]) == (
        "stored",
        "image/png",
        "map.png",
    )
    assert taken.body["size_bytes"] == len(picture())
    content = await api.get(f"{taken.headers['Location']}/content")
    assert content.raw == picture()
    assert content.headers["Content-Type"] == "image/png"
    assert content.headers["X-Content-Type-Options"] == "nosniff"
    assert content.headers["Content-Disposition"] == 'attachment; filename="map.png"'
    assert "sandbox" in content.headers["Content-Security-Policy"]
    thumbnail = await api.get(f"{taken.headers['Location']}/thumbnail")
    assert thumbnail.headers["Content-Type"] == "image/webp"
    assert thumbnail.raw
    assert left_over(folder) == []


async def test_a_body_alone_is_stored_too(api: Api) -> None:
    taken = await api.call(
        "POST",
        "/v1/attachments",
        data=picture(),
        headers={"Content-Type": "application/octet-stream", "Content-Disposition": 'attachment; filename="é🗺.png"'},
    )
    assert (taken.status, taken.body["content_type"]) == (201, "image/png")
    assert taken.body["filename"].endswith(".png")


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("Plan für Anna.png", "Plan_fur_Anna.png"),  # aiohttp writes all but ASCII with percent signs
        ("../../etc.png", "etc.png"),
        ("100 %.png", "100.png"),
    ],
)
async def test_a_form_may_write_a_name_with_percent_signs(api: Api, written: str, shown: str) -> None:
    taken = await api.call("POST", "/v1/attachments", data=form(picture(), filename=written))
    assert (taken.status, taken.body["filename"]) == (201, shown)


async def test_a_part_of_a_file_can_be_asked_for(api: Api) -> None:
    taken = await upload(api, picture())
    part = await api.call("GET", f"{taken.headers['Location']}/content", headers={"Range": "bytes=0-3"})
    assert (part.status, part.raw) == (206, picture()[:4])


async def test_downloads_leave_the_connection_whole(api: Api) -> None:
    taken = await upload(api, picture())
    with capture_logs() as logs:
        for tail in ("content", "thumbnail", "content"):
            assert (await api.get(f"{taken.headers['Location']}/{tail}")).status == 200
    assert [log["event"] for log in logs] == ["api.answered"] * 3


async def test_an_upload_goes_out_with_a_message(api: Api, world: World) -> None:
    taken = (await upload(api, picture())).body["id"]
    sent = await api.post("/v1/messages", {"to": ANN, "media": [{"attachment_id": taken}]})
    assert sent.status == 202
    assert [each["state"] for each in sent.body["attachments"]] == ["stored"]
    await world.run_due()
    assert b"https://bridge.example/media/" in world.network.requests[-1].body


async def test_a_repeated_upload_is_the_same_attachment(api: Api) -> None:
    first = await upload(api, picture(), **{"Idempotency-Key": "k1"})
    again = await upload(api, picture(), **{"Idempotency-Key": "k1"})
    other = await upload(api, picture() + b"\0", **{"Idempotency-Key": "k1"})
    assert (again.status, again.body["id"]) == (201, first.body["id"])
    assert (other.status, other.problem) == (422, "idempotency-key-reused")


async def slowly(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), 100_000):
        yield data[start : start + 100_000]


async def test_too_much_is_refused_with_and_without_a_length(api: Api, folder: Path) -> None:
    too_much = picture() + bytes(LIMIT_BYTES)
    for data in (form(io.BytesIO(too_much)), io.BytesIO(too_much), slowly(too_much)):
        refused = await api.call("POST", "/v1/attachments", data=data)
        assert (refused.status, refused.problem) == (413, "too-large")
        assert "5 MB" in refused.body["detail"]
    assert left_over(folder) == []


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"<html><script>alert(1)</script></html>", "not taken"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not taken"),
        (b"MZ\x90\x00" + bytes(100), "not taken"),
        (b"", "empty"),
        (picture()[:20] + b"broken", "damaged"),
    ],
)
async def test_what_is_no_good_file_is_refused(api: Api, folder: Path, data: bytes, words: str) -> None:
    refused = await upload(api, data)
    assert (refused.status, refused.body["cause"]) == (422, "media_rejected")
    assert words in refused.body["detail"]
    assert left_over(folder) == []


async def test_a_form_without_exactly_one_file_is_refused(api: Api, folder: Path) -> None:
    two = form(picture())
    two.add_field("file", picture(), filename="b.png")
    nested = aiohttp.MultipartWriter("form-data")
    nested.append(aiohttp.MultipartWriter("mixed"), CIMultiDict({"Content-Disposition": 'form-data; name="file"'}))
    for data in (form(picture(), name="picture"), two, nested):
        refused = await api.call("POST", "/v1/attachments", data=data)
        assert (refused.status, refused.body["errors"][0]["pointer"]) == (422, "file")
    assert left_over(folder) == []


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b"--x\r\n\r\n--x--"),
        ("multipart/form-data; boundary=x", b"nothing of it"),
        ("multipart/form-data; boundary=x", b""),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data; name=file\r\n\r\nbroken off"),
        ("multipart/form-data; boundary=x", b"--x\r\nno header at all\r\n\r\n\r\n--x--\r\n"),
        ("multipart/form-data; boundary=" + "x" * 100, b"--"),
        ("multipart/form-data; boundary=x", b"--x\r\nA: " + b"a" * 100_000 + b"\r\n\r\n\r\n--x--\r\n"),
        (
            "multipart/form-data; boundary=x",
            b"--x\r\nContent-Disposition: form-data; name*=%%; filename*=\r\n\r\nx\r\n--x--",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore::aiohttp.BadContentDispositionParam")
async def test_a_broken_form_is_refused(api: Api, folder: Path, content_type: str, body: bytes) -> None:
    refused = await api.call("POST", "/v1/attachments", data=body, headers={"Content-Type": content_type})
    assert refused.status in {400, 422}
    assert refused.body["detail"]
    assert left_over(folder) == []


async def test_what_is_not_stored_has_no_content(api: Api, world: World) -> None:
    await world.text("look", media=["https://plain.example/gone.png"])
    (message,) = (await api.get("/v1/messages")).body["items"]
    path = f"/v1/attachments/{message['attachments'][0]['id']}"
    pending = await api.get(f"{path}/content")
    assert (pending.status, pending.body["code"]) == (409, "not_stored")
    assert (await api.get(f"{path}/thumbnail")).status == 404
    assert (await api.get(path)).body["state"] == "pending"
    for tail in ("", "/content", "/thumbnail"):
        assert (await api.get(f"/v1/attachments/att_nope{tail}")).status == 404
