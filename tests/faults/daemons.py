"""The bridge's processes: configured, started, killed, frozen, stopped."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import random
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from faults import child
from faults.run_store import RunStore
from ports import free_port

# What a bridge imports is loaded once and forked, which is most of a start.
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["smsbridge.app", "smsbridge.carriers.twilio", "smsbridge.desktops.webhook"])


class Daemons:
    """`count` daemons on one store, each with a port and a configuration of its own. Number 0 is the first."""

    def __init__(self, folder: Path, store: RunStore, *, count: int, chance: random.Random) -> None:
        self._folder = folder
        self._store = store
        self._chance = chance
        self.ports = [free_port() for _ in range(count)]
        self._running: dict[int, BaseProcess] = {}
        self.clock_shift_ms: Any = _FORKS.Value("q", 0, lock=False)
        """How far the daemons' clocks are from the machine's, now and for those that start later."""
        self._memory = [_FORKS.Array("q", 2, lock=False) for _ in range(count)]
        self.starts = 0
        self.bug = ""
        """A mistake that those which start from now on have (planted.py)."""

    def base_url(self) -> str:
        """Of one of them, dead or alive: whoever calls does not know, and tries again."""
        return f"http://127.0.0.1:{self._chance.choice(self.ports)}"

    def configure(self, write: Callable[[int, str], str]) -> None:
        """`write` gives the configuration of the daemon at a port, whose store is as in these lines."""
        for number, port in enumerate(self.ports):
            self._config(number).write_text(write(port, self._store.config_lines(number)), "utf-8")

    async def start(self, number: int = 0, *, crash_at: str = "") -> None:
        """Returns once it listens. A daemon with a point to crash at may be dead by then."""
        memory = self._memory[number]
        memory[:] = (0, 0)
        values = (self._config(number), self._log(number), crash_at, self.clock_shift_ms, memory, self.bug)
        daemon = _FORKS.Process(target=child.serve, args=values)
        daemon.start()
        self._running[number] = daemon
        self.starts += 1
        await self._until_listening(number, may_die=bool(crash_at))

    def is_alive(self, number: int = 0) -> bool:
        return number in self._running and self._running[number].is_alive()

    def pid(self, number: int = 0) -> int:
        pid = self._running[number].pid
        assert pid is not None
        return pid

    def memory_in_use(self, number: int = 0) -> tuple[int, int]:
        """As the daemon said last (gauges.memory_in_use); nothing until it has."""
        in_use_bytes, blocks = self._memory[number]
        return in_use_bytes, blocks

    async def kill(self, number: int = 0) -> None:
        daemon = self._running.pop(number)
        daemon.kill()
        await asyncio.to_thread(daemon.join)

    async def until_dead(self, number: int = 0, *, limit_s: float) -> bool:
        """Whether it died by itself within the limit."""
        daemon = self._running[number]
        await asyncio.to_thread(daemon.join, limit_s)
        if daemon.is_alive():
            return False
        assert daemon.exitcode == -signal.SIGKILL, self.said(number)
        del self._running[number]
        return True

    async def freeze(self, number: int, seconds: float) -> None:
        """Stopped in the middle of whatever it does, and going on later without having noticed."""
        os.kill(self.pid(number), signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            os.kill(self.pid(number), signal.SIGCONT)

    async def until_frozen(self, number: int, *, limit_s: float) -> None:
        """By itself (child.FREEZE_POINT)."""
        async with asyncio.timeout(limit_s):
            while Path(f"/proc/{self.pid(number)}/stat").read_text().rpartition(")")[2].split()[0] != "T":
                await asyncio.sleep(0.01)

    def wake(self, number: int) -> None:
        os.kill(self.pid(number), signal.SIGCONT)

    async def stop_all(self) -> None:
        """Orderly; each must end by itself, well, and without having written a traceback."""
        daemons = list(self._running.items())
        self._running.clear()
        for _, daemon in daemons:
            daemon.terminate()
        for number, daemon in daemons:
            await asyncio.to_thread(daemon.join, 60)
            assert daemon.exitcode == 0, f"exit code {daemon.exitcode}\n{self.said(number)}"
            assert "Traceback" not in self.said(number), self.said(number)

    def end_all(self) -> None:
        """Whatever is left when a run broke off."""
        for daemon in self._running.values():
            with suppress(OSError, ValueError):
                daemon.kill()
                daemon.join(10)

    def said(self, number: int = 0) -> str:
        log = self._log(number)
        return log.read_text("utf-8", "replace")[-5_000:] if log.exists() else ""

    def new_log_lines(self, number: int = 0) -> NewLines:
        return NewLines(self._log(number))

    async def _until_listening(self, number: int, *, may_die: bool) -> None:
        async with asyncio.timeout(60):
            while True:
                if not self.is_alive(number):
                    assert may_die, self.said(number)
                    return
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self.ports[number])
                except OSError:
                    await asyncio.sleep(0.005)
                    continue
                writer.close()
                return

    def _config(self, number: int) -> Path:
        return self._folder / f"smsbridge-{number}.toml"

    def _log(self, number: int) -> Path:
        return self._folder / f"log-{number}"


class NewLines:
    """The whole lines of a file that were added since it was last gone through."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._offset = 0

    def __iter__(self) -> Iterator[str]:
        with self._file.open("rb") as file:
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):
                    return  # it is being written
                self._offset += len(line)
                yield line.decode("utf-8", "replace")
