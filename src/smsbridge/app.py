"""The composition root: builds every part from the settings, starts them in order, stops them in the reverse order.

Nothing else constructs. A stop is an event, not a cancellation: the edge stops listening, workers stop claiming, what
is in flight gets its grace period, the store closes last.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import resource
import secrets
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import structlog
from aiohttp.web import AbstractRouteDef

from smsbridge import __version__
from smsbridge.blobs import FolderBlobs
from smsbridge.clock import SystemClock
from smsbridge.config import Loaded, policy_of
from smsbridge.contracts.bridge import Account, Bridge, DesktopAccount, Sender
from smsbridge.contracts.store import Store, StoreAway, StoreUnavailable, Tx
from smsbridge.disk import DiskLimits, DiskWatch
from smsbridge.flows.catch_up import ensure_catch_up
from smsbridge.flows.jobs import job_kinds, queues
from smsbridge.flows.restored import is_sending_paused
from smsbridge.flows.spooling import take_up_spooled
from smsbridge.flows.upkeep import ensure_upkeep
from smsbridge.ids import RandomIds
from smsbridge.imaging import ChildImaging
from smsbridge.keys import KeyRing
from smsbridge.metrics import PrometheusMeter
from smsbridge.network import HttpNetwork
from smsbridge.outbox.jumps import ClockWatch
from smsbridge.outbox.roll import Roll
from smsbridge.outbox.worker import Worker
from smsbridge.store import OpenStore, open_store, place_of
from smsbridge.store.spool import FileSpool
from smsbridge.systemd import Notifier, held_sockets
from smsbridge.web.server import Limits, WebServer

Routes = Callable[[Bridge], Sequence[AbstractRouteDef]]

SPOOL_LOOK_S: Final = 0.5
_OBJECTS_TO_A_LOOK: Final = 5_000
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_MALLOPT: Final = {_M_TRIM_THRESHOLD: 131_072, _M_MMAP_THRESHOLD: 131_072, _M_ARENA_MAX: 2}
"""malloc.h. The first two are glibc's own values, which then stay; few arenas, because few threads run at a time."""
EXIT_OK: Final = 0
EXIT_FAILED: Final = 1
LOOK_EVERY_S: Final = 1.0
SHORTEST_WAIT_S: Final = 0.5
LONGEST_WAIT_S: Final = 5.0
"""Between two looks for a database that was away at the start: so much later at most it is back in service."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ready:
    """What is known once everything answers."""

    bridge: Bridge
    port: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Begun:
    """What was found in the store when work began."""

    interrupted_jobs: int
    waiting_queues: Sequence[str]


class Daemon:
    """One bridge, from its first file to its last. `run` returns after `stop` was set and everything has ended."""

    def __init__(
        self,
        loaded: Loaded,
        *,
        listen: socket.socket | None = None,
        more_routes: Routes = lambda _: (),
        known_keys: Mapping[str, bytes] = MappingProxyType({}),
    ) -> None:
        """`more_routes` go before the bridge's own; `known_keys` are believed unfetched (`KeyRing`), and no setting
        can name one."""
        self._loaded = loaded
        self._listen = listen
        self._more_routes = more_routes
        self._known_keys = known_keys
        self._notifier = Notifier()
        self._log = structlog.get_logger()
        self.stop = asyncio.Event()

    async def run(self, on_ready: Callable[[Ready], None] | None = None) -> int:
        """For what keeps it from starting it raises CannotListen, OSError, or what `open_store` raises.

        A database elsewhere that is away keeps a bridge with a spool from starting only where it has never been before.
        """
        settings = self._loaded.settings
        async with AsyncExitStack() as stack:
            settings.data_path.mkdir(parents=True, exist_ok=True, mode=0o700)
            settings.media_path.mkdir(parents=True, exist_ok=True, mode=0o700)
            meter = PrometheusMeter(data_dir=settings.data_path, database=settings.store_path)
            disk = DiskWatch(
                settings.data_path,
                settings.media_path,
                _disk_limits(self._loaded),
                meter,
                store_is_here=not settings.store_url,
            )
            place, spool, known_key = place_of(settings.store_url), None, None
            if settings.spool_path is not None:
                spool = FileSpool.open(settings.spool_path, limit=settings.store.spool_limit)
                stack.push_async_callback(spool.close)
                known_key = spool.link_key_of(place)
            store = self._open_store(disk, may_be_away=known_key is not None)
            stack.push_async_callback(store.close)
            disk.look()
            store.on_full = disk.on_full
            blobs = FolderBlobs.open(settings.media_path)
            stack.callback(blobs.close)
            network = HttpNetwork()
            stack.push_async_callback(network.close)
            imaging = ChildImaging()
            stack.push_async_callback(imaging.close)
            store.on_overtaken = lambda: meter.count("db_overtaken_total")
            store.on_commit_seconds = lambda seconds, count: _observe_commit(meter, seconds, count)
            clock = SystemClock()
            # Where the store is away, the key is known: it would not have been opened without.
            key = known_key if known_key is not None and store.is_away else await link_key(store)
            if spool is not None:
                await spool.remember(place, key)
            bridge = Bridge(
                store=store,
                network=network,
                keys=KeyRing(self._known_keys),
                blobs=blobs,
                imaging=imaging,
                clock=clock,
                ids=RandomIds(clock.now_ms),
                meter=meter,
                public_url=settings.public_url,
                link_key=key,
                accounts=accounts_of(self._loaded),
                senders=senders_of(self._loaded),
                desktops=desktops_of(self._loaded),
                default_desktop=settings.interactions.desktop,
                policy=policy_of(settings),
                spool=spool,
                disk=disk,
            )
            jumps = ClockWatch(clock=clock, store=store, meter=meter, alone=store.is_exclusive)
            return await self._serve(bridge, store, disk, jumps, meter, on_ready)

    def _open_store(self, disk: DiskWatch, *, may_be_away: bool) -> OpenStore:
        settings = self._loaded.settings
        try:
            return open_store(settings.store_url, settings.store_path, may_be_away=may_be_away)
        except StoreUnavailable:
            if not disk.make_way():
                raise
            return open_store(settings.store_url, settings.store_path)

    async def _serve(
        self,
        bridge: Bridge,
        store: OpenStore,
        disk: DiskWatch,
        jumps: ClockWatch,
        meter: PrometheusMeter,
        on_ready: Callable[[Ready], None] | None,
    ) -> int:
        settings = self._loaded.settings
        roll = Roll(store=store, clock=bridge.clock, meter=meter, silent_after_ms=settings.store.silent_after)
        begun = None if store.is_away else await self._begin(bridge, store, jumps, roll)
        workers: list[Worker] = []
        web = WebServer(
            bridge,
            render_metrics=meter.render,
            forget_gauge=meter.forget,
            limits=_limits(self._loaded),
            require_idempotency_key=settings.api.require_idempotency_key,
            more_routes=self._more_routes(bridge),
            admin_socket=settings.admin_socket,
        )
        async with asyncio.TaskGroup() as group:
            if bridge.spool is not None:
                group.create_task(self._take_up_spooled(bridge), name="spool")
            group.create_task(web.run(), name="web")
            group.create_task(self._until_broken(store), name="store watch")
            group.create_task(self._watchdog(store), name="watchdog")
            group.create_task(self._look_around(disk, jumps), name="look around")
            try:
                port = await web.listen(
                    host=settings.server.host,
                    port=settings.server.port,
                    metrics_port=settings.server.metrics_port,
                    held=self._listen or next(iter(held_sockets()), None),
                )
                if begun is None:
                    self._notifier.ready(f"listening on port {port}; the database cannot be reached")
                    begun = await self._begin_once_there(bridge, store, jumps, roll)
                if begun is not None:
                    workers += self._workers(bridge, store, roll, meter, begun)
                    working = [group.create_task(worker.run(), name=f"worker {worker.queue}") for worker in workers]
                    group.create_task(roll.run(), name="roll")
                    group.create_task(roll.leave_after(working), name="roll's end")
                    self._notifier.ready(f"listening on port {port}")
                    released = begun.interrupted_jobs
                    self._log.info("bridge.started", version=__version__, port=port, interrupted_jobs=released)
                    if on_ready is not None:
                        on_ready(Ready(bridge=bridge, port=port))
                await self.stop.wait()
            finally:
                self.stop.set()
                self._notifier.stopping()
                self._log.info("bridge.stopping")
                await web.stop()
                for worker in workers:
                    # How it ends can be written down no more, so there is nothing to wait for.
                    worker.stop(grace_s=0 if store.broken.is_set() else None)
        self._log.info("bridge.stopped")
        return EXIT_FAILED if store.broken.is_set() else EXIT_OK

    async def _begin(self, bridge: Bridge, store: OpenStore, jumps: ClockWatch, roll: Roll) -> Begun:
        """What is written before any worker starts. Raises StoreUnavailable."""
        await jumps.begin()
        interrupted = await roll.begin(alone=store.is_exclusive)
        await store.write(lambda tx: ensure_upkeep(tx, bridge))
        await store.write(lambda tx: ensure_catch_up(tx, bridge))
        depths = await store.read(lambda tx: tx.queue_depths(bridge.now_ms()))
        if await store.read(is_sending_paused):
            self._log.warning("sending.paused", cure="smsbridge restore finish")
        return Begun(interrupted_jobs=interrupted, waiting_queues=[each.queue for each in depths])

    async def _begin_once_there(self, bridge: Bridge, store: OpenStore, jumps: ClockWatch, roll: Roll) -> Begun | None:
        """The database was away at the start: it is asked again and again until it answers. Webhooks are spooled
        meanwhile, and what else needs it is refused.

        None when it is time to stop instead. Raises what `open_store` raises, but for StoreAway.
        """
        wait_s = SHORTEST_WAIT_S
        while not self.stop.is_set():
            try:
                await store.reach()
                is_the_same = await link_key(store) == bridge.link_key
                begun = await self._begin(bridge, store, jumps, roll) if is_the_same else None
            except StoreUnavailable as error:
                if store.is_away and not isinstance(error, StoreAway):
                    raise  # it answers, and says no
                self._log.warning("store.away", reason=str(error), next_try_s=wait_s)
            else:
                if not is_the_same:
                    self._log.error("store.replaced")
                    store.broken.set()
                return begun
            await self._until_stop(wait_s)
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)
        return None

    def _workers(
        self, bridge: Bridge, store: OpenStore, roll: Roll, meter: PrometheusMeter, begun: Begun
    ) -> list[Worker]:
        settings = self._loaded.settings
        return [
            Worker(
                queue,
                kinds=job_kinds(bridge),
                store=store,
                clock=bridge.clock,
                meter=meter,
                concurrency=concurrency,
                grace_s=settings.server.grace / 1000,
                has_held=roll.has_held,
                alone=store.is_exclusive,
            )
            for queue, concurrency in queues(bridge, begun.waiting_queues).items()
        ]

    async def _until_broken(self, store: OpenStore) -> None:
        """A database that failed in a way nothing in memory can be trusted after: stop, and let the supervisor start
        us anew."""
        broken = asyncio.create_task(store.broken.wait(), name="store broken")
        stopped = asyncio.create_task(self.stop.wait(), name="stop seen")
        await asyncio.wait({broken, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if store.broken.is_set():
            self._log.error("store.broken")
            self.stop.set()
        for task in (broken, stopped):
            task.cancel()

    async def _take_up_spooled(self, bridge: Bridge) -> None:
        while not self.stop.is_set():
            taken = 0
            with suppress(StoreUnavailable):  # still away; health says so
                taken = await take_up_spooled(bridge)
            if taken:
                self._log.info("spool.replayed", count=taken)
            if bridge.spool is not None:
                bridge.meter.set("spool_depth", bridge.spool.depth)
            if not taken:
                await self._until_stop(SPOOL_LOOK_S)

    async def _look_around(self, disk: DiskWatch, jumps: ClockWatch) -> None:
        """What changes without anybody telling: the room on the disk, and the clock."""
        while not self.stop.is_set():
            disk.look()
            await jumps.look()
            await self._until_stop(LOOK_EVERY_S)

    async def _until_stop(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.stop.wait()

    async def _watchdog(self, store: OpenStore) -> None:
        """Pings only after our own store has answered, so that a stuck disk restarts the service. That the disk is
        full, or a database elsewhere away, is no reason: a restart mends neither, and would end what still works."""
        every_s = self._notifier.watchdog_s
        while every_s and not self.stop.is_set():
            with suppress(StoreUnavailable):
                if store.is_exclusive:
                    await store.healthy()
            self._notifier.watchdog()
            await self._until_stop(every_s)


async def serve(loaded: Loaded) -> int:
    """Runs until SIGTERM or SIGINT; a second one ends it at once."""
    _spare_the_heap()
    daemon = Daemon(loaded)
    loop = asyncio.get_running_loop()

    def stop() -> None:
        if daemon.stop.is_set():
            raise SystemExit(EXIT_FAILED)
        daemon.stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    return await daemon.run(lambda _ready: _spare_the_collector())


def _spare_the_heap() -> None:
    """Large blocks go back to the system when they are freed. glibc does so with the first ones only: from then on
    it takes as large ones from its heap, where what comes to lie behind them keeps the room. A list of texts that is
    read every five minutes raised the process by some 100 kB each time. Elsewhere there is no such call and no need.

    https://www.gnu.org/software/libc/manual/html_node/Malloc-Tunable-Parameters.html
    """
    with suppress(AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        for parameter, value in _MALLOPT.items():
            mallopt(parameter, value)


def _spare_the_collector() -> None:
    """What a start has built stays as long as the process does, and requests leave hardly any cycles behind: looking
    for some at the usual pace takes a fifteenth of the time, and holds everybody up for 30 ms again and again."""
    gc.collect()
    gc.freeze()
    # Once more, now that nothing is left to look at: a full look waits until a quarter as many objects have been added
    # as there were at the last one, and what a start builds is more than days of requests leave behind.
    gc.collect()
    # What is left to look at is little, so every third look is a full one. Between two of them the dead lie among the
    # living, and the process grows around them.
    gc.set_threshold(_OBJECTS_TO_A_LOOK, 0, 0)


async def link_key(store: Store) -> bytes:
    """The key that signs media links: made once for each store, so that links outlive a restart."""

    def read_or_make(tx: Tx) -> str:
        key = tx.meta("link_key")
        if not key:
            key = secrets.token_hex(32)
            tx.set_meta("link_key", key)
        return key

    return bytes.fromhex(await store.write(read_or_make))


def accounts_of(loaded: Loaded) -> dict[str, Account]:
    return {
        name: Account(
            name=name,
            adapter=loaded.carriers[name],
            verification=section.verification,
            timeout_s=section.timeout / 1000,
            concurrency=section.concurrency,
            rate_per_s=section.rate,
            burst=section.burst,
            lookup=section.lookup,
            reroute=section.reroute,
            reroute_causes=frozenset(section.reroute_causes if section.reroute else ()),
        )
        for name, section in loaded.settings.carriers.items()
    }


def senders_of(loaded: Loaded) -> dict[str, Sender]:
    return {
        section.number: Sender(
            number=section.number,
            account=section.carrier,
            desktop=section.desktop or loaded.settings.interactions.desktop,
            name=section.name,
            rate_per_s=section.rate,
            burst=section.burst,
        )
        for section in loaded.settings.senders
    }


def desktops_of(loaded: Loaded) -> dict[str, DesktopAccount]:
    return {
        name: DesktopAccount(
            name=name,
            adapter=loaded.desktops[name],
            timeout_s=section.timeout / 1000,
            concurrency=section.concurrency,
            default_sender=section.default_sender,
        )
        for name, section in loaded.settings.desktops.items()
    }


def _limits(loaded: Loaded) -> Limits:
    server = loaded.settings.server
    return Limits(
        header_timeout_s=server.header_timeout / 1000,
        body_timeout_s=server.body_timeout / 1000,
        idle_timeout_s=server.idle_timeout / 1000,
        # Each may hold a file or a call of ours as well. asyncio, once it cannot accept, tries and logs without pause.
        max_connections=min(server.max_connections, _open_files() // 2),
        grace_s=server.grace / 1000,
    )


def _disk_limits(loaded: Loaded) -> DiskLimits:
    disk = loaded.settings.disk
    return DiskLimits(low_bytes=disk.low, full_bytes=disk.full, reserve_bytes=disk.reserve)


def _open_files() -> int:
    """How many files and sockets we may have open, which is from now on as many as the system lets us: the usual limit
    of 1,024 is one for programs that call `select`."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # where the system names more than it gives
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    now, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if now == resource.RLIM_INFINITY else now


def _observe_commit(meter: PrometheusMeter, seconds: float, count: int) -> None:
    meter.observe("db_commit_seconds", seconds)
    meter.count("db_transactions_total", count)
