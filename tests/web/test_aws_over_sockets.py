"""AWS's carrier over real sockets: SNS's host is a server here, under its own name and behind a certificate for it.

The name is looked up to this computer and its port is another; whose certificate it has to be is checked as ever.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from carriers.aws_eum.signer import KEYS, URL, make_certificate, sign_envelope
from fakes import ANN, OUR_NUMBER, World
from smsbridge.carriers.aws_eum import AwsEum
from smsbridge.contracts.bridge import Account, Sender
from smsbridge.contracts.carrier import AccountUrls
from smsbridge.contracts.store import Arrival, Arrived
from smsbridge.domain.status import Status
from smsbridge.flows.jobs import job_kinds
from smsbridge.keys import KeyRing
from smsbridge.network import HttpNetwork
from web.running import Running, running

SNS, API = "sns.us-east-1.amazonaws.com", "sms-voice.us-east-1.amazonaws.com"
TOPIC = "arn:aws:sns:us-east-1:111122223333:sms-in"
CONFIRM = f"/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37f0"
SETTINGS = {
    "region": "us-east-1",
    "access_key_id": "AKIAIOSFODNN7EXAMPLE",
    "secret_access_key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "topic_arns": [TOPIC],
    "configuration_set": "smsbridge",
}


@dataclass
class Amazon:
    """SNS and the API. `troubles` has what an address answers instead of what it should."""

    port: int = 0
    asked: list[str] = field(default_factory=list)
    sent: list[dict[str, Any]] = field(default_factory=list)
    troubles: dict[str, web.Response] = field(default_factory=dict)

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(f"{request.method} {request.host}{request.raw_path}")
        if request.raw_path in self.troubles:
            trouble = self.troubles[request.raw_path]
            return web.Response(status=trouble.status, body=trouble.body, headers=trouble.headers)
        if request.host == API:
            assert request.headers["Authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/")
            self.sent.append(json.loads(await request.read()))
            return web.json_response({"MessageId": "mt-1"})
        return web.Response(body=KEYS[URL] if request.path in URL else b"<ConfirmSubscriptionResponse/>")

    def open_socket(self, info: Any) -> socket.socket:
        return _Elsewhere(info[0], info[1], info[2], port=self.port)


class _Elsewhere(socket.socket):
    """Dials the same address at another port: nobody but root may listen at 443."""

    def __init__(self, *args: Any, port: int) -> None:
        super().__init__(*args)
        self._port = port

    def connect(self, address: Any) -> None:
        super().connect((address[0], self._port))


@contextlib.asynccontextmanager
async def amazon(folder: Path) -> AsyncIterator[tuple[Amazon, ssl.SSLContext]]:
    """The server, and what trusts it."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    now = datetime.now(UTC)
    pem = make_certificate(
        private, name=SNS, also=(SNS, API), begin=now - timedelta(days=1), end=now + timedelta(days=1), issuer=SNS
    )
    file = folder / "amazon.pem"
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(private.private_bytes(*form) + pem)
    serving, trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    serving.load_cert_chain(file)
    trusting.load_verify_locations(cadata=pem.decode())
    made = Amazon()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=serving)
    await site.start()
    made.port = runner.addresses[0][1]
    try:
        yield made, trusting
    finally:
        await runner.cleanup()


@dataclass
class Story:
    world: World
    amazon: Amazon
    edge: Running

    async def post(self, envelope: dict[str, Any]) -> tuple[int, str]:
        """The status, and Retry-After."""
        status, headers, _ = await self.edge.ask(
            "POST",
            "/hooks/carriers/aws",
            data=json.dumps(envelope).encode(),
            headers={"Content-Type": "text/plain; charset=UTF-8"},
        )
        return status, headers.get("Retry-After", "")

    async def arrivals(self) -> list[tuple[Arrived, str]]:
        kept: list[Arrival] = await self.world.store.read(lambda tx: tx.list_arrivals(limit=1_000))
        return [(each.outcome, each.kind) for each in kept]


@contextlib.asynccontextmanager
async def a_story(world: World, folder: Path, *, trusts_amazon: bool = True) -> AsyncIterator[Story]:
    async def look_up(host: str, port: int) -> list[str]:
        assert host in (SNS, API)
        return ["127.0.0.1"]

    async with amazon(folder) as (made, trusting):
        tls = trusting if trusts_amazon else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        network = HttpNetwork(tls=tls, look_up=look_up, open_socket=made.open_socket)
        adapter = AwsEum.from_settings(SETTINGS, AccountUrls(webhook="https://bridge.example/hooks/carriers/aws"))
        world.bridge = replace(
            world.bridge,
            network=network,
            keys=KeyRing(),
            accounts={"aws": Account(name="aws", adapter=adapter)},
            senders={OUR_NUMBER: Sender(number=OUR_NUMBER, account="aws", desktop="desk")},
        )
        world._kinds = job_kinds(world.bridge)
        try:
            async with running(world) as edge:
                yield Story(world, made, edge)
        finally:
            await network.close()


def note(message: dict[str, Any], **changed: Any) -> dict[str, Any]:
    fields = {"Type": "Notification", "MessageId": "m-1", "TopicArn": TOPIC, "Message": json.dumps(message)}
    return fields | {"Timestamp": "2026-09-21T14:13:20.345Z"} | changed


def text(number: int) -> dict[str, Any]:
    fields = {"originationNumber": ANN, "destinationNumber": OUR_NUMBER, "messageBody": f"text {number}"}
    return fields | {"inboundMessageId": f"mo-{number}"}


def subscription() -> dict[str, Any]:
    asked = note({}, Type="SubscriptionConfirmation", Token="2336412f37f0", SubscribeURL=f"https://{SNS}{CONFIRM}")
    return sign_envelope(asked)


PEM = "GET " + URL.removeprefix("https://")


async def test_a_subscription_texts_and_a_reply_with_its_receipt(world: World, tmp_path: Path) -> None:
    async with a_story(world, tmp_path) as story:
        assert await story.post(subscription()) == (200, "")
        assert story.amazon.asked == [PEM, f"GET {SNS}{CONFIRM}"]
        signed = [sign_envelope(note(text(number), SignatureVersion=str(1 + number % 2))) for number in range(20)]
        assert set(await asyncio.gather(*(story.post(each) for each in [*signed, *signed]))) == {(200, "")}
        assert sorted(each.text for each in await world.messages()) == sorted(f"text {n}" for n in range(20))
        assert story.amazon.asked.count(PEM) == 1

        reply = await world.send("Yes, it is ready.")
        await world.run_due()
        [sent] = story.amazon.sent
        assert (sent["DestinationPhoneNumber"], sent["OriginationIdentity"]) == (ANN, OUR_NUMBER)
        assert (await world.message(reply.id)).status is Status.SENT
        event = {"eventType": "TEXT_DELIVERED", "messageId": "mt-1", "isFinal": True, "context": sent["Context"]}
        assert await story.post(sign_envelope(note(event, MessageId="m-2"))) == (200, "")
        assert (await world.message(reply.id)).status is Status.DELIVERED
        assert {outcome for outcome, _ in await story.arrivals()} == {Arrived.STORED, Arrived.DUPLICATE}


async def test_without_the_certificate_sns_posts_again_and_nothing_is_kept(world: World, tmp_path: Path) -> None:
    signed = sign_envelope(note(text(1)))
    path = URL.removeprefix(f"https://{SNS}")
    async with a_story(world, tmp_path) as story:
        for trouble in (
            web.Response(status=503),
            web.Response(body=b"<html>maintenance</html>"),
            web.Response(status=302, headers={"Location": f"https://{SNS}/elsewhere.pem"}),
        ):
            story.amazon.troubles[path] = trouble
            assert await story.post(signed) == (503, "10")
        assert await story.arrivals() == []
        assert story.amazon.asked == [PEM] * 3, "no redirect is followed"
        del story.amazon.troubles[path]
        assert await story.post(signed) == (200, "")
        assert await story.arrivals() == [(Arrived.STORED, "message")]


async def test_a_host_that_is_not_amazon_is_not_asked_for_certificates(world: World, tmp_path: Path) -> None:
    async with a_story(world, tmp_path, trusts_amazon=False) as story:
        assert await story.post(sign_envelope(note(text(1)))) == (503, "10")
        assert story.amazon.asked == []
        assert await story.arrivals() == []


@pytest.mark.parametrize("status", [302, 403, 500])
async def test_a_subscription_that_sns_does_not_confirm_is_asked_for_again(
    world: World, tmp_path: Path, status: int
) -> None:
    async with a_story(world, tmp_path) as story:
        story.amazon.troubles[CONFIRM] = web.Response(status=status, headers={"Location": "/"})
        assert await story.post(subscription()) == (503, "10")
        assert await story.arrivals() == []
        story.amazon.troubles.clear()
        assert await story.post(subscription()) == (200, "")
        assert await story.arrivals() == [(Arrived.STORED, "handshake")]


async def test_what_somebody_else_signed_comes_again_lies_in_quarantine_and_asks_nobody_for_anything(
    world: World, tmp_path: Path
) -> None:
    forger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    async with a_story(world, tmp_path) as story:
        theirs = sign_envelope(note(text(1), TopicArn=TOPIC.replace("1111", "4444")))
        elsewhere = sign_envelope(note(text(2), SigningCertURL=URL.replace("amazonaws.com", "example.net")))
        for each in (theirs, elsewhere, text(3)):
            assert (await story.post(each))[0] == 503
        assert story.amazon.asked == []
        assert (await story.post(sign_envelope(note(text(4)), forger)))[0] == 503
        assert story.amazon.asked == [PEM]
        assert await story.arrivals() == [(Arrived.REFUSED, "unknown")] * 4
        assert await world.messages() == []
