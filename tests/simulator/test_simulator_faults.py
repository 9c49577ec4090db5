"""Everything that can be broken on purpose, one by one."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import aiohttp
import pytest

from simulator.small_bridge import ACCOUNT, PATIENCE_S, PHONE, TOKEN, Bridge, Client, credentials, settings
from smsbridge.simulator import FaultSettings, Simulator, read_faults
from smsbridge.simulator.faults import CHANCES, SHORT_NAMES, UnknownFault


async def put(client: Client, **faults: Any) -> None:
    status, body = await client.call("PUT", "/api/faults", json=faults)
    assert status == 200, body


def statuses(bridge: Bridge) -> list[str]:
    return [post.form["MessageStatus"] for post in bridge.posts]


class TestSends:
    @pytest.mark.parametrize(
        ("fault", "status", "code"), [("send_429", 429, 20429), ("send_500", 500, 20500), ("send_503", 503, None)]
    )
    async def test_a_refusal_records_nothing(
        self, client: Client, simulator: Simulator, fault: str, status: int, code: int | None
    ) -> None:
        await put(client, **{fault: 100, "limit": 1})
        answered, body = await client.send()
        assert (answered, body["code"] if code else body[:6]) == (status, code or "<html>")
        assert not simulator.ledger.sent
        assert (await client.send())[0] == 201, "the limit was one"

    async def test_a_429_says_when_to_come_back_if_told_to(self, client: Client) -> None:
        form = {"To": PHONE, "From": "+15005550006", "Body": "x"}
        for retry_after in (3, None):
            await put(client, send_429=100, retry_after_s=retry_after)
            url = f"{client.account_url}/Messages.json"
            async with client.http.post(url, data=form, headers=credentials(ACCOUNT, TOKEN)) as answer:
                assert answer.headers.get("Retry-After") == (str(retry_after) if retry_after else None)

    @pytest.mark.parametrize(("fault", "recorded"), [("send_timeout_before", 0), ("send_timeout_after", 1)])
    async def test_no_answer_before_or_after_it_was_recorded(
        self, client: Client, simulator: Simulator, fault: str, recorded: int
    ) -> None:
        await put(client, **{fault: 100, "hang_s": 0})
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await client.send(Body="once")
        await client.call("DELETE", "/api/faults")
        assert [sent.body for sent in simulator.ledger.sent] == ["once"] * recorded
        _, listed = await client.api("GET", "/Messages.json")
        assert len(listed["messages"]) == recorded
        waited = await simulator.received(PHONE, wait_s=PATIENCE_S if recorded else 0)
        assert [message.text for message in waited] == ["once"] * recorded
        [line] = [exchange for exchange in simulator.traffic.after(0) if exchange.kind == "send"]
        assert (line.status, "on purpose" in line.summary) == (None, True)

    async def test_a_hanging_send_ends_when_the_simulator_stops(self) -> None:
        made = Simulator(settings())
        await made.start()
        async with aiohttp.ClientSession() as http:
            client = Client(http=http, url=made.url)
            await put(client, send_timeout_after=100, hang_s=600)
            sending = asyncio.create_task(client.send())
            assert await made.received(PHONE, wait_s=PATIENCE_S), "the carrier has it, and its answer hangs"
            async with asyncio.timeout(PATIENCE_S):
                await made.stop()
                with pytest.raises(aiohttp.ClientError):
                    await sending

    async def test_garbage_instead_of_an_answer(self, client: Client, simulator: Simulator) -> None:
        await put(client, send_garbage=100)
        url = f"{client.account_url}/Messages.json"
        form = {"To": PHONE, "From": "+15005550006", "Body": "x"}
        async with client.http.post(url, data=form, headers=credentials(ACCOUNT, TOKEN)) as answer:
            assert answer.status == 201
            with pytest.raises(ValueError, match="codec"):
                await answer.json()
        assert len(simulator.ledger.sent) == 1

    async def test_a_slow_answer(self, client: Client) -> None:
        await put(client, send_slow=100, send_slow_s=0.1)
        started = time.perf_counter()
        assert (await client.send())[0] == 201
        assert time.perf_counter() - started >= 0.1


class TestReceipts:
    async def test_twice(self, client: Client, bridge: Bridge) -> None:
        await put(client, callback_duplicate=100)
        await client.send(StatusCallback=f"{bridge.url}/status")
        await bridge.wait_for_posts(4)
        assert statuses(bridge) == ["sent", "sent", "delivered", "delivered"]
        assert all(post.signed for post in bridge.posts)

    async def test_out_of_order(self, client: Client, bridge: Bridge) -> None:
        await put(client, callback_out_of_order=100)
        await client.send(StatusCallback=bridge.url)
        await bridge.wait_for_posts(2)
        assert statuses(bridge) == ["delivered", "sent"]

    async def test_late_ones_are_overtaken(self, bridge: Bridge) -> None:
        late_s = 600

        async def sleep(seconds: float) -> None:
            await (bridge.wait_for("delivered") if seconds == late_s else asyncio.sleep(seconds))

        async with Simulator(settings(), sleep=sleep) as made, aiohttp.ClientSession() as http:
            client = Client(http=http, url=made.url)
            await put(client, callback_late=100, callback_late_s=late_s, limit=1)
            await client.send(StatusCallback=bridge.url)
            await bridge.wait_for_posts(2)
        assert statuses(bridge) == ["delivered", "sent"]

    async def test_lost_ones_are_never_posted_and_the_text_arrives(
        self, client: Client, simulator: Simulator, bridge: Bridge
    ) -> None:
        await put(client, callback_lost=100, limit=2)
        await client.send(Body="one", StatusCallback=bridge.url)
        assert [message.text for message in await simulator.received(PHONE, wait_s=PATIENCE_S)] == ["one"]
        await client.send(Body="two", StatusCallback=bridge.url)
        await bridge.wait_for_posts(2)
        assert len({post.form["MessageSid"] for post in bridge.posts}) == 1

    async def test_before_the_send_was_answered(self, client: Client, bridge: Bridge) -> None:
        await put(client, callback_before_answer=100)
        status, body = await client.send(StatusCallback=bridge.url)
        assert (status, body["status"]) == (201, "queued")
        assert bridge.posts[0].form["MessageSid"] == body["sid"]
        assert bridge.posts[0].form["MessageStatus"] == "sent"
        await bridge.wait_for("delivered")


class TestWebhooks:
    async def test_twice(self, client: Client, simulator: Simulator, bridge: Bridge) -> None:
        await put(client, webhook_duplicate=100)
        await simulator.text(PHONE, "hi")
        assert len({post.form["MessageSid"] for post in bridge.posts}) == 1
        assert len(bridge.posts) == len(simulator.ledger.posted) == 2

    async def test_lost_ones_can_still_be_listed(self, client: Client, simulator: Simulator, bridge: Bridge) -> None:
        await put(client, webhook_lost=100)
        assert (await simulator.text(PHONE, "hi")).answer is None
        assert not bridge.posts
        _, listed = await client.api("GET", "/Messages.json")
        assert [message["body"] for message in listed["messages"]] == ["hi"]


class TestMedia:
    async def _download(self, client: Client, bridge: Bridge) -> tuple[int, bytes]:
        url = bridge.posts[-1].form["MediaUrl0"]
        async with client.http.get(url, headers=credentials(ACCOUNT, TOKEN), allow_redirects=False) as answer:
            if answer.status != 307:
                return answer.status, b""
            there = answer.headers["Location"]
        async with client.http.get(there) as answer:
            return answer.status, await answer.read()

    async def test_not_there_yet(self, client: Client, simulator: Simulator, bridge: Bridge) -> None:
        await simulator.text(PHONE, "", media=["photo.jpg"])
        await put(client, media_404=100, limit=1)
        assert [(await self._download(client, bridge))[0] for _ in range(2)] == [404, 200]

    async def test_broken(self, client: Client, simulator: Simulator, bridge: Bridge) -> None:
        await simulator.text(PHONE, "", media=["photo.jpg"])
        _, whole = await self._download(client, bridge)
        await put(client, media_broken=100)
        assert await self._download(client, bridge) == (200, whole[: len(whole) // 2])

    async def test_slow(self, client: Client, simulator: Simulator, bridge: Bridge) -> None:
        await simulator.text(PHONE, "", media=["contact.vcf"])
        await put(client, media_slow=100, media_slow_s=0.1)
        started = time.perf_counter()
        assert (await self._download(client, bridge))[0] == 200
        assert time.perf_counter() - started >= 0.1


async def test_a_lookup_breaks(client: Client) -> None:
    await put(client, lookup_500=100)
    status, body = await client.call("GET", f"/v2/PhoneNumbers/{PHONE}", headers=credentials(ACCOUNT, TOKEN))
    assert (status, body["code"]) == (500, 20500)


class TestSetting:
    async def test_put_replaces_patch_changes_delete_ends(self, client: Client) -> None:
        await put(client, send_500=10, callback_late=20)
        _, body = await client.call("PATCH", "/api/faults", json={"callback_late": 30})
        assert (body["faults"]["send_500"], body["faults"]["callback_late"]) == (10, 30)
        await put(client, callback_lost=5)
        _, body = await client.call("GET", "/api/faults")
        assert [name for name in CHANCES if body["faults"][name]] == ["callback_lost"]
        assert (await client.call("DELETE", "/api/faults"))[0] == 204
        _, body = await client.call("GET", "/api/faults")
        assert body["faults"] == FaultSettings().json()

    async def test_how_often_each_struck_is_counted(self, client: Client) -> None:
        await put(client, send_500=100, limit=2)
        assert [(await client.send())[0] for _ in range(3)] == [500, 500, 201]
        assert (await client.call("GET", "/api/faults"))[1]["struck"] == {"send_500": 2}

    async def test_a_chance_is_a_chance(self, client: Client) -> None:
        await put(client, send_500=50)
        refused = [(await client.send())[0] for _ in range(40)].count(500)
        assert 8 < refused < 32

    @pytest.mark.parametrize(
        "body",
        [
            [],
            None,
            {"send_501": 10},
            {"send_500": 101},
            {"send_500": -1},
            {"send_500": "10"},
            {"send_500": True},
            {"send_500": None},
            {"limit": 1.5},
            {"limit": -1},
            {"retry_after_s": 0.5},
            {"hang_s": 601},
        ],
    )
    async def test_what_is_none_is_refused_and_changes_nothing(self, client: Client, body: Any) -> None:
        await put(client, send_500=100)
        status, answer = await client.call("PUT", "/api/faults", json=body)
        assert (status, answer["error"]) == ((400, "unreadable") if body is None else (422, "unknown_fault"))
        assert (await client.call("GET", "/api/faults"))[1]["faults"]["send_500"] == 100

    async def test_an_unknown_one_names_the_right_ones(self, client: Client) -> None:
        _, answer = await client.call("PUT", "/api/faults", json={"send_501": 10})
        assert all(name in answer["detail"] for name in CHANCES)


class TestOnTheCommandLine:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("", FaultSettings()),
            ("drop=10,dup=20", FaultSettings(send_timeout_after=10, callback_duplicate=20)),
            (" 429 = 5% , retry_after_s=2, ", FaultSettings(send_429=5, retry_after_s=2)),
            ("media_slow=1.5,media_slow_s=0.5,limit=3", FaultSettings(media_slow=1.5, media_slow_s=0.5, limit=3)),
        ],
    )
    def test_short_and_full_names_are_read(self, text: str, expected: FaultSettings) -> None:
        assert read_faults(text) == expected

    @pytest.mark.parametrize("text", ["drop", "drop=", "drop=x", "drop=nan", "drop=200", "explode=10", "limit=1.5"])
    def test_what_is_none_is_refused_with_the_right_ones(self, text: str) -> None:
        with pytest.raises(UnknownFault):
            read_faults(text)

    def test_an_unknown_one_names_the_short_ones(self) -> None:
        with pytest.raises(UnknownFault, match="drop") as refused:
            read_faults("explode=10")
        assert all(name in str(refused.value) for name in SHORT_NAMES)
        assert set(SHORT_NAMES.values()) <= set(CHANCES)
