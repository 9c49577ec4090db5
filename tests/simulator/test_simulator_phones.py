"""The phones: what they text, what reaches them, and who they can be."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from ports import free_port
from simulator.small_bridge import OURS, PATIENCE_S, PHONE, Bridge, Client, settings
from smsbridge.simulator import PERSONAS, Simulator
from smsbridge.simulator.callbacks import Overrides, read_overrides

MESSAGES = "/api/phones/%2B447700900123/messages"


class TestTexting:
    async def test_the_webhook_is_signed_as_twilio_signs_it(self, client: Client, bridge: Bridge) -> None:
        status, body = await client.call("POST", MESSAGES, json={"text": "Hi, is my order ready? ☺\nÀ bientôt"})
        assert (status, body["webhook"]["status"], body["webhook"]["ok"]) == (201, 200, True)
        [post] = bridge.posts
        assert post.signed
        assert "?x=a%2Fb&y=" in post.url, "the query must arrive as it was written, for the signature covers it"
        form = post.form
        assert (form["MessageSid"], form["From"], form["To"]) == (body["message_sid"], PHONE, OURS)
        assert (form["NumMedia"], form["ToCountry"], form["ToZip"]) == ("0", "US", "")
        assert form["Body"] == "Hi, is my order ready? ☺\nÀ bientôt"
        assert post.headers["I-Twilio-Idempotency-Token"]

    async def test_a_webhook_by_get_is_signed_over_its_query(self, client: Client, bridge: Bridge) -> None:
        _, listed = await client.api("GET", "/IncomingPhoneNumbers.json")
        path = f"/IncomingPhoneNumbers/{listed['incoming_phone_numbers'][0]['sid']}.json"
        await client.api("POST", path, data={"SmsMethod": "GET"})
        await client.call("POST", MESSAGES, json={"text": "a+b ☺"})
        [post] = bridge.posts
        assert (post.form, post.signed) == ({}, True)
        assert "Body=a%2Bb+%E2%98%BA" in post.url

    async def test_media_are_named_in_order(self, client: Client, bridge: Bridge) -> None:
        picture = "data:image/png;base64,iVBORw0KGgo="
        media = ["photo.jpg", picture, f"{client.url}/samples/contact.vcf"]
        status, body = await client.call("POST", MESSAGES, json={"media": media})
        assert (status, body["message_sid"][:2]) == (201, "MM")
        form = bridge.posts[0].form
        types = [form[f"MediaContentType{number}"] for number in range(3)]
        assert (form["NumMedia"], form["Body"], types) == ("3", "", ["image/jpeg", "image/png", "text/vcard"])

    @pytest.mark.parametrize("number", ["+447700900123", "447700900123", "%2B44%207700%20900123"])
    async def test_a_number_may_be_written_as_people_do(self, client: Client, bridge: Bridge, number: str) -> None:
        await client.call("POST", f"/api/phones/{number}/messages", json={"text": "hi"})
        assert bridge.posts[0].form["From"] == PHONE

    async def test_any_of_our_numbers_can_be_texted(self, client: Client, bridge: Bridge) -> None:
        await client.call("POST", MESSAGES, json={"text": "hi", "to": "15005550199"})
        assert bridge.posts[0].form["To"] == "+15005550199"

    async def test_the_list_of_messages_has_it_too(self, client: Client) -> None:
        await client.call("POST", MESSAGES, json={"text": "hi"})
        _, listed = await client.api("GET", f"/Messages.json?To=%2B{OURS[1:]}")
        [message] = listed["messages"]
        assert (message["direction"], message["status"], message["body"]) == ("inbound", "received", "hi")
        assert message["date_sent"] is not None

    async def test_without_a_webhook_it_can_only_be_listed(self) -> None:
        async with Simulator(settings()) as made:
            texted = await made.text(PHONE, "hi")
        assert texted.answer is None
        assert "has no webhook" in texted.detail


class TestWhatTheWebhookAnswers:
    @pytest.mark.parametrize(
        ("content_type", "body", "expected"),
        [
            ("text/xml", "<Response/>", []),
            ("text/xml", "<Response><Message>Thanks</Message></Response>", ["Thanks"]),
            (
                "application/xml",
                "<Response><Message><Body>a</Body></Message><Message>b</Message></Response>",
                ["a", "b"],
            ),
            ("text/plain", "OK", ["OK"]),
        ],
    )
    async def test_messages_in_it_reach_the_phone(
        self, simulator: Simulator, bridge: Bridge, content_type: str, body: str, expected: list[str]
    ) -> None:
        async def answer(_: web.Request) -> web.Response:
            return web.Response(text=body, content_type=content_type)

        bridge.answer = answer
        await simulator.text(PHONE, "hi")
        texts: set[str] = set()
        seen = 0
        while len(texts) < len(expected):
            for message in await simulator.received(PHONE, after=seen, wait_s=PATIENCE_S):
                seen = message.seq
                if message.direction == "received":
                    texts.add(message.text)
        assert texts == set(expected)

    @pytest.mark.parametrize(
        ("content_type", "body", "code"),
        [
            ("application/json", "{}", "12300"),
            ("text/xml", "<Response>", "12100"),
            ("text/xml", '<!DOCTYPE a [<!ENTITY b "c">]><Response>&b;</Response>', "12100"),
            ("text/xml", "<Answer/>", "12102"),
            ("text/xml", f"<Response>{'<Message>x</Message>' * 11}</Response>", "14109"),
        ],
    )
    async def test_what_is_no_twiml_is_told(
        self, simulator: Simulator, bridge: Bridge, content_type: str, body: str, code: str
    ) -> None:
        async def answer(_: web.Request) -> web.Response:
            return web.Response(text=body, content_type=content_type)

        bridge.answer = answer
        assert (await simulator.text(PHONE, "hi")).detail.startswith(code)

    async def test_an_answer_without_end_is_cut_off(self, simulator: Simulator, bridge: Bridge) -> None:
        async def answer(_: web.Request) -> web.Response:
            return web.Response(text="x" * 70_000, content_type="text/xml")

        bridge.answer = answer
        got = (await simulator.text(PHONE, "hi")).answer
        assert got is not None
        assert got.error_code == 11750


class TestRetries:
    """https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides"""

    @pytest.mark.parametrize(
        ("fragment", "expected"),
        [
            ("", Overrides()),
            ("rc=3&rp=all&rt=5000", Overrides(rc=3, rp=frozenset({"all"}), rt_ms=5000)),
            ("rc=6&ct=99&tt=x&rp=ct,5xx", Overrides(rp=frozenset({"ct", "5xx"}))),
        ],
    )
    def test_the_fragment_overrides(self, fragment: str, expected: Overrides) -> None:
        assert read_overrides(fragment) == expected

    async def test_a_500_is_not_retried_by_default(self, simulator: Simulator, bridge: Bridge) -> None:
        async def answer(_: web.Request) -> web.Response:
            return web.Response(status=500)

        bridge.answer = answer
        got = (await simulator.text(PHONE, "hi")).answer
        assert got is not None
        assert (got.status, got.attempts, got.error_code, len(bridge.posts)) == (500, 1, 11200, 1)

    async def test_a_500_is_retried_where_the_url_asks_for_it(self, simulator: Simulator, bridge: Bridge) -> None:
        async def answer(_: web.Request) -> web.Response:
            done = len(bridge.posts) == 3
            return web.Response(status=200 if done else 500, text="<Response/>", content_type="text/xml")

        bridge.answer = answer
        simulator.set_hook_url(f"{bridge.url}/hook#rc=5&rp=5xx")
        got = (await simulator.text(PHONE, "hi")).answer
        assert got is not None
        assert (got.status, got.attempts) == (200, 3)
        assert len({post.headers["I-Twilio-Idempotency-Token"] for post in bridge.posts}) == 1
        assert all(post.signed for post in bridge.posts)

    async def test_a_refused_connection_is_tried_twice_and_then_the_fallback(
        self, client: Client, simulator: Simulator, bridge: Bridge
    ) -> None:
        primary = f"http://127.0.0.1:{free_port()}/hook"
        _, listed = await client.api("GET", "/IncomingPhoneNumbers.json")
        path = f"/IncomingPhoneNumbers/{listed['incoming_phone_numbers'][0]['sid']}.json"
        await client.api("POST", path, data={"SmsUrl": primary, "SmsFallbackUrl": f"{bridge.url}/fallback"})
        got = (await simulator.text(PHONE, "hi")).answer
        assert got is not None
        assert got.status == 200
        [first, second] = simulator.ledger.posted
        assert (first.url, first.status, first.attempts) == (primary, None, 2)
        assert second.url.endswith("/fallback")
        form = bridge.posts[0].form
        assert (form["ErrorCode"], form["ErrorUrl"], bridge.posts[0].signed) == ("11202", primary, True)

    async def test_an_answer_that_does_not_come_is_given_up(self, simulator: Simulator, bridge: Bridge) -> None:
        released = asyncio.Event()

        async def answer(_: web.Request) -> web.Response:
            await released.wait()
            return web.Response()

        bridge.answer = answer
        simulator.set_hook_url(f"{bridge.url}/hook#rt=100")
        got = (await simulator.text(PHONE, "hi")).answer
        released.set()
        assert got is not None
        assert (got.status, got.attempts, got.failure) == (None, 1, "rt")


class TestWaiting:
    async def test_a_reader_is_woken_by_the_text_it_waits_for(self, client: Client) -> None:
        waiting = asyncio.create_task(client.call("GET", f"{MESSAGES}?wait=30"))
        _, sent = await client.send(Body="here it is")
        async with asyncio.timeout(PATIENCE_S):
            _, body = await waiting
        assert [(item["direction"], item["text"], item["sid"]) for item in body["items"]] == [
            ("received", "here it is", sent["sid"])
        ]

    async def test_what_came_before_the_question_is_told_at_once(
        self, client: Client, simulator: Simulator, bridge: Bridge
    ) -> None:
        await client.send(StatusCallback=bridge.url)
        await bridge.wait_for("delivered")
        async with asyncio.timeout(PATIENCE_S):
            _, body = await client.call("GET", f"{MESSAGES}?wait=30s")
        assert len(body["items"]) == 1

    async def test_its_own_text_wakes_nobody_and_time_ends_the_waiting(self, client: Client) -> None:
        await client.call("POST", MESSAGES, json={"text": "hi"})
        _, body = await client.call("GET", f"{MESSAGES}?wait=0.05&after=0")
        assert [item["direction"] for item in body["items"]] == ["sent"]

    async def test_after_skips_what_is_known(self, client: Client) -> None:
        _, first = await client.call("POST", MESSAGES, json={"text": "one"})
        await client.call("POST", MESSAGES, json={"text": "two"})
        _, body = await client.call("GET", f"{MESSAGES}?after={first['message']['seq']}")
        assert [item["text"] for item in body["items"]] == ["two"]

    async def test_delete_clears_the_screen(self, client: Client) -> None:
        await client.call("POST", MESSAGES, json={"text": "one"})
        assert (await client.call("DELETE", MESSAGES))[0] == 204
        assert (await client.call("GET", MESSAGES))[1]["items"] == []

    async def test_stopping_ends_all_waiting(self) -> None:
        made = Simulator(settings())
        await made.start()
        waiting = asyncio.create_task(made.received(PHONE, wait_s=60))
        await asyncio.sleep(0)
        async with asyncio.timeout(PATIENCE_S):
            await made.stop()
            assert await waiting == []


_OUTCOMES = {
    "mobile": ["sent", "delivered"],
    "landline": 21614,
    "landline_late": ["sent", "undelivered 30006"],
    "switched_off": ["sent", "undelivered 30003"],
    "unreachable": ["sent", "undelivered 30003"],
    "unknown_handset": ["sent", "undelivered 30005"],
    "blocked": ["sent", "undelivered 30004"],
    "filtered": ["sent", "undelivered 30007"],
    "opted_out": 21610,
    "invalid": 21211,
    "wrong_sender": 21606,
    "unregistered_sender": ["sent", "undelivered 30034"],
    "expired": ["failed 30036"],
    "slow": ["sent", "delivered"],
    "silent": ["sent"],
    "rate_limited": 20429,
    "unknown_error": ["sent", "undelivered 30008"],
    "no_mms": ["sent", "delivered"],
}


class TestPersonas:
    @pytest.mark.parametrize(("persona", "outcome"), _OUTCOMES.items())
    async def test_each_ends_as_it_is_described(
        self, client: Client, simulator: Simulator, bridge: Bridge, persona: str, outcome: Any
    ) -> None:
        status, phone = await client.call("PUT", "/api/phones/447700900123", json={"persona": persona})
        assert (status, phone["persona"]) == (200, persona)
        status, body = await client.send(StatusCallback=f"{bridge.url}/status?ref=1")
        if isinstance(outcome, int):
            assert (status, body["code"]) == (429 if outcome == 20429 else 400, outcome)
            return
        assert status == 201
        posts = await bridge.wait_for(outcome[-1].split()[0])
        told = [" ".join(filter(None, (p.form["MessageStatus"], p.form.get("ErrorCode")))) for p in posts]
        assert told == outcome
        assert all(post.signed for post in posts)
        assert bool(await simulator.received(PHONE)) == (outcome[-1] in ("delivered", "sent"))
        _, fetched = await client.api("GET", f"/Messages/{body['sid']}.json")
        code = outcome[-1].partition(" ")[2]
        assert (fetched["status"], fetched["error_code"]) == (outcome[-1].split()[0], int(code) if code else None)

    def test_all_but_the_flaky_one_are_covered(self) -> None:
        assert {*_OUTCOMES, "flaky"} == set(PERSONAS)

    async def test_the_flaky_one_fails_about_every_other_time(
        self, client: Client, simulator: Simulator, bridge: Bridge
    ) -> None:
        simulator.become(PHONE, "flaky")
        for _ in range(30):
            await client.send(StatusCallback=bridge.url)
        posts = await bridge.wait_for_posts(60)
        delivered = sum(post.form["MessageStatus"] == "delivered" for post in posts)
        assert 5 < delivered < 25

    async def test_no_mms_refuses_pictures_only(self, client: Client, simulator: Simulator, bridge: Bridge) -> None:
        simulator.become(PHONE, "no_mms")
        await client.send(MediaUrl=f"{simulator.url}/samples/photo.png", StatusCallback=bridge.url)
        assert (await bridge.wait_for("undelivered"))[-1].form["ErrorCode"] == "30011"

    async def test_the_slow_one_takes_its_time(self, bridge: Bridge) -> None:
        slept: list[float] = []

        async def sleep(seconds: float) -> None:
            slept.append(seconds)

        made = Simulator(settings(sent_after_s=2, settled_after_s=3, slow_factor=10, time_scale=0.5), sleep=sleep)
        async with made, aiohttp.ClientSession() as http:
            made.become(PHONE, "slow")
            await Client(http=http, url=made.url).send(StatusCallback=bridge.url)
            await bridge.wait_for("delivered")
        assert slept == [10, 15]

    async def test_they_are_listed_with_what_they_do(self, client: Client) -> None:
        _, body = await client.call("GET", "/api/personas")
        assert [item["name"] for item in body["items"]] == list(PERSONAS)
        assert all(item["title"] and item["description"] for item in body["items"])

    async def test_an_unknown_one_is_refused_with_the_right_ones(self, client: Client) -> None:
        status, body = await client.call("PUT", "/api/phones/447700900123", json={"persona": "martian"})
        assert (status, body["error"], body["known"]) == (422, "unknown_persona", list(PERSONAS))

    async def test_a_published_test_number_stays_what_it_is(self, client: Client) -> None:
        status, body = await client.call("PUT", "/api/phones/15005550009", json={"persona": "mobile"})
        assert (status, body["error"]) == (422, "fixed_fate")
        assert (await client.call("GET", "/api/phones/15005550009"))[1]["fixed_fate"] == 21614


class TestOptingOut:
    async def test_stop_blocks_this_sender_until_start(self, client: Client, bridge: Bridge) -> None:
        await client.call("POST", MESSAGES, json={"text": " stop "})
        assert bridge.posts[-1].form["Body"] == " stop "
        assert "OptOutType" not in bridge.posts[-1].form
        _, body = await client.call("GET", MESSAGES)
        assert "unsubscribed" in body["items"][-1]["text"]
        assert (await client.send())[1]["code"] == 21610
        assert (await client.send(From="+15005550199"))[0] == 201
        assert (await client.call("GET", "/api/phones/447700900123"))[1]["opted_out_of"] == [OURS]
        await client.call("POST", MESSAGES, json={"text": "START"})
        assert (await client.send())[0] == 201

    async def test_a_sentence_with_stop_in_it_is_no_opt_out(self, client: Client) -> None:
        await client.call("POST", MESSAGES, json={"text": "STOP PLEASE"})
        assert (await client.send())[0] == 201

    async def test_help_is_answered_by_the_carrier(self, client: Client) -> None:
        await client.call("POST", MESSAGES, json={"text": "help"})
        _, body = await client.call("GET", MESSAGES)
        assert [item["direction"] for item in body["items"]] == ["sent", "received"]

    async def test_start_ends_the_persona(self, client: Client, simulator: Simulator) -> None:
        simulator.become(PHONE, "opted_out")
        assert (await client.send())[1]["code"] == 21610
        await simulator.text(PHONE, "unstop")
        assert (await client.send())[0] == 201


class TestHostileInput:
    @pytest.mark.parametrize(
        ("body", "error"),
        [
            (b"", "unreadable"),
            (b"{", "unreadable"),
            (b'{"text": "\xff"}', "unreadable"),
            (b"[" * 2000, "unreadable"),
            (b"[]", "not_an_object"),
            (b"{}", "empty"),
            (b'{"texts": "hi"}', "unknown_field"),
            (b'{"text": 1}', "bad_text"),
            (b'{"text": "\\ud800"}', "bad_text"),
            (json.dumps({"text": "x" * 1601}).encode(), "bad_text"),
            (b'{"media": "photo.jpg"}', "bad_media"),
            (b'{"media": [1]}', "bad_media"),
            (json.dumps({"media": ["photo.jpg"] * 11}).encode(), "bad_media"),
            (b'{"media": ["nothing.jpg"]}', "unknown_media"),
            (b'{"media": ["http://192.0.2.1/a.jpg"]}', "unknown_media"),
            (b'{"media": ["file:///etc/passwd"]}', "unknown_media"),
            (b'{"media": ["data:image/png;base64,!"]}', "bad_media"),
            (b'{"text": "hi", "to": "+15005550111"}', "unknown_number"),
            (b'{"text": "hi", "to": 5}', "unknown_number"),
        ],
    )
    async def test_a_text_that_is_none_is_refused_and_changes_nothing(
        self, client: Client, bridge: Bridge, body: bytes, error: str
    ) -> None:
        status, answer = await client.call("POST", MESSAGES, data=body)
        assert (status, answer["error"]) == (400 if error == "unreadable" else 422, error)
        assert answer["detail"]
        assert not bridge.posts

    @pytest.mark.parametrize("number", ["nobody", "%00", "1", "+0441234567", "9" * 40])
    async def test_a_number_that_is_none_is_refused(self, client: Client, number: str) -> None:
        status, answer = await client.call("POST", f"/api/phones/{number}/messages", json={"text": "hi"})
        assert (status, answer["error"]) == (422, "bad_number")

    @pytest.mark.parametrize("query", ["wait=-1", "wait=nan", "wait=61", "after=x", "after=-1"])
    async def test_a_wrong_parameter_is_refused(self, client: Client, query: str) -> None:
        assert (await client.call("GET", f"{MESSAGES}?{query}"))[0] == 422

    async def test_phones_and_texts_are_bounded(self) -> None:
        made = Simulator(settings(max_phones=3, max_messages_per_phone=2))
        async with made:
            made.become("+447700900001", "landline")
            for number in range(10):
                await made.text(f"+44770090010{number}", "hi")
            for number in range(5):
                await made.text("+447700900001", f"text {number}")
            async with aiohttp.ClientSession() as http:
                _, body = await Client(http=http, url=made.url).call("GET", "/api/phones")
        assert [(item["number"], item["sent"]) for item in body["items"]][-1] == ("+447700900001", 2)
        assert len(body["items"]) == 3

    async def test_opt_outs_are_bounded(self) -> None:
        async with Simulator(settings(max_phones=2)) as made:
            for number in range(4):
                await made.text(f"+44770090010{number}", "STOP")
            kept = [made._account.opted_out_of(f"+44770090010{number}") for number in range(4)]
        assert kept == [[], [], [OURS], [OURS]]

    async def test_files_are_bounded(self, bridge: Bridge) -> None:
        made = Simulator(settings(hook_url=bridge.url, max_media_bytes=13 * 1024 * 1024))
        async with made:
            sids = [(await made.text(PHONE, "", media=["huge.mp4"])).message_sid for _ in range(3)]
            kept = [len(message.media) for sid in sids if (message := made._account.find(sid))]
        assert kept == [0, 1, 1]

    async def test_it_does_not_read_files_of_this_computer(self, client: Client, tmp_path: Path) -> None:
        secret = tmp_path / "secret.txt"
        secret.write_text("secret")
        assert (await client.call("POST", MESSAGES, json={"media": [str(secret)]}))[0] == 422
        assert (await client.call("GET", f"/samples/..%2F..%2F{secret.name}"))[0] == 404
