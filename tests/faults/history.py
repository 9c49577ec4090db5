"""What was asked of the bridge and what it said, as one JSON line each: `invoke`, then `ok`, `no` or `unknown`.

Texts in are numbered by phone, texts out by agent, so that what is kept in memory for the checker stays small however
long a run is: the last number that was tried, the numbers acknowledged, and the ids given out.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import defaultdict
from pathlib import Path
from typing import Literal

Outcome = Literal["invoke", "ok", "no", "unknown"]


class History:
    """`acknowledged_in` has the numbers of each phone, `accepted_out` the message id of each text."""

    def __init__(self, file: Path) -> None:
        self._lines = file.open("a", encoding="utf-8")
        self._started_s = time.monotonic()
        self._news = asyncio.Event()
        self.tried_in: dict[str, int] = defaultdict(int)
        self.acknowledged_in: dict[str, set[int]] = defaultdict(set)
        self.tried_out: dict[str, int] = defaultdict(int)
        self.accepted_out: dict[str, str] = {}
        self.refused: list[str] = []
        """What the bridge said no to. Nothing that is asked here deserves it."""
        self.count_in = 0
        self.count_out = 0

    def note(self, what: str, outcome: Outcome, **facts: object) -> None:
        at_s = round(time.monotonic() - self._started_s, 3)
        self._lines.write(json.dumps({"at_s": at_s, "what": what, "is": outcome, **facts}) + "\n")

    def acknowledge_in(self, phone: str, number: int) -> None:
        self.note(write_text_in(phone, number), "ok")
        self.acknowledged_in[phone].add(number)
        self.count_in += 1
        self._news.set()

    def accept_out(self, text: str, message_id: str) -> None:
        self.note(text, "ok", id=message_id)
        self.accepted_out[text] = message_id
        self.count_out += 1
        self._news.set()

    def refuse(self, what: str, status: int, answer: str) -> None:
        self.note(what, "no", status=status, answer=answer)
        self.refused.append(f"{what}: {status} {answer}"[:200])

    async def until_more(self, count: int, *, limit_s: float) -> None:
        """Until so many more texts were acknowledged, in or out, or the time is over."""
        wanted = self.count_in + self.count_out + count
        await self._until(lambda: self.count_in + self.count_out >= wanted, limit_s)

    async def until_reached(self, texts_in: int, texts_out: int, *, limit_s: float) -> None:
        await self._until(lambda: self.count_in >= texts_in and self.count_out >= texts_out, limit_s)

    async def _until(self, condition: object, limit_s: float) -> None:
        try:
            async with asyncio.timeout(limit_s):
                while not condition():  # type: ignore[operator]
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            pass

    def close(self) -> None:
        self._lines.close()


def write_text_in(phone: str, number: int) -> str:
    return f"in {phone} {number}"


def read_text_in(text: str) -> tuple[str, int] | None:
    words = text.split(" ")
    return (words[1], int(words[2])) if len(words) == 3 and words[0] == "in" and words[2].isdecimal() else None


def write_text_out(agent: str, number: int) -> str:
    return f"out {agent} {number}"


def read_text_out(text: str) -> tuple[str, int] | None:
    words = text.split(" ")
    return (words[1], int(words[2])) if len(words) == 3 and words[0] == "out" and words[2].isdecimal() else None
