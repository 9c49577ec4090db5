"""How many statements a text costs: a counter that no neighbour's load disturbs (docs/performance.md)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from fakes import World
from flows.conftest import on_sqlite
from smsbridge.domain.cause import Cause
from smsbridge.flows import interactions, lanes, rerouting, waiting

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


@on_sqlite
async def test_of_very_much_that_waits_a_little_is_looked_after_at_once(make_world: Callable[..., World]) -> None:
    """A transaction is cut off after eight seconds, and a database may be some milliseconds away."""
    world = make_world(rate_per_s=1, external=True, reroute=[Cause.CARRIER_OUTAGE])
    for number in range(110):
        await world.send("Hello", to=f"+1415555{1_000 + number}")
    await world.run_due()
    world.clock.now += 7_200_000
    queue, now_ms = lanes.send_queue("plain"), world.clock.now
    brake = replace(await world.store.read(lambda tx: tx.brake(queue)), opened_at_ms=now_ms, probe_at_ms=now_ms + 1)
    await world.write(lambda tx: tx.save_brake(queue, brake))
    for look in (
        rerouting.reroute_waiting,
        waiting.tell_of_brakes,
        waiting.give_up_overdue,
        interactions.end_idle,
    ):
        assert 25 < await count(world, world.write(lambda tx, look=look: look(tx, world.bridge))) < 700, look
        world.clock.now = now_ms + 40 * 3_600_000
