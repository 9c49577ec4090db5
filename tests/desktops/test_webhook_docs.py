"""docs/desktops/webhook.md is what developers build against: its examples and its code are run."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from smsbridge.contracts.bridge import Bridge, Policy
from smsbridge.contracts.desktop import Delivery
from smsbridge.contracts.store import Tx
from smsbridge.desktops.webhook import COMMANDS, EVENTS, READERS, WebhookDesktop
from smsbridge.domain.events import Unrecognized
from smsbridge.domain.interaction import State
from smsbridge.domain.journal import EventType
from smsbridge.domain.message import (
    Attachment,
    AttachmentId,
    Certainty,
    Contact,
    ContactId,
    ConversationId,
    Direction,
    EventId,
    Interaction,
    InteractionId,
    Message,
    MessageId,
    Notice,
    NoticeId,
    NoticeKind,
    Number,
    Severity,
)
from smsbridge.domain.status import Status
from smsbridge.flows import resources
from smsbridge.web.api import models
from smsbridge.wire.http import Headers, Request

PAGE = (Path(__file__).parents[2] / "docs" / "desktops" / "webhook.md").read_text("utf-8")
SECRET = "whsec_AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA="


def blocks(language: str, text: str = PAGE) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


RECEIVED, POSTED = ([json.loads(block) for block in blocks("json", half)] for half in PAGE.split("## Posting replies"))


def desktop(**settings: Any) -> WebhookDesktop:
    return WebhookDesktop.from_settings({"url": "https://agents.example.com/sms", "secret": SECRET, **settings})


def test_every_event_type_has_an_example_and_every_other_is_named() -> None:
    assert {example["type"] for example in RECEIVED} == EVENTS
    assert [event for event in EventType if f"`{event}`" not in PAGE and f"### {event}\n" not in PAGE] == []


def test_every_setting_is_explained() -> None:
    assert set(re.findall(r"^\| `([a-z_]+)` \|", PAGE, re.MULTILINE)) >= set(READERS)


@pytest.mark.parametrize("example", POSTED, ids=lambda each: each["type"])
def test_what_developers_are_shown_to_post_is_understood(example: dict[str, Any]) -> None:
    request = Request(
        method="POST",
        url="https://bridge.example.com/hooks/desktops/agents",
        headers=Headers({"webhook-id": "m1"}),
        body=json.dumps(example).encode(),
    )
    assert not [event for event in desktop().read_webhook(request) if isinstance(event, Unrecognized)]


def test_every_command_is_shown() -> None:
    assert {each["type"] for each in POSTED} == {"message.send", *COMMANDS}


def test_the_members_in_the_examples_are_those_of_the_resources() -> None:
    shown: dict[str, set[str]] = defaultdict(set)
    for example in RECEIVED:
        shown[example["type"].partition(".")[0]] |= set(example["data"])
    assert shown == {name: set(resource) for name, resource in real_resources().items()}
    attachment = next(each for each in RECEIVED if each["type"] == "message.received")["data"]["attachments"][0]
    assert set(attachment) == set(real_resources()["message"]["attachments"][0])


def test_the_values_in_the_examples_are_such_as_the_resources_have() -> None:
    """Where all of a resource is shown; in the other examples members are left out."""
    kinds = {"message": models.Message, "interaction": models.Interaction, "notice": models.Notice}
    read = set()
    for example in RECEIVED:
        kind = kinds.get(example["type"].partition(".")[0])
        members = {each.alias or name for name, each in kind.model_fields.items()} if kind else set()
        if kind is not None and members == set(example["data"]):
            kind.model_validate_json(json.dumps(example["data"]))
            read.add(kind)
    assert read == set(kinds.values())


def real_resources() -> dict[str, dict[str, Any]]:
    """What flows/resources.py makes of the plainest records; it asks the store for what hangs on them."""
    ids = {
        "conversation_id": ConversationId("cnv_1"),
        "contact_id": ContactId("con_1"),
        "interaction_id": InteractionId("int_1"),
    }
    place = {"contact_number": Number("+14155550123"), "sender": "+15005550006", "account": "main"}
    message = Message(
        id=MessageId("msg_1"),
        direction=Direction.INBOUND,
        text="x",
        status=Status.RECEIVED,
        has_media=True,
        **ids,
        **place,
    )
    interaction = Interaction(
        id=ids["interaction_id"],
        conversation_id=ids["conversation_id"],
        contact_id=ids["contact_id"],
        desktop="agents",
        direction=Direction.INBOUND,
        state=State.WAITING,
        **place,
    )
    notice = Notice(
        id=NoticeId("ntc_1"),
        key="k",
        kind=NoticeKind.UNDELIVERED,
        cause=None,
        certainty=Certainty.CERTAIN,
        severity=Severity.ERROR,
        text="",
        admin_text="",
        advice="",
        **ids,
    )
    store = SimpleNamespace(
        attachments_of=lambda _: {message.id: [Attachment(id=AttachmentId("att_1"))]},
        parts_of=lambda _: {},
        unread_counts=lambda found, _: dict.fromkeys(found, 0),
        capability=lambda *_: None,
        opt_outs_of=lambda _: (),
    )
    bridge = cast("Bridge", SimpleNamespace(now_ms=lambda: 0, policy=Policy()))
    tx = cast("Tx", store)
    return {
        "message": resources.message(tx, bridge, message),
        "interaction": resources.interaction(interaction),
        "notice": resources.notice(notice),
        "contact": resources.contact(tx, bridge, Contact(id=ids["contact_id"], number=place["contact_number"])),
    }


# --- the code ---------------------------------------------------------------------------------------------------------


def posted(at_ms: int) -> tuple[dict[str, str], bytes]:
    delivery = Delivery(event_id=EventId("evt_1"), type="message.received", at_ms=at_ms, data={"text": "Grüße 😀"})
    request = desktop(secret_previous="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").write_delivery(delivery, at_ms)
    assert request is not None
    return {name.lower(): value for name, value in request.headers}, request.body


def tries() -> list[tuple[str, dict[str, str], bytes, bool]]:
    now_ms = time.time_ns() // 1_000_000
    headers, body = posted(now_ms)
    late, late_body = posted(now_ms - 400_000)
    return [
        (SECRET, headers, body, True),
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", headers, body, True),
        ("whsec_QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI=", headers, body, False),
        (SECRET, headers, body + b" ", False),
        (SECRET, {**headers, "webhook-id": "evt_2"}, body, False),
        (SECRET, {**headers, "webhook-signature": "v1,é v2"}, body, False),
        (SECRET, {**headers, "webhook-timestamp": "NaN"}, body, False),
        (SECRET, late, late_body, False),
    ]


def test_the_python_code_tells_ours_from_others() -> None:
    (code,) = blocks("python")
    names: dict[str, Any] = {}
    exec(code, names)
    assert [names["is_from_smsbridge"](*given) for *given, _ in tries()] == [right for *_, right in tries()]


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
def test_the_node_code_tells_ours_from_others() -> None:
    (code,) = blocks("js")
    given = [[secret, headers, body.decode()] for secret, headers, body, _ in tries()]
    ask = f"{json.dumps(given)}.map(([secret, headers, body]) => isFromSmsbridge(secret, headers, Buffer.from(body)))"
    run = f"{code}\nconsole.log(JSON.stringify({ask}))"
    done = subprocess.run(["node", "-"], input=run, capture_output=True, text=True, timeout=30, check=False)
    assert done.stderr == ""
    assert json.loads(done.stdout) == [right for *_, right in tries()]


def test_the_values_to_try_it_with_are_right() -> None:
    values = dict(re.findall(r"^\| (secret|webhook-[a-z]+|body) \| `(.*)` \|$", PAGE, re.MULTILINE))
    headers = Headers({name: value for name, value in values.items() if name.startswith("webhook-")})
    request = Request(method="POST", url="https://b.example/", headers=headers, body=values["body"].encode())
    desktop(secret=values["secret"]).verify(request, int(values["webhook-timestamp"]) * 1000)
