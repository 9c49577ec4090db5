"""Nobody gets in who should not: every call of the API, with every kind of key that must not pass."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from fakes import World
from smsbridge.web.api import ENDPOINTS
from smsbridge.web.auth import SCOPES, make_key
from smsbridge.web.endpoint import Endpoint
from web.api.rest_client import Api

MakeKey = Callable[[str], Awaitable[str]]


@pytest.fixture
async def new_key(world: World) -> MakeKey:
    async def make(*scopes: str) -> str:
        shown, kept = make_key("other", frozenset(scopes), world.clock.now_ms())
        await world.write(lambda tx: tx.insert_api_key(kept))
        return f"Bearer {shown}"

    return make


def path_of(endpoint: Endpoint) -> str:
    return endpoint.path.replace("{id}", "int_nope").replace("{number}", "%2B14155550142")


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
async def test_only_a_key_with_the_scope_passes(api: Api, new_key: MakeKey, endpoint: Endpoint, world: World) -> None:
    """The refused calls change nothing; the one that passes gets to the call itself, whatever that says."""

    async def status(authorization: str) -> int:
        reply = await api.call(endpoint.method, path_of(endpoint), authorization=authorization)
        return reply.status

    assert endpoint.scope in SCOPES
    before = await world.store.read(lambda tx: tx.event_bounds())
    for refused in ("", "Bearer", "Basic dTpw", "Bearer nonsense"):
        assert await status(refused) == 401, refused
    for scope in SCOPES:
        allowed = scope == endpoint.scope
        got = await status(await new_key(scope))
        assert (got not in {401, 403}) if allowed else (got == 403), scope
    assert await status(await new_key(*(set(SCOPES) - {endpoint.scope}))) == 403
    assert await status(await new_key()) == 403
    assert await status(await new_key("*")) not in {401, 403}
    if endpoint.scope != "desk:write":
        assert await world.store.read(lambda tx: tx.event_bounds()) == before


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
async def test_a_revoked_key_is_no_key(api: Api, world: World, endpoint: Endpoint) -> None:
    shown, kept = make_key("gone", frozenset({"*"}), world.clock.now_ms())
    await world.write(lambda tx: (tx.insert_api_key(kept), tx.revoke_api_key(kept.id, world.clock.now_ms())))
    reply = await api.call(endpoint.method, path_of(endpoint), authorization=f"Bearer {shown}")
    assert (reply.status, reply.problem) == (401, "not-authenticated")
    assert reply.headers["WWW-Authenticate"].startswith("Bearer")


async def test_a_key_that_is_revoked_while_in_use_stops_within_seconds(api: Api, world: World) -> None:
    shown, kept = make_key("leaver", frozenset({"*"}), world.clock.now_ms())
    await world.write(lambda tx: tx.insert_api_key(kept))
    said = f"Bearer {shown}"
    assert (await api.call("GET", "/v1/senders", authorization=said)).status == 200
    await world.write(lambda tx: tx.revoke_api_key(kept.id, world.clock.now_ms()))
    world.clock.now += 3_001
    assert (await api.call("GET", "/v1/senders", authorization=said)).status == 401


async def test_guessing_keys_is_slowed_down(api: Api) -> None:
    statuses = [(await api.call("GET", "/v1/senders", authorization="Bearer smsb_nope")).status for _ in range(12)]
    assert statuses[:10] == [401] * 10
    assert statuses[10:] == [429] * 2


def test_no_call_is_open_to_everybody() -> None:
    assert [endpoint.name for endpoint in ENDPOINTS if endpoint.scope is None] == []
