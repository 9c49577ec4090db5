"""While the database is away, what carriers post is kept beside it, acknowledged, and taken up in order."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

from fakes import ANN, BOB, World
from smsbridge.contracts.store import Arrived, Store, StoreUnavailable, Tx
from smsbridge.flows.spooling import take_up_spooled
from smsbridge.store.spool import FileSpool

T = TypeVar("T")


class StoreThatGoesAway:
    """The real store, while it is not `away`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.away = True

    async def write(self, work: Callable[[Tx], T], *, patience_s: float | None = None) -> T:
        if self.away:
            raise StoreUnavailable("the database cannot be reached")
        return await self._store.write(work, patience_s=patience_s)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


@pytest.fixture
async def spool(folder: Path) -> AsyncIterator[FileSpool]:
    opened = FileSpool.open(folder / "spool.sqlite3", limit=50)
    yield opened
    await opened.close()


@pytest.fixture
def store(world: World, spool: FileSpool) -> StoreThatGoesAway:
    gone = StoreThatGoesAway(world.store)
    world.bridge = replace(world.bridge, store=gone, spool=spool)
    return gone


async def texts(world: World) -> list[str]:
    return [message.text for message in (await world.messages(ANN))]


async def test_what_comes_meanwhile_is_acknowledged_and_taken_up_in_order(
    world: World, store: StoreThatGoesAway, spool: FileSpool
) -> None:
    for number in range(5):
        report = await world.text(f"text {number}")
        assert report.is_spooled
        assert report.response.status == 204, "in the carrier's own words"
    with pytest.raises(StoreUnavailable):
        await take_up_spooled(world.bridge)
    assert spool.depth == 5

    # it is back, but what comes now goes behind what waits
    store.away = False
    assert (await world.text("text 5")).is_spooled
    assert await take_up_spooled(world.bridge) == 6
    assert spool.depth == 0
    assert await texts(world) == [f"text {number}" for number in range(6)]
    assert not (await world.text("text 6")).is_spooled
    assert await texts(world) == [f"text {number}" for number in range(7)]


async def test_one_that_was_kept_after_all_is_a_duplicate(world: World, store: StoreThatGoesAway) -> None:
    store.away = False
    await world.text("Hello", carrier_id="C1")
    store.away = True
    assert (await world.text("Hello", carrier_id="C1")).is_spooled
    store.away = False
    await take_up_spooled(world.bridge)
    assert await texts(world) == ["Hello"]
    counted = await world.arrivals()
    assert counted == {("plain", Arrived.STORED): 1, ("plain", Arrived.DUPLICATE): 1}


async def test_the_spool_outlives_the_daemon(
    world: World, store: StoreThatGoesAway, spool: FileSpool, folder: Path
) -> None:
    await world.text("Hello")
    again = FileSpool.open(folder / "spool.sqlite3", limit=50)
    assert again.depth == 1
    (spooled,) = await again.oldest(10)
    assert spooled.account == "plain"
    assert "Hello" not in repr(spooled)
    await again.close()


async def test_a_full_spool_refuses_and_a_forged_webhook_gets_nowhere(
    world: World, store: StoreThatGoesAway, spool: FileSpool
) -> None:
    for number in range(50):
        await world.text(f"text {number}")
    with pytest.raises(StoreUnavailable, match="full"):
        await world.text("one too many")
    assert spool.depth == 50
    with pytest.raises(StoreUnavailable):  # the quarantine is in the database
        await world.webhook({"type": "message", "id": "x"}, secret="wrong")
    assert spool.depth == 50


async def test_one_that_cannot_be_taken_up_holds_up_nobody(
    world: World, store: StoreThatGoesAway, monkeypatch: pytest.MonkeyPatch
) -> None:
    from smsbridge.flows import spooling

    real = spooling.accept_events

    def crash_on_bob(tx: Tx, bridge: Any, account: Any, request: Any, events: Any) -> Any:
        if BOB in str(events):
            raise RuntimeError("a bug")
        return real(tx, bridge, account, request, events)

    monkeypatch.setattr(spooling, "accept_events", crash_on_bob)
    await world.text("before")
    await world.text("trouble", sender=BOB)
    await world.text("after")
    store.away = False
    assert await take_up_spooled(world.bridge) == 3
    assert await texts(world) == ["before", "after"]
    (aside,) = await world.store.read(lambda tx: tx.list_arrivals(outcome=Arrived.REFUSED))
    assert aside.reason == "crashed: RuntimeError"
    assert b"trouble" in aside.request


async def test_without_a_spool_it_is_refused(world: World, store: StoreThatGoesAway) -> None:
    world.bridge = replace(world.bridge, spool=None)
    with pytest.raises(StoreUnavailable):
        await world.text("Hello")
