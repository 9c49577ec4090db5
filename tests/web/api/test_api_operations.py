"""Agents and their tools, and what whoever runs the bridge sees, on a real server with a real store."""

from __future__ import annotations

from fakes import ANN, OTHER_NUMBER, OUR_NUMBER, World, ok
from smsbridge.contracts.store import Tx
from web.api.rest_client import Api


async def test_an_agent_goes_ready_and_back(api: Api, world: World) -> None:
    assert (await api.get("/v1/agents/ag-7/status")).status == 404
    ready = await api.put("/v1/agents/ag-7/status", {"ready": True, "auto_answer": True, "name": "Bo"})
    assert (ready.status, ready.body["ready"], ready.body["auto_answer"]) == (200, True, True)
    world.clock.now += 60_000
    same = await api.put("/v1/agents/ag-7/status", {"ready": True})
    assert same.body == ready.body
    away = await api.put("/v1/agents/ag-7/status", {"ready": False, "reason": "lunch"})
    assert (away.body["reason"], away.body["auto_answer"], away.body["name"]) == ("lunch", True, "Bo")
    assert away.body["changed_at"] > ready.body["changed_at"]
    back = await api.put("/v1/agents/ag-7/status", {"ready": True})
    assert back.body["reason"] is None
    assert (await api.get("/v1/agents")).body["items"] == [{**back.body, "role": None, "open_interactions": 0}]
    assert (await api.get("/v1/agents/ag-7/status")).body == back.body
    events = await world.store.read(lambda tx: tx.events_after(0, 100))
    assert [event.type for event in events] == ["agent.status"] * 3


async def test_any_one_line_can_be_an_agents_id(api: Api) -> None:
    for name, status in (("b%C3%B6%40example.com", 200), ("a" * 101, 422), ("a%0Ab", 422), ("%00", 422)):
        assert (await api.put(f"/v1/agents/{name}/status", {"ready": True})).status == status
    assert (await api.get("/v1/agents/b%C3%B6%40example.com/status")).body["id"] == "bö@example.com"
    assert (await api.get("/v1/agents/a%0Ab/status")).status == 404


async def test_an_agent_who_answers_by_themselves_gets_the_next_text(api: Api, world: World) -> None:
    await api.put("/v1/agents/ag-7/status", {"ready": True, "auto_answer": True, "name": "Bo"})
    await world.text("Hello?")
    (interaction,) = (await api.get("/v1/interactions", agent="ag-7")).body["items"]
    assert (interaction["state"], interaction["agent"]) == ("active", {"id": "ag-7", "name": "Bo"})


async def test_standard_responses_are_kept(api: Api) -> None:
    hours = {"shortcut": "hours", "title": "Opening hours", "text": "We are open from 9 to 5."}
    made = await api.post("/v1/standard-responses", hours)
    assert made.status == 201
    path = made.headers["Location"]
    assert (await api.get(path)).body == made.body
    taken = await api.post("/v1/standard-responses", hours)
    assert (taken.status, taken.body["code"]) == (409, "shortcut_taken")
    other = await api.post("/v1/standard-responses", {**hours, "shortcut": "address"})
    assert (await api.patch(other.headers["Location"], {"shortcut": "hours"})).status == 409
    changed = await api.patch(path, {"text": "Closed."})
    assert (changed.body["text"], changed.body["shortcut"]) == ("Closed.", "hours")
    assert (await api.patch(path, {"title": None})).status == 422
    assert [each["shortcut"] for each in (await api.get("/v1/standard-responses")).body["items"]] == [
        "address",
        "hours",
    ]
    assert (await api.call("DELETE", path)).status == 204
    for method in ("GET", "DELETE"):
        assert (await api.call(method, path)).status == 404
    assert (await api.patch(path, {"title": "x"})).status == 404


async def test_our_numbers_are_listed(api: Api) -> None:
    senders = (await api.get("/v1/senders")).body["items"]
    assert [(each["number"], each["carrier"], each["media"]) for each in senders] == [
        (OUR_NUMBER, "plain", True),
        (OTHER_NUMBER, "plain", True),
    ]


async def test_dead_letters_are_replayed_or_dropped(api: Api, world: World) -> None:
    for name in ("one", "two", "three"):
        await api.post("/v1/messages", {"to": ANN, "text": name})

    def bury(tx: Tx) -> None:
        now_ms = world.clock.now_ms()
        while jobs := tx.claim("send:plain", now_ms=now_ms, lease_until_ms=now_ms + 1_000, limit=1):
            assert tx.bury_job(jobs[0], "a test gave it up", now_ms)

    await world.write(bury)
    first = (await api.get("/v1/dead-letters", limit=2)).body
    second = (await api.get("/v1/dead-letters", limit=2, cursor=first["next_cursor"])).body
    letters = [*first["items"], *second["items"]]
    assert len(letters) == 3
    assert second["next_cursor"] is None
    path = f"/v1/dead-letters/{letters[0]['id']}"
    assert (await api.post(f"{path}/replay")).status == 202
    assert (await api.post(f"{path}/replay")).status == 404
    await world.run_due()
    assert [request for request in world.network.requests if b"three" in request.body]
    assert (await api.call("DELETE", f"/v1/dead-letters/{letters[1]['id']}")).status == 204
    assert (await api.call("DELETE", f"/v1/dead-letters/{letters[1]['id']}")).status == 404
    for strange in ("x", "-1", "1.5", "9" * 30, "%D9%A3"):
        assert (await api.post(f"/v1/dead-letters/{strange}/replay")).status == 404
    assert len((await api.get("/v1/dead-letters")).body["items"]) == 1


async def test_what_codes_mean_is_listed_and_so_are_those_that_mean_nothing_yet(api: Api, world: World) -> None:
    rows = (await api.get("/v1/causes")).body["items"]
    assert {"carrier": "plain", "code": "filtered", "cause": "filtered"}.items() <= next(
        row for row in rows if row["code"] == "filtered"
    ).items()
    assert (await api.get("/v1/causes/unknown")).body["items"] == []
    world.network.answer = lambda _request: ok({"code": "unknown"})
    await api.post("/v1/messages", {"to": ANN, "text": "Hello"})
    await world.run_due()
    (seen,) = (await api.get("/v1/causes/unknown")).body["items"]
    assert (seen["account"], seen["code"], seen["text"], seen["seen"]) == ("plain", "unknown", "no", 1)


async def test_what_arrived_is_listed_and_read_again(api: Api, world: World) -> None:
    await world.text("Hello")
    await world.webhook({"type": "something new"})
    await world.webhook(
        {"type": "message", "id": "in-x", "from": ANN, "to": OUR_NUMBER, "text": "late"}, secret="wrong"
    )
    arrivals = (await api.get("/v1/arrivals")).body["items"]
    assert [(each["outcome"], each["replayable"]) for each in arrivals] == [
        ("refused", True),
        ("unrecognized", True),
        ("stored", False),
    ]
    (refused,) = (await api.get("/v1/arrivals", outcome="refused", account="plain")).body["items"]
    assert (await api.get("/v1/arrivals", account="second")).body["items"] == []
    still = await api.post(f"/v1/arrivals/{refused['id']}/replay")
    assert (still.status, still.body["code"]) == (409, "signature_mismatch")
    again = await api.post(f"/v1/arrivals/{arrivals[1]['id']}/replay")
    assert [each["outcome"] for each in again.body["outcomes"]] == ["unrecognized"]
    not_kept = await api.post(f"/v1/arrivals/{arrivals[2]['id']}/replay")
    assert (not_kept.status, not_kept.body["code"]) == (409, "not_kept")
    assert (await api.post("/v1/arrivals/arr_nope/replay")).status == 404


async def test_receipts_without_a_message_are_listed(api: Api, world: World) -> None:
    await world.webhook({"type": "receipt", "id": "C-unknown", "status": "delivered"})
    (receipt,) = (await api.get("/v1/receipts/unmatched")).body["items"]
    assert (receipt["carrier"], receipt["carrier_message_id"], receipt["status"]) == ("plain", "C-unknown", "delivered")
