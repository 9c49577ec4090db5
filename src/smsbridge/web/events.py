"""The event log for those outside: as a stream (server-sent events) and, for those who poll, as JSON.

There is one tail for the whole process. It wakes with the commits, renders each event once and hands the same bytes to
every follower; without followers it sleeps and costs nothing. A follower first reads what it missed by itself and joins
the tail at the very event it has come to, so nothing is told twice and nothing is left out.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any, Final

from aiohttp import web
from pydantic import BeforeValidator, Field

from smsbridge.contracts.bridge import Bridge
from smsbridge.contracts.store import Commit, StoreUnavailable, Tx
from smsbridge.domain.errors import BridgeError
from smsbridge.domain.journal import EventType, LogEvent
from smsbridge.flows import resources
from smsbridge.web.api.models import MAX_LIMIT, Event, Request, Resource
from smsbridge.web.auth import Doorkeeper
from smsbridge.web.endpoint import Call, Endpoint
from smsbridge.web.problems import NoLongerKept
from smsbridge.web.rest import STREAM_TYPE
from smsbridge.wire.encoding import write_json

PATH: Final = "/v1/events"
SCOPE: Final = "events:read"
MAX_WAITING: Final = 1_000
"""Events that may wait for one follower. Who falls further behind is cut, comes back and reads them from the log."""
PAGE: Final = 200
CATCHING_UP_AT_ONCE: Final = 2
"""Pages of the past that are rendered at the same time. Everybody else's reads need the store's threads as well."""
MAX_WAIT_S: Final = 30.0
RETRY_AFTER_MS: Final = 3_000
PAUSE_AFTER_ERROR_S: Final = 1.0
_MAX_SEQ: Final = 2**53 - 1


@dataclass(frozen=True, kw_only=True, slots=True)
class StreamLimits:
    heartbeat_s: float = 15.0
    """A comment this often: proxies close what is silent."""
    write_timeout_s: float = 10.0
    """A client that takes nothing for so long is cut."""
    recheck_s: float = 4.0
    """How often the key is looked at again: a revoked one ends its streams."""


def _split(value: Any) -> Any:
    """`?types=a,b` and `?types=a&types=b` are the same."""
    listed = value if isinstance(value, list) else [value]
    return [part for item in listed for part in (item.split(",") if isinstance(item, str) else [item]) if part]


class EventsQuery(Request):
    after: Annotated[
        int | None, Field(ge=0, le=_MAX_SEQ, description="The `seq` after which to go on; 0: from the oldest kept.")
    ] = None
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT, description="How many at most (JSON only).")] = 100
    wait: Annotated[float, Field(ge=0, le=MAX_WAIT_S, description="Seconds to wait for the first one (JSON only).")] = 0
    types: Annotated[
        tuple[EventType, ...], BeforeValidator(_split), Field(description="Only these, separated by commas.")
    ] = ()
    last_event_id: Annotated[
        int | None,
        Field(ge=0, le=_MAX_SEQ, description="For a first connection; afterwards the header Last-Event-ID says it."),
    ] = None


class EventPage(Resource):
    items: list[Event]
    next_after: Annotated[int, Field(description="Give it as `after` the next time, also when there were none.")]


@dataclass(frozen=True, slots=True)
class Frame:
    """One event as it goes over the wire."""

    seq: int
    type: EventType
    data: bytes


@dataclass(eq=False, slots=True)
class Follower:
    """What waits for one client."""

    position: int
    types: frozenset[EventType]
    frames: deque[Frame] = field(default_factory=deque)
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    left_behind: bool = False

    def offer(self, frame: Frame) -> None:
        if frame.seq <= self.position or self.left_behind:
            return
        self.left_behind = len(self.frames) >= MAX_WAITING
        self.frames.append(frame)
        self.woken.set()


class Tail:
    """Follows the log on behalf of everybody. `run` returns after `stop`."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self._position = 0
        self._followers: set[Follower] = set()
        self._bells: set[asyncio.Event] = set()
        self._woken = asyncio.Event()
        self.stopping = asyncio.Event()
        self.catching_up = asyncio.Semaphore(CATCHING_UP_AT_ONCE)
        """Held for one page, in the order of asking: so those who catch up take turns, and a short way is soon gone."""

    async def run(self) -> None:
        leave = self._bridge.store.subscribe(self._note)
        try:
            while not self.stopping.is_set():
                await self._woken.wait()
                self._woken.clear()
                await self._pass_on()
        finally:
            leave()

    def stop(self) -> None:
        self.stopping.set()
        self._woken.set()
        for follower in self._followers:
            follower.woken.set()
        for bell in self._bells:
            bell.set()

    @contextlib.contextmanager
    def bell(self) -> Iterator[asyncio.Event]:
        """An event that is set whenever something was added to the log, and at the stop."""
        bell = asyncio.Event()
        self._bells.add(bell)
        try:
            yield bell
        finally:
            self._bells.discard(bell)

    def join(self, position: int, types: frozenset[EventType]) -> Follower | None:
        """A follower from right after `position`, or None if the tail has gone past it: read on and try again."""
        if not self._followers:
            self._position = position
        elif position < self._position:
            return None
        follower = Follower(position, types)
        self._followers.add(follower)
        self._woken.set()  # for what was committed since `position` was read
        return follower

    def leave(self, follower: Follower) -> None:
        self._followers.discard(follower)

    async def read_after(self, position: int) -> list[Frame]:
        return await self._bridge.store.read(lambda tx: _read_frames(tx, self._bridge, position))

    def _note(self, commit: Commit) -> None:
        if commit.last_event_seq:
            for bell in self._bells:
                bell.set()
            if self._followers:
                self._woken.set()

    async def _pass_on(self) -> None:
        while self._followers and not self.stopping.is_set():
            asked_from = self._position
            try:
                frames = await self.read_after(asked_from)
            except StoreUnavailable:
                await self._pause()  # the next commit may be far away, and what is not told yet is waited for
                continue
            if self._position != asked_from:
                continue  # the last follower has left meanwhile, and one has joined who has read less
            if not frames:
                return
            self._position = max(self._position, frames[-1].seq)
            for follower in self._followers:
                for frame in frames:
                    follower.offer(frame)

    async def _pause(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PAUSE_AFTER_ERROR_S):
                await self.stopping.wait()


def _asks_for_a_page(query: EventsQuery, accept: str) -> bool:
    """A stream is what this is for; whoever wants a page says so, by what only a page has or by the type."""
    if STREAM_TYPE in accept:
        return query.after is not None
    return bool({"after", "limit", "wait"} & query.model_fields_set) or "application/json" in accept


class EventStream:
    """`GET /v1/events`, both ways."""

    def __init__(self, bridge: Bridge, tail: Tail, doorkeeper: Doorkeeper, limits: StreamLimits | None = None) -> None:
        self._bridge = bridge
        self._tail = tail
        self._doorkeeper = doorkeeper
        self._limits = limits or StreamLimits()

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint(
            method="GET",
            path=PATH,
            summary="Follow what happens",
            description=(
                "A stream of server-sent events, each with its `seq` as id: after a break, `Last-Event-ID` goes on "
                "where it ended. An `event: resync` says that what came before is no longer kept. With `after`, "
                "`limit` or `wait`, or with `Accept: application/json`, a page of events as JSON for those who poll."
            ),
            tag="events",
            scope=SCOPE,
            handler=self.answer,
            query=EventsQuery,
            answer=EventPage,
            content_types=("application/json", STREAM_TYPE),
            problems=(410, 422),
        )

    async def answer(self, call: Call) -> dict[str, Any] | web.StreamResponse:
        query = call.query(EventsQuery)
        if _asks_for_a_page(query, call.request.headers.get("Accept", "")):
            return await self._poll(query)
        return await self._stream(call.request, query, call.request_id)

    # --- as JSON

    async def _poll(self, query: EventsQuery) -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        until, after = loop.time() + query.wait, query.after
        with self._tail.bell() as bell:
            while True:
                bell.clear()
                page = await self._bridge.store.read(partial(_read_page, bridge=self._bridge, query=query, after=after))
                if page["items"] or loop.time() >= until or self._tail.stopping.is_set():
                    return page
                after = page["next_after"]
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout_at(until):
                        await bell.wait()

    # --- as a stream

    async def _stream(self, request: web.Request, query: EventsQuery, request_id: str) -> web.StreamResponse:
        response = web.StreamResponse(
            headers={
                "Content-Type": f"{STREAM_TYPE}; charset=utf-8",
                "Cache-Control": "no-store",
                "X-Accel-Buffering": "no",
                "X-Request-Id": request_id,
            }
        )
        position, newest, reason = await self._begin(_last_event_id(request, query))
        with contextlib.suppress(ConnectionError, TimeoutError):  # the client went away, or takes nothing any more
            await response.prepare(request)
            if request.method == "HEAD":
                return response
            await self._write(response, _opening(position, reason))
            async with contextlib.aclosing(self._chunks(request, position, newest, frozenset(query.types))) as chunks:
                async for chunk in chunks:
                    await self._write(response, chunk)
            async with asyncio.timeout(self._limits.write_timeout_s):
                await response.write_eof()
            return response
        if request.transport is not None:
            request.transport.abort()
        return response

    async def _begin(self, last_seen: int | None) -> tuple[int, int, str]:
        """Where to go on, the end of the log, and the reason of a resync. Without a last id it goes on from the end."""
        oldest, newest = await self._bridge.store.read(lambda tx: tx.event_bounds())
        if last_seen is None:
            return newest, newest, ""
        if last_seen == 0:
            return max(oldest - 1, 0), newest, ""
        if last_seen > newest:
            return newest, newest, "unknown"
        if last_seen < oldest - 1:
            return newest, newest, "no_longer_kept"
        return last_seen, newest, ""

    async def _chunks(
        self, request: web.Request, position: int, newest: int, types: frozenset[EventType]
    ) -> AsyncGenerator[bytes, None]:
        """What to write, until the stop, until the key is revoked, or until the client is too far behind."""
        follower = self._tail.join(position, types) if position >= newest else None  # who missed nothing never queues
        told = position
        while follower is None:
            async with self._tail.catching_up:
                if self._tail.stopping.is_set():
                    return
                frames = await self._tail.read_after(position)
            if frames:
                position = frames[-1].seq
                if chunk := _write_frames(frames, types):
                    told = position
                    yield chunk
            else:
                follower = self._tail.join(position, types)
        try:
            async with contextlib.aclosing(self._live(request, follower, told)) as chunks:
                async for chunk in chunks:
                    yield chunk
            if follower.left_behind:
                self._bridge.meter.count("slow_clients_closed_total", surface="events")
        finally:
            self._tail.leave(follower)

    async def _live(self, request: web.Request, follower: Follower, told: int) -> AsyncGenerator[bytes, None]:
        """`told` is what the client would go on from: it may lag behind what was left out for it."""
        loop = asyncio.get_running_loop()
        beat_at = loop.time() + self._limits.heartbeat_s
        check_at = loop.time() + self._limits.recheck_s
        while not self._tail.stopping.is_set() and not follower.left_behind:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(min(beat_at, check_at)):
                    await follower.woken.wait()
            follower.woken.clear()
            now = loop.time()
            if follower.frames and not follower.left_behind:
                frames = tuple(follower.frames)
                follower.frames.clear()
                follower.position = frames[-1].seq
                if chunk := _write_frames(frames, follower.types):
                    told, beat_at = follower.position, now + self._limits.heartbeat_s
                    yield chunk
            if now >= beat_at:
                beat_at = now + self._limits.heartbeat_s
                # An id without data tells nothing but moves the place to go on from past what was left out.
                yield b": still here\n\n" if told == follower.position else b"id: %d\n\n" % follower.position
                told = follower.position
            if now >= check_at:
                check_at = now + self._limits.recheck_s
                if not await self._still_admitted(request):
                    return

    async def _still_admitted(self, request: web.Request) -> bool:
        try:
            await self._doorkeeper.admit(request, SCOPE)
        except StoreUnavailable:
            return True
        except BridgeError:
            return False
        return True

    async def _write(self, response: web.StreamResponse, chunk: bytes) -> None:
        if not chunk:
            return
        try:
            async with asyncio.timeout(self._limits.write_timeout_s):
                await response.write(chunk)
        except TimeoutError:
            self._bridge.meter.count("slow_clients_closed_total", surface="events")
            raise


def _last_event_id(request: web.Request, query: EventsQuery) -> int | None:
    """None where a client says nothing. One that is no number was not given out here: as unknown as a future one."""
    header = request.headers.get("Last-Event-ID", "").strip()
    if not header:
        return query.last_event_id
    known = header.isascii() and header.isdigit() and len(header) <= len(str(_MAX_SEQ))
    return int(header) if known else _MAX_SEQ


def _opening(position: int, resync: str) -> bytes:
    """The id stands alone first, so that a break before the first event loses nothing."""
    opening = b"retry: %d\n\nid: %d\n\n" % (RETRY_AFTER_MS, position)
    if resync:
        data = write_json({"reason": resync, "seq": position})
        opening += b"id: %d\nevent: resync\ndata: %s\n\n" % (position, data)
    return opening


def _write_frames(frames: Sequence[Frame], types: frozenset[EventType]) -> bytes:
    chunk = b"".join([frame.data for frame in frames if not types or frame.type in types])
    if chunk and types and frames[-1].type not in types:
        chunk += b"id: %d\n\n" % frames[-1].seq
    return chunk


def _read_frames(tx: Tx, bridge: Bridge, position: int) -> list[Frame]:
    return [_frame(tx, bridge, logged) for logged in tx.events_after(position, PAGE)]


def _frame(tx: Tx, bridge: Bridge, logged: LogEvent) -> Frame:
    data = write_json(resources.event(tx, bridge, logged))  # compact: there is no line break in it
    return Frame(logged.seq, logged.type, b"id: %d\nevent: %s\ndata: %s\n\n" % (logged.seq, logged.type.encode(), data))


def _read_page(tx: Tx, *, bridge: Bridge, query: EventsQuery, after: int | None) -> dict[str, Any]:
    """Raises NoLongerKept. Without `after` it is the end of the log: no items, and where to go on from."""
    oldest, newest = tx.event_bounds()
    if after is None:
        return {"items": [], "next_after": newest}
    if after > newest or 0 < after < oldest - 1:
        raise NoLongerKept(f"Events after {after} are not kept. Read what you need anew and go on after {newest}.")
    items: list[dict[str, Any]] = []
    position = after
    while len(items) < query.limit:
        found = tx.events_after(position, PAGE)
        for logged in found:
            position = logged.seq
            if not query.types or logged.type in query.types:
                items.append(resources.event(tx, bridge, logged))
                if len(items) == query.limit:
                    break
        if len(found) < PAGE:
            break
    return {"items": items, "next_after": position}
