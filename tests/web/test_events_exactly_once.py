"""Each event reaches each reader exactly once and in order, whatever breaks between; nobody slow holds up others."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

from fakes import ANN, START_MS, World
from smsbridge.blobs import FolderBlobs
from smsbridge.contracts.store import StoreUnavailable, Tx
from smsbridge.domain.journal import LogEvent
from smsbridge.flows import contacts, resources
from smsbridge.flows.journal import tell_of_agent
from smsbridge.store.sqlite import SqliteStore
from smsbridge.web import events
from smsbridge.web.auth import CACHE_MS, make_key
from smsbridge.web.events import PAGE, StreamLimits, Tail
from smsbridge.web.server import Limits, WebServer

LONG_S = 3_600.0


class Edge:
    """A bridge served whole, and a client with a key to its events at `url`."""

    def __init__(self, world: World, server: WebServer, http: aiohttp.ClientSession, url: URL, key_id: str) -> None:
        self.world = world
        self.server = server
        self.http = http
        self.url = url
        self.key_id = key_id

    async def happen(self, count: int = 1, **detail: Any) -> None:
        """Agent events: `data.n` counts them through."""

        def tell(tx: Tx) -> None:
            for _ in range(count):
                tell_of_agent(tx, self.world.bridge, {"n": tx.event_bounds()[1] + 1, **detail})

        await self.world.write(tell)

    async def happen_one_by_one(self, count: int) -> None:
        for _ in range(count):
            await self.happen()

    async def page(self, **query: Any) -> tuple[int, Any]:
        async with self.http.get(self.url.with_query(query), headers={"Accept": "application/json"}) as response:
            return response.status, json.loads(await response.read())

    @contextlib.asynccontextmanager
    async def reading(self, last_id: str = "", **query: str) -> AsyncIterator[Reader]:
        headers = {"Accept": "text/event-stream", **({"Last-Event-ID": last_id} if last_id else {})}
        async with self.http.get(self.url.with_query(query), headers=headers, read_bufsize=2**20) as response:
            assert response.status == 200, await response.text()
            reader = Reader(response)
            while not reader.last_id:
                await reader.block()
            yield reader


class Reader:
    """Reads a stream as a browser does: blocks of fields, the last id kept for the next visit."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response
        self.last_id = ""
        self.retry = ""

    async def block(self) -> dict[str, str] | None:
        """The fields of the next block, comments under `:`; None at the end of the stream."""
        fields: dict[str, str] = {}
        async for line in self.response.content:
            text = line.decode().rstrip("\n")
            if not text:
                self.last_id = fields.get("id", self.last_id)
                self.retry = fields.get("retry", self.retry)
                return fields
            name, _, value = text.partition(":")
            fields[name or ":"] = value.removeprefix(" ")
        return None

    async def event(self) -> dict[str, str]:
        """The next block that a browser would dispatch."""
        while (fields := await self.block()) is not None:
            if "data" in fields:
                return fields
        raise AssertionError("the stream ended")

    async def numbers(self, count: int) -> list[int]:
        return [int((await self.event())["id"]) for _ in range(count)]


@contextlib.asynccontextmanager
async def an_edge(folder: Path, **limits: float) -> AsyncIterator[Edge]:
    store = SqliteStore.open(folder / "store.sqlite3")
    blobs = FolderBlobs.open(folder / "media")
    world = World(store, blobs)
    streams = StreamLimits(**{"heartbeat_s": LONG_S, "recheck_s": LONG_S, **limits})
    server = WebServer(
        world.bridge,
        render_metrics=bytes,
        forget_gauge=lambda _name: None,
        limits=Limits(grace_s=1, streams=streams),
    )
    shown, kept = make_key("test", frozenset({"events:read"}), START_MS)
    await world.write(lambda tx: tx.insert_api_key(kept))
    http = aiohttp.ClientSession(
        headers={"Authorization": f"Bearer {shown}"}, connector=aiohttp.TCPConnector(limit=100)
    )
    try:
        async with asyncio.TaskGroup() as group, http:
            port = await server.listen(host="127.0.0.1", port=0)
            group.create_task(server.run())
            try:
                yield Edge(world, server, http, URL(f"http://127.0.0.1:{port}/v1/events"), kept.id)
            finally:
                await server.stop()
    finally:
        blobs.close()
        await store.close()


@pytest.fixture
async def edge(tmp_path: Path) -> AsyncIterator[Edge]:
    async with an_edge(tmp_path) as made:
        yield made


async def test_an_event_is_told_as_it_happens_with_its_id_its_type_and_the_resource(edge: Edge) -> None:
    async with edge.reading() as reader:
        assert reader.retry == "3000"
        assert reader.response.content_type == "text/event-stream"
        assert reader.response.headers["Cache-Control"] == "no-store"
        assert reader.response.headers["X-Accel-Buffering"] == "no"
        await edge.world.text("Grüße\r\n\u2028zwei\n\nid: 7")
        told = [await reader.event(), await reader.event()]
    messages = [json.loads(each["data"]) for each in told if each["event"] == "message.received"]
    assert [each["data"]["text"] for each in messages] == ["Grüße\r\n\u2028zwei\n\nid: 7"]
    assert {each["event"] for each in told} == {"message.received", "interaction.opened"}
    assert [each["id"] for each in told] == ["1", "2"]


async def test_resuming_gives_each_event_once_and_in_order_across_restarts_of_server_and_store(tmp_path: Path) -> None:
    """Every visit sees new events arrive while it still catches up on old ones."""
    seen: list[int] = []
    last_id = ""
    total = 0
    for visit in range(4):
        async with an_edge(tmp_path) as edge:
            if not visit:
                async with edge.reading() as reader:
                    last_id = reader.last_id  # cut off before the first event: the id was given at once
            await edge.happen(PAGE * 2 + 7)  # while nobody reads
            async with edge.reading(last_id) as reader, asyncio.TaskGroup() as group:
                group.create_task(edge.happen_one_by_one(60))
                total += PAGE * 2 + 67
                seen += await reader.numbers(total - len(seen) - (5 if visit < 3 else 0))
                last_id = reader.last_id
    assert seen == list(range(1, total + 1))


async def test_readers_that_join_at_any_time_each_see_everything_once(edge: Edge) -> None:
    async def read_from(start: int) -> list[int]:
        async with edge.reading(str(start)) as reader:
            return await reader.numbers(400 - start)

    await edge.happen(100)
    async with asyncio.TaskGroup() as group:
        group.create_task(edge.happen_one_by_one(300))
        tasks = [(start, group.create_task(read_from(start))) for start in range(1, 100, 10)]
    for start, task in tasks:
        assert task.result() == list(range(start + 1, 401))


async def test_a_reader_that_joins_as_the_last_one_leaves_misses_nothing(edge: Edge) -> None:
    """The tail is asking the store on behalf of a reader that is gone when one joins that has read less."""
    tail = Tail(edge.world.bridge)
    asking, go_on = asyncio.Event(), asyncio.Event()
    real = tail.read_after

    async def held_back(position: int) -> Any:
        if position == 2:
            asking.set()
            await go_on.wait()
        return await real(position)

    tail.read_after = held_back  # type: ignore[method-assign]
    async with asyncio.TaskGroup() as group:
        group.create_task(tail.run())
        first = tail.join(0, frozenset())
        assert first is not None
        await edge.happen(2)
        await asking.wait()
        tail.leave(first)
        second = tail.join(1, frozenset())
        assert second is not None
        await edge.happen(1)
        go_on.set()
        while not second.frames or second.frames[-1].seq < 3:
            second.woken.clear()
            await second.woken.wait()
        tail.stop()
    assert [frame.seq for frame in second.frames] == [2, 3]


async def test_fifty_readers_cost_one_rendering(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    rendered: list[int] = []
    real = resources.event

    def counted(tx: Tx, bridge: Any, event: LogEvent) -> Any:
        rendered.append(event.seq)
        return real(tx, bridge, event)

    monkeypatch.setattr(resources, "event", counted)
    async with contextlib.AsyncExitStack() as stack:
        readers = [await stack.enter_async_context(edge.reading()) for _ in range(50)]
        await edge.happen(1)
        assert {(await reader.numbers(1))[0] for reader in readers} == {1}  # all of them are at the tail now
        rendered.clear()
        await edge.happen_one_by_one(20)
        for told in await asyncio.gather(*(reader.numbers(20) for reader in readers)):
            assert told == list(range(2, 22))
    assert sorted(rendered) == list(range(2, 22))


async def test_those_who_catch_up_take_turns_and_the_others_do_not_wait_for_them(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    readers, past = 20, 2 * PAGE + 1
    await edge.happen(past)
    real, gate, full = Tail.read_after, asyncio.Event(), asyncio.Event()
    pages: list[int] = []
    running: list[int] = []
    most = 0

    async def held(tail: Tail, position: int) -> list[events.Frame]:
        nonlocal most
        if position >= past:
            return await real(tail, position)
        running.append(position)
        pages.append(position)
        most = max(most, len(running))
        if len(running) == events.CATCHING_UP_AT_ONCE:
            full.set()
        try:
            await gate.wait()
            return await real(tail, position)
        finally:
            running.remove(position)

    monkeypatch.setattr(Tail, "read_after", held)
    async with contextlib.AsyncExitStack() as stack:
        late = [await stack.enter_async_context(edge.reading("0")) for _ in range(readers)]
        await full.wait()
        live = await stack.enter_async_context(edge.reading())
        await edge.happen()
        assert await live.numbers(1) == [past + 1]
        gate.set()
        told = await asyncio.gather(*(reader.numbers(past + 1) for reader in late))
    assert told == [list(range(1, past + 2))] * readers
    assert most == events.CATCHING_UP_AT_ONCE
    assert pages[:readers] == [0] * readers, "nobody has a second page before everybody has a first"


async def test_nothing_is_rendered_while_nobody_reads(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(resources, "event")  # rendering anything would end the tail, and with it this test
    await edge.happen_one_by_one(5)
    monkeypatch.undo()
    status, page = await edge.page(after=4)
    assert (status, [each["seq"] for each in page["items"]]) == (200, [5])


async def test_a_reader_that_takes_nothing_is_cut_and_holds_up_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with an_edge(tmp_path, write_timeout_s=1) as edge:
        assert edge.url.host is not None
        small = socket.socket()
        small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        small.setblocking(False)
        await asyncio.get_running_loop().sock_connect(small, (edge.url.host, edge.url.port))
        slow_in, slow_out = await asyncio.open_connection(sock=small, limit=2**10)
        key = edge.http.headers["Authorization"]
        slow_out.write(
            f"GET /v1/events HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\nAuthorization: {key}\r\n\r\n".encode()
        )
        await slow_in.readuntil(b"retry:")
        cut = asyncio.Event()
        monkeypatch.setattr(edge.world.meter, "count", lambda name, *_, **labels: (name, labels) == _CUT and cut.set())
        async with edge.reading() as reader:
            for seq in range(1, 31):  # 12 MB: more than all buffers between the two can hold
                await edge.happen(padding="x" * 400_000)
                assert await reader.numbers(1) == [seq]
            await cut.wait()
        await _until_cut(slow_in)
        slow_out.close()


_CUT = ("slow_clients_closed_total", {"surface": "events"})


async def _until_cut(stream: asyncio.StreamReader) -> None:
    """To a reset, or to an end in the middle of an event."""
    rest = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := await stream.read(2**16):
            rest = piece
    assert not rest.endswith(b"\n0\r\n\r\n"), "the stream ended as if all were well"


async def test_who_was_away_longer_than_the_log_is_kept_is_told_to_read_anew(edge: Edge) -> None:
    await edge.happen(5)
    edge.world.clock.now += 1_000
    await edge.happen(3)
    await edge.world.write(lambda tx: tx.trim_events(START_MS + 1))
    async with edge.reading("2") as reader:
        assert (await reader.event())["event"] == "resync"
        at = int(reader.last_id)
        await edge.happen(1)
        assert await reader.numbers(9 - at) == list(range(at + 1, 10))
    async with edge.reading("5") as reader:
        assert await reader.numbers(4) == [6, 7, 8, 9]


async def test_who_is_ahead_of_the_log_has_read_another_one_and_is_told_to_read_anew(edge: Edge) -> None:
    """The database was put back from a backup: the same numbers will be given again, to other events."""
    await edge.happen(5)
    async with edge.reading("9") as reader:
        assert (await reader.event())["event"] == "resync"
        assert reader.last_id == "5"
        await edge.happen()
        assert await reader.numbers(1) == [6]


@pytest.mark.parametrize("garbage", ["abc", "-1", "1.5", "1e3", "9" * 30, "0x10", "1;2", " 1 1", "\\0"])
async def test_an_id_that_is_none_makes_neither_a_traceback_nor_a_hole(edge: Edge, garbage: str) -> None:
    await edge.happen(3)
    async with edge.reading(garbage) as reader:
        assert (await reader.event())["event"] == "resync"
        await edge.happen()
        assert await reader.numbers(1) == [4]
    status, problem = await edge.page(last_event_id=garbage)
    assert (status, problem["errors"][0]["pointer"]) == (422, "last_event_id")


async def test_only_the_types_that_were_asked_for_and_the_rest_is_not_read_again(tmp_path: Path) -> None:
    async with an_edge(tmp_path, heartbeat_s=0.05) as edge:
        await edge.happen(3)
        await edge.world.text("one")
        async with edge.reading("1", types="message.received,notice.raised") as reader:
            assert (await reader.event())["event"] == "message.received"
            await edge.happen(4)
            newest = (await edge.world.store.read(lambda tx: tx.event_bounds()))[1]
            while reader.last_id != str(newest):  # moved on by a beat, without an event
                fields = await reader.block()
                assert fields is not None
                assert "data" not in fields


async def test_who_wants_nothing_of_what_was_missed_is_moved_on_past_it(tmp_path: Path) -> None:
    async with an_edge(tmp_path, heartbeat_s=0.02) as edge:
        await edge.happen(5)
        async with edge.reading("1", types="message.received") as reader:
            assert reader.last_id == "1"
            while reader.last_id != "5":
                assert await reader.block() is not None


async def test_a_type_that_does_not_exist_is_refused_with_those_that_do(edge: Edge) -> None:
    status, problem = await edge.page(types="message.received,message.read")
    assert status == 422
    assert problem["errors"][0]["pointer"].startswith("types")
    assert "message.received" in problem["errors"][0]["detail"]


async def test_a_browser_that_comes_back_goes_on_from_the_header_and_not_from_its_first_url(edge: Edge) -> None:
    await edge.happen(5)
    async with edge.reading("4", last_event_id="1") as reader:
        assert await reader.numbers(1) == [5]
    async with edge.reading(last_event_id="1") as reader:
        assert await reader.numbers(4) == [2, 3, 4, 5]


async def test_a_silent_stream_is_kept_alive(tmp_path: Path) -> None:
    async with an_edge(tmp_path, heartbeat_s=0.02) as edge, edge.reading() as reader:
        assert [await reader.block() for _ in range(3)] == [{":": "still here"}] * 3


async def test_a_key_that_is_revoked_loses_its_streams(tmp_path: Path) -> None:
    async with an_edge(tmp_path, heartbeat_s=0.02, recheck_s=0.02) as edge, edge.reading() as reader:
        assert await reader.block() == {":": "still here"}
        await edge.world.write(lambda tx: tx.revoke_api_key(edge.key_id, START_MS))
        edge.world.clock.now += CACHE_MS + 1
        while await reader.block() is not None:
            pass


async def test_streams_and_long_polls_end_with_the_bridge(edge: Edge) -> None:
    async with edge.reading() as reader:
        waiting = _told_when_waiting(edge)
        poll = asyncio.create_task(edge.page(after=0, wait=30))
        await waiting()
        await edge.server.stop()
        assert await reader.block() is None
        assert await poll == (200, {"items": [], "next_after": 0})


async def test_a_long_poll_is_answered_by_the_event_it_waits_for(edge: Edge) -> None:
    waiting = _told_when_waiting(edge)
    poll = asyncio.create_task(edge.page(after=0, wait=30, types="message.received"))
    await waiting()
    await edge.happen(2)  # which it does not want
    await edge.world.text("Hello")
    status, page = await poll
    assert (status, [each["data"]["text"] for each in page["items"]]) == (200, ["Hello"])


def _told_when_waiting(edge: Edge) -> Callable[[], Awaitable[Any]]:
    """Waits for the poll to have looked into an empty log once."""
    looked = asyncio.Event()
    real = edge.world.store.read

    async def read(work: Any) -> Any:
        found = await real(work)
        if isinstance(found, dict):
            looked.set()
        return found

    edge.world.store.read = read  # type: ignore[method-assign]
    return looked.wait


async def test_a_store_that_is_gone_for_a_moment_delays_and_loses_nothing(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The events are there and no other commit will ring."""
    async with edge.reading() as reader:
        await edge.happen()
        await reader.numbers(1)
        committed, failed = asyncio.Event(), asyncio.Event()

        async def fail(_work: Any) -> Any:
            if committed.is_set():
                failed.set()
            raise StoreUnavailable("the disk is away")

        monkeypatch.setattr(edge.world.store, "read", fail)
        monkeypatch.setattr(events, "PAUSE_AFTER_ERROR_S", 0.01)
        leave = edge.world.store.subscribe(lambda _commit: committed.set())
        await edge.happen(2)
        await failed.wait()
        leave()
        monkeypatch.undo()
        async with asyncio.timeout(30):
            assert await reader.numbers(2) == [2, 3]


async def test_a_poll_goes_on_where_the_last_one_ended(edge: Edge) -> None:
    await edge.happen(5)
    _, first = await edge.page(after=0, limit=3)
    assert [each["seq"] for each in first["items"]] == [1, 2, 3]
    _, second = await edge.page(after=first["next_after"], limit=3)
    assert [each["data"]["n"] for each in second["items"]] == [4, 5]
    assert await edge.page(after=5) == (200, {"items": [], "next_after": 5})
    status, problem = await edge.page(after=9)
    assert (status, problem["type"]) == (410, "/docs/problems#no-longer-kept")


async def test_a_poll_without_a_beginning_begins_now(edge: Edge) -> None:
    await edge.happen(5)
    assert await edge.page() == (200, {"items": [], "next_after": 5})


@pytest.mark.parametrize(
    "query", [{"limit": "0"}, {"limit": "201"}, {"wait": "31"}, {"wait": "nan"}, {"after": "x"}, {"afer": "1"}]
)
async def test_a_wrong_parameter_is_named(edge: Edge, query: dict[str, str]) -> None:
    status, problem = await edge.page(**query)
    assert (status, problem["errors"][0]["pointer"]) == (422, next(iter(query)))


async def test_what_an_erased_person_wrote_is_told_to_nobody_any_more(edge: Edge) -> None:
    async with edge.reading() as reader:
        await edge.world.text("my secret")
        while "my secret" not in (await reader.event())["data"]:
            pass
        contact = await edge.world.store.read(lambda tx: tx.contact_by_number(ANN))
        await contacts.erase(edge.world.bridge, contact.id)
        while "erased:" not in (await reader.event())["data"]:
            pass
        newest = int(reader.last_id)
    async with edge.reading(last_event_id="0") as late:
        told = [await late.event() for _ in range(newest)]
    assert told
    assert "my secret" not in json.dumps(told)
