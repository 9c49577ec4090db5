"""A signal that any number of readers may wait for."""

from __future__ import annotations

import asyncio


class Bell:
    """Wakes everybody who waits. Once closed it stays rung, so that nobody waits while the simulator stops."""

    __slots__ = ("_closed", "_waiting")

    def __init__(self) -> None:
        self._waiting: set[asyncio.Future[None]] = set()
        self._closed = False

    @property
    def closed(self) -> bool:
        return self._closed

    @property
    def waited_for(self) -> bool:
        return bool(self._waiting)

    def ring(self) -> None:
        for future in self._waiting:
            if not future.done():
                future.set_result(None)
        self._waiting.clear()

    def close(self) -> None:
        self._closed = True
        self.ring()

    async def wait(self, timeout_s: float) -> bool:
        """Whether it rang within `timeout_s`."""
        if self._closed:
            return True
        future = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            async with asyncio.timeout(timeout_s):
                await future
        except TimeoutError:
            return False
        finally:
            self._waiting.discard(future)
        return True
