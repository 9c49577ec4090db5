"""Somebody who posts a request of a carrier's again, while its signature still holds, makes no second message."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from fakes import ANN, OUR_NUMBER, START_MS, World
from smsbridge.carriers import load_carriers
from smsbridge.contracts.carrier import AccountUrls
from smsbridge.contracts.store import Arrived
from smsbridge.domain.message import Direction
from smsbridge.flows import contacts
from smsbridge.flows.inbound import accept_webhook
from smsbridge.wire.encoding import write_json
from smsbridge.wire.http import Headers, Request

HOUR_MS = 3_600_000
URL = "https://bridge.example/hooks/carriers/plain"
SECRET = "a-secret-for-webhooks-0123456789abcdef"
SINCH = {"service_plan_id": "plan1", "api_token": "token-of-tests", "region": "us", "webhook_secret": SECRET}
VONAGE = {"api_key": "abcd1234", "api_secret": "an-api-secret-of-16", "signature_secret": SECRET}

SINCH_TEXT = {"type": "mo_text", "id": "01H", "from": ANN[1:], "to": OUR_NUMBER[1:], "body": "STOP"}
VONAGE_TEXT = {"channel": "sms", "message_uuid": "u1", "from": ANN[1:], "to": OUR_NUMBER[1:]}
VONAGE_TEXT |= {"message_type": "text", "text": "STOP", "timestamp": "2026-09-21T14:13:20Z"}


def posted(carrier: str, text: dict[str, str]) -> Request:
    headers = Headers([("Content-Type", "application/json")])
    request = Request(method="POST", url=URL, headers=headers, body=write_json(text))
    signed: Request = importlib.import_module(f"carriers.{carrier}.signer").sign(request, SECRET)
    return signed


@pytest.mark.parametrize(
    ("carrier", "settings", "text", "holds_h"),
    [("sinch", SINCH, SINCH_TEXT, 48), ("vonage", VONAGE, VONAGE_TEXT, 25)],
    ids=["sinch", "vonage"],
)
async def test_within_its_time_it_is_a_duplicate_and_after_it_refused(
    make_world: Callable[..., World], carrier: str, settings: dict[str, Any], text: dict[str, str], holds_h: int
) -> None:
    adapter = load_carriers()[carrier].from_settings(settings, AccountUrls(webhook=URL))
    world, request = make_world(carrier=adapter), posted(carrier, text)
    assert world.clock.now == START_MS, "when the signers sign"
    assert (await accept_webhook(world.bridge, "plain", request)).outcomes == ((Arrived.STORED, "message"),)
    start = {**text, "id": "02H", "message_uuid": "u2", "body": "START", "text": "START"}
    await accept_webhook(world.bridge, "plain", posted(carrier, {key: start[key] for key in text}))
    world.clock.now += holds_h * HOUR_MS - 1
    again = await accept_webhook(world.bridge, "plain", request)
    assert again.outcomes == ((Arrived.DUPLICATE, "message"),)
    inbound = [message.text for message in await world.messages() if message.direction is Direction.INBOUND]
    assert inbound == ["STOP", "START"]
    state = await world.store.read(lambda tx: tx.opt_out(OUR_NUMBER, ANN))
    assert state is not None
    assert not state.opted_out, "an old STOP stops nobody again"

    contact = await world.store.read(lambda tx: tx.contact_by_number(ANN))
    assert contact is not None
    await contacts.erase(world.bridge, contact.id)
    assert (await accept_webhook(world.bridge, "plain", request)).outcomes == ((Arrived.DUPLICATE, "message"),)
    assert await world.store.read(lambda tx: tx.contact_by_number(ANN)) is None, "nor is who was erased brought back"

    world.clock.now += 1_001
    late = await accept_webhook(world.bridge, "plain", request)
    assert late.outcomes == ((Arrived.REFUSED, "signature"),)
    changed = replace(request, body=write_json({**json.loads(request.body), "id": "03H", "message_uuid": "u3"}))
    assert (await accept_webhook(world.bridge, "plain", changed)).outcomes == ((Arrived.REFUSED, "signature"),)
