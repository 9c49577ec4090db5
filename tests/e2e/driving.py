"""Driving a bridge from outside, as a phone, an agent system and an operator do: HTTP and signals only."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import aiohttp

PATIENCE_S = 60.0
"""How long anything is waited for that must come: on a slow and busy machine, too."""


class Process:
    """A bridge in a process of its own. Only this process is ever signalled."""

    def __init__(self, child: asyncio.subprocess.Process, log: Path) -> None:
        self._child = child
        self.log = log

    @classmethod
    async def start(
        cls, *arguments: str, log: Path, environment: Mapping[str, str] | None = None, checks: bool = True
    ) -> Self:
        """`checks`: in Python's development mode with warnings as errors, which is slower to start."""
        mode = ("-X", "dev", "-W", "error") if checks else ()
        with log.open("ab") as out:
            child = await asyncio.create_subprocess_exec(
                sys.executable,
                *mode,
                "-m",
                "smsbridge",
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env={**os.environ, "NO_COLOR": "1", **(environment or {})},
            )
        return cls(child, log)

    @property
    def is_running(self) -> bool:
        return self._child.returncode is None

    async def kill(self) -> None:
        self._child.kill()
        await self._child.wait()

    async def stop(self) -> int:
        """SIGTERM, as a service manager does it, who kills what does not end. Returns the exit code."""
        if self._child.returncode is None:
            self._child.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await self._child.wait()
        except TimeoutError:
            await self.kill()
            raise AssertionError(f"it did not end when it was told to: {self.said()[-4_000:]}") from None

    def said(self) -> str:
        return self.log.read_text("utf-8", "replace")


@dataclass
class Answer:
    status: int
    body: Any
    headers: Mapping[str, str]


class Api:
    """An agent system: REST with a key."""

    def __init__(self, session: aiohttp.ClientSession, url: str, key: str, *, look_every_s: float = 0.05) -> None:
        self._session = session
        self._look_every_s = look_every_s
        self._url = url.rstrip("/")
        self._key = key

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self._session.request(
            method, self._url + path, json=body, headers={"Authorization": f"Bearer {self._key}", **named}
        ) as response:
            text = await response.text()
            shown = json.loads(text) if "json" in response.content_type and text else text
            return Answer(status=response.status, body=shown, headers=response.headers)

    async def get(self, path: str) -> Any:
        answer = await self.call("GET", path)
        assert answer.status == 200, (path, answer.status, answer.body)
        return answer.body

    async def post(self, path: str, body: Any = None, *, status: int = 200, **headers: str) -> Any:
        answer = await self.call("POST", path, {} if body is None else body, **headers)
        assert answer.status == status, (path, answer.status, answer.body)
        return answer.body

    async def upload(self, data: bytes, *, filename: str, content_type: str) -> Any:
        form = aiohttp.FormData()
        form.add_field("file", data, filename=filename, content_type=content_type)
        async with self._session.post(
            f"{self._url}/attachments", data=form, headers={"Authorization": f"Bearer {self._key}"}
        ) as response:
            assert response.status == 201, (response.status, await response.text())
            return await response.json()

    async def download(self, url: str) -> tuple[int, str, bytes]:
        async with self._session.get(url) as response:
            return response.status, response.content_type, await response.read()

    async def until(self, look: Callable[[], Any], what: str) -> Any:
        """Asks again until `look` (async) gives something true. What it last saw is in the failure."""
        seen: Any = None
        try:
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    seen = await look()
                    if seen:
                        return seen
                    await asyncio.sleep(self._look_every_s)
        except TimeoutError:
            raise AssertionError(f"{what} never came; last seen: {seen!r}") from None

    async def interaction_of(self, number: str) -> Any:
        async def look() -> Any:
            found = await self.get(f"/contacts?query={quote(number, safe='')}")
            for contact in found["items"]:
                if contact["number"] != number:
                    continue
                for state in ("waiting", "active", "ended"):
                    listed = await self.get(f"/interactions?state={state}&limit=200")
                    for interaction in listed["items"]:
                        if interaction["contact_number"] == number:
                            return interaction
            return None

        return await self.until(look, f"an interaction with {number}")

    async def transcript(self, interaction_id: str) -> list[Any]:
        found = await self.get(f"/interactions/{interaction_id}/transcript?limit=200")
        return list(found["items"])

    async def notice(self, interaction_id: str, kind: str) -> Any:
        async def look() -> Any:
            entries = await self.transcript(interaction_id)
            return next((e["notice"] for e in entries if e["kind"] == "notice" and e["notice"]["kind"] == kind), None)

        return await self.until(look, f"the notice {kind}")

    async def status(self, message_id: str, *wanted: str) -> Any:
        async def look() -> Any:
            message = await self.get(f"/messages/{message_id}")
            return message if message["status"] in wanted else None

        return await self.until(look, f"status {' or '.join(wanted)}")

    async def events(self) -> list[Any]:
        """The whole event log, page by page."""
        events: list[Any] = []
        after = 0
        while True:
            page = await self.get(f"/events?after={after}&limit=200")
            if not page["items"]:
                return events
            events += page["items"]
            after = events[-1]["seq"]


class Phone:
    """A phone at the simulated carrier."""

    def __init__(self, session: aiohttp.ClientSession, simulator_url: str, number: str) -> None:
        self._session = session
        self._url = f"{simulator_url}/api/phones/{quote(number, safe='')}"
        self.number = number

    async def text(self, text: str = "", *media: str) -> Any:
        body = {"text": text} | ({"media": list(media)} if media else {})
        async with self._session.post(f"{self._url}/messages", json=body) as response:
            assert response.status < 300, (response.status, await response.text())
            return await response.json()

    async def become(self, persona: str) -> None:
        async with self._session.put(self._url, json={"persona": persona}) as response:
            assert response.status < 300, (response.status, await response.text())

    async def received(self) -> list[Any]:
        async with self._session.get(f"{self._url}/messages") as response:
            found = await response.json()
        return [each for each in found["items"] if each["direction"] == "received"]


@asynccontextmanager
async def browsing() -> AsyncIterator[aiohttp.ClientSession]:
    connector = aiohttp.TCPConnector(force_close=True)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=PATIENCE_S)) as session:
        yield session


async def wait_for_file(file: Path, process: Process) -> Any:
    """The JSON that a process writes once it is ready."""
    async with asyncio.timeout(PATIENCE_S):
        while not file.exists():
            assert process.is_running, process.said()[-4_000:]
            await asyncio.sleep(0.02)
    return json.loads(file.read_text("utf-8"))
