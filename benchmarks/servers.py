"""What is measured: servers in processes of their own, started, waited for and ended.

The server has the first core and the load the last, so that neither takes what the other is measured by.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

from load import ACCOUNT_SID, SENDER, TOKEN

HERE = Path(__file__).parent
CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE = CORES[:1]
LOAD_CORE = CORES[-1:]
# An installed bridge is compiled already; this keeps one that runs from its sources from compiling them at each start.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


@dataclass(frozen=True, kw_only=True)
class Running:
    """A server that answers. `folder` is its own; `ready_s` is from its first instruction to that."""

    port: int
    pid: int
    folder: Path
    ready_s: float

    @property
    def cpu_s(self) -> float:
        return cpu_s(self.pid)

    @property
    def rss_mb(self) -> float:
        """With its children's: what it holds of the machine's memory."""
        return sum(_rss_mb(pid) for pid in (self.pid, *children_of(self.pid)))


@contextmanager
def bare() -> Iterator[Running]:
    """The yardstick (bare.py)."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(HERE / "bare.py"), str(port)]
        with started(command, [port], Path(folder), cores=SERVER_CORE) as running:
            yield running


@contextmanager
def bridge(
    *,
    folder: Path | None = None,
    desktop_url: str = "",
    carrier_url: str = "",
    store_url: str = "",
    cores: Sequence[int] = SERVER_CORE,
) -> Iterator[Running]:
    """A bridge with logging on, as in production. Without `desktop_url` its texts go to the built-in desk."""
    with ExitStack() as stack:
        folder = folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        port = free_port()
        config = folder / "smsbridge.toml"
        config.write_text(_configuration(port, desktop_url, carrier_url, store_url), "utf-8")
        command = [sys.executable, "-m", "smsbridge", "serve", "--config", str(config)]
        running = stack.enter_context(started(command, [port], folder, cores=cores))
        urlopen(f"http://127.0.0.1:{port}/readyz", timeout=30).close()
        yield running


def _configuration(port: int, desktop_url: str, carrier_url: str, store_url: str) -> str:
    lines = [
        f'public_url = "http://127.0.0.1:{port}"',
        'data_dir = "data"',
        "[server]",
        f"port = {port}",
        "[log]",
        'format = "json"',
        "[interactions]",
        f'desktop = "{"crm" if desktop_url else "desk"}"',
        "[carriers.twilio]",
        'type = "twilio"',
        f'account_sid = "{ACCOUNT_SID}"',
        f'auth_token = "{TOKEN}"',
        *([f'api_url = "{carrier_url}"'] if carrier_url else []),
        "[[senders]]",
        f'number = "{SENDER}"',
        'carrier = "twilio"',
        "[desktops.desk]",
        'type = "desk"',
    ]
    if desktop_url:
        secret = "whsec_" + "QUFB" * 11
        lines += ["[desktops.crm]", 'type = "webhook"', f'url = "{desktop_url}"', f'secret = "{secret}"']
    if store_url:
        lines += ["[store]", f'url = "{store_url}"']
    return "\n".join(lines) + "\n"


def make_api_key(running: Running) -> str:
    """Asks the running bridge for a key that may do everything."""
    made = subprocess.run(
        [sys.executable, "-m", "smsbridge", "keys", "create", "--name=benchmark", "--json", "--config=smsbridge.toml"],
        cwd=running.folder,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        check=True,
    )
    key: str = json.loads(made.stdout)["key"]
    return key


@contextmanager
def started(command: Sequence[str], ports: Sequence[int], folder: Path, *, cores: Sequence[int]) -> Iterator[Running]:
    """A process that has to listen on all of `ports`; ended at the end."""
    begun = time.perf_counter()
    with (folder / "log").open("ab") as out:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=folder, env=ENVIRONMENT
        )
        try:
            os.sched_setaffinity(process.pid, cores)
            for port in ports:
                _wait_for(port, process, folder / "log")
            ready_s = time.perf_counter() - begun
            yield Running(port=ports[0], pid=process.pid, folder=folder, ready_s=ready_s)
        finally:
            process.terminate()
            process.wait(60)


def cpu_s(pid: int) -> float:
    """Seconds of a core that a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def children_of(pid: int) -> list[int]:
    listed = [Path(f"/proc/{pid}/task/{task}/children") for task in os.listdir(f"/proc/{pid}/task")]
    return [int(child) for file in listed if file.exists() for child in file.read_text().split()]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def share_of_a_core(share: float | None, pids: Sequence[int]) -> Iterator[bool]:
    """Holds each of the processes to that share of a core. Yields whether that could be done: it takes root, and the
    first version of control groups; with None nobody is held."""
    if share is None:
        yield True
        return
    period_us = 10_000
    groups: list[Path] = []
    try:
        for pid in pids:
            group = Path(f"/sys/fs/cgroup/cpu/smsbridge-benchmark-{pid}")
            group.mkdir()
            groups.append(group)
            (group / "cpu.cfs_period_us").write_text(str(period_us))
            (group / "cpu.cfs_quota_us").write_text(str(round(period_us * share)))
            (group / "cgroup.procs").write_text(str(pid))
    except OSError:
        yield False
    else:
        yield True
    finally:
        root = Path("/sys/fs/cgroup/cpu/cgroup.procs")
        for group in groups:
            for member in (group / "cgroup.procs").read_text().split():
                root.write_text(member)
            group.rmdir()


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if process.poll() is not None:
            raise SystemExit(f"{process.args!r} ended at its start: {log.read_text('utf-8', 'replace')[-2_000:]}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.005)
        else:
            return
    raise SystemExit(f"{process.args!r}: nothing listens on {port}")


def _rss_mb(pid: int) -> float:
    status: Mapping[str, str] = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line
    )
    return int(status["VmRSS"].split()[0]) * 1024 / 1e6
