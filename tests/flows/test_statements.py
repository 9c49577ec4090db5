"""How many statements a text costs: a counter that no neighbour's load disturbs (docs/performance.md)."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from fakes import World
from flows.conftest import on_sqlite

_AROUND = ("BEGIN", "SAVEPOINT", "RELEASE", "COMMIT")


async def count(world: World, work: Awaitable[Any]) -> int:
    said: list[str] = []
    writer = world.store._writer  # type: ignore[attr-defined]
    writer.set_trace_callback(said.append)
    await work
    writer.set_trace_callback(None)
    return sum(not statement.startswith(_AROUND) for statement in said)


@on_sqlite
async def test_what_a_text_from_a_contact_costs(world: World) -> None:
    assert await count(world, world.text("Hello")) == 13  # contact, conversation and interaction are new
    assert await count(world, world.text("Hello again")) == 8
    assert await count(world, world.text("Hello again", carrier_id="in2")) == 3  # a repeat is only recorded


@on_sqlite
async def test_what_a_text_to_a_contact_costs(world: World) -> None:
    assert await count(world, world.send("Hello")) == 17
    assert await count(world, world.send("Hello again")) == 12
