"""The bridge under systemd: it says when it is ready, feeds the watchdog, takes a held socket, and is locked in."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest

from postgres_proxy import PostgresProxy
from postgres_server import drop_database, make_database, shared_url
from smsbridge.systemd import Notifier, held_sockets

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "systemd/smsbridge.service"
needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """The other end of NOTIFY_SOCKET."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(str(tmp_path / "notify"))
        ear.settimeout(60)
        yield ear


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("SMSBRIDGE", "NOTIFY", "LISTEN"))
    }
    return clean | {
        "SMSBRIDGE__DATA_DIR": str(tmp_path / "data"),
        "SMSBRIDGE__SERVER__PORT": "0",
        "SMSBRIDGE__CARRIERS__TWILIO__TYPE": "twilio",
        "SMSBRIDGE__CARRIERS__TWILIO__ACCOUNT_SID": "AC" + "0" * 32,
        "SMSBRIDGE__CARRIERS__TWILIO__AUTH_TOKEN": "token",
        "SMSBRIDGE__SENDERS__0__NUMBER": "+15005550006",
        "SMSBRIDGE__SENDERS__0__CARRIER": "twilio",
    }


def test_the_service_manager_hears_of_readiness_of_life_and_of_the_stop(
    manager: socket.socket, environment: dict[str, str], tmp_path: Path
) -> None:
    told = {"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "400000"}
    with subprocess.Popen(
        [sys.executable, "-m", "smsbridge", "serve"], env=environment | told, cwd=tmp_path, stderr=subprocess.DEVNULL
    ) as daemon:
        try:
            assert manager.recv(1024).startswith(b"READY=1\nSTATUS=listening on port ")
            assert [manager.recv(1024) for _ in range(3)] == [b"WATCHDOG=1"] * 3
            daemon.terminate()
            heard = manager.recv(1024)
            while heard == b"WATCHDOG=1":
                heard = manager.recv(1024)
            assert heard.startswith(b"STOPPING=1")
            assert daemon.wait(60) == 0
        finally:
            daemon.kill()


def test_a_database_elsewhere_that_is_away_is_no_reason_to_be_restarted(
    manager: socket.socket, environment: dict[str, str], tmp_path: Path
) -> None:
    """A restart mends nothing there, and while it lasts nobody takes webhooks into the spool."""
    name = f"watched_{os.getpid()}"
    url = make_database(shared_url(), name)
    told = {"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "400000"}
    with PostgresProxy(int(url.rpartition(":")[2].partition("/")[0])) as proxy:
        told["SMSBRIDGE__STORE__URL"] = proxy.url(url)
        daemon = subprocess.Popen(
            [sys.executable, "-m", "smsbridge", "serve"],
            env=environment | told,
            cwd=tmp_path,
            stderr=subprocess.DEVNULL,
        )
        while not manager.recv(1024).startswith(b"READY=1"):
            pass
    with daemon:
        try:
            # The first may be from before; the daemon writes every second or oftener, so by the tenth it knows.
            assert [manager.recv(1024) for _ in range(10)] == [b"WATCHDOG=1"] * 10
            daemon.terminate()
            assert daemon.wait(60) == 0
        finally:
            daemon.kill()
    drop_database(shared_url(), name)


@pytest.mark.parametrize(
    ("environment", "every_s"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, 0.0),
        ({"WATCHDOG_USEC": "soon"}, 0.0),
        ({}, 0.0),
    ],
)
def test_the_watchdog_is_fed_twice_in_its_time_and_only_by_whom_it_is_meant_for(
    environment: dict[str, str], every_s: float
) -> None:
    assert Notifier(environment).watchdog_s == every_s


def test_an_abstract_address_is_spoken_to() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(f"\0smsbridge-test-{os.getpid()}")
        ear.settimeout(5)
        Notifier({"NOTIFY_SOCKET": f"@smsbridge-test-{os.getpid()}"}).ready("here")
        assert ear.recv(1024) == b"READY=1\nSTATUS=here"


def test_a_manager_that_is_gone_disturbs_nobody(tmp_path: Path) -> None:
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "nobody")}).stopping()
    Notifier({}).watchdog()


def test_who_called_before_the_start_is_answered_after_it(environment: dict[str, str], tmp_path: Path) -> None:
    """systemd holds the port: a restart refuses nobody."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        port = held.getsockname()[1]
        early = HTTPConnection("127.0.0.1", port, timeout=60)
        early.request("GET", "/livez")
        pass_on = (
            f"import os, sys; os.dup2({held.fileno()}, 3);"
            "os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1');"
            "os.execv(sys.executable, [sys.executable, '-m', 'smsbridge', 'serve'])"
        )
        with subprocess.Popen(
            [sys.executable, "-c", pass_on],
            env=environment, cwd=tmp_path, pass_fds=[held.fileno()], stderr=subprocess.PIPE, text=True,
        ) as daemon:  # fmt: skip
            try:
                assert daemon.stderr is not None
                assert json.loads(daemon.stderr.readline())["port"] == port
                assert early.getresponse().read() == b"alive\n"
            finally:
                early.close()
                daemon.kill()


def test_sockets_for_another_process_are_not_ours() -> None:
    assert held_sockets({"LISTEN_PID": "1", "LISTEN_FDS": "1"}) == []
    assert held_sockets({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "many"}) == []
    assert held_sockets({}) == []


# --- the unit


def test_the_unit_starts_the_very_command() -> None:
    (command,) = re.findall(r"^ExecStart=(.*)$", UNIT.read_text(), re.MULTILINE)
    assert command == "/usr/local/bin/smsbridge serve --config /etc/smsbridge/smsbridge.toml"


@needs_systemd
def test_the_unit_is_locked_in() -> None:
    """1.5 of 10 at most, less being safer."""
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=15", "--no-pager", str(UNIT)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-500:] + done.stderr


@needs_systemd
@pytest.mark.parametrize("name", ["smsbridge.service", "smsbridge.socket"])
def test_systemd_understands_every_line(name: str, tmp_path: Path) -> None:
    """Its command may not be installed here, so another one stands in for it."""
    for unit in ("smsbridge.service", "smsbridge.socket"):
        text = (ROOT / "systemd" / unit).read_text().replace("/usr/local/bin/smsbridge", "/bin/true")
        (tmp_path / unit).write_text(
            text.replace("User=smsbridge", "User=root").replace("Group=smsbridge", "Group=root")
        )
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / name)], capture_output=True, text=True, check=False
    )
    about_us = [line for line in done.stderr.splitlines() if "smsbridge." in line]
    assert about_us == []


def test_what_the_unit_keeps_apart_still_fits_together() -> None:
    """The stop takes longer than the grace of work in flight; a wrong configuration is not started again."""
    unit = UNIT.read_text()
    assert int(re.findall(r"^TimeoutStopSec=(\d+)", unit, re.MULTILINE)[0]) > 30
    assert "RestartPreventExitStatus=78" in unit
    assert "Type=notify" in unit


@pytest.mark.skipif(sys.platform != "linux", reason="Linux only")
async def test_a_picture_is_decoded_under_the_limits_of_the_unit(tmp_path: Path) -> None:
    """The unit forbids setrlimit, which is an old way to say prlimit64; the child that decodes pictures needs that."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    script = (
        "import resource; resource.setrlimit(resource.RLIMIT_CORE, (0, 0)); resource.getrlimit(resource.RLIMIT_CPU)"
    )
    process = await asyncio.create_subprocess_exec(
        "strace", "-f", "-e", "trace=setrlimit,prlimit64", "-o", str(tmp_path / "trace"), sys.executable, "-c", script
    )
    assert await process.wait() == 0
    trace = (tmp_path / "trace").read_text()
    assert "prlimit64(" in trace
    assert "setrlimit(" not in trace
