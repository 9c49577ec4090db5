"""The whole way, from a phone to an agent system and back, over real sockets: what the README promises."""

from __future__ import annotations

import io
from urllib.parse import quote

import pytest
from PIL import Image

from e2e.conftest import Demo

pytestmark = [pytest.mark.xdist_group("e2e"), pytest.mark.asyncio(loop_scope="session")]


async def test_a_text_in_a_reply_out_and_delivered(demo: Demo) -> None:
    phone = demo.phone()
    sent = await phone.text("Hi, where is my order?")
    assert sent["webhook"]["ok"], sent
    interaction = await demo.api.interaction_of(phone.number)
    assert interaction["state"] == "waiting"

    accepted = await demo.api.post(f"/interactions/{interaction['id']}/accept", {"agent": {"id": "a1", "name": "Ann"}})
    assert (accepted["state"], accepted["agent"]["name"]) == ("active", "Ann")

    reply = await demo.api.post(
        "/messages",
        {"interaction_id": interaction["id"], "text": "On its way 😊", "agent": "a1"},
        status=202,
        Idempotency_Key=f"first to {phone.number}",
    )
    again = await demo.api.post(
        "/messages",
        {"interaction_id": interaction["id"], "text": "On its way 😊", "agent": "a1"},
        status=202,
        Idempotency_Key=f"first to {phone.number}",
    )
    assert again["id"] == reply["id"]
    delivered = await demo.api.status(reply["id"], "delivered")
    assert delivered["segments"]["encoding"] == "UCS-2"
    assert [each["text"] for each in await phone.received()] == ["On its way 😊"]

    entries = await demo.api.transcript(interaction["id"])
    assert [entry["kind"] for entry in entries] == ["interaction", "message", "interaction", "message"]
    ended = await demo.api.post(f"/interactions/{interaction['id']}/end", {"agent": "a1"})
    assert ended["state"] == "ended"
    done = await demo.api.post(
        f"/interactions/{interaction['id']}/done", {"agent": "a1", "disposition": "Answered", "note": "was late"}
    )
    assert done["state"] == "done"

    async def told() -> bool:
        """What is kept is told a little later, where it is not yet known what was begun before it."""
        types = {
            event["type"]
            for event in await demo.api.events()
            if event["data"].get("interaction_id", "") in {interaction["id"], ""}
        }
        return {"message.received", "message.status"} <= types

    await demo.api.until(told, "the events of a text and of what became of it")


async def test_pictures_both_ways(demo: Demo) -> None:
    phone = demo.phone()
    await phone.text("look", "photo.jpg", "note.pdf")
    interaction = await demo.api.interaction_of(phone.number)

    async def stored() -> object:
        entries = await demo.api.transcript(interaction["id"])
        attachments = next(e["message"]["attachments"] for e in entries if e["kind"] == "message")
        return attachments if all(each["state"] == "stored" for each in attachments) else None

    picture, document = await demo.api.until(stored, "both attachments")
    assert (picture["content_type"], document["content_type"]) == ("image/jpeg", "application/pdf")
    status, kind, data = await demo.api.download(picture["url"])
    assert (status, kind) == (200, "image/jpeg")
    assert len(data) == picture["size_bytes"]
    status, kind, data = await demo.api.download(picture["thumbnail_url"])
    assert (status, kind) == (200, "image/webp")
    assert max(Image.open(io.BytesIO(data)).size) <= 320

    drawn = io.BytesIO()
    Image.new("RGB", (64, 48), "teal").save(drawn, "PNG")
    upload = await demo.api.upload(drawn.getvalue(), filename="map.png", content_type="image/png")
    reply = await demo.api.post(
        "/messages",
        {"interaction_id": interaction["id"], "text": "This way", "media": [{"attachment_id": upload["id"]}]},
        status=202,
    )
    await demo.api.status(reply["id"], "delivered")
    [received] = await phone.received()
    assert [media["content_type"] for media in received["media"]] == ["image/png"]


async def test_the_agent_is_told_of_a_wrong_sender_number(demo: Demo) -> None:
    """Both ways: a sender that is not configured at all, and one that the carrier says is not ours."""
    phone = demo.phone()
    await phone.text("hello")
    interaction = await demo.api.interaction_of(phone.number)
    refused = await demo.api.call(
        "POST", "/messages", {"interaction_id": interaction["id"], "from": "+15005550099", "text": "x"}
    )
    assert (refused.status, refused.body["cause"]) == (422, "sender_not_ours")
    notice = await demo.api.notice(interaction["id"], "wrong_sender_number")
    assert (notice["cause"], notice["severity"]) == ("sender_not_ours", "error")

    reply = await demo.api.post("/messages", {"to": phone.number, "from": "+15005550007", "text": "x"}, status=202)
    failed = await demo.api.status(reply["id"], "failed")
    notice = await demo.api.notice(failed["interaction_id"], "wrong_sender_number")
    assert notice["evidence"]["code"] == "21606"
    assert notice["message_id"] == reply["id"]


@pytest.mark.parametrize(
    ("persona", "status", "kind", "cause", "code"),
    [
        ("landline", "failed", "not_sms_capable", "not_mobile", "21614"),
        ("landline_late", "undelivered", "not_sms_capable", "not_mobile", "30006"),
        ("switched_off", "undelivered", "undelivered", "unreachable", "30003"),
        ("blocked", "undelivered", "undelivered", "blocked", "30004"),
        ("filtered", "undelivered", "undelivered", "filtered", "30007"),
        ("opted_out", "failed", "opted_out", "opted_out", "21610"),
    ],
)
async def test_the_agent_is_told_what_became_of_it(
    demo: Demo, persona: str, status: str, kind: str, cause: str, code: str
) -> None:
    phone = demo.phone()
    await phone.text("hello")
    interaction = await demo.api.interaction_of(phone.number)
    await phone.become(persona)
    reply = await demo.api.post("/messages", {"interaction_id": interaction["id"], "text": "hello"}, status=202)
    failed = await demo.api.status(reply["id"], "failed", "undelivered")
    assert (failed["status"], failed["cause"]) == (status, cause)
    notice = await demo.api.notice(interaction["id"], kind)
    assert (notice["cause"], notice["evidence"]["code"], notice["message_id"]) == (cause, code, reply["id"])
    assert notice["text"]
    assert notice["advice"]

    async def raised() -> list[str]:
        told = [event["data"] for event in await demo.api.events() if event["type"] == "notice.raised"]
        return [each["id"] for each in told if each["message_id"] == reply["id"]]

    assert await demo.api.until(raised, "the event of the notice") == [notice["id"]]


async def test_a_number_that_cannot_receive_texts_is_warned_of_before_the_next_one(demo: Demo) -> None:
    phone = demo.phone("+15005550009")
    first = await demo.api.post("/messages", {"to": phone.number, "text": "hello"}, status=202)
    failed = await demo.api.status(first["id"], "failed")
    await demo.api.notice(failed["interaction_id"], "not_sms_capable")
    report = await demo.api.get(f"/numbers/{quote(phone.number, safe='')}")
    assert (report["sms_capable"], report["source"]) == ("no", "receipts")
    second = await demo.api.call("POST", "/messages", {"to": phone.number, "text": "hello again"})
    assert (second.status, second.body["cause"], second.body["overridable"]) == (422, "not_mobile", True)
    third = await demo.api.post("/messages", {"to": phone.number, "text": "all the same", "force": True}, status=202)
    await demo.api.status(third["id"], "failed")


@pytest.mark.parametrize(
    ("sample", "problem"), [("corrupt.jpg", "unreadable"), ("fake.jpg", "type_not_taken"), ("empty.jpg", "unreadable")]
)
async def test_the_agent_is_told_of_an_attachment_problem(demo: Demo, sample: str, problem: str) -> None:
    phone = demo.phone()
    await phone.text("see this", sample)
    interaction = await demo.api.interaction_of(phone.number)
    notice = await demo.api.notice(interaction["id"], "attachment_problem")
    assert notice["cause"] == "media_rejected"
    assert "again" in notice["advice"]
    entries = await demo.api.transcript(interaction["id"])
    [attachment] = next(e["message"]["attachments"] for e in entries if e["kind"] == "message")
    assert (attachment["state"], attachment["problem"]) == ("rejected", problem)


async def test_stop_is_honoured_and_told_and_start_brings_them_back(demo: Demo) -> None:
    phone = demo.phone()
    await phone.text("hello")
    interaction = await demo.api.interaction_of(phone.number)
    await phone.text("STOP")
    await demo.api.notice(interaction["id"], "opted_out")
    refused = await demo.api.call("POST", "/messages", {"to": phone.number, "text": "wait"})
    assert (refused.status, refused.body["cause"]) == (422, "opted_out")
    await phone.text("START")
    await demo.api.notice(interaction["id"], "opted_in")
    reply = await demo.api.post("/messages", {"to": phone.number, "text": "welcome back"}, status=202)
    await demo.api.status(reply["id"], "delivered")


async def test_a_rate_limit_delays_and_the_agent_is_told_until_when(demo: Demo) -> None:
    phone = demo.phone()
    await phone.text("hello")
    interaction = await demo.api.interaction_of(phone.number)
    await phone.become("rate_limited")
    reply = await demo.api.post("/messages", {"interaction_id": interaction["id"], "text": "soon"}, status=202)
    notice = await demo.api.notice(interaction["id"], "delayed")
    assert (notice["cause"], notice["message_id"]) == ("rate_limited", reply["id"])
    await phone.become("mobile")
    await demo.api.status(reply["id"], "delivered")
    assert [each["text"] for each in await phone.received()] == ["soon"]


async def test_bad_input_gets_a_clear_answer(demo: Demo) -> None:
    """The field, the cause and what would be right; nothing ends in a 500."""
    for body, status, pointer in (
        ({"to": "12", "text": "x"}, 422, "/to"),
        ({"to": demo.phone().number, "text": "   "}, 422, "/text"),
        ({"to": demo.phone().number, "txt": "x"}, 422, "/txt"),
        ({"interaction_id": "int_nope", "text": "x"}, 404, None),
        ({"text": "x"}, 422, "/to"),
        ([], 422, None),
    ):
        answer = await demo.api.call("POST", "/messages", body)
        assert answer.status == status, (body, answer)
        assert answer.headers["Content-Type"] == "application/problem+json"
        if pointer:
            assert pointer in [error["pointer"] for error in answer.body["errors"]], answer.body


async def test_a_number_that_only_the_carrier_knows_to_be_a_landline_is_warned_of_before_the_first_text(
    demo: Demo,
) -> None:
    phone = demo.phone()
    await phone.become("landline")
    wish = {"to": phone.number, "agent": "a1"}
    refused = await demo.api.post("/interactions", wish, status=422)
    assert (refused["cause"], refused["overridable"]) == ("not_mobile", True)
    opened = await demo.api.post("/interactions", {**wish, "force": True}, status=201)
    (warning,) = [entry["notice"] for entry in await demo.api.transcript(opened["id"]) if entry["kind"] == "notice"]
    assert (warning["kind"], warning["severity"], warning["certainty"]) == ("not_sms_capable", "warning", "possible")
