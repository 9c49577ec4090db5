"""`make bench`: what smsbridge costs, as ratios against a bare aiohttp handler measured in the same run.

Machines are shared and noisy, so absolute figures mean little: yardstick and bridge are measured in turn, pair by pair,
and the median of the pairs' ratios is printed with its spread. The server has one core and the load the other; logging
is on, as in production.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from load import ACCOUNT_SID, CONNECTIONS, SENDER, TOKEN, Desktop, Load, press, write_webhooks

HERE = Path(__file__).parent
MESSAGES_STORED = 1_000_000
JOBS_WAITING = 100_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=5, help="how often each pair is measured (default 5)")
    parser.add_argument("--requests", type=int, default=6_000, help="webhooks for each measurement (default 6000)")
    parser.add_argument("--stored", type=int, default=MESSAGES_STORED, help="messages in the full store")
    options = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[-1]})
    bench = Bench(options.pairs, options.requests, options.stored, server_core=cores[0])
    print(
        f"{options.pairs} pairs of {options.requests} webhooks over {CONNECTIONS} connections; medians (lowest to highest)"
    )
    asyncio.run(bench.run())


class Bench:
    def __init__(self, pairs: int, requests: int, stored: int, *, server_core: int) -> None:
        self._pairs = pairs
        self._requests = requests
        self._stored = stored
        self._core = server_core
        self._run = int(time.time()) & 0xFFFFFF

    async def run(self) -> None:
        per_s = await self._inbound_ack()
        await self._webhook_to_desktop()
        await self._ack_at_half_load(per_s)
        await self._full_store()

    async def _inbound_ack(self) -> float:
        ratios, speeds = [], []
        for _ in range(self._pairs):
            with self._bare() as port:
                bare = await self._press(port)
            with tempfile.TemporaryDirectory() as folder, self._bridge(Path(folder)) as port:
                ours = await self._press(port)
            ratios.append(ours.per_s / bare.per_s)
            speeds.append(ours.per_s)
        _say("durable inbound ack / bare handler", ratios, "≥ 0.30", f"{statistics.median(speeds):,.0f} a second here")
        return statistics.median(speeds)

    async def _webhook_to_desktop(self) -> None:
        ratios, speeds = [], []
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Desktop, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/events"
        for _ in range(self._pairs):
            with self._bare() as port:
                bare = await self._press(port)
            with tempfile.TemporaryDirectory() as folder, self._bridge(Path(folder), desktop=url) as port:
                Desktop.told = 0
                begun = time.perf_counter()
                pressed = await self._press(port)
                while Desktop.told < pressed.answered:
                    await asyncio.sleep(0.01)
                elapsed_s = time.perf_counter() - begun
            speeds.append(pressed.answered / elapsed_s)
            ratios.append(speeds[-1] / bare.per_s)
        server.close()
        _say("webhook to desktop / bare handler", ratios, "≥ 0.14", f"{statistics.median(speeds):,.0f} a second here")

    async def _ack_at_half_load(self, per_s: float) -> None:
        p50, p99 = [], []
        for _ in range(self._pairs):
            with tempfile.TemporaryDirectory() as folder, self._bridge(Path(folder)) as port:
                await self._press(port, count=500)
                load = await self._press(port, count=self._requests // 2, per_s=per_s / 2)
            p50.append(load.percentile_ms(0.5))
            p99.append(load.percentile_ms(0.99))
        _say("ack p99 at half load, ms", p99, "≤ 25", f"p50 {statistics.median(p50):.1f} ms", digits=1)

    async def _full_store(self) -> None:
        ratios = []
        with tempfile.TemporaryDirectory() as folder:
            full = Path(folder)
            with self._bridge(full):
                pass  # makes the schema
            _fill(full / "data" / "smsbridge.sqlite3", self._stored, self._stored * JOBS_WAITING // MESSAGES_STORED)
            for _ in range(self._pairs):
                with tempfile.TemporaryDirectory() as empty, self._bridge(Path(empty)) as port:
                    of_empty = await self._press(port)
                with self._bridge(full) as port:
                    of_full = await self._press(port)
                ratios.append(of_empty.per_s / of_full.per_s)
        _say(f"cost with {self._stored:,} messages stored / with none", ratios, "≤ 1.3", "")

    async def _press(self, port: int, *, count: int | None = None, per_s: float | None = None) -> Load:
        self._run += 1
        load = await press(write_webhooks(count or self._requests, port=port, run=self._run), port=port, per_s=per_s)
        if load.refused:
            raise SystemExit(f"{load.refused} webhooks were refused: the figures would mean nothing")
        return load

    @contextmanager
    def _bare(self) -> Iterator[int]:
        port = _free_port()
        with self._server([sys.executable, str(HERE / "bare.py"), str(port)], port):
            yield port

    @contextmanager
    def _bridge(self, folder: Path, *, desktop: str = "") -> Iterator[int]:
        port = _free_port()
        crm = (
            f'[desktops.crm]\ntype = "webhook"\nurl = "{desktop}"\nsecret = "whsec_{"QUFB" * 11}"\n' if desktop else ""
        )
        config = folder / "smsbridge.toml"
        config.write_text(
            f'public_url = "http://127.0.0.1:{port}"\ndata_dir = "data"\n'
            f'[interactions]\ndesktop = "{"crm" if desktop else "desk"}"\n'
            f'[server]\nport = {port}\n[log]\nformat = "json"\n'
            f'[carriers.twilio]\ntype = "twilio"\naccount_sid = "{ACCOUNT_SID}"\nauth_token = "{TOKEN}"\n'
            f'[[senders]]\nnumber = "{SENDER}"\ncarrier = "twilio"\n[desktops.desk]\ntype = "desk"\n{crm}',
            "utf-8",
        )
        with self._server([sys.executable, "-m", "smsbridge", "serve", "--config", str(config)], port, folder / "log"):
            yield port

    @contextmanager
    def _server(self, command: list[str], port: int, log: Path | None = None) -> Iterator[None]:
        with (log or Path(os.devnull)).open("ab") as out:
            process = subprocess.Popen(command, stdout=out, stderr=out)
            os.sched_setaffinity(process.pid, {self._core})
            try:
                _wait_for(port, process)
                yield
            finally:
                process.terminate()
                process.wait(60)


def _fill(file: Path, messages: int, jobs: int) -> None:
    """A store with a past: `messages` in 20,000 conversations, and `jobs` waiting for a day that is far away."""
    series = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?)"
    people = min(20_000, messages)
    with sqlite3.connect(file, isolation_level=None) as db:
        db.execute("PRAGMA synchronous = OFF")
        db.execute("BEGIN")
        db.execute(
            f"{series} INSERT INTO contacts (id, number, created_at_ms, updated_at_ms, search_text) "
            "SELECT 'con_' || printf('%026d', i), '+1628' || (5000000 + i), 1, 1, '+1628' || (5000000 + i) FROM n",
            (people,),
        )
        db.execute(
            f"{series} INSERT INTO conversations (id, contact_id, contact_number, sender, account, created_at_ms, "
            "last_message_at_ms) SELECT 'cnv_' || printf('%026d', i), 'con_' || printf('%026d', i), "
            "'+1628' || (5000000 + i), ?, 'twilio', 1, 1 FROM n",
            (people, SENDER),
        )
        db.execute(
            f"{series} INSERT INTO interactions (id, conversation_id, contact_id, contact_number, sender, account, "
            "desktop, direction, state, opened_at_ms, last_activity_ms) SELECT 'int_' || printf('%026d', i), "
            "'cnv_' || printf('%026d', i), 'con_' || printf('%026d', i), '+1628' || (5000000 + i), ?, 'twilio', 'desk', "
            "'inbound', 'done', 1, 1 FROM n",
            (people, SENDER),
        )
        db.execute(
            f"{series} INSERT INTO messages (id, direction, conversation_id, interaction_id, contact_id, contact_number, "
            "sender, account, text, status, carrier_message_id, created_at_ms) SELECT 'msg_' || printf('%026d', i), "
            f"'inbound', 'cnv_' || printf('%026d', i % {people}), 'int_' || printf('%026d', i % {people}), "
            f"'con_' || printf('%026d', i % {people}), '+1628' || (5000000 + i % {people}), ?, 'twilio', "
            "'an old text, number ' || i, 'received', 'SMff' || printf('%030x', i * 7919), 1 FROM n",
            (messages, SENDER),
        )
        db.execute(
            f"{series} INSERT INTO transcript (contact_id, conversation_id, interaction_id, kind, ref, is_inbound, at_ms, "
            f"search_text) SELECT 'con_' || printf('%026d', i % {people}), 'cnv_' || printf('%026d', i % {people}), "
            f"'int_' || printf('%026d', i % {people}), 'message', 'msg_' || printf('%026d', i), 1, 1, "
            "'an old text, number ' || i FROM n",
            (messages,),
        )
        far = 4_000_000_000_000
        db.execute(
            f"{series} INSERT INTO jobs (kind, queue, lane, ref, due_at_ms, created_at_ms) "
            "SELECT 'deliver', 'deliver:desk', 'deliver:desk:old' || i % 20000, '0', ?, 1 FROM n",
            (jobs, far),
        )
        db.execute(
            "INSERT INTO lanes (lane, queue, due_at_ms) SELECT DISTINCT lane, 'deliver:desk', ? FROM jobs "
            "WHERE lane LIKE 'deliver:desk:old%'",
            (far,),
        )
        db.execute("COMMIT")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _say(what: str, figures: list[float], reach: str, note: str, *, digits: int = 2) -> None:
    middle, low, high = statistics.median(figures), min(figures), max(figures)
    spread = f"({low:.{digits}f} to {high:.{digits}f})"
    print(f"  {what:<54} {middle:>6.{digits}f} {spread:<17} reach {reach:<7} {note}", flush=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if process.poll() is not None:
            raise SystemExit(f"{process.args} ended at its start")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise SystemExit(f"nothing listens on {port}")


if __name__ == "__main__":
    main()
