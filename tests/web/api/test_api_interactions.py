"""Interactions, transcripts, contacts, numbers and notices over REST, on a real server with a real store."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fakes import ANN, BOB, OTHER_NUMBER, OUR_NUMBER, World, ok
from smsbridge.contracts.bridge import Policy
from web.api.rest_client import Api

BO = {"id": "ag-7", "name": "Bo"}
CY = {"id": "ag-8", "name": "Cy"}


async def waiting(api: Api) -> str:
    page = await api.get("/v1/interactions", state="waiting")
    (interaction,) = page.body["items"]
    return str(interaction["id"])


async def test_the_life_of_an_interaction(api: Api, world: World) -> None:
    await world.text("Hello?")
    path = f"/v1/interactions/{await waiting(api)}"
    taken = await api.post(f"{path}/accept", {"agent": BO})
    assert (taken.body["state"], taken.body["agent"]) == ("active", BO)
    assert (await api.post(f"{path}/accept", {"agent": BO})).status == 200
    late = await api.post(f"{path}/accept", {"agent": CY})
    assert (late.status, late.body["code"]) == (409, "taken")
    assert "Bo" in late.body["detail"]
    meddling = await api.post(
        "/v1/messages", {"interaction_id": path.rsplit("/", maxsplit=1)[-1], "text": "me too", "agent": CY}
    )
    assert (meddling.status, meddling.body["code"]) == (409, "owned_by_another")
    assert (await api.post(f"{path}/end", {"agent": "ag-7"})).body["state"] == "ended"
    revived = await api.post(f"{path}/reactivate")
    assert (revived.body["state"], revived.body["agent"]) == ("active", BO)
    done = await api.post(f"{path}/done", {"agent": BO, "disposition": "resolved", "note": "all well"})
    assert (done.body["state"], done.body["disposition"], done.body["note"]) == ("done", "resolved", "all well")
    assert (await api.post(f"{path}/reactivate")).body["code"] == "interaction_done"
    assert (await api.post(f"{path}/done")).body["code"] == "already_done"
    refused = await api.post("/v1/messages", {"interaction_id": done.body["id"], "text": "one more thing"})
    assert (refused.status, refused.body["code"]) == (409, "interaction_done")


async def test_done_takes_only_configured_dispositions(
    make_api: Callable[..., Any], make_world: Callable[..., World]
) -> None:
    world = make_world(policy=Policy(dispositions=("resolved", "spam")))
    api = await make_api(world)
    assert (await api.get("/v1/dispositions")).body["items"] == [{"name": "resolved"}, {"name": "spam"}]
    await world.text("Hello?")
    path = f"/v1/interactions/{await waiting(api)}"
    for disposition in ("", "solved"):
        refused = await api.post(f"{path}/done", {"disposition": disposition})
        assert refused.status == 422
        assert refused.body["errors"] == [{"pointer": "/disposition", "detail": "must be one of: resolved, spam"}]
    assert (await api.get(path)).body["state"] == "waiting"
    assert (await api.post(f"{path}/done", {"disposition": "spam"})).body["disposition"] == "spam"


async def test_an_interaction_is_given_to_an_agent_and_back_to_the_queue(api: Api, world: World) -> None:
    await world.text("Hello?")
    path = f"/v1/interactions/{await waiting(api)}"
    given = await api.post(f"{path}/assign", {"agent": CY, "by": "boss"})
    assert (given.body["state"], given.body["agent"]) == ("active", CY)
    contact = (await api.get(f"/v1/contacts/{given.body['contact_id']}")).body
    assert contact["assigned_to"] == "ag-8"
    mine = await api.get("/v1/interactions", agent="ag-8")
    assert [item["id"] for item in mine.body["items"]] == [given.body["id"]]
    back = await api.post(f"{path}/assign", {"agent": None})
    assert (back.body["state"], back.body["agent"]) == ("waiting", None)
    assert (await api.get("/v1/interactions", agent="ag-8")).body["items"] == []
    missing = await api.post(f"{path}/assign", {})
    assert (missing.status, missing.body["errors"][0]["pointer"]) == (422, "/agent")


async def test_an_agent_begins_and_gets_the_open_one_back(api: Api) -> None:
    begun = await api.post("/v1/interactions", {"to": BOB, "agent": BO, "from": OTHER_NUMBER})
    assert begun.status == 201
    assert begun.headers["Location"] == f"/v1/interactions/{begun.body['id']}"
    assert (begun.body["direction"], begun.body["state"], begun.body["sender"]) == ("outbound", "active", OTHER_NUMBER)
    again = await api.post("/v1/interactions", {"to": BOB, "agent": BO, "from": OTHER_NUMBER})
    assert again.body["id"] == begun.body["id"]
    warned = await api.post("/v1/interactions", {"to": "+442079460018"})
    assert (warned.status, warned.body["overridable"]) == (422, True)
    forced = await api.post("/v1/interactions", {"to": "+442079460018", "force": True})
    entries = (await api.get(f"{forced.headers['Location']}/transcript")).body["items"]
    assert [entry["notice"]["kind"] for entry in entries if entry["kind"] == "notice"] == ["not_sms_capable"]


async def test_states_can_be_asked_for_together(api: Api, world: World) -> None:
    await world.text("one")
    await world.text("two", sender=BOB)
    await api.post(f"/v1/interactions/{(await world.open_interaction(BOB)).id}/done")
    await world.text("three", sender="+14155550144")
    await api.post(f"/v1/interactions/{(await world.open_interaction('+14155550144')).id}/accept", {"agent": BO})

    async def states(*wanted: str) -> list[str]:
        page = await api.get("/v1/interactions", state=list(wanted))
        return sorted(item["state"] for item in page.body["items"])

    assert await states() == ["active", "done", "waiting"]
    assert await states("done") == ["done"]
    assert await states("waiting", "active") == ["active", "waiting"]
    assert (await api.get("/v1/interactions", state="gone")).status == 422


async def test_a_transcript_can_be_read_backwards_to_its_beginning(api: Api, world: World) -> None:
    for n in range(7):
        await world.text(f"text {n}")
    contact = (await world.open_interaction()).contact_id
    path = f"/v1/contacts/{contact}/transcript"
    whole = (await api.get(path)).body
    assert (whole["previous_cursor"], whole["next_cursor"]) == (None, None)
    pages = [(await api.get(path, limit=3)).body]
    while pages[0]["previous_cursor"] is not None:
        pages.insert(0, (await api.get(path, limit=3, before=pages[0]["previous_cursor"])).body)
    assert [entry for page in pages for entry in page["items"]] == whole["items"]
    assert [page["next_cursor"] is None for page in pages] == [*[False] * (len(pages) - 1), True]
    forwards = [(await api.get(path, limit=3, after=0)).body]
    while forwards[-1]["next_cursor"] is not None:
        forwards.append((await api.get(path, limit=3, after=forwards[-1]["next_cursor"])).body)
    assert [entry for page in forwards for entry in page["items"]] == whole["items"]
    nothing_new = (await api.get(path, after=whole["items"][-1]["seq"])).body
    assert nothing_new == {"items": [], "previous_cursor": None, "next_cursor": None}


async def test_a_transcript_holds_earlier_interactions_and_is_searched(api: Api, world: World) -> None:
    await world.text("Where is my PARCEL?")
    first = await world.open_interaction()
    await api.post(f"/v1/interactions/{first.id}/done", {"note": "it came"})
    await world.text("It is here, thanks")
    second = await world.open_interaction()
    texts = [
        entry["message"]["text"]
        for entry in (await api.get(f"/v1/contacts/{first.contact_id}/transcript")).body["items"]
        if entry["kind"] == "message"
    ]
    assert texts == ["Where is my PARCEL?", "It is here, thanks"]
    only = (await api.get(f"/v1/interactions/{second.id}/transcript")).body["items"]
    assert {entry["interaction_id"] for entry in only} == {second.id}
    found = (await api.get(f"/v1/contacts/{first.contact_id}/transcript", query="parcel")).body["items"]
    assert [entry["message"]["text"] for entry in found] == ["Where is my PARCEL?"]
    both = await api.get(f"/v1/interactions/{first.id}/transcript", before=5, after=1)
    assert (both.status, both.body["errors"][0]["pointer"]) == (422, "after")
    assert (await api.get("/v1/interactions/int_nope/transcript")).status == 404


async def test_unread_counts_are_each_agents_own(api: Api, world: World) -> None:
    for n in range(3):
        await world.text(f"text {n}")
    interaction = await world.open_interaction()
    contact = f"/v1/contacts/{interaction.contact_id}"

    async def unread(agent: str) -> Any:
        listed = (await api.get("/v1/contacts", agent=agent)).body["items"][0]["unread_count"]
        assert (await api.get(contact, agent=agent)).body["unread_count"] == listed
        return listed

    assert await unread("ag-7") == 3
    seqs = [e["seq"] for e in (await api.get(f"{contact}/transcript")).body["items"] if e["kind"] == "message"]
    read = f"/v1/interactions/{interaction.id}/read"
    assert (await api.post(read, {"agent": "ag-7", "up_to_seq": seqs[0]})).status == 204
    assert await unread("ag-7") == 2
    assert (await api.post(read, {"agent": BO})).status == 204
    assert await unread("ag-7") == 0
    assert await unread("ag-8") == 3


async def test_contacts_are_found_named_and_assigned(api: Api, world: World) -> None:
    await world.text("Hi")
    await world.text("Hi", sender=BOB)
    contact = (await world.open_interaction()).contact_id
    path = f"/v1/contacts/{contact}"
    named = await api.patch(path, {"name": "Ann Lee", "attributes": {"vip": True, "since": 2019}})
    assert (named.body["name"], named.body["attributes"]) == ("Ann Lee", {"vip": True, "since": 2019})
    assigned = await api.patch(path, {"assigned_to": "ag-7", "attributes": {"vip": False}})
    assert (assigned.body["name"], assigned.body["attributes"]) == ("Ann Lee", {"vip": False})

    async def found(**query: str) -> list[str]:
        return [item["number"] for item in (await api.get("/v1/contacts", **query)).body["items"]]

    assert await found(query="lee") == [ANN]
    assert await found(query=BOB[-4:]) == [BOB]
    assert await found(query="100%") == []
    assert await found(assigned_to="ag-7") == [ANN]
    assert await found(assigned_to="") == [BOB]
    assert await found() == [BOB, ANN]
    freed = await api.patch(path, {"name": None, "assigned_to": None})
    assert (freed.body["name"], freed.body["assigned_to"]) == (None, None)
    assert (await api.patch(path, {"number": BOB})).status == 422


async def test_an_agent_known_by_id_alone_goes_by_the_name_of_their_status(api: Api, world: World) -> None:
    await api.put("/v1/agents/bo/status", {"ready": True, "name": "Bo Berg"})
    await world.text("hello")
    path = f"/v1/interactions/{(await world.open_interaction()).id}"
    taken = await api.post(f"{path}/accept", {"agent": "bo"})
    assert taken.body["agent"] == {"id": "bo", "name": "Bo Berg"}
    sent = await api.post("/v1/messages", {"to": ANN, "text": "hi", "agent": "bo"})
    assert sent.body["agent"] == {"id": "bo", "name": "Bo Berg"}
    for refused in (
        await api.post(f"{path}/accept", {"agent": "amy"}),
        await api.post("/v1/messages", {"interaction_id": sent.body["interaction_id"], "text": "hi", "agent": "amy"}),
    ):
        assert (refused.status, refused.body["detail"]) == (409, "Bo Berg has this interaction.")
    other = await api.post(f"{path}/assign", {"agent": {"id": "bo", "name": "B."}, "by": "amy"})
    assert other.body["agent"]["name"] == "B.", "what the request says comes first"
    await api.post(f"{path}/done", {"agent": "bo", "disposition": ""})
    entries = (await api.get(f"{path}/transcript")).body["items"]
    agents = [entry["interaction"]["agent"] for entry in entries if entry["kind"] == "interaction"]
    assert [agent["name"] for agent in agents if agent] == ["Bo Berg", "B.", "Bo Berg", "Bo Berg"]


async def test_an_erased_person_is_gone(api: Api, world: World) -> None:
    await world.text("my secret")
    await world.text("hello", sender=BOB)
    interaction = await world.open_interaction()
    (message,) = await world.messages()
    path = f"/v1/contacts/{interaction.contact_id}"
    assert (await api.call("DELETE", path)).status == 204
    for gone in (path, f"{path}/transcript"):
        assert (await api.get(gone)).status == 404, gone
    assert (await api.get(f"/v1/messages/{message.id}")).body["text"] == ""
    assert (await api.call("DELETE", path)).status == 404
    assert (await api.patch(path, {"name": "Ann"})).status == 404
    assert [item["number"] for item in (await api.get("/v1/contacts")).body["items"]] == [BOB]
    everything = (await api.get("/v1/interactions")).text + (await api.get("/v1/messages")).text
    assert ANN not in everything
    assert "my secret" not in everything


async def test_an_erased_persons_notices_are_listed_no_more(api: Api, world: World) -> None:
    for number in (ANN, BOB):
        await world.text("STOP", sender=number)
    assert len((await api.get("/v1/notices")).body["items"]) == 2
    erased = (await api.get("/v1/contacts")).body["items"][-1]
    assert (await api.call("DELETE", f"/v1/contacts/{erased['id']}")).status == 204
    (kept,) = (await api.get("/v1/notices")).body["items"]
    assert erased["number"] not in kept["text"]
    assert kept["text"]


async def test_an_agent_can_mark_an_opt_out_and_take_it_back(api: Api, world: World) -> None:
    await world.text("please stop writing me, thanks")
    path = f"/v1/contacts/{(await world.open_interaction()).contact_id}/opt-out"
    marked = await api.post(path, {"sender": OUR_NUMBER, "opted_out": True, "agent": "ag-7"})
    assert [(each["sender"], each["opted_out"]) for each in marked.body["opt_outs"]] == [(OUR_NUMBER, True)]
    refused = await api.post("/v1/messages", {"to": ANN, "text": "hi", "from": OUR_NUMBER})
    assert refused.body["cause"] == "opted_out"
    report = (await api.get(f"/v1/numbers/{ANN.replace('+', '%2B')}")).body
    assert [each["sender"] for each in report["opted_out"]] == [OUR_NUMBER]
    assert (await api.post(path, {"sender": OUR_NUMBER, "opted_out": False})).body["opt_outs"][0]["opted_out"] is False
    assert (await api.post("/v1/messages", {"to": ANN, "text": "hi", "from": OUR_NUMBER})).status == 202
    unknown = await api.post(path, {"sender": "+15005550099", "opted_out": True})
    assert (unknown.status, unknown.body["errors"][0]["pointer"]) == (422, "/sender")


@pytest.mark.parametrize(
    ("number", "valid", "capable"),
    [("%2B442079460018", True, "no"), ("+491701234567", True, "yes"), ("%2B14155550142", True, "unknown")],
)
async def test_numbers_are_judged_before_anything_is_sent(api: Api, number: str, valid: bool, capable: str) -> None:
    report = (await api.get(f"/v1/numbers/{number}")).body
    assert (report["valid"], report["sms_capable"]) == (valid, capable)
    assert report["reason"]


@pytest.mark.parametrize("number", ["hello", "%2B1", "%00", "0123", "+1415555014200000000000"])
async def test_what_is_no_number_is_refused_with_the_reason(api: Api, number: str) -> None:
    reply = await api.get(f"/v1/numbers/{number}")
    assert (reply.status, reply.body["cause"]) == (422, "invalid_number")
    assert reply.body["errors"][0]["pointer"] == "number"


async def test_notices_are_listed_and_acknowledged_once(api: Api, world: World) -> None:
    world.network.answer = lambda _request: ok({"code": "unreachable"})
    sent = (await api.post("/v1/messages", {"to": ANN, "text": "hi"})).body
    await world.run_due()
    (notice,) = (await api.get("/v1/notices", acknowledged="false")).body["items"]
    assert (notice["kind"], notice["message_id"], notice["acknowledged_at"]) == ("undelivered", sent["id"], None)
    first = await api.post(f"/v1/notices/{notice['id']}/acknowledge")
    world.clock.now += 5_000
    again = await api.post(f"/v1/notices/{notice['id']}/acknowledge")
    assert first.body["acknowledged_at"] is not None
    assert again.body == first.body
    assert (await api.get("/v1/notices", acknowledged="false")).body["items"] == []
    kept = (await api.get("/v1/notices", acknowledged="true", interaction=sent["interaction_id"])).body["items"]
    assert [each["id"] for each in kept] == [notice["id"]]
    assert (await api.post("/v1/notices/ntc_nope/acknowledge")).status == 404
