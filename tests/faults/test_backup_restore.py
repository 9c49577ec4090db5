"""A backup is made under load and put back into a new folder. What was kept is there, and nobody is texted twice."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from faults.one_daemon import OneDaemon
from smsbridge.simulator.faults import FaultSettings

pytestmark = [pytest.mark.xdist_group("machine"), pytest.mark.timeout(300)]


async def test_a_restored_bridge_has_what_was_kept_and_sends_nothing_twice(tmp_path: Path) -> None:
    one = OneDaemon(tmp_path, seed=20261127, agents=6)
    async with one.world():
        await one.start()
        async with one.load():
            one.simulator.set_faults(FaultSettings(send_slow=100, send_slow_s=0.5))  # so that something is on its way
            await one.acknowledged_more(80)
            before = acknowledged(one)
            made = await command(one, "backup", str(tmp_path / "backups"), "--json")
            one.simulator.set_faults(FaultSettings())
            await one.acknowledged_more(60)  # texts go out that the backup does not know to have gone
        await one.drain()
        assert await one.stop() == 0
        told_before = {(event_id, kind) for event_id, kind, _ in one.desktop.told}

        queued = on_their_way(Path(made["folder"]) / "smsbridge.sqlite3")
        assert queued, "the point is what was on its way"
        one.data_dir = tmp_path / "another computer" / "data"
        one.config.write_text(one.config.read_text().replace(str(tmp_path / "data"), str(one.data_dir)))
        restored = await command(one, "restore", "from", made["folder"], "--json")
        assert restored["uncertain"] == len(queued)

        await one.start()
        assert (await one.metrics())["sending_paused"] == 1
        await one.drain()
        async with one.load():
            # New texts are taken and wait.
            await one.until(lambda: one.ask("/v1/messages?status=queued&limit=50"), lambda queued: len(queued) >= 6)
        sent_before = len(one.simulator.ledger.sent)
        await command(one, "restore", "finish")
        await one.until(lambda: sent_count(one), lambda count: count > sent_before)
        assert await one.stop() == 0
        await one.start()  # what waits is looked at again at once
        await one.drain()
        assert await one.stop() == 0
        stored = {row[0] for row in read(one.data_dir / "smsbridge.sqlite3", "SELECT text FROM messages")}
    assert "Traceback" not in one.log
    verdict = one.judge()
    again = sum((event_id, kind) in told_before for event_id, kind, _ in one.desktop.told[len(told_before) :])
    print(f"restore: {len(queued)} texts were on their way, {again} events told again; {verdict}")  # noqa: T201
    assert before <= stored, "what was acknowledged before the backup is in it"
    assert verdict.is_good, verdict


def acknowledged(one: OneDaemon) -> set[str]:
    return {text for texts in one.acknowledged.values() for text in texts} | set(one.accepted)


async def sent_count(one: OneDaemon) -> int:
    return len(one.simulator.ledger.sent)


def on_their_way(database: Path) -> list[str]:
    return [row[0] for row in read(database, "SELECT text FROM messages WHERE status IN ('queued', 'sending')")]


def read(database: Path, sql: str) -> list[tuple[str]]:
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


async def command(one: OneDaemon, *words: str) -> dict[str, Any]:
    """What a person types; its JSON."""
    ran = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "smsbridge", *words, "--config", str(one.config),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(os.environ),
    )  # fmt: skip
    out, said = await ran.communicate()
    assert ran.returncode == 0, said.decode()
    return json.loads(out) if "--json" in words else {}
