"""Operators are told the truth, and a stop refuses nobody who was let in."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import resource
import socket
import stat
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from fakes import ANN, OUR_NUMBER, World
from smsbridge.cli.run import explained
from smsbridge.cli.shared import Unreachable
from smsbridge.contracts.disk import Room
from smsbridge.contracts.spool import Spooled
from smsbridge.contracts.store import StoreUnavailable
from smsbridge.domain.brake import NO_BRAKE, Brake
from smsbridge.flows.upkeep import ensure_upkeep
from smsbridge.store.spool import FileSpool
from smsbridge.web.server import CannotListen, Limits
from smsbridge.wire.probe import PROBE_PATH, write_probe_answer
from web.running import running


async def test_a_store_that_cannot_write_makes_it_unready_and_leaves_it_alive(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(world) as edge:
        status, _, body = await edge.get("/readyz")
        assert (status, json.loads(body)["ready"]) == (200, True)

        async def unwell() -> None:
            raise StoreUnavailable("database or disk is full")

        monkeypatch.setattr(world.store, "healthy", unwell)
        monkeypatch.setattr("smsbridge.web.health.CHECK_EVERY_S", 0)
        status, _, body = await edge.get("/readyz")
        assert (status, json.loads(body)["checks"]["store"]) == (
            503,
            {"ok": False, "problem": "database or disk is full"},
        )
        assert edge.counted("ready") == 0
        assert (await edge.get("/livez"))[0] == 200


async def test_while_webhooks_can_be_kept_without_the_store_it_is_ready_and_says_what_is_missing(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A load balancer that took it out would send contacts' texts nowhere."""
    spool = FileSpool.open(tmp_path / "spool.sqlite3", limit=2)
    world.bridge = replace(world.bridge, spool=spool)
    monkeypatch.setattr("smsbridge.web.health.CHECK_EVERY_S", 0)
    async with running(world) as edge:
        status, _, body = await edge.get("/readyz?degraded=503")
        assert (status, json.loads(body)["degraded"]) == (200, None)

        async def unwell() -> None:
            raise StoreUnavailable("the database cannot be reached")

        with monkeypatch.context() as away:
            away.setattr(world.store, "healthy", unwell)
            status, _, body = await edge.get("/readyz")
            shown = json.loads(body)
            assert (status, shown["ready"]) == (200, True)
            assert "webhooks are kept in the spool" in shown["degraded"]
            assert shown["checks"]["store"] == {"ok": False, "problem": "the database cannot be reached"}
            assert (edge.counted("ready"), edge.counted("degraded")) == (1, 1)
            status, _, body = await edge.get("/readyz?degraded=503")
            assert (status, json.loads(body)) == (503, shown), "for who looks for a bridge that does everything"

            world.disk.room = Room.NONE
            status, _, body = await edge.get("/readyz")
            assert (status, json.loads(body)["ready"], json.loads(body)["degraded"]) == (503, False, None)
            world.disk.room = Room.AMPLE

            for _ in range(2):
                await spool.put(Spooled(account="plain", at_ms=1, request=b"{}"))
            status, _, body = await edge.get("/readyz")
            assert (status, json.loads(body)["checks"]["spool"]["waiting"]) == (503, 2)
            assert "full" in json.loads(body)["checks"]["spool"]["problem"]
            await edge.get("/metrics")
            assert (edge.counted("ready"), edge.counted("degraded")) == (0, 0)

        status, _, _ = await edge.get("/readyz")
        assert status == 503, "what comes goes behind what waits, and there is no room for it"
        await spool.drop([1])
        assert (await edge.get("/readyz?degraded=503"))[0] == 200
    await spool.close()


async def test_who_asks_for_readiness_does_not_wait_longer_than_a_webhook_for_a_store_that_is_silent(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    spool = FileSpool.open(tmp_path / "spool.sqlite3", limit=2)
    world.bridge = replace(world.bridge, spool=spool)
    monkeypatch.setattr("smsbridge.web.health.SPOOLED_TIMEOUT_S", 0.05)

    async def silent(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(world.store, "healthy", silent)
    monkeypatch.setattr(world.store, "read", silent)
    async with running(world) as edge:
        for path in ("/readyz", "/metrics"):
            async with asyncio.timeout(20):
                assert (await edge.get(path))[0] == 200
        assert edge.counted("degraded") == 1
        monkeypatch.undo()
    await spool.close()


async def test_a_full_disk_makes_it_unready_and_a_nearly_full_one_does_not(world: World) -> None:
    async with running(world) as edge:
        world.disk.room = Room.LOW
        status, _, body = await edge.get("/readyz")
        assert (status, json.loads(body)["checks"]["disk"]) == (200, {"ok": True, "room": "low"})
        sent = {"to": ANN, "text": "hi", "from": OUR_NUMBER}
        status, headers, body = await edge.ask("POST", "/v1/messages", json=sent, headers=edge.authorization)
        assert (status, headers["Retry-After"], json.loads(body)["type"]) == (507, "30", "/docs/problems#no-room")
        world.disk.room = Room.NONE
        status, _, body = await edge.get("/readyz")
        assert (status, json.loads(body)["checks"]["disk"]["ok"]) == (503, False)
        event = {"type": "message", "id": "in1", "from": ANN, "to": OUR_NUMBER, "text": "hi"}
        posted = json.dumps({"events": [event]}).encode()
        secret = {"X-Secret": "secret"}
        status, headers, _ = await edge.ask("POST", "/hooks/carriers/plain", data=posted, headers=secret)
        assert (status, headers["Retry-After"]) == (503, "30")


async def test_uploads_are_refused_before_they_are_read_where_there_is_little_room(world: World) -> None:
    async with running(world) as edge:
        world.disk.media_room = Room.LOW
        status, headers, _ = await edge.ask(
            "POST", "/v1/attachments", data=b"x" * 1_000, headers={**edge.authorization, "Content-Type": "image/png"}
        )
        assert (status, headers["Retry-After"]) == (507, "30")


async def test_asking_for_readiness_often_does_not_write_often(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = 0
    healthy = world.store.healthy

    async def counted() -> object:
        nonlocal asked
        asked += 1
        return await healthy()

    monkeypatch.setattr(world.store, "healthy", counted)
    monkeypatch.setattr("smsbridge.web.health.CHECK_EVERY_S", 3_600)
    async with running(world) as edge:
        for status, _, _ in await asyncio.gather(*(edge.get("/readyz") for _ in range(50))):
            assert status == 200
    assert asked == 1


async def test_metrics_tell_what_waits_now(world: World) -> None:
    async with running(world) as edge:
        await world.write(lambda tx: ensure_upkeep(tx, world.bridge))
        await world.text("hello")
        status, headers, body = await edge.get("/metrics")
        assert (status, headers["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
        assert b"smsbridge_queue_lanes{queue=" in body
        assert ANN.encode() not in body
        assert OUR_NUMBER.encode() not in body


async def test_what_is_braked_is_shown_and_makes_nothing_unready(world: World) -> None:
    opened = Brake(opened_at_ms=world.clock.now, probe_at_ms=world.clock.now, failures=5, reason="no answer")
    await world.write(lambda tx: tx.save_brake("deliver:desk", opened))
    for target in ("send:plain", f"sender:{OUR_NUMBER}"):
        await world.write(
            lambda tx, target=target: tx.save_brake(target, NO_BRAKE.held(world.clock.now + 60_000, "429"))
        )
    async with running(world) as edge:
        status, _, body = await edge.get("/readyz")
        assert status == 200
        shown = {each["target"]: (each["state"], each["reason"]) for each in json.loads(body)["braked"]}
        assert shown == {"deliver:desk": ("open", "no answer"), "send:plain": ("held", "429")}
        _, _, metrics = await edge.get("/metrics")
        assert OUR_NUMBER.encode() not in metrics
        assert edge.counted('circuit_open{target="deliver:desk"}') == 1
        assert edge.counted('circuit_open{target="send:plain"}') == 0
        assert edge.counted('target_held_seconds{target="send:plain"}') == 60


async def test_operators_urls_can_have_a_port_of_their_own(world: World) -> None:
    async with running(world, metrics_port=0) as edge:
        for path in ("/livez", "/readyz", "/metrics"):
            assert (await edge.get(path))[0] == 404
            async with edge.http.get(f"http://127.0.0.1:{edge.server.ops_port}{path}") as response:
                assert response.status == 200
        async with edge.http.get(f"http://127.0.0.1:{edge.server.ops_port}/v1/messages") as response:
            assert response.status == 404


async def test_only_this_bridge_answers_the_probe(world: World) -> None:
    async with running(world) as edge:
        nonce = "a-nonce-of-20-letters"
        status, _, body = await edge.get(f"{PROBE_PATH}?nonce={nonce}")
        assert (status, body.decode()) == (200, write_probe_answer(world.bridge.link_key, nonce))
        for wrong in ("", "short", "x" * 65, "a-nonce-of-20-letter\n"):
            assert (await edge.get(PROBE_PATH, params={"nonce": wrong}))[0] == 400


async def test_a_request_in_flight_at_a_stop_is_finished_and_a_new_connection_refused(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered, let_go = asyncio.Event(), asyncio.Event()
    write = world.store.write

    async def slow_write(work: object, **options: object) -> object:
        entered.set()
        await let_go.wait()
        return await write(work, **options)  # type: ignore[arg-type]

    async with running(world, Limits(grace_s=60)) as edge:
        monkeypatch.setattr(world.store, "write", slow_write)
        event = {"type": "message", "id": "in1", "from": ANN, "to": OUR_NUMBER, "text": "hi"}
        body = json.dumps({"events": [event]}).encode()
        posting = asyncio.create_task(
            edge.ask("POST", "/hooks/carriers/plain", data=body, headers={"X-Secret": "secret"})
        )
        await entered.wait()
        stopping = asyncio.create_task(edge.server.stop())
        with pytest.raises(ConnectionError):
            async with asyncio.timeout(30):
                while True:
                    _, writer = await asyncio.open_connection("127.0.0.1", edge.port)
                    writer.close()
        assert not stopping.done()
        let_go.set()
        assert (await posting)[0] == 204
        await stopping
        monkeypatch.undo()
    assert [each.text for each in await world.messages()] == ["hi"]


async def test_a_socket_that_somebody_holds_is_taken_over(world: World) -> None:
    held = socket.create_server(("127.0.0.1", 0))
    port = held.getsockname()[1]
    async with running(world, held=held) as edge:
        assert edge.port == port
        assert (await edge.get("/livez"))[0] == 200


async def test_the_socket_of_the_commands_is_for_one_user_alone(world: World, tmp_path: Path) -> None:
    path = tmp_path / "admin.sock"
    left_over = socket.socket(socket.AF_UNIX)
    left_over.bind(str(path))
    left_over.close()
    async with running(world, admin_socket=path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path))) as http,
            http.post("http://smsbridge/keys.list", data=b"{}") as response,
        ):
            assert response.status == 200
    assert not path.exists()


async def test_where_no_file_is_left_the_address_is_not_blamed(world: World) -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with pytest.raises(CannotListen) as told:
        async with running(world) as edge:
            next_one = os.dup(0)
            os.close(next_one)
            resource.setrlimit(resource.RLIMIT_NOFILE, (next_one, limits[1]))
            try:
                await edge.server.listen(host="127.0.0.1", port=0)
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert told.value.errno == errno.EMFILE
    with pytest.raises(Unreachable) as explanation, explained("", folder="data_dir", port="server.port"):
        raise told.value
    assert "LimitNOFILE" in str(explanation.value)
    assert "server.host" not in str(explanation.value)
