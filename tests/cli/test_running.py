"""Commands reach the bridge while it runs, and its store while it does not; never both at once."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from fakes import PlainCarrier, World
from ports import free_port
from smsbridge.cli import main
from smsbridge.cli.console import ask_daemon
from smsbridge.cli.shared import Stopped
from smsbridge.contracts.bridge import Account, Sender
from smsbridge.contracts.jobs import Buried, NewJob
from smsbridge.contracts.store import Arrival, Arrived, Tx
from smsbridge.domain.brake import NO_BRAKE
from smsbridge.domain.message import Message
from smsbridge.flows.inbound import write_request
from smsbridge.flows.outbound import Draft, submit
from smsbridge.flows.sending import begin_send, doubt
from smsbridge.simulator import Simulator, SimulatorSettings
from smsbridge.simulator.signature import sign
from smsbridge.store.sqlite import SqliteStore
from smsbridge.wire.http import Headers, Request

SID = "AC" + "0" * 32
TOKEN = "a-token-of-tests"
HOOK = "http://127.0.0.1:8398/hooks/carriers/twilio"
PATIENCE_S = 60
"""How long anything is waited for that must come: on a slow and busy machine, too."""


def get(port: int, path: str, key: str) -> int:
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {key}"})
        return connection.getresponse().status
    finally:
        connection.close()


def sign_in(port: int, name: str, passcode: str) -> tuple[int, Any, str]:
    """The status, what it says, and the cookie."""
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        body = json.dumps({"name": name, "passcode": passcode})
        connection.request("POST", "/v1/session", body, headers={"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read()), (answer.getheader("Set-Cookie") or "").partition(";")[0]
    finally:
        connection.close()


def get_signed_in(port: int, path: str, cookie: str) -> int:
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        connection.request("GET", path, headers={"Cookie": cookie})
        return connection.getresponse().status
    finally:
        connection.close()


def in_store(folder: Path, work: Callable[[Tx], Any]) -> Any:
    async def write() -> Any:
        store = SqliteStore.open(folder / "data" / "smsbridge.sqlite3")
        try:
            return await store.write(work)
        finally:
            await store.close()

    return asyncio.run(write())


@pytest.fixture(scope="module")
def simulator_elsewhere() -> Iterator[Simulator]:
    """A simulator in a thread of its own, for commands that run in other processes."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    settings = SimulatorSettings(account_sid=SID, auth_token=TOKEN, senders=("+15005550006", "+15005550010"))
    simulator = Simulator(settings)
    asyncio.run_coroutine_threadsafe(simulator.__aenter__(), loop).result(PATIENCE_S)
    yield simulator
    asyncio.run_coroutine_threadsafe(simulator.__aexit__(None, None, None), loop).result(PATIENCE_S)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(PATIENCE_S)
    loop.close()


def test_a_key_of_the_running_bridge_works_and_ends_with_its_revocation(place: Any) -> None:
    with place.serving() as (daemon, port):
        made = place.ask("keys", "create", "--name", "crm", "--scope", "messages:read")
        assert made["scopes"] == ["messages:read"]
        assert get(port, "/v1/messages", made["key"]) == 200
        assert get(port, "/v1/contacts", made["key"]) == 403
        (listed,) = place.ask("keys", "list")
        assert (listed["id"], listed["name"], listed["last_used_at"] is not None) == (made["id"], "crm", True)
        assert made["key"] not in json.dumps(listed)
        assert place.run("keys", "revoke", made["id"]).exit_code == 0
        again = place.run("keys", "revoke", made["id"])
        assert (again.exit_code, "was revoked before" in again.stderr) == (1, True)
        daemon.send_signal(signal.SIGTERM)
        _, log = daemon.communicate(timeout=PATIENCE_S)
        assert daemon.returncode == 0
    lines = [json.loads(line) for line in log.splitlines()]
    assert [line["verb"] for line in lines if line["event"] == "admin.performed"] == ["keys.create", "keys.revoke"]
    assert made["key"] not in log
    assert lines[-1]["event"] == "bridge.stopped"
    assert place.ask("keys", "list")[0]["revoked_at"] is not None  # the same store, now opened by the command


def test_an_agent_of_the_running_bridge_signs_in_until_they_are_removed(place: Any) -> None:
    with place.serving() as (_, port):
        made = place.ask("agents", "create", "bo", "--name", "Bo")
        assert (made["id"], made["name"], made["role"]) == ("bo", "Bo", "agent")
        status, session, cookie = sign_in(port, "bo", made["passcode"])
        assert (status, session["agent"]) == (201, {"id": "bo", "name": "Bo"})
        assert get_signed_in(port, "/v1/interactions", cookie) == 200

        again = place.ask("agents", "create", "bo", "--supervisor")
        assert (again["name"], again["role"]) == ("Bo", "supervisor"), "what is not said stays"
        assert sign_in(port, "bo", made["passcode"])[0] == 401
        _, session, cookie = sign_in(port, "bo", again["passcode"])
        assert session["role"] == "supervisor"
        assert place.ask("agents", "create", "bo", "--agent")["role"] == "agent"

        (listed,) = place.ask("agents", "list")
        assert listed == {"id": "bo", "name": "Bo", "role": "agent", "created_at": made["created_at"]}
        assert place.run("agents", "remove", "bo").exit_code == 0
        gone = place.run("agents", "remove", "bo")
        assert (gone.exit_code, "bo" in gone.stderr) == (1, True)
        assert sign_in(port, "bo", again["passcode"])[0] == 401
    assert place.ask("agents", "list") == []


def test_a_passcode_of_ones_own_comes_from_standard_input_and_is_not_shown(place: Any) -> None:
    runner = CliRunner(env={"SMSBRIDGE_CONFIG": str(place.file)})
    made = runner.invoke(main, ["agents", "create", "bo", "--passcode-stdin"], input="correct horse\n")
    assert (made.exit_code, made.stdout) == (0, "")
    short = runner.invoke(main, ["agents", "create", "cy", "--passcode-stdin"], input="short\n")
    assert (short.exit_code, "8 to 200 characters" in short.stderr) == (1, True)
    empty = runner.invoke(main, ["agents", "create", "cy", "--passcode-stdin"], input="")
    assert empty.exit_code == 1, "an empty input is not a wish for a random one"
    with place.serving() as (_, port):
        assert sign_in(port, "bo", "correct horse")[0] == 201


@pytest.mark.parametrize("name", ["", " bo", "b\no", "b" * 101])
def test_a_name_that_nobody_could_sign_in_with_is_refused(place: Any, name: str) -> None:
    assert place.run("agents", "create", name).exit_code == 1


def test_the_admin_socket_is_for_its_owner_and_gone_after_the_stop(place: Any) -> None:
    path = place.folder / "data" / "admin.sock"
    with place.serving() as (daemon, _):
        assert stat.S_ISSOCK(path.stat().st_mode)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        daemon.send_signal(signal.SIGINT)
        daemon.communicate(timeout=PATIENCE_S)
        assert daemon.returncode == 0
    assert not path.exists()


def test_more_connections_than_the_usual_limit_of_files_hold_up_nobody(place: Any) -> None:
    few = ("sh", "-c", 'ulimit -S -n 100 && exec "$@"', "sh")
    with place.serving(wrap=few) as (daemon, port), contextlib.ExitStack() as crowd:
        for _ in range(200):
            crowd.enter_context(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S))
        assert get(port, "/livez", "") == 200
        daemon.send_signal(signal.SIGTERM)
        _, log = daemon.communicate(timeout=PATIENCE_S)
    assert "out of system resource" not in log


def test_a_socket_that_a_killed_bridge_left_behind_holds_up_nobody(place: Any) -> None:
    with place.serving() as (daemon, _):
        daemon.kill()
        daemon.wait(PATIENCE_S)
    assert (place.folder / "data" / "admin.sock").exists()
    assert place.ask("keys", "create", "--name", "x")["scopes"] == ["*"]
    with place.serving() as (_, port):
        assert place.run("readyz", "--url", f"http://127.0.0.1:{port}", "--wait").exit_code == 0
        assert len(place.ask("keys", "list")) == 1


def test_readyz_finds_the_bridge_by_its_configuration(place: Any) -> None:
    with place.serving(SMSBRIDGE__SERVER__METRICS_PORT="0") as (_, port):
        found = place.run("readyz", SMSBRIDGE__SERVER__PORT=str(port), SMSBRIDGE__SERVER__HOST="0.0.0.0")
        assert found.exit_code == 69  # the operators' URLs are on the other port
    with place.serving() as (_, port):
        for command in ("readyz", "healthcheck"):
            assert (
                place.run(command, SMSBRIDGE__SERVER__PORT=str(port), SMSBRIDGE__SERVER__HOST="0.0.0.0").exit_code == 0
            )


def test_a_second_bridge_on_the_same_data_is_turned_away(place: Any) -> None:
    with place.serving(), place.process("serve") as second:
        _, said = second.communicate(timeout=PATIENCE_S)
        assert second.returncode == 75
        assert "in use by another smsbridge process" in said
        assert "Traceback" not in said


def test_a_port_that_is_taken_is_named(place: Any) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with place.process("serve", SMSBRIDGE__SERVER__PORT=str(port)) as daemon:
            _, said = daemon.communicate(timeout=PATIENCE_S)
        assert daemon.returncode == 69
        assert f"Error: Cannot listen on 127.0.0.1:{port}: Address already in use. Stop what" in said
        assert "server.port" in said
        assert "Traceback" not in said
        with place.process("serve", SMSBRIDGE__SERVER__METRICS_PORT=str(port)) as daemon:
            _, said = daemon.communicate(timeout=PATIENCE_S)
        assert f"Error: Cannot listen on 127.0.0.1:{port}: Address already in use." in said
        demo = place.run("demo", "--port", str(port))
        assert demo.exit_code == 69
        assert demo.stderr.endswith("or choose another one with --port (0 takes any free one).\n")


def test_an_address_that_is_none_of_this_computer_is_named(place: Any) -> None:
    with place.process("serve", SMSBRIDGE__SERVER__HOST="203.0.113.5") as daemon:
        _, said = daemon.communicate(timeout=PATIENCE_S)
    assert daemon.returncode == 69
    assert "203.0.113.5" in said
    assert "server.host" in said


def test_a_data_folder_may_have_a_long_path(place: Any) -> None:
    """A socket's name may not: the kernel takes 107 bytes."""
    folder = str(place.folder / "a-folder-with-a-very-long-name" / ("x" * 100))
    with place.serving(SMSBRIDGE__DATA_DIR=folder):
        assert place.run("keys", "list", SMSBRIDGE__DATA_DIR=folder).stderr == "None.\n"


@pytest.mark.skipif(os.geteuid() == 0 and not Path("/proc/self/mem").exists(), reason="needs /proc")
def test_a_data_folder_that_cannot_be_made_is_named(place: Any) -> None:
    with place.process("serve", SMSBRIDGE__DATA_DIR="/proc/nowhere") as daemon:
        _, said = daemon.communicate(timeout=PATIENCE_S)
    assert daemon.returncode == 69
    assert "/proc/nowhere" in said
    assert "Traceback" not in said
    asked = place.run("keys", "list", SMSBRIDGE__DATA_DIR="/proc/nowhere")
    assert asked.stderr == "Error: /proc/nowhere: No such file or directory. Check data_dir and its permissions.\n"
    demo = place.run("demo", "--port", "0", "--ready-file", "/nowhere/ready.json")
    assert demo.exit_code == 2
    assert "there is no folder /nowhere" in demo.stderr


def test_a_file_that_is_no_database_is_named_by_every_command(place: Any) -> None:
    """Trying again is no help, so nobody is told to."""
    (place.folder / "data").mkdir()
    (place.folder / "data" / "smsbridge.sqlite3").write_bytes(b"not a database" * 100)
    asked = place.run("keys", "list")
    assert asked.exit_code == 69
    assert "smsbridge.sqlite3: file is not a database. Check data_dir, its disk and its permissions.\n" in asked.stderr
    with place.process("serve") as daemon:
        _, said = daemon.communicate(timeout=PATIENCE_S)
    assert (daemon.returncode, asked.stderr in said) == (69, True)


def test_a_database_that_is_away_is_named_and_not_the_data_folder(place: Any) -> None:
    with place.process("serve", SMSBRIDGE__STORE__URL="postgresql://bridge:hidden@127.0.0.1:1/db") as daemon:
        _, said = daemon.communicate(timeout=PATIENCE_S)
    assert daemon.returncode == 69
    assert "Check that PostgreSQL runs, and store.url." in said
    assert "data_dir" not in said
    assert "hidden" not in said
    assert "Traceback" not in said


def test_a_refused_text_comes_in_after_the_secret_was_mended(place: Any) -> None:
    """It was refused because of our own mistake; the carrier will not send it again."""
    form = [
        ("MessageSid", f"SM{1:032x}"),
        ("AccountSid", SID),
        ("From", "+14155550142"),
        ("To", "+15005550006"),
        ("Body", "Hi"),
    ]
    body = urllib.parse.urlencode([*form, ("NumMedia", "0")]).encode()
    headers = [
        ("Content-Type", "application/x-www-form-urlencoded"),
        ("X-Twilio-Signature", sign(HOOK, [*form, ("NumMedia", "0")], TOKEN)),
    ]
    request = Request(method="POST", url=HOOK, headers=Headers(headers), body=body)
    unsigned = Request(method="POST", url=HOOK, headers=Headers([]), body=body)
    kept = Arrival(
        id="arr_1", source="carrier", account="twilio", outcome=Arrived.REFUSED, reason="bad signature",
        at_ms=1_790_000_000_000, request=write_request(request),
    )  # fmt: skip
    forged = Arrival(
        id="arr_2", source="carrier", account="twilio", outcome=Arrived.REFUSED, reason="bad signature",
        at_ms=1_790_000_000_001, request=write_request(unsigned),
    )  # fmt: skip
    in_store(place.folder, lambda tx: (tx.add_arrival(kept), tx.add_arrival(forged)))
    assert [each["id"] for each in place.ask("quarantine", "list")] == ["arr_2", "arr_1"]
    result = place.run("quarantine", "replay", "arr_1", "arr_2", "arr_3")
    assert result.exit_code == 1
    assert result.stdout == "arr_1: stored (message)\n"
    assert "arr_2: The request still fails verification." in result.stderr
    assert "arr_3: There is no arrival 'arr_3'." in result.stderr
    assert in_store(place.folder, lambda tx: tx.contact_by_number("+14155550142")) is not None
    listed = {each["id"]: each["replayed_at"] for each in place.ask("quarantine", "list", "--outcome", "refused")}
    assert (listed["arr_1"] is not None, listed["arr_2"]) == (True, None)
    assert place.ask("quarantine", "list", "--account", "other") == []


def test_an_uncertain_text_is_listed_shown_and_settled(place: Any) -> None:
    world = World(None, None)  # type: ignore[arg-type] - what runs here is given its transaction
    account = Account(name="twilio", adapter=PlainCarrier())
    sender = Sender(number="+15005550006", account="twilio", desktop="desk")
    bridge = replace(world.bridge, accounts={"twilio": account}, senders={sender.number: sender})

    def lose(tx: Tx, text: str, *, minutes_ago: int) -> str:
        world.clock.now = round(time.time() * 1000) - minutes_ago * 60_000
        message = submit(tx, bridge, Draft(to="+14155550142", from_sender=sender.number, text=text))
        assert isinstance(message, Message)
        jobs = tx.claim("send:twilio", now_ms=world.clock.now, lease_until_ms=world.clock.now + 1, limit=9)
        job = next(each for each in jobs if each.ref == message.id)
        begun: Any = begin_send(bridge)(tx, job)
        assert tx.close_job(job)
        doubt(tx, bridge, begun.message, begun.part, "no answer")
        return message.id

    old, first, second = (
        in_store(place.folder, lambda tx, ago=ago: lose(tx, "A secret", minutes_ago=ago)) for ago in (600, 2, 1)
    )
    assert [each["id"] for each in place.ask("message", "list")] == [second, first, old]
    shown = place.run("message", "show", first)
    assert shown.exit_code == 0
    assert "no answer" in shown.stdout
    assert "A secret" not in shown.output
    assert "14155550142" not in shown.output
    assert place.run("message", "settle", first, "sent").stdout == f"{first} is sent.\n"
    assert (
        place.run("message", "settle", first, "sent").stdout == f"{first} had been settled so before; it is sent now.\n"
    )
    assert place.run("message", "settle", second, "not-sent").stdout == f"{second} is queued again.\n"
    assert "it failed, and the agent is told" in place.run("message", "settle", old, "not-sent").stdout
    assert place.ask("message", "show", old)["cause"] == "expired"
    wrong = place.run("message", "settle", first, "not-sent")
    assert (wrong.exit_code, "It is not uncertain: it was sent. Nothing was changed." in wrong.stderr) == (1, True)
    assert place.run("message", "settle", "msg_nobody", "sent").exit_code == 1
    assert place.run("message", "list").stderr == "None.\n"


def test_dead_letters_are_listed_replayed_and_dropped(place: Any) -> None:
    def bury(tx: Tx) -> None:
        for ref in ("one", "two"):
            job = NewJob(kind="k", queue="q", lane=ref, ref=ref, due_at_ms=0, created_at_ms=0)
            tx.enqueue(job)
        for job in tx.claim("q", now_ms=1, lease_until_ms=2, limit=9):
            end = Buried(reason="the desktop never answered")
            assert tx.bury_job(job, end.reason, 1_790_000_000_000)

    in_store(place.folder, bury)
    letters = place.ask("dead-letters", "list")
    assert {(each["ref"], each["reason"]) for each in letters} == {
        ("one", "the desktop never answered"),
        ("two", "the desktop never answered"),
    }
    shown = place.run("dead-letters", "list").stdout
    assert shown.splitlines()[0].split() == ["id", "died", "at", "kind", "queue", "ref", "attempts", "reason"]
    first, second = (str(each["id"]) for each in letters)
    assert place.run("dead-letters", "replay", first).exit_code == 0
    assert place.run("dead-letters", "drop", second).exit_code == 0
    assert place.ask("dead-letters", "list") == []
    assert [depth.lanes for depth in in_store(place.folder, lambda tx: tx.queue_depths(1))] == [1]
    gone = place.run("dead-letters", "drop", second, "x")
    assert gone.exit_code == 1
    assert "x: id must be the number of a dead letter." in gone.stderr


def test_what_is_braked_is_listed_and_released(place: Any) -> None:
    assert place.ask("brakes", "list") == []
    held = NO_BRAKE.held(4_000_000_000_000, "rate_limited 20429")
    in_store(place.folder, lambda tx: tx.save_brake("send:twilio", held))
    (shown,) = place.ask("brakes", "list")
    assert shown == {
        "target": "send:twilio",
        "state": "held",
        "since": None,
        "next_try_at": "2096-10-02T07:06:40.000Z",
        "reason": "rate_limited 20429",
    }
    assert place.run("brakes", "release", "send:twilio").stdout == "send:twilio is released.\n"
    assert place.ask("brakes", "list") == []
    free = place.run("brakes", "release", "send:vonage")
    assert free.exit_code == 1
    assert free.stderr == "Error: There is no brake on 'send:vonage'.\n"


def test_a_desktop_that_was_switched_off_is_switched_on(place: Any) -> None:
    in_store(place.folder, lambda tx: tx.switch_off_desktop("desk", "it answered 410 Gone", 1))
    assert "It was off: it answered 410 Gone" in place.run("desktops", "switch-on", "desk").stdout
    assert in_store(place.folder, lambda tx: tx.desktop_switched_off("desk")) == ""
    assert place.run("desktops", "switch-on", "desk").stdout == "desk was on.\n"
    assert place.run("desktops", "switch-on", "crm").exit_code == 1


@pytest.mark.parametrize(
    ("verb", "arguments", "words"),
    [
        ("keys.creat", {}, "There is no verb 'keys.creat'"),
        ("keys.create", [], "must be an object"),
        ("keys.create", {"name": "x", "scopes": ["nonsense"]}, "there is no scope 'nonsense'"),
        ("keys.create", {"name": "x", "scopes": "*"}, "must be a list of scopes"),
        ("keys.create", {"name": "", "scopes": ["*"]}, "name must be a text"),
        ("keys.create", {"name": "a\x00b", "scopes": ["*"]}, "name must be a text"),
        ("quarantine.list", {"limit": 10**9}, "limit must be a number from 1 to 500"),
        ("quarantine.list", {"limit": True}, "limit must be a number from 1 to 500"),
        ("quarantine.list", {"outcome": "stored"}, "outcome must be one of"),
        ("dead-letters.drop", {"id": "9" * 30}, "id must be the number"),
        ("message.list", {"status": "lost"}, "status must be one of"),
        ("message.list", {"status": []}, "status must be one of"),
        ("message.show", {"id": "msg_nobody"}, "There is no message"),
        ("message.settle", {"id": "msg_1", "outcome": "perhaps"}, "outcome must be sent or not-sent"),
    ],
)
def test_the_socket_answers_nonsense_with_a_sentence(place: Any, verb: str, arguments: Any, words: str) -> None:
    from smsbridge.cli.console import ask
    from smsbridge.cli.shared import read_config

    with pytest.raises(Stopped, match=words.replace("'", ".")):
        ask(read_config(place.file), verb, arguments)


def test_the_socket_of_a_running_bridge_answers_nonsense_too(place: Any) -> None:
    with place.serving():
        path = place.folder / "data" / "admin.sock"
        with pytest.raises(Stopped, match="There is no verb"):
            ask_daemon(path, "nonsense", {})
        with pytest.raises(Stopped, match="must be an object"):
            ask_daemon(path, "keys.create", [])  # type: ignore[arg-type]
        assert ask_daemon(path, "bridge.show", {})["public_url"] == "http://127.0.0.1:8398"


def test_numbers_are_listed_and_a_number_is_connected_and_given_back(
    configured: Callable[[str], Any], simulator_elsewhere: Simulator
) -> None:
    place = configured("")
    port = free_port()
    text = place.file.read_text().replace("port = 0", f"port = {port}").replace(":8398", f":{port}")
    place.file.write_text(text.replace("[[senders]]", f'api_url = "{simulator_elsewhere.url}"\n[[senders]]'))
    webhook = f"http://127.0.0.1:{port}/hooks/carriers/twilio"
    numbers = place.ask("numbers", "list", "twilio")
    assert {(each["number"], each["sender"], each["connected"]) for each in numbers} == {
        ("+15005550006", True, False),
        ("+15005550010", False, False),
    }
    with place.serving():
        # A public address that is none has to be forced, which is the point of this address.
        refused = place.run("connect", "twilio", "--number", "+15005550006")
        assert refused.exit_code == 1
        assert "fail  public_url" in refused.stdout
        connected = place.run("connect", "twilio", "--number", "+15005550006", "--force")
        assert connected.exit_code in {0, 1}
        assert f"is now POST {webhook}" in connected.stdout
    listed = {each["number"]: each["connected"] for each in place.ask("numbers", "list", "twilio")}
    assert listed == {"+15005550006": True, "+15005550010": False}
    given_back = place.run("disconnect", "twilio")
    assert given_back.exit_code == 0, given_back.output
    assert not any(each["connected"] for each in place.ask("numbers", "list", "twilio"))


@contextmanager
def demonstrating(place: Any, *options: str) -> Iterator[str]:
    """What the demo says; it ends with 0 when it is told to."""
    with place.process("demo", "--port", "0", "--quiet", *options) as demo:
        try:
            said = ""
            while "Ctrl-C" not in said:
                line = demo.stdout.readline()
                assert line, demo.communicate()
                said += line
            yield said
        finally:
            demo.send_signal(signal.SIGINT)
            demo.communicate(timeout=PATIENCE_S)
    assert demo.returncode == 0


def test_the_demo_says_where_everything_is_and_ends_when_told(tmp_path: Path, place: Any) -> None:
    ready = tmp_path / "ready.json"
    with demonstrating(place, "--ready-file", str(ready), "--chaos", "dup=5") as said:
        facts = json.loads(ready.read_text())
        assert facts["api_url"] in said
        (try_it,) = re.findall(r"Try it +(\S+/demo)\b", said)
        port = urllib.parse.urlsplit(try_it).port
        assert port is not None
        for path in ("/demo", "/desk", "/phone"):
            assert get(port, path, "") == 200
        assert get(port, "/v1/messages", facts["api_key"]) == 200
        assert facts["agents"]["demo"] in said
        for agent, role in (("demo", "supervisor"), ("bo", "agent")):
            assert sign_in(port, agent, facts["agents"][agent])[1]["role"] == role


@pytest.mark.skipif(shutil.which("curl") is None, reason="types what a newcomer types, which needs curl")
def test_what_the_demo_says_can_be_typed_as_it_stands_and_ends_in_a_notice(place: Any) -> None:
    with demonstrating(place, "--curl") as said:
        typed = type_what_it_says(said)
    assert "Hi, where is my order?" in typed
    assert "On its way." in typed
    assert '"kind":"not_sms_capable"' in typed
    assert "event: notice.raised" in typed


def type_what_it_says(said: str) -> str:
    """A newcomer's terminal: each printed command once, in order, and again while what it shows is not there yet."""
    (export,) = re.findall(r"^  (export .*)$", said, re.MULTILINE)
    commands = re.findall(r"^  curl ((?:.*\\\n)*.*)$", said, re.MULTILINE)
    typed = []
    for command in commands:
        last = "event: notice.raised" if "/events" in command else "not_sms_capable" if "/notices" in command else "{"
        until, shown = time.monotonic() + PATIENCE_S, ""
        while last not in shown and time.monotonic() < until:
            shown = subprocess.run(
                ["sh", "-c", f"{export}\ncurl --max-time 1 {command}"],
                capture_output=True,
                text=True,
                check=False,
            ).stdout
        typed.append(shown)
    return "\n".join(typed)


def test_a_fault_that_does_not_exist_is_wrong_usage(place: Any) -> None:
    result = place.run("demo", "--chaos", "earthquake=100")
    assert result.exit_code == 2
    assert "earthquake" in result.stderr
