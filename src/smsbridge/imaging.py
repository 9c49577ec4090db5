"""Pictures, decoded in a process of its own (contracts.network.Imaging; imaging_child.py is that process).

One child is started when it is first needed, asked one question at a time, and ended after a minute without any. A
child that dies or takes too long takes its question with it and nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self, cast

from smsbridge.contracts.network import ImagingUnavailable, PictureFacts

MAX_WAITING: Final = 64
"""Pictures that may wait for the one that is decoded; more are refused at once rather than answered too late."""
MAX_THUMBNAIL_BYTES: Final = 1024 * 1024

_FORMATS: Final = {
    "image/jpeg": "JPEG",
    "image/png": "PNG",
    "image/gif": "GIF",
    "image/webp": "WEBP",
    "image/bmp": "BMP",
    "image/avif": "AVIF",
}
"""Our types and Pillow's names of the decoders that are let loose on them: exactly one each."""

_MAX_ANSWER_BYTES: Final = 4096
_CHILD: Final = Path(__file__).with_name("imaging_child.py")


class ChildImaging:
    """contracts.network.Imaging. Its methods raise ImagingUnavailable when no child comes up, or when too many
    pictures wait."""

    def __init__(self, *, timeout_s: float = 20.0, idle_s: float = 60.0) -> None:
        """`timeout_s` is for one picture; the child's own limit on processor time is tighter."""
        self._timeout_s = timeout_s
        self._idle_s = idle_s
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._child: _Child | None = None
        self._rest: asyncio.TimerHandle | None = None

    async def read_picture(self, file: Path, content_type: str) -> PictureFacts | None:
        answer = await self._ask("read", file, content_type, MAX_THUMBNAIL_BYTES)
        if answer is None or not answer.data:
            return None
        return PictureFacts(width=answer.width, height=answer.height, thumbnail=answer.data)

    async def shrink(self, file: Path, content_type: str, max_bytes: int) -> bytes | None:
        answer = await self._ask("shrink", file, content_type, max_bytes)
        return answer.data if answer is not None and answer.data else None

    async def close(self) -> None:
        async with self._turn:
            await self._end()

    async def _ask(self, ask: str, file: Path, content_type: str, max_bytes: int) -> _Answer | None:
        """None when the child died of it or took too long. One left in the middle of an answer is not asked again."""
        kind = _FORMATS.get(content_type)
        if kind is None:
            return None
        question: dict[str, object] = {"ask": ask, "file": str(file), "format": kind, "max_bytes": max_bytes}
        if self._waiting >= MAX_WAITING:
            raise ImagingUnavailable("too many pictures are waiting to be decoded")
        self._waiting += 1
        try:
            return await self._ask_in_turn(question, max_bytes)
        finally:
            self._waiting -= 1

    async def _ask_in_turn(self, question: dict[str, object], max_bytes: int) -> _Answer | None:
        async with self._turn:
            child = await self._start()
            try:
                async with asyncio.timeout(self._timeout_s):
                    answer = await child.answer(question, max_bytes)
            except (TimeoutError, OSError, EOFError, ValueError):
                await self._end()
                return None
            except BaseException:
                await self._end()
                raise
            self._rest = asyncio.get_running_loop().call_later(self._idle_s, child.dismiss)
            return answer

    async def _start(self) -> _Child:
        """The child that is there, or a new one that has said it is ready."""
        self._cancel_rest()
        if self._child is not None and self._child.listens:
            return self._child
        await self._end()
        try:
            self._child = await _Child.start()
            async with asyncio.timeout(self._timeout_s):
                await self._child.ready()
        except (TimeoutError, OSError, EOFError, ValueError) as error:
            status = await self._end()
            raise ImagingUnavailable(f"the process that decodes pictures ended at its start with {status}") from error
        except BaseException:
            await self._end()
            raise
        return self._child

    async def _end(self) -> int | None:
        """The exit status of the child that there was."""
        self._cancel_rest()
        child, self._child = self._child, None
        return None if child is None else await child.end()

    def _cancel_rest(self) -> None:
        if self._rest is not None:
            self._rest.cancel()
            self._rest = None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Answer:
    width: int
    height: int
    data: bytes
    """Empty when the picture was refused."""


class _Child:
    """The process and our side of the conversation. What it says is not believed, for it reads strangers' bytes."""

    def __init__(self, process: Process, questions: asyncio.StreamWriter, answers: asyncio.StreamReader) -> None:
        self._process = process
        self._questions = questions
        self._answers = answers

    @classmethod
    async def start(cls) -> Self:
        # -I and an empty environment: no secret of the daemon's, and no module from anywhere but the installation.
        # A session of its own: a terminal's Ctrl-C is for the daemon, which ends the child in its own time.
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", str(_CHILD), stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env={}, start_new_session=True
        )
        return cls(process, cast("asyncio.StreamWriter", process.stdin), cast("asyncio.StreamReader", process.stdout))

    @property
    def listens(self) -> bool:
        return self._process.returncode is None and not self._questions.is_closing()

    async def ready(self) -> None:
        """Returns once its limits stand. Raises EOFError or ValueError if it says anything else, or nothing."""
        if await self._read_json() != {"ready": True}:
            raise ValueError("not what a child says first")

    async def answer(self, question: dict[str, object], max_bytes: int) -> _Answer:
        """Raises OSError, EOFError or ValueError when the child does not keep to its part."""
        text = json.dumps(question).encode()
        self._questions.write(len(text).to_bytes(4, "big") + text)
        await self._questions.drain()
        said = await self._read_json()
        width, height, size = (said.get(name, 0) for name in ("width", "height", "size"))
        if not (
            isinstance(width, int) and isinstance(height, int) and isinstance(size, int) and 0 <= size <= max_bytes
        ):
            raise ValueError("not an answer")
        return _Answer(width=width, height=height, data=await self._answers.readexactly(size))

    def dismiss(self) -> None:
        """The end of its input is the end of the child."""
        self._questions.close()

    async def end(self) -> int:
        if self._process.returncode is None:
            # Not `Process.kill`: it looks whether the child has ended, and so takes its status from the event loop.
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGKILL)
        return await self._process.wait()

    async def _read_json(self) -> dict[str, object]:
        length = int.from_bytes(await self._answers.readexactly(4), "big")
        if length > _MAX_ANSWER_BYTES:
            raise ValueError("a longer answer than any")
        said = json.loads(await self._answers.readexactly(length))
        if not isinstance(said, dict):
            raise ValueError("not an answer")  # noqa: TRY004 -- one kind of error for all that a child may do wrong
        return said
