"""An agent system: texts contacts over REST and repeats each request under its Idempotency-Key until it is told 202."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence

import aiohttp

from faults.history import History, write_text_out

_AGAIN = frozenset({409, 429, 500, 502, 503, 504, 507})
_PAUSE_S = 0.03


class AgentDouble:
    """`name` is in each text. `base_url` gives the address of a daemon, another one each time if there are several."""

    def __init__(
        self,
        name: str,
        *,
        session: aiohttp.ClientSession,
        base_url: Callable[[], str],
        key: str,
        contacts: Sequence[str],
        history: History,
        chance: random.Random,
    ) -> None:
        self._name = name
        self._session = session
        self._base_url = base_url
        self._key = key
        self._contacts = contacts
        self._history = history
        self._chance = chance

    async def text_on(self, stop: asyncio.Event, *, pause_s: tuple[float, float]) -> None:
        """Text after text, with a pause between two, until told to stop."""
        while not stop.is_set():
            await self.text(self._chance.choice(self._contacts), stop)
            await asyncio.sleep(self._chance.uniform(*pause_s))

    async def text(self, to: str, stop: asyncio.Event) -> None:
        self._history.tried_out[self._name] += 1
        text = write_text_out(self._name, self._history.tried_out[self._name])
        self._history.note(text, "invoke")
        while not stop.is_set():
            message_id = await self._post(text, {"to": to, "text": text})
            if message_id is None:
                await asyncio.sleep(_PAUSE_S)
                continue
            if message_id:
                self._history.accept_out(text, message_id)
            return
        self._history.note(text, "unknown")

    async def _post(self, text: str, body: dict[str, str]) -> str | None:
        """The message's id, None when it is to be asked again, or nothing when it was refused for good."""
        try:
            async with self._session.post(
                f"{self._base_url()}/v1/messages",
                json=body,
                headers={"Authorization": f"Bearer {self._key}", "Idempotency-Key": f'"{text}"'},
            ) as answer:
                said = await answer.text()
                if answer.status == 202:
                    return str((await answer.json())["id"])
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            return None
        if answer.status in _AGAIN:
            return None
        self._history.refuse(text, answer.status, said)
        return ""
