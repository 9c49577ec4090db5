"""Sending texts over REST and following what becomes of them, on a real server with a real store."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fakes import ANN, BOB, OTHER_NUMBER, OUR_NUMBER, World, ok
from web.api.rest_client import Api

LANDLINE = "+442079460018"


async def test_a_text_is_taken_shown_and_sent(api: Api, world: World) -> None:
    sent = await api.post("/v1/messages", {"to": ANN, "text": "Hello", "agent": {"id": "ag-7", "name": "Bo"}})
    assert sent.status == 202
    assert sent.headers["Location"] == f"/v1/messages/{sent.body['id']}"
    assert sent.body["status"] == "queued"
    assert sent.body["agent"] == {"id": "ag-7", "name": "Bo"}
    assert (sent.body["from"], sent.body["to"]) == (OUR_NUMBER, ANN)
    await world.run_due()
    shown = await api.get(sent.headers["Location"])
    assert shown.body["status"] == "sent"
    assert shown.body["parts"][0]["carrier_message_id"]


async def test_a_repeat_with_the_same_key_sends_nothing_more(api: Api, world: World) -> None:
    body = {"to": ANN, "text": "once"}
    first = await api.post("/v1/messages", body, key="8e03978e")
    again = await api.post("/v1/messages", body, key='"8e03978e"')
    assert (again.status, again.body) == (first.status, first.body)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.headers["Location"] == first.headers["Location"]
    other = await api.post("/v1/messages", {"to": ANN, "text": "twice"}, key="8e03978e")
    assert other.status == 422
    assert other.problem == "idempotency-key-reused"
    assert len(await world.messages()) == 1


@pytest.mark.parametrize("key", ["", " ", '""', '"open', "k" * 256, "caf\u00e9"])
async def test_a_key_that_protects_nothing_is_refused(api: Api, world: World, key: str) -> None:
    headers = {"Content-Type": "application/json", "Idempotency-Key": key}
    reply = await api.call("POST", "/v1/messages", data=b'{"to": "+14155550142", "text": "hi"}', headers=headers)
    assert (reply.status, reply.problem) == (400, "idempotency-key-invalid")
    assert await world.messages() == []


async def test_a_crowd_with_the_same_key_sends_one_text(api: Api, world: World) -> None:
    body = {"to": ANN, "text": "once"}
    replies = await asyncio.gather(*(api.post("/v1/messages", body, key="k") for _ in range(10)))
    assert {reply.status for reply in replies} <= {202, 409}
    assert 202 in {reply.status for reply in replies}
    assert len({reply.body["id"] for reply in replies if reply.status == 202}) == 1
    assert len(await world.messages()) == 1


async def test_a_refusal_is_kept_with_its_key_and_raises_one_notice(api: Api, world: World) -> None:
    await world.text("Hi")
    await world.text("STOP")
    body = {"to": ANN, "text": "please come back"}
    first = await api.post("/v1/messages", body, key="k1")
    assert (first.status, first.problem, first.body["cause"]) == (422, "cannot-send", "opted_out")
    noticed = len(await world.notices())
    again = await api.post("/v1/messages", body, key="k1")
    assert (again.status, again.body["cause"]) == (422, "opted_out")
    assert len(await world.notices()) == noticed


async def test_a_number_believed_to_take_no_texts_needs_force(api: Api) -> None:
    refused = await api.post("/v1/messages", {"to": LANDLINE, "text": "hi"})
    assert refused.status == 422
    assert refused.body["overridable"] is True
    assert refused.body["cause"] == "not_mobile"
    assert refused.body["errors"][0]["pointer"] == "/to"
    assert (await api.post("/v1/messages", {"to": LANDLINE, "text": "hi", "force": True})).status == 202


@pytest.mark.parametrize(
    ("body", "pointer", "words"),
    [
        ({"text": "hi"}, "/to", "interaction_id"),
        ({"to": "12", "text": "hi"}, "/to", ""),
        ({"to": "not a number", "text": "hi"}, "/to", ""),
        ({"to": ANN}, "/text", "empty"),
        ({"to": ANN, "text": " \n"}, "/text", "empty"),
        ({"to": ANN, "text": "hi", "from": "+15005550099"}, "/from", "senders"),
        ({"to": ANN, "text": "hi", "form": "+15005550006"}, "/form", "did you mean /from?"),
        ({"to": ANN, "media": [{"attachment_id": "att_nope"}]}, "/media/0/attachment_id", "upload"),
        ({"to": ANN, "media": [{"url": "https://e.example/a.png"}] * 4}, "/media", "too many"),
        ([], "", "object"),
    ],
)
async def test_what_is_wrong_is_said_with_its_field(api: Api, body: Any, pointer: str, words: str) -> None:
    refused = await api.post("/v1/messages", body)
    assert refused.status == 422
    error = refused.body["errors"][0]
    assert error["pointer"] == pointer
    assert words in error["detail"]
    assert not refused.body["detail"].endswith(("?.", ".."))


@pytest.mark.parametrize(
    ("raw", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b'{"to": NaN}', "application/json", 400),
        (b'{"to": "a", "to": "b"}', "application/json", 400),
        (b"[" * 60_000, "application/json", 400),
        (b"[" * 100_000, "application/json", 413),
        (b"to=%2B15005550010&text=hi", "application/x-www-form-urlencoded", 415),
        (b'{"to": "\\ud800", "text": "hi"}', "application/json", 422),
    ],
)
async def test_a_body_that_is_no_json_is_refused(api: Api, raw: bytes, content_type: str, status: int) -> None:
    reply = await api.call("POST", "/v1/messages", data=raw, headers={"Content-Type": content_type})
    assert reply.status == status
    assert reply.body["detail"]


async def test_unknown_messages_are_not_found_whatever_their_id_looks_like(api: Api) -> None:
    strange = [
        "msg_nope",
        "msg_" + "0" * 26,
        "x",
        "%00",
        "%ED%A0%80",
        "..%2F..%2Fetc",
        "a" * 5_000,
        "'%3B--",
        "%F0%9F%98%8A",
    ]
    for name in strange:
        reply = await api.get(f"/v1/messages/{name}")
        assert reply.status == 404, name
        assert reply.problem == "not-found"
        assert (await api.post(f"/v1/messages/{name}/cancel")).status == 404


async def test_pages_go_through_the_whole_list_once(api: Api) -> None:
    sent = [(await api.post("/v1/messages", {"to": ANN, "text": f"n{n}"})).body["id"] for n in range(5)]
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = await api.get("/v1/messages", limit=2, **({"cursor": cursor} if cursor else {}))
        seen += [item["id"] for item in page.body["items"]]
        cursor = page.body["next_cursor"]
    assert seen == sent[::-1]


async def test_filters_keep_what_they_name(api: Api, world: World) -> None:
    to_ann = (await api.post("/v1/messages", {"to": ANN, "text": "a", "client_reference": "order-1"})).body
    to_bob = (await api.post("/v1/messages", {"to": BOB, "text": "b", "from": OTHER_NUMBER})).body
    await world.text("c")

    async def ids(**query: str) -> set[str]:
        return {item["text"] for item in (await api.get("/v1/messages", **query)).body["items"]}

    assert await ids(contact=to_ann["contact_id"]) == {"a", "c"}
    assert await ids(interaction=to_bob["interaction_id"]) == {"b"}
    assert await ids(client_reference="order-1") == {"a"}
    assert await ids(status="queued") == {"a", "b"}
    assert await ids(status="received") == {"c"}
    assert await ids(direction="inbound") == {"c"}
    assert await ids(contact=to_ann["contact_id"], direction="outbound") == {"a"}
    assert await ids(contact="con_nobody") == set()


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"},
        {"limit": "201"},
        {"limit": "many"},
        {"status": "lost"},
        {"stauts": "sent"},
        {"direction": ""},
    ],
)
async def test_a_query_that_makes_no_sense_is_refused_by_name(api: Api, query: dict[str, str]) -> None:
    reply = await api.get("/v1/messages", **query)
    assert reply.status == 422
    assert reply.body["errors"][0]["pointer"] == next(iter(query))


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "!",
        "WzEs",
        "WzEsMS41XQ",
        "WzEsdHJ1ZV0",
        "WzEsLTFd",
        "WzEsIlx1ZDgwMCJd",
        "WzIsIm1zZ18wIl0",
        "bnVsbA",
        "WzEsICInIE9SIDE9MSJd",
        "é",
    ],
)
async def test_a_cursor_that_was_not_made_here_is_refused(api: Api, cursor: str) -> None:
    for path in ("/v1/messages", "/v1/dead-letters"):
        reply = await api.get(path, cursor=cursor)
        assert (reply.status, reply.problem) == (400, "cursor-invalid")


async def test_only_a_queued_text_can_be_taken_back(api: Api, world: World) -> None:
    first = (await api.post("/v1/messages", {"to": ANN, "text": "wait"})).body["id"]
    cancelled = await api.post(f"/v1/messages/{first}/cancel")
    assert (cancelled.status, cancelled.body["status"]) == (200, "cancelled")
    assert (await api.post(f"/v1/messages/{first}/cancel")).status == 200
    second = (await api.post("/v1/messages", {"to": ANN, "text": "go"})).body["id"]
    await world.run_due()
    refused = await api.post(f"/v1/messages/{second}/cancel")
    assert (refused.status, refused.body["code"]) == (409, "not_cancellable")
    assert [request.body for request in world.network.requests if b"wait" in request.body] == []


async def test_a_failed_text_can_be_tried_again(api: Api, world: World) -> None:
    sent = (await api.post("/v1/messages", {"to": ANN, "text": "again"})).body["id"]
    refused = await api.post(f"/v1/messages/{sent}/retry")
    assert (refused.status, refused.body["code"]) == (409, "not_retryable")
    world.network.answer = lambda _request: ok({"code": "unreachable"})
    await world.run_due()
    assert (await api.get(f"/v1/messages/{sent}")).body["cause"] == "unreachable"
    world.network.answer = lambda _request: ok({"id": "C-2"})
    retried = await api.post(f"/v1/messages/{sent}/retry", {"agent": "ag-7"})
    assert (retried.status, retried.body["status"], retried.body["cause"]) == (202, "queued", None)
    await world.run_due()
    assert (await api.get(f"/v1/messages/{sent}")).body["status"] == "sent"
