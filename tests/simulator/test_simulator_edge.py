"""Who may use the simulator, what it shows of the wire, and how it starts and stops."""

from __future__ import annotations

import asyncio
import io
import json
import re
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from PIL import Image

from simulator.small_bridge import OURS, PATIENCE_S, PHONE, TOKEN, Bridge, Client, settings
from smsbridge.simulator import Simulator
from smsbridge.simulator.samples import BOMB_SIDE_PX, HUGE_BYTES, RECIPES

SOURCE = Path(__file__).parents[2] / "src/smsbridge/simulator"


@pytest.mark.parametrize("path", sorted(SOURCE.glob("*.py")), ids=lambda path: path.name)
def test_it_knows_the_bridge_by_its_wire_formats_only(path: Path) -> None:
    imported = re.findall(r"^\s*(?:from|import) (smsbridge[\w.]*)", path.read_text(), re.MULTILINE)
    assert not [name for name in imported if not name.startswith("smsbridge.wire.")]


class TestSettings:
    @pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.com", "localhost.example.com", ""])
    def test_it_binds_to_this_computer_only(self, host: str) -> None:
        with pytest.raises(ValueError, match=r"127\.0\.0\.1"):
            settings(host=host)

    @pytest.mark.parametrize(
        "changes",
        [
            {"account_sid": "AC1"},
            {"auth_token": ""},
            {"senders": ()},
            {"senders": ("5005550006x",)},
            {"senders": (OURS, OURS)},
        ],
    )
    def test_what_cannot_work_is_refused(self, changes: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match=next(iter(changes)).removesuffix("s")):
            settings(**changes)

    def test_secrets_do_not_show(self) -> None:
        shown = repr(settings(api_keys=(("SK1", "secret"),)))
        assert TOKEN not in shown
        assert "secret" not in shown


class TestStartingAndStopping:
    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
    async def test_it_answers_at_its_url(self, host: str) -> None:
        async with Simulator(settings(host=host)) as made, aiohttp.ClientSession() as http:
            status, body = await Client(http=http, url=made.url).call("GET", "/api")
        assert (status, body["senders"][0]) == (200, OURS)

    async def test_it_has_no_url_before(self) -> None:
        with pytest.raises(RuntimeError):
            _ = Simulator(settings()).url

    async def test_a_port_that_is_taken_is_an_error(self, simulator: Simulator) -> None:
        port = int(simulator.url.rpartition(":")[2])
        with pytest.raises(OSError, match="in use"):
            await Simulator(settings(port=port)).start()

    async def test_nothing_is_left_behind(self, bridge: Bridge) -> None:
        before = asyncio.all_tasks()
        made = Simulator(settings(sent_after_s=600))
        await made.start()
        async with aiohttp.ClientSession() as http:
            client = Client(http=http, url=made.url)
            await client.send(StatusCallback=bridge.url)
            stream = await http.get(f"{made.url}/api/traffic/stream")
            async with asyncio.timeout(PATIENCE_S):
                await made.stop()
            stream.close()
        left = {task.get_name() for task in asyncio.all_tasks() - before}
        assert not [name for name in left if name.startswith(("deliver", "callback"))]
        assert not bridge.posts

    async def test_one_seed_gives_the_same_sids(self) -> None:
        sids = []
        for _ in range(2):
            async with Simulator(settings(seed=3)) as made:
                sids.append((await made.text(PHONE, "hi")).message_sid)
        async with Simulator(settings(seed=None)) as made:
            sids.append((await made.text(PHONE, "hi")).message_sid)
        assert sids[0] == sids[1] != sids[2]

    @pytest.mark.parametrize(
        ("number", "to", "media"), [("nobody", None, []), (PHONE, "+1", []), (PHONE, None, ["nothing.jpg"])]
    )
    async def test_in_process_mistakes_are_told(
        self, simulator: Simulator, number: str, to: str | None, media: list[str]
    ) -> None:
        with pytest.raises(ValueError, match="no"):
            await simulator.text(number, "hi", to=to, media=media)


class TestPagesOfOthers:
    @pytest.mark.parametrize(
        "headers", [{"Host": "evil.example"}, {"Origin": "https://evil.example"}, {"Origin": "null"}]
    )
    async def test_they_are_refused(self, client: Client, bridge: Bridge, headers: dict[str, str]) -> None:
        path = "/api/phones/447700900123/messages"
        status, body = await client.call("POST", path, json={"text": "hi"}, headers=headers)
        assert (status, body["error"][:7]) == (403, "foreign")
        assert not bridge.posts

    async def test_a_page_of_this_computer_may(self, client: Client) -> None:
        origin = {"Origin": "http://127.0.0.1:8398"}
        async with client.http.options(f"{client.url}/api/faults", headers=origin) as answer:
            assert answer.status == 204
            assert "PUT" in answer.headers["Access-Control-Allow-Methods"]
        for path in ("/api/faults", "/api/phones/x", "/api/traffic/stream"):
            async with client.http.get(client.url + path, headers=origin) as answer:
                assert answer.headers["Access-Control-Allow-Origin"] == origin["Origin"], path

    @pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nothing", 404), ("POST", "/api/faults", 405)])
    async def test_what_is_not_there_is_told_in_json(self, client: Client, method: str, path: str, status: int) -> None:
        answered, body = await client.call(method, path)
        assert (answered, set(body)) == (status, {"error", "detail"})


class TestTraffic:
    async def test_every_request_is_one_line(self, client: Client, simulator: Simulator, bridge: Bridge) -> None:
        await client.send(StatusCallback=f"{bridge.url}/status?ref=7")
        await bridge.wait_for("delivered")
        await simulator.text(PHONE, "hi", media=["photo.jpg"])
        await client.api("GET", "/Messages.json")
        _, body = await client.call("GET", "/api/traffic")
        lines = {item["kind"]: item for item in body["items"]}
        assert list(lines) == ["send", "callback", "webhook", "list"]
        send, webhook = lines["send"], lines["webhook"]
        assert (send["direction"], send["status"], send["signature"]) == ("bridge→carrier", 201, "none")
        assert send["summary"].startswith("queued as SM")
        assert ["Body", "hello"] in send["body"]
        assert (webhook["direction"], webhook["signature"], webhook["from"]) == ("carrier→bridge", "valid", PHONE)
        assert TOKEN not in json.dumps(body)
        _, rest = await client.call("GET", f"/api/traffic?after={body['items'][-2]['seq']}")
        assert rest["items"] == body["items"][-1:]

    async def test_it_is_bounded_and_can_be_cleared(self, bridge: Bridge) -> None:
        async with Simulator(settings(hook_url=bridge.url, max_traffic=3)) as made, aiohttp.ClientSession() as http:
            for number in range(5):
                await made.text(PHONE, str(number))
            client = Client(http=http, url=made.url)
            _, body = await client.call("GET", "/api/traffic")
            assert [item["seq"] for item in body["items"]] == [3, 4, 5]
            await client.call("DELETE", "/api/traffic")
            assert (await client.call("GET", "/api/traffic"))[1] == {"items": [], "last_seq": 5}

    async def test_a_stream_tells_each_line_once_and_goes_on_where_it_broke(
        self, client: Client, simulator: Simulator
    ) -> None:
        async with client.http.get(f"{client.url}/api/traffic/stream") as stream:
            assert stream.content_type == "text/event-stream"
            await simulator.text(PHONE, "one")
            await simulator.text(PHONE, "two")
            assert [await _event(stream), await _event(stream)] == [("1", "one"), ("2", "two")]
        await simulator.text(PHONE, "three")
        headers = {"Last-Event-ID": "2"}
        async with client.http.get(f"{client.url}/api/traffic/stream", headers=headers) as stream:
            assert await _event(stream) == ("3", "three")

    async def test_a_stream_that_asks_for_phones_is_told_of_each_that_changes(
        self, client: Client, simulator: Simulator
    ) -> None:
        async with client.http.get(f"{client.url}/api/traffic/stream?phones=1") as stream:
            simulator.become(PHONE, "landline")
            assert await _event(stream) == ("phone", "")
            await simulator.text(PHONE, "hello")
            assert {await _event(stream), await _event(stream)} == {("phone", ""), ("1", "hello")}
            await client.call("DELETE", f"/api/phones/{PHONE}/messages")
            assert await _event(stream) == ("phone", "")

    async def test_a_reader_who_missed_too_much_is_told(self, bridge: Bridge) -> None:
        made = Simulator(settings(hook_url=bridge.url, max_traffic=2))
        async with made, aiohttp.ClientSession() as http:
            for number in range(5):
                await made.text(PHONE, str(number))
            async with http.get(f"{made.url}/api/traffic/stream?after=0") as stream:
                assert await _event(stream) == ("resync", "")
                assert await _event(stream) == ("4", "3")


async def _event(stream: aiohttp.ClientResponse) -> tuple[str, str]:
    """The id and the text of the next event; the name of one without id."""
    event: dict[str, str] = {}
    async with asyncio.timeout(PATIENCE_S):
        while True:
            line = (await stream.content.readline()).decode().strip()
            name, _, value = line.partition(": ")
            if line:
                event[name] = value
            elif "data" in event:
                break
            else:
                event.clear()
    body = dict(json.loads(event["data"]).get("body", []))
    return event.get("id", event.get("event", "")), body.get("Body", "")


class TestLedger:
    async def test_it_tells_what_was_taken_and_what_was_answered(
        self, client: Client, simulator: Simulator, bridge: Bridge
    ) -> None:
        _, sent = await client.send(StatusCallback=f"{bridge.url}/status?ref=out-7")
        texted = await simulator.text(PHONE, "hi")
        _, body = await client.call("GET", "/api/ledger")
        [item] = body["items"]
        assert (item["sid"], item["from"], item["to"], item["body"], item["ref"]) == (
            sent["sid"],
            OURS,
            PHONE,
            "hello",
            "out-7",
        )
        _, body = await client.call("GET", "/api/ledger/inbound")
        [item] = body["items"]
        assert (item["sid"], item["status"], item["attempts"], body["total"]) == (texted.message_sid, 200, 1, 1)
        assert (await client.call("GET", "/api/ledger/inbound?after=1"))[1]["items"] == []
        await client.call("DELETE", "/api/ledger")
        assert (await client.call("GET", "/api/ledger"))[1] == {"items": [], "total": 0}


class TestSamples:
    @pytest.mark.parametrize("name", RECIPES)
    async def test_each_is_served_as_it_is_listed_and_always_the_same(self, client: Client, name: str) -> None:
        _, listed = await client.call("GET", "/api/samples")
        [recipe] = [item for item in listed["items"] if item["name"] == name]
        async with client.http.get(recipe["url"]) as answer:
            assert (answer.status, answer.headers["Content-Type"]) == (200, recipe["content_type"])
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert await answer.read() == RECIPES[name].make()

    @pytest.mark.parametrize(
        ("name", "kind", "frames"), [("photo.jpg", "JPEG", 1), ("photo.png", "PNG", 1), ("animation.gif", "GIF", 12)]
    )
    def test_the_pictures_are_pictures(self, name: str, kind: str, frames: int) -> None:
        with Image.open(io.BytesIO(RECIPES[name].make())) as image:
            image.load()
            assert (image.format, getattr(image, "n_frames", 1)) == (kind, frames)
            assert len(image.convert("RGB").resize((64, 48)).getcolors(64 * 48) or ()) > 30, "nothing to look at"

    @pytest.mark.parametrize("name", ["corrupt.jpg", "fake.jpg", "empty.jpg"])
    def test_the_bad_ones_cannot_be_read(self, name: str) -> None:
        picture = io.BytesIO(RECIPES[name].make())
        with pytest.raises(OSError, match=r"cannot identify|truncated"), Image.open(picture) as image:
            image.load()

    def test_the_bomb_is_small_and_opens_huge(self) -> None:
        bomb = RECIPES["bomb.png"].make()
        assert len(bomb) < 100_000
        with pytest.raises(Image.DecompressionBombError, match="exceeds"):
            Image.open(io.BytesIO(bomb))
        assert int.from_bytes(bomb[16:20]) == BOMB_SIDE_PX

    def test_the_others_are_what_they_say(self) -> None:
        assert RECIPES["fake.jpg"].make()[:2] == b"MZ"
        huge = RECIPES["huge.mp4"].make()
        assert (len(huge), huge[4:8]) == (HUGE_BYTES, b"ftyp")
        note = RECIPES["note.pdf"].make()
        table = int(note.rsplit(b"startxref\n", 1)[1].split()[0])
        assert note[table : table + 4] == b"xref"
        for number, line in enumerate(note[table:].split(b"\n")[3:8], start=1):
            offset = int(line.split()[0])
            assert note[offset:].startswith(b"%d 0 obj" % number)
        assert RECIPES["contact.vcf"].make().startswith(b"BEGIN:VCARD\r\nVERSION:3.0\r\n")
