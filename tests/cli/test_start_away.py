"""A bridge that is started while PostgreSQL is away: with a spool, and where it was before, it takes webhooks at once
and everything else once the database is back. What does not mend itself ends the start in words."""

from __future__ import annotations

import asyncio
import json
import signal
import sqlite3
import stat
import subprocess
import time
import urllib.parse
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any, Self

import psycopg
import pytest

from ports import free_port
from postgres_server import PostgresServer, new_server
from smsbridge.app import link_key
from smsbridge.simulator.signature import sign
from smsbridge.store import place_of
from smsbridge.store.postgres import PostgresStore
from smsbridge.store.spool import FileSpool
from smsbridge.web.auth import make_key

TOKEN = "a-token-of-tests"
SID = "AC" + "0" * 32
HOOK = "http://127.0.0.1:8398/hooks/carriers/twilio"
KEY, _ = make_key("unknown", frozenset({"*"}), 0)
"""Whether it is one is the database's to say."""
PATIENCE_S = 60

pytestmark = pytest.mark.xdist_group("machine")


@pytest.fixture(scope="module")
def server() -> PostgresServer:
    """One of our own: it is stopped."""
    return new_server(free_port())


@pytest.fixture
def url(server: PostgresServer, request: pytest.FixtureRequest) -> Iterator[str]:
    yield server.make_database(request.node.name)
    if not server.is_running():
        server.start()


class Bridge:
    """One process, and what it has said."""

    def __init__(self, place: Any, url: str) -> None:
        self.process: subprocess.Popen[str] = place.process("serve", SMSBRIDGE__STORE__URL=url)
        self.port = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.process.kill()
        self.process.communicate()

    def said(self, event: str) -> dict[str, Any]:
        """The next line of that event, skipping others."""
        assert self.process.stderr is not None
        while line := self.process.stderr.readline():
            said: dict[str, Any] = json.loads(line)
            if said["event"] == event:
                return said
        raise AssertionError(f"it ended without having said {event}")

    def start(self) -> None:
        self.port = self.said("bridge.started")["port"]

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.said("bridge.stopped")
        assert self.process.wait(PATIENCE_S) == 0

    def end(self) -> tuple[int, str]:
        _, said = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, said

    def ask(self, path: str, body: str | None = None, **headers: str) -> tuple[HTTPResponse, bytes]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            connection.request("GET" if body is None else "POST", path, body, headers)
            answer = connection.getresponse()
            return answer, answer.read()
        finally:
            connection.close()

    def text(self, number: int) -> int:
        form = [("MessageSid", f"SM{number:032x}"), ("AccountSid", SID), ("From", "+14155550142")]
        form += [("To", "+15005550006"), ("Body", f"text {number}"), ("NumMedia", "0")]
        headers = {"Content-Type": "application/x-www-form-urlencoded", "X-Twilio-Signature": sign(HOOK, form, TOKEN)}
        answer, _ = self.ask("/hooks/carriers/twilio", urllib.parse.urlencode(form), **headers)
        return answer.status

    def readiness(self, query: str = "") -> tuple[int, dict[str, Any]]:
        answer, body = self.ask(f"/readyz{query}")
        return answer.status, json.loads(body)

    def until_whole(self) -> dict[str, Any]:
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            status, body = self.readiness("?degraded=503")
            if status == 200 and not body["checks"]["spool"]["waiting"]:
                return body
            time.sleep(0.05)
        raise AssertionError(body)


@pytest.fixture
def bridge_at(configured: Callable[[str], Any]) -> Callable[[str], Bridge]:
    port = free_port()  # the same after a restart, as anywhere
    place = configured("")
    place.file.write_text(place.file.read_text().replace("port = 0", f"port = {port}"))

    def start(url: str) -> Bridge:
        bridge = Bridge(place, url)
        bridge.port = port
        return bridge

    return start


def has_been_there(folder: Path, url: str) -> None:
    """What a bridge leaves behind that was started and stopped."""

    async def leave() -> None:
        store = PostgresStore.open(url)
        key = await link_key(store)
        await store.close()
        (folder / "data").mkdir()
        spool = FileSpool.open(folder / "data" / "spool.sqlite3", limit=1)
        await spool.remember(place_of(url), key)
        await spool.close()

    asyncio.run(leave())


def until_listening(bridge: Bridge) -> None:
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        try:
            bridge.ask("/livez")
        except OSError:
            assert bridge.process.poll() is None, bridge.end()
            time.sleep(0.02)
        else:
            return
    raise AssertionError


def texts(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        return [row[0] for row in connection.execute("SELECT text FROM messages ORDER BY id")]


def test_webhooks_are_taken_from_the_first_moment_and_the_rest_when_the_database_is_back(
    server: PostgresServer, url: str, bridge_at: Callable[[str], Bridge], tmp_path: Path
) -> None:
    with bridge_at(url) as before:
        before.start()
        assert before.text(1) == 200
        before.until_whole()  # it is in the spool first, where the database is slow
        before.stop()
    spool = tmp_path / "data" / "spool.sqlite3"
    assert stat.S_IMODE(spool.stat().st_mode) == 0o600, "there is a key in it"

    server.stop("immediate")
    with bridge_at(url) as bridge:
        until_listening(bridge)
        for number in (2, 3, 4):
            assert bridge.text(number) == 200
        assert bridge.text(2) == 200, "a carrier's repeat"
        status, ready = bridge.readiness()
        assert (status, ready["ready"]) == (200, True)
        assert "webhooks are kept in the spool" in ready["degraded"]
        assert "Connection refused" in ready["checks"]["store"]["problem"]
        assert ready["checks"]["spool"] == {"ok": True, "waiting": 4}
        assert bridge.readiness("?degraded=503")[0] == 503
        answer, body = bridge.ask("/v1/messages", Authorization="Bearer " + KEY)
        assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
        assert json.loads(body)["type"] == "/docs/problems#unavailable"
        assert b"smsbridge_degraded 1.0" in bridge.ask("/metrics")[1]
        away = bridge.said("store.away")
        assert "Connection refused" in away["reason"]
        assert bridge.said("store.away")["next_try_s"] > away["next_try_s"], "it is asked less and less often"

        server.start()
        bridge.start()
        ready = bridge.until_whole()
        assert (ready["degraded"], ready["checks"]["store"]["ok"]) == (None, True)
        assert b"smsbridge_degraded 0.0" in bridge.ask("/metrics")[1]
        assert bridge.text(5) == 200
        bridge.until_whole()
        assert texts(url) == [f"text {number}" for number in range(1, 6)]
        bridge.stop()


def test_a_bridge_that_is_told_to_stop_while_it_waits_stops_and_keeps_what_it_took(
    server: PostgresServer, url: str, bridge_at: Callable[[str], Bridge], tmp_path: Path
) -> None:
    has_been_there(tmp_path, url)
    server.stop("immediate")
    with bridge_at(url) as bridge:
        until_listening(bridge)
        assert bridge.text(1) == 200
        bridge.stop()
    server.start()
    with bridge_at(url) as bridge:
        bridge.start()
        bridge.until_whole()
        bridge.stop()
    assert texts(url) == ["text 1"]


def test_what_does_not_mend_itself_ends_the_start_in_words(
    server: PostgresServer, url: str, bridge_at: Callable[[str], Bridge], tmp_path: Path
) -> None:
    has_been_there(tmp_path, url)
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("CREATE ROLE careful LOGIN PASSWORD 'another'")
    server.let_in("host all careful 127.0.0.1/32 scram-sha-256")
    with bridge_at(url.replace("postgres@", "careful:hidden@")) as bridge:
        code, said = bridge.end()
    assert code == 69
    assert 'password authentication failed for user "careful"' in said
    assert "hidden" not in said
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("INSERT INTO schema_version (version) VALUES (9999)")
    with bridge_at(url) as bridge:
        code, said = bridge.end()
    assert code == 78
    assert "run the version that wrote it" in said
    assert "Traceback" not in said


def test_a_database_that_comes_back_with_a_newer_schema_ends_the_wait_in_words(
    server: PostgresServer, url: str, bridge_at: Callable[[str], Bridge], tmp_path: Path
) -> None:
    has_been_there(tmp_path, url)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("INSERT INTO schema_version (version) VALUES (9999)")
    server.stop("immediate")
    with bridge_at(url) as bridge:
        until_listening(bridge)
        assert bridge.text(1) == 200
        server.start()
        code, said = bridge.end()
    assert code == 78
    assert "run the version that wrote it" in said
    assert "Traceback" not in said


def test_a_first_start_needs_the_database_and_so_does_one_without_a_spool(
    server: PostgresServer, url: str, bridge_at: Callable[[str], Bridge], tmp_path: Path
) -> None:
    """A mistyped address must not look like a bridge that works."""
    has_been_there(tmp_path, url)
    server.stop("immediate")
    other = url.rpartition("/")[0] + "/mistyped"
    with bridge_at(other) as bridge:
        code, said = bridge.end()
    assert code == 69
    assert "Check that PostgreSQL runs, and store.url." in said
    config = tmp_path / "smsbridge.toml"
    config.write_text(config.read_text() + '[store]\nspool = ""\n')
    with bridge_at(url) as bridge:
        assert bridge.end()[0] == 69


def test_another_database_at_the_same_place_is_told_apart_and_taken_by_the_next_start(
    server: PostgresServer, url: str, bridge_at: Callable[[str], Bridge], tmp_path: Path
) -> None:
    has_been_there(tmp_path, url)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("UPDATE meta SET value = %s WHERE key = 'link_key'", ("ab" * 32,))
    server.stop("immediate")
    with bridge_at(url) as bridge:
        until_listening(bridge)
        server.start()
        bridge.said("store.replaced")
        assert bridge.end()[0] == 1
    with bridge_at(url) as bridge:
        bridge.start()
        bridge.stop()
    with sqlite3.connect(tmp_path / "data" / "spool.sqlite3") as connection:
        assert connection.execute("SELECT link_key FROM last_store").fetchall() == [(bytes.fromhex("ab" * 32),)]
