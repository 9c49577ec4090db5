"""Is it alive, is it ready, what has it counted; and is it the bridge that somebody looks for."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from aiohttp import web

from smsbridge import __version__
from smsbridge.contracts.bridge import Bridge
from smsbridge.contracts.disk import Room
from smsbridge.contracts.store import QueueDepth, StoreUnavailable
from smsbridge.domain.brake import NO_BRAKE, Brake
from smsbridge.flows.brakes import show_brake
from smsbridge.flows.jobs import targets
from smsbridge.flows.restored import is_sending_paused
from smsbridge.wire.encoding import write_json
from smsbridge.wire.probe import write_probe_answer

STORE_TIMEOUT_S: Final = 5.0
SPOOLED_TIMEOUT_S: Final = 1.0
"""Where webhooks are kept without the store they do not wait for it any longer, and who asks for readiness need not."""
CHECK_EVERY_S: Final = 1.0
"""Readiness writes to the store; however often it is asked, it does so at most this often."""
MAX_LETTERS_COUNTED: Final = 1_000
_DEGRADED: Final = (
    "the database cannot be reached: webhooks are kept in the spool, and what else needs the database is answered 503"
)
_METRICS_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class Health:
    """The handlers for operators. `stopping` makes it unready while requests in flight end."""

    def __init__(
        self,
        bridge: Bridge,
        *,
        stopping: asyncio.Event,
        render_metrics: Callable[[], bytes],
        forget_gauge: Callable[[str], None],
    ) -> None:
        self._bridge = bridge
        self._stopping = stopping
        self._render_metrics = render_metrics
        self._forget_gauge = forget_gauge
        self._checking = asyncio.Lock()
        self._checked_at = -CHECK_EVERY_S
        self._store: dict[str, Any] = {}
        self._braked: list[dict[str, Any]] = []

    async def live(self, _request: web.Request) -> web.Response:
        """The loop turns. A restart would help nothing else, so nothing else is asked."""
        return web.Response(text="alive\n")

    async def ready(self, request: web.Request) -> web.Response:
        """503 while webhooks should go elsewhere. While the spool keeps them they need not: it is ready, and says that
        it is degraded. `?degraded=503` is for who looks for a bridge that does everything: then that is 503 as well.

        A carrier or desktop that is down is no reason: it is waited for.
        """
        checks, ready, degraded = await self._check()
        status = 200 if ready and not (degraded and request.query.get("degraded") == "503") else 503
        body = {
            "ready": ready,
            "degraded": degraded or None,
            "checks": checks,
            "braked": self._braked,
            "version": __version__,
        }
        return web.Response(status=status, body=write_json(body), content_type="application/json")

    async def metrics(self, _request: web.Request) -> web.Response:
        """In the text format of Prometheus. What lies in the queues is counted now, and not kept up to date all day."""
        checks, _, _ = await self._check()
        if checks["store"]["ok"]:
            with contextlib.suppress(StoreUnavailable):
                await self._look_at_store()
        return web.Response(body=self._render_metrics(), headers={"Content-Type": _METRICS_TYPE})

    async def probe(self, request: web.Request) -> web.Response:
        answer = write_probe_answer(self._bridge.link_key, request.query.get("nonce", ""))
        if answer is None:
            return web.Response(status=400, text="?nonce= must be 16 to 64 letters, digits, - or _\n")
        return web.Response(text=answer)

    async def _check(self) -> tuple[dict[str, Any], bool, str]:
        """Every check, whether webhooks can be kept, and what else cannot be done."""
        async with self._checking:
            if time.monotonic() - self._checked_at >= CHECK_EVERY_S:
                self._store = await self._check_store()
                self._braked = await self._look_at_brakes() if self._store["ok"] else []
                self._checked_at = time.monotonic()
        checks = {
            "store": self._store,
            "disk": self._check_disk(),
            "not_draining": {"ok": not self._stopping.is_set()},
            **self._check_spool(),
        }
        # A spool takes what the store does not, and what comes while anything waits in it.
        keeps = checks.get("spool", self._store)["ok"]
        ready = keeps and checks["disk"]["ok"] and checks["not_draining"]["ok"]
        degraded = _DEGRADED if ready and not self._store["ok"] else ""
        self._bridge.meter.set("ready", int(ready))
        self._bridge.meter.set("degraded", int(bool(degraded)))
        return checks, ready, degraded

    async def _look_at_store(self) -> None:
        now_ms = self._bridge.now_ms()
        depths, letters, is_paused, brakes = await self._bridge.store.read(
            lambda tx: (
                tx.queue_depths(now_ms),
                tx.list_dead_letters(limit=MAX_LETTERS_COUNTED),
                is_sending_paused(tx),
                tx.brakes(),
            )
        )
        self._set_gauges(depths, len(letters), now_ms)
        self._bridge.meter.set("sending_paused", int(is_paused))
        self._show_brakes(brakes, now_ms)

    async def _check_store(self) -> dict[str, Any]:
        timeout_s = STORE_TIMEOUT_S if self._bridge.spool is None else SPOOLED_TIMEOUT_S
        try:
            async with asyncio.timeout(timeout_s):
                return {"ok": True, **await self._bridge.store.healthy()}
        except StoreUnavailable as error:
            return {"ok": False, "problem": str(error)}
        except TimeoutError:
            return {"ok": False, "problem": f"no answer within {timeout_s:g} s"}

    def _check_spool(self) -> dict[str, Any]:
        spool = self._bridge.spool
        if spool is None:
            return {}
        waiting = {"waiting": spool.depth}
        if spool.is_full:
            return {"spool": {"ok": False, "problem": "it is full: webhooks are refused until it empties", **waiting}}
        return {"spool": {"ok": True, **waiting}}

    def _check_disk(self) -> dict[str, Any]:
        """Where only agents have to wait, contacts' texts must still come here."""
        room = self._bridge.disk.room
        if room is Room.NONE:
            return {"ok": False, "problem": "the disk is full: texts are refused until there is room"}
        return {"ok": True, "room": room.name.lower()}

    async def _look_at_brakes(self) -> list[dict[str, Any]]:
        """What does not work, or asked for time. For who reads it: it makes nothing unready."""
        now_ms = self._bridge.now_ms()
        try:
            found = await self._bridge.store.read(lambda tx: tx.brakes())
        except StoreUnavailable:
            return []
        wanted = targets(self._bridge)
        return [
            show_brake(target, each, now_ms)
            for target, each in found.items()
            if target in wanted and each.is_on(now_ms)
        ]

    def _show_brakes(self, brakes: Mapping[str, Brake], now_ms: int) -> None:
        """Of every target that is configured. A sender's own hold has a number in its name and is not shown here."""
        meter = self._bridge.meter
        for gauge in ("circuit_open", "target_held_seconds"):
            self._forget_gauge(gauge)
        for target in targets(self._bridge):
            brake = brakes.get(target, NO_BRAKE)
            meter.set("circuit_open", int(brake.is_open), target=target)
            meter.set("target_held_seconds", max(0, brake.held_until_ms - now_ms) / 1000, target=target)

    def _set_gauges(self, depths: list[QueueDepth], dead_letters: int, now_ms: int) -> None:
        meter = self._bridge.meter
        for gauge in ("queue_lanes", "queue_due_lanes", "queue_oldest_seconds"):
            self._forget_gauge(gauge)  # a queue that is empty has no row to say so
        for depth in depths:
            waited_ms = 0 if depth.oldest_due_ms is None else max(0, now_ms - depth.oldest_due_ms)
            meter.set("queue_lanes", depth.lanes, queue=depth.queue)
            meter.set("queue_due_lanes", depth.due_lanes, queue=depth.queue)
            meter.set("queue_oldest_seconds", waited_ms / 1000, queue=depth.queue)
        meter.set("dead_letters", dead_letters)
