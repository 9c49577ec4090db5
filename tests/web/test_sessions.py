"""Agents at the desk, over a real socket: who gets in, for how long, what they may do, and another site may not."""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass
from http.cookies import SimpleCookie
from typing import Any

import pytest

from fakes import ANN, BOB, OUR_NUMBER, World
from smsbridge.contracts.store import AgentAccount, AgentStatus, Role, Session, Tx
from smsbridge.flows import agents, contacts
from smsbridge.web.events import StreamLimits
from smsbridge.web.server import Limits
from smsbridge.web.sessions import AGENT_SCOPES, COOKIE, SCOPES_OF, hash_passcode, is_passcode, make_passcode
from smsbridge.wire.signing import sha256_hex
from web.running import Running, running

PASSCODES = {"amy": "amy's passcode", "ben": "ben's passcode", "sue": "sue's passcode"}
HASHES = {agent_id: hash_passcode(passcode) for agent_id, passcode in PASSCODES.items()}
_tokens = itertools.count()
OURS = {"Sec-Fetch-Site": "same-origin"}
LONG_MS = 60_000


@dataclass(frozen=True, kw_only=True)
class Answer:
    status: int
    headers: Any
    raw: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.raw)


@dataclass(frozen=True, kw_only=True)
class Browser:
    """What holds a cookie and sends what a browser would send with it."""

    bridge: Running
    cookie: str = ""

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        said = {
            "Cookie": self.cookie,
            **(OURS if not headers else {name.replace("_", "-"): headers[name] for name in headers}),
        }
        if body is not None:
            said["Content-Type"] = "application/json"
        status, heard, raw = await self.bridge.ask(
            method, path, headers=said, data=None if body is None else json.dumps(body).encode()
        )
        return Answer(status=status, headers=heard, raw=raw)

    async def post(self, path: str, body: Any = None) -> Answer:
        return await self.ask("POST", path, body)

    async def is_signed_in(self) -> bool:
        answer = await self.ask("GET", "/v1/agents")
        assert answer.status in {200, 401}, answer.raw
        return answer.status == 200


def account(agent_id: str) -> AgentAccount:
    role = Role.SUPERVISOR if agent_id == "sue" else Role.AGENT
    return AgentAccount(id=agent_id, name=agent_id.title(), role=role, passcode_hash=HASHES[agent_id])


@pytest.fixture
async def bridge(world: World) -> AsyncIterator[Running]:
    for agent_id in PASSCODES:
        await world.write(lambda tx, agent_id=agent_id: agents.let_in(tx, world.bridge, account(agent_id)))
    limits = Limits(grace_s=0.1, streams=StreamLimits(recheck_s=0.05))
    async with running(world, limits=limits) as bridge:
        yield bridge


async def sign_in(bridge: Running, agent_id: str, passcode: str = "", *, cookie: str = "") -> Answer:
    body = {"name": agent_id, "passcode": passcode or PASSCODES[agent_id]}
    return await Browser(bridge=bridge, cookie=cookie).post("/v1/session", body)


async def browser(bridge: Running, agent_id: str) -> Browser:
    """Of somebody who signed in before: here nobody waits for scrypt."""
    token = f"{agent_id}-{next(_tokens)}"
    now_ms = bridge.world.clock.now_ms()
    session = Session(hash=sha256_hex(token.encode()), agent_id=agent_id, created_at_ms=now_ms, seen_at_ms=now_ms)
    await bridge.world.write(lambda tx: tx.insert_session(session))
    return Browser(bridge=bridge, cookie=f"__Host-{COOKIE}={token}")


async def interaction_of(world: World, number: str = ANN) -> str:
    await world.text("Hello", sender=number)
    found = await world.open_interaction(number)
    assert found is not None
    return f"/v1/interactions/{found.id}"


# --- in and out


async def test_whoever_signs_in_is_told_who_they_are_and_what_holds_here(bridge: Running) -> None:
    answer = await sign_in(bridge, "amy")
    assert answer.body["agent"] == {"id": "amy", "name": "Amy"}
    assert (answer.body["role"], answer.body["status"]["ready"]) == ("agent", False)
    assert answer.body["desk"]["save_attachments"] is True
    amy = Browser(bridge=bridge, cookie=answer.headers["Set-Cookie"].partition(";")[0])
    assert (await amy.ask("GET", "/v1/session")).body == answer.body
    assert (await amy.ask("DELETE", "/v1/session")).status == 204
    assert not await amy.is_signed_in()


async def test_the_cookie_is_out_of_reach_of_scripts_other_sites_and_neighbours(bridge: Running) -> None:
    answer = await sign_in(bridge, "amy")
    ((name, morsel),) = SimpleCookie(answer.headers["Set-Cookie"]).items()
    assert name == f"__Host-{COOKIE}", "public_url is https"
    assert (morsel["httponly"], morsel["secure"], morsel["samesite"], morsel["path"]) == (True, True, "Strict", "/")
    assert (morsel["domain"], morsel["max-age"], morsel["expires"]) == ("", "", "")
    assert len(morsel.value) >= 43
    assert "no-store" in answer.headers["Cache-Control"]
    left = await Browser(bridge=bridge, cookie=f"{name}={morsel.value}").ask("DELETE", "/v1/session")
    ((dropped, gone),) = SimpleCookie(left.headers["Set-Cookie"]).items()
    assert (dropped, gone.value, gone["max-age"], gone["secure"]) == (name, "", "0", True)


async def test_nothing_that_opens_the_desk_is_kept_as_it_is(bridge: Running) -> None:
    token = (await browser(bridge, "amy")).cookie.partition("=")[2]

    def everything(tx: Tx) -> str:
        return repr([tx.list_agents(), tx.sessions_of("amy")])

    kept = await bridge.world.store.read(everything)
    assert token not in kept
    assert PASSCODES["amy"] not in kept
    assert HASHES["amy"] not in kept, "nor shown in a log of ours"


async def test_a_session_that_was_planted_is_not_the_one_that_is_signed_in(bridge: Running) -> None:
    """Session fixation: what the browser brought is never taken over, and a session of ours is over."""
    planted = f"__Host-{COOKIE}=planted"
    answer = await sign_in(bridge, "amy", cookie=planted)
    assert "planted" not in answer.headers["Set-Cookie"]
    assert not await Browser(bridge=bridge, cookie=planted).is_signed_in()
    amy = await browser(bridge, "amy")
    await sign_in(bridge, "ben", cookie=amy.cookie)
    assert not await amy.is_signed_in()


@pytest.mark.parametrize(("name", "passcode"), [("amy", "wrong"), ("nobody", "wrong"), ("AMY", PASSCODES["amy"])])
async def test_neither_answer_nor_metric_tells_who_exists(bridge: Running, name: str, passcode: str) -> None:
    answer = await sign_in(bridge, name, passcode)
    assert (answer.status, "Set-Cookie" in answer.headers) == (401, False)
    assert answer.body["detail"] == "This name and passcode do not fit together."
    assert bridge.counted('auth_failures_total{reason="passcode",surface="desk"}') == 1


async def test_many_guesses_at_once_are_no_more_than_ten(bridge: Running) -> None:
    answers = await asyncio.gather(*(sign_in(bridge, "amy", f"guess {number}") for number in range(16)))
    statuses = sorted(answer.status for answer in answers)
    assert statuses == [401] * 10 + [429] * 6
    assert (await sign_in(bridge, "amy")).status == 429, "the right one, too"
    assert (await sign_in(bridge, "ben")).status == 201, "but nobody else"
    bridge.world.clock.now += LONG_MS + 1
    for _ in range(11):
        assert (await sign_in(bridge, "amy")).status == 201, "what was right is not counted"


async def test_a_crowd_that_guesses_names_is_sent_away_instead_of_waiting(bridge: Running) -> None:
    answers = await asyncio.gather(*(sign_in(bridge, f"name {number}", "guess") for number in range(40)))
    assert {answer.status for answer in answers} == {401, 429}
    assert (await sign_in(bridge, "amy")).status == 201


def test_passcodes_are_random_and_kept_slow_and_salted() -> None:
    made = {make_passcode() for _ in range(100)}
    assert len(made) == 100
    assert all(len(passcode) == 14 for passcode in made)
    kept = hash_passcode("correct horse")
    assert kept != hash_passcode("correct horse")
    assert is_passcode("correct horse", kept)
    assert not is_passcode("correct hors", kept)


# --- how long


async def test_a_session_ends_when_its_desk_was_closed_for_long(bridge: Running) -> None:
    amy = await browser(bridge, "amy")
    idle_ms = bridge.world.bridge.policy.desk.session_idle_ms
    for _ in range(3):
        bridge.world.clock.now += idle_ms - 1_000
        assert await amy.is_signed_in()
    bridge.world.clock.now += idle_ms + 1_000
    assert not await amy.is_signed_in()


@pytest.mark.parametrize("how", ["removed", "new passcode"])
async def test_the_end_of_an_agent_ends_sessions_and_streams(bridge: Running, how: str) -> None:
    amy = await browser(bridge, "amy")
    world = bridge.world
    await world.write(lambda tx: tx.save_agent_status(AgentStatus(id="amy", ready=True)))
    url = f"http://127.0.0.1:{bridge.port}/v1/events"
    async with bridge.http.get(url, headers={"Cookie": amy.cookie}) as stream:
        assert stream.status == 200
        if how == "removed":
            await world.write(lambda tx: agents.let_go(tx, world.bridge, "amy"))
        else:
            await world.write(lambda tx: agents.let_in(tx, world.bridge, account("amy")))
        async with asyncio.timeout(30):
            assert b"agent.status" in await stream.content.readuntil(b"agent.status")
            world.clock.now += 4_000
            await stream.read()
    assert not await amy.is_signed_in()
    status = await world.store.read(lambda tx: tx.agent_status("amy"))
    assert (status.ready, await world.store.read(lambda tx: tx.sessions_of("amy"))) == (False, [])


@pytest.mark.parametrize("how", ["removed", "new passcode"])
async def test_a_sign_in_under_way_when_the_agent_ends_opens_nothing(
    bridge: Running, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = bridge.world
    began, go_on = threading.Event(), threading.Event()

    def slowly(passcode: str, kept: str) -> bool:
        began.set()
        assert go_on.wait(30)
        return is_passcode(passcode, kept)

    monkeypatch.setattr("smsbridge.web.sessions.is_passcode", slowly)
    under_way = asyncio.create_task(sign_in(bridge, "amy"))
    assert await asyncio.to_thread(began.wait, 30)
    if how == "removed":
        await world.write(lambda tx: agents.let_go(tx, world.bridge, "amy"))
    else:
        renewed = AgentAccount(id="amy", passcode_hash=HASHES["ben"])
        await world.write(lambda tx: agents.let_in(tx, world.bridge, renewed))
    go_on.set()
    assert (await under_way).status == 401
    assert await world.store.read(lambda tx: tx.sessions_of("amy")) == []


async def test_whoever_signs_out_everywhere_is_not_ready(bridge: Running) -> None:
    here, there = await browser(bridge, "amy"), await browser(bridge, "amy")
    assert (await here.ask("PUT", "/v1/agents/amy/status", {"ready": True})).body["ready"] is True
    await here.ask("DELETE", "/v1/session")
    assert (await there.ask("GET", "/v1/session")).body["status"]["ready"] is True
    await there.ask("DELETE", "/v1/session")
    assert (await bridge.world.store.read(lambda tx: tx.agent_status("amy"))).ready is False


# --- other sites


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec_Fetch_Site": "same-origin"}, 204),
        ({"Sec_Fetch_Site": "none"}, 204),
        ({"Sec_Fetch_Site": "same-site"}, 403),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Sec_Fetch_Site": "cross-site", "Origin": "https://bridge.example"}, 403),
        ({"Origin": "https://bridge.example"}, 204),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "https://bridge.example.evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://[", "X": ""}, 403),
        ({"X": ""}, 403),
    ],
)
async def test_another_site_can_do_nothing_with_a_session(bridge: Running, headers: Any, status: int) -> None:
    amy = await browser(bridge, "amy")
    path = await interaction_of(bridge.world)
    assert (await amy.ask("POST", f"{path}/read", **headers)).status == status
    assert (await amy.ask("DELETE", "/v1/session", **headers)).status == status


async def test_another_site_cannot_sign_somebody_in(bridge: Running) -> None:
    body = {"name": "amy", "passcode": PASSCODES["amy"]}
    for headers in ({"Sec_Fetch_Site": "cross-site"}, {"Origin": "https://evil.example"}):
        answer = await Browser(bridge=bridge).ask("POST", "/v1/session", body, **headers)
        assert (answer.status, "Set-Cookie" in answer.headers) == (403, False)


async def test_no_answer_lets_another_site_read_along(bridge: Running) -> None:
    amy = await browser(bridge, "amy")
    answer = await amy.ask("GET", "/v1/contacts", Origin="https://evil.example")
    assert not [name for name in answer.headers if name.lower().startswith("access-control-")]


async def test_a_key_is_not_mixed_with_a_session(bridge: Running) -> None:
    amy = await browser(bridge, "amy")
    wrong = await amy.ask("GET", "/v1/contacts", Authorization="Bearer nonsense")
    assert wrong.status == 401
    by_key = await amy.ask("POST", "/v1/standard-responses/std_0", Authorization=f"Bearer {bridge.key}")
    assert by_key.status == 405


# --- who may do what


async def test_nobody_acts_for_anybody_else(bridge: Running) -> None:
    world = bridge.world
    amy = await browser(bridge, "amy")
    path = await interaction_of(world)
    contact = (await amy.ask("GET", path)).body["contact_id"]
    ben = {"id": "ben", "name": "Ben"}
    tries = [
        ("POST", f"{path}/accept", {"agent": ben}),
        ("POST", f"{path}/end", {"agent": ben}),
        ("POST", f"{path}/done", {"agent": ben}),
        ("POST", f"{path}/reactivate", {"agent": ben}),
        ("POST", f"{path}/assign", {"agent": "amy", "by": "ben"}),
        ("POST", f"{path}/assign", {"agent": ben}),
        ("POST", f"{path}/read", {"agent": ben}),
        ("PUT", f"{path}/presence", {"agent": ben}),
        ("DELETE", f"{path}/presence", {"agent": ben}),
        ("POST", "/v1/messages", {"to": ANN, "text": "Hi", "agent": ben}),
        ("POST", "/v1/interactions", {"to": BOB, "agent": ben}),
        ("POST", f"/v1/contacts/{contact}/opt-out", {"sender": OUR_NUMBER, "opted_out": True, "agent": ben}),
        ("PUT", "/v1/agents/ben/status", {"ready": True}),
    ]
    before = await world.store.read(lambda tx: tx.event_bounds())
    for method, where, body in tries:
        answer = await amy.ask(method, where, body)
        assert answer.status == 403, (method, where, answer.raw)
    assert await world.store.read(lambda tx: tx.event_bounds()) == before


async def test_what_an_agent_does_is_done_by_them_without_saying_so(bridge: Running) -> None:
    amy = await browser(bridge, "amy")
    path = await interaction_of(bridge.world)
    assert (await amy.post(f"{path}/accept")).body["agent"] == {"id": "amy", "name": "Amy"}
    interaction_id = path.rpartition("/")[2]
    said = await amy.post(
        "/v1/messages", {"interaction_id": interaction_id, "text": "Hi", "agent": {"id": "amy", "name": "Ben"}}
    )
    assert said.body["agent"] == {"id": "amy", "name": "Amy"}
    ready = await amy.ask("PUT", "/v1/agents/amy/status", {"ready": True, "auto_answer": True, "name": "Ben"})
    assert ready.body["name"] == "Amy"


async def test_what_another_has_is_theirs(bridge: Running) -> None:
    amy, ben, sue = [await browser(bridge, agent_id) for agent_id in ("amy", "ben", "sue")]
    path = await interaction_of(bridge.world)
    await ben.post(f"{path}/accept")
    late = await amy.post(f"{path}/accept")
    assert (late.status, late.body["code"]) == (409, "taken")
    interaction_id = path.rpartition("/")[2]
    message = (await ben.post("/v1/messages", {"interaction_id": interaction_id, "text": "Hi"})).body
    tries = [
        ("POST", f"{path}/end", None),
        ("POST", f"{path}/done", {}),
        ("POST", f"{path}/assign", {"agent": "amy"}),
        ("POST", f"{path}/assign", {"agent": None}),
        ("PATCH", path, {"note": "mine now"}),
        ("POST", "/v1/messages", {"interaction_id": interaction_id, "text": "Hi"}),
        ("POST", "/v1/messages", {"to": ANN, "text": "Hi", "quick_reply": True}),
        ("POST", f"/v1/messages/{message['id']}/cancel", None),
    ]
    for method, where, body in tries:
        answer = await amy.ask(method, where, body)
        assert (answer.status, answer.body["code"]) == (409, "owned_by_another"), (method, where)
        assert "Ben" in answer.body["detail"]
    assert (await sue.ask("PATCH", path, {"note": "seen"})).body["note"] == "seen"
    assert (await sue.post(f"{path}/assign", {"agent": "amy"})).body["agent"] == {"id": "amy", "name": "Amy"}
    assert (await amy.post(f"{path}/assign", {"agent": "ben"})).body["agent"]["id"] == "ben", "one's own is handed on"


async def test_only_a_supervisor_gives_what_waits_and_only_to_somebody(bridge: Running) -> None:
    amy, sue = await browser(bridge, "amy"), await browser(bridge, "sue")
    path = await interaction_of(bridge.world)
    assert (await amy.post(f"{path}/assign", {"agent": "ben"})).status == 403
    assert (await sue.post(f"{path}/assign", {"agent": "nobody"})).status == 422
    assert (await sue.post(f"{path}/assign", {"agent": "ben"})).body["agent"] == {"id": "ben", "name": "Ben"}


async def test_roles_differ_in_what_they_may(bridge: Running) -> None:
    amy, sue = await browser(bridge, "amy"), await browser(bridge, "sue")
    path = await interaction_of(bridge.world)
    contact = f"/v1/contacts/{(await amy.ask('GET', path)).body['contact_id']}"
    for method, where, body in (
        ("DELETE", contact, None),
        ("GET", "/v1/dead-letters", None),
        ("PUT", "/v1/agents/ben/status", {"ready": False}),
    ):
        assert (await amy.ask(method, where, body)).status == 403
        assert (await sue.ask(method, where, body)).status < 300
    assert (await sue.post("/v1/dead-letters/1/replay")).status == 403
    assert SCOPES_OF[Role.AGENT] == AGENT_SCOPES
    assert "*" not in SCOPES_OF[Role.SUPERVISOR]


async def test_what_a_removed_agent_had_waits_for_somebody_else(bridge: Running) -> None:
    world = bridge.world
    amy, ben = await browser(bridge, "amy"), await browser(bridge, "ben")
    path = await interaction_of(world)
    await amy.post(f"{path}/accept")
    await world.write(lambda tx: agents.let_go(tx, world.bridge, "amy"))
    assert (await ben.ask("GET", path)).body["state"] == "waiting"
    assert (await ben.post(f"{path}/accept")).body["agent"]["id"] == "ben"


# --- what each sees


async def test_every_agent_sees_their_own_unread_counts_in_every_tab(bridge: Running) -> None:
    world = bridge.world
    amy, second_tab, ben = await browser(bridge, "amy"), await browser(bridge, "amy"), await browser(bridge, "ben")
    path = await interaction_of(world)
    await world.text("Are you there?")
    contact_id = (await amy.ask("GET", path)).body["contact_id"]

    async def unread(who: Browser) -> list[int]:
        listed = (await who.ask("GET", "/v1/interactions?state=waiting")).body["items"][0]
        asked = [
            await who.ask("GET", f"/v1/contacts/{contact_id}"),
            await who.ask("PATCH", f"/v1/contacts/{contact_id}", {"name": "Ann"}),
        ]
        people = (await who.ask("GET", "/v1/contacts")).body["items"] + (
            await who.ask("GET", "/v1/search?query=ann")
        ).body["contacts"]
        counts = {each["unread_count"] for each in [listed["contact"], *(one.body for one in asked), *people]}
        return sorted(counts)

    assert await unread(amy) == await unread(ben) == [2]
    assert (await amy.post(f"{path}/read")).status == 204
    assert await unread(second_tab) == [0]
    assert await unread(ben) == [2]
    newest = (await world.store.read(lambda tx: tx.events_after(0, 500)))[-1]
    assert newest.type == "contact.updated", "the other tab hears that there is something to ask for"


async def test_an_offer_is_told_with_whom_it_is_for(bridge: Running) -> None:
    """What a desk needs to show a pop-up comes with the events and the list, whoever is asked first."""
    world = bridge.world
    amy = await browser(bridge, "amy")
    path = await interaction_of(world)
    contact_id = (await amy.ask("GET", path)).body["contact_id"]
    await world.write(lambda tx: contacts.update(tx, world.bridge, contact_id, assigned_to="amy"))
    await amy.post(f"{path}/done", {})
    await amy.ask("PUT", "/v1/agents/amy/status", {"ready": True})
    page = (await amy.ask("GET", "/v1/events?after=0&limit=200")).body
    await world.text("Where is my order?")
    told = (await amy.ask("GET", f"/v1/events?after={page['next_after']}")).body["items"]
    opened = next(each for each in told if each["type"] == "interaction.opened")["data"]
    assert (opened["offered_to"], opened["contact_number"], opened["offered_until"] is not None) == ("amy", ANN, True)
    first = next(each for each in told if each["type"] == "message.received")["data"]
    assert (first["interaction_id"], first["text"]) == (opened["id"], "Where is my order?")
    (listed,) = (await amy.ask("GET", "/v1/interactions?state=waiting")).body["items"]
    assert (listed["contact"]["number"], listed["last"]["text"]) == (ANN, "Where is my order?")
