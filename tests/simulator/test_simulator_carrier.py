"""The carrier's REST API, told by Twilio's own client and by plain HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import aiohttp
import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.http.response import Response
from twilio.rest import Client as TwilioClient

from simulator.small_bridge import ACCOUNT, OURS, PHONE, TOKEN, Bridge, Client, credentials, settings
from smsbridge.simulator import Simulator
from smsbridge.simulator.segments import count_segments
from smsbridge.simulator.signature import sign


class _Redirected(TwilioHttpClient):
    """Twilio's client, whose every host is the simulator."""

    def __init__(self, url: str) -> None:
        super().__init__(pool_connections=False, timeout=5)
        self._target = urlsplit(url)

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Response:
        there = urlsplit(url)
        here = urlunsplit((self._target.scheme, self._target.netloc, there.path, there.query, ""))
        return super().request(method, here, *args, **kwargs)


@pytest.fixture
def sdk(simulator: Simulator) -> TwilioClient:
    return TwilioClient(ACCOUNT, TOKEN, http_client=_Redirected(simulator.url))


async def calling(call: Callable[[], Any]) -> Any:
    """The SDK blocks: it runs in a thread while the simulator answers here."""
    return await asyncio.to_thread(call)


class TestTwiliosOwnClient:
    async def test_sends_and_fetches(self, sdk: TwilioClient, bridge: Bridge) -> None:
        callback = f"{bridge.url}/status?ref=out-000123"
        sent = await calling(
            lambda: sdk.messages.create(to=PHONE, from_=OURS, body="Ready ☺", status_callback=callback)
        )
        assert (sent.status, sent.direction, sent.num_segments, sent.num_media) == ("queued", "outbound-api", "1", "0")
        assert (sent.date_sent, sent.error_code, sent.price, sent.messaging_service_sid) == (None, None, None, None)
        assert sent.date_created.tzinfo is not None
        await bridge.wait_for("delivered")
        fetched = await calling(lambda: sdk.messages(sent.sid).fetch())
        assert (fetched.status, fetched.body, fetched.date_sent is None) == ("delivered", "Ready ☺", False)

    async def test_pages_through_a_list(self, sdk: TwilioClient, simulator: Simulator) -> None:
        for number in range(7):
            await simulator.text(PHONE, f"text {number}")
        await simulator.text("+447700900124", "another phone")
        listed = await calling(lambda: sdk.messages.list(from_=PHONE, page_size=3))
        assert [message.body for message in listed] == [f"text {number}" for number in reversed(range(7))]
        assert {message.direction for message in listed} == {"inbound"}

    async def test_what_comes_meanwhile_shifts_no_page(self, client: Client, simulator: Simulator) -> None:
        for number in range(4):
            await simulator.text(PHONE, f"text {number}")
        _, first = await client.api("GET", "/Messages.json?PageSize=2")
        await simulator.text(PHONE, "meanwhile")
        _, second = await client.call("GET", first["next_page_uri"], headers=credentials(ACCOUNT, TOKEN))
        assert [message["body"] for message in second["messages"]] == ["text 1", "text 0"]
        assert second["next_page_uri"] is None

    async def test_lists_by_day(self, sdk: TwilioClient, simulator: Simulator) -> None:
        await simulator.text(PHONE, "today")
        [message] = await calling(lambda: sdk.messages.list(to=OURS))
        now = message.date_sent
        since = await calling(lambda: sdk.messages.list(to=OURS, date_sent_after=now - timedelta(hours=1)))
        until = await calling(lambda: sdk.messages.list(to=OURS, date_sent_before=now - timedelta(days=1)))
        on = await calling(lambda: sdk.messages.list(to=OURS, date_sent=now.date()))
        assert [[message.body for message in found] for found in (since, until, on)] == [["today"], [], ["today"]]

    async def test_configures_a_number(self, sdk: TwilioClient, simulator: Simulator, bridge: Bridge) -> None:
        [own] = await calling(lambda: sdk.incoming_phone_numbers.list(phone_number=OURS))
        assert own.capabilities["sms"] is True
        url = f"{bridge.url}/elsewhere"
        changed = await calling(lambda: sdk.incoming_phone_numbers(own.sid).update(sms_url=url))
        assert changed.sms_url == url
        await simulator.text(PHONE, "hi")
        assert bridge.posts[-1].url == url

    async def test_reads_and_deletes_media(self, sdk: TwilioClient, simulator: Simulator) -> None:
        texted = await simulator.text(PHONE, "", media=["photo.jpg", "contact.vcf"])
        media = await calling(sdk.messages(texted.message_sid).media.list)
        assert [item.content_type for item in media] == ["image/jpeg", "text/vcard"]
        assert await calling(lambda: sdk.messages(texted.message_sid).media(media[0].sid).delete())
        assert len(await calling(sdk.messages(texted.message_sid).media.list)) == 1

    async def test_redacts_and_deletes_a_message(self, sdk: TwilioClient, simulator: Simulator) -> None:
        sid = (await simulator.text(PHONE, "secret")).message_sid
        assert (await calling(lambda: sdk.messages(sid).update(body=""))).body == ""
        with pytest.raises(TwilioRestException) as refused:
            await calling(lambda: sdk.messages(sid).update(status="canceled"))
        assert refused.value.code == 30409
        assert await calling(lambda: sdk.messages(sid).delete())
        with pytest.raises(TwilioRestException) as gone:
            await calling(lambda: sdk.messages(sid).fetch())
        assert (gone.value.status, gone.value.code) == (404, 20404)

    async def test_looks_up_line_types(self, sdk: TwilioClient, simulator: Simulator) -> None:
        simulator.become(PHONE, "landline")

        def line_type(number: str) -> Any:
            return sdk.lookups.v2.phone_numbers(number).fetch(fields="line_type_intelligence")

        landline = await calling(lambda: line_type(PHONE))
        assert (landline.valid, landline.country_code, landline.line_type_intelligence["type"]) == (
            True,
            "GB",
            "landline",
        )
        assert (await calling(lambda: line_type("+15005550009"))).line_type_intelligence["type"] == "landline"
        invalid = await calling(lambda: line_type("+15005550001"))
        assert (invalid.valid, invalid.line_type_intelligence) == (False, None)

    async def test_reads_the_account(self, sdk: TwilioClient) -> None:
        assert (await calling(lambda: sdk.api.v2010.accounts(ACCOUNT).fetch())).status == "active"

    async def test_tells_a_refusal(self, sdk: TwilioClient) -> None:
        with pytest.raises(TwilioRestException) as refused:
            await calling(lambda: sdk.messages.create(to="+15005550009", from_=OURS, body="x"))
        assert (refused.value.status, refused.value.code) == (400, 21614)


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"To": None}, 400, 21604),
        ({"From": None}, 400, 21603),
        ({"Body": None}, 400, 21619),
        ({"Body": ""}, 400, 21602),
        ({"Body": "x" * 1601}, 400, 21617),
        ({"To": "+1415555XXXX"}, 400, 21211),
        ({"To": "4155550100"}, 400, 21211),
        ({"To": "72345"}, 400, 21265),
        ({"To": OURS}, 400, 21266),
        ({"From": "+447700900999"}, 400, 21659),
        ({"From": "not a sender, too long"}, 400, 21212),
        ({"From": None, "MessagingServiceSid": "MG" + "0" * 32}, 400, 21701),
        ({"MediaUrl": "ftp://example.com/a.jpg"}, 400, 21620),
        ({"MediaUrl": "http://a.test/1.jpg http://a.test/2.jpg"}, 400, 21620),
        ({"MediaUrl": ["http://a.test/1.jpg"] * 11}, 400, 21623),
        ({"StatusCallback": "mailto:me@example.com"}, 400, 21609),
        ({"StatusCallback": "http://127.0.0.1:notaport/"}, 400, 21609),
        ({"ValidityPeriod": "36001"}, 400, 21624),
        ({"ValidityPeriod": "soon"}, 400, 21624),
        ({"From": "+15005550001"}, 400, 21212),
        ({"From": "+15005550007"}, 400, 21606),
        ({"From": "+15005550008"}, 429, 21611),
        ({"To": "+15005550001"}, 400, 21211),
        ({"To": "+15005550002"}, 400, 21612),
        ({"To": "+15005550003"}, 400, 21408),
        ({"To": "+15005550004"}, 400, 21610),
        ({"To": "+15005550009"}, 400, 21614),
    ],
)
async def test_a_send_is_refused_with_twilios_code(
    client: Client, simulator: Simulator, changes: dict[str, Any], status: int, code: int
) -> None:
    answered, body = await client.send(**changes)
    assert (answered, body["status"], body["code"]) == (status, status, code)
    assert body["more_info"] == f"https://www.twilio.com/docs/errors/{code}"
    assert body["message"]
    assert not simulator.ledger.sent


async def test_the_longest_body_that_fits_is_taken(client: Client) -> None:
    status, body = await client.send(Body="x" * 1600)
    assert (status, body["num_segments"]) == (201, "11")


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        ("", 1),
        ("x" * 160, 1),
        ("x" * 161, 2),
        ("x" * 306, 2),
        ("x" * 307, 3),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("x" * 152 + "€" + "x" * 152, 3),  # the escape would be cut in half
        ("☺" * 70, 1),
        ("☺" * 71, 2),
        ("😊" * 35, 1),
        ("😊" * 36, 2),
        ("☺" * 66 + "😊" + "☺" * 66, 3),
    ],
)
def test_segments_are_counted_in_units(text: str, segments: int) -> None:
    assert count_segments(text) == segments


@pytest.mark.parametrize(
    ("url", "form", "signature"),
    [
        (
            "https://mycompany.com/myapp.php?foo=1&bar=2",
            [
                ("CallSid", "CA1234567890ABCDE"),
                ("Digits", "1234"),
                ("From", "+14158675309"),
                ("To", "+18005551212"),
                ("Caller", "+14158675309"),
            ],
            "RSOYDt4T1cUTdK1PDd93/VVr8B8=",
        ),
        (
            "https://mycompany.com/myapp.php?foo=1&bar=2",
            [("Sid", "CA123"), ("SidAccount", "AC123"), ("Digits", "5678"), ("Digits", "1234"), ("Digits", "1234")],
            "IK+Dwps556ElfBT0I3Rgjkr1wJU=",
        ),
        (
            "https://user:secret@mycompany.com:443/myapp.php?foo=1&bar=2#rc=5&rp=all",
            [
                ("CallSid", "CA1234567890ABCDE"),
                ("Digits", "1234"),
                ("From", "+14158675309"),
                ("To", "+18005551212"),
                ("Caller", "+14158675309"),
            ],
            "kvajT1Ptam85bY51eRf/AJRuM3w=",
        ),
    ],
)
def test_the_signature_is_the_published_one(url: str, form: list[tuple[str, str]], signature: str) -> None:
    """Vectors of twilio-python, tests/unit/test_request_validator.py; the third adds what is never signed."""
    assert sign(url, form, "12345") == signature


class TestWhoMayCall:
    @pytest.mark.parametrize(
        "headers",
        [{}, credentials(ACCOUNT, "wrong"), credentials("AC" + "0" * 32, TOKEN), {"Authorization": "Bearer \xe9"}],
    )
    async def test_wrong_credentials_are_20003(self, client: Client, headers: dict[str, str]) -> None:
        status, body = await client.call("GET", f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json", headers=headers)
        assert (status, body["code"]) == (401, 20003)

    async def test_an_api_key_opens_the_account(self) -> None:
        async with Simulator(settings(api_keys=(("SK1", "secret"),))) as made, aiohttp.ClientSession() as http:
            path = f"/2010-04-01/Accounts/{ACCOUNT}.json"
            status, _ = await Client(http=http, url=made.url).call("GET", path, headers=credentials("SK1", "secret"))
        assert status == 200

    async def test_another_account_is_20404(self, client: Client) -> None:
        path = f"/2010-04-01/Accounts/AC{'0' * 32}/Messages.json"
        status, body = await client.call("GET", path, headers=credentials(ACCOUNT, TOKEN))
        assert (status, body["code"]) == (404, 20404)

    async def test_an_unknown_resource_is_20404(self, client: Client) -> None:
        for path in ("/Calls.json", "/Messages/SM0.json", "/Messages/SM0/Media/ME0", "/IncomingPhoneNumbers/PN0.json"):
            status, body = await client.api("GET", path)
            assert (status, body["code"]) == (404, 20404), path


@pytest.mark.parametrize(
    "query", ["PageSize=0", "PageSize=1001", "PageSize=x", "Page=-1", "DateSent=yesterday", "DateSent%3E=2026-99-99"]
)
async def test_a_list_with_a_wrong_parameter_is_refused(client: Client, query: str) -> None:
    status, body = await client.api("GET", f"/Messages.json?{query}")
    assert (status, body["code"] in (20007, 20422)) == (400, True)


async def test_a_body_that_is_no_form_is_refused(client: Client) -> None:
    status, body = await client.api("POST", "/Messages.json", data=b"To=%FF%FE&Body=\xff")
    assert (status, body["code"]) == (400, 20422)


async def test_a_form_that_is_too_large_is_refused(client: Client) -> None:
    status, body = await client.send(Body="x" * 300_000)
    assert (status, body["code"]) == (413, 20413)


async def test_a_webhook_url_that_is_none_is_refused(client: Client) -> None:
    _, listed = await client.api("GET", "/IncomingPhoneNumbers.json")
    path = f"/IncomingPhoneNumbers/{listed['incoming_phone_numbers'][0]['sid']}.json"
    assert (await client.api("POST", path, data={"SmsUrl": "nowhere"}))[1]["code"] == 21402
    assert (await client.api("POST", path, data={"SmsMethod": "PUT"}))[1]["code"] == 21403


class TestInboundMedia:
    async def test_it_lies_behind_credentials_and_a_redirect_to_another_host(
        self, client: Client, simulator: Simulator, bridge: Bridge
    ) -> None:
        await simulator.text(PHONE, "look", media=["photo.jpg"])
        url = bridge.posts[-1].form["MediaUrl0"]
        async with client.http.get(url, allow_redirects=False) as answer:
            assert answer.status == 401
        auth = credentials(ACCOUNT, TOKEN)
        async with client.http.get(url, headers=auth, allow_redirects=False) as answer:
            assert answer.status == 307
            there = answer.headers["Location"]
        assert urlsplit(there).hostname != urlsplit(url).hostname
        async with client.http.get(there) as answer:
            assert (answer.status, answer.content_type) == (200, "image/jpeg")
            assert (await answer.read()).startswith(b"\xff\xd8\xff")
        async with client.http.get(there, headers=auth) as answer:
            assert answer.status == 400, "credentials reached the content network"
        async with client.http.get(there[:-1] + ("0" if there[-1] != "0" else "1")) as answer:
            assert answer.status == 403

    async def test_the_link_expires(self, bridge: Bridge) -> None:
        now = [1_800_000_000.0]
        auth = credentials(ACCOUNT, TOKEN)
        made = Simulator(settings(hook_url=bridge.url), clock=lambda: now[0])
        async with made, aiohttp.ClientSession() as http:
            await made.text(PHONE, "", media=["contact.vcf"])
            url = bridge.posts[-1].form["MediaUrl0"]
            async with http.get(url, headers=auth, allow_redirects=False) as answer:
                there = answer.headers["Location"]
            now[0] += 4 * 60 * 60 + 1
            async with http.get(there) as answer:
                assert answer.status == 403


class TestOutboundMedia:
    async def test_it_is_fetched_with_head_and_get_and_shown_on_the_phone(
        self, client: Client, simulator: Simulator, bridge: Bridge
    ) -> None:
        status, body = await client.send(MediaUrl=f"{simulator.url}/samples/photo.png", StatusCallback=bridge.url)
        assert (status, body["sid"][:2], body["num_media"]) == (201, "MM", "1")
        await bridge.wait_for("delivered")
        [message] = await simulator.received(PHONE)
        [media] = message.media
        assert (media.content_type, media.name) == ("image/png", "photo.png")
        async with client.http.get(media.url) as answer:
            assert len(await answer.read()) == media.size_bytes
        fetched = [exchange.method for exchange in simulator.traffic.after(0) if exchange.kind == "media"]
        assert fetched == ["HEAD", "GET"]

    @pytest.mark.parametrize(
        ("name", "code"),
        [("nothing.jpg", "11200"), ("fake.jpg", "12300"), ("empty.jpg", "12300"), ("huge.mp4", "11751")],
    )
    async def test_what_no_phone_can_get_fails_by_callback(
        self, client: Client, simulator: Simulator, bridge: Bridge, name: str, code: str
    ) -> None:
        status, _ = await client.send(MediaUrl=f"{simulator.url}/samples/{name}", StatusCallback=bridge.url)
        assert status == 201
        [failed] = await bridge.wait_for("failed")
        assert failed.form["ErrorCode"] == code
        assert await simulator.received(PHONE) == []

    async def test_nothing_outside_this_computer_is_called(
        self, client: Client, simulator: Simulator, bridge: Bridge
    ) -> None:
        await client.send(MediaUrl="http://192.0.2.1/a.jpg", StatusCallback=bridge.url)
        [failed] = await bridge.wait_for("failed")
        assert failed.form["ErrorCode"] == "11205"
        simulator.set_hook_url("http://192.0.2.1/hook")
        answer = (await simulator.text(PHONE, "hi")).answer
        assert answer is not None
        assert (answer.status, answer.attempts, answer.error_code) == (None, 0, 11205)


class TestMessagingService:
    SERVICE = "MG0a1b2c3d4e5f60718293a4b5c6d7e8f9"

    async def test_it_accepts_first_and_tells_of_queued(self, bridge: Bridge) -> None:
        made = Simulator(settings(messaging_service_sid=self.SERVICE, hook_url=bridge.url))
        async with made, aiohttp.ClientSession() as http:
            client = Client(http=http, url=made.url)
            _, body = await client.send(From=None, MessagingServiceSid=self.SERVICE, StatusCallback=bridge.url)
            assert (body["status"], body["messaging_service_sid"]) == ("accepted", self.SERVICE)
            posts = await bridge.wait_for("delivered")
        assert [post.form["MessageStatus"] for post in posts] == ["queued", "sent", "delivered"]
        assert {post.form["From"] for post in posts} == {OURS}

    async def test_an_opt_out_fails_later(self, bridge: Bridge) -> None:
        made = Simulator(settings(messaging_service_sid=self.SERVICE, hook_url=bridge.url, advanced_opt_out=True))
        async with made, aiohttp.ClientSession() as http:
            await made.text(PHONE, "Stop")
            assert bridge.posts[-1].form["OptOutType"] == "STOP"
            assert bridge.posts[-1].form["MessagingServiceSid"] == self.SERVICE
            client = Client(http=http, url=made.url)
            status, _ = await client.send(MessagingServiceSid=self.SERVICE, StatusCallback=bridge.url)
            assert status == 201
            [failed] = await bridge.wait_for("failed")
        assert failed.form["ErrorCode"] == "21610"
